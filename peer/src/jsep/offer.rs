//! Writing offers ([RFC 9429 §5.2](https://www.rfc-editor.org/rfc/rfc9429#section-5.2)).

use std::sync::Arc;

use rtp::extension::ExtensionMap;
use sdp::{Attribute, Group, MediaLine, Origin, Setup, Words};

use super::section::{
    Created, CreatedSection, LocalEnds, RtpSection, Slot, SlotMedia, begin, push_word, rejected,
};
use super::{IceRestart, Jsep, LocalTransports, TransportId};
use crate::configuration::{BundlePolicy, RtpHeaderEncryptionPolicy};
use crate::error::Error;
use crate::media::MediaKind;
use crate::media::transceiver::TransceiverId;
use crate::signalling::{OfferOptions, SdpType, SessionDescription, SignalingState};

impl Jsep {
    /// Writes an offer of what is wanted now.
    pub(crate) fn create_offer(
        &mut self,
        local: &mut dyn LocalTransports,
        options: OfferOptions,
    ) -> Result<SessionDescription, Error> {
        if !matches!(self.state, SignalingState::Stable | SignalingState::HaveLocalOffer) {
            return Err(Error::InvalidState {
                operation: "create_offer",
                reason: format!("the other side's offer is pending in \"{}\"", self.state),
            });
        }
        let restart = self.current_local.is_some()
            && (options.ice_restart || self.ice_restart == IceRestart::Requested);
        if restart {
            self.ice_restart = IceRestart::Made;
        }
        // An offer that is written again names the same transports again.
        let next_transport = self.next_transport;
        let slots = self.offer_slots();
        self.next_transport = next_transport;
        self.session_version += 1;
        let mut description =
            sdp::SessionDescription::new(Origin::new(self.session_id, self.session_version));
        let bundle = self.offer_bundle(&slots);
        if !bundle.is_empty() {
            let group = Group { semantics: "BUNDLE", mids: Words::new(&bundle) };
            description.push(Attribute::Group(group));
        }
        description.push(Attribute::ExtMapAllowMixed);
        // RFC 9429 §5.2.1, RFC 8445 §10.
        let options = self.settings.ice_options();
        description.push(Attribute::IceOptions(Words::new(&options.join(" "))));
        let mut ends = LocalEnds::new(local, restart, options);
        let mut sections = Vec::with_capacity(slots.len());
        for (index, slot) in slots.iter().enumerate() {
            let (media, section) = self.offer_section(index, slot, &mut ends);
            description.media.push(media);
            sections.push(section);
        }
        let created = Arc::new(Created::new(description, slots, sections));
        let offer = SessionDescription { kind: SdpType::Offer, sdp: created.text.clone() };
        self.last_offer = Some(created);
        Ok(offer)
    }

    /// The sections of an offer: those that there are, each at its index; then new ones, in the
    /// place of rejected ones where there are any
    /// ([RFC 9429 §5.2.2](https://www.rfc-editor.org/rfc/rfc9429#section-5.2.2)).
    fn offer_slots(&mut self) -> Vec<Slot> {
        let mut slots = self.slots.clone();
        for slot in &mut slots {
            if let SlotMedia::Rtp(id) = slot.media {
                slot.rejected |= !self.has_transceiver(id);
            }
        }
        let new: Vec<TransceiverId> = self
            .transceivers()
            .map(|transceiver| transceiver.id)
            .filter(|id| self.slot_of(*id).is_none())
            .collect();
        for id in new {
            self.place(&mut slots, SlotMedia::Rtp(id));
        }
        let has_data = slots.iter().any(|slot| slot.media == SlotMedia::Data && !slot.rejected);
        if self.data && !has_data {
            self.place(&mut slots, SlotMedia::Data);
        }
        slots
    }

    fn place(&mut self, slots: &mut Vec<Slot>, media: SlotMedia) {
        // Only a section that both sides know to be rejected can be used again.
        let is_free = |(index, slot): &(usize, &Slot)| {
            let known = self.stable_slots().get(*index).is_some_and(|slot| slot.rejected);
            slot.rejected && known
        };
        let free = slots.iter().enumerate().find(is_free).map(|(index, _)| index);
        let index = free.unwrap_or(slots.len());
        let transport = self.offer_transport(slots, media);
        let slot = Slot { mid: self.fresh_mid(slots), media, transport, rejected: false };
        match slots.get_mut(index) {
            Some(place) => *place = slot,
            None => slots.push(slot),
        }
    }

    /// The transport of a new section: that of the bundle, if there is one; before, as the policy
    /// has it ([RFC 9429 §4.1.1](https://www.rfc-editor.org/rfc/rfc9429#section-4.1.1)).
    fn offer_transport(&mut self, slots: &[Slot], media: SlotMedia) -> TransportId {
        if let Some(bundle) = self.bundle_transport(slots) {
            return bundle;
        }
        let kind = self.kind_of(media);
        let mut live = slots.iter().filter(|slot| !slot.rejected);
        let shared = match self.settings.bundle_policy {
            BundlePolicy::MaxBundle => live.next(),
            BundlePolicy::MaxCompat => None,
            BundlePolicy::Balanced => live.find(|slot| self.kind_of(slot.media) == kind),
        };
        if let Some(slot) = shared {
            return slot.transport;
        }
        self.new_transport()
    }

    /// Audio, video, or neither: data.
    pub(super) fn kind_of(&self, media: SlotMedia) -> Option<MediaKind> {
        match media {
            SlotMedia::Rtp(id) => self.transceiver(id).map(|transceiver| transceiver.kind),
            SlotMedia::Data | SlotMedia::Unknown => None,
        }
    }

    /// The transport of the bundle that the last answer agreed on, if any of it is left in an offer
    /// with these sections. When none is, the other side sees a bundle that is gone and a new one.
    fn bundle_transport(&self, slots: &[Slot]) -> Option<TransportId> {
        let group = self.last_answer_applied()?.bundle_group()?;
        let stable = self.stable_slots();
        group.mids.iter().find_map(|mid| {
            let is_live = |slot: &&Slot| slot.mid == mid && !slot.rejected;
            stable.iter().find(is_live)?;
            slots.iter().find(is_live).map(|slot| slot.transport)
        })
    }

    /// Whichever of the current descriptions is the answer.
    fn last_answer_applied(&self) -> Option<&sdp::SessionDescription> {
        let current = [self.current_local.as_ref(), self.current_remote.as_ref()];
        let mut answers = current.into_iter().flatten().filter(|own| own.kind == SdpType::Answer);
        answers.next().map(|answer| &*answer.sdp)
    }

    /// The bundle of an offer: "all m= sections that were previously bundled, as long as they are
    /// still alive, as well as any new m= sections".
    fn offer_bundle(&self, slots: &[Slot]) -> String {
        let bundle = self.bundle_transport(slots);
        let known = match self.last_answer_applied() {
            Some(_) => self.stable_slots(),
            None => &[],
        };
        let mut mids = String::new();
        for slot in slots.iter().filter(|slot| !slot.rejected) {
            let is_new = known.iter().all(|own| own.mid != slot.mid);
            if is_new || bundle == Some(slot.transport) {
                push_word(&mut mids, &slot.mid);
            }
        }
        mids
    }

    fn offer_section(
        &mut self,
        index: usize,
        slot: &Slot,
        ends: &mut LocalEnds<'_>,
    ) -> (sdp::MediaDescription, CreatedSection) {
        const SETUP: Setup = Setup::ActPass;
        match slot.media {
            SlotMedia::Rtp(id) if !slot.rejected => {
                if let Some(transceiver) = self.transceiver(id).cloned() {
                    let codecs = self.offer_codecs(&transceiver);
                    let extensions = self.offer_extensions(&transceiver);
                    let agreed = transceiver.negotiated.as_ref();
                    let section = RtpSection {
                        transceiver: &transceiver,
                        mid: Some(&slot.mid),
                        protocol: "UDP/TLS/RTP/SAVPF",
                        codecs: &codecs,
                        extensions: &extensions,
                        direction: transceiver.wanted_direction(),
                        cname: &self.cname,
                        rtcp_mux_only: agreed.is_none(),
                        reduced_size: agreed.is_none_or(|agreed| agreed.reduced_size),
                        cryptex: self.settings.rtp_header_encryption_policy
                            != RtpHeaderEncryptionPolicy::Disable,
                    };
                    let mut media = section.begin();
                    ends.write(&mut media, slot.transport, SETUP, None);
                    section.finish(&mut media);
                    let created = CreatedSection {
                        extensions: ExtensionMap::from_iter(extensions.iter().copied()),
                        direction: section.direction,
                        reduced_size: section.reduced_size,
                        codecs,
                    };
                    return (media, created);
                }
            }
            SlotMedia::Data if !slot.rejected => {
                let mut media = begin("application", 9, "UDP/DTLS/SCTP", "webrtc-datachannel");
                ends.write(&mut media, slot.transport, SETUP, None);
                media.push(Attribute::Mid(&slot.mid));
                let port = self.offered_sctp_port(index);
                media.push(Attribute::SctpPort(port));
                media.push(Attribute::MaxMessageSize(self.settings.max_message_size));
                if port != 0
                    && let Some(init) = self.local_sctp_init(index, ends)
                {
                    media.push(Attribute::SctpInit(&init));
                }
                return (media, CreatedSection::default());
            }
            _ => {}
        }
        // What a rejected section was about is said by what it said before.
        let described = [&self.pending_local, &self.current_local, &self.pending_remote];
        let before = described
            .into_iter()
            .chain([&self.current_remote])
            .flatten()
            .find_map(|described| described.sdp.media.get(index));
        let unknown = MediaLine {
            media: self.kind_of(slot.media).map_or("application", MediaKind::as_str),
            port: 0,
            port_count: None,
            protocol: "UDP/TLS/RTP/SAVPF",
            formats: Words::new("0"),
        };
        let line = before.map_or(unknown, sdp::MediaDescription::media_line);
        (rejected(line, Some(&slot.mid)), CreatedSection::default())
    }
}
