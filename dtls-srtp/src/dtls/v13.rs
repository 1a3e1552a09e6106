//! DTLS 1.3 ([RFC 9147](https://www.rfc-editor.org/rfc/rfc9147)), which is TLS 1.3
//! ([RFC 8446](https://www.rfc-editor.org/rfc/rfc8446)) over datagrams.
//!
//! ```text
//! Client                                          Server
//! ClientHello             -------->                           flight 1
//!                         <--------     HelloRetryRequest     (if there must be a cookie or
//! ClientHello             -------->                            another key share)
//!                                             ServerHello  \
//!                                   {EncryptedExtensions}   |
//!                                    {CertificateRequest}   |
//!                                           {Certificate}    > flight 2
//!                                     {CertificateVerify}   |
//!                         <--------            {Finished}  /
//! {Certificate}                                           \
//! {CertificateVerify}                                      > flight 3
//! {Finished}              -------->                       /
//! [Application Data]      -------->
//!                         <--------                 [ACK]
//!
//! {} epoch 2, [] epoch 3
//! ```
//!
//! Each state is a struct that is named after the message it waits for. `handle` consumes it and
//! returns the next one, so that a message out of place has no code path.

pub(crate) mod ack;
pub(crate) mod client;
pub(crate) mod handshake_opener;
pub(crate) mod key_schedule;
pub(crate) mod post_handshake;
pub(crate) mod protection;
pub(crate) mod record;
pub(crate) mod server;
pub(crate) mod session;

use self::key_schedule::{ApplicationSecrets, Expander, HandshakeExpanders, HandshakeSecrets};
use super::config::Credential;
use super::epoch::Epoch;
use super::handshake::Step;
use super::message::authentication::Signed;
use super::message::certificate::signed_content;
use super::message::{HandshakeType, Message};
use super::suite::Suite13;
use super::{HandshakeError, Role, Version};

/// Which record: of which keys, and which of theirs
/// ([RFC 9147 §4](https://www.rfc-editor.org/rfc/rfc9147#section-4)).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct RecordNumber {
    pub(crate) epoch: u64,
    pub(crate) sequence_number: u64,
}

/// Takes the handshake keys into use that come of a key exchange. The transcript ends with
/// ServerHello.
fn agree(
    role: Role,
    suite: Suite13,
    shared_secret: &[u8],
    step: &mut Step<'_>,
) -> Result<HandshakeExpanders, HandshakeError> {
    let secrets = HandshakeSecrets::new(suite, shared_secret, step.hash()?.as_ref());
    step.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", secrets.client.bytes());
    step.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", secrets.server.bytes());
    let secret = match role {
        Role::Client => secrets.server.clone(),
        Role::Server => secrets.client.clone(),
    };
    let secrets = secrets.expand();
    let (ours, theirs) = match role {
        Role::Client => (&secrets.client, &secrets.server),
        Role::Server => (&secrets.server, &secrets.client),
    };
    let (crypto, epoch) = (&step.settings.crypto, Epoch::HANDSHAKE.0);
    step.outgoing.set_handshake_keys(ours.sealer(crypto, epoch)?);
    step.incoming.set_handshake_keys(secret, theirs.opener(crypto, epoch)?);
    step.inbox.expect_protection();
    Ok(secrets)
}

fn log_application_secrets(secrets: &ApplicationSecrets, step: &Step<'_>) {
    step.log_secret("CLIENT_TRAFFIC_SECRET_0", secrets.client.bytes());
    step.log_secret("SERVER_TRAFFIC_SECRET_0", secrets.server.bytes());
    step.log_secret("EXPORTER_SECRET", secrets.exporter.bytes());
}

/// Signs that we have the key of our certificate; `None` if the application has to.
fn sign(
    role: Role,
    credential: Credential,
    step: &mut Step<'_>,
) -> Result<Option<Vec<u8>>, HandshakeError> {
    let content = signed_content(role, step.hash()?.as_ref());
    step.sign(credential, &content)
}

/// Adds CertificateVerify to the flight.
fn send_certificate_verify(signature: &[u8], step: &mut Step<'_>) -> Result<(), HandshakeError> {
    let signed = step.signed(signature)?;
    step.send_in(Epoch::HANDSHAKE, HandshakeType::CertificateVerify, |buf| signed.write(buf));
    Ok(())
}

/// Checks that the peer has the key of its certificate.
fn check_certificate_verify(
    sender: Role,
    message: Message<'_>,
    step: &mut Step<'_>,
) -> Result<(), HandshakeError> {
    let content = signed_content(sender, step.hash()?.as_ref());
    step.verify(Version::Dtls13, &Signed::parse(message.body)?, &content)?;
    step.transcript.add(message.bytes);
    Ok(())
}

/// Adds our Finished to the flight.
fn send_finished(secret: &Expander, step: &mut Step<'_>) -> Result<(), HandshakeError> {
    let verify_data = secret.verify_data(step.hash()?.as_ref());
    step.send_in(Epoch::HANDSHAKE, HandshakeType::Finished, |buf| {
        buf.extend_from_slice(verify_data.as_ref());
    });
    Ok(())
}
