//! Is a remote description consistent, and does it fit what was said before
//! ([RFC 9429 §5.8.3](https://www.rfc-editor.org/rfc/rfc9429#section-5.8.3))?

use sdp::{Group, MediaDescription, SessionDescription, Setup};

use super::section::{Slot, is_data, is_rejected, rtp_kind};
use super::states::Side;
use super::{Described, Jsep, TransportId};
use crate::configuration::RtpHeaderEncryptionPolicy;
use crate::error::Error;
use crate::signalling::SdpType;

/// A description that is being checked.
pub(super) struct Verify<'d> {
    pub(super) side: Side,
    pub(super) description: &'d SessionDescription,
}

impl<'d> Verify<'d> {
    /// The fault of a section; of the last line if there is none at `index`.
    #[cold]
    pub(super) fn fault(&self, index: Option<usize>, reason: impl Into<String>) -> Error {
        let session = self.description.lines().count();
        let sections = self.description.media.iter();
        let before = sections.take(index.unwrap_or(usize::MAX));
        let lines = session + before.map(|media| media.lines().count()).sum::<usize>();
        let line = lines + usize::from(index.is_some());
        Error::Description { operation: self.side.operation(), line, reason: reason.into() }
    }

    /// The fault of what the session says about its bundles.
    #[cold]
    fn group_fault(&self, reason: String) -> Error {
        let line = self.description.lines().position(|line| line.starts_with("a=group:BUNDLE"));
        let line = line.map_or(1, |line| line + 1);
        Error::Description { operation: self.side.operation(), line, reason }
    }

    fn sections(&self) -> impl Iterator<Item = (usize, &MediaDescription)> {
        self.description.media.iter().enumerate()
    }

    /// The names of sections, and the groups of them.
    fn check_mids(&self) -> Result<(), Error> {
        for (index, media) in self.sections() {
            let Some(mid) = media.mid() else { continue };
            let earlier = self.sections().take(index);
            if earlier.into_iter().any(|(_, own)| own.mid() == Some(mid)) {
                let reason = format!("two m-sections have a=mid:{mid} (RFC 5888 §4)");
                return Err(self.fault(Some(index), reason));
            }
        }
        let bundles: Vec<_> = self.description.groups().filter(Group::is_bundle).collect();
        let mut grouped: Vec<&str> = Vec::new();
        for mid in bundles.iter().flat_map(|group| group.mids.iter()) {
            if self.description.media_by_mid(mid).is_none() {
                let reason =
                    format!("a=group:BUNDLE names {mid}, but no m-section has a=mid:{mid}");
                return Err(self.group_fault(reason));
            }
            if grouped.contains(&mid) {
                let reason = format!("a=group:BUNDLE names {mid} twice (RFC 9143 §7.1)");
                return Err(self.group_fault(reason));
            }
            grouped.push(mid);
        }
        Ok(())
    }

    /// What a transport cannot do without.
    fn check_transport(&self, index: usize, media: &MediaDescription) -> Result<(), Error> {
        let session = self.description;
        if media.ice_ufrag().or_else(|| session.ice_ufrag()).is_none() {
            return Err(self.missing(index, "a=ice-ufrag", "RFC 8839 §5.4"));
        }
        if media.ice_pwd().or_else(|| session.ice_pwd()).is_none() {
            return Err(self.missing(index, "a=ice-pwd", "RFC 8839 §5.4"));
        }
        if fingerprints(session, media).is_empty() {
            return Err(self.missing_fingerprint(index));
        }
        Ok(())
    }

    fn check_simulcast(&self, index: usize, media: &MediaDescription) -> Result<(), Error> {
        let Some(simulcast) = media.simulcast() else { return Ok(()) };
        for direction in [sdp::RidDirection::Send, sdp::RidDirection::Recv] {
            for stream in simulcast.streams(direction).flatten() {
                let has = |rid: sdp::Rid<'_>| rid.id == stream.rid && rid.direction == direction;
                if !media.rids().any(has) {
                    let reason = format!(
                        "a=simulcast names {}, but there is no a=rid:{} {direction} (RFC 8853 §5.1)",
                        stream.rid, stream.rid
                    );
                    return Err(self.fault(Some(index), reason));
                }
            }
        }
        Ok(())
    }

    /// The bundles, each with the first of its sections that is not rejected: it has the transport
    /// attributes of all.
    fn bundles(&self) -> Vec<(Group<'d>, Option<&'d str>)> {
        let is_live = |mid: &&str| {
            let section = self.description.media_by_mid(mid);
            section.is_some_and(|(_, media)| !is_rejected(media))
        };
        let groups = self.description.groups().filter(Group::is_bundle);
        groups.map(|group| (group, group.mids.iter().find(is_live))).collect()
    }

    /// The fault of a section that lacks what its transport cannot do without.
    #[cold]
    fn missing(&self, index: usize, what: &str, rule: &str) -> Error {
        self.fault(Some(index), format!("the m-section has no {what} ({rule})"))
    }

    #[cold]
    fn missing_fingerprint(&self, index: usize) -> Error {
        self.missing(index, "a=fingerprint of a known hash function", "RFC 8122 §5")
    }
}

impl Jsep {
    /// Checks a remote description of any type.
    pub(super) fn verify_remote(
        &self,
        kind: SdpType,
        description: &SessionDescription,
    ) -> Result<(), Error> {
        let verify = Verify { side: Side::Remote, description };
        // Each section costs memory, and a rejected one stays for ever.
        let limit = self.settings.max_transceivers.saturating_mul(2).saturating_add(2);
        if description.media.len() > limit {
            let reason = format!("there are more than {limit} m-sections (max_transceivers)");
            return Err(verify.fault(Some(limit), reason));
        }
        verify.check_mids()?;
        let bundles = verify.bundles();
        for (index, media) in verify.sections() {
            if is_rejected(media) {
                continue;
            }
            let mid = media.mid();
            let speaks = |(group, first): &(Group<'_>, Option<&str>)| {
                mid.is_none_or(|mid| !group.mids.contains(mid)) || first.is_none() || *first == mid
            };
            if bundles.iter().all(speaks) {
                verify.check_transport(index, media)?;
            }
            verify.check_simulcast(index, media)?;
            let says_cryptex = description.has_cryptex() || media.has_cryptex();
            if self.settings.rtp_header_encryption_policy == RtpHeaderEncryptionPolicy::Require
                && rtp_kind(&media.media_line()).is_some()
                && !says_cryptex
            {
                let reason = "the m-section has no a=cryptex, which rtp_header_encryption_policy \
                              requires (RFC 9335 §4)";
                return Err(verify.fault(Some(index), reason));
            }
            let has_init = self.settings.snap && media.sctp_init().is_some();
            if has_init && super::snap::remote_init(media).is_none() {
                let reason = "a=sctp-init is not an INIT chunk (draft-hancke-tsvwg-snap §5)";
                return Err(verify.fault(Some(index), reason));
            }
            if has_init && self.changes_remote_init(index, description, media) {
                let reason = "a=sctp-init is not what the association was agreed on with \
                              (draft-hancke-tsvwg-snap §5.6)";
                return Err(verify.fault(Some(index), reason));
            }
            if self.asks_for_another_association(index, media) {
                let reason = "another a=sctp-port asks for a new SCTP association in place of the \
                              one in force, which needs a new connection (RFC 8841 §9.3); 0 closes it";
                return Err(verify.fault(Some(index), reason));
            }
        }
        match kind {
            SdpType::Offer => self.verify_succession(&verify),
            _ => self.verify_answer(&verify),
        }
    }

    /// An offer keeps every section at its index
    /// ([RFC 3264 §8](https://www.rfc-editor.org/rfc/rfc3264#section-8)).
    fn verify_succession(&self, verify: &Verify<'_>) -> Result<(), Error> {
        let stable = self.stable_slots();
        if verify.description.media.len() < stable.len() {
            let reason = format!(
                "there are {} m-sections, and {} have been agreed on: none may be left out \
                 (RFC 3264 §8)",
                verify.description.media.len(),
                stable.len()
            );
            return Err(verify.fault(None, reason));
        }
        for (index, (slot, media)) in stable.iter().zip(&verify.description.media).enumerate() {
            if slot.rejected || is_rejected(media) {
                continue;
            }
            if media.mid().is_some_and(|mid| mid != slot.mid) {
                let reason = format!(
                    "the m-section in this place has been a=mid:{}, and is in use (RFC 9429 §5.2.2)",
                    slot.mid
                );
                return Err(verify.fault(Some(index), reason));
            }
            let line = media.media_line();
            let is_same = match self.kind_of(slot.media) {
                Some(kind) => rtp_kind(&line) == Some(kind),
                None => is_data(&line) || slot.media == super::section::SlotMedia::Unknown,
            };
            if !is_same {
                let reason = format!(
                    "the m-section in this place cannot become \"{} {}\" while it is in use \
                     (RFC 3264 §8.3)",
                    line.media, line.protocol
                );
                return Err(verify.fault(Some(index), reason));
            }
        }
        Ok(())
    }

    /// An answer mirrors the offer ([RFC 3264 §6](https://www.rfc-editor.org/rfc/rfc3264#section-6)).
    fn verify_answer(&self, verify: &Verify<'_>) -> Result<(), Error> {
        let Some(offer) = &self.pending_local else { return Ok(()) };
        let (answered, offered) = (&verify.description.media, &offer.sdp.media);
        if answered.len() != offered.len() {
            let reason = format!(
                "there are {} m-sections, the offer has {} (RFC 3264 §6)",
                answered.len(),
                offered.len()
            );
            // The first that is too much, or where the next is missing.
            let superfluous = (answered.len() > offered.len()).then_some(offered.len());
            return Err(verify.fault(superfluous, reason));
        }
        for (index, (answer, offer)) in answered.iter().zip(offered).enumerate() {
            let (line, offered) = (answer.media_line(), offer.media_line());
            // Data over SCTP was called "DTLS/SCTP" once, and some answer so.
            let is_same = line.protocol == offered.protocol || is_data(&line) && is_data(&offered);
            if line.media != offered.media || !is_same && !is_rejected(answer) {
                let reason = format!(
                    "\"{} {}\" answers \"{} {}\", which it must repeat (RFC 9429 §5.8.3)",
                    line.media, line.protocol, offered.media, offered.protocol
                );
                return Err(verify.fault(Some(index), reason));
            }
            if answer.mid().is_some() && answer.mid() != offer.mid() {
                let reason = format!(
                    "a=mid:{} answers a=mid:{}, which it must repeat (RFC 5888 §9.1)",
                    answer.mid().unwrap_or_default(),
                    offer.mid().unwrap_or_default()
                );
                return Err(verify.fault(Some(index), reason));
            }
            if !is_rejected(answer) && is_rejected(offer) {
                let reason = "the m-section is accepted, but the offer rejects it (RFC 3264 §6)";
                return Err(verify.fault(Some(index), reason));
            }
            if !is_rejected(answer) && setup(verify.description, answer) == Some(Setup::ActPass) {
                let reason = "a=setup:actpass answers the question with a question; active or \
                              passive is expected (RFC 5763 §5)";
                return Err(verify.fault(Some(index), reason));
            }
        }
        Ok(())
    }

    /// Whoever speaks for a transport says its fingerprint. Nothing that makes another DTLS association
    /// of it can change while it lives, which is as long as its transport
    /// ([RFC 8842 §3.1](https://www.rfc-editor.org/rfc/rfc8842#section-3.1)). §5.3 would have the
    /// answer reject such sections; the application is told before, while the call can still go on.
    pub(super) fn verify_transports(
        &self,
        kind: SdpType,
        verify: &Verify<'_>,
        slots: &[Slot],
    ) -> Result<(), Error> {
        let mut checked: Vec<TransportId> = Vec::new();
        for slot in slots.iter().filter(|slot| !slot.rejected) {
            if checked.contains(&slot.transport) {
                continue;
            }
            checked.push(slot.transport);
            let lead = self.section_of(verify.description, slots, slot.transport);
            let Some((index, media)) = lead else { continue };
            let new = fingerprints(verify.description, media);
            if new.is_empty() {
                return Err(verify.missing_fingerprint(index));
            }
            let known = self.transport(slot.transport).filter(|own| own.dtls_role.is_some());
            let Some(known) = known else { continue };
            let has_all = |a: &[dtls_srtp::Fingerprint], b: &[dtls_srtp::Fingerprint]| {
                a.iter().all(|own| b.contains(own))
            };
            let is_same = has_all(&new, &known.fingerprints) && has_all(&known.fingerprints, &new);
            if !is_same && !known.fingerprints.is_empty() {
                let reason = "the fingerprint differs from that of the certificate in use; a new \
                              certificate needs a new connection";
                return Err(verify.fault(Some(index), reason));
            }
            // One that says nothing asks for nothing new.
            let tls_ids = media.tls_id().zip(known.tls_id.as_deref());
            if tls_ids.is_some_and(|(new, known)| new != known) {
                let reason = "a=tls-id asks for a new DTLS association, which needs a new connection \
                              (RFC 8842 §4)";
                return Err(verify.fault(Some(index), reason));
            }
            let setup = setup(verify.description, media).filter(|own| *own != Setup::HoldConn);
            if kind == SdpType::Offer
                && let Some(setup) = setup
                && self.answer_setup(slot.transport, Some(setup)).is_none()
            {
                let reason = format!(
                    "a=setup:{setup} would change who began the DTLS handshake, which is long done; \
                     actpass is expected (RFC 8842 §5.5)"
                );
                return Err(verify.fault(Some(index), reason));
            }
        }
        Ok(())
    }
}

impl Jsep {
    /// An answer renews the ICE credentials of a transport where our offer does, and only there; and
    /// keeps those of a provisional answer
    /// ([RFC 9429 §5.10](https://www.rfc-editor.org/rfc/rfc9429#section-5.10), which would let the last
    /// begin anew: the DTLS association below could not).
    pub(super) fn verify_restarts(&self, verify: &Verify<'_>, slots: &[Slot]) -> Result<(), Error> {
        let mut checked: Vec<TransportId> = Vec::new();
        for slot in slots.iter().filter(|slot| !slot.rejected) {
            let id = slot.transport;
            if checked.contains(&id) {
                continue;
            }
            checked.push(id);
            let lead = self.section_of(verify.description, slots, id);
            let Some((index, media)) = lead else { continue };
            let new = credentials(verify.description, media);
            let stable = self.stable_slots();
            let is_restart = self.is_ice_restart(slots, id);
            let agreed = self.said(&self.current_remote, stable, id);
            let provisional = self.said(&self.pending_remote, slots, id);
            let reason = match is_restart.zip(agreed.map(|own| Some(own) != new)) {
                Some((false, true)) => {
                    "the answer changes a=ice-ufrag, but the offer does not restart ICE \
                     (RFC 9429 §5.10)"
                }
                Some((true, false)) => {
                    "the offer restarts ICE, but the answer keeps a=ice-ufrag (RFC 9429 §5.10)"
                }
                _ if provisional.is_some() && provisional != new => {
                    "the answer changes a=ice-ufrag of the provisional one, which needs a new connection"
                }
                _ => continue,
            };
            return Err(verify.fault(Some(index), reason));
        }
        Ok(())
    }

    /// Whether our pending offer renews the ICE credentials of a transport, if there is such an offer
    /// and if there were any.
    pub(super) fn is_ice_restart(&self, slots: &[Slot], id: TransportId) -> Option<bool> {
        let agreed = self.said(&self.current_local, self.stable_slots(), id)?;
        let offered = self.said(&self.pending_local, slots, id)?;
        Some(agreed != offered)
    }

    /// The ICE credentials that a description has for a transport.
    fn said<'d>(
        &self,
        described: &'d Option<Described>,
        slots: &[Slot],
        id: TransportId,
    ) -> Option<(&'d str, &'d str)> {
        let session = &*described.as_ref()?.sdp;
        let (_, media) = self.section_of(session, slots, id)?;
        credentials(session, media)
    }
}

/// The ICE user fragment and password of a section, or the session's.
pub(super) fn credentials<'d>(
    session: &'d SessionDescription,
    media: &'d MediaDescription,
) -> Option<(&'d str, &'d str)> {
    let ufrag = media.ice_ufrag().or_else(|| session.ice_ufrag())?;
    Some((ufrag, media.ice_pwd().or_else(|| session.ice_pwd())?))
}

/// The fingerprints of a section, or the session's, with hash functions that are known.
pub(super) fn fingerprints(
    session: &SessionDescription,
    media: &MediaDescription,
) -> Vec<dtls_srtp::Fingerprint> {
    let parse = |fingerprint: sdp::Fingerprint<'_>| fingerprint.to_string().parse().ok();
    let own: Vec<_> = media.fingerprints().filter_map(parse).collect();
    if own.is_empty() { session.fingerprints().filter_map(parse).collect() } else { own }
}

pub(super) fn setup(session: &SessionDescription, media: &MediaDescription) -> Option<Setup> {
    media.setup().or_else(|| session.setup())
}
