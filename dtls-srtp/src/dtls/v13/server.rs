//! The server's side of the handshake, once a ClientHello has all that it needs.

use super::key_schedule::{Expander, HandshakeExpanders};
use super::session::{Negotiated, Session};
use crate::crypto::Group;
use crate::dtls::config::ClientAuthentication;
use crate::dtls::epoch::Epoch;
use crate::dtls::flight::Answer;
use crate::dtls::handshake::{Client, State as AnyState, Step};
use crate::dtls::message::certificate::{parse_certificate, write_certificate, write_request};
use crate::dtls::message::encrypted_extensions;
use crate::dtls::message::hello::ClientHello;
use crate::dtls::message::server_hello::Share;
use crate::dtls::message::{HandshakeType, Message};
use crate::dtls::session::Session as AnySession;
use crate::dtls::suite::Suite13;
use crate::dtls::{HandshakeError, Role};

/// What the server waits for.
pub(crate) enum State {
    Signature(WaitSignature),
    Certificate(WaitCertificate),
    CertificateVerify(WaitCertificateVerify),
    Finished(WaitFinished),
}

/// Our own signature, in the middle of our flight.
pub(crate) struct WaitSignature {
    negotiated: Negotiated,
    secrets: HandshakeExpanders,
}

/// The client's Certificate.
pub(crate) struct WaitCertificate {
    client: Expander,
}

/// The client's CertificateVerify.
pub(crate) struct WaitCertificateVerify {
    client: Expander,
}

/// The client's Finished.
pub(crate) struct WaitFinished {
    client: Expander,
}

/// Sends our flight. The ClientHello is in the transcript already.
pub(crate) fn start(
    random: &[u8; 32],
    suite: Suite13,
    group: Group,
    public_key: &[u8],
    hello: &ClientHello<'_>,
    step: &mut Step<'_>,
) -> Result<AnyState, HandshakeError> {
    let settings = step.settings;
    let schemes = hello.extensions.signature_algorithms;
    let schemes = schemes.ok_or(HandshakeError::MissingExtension)?;
    let credential = settings
        .credential_1_3(|scheme| schemes.contains(scheme.into()))
        .ok_or(HandshakeError::NoCommonSignatureScheme)?;
    let srtp_profile = step.choose_srtp_profile(hello.extensions.srtp_profiles);

    let exchanged = group
        .start_and_complete(public_key)
        .map_err(|error| HandshakeError::of_exchange(&error))?;
    step.start_flight(Answer::Expected);
    let connection_id = step.answer_connection_id(hello.extensions.connection_id);
    let share = Share {
        cipher_suite: suite.code(),
        group: group.name().into(),
        public_key: &exchanged.pub_key,
        connection_id: connection_id.as_deref(),
    };
    step.send(HandshakeType::ServerHello, |buf| share.write(buf, random));
    let secrets = super::agree(Role::Server, suite, exchanged.secret.secret_bytes(), step)?;

    let epoch = Epoch::HANDSHAKE;
    step.send_in(epoch, HandshakeType::EncryptedExtensions, |buf| {
        encrypted_extensions::write(buf, srtp_profile.and_then(|profile| profile.code()));
    });
    if settings.client_authentication != ClientAuthentication::NotRequested {
        step.send_in(epoch, HandshakeType::CertificateRequest, |buf| {
            write_request(buf, settings.schemes_1_3().map(u16::from));
        });
    }
    step.send_in(epoch, HandshakeType::Certificate, |buf| {
        write_certificate(buf, credential.certificate.chain());
    });
    let negotiated = Negotiated { suite, group: group.name(), srtp_profile };
    let state = WaitSignature { negotiated, secrets };
    match super::sign(Role::Server, credential, step)? {
        Some(signature) => state.sign(&signature, step),
        None => Ok(AnyState::Server13(State::Signature(state))),
    }
}

impl WaitSignature {
    /// Sends the rest of our flight.
    pub(crate) fn sign(
        self,
        signature: &[u8],
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        let Self { negotiated, secrets } = self;
        super::send_certificate_verify(signature, step)?;
        super::send_finished(&secrets.server, step)?;

        let application = secrets.application(step.hash()?.as_ref());
        super::log_application_secrets(&application, step);
        let sealer = application.server.sealer(&step.settings.crypto, Epoch::APPLICATION.0)?;
        step.outgoing.set_application_keys(sealer);
        let session = Session::new(Role::Server, negotiated, application);
        *step.session = Some(AnySession::Dtls13(Box::new(session)));

        let client = secrets.client;
        Ok(AnyState::Server13(match step.settings.client_authentication {
            ClientAuthentication::Required | ClientAuthentication::Requested => {
                State::Certificate(WaitCertificate { client })
            }
            ClientAuthentication::NotRequested => {
                step.peer.remain_anonymous();
                State::Finished(WaitFinished { client })
            }
        }))
    }
}

impl State {
    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        use HandshakeType as Type;
        Ok(AnyState::Server13(match (self, message.kind) {
            (Self::Certificate(state), Type::Certificate) => state.handle(message, step)?,
            (Self::CertificateVerify(state), Type::CertificateVerify) => {
                Self::Finished(state.handle(message, step)?)
            }
            (Self::Finished(state), Type::Finished) => {
                state.handle(message, step)?;
                return Ok(AnyState::Done);
            }
            _ => return Err(HandshakeError::UnexpectedMessage),
        }))
    }
}

impl WaitCertificate {
    fn handle(self, message: Message<'_>, step: &mut Step<'_>) -> Result<State, HandshakeError> {
        let Self { client } = self;
        let next = match step.take_client_certificate(parse_certificate(message.body)?)? {
            Client::Certified => State::CertificateVerify(WaitCertificateVerify { client }),
            Client::Anonymous => State::Finished(WaitFinished { client }),
        };
        step.transcript.add(message.bytes);
        Ok(next)
    }
}

impl WaitCertificateVerify {
    fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<WaitFinished, HandshakeError> {
        super::check_certificate_verify(Role::Client, message, step)?;
        Ok(WaitFinished { client: self.client })
    }
}

impl WaitFinished {
    /// Takes the client's application keys into use, which nothing may be opened with before.
    fn handle(self, message: Message<'_>, step: &mut Step<'_>) -> Result<(), HandshakeError> {
        self.client.check_finished(step.hash()?.as_ref(), message.body)?;
        let Some(AnySession::Dtls13(session)) = &*step.session else {
            return Err(HandshakeError::Internal);
        };
        let epoch = Epoch::APPLICATION.0;
        let opener = session.receiving.opener(&step.settings.crypto, epoch)?;
        step.incoming.set_application_keys(step.now, opener);
        Ok(())
    }
}
