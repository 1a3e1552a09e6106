//! The grid: flows over paths of every kind.
//!
//! A row is a path. Its figures are those of a flow alone: the goodput in percent of what the path
//! allows, the chunks sent again in percent, and how many milliseconds packets waited in the queue on
//! average; and what a NewReno flow gets that joins another one, in percent of what the path allows.

use super::path::{Loss, Network, Node, OVERHEAD, Path, Queue};
use std::fmt;
use std::time::{Duration, Instant};

/// A cell's path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) rtt_ms: u64,
    /// In parts of a thousand.
    pub(crate) loss: u32,
    pub(crate) bursts: bool,
    pub(crate) mbit: u64,
    pub(crate) queue: Kind,
}

/// A queue's kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A tenth of the path's product, ten packets at least.
    Shallow,
    /// Twice the product, a hundred packets at least.
    Deep,
    CoDel,
}

/// What a cell's flows made of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) goodput: f64,
    pub(crate) repeated: f64,
    pub(crate) wait: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>5.1} {:>5.1} {:>7.1}",
            self.goodput,
            self.repeated,
            self.wait.as_secs_f64() * 1e3
        )
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.queue {
            Kind::Shallow => "shallow",
            Kind::Deep => "deep",
            Kind::CoDel => "codel",
        };
        let loss = f64::from(self.loss) / 10.0;
        let how = if self.bursts { "bursts" } else { "random" };
        write!(f, "{:>4} {:>4} {loss:>4.1} {how:<6} {kind:<7}", self.mbit, self.rtt_ms)
    }
}

impl Cell {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for mbit in [1, 10, 100, 1000] {
            for rtt_ms in [1, 20, 100, 200, 400] {
                for (loss, bursts) in [
                    (0, false),
                    (1, false),
                    (10, false),
                    (50, false),
                    (1, true),
                    (10, true),
                    (50, true),
                ] {
                    for queue in [Kind::Shallow, Kind::Deep, Kind::CoDel] {
                        cells.push(Self { rtt_ms, loss, bursts, mbit, queue });
                    }
                }
            }
        }
        cells
    }

    pub(crate) fn path(&self) -> Path {
        let mut path = Path::new(self.mbit, Duration::from_millis(self.rtt_ms), 100);
        let product = (self.mbit * 125 * self.rtt_ms) as usize;
        let deep = (product * 2).max(100 * 1200);
        path.queue = match self.queue {
            Kind::Shallow => Queue::DropTail((product / 10).max(10 * 1200)),
            Kind::Deep => Queue::DropTail(deep),
            Kind::CoDel => Queue::CoDel(deep),
        };
        let loss = self.loss * 1000;
        path.loss = if self.bursts { Loss::Bursts(loss) } else { Loss::Random(loss) };
        path
    }

    /// How long a flow runs: two hundred round trips, between four and twenty seconds; on the fastest
    /// paths up to ten, of which slow start takes half where the round trip is longest.
    pub(crate) fn time(&self) -> Duration {
        let round_trips = Duration::from_millis(200 * self.rtt_ms);
        let most = if self.mbit >= 1000 { 10 } else { 20 };
        round_trips.clamp(Duration::from_secs(4), Duration::from_secs(most))
    }

    /// Runs one flow; what is left of `rate` after losses and headers is what the path allows.
    pub(crate) fn run<N: Node>(
        &self,
        origin: Instant,
        (sender, receiver): (N, N),
        repeated: impl Fn(&N) -> f64,
    ) -> Figures {
        let path = self.path();
        let mut network = Network::new(origin, path, 7);
        network.add(Duration::ZERO, sender, receiver);
        let time = self.time();
        network.run_until(time);
        Figures {
            goodput: network.receiver(0).received() as f64 * 100.0 / self.allowed(time),
            repeated: repeated(network.sender(0)),
            wait: network.seen.mean_wait(),
        }
    }

    /// Runs two flows, the second from a second after the first on; gives the goodput of the second
    /// since then, in percent of what the path allows one flow.
    pub(crate) fn run_beside<N: Node>(
        &self,
        origin: Instant,
        first: (N, N),
        second: (N, N),
    ) -> f64 {
        let mut network = Network::new(origin, self.path(), 7);
        let apart = Duration::from_secs(1);
        network.add(Duration::ZERO, first.0, first.1);
        network.add(apart, second.0, second.1);
        let time = self.shared_time();
        network.run_until(apart + time);
        network.receiver(1).received() as f64 * 100.0 / self.allowed(time)
    }

    /// How long two flows share the path. A window that grows by a packet in a round trip takes
    /// minutes to what is its own on long and fast paths: what it has after one tells how it fares.
    fn shared_time(&self) -> Duration {
        Duration::from_secs(if self.mbit >= 1000 { 10 } else { 60 })
    }

    /// How many user bytes the path carries in a time, after losses and headers.
    fn allowed(&self, time: Duration) -> f64 {
        self.mbit as f64
            * 125_000.0
            * time.as_secs_f64()
            * (1.0 - f64::from(self.loss) / 1000.0)
            * (PAYLOAD as f64 / (PACKET + OVERHEAD) as f64)
    }
}

/// A full packet, and the user bytes in it.
const PACKET: usize = 1160;
const PAYLOAD: usize = 1128;
