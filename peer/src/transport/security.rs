//! Certificates, and what encryption costs a packet.

use std::time::SystemTime;

use dtls_srtp::certificate::{KeyAlgorithm, PublicKey};
use dtls_srtp::dtls::GROUPS;
use dtls_srtp::{Certificate, CertificateParameters, dtls};

use crate::configuration::Configuration;
use crate::security::{CIPHER_SUITES, Profile, SecurityPolicy, is_post_quantum};

/// The most that SRTP and SRTCP add: SRTCP's index and flag (4) and GCM's tag (16), or HMAC-SHA1's
/// (10) with the index (4). [RFC 7714 §5](https://www.rfc-editor.org/rfc/rfc7714#section-5),
/// [RFC 3711 §3.4](https://www.rfc-editor.org/rfc/rfc3711#section-3.4).
pub(crate) const SRTP_OVERHEAD: usize = 20;

/// What a DTLS 1.2 record with AES-GCM adds: header (13), explicit nonce (8), tag (16).
/// [RFC 6347 §4.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.1),
/// [RFC 5288 §3](https://www.rfc-editor.org/rfc/rfc5288#section-3).
pub(crate) const DTLS_OVERHEAD: usize = 37;

/// The settings that every DTLS connection of a peer connection is made from, with the certificates
/// that the application gave or a fresh one.
pub(crate) fn config(
    configuration: &Configuration,
    wall_clock: SystemTime,
) -> Result<dtls::Config, String> {
    let policy = &configuration.security_policy;
    let (first, others) = match configuration.certificates.split_first() {
        Some((first, others)) => (first.clone(), others),
        None => {
            let mut parameters = CertificateParameters::new(wall_clock);
            parameters.key_algorithm = key_algorithm(policy);
            let generated = Certificate::generate(&configuration.crypto, parameters)
                .map_err(|error| format!("no certificate could be made: {error}"))?;
            (generated, &[][..])
        }
    };
    for certificate in std::iter::once(&first).chain(others) {
        if let Some(key) = PublicKey::of(certificate.der()).filter(|key| !policy.accepts(*key)) {
            return Err(format!("the policy does not allow our certificate's key ({key})"));
        }
    }
    let config = dtls::Config::new(first, configuration.crypto.clone());
    let config = config.map(|config| {
        others.iter().cloned().fold(config, dtls::Config::with_alternative_certificate)
    });
    let mut config = config
        .and_then(|config| config.with_signature_schemes(&policy.signature_schemes))
        .and_then(|config| config.with_versions(policy.lowest_version(), policy.max_version))
        .map_err(|error| error.to_string())?;
    // Most have no wish here, and finding again what the providers have takes a while.
    if policy.cipher_suites != CIPHER_SUITES {
        let suites = &policy.cipher_suites;
        config = config.with_cipher_suites(suites).map_err(|error| error.to_string())?;
    }
    if policy.post_quantum || configuration.dtls.groups != GROUPS {
        let mut groups = configuration.dtls.groups.clone();
        groups.retain(|group| !policy.post_quantum || is_post_quantum(*group));
        config = config.with_groups(&groups).map_err(|error| error.to_string())?;
    }
    if policy.srtp_profiles != Profile::DEFAULT {
        config = config.with_srtp_profiles(&policy.srtp_profiles);
    }
    Ok(configuration.dtls.apply(config).with_mtu(configuration.path_mtu))
}

/// The kind of key that the policy allows, the one that every peer knows first.
fn key_algorithm(policy: &SecurityPolicy) -> KeyAlgorithm {
    let kinds = [
        (KeyAlgorithm::EcdsaP256, PublicKey::EcdsaP256),
        (KeyAlgorithm::EcdsaP384, PublicKey::EcdsaP384),
        (KeyAlgorithm::Ed25519, PublicKey::Ed25519),
    ];
    let allowed = kinds.into_iter().find(|(_, key)| policy.accepts(*key));
    allowed.map_or_else(KeyAlgorithm::default, |(algorithm, _)| algorithm)
}
