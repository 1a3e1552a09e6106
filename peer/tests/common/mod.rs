//! Two connections, virtual time, and a wire between them that a closure can cut.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    clippy::type_complexity,
    reason = "each test file uses its part, and indexes two peers"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use peerless::{
    Configuration, Datagram, Event, FiveTuple, Origin, PeerConnection, SessionDescription,
    SocketRequest,
};

pub const A: usize = 0;
pub const B: usize = 1;

/// What happens to a datagram on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    Deliver,
    Drop,
    Duplicate,
    /// Arrives later than it should, by this much.
    Delay(Duration),
}

pub struct InFlight {
    pub at: Instant,
    pub to: usize,
    pub path: FiveTuple,
    pub contents: Vec<u8>,
}

/// Two connections that know each other's descriptions, and the wire between them.
pub struct Pair {
    pub peers: [PeerConnection; 2],
    pub start: Instant,
    pub now: Instant,
    /// One way.
    pub delay: Duration,
    pub wire: Vec<InFlight>,
    pub fate: Box<dyn FnMut(usize, &[u8]) -> Fate>,
    /// What the application read from the event queues.
    pub events: [Vec<Event>; 2],
    /// Candidates that travel by the signalling channel.
    signalled: VecDeque<(usize, peerless::IceCandidate)>,
    pub trickle: bool,
    next_port: u16,
    /// Every datagram that was sent, for replays.
    pub trace: Option<Vec<(Duration, usize, Vec<u8>)>>,
    pub datagrams: u64,
    /// How often time stood still, to notice an engine that spins.
    stalls: u32,
}

pub fn address(peer: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, peer as u8 + 1], 5000))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a base for virtual time; its value is of no account"
)]
pub fn base() -> Instant {
    static BASE: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

pub fn origin(now: Instant, seed: u8, peer: usize) -> Origin {
    let wall_clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut bytes = [seed; 32];
    bytes[0] = peer as u8;
    Origin::new(now, wall_clock, bytes)
}

/// How many seeds a randomised test runs.
#[expect(clippy::disallowed_methods, reason = "SEEDS scales every randomised test")]
pub fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

impl Pair {
    pub fn new() -> Self {
        Self::with(Configuration::default(), Configuration::default(), 1)
    }

    pub fn with(a: Configuration, b: Configuration, seed: u8) -> Self {
        let now = base();
        let mut peers = [
            PeerConnection::new(a, origin(now, seed, A)),
            PeerConnection::new(b, origin(now, seed, B)),
        ];
        peers[A].add_local_address(address(A));
        peers[B].add_local_address(address(B));
        Self {
            peers,
            start: now,
            now,
            delay: Duration::from_millis(25),
            wire: Vec::new(),
            fate: Box::new(|_, _| Fate::Deliver),
            events: [Vec::new(), Vec::new()],
            signalled: VecDeque::new(),
            trickle: true,
            next_port: 6000,
            trace: None,
            datagrams: 0,
            stalls: 0,
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// `from` offers, the other answers, in no time.
    pub fn negotiate(&mut self, from: usize) {
        let to = 1 - from;
        let now = self.now;
        self.peers[from].set_local_description(now, None).expect("an offer");
        let offer = self.peers[from].local_description().expect("it was set");
        self.peers[to].set_remote_description(now, offer).expect("the offer fits");
        self.peers[to].set_local_description(now, None).expect("an answer");
        let answer = self.peers[to].local_description().expect("it was set");
        self.peers[from].set_remote_description(now, answer).expect("the answer fits");
        self.drain_events();
        self.signal();
    }

    /// As [`negotiate`](Self::negotiate), with descriptions changed on the way.
    pub fn negotiate_munged(&mut self, from: usize, munge: impl Fn(String) -> String) {
        let to = 1 - from;
        let now = self.now;
        self.peers[from].set_local_description(now, None).expect("an offer");
        let mut offer: SessionDescription = self.peers[from].local_description().expect("set");
        offer.sdp = munge(offer.sdp);
        self.peers[to].set_remote_description(now, offer).expect("the offer fits");
        self.peers[to].set_local_description(now, None).expect("an answer");
        let mut answer = self.peers[to].local_description().expect("it was set");
        answer.sdp = munge(answer.sdp);
        self.peers[from].set_remote_description(now, answer).expect("the answer fits");
        self.drain_events();
        self.signal();
    }

    /// Takes what the connections want to send, and puts it on the wire.
    pub fn transmit(&mut self) {
        for from in [A, B] {
            let mut buf = Vec::new();
            while let Some(transmit) = self.peers[from].poll_transmit(self.now, &mut buf) {
                let path = transmit.path;
                let sent: Vec<Vec<u8>> = transmit.datagrams().map(<[u8]>::to_vec).collect();
                for contents in sent {
                    self.put(from, path, contents);
                }
                buf.clear();
            }
        }
    }

    pub fn put(&mut self, from: usize, path: FiveTuple, contents: Vec<u8>) {
        self.datagrams += 1;
        if let Some(trace) = &mut self.trace {
            trace.push((self.now - self.start, from, contents.clone()));
        }
        let fate = (self.fate)(from, &contents);
        let mut at = self.now + self.delay;
        let copies = match fate {
            Fate::Deliver => 1,
            Fate::Drop => 0,
            Fate::Duplicate => 2,
            Fate::Delay(more) => {
                at += more;
                1
            }
        };
        let path = FiveTuple::udp(path.remote, path.local);
        for _ in 0..copies {
            let contents = contents.clone();
            self.wire.push(InFlight { at, to: 1 - from, path, contents });
        }
    }

    pub fn drain_events(&mut self) {
        for peer in [A, B] {
            while let Some(event) = self.peers[peer].poll_event() {
                match &event {
                    Event::IceCandidate(candidate) if self.trickle => {
                        self.signalled.push_back((1 - peer, candidate.clone()));
                    }
                    Event::Socket(SocketRequest::Bind { id, address }) => {
                        self.next_port += 1;
                        let local = SocketAddr::new(*address, self.next_port);
                        let path = FiveTuple::udp(local, local);
                        self.peers[peer].socket_opened(self.now, *id, path);
                    }
                    _ => {}
                }
                self.events[peer].push(event);
            }
        }
    }

    /// Delivers signalled candidates to those that have a description to add them to.
    pub fn signal(&mut self) {
        for _ in 0..self.signalled.len() {
            let Some((to, candidate)) = self.signalled.pop_front() else { break };
            if self.peers[to].remote_description().is_none() {
                self.signalled.push_back((to, candidate));
                continue;
            }
            self.peers[to].add_ice_candidate(self.now, candidate).expect("a good candidate");
        }
    }

    /// Whether no candidate waits to be signalled.
    pub fn signal_is_idle(&self) -> bool {
        self.signalled.is_empty()
    }

    /// The next instant at which something happens.
    pub fn next(&self) -> Option<Instant> {
        let arrival = self.wire.iter().map(|datagram| datagram.at).min();
        [arrival, self.peers[A].poll_timeout(), self.peers[B].poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Delivers everything that has arrived by now, in order of arrival.
    pub fn deliver(&mut self) {
        self.wire.sort_by_key(|datagram| datagram.at);
        while self.wire.first().is_some_and(|datagram| datagram.at <= self.now) {
            let mut datagram = self.wire.remove(0);
            let arrived = Datagram::new(datagram.path, &mut datagram.contents);
            self.peers[datagram.to].handle_datagram(self.now, arrived);
        }
    }

    /// Everything that happens at this instant. Returns whether there is a later one.
    pub fn step(&mut self) -> bool {
        self.drain_events();
        self.signal();
        self.transmit();
        self.drain_events();
        let Some(next) = self.next() else { return false };
        self.stalls = if next <= self.now { self.stalls + 1 } else { 0 };
        assert!(self.stalls < 1000, "poll_timeout says now for ever at {:?}", self.elapsed());
        self.now = self.now.max(next);
        self.deliver();
        for peer in &mut self.peers {
            peer.handle_timeout(self.now);
        }
        self.drain_events();
        self.signal();
        true
    }

    /// Goes on until `done`, or for `limit` at most. Returns whether it was reached.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        while !done(self) {
            if self.next().is_some_and(|next| next > end) || !self.step() {
                self.now = self.now.max(end);
                return done(self);
            }
        }
        true
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(time, |_| false);
        self.now = self.now.max(end);
    }

    pub fn saw(&self, peer: usize, event: &Event) -> bool {
        self.events[peer].contains(event)
    }
}

/// Asserts that a call with nothing to do brings no news and moves no deadline.
#[track_caller]
pub fn told_everything(
    pair: &mut Pair,
    peer: usize,
    by_datagram: bool,
    mut tell: impl FnMut(Event),
) {
    // An old time, which is read as the newest.
    let long_ago = pair.start;
    let nowhere = address(77);
    // What is due is due, since whenever.
    let now = pair.now;
    let peer = &mut pair.peers[peer];
    while let Some(event) = peer.poll_event() {
        tell(event);
    }
    let deadline = peer.poll_timeout().map(|at| at.max(now));
    if by_datagram {
        let path = FiveTuple::udp(nowhere, nowhere);
        peer.handle_datagram(long_ago, Datagram::new(path, &mut [255; 3]));
    } else {
        peer.remove_local_address(long_ago, nowhere);
    }
    assert_eq!(peer.poll_event(), None, "news that the call before did not tell");
    let later = peer.poll_timeout().map(|at| at.max(now));
    assert_eq!(later, deadline, "a deadline that the call before did not set");
}
