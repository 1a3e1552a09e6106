//! How long round trips are now.

use std::time::Duration;

/// The least of the last few round-trip times, which single late packets do not change.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    samples: u32,
    least: Option<Duration>,
    /// That of the last batch that was complete.
    pub(super) complete: Option<Duration>,
}

impl Recent {
    pub(super) fn take(&mut self, rtt: Duration) {
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
