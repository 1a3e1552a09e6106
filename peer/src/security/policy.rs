//! What a connection must be, to be good enough.

use std::fmt;

use dtls_srtp::{dtls, srtp};
use rustls::NamedGroup;
use thiserror::Error as ThisError;

use super::report::group_name;

/// What the security of a connection must be at least. It narrows what is offered to the other
/// side, and a connection that falls short all the same is refused, with a
/// [`FailureReason`](crate::FailureReason) that says what was missing.
///
/// The default takes whatever both sides can do, the best first; all of it is safe today.
///
/// ```
/// use peerless::{Configuration, SecurityPolicy};
///
/// let mut configuration = Configuration::default();
/// configuration.security_policy = SecurityPolicy::strict();
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SecurityPolicy {
    /// The lowest version of DTLS.
    pub min_version: dtls::Version,
    /// The highest version of DTLS: to find out how a peer behaves with an older one.
    pub max_version: dtls::Version,
    /// Whether the key exchange must resist quantum computers, so that what is recorded today
    /// cannot be read when there are some: X25519MLKEM768, which DTLS 1.3 alone has.
    pub post_quantum: bool,
    /// The SRTP profiles that may protect media, most wanted first. Without a common one, a
    /// connection with media is refused.
    pub srtp_profiles: Vec<srtp::Profile>,
}

impl SecurityPolicy {
    /// DTLS 1.3 with a post-quantum key exchange and AES-GCM for media: what current browsers do.
    pub fn strict() -> Self {
        Self {
            min_version: dtls::Version::Dtls13,
            post_quantum: true,
            srtp_profiles: vec![srtp::Profile::AeadAes128Gcm, srtp::Profile::AeadAes256Gcm],
            ..Self::default()
        }
    }

    /// The lowest version that can satisfy all of it.
    pub(crate) fn lowest_version(&self) -> dtls::Version {
        if self.post_quantum { dtls::Version::Dtls13 } else { self.min_version }
    }

    /// Looks at what was agreed on. `media`: whether there is RTP to protect.
    pub(crate) fn check(
        &self,
        connection: &dtls::Connection,
        srtp: Option<srtp::Profile>,
        media: bool,
    ) -> Result<(), PolicyRefusal> {
        let wanted = self.lowest_version();
        if let Some(offered) = connection.version().filter(|version| *version < wanted) {
            return Err(PolicyRefusal::Version { offered, wanted });
        }
        if self.post_quantum && !connection.group().is_some_and(is_post_quantum) {
            return Err(PolicyRefusal::KeyExchange { group: connection.group() });
        }
        if media && !srtp.is_some_and(|profile| self.srtp_profiles.contains(&profile)) {
            return Err(PolicyRefusal::SrtpProfile(Profiles(self.srtp_profiles.clone())));
        }
        Ok(())
    }

    /// Why a handshake failed, if it was for what this policy did not offer.
    pub(crate) fn explain(&self, reason: dtls::CloseReason) -> Option<PolicyRefusal> {
        use dtls::{AlertDescription, CloseReason, HandshakeError};

        let wanted = self.lowest_version();
        match reason {
            CloseReason::Handshake(HandshakeError::NoCommonVersion)
            | CloseReason::Alert(AlertDescription::ProtocolVersion)
                if wanted > dtls::Version::Dtls12 =>
            {
                Some(PolicyRefusal::Version { offered: dtls::Version::Dtls12, wanted })
            }
            // A server says no more than that; nothing else is narrowed.
            CloseReason::Handshake(HandshakeError::NoCommonGroup)
            | CloseReason::Alert(AlertDescription::HandshakeFailure)
                if self.post_quantum =>
            {
                Some(PolicyRefusal::KeyExchange { group: None })
            }
            _ => None,
        }
    }
}

impl Default for SecurityPolicy {
    fn default() -> Self {
        Self {
            min_version: dtls::Version::Dtls12,
            max_version: dtls::Version::Dtls13,
            post_quantum: false,
            srtp_profiles: srtp::Profile::DEFAULT.to_vec(),
        }
    }
}

/// What a [`SecurityPolicy`] refused.
#[derive(Clone, Debug, Eq, PartialEq, ThisError)]
#[non_exhaustive]
pub enum PolicyRefusal {
    /// The version of DTLS is too low.
    #[error("the other side offered only {offered}; the policy asks for {wanted}")]
    Version {
        /// The highest that the other side has.
        offered: dtls::Version,
        /// The lowest that the policy allows.
        wanted: dtls::Version,
    },
    /// The key exchange would not resist a quantum computer.
    #[error(
        "the other side offered no post-quantum key exchange{}; the policy asks for X25519MLKEM768",
        .group.map(|group| format!(", but {}", group_name(group))).unwrap_or_default()
    )]
    KeyExchange {
        /// What was agreed on instead.
        group: Option<NamedGroup>,
    },
    /// No SRTP profile is known to both sides and allowed.
    #[error("the other side offered no SRTP profile that the policy allows ({0})")]
    SrtpProfile(Profiles),
}

/// A list of SRTP profiles, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profiles(Vec<srtp::Profile>);

impl fmt::Display for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, profile) in self.0.iter().enumerate() {
            write!(f, "{}{profile}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Whether a key exchange resists quantum computers.
pub(crate) fn is_post_quantum(group: NamedGroup) -> bool {
    matches!(
        group,
        NamedGroup::X25519MLKEM768 | NamedGroup::secp256r1MLKEM768 | NamedGroup::MLKEM768
    )
}
