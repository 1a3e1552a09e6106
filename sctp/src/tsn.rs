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

/// Whether message number `a` comes after `b`.
pub(crate) const fn number_is_after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

/// The message number whose lower 16 bits are `ssn`, the nearest to `near`: DATA's stream sequence
/// numbers made as long as I-DATA's message identifiers.
pub(crate) const fn unwrap_ssn(near: u32, ssn: u32) -> u32 {
    let distance = (ssn as u16).wrapping_sub(near as u16) as i16;
    near.wrapping_add(distance as u32)
}

/// The first message number at or after `next` whose lower 16 bits are `ssn`.
pub(crate) const fn unwrap_ssn_ahead(next: u32, ssn: u32) -> u32 {
    next.wrapping_add((ssn as u16).wrapping_sub(next as u16) as u32)
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
        assert!(number_is_after(0, u32::MAX));
        assert!(!number_is_after(7, 7));
    }

    #[test]
    fn short_numbers_are_made_long() {
        assert_eq!(unwrap_ssn(0, 5), 5);
        assert_eq!(unwrap_ssn(65_535, 0), 65_536);
        assert_eq!(unwrap_ssn(65_536, 65_535), 65_535);
        assert_eq!(unwrap_ssn(0, 65_535), u32::MAX);
        assert_eq!(unwrap_ssn(u32::MAX, 0), 0);
        assert_eq!(unwrap_ssn_ahead(7, 7), 7);
        assert_eq!(unwrap_ssn_ahead(7, 6), 65_542);
        assert_eq!(unwrap_ssn_ahead(u32::MAX, 2), 2);
    }
}
