//! The stacks that the table compares.

mod peerless;
#[cfg(feature = "peers")]
mod rtc;
#[cfg(feature = "peers")]
mod str0m;

use crate::table::Entrant;

pub use self::peerless::{Peerless, PeerlessPeer, PeerlessSped, PeerlessSpedX25519};
#[cfg(feature = "peers")]
pub use self::rtc::{Rtc, RtcPeer};
#[cfg(feature = "peers")]
pub use self::str0m::{Str0m, Str0mPeer};

/// All of them, ours first.
#[must_use]
pub fn entrants() -> Vec<Entrant> {
    vec![
        Entrant::of::<Peerless>(),
        #[cfg(feature = "peers")]
        Entrant::of::<Str0m>(),
        #[cfg(feature = "peers")]
        Entrant::of::<Rtc>(),
    ]
}
