//! How far a connection has come.

use std::time::Instant;

use super::CloseReason;
use super::acks::Acks;
use super::alert::Alert;
use super::epoch::Epoch;
use super::flight::Flight;
use super::handshake::Handshake;
use super::v13::post_handshake::PostHandshake;

/// Where a connection stands.
pub(super) enum Phase {
    Handshaking(Box<Handshake>),
    /// The handshake is done. Nothing is delivered as long as the peer is not authenticated,
    /// which is so when its fingerprints have not come yet.
    Established {
        connected: bool,
        rest: Rest,
    },
    Closed(Closed),
}

/// What is kept of a handshake when it is done.
pub(super) enum Rest {
    /// Of DTLS 1.2, for the side whose flight was answered, and later for the other: how many
    /// messages the peer has sent.
    Answered(u32),
    /// Of DTLS 1.2, for the side whose flight was the last: the peer may have missed it.
    LastFlight(Box<LastFlight>),
    /// Of DTLS 1.3, where handshake messages go on.
    PostHandshake(Box<PostHandshake>),
}

/// A flight that may be asked for again.
pub(super) struct LastFlight {
    pub(super) flight: Flight,
    /// There are none in DTLS 1.2.
    pub(super) acks: Acks,
    /// How many messages the peer has sent.
    pub(super) peer_seq: u32,
}

/// What is kept of a connection that has ended.
pub(super) struct Closed {
    pub(super) reason: CloseReason,
    /// Said again when the peer goes on as if it had not heard, but not before `repeat_at`.
    pub(super) alert: Option<(Epoch, Alert)>,
    pub(super) repeat_at: Instant,
}

impl Rest {
    /// How many messages the peer has sent, in DTLS 1.2.
    pub(super) fn peer_seq(&self) -> u32 {
        match self {
            Self::Answered(peer_seq) => *peer_seq,
            Self::LastFlight(last) => last.peer_seq,
            Self::PostHandshake(_) => 0,
        }
    }
}

impl Phase {
    /// What is sent: a flight, and ACKs of the peer's.
    pub(super) fn sending(&mut self) -> Option<(&mut Flight, &mut Acks)> {
        match self {
            Self::Handshaking(handshake) => Some((&mut handshake.flight, &mut handshake.acks)),
            Self::Established { rest: Rest::PostHandshake(post), .. } => {
                Some((&mut post.flight, &mut post.acks))
            }
            Self::Established { rest: Rest::LastFlight(last), .. } => {
                Some((&mut last.flight, &mut last.acks))
            }
            _ => None,
        }
    }

    /// The same to look at.
    pub(super) fn sent(&self) -> (Option<&Flight>, Option<&Acks>) {
        match self {
            Self::Handshaking(handshake) => (Some(&handshake.flight), Some(&handshake.acks)),
            Self::Established { rest: Rest::PostHandshake(post), .. } => {
                (Some(&post.flight), Some(&post.acks))
            }
            Self::Established { rest: Rest::LastFlight(last), .. } => (Some(&last.flight), None),
            _ => (None, None),
        }
    }
}

impl Closed {
    pub(super) fn new(reason: CloseReason, alert: Option<(Epoch, Alert)>, now: Instant) -> Self {
        Self { reason, alert, repeat_at: now }
    }
}
