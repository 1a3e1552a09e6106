//! Candidates that come one by one
//! ([RFC 8838](https://www.rfc-editor.org/rfc/rfc8838), "trickle").

use std::sync::Arc;

use sdp::{Attribute, MediaDescription, SessionDescription};

use super::section::Slot;
use super::{Described, Jsep, RemoteCandidate, TransportId};
use crate::error::Error;
use crate::signalling::{IceCandidate, SignalingState};

/// How many candidates a section of a remote description keeps, or hands on at once: more than an agent has addresses,
/// and a bound on what the other side can make us hold. ICE has a bound of its own.
pub(super) const MOST_CANDIDATES: usize = 128;

impl Jsep {
    /// Adds a candidate of ours to the descriptions that have its generation, which `ufrag` names; an
    /// empty one ends them. Returns what the other side is to be told.
    pub(crate) fn add_local_candidate(
        &mut self,
        transport: TransportId,
        ufrag: &str,
        candidate: &str,
    ) -> IceCandidate {
        let stable = self.stable.clone();
        let current = stable.as_ref().map_or(&self.slots, |stable| &stable.slots);
        let described =
            [(self.pending_local.as_mut(), &self.slots), (self.current_local.as_mut(), current)];
        let mut told = IceCandidate {
            candidate: candidate.to_owned(),
            username_fragment: Some(ufrag.to_owned()),
            ..IceCandidate::default()
        };
        for (described, slots) in described {
            let Some(described) = described else { continue };
            let index = local_section(&described.sdp, slots, transport, ufrag);
            let Some((index, slot)) = index.and_then(|index| Some((index, slots.get(index)?)))
            else {
                continue;
            };
            push(described, index, candidate);
            if told.sdp_mid.is_none() {
                told.sdp_mid = Some(slot.mid.clone());
                told.sdp_m_line_index = u16::try_from(index).ok();
            }
        }
        told
    }

    /// Finds out which transport a candidate of the other side is for, and adds it to the remote
    /// description; an empty one ends them. `None`: it is of no use, since its section is rejected
    /// or its generation gone. While an ICE restart of ours waits for its answer, one that is not
    /// known may be that of the answer, and is refused as the W3C has it
    /// ([addIceCandidate](https://www.w3.org/TR/webrtc/#dom-peerconnection-addicecandidate)).
    pub(crate) fn add_remote_candidate(
        &mut self,
        candidate: &IceCandidate,
    ) -> Result<Option<(TransportId, RemoteCandidate)>, Error> {
        let Some(remote) = self.pending_remote.as_ref().or(self.current_remote.as_ref()) else {
            return Err(Error::InvalidState {
                operation: "add_ice_candidate",
                reason: "there is no remote description yet; keep the candidate until there is"
                    .to_owned(),
            });
        };
        let text = candidate.candidate.trim();
        let text = text.strip_prefix("a=").unwrap_or(text);
        let ends = text.is_empty() || text == "end-of-candidates";
        let index = match (&candidate.sdp_mid, candidate.sdp_m_line_index) {
            (Some(mid), _) => self.slots.iter().position(|slot| slot.mid == *mid),
            (None, Some(index)) => Some(usize::from(index)),
            // "If both are null, it applies to all": with a bundle, the first stands for all.
            (None, None) if ends => self.slots.iter().position(|slot| !slot.rejected),
            (None, None) => {
                let reason = "a candidate needs an sdp_mid or an sdp_m_line_index";
                return Err(Error::Candidate(reason.to_owned()));
            }
        };
        let Some((index, slot)) = index.and_then(|index| Some((index, self.slots.get(index)?)))
        else {
            let name = match (&candidate.sdp_mid, candidate.sdp_m_line_index) {
                (Some(mid), _) => format!("no m-section a=mid:{mid}"),
                (None, Some(index)) => format!("no m-section index {index}"),
                (None, None) => "no m-section that is not rejected".to_owned(),
            };
            return Err(Error::Candidate(format!("the remote description has {name}")));
        };
        if slot.rejected {
            return Ok(None);
        }
        let (transport, described) = (slot.transport, Arc::clone(&remote.sdp));
        let section = self.section_of(&described, &self.slots, transport);
        let section = section.or_else(|| Some((index, described.media.get(index)?)));
        let parsed = match ends {
            true => None,
            false => {
                let parsed = text.parse::<ice::Candidate>();
                Some(parsed.map_err(|error| Error::Candidate(error.to_string()))?)
            }
        };
        let ufrag = candidate.username_fragment.as_deref().filter(|ufrag| !ufrag.is_empty());
        let ufrag = ufrag.or_else(|| parsed.as_ref()?.ufrag.as_deref());
        let known = section.and_then(|(_, own)| own.ice_ufrag().or_else(|| described.ice_ufrag()));
        if ufrag.is_some() && known.is_some() && ufrag != known {
            // The answer will bring others.
            if self.state == SignalingState::HaveLocalOffer
                && self.is_ice_restart(&self.slots, transport) == Some(true)
            {
                return Err(Error::Operation {
                    operation: "add_ice_candidate",
                    reason: format!(
                        "the remote description has no a=ice-ufrag:{}; keep the candidate until \
                         there is an answer to our offer",
                        ufrag.unwrap_or_default()
                    ),
                });
            }
            return Ok(None);
        }
        let index = section.map_or(index, |(index, _)| index);
        drop(described);
        if let Some(remote) = self.pending_remote.as_mut().or(self.current_remote.as_mut()) {
            push(remote, index, text.strip_prefix("end-of-candidates").unwrap_or(text));
        }
        let candidate = parsed.map_or(RemoteCandidate::End, RemoteCandidate::Candidate);
        Ok(Some((transport, candidate)))
    }
}

/// The section of a description of ours that has a transport's candidates: the first that speaks of
/// it, in this generation.
fn local_section(
    description: &SessionDescription,
    slots: &[Slot],
    transport: TransportId,
    ufrag: &str,
) -> Option<usize> {
    let sections = slots.iter().zip(&description.media).enumerate();
    let mut own = sections.filter(|(_, (slot, _))| slot.transport == transport && !slot.rejected);
    let found = own.find(|(_, (_, media))| media.ice_ufrag() == Some(ufrag));
    found.map(|(index, _)| index)
}

/// Adds a candidate, or their end, to a section that does not have it yet.
fn push(described: &mut Described, index: usize, candidate: &str) {
    let has = |media: &MediaDescription| {
        let count = media.candidates().count();
        match candidate {
            "" => media.has_end_of_candidates(),
            _ => count >= MOST_CANDIDATES || media.candidate_texts().any(|own| own == candidate),
        }
    };
    if described.sdp.media.get(index).is_none_or(has) {
        return;
    }
    if let Some(media) = Arc::make_mut(&mut described.sdp).media.get_mut(index) {
        match candidate {
            "" => media.push(Attribute::EndOfCandidates),
            // One that `sdp` cannot read is not shown, but may still be used.
            _ => drop(media.push_text(candidate)),
        }
    }
}
