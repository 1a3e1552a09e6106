//! Repetitions, interleaved, and their medians.

use std::time::{Duration, Instant};

use crate::allocator::Allocated;

/// One repetition's result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// The figure, in the unit of its row.
    pub value: f64,
    /// Allocations for each unit of work, where that is counted.
    pub allocations: f64,
}

/// A contestant of a row: does the work once more and gives a sample.
pub type Contestant<'a> = Box<dyn FnMut() -> Sample + 'a>;

/// What the contestants of a row have done, by repetition.
#[derive(Debug)]
pub struct Samples(Vec<Vec<Sample>>);

/// Runs every contestant once in each repetition, so that what slows the machine down for a while
/// slows all of them.
#[must_use]
pub fn interleaved(repetitions: usize, contestants: &mut [Contestant<'_>]) -> Samples {
    let mut samples = vec![Vec::new(); contestants.len()];
    for _ in 0..repetitions {
        for (contestant, samples) in contestants.iter_mut().zip(&mut samples) {
            samples.push(contestant());
        }
    }
    Samples(samples)
}

impl Samples {
    /// Each contestant's medians, in their order.
    #[must_use]
    pub fn medians(&self) -> Vec<Sample> {
        let median_of = |samples: &[Sample], part: fn(&Sample) -> f64| {
            median(&mut samples.iter().map(part).collect::<Vec<_>>())
        };
        self.0
            .iter()
            .map(|samples| Sample {
                value: median_of(samples, |sample| sample.value),
                allocations: median_of(samples, |sample| sample.allocations),
            })
            .collect()
    }

    /// The median of the repetitions' ratios of one contestant's value to another's: the two ran one
    /// after the other, so that a machine which changes its speed between repetitions, as it does to
    /// the medians of each, changes this one little. NaN where there is no such contestant.
    #[must_use]
    pub fn ratio(&self, of: usize, to: usize) -> f64 {
        let (Some(of), Some(to)) = (self.0.get(of), self.0.get(to)) else { return f64::NAN };
        median(&mut of.iter().zip(to).map(|(of, to)| of.value / to.value).collect::<Vec<_>>())
    }
}

/// Sorts `values` and returns the middle one, NaN where there is none.
pub fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50)
}

/// Sorts `values` and returns the smallest that is not below `percent` of them.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(index).copied().unwrap_or(f64::NAN)
}

/// Times `work` on the processor, and counts what it allocates.
pub fn time<R>(work: impl FnOnce() -> R) -> (Duration, Allocated, R) {
    let before = Allocated::now();
    let start = processor_time();
    let result = work();
    let elapsed = processor_time().saturating_sub(start);
    (elapsed, before.since(), result)
}

/// How long this thread has run, so that other programs on the machine are not measured.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("processor time is not negative")
}

/// Where that is not to be had, the time on the wall.
#[cfg(not(target_os = "linux"))]
fn processor_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    start().saturating_duration_since(*START.get_or_init(start))
}

/// The instant at which virtual clocks begin.
#[must_use]
pub fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time needs some instant to count from")]
    Instant::now()
}
