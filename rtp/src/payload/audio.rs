//! Opus ([RFC 7587](https://www.rfc-editor.org/rfc/rfc7587)), G.711 and G.722
//! ([RFC 3551 §4.5](https://www.rfc-editor.org/rfc/rfc3551#section-4.5)): a payload is a whole frame.

use bytes::Bytes;

use super::Fragment;
use super::fragment::EqualPieces;

/// Returns the duration of an Opus packet in ticks of its 48 kHz RTP clock; `None` where the packet
/// is malformed ([RFC 6716 §3.1](https://www.rfc-editor.org/rfc/rfc6716#section-3.1)).
#[must_use]
pub fn opus_duration(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    // Table 2: four SILK sizes, two hybrid, four CELT.
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880].get(usize::from(config & 3)).copied()?,
        config @ 12..=15 => [480, 960].get(usize::from(config & 1)).copied()?,
        config => [120, 240, 480, 960].get(usize::from(config & 3)).copied()?,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        // Code 3: the count is in the next byte; RFC 6716 §3.2.5 allows at most 120 ms in all.
        _ => u32::from(*packet.get(1)? & 0x3f),
    };
    let ticks = frame * frames;
    (1..=5760).contains(&ticks).then_some(ticks)
}

/// Knows whether a frame follows the one before without a pause
/// ([RFC 3551 §4.1](https://www.rfc-editor.org/rfc/rfc3551#section-4.1): the marker bit is set in the
/// first packet of a talk spurt).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TalkSpurt {
    expected: Option<u32>,
}

impl TalkSpurt {
    /// `ticks` is the frame's duration: without it, the next frame is taken to follow.
    pub(crate) fn begins(&mut self, timestamp: u32, ticks: Option<u32>) -> bool {
        let begins = match self.expected {
            Some(expected) => expected != timestamp,
            None => true,
        };
        self.expected = Some(timestamp.wrapping_add(ticks.unwrap_or(0)));
        begins
    }
}

/// A run of G.711 or G.722 bytes, cut where it must be: a byte is a tick of the 8 kHz clock.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    pieces: EqualPieces,
    offset: u32,
    marker: bool,
}

impl Samples {
    pub(crate) fn new(frame: Bytes, marker: bool, limit: usize) -> Self {
        Self { pieces: EqualPieces::new(frame, limit), offset: 0, marker }
    }
}

impl Iterator for Samples {
    type Item = Fragment;

    fn next(&mut self) -> Option<Fragment> {
        let piece = self.pieces.next()?;
        let offset = self.offset;
        // The packetizer refused frames whose length is not a u32.
        self.offset = offset.wrapping_add(piece.len() as u32);
        let marker = std::mem::take(&mut self.marker);
        Some(Fragment::whole(piece, marker).at_timestamp_offset(offset))
    }
}
