//! What is left of a handshake: what was agreed on, and the secrets that keys for others come from.

use rustls::{CipherSuite, NamedGroup};

use super::{ExportError, Version, v12, v13};
use crate::srtp::Profile;

/// What both sides have agreed on.
pub(crate) enum Session {
    Dtls12(Box<v12::session::Session>),
    Dtls13(Box<v13::session::Session>),
}

impl Session {
    pub(crate) fn version(&self) -> Version {
        match self {
            Self::Dtls12(_) => Version::Dtls12,
            Self::Dtls13(_) => Version::Dtls13,
        }
    }

    pub(crate) fn cipher_suite(&self) -> CipherSuite {
        match self {
            Self::Dtls12(session) => session.negotiated.suite.id,
            Self::Dtls13(session) => session.negotiated.suite.id,
        }
    }

    pub(crate) fn group(&self) -> NamedGroup {
        match self {
            Self::Dtls12(session) => session.group,
            Self::Dtls13(session) => session.negotiated.group,
        }
    }

    pub(crate) fn srtp_profile(&self) -> Option<Profile> {
        match self {
            Self::Dtls12(session) => session.negotiated.srtp_profile,
            Self::Dtls13(session) => session.negotiated.srtp_profile,
        }
    }

    pub(crate) fn export(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        match self {
            Self::Dtls12(session) => session.export(label, context, out),
            Self::Dtls13(session) => session.exporter.export(label, context, out),
        }
    }
}
