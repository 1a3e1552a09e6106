//! What both sides know when a handshake is done
//! ([RFC 8446 §7](https://www.rfc-editor.org/rfc/rfc8446#section-7)).

use rustls::NamedGroup;

use super::key_schedule::{ApplicationSecrets, Exporter, TrafficSecret};
use crate::dtls::Role;
use crate::dtls::suite::Suite13;
use crate::srtp::Profile;

/// What the two hellos and EncryptedExtensions agreed on.
#[derive(Clone, Copy)]
pub(crate) struct Negotiated {
    pub(crate) suite: Suite13,
    pub(crate) group: NamedGroup,
    pub(crate) srtp_profile: Option<Profile>,
}

/// The secrets of a connection.
pub(crate) struct Session {
    pub(crate) negotiated: Negotiated,
    pub(crate) exporter: Exporter,
    /// Where our newest keys come from, and their successors.
    pub(crate) sending: TrafficSecret,
    /// Where the peer's newest keys come from.
    pub(crate) receiving: TrafficSecret,
}

impl Session {
    pub(crate) fn new(role: Role, negotiated: Negotiated, secrets: ApplicationSecrets) -> Self {
        let ApplicationSecrets { client, server, exporter } = secrets;
        let (sending, receiving) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        Self { negotiated, exporter, sending, receiving }
    }
}
