//! Our addresses, sockets that are asked for, and the candidates that both become.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use stun::FiveTuple;

use super::{Events, FailureReason, PeerConnection};
use crate::event::{Event, SocketId, SocketRequest};
use crate::jsep::TransportId;
use crate::signalling::{ConnectionState, IceGatheringState};
use crate::transport::Transport;

/// A socket of a transport that cannot share the first one's.
#[derive(Debug)]
pub(crate) struct OwnSocket {
    id: SocketId,
    transport: TransportId,
    /// Where it was asked for.
    ip: IpAddr,
    /// `None` until it is open.
    address: Option<SocketAddr>,
}

impl OwnSocket {
    /// Asks to close it, or no longer for it. One that comes all the same is closed then.
    fn close(self, events: &mut Events) {
        let Self { id, address, .. } = self;
        if address.is_some() {
            events.push(Event::Socket(SocketRequest::Close { id }));
            return;
        }
        events.forget(|event| {
            matches!(event, Event::Socket(SocketRequest::Bind { id: own, .. }) if *own == id)
        });
    }
}

impl PeerConnection {
    /// Tells the address of a UDP socket that this connection may use: the real one of an
    /// interface, never the wildcard. It becomes a host candidate.
    ///
    /// Every transport needs a socket of its own; all that is bundled shares the first. For each of
    /// the others there will be an [`Event::Socket`], which asks for one at the same IP address.
    ///
    /// Without any address there is no connection. One that is added when
    /// [`ice_gathering_state`](Self::ice_gathering_state) is complete is used, and told; but "an agent
    /// MUST NOT trickle any new candidates" behind the end of them
    /// ([RFC 8838 §13](https://www.rfc-editor.org/rfc/rfc8838#section-13)), and the other side may
    /// ignore it. We tell it for those who don't. With
    /// [`restart_ice`](Self::restart_ice) and an exchange everybody takes it.
    pub fn add_local_address(&mut self, address: SocketAddr) {
        if self.is_closed() || self.local_addresses.contains(&address) {
            return;
        }
        self.local_addresses.push(address);
        for index in 0..self.transports.len() {
            let transport = self.transports.get(index);
            if transport.is_some_and(|own| own.gathering != IceGatheringState::New) {
                self.gather_at(index, address);
            }
        }
        self.settle();
    }

    /// Tells that an address is gone: its candidates and paths go with it, and when it was the last
    /// at its IP address, the sockets that were asked for there. A socket that was asked for may go
    /// alone, too. Where data went by one of them, the connection fails
    /// ([`FailureReason::AddressRemoved`](crate::FailureReason::AddressRemoved)); another address may
    /// help with [`restart_ice`](Self::restart_ice) and an exchange of descriptions.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        let now = self.advance(now);
        if self.is_closed() {
            return;
        }
        self.local_addresses.retain(|known| *known != address);
        self.ice.remove_local_address(now, address);
        let ip_is_gone = self.local_addresses.iter().all(|known| known.ip() != address.ip());
        let gone = |socket: &OwnSocket| {
            socket.address == Some(address) || (ip_is_gone && socket.ip == address.ip())
        };
        let (sockets, events) = (&mut self.sockets, &mut self.events);
        for socket in sockets.extract_if(.., |socket| gone(socket)) {
            if let Some(own) = socket.address {
                self.ice.remove_local_address(now, own);
            }
            socket.close(events);
        }
        self.end_of_addresses(now);
        let failed_before = self.connection_state == ConnectionState::Failed;
        self.settle_layers();
        if self.connection_state == ConnectionState::Failed && !failed_before {
            self.failure = Some(FailureReason::AddressRemoved { address });
        }
    }

    /// Answers [`SocketRequest::Bind`]: the socket has this address.
    pub fn socket_opened(&mut self, now: Instant, id: SocketId, path: FiveTuple) {
        let now = self.advance(now);
        let Some(socket) = self.sockets.iter_mut().find(|socket| socket.id == id) else {
            // Nobody has waited for it: its transport is gone meanwhile, or its address.
            self.events.push(Event::Socket(SocketRequest::Close { id }));
            return;
        };
        if socket.address.is_some() {
            return;
        }
        socket.address = Some(path.local);
        let transport = socket.transport;
        if let Some(index) = self.transports.iter().position(|t| t.id == transport) {
            self.give_address(now, index, path.local);
        }
        self.end_of_addresses(now);
        self.settle();
    }

    /// Answers [`SocketRequest::Bind`]: there will be no such socket.
    pub fn socket_failed(&mut self, now: Instant, id: SocketId) {
        let now = self.advance(now);
        if self.is_closed() {
            return;
        }
        self.sockets.retain(|socket| socket.id != id || socket.address.is_some());
        self.end_of_addresses(now);
        self.settle();
    }

    /// Asks to close the sockets of transports that are no more, and no longer for those that were to
    /// come.
    pub(super) fn close_sockets(&mut self) {
        let transports = &self.transports;
        let closed = self.connection_state == ConnectionState::Closed;
        let gone = |transport| closed || !transports.iter().any(|own| own.id == transport);
        for socket in self.sockets.extract_if(.., |socket| gone(socket.transport)) {
            socket.close(&mut self.events);
        }
    }

    fn give_address(&mut self, now: Instant, index: usize, address: SocketAddr) {
        if let Some(transport) = self.transports.get_mut(index) {
            self.ice.add_local_address(now, transport.component, address);
        }
    }

    /// Lets a transport gather at an address: the first one shares what the application told, the
    /// others have sockets of their own there.
    fn gather_at(&mut self, index: usize, address: SocketAddr) {
        if index == 0 {
            self.give_address(self.now, index, address);
            return;
        }
        let Some(transport) = self.transports.get(index).map(|own| own.id) else { return };
        let (id, ip) = (SocketId(self.next_socket), address.ip());
        self.next_socket += 1;
        self.sockets.push(OwnSocket { id, transport, ip, address: None });
        self.events.push(Event::Socket(SocketRequest::Bind { id, address: ip }));
    }

    /// Gives every transport its addresses, once a local description is in force.
    pub(super) fn start_gathering(&mut self) {
        for index in 0..self.transports.len() {
            let Some(transport) = self.transports.get_mut(index) else { continue };
            if transport.gathering != IceGatheringState::New {
                continue;
            }
            transport.gathering = IceGatheringState::Gathering;
            for at in 0..self.local_addresses.len() {
                let Some(&address) = self.local_addresses.get(at) else { continue };
                self.gather_at(index, address);
            }
        }
    }

    fn waits_for_sockets(&self) -> bool {
        self.sockets.iter().any(|socket| socket.address.is_none())
    }

    /// Tells ICE when no more addresses will come.
    pub(super) fn end_of_addresses(&mut self, now: Instant) {
        let begun = self.transports.iter().any(|own| own.gathering != IceGatheringState::New);
        if begun && !self.waits_for_sockets() {
            self.ice.finish_gathering(now);
        }
    }

    /// Tells the end of the candidates of each transport when all of them are known. Those of a
    /// transport that comes later, or begins a new generation, end once more.
    pub(super) fn end_gathering(&mut self) {
        if self.ice_gathering_state != IceGatheringState::Gathering
            || self.waits_for_sockets()
            || !self.ice.is_gathering_complete()
        {
            return;
        }
        for transport in &mut self.transports {
            if transport.gathering != IceGatheringState::Gathering {
                continue;
            }
            transport.gathering = IceGatheringState::Complete;
            let own = self.ice.local_credentials(transport.component.stream);
            let ufrag = own.map(|own| &*own.ufrag).unwrap_or_default();
            let end = self.jsep.add_local_candidate(transport.id, ufrag, "");
            self.events.push(Event::IceCandidate(end));
        }
        self.update_gathering_state();
    }

    /// The W3C's `RTCIceGatheringState`, from those of the transports
    /// ([webrtc-pc §4.3.2](https://www.w3.org/TR/webrtc/#rtcicegatheringstate-enum)).
    pub(super) fn update_gathering_state(&mut self) {
        let is = |state| move |transport: &Transport| transport.gathering == state;
        let transports = &self.transports;
        let state = if transports.iter().any(is(IceGatheringState::Gathering)) {
            IceGatheringState::Gathering
        } else if transports.is_empty() || transports.iter().any(is(IceGatheringState::New)) {
            IceGatheringState::New
        } else {
            IceGatheringState::Complete
        };
        if state != self.ice_gathering_state {
            self.ice_gathering_state = state;
            self.events.push(Event::IceGatheringStateChange(state));
        }
    }
}
