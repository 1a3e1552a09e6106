//! Who the other side is, and whether it is who it has to be.

use super::HandshakeError;
use super::config::Identity;
use crate::fingerprint::{self, Fingerprint};

/// The peer's certificate, and what we know about it.
pub(crate) struct Peer {
    identity: Identity,
    certificate: Option<Box<[u8]>>,
    authenticated: bool,
}

impl Peer {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, certificate: None, authenticated: false }
    }

    /// Whether its certificate is the announced one. That it has the key too is for the handshake
    /// to find out.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// Takes the certificate of the handshake.
    pub(crate) fn set_certificate(&mut self, certificate: &[u8]) -> Result<(), HandshakeError> {
        self.certificate = Some(certificate.into());
        self.check()
    }

    /// Goes on without a certificate, because none was asked for.
    pub(crate) fn remain_anonymous(&mut self) {
        self.authenticated = true;
    }

    /// Takes the fingerprints, or other ones.
    pub(crate) fn set_fingerprints(
        &mut self,
        fingerprints: Vec<Fingerprint>,
    ) -> Result<(), HandshakeError> {
        self.identity = Identity::Fingerprints(fingerprints.into());
        self.check()
    }

    fn check(&mut self) -> Result<(), HandshakeError> {
        let Some(certificate) = &self.certificate else { return Ok(()) };
        self.authenticated = match &self.identity {
            Identity::Any => true,
            Identity::Later => false,
            Identity::Fingerprints(fingerprints) => {
                if !fingerprint::matches(fingerprints, certificate) {
                    self.authenticated = false;
                    return Err(HandshakeError::FingerprintMismatch);
                }
                true
            }
        };
        Ok(())
    }
}
