use std::time::Instant;

use bytes::Bytes;

use crate::payload::{CodecInfo, Format};
use crate::{ExtendedSequenceNumber, PayloadType};

/// A packet on its way into the buffer.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Its sequence number, unwrapped.
    pub sequence_number: ExtendedSequenceNumber,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// Its marker bit.
    pub marker: bool,
    /// Its payload type, handed through to the frame.
    pub payload_type: PayloadType,
    /// What that payload type stands for.
    pub format: Format,
    /// Its payload without padding; may be empty.
    pub payload: &'a [u8],
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It has its place.
    Accepted,
    /// It was there already.
    Duplicate,
    /// Its place has been passed: it was read, or given up.
    Late,
    /// Its payload is not of its format.
    Malformed,
}

/// A whole encoded frame.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Frame {
    /// The frame as the encoder made it (H.264: Annex B with 4-byte start codes).
    ///
    /// It shares a block of 16 KiB with other frames, which it keeps alive: one that is kept for
    /// long should be copied.
    pub data: Bytes,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// The payload type that it came with.
    pub payload_type: PayloadType,
    /// The format of that payload type.
    pub format: Format,
    /// Whether a decoder can start here: every audio frame; of formats that are opaque to us, none.
    pub key_frame: bool,
    /// Whether a frame is missing between the one read before and this.
    pub discontinuity: bool,
    /// What the payload header says.
    pub codec_info: CodecInfo,
    /// When its first packet came.
    pub first_arrival: Instant,
    /// When its last packet came.
    pub last_arrival: Instant,
    /// The number of its packets.
    pub packets: usize,
}
