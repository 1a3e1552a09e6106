//! Applying descriptions of the other side
//! ([RFC 9429 §5.10](https://www.rfc-editor.org/rfc/rfc9429#section-5.10)).

use dtls_srtp::dtls::Role;
use sdp::{Direction, MediaDescription, SessionDescription, Setup};

use super::answer::{has_rtcp_mux, offered_direction};
use super::codecs::{Order, common, extensions};
use super::plan::Plan;
use super::section::{Slot, SlotMedia, is_data, is_rejected, rtp_kind};
use super::states::Side;
use super::transceivers::{Creator, Negotiated, TransceiverState};
use super::verify::{Verify, credentials, fingerprints, setup};
use super::{Described, IceRestart, Jsep, TransportId};
use crate::error::Error;
use crate::event::{Event, TrackEvent};
use crate::media::codec::CodecCapability;
use crate::media::transceiver::{TransceiverId, TransceiverInit};
use crate::signalling::{SdpType, SignalingState};

impl Jsep {
    pub(super) fn apply_remote_offer(&mut self, text: &str) -> Result<Plan, Error> {
        let description = SessionDescription::parse(text)?;
        self.verify_remote(SdpType::Offer, &description)?;
        self.leave_stable();
        self.learn_numbers(&description);
        self.remote_lite = is_lite(&description);
        // RFC 8445 §6.1.1: the one who offers first controls, unless it is lite.
        self.controlling.get_or_insert(self.remote_lite);
        let pending = self.replace_offer();
        let slots = self.offered_slots(&description, &pending)?;
        let verify = Verify { side: Side::Remote, description: &description };
        self.verify_transports(SdpType::Offer, &verify, &slots)?;
        self.slots = slots;
        self.use_mids();
        let mut tracks = Tracks { ended: self.release_transceivers(), added: Vec::new() };
        for (index, media) in description.media.iter().enumerate() {
            let Some(slot) = self.slots.get(index) else { continue };
            let SlotMedia::Rtp(id) = slot.media else { continue };
            let (mid, rejected) = (slot.mid.clone(), slot.rejected);
            let direction = offered_direction(&description, media).reversed();
            let Some(transceiver) = self.transceiver_mut(id) else { continue };
            transceiver.mid = Some(mid);
            tracks.update(transceiver, media, direction, rejected);
            // "If the media description is rejected, stop the RTCRtpTransceiver."
            transceiver.stopping |= rejected;
        }
        let restarted = self.take_remote_transports(&description);
        // An answer renews our credentials when the offer renews theirs, and only then.
        self.ice_restart = match (self.ice_restart, restarted.is_empty()) {
            (IceRestart::No, _) => IceRestart::No,
            (_, true) => IceRestart::Requested,
            (_, false) => IceRestart::Made,
        };
        self.pending_remote = Some(Described::new(SdpType::Offer, description));
        let mut events = self.change_state(SignalingState::HaveRemoteOffer);
        events.extend(tracks.into_events());
        Ok(self.plan_with(events, &restarted))
    }

    pub(super) fn apply_remote_answer(&mut self, kind: SdpType, text: &str) -> Result<Plan, Error> {
        let description = SessionDescription::parse(text)?;
        self.verify_remote(kind, &description)?;
        let verify = Verify { side: Side::Remote, description: &description };
        self.learn_numbers(&description);
        self.remote_lite = is_lite(&description);
        let expected = self.expects_association();
        self.bundle(&verify)?;
        let slots = self.slots.clone();
        self.verify_transports(kind, &verify, &slots)?;
        self.verify_restarts(&verify, &slots)?;
        self.agree_on_dtls_roles(&verify)?;
        let mut tracks = Tracks::default();
        for (index, (slot, media)) in slots.iter().zip(&description.media).enumerate() {
            let SlotMedia::Rtp(id) = slot.media else { continue };
            let Some(transceiver) = self.transceiver(id) else { continue };
            let offered = transceiver.offered.as_ref().map(|offered| offered.direction);
            let direction = offered_direction(&description, media).reversed();
            let direction = direction.intersect(offered.unwrap_or_default());
            let negotiated = match slot.rejected {
                true => None,
                false => Some(self.settled(&verify, (index, slot, media), transceiver)?),
            };
            let Some(transceiver) = self.transceiver_mut(id) else { continue };
            tracks.update(transceiver, media, direction, slot.rejected);
            match negotiated {
                Some(negotiated) => {
                    transceiver.negotiated = Some(negotiated);
                    transceiver.set_current_direction(direction);
                }
                None => transceiver.stopping = true,
            }
        }
        self.take_remote_transports(&description);
        let remote = Described::new(kind, description);
        let mut events = if kind == SdpType::Answer {
            self.current_remote = Some(remote);
            self.current_local = self.pending_local.take();
            self.settle_restart(true);
            self.become_stable();
            vec![Event::SignalingStateChange(SignalingState::Stable)]
        } else {
            self.pending_remote = Some(remote);
            self.change_state(SignalingState::HaveRemotePranswer)
        };
        let data_ends = kind == SdpType::Answer && self.ends_association(expected);
        events.extend(tracks.into_events());
        Ok(self.plan_with(events, &[]).with_data_ending(data_ends))
    }

    /// What an answer that accepts a section settles of it.
    fn settled(
        &self,
        verify: &Verify<'_>,
        (index, slot, media): (usize, &Slot, &MediaDescription),
        transceiver: &TransceiverState,
    ) -> Result<Negotiated, Error> {
        let offered: Vec<_> = transceiver.offered.iter().flat_map(|own| &own.codecs).collect();
        // The preferred formats of the answer are those to send (RFC 9429 §5.11, RFC 3264 §7).
        let mut codecs = common(&offered, media, Order::Theirs);
        if codecs.is_empty() {
            let reason =
                "the m-section is accepted without any format of the offer (RFC 3264 §6.1)";
            return Err(verify.fault(Some(index), reason));
        }
        // An answer may give a codec another number: that is the one to send. The number of the offer is
        // the one that comes in.
        for codec in offered {
            let number = |own: &CodecCapability| own.payload_type == codec.payload_type;
            if codecs.iter().any(|own| own.is_same_codec(codec)) && !codecs.iter().any(number) {
                codecs.push(codec.clone());
            }
        }
        let lead = self.section_of(verify.description, &self.slots, slot.transport);
        let lead = lead.map_or(media, |(_, lead)| lead);
        if !has_rtcp_mux(media, lead) {
            let reason = "the m-section has no a=rtcp-mux, without which we don't go (RFC 8858)";
            return Err(verify.fault(Some(index), reason));
        }
        let has = |extension| self.settings.has_extension(transceiver.kind, extension);
        let settled = Negotiated {
            codecs,
            extensions: extensions(media, has).into_iter().collect(),
            reduced_size: media.has_rtcp_rsize() || lead.has_rtcp_rsize(),
            ..Negotiated::default()
        };
        Ok(settled.with_streams(media))
    }

    /// An offer takes the place of one that is pending
    /// ([RFC 9429 §4.1.8](https://www.rfc-editor.org/rfc/rfc9429#section-4.1.8)): what it is compared
    /// with is what was agreed on. Returns the sections of the one that is replaced.
    fn replace_offer(&mut self) -> Vec<Slot> {
        let stable = self.stable_slots().to_vec();
        let pending = std::mem::replace(&mut self.slots, stable);
        // An answer that was created is none to this offer.
        self.last_answer = None;
        // Those of the pending one may be offered again, those of earlier ones not.
        self.forget_transports(&pending);
        if let Some(current) = self.current_remote.as_ref().map(|current| current.sdp.clone()) {
            self.take_remote_transports(&current);
        }
        pending
    }

    /// Forgets the transports that nobody refers to: neither the sections in force nor these.
    pub(super) fn forget_transports(&mut self, besides: &[Slot]) {
        let slots = &self.slots;
        self.transports.retain(|own| slots.iter().chain(besides).any(|s| s.transport == own.id));
    }

    /// The sections of an offer of the other side: each has a transceiver, found or made
    /// ([RFC 9429 §5.10](https://www.rfc-editor.org/rfc/rfc9429#section-5.10)), and a transport.
    fn offered_slots(
        &mut self,
        description: &SessionDescription,
        pending: &[Slot],
    ) -> Result<Vec<Slot>, Error> {
        let sections = description.media.iter().enumerate();
        let kept: Vec<Option<Slot>> =
            sections.map(|(index, media)| self.kept_slot(index, media, pending)).collect();
        let mut slots: Vec<Slot> = Vec::with_capacity(kept.len());
        for (media, kept_slot) in description.media.iter().zip(&kept) {
            let (mid, slot_media) = match kept_slot {
                Some(slot) => (slot.mid.clone(), slot.media),
                None => {
                    let mid = match media.mid() {
                        Some(mid) => mid.to_owned(),
                        None => self.fresh_mid(&slots),
                    };
                    let known: Vec<&Slot> = slots.iter().chain(kept.iter().flatten()).collect();
                    (mid, self.find_media(description, media, &known)?)
                }
            };
            let transport = self.offered_transport(description, [&slots, pending], &kept, media);
            slots.push(Slot { mid, media: slot_media, transport, rejected: is_rejected(media) });
        }
        Ok(slots)
    }

    /// What the section at an index has been until now, if it still is that: a section in use stays,
    /// a rejected one may be used for something new. What was only offered stays if it is offered
    /// again.
    fn kept_slot(&self, index: usize, media: &MediaDescription, pending: &[Slot]) -> Option<Slot> {
        let stays = |slot: &&Slot| !slot.rejected || is_rejected(media);
        let is_again = |slot: &&Slot| {
            let line = media.media_line();
            let same_kind = match slot.media {
                SlotMedia::Rtp(_) => rtp_kind(&line) == self.kind_of(slot.media),
                SlotMedia::Data => is_data(&line),
                SlotMedia::Unknown => false,
            };
            same_kind && media.mid().is_none_or(|mid| mid == slot.mid)
        };
        let agreed = self.slots.get(index).filter(stays);
        agreed.or_else(|| pending.get(index).filter(stays).filter(is_again)).cloned()
    }

    /// Gives back the transceivers that an offer had which is replaced by one without them. Returns
    /// the ends of their tracks.
    fn release_transceivers(&mut self) -> Vec<Event> {
        let Some(stable) = self.stable.clone() else { return Vec::new() };
        let mut ended = Vec::new();
        let slots = &self.slots;
        self.transceivers.retain_mut(|transceiver| {
            let own = SlotMedia::Rtp(transceiver.id);
            slots.iter().any(|slot| slot.media == own) || transceiver.restore(&stable, &mut ended)
        });
        ended
    }

    /// What a new section of an offer is about.
    fn find_media(
        &mut self,
        description: &SessionDescription,
        media: &MediaDescription,
        known: &[&Slot],
    ) -> Result<SlotMedia, Error> {
        let line = media.media_line();
        if is_rejected(media) {
            return Ok(SlotMedia::Unknown);
        }
        if is_data(&line) {
            let is_second =
                known.iter().any(|slot| slot.media == SlotMedia::Data && !slot.rejected);
            return Ok(if is_second { SlotMedia::Unknown } else { SlotMedia::Data });
        }
        let Some(kind) = rtp_kind(&line) else { return Ok(SlotMedia::Unknown) };
        let used = |id: TransceiverId| {
            known.iter().copied().chain(&self.slots).any(|slot| slot.media == SlotMedia::Rtp(id))
        };
        let wants_media = offered_direction(description, media).receives();
        let free = self.transceivers().find(|transceiver| {
            wants_media
                && transceiver.kind == kind
                && transceiver.creator == Creator::AddTrack
                && !used(transceiver.id)
        });
        if let Some(transceiver) = free {
            return Ok(SlotMedia::Rtp(transceiver.id));
        }
        let init = TransceiverInit::recv_only();
        let made = self.make_transceiver(Side::Remote.operation(), kind, Creator::Remote, init)?;
        Ok(SlotMedia::Rtp(made))
    }

    /// The transport of an offered section: its bundle's, or one of its own.
    fn offered_transport(
        &mut self,
        description: &SessionDescription,
        [slots, pending]: [&[Slot]; 2],
        kept: &[Option<Slot>],
        media: &MediaDescription,
    ) -> TransportId {
        let mid = media.mid().filter(|_| !is_rejected(media));
        let groups = description.groups().filter(sdp::Group::is_bundle);
        let group = mid.and_then(|mid| groups.into_iter().find(|own| own.mids.contains(mid)));
        if let Some(group) = group {
            // Whoever of the group has a transport gives it to all: first one of this offer, then
            // one of the last exchange, then one of the offer that is replaced.
            let live = |slots: &[Slot], mid: &str| {
                let slot = slots.iter().find(|slot| slot.mid == mid && !slot.rejected);
                slot.map(|slot| slot.transport)
            };
            let known = [slots, &*self.slots, pending];
            let live = |own| group.mids.iter().find_map(|mid| live(own, mid));
            let shared = known.into_iter().find_map(live);
            return shared.unwrap_or_else(|| self.new_transport());
        }
        // A section that is left alone, since those that shared its transport are rejected, keeps it.
        let is_shared = |id: TransportId| {
            let offered = kept.iter().zip(&description.media);
            let live = offered.filter(|(_, media)| !is_rejected(media));
            live.filter(|(slot, _)| slot.as_ref().is_some_and(|own| own.transport == id)).count()
                > 1
        };
        match kept.get(slots.len()).and_then(Option::as_ref) {
            Some(slot) if slot.rejected || !is_shared(slot.transport) => slot.transport,
            _ => self.new_transport(),
        }
    }

    /// Puts the sections that the answer bundles on one transport: that of the first of them.
    fn bundle(&mut self, verify: &Verify<'_>) -> Result<(), Error> {
        let description = verify.description;
        for (slot, media) in self.slots.iter_mut().zip(&description.media) {
            slot.rejected |= is_rejected(media);
        }
        let bundles: Vec<_> = description.groups().filter(sdp::Group::is_bundle).collect();
        let mut bundled: Vec<&str> = Vec::new();
        for group in &bundles {
            let live =
                |mid: &&str| self.slots.iter().any(|slot| slot.mid == *mid && !slot.rejected);
            let mids: Vec<&str> = group.mids.iter().filter(live).collect();
            let first = mids.first().and_then(|mid| {
                self.slots.iter().find(|slot| slot.mid == *mid).map(|slot| slot.transport)
            });
            let Some(transport) = first else { continue };
            for slot in self.slots.iter_mut().filter(|slot| mids.contains(&slot.mid.as_str())) {
                slot.transport = transport;
            }
            bundled.extend(mids);
        }
        for (index, slot) in self.slots.iter().enumerate().filter(|(_, slot)| !slot.rejected) {
            let shares = |other: &Slot| {
                other.transport == slot.transport && other.mid != slot.mid && !other.rejected
            };
            if !bundled.contains(&slot.mid.as_str()) && self.slots.iter().any(shares) {
                let reason = format!(
                    "a=mid:{} was offered for a shared transport only, and is accepted outside of \
                     a=group:BUNDLE; a bundle_policy of MaxCompat offers both (RFC 9143 §7.3)",
                    slot.mid
                );
                return Err(verify.fault(Some(index), reason));
            }
        }
        Ok(())
    }

    fn agree_on_dtls_roles(&mut self, verify: &Verify<'_>) -> Result<(), Error> {
        let slots = self.slots.clone();
        let mut known: Vec<TransportId> = Vec::new();
        for (index, (slot, media)) in slots.iter().zip(&verify.description.media).enumerate() {
            if slot.rejected || known.contains(&slot.transport) {
                continue;
            }
            known.push(slot.transport);
            let lead = self.section_of(verify.description, &slots, slot.transport);
            let said = setup(verify.description, lead.map_or(media, |(_, lead)| lead));
            let role = match said {
                Some(Setup::Active) => Role::Server,
                // RFC 4145 §4.1: an answer that says nothing waits.
                _ => Role::Client,
            };
            let agreed = self.transport_mut(slot.transport).dtls_role.get_or_insert(role);
            if *agreed != role && said.is_some() {
                let reason = "a=setup changes who began the DTLS handshake, which is long done \
                              (RFC 8842 §5.5)";
                return Err(verify.fault(Some(index), reason));
            }
        }
        Ok(())
    }

    /// Takes the other side's credentials and fingerprints. Returns the transports whose ICE it
    /// restarts.
    pub(super) fn take_remote_transports(
        &mut self,
        description: &SessionDescription,
    ) -> Vec<TransportId> {
        let mut restarted = Vec::new();
        let mut seen: Vec<TransportId> = Vec::new();
        for slot in self.slots.clone().iter().filter(|slot| !slot.rejected) {
            if seen.contains(&slot.transport) {
                continue;
            }
            seen.push(slot.transport);
            let Some((_, media)) = self.section_of(description, &self.slots, slot.transport) else {
                continue;
            };
            let fingerprints = fingerprints(description, media);
            let Some((ufrag, pwd)) = credentials(description, media) else { continue };
            let credentials = (ufrag.to_owned(), pwd.to_owned());
            let tls_id = media.tls_id().map(str::to_owned);
            let transport = self.transport_mut(slot.transport);
            if transport.remote.as_ref().is_some_and(|own| *own != credentials) {
                restarted.push(slot.transport);
            }
            transport.remote = Some(credentials);
            transport.fingerprints = fingerprints;
            transport.tls_id = tls_id;
        }
        restarted
    }

    /// The section that speaks for a transport, and its index: the first of its bundle that says
    /// anything about it, or of those that refer to it.
    pub(super) fn section_of<'d>(
        &self,
        description: &'d SessionDescription,
        slots: &[Slot],
        transport: TransportId,
    ) -> Option<(usize, &'d MediaDescription)> {
        // Their names are read once, and no other section's: there may be hundreds, each with a
        // transport of its own and thousands of lines.
        let says_ufrag = description.ice_ufrag().is_some();
        let sections = slots.iter().zip(&description.media).enumerate();
        let own: Vec<(usize, &MediaDescription, Option<&str>)> = sections
            .filter(|(_, (slot, media))| {
                slot.transport == transport && !slot.rejected && !is_rejected(media)
            })
            .filter(|(_, (_, media))| says_ufrag || media.ice_ufrag().is_some())
            .map(|(index, (_, media))| (index, media, media.mid()))
            .collect();
        let groups = description.groups().filter(sdp::Group::is_bundle);
        let mut grouped = groups.into_iter().flat_map(|group| group.mids.iter());
        let first = grouped.find_map(|mid| own.iter().find(|(.., own)| *own == Some(mid)));
        first.or_else(|| own.first()).map(|(index, media, _)| (*index, *media))
    }

    /// An exchange is over: has it renewed the credentials that were to be renewed?
    pub(super) fn settle_restart(&mut self, complete: bool) {
        self.ice_restart = match (self.ice_restart, complete) {
            (IceRestart::Made, true) => IceRestart::No,
            (IceRestart::Made, false) => IceRestart::Requested,
            (other, _) => other,
        };
    }
}

fn is_lite(description: &SessionDescription) -> bool {
    description.is_ice_lite() || description.media.iter().any(|media| media.is_ice_lite())
}

/// News of remote tracks, collected as the W3C orders them: those that ended before those that
/// began ([webrtc-pc §5.1](https://www.w3.org/TR/webrtc/#process-remote-track-addition)).
#[derive(Default)]
struct Tracks {
    ended: Vec<Event>,
    added: Vec<Event>,
}

impl Tracks {
    /// `direction` is seen from our side.
    fn update(
        &mut self,
        transceiver: &mut TransceiverState,
        media: &MediaDescription,
        direction: Direction,
        rejected: bool,
    ) {
        let receives = direction.receives() && !rejected;
        let mut streams: Vec<String> = Vec::new();
        let mut track_id = None;
        for msid in media.msids().filter(|_| receives).take(16) {
            track_id = track_id.or(msid.track);
            if let Some(stream) = msid.stream_id()
                && streams.iter().all(|own| own != stream)
            {
                streams.push(stream.to_owned());
            }
        }
        transceiver.remote_streams.clone_from(&streams);
        match (transceiver.has_remote_track, receives) {
            (false, true) => self.added.push(Event::Track(TrackEvent {
                transceiver: transceiver.id,
                kind: transceiver.kind,
                streams,
                track_id: track_id.map(str::to_owned),
            })),
            (true, false) => self.ended.push(Event::TrackEnded(transceiver.id)),
            _ => {}
        }
        transceiver.has_remote_track = receives;
    }

    fn into_events(self) -> impl Iterator<Item = Event> {
        self.ended.into_iter().chain(self.added)
    }
}
