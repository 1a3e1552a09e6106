use std::time::{Duration, Instant};

use crate::clock::ClockRate;
use crate::sequence::{ExtendedSequenceNumber, SequenceNumber, Unwrapper};

/// The statistics of one source: what was expected and what came
/// ([RFC 3550 A.3](https://www.rfc-editor.org/rfc/rfc3550#appendix-A.3)), the jitter
/// ([A.8](https://www.rfc-editor.org/rfc/rfc3550#appendix-A.8)), and which packets were here before.
#[derive(Debug)]
pub(super) struct Reception {
    unwrapper: Unwrapper,
    base: Option<u64>,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// The time between sending and arrival of the newest packet, by two clocks.
    transit: Option<u32>,
    /// Sixteen times the jitter, in units of the timestamp.
    jitter: u32,
    rate: Option<ClockRate>,
    window: Window,
}

/// What became of a sequence number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Newer than all; the number of those missing before it.
    Newest { missing: u64 },
    /// It fills a gap, or comes from before the first.
    Older,
    /// It was here already, or is too old to tell.
    Duplicate,
}

impl Reception {
    pub(super) const fn new() -> Self {
        Self {
            unwrapper: Unwrapper::new(),
            base: None,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
            jitter: 0,
            rate: None,
            window: Window { bits: [0; WORDS] },
        }
    }

    /// Takes a sequence number that came; `counts` says that it counts for the reports, as one that
    /// another stream repaired does not.
    pub(super) fn take(
        &mut self,
        sequence: SequenceNumber,
        counts: bool,
    ) -> (ExtendedSequenceNumber, Place) {
        let before = self.unwrapper.highest();
        let extended = self.unwrapper.unwrap(sequence);
        self.received += u64::from(counts);
        let base = self.base.get_or_insert(extended.0);
        if extended.0 < *base {
            *base = extended.0;
        }
        let place = match before {
            None => {
                self.window.set(extended.0);
                Place::Newest { missing: 0 }
            }
            Some(highest) if extended > highest => {
                self.window.advance(highest.0, extended.0);
                Place::Newest { missing: extended.since(highest) - 1 }
            }
            Some(highest) => {
                if highest.since(extended) < WINDOW && self.window.set(extended.0) {
                    Place::Older
                } else {
                    Place::Duplicate
                }
            }
        };
        (extended, place)
    }

    /// Takes the timestamp of a packet that came in order, so long after the session began.
    pub(super) fn observe(&mut self, micros: u64, timestamp: u32, rate: ClockRate) {
        if self.rate != Some(rate) {
            (self.rate, self.transit) = (Some(rate), None);
        }
        // It wraps after six years at 90 kHz, which is one wrong sample of the jitter.
        let arrival = (micros.wrapping_mul(rate.hertz().into()) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A jump of the timestamps is no jitter.
            if difference < rate.hertz().saturating_mul(10) {
                self.jitter = self.jitter.saturating_add(difference) - ((self.jitter + 8) >> 4);
            }
        }
    }

    pub(super) fn highest(&self) -> Option<ExtendedSequenceNumber> {
        self.unwrapper.highest()
    }

    /// The jitter in units of the timestamp.
    pub(super) fn jitter_units(&self) -> u32 {
        self.jitter >> 4
    }

    pub(super) fn jitter(&self) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| rate.duration(self.jitter_units().into()))
    }

    fn expected(&self) -> u64 {
        match (self.base, self.unwrapper.highest()) {
            (Some(base), Some(highest)) => highest.0 - base + 1,
            _ => 0,
        }
    }

    /// How many packets are lost; negative when duplicates outweigh.
    pub(super) fn lost(&self) -> i64 {
        self.expected().cast_signed() - self.received.cast_signed()
    }

    /// Whether a packet came since the last report.
    pub(super) fn is_fresh(&self) -> bool {
        self.received != self.received_prior
    }

    /// The fraction lost since the last time this was asked, in 1/256.
    pub(super) fn take_fraction_lost(&mut self) -> u8 {
        let expected = self.expected();
        let expected_interval = expected.saturating_sub(self.expected_prior);
        let received_interval = self.received - self.received_prior;
        (self.expected_prior, self.received_prior) = (expected, self.received);
        let lost = expected_interval.saturating_sub(received_interval);
        (lost << 8).checked_div(expected_interval).unwrap_or(0).min(255) as u8
    }
}

/// Which of the newest packets came.
#[derive(Debug)]
struct Window {
    bits: [u64; WORDS],
}

impl Window {
    /// Marks a number; `false` when it was marked.
    fn set(&mut self, number: u64) -> bool {
        let bit = 1 << (number % 64);
        let Some(word) = self.bits.get_mut((number / 64) as usize % WORDS) else { return false };
        let was = *word & bit != 0;
        *word |= bit;
        !was
    }

    /// Forgets the numbers that leave the window as the highest grows, and marks the new one.
    fn advance(&mut self, from: u64, to: u64) {
        if to - from >= WINDOW {
            self.bits = [0; WORDS];
        } else {
            for number in from + 1..=to {
                if let Some(word) = self.bits.get_mut((number / 64) as usize % WORDS) {
                    *word &= !(1 << (number % 64));
                }
            }
        }
        self.set(to);
    }
}

const WORDS: usize = 16;
/// How many packets back a duplicate is known for one.
const WINDOW: u64 = 64 * WORDS as u64;

/// What a sender report said.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastSenderReport {
    pub(super) info: crate::rtcp::SenderInfo,
    pub(super) arrival: Instant,
    pub(super) count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(reception: &mut Reception, number: u16) -> Place {
        reception.take(SequenceNumber(number), true).1
    }

    #[test]
    fn losses_reordering_and_duplicates_are_told_apart() {
        let mut reception = Reception::new();
        assert_eq!(take(&mut reception, 65534), Place::Newest { missing: 0 });
        assert_eq!(take(&mut reception, 1), Place::Newest { missing: 2 });
        assert_eq!(take(&mut reception, 65535), Place::Older);
        assert_eq!(take(&mut reception, 65535), Place::Duplicate);
        assert_eq!(take(&mut reception, 1), Place::Duplicate);
        assert_eq!(take(&mut reception, 2000), Place::Newest { missing: 1998 });
        assert_eq!(take(&mut reception, 0), Place::Duplicate, "too old to tell");
        assert_eq!(take(&mut reception, 1999), Place::Older);
    }

    #[test]
    fn the_fraction_lost_is_that_of_the_interval() {
        let mut reception = Reception::new();
        for number in 0..100u16 {
            if number % 4 != 3 {
                take(&mut reception, number);
            }
        }
        assert_eq!(reception.lost(), 24, "the last one isn't expected yet");
        assert_eq!(reception.take_fraction_lost(), (24 * 256 / 99) as u8);
        for number in 100..200 {
            take(&mut reception, number);
        }
        assert_eq!(reception.take_fraction_lost(), 2, "1 of 101, one of the last interval's");
        assert!(!reception.is_fresh());
        assert_eq!(reception.take_fraction_lost(), 0);
    }

    #[test]
    fn jitter_follows_the_example_of_the_appendix() {
        // A.8: J += (|D| - J) / 16, in the integer form of the appendix.
        let mut reception = Reception::new();
        let rate = ClockRate::HZ_8000;
        let mut reference = 0i64;
        let mut last: Option<i64> = None;
        for (index, late_millis) in [0u64, 5, 0, 12, 3, 3, 3, 40, 0].into_iter().enumerate() {
            let timestamp = 160 * index as u32;
            let arrival = Duration::from_millis(20 * index as u64 + late_millis);
            reception.observe(arrival.as_micros() as u64, timestamp, rate);
            let transit = (rate.units(arrival) as i64) - i64::from(timestamp);
            if let Some(last) = last {
                reference += (transit - last).abs() - ((reference + 8) >> 4);
            }
            last = Some(transit);
        }
        assert_eq!(i64::from(reception.jitter), reference);
        assert!(reception.jitter() > Duration::from_millis(3));
    }

    #[test]
    fn a_jump_of_timestamps_is_no_jitter() {
        let mut reception = Reception::new();
        for index in 0..10 {
            let jump = if index < 5 { 0 } else { 1 << 30 };
            let arrival = Duration::from_millis(20 * index);
            reception.observe(
                arrival.as_micros() as u64,
                160 * index as u32 + jump,
                ClockRate::HZ_8000,
            );
        }
        assert_eq!(reception.jitter(), Duration::ZERO);
    }
}
