use std::fmt;

use rustls::pki_types::alg_id;
use rustls::{NamedGroup, SignatureAlgorithm, SignatureScheme};

use super::der::{self, SubjectPublicKeyInfo};

/// The kind of key that a certificate has, of those that a handshake can be signed with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum PublicKey {
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519.
    Ed25519,
    /// RSA.
    Rsa {
        /// The length of the modulus.
        bits: u32,
    },
}

impl PublicKey {
    /// Looks into the DER encoding of a certificate. `None` if it is malformed, or the key of
    /// another kind.
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters, PublicKey};
    /// use peerless_dtls_srtp::crypto::Crypto;
    ///
    /// let parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
    /// let certificate = Certificate::generate(&Crypto::default(), parameters).unwrap();
    /// assert_eq!(PublicKey::of(certificate.der()), Some(PublicKey::EcdsaP256));
    /// ```
    pub fn of(certificate: &[u8]) -> Option<Self> {
        Self::of_info(der::subject_public_key_info(certificate).ok()?)
    }

    pub(crate) fn of_info(info: SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let is = |identifier: rustls::pki_types::AlgorithmIdentifier| {
            identifier.as_ref() == info.algorithm
        };
        if is(alg_id::ECDSA_P256) {
            Some(Self::EcdsaP256)
        } else if is(alg_id::ECDSA_P384) {
            Some(Self::EcdsaP384)
        } else if is(alg_id::ED25519) {
            Some(Self::Ed25519)
        } else if is(alg_id::RSA_ENCRYPTION) {
            der::rsa_modulus_bits(info.key).ok().map(|bits| Self::Rsa { bits })
        } else {
            None
        }
    }

    /// How hard it is to forge, in bits of security, by
    /// [NIST SP 800-57 Part 1 §5.6.1.1](https://doi.org/10.6028/NIST.SP.800-57pt1r5): 128 for
    /// P-256 and Ed25519, 192 for P-384; for RSA 112 from 2 048 bits on, 128 from 3 072, 192 from
    /// 7 680, and 256 from 15 360. Zero for RSA below 1 024 bits.
    pub const fn strength(self) -> u32 {
        match self {
            Self::EcdsaP256 | Self::Ed25519 => 128,
            Self::EcdsaP384 => 192,
            Self::Rsa { bits: 15_360.. } => 256,
            Self::Rsa { bits: 7_680.. } => 192,
            Self::Rsa { bits: 3_072.. } => 128,
            Self::Rsa { bits: 2_048.. } => 112,
            Self::Rsa { bits: 1_024.. } => 80,
            Self::Rsa { .. } => 0,
        }
    }

    /// What it can sign a handshake with.
    pub const fn schemes(self) -> &'static [SignatureScheme] {
        use SignatureScheme as Scheme;
        match self {
            Self::EcdsaP256 => &[Scheme::ECDSA_NISTP256_SHA256],
            Self::EcdsaP384 => &[Scheme::ECDSA_NISTP384_SHA384],
            Self::Ed25519 => &[Scheme::ED25519],
            Self::Rsa { .. } => &[
                Scheme::RSA_PSS_SHA256,
                Scheme::RSA_PSS_SHA384,
                Scheme::RSA_PSS_SHA512,
                Scheme::RSA_PKCS1_SHA256,
                Scheme::RSA_PKCS1_SHA384,
                Scheme::RSA_PKCS1_SHA512,
            ],
        }
    }

    /// The curve that it is on, if it has one among the groups.
    pub(crate) const fn curve(self) -> Option<NamedGroup> {
        match self {
            Self::EcdsaP256 => Some(NamedGroup::secp256r1),
            Self::EcdsaP384 => Some(NamedGroup::secp384r1),
            Self::Ed25519 | Self::Rsa { .. } => None,
        }
    }

    pub(crate) const fn algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::EcdsaP256 | Self::EcdsaP384 => SignatureAlgorithm::ECDSA,
            Self::Ed25519 => SignatureAlgorithm::ED25519,
            Self::Rsa { .. } => SignatureAlgorithm::RSA,
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_recognised() {
        for (der, name, strength) in [
            (&include_bytes!("../../tests/certificates/p256-v1.der")[..], "ECDSA P-256", 128),
            (include_bytes!("../../tests/certificates/p256-v3.der"), "ECDSA P-256", 128),
            (include_bytes!("../../tests/certificates/p384.der"), "ECDSA P-384", 192),
            (include_bytes!("../../tests/certificates/ed25519.der"), "Ed25519", 128),
            (include_bytes!("../../tests/certificates/rsa-1024.der"), "RSA 1024", 80),
            (include_bytes!("../../tests/certificates/rsa-2048.der"), "RSA 2048", 112),
            (include_bytes!("../../tests/certificates/rsa-4096.der"), "RSA 4096", 128),
        ] {
            let key = PublicKey::of(der).unwrap();
            assert_eq!((key.to_string().as_str(), key.strength()), (name, strength));
            assert_eq!(PublicKey::of(&der[1..]), None);
        }
    }

    #[test]
    fn the_strength_of_rsa_grows_in_steps() {
        for (bits, strength) in [
            (512, 0),
            (2_047, 80),
            (2_048, 112),
            (3_071, 112),
            (4_096, 128),
            (8_192, 192),
            (16_384, 256),
        ] {
            assert_eq!(PublicKey::Rsa { bits }.strength(), strength);
        }
    }
}
