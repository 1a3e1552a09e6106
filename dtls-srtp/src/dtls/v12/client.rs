//! The client's side of the handshake.

use rustls::crypto::ActiveKeyExchange;
use rustls::{NamedGroup, ProtocolVersion, SignatureScheme};

use super::session::{Negotiated, Session, verify_data};
use super::{check_finished, install, send_finished};
use crate::certificate::{Certificate, PublicKey};
use crate::crypto::Group;
use crate::dtls::config::{Credential, Settings};
use crate::dtls::flight::Answer;
use crate::dtls::handshake::{State as AnyState, Step};
use crate::dtls::message::authentication::{
    ServerKeyExchange, certificate_type, parse_certificate, parse_certificate_request,
    write_certificate, write_client_key_exchange,
};
use crate::dtls::message::hello::ServerHello;
use crate::dtls::message::{HandshakeType, Message};
use crate::dtls::suite::Authentication;
use crate::dtls::{HandshakeError, Role, Version};

/// What the client waits for.
pub(crate) enum State {
    Certificate(WaitCertificate),
    ServerKeyExchange(WaitServerKeyExchange),
    ServerHelloDone(WaitServerHelloDone),
    Signature(WaitSignature),
    Finished(WaitFinished),
}

/// The server's Certificate.
pub(crate) struct WaitCertificate {
    negotiated: Negotiated,
}

/// ServerKeyExchange.
pub(crate) struct WaitServerKeyExchange {
    negotiated: Negotiated,
}

/// ServerHelloDone, or CertificateRequest before it.
pub(crate) struct WaitServerHelloDone {
    negotiated: Negotiated,
    group: Group,
    public_key: Vec<u8>,
    request: Option<Request>,
}

/// What we answer to a CertificateRequest: nothing if none of our certificates will do, or we
/// remain anonymous.
struct Request(Option<Credential>);

/// Our own signature, in the middle of flight 5.
pub(crate) struct WaitSignature {
    session: Box<Session>,
}

/// The server's Finished.
pub(crate) struct WaitFinished {
    verify_data: [u8; 12],
}

/// Takes the ServerHello.
pub(crate) fn start(
    random: [u8; 32],
    hello: &ServerHello<'_>,
    message: Message<'_>,
    step: &mut Step<'_>,
) -> Result<AnyState, HandshakeError> {
    let suite = *step
        .settings
        .suites
        .iter()
        .find(|suite| suite.code() == hello.cipher_suite)
        .ok_or(HandshakeError::IllegalParameter)?;
    if hello.compression_method != 0 {
        return Err(HandshakeError::IllegalParameter);
    }
    // The first handshake of a connection has nothing to renegotiate: "if it is not, MUST abort the
    // handshake (by sending a fatal handshake_failure alert)" (RFC 5746 §3.4).
    if hello.renegotiation_info.is_some_and(|info| !info.is_empty()) {
        return Err(HandshakeError::Renegotiation);
    }
    if hello.unsolicited {
        return Err(HandshakeError::UnsupportedExtension);
    }
    let srtp_profile = step.check_srtp_answer(hello.srtp_profile)?;
    step.agree_on_connection_id(hello.connection_id)?;
    if !hello.extended_master_secret && step.settings.extended_master_secret_required {
        return Err(HandshakeError::ExtendedMasterSecretMissing);
    }
    step.transcript.start(suite.provider.common.hash_provider);
    step.transcript.add(message.bytes);
    let negotiated = Negotiated {
        suite,
        client_random: random,
        server_random: *hello.random,
        extended_master_secret: hello.extended_master_secret,
        srtp_profile,
    };
    Ok(AnyState::Client12(State::Certificate(WaitCertificate { negotiated })))
}

impl State {
    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        use HandshakeType as Type;
        Ok(AnyState::Client12(match (self, message.kind) {
            (Self::Certificate(state), Type::Certificate) => {
                Self::ServerKeyExchange(state.handle(message, step)?)
            }
            (Self::ServerKeyExchange(state), Type::ServerKeyExchange) => {
                Self::ServerHelloDone(state.handle(message, step)?)
            }
            (Self::ServerHelloDone(state), Type::CertificateRequest) => {
                Self::ServerHelloDone(state.handle_request(message, step)?)
            }
            (Self::ServerHelloDone(state), Type::ServerHelloDone) => {
                return state.handle(message, step);
            }
            (Self::Finished(state), Type::Finished) => {
                check_finished(message, &state.verify_data)?;
                return Ok(AnyState::Done);
            }
            _ => return Err(HandshakeError::UnexpectedMessage),
        }))
    }
}

impl WaitCertificate {
    fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<WaitServerKeyExchange, HandshakeError> {
        let certificate = parse_certificate(message.body)?.ok_or(HandshakeError::NoCertificate)?;
        // "the public key in the server's certificate MUST respect the client's choice of elliptic
        // curves" (RFC 8422 §5.3).
        let curve = PublicKey::of(certificate).and_then(PublicKey::curve);
        if curve.is_some_and(|curve| !step.settings.offered_groups().any(|g| g.name() == curve)) {
            return Err(HandshakeError::UnsupportedCertificate);
        }
        step.peer.set_certificate(certificate)?;
        step.transcript.add(message.bytes);
        Ok(WaitServerKeyExchange { negotiated: self.negotiated })
    }
}

impl WaitServerKeyExchange {
    fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<WaitServerHelloDone, HandshakeError> {
        let Negotiated { suite, client_random, server_random, .. } = &self.negotiated;
        let exchange = ServerKeyExchange::parse(message.body)?;
        let group = NamedGroup::from(exchange.group);
        let group = step
            .settings
            .groups_of(ProtocolVersion::TLSv1_2)
            .find(|offered| offered.name() == group)
            .ok_or(HandshakeError::IllegalParameter)?;
        let scheme = SignatureScheme::from(exchange.signed.scheme);
        if !suite.provider.sign.contains(&scheme) {
            return Err(HandshakeError::IllegalParameter);
        }
        let message_signed = [&client_random[..], server_random, exchange.parameters].concat();
        step.verify(Version::Dtls12, &exchange.signed, &message_signed)?;
        step.transcript.add(message.bytes);
        let public_key = exchange.public_key.to_vec();
        Ok(WaitServerHelloDone { negotiated: self.negotiated, group, public_key, request: None })
    }
}

impl WaitServerHelloDone {
    fn handle_request(
        mut self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<Self, HandshakeError> {
        if self.request.is_some() {
            return Err(HandshakeError::UnexpectedMessage);
        }
        self.request = Some(Request::read(message, step.settings)?);
        step.transcript.add(message.bytes);
        Ok(self)
    }

    /// Sends flight 5 and agrees on the keys.
    fn handle(
        mut self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        if !message.body.is_empty() {
            return Err(HandshakeError::Malformed);
        }
        step.transcript.add(message.bytes);

        step.start_flight(Answer::Expected);
        let credential = match &mut self.request {
            Some(Request(credential)) => {
                let credential = credential.take();
                let chain = credential.iter().flat_map(|credential| credential.certificate.chain());
                step.send(HandshakeType::Certificate, |buf| write_certificate(buf, chain));
                credential
            }
            None => None,
        };
        let key_exchange = self.group.start().map_err(|_| HandshakeError::Internal)?;
        let session = Box::new(self.send_key_exchange(key_exchange, step)?);
        let state = WaitSignature { session };
        let Some(credential) = credential else { return state.finish(step) };
        let messages = step.transcript.take_messages();
        match step.sign(credential, &messages)? {
            Some(signature) => state.sign(&signature, step),
            None => Ok(AnyState::Client12(State::Signature(state))),
        }
    }

    fn send_key_exchange(
        self,
        key_exchange: Box<dyn ActiveKeyExchange>,
        step: &mut Step<'_>,
    ) -> Result<Session, HandshakeError> {
        let kind = HandshakeType::ClientKeyExchange;
        step.send(kind, |buf| {
            write_client_key_exchange(buf, key_exchange.pub_key());
        });
        let session_hash = step.hash()?;
        Session::agree(self.negotiated, key_exchange, &self.public_key, session_hash.as_ref())
    }
}

impl Request {
    /// Chooses our first certificate that the server can use
    /// ([RFC 5246 §7.4.6](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.6)).
    fn read(message: Message<'_>, settings: &Settings) -> Result<Self, HandshakeError> {
        let (certificate_types, schemes) = parse_certificate_request(message.body)?;
        let accepts = |certificate: &&Certificate| {
            let kind = Authentication::of(certificate.algorithm()).map(certificate_type);
            kind.is_some_and(|kind| certificate_types.contains(&kind))
        };
        let accepts_scheme = |scheme: SignatureScheme| schemes.contains(scheme.into());
        if settings.anonymous_client {
            return Ok(Self(None));
        }
        let mut certificates = settings.certificates().filter(accepts);
        Ok(Self(certificates.find_map(|certificate| {
            Credential::new(certificate, &settings.schemes, accepts_scheme)
        })))
    }
}

impl WaitSignature {
    /// Sends the proof that we have the key of our certificate, and the rest of flight 5.
    pub(crate) fn sign(
        self,
        signature: &[u8],
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        let signed = step.signed(signature)?;
        step.send(HandshakeType::CertificateVerify, |buf| signed.write(buf));
        self.finish(step)
    }

    fn finish(self, step: &mut Step<'_>) -> Result<AnyState, HandshakeError> {
        let Self { session } = self;
        step.transcript.forget_messages();
        let prf = session.prf();
        let own = verify_data(&prf, Role::Client, step.hash()?.as_ref());
        send_finished(&own, step);

        let verify_data = verify_data(&prf, Role::Server, step.hash()?.as_ref());
        install(session, &prf, Role::Client, step)?;
        Ok(AnyState::Client12(State::Finished(WaitFinished { verify_data })))
    }
}
