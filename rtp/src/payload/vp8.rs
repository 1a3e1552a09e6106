//! VP8 ([RFC 7741](https://www.rfc-editor.org/rfc/rfc7741)).
//!
//! ```text
//!         0 1 2 3 4 5 6 7
//!        +-+-+-+-+-+-+-+-+
//!        |X|R|N|S|R| PID | (REQUIRED)
//!        +-+-+-+-+-+-+-+-+
//!   X:   |I|L|T|K| RSV   | (OPTIONAL)
//!        +-+-+-+-+-+-+-+-+
//!   I:   |M| PictureID   | (OPTIONAL)
//!        +-+-+-+-+-+-+-+-+
//!        |   PictureID   |
//!        +-+-+-+-+-+-+-+-+
//!   L:   |   TL0PICIDX   | (OPTIONAL)
//!        +-+-+-+-+-+-+-+-+
//!   T/K: |TID|Y| KEYIDX  | (OPTIONAL)
//!        +-+-+-+-+-+-+-+-+
//! ```

use bytes::Bytes;

use super::fragment::EqualPieces;
use super::{CodecInfo, DepacketizeError, Fragment, Inspection};

/// A frame's place among VP8's temporal layers
/// ([RFC 7741 §4.2](https://www.rfc-editor.org/rfc/rfc7741#section-4.2)).
///
/// What we send counts picture ids and TL0PICIDX by itself: of a layer that is given to a packetizer
/// the temporal id and the two flags count, and a layer without a temporal id is a plain frame.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Layer {
    /// TID: 0 is the base layer, at most 3.
    pub temporal_id: Option<u8>,
    /// Y: the frame depends on the base layer only, so that a receiver can switch up here.
    pub layer_sync: bool,
    /// N: no other frame depends on this one.
    pub non_reference: bool,
    /// PictureID as received, of 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// TL0PICIDX as received: a running index of the base layer's frames.
    pub tl0_picture_index: Option<u8>,
}

/// The payload descriptor of one packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Descriptor {
    /// S: a partition begins with this packet.
    pub start_of_partition: bool,
    /// PID: the number of the partition, 0 to 7; the frame begins where S is set and PID is 0.
    pub partition: u8,
    /// The layer of the frame, and its counters.
    pub layer: Layer,
    /// The length of the descriptor in bytes: 1 to 6.
    pub len: usize,
}

const EXTENDED: u8 = 0x80;
const NON_REFERENCE: u8 = 0x20;
const START_OF_PARTITION: u8 = 0x10;
const HAS_PICTURE_ID: u8 = 0x80;
const HAS_TL0_PICTURE_INDEX: u8 = 0x40;
const HAS_TEMPORAL_ID: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;
const LONG_PICTURE_ID: u8 = 0x80;
const LAYER_SYNC: u8 = 0x20;

impl Descriptor {
    /// Reads the descriptor at the front of an RTP payload.
    ///
    /// # Errors
    ///
    /// The payload ends inside the descriptor or right behind it.
    pub fn parse(payload: &[u8]) -> Result<Self, DepacketizeError> {
        let mut rest = payload.iter().copied();
        let mut octet = || rest.next().ok_or(DepacketizeError::Truncated);
        let first = octet()?;
        let mut layer = Layer { non_reference: first & NON_REFERENCE != 0, ..Layer::default() };
        if first & EXTENDED != 0 {
            let extension = octet()?;
            if extension & HAS_PICTURE_ID != 0 {
                let high = octet()?;
                layer.picture_id = Some(if high & LONG_PICTURE_ID != 0 {
                    u16::from_be_bytes([high & !LONG_PICTURE_ID, octet()?])
                } else {
                    u16::from(high)
                });
            }
            if extension & HAS_TL0_PICTURE_INDEX != 0 {
                layer.tl0_picture_index = Some(octet()?);
            }
            if extension & (HAS_TEMPORAL_ID | HAS_KEY_INDEX) != 0 {
                let octet = octet()?;
                if extension & HAS_TEMPORAL_ID != 0 {
                    layer.temporal_id = Some(octet >> 6);
                    layer.layer_sync = octet & LAYER_SYNC != 0;
                }
            }
        }
        let len = payload.len() - rest.len();
        if len == payload.len() {
            return Err(DepacketizeError::Truncated);
        }
        Ok(Self {
            start_of_partition: first & START_OF_PARTITION != 0,
            partition: first & 0x07,
            layer,
            len,
        })
    }

    /// Returns whether a frame begins with this packet.
    #[must_use]
    pub fn starts_frame(&self) -> bool {
        self.start_of_partition && self.partition == 0
    }
}

/// How far another source's running indices are from those that came before it. PictureID "MUST
/// increase by 1 for each subsequent frame", and TL0PICIDX for those of the base layer
/// ([RFC 7741 §4.2](https://www.rfc-editor.org/rfc/rfc7741#section-4.2)).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct IndexOffset {
    picture_id: u16,
    tl0_picture_index: u8,
}

impl IndexOffset {
    /// What makes `first`, a new source's first layer, follow `last`.
    pub(crate) fn between(last: Layer, first: Layer) -> Self {
        let picture_id = last.picture_id.zip(first.picture_id);
        let tl0_picture_index = last.tl0_picture_index.zip(first.tl0_picture_index);
        Self {
            picture_id: picture_id
                .map_or(0, |(last, first)| last.wrapping_add(1).wrapping_sub(first)),
            tl0_picture_index: tl0_picture_index
                .map_or(0, |(last, first)| last.wrapping_add(1).wrapping_sub(first)),
        }
    }

    /// The descriptor at the front of a payload with its indices moved, and its length; `None`
    /// where there is nothing to move.
    pub(crate) fn apply(self, payload: &[u8]) -> Option<([u8; 6], usize)> {
        if self == Self::default() {
            return None;
        }
        let len = Descriptor::parse(payload).ok()?.len;
        let mut descriptor = [0; 6];
        descriptor.get_mut(..len)?.copy_from_slice(payload.get(..len)?);
        let [first, extension, indices @ ..] = &mut descriptor;
        if *first & EXTENDED == 0 {
            return None;
        }
        let mut indices = indices.iter_mut();
        if *extension & HAS_PICTURE_ID != 0 {
            let high = indices.next()?;
            if *high & LONG_PICTURE_ID != 0 {
                let low = indices.next()?;
                let id = u16::from_be_bytes([*high, *low]).wrapping_add(self.picture_id);
                [*high, *low] = id.to_be_bytes();
                *high |= LONG_PICTURE_ID;
            } else {
                *high = high.wrapping_add(self.picture_id as u8) & !LONG_PICTURE_ID;
            }
        }
        if *extension & HAS_TL0_PICTURE_INDEX != 0 {
            let index = indices.next()?;
            *index = index.wrapping_add(self.tl0_picture_index);
        }
        Some((descriptor, len))
    }
}

/// Returns whether a VP8 frame is a key frame: bit P of its first byte is 0
/// ([RFC 6386 §9.1](https://www.rfc-editor.org/rfc/rfc6386#section-9.1)).
#[must_use]
pub fn is_key_frame(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 0x01 == 0)
}

pub(crate) fn inspect(payload: &[u8]) -> Result<Inspection, DepacketizeError> {
    let descriptor = Descriptor::parse(payload)?;
    let starts = descriptor.starts_frame();
    let frame = payload.get(descriptor.len..).unwrap_or_default();
    Ok(Inspection {
        can_start_frame: starts,
        is_whole_frame: false,
        key_frame: starts && is_key_frame(frame),
        begins_key_frame: starts && is_key_frame(frame),
        header_len: descriptor.len,
        codec_info: CodecInfo::Vp8(descriptor.layer),
    })
}

/// Counts the pictures of one stream.
#[derive(Debug)]
pub(crate) struct Packetizer {
    next_picture_id: u16,
    tl0_picture_index: u8,
}

impl Packetizer {
    pub(crate) fn new(first_picture_id: u16) -> Self {
        Self { next_picture_id: first_picture_id & 0x7fff, tl0_picture_index: 0 }
    }

    pub(crate) fn packetize(&mut self, frame: Bytes, limit: usize, info: CodecInfo) -> Fragments {
        let picture_id = self.next_picture_id;
        // "If the picture ID reaches its maximum, it MUST wrap to 0" after 15 bits.
        self.next_picture_id = (picture_id + 1) & 0x7fff;
        let [high, low] = picture_id.to_be_bytes();
        let CodecInfo::Vp8(layer) = info else {
            return Fragments::new(
                [EXTENDED, HAS_PICTURE_ID, high | LONG_PICTURE_ID, low, 0, 0],
                4,
                frame,
                limit,
            );
        };
        let first = EXTENDED | if layer.non_reference { NON_REFERENCE } else { 0 };
        let Some(temporal_id) = layer.temporal_id else {
            return Fragments::new(
                [first, HAS_PICTURE_ID, high | LONG_PICTURE_ID, low, 0, 0],
                4,
                frame,
                limit,
            );
        };
        if temporal_id == 0 {
            self.tl0_picture_index = self.tl0_picture_index.wrapping_add(1);
        }
        let sync = if layer.layer_sync { LAYER_SYNC } else { 0 };
        Fragments::new(
            [
                first,
                HAS_PICTURE_ID | HAS_TL0_PICTURE_INDEX | HAS_TEMPORAL_ID,
                high | LONG_PICTURE_ID,
                low,
                self.tl0_picture_index,
                temporal_id.min(3) << 6 | sync,
            ],
            6,
            frame,
            limit,
        )
    }
}

/// The packets of one frame. All partitions are one run of bytes to us: PID is 0 throughout, S is set
/// in the first packet only, as RFC 7741 §4.4 lets an encoder do that does not tell its partitions.
#[derive(Clone, Debug)]
pub(crate) struct Fragments {
    descriptor: [u8; 6],
    descriptor_len: usize,
    first: bool,
    pieces: EqualPieces,
}

impl Fragments {
    fn new(descriptor: [u8; 6], descriptor_len: usize, frame: Bytes, limit: usize) -> Self {
        let pieces = EqualPieces::new(frame, limit.saturating_sub(descriptor_len));
        Self { descriptor, descriptor_len, first: true, pieces }
    }
}

impl Iterator for Fragments {
    type Item = Fragment;

    fn next(&mut self) -> Option<Fragment> {
        let piece = self.pieces.next()?;
        let mut descriptor = self.descriptor;
        if std::mem::take(&mut self.first) {
            descriptor[0] |= START_OF_PARTITION;
        }
        let marker = self.pieces.is_empty();
        Some(Fragment::prefixed(descriptor, self.descriptor_len, piece, marker))
    }
}
