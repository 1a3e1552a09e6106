use std::time::Duration;

use crate::Stack;
use crate::link::{Link, Path};
use crate::measure::{Sample, percentile, start, time};

/// Pairs from nothing to an open channel on both sides, over a path without delay: milliseconds of
/// processor time for a pair, certificates included.
#[must_use]
pub fn connect<S: Stack>(pairs: u64) -> Sample {
    let now = start();
    let (elapsed, allocated, ()) = time(|| {
        for seed in 0..pairs {
            drop(Link::open::<S>(now, seed));
        }
    });
    Sample {
        value: elapsed.as_secs_f64() * 1e3 / pairs as f64,
        allocations: allocated.count as f64 / pairs as f64,
    }
}

/// How many round trips pass from the answer being applied to the channel open on both sides.
#[must_use]
pub fn opening_round_trips<S: Stack>() -> f64 {
    let path = Path { delay: Duration::from_millis(50), loss_per_mille: 0 };
    let now = start();
    let mut link = Link::new::<S>(now, 5, path);
    if !link.run_until(now + GIVE_UP, Link::is_open) {
        return f64::INFINITY;
    }
    (link.now - now).as_secs_f64() / 0.1
}

/// How long openings take on a path that loses.
#[derive(Clone, Copy, Debug)]
pub struct Openings {
    /// Seconds, the median.
    pub median: f64,
    /// Seconds, 95th percentile.
    pub p95: f64,
    /// The share that never opened, in percent.
    pub never_percent: f64,
}

/// Opens channels over a round trip of 100 ms with 5 % loss in both directions.
#[must_use]
pub fn openings_with_loss<S: Stack>(openings: u64) -> Openings {
    let path = Path { delay: Duration::from_millis(50), loss_per_mille: 50 };
    let mut times: Vec<_> = (0..openings)
        .map(|seed| {
            let now = start();
            let mut link = Link::new::<S>(now, 1000 + seed, path);
            if link.run_until(now + GIVE_UP, Link::is_open) {
                (link.now - now).as_secs_f64()
            } else {
                f64::INFINITY
            }
        })
        .collect();
    let never = times.iter().filter(|time| time.is_infinite()).count();
    Openings {
        median: percentile(&mut times, 50),
        p95: percentile(&mut times, 95),
        never_percent: never as f64 * 100.0 / openings as f64,
    }
}

/// Nobody waits longer for a channel.
const GIVE_UP: Duration = Duration::from_secs(30);
