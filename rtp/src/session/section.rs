//! What an m-section of the description says about its media.

use std::fmt;

use crate::clock::ClockRate;
use crate::extension::ExtensionMap;
use crate::payload::Format;
use crate::payload_type::PayloadType;
use crate::ssrc::Ssrc;

/// An m-section of a [`Session`](super::Session); small numbers, best from 0 on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SectionId(pub u16);

impl fmt::Display for SectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What was negotiated for an m-section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Its `a=mid`; empty without one.
    pub mid: String,
    /// Whether it is audio or video, by which the pacer orders packets.
    pub media: Media,
    /// The payload types that may be sent and received, the preferred first.
    pub codecs: Vec<Codec>,
    /// The header extensions, `a=extmap`.
    pub extensions: ExtensionMap,
    /// What we send, when the direction allows it.
    pub send: Option<Send>,
    /// What we receive, when the direction allows it.
    pub receive: Option<Receive>,
    /// Whether RTCP feedback may go without the reports of a compound packet, `a=rtcp-rsize`
    /// ([RFC 5506](https://www.rfc-editor.org/rfc/rfc5506)).
    pub reduced_size: bool,
}

/// The kind of media of an m-section.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Media {
    /// Audio: leaves at once, before all else.
    #[default]
    Audio,
    /// Video: leaves as the pacer allows.
    Video,
}

/// A payload type and what `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` say about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Codec {
    /// Its number.
    pub payload_type: PayloadType,
    /// What it stands for.
    pub format: Format,
    /// The rate of its timestamps.
    pub clock_rate: ClockRate,
    /// Audio channels; 1 for video.
    pub channels: u8,
    /// The payload type of its retransmissions
    /// ([RFC 4588](https://www.rfc-editor.org/rfc/rfc4588)), `apt` of an `rtx`.
    pub rtx: Option<PayloadType>,
    /// Whether lost packets are asked for again: `nack`. Those that the other side asks for need
    /// `rtx`, or [`Config::plain_retransmission`](super::Config::plain_retransmission).
    pub nack: bool,
    /// Whether a lost picture is told: `nack pli`.
    pub pli: bool,
    /// Whether key frames are asked for by command: `ccm fir`.
    pub fir: bool,
    /// Whether arrivals are told for congestion control: `transport-cc`.
    pub transport_cc: bool,
}

impl Codec {
    /// A payload type with one channel, without retransmission and feedback.
    pub const fn new(payload_type: PayloadType, format: Format, clock_rate: ClockRate) -> Self {
        Self {
            payload_type,
            format,
            clock_rate,
            channels: 1,
            rtx: None,
            nack: false,
            pli: false,
            fir: false,
            transport_cc: false,
        }
    }
}

/// What we send in an m-section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Send {
    /// The source of the media.
    pub ssrc: Ssrc,
    /// The source of the retransmissions, with an `rtx` payload type.
    pub rtx_ssrc: Option<Ssrc>,
    /// The name that binds our sources together
    /// ([RFC 7022](https://www.rfc-editor.org/rfc/rfc7022)).
    pub cname: String,
    /// The encoding of a simulcast, sent with each packet until the other side knows the stream.
    pub rid: Option<String>,
}

/// What we receive in an m-section.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Receive {
    /// The sources that were signalled (`a=ssrc`); others are learned from their packets.
    pub ssrcs: Vec<Ssrc>,
    /// The sources of retransmissions, each with the source that it repeats (`a=ssrc-group:FID`).
    pub rtx: Vec<(Ssrc, Ssrc)>,
    /// How the application reads.
    pub mode: Mode,
}

/// How the application reads a section.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// Whole frames in decode order, out of the jitter buffer.
    #[default]
    Frames,
    /// Packets as they arrive.
    Packets,
}
