//! A network of the imagination: hosts, links, address translators, in virtual time.
//!
//! Whoever builds on a stack without IO needs one, so it is public. A [`Network`] has hosts with
//! addresses, links with delay, jitter, rate, queue, loss, duplication, reordering, corruption and
//! an MTU ([`Link`]), address translators of every kind of RFC 4787 ([`Nat`]), and STUN servers. It
//! does no IO either: datagrams go in by [`Network::send`], come out by [`Network::receive`], and
//! time is what it is told. One seed repeats everything.
//!
//! ```text
//!                         the internet (Realm::INTERNET)
//!        ┌────────────────────┬───────────────────┬──────────────┐
//!      Nat 203.0.113.1      Nat 203.0.113.2     host 198.51.100.1  STUN server
//!   ┌────┴─────┐              │ another realm
//!  host a     host b         host c
//!  10.0.0.1   10.0.0.2       10.0.0.1
//! ```
//!
//! Each interface of a host and each translator hangs on two links, one up and one down, so that a
//! datagram from a to c crosses four.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use peerless::sim::{Interface, Link, Nat, Network, Realm};
//! use peerless::{FiveTuple, Transmit};
//!
//! # #[expect(clippy::disallowed_methods, reason = "the origin of a simulation")]
//! let now = Instant::now();
//! let mut network = Network::new(now, 7);
//! let home = network.add_nat(Realm::INTERNET, Nat::port_restricted("203.0.113.1".parse()?));
//! let (laptop, server) = (network.add_host(), network.add_host());
//! let link = Link { delay: Duration::from_millis(10), ..Link::default() };
//! network.add_interface(laptop, Interface::new(home, "10.0.0.1".parse()?).with_links(link));
//! network.add_interface(server, Interface::new(Realm::INTERNET, "198.51.100.1".parse()?));
//!
//! let path = FiveTuple::udp("10.0.0.1:5000".parse()?, "198.51.100.1:80".parse()?);
//! network.send(now, laptop, &Transmit::new(path, b"hello"));
//! assert_eq!(network.poll_timeout(), Some(now + Duration::from_millis(10)));
//! let delivery = network.receive(now + Duration::from_millis(10)).expect("it has arrived");
//! assert_eq!((delivery.host, &*delivery.contents), (server, &b"hello"[..]));
//! assert_eq!(delivery.path.remote, "203.0.113.1:5000".parse()?, "translated");
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! [`Network::drive`] moves datagrams between engines, [`Pair`] is two connections with their
//! signalling.

mod link;
mod nat;
mod node;
mod pair;
mod routing;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;
use stun::{BindingServer, Ecn, FiveTuple, Transmit};

use link::LinkState;
use nat::NatState;
use routing::{InFlight, Packet, Place};

pub use link::{Link, Loss};
pub use nat::{Dependence, Nat};
pub use node::{Driven, Node};
pub use pair::{Pair, Peer, Side};

/// Names a host of a [`Network`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostId(u32);

/// Where addresses mean something: the internet, or what is behind a translator. The same address
/// can be in several realms.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Realm(u32);

impl Realm {
    /// The internet.
    pub const INTERNET: Self = Self(0);

    /// The translator that leads out of this realm.
    fn nat(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }
}

/// An address of a host, and the links that lead from and to it.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Where the address is.
    pub realm: Realm,
    /// The address, unique in its realm.
    pub address: IpAddr,
    /// From the host.
    pub up: Link,
    /// To the host.
    pub down: Link,
}

impl Interface {
    /// An interface with perfect links.
    pub fn new(realm: Realm, address: IpAddr) -> Self {
        Self { realm, address, up: Link::default(), down: Link::default() }
    }

    /// The same with `link` in either direction, each with a state of its own.
    #[must_use]
    pub fn with_links(self, link: Link) -> Self {
        Self { up: link.clone(), down: link, ..self }
    }
}

/// A datagram that has arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// At which host.
    pub host: HostId,
    /// `local` is the host's address, `remote` is the sender as it is seen from here.
    pub path: FiveTuple,
    /// The congestion mark.
    pub ecn: Option<Ecn>,
    /// The payload.
    pub contents: Vec<u8>,
}

/// What became of the datagrams.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// How many were sent.
    pub sent: u64,
    /// How many bytes of payload were sent.
    pub sent_bytes: u64,
    /// How many arrived at a host.
    pub delivered: u64,
    /// How many bytes of payload arrived.
    pub delivered_bytes: u64,
    /// How many a link lost, by its [`Loss`].
    pub lost: u64,
    /// How many the filter of [`Network::set_filter`] dropped.
    pub filtered: u64,
    /// How many found a queue full.
    pub queue_full: u64,
    /// How many were larger than an MTU.
    pub too_big: u64,
    /// How many a translator refused.
    pub refused_by_nat: u64,
    /// How many had a destination or a source that nobody has.
    pub unroutable: u64,
    /// How many were duplicated.
    pub duplicated: u64,
    /// How many were altered.
    pub corrupted: u64,
    /// How many were marked with CE.
    pub marked: u64,
}

/// The network: see the [module](self).
pub struct Network {
    now: Instant,
    rng: ChaCha20Rng,
    interfaces: Vec<Attached>,
    nats: Vec<NatState>,
    hosts: u32,
    /// Who has an address in a realm.
    addresses: BTreeMap<(Realm, IpAddr), Place>,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    next_serial: u64,
    arrived: VecDeque<Delivery>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
    filter: Option<Box<Filter>>,
    statistics: Statistics,
}

/// Says whether a datagram passes.
type Filter = dyn FnMut(&Passing<'_>) -> bool + Send;

struct Attached {
    owner: Owner,
    realm: Realm,
    address: IpAddr,
    up: LinkState,
    down: LinkState,
    gone: bool,
}

enum Owner {
    Host(HostId),
    StunServer { port: u16, server: BindingServer },
}

/// A datagram that a host sends, as the filter of [`Network::set_filter`] sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Passing<'a> {
    /// When it is sent.
    pub now: Instant,
    /// Who sends it.
    pub host: HostId,
    /// From where to where, as the sender says.
    pub path: FiveTuple,
    /// The payload.
    pub contents: &'a [u8],
}

impl Network {
    /// An empty network. `now` is the origin of its time; `seed` decides every chance.
    pub fn new(now: Instant, seed: u64) -> Self {
        Self {
            now,
            rng: ChaCha20Rng::seed_from_u64(seed),
            interfaces: Vec::new(),
            nats: Vec::new(),
            hosts: 0,
            addresses: BTreeMap::new(),
            in_flight: BinaryHeap::new(),
            next_serial: 0,
            arrived: VecDeque::new(),
            spare: Vec::new(),
            filter: None,
            statistics: Statistics::default(),
        }
    }

    /// Adds a host without addresses.
    pub fn add_host(&mut self) -> HostId {
        self.hosts += 1;
        HostId(self.hosts)
    }

    /// Gives a host an address.
    ///
    /// # Panics
    ///
    /// When somebody in the realm has the address already.
    pub fn add_interface(&mut self, host: HostId, interface: Interface) {
        self.attach(Owner::Host(host), interface);
    }

    /// Adds a server that answers Binding requests at this port of the interface.
    ///
    /// # Panics
    ///
    /// When somebody in the realm has the address already.
    pub fn add_stun_server(&mut self, interface: Interface, port: u16) {
        self.attach(Owner::StunServer { port, server: BindingServer::new() }, interface);
    }

    fn attach(&mut self, owner: Owner, interface: Interface) {
        let Interface { realm, address, up, down } = interface;
        self.take_address(realm, address, Place::Interface(self.interfaces.len()));
        let (up, down) = (LinkState::new(up, self.now), LinkState::new(down, self.now));
        self.interfaces.push(Attached { owner, realm, address, up, down, gone: false });
    }

    fn take_address(&mut self, realm: Realm, address: IpAddr, place: Place) {
        let before = self.addresses.insert((realm, address), place);
        assert!(before.is_none(), "{address} is taken in {realm:?}");
    }

    /// Takes an address from a host: what is on its way to it is lost, and what is sent from it.
    /// The change of a network in the middle of a call is one such call and one
    /// [`add_interface`](Self::add_interface).
    pub fn remove_interface(&mut self, host: HostId, address: IpAddr) {
        if let Some(index) = self.interface_of(host, address)
            && let Some(interface) = self.interfaces.get_mut(index)
        {
            interface.gone = true;
            self.addresses.remove(&(interface.realm, address));
        }
    }

    /// Replaces the links of a host's address. Datagrams that are on them keep their times.
    pub fn set_links(&mut self, host: HostId, address: IpAddr, up: Link, down: Link) {
        if let Some(index) = self.interface_of(host, address)
            && let Some(interface) = self.interfaces.get_mut(index)
        {
            interface.up.set(up);
            interface.down.set(down);
        }
    }

    fn interface_of(&self, host: HostId, address: IpAddr) -> Option<usize> {
        self.interfaces.iter().position(|interface| {
            !interface.gone
                && interface.address == address
                && matches!(interface.owner, Owner::Host(owner) if owner == host)
        })
    }

    /// Adds a translator whose outer side is in `outer`; gives the realm behind it. A translator
    /// behind a translator makes a carrier's network.
    ///
    /// # Panics
    ///
    /// When somebody in the outer realm has the translator's address already.
    pub fn add_nat(&mut self, outer: Realm, nat: Nat) -> Realm {
        self.take_address(outer, nat.address, Place::Nat(self.nats.len()));
        self.nats.push(NatState::new(nat, outer, self.now));
        Realm(self.nats.len() as u32)
    }

    /// Replaces the links on the outer side of a realm's translator.
    pub fn set_nat_links(&mut self, inside: Realm, up: Link, down: Link) {
        if let Some(nat) = inside.nat().and_then(|index| self.nats.get_mut(index)) {
            nat.up.set(up);
            nat.down.set(down);
        }
    }

    /// Makes a realm's translator forget its mappings, as one that restarts does.
    pub fn forget_mappings(&mut self, inside: Realm) {
        if let Some(nat) = inside.nat().and_then(|index| self.nats.get_mut(index)) {
            nat.forget();
        }
    }

    /// Shows every datagram that a host sends to `filter`, which says whether it passes: for
    /// captures, and for scenarios that lose a certain one.
    pub fn set_filter(&mut self, filter: impl FnMut(&Passing<'_>) -> bool + Send + 'static) {
        self.filter = Some(Box::new(filter));
    }

    /// Lets everything pass again.
    pub fn clear_filter(&mut self) {
        self.filter = None;
    }

    /// Returns what became of the datagrams.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Returns the newest time that was seen.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Sends a datagram, or several, from a host. The source is `path.local`, which must be an
    /// address of the host, or else the datagram is lost.
    pub fn send(&mut self, now: Instant, host: HostId, transmit: &Transmit<'_>) {
        self.advance(now);
        for contents in transmit.datagrams() {
            self.statistics.sent += 1;
            self.statistics.sent_bytes += contents.len() as u64;
            let passing = Passing { now: self.now, host, path: transmit.path, contents };
            if self.filter.as_mut().is_some_and(|filter| !filter(&passing)) {
                self.statistics.filtered += 1;
                continue;
            }
            let Some(index) = self.interface_of(host, transmit.path.local.ip()) else {
                self.statistics.unroutable += 1;
                continue;
            };
            let mut buffer = self.spare.pop().unwrap_or_default();
            buffer.extend_from_slice(contents);
            let packet = Packet {
                source: transmit.path.local,
                destination: transmit.path.remote,
                ecn: transmit.ecn,
                contents: buffer,
            };
            self.leave(self.now, index, packet);
        }
    }

    /// Returns when something moves next: the time for the next [`receive`](Self::receive).
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.arrived.is_empty() {
            return Some(self.now);
        }
        self.in_flight.peek().map(|Reverse(next)| next.at)
    }

    /// Returns a datagram that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Delivery> {
        self.advance(now);
        self.move_until(self.now);
        self.arrived.pop_front()
    }

    /// Takes the buffer of a delivery back, to use it again.
    pub fn recycle(&mut self, delivery: Delivery) {
        self.spare_buffer(delivery.contents);
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("hosts", &self.hosts)
            .field("in_flight", &self.in_flight.len())
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
