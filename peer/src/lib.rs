//! WebRTC in pure Rust, without IO: the browser's `RTCPeerConnection` for any runtime or none.
//!
//! A [`PeerConnection`] finds a path to one other side, through NATs, agrees with it on keys, and
//! carries media and messages. It does so without a socket, a clock or a thread: a *driver* gives
//! it datagrams and the time, and takes datagrams, events and deadlines from it. That makes it fit
//! every runtime, and every test.
//!
//! # The smallest program
//!
//! Two connections in one process; a `Vec` is the network.
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Instant;
//! use peerless::{
//!     Configuration, DataChannelInit, Datagram, Event, FiveTuple, Origin, PeerConnection, Readable,
//! };
//!
//! let now = Instant::now();
//! let mut peers = [(); 2].map(|()| PeerConnection::new(Configuration::default(), Origin::system()));
//! peers[0].add_local_address(SocketAddr::from(([127, 0, 0, 1], 1000)));
//! peers[1].add_local_address(SocketAddr::from(([127, 0, 0, 1], 2000)));
//! peers[0].create_data_channel(now, "chat", DataChannelInit::default())?;
//!
//! // Offer and answer. Normally they travel over a web socket, or whatever there is.
//! peers[0].set_local_description(now, None)?;
//! let offer = peers[0].local_description().expect("it was just set");
//! peers[1].set_remote_description(now, offer)?;
//! peers[1].set_local_description(now, None)?;
//! let answer = peers[1].local_description().expect("it was just set");
//! peers[0].set_remote_description(now, answer)?;
//!
//! let mut buf = Vec::new();
//! let mut greeting = None;
//! while greeting.is_none() {
//!     for (me, other) in [(0, 1), (1, 0)] {
//!         let now = Instant::now();
//!         peers[me].handle_timeout(now);
//!         while let Some(transmit) = peers[me].poll_transmit(now, &mut buf) {
//!             // The network: what one sends, the other receives.
//!             let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
//!             peers[other].handle_datagram(now, Datagram::new(path, &mut buf));
//!             buf.clear();
//!         }
//!         while let Some(event) = peers[me].poll_event() {
//!             match event {
//!                 Event::DataChannelOpen(id) => {
//!                     // It may be closed again by the time one hears of it.
//!                     if let Some(mut chat) = peers[me].data_channel(id) {
//!                         chat.send(now, "hello")?;
//!                     }
//!                 }
//!                 Event::Readable(Readable::Channel(id)) => {
//!                     greeting = peers[me].data_channel(id).and_then(|mut chat| chat.read());
//!                 }
//!                 Event::IceCandidate(candidate) => {
//!                     peers[other].add_ice_candidate(now, candidate)?;
//!                 }
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//! assert_eq!(greeting, Some("hello".into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The five calls
//!
//! | call | when |
//! | --- | --- |
//! | [`handle_datagram`](PeerConnection::handle_datagram) | a datagram came in |
//! | [`handle_timeout`](PeerConnection::handle_timeout) | the deadline has passed; or whenever one likes |
//! | [`poll_transmit`](PeerConnection::poll_transmit) | the socket can be written to |
//! | [`poll_event`](PeerConnection::poll_event) | one wants to know what happened |
//! | [`poll_timeout`](PeerConnection::poll_timeout) | one wants to know how long to wait |
//!
//! They may be made in any order, twice, early or late. Forgetting one costs a wake-up or some
//! latency, never data. A driver whose socket would block stops polling until it is writable.
//!
//! Who does not want to write a loop takes the one in `driver` (feature `driver`), which owns UDP
//! sockets and drives an [`Endpoint`]: any number of connections behind one port.
//!
//! # From the browser's interface to this one
//!
//! | W3C | here |
//! | --- | --- |
//! | `new RTCPeerConnection(configuration)` | [`PeerConnection::new`] with a [`Configuration`] and an [`Origin`] |
//! | `createOffer`, `createAnswer` | [`create_offer`](PeerConnection::create_offer), [`create_answer`](PeerConnection::create_answer) |
//! | `setLocalDescription()` | [`set_local_description(now, None)`](PeerConnection::set_local_description) |
//! | `setRemoteDescription(d)` | [`set_remote_description`](PeerConnection::set_remote_description) |
//! | `addIceCandidate(c)` | [`add_ice_candidate`](PeerConnection::add_ice_candidate) |
//! | `restartIce()` | [`restart_ice`](PeerConnection::restart_ice) |
//! | `addTransceiver`, `addTrack`, `removeTrack` | [`add_transceiver`](PeerConnection::add_transceiver), [`add_track`](PeerConnection::add_track), [`remove_track`](PeerConnection::remove_track) |
//! | `getTransceivers()` | [`transceivers`](PeerConnection::transceivers), [`transceiver`](PeerConnection::transceiver) |
//! | `transceiver.sender`, `.receiver` | [`sender`](PeerConnection::sender), [`receiver`](PeerConnection::receiver) |
//! | a track's media | [`Sender::send_frame`](media::Sender::send_frame), [`Receiver::read_frame`](media::Receiver::read_frame), or whole packets |
//! | `createDataChannel(label, init)` | [`create_data_channel`](PeerConnection::create_data_channel) |
//! | `channel.send(data)`, `onmessage` | [`DataChannel::send`], [`DataChannel::read`] after [`Event::Readable`] |
//! | `configuration.certificates` | [`Configuration::certificates`] |
//! | `configuration.rtpHeaderEncryptionPolicy` | [`Configuration::rtp_header_encryption_policy`] |
//! | `transceiver.rtpHeaderEncryptionNegotiated` | [`TransportStats::cryptex`](stats::TransportStats::cryptex) |
//! | `getStats()` | [`stats`](PeerConnection::stats) |
//! | `RTCSctpTransport` | [`SctpTransportStats`](stats::SctpTransportStats) |
//! | `RTCDtlsTransport`, and what its statistics say of security | [`security_report`](PeerConnection::security_report) |
//! | `close()` | [`close`](PeerConnection::close) |
//! | `onicecandidate`, `ontrack`, … | [`Event`] |
//!
//! What differs: there are no promises, every command takes effect at once; media are encoded
//! frames or packets, since encoders are the application's; sockets are the driver's, which tells
//! their addresses by [`add_local_address`](PeerConnection::add_local_address).
//!
//! # What is not here yet
//!
//! TURN, simulcast and bandwidth estimation.
#![forbid(unsafe_code)]

mod configuration;
mod connection;
mod data_channel;
#[cfg(feature = "driver")]
pub mod driver;
pub mod endpoint;
mod error;
mod event;
mod jsep;
pub mod media;
mod origin;
pub mod security;
mod signalling;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stats;
mod transport;

pub use configuration::{BundlePolicy, Configuration, DtlsSettings, RtpHeaderEncryptionPolicy};
pub use connection::{DataCloseReason, FailureReason, PeerConnection, SignatureId};
pub use data_channel::{
    AppendError, AssociationCloseReason, DataChannel, DataChannelId, DataChannelInit,
    DataChannelState, Message, MessagePart, ReadMode, ReceiveBudget, SendError, Then,
};
pub use dtls_srtp::{Certificate, CertificateParameters, Crypto};
pub use endpoint::{ConnectionId, Endpoint};
pub use error::{Error, ErrorKind};
pub use event::{Event, Readable, SocketId, SocketRequest, TrackEvent};
pub use media::MediaKind;
pub use media::transceiver::TransceiverId;
pub use origin::Origin;
pub use rtp::PayloadType;
pub use rtp::section::Mode as ReceiveMode;
pub use rtp::session::{Frame, OutgoingPacket, ReceivedFrame, ReceivedPacket};
pub use security::{SecurityPolicy, SecurityReport};
pub use signalling::{
    ConnectionState, IceCandidate, IceConnectionState, IceGatheringState, OfferOptions, SdpType,
    SessionDescription, SignalingState,
};
pub use stun::{Datagram, Ecn, FiveTuple, Transmit, Transport};
pub use transport::DtlsTransportState;
