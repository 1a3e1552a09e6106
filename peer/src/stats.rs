//! Figures of a connection: the W3C's `getStats()`, as typed structs.
//!
//! Names are those of [webrtc-stats](https://www.w3.org/TR/webrtc-stats/), in Rust's spelling.
//! Every figure counts from the beginning of the connection, but for those of
//! [`SctpTransportStats::association`], which begin again with each association; a rate is the
//! difference of two reports, divided by the difference of their times.

use std::time::{Duration, Instant};

use rtp::session::{InboundStats, OutboundStats, RemoteInboundStats, RemoteOutboundStats};
pub use sctp::Stats as AssociationStats;
use stun::FiveTuple;

use crate::data_channel::{DataChannelId, DataChannelState};
use crate::media::MediaKind;
use crate::media::transceiver::TransceiverId;
use crate::security::{CertificateStats, Profile, Role, Version};
use crate::transport::DtlsTransportState;

/// Everything that [`PeerConnection::stats`](crate::PeerConnection::stats) knows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatsReport {
    /// When the report was made.
    pub timestamp: Instant,
    /// `peer-connection`.
    pub peer_connection: PeerConnectionStats,
    /// `transport`: ICE, DTLS and SRTP.
    pub transports: Vec<TransportStats>,
    /// `candidate-pair`: all pairs of all transports.
    pub candidate_pairs: Vec<CandidatePairStats>,
    /// `inbound-rtp`: what arrives, by source.
    pub inbound_rtp: Vec<InboundRtpStats>,
    /// `outbound-rtp`: what is sent, by source.
    pub outbound_rtp: Vec<OutboundRtpStats>,
    /// The association under the data channels, once there are some.
    pub sctp_transport: Option<SctpTransportStats>,
    /// `data-channel`.
    pub data_channels: Vec<DataChannelStats>,
}

/// [`RTCPeerConnectionStats`](https://www.w3.org/TR/webrtc-stats/#dom-rtcpeerconnectionstats).
///
/// Their difference is how many channels are open.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PeerConnectionStats {
    /// `dataChannelsOpened`: the channels that have been open, whichever side opened them.
    pub data_channels_opened: u64,
    /// `dataChannelsClosed`: those of them that are not open any more, because either side closes
    /// or has closed them, or with the association or the connection. One that ends before it was
    /// open counts in neither.
    pub data_channels_closed: u64,
}

/// `RTCTransportStats`. What is sent and received counts without ICE's checks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportStats {
    /// `packetsReceived`: datagrams, of every protocol.
    pub packets_received: u64,
    /// `packetsSent`.
    pub packets_sent: u64,
    /// `bytesReceived`: UDP payload.
    pub bytes_received: u64,
    /// `bytesSent`.
    pub bytes_sent: u64,
    /// Datagrams that were for nobody, came from an address that no check has proved, or could not be
    /// opened as SRTP. DTLS counts its own, by record. What is for none of several transports is told
    /// with the first.
    pub packets_dropped: u64,
    /// Where datagrams are sent, while there is a path.
    pub path: Option<FiveTuple>,
    /// The newest round-trip time of ICE's checks on that path.
    pub round_trip_time: Option<Duration>,
    /// `dtlsState`.
    pub dtls_state: DtlsTransportState,
    /// `dtlsRole`, once it is known.
    pub dtls_role: Option<Role>,
    /// `tlsVersion`, once there are keys; [`tls_version`](Self::tls_version) has it as the W3C
    /// writes it.
    pub dtls_version: Option<Version>,
    /// `dtlsCipher`: the registered name of the cipher suite.
    pub dtls_cipher: Option<String>,
    /// `srtpCipher`: the SRTP profile, whose `Display` is the registered name.
    pub srtp_cipher: Option<Profile>,
    /// Whether the RTP header extensions and CSRCs that are sent are encrypted (cryptex, RFC 9335).
    pub cryptex: bool,
    /// What `localCertificateId` refers to.
    pub local_certificate: Option<CertificateStats>,
    /// What `remoteCertificateId` refers to, once the other side is who it has to be.
    pub remote_certificate: Option<CertificateStats>,
}

impl TransportStats {
    /// Returns `tlsVersion`: "four upper case hexadecimal digits, representing the two bytes of the
    /// version".
    pub const fn tls_version(&self) -> Option<&'static str> {
        match self.dtls_version {
            Some(Version::Dtls12) => Some("FEFD"),
            Some(Version::Dtls13) => Some("FEFC"),
            _ => None,
        }
    }
}

/// `RTCIceCandidatePairStats`, with the kinds of both candidates.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CandidatePairStats {
    /// The path between the two.
    pub path: FiveTuple,
    /// Our candidate's type: host, server-reflexive, …
    pub local_candidate_type: ice::CandidateKind,
    /// Theirs.
    pub remote_candidate_type: ice::CandidateKind,
    /// `state`.
    pub state: ice::PairState,
    /// `nominated`.
    pub nominated: bool,
    /// Whether data is sent on it.
    pub in_use: bool,
    /// `currentRoundTripTime`.
    pub current_round_trip_time: Option<Duration>,
    /// `totalRoundTripTime`.
    pub total_round_trip_time: Duration,
    /// `requestsSent`.
    pub requests_sent: u64,
    /// `requestsReceived`.
    pub requests_received: u64,
    /// `responsesSent`.
    pub responses_sent: u64,
    /// `responsesReceived`.
    pub responses_received: u64,
    /// `consentRequestsSent`.
    pub consent_requests_sent: u64,
}

/// `RTCInboundRtpStreamStats`, and what the other side reports of the same source.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InboundRtpStats {
    /// The transceiver whose receiver reads it.
    pub transceiver: TransceiverId,
    /// `kind`.
    pub kind: MediaKind,
    /// `mid`.
    pub mid: Option<String>,
    /// What we counted.
    pub local: InboundStats,
    /// `remote-outbound-rtp`: what the sender counted.
    pub remote: Option<RemoteOutboundStats>,
}

/// `RTCOutboundRtpStreamStats`, and what the other side reports of the same source.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboundRtpStats {
    /// The transceiver whose sender sends it.
    pub transceiver: TransceiverId,
    /// `kind`.
    pub kind: MediaKind,
    /// `mid`.
    pub mid: Option<String>,
    /// What we counted.
    pub local: OutboundStats,
    /// `remote-inbound-rtp`: what the receiver counted.
    pub remote: Option<RemoteInboundStats>,
}

/// `RTCSctpTransport`, and what its association has counted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SctpTransportStats {
    /// `maxMessageSize`: the largest message that
    /// [`send`](crate::DataChannel::send) takes, in bytes: what the other side accepts, and where it
    /// does not interleave messages
    /// ([RFC 8260](https://www.rfc-editor.org/rfc/rfc8260)), no more than
    /// [`max_buffered_amount`](crate::Configuration::max_buffered_amount).
    pub max_message_size: usize,
    /// Its state, round-trip times, windows, and counters of packets, chunks and messages.
    pub association: AssociationStats,
}

/// `RTCDataChannelStats`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataChannelStats {
    /// Its handle.
    pub id: DataChannelId,
    /// `label`.
    pub label: String,
    /// `protocol`.
    pub protocol: String,
    /// `dataChannelIdentifier`: the SCTP stream.
    pub data_channel_identifier: Option<u16>,
    /// `state`.
    pub state: DataChannelState,
    /// `messagesSent`.
    pub messages_sent: u64,
    /// `bytesSent`.
    pub bytes_sent: u64,
    /// `messagesReceived`.
    pub messages_received: u64,
    /// `bytesReceived`.
    pub bytes_received: u64,
}
