use rustls::pki_types::alg_id;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::CertificateError;
use super::der::SubjectPublicKeyInfo;

/// The key of a certificate that signs elsewhere: it chooses a scheme, and no more.
#[derive(Clone, Debug)]
pub(super) struct ExternalKey {
    algorithm: SignatureAlgorithm,
    schemes: Vec<SignatureScheme>,
}

impl ExternalKey {
    pub(super) fn new(
        key: SubjectPublicKeyInfo<'_>,
        schemes: Vec<SignatureScheme>,
    ) -> Result<Self, CertificateError> {
        use SignatureScheme as Scheme;
        let kinds: [(_, _, &[Scheme]); 4] = [
            (alg_id::ECDSA_P256, SignatureAlgorithm::ECDSA, &[Scheme::ECDSA_NISTP256_SHA256]),
            (alg_id::ECDSA_P384, SignatureAlgorithm::ECDSA, &[Scheme::ECDSA_NISTP384_SHA384]),
            (alg_id::ED25519, SignatureAlgorithm::ED25519, &[Scheme::ED25519]),
            (
                alg_id::RSA_ENCRYPTION,
                SignatureAlgorithm::RSA,
                &[
                    Scheme::RSA_PSS_SHA256,
                    Scheme::RSA_PSS_SHA384,
                    Scheme::RSA_PSS_SHA512,
                    Scheme::RSA_PKCS1_SHA256,
                    Scheme::RSA_PKCS1_SHA384,
                    Scheme::RSA_PKCS1_SHA512,
                ],
            ),
        ];
        let (_, algorithm, possible) = kinds
            .into_iter()
            .find(|(identifier, ..)| identifier.as_ref() == key.algorithm)
            .ok_or(CertificateError::Key)?;
        match schemes.iter().find(|scheme| !possible.contains(scheme)) {
            Some(scheme) => Err(CertificateError::Scheme(*scheme)),
            None if schemes.is_empty() => Err(CertificateError::Key),
            None => Ok(Self { algorithm, schemes }),
        }
    }
}

impl SigningKey for ExternalKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes.iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(ExternalSigner(scheme)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

#[derive(Debug)]
struct ExternalSigner(SignatureScheme);

impl Signer for ExternalSigner {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::General("the signature is asked of the application".to_owned()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.0
    }
}
