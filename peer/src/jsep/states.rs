//! Which description can be applied when: the states of
//! [RFC 9429 §3.2](https://www.rfc-editor.org/rfc/rfc9429#section-3.2).
//!
//! ```text
//!                     setRemote(OFFER)               setLocal(PRANSWER)
//!                        /-----\                               /-----\
//!                        |     |                               |     |
//!                        v     |                               v     |
//!         +---------------+    |                +---------------+    |
//!         |               |----/                |               |----/
//!         |  have-        | setLocal(PRANSWER)  | have-         |
//!         |  remote-offer |------------------- >| local-pranswer|
//!         |               |                     |               |
//!         +---------------+                     +---------------+
//!              ^   |                                   |
//!              |   | setLocal(ANSWER)                  |
//! setRemote(OFFER) |                                   |
//!              |   V                  setLocal(ANSWER) |
//!         +---------------+                            |
//!         |    stable     |<---------------------------+
//!         +---------------+ <--- the same, mirrored, for have-local-offer and
//!                                have-remote-pranswer
//! ```

use super::Jsep;
use crate::error::Error;
use crate::signalling::{SdpType, SignalingState};

/// Whose description it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Local,
    Remote,
}

impl Side {
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::Local => "set_local_description",
            Self::Remote => "set_remote_description",
        }
    }
}

impl Jsep {
    /// Whether a description of this type can be applied now: the figure above, as a table.
    pub(super) fn check_state(&self, side: Side, kind: SdpType) -> Result<(), Error> {
        use SignalingState::{
            Closed, HaveLocalOffer, HaveLocalPranswer, HaveRemoteOffer, HaveRemotePranswer, Stable,
        };
        let (offered, pranswered) = match side {
            Side::Local => (HaveRemoteOffer, HaveLocalPranswer),
            Side::Remote => (HaveLocalOffer, HaveRemotePranswer),
        };
        let re_offer = match side {
            Side::Local => HaveLocalOffer,
            Side::Remote => HaveRemoteOffer,
        };
        let fits = match kind {
            _ if self.state == Closed => false,
            SdpType::Offer => self.state == Stable || self.state == re_offer,
            SdpType::PrAnswer | SdpType::Answer => {
                self.state == offered || self.state == pranswered
            }
            SdpType::Rollback => matches!(self.state, HaveLocalOffer | HaveRemoteOffer),
        };
        if fits {
            return Ok(());
        }
        let why = match kind {
            SdpType::Offer => "an exchange is under way; answer it or roll it back first",
            SdpType::PrAnswer | SdpType::Answer => "it answers an offer that is no longer pending",
            SdpType::Rollback => "there is no offer to take back",
        };
        let article =
            if kind == SdpType::Rollback || kind == SdpType::PrAnswer { "a" } else { "an" };
        Err(Error::InvalidState {
            operation: side.operation(),
            reason: format!("{article} {kind} cannot be applied in \"{}\"; {why}", self.state),
        })
    }
}
