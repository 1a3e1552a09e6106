//! Two engines in virtual time, and the path between them.

use crate::lone::data_of;
use bytes::Bytes;
use peerless_sctp::chunk::ChunkType;
use peerless_sctp::data_channel::Session;
use peerless_sctp::{Association, Config, Event, Outgoing};
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The origin of virtual time.
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// How many seeds a randomised test tries.
#[expect(clippy::disallowed_methods, reason = "tests are scaled from outside")]
pub(crate) fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The five calls.
pub(crate) trait Engine {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Range<usize>>;
    fn poll_timeout(&self) -> Option<Instant>;
}

macro_rules! engine {
    ($kind:ty) => {
        impl Engine for $kind {
            fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
                self.handle_datagram(now, datagram);
            }
            fn handle_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }
            fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Range<usize>> {
                self.poll_transmit(now, buf)
            }
            fn poll_timeout(&self) -> Option<Instant> {
                self.poll_timeout()
            }
        }
    };
}
engine!(Association);
engine!(Session);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    A,
    Z,
}

/// What the path does to packets, the same in both directions.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) delay: Duration,
    /// Up to so much more, by chance: packets overtake each other.
    pub(crate) jitter: Duration,
    /// Chances in 1000.
    pub(crate) loss: u32,
    pub(crate) duplication: u32,
    /// Bytes a second, and the bytes that the queue before it holds.
    pub(crate) rate: Option<(u64, usize)>,
}

impl Default for Link {
    fn default() -> Self {
        Self { delay: ms(10), jitter: Duration::ZERO, loss: 0, duplication: 0, rate: None }
    }
}

/// Decides about a packet: whether it goes on. May change it.
pub(crate) type Filter = Box<dyn FnMut(Side, &mut Vec<u8>) -> bool>;

pub(crate) struct Pair<E> {
    pub(crate) a: E,
    pub(crate) z: E,
    pub(crate) now: Instant,
    pub(crate) link: Link,
    pub(crate) filter: Option<Filter>,
    /// Every packet that was made, by whom.
    pub(crate) log: Option<Vec<(Side, Vec<u8>)>>,
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    under_way: BTreeMap<(Instant, u64), (Side, Vec<u8>)>,
    sequence: u64,
    /// When the link is free again, each way.
    free_at: [Instant; 2],
    rng: ChaCha20Rng,
    buf: Vec<u8>,
    /// Steps since time went on or a packet arrived.
    idle_steps: u32,
}

impl<E: Engine> Pair<E> {
    pub(crate) fn new(start: Instant, a: E, z: E) -> Self {
        Self {
            a,
            z,
            now: start,
            link: Link::default(),
            filter: None,
            log: None,
            sent: 0,
            dropped: 0,
            under_way: BTreeMap::new(),
            sequence: 0,
            free_at: [start; 2],
            rng: ChaCha20Rng::seed_from_u64(1),
            buf: Vec::new(),
            idle_steps: 0,
        }
    }

    pub(crate) fn with_link(mut self, link: Link, seed: u64) -> Self {
        self.link = link;
        self.rng = ChaCha20Rng::seed_from_u64(seed);
        self
    }

    fn chance(&mut self, of_1000: u32) -> bool {
        of_1000 > 0 && self.rng.next_u32() % 1000 < of_1000
    }

    /// Puts a packet on its way from `from`.
    pub(crate) fn carry(&mut self, from: Side, mut packet: Vec<u8>) {
        self.sent += 1;
        if let Some(log) = &mut self.log {
            log.push((from, packet.clone()));
        }
        if let Some(filter) = &mut self.filter
            && !filter(from, &mut packet)
        {
            self.dropped += 1;
            return;
        }
        if self.chance(self.link.loss) {
            self.dropped += 1;
            return;
        }
        let mut leaves = self.now;
        if let Some((rate, queue)) = self.link.rate {
            let free = &mut self.free_at[from as usize];
            let backlog = free.saturating_duration_since(self.now);
            if backlog.as_secs_f64() * rate as f64 > queue as f64 {
                self.dropped += 1;
                return;
            }
            let begins = (*free).max(self.now);
            leaves = begins + Duration::from_nanos(packet.len() as u64 * 1_000_000_000 / rate);
            *free = leaves;
        }
        let copies = if self.chance(self.link.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let jitter = self.link.jitter.as_micros() as u64;
            let jitter = if jitter == 0 { 0 } else { self.rng.next_u64() % jitter };
            let at = leaves + self.link.delay + Duration::from_micros(jitter);
            self.sequence += 1;
            self.under_way.insert((at, self.sequence), (from, packet.clone()));
        }
    }

    /// Polls both sides dry. `poll_timeout` must have said so when there is something to send.
    pub(crate) fn drain(&mut self) {
        for side in [Side::A, Side::Z] {
            loop {
                let timeout = match side {
                    Side::A => self.a.poll_timeout(),
                    Side::Z => self.z.poll_timeout(),
                };
                let mut buf = std::mem::take(&mut self.buf);
                buf.clear();
                let engine = match side {
                    Side::A => &mut self.a,
                    Side::Z => &mut self.z,
                };
                let range = engine.poll_transmit(self.now, &mut buf);
                let packet = range.map(|range| buf[range].to_vec());
                self.buf = buf;
                let Some(packet) = packet else { break };
                assert!(timeout.is_some_and(|at| at <= self.now), "poll_timeout is late");
                assert!(user_data_comes_last(&packet), "RFC 9260 §6.10");
                let numbers: Vec<_> = data_of(&packet).iter().map(|data| data.tsn).collect();
                let in_order = numbers.is_sorted_by(|a, b| b.is_after(*a));
                assert!(in_order, "RFC 9260 §6.10: {numbers:?}");
                self.carry(side, packet);
            }
        }
    }

    /// Goes on to the next thing that happens, not beyond `limit`; gives whether there was one.
    pub(crate) fn step(&mut self, limit: Instant) -> bool {
        self.drain();
        let arrival = self.under_way.keys().next().map(|(at, _)| *at);
        let next =
            [arrival, self.a.poll_timeout(), self.z.poll_timeout()].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= limit) else {
            self.now = limit.max(self.now);
            return false;
        };
        self.idle_steps =
            if next > self.now || arrival == Some(next) { 0 } else { self.idle_steps + 1 };
        assert!(self.idle_steps < 4, "poll_timeout spins");
        self.now = next.max(self.now);
        while let Some(entry) = self.under_way.first_entry()
            && entry.key().0 <= self.now
        {
            let (from, packet) = entry.remove();
            match from {
                Side::A => self.z.handle_datagram(self.now, &packet),
                Side::Z => self.a.handle_datagram(self.now, &packet),
            }
        }
        self.a.handle_timeout(self.now);
        self.z.handle_timeout(self.now);
        true
    }

    /// Lets `time` go by.
    pub(crate) fn run(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
    }

    /// Goes on until `done`, at most for `time`; gives whether it came so far.
    pub(crate) fn run_until(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let limit = self.now + time;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(limit) {
                return done(self);
            }
        }
    }
}

pub(crate) fn seed(number: u64, side: u8) -> [u8; 32] {
    let mut seed = [side; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed
}

/// The settings of RFC 9260 by itself: DATA, not I-DATA.
pub(crate) fn plain() -> Config {
    let mut config = Config::default();
    config.interleaving = false;
    config
}

/// A client and a server, not connected.
pub(crate) fn associations(config: &Config, number: u64) -> Pair<Association> {
    let start = origin();
    Pair::new(
        start,
        Association::client(config.clone(), start, seed(number, 0)),
        Association::server(config.clone(), start, seed(number, 1)),
    )
}

/// A client and a server, connected, with their events read.
pub(crate) fn connected(config: &Config) -> Pair<Association> {
    let mut pair = associations(config, 7);
    pair.run(ms(100));
    assert_eq!(pair.a.poll_event(), Some(Event::Connected));
    assert_eq!(pair.z.poll_event(), Some(Event::Connected));
    pair
}

/// A client and a server that have sent each other a message: the first one is acknowledged without
/// delay (§5.1), all later ones as §6.2 says.
pub(crate) fn acquainted(config: &Config) -> Pair<Association> {
    let mut pair = connected(config);
    for side in [&mut pair.a, &mut pair.z] {
        side.send(pair.now, message(99, 1, 1)).unwrap();
    }
    pair.run(ms(300));
    for side in [&mut pair.a, &mut pair.z] {
        assert!(side.read(99).is_some());
        while side.poll_event().is_some() {}
    }
    pair
}

pub(crate) fn message(stream: u16, len: usize, fill: u8) -> Outgoing {
    Outgoing::new(stream, 53, Bytes::from(vec![fill; len]))
}

/// Whether control chunks precede DATA and I-DATA: receivers may abort where they do not.
fn user_data_comes_last(packet: &[u8]) -> bool {
    let chunks = peerless_sctp::chunk::Chunks::new(&packet[12..]);
    chunks.map(|chunk| matches!(chunk.kind, ChunkType::Data | ChunkType::IData)).is_sorted()
}

/// The names of the chunks in a packet, as in a message chart.
pub(crate) fn chunks(packet: &[u8]) -> String {
    let packet = peerless_sctp::packet::Packet::parse_protected(packet).unwrap();
    let names: Vec<_> = packet.chunks().map(|chunk| format!("{:?}", chunk.kind)).collect();
    names.join(" ")
}

/// The message chart of a pair's log.
pub(crate) fn chart(log: &[(Side, Vec<u8>)]) -> Vec<String> {
    log.iter().map(|(side, packet)| format!("{side:?} {}", chunks(packet))).collect()
}

/// A packet of raw chunks, with a right checksum.
pub(crate) fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88];
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    seal(&mut packet);
    packet
}

/// Computes a packet's checksum anew.
pub(crate) fn seal(packet: &mut [u8]) {
    packet[8..12].fill(0);
    let sum = crc32c::crc32c(packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
}

/// A chunk, padded.
pub(crate) fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend(u16::try_from(value.len() + 4).unwrap().to_be_bytes());
    chunk.extend(value);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// A DATA chunk.
pub(crate) fn data(tsn: u32, stream: u16, ssn: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend(stream.to_be_bytes());
    value.extend(ssn.to_be_bytes());
    value.extend(53_u32.to_be_bytes());
    value.extend(payload);
    chunk(0, flags, &value)
}

/// An I-DATA chunk: the first fragment of its message, or all of it.
pub(crate) fn i_data(tsn: u32, stream: u16, mid: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend(stream.to_be_bytes());
    value.extend([0; 2]);
    value.extend(mid.to_be_bytes());
    value.extend(53_u32.to_be_bytes());
    value.extend(payload);
    chunk(64, flags, &value)
}

/// What a handshake tells one who listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secrets {
    /// The tags that packets to A and to Z carry.
    pub(crate) tag_a: u32,
    pub(crate) tag_z: u32,
    /// The numbers of A's first DATA chunk and of Z's.
    pub(crate) tsn_a: u32,
    pub(crate) tsn_z: u32,
}

/// A connected pair, and what was to be learnt from its packets.
pub(crate) fn overheard(config: &Config) -> (Pair<Association>, Secrets) {
    let mut pair = associations(config, 7);
    pair.log = Some(Vec::new());
    pair.run(ms(100));
    while pair.a.poll_event().is_some() || pair.z.poll_event().is_some() {}
    let log = pair.log.take().unwrap();
    let word =
        |index: usize, at: usize| u32::from_be_bytes(log[index].1[at..at + 4].try_into().unwrap());
    let secrets =
        Secrets { tag_a: word(0, 16), tag_z: word(1, 16), tsn_a: word(0, 28), tsn_z: word(1, 28) };
    (pair, secrets)
}
