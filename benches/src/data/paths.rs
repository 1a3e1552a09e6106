//! A bulk transfer over paths in virtual time: what is delivered, and what is sent twice.

#[allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "the crate's own simulator, of which not all is used, written for its tests"
)]
#[path = "../../../sctp/tests/path/mod.rs"]
mod path;

#[allow(dead_code, reason = "its tests use all of it")]
#[path = "../../../sctp/tests/path/grid.rs"]
mod cells;

use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp::chunk::{ChunkType, Chunks};
use sctp::{Config, CongestionControl};

use self::cells::{Cell, Figures};
use self::path::{Loss, Network, Node, Path};
use crate::layers::sctp::{Association, Checksum, Peerless};
#[cfg(feature = "peers")]
use crate::layers::sctp::{DcSctp, RtcSctp, SctpProto};
use crate::link::Outbox;
use crate::measure::start;

/// An end of a flow: sends for ever, or reads all that comes.
struct End<A> {
    association: A,
    message: Option<Bytes>,
    outbox: Outbox,
    chunks: Chunked,
}

/// The DATA chunks that have left, told from the packets alone, so that it holds for any crate.
#[derive(Default)]
struct Chunked {
    sent: u64,
    again: u64,
    newest: Option<sctp::Tsn>,
}

impl Chunked {
    fn note(&mut self, packet: &[u8]) {
        for chunk in Chunks::new(packet.get(sctp::packet::HEADER_LEN..).unwrap_or_default()) {
            let (ChunkType::Data | ChunkType::IData) = chunk.kind else { continue };
            let Some(tsn) = chunk.value.first_chunk::<4>() else { continue };
            let tsn = sctp::Tsn(u32::from_be_bytes(*tsn));
            self.sent += 1;
            if self.newest.is_some_and(|newest| !tsn.is_after(newest)) {
                self.again += 1;
            } else {
                self.newest = Some(tsn);
            }
        }
    }

    /// In percent of the chunks that were sent once.
    fn repeated(&self) -> f64 {
        self.again as f64 * 100.0 / ((self.sent - self.again) as f64).max(1.0)
    }
}

impl<A: Association> End<A> {
    fn flow(origin: Instant) -> (Self, Self) {
        Self::around(A::pair(origin, Checksum::Computed))
    }

    fn around((sender, receiver): (A, A)) -> (Self, Self) {
        let end = |association, message| Self {
            association,
            message,
            outbox: Outbox::default(),
            chunks: Chunked::default(),
        };
        (end(sender, Some(Bytes::from(vec![0x55; MESSAGE]))), end(receiver, None))
    }
}

const MESSAGE: usize = 16 << 10;

impl<A: Association> Node for End<A> {
    fn handle(&mut self, now: Instant, packet: &[u8]) {
        self.association.handle(now, packet);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.association.poll_timeout()
    }

    fn run(&mut self, now: Instant, emit: &mut dyn FnMut(&[u8])) {
        loop {
            if let Some(message) = &self.message {
                while self.association.send(now, message) {}
            }
            self.association.drain(now, &mut self.outbox);
            if self.outbox.is_empty() {
                return;
            }
            while let Some(packet) = self.outbox.pop() {
                self.chunks.note(&packet);
                emit(&packet);
                self.outbox.recycle(packet);
            }
        }
    }

    fn received(&self) -> u64 {
        self.association.received() * MESSAGE as u64
    }
}

/// A path, how long it is used, and what ours has to deliver in Mbit/s and may repeat in percent.
struct Row {
    name: &'static str,
    mbit: Option<u64>,
    rtt: Duration,
    loss_per_mille: u32,
    seconds: u64,
    goal: f64,
    repeated: f64,
}

/// The handshake and slow start, which are not measured.
const BEGINNING: Duration = Duration::from_secs(2);

const ROWS: &[Row] = &[
    Row {
        name: "path of 100 Mbit/s, 50 ms, no loss",
        mbit: Some(100),
        rtt: Duration::from_millis(50),
        loss_per_mille: 0,
        seconds: 20,
        goal: 93.0,
        repeated: 1.5,
    },
    Row {
        name: "path of 100 Mbit/s, 50 ms, 0.1 % lost",
        mbit: Some(100),
        rtt: Duration::from_millis(50),
        loss_per_mille: 1,
        seconds: 20,
        goal: 90.0,
        repeated: 1.5,
    },
    Row {
        name: "path of 100 Mbit/s, 50 ms, 1 % lost",
        mbit: Some(100),
        rtt: Duration::from_millis(50),
        loss_per_mille: 10,
        seconds: 20,
        goal: 80.0,
        repeated: 1.5,
    },
    Row {
        name: "path of 100 Mbit/s, 200 ms, 1 % lost",
        mbit: Some(100),
        rtt: Duration::from_millis(200),
        loss_per_mille: 10,
        seconds: 20,
        goal: 60.0,
        repeated: 1.5,
    },
    Row {
        name: "path of any rate, 50 ms, no loss",
        mbit: None,
        rtt: Duration::from_millis(50),
        loss_per_mille: 0,
        seconds: 5,
        goal: 2000.0,
        repeated: 1.5,
    },
    Row {
        name: "path of any rate, 50 ms, 1 % lost",
        mbit: None,
        rtt: Duration::from_millis(50),
        loss_per_mille: 10,
        seconds: 5,
        goal: 400.0,
        repeated: 1.5,
    },
];

impl Row {
    /// Mbit/s and percent sent again.
    fn run<A: Association>(&self) -> (f64, f64) {
        let mut path = Path::new(self.mbit.unwrap_or(100), self.rtt, 100);
        if self.mbit.is_none() {
            path.rate = None;
        }
        path.loss = Loss::Random(self.loss_per_mille * 1000);
        let origin = start();
        let mut network = Network::new(origin, path, 7);
        let (sender, receiver) = End::<A>::flow(origin);
        network.add(Duration::ZERO, sender, receiver);
        network.run_until(BEGINNING);
        let before = network.receiver(0).received();
        network.run_until(BEGINNING + Duration::from_secs(self.seconds));
        let read = network.receiver(0).received() - before;
        let mbit = read as f64 * 8.0 / 1e6 / self.seconds as f64;
        (mbit, network.sender(0).chunks.repeated())
    }
}

pub(super) fn print(wanted: impl Fn(&str) -> bool) {
    let rows: Vec<_> = ROWS.iter().filter(|row| wanted(row.name)).collect();
    if !rows.is_empty() {
        println!("| work | ours | goal | others |\n|---|---|---|---|");
        for row in rows {
            println!("{}", line(row));
        }
        println!(
            "\nOne flow of 16 KiB messages in virtual time, a drop-tail queue of one \
             bandwidth-delay product: what is read after the first two seconds, and the chunks sent \
             again since the beginning. Of 100 Mbit/s, headers leave 94.\n"
        );
    }
    if wanted(GRID) {
        print_grid();
    }
}

fn line(row: &Row) -> String {
    let figure = |(mbit, again): (f64, f64)| format!("{mbit:.1} Mbit/s, {again:.2} % again");
    let ours = row.run::<Peerless>();
    let met = ours.0 >= row.goal && ours.1 <= row.repeated;
    #[cfg(feature = "peers")]
    let others = [
        ("rtc-sctp", row.run::<RtcSctp>()),
        ("sctp-proto", row.run::<SctpProto>()),
        ("dcsctp", row.run::<DcSctp>()),
    ];
    #[cfg(not(feature = "peers"))]
    let others: [(&str, (f64, f64)); 0] = [];
    let others: Vec<_> =
        others.iter().map(|(name, run)| format!("{} ({name})", figure(*run))).collect();
    format!(
        "| {} | {} | ≥ {:.0}, ≤ {:.1} %, {} | {} |",
        row.name,
        figure(ours),
        row.goal,
        row.repeated,
        if met { "met" } else { "missed" },
        others.join(", ")
    )
}

const GRID: &str = "grid";

/// A sample of the grid's cells, beside others, and how flows of ours share the path.
fn print_grid() {
    println!(
        "| {GRID}: Mbit/s, ms, loss, queue | ours: %, again, wait | one of two of ours, % | NewReno \
         beside ours, % | others |\n|---|---|---|---|---|"
    );
    let cells = Cell::all();
    for cell in cells.iter().filter(|cell| (10..=100).contains(&cell.mbit)).step_by(19) {
        let ours = run::<Peerless>(cell);
        #[cfg(feature = "peers")]
        let others = [
            ("rtc-sctp", run::<RtcSctp>(cell)),
            ("sctp-proto", run::<SctpProto>(cell)),
            ("dcsctp", run::<DcSctp>(cell)),
        ];
        #[cfg(not(feature = "peers"))]
        let others: [(&str, Figures); 0] = [];
        let others: Vec<_> =
            others.iter().map(|(name, figures)| format!("{figures} ({name})")).collect();
        let [twin, reno] = [CongestionControl::Bbr, CongestionControl::NewReno]
            .map(|neighbour| neighbours_share(cell, neighbour));
        println!("| {cell} | {ours} | {twin:.0} | {reno:.0} | {} |", others.join(", "));
    }
    println!(
        "\nThe figures of a cell: goodput in percent of what the path allows, chunks sent again in \
         percent, milliseconds in the queue. Shares are of what two flows deliver together that \
         begin a second apart, the second one's.\n"
    );
}

fn run<A: Association>(cell: &Cell) -> Figures {
    let origin = start();
    cell.run(origin, End::<A>::flow(origin), |sender| sender.chunks.repeated())
}

/// What a flow gets that begins a second after one of ours, in percent of what both get.
fn neighbours_share(cell: &Cell, congestion_control: CongestionControl) -> f64 {
    let origin = start();
    let mut network = Network::new(origin, cell.path(), 7);
    for (number, control) in [(0, CongestionControl::Bbr), (1, congestion_control)] {
        let mut config = Config::default();
        config.congestion_control = control;
        let (sender, receiver) = End::around(Peerless::pair_of(&config, origin, number));
        network.add(Duration::from_secs(u64::from(number)), sender, receiver);
    }
    network.run_until(cell.time() + Duration::from_secs(20));
    let [first, second] = [0, 1].map(|flow| network.receiver(flow).received() as f64);
    second * 100.0 / (first + second).max(1.0)
}
