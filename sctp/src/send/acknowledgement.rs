//! What a SACK changes
//! ([RFC 9260 §6.2.1](https://www.rfc-editor.org/rfc/rfc9260#section-6.2.1)).

use super::congestion::Sample;
use super::outstanding::{NeverSent, Progress};
use super::{Sender, segment};
use crate::chunk::sack::Sack;
use crate::tsn::Tsn;
use std::time::Instant;

impl Sender {
    /// Takes a SACK. RFC 9260 §6.2.1; gives whether it acknowledged something new.
    pub(crate) fn handle_sack(&mut self, now: Instant, sack: &Sack<'_>) -> Result<bool, NeverSent> {
        let cumulative = sack.cumulative_tsn_ack;
        // D.i: one that was overtaken.
        if !cumulative.is_at_or_after(self.outstanding.cumulative()) {
            return Ok(false);
        }
        let before = self.before(cumulative);
        let progress = self.outstanding.acknowledge(now, sack)?;
        let a_rwnd = usize::try_from(sack.a_rwnd).unwrap_or(usize::MAX);
        if sack.a_rwnd > self.window_probe.greatest {
            self.window_probe.greatest = sack.a_rwnd;
            self.update_worthwhile();
        }
        if progress.spurious > 0 || sack.duplicate_count() > 0 {
            let probed = self.probed;
            let needless = sack.duplicates().filter(|tsn| Some(*tsn) != probed).count();
            self.note_needless(progress.spurious, needless);
        }
        self.settle(now, progress, before, a_rwnd);
        Ok(progress.bytes > 0 || progress.advanced)
    }

    /// Takes the cumulative TSN of a SHUTDOWN, which acknowledges too (§9.2: the peer may answer what
    /// it gets by nothing else); gives whether it acknowledged something new.
    pub(crate) fn handle_shutdown(
        &mut self,
        now: Instant,
        cumulative: Tsn,
    ) -> Result<bool, NeverSent> {
        if !cumulative.is_at_or_after(self.outstanding.cumulative()) {
            return Ok(false);
        }
        let before = self.before(cumulative);
        // Of its window it says nothing: it is what the last SACK told.
        let a_rwnd = self.peer_window.saturating_add(self.outstanding.payload());
        let progress = self.outstanding.acknowledge_up_to(now, cumulative)?;
        if progress.advanced {
            self.settle(now, progress, before, a_rwnd);
        }
        Ok(progress.advanced)
    }

    /// What is to be known from before an acknowledgement.
    fn before(&self, cumulative: Tsn) -> Before {
        let advances = cumulative.is_after(self.outstanding.cumulative());
        Before {
            in_flight: self.outstanding.in_flight(),
            forwarded: advances && self.outstanding.must_forward(),
        }
    }

    /// What was acknowledged is gone: the timers, the windows and the congestion control follow.
    #[inline]
    fn settle(&mut self, now: Instant, progress: Progress, before: Before, a_rwnd: usize) {
        // A timeout that was backed off stays so until there is a new measurement (§6.3.3): it may
        // have been backed off because round trips have become longer.
        if let Some(rtt) = progress.rtt {
            self.rto.measured(now, rtt);
        } else if before.forwarded {
            // A FORWARD TSN was answered. Nothing is measured by it, and many may follow.
            self.rto.reset_back_off();
        }
        // D.ii.
        self.queues.set_begun_limit(a_rwnd);
        self.peer_window = a_rwnd.saturating_sub(self.outstanding.payload());
        if self.is_worthwhile(self.peer_window) {
            self.window_probe.at = None;
            self.window_probe.count = 0;
        } else if self.window_probe.at.is_none() {
            // §6.1 A: "the first zero window probe after 1 RTO", the next ones later and later.
            self.window_probe.at = Some(now + self.rto.backed_off(self.window_probe.count));
        }
        if progress.bytes > 0 {
            self.probes = 0;
            self.cautious = false;
        }
        self.take_progress(now, progress, before.in_flight);
        self.fast_retransmit &= self.outstanding.has_marked();
        // Beyond R3 of §6.3.2, which looks at the first chunk only: while anything is acknowledged,
        // losses are found by that, those of retransmissions too, and T3-rtx has no say.
        self.update_timer(now, progress.advanced || progress.bytes > 0);
        self.arm_probe(now);
        self.note_given_up();
    }

    /// Something was counted as lost, and perhaps sent again, that had arrived.
    fn note_needless(&mut self, bytes: usize, duplicates: usize) {
        // What a tail probe sent twice says nothing (RFC 8985 §7.4.2).
        if bytes == 0 && (duplicates == 0 || self.counters.retransmitted == 0) {
            return;
        }
        self.outstanding.was_needless();
        self.needless += bytes + duplicates * segment(self.mtu);
        if self.lost > 0 && self.needless >= self.lost {
            self.lost = 0;
            self.congestion.on_spurious();
            self.window = self.congestion.window();
        }
    }

    /// What was acknowledged, and what that leaves lost, tells the congestion control.
    pub(super) fn take_progress(
        &mut self,
        now: Instant,
        progress: Progress,
        in_flight_before: usize,
    ) {
        let (rtt, min_rtt) = self.rto.latest_and_least();
        let rate = progress.newest.and_then(|newest| {
            self.outstanding.packets.acknowledged(now, progress.bytes, newest, min_rtt)
        });
        let losses = self.outstanding.detect(now, rtt, min_rtt);
        self.timers.reordering = losses.next;
        let cumulative = self.outstanding.cumulative();
        if self.recovering_until.is_some_and(|until| cumulative.is_at_or_after(until)) {
            self.recovering_until = None;
            self.outstanding.recovered();
        }
        let sample = Sample {
            now,
            acknowledged: progress.bytes,
            lost: losses.bytes,
            lost_in_flight: losses.in_flight,
            in_flight_before,
            in_flight: self.outstanding.in_flight(),
            rtt: progress.rtt,
            rate,
            delivered: self.outstanding.packets.delivered(),
            recovering: self.recovering_until.is_some(),
        };
        if losses.bytes > 0 {
            self.begin_recovery();
            self.lost += losses.bytes;
            self.counters.lost += losses.bytes as u64;
        }
        if progress.bytes > 0 || losses.bytes > 0 {
            self.congestion.on_sample(&sample);
            self.follow_congestion();
        }
    }

    fn begin_recovery(&mut self) {
        if self.recovering_until.is_some() {
            return;
        }
        self.counters.fast_recoveries += 1;
        self.lost = 0;
        self.needless = 0;
        self.recovering_until = Some(self.outstanding.next_tsn().previous());
        self.fast_retransmit = true;
    }
}

/// How things stood before an acknowledgement.
#[derive(Clone, Copy)]
struct Before {
    in_flight: usize,
    /// It answers a FORWARD TSN.
    forwarded: bool,
}
