//! What SACKs say of what was sent
//! ([RFC 9260 §6.2.1](https://www.rfc-editor.org/rfc/rfc9260#section-6.2.1)).

use super::{Outstanding, Sent, State};
use crate::chunk::sack::Sack;
use crate::span::Span;
use crate::tsn::Tsn;
use std::time::Instant;

/// What a SACK changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Bytes of DATA chunks acknowledged for the first time.
    pub(crate) bytes: usize,
    /// The cumulative TSN moved.
    pub(crate) advanced: bool,
    /// The newest packet that is acknowledged.
    pub(crate) newest: Option<u64>,
    /// A round-trip time, from the newest chunk acknowledged that was sent only once.
    pub(crate) rtt: Option<Span>,
    /// Bytes that had been counted as lost, and arrived.
    pub(crate) spurious: usize,
}

/// A SACK that acknowledges what was never sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NeverSent;

impl Outstanding {
    /// Takes a SACK. RFC 9260 §6.2.1.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        sack: &Sack<'_>,
    ) -> Result<Progress, NeverSent> {
        let mut tally = Tally::default();
        self.advance_to(sack.cumulative_tsn_ack, &mut tally)?;
        if sack.has_gaps() {
            self.take_gaps(sack, &mut tally)?;
        } else if !self.runs.is_empty() {
            // The receiver has dropped all that it had beyond.
            self.renege_all();
        }
        Ok(self.conclude(now, tally))
    }

    /// Takes the cumulative TSN of a SHUTDOWN.
    pub(crate) fn acknowledge_up_to(
        &mut self,
        now: Instant,
        cumulative: Tsn,
    ) -> Result<Progress, NeverSent> {
        let mut tally = Tally::default();
        self.advance_to(cumulative, &mut tally)?;
        Ok(self.conclude(now, tally))
    }

    /// What the chunks that a SACK acknowledged say together.
    fn conclude(&mut self, now: Instant, tally: Tally) -> Progress {
        let now = self.packets.clock(now);
        // Karn's algorithm (§6.3.1 C5): not from what was sent twice.
        let rtt = tally.newest_single.and_then(|packet| self.packets.age(now, packet));
        self.detection.acknowledged(&tally);
        Progress {
            bytes: tally.bytes,
            advanced: tally.advanced,
            newest: tally.newest,
            rtt,
            spurious: tally.spurious,
        }
    }

    /// Drops what the cumulative TSN covers.
    fn advance_to(&mut self, cumulative: Tsn, tally: &mut Tally) -> Result<(), NeverSent> {
        let count = cumulative.distance_from(self.cumulative) as usize;
        if count > self.chunks.len() {
            return Err(NeverSent);
        }
        if count == 0 {
            return Ok(());
        }
        for _ in 0..count {
            let Some(chunk) = self.chunks.pop_front() else { break };
            match chunk.state {
                State::InFlight => self.in_flight -= chunk.wire_len(),
                State::Marked => self.marked -= 1,
                State::Acknowledged => continue,
                State::Abandoned => {
                    self.abandoned -= 1;
                    continue;
                }
            }
            self.payload -= chunk.payload.len();
            tally.count(&chunk);
        }
        tally.advanced = true;
        self.cumulative = cumulative;
        self.detection.advanced(count);
        if !self.runs.is_empty() {
            self.runs.retain_mut(|(first, last)| {
                if !last.is_after(cumulative) {
                    return false;
                }
                if !first.is_after(cumulative) {
                    *first = cumulative.next();
                }
                true
            });
        }
        Ok(())
    }

    /// Compares the gap blocks with the runs that were known: only what differs is looked at, so
    /// that a SACK costs no more for all that lies between.
    fn take_gaps(&mut self, sack: &Sack<'_>, tally: &mut Tally) -> Result<(), NeverSent> {
        let mut known = std::mem::take(&mut self.runs);
        let mut next = std::mem::take(&mut self.next_runs);
        next.clear();
        let mut old = known.iter().copied().peekable();
        // Everything up to this offset was compared.
        let mut at = 0;
        let mut result = Ok(());
        for (first, last) in sack.gap_ack_blocks() {
            let (first, last) = (u32::from(first), u32::from(last));
            // Blocks in disorder are not what §3.3.4 describes; the rest of them is not looked at.
            if first <= at || last < first {
                break;
            }
            if last as usize > self.chunks.len() {
                result = Err(NeverSent);
                break;
            }
            let mut from = first;
            while let Some(&(old_first, old_last)) = old.peek() {
                let old_first = old_first.distance_from(self.cumulative);
                let old_last = old_last.distance_from(self.cumulative);
                if old_first > last {
                    break;
                }
                // Known before and not told again: the receiver has dropped what it had.
                let dropped = old_first.max(at + 1)..=old_last.min(first - 1);
                self.renege(dropped);
                if old_last >= first {
                    self.take_run(from, old_first.saturating_sub(1), tally);
                    from = from.max(old_last + 1);
                }
                if old_last > last {
                    break;
                }
                old.next();
            }
            self.take_run(from, last, tally);
            next.push((self.cumulative.plus(first), self.cumulative.plus(last)));
            at = last;
        }
        // What lies beyond the last block may only have found no room in the SACK.
        for (first, last) in old {
            let from = first.distance_from(self.cumulative).max(at + 1);
            if from <= last.distance_from(self.cumulative) {
                next.push((self.cumulative.plus(from), last));
            }
        }
        known.clear();
        self.runs = next;
        self.next_runs = known;
        result
    }

    /// The chunks at these offsets from the cumulative TSN are acknowledged.
    fn take_run(&mut self, first: u32, last: u32, tally: &mut Tally) {
        if first > last || first == 0 {
            return;
        }
        for chunk in self.chunks.range_mut(first as usize - 1..last as usize) {
            match chunk.state {
                State::InFlight => self.in_flight -= chunk.wire_len(),
                State::Marked => self.marked -= 1,
                State::Acknowledged | State::Abandoned => continue,
            }
            tally.count(chunk);
            chunk.state = State::Acknowledged;
            self.payload -= chunk.payload.len();
        }
    }

    /// The receiver has dropped what it had at these offsets (§6.2.1 D.iii).
    fn renege(&mut self, offsets: std::ops::RangeInclusive<u32>) {
        for offset in offsets {
            let index = offset as usize - 1;
            let tsn = self.tsn_at(index);
            let Some(chunk) =
                self.chunks.get_mut(index).filter(|chunk| chunk.state == State::Acknowledged)
            else {
                continue;
            };
            chunk.state = State::InFlight;
            self.in_flight += chunk.wire_len();
            self.payload += chunk.payload.len();
            self.detection.reneged(index, chunk.packet, tsn, chunk.transmissions);
        }
        self.trim_again();
    }

    fn renege_all(&mut self) {
        for (first, last) in std::mem::take(&mut self.runs) {
            let (first, last) =
                (first.distance_from(self.cumulative), last.distance_from(self.cumulative));
            self.renege(first..=last);
        }
    }
}

/// What a SACK acknowledges for the first time.
#[derive(Debug, Default)]
pub(super) struct Tally {
    bytes: usize,
    advanced: bool,
    /// The newest packet of those that the chunks left with.
    pub(super) newest: Option<u64>,
    /// The newest one and the oldest one of chunks that were sent once.
    newest_single: Option<u64>,
    pub(super) oldest_single: Option<u64>,
    /// Bytes that were marked as lost.
    pub(super) spurious: usize,
}

impl Tally {
    #[inline]
    fn count(&mut self, chunk: &Sent) {
        let len = chunk.wire_len();
        self.bytes += len;
        if chunk.state == State::Marked {
            self.spurious += len;
        }
        let packet = chunk.packet;
        let newer = |newest: Option<u64>| Some(newest.map_or(packet, |newest| newest.max(packet)));
        self.newest = newer(self.newest);
        if chunk.transmissions == 1 {
            self.newest_single = newer(self.newest_single);
            self.oldest_single =
                Some(self.oldest_single.map_or(packet, |oldest| oldest.min(packet)));
        }
    }
}
