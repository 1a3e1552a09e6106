mod forward;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use self::forward::Source;
use super::Config;
use super::media::SendErrorReason;
use super::stats::{OutboundStats, RemoteInboundStats};
use crate::clock::ClockRate;
use crate::extension::Values;
use crate::payload::{Fragment, Packetizer};
use crate::payload_type::PayloadType;
use crate::sequence::{ExtendedSequenceNumber, SequenceNumber};
use crate::ssrc::Ssrc;

/// One source of ours: what waits to be sent, and what was sent and may be asked for again.
///
/// Both are one ring, in order of sequence number: packets that left stay in their slot as the
/// history, so that sending moves nothing, and a NACK finds a packet by subtraction.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) ssrc: Ssrc,
    pub(super) rtx_ssrc: Option<Ssrc>,
    slots: VecDeque<Slot>,
    /// The sequence number of the first slot.
    first: u64,
    /// How many slots at the front have left, or never had a packet.
    left: usize,
    waiting_bytes: usize,
    history_bytes: usize,
    /// Packets to send again, or for the first time after later ones.
    repairs: VecDeque<u64>,
    rtx_sequence: SequenceNumber,
    source: Option<Source>,
    pub(super) packetizer: Option<(PayloadType, Box<Packetizer>)>,
    /// The name to say goodbye with.
    pub(super) cname: Option<String>,
    /// Whether a report about the stream has come: the other side knows its section.
    pub(super) acknowledged: bool,
    /// The same for the stream of retransmissions, which has its own name to tell
    /// ([RFC 8843 §15.2](https://www.rfc-editor.org/rfc/rfc8843#section-15.2)).
    pub(super) rtx_acknowledged: bool,
    pub(super) last_command: Option<u8>,
    pub(super) clock: Option<SenderClock>,
    /// Packets and payload bytes of the media source alone, for sender reports.
    pub(super) report_packets: u32,
    pub(super) report_octets: u32,
    /// A packet left since the last report.
    pub(super) sent_since_report: bool,
    pub(super) counters: Counters,
    pub(super) remote: RemoteInboundStats,
}

/// Where RTP time and ours meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct SenderClock {
    pub(super) rtp_time: u32,
    /// In microseconds since the session began.
    pub(super) at: u64,
    pub(super) rate: ClockRate,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) payload_type: Option<PayloadType>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) header_bytes: u64,
    pub(super) retransmitted_packets: u64,
    pub(super) retransmitted_bytes: u64,
    pub(super) nacks: u64,
    pub(super) plis: u64,
    pub(super) firs: u64,
    pub(super) frames: u64,
    pub(super) key_frames: u64,
    /// In microseconds.
    pub(super) send_delay: u64,
    last_timestamp: Option<u32>,
}

/// A packet, before and after it leaves.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) payload: Bytes,
    prefix: [u8; PREFIX],
    prefix_len: u8,
    pub(super) marker: bool,
    pub(super) payload_type: PayloadType,
    state: State,
    repair_queued: bool,
    /// How often it was sent again.
    repeated: u8,
    pub(super) timestamp: u32,
    /// When it was queued; then, when it left last: in microseconds since the session began.
    at: u64,
    pub(super) extensions: Values,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// A packet that a forwarder has not received (yet).
    Absent,
    Waiting,
    Sent,
    /// Sent, and not kept.
    Gone,
}

impl Slot {
    pub(super) fn prefix(&self) -> &[u8] {
        self.prefix.get(..self.prefix_len.into()).unwrap_or_default()
    }

    fn len(&self) -> usize {
        usize::from(self.prefix_len) + self.payload.len()
    }

    fn absent(at: u64) -> Self {
        Self {
            payload: Bytes::new(),
            prefix: [0; PREFIX],
            prefix_len: 0,
            marker: false,
            payload_type: PayloadType::default(),
            state: State::Absent,
            repair_queued: false,
            repeated: 0,
            timestamp: 0,
            at,
            extensions: Values::new(),
        }
    }
}

/// A packet that is to be written now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    index: usize,
    pub(super) sequence: SequenceNumber,
    /// Sent before: this is a repetition.
    pub(super) repeated: bool,
}

impl Sender {
    pub(super) fn new(ssrc: Ssrc, first: SequenceNumber, rtx_sequence: SequenceNumber) -> Self {
        Self {
            ssrc,
            rtx_ssrc: None,
            slots: VecDeque::new(),
            first: ExtendedSequenceNumber::FIRST_CYCLE + u64::from(first.0),
            left: 0,
            waiting_bytes: 0,
            history_bytes: 0,
            repairs: VecDeque::new(),
            rtx_sequence,
            source: None,
            packetizer: None,
            cname: None,
            acknowledged: false,
            rtx_acknowledged: false,
            last_command: None,
            clock: None,
            report_packets: 0,
            report_octets: 0,
            sent_since_report: false,
            counters: Counters::default(),
            remote: RemoteInboundStats { ssrc, ..RemoteInboundStats::default() },
        }
    }

    /// Drops what waits and what is kept; what goes on when the source sends again stays.
    pub(super) fn retire(&mut self) {
        self.first = self.next();
        self.slots = VecDeque::new();
        self.repairs = VecDeque::new();
        (self.left, self.waiting_bytes, self.history_bytes) = (0, 0, 0);
        (self.source, self.packetizer) = (None, None);
        (self.acknowledged, self.rtx_acknowledged) = (false, false);
        self.sent_since_report = false;
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.left < self.slots.len()
    }

    pub(super) fn has_repairs(&self) -> bool {
        !self.repairs.is_empty()
    }

    pub(super) fn has_history(&self) -> bool {
        self.left > 0
    }

    fn next(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Whether `len` more bytes may wait.
    pub(super) fn admit(&self, config: &Config, len: usize) -> Result<(), SendErrorReason> {
        let packets = self.slots.len() - self.left;
        let full = packets >= config.max_send_queue_packets
            || packets > 0 && self.waiting_bytes + len > config.max_send_queue_bytes;
        if full {
            return Err(SendErrorReason::QueueFull { packets, bytes: self.waiting_bytes });
        }
        Ok(())
    }

    /// Queues one packet of a frame.
    pub(super) fn push_fragment(
        &mut self,
        now: u64,
        payload_type: PayloadType,
        timestamp: u32,
        fragment: &Fragment,
        extensions: &Values,
    ) {
        let mut prefix = [0; PREFIX];
        for (to, from) in prefix.iter_mut().zip(fragment.prefix()) {
            *to = *from;
        }
        self.push(Slot {
            payload: fragment.payload().clone(),
            prefix,
            prefix_len: fragment.prefix().len().min(PREFIX) as u8,
            marker: fragment.marker(),
            payload_type,
            timestamp: timestamp.wrapping_add(fragment.timestamp_offset()),
            state: State::Waiting,
            extensions: extensions.clone(),
            ..Slot::absent(now)
        });
    }

    /// Queues a packet of the application's.
    pub(super) fn push_packet(
        &mut self,
        now: u64,
        payload_type: PayloadType,
        (marker, timestamp): (bool, u32),
        extensions: Values,
        payload: Bytes,
    ) {
        self.count_timestamp(timestamp);
        self.push(Slot {
            payload,
            marker,
            payload_type,
            timestamp,
            state: State::Waiting,
            extensions,
            ..Slot::absent(now)
        });
    }

    fn push(&mut self, slot: Slot) {
        self.waiting_bytes += slot.len();
        self.slots.push_back(slot);
    }

    fn count_timestamp(&mut self, timestamp: u32) {
        if self.counters.last_timestamp.replace(timestamp) != Some(timestamp) {
            self.counters.frames += 1;
        }
    }

    /// The next packet in order.
    pub(super) fn depart_next(&mut self) -> Option<Departure> {
        // Runs of slots without a packet are as long as the gaps they were made for.
        while let Some(slot) = self.slots.get(self.left) {
            let index = self.left;
            self.left += 1;
            if slot.state != State::Absent {
                return Some(self.departure(index, false));
            }
        }
        None
    }

    /// The next packet to repair.
    pub(super) fn depart_repair(&mut self) -> Option<Departure> {
        while let Some(number) = self.repairs.pop_front() {
            let Some(index) = number.checked_sub(self.first).map(|index| index as usize) else {
                continue;
            };
            let Some(slot) = self.slots.get_mut(index) else { continue };
            slot.repair_queued = false;
            let repeated = slot.state == State::Sent;
            return Some(self.departure(index, repeated));
        }
        None
    }

    fn departure(&self, index: usize, repeated: bool) -> Departure {
        let sequence = ExtendedSequenceNumber(self.first + index as u64).wire();
        Departure { index, sequence, repeated }
    }

    pub(super) fn slot(&self, departure: Departure) -> Option<&Slot> {
        self.slots.get(departure.index)
    }

    pub(super) fn next_rtx_sequence(&mut self) -> SequenceNumber {
        let sequence = self.rtx_sequence;
        self.rtx_sequence = sequence.next();
        sequence
    }

    /// Counts a packet that was written, and keeps or drops it.
    pub(super) fn departed(
        &mut self,
        now: u64,
        departure: Departure,
        packet_len: usize,
        config: &Config,
        history: Option<u64>,
    ) {
        let Some(slot) = self.slots.get_mut(departure.index) else { return };
        let len = slot.len();
        let counters = &mut self.counters;
        counters.packets += 1;
        counters.bytes += len as u64;
        counters.header_bytes += packet_len.saturating_sub(len) as u64;
        counters.payload_type = Some(slot.payload_type);
        if departure.repeated {
            slot.repeated = slot.repeated.saturating_add(1);
            counters.retransmitted_packets += 1;
            counters.retransmitted_bytes += len as u64;
        } else {
            counters.send_delay += now.saturating_sub(slot.at);
            self.report_packets = self.report_packets.wrapping_add(1);
            self.report_octets = self.report_octets.wrapping_add(len as u32);
            self.sent_since_report = true;
            self.waiting_bytes = self.waiting_bytes.saturating_sub(len);
            self.history_bytes += len;
        }
        slot.state = State::Sent;
        slot.at = now;
        if history.is_none() {
            slot.state = State::Gone;
            slot.payload = Bytes::new();
            self.history_bytes = self.history_bytes.saturating_sub(len);
        }
        self.trim(now, config, history);
    }

    /// Keeps the bounds of the history, which is an age in microseconds; `None` keeps nothing but the places of packets that a
    /// forwarder may still receive.
    pub(super) fn trim(&mut self, now: u64, config: &Config, history: Option<u64>) {
        while self.left > 0
            && let Some(oldest) = self.slots.front()
        {
            let keep = match history {
                Some(age) => {
                    self.left <= config.history_packets
                        && self.history_bytes <= config.history_bytes
                        && now.saturating_sub(oldest.at) <= age
                }
                None => self.source.is_some() && self.left <= FORWARDED_PLACES,
            };
            if keep {
                return;
            }
            match oldest.state {
                State::Sent => self.history_bytes = self.history_bytes.saturating_sub(oldest.len()),
                State::Waiting => {
                    self.waiting_bytes = self.waiting_bytes.saturating_sub(oldest.len());
                }
                State::Absent | State::Gone => {}
            }
            self.slots.pop_front();
            self.first += 1;
            self.left -= 1;
        }
    }

    /// Queues a packet that is asked for, unless it is gone, was sent again less than `pause` ago
    /// and that may still be on its way, or was sent again `max` times.
    pub(super) fn repair(&mut self, now: u64, sequence: SequenceNumber, pause: Duration, max: u8) {
        let next = self.next();
        let distance = sequence.distance_from(ExtendedSequenceNumber(next).wire());
        let number = next.saturating_add_signed(distance.into());
        let Some(index) = number.checked_sub(self.first).map(|index| index as usize) else {
            return;
        };
        if index >= self.left {
            return;
        }
        let Some(slot) = self.slots.get_mut(index) else { return };
        // Who asks for the first time knows that it is lost.
        let recent =
            slot.repeated > 0 && u128::from(now.saturating_sub(slot.at)) < pause.as_micros();
        let enough = slot.repeated >= max;
        if slot.state != State::Sent || slot.repair_queued || recent || enough {
            return;
        }
        slot.repair_queued = true;
        self.repairs.push_back(number);
    }

    pub(super) fn stats(&self) -> OutboundStats {
        let counters = self.counters;
        OutboundStats {
            ssrc: self.ssrc,
            rtx_ssrc: self.rtx_ssrc,
            payload_type: counters.payload_type,
            packets_sent: counters.packets,
            bytes_sent: counters.bytes,
            header_bytes_sent: counters.header_bytes,
            retransmitted_packets_sent: counters.retransmitted_packets,
            retransmitted_bytes_sent: counters.retransmitted_bytes,
            nack_count: counters.nacks,
            pli_count: counters.plis,
            fir_count: counters.firs,
            frames_sent: counters.frames,
            key_frames: counters.key_frames,
            total_packet_send_delay: Duration::from_micros(counters.send_delay),
            queued_packets: self.slots.len() - self.left,
            queued_bytes: self.waiting_bytes,
            history_packets: self.left,
        }
    }
}

/// The longest payload header that a packetizer makes.
const PREFIX: usize = 6;
/// Places kept for late packets where nothing is kept for retransmission.
const FORWARDED_PLACES: usize = 64;
