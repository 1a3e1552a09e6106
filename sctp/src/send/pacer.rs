//! Spreads packets over the round trip.

use std::time::{Duration, Instant};

/// Lets packets out at a rate, a small burst at a time.
///
/// Without one a window that opens at once is sent at once, and a short queue on the path drops
/// the end of it (the RFC's Max.Burst, [RFC 9260 §6.1 D], is the coarse cure for the same). Bursts
/// are half a millisecond long: a driver need not wake up for each packet, and layers below send
/// several at a time more cheaply.
///
/// [RFC 9260 §6.1 D]: https://www.rfc-editor.org/rfc/rfc9260#section-6.1
#[derive(Clone, Debug, Default)]
pub(crate) struct Pacer {
    /// Bytes a second; `None` while there is no reason to hold anything back.
    rate: Option<u64>,
    /// What the layers above allow, bytes a second.
    limit: Option<u64>,
    /// How far ahead of its time a packet may leave while a burst lasts.
    burst: Duration,
    /// When the next packet would leave if all kept their time.
    due: Option<Instant>,
    /// The burst is over: the next packet waits for its time.
    resting: bool,
}

impl Pacer {
    /// Takes the rate at which the congestion control wants packets to leave.
    #[inline]
    pub(crate) fn set_rate(&mut self, rate: Option<u64>, segment: usize) {
        let rate = match (rate, self.limit) {
            (Some(rate), Some(limit)) => Some(rate.min(limit)),
            (rate, limit) => rate.or(limit),
        }
        .map(|rate| rate.max(1));
        if rate != self.rate {
            self.rate = rate;
            if let Some(rate) = rate {
                // Two packets at least, so that the receiver's SACK for every second one is soon;
                // not more than a driver sends in one call.
                let least = nanos_for(2 * segment as u64, rate);
                let most = nanos_for(MAX_BURST, rate);
                self.burst = BURST.max(least).min(most.max(least));
            }
        }
    }

    /// Takes the rate that the layers above allow, in bytes a second; gives whether it is another.
    pub(crate) fn set_limit(&mut self, limit: Option<u64>) -> bool {
        std::mem::replace(&mut self.limit, limit) != limit
    }

    pub(crate) const fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// The rate was `before`: what has left is paid for at the new one.
    pub(crate) fn rescale(&mut self, now: Instant, before: Option<u64>) {
        let (Some(before), Some(due)) = (before, self.due.filter(|due| *due > now)) else { return };
        let Some(rate) = self.rate else {
            self.due = None;
            self.resting = false;
            return;
        };
        let debt = (due - now).as_nanos() * u128::from(before) / u128::from(rate.max(1));
        let debt = Duration::from_nanos(u64::try_from(debt).unwrap_or(u64::MAX));
        self.due = now.checked_add(debt);
        self.resting = self.resting && debt > self.burst;
    }

    /// Whether the layers above hold back what the congestion control would let out.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.is_some() && self.rate == self.limit
    }

    /// When the next packet may leave; `None` for at once.
    #[inline]
    pub(crate) const fn release(&self) -> Option<Instant> {
        if self.resting { self.due } else { None }
    }

    /// Whether a packet may leave now.
    #[inline]
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.release().is_none_or(|release| release <= now)
    }

    /// A packet of `len` bytes left.
    #[inline]
    pub(crate) fn on_sent(&mut self, now: Instant, len: usize) {
        let Some(rate) = self.rate else {
            self.due = None;
            self.resting = false;
            return;
        };
        // A driver that comes late may catch up with a burst, not with all that it missed.
        let earliest = now.checked_sub(self.burst).unwrap_or(now);
        let from = self.due.map_or(now, |due| due.max(earliest));
        let due = from + nanos_for(len as u64, rate);
        self.due = Some(due);
        self.resting = due > now + self.burst;
    }
}

fn nanos_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate.max(1))
}

const BURST: Duration = Duration::from_micros(500);
/// 64 KiB: what segmentation offload sends at a time.
const MAX_BURST: u64 = 64 << 10;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_at_the_rate_in_small_bursts() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.set_rate(Some(1_000_000), 1000);
        let mut now = start;
        let mut sent = 0;
        while now < start + Duration::from_secs(1) {
            let mut burst = 0;
            while pacer.is_open(now) {
                pacer.on_sent(now, 1000);
                burst += 1;
            }
            assert!((1..=4).contains(&burst), "{burst}");
            sent += burst * 1000;
            now = pacer.release().unwrap();
        }
        assert!((1_000_000..=1_005_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_late_driver_catches_up_with_one_burst() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.set_rate(Some(1_000_000), 1000);
        pacer.on_sent(start, 1000);
        let later = start + Duration::from_secs(5);
        let mut burst = 0;
        while pacer.is_open(later) {
            pacer.on_sent(later, 1000);
            burst += 1;
        }
        assert!(burst <= 5, "{burst}");
    }

    #[test]
    fn a_debt_of_a_low_limit_is_paid_at_the_new_rate() {
        let now = Instant::now();
        for (limit, most) in [(Some(100_000), 50), (None, 0)] {
            let mut pacer = Pacer::default();
            pacer.set_limit(Some(100));
            pacer.set_rate(None, 1000);
            while pacer.is_open(now) {
                pacer.on_sent(now, 1000);
            }
            assert!(pacer.release().unwrap() > now + Duration::from_secs(10));
            let before = pacer.rate();
            assert!(pacer.set_limit(limit));
            pacer.set_rate(None, 1000);
            pacer.rescale(now, before);
            let most = now + Duration::from_millis(most);
            assert!(pacer.release().is_none_or(|release| release <= most), "{limit:?}");
        }
    }

    #[test]
    fn without_a_measurement_nothing_is_held_back() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.set_rate(None, 1000);
        for _ in 0..1000 {
            assert!(pacer.is_open(now));
            pacer.on_sent(now, 1000);
        }
    }

    #[test]
    fn a_limit_from_above_holds_without_a_measurement() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.set_limit(Some(10_000));
        pacer.set_rate(None, 1000);
        let mut sent = 0;
        while pacer.is_open(now) {
            pacer.on_sent(now, 1000);
            sent += 1;
        }
        assert_eq!(sent, 3);
    }
}
