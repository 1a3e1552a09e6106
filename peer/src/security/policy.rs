//! What a connection must be, to be good enough.

use std::fmt;

use dtls_srtp::certificate::PublicKey;
use dtls_srtp::{dtls, srtp};
use rustls::{CipherSuite, NamedGroup, SignatureScheme};
use thiserror::Error as ThisError;

use super::report::{cipher_suite_name, group_name};

/// The default of [`SecurityPolicy::cipher_suites`], most wanted first: those that DTLS has at all.
pub const CIPHER_SUITES: [CipherSuite; 9] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

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
    /// What may protect the records of DTLS, most wanted first; each suite is of one version, and a
    /// version without any is not spoken. The default has AES-128-GCM, AES-256-GCM and
    /// ChaCha20-Poly1305 ([`CIPHER_SUITES`]).
    pub cipher_suites: Vec<CipherSuite>,
    /// What the two sides may sign the handshake with, most wanted first. A certificate that is
    /// made for the connection gets a key that can; one that was given has to.
    pub signature_schemes: Vec<SignatureScheme>,
    /// How hard the keys of both certificates must be to forge at least, in bits of security: 112
    /// is RSA from 2 048 bits on, which is the least that DTLS takes; 128 is P-256, Ed25519 and RSA
    /// from 3 072 bits on; 192 is P-384. See [`PublicKey::strength`].
    pub min_key_strength: u32,
    /// The SRTP profiles that may protect media, most wanted first. Without a common one, a
    /// connection with media is refused.
    pub srtp_profiles: Vec<srtp::Profile>,
}

impl SecurityPolicy {
    /// DTLS 1.3 with a post-quantum key exchange, keys of 128 bits of security, and AES-GCM for
    /// data and for media: what current browsers do.
    pub fn strict() -> Self {
        Self {
            min_version: dtls::Version::Dtls13,
            post_quantum: true,
            cipher_suites: CIPHER_SUITES.into_iter().filter(|suite| is_gcm(*suite)).collect(),
            min_key_strength: 128,
            srtp_profiles: vec![srtp::Profile::AeadAes128Gcm, srtp::Profile::AeadAes256Gcm],
            ..Self::default()
        }
    }

    /// The lowest version that can satisfy all of it.
    pub(crate) fn lowest_version(&self) -> dtls::Version {
        if self.post_quantum { dtls::Version::Dtls13 } else { self.min_version }
    }

    /// Whether a certificate with this key may be shown to the other side.
    pub(crate) fn accepts(&self, key: PublicKey) -> bool {
        key.strength() >= self.min_key_strength
            && key.schemes().iter().any(|scheme| self.signature_schemes.contains(scheme))
    }

    /// Whether some way to sign is left out.
    fn narrows_signatures(&self) -> bool {
        !dtls::SIGNATURE_SCHEMES.iter().all(|scheme| self.signature_schemes.contains(scheme))
    }

    /// Whether some way to protect records is left out.
    fn narrows_cipher_suites(&self) -> bool {
        !CIPHER_SUITES.iter().all(|suite| self.cipher_suites.contains(suite))
    }

    fn signature(&self, offered: Option<SignatureScheme>) -> PolicyRefusal {
        let accepted = Schemes(self.signature_schemes.clone());
        PolicyRefusal::SignatureScheme { offered, accepted }
    }

    /// Looks at what was agreed on. `media`: whether there is RTP to protect.
    pub(crate) fn check(
        &self,
        connection: &dtls::Connection,
        media: bool,
    ) -> Result<(), PolicyRefusal> {
        let wanted = self.lowest_version();
        if let Some(offered) = connection.version().filter(|version| *version < wanted) {
            return Err(PolicyRefusal::Version { offered, wanted });
        }
        if self.post_quantum && !connection.group().is_some_and(is_post_quantum) {
            return Err(PolicyRefusal::KeyExchange { group: connection.group() });
        }
        let suite = connection.cipher_suite();
        if suite.is_some_and(|suite| !self.cipher_suites.contains(&suite)) {
            let accepted = CipherSuites(self.cipher_suites.clone());
            return Err(PolicyRefusal::CipherSuite { offered: suite, accepted });
        }
        // Ours was chosen among them.
        let signed = connection.peer_signature_scheme();
        if signed.is_some_and(|scheme| !self.signature_schemes.contains(&scheme)) {
            return Err(self.signature(signed));
        }
        let key = connection.peer_certificate().and_then(PublicKey::of);
        if key.is_none_or(|key| key.strength() < self.min_key_strength) {
            return Err(PolicyRefusal::Key { key, wanted: self.min_key_strength });
        }
        let srtp = connection.srtp_profile();
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
            CloseReason::Handshake(HandshakeError::NoCommonGroup) if self.post_quantum => {
                Some(PolicyRefusal::KeyExchange { group: None })
            }
            // A client without a suitable certificate shows none.
            CloseReason::Handshake(
                HandshakeError::NoCommonSignatureScheme | HandshakeError::NoCertificate,
            ) if self.narrows_signatures() => Some(self.signature(None)),
            CloseReason::Handshake(HandshakeError::NoCommonCipherSuite)
                if self.narrows_cipher_suites() =>
            {
                let accepted = CipherSuites(self.cipher_suites.clone());
                Some(PolicyRefusal::CipherSuite { offered: None, accepted })
            }
            // A server says no more than that.
            CloseReason::Alert(
                AlertDescription::HandshakeFailure | AlertDescription::CertificateRequired,
            ) => self.explain_failure(),
            _ => None,
        }
    }

    /// Why a server may have found nothing in common with us.
    fn explain_failure(&self) -> Option<PolicyRefusal> {
        let narrowed = (
            self.post_quantum,
            self.narrows_signatures().then(|| Schemes(self.signature_schemes.clone())),
            self.narrows_cipher_suites().then(|| CipherSuites(self.cipher_suites.clone())),
        );
        Some(match narrowed {
            (false, None, None) => return None,
            (true, None, None) => PolicyRefusal::KeyExchange { group: None },
            (false, Some(_), None) => self.signature(None),
            (false, None, Some(accepted)) => PolicyRefusal::CipherSuite { offered: None, accepted },
            (post_quantum, signatures, cipher_suites) => {
                PolicyRefusal::NothingInCommon { post_quantum, signatures, cipher_suites }
            }
        })
    }
}

impl Default for SecurityPolicy {
    fn default() -> Self {
        Self {
            min_version: dtls::Version::Dtls12,
            max_version: dtls::Version::Dtls13,
            post_quantum: false,
            cipher_suites: CIPHER_SUITES.to_vec(),
            signature_schemes: dtls::SIGNATURE_SCHEMES.to_vec(),
            min_key_strength: 112,
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
    /// The other side does not sign with what the policy accepts.
    #[error(
        "the other side {}; the policy accepts {accepted}",
        .offered.map_or_else(
            || "has no certificate for what the policy accepts as signatures".to_owned(),
            |scheme| format!("signed with {scheme:?}"),
        )
    )]
    SignatureScheme {
        /// What it signed with, if it got so far.
        offered: Option<SignatureScheme>,
        /// What it may sign with.
        accepted: Schemes,
    },
    /// The other side protects records with nothing that the policy accepts.
    #[error(
        "the other side {}; the policy accepts {accepted}",
        .offered.map_or_else(
            || "offered no cipher suite that the policy accepts".to_owned(),
            |suite| format!("agreed on {}", cipher_suite_name(suite)),
        )
    )]
    CipherSuite {
        /// What was agreed on instead.
        offered: Option<CipherSuite>,
        /// What it may be.
        accepted: CipherSuites,
    },
    /// The other side found nothing in common, and did not say where.
    #[error(
        "the other side knows none of what the policy offers: {}",
        offers(*.post_quantum, .signatures.as_ref(), .cipher_suites.as_ref())
    )]
    NothingInCommon {
        /// Whether the key exchange had to be X25519MLKEM768.
        post_quantum: bool,
        /// What it could sign with, if that was narrowed.
        signatures: Option<Schemes>,
        /// What could protect records, if that was narrowed.
        cipher_suites: Option<CipherSuites>,
    },
    /// The key of the other side's certificate is too weak.
    #[error(
        "the key of the other side's certificate ({}) is too weak; the policy asks for {wanted} \
         bits of security",
        .key.map_or_else(
            || "of an unknown kind".to_owned(),
            |key| format!("{key}, {} bits of security", key.strength()),
        )
    )]
    Key {
        /// The key that it has.
        key: Option<PublicKey>,
        /// How many bits of security it must have.
        wanted: u32,
    },
    /// No SRTP profile is known to both sides and allowed.
    #[error("the other side offered no SRTP profile that the policy allows ({0})")]
    SrtpProfile(Profiles),
}

/// A list of SRTP profiles, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profiles(Vec<srtp::Profile>);

/// A list of cipher suites, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CipherSuites(Vec<CipherSuite>);

/// A list of signature schemes, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schemes(Vec<SignatureScheme>);

impl fmt::Display for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0.iter())
    }
}

impl fmt::Display for CipherSuites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0.iter().map(|suite| cipher_suite_name(*suite)))
    }
}

impl fmt::Display for Schemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0.iter().map(|scheme| format!("{scheme:?}")))
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = impl fmt::Display>) -> fmt::Result {
    for (index, item) in items.enumerate() {
        write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
    }
    Ok(())
}

/// What a policy offers to a side that knows none of it.
fn offers(
    post_quantum: bool,
    signatures: Option<&Schemes>,
    cipher_suites: Option<&CipherSuites>,
) -> String {
    let parts = [
        post_quantum.then(|| "X25519MLKEM768 for the key exchange".to_owned()),
        signatures.map(|schemes| format!("{schemes} for signatures")),
        cipher_suites.map(|suites| format!("{suites} for records")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Whether a suite is one of AES-GCM.
fn is_gcm(suite: CipherSuite) -> bool {
    cipher_suite_name(suite).contains("_GCM_")
}

/// Whether a key exchange resists quantum computers.
pub(crate) fn is_post_quantum(group: NamedGroup) -> bool {
    matches!(
        group,
        NamedGroup::X25519MLKEM768 | NamedGroup::secp256r1MLKEM768 | NamedGroup::MLKEM768
    )
}
