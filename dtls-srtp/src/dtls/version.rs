//! Which version of the protocol.

use std::fmt;

use super::record;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Version {
    /// DTLS 1.2 ([RFC 6347](https://www.rfc-editor.org/rfc/rfc6347)).
    Dtls12,
    /// DTLS 1.3 ([RFC 9147](https://www.rfc-editor.org/rfc/rfc9147)).
    Dtls13,
}

impl Version {
    /// The number on the wire, in `supported_versions`.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Dtls12 => record::DTLS_1_2,
            Self::Dtls13 => record::DTLS_1_3,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dtls12 => f.write_str("DTLS 1.2"),
            Self::Dtls13 => f.write_str("DTLS 1.3"),
        }
    }
}
