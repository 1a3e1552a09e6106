//! What was sent and not yet acknowledged.

pub(crate) mod forward;

use crate::chunk::data::{self, Data, Form};
use crate::chunk::sack::Sack;
use crate::message::Order;
use crate::send::queue::Fragment;
use crate::tsn::Tsn;
use bytes::Bytes;
use forward::Unfinished;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

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
    pub(crate) sent_at: Instant,
    pub(crate) expires: Option<Instant>,
    pub(crate) ppid_or_fsn: u32,
    pub(crate) max_retransmits: Option<u16>,
    /// The stream sequence number, or the message identifier.
    pub(crate) message: u32,
    pub(crate) stream: u16,
    pub(crate) transmissions: u16,
    pub(crate) form: Form,
    pub(crate) flags: u8,
    /// Miss indications of §7.2.4.
    misses: u8,
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

/// What a SACK changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Bytes of DATA chunks acknowledged for the first time.
    pub(crate) bytes: usize,
    /// The cumulative TSN moved.
    pub(crate) advanced: bool,
    /// A round-trip time, from the newest chunk acknowledged that was sent only once.
    pub(crate) rtt: Option<Duration>,
    /// Chunks were found lost.
    pub(crate) lost: bool,
}

/// A SACK that acknowledges what was never sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NeverSent;

/// The chunks from the first unacknowledged one on, in a ring indexed by TSN.
#[derive(Debug)]
pub(crate) struct Outstanding {
    chunks: VecDeque<Sent>,
    /// Everything up to this number is acknowledged.
    cumulative: Tsn,
    /// Bytes of DATA chunks in state `InFlight`: the flight size.
    in_flight: usize,
    /// User bytes neither acknowledged nor abandoned, for the peer's window and our buffer.
    payload: usize,
    /// How many chunks are in state `Marked`, and where to look for the first of them.
    marked: usize,
    first_marked: usize,
    /// How many chunks are in state `Acknowledged`.
    beyond: usize,
    /// How many chunks are in state `Abandoned`.
    abandoned: usize,
    /// The largest DATA chunk.
    segment: usize,
}

impl Outstanding {
    /// Nothing was sent; the first chunk will be `initial`.
    pub(crate) const fn new(initial: Tsn, segment: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            cumulative: initial.previous(),
            in_flight: 0,
            payload: 0,
            marked: 0,
            first_marked: 0,
            beyond: 0,
            abandoned: 0,
            segment,
        }
    }

    /// The largest DATA chunk is another one now.
    pub(crate) const fn set_segment(&mut self, segment: usize) {
        self.segment = segment;
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

    /// Appends the DATA chunk of a new fragment to `buf` and remembers it.
    #[inline]
    pub(crate) fn send(&mut self, now: Instant, fragment: Fragment, extra: u8, buf: &mut Vec<u8>) {
        let mut flags = if fragment.begin { data::BEGIN } else { 0 };
        flags |= if fragment.end { data::END } else { 0 };
        flags |= if fragment.order == Order::Unordered { data::UNORDERED } else { 0 };
        let chunk = Data {
            form: fragment.form,
            flags: flags | extra,
            tsn: self.next_tsn(),
            stream: fragment.stream,
            message: fragment.message,
            ppid_or_fsn: fragment.ppid_or_fsn,
            payload: &fragment.payload,
        };
        chunk.write(buf);
        self.in_flight += fragment.form.wire_len(fragment.payload.len());
        self.payload += fragment.payload.len();
        self.chunks.push_back(Sent {
            payload: fragment.payload,
            sent_at: now,
            expires: fragment.expires,
            ppid_or_fsn: fragment.ppid_or_fsn,
            max_retransmits: fragment.max_retransmits,
            message: fragment.message,
            stream: fragment.stream,
            transmissions: 1,
            form: fragment.form,
            flags,
            misses: 0,
            state: State::InFlight,
        });
    }

    /// The length on the wire of the first chunk that is to be sent again, after giving up those
    /// that may not be. `abandon` is told of each message that was given up, and what it was when
    /// not all of it had been sent.
    pub(crate) fn next_marked(
        &mut self,
        now: Instant,
        mut abandon: impl FnMut(Option<Unfinished>),
    ) -> Option<(usize, usize)> {
        while self.marked > 0 {
            let Some(chunk) = self.chunks.get(self.first_marked) else {
                debug_assert!(false, "a marked chunk is found");
                self.marked = 0;
                return None;
            };
            if chunk.state != State::Marked {
                self.first_marked += 1;
                continue;
            }
            if chunk.must_be_given_up(now) {
                let unfinished = self.abandon_message(self.first_marked);
                abandon(unfinished);
                continue;
            }
            return Some((self.first_marked, chunk.wire_len()));
        }
        None
    }

    /// Appends the marked chunk at `index` to `buf`, again.
    pub(crate) fn send_again(&mut self, now: Instant, index: usize, buf: &mut Vec<u8>) {
        let tsn = self.tsn_at(index);
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
        chunk.sent_at = now;
        chunk.misses = 0;
        chunk.transmissions = chunk.transmissions.saturating_add(1);
        self.in_flight += chunk.wire_len();
        self.marked -= 1;
        self.first_marked = index + 1;
    }

    /// Marks everything in flight as lost: T3-rtx expired.
    pub(crate) fn mark_all(&mut self) {
        for chunk in &mut self.chunks {
            if chunk.state == State::InFlight {
                chunk.state = State::Marked;
                self.marked += 1;
            }
        }
        self.in_flight = 0;
        self.first_marked = 0;
    }

    /// Takes a SACK. RFC 9260 §6.2.1.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        sack: &Sack<'_>,
        recovering_until: Option<Tsn>,
    ) -> Result<Progress, NeverSent> {
        let mut progress = Progress::default();
        let mut newest_sent = None;
        self.advance_to(now, sack.cumulative_tsn_ack, &mut progress, &mut newest_sent)?;
        if sack.has_gaps() {
            self.take_gaps(now, sack, recovering_until, &mut progress, &mut newest_sent)?;
        }
        Ok(progress)
    }

    /// Takes the cumulative TSN of a SHUTDOWN.
    pub(crate) fn acknowledge_up_to(
        &mut self,
        now: Instant,
        cumulative: Tsn,
    ) -> Result<Progress, NeverSent> {
        let mut progress = Progress::default();
        self.advance_to(now, cumulative, &mut progress, &mut None)?;
        Ok(progress)
    }

    /// Drops what the cumulative TSN covers.
    fn advance_to(
        &mut self,
        now: Instant,
        cumulative: Tsn,
        progress: &mut Progress,
        newest_sent: &mut Option<Instant>,
    ) -> Result<(), NeverSent> {
        let count = cumulative.distance_from(self.cumulative) as usize;
        if count > self.chunks.len() {
            return Err(NeverSent);
        }
        let mut single = None;
        for _ in 0..count {
            let Some(chunk) = self.chunks.pop_front() else { break };
            let wire_len = chunk.wire_len();
            match chunk.state {
                State::InFlight => self.in_flight -= wire_len,
                State::Marked => self.marked -= 1,
                State::Acknowledged => {
                    self.beyond -= 1;
                    continue;
                }
                State::Abandoned => {
                    self.abandoned -= 1;
                    continue;
                }
            }
            self.payload -= chunk.payload.len();
            progress.bytes += wire_len;
            if chunk.transmissions == 1 {
                single = Some(chunk.sent_at);
            }
            *newest_sent = (*newest_sent).max(Some(chunk.sent_at));
        }
        // Karn's algorithm (§6.3.1 C5): not from what was sent twice.
        if let Some(sent_at) = single {
            progress.rtt = Some(now.saturating_duration_since(sent_at));
        }
        progress.advanced = count > 0;
        self.cumulative = cumulative;
        self.first_marked = self.first_marked.saturating_sub(count);
        Ok(())
    }

    /// Walks the chunks up to the end of the last gap block.
    fn take_gaps(
        &mut self,
        now: Instant,
        sack: &Sack<'_>,
        recovering_until: Option<Tsn>,
        progress: &mut Progress,
        newest_sent: &mut Option<Instant>,
    ) -> Result<(), NeverSent> {
        let mut new: Option<Acknowledged> = None;
        let mut at = 0;
        for (first, last) in sack.gap_ack_blocks() {
            let (first, last) = (usize::from(first), usize::from(last));
            // Blocks in disorder are not what §3.3.4 describes; the rest of them is not looked at.
            if first <= at || last < first {
                break;
            }
            if last > self.chunks.len() {
                return Err(NeverSent);
            }
            for chunk in self.chunks.range_mut(at..first - 1) {
                // The receiver has dropped what it had (§6.2.1 D.iii: it "reneged").
                if chunk.state == State::Acknowledged {
                    chunk.state = State::InFlight;
                    chunk.misses = 0;
                    self.beyond -= 1;
                    self.in_flight += chunk.wire_len();
                    self.payload += chunk.payload.len();
                }
            }
            for (index, chunk) in self.chunks.range_mut(first - 1..last).enumerate() {
                match chunk.state {
                    State::InFlight => self.in_flight -= chunk.wire_len(),
                    State::Marked => self.marked -= 1,
                    State::Acknowledged | State::Abandoned => continue,
                }
                chunk.state = State::Acknowledged;
                self.beyond += 1;
                self.payload -= chunk.payload.len();
                progress.bytes += chunk.wire_len();
                if chunk.transmissions == 1 {
                    progress.rtt = Some(now.saturating_duration_since(chunk.sent_at));
                }
                *newest_sent = (*newest_sent).max(Some(chunk.sent_at));
                let index = first - 1 + index;
                let new = new.get_or_insert(Acknowledged { first: index, last: index, bytes: 0 });
                new.last = index;
                new.bytes += chunk.wire_len();
            }
            at = last;
        }
        // §7.2.4: while recovering, a cumulative advance counts against everything missing.
        let recovering = recovering_until.is_some_and(|tsn| !self.cumulative.is_at_or_after(tsn));
        let mut misses = Misses { up_to: 0, before: 0, many: 1, newest_sent: *newest_sent };
        if let Some(new) = new {
            misses.up_to = new.last;
            misses.before = new.first;
            misses.many = u8::try_from(new.bytes / self.segment).unwrap_or(u8::MAX).max(1);
        }
        if recovering && progress.advanced {
            misses.up_to = at;
        }
        self.count_misses(misses, progress);
        Ok(())
    }

    /// Counts miss indications for the chunks that are still missing; the third one marks a chunk.
    ///
    /// The RFC counts SACKs. A receiver that takes many packets at a time makes one SACK of what
    /// would have been several, so that a SACK which acknowledges several packets' worth of what
    /// comes after a chunk counts as so many (RFC 6675 §4 counts bytes in this way for TCP).
    ///
    /// What was sent more than once is only counted when something sent after it has arrived:
    /// so a retransmission that is lost is found out without waiting for T3-rtx, as RFC 8985 does
    /// for TCP. The RFC leaves those to T3-rtx.
    fn count_misses(&mut self, misses: Misses, progress: &mut Progress) {
        let Misses { up_to, before, many, newest_sent } = misses;
        let up_to = up_to.min(self.chunks.len());
        for (index, chunk) in self.chunks.range_mut(..up_to).enumerate() {
            if chunk.state != State::InFlight {
                continue;
            }
            if chunk.transmissions > 1 && newest_sent.is_none_or(|newest| newest <= chunk.sent_at) {
                continue;
            }
            let indications = if index < before { many } else { 1 };
            chunk.misses = chunk.misses.saturating_add(indications);
            if chunk.misses >= MISSES {
                chunk.misses = 0;
                chunk.state = State::Marked;
                self.in_flight -= chunk.wire_len();
                self.marked += 1;
                self.first_marked = self.first_marked.min(index);
                progress.lost = true;
            }
        }
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        if self.chunks.is_empty() {
            self.chunks.shrink_to(4);
        }
    }

    /// Checks the sums against the chunks: for tests.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        let count = |state| self.chunks.iter().filter(|chunk| chunk.state == state).count();
        assert_eq!(self.marked, count(State::Marked));
        assert_eq!(self.beyond, count(State::Acknowledged));
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
        self.chunks.get(tsn.distance_from(self.cumulative.next()) as usize).map(|chunk| chunk.state)
    }
}

/// What a SACK's gap blocks acknowledged for the first time: indexes and bytes.
struct Acknowledged {
    first: usize,
    last: usize,
    bytes: usize,
}

/// What a SACK says of the chunks that are still missing.
struct Misses {
    /// Those before this index are missing.
    up_to: usize,
    /// Those before this index have `many` indications at once, the others one.
    before: usize,
    many: u8,
    /// When the newest of what it acknowledged was sent.
    newest_sent: Option<Instant>,
}

/// §7.2.4: the third miss indication.
const MISSES: u8 = 3;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests;
