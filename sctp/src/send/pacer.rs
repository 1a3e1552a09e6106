//! Spreads packets over the round trip.

use std::time::{Duration, Instant};

/// Lets packets out at a rate, with a small burst on top.
///
/// Without one a window that opens at once is sent at once, and a short queue on the path drops
/// the end of it (the RFC's Max.Burst, [RFC 9260 §6.1 D], is the coarse cure for the same).
///
/// [RFC 9260 §6.1 D]: https://www.rfc-editor.org/rfc/rfc9260#section-6.1
#[derive(Clone, Debug, Default)]
pub(crate) struct Pacer {
    /// Bytes a second; `None` while there is no reason to hold anything back.
    rate: Option<u64>,
    /// What the layers above allow, bytes a second.
    limit: Option<u64>,
    /// How long before its time a packet may leave.
    burst: Duration,
    /// When the next packet may leave.
    release: Option<Instant>,
}

impl Pacer {
    /// Takes the window and the round-trip time; `gain_quarters` is how much faster than they say.
    pub(crate) fn update(
        &mut self,
        window: usize,
        rtt: Option<Duration>,
        gain_quarters: u64,
        segment: usize,
    ) {
        let window = window as u64;
        let by_window = rtt
            .filter(|rtt| *rtt >= MIN_RTT)
            .and_then(|rtt| u64::try_from(rtt.as_nanos()).ok())
            .map(|nanos| {
                let scaled = u128::from(window) * u128::from(gain_quarters) * 250_000_000;
                u64::try_from(scaled / u128::from(nanos)).unwrap_or(u64::MAX)
            });
        self.rate = match (by_window, self.limit) {
            (Some(rate), Some(limit)) => Some(rate.min(limit)),
            (rate, limit) => rate.or(limit),
        }
        .map(|rate| rate.max(1));
        if let Some(rate) = self.rate {
            // Ten packets, as an initial window may have, or two milliseconds' worth: drivers
            // do not wake up more often.
            let burst = segment as u64 * BURST_PACKETS;
            self.burst = nanos_for(burst, rate).max(MIN_BURST);
        }
    }

    /// Takes the rate that the layers above allow, in bytes a second.
    pub(crate) const fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// When the next packet may leave; `None` for at once.
    pub(crate) const fn release(&self) -> Option<Instant> {
        self.release
    }

    /// Whether a packet may leave now.
    #[inline]
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.release.is_none_or(|release| release <= now)
    }

    /// A packet of `len` bytes left.
    #[inline]
    pub(crate) fn on_sent(&mut self, now: Instant, len: usize) {
        let Some(rate) = self.rate else {
            self.release = None;
            return;
        };
        let earliest = now.checked_sub(self.burst).unwrap_or(now);
        let from = self.release.map_or(earliest, |release| release.max(earliest));
        self.release = Some(from + nanos_for(len as u64, rate));
    }
}

fn nanos_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate.max(1))
}

/// On shorter paths the timers of a driver are coarser than what pacing would spread.
const MIN_RTT: Duration = Duration::from_millis(1);
const MIN_BURST: Duration = Duration::from_millis(2);
const BURST_PACKETS: u64 = 10;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_at_the_rate() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        // 100 kB in 100 ms at gain 1: a megabyte a second.
        pacer.update(100_000, Some(Duration::from_millis(100)), 4, 1000);
        let mut now = start;
        let mut sent = 0;
        while now < start + Duration::from_secs(1) {
            while pacer.is_open(now) {
                pacer.on_sent(now, 1000);
                sent += 1000;
            }
            now = pacer.release().unwrap();
        }
        assert!((1_000_000..=1_012_000).contains(&sent), "{sent}");
    }

    #[test]
    fn without_a_measurement_nothing_is_held_back() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.update(100_000, None, 8, 1000);
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
        pacer.update(100_000, None, 8, 1000);
        let mut sent = 0;
        while pacer.is_open(now) {
            pacer.on_sent(now, 1000);
            sent += 1;
        }
        assert_eq!(sent, 11);
    }
}
