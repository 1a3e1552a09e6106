//! A length of time as one number.

use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::time::{Duration, Instant};

/// A length of time in nanoseconds: what each SACK is reckoned with. [`Duration`] has two fields, so
/// that a comparison costs several times as much, and a fraction a division of each.
///
/// Five hundred years at most; sums and products that would be longer are that.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span(u64);

impl Span {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const MAX: Self = Self(u64::MAX);

    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(crate) const fn from_micros(micros: u64) -> Self {
        Self(micros * 1000)
    }

    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    pub(crate) const fn from_secs(secs: u64) -> Self {
        Self(secs * NANOS)
    }

    pub(crate) const fn as_nanos(self) -> u64 {
        self.0
    }

    pub(crate) const fn abs_diff(self, other: Self) -> Self {
        Self(self.0.abs_diff(other.0))
    }

    /// From an earlier time to a later one.
    #[inline]
    pub(crate) fn between(earlier: Instant, later: Instant) -> Self {
        later.saturating_duration_since(earlier).into()
    }

    /// The rate of so many bytes in this time, in bytes a second.
    pub(crate) fn rate(self, bytes: u64) -> u64 {
        let nanos = self.0.max(1);
        match bytes.checked_mul(NANOS) {
            Some(scaled) => scaled / nanos,
            None => bytes / (nanos / NANOS).max(1),
        }
    }

    /// The bytes of this time at a rate in bytes a second.
    pub(crate) fn bytes(self, rate: u64) -> usize {
        let bytes = match rate.checked_mul(self.0) {
            Some(scaled) => u128::from(scaled / NANOS),
            None => u128::from(rate) * u128::from(self.0) / u128::from(NANOS),
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

impl From<Duration> for Span {
    #[inline]
    fn from(time: Duration) -> Self {
        Self(time.as_secs().saturating_mul(NANOS).saturating_add(u64::from(time.subsec_nanos())))
    }
}

impl From<Span> for Duration {
    #[inline]
    fn from(Span(nanos): Span) -> Self {
        Self::from_nanos(nanos)
    }
}

impl Add for Span {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Add<Span> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, span: Span) -> Self {
        self + Duration::from(span)
    }
}

impl Sub for Span {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<u64> for Span {
    type Output = Self;

    #[inline]
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Div<u64> for Span {
    type Output = Self;

    #[inline]
    fn div(self, parts: u64) -> Self {
        Self(self.0 / parts)
    }
}

const NANOS: u64 = 1_000_000_000;
