//! Taking an offer back ([RFC 9429 §5.7](https://www.rfc-editor.org/rfc/rfc9429#section-5.7)).

use super::plan::Plan;
use super::transceivers::{Creator, TransceiverState};
use super::{Jsep, Stable};
use crate::Event;
use crate::signalling::SignalingState;

impl Jsep {
    /// Returns to the state before the pending offer. What the application has wished for since
    /// then stays; what the offer has done is undone.
    pub(super) fn roll_back(&mut self) -> Plan {
        let mut ended = Vec::new();
        if let Some(stable) = self.stable.take() {
            self.slots.clone_from(&stable.slots);
            self.transceivers.retain_mut(|transceiver| transceiver.restore(&stable, &mut ended));
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

    /// What is known of the other side's transports is what the current description says again.
    fn restore_credentials(&mut self) {
        match self.current_remote.as_ref().map(|current| current.sdp.clone()) {
            Some(current) => {
                self.forget_transports(&[]);
                self.take_remote_transports(&current);
            }
            None => self.transports.clear(),
        }
    }
}

impl TransceiverState {
    /// Undoes what the pending offer has done to it. Returns whether it stays.
    pub(super) fn restore(&mut self, stable: &Stable, ended: &mut Vec<Event>) -> bool {
        let before = stable.transceivers.iter().find(|own| own.id == self.id);
        self.offered = None;
        let has_track = before.is_some_and(|before| before.has_remote_track);
        if self.has_remote_track && !has_track {
            ended.push(Event::TrackEnded(self.id));
        }
        self.has_remote_track = has_track;
        let Some(before) = before else {
            // "If transceiver was created when pendingDescription was set, and a track has never been
            // attached to it via addTrack(), remove it." One that was given a track is the
            // application's from then on.
            self.mid = None;
            self.remote_streams.clear();
            if self.creator == Creator::Remote && self.has_track {
                self.creator = Creator::AddTrack;
            }
            return self.creator != Creator::Remote && !self.stopping;
        };
        self.mid.clone_from(&before.mid);
        self.remote_streams.clone_from(&before.remote_streams);
        self.negotiated.clone_from(&before.negotiated);
        self.current_direction = before.current_direction;
        true
    }
}
