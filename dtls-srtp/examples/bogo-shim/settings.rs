//! The flags as a configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters};
use peerless_dtls_srtp::crypto::Crypto;
use peerless_dtls_srtp::dtls::{ClientAuthentication, Config, LossReaction, Version};
use peerless_dtls_srtp::srtp::Profile;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{CipherSuite, NamedGroup, SignatureAlgorithm, SignatureScheme};

use crate::Failure;
use crate::flags::{Credential, Flags};

/// The timing that the runner expects ([RFC 6347
/// §4.2.4.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4.1) and BoringSSL's tries).
const INITIAL_TIMEOUT: Duration = Duration::from_millis(400);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_RETRANSMISSIONS: u32 = 12;

/// Enough for the largest chain of certificates that the runner has.
const MAX_HANDSHAKE_BYTES: usize = 256 * 1024;

pub(crate) fn config(flags: &Flags) -> Result<Config, Failure> {
    let crypto = Crypto::default();
    let mut certificates = flags.credentials.iter();
    let first = match certificates.next() {
        Some(credential) => certificate(credential, &crypto)?,
        // Not shown to anybody.
        None => Certificate::generate(&crypto, CertificateParameters::new(UNIX_EPOCH))?,
    };
    let mut config = Config::new(first, crypto.clone())
        .map_err(Failure::unsupported)?
        .with_optional_extended_master_secret()
        .with_session_tickets()
        .with_client_authentication(client_authentication(flags))
        .with_initial_timeout(flags.initial_timeout.unwrap_or(INITIAL_TIMEOUT))
        .with_max_timeout(MAX_TIMEOUT)
        .with_max_retransmissions(MAX_RETRANSMISSIONS)
        .with_loss_reaction(LossReaction::Timer)
        .with_max_handshake_bytes(flags.max_handshake_bytes.unwrap_or(MAX_HANDSHAKE_BYTES))
        .with_srtp_profiles(&srtp_profiles(flags)?);
    for credential in certificates {
        config = config.with_alternative_certificate(certificate(credential, &crypto)?);
    }
    if flags.credentials.is_empty() {
        config = config.with_anonymous_client();
    }
    if let Some(mtu) = flags.mtu {
        config = config.with_mtu(mtu);
    }
    if !flags.curves.is_empty() {
        let names: Vec<_> = flags.curves.iter().copied().map(NamedGroup::from).collect();
        config = config.with_groups(&names).map_err(Failure::unsupported)?;
    }
    if let Some(names) = &flags.ciphers {
        config = config.with_cipher_suites(&ciphers(names)?).map_err(Failure::unsupported)?;
    }
    config = versions(flags, config)?;
    if !flags.verify_preferences.is_empty() {
        let schemes: Vec<_> =
            flags.verify_preferences.iter().copied().map(SignatureScheme::from).collect();
        config = config.with_signature_schemes(&schemes).map_err(Failure::unsupported)?;
    }
    Ok(match flags.verify_fail {
        false => config.with_any_remote_certificate(),
        // Fingerprints that never come: nothing is delivered until the certificate is refused.
        true => config,
    })
}

/// One of the runner's certificates for us.
fn certificate(credential: &Credential, crypto: &Crypto) -> Result<Certificate, Failure> {
    let (Some(file), Some(key)) = (&credential.certificate_file, &credential.key_file) else {
        return Err(Failure::unsupported("a certificate without its key"));
    };
    let key = PrivateKeyDer::from_pem_file(key).map_err(Failure::failed)?;
    // P-521 and RSA of less than 2048 bits.
    let key = crypto.handshake.key_provider.load_private_key(key).map_err(Failure::unsupported)?;
    let preferences = credential.signing_preferences.iter();
    let key: Arc<dyn SigningKey> = match credential.signing_preferences.is_empty() {
        true => key,
        false => Arc::new(Choosy { key, schemes: preferences.map(|s| (*s).into()).collect() }),
    };
    Certificate::with_signing_key(certificates(file)?, key).map_err(Failure::unsupported)
}

/// A key that signs with some schemes only, in an order of its own.
#[derive(Debug)]
struct Choosy {
    key: Arc<dyn SigningKey>,
    schemes: Vec<SignatureScheme>,
}

impl SigningKey for Choosy {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let mut schemes = self.schemes.iter().filter(|scheme| offered.contains(scheme));
        schemes.find_map(|scheme| self.key.choose_scheme(&[*scheme]))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}

/// Reads the certificates of a file, the end entity's first.
pub(crate) fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(Failure::failed)?;
    certificates
        .map(|certificate| certificate.map(|der| der.to_vec()).map_err(Failure::failed))
        .collect()
}

fn client_authentication(flags: &Flags) -> ClientAuthentication {
    if flags.require_any_client_certificate {
        ClientAuthentication::Required
    } else if flags.verify_peer {
        ClientAuthentication::Requested
    } else {
        ClientAuthentication::NotRequested
    }
}

/// The suites of DTLS 1.2 by their names, and all of DTLS 1.3, which the flag is not about.
fn ciphers(names: &str) -> Result<Vec<CipherSuite>, Failure> {
    use CipherSuite as C;
    let named = names.split(':').map(|name| match name {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => Ok(C::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => Ok(C::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => Ok(C::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => Ok(C::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            Ok(C::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)
        }
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => {
            Ok(C::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256)
        }
        // CBC, and rules that speak of it.
        other => Err(Failure::unsupported(other)),
    });
    let newer = [
        C::TLS13_AES_128_GCM_SHA256,
        C::TLS13_AES_256_GCM_SHA384,
        C::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    named.chain(newer.map(Ok)).collect()
}

/// The profiles by the names that OpenSSL gave them.
fn srtp_profiles(flags: &Flags) -> Result<Vec<Profile>, Failure> {
    let names = flags.srtp_profiles.iter().flat_map(|names| names.split(':'));
    names
        .map(|name| match name {
            "SRTP_AES128_CM_SHA1_80" => Ok(Profile::Aes128CmHmacSha1_80),
            "SRTP_AES128_CM_SHA1_32" => Ok(Profile::Aes128CmHmacSha1_32),
            "SRTP_AEAD_AES_128_GCM" => Ok(Profile::AeadAes128Gcm),
            "SRTP_AEAD_AES_256_GCM" => Ok(Profile::AeadAes256Gcm),
            other => Err(Failure::unsupported(other)),
        })
        .collect()
}

/// Of the versions that the runner allows, those that we have: it knows DTLS 1.0 too.
fn versions(flags: &Flags, config: Config) -> Result<Config, Failure> {
    let min = flags.min_version.unwrap_or(DTLS_1_2);
    let max = flags.max_version.unwrap_or(DTLS_1_3);
    let ours = [(Version::Dtls12, flags.no_dtls_1_2), (Version::Dtls13, flags.no_dtls_1_3)];
    let mut allowed = ours.into_iter().filter(|(version, excluded)| {
        // Versions of DTLS count down.
        !excluded && (max..=min).contains(&version_code(*version))
    });
    if flags.no_dtls_1_0 && flags.no_dtls_1_2 && flags.no_dtls_1_3 {
        return Err(Failure::failed("no version is left"));
    }
    let Some((oldest, _)) = allowed.next() else {
        return Err(Failure::unsupported("DTLS 1.0"));
    };
    let newest = allowed.next_back().map_or(oldest, |(version, _)| version);
    config.with_versions(oldest, newest).map_err(Failure::unsupported)
}

const DTLS_1_2: u16 = 0xfefd;
const DTLS_1_3: u16 = 0xfefc;

/// The number of a version on the wire.
pub(crate) fn version_code(version: Version) -> u16 {
    match version {
        Version::Dtls12 => DTLS_1_2,
        _ => DTLS_1_3,
    }
}
