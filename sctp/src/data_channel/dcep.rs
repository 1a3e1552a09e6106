//! The Data Channel Establishment Protocol
//! ([RFC 8832 §5](https://www.rfc-editor.org/rfc/rfc8832#section-5)).

use crate::message::{Order, Reliability};
use std::time::Duration;
use thiserror::Error;

/// A message of the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DcepMessage<'a> {
    /// Announces a channel.
    Open(DataChannelOpen<'a>),
    /// Answers [`DcepMessage::Open`].
    Ack,
}

/// DATA_CHANNEL_OPEN ([§5.1](https://www.rfc-editor.org/rfc/rfc8832#section-5.1)).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Message Type |  Channel Type |            Priority           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Reliability Parameter                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Label Length          |       Protocol Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// /                             Label                             /
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// /                            Protocol                           /
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DataChannelOpen<'a> {
    /// Whether messages keep their order.
    pub order: Order,
    /// How hard to try.
    pub reliability: Reliability,
    /// How urgent, relative to other channels (RFC 8831 §6.4: 128, 256, 512 or 1024).
    pub priority: u16,
    /// The name that the application gave it, up to 65 535 bytes.
    pub label: &'a str,
    /// The subprotocol (RFC 8831 §6.7 calls it so), up to 65 535 bytes.
    pub protocol: &'a str,
}

/// Why bytes are no message of the protocol.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ParseError {
    /// The channel type is not known.
    #[error("channel type {0:#04x} is not known")]
    ChannelType(u8),
    /// The message type is not known.
    #[error("message type {0:#04x} is not known")]
    MessageType(u8),
    /// Label or protocol are not UTF-8.
    #[error("label or protocol are not UTF-8")]
    NotUtf8,
    /// It is cut off.
    #[error("the message is cut off")]
    TooShort,
}

impl<'a> DcepMessage<'a> {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// When it is cut off or of a type that is not known.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        match *bytes.first().ok_or(ParseError::TooShort)? {
            MESSAGE_OPEN => DataChannelOpen::parse(bytes).map(Self::Open),
            MESSAGE_ACK => Ok(Self::Ack),
            other => Err(ParseError::MessageType(other)),
        }
    }
}

impl<'a> DataChannelOpen<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, rest) = bytes.split_first_chunk::<12>().ok_or(ParseError::TooShort)?;
        let [_, kind, p0, p1, r0, r1, r2, r3, l0, l1, m0, m1] = *header;
        let parameter = u32::from_be_bytes([r0, r1, r2, r3]);
        let label_len = usize::from(u16::from_be_bytes([l0, l1]));
        let protocol_len = usize::from(u16::from_be_bytes([m0, m1]));
        let (label, rest) = rest.split_at_checked(label_len).ok_or(ParseError::TooShort)?;
        let protocol = rest.get(..protocol_len).ok_or(ParseError::TooShort)?;
        let reliability = match kind & !UNORDERED {
            RELIABLE => Reliability::Reliable,
            // More than can be counted is no limit.
            MAX_RETRANSMITS => {
                Reliability::MaxRetransmits(u16::try_from(parameter).unwrap_or(u16::MAX))
            }
            MAX_LIFE_TIME => {
                Reliability::MaxPacketLifeTime(Duration::from_millis(parameter.into()))
            }
            _ => return Err(ParseError::ChannelType(kind)),
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8);
        Ok(Self {
            order: if kind & UNORDERED == 0 { Order::Ordered } else { Order::Unordered },
            reliability,
            priority: u16::from_be_bytes([p0, p1]),
            label: text(label)?,
            protocol: text(protocol)?,
        })
    }

    /// The message in wire form. Characters of label and protocol that end beyond 65 535 bytes are not
    /// there.
    pub fn to_bytes(self) -> Vec<u8> {
        let (kind, parameter) = match self.reliability {
            Reliability::Reliable | Reliability::Priority(_) => (RELIABLE, 0),
            Reliability::MaxRetransmits(count) => (MAX_RETRANSMITS, u32::from(count)),
            Reliability::MaxPacketLifeTime(time) => {
                (MAX_LIFE_TIME, u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
            }
        };
        let order = if self.order == Order::Unordered { UNORDERED } else { 0 };
        let cut = |text: &'a str| {
            text.get(..text.floor_char_boundary(usize::from(u16::MAX)))
                .unwrap_or_default()
                .as_bytes()
        };
        let (label, protocol) = (cut(self.label), cut(self.protocol));
        let mut bytes = Vec::with_capacity(12 + label.len() + protocol.len());
        bytes.extend_from_slice(&[MESSAGE_OPEN, kind | order]);
        bytes.extend_from_slice(&self.priority.to_be_bytes());
        bytes.extend_from_slice(&parameter.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(label.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(protocol.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(label);
        bytes.extend_from_slice(protocol);
        bytes
    }
}

/// DATA_CHANNEL_ACK ([§5.2](https://www.rfc-editor.org/rfc/rfc8832#section-5.2)) in wire form.
pub const ACK: &[u8] = &[MESSAGE_ACK];

// §8.2.1, §8.2.2.
const MESSAGE_ACK: u8 = 0x02;
const MESSAGE_OPEN: u8 = 0x03;
const RELIABLE: u8 = 0x00;
const MAX_RETRANSMITS: u8 = 0x01;
const MAX_LIFE_TIME: u8 = 0x02;
const UNORDERED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_type_reads_back() {
        let reliabilities = [
            (0x00, Reliability::Reliable),
            (0x01, Reliability::MaxRetransmits(3)),
            (0x02, Reliability::MaxPacketLifeTime(Duration::from_millis(700))),
        ];
        for (kind, reliability) in reliabilities {
            for (bit, order) in [(0, Order::Ordered), (0x80, Order::Unordered)] {
                let open = DataChannelOpen {
                    order,
                    reliability,
                    priority: 512,
                    label: "schöner Name",
                    protocol: "chat",
                };
                let bytes = open.to_bytes();
                assert_eq!(bytes[1], kind | bit);
                assert_eq!(DcepMessage::parse(&bytes), Ok(DcepMessage::Open(open)));
            }
        }
        assert_eq!(DcepMessage::parse(ACK), Ok(DcepMessage::Ack));
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let label = format!("{}ö", "l".repeat(65_534));
        let open = DataChannelOpen {
            order: Order::Ordered,
            reliability: Reliability::Reliable,
            priority: 256,
            label: &label,
            protocol: "protocol",
        };
        let bytes = open.to_bytes();
        let cut = DataChannelOpen { label: &label[..65_534], ..open };
        assert_eq!(DcepMessage::parse(&bytes), Ok(DcepMessage::Open(cut)));
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_refused() {
        let bytes = DataChannelOpen {
            order: Order::Ordered,
            reliability: Reliability::Reliable,
            priority: 256,
            label: "label",
            protocol: "protocol",
        }
        .to_bytes();
        for len in 0..bytes.len() {
            assert_eq!(DcepMessage::parse(&bytes[..len]), Err(ParseError::TooShort));
        }
        let mut other = bytes.clone();
        other[1] = 0x03;
        assert_eq!(DcepMessage::parse(&other), Err(ParseError::ChannelType(0x03)));
        other[0] = 0x01;
        assert_eq!(DcepMessage::parse(&other), Err(ParseError::MessageType(0x01)));
        let mut other = bytes;
        other[12] = 0xff;
        assert_eq!(DcepMessage::parse(&other), Err(ParseError::NotUtf8));
    }
}
