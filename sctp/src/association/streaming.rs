//! Messages that are written and read in parts, for those that are too large to be held, or not
//! yet known to their end.
//!
//! The receiver can tell the parts of such a message from those of others only where messages are
//! interleaved ([RFC 8260](https://www.rfc-editor.org/rfc/rfc8260)): else the fragments of one follow
//! each other, and an unfinished one would hold all streams up
//! ([RFC 8831 §6.6](https://www.rfc-editor.org/rfc/rfc8831#section-6.6)).

use super::{Association, SendError, State};
use crate::chunk::data::Form;
use crate::message::{Outgoing, Part, ReadMode};
use crate::send::queue::Parts;
use bytes::Bytes;
use std::time::Instant;
use thiserror::Error;

/// Why [`Association::append`] has not taken a part; it comes back.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AppendError {
    /// So much waits already that the part has no room: append it again when less does, which
    /// [`Event::BufferedAmountLow`](crate::Event::BufferedAmountLow) tells.
    #[error("the send buffer is full: {buffered} bytes wait already")]
    BufferFull {
        /// The part.
        part: Bytes,
        /// The bytes that wait.
        buffered: usize,
    },
    /// No message is being written on the stream: none was begun, or it was finished or abandoned,
    /// perhaps because its lifetime or number of retransmissions was used up.
    #[error("no message is being written on the stream")]
    NoMessage {
        /// The part.
        part: Bytes,
    },
    /// With the part, the message would be larger than allowed.
    #[error("the message would have more than {limit} bytes")]
    TooLarge {
        /// The part.
        part: Bytes,
        /// The largest size of the message.
        limit: usize,
    },
}

impl AppendError {
    /// The part that was not taken.
    pub fn into_part(self) -> Bytes {
        match self {
            Self::BufferFull { part, .. }
            | Self::NoMessage { part }
            | Self::TooLarge { part, .. } => part,
        }
    }
}

impl Association {
    /// Begins a message whose end is not known: `message.payload` is its first part, which may be
    /// empty; [`Self::append`] adds the others, and [`Self::finish`] or [`Self::abandon`] ends it.
    /// Until then the stream takes no other message.
    ///
    /// Its last byte is held back until there is more or it is finished, and does not count in the
    /// stream's buffered amount so long.
    ///
    /// # Errors
    ///
    /// The message comes back when it cannot be sent ([`SendError`]):
    /// [`SendError::NeedsInterleaving`] when the peer has not agreed to interleave messages and to
    /// give them up.
    pub fn begin(&mut self, now: Instant, message: Outgoing) -> Result<(), SendError> {
        let now = self.advance(now);
        if let Err(refusal) = self.check(&message) {
            return Err(refusal.with(message));
        }
        if !self.can_stream() {
            return Err(SendError::NeedsInterleaving { message });
        }
        if let Err(refusal) = self.check_room(&message) {
            return Err(refusal.with(message));
        }
        self.queue(now, message, Parts::Open(Box::default()), true);
        Ok(())
    }

    /// Whether messages can be written in parts: both sides interleave messages and can give them
    /// up. Known once the association is established.
    pub fn can_stream(&self) -> bool {
        self.interleaves() && self.send.partial_reliability
    }

    /// Whether the messages of different streams are interleaved (RFC 8260). Known once the
    /// association is established.
    pub fn interleaves(&self) -> bool {
        self.send.form() == Form::IData
    }

    /// Adds a part to the message that is being written on `stream`.
    ///
    /// # Errors
    ///
    /// The part comes back when it cannot be taken ([`AppendError`]).
    pub fn append(&mut self, now: Instant, stream: u16, part: Bytes) -> Result<(), AppendError> {
        self.advance(now);
        let Some(len) = self.written(stream) else { return Err(AppendError::NoMessage { part }) };
        let limit = self.config.max_send_message_size;
        if len.saturating_add(part.len()) > limit {
            return Err(AppendError::TooLarge { part, limit });
        }
        if !self.has_room(part.len()) {
            self.send.queues.note_refused(stream, part.len());
            return Err(AppendError::BufferFull { part, buffered: self.send.buffered() });
        }
        self.send.append(stream, part);
        Ok(())
    }

    /// Ends the message that is being written on `stream`; one without a byte is not sent. Gives
    /// whether it will be.
    pub fn finish(&mut self, now: Instant, stream: u16) -> bool {
        self.advance(now);
        self.send.queues.finish(stream)
    }

    /// Gives up the message that is being written on `stream`: what has not left is not sent, and
    /// the peer's reader is told that what it has got is not all.
    pub fn abandon(&mut self, now: Instant, stream: u16) {
        self.advance(now);
        if self.written(stream).is_some() {
            self.send.abandon_open(stream);
            // If nothing of it has left, no SACK will come.
            self.continue_shutdown();
        }
    }

    /// Returns how many bytes the message has that is being written on `stream`; `None` when none
    /// is.
    pub fn written(&self, stream: u16) -> Option<usize> {
        // One that was begun before a shutdown may be ended during it.
        let up =
            matches!(self.state, State::CookieEchoed | State::Established | State::ShutdownPending);
        if up { self.send.queues.open_len(stream) } else { None }
    }

    /// Sets how `stream` is read. A message of which a part was read is read in parts to its end, in
    /// either mode. In [`ReadMode::Whole`], one of which more is there than
    /// [`Config::max_receive_message_size`](crate::Config::max_receive_message_size) allows ends the
    /// association with its next fragment.
    pub fn set_read_mode(&mut self, stream: u16, mode: ReadMode) {
        if stream < self.inbound_streams {
            self.recv.set_read_mode(stream, mode);
        }
    }

    /// Returns the next part of the messages of `stream`. In [`ReadMode::Whole`] each is a whole
    /// message.
    pub fn read_part(&mut self, stream: u16) -> Option<Part> {
        self.recv.read_part(stream)
    }
}
