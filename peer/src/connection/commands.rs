//! Offer, answer, candidates: the signalling half of the W3C's interface.

use std::time::Instant;

use super::PeerConnection;
use crate::error::Error;
use crate::event::Event;
use crate::jsep::{Plan, RemoteCandidate};
use crate::signalling::{
    ConnectionState, IceCandidate, IceConnectionState, IceGatheringState, OfferOptions,
    SessionDescription, SignalingState,
};

impl PeerConnection {
    /// Writes an offer of what this connection wants: its transceivers and data channels.
    ///
    /// # Errors
    ///
    /// When the connection is closed, or no certificate could be made.
    pub fn create_offer(
        &mut self,
        now: Instant,
        options: OfferOptions,
    ) -> Result<SessionDescription, Error> {
        self.open("create_offer", now)?;
        self.with_jsep(|jsep, connection| jsep.create_offer(connection, options))
    }

    /// Writes an answer to the offer that is pending.
    ///
    /// # Errors
    ///
    /// When there is no such offer, the connection is closed, or no certificate could be made.
    pub fn create_answer(&mut self, now: Instant) -> Result<SessionDescription, Error> {
        self.open("create_answer", now)?;
        self.with_jsep(|jsep, connection| jsep.create_answer(connection))
    }

    /// Applies a description of this side. `None` creates the one that the state asks for, an
    /// offer or an answer, and applies it.
    ///
    /// # Errors
    ///
    /// When it does not fit the signalling state, cannot be parsed, or changes what may not be
    /// changed. The connection is then as it was.
    pub fn set_local_description(
        &mut self,
        now: Instant,
        description: Option<SessionDescription>,
    ) -> Result<(), Error> {
        let now = self.open("set_local_description", now)?;
        let description = match description {
            Some(description) => description,
            None => self.with_jsep(|jsep, connection| match jsep.signaling_state() {
                SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPranswer => {
                    jsep.create_answer(connection)
                }
                _ => jsep.create_offer(connection, OfferOptions::default()),
            })?,
        };
        let plan = self.try_jsep(|jsep| jsep.set_local(description))?;
        self.apply(now, plan);
        self.settle();
        Ok(())
    }

    /// Applies a description of the other side.
    ///
    /// # Errors
    ///
    /// When it does not fit the signalling state, cannot be parsed, or says what cannot be done.
    /// The error names the line; the connection is as it was.
    pub fn set_remote_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), Error> {
        let now = self.open("set_remote_description", now)?;
        let plan = self.try_jsep(|jsep| jsep.set_remote(description))?;
        self.apply(now, plan);
        self.settle();
        Ok(())
    }

    /// Adds a candidate of the other side; an empty one says that no more will come. One of a
    /// generation that is gone is ignored.
    ///
    /// # Errors
    ///
    /// When it names no m-section of the remote description, or cannot be parsed; and when it is
    /// early: there is no remote description yet, or our offer restarts ICE and the answer to it may
    /// have the generation that it is of. Add it again when that description is set.
    pub fn add_ice_candidate(
        &mut self,
        now: Instant,
        candidate: IceCandidate,
    ) -> Result<(), Error> {
        let now = self.open("add_ice_candidate", now)?;
        let added = self.jsep.add_remote_candidate(&candidate)?;
        if let Some((id, candidate)) = added
            && let Some(transport) = self.transports.iter().find(|transport| transport.id == id)
        {
            let stream = transport.component.stream;
            match candidate {
                RemoteCandidate::Candidate(candidate) => {
                    self.ice.add_remote_candidate(now, stream, candidate);
                }
                RemoteCandidate::End => self.ice.end_of_remote_candidates(now, stream),
            }
        }
        self.settle();
        Ok(())
    }

    /// Asks for new paths: the next offer has new ICE credentials.
    pub fn restart_ice(&mut self, now: Instant) {
        self.advance(now);
        if !self.is_closed() {
            self.jsep.request_ice_restart();
            self.fire_negotiation_needed();
        }
    }

    /// The pending local description, or else the current one, with the candidates known by now.
    pub fn local_description(&self) -> Option<SessionDescription> {
        self.jsep.local_description()
    }

    /// The pending remote description, or else the current one.
    pub fn remote_description(&self) -> Option<SessionDescription> {
        self.jsep.remote_description()
    }

    /// The local description that was last agreed on.
    pub fn current_local_description(&self) -> Option<SessionDescription> {
        self.jsep.current_local_description()
    }

    /// The remote description that was last agreed on.
    pub fn current_remote_description(&self) -> Option<SessionDescription> {
        self.jsep.current_remote_description()
    }

    /// The local description under negotiation.
    pub fn pending_local_description(&self) -> Option<SessionDescription> {
        self.jsep.pending_local_description()
    }

    /// The remote description under negotiation.
    pub fn pending_remote_description(&self) -> Option<SessionDescription> {
        self.jsep.pending_remote_description()
    }

    /// Where offer and answer stand.
    pub fn signaling_state(&self) -> SignalingState {
        self.jsep.signaling_state()
    }

    /// Whether candidates are still being gathered.
    pub const fn ice_gathering_state(&self) -> IceGatheringState {
        self.ice_gathering_state
    }

    /// Whether ICE has a path.
    pub const fn ice_connection_state(&self) -> IceConnectionState {
        self.ice_connection_state
    }

    /// Whether the connection works.
    pub const fn connection_state(&self) -> ConnectionState {
        self.connection_state
    }

    /// The settings that this connection was made with.
    pub const fn configuration(&self) -> &crate::Configuration {
        &self.configuration
    }

    /// Says [`Event::NegotiationNeeded`] when the W3C's rules want it
    /// ([webrtc-pc §4.7.3](https://www.w3.org/TR/webrtc/#dfn-update-the-negotiation-needed-flag)). One
    /// that nobody has read yet is not said when it is not true any more: "If the result of checking
    /// if negotiation is needed is false, clear the negotiation-needed flag … and abort these steps";
    /// nor during an exchange, after which the question is asked again.
    pub(crate) fn fire_negotiation_needed(&mut self) {
        if self.jsep.update_negotiation_needed() {
            self.events.push(Event::NegotiationNeeded);
        } else if !self.jsep.is_negotiation_needed() {
            self.events.forget(|event| *event == Event::NegotiationNeeded);
        }
    }

    fn open(&mut self, operation: &'static str, now: Instant) -> Result<Instant, Error> {
        let now = self.advance(now);
        if self.is_closed() {
            return Err(Error::Closed { operation });
        }
        if let Err(reason) = &self.dtls {
            return Err(Error::Operation { operation, reason: reason.clone() });
        }
        Ok(now)
    }

    /// Lets JSEP write a description, while it asks us about transports.
    fn with_jsep(
        &mut self,
        write: impl FnOnce(&mut crate::jsep::Jsep, &mut Self) -> Result<SessionDescription, Error>,
    ) -> Result<SessionDescription, Error> {
        let mut jsep = self.jsep.clone();
        let description = write(&mut jsep, self)?;
        self.jsep = jsep;
        self.settle();
        Ok(description)
    }

    /// Applies a description to a copy of the state, which becomes the state if that succeeds.
    fn try_jsep(
        &mut self,
        apply: impl FnOnce(&mut crate::jsep::Jsep) -> Result<Plan, Error>,
    ) -> Result<Plan, Error> {
        let mut jsep = self.jsep.clone();
        let plan = apply(&mut jsep)?;
        self.jsep = jsep;
        Ok(plan)
    }
}
