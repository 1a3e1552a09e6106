//! Whether only a new offer can tell the other side what is wanted
//! ([webrtc-pc §4.7.3](https://www.w3.org/TR/webrtc/#dfn-check-if-negotiation-is-needed)).

use sdp::MediaDescription;

use super::answer::offered_direction;
use super::transceivers::TransceiverState;
use super::{IceRestart, Jsep};
use crate::signalling::{SdpType, SignalingState};

impl Jsep {
    /// Updates the flag. Returns whether the event is to be fired now.
    pub(crate) fn update_negotiation_needed(&mut self) -> bool {
        // "If connection.[[SignalingState]] is not stable, abort": it is asked again when it is.
        if self.state != SignalingState::Stable {
            return false;
        }
        let needed = self.needs_negotiation();
        let before = std::mem::replace(&mut self.negotiation_needed, needed);
        needed && !before
    }

    /// Whether an event that was fired is still true.
    pub(crate) fn is_negotiation_needed(&self) -> bool {
        self.state == SignalingState::Stable && self.negotiation_needed
    }

    fn needs_negotiation(&self) -> bool {
        if self.ice_restart != IceRestart::No {
            return true;
        }
        if self.data && !self.has_association() {
            return true;
        }
        self.transceivers.iter().any(|transceiver| self.differs(transceiver))
    }

    /// Whether what is wanted of a transceiver differs from what was agreed on.
    fn differs(&self, transceiver: &TransceiverState) -> bool {
        let (Some(local), Some(remote)) = (&self.current_local, &self.current_remote) else {
            return !transceiver.stopping;
        };
        let slot = self.slot_of(transceiver.id);
        let sections = slot
            .and_then(|index| Some((local.sdp.media.get(index)?, remote.sdp.media.get(index)?)));
        let Some((ours, theirs)) = sections else {
            return !transceiver.stopping;
        };
        if transceiver.stopping {
            let rejected = |media: &MediaDescription| media.port() == 0;
            return !rejected(ours) && !rejected(theirs);
        }
        if transceiver.direction.sends() && !has_streams(ours, &transceiver.streams) {
            return true;
        }
        let (own, other) =
            (offered_direction(&local.sdp, ours), offered_direction(&remote.sdp, theirs));
        match local.kind {
            SdpType::Offer => {
                own != transceiver.direction && other.reversed() != transceiver.direction
            }
            _ => own != transceiver.direction.intersect(other.reversed()),
        }
    }
}

/// Whether a section of ours names exactly these streams.
fn has_streams(media: &MediaDescription, streams: &[String]) -> bool {
    let mut said = media.msids().peekable();
    if said.peek().is_none() {
        return false;
    }
    let said: Vec<&str> = said.filter_map(|msid| msid.stream_id()).collect();
    said.len() == streams.len() && streams.iter().all(|stream| said.contains(&stream.as_str()))
}
