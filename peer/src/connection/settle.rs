//! One place where the layers' news become one another's, and the application's.

use std::time::Instant;

use dtls_srtp::dtls::{self, AlertDescription};

use super::{DataCloseReason, FailureReason, PeerConnection, Route, SignatureId};
use crate::event::{Event, Readable};
use crate::signalling::{ConnectionState, IceConnectionState};
use crate::transport::{DtlsTransportState, Handshake, SrtpContexts};

impl PeerConnection {
    /// Drains the events of every layer until none has more to say, and shares the path.
    ///
    /// It, or what it consists of, ends every `handle_*`, every command and every method of a lent
    /// view, so that state never moves while somebody polls.
    pub(crate) fn settle(&mut self) {
        self.settle_layers();
        self.share_paths(self.now);
    }

    /// As [`Self::settle`], for what was done to a data channel, which is no news to the other layers.
    pub(crate) fn settle_channels(&mut self) {
        self.settle_data();
        self.share_paths(self.now);
    }

    /// The same for what was done to a sender or receiver.
    pub(crate) fn settle_media(&mut self) {
        for index in 0..self.transports.len() {
            self.settle_rtp(index);
        }
        self.share_paths(self.now);
    }

    /// The same for a call that may have had nothing to do, which moves no deadline: what data may
    /// take of the path is decided by one that had.
    pub(super) fn settle_layers(&mut self) {
        let now = self.now;
        loop {
            let mut settled = true;
            while let Some(event) = self.ice.poll_event() {
                self.on_ice(now, event);
                settled = false;
            }
            for index in 0..self.transports.len() {
                settled &= self.settle_transport(now, index);
            }
            settled &= self.settle_data();
            if settled {
                break;
            }
            self.update_connection_state();
        }
        self.end_gathering();
    }

    /// Tells SCTP what media leaves of its path, once a round trip.
    fn share_paths(&mut self, now: Instant) {
        let Some(data) = &mut self.data else { return };
        let transport = self.transports.iter_mut().find(|t| Some(t.id) == data.transport);
        let Some(transport) = transport.filter(|transport| transport.budget.is_due(now)) else {
            return;
        };
        let limit = transport.budget.decide(now, data.channels.take_path_report());
        data.channels.set_rate_limit(limit);
    }

    fn on_ice(&mut self, now: Instant, event: ice::Event) {
        match event {
            ice::Event::LocalCandidate(stream, candidate) => {
                let Some(transport) = self.transports.iter().find(|t| t.component.stream == stream)
                else {
                    return;
                };
                let (id, ufrag) = (transport.id, candidate.ufrag.clone().unwrap_or_default());
                let told = self.jsep.add_local_candidate(id, &ufrag, &candidate.to_string());
                self.events.push(Event::IceCandidate(told));
            }
            ice::Event::StateChange(state) => {
                let state = ice_connection_state(state);
                if state != self.ice_connection_state {
                    self.ice_connection_state = state;
                    self.events.push(Event::IceConnectionStateChange(state));
                }
            }
            ice::Event::Writable(component)
            | ice::Event::SelectedPair(component)
            | ice::Event::PathChange(component) => {
                let Some(index) = self.transports.iter().position(|t| t.component == component)
                else {
                    return;
                };
                if let Some(transport) = self.transports.get_mut(index) {
                    transport.had_path = true;
                }
                self.start_dtls(now, index);
                self.tell_round_trip_time(index);
                self.tell_path(now, index);
            }
            ice::Event::Embedded(stream, embedded) => {
                let mut transports = self.transports.iter_mut();
                let index = transports.position(|t| t.component.stream == stream);
                if let Some(index) = index
                    && let Some(sped) = self.transports.get_mut(index).and_then(|t| t.sped.as_mut())
                    && let Some(mut datagram) = sped.handle(embedded)
                {
                    self.receive(now, index, &mut datagram);
                }
            }
            ice::Event::PathValidated(path, _, proof) => self.tell_route(Route::Path(path, proof)),
            ice::Event::RoleChange(role) => {
                self.jsep.set_controlling(role == ice::Role::Controlling);
            }
            ice::Event::PathGone(path, _) => self.tell_route(Route::PathGone(path)),
            _ => {}
        }
    }

    /// Makes the DTLS connection, once its role is known and there is a path for it, or checks that
    /// carry its handshake.
    pub(super) fn start_dtls(&mut self, now: Instant, index: usize) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        let (None, Some(role), Ok(config)) = (&transport.dtls, transport.dtls_role, &self.dtls)
        else {
            return;
        };
        // Checks begin when the other side's credentials are known.
        let checks = transport.remote_ufrag.as_ref();
        let sped = transport.sped.as_ref().filter(|sped| sped.is_on() && checks.is_some());
        let carried = sped.is_some();
        let writable = self.ice.send_path(transport.component).is_some();
        if role == dtls::Role::Client && !writable && !carried {
            return;
        }
        let mut config = config.clone();
        if !transport.remote_fingerprints.is_empty() {
            config = config.with_remote_fingerprints(transport.remote_fingerprints.clone());
        }
        let seed = self.origin.child_seed(crate::origin::SeedStream::Dtls(transport.id.0));
        let mut connection = match role {
            dtls::Role::Client => dtls::Connection::client(config, now, seed),
            dtls::Role::Server => dtls::Connection::server(config, now, seed),
        };
        if carried {
            connection.set_mtu(self.ice.embedding_room(transport.component.stream));
        }
        transport.dtls = Some(Box::new(connection));
        transport.dtls_state = DtlsTransportState::Connecting;
        let heard = self.ice.has_been_checked(transport.component.stream);
        transport.handshake = Some(Handshake { begun: now, done: None, in_checks: false, heard });
        self.tell_round_trip_time(index);
        self.start_data(now);
        self.replay_early(now, index);
    }

    /// Lets the timer of our hello begin anew when the offerer has our answer. Our checks may be
    /// answered before that, as Chromium does, and the hello that follows them cannot be. Some keep
    /// it meanwhile, others do not, or one datagram of two. Whoever lost it was waiting for a timer
    /// that had doubled as often as the answer took to arrive. The first check of the other side
    /// says that it knows us.
    fn expect_answer(&mut self, now: Instant, index: usize) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        let (Some(dtls), Some(handshake)) = (&mut transport.dtls, &mut transport.handshake) else {
            return;
        };
        if handshake.heard || handshake.done.is_some() {
            return;
        }
        handshake.heard = self.ice.has_been_checked(transport.component.stream);
        let waits = dtls.role() == dtls::Role::Client && dtls.version().is_none();
        if handshake.heard && waits && transport.sped.is_none() {
            dtls.peer_listens(now);
        }
    }

    /// Tells the layers above when data go another way: what they measured was about the old one.
    fn tell_path(&mut self, now: Instant, index: usize) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        let path = self.ice.send_path(transport.component);
        let before = std::mem::replace(&mut transport.path, path);
        if before.is_none() || before == path {
            return;
        }
        if let Some(rtp) = &mut transport.rtp {
            rtp.path_changed();
        }
        if let Some(data) = self.data.as_mut().filter(|data| data.transport == Some(transport.id)) {
            data.channels.path_changed(now);
            transport.budget.path_changed();
            data.channels.set_rate_limit(None);
        }
    }

    /// Tells the layers above ICE how long the path is: their first timers follow it.
    fn tell_round_trip_time(&mut self, index: usize) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        let Some(round_trip) = self.ice.round_trip_time(transport.component) else { return };
        if let Some(dtls) = &mut transport.dtls {
            dtls.set_round_trip_time(round_trip);
        }
        if let Some(rtp) = &mut transport.rtp {
            rtp.set_round_trip_time(round_trip);
        }
        if let Some(data) = self.data.as_mut().filter(|data| data.transport == Some(transport.id)) {
            data.channels.set_round_trip_time(round_trip);
        }
    }

    /// Returns whether there was nothing to do.
    fn settle_transport(&mut self, now: Instant, index: usize) -> bool {
        let mut settled = true;
        self.approve(now, index);
        while let Some(event) =
            self.transports.get_mut(index).and_then(|t| t.dtls.as_mut()?.poll_event())
        {
            settled = false;
            match event {
                dtls::Event::Connected => self.on_dtls_connected(now, index),
                dtls::Event::Closed(reason) => self.on_dtls_closed(now, index, reason),
                dtls::Event::SignatureNeeded => {
                    if let Some(transport) = self.transports.get(index) {
                        self.events.push(Event::SignatureNeeded(SignatureId(transport.id)));
                    }
                }
                _ => {}
            }
        }
        settled &= self.settle_rtp(index);
        self.expect_answer(now, index);
        self.tell_data_of_dtls(now, index);
        self.greet_early(now, index);
        settled & self.settle_sped(now, index)
    }

    /// Tells the application what a transport's media has to say. Returns whether there was nothing.
    fn settle_rtp(&mut self, index: usize) -> bool {
        let Some(rtp) = self.transports.get_mut(index).and_then(|t| t.rtp.as_mut()) else {
            return true;
        };
        let mut settled = true;
        while let Some(event) = rtp.poll_event() {
            settled = false;
            match event {
                rtp::session::Event::Readable(section) => {
                    let id = crate::TransceiverId(section.0);
                    self.events.push(Event::Readable(Readable::Receiver(id)));
                }
                rtp::session::Event::KeyFrameRequested(section) => {
                    let id = crate::TransceiverId(section.0);
                    self.events.push(Event::KeyFrameRequested(id));
                }
                _ => {}
            }
        }
        settled
    }

    /// An SCTP association without a handshake is up when DTLS below it is.
    pub(super) fn tell_data_of_dtls(&mut self, now: Instant, index: usize) {
        let Some(transport) = self.transports.get(index) else { return };
        let up = transport.may_send();
        if let Some(data) = self.data.as_mut().filter(|data| data.transport == Some(transport.id))
            && up
        {
            data.channels.lower_layer_up(now);
        }
    }

    /// Where the other side can read what comes behind our first flight, SCTP need not wait for its
    /// INIT.
    fn greet_early(&mut self, now: Instant, index: usize) {
        let Some(transport) = self.transports.get(index) else { return };
        let Some(dtls) = &transport.dtls else { return };
        let is_first = dtls.role() == dtls::Role::Server
            && dtls.version() == Some(dtls::Version::Dtls13)
            && !dtls.is_connected();
        if let Some(data) = self.data.as_mut().filter(|data| data.transport == Some(transport.id))
            && is_first
        {
            data.channels.end_hold(now);
        }
    }

    /// Gives what DTLS wants to send to the checks. Returns whether there was nothing to do.
    fn settle_sped(&mut self, now: Instant, index: usize) -> bool {
        let Some(transport) = self.transports.get_mut(index) else { return true };
        let Some(sped) = &mut transport.sped else { return true };
        if let Some(dtls) = transport.dtls.as_mut().filter(|_| sped.pulls()) {
            sped.pull(now, dtls);
        }
        let Some(embedding) = sped.take_embedding() else {
            if !sped.is_on() && !sped.has_unsent() {
                transport.sped = None;
            }
            return true;
        };
        // "The reduced MTU should only be used until the DTLS handshake is complete": until our last
        // flight has arrived, which is to fit the checks as well.
        if let Some(dtls) = transport.dtls.as_mut().filter(|_| embedding.is_none()) {
            dtls.set_mtu(self.configuration.path_mtu);
        }
        self.ice.set_embedding(now, transport.component.stream, embedding);
        false
    }

    fn on_dtls_connected(&mut self, now: Instant, index: usize) {
        if let Some(transport) = self.transports.get_mut(index) {
            // There may be media since it was looked at.
            transport.approved = false;
        }
        if !self.approve(now, index) {
            return;
        }
        let Some(transport) = self.transports.get_mut(index) else { return };
        transport.dtls_state = DtlsTransportState::Connected;
        if let Some(handshake) = &mut transport.handshake {
            handshake.done = Some(now);
            handshake.in_checks = transport.sped.as_ref().is_some_and(|sped| sped.has_carried());
        }
        if let (Some(sped), Some(dtls)) = (&mut transport.sped, &mut transport.dtls) {
            sped.finish(dtls);
        }
        let keys = transport.dtls.as_ref().and_then(|dtls| dtls.srtp_keys());
        match keys.map(|keys| SrtpContexts::new(&keys, &self.configuration)) {
            Some(Ok(mut contexts)) => {
                contexts.set_cryptex(transport.cryptex);
                transport.srtp = Some(Box::new(contexts));
            }
            // Packet cryptography that is there no more: better no connection than one without media.
            Some(Err(_)) => {
                if let Some(dtls) = &mut transport.dtls {
                    dtls.abort(now, AlertDescription::InternalError);
                }
                return;
            }
            None => (),
        }
        // Application data that overtook the handshake's end waits inside DTLS.
        while let Some(plaintext) = self
            .transports
            .get_mut(index)
            .and_then(|transport| transport.dtls.as_mut()?.take_early())
        {
            self.receive_data(now, index, &plaintext);
        }
        self.replay_early(now, index);
    }

    fn on_dtls_closed(&mut self, now: Instant, index: usize, reason: dtls::CloseReason) {
        if self.is_closed() {
            return;
        }
        let Some(transport) = self.transports.get_mut(index) else { return };
        if reason == dtls::CloseReason::Remote {
            transport.dtls_state = DtlsTransportState::Closed;
            self.close_transport_by_peer(now, index);
        } else {
            transport.dtls_state = DtlsTransportState::Failed;
            // Nor does media go on below a connection that is told to have failed.
            transport.srtp = None;
            transport.early.take();
            let refusal = self.configuration.security_policy.explain(reason);
            self.fail(refusal.map_or(FailureReason::Dtls(reason), FailureReason::Policy));
            self.end_data_if_failed(now);
        }
    }

    /// Ends the association when the DTLS connection that is to carry it has failed. Its channels would
    /// stay open and take messages for nobody, or wait for ever: closed is also one whose transport
    /// "could not be established"
    /// ([webrtc-pc §6.2](https://www.w3.org/TR/webrtc/#dom-rtcdatachannelstate)).
    pub(super) fn end_data_if_failed(&mut self, now: Instant) {
        let Some(data) = &mut self.data else { return };
        let transport = self.transports.iter().find(|t| Some(t.id) == data.transport);
        if transport.is_some_and(|t| t.dtls_state == DtlsTransportState::Failed) {
            data.channels.abort(now, "DTLS has failed");
            self.data_close_reason.get_or_insert(DataCloseReason::DtlsFailed);
        }
    }

    /// The W3C's `RTCPeerConnectionState`, from those of ICE and DTLS.
    pub(super) fn update_connection_state(&mut self) {
        if self.is_closed() {
            return;
        }
        let dtls = |state| self.transports.iter().any(|t| t.dtls_state == state);
        let state = if self.ice_connection_state == IceConnectionState::Failed
            || dtls(DtlsTransportState::Failed)
        {
            ConnectionState::Failed
        } else {
            match self.ice_connection_state {
                IceConnectionState::Disconnected => ConnectionState::Disconnected,
                IceConnectionState::Connected | IceConnectionState::Completed => {
                    if dtls(DtlsTransportState::New) || dtls(DtlsTransportState::Connecting) {
                        ConnectionState::Connecting
                    } else {
                        ConnectionState::Connected
                    }
                }
                IceConnectionState::New => ConnectionState::New,
                _ => ConnectionState::Connecting,
            }
        };
        if state == self.connection_state {
            return;
        }
        if state != ConnectionState::Failed {
            self.failure = None;
        } else if self.failure.is_none() {
            self.failure = Some(self.no_path());
        }
        self.connection_state = state;
        self.events.push(Event::ConnectionStateChange(state));
    }
}

const fn ice_connection_state(state: ice::ConnectionState) -> IceConnectionState {
    match state {
        ice::ConnectionState::New => IceConnectionState::New,
        ice::ConnectionState::Checking => IceConnectionState::Checking,
        ice::ConnectionState::Connected => IceConnectionState::Connected,
        ice::ConnectionState::Completed => IceConnectionState::Completed,
        ice::ConnectionState::Disconnected => IceConnectionState::Disconnected,
        ice::ConnectionState::Failed => IceConnectionState::Failed,
        ice::ConnectionState::Closed => IceConnectionState::Closed,
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests;
