//! Why a handshake fails and a connection ends.

use thiserror::Error;

use super::alert::AlertDescription;
use super::codec::Malformed;

/// Why we broke a handshake off; the peer is told by [`HandshakeError::alert`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer's Finished message does not fit the handshake: somebody changed it on its way.
    #[error("the peer's Finished message does not match the handshake")]
    BadFinished,
    /// A signature of the peer's is wrong: it does not have the key of its certificate.
    #[error("the peer's signature is wrong")]
    BadSignature,
    /// The server speaks DTLS 1.2 and says that it could do better: somebody on the way does not
    /// want us to ([RFC 8446 §4.1.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.1.3)).
    #[error("the handshake was downgraded on its way")]
    Downgraded,
    /// The peer does not know the extended master secret, which we require.
    #[error("the peer does not offer the extended master secret (RFC 7627)")]
    ExtendedMasterSecretMissing,
    /// The peer's certificate is not the one that its fingerprints announce.
    #[error("the peer's certificate does not match its fingerprints")]
    FingerprintMismatch,
    /// A field has a value that it must not have.
    #[error("the peer sent a parameter that is not allowed")]
    IllegalParameter,
    /// Our own cryptography failed: no randomness, or a signing key that does not answer.
    #[error("the cryptographic provider failed")]
    Internal,
    /// The peer's public key is no point of its group.
    #[error("the peer's key share is invalid")]
    InvalidKeyShare,
    /// A message cannot be parsed.
    #[error("the peer sent a malformed message")]
    Malformed,
    /// The peer's certificate cannot be parsed.
    #[error("the peer's certificate is malformed")]
    MalformedCertificate,
    /// A message is longer than
    /// [`Config::with_max_handshake_bytes`](super::Config::with_max_handshake_bytes) allows.
    #[error("the peer sent a handshake message that is longer than our settings allow")]
    MessageTooLong,
    /// An extension is missing that the version needs.
    #[error("the peer left out an extension that is needed")]
    MissingExtension,
    /// The peer gives no certificate, and must.
    #[error("the peer gives no certificate")]
    NoCertificate,
    /// No cipher suite is known to both, for the kind of certificate at hand.
    #[error("no common cipher suite")]
    NoCommonCipherSuite,
    /// No key exchange group is known to both; or in DTLS 1.2, the client has not the curve of any
    /// of our certificates' keys.
    #[error("no common key exchange group")]
    NoCommonGroup,
    /// The peer cannot verify what our key can sign.
    #[error("no common signature scheme")]
    NoCommonSignatureScheme,
    /// No protocol version is known to both.
    #[error("no common protocol version")]
    NoCommonVersion,
    /// A record held more than a record may.
    #[error("the peer sent a record that is too long")]
    RecordOverflow,
    /// The peer's hello says that it goes on with another handshake, which was none of ours.
    #[error("the peer renegotiates what was not negotiated with us")]
    Renegotiation,
    /// A message came that does not belong there.
    #[error("the peer sent a message out of place")]
    UnexpectedMessage,
    /// The peer's certificate has a kind of key that is not supported, or not with its suite.
    #[error("the peer's certificate has an unsupported kind of key")]
    UnsupportedCertificate,
    /// The peer answered an extension that had not been offered, or sent one that has no place
    /// here.
    #[error("the peer sent an extension that was not offered or has no place here")]
    UnsupportedExtension,
}

impl HandshakeError {
    /// Returns the alert that tells the peer. In DTLS 1.3 it is
    /// [`CertificateRequired`](AlertDescription::CertificateRequired) for
    /// [`HandshakeError::NoCertificate`], which DTLS 1.2 has no alert of its own for.
    pub const fn alert(self) -> AlertDescription {
        match self {
            Self::BadFinished | Self::BadSignature => AlertDescription::DecryptError,
            Self::ExtendedMasterSecretMissing
            | Self::NoCertificate
            | Self::NoCommonCipherSuite
            | Self::NoCommonGroup
            | Self::NoCommonSignatureScheme
            | Self::Renegotiation => AlertDescription::HandshakeFailure,
            Self::FingerprintMismatch | Self::MalformedCertificate => {
                AlertDescription::BadCertificate
            }
            Self::Downgraded
            | Self::IllegalParameter
            | Self::InvalidKeyShare
            | Self::MessageTooLong => AlertDescription::IllegalParameter,
            Self::Internal => AlertDescription::InternalError,
            Self::Malformed => AlertDescription::DecodeError,
            Self::MissingExtension => AlertDescription::MissingExtension,
            Self::NoCommonVersion => AlertDescription::ProtocolVersion,
            Self::RecordOverflow => AlertDescription::RecordOverflow,
            Self::UnexpectedMessage => AlertDescription::UnexpectedMessage,
            Self::UnsupportedCertificate => AlertDescription::UnsupportedCertificate,
            Self::UnsupportedExtension => AlertDescription::UnsupportedExtension,
        }
    }
}

impl HandshakeError {
    /// What a key exchange failed by: the peer's key share, or the provider.
    pub(crate) const fn of_exchange(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::PeerMisbehaved(_) => Self::InvalidKeyShare,
            _ => Self::Internal,
        }
    }
}

impl From<Malformed> for HandshakeError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer broke off with this alert.
    #[error("the peer broke off: {0}")]
    Alert(AlertDescription),
    /// We broke the handshake off.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// So many forged records came that the keys can be trusted no more
    /// ([RFC 9147 §4.5.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.5.3)), or ours have
    /// protected all that they may and cannot be changed.
    #[error("a key has protected as many records as it may, or too many forged ones came under it")]
    KeyWornOut,
    /// [`Connection::close`](super::Connection::close) or
    /// [`Connection::abort`](super::Connection::abort) was called.
    #[error("closed by us")]
    Local,
    /// The peer closed.
    #[error("closed by the peer")]
    Remote,
    /// The last retransmission of a flight was not answered.
    #[error("the peer does not answer")]
    TimedOut,
}

/// Why a [`Config`](super::Config) cannot be made.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// No cipher suite is left: of those that were asked for, or that there are, none is known to
    /// both providers and of use to the versions and the certificate.
    #[error("no cipher suite is left that both providers have and the settings can use")]
    NoCipherSuite,
    /// No key exchange group is left: of those that were asked for, or that the provider has, none
    /// can be used in the versions that were asked for. X25519MLKEM768 belongs to DTLS 1.3 alone.
    #[error("no key exchange group is left that the provider has and the versions can use")]
    NoGroup,
    /// Each of the versions lacks something: a cipher suite, or a scheme that the certificate's key
    /// can sign with.
    #[error(
        "no version is left that has a cipher suite and a signature scheme for the certificate"
    )]
    NoVersion,
    /// The certificate's key cannot be used with the suites that there are.
    #[error("the certificate's kind of key cannot be used with the suites that there are")]
    UnsupportedKey,
    /// The oldest version that was asked for is newer than the newest.
    #[error("the oldest version is newer than the newest")]
    VersionRange,
}

/// Why [`Connection::seal`](super::Connection::seal) did not close a record.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SealError {
    /// The connection was closed since the record was begun, or it is of another connection and this
    /// one has no keys.
    #[error("the connection is closed")]
    Closed,
    /// The keys were updated since the record was begun.
    #[error("the keys were updated since the record was begun")]
    KeyUpdated,
    /// The buffer is not the one that the record was begun in, or was cut since.
    #[error("the record was not begun in this buffer")]
    Misplaced,
    /// The plaintext is longer than a record can be.
    #[error("{len} bytes do not fit a record, which takes {}", super::MAX_PLAINTEXT_LEN)]
    TooLong {
        /// The length of the plaintext in bytes.
        len: usize,
    },
}

/// Why no keying material could be exported.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ExportError {
    /// The context is longer than 65 535 bytes.
    #[error("the exporter's context is longer than 65535 bytes")]
    ContextTooLong,
    /// The label is longer than 249 bytes, or one that the handshake uses itself.
    #[error("the exporter's label is too long or reserved")]
    Label,
    /// The handshake is not finished, or its peer not authenticated.
    #[error("not connected")]
    NotConnected,
    /// More bytes are asked for than can be derived: 255 times the length of the hash.
    #[error("more bytes than an exporter gives")]
    OutputTooLong,
}
