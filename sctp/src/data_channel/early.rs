//! What arrives on streams before they have a channel, as when the other side has opened a negotiated
//! one first.

use super::session::Session;
use crate::message::Message;
use crate::recv::OVERHEAD;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Messages for channels that do not exist yet, by stream; none for a stream that was refused, which is
/// known until the peer resets its own: that answers our reset.
#[derive(Debug)]
pub(crate) struct Early {
    pub(super) streams: BTreeMap<u16, VecDeque<Message>>,
    /// What they count for, and the most that they may.
    pub(super) bytes: usize,
    pub(super) most: usize,
}

impl Early {
    pub(crate) const fn new(most: usize) -> Self {
        Self { streams: BTreeMap::new(), bytes: 0, most }
    }

    /// What a message counts for.
    pub(super) fn size(message: &Message) -> usize {
        message.payload.len() + OVERHEAD
    }

    /// Keeps a message for whoever opens a channel on `stream`; gives whether there is room for it.
    fn keep(&mut self, stream: u16, message: Message) -> bool {
        let size = Self::size(&message);
        if self.bytes + size > self.most {
            return false;
        }
        self.bytes += size;
        self.streams.entry(stream).or_default().push_back(message);
        true
    }

    /// Whether a stream was refused.
    pub(super) fn is_refused(&self, stream: u16) -> bool {
        self.streams.get(&stream).is_some_and(VecDeque::is_empty)
    }

    /// Takes the messages for a stream, which is as any other then.
    pub(super) fn take(&mut self, stream: u16) -> VecDeque<Message> {
        let queue = self.streams.remove(&stream).unwrap_or_default();
        self.bytes -= queue.iter().map(Self::size).sum::<usize>();
        queue
    }
}

impl Session {
    /// Sets aside what arrived on a stream that has no channel. Where there is no room for it, the
    /// stream is refused: a channel opened later must not miss what was lost without a word. When the
    /// association is over, no channel is opened later.
    pub(super) fn keep_early(&mut self, now: Instant, stream: u16) {
        let over = self.association.close_reason().is_some();
        let mut refused = over || self.early.is_refused(stream);
        for message in self.association.receiver().take_unread(stream).0 {
            let size = Early::size(&message);
            refused = refused || !self.early.keep(stream, message);
            if refused {
                self.association.receiver().release(size);
            }
        }
        if refused && !over {
            self.refuse_stream(now, stream);
        }
    }

    /// Drops what was set aside for a stream.
    pub(crate) fn drop_early(&mut self, stream: u16) {
        for message in self.early.take(stream) {
            self.association.receiver().release(Early::size(&message));
        }
    }

    /// Drops all that was set aside.
    pub(super) fn drop_all_early(&mut self) {
        while let Some((&stream, _)) = self.early.streams.first_key_value() {
            self.drop_early(stream);
        }
    }
}
