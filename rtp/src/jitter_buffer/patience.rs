use std::time::{Duration, Instant};

use super::Config;
use crate::ClockRate;

/// How long a missing packet is worth waiting for.
///
/// Without retransmission, a packet that is not there is late by jitter, or lost: four times the mean
/// deviation covers nearly all late ones. With it, the request has to go there and the packet to come
/// back, and either may be lost, twice: a session asks three times, one and a quarter round trips
/// apart, and the last answer needs one more.
#[derive(Debug)]
pub(super) struct Patience {
    clock_rate: ClockRate,
    min: Duration,
    max: Duration,
    round_trip_time: Option<Duration>,
    retransmission: bool,
    /// The first packet of the timestamp before.
    previous: Option<(Instant, u32)>,
    /// RFC 3550 §6.4.1's estimate J, in nanoseconds times 16.
    jitter_16: u64,
    wait: Duration,
}

impl Patience {
    pub(super) fn new(clock_rate: ClockRate, config: &Config) -> Self {
        let mut patience = Self {
            clock_rate,
            min: config.min_wait,
            max: config.max_wait.max(config.min_wait),
            round_trip_time: None,
            retransmission: false,
            previous: None,
            jitter_16: 0,
            wait: Duration::ZERO,
        };
        patience.update();
        patience
    }

    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    pub(super) fn jitter(&self) -> Duration {
        Duration::from_nanos(self.jitter_16 / 16)
    }

    pub(super) fn set_round_trip_time(&mut self, round_trip_time: Duration) {
        self.round_trip_time = Some(round_trip_time);
        self.update();
    }

    /// Returns whether that is news.
    pub(super) fn set_retransmission(&mut self, retransmission: bool) -> bool {
        let changes = self.retransmission != retransmission;
        self.retransmission = retransmission;
        self.update();
        changes
    }

    pub(super) fn set_clock_rate(&mut self, clock_rate: ClockRate) {
        if self.clock_rate != clock_rate {
            // Timestamps of two rates have no distance.
            (self.clock_rate, self.previous) = (clock_rate, None);
        }
    }

    /// J += (|D| - J) / 16, with the first packet of each frame only: the others of a frame have its
    /// timestamp but leave the sender later.
    pub(super) fn observe(&mut self, now: Instant, timestamp: u32) {
        let Some((then, before)) = self.previous else {
            self.previous = Some((now, timestamp));
            return;
        };
        // A packet from before, or from a new timeline, tells nothing.
        let ticks = timestamp.wrapping_sub(before);
        if ticks == 0 || ticks > u32::MAX / 2 {
            return;
        }
        self.previous = Some((now, timestamp));
        let sent = self.clock_rate.duration(u64::from(ticks));
        let received = now.saturating_duration_since(then);
        // One long pause must not make the estimate worthless for a minute.
        let deviation = received.abs_diff(sent).min(self.max);
        let deviation = u64::try_from(deviation.as_nanos()).unwrap_or(u64::MAX);
        self.jitter_16 =
            self.jitter_16.saturating_add(deviation).saturating_sub(self.jitter_16 / 16);
        self.update();
    }

    fn update(&mut self) {
        let jitter = self.jitter() * 4;
        let wait = match (self.retransmission, self.round_trip_time) {
            (false, _) => self.min + jitter,
            (true, Some(round_trip_time)) => self.min + jitter + 7 * round_trip_time / 2,
            (true, None) => self.max,
        };
        self.wait = wait.clamp(self.min, self.max);
    }
}
