//! How a forwarder's packets get the numbers and times of a source of ours.

use std::time::{Duration, Instant};

use super::{PREFIX, Sender, SenderClock, Slot, State};
use crate::payload::{Format, vp8};
use crate::payload_type::PayloadType;
use crate::session::media::{ReceivedPacket, SendErrorReason};
use crate::session::section::Codec;
use crate::ssrc::Ssrc;

/// The source that a forwarder's packets come from, and how its numbers become ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    ssrc: Ssrc,
    payload_type: PayloadType,
    mapped: PayloadType,
    sequence_offset: u64,
    timestamp_offset: u32,
    /// The first of our numbers that are its: places before it belong to another source, or to
    /// packets that it will not send any more.
    begins: u64,
    /// The same for the running indices of VP8; zero for other formats.
    indices: vp8::IndexOffset,
}

impl Sender {
    /// Queues a packet received elsewhere, with gaps and late packets in their place, so that the
    /// next receiver sees the losses that are left and can ask for what comes late. A change of the
    /// source goes on without a gap in numbers, and with the time that passed in timestamps.
    pub(in crate::session) fn forward(
        &mut self,
        (instant, now): (Instant, u64),
        packet: &ReceivedPacket,
        codecs: &[Codec],
    ) -> Result<(), SendErrorReason> {
        let mut source = match self.source {
            Some(source)
                if source.ssrc == packet.ssrc && source.payload_type == packet.payload_type =>
            {
                source
            }
            known => self.change_source(now, known, packet, codecs)?,
        };
        let mut next = self.next();
        let mut number = packet.sequence.0.wrapping_add(source.sequence_offset);
        let ahead = number.wrapping_sub(next).cast_signed();
        if !(-OLDEST..=MAX_FORWARDED_GAP).contains(&ahead) {
            // Numbers begin anew. One place stays empty: what builds on packets that are missing
            // here must not look whole.
            self.slots.push_back(Slot::absent(now));
            next = self.next();
            (source.begins, source.sequence_offset) = (next, next.wrapping_sub(packet.sequence.0));
            number = next;
        }
        self.source = Some(source);
        let timestamp = packet.timestamp.wrapping_add(source.timestamp_offset);
        let moved = source.indices.apply(&packet.payload);
        let (prefix, len) = moved.unwrap_or_default();
        let slot = Slot {
            payload: packet.payload.slice(len..),
            prefix,
            prefix_len: len as u8,
            marker: packet.marker,
            payload_type: source.mapped,
            timestamp,
            state: State::Waiting,
            extensions: packet.extensions.clone(),
            ..Slot::absent(now)
        };
        if number < next {
            if number >= source.begins {
                self.fill(number, slot);
            }
            return Ok(());
        }
        for _ in next..number {
            self.slots.push_back(Slot::absent(now));
        }
        self.count_timestamp(timestamp);
        self.push(slot);
        // What our reports tell "corresponds to the same time" (RFC 3550 §6.4.1): the source's, where
        // it has said it. Packets that come late do not turn it back.
        if let Some(codec) = codecs.iter().find(|codec| codec.payload_type == source.mapped) {
            let rate = codec.clock_rate;
            let rtp_time = packet.clock.map_or(timestamp, |clock| {
                let passed = rate.units(instant.saturating_duration_since(clock.at));
                let reported = clock.rtp_time.wrapping_add(passed as u32);
                reported.wrapping_add(source.timestamp_offset)
            });
            self.clock = Some(SenderClock { rtp_time, at: now, rate });
        }
        Ok(())
    }

    /// Puts a packet that came late into its place; one whose place is gone, or taken, is a
    /// duplicate or too late for everybody.
    fn fill(&mut self, number: u64, slot: Slot) {
        let Some(index) = number.checked_sub(self.first).map(|index| index as usize) else {
            return;
        };
        let Some(place) = self.slots.get_mut(index).filter(|p| p.state == State::Absent) else {
            return;
        };
        *place = Slot { repair_queued: index < self.left, ..slot };
        self.waiting_bytes += place.len();
        if index < self.left {
            self.repairs.push_back(number);
        }
    }

    fn change_source(
        &self,
        now: u64,
        known: Option<Source>,
        packet: &ReceivedPacket,
        codecs: &[Codec],
    ) -> Result<Source, SendErrorReason> {
        let codec = map_payload_type(packet, codecs)
            .ok_or(SendErrorReason::UnknownFormat(packet.format))?;
        let (payload_type, mapped) = (packet.payload_type, codec.payload_type);
        if let Some(known) = known.filter(|known| known.ssrc == packet.ssrc) {
            return Ok(Source { payload_type, mapped, ..known });
        }
        let timestamp = self.clock.map(|clock| {
            let passed = clock.rate.units(Duration::from_micros(now.saturating_sub(clock.at)));
            let passed = clock.rtp_time.wrapping_add(passed as u32);
            // Behind all that was sent, whatever the reports say.
            let next = self.counters.last_timestamp.map_or(passed, |last| last.wrapping_add(1));
            if passed.wrapping_sub(next).cast_signed() < 0 { next } else { passed }
        });
        Ok(Source {
            ssrc: packet.ssrc,
            payload_type,
            mapped,
            sequence_offset: self.next().wrapping_sub(packet.sequence.0),
            timestamp_offset: timestamp
                .map_or(0, |timestamp| timestamp.wrapping_sub(packet.timestamp)),
            begins: self.next(),
            indices: match codec.format {
                Format::Vp8 => self.index_offset(packet, mapped).unwrap_or_default(),
                _ => vp8::IndexOffset::default(),
            },
        })
    }

    /// What makes the pictures of a new source follow the one that was sent last.
    fn index_offset(
        &self,
        packet: &ReceivedPacket,
        mapped: PayloadType,
    ) -> Option<vp8::IndexOffset> {
        let mut sent = self.slots.iter().rev().filter(|slot| slot.state != State::Absent);
        let last = sent.next().filter(|slot| slot.payload_type == mapped)?;
        // The whole descriptor, and a byte behind it.
        let bytes = last.prefix().iter().chain(last.payload.iter()).chain([&0; PREFIX + 1]);
        let mut head = [0; PREFIX + 1];
        head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let last = vp8::Descriptor::parse(&head).ok()?;
        let first = vp8::Descriptor::parse(&packet.payload).ok()?;
        Some(vp8::IndexOffset::between(last.layer, first.layer))
    }
}

/// The codec of ours that a packet can go as: of its format, its own payload type before others.
fn map_payload_type<'c>(packet: &ReceivedPacket, codecs: &'c [Codec]) -> Option<&'c Codec> {
    let fits = |codec: &&Codec| codec.format == packet.format;
    codecs
        .iter()
        .filter(fits)
        .find(|codec| codec.payload_type == packet.payload_type)
        // Two formats without a name may be different ones.
        .or_else(|| codecs.iter().filter(|_| packet.format != Format::Other).find(fits))
}

/// What a source may lose in a row and still go on in the same numbers.
const MAX_FORWARDED_GAP: i64 = 512;
/// No packet comes later than this: numbers are unwrapped to the nearest. One that is further
/// behind is of a source that was forgotten and came back, counted anew.
const OLDEST: i64 = 1 << 15;
