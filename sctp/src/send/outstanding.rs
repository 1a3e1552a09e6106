//! What was sent and not yet acknowledged.

pub(crate) mod forward;
mod handover;
mod loss;
mod sacked;

use crate::chunk::data::{self, Data, Form};
use crate::message::Order;
use crate::send::packets::Packets;
use crate::send::queue::Fragment;
use crate::tsn::Tsn;
use bytes::Bytes;
use forward::Unfinished;
use loss::Detection;
pub(crate) use sacked::{NeverSent, Progress};
use std::collections::VecDeque;
use std::time::Instant;

/// How a chunk that was sent stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// On its way.
    InFlight,
    /// Acknowledged by a gap block, beyond the cumulative TSN.
    Acknowledged,
    /// Lost, to be sent again.
    Marked,
    /// Given up (RFC 3758).
    Abandoned,
}

/// A DATA chunk that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) payload: Bytes,
    pub(crate) expires: Option<Instant>,
    /// The number of the packet that it last left with.
    packet: u64,
    pub(crate) ppid_or_fsn: u32,
    pub(crate) max_retransmits: Option<u16>,
    /// The stream sequence number, or the message identifier.
    pub(crate) message: u32,
    pub(crate) stream: u16,
    pub(crate) transmissions: u16,
    pub(crate) form: Form,
    pub(crate) flags: u8,
    state: State,
}

impl Sent {
    fn wire_len(&self) -> usize {
        self.form.wire_len(self.payload.len())
    }

    pub(crate) const fn order(&self) -> Order {
        if self.flags & data::UNORDERED != 0 { Order::Unordered } else { Order::Ordered }
    }

    fn must_be_given_up(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires < now)
            || self.max_retransmits.is_some_and(|max| self.transmissions > max)
    }
}

/// The chunks from the first unacknowledged one on, in a ring indexed by TSN.
#[derive(Debug)]
pub(crate) struct Outstanding {
    chunks: VecDeque<Sent>,
    pub(crate) packets: Packets,
    detection: Detection,
    /// Everything up to this number is acknowledged.
    cumulative: Tsn,
    /// Runs beyond that are acknowledged, first and last inclusive, and the memory for the next
    /// ones.
    runs: Vec<(Tsn, Tsn)>,
    next_runs: Vec<(Tsn, Tsn)>,
    /// Bytes of DATA chunks in state `InFlight`: the flight size.
    in_flight: usize,
    /// User bytes neither acknowledged nor abandoned, for the peer's window and our buffer.
    payload: usize,
    /// How many chunks are in state `Marked`, and their numbers in the order in which they were
    /// found; some of these may have been acknowledged since.
    marked: usize,
    lost: VecDeque<Tsn>,
    /// How many chunks are in state `Abandoned`.
    abandoned: usize,
}

impl Outstanding {
    /// Nothing was sent; the first chunk will be `initial`.
    pub(crate) fn new(initial: Tsn) -> Self {
        Self {
            chunks: VecDeque::new(),
            packets: Packets::default(),
            detection: Detection::default(),
            cumulative: initial.previous(),
            runs: Vec::new(),
            next_runs: Vec::new(),
            in_flight: 0,
            payload: 0,
            marked: 0,
            lost: VecDeque::new(),
            abandoned: 0,
        }
    }

    /// The number that the next chunk gets.
    pub(crate) fn next_tsn(&self) -> Tsn {
        self.cumulative.plus(u32::try_from(self.chunks.len()).unwrap_or(u32::MAX)).next()
    }

    pub(crate) const fn cumulative(&self) -> Tsn {
        self.cumulative
    }

    pub(crate) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) const fn payload(&self) -> usize {
        self.payload
    }

    pub(crate) const fn has_marked(&self) -> bool {
        self.marked > 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.len()
    }

    fn tsn_at(&self, index: usize) -> Tsn {
        self.cumulative.plus(u32::try_from(index).unwrap_or(u32::MAX)).next()
    }

    /// The index of a number beyond the cumulative one.
    fn index_of(&self, tsn: Tsn) -> Option<usize> {
        tsn.is_after(self.cumulative).then(|| tsn.distance_from(self.cumulative) as usize - 1)
    }

    /// Appends the DATA chunk of a new fragment to `buf` and remembers it.
    #[inline]
    pub(crate) fn send(&mut self, now: Instant, fragment: Fragment, extra: u8, buf: &mut Vec<u8>) {
        let chunk = Data {
            form: fragment.form,
            flags: fragment.flags | extra,
            tsn: self.next_tsn(),
            stream: fragment.stream,
            message: fragment.message,
            ppid_or_fsn: fragment.ppid_or_fsn,
            payload: &fragment.payload,
        };
        chunk.write(buf);
        let packet = self.packets.current(now, self.in_flight);
        let sent = Sent {
            payload: fragment.payload,
            expires: fragment.expires,
            packet,
            ppid_or_fsn: fragment.ppid_or_fsn,
            max_retransmits: fragment.max_retransmits,
            message: fragment.message,
            stream: fragment.stream,
            transmissions: 1,
            form: fragment.form,
            flags: fragment.flags,
            state: State::InFlight,
        };
        let len = sent.wire_len();
        self.in_flight += len;
        self.payload += sent.payload.len();
        self.chunks.push_back(sent);
        self.packets.grow(len);
    }

    /// The length on the wire of the first chunk that is to be sent again, after giving up those
    /// that may not be: where the peer can be told of that, or it would wait for them (RFC 3758 §3.3.3).
    /// `abandon` is told of each message that was given up, and what it was when
    /// not all of it had been sent.
    pub(crate) fn next_marked(
        &mut self,
        now: Instant,
        partial_reliability: bool,
        mut abandon: impl FnMut(Option<Unfinished>),
    ) -> Option<(usize, usize)> {
        while let Some(&tsn) = self.lost.front() {
            let index = self.index_of(tsn).unwrap_or(usize::MAX);
            let Some(chunk) = self.chunks.get(index).filter(|chunk| chunk.state == State::Marked)
            else {
                self.lost.pop_front();
                continue;
            };
            if partial_reliability && chunk.must_be_given_up(now) {
                let unfinished = self.abandon_message(index);
                abandon(unfinished);
                continue;
            }
            return Some((index, chunk.wire_len()));
        }
        debug_assert_eq!(self.marked, 0, "a marked chunk is found");
        None
    }

    /// Whether the chunk at `index` is the first that is not given up.
    pub(crate) fn is_earliest(&self, index: usize) -> bool {
        self.chunks.iter().take(index).all(|chunk| chunk.state == State::Abandoned)
    }

    /// Appends the marked chunk at `index` to `buf`, again.
    pub(crate) fn send_again(&mut self, now: Instant, index: usize, buf: &mut Vec<u8>) {
        let tsn = self.tsn_at(index);
        let packet = self.packets.current(now, self.in_flight);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        debug_assert_eq!(chunk.state, State::Marked);
        let data = Data {
            form: chunk.form,
            // What is late is wanted to be known as soon as it arrives (RFC 7053 §5.1).
            flags: chunk.flags | data::IMMEDIATE,
            tsn,
            stream: chunk.stream,
            message: chunk.message,
            ppid_or_fsn: chunk.ppid_or_fsn,
            payload: &chunk.payload,
        };
        data.write(buf);
        chunk.state = State::InFlight;
        chunk.packet = packet;
        chunk.transmissions = chunk.transmissions.saturating_add(1);
        let len = chunk.wire_len();
        self.packets.grow(len);
        self.in_flight += len;
        self.marked -= 1;
        self.detection.sent_again(packet, tsn);
        self.trim_again();
    }

    /// Counts the chunk at `index`, which is in flight, as lost.
    fn mark(&mut self, index: usize) {
        let tsn = self.tsn_at(index);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        chunk.state = State::Marked;
        self.in_flight -= chunk.wire_len();
        self.marked += 1;
        self.lost.push_back(tsn);
        if self.lost.len() > 2 * self.chunks.len() {
            self.relist();
        }
    }

    /// Makes the list of what is lost anew: most of it is of no use any more when the peer tells of
    /// chunks and takes that back, again and again.
    fn relist(&mut self) {
        self.lost.clear();
        let mut tsn = self.cumulative;
        for chunk in &self.chunks {
            tsn = tsn.next();
            if chunk.state == State::Marked {
                self.lost.push_back(tsn);
            }
        }
    }

    /// Marks everything in flight as lost: T3-rtx expired.
    pub(crate) fn mark_all(&mut self) {
        self.marked = 0;
        for chunk in &mut self.chunks {
            if matches!(chunk.state, State::InFlight | State::Marked) {
                chunk.state = State::Marked;
                self.marked += 1;
            }
        }
        self.relist();
        self.in_flight = 0;
        self.detection.forget_all(self.chunks.len());
    }

    /// Marks the last chunk in flight, to be sent again as a probe (RFC 8985 §7.3); gives its
    /// number, if there is one that may be.
    pub(crate) fn mark_last(&mut self, now: Instant, partial_reliability: bool) -> Option<Tsn> {
        let last = self.chunks.iter().rposition(|chunk| chunk.state == State::InFlight)?;
        let given_up = |chunk: &Sent| partial_reliability && chunk.must_be_given_up(now);
        if self.chunks.get(last).is_none_or(given_up) {
            return None;
        }
        self.mark(last);
        Some(self.tsn_at(last))
    }

    /// The path is another one: what is in flight is sent again, and nothing is known of it.
    pub(crate) fn path_changed(&mut self) {
        self.mark_all();
        self.detection.path_changed();
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        self.packets.shrink();
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
            self.lost = VecDeque::new();
            self.runs = Vec::new();
            self.next_runs = Vec::new();
            self.detection.shrink();
        }
    }

    /// Checks the sums against the chunks: for tests.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        let count = |state| self.chunks.iter().filter(|chunk| chunk.state == state).count();
        assert_eq!(self.marked, count(State::Marked));
        assert_eq!(self.abandoned, count(State::Abandoned));
        let in_flight: usize = self
            .chunks
            .iter()
            .filter(|chunk| chunk.state == State::InFlight)
            .map(Sent::wire_len)
            .sum();
        assert_eq!(self.in_flight, in_flight);
    }

    /// The state of `tsn`: for tests.
    #[cfg(test)]
    pub(crate) fn state(&self, tsn: Tsn) -> Option<State> {
        self.chunks.get(self.index_of(tsn)?).map(|chunk| chunk.state)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests;
