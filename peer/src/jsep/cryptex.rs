//! Whether header extensions and CSRCs are encrypted
//! ([RFC 9335 §4](https://www.rfc-editor.org/rfc/rfc9335#section-4)).

use dtls_srtp::srtp::Cryptex;

use super::section::Slot;
use super::{Described, Jsep, TransportId};
use crate::configuration::RtpHeaderEncryptionPolicy as Policy;
use crate::signalling::SignalingState;

/// What SRTP is to do, each way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct CryptexPlan {
    pub(crate) outbound: Cryptex,
    pub(crate) inbound: Cryptex,
}

impl Jsep {
    /// What comes is understood from our description on that says so: the other side may answer
    /// with media before its answer arrives. It is sent "once each peer has verified that the other
    /// party supports receiving" it.
    pub(super) fn cryptex_plan(&self, id: TransportId) -> CryptexPlan {
        let on = match self.settings.rtp_header_encryption_policy {
            Policy::Disable => return CryptexPlan::default(),
            Policy::Negotiate => Cryptex::On,
            Policy::Require => {
                return CryptexPlan { outbound: Cryptex::Required, inbound: Cryptex::Required };
            }
        };
        let says = |(own, slots): (&Described, &[Slot])| says_cryptex(&own.sdp, slots, id);
        let ours = self.locals().any(says);
        // An offer is no agreement before we have answered it.
        let theirs = match (self.state, &self.current_remote) {
            (SignalingState::HaveRemoteOffer, current) => {
                current.as_ref().map(|own| (own, self.stable_slots()))
            }
            _ => self.remotes().find(|(own, slots)| self.speaks_of(own, slots, id)),
        };
        let choose = |yes| if yes { on } else { Cryptex::Off };
        CryptexPlan { outbound: choose(ours && theirs.is_some_and(says)), inbound: choose(ours) }
    }

    /// Whether a description is about a transport.
    fn speaks_of(&self, described: &Described, slots: &[Slot], id: TransportId) -> bool {
        self.section_of(&described.sdp, slots, id).is_some()
    }
}

/// Whether a description says that packets encrypted so are understood on a transport. "It MUST be
/// present for all RTP-based m= sections belonging to the same bundle group"; who follows the rule
/// for attributes of a transport instead (RFC 9143 §7.1.3) says it in the first one only.
pub(super) fn says_cryptex(
    description: &sdp::SessionDescription,
    slots: &[Slot],
    id: TransportId,
) -> bool {
    let mut sections = slots.iter().zip(&description.media);
    description.has_cryptex()
        || sections
            .any(|(slot, media)| slot.transport == id && !slot.rejected && media.has_cryptex())
}
