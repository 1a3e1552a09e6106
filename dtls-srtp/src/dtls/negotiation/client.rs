//! The client's first messages.

use rustls::crypto::{ActiveKeyExchange, SharedSecret};
use rustls::{NamedGroup, ProtocolVersion};

use crate::dtls::config::Settings;
use crate::dtls::flight::Answer;
use crate::dtls::handshake::{State, Step};
use crate::dtls::message::hello::{ClientOffer, ServerHello, parse_hello_verify_request};
use crate::dtls::message::server_hello::{Answer13, Retry, Share};
use crate::dtls::message::{HandshakeType, Message};
use crate::dtls::record::DTLS_1_2;
use crate::dtls::suite::Suite13;
use crate::dtls::{HandshakeError, Version, v12, v13};

/// The longest cookie that we send back, in bytes. Those of servers that keep no state have a hash
/// and some parameters.
const MAX_COOKIE: usize = 4096;

/// ServerHello, or HelloVerifyRequest or HelloRetryRequest before it.
pub(crate) struct WaitServerHello {
    random: [u8; 32],
    /// Of HelloVerifyRequests.
    cookies: u8,
    /// What DTLS 1.3 may go on with: of our most preferred group, and of X25519.
    key_exchanges: Vec<Box<dyn ActiveKeyExchange>>,
    /// The suite of a HelloRetryRequest, and whether it named a group.
    retried: Option<(Suite13, bool)>,
}

/// Sends the first ClientHello.
pub(crate) fn start(random: [u8; 32], step: &mut Step<'_>) -> Result<State, HandshakeError> {
    *step.client_random = random;
    let mut state =
        WaitServerHello { random, cookies: 0, key_exchanges: Vec::new(), retried: None };
    if step.settings.speaks(Version::Dtls13) {
        state.start_key_exchanges(step)?;
    }
    state.send_hello(&[], None, step);
    Ok(State::ClientHello(state))
}

impl WaitServerHello {
    /// Makes key shares as browsers do: for the first group, and for X25519, which nearly
    /// everybody has. X25519MLKEM768 has one of X25519 in it, which is then shared.
    fn start_key_exchanges(&mut self, step: &Step<'_>) -> Result<(), HandshakeError> {
        let mut groups = step.settings.groups_of(ProtocolVersion::TLSv1_3);
        let Some(first) = groups.next() else { return Ok(()) };
        let first = first.start().map_err(|_| HandshakeError::Internal)?;
        let has_x25519 = first.group() == NamedGroup::X25519
            || first.hybrid_component().is_some_and(|(name, _)| name == NamedGroup::X25519);
        self.key_exchanges.push(first);
        if !has_x25519 && let Some(x25519) = groups.find(|g| g.name() == NamedGroup::X25519) {
            self.key_exchanges.push(x25519.start().map_err(|_| HandshakeError::Internal)?);
        }
        Ok(())
    }

    fn send_hello(&self, cookie: &[u8], retry_cookie: Option<&[u8]>, step: &mut Step<'_>) {
        let settings = step.settings;
        let mut key_shares: Vec<(u16, &[u8])> = Vec::new();
        for key_exchange in &self.key_exchanges {
            key_shares.push((key_exchange.group().into(), key_exchange.pub_key()));
            if let Some((name, public_key)) = self.shared_component(&**key_exchange, settings) {
                key_shares.push((name.into(), public_key));
            }
        }
        let profiles = &settings.srtp_profiles;
        let connection_id =
            settings.connection_id_len.map(|_| step.incoming.offered_connection_id().to_vec());
        let offer = ClientOffer {
            random: &self.random,
            cookie,
            versions: &settings.versions,
            connection_id: connection_id.as_deref(),
            key_shares: &key_shares,
            retry_cookie,
            extended_master_secret: settings.offers_extended_master_secret(),
            session_tickets: settings.session_tickets,
            cipher_suites: settings.suite_codes(),
            groups: settings.offered_groups().map(|group| group.name().into()),
            signature_algorithms: settings.schemes.iter().map(|scheme| u16::from(*scheme)),
            srtp_profiles: (!profiles.is_empty()).then(|| profiles.iter().filter_map(|p| p.code())),
        };
        step.start_flight(Answer::Expected);
        step.send(HandshakeType::ClientHello, |buf| offer.write(buf));
    }

    /// The share in a hybrid one that is offered by itself as well: not that of a group that we
    /// do not want, nor beside the group that a HelloRetryRequest has named.
    fn shared_component<'k>(
        &self,
        key_exchange: &'k dyn ActiveKeyExchange,
        settings: &Settings,
    ) -> Option<(NamedGroup, &'k [u8])> {
        let regrouped = self.retried.is_some_and(|(_, regrouped)| regrouped);
        let wanted = |name| settings.groups.iter().any(|group| group.name() == name);
        key_exchange.hybrid_component().filter(|(name, _)| !regrouped && wanted(*name))
    }

    /// Completes the key exchange that the server has chosen: its share "MUST be in the same group
    /// as the KeyShareEntry value offered by the client"
    /// ([RFC 8446 §4.2.8](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.8)).
    fn complete(
        mut self,
        share: &Share<'_>,
        settings: &Settings,
    ) -> Result<SharedSecret, HandshakeError> {
        for at in 0..self.key_exchanges.len() {
            let Some(key_exchange) = self.key_exchanges.get(at) else { break };
            let component = self.shared_component(&**key_exchange, settings);
            let whole = u16::from(key_exchange.group()) == share.group;
            if !whole && component.is_none_or(|(name, _)| u16::from(name) != share.group) {
                continue;
            }
            let key_exchange = self.key_exchanges.swap_remove(at);
            let completed = match whole {
                true => key_exchange.complete(share.public_key),
                false => key_exchange.complete_hybrid_component(share.public_key),
            };
            return completed.map_err(|error| HandshakeError::of_exchange(&error));
        }
        Err(HandshakeError::IllegalParameter)
    }

    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<State, HandshakeError> {
        match message.kind {
            HandshakeType::HelloVerifyRequest => self.handle_cookie(message, step),
            HandshakeType::ServerHello => self.handle_hello(message, step),
            _ => Err(HandshakeError::UnexpectedMessage),
        }
    }

    /// Says the same again, with the cookie
    /// ([RFC 6347 §4.2.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1)).
    fn handle_cookie(
        mut self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<State, HandshakeError> {
        /// A server may change its secret while we answer, but not for ever.
        const MAX_COOKIES: u8 = 4;
        let cookie = parse_hello_verify_request(message.body)?;
        self.cookies += 1;
        if self.cookies > MAX_COOKIES || self.retried.is_some() {
            return Err(HandshakeError::UnexpectedMessage);
        }
        // "DTLS 1.3 servers ... MUST NOT send" it (RFC 9147 §5.3).
        if !step.settings.speaks(Version::Dtls12) {
            return Err(HandshakeError::NoCommonVersion);
        }
        step.transcript.restart();
        step.facts.retries += 1;
        self.send_hello(cookie, None, step);
        Ok(State::ClientHello(self))
    }

    fn handle_hello(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<State, HandshakeError> {
        let hello = ServerHello::parse(message.body)?;
        if hello.selects_dtls_1_3() && step.settings.speaks(Version::Dtls13) {
            if self.cookies > 0 {
                return Err(HandshakeError::UnexpectedMessage);
            }
            step.inbox.set_version(Version::Dtls13);
            step.outgoing.version_is_known();
            return match hello.answer_1_3()? {
                Answer13::Retry(retry) => self.handle_retry(retry, message, step),
                Answer13::Hello(share) => {
                    let suite = find_suite(share.cipher_suite, step)?;
                    match self.retried {
                        None => step.transcript.start_1_3(suite.hash()),
                        // "Upon receiving the ServerHello, clients MUST check that the cipher
                        // suite supplied in the ServerHello is the same" (RFC 8446 §4.1.4).
                        Some((retried, _)) if retried.id == suite.id => (),
                        Some(_) => return Err(HandshakeError::IllegalParameter),
                    }
                    step.transcript.add(message.bytes);
                    let shared = self.complete(&share, step.settings)?;
                    v13::client::start(suite, share, &shared, step)
                }
            };
        }
        if self.retried.is_some() {
            return Err(HandshakeError::IllegalParameter);
        }
        if hello.selected_version() != DTLS_1_2 || !step.settings.speaks(Version::Dtls12) {
            return Err(HandshakeError::NoCommonVersion);
        }
        if step.settings.speaks(Version::Dtls13) && hello.is_downgraded() {
            return Err(HandshakeError::Downgraded);
        }
        step.inbox.set_version(Version::Dtls12);
        step.outgoing.version_is_known();
        v12::client::start(self.random, &hello, message, step)
    }

    /// Says the same again, with what the server asks for
    /// ([RFC 8446 §4.1.4](https://www.rfc-editor.org/rfc/rfc8446#section-4.1.4)).
    fn handle_retry(
        mut self,
        retry: Retry<'_>,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<State, HandshakeError> {
        // "a second HelloRetryRequest in the same connection"
        if self.retried.is_some() {
            return Err(HandshakeError::UnexpectedMessage);
        }
        // It goes into our hello, which anybody could make too long to be read: a HelloRetryRequest
        // is not protected.
        if retry.cookie.is_some_and(|cookie| cookie.len() > MAX_COOKIE) {
            return Err(HandshakeError::IllegalParameter);
        }
        let suite = find_suite(retry.cipher_suite, step)?;
        if let Some(name) = retry.group {
            let is_shared = |exchange: &dyn ActiveKeyExchange| {
                let component = self.shared_component(exchange, step.settings);
                u16::from(exchange.group()) == name
                    || component.is_some_and(|(component, _)| u16::from(component) == name)
            };
            let group = step
                .settings
                .groups_of(ProtocolVersion::TLSv1_3)
                .find(|group| u16::from(group.name()) == name)
                .filter(|_| !self.key_exchanges.iter().any(|exchange| is_shared(&**exchange)))
                .ok_or(HandshakeError::IllegalParameter)?;
            self.key_exchanges = vec![group.start().map_err(|_| HandshakeError::Internal)?];
        }
        step.transcript.start_1_3(suite.hash());
        step.transcript.replace_by_message_hash(suite.hash());
        step.transcript.add(message.bytes);
        step.facts.retries += 1;
        self.retried = Some((suite, retry.group.is_some()));
        self.send_hello(&[], retry.cookie, step);
        Ok(State::ClientHello(self))
    }
}

fn find_suite(code: u16, step: &Step<'_>) -> Result<Suite13, HandshakeError> {
    let suite = step.settings.suites_1_3.iter().find(|suite| suite.code() == code);
    suite.copied().ok_or(HandshakeError::IllegalParameter)
}
