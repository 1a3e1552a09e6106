//! Applying descriptions of ours
//! ([RFC 9429 §5.9](https://www.rfc-editor.org/rfc/rfc9429#section-5.9)).

use std::sync::Arc;

use dtls_srtp::dtls::Role;

use super::plan::Plan;
use super::section::{Created, SlotMedia};
use super::states::Side;
use super::transceivers::{Negotiated, Offered};
use super::{Described, Jsep};
use crate::Event;
use crate::error::Error;
use crate::signalling::{SdpType, SignalingState};

impl Jsep {
    pub(super) fn apply_local_offer(&mut self, text: &str) -> Result<Plan, Error> {
        let created = unchanged(self.last_offer.as_ref(), text)?;
        self.leave_stable();
        self.slots.clone_from(&created.slots);
        for (slot, section) in created.slots.iter().zip(&created.sections) {
            let next = slot.transport.0.saturating_add(1);
            self.next_transport = self.next_transport.max(next);
            let SlotMedia::Rtp(id) = slot.media else { continue };
            if let Some(transceiver) = self.transceiver_mut(id) {
                transceiver.mid = Some(slot.mid.clone());
                transceiver.offered = Some(Offered {
                    codecs: section.codecs.clone(),
                    extensions: section.extensions.clone(),
                    direction: section.direction,
                });
            }
        }
        self.use_mids();
        self.controlling.get_or_insert(true);
        self.pending_local = Some(Described { kind: SdpType::Offer, sdp: created.sdp.clone() });
        let events = self.change_state(SignalingState::HaveLocalOffer);
        Ok(self.plan_with(events, &[]).with_gathering())
    }

    pub(super) fn apply_local_answer(&mut self, kind: SdpType, text: &str) -> Result<Plan, Error> {
        let created = unchanged(self.last_answer.as_ref(), text)?;
        let Some(offer) = self.pending_remote.as_ref().map(|offer| offer.sdp.clone()) else {
            return Err(Error::InvalidState {
                operation: Side::Local.operation(),
                reason: "there is no offer to answer".to_owned(),
            });
        };
        let expected = self.expects_association();
        self.slots.clone_from(&created.slots);
        let mut ended = Vec::new();
        let sections = created.slots.iter().zip(&created.sections);
        for ((slot, section), media) in sections.zip(&offer.media) {
            let SlotMedia::Rtp(id) = slot.media else { continue };
            let Some(transceiver) = self.transceiver_mut(id) else { continue };
            if slot.rejected {
                // "If the media description is rejected, stop the RTCRtpTransceiver."
                transceiver.stopping = true;
            } else {
                let negotiated = Negotiated {
                    codecs: section.codecs.clone(),
                    extensions: section.extensions.clone(),
                    reduced_size: section.reduced_size,
                    ..Negotiated::default()
                };
                transceiver.negotiated = Some(negotiated.with_streams(media));
                transceiver.set_current_direction(section.direction);
            }
            let receives = section.direction.receives() && !slot.rejected;
            if transceiver.has_remote_track && !receives {
                transceiver.has_remote_track = false;
                ended.push(Event::TrackEnded(id));
            }
        }
        for (slot, media) in created.slots.iter().zip(&created.sdp.media) {
            if let (false, Some(setup)) = (slot.rejected, media.setup()) {
                let role = match setup {
                    sdp::Setup::Active => Role::Client,
                    _ => Role::Server,
                };
                self.transport_mut(slot.transport).dtls_role.get_or_insert(role);
            }
        }
        let local = Described { kind, sdp: created.sdp.clone() };
        let mut events = if kind == SdpType::Answer {
            self.current_remote = self.pending_remote.take();
            self.current_local = Some(local);
            self.settle_restart(true);
            self.become_stable();
            vec![Event::SignalingStateChange(SignalingState::Stable)]
        } else {
            self.pending_local = Some(local);
            self.change_state(SignalingState::HaveLocalPranswer)
        };
        let data_ends = kind == SdpType::Answer && self.ends_association(expected);
        events.extend(ended);
        Ok(self.plan_with(events, &[]).with_gathering().with_data_ending(data_ends))
    }

    pub(super) fn change_state(&mut self, state: SignalingState) -> Vec<Event> {
        if self.state == state {
            return Vec::new();
        }
        self.state = state;
        vec![Event::SignalingStateChange(state)]
    }
}

/// The description that was created, if this is it. An empty text stands for it, too.
fn unchanged(created: Option<&Arc<Created>>, text: &str) -> Result<Arc<Created>, Error> {
    match created {
        Some(created) if text.is_empty() || created.text == text => Ok(Arc::clone(created)),
        _ => Err(Error::InvalidModification {
            operation: Side::Local.operation(),
            reason: "this is not the description that was created last; what it shall say is set \
                     by the methods of transceivers, not by changing its text"
                .to_owned(),
        }),
    }
}
