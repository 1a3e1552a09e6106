//! Our own certificates: made on the spot, or brought along.
//!
//! A WebRTC certificate signs itself. Who it belongs to is said by its [`Fingerprint`] in the
//! session description, so that names, dates and chains mean nothing to the other side.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters};
//! use peerless_dtls_srtp::crypto::Crypto;
//! use peerless_dtls_srtp::fingerprint::HashAlgorithm;
//!
//! let parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
//! let certificate = Certificate::generate(&Crypto::default(), parameters)?;
//! println!("a=fingerprint:{}", certificate.fingerprint(HashAlgorithm::Sha256));
//! # Ok::<(), peerless_dtls_srtp::certificate::CertificateError>(())
//! ```

pub(crate) mod der;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SerialNumber,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::SigningKey;
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::der::DerError;
use crate::crypto::Crypto;
use crate::fingerprint::{Fingerprint, HashAlgorithm};

/// The kind of key that [`Certificate::generate`] makes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// ECDSA on P-256, which every WebRTC peer has to know
    /// ([RFC 8827 §6.5](https://www.rfc-editor.org/rfc/rfc8827#section-6.5)).
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519. Browsers do not accept it in DTLS 1.2.
    Ed25519,
}

/// What a generated certificate says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CertificateParameters {
    /// The subject's and issuer's common name; random when absent, so that it tells nothing.
    pub common_name: Option<String>,
    /// The kind of key.
    pub key_algorithm: KeyAlgorithm,
    /// The beginning of its validity.
    pub not_before: SystemTime,
    /// The end of its validity.
    pub not_after: SystemTime,
}

impl CertificateParameters {
    /// Parameters for a certificate that is made at `wall_clock`: valid from a day before, for
    /// clocks that go wrong, until 30 days after, the W3C's default.
    pub fn new(wall_clock: SystemTime) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            common_name: None,
            key_algorithm: KeyAlgorithm::default(),
            not_before: wall_clock
                .checked_sub(DAY)
                .filter(|date| *date >= UNIX_EPOCH)
                .unwrap_or(wall_clock),
            not_after: wall_clock.checked_add(30 * DAY).unwrap_or(wall_clock),
        }
    }
}

/// A certificate with its private key. A clone is one pointer.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    /// The end-entity certificate first; never empty.
    leaf: Vec<u8>,
    /// What is sent after it.
    chain: Vec<Vec<u8>>,
    key: Arc<dyn SigningKey>,
    expires: Option<SystemTime>,
}

impl Certificate {
    /// Makes a key and a certificate signed with it. It takes some 40 µs; an application that
    /// makes many connections can share one certificate among them, or make one for each so that
    /// they cannot be linked.
    ///
    /// The key comes from *ring*'s system randomness, as every provider's key exchange does.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if the system gives no randomness, the handshake provider cannot use
    /// the kind of key, or a date is before 1970 or after 9999.
    pub fn generate(
        crypto: &Crypto,
        parameters: CertificateParameters,
    ) -> Result<Self, CertificateError> {
        let key_pair = KeyPair::generate_for(match parameters.key_algorithm {
            KeyAlgorithm::EcdsaP256 => &PKCS_ECDSA_P256_SHA256,
            KeyAlgorithm::EcdsaP384 => &PKCS_ECDSA_P384_SHA384,
            KeyAlgorithm::Ed25519 => &PKCS_ED25519,
        })
        .map_err(|_| CertificateError::Generation)?;

        let mut random = [0; 16];
        crypto
            .handshake
            .secure_random
            .fill(&mut random)
            .map_err(|_| CertificateError::Generation)?;
        // RFC 5280 §4.1.2.2: a positive integer, with as many bits as the encoding keeps.
        let mut serial = random;
        serial[0] = (serial[0] & 0x7f) | 0x40;

        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(parameters.not_before)?;
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(parameters.not_after)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(
            DnType::CommonName,
            parameters
                .common_name
                .unwrap_or_else(|| format!("{:016x}", u128::from_be_bytes(random) >> 64)),
        );
        let certificate =
            params.self_signed(&key_pair).map_err(|_| CertificateError::Generation)?;

        let private_key = Zeroizing::new(key_pair.serialize_der());
        let mut certificate =
            Self::from_der(crypto, vec![certificate.der().to_vec()], &private_key)?;
        if let Some(inner) = Arc::get_mut(&mut certificate.inner) {
            inner.expires = Some(parameters.not_after);
        }
        Ok(certificate)
    }

    /// Takes a certificate that was made elsewhere: its DER encoding, followed by those of its
    /// issuers if they shall be sent along, and its private key in PKCS #8.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if a certificate is malformed, or the handshake provider cannot use
    /// the key.
    pub fn from_der(
        crypto: &Crypto,
        chain: Vec<Vec<u8>>,
        private_key_pkcs8: &[u8],
    ) -> Result<Self, CertificateError> {
        let key = crypto
            .handshake
            .key_provider
            .load_private_key(PrivatePkcs8KeyDer::from(private_key_pkcs8.to_vec()).into())
            .map_err(|_| CertificateError::Key)?;
        Self::with_signing_key(chain, key)
    }

    /// Takes a certificate whose private key stays where it is: in a hardware module, or another
    /// process. `sign` is called once per handshake and may take its time, all of it the
    /// caller's.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if a certificate is malformed or there is none.
    pub fn with_signing_key(
        chain: Vec<Vec<u8>>,
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, CertificateError> {
        for certificate in &chain {
            der::subject_public_key_info(certificate)?;
        }
        let mut chain = chain.into_iter();
        let leaf = chain.next().ok_or(CertificateError::Empty)?;
        Ok(Self { inner: Arc::new(Inner { leaf, chain: chain.collect(), key, expires: None }) })
    }

    /// Computes the fingerprint to announce.
    pub fn fingerprint(&self, algorithm: HashAlgorithm) -> Fingerprint {
        Fingerprint::of(algorithm, self.der())
    }

    /// Returns the certificate's DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.inner.leaf
    }

    /// Returns the end of its validity, if we made it.
    pub fn expires(&self) -> Option<SystemTime> {
        self.inner.expires
    }

    /// What is sent in the handshake, the end-entity certificate first.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.der()).chain(self.inner.chain.iter().map(Vec::as_slice))
    }

    pub(crate) fn key(&self) -> &dyn SigningKey {
        &*self.inner.key
    }
}

/// The time since 1970, if a certificate can express it.
fn since_1970(time: SystemTime) -> Result<Duration, CertificateError> {
    /// 9999-12-31T23:59:59Z, the last date of GeneralizedTime.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    time.duration_since(UNIX_EPOCH)
        .ok()
        .filter(|since| *since <= LAST)
        .ok_or(CertificateError::Date(time))
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("fingerprint", &self.fingerprint(HashAlgorithm::Sha256))
            .field("algorithm", &self.inner.key.algorithm())
            .finish_non_exhaustive()
    }
}

/// A certificate that cannot be made or used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CertificateError {
    /// A date is before 1970 or after 9999.
    #[error("a certificate cannot express the date {0:?}")]
    Date(SystemTime),
    /// The encoding is not that of a certificate.
    #[error(transparent)]
    Der(#[from] DerError),
    /// There is no certificate in the chain.
    #[error("the certificate chain is empty")]
    Empty,
    /// No key or certificate could be made.
    #[error("no key could be generated: the system gives no randomness, or does not know the kind")]
    Generation,
    /// The private key is not PKCS #8, or of a kind that the handshake provider does not know.
    #[error("the handshake provider cannot use the private key")]
    Key,
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &[u8] = include_bytes!("../tests/certificates/p256-v3.der");
    const P256_KEY: &[u8] = include_bytes!("../tests/certificates/p256.pk8");

    #[test]
    fn every_kind_of_key_is_generated() {
        let crypto = Crypto::default();
        for key_algorithm in
            [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519]
        {
            let parameters =
                CertificateParameters { key_algorithm, ..CertificateParameters::new(UNIX_EPOCH) };
            let certificate = Certificate::generate(&crypto, parameters.clone()).unwrap();
            let again = Certificate::generate(&crypto, parameters).unwrap();
            assert!(der::subject_public_key_info(certificate.der()).is_ok());
            assert_ne!(certificate.der(), again.der());
            assert!(certificate.expires().is_some());
        }
    }

    #[test]
    fn takes_a_certificate_along() {
        let crypto = Crypto::default();
        let certificate = Certificate::from_der(&crypto, vec![P256.to_vec()], P256_KEY).unwrap();
        assert_eq!(certificate.der(), P256);
        assert_eq!(certificate.chain().count(), 1);
        let error = |chain, key| Certificate::from_der(&crypto, chain, key).unwrap_err();
        assert_eq!(error(vec![P256.to_vec()], b"no key"), CertificateError::Key);
        assert_eq!(error(vec![], P256_KEY), CertificateError::Empty);
        assert!(matches!(error(vec![vec![0x30]], P256_KEY), CertificateError::Der(_)));
    }

    #[test]
    fn dates_out_of_range_are_an_error() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        let parameters = CertificateParameters::new(far);
        let error = Certificate::generate(&Crypto::default(), parameters).unwrap_err();
        assert!(matches!(error, CertificateError::Date(_)));
    }

    #[test]
    fn debug_shows_the_fingerprint_and_no_key() {
        let crypto = Crypto::default();
        let certificate = Certificate::from_der(&crypto, vec![P256.to_vec()], P256_KEY).unwrap();
        let text = format!("{certificate:?}");
        assert!(text.contains("sha-256"), "{text}");
        assert!(text.len() < 200, "{text}");
    }
}
