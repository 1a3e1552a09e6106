//! Messages of channels on their way out.

use super::channel::ChannelState;
use super::message::Message;
use super::session::Session;
use super::{ChannelId, SendError};
use crate::association;
use crate::message::{Order, Outgoing, Reliability};
use std::time::Instant;

impl Session {
    /// Sends a message on a channel.
    ///
    /// # Errors
    ///
    /// The message comes back when it cannot be sent ([`SendError`]).
    pub fn send(
        &mut self,
        now: Instant,
        id: ChannelId,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        let (stream, order, reliability, message) = self.check_send(id, message.into())?;
        let len = message.len();
        let (ppid, payload) = message.into_sctp();
        let outgoing = Outgoing { stream, ppid, payload, order, reliability };
        // The byte that stands for an empty message is not the application's.
        if let Err(error) = self.association.take(now, outgoing, len > 0) {
            return Err(refused(error));
        }
        if let Some(channel) = self.channel_mut(id) {
            channel.stats_mut().messages_sent += 1;
            channel.stats_mut().bytes_sent += len as u64;
        }
        Ok(())
    }

    /// Where and how a message of a channel is to go; or it comes back.
    #[inline]
    pub(crate) fn check_send(
        &self,
        id: ChannelId,
        message: Message,
    ) -> Result<(u16, Order, Reliability, Message), SendError> {
        let limit = self.max_message_size();
        let Some(channel) = self.channel(id) else {
            return Err(SendError::NotOpen { message, state: ChannelState::Closed });
        };
        let (ChannelState::Open, Some(stream)) = (channel.state, channel.stream) else {
            return Err(SendError::NotOpen { message, state: channel.state });
        };
        if message.len() > limit {
            return Err(SendError::TooLarge { message, limit });
        }
        // RFC 8832 §6: until the peer has answered, order keeps messages behind the OPEN.
        let order = if channel.confirmed { channel.init.order } else { Order::Ordered };
        Ok((stream, order, channel.init.reliability, message))
    }

    /// Returns how many bytes wait to be sent on a channel, of those that `send` took; on a closed
    /// one, how many were not sent any more: the amount "does not reset to zero once the channel
    /// closes" ([webrtc-pc §6.2](https://www.w3.org/TR/webrtc/#dom-datachannel-bufferedamount)).
    pub fn buffered_amount(&self, id: ChannelId) -> usize {
        let Some(channel) = self.channel(id) else { return 0 };
        channel
            .own_stream()
            .map_or(channel.unsent, |stream| self.association.buffered_amount(stream))
    }

    /// Returns how many bytes wait to be sent or acknowledged, over all channels: what the send
    /// buffer bounds.
    pub fn total_buffered_amount(&self) -> usize {
        self.association.total_buffered_amount()
    }

    /// Sets from which amount of waiting bytes downwards
    /// [`Event::BufferedAmountLow`](super::Event::BufferedAmountLow) tells. 0 at first. On a closed
    /// channel none waits, and nothing is told.
    pub fn set_buffered_amount_low_threshold(&mut self, id: ChannelId, threshold: usize) {
        let Some(channel) = self.channel_mut(id) else { return };
        channel.low_threshold = threshold;
        if let Some(stream) = channel.own_stream() {
            self.association.set_buffered_amount_low_threshold(stream, threshold);
            self.settle(self.association.now());
        }
    }

    /// Returns from which amount downwards
    /// [`Event::BufferedAmountLow`](super::Event::BufferedAmountLow) tells.
    pub fn buffered_amount_low_threshold(&self, id: ChannelId) -> usize {
        self.channel(id).map_or(0, |channel| channel.low_threshold)
    }

    /// Returns the largest message that [`Self::send`] takes, in bytes: the lesser of our setting
    /// and the peer's.
    pub fn max_message_size(&self) -> usize {
        let ours = self.association.config().max_send_message_size;
        self.remote_max_message_size.map_or(ours, |remote| remote.min(ours))
    }

    /// Returns the largest message that [`Self::send`] takes as things stand, in bytes: as
    /// [`Self::max_message_size`], and no more than the send buffer unless messages are interleaved,
    /// which is known once the association is up ([`SendError::NeedsInterleaving`]).
    pub fn max_whole_message_size(&self) -> usize {
        let buffer = self.association.config().send_buffer;
        let most = self.max_message_size();
        if self.association.interleaves() { most } else { most.min(buffer) }
    }

    /// Sets the largest message that the peer takes: its `a=max-message-size`, where 0 stands for
    /// any; 65 536 when the attribute is missing
    /// ([RFC 8841 §6](https://www.rfc-editor.org/rfc/rfc8841#section-6)).
    pub fn set_remote_max_message_size(&mut self, bytes: u64) {
        let limit = (bytes != 0).then(|| usize::try_from(bytes).unwrap_or(usize::MAX));
        self.remote_max_message_size = limit;
    }
}

/// What the association says of a message, said of the channel's message.
pub(crate) fn refused(error: association::SendError) -> SendError {
    use association::SendError as Refused;
    let restore = |outgoing: Outgoing| Message::restore(outgoing.ppid, outgoing.payload);
    match error {
        Refused::BufferFull { message, buffered } => {
            SendError::BufferFull { message: restore(message), buffered }
        }
        Refused::TooLarge { message, limit } => {
            SendError::TooLarge { message: restore(message), limit }
        }
        Refused::MessageOpen { message } => SendError::MessageOpen { message: restore(message) },
        Refused::NeedsInterleaving { message } => {
            SendError::NeedsInterleaving { message: restore(message) }
        }
        Refused::Closed { message }
        | Refused::Empty { message }
        | Refused::NoSuchStream { message, .. } => {
            SendError::NotOpen { message: restore(message), state: ChannelState::Closing }
        }
    }
}
