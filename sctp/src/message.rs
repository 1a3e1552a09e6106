//! Messages, what an association carries.

use bytes::Bytes;
use std::time::Duration;

/// A message that arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The payload protocol identifier: what the payload is, as the sender says.
    pub ppid: u32,
    /// The payload, never empty.
    pub payload: Bytes,
}

/// A piece of a message that is read while it arrives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// The payload protocol identifier of the message.
    pub ppid: u32,
    /// The bytes that follow the last piece; none when the message was abandoned.
    pub payload: Bytes,
    /// What comes after it.
    pub then: Then,
}

/// What comes after a [`Part`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Then {
    /// More of the message.
    More,
    /// Nothing: the message is complete.
    End,
    /// Nothing: the sender has given the message up, what was read of it is not all.
    Abandoned,
}

/// How the messages of a stream are read.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ReadMode {
    /// Each as a whole; a message beyond
    /// [`Config::max_receive_message_size`](crate::Config::max_receive_message_size) aborts the
    /// association.
    #[default]
    Whole,
    /// In parts, as they arrive, however large the message is. Where messages are not interleaved
    /// a message arrives as a whole all the same, and is one part.
    Parts,
}

/// A message to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// The stream, below [`Association::outbound_streams`](crate::Association::outbound_streams).
    pub stream: u16,
    /// The payload protocol identifier: carried along, without meaning to SCTP.
    pub ppid: u32,
    /// The payload: not empty.
    pub payload: Bytes,
    /// Whether it keeps its place in its stream.
    pub order: Order,
    /// How hard to try.
    pub reliability: Reliability,
}

impl Outgoing {
    /// An ordered and reliable message.
    pub const fn new(stream: u16, ppid: u32, payload: Bytes) -> Self {
        Self { stream, ppid, payload, order: Order::Ordered, reliability: Reliability::Reliable }
    }
}

/// Whether messages of a stream are delivered in the order in which they were sent.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Order {
    /// In order: a missing message holds those after it back.
    #[default]
    Ordered,
    /// Each as soon as it is whole.
    Unordered,
}

/// How hard to try to deliver a message (RFC 3758, RFC 7496).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reliability {
    /// Until it is delivered.
    #[default]
    Reliable,
    /// It is sent again at most so many times
    /// ([RFC 7496 §3.1](https://www.rfc-editor.org/rfc/rfc7496#section-3.1)).
    MaxRetransmits(u16),
    /// It is neither begun nor sent again when so much time has gone by since it was handed over
    /// ([RFC 3758 §4.1](https://www.rfc-editor.org/rfc/rfc3758#section-4.1)). Of one that has begun to
    /// leave, or is written in parts, the rest leaves for the first time however old it is, until
    /// something of it would have to be sent again.
    MaxPacketLifeTime(Duration),
    /// As [`Self::Reliable`], but while nothing of it has left it is given up when the send buffer is
    /// full and a message comes that matters more: a reliable one, or one with a lower number here
    /// ([RFC 7496 §3.2](https://www.rfc-editor.org/rfc/rfc7496#section-3.2)). 0 matters most.
    ///
    /// Data channels have no such thing: what is opened with it is announced as reliable, and is so.
    Priority(u32),
}
