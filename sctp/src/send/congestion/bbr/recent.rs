//! How long round trips are now.

use super::nanos;
use std::time::Duration;

/// The least of the last few round-trip times, which single late packets do not change.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    samples: u32,
    least: Option<Duration>,
    /// That of the last batch that was complete.
    pub(super) complete: Option<Duration>,
    last: Option<Duration>,
    /// By how much a round-trip time differs from the one before, smoothed, in nanoseconds: queues
    /// change slowly.
    jitter: u64,
}

impl Recent {
    /// What was seen before says nothing any more.
    pub(super) fn restart(&mut self) {
        *self = Self { jitter: self.jitter, ..Self::default() };
    }

    pub(super) const fn jitter(&self) -> Duration {
        Duration::from_nanos(self.jitter)
    }

    pub(super) fn set_jitter(&mut self, jitter: Duration) {
        self.jitter = nanos(jitter);
    }

    pub(super) fn take(&mut self, rtt: Duration) {
        if let Some(last) = self.last.replace(rtt) {
            let sum = self.jitter.saturating_mul(15).saturating_add(nanos(rtt.abs_diff(last)));
            self.jitter = sum / 16;
        }
        self.least = Some(self.least.map_or(rtt, |least| least.min(rtt)));
        self.samples += 1;
        if self.samples >= BATCH {
            self.complete = self.least.take();
            self.samples = 0;
        }
    }
}

/// As HyStart++ has it: so many round-trip times tell the least one.
const BATCH: u32 = 8;
