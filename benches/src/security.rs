//! The table of DTLS and SRTP: our engines beside others and beside the bare primitives.
//!
//! ```text
//! cargo bench -p peerless-benches --features peers --bench security
//! ```
//!
//! With the feature `security-peers` alone it is compiled sooner, and without dimpl, which brings a
//! C library. With `openssl-peer` the system's OpenSSL takes part, which has to be installed with its
//! headers.
//!
//! An argument runs only the rows whose name contains it. All contestants of a row, the bare
//! primitives too, take turns in the same repetitions. Each figure is the median of its own, each
//! ratio the median of the repetitions' ratios.

mod handshake;
mod heap;
mod loss;
mod srtp;

use std::fmt::Write as _;

pub use self::heap::Heap;

use crate::measure::{Contestant, Sample, Samples, interleaved, time};

/// Prints every row to the standard output. With a filter, only those whose name contains it.
pub fn print(filter: Option<&str>) {
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    println!("| work | ours | bare primitives | ours ÷ bare | goal | others |");
    println!("|---|---|---|---|---|---|");
    for row in handshake::rows().into_iter().chain(srtp::rows()) {
        if wanted(row.name) {
            println!("{}", row.run());
        }
    }
    println!(
        "\nBoth sides on one thread, packets in memory, processor time; medians of {REPETITIONS} \
         interleaved repetitions, of the ratios too.\n"
    );
    if wanted(heap::NAME) {
        heap::print();
    }
    if wanted(loss::NAME) {
        loss::print();
    }
}

const REPETITIONS: usize = 15;

/// A line of the table. Each contestant gives the seconds that one piece of work takes.
struct Row<'a> {
    name: &'static str,
    show: Show,
    goal: Option<Goal>,
    ours: Contestant<'a>,
    bare: Option<Contestant<'a>>,
    others: Vec<(&'static str, Contestant<'a>)>,
}

/// How a figure reads.
#[derive(Clone, Copy)]
enum Show {
    /// Pieces of work a second: more is better, and so is a larger ratio.
    PerSecond,
    /// Nanoseconds for each: less is better.
    Nanoseconds,
}

/// What our figure divided by that of the bare primitives has to be.
#[derive(Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Row<'_> {
    fn run(self) -> String {
        let Self { name, show, goal, ours, bare, others } = self;
        let (names, others): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        let mut contestants = vec![ours];
        contestants.extend(bare);
        let others_from = contestants.len();
        contestants.extend(others);
        let samples = interleaved(REPETITIONS, &mut contestants);
        let medians = samples.medians();
        let (ours_and_bare, others) = medians.split_at(others_from);

        let mut line = format!("| {name} |");
        for sample in [ours_and_bare.first(), ours_and_bare.get(1)] {
            let figure = sample.map_or_else(|| "–".to_owned(), |sample| show.figure(*sample));
            let _infallible = write!(line, " {figure} |");
        }
        match *ours_and_bare {
            [_, _] => {
                let ratio = show.ratio(&samples);
                let goal = goal.map_or_else(|| "–".to_owned(), |goal| goal.judge(ratio));
                let _infallible = write!(line, " {ratio:.2} × | {goal} |");
            }
            _ => line.push_str(" – | – |"),
        }
        let others: Vec<_> = names
            .iter()
            .zip(others)
            .map(|(name, sample)| format!("{} ({name})", show.figure(*sample)))
            .collect();
        let _infallible = write!(line, " {} |", others.join(", "));
        line
    }
}

impl Show {
    fn figure(self, sample: Sample) -> String {
        match self {
            Self::PerSecond => format!("{:.0}/s", 1.0 / sample.value),
            Self::Nanoseconds if sample.allocations >= 0.5 => {
                format!("{:.0} ns, {:.0} allocations", sample.value * 1e9, sample.allocations)
            }
            Self::Nanoseconds => format!("{:.0} ns", sample.value * 1e9),
        }
    }

    /// Ours, the first contestant, against the bare primitives, the second: both give seconds.
    fn ratio(self, samples: &Samples) -> f64 {
        match self {
            Self::PerSecond => samples.ratio(1, 0),
            Self::Nanoseconds => samples.ratio(0, 1),
        }
    }
}

impl Goal {
    fn judge(self, ratio: f64) -> String {
        let (sign, bound, met) = match self {
            Self::AtLeast(bound) => ("≥", bound, ratio >= bound),
            Self::AtMost(bound) => ("≤", bound, ratio <= bound),
        };
        format!("{sign} {bound:.2}, {}", if met { "met" } else { "missed" })
    }
}

/// The seconds of processor time that one of `rounds` takes.
fn each<'a>(rounds: u32, mut work: impl FnMut() + 'a) -> Contestant<'a> {
    Box::new(move || {
        let (elapsed, allocated, ()) = time(|| (0..rounds).for_each(|_| work()));
        Sample {
            value: elapsed.as_secs_f64() / f64::from(rounds),
            allocations: allocated.count as f64 / f64::from(rounds),
        }
    })
}
