//! Synchronisation source identifiers.

use std::fmt;

/// The identifier of one source of RTP packets: chosen at random, unique in its RTP session
/// ([RFC 3550 §8](https://www.rfc-editor.org/rfc/rfc3550#section-8)).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for Ssrc {
    fn from(value: u32) -> Self {
        Self(value)
    }
}
