//! Epochs: which keys protect a record.

/// Which keys protect a record.
///
/// DTLS 1.2 has two: 0 without keys and 1 with those of the handshake, as renegotiation, which
/// would make more, is refused. DTLS 1.3 has 0, 2 for the handshake, 3 for the first application
/// keys, and one more with each KeyUpdate
/// ([RFC 9147 §6.1](https://www.rfc-editor.org/rfc/rfc9147#section-6.1)); 1 is early data, which
/// we do not have.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Epoch(pub(crate) u64);

impl Epoch {
    /// No keys, in both versions.
    pub(crate) const PLAINTEXT: Self = Self(0);
    /// The keys of DTLS 1.2.
    pub(crate) const PROTECTED: Self = Self(1);
    /// The handshake keys of DTLS 1.3.
    pub(crate) const HANDSHAKE: Self = Self(2);
    /// The first application keys of DTLS 1.3.
    pub(crate) const APPLICATION: Self = Self(3);
}
