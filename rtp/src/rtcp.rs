//! RTCP packets: views that are checked once, and a writer that appends.
//!
//! A datagram holds one or more packets ([`Compound`]); each begins with the same four bytes
//! ([RFC 3550 §6.4](https://www.rfc-editor.org/rfc/rfc3550#section-6.4)):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|  count  |  packet type  |    length in words, less 1    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! ```
//! use peerless_rtp::rtcp::{Compound, Packet, Writer};
//! use peerless_rtp::{SequenceNumber, Ssrc};
//! let mut buf = Vec::new();
//! let lost = [7, 8, 20].map(SequenceNumber);
//! Writer::new(&mut buf).nack(Ssrc(1), Ssrc(2), lost);
//! for packet in Compound::parse(&buf)? {
//!     let Packet::Nack(nack) = packet? else { panic!("only that was written") };
//!     assert!(nack.sequence_numbers().eq(lost));
//! }
//! # Ok::<(), peerless_rtp::rtcp::ParseError>(())
//! ```

mod application;
mod description;
mod goodbye;
mod key_frame;
mod nack;
mod remb;
mod report;
mod transport_feedback;
mod writer;

use thiserror::Error;

pub use self::application::Application;
pub use self::description::{Chunk, Item, ItemKind, SourceDescription};
pub use self::goodbye::Goodbye;
pub use self::key_frame::{FullIntraEntry, FullIntraRequest, PictureLossIndication};
pub use self::nack::Nack;
pub use self::remb::ReceiverEstimatedMaximumBitrate;
pub use self::report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use self::transport_feedback::TransportFeedback;
pub(crate) use self::transport_feedback::capacity as feedback_capacity;
pub use self::writer::Writer;

/// The RTCP packets of a datagram, in order; iterate to read them.
///
/// A compound packet begins with a report, one of reduced size
/// ([RFC 5506](https://www.rfc-editor.org/rfc/rfc5506)) with anything: both are read.
#[derive(Clone, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks that `bytes` is a sequence of whole packets.
    ///
    /// # Errors
    ///
    /// When there is none, the version isn't 2, or a length does not fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = bytes;
        loop {
            (_, rest) = Raw::split(rest)?;
            if rest.is_empty() {
                return Ok(Self { rest: bytes });
            }
        }
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<Packet<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (raw, rest) = Raw::split(self.rest).ok()?;
        self.rest = rest;
        Some(Packet::from_raw(raw))
    }
}

/// One RTCP packet.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// What a source sent and received, packet type 200.
    SenderReport(SenderReport<'a>),
    /// What a receiver received, packet type 201.
    ReceiverReport(ReceiverReport<'a>),
    /// Who sources are, packet type 202.
    SourceDescription(SourceDescription<'a>),
    /// Sources that end, packet type 203.
    Goodbye(Goodbye<'a>),
    /// Something of an application's, packet type 204.
    Application(Application<'a>),
    /// Packets to send again, RTPFB with FMT 1.
    Nack(Nack<'a>),
    /// Which packets of a transport arrived when, RTPFB with FMT 15.
    TransportFeedback(TransportFeedback<'a>),
    /// A decoder that lost its picture, PSFB with FMT 1.
    PictureLossIndication(PictureLossIndication),
    /// A key frame that is wanted, PSFB with FMT 4.
    FullIntraRequest(FullIntraRequest<'a>),
    /// The bit rate that a receiver believes possible, PSFB with FMT 15 and "REMB".
    ReceiverEstimatedMaximumBitrate(ReceiverEstimatedMaximumBitrate<'a>),
    /// Something that we do not read.
    Unknown(Raw<'a>),
}

impl<'a> Packet<'a> {
    fn from_raw(raw: Raw<'a>) -> Result<Self, ParseError> {
        let packet = match (raw.packet_type, raw.count) {
            (packet_type::SENDER_REPORT, _) => SenderReport::from_raw(raw).map(Self::SenderReport),
            (packet_type::RECEIVER_REPORT, _) => {
                ReceiverReport::from_raw(raw).map(Self::ReceiverReport)
            }
            (packet_type::SOURCE_DESCRIPTION, _) => {
                SourceDescription::from_raw(raw).map(Self::SourceDescription)
            }
            (packet_type::GOODBYE, _) => Goodbye::from_raw(raw).map(Self::Goodbye),
            (packet_type::APPLICATION, _) => Application::from_raw(raw).map(Self::Application),
            (packet_type::TRANSPORT_FEEDBACK, format::NACK) => Nack::from_raw(raw).map(Self::Nack),
            (packet_type::TRANSPORT_FEEDBACK, format::TRANSPORT_WIDE) => {
                TransportFeedback::from_raw(raw).map(Self::TransportFeedback)
            }
            (packet_type::PAYLOAD_FEEDBACK, format::PICTURE_LOSS) => {
                PictureLossIndication::from_raw(raw).map(Self::PictureLossIndication)
            }
            (packet_type::PAYLOAD_FEEDBACK, format::FULL_INTRA) => {
                FullIntraRequest::from_raw(raw).map(Self::FullIntraRequest)
            }
            (packet_type::PAYLOAD_FEEDBACK, format::APPLICATION_LAYER) if remb::is_remb(raw) => {
                ReceiverEstimatedMaximumBitrate::from_raw(raw)
                    .map(Self::ReceiverEstimatedMaximumBitrate)
            }
            _ => Some(Self::Unknown(raw)),
        };
        packet.ok_or(ParseError::Body { packet_type: raw.packet_type, count: raw.count })
    }
}

/// A packet as it is framed: what every RTCP packet has.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The packet type, 200 for a sender report and so on.
    pub packet_type: u8,
    /// The count, subtype or feedback message type: five bits.
    pub count: u8,
    /// What follows the four bytes of the header, without padding.
    pub body: &'a [u8],
}

impl<'a> Raw<'a> {
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), ParseError> {
        let cut = ParseError::Cut { available: bytes.len() };
        let (header, rest) = bytes.split_first_chunk::<4>().ok_or(cut)?;
        if header[0] >> 6 != VERSION {
            return Err(ParseError::Version { version: header[0] >> 6 });
        }
        let body_len = usize::from(u16::from_be_bytes([header[2], header[3]])) * 4;
        let (mut body, rest) = rest.split_at_checked(body_len).ok_or(cut)?;
        if header[0] & PADDING != 0 {
            // "In a compound RTCP packet, padding is only required on one individual packet" and
            // MUST be on the last; its last octet counts it, in whole words.
            let padding = body.last().copied().unwrap_or(0);
            let len = body.len().checked_sub(padding.into());
            body = len
                .filter(|_| rest.is_empty() && padding != 0 && padding % 4 == 0)
                .and_then(|len| body.get(..len))
                .ok_or(ParseError::Padding { padding_len: padding })?;
        }
        Ok((Self { packet_type: header[1], count: header[0] & COUNT, body }, rest))
    }
}

/// Why bytes are no RTCP.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ParseError {
    /// What a packet has to have is not in it.
    #[error("RTCP packet type {packet_type} with count {count} is malformed")]
    Body {
        /// Its packet type.
        packet_type: u8,
        /// Its count, subtype or feedback message type.
        count: u8,
    },
    /// A packet is longer than the datagram.
    #[error("an RTCP packet is cut short: {available} bytes are left for it (RFC 3550 §6.4.1)")]
    Cut {
        /// How many bytes are left.
        available: usize,
    },
    /// Padding that is not on the last packet, or not of its length.
    #[error("{padding_len} bytes of padding in an RTCP packet (RFC 3550 §6.4.1)")]
    Padding {
        /// What the last byte says.
        padding_len: u8,
    },
    /// It isn't RTCP.
    #[error("RTCP version {version} instead of 2 (RFC 3550 §6.4.1)")]
    Version {
        /// The first two bits.
        version: u8,
    },
}

const VERSION: u8 = 2;
const PADDING: u8 = 0x20;
const COUNT: u8 = 0x1F;

mod packet_type {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SOURCE_DESCRIPTION: u8 = 202;
    pub(super) const GOODBYE: u8 = 203;
    pub(super) const APPLICATION: u8 = 204;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
}

mod format {
    pub(super) const NACK: u8 = 1;
    pub(super) const TRANSPORT_WIDE: u8 = 15;
    pub(super) const PICTURE_LOSS: u8 = 1;
    pub(super) const FULL_INTRA: u8 = 4;
    pub(super) const APPLICATION_LAYER: u8 = 15;
}

/// Takes a big-endian word off the front.
fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*word), rest))
}

#[cfg(test)]
mod tests;
