//! The server's side of the handshake.

use rustls::crypto::ActiveKeyExchange;
use rustls::{NamedGroup, ProtocolVersion, SignatureScheme};

use super::session::{Negotiated, Session, verify_data};
use super::{check_finished, install, send_finished};
use crate::certificate::{Certificate, PublicKey};
use crate::crypto::Group;
use crate::dtls::config::{ClientAuthentication, Credential, Settings};
use crate::dtls::flight::Answer;
use crate::dtls::handshake::{Client, State as AnyState, Step};
use crate::dtls::message::authentication::{
    Signed, parse_certificate, parse_client_key_exchange, write_certificate,
    write_certificate_request, write_parameters,
};
use crate::dtls::message::hello::{ClientHello, ServerAnswer};
use crate::dtls::message::{HandshakeType, Message};
use crate::dtls::session::Session as AnySession;
use crate::dtls::suite::Suite;
use crate::dtls::{HandshakeError, Role, Version};

/// What the server waits for.
pub(crate) enum State {
    Signature(WaitSignature),
    Certificate(WaitCertificate),
    ClientKeyExchange(WaitClientKeyExchange),
    CertificateVerify(WaitCertificateVerify),
    Finished(WaitFinished),
}

/// Our own signature, in the middle of flight 4.
pub(crate) struct WaitSignature {
    offer: Offer,
    /// What is signed: both randoms, then the group and our public key, as ServerKeyExchange has
    /// them.
    signed_part: Vec<u8>,
}

/// The client's Certificate.
pub(crate) struct WaitCertificate {
    offer: Offer,
}

/// ClientKeyExchange.
pub(crate) struct WaitClientKeyExchange {
    offer: Offer,
    client: Client,
}

/// CertificateVerify.
pub(crate) struct WaitCertificateVerify {
    session: Box<Session>,
}

/// The client's Finished.
pub(crate) struct WaitFinished {
    verify_data: [u8; 12],
}

/// How long both randoms are.
const RANDOMS: usize = 64;

/// What we have said so far.
struct Offer {
    negotiated: Negotiated,
    key_exchange: Box<dyn ActiveKeyExchange>,
}

/// Takes the ClientHello and sends flight 4.
pub(crate) fn start(
    random: [u8; 32],
    hello: &ClientHello<'_>,
    message: Message<'_>,
    step: &mut Step<'_>,
) -> Result<AnyState, HandshakeError> {
    // No compression has to be among what the client can do (RFC 5246 §7.4.1.2), nor points that
    // are not compressed, if it says what it can (RFC 8422 §5.1.2).
    let no_points = hello.extensions.point_formats.is_some_and(|formats| !formats.contains(&0));
    if !hello.compression_methods.contains(&0) || no_points {
        return Err(HandshakeError::IllegalParameter);
    }
    // As the client does: RFC 5746 §3.6.
    if hello.extensions.renegotiation_info.is_some_and(|info| !info.is_empty()) {
        return Err(HandshakeError::Renegotiation);
    }
    let extended_master_secret = hello.extensions.extended_master_secret;
    if !extended_master_secret && step.settings.extended_master_secret_required {
        return Err(HandshakeError::ExtendedMasterSecretMissing);
    }
    let (suite, credential) = choose_suite(hello, step.settings)?;
    let group = choose_group(hello, step.settings)?;
    let srtp_profile = step.choose_srtp_profile(hello.extensions.srtp_profiles);
    step.transcript.start(suite.provider.common.hash_provider);
    step.transcript.add(message.bytes);

    let negotiated = Negotiated {
        suite,
        client_random: *hello.random,
        server_random: random,
        extended_master_secret,
        srtp_profile,
    };
    let connection_id = step.answer_connection_id(hello.extensions.connection_id);
    let answer = ServerAnswer {
        random: &random,
        cipher_suite: suite.code(),
        extended_master_secret,
        connection_id: connection_id.as_deref(),
        secure_renegotiation: hello.offers_secure_renegotiation(),
        point_formats: hello.extensions.point_formats.is_some(),
        srtp_profile: srtp_profile.and_then(|profile| profile.code()),
    };
    send_flight_4(answer, negotiated, group, credential, step)
}

impl State {
    pub(crate) fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        use HandshakeType as Type;
        Ok(AnyState::Server12(match (self, message.kind) {
            (Self::Certificate(state), Type::Certificate) => {
                Self::ClientKeyExchange(state.handle(message, step)?)
            }
            (Self::ClientKeyExchange(state), Type::ClientKeyExchange) => {
                state.handle(message, step)?
            }
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

/// The first certificate of ours that goes with a suite that the client has, with a scheme that the
/// client can verify, and with its curves; of its suites, the first.
fn choose_suite(
    hello: &ClientHello<'_>,
    settings: &Settings,
) -> Result<(Suite, Credential), HandshakeError> {
    let offered = hello.extensions.signature_algorithms;
    let mut missing = HandshakeError::NoCommonCipherSuite;
    for certificate in settings.certificates() {
        let mut suites = settings.suites_of(certificate);
        let Some(suite) = suites.find(|suite| hello.cipher_suites.contains(suite.code())) else {
            continue;
        };
        if !respects_curves(certificate, hello) {
            missing = HandshakeError::NoCommonGroup;
            continue;
        }
        missing = HandshakeError::NoCommonSignatureScheme;
        // Without the extension a client means SHA-1 (RFC 5246 §7.4.1.4.1), which we do not do.
        let Some(offered) = offered else { break };
        let accepts = |scheme: SignatureScheme| {
            offered.contains(scheme.into()) && suite.provider.sign.contains(&scheme)
        };
        if let Some(credential) = Credential::new(certificate, &settings.schemes, accepts) {
            return Ok((*suite, credential));
        }
    }
    Err(missing)
}

/// "If the client has used a Supported Elliptic Curves Extension, the public key in the server's
/// certificate MUST respect the client's choice of elliptic curves"
/// ([RFC 8422 §5.3](https://www.rfc-editor.org/rfc/rfc8422#section-5.3)).
fn respects_curves(certificate: &Certificate, hello: &ClientHello<'_>) -> bool {
    let curve = certificate.public_key().and_then(PublicKey::curve);
    curve
        .zip(hello.extensions.supported_groups)
        .is_none_or(|(curve, offered)| offered.contains(curve.into()))
}

/// The first group of ours that the client has.
fn choose_group(hello: &ClientHello<'_>, settings: &Settings) -> Result<Group, HandshakeError> {
    let offered = hello.extensions.supported_groups;
    settings
        .groups_of(ProtocolVersion::TLSv1_2)
        .find(|group| match offered {
            Some(offered) => offered.contains(group.name().into()),
            // "A client that proposes ECC cipher suites may choose not to include these
            // extensions; in this case, the server is free to choose" (RFC 8422 §4).
            None => group.name() == NamedGroup::secp256r1,
        })
        .ok_or(HandshakeError::NoCommonGroup)
}

/// Sends flight 4, from ServerHello to ServerHelloDone.
fn send_flight_4(
    answer: ServerAnswer<'_>,
    negotiated: Negotiated,
    group: Group,
    credential: Credential,
    step: &mut Step<'_>,
) -> Result<AnyState, HandshakeError> {
    use HandshakeType as Type;
    let key_exchange = group.start().map_err(|_| HandshakeError::Internal)?;
    let public_key = key_exchange.pub_key();
    // Four bytes say which group it is, and how long the key.
    let mut signed_part = Vec::with_capacity(RANDOMS + 4 + public_key.len());
    signed_part.extend_from_slice(&negotiated.client_random);
    signed_part.extend_from_slice(&negotiated.server_random);
    write_parameters(&mut signed_part, group.name().into(), public_key);

    step.start_flight(Answer::Expected);
    step.send(Type::ServerHello, |buf| answer.write(buf));
    step.send(Type::Certificate, |buf| write_certificate(buf, credential.certificate.chain()));
    let signature = step.sign(credential, &signed_part)?;
    let state = WaitSignature { offer: Offer { negotiated, key_exchange }, signed_part };
    match signature {
        Some(signature) => state.sign(&signature, step),
        None => Ok(AnyState::Server12(State::Signature(state))),
    }
}

impl WaitSignature {
    /// Sends the rest of flight 4.
    pub(crate) fn sign(
        self,
        signature: &[u8],
        step: &mut Step<'_>,
    ) -> Result<AnyState, HandshakeError> {
        use HandshakeType as Type;
        let Self { offer, signed_part } = self;
        let signed = step.signed(signature)?;
        step.send(Type::ServerKeyExchange, |buf| {
            buf.extend_from_slice(signed_part.get(RANDOMS..).unwrap_or_default());
            signed.write(buf);
        });
        let settings = step.settings;
        if settings.client_authentication != ClientAuthentication::NotRequested {
            step.send(Type::CertificateRequest, |buf| {
                write_certificate_request(buf, settings.schemes.iter().map(|s| u16::from(*s)));
            });
        }
        step.send(Type::ServerHelloDone, |_| ());
        Ok(AnyState::Server12(match settings.client_authentication {
            ClientAuthentication::Required | ClientAuthentication::Requested => {
                State::Certificate(WaitCertificate { offer })
            }
            ClientAuthentication::NotRequested => {
                step.peer.remain_anonymous();
                step.transcript.forget_messages();
                let client = Client::Anonymous;
                State::ClientKeyExchange(WaitClientKeyExchange { offer, client })
            }
        }))
    }
}

impl WaitCertificate {
    fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<WaitClientKeyExchange, HandshakeError> {
        let client = step.take_client_certificate(parse_certificate(message.body)?)?;
        step.transcript.add(message.bytes);
        Ok(WaitClientKeyExchange { offer: self.offer, client })
    }
}

impl WaitClientKeyExchange {
    /// Agrees on the keys.
    fn handle(self, message: Message<'_>, step: &mut Step<'_>) -> Result<State, HandshakeError> {
        let public_key = parse_client_key_exchange(message.body)?;
        step.transcript.add(message.bytes);
        let Offer { negotiated, key_exchange } = self.offer;
        let session_hash = step.hash()?;
        let session = Session::agree(negotiated, key_exchange, public_key, session_hash.as_ref())?;
        let session = Box::new(session);
        match self.client {
            Client::Certified => Ok(State::CertificateVerify(WaitCertificateVerify { session })),
            Client::Anonymous => WaitFinished::new(session, step).map(State::Finished),
        }
    }
}

impl WaitCertificateVerify {
    fn handle(
        self,
        message: Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<WaitFinished, HandshakeError> {
        let signed = Signed::parse(message.body)?;
        let messages = step.transcript.take_messages();
        step.verify(Version::Dtls12, &signed, &messages)?;
        step.transcript.add(message.bytes);
        WaitFinished::new(self.session, step)
    }
}

impl WaitFinished {
    fn new(session: Box<Session>, step: &mut Step<'_>) -> Result<Self, HandshakeError> {
        let prf = session.prf();
        let verify_data = verify_data(&prf, Role::Client, step.hash()?.as_ref());
        install(session, &prf, Role::Server, step)?;
        Ok(Self { verify_data })
    }

    /// Sends flight 6.
    fn handle(self, message: Message<'_>, step: &mut Step<'_>) -> Result<(), HandshakeError> {
        check_finished(message, &self.verify_data)?;
        step.transcript.add(message.bytes);
        let hash = step.hash()?;
        let Some(AnySession::Dtls12(session)) = &*step.session else {
            return Err(HandshakeError::Internal);
        };
        let verify_data = verify_data(&session.prf(), Role::Server, hash.as_ref());
        step.start_flight(Answer::Last);
        send_finished(&verify_data, step);
        Ok(())
    }
}
