//! A bottleneck in virtual time, and flows of bulk data through it.
//!
//! The cells of the grid, the goals for throughput and those for fairness run here; the benches give
//! other crates' associations the same. A flow is a sender and a receiver of one association. All
//! flows share one link in the direction of the data: a queue, a rate, losses, and then a delay.
//! SACKs go back over the same delay and losses, but find no queue.

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// What a flow's ends can do.
pub(crate) trait Node {
    /// Takes a packet.
    fn handle(&mut self, now: Instant, packet: &[u8]);
    /// Lets timers fire.
    fn handle_timeout(&mut self, now: Instant);
    /// When to be called.
    fn poll_timeout(&mut self) -> Option<Instant>;
    /// Sends and reads what can be; gives each packet to `emit`.
    fn run(&mut self, now: Instant, emit: &mut dyn FnMut(&[u8]));
    /// User bytes read so far.
    fn received(&self) -> u64;
}

/// How packets are lost by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// Each by itself, in parts of a million.
    Random(u32),
    /// In runs of eight on average, the same share in all.
    Bursts(u32),
}

/// What becomes of packets that wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Queue {
    /// So many bytes, the rest is dropped.
    DropTail(usize),
    /// [RFC 8289](https://www.rfc-editor.org/rfc/rfc8289), at most so many bytes.
    CoDel(usize),
}

/// The link that all flows share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// Half the round trip.
    pub(crate) delay: Duration,
    /// Bytes a second; `None` for any number.
    pub(crate) rate: Option<u64>,
    pub(crate) queue: Queue,
    pub(crate) loss: Loss,
}

impl Path {
    /// A path of `mbit` Mbit/s and `rtt`, with a queue of so many percent of its product.
    pub(crate) fn new(mbit: u64, rtt: Duration, queue_percent: u64) -> Self {
        let rate = mbit * 125_000;
        let product = rate as u128 * rtt.as_micros() / 1_000_000;
        let queue = (product * u128::from(queue_percent) / 100).max(10 * 1200) as usize;
        Self {
            delay: rtt / 2,
            rate: Some(rate),
            queue: Queue::DropTail(queue),
            loss: Loss::Random(0),
        }
    }
}

/// What lies around an SCTP packet on the wire: a DTLS record, UDP payloads of 1200 bytes in all.
pub(crate) const OVERHEAD: usize = 40;

/// What the link has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) packets: u64,
    /// Dropped by the queue.
    pub(crate) overflowed: u64,
    /// Lost by chance.
    pub(crate) lost: u64,
    /// How long each packet waited.
    waits: Vec<u32>,
}

impl Seen {
    /// The mean time in the queue.
    pub(crate) fn mean_wait(&self) -> Duration {
        let sum: u64 = self.waits.iter().map(|wait| u64::from(*wait)).sum();
        Duration::from_micros(sum / (self.waits.len() as u64).max(1))
    }
}

enum Event {
    /// A packet arrives at a node.
    Arrive(usize, Vec<u8>),
    /// The link is free for the next packet.
    Serve,
    /// A node wants to be called.
    Wake(usize),
}

struct Waiting {
    to: usize,
    at: u64,
    packet: Vec<u8>,
}

#[derive(Default)]
struct CoDel {
    above_since: Option<u64>,
    dropping: bool,
    next: u64,
    count: u32,
}

/// The flows and the link between them.
pub(crate) struct Network<N> {
    origin: Instant,
    now: u64,
    path: Path,
    /// Senders at even indexes, each with its receiver behind it.
    nodes: Vec<N>,
    starts: Vec<u64>,
    wakes: Vec<Option<u64>>,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    slots: Vec<Option<Event>>,
    free: Vec<usize>,
    sequence: u64,
    waiting: VecDeque<Waiting>,
    queued: usize,
    busy: bool,
    codel: CoDel,
    bad: bool,
    rng: ChaCha20Rng,
    pool: Vec<Vec<u8>>,
    outbox: Vec<Vec<u8>>,
    pub(crate) seen: Seen,
}

impl<N: Node> Network<N> {
    pub(crate) fn new(origin: Instant, path: Path, seed: u64) -> Self {
        Self {
            origin,
            now: 0,
            path,
            nodes: Vec::new(),
            starts: Vec::new(),
            wakes: Vec::new(),
            events: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            waiting: VecDeque::new(),
            queued: 0,
            busy: false,
            codel: CoDel::default(),
            bad: false,
            rng: ChaCha20Rng::seed_from_u64(seed),
            pool: Vec::new(),
            outbox: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// Adds a flow that begins after `start`.
    pub(crate) fn add(&mut self, start: Duration, sender: N, receiver: N) {
        for node in [sender, receiver] {
            self.nodes.push(node);
            self.wakes.push(None);
            let at = start.as_nanos() as u64;
            self.starts.push(at);
            self.schedule(at, Event::Wake(self.nodes.len() - 1));
        }
    }

    pub(crate) fn sender(&self, flow: usize) -> &N {
        &self.nodes[2 * flow]
    }

    pub(crate) fn receiver(&self, flow: usize) -> &N {
        &self.nodes[2 * flow + 1]
    }

    /// Both ends of a flow, and the time.
    pub(crate) fn flow_mut(&mut self, flow: usize) -> (Instant, [&mut N; 2]) {
        let now = self.instant();
        let [sender, receiver] =
            self.nodes.get_disjoint_mut([2 * flow, 2 * flow + 1]).expect("a flow's ends");
        (now, [sender, receiver])
    }

    fn schedule(&mut self, at: u64, event: Event) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(event);
                slot
            }
            None => {
                self.slots.push(Some(event));
                self.slots.len() - 1
            }
        };
        self.sequence += 1;
        // The order of events of one instant is that in which they were scheduled.
        let key = (self.sequence << 24) | slot as u64;
        self.events.push(Reverse((at, key)));
    }

    fn instant(&self) -> Instant {
        self.origin + Duration::from_nanos(self.now)
    }

    /// Lets virtual time go on until `time` after the beginning.
    pub(crate) fn run_until(&mut self, time: Duration) {
        let limit = time.as_nanos() as u64;
        while let Some(&Reverse((at, key))) = self.events.peek() {
            if at > limit {
                break;
            }
            self.events.pop();
            let slot = (key & 0xff_ffff) as usize;
            self.free.push(slot);
            let Some(event) = self.slots[slot].take() else { continue };
            self.now = at;
            match event {
                Event::Arrive(node, packet) => {
                    let now = self.instant();
                    self.nodes[node].handle(now, &packet);
                    self.pool.push(packet);
                    self.poll(node);
                }
                Event::Wake(node) => {
                    if self.wakes[node].is_none_or(|wake| wake == at) {
                        self.wakes[node] = None;
                        let now = self.instant();
                        self.nodes[node].handle_timeout(now);
                        self.poll(node);
                    }
                }
                Event::Serve => self.serve(),
            }
        }
        self.now = limit;
    }

    fn poll(&mut self, node: usize) {
        if self.now < self.starts[node] {
            return;
        }
        let now = self.instant();
        let (pool, outbox) = (&mut self.pool, &mut self.outbox);
        self.nodes[node].run(now, &mut |packet| {
            let mut copy = pool.pop().unwrap_or_default();
            copy.clear();
            copy.extend_from_slice(packet);
            outbox.push(copy);
        });
        let mut outbox = std::mem::take(&mut self.outbox);
        for packet in outbox.drain(..) {
            if node.is_multiple_of(2) {
                self.enqueue(node + 1, packet)
            } else {
                self.fly(node - 1, packet)
            }
        }
        self.outbox = outbox;
        let wake = self.nodes[node].poll_timeout();
        if let Some(wake) = wake {
            let at =
                (wake.saturating_duration_since(self.origin).as_nanos() as u64).max(self.now + 1);
            if self.wakes[node].is_none_or(|known| at < known || known <= self.now) {
                self.wakes[node] = Some(at);
                self.schedule(at, Event::Wake(node));
            }
        }
    }

    /// Whether chance takes this packet.
    fn is_lost(&mut self) -> bool {
        match self.path.loss {
            Loss::Random(0) | Loss::Bursts(0) => false,
            Loss::Random(share) => self.rng.next_u32() % 1_000_000 < share,
            Loss::Bursts(share) => {
                // Leaves a run with one chance in eight, and enters one so often that the share
                // comes out.
                let chance = self.rng.next_u32() % 1_000_000;
                if self.bad {
                    self.bad = chance >= 125_000;
                } else {
                    self.bad = chance < share / 8;
                }
                self.bad
            }
        }
    }

    /// The packet has left the link, or needs none.
    fn fly(&mut self, to: usize, packet: Vec<u8>) {
        if self.is_lost() {
            self.seen.lost += 1;
            self.pool.push(packet);
            return;
        }
        let at = self.now + self.path.delay.as_nanos() as u64;
        self.schedule(at, Event::Arrive(to, packet));
    }

    fn enqueue(&mut self, to: usize, packet: Vec<u8>) {
        self.seen.packets += 1;
        if self.path.rate.is_none() {
            return self.fly(to, packet);
        }
        let len = packet.len() + OVERHEAD;
        let (Queue::DropTail(limit) | Queue::CoDel(limit)) = self.path.queue;
        if self.queued + len > limit {
            self.seen.overflowed += 1;
            self.pool.push(packet);
            return;
        }
        self.queued += len;
        self.waiting.push_back(Waiting { to, at: self.now, packet });
        if !self.busy {
            self.serve();
        }
    }

    fn serve(&mut self) {
        self.busy = false;
        while let Some(waiting) = self.waiting.pop_front() {
            let len = waiting.packet.len() + OVERHEAD;
            self.queued -= len;
            let wait = self.now - waiting.at;
            if matches!(self.path.queue, Queue::CoDel(_)) && self.codel_drops(wait) {
                self.seen.overflowed += 1;
                self.pool.push(waiting.packet);
                continue;
            }
            self.seen.waits.push((wait / 1000).min(u64::from(u32::MAX)) as u32);
            let rate = self.path.rate.unwrap_or(u64::MAX).max(1);
            let time = len as u64 * 1_000_000_000 / rate;
            self.busy = true;
            self.schedule(self.now + time, Event::Serve);
            // It arrives when its last bit does.
            let now = self.now;
            self.now += time;
            self.fly(waiting.to, waiting.packet);
            self.now = now;
            return;
        }
    }

    /// RFC 8289 §5, with a target of 5 ms and an interval of 100 ms.
    fn codel_drops(&mut self, wait: u64) -> bool {
        const TARGET: u64 = 5_000_000;
        const INTERVAL: u64 = 100_000_000;
        let codel = &mut self.codel;
        if wait < TARGET || self.queued < 1500 {
            codel.above_since = None;
            codel.dropping = false;
            return false;
        }
        let since = *codel.above_since.get_or_insert(self.now);
        if codel.dropping {
            if self.now < codel.next {
                return false;
            }
            codel.count += 1;
        } else {
            if self.now < since + INTERVAL {
                return false;
            }
            codel.dropping = true;
            let recent = self.now < codel.next + 8 * INTERVAL;
            codel.count = if recent && codel.count > 2 { codel.count - 2 } else { 1 };
            codel.next = self.now;
        }
        codel.next += (INTERVAL as f64 / f64::from(codel.count).sqrt()) as u64;
        true
    }
}
