//! Messages one way, both sides on one thread, packets in memory.

use std::hint::black_box;

use bytes::Bytes;

use crate::layers::sctp::{Checksum, MTU, Peerless, throughput};
#[cfg(feature = "peers")]
use crate::layers::sctp::{DcSctp, RtcSctp, SctpProto};
use crate::measure::{Contestant, Sample, interleaved, time};

const REPETITIONS: usize = 15;

/// A line: messages of a size, and what ours has to be of the best of the others.
struct Row {
    name: &'static str,
    size: usize,
    messages: u64,
    checksum: Checksum,
    goal: f64,
}

const ROWS: &[Row] = &[
    Row {
        name: "bulk, 1 KiB messages",
        size: 1 << 10,
        messages: 60_000,
        checksum: Checksum::Computed,
        goal: 2.5,
    },
    Row {
        name: "bulk, 16 KiB messages",
        size: 16 << 10,
        messages: 5_000,
        checksum: Checksum::Computed,
        goal: 2.5,
    },
    Row {
        name: "bulk, 256 KiB messages",
        size: 256 << 10,
        messages: 400,
        checksum: Checksum::Computed,
        goal: 2.5,
    },
    Row {
        name: "bulk, 1 KiB messages, zero checksum",
        size: 1 << 10,
        messages: 60_000,
        checksum: Checksum::Omitted,
        goal: 3.5,
    },
    Row {
        name: "bulk, 16 KiB messages, zero checksum",
        size: 16 << 10,
        messages: 5_000,
        checksum: Checksum::Omitted,
        goal: 3.5,
    },
    Row {
        name: "bulk, 256 KiB messages, zero checksum",
        size: 256 << 10,
        messages: 400,
        checksum: Checksum::Omitted,
        goal: 3.5,
    },
    Row {
        name: "100-byte messages",
        size: 100,
        messages: 200_000,
        checksum: Checksum::Computed,
        goal: 2.5,
    },
];

/// What a crate's association does with so many messages of a size.
type Work = fn(Checksum, usize, u64) -> Sample;

/// Another crate.
struct Other {
    name: &'static str,
    work: Work,
    /// It is given so many times less to do, where it is slow.
    less: u64,
    /// Larger messages take it minutes.
    largest: usize,
}

#[cfg(feature = "peers")]
const OTHERS: &[Other] = &[
    Other { name: "rtc-sctp 0.21", work: throughput::<RtcSctp>, less: 1, largest: usize::MAX },
    Other { name: "sctp-proto 0.10", work: throughput::<SctpProto>, less: 10, largest: 16 << 10 },
    Other { name: "dcsctp 0.1.16", work: throughput::<DcSctp>, less: 20, largest: 16 << 10 },
];
#[cfg(not(feature = "peers"))]
const OTHERS: &[Other] = &[];

pub(super) fn print(wanted: impl Fn(&str) -> bool) {
    let rows: Vec<_> = ROWS.iter().filter(|row| wanted(row.name)).collect();
    if rows.is_empty() {
        return;
    }
    println!(
        "| work | ours | allocations per packet | limit | ours ÷ limit | others | ours ÷ best \
         other | goal |\n|---|---|---|---|---|---|---|---|"
    );
    for row in rows {
        println!("{}", row.run());
    }
    println!(
        "\nBoth sides on one thread, packets in memory, processor time; medians of {REPETITIONS} \
         interleaved repetitions, of the ratios too. The limit is three copies, and two sums by the crate crc32c where \
         there are sums. Of the others only dcsctp can leave sums out.\n"
    );
}

impl Row {
    fn run(&self) -> String {
        let Self { name, size, messages, checksum, goal } = *self;
        let run = |work: Work, messages: u64| -> Contestant<'_> {
            Box::new(move || work(checksum, size, messages.max(20)))
        };
        let mut contestants = vec![
            run(throughput::<Peerless>, messages),
            Box::new(move || limit(checksum, size, messages)) as Contestant<'_>,
        ];
        let others: Vec<_> = OTHERS.iter().filter(|other| size <= other.largest).collect();
        contestants.extend(others.iter().map(|other| run(other.work, messages / other.less)));
        let samples = interleaved(REPETITIONS, &mut contestants);
        let medians = samples.medians();
        let [ours, limit, theirs @ ..] = medians.as_slice() else { return String::new() };
        let figure = |sample: &Sample| match size {
            0..1000 => format!("{:.2} M/s", sample.value / 1e6),
            _ => format!("{:.0} MB/s", sample.value * size as f64 / 1e6),
        };
        let best = (2..medians.len()).max_by(|a, b| {
            let value = |index: usize| medians.get(index).map_or(f64::NAN, |sample| sample.value);
            value(*a).total_cmp(&value(*b))
        });
        let others: Vec<_> = others
            .iter()
            .zip(theirs)
            .map(|(other, sample)| format!("{} ({})", figure(sample), other.name))
            .collect();
        let ratio = best.map_or(f64::NAN, |best| samples.ratio(0, best));
        let judged = match ratio.is_nan() {
            true => "–".to_owned(),
            false if ratio >= goal => format!("≥ {goal:.1}, met"),
            false => format!("≥ {goal:.1}, missed"),
        };
        format!(
            "| {name} | {} | {:.3} | {} | {:.2} | {} | {ratio:.2} | {judged} |",
            figure(ours),
            ours.allocations / packets_in(size),
            figure(limit),
            samples.ratio(0, 1),
            others.join(", "),
        )
    }
}

/// How many packets a message takes.
fn packets_in(size: usize) -> f64 {
    if size < PAYLOAD / 2 { size as f64 / PAYLOAD as f64 } else { size.div_ceil(PAYLOAD) as f64 }
}

/// User bytes in a full packet, with I-DATA's header.
const PAYLOAD: usize = MTU - HEADER;
const HEADER: usize = 32;

/// Packets made, carried and taken apart by nobody: the copies, and the sums.
fn limit(checksum: Checksum, size: usize, messages: u64) -> Sample {
    let sum = |bytes: &[u8]| {
        if checksum == Checksum::Computed {
            black_box(crc32c::crc32c(bytes));
        }
    };
    let message = Bytes::from(vec![0x55; size]);
    let piece = message.get(..size.min(PAYLOAD)).unwrap_or_default();
    let in_a_packet = (PAYLOAD / size).max(1);
    let packets = messages as f64 * packets_in(size);
    let (mut sent, mut carried, mut received) = (Vec::new(), Vec::new(), Vec::new());
    let (elapsed, _, ()) = time(|| {
        for _ in 0..packets as u64 {
            sent.clear();
            sent.extend_from_slice(&[0; HEADER]);
            for _ in 0..in_a_packet {
                sent.extend_from_slice(black_box(piece));
            }
            sum(&sent);
            carried.clear();
            carried.extend_from_slice(&sent);
            sum(&carried);
            received.clear();
            received.extend_from_slice(carried.get(HEADER..).unwrap_or_default());
            black_box(&received);
        }
    });
    Sample { value: messages as f64 / elapsed.as_secs_f64(), allocations: 0.0 }
}
