//! Certificates, and what encryption costs a packet.

use std::time::SystemTime;

use dtls_srtp::{Certificate, CertificateParameters, dtls};

use crate::configuration::Configuration;

/// The most that SRTP and SRTCP add: SRTCP's index and flag (4) and GCM's tag (16), or HMAC-SHA1's
/// (10) with the index (4). [RFC 7714 §5](https://www.rfc-editor.org/rfc/rfc7714#section-5),
/// [RFC 3711 §3.4](https://www.rfc-editor.org/rfc/rfc3711#section-3.4).
pub(crate) const SRTP_OVERHEAD: usize = 20;

/// What a DTLS 1.2 record with AES-GCM adds: header (13), explicit nonce (8), tag (16).
/// [RFC 6347 §4.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.1),
/// [RFC 5288 §3](https://www.rfc-editor.org/rfc/rfc5288#section-3).
pub(crate) const DTLS_OVERHEAD: usize = 37;

/// The settings that every DTLS connection of a peer connection is made from, with the certificate
/// that the application gave or a fresh one.
pub(crate) fn config(
    configuration: &Configuration,
    wall_clock: SystemTime,
) -> Result<dtls::Config, String> {
    let certificate = match &configuration.certificate {
        Some(certificate) => certificate.clone(),
        None => {
            let parameters = CertificateParameters::new(wall_clock);
            Certificate::generate(&configuration.crypto, parameters)
                .map_err(|error| error.to_string())?
        }
    };
    let policy = &configuration.security_policy;
    let mut config = dtls::Config::new(certificate, configuration.crypto.clone())
        .and_then(|config| config.with_versions(policy.lowest_version(), policy.max_version))
        .map_err(|error| error.to_string())?;
    if policy.post_quantum {
        let groups = [rustls::NamedGroup::X25519MLKEM768];
        config = config.with_groups(&groups).map_err(|error| error.to_string())?;
    }
    Ok(config.with_mtu(configuration.path_mtu).with_srtp_profiles(&policy.srtp_profiles))
}
