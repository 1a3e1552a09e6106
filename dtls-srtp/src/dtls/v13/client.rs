//! The client's side of the handshake, from ServerHello on.

use rustls::crypto::SharedSecret;

use super::key_schedule::{ApplicationSecrets, Expander, HandshakeExpanders};
use super::session::{Negotiated, Session};
use crate::dtls::config::Credential;
use crate::dtls::epoch::Epoch;
use crate::dtls::flight::Answer;
use crate::dtls::handshake::{State as AnyState, Step};
use crate::dtls::message::certificate::{parse_certificate, parse_request, write_certificate};
use crate::dtls::message::encrypted_extensions::EncryptedExtensions;
use crate::dtls::message::server_hello::Share;
use crate::dtls::message::{HandshakeType, Message};
use crate::dtls::session::Session as AnySession;
use crate::dtls::suite::Suite13;
use crate::dtls::{HandshakeError, LossReaction, Role};

/// What the client waits for.
pub(crate) enum State {
    EncryptedExtensions(WaitEncryptedExtensions),
    Certificate(WaitCertificate),
    CertificateVerify(WaitCertificateVerify),
    Finished(WaitFinished),
    Signature(Box<WaitSignature>),
}

/// EncryptedExtensions.
pub(crate) struct WaitEncryptedExtensions {
    negotiated: Negotiated,
    secrets: HandshakeExpanders,
}

/// The server's Certificate, or CertificateRequest before it.
pub(crate) struct WaitCertificate {
    negotiated: Negotiated,
    secrets: HandshakeExpanders,
    request: Option<Request>,
}

/// What we answer to a CertificateRequest: nothing if we remain anonymous, or the server could not
/// verify what we sign.
struct Request(Option<Credential>);

/// The server's CertificateVerify.
pub(crate) struct WaitCertificateVerify(WaitCertificate);

/// The server's Finished.
pub(crate) struct WaitFinished(WaitCertificate);

/// Our own signature, in the middle of our flight.
pub(crate) struct WaitSignature {
    negotiated: Negotiated,
    secret: Expander,
    application: ApplicationSecrets,
}

/// Takes the ServerHello, which is in the transcript already, and agrees on the handshake keys.
pub(crate) fn start(
    suite: Suite13,
    share: Share<'_>,
    shared: &SharedSecret,
    step: &mut Step<'_>,
) -> Result<AnyState, HandshakeError> {
    step.agree_on_connection_id(share.connection_id)?;
    let secrets = super::agree(Role::Client, suite, shared.secret_bytes(), step)?;
    if step.settings.loss_reaction == LossReaction::Immediate {
        step.flight.was_answered(step.now, LossReaction::Immediate);
    }
    let negotiated = Negotiated { suite, group: share.group.into(), srtp_profile: None };
    let state = WaitEncryptedExtensions { negotiated, secrets };
    Ok(AnyState::Client13(State::EncryptedExtensions(state)))
}

impl State {
    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        use HandshakeType as Type;
        Ok(AnyState::Client13(match (self, message.kind) {
            (Self::EncryptedExtensions(state), Type::EncryptedExtensions) => {
                Self::Certificate(state.handle(message, step)?)
            }
            (Self::Certificate(state), Type::CertificateRequest) => {
                Self::Certificate(state.handle_request(message, step)?)
            }
            (Self::Certificate(state), Type::Certificate) => {
                Self::CertificateVerify(state.handle(message, step)?)
            }
            (Self::CertificateVerify(state), Type::CertificateVerify) => {
                Self::Finished(state.handle(message, step)?)
            }
            (Self::Finished(state), Type::Finished) => return state.handle(message, step),
            _ => return Err(HandshakeError::UnexpectedMessage),
        }))
    }
}

impl WaitEncryptedExtensions {
    fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<WaitCertificate, HandshakeError> {
        let extensions = EncryptedExtensions::parse(message.body)?;
        let srtp_profile = step.check_srtp_answer(extensions.srtp_profile)?;
        step.transcript.add(message.bytes);
        let negotiated = Negotiated { srtp_profile, ..self.negotiated };
        Ok(WaitCertificate { negotiated, secrets: self.secrets, request: None })
    }
}

impl WaitCertificate {
    fn handle_request(
        mut self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<Self, HandshakeError> {
        if self.request.is_some() {
            return Err(HandshakeError::UnexpectedMessage);
        }
        let schemes = parse_request(message.body)?;
        let credential = match step.settings.anonymous_client {
            true => None,
            false => step.settings.credential_1_3(|scheme| schemes.contains(scheme.into())),
        };
        self.request = Some(Request(credential));
        step.transcript.add(message.bytes);
        Ok(self)
    }

    fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<WaitCertificateVerify, HandshakeError> {
        // "The server's certificate_list MUST always be non-empty ... the client MUST abort the
        // handshake with a decode_error alert" (RFC 8446 §4.4.2.4).
        let certificate = parse_certificate(message.body)?.ok_or(HandshakeError::Malformed)?;
        step.peer.set_certificate(certificate)?;
        step.transcript.add(message.bytes);
        Ok(WaitCertificateVerify(self))
    }
}

impl WaitCertificateVerify {
    fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<WaitFinished, HandshakeError> {
        super::check_certificate_verify(Role::Server, message, step)?;
        Ok(WaitFinished(self.0))
    }
}

impl WaitFinished {
    /// Sends our flight: who we are, if the server asked, and Finished.
    fn handle(self, message: Message<'_>, step: &mut Step<'_>) -> Result<AnyState, HandshakeError> {
        let WaitCertificate { negotiated, secrets, request } = self.0;
        secrets.server.check_finished(step.hash()?.as_ref(), message.body)?;
        step.transcript.add(message.bytes);
        let application = secrets.application(step.hash()?.as_ref());
        super::log_application_secrets(&application, step);

        // An ACK answers it.
        step.start_flight(Answer::Expected);
        let credential = request.and_then(|Request(credential)| {
            let chain = credential.iter().flat_map(|credential| credential.certificate.chain());
            step.send_in(Epoch::HANDSHAKE, HandshakeType::Certificate, |buf| {
                write_certificate(buf, chain);
            });
            credential
        });
        let state = WaitSignature { negotiated, secret: secrets.client, application };
        let Some(credential) = credential else { return state.finish(step) };
        match super::sign(Role::Client, credential, step)? {
            Some(signature) => state.sign(&signature, step),
            None => Ok(AnyState::Client13(State::Signature(Box::new(state)))),
        }
    }
}

impl WaitSignature {
    /// Sends the proof that we have the key of our certificate, and the rest of our flight.
    pub(crate) fn sign(
        self,
        signature: &[u8],
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        super::send_certificate_verify(signature, step)?;
        self.finish(step)
    }

    fn finish(self, step: &mut Step<'_>) -> Result<AnyState, HandshakeError> {
        let Self { negotiated, secret, application } = self;
        super::send_finished(&secret, step)?;
        let crypto = &step.settings.crypto;
        let epoch = Epoch::APPLICATION.0;
        step.outgoing.set_application_keys(application.client.sealer(crypto, epoch)?);
        step.incoming.set_application_keys(step.now, application.server.opener(crypto, epoch)?);
        let session = Session::new(Role::Client, negotiated, application);
        *step.session = Some(AnySession::Dtls13(Box::new(session)));
        Ok(AnyState::Done)
    }
}
