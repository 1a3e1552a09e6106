//! The end of a connection.

use std::net::SocketAddr;
use std::time::Instant;

use dtls_srtp::dtls;
use thiserror::Error as ThisError;

use super::{DataCloseReason, PeerConnection, Route};
use crate::event::Event;
use crate::security::PolicyRefusal;
use crate::signalling::{ConnectionState, IceConnectionState, SignalingState};
use crate::transport::{DtlsTransportState, Transport};

/// Why a connection failed, in words that help.
#[derive(Clone, Debug, ThisError)]
#[non_exhaustive]
pub enum FailureReason {
    /// No candidate pair worked.
    #[error(
        "no connection: {local} local and {remote} remote candidates, {pairs} pairs tried, no \
         answer on any{hint}"
    )]
    NoPath {
        /// How many local candidates there were.
        local: usize,
        /// How many remote candidates there were.
        remote: usize,
        /// How many pairs were checked.
        pairs: usize,
        /// What may be the matter.
        hint: &'static str,
    },
    /// The other side stopped answering.
    #[error("no connection any more: the other side has not answered for {seconds} s (RFC 7675)")]
    ConsentExpired {
        /// How long it has been silent.
        seconds: u64,
    },
    /// Our address that the path began at was taken away
    /// ([`PeerConnection::remove_local_address`]).
    #[error(
        "no connection any more: the local address {address} is gone; restart_ice and an exchange \
         of descriptions find a path from another"
    )]
    AddressRemoved {
        /// The address.
        address: SocketAddr,
    },
    /// DTLS ended.
    #[error("no secure connection: {0}")]
    Dtls(dtls::CloseReason),
    /// The connection would not have been as secure as
    /// [`Configuration::security_policy`](crate::Configuration::security_policy) asks for.
    #[error("no secure connection: {0}")]
    Policy(PolicyRefusal),
    /// [`PeerConnection::refuse_signature`] was called.
    #[error("no secure connection: the application refused to sign the handshake")]
    SignatureRefused,
}

impl FailureReason {
    /// Whether [`PeerConnection::restart_ice`] and an exchange of descriptions may help.
    const fn is_of_path(&self) -> bool {
        matches!(
            self,
            Self::NoPath { .. } | Self::ConsentExpired { .. } | Self::AddressRemoved { .. }
        )
    }
}

impl PeerConnection {
    /// Closes the connection and says goodbye: RTCP's BYE, SCTP's ABORT and DTLS's close_notify
    /// ([webrtc-pc §4.4.2](https://www.w3.org/TR/webrtc/#dom-rtcpeerconnection-close)), so that the
    /// other side need not wait for consent to run out. What is owed to it can still be polled;
    /// after that every call does nothing.
    ///
    /// Data channels end abruptly: what they have not sent is lost, and what was not read. Each is told
    /// by [`DataChannelClose`](Event::DataChannelClose). The other side's browser tells its page so with
    /// an `error` event before `close`, as it does with browsers that close. Transceivers are stopped.
    pub fn close(&mut self, now: Instant) {
        let now = self.advance(now);
        if self.is_closed() {
            return;
        }
        for index in 0..self.transports.len() {
            self.say_last_words(now, index);
        }
        // Of an association that works, the channels have ended by that.
        self.settle_data();
        self.data_close_reason = None;
        for transport in &mut self.transports {
            if let Some(dtls) = &mut transport.dtls {
                dtls.close(now);
            }
        }
        self.end_channels();
        self.end(now);
    }

    /// Seals what media and data say at the end, before DTLS and the keys are gone.
    fn say_last_words(&mut self, now: Instant, index: usize) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        let may_send = transport.may_send();
        let words = &mut transport.last_words;
        if let (Some(srtp), Some(rtp)) = (&mut transport.srtp, &mut transport.rtp) {
            rtp.close(now);
            if rtp.poll_transmit(now, &mut words.rtcp).is_none()
                || srtp.outbound.protect_rtcp(&mut words.rtcp, 0).is_err()
            {
                words.rtcp.clear();
            }
        }
        let Some(dtls) = transport.dtls.as_mut().filter(|_| may_send) else { return };
        let data = self.data.as_mut().filter(|data| data.transport == Some(transport.id));
        let Some(data) = data.filter(|data| data.channels.is_connected()) else { return };
        // RFC 9260 §3.3.10.12, "User-Initiated Abort".
        data.channels.abort(now, "closed");
        let Some(record) = dtls.begin(&mut words.sctp) else { return };
        if data.channels.poll_transmit(now, &mut words.sctp).is_none()
            || dtls.seal(&mut words.sctp, record).is_err()
        {
            words.sctp.clear();
        }
    }

    /// The other side has said goodbye on one transport. Of several it may close one alone: that of
    /// an m-section that an answer has rejected
    /// ([RFC 8841 §10.4](https://www.rfc-editor.org/rfc/rfc8841#section-10.4)). The connection is
    /// closed with the last that works.
    pub(super) fn close_transport_by_peer(&mut self, now: Instant, index: usize) {
        let works = |own: &Transport| {
            matches!(own.dtls_state, DtlsTransportState::Connecting | DtlsTransportState::Connected)
        };
        if !self.transports.iter().any(works) {
            return self.close_by_peer(now);
        }
        let Some(transport) = self.transports.get_mut(index) else { return };
        transport.srtp = None;
        transport.early.take();
        if let Some(data) = self.data.as_mut().filter(|data| data.transport == Some(transport.id)) {
            data.channels.abort(now, "");
            self.data_close_reason.get_or_insert(DataCloseReason::ClosedByPeer);
        }
    }

    /// The other side has said goodbye.
    ///
    /// The W3C leaves it to consent freshness to notice, half a minute later. Here the connection
    /// is closed at once: there is nobody at the other end. What came of data before is read as ever:
    /// "closing" is told behind the messages
    /// ([webrtc-pc §6.2](https://www.w3.org/TR/webrtc/#announce-datachannel-as-closed)).
    fn close_by_peer(&mut self, now: Instant) {
        // What has arrived, and was acknowledged, is the application's to read.
        if let Some(data) = &mut self.data {
            data.channels.abort(now, "");
            data.transport = None;
            self.data_close_reason.get_or_insert(DataCloseReason::ClosedByPeer);
        }
        self.settle_data();
        for transceiver in self.jsep.end_remote_tracks() {
            self.events.push(Event::TrackEnded(transceiver));
        }
        self.end(now);
        // Unlike our own `close`, this is news.
        self.events.push(Event::SignalingStateChange(SignalingState::Closed));
        self.events.push(Event::IceConnectionStateChange(IceConnectionState::Closed));
        self.events.push(Event::ConnectionStateChange(ConnectionState::Closed));
    }

    fn end(&mut self, now: Instant) {
        for ufrag in std::mem::take(&mut self.announced_ufrags) {
            self.tell_route(Route::UfragGone(ufrag));
        }
        for transport in &mut self.transports {
            transport.rtp = None;
        }
        self.sections.clear();
        self.jsep.close();
        self.connection_state = ConnectionState::Closed;
        self.ice_connection_state = IceConnectionState::Closed;
        self.farewell(now);
        self.close_sockets();
    }

    /// Lets every layer go but DTLS, which still owes the other side its goodbye.
    fn farewell(&mut self, now: Instant) {
        for transport in &mut self.transports {
            transport.farewell = self.ice.send_path(transport.component);
            transport.srtp = None;
            transport.early.take();
        }
        self.ice.close(now);
        // What ICE says about it is of no use to anyone.
        while self.ice.poll_event().is_some() {}
    }

    /// The last datagrams of a closed connection: BYE, and the alert behind the ABORT.
    pub(super) fn transmit_farewell(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
    ) -> Option<stun::FiveTuple> {
        self.transports.iter_mut().find_map(|transport| {
            let path = transport.farewell?;
            if !transport.last_words.rtcp.is_empty() {
                buf.append(&mut transport.last_words.rtcp);
                return Some(path);
            }
            let aborts = !transport.last_words.sctp.is_empty();
            buf.append(&mut transport.last_words.sctp);
            let sent =
                transport.dtls.as_mut().is_some_and(|dtls| dtls.poll_transmit(now, buf).is_some())
                    || aborts;
            if !sent {
                (transport.farewell, transport.dtls) = (None, None);
            }
            sent.then_some(path)
        })
    }

    /// When a closed connection has something left to send: now, or never.
    pub(super) fn farewell_timeout(&self) -> Option<Instant> {
        let owed = |transport: &Transport| {
            let words = &transport.last_words;
            let alert = transport.dtls.as_ref().and_then(|dtls| dtls.poll_timeout());
            transport.farewell.is_some()
                && (alert.is_some_and(|at| at <= self.now)
                    || !words.rtcp.is_empty()
                    || !words.sctp.is_empty())
        };
        self.transports.iter().any(owed).then_some(self.now)
    }

    /// Why the connection has failed; `None` while it has not, or works again.
    pub const fn failure_reason(&self) -> Option<&FailureReason> {
        self.failure.as_ref()
    }

    /// Notes why the connection fails. What a restart of ICE cannot mend says more than what it can;
    /// of two such reasons the first counts, which the other may follow from.
    pub(super) fn fail(&mut self, reason: FailureReason) {
        if self.failure.as_ref().is_none_or(FailureReason::is_of_path) {
            self.failure = Some(reason);
        }
    }

    pub(super) fn no_path(&self) -> FailureReason {
        if self.transports.iter().any(|transport| transport.had_path) {
            let seconds = self.configuration.failed_timeout.as_secs();
            return FailureReason::ConsentExpired { seconds };
        }
        let streams = || self.transports.iter().map(|transport| transport.component.stream);
        let local: usize = streams().map(|stream| self.ice.local_candidates(stream).count()).sum();
        let remote = streams().map(|stream| self.ice.remote_candidates(stream).count()).sum();
        let private =
            streams().flat_map(|stream| self.ice.remote_candidates(stream)).all(|candidate| {
                candidate.socket_addr().is_none_or(|address| is_private(address.ip()))
            });
        let hint = match (local, remote, private) {
            (0, ..) if self.local_addresses.iter().any(|own| own.ip().is_unspecified()) => {
                "; the local address that was given stands for all (0.0.0.0 or [::]), and \
                 add_local_address takes those of interfaces"
            }
            (0, ..) => "; no local address was given (add_local_address)",
            (_, 0, _) => "; no remote candidate was ever added",
            (.., true) => "; all remote candidates are private addresses, and there is no relay",
            _ => "",
        };
        FailureReason::NoPath { local, remote, pairs: self.ice.pairs().count(), hint }
    }
}

/// Whether an address means something in its own network only (RFC 1918, RFC 3927, RFC 4193).
const fn is_private(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        std::net::IpAddr::V6(v6) => {
            v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback()
        }
    }
}
