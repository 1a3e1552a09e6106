//! The table of the README, as Markdown.

use std::hint::black_box;
use std::io::Write as _;

use dtls_srtp::dtls::Version;
use ring::rand::SystemRandom;
use rustls::NamedGroup;

use crate::layers::dtls::Stack as _;
use crate::layers::sctp::Checksum;
use crate::layers::{dtls, sctp, sdp};
use crate::measure::{Contestant, Sample, Samples, interleaved, start, time};
use crate::work::{self, Idle, Openings};
use crate::{Stack, bare, stacks};

/// Runs every work on every stack and prints the table to the standard output. With a filter, only
/// the rows whose name contains it.
pub fn print(filter: Option<&str>) {
    let entrants = stacks::entrants();
    let mut table = Table::new(&entrants);
    let mut limit = Limit::default();
    for row in ROWS {
        if filter.is_none_or(|filter| row.name.contains(filter)) {
            let mut contestants: Vec<Contestant<'_>> =
                entrants.iter().map(|entrant| Box::new(|| (row.ours)(entrant)) as _).collect();
            let samples = interleaved(REPETITIONS, &mut contestants);
            table.row(row, &samples, row.bare.map(|bare| bare(&mut limit)));
        }
    }
    if filter.is_none_or(|filter| LOSSY.contains(filter)) {
        let openings: Vec<_> = entrants.iter().map(|entrant| (entrant.openings)(200)).collect();
        table.openings(&openings);
    }
    if filter.is_none_or(|filter| SPED.contains(filter)) {
        let ours = work::opening_round_trips::<stacks::PeerlessSpedX25519>();
        table.ours(SPED, format!("{ours:.2}"), Some((ours, SPED_ROUND_TRIPS)), entrants.len());
        let ours = work::opening_round_trips::<stacks::PeerlessSped>();
        let limit = SPED_ROUND_TRIPS + SECOND_CHECK;
        table.ours(SPED_HYBRID, format!("{ours:.2}"), Some((ours, limit)), entrants.len());
    }
    if filter.is_none_or(|filter| ENDPOINT.contains(filter)) {
        let mut cost = work::EndpointCost::new(10_000, 10);
        let mut ratios: [Contestant<'_>; 1] = [Box::new(move || cost.ratio())];
        let ratio = interleaved(REPETITIONS, &mut ratios).medians().pop().unwrap_or_default();
        table.ours(ENDPOINT, format!("{:.2} ×", ratio.value), None, entrants.len());
    }
    table.finish();
    layers(filter);
}

/// Prints the second table: single layers beside crates that do only that.
fn layers(filter: Option<&str>) {
    let now = start();
    let handshake = dtls::Peerless::new(|config| {
        let config = config.with_versions(Version::Dtls12, Version::Dtls12).expect("it is there");
        config.with_groups(&[NamedGroup::secp256r1]).expect("the default provider has it")
    });
    #[cfg(feature = "peers")]
    let dimpl = dtls::Dimpl::v12_p256();
    let mut rows: Vec<LayerRow<'_>> = vec![
        LayerRow {
            name: "SDP: Chromium's offer read and written",
            show: Show::Micros,
            contestants: vec![
                ("Peerless", each(200, 1e6, sdp::peerless)),
                #[cfg(feature = "peers")]
                ("webrtc-sdp 0.3", each(200, 1e6, sdp::webrtc_sdp)),
            ],
        },
        LayerRow {
            name: "DTLS 1.2 handshake, both sides, P-256",
            show: Show::Micros,
            contestants: vec![
                ("Peerless", each(50, 1e6, || drop(handshake.connected(now)))),
                #[cfg(feature = "peers")]
                ("dimpl 0.9", each(50, 1e6, || drop(dimpl.connected(now)))),
            ],
        },
    ];
    for (name, show, size, messages, factor) in [
        ("SCTP alone, 64 KiB messages", Show::Megabytes, 64 << 10, 1000, 65_536.0 / 1e6),
        ("SCTP alone, 100-byte messages", Show::Messages, 100, 100_000, 1.0),
    ] {
        let run = move |throughput: fn(Checksum, usize, u64) -> Sample| -> Contestant<'_> {
            Box::new(move || scaled(throughput(Checksum::Computed, size, messages), factor))
        };
        rows.push(LayerRow {
            name,
            show,
            contestants: vec![
                ("Peerless", run(sctp::throughput::<sctp::Peerless>)),
                #[cfg(feature = "peers")]
                ("dcsctp 0.1.16", run(sctp::throughput::<sctp::DcSctp>)),
                #[cfg(feature = "peers")]
                ("rtc-sctp 0.21", run(sctp::throughput::<sctp::RtcSctp>)),
                #[cfg(feature = "peers")]
                ("sctp-proto 0.10", run(sctp::throughput::<sctp::SctpProto>)),
            ],
        });
    }
    println!("\n| layer | Peerless | others | ours ÷ best other |\n|---|---|---|---|");
    for LayerRow { name, show, contestants } in rows {
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let (names, mut contestants): (Vec<_>, Vec<_>) = contestants.into_iter().unzip();
        let samples = interleaved(REPETITIONS, &mut contestants);
        let medians = samples.medians();
        let figures: Vec<_> = medians.iter().map(|&sample| show.figure(sample)).collect();
        let others: Vec<_> = names
            .iter()
            .zip(&figures)
            .skip(1)
            .map(|(name, figure)| format!("{figure} ({name})"))
            .collect();
        println!(
            "| {name} | {} | {} | {:.2} |",
            figures.first().map_or("–", String::as_str),
            others.join(", "),
            show.best(&medians).map_or(f64::NAN, |best| samples.ratio(0, best))
        );
    }
}

/// A line of the second table.
struct LayerRow<'a> {
    name: &'static str,
    show: Show,
    contestants: Vec<(&'static str, Contestant<'a>)>,
}

/// The cost of one of `rounds`, in seconds times `factor`.
fn each<'a>(rounds: u32, factor: f64, work: impl Fn() + 'a) -> Contestant<'a> {
    Box::new(move || {
        let (elapsed, _, ()) = time(|| (0..rounds).for_each(|_| work()));
        plain(elapsed.as_secs_f64() * factor / f64::from(rounds))
    })
}

/// A line of the table: how a stack's figure is found, and that of the bare primitives.
struct Row {
    name: &'static str,
    show: Show,
    ours: fn(&Entrant) -> Sample,
    bare: Option<fn(&mut Limit) -> Sample>,
}

const ROWS: &[Row] = &[
    Row {
        name: "media, both sides, per 1200-byte packet",
        show: Show::Packet,
        ours: |entrant| (entrant.media)(5000),
        bare: Some(Limit::media),
    },
    Row {
        name: "SFU, 1 to 50, per forwarded packet",
        show: Show::Packet,
        ours: |entrant| (entrant.forward)(50, 300),
        bare: Some(Limit::forward),
    },
    Row {
        name: "data channel, 64 KiB messages",
        show: Show::Megabytes,
        ours: |entrant| scaled((entrant.data)(64 << 10, 400), 65_536.0 / 1e6),
        bare: Some(|limit| limit.data(1)),
    },
    Row {
        name: "data channel, 100-byte messages",
        show: Show::Messages,
        ours: |entrant| (entrant.data)(100, 50_000),
        bare: Some(|limit| limit.data(11)),
    },
    Row {
        name: "memory of an idle peer (audio, video, one channel, after 10 s)",
        show: Show::Kib,
        ours: |entrant| plain((entrant.idle)(4, 1).heap_bytes / 1024.0),
        bare: None,
    },
    Row {
        name: "processor time to connect a pair (ours: DTLS 1.3, X25519MLKEM768)",
        show: Show::Millis,
        ours: |entrant| (entrant.connect)(20),
        bare: Some(|limit| limit.connect()),
    },
    Row {
        name: "idle processor time per peer and second",
        show: Show::Micros,
        ours: |entrant| plain((entrant.idle)(8, 60).micros_per_second),
        bare: None,
    },
    Row {
        name: "channel open on both sides after the answer is applied, in round trips",
        show: Show::RoundTrips,
        ours: |entrant| plain((entrant.round_trips)()),
        // ICE, one and a half for DTLS 1.3 (two for the others' 1.2), one for SCTP.
        bare: Some(|_| plain(3.5)),
    },
];

const SPED: &str = "channel open without loss, with the handshake in ICE's checks (SPED) and \
                    X25519, in round trips";
const SPED_HYBRID: &str = "the same with X25519MLKEM768: flights of two datagrams";
/// One for ICE and DTLS together, one and a half for SCTP and the channel.
const SPED_ROUND_TRIPS: f64 = 2.5;
/// The second datagram waits for the second check: 5 ms
/// ([RFC 8445 §14.2](https://www.rfc-editor.org/rfc/rfc8445#section-14.2)) of the 100 that a round
/// trip takes here.
const SECOND_CHECK: f64 = 0.05;
const LOSSY: &str = "the same at 100 ms with 5 % loss: median / 95th percentile / never";
const ENDPOINT: &str = "cost per packet in an `Endpoint` of 10 000 connections against one of 10";

fn plain(value: f64) -> Sample {
    Sample { value, allocations: 0.0 }
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
    idle: fn(u64, u64) -> Idle,
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
        interleaved(REPETITIONS, &mut contestant).medians().pop().unwrap_or_default()
    }

    fn media(&mut self) -> Sample {
        let payload = [0x11; work::PAYLOAD];
        scaled(Self::of(|| self.packets.media(&payload)), 1e6)
    }

    fn forward(&mut self) -> Sample {
        let payload = [0x33; work::PAYLOAD];
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
        let group = bare::hybrid();
        scaled(Self::of(|| bare::connect(&random, &key, &group)), 1e3)
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

    /// Which of the others, who stand behind ours, does best.
    fn best(self, medians: &[Sample]) -> Option<usize> {
        let others = medians.iter().enumerate().skip(1);
        let best = match self {
            Self::Megabytes | Self::Messages => others.max_by(by_value),
            _ => others.min_by(by_value),
        };
        best.map(|(index, _)| index)
    }
}

fn by_value(a: &(usize, &Sample), b: &(usize, &Sample)) -> std::cmp::Ordering {
    a.1.value.total_cmp(&b.1.value)
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
        table.line(&format!("|---{}|", "|---".repeat(names.len() + 2 + others.min(1))));
        table
    }

    /// `samples` are of the entrants in their order, ours first.
    fn row(&mut self, row: &Row, samples: &Samples, bare: Option<Sample>) {
        let Row { name, show, .. } = *row;
        let medians = samples.medians();
        let mut cells: Vec<_> = medians.iter().map(|&sample| show.figure(sample)).collect();
        cells.push(bare.map_or_else(
            || "–".to_owned(),
            |bare| match show {
                Show::Packet => format!("{:.2} µs", bare.value),
                _ => show.figure(bare),
            },
        ));
        let ours = medians.first().map_or(f64::NAN, |sample| sample.value);
        if self.others > 0 {
            let ratio = show.best(&medians).map_or(f64::NAN, |best| samples.ratio(0, best));
            cells.push(format!("{ratio:.2}"));
        }
        cells.push(bare.map_or_else(|| "–".to_owned(), |bare| format!("{:.2}", ours / bare.value)));
        self.line(&format!("| {name} | {} |", cells.join(" | ")));
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
        self.line(&format!("| {LOSSY} | {} |", cells.join(" | ")));
    }

    /// A row that the others cannot have, with what is the least by the protocols.
    fn ours(&mut self, name: &str, figure: String, bare: Option<(f64, f64)>, entrants: usize) {
        let none = || "–".to_owned();
        let mut cells = vec![figure];
        cells.resize_with(entrants, none);
        cells.push(bare.map_or_else(none, |(_, least)| format!("{least}")));
        cells.resize_with(entrants + 1 + self.others.min(1), none);
        cells.push(bare.map_or_else(none, |(ours, least)| format!("{:.2}", ours / least)));
        self.line(&format!("| {name} | {} |", cells.join(" | ")));
    }

    fn finish(&mut self) {
        self.line("");
        self.line(&format!(
            "Both sides on one thread, packets in memory, processor time; medians of {REPETITIONS} \
             interleaved repetitions of one run, of the ratios to others too. The ratios count. Openings with loss: 200."
        ));
    }

    fn line(&mut self, line: &str) {
        // A closed pipe ends the benchmark for the one who closed it.
        let _ = writeln!(self.out, "{line}");
        let _ = self.out.flush();
    }
}
