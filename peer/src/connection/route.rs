//! Where an incoming datagram goes.

use std::time::Instant;

use dtls_srtp::srtp::UnprotectError;
use ice::PathProof;
use stun::{Datagram, FiveTuple};

use super::PeerConnection;
use crate::data_channel::Data;
use crate::signalling::SignalingState;
use crate::transport::DtlsTransportState;

/// What an [`Endpoint`](crate::Endpoint) must know to find this connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// Binding requests to this local ICE user fragment are ours.
    Ufrag(String),
    /// No longer.
    UfragGone(String),
    /// An authenticated check proved this path.
    Path(FiveTuple, PathProof),
    /// No longer.
    PathGone(FiveTuple),
}

/// What the first byte of a datagram says
/// ([RFC 7983 §7](https://www.rfc-editor.org/rfc/rfc7983#section-7), as updated by
/// [RFC 9443](https://www.rfc-editor.org/rfc/rfc9443)). STUN and TURN never get here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Dtls,
    Rtp,
    Rtcp,
    Unknown,
}

impl Kind {
    fn of(contents: &[u8]) -> Self {
        match contents {
            [20..=63, ..] => Self::Dtls,
            // RFC 5761 §4: with the marker bit, RTCP packet types are payload types 64 to 95,
            // which RTP does not use where the two are multiplexed.
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

impl PeerConnection {
    /// Gives a datagram to the layer that it is for. Returns whether that is one above ICE.
    pub(super) fn route(&mut self, now: Instant, datagram: Datagram<'_>) -> bool {
        let Some((component, datagram)) = self.ice.handle_datagram(now, datagram) else {
            return false;
        };
        let Some(index) = self.transports.iter().position(|t| t.component == component) else {
            self.counters.datagrams_dropped += 1;
            return false;
        };
        let Some(transport) = self.transports.get_mut(index) else { return false };
        transport.traffic.datagrams_received += 1;
        transport.traffic.bytes_received += datagram.contents.len() as u64;
        if let Some(sped) = &mut transport.sped
            && Kind::of(datagram.contents) == Kind::Dtls
        {
            sped.note_received(datagram.contents);
        }
        self.receive(now, index, datagram.contents);
        true
    }

    /// Takes what ICE has passed on. What cannot be opened yet waits until it can.
    pub(super) fn receive(&mut self, now: Instant, index: usize, contents: &mut [u8]) {
        match Kind::of(contents) {
            Kind::Dtls => self.receive_dtls(now, index, contents),
            kind @ (Kind::Rtp | Kind::Rtcp) => self.receive_srtp(now, index, kind, contents),
            Kind::Unknown => {
                if let Some(transport) = self.transports.get_mut(index) {
                    transport.traffic.datagrams_dropped += 1;
                }
            }
        }
    }

    fn receive_dtls(&mut self, now: Instant, index: usize, contents: &mut [u8]) {
        self.start_dtls(now, index);
        let Some(transport) = self.transports.get_mut(index) else { return };
        let Some(dtls) = &mut transport.dtls else {
            // The answer that tells the roles is still on its way.
            transport.early.keep(contents);
            return;
        };
        let records = dtls.handle_datagram(now, contents);
        let of_data = |data: &&mut Box<Data>| data.transport == Some(transport.id);
        if transport.approved
            && let Some(data) = self.data.as_mut().filter(of_data)
        {
            for plaintext in records {
                data.channels.handle_datagram(now, plaintext);
            }
            return;
        }
        // The datagram that ends the handshake may hold data, too: the policy goes first.
        let plaintexts: Vec<_> = records.map(|plaintext| plaintext.to_vec()).collect();
        if self.approve(now, index) {
            for plaintext in plaintexts {
                self.receive_data(now, index, &plaintext);
            }
        }
    }

    /// Takes what DTLS has opened. What comes before the answer that says that it is data waits for
    /// that.
    pub(super) fn receive_data(&mut self, now: Instant, index: usize, plaintext: &[u8]) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        match &mut self.data {
            Some(data) if data.transport == Some(transport.id) => {
                data.channels.handle_datagram(now, plaintext);
            }
            Some(data)
                if data.transport.is_none()
                    && self.jsep.signaling_state() != SignalingState::Stable =>
            {
                transport.early_data.keep(plaintext);
            }
            _ => {}
        }
    }

    /// Gives what came before the answer to the association, or to nobody where there is none.
    pub(super) fn replay_early_data(&mut self, now: Instant) {
        if self.jsep.signaling_state() != SignalingState::Stable {
            return;
        }
        for index in 0..self.transports.len() {
            let Some(transport) = self.transports.get_mut(index) else { return };
            for plaintext in transport.early_data.take() {
                self.receive_data(now, index, &plaintext);
            }
        }
    }

    fn receive_srtp(&mut self, now: Instant, index: usize, kind: Kind, contents: &mut [u8]) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        let Some(srtp) = &mut transport.srtp else {
            match transport.dtls_state {
                // There are no keys any more, nor will there be.
                DtlsTransportState::Closed | DtlsTransportState::Failed => {
                    transport.traffic.datagrams_dropped += 1;
                }
                _ => transport.early.keep(contents),
            }
            return;
        };
        let opened = match kind {
            Kind::Rtcp => srtp.inbound.unprotect_rtcp(contents),
            _ => srtp.inbound.unprotect_rtp(contents),
        };
        match (opened, &mut transport.rtp) {
            (Ok(packet), Some(rtp)) => rtp.handle_datagram(now, packet),
            (opened, _) => {
                if opened == Err(UnprotectError::TooManySources) {
                    srtp.warn_of_sources();
                }
                transport.traffic.datagrams_dropped += 1;
            }
        }
    }

    /// Gives what waited to the layers that can open it now.
    pub(super) fn replay_early(&mut self, now: Instant, index: usize) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        for mut contents in transport.early.take() {
            // What still cannot be opened goes back to waiting.
            self.receive(now, index, &mut contents);
        }
    }

    /// Keeps from now on what an endpoint must know to find this connection; it takes that after
    /// every call.
    pub(crate) fn keep_routes(&mut self) {
        self.routes.get_or_insert_default();
    }

    /// Keeps nothing of it any more: the connection is in no endpoint.
    pub(crate) fn forget_routes(&mut self) {
        self.routes = None;
        self.announced_ufrags = Vec::new();
    }

    pub(super) fn tell_route(&mut self, route: Route) {
        if let Some(routes) = &mut self.routes {
            routes.push_back(route);
        }
    }

    /// The next thing that an endpoint must know to find this connection.
    pub(crate) fn poll_route(&mut self) -> Option<Route> {
        self.routes.as_mut()?.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_protocols_apart_by_their_first_bytes() {
        assert_eq!(Kind::of(&[22, 254, 253]), Kind::Dtls);
        assert_eq!(Kind::of(&[128, 96, 0]), Kind::Rtp);
        assert_eq!(Kind::of(&[128, 224, 0]), Kind::Rtp);
        assert_eq!(Kind::of(&[128, 200, 0]), Kind::Rtcp);
        assert_eq!(Kind::of(&[191, 223]), Kind::Rtcp);
        for first in (0..20).chain(64..128).chain(192..=255) {
            assert_eq!(Kind::of(&[first, 0, 0, 0]), Kind::Unknown, "{first}");
        }
        assert_eq!(Kind::of(&[]), Kind::Unknown);
    }
}
