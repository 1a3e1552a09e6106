//! Congestion control ([RFC 9260 §7.2](https://www.rfc-editor.org/rfc/rfc9260#section-7.2)).
//!
//! Everything that the sender knows about how much the path can take is in [`Congestion`]; the
//! sender tells it what happened and asks for [`Congestion::window`]. Another algorithm is another
//! type with the same methods.
//!
//! Two things are added to the RFC's rules:
//!
//! * In slow start the window grows by everything that was acknowledged, not by one packet a SACK,
//!   because the [pacer](super::pacer) spreads what that releases (RFC 9002 and RFC 9406 do the
//!   same).
//! * Slow start ends when round trips become longer, before the queue on the path overflows:
//!   HyStart++ ([RFC 9406](https://www.rfc-editor.org/rfc/rfc9406)). Without it the last doubling
//!   overfills a drop-tail queue and loses up to half a window at once.

use crate::tsn::Tsn;
use std::time::Duration;

/// The RFC's slow start and congestion avoidance, with HyStart++.
#[derive(Clone, Debug)]
pub(crate) struct Congestion {
    /// PMDCS: the largest DATA chunk, in bytes.
    segment: usize,
    /// cwnd, in bytes of DATA chunks.
    window: usize,
    /// ssthresh.
    threshold: usize,
    /// partial_bytes_acked.
    partial: usize,
    rounds: Rounds,
}

/// What a SACK says to the congestion control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    /// How many bytes of DATA chunks it acknowledged for the first time.
    pub(crate) bytes: usize,
    /// How many were in flight before it.
    pub(crate) in_flight_before: usize,
    /// Its cumulative TSN.
    pub(crate) cumulative: Tsn,
    /// The number that the next new chunk will get.
    pub(crate) next_tsn: Tsn,
    /// A round-trip time measured with it.
    pub(crate) rtt: Option<Duration>,
}

impl Congestion {
    /// A window of `initial_packets` chunks of at most `segment` bytes, in slow start.
    pub(crate) fn new(segment: usize, initial_packets: u32) -> Self {
        Self {
            segment,
            window: segment * usize::try_from(initial_packets.max(1)).unwrap_or(10),
            threshold: usize::MAX,
            partial: 0,
            rounds: Rounds::default(),
        }
    }

    /// How many bytes of DATA chunks may be in flight.
    pub(crate) const fn window(&self) -> usize {
        self.window
    }

    /// ssthresh, `None` while it has not been set.
    pub(crate) fn threshold(&self) -> Option<usize> {
        (self.threshold != usize::MAX).then_some(self.threshold)
    }

    /// Whether the window still doubles every round trip.
    pub(crate) const fn in_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// The size of the largest DATA chunk has changed.
    pub(crate) fn set_segment(&mut self, segment: usize) {
        self.segment = segment;
        self.window = self.window.max(segment);
    }

    /// A SACK came that acknowledged something, outside fast recovery.
    pub(crate) fn on_acknowledged(&mut self, acknowledged: Acknowledged) {
        if self.in_slow_start() {
            self.slow_start(acknowledged);
        } else {
            self.avoid_congestion(acknowledged);
        }
    }

    fn slow_start(&mut self, acknowledged: Acknowledged) {
        let divisor = match self.rounds.step(acknowledged) {
            Pace::Full => 1,
            Pace::Careful => CSS_GROWTH_DIVISOR,
            Pace::Exit => {
                self.threshold = self.window;
                return;
            }
        };
        // §7.2.1: only a window that is used is raised. Half is enough here, since the packets
        // that a doubled window allows are still being paced out.
        if acknowledged.in_flight_before * 2 >= self.window {
            self.window = self.window.saturating_add(acknowledged.bytes / divisor);
        }
    }

    fn avoid_congestion(&mut self, acknowledged: Acknowledged) {
        // §7.2.2: one chunk more for each window that is acknowledged while it was full.
        self.partial += acknowledged.bytes;
        if self.partial < self.window {
            return;
        }
        if acknowledged.in_flight_before + 2 * self.segment >= self.window {
            self.partial -= self.window;
            self.window = self.window.saturating_add(self.segment);
        }
        self.partial = self.partial.min(self.window);
    }

    /// Chunks were found lost: fast recovery begins ([§7.2.4]).
    ///
    /// [§7.2.4]: https://www.rfc-editor.org/rfc/rfc9260#section-7.2.4
    pub(crate) fn on_loss(&mut self) {
        self.threshold = (self.window / 2).max(4 * self.segment);
        self.window = self.threshold;
        self.partial = 0;
        self.rounds = Rounds::default();
    }

    /// T3-rtx expired ([§7.2.3]).
    ///
    /// [§7.2.3]: https://www.rfc-editor.org/rfc/rfc9260#section-7.2.3
    pub(crate) fn on_timeout(&mut self) {
        self.threshold = (self.window / 2).max(4 * self.segment);
        self.window = self.segment;
        self.partial = 0;
        self.rounds = Rounds::default();
    }

    /// Nothing was sent for `timeouts` retransmission timeouts: what the path takes is not known
    /// any more (§7.2.1). `initial` packets remain.
    pub(crate) fn on_idle(&mut self, timeouts: u32, initial: u32) {
        let floor = self.segment * usize::try_from(initial.max(4)).unwrap_or(4);
        for _ in 0..timeouts.min(32) {
            self.window = self.window.min((self.window / 2).max(floor));
        }
    }

    /// By what to multiply window / round-trip time for the pacer, in quarters.
    pub(crate) const fn pacing_gain_quarters(&self) -> u64 {
        // As Linux: twice in slow start, so that the window can double; a bit more than the
        // window after, so that pacing never holds back what the window allows.
        if self.in_slow_start() { 8 } else { 5 }
    }
}

/// HyStart++: watches the least round-trip time of each round.
#[derive(Clone, Debug, Default)]
struct Rounds {
    /// The round ends when this is acknowledged.
    end: Option<Tsn>,
    samples: u32,
    least: Option<Duration>,
    least_before: Option<Duration>,
    /// In conservative slow start: the round-trip time that began it, and the rounds left.
    conservative: Option<(Duration, u32)>,
}

enum Pace {
    Full,
    Careful,
    Exit,
}

impl Rounds {
    fn step(&mut self, acknowledged: Acknowledged) -> Pace {
        match self.end {
            None => self.end = Some(acknowledged.next_tsn),
            Some(end) if acknowledged.cumulative.next().is_at_or_after(end) => {
                self.end = Some(acknowledged.next_tsn);
                self.least_before = self.least.take();
                self.samples = 0;
                if let Some((_, left)) = &mut self.conservative {
                    *left -= 1;
                    if *left == 0 {
                        return Pace::Exit;
                    }
                }
            }
            Some(_) => {}
        }
        if let Some(rtt) = acknowledged.rtt {
            self.samples += 1;
            self.least = Some(self.least.map_or(rtt, |least| least.min(rtt)));
        }
        if let (Some(least), true) = (self.least, self.samples >= N_RTT_SAMPLE) {
            match (self.conservative, self.least_before) {
                // It was a passing disturbance.
                (Some((baseline, _)), _) if least < baseline => self.conservative = None,
                (None, Some(before)) => {
                    let threshold = (before / 8).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                    if least >= before + threshold {
                        self.conservative = Some((least, CSS_ROUNDS));
                    }
                }
                _ => {}
            }
        }
        if self.conservative.is_some() { Pace::Careful } else { Pace::Full }
    }
}

// RFC 9406 §4.3.
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const N_RTT_SAMPLE: u32 = 8;
const CSS_GROWTH_DIVISOR: usize = 4;
const CSS_ROUNDS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(bytes: usize, in_flight_before: usize) -> Acknowledged {
        Acknowledged { bytes, in_flight_before, cumulative: Tsn(1), next_tsn: Tsn(9), rtt: None }
    }

    #[test]
    fn slow_start_doubles_a_window_that_is_used() {
        let mut congestion = Congestion::new(1000, 10);
        congestion.on_acknowledged(acknowledged(10_000, 10_000));
        assert_eq!(congestion.window(), 20_000);
        congestion.on_acknowledged(acknowledged(1_000, 1_000));
        assert_eq!(congestion.window(), 20_000, "an idle sender proves nothing");
    }

    #[test]
    fn a_loss_halves_the_window_and_avoidance_raises_it_slowly() {
        let mut congestion = Congestion::new(1000, 20);
        congestion.on_loss();
        assert_eq!(congestion.window(), 10_000);
        assert!(!congestion.in_slow_start());
        congestion.on_acknowledged(acknowledged(9_000, 10_000));
        assert_eq!(congestion.window(), 10_000);
        congestion.on_acknowledged(acknowledged(1_000, 10_000));
        assert_eq!(congestion.window(), 11_000);
        congestion.on_timeout();
        assert_eq!((congestion.window(), congestion.threshold()), (1_000, Some(5_500)));
    }

    #[test]
    fn idleness_decays_to_the_initial_window() {
        let mut congestion = Congestion::new(1000, 100);
        congestion.on_idle(1, 10);
        assert_eq!(congestion.window(), 50_000);
        congestion.on_idle(100, 10);
        assert_eq!(congestion.window(), 10_000);
    }

    #[test]
    fn longer_round_trips_end_slow_start() {
        let mut congestion = Congestion::new(1000, 10);
        let mut tsn = 0;
        for round in 0..12_u32 {
            for _ in 0..10 {
                tsn += 1;
                congestion.on_acknowledged(Acknowledged {
                    bytes: 1000,
                    in_flight_before: usize::MAX / 2,
                    cumulative: Tsn(tsn),
                    next_tsn: Tsn(tsn + 10),
                    rtt: Some(Duration::from_millis(50 + 10 * u64::from(round))),
                });
            }
        }
        assert!(!congestion.in_slow_start());
        assert!(congestion.window() < 60_000, "{}", congestion.window());
    }
}
