//! How channels end ([RFC 8831 §6.7](https://www.rfc-editor.org/rfc/rfc8831#section-6.7)).

use super::ChannelId;
use super::channel::{Channel, ChannelState, Events};
use super::open::CHANNEL;
use super::session::Session;
use crate::send::scheduler::NORMAL_PRIORITY;
use std::collections::VecDeque;
use std::time::Instant;

impl Session {
    /// Closes a channel: what was sent before is delivered, then both streams are reset and
    /// [`Event::ChannelClosed`](super::Event::ChannelClosed) tells.
    pub fn close(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channel_mut(id) else { return };
        if matches!(channel.state, ChannelState::Closing | ChannelState::Closed) {
            return;
        }
        // What was not finished never will be.
        self.give_up(now, id);
        let Some(channel) = self.channel_mut(id) else { return };
        channel.state = ChannelState::Closing;
        match channel.stream {
            Some(stream) => {
                channel.reset_asked = true;
                self.association.reset_stream(now, stream);
            }
            None => self.end(id),
        }
        self.settle(now);
    }

    /// The peer has reset its stream: it closes, or has closed, the channel.
    pub(crate) fn incoming_reset(&mut self, now: Instant, stream: u16) {
        let Some(id) = self.on_stream(stream) else {
            let answers = self.early.is_refused(stream);
            self.drop_early(stream);
            // RFC 8831 §6.7: "it also resets its corresponding outgoing stream", if that is not what
            // the peer answers: it has closed a negotiated channel that we have not opened yet.
            if !answers {
                self.association.reset_stream(now, stream);
            }
            return;
        };
        // All that was sent before is here; what comes after is the next channel's.
        self.take_rest(id, stream);
        let Some(channel) = self.channel_mut(id) else { return };
        channel.incoming_reset = true;
        self.begin_closing(now, id, stream);
        self.end_if_reset(id);
    }

    /// The peer's doing ends a channel: our stream is reset, too.
    pub(super) fn begin_closing(&mut self, now: Instant, id: ChannelId, stream: u16) {
        let Some(channel) = self.channel_mut(id) else { return };
        if matches!(channel.state, ChannelState::Open | ChannelState::Connecting) {
            channel.state = ChannelState::Closing;
            channel.reset_asked = true;
            self.give_up(now, id);
            self.association.reset_stream(now, stream);
            self.tell(id, Events::CLOSING);
        }
    }

    /// There is no channel for what the peer sends on a stream, nor will there be: our stream is
    /// reset, by which it knows (RFC 8832 §6).
    pub(super) fn refuse_stream(&mut self, now: Instant, stream: u16) {
        if !self.early.is_refused(stream) {
            self.drop_early(stream);
            self.early.streams.insert(stream, VecDeque::new());
            self.association.reset_stream(now, stream);
        }
    }

    /// Takes over what has arrived for a channel whose stream ends.
    fn take_rest(&mut self, id: ChannelId, stream: u16) {
        let (rest, told) = self.association.receiver().take_unread(stream);
        let untold = !rest.is_empty() && !told;
        let reading = self.association.receiver().take_reading(stream);
        let Some(channel) = self.channel_mut(id) else { return };
        channel.unread.extend(rest);
        channel.rest_unread |= reading.is_some_and(|(_, queued)| queued);
        let cut_short = reading.filter(|(_, queued)| !queued).map(|(ppid, _)| ppid);
        channel.cut_short = channel.cut_short.or(cut_short);
        if cut_short.is_some() || untold {
            self.tell(id, Events::READABLE);
        }
    }

    /// Our stream is reset.
    pub(crate) fn outgoing_reset(&mut self, stream: u16) {
        let Some(id) = self.on_stream(stream) else { return };
        let asks = self.association.supports_reset();
        let Some(channel) = self.channel_mut(id).filter(|channel| channel.reset_asked) else {
            return;
        };
        channel.outgoing_reset = true;
        // A peer without RFC 6525 never resets its own: the channel is over.
        if !asks {
            return self.end(id);
        }
        self.end_if_reset(id);
    }

    fn end_if_reset(&mut self, id: ChannelId) {
        if self.channel(id).is_some_and(|channel| channel.outgoing_reset && channel.incoming_reset)
        {
            self.end(id);
        }
    }

    /// The channel is over: its number is free, what it has not read stays.
    pub(crate) fn end(&mut self, id: ChannelId) {
        let Some(channel) = self.channel_mut(id) else { return };
        if channel.state == ChannelState::Closed {
            return;
        }
        channel.state = ChannelState::Closed;
        channel.writing = None;
        channel.events.clear(Events::LOW);
        if let Some(stream) = channel.stream {
            if !channel.incoming_reset {
                self.take_rest(id, stream);
            }
            self.by_stream.remove(stream);
            self.association.set_buffered_amount_low_threshold(stream, 0);
            self.association.set_stream_priority(stream, NORMAL_PRIORITY);
            self.association.receiver().forget_read_mode(stream);
            // What has come behind the peer's reset is the next channel's.
            self.association.receiver().tell_again(stream);
            self.next_stream = self.next_stream.min(self.lowest_of_side(stream));
        }
        self.live -= 1;
        self.tell(id, Events::CLOSED);
    }

    /// Where to look for a free number after `stream` has become free: there, if it is of ours.
    const fn lowest_of_side(&self, stream: u16) -> u16 {
        if stream % 2 == self.next_stream % 2 { stream } else { self.next_stream }
    }

    /// Forgets a closed channel when its end was told and all that arrived was read.
    pub(crate) fn free_if_done(&mut self, id: ChannelId) {
        if !self.channel(id).is_some_and(Channel::is_done) {
            return;
        }
        if let Some((_, channel)) = self.slots.get_mut(id.slot as usize).and_then(Option::take) {
            self.free.push(id.slot);
            if channel.incoming {
                self.name_bytes -= channel.name_len();
                self.association.receiver().forget_channel(CHANNEL + channel.name_len());
            }
        }
    }

    /// The association is over: so are the channels.
    pub(crate) fn close_all(&mut self) {
        self.connected = false;
        for (stream, bytes) in self.association.take_unsent() {
            if let Some(channel) = self.on_stream(stream).and_then(|id| self.channel_mut(id)) {
                channel.unsent = bytes;
            }
        }
        let ids: Vec<ChannelId> = self.channels().collect();
        for id in ids {
            self.end(id);
        }
        // What came for channels that were still to be opened was this association's.
        self.drop_all_early();
    }

    /// The peer began a new association in place of the old one: it knows nothing of the channels.
    pub(crate) fn handle_restart(&mut self) {
        self.close_all();
        self.connected = true;
    }
}
