//! The connection: its fields and the five calls. The procedures are in the modules below.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use dtls_srtp::dtls;
use stun::{Datagram, Transmit};

use crate::configuration::Configuration;
use crate::data_channel::Data;
use crate::event::Event;
use crate::jsep::{Jsep, TransportId};
use crate::origin::{Origin, SeedStream};
use crate::signalling::{ConnectionState, IceConnectionState, IceGatheringState};
use crate::transport::{Transport, earliest, security};

mod addresses;
mod apply;
mod approval;
mod batch;
mod channels;
mod close;
mod commands;
mod events;
mod media;
mod route;
mod sections;
mod settle;
mod signing;
mod statistics;
mod transmit;

pub(crate) use addresses::OwnSocket;
pub use channels::DataCloseReason;
pub use close::FailureReason;
pub(crate) use events::Events;
pub(crate) use route::Route;
pub(crate) use sections::Section;
pub use signing::SignatureId;

/// A connection to one other side: the browser's `RTCPeerConnection`, without IO.
///
/// It never touches a socket, a clock or a thread. Its driver gives it datagrams and the time and
/// takes datagrams, events and deadlines from it, by five calls that may be made in any order:
///
/// | call | when |
/// | --- | --- |
/// | [`handle_datagram`](Self::handle_datagram) | a datagram came in |
/// | [`handle_timeout`](Self::handle_timeout) | the deadline has passed; or whenever one likes |
/// | [`poll_transmit`](Self::poll_transmit) | the socket can be written to |
/// | [`poll_event`](Self::poll_event) | one wants to know what happened |
/// | [`poll_timeout`](Self::poll_timeout) | one wants to know how long to wait |
///
/// The other methods are the W3C's, in Rust form; those that start or read a clock take `now`
/// first. The crate's first page has an example of it all.
pub struct PeerConnection {
    pub(crate) configuration: Configuration,
    pub(crate) origin: Origin,
    /// The newest time that anyone has told.
    pub(crate) now: Instant,
    /// What every DTLS connection here is made from; or why no certificate could be made.
    pub(crate) dtls: Result<dtls::Config, String>,
    pub(crate) jsep: Jsep,
    pub(crate) ice: ice::Agent,
    /// One per ICE stream; one in all when everything is bundled.
    pub(crate) transports: Vec<Transport>,
    /// The credentials of transports that are made when the offer that was created is applied.
    pub(crate) proposed: Vec<(TransportId, ice::Credentials)>,
    /// The m-sections with RTP that are in force, by transceiver.
    pub(crate) sections: Vec<Section>,
    /// SCTP and the data channels on it, from the first channel on.
    pub(crate) data: Option<Box<Data>>,
    pub(crate) local_addresses: Vec<SocketAddr>,
    /// Sockets that were asked for, most of which are open.
    pub(crate) sockets: Vec<OwnSocket>,
    pub(crate) next_socket: u32,
    /// The ICE user fragments that an endpoint was told of.
    pub(crate) announced_ufrags: Vec<String>,
    pub(crate) events: Events,
    /// For the endpoint that this connection is in, if it is in one.
    pub(crate) routes: Option<VecDeque<Route>>,
    pub(crate) ice_gathering_state: IceGatheringState,
    pub(crate) ice_connection_state: IceConnectionState,
    pub(crate) connection_state: ConnectionState,
    pub(crate) failure: Option<FailureReason>,
    pub(crate) data_close_reason: Option<DataCloseReason>,
    pub(crate) max_segments: usize,
    pub(crate) counters: Counters,
}

/// What is no transport's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) datagrams_dropped: u64,
    /// Data channels that have been open, once they have ended with the connection.
    pub(crate) data_channels_opened: u64,
}

impl PeerConnection {
    /// A new connection. It does nothing before it has a local or a remote description.
    pub fn new(configuration: Configuration, origin: Origin) -> Self {
        let now = origin.now;
        let configuration = configuration.bounded();
        let dtls = security::config(&configuration, origin.wall_clock);
        let ice_config = ice::Config {
            stun_servers: configuration.stun_servers.clone(),
            disconnected_timeout: configuration.disconnected_timeout,
            consent_timeout: configuration.failed_timeout,
            max_message_size: configuration.path_mtu,
            ..ice::Config::default()
        };
        let ice_seed = origin.child_seed(SeedStream::Ice);
        Self {
            jsep: Jsep::new(&configuration, origin.child_seed(SeedStream::Jsep)),
            ice: ice::Agent::new(ice_config, ice::Role::Controlling, now, ice_seed),
            dtls,
            transports: Vec::new(),
            proposed: Vec::new(),
            sections: Vec::new(),
            data: None,
            local_addresses: Vec::new(),
            sockets: Vec::new(),
            next_socket: 0,
            announced_ufrags: Vec::new(),
            events: Events::default(),
            routes: None,
            ice_gathering_state: IceGatheringState::New,
            ice_connection_state: IceConnectionState::New,
            connection_state: ConnectionState::New,
            failure: None,
            data_close_reason: None,
            max_segments: 1,
            counters: Counters::default(),
            configuration,
            origin,
            now,
        }
    }

    /// Takes a datagram from the socket. It is decrypted in place.
    ///
    /// What does not belong to this connection, is damaged or forged is counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let now = self.advance(now);
        if self.is_closed() {
            return;
        }
        match self.route(now, datagram) {
            true => self.settle(),
            false => self.settle_layers(),
        }
    }

    /// Does what is due at `now`. Too early, nothing; late, everything due, once.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        if self.is_closed() || self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.ice.handle_timeout(now);
        for transport in &mut self.transports {
            let writable = self.ice.send_path(transport.component).is_some();
            if transport.runs_dtls(writable)
                && let Some(dtls) = &mut transport.dtls
            {
                dtls.handle_timeout(now);
            }
            if let Some(rtp) = &mut transport.rtp {
                rtp.handle_timeout(now);
            }
        }
        if let Some(data) = &mut self.data {
            data.channels.handle_timeout(now);
        }
        self.settle();
    }

    /// Appends a datagram to `buf`, or several of equal size for one system call
    /// ([`set_max_segments`](Self::set_max_segments)), and says where to send it.
    ///
    /// `None`: there is nothing to send now.
    pub fn poll_transmit<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut Vec<u8>,
    ) -> Option<Transmit<'b>> {
        let now = self.advance(now);
        self.transmit(now, buf)
    }

    /// What happened since the last call. Events only say so; the state has moved already.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and
    /// [`poll_transmit`](Self::poll_transmit) next; `None`: nothing happens until a datagram or a
    /// command comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_closed() {
            return self.farewell_timeout();
        }
        let mut deadline = self.ice.poll_timeout();
        for transport in &self.transports {
            let writable = self.ice.send_path(transport.component).is_some();
            deadline = earliest(deadline, transport.poll_timeout(self.now, writable));
        }
        earliest(deadline, self.data_timeout())
    }

    /// How many datagrams of equal size [`poll_transmit`](Self::poll_transmit) may put behind one
    /// another for segmentation offload. The default is 1.
    pub const fn set_max_segments(&mut self, segments: usize) {
        self.max_segments = if segments == 0 { 1 } else { segments };
    }

    /// Reads an older time as the newest seen.
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.connection_state == ConnectionState::Closed
    }
}
