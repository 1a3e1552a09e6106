//! Streams that are to be reset ([RFC 6525 §5.1.2](https://www.rfc-editor.org/rfc/rfc6525#section-5.1.2)).

use super::{NORMAL_PRIORITY, Queues};
use std::collections::BTreeSet;

impl Queues {
    /// Wants `number` reset once its queue is empty.
    pub(crate) fn reset_when_empty(&mut self, number: u16) {
        match self.streams.get_mut(number).filter(|stream| !stream.queue.is_empty()) {
            Some(stream) => stream.reset_when_empty = true,
            // Each counts once, however often it is asked for; and one that was never used takes no
            // more than its number.
            None => {
                self.drained.insert(number);
            }
        }
    }

    /// Whether a reset of `number` would change anything: messages have left on it since the last
    /// one, or wait to.
    pub(crate) fn is_used(&self, number: u16) -> bool {
        self.streams.get(number).is_some_and(|stream| {
            stream.next_ordered != 0 || stream.next_unordered != 0 || !stream.queue.is_empty()
        })
    }

    /// Streams that are to be reset and have nothing more to send.
    pub(crate) const fn drained(&mut self) -> &mut BTreeSet<u16> {
        &mut self.drained
    }

    /// Whether a stream waits for its reset.
    pub(crate) fn has_drained(&self) -> bool {
        !self.drained.is_empty()
    }

    /// The peer has reset `number`: its numbers begin again.
    pub(crate) fn restart_stream(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.next_ordered = 0;
            stream.next_unordered = 0;
            if stream.queue.is_empty()
                && stream.low_threshold == 0
                && stream.share.priority == NORMAL_PRIORITY
            {
                self.streams.remove(number);
            }
        }
    }
}
