//! Figures, under the names of [webrtc-stats](https://www.w3.org/TR/webrtc-stats/).

use std::time::{Duration, Instant};

use crate::clock::NtpTime;
use crate::jitter_buffer;
use crate::payload_type::PayloadType;
use crate::ssrc::Ssrc;

/// What arrived of one source: `RTCInboundRtpStreamStats`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InboundStats {
    /// The source.
    pub ssrc: Ssrc,
    /// The source of its retransmissions.
    pub rtx_ssrc: Option<Ssrc>,
    /// The payload type of its newest packet.
    pub payload_type: Option<PayloadType>,
    /// `packetsReceived`, with retransmissions.
    pub packets_received: u64,
    /// `bytesReceived`: payloads without headers and padding.
    pub bytes_received: u64,
    /// `headerBytesReceived`: headers and padding.
    pub header_bytes_received: u64,
    /// `packetsLost`, as reported to the sender (RFC 3550 A.3): without what retransmission repaired,
    /// negative when duplicates outweigh.
    pub packets_lost: i64,
    /// `jitter` (RFC 3550 A.8).
    pub jitter: Duration,
    /// Packets that came again, and ones so old that nobody can tell.
    pub packets_duplicate: u64,
    /// `packetsDiscarded`: what came too late or stayed unread too long. Duplicates are none of them
    /// ([webrtc-stats](https://www.w3.org/TR/webrtc-stats/#dom-rtcinboundrtpstreamstats-packetsdiscarded)).
    pub packets_discarded: u64,
    /// `lastPacketReceivedTimestamp`.
    pub last_packet_received: Option<Instant>,
    /// `retransmittedPacketsReceived`.
    pub retransmitted_packets_received: u64,
    /// `retransmittedBytesReceived`.
    pub retransmitted_bytes_received: u64,
    /// `nackCount`: NACK packets sent.
    pub nack_count: u64,
    /// `pliCount`: picture loss indications sent.
    pub pli_count: u64,
    /// `firCount`: full intra requests sent.
    pub fir_count: u64,
    /// `framesReceived`: whole frames. In Packets mode, distinct timestamps.
    pub frames_received: u64,
    /// `keyFramesDecoded`, as far as we can know: key frames given out. 0 in Packets mode.
    pub key_frames: u64,
    /// `framesDropped` before they could be decoded. 0 in Packets mode.
    pub frames_dropped: u64,
    /// The jitter buffer, in Frames mode.
    pub jitter_buffer: Option<jitter_buffer::Stats>,
}

/// What was sent of one source: `RTCOutboundRtpStreamStats`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboundStats {
    /// The source.
    pub ssrc: Ssrc,
    /// The source of its retransmissions.
    pub rtx_ssrc: Option<Ssrc>,
    /// The payload type of the newest packet.
    pub payload_type: Option<PayloadType>,
    /// `packetsSent`, with retransmissions.
    pub packets_sent: u64,
    /// `bytesSent`: payloads without headers, with retransmissions.
    pub bytes_sent: u64,
    /// `headerBytesSent`.
    pub header_bytes_sent: u64,
    /// `retransmittedPacketsSent`.
    pub retransmitted_packets_sent: u64,
    /// `retransmittedBytesSent`.
    pub retransmitted_bytes_sent: u64,
    /// `nackCount`: NACK packets received.
    pub nack_count: u64,
    /// `pliCount`: picture loss indications received.
    pub pli_count: u64,
    /// `firCount`: full intra requests received.
    pub fir_count: u64,
    /// `framesSent`: frames handed over. Of packets, distinct timestamps.
    pub frames_sent: u64,
    /// `keyFramesEncoded`: key frames handed over, as far as we can know.
    pub key_frames: u64,
    /// `totalPacketSendDelay`: time that packets waited here.
    pub total_packet_send_delay: Duration,
    /// Packets that wait to be sent.
    pub queued_packets: usize,
    /// Bytes that wait to be sent.
    pub queued_bytes: usize,
    /// Packets kept for retransmission.
    pub history_packets: usize,
}

/// What the other side says it received of a source of ours: `RTCRemoteInboundRtpStreamStats`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RemoteInboundStats {
    /// Our source.
    pub ssrc: Ssrc,
    /// `packetsLost`.
    pub packets_lost: i32,
    /// `fractionLost`, 0..=1.
    pub fraction_lost: f64,
    /// `jitter`.
    pub jitter: Duration,
    /// `roundTripTime`, the newest.
    pub round_trip_time: Option<Duration>,
    /// `totalRoundTripTime`.
    pub total_round_trip_time: Duration,
    /// `roundTripTimeMeasurements`.
    pub round_trip_time_measurements: u64,
    /// When the report arrived.
    pub timestamp: Option<Instant>,
}

/// What the other side says it sent of a source: `RTCRemoteOutboundRtpStreamStats`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RemoteOutboundStats {
    /// The source.
    pub ssrc: Ssrc,
    /// `packetsSent`, modulo 2³².
    pub packets_sent: u32,
    /// `bytesSent`, modulo 2³².
    pub bytes_sent: u32,
    /// `remoteTimestamp`, by the sender's wall clock.
    pub remote_timestamp: NtpTime,
    /// `reportsSent`.
    pub reports_sent: u64,
    /// When the report arrived.
    pub timestamp: Instant,
}

/// What a session counted that belongs to no stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Datagrams that were no RTP or RTCP.
    pub malformed: u64,
    /// RTP packets of a source that belongs to no section.
    pub unknown_ssrc: u64,
    /// RTP packets with a payload type that their section does not have.
    pub unknown_payload_type: u64,
    /// RTCP datagrams received.
    pub rtcp_received: u64,
    /// RTCP datagrams sent.
    pub rtcp_sent: u64,
    /// Packets that the other side's transport-wide feedback told of.
    pub feedback_packets: u64,
    /// Those among them that were not received.
    pub feedback_lost: u64,
    /// The bit rate that the other side believes possible (REMB), in bits a second.
    pub remote_estimate: Option<u64>,
}
