use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::der::SubjectPublicKeyInfo;
use super::{CertificateError, PublicKey};

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
        let key = PublicKey::of_info(key).ok_or(CertificateError::Key)?;
        // As for keys that are here: peers refuse to verify what shorter ones sign.
        if matches!(key, PublicKey::Rsa { bits: ..2048 }) {
            return Err(CertificateError::Key);
        }
        let (algorithm, possible) = (key.algorithm(), key.schemes());
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
