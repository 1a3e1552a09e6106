//! The RFC's own ([RFC 9260 §7.2](https://www.rfc-editor.org/rfc/rfc9260#section-7.2)).
//!
//! In slow start the window grows by everything that was acknowledged, not by one packet a SACK,
//! because the [pacer](crate::send::pacer) spreads what that releases (RFC 9002 and RFC 9406 do the
//! same); and slow start ends as RFC 9406 says.

mod handover;

use super::slow_start::SlowStart;
use super::{Controller, Sample, window_pace};
use crate::span::Span;

/// Slow start, congestion avoidance, and half the window at each loss.
#[derive(Clone, Debug)]
pub(crate) struct NewReno {
    /// PMDCS: the largest DATA chunk, in bytes.
    segment: usize,
    initial: u32,
    /// cwnd, in bytes of DATA chunks.
    window: usize,
    /// ssthresh.
    threshold: usize,
    /// partial_bytes_acked.
    partial: usize,
    slow_start: SlowStart,
    /// Window and threshold before the last loss.
    before_loss: Option<(usize, usize)>,
}

impl NewReno {
    /// A window of `initial` chunks of at most `segment` bytes, in slow start.
    pub(crate) fn new(segment: usize, initial: u32) -> Self {
        Self {
            segment,
            initial,
            window: segment * initial as usize,
            threshold: usize::MAX,
            partial: 0,
            slow_start: SlowStart::default(),
            before_loss: None,
        }
    }

    const fn in_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    fn avoid_congestion(&mut self, sample: &Sample) {
        // §7.2.2: one chunk more for each window that is acknowledged while it was full.
        self.partial += sample.acknowledged;
        if self.partial >= self.window && sample.in_flight_before + 2 * self.segment >= self.window
        {
            self.partial -= self.window;
            self.window = self.window.saturating_add(self.segment);
        }
        // "When all of the data transmitted … has been acknowledged": it begins again.
        self.partial = if sample.in_flight == 0 { 0 } else { self.partial.min(self.window) };
    }
}

impl Controller for NewReno {
    fn window(&self) -> usize {
        self.window
    }

    fn pace(&self, rtt: Option<Span>) -> Option<u64> {
        // As Linux: twice in slow start, so that the window can double; a bit more than the
        // window after, so that pacing never holds back what the window allows.
        window_pace(self.window, rtt, if self.in_slow_start() { 200 } else { 125 })
    }

    fn threshold(&self) -> Option<usize> {
        (self.threshold != usize::MAX).then_some(self.threshold)
    }

    fn set_segment(&mut self, segment: usize) {
        self.segment = segment;
        self.window = self.window.max(segment);
    }

    fn on_sample(&mut self, sample: &Sample) {
        if sample.lost > 0 && !sample.recovering {
            // §7.2.4.
            self.before_loss = Some((self.window, self.threshold));
            self.threshold = (self.window / 2).max(4 * self.segment);
            self.window = self.threshold;
            self.partial = 0;
            self.slow_start = SlowStart::default();
        }
        if sample.lost > 0 || sample.recovering || sample.acknowledged == 0 {
            return;
        }
        if !self.in_slow_start() {
            return self.avoid_congestion(sample);
        }
        match self.slow_start.grow(sample, self.window) {
            Some(bytes) => self.window = self.window.saturating_add(bytes),
            None => self.threshold = self.window,
        }
    }

    fn on_spurious(&mut self) {
        if let Some((window, threshold)) = self.before_loss.take() {
            self.window = self.window.max(window);
            self.threshold = self.threshold.max(threshold);
        }
    }

    fn on_timeout(&mut self) {
        // §7.2.3.
        self.before_loss = Some((self.window, self.threshold));
        self.threshold = (self.window / 2).max(4 * self.segment);
        self.window = self.segment;
        self.partial = 0;
        self.slow_start = SlowStart::default();
    }

    fn on_idle(&mut self, timeouts: u32) {
        // §7.2.1: what the path takes is not known any more.
        let floor = self.segment * self.initial.max(4) as usize;
        if timeouts > 0 && self.window > floor {
            // "Before the first cwnd adjustment, the ssthresh … SHOULD be set to the cwnd."
            self.threshold = self.window;
        }
        for _ in 0..timeouts.min(32) {
            self.window = self.window.min((self.window / 2).max(floor));
        }
    }
}
