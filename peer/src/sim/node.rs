//! What the simulator can drive: any engine that makes and takes datagrams.

use std::time::Instant;

use stun::{Binding, Datagram, Transmit};

use super::{HostId, Network};

/// An engine on a host of a [`Network`]. The engines have these calls as methods of their own; this
/// trait exists so that a simulation can hold different ones.
pub trait Node {
    /// Takes a datagram that has arrived at the host.
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>);
    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);
    /// Appends a datagram to `buf`.
    fn poll_transmit<'b>(&mut self, now: Instant, buf: &'b mut Vec<u8>) -> Option<Transmit<'b>>;
    /// Says when it wants to be called next.
    fn poll_timeout(&self) -> Option<Instant>;
}

macro_rules! nodes {
    ($($engine:ty),*) => {$(
        impl Node for $engine {
            fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
                let _ = Self::handle_datagram(self, now, datagram);
            }

            fn handle_timeout(&mut self, now: Instant) {
                Self::handle_timeout(self, now);
            }

            fn poll_transmit<'b>(
                &mut self,
                now: Instant,
                buf: &'b mut Vec<u8>,
            ) -> Option<Transmit<'b>> {
                Self::poll_transmit(self, now, buf)
            }

            fn poll_timeout(&self) -> Option<Instant> {
                Self::poll_timeout(self)
            }
        }
    )*};
}

nodes!(Binding, ice::Agent, crate::PeerConnection, crate::Endpoint);

/// What [`Network::drive`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "it says when to drive again"]
pub struct Driven {
    /// When to drive again; `None`: nothing more happens by itself.
    pub next: Option<Instant>,
    /// How many datagrams were sent.
    pub sent: usize,
    /// How many datagrams were delivered.
    pub delivered: usize,
}

impl Network {
    /// Does everything that is due at `now`: timeouts, datagrams that have arrived, datagrams to
    /// send, until nothing is left. A datagram for a host that is not among the nodes is dropped.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use peerless::sim::{Interface, Nat, Network, Realm};
    /// use peerless::FiveTuple;
    /// use stun::{Binding, BindingConfig};
    ///
    /// # #[expect(clippy::disallowed_methods, reason = "the origin of a simulation")]
    /// let mut now = Instant::now();
    /// let mut network = Network::new(now, 1);
    /// network.add_stun_server(Interface::new(Realm::INTERNET, "192.0.2.1".parse()?), 3478);
    /// let home = network.add_nat(Realm::INTERNET, Nat::symmetric("203.0.113.1".parse()?));
    /// let host = network.add_host();
    /// network.add_interface(host, Interface::new(home, "10.0.0.1".parse()?));
    ///
    /// let path = FiveTuple::udp("10.0.0.1:5000".parse()?, "192.0.2.1:3478".parse()?);
    /// let mut binding = Binding::new(BindingConfig::default(), path, now, [1; 32]);
    /// while let Some(next) = network.drive(now, &mut [(host, &mut binding)]).next {
    ///     now = next;
    /// }
    /// assert_eq!(binding.mapped_address().map(|mapped| mapped.ip()), Some("203.0.113.1".parse()?));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When a million datagrams pass without time passing: an engine then sends without end, or
    /// asks to be called at once and does nothing, both breaches of the contract of the five calls.
    pub fn drive(&mut self, now: Instant, nodes: &mut [(HostId, &mut dyn Node)]) -> Driven {
        const MANY: usize = 1_000_000;

        let mut buf = Vec::new();
        let mut driven = Driven { next: None, sent: 0, delivered: 0 };
        for rounds in 0.. {
            assert!(rounds < MANY && driven.sent < MANY, "an engine spins at one instant");
            for (host, node) in &mut *nodes {
                if node.poll_timeout().is_some_and(|deadline| deadline <= now) {
                    node.handle_timeout(now);
                }
                while let Some(transmit) = node.poll_transmit(now, &mut buf) {
                    driven.sent += transmit.datagrams().count();
                    assert!(driven.sent < MANY, "an engine sends without end at one instant");
                    self.send(now, *host, &transmit);
                    buf.clear();
                }
            }
            while let Some(mut delivery) = self.receive(now) {
                driven.delivered += 1;
                if let Some((_, node)) = nodes.iter_mut().find(|(host, _)| *host == delivery.host) {
                    let datagram = Datagram::new(delivery.path, &mut delivery.contents);
                    node.handle_datagram(now, datagram.with_ecn(delivery.ecn));
                }
                self.recycle(delivery);
            }
            driven.next = nodes
                .iter()
                .filter_map(|(_, node)| node.poll_timeout())
                .chain(self.poll_timeout())
                .min();
            if driven.next.is_none_or(|next| next > now) {
                break;
            }
        }
        driven
    }
}
