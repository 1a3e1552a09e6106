//! Which chunks are lost: what was sent before something that has arrived, and has not
//! ([RFC 8985 §6](https://www.rfc-editor.org/rfc/rfc8985#section-6), RACK).
//!
//! RFC 9260 §7.2.4 counts three SACKs that miss a chunk. Here packets are compared by when they
//! were sent, which holds for retransmissions as well, so that one that is lost again needs no
//! timer, and a SACK that was lost itself does not matter. A chunk is lost when three packets that
//! left later have arrived, as long as the path was never seen to reorder; and in any case when one
//! that left later has arrived and the chunk is a *reordering window* later than that one was.
//!
//! Chunks leave in the order of their numbers, and again in the order of a queue: the oldest one in
//! flight is at the head of one of the two, and nothing behind a head that is not lost is looked at.

use super::sacked::Tally;
use super::{Outstanding, State};
use crate::handover::{HandoverError, Reader, Writer};
use crate::span::Span;
use crate::tsn::Tsn;
use std::collections::VecDeque;
use std::time::Instant;

/// What RACK remembers.
#[derive(Debug, Default)]
pub(super) struct Detection {
    /// The newest packet that has arrived.
    newest: Option<u64>,
    /// Chunks before this index are acknowledged, lost, or were sent again.
    oldest: usize,
    /// What was sent again, by which packet.
    again: VecDeque<(u64, Tsn)>,
    /// A packet has arrived after one that left later.
    reordered: bool,
    /// The reordering window in quarters of the least round-trip time, beyond the first; grows when a retransmission
    /// turns out to have been needless, once in a round trip: not before this packet is acknowledged.
    quarters: u8,
    grows_from: u64,
    /// After so many recoveries without a needless one it is as at first.
    recoveries: u8,
}

impl Detection {
    /// A chunk was sent again.
    pub(super) fn sent_again(&mut self, packet: u64, tsn: Tsn) {
        self.again.push_back((packet, tsn));
    }

    /// So many chunks at the beginning are gone.
    pub(super) fn advanced(&mut self, count: usize) {
        self.oldest = self.oldest.saturating_sub(count);
    }

    /// Whatever is in flight among the first `len` chunks was sent again.
    pub(super) const fn advance_past(&mut self, len: usize) {
        self.oldest = len;
    }

    /// Nothing is in flight any more.
    pub(super) fn forget_all(&mut self, len: usize) {
        self.oldest = len;
        self.again.clear();
    }

    /// What was learnt of a path does not hold for another one.
    pub(super) const fn path_changed(&mut self) {
        self.reordered = false;
        self.quarters = 0;
    }

    /// A chunk that was acknowledged is in flight once more.
    pub(super) fn reneged(&mut self, index: usize, packet: u64, tsn: Tsn, transmissions: u16) {
        if transmissions == 1 {
            self.oldest = self.oldest.min(index);
        } else {
            self.again.push_front((packet, tsn));
        }
    }

    /// Takes note of what a SACK acknowledged. RFC 8985 §6.2 step 3.
    pub(super) fn acknowledged(&mut self, tally: &Tally) {
        if let (Some(newest), Some(oldest)) = (self.newest, tally.oldest_single) {
            self.reordered |= oldest < newest;
        }
        self.reordered |= tally.spurious > 0;
        self.newest = self.newest.max(tally.newest);
    }

    /// What is known of the path; the packets are others.
    pub(super) fn hand_over(&self, out: &mut Writer) {
        out.flag(self.reordered);
        out.u32(self.quarters.into());
    }

    /// Takes up what was handed over; `self` is new.
    pub(super) fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        self.reordered = from.flag()?;
        self.quarters = u8::try_from(from.u32()?).unwrap_or(u8::MAX).min(MAX_QUARTERS);
        self.recoveries = PERSISTENCE;
        Ok(())
    }

    pub(super) fn shrink(&mut self) {
        self.again = VecDeque::new();
    }
}

/// What was found lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// Bytes of DATA chunks.
    pub(crate) bytes: usize,
    /// Bytes in flight when the newest of them left.
    pub(crate) in_flight: usize,
    /// When the next one is, unless it arrives.
    pub(crate) next: Option<Instant>,
}

impl Outstanding {
    /// Forgets what the list of chunks that were sent again has twice, or to no use any more: a peer
    /// that tells of chunks and takes that back makes it longer than there are chunks.
    pub(super) fn trim_again(&mut self) {
        if self.detection.again.len() <= 2 * self.chunks.len() {
            return;
        }
        let mut again = Vec::new();
        let mut tsn = self.cumulative;
        for chunk in &self.chunks {
            tsn = tsn.next();
            if chunk.state == State::InFlight && chunk.transmissions > 1 {
                again.push((chunk.packet, tsn));
            }
        }
        again.sort_unstable_by_key(|(packet, _)| *packet);
        self.detection.again = VecDeque::from(again);
    }

    /// How long the list of chunks that were sent again is: for tests.
    #[cfg(test)]
    pub(super) fn sent_again(&self) -> usize {
        self.detection.again.len()
    }

    /// The peer has reported a packet twice: something was sent again needlessly. RFC 8985 §6.2
    /// step 4: the window grows by a quarter of a round trip, once in a round.
    pub(crate) fn was_needless(&mut self) {
        let detection = &mut self.detection;
        detection.reordered = true;
        detection.recoveries = PERSISTENCE;
        if detection.newest.is_none_or(|newest| newest >= detection.grows_from) {
            detection.quarters = (detection.quarters + 1).min(MAX_QUARTERS);
            detection.grows_from = self.packets.next();
        }
    }

    /// A recovery is over. Step 4: after 16 of them without a needless retransmission the window is
    /// the least one again.
    pub(crate) const fn recovered(&mut self) {
        self.detection.recoveries = self.detection.recoveries.saturating_sub(1);
        if self.detection.recoveries == 0 {
            self.detection.quarters = 0;
        }
    }

    /// Marks what is lost; gives what that is. `rtt` is the last round-trip time, `min_rtt` the
    /// least one.
    pub(crate) fn detect(&mut self, now: Instant, rtt: Span, min_rtt: Span) -> Losses {
        let mut losses = Losses::default();
        let Some(newest) = self.detection.newest else { return losses };
        let window = (min_rtt / 4 * u64::from(1 + self.detection.quarters)).min(rtt);
        let judge = Judge {
            now,
            clock: self.packets.clock(now),
            newest,
            by_count: !self.detection.reordered,
            late: rtt + window,
        };

        let mut oldest_packet = self.packets.next();
        while let Some(chunk) = self.chunks.get(self.detection.oldest) {
            if chunk.transmissions == 1 && chunk.state == State::InFlight {
                let packet = chunk.packet;
                if !judge.is_lost(self, packet, &mut losses) {
                    oldest_packet = oldest_packet.min(packet);
                    break;
                }
                losses.bytes += chunk.wire_len();
                self.mark(self.detection.oldest);
            }
            self.detection.oldest += 1;
        }
        while let Some(&(packet, tsn)) = self.detection.again.front() {
            let index = self.index_of(tsn);
            if let Some(index) = index
                && let Some(chunk) = self.chunks.get(index)
                && chunk.packet == packet
                && chunk.state == State::InFlight
            {
                if !judge.is_lost(self, packet, &mut losses) {
                    oldest_packet = oldest_packet.min(packet);
                    break;
                }
                losses.bytes += chunk.wire_len();
                self.mark(index);
            }
            self.detection.again.pop_front();
        }
        self.packets.forget_before(oldest_packet);
        losses
    }
}

struct Judge {
    now: Instant,
    /// The same, as the records of packets have it.
    clock: u64,
    newest: u64,
    /// Three later packets are enough.
    by_count: bool,
    /// How long after it was sent a packet is late.
    late: Span,
}

impl Judge {
    #[inline]
    fn is_lost(&self, outstanding: &Outstanding, packet: u64, losses: &mut Losses) -> bool {
        if packet >= self.newest {
            return false;
        }
        let in_time = !(self.by_count && self.newest - packet >= PACKETS);
        if in_time
            && let Some(age) = outstanding.packets.age(self.clock, packet)
            && age < self.late
        {
            let late = self.now + (self.late - age);
            losses.next = Some(losses.next.map_or(late, |next| next.min(late)));
            return false;
        }
        losses.in_flight = outstanding.packets.in_flight(packet).unwrap_or(0);
        true
    }
}

/// RFC 8985 §6.2 step 4, DupThresh, and RFC 9260's three miss indications.
const PACKETS: u64 = 3;
/// The window does not grow beyond four round trips' worth of quarters; the last round-trip time
/// bounds it anyway.
const MAX_QUARTERS: u8 = 15;
/// RFC 8985 §6.2 step 4: RACK.reo_wnd_persist.
const PERSISTENCE: u8 = 16;
