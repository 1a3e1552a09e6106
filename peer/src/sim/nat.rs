//! Address translators, of every kind that RFC 4787 tells apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::ChaCha20Rng;

use super::Realm;
use super::link::{Link, LinkState};
use super::routing::Packet;

/// What a decision of a translator depends on
/// ([RFC 4787 §4.1](https://www.rfc-editor.org/rfc/rfc4787#section-4.1),
/// [§5](https://www.rfc-editor.org/rfc/rfc4787#section-5)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dependence {
    /// On nothing of the other side.
    EndpointIndependent,
    /// On the other side's address.
    AddressDependent,
    /// On the other side's address and port.
    AddressAndPortDependent,
}

impl Dependence {
    /// The part of an endpoint that matters.
    fn part_of(self, endpoint: SocketAddr) -> (Option<IpAddr>, Option<u16>) {
        match self {
            Self::EndpointIndependent => (None, None),
            Self::AddressDependent => (Some(endpoint.ip()), None),
            Self::AddressAndPortDependent => (Some(endpoint.ip()), Some(endpoint.port())),
        }
    }
}

/// The settings of a translator.
///
/// The old names ("full cone", "symmetric", of RFC 3489) are constructors; all other combinations
/// exist, too.
#[derive(Clone, Debug)]
pub struct Nat {
    /// Its address on the outer side.
    pub address: IpAddr,
    /// When two datagrams from one inner endpoint get one outer port.
    pub mapping: Dependence,
    /// Whose datagrams are let in.
    pub filtering: Dependence,
    /// Whether a datagram from inside to the outer address of another inside turns round
    /// ([RFC 4787 §6](https://www.rfc-editor.org/rfc/rfc4787#section-6)).
    pub hairpinning: bool,
    /// How long a mapping lives after the last datagram from inside. RFC 4787 §4.3 asks for at
    /// least two minutes; real ones were seen at 30 s.
    pub mapping_timeout: Duration,
    /// Whether the outer port is the inner one while that is free.
    pub port_preservation: bool,
    /// The outer ports that there are. The default is 1024 to 65535; a carrier gives a subscriber
    /// a few hundred.
    pub ports: RangeInclusive<u16>,
}

impl Nat {
    /// One that lets in everybody once a port is mapped, "full cone".
    pub const fn full_cone(address: IpAddr) -> Self {
        Self::new(address, Dependence::EndpointIndependent, Dependence::EndpointIndependent)
    }

    /// One that lets in hosts that were sent to, "address-restricted cone".
    pub const fn address_restricted(address: IpAddr) -> Self {
        Self::new(address, Dependence::EndpointIndependent, Dependence::AddressDependent)
    }

    /// One that lets in endpoints that were sent to, "port-restricted cone": what most homes have.
    pub const fn port_restricted(address: IpAddr) -> Self {
        Self::new(address, Dependence::EndpointIndependent, Dependence::AddressAndPortDependent)
    }

    /// One that shows a different port to each endpoint, "symmetric": holes cannot be punched from
    /// one such to another, nor to a port-restricted one.
    pub const fn symmetric(address: IpAddr) -> Self {
        let dependence = Dependence::AddressAndPortDependent;
        let mut nat = Self::new(address, dependence, dependence);
        nat.port_preservation = false;
        nat
    }

    /// One of any kind, with hairpinning, port preservation and mappings of two minutes.
    pub const fn new(address: IpAddr, mapping: Dependence, filtering: Dependence) -> Self {
        Self {
            address,
            mapping,
            filtering,
            hairpinning: true,
            mapping_timeout: Duration::from_secs(120),
            port_preservation: true,
            ports: 1024..=u16::MAX,
        }
    }
}

/// A translator and its mappings.
#[derive(Debug)]
pub(super) struct NatState {
    nat: Nat,
    pub(super) outer: Realm,
    pub(super) up: LinkState,
    pub(super) down: LinkState,
    mappings: BTreeMap<MappingKey, Mapping>,
    /// Whose an outer port is.
    ports: BTreeMap<u16, MappingKey>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct MappingKey {
    inside: SocketAddr,
    remote: (Option<IpAddr>, Option<u16>),
}

#[derive(Debug)]
struct Mapping {
    port: u16,
    expires: Instant,
    /// What was sent to through this mapping, as far as filtering looks.
    permitted: BTreeSet<(Option<IpAddr>, Option<u16>)>,
}

impl NatState {
    pub(super) fn new(nat: Nat, outer: Realm, now: Instant) -> Self {
        Self {
            nat,
            outer,
            up: LinkState::new(Link::default(), now),
            down: LinkState::new(Link::default(), now),
            mappings: BTreeMap::new(),
            ports: BTreeMap::new(),
        }
    }

    pub(super) const fn address(&self) -> IpAddr {
        self.nat.address
    }

    pub(super) const fn hairpins(&self) -> bool {
        self.nat.hairpinning
    }

    pub(super) fn forget(&mut self) {
        self.mappings.clear();
        self.ports.clear();
    }

    /// Translates the source; `false` when there is no port left, or no address of the family.
    pub(super) fn outbound(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        rng: &mut ChaCha20Rng,
    ) -> bool {
        if packet.source.is_ipv4() != self.nat.address.is_ipv4() {
            return false;
        }
        let remote = self.nat.mapping.part_of(packet.destination);
        let key = MappingKey { inside: packet.source, remote };
        if self.mappings.get(&key).is_some_and(|mapping| mapping.expires <= now) {
            self.remove(key);
        }
        if !self.mappings.contains_key(&key) {
            let Some(port) = self.free_port(now, packet.source.port(), rng) else {
                return false;
            };
            self.ports.insert(port, key);
            let mapping = Mapping { port, expires: now, permitted: BTreeSet::new() };
            self.mappings.insert(key, mapping);
        }
        let Some(mapping) = self.mappings.get_mut(&key) else { return false };
        mapping.expires = now + self.nat.mapping_timeout;
        mapping.permitted.insert(self.nat.filtering.part_of(packet.destination));
        packet.source = SocketAddr::new(self.nat.address, mapping.port);
        true
    }

    /// Translates the destination; `false` when there is no mapping, or it lets nobody like the
    /// source in.
    pub(super) fn inbound(&mut self, now: Instant, packet: &mut Packet) -> bool {
        let Some(&key) = self.ports.get(&packet.destination.port()) else { return false };
        let Some(mapping) = self.mappings.get(&key) else { return false };
        if mapping.expires <= now {
            self.remove(key);
            return false;
        }
        if !mapping.permitted.contains(&self.nat.filtering.part_of(packet.source)) {
            return false;
        }
        packet.destination = key.inside;
        true
    }

    fn remove(&mut self, key: MappingKey) {
        if let Some(mapping) = self.mappings.remove(&key) {
            self.ports.remove(&mapping.port);
        }
    }

    fn free_port(&mut self, now: Instant, wanted: u16, rng: &mut ChaCha20Rng) -> Option<u16> {
        let ports = self.nat.ports.clone();
        if self.nat.port_preservation && ports.contains(&wanted) && self.is_free(now, wanted) {
            return Some(wanted);
        }
        if ports.is_empty() {
            return None;
        }
        let first = rng.random_range(ports.clone());
        (first..=*ports.end()).chain(*ports.start()..first).find(|&port| self.is_free(now, port))
    }

    /// Whether nobody has a port; a mapping that has expired gives it up.
    fn is_free(&mut self, now: Instant, port: u16) -> bool {
        let Some(&key) = self.ports.get(&port) else { return true };
        let expired = self.mappings.get(&key).is_none_or(|mapping| mapping.expires <= now);
        if expired {
            self.remove(key);
        }
        expired
    }
}

#[cfg(test)]
mod tests;
