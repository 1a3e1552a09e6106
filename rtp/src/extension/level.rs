/// How loud the audio of a packet is
/// ([RFC 6464 §3](https://www.rfc-editor.org/rfc/rfc6464#section-3)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AudioLevel {
    /// Whether the sender believes that somebody speaks.
    pub voice: bool,
    /// Decibels below overload, 0 (loudest) to 127 (silence).
    pub below_overload: u8,
}

impl AudioLevel {
    /// Reads an element's data; `None` unless it is one byte, or padded to two.
    pub fn parse(data: &[u8]) -> Option<Self> {
        match data {
            // The two-byte form of the figure pads; the length says one.
            [byte] | [byte, _] => {
                Some(Self { voice: byte & 0x80 != 0, below_overload: byte & 0x7F })
            }
            _ => None,
        }
    }

    /// The element's data.
    pub const fn to_bytes(self) -> [u8; 1] {
        let level = if self.below_overload > 127 { 127 } else { self.below_overload };
        [(if self.voice { 0x80 } else { 0 }) | level]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_and_written_back() {
        for byte in 0..=255 {
            assert_eq!(AudioLevel::parse(&[byte]).unwrap().to_bytes(), [byte]);
        }
        assert_eq!(AudioLevel::parse(&[]), None);
        assert_eq!(AudioLevel { voice: false, below_overload: 200 }.to_bytes(), [127]);
    }
}
