//! What both versions' handshakes share: their state, and what a step of them can change.

use rustls::crypto::hash::Output;

use super::config::Settings;
use super::early::Early;
use super::epoch::Epoch;
use super::flight::{Answer, Flight};
use super::message::{HandshakeType, Message};
use super::outgoing::Outgoing;
use super::peer::Peer;
use super::reassembly::Inbox;
use super::transcript::Transcript;
use super::v12::protection::Opener;
use super::v12::session::Session;
use super::{HandshakeError, v12};

/// What a handshake needs until it is finished.
pub(crate) struct Handshake {
    pub(crate) state: State,
    pub(crate) inbox: Inbox,
    pub(crate) flight: Flight,
    pub(crate) transcript: Transcript,
    /// Protected records, with their headers, that came before their keys.
    pub(crate) sealed: Early,
}

/// The state of either side.
pub(crate) enum State {
    Client12(v12::client::State),
    Server12(v12::server::State),
    Done,
}

impl State {
    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<Self, HandshakeError> {
        match self {
            Self::Client12(state) => state.handle(message, step),
            Self::Server12(state) => state.handle(message, step),
            Self::Done => Err(HandshakeError::UnexpectedMessage),
        }
    }
}

/// What a step can see and change besides its own state.
pub(crate) struct Step<'s> {
    pub(crate) settings: &'s Settings,
    pub(crate) transcript: &'s mut Transcript,
    pub(crate) flight: &'s mut Flight,
    pub(crate) inbox: &'s mut Inbox,
    pub(crate) outgoing: &'s mut Outgoing,
    pub(crate) peer: &'s mut Peer,
    /// Where the step that agrees on keys puts them.
    pub(crate) session: &'s mut Option<Box<Session>>,
    pub(crate) opener: &'s mut Option<Opener>,
}

impl Step<'_> {
    /// Begins a flight that answers all that came so far.
    pub(crate) fn start_flight(&mut self, answer: Answer) {
        self.flight.start(answer);
        self.inbox.answered();
    }

    /// Adds a message without protection to the flight and to the transcript.
    pub(crate) fn send(&mut self, kind: HandshakeType, body: impl FnOnce(&mut Vec<u8>)) {
        self.flight.message(self.transcript, Epoch::PLAINTEXT, kind, body);
    }

    /// The hash of the transcript so far.
    pub(crate) fn hash(&self) -> Result<Output, HandshakeError> {
        self.transcript.hash().ok_or(HandshakeError::Internal)
    }
}
