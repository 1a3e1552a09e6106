//! WebRTC's data channels ([RFC 8831](https://www.rfc-editor.org/rfc/rfc8831)) on an association.
//!
//! A channel is a pair of streams with the same number, one each way. It is announced in band by
//! a DATA_CHANNEL_OPEN message ([`dcep`], RFC 8832) or agreed upon beforehand ("negotiated"), and
//! ends by the reset of both streams, after which the number is free again.
//!
//! [`Session`] is an engine of the usual five calls around an [`Association`](crate::Association).

mod channel;
mod close;
mod config;
pub mod dcep;
mod early;
mod handover;
mod message;
mod open;
mod renew;
mod send;
mod session;
mod streaming;

pub use crate::association::streaming::AppendError;
pub use channel::{ChannelState, ChannelStats};
pub use config::Config;
pub use message::Message;
pub use open::{ChannelInit, OpenError};
pub use session::Session;
pub use streaming::MessagePart;

use crate::event::CloseReason;
use std::fmt;
use thiserror::Error;

/// A channel of a session. Never used for another one, also when its stream is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChannelId {
    /// Counts the session's channels.
    serial: u32,
    /// Where the session keeps it.
    slot: u32,
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.serial)
    }
}

/// The side of the DTLS connection that we are on: it decides which numbers the channels that we
/// open get ([RFC 8832 §6](https://www.rfc-editor.org/rfc/rfc8832#section-6)).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The DTLS client uses even numbers.
    Client,
    /// The DTLS server uses odd ones.
    Server,
}

/// Something that has changed. At most one of a kind is held for a channel until it is polled;
/// messages are read from their channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The association is up.
    Connected,
    /// The association has ended; each channel tells that it is closed, too.
    Closed(CloseReason),
    /// The peer has opened a channel; it is open.
    ChannelIncoming(ChannelId),
    /// A channel that we have opened is open.
    ChannelOpen(ChannelId),
    /// A channel has a message to read; said once until it is read.
    Readable(ChannelId),
    /// What waits to be sent on a channel has fallen to its low threshold; or there is room for a message
    /// that had none, whatever waits.
    BufferedAmountLow(ChannelId),
    /// The peer is closing a channel: nothing can be sent any more.
    ChannelClosing(ChannelId),
    /// A channel is closed. What arrived before can still be read.
    ChannelClosed(ChannelId),
}

/// Why [`Session::send`] has not taken a message; the message comes back.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// So much waits already that the message has no room: send it again after
    /// [`Event::BufferedAmountLow`].
    #[error("the send buffer is full: {buffered} bytes wait already")]
    BufferFull {
        /// The message.
        message: Message,
        /// The bytes that wait, over all channels.
        buffered: usize,
    },
    /// A message is being written in parts on the channel: it must be ended first.
    #[error("a message is being written on the channel")]
    MessageOpen {
        /// The message.
        message: Message,
    },
    /// The message does not fit into the send buffer, or is not known to its end: it would hold up
    /// all other channels, since the peer has not agreed to interleave messages (RFC 8260).
    #[error("the peer does not interleave messages: one must fit into the send buffer")]
    NeedsInterleaving {
        /// The message.
        message: Message,
    },
    /// The channel is not open: not yet, or not any more.
    #[error("the channel is not open ({state:?})")]
    NotOpen {
        /// The message.
        message: Message,
        /// The state that the channel is in.
        state: ChannelState,
    },
    /// The message is larger than what the peer accepts, or than what we send.
    #[error(
        "the message has {} bytes, the other side accepts {limit} (max-message-size); \
         split it or negotiate more",
        message.len()
    )]
    TooLarge {
        /// The message.
        message: Message,
        /// The largest size in bytes.
        limit: usize,
    },
}

impl SendError {
    /// The message that was not sent.
    pub fn into_message(self) -> Message {
        match self {
            Self::BufferFull { message, .. }
            | Self::MessageOpen { message }
            | Self::NeedsInterleaving { message }
            | Self::NotOpen { message, .. }
            | Self::TooLarge { message, .. } => message,
        }
    }
}
