//! Signatures that the application gives
//! ([`Certificate::with_external_key`](crate::Certificate::with_external_key)).

use std::time::Instant;

use rustls::SignatureScheme;

use super::{Connection, HandshakeError, Phase};

/// What the application has to sign before the handshake goes on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SignatureRequest<'c> {
    /// How.
    pub scheme: SignatureScheme,
    /// What, not hashed.
    pub message: &'c [u8],
}

/// The same as it is kept.
pub(crate) struct Signing {
    pub(crate) scheme: SignatureScheme,
    pub(crate) message: Vec<u8>,
}

impl Connection {
    /// Returns what [`Event::SignatureNeeded`](super::Event::SignatureNeeded) asks for, until it
    /// is answered.
    pub fn signature_request(&self) -> Option<SignatureRequest<'_>> {
        let Phase::Handshaking(handshake) = &self.phase else { return None };
        let Signing { scheme, message } = handshake.signing.as_ref()?;
        Some(SignatureRequest { scheme: *scheme, message })
    }

    /// Gives the signature that was asked for, and goes on with the handshake. Ignored if none is
    /// asked for. With one of more than 65 535 bytes the handshake ends
    /// ([`HandshakeError::Internal`]).
    pub fn provide_signature(&mut self, now: Instant, signature: &[u8]) {
        self.see(now);
        self.signature_event = false;
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        if handshake.signing.take().is_some() {
            handshake.flight.release();
            self.advance_with(|state, step| state.sign(signature, step));
            self.advance();
        }
    }

    /// Says that there will be no signature: the handshake ends, with
    /// [`HandshakeError::Internal`]. Ignored if none is asked for.
    pub fn refuse_signature(&mut self, now: Instant) {
        self.see(now);
        self.signature_event = false;
        if self.signature_request().is_some() {
            self.fail(HandshakeError::Internal);
        }
    }
}
