//! The server's first messages.

use rustls::{NamedGroup, ProtocolVersion};
use subtle::ConstantTimeEq;

use crate::crypto::Group;
use crate::dtls::config::Settings;
use crate::dtls::epoch::Epoch;
use crate::dtls::flight::Answer;
use crate::dtls::handshake::{State, Step};
use crate::dtls::message::hello::{ClientHello, Offer13, write_hello_verify_request};
use crate::dtls::message::server_hello::{DOWNGRADE_1_2, Retry};
use crate::dtls::message::{HandshakeType, Message};
use crate::dtls::suite::Suite13;
use crate::dtls::{HandshakeError, LossReaction, Version, v12, v13};

/// ClientHello, the second one if cookies or another key share are asked for.
pub(crate) struct WaitClientHello {
    random: [u8; 32],
    cookie: Cookie,
    /// What our HelloRetryRequest said.
    retried: Option<(Suite13, Group)>,
}

/// Whether a client has to prove its address.
#[derive(Clone, Copy)]
enum Cookie {
    NotAsked,
    /// It has to send this back.
    Asked([u8; 32]),
    /// It has sent back what an acceptor asked for.
    Proved,
}

/// Waits for a client; `cookie` is what it has to send back if cookies are asked for.
pub(crate) fn start(random: [u8; 32], cookie: [u8; 32], settings: &Settings) -> State {
    let cookie = if settings.cookies { Cookie::Asked(cookie) } else { Cookie::NotAsked };
    State::ServerHello(WaitClientHello { random, cookie, retried: None })
}

impl WaitClientHello {
    /// Says that the next ClientHello has a good cookie, and what a HelloRetryRequest said before
    /// it.
    pub(crate) fn address_is_proved(&mut self, retried: Option<(Suite13, Group)>) {
        (self.cookie, self.retried) = (Cookie::Proved, retried);
    }

    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<State, HandshakeError> {
        if message.kind != HandshakeType::ClientHello {
            return Err(HandshakeError::UnexpectedMessage);
        }
        let hello = ClientHello::parse(message.body)?;
        *step.client_random = *hello.random;
        // "A fatal unsupported_extension alert MUST be sent ... if the extension is received when
        // the transport is not QUIC" (RFC 9001 §8.2).
        if hello.extensions.quic {
            return Err(HandshakeError::UnsupportedExtension);
        }
        if step.settings.speaks(Version::Dtls13) && hello.offers_dtls_1_3() {
            return self.handle_1_3(&hello, message, step);
        }
        if self.retried.is_some() {
            return Err(HandshakeError::IllegalParameter);
        }
        if step.settings.speaks(Version::Dtls12) && hello.offers_dtls_1_2() {
            return self.handle_1_2(&hello, message, step);
        }
        Err(HandshakeError::NoCommonVersion)
    }

    fn handle_1_2(
        mut self,
        hello: &ClientHello<'_>,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<State, HandshakeError> {
        if let Cookie::Asked(cookie) = self.cookie
            && !bool::from(hello.cookie.ct_eq(&cookie))
        {
            step.start_flight(Answer::SecondHello);
            step.facts.retries = 1;
            let (epoch, kind) = (Epoch::PLAINTEXT, HandshakeType::HelloVerifyRequest);
            step.flight.untranscribed(epoch, kind, |buf| write_hello_verify_request(buf, &cookie));
            return Ok(State::ServerHello(self));
        }
        // "TLS 1.3 servers which negotiate TLS 1.2 or below in response to a ClientHello MUST set
        // the last 8 bytes of their Random value specially": a client that could do better learns
        // that somebody kept that from us (RFC 8446 §4.1.3).
        if step.settings.speaks(Version::Dtls13)
            && let Some(end) = self.random.last_chunk_mut()
        {
            *end = DOWNGRADE_1_2;
        }
        step.inbox.set_version(Version::Dtls12);
        v12::server::start(self.random, hello, message, step)
    }

    fn handle_1_3(
        mut self,
        hello: &ClientHello<'_>,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<State, HandshakeError> {
        step.inbox.set_version(Version::Dtls13);
        let offer = hello.offer_1_3()?;
        let suite = choose_suite(hello, step.settings)?;
        match self.retried {
            None => {
                step.transcript.add(message.bytes);
                step.transcript.start_1_3(suite.hash());
                let group = choose_group(offer, step.settings)?;
                let share = offer.key_shares.of(group.name().into());
                if !matches!(self.cookie, Cookie::Asked(_))
                    && let Some(share) = share
                {
                    return v13::server::start(&self.random, suite, group, share, hello, step);
                }
                self.retried = Some((suite, group));
                let group = share.is_none().then(|| group.name().into());
                self.send_retry(suite, group, step);
                Ok(State::ServerHello(self))
            }
            Some((retried, group)) => {
                // "If a server receives a ClientHello with an invalid cookie, it MUST terminate
                // the handshake with an illegal_parameter alert" (RFC 9147 §5.1).
                let is_returned = match (&self.cookie, offer.cookie) {
                    (Cookie::NotAsked, None) | (Cookie::Proved, Some(_)) => true,
                    (Cookie::Asked(sent), Some(returned)) => sent.ct_eq(returned).into(),
                    _ => false,
                };
                let share = offer.key_shares.of(group.name().into());
                let Some(share) = share.filter(|_| is_returned && retried.id == suite.id) else {
                    return Err(HandshakeError::IllegalParameter);
                };
                step.transcript.add(message.bytes);
                v13::server::start(&self.random, suite, group, share, hello, step)
            }
        }
    }

    /// Sends a HelloRetryRequest, which is not retransmitted unless the client repeats its hello
    /// ([RFC 9147 §5.8.1](https://www.rfc-editor.org/rfc/rfc9147#section-5.8.1)), or, to an address
    /// that is proved, where nothing but the timer retransmits.
    fn send_retry(&self, suite: Suite13, group: Option<u16>, step: &mut Step<'_>) {
        step.transcript.replace_by_message_hash(suite.hash());
        step.facts.retries = 1;
        let answer = match (&self.cookie, step.settings.loss_reaction) {
            (Cookie::Asked(_), _) | (_, LossReaction::Immediate) => Answer::SecondHello,
            (_, LossReaction::Timer) => Answer::Expected,
        };
        step.start_flight(answer);
        let cookie = match &self.cookie {
            Cookie::Asked(cookie) => Some(&cookie[..]),
            Cookie::NotAsked | Cookie::Proved => None,
        };
        let retry = Retry { cipher_suite: suite.code(), group, cookie };
        step.send(HandshakeType::ServerHello, |buf| retry.write(buf));
    }
}

/// The first suite of ours that the client has.
pub(crate) fn choose_suite(
    hello: &ClientHello<'_>,
    settings: &Settings,
) -> Result<Suite13, HandshakeError> {
    let suites = &settings.suites_1_3;
    let suite = suites.iter().find(|suite| hello.cipher_suites.contains(suite.code()));
    suite.copied().ok_or(HandshakeError::NoCommonCipherSuite)
}

/// The first group of ours that the client has a key share for. One that it only names costs a
/// round trip, which is worth it for the one that quantum computers do not break.
pub(crate) fn choose_group(
    offer: Offer13<'_>,
    settings: &Settings,
) -> Result<Group, HandshakeError> {
    let has = |group: &Group| offer.groups.contains(group.name().into());
    let shares = |group: &Group| offer.key_shares.of(group.name().into()).is_some();
    let groups = || settings.groups_of(ProtocolVersion::TLSv1_3).filter(has);
    let best = groups().next().ok_or(HandshakeError::NoCommonGroup)?;
    if best.name() == NamedGroup::X25519MLKEM768 {
        return Ok(best);
    }
    Ok(groups().find(shares).unwrap_or(best))
}
