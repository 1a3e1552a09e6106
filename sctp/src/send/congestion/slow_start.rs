//! When to leave slow start: HyStart++ ([RFC 9406](https://www.rfc-editor.org/rfc/rfc9406)).
//!
//! Round trips become longer when a queue builds up, which is before it overflows. Without this the
//! last doubling overfills a drop-tail queue and loses up to half a window at once.

use super::Sample;
use crate::span::Span;

/// Watches the least round-trip time of each round.
#[derive(Clone, Debug, Default)]
pub(super) struct SlowStart {
    /// The round ends when a packet is acknowledged that left when so much was delivered.
    end: u64,
    samples: u32,
    least: Option<Span>,
    least_before: Option<Span>,
    /// In conservative slow start: the round-trip time that began it, and the rounds left.
    conservative: Option<(Span, u32)>,
}

/// How the window grows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Growth {
    /// By what was acknowledged.
    Full,
    /// By a quarter of it.
    Careful,
    /// Not any more: slow start is over.
    Exit,
}

impl SlowStart {
    pub(super) fn step(&mut self, sample: &Sample) -> Growth {
        if sample.rate.is_some_and(|rate| rate.delivered_before >= self.end) {
            self.end = sample.delivered;
            self.least_before = self.least.take();
            self.samples = 0;
            if let Some((_, left)) = &mut self.conservative {
                *left -= 1;
                if *left == 0 {
                    self.conservative = None;
                    return Growth::Exit;
                }
            }
        }
        if let Some(rtt) = sample.rtt {
            self.samples += 1;
            self.least = Some(self.least.map_or(rtt, |least| least.min(rtt)));
        }
        if let (Some(least), true) = (self.least, self.samples >= N_RTT_SAMPLE) {
            match (self.conservative, self.least_before) {
                // It was a passing disturbance.
                (Some((baseline, _)), _) if least < baseline => self.conservative = None,
                (None, Some(before)) => {
                    let threshold = (before / 8).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                    if least >= before + threshold {
                        self.conservative = Some((least, CSS_ROUNDS));
                    }
                }
                _ => {}
            }
        }
        if self.conservative.is_some() { Growth::Careful } else { Growth::Full }
    }

    /// By how much a window of `window` bytes grows, `None` when slow start is over.
    pub(super) fn grow(&mut self, sample: &Sample, window: usize) -> Option<usize> {
        let divisor = match self.step(sample) {
            Growth::Full => 1,
            Growth::Careful => CSS_GROWTH_DIVISOR,
            Growth::Exit => return None,
        };
        // §7.2.1: only a window that is used is raised. Half is enough here, since the packets
        // that a doubled window allows are still being paced out.
        let used = sample.in_flight_before * 2 >= window;
        Some(if used { sample.acknowledged / divisor } else { 0 })
    }
}

// RFC 9406 §4.3.
const MIN_RTT_THRESH: Span = Span::from_millis(4);
const MAX_RTT_THRESH: Span = Span::from_millis(16);
const N_RTT_SAMPLE: u32 = 8;
const CSS_GROWTH_DIVISOR: usize = 4;
const CSS_ROUNDS: u32 = 5;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::super::Sample;
    use super::*;
    use crate::send::packets::RateSample;
    use std::time::Instant;

    #[test]
    fn it_ends_after_the_careful_rounds_and_may_begin_again() {
        let now = Instant::now();
        let mut slow_start = SlowStart::default();
        let mut delivered = 0;
        let mut round = |rtt: u64| {
            let mut last = Growth::Full;
            for count in 0..10 {
                let delivered_before = if count == 0 { delivered } else { 0 };
                delivered += 1000;
                let rate = RateSample { rate: None, delivered_before, limited: false };
                let sample = Sample {
                    now,
                    acknowledged: 1000,
                    lost: 0,
                    lost_in_flight: 0,
                    in_flight_before: 10_000,
                    in_flight: 10_000,
                    rtt: Some(Span::from_millis(rtt)),
                    rate: Some(rate),
                    delivered,
                    recovering: false,
                };
                last = slow_start.step(&sample);
                if last == Growth::Exit {
                    break;
                }
            }
            last
        };
        for _ in 0..3 {
            assert_eq!(round(50), Growth::Full);
        }
        // A queue; and after idleness all of it once more.
        for _ in 0..2 {
            assert_eq!(round(70), Growth::Careful);
            let rounds = (0..20).take_while(|_| round(70) != Growth::Exit).count();
            assert!(rounds < 10, "{rounds}");
            assert_eq!(round(50), Growth::Full);
            assert_eq!(round(50), Growth::Full);
        }
    }
}
