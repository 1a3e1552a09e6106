//! What an association counts.

use super::Association;
use super::state::State;
use crate::handover::{HandoverError, Reader, Writer};
use std::time::Duration;

/// Figures about an association, since it was made.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Where it is in its life.
    pub state: State,
    /// Packets that were made.
    pub packets_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Packets that belonged to the association.
    pub packets_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Datagrams that were dropped: damaged, not for this association, or out of turn.
    pub packets_dropped: u64,
    /// Messages handed over by the application.
    pub messages_sent: u64,
    /// Their bytes.
    pub message_bytes_sent: u64,
    /// Messages that arrived whole.
    pub messages_received: u64,
    /// Their bytes.
    pub message_bytes_received: u64,
    /// DATA chunks sent, each counted once.
    pub chunks_sent: u64,
    /// DATA chunks sent again.
    pub chunks_retransmitted: u64,
    /// DATA chunks that arrived, each counted once.
    pub chunks_received: u64,
    /// DATA chunks that arrived again.
    pub chunks_duplicate: u64,
    /// DATA chunks that were refused for lack of room.
    pub chunks_refused: u64,
    /// How often T3-rtx expired.
    pub timeouts: u64,
    /// How often the tail of what was sent was probed.
    pub probes: u64,
    /// How often fast recovery began.
    pub fast_recoveries: u64,
    /// Messages given up: their lifetime or number of retransmissions was used up.
    pub messages_abandoned: u64,
    /// The smoothed round-trip time.
    pub smoothed_round_trip_time: Option<Duration>,
    /// The last round-trip time measured.
    pub latest_round_trip_time: Option<Duration>,
    /// The least round-trip time measured in the last minutes, on this path.
    pub min_round_trip_time: Option<Duration>,
    /// The retransmission timeout.
    pub retransmission_timeout: Duration,
    /// cwnd, in bytes.
    pub congestion_window: usize,
    /// How many bytes of DATA chunks a second leave at most, once that is known.
    pub pacing_rate: Option<u64>,
    /// ssthresh in bytes, once there is one.
    pub slow_start_threshold: Option<usize>,
    /// Bytes in flight.
    pub bytes_in_flight: usize,
    /// The peer's receive window, less what is under way to it.
    pub peer_receive_window: usize,
    /// Our receive window.
    pub receive_window: usize,
    /// Bytes that arrived and are not yet read, each message counted with 64 more.
    pub receive_buffered: usize,
    /// Bytes that wait to be sent or acknowledged.
    pub send_buffered: usize,
    /// The largest packet.
    pub mtu: usize,
    /// Whether the messages of different streams are interleaved (RFC 8260).
    pub interleaving: bool,
    /// Whether packets leave without a checksum, which the peer accepts (RFC 9653).
    pub zero_checksum: bool,
}

/// What the path has shown of itself: for a layer that shares it among this association and others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PathReport {
    /// The least round-trip time measured since the last report, if there was one.
    pub round_trip_time: Option<Duration>,
    /// How many were measured.
    pub round_trip_times: u32,
    /// Bytes of DATA chunks that were acknowledged, since the association began.
    pub delivered: u64,
    /// Bytes of DATA chunks found lost, since the association began.
    pub lost: u64,
}

impl Association {
    /// Returns what the path has shown of itself, and begins the next report.
    pub fn take_path_report(&mut self) -> PathReport {
        let (round_trip_time, round_trip_times) = self.send.rto.take_recent();
        PathReport {
            round_trip_time,
            round_trip_times,
            delivered: self.send.delivered(),
            lost: self.send.counters.lost,
        }
    }

    /// Returns the figures.
    pub fn stats(&self) -> Stats {
        Stats {
            state: self.state,
            packets_sent: self.traffic.packets_sent,
            bytes_sent: self.traffic.bytes_sent,
            packets_received: self.traffic.packets_received,
            bytes_received: self.traffic.bytes_received,
            packets_dropped: self.traffic.packets_dropped,
            messages_sent: self.send.counters.messages,
            message_bytes_sent: self.send.counters.bytes,
            messages_received: self.recv.counters.messages,
            message_bytes_received: self.recv.counters.bytes,
            chunks_sent: self.send.counters.chunks,
            chunks_retransmitted: self.send.counters.retransmitted,
            chunks_received: self.recv.counters.chunks,
            chunks_duplicate: self.recv.duplicate_count(),
            chunks_refused: self.recv.counters.refused,
            timeouts: self.send.counters.timeouts,
            probes: self.send.counters.probes,
            fast_recoveries: self.send.counters.fast_recoveries,
            messages_abandoned: self.send.counters.expired,
            smoothed_round_trip_time: self.send.rto.smoothed().map(Duration::from),
            latest_round_trip_time: self.send.rto.latest().map(Duration::from),
            min_round_trip_time: self.send.rto.min_seen().map(Duration::from),
            retransmission_timeout: self.send.rto.current(),
            congestion_window: self.send.window(),
            pacing_rate: self.send.pace(),
            slow_start_threshold: self.send.threshold(),
            bytes_in_flight: self.send.in_flight(),
            peer_receive_window: self.send.peer_window(),
            receive_window: self.recv.window(),
            receive_buffered: self.recv.held(),
            send_buffered: self.send.buffered(),
            mtu: self.send.mtu(),
            interleaving: self.interleaves(),
            zero_checksum: self.omit_checksum,
        }
    }
}

/// Counters of packets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) packets_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) packets_dropped: u64,
}

impl Traffic {
    pub(super) fn hand_over(&self, out: &mut Writer) {
        let Self { packets_sent, bytes_sent, packets_received, bytes_received, packets_dropped } =
            *self;
        for count in [packets_sent, bytes_sent, packets_received, bytes_received, packets_dropped] {
            out.u64(count);
        }
    }

    pub(super) fn resume(from: &mut Reader<'_>) -> Result<Self, HandoverError> {
        Ok(Self {
            packets_sent: from.count()?,
            bytes_sent: from.count()?,
            packets_received: from.count()?,
            bytes_received: from.count()?,
            packets_dropped: from.count()?,
        })
    }
}
