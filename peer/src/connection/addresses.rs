//! Our addresses, and sockets that are asked for.

use std::net::SocketAddr;
use std::time::Instant;

use stun::FiveTuple;

use super::PeerConnection;
use crate::event::{Event, SocketId, SocketRequest};
use crate::signalling::{ConnectionState, IceGatheringState};

impl PeerConnection {
    /// Tells the address of a UDP socket that this connection may use: the real one of an
    /// interface, never the wildcard. It becomes a host candidate.
    ///
    /// Every transport needs a socket of its own; all that is bundled shares the first. For others
    /// there will be an [`Event::Socket`].
    pub fn add_local_address(&mut self, address: SocketAddr) {
        if self.is_closed() || self.local_addresses.contains(&address) {
            return;
        }
        self.local_addresses.push(address);
        if self.transports.first().is_some_and(|first| first.gathering) {
            self.give_address(self.now, 0, address);
            self.settle();
        }
    }

    /// Tells that an address is gone: its candidates and paths go with it.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        let now = self.advance(now);
        self.local_addresses.retain(|known| *known != address);
        self.ice.remove_local_address(now, address);
        self.settle();
    }

    /// Answers [`SocketRequest::Bind`]: the socket has this address.
    pub fn socket_opened(&mut self, now: Instant, id: SocketId, path: FiveTuple) {
        let now = self.advance(now);
        let Some(at) = self.socket_requests.iter().position(|(asked, _)| *asked == id) else {
            return;
        };
        let (id, transport) = self.socket_requests.swap_remove(at);
        self.sockets.push((id, transport));
        if let Some(index) = self.transports.iter().position(|t| t.id == transport) {
            self.give_address(now, index, path.local);
        }
        self.end_of_addresses(now);
        self.settle();
    }

    /// Answers [`SocketRequest::Bind`]: there will be no such socket.
    pub fn socket_failed(&mut self, now: Instant, id: SocketId) {
        let now = self.advance(now);
        self.socket_requests.retain(|(asked, _)| *asked != id);
        self.end_of_addresses(now);
        self.settle();
    }

    /// Asks to close the sockets of transports that are no more.
    pub(super) fn close_sockets(&mut self) {
        let transports = &self.transports;
        let closed = self.connection_state == ConnectionState::Closed;
        let gone = |transport| closed || !transports.iter().any(|own| own.id == transport);
        self.socket_requests.retain(|(_, transport)| !gone(*transport));
        for (id, _) in self.sockets.extract_if(.., |(_, transport)| gone(*transport)) {
            self.events.push(Event::Socket(SocketRequest::Close { id }));
        }
    }

    fn give_address(&mut self, now: Instant, index: usize, address: SocketAddr) {
        if let Some(transport) = self.transports.get_mut(index) {
            self.ice.add_local_address(now, transport.component, address);
        }
    }

    /// Gives every transport its addresses, once a local description is in force: the first one
    /// those that the application told, the others sockets of their own.
    pub(super) fn start_gathering(&mut self, now: Instant) {
        for index in 0..self.transports.len() {
            let Some(transport) = self.transports.get_mut(index) else { continue };
            if transport.gathering {
                continue;
            }
            transport.gathering = true;
            let transport = transport.id;
            for at in 0..self.local_addresses.len() {
                let Some(&address) = self.local_addresses.get(at) else { continue };
                if index == 0 {
                    self.give_address(now, index, address);
                    continue;
                }
                let id = SocketId(self.next_socket);
                self.next_socket += 1;
                self.socket_requests.push((id, transport));
                let address = address.ip();
                self.events.push(Event::Socket(SocketRequest::Bind { id, address }));
            }
            self.set_ice_gathering_state(IceGatheringState::Gathering);
        }
        self.end_of_addresses(now);
    }

    fn end_of_addresses(&mut self, now: Instant) {
        if self.socket_requests.is_empty() {
            self.ice.finish_gathering(now);
        }
    }
}
