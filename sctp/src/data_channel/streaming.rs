//! Messages of channels that are written and read in parts.

use super::channel::{ChannelState, Events};
use super::message::{BINARY, Message, STRING};
use super::send::refused;
use super::session::Session;
use super::{AppendError, ChannelId, SendError};
use crate::message::{Outgoing, ReadMode, Then};
use bytes::Bytes;
use std::time::Instant;

/// A piece of a message that is read while it arrives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessagePart {
    /// The bytes that follow the last piece. Those of a text may be cut within a character.
    pub data: Bytes,
    /// Whether the message is binary.
    pub binary: bool,
    /// What comes after it.
    pub then: Then,
}

/// What is known of a message that is being written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writing {
    pub(crate) binary: bool,
}

impl Session {
    /// Begins a message whose end is not known: `message` is its first part, which may be empty.
    /// [`Self::append`] adds the others, [`Self::finish`] or [`Self::abandon`] ends it; until then
    /// the channel takes no other message.
    ///
    /// # Errors
    ///
    /// The message comes back when it cannot be sent ([`SendError`]):
    /// [`SendError::NeedsInterleaving`] when the peer has not agreed to interleave messages and to let
    /// them be given up.
    pub fn begin(
        &mut self,
        now: Instant,
        id: ChannelId,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        let message = message.into();
        let (stream, order, reliability, message) = self.check_send(id, message)?;
        let binary = message.is_binary();
        let len = message.len();
        let ppid = if binary { BINARY } else { STRING };
        let payload = message.into_data();
        let outgoing = Outgoing { stream, ppid, payload, order, reliability };
        if let Err(error) = self.association.begin(now, outgoing) {
            return Err(refused(error));
        }
        if let Some(channel) = self.channel_mut(id) {
            channel.writing = Some(Writing { binary });
            channel.stats_mut().bytes_sent += len as u64;
        }
        Ok(())
    }

    /// Adds a part to the message that is being written on a channel.
    ///
    /// # Errors
    ///
    /// The part comes back when it cannot be taken ([`AppendError`]).
    pub fn append(
        &mut self,
        now: Instant,
        id: ChannelId,
        part: impl Into<Bytes>,
    ) -> Result<(), AppendError> {
        let part = part.into();
        let limit = self.max_message_size();
        let Some((stream, _)) = self.writing(id) else {
            return Err(AppendError::NoMessage { part });
        };
        let len = part.len();
        let written = self.association.written(stream).unwrap_or(0);
        if written.saturating_add(len) > limit {
            return Err(AppendError::TooLarge { part, limit });
        }
        self.association.append(now, stream, part)?;
        if let Some(channel) = self.channel_mut(id) {
            channel.stats_mut().bytes_sent += len as u64;
        }
        Ok(())
    }

    /// Ends the message that is being written on a channel: it is complete. Gives whether there was
    /// one.
    pub fn finish(&mut self, now: Instant, id: ChannelId) -> bool {
        let Some((stream, writing)) = self.writing(id) else { return false };
        if let Some(channel) = self.channel_mut(id) {
            channel.writing = None;
        }
        if self.association.written(stream) == Some(0) {
            // Another message stands for one without a byte. It takes the place that this one had,
            // whatever room there is.
            self.association.finish(now, stream);
            let empty = Bytes::new();
            let message =
                if writing.binary { Message::Binary(empty) } else { Message::Text(empty) };
            let Ok((stream, order, reliability, message)) = self.check_send(id, message) else {
                return false;
            };
            let (ppid, payload) = message.into_sctp();
            let outgoing = Outgoing { stream, ppid, payload, order, reliability };
            self.association.queue_instead(now, outgoing);
        } else if !self.association.finish(now, stream) {
            return false;
        }
        if let Some(channel) = self.channel_mut(id) {
            channel.stats_mut().messages_sent += 1;
        }
        true
    }

    /// Gives up the message that is being written on a channel: what has not left is not sent, and
    /// the peer is told.
    pub fn abandon(&mut self, now: Instant, id: ChannelId) {
        self.give_up(now, id);
        self.settle(now);
    }

    /// As [`Self::abandon`]; who has room by that is told later.
    pub(super) fn give_up(&mut self, now: Instant, id: ChannelId) {
        let Some((stream, _)) = self.writing(id) else { return };
        if let Some(channel) = self.channel_mut(id) {
            channel.writing = None;
        }
        self.association.abandon(now, stream);
    }

    /// The stream and the message that is being written on a channel.
    fn writing(&self, id: ChannelId) -> Option<(u16, Writing)> {
        let channel = self.channel(id)?;
        Some((channel.own_stream()?, channel.writing?))
    }

    /// Whether messages can be written in parts: both sides interleave messages and can give them
    /// up. Known once the association is up.
    pub fn can_stream(&self) -> bool {
        self.association.can_stream()
    }

    /// Sets how a channel is read: whole messages, or parts of them as they arrive. What a closed one
    /// has left to read is whole.
    ///
    /// A message of which a part was read is read in parts to its end, in either mode. In
    /// [`ReadMode::Whole`], one of which more is there than
    /// [`max_receive_message_size`](crate::Config::max_receive_message_size) allows ends the
    /// association with its next fragment.
    pub fn set_read_mode(&mut self, id: ChannelId, mode: ReadMode) {
        let Some(channel) = self.channel_mut(id) else { return };
        channel.read_mode = Some(mode);
        if let Some(stream) = channel.own_stream() {
            self.association.set_read_mode(stream, mode);
            self.settle(self.association.now());
        }
    }

    /// Returns the next part of a channel's messages; in [`ReadMode::Whole`] each is a message.
    pub fn read_part(&mut self, id: ChannelId) -> Option<MessagePart> {
        loop {
            let channel = self.channel_mut(id)?;
            channel.events.clear(Events::READABLE);
            let over = channel.state == ChannelState::Closed || channel.incoming_reset;
            if let Some(ppid) = channel.cut_short.take() {
                let (data, binary) = (Bytes::new(), ppid == BINARY);
                self.free_if_done(id);
                return Some(MessagePart { data, binary, then: Then::Abandoned });
            }
            let stream = channel.stream?;
            if !channel.unread.is_empty() || over {
                channel.rest_unread = false;
                let message = self.read(id)?;
                let binary = message.is_binary();
                return Some(MessagePart { data: message.into_data(), binary, then: Then::End });
            }
            let part = self.association.read_part(stream)?;
            // Other identifiers are none of a data channel's (RFC 8831 §6.6).
            let Some(message) = Message::from_sctp(part.ppid, part.payload) else { continue };
            let channel = self.channel_mut(id)?;
            channel.stats_mut().messages_received += u64::from(part.then == Then::End);
            channel.stats_mut().bytes_received += message.len() as u64;
            let binary = message.is_binary();
            return Some(MessagePart { data: message.into_data(), binary, then: part.then });
        }
    }
}
