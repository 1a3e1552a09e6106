//! The JSON that travels over a tab's WebSocket.
//!
//! Every message names the call it belongs to, counted by the page: what is late from a call that
//! was hung up is recognised.

use peerless::IceCandidate;
use serde::{Deserialize, Serialize};

use crate::figures::Figures;

/// What a page says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum FromPage {
    Offer {
        call: u64,
        sdp: String,
    },
    Answer {
        call: u64,
        sdp: String,
    },
    /// `None` ends the candidates.
    Candidate {
        call: u64,
        candidate: Option<Candidate>,
    },
    /// How media are to be returned, now and in later calls.
    Mode {
        mode: Mode,
    },
    /// We are to restart ICE.
    Restart {
        call: u64,
    },
    Bye {
        call: u64,
    },
}

/// What we say.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ToPage<'a> {
    Hello {
        id: &'a str,
    },
    Offer {
        call: u64,
        sdp: &'a str,
    },
    Answer {
        call: u64,
        sdp: &'a str,
    },
    Candidate {
        call: u64,
        candidate: Option<Candidate>,
    },
    Mode {
        mode: Mode,
    },
    Stats {
        call: u64,
        #[serde(flatten)]
        figures: &'a Figures,
    },
    Facts {
        call: u64,
        #[serde(flatten)]
        facts: &'a Facts,
    },
    Error {
        message: String,
    },
}

impl ToPage<'_> {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("nothing here has a key that is no string")
    }
}

/// The browser's `RTCIceCandidateInit`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate {
    pub(crate) candidate: String,
    #[serde(default)]
    pub(crate) sdp_mid: Option<String>,
    #[serde(default)]
    pub(crate) sdp_m_line_index: Option<u16>,
    #[serde(default)]
    pub(crate) username_fragment: Option<String>,
}

impl From<IceCandidate> for Candidate {
    fn from(candidate: IceCandidate) -> Self {
        let IceCandidate { candidate, sdp_mid, sdp_m_line_index, username_fragment } = candidate;
        Self { candidate, sdp_mid, sdp_m_line_index, username_fragment }
    }
}

impl From<Candidate> for IceCandidate {
    fn from(candidate: Candidate) -> Self {
        let Candidate { candidate, sdp_mid, sdp_m_line_index, username_fragment } = candidate;
        Self { candidate, sdp_mid, sdp_m_line_index, username_fragment }
    }
}

/// How media are returned.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Depacketised to frames, and packetised again.
    #[default]
    Frames,
    /// Packet by packet, as a forwarding unit does.
    Packets,
}

/// What does not change while a connection lasts.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) connected_ms: f64,
    pub(crate) pair: Option<String>,
    pub(crate) security: Option<Security>,
    pub(crate) codecs: String,
}

/// The security report, in words.
#[derive(Debug, Serialize)]
pub(crate) struct Security {
    /// All that a log needs.
    pub(crate) line: String,
    pub(crate) version: String,
    pub(crate) group: String,
    pub(crate) post_quantum: bool,
    pub(crate) cipher_suite: String,
    pub(crate) srtp: Option<String>,
    /// Whether RTP header extensions are sent encrypted.
    pub(crate) cryptex: bool,
    /// What we have signed the handshake with, and the browser.
    pub(crate) local_signature: Option<String>,
    pub(crate) remote_signature: Option<String>,
    pub(crate) role: &'static str,
    pub(crate) round_trips: u32,
    pub(crate) handshake_ms: f64,
    pub(crate) in_checks: bool,
    pub(crate) retransmitted: u64,
    pub(crate) local_fingerprint: String,
    pub(crate) remote_fingerprint: String,
}
