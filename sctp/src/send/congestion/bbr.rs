//! A model of the path, in the manner of BBR version 3
//! ([draft-ietf-ccwg-bbr](https://datatracker.ietf.org/doc/draft-ietf-ccwg-bbr/)).
//!
//! ```text
//!  Startup ──────▶ Drain ──────▶ Down ──▶ Cruise ──▶ Refill ──▶ Up ──┐
//!  double until    the queue      ▲  below    at the     full     a quarter
//!  a queue shows   it made goes   │  the      rate of    again    more: is
//!  (Confirm)                      │  rate     the path            there room?
//!                                 └──────────────────────────────────┘
//!                  ProbeRtt, when no empty queue was seen for ten seconds
//! ```
//!
//! Two numbers are the model: the greatest delivery rate of the last two cycles, and the least
//! round-trip time of the last ten seconds. Their product is what the path holds without a queue.
//!
//! Where it differs from the draft:
//!
//! * **Losses are judged by the queue.** A loss while round trips are as short as ever is not the
//!   work of a full queue, and changes nothing unless very many are lost (a queue so short that
//!   round trips do not show it, or a policer). A loss while round trips are longer than jitter
//!   explains gives way at once, be it a single one, unless we are probing ourselves; so that a
//!   loss-based sender beside us finds that we yield when it does. From then on to the next probe,
//!   which comes when CUBIC would be back, we take no more of what becomes free than NewReno would;
//!   and that probe begins with what is ours then ([`low`]).
//! * **Startup ends by delay, too**: a queue that shows in a round's least round-trip time, and is
//!   still there a round later without more having been sent, is the bottleneck's. The draft's
//!   three rounds without growth would fill a queue of one bandwidth-delay product and overflow it.
//! * **ProbeRtt is rare**: a round trip that is about as short as the least one confirms that one.
//!   Cruising at the rate of the path lets the queue run empty, so that a sender alone need not
//!   leave the path unused to see it.

mod handover;
mod low;
mod phase;
mod recent;
mod round;

use super::{Controller, Sample};
use crate::span::Span;
use low::Low;
use phase::Phase;
use recent::Recent;
use round::Round;
use std::time::Instant;

/// The model and the place in its cycle.
#[derive(Clone, Debug)]
pub(crate) struct Bbr {
    segment: usize,
    initial: u32,
    phase: Phase,
    /// The greatest delivery rates of this cycle and the one before, in bytes a second.
    rates: [u64; 2],
    /// The least round-trip time, and when it was last seen.
    min_rtt: Option<(Span, Instant)>,
    /// cwnd.
    window: usize,
    /// What other traffic seems to leave: of the rate and of the bytes in flight, until the next
    /// probe.
    low: Option<Low>,
    /// More than this in flight was too much.
    high: Option<usize>,
    round: Round,
    recent: Recent,
    /// Startup has seen the whole rate of the path.
    filled: bool,
    /// How many times longer than usual the next probe waits, since the last ones ended in losses.
    patience: u32,
    /// As a power of two, in packets: how fast the upper bound is raised.
    growth: u32,
    random: u32,
    /// What [`Controller::on_spurious`] restores.
    before_loss: Option<(Option<Low>, Option<usize>)>,
}

impl Bbr {
    /// A window of `initial` chunks of at most `segment` bytes.
    pub(crate) fn new(segment: usize, initial: u32, seed: u32) -> Self {
        Self {
            segment,
            initial,
            phase: Phase::Startup { rate: 0, flat: 0 },
            rates: [0; 2],
            min_rtt: None,
            window: segment * initial as usize,
            low: None,
            high: None,
            round: Round::default(),
            recent: Recent::default(),
            filled: false,
            patience: 1,
            growth: 0,
            random: seed | 1,
            before_loss: None,
        }
    }

    /// The rate of the path, as far as it is known.
    fn max_rate(&self) -> u64 {
        self.rates[0].max(self.rates[1])
    }

    /// The rate of the path that is ours.
    fn rate(&self) -> u64 {
        let max = self.max_rate();
        self.low.map_or(max, |low| low.rate.min(max))
    }

    fn min_rtt(&self) -> Span {
        self.min_rtt.map_or(Span::ZERO, |(rtt, _)| rtt)
    }

    /// The bandwidth-delay product, in percent.
    fn bdp(&self, percent: usize) -> usize {
        self.min_rtt().max(MIN_RTT).bytes(self.rate()).saturating_mul(percent) / 100
    }

    /// The least window that keeps SACKs coming.
    const fn least(&self) -> usize {
        4 * self.segment
    }

    /// Whether the last round trips show a queue on the path.
    fn has_queue(&self) -> bool {
        self.has_grown_from(self.min_rtt())
    }

    /// Whether the last round trips are longer than `rtt` by as much as shows a queue.
    fn has_grown_from(&self, rtt: Span) -> bool {
        // Mostly they are not longer at all.
        self.recent.complete.is_some_and(|recent| recent > rtt && recent > rtt + self.threshold())
    }

    /// By how much longer than the least round trip one must be to show a queue: an eighth, and
    /// the time of two packets.
    fn threshold(&self) -> Span {
        self.min_rtt() / 8 + self.two_packets()
    }

    /// Whether losses are a queue's: round trips are longer than an empty path, four packets and
    /// its jitter explain. That is mostly less than [`Self::threshold`]: short and managed queues
    /// drop packets before they hold up the others for long.
    fn lost_to_queue(&self) -> bool {
        let explained = self.min_rtt() / 64 + self.two_packets() * 2 + self.recent.jitter * 2;
        let explained = self.min_rtt() + explained.min(self.threshold());
        self.recent.complete.is_some_and(|rtt| rtt > explained)
    }

    /// The time that two packets take, and what a clock may be off.
    fn two_packets(&self) -> Span {
        let packets = (2 * self.segment as u64).saturating_mul(1_000_000_000);
        let packets = Span::from_nanos(packets / self.max_rate().max(1));
        packets.min(MAX_PACKET_TIME) + MIN_THRESHOLD
    }

    /// Numbers that need not be secret (xorshift).
    const fn next_random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }

    fn take_rtt(&mut self, sample: &Sample) {
        let Some(rtt) = sample.rtt else { return };
        self.recent.take(rtt);
        match &mut self.min_rtt {
            Some((least, seen)) => {
                // About as short is as good as that.
                if rtt <= *least + *least / 16 {
                    *seen = sample.now;
                }
                *least = rtt.min(*least);
            }
            None => self.min_rtt = Some((rtt, sample.now)),
        }
    }

    fn take_rate(&mut self, sample: &Sample) {
        let Some(sampled) = sample.rate else { return };
        let Some(rate) = sampled.rate else { return };
        if !sampled.limited || rate > self.max_rate() {
            self.rates[0] = self.rates[0].max(rate);
        }
    }

    fn lost_more_than(&self, percent: usize) -> bool {
        self.round.lost_more_than(percent, self.bdp(100), MIN_LOST * self.segment)
    }

    /// Losses were found: whether they are a queue's, and what follows.
    fn take_losses(&mut self, sample: &Sample) {
        let queue = self.has_queue();
        let many = self.lost_more_than(MANY_PERCENT);
        match self.phase {
            Phase::Startup { .. } | Phase::Confirm { .. } => {
                if many || (queue && self.lost_more_than(PROBE_PERCENT)) {
                    self.end_startup(sample);
                }
            }
            Phase::Up(_) => {
                if many || (queue && self.lost_more_than(PROBE_PERCENT)) {
                    self.before_loss = Some((self.low, self.high));
                    let high = sample.lost_in_flight.max(self.bdp(100)).max(self.least());
                    self.high = Some(high);
                    self.patience = (self.patience * 2).min(MAX_PATIENCE);
                    self.growth = 0;
                    self.go_down();
                }
            }
            // The queue is the one that we have made ourselves.
            Phase::Drain
            | Phase::Down
            | Phase::Cruise { rounds: 0..=1, .. }
            | Phase::ProbeRtt { .. } => {}
            Phase::Cruise { .. } | Phase::Refill { .. } => {
                let queue = self.lost_to_queue();
                if (many || queue) && !self.round.lowered {
                    self.lower(sample.now, queue);
                }
            }
        }
    }

    /// Gives way: once in a round.
    fn lower(&mut self, now: Instant, shared: bool) {
        if shared && let Phase::Cruise { until, .. } = &mut self.phase {
            *until = (*until).max(now + low::truce(self.window / self.segment.max(1)));
        }
        self.before_loss = Some((self.low, self.high));
        self.round.lowered = true;
        let (rate, in_flight, least) = (self.max_rate(), self.window, self.least());
        let low = self.low.get_or_insert(Low { rate, in_flight, shared });
        low.shared |= shared;
        low.lower(least);
        if matches!(self.phase, Phase::Refill { .. }) {
            self.go_down();
        }
    }

    /// The path is shared, by the last losses.
    fn is_shared(&self) -> bool {
        self.low.is_some_and(|low| low.shared)
    }

    /// The window that the phase and the bounds allow.
    fn update_window(&mut self, sample: &Sample) {
        if !self.filled {
            // Twice what was delivered in a round trip, as far as it is known.
            let most = self.bdp(STARTUP_WINDOW_PERCENT).max(self.segment * self.initial as usize);
            let growth = match self.phase {
                Phase::Startup { .. } => sample.acknowledged,
                _ => 0,
            };
            let used = sample.in_flight_before * 2 >= self.window;
            if used {
                self.window = (self.window + growth).min(most.max(self.window));
            }
        } else {
            let percent =
                if matches!(self.phase, Phase::Up(_)) { UP_WINDOW_PERCENT } else { WINDOW_PERCENT };
            let bdp = self.min_rtt().max(MIN_RTT).bytes(self.max_rate());
            let mut window = bdp * percent / 100 + 2 * self.segment;
            match self.phase {
                Phase::Up(_) | Phase::Refill { .. } => {
                    if let Some(high) = self.high {
                        window = window.min(high);
                    }
                }
                _ => {
                    if let Some(high) = self.high {
                        window = window.min(high * HEADROOM_PERCENT / 100);
                    }
                }
            }
            if let Some(low) = self.low {
                window = window.min(low.in_flight);
            }
            self.window = window;
        }
        if matches!(self.phase, Phase::ProbeRtt { .. }) {
            self.window = self.window.min(self.probe_rtt_window());
        }
        self.window = self.window.max(self.least());
    }
}

impl Controller for Bbr {
    fn window(&self) -> usize {
        self.window
    }

    fn pace(&self, rtt: Option<Span>) -> Option<u64> {
        if self.min_rtt.is_some_and(|(rtt, _)| rtt < UNPACED_RTT) {
            return None;
        }
        let rate = self.rate();
        if rate == 0 {
            return super::window_pace(self.window, rtt, STARTUP_PACE_PERCENT as u64);
        }
        let percent = match self.phase {
            Phase::Startup { .. } => STARTUP_PACE_PERCENT,
            Phase::Drain => 50,
            Phase::Down => 90,
            Phase::Up(_) => 125,
            Phase::Confirm { .. } | Phase::Cruise { .. } | Phase::Refill { .. } => 100,
            Phase::ProbeRtt { .. } => 100,
        };
        let pace = match rate.checked_mul(percent as u64) {
            Some(scaled) => scaled / 100,
            None => (rate / 100).saturating_mul(percent as u64),
        };
        // The least window leaves within a round trip, or a tenth of a second where that is longer,
        // whatever the rate is thought to be: what too few packets tell of may be far too low, and
        // would be waited for.
        let time = rtt.unwrap_or_default().max(LEAST_WINDOW_TIME);
        let least = super::window_pace(self.least(), Some(time), 100).unwrap_or(MIN_PACE);
        let pace = pace.max(least).max(MIN_PACE);
        if self.filled {
            return Some(pace);
        }
        // The first packets may have been too few to tell anything.
        let initial = self.segment * self.initial as usize;
        let least = super::window_pace(initial, Some(self.min_rtt()), STARTUP_PACE_PERCENT as u64);
        Some(pace.max(least.unwrap_or(0)))
    }

    fn set_segment(&mut self, segment: usize) {
        self.segment = segment;
        self.window = self.window.max(self.least());
    }

    fn on_sample(&mut self, sample: &Sample) {
        let round = self.round.take(sample);
        self.take_rtt(sample);
        self.take_rate(sample);
        if sample.lost > 0 {
            self.take_losses(sample);
        }
        if sample.acknowledged > 0 {
            self.advance(sample, round);
            if let Some((_, seen)) = self.min_rtt
                && seen + MIN_RTT_LIFE < sample.now
                && !matches!(self.phase, Phase::ProbeRtt { .. })
            {
                self.phase = Phase::ProbeRtt { until: None, least: MAX_RTT };
            }
            self.update_window(sample);
        }
    }

    fn on_spurious(&mut self) {
        if let Some((low, high)) = self.before_loss.take() {
            self.low = low;
            self.high = high;
        }
    }

    fn on_timeout(&mut self) {
        // What is known of the path stays; it is tried again with little.
        self.window = self.least();
    }

    fn on_idle(&mut self, _timeouts: u32) {
        // The pace spreads what is sent after idleness, and the model is kept.
    }
}

/// Twice the doubling of a round: 4 ln 2, as the draft derives.
const STARTUP_PACE_PERCENT: usize = 277;
const STARTUP_WINDOW_PERCENT: usize = 200;
const WINDOW_PERCENT: usize = 140;
const UP_WINDOW_PERCENT: usize = 225;
/// In bytes a second: lest what is sent takes for ever.
const MIN_PACE: u64 = 1000;
const LEAST_WINDOW_TIME: Span = Span::from_millis(100);
/// Losses of a round, in percent, that end a probe while a queue shows.
const PROBE_PERCENT: usize = 2;
/// Losses of a round, in percent, that mean something without a queue.
const MANY_PERCENT: usize = 15;
/// Fewer lost packets than this in a round say nothing in percent.
const MIN_LOST: usize = 3;
/// What of the upper bound is used between probes, in percent: the rest is for others to grow into.
const HEADROOM_PERCENT: usize = 85;
const MAX_PATIENCE: u32 = 4;
/// As a power of two, in packets: how fast the upper bound is raised at last.
const MAX_GROWTH: u32 = 10;
const MIN_RTT_LIFE: Span = Span::from_secs(10);
const MAX_RTT: Span = Span::from_secs(60);
/// What is in flight is not reckoned with shorter round trips: a driver serves us less often.
const MIN_RTT: Span = Span::from_millis(1);
/// On paths shorter than a pacer's burst, acknowledgements alone pace what is sent.
const UNPACED_RTT: Span = Span::from_micros(500);
const MIN_THRESHOLD: Span = Span::from_micros(250);
const MAX_PACKET_TIME: Span = Span::from_millis(50);
