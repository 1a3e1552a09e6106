//! Messages that the application hands over.

use super::Association;
use crate::message::{Outgoing, Reliability};
use crate::send::queue::{Parts, Queued};
use std::time::Instant;
use thiserror::Error;

/// Why [`Association::send`] has not taken a message; the message comes back.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// So much waits already that the message has no room: send it again when less does, which
    /// [`Event::BufferedAmountLow`](crate::Event::BufferedAmountLow) tells. Of small messages it may be
    /// their number: as many wait as the buffer has 128 bytes.
    #[error("the send buffer is full: {buffered} bytes wait already")]
    BufferFull {
        /// The message.
        message: Outgoing,
        /// The bytes that wait.
        buffered: usize,
    },
    /// The association is shutting down, or over.
    #[error("the association is closing or closed")]
    Closed {
        /// The message.
        message: Outgoing,
    },
    /// SCTP cannot carry a message without a byte (RFC 8831 §6.6 tells how channels do).
    #[error("an SCTP message cannot be empty")]
    Empty {
        /// The message.
        message: Outgoing,
    },
    /// A message is being written in parts on the stream: it must be ended first.
    #[error("a message is being written on stream {}", message.stream)]
    MessageOpen {
        /// The message.
        message: Outgoing,
    },
    /// The message does not fit into the send buffer, or is not known to its end: it would hold up
    /// all other streams, since the peer has not agreed to interleave messages (RFC 8260), or not
    /// yet.
    #[error("the peer does not interleave messages: one must fit into the send buffer")]
    NeedsInterleaving {
        /// The message.
        message: Outgoing,
    },
    /// The peer does not have this stream.
    #[error("stream {} does not exist: there are {streams}", message.stream)]
    NoSuchStream {
        /// The message.
        message: Outgoing,
        /// The number of streams that there are.
        streams: u16,
    },
    /// The message is larger than
    /// [`Config::max_send_message_size`](crate::Config::max_send_message_size).
    #[error("the message has {} bytes, the limit is {limit}", message.payload.len())]
    TooLarge {
        /// The message.
        message: Outgoing,
        /// The largest size.
        limit: usize,
    },
}

impl SendError {
    /// The message that was not sent.
    pub fn into_message(self) -> Outgoing {
        match self {
            Self::BufferFull { message, .. }
            | Self::Closed { message }
            | Self::Empty { message }
            | Self::MessageOpen { message }
            | Self::NeedsInterleaving { message }
            | Self::NoSuchStream { message, .. }
            | Self::TooLarge { message, .. } => message,
        }
    }
}

/// Why a message is not taken, beside the message itself, which stays where it is while it is looked
/// at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    BufferFull { buffered: usize },
    Closed,
    Empty,
    MessageOpen,
    NeedsInterleaving,
    NoSuchStream { streams: u16 },
    TooLarge { limit: usize },
}

/// What the send buffer holds, and how many bytes it may.
#[derive(Clone, Copy, Debug)]
struct Room {
    waiting: usize,
    pieces: usize,
    limit: usize,
}

impl Room {
    /// Whether it takes a message or a part of so many bytes: any, when it is empty.
    #[inline]
    const fn fits(&self, len: usize) -> bool {
        self.waiting == 0
            || self.waiting.saturating_add(len) <= self.limit && self.pieces < self.limit / SMALLEST
    }
}

/// Streams, and how many bytes waited on them.
#[derive(Debug)]
pub(super) struct Unsent(Vec<(u16, usize)>);

impl Refusal {
    /// Gives the message back.
    pub(crate) const fn with(self, message: Outgoing) -> SendError {
        match self {
            Self::BufferFull { buffered } => SendError::BufferFull { message, buffered },
            Self::Closed => SendError::Closed { message },
            Self::Empty => SendError::Empty { message },
            Self::MessageOpen => SendError::MessageOpen { message },
            Self::NeedsInterleaving => SendError::NeedsInterleaving { message },
            Self::NoSuchStream { streams } => SendError::NoSuchStream { message, streams },
            Self::TooLarge { limit } => SendError::TooLarge { message, limit },
        }
    }
}

impl Association {
    /// Queues a message.
    ///
    /// It may be queued before the association is established; the first ones then go out with
    /// the COOKIE ECHO.
    ///
    /// # Errors
    ///
    /// The message comes back when it cannot be sent ([`SendError`]).
    pub fn send(&mut self, now: Instant, message: Outgoing) -> Result<(), SendError> {
        self.take(now, message, true)
    }

    /// Queues a message, of which the stream's buffered amount knows if it `counts`.
    #[inline]
    pub(crate) fn take(
        &mut self,
        now: Instant,
        message: Outgoing,
        counts: bool,
    ) -> Result<(), SendError> {
        let now = self.advance(now);
        let taken = self.check(&message).and_then(|()| self.check_whole(&message));
        if let Err(refusal) = taken.and_then(|()| self.check_room(&message)) {
            return Err(refusal.with(message));
        }
        self.queue(now, message, Parts::Whole, counts);
        Ok(())
    }

    /// Whether a message may be queued, once there is room.
    pub(super) fn check(&self, message: &Outgoing) -> Result<(), Refusal> {
        if self.closed.is_some() || !self.state.takes_messages() {
            return Err(Refusal::Closed);
        }
        if message.stream >= self.outbound_streams {
            return Err(Refusal::NoSuchStream { streams: self.outbound_streams });
        }
        if self.send.queues.open_len(message.stream).is_some() {
            return Err(Refusal::MessageOpen);
        }
        if message.payload.len() > self.config.max_send_message_size {
            return Err(Refusal::TooLarge { limit: self.config.max_send_message_size });
        }
        Ok(())
    }

    /// Whether there is room for a message, of which all else was checked: one that can never go must
    /// not wait for room.
    #[inline]
    pub(super) fn check_room(&mut self, message: &Outgoing) -> Result<(), Refusal> {
        let len = message.payload.len();
        if self.has_room(len) || self.make_room(message) {
            return Ok(());
        }
        self.send.queues.note_refused(message.stream, len);
        Err(Refusal::BufferFull { buffered: self.send.buffered() })
    }

    /// Whether a message may be queued as a whole.
    fn check_whole(&self, message: &Outgoing) -> Result<(), Refusal> {
        if message.payload.is_empty() {
            return Err(Refusal::Empty);
        }
        if message.payload.len() > self.config.send_buffer && !self.interleaves() {
            return Err(Refusal::NeedsInterleaving);
        }
        Ok(())
    }

    /// Whether the send buffer takes so many bytes more: anything, when it is empty.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.room().fits(len)
    }

    #[inline]
    fn room(&self) -> Room {
        let limit = self.send_limit();
        Room { waiting: self.send.waiting(), pieces: self.send.queues.pieces(), limit }
    }

    /// Gives up messages that have expired, or that matter less than this one; gives whether it has
    /// room then.
    #[cold]
    fn make_room(&mut self, message: &Outgoing) -> bool {
        let len = message.payload.len();
        // While nothing new can leave, what has expired waits for nothing.
        self.send.counters.expired += self.send.queues.drop_expired(message.stream, self.now);
        if self.has_room(len) {
            return true;
        }
        let priority = match message.reliability {
            Reliability::Reliable => None,
            Reliability::Priority(priority) => Some(priority),
            // Of how these compare the standard says nothing.
            Reliability::MaxRetransmits(_) | Reliability::MaxPacketLifeTime(_) => return false,
        };
        let Room { waiting, pieces, limit } = self.room();
        let excess = waiting.saturating_add(len).saturating_sub(limit);
        let pieces = (pieces + 1).saturating_sub(limit / SMALLEST);
        let given_up = self.send.queues.make_room(excess, pieces, priority);
        self.send.counters.expired += given_up;
        given_up > 0
    }

    /// Tells those who were refused that there is room now.
    pub(super) fn tell_room(&mut self) {
        let room = self.room();
        self.send.queues.tell_room(room.limit, |len| room.fits(len));
    }

    /// Queues a message whatever the buffer holds: for those of data channels themselves, which
    /// are small and of which each channel has one.
    pub(crate) fn send_control(&mut self, now: Instant, message: Outgoing) {
        let now = self.advance(now);
        if self.closed.is_none() && self.state.takes_messages() {
            self.queue(now, message, Parts::Whole, false);
        }
    }

    /// Queues a message that was checked.
    pub(crate) fn queue(&mut self, now: Instant, message: Outgoing, parts: Parts, counts: bool) {
        let stream = message.stream;
        self.send.push(stream, Queued::new(now, message, parts, counts));
    }

    /// Queues a message in place of one that was counted when it was begun.
    pub(crate) fn queue_instead(&mut self, now: Instant, message: Outgoing) {
        self.send.counters.messages -= 1;
        self.queue(now, message, Parts::Whole, false);
    }

    /// Notes how much waits to be sent, by stream, before it is thrown away.
    pub(super) fn note_unsent(&mut self) {
        let mut left = self.send.queues.bytes();
        let mut unsent = Vec::new();
        for stream in 0..self.outbound_streams {
            if left == 0 {
                break;
            }
            let bytes = self.send.queues.buffered(stream);
            if bytes > 0 {
                unsent.push((stream, bytes));
                left = left.saturating_sub(bytes);
            }
        }
        if !unsent.is_empty() {
            self.unsent = Some(Box::new(Unsent(unsent)));
        }
    }

    /// Takes what was thrown away unsent with the end of the association, or of the one before a
    /// restart: streams and bytes.
    pub(crate) fn take_unsent(&mut self) -> Vec<(u16, usize)> {
        self.unsent.take().map_or_else(Vec::new, |unsent| unsent.0)
    }

    /// How many bytes may wait to be sent or acknowledged: more on a path that holds more.
    pub(super) fn send_limit(&self) -> usize {
        let path = self.send.window().saturating_mul(3).min(self.config.max_send_buffer);
        self.config.send_buffer.max(path)
    }
}

/// What the smallest message takes, about: the send buffer holds no more of them than as many times
/// as many bytes.
const SMALLEST: usize = 128;
