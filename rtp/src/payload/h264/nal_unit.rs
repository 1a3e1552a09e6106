use std::ops::Range;

use super::TYPE_MASK;

/// A NAL unit's type, the low five bits of its first byte
/// ([RFC 6184 §5.2](https://www.rfc-editor.org/rfc/rfc6184#section-5.2)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NalUnitType(pub u8);

impl NalUnitType {
    /// A slice of an IDR picture: a decoder can start here.
    pub const IDR_SLICE: Self = Self(5);
    /// Supplemental enhancement information.
    pub const SEI: Self = Self(6);
    /// A sequence parameter set.
    pub const SPS: Self = Self(7);
    /// A picture parameter set.
    pub const PPS: Self = Self(8);
    /// An access unit delimiter.
    pub const ACCESS_UNIT_DELIMITER: Self = Self(9);
    /// An RTP payload of several NAL units.
    pub const STAP_A: Self = Self(24);
    /// An RTP payload with a part of a NAL unit.
    pub const FU_A: Self = Self(28);

    /// Returns the type of a NAL unit; `None` where it has no bytes.
    #[must_use]
    pub fn of(unit: &[u8]) -> Option<Self> {
        unit.first().map(|first| Self(first & TYPE_MASK))
    }

    /// Slices without data partitioning, and partition A: those that begin with first_mb_in_slice.
    pub(crate) fn is_slice(self) -> bool {
        matches!(self.0, 1 | 2 | 5)
    }

    /// Types that a NAL unit of H.264 may have: 0 and 24 to 31 are "unspecified" there, and mean
    /// payload structures here, so that such a unit cannot be sent.
    pub(crate) fn is_sendable(self) -> bool {
        matches!(self.0, 1..=23)
    }

    /// What begins an access unit before its slices (H.264 §7.4.1.2.3). A PPS would too; it is left
    /// out because the first of a stream has lost the SPS that a decoder needs
    /// ([`begins_with_pps`](super::begins_with_pps) is for later ones).
    pub(crate) fn precedes_slices(self) -> bool {
        matches!(self, Self::ACCESS_UNIT_DELIMITER | Self::SEI | Self::SPS)
    }
}

/// Where the NAL units of an Annex B byte stream are, without their start codes and without the zero
/// bytes that may follow them; empty ones are passed over.
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    stream: &'a [u8],
    /// Behind a start code, or `None` at the end.
    position: Option<usize>,
}

impl<'a> NalUnits<'a> {
    /// Looks for the first start code of `stream`; what comes before it is passed over.
    #[must_use]
    pub fn new(stream: &'a [u8]) -> Self {
        Self { stream, position: start_code(stream, 0).map(|at| at + 3) }
    }

    /// Goes on where [`position`](Self::position) was.
    pub(crate) fn resume(stream: &'a [u8], position: Option<usize>) -> Self {
        Self { stream, position }
    }

    pub(crate) fn position(&self) -> Option<usize> {
        self.position
    }
}

impl Iterator for NalUnits<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let start = self.position?;
            let next = start_code(self.stream, start);
            self.position = next.map(|at| at + 3);
            let unit = self.stream.get(start..next.unwrap_or(self.stream.len()))?;
            // A NAL unit never ends with a zero byte (H.264 §7.4.1): these belong to a start code of
            // four bytes, or are trailing_zero_8bits.
            let zeros = unit.iter().rev().take_while(|&&byte| byte == 0).count();
            if zeros < unit.len() {
                return Some(start..start + unit.len() - zeros);
            }
        }
    }
}

/// Returns where the next `00 00 01` at or behind `from` is.
fn start_code(stream: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        // Encoded video has few zero bytes: blocks without one are passed over at the speed of the
        // processor's vector comparison.
        while let Some(block) = stream.get(at..).and_then(|rest| rest.first_chunk::<32>()) {
            if block.iter().fold(false, |zero, &byte| zero | (byte == 0)) {
                break;
            }
            at += 32;
        }
        // Looking at the last of three bytes skips three in most steps.
        let end = at + 32;
        while at < end {
            match stream.get(at..at + 3)? {
                [0, 0, 1] => return Some(at),
                [_, _, 0] => at += 1,
                _ => at += 3,
            }
        }
    }
}
