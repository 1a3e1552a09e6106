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
mod encode;
mod external;
mod public_key;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use thiserror::Error;

pub use self::der::DerError;
use self::external::ExternalKey;
pub use self::public_key::PublicKey;
use crate::crypto::Crypto;
use crate::dtls::SIGNATURE_SCHEMES;
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
    /// The subject's and issuer's common name, at most 64 characters; random when absent, so that
    /// it tells nothing.
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
    public_key: Option<PublicKey>,
    /// What is sent after it.
    chain: Vec<Vec<u8>>,
    key: Arc<dyn SigningKey>,
    /// What the key signs with, one for each scheme.
    signers: Vec<Box<dyn Signer>>,
    /// Whether the application answers for `key`, which then only knows its schemes.
    external: bool,
    expires: Option<SystemTime>,
}

impl Certificate {
    /// Makes a key and a certificate signed with it. It takes some 40 µs; an application that
    /// makes many connections can share one certificate among them, or make one for each so that
    /// they cannot be linked.
    ///
    /// The key is made of the provider's randomness if the provider can derive the public key from
    /// it, as aws-lc-rs can. *ring* cannot for the NIST curves, and makes these keys itself.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if the system gives no randomness, the handshake provider cannot use
    /// the kind of key, the name is longer than 64 characters, or a date is before 1970 or after
    /// 9999.
    pub fn generate(
        crypto: &Crypto,
        parameters: CertificateParameters,
    ) -> Result<Self, CertificateError> {
        let mut random = [0; 16];
        crypto
            .handshake
            .secure_random
            .fill(&mut random)
            .map_err(|_| CertificateError::Generation)?;
        // RFC 5280 §4.1.2.2: a positive integer, with as many bits as the encoding keeps.
        let mut serial = random;
        serial[0] = (serial[0] & 0x7f) | 0x40;
        let common_name = match &parameters.common_name {
            Some(name) => name.clone(),
            None => format!("{:016x}", u128::from_be_bytes(random) >> 64),
        };
        // RFC 5280 A.1: ub-common-name.
        if common_name.chars().count() > 64 {
            return Err(CertificateError::CommonName);
        }

        let key = generate_key(&crypto.handshake, parameters.key_algorithm)?;
        let signer = key
            .choose_scheme(&[match parameters.key_algorithm {
                KeyAlgorithm::EcdsaP256 => SignatureScheme::ECDSA_NISTP256_SHA256,
                KeyAlgorithm::EcdsaP384 => SignatureScheme::ECDSA_NISTP384_SHA384,
                KeyAlgorithm::Ed25519 => SignatureScheme::ED25519,
            }])
            .ok_or(CertificateError::Generation)?;
        let leaf = encode::self_signed(&parameters, &serial, &common_name, &*key, &*signer)?;
        let (chain, signers, expires) = (Vec::new(), vec![signer], Some(parameters.not_after));
        let public_key = PublicKey::of(&leaf);
        let inner = Inner { leaf, public_key, chain, key, signers, external: false, expires };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes a certificate that was made elsewhere: its DER encoding, followed by those of its
    /// issuers if they shall be sent along, and its private key in PKCS #8.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if a certificate is malformed, the handshake provider cannot use the
    /// key, or it is another certificate's.
    pub fn from_der(
        crypto: &Crypto,
        chain: Vec<Vec<u8>>,
        private_key_pkcs8: &[u8],
    ) -> Result<Self, CertificateError> {
        let key = PrivatePkcs8KeyDer::from(private_key_pkcs8.to_vec());
        Self::with_signing_key(chain, load(&crypto.handshake, key.into())?)
    }

    /// Takes the texts of two PEM files: the certificate, its issuers after it if they shall be
    /// sent along, and the private key (PKCS #8, SEC 1 or PKCS #1). They may be one file; sections
    /// of other kinds are skipped.
    ///
    /// # Errors
    ///
    /// As [`from_der`](Self::from_der), and if one of the texts has nothing of what it should.
    pub fn from_pem(
        crypto: &Crypto,
        certificates: &[u8],
        private_key: &[u8],
    ) -> Result<Self, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates)
            .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
            .collect();
        let chain = chain.map_err(|_| CertificateError::Pem("certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(private_key)
            .map_err(|_| CertificateError::Pem("private key"))?;
        Self::with_signing_key(chain, load(&crypto.handshake, key)?)
    }

    /// Takes a certificate whose private key stays where it is: in a hardware module, or another
    /// process. Its signers are chosen here, one for each scheme; `sign` is called once per
    /// handshake and may take its time, all of it the caller's.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if a certificate is malformed or there is none.
    pub fn with_signing_key(
        chain: Vec<Vec<u8>>,
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, CertificateError> {
        let public_key = check(&chain)?;
        if let Some(key) = key.public_key() {
            let key = der::parse_subject_public_key_info(&key)?;
            if key.key != public_key.key {
                return Err(CertificateError::OtherKey);
            }
        }
        Self::with_key(chain, key, &SIGNATURE_SCHEMES, false)
    }

    /// Takes a certificate whose private key answers later: in a hardware module or a service that
    /// must not hold up the thread of a connection.
    ///
    /// The connection then asks for each signature, in one of `schemes` (most preferred first), by
    /// [`Event::SignatureNeeded`](crate::dtls::Event::SignatureNeeded), and goes on when it is
    /// told.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if a certificate is malformed, there is none, or a scheme does not go
    /// with the certificate's key.
    pub fn with_external_key(
        chain: Vec<Vec<u8>>,
        schemes: Vec<SignatureScheme>,
    ) -> Result<Self, CertificateError> {
        let key = ExternalKey::new(check(&chain)?, schemes.clone())?;
        Self::with_key(chain, Arc::new(key), &schemes, true)
    }

    fn with_key(
        chain: Vec<Vec<u8>>,
        key: Arc<dyn SigningKey>,
        schemes: &[SignatureScheme],
        external: bool,
    ) -> Result<Self, CertificateError> {
        let mut chain = chain.into_iter();
        let leaf = chain.next().ok_or(CertificateError::Empty)?;
        let chain = chain.collect();
        let signers = schemes.iter().filter_map(|scheme| key.choose_scheme(&[*scheme])).collect();
        let public_key = PublicKey::of(&leaf);
        let inner = Inner { leaf, public_key, chain, key, signers, external, expires: None };
        Ok(Self { inner: Arc::new(inner) })
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

    /// The certificate of one and the key of another, as an attacker has them.
    #[cfg(test)]
    pub(crate) fn with_any_key(chain: Vec<Vec<u8>>, other: Self) -> Result<Self, CertificateError> {
        Self::with_key(chain, Arc::clone(&other.inner.key), &SIGNATURE_SCHEMES, false)
    }

    /// What kind of key it has, if that is known.
    pub(crate) fn public_key(&self) -> Option<PublicKey> {
        self.inner.public_key
    }

    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.key.algorithm()
    }

    #[cfg(test)]
    pub(crate) fn key(&self) -> &dyn SigningKey {
        &*self.inner.key
    }

    /// The schemes of the key; if it signs elsewhere, most preferred first.
    pub(crate) fn schemes(&self) -> impl Iterator<Item = SignatureScheme> {
        self.inner.signers.iter().map(|signer| signer.scheme())
    }

    /// What the key signs with in a scheme.
    pub(crate) fn signer(&self, scheme: SignatureScheme) -> Option<&dyn Signer> {
        let signer = self.inner.signers.iter().find(|signer| signer.scheme() == scheme);
        signer.map(|signer| &**signer)
    }

    /// Whether signatures are asked of the application.
    pub(crate) fn is_external(&self) -> bool {
        self.inner.external
    }
}

/// Checks every certificate of a chain; the key is the first one's.
fn check(chain: &[Vec<u8>]) -> Result<der::SubjectPublicKeyInfo<'_>, CertificateError> {
    let mut key = None;
    for certificate in chain {
        key.get_or_insert(der::subject_public_key_info(certificate)?);
    }
    key.ok_or(CertificateError::Empty)
}

fn load(
    provider: &CryptoProvider,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<dyn SigningKey>, CertificateError> {
    provider.key_provider.load_private_key(key).map_err(|_| CertificateError::Key)
}

fn generate_key(
    provider: &CryptoProvider,
    algorithm: KeyAlgorithm,
) -> Result<Arc<dyn SigningKey>, CertificateError> {
    let key = encode::private_key(provider, algorithm)?;
    if let Ok(key) = load(provider, PrivatePkcs8KeyDer::from(key.to_vec()).into()) {
        return Ok(key);
    }
    let signing = match algorithm {
        KeyAlgorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        KeyAlgorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        KeyAlgorithm::Ed25519 => return Err(CertificateError::Generation),
    };
    let key = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new())
        .map_err(|_| CertificateError::Generation)?;
    load(provider, PrivatePkcs8KeyDer::from(key.as_ref().to_vec()).into())
        .map_err(|_| CertificateError::Generation)
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("fingerprint", &self.fingerprint(HashAlgorithm::Sha256))
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

/// A certificate that cannot be made or used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CertificateError {
    /// The common name has more than 64 characters.
    #[error("a common name has at most 64 characters")]
    CommonName,
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
    /// The private key belongs to another certificate.
    #[error("the private key is not that of the certificate")]
    OtherKey,
    /// The text has no section of this kind, or it is damaged.
    #[error("there is no {0} in PEM")]
    Pem(&'static str),
    /// The certificate's key cannot sign by this scheme.
    #[error("the key of the certificate does not sign by {0:?}")]
    Scheme(SignatureScheme),
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
    fn a_generated_certificate_is_taken_by_others() {
        let parameters = CertificateParameters {
            common_name: Some("x".repeat(64)),
            ..CertificateParameters::new(UNIX_EPOCH)
        };
        let certificate = Certificate::generate(&Crypto::default(), parameters).unwrap();
        // webpki is what rustls reads certificates with.
        let der = CertificateDer::from(certificate.der());
        let parsed = rustls::server::ParsedCertificate::try_from(&der).unwrap();
        assert_eq!(Some(parsed.subject_public_key_info()), certificate.key().public_key());
    }

    #[test]
    fn a_generated_certificate_signs_itself() {
        let crypto = Crypto::default();
        let certificate =
            Certificate::generate(&crypto, CertificateParameters::new(UNIX_EPOCH)).unwrap();
        let der = certificate.der();
        // SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm of 12 bytes, BIT STRING }, with
        // one or two bytes of length each.
        let header = |der: &[u8]| match der[1] {
            0x81 => (3, usize::from(der[2])),
            _ => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        };
        let contents = &der[header(der).0..];
        let (header_len, len) = header(contents);
        let (tbs, rest) = contents.split_at(header_len + len);
        let scheme = SignatureScheme::ECDSA_NISTP256_SHA256;
        let signature = &rest[12 + 3..];
        let mapping = crypto.handshake.signature_verification_algorithms.mapping;
        let (_, algorithms) = mapping.iter().find(|(known, _)| *known == scheme).unwrap();
        let key = der::subject_public_key_info(der).unwrap().key;
        assert!(algorithms[0].verify_signature(key, tbs, signature).is_ok());
    }

    #[test]
    fn a_common_name_of_65_characters_is_refused() {
        let parameters = CertificateParameters {
            common_name: Some("x".repeat(65)),
            ..CertificateParameters::new(UNIX_EPOCH)
        };
        let error = Certificate::generate(&Crypto::default(), parameters).unwrap_err();
        assert_eq!(error, CertificateError::CommonName);
    }

    #[test]
    fn takes_pem_files_along() {
        let crypto = Crypto::default();
        let pem = include_bytes!("../tests/certificates/p256-sec1.pem");
        let certificate = Certificate::from_pem(&crypto, pem, pem).unwrap();
        assert_eq!(certificate.der(), P256);
        let error = |text, key| Certificate::from_pem(&crypto, text, key).unwrap_err();
        assert_eq!(error(b"", pem), CertificateError::Empty);
        assert_eq!(error(pem, b"-----BEGIN"), CertificateError::Pem("private key"));
        let cut = &pem[..pem.len() / 2];
        assert_eq!(error(pem, cut), CertificateError::Pem("private key"));
    }

    #[test]
    fn another_certificates_key_is_refused() {
        let other = include_bytes!("../tests/certificates/p384.pk8");
        let error = Certificate::from_der(&Crypto::default(), vec![P256.to_vec()], other);
        assert_eq!(error.unwrap_err(), CertificateError::OtherKey);
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

    #[test]
    fn an_external_key_has_schemes_of_its_kind() {
        let rsa = include_bytes!("../tests/certificates/rsa-2048.der");
        let external = |der: &[u8], schemes: &[SignatureScheme]| {
            Certificate::with_external_key(vec![der.to_vec()], schemes.to_vec())
        };
        let pss = [SignatureScheme::RSA_PSS_SHA512, SignatureScheme::RSA_PSS_SHA256];
        let certificate = external(rsa, &pss).unwrap();
        assert!(certificate.is_external());
        let offered = [SignatureScheme::ED25519, SignatureScheme::RSA_PSS_SHA256, pss[0]];
        let signer = certificate.key().choose_scheme(&offered).unwrap();
        assert_eq!(signer.scheme(), pss[0], "the application's order decides");
        assert!(certificate.key().choose_scheme(&offered[..1]).is_none());

        assert_eq!(external(P256, &pss).unwrap_err(), CertificateError::Scheme(pss[0]));
        assert_eq!(external(P256, &[]).unwrap_err(), CertificateError::Key);
        let short = include_bytes!("../tests/certificates/rsa-1024.der");
        assert_eq!(external(short, &pss).unwrap_err(), CertificateError::Key);
    }
}
