//! The phases of the cycle, and what leads from one to the next.

use super::{Bbr, HEADROOM_PERCENT, MAX_GROWTH, MAX_RTT, MIN_RTT};
use crate::send::congestion::Sample;
use crate::span::Span;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Doubling; the greatest rate before, and the rounds since without much more.
    Startup { rate: u64, flat: u32 },
    /// A queue shows: nothing more is sent until it is known whether it stays.
    Confirm { rounds: u32 },
    /// The queue that Startup made is let go.
    Drain,
    /// Below the rate of the path, until what is in flight fits it without a queue.
    Down,
    /// At the rate of the path, until it is time to probe.
    Cruise { until: Instant, rounds: u32 },
    /// One round with the pipe full, so that the probe finds a queue only where there is no room.
    Refill { rounds: u32 },
    /// Above the rate of the path.
    Up(Probe),
    /// Little in flight, until a time after it has become so.
    ProbeRtt { until: Option<Instant>, least: Span },
}

/// A probe for more of the path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Probe {
    rounds: u32,
    /// The greatest rate when it last grew by a sixteenth, and the rounds since.
    rate: u64,
    flat: u32,
    /// The round-trip time that it began with.
    rtt: Span,
}

impl Bbr {
    pub(super) fn end_startup(&mut self, sample: &Sample) {
        self.filled = true;
        if sample.lost > 0 {
            self.high = Some(sample.lost_in_flight.max(self.bdp(100)).max(self.least()));
        }
        self.phase = Phase::Drain;
    }

    pub(super) fn go_down(&mut self) {
        // The cycle is over, and with it what the one before the last has shown.
        if self.rates[0] > 0 {
            self.rates = [0, self.rates[0]];
        }
        self.phase = Phase::Down;
    }

    pub(super) fn cruise(&mut self, now: Instant) {
        let random = u64::from(self.next_random() % 1000);
        let until = now + (PROBE_INTERVAL + Duration::from_millis(random)) * self.patience;
        self.phase = Phase::Cruise { until, rounds: 0 };
    }

    /// The phase goes on, or the next one begins.
    pub(super) fn advance(&mut self, sample: &Sample, round: bool) {
        let limited = sample.rate.is_some_and(|rate| rate.limited);
        match self.phase {
            Phase::Startup { rate, flat } => {
                if round && !limited {
                    let max = self.max_rate();
                    let grown = max >= rate + rate / 4;
                    let flat = if grown { 0 } else { flat + 1 };
                    self.phase = Phase::Startup { rate: if grown { max } else { rate }, flat };
                    if flat >= FLAT_ROUNDS {
                        return self.end_startup(sample);
                    }
                }
                if self.has_queue() {
                    self.recent.restart();
                    self.phase = Phase::Confirm { rounds: 0 };
                }
            }
            Phase::Confirm { rounds } => {
                if round {
                    self.phase = Phase::Confirm { rounds: rounds + 1 };
                }
                if rounds >= 1 && self.recent.complete.is_some() {
                    if self.has_queue() {
                        self.end_startup(sample);
                    } else {
                        self.phase = Phase::Startup { rate: 0, flat: 0 };
                    }
                }
            }
            Phase::Drain => {
                if sample.in_flight <= self.bdp(100).max(self.least()) {
                    self.cruise(sample.now);
                }
            }
            Phase::Down => {
                let room = self.high.map_or(usize::MAX, |high| high * HEADROOM_PERCENT / 100);
                if sample.in_flight <= self.bdp(100).min(room).max(self.least()) {
                    self.cruise(sample.now);
                }
            }
            Phase::Cruise { until, rounds } => {
                let rounds = rounds + u32::from(round);
                self.phase = Phase::Cruise { until, rounds };
                // A queue that is not ours: the path is shared, and what was ours before others
                // came is not any more.
                if round
                    && rounds.is_multiple_of(SHARED_ROUNDS)
                    && self.has_queue()
                    && self.rates[0] > 0
                {
                    self.rates = [0, self.rates[0]];
                }
                if self.is_probe_due(sample.now, until, rounds) {
                    // What others have left is where the probe begins.
                    if self.is_shared() {
                        self.rates = [0, self.rate()];
                    }
                    self.low = None;
                    self.phase = Phase::Refill { rounds: 0 };
                } else if round && let Some(low) = self.low.as_mut().filter(|low| low.shared) {
                    low.raise(self.segment, self.recent.complete.unwrap_or(MIN_RTT));
                }
            }
            Phase::Refill { rounds } => {
                if round {
                    let rounds = rounds + 1;
                    self.phase = Phase::Refill { rounds };
                    if rounds >= 2 {
                        let rtt = self.recent.complete.unwrap_or_else(|| self.min_rtt());
                        let rate = self.max_rate();
                        self.phase = Phase::Up(Probe { rounds: 0, rate, flat: 0, rtt });
                    }
                }
            }
            Phase::Up(probe) => self.probe_up(sample, round, probe),
            Phase::ProbeRtt { until, least } => self.probe_rtt(sample, until, least),
        }
    }

    /// Alone, not later than NewReno would have grown its window by what the probe takes; beside
    /// others, not earlier than CUBIC would.
    fn is_probe_due(&self, now: Instant, until: Instant, rounds: u32) -> bool {
        let packets = self.bdp(100) / self.segment.max(1);
        let most = packets.clamp(MIN_ROUNDS, MAX_ROUNDS) * self.patience as usize;
        now >= until || !self.is_shared() && rounds as usize >= most
    }

    fn probe_up(&mut self, sample: &Sample, round: bool, mut probe: Probe) {
        let max = self.max_rate();
        if max > probe.rate + probe.rate / 16 {
            probe.rate = max;
            probe.flat = 0;
        } else if round {
            probe.flat += 1;
        }
        if round {
            probe.rounds += 1;
            // All that the upper bound allows got through without harm: one packet more, two, four,
            // and on in the next probe, until one ends in losses.
            if let Some(high) = self.high
                && sample.in_flight_before + 2 * self.segment >= high
            {
                self.high = Some(high + (self.segment << self.growth));
                self.growth = (self.growth + 1).min(MAX_GROWTH);
            }
        }
        self.phase = Phase::Up(probe);
        // The probe ends with a queue of its own making: as large a one for a small flow as for a
        // large one, so that the small ones gain on the others.
        if probe.rounds >= 1 && self.has_grown_from(probe.rtt) || probe.flat >= FLAT_ROUNDS {
            self.patience = 1;
            self.go_down();
        }
    }

    fn probe_rtt(&mut self, sample: &Sample, until: Option<Instant>, least: Span) {
        let least = sample.rtt.map_or(least, |rtt| rtt.min(least));
        let until = until.or_else(|| {
            let low = sample.in_flight <= self.probe_rtt_window() + self.segment;
            low.then(|| sample.now + PROBE_RTT.max(self.min_rtt()))
        });
        self.phase = Phase::ProbeRtt { until, least };
        if until.is_some_and(|until| sample.now >= until) {
            // Where all that arrived was sent twice, nothing was measured.
            let rtt = if least < MAX_RTT { least } else { self.min_rtt() };
            self.min_rtt = Some((rtt, sample.now));
            if self.filled {
                self.cruise(sample.now);
            } else {
                self.phase = Phase::Startup { rate: 0, flat: 0 };
            }
        }
    }

    pub(super) fn probe_rtt_window(&self) -> usize {
        self.bdp(50).max(self.least())
    }
}

const FLAT_ROUNDS: u32 = 3;
const SHARED_ROUNDS: u32 = 8;
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
const MIN_ROUNDS: usize = 10;
const MAX_ROUNDS: usize = 62;
const PROBE_RTT: Span = Span::from_millis(200);
