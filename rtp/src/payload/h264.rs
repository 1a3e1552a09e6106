//! H.264 ([RFC 6184](https://www.rfc-editor.org/rfc/rfc6184)), packetization modes 0 and 1: single
//! NAL unit packets, STAP-A and FU-A.
//!
//! A frame is an access unit in Annex B form. Start codes of three and of four bytes are taken, and
//! zero bytes after a NAL unit; start codes of four bytes come out, so that two forms of the same
//! access unit become one. The parameter sets stay in front of the key frame that needs them.

mod nal_unit;
mod packetizer;

pub use self::nal_unit::{NalUnitType, NalUnits};
pub(crate) use self::packetizer::{Fragments, Packetizer};

use bytes::BytesMut;

use super::{CodecInfo, DepacketizeError, Inspection};

/// The `packetization-mode` of RFC 6184 that packets are sent in
/// ([§5.4](https://www.rfc-editor.org/rfc/rfc6184#section-5.4)). Both are understood on receipt.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PacketizationMode {
    /// Mode 0: a packet is a NAL unit. The encoder has to keep its slices below the packet size.
    #[default]
    SingleNalUnit,
    /// Mode 1: small NAL units share a packet (STAP-A), large ones are cut (FU-A).
    NonInterleaved,
}

/// Returns whether an Annex B access unit has an IDR picture
/// ([RFC 6184 §1.3](https://www.rfc-editor.org/rfc/rfc6184#section-1.3)).
#[must_use]
pub fn is_key_frame(frame: &[u8]) -> bool {
    NalUnits::new(frame)
        .filter_map(|range| frame.get(range))
        .any(|unit| NalUnitType::of(unit) == Some(NalUnitType::IDR_SLICE))
}

const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
const TYPE_MASK: u8 = 0x1f;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Looks at one RTP payload. `can_start_frame` is what the NAL unit can tell: an access unit begins
/// with a delimiter, SEI, a parameter set, or the slice with macroblock 0.
pub(crate) fn inspect(payload: &[u8]) -> Result<Inspection, DepacketizeError> {
    let (&first, rest) = payload.split_first().ok_or(DepacketizeError::Empty)?;
    let (can_start_frame, kind) = match NalUnitType(first & TYPE_MASK) {
        NalUnitType::STAP_A => {
            let mut can_start_frame = None;
            let mut kind = NalUnitType(0);
            for unit in Aggregate(rest) {
                let unit = unit?;
                can_start_frame.get_or_insert_with(|| starts_access_unit(unit));
                if let Some(of_unit) = NalUnitType::of(unit)
                    && (of_unit == NalUnitType::IDR_SLICE
                        || of_unit == NalUnitType::SPS && kind != NalUnitType::IDR_SLICE)
                {
                    kind = of_unit;
                }
            }
            (can_start_frame.ok_or(DepacketizeError::Empty)?, kind)
        }
        NalUnitType::FU_A => {
            let (&header, data) = rest.split_first().ok_or(DepacketizeError::Truncated)?;
            let kind = NalUnitType(header & TYPE_MASK);
            let starts = header & FU_START != 0
                && (kind.precedes_slices()
                    || kind.is_slice() && data.first().is_some_and(|data| data & 0x80 != 0));
            (starts, kind)
        }
        kind @ NalUnitType(1..=23) => (starts_access_unit(payload), kind),
        NalUnitType(other) => return Err(DepacketizeError::UnsupportedNalUnitType(other)),
    };
    let key_frame = kind == NalUnitType::IDR_SLICE;
    Ok(Inspection {
        can_start_frame,
        is_whole_frame: false,
        key_frame,
        begins_key_frame: can_start_frame && (key_frame || kind == NalUnitType::SPS),
        header_len: 0,
        codec_info: CodecInfo::None,
    })
}

fn starts_access_unit(unit: &[u8]) -> bool {
    let Some(kind) = NalUnitType::of(unit) else { return false };
    // A slice header begins with first_mb_in_slice as ue(v): a set bit is the number 0.
    kind.precedes_slices()
        || kind.is_slice() && unit.get(1).is_some_and(|header| header & 0x80 != 0)
}

/// Returns whether the first NAL unit of `payload` is a picture parameter set: an access unit begins
/// with it where the SPS was sent before, or the access unit's own was lost.
pub(crate) fn begins_with_pps(payload: &[u8]) -> bool {
    let kind = match NalUnitType::of(payload) {
        Some(NalUnitType::STAP_A) => payload.get(3..).and_then(NalUnitType::of),
        kind => kind,
    };
    kind == Some(NalUnitType::PPS)
}

/// Appends the NAL units of `payload`, or its part of one, in Annex B form.
pub(crate) fn append(
    payload: &[u8],
    out: &mut BytesMut,
    in_fragmented_nal_unit: &mut bool,
) -> Result<(), DepacketizeError> {
    let (&first, rest) = payload.split_first().ok_or(DepacketizeError::Empty)?;
    let kind = NalUnitType(first & TYPE_MASK);
    if kind != NalUnitType::FU_A && *in_fragmented_nal_unit {
        return Err(DepacketizeError::OutOfPlace);
    }
    match kind {
        NalUnitType::STAP_A => {
            for unit in Aggregate(rest) {
                out.extend_from_slice(&START_CODE);
                out.extend_from_slice(unit?);
            }
        }
        NalUnitType::FU_A => {
            let (&header, data) = rest.split_first().ok_or(DepacketizeError::Truncated)?;
            let starts = header & FU_START != 0;
            if starts == *in_fragmented_nal_unit {
                return Err(DepacketizeError::OutOfPlace);
            }
            if starts {
                out.extend_from_slice(&START_CODE);
                out.extend_from_slice(&[first & !TYPE_MASK | header & TYPE_MASK]);
            }
            out.extend_from_slice(data);
            // "the Start bit and End bit MUST NOT both be set" (RFC 6184 §5.8), but what a sender
            // that does so means is clear.
            *in_fragmented_nal_unit = header & FU_END == 0;
        }
        _ => {
            out.extend_from_slice(&START_CODE);
            out.extend_from_slice(payload);
        }
    }
    Ok(())
}

/// The NAL units of a STAP-A behind its first byte, each behind its size in 16 bits
/// ([RFC 6184 §5.7.1](https://www.rfc-editor.org/rfc/rfc6184#section-5.7.1)).
struct Aggregate<'a>(&'a [u8]);

impl<'a> Iterator for Aggregate<'a> {
    type Item = Result<&'a [u8], DepacketizeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let unit = self
            .0
            .split_first_chunk()
            .and_then(|(&size, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(size))));
        let Some((unit, rest)) = unit else {
            self.0 = &[];
            return Some(Err(DepacketizeError::Truncated));
        };
        self.0 = rest;
        if unit.is_empty() {
            return Some(Err(DepacketizeError::Empty));
        }
        Some(Ok(unit))
    }
}
