//! What both versions' handshakes share: their state, and what a step of them can change.

use std::time::Instant;

use rustls::SignatureScheme;
use rustls::crypto::hash::Output;

use super::acks::Acks;
use super::codec::U16s;
use super::config::{ClientAuthentication, Credential, Settings};
use super::early::Early;
use super::epoch::Epoch;
use super::flight::{Answer, Flight};
use super::incoming::Incoming;
use super::message::authentication::Signed;
use super::message::extension::SrtpAnswer;
use super::message::{HandshakeType, Message};
use super::outgoing::Outgoing;
use super::peer::Peer;
use super::reassembly::Inbox;
use super::session::Session;
use super::signature::verify;
use super::signing::Signing;
use super::transcript::Transcript;
use super::{HandshakeError, Version, key_log, negotiation, v12, v13};
use crate::certificate::Certificate;
use crate::srtp::Profile;

/// What a handshake needs until it is finished.
pub(crate) struct Handshake {
    pub(crate) state: State,
    pub(crate) inbox: Inbox,
    pub(crate) flight: Flight,
    pub(crate) transcript: Transcript,
    pub(crate) acks: Acks,
    /// Names the connection in a key log.
    pub(crate) client_random: [u8; 32],
    /// Protected records, with their headers, that came before their keys.
    pub(crate) sealed: Early,
    /// What the application has to sign before the state goes on.
    pub(crate) signing: Option<Signing>,
    /// As long as a client has to prove its address: how many bytes more have come than were sent.
    pub(crate) credit: Option<usize>,
}

impl Handshake {
    /// Notes that so many bytes came.
    pub(crate) fn receive(&mut self, bytes: usize) {
        self.credit = self.credit.map(|credit| credit.saturating_add(bytes));
    }

    /// Notes that so many bytes are sent, if they may be. An address that is not proved may be
    /// somebody else's, who is sent no more than was sent in their name: less than what a server
    /// "SHOULD limit" itself to ([RFC 9147 §5.1](https://www.rfc-editor.org/rfc/rfc9147#section-5.1)).
    pub(crate) fn send(&mut self, bytes: usize) -> bool {
        match &mut self.credit {
            None => true,
            Some(credit) => {
                let left = credit.checked_sub(bytes);
                *credit = left.unwrap_or(*credit);
                left.is_some()
            }
        }
    }
}

/// The state of either side.
pub(crate) enum State {
    /// The version is not known yet.
    ClientHello(negotiation::client::WaitServerHello),
    ServerHello(negotiation::server::WaitClientHello),
    Client12(v12::client::State),
    Server12(v12::server::State),
    Client13(v13::client::State),
    Server13(v13::server::State),
    Done,
}

impl State {
    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<Self, HandshakeError> {
        // It "will be ignored by the client if the client is currently negotiating a session", and
        // "MUST NOT be included in the message hashes" (RFC 5246 §7.4.1.1).
        let is_request = message.kind == HandshakeType::HelloRequest && message.body.is_empty();
        if is_request && matches!(self, Self::ClientHello(_) | Self::Client12(_)) {
            return Ok(self);
        }
        match self {
            Self::ClientHello(state) => state.handle(message, step),
            Self::ServerHello(state) => state.handle(message, step),
            Self::Client12(state) => state.handle(message, step),
            Self::Server12(state) => state.handle(message, step),
            Self::Client13(state) => state.handle(message, step),
            Self::Server13(state) => state.handle(message, step),
            Self::Done => Err(HandshakeError::UnexpectedMessage),
        }
    }

    /// Goes on with the signature that the state has asked for.
    pub(crate) fn sign(
        self,
        signature: &[u8],
        step: &mut Step<'_>,
    ) -> Result<Self, HandshakeError> {
        match self {
            Self::Client12(v12::client::State::Signature(state)) => state.sign(signature, step),
            Self::Server12(v12::server::State::Signature(state)) => state.sign(signature, step),
            Self::Client13(v13::client::State::Signature(state)) => state.sign(signature, step),
            Self::Server13(v13::server::State::Signature(state)) => state.sign(signature, step),
            _ => Err(HandshakeError::Internal),
        }
    }
}

/// Whether a client has to prove that it has the key of a certificate.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Client {
    Certified,
    Anonymous,
}

/// What a handshake was like, for whoever asks later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// What we showed.
    pub(crate) certificate: Option<Certificate>,
    /// What we signed with.
    pub(crate) local_scheme: Option<SignatureScheme>,
    /// What the peer signed with.
    pub(crate) remote_scheme: Option<SignatureScheme>,
    /// How many more hellos it took than one.
    pub(crate) retries: u8,
    /// When the cookie was made that an acceptor took, in its seconds.
    pub(crate) cookie_made: u32,
}

/// What a step can see and change besides its own state.
pub(crate) struct Step<'s> {
    pub(crate) now: Instant,
    pub(crate) settings: &'s Settings,
    pub(crate) transcript: &'s mut Transcript,
    pub(crate) flight: &'s mut Flight,
    pub(crate) inbox: &'s mut Inbox,
    pub(crate) acks: &'s mut Acks,
    pub(crate) signing: &'s mut Option<Signing>,
    pub(crate) outgoing: &'s mut Outgoing,
    pub(crate) incoming: &'s mut Incoming,
    pub(crate) peer: &'s mut Peer,
    pub(crate) facts: &'s mut Facts,
    pub(crate) client_random: &'s mut [u8; 32],
    /// Where the step that agrees on keys puts them.
    pub(crate) session: &'s mut Option<Session>,
}

impl Step<'_> {
    /// Begins a flight that answers all that came so far.
    pub(crate) fn start_flight(&mut self, answer: Answer) {
        self.flight.start(answer);
        self.inbox.answered();
        self.acks.clear();
    }

    /// Signs `message`, if the key of the certificate can do that at once. If not, the application
    /// is asked, and nothing of the flight is sent until it answers.
    pub(crate) fn sign(
        &mut self,
        credential: Credential,
        message: &[u8],
    ) -> Result<Option<Vec<u8>>, HandshakeError> {
        let Credential { certificate, scheme } = credential;
        self.facts.local_scheme = Some(scheme);
        let certificate = self.facts.certificate.insert(certificate);
        if certificate.is_external() {
            self.flight.hold();
            *self.signing = Some(Signing { scheme, message: message.to_vec() });
            return Ok(None);
        }
        let signer = certificate.signer(scheme).ok_or(HandshakeError::Internal)?;
        signer.sign(message).map(Some).map_err(|_| HandshakeError::Internal)
    }

    /// The scheme of the signature that was made.
    pub(crate) fn signed<'a>(&self, signature: &'a [u8]) -> Result<Signed<'a>, HandshakeError> {
        let scheme = self.facts.local_scheme.ok_or(HandshakeError::Internal)?;
        // No longer than its vector can be; those that are real have some hundred bytes.
        if signature.len() > u16::MAX.into() {
            return Err(HandshakeError::Internal);
        }
        Ok(Signed { scheme: scheme.into(), signature })
    }

    /// Checks that the peer has signed `message` with the key of its certificate.
    pub(crate) fn verify(
        &mut self,
        version: Version,
        signed: &Signed<'_>,
        message: &[u8],
    ) -> Result<(), HandshakeError> {
        let scheme = SignatureScheme::from(signed.scheme);
        if !self.settings.schemes.contains(&scheme) {
            return Err(HandshakeError::IllegalParameter);
        }
        let certificate = self.peer.certificate().ok_or(HandshakeError::Internal)?;
        let provider = &self.settings.crypto.handshake;
        verify(version, provider, scheme, certificate, message, signed.signature)?;
        self.facts.remote_scheme = Some(scheme);
        Ok(())
    }

    /// Takes the SRTP profile that a server has answered with, if any: it has to be one that we
    /// have offered ([RFC 5764 §4.1.1](https://www.rfc-editor.org/rfc/rfc5764#section-4.1.1)).
    pub(crate) fn check_srtp_answer(
        &self,
        answer: Option<SrtpAnswer<'_>>,
    ) -> Result<Option<Profile>, HandshakeError> {
        let offered = &self.settings.srtp_profiles;
        let Some(answer) = answer else { return Ok(None) };
        if offered.is_empty() {
            return Err(HandshakeError::UnsupportedExtension);
        }
        Profile::from_code(answer.profile)
            .filter(|profile| offered.contains(profile) && answer.mki.is_empty())
            .map(Some)
            .ok_or(HandshakeError::IllegalParameter)
    }

    /// The first of our SRTP profiles that a client has offered.
    pub(crate) fn choose_srtp_profile(&self, offered: Option<U16s<'_>>) -> Option<Profile> {
        let is_offered = |code| offered.is_some_and(|offered| offered.contains(code));
        let mut profiles = self.settings.srtp_profiles.iter().copied();
        profiles.find(|profile| profile.code().is_some_and(is_offered))
    }

    /// Takes a client's certificate, or that it shows none.
    pub(crate) fn take_client_certificate(
        &mut self,
        certificate: Option<&[u8]>,
    ) -> Result<Client, HandshakeError> {
        match certificate {
            Some(certificate) => {
                self.peer.set_certificate(certificate)?;
                Ok(Client::Certified)
            }
            None if self.settings.client_authentication == ClientAuthentication::Requested => {
                self.peer.remain_anonymous();
                Ok(Client::Anonymous)
            }
            None => Err(HandshakeError::NoCertificate),
        }
    }

    /// Adds a message without protection to the flight and to the transcript.
    pub(crate) fn send(&mut self, kind: HandshakeType, body: impl FnOnce(&mut Vec<u8>)) {
        self.send_in(Epoch::PLAINTEXT, kind, body);
    }

    /// Adds a message to the flight and to the transcript.
    pub(crate) fn send_in(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.flight.message(self.transcript, epoch, kind, body);
    }

    /// Agrees on connection ids with a client, and gives back what to answer
    /// ([RFC 9146 §3](https://www.rfc-editor.org/rfc/rfc9146#section-3)).
    pub(crate) fn answer_connection_id(&mut self, theirs: Option<&[u8]>) -> Option<Vec<u8>> {
        match theirs.filter(|_| self.settings.connection_id_len.is_some()) {
            Some(theirs) => {
                self.outgoing.set_connection_id(theirs);
                self.incoming.expect_connection_id();
                Some(self.incoming.offered_connection_id().to_vec())
            }
            None => {
                self.incoming.forget_connection_id();
                None
            }
        }
    }

    /// Takes a server's answer to our offer of connection ids.
    pub(crate) fn agree_on_connection_id(
        &mut self,
        theirs: Option<&[u8]>,
    ) -> Result<(), HandshakeError> {
        match theirs {
            Some(_) if self.settings.connection_id_len.is_none() => {
                return Err(HandshakeError::UnsupportedExtension);
            }
            Some(theirs) => {
                self.outgoing.set_connection_id(theirs);
                self.incoming.expect_connection_id();
            }
            None => self.incoming.forget_connection_id(),
        }
        Ok(())
    }

    /// Tells a secret to the key log, if there is one.
    pub(crate) fn log_secret(&self, label: &str, secret: &[u8]) {
        if let Some(log) = &self.settings.key_log {
            key_log::log(&**log, label, self.client_random, secret);
        }
    }

    /// The hash of the transcript so far.
    pub(crate) fn hash(&mut self) -> Result<Output, HandshakeError> {
        self.transcript.hash().ok_or(HandshakeError::Internal)
    }
}
