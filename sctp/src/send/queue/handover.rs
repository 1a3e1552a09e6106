//! Messages that wait, handed over.

use super::{Parts, Queued, Queues, Stream};
use crate::chunk::data::Form;
use crate::handover::{HandoverError, Reader, Writer, check};
use crate::message::Order;
use std::collections::VecDeque;

impl Queued {
    fn hand_over(&self, out: &mut Writer) {
        let parts = match &self.parts {
            Parts::Whole => None,
            Parts::Open(parts) | Parts::Finished(parts) => Some(parts.iter()),
        };
        out.u8(match self.parts {
            Parts::Whole => 0,
            Parts::Open(_) => 1,
            Parts::Finished(_) => 2,
        });
        out.bytes(&self.payload);
        out.list(parts.unwrap_or_default(), |out, part| out.bytes(part));
        out.u32(self.ppid);
        out.order(self.order);
        out.option(self.max_retransmits, Writer::u16);
        out.time(self.expires);
        out.flag(self.yields);
        out.size(self.sent);
        out.flag(self.counts);
        out.u64(self.arrived);
        out.u32(self.message);
        out.u32(self.fsn);
    }

    fn resume(from: &mut Reader<'_>) -> Result<Self, HandoverError> {
        let kind = from.u8()?;
        let payload = from.bytes()?;
        let parts = Box::new(VecDeque::from(from.list(Reader::bytes)?));
        let left: usize = payload.len() + parts.iter().map(bytes::Bytes::len).sum::<usize>();
        check(parts.iter().all(|part| !part.is_empty()))?;
        check(!payload.is_empty() || parts.is_empty())?;
        let parts = match kind {
            0 => Parts::Whole,
            1 => Parts::Open(parts),
            2 => Parts::Finished(parts),
            _ => return Err(HandoverError::Malformed),
        };
        let mut message = Self {
            payload,
            parts,
            ppid: from.u32()?,
            order: from.order()?,
            max_retransmits: from.option(Reader::u16)?,
            expires: from.time()?,
            yields: from.flag()?,
            sent: from.size()?,
            counts: from.flag()?,
            arrived: from.count()?,
            message: from.u32()?,
            fsn: from.u32()?,
            len: left,
        };
        // All streams' together stay far below what a sum can hold.
        check(message.sent <= 1 << 40)?;
        message.len += message.sent;
        check(left > 0 || message.is_open())?;
        // What is written in parts is the application's.
        check(message.counts || matches!(message.parts, Parts::Whole))?;
        check(message.sent == 0 || left > 0)?;
        Ok(message)
    }
}

impl Queues {
    pub(crate) fn hand_over(&mut self, out: &mut Writer) {
        out.flag(self.form == Form::IData);
        out.size(self.begun_limit());
        let streams: Vec<_> = self.streams.iter_mut().collect();
        let wanting = streams.iter().filter(|(_, stream)| stream.wants);
        let wanting: Vec<_> = wanting.map(|(number, _)| (*number, 1)).collect();
        out.list(streams.into_iter(), |out, (number, stream)| {
            out.u16(number);
            out.u32(stream.next_ordered);
            out.u32(stream.next_unordered);
            out.u16(stream.share.priority);
            out.size(stream.low_threshold);
            out.option(stream.reset_before, Writer::u64);
            out.flag(stream.held);
            out.list(stream.queue.iter(), |out, message| message.hand_over(out));
        });
        out.list(self.drained.iter(), |out, stream| out.u16(*stream));
        let mut refused: Vec<_> =
            self.refused.iter().flat_map(|refused| refused.0.iter().copied()).collect();
        refused.extend(wanting);
        out.list(refused.iter(), |out, (stream, len)| {
            out.u16(*stream);
            out.size(*len);
        });
        out.list(self.low.iter(), |out, stream| out.u16(*stream));
    }

    /// Takes up what was handed over; `self` is new.
    pub(crate) fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        self.form = if from.flag()? { Form::IData } else { Form::Data };
        self.begun_limit = u32::try_from(from.size()?).unwrap_or(u32::MAX);
        let mut before = None;
        let mut begun = None;
        let streams = from.list(|from| {
            let number = from.u16()?;
            check(before.is_none_or(|before| before < number))?;
            before = Some(number);
            let mut stream = Stream {
                next_ordered: from.u32()?,
                next_unordered: from.u32()?,
                ..Stream::default()
            };
            stream.share.priority = from.u16()?;
            stream.low_threshold = from.size()?;
            stream.reset_before = from.option(Reader::count)?;
            stream.held = from.flag()?;
            stream.queue = VecDeque::from(from.list(Queued::resume)?);
            let count = stream.queue.len();
            for (index, message) in stream.queue.iter().enumerate() {
                check(index == 0 || !message.is_begun())?;
                check(!message.is_begun() || !stream.holds(message))?;
                check(index + 1 == count || !message.is_open())?;
            }
            check(stream.reset_before.is_none() || count > 0)?;
            Ok((number, stream))
        })?;
        for (number, mut stream) in streams {
            for message in &stream.queue {
                self.expendable += u32::from(message.is_expendable());
                let left = message.len - message.sent;
                self.bytes += left;
                self.pieces += message.pieces();
                self.held_back += u16::from(message.held_back() > 0);
                stream.buffered += message.counted(left);
                self.count = self.count.max(message.arrived + 1);
            }
            self.count = self.count.max(stream.reset_before.unwrap_or(0));
            stream.high = stream.waiting() > stream.low_threshold;
            if let Some(front) = stream.queue.front().filter(|front| front.is_begun()) {
                self.begun += front.weight();
                if self.form == Form::Data {
                    // One message at a time is under way, and it must be ended first.
                    check(begun.is_none() && !front.is_open())?;
                    check(front.order == Order::Ordered || front.message == 0)?;
                    begun = Some(number);
                }
            }
            *self.streams.entry(number) = stream;
        }
        if let Some(number) = begun {
            self.enter(number);
            self.schedule.hold();
        }
        let numbers: Vec<u16> = self.streams.iter_mut().map(|(number, _)| number).collect();
        for number in numbers {
            self.enter(number);
        }
        self.drained = from.list(Reader::u16)?.into_iter().collect();
        for (stream, len) in from.list(|from| Ok((from.u16()?, from.size()?)))? {
            self.note_refused(stream, len);
        }
        for number in from.list(Reader::u16)? {
            if let Some(stream) = self.streams.get_mut(number) {
                stream.tell_low(number, &mut self.low);
            }
        }
        Ok(())
    }
}
