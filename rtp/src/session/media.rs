use std::time::{Instant, SystemTime};

use bytes::Bytes;
use thiserror::Error;

use super::section::SectionId;
use crate::extension::Values;
use crate::payload::{CodecInfo, Format, PacketizeError};
use crate::payload_type::PayloadType;
use crate::sequence::ExtendedSequenceNumber;
use crate::ssrc::Ssrc;

/// An encoded frame to send: a picture, or some audio.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// What the encoder made (H.264: in Annex B form).
    pub data: Bytes,
    /// When it was sampled, in units of the codec's clock rate. Any starting point will do: a random
    /// offset, as [RFC 3550 §5.1](https://www.rfc-editor.org/rfc/rfc3550#section-5.1) wants, is the
    /// caller's.
    pub rtp_time: u32,
    /// When it was captured; `None`: when it is handed over. By it the reports tie RTP time to the
    /// wall clock, and "abs-capture-time" is stamped where negotiated.
    pub captured: Option<Instant>,
    /// The payload type; `None`: the section's first codec.
    pub payload_type: Option<PayloadType>,
    /// Whether it is a key frame, where the format can't tell ([`Format::is_key_frame`]).
    pub keyframe: bool,
    /// What the encoder knows about its layers.
    pub codec_info: CodecInfo,
    /// Header extensions for each of its packets.
    pub extensions: Values,
}

impl Frame {
    /// A frame of the section's first codec.
    pub const fn new(data: Bytes, rtp_time: u32) -> Self {
        Self {
            data,
            rtp_time,
            captured: None,
            payload_type: None,
            keyframe: false,
            codec_info: CodecInfo::None,
            extensions: Values::new(),
        }
    }
}

/// A packet to send; its source, sequence number and section are put in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutgoingPacket {
    /// The payload type, one of the section's.
    pub payload_type: PayloadType,
    /// The marker bit.
    pub marker: bool,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// Header extensions.
    pub extensions: Values,
    /// The payload.
    pub payload: Bytes,
}

impl OutgoingPacket {
    /// A packet without a marker and extensions.
    pub const fn new(payload_type: PayloadType, timestamp: u32, payload: Bytes) -> Self {
        Self { payload_type, marker: false, timestamp, extensions: Values::new(), payload }
    }
}

/// A packet that came in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ReceivedPacket {
    /// Its payload, without padding. It shares a block of 16 KiB with its neighbours, which it keeps
    /// alive: copy one that is kept for long. It is empty where a source fills up its rate; forwarded,
    /// such a packet keeps its number, so that nothing seems to be missing.
    pub payload: Bytes,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// What that stands for.
    pub format: Format,
    /// Its marker bit.
    pub marker: bool,
    /// Its sequence number, unwrapped.
    pub sequence: ExtendedSequenceNumber,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// Its source.
    pub ssrc: Ssrc,
    /// When it came.
    pub arrival: Instant,
    /// The header extensions that aren't of the hop.
    pub extensions: Values,
    /// Whether it came as a retransmission on a stream of its own (RFC 4588).
    pub retransmitted: bool,
    /// What its source last reported.
    pub(super) clock: Option<SourceClock>,
}

/// An instant in a source's time stamps and in ours, by its last report: streams of one sender are
/// in step by these, whatever each has taken from its camera or microphone to here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SourceClock {
    pub(super) rtp_time: u32,
    pub(super) at: Instant,
}

/// A frame that came in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ReceivedFrame {
    /// The frame as the encoder made it (H.264: Annex B with 4-byte start codes).
    pub data: Bytes,
    /// Its RTP timestamp.
    pub rtp_time: u32,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// What that stands for.
    pub format: Format,
    /// Its source.
    pub ssrc: Ssrc,
    /// Whether a decoder can start here.
    pub keyframe: bool,
    /// Whether a frame is missing before it.
    pub discontinuity: bool,
    /// When its last packet came.
    pub arrival: Instant,
    /// When it was captured, by the sender's wall clock; once a sender report has told.
    pub captured: Option<SystemTime>,
    /// What the payload header says.
    pub codec_info: CodecInfo,
    /// The header extensions seen last in its stream.
    pub extensions: Values,
}

/// Why something isn't sent. The payload comes back ([`SendError::into_payload`]).
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{reason}")]
pub struct SendError {
    reason: SendErrorReason,
    payload: Bytes,
}

impl SendError {
    pub(super) const fn new(reason: SendErrorReason, payload: Bytes) -> Self {
        Self { reason, payload }
    }

    /// Why.
    pub const fn reason(&self) -> SendErrorReason {
        self.reason
    }

    /// What was to be sent: the frame's data or the packet's payload.
    pub fn into_payload(self) -> Bytes {
        self.payload
    }
}

/// What keeps something from being sent.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SendErrorReason {
    /// The section does not send: there is no such section, or its direction does not allow it.
    #[error("section {0} does not send")]
    NotSending(SectionId),
    /// The format can't cut the frame.
    #[error("the frame cannot be made into packets: {0}")]
    Packetize(#[from] PacketizeError),
    /// As much is waiting as may wait: the path is slower than what is sent.
    #[error("{packets} packets with {bytes} bytes wait to be sent; drop this one or send less")]
    QueueFull {
        /// Packets of the section that wait.
        packets: usize,
        /// Bytes of the section that wait.
        bytes: usize,
    },
    /// The packet would be longer than a datagram may be.
    #[error("a payload of {len} bytes does not fit in a packet that has room for {limit}")]
    TooLarge {
        /// The payload's length.
        len: usize,
        /// The longest payload, with these header extensions.
        limit: usize,
    },
    /// The section has no such payload type.
    #[error("payload type {0} was not negotiated")]
    UnknownPayloadType(PayloadType),
    /// None of the section's payload types has the format of the packet to forward.
    #[error("none of the payload types negotiated has the packet's format, {0:?}")]
    UnknownFormat(Format),
}
