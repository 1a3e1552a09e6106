//! What happens to an RTP packet that comes in.

use super::Session;
use super::arrivals::Arrivals;
use super::event::Event;
use super::inbound::Role;
use super::media::{ReceivedPacket, SourceClock};
use super::reception::Place;
use super::routes::Route;
use super::section::Mode;
use super::slots::REPAIR_HEADER_LEN;
use crate::extension::{Kind, Values};
use crate::jitter_buffer::{Arrived, JitterBuffer};
use crate::packet::Packet;
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

/// A packet of media, however it came.
struct Incoming<'a> {
    role: Role,
    sequence: SequenceNumber,
    timestamp: u32,
    marker: bool,
    payload: &'a [u8],
    header_len: usize,
    extensions: Values,
    retransmitted: bool,
}

impl Session {
    pub(super) fn handle_media(&mut self, datagram: &[u8]) {
        let Ok(packet) = Packet::parse(datagram) else {
            self.stats.malformed += 1;
            return;
        };
        let index = match self.routes.find(packet.ssrc()) {
            Some(Route::Stream(index)) => index,
            known => match self.associate(&packet, known) {
                Some(index) => index,
                None => return self.record_stranger(&packet),
            },
        };
        match self.read_extensions(index, &packet) {
            Extensions::Read(extensions) => self.take(index, &packet, extensions),
            Extensions::OtherSection(slot) => {
                // "If the packet has a MID ... update the mapping" (RFC 8843 §9.2).
                self.remove_stream(index);
                self.expect(slot, packet.ssrc());
                let Some(index) = self.associate(&packet, None) else {
                    return self.record_stranger(&packet);
                };
                if let Extensions::Read(extensions) = self.read_extensions(index, &packet) {
                    self.take(index, &packet, extensions);
                }
            }
        }
    }

    fn read_extensions(&mut self, index: u32, packet: &Packet<'_>) -> Extensions {
        let mut values = Values::new();
        let mut transport_sequence = None;
        let section = self.streams.get(index).and_then(|stream| self.sections.get(stream.slot));
        let Some(section) = section else { return Extensions::Read(values) };
        for element in packet.extensions() {
            match section.parameters.extensions.kind(element.id) {
                None => {}
                Some(Kind::Mid) => {
                    let mid = section.parameters.mid.as_bytes();
                    if element.data != mid
                        && let Some(slot) = self.section_with_mid(element.data)
                    {
                        return Extensions::OtherSection(slot);
                    }
                }
                Some(Kind::TransportSequenceNumber) if section.transport_cc => {
                    transport_sequence = Some(element.data);
                }
                Some(kind) => values.push(kind, element.data),
            }
        }
        if let Some(data) = transport_sequence {
            self.record_arrival(packet.ssrc(), data);
        }
        Extensions::Read(values)
    }

    /// Notes when a packet arrived that belongs nowhere. It is counted with all of the transport, and
    /// its sender would take it for lost, and the path for full.
    fn record_stranger(&mut self, packet: &Packet<'_>) {
        // Bundled sections have the same id for it (RFC 8843 §7.1.3).
        let id = self.sections.iter().find_map(|(_, section)| {
            let id = section.parameters.extensions.id(Kind::TransportSequenceNumber);
            id.filter(|_| section.transport_cc)
        });
        if let Some(data) = id.and_then(|id| packet.extension(id)) {
            self.record_arrival(packet.ssrc(), data);
        }
    }

    fn record_arrival(&mut self, ssrc: Ssrc, data: &[u8]) {
        // Version 02 of the extension has two more bytes, which ask for feedback.
        let Some((sequence, _)) = data.split_first_chunk::<2>() else { return };
        let sequence = SequenceNumber(u16::from_be_bytes(*sequence));
        let interval = self.config.transport_feedback_interval;
        self.arrivals.get_or_insert_with(|| Box::new(Arrivals::new())).record(
            self.now,
            self.micros,
            sequence,
            ssrc,
            interval,
        );
    }

    fn take(&mut self, index: u32, packet: &Packet<'_>, extensions: Values) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let role = match stream.role {
            Some(role) if role.payload_type == packet.payload_type() => role,
            _ => {
                let section = self.sections.get(stream.slot);
                let Some(role) = section.and_then(|s| s.role(packet.payload_type())) else {
                    self.stats.unknown_payload_type += 1;
                    return;
                };
                stream.role = Some(role);
                role
            }
        };
        let incoming = Incoming {
            role,
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
            marker: packet.marker(),
            payload: packet.payload(),
            header_len: packet.header_len() + packet.padding_len(),
            extensions,
            retransmitted: false,
        };
        if role.repair {
            self.take_repair(index, incoming);
        } else {
            self.take_media(index, incoming);
        }
    }

    /// A retransmission on a stream of its own: the original sequence number, then the payload
    /// ([RFC 4588 §4](https://www.rfc-editor.org/rfc/rfc4588#section-4)).
    fn take_repair(&mut self, index: u32, incoming: Incoming<'_>) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let Some(media) = stream.repairs else {
            self.stats.unknown_payload_type += 1;
            return;
        };
        if stream.reception.take(incoming.sequence, true).1 == Place::Duplicate {
            return;
        }
        stream.last_packet = Some(self.now);
        let (slot, rtx_ssrc) = (stream.slot, stream.ssrc);
        self.arm_reports();
        // Padding that probes the path has no original.
        let Some((original, payload)) = incoming.payload.split_first_chunk::<REPAIR_HEADER_LEN>()
        else {
            return;
        };
        let Some(media) = self.repaired_stream(slot, media) else { return };
        if let Some(stream) = self.streams.get_mut(media) {
            stream.rtx_ssrc = Some(rtx_ssrc);
        }
        let role =
            Role { payload_type: incoming.role.codec.payload_type, repair: false, ..incoming.role };
        self.take_media(
            media,
            Incoming {
                role,
                sequence: SequenceNumber(u16::from_be_bytes(*original)),
                payload,
                header_len: incoming.header_len + REPAIR_HEADER_LEN,
                retransmitted: true,
                ..incoming
            },
        );
    }

    fn take_media(&mut self, index: u32, incoming: Incoming<'_>) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let Incoming { role, timestamp, payload, .. } = incoming;
        let (sequence, place) = stream.reception.take(incoming.sequence, !incoming.retransmitted);
        let counters = &mut stream.counters;
        counters.packets += 1;
        counters.bytes += payload.len() as u64;
        counters.header_bytes += incoming.header_len as u64;
        if incoming.retransmitted {
            counters.retransmitted_packets += 1;
            counters.retransmitted_bytes += payload.len() as u64;
        }
        stream.last_packet = Some(self.now);
        // It may have paused only.
        stream.ended = false;
        stream.unanswered = 0;
        let mut has_timer = false;
        match place {
            Place::Duplicate => {
                counters.duplicates += 1;
                return;
            }
            Place::Older => stream.missing.arrived(sequence),
            Place::Newest { missing } => {
                if missing > 0 && role.codec.nack {
                    stream.missing.gap(self.now, sequence, missing, &self.config);
                    has_timer = true;
                }
                if !incoming.retransmitted {
                    stream.reception.observe(self.micros, timestamp, role.codec.clock_rate);
                }
                if counters.last_timestamp.replace(timestamp) != Some(timestamp) {
                    counters.timestamps += 1;
                }
            }
        }
        let slot = stream.slot;
        let Some(section) = self.sections.get_mut(slot) else { return };
        match section.mode() {
            Mode::Frames => {
                let round_trip_time = self.round_trip_time;
                let clock_rate = role.codec.clock_rate;
                let buffer = stream.jitter_buffer.get_or_insert_with(|| {
                    let config = self.config.jitter_buffer;
                    Box::new(JitterBuffer::new(config, clock_rate, self.now))
                });
                // The codec may be another than the last packet's, or negotiated anew.
                buffer.set_clock_rate(clock_rate);
                buffer.set_retransmission(role.codec.nack);
                if stream.told_round_trip_time != round_trip_time {
                    stream.told_round_trip_time = round_trip_time;
                    buffer.set_round_trip_time(round_trip_time.unwrap_or_default());
                }
                let arrived = Arrived {
                    sequence_number: sequence,
                    timestamp,
                    marker: incoming.marker,
                    payload_type: role.payload_type,
                    format: role.codec.format,
                    payload,
                };
                // What the buffer refuses it counts.
                let _ = buffer.insert(self.now, arrived);
                if !incoming.extensions.is_empty() {
                    stream.extensions = incoming.extensions;
                }
                let readable = buffer.is_readable();
                has_timer |= buffer.poll_timeout().is_some() || buffer.needs_key_frame();
                if readable {
                    self.announce(index);
                }
                if has_timer {
                    self.judge_picture(index);
                }
            }
            Mode::Packets => {
                let receiver = &mut section.receiver;
                let packet = ReceivedPacket {
                    payload: receiver.blocks.copy(payload),
                    payload_type: role.payload_type,
                    format: role.codec.format,
                    marker: incoming.marker,
                    sequence,
                    timestamp,
                    ssrc: stream.ssrc,
                    arrival: self.now,
                    extensions: incoming.extensions,
                    retransmitted: incoming.retransmitted,
                    clock: stream.last_report.map(|report| SourceClock {
                        rtp_time: report.info.rtp_time,
                        at: report.arrival,
                    }),
                };
                let full = receiver.unread.len() >= self.config.max_unread_packets
                    || receiver.unread_bytes + payload.len() > self.config.max_unread_bytes;
                receiver.unread_bytes += payload.len();
                receiver.unread.push_back(packet);
                if full {
                    self.drop_unread(slot);
                }
                self.announce(index);
            }
        }
        if has_timer {
            self.watch(index);
        }
        self.arm_reports();
    }

    /// Drops the oldest unread packets until the bounds hold.
    fn drop_unread(&mut self, slot: u16) {
        let Some(section) = self.sections.get_mut(slot) else { return };
        let receiver = &mut section.receiver;
        while receiver.unread.len() > self.config.max_unread_packets
            || receiver.unread_bytes > self.config.max_unread_bytes
        {
            let Some(packet) = receiver.unread.pop_front() else { return };
            receiver.unread_bytes -= packet.payload.len();
            let stream = self.routes.stream(packet.ssrc);
            if let Some(stream) = stream.and_then(|index| self.streams.get_mut(index)) {
                stream.counters.discarded += 1;
            }
        }
    }

    /// Says once that a stream's section has something to read.
    pub(super) fn announce(&mut self, index: u32) {
        let slot = self.streams.get(index).map(|stream| stream.slot);
        if let Some(section) = slot.and_then(|slot| self.sections.get_mut(slot))
            && !section.flags.readable
        {
            section.flags.readable = true;
            self.events.push(Event::Readable(section.id));
        }
    }

    /// Asks for a key frame that has not come since it was asked for.
    pub(super) fn renew_key_frame_request(&mut self, index: u32) {
        let pause = super::key_frame_pause(self.round_trip_time);
        let Some(stream) = self.streams.get_mut(index) else { return };
        if stream.key_frame_at.is_none_or(|at| at > self.now) {
            return;
        }
        stream.key_frame_at = None;
        if stream.unanswered < MAX_UNANSWERED {
            stream.unanswered += 1;
            stream.key_frame_at = Some(self.now + pause);
            self.ask_key_frame(index);
        }
    }

    /// Asks for a key frame, or plans to, while the jitter buffer waits for one.
    pub(super) fn judge_picture(&mut self, index: u32) {
        let pause = super::key_frame_pause(self.round_trip_time);
        let now = self.now;
        let Some(stream) = self.streams.get_mut(index) else { return };
        let Some(buffer) = &stream.jitter_buffer else { return };
        match (buffer.needs_key_frame(), stream.key_frame_at) {
            (false, _) => stream.key_frame_at = None,
            (true, Some(_)) => {}
            // The source is silent: the wish is renewed with its next packet.
            (true, None) if stream.unanswered >= MAX_UNANSWERED => {}
            (true, None) => {
                // A stream that begins may be in the middle of its first key frame; one that was
                // interrupted, or did not begin with one, will not get one by waiting.
                let stats = buffer.stats();
                let interrupted =
                    stats.frames_emitted > 0 || stats.frames_dropped + stats.packets_discarded > 0;
                stream.key_frame_at = Some(now + pause);
                if interrupted {
                    self.ask_key_frame(index);
                }
            }
        }
    }
}

/// How often a source that has fallen silent is asked for a key frame: one that shows a still
/// picture must hear it though requests are lost, one that has paused must not wake us for ever.
const MAX_UNANSWERED: u8 = 5;

enum Extensions {
    Read(Values),
    /// The packet names another section than its stream's.
    OtherSection(u16),
}
