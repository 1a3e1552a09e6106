use std::time::Duration;

use crate::jitter_buffer;

/// The bounds and timers of a [`Session`](super::Session).
#[derive(Clone, Debug)]
pub struct Config {
    /// The longest plain RTP or RTCP packet in bytes. 1180 by default: 1200 bytes of UDP payload
    /// less 16 of authentication tag and 4 of SRTCP index. [`set_mtu`](super::Session::set_mtu)
    /// changes it.
    pub mtu: usize,
    /// The most packets of a section that wait to be sent. 1024 by default: a key frame of 1.2 MB. A
    /// frame is taken while there are fewer, and may go over it.
    pub max_send_queue_packets: usize,
    /// The most bytes of a section that wait to be sent. 4 MiB by default; a frame larger than that is
    /// taken into an empty queue only.
    pub max_send_queue_bytes: usize,
    /// The most packets of a section kept for retransmission. 2048 by default: 1 s at 20 Mbit/s.
    pub history_packets: usize,
    /// The most bytes of a section kept for retransmission, without counting what the application
    /// may hold on to by sharing it. 4 MiB by default: 1 s at 30 Mbit/s.
    pub history_bytes: usize,
    /// How long packets are kept for retransmission. 1 s by default: what comes later than that has
    /// missed its frame. Three round trips, when that is longer.
    pub history_age: Duration,
    /// How often a packet is sent again, whoever asks. 10 by default, as often as we would ask; it
    /// bounds what a small request can make us send.
    pub max_retransmissions: u8,
    /// Whether a packet that is asked for is sent again under its own number where no stream of
    /// retransmissions (`rtx`) was negotiated. `true` by default, which is good for RTP in the clear
    /// only: what is sent again has header extensions of the hop it takes, and under SRTP no two
    /// packets may have one number
    /// ([RFC 3711 §9.1](https://www.rfc-editor.org/rfc/rfc3711#section-9.1),
    /// [RFC 7714 §8.4](https://www.rfc-editor.org/rfc/rfc7714#section-8.4)). With `false` such a
    /// request is counted and no more: it only says what was lost
    /// ([RFC 4585 §6.2.1](https://www.rfc-editor.org/rfc/rfc4585#section-6.2.1)).
    pub plain_retransmission: bool,
    /// The most unread packets of a section in Packets mode; the oldest is dropped and counted. 1024
    /// by default.
    pub max_unread_packets: usize,
    /// The most bytes of unread packets of a section in Packets mode. 2 MiB by default.
    pub max_unread_bytes: usize,
    /// The most sources of a section that were not signalled but learned from packets. 16 by default:
    /// three encodings of a simulcast with their retransmissions, and as many again after they
    /// change.
    pub max_learned_ssrcs: usize,
    /// How long a learned source may be silent before it is forgotten. 30 s by default.
    pub source_timeout: Duration,
    /// The most missing packets of a source that are asked for. 512 by default; with more, all are
    /// given up and a key frame is the better help.
    pub max_missing: usize,
    /// How often a missing packet is asked for. 10 by default.
    pub max_nacks: u8,
    /// How long a gap may be due to reordering before the missing packet is asked for. 5 ms by
    /// default.
    pub reordering: Duration,
    /// The round-trip time that is assumed until one is measured. 100 ms by default.
    pub initial_round_trip_time: Duration,
    /// The share of the session's bandwidth that RTCP may take, in bits a second. 50 000 by default: 5 %
    /// of 1 Mbit/s ([RFC 3550 §6.2](https://www.rfc-editor.org/rfc/rfc3550#section-6.2)).
    pub rtcp_bandwidth: u64,
    /// The least mean time between reports where there is audio only. 5 s by default, as in RFC 3550
    /// §6.2.
    pub audio_report_interval: Duration,
    /// The least mean time between reports where there is video. 1 s by default: AVPF has no
    /// minimum ([RFC 4585 §3.4](https://www.rfc-editor.org/rfc/rfc4585#section-3.4)), and browsers
    /// report once a second.
    pub video_report_interval: Duration,
    /// How often arrivals are told to the sender for its congestion control. 100 ms by default, 2.5 % of
    /// a stream of 1 Mbit/s (draft-holmer-rmcat-transport-wide-cc-extensions-01 §4).
    pub transport_feedback_interval: Duration,
    /// Whether each packet names its section until a report shows that the other side knows the
    /// stream, or always.
    pub mid: MidExtension,
    /// The jitter buffers of Frames mode.
    pub jitter_buffer: jitter_buffer::Config,
}

/// When packets carry the header extension that names their section.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MidExtension {
    /// Until the first report about the stream arrives; saves 4 bytes a packet from there on.
    #[default]
    UntilAcknowledged,
    /// On every packet.
    Always,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mtu: 1180,
            max_send_queue_packets: 1024,
            max_send_queue_bytes: 4 << 20,
            history_packets: 2048,
            history_bytes: 4 << 20,
            history_age: Duration::from_secs(1),
            max_retransmissions: 10,
            plain_retransmission: true,
            max_unread_packets: 1024,
            max_unread_bytes: 2 << 20,
            max_learned_ssrcs: 16,
            source_timeout: Duration::from_secs(30),
            max_missing: 512,
            max_nacks: 10,
            reordering: Duration::from_millis(5),
            initial_round_trip_time: Duration::from_millis(100),
            rtcp_bandwidth: 50_000,
            audio_report_interval: Duration::from_secs(5),
            video_report_interval: Duration::from_secs(1),
            transport_feedback_interval: Duration::from_millis(100),
            mid: MidExtension::UntilAcknowledged,
            jitter_buffer: jitter_buffer::Config::default(),
        }
    }
}
