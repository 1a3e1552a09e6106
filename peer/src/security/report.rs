//! What two connections agreed on, for people.

use std::fmt;
use std::time::Duration;

use dtls_srtp::certificate::PublicKey;
use dtls_srtp::{Fingerprint, HashAlgorithm, dtls, srtp};
use rustls::{CipherSuite, NamedGroup, SignatureScheme};

/// How a transport is secured: from
/// [`PeerConnection::security_report`](crate::PeerConnection::security_report) once it is connected.
///
/// Its `Display` is a line such as `DTLS 1.3 X25519MLKEM768 · SRTP AES-128-GCM`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SecurityReport {
    /// Which side of the handshake we were.
    pub dtls_role: dtls::Role,
    /// The version of DTLS.
    pub version: dtls::Version,
    /// What protects its records.
    pub cipher_suite: CipherSuite,
    /// How the keys were agreed on.
    pub group: NamedGroup,
    /// Whether a recording of this connection stays secret when there are quantum computers.
    pub post_quantum: bool,
    /// What we have signed the handshake with.
    pub local_signature_scheme: Option<SignatureScheme>,
    /// What the other side has signed it with.
    pub remote_signature_scheme: Option<SignatureScheme>,
    /// The certificate that we have shown.
    pub local_certificate: CertificateStats,
    /// The certificate that the other side has shown, and whose fingerprint it had announced.
    pub remote_certificate: CertificateStats,
    /// What protects media; `None` where the two have no profile in common.
    pub srtp_profile: Option<srtp::Profile>,
    /// Whether RTP header extensions and CSRCs are sent encrypted (cryptex, RFC 9335).
    pub cryptex: bool,
    /// Whether the handshake travelled inside ICE's checks.
    pub handshake_in_checks: bool,
    /// How long the handshake took on our side, from when it could begin.
    pub handshake_time: Duration,
    /// How many round trips the handshake has by its protocol, until the client can send: one in
    /// DTLS 1.3, two in 1.2, and one more for each hello that had to be repeated.
    pub round_trips: u32,
    /// How often one of our flights was sent again, because something was lost or late. What is
    /// said after the handshake counts as well: a KeyUpdate, as DTLS 1.3 has them now and then, is a
    /// flight of its own.
    pub flights_retransmitted: u64,
}

/// `RTCCertificateStats`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CertificateStats {
    /// `fingerprint` and `fingerprintAlgorithm`: SHA-256.
    pub fingerprint: Fingerprint,
    /// `base64Certificate`, before it is made text: the DER encoding.
    pub der: Vec<u8>,
}

impl CertificateStats {
    pub(crate) fn new(der: &[u8]) -> Self {
        Self { fingerprint: Fingerprint::of(HashAlgorithm::Sha256, der), der: der.to_vec() }
    }

    /// Returns the kind of its key, if it is one that we know.
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::of(&self.der)
    }
}

impl SecurityReport {
    /// Returns the registered name of the cipher suite, such as `TLS_AES_128_GCM_SHA256`.
    pub fn cipher_suite_name(&self) -> String {
        cipher_suite_name(self.cipher_suite)
    }

    /// Returns the name of the key exchange, such as `X25519MLKEM768` or `P-256`.
    pub fn group_name(&self) -> String {
        group_name(self.group)
    }
}

impl fmt::Display for SecurityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.group_name())?;
        match self.srtp_profile {
            Some(profile) => write!(f, " · SRTP {}", srtp_name(profile)),
            None => Ok(()),
        }
    }
}

/// rustls sets its names for TLS 1.3's suites apart from the others; the registry does not.
pub(crate) fn cipher_suite_name(suite: CipherSuite) -> String {
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}

pub(super) fn group_name(group: NamedGroup) -> String {
    match group {
        NamedGroup::secp256r1 => "P-256".to_owned(),
        NamedGroup::secp384r1 => "P-384".to_owned(),
        NamedGroup::secp521r1 => "P-521".to_owned(),
        other => format!("{other:?}"),
    }
}

fn srtp_name(profile: srtp::Profile) -> &'static str {
    match profile {
        srtp::Profile::AeadAes128Gcm => "AES-128-GCM",
        srtp::Profile::AeadAes256Gcm => "AES-256-GCM",
        srtp::Profile::Aes128CmHmacSha1_80 => "AES-128-CM SHA1-80",
        srtp::Profile::Aes128CmHmacSha1_32 => "AES-128-CM SHA1-32",
        other => other.name(),
    }
}
