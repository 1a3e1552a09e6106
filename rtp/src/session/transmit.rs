//! Media on its way out.

use std::ops::Range;
use std::time::Instant;

use super::Session;
use super::section::Parameters;
use super::slots::{Hop, Section};
use crate::clock::NtpTime;
use crate::extension::AbsSendTime;
use crate::packet::HeaderWriter;
use crate::payload_type::PayloadType;
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

/// Which queue a section's turn comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Queue {
    Audio,
    Repairs,
    Video,
}

impl Session {
    /// Writes the next packet of media: audio, then retransmissions, then video; the sections of a
    /// kind take turns.
    pub(super) fn write_media(&mut self, buf: &mut Vec<u8>) -> Option<Range<usize>> {
        loop {
            let (queue, slot) = if let Some(slot) = self.outbox.audio.pop_front() {
                (Queue::Audio, slot)
            } else if !self.outbox.has_paced() || !self.pacer.may_send(self.now) {
                return None;
            } else if let Some(slot) = self.outbox.repairs.pop_front() {
                (Queue::Repairs, slot)
            } else {
                (Queue::Video, self.outbox.video.pop_front()?)
            };
            let range = self.write_packet(buf, slot, queue == Queue::Repairs);
            let Some(section) = self.sections.get_mut(slot) else { continue };
            let more = section.sender.as_deref().is_some_and(|sender| match queue {
                Queue::Repairs => sender.has_repairs(),
                Queue::Audio | Queue::Video => sender.has_waiting(),
            });
            match queue {
                Queue::Audio if more => self.outbox.audio.push_back(slot),
                Queue::Video if more => self.outbox.video.push_back(slot),
                Queue::Repairs if more => self.outbox.repairs.push_back(slot),
                Queue::Repairs => section.flags.repairing = false,
                Queue::Audio | Queue::Video => section.flags.waiting = false,
            }
            if let Some(range) = range {
                self.pacer.sent(self.now, range.len());
                self.arm_reports();
                return Some(range);
            }
        }
    }

    fn write_packet(&mut self, buf: &mut Vec<u8>, slot: u16, repair: bool) -> Option<Range<usize>> {
        let section = self.sections.get_mut(slot)?;
        let Section { parameters, hop, sender, template, .. } = section;
        let sender = sender.as_deref_mut()?;
        let departure = if repair { sender.depart_repair() } else { sender.depart_next() }?;
        let packet = sender.slot(departure)?;
        let payload_type = packet.payload_type;
        let codec = parameters.codecs.iter().find(|codec| codec.payload_type == payload_type);
        let rtx = codec.and_then(|codec| codec.rtx).zip(sender.rtx_ssrc);
        let repeats = rtx.is_some() || self.config.plain_retransmission;
        if departure.repeated && !repeats {
            // Queued before a description took its stream away.
            return None;
        }
        let history = codec.filter(|codec| codec.nack && repeats).map(|_| self.history_age);
        let rtx = rtx.filter(|_| departure.repeated);
        let start = buf.len();
        buf.reserve(MOST_HEADERS + packet.payload.len());
        let transport_sequence = self.transport_sequence;
        if hop.transport_sequence != 0 {
            self.transport_sequence = transport_sequence.next();
        }
        let mut stamps = Stamps { transport_sequence, abs_send_time: None };
        if hop.abs_send_time != 0 {
            stamps.abs_send_time = Some(abs_send_time(self.wall_clock, self.now));
        }
        let acknowledged = match rtx {
            Some(_) => sender.rtx_acknowledged,
            None => sender.acknowledged,
        };
        let named = acknowledged && self.config.mid == super::MidExtension::UntilAcknowledged;
        if rtx.is_none() && packet.extensions.is_empty() {
            // Nearly every packet of video: the header is that of the last one but for some fields.
            if template.as_ref().is_none_or(|template| template.named != named) {
                *template = Some(Template::new(parameters, *hop, named));
            }
            if let Some(template) = template {
                let fields = (packet.marker, payload_type, departure.sequence, packet.timestamp);
                template.write(buf, fields, sender.ssrc, stamps);
            }
        } else {
            let (payload_type, sequence, ssrc) = match rtx {
                Some((payload_type, ssrc)) => (payload_type, sender.next_rtx_sequence(), ssrc),
                None => (payload_type, departure.sequence, sender.ssrc),
            };
            let packet = sender.slot(departure)?;
            let writer = HeaderWriter::new(buf, payload_type, sequence, packet.timestamp, ssrc);
            let mut writer = writer.marker(packet.marker);
            if !named {
                writer = name(writer, parameters, *hop, rtx.is_some());
            }
            writer = stamp(writer, *hop, stamps);
            for (kind, data) in packet.extensions.iter() {
                if let Some(id) = parameters.extensions.id(kind) {
                    writer = writer.extension(id, data);
                }
            }
            writer.finish();
        }
        if rtx.is_some() {
            buf.extend_from_slice(&departure.sequence.0.to_be_bytes());
        }
        let packet = sender.slot(departure)?;
        buf.extend_from_slice(packet.prefix());
        buf.extend_from_slice(&packet.payload);
        sender.departed(self.micros, departure, buf.len() - start, &self.config, history);
        Some(start..buf.len())
    }
}

/// What is written into each packet as it leaves.
#[derive(Clone, Copy, Debug)]
struct Stamps {
    transport_sequence: SequenceNumber,
    abs_send_time: Option<[u8; 3]>,
}

/// The header of a stream's packets without extensions of their own.
#[derive(Debug)]
pub(super) struct Template {
    named: bool,
    bytes: Vec<u8>,
    /// Where the stamps are; 0 for one that isn't.
    transport_sequence: usize,
    abs_send_time: usize,
}

impl Template {
    fn new(parameters: &Parameters, hop: Hop, named: bool) -> Self {
        let mut bytes = Vec::new();
        let none = (PayloadType::default(), SequenceNumber::default(), Ssrc::default());
        let mut writer = HeaderWriter::new(&mut bytes, none.0, none.1, 0, none.2);
        if !named {
            writer = name(writer, parameters, hop, false);
        }
        // Bytes that a header of zeros and UTF-8 has nowhere else, to find their places.
        let stamps = Stamps {
            transport_sequence: SequenceNumber(0xFEFE),
            abs_send_time: Some([0xFD; 3]).filter(|_| hop.abs_send_time != 0),
        };
        stamp(writer, hop, stamps).finish();
        let find = |pattern: &[u8], id: u8| {
            let found = bytes.windows(pattern.len()).position(|window| window == pattern);
            found.filter(|_| id != 0).unwrap_or(0)
        };
        let transport_sequence = find(&[0xFE; 2], hop.transport_sequence);
        let abs_send_time = find(&[0xFD; 3], hop.abs_send_time);
        Self { named, bytes, transport_sequence, abs_send_time }
    }

    fn write(
        &self,
        buf: &mut Vec<u8>,
        (marker, payload_type, sequence, timestamp): (bool, PayloadType, SequenceNumber, u32),
        ssrc: Ssrc,
        stamps: Stamps,
    ) {
        let start = buf.len();
        buf.extend_from_slice(&self.bytes);
        let Some(header) = buf.get_mut(start..) else { return };
        if let Some(fixed) = header.first_chunk_mut::<12>() {
            fixed[1] = payload_type.number() | if marker { 0x80 } else { 0 };
            [fixed[2], fixed[3]] = sequence.0.to_be_bytes();
            [fixed[4], fixed[5], fixed[6], fixed[7]] = timestamp.to_be_bytes();
            [fixed[8], fixed[9], fixed[10], fixed[11]] = ssrc.0.to_be_bytes();
        }
        if self.transport_sequence != 0
            && let Some(place) = header.get_mut(self.transport_sequence..)
            && let Some(place) = place.first_chunk_mut::<2>()
        {
            *place = stamps.transport_sequence.0.to_be_bytes();
        }
        if let Some(time) = stamps.abs_send_time
            && let Some(place) = header.get_mut(self.abs_send_time..)
            && let Some(place) = place.first_chunk_mut::<3>()
        {
            *place = time;
        }
    }
}

/// Says which section and encoding the stream is.
fn name<'b>(
    mut writer: HeaderWriter<'b>,
    parameters: &Parameters,
    hop: Hop,
    repair: bool,
) -> HeaderWriter<'b> {
    if hop.mid != 0 {
        writer = writer.extension(hop.mid, parameters.mid.as_bytes());
    }
    let rid_id = if repair { hop.repaired_rid } else { hop.rid };
    if rid_id != 0
        && let Some(rid) = parameters.send.as_ref().and_then(|send| send.rid.as_ref())
    {
        writer = writer.extension(rid_id, rid.as_bytes());
    }
    writer
}

fn stamp(mut writer: HeaderWriter<'_>, hop: Hop, stamps: Stamps) -> HeaderWriter<'_> {
    if hop.transport_sequence != 0 {
        let sequence = stamps.transport_sequence.0.to_be_bytes();
        writer = writer.extension(hop.transport_sequence, &sequence);
    }
    if let Some(time) = stamps.abs_send_time {
        writer = writer.extension(hop.abs_send_time, &time);
    }
    writer
}

fn abs_send_time((anchor, time): (Instant, NtpTime), now: Instant) -> [u8; 3] {
    AbsSendTime::from(time.plus(now.saturating_duration_since(anchor))).to_bytes()
}

/// What a header with some extensions takes; more only costs a reallocation.
const MOST_HEADERS: usize = 96;
