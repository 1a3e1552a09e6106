//! How long round trips are now.

use crate::span::Span;

/// The least of the last few round-trip times, which single late packets do not change.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    samples: u32,
    least: Option<Span>,
    /// That of the last batch that was complete.
    pub(super) complete: Option<Span>,
    last: Option<Span>,
    /// By how much a round-trip time differs from the one before, smoothed: queues change slowly.
    pub(super) jitter: Span,
}

impl Recent {
    /// What was seen before says nothing any more.
    pub(super) fn restart(&mut self) {
        *self = Self { jitter: self.jitter, ..Self::default() };
    }

    pub(super) fn take(&mut self, rtt: Span) {
        if let Some(last) = self.last.replace(rtt) {
            self.jitter = (self.jitter * 15 + rtt.abs_diff(last)) / 16;
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
