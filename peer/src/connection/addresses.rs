//! Our addresses, sockets that are asked for, and the candidates that both become.

use std::net::SocketAddr;
use std::time::Instant;

use stun::FiveTuple;

use super::{FailureReason, PeerConnection};
use crate::event::{Event, SocketId, SocketRequest};
use crate::signalling::{ConnectionState, IceGatheringState};
use crate::transport::Transport;

impl PeerConnection {
    /// Tells the address of a UDP socket that this connection may use: the real one of an
    /// interface, never the wildcard. It becomes a host candidate.
    ///
    /// Every transport needs a socket of its own; all that is bundled shares the first. For others
    /// there will be an [`Event::Socket`].
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
        let first = self.transports.first();
        if first.is_some_and(|first| first.gathering != IceGatheringState::New) {
            self.give_address(self.now, 0, address);
            self.settle();
        }
    }

    /// Tells that an address is gone: its candidates and paths go with it. Where data went by one of
    /// them, the connection fails
    /// ([`FailureReason::AddressRemoved`](crate::FailureReason::AddressRemoved)); another address may
    /// help with [`restart_ice`](Self::restart_ice) and an exchange of descriptions.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        let now = self.advance(now);
        if self.is_closed() {
            return;
        }
        self.local_addresses.retain(|known| *known != address);
        self.ice.remove_local_address(now, address);
        let failed_before = self.connection_state == ConnectionState::Failed;
        self.settle_layers();
        if self.connection_state == ConnectionState::Failed && !failed_before {
            self.failure = Some(FailureReason::AddressRemoved { address });
        }
    }

    /// Answers [`SocketRequest::Bind`]: the socket has this address.
    pub fn socket_opened(&mut self, now: Instant, id: SocketId, path: FiveTuple) {
        let now = self.advance(now);
        let Some(at) = self.socket_requests.iter().position(|(asked, _)| *asked == id) else {
            if self.sockets.iter().all(|(open, _)| *open != id) {
                // Nobody has waited for it: its transport is gone meanwhile.
                self.events.push(Event::Socket(SocketRequest::Close { id }));
            }
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
        if self.is_closed() {
            return;
        }
        self.socket_requests.retain(|(asked, _)| *asked != id);
        self.end_of_addresses(now);
        self.settle();
    }

    /// Asks to close the sockets of transports that are no more, and no longer for those that were to
    /// come.
    pub(super) fn close_sockets(&mut self) {
        let transports = &self.transports;
        let closed = self.connection_state == ConnectionState::Closed;
        let gone = |transport| closed || !transports.iter().any(|own| own.id == transport);
        for (id, _) in self.socket_requests.extract_if(.., |(_, transport)| gone(*transport)) {
            self.events.forget(|event| {
                matches!(event, Event::Socket(SocketRequest::Bind { id: own, .. }) if *own == id)
            });
        }
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
    pub(super) fn start_gathering(&mut self) {
        for index in 0..self.transports.len() {
            let Some(transport) = self.transports.get_mut(index) else { continue };
            if transport.gathering != IceGatheringState::New {
                continue;
            }
            transport.gathering = IceGatheringState::Gathering;
            let transport = transport.id;
            for at in 0..self.local_addresses.len() {
                let Some(&address) = self.local_addresses.get(at) else { continue };
                if index == 0 {
                    self.give_address(self.now, index, address);
                    continue;
                }
                let id = SocketId(self.next_socket);
                self.next_socket += 1;
                self.socket_requests.push((id, transport));
                let address = address.ip();
                self.events.push(Event::Socket(SocketRequest::Bind { id, address }));
            }
        }
    }

    /// Tells ICE when no more addresses will come.
    pub(super) fn end_of_addresses(&mut self, now: Instant) {
        let begun = self.transports.iter().any(|own| own.gathering != IceGatheringState::New);
        if begun && self.socket_requests.is_empty() {
            self.ice.finish_gathering(now);
        }
    }

    /// Tells the end of the candidates of each transport when all of them are known. Those of a
    /// transport that comes later, or begins a new generation, end once more.
    pub(super) fn end_gathering(&mut self) {
        if self.ice_gathering_state != IceGatheringState::Gathering
            || !self.socket_requests.is_empty()
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
