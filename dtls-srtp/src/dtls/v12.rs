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

use subtle::ConstantTimeEq;

use self::session::Session;
use super::epoch::Epoch;
use super::handshake::Step;
use super::message::{HandshakeType, Message};
use super::session::Session as AnySession;
use super::{HandshakeError, Role};
use crate::crypto::KeyedPrf;

/// Takes the agreed keys into use.
fn install(
    session: Box<Session>,
    prf: &KeyedPrf,
    role: Role,
    step: &mut Step<'_>,
) -> Result<(), HandshakeError> {
    step.log_secret("CLIENT_RANDOM", session.master_secret());
    let (sealer, opener) = session.keys(prf, role, &step.settings.crypto)?;
    step.outgoing.set_keys_1_2(sealer);
    step.incoming.set_keys_1_2(opener);
    *step.session = Some(AnySession::Dtls12(session));
    Ok(())
}

/// Adds ChangeCipherSpec and Finished to the flight.
fn send_finished(verify_data: &[u8; 12], step: &mut Step<'_>) {
    step.flight.change_cipher_spec();
    let (epoch, kind) = (Epoch::PROTECTED, HandshakeType::Finished);
    step.flight.message(step.transcript, epoch, kind, |buf| buf.extend_from_slice(verify_data));
}

/// Checks a Finished message.
fn check_finished(message: Message<'_>, expected: &[u8; 12]) -> Result<(), HandshakeError> {
    if message.body.ct_eq(expected).into() { Ok(()) } else { Err(HandshakeError::BadFinished) }
}
