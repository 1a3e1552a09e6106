//! What has arrived, handed over.

use super::interleaved::Held;
use super::stream::{Reading, Rest, Stream};
use super::{Counters, OVERHEAD, Receiver};
use crate::handover::{HandoverError, Reader, Writer, check};
use crate::message::{Message, ReadMode};
use crate::tsn::number_is_after;
use std::collections::VecDeque;

pub(crate) fn write_message(out: &mut Writer, message: &Message) {
    out.u32(message.ppid);
    out.bytes(&message.payload);
}

pub(crate) fn read_message(from: &mut Reader<'_>) -> Result<Message, HandoverError> {
    Ok(Message { ppid: from.u32()?, payload: from.bytes()? })
}

pub(crate) fn write_mode(out: &mut Writer, mode: ReadMode) {
    out.flag(mode == ReadMode::Parts);
}

pub(crate) fn read_mode(from: &mut Reader<'_>) -> Result<ReadMode, HandoverError> {
    Ok(if from.flag()? { ReadMode::Parts } else { ReadMode::Whole })
}

impl Stream {
    fn hand_over(&self, out: &mut Writer) {
        out.u32(self.next);
        out.option(self.read_mode, write_mode);
        out.list(self.queue.iter(), write_message);
        let waiting: Vec<_> = self.waiting.in_order(self.next).collect();
        out.list(waiting.into_iter(), |out, (number, message)| {
            out.u32(number);
            write_message(out, message);
        });
        self.partials.hand_over(out);
        out.option(self.skipped, Writer::u32);
        out.option(self.reading, |out, reading| {
            out.order(reading.order);
            out.u32(reading.message);
            out.u32(reading.ppid);
            out.u8(match reading.rest {
                Rest::Arrives => 0,
                Rest::Abandoned => 1,
                Rest::Queued => 2,
            });
        });
    }

    fn resume(from: &mut Reader<'_>) -> Result<Self, HandoverError> {
        let mut stream = Self { next: from.u32()?, ..Self::default() };
        stream.read_mode = from.option(read_mode)?;
        stream.queue = VecDeque::from(from.list(read_message)?);
        let mut before = stream.next;
        from.list(|from| {
            let number = from.u32()?;
            check(number_is_after(number, before))?;
            before = number;
            stream.waiting.insert(number, read_message(from)?);
            Ok(())
        })?;
        stream.partials.resume(from)?;
        stream.skipped = from.option(Reader::u32)?;
        stream.reading = from.option(|from| {
            Ok(Reading {
                order: from.order()?,
                message: from.u32()?,
                ppid: from.u32()?,
                rest: match from.u8()? {
                    0 => Rest::Arrives,
                    1 => Rest::Abandoned,
                    2 if !stream.queue.is_empty() => Rest::Queued,
                    _ => return Err(HandoverError::Malformed),
                },
            })
        })?;
        Ok(stream)
    }
}

impl Receiver {
    pub(crate) fn hand_over(&mut self, out: &mut Writer) {
        self.map.hand_over(out);
        self.reassembly.hand_over(out);
        write_mode(out, self.read_mode);
        let streams: Vec<_> = self.streams.iter_mut().collect();
        out.list(streams.into_iter(), |out, (number, stream)| {
            out.u16(number);
            stream.hand_over(out);
        });
        out.list(self.control.iter(), |out, (number, message)| {
            out.u16(*number);
            write_message(out, message);
        });
        let Counters { messages, bytes, chunks, refused } = self.counters;
        for count in [messages, bytes, chunks, refused, self.map.duplicate_count()] {
            out.u64(count);
        }
        self.window.hand_over(out);
    }

    /// So many bytes are held for the application elsewhere, until [`Self::release`].
    pub(crate) const fn set_aside(&mut self, bytes: usize) {
        self.ready += bytes;
    }

    /// Takes up what was handed over; `self` is new. What is unread is told of again, and a SACK
    /// tells the peer how things stand.
    pub(crate) fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        self.map.resume(from)?;
        self.reassembly.resume(from)?;
        self.read_mode = read_mode(from)?;
        let mut before = None;
        let streams = from.list(|from| {
            let number = from.u16()?;
            check(before.is_none_or(|before| before < number))?;
            before = Some(number);
            Ok((number, Stream::resume(from)?))
        })?;
        let counted = |message: &Message| message.payload.len() + OVERHEAD;
        for (number, stream) in streams {
            self.ready += stream.queue.iter().map(counted).sum::<usize>();
            self.waiting += stream.waiting.held();
            let held: Held = stream.partials.held();
            self.partial.add(held);
            let readable = stream.is_readable(self.read_mode);
            *self.streams.entry(number) = stream;
            self.note_read_mode(number);
            if readable {
                self.mark_readable(number);
            }
        }
        let control = from.list(|from| Ok((from.u16()?, read_message(from)?)))?;
        self.ready += control.iter().map(|(_, message)| counted(message)).sum::<usize>();
        self.control = VecDeque::from(control);
        self.counters = Counters {
            messages: from.count()?,
            bytes: from.count()?,
            chunks: from.count()?,
            refused: from.count()?,
        };
        self.map.set_duplicate_count(from.count()?);
        self.window.resume(from)?;
        self.sack_now();
        Ok(())
    }
}
