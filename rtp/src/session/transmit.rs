//! Media on its way out.

use std::ops::Range;

use super::Session;
use super::slots::Section;
use crate::extension::AbsSendTime;
use crate::packet::HeaderWriter;

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
        let now = self.now;
        let send_time = self.ntp_time(now);
        let round_trip_time = self.assumed_round_trip_time();
        let Section { parameters, hop, sender, .. } = self.sections.get_mut(slot)?;
        let sender = sender.as_deref_mut()?;
        let departure = if repair { sender.depart_repair() } else { sender.depart_next() }?;
        let packet = sender.slot(departure)?;
        let payload_type = packet.payload_type;
        let codec = parameters.codecs.iter().find(|codec| codec.payload_type == payload_type);
        let rtx = codec.and_then(|codec| codec.rtx).zip(sender.rtx_ssrc);
        let rtx = rtx.filter(|_| departure.repeated);
        let start = buf.len();
        buf.reserve(MOST_HEADERS + packet.payload.len());
        let (payload_type, sequence, ssrc) = match rtx {
            Some((payload_type, ssrc)) => (payload_type, sender.next_rtx_sequence(), ssrc),
            None => (payload_type, departure.sequence, sender.ssrc),
        };
        let packet = sender.slot(departure)?;
        let mut writer = HeaderWriter::new(buf, payload_type, sequence, packet.timestamp, ssrc)
            .marker(packet.marker);
        let named =
            sender.acknowledged && self.config.mid == super::MidExtension::UntilAcknowledged;
        if !named {
            if hop.mid != 0 {
                writer = writer.extension(hop.mid, parameters.mid.as_bytes());
            }
            let rid_id = if rtx.is_some() { hop.repaired_rid } else { hop.rid };
            if rid_id != 0
                && let Some(rid) = parameters.send.as_ref().and_then(|send| send.rid.as_ref())
            {
                writer = writer.extension(rid_id, rid.as_bytes());
            }
        }
        if hop.transport_sequence != 0 {
            let sequence = self.transport_sequence;
            self.transport_sequence = sequence.next();
            writer = writer.extension(hop.transport_sequence, &sequence.0.to_be_bytes());
        }
        if hop.abs_send_time != 0 {
            let time = AbsSendTime::from(send_time).to_bytes();
            writer = writer.extension(hop.abs_send_time, &time);
        }
        for (kind, data) in packet.extensions.iter() {
            if let Some(id) = parameters.extensions.id(kind) {
                writer = writer.extension(id, data);
            }
        }
        writer.finish();
        if rtx.is_some() {
            buf.extend_from_slice(&departure.sequence.0.to_be_bytes());
        }
        buf.extend_from_slice(packet.prefix());
        buf.extend_from_slice(&packet.payload);
        let history = Section::history(codec, &self.config, round_trip_time);
        sender.departed(now, departure, buf.len() - start, &self.config, history);
        Some(start..buf.len())
    }
}

/// What a header with some extensions takes; more only costs a reallocation.
const MOST_HEADERS: usize = 96;
