//! Clocks: the rate of RTP timestamps, and NTP's wall clock.

use std::fmt;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

/// How many units of an RTP timestamp pass in a second.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClockRate(NonZeroU32);

impl ClockRate {
    /// 8 kHz: G.711.
    pub const HZ_8000: Self = Self(NonZeroU32::new(8_000).expect("not zero"));
    /// 48 kHz: Opus.
    pub const HZ_48000: Self = Self(NonZeroU32::new(48_000).expect("not zero"));
    /// 90 kHz: video.
    pub const HZ_90000: Self = Self(NonZeroU32::new(90_000).expect("not zero"));

    /// A rate in hertz, `None` for 0.
    pub const fn new(hertz: u32) -> Option<Self> {
        match NonZeroU32::new(hertz) {
            Some(hertz) => Some(Self(hertz)),
            None => None,
        }
    }

    /// The rate in hertz.
    pub const fn hertz(self) -> u32 {
        self.0.get()
    }

    /// How many units pass in `duration`, rounded down.
    pub const fn units(self, duration: Duration) -> u64 {
        let hertz = self.0.get() as u64;
        duration.as_secs().saturating_mul(hertz)
            + duration.subsec_nanos() as u64 * hertz / NANOS_PER_SECOND
    }

    /// How long `units` take.
    pub const fn duration(self, units: u64) -> Duration {
        let hertz = self.0.get() as u64;
        let nanos = units % hertz * NANOS_PER_SECOND / hertz;
        Duration::new(units / hertz, nanos as u32)
    }
}

impl fmt::Display for ClockRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// A wall clock's time as NTP has it: seconds since 1900 with 32 bits of fraction, around again
/// in 2036 ([RFC 3550 §4](https://www.rfc-editor.org/rfc/rfc3550#section-4)).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The middle 32 bits: 16 of seconds, 16 of fraction, as reports carry them.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The time that is `duration` later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.wrapping_add(ntp_units(duration)))
    }

    /// The time that is `duration` earlier.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.wrapping_sub(ntp_units(duration)))
    }

    /// How far `self` is after `earlier` on the circle of 136 years.
    pub const fn since(self, earlier: Self) -> Duration {
        let units = self.0.wrapping_sub(earlier.0);
        ntp_duration(units)
    }

    /// The time as the system has it, taken as the one of the two eras that lies in 1968..2104
    /// ([RFC 4330 §3](https://www.rfc-editor.org/rfc/rfc4330#section-3)).
    pub fn to_system_time(self) -> Option<SystemTime> {
        let era = if self.0 >> 63 == 1 { 0 } else { 1u64 << 32 };
        let seconds = (self.0 >> 32) + era;
        let fraction = ntp_duration(self.0 & 0xFFFF_FFFF);
        let since_1970 = seconds.checked_sub(SECONDS_1900_TO_1970)?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since_1970) + fraction)
    }
}

impl From<SystemTime> for NtpTime {
    fn from(time: SystemTime) -> Self {
        let since_1900 = Self(SECONDS_1900_TO_1970 << 32);
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => since_1900.plus(since),
            Err(before) => Self(since_1900.0.wrapping_sub(ntp_units(before.duration()))),
        }
    }
}

/// A duration in units of 1/2³² second.
const fn ntp_units(duration: Duration) -> u64 {
    let fraction = ((duration.subsec_nanos() as u64) << 32) / NANOS_PER_SECOND;
    (duration.as_secs() << 32).wrapping_add(fraction)
}

/// A number of units of 1/2³² second, rounded to the nearest nanosecond.
const fn ntp_duration(units: u64) -> Duration {
    let nanos = ((units & 0xFFFF_FFFF) * NANOS_PER_SECOND + (1 << 31)) >> 32;
    Duration::from_secs(units >> 32).saturating_add(Duration::from_nanos(nanos))
}

/// A duration in the 1/65536 seconds that reports count delays in
/// ([RFC 3550 §6.4.1](https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1)), at most 18 hours.
pub(crate) const fn short_units(duration: Duration) -> u32 {
    let units = ntp_units(duration) >> 16;
    if units > u32::MAX as u64 { u32::MAX } else { units as u32 }
}

/// The duration of a number of 1/65536 seconds.
pub(crate) const fn short_duration(units: u32) -> Duration {
    ntp_duration((units as u64) << 16)
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// 70 years, 17 of them leap years.
const SECONDS_1900_TO_1970: u64 = (70 * 365 + 17) * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_time_and_system_time_convert_both_ways() {
        for nanos in [0, 1, 500_000_000, 999_999_999] {
            for seconds in [0, 1_700_000_000, 2_085_978_495, 2_085_978_496, 4_000_000_000] {
                let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
                assert_eq!(NtpTime::from(time).to_system_time(), Some(time));
            }
        }
        let unix_epoch = NtpTime::from(SystemTime::UNIX_EPOCH);
        assert_eq!(unix_epoch.0, 0x83AA_7E80_0000_0000, "the constant of RFC 868");
    }

    #[test]
    fn middle_bits_measure_what_passes() {
        let then = NtpTime(0x1234_FFFF_FF00_0000);
        let now = then.plus(Duration::from_millis(1500));
        assert_eq!(now.since(then), Duration::from_millis(1500));
        let passed = now.middle().wrapping_sub(then.middle());
        assert_eq!(passed, 0x0001_8000);
        assert_eq!(short_duration(passed), Duration::from_millis(1500));
        assert_eq!(short_units(Duration::from_millis(1500)), 0x0001_8000);
        assert_eq!(short_units(Duration::MAX), u32::MAX);
    }

    #[test]
    fn clock_rates_convert_both_ways() {
        let rate = ClockRate::HZ_90000;
        assert_eq!(rate.units(Duration::from_millis(1033)), 92_970);
        assert_eq!(rate.duration(92_970), Duration::from_millis(1033));
        assert_eq!(ClockRate::new(0), None);
    }
}
