//! What a connection tells about itself, and the keys that it gives to others.

use rustls::{CipherSuite, NamedGroup};
use zeroize::Zeroizing;

use super::session::Session;
use super::{CloseReason, Connection, ExportError, Phase, Role, Stats, Version};
use crate::srtp::SessionKeys;

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
    /// ([RFC 5705](https://www.rfc-editor.org/rfc/rfc5705)). An absent context and an empty one
    /// give different bytes.
    ///
    /// # Errors
    ///
    /// [`ExportError`] if the connection is not connected, the label is reserved or too long, or the
    /// context is too long.
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
