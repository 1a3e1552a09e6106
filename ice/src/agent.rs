//! The agent: its fields and the five calls. Each procedure of the RFC is a file below.

mod check;
mod consent;
mod embed;
mod gather;
mod nominate;
mod pairing;
mod respond;
mod restart;
mod role;
mod schedule;
mod status;
mod view;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use stun::{Class, Datagram, Fingerprint, FiveTuple, Message, Method, Transmit};

use crate::config::Config;
use crate::counters::Counters;
use crate::credentials::Credentials;
use crate::event::{ConnectionState, Event};
use crate::paths::Paths;
use crate::stream::{Component, ComponentId, Owed, Role, Session, Stream, StreamId};
use consent::MAX_LATENESS;
use gather::Gatherer;

/// An ICE agent: gathers candidates, checks pairs of them, and keeps the best path alive.
///
/// It does no IO and reads no clock. Give it what arrives, send what it makes, and call it when
/// it asks; any call in any order is legal. [`crate`] has a complete example.
pub struct Agent {
    context: Context,
    streams: Vec<Stream>,
    next_stream: u16,
    gatherer: Gatherer,
    paths: Paths,
    responses: VecDeque<Owed>,
    /// The stream whose turn it is to send an ordinary check.
    turn: usize,
    state: ConnectionState,
    reported_state: ConnectionState,
    /// Some component is disconnected, so that data may reconnect it.
    any_disconnected: bool,
    /// Something may be waiting for `poll_event`.
    events_unread: bool,
    /// When `poll_transmit` has something to send, or will have.
    transmit_at: Option<Instant>,
    /// When `handle_timeout` has something to do.
    timeout_at: Option<Instant>,
}

/// What all streams of an agent share.
#[derive(Debug)]
struct Context {
    config: Config,
    role: Role,
    role_unread: bool,
    remote_lite: bool,
    tie_breaker: u64,
    rng: ChaCha20Rng,
    /// The newest time that a call told.
    now: Instant,
    /// The shortest round-trip time measured since the last restart.
    best_round_trip_time: Option<Duration>,
    /// When the next ordinary check may go out.
    pacer: Instant,
    next_pair: u32,
    next_generation: u32,
    next_triggered: u64,
    counters: Counters,
}

impl Context {
    /// How long transmission number `transmissions` of a check waits for its answer.
    ///
    /// The first waits for 250 ms, or for 1.5 × the best round-trip time once one is known; each
    /// later one twice as long as the one before.
    fn retransmission_interval(&self, transmissions: u8) -> Duration {
        let config = &self.config;
        let first = match self.best_round_trip_time {
            None => config.first_retransmission,
            Some(measured) => (measured + measured / 2).max(config.min_retransmission),
        };
        let doubled = first.saturating_mul(1 << (transmissions.clamp(1, 16) - 1));
        doubled.min(config.max_retransmission.max(first))
    }
}

impl Agent {
    /// Creates an agent without streams.
    ///
    /// `seed` decides its credentials, tie-breaker and transaction ids: 32 bytes of entropy, and
    /// a secret, except in tests.
    pub fn new(config: Config, role: Role, now: Instant, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let tie_breaker = rng.next_u64();
        Self {
            context: Context {
                config: config.bounded(),
                role,
                role_unread: false,
                remote_lite: false,
                tie_breaker,
                rng,
                now,
                best_round_trip_time: None,
                pacer: now,
                next_pair: 0,
                next_generation: 0,
                next_triggered: 0,
                counters: Counters::default(),
            },
            streams: Vec::new(),
            next_stream: 0,
            gatherer: Gatherer::default(),
            paths: Paths::default(),
            responses: VecDeque::new(),
            turn: 0,
            state: ConnectionState::New,
            reported_state: ConnectionState::New,
            any_disconnected: false,
            events_unread: false,
            transmit_at: None,
            timeout_at: None,
        }
    }

    /// Adds a data stream of `components` components (1 with RTCP multiplexed), with
    /// credentials of its own.
    pub fn add_stream(&mut self, now: Instant, components: u8) -> StreamId {
        let credentials = self.generate_credentials();
        self.add_stream_with(now, components, credentials)
    }

    /// The same with credentials that [`generate_credentials`](Self::generate_credentials) gave.
    pub fn add_stream_with(
        &mut self,
        now: Instant,
        components: u8,
        credentials: Credentials,
    ) -> StreamId {
        self.advance(now);
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        let session = self.new_session(Some(credentials));
        // Most agents have one stream, and a stream is large: no room for four.
        self.streams.reserve_exact(1);
        self.streams.push(Stream {
            id,
            local: Vec::new(),
            announced: 0,
            components: (1..=components.max(1)).map(Component::new).collect(),
            session,
            replaced: None,
            previous: None,
            state: ConnectionState::New,
            reported_state: ConnectionState::New,
        });
        self.settle();
        id
    }

    /// Removes a stream with all that belongs to it.
    pub fn remove_stream(&mut self, now: Instant, id: StreamId) {
        self.advance(now);
        self.streams.retain(|stream| stream.id != id);
        self.paths.retain(|path| path.component.stream != id);
        self.responses.retain(|owed| owed.stream != id);
        self.forget_unused_queries();
        self.settle();
    }

    /// Takes a datagram that arrived.
    ///
    /// STUN is the agent's own. Application data comes back with the component that it belongs
    /// to, borrowed from the same buffer, if an authenticated check has proved its path in either
    /// direction; other data is dropped and counted.
    pub fn handle_datagram<'d>(
        &mut self,
        now: Instant,
        datagram: Datagram<'d>,
    ) -> Option<(ComponentId, Datagram<'d>)> {
        let now = self.advance(now);
        if stun::is_stun(datagram.contents) {
            self.handle_message(now, &datagram.path, datagram.contents);
            self.settle();
            return None;
        }
        let Some(component) = self.paths.hear(now, &datagram.path) else {
            self.context.counters.unproved_paths += 1;
            return None;
        };
        if self.any_disconnected {
            self.settle();
        }
        Some((component, datagram))
    }

    fn handle_message(&mut self, now: Instant, path: &FiveTuple, contents: &[u8]) {
        let Ok(message) = Message::parse(contents) else {
            self.context.counters.malformed += 1;
            return;
        };
        if message.method() != Method::Binding || message.check_fingerprint() == Fingerprint::Wrong
        {
            self.context.counters.malformed += 1;
            return;
        }
        match message.class() {
            Class::Request => self.handle_request(now, path, contents.len(), &message),
            Class::SuccessResponse | Class::ErrorResponse => {
                self.handle_response(now, path, &message);
            }
            // A keepalive of RFC 8445 §11: it has done its work on the way.
            Class::Indication => {}
        }
    }

    /// Fires the timers that are due, in the order of their deadlines.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        if self.timeout_at.is_none_or(|at| at > now) {
            return;
        }
        while let Some((at, timer)) = self.earliest_timer()
            && at <= now
        {
            self.fire(now, timer);
            self.update_streams();
        }
        self.settle();
    }

    /// Makes the next datagram to send, appended to `buf`.
    pub fn poll_transmit<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut Vec<u8>,
    ) -> Option<Transmit<'b>> {
        let now = self.advance(now);
        if self.transmit_at.is_none_or(|at| at > now) {
            return None;
        }
        let start = buf.len();
        let mut path = None;
        while path.is_none()
            && let Some((at, send)) = self.next_send()
            && at <= now
        {
            path = self.write(now, send, buf);
        }
        self.settle();
        Some(Transmit::new(path?, buf.get(start..)?))
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        if !self.events_unread {
            return None;
        }
        let event = self.next_event();
        self.events_unread = event.is_some();
        event
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout) and
    /// [`poll_transmit`](Self::poll_transmit); `None` when there is nothing to wait for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        // What could be sent since an earlier time can be sent now.
        let transmit_at = self.transmit_at.map(|at| at.max(self.context.now));
        match (transmit_at, self.timeout_at) {
            (Some(transmit), Some(timeout)) => Some(transmit.min(timeout)),
            (transmit, timeout) => transmit.or(timeout),
        }
    }

    /// Ends everything: nothing is sent or accepted any more. The other side notices by its own
    /// consent checks, unless a protocol above says goodbye.
    pub fn close(&mut self, now: Instant) {
        self.advance(now);
        self.state = ConnectionState::Closed;
        self.streams = Vec::new();
        self.gatherer = Gatherer::default();
        self.paths.retain(|_| false);
        self.responses = VecDeque::new();
        self.settle();
    }

    /// Takes note of the time; an older one is read as the newest seen.
    fn advance(&mut self, now: Instant) -> Instant {
        let late = self.poll_timeout().map(|due| now.saturating_duration_since(due));
        self.context.now = self.context.now.max(now);
        if late.is_some_and(|late| late > MAX_LATENESS) {
            self.wake_up();
        }
        self.context.now
    }

    fn new_session(&mut self, credentials: Option<Credentials>) -> Session {
        let generation = self.context.next_generation;
        self.context.next_generation += 1;
        let credentials = credentials.unwrap_or_else(|| self.generate_credentials());
        Session::new(generation, credentials)
    }

    fn stream_index(&self, id: StreamId) -> Option<usize> {
        self.streams.iter().position(|stream| stream.id == id)
    }

    fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.id == id)
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("role", &self.context.role)
            .field("state", &self.state)
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}
