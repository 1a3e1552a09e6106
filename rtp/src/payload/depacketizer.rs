use bytes::BytesMut;
use thiserror::Error;

use super::{CodecInfo, Format, h264};

/// Puts the payloads of one frame together, in order of sequence number.
///
/// It appends the frame to the buffer given and knows nothing about loss: whoever feeds it (the
/// [`JitterBuffer`](crate::jitter_buffer::JitterBuffer)) knows that nothing is missing between the
/// payloads. A frame that fails leaves the buffer as it was.
#[derive(Debug)]
pub struct Depacketizer<'o> {
    format: Format,
    out: &'o mut BytesMut,
    start: usize,
    payloads: usize,
    in_fragmented_nal_unit: bool,
    assembled: Assembled,
}

/// What is known of a frame that was put together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Assembled {
    /// The length of the frame in bytes.
    pub len: usize,
    /// Whether a decoder can start with this frame (see [`Format::is_key_frame`]).
    pub key_frame: bool,
    /// What the payload header said about the frame.
    pub codec_info: CodecInfo,
}

impl<'o> Depacketizer<'o> {
    /// Begins a frame at the end of `out`.
    #[must_use]
    pub fn new(format: Format, out: &'o mut BytesMut) -> Self {
        let start = out.len();
        Self {
            format,
            out,
            start,
            payloads: 0,
            in_fragmented_nal_unit: false,
            assembled: Assembled::default(),
        }
    }

    /// Appends the part of the frame that is in the next payload.
    ///
    /// # Errors
    ///
    /// The payload is malformed or does not follow the one before: the frame is lost and the buffer
    /// is as it was before [`new`](Self::new). Payloads pushed after that begin a new frame.
    pub fn push(&mut self, payload: &[u8]) -> Result<(), DepacketizeError> {
        let result = self.append(payload);
        if result.is_err() {
            self.reset();
        }
        result
    }

    /// Ends the frame.
    ///
    /// # Errors
    ///
    /// No payload was pushed, or a fragmented NAL unit has no end: the buffer is as it was.
    pub fn finish(mut self) -> Result<Assembled, DepacketizeError> {
        let error = if self.payloads == 0 {
            DepacketizeError::Empty
        } else if self.in_fragmented_nal_unit {
            DepacketizeError::UnfinishedFragment
        } else {
            return Ok(Assembled { len: self.out.len() - self.start, ..self.assembled });
        };
        self.reset();
        Err(error)
    }

    fn append(&mut self, payload: &[u8]) -> Result<(), DepacketizeError> {
        let inspection = self.format.inspect(payload)?;
        let first = self.payloads == 0;
        match self.format {
            Format::Vp8 => {
                if first != inspection.can_start_frame {
                    return Err(DepacketizeError::OutOfPlace);
                }
                self.out
                    .extend_from_slice(payload.get(inspection.header_len..).unwrap_or_default());
            }
            Format::H264(_) => {
                h264::append(payload, self.out, &mut self.in_fragmented_nal_unit)?;
            }
            _ => {
                if !first {
                    return Err(DepacketizeError::OutOfPlace);
                }
                self.out.extend_from_slice(payload);
            }
        }
        self.payloads += 1;
        self.assembled.key_frame |= inspection.key_frame;
        if first {
            self.assembled.codec_info = inspection.codec_info;
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.out.truncate(self.start);
        self.payloads = 0;
        self.in_fragmented_nal_unit = false;
        self.assembled = Assembled::default();
    }
}

/// Why a received payload, or the frame that it is part of, is of no use.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DepacketizeError {
    /// A payload, or a NAL unit in it, has no bytes.
    #[error("the payload is empty")]
    Empty,
    /// A payload does not follow the one before it in the same frame.
    #[error("the payload begins or continues a frame where it cannot")]
    OutOfPlace,
    /// The payload ends inside a header or inside an aggregated NAL unit.
    #[error("the payload is cut short")]
    Truncated,
    /// The frame ends inside a fragmented NAL unit.
    #[error("the frame ends inside a fragmented NAL unit")]
    UnfinishedFragment,
    /// An H.264 payload structure that packetization modes 0 and 1 do not have.
    #[error("NAL unit type {0} is not used in packetization modes 0 and 1")]
    UnsupportedNalUnitType(u8),
}
