use crate::clock::NtpTime;

/// When a frame was captured, by the capturer's clock; a mixer passes it on (the
/// "abs-capture-time" extension).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AbsCaptureTime {
    /// The capturer's time.
    pub captured: NtpTime,
    /// How far the capturer's clock is ahead of the sender's, in 1/2³² seconds.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    /// Reads an element's data: `None` unless it is 8 or 16 bytes.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (captured, rest) = data.split_first_chunk::<8>()?;
        let clock_offset = match rest.split_first_chunk::<8>() {
            Some((offset, [])) => Some(i64::from_be_bytes(*offset)),
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { captured: NtpTime(u64::from_be_bytes(*captured)), clock_offset })
    }

    /// The element's data: the first so many bytes.
    pub fn to_bytes(self) -> ([u8; 16], usize) {
        let mut bytes = [0; 16];
        let (captured, offset) = bytes.split_at_mut(8);
        captured.copy_from_slice(&self.captured.0.to_be_bytes());
        offset.copy_from_slice(&self.clock_offset.unwrap_or(0).to_be_bytes());
        (bytes, if self.clock_offset.is_some() { 16 } else { 8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lengths_are_read_and_written_back() {
        for clock_offset in [None, Some(-5), Some(1 << 40)] {
            let time = AbsCaptureTime { captured: NtpTime(0x0123_4567_89AB_CDEF), clock_offset };
            let (bytes, len) = time.to_bytes();
            assert_eq!(AbsCaptureTime::parse(&bytes[..len]), Some(time));
        }
        assert_eq!(AbsCaptureTime::parse(&[0; 12]), None);
        assert_eq!(AbsCaptureTime::parse(&[0; 24]), None);
    }
}
