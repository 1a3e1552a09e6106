//! A small internet in virtual time: hosts, NATs, a STUN server, links that lose and reorder.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use peerless_ice::{
    Agent, Candidate, ComponentId, Config, ConnectionState, Datagram, Event, FiveTuple, Role,
    StreamId, Transport,
};
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use stun::{Class, Message, MessageWriter, Method};

pub(crate) const STUN_SERVER: &str = "203.0.113.200:3478";

/// Another one, of which a symmetric NAT makes another address.
pub(crate) const OTHER_STUN_SERVER: &str = "203.0.113.202:3478";

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[expect(clippy::disallowed_methods, reason = "the base that virtual time counts from")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

/// How many seeds a randomised test runs.
#[expect(clippy::disallowed_methods, reason = "tests are scaled by the environment")]
pub(crate) fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

/// What a NAT does (RFC 4787).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NatKind {
    /// One port per inside address; lets in whoever was sent to (port too).
    PortRestricted,
    /// A new port per destination.
    Symmetric,
}

#[derive(Debug)]
pub(crate) struct Nat {
    pub(crate) kind: NatKind,
    pub(crate) public: IpAddr,
    /// (inside, outside if symmetric) → public port
    mappings: BTreeMap<(SocketAddr, Option<SocketAddr>), u16>,
    /// (public port, outside): datagrams from there are let in.
    permitted: Vec<(u16, SocketAddr)>,
    next_port: u16,
}

impl Nat {
    pub(crate) fn new(kind: NatKind, public: &str) -> Self {
        Self {
            kind,
            public: public.parse().unwrap(),
            mappings: BTreeMap::new(),
            permitted: Vec::new(),
            next_port: 40_000,
        }
    }

    fn outbound(&mut self, inside: SocketAddr, outside: SocketAddr) -> SocketAddr {
        let key = (inside, (self.kind == NatKind::Symmetric).then_some(outside));
        let port = *self.mappings.entry(key).or_insert_with(|| {
            self.next_port += 1;
            self.next_port
        });
        if !self.permitted.contains(&(port, outside)) {
            self.permitted.push((port, outside));
        }
        SocketAddr::new(self.public, port)
    }

    fn inbound(&self, port: u16, outside: SocketAddr) -> Option<SocketAddr> {
        if !self.permitted.contains(&(port, outside)) {
            return None;
        }
        self.mappings
            .iter()
            .find(|((_, only), mapped)| **mapped == port && only.is_none_or(|only| only == outside))
            .map(|((inside, _), _)| *inside)
    }
}

/// What links do to datagrams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    /// Out of a thousand.
    pub(crate) loss: u32,
    pub(crate) duplication: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { delay: ms(50), jitter: ms(0), loss: 0, duplication: 0 }
    }
}

pub(crate) struct Host {
    pub(crate) agent: Agent,
    pub(crate) stream: StreamId,
    pub(crate) nat: Option<Nat>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) events: Vec<(Duration, Event)>,
    pub(crate) received: Vec<(ComponentId, Vec<u8>)>,
    pub(crate) sent: usize,
    /// Candidates go to the other side hidden, as browsers do it.
    pub(crate) hides_addresses: bool,
    /// What its interface cannot reach.
    pub(crate) unreachable: Vec<SocketAddr>,
}

impl Host {
    pub(crate) fn component(&self) -> ComponentId {
        ComponentId { stream: self.stream, component: 1 }
    }

    pub(crate) fn state(&self) -> ConnectionState {
        self.agent.state()
    }
}

enum Delivery {
    Datagram { from: SocketAddr, to: SocketAddr, contents: Vec<u8> },
    Candidate { host: usize, candidate: Box<Candidate> },
    EndOfCandidates { host: usize },
}

type Filter = dyn FnMut(usize, &FiveTuple, &[u8]) -> bool;

pub(crate) struct Network {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Host>,
    pub(crate) link: Link,
    pub(crate) signalling: Duration,
    pub(crate) trickle: bool,
    pub(crate) blackout: bool,
    pub(crate) rng: ChaCha20Rng,
    in_flight: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
    /// Every datagram that was sent, for replay.
    pub(crate) trace: Vec<(Duration, usize, Vec<u8>)>,
    /// Sees each datagram: host that sends it, its bytes; false drops it.
    pub(crate) filter: Box<Filter>,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let now = epoch();
        Self {
            start: now,
            now,
            hosts: Vec::new(),
            link: Link::default(),
            signalling: ms(20),
            trickle: true,
            blackout: false,
            rng: ChaCha20Rng::seed_from_u64(seed),
            in_flight: BTreeMap::new(),
            sequence: 0,
            trace: Vec::new(),
            filter: Box::new(|_, _, _| true),
        }
    }

    pub(crate) fn add_host(&mut self, config: Config, role: Role, addresses: &[&str]) -> usize {
        let mut agent = Agent::new(config, role, self.now, self.rng.random());
        let stream = agent.add_stream(self.now, 1);
        let addresses: Vec<SocketAddr> = addresses.iter().map(|text| address(text)).collect();
        self.hosts.push(Host {
            agent,
            stream,
            nat: None,
            addresses,
            events: Vec::new(),
            received: Vec::new(),
            sent: 0,
            hides_addresses: false,
            unreachable: Vec::new(),
        });
        self.hosts.len() - 1
    }

    /// Two hosts without NATs, whose agents know nothing yet.
    pub(crate) fn pair(seed: u64) -> Self {
        let mut network = Self::new(seed);
        network.add_host(Config::default(), Role::Controlling, &["192.0.2.1:1000"]);
        network.add_host(Config::default(), Role::Controlled, &["198.51.100.2:2000"]);
        network
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Adds local addresses and exchanges credentials of hosts 0 and 1.
    pub(crate) fn start(&mut self) {
        for host in [0, 1] {
            self.gather(host);
        }
        self.exchange_credentials();
    }

    pub(crate) fn gather(&mut self, host: usize) {
        let now = self.now;
        let host = &mut self.hosts[host];
        for address in host.addresses.clone() {
            host.agent.add_local_address(now, host.component(), address);
        }
        host.agent.finish_gathering(now);
    }

    pub(crate) fn exchange_credentials(&mut self) {
        for (from, to) in [(0, 1), (1, 0)] {
            self.give_credentials(from, to);
        }
    }

    pub(crate) fn give_credentials(&mut self, from: usize, to: usize) {
        let credentials = self.hosts[from].agent.local_credentials(self.hosts[from].stream);
        let credentials = credentials.unwrap().clone();
        let stream = self.hosts[to].stream;
        self.hosts[to].agent.set_remote_credentials(self.now, stream, credentials);
    }

    fn schedule(&mut self, after: Duration, delivery: Delivery) {
        self.sequence += 1;
        self.in_flight.insert((self.now + after, self.sequence), delivery);
    }

    /// Takes what the agents want to send and to tell.
    pub(crate) fn drain(&mut self) {
        let mut buf = Vec::new();
        for index in 0..self.hosts.len() {
            loop {
                buf.clear();
                let host = &mut self.hosts[index];
                let Some(transmit) = host.agent.poll_transmit(self.now, &mut buf) else { break };
                let path = transmit.path;
                let contents = transmit.contents.to_vec();
                host.sent += 1;
                self.send(index, path, contents);
            }
            while let Some(event) = self.hosts[index].agent.poll_event() {
                self.signal(index, event);
            }
        }
    }

    /// Sends application data from a host over its send path.
    pub(crate) fn send_data(&mut self, host: usize, contents: &[u8]) -> bool {
        let component = self.hosts[host].component();
        let Some(path) = self.hosts[host].agent.send_path(component) else { return false };
        self.send(host, path, contents.to_vec());
        true
    }

    fn send(&mut self, index: usize, path: FiveTuple, contents: Vec<u8>) {
        self.trace.push((self.elapsed(), index, contents.clone()));
        assert_eq!(path.transport, Transport::Udp);
        let host = &mut self.hosts[index];
        if self.blackout
            || !host.addresses.contains(&path.local)
            || host.unreachable.contains(&path.remote)
            || !(self.filter)(index, &path, &contents)
        {
            return;
        }
        // Inside one host's own network nothing is translated; nobody else is there.
        let from = match &mut host.nat {
            Some(nat) => nat.outbound(path.local, path.remote),
            None => path.local,
        };
        let copies = if self.rng.random_range(0..1000) < self.link.duplication { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.random_range(0..1000) < self.link.loss {
                continue;
            }
            let jitter = self.link.jitter.mul_f64(self.rng.random::<f64>());
            let delivery = Delivery::Datagram { from, to: path.remote, contents: contents.clone() };
            self.schedule(self.link.delay + jitter, delivery);
        }
    }

    fn signal(&mut self, index: usize, event: Event) {
        let other = 1 - index.min(1);
        if self.trickle && self.hosts.len() > 1 {
            match &event {
                Event::LocalCandidate(_, candidate) => {
                    let mut candidate = candidate.clone();
                    if self.hosts[index].hides_addresses {
                        candidate.address = peerless_ice::CandidateAddress::Name {
                            host: "8b1a9953-c461-4d5e-9b1f-0e1c0f0a1b2c.local".into(),
                            port: 9,
                        };
                    }
                    // Through text, as signalling does it.
                    let candidate = Box::new(candidate.to_string().parse().unwrap());
                    self.schedule(self.signalling, Delivery::Candidate { host: other, candidate });
                }
                Event::GatheringComplete => {
                    self.schedule(self.signalling, Delivery::EndOfCandidates { host: other });
                }
                _ => {}
            }
        }
        let elapsed = self.elapsed();
        self.hosts[index].events.push((elapsed, event));
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Candidate { host, candidate } => {
                let host = &mut self.hosts[host];
                host.agent.add_remote_candidate(self.now, host.stream, *candidate);
            }
            Delivery::EndOfCandidates { host } => {
                let host = &mut self.hosts[host];
                host.agent.end_of_remote_candidates(self.now, host.stream);
            }
            Delivery::Datagram { from, to, contents }
                if [STUN_SERVER, OTHER_STUN_SERVER].map(address).contains(&to) =>
            {
                self.answer_binding(to, from, &contents);
            }
            Delivery::Datagram { from, to, mut contents } => {
                for host in &mut self.hosts {
                    let local = match &host.nat {
                        Some(nat) if nat.public == to.ip() => nat.inbound(to.port(), from),
                        Some(_) => None,
                        None => host.addresses.contains(&to).then_some(to),
                    };
                    let Some(local) = local else { continue };
                    let datagram =
                        Datagram::new(FiveTuple::udp(local, from), contents.as_mut_slice());
                    if let Some((component, data)) = host.agent.handle_datagram(self.now, datagram)
                    {
                        host.received.push((component, data.contents.to_vec()));
                    }
                    return;
                }
            }
        }
    }

    fn answer_binding(&mut self, server: SocketAddr, from: SocketAddr, contents: &[u8]) {
        let message = Message::parse(contents).unwrap();
        let id = message.transaction_id();
        let mut response = Vec::new();
        MessageWriter::new(&mut response, Class::SuccessResponse, Method::Binding, id)
            .xor_mapped_address(from)
            .fingerprint()
            .finish();
        let delivery = Delivery::Datagram { from: server, to: from, contents: response };
        self.schedule(self.link.delay, delivery);
    }

    /// Moves to the next thing that happens, at most `until`. Returns whether anything did.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        self.drain();
        let timeouts = self.hosts.iter().filter_map(|host| host.agent.poll_timeout());
        let arrival = self.in_flight.keys().next().map(|(at, _)| *at);
        let next = timeouts.chain(arrival).min();
        let Some(next) = next.filter(|next| *next <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.in_flight.first_entry()
            && entry.key().0 <= self.now
        {
            let delivery = entry.remove();
            self.deliver(delivery);
        }
        for host in &mut self.hosts {
            host.agent.handle_timeout(self.now);
        }
        true
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.step(until) {}
        self.drain();
    }

    /// Runs until `done`, at most for `limit`. Returns whether it came to that.
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> bool {
        let until = self.now + limit;
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            if !self.step(until) {
                return done(self);
            }
        }
    }

    pub(crate) fn both(&self, state: ConnectionState) -> bool {
        self.hosts.iter().all(|host| host.state() == state)
    }

    /// The selected pair of host 0 as host 1 sees it, and host 1's own: each side's addresses
    /// after translation.
    pub(crate) fn selected(&self, host: usize) -> Option<FiveTuple> {
        let host = &self.hosts[host];
        Some(host.agent.selected_pair(host.component())?.path)
    }
}

impl Network {
    /// One careless act of a driver: time moves on, what has arrived is delivered, and some
    /// calls are made, in any order, twice, late, or with an older time.
    pub(crate) fn run_one_lazily(&mut self, rng: &mut ChaCha20Rng, jump: Duration) {
        let past = self.now;
        self.now += jump;
        while let Some(entry) = self.in_flight.first_entry()
            && entry.key().0 <= self.now
        {
            let delivery = entry.remove();
            self.deliver(delivery);
        }
        for _ in 0..rng.random_range(0..4) {
            let index = rng.random_range(0..self.hosts.len());
            let now = if rng.random_ratio(1, 5) { past } else { self.now };
            match rng.random_range(0..4) {
                0 => self.hosts[index].agent.handle_timeout(now),
                1 => {
                    let mut buf = vec![0xff; 3];
                    let host = &mut self.hosts[index];
                    if let Some(transmit) = host.agent.poll_transmit(now, &mut buf) {
                        let (path, contents) = (transmit.path, transmit.contents.to_vec());
                        self.send(index, path, contents);
                    }
                }
                2 => {
                    if let Some(event) = self.hosts[index].agent.poll_event() {
                        self.signal(index, event);
                    }
                }
                _ => self.drain(),
            }
        }
    }
}
