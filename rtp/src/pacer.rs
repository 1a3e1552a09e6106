//! A pacer: spreads bursts over time so that they do not fill the queues on the path.

use std::fmt;
use std::time::{Duration, Instant};

/// A rate of data.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Bitrate(u64);

impl Bitrate {
    /// A rate in bits a second.
    pub const fn from_bits_per_second(bits: u64) -> Self {
        Self(bits)
    }

    /// The rate in bits a second.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    /// How long `bytes` take at this rate: at most an hour, and that for a rate of zero.
    pub fn duration_of(self, bytes: usize) -> Duration {
        let bits = (bytes as u64).saturating_mul(8).saturating_mul(1_000_000_000);
        bits.checked_div(self.0).map_or(LONGEST, |nanos| Duration::from_nanos(nanos).min(LONGEST))
    }

    /// How many bytes a duration has room for at this rate.
    fn bytes_in(self, duration: Duration) -> usize {
        let bits = duration.as_nanos().saturating_mul(self.0.into()) / 1_000_000_000;
        usize::try_from(bits / 8).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bit/s", self.0)
    }
}

/// Holds what is sent to 2.5 times the rate set, in bursts of at most 5 ms.
///
/// An encoder keeps to its target over a second, not over a frame: a key frame is a burst. The
/// factor lets a burst out faster than the target, so that it is over before the next frame, and
/// still leaves the path time to drain it; libwebrtc uses the same. Waking for every packet would
/// cost more than the burst of a few milliseconds that is let out at a time.
///
/// ```
/// use std::time::{Duration, Instant};
/// use peerless_rtp::pacer::{Bitrate, Pacer};
/// let now = Instant::now();
/// let mut pacer = Pacer::new(Some(Bitrate::from_bits_per_second(1_000_000)));
/// assert!(pacer.may_send(now));
/// pacer.sent(now, 12_500); // 40 ms at 2.5 Mbit/s
/// assert_eq!(pacer.release(), Some(now + Duration::from_millis(40)));
/// assert!(!pacer.may_send(now) && pacer.may_send(now + Duration::from_millis(40)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    /// Already times the factor.
    rate: Option<Bitrate>,
    /// When all that was sent has had its time.
    paid: Option<Instant>,
    release: Option<Instant>,
}

impl Pacer {
    /// A pacer for a target rate; `None` holds nothing back.
    pub fn new(rate: Option<Bitrate>) -> Self {
        Self { rate: rate.map(quickened), paid: None, release: None }
    }

    /// Changes the target rate. What was sent and has not had its time yet takes the time that it
    /// takes at the new one.
    pub fn set_rate(&mut self, now: Instant, rate: Option<Bitrate>) {
        let before = std::mem::replace(&mut self.rate, rate.map(quickened));
        let (Some(before), Some(rate), Some(paid)) = (before, self.rate, self.paid) else {
            (self.paid, self.release) = (None, None);
            return;
        };
        let left = paid.saturating_duration_since(now);
        let paid = now + rate.duration_of(before.bytes_in(left));
        self.paid = Some(paid);
        self.release = self.release.map(|_| paid);
    }

    /// Whether a packet may leave now.
    pub fn may_send(&self, now: Instant) -> bool {
        self.release.is_none_or(|release| release <= now)
    }

    /// When the next packet may leave; `None`: at any time.
    pub const fn release(&self) -> Option<Instant> {
        self.release
    }

    /// Counts a packet of `bytes` that leaves now, whether it was allowed to or not.
    pub fn sent(&mut self, now: Instant, bytes: usize) {
        let Some(rate) = self.rate else { return };
        // A driver that wakes late may make up for it by as much as a burst.
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let from = self.paid.map_or(now, |paid| paid.max(earliest));
        let paid = from + rate.duration_of(bytes);
        self.paid = Some(paid);
        let was_held = self.release.is_some_and(|release| release > now);
        self.release = (was_held || paid > now + BURST).then_some(paid);
    }
}

/// The rate that a burst leaves at.
const fn quickened(Bitrate(bits): Bitrate) -> Bitrate {
    Bitrate(bits.saturating_mul(5) / 2)
}

/// How much is let out at a time.
const BURST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    fn base() -> Instant {
        Instant::now()
    }

    #[test]
    fn holds_a_burst_of_100_packets_to_two_and_a_half_times_the_rate() {
        for rate in [100_000, 1_000_000, 20_000_000] {
            let start = base();
            let mut pacer = Pacer::new(Some(Bitrate::from_bits_per_second(rate)));
            let (mut now, mut sent) = (start, 0.0);
            for _ in 0..100 {
                if let Some(release) = pacer.release() {
                    now = now.max(release);
                }
                assert!(pacer.may_send(now));
                pacer.sent(now, 1200);
                sent += 9600.0;
                let allowed = 2.5 * rate as f64 * ((now - start) + BURST).as_secs_f64() + 9600.0;
                assert!(sent <= allowed, "{sent} bits by {:?} at {rate}", now - start);
            }
            let ideal = 960_000.0 / (2.5 * rate as f64);
            let took = (pacer.release().unwrap_or(now) - start).as_secs_f64();
            assert!((took / ideal - 1.0).abs() < 0.2 || took < 0.02, "{took} s, not {ideal} s");
        }
    }

    #[test]
    fn a_late_driver_catches_up_by_no_more_than_a_burst() {
        let start = base();
        let mut pacer = Pacer::new(Some(Bitrate::from_bits_per_second(1_000_000)));
        pacer.sent(start, 3125); // 10 ms
        let late = start + Duration::from_secs(1);
        assert!(pacer.may_send(late));
        pacer.sent(late, 3125);
        assert_eq!(pacer.release(), None, "5 ms of credit, 5 ms of burst");
        pacer.sent(late, 3125);
        assert_eq!(pacer.release(), Some(late + Duration::from_millis(15)));
    }

    #[test]
    fn without_a_rate_nothing_is_held() {
        let now = base();
        let mut pacer = Pacer::new(None);
        pacer.sent(now, 1_000_000);
        assert!(pacer.may_send(now));
        pacer.set_rate(now, Some(Bitrate::from_bits_per_second(0)));
        pacer.sent(now, 1);
        assert_eq!(pacer.release(), Some(now + LONGEST));
        pacer.set_rate(now, None);
        assert!(pacer.may_send(now));
    }

    #[test]
    fn what_was_sent_at_another_rate_takes_the_time_of_the_new_one() {
        let now = base();
        let rate = |bits| Some(Bitrate::from_bits_per_second(bits));
        let mut pacer = Pacer::new(rate(100_000));
        pacer.sent(now, 12_500); // 400 ms at 250 kbit/s
        let later = now + Duration::from_millis(200);
        pacer.set_rate(later, rate(1_000_000));
        assert_eq!(pacer.release(), Some(later + Duration::from_millis(20)));
        pacer.set_rate(later, rate(100_000));
        assert_eq!(pacer.release(), Some(later + Duration::from_millis(200)));
        // Nothing can be said of what left while nothing was to leave.
        pacer.set_rate(later, rate(0));
        pacer.sent(later, 1);
        pacer.set_rate(later, rate(1_000_000));
        assert!(pacer.may_send(later));
    }
}
