//! Payload type numbers.

use std::fmt;

/// The number that says how the payload of a packet is to be read: 0..=127, most of them given a
/// meaning by SDP ([RFC 3551 §3](https://www.rfc-editor.org/rfc/rfc3551#section-3)).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PayloadType(u8);

impl PayloadType {
    /// G.711 µ-law, a static assignment of
    /// [RFC 3551 §6](https://www.rfc-editor.org/rfc/rfc3551#section-6).
    pub const PCMU: Self = Self(0);
    /// G.711 A-law, a static assignment of RFC 3551 §6.
    pub const PCMA: Self = Self(8);

    /// The payload type with this number, or `None` above 127.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The payload type in the low seven bits; the eighth is the marker's place in a header.
    pub const fn from_low_bits(byte: u8) -> Self {
        Self(byte & 0x7F)
    }

    /// Its number, 0..=127.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether RTP and RTCP can share a port with this payload type in use: 64..=95, with the
    /// marker set, look like RTCP
    /// ([RFC 5761 §4](https://www.rfc-editor.org/rfc/rfc5761#section-4)).
    pub const fn is_multiplexable(self) -> bool {
        !(self.0 >= 64 && self.0 <= 95)
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_above_127_are_no_payload_types() {
        assert_eq!(PayloadType::new(127).map(PayloadType::number), Some(127));
        assert_eq!(PayloadType::new(128), None);
        assert_eq!(PayloadType::from_low_bits(0xE0).number(), 0x60);
    }

    #[test]
    fn payload_types_that_look_like_rtcp_are_told() {
        assert!(PayloadType::from_low_bits(63).is_multiplexable());
        assert!(!PayloadType::from_low_bits(64).is_multiplexable());
        assert!(!PayloadType::from_low_bits(95).is_multiplexable());
        assert!(PayloadType::from_low_bits(96).is_multiplexable());
    }
}
