//! Sequence numbers that wrap: transmission sequence numbers and stream sequence numbers.
//!
//! They are compared in serial-number arithmetic
//! ([RFC 9260 §1.6](https://www.rfc-editor.org/rfc/rfc9260#section-1.6), RFC 1982): of two numbers,
//! the later one is the one less than half of the number space ahead.

use std::fmt;

/// A transmission sequence number: the number of one DATA chunk in one direction.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Tsn(pub u32);

impl Tsn {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// The number `count` after this one.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How many steps lead from `earlier` to this number.
    pub const fn distance_from(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether this number comes after `other`.
    pub const fn is_after(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) > 0
    }

    /// Whether this number is `other` or comes after it.
    pub const fn is_at_or_after(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) >= 0
    }
}

impl fmt::Display for Tsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether stream sequence number `a` comes after `b`.
pub(crate) const fn ssn_is_after(a: u16, b: u16) -> bool {
    (a.wrapping_sub(b) as i16) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_across_the_wrap() {
        assert!(Tsn(0).is_after(Tsn(u32::MAX)));
        assert!(!Tsn(u32::MAX).is_after(Tsn(0)));
        assert!(Tsn(5).is_at_or_after(Tsn(5)));
        assert!(!Tsn(5).is_after(Tsn(5)));
        assert_eq!(Tsn(2).distance_from(Tsn(u32::MAX)), 3);
        assert_eq!(Tsn(u32::MAX).plus(3), Tsn(2));
        assert!(ssn_is_after(0, u16::MAX));
        assert!(!ssn_is_after(7, 7));
    }
}
