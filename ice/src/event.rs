//! What an agent tells.

use std::fmt;

use stun::FiveTuple;

use crate::candidate::Candidate;
use crate::embedding::Embedded;
use crate::stream::{ComponentId, Role, StreamId};

/// Something changed. Of each kind there is at most one unread event per object; a state that
/// changed and changed back gives none.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A candidate of ours to signal to the other side. After a restart all come again, with
    /// the new fragment in [`Candidate::ufrag`].
    LocalCandidate(StreamId, Candidate),
    /// All candidates of ours are known: signal the end of candidates. It is told again after a
    /// restart, and for a stream that has got its first address since.
    GatheringComplete,
    /// An authenticated check proved that this path leads to the other side: datagrams on it
    /// are for this agent. It is told again when an answer confirms what a request said, and by
    /// the checks of a restart.
    PathValidated(FiveTuple, StreamId, PathProof),
    /// Datagrams on a path that was told are no longer for this agent: it had to make room for
    /// another, or what had proved it is gone.
    PathGone(FiveTuple, StreamId),
    /// The first pair of the component works: data may be sent.
    Writable(ComponentId),
    /// A pair was nominated, by either side, and is now the component's.
    SelectedPair(ComponentId),
    /// What [`Agent::send_path`](crate::Agent::send_path) gives has changed, and neither of the two
    /// above says so: a better pair works before one is nominated, or the first one after a restart.
    PathChange(ComponentId),
    /// What an authenticated check or response carried, in the order of their arrival; only while
    /// [`Agent::set_embedding`](crate::Agent::set_embedding) asks for it. Several may wait, within
    /// [`Config::max_embedded`](crate::Config::max_embedded).
    Embedded(StreamId, Embedded),
    /// A role conflict was repaired, or the other side turned out to be lite.
    RoleChange(Role),
    /// A stream's state changed.
    StreamStateChange(StreamId, ConnectionState),
    /// The agent's state changed.
    StateChange(ConnectionState),
}

/// What proved a path: MESSAGE-INTEGRITY covers what a message says, not where it came from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PathProof {
    /// A check of the other side. Whoever has our password can make one from any address.
    Request,
    /// An answer to a check of ours, whose transaction id only who reads at the address knows.
    Response,
}

/// The state of a stream, or of the whole agent: the W3C's
/// [`RTCIceTransportState`](https://www.w3.org/TR/webrtc/#rtcicetransportstate).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ConnectionState {
    /// The other side's credentials are not known.
    New,
    /// Checks run, and no pair works yet for some component.
    Checking,
    /// Every component has a pair that works; checks or nomination go on.
    Connected,
    /// Every component has its nominated pair.
    Completed,
    /// A path that worked is silent. It may come back by itself.
    Disconnected,
    /// No pair works, or consent has ended; only a restart helps.
    Failed,
    /// [`close`](crate::Agent::close) was called.
    Closed,
}

impl ConnectionState {
    /// The state of an agent whose streams have these states.
    ///
    /// The rules are those of the W3C's
    /// [`RTCIceConnectionState`](https://www.w3.org/TR/webrtc/#rtciceconnectionstate-enum), in
    /// their order.
    pub(crate) fn combine(states: impl Iterator<Item = Self> + Clone) -> Self {
        let any = |wanted: Self| states.clone().any(|state| state == wanted);
        let all = |wanted: &[Self]| states.clone().all(|state| wanted.contains(&state));
        if any(Self::Failed) {
            Self::Failed
        } else if any(Self::Disconnected) {
            Self::Disconnected
        } else if all(&[Self::New, Self::Closed]) {
            Self::New
        } else if any(Self::New) || any(Self::Checking) {
            Self::Checking
        } else if all(&[Self::Completed, Self::Closed]) {
            Self::Completed
        } else {
            Self::Connected
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::New => "new",
            Self::Checking => "checking",
            Self::Connected => "connected",
            Self::Completed => "completed",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_combine_as_the_w3c_says() {
        use ConnectionState::{Checking, Completed, Connected, Disconnected, Failed, New};
        let table = [
            (&[][..], New),
            (&[New, New], New),
            (&[New, Completed], Checking),
            (&[Checking, Connected], Checking),
            (&[Connected, Completed], Connected),
            (&[Completed, Completed], Completed),
            (&[Completed, Disconnected], Disconnected),
            (&[Disconnected, Failed], Failed),
        ];
        for (streams, agent) in table {
            assert_eq!(ConnectionState::combine(streams.iter().copied()), agent, "{streams:?}");
        }
    }
}
