//! Messages that are being written in parts: the last one of their stream.

use super::{Parts, Queued, Queues, Stream};
use crate::message::Order;
use bytes::Bytes;

impl Queues {
    /// The message that is being written on a stream: its last one.
    #[inline]
    fn open_message(&mut self, number: u16) -> Option<&mut Queued> {
        self.streams.get_mut(number)?.queue.back_mut().filter(|message| message.is_open())
    }

    /// The streams on which a message is being written.
    pub(crate) fn open_streams(&mut self) -> Vec<u16> {
        let open = |stream: &Stream| stream.queue.back().is_some_and(Queued::is_open);
        self.streams
            .iter_mut()
            .filter(|(_, stream)| open(stream))
            .map(|(number, _)| number)
            .collect()
    }

    /// The length so far of the message that is being written on `stream`.
    #[inline]
    pub(crate) fn open_len(&self, stream: u16) -> Option<usize> {
        let last = self.streams.get(stream)?.queue.back()?;
        last.is_open().then_some(last.len)
    }

    /// Adds a part to the message that is being written on a stream; gives whether there is one.
    pub(crate) fn append(&mut self, number: u16, part: Bytes) -> bool {
        let len = part.len();
        let open = self.streams.get_mut(number).and_then(|stream| stream.queue.back_mut());
        let Some(message) = open.filter(|message| message.is_open()) else { return false };
        let held_back = message.held_back();
        message.len += len;
        if let Parts::Open(parts) = &mut message.parts
            && !part.is_empty()
        {
            if message.payload.is_empty() {
                message.payload = part;
            } else {
                parts.push_back(part);
                self.pieces += 1;
            }
        }
        let is_first = held_back == 0 && len > 0;
        if let Some(stream) = self.streams.get_mut(number) {
            stream.buffered += len;
            stream.high |= stream.waiting() > stream.low_threshold;
        }
        self.bytes += len;
        self.held_back += u16::from(is_first);
        self.enter(number);
        true
    }

    /// The message that is being written on a stream is complete; one without a byte is dropped.
    /// Gives whether there is one to be sent.
    pub(crate) fn finish(&mut self, number: u16) -> bool {
        let Some(message) = self.open_message(number) else { return false };
        if message.len == 0 {
            self.abandon_open(number);
            return false;
        }
        if let Parts::Open(parts) = &mut message.parts {
            message.parts = Parts::Finished(std::mem::take(parts));
        }
        self.held_back -= 1;
        self.pieces += 1;
        if let Some(stream) = self.streams.get_mut(number) {
            stream.high |= stream.buffered > stream.low_threshold;
        }
        self.enter(number);
        true
    }

    /// Drops what has not left of the message that is being written on a stream. Gives the
    /// message's order and number when fragments of it have left.
    pub(crate) fn abandon_open(&mut self, number: u16) -> Option<(Order, u32)> {
        let message = self.open_message(number)?;
        let begun = message.is_begun().then_some((message.order, message.message));
        // The last one may be the first one too.
        if self.streams.get(number).is_some_and(|stream| stream.queue.len() == 1) {
            self.drop_front(number);
        } else if let Some(stream) = self.streams.get_mut(number)
            && let Some(message) = stream.queue.pop_back()
        {
            let left = message.len - message.sent;
            stream.buffered -= message.counted(left);
            self.bytes -= left;
            self.pieces -= message.pieces();
            self.held_back -= u16::from(message.held_back() > 0);
            self.check_low(number);
        }
        begun
    }
}
