//! Messages that wait to be sent, and whose turn it is.

use crate::stream_table::StreamTable;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

/// A message that waits in its stream.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) payload: Bytes,
    pub(crate) ppid: u32,
    pub(crate) unordered: bool,
    pub(crate) max_retransmits: Option<u16>,
    pub(crate) expires: Option<Instant>,
    /// How many bytes have left as fragments.
    pub(crate) sent: usize,
    /// The length of the whole message.
    pub(crate) len: usize,
    /// Whether it counts in the stream's buffered amount: what the application did not send does
    /// not.
    pub(crate) counts: bool,
}

impl Queued {
    /// What `len` of its bytes count for in the stream's buffered amount.
    const fn counted(&self, len: usize) -> usize {
        if self.counts { len } else { 0 }
    }
}

/// What is kept of a stream that we send on.
#[derive(Debug, Default)]
struct Stream {
    queue: VecDeque<Queued>,
    /// Bytes in `queue` that have not left.
    buffered: usize,
    low_threshold: usize,
    /// `buffered` has been above the threshold since the application was told that it is low.
    high: bool,
    /// The stream sequence number of the next ordered message.
    next_ssn: u16,
    /// In the ring of streams that have something to send.
    scheduled: bool,
    /// To be reset when the queue is empty.
    reset_when_empty: bool,
}

/// The queues of all streams, served in turn: a message from each.
///
/// The fragments of a message have consecutive transmission sequence numbers, so the turn ends
/// with the message, not with the packet.
#[derive(Debug)]
pub(crate) struct Queues {
    streams: StreamTable<Stream>,
    ring: VecDeque<u16>,
    /// Bytes in all queues that have not left.
    bytes: usize,
    /// Streams whose buffered amount has fallen to their threshold.
    low: VecDeque<u16>,
    /// Streams to be reset that have nothing more to send.
    drained: VecDeque<u16>,
}

impl Queues {
    pub(crate) const fn new() -> Self {
        Self {
            streams: StreamTable::new(),
            ring: VecDeque::new(),
            bytes: 0,
            low: VecDeque::new(),
            drained: VecDeque::new(),
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Bytes in all queues.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes in the queue of `stream`.
    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.streams.get(stream).map_or(0, |stream| stream.buffered)
    }

    /// Sets from which amount downwards [`Self::poll_low`] tells.
    pub(crate) fn set_low_threshold(&mut self, stream: u16, threshold: usize) {
        let entry = self.streams.entry(stream);
        entry.low_threshold = threshold;
        entry.high = entry.buffered > threshold;
    }

    /// Whether no amount has fallen.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.low.is_empty()
    }

    /// A stream whose amount has fallen to its threshold since it was last told.
    pub(crate) fn poll_low(&mut self) -> Option<u16> {
        self.low.pop_front()
    }

    /// Puts a message at the end of its stream.
    pub(crate) fn push(&mut self, number: u16, message: Queued) {
        let stream = self.streams.entry(number);
        stream.buffered += message.counted(message.len);
        stream.high |= stream.buffered > stream.low_threshold;
        self.bytes += message.len;
        stream.queue.push_back(message);
        if !stream.scheduled {
            stream.scheduled = true;
            self.ring.push_back(number);
        }
    }

    /// How many bytes the message whose turn it is has left; drops those that have expired.
    #[inline]
    pub(crate) fn front_len(&mut self, now: Instant, expired: &mut u64) -> Option<usize> {
        loop {
            let number = *self.ring.front()?;
            let Some(front) = self.streams.get(number).and_then(|stream| stream.queue.front())
            else {
                debug_assert!(false, "a scheduled stream has a message");
                self.ring.pop_front();
                continue;
            };
            // A message that was begun is ended, or abandoned by its fragments.
            if front.sent == 0 && front.expires.is_some_and(|expires| expires < now) {
                *expired += 1;
                self.drop_front();
                continue;
            }
            return Some(front.len - front.sent);
        }
    }

    /// Takes up to `len` bytes of the message whose turn it is.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<Fragment> {
        let number = *self.ring.front()?;
        let stream = self.streams.get_mut(number)?;
        let front = stream.queue.front_mut()?;
        let begin = front.sent == 0;
        let end = front.len - front.sent <= len;
        let payload = if end {
            std::mem::take(&mut front.payload)
        } else {
            front.payload.split_to(len.min(front.payload.len()))
        };
        front.sent += payload.len();
        let counted = front.counted(payload.len());
        let fragment = Fragment {
            stream: number,
            ssn: if front.unordered { 0 } else { stream.next_ssn },
            ppid: front.ppid,
            unordered: front.unordered,
            max_retransmits: front.max_retransmits,
            expires: front.expires,
            begin,
            end,
            payload,
        };
        self.bytes -= fragment.payload.len();
        stream.buffered -= counted;
        if end {
            if !fragment.unordered {
                stream.next_ssn = stream.next_ssn.wrapping_add(1);
            }
            stream.queue.pop_front();
            self.end_turn();
        } else {
            self.check_low(number);
        }
        Some(fragment)
    }

    /// Drops the rest of the message whose turn it is, which was begun: it is abandoned.
    pub(crate) fn abandon_begun(&mut self, number: u16) {
        let begun = self.ring.front() == Some(&number)
            && self
                .streams
                .get(number)
                .and_then(|stream| stream.queue.front())
                .is_some_and(|front| front.sent > 0);
        if !begun {
            return;
        }
        if let Some(stream) = self.streams.get_mut(number)
            && stream.queue.front().is_some_and(|front| !front.unordered)
        {
            stream.next_ssn = stream.next_ssn.wrapping_add(1);
        }
        self.drop_front();
    }

    fn drop_front(&mut self) {
        let Some(&number) = self.ring.front() else { return };
        if let Some(stream) = self.streams.get_mut(number)
            && let Some(front) = stream.queue.pop_front()
        {
            stream.buffered -= front.counted(front.len - front.sent);
            self.bytes -= front.len - front.sent;
        }
        self.end_turn();
    }

    /// The message at the front is gone: the next stream's turn.
    fn end_turn(&mut self) {
        let Some(number) = self.ring.pop_front() else { return };
        self.check_low(number);
        let Some(stream) = self.streams.get_mut(number) else { return };
        if !stream.queue.is_empty() {
            self.ring.push_back(number);
            return;
        }
        stream.scheduled = false;
        if stream.reset_when_empty {
            stream.reset_when_empty = false;
            self.drained.push_back(number);
        }
    }

    fn check_low(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number)
            && stream.high
            && stream.buffered <= stream.low_threshold
        {
            stream.high = false;
            self.low.push_back(number);
        }
    }

    /// Wants `number` reset once its queue is empty.
    pub(crate) fn reset_when_empty(&mut self, number: u16) {
        let stream = self.streams.entry(number);
        if stream.queue.is_empty() {
            self.drained.push_back(number);
        } else {
            stream.reset_when_empty = true;
        }
    }

    /// Streams that are to be reset and have nothing more to send.
    pub(crate) const fn drained(&mut self) -> &mut VecDeque<u16> {
        &mut self.drained
    }

    /// Whether a stream waits for its reset.
    pub(crate) fn has_drained(&self) -> bool {
        !self.drained.is_empty()
    }

    /// The peer has reset `number`: its numbers begin again.
    pub(crate) fn restart_stream(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.next_ssn = 0;
            if stream.queue.is_empty() && stream.low_threshold == 0 {
                self.streams.remove(number);
            }
        }
    }

    /// Drops what waits for streams from number `limit` on: the peer does not have them.
    pub(crate) fn limit_streams(&mut self, limit: u16) {
        for (number, stream) in self.streams.iter_mut() {
            if number >= limit {
                for message in stream.queue.drain(..) {
                    self.bytes -= message.len - message.sent;
                }
                stream.buffered = 0;
                stream.scheduled = false;
            }
        }
        self.ring.retain(|number| *number < limit);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        if self.ring.is_empty() {
            self.ring.shrink_to(4);
            for (_, stream) in self.streams.iter_mut() {
                stream.queue.shrink_to(4);
            }
        }
    }
}

/// A piece of a message, ready to become a DATA chunk.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) stream: u16,
    pub(crate) ssn: u16,
    pub(crate) ppid: u32,
    pub(crate) unordered: bool,
    pub(crate) max_retransmits: Option<u16>,
    pub(crate) expires: Option<Instant>,
    pub(crate) begin: bool,
    pub(crate) end: bool,
    pub(crate) payload: Bytes,
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;

    fn message(len: usize) -> Queued {
        Queued {
            payload: Bytes::from(vec![1; len]),
            ppid: 53,
            unordered: false,
            max_retransmits: None,
            expires: None,
            sent: 0,
            len,
            counts: true,
        }
    }

    #[test]
    fn streams_take_turns_by_message() {
        let mut queues = Queues::new();
        queues.push(1, message(25));
        queues.push(1, message(5));
        queues.push(2, message(5));
        let mut order = Vec::new();
        let mut expired = 0;
        while queues.front_len(Instant::now(), &mut expired).is_some() {
            let fragment = queues.take(10).unwrap();
            order.push((fragment.stream, fragment.ssn, fragment.begin, fragment.end));
        }
        let expected = [
            (1, 0, true, false),
            (1, 0, false, false),
            (1, 0, false, true),
            (2, 0, true, true),
            (1, 1, true, true),
        ];
        assert_eq!(order, expected);
        assert!(queues.is_empty());
        assert_eq!((queues.bytes(), queues.buffered(1)), (0, 0));
    }

    #[test]
    fn low_is_told_once_each_time_it_is_crossed() {
        let mut queues = Queues::new();
        queues.set_low_threshold(1, 10);
        queues.push(1, message(30));
        assert_eq!(queues.poll_low(), None);
        queues.take(15);
        assert_eq!(queues.poll_low(), None);
        queues.take(5);
        assert_eq!(queues.poll_low(), Some(1));
        queues.take(5);
        assert_eq!(queues.poll_low(), None);
        queues.push(1, message(30));
        queues.take(5);
        queues.take(30);
        assert_eq!(queues.poll_low(), Some(1));
    }

    #[test]
    fn expired_messages_are_dropped_before_they_are_begun() {
        let now = Instant::now();
        let mut queues = Queues::new();
        queues.push(1, Queued { expires: Some(now), ..message(30) });
        queues.push(1, message(7));
        let mut expired = 0;
        let later = now + std::time::Duration::from_millis(1);
        assert_eq!(queues.front_len(later, &mut expired), Some(7));
        assert_eq!((expired, queues.bytes()), (1, 7));
        assert_eq!(queues.take(10).unwrap().ssn, 0, "no number was spent");
    }

    #[test]
    fn a_reset_waits_for_the_queue() {
        let mut queues = Queues::new();
        queues.push(3, message(5));
        queues.reset_when_empty(3);
        queues.reset_when_empty(4);
        assert_eq!(queues.drained(), &[4]);
        queues.take(10);
        assert_eq!(queues.drained(), &[4, 3]);
    }
}
