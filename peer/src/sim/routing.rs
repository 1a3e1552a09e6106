//! The ways of datagrams: from interface to router, through translators, to an interface.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Instant;

use stun::{Datagram, Ecn, FiveTuple};

use super::link::Crossing;
use super::{Delivery, Network, Owner, Realm};

/// Who has an address, or where a datagram is when its time comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// At the router of a realm, coming from inside of it.
    Realm(Realm),
    /// At the outer side of a translator.
    Nat(usize),
    /// At an interface.
    Interface(usize),
}

#[derive(Debug)]
pub(crate) struct Packet {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) ecn: Option<Ecn>,
    pub(super) contents: Vec<u8>,
}

impl Packet {
    /// The size of the IP packet: 20 or 40 bytes of IP header, 8 of UDP.
    pub(super) fn size(&self) -> usize {
        let header = if self.source.is_ipv4() { 28 } else { 48 };
        header + self.contents.len()
    }
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) at: Instant,
    /// Datagrams of one instant keep their order.
    pub(super) serial: u64,
    pub(super) place: Place,
    pub(super) packet: Packet,
}

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for InFlight {}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

impl Network {
    pub(super) fn move_until(&mut self, now: Instant) {
        while let Some(Reverse(next)) = self.in_flight.peek()
            && next.at <= now
        {
            let Some(Reverse(InFlight { at, place, packet, .. })) = self.in_flight.pop() else {
                return;
            };
            match place {
                Place::Realm(realm) => self.route(at, realm, packet),
                Place::Nat(index) => self.enter_nat(at, index, packet),
                Place::Interface(index) => self.arrive(at, index, packet),
            }
        }
    }

    /// An interface's owner sends.
    pub(super) fn leave(&mut self, at: Instant, index: usize, packet: Packet) {
        let Some(interface) = self.interfaces.get_mut(index) else { return };
        let place = Place::Realm(interface.realm);
        let crossing = interface.up.cross(at, packet, &mut self.rng, &mut self.statistics);
        self.fly(crossing, place);
    }

    /// A datagram is at the router of a realm.
    fn route(&mut self, at: Instant, realm: Realm, packet: Packet) {
        match self.addresses.get(&(realm, packet.destination.ip())) {
            Some(&Place::Interface(index)) => {
                let Some(interface) = self.interfaces.get_mut(index) else { return };
                let crossing =
                    interface.down.cross(at, packet, &mut self.rng, &mut self.statistics);
                self.fly(crossing, Place::Interface(index));
            }
            Some(&Place::Nat(index)) => {
                let Some(nat) = self.nats.get_mut(index) else { return };
                let crossing = nat.down.cross(at, packet, &mut self.rng, &mut self.statistics);
                self.fly(crossing, Place::Nat(index));
            }
            Some(Place::Realm(_)) | None => match realm.nat() {
                Some(index) => self.leave_nat(at, index, packet),
                None => {
                    self.statistics.unroutable += 1;
                    self.spare_buffer(packet.contents);
                }
            },
        }
    }

    /// A datagram from inside goes out through a translator.
    fn leave_nat(&mut self, at: Instant, index: usize, mut packet: Packet) {
        let Some(nat) = self.nats.get_mut(index) else { return };
        if !nat.outbound(at, &mut packet, &mut self.rng) {
            self.statistics.refused_by_nat += 1;
            self.spare_buffer(packet.contents);
            return;
        }
        if packet.destination.ip() == nat.address() {
            // RFC 4787 §6: from inside to the outer address of another inside.
            if nat.hairpins() {
                self.enter_nat(at, index, packet);
            } else {
                self.statistics.refused_by_nat += 1;
                self.spare_buffer(packet.contents);
            }
            return;
        }
        let place = Place::Realm(nat.outer);
        let crossing = nat.up.cross(at, packet, &mut self.rng, &mut self.statistics);
        self.fly(crossing, place);
    }

    /// A datagram from outside is at a translator.
    fn enter_nat(&mut self, at: Instant, index: usize, mut packet: Packet) {
        let Some(nat) = self.nats.get_mut(index) else { return };
        if nat.inbound(at, &mut packet) {
            self.route(at, Realm(index as u32 + 1), packet);
        } else {
            self.statistics.refused_by_nat += 1;
            self.spare_buffer(packet.contents);
        }
    }

    /// A datagram is at its destination.
    fn arrive(&mut self, at: Instant, index: usize, mut packet: Packet) {
        let Some(interface) = self.interfaces.get(index) else { return };
        let path = FiveTuple::udp(packet.destination, packet.source);
        match &interface.owner {
            _ if interface.gone => {
                self.statistics.unroutable += 1;
                self.spare_buffer(packet.contents);
            }
            Owner::Host(host) => {
                self.statistics.delivered += 1;
                self.statistics.delivered_bytes += packet.contents.len() as u64;
                let Packet { ecn, contents, .. } = packet;
                self.arrived.push_back(Delivery { host: *host, path, ecn, contents });
            }
            Owner::StunServer { port, server } => {
                let mut contents = self.spare.pop().unwrap_or_default();
                let datagram = Datagram::new(path, &mut packet.contents);
                let answered = *port == packet.destination.port()
                    && server.respond(&datagram, &mut contents).is_some();
                let (source, destination) = (packet.destination, packet.source);
                self.spare_buffer(packet.contents);
                if answered {
                    self.leave(at, index, Packet { source, destination, ecn: None, contents });
                } else {
                    self.spare_buffer(contents);
                }
            }
        }
    }

    fn fly(&mut self, crossing: Crossing, place: Place) {
        match crossing {
            Crossing::Lost(contents) => self.spare_buffer(contents),
            Crossing::Arrives { at, packet, again } => {
                if let Some(again) = again {
                    let mut contents = self.spare.pop().unwrap_or_default();
                    contents.extend_from_slice(&packet.contents);
                    self.push(again, place, Packet { contents, ..packet });
                }
                self.push(at, place, packet);
            }
        }
    }

    fn push(&mut self, at: Instant, place: Place, packet: Packet) {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.in_flight.push(Reverse(InFlight { at, serial, place, packet }));
    }

    pub(super) fn spare_buffer(&mut self, mut contents: Vec<u8>) {
        contents.clear();
        self.spare.push(contents);
    }
}
