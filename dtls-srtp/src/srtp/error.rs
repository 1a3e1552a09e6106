use thiserror::Error;

use crate::crypto::{CryptoError, KeyError};

/// Why a packet could not be protected.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ProtectError {
    /// The packet's header would show what
    /// [`Cryptex::Required`](super::Cryptex::Required) was to hide: it has a header extension that
    /// [RFC 9335](https://www.rfc-editor.org/rfc/rfc9335) cannot encrypt. Or it would be taken for
    /// encrypted, as its kind is one that cryptex has for its own.
    #[error("the header extension is of a kind that cryptex cannot encrypt")]
    HeaderInClear,
    /// The key has protected as many packets as it may, or this source has used up its indexes:
    /// 2^48 RTP packets, 2^31 RTCP packets. New keys are needed
    /// ([RFC 3711 §9.2](https://www.rfc-editor.org/rfc/rfc3711#section-9.2)): in the second case, which
    /// takes years, those of a new [`Context`](super::Context).
    #[error("this key has protected as many packets as it may")]
    KeyExhausted,
    /// Not an RTP or RTCP packet.
    #[error("the bytes are not an RTP or RTCP packet")]
    Malformed,
    /// A packet with this sequence number has been protected already, or may have been
    /// ([`Repetition`](super::Repetition)).
    #[error("a packet with this sequence number was already protected")]
    Repeated,
    /// The table of sources is full ([`Settings::max_sources`](super::Settings::max_sources)).
    #[error("too many sources under one key")]
    TooManySources,
    /// The cipher refused: only for packets of gibibytes. The packet is spoilt.
    #[error("the cipher refused the packet")]
    TooLong,
}

impl From<CryptoError> for ProtectError {
    fn from(_: CryptoError) -> Self {
        Self::TooLong
    }
}

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UnprotectError {
    /// The tag is wrong: forged, damaged, under other keys, or too many packets were lost for the
    /// rollover counter to be estimated.
    #[error("the authentication tag does not match")]
    Authentication,
    /// CSRCs or header extensions are not encrypted, which
    /// [`Cryptex::Required`](super::Cryptex::Required) demands.
    #[error("CSRCs or header extensions are not encrypted")]
    HeaderInClear,
    /// Not an SRTP or SRTCP packet, or too short for its tag.
    #[error("the bytes are not an SRTP or SRTCP packet")]
    Malformed,
    /// A packet with this index was accepted before.
    #[error("the packet was received before")]
    Replayed,
    /// The packet is older than the replay window.
    #[error("the packet is older than the replay window")]
    TooOld,
    /// The table of sources is full ([`Settings::max_sources`](super::Settings::max_sources)).
    #[error("too many sources under one key")]
    TooManySources,
    /// The packet names a master key that the context does not have.
    #[error("the packet is under a master key that is not known")]
    UnknownMasterKey,
}

impl From<CryptoError> for UnprotectError {
    fn from(_: CryptoError) -> Self {
        Self::Authentication
    }
}

/// Why a master key could not be added.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AddKeyError {
    /// The key does not fit the profile.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The identifier is one that the context has: remove that key first.
    #[error("the context has a master key with this identifier already")]
    Known,
    /// The context's keys have identifiers of another length, or none: "the length … MUST be kept
    /// fixed for the lifetime of the context"
    /// ([RFC 3711 §3.2.1](https://www.rfc-editor.org/rfc/rfc3711#section-3.2.1)).
    #[error("an identifier of {actual} bytes does not fit, the context has {expected}")]
    MkiLength {
        /// The length of the identifier that was given.
        actual: usize,
        /// The length of the context's identifiers; zero without.
        expected: usize,
    },
}
