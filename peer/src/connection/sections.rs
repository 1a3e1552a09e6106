//! The m-sections with RTP that are in force.

use crate::TransceiverId;
use crate::jsep::TransportId;

/// A transceiver and the transport that carries it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Section {
    pub(crate) transceiver: TransceiverId,
    pub(crate) transport: TransportId,
}

impl Section {
    /// Its name in the RTP session.
    pub(crate) const fn id(self) -> rtp::SectionId {
        rtp::SectionId(self.transceiver.0)
    }
}
