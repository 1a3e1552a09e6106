use std::time::{Duration, Instant};

use super::nack::Missing;
use super::reception::{LastSenderReport, Reception};
use super::section::Codec;
use super::stats::{InboundStats, RemoteOutboundStats};
use crate::clock::NtpTime;
use crate::extension::Values;
use crate::jitter_buffer::JitterBuffer;
use crate::payload_type::PayloadType;
use crate::ssrc::Ssrc;

/// One source of the other side's.
#[derive(Debug)]
pub(super) struct Inbound {
    /// Which slot its section is in.
    pub(super) slot: u16,
    pub(super) ssrc: Ssrc,
    pub(super) signalled: bool,
    /// For a stream of retransmissions: the source that it repeats.
    pub(super) repairs: Option<Ssrc>,
    /// The source of its retransmissions.
    pub(super) rtx_ssrc: Option<Ssrc>,
    pub(super) rid: Option<Box<[u8]>>,
    pub(super) reception: Reception,
    pub(super) role: Option<Role>,
    pub(super) missing: Missing,
    pub(super) jitter_buffer: Option<Box<JitterBuffer>>,
    /// The round-trip time that the jitter buffer was told.
    pub(super) told_round_trip_time: Option<Duration>,
    pub(super) last_report: Option<LastSenderReport>,
    /// When a key frame is to be asked for, unless it comes before.
    pub(super) key_frame_at: Option<Instant>,
    /// How often it was asked for by the timer since the last packet came.
    pub(super) unanswered: u8,
    pub(super) command_sequence: u8,
    pub(super) last_packet: Option<Instant>,
    pub(super) extensions: Values,
    pub(super) ended: bool,
    pub(super) flags: Flags,
    pub(super) counters: Counters,
}

/// What a payload type of its section means, kept from packet to packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    pub(super) payload_type: PayloadType,
    pub(super) codec: Codec,
    /// It is the codec's retransmission payload type.
    pub(super) repair: bool,
}

/// Which lists of the session the stream is in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) attended: bool,
    pub(super) nack: bool,
    pub(super) key_frame: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) header_bytes: u64,
    pub(super) discarded: u64,
    pub(super) duplicates: u64,
    pub(super) retransmitted_packets: u64,
    pub(super) retransmitted_bytes: u64,
    pub(super) nacks: u64,
    pub(super) plis: u64,
    pub(super) firs: u64,
    pub(super) timestamps: u64,
    pub(super) last_timestamp: Option<u32>,
}

impl Inbound {
    pub(super) fn new(slot: u16, ssrc: Ssrc, signalled: bool, repairs: Option<Ssrc>) -> Self {
        Self {
            slot,
            ssrc,
            signalled,
            repairs,
            rtx_ssrc: None,
            rid: None,
            reception: Reception::new(),
            role: None,
            missing: Missing::default(),
            jitter_buffer: None,
            told_round_trip_time: None,
            last_report: None,
            key_frame_at: None,
            unanswered: 0,
            command_sequence: 0,
            last_packet: None,
            extensions: Values::new(),
            ended: false,
            flags: Flags::default(),
            counters: Counters::default(),
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        self.jitter_buffer.as_ref().is_some_and(|buffer| buffer.is_readable())
    }

    /// The earliest of its timers.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let nack = self.missing.deadline().filter(|_| !self.flags.nack);
        let jitter = self.jitter_buffer.as_ref().and_then(|buffer| buffer.poll_timeout());
        [nack, jitter, self.key_frame_at].into_iter().flatten().min()
    }

    /// The sender's wall clock at one of its timestamps, from its last report.
    pub(super) fn captured(&self, timestamp: u32) -> Option<NtpTime> {
        let info = self.last_report?.info;
        let rate = self.role?.codec.clock_rate;
        let distance = timestamp.wrapping_sub(info.rtp_time).cast_signed();
        let passed = rate.duration(distance.unsigned_abs().into());
        Some(if distance < 0 { info.ntp_time.minus(passed) } else { info.ntp_time.plus(passed) })
    }

    pub(super) fn stats(&self) -> InboundStats {
        let counters = self.counters;
        let jitter_buffer = self.jitter_buffer.as_ref().map(|buffer| buffer.stats());
        let buffered = jitter_buffer.unwrap_or_default();
        InboundStats {
            ssrc: self.ssrc,
            rtx_ssrc: self.rtx_ssrc,
            payload_type: self.role.map(|role| role.payload_type),
            packets_received: counters.packets,
            bytes_received: counters.bytes,
            header_bytes_received: counters.header_bytes,
            packets_lost: self.reception.lost(),
            jitter: self.reception.jitter(),
            packets_duplicate: counters.duplicates,
            packets_discarded: counters.discarded
                + buffered.packets_late
                + buffered.packets_discarded
                + buffered.packets_overflowed,
            last_packet_received: self.last_packet,
            retransmitted_packets_received: counters.retransmitted_packets,
            retransmitted_bytes_received: counters.retransmitted_bytes,
            nack_count: counters.nacks,
            pli_count: counters.plis,
            fir_count: counters.firs,
            frames_received: if self.jitter_buffer.is_some() {
                buffered.frames_completed
            } else {
                counters.timestamps
            },
            key_frames: buffered.key_frames_emitted,
            frames_dropped: buffered.frames_dropped,
            jitter_buffer,
        }
    }

    pub(super) fn remote_stats(&self) -> Option<RemoteOutboundStats> {
        let report = self.last_report?;
        Some(RemoteOutboundStats {
            ssrc: self.ssrc,
            packets_sent: report.info.packet_count,
            bytes_sent: report.info.octet_count,
            remote_timestamp: report.info.ntp_time,
            reports_sent: report.count,
            timestamp: report.arrival,
        })
    }
}

/// All sources of the other side's, in places that stay.
#[derive(Debug, Default)]
pub(super) struct Streams {
    slots: Vec<Option<Box<Inbound>>>,
    free: Vec<u32>,
    #[cfg(test)]
    visits: std::cell::Cell<usize>,
}

impl Streams {
    pub(super) fn insert(&mut self, stream: Inbound) -> u32 {
        let stream = Some(Box::new(stream));
        match self.free.pop() {
            Some(index) => {
                if let Some(slot) = self.slots.get_mut(index as usize) {
                    *slot = stream;
                }
                index
            }
            None => {
                self.slots.push(stream);
                (self.slots.len() - 1) as u32
            }
        }
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<Box<Inbound>> {
        let stream = self.slots.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(stream)
    }

    /// How often a stream was looked at.
    #[cfg(test)]
    pub(super) fn visits(&self) -> usize {
        self.visits.get()
    }

    fn count_visit(&self) {
        #[cfg(test)]
        self.visits.set(self.visits.get() + 1);
    }

    pub(super) fn get(&self, index: u32) -> Option<&Inbound> {
        self.count_visit();
        self.slots.get(index as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Inbound> {
        self.count_visit();
        self.slots.get_mut(index as usize)?.as_deref_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Inbound)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| {
            self.count_visit();
            Some((index, slot.as_deref()?))
        })
    }
}
