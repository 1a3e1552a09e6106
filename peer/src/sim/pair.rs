//! Two connections, a network between them, and the signalling beside it.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::ChaCha20Rng;
use rand::{Rng, RngExt, SeedableRng};
use stun::Datagram;

use super::{Driven, HostId, Interface, Link, Network, Node, Realm};
use crate::configuration::Configuration;
use crate::connection::PeerConnection;
use crate::event::Event;
use crate::origin::Origin;
use crate::signalling::{
    ConnectionState, IceCandidate, SdpType, SessionDescription, SignalingState,
};

/// Which of the two.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// The first; in a collision of offers its offer counts.
    A,
    /// The second; in a collision of offers it takes its offer back.
    B,
}

impl Side {
    /// Both, in their order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// One of the two connections of a [`Pair`].
pub struct Peer {
    /// The connection: do with it what an application does.
    pub connection: PeerConnection,
    /// Where it runs.
    pub host: HostId,
    /// What it has reported, and when. The pair acts on what is about signalling; the rest is for
    /// the test, which may empty this.
    pub events: Vec<(Instant, Event)>,
}

/// Two connections that negotiate by themselves, in virtual time.
///
/// Whatever asks for negotiation makes an offer; descriptions and candidates travel beside the
/// network, with a delay and without loss, and collisions are resolved as W3C's "perfect
/// negotiation" does it.
///
/// ```
/// use std::time::{Duration, Instant};
/// use peerless::{DataChannelInit, Event};
/// use peerless::sim::Pair;
///
/// # #[expect(clippy::disallowed_methods, reason = "the origin of a simulation")]
/// let mut pair = Pair::new(Instant::now(), 7);
/// let now = pair.now();
/// pair.a.connection.create_data_channel(now, "chat", DataChannelInit::default())?;
/// let open = pair.run_until(Duration::from_secs(5), |pair| {
///     pair.b.events.iter().any(|(_, event)| matches!(event, Event::DataChannel(_)))
/// });
/// assert!(open, "{pair:?}");
/// # Ok::<(), peerless::Error>(())
/// ```
pub struct Pair {
    /// The network between them.
    pub network: Network,
    /// The first.
    pub a: Peer,
    /// The second.
    pub b: Peer,
    /// How long a description or a candidate takes to the other side. The default is 10 ms.
    pub signalling_delay: Duration,
    /// Whether a connection that asks for negotiation makes an offer by itself. The default.
    pub negotiates: bool,
    start: Instant,
    now: Instant,
    mail: VecDeque<(Instant, Side, Signal)>,
    ignored_offer: bool,
    lazy: Option<ChaCha20Rng>,
    errors: Vec<String>,
}

#[derive(Debug)]
enum Signal {
    Description(SessionDescription),
    Candidate(IceCandidate),
}

impl Pair {
    /// Two hosts on the internet, 192.0.2.1 and 192.0.2.2, with perfect links and default
    /// configurations.
    pub fn new(now: Instant, seed: u64) -> Self {
        Self::with_link(now, seed, &Link::default())
    }

    /// The same with this link from and to the first host.
    pub fn with_link(now: Instant, seed: u64, link: &Link) -> Self {
        let mut network = Network::new(now, seed);
        let links = [link.clone(), Link::default()];
        let mut last = 0;
        let sides = links.map(|link| {
            last += 1;
            let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
            let host = network.add_host();
            network.add_interface(host, Interface::new(Realm::INTERNET, address).with_links(link));
            (host, SocketAddr::new(address, 5000), Configuration::default())
        });
        Self::on(network, seed, sides)
    }

    /// Two connections on hosts of a network, each with an address of its host and a port.
    pub fn on(
        network: Network,
        seed: u64,
        [a, b]: [(HostId, SocketAddr, Configuration); 2],
    ) -> Self {
        let now = network.now();
        let mut seeds = ChaCha20Rng::seed_from_u64(seed);
        let mut peer = |(host, address, configuration)| {
            let mut seed = [0; 32];
            seeds.fill_bytes(&mut seed);
            // A date at which certificates are valid, the same in every run.
            let wall_clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            let origin = Origin::new(now, wall_clock, seed);
            let mut connection = PeerConnection::new(configuration, origin);
            connection.add_local_address(address);
            Peer { connection, host, events: Vec::new() }
        };
        Self {
            a: peer(a),
            b: peer(b),
            network,
            signalling_delay: Duration::from_millis(10),
            negotiates: true,
            start: now,
            now,
            mail: VecDeque::new(),
            ignored_offer: false,
            lazy: None,
            errors: Vec::new(),
        }
    }

    /// Drives badly from now on: calls in random order, left out, twice, late, early and with time
    /// stepping back. By the contract of the five calls it only takes longer.
    pub fn drive_lazily(&mut self, seed: u64) {
        self.lazy = Some(ChaCha20Rng::seed_from_u64(seed));
    }

    /// Returns what the time is.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Returns how much time has passed.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Returns one of the two.
    pub const fn side(&mut self, side: Side) -> &mut Peer {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// Returns what went wrong in negotiation, in the order in which it did.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Makes one side offer now, if it can.
    pub fn offer(&mut self, side: Side) {
        let now = self.now;
        if self.side(side).connection.signaling_state() == SignalingState::Stable {
            self.describe(now, side);
        }
    }

    /// Lets time pass until `done` or for `limit`; returns whether it is done. Every step goes to
    /// the next moment at which something happens.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            let next = self.step();
            if done(self) {
                return true;
            }
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => {
                    self.now = self.now.max(end);
                    return false;
                }
            }
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass until both sides are connected, for `limit` at most; returns whether they
    /// are.
    pub fn connect(&mut self, limit: Duration) -> bool {
        self.run_until(limit, |pair| {
            Side::BOTH.into_iter().all(|side| {
                pair.side(side).connection.connection_state() == ConnectionState::Connected
            })
        })
    }

    /// Does what is due; returns when something is due next.
    fn step(&mut self) -> Option<Instant> {
        let next = match self.lazy.take() {
            None => self.drive().next,
            Some(mut rng) => {
                let next = self.lazily(&mut rng);
                self.lazy = Some(rng);
                next
            }
        };
        let mail = self.mail.front().map(|(at, ..)| *at);
        [next, mail].into_iter().flatten().min()
    }

    /// Drives well: until nothing is left to do at this instant.
    fn drive(&mut self) -> Driven {
        loop {
            self.deliver_mail(self.now);
            let Self { network, a, b, .. } = self;
            let mut nodes: [(HostId, &mut dyn Node); 2] =
                [(a.host, &mut a.connection), (b.host, &mut b.connection)];
            let driven = network.drive(self.now, &mut nodes);
            if !self.collect_events(usize::MAX) {
                return driven;
            }
        }
    }

    /// Drives badly; returns when to go on.
    fn lazily(&mut self, rng: &mut ChaCha20Rng) -> Option<Instant> {
        let mut buf = Vec::new();
        for _ in 0..rng.random_range(1..12) {
            let side = if rng.random_bool(0.5) { Side::A } else { Side::B };
            let back = Duration::from_micros(rng.random_range(0..2_000_000));
            let now = if rng.random_bool(0.1) {
                self.now.checked_sub(back).unwrap_or(self.now)
            } else {
                self.now
            };
            let Self { network, a, b, .. } = self;
            let peer = if side == Side::A { &mut *a } else { &mut *b };
            match rng.random_range(0..5) {
                0 => peer.connection.handle_timeout(now),
                1 => {
                    for _ in 0..rng.random_range(1..20) {
                        let Some(transmit) = peer.connection.poll_transmit(now, &mut buf) else {
                            break;
                        };
                        network.send(self.now, peer.host, &transmit);
                        buf.clear();
                    }
                }
                2 => {
                    for _ in 0..rng.random_range(1..20) {
                        let Some(mut delivery) = network.receive(self.now) else { break };
                        let peer = if delivery.host == a.host { &mut *a } else { &mut *b };
                        let datagram = Datagram::new(delivery.path, &mut delivery.contents);
                        peer.connection.handle_datagram(now, datagram.with_ecn(delivery.ecn));
                        network.recycle(delivery);
                    }
                }
                3 => {
                    self.collect_events(rng.random_range(1..4));
                }
                _ => self.deliver_mail(now),
            }
        }
        // Too early, in time, or late.
        let a = self.a.connection.poll_timeout();
        let b = self.b.connection.poll_timeout();
        let next = [a, b, self.network.poll_timeout()].into_iter().flatten().min();
        let soon = self.now + Duration::from_micros(rng.random_range(0..1000));
        let late = Duration::from_micros(rng.random_range(0..5000));
        Some(match next {
            Some(next) if rng.random_bool(0.6) => next.max(self.now) + late,
            _ => soon,
        })
    }

    /// Reads up to `limit` events of each side; returns whether there were any.
    fn collect_events(&mut self, limit: usize) -> bool {
        let mut any = false;
        for side in Side::BOTH {
            for _ in 0..limit {
                let Some(event) = self.side(side).connection.poll_event() else { break };
                any = true;
                match &event {
                    Event::NegotiationNeeded if self.negotiates => self.offer(side),
                    Event::IceCandidate(candidate) => {
                        self.post(side.other(), Signal::Candidate(candidate.clone()));
                    }
                    _ => {}
                }
                let now = self.now;
                self.side(side).events.push((now, event));
            }
        }
        any
    }

    fn post(&mut self, to: Side, signal: Signal) {
        self.mail.push_back((self.now + self.signalling_delay, to, signal));
    }

    fn deliver_mail(&mut self, now: Instant) {
        while let Some((at, ..)) = self.mail.front()
            && *at <= self.now
        {
            let Some((_, to, signal)) = self.mail.pop_front() else { return };
            match signal {
                Signal::Description(description) => self.described(now, to, description),
                Signal::Candidate(candidate) => {
                    let ignored = to == Side::A && self.ignored_offer;
                    let added = self.side(to).connection.add_ice_candidate(now, candidate);
                    if let Err(error) = added
                        && !ignored
                    {
                        self.errors.push(format!("{to:?}: {error}"));
                    }
                }
            }
        }
    }

    /// A description arrives
    /// ([W3C §10.7](https://www.w3.org/TR/webrtc/#perfect-negotiation-example)).
    fn described(&mut self, now: Instant, to: Side, description: SessionDescription) {
        let offered = description.kind == SdpType::Offer;
        let stable = self.side(to).connection.signaling_state() == SignalingState::Stable;
        if to == Side::A {
            self.ignored_offer = offered && !stable;
            if self.ignored_offer {
                return;
            }
        }
        let applied = self.side(to).connection.set_remote_description(now, description);
        if let Err(error) = applied {
            self.errors.push(format!("{to:?}: {error}"));
        } else if offered {
            self.describe(now, to);
        }
    }

    /// Makes an offer or an answer, as the state asks, and sends it.
    fn describe(&mut self, now: Instant, side: Side) {
        let peer = self.side(side);
        match peer.connection.set_local_description(now, None) {
            Ok(()) => {
                if let Some(description) = peer.connection.local_description() {
                    self.post(side.other(), Signal::Description(description));
                }
            }
            Err(error) => self.errors.push(format!("{side:?}: {error}")),
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("elapsed", &self.elapsed())
            .field("a", &self.a.connection.connection_state())
            .field("b", &self.b.connection.connection_state())
            .field("errors", &self.errors)
            .field("network", &self.network.statistics())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("host", &self.host)
            .field("state", &self.connection.connection_state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
