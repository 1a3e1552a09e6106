//! CUBIC ([RFC 9438](https://www.rfc-editor.org/rfc/rfc9438)).
//!
//! After a loss the window returns along a cubic curve to where the loss was, rests there, and goes
//! on: by time and not by round trips, so that long paths are filled too.

mod handover;

use super::slow_start::SlowStart;
use super::{Controller, Sample, window_pace};
use crate::span::Span;
use std::time::{Duration, Instant};

/// The cubic window, in segments as in the RFC.
#[derive(Clone, Debug)]
pub(crate) struct Cubic {
    segment: usize,
    initial: u32,
    /// cwnd and ssthresh, in segments.
    window: f64,
    threshold: f64,
    slow_start: SlowStart,
    /// W_max: the window at the last loss.
    w_max: f64,
    /// W_est: what NewReno would have.
    w_est: f64,
    epoch: Option<Epoch>,
    rtt: Span,
    before_loss: Option<(f64, f64, f64)>,
}

/// The time since congestion avoidance began.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// K: how many seconds it takes to W_max.
    k: f64,
    /// cwnd_epoch.
    window: f64,
}

impl Cubic {
    /// A window of `initial` chunks of at most `segment` bytes, in slow start.
    pub(crate) fn new(segment: usize, initial: u32) -> Self {
        Self {
            segment,
            initial,
            window: f64::from(initial),
            threshold: f64::INFINITY,
            slow_start: SlowStart::default(),
            w_max: 0.0,
            w_est: 0.0,
            epoch: None,
            rtt: Span::from_millis(100),
            before_loss: None,
        }
    }

    fn in_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// §4.2 to §4.5.
    fn avoid_congestion(&mut self, sample: &Sample) {
        let acknowledged = sample.acknowledged as f64 / self.segment as f64;
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.w_est = self.window;
            let missing = (self.w_max - self.window).max(0.0);
            self.w_max = self.w_max.max(self.window);
            Epoch { start: sample.now, k: cube_root(missing / C), window: self.window }
        });
        // §4.3: as fast as NewReno at least. Below cwnd_prior, the window at the last loss, which fast
        // convergence leaves as it was.
        let prior = self.before_loss.map_or(self.w_max, |(window, ..)| window);
        let alpha = if self.w_est < prior { ALPHA } else { 1.0 };
        self.w_est += alpha * acknowledged / self.window;
        let t = sample.now.saturating_duration_since(epoch.start).as_secs_f64();
        let cubic = |t: f64| C * (t - epoch.k) * (t - epoch.k) * (t - epoch.k) + self.w_max;
        if cubic(t) < self.w_est {
            self.window = self.window.max(self.w_est);
            return;
        }
        let target = cubic(t + Duration::from(self.rtt).as_secs_f64())
            .clamp(self.window, 1.5 * self.window.max(epoch.window));
        self.window += (target - self.window) / self.window * acknowledged;
    }

    /// §4.6, §4.7.
    fn reduce(&mut self) {
        self.before_loss = Some((self.window, self.threshold, self.w_max));
        // Fast convergence: a flow that has less than it had leaves more to others.
        self.w_max =
            if self.window < self.w_max { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.threshold = (self.window * BETA).max(2.0);
        self.epoch = None;
        self.slow_start = SlowStart::default();
    }
}

impl Controller for Cubic {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a window is positive and a float's conversion saturates"
    )]
    fn window(&self) -> usize {
        (self.window * self.segment as f64) as usize
    }

    fn pace(&self, rtt: Option<Span>) -> Option<u64> {
        window_pace(self.window(), rtt, if self.in_slow_start() { 200 } else { 125 })
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a window is positive and a float's conversion saturates"
    )]
    fn threshold(&self) -> Option<usize> {
        self.threshold.is_finite().then_some((self.threshold * self.segment as f64) as usize)
    }

    fn set_segment(&mut self, segment: usize) {
        let scale = self.segment as f64 / segment.max(1) as f64;
        self.segment = segment.max(1);
        self.window = (self.window * scale).max(1.0);
        self.threshold *= scale;
        self.w_max *= scale;
        if let Some((window, threshold, w_max)) = &mut self.before_loss {
            *window *= scale;
            *threshold *= scale;
            *w_max *= scale;
        }
        self.epoch = None;
    }

    fn on_sample(&mut self, sample: &Sample) {
        if let Some(rtt) = sample.rtt {
            self.rtt = rtt;
        }
        if sample.lost > 0 && !sample.recovering {
            self.reduce();
            self.window = self.threshold;
        }
        if sample.lost > 0 || sample.recovering || sample.acknowledged == 0 {
            return;
        }
        if !self.in_slow_start() {
            // §4.2: not while the application leaves the window unused.
            if sample.in_flight_before + 2 * self.segment >= self.window() {
                self.avoid_congestion(sample);
            } else {
                self.epoch = None;
            }
            return;
        }
        match self.slow_start.grow(sample, self.window()) {
            Some(bytes) => self.window += bytes as f64 / self.segment as f64,
            None => self.threshold = self.window,
        }
    }

    fn on_spurious(&mut self) {
        // §4.9.2.
        if let Some((window, threshold, w_max)) = self.before_loss.take() {
            self.window = self.window.max(window);
            self.threshold = self.threshold.max(threshold);
            self.w_max = w_max;
            self.epoch = None;
        }
    }

    fn on_timeout(&mut self) {
        // §4.8: W_max is then the window with which congestion avoidance begins, and K is 0.
        self.reduce();
        self.w_max = 0.0;
        self.window = 1.0;
    }

    fn on_idle(&mut self, timeouts: u32) {
        let floor = f64::from(self.initial.max(4));
        for _ in 0..timeouts.min(32) {
            self.window = self.window.min((self.window / 2.0).max(floor));
        }
        self.epoch = None;
    }
}

/// A cube root by Newton's method: engines compute with the four operations only, so that every
/// machine gives the same.
pub(super) fn cube_root(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let mut root = value.max(1.0);
    for _ in 0..64 {
        root = (2.0 * root + value / (root * root)) / 3.0;
    }
    root
}

/// §5's C, in segments a second cubed.
pub(super) const C: f64 = 0.4;
/// §4.6's multiplicative decrease.
const BETA: f64 = 0.7;
/// §4.3: 3 · (1 − β) / (1 + β).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;

    #[test]
    fn the_cube_root_is_one() {
        for value in [0.001, 0.5, 1.0, 27.0, 1e6, 4e9] {
            let root = cube_root(value);
            assert!((root * root * root / value - 1.0).abs() < 1e-9, "{value}: {root}");
        }
    }

    #[test]
    fn after_a_timeout_the_curve_begins_where_congestion_avoidance_does() {
        // §4.8: K is 0, and W_max the window then.
        let mut cubic = Cubic::new(1000, 10);
        cubic.window = 100.0;
        cubic.on_timeout();
        cubic.window = cubic.threshold;
        cubic.avoid_congestion(&Sample {
            now: Instant::now(),
            acknowledged: 1000,
            lost: 0,
            lost_in_flight: 0,
            in_flight_before: 70_000,
            in_flight: 69_000,
            rtt: None,
            rate: None,
            delivered: 0,
            recovering: false,
        });
        assert!(cubic.epoch.is_some_and(|epoch| epoch.k == 0.0));
        assert!((cubic.w_max - 70.0).abs() < 1e-9, "{}", cubic.w_max);
    }
}
