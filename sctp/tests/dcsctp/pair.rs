//! An association of ours and one of dcsctp's, and the link between them.

use crate::messages::Messages;
use bytes::Bytes;
use dcsctp::api::{
    DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketState, SocketTime,
    StreamId,
};
use peerless_sctp::chunk::data::Data;
use peerless_sctp::chunk::{Chunk, ChunkType, Chunks};
use peerless_sctp::{Association, Config, Event, Order, Outgoing, Reliability};
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long anything may take, in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many seeds a randomised test tries.
#[expect(clippy::disallowed_methods, reason = "tests are scaled from outside")]
pub(crate) fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Who sends an INIT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Begins {
    We,
    They,
    /// As WebRTC has it: the INITs cross.
    Both,
}

pub(crate) const EACH: [Begins; 3] = [Begins::We, Begins::They, Begins::Both];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Ours,
    Theirs,
}

pub(crate) const SIDES: [Side; 2] = [Side::Ours, Side::Theirs];

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }
}

/// What the link does to packets, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) delay: Duration,
    /// Up to so much more, by chance: packets overtake each other.
    pub(crate) jitter: Duration,
    pub(crate) loss_percent: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { delay: ms(20), jitter: Duration::ZERO, loss_percent: 0 }
    }
}

impl Link {
    pub(crate) const fn lossy(loss_percent: u32) -> Self {
        Self { delay: ms(20), jitter: ms(15), loss_percent }
    }
}

pub(crate) struct Pair {
    pub(crate) ours: Association,
    pub(crate) theirs: Box<dyn DcSctpSocket>,
    pub(crate) now: Instant,
    pub(crate) link: Link,
    /// What is to be read and what has left aside.
    pub(crate) our_events: Vec<Event>,
    /// So here, and packets.
    pub(crate) their_events: Vec<SocketEvent>,
    /// Every packet that was made, by whom.
    pub(crate) log: Vec<(Side, Vec<u8>)>,
    pub(crate) rng: ChaCha20Rng,
    origin: Instant,
    /// Of each side.
    messages: [Messages; 2],
    under_way: BTreeMap<(Instant, u64), (Side, Vec<u8>)>,
    sequence: u64,
    idle_steps: u32,
    what: String,
}

impl Pair {
    /// Two that have begun. What a failure is told with has the seed.
    pub(crate) fn new(
        begins: Begins,
        config: &Config,
        options: &Options,
        link: Link,
        seed: u64,
    ) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
        let origin = Instant::now();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        // A thread has one of these, and each test its thread.
        fastrand::seed(seed);
        let mut ours = Association::server(config.clone(), origin, rng.random());
        let mut theirs = dcsctp::new_socket("test", options);
        if begins != Begins::They {
            ours.connect(origin, Duration::ZERO);
        }
        if begins != Begins::We {
            theirs.connect();
        }
        Self {
            ours,
            theirs,
            now: origin,
            link,
            our_events: Vec::new(),
            their_events: Vec::new(),
            log: Vec::new(),
            rng,
            origin,
            messages: [Messages::default(), Messages::default()],
            under_way: BTreeMap::new(),
            sequence: 0,
            idle_steps: 0,
            what: format!("{begins:?}, {link:?}, seed {seed}"),
        }
    }

    /// Two that are connected, over a link that does nothing to packets.
    pub(crate) fn connected(begins: Begins, config: &Config, options: &Options) -> Self {
        let mut pair = Self::new(begins, config, options, Link::default(), 1);
        pair.connect();
        pair
    }

    pub(crate) fn connect(&mut self) {
        self.until("the handshake", |pair| {
            pair.our_events.contains(&Event::Connected)
                && pair.theirs.state() == SocketState::Connected
        });
    }

    /// Whether a side can give up a message by its lifetime while some of it waits to leave.
    ///
    /// dcsctp 0.1.16 cannot, but among unordered messages in I-DATA chunks. From a message that expires
    /// when some of it has left it throws away the rest and begins another
    /// (`get_stream_to_produce_from`). If what has left arrived, no FORWARD TSN ever skips it, and the
    /// stream waits for its end. If it was lost, dcsctp takes a number for the end that is missing
    /// (`abandon_all_for`), which may by then lie between two DATA chunks of a reliable message, whose
    /// numbers "MUST be strictly sequential" (RFC 9260 §6.9): nobody can put that together.
    pub(crate) fn has_lifetimes(&self, side: Side, order: Order) -> bool {
        side == Side::Ours || (self.ours.interleaves() && order == Order::Unordered)
    }

    /// Sends a message.
    pub(crate) fn send(
        &mut self,
        side: Side,
        stream: u16,
        len: usize,
        order: Order,
        reliability: Reliability,
    ) {
        let messages = &mut self.messages[side as usize];
        let (number, payload) = messages.send(stream, len, order, reliability);
        match side {
            Side::Ours => {
                let mut message = Outgoing::new(stream, number, Bytes::from(payload));
                message.order = order;
                message.reliability = reliability;
                self.ours.send(self.now, message).unwrap();
            }
            Side::Theirs => {
                let mut options =
                    SendOptions { unordered: order == Order::Unordered, ..Default::default() };
                match reliability {
                    Reliability::MaxRetransmits(count) => options.max_retransmissions = Some(count),
                    Reliability::MaxPacketLifeTime(time) => options.lifetime = Some(time),
                    _ => {}
                }
                let message = Message::new(StreamId(stream), PpId(number), payload);
                self.theirs.send(message, &options).unwrap();
            }
        }
    }

    /// Sends a message, ordered and reliable.
    pub(crate) fn say(&mut self, side: Side, stream: u16, len: usize) {
        self.send(side, stream, len, Order::Ordered, Reliability::Reliable);
    }

    /// Takes all that both sides have to say, and puts packets on their way.
    fn drain(&mut self) {
        let mut buf = Vec::new();
        while self.ours.poll_transmit(self.now, &mut buf).is_some() {
            self.carry(Side::Ours, std::mem::take(&mut buf));
        }
        while let Some(event) = self.ours.poll_event() {
            if let Event::Readable(stream) = event {
                while let Some(message) = self.ours.read(stream) {
                    self.messages[Side::Theirs as usize].hear(
                        &self.what,
                        stream,
                        message.ppid,
                        &message.payload,
                    );
                }
            } else if !matches!(event, Event::BufferedAmountLow(_)) {
                self.our_events.push(event);
            }
        }
        while let Some(event) = self.theirs.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => self.carry(Side::Theirs, packet),
                SocketEvent::OnBufferedAmountLow(_) => {}
                event => self.their_events.push(event),
            }
        }
        while let Some(message) = self.theirs.get_next_message() {
            let Message { stream_id, ppid, payload } = message;
            self.messages[Side::Ours as usize].hear(&self.what, stream_id.0, ppid.0, &payload);
        }
    }

    fn carry(&mut self, from: Side, packet: Vec<u8>) {
        self.log.push((from, packet.clone()));
        if self.rng.random_ratio(self.link.loss_percent, 100) {
            return;
        }
        let jitter = self.link.jitter.as_micros() as u64;
        let jitter = Duration::from_micros(self.rng.random_range(0..=jitter));
        self.sequence += 1;
        let at = self.now + self.link.delay + jitter;
        self.under_way.insert((at, self.sequence), (from, packet));
    }

    fn their_timeout(&self) -> Option<Instant> {
        let at = self.theirs.poll_timeout();
        (at != SocketTime::infinite_future()).then(|| self.origin + (at - SocketTime::zero()))
    }

    /// Goes on to the next thing that happens, not beyond `limit`; gives whether there was one.
    fn step(&mut self, limit: Instant) -> bool {
        self.drain();
        let arrival = self.under_way.keys().next().map(|(at, _)| *at);
        let next = [arrival, self.ours.poll_timeout(), self.their_timeout()];
        let next = next.into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= limit) else {
            self.now = limit.max(self.now);
            return false;
        };
        let idle = next <= self.now && arrival != Some(next);
        self.idle_steps = if idle { self.idle_steps + 1 } else { 0 };
        assert!(self.idle_steps < 10, "{}: a timeout spins", self.what);
        self.now = next.max(self.now);
        self.theirs.advance_time(SocketTime::zero() + (self.now - self.origin));
        while let Some(entry) = self.under_way.first_entry()
            && entry.key().0 <= self.now
        {
            let (from, packet) = entry.remove();
            match from {
                Side::Ours => self.theirs.handle_input(&packet),
                Side::Theirs => self.ours.handle_datagram(self.now, &packet),
            }
            // dcsctp forgets with the association what was not read of it.
            self.drain();
        }
        self.ours.handle_timeout(self.now);
        true
    }

    /// Lets `time` go by.
    pub(crate) fn run(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
        self.theirs.advance_time(SocketTime::zero() + (self.now - self.origin));
        self.drain();
    }

    /// Goes on until `done`.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let limit = self.now + PATIENCE;
        loop {
            self.drain();
            if done(self) {
                return;
            }
            let (our_events, their_events) = (&self.our_events, &self.their_events);
            assert!(
                self.now < limit,
                "{what} did not happen: {}, {our_events:?}, {their_events:?}, missing {:?}, {:?}",
                self.what,
                SIDES.map(|side| self.of(side).missing()),
                self.ours.stats()
            );
            self.step(limit);
        }
    }

    /// Whether nothing of either side is under way any more.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ours.total_buffered_amount() == 0
            && self.theirs.get_metrics().is_some_and(|metrics| metrics.unack_data_count == 0)
    }

    /// Goes on until all that was sent has arrived or was given up.
    pub(crate) fn settle(&mut self) {
        // What is given up may have to be skipped first, and dcsctp does not count that.
        self.until("the end of all messages", |pair| {
            pair.is_quiet() && SIDES.iter().all(|side| pair.of(*side).missing().is_empty())
        });
        self.check();
    }

    /// Each reliable message came once, any other once at most, and the ordered ones of a stream in
    /// their order. What came is as it was sent: that was looked at when it came.
    pub(crate) fn check(&self) {
        self.check_what_came();
        for side in SIDES {
            let missing = self.of(side).missing();
            assert!(missing.is_empty(), "{}: {side:?} was not heard: {missing:?}", self.what);
        }
    }

    /// As [`Self::check`], where an end may have come before some messages.
    pub(crate) fn check_what_came(&self) {
        SIDES.iter().for_each(|side| self.of(*side).check_what_came(&self.what));
    }

    /// The messages of a side.
    pub(crate) const fn of(&self, side: Side) -> &Messages {
        &self.messages[side as usize]
    }

    /// dcsctp found nothing wrong with us.
    pub(crate) fn check_their_errors(&self) {
        let wrong = |event: &&SocketEvent| {
            matches!(event, SocketEvent::OnError(..) | SocketEvent::OnAborted(..))
        };
        let wrong: Vec<_> = self.their_events.iter().filter(wrong).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", self.what);
    }
}

pub(crate) fn chunks(packet: &[u8]) -> Vec<Chunk<'_>> {
    Chunks::new(&packet[12..]).collect()
}

pub(crate) fn kinds(packet: &[u8]) -> Vec<ChunkType> {
    chunks(packet).iter().map(|chunk| chunk.kind).collect()
}

pub(crate) fn data_of(packet: &[u8]) -> Vec<Data<'_>> {
    chunks(packet).iter().filter_map(Data::parse).collect()
}
