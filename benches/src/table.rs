//! The table of the README, as Markdown.

use std::hint::black_box;
use std::io::Write as _;

use ring::rand::SystemRandom;

use crate::measure::{Contestant, Sample, medians, time};
use crate::work::{self, Idle, Openings};
use crate::{Stack, bare, stacks};

/// Runs every work on every stack and prints the table to the standard output.
pub fn print() {
    let entrants = stacks::entrants();
    let mut table = Table::new(&entrants);
    let each = |work: &dyn Fn(&Entrant) -> Sample| -> Vec<Sample> {
        let mut contestants: Vec<Contestant<'_>> =
            entrants.iter().map(|entrant| Box::new(move || work(entrant)) as _).collect();
        medians(REPETITIONS, &mut contestants)
    };

    let mut limit = Limit::default();
    let media = each(&|entrant| (entrant.media)(5000));
    table.row("media, both sides, per 1200-byte packet", &media, Some(limit.media()), Show::Packet);
    let forward = each(&|entrant| (entrant.forward)(50, 200));
    table.row("SFU, 1 to 50, per forwarded packet", &forward, Some(limit.forward()), Show::Packet);
    let data = each(&|entrant| scaled((entrant.data)(64 << 10, 300), 65_536.0 / 1e6));
    table.row("data channel, 64 KiB messages", &data, Some(limit.data(1)), Show::Megabytes);
    let data = each(&|entrant| (entrant.data)(100, 30_000));
    table.row("data channel, 100-byte messages", &data, Some(limit.data(11)), Show::Messages);
    let connect = each(&|entrant| (entrant.connect)(10));
    table.row("processor time to connect a pair", &connect, Some(limit.connect()), Show::Millis);

    let idle = |part: fn(Idle) -> f64| {
        each(&|entrant| Sample { value: part((entrant.idle)(4)), allocations: 0.0 })
    };
    let heap = idle(|idle| idle.heap_bytes / 1024.0);
    table.row(
        "heap of an idle peer (audio, video, one channel, after 10 s)",
        &heap,
        None,
        Show::Kib,
    );
    let processor = idle(|idle| idle.micros_per_second);
    table.row("idle processor time per peer and second", &processor, None, Show::Micros);

    let round_trips = each(&|entrant| Sample { value: (entrant.round_trips)(), allocations: 0.0 });
    let four = Sample { value: 4.0, allocations: 0.0 };
    table.row(
        "channel open on both sides after the answer is applied, DTLS 1.2, in round trips",
        &round_trips,
        Some(four),
        Show::RoundTrips,
    );
    let openings: Vec<_> = entrants.iter().map(|entrant| (entrant.openings)(200)).collect();
    table.openings(&openings);
    table.finish();
}

const REPETITIONS: usize = 9;

fn scaled(sample: Sample, factor: f64) -> Sample {
    Sample { value: sample.value * factor, ..sample }
}

/// A stack's works as plain functions, so that stacks can be listed.
#[derive(Clone, Copy, Debug)]
pub struct Entrant {
    /// Its name and version.
    pub name: &'static str,
    media: fn(u64) -> Sample,
    forward: fn(u64, u64) -> Sample,
    data: fn(usize, u64) -> Sample,
    connect: fn(u64) -> Sample,
    idle: fn(u64) -> Idle,
    round_trips: fn() -> f64,
    openings: fn(u64) -> Openings,
}

impl Entrant {
    /// The works of a stack.
    #[must_use]
    pub fn of<S: Stack>() -> Self {
        Self {
            name: S::NAME,
            media: work::media::<S>,
            forward: work::forward::<S>,
            data: work::data::<S>,
            connect: work::connect::<S>,
            idle: work::idle::<S>,
            round_trips: work::opening_round_trips::<S>,
            openings: work::openings_with_loss::<S>,
        }
    }
}

/// The bare primitives' figures.
#[derive(Default)]
struct Limit {
    packets: bare::Packets,
}

impl Limit {
    fn of(mut work: impl FnMut()) -> Sample {
        let mut contestant: [Contestant<'_>; 1] = [Box::new(|| {
            let (elapsed, _, ()) = time(|| (0..ROUNDS).for_each(|_| work()));
            Sample { value: elapsed.as_secs_f64() / f64::from(ROUNDS), allocations: 0.0 }
        })];
        medians(REPETITIONS, &mut contestant).pop().unwrap_or_default()
    }

    fn media(&mut self) -> Sample {
        let payload = [0x11; 1200];
        scaled(Self::of(|| self.packets.media(&payload)), 1e6)
    }

    fn forward(&mut self) -> Sample {
        let payload = [0x33; 1200];
        scaled(Self::of(|| self.packets.seal(black_box(&payload))), 1e6)
    }

    /// Packets that hold `messages` messages: messages a second, megabytes a second of one.
    fn data(&mut self, messages: usize) -> Sample {
        let payload = [0x22; 1144];
        let message = payload.get(..payload.len() / messages).unwrap_or_default();
        let messages = vec![message; messages];
        let (mut packet, mut out) = (Vec::new(), Vec::new());
        let seconds = Self::of(|| self.packets.data(&messages, &mut packet, &mut out)).value;
        let value = match messages.len() {
            1 => payload.len() as f64 / seconds / 1e6,
            count => count as f64 / seconds,
        };
        Sample { value, allocations: 0.0 }
    }

    fn connect(&self) -> Sample {
        let random = SystemRandom::new();
        let key = bare::signing_key(&random);
        scaled(Self::of(|| bare::handshake(&random, &key)), 1e3)
    }
}

const ROUNDS: u32 = 500;

/// How a figure reads.
#[derive(Clone, Copy)]
enum Show {
    Packet,
    Megabytes,
    Messages,
    Millis,
    Micros,
    Kib,
    RoundTrips,
}

impl Show {
    fn figure(self, sample: Sample) -> String {
        let Sample { value, allocations } = sample;
        match self {
            Self::Packet => format!("{value:.2} µs, {allocations:.1} allocations"),
            Self::Megabytes => format!("{value:.0} MB/s"),
            Self::Messages => format!("{:.0} 000/s", value / 1e3),
            Self::Millis => format!("{value:.2} ms"),
            Self::Micros => format!("{value:.1} µs"),
            Self::Kib => format!("{value:.0} KiB"),
            Self::RoundTrips => format!("{value:.1}"),
        }
    }

    fn more_is_better(self) -> bool {
        matches!(self, Self::Megabytes | Self::Messages)
    }
}

/// Prints rows as they come: a run takes minutes.
struct Table {
    others: usize,
    out: std::io::Stdout,
}

impl Table {
    fn new(entrants: &[Entrant]) -> Self {
        let names: Vec<_> = entrants.iter().map(|entrant| entrant.name).collect();
        let others = entrants.len().saturating_sub(1);
        let mut table = Self { others, out: std::io::stdout() };
        let best = if others > 0 { " ours ÷ best other |" } else { "" };
        table.line(&format!(
            "| work | {} | bare primitives |{best} ours ÷ bare |",
            names.join(" | ")
        ));
        table.line(&format!("|---{}", "|---".repeat(names.len() + 2 + others.min(1))));
        table
    }

    /// `samples` are of the entrants in their order, ours first.
    fn row(&mut self, work: &str, samples: &[Sample], bare: Option<Sample>, show: Show) {
        let mut cells: Vec<_> = samples.iter().map(|&sample| show.figure(sample)).collect();
        cells.push(bare.map_or_else(
            || "–".to_owned(),
            |bare| match show {
                Show::Packet => format!("{:.2} µs", bare.value),
                _ => show.figure(bare),
            },
        ));
        let ours = samples.first().map_or(f64::NAN, |sample| sample.value);
        if self.others > 0 {
            let others = samples.iter().skip(1).map(|sample| sample.value);
            let best = if show.more_is_better() {
                others.fold(f64::NEG_INFINITY, f64::max)
            } else {
                others.fold(f64::INFINITY, f64::min)
            };
            cells.push(format!("{:.2}", ours / best));
        }
        cells.push(bare.map_or_else(|| "–".to_owned(), |bare| format!("{:.2}", ours / bare.value)));
        self.line(&format!("| {work} | {} |", cells.join(" | ")));
    }

    fn openings(&mut self, openings: &[Openings]) {
        let mut cells: Vec<_> = openings
            .iter()
            .map(|opening| {
                let Openings { median, p95, never_percent } = *opening;
                let p95 = if p95.is_finite() { format!("{p95:.1} s") } else { "never".to_owned() };
                format!("{median:.1} s / {p95} / {never_percent:.1} %")
            })
            .collect();
        cells.push("–".to_owned());
        if self.others > 0 {
            let p95 = |opening: &Openings| opening.p95;
            let ours = openings.first().map_or(f64::NAN, p95);
            let best = openings.iter().skip(1).map(p95).fold(f64::INFINITY, f64::min);
            cells.push(format!("{:.2} (95 %)", ours / best));
        }
        cells.push("–".to_owned());
        self.line(&format!(
            "| the same at 100 ms with 5 % loss: median / 95th percentile / never | {} |",
            cells.join(" | ")
        ));
    }

    fn finish(&mut self) {
        self.line("");
        self.line(&format!(
            "Both sides on one thread, packets in memory, medians of {REPETITIONS} interleaved \
             repetitions of one run; the ratios count. The last row is 200 openings."
        ));
    }

    fn line(&mut self, line: &str) {
        // A closed pipe ends the benchmark for the one who closed it.
        let _ = writeln!(self.out, "{line}");
        let _ = self.out.flush();
    }
}
