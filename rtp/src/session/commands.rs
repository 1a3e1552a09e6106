//! What the application asks of a session.

use std::time::Instant;

use rand::RngExt as _;

use super::inbound::Inbound;
use super::media::{Frame, OutgoingPacket, ReceivedFrame, ReceivedPacket, SendError};
use super::routes::Route;
use super::section::{Media, Mode, Parameters, SectionId};
use super::sender::{Sender, SenderClock};
use super::slots::Section;
use super::{SendErrorReason, Session};
use crate::extension::{AbsCaptureTime, Kind};
use crate::payload::Packetizer;
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

impl Session {
    /// Adds a section, or changes what was negotiated for it. Sources that stay keep their streams:
    /// sequence numbers, history and statistics go on.
    pub fn set_section(&mut self, now: Instant, id: SectionId, parameters: Parameters) {
        self.advance(now);
        self.payload_types = None;
        let mut another_mode = false;
        let slot = match self.sections.slot_of(id) {
            Some(slot) => {
                if let Some(section) = self.sections.get_mut(slot) {
                    let mode = section.mode();
                    section.parameters = parameters;
                    section.derive();
                    another_mode = mode != section.mode();
                }
                slot
            }
            None => self.sections.insert(Section::new(id, parameters)),
        };
        self.settle_sender(slot);
        self.settle_receiver(slot);
        if another_mode {
            self.begin_mode(slot);
        }
        self.reduced_size =
            self.sections.iter().all(|(_, section)| section.parameters.reduced_size);
    }

    /// Removes a section: its source says goodbye, what it queued and what was unread is dropped.
    pub fn remove_section(&mut self, now: Instant, id: SectionId) {
        self.advance(now);
        let Some(slot) = self.sections.slot_of(id) else { return };
        if let Some(section) = self.sections.get_mut(slot) {
            section.parameters.send = None;
            section.parameters.receive = None;
        }
        self.settle_sender(slot);
        self.settle_receiver(slot);
        self.routes.retain(|_, route| !route.is_expected_in(slot));
        self.payload_types = None;
        self.sections.remove(slot);
        self.events.forget(id);
        self.reduced_size =
            self.sections.iter().all(|(_, section)| section.parameters.reduced_size);
    }

    /// Chooses how the application reads a section. What was not read in the old mode is dropped,
    /// a frame that has arrived in part too; so video's sources are asked for a key frame.
    pub fn set_receive_mode(&mut self, now: Instant, id: SectionId, mode: Mode) {
        self.advance(now);
        let Some(slot) = self.sections.slot_of(id) else { return };
        let section = self.sections.get_mut(slot);
        if let Some(receive) = section.and_then(|section| section.parameters.receive.as_mut())
            && receive.mode != mode
        {
            receive.mode = mode;
            self.settle_receiver(slot);
            self.begin_mode(slot);
        }
    }

    /// What was announced in the old mode is gone, and of a picture only a part will come.
    fn begin_mode(&mut self, slot: u16) {
        if let Some(section) = self.sections.get_mut(slot) {
            section.flags.readable = false;
        }
        self.ask_key_frames(slot);
    }

    /// Ends the session: all sources say goodbye
    /// ([RFC 3550 §6.3.7](https://www.rfc-editor.org/rfc/rfc3550#section-6.3.7)) and all sections
    /// are removed.
    pub fn close(&mut self, now: Instant) {
        self.advance(now);
        let ids: Vec<_> = self.sections.iter().map(|(_, section)| section.id).collect();
        for id in ids {
            self.remove_section(now, id);
        }
        self.reports.stop();
    }

    fn settle_sender(&mut self, slot: u16) {
        let Some(section) = self.sections.get_mut(slot) else { return };
        let wanted = section.parameters.send.as_ref();
        let ends = section
            .sender
            .as_ref()
            .is_some_and(|sender| wanted.is_none_or(|send| send.ssrc != sender.ssrc));
        if ends && let Some(mut sender) = section.sender.take() {
            self.senders.retain(|(ssrc, _)| *ssrc != sender.ssrc);
            sender.retire();
            // A source that never sent is nobody's.
            if sender.counters.packets > 0 {
                if self.outbox.goodbyes.len() < MAX_GOODBYES {
                    let cname = sender.cname.take().unwrap_or_default();
                    self.outbox.goodbyes.push_back((sender.ssrc, cname));
                }
                self.retired.push(*sender);
            }
            section.flags.waiting = false;
            section.flags.repairing = false;
            self.outbox.audio.retain(|other| *other != slot);
            self.outbox.video.retain(|other| *other != slot);
            self.outbox.repairs.retain(|other| *other != slot);
        }
        let Some(send) = section.parameters.send.as_ref() else { return };
        match &mut section.sender {
            Some(sender) => {
                sender.rtx_ssrc = send.rtx_ssrc;
                sender.cname = Some(send.cname.clone());
                if sender.packetizer.as_ref().is_some_and(|(payload_type, packetizer)| {
                    let codecs = &section.parameters.codecs;
                    !codecs.iter().any(|codec| {
                        codec.payload_type == *payload_type && codec.format == packetizer.format()
                    })
                }) {
                    sender.packetizer = None;
                }
            }
            None => {
                let retired = self.retired.iter().position(|sender| sender.ssrc == send.ssrc);
                let sender = retired.map(|index| Box::new(self.retired.swap_remove(index)));
                let rng = &mut self.rng;
                // RFC 3550 §5.1: "The initial value of the sequence number SHOULD be random"; from
                // the lower half, so that SRTP receivers guess the rollover counter right even if
                // the first packets are lost.
                let mut first = || SequenceNumber(rng.random_range(1..0x8000));
                let mut sender =
                    sender.unwrap_or_else(|| Box::new(Sender::new(send.ssrc, first(), first())));
                sender.rtx_ssrc = send.rtx_ssrc;
                sender.cname = Some(send.cname.clone());
                section.sender = Some(sender);
                let at = self.senders.partition_point(|(ssrc, _)| *ssrc < send.ssrc);
                self.senders.insert(at, (send.ssrc, slot));
            }
        }
    }

    fn settle_receiver(&mut self, slot: u16) {
        let Some(section) = self.sections.get(slot) else { return };
        let receive = section.parameters.receive.clone();
        let mode = section.mode();
        let signalled: Vec<(Ssrc, Option<Ssrc>)> = receive
            .iter()
            .flat_map(|receive| {
                let media = receive.ssrcs.iter().map(|ssrc| (*ssrc, None));
                let rtx = receive.rtx.iter().map(|(rtx, media)| (*rtx, Some(*media)));
                media.chain(rtx)
            })
            .collect();
        // Streams that were signalled and are no more end; those learned stay while it receives.
        for index in section.receiver.streams.clone() {
            let Some(stream) = self.streams.get_mut(index) else { continue };
            let now_signalled = signalled.iter().any(|(ssrc, _)| *ssrc == stream.ssrc);
            if receive.is_none() || (stream.signalled && !now_signalled) {
                self.remove_stream(index);
                continue;
            }
            stream.signalled = now_signalled;
            stream.role = None;
            if mode == Mode::Packets {
                stream.jitter_buffer = None;
                stream.key_frame_at = None;
            }
        }
        // While it does not receive, what still comes of its sources is not another section's.
        if receive.is_some() {
            let signalled = |route| matches!(route, Route::Expected { signalled: true, .. });
            self.routes.retain(|_, route| !(signalled(route) && route.is_expected_in(slot)));
        }
        for (ssrc, repairs) in signalled {
            match self.routes.stream(ssrc).and_then(|index| self.streams.get_mut(index)) {
                Some(stream) if stream.slot == slot => stream.repairs = repairs,
                other => {
                    // A source that is signalled for another section now moves there.
                    if let Some(index) = other.map(|stream| stream.ssrc) {
                        self.forget_source(index);
                    }
                    let route = Route::Expected { slot, signalled: true, repairs };
                    self.routes.insert(ssrc, route);
                }
            }
        }
        if (receive.is_none() || mode == Mode::Frames)
            && let Some(section) = self.sections.get_mut(slot)
        {
            section.receiver.unread.clear();
            section.receiver.unread_bytes = 0;
            section.receiver.blocks.release();
            if receive.is_none() {
                section.flags.readable = false;
            }
        }
    }

    fn forget_source(&mut self, ssrc: Ssrc) {
        if let Some(index) = self.routes.stream(ssrc) {
            self.remove_stream(index);
        }
    }

    /// Takes a stream out of all lists.
    pub(super) fn remove_stream(&mut self, index: u32) {
        let Some(stream) = self.streams.remove(index) else { return };
        let Inbound { ssrc, slot, repairs, signalled, flags, .. } = *stream;
        if let Some(section) = self.sections.get_mut(slot) {
            section.receiver.streams.retain(|other| *other != index);
            let known = self.routes.expected(slot);
            if signalled || !section.receives() && known < self.config.max_learned_ssrcs {
                self.routes.insert(ssrc, Route::Expected { slot, signalled, repairs });
            } else {
                self.routes.remove(ssrc);
            }
        }
        if flags.attended {
            self.attention.retain(|other| *other != index);
        }
        if flags.nack {
            self.outbox.nacks.retain(|other| *other != index);
        }
        if flags.key_frame {
            self.outbox.key_frames.retain(|other| *other != index);
        }
    }

    /// Cuts a frame into packets and queues them.
    ///
    /// # Errors
    ///
    /// When the section doesn't send the payload type, its queue is full, or the format can't cut the
    /// frame: nothing of it is sent, and the error has the data.
    pub fn send_frame(
        &mut self,
        now: Instant,
        section: SectionId,
        frame: Frame,
    ) -> Result<(), SendError> {
        self.advance(now);
        let Frame { data, rtp_time, captured, payload_type, keyframe, codec_info, mut extensions } =
            frame;
        let captured_at = captured.map_or(self.micros, |at| self.micros_at(at).min(self.micros));
        let captured_time = captured.map(|at| self.ntp_time(at.min(self.now)));
        let slot = self.sections.slot_of(section);
        let parts = slot.and_then(|slot| {
            let section = self.sections.get_mut(slot)?;
            section.sender.is_some().then_some((slot, section))
        });
        let Some((slot, part)) = parts else {
            return Err(SendError::new(SendErrorReason::NotSending(section), data));
        };
        let codec = match payload_type {
            Some(payload_type) => match part.codec(payload_type) {
                Some(codec) => *codec,
                None => {
                    let reason = SendErrorReason::UnknownPayloadType(payload_type);
                    return Err(SendError::new(reason, data));
                }
            },
            None => match part.parameters.codecs.first() {
                Some(codec) => *codec,
                None => return Err(SendError::new(SendErrorReason::NotSending(section), data)),
            },
        };
        if let Some(captured) = captured_time
            && part.parameters.extensions.id(Kind::AbsCaptureTime).is_some()
            && extensions.get(Kind::AbsCaptureTime).is_none()
        {
            extensions.set_abs_capture_time(AbsCaptureTime { captured, clock_offset: None });
        }
        let limit = part.payload_limit(&self.config, &codec, &extensions);
        let Some(sender) = part.sender.as_deref_mut() else {
            return Err(SendError::new(SendErrorReason::NotSending(section), data));
        };
        if let Err(reason) = sender.admit(&self.config, data.len()) {
            return Err(SendError::new(reason, data));
        }
        let is_key_frame = keyframe || codec.format.is_key_frame(&data) == Some(true);
        let packetizer = match &mut sender.packetizer {
            Some((payload_type, packetizer)) if *payload_type == codec.payload_type => packetizer,
            packetizer => {
                let new = Box::new(Packetizer::new(codec.format, &mut self.rng));
                &mut packetizer.insert((codec.payload_type, new)).1
            }
        };
        let fragments = match packetizer.packetize(data.clone(), rtp_time, limit, codec_info) {
            Ok(fragments) => fragments,
            Err(error) => return Err(SendError::new(error.into(), data)),
        };
        drop(data);
        for fragment in fragments {
            sender.push_fragment(self.micros, codec.payload_type, rtp_time, &fragment, &extensions);
        }
        sender.counters.frames += 1;
        sender.counters.key_frames += u64::from(is_key_frame);
        sender.clock = Some(SenderClock { rtp_time, at: captured_at, rate: codec.clock_rate });
        self.queued(slot);
        Ok(())
    }

    /// Queues a packet.
    ///
    /// # Errors
    ///
    /// When the section doesn't send the payload type, its queue is full, or the payload is too
    /// long; the error has the payload.
    pub fn send_packet(
        &mut self,
        now: Instant,
        section: SectionId,
        packet: OutgoingPacket,
    ) -> Result<(), SendError> {
        self.advance(now);
        let OutgoingPacket { payload_type, marker, timestamp, extensions, payload } = packet;
        let slot = self.sections.slot_of(section);
        let Some((slot, part)) = slot.and_then(|slot| Some((slot, self.sections.get_mut(slot)?)))
        else {
            return Err(SendError::new(SendErrorReason::NotSending(section), payload));
        };
        let Some(codec) = part.codec(payload_type).copied() else {
            let reason = SendErrorReason::UnknownPayloadType(payload_type);
            return Err(SendError::new(reason, payload));
        };
        let limit = part.payload_limit(&self.config, &codec, &extensions);
        let Some(sender) = part.sender.as_deref_mut() else {
            return Err(SendError::new(SendErrorReason::NotSending(section), payload));
        };
        if payload.len() > limit {
            let reason = SendErrorReason::TooLarge { len: payload.len(), limit };
            return Err(SendError::new(reason, payload));
        }
        if let Err(reason) = sender.admit(&self.config, payload.len()) {
            return Err(SendError::new(reason, payload));
        }
        sender.push_packet(self.micros, payload_type, (marker, timestamp), extensions, payload);
        sender.clock =
            Some(SenderClock { rtp_time: timestamp, at: self.micros, rate: codec.clock_rate });
        self.queued(slot);
        Ok(())
    }

    /// Queues a packet received in a session (this or another), its payload shared: source, sequence
    /// number, payload type and section become this section's. Gaps stay gaps, and what arrives late
    /// goes to its place, so that the receiver can ask for what is missing. When the packet's source
    /// is another than the last one's, numbers go on without a gap (those of VP8's pictures too) and
    /// timestamps by the time that passed: a forwarder switches by forwarding another source's
    /// packets, from a key frame on.
    ///
    /// # Errors
    ///
    /// When the section doesn't send the packet's format or its queue is full; the error has the
    /// payload.
    pub fn forward(
        &mut self,
        now: Instant,
        section: SectionId,
        packet: &ReceivedPacket,
    ) -> Result<(), SendError> {
        self.advance(now);
        let slot = self.sections.slot_of(section);
        self.forward_to(slot, section, packet)
            .map_err(|reason| SendError::new(reason, packet.payload.clone()))
    }

    fn forward_to(
        &mut self,
        slot: Option<u16>,
        section: SectionId,
        packet: &ReceivedPacket,
    ) -> Result<(), SendErrorReason> {
        let not_sending = SendErrorReason::NotSending(section);
        let slot = slot.ok_or(not_sending)?;
        let part = self.sections.get_mut(slot).ok_or(not_sending)?;
        let sender = part.sender.as_deref_mut().ok_or(not_sending)?;
        sender.admit(&self.config, packet.payload.len())?;
        sender.forward((self.now, self.micros), packet, &part.parameters.codecs)?;
        self.queued(slot);
        Ok(())
    }

    /// Marks a section whose sender has something to send.
    pub(super) fn queued(&mut self, slot: u16) {
        let Some(section) = self.sections.get_mut(slot) else { return };
        let Some(sender) = section.sender.as_deref() else { return };
        if sender.has_waiting() && !section.flags.waiting {
            section.flags.waiting = true;
            match section.parameters.media {
                Media::Audio => self.outbox.audio.push_back(slot),
                Media::Video => self.outbox.video.push_back(slot),
            }
        }
        if sender.has_repairs() && !section.flags.repairing {
            section.flags.repairing = true;
            self.outbox.repairs.push_back(slot);
        }
    }

    /// Takes the oldest unread packet of a section in Packets mode.
    pub fn read_packet(&mut self, section: SectionId) -> Option<ReceivedPacket> {
        let slot = self.sections.slot_of(section)?;
        let section = self.sections.get_mut(slot)?;
        section.flags.readable = false;
        let packet = section.receiver.unread.pop_front()?;
        section.receiver.unread_bytes -= packet.payload.len();
        Some(packet)
    }

    /// Takes the next whole frame of a section in Frames mode, in decode order.
    pub fn read_frame(&mut self, now: Instant, section: SectionId) -> Option<ReceivedFrame> {
        self.advance(now);
        let slot = self.sections.slot_of(section)?;
        let section = self.sections.get_mut(slot)?;
        section.flags.readable = false;
        // They are few: those of one m-section.
        for position in 0..section.receiver.streams.len() {
            let streams = self.sections.get(slot).map(|section| &section.receiver.streams);
            let index = *streams?.get(position)?;
            let Some(stream) = self.streams.get_mut(index).filter(|stream| stream.is_readable())
            else {
                continue;
            };
            let frame = stream.jitter_buffer.as_mut()?.read_frame(self.now);
            let received = frame.map(|frame| ReceivedFrame {
                data: frame.data,
                rtp_time: frame.timestamp,
                payload_type: frame.payload_type,
                format: frame.format,
                ssrc: stream.ssrc,
                keyframe: frame.key_frame,
                discontinuity: frame.discontinuity,
                arrival: frame.last_arrival,
                captured: stream
                    .captured(frame.timestamp)
                    .and_then(|captured| captured.to_system_time()),
                codec_info: frame.codec_info,
                extensions: stream.extensions.clone(),
            });
            self.judge_picture(index);
            self.watch(index);
            // A frame whose packets do not fit together is none: another stream may have one.
            if received.is_some() {
                return received;
            }
        }
        None
    }

    /// Asks the sources of a section for a key frame: by PLI where it is negotiated, else by FIR.
    /// Before a source is known the wish is kept for the first.
    pub fn request_key_frame(&mut self, now: Instant, section: SectionId) {
        self.advance(now);
        let Some(slot) = self.sections.slot_of(section) else { return };
        let asked = self.ask_key_frames(slot);
        if let Some(section) = self.sections.get_mut(slot) {
            section.flags.wants_key_frame = !asked;
        }
    }

    /// Queues a PLI or FIR to every source of a section. Returns whether there is one.
    fn ask_key_frames(&mut self, slot: u16) -> bool {
        let streams = |session: &Self, position: usize| {
            session.sections.get(slot)?.receiver.streams.get(position).copied()
        };
        let mut asked = false;
        let mut position = 0;
        while let Some(index) = streams(self, position) {
            if self.streams.get(index).is_some_and(|stream| stream.repairs.is_none()) {
                self.ask_key_frame(index);
                asked = true;
            }
            position += 1;
        }
        asked
    }

    /// Queues a PLI or FIR to a stream's source.
    pub(super) fn ask_key_frame(&mut self, index: u32) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        if !stream.flags.key_frame {
            stream.flags.key_frame = true;
            self.outbox.key_frames.push_back(index);
        }
    }
}

/// More than anybody removes between two polls; further ones leave without a word.
const MAX_GOODBYES: usize = 64;
