//! Sequence numbers: 16 bits on the wire, unwrapped to 64 for everything else.

use std::fmt;

/// The 16 bits of a sequence number that a packet carries
/// ([RFC 3550 §5.1](https://www.rfc-editor.org/rfc/rfc3550#section-5.1)).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The next number, 0 after 65535.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How far `self` is after `earlier`, negative when it is before: the shorter way around.
    pub const fn distance_from(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u16> for SequenceNumber {
    fn from(value: u16) -> Self {
        Self(value)
    }
}

/// A sequence number that never wraps: the 16 bits of the packet below the count of cycles.
///
/// It starts at a first cycle above zero, so that packets from before the first one received have
/// a number too.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ExtendedSequenceNumber(pub u64);

impl ExtendedSequenceNumber {
    /// The first cycle of an [`Unwrapper`]: one above zero, which leaves room to go back.
    pub const FIRST_CYCLE: u64 = 1 << 16;

    /// The 16 bits that travel.
    pub const fn wire(self) -> SequenceNumber {
        SequenceNumber(self.0 as u16)
    }

    /// The number that is `count` later.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How many numbers `self` is after `earlier`, zero when it isn't.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for ExtendedSequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Gives 16-bit numbers their place in the endless sequence: each is taken as the one nearest to
/// the highest seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapper {
    highest: Option<ExtendedSequenceNumber>,
}

impl Unwrapper {
    /// An unwrapper that has seen nothing; the first number starts the first cycle.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The highest number seen.
    pub const fn highest(&self) -> Option<ExtendedSequenceNumber> {
        self.highest
    }

    /// Unwraps `sequence` and remembers it when it is the highest.
    pub fn unwrap(&mut self, sequence: SequenceNumber) -> ExtendedSequenceNumber {
        let extended = self.peek(sequence);
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// Unwraps `sequence` without remembering it.
    pub fn peek(&self, sequence: SequenceNumber) -> ExtendedSequenceNumber {
        let Some(highest) = self.highest else {
            return ExtendedSequenceNumber(
                ExtendedSequenceNumber::FIRST_CYCLE + u64::from(sequence.0),
            );
        };
        let distance = i64::from(sequence.distance_from(highest.wire()));
        ExtendedSequenceNumber(highest.0.saturating_add_signed(distance))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_cycles_forward_and_backward() {
        let mut unwrapper = Unwrapper::new();
        let first = unwrapper.unwrap(SequenceNumber(2));
        assert_eq!(unwrapper.unwrap(SequenceNumber(65535)).0, first.0 - 3);
        assert_eq!(unwrapper.unwrap(SequenceNumber(30000)).0, first.0 + 29998);
        assert_eq!(unwrapper.unwrap(SequenceNumber(60000)).0, first.0 + 59998);
        assert_eq!(unwrapper.unwrap(SequenceNumber(1)).0, first.0 + 65535);
        assert_eq!(unwrapper.highest().map(|highest| highest.0), Some(first.0 + 65535));
    }

    proptest! {
        #[test]
        fn steps_of_less_than_half_a_cycle_unwrap_to_themselves(
            start in any::<u16>(), steps in prop::collection::vec(-30000i64..32000, 1..200),
        ) {
            let mut unwrapper = Unwrapper::new();
            let mut truth = 10_000_000_000 + i64::from(start);
            let offset = truth - unwrapper.unwrap(SequenceNumber(truth as u16)).0 as i64;
            let mut highest = truth;
            for step in steps {
                truth = highest + step;
                if truth - offset < 0 { continue }
                let extended = unwrapper.unwrap(SequenceNumber(truth as u16));
                prop_assert_eq!(extended.0 as i64, truth - offset);
                prop_assert_eq!(extended.wire().0, truth as u16);
                highest = highest.max(truth);
            }
        }
    }
}
