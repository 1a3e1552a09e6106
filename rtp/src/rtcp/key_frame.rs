use super::{Raw, split_u32};
use crate::ssrc::Ssrc;

/// A decoder lost its picture and wants a key frame,
/// [RFC 4585 §6.3.1](https://www.rfc-editor.org/rfc/rfc4585#section-6.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PictureLossIndication {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose picture.
    pub media: Ssrc,
}

impl PictureLossIndication {
    pub(super) fn from_raw(raw: Raw<'_>) -> Option<Self> {
        let (sender, rest) = split_u32(raw.body)?;
        let (media, _) = split_u32(rest)?;
        Some(Self { sender: Ssrc(sender), media: Ssrc(media) })
    }
}

/// Key frames are wanted, [RFC 5104 §4.3.1](https://www.rfc-editor.org/rfc/rfc5104#section-4.3.1).
#[derive(Clone, Copy, Debug)]
pub struct FullIntraRequest<'a> {
    sender: Ssrc,
    entries: &'a [[u8; 8]],
}

impl<'a> FullIntraRequest<'a> {
    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let (sender, rest) = split_u32(raw.body)?;
        // The media source of the common feedback header is unused here.
        let (_, rest) = split_u32(rest)?;
        let (entries, _) = rest.as_chunks::<8>();
        Some(Self { sender: Ssrc(sender), entries })
    }

    /// Who asks.
    pub const fn sender(&self) -> Ssrc {
        self.sender
    }

    /// The sources asked.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = FullIntraEntry> + use<'a> {
        self.entries.iter().map(|&[a, b, c, d, sequence, ..]| FullIntraEntry {
            media: Ssrc(u32::from_be_bytes([a, b, c, d])),
            command_sequence: sequence,
        })
    }
}

/// One source that is asked for a key frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FullIntraEntry {
    /// The source.
    pub media: Ssrc,
    /// One more for each command; the same for its repetition.
    pub command_sequence: u8,
}
