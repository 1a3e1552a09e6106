//! What the two sides tell each other through the application, and the states that follow from it.

use std::fmt;

/// A session description and what it is for: the W3C's `RTCSessionDescription`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionDescription {
    /// What it is for.
    pub kind: SdpType,
    /// Its text (RFC 8866); empty for a rollback.
    pub sdp: String,
}

impl SessionDescription {
    /// An offer.
    pub fn offer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Offer, sdp: sdp.into() }
    }

    /// An answer.
    pub fn answer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Answer, sdp: sdp.into() }
    }

    /// A provisional answer.
    pub fn pranswer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::PrAnswer, sdp: sdp.into() }
    }

    /// Takes back the offer that is pending.
    pub const fn rollback() -> Self {
        Self { kind: SdpType::Rollback, sdp: String::new() }
    }
}

/// What a description is for: the W3C's `RTCSdpType`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SdpType {
    /// A proposal.
    Offer,
    /// An answer that may still be replaced.
    PrAnswer,
    /// The answer.
    Answer,
    /// Not a description: takes back the offer that is pending.
    Rollback,
}

impl SdpType {
    /// The W3C's name, as it travels in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::PrAnswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        }
    }

    /// Reads the W3C's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "offer" => Self::Offer,
            "pranswer" => Self::PrAnswer,
            "answer" => Self::Answer,
            "rollback" => Self::Rollback,
            _ => return None,
        })
    }
}

impl fmt::Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A candidate as it is signalled: the W3C's `RTCIceCandidateInit`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IceCandidate {
    /// The candidate attribute's value, `candidate:…`
    /// ([RFC 8839 §5.1](https://www.rfc-editor.org/rfc/rfc8839#section-5.1)); empty when no more
    /// will come.
    pub candidate: String,
    /// The `mid` of the m-section that it is for.
    pub sdp_mid: Option<String>,
    /// The index of that m-section, used when there is no `mid`.
    pub sdp_m_line_index: Option<u16>,
    /// The ICE user fragment of the generation that it belongs to.
    pub username_fragment: Option<String>,
}

/// Where offer and answer stand: the W3C's `RTCSignalingState`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum SignalingState {
    /// No exchange is under way.
    #[default]
    Stable,
    /// Our offer waits for its answer.
    HaveLocalOffer,
    /// Their offer waits for our answer.
    HaveRemoteOffer,
    /// We answered provisionally.
    HaveLocalPranswer,
    /// They answered provisionally.
    HaveRemotePranswer,
    /// The connection is closed.
    Closed,
}

impl fmt::Display for SignalingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::HaveLocalOffer => "have-local-offer",
            Self::HaveRemoteOffer => "have-remote-offer",
            Self::HaveLocalPranswer => "have-local-pranswer",
            Self::HaveRemotePranswer => "have-remote-pranswer",
            Self::Closed => "closed",
        })
    }
}

/// Whether candidates are still being gathered: the W3C's `RTCIceGatheringState`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum IceGatheringState {
    /// Not begun.
    #[default]
    New,
    /// Under way.
    Gathering,
    /// Every candidate is known.
    Complete,
}

impl fmt::Display for IceGatheringState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Gathering => "gathering",
            Self::Complete => "complete",
        })
    }
}

/// Whether ICE has a path: the W3C's `RTCIceConnectionState`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum IceConnectionState {
    /// Not begun.
    #[default]
    New,
    /// Looking for a path.
    Checking,
    /// A path works; better ones may come.
    Connected,
    /// The best path is chosen.
    Completed,
    /// The path is silent; it may come back.
    Disconnected,
    /// No path works.
    Failed,
    /// The connection is closed.
    Closed,
}

impl fmt::Display for IceConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
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

/// Whether the connection works, ICE and DTLS together: the W3C's `RTCPeerConnectionState`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ConnectionState {
    /// Not begun.
    #[default]
    New,
    /// Under way.
    Connecting,
    /// It works.
    Connected,
    /// The path is silent; it may come back.
    Disconnected,
    /// It does not work and will not by itself;
    /// [`failure_reason`](crate::PeerConnection::failure_reason) says why.
    Failed,
    /// Closed: by [`close`](crate::PeerConnection::close), or by the other side's goodbye, which an
    /// event tells.
    Closed,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        })
    }
}

/// What an offer is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct OfferOptions {
    /// Asks for new ICE credentials: paths are looked for anew, the old one is used meanwhile.
    pub ice_restart: bool,
}
