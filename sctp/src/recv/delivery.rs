//! From whole messages, and parts of them, to the application, in the order of each stream
//! ([RFC 9260 §6.6](https://www.rfc-editor.org/rfc/rfc9260#section-6.6)).

use super::reassembly::Whole;
use super::stream::{Rest, Stream};
use super::{FREE_STATE, OVERHEAD, Receiver, SackDue};
use crate::chunk::data::Form;
use crate::chunk::forward_tsn::{ForwardTsn, Skipped};
use crate::message::{Message, Order};
use crate::tsn::{number_is_after, unwrap_ssn, unwrap_ssn_ahead};
use bytes::Bytes;

impl Receiver {
    /// Puts a whole message where it belongs: to the application, or before its turn aside.
    pub(super) fn sort(&mut self, whole: Whole, form: Form) {
        let Whole { stream: number, message: sequence, ppid, order, payload } = whole;
        let message = Message { ppid, payload };
        if order == Order::Unordered {
            self.deliver(number, message);
            return;
        }
        let stream = self.streams.entry(number);
        let next = stream.next;
        let sequence = match form {
            // §6.1 lets 2^16 - 1 be on their way, so that none is an old one: of those that a FORWARD
            // TSN skips, the transmission sequence numbers count as arrived.
            Form::Data => unwrap_ssn_ahead(next, sequence),
            Form::IData => sequence,
        };
        if sequence == next {
            stream.next = sequence.wrapping_add(1);
            let more = !stream.waiting.is_empty();
            self.deliver(number, message);
            if more {
                self.deliver_waiting(number);
            }
        } else if number_is_after(sequence, next) {
            let len = message.payload.len() + OVERHEAD;
            if stream.waiting.insert(sequence, message) {
                self.waiting += len;
            }
        }
        // One from before its stream's turn was skipped by a FORWARD TSN: the peer gave it up.
    }

    /// Delivers the messages of `number` whose turn has come.
    pub(super) fn deliver_waiting(&mut self, number: u16) {
        while let Some(stream) = self.streams.get_mut(number)
            && let Some(message) = stream.waiting.remove(stream.next)
        {
            stream.next = stream.next.wrapping_add(1);
            self.waiting -= message.payload.len() + OVERHEAD;
            self.deliver(number, message);
        }
        // What comes next may be there in part.
        self.tell_if_readable(number);
    }

    /// Tells the application of a stream if a part of a message can be read.
    pub(crate) fn tell_if_readable(&mut self, number: u16) {
        if let Some(stream) = self.streams.get(number)
            && !stream.knows()
            && stream.reads_parts(self.read_mode)
            && !stream.partials.is_empty()
            && stream.readable_part(self.read_mode).is_some()
        {
            self.mark_readable(number);
        }
    }

    #[inline(always)]
    fn deliver(&mut self, number: u16, message: Message) {
        self.counters.messages += 1;
        self.counters.bytes += message.payload.len() as u64;
        self.ready += message.payload.len() + OVERHEAD;
        if self.control_ppid == Some(message.ppid) {
            // Such messages are few and short-lived: they must not hold a block.
            let payload = Bytes::copy_from_slice(&message.payload);
            self.control.push_back((number, Message { payload, ..message }));
            return;
        }
        let stream = self.streams.entry(number);
        stream.queue.push_back(message);
        if stream.must_tell() {
            self.readable.push_back(number);
        }
    }

    /// Tells the application of a stream, unless it knows.
    #[inline]
    pub(super) fn mark_readable(&mut self, number: u16) {
        if self.streams.get_mut(number).is_some_and(Stream::must_tell) {
            self.readable.push_back(number);
        }
    }

    /// Takes a FORWARD TSN. RFC 3758 §3.6.
    pub(crate) fn forward(&mut self, forward: &ForwardTsn<'_>, stream_count: u16) {
        let point = forward.new_cumulative_tsn;
        if !point.is_after(self.map.cumulative()) {
            // §3.6: "such a duplicate may indicate the previous SACK was lost": answered at once.
            self.sack = SackDue::Now;
            return;
        }
        // Whoever is skipped on streams without end is treated as if it had not been told.
        let streams = || forward.streams().filter(|skipped| skipped.stream < stream_count);
        if self.window.is_shared() {
            let growth: usize = streams().map(|skipped| self.streams.growth(skipped.stream)).sum();
            if self.streams.memory() + growth > FREE_STATE && !self.admits_state(growth) {
                self.counters.refused += 1;
                self.sack = SackDue::Now;
                return;
            }
        }
        self.map.forward_to(point);
        if !self.map.gaps().is_empty() {
            self.sack = SackDue::Now;
        }
        self.reassembly.forward_to(point);
        for Skipped { stream: number, order, message } in streams() {
            let stream = self.streams.entry(number);
            let last = match forward.form {
                Form::Data => unwrap_ssn(stream.next, message),
                Form::IData => message,
            };
            if stream.reads_up_to(order, last) {
                self.queue_rest(number);
            }
            let stream = self.streams.entry(number);
            self.partial.remove(stream.give_up(order, last));
            if stream.reading.is_some_and(|reading| reading.rest == Rest::Abandoned) {
                self.mark_readable(number);
            }
            if order == Order::Ordered {
                self.skip_to(number, last);
            }
        }
    }

    /// The ordered messages up to `last` will not come any more, but what is whole of them is
    /// delivered in its order.
    fn skip_to(&mut self, number: u16, last: u32) {
        while let Some(stream) = self.streams.get_mut(number)
            && let Some(waiting) = stream.waiting.first(stream.next)
            && !number_is_after(waiting, last)
            && let Some(message) = stream.waiting.remove(waiting)
        {
            stream.next = waiting.wrapping_add(1);
            self.waiting -= message.payload.len() + OVERHEAD;
            self.deliver(number, message);
        }
        let stream = self.streams.entry(number);
        if !number_is_after(stream.next, last) {
            stream.next = last.wrapping_add(1);
        }
        self.deliver_waiting(number);
    }

    /// The peer has reset a stream that it sends on: its numbers begin again (RFC 6525 §5.2.2 E2).
    pub(crate) fn reset_stream(&mut self, number: u16) {
        self.queue_rest(number);
        if let Some(stream) = self.streams.get_mut(number) {
            self.partial.remove(stream.drop_incomplete());
            // Whatever waited for its turn waits for a message that was never whole.
            self.waiting -= stream.waiting.clear();
            if stream.reading.is_some() {
                self.mark_readable(number);
            } else {
                self.remove_if_as_new(number);
            }
        }
    }

    /// All streams that the peer has used.
    pub(crate) fn used_streams(&mut self) -> Vec<u16> {
        self.streams.iter_mut().map(|(number, _)| number).collect()
    }
}
