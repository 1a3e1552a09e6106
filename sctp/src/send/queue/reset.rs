//! Streams that are to be reset ([RFC 6525 §5.1.2](https://www.rfc-editor.org/rfc/rfc6525#section-5.1.2)).

use super::{NORMAL_PRIORITY, Queues, Stream};
use std::collections::BTreeSet;

impl Queues {
    /// Wants `number` reset once what waits on it has left. What is queued later waits for the answer:
    /// §5.1.2 A1, "The sender MUST stop assigning new SSNs to new user data provided by the upper
    /// layer for the affected streams and queue it".
    pub(crate) fn reset_when_empty(&mut self, number: u16) {
        match self.streams.get_mut(number) {
            Some(stream) if !stream.queue.is_empty() => stream.reset_before = Some(self.count),
            Some(stream) if stream.held => {}
            Some(stream) => {
                stream.held = true;
                self.drained.insert(number);
            }
            // One that was never used takes no more than its number.
            None => {
                self.drained.insert(number);
            }
        }
    }

    /// The first message of a stream that had no state when its reset was wanted.
    #[cold]
    pub(super) fn hold_if_drained(&mut self, number: u16) {
        if self.drained.contains(&number) {
            self.streams.entry(number).held = true;
        }
    }

    /// Whether a reset of `number` would change anything: messages have left on it since the last
    /// one, or wait to, and none is under way.
    pub(crate) fn is_used(&self, number: u16) -> bool {
        self.streams.get(number).is_some_and(|stream| {
            let begun = stream.next_ordered != 0 || stream.next_unordered != 0;
            !stream.held && (begun || !stream.queue.is_empty())
        })
    }

    /// The streams that have state: all that are used are among them.
    pub(crate) fn numbers(&mut self) -> Vec<u16> {
        self.streams.iter_mut().map(|(number, _)| number).collect()
    }

    /// Whether a stream waits for its reset.
    pub(crate) fn has_drained(&self) -> bool {
        !self.drained.is_empty()
    }

    /// Takes a stream that is to be reset now: the peer is asked.
    pub(crate) fn pop_drained(&mut self) -> Option<u16> {
        let number = self.drained.pop_first()?;
        self.streams.entry(number).held = true;
        Some(number)
    }

    /// The peer has answered: what was held may leave, and has numbers from 0 on when the reset was
    /// `performed`.
    pub(crate) fn end_reset(&mut self, number: u16, performed: bool) {
        let Some(stream) = self.streams.get_mut(number) else { return };
        stream.held = false;
        if performed {
            stream.next_ordered = 0;
            stream.next_unordered = 0;
        }
        if stream.is_as_new() {
            self.streams.remove(number);
        } else {
            stream.enter(number, &mut self.schedule);
            stream.end_if_drained(number, &mut self.drained);
        }
    }
}

impl Queues {
    /// Drops what waits for streams from number `limit` on: the peer does not have them. The
    /// application is told that nothing waits there any more. Gives those that were to be reset.
    pub(crate) fn limit_streams(&mut self, limit: u16) -> BTreeSet<u16> {
        let mut wanted = self.drained.split_off(&limit);
        self.schedule.retain(|number| number < limit);
        let mut begun = 0;
        for (number, stream) in self.streams.iter_mut().filter(|(number, _)| *number >= limit) {
            for message in stream.queue.drain(..) {
                self.bytes -= message.len - message.sent;
                self.pieces -= message.pieces();
                self.held_back -= u16::from(message.held_back() > 0);
                self.expendable -= u32::from(message.is_expendable());
                begun += if message.is_begun() { message.weight() } else { 0 };
            }
            stream.buffered = 0;
            stream.scheduled = false;
            stream.held = false;
            if stream.reset_before.take().is_some() {
                wanted.insert(number);
            }
            stream.check_low(number, &mut self.low);
        }
        self.unbegin(begun);
        wanted
    }
}

impl Stream {
    /// Whether nothing is known of it that one without state would not have.
    fn is_as_new(&self) -> bool {
        self.next_ordered == 0
            && self.next_unordered == 0
            && self.queue.is_empty()
            && self.low_threshold == 0
            && self.share.priority == NORMAL_PRIORITY
            && !self.low
            && !self.refused
            && !self.wants
    }
}
