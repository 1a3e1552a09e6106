//! What a connection tells about itself, and the keys that it gives to others.

use rustls::{CipherSuite, NamedGroup, SignatureScheme};
use zeroize::Zeroizing;

use super::session::Session;
use super::{CloseReason, Connection, ExportError, Phase, Role, Stats, Version};
use crate::certificate::Certificate;
use crate::srtp::{Profile, SessionKeys};

impl Connection {
    /// Returns whether the handshake is finished and the peer authenticated, and the connection
    /// not closed since.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Established { connected: true, .. })
    }

    /// Returns why the connection has ended, if it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match &self.phase {
            Phase::Closed(closed) => Some(closed.reason),
            _ => None,
        }
    }

    /// Returns which side of the handshake we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the version that was negotiated, once there are keys.
    pub fn version(&self) -> Option<Version> {
        self.session.as_ref().map(Session::version)
    }

    /// Returns the cipher suite that was negotiated, once there are keys.
    pub fn cipher_suite(&self) -> Option<CipherSuite> {
        self.session.as_ref().map(Session::cipher_suite)
    }

    /// Returns the key exchange group that was negotiated, once there are keys.
    pub fn group(&self) -> Option<NamedGroup> {
        self.session.as_ref().map(Session::group)
    }

    /// Returns the SRTP profile that was negotiated, once there are keys and if there is one.
    pub fn srtp_profile(&self) -> Option<Profile> {
        self.session.as_ref()?.srtp_profile()
    }

    /// Returns which certificate we have shown to the peer, once we have signed with its key, or
    /// have been asked to if it is elsewhere.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.facts.certificate.as_ref()
    }

    /// Returns what we signed the handshake with, if we had to, once we have, or have been asked to
    /// if the key is elsewhere.
    pub fn local_signature_scheme(&self) -> Option<SignatureScheme> {
        self.facts.local_scheme
    }

    /// Returns what the peer signed the handshake with, if it had to, once it was checked.
    pub fn peer_signature_scheme(&self) -> Option<SignatureScheme> {
        self.facts.remote_scheme
    }

    /// Returns how many round trips it took, retransmissions not counted, until the client could
    /// send, once there are keys: one in DTLS 1.3 and two in DTLS 1.2, and one more for each hello
    /// that a server answered with a cookie or the wish for another key share. How many flights
    /// were sent again is in [`Stats`].
    pub fn round_trips(&self) -> Option<u32> {
        let fixed = match self.version()? {
            Version::Dtls12 => 2,
            Version::Dtls13 => 1,
        };
        Some(fixed + u32::from(self.facts.retries))
    }

    /// Returns the DER encoding of the peer's certificate, once it came. It is not authenticated
    /// before the connection is.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.peer.certificate()
    }

    /// Returns the keys for SRTP
    /// ([RFC 5764 §4.2](https://www.rfc-editor.org/rfc/rfc5764#section-4.2)). `None` before the
    /// connection is connected, and if no profile was negotiated.
    pub fn srtp_keys(&self) -> Option<SessionKeys> {
        let profile = self.session.as_ref()?.srtp_profile()?;
        let len = profile.keying_material_len();
        let material = self.export_keying_material(SessionKeys::EXPORTER_LABEL, None, len).ok()?;
        match self.role {
            Role::Client => SessionKeys::for_client(profile, &material),
            Role::Server => SessionKeys::for_server(profile, &material),
        }
    }

    /// Derives `len` bytes of keying material that only the two sides know
    /// ([RFC 5705](https://www.rfc-editor.org/rfc/rfc5705)). In DTLS 1.2 an absent context and an
    /// empty one give different bytes, in DTLS 1.3 the same
    /// ([RFC 8446 §7.5](https://www.rfc-editor.org/rfc/rfc8446#section-7.5)): different keys need
    /// different labels, or contexts that are not empty.
    ///
    /// # Errors
    ///
    /// [`ExportError`] if the connection is not connected, the label is too long, or more bytes are
    /// asked for than can be derived; in DTLS 1.2 also if the label is reserved or the context too
    /// long.
    pub fn export_keying_material(
        &self,
        label: &str,
        context: Option<&[u8]>,
        len: usize,
    ) -> Result<Zeroizing<Vec<u8>>, ExportError> {
        let session = self.session.as_ref().filter(|_| self.is_connected());
        let session = session.ok_or(ExportError::NotConnected)?;
        let mut material = Zeroizing::new(vec![0; len]);
        session.export(label, context, &mut material)?;
        Ok(material)
    }

    /// Returns what was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
