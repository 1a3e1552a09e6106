//! Reading messages in parts, as they arrive.

use super::stream::{Reading, Rest, Stream};
use super::{OVERHEAD, Receiver};
use crate::message::{Message, Order, Part, ReadMode, Then};
use bytes::Bytes;

impl Receiver {
    /// Sets how a stream is read.
    pub(crate) fn set_read_mode(&mut self, number: u16, mode: ReadMode) {
        self.streams.entry(number).read_mode = Some(mode);
        self.note_read_mode(number);
        self.tell_if_readable(number);
    }

    /// Ends the reading of a stream's message in parts. Gives the message's payload protocol
    /// identifier, and whether the rest of it is the first of the unread messages; if not, it will
    /// not come.
    pub(crate) fn take_reading(&mut self, number: u16) -> Option<(u32, bool)> {
        let reading = self.streams.get_mut(number)?.reading.take()?;
        Some((reading.ppid, reading.rest == Rest::Queued))
    }

    /// What has arrived must outlive the numbers of its stream: if the message that is being read in
    /// parts is whole, its rest goes to the head of the queue, and what has waited for it follows.
    pub(super) fn queue_rest(&mut self, number: u16) {
        let Some(stream) = self.streams.get_mut(number) else { return };
        let Some(reading) = &mut stream.reading else { return };
        let Reading { order, message, ppid, rest } = *reading;
        let partial = stream.partials.get_mut(order, message);
        if rest != Rest::Arrives || !partial.is_some_and(|partial| partial.is_whole()) {
            return;
        }
        reading.rest = Rest::Queued;
        let Some(partial) = stream.partials.remove(order, message) else { return };
        self.partial.remove(partial.held());
        let memory = self.memory.get_or_insert_default();
        let payload = partial.into_payload(memory).unwrap_or_default();
        self.counters.messages += 1;
        self.counters.bytes += payload.len() as u64;
        self.ready += payload.len() + OVERHEAD;
        stream.queue.push_front(Message { ppid, payload });
        if order == Order::Ordered {
            stream.next = message.wrapping_add(1);
            self.deliver_waiting(number);
        }
    }

    /// A stream is read as all are.
    pub(crate) fn forget_read_mode(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.read_mode = None;
        }
        self.note_read_mode(number);
        self.remove_if_as_new(number);
    }

    /// A stream has another reader, who was told of nothing yet.
    pub(crate) fn tell_again(&mut self, number: u16) {
        let mode = self.read_mode;
        if let Some(stream) = self.streams.get_mut(number) {
            stream.told = false;
            if stream.is_readable(mode) {
                self.mark_readable(number);
            }
        }
    }

    /// What has arrived of a stream's messages waits for the rest of them, or does not any more.
    pub(super) fn note_read_mode(&mut self, number: u16) {
        let Some(stream) = self.streams.get_mut(number) else { return };
        self.partial.remove(stream.partials.held());
        let in_parts = stream.read_mode.unwrap_or(self.read_mode) == ReadMode::Parts;
        stream.partials.read_in_parts(in_parts);
        self.partial.add(stream.partials.held());
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
        match stream.reading {
            Some(Reading { ppid, rest: Rest::Abandoned, .. }) => {
                stream.reading = None;
                self.deliver_waiting(number);
                return Some(Part { ppid, payload: Bytes::new(), then: Then::Abandoned });
            }
            Some(Reading { rest: Rest::Queued, .. }) => {
                stream.reading = None;
                let Message { ppid, payload } = self.read(number)?;
                return Some(Part { ppid, payload, then: Then::End });
            }
            Some(Reading { rest: Rest::Arrives, .. }) | None => {}
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
            stream.reading = Some(Reading { order, message, ppid, rest: Rest::Arrives });
        }
        self.window_opened(payload.len());
        Some(Part { ppid, payload, then: if end { Then::End } else { Then::More } })
    }
}
