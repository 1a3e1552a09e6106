//! Taking an offer back ([RFC 9429 §5.7](https://www.rfc-editor.org/rfc/rfc9429#section-5.7)).

use super::Jsep;
use super::plan::Plan;
use super::transceivers::Creator;
use crate::Event;
use crate::signalling::SignalingState;

impl Jsep {
    /// Returns to the state before the pending offer. What the application has wished for since
    /// then stays; what the offer has done is undone.
    pub(super) fn roll_back(&mut self) -> Plan {
        let mut ended = Vec::new();
        if let Some(stable) = self.stable.take() {
            self.slots.clone_from(&stable.slots);
            // Channels that were created since are still wanted; those of the other side's offer
            // are not.
            self.data = match self.state {
                SignalingState::HaveRemoteOffer => stable.data,
                _ => self.data,
            };
            self.transceivers.retain_mut(|transceiver| {
                let before = stable.transceivers.iter().find(|own| own.id == transceiver.id);
                transceiver.offered = None;
                let has_track = before.is_some_and(|before| before.has_remote_track);
                if transceiver.has_remote_track && !has_track {
                    ended.push(Event::TrackEnded(transceiver.id));
                }
                transceiver.has_remote_track = has_track;
                let Some(before) = before else {
                    // "If transceiver was created when pendingDescription was set, and a track has
                    // never been attached to it via addTrack(), remove it." One that was given a
                    // track is the application's from then on.
                    transceiver.mid = None;
                    transceiver.remote_streams.clear();
                    if transceiver.creator == Creator::Remote && transceiver.has_track {
                        transceiver.creator = Creator::AddTrack;
                    }
                    return transceiver.creator != Creator::Remote && !transceiver.stopping;
                };
                transceiver.mid.clone_from(&before.mid);
                transceiver.remote_streams.clone_from(&before.remote_streams);
                transceiver.negotiated.clone_from(&before.negotiated);
                transceiver.current_direction = before.current_direction;
                true
            });
        }
        (self.pending_local, self.pending_remote) = (None, None);
        (self.last_offer, self.last_answer) = (None, None);
        self.negotiation_needed = false;
        self.settle_restart(false);
        if self.current_local.is_none() {
            // Nobody has been told which side controls.
            self.controlling = None;
        }
        self.restore_credentials();
        let mut events = self.change_state(SignalingState::Stable);
        events.extend(ended);
        self.plan_with(events, &[])
    }

    /// The credentials are those of the current descriptions again.
    fn restore_credentials(&mut self) {
        let Some(current) = self.current_remote.as_ref().map(|current| current.sdp.clone()) else {
            self.transports.clear();
            return;
        };
        let ids: Vec<_> = self.transports.iter().map(|transport| transport.id).collect();
        for id in ids {
            let own = self.current_local.as_ref().map(|current| current.sdp.clone());
            let own = own.as_ref().and_then(|own| self.section_of(own, &self.slots, id));
            if let Some(ufrag) = own.and_then(|media| media.ice_ufrag()).map(str::to_owned) {
                self.transport_mut(id).local_ufrag = ufrag;
            }
            let Some(media) = self.section_of(&current, &self.slots, id) else { continue };
            let ufrag = media.ice_ufrag().or_else(|| current.ice_ufrag());
            let pwd = media.ice_pwd().or_else(|| current.ice_pwd());
            if let (Some(ufrag), Some(pwd)) = (ufrag, pwd) {
                self.transport_mut(id).remote = Some((ufrag.to_owned(), pwd.to_owned()));
            }
        }
    }
}
