//! One call: a connection to one tab, whose media, chat and files go back to it.

use std::time::{Duration, Instant};

use peerless::media::transceiver::RtpTransceiverDirection;
use peerless::{
    ConnectionId, ConnectionState, Event, IceCandidate, PeerConnection, Readable,
    SessionDescription, SignalingState,
};

use crate::echo::{self, Channels};
use crate::figures;
use crate::log;
use crate::signalling::{Candidate, Mode, ToPage};

/// A call of a tab.
pub(crate) struct Call {
    /// Counted by the page.
    pub(crate) number: u64,
    pub(crate) connection: ConnectionId,
    pub(crate) name: String,
    mode: Mode,
    started: Instant,
    connected: Option<Duration>,
    states: Vec<ConnectionState>,
    channels: Channels,
    /// An offer of the page crossed ours and was ignored: so are its candidates.
    ignoring: bool,
}

/// What follows from something that a call did.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Say this to the page.
    Say(String),
    /// Somebody said this in the chat.
    Chat(String),
    /// The page said goodbye through the connection.
    Closed,
    /// The connection failed.
    Failed,
}

impl Call {
    pub(crate) const fn new(
        number: u64,
        connection: ConnectionId,
        now: Instant,
        name: String,
        mode: Mode,
    ) -> Self {
        Self {
            number,
            connection,
            name,
            mode,
            started: now,
            connected: None,
            states: Vec::new(),
            channels: Channels::new(),
            ignoring: false,
        }
    }

    /// Answers an offer. Of two offers that cross, ours stands: the page is the polite side.
    pub(crate) fn offer(
        &mut self,
        pc: &mut PeerConnection,
        now: Instant,
        sdp: String,
    ) -> Vec<Outcome> {
        self.ignoring = pc.signaling_state() != SignalingState::Stable;
        if self.ignoring {
            return Vec::new();
        }
        if let Err(error) = pc.set_remote_description(now, SessionDescription::offer(sdp)) {
            return vec![self.complain(&error)];
        }
        // Whatever the page sends comes back.
        for id in pc.transceivers().collect::<Vec<_>>() {
            if let Some(mut transceiver) = pc.transceiver(id) {
                transceiver.set_direction(now, RtpTransceiverDirection::SendRecv).ok();
            }
        }
        self.set_mode(pc, now, self.mode);
        self.describe(pc, now)
    }

    pub(crate) fn answer(
        &self,
        pc: &mut PeerConnection,
        now: Instant,
        sdp: String,
    ) -> Vec<Outcome> {
        match pc.set_remote_description(now, SessionDescription::answer(sdp)) {
            Ok(()) => Vec::new(),
            Err(error) => vec![self.complain(&error)],
        }
    }

    pub(crate) fn candidate(
        &self,
        pc: &mut PeerConnection,
        now: Instant,
        candidate: Option<Candidate>,
    ) -> Vec<Outcome> {
        let candidate = candidate.map_or_else(IceCandidate::default, Into::into);
        match pc.add_ice_candidate(now, candidate) {
            Err(error) if !self.ignoring => vec![self.complain(&error)],
            _ => Vec::new(),
        }
    }

    pub(crate) fn restart(&self, pc: &mut PeerConnection, now: Instant) -> Vec<Outcome> {
        log::say(&self.name, "restarting ICE");
        pc.restart_ice(now);
        Vec::new()
    }

    pub(crate) fn set_mode(&mut self, pc: &mut PeerConnection, now: Instant, mode: Mode) {
        self.mode = mode;
        echo::set_mode(pc, now, mode);
    }

    pub(crate) fn chat(&self, pc: &mut PeerConnection, now: Instant, text: &str) {
        self.channels.chat(pc, now, text);
    }

    pub(crate) fn event(
        &mut self,
        pc: &mut PeerConnection,
        now: Instant,
        event: Event,
    ) -> Vec<Outcome> {
        match event {
            Event::NegotiationNeeded if pc.signaling_state() == SignalingState::Stable => {
                return self.describe(pc, now);
            }
            Event::IceCandidate(candidate) => {
                let candidate = Candidate::from(candidate);
                let candidate = Some(candidate).filter(|it| !it.candidate.is_empty());
                return vec![say(&ToPage::Candidate { call: self.number, candidate })];
            }
            Event::ConnectionStateChange(state) => return self.state(pc, now, state),
            Event::DataChannel(id) => {
                let label = self.channels.add(pc, id);
                log::say(&self.name, &format!("channel {label:?} open"));
            }
            Event::DataChannelClose(id) => self.channels.remove(id),
            Event::Readable(Readable::Channel(id)) => {
                return self
                    .channels
                    .readable(pc, now, id, &self.name)
                    .into_iter()
                    .map(Outcome::Chat)
                    .collect();
            }
            Event::BufferedAmountLow(id) => self.channels.writable(pc, now, id),
            Event::Readable(Readable::Receiver(id)) => echo::media(pc, now, id, self.mode),
            // The page's decoder is stuck; its encoder is where a key frame can come from.
            Event::KeyFrameRequested(id) => {
                if let Some(mut receiver) = pc.receiver(id) {
                    receiver.request_key_frame(now);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Returns whether the connection will not come back.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.states.last(), Some(ConnectionState::Failed | ConnectionState::Closed))
    }

    /// Returns the states that the connection went through.
    pub(crate) fn states(&self) -> Vec<String> {
        self.states.iter().map(ConnectionState::to_string).collect()
    }

    /// Makes an offer or an answer, whichever is due, and says it.
    fn describe(&self, pc: &mut PeerConnection, now: Instant) -> Vec<Outcome> {
        if let Err(error) = pc.set_local_description(now, None) {
            return vec![self.complain(&error)];
        }
        let Some(description) = pc.local_description() else { return Vec::new() };
        let (call, sdp) = (self.number, description.sdp.as_str());
        vec![say(&if pc.signaling_state() == SignalingState::Stable {
            ToPage::Answer { call, sdp }
        } else {
            ToPage::Offer { call, sdp }
        })]
    }

    fn state(
        &mut self,
        pc: &mut PeerConnection,
        now: Instant,
        state: ConnectionState,
    ) -> Vec<Outcome> {
        self.states.push(state);
        // A page can restart ICE as often as it likes.
        if self.states.len() > MAX_STATES {
            self.states.remove(0);
        }
        match state {
            ConnectionState::Connected => {
                let first = self.connected.is_none();
                let took = *self
                    .connected
                    .get_or_insert_with(|| now.saturating_duration_since(self.started));
                let facts = figures::facts(pc, now, took);
                if first {
                    let what = format!("connected in {} ms   {}", took.as_millis(), facts.line());
                    log::say(&self.name, &what);
                } else {
                    log::say(&self.name, "connected again");
                }
                vec![say(&ToPage::Facts { call: self.number, facts: &facts })]
            }
            ConnectionState::Disconnected => {
                log::say(&self.name, "disconnected: no answer for some seconds");
                Vec::new()
            }
            ConnectionState::Failed => {
                let reason =
                    pc.failure_reason().map_or_else(String::new, |reason| format!(": {reason}"));
                log::say(&self.name, &format!("failed{reason}"));
                vec![Outcome::Failed]
            }
            ConnectionState::Closed => {
                log::say(&self.name, "closed");
                vec![Outcome::Closed]
            }
            _ => Vec::new(),
        }
    }

    fn complain(&self, error: &peerless::Error) -> Outcome {
        let message = error.to_string();
        log::say(&self.name, &message);
        say(&ToPage::Error { message })
    }
}

fn say(message: &ToPage<'_>) -> Outcome {
    Outcome::Say(message.to_json())
}

/// How many states of a connection are remembered.
const MAX_STATES: usize = 64;
