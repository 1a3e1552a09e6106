//! One Binding transaction: what is my address, seen from there?

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;
use tracing::debug;

use crate::fingerprint::Fingerprint;
use crate::message::{Class, ErrorCode, Message, MessageWriter, Method, TransactionId};
use crate::retransmission::{Retransmission, Schedule, Step};
use crate::transport::{Datagram, FiveTuple, Transmit};

/// The settings of a [`Binding`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BindingConfig {
    /// When the request is sent again and when it is given up.
    pub schedule: Schedule,
    /// What SOFTWARE says about us; absent by default, because it tells an attacker what to try.
    pub software: Option<String>,
    /// Whether the request carries FINGERPRINT, which it needs where STUN shares its port with
    /// another protocol. A response with a wrong one is dropped in any case.
    pub fingerprint: bool,
}

/// Asks a STUN server for the address that it sees us at
/// ([RFC 8489 §6](https://www.rfc-editor.org/rfc/rfc8489#section-6)).
///
/// It is an engine of five calls, all of which may come in any order, at any time, and again:
///
/// ```
/// use std::time::Instant;
/// use peerless_stun::{Binding, BindingConfig, BindingEvent, BindingServer, Datagram, FiveTuple};
///
/// # #[expect(clippy::disallowed_methods, reason = "an example of a driver")]
/// let now = Instant::now();
/// let path = FiveTuple::udp("192.168.1.2:5000".parse()?, "192.0.2.1:3478".parse()?);
/// let mut binding = Binding::new(BindingConfig::default(), path, now, [7; 32]);
///
/// let mut buf = Vec::new();
/// let request = binding.poll_transmit(now, &mut buf).expect("the request goes out at once");
///
/// // A server's answer; 203.0.113.9 is what our translator makes of 192.168.1.2.
/// let seen = FiveTuple::udp(path.remote, "203.0.113.9:61000".parse()?);
/// let (mut request, mut buf) = (request.contents.to_vec(), Vec::new());
/// let server = BindingServer::new();
/// let response = server.respond(&Datagram::new(seen, &mut request), &mut buf).expect("a request");
///
/// let mut response = response.contents.to_vec();
/// binding.handle_datagram(now, Datagram::new(path, &mut response));
/// assert_eq!(binding.poll_event(), Some(BindingEvent::Mapped(seen.remote)));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Binding {
    config: BindingConfig,
    path: FiveTuple,
    id: TransactionId,
    /// The newest time seen: an older one is read as this one.
    now: Instant,
    state: State,
    event: Option<BindingEvent>,
    round_trip_time: Option<Duration>,
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The request waits for its response.
    Waiting(Retransmission),
    Mapped(SocketAddr),
    Failed(BindingFailure),
}

impl Binding {
    /// A transaction from `path.local` to the server at `path.remote`; its request goes out with
    /// the first `poll_transmit`. The seed makes the transaction id: 32 bytes of entropy, fresh
    /// for each transaction, for an attacker who can guess the id can answer for the server.
    pub fn new(config: BindingConfig, path: FiveTuple, now: Instant, seed: [u8; 32]) -> Self {
        Self {
            state: State::Waiting(Retransmission::new(config.schedule)),
            config,
            path,
            id: TransactionId::random(&mut ChaCha20Rng::from_seed(seed)),
            now,
            event: None,
            round_trip_time: None,
            dropped: 0,
        }
    }

    /// Takes a datagram in, and gives back what is not a response to this transaction. A response
    /// is known by its transaction id, whatever address it comes from.
    pub fn handle_datagram<'d>(
        &mut self,
        now: Instant,
        datagram: Datagram<'d>,
    ) -> Option<Datagram<'d>> {
        self.advance(now);
        let Ok(message) = Message::parse(datagram.contents) else {
            return Some(datagram);
        };
        if message.transaction_id() != self.id || !message.class().is_response() {
            return Some(datagram);
        }
        self.handle_response(&message);
        None
    }

    fn handle_response(&mut self, message: &Message<'_>) {
        let State::Waiting(retransmission) = &self.state else {
            // The answer to a retransmission, after the answer to the request.
            self.dropped += 1;
            return;
        };
        // "It checks [..] that the message method is [..]; if any errors are detected, the
        // message is silently discarded" (RFC 8489 §6.3), FINGERPRINT's value among them.
        if message.method() != Method::Binding || message.check_fingerprint() == Fingerprint::Wrong
        {
            self.dropped += 1;
            return;
        }
        self.round_trip_time = retransmission.round_trip_time(self.now);
        match Self::judge(message) {
            Ok(address) => {
                debug!(%address, server = %self.path.remote, "mapped");
                self.state = State::Mapped(address);
                self.event = Some(BindingEvent::Mapped(address));
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn judge(message: &Message<'_>) -> Result<SocketAddr, BindingFailure> {
        if message.class() == Class::ErrorResponse {
            let code = message.error_code().map(|error| error.code);
            return Err(BindingFailure::Refused { code });
        }
        // "If the success response contains unknown comprehension-required attributes, the
        // response is discarded and the transaction is considered to have failed"
        // (RFC 8489 §6.3.3).
        if let Some(kind) = message.unknown_required().next() {
            return Err(BindingFailure::UnknownAttribute { kind: kind.number() });
        }
        message
            .xor_mapped_address()
            .or_else(|| message.mapped_address())
            .ok_or(BindingFailure::NoAddress)
    }

    fn fail(&mut self, failure: BindingFailure) {
        debug!(%failure, server = %self.path.remote, "no address");
        self.state = State::Failed(failure);
        self.event = Some(BindingEvent::Failed(failure));
    }

    /// Takes note of the time: a transaction without a response may fail.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        if let State::Waiting(retransmission) = &self.state
            && retransmission.step(self.now) == Step::Fail
        {
            self.fail(BindingFailure::TimedOut);
        }
    }

    /// Appends the request to `buf` when it is due. Append-only: the caller clears the buffer.
    pub fn poll_transmit<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut Vec<u8>,
    ) -> Option<Transmit<'b>> {
        self.advance(now);
        let State::Waiting(retransmission) = &mut self.state else {
            return None;
        };
        if retransmission.step(self.now) != Step::Send {
            return None;
        }
        let mut writer = MessageWriter::new(buf, Class::Request, Method::Binding, self.id);
        if let Some(software) = &self.config.software {
            writer = writer.software(software);
        }
        if self.config.fingerprint {
            writer = writer.fingerprint();
        }
        let range = writer.finish();
        retransmission.sent(self.now);
        Some(Transmit::new(self.path, buf.get(range).unwrap_or_default()))
    }

    /// Returns how it ended, once.
    pub fn poll_event(&mut self) -> Option<BindingEvent> {
        self.event.take()
    }

    /// Returns when to call again: now, when a request is to be sent; at the next retransmission;
    /// `None` when it has ended.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting(retransmission) => match retransmission.step(self.now) {
                Step::Wait(deadline) => Some(deadline),
                Step::Send | Step::Fail => Some(self.now),
            },
            State::Mapped(_) | State::Failed(_) => None,
        }
    }

    /// Returns the address that the server saw, when it has said so.
    pub const fn mapped_address(&self) -> Option<SocketAddr> {
        match self.state {
            State::Mapped(address) => Some(address),
            State::Waiting(_) | State::Failed(_) => None,
        }
    }

    /// Returns why there will be no answer, when that is so.
    pub const fn failure(&self) -> Option<BindingFailure> {
        match self.state {
            State::Failed(failure) => Some(failure),
            State::Waiting(_) | State::Mapped(_) => None,
        }
    }

    /// Returns the round-trip time, when the first request was answered.
    pub const fn round_trip_time(&self) -> Option<Duration> {
        self.round_trip_time
    }

    /// Returns the id of this transaction, by which its response finds it.
    pub const fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// Returns the path that was given.
    pub const fn path(&self) -> FiveTuple {
        self.path
    }

    /// Returns how many responses to this transaction were dropped: damaged ones, and those that
    /// came after the first.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}

/// How a [`Binding`] ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BindingEvent {
    /// The server saw us at this address.
    Mapped(SocketAddr),
    /// There will be no answer.
    Failed(BindingFailure),
}

/// Why a [`Binding`] failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingFailure {
    /// The response has no address.
    #[error("the server's response has no address")]
    NoAddress,
    /// The server refused; [`ErrorCode`] names codes.
    #[error("the server refused with {}", fmt_code(*.code))]
    Refused {
        /// The error code, if the server gave one.
        code: Option<u16>,
    },
    /// No response came.
    #[error("the server did not answer")]
    TimedOut,
    /// The response has an attribute that one must understand to understand the response.
    #[error("the server's response has the unknown attribute {kind:#06x}")]
    UnknownAttribute {
        /// The attribute's type.
        kind: u16,
    },
}

fn fmt_code(code: Option<u16>) -> String {
    match code {
        Some(ErrorCode::TRY_ALTERNATE) => "300 (try another server)".to_owned(),
        Some(code) => code.to_string(),
        None => "an error without a code".to_owned(),
    }
}
