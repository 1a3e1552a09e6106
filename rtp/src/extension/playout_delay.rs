use std::time::Duration;

/// How long a receiver should buffer, at least and at most; counted in steps of 10 ms up to
/// 40.95 s (the "playout-delay" extension).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PlayoutDelay {
    /// At least.
    pub min: Duration,
    /// At most.
    pub max: Duration,
}

impl PlayoutDelay {
    /// Reads an element's data: `None` unless it is three bytes with `min` not above `max`.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let [a, b, c] = *data else { return None };
        let min = (u16::from(a) << 4) | (u16::from(b) >> 4);
        let max = (u16::from(b & 0x0F) << 8) | u16::from(c);
        (min <= max).then(|| Self { min: steps(min), max: steps(max) })
    }

    /// The element's data; more than 40.95 s is written as that much.
    pub fn to_bytes(self) -> [u8; 3] {
        let [min, max] =
            [self.min, self.max].map(|delay| (delay.as_millis() / 10).min(0xFFF) as u16);
        [(min >> 4) as u8, ((min << 4) as u8) | (max >> 8) as u8, max as u8]
    }
}

const fn steps(count: u16) -> Duration {
    Duration::from_millis(count as u64 * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_read_and_written_back() {
        for (min, max) in [(0, 0), (0, 4095), (17, 300), (4095, 4095)] {
            let delay = PlayoutDelay { min: steps(min), max: steps(max) };
            assert_eq!(PlayoutDelay::parse(&delay.to_bytes()), Some(delay));
        }
        assert_eq!(PlayoutDelay { min: steps(1), max: Duration::MAX }.to_bytes(), [0, 0x1F, 0xFF]);
        assert_eq!(PlayoutDelay::parse(&[0xFF, 0xF0, 0]), None, "min above max");
    }
}
