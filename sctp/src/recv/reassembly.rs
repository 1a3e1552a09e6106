//! Fragments become messages again
//! ([RFC 9260 §6.9](https://www.rfc-editor.org/rfc/rfc9260#section-6.9)).

use crate::chunk::data::Data;
use crate::handover::{HandoverError, Reader, Writer, check};
use crate::message::Order;
use crate::tsn::Tsn;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// A message that is whole.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) stream: u16,
    /// The stream sequence number, or the message identifier.
    pub(crate) message: u32,
    pub(crate) ppid: u32,
    pub(crate) order: Order,
    pub(crate) payload: Bytes,
}

/// Why fragments cannot be put together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Misfit {
    /// The message is larger than allowed.
    TooLarge,
    /// Neighbours belong to different messages.
    Inconsistent,
}

/// A run of consecutive fragments of one message.
#[derive(Debug)]
struct Run {
    first: Tsn,
    /// The number after the last fragment.
    next: Tsn,
    begin: bool,
    end: bool,
    order: Order,
    stream: u16,
    ssn: u32,
    ppid: u32,
    bytes: BytesMut,
    /// For so many its memory was made beforehand.
    reserved: usize,
}

impl Run {
    fn matches(&self, data: &Data<'_>) -> bool {
        self.stream == data.stream
            && self.order == data.order()
            && (self.order == Order::Unordered || self.ssn == data.message)
    }

    fn is_whole(&self) -> bool {
        self.begin && self.end
    }

    /// Whether the run after this one goes on where it ends.
    fn touches(&self, after: &Self) -> bool {
        self.next == after.first && !self.end && !after.begin
    }

    /// Appends the run after this one.
    fn append(&mut self, tail: &Self) {
        self.bytes.extend_from_slice(&tail.bytes);
        self.next = tail.next;
        self.end = tail.end;
    }

    fn into_whole(self) -> Whole {
        Whole {
            stream: self.stream,
            message: self.ssn,
            ppid: self.ppid,
            order: self.order,
            // One that is much shorter than expected would keep all the memory made for it.
            payload: match self.bytes.len() < self.bytes.capacity() / 2 {
                true => Bytes::copy_from_slice(&self.bytes),
                false => self.bytes.freeze(),
            },
        }
    }
}

/// The messages of which fragments are missing.
///
/// Fragments of a message have consecutive numbers, so what there is of it is runs of numbers. In
/// order, a fragment is appended to the last run: its bytes are copied once, to where the message
/// will be handed over from. Where it fills a gap, two runs touch: they are joined, unless the first one
/// is less than half as long as the second, which would cost more than what has come.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// In order of their numbers.
    runs: VecDeque<Run>,
    /// User bytes in `runs`.
    bytes: usize,
    /// The size of the last message that was put together: the next one is likely alike.
    usual_len: usize,
    /// Bytes that memory was made for beforehand.
    reserved: usize,
}

impl Reassembly {
    /// User bytes held.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many runs there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Bytes that memory was made for beforehand.
    pub(crate) const fn reserved(&self) -> usize {
        self.reserved
    }

    /// How many bytes to make memory for when `data` begins a message. Only where nothing else is
    /// incomplete: else the sender could make us reserve a message's size for each fragment.
    pub(crate) fn expected(&self, data: &Data<'_>, in_order: bool, max_len: usize) -> usize {
        let alone = in_order && data.is_begin() && self.runs.is_empty();
        if alone { self.usual_len.min(max_len) } else { 0 }
    }

    /// Takes a fragment; gives the message when it is whole. A message that begins gets memory for
    /// `expected` bytes.
    pub(crate) fn insert(
        &mut self,
        data: &Data<'_>,
        expected: usize,
        max_len: usize,
    ) -> Result<Option<Whole>, Misfit> {
        let index = self.runs.partition_point(|run| !run.first.is_after(data.tsn));
        let before = index.checked_sub(1);
        let follows = before
            .and_then(|before| self.runs.get(before))
            .is_some_and(|run| run.next == data.tsn && !run.end && !data.is_begin());
        self.bytes += data.payload.len();

        let index = match before {
            Some(before) if follows => {
                self.append(before, data, max_len)?;
                before
            }
            _ => {
                self.start(index, data, expected);
                index
            }
        };
        self.join(index, max_len)?;
        let Some(run) = self.take_whole(index, max_len)? else { return Ok(None) };
        self.bytes -= run.bytes.len();
        self.reserved -= run.reserved;
        self.usual_len = run.bytes.len();
        Ok(Some(run.into_whole()))
    }

    /// Takes the message out of which the run at `index` is a part, if it is whole.
    #[inline]
    fn take_whole(&mut self, index: usize, max_len: usize) -> Result<Option<Run>, Misfit> {
        if self.runs.get(index).is_some_and(Run::is_whole) {
            return Ok(self.runs.remove(index));
        }
        // Runs that touch are each twice as long as the one before: they are few.
        let touch = |before: usize| {
            let (run, after) = (self.runs.get(before), self.runs.get(before + 1));
            run.zip(after).is_some_and(|(run, after)| run.touches(after))
        };
        let (mut first, mut last) = (index, index);
        while first > 0 && touch(first - 1) {
            first -= 1;
        }
        while touch(last) {
            last += 1;
        }
        let whole = self.runs.get(first).is_some_and(|run| run.begin)
            && self.runs.get(last).is_some_and(|run| run.end);
        if !whole {
            return Ok(None);
        }
        if self.runs.range(first..=last).map(|run| run.bytes.len()).sum::<usize>() > max_len {
            return Err(Misfit::TooLarge);
        }
        let mut runs = self.runs.drain(first..=last);
        let Some(mut whole) = runs.next() else { return Ok(None) };
        for run in runs {
            whole.append(&run);
        }
        Ok(Some(whole))
    }

    #[inline]
    fn append(&mut self, index: usize, data: &Data<'_>, max_len: usize) -> Result<(), Misfit> {
        let Some(run) = self.runs.get_mut(index) else { return Err(Misfit::Inconsistent) };
        if !run.matches(data) {
            return Err(Misfit::Inconsistent);
        }
        if run.bytes.len() + data.payload.len() > max_len {
            return Err(Misfit::TooLarge);
        }
        run.bytes.extend_from_slice(data.payload);
        run.next = data.tsn.next();
        run.end = data.is_end();
        Ok(())
    }

    fn start(&mut self, index: usize, data: &Data<'_>, expected: usize) {
        self.reserved += expected;
        let mut bytes = BytesMut::with_capacity(expected.max(data.payload.len()));
        bytes.extend_from_slice(data.payload);
        self.runs.insert(
            index,
            Run {
                first: data.tsn,
                next: data.tsn.next(),
                begin: data.is_begin(),
                end: data.is_end(),
                order: data.order(),
                stream: data.stream,
                ssn: data.message,
                ppid: data.ppid_or_fsn,
                bytes,
                reserved: expected,
            },
        );
    }

    /// Appends to the run at `index` those that go on where it ends, unless they are much longer.
    fn join(&mut self, index: usize, max_len: usize) -> Result<(), Misfit> {
        while let (Some(run), Some(tail)) = (self.runs.get(index), self.runs.get(index + 1))
            && run.touches(tail)
        {
            let alike = run.stream == tail.stream
                && run.order == tail.order
                && (run.order == Order::Unordered || run.ssn == tail.ssn);
            if !alike {
                return Err(Misfit::Inconsistent);
            }
            if run.bytes.len() + tail.bytes.len() > max_len {
                return Err(Misfit::TooLarge);
            }
            if run.bytes.len() < tail.bytes.len() / 2 {
                break;
            }
            if let Some(tail) = self.runs.remove(index + 1)
                && let Some(run) = self.runs.get_mut(index)
            {
                run.append(&tail);
            }
        }
        Ok(())
    }

    /// Drops what the peer has given up: the runs that end at or before `tsn`.
    pub(crate) fn forward_to(&mut self, tsn: Tsn) {
        let Self { runs, bytes, reserved, .. } = self;
        runs.retain(|run| {
            let keep = run.next.previous().is_after(tsn);
            if !keep {
                *bytes -= run.bytes.len();
                *reserved -= run.reserved;
            }
            keep
        });
    }

    pub(crate) fn hand_over(&self, out: &mut Writer) {
        out.list(self.runs.iter(), |out, run| {
            out.u32(run.first.0);
            out.u32(run.next.0);
            out.flag(run.begin);
            out.flag(run.end);
            out.order(run.order);
            out.u16(run.stream);
            out.u32(run.ssn);
            out.u32(run.ppid);
            out.bytes(&run.bytes);
        });
    }

    /// Takes up what was handed over; `self` is new.
    pub(crate) fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        let mut before: Option<Tsn> = None;
        let runs = from.list(|from| {
            let run = Run {
                first: Tsn(from.u32()?),
                next: Tsn(from.u32()?),
                begin: from.flag()?,
                end: from.flag()?,
                order: from.order()?,
                stream: from.u16()?,
                ssn: from.u32()?,
                ppid: from.u32()?,
                bytes: BytesMut::from(from.slice()?),
                reserved: 0,
            };
            check(run.next.is_after(run.first) && !run.is_whole() && !run.bytes.is_empty())?;
            check(before.is_none_or(|before| run.first.is_at_or_after(before)))?;
            before = Some(run.next);
            Ok(run)
        })?;
        self.bytes = runs.iter().map(|run| run.bytes.len()).sum();
        self.runs = VecDeque::from(runs);
        Ok(())
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        self.runs.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::data::{BEGIN, END, Form, UNORDERED};

    fn data(tsn: u32, flags: u8, payload: &'static [u8]) -> Data<'static> {
        let form = Form::Data;
        Data { form, flags, tsn: Tsn(tsn), stream: 1, message: 0, ppid_or_fsn: 51, payload }
    }

    #[test]
    fn fragments_in_any_order_make_the_message() {
        let fragments = [
            data(u32::MAX - 1, BEGIN, b"one "),
            data(u32::MAX, 0, b"two "),
            data(0, 0, b"three "),
            data(1, END, b"four"),
        ];
        let mut orders: Vec<Vec<usize>> = vec![vec![]];
        for _ in 0..4 {
            let longer = |order: &Vec<usize>| {
                let order = order.clone();
                (0..4)
                    .filter(|index| !order.contains(index))
                    .map(|index| [order.clone(), vec![index]].concat())
                    .collect::<Vec<_>>()
            };
            orders = orders.iter().flat_map(longer).collect();
        }
        assert_eq!(orders.len(), 24);
        for order in orders {
            let mut reassembly = Reassembly::default();
            let mut whole = None;
            for (count, index) in order.iter().enumerate() {
                whole = reassembly.insert(&fragments[*index], 0, 100).unwrap();
                assert_eq!(whole.is_some(), count == 3, "{order:?}");
            }
            assert_eq!(&whole.unwrap().payload[..], b"one two three four");
            assert_eq!((reassembly.bytes(), reassembly.len()), (0, 0));
        }
    }

    #[test]
    fn fragments_that_come_last_first_are_copied_a_few_times_only() {
        // Runs that touch are joined when that costs no more than what has come.
        let mut reassembly = Reassembly::default();
        reassembly.insert(&data(5000, END, &[0; 4000]), 0, 10_000).unwrap();
        for tsn in (1..5000).rev() {
            assert!(reassembly.insert(&data(tsn, 0, b"x"), 0, 10_000).unwrap().is_none());
            let lens: Vec<_> = reassembly.runs.iter().map(|run| run.bytes.len()).collect();
            assert!(lens.windows(2).all(|pair| 2 * pair[0] < pair[1]), "{tsn}: {lens:?}");
        }
        let whole = reassembly.insert(&data(0, BEGIN, b"first"), 0, 10_000).unwrap().unwrap();
        assert_eq!(whole.payload.len(), 5 + 4999 + 4000);
        assert_eq!(&whole.payload[..7], b"firstxx");
        assert_eq!((reassembly.bytes(), reassembly.len()), (0, 0));
    }

    #[test]
    fn neighbouring_messages_are_kept_apart() {
        let mut reassembly = Reassembly::default();
        assert!(reassembly.insert(&data(1, END, b"tail"), 0, 100).unwrap().is_none());
        assert!(reassembly.insert(&data(2, BEGIN, b"head"), 0, 100).unwrap().is_none());
        assert_eq!(reassembly.len(), 2);
        assert!(reassembly.insert(&data(3, END, b"!"), 0, 100).unwrap().is_some());
        assert!(reassembly.insert(&data(0, BEGIN, b"a "), 0, 100).unwrap().is_some());
    }

    #[test]
    fn misfits_are_found() {
        let mut reassembly = Reassembly::default();
        reassembly.insert(&data(1, BEGIN, b"abc"), 0, 5).unwrap();
        let other = Data { stream: 2, ..data(2, 0, b"x") };
        assert_eq!(reassembly.insert(&other, 0, 5).err(), Some(Misfit::Inconsistent));
        let other = data(2, UNORDERED, b"x");
        assert_eq!(reassembly.insert(&other, 0, 5).err(), Some(Misfit::Inconsistent));
        assert_eq!(reassembly.insert(&data(2, 0, b"defg"), 0, 5).err(), Some(Misfit::TooLarge));
    }

    #[test]
    fn abandoned_fragments_are_dropped() {
        let mut reassembly = Reassembly::default();
        reassembly.insert(&data(1, BEGIN, b"abc"), 0, 50).unwrap();
        reassembly.insert(&data(9, BEGIN, b"xyz"), 0, 50).unwrap();
        reassembly.forward_to(Tsn(4));
        assert_eq!((reassembly.bytes(), reassembly.len()), (3, 1));
    }
}
