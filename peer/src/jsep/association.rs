//! Whether the descriptions have a place for the SCTP association, and its ports
//! ([RFC 8841 §9.3](https://www.rfc-editor.org/rfc/rfc8841#section-9.3)).

use sdp::MediaDescription;

use super::section::{is_data, is_rejected};
use super::snap::port;
use super::{Described, Jsep};
use crate::signalling::SdpType;

impl Jsep {
    /// The m-sections at `index`, ours and the other side's, if they have agreed on an association.
    pub(super) fn agreed_data(
        &self,
        index: usize,
    ) -> Option<(&MediaDescription, &MediaDescription)> {
        let [local, remote] = [&self.current_local, &self.current_remote]
            .map(|own| own.as_ref()?.sdp.media.get(index).filter(|own| is_for_association(own)));
        local.zip(remote)
    }

    /// Whether an association is agreed on.
    pub(super) fn has_association(&self) -> bool {
        (0..self.stable_slots().len()).any(|index| self.agreed_data(index).is_some())
    }

    /// Whether an association is agreed on or offered: what an answer without a place for it takes
    /// away.
    pub(super) fn expects_association(&self) -> bool {
        let pending = [&self.pending_local, &self.pending_remote];
        let offers = |own: &&Described| own.kind == SdpType::Offer;
        self.has_association()
            || pending
                .into_iter()
                .flatten()
                .filter(offers)
                .any(|offer| offer.sdp.media.iter().any(is_for_association))
    }

    /// Notes what an answer that is in force now has done to the association that was `expected`.
    /// Returns whether it has taken it away: "the offerer MUST NOT establish an SCTP association. If,
    /// in addition, an SCTP association exists, the offerer MUST close it"
    /// ([RFC 8841 §10.4](https://www.rfc-editor.org/rfc/rfc8841#section-10.4)).
    pub(super) fn ends_association(&mut self, expected: bool) -> bool {
        let ends = expected && !self.has_association();
        if ends {
            self.data = false;
            // Another one has "a new attribute value (different than the value associated with the
            // previous SCTP association)" (§10.5).
            self.sctp_port = self.sctp_port.checked_add(1).unwrap_or(5000);
        }
        ends
    }

    /// The port that our offer has for the section at `index`: none where the last exchange has
    /// closed the association and nobody wants another.
    pub(super) fn offered_sctp_port(&self, index: usize) -> u16 {
        if self.data || self.agreed_data(index).is_some() { self.sctp_port } else { 0 }
    }

    /// The port that our answer has: "If the offer contained a zero SCTP port value … the answerer
    /// MUST also associate a zero SCTP port value"
    /// ([RFC 8841 §10.3](https://www.rfc-editor.org/rfc/rfc8841#section-10.3)).
    pub(super) fn answered_sctp_port(&self, offer: &MediaDescription) -> u16 {
        if port(offer) == 0 { 0 } else { self.sctp_port }
    }

    /// Whether the other side's section at `index` asks for another association in place of the one
    /// that there is, by another port ([RFC 8841 §9.3](https://www.rfc-editor.org/rfc/rfc8841#section-9.3)).
    pub(super) fn asks_for_another_association(
        &self,
        index: usize,
        media: &MediaDescription,
    ) -> bool {
        let is_other = |(_, agreed): (_, &MediaDescription)| port(agreed) != port(media);
        is_for_association(media) && self.agreed_data(index).is_some_and(is_other)
    }
}

/// Whether an m-section is for an association: neither the section nor its SCTP port is rejected.
fn is_for_association(media: &MediaDescription) -> bool {
    is_data(&media.media_line()) && !is_rejected(media) && port(media) != 0
}
