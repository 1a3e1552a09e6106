//! DTLS 1.2: the handshake of each side, state by state, and the protection of records
//! ([RFC 6347](https://www.rfc-editor.org/rfc/rfc6347),
//! [RFC 5246 §7.3](https://www.rfc-editor.org/rfc/rfc5246#section-7.3)).
//!
//! ```text
//! Client                                          Server
//! ClientHello             -------->                           flight 1
//!                         <--------    HelloVerifyRequest     flight 2 (with cookies only)
//! ClientHello             -------->                           flight 3
//!                                             ServerHello  \
//!                                            Certificate   |
//!                                      ServerKeyExchange    > flight 4
//!                                     CertificateRequest   |
//!                         <--------      ServerHelloDone  /
//! Certificate                                             \
//! ClientKeyExchange                                        |
//! CertificateVerify                                         > flight 5
//! [ChangeCipherSpec]                                       |
//! Finished                -------->                       /
//!                                     [ChangeCipherSpec]  \   flight 6
//!                         <--------             Finished  /
//! ```
//!
//! Each state is a struct that is named after the message it waits for. `handle` consumes it and
//! returns the next one, so that a message out of place has no code path.

pub(crate) mod client;
pub(crate) mod protection;
pub(crate) mod server;
pub(crate) mod session;

use rustls::crypto::hash::Output;
use subtle::ConstantTimeEq;

use self::protection::Opener;
use self::session::Session;
use super::config::Settings;
use super::flight::{Answer, Flight};
use super::message::Message;
use super::outgoing::Outgoing;
use super::peer::Peer;
use super::reassembly::Inbox;
use super::transcript::Transcript;
use super::{HandshakeError, Role};

/// The state of either side.
pub(crate) enum State {
    Client(client::State),
    Server(server::State),
    Done,
}

impl State {
    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<Self, HandshakeError> {
        match self {
            Self::Client(state) => state.handle(message, step),
            Self::Server(state) => state.handle(message, step),
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
    fn start_flight(&mut self, answer: Answer) {
        self.flight.start(answer);
        self.inbox.answered();
    }

    /// Takes the agreed keys into use.
    fn install(&mut self, session: Box<Session>, role: Role) -> Result<(), HandshakeError> {
        let (sealer, opener) = session.keys(role, &self.settings.crypto)?;
        self.outgoing.sealer = Some(sealer);
        *self.opener = Some(opener);
        *self.session = Some(session);
        Ok(())
    }

    /// The hash of the transcript so far.
    fn hash(&self) -> Result<Output, HandshakeError> {
        self.transcript.hash().ok_or(HandshakeError::Internal)
    }
}

/// Checks a Finished message.
fn check_finished(message: Message<'_>, expected: &[u8; 12]) -> Result<(), HandshakeError> {
    if message.body.ct_eq(expected).into() { Ok(()) } else { Err(HandshakeError::BadFinished) }
}
