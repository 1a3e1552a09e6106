use std::time::Duration;

use crate::clock::NtpTime;

/// When a packet left: 24 bits, 6 of seconds and 18 of fraction, around again every 64 seconds (the
/// "abs-send-time" extension).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AbsSendTime(u32);

impl AbsSendTime {
    /// Reads an element's data: `None` unless it is three bytes.
    pub const fn parse(data: &[u8]) -> Option<Self> {
        let [a, b, c] = *data else { return None };
        Some(Self(u32::from_be_bytes([0, a, b, c])))
    }

    /// The element's data.
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// How long after `earlier` this packet left, in 0..64 s.
    pub const fn since(self, earlier: Self) -> Duration {
        let units = self.0.wrapping_sub(earlier.0) as u64 & 0xFF_FFFF;
        Duration::from_nanos((units * 1_000_000_000) >> 18)
    }
}

impl From<NtpTime> for AbsSendTime {
    fn from(time: NtpTime) -> Self {
        Self((time.0 >> 14) as u32 & 0xFF_FFFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_survive_the_wrap() {
        let then = NtpTime(0x1234_5678_FFFF_FFFF);
        let later = then.plus(Duration::from_millis(63_250));
        let passed = AbsSendTime::from(later).since(AbsSendTime::from(then));
        assert!(passed.abs_diff(Duration::from_millis(63_250)) < Duration::from_micros(8));
    }

    #[test]
    fn bytes_are_read_and_written_back() {
        assert_eq!(AbsSendTime::parse(&[1, 2, 3]).unwrap().to_bytes(), [1, 2, 3]);
        assert_eq!(AbsSendTime::parse(&[1, 2]), None);
    }
}
