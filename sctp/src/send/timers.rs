//! When the sender acts by itself: T3-rtx
//! ([RFC 9260 §6.3](https://www.rfc-editor.org/rfc/rfc9260#section-6.3)), and what RFC 8985 adds.

use super::{Sender, segment};
use crate::send::outstanding::Progress;
use crate::span::Span;
use std::time::Instant;

/// The sender's deadlines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timers {
    /// T3-rtx.
    pub(super) retransmission: Option<Instant>,
    /// When a chunk counts as lost, unless it arrives (RFC 8985 §6.3).
    pub(super) reordering: Option<Instant>,
    /// When the tail of what was sent is probed (RFC 8985 §7), unless it was since the last SACK.
    pub(super) probe: Option<Instant>,
}

impl Sender {
    /// When the next of the timers expires.
    #[inline]
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let Timers { retransmission, reordering, probe } = self.timers;
        [retransmission, reordering, probe].into_iter().flatten().min()
    }

    /// Stops or restarts T3-rtx.
    pub(crate) fn update_timer(&mut self, now: Instant, advanced: bool) {
        if self.outstanding.is_empty() {
            // R2 of §6.3.2.
            self.stop_timers();
            self.oversized = false;
        } else if advanced {
            // R3.
            self.timers.retransmission = Some(now + self.rto.current());
        }
    }

    /// Something was sent or acknowledged: the probe is so much later. RFC 8985 §7.2.
    ///
    /// Where that has one, and none while losses are repaired, there are several, each
    /// twice as late as the one before (RFC 9002 §6.2): on short paths a burst takes what is sent
    /// again along, and T3-rtx is a hundred round trips away.
    #[inline]
    pub(super) fn arm_probe(&mut self, now: Instant) {
        self.timers.probe = None;
        if self.probes >= MAX_PROBES || self.cautious || self.outstanding.in_flight() == 0 {
            return;
        }
        if self.window_probe.count > 0 && self.outstanding.len() == 1 {
            // What probes a closed window has T3-rtx alone, whose intervals grow.
            return;
        }
        let Some(rtt) = self.rto.smoothed() else { return };
        let mut wait = (rtt * 2).max(MIN_PROBE) * (1 << self.probes);
        // A single packet may wait for the receiver's timer, unless it is one that asks for a SACK:
        // what is sent again.
        let single = self.outstanding.in_flight() <= segment(self.mtu);
        if single && self.recovering_until.is_none() {
            wait += self.rto.allowance();
        }
        let at = now + wait;
        self.timers.probe = self.timers.retransmission.is_none_or(|t3| at < t3).then_some(at);
    }

    /// Fires the timers that are due; gives whether T3-rtx was. RFC 9260 §6.3.3.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.timers.reordering.is_some_and(|at| at <= now) {
            self.timers.reordering = None;
            let in_flight = self.outstanding.in_flight();
            self.take_progress(now, Progress::default(), in_flight);
            self.arm_probe(now);
        }
        if self.timers.probe.is_some_and(|at| at <= now) {
            self.timers.probe = None;
            self.send_probe(now);
        }
        if self.timers.retransmission.is_none_or(|at| at > now) {
            return false;
        }
        self.stop_timers();
        if self.outstanding.is_empty() {
            return false;
        }
        self.counters.timeouts += 1;
        self.expire(now);
        true
    }

    /// The last SACK is long ago: what was sent last may be lost, and nothing behind it tells so. What
    /// is lost already, new data, or the last chunk again makes the receiver answer (RFC 8985 §7.3).
    fn send_probe(&mut self, now: Instant) {
        self.probes += 1;
        if self.outstanding.has_marked() {
            self.fast_retransmit = true;
        } else if !self.queues.is_empty() && self.peer_has_room() {
            self.probing = true;
        } else if let Some(probed) = self.outstanding.mark_last(now, self.partial_reliability) {
            self.probed = Some(probed);
            self.fast_retransmit = true;
        } else {
            return;
        }
        self.counters.probes += 1;
    }

    /// Counts all that is in flight as lost.
    fn expire(&mut self, now: Instant) {
        let probing = self.peer_window == 0 && self.outstanding.len() == 1;
        if !probing {
            self.congestion.on_timeout();
        }
        self.rto.back_off();
        if self.recovering_until.take().is_some() {
            self.outstanding.recovered();
        }
        self.probes = 0;
        self.outstanding.mark_all();
        self.follow_congestion();
        self.cautious = self.window <= segment(self.mtu);
        self.note_given_up();
        // The timer starts anew with the packet; without one to send the question stays open.
        if !self.outstanding.has_marked() && !self.forward {
            self.timers.retransmission = Some(now + self.rto.current());
        }
    }

    pub(super) fn stop_timers(&mut self) {
        self.timers.retransmission = None;
        self.timers.reordering = None;
        self.timers.probe = None;
        self.probing = false;
        self.fast_retransmit = false;
    }
}

/// RFC 8985 §7.2 has two round trips; on the shortest paths the machine's own pace is longer.
const MIN_PROBE: Span = Span::from_millis(10);
/// So many probes without an answer are enough: the next is T3-rtx's.
const MAX_PROBES: u8 = 4;
