use std::collections::VecDeque;

use super::Config;
use super::blocks::Blocks;
use super::inbound::Role;
use super::media::ReceivedPacket;
use super::section::{Codec, Mode, Parameters, SectionId};
use super::sender::Sender;
use super::transmit::Template;
use crate::extension::{Kind, Values};
use crate::payload_type::PayloadType;
use crate::ssrc::Ssrc;

/// A section with what it sends and receives.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) id: SectionId,
    pub(super) parameters: Parameters,
    pub(super) hop: Hop,
    pub(super) sender: Option<Box<Sender>>,
    pub(super) receiver: Receiver,
    pub(super) flags: Flags,
    /// Whether arrivals of its packets are told for congestion control.
    pub(super) transport_cc: bool,
    /// The header of its packets, once one was sent.
    pub(super) template: Option<Template>,
}

/// The ids of the extensions that the session writes, 0 for none, and the room that they take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hop {
    pub(super) mid: u8,
    pub(super) rid: u8,
    pub(super) repaired_rid: u8,
    pub(super) transport_sequence: u8,
    pub(super) abs_send_time: u8,
    len: usize,
}

/// What waits to be read.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// The streams of the section.
    pub(super) streams: Vec<u32>,
    pub(super) unread: VecDeque<ReceivedPacket>,
    pub(super) unread_bytes: usize,
    pub(super) blocks: Blocks,
}

/// What was said and is not to be said twice, and which lists the section is in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) readable: bool,
    pub(super) key_frame_requested: bool,
    pub(super) goodbye: bool,
    pub(super) waiting: bool,
    pub(super) repairing: bool,
    /// A key frame was asked for before there was a stream to ask.
    pub(super) wants_key_frame: bool,
}

impl Section {
    pub(super) fn new(id: SectionId, parameters: Parameters) -> Self {
        let mut section = Self {
            id,
            parameters,
            hop: Hop::default(),
            sender: None,
            receiver: Receiver::default(),
            flags: Flags::default(),
            transport_cc: false,
            template: None,
        };
        section.derive();
        section
    }

    /// Works out what follows from the parameters.
    pub(super) fn derive(&mut self) {
        let Parameters { extensions, mid, send, codecs, .. } = &self.parameters;
        let id = |kind| extensions.id(kind).unwrap_or(0);
        let rid_len = send.as_ref().and_then(|send| send.rid.as_ref()).map_or(0, String::len);
        let mut hop = Hop {
            mid: if mid.is_empty() { 0 } else { id(Kind::Mid) },
            rid: if rid_len == 0 { 0 } else { id(Kind::Rid) },
            repaired_rid: if rid_len == 0 { 0 } else { id(Kind::RepairedRid) },
            transport_sequence: id(Kind::TransportSequenceNumber),
            abs_send_time: id(Kind::AbsSendTime),
            len: 0,
        };
        let lens = [
            (hop.mid, mid.len()),
            (hop.rid, rid_len),
            (hop.transport_sequence, 2),
            (hop.abs_send_time, 3),
        ];
        // Two bytes for each, as the longer form needs.
        hop.len = lens.into_iter().filter(|(id, _)| *id != 0).map(|(_, len)| len + 2).sum();
        self.transport_cc = codecs.iter().any(|codec| codec.transport_cc);
        self.hop = hop;
        self.template = None;
    }

    pub(super) fn codec(&self, payload_type: PayloadType) -> Option<&Codec> {
        self.parameters.codecs.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// What a payload type that came in means.
    pub(super) fn role(&self, payload_type: PayloadType) -> Option<Role> {
        let codecs = &self.parameters.codecs;
        if let Some(codec) = codecs.iter().find(|codec| codec.payload_type == payload_type) {
            return Some(Role { payload_type, codec: *codec, repair: false });
        }
        let codec = codecs.iter().find(|codec| codec.rtx == Some(payload_type))?;
        Some(Role { payload_type, codec: *codec, repair: true })
    }

    pub(super) fn receives(&self) -> bool {
        self.parameters.receive.is_some()
    }

    pub(super) fn mode(&self) -> Mode {
        self.parameters.receive.as_ref().map(|receive| receive.mode).unwrap_or_default()
    }

    /// The longest payload of a packet with these extensions, so that its retransmission fits too.
    pub(super) fn payload_limit(&self, config: &Config, codec: &Codec, values: &Values) -> usize {
        let elements = self.hop.len + values.wire_len();
        let extension = if elements == 0 { 0 } else { (4 + elements).next_multiple_of(4) };
        let repair = if codec.rtx.is_some() { REPAIR_HEADER_LEN } else { 0 };
        config.mtu.saturating_sub(12 + extension + repair)
    }
}

/// The sections, in places that stay; found at once when their ids count from 0.
#[derive(Debug, Default)]
pub(super) struct Sections {
    slots: Vec<Option<Section>>,
    #[cfg(test)]
    visits: std::cell::Cell<usize>,
}

impl Sections {
    /// Notes that a report is about a stream of retransmissions, if it is one of ours.
    pub(super) fn acknowledge_rtx(&mut self, ssrc: Ssrc) {
        let senders = self.slots.iter_mut().flatten().filter_map(|it| it.sender.as_deref_mut());
        senders
            .filter(|sender| sender.rtx_ssrc == Some(ssrc))
            .for_each(|sender| sender.rtx_acknowledged = true);
    }

    pub(super) fn slot_of(&self, id: SectionId) -> Option<u16> {
        let is = |slot: &Option<Section>| slot.as_ref().is_some_and(|section| section.id == id);
        if self.slots.get(usize::from(id.0)).is_some_and(is) {
            return Some(id.0);
        }
        self.slots.iter().position(is).map(|slot| slot as u16)
    }

    pub(super) fn insert(&mut self, section: Section) -> u16 {
        let wanted = usize::from(section.id.0);
        if wanted == self.slots.len() {
            self.slots.push(Some(section));
            return wanted as u16;
        }
        let slot = match self.slots.get(wanted) {
            Some(None) => wanted,
            _ => self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len()),
        };
        match self.slots.get_mut(slot) {
            Some(empty) => *empty = Some(section),
            None => self.slots.push(Some(section)),
        }
        slot as u16
    }

    pub(super) fn remove(&mut self, slot: u16) -> Option<Section> {
        self.slots.get_mut(usize::from(slot))?.take()
    }

    /// How often a section was looked at.
    #[cfg(test)]
    pub(super) fn visits(&self) -> usize {
        self.visits.get()
    }

    fn count_visit(&self) {
        #[cfg(test)]
        self.visits.set(self.visits.get() + 1);
    }

    pub(super) fn get(&self, slot: u16) -> Option<&Section> {
        self.count_visit();
        self.slots.get(usize::from(slot))?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u16) -> Option<&mut Section> {
        self.count_visit();
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &Section)> {
        (0..).zip(&self.slots).filter_map(|(slot, section)| {
            self.count_visit();
            Some((slot, section.as_ref()?))
        })
    }
}

/// The original sequence number before a retransmitted payload.
pub(super) const REPAIR_HEADER_LEN: usize = 2;
