//! A round trip: from a packet's leaving to its acknowledgement.

use super::super::Sample;

/// What has become of the packets of a round.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// It ends when a packet is acknowledged that left after so much was delivered.
    end: u64,
    acknowledged: usize,
    lost: usize,
    /// Losses of it have lowered the bounds.
    pub(super) lowered: bool,
}

impl Round {
    /// Gives whether a round begins with this sample.
    pub(super) fn take(&mut self, sample: &Sample) -> bool {
        let begins = sample.rate.is_some_and(|rate| rate.delivered_before >= self.end);
        if begins {
            *self = Self { end: sample.delivered, ..Self::default() };
        }
        self.acknowledged += sample.acknowledged;
        self.lost += sample.lost;
        begins
    }

    /// More than so many percent are lost; of one that has only begun, of the `whole` that a round
    /// holds. Less than `least` bytes say nothing in percent.
    pub(super) fn lost_more_than(&self, percent: usize, whole: usize, least: usize) -> bool {
        let round = (self.lost + self.acknowledged).max(whole);
        self.lost >= least && self.lost * 100 > round * percent
    }
}
