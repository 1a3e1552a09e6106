//! Interleaved fragments become messages again
//! ([RFC 8260 §2.2.3](https://www.rfc-editor.org/rfc/rfc8260#section-2.2.3)).

use super::OVERHEAD;
use super::block::Spare;
use super::reassembly::Misfit;
use crate::chunk::data::Data;
use crate::handover::{HandoverError, Reader, Writer, check};
use crate::message::Order;
use crate::tsn::number_is_after;
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The messages of one stream of which fragments are missing, or which are read in parts.
///
/// They are looked up by their numbers only, so the wrap of the numbers is no matter.
#[derive(Debug, Default)]
pub(crate) struct Partials {
    all: BTreeMap<(Order, u32), Partial>,
    /// The unordered ones of which the first fragment has come, and which may be read in parts: what is
    /// readable is among these, and a peer may begin any number of others.
    begun: BTreeSet<u32>,
}

/// A message of which there are fragments.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    /// What the payload is; known once the first fragment is there.
    pub(crate) ppid: Option<u32>,
    /// It is not read in parts, however the stream is read.
    kept_whole: bool,
    /// Its stream is read in parts.
    in_parts: bool,
    /// The number of the first fragment that was not taken out.
    base: u32,
    /// Consecutive fragments, in order. Two of them touch only where the first one is less than half
    /// as long as the second: to join such as these costs more than what has come.
    runs: VecDeque<Run>,
    /// User bytes in `runs`.
    bytes: usize,
    /// Bytes that its memory was made for beforehand.
    reserved: usize,
}

/// Consecutive fragments: numbers from `first` to before `next`.
#[derive(Debug)]
struct Run {
    first: u32,
    next: u32,
    end: bool,
    bytes: BytesMut,
}

impl Run {
    /// Appends the fragment that follows.
    fn append(&mut self, data: &Data<'_>) {
        self.bytes.extend_from_slice(data.payload);
        self.next = self.next.wrapping_add(1);
        self.end = data.is_end();
    }
}

/// What is left of the last message that was whole, for the next one, which is likely alike.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    spare: Spare,
    /// Empty.
    runs: VecDeque<Run>,
    usual_len: usize,
}

impl Memory {
    /// How many bytes are kept.
    pub(crate) fn size(&self) -> usize {
        self.spare.size()
    }

    /// The length of the last message.
    pub(crate) const fn usual_len(&self) -> usize {
        self.usual_len
    }
}

impl Partials {
    /// The message of a fragment, made when there is none.
    pub(crate) fn entry(&mut self, data: &Data<'_>, memory: &mut Memory) -> &mut Partial {
        self.all.entry((data.order(), data.message)).or_insert_with(|| Partial {
            runs: std::mem::take(&mut memory.runs),
            ..Partial::default()
        })
    }

    pub(crate) fn get_mut(&mut self, order: Order, message: u32) -> Option<&mut Partial> {
        self.all.get_mut(&(order, message))
    }

    pub(crate) fn remove(&mut self, order: Order, message: u32) -> Option<Partial> {
        if order == Order::Unordered {
            self.begun.remove(&message);
        }
        self.all.remove(&(order, message))
    }

    /// The first fragment of a message has come, and the message may be read in parts.
    pub(crate) fn note_begun(&mut self, order: Order, message: u32) {
        if order == Order::Unordered {
            self.begun.insert(message);
        }
    }

    /// The first message that can be read in part: the ordered one whose turn it is, or any
    /// unordered one.
    pub(crate) fn readable(&self, next_ordered: u32) -> Option<(Order, u32)> {
        let ordered = (Order::Ordered, next_ordered);
        if self.all.get(&ordered).is_some_and(Partial::is_readable) {
            return Some(ordered);
        }
        let mut unordered = self.begun.iter().map(|message| (Order::Unordered, *message));
        unordered.find(|key| self.is_readable(*key))
    }

    /// Notes how the stream is read.
    pub(crate) fn read_in_parts(&mut self, in_parts: bool) {
        for partial in self.all.values_mut() {
            partial.read_in_parts(in_parts);
        }
    }

    /// Whether the next bytes of a message are there.
    pub(crate) fn is_readable(&self, key: (Order, u32)) -> bool {
        self.all.get(&key).is_some_and(Partial::is_readable)
    }

    /// Drops what the peer has given up: all messages of an order up to `last`. Gives what they
    /// held.
    pub(crate) fn forward_to(&mut self, order: Order, last: u32) -> Held {
        let mut dropped = Held::default();
        // Up to `last` is the half of the numbers that ends there; they wrap.
        let oldest = last.wrapping_sub((1 << 31) - 1);
        let ranges = match oldest <= last {
            true => [Some(oldest..=last), None],
            false => [Some(0..=last), Some(oldest..=u32::MAX)],
        };
        for range in ranges.into_iter().flatten() {
            let (start, end) = ((order, *range.start()), (order, *range.end()));
            while let Some((&(_, message), _)) = self.all.range(start..=end).next() {
                if let Some(partial) = self.remove(order, message) {
                    dropped.add(partial.held());
                }
            }
        }
        dropped
    }

    /// Drops everything; gives what it held.
    pub(crate) fn clear(&mut self) -> Held {
        let mut dropped = Held::default();
        for partial in self.all.values() {
            dropped.add(partial.held());
        }
        self.all.clear();
        self.begun.clear();
        dropped
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Gives memory of busier times back, which a map that has become empty keeps.
    pub(crate) fn shrink(&mut self) {
        if self.all.is_empty() {
            *self = Self::default();
        }
    }

    /// What all of them hold.
    pub(crate) fn held(&self) -> Held {
        let mut held = Held::default();
        for partial in self.all.values() {
            held.add(partial.held());
        }
        held
    }

    pub(crate) fn hand_over(&self, out: &mut Writer) {
        out.list(self.all.iter(), |out, ((order, message), partial)| {
            out.order(*order);
            out.u32(*message);
            out.option(partial.ppid, Writer::u32);
            out.flag(partial.kept_whole);
            out.u32(partial.base);
            out.list(partial.runs.iter(), |out, run| {
                out.u32(run.first);
                out.u32(run.next);
                out.flag(run.end);
                out.bytes(&run.bytes);
            });
        });
    }

    pub(crate) fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        let partials = from.list(|from| {
            let key = (from.order()?, from.u32()?);
            let (ppid, kept_whole) = (from.option(Reader::u32)?, from.flag()?);
            let base = from.u32()?;
            // Counted from `base`: where the last run ended, and whether the message ended there.
            let (mut reached, mut ended) = (None, false);
            let runs = from.list(|from| {
                let (first, next, end) = (from.u32()?, from.u32()?, from.flag()?);
                let bytes = BytesMut::from(from.slice()?);
                let (start, stop) = (first.wrapping_sub(base), next.wrapping_sub(base));
                let count = stop.checked_sub(start).ok_or(HandoverError::Malformed)?;
                check(!ended && count > 0 && count as usize <= bytes.len())?;
                check(reached.is_none_or(|reached| reached <= start) && stop < 1 << 31)?;
                (reached, ended) = (Some(stop), end);
                Ok(Run { first, next, end, bytes })
            })?;
            check(runs.len() <= MAX_RUNS && (base != 0 || !runs.is_empty()))?;
            let bytes = runs.iter().map(|run| run.bytes.len()).sum();
            let runs = VecDeque::from(runs);
            let partial = Partial { ppid, kept_whole, base, runs, bytes, ..Partial::default() };
            Ok((key, partial))
        })?;
        for (key @ (order, message), partial) in partials {
            if partial.ppid.is_some() && !partial.kept_whole {
                self.note_begun(order, message);
            }
            check(self.all.insert(key, partial).is_none())?;
        }
        Ok(())
    }
}

/// What incomplete messages hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Held {
    /// Bytes, with [`OVERHEAD`] for each message and each run.
    pub(crate) bytes: usize,
    /// Bytes that memory was made for beforehand.
    pub(crate) reserved: usize,
    /// Of `bytes`, those that nobody can read before the rest of their messages is there; but a few of
    /// each message, so that many that are only begun make no room for more.
    pub(crate) stuck: usize,
}

impl Held {
    pub(crate) const fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.reserved += other.reserved;
        self.stuck += other.stuck;
    }

    pub(crate) fn remove(&mut self, other: Self) {
        debug_assert!(self.bytes >= other.bytes && self.reserved >= other.reserved);
        debug_assert!(self.stuck >= other.stuck);
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.reserved = self.reserved.saturating_sub(other.reserved);
        self.stuck = self.stuck.saturating_sub(other.stuck);
    }
}

impl Partial {
    /// Whether no fragment was ever taken.
    pub(crate) fn is_new(&self) -> bool {
        self.base == 0 && self.runs.is_empty()
    }

    pub(crate) fn held(&self) -> Held {
        let bytes = self.bytes + OVERHEAD * (1 + self.runs.len());
        let stuck = if self.in_parts { 0 } else { self.bytes.saturating_sub(CRUMB) };
        Held { bytes, reserved: self.reserved, stuck }
    }

    /// Notes how its stream is read.
    pub(crate) const fn read_in_parts(&mut self, in_parts: bool) {
        self.in_parts = in_parts;
    }

    /// Takes a fragment. `reserve` is how many bytes to make room for when it begins the message.
    pub(crate) fn insert(
        &mut self,
        data: &Data<'_>,
        max_len: usize,
        reserve: usize,
        memory: &mut Memory,
    ) -> Result<(), Misfit> {
        let fsn = data.fsn().unwrap_or_default();
        // In order, it is the one after the last.
        if let Some(last) = self.runs.back_mut()
            && last.next == fsn
            && !last.end
            && !data.is_begin()
            && self.bytes + data.payload.len() <= max_len
        {
            self.bytes += data.payload.len();
            last.append(data);
            return Ok(());
        }
        let distance = fsn.wrapping_sub(self.base);
        let index = self.runs.partition_point(|run| run.first.wrapping_sub(self.base) <= distance);
        let before = index.checked_sub(1);
        if before
            .and_then(|before| self.runs.get(before))
            .is_some_and(|run| run.end || distance < run.next.wrapping_sub(self.base))
            || number_is_after(self.base, fsn)
            || (data.is_begin() && self.ppid.is_some())
            || (data.is_end() && index < self.runs.len())
        {
            return Err(Misfit::Inconsistent);
        }
        if self.bytes + data.payload.len() > max_len {
            return Err(Misfit::TooLarge);
        }
        if let Some(ppid) = data.ppid() {
            self.ppid = Some(ppid);
        }
        self.bytes += data.payload.len();
        let follows =
            before.filter(|before| self.runs.get(*before).is_some_and(|run| run.next == fsn));
        let index = match follows {
            Some(before) => {
                if let Some(run) = self.runs.get_mut(before) {
                    run.append(data);
                }
                before
            }
            None => {
                if self.runs.len() >= MAX_RUNS {
                    return Err(Misfit::Inconsistent);
                }
                let mut bytes = if data.is_begin() {
                    self.reserved = reserve;
                    memory.spare.take(reserve.max(data.payload.len()))
                } else {
                    BytesMut::with_capacity(data.payload.len())
                };
                bytes.extend_from_slice(data.payload);
                let next = fsn.wrapping_add(1);
                self.runs.insert(index, Run { first: fsn, next, end: data.is_end(), bytes });
                index
            }
        };
        while let (Some(run), Some(tail)) = (self.runs.get(index), self.runs.get(index + 1))
            && run.next == tail.first
            && run.bytes.len() >= tail.bytes.len() / 2
        {
            self.join(index);
        }
        Ok(())
    }

    /// Appends the run after `index` to the one there.
    fn join(&mut self, index: usize) {
        if let Some(tail) = self.runs.remove(index + 1)
            && let Some(run) = self.runs.get_mut(index)
        {
            run.bytes.extend_from_slice(&tail.bytes);
            run.next = tail.next;
            run.end = tail.end;
        }
    }

    /// Whether all fragments are there.
    pub(crate) fn is_whole(&self) -> bool {
        if self.ppid.is_none() || !self.runs.back().is_some_and(|run| run.end) {
            return false;
        }
        // Runs that touch are each twice as long as the one before: they are few.
        let mut next = self.base;
        self.runs.iter().all(|run| std::mem::replace(&mut next, run.next) == run.first)
    }

    /// Whether the next bytes of the message are there and may be read by themselves.
    pub(crate) fn is_readable(&self) -> bool {
        !self.kept_whole && self.has_next()
    }

    /// From now on it is only given out as a whole.
    pub(crate) const fn keep_whole(&mut self) {
        self.kept_whole = true;
    }

    fn has_next(&self) -> bool {
        self.ppid.is_some() && self.runs.front().is_some_and(|run| run.first == self.base)
    }

    /// Takes the next bytes of the message out, and whether they are the last ones.
    pub(crate) fn take(&mut self) -> Option<(Bytes, bool)> {
        let run = self.take_run()?;
        Some((run.bytes.freeze(), run.end))
    }

    /// Takes the message out, which is whole; leaves what is used again in `memory`.
    pub(crate) fn into_payload(mut self, memory: &mut Memory) -> Option<Bytes> {
        while self.runs.len() > 1 {
            self.join(0);
        }
        let run = self.take_run()?;
        memory.runs = self.runs;
        memory.usual_len = run.bytes.len();
        Some(memory.spare.give_out(run.bytes))
    }

    fn take_run(&mut self) -> Option<Run> {
        if !self.has_next() {
            return None;
        }
        let run = self.runs.pop_front()?;
        self.base = run.next;
        self.bytes -= run.bytes.len();
        self.reserved = 0;
        Some(run)
    }
}

/// What a message has at least that waits for more than its next packets. With the room that there is
/// anyway, 128 of the largest messages may have begun.
const CRUMB: usize = 4 << 10;
/// A sender that keeps to the order of the fragments makes no more runs than there are gaps in the
/// transmission sequence numbers.
const MAX_RUNS: usize = 2048;

#[cfg(test)]
mod tests;
