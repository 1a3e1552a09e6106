//! Writing answers ([RFC 9429 §5.3](https://www.rfc-editor.org/rfc/rfc9429#section-5.3)).

use std::sync::Arc;

use dtls_srtp::dtls::Role;
use rtp::extension::ExtensionMap;
use sdp::{Attribute, Direction, Group, MediaDescription, Origin, SctpMap, Setup, Words};

use super::codecs::{Order, common, extensions};
use super::cryptex::says_cryptex;
use super::section::{
    Created, CreatedSection, LocalEnds, RtpSection, Slot, SlotMedia, begin, is_rejected, push_word,
    rejected,
};
use super::snap;
use super::{Jsep, LocalTransports, TransportId};
use crate::configuration::{BundlePolicy, RtpHeaderEncryptionPolicy};
use crate::error::Error;
use crate::media::codec::CodecCapability;
use crate::signalling::{SdpType, SessionDescription, SignalingState};

impl Jsep {
    /// Writes an answer to the offer that is pending.
    pub(crate) fn create_answer(
        &mut self,
        local: &mut dyn LocalTransports,
    ) -> Result<SessionDescription, Error> {
        let pending = matches!(
            self.state,
            SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPranswer
        );
        let Some(offer) = self.pending_remote.as_ref().filter(|_| pending) else {
            return Err(Error::InvalidState {
                operation: "create_answer",
                reason: format!("there is no offer to answer in \"{}\"", self.state),
            });
        };
        let offer = Arc::clone(&offer.sdp);
        let (slots, codecs) = self.accept(&offer);
        self.session_version += 1;
        let mut description =
            sdp::SessionDescription::new(Origin::new(self.session_id, self.session_version));
        for group in offer.groups().filter(Group::is_bundle) {
            let mut mids = String::new();
            let live = |mid: &str| slots.iter().any(|slot| slot.mid == mid && !slot.rejected);
            for mid in group.mids.iter().filter(|mid| live(mid)) {
                push_word(&mut mids, mid);
            }
            if !mids.is_empty() {
                let group = Group { semantics: "BUNDLE", mids: Words::new(&mids) };
                description.push(Attribute::Group(group));
            }
        }
        if offer.allows_mixed_extmap() || offer.media.iter().any(|own| own.allows_mixed_extmap()) {
            description.push(Attribute::ExtMapAllowMixed);
        }
        let mut ends = LocalEnds::new(local, false, self.settings.ice_options());
        let mut sections = Vec::with_capacity(slots.len());
        for ((slot, media), codecs) in slots.iter().zip(&offer.media).zip(codecs) {
            let (media, section) = self.answer_section(&offer, slot, media, codecs, &mut ends);
            description.media.push(media);
            sections.push(section);
        }
        let created = Arc::new(Created::new(description, slots, sections));
        let answer = SessionDescription { kind: SdpType::Answer, sdp: created.text.clone() };
        self.last_answer = Some(created);
        Ok(answer)
    }

    /// Decides which sections are accepted, with which codecs.
    fn accept(&self, offer: &sdp::SessionDescription) -> (Vec<Slot>, Vec<Vec<CodecCapability>>) {
        let mut slots: Vec<Slot> = self.slots.clone();
        let mut codecs: Vec<Vec<CodecCapability>> = Vec::with_capacity(slots.len());
        // The transports that the bundle policy allows, each with the kind that it was allowed for.
        let mut allowed = Vec::new();
        for (slot, media) in slots.iter_mut().zip(&offer.media) {
            let lead = self.section_of(offer, &self.slots, slot.transport);
            let lead = lead.map_or(media, |(_, lead)| lead);
            let accepted = match slot.media {
                SlotMedia::Unknown => None,
                SlotMedia::Data => Some(Vec::new()),
                SlotMedia::Rtp(id) => self
                    .transceiver(id)
                    // One that we have stopped is answered as inactive, and rejected by our next offer:
                    // "a transceiver that is stopping, but not stopped, will not affect createAnswer"
                    // (webrtc-pc, `stop`). The offerer may not have asked to move its bundle.
                    .filter(|_| has_rtcp_mux(media, lead))
                    .map(|transceiver| {
                        let order = match transceiver.preferences.is_empty() {
                            true => Order::Theirs,
                            false => Order::Ours,
                        };
                        common(&self.settings.codecs_of(transceiver), media, order)
                    })
                    .filter(|codecs| !codecs.is_empty()),
            };
            let kind = self.kind_of(slot.media);
            let limited = match self.settings.bundle_policy {
                BundlePolicy::MaxCompat => None,
                BundlePolicy::Balanced => allowed.iter().find(|(_, own)| *own == kind),
                BundlePolicy::MaxBundle => allowed.first(),
            };
            let fits = limited.is_none_or(|(transport, _)| *transport == slot.transport);
            let setup = lead.setup().or_else(|| offer.setup());
            slot.rejected = accepted.is_none()
                || !fits
                || is_rejected(media)
                || self.answer_setup(slot.transport, setup).is_none();
            if !slot.rejected {
                allowed.push((slot.transport, kind));
            }
            codecs.push(accepted.unwrap_or_default());
        }
        (slots, codecs)
    }

    /// Which side begins the DTLS handshake: as agreed on before, or else we do where we may
    /// ([RFC 9429 §5.3.1](https://www.rfc-editor.org/rfc/rfc9429#section-5.3.1)).
    pub(super) fn answer_setup(
        &self,
        transport: TransportId,
        offered: Option<Setup>,
    ) -> Option<Setup> {
        let agreed = match self.transport(transport).and_then(|transport| transport.dtls_role) {
            Some(Role::Client) => Some(Setup::Active),
            Some(Role::Server) => Some(Setup::Passive),
            None => None,
        };
        match offered.unwrap_or(Setup::ActPass) {
            Setup::ActPass => Some(agreed.unwrap_or(Setup::Active)),
            Setup::Active => Some(Setup::Passive),
            Setup::Passive => Some(Setup::Active),
            Setup::HoldConn => None,
        }
        .filter(|setup| agreed.is_none_or(|agreed| agreed == *setup))
    }

    fn answer_section(
        &self,
        offer: &sdp::SessionDescription,
        slot: &Slot,
        media: &MediaDescription,
        codecs: Vec<CodecCapability>,
        ends: &mut LocalEnds<'_>,
    ) -> (MediaDescription, CreatedSection) {
        let line = media.media_line();
        let lead = self.section_of(offer, &self.slots, slot.transport);
        let lead = lead.map_or(media, |(_, lead)| lead);
        let setup = self.answer_setup(slot.transport, lead.setup().or_else(|| offer.setup()));
        let (false, Some(setup)) = (slot.rejected, setup) else {
            return (rejected(line, media.mid()), CreatedSection::default());
        };
        let options = lead.ice_options().or_else(|| offer.ice_options());
        match slot.media {
            SlotMedia::Rtp(id) => {
                let Some(transceiver) = self.transceiver(id) else {
                    return (rejected(line, media.mid()), CreatedSection::default());
                };
                let has = |kind| self.settings.has_extension(transceiver.kind, kind);
                let extensions = extensions(media, has);
                let section = RtpSection {
                    transceiver,
                    mid: media.mid(),
                    protocol: line.protocol,
                    codecs: &codecs,
                    extensions: &extensions,
                    direction: offered_direction(offer, media)
                        .reversed()
                        .intersect(transceiver.wanted_direction()),
                    cname: &self.cname,
                    rtcp_mux_only: false,
                    reduced_size: media.has_rtcp_rsize() || lead.has_rtcp_rsize(),
                    cryptex: self.settings.rtp_header_encryption_policy
                        != RtpHeaderEncryptionPolicy::Disable
                        && says_cryptex(offer, &self.slots, slot.transport),
                };
                let mut answer = section.begin();
                ends.write(&mut answer, slot.transport, setup, Some(options));
                section.finish(&mut answer);
                let created = CreatedSection {
                    extensions: ExtensionMap::from_iter(extensions.iter().copied()),
                    direction: section.direction,
                    reduced_size: section.reduced_size,
                    codecs,
                };
                (answer, created)
            }
            SlotMedia::Data | SlotMedia::Unknown => {
                let mut answer = begin(line.media, 9, line.protocol, line.formats.as_str());
                ends.write(&mut answer, slot.transport, setup, Some(options));
                if let Some(mid) = media.mid() {
                    answer.push(Attribute::Mid(mid));
                }
                let port = self.answered_sctp_port(media);
                match media.sctpmap() {
                    // The form before RFC 8841 is answered in kind.
                    Some(map) if media.sctp_port().is_none() => {
                        answer.push(Attribute::SctpMap(SctpMap { port, ..map }));
                    }
                    _ => answer.push(Attribute::SctpPort(port)),
                }
                answer.push(Attribute::MaxMessageSize(self.settings.max_message_size));
                let index = offer.media.iter().position(|offered| std::ptr::eq(offered, media));
                if port != 0
                    && snap::remote_init(media).is_some()
                    && let Some(init) = index.and_then(|index| self.local_sctp_init(index, ends))
                {
                    answer.push(Attribute::SctpInit(&init));
                }
                (answer, CreatedSection::default())
            }
        }
    }
}

/// The direction of a section: its own, or the session's.
pub(super) fn offered_direction(
    description: &sdp::SessionDescription,
    media: &MediaDescription,
) -> Direction {
    media.direction().or_else(|| description.direction()).unwrap_or_default()
}

/// Whether RTCP shares the port of RTP. Like all that concerns the transport, a bundled section may
/// leave it to `lead`, the one that speaks for the transport
/// ([RFC 9143 §7.1.3](https://www.rfc-editor.org/rfc/rfc9143#section-7.1.3)).
pub(super) fn has_rtcp_mux(media: &MediaDescription, lead: &MediaDescription) -> bool {
    media.has_rtcp_mux() || lead.has_rtcp_mux()
}
