//! Transceivers, senders and receivers of a connection.

use std::time::Instant;

use super::{PeerConnection, Section};
use crate::error::Error;
use crate::media::transceiver::{Transceiver, TransceiverId, TransceiverInit};
use crate::media::{MediaKind, Receiver, Sender};

impl PeerConnection {
    /// Adds a transceiver: a pair of a sender and a receiver that share an m-section. An offer
    /// tells the other side.
    ///
    /// # Errors
    ///
    /// When the connection is closed or has as many transceivers as it may have.
    pub fn add_transceiver(
        &mut self,
        now: Instant,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<TransceiverId, Error> {
        self.advance(now);
        if self.is_closed() {
            return Err(Error::Closed { operation: "add_transceiver" });
        }
        let id = self.jsep.add_transceiver(kind, init)?;
        self.fire_negotiation_needed();
        Ok(id)
    }

    /// Adds a track to send: to a transceiver of this kind that sends nothing yet, or to a new one
    /// ([RFC 9429 §5.2.2](https://www.rfc-editor.org/rfc/rfc9429)). `streams` are the ids of the
    /// media streams that it belongs to.
    ///
    /// # Errors
    ///
    /// As [`add_transceiver`](Self::add_transceiver).
    pub fn add_track(
        &mut self,
        now: Instant,
        kind: MediaKind,
        streams: &[&str],
    ) -> Result<TransceiverId, Error> {
        self.advance(now);
        if self.is_closed() {
            return Err(Error::Closed { operation: "add_track" });
        }
        let id = self.jsep.add_track(kind, streams)?;
        self.fire_negotiation_needed();
        Ok(id)
    }

    /// Stops sending on a transceiver; the other side learns it by the next offer.
    ///
    /// # Errors
    ///
    /// When there is no such transceiver, or the connection is closed.
    pub fn remove_track(&mut self, now: Instant, id: TransceiverId) -> Result<(), Error> {
        self.advance(now);
        if self.is_closed() {
            return Err(Error::Closed { operation: "remove_track" });
        }
        self.jsep.remove_track(id)?;
        self.fire_negotiation_needed();
        Ok(())
    }

    /// Every transceiver that has not been stopped, in the order in which they came.
    pub fn transceivers(&self) -> impl Iterator<Item = TransceiverId> + '_ {
        self.jsep.transceivers().map(|transceiver| transceiver.id())
    }

    /// Lends a transceiver; `None` when there is none of this name, or it is stopped.
    pub fn transceiver(&mut self, id: TransceiverId) -> Option<Transceiver<'_>> {
        Transceiver::lend(self, id)
    }

    /// Lends the sender of a transceiver; `None` when there is none of this name, or it is stopped.
    pub fn sender(&mut self, id: TransceiverId) -> Option<Sender<'_>> {
        self.jsep.has_transceiver(id).then(|| Sender::new(self, id))
    }

    /// Lends the receiver of a transceiver; `None` when there is none of this name, or it is stopped.
    pub fn receiver(&mut self, id: TransceiverId) -> Option<Receiver<'_>> {
        self.jsep.has_transceiver(id).then(|| Receiver::new(self, id))
    }

    /// The RTP session that carries this transceiver, and its name there; `None` before it has
    /// been negotiated.
    pub(crate) fn rtp_section(
        &mut self,
        id: TransceiverId,
    ) -> Option<(&mut rtp::Session, rtp::SectionId)> {
        let at = self.sections.binary_search_by_key(&id, |section| section.transceiver).ok()?;
        let section: Section = *self.sections.get(at)?;
        Some((self.rtp_mut(section.transport)?, section.id()))
    }
}
