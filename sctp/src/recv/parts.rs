//! Reading messages in parts, as they arrive.

use super::Receiver;
use super::stream::{Reading, Stream};
use crate::message::{Message, Order, Part, ReadMode, Then};
use bytes::Bytes;

impl Receiver {
    /// Sets how a stream is read.
    pub(crate) fn set_read_mode(&mut self, number: u16, mode: ReadMode) {
        self.streams.entry(number).read_mode = Some(mode);
        self.tell_if_readable(number);
    }

    /// Ends the reading of a stream's message in parts: the rest of it will not come. Gives the
    /// message's payload protocol identifier.
    pub(crate) fn take_reading(&mut self, number: u16) -> Option<u32> {
        let reading = self.streams.get_mut(number)?.reading.take()?;
        Some(reading.ppid)
    }

    /// A stream is read as all are.
    pub(crate) fn forget_read_mode(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.read_mode = None;
        }
        self.remove_if_as_new(number);
    }

    /// Forgets a stream of which nothing is known that one without state would not have.
    pub(super) fn remove_if_as_new(&mut self, number: u16) {
        if self.streams.get(number).is_some_and(Stream::is_as_new) {
            self.streams.remove(number);
        }
    }

    /// The next part of a stream's messages: of the one that was begun, or of the next one.
    pub(crate) fn read_part(&mut self, number: u16) -> Option<Part> {
        let mode = self.read_mode;
        let stream = self.streams.get_mut(number)?;
        stream.told = false;
        if stream.reading.is_none()
            && let Some(Message { ppid, payload }) = self.read(number)
        {
            return Some(Part { ppid, payload, then: Then::End });
        }
        let stream = self.streams.get_mut(number)?;
        let (order, message) = stream.readable_part(mode)?;
        if let Some(Reading { ppid, abandoned: true, .. }) = stream.reading {
            stream.reading = None;
            self.deliver_waiting(number);
            return Some(Part { ppid, payload: Bytes::new(), then: Then::Abandoned });
        }
        let partial = stream.partials.get_mut(order, message)?;
        self.partial.remove(partial.held());
        let taken = partial.take();
        self.partial.add(partial.held());
        let (ppid, (payload, end)) = (partial.ppid?, taken?);
        self.counters.bytes += payload.len() as u64;
        if end {
            self.partial.remove(partial.held());
            stream.partials.remove(order, message);
            stream.reading = None;
            self.counters.messages += 1;
            if order == Order::Ordered {
                stream.next = message.wrapping_add(1);
            }
            self.deliver_waiting(number);
        } else {
            stream.reading = Some(Reading { order, message, ppid, abandoned: false });
        }
        self.window_opened(payload.len());
        Some(Part { ppid, payload, then: if end { Then::End } else { Then::More } })
    }
}
