//! Signatures of the handshake, checked with the key of the peer's certificate.

use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::SignatureVerificationAlgorithm;

use super::{HandshakeError, Version};
use crate::certificate::der::subject_public_key_info;

/// The default of [`Config::with_signature_schemes`](super::Config::with_signature_schemes), most
/// preferred first: what every WebRTC peer has and verifies fastest, then what other DTLS peers
/// may have. No SHA-1 ([RFC 9155 §2](https://www.rfc-editor.org/rfc/rfc9155#section-2)).
pub const SIGNATURE_SCHEMES: [SignatureScheme; 9] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// The schemes that `provider` can verify, most preferred first.
pub(crate) fn supported_schemes(provider: &CryptoProvider) -> Vec<SignatureScheme> {
    let mapping = provider.signature_verification_algorithms.mapping;
    SIGNATURE_SCHEMES
        .into_iter()
        .filter(|scheme| mapping.iter().any(|(s, _)| s == scheme))
        .collect()
}

/// Whether DTLS 1.3 has a scheme: those with PKCS #1 v1.5 "are not defined for use in signed TLS
/// handshake messages" any more
/// ([RFC 8446 §4.2.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.3)).
pub(crate) fn is_of_1_3(scheme: SignatureScheme) -> bool {
    SIGNATURE_SCHEMES.contains(&scheme)
        && !matches!(
            scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        )
}

/// Checks `signature` over `message` (not hashed) with the key of `certificate`.
///
/// In DTLS 1.3 an ECDSA scheme says the curve. In DTLS 1.2 it says the hash only, "ecdsa + sha384"
/// may come from a P-256 key, so every algorithm of the scheme is asked whether the key is one of
/// its own; the first is the one of TLS 1.3
/// ([RFC 8446 §4.2.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.3)).
pub(crate) fn verify(
    version: Version,
    provider: &CryptoProvider,
    scheme: SignatureScheme,
    certificate: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), HandshakeError> {
    let key =
        subject_public_key_info(certificate).map_err(|_| HandshakeError::MalformedCertificate)?;
    let mapping = provider.signature_verification_algorithms.mapping;
    let (_, algorithms) =
        mapping.iter().find(|(s, _)| *s == scheme).ok_or(HandshakeError::IllegalParameter)?;
    let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
        algorithm.public_key_alg_id().as_ref() == key.algorithm
    };
    let algorithm = match version {
        Version::Dtls12 => {
            algorithms.iter().find(fits).ok_or(HandshakeError::UnsupportedCertificate)?
        }
        Version::Dtls13 => algorithms
            .first()
            .filter(fits)
            .filter(|_| is_of_1_3(scheme))
            .ok_or(HandshakeError::IllegalParameter)?,
    };
    algorithm
        .verify_signature(key.key, message, signature)
        .map_err(|_| HandshakeError::BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::{Certificate, CertificateError};
    use crate::crypto::Crypto;

    fn certificate(der: &[u8], key: &[u8]) -> Certificate {
        Certificate::from_der(&Crypto::default(), vec![der.to_vec()], key).unwrap()
    }

    #[test]
    fn every_kind_of_key_verifies_with_its_own_schemes_only() {
        let provider = Crypto::default().handshake;
        let keys = [
            certificate(
                include_bytes!("../../tests/certificates/p256-v1.der"),
                include_bytes!("../../tests/certificates/p256.pk8"),
            ),
            certificate(
                include_bytes!("../../tests/certificates/p384.der"),
                include_bytes!("../../tests/certificates/p384.pk8"),
            ),
            certificate(
                include_bytes!("../../tests/certificates/ed25519.der"),
                include_bytes!("../../tests/certificates/ed25519.pk8"),
            ),
            certificate(
                include_bytes!("../../tests/certificates/rsa-2048.der"),
                include_bytes!("../../tests/certificates/rsa-2048.pk8"),
            ),
        ];
        let schemes = supported_schemes(&provider);
        assert_eq!(schemes, SIGNATURE_SCHEMES);
        let mut signed = 0;
        for certificate in &keys {
            let key = certificate.key();
            for signer in schemes.iter().filter_map(|scheme| key.choose_scheme(&[*scheme])) {
                let signature = signer.sign(b"message").unwrap();
                for &scheme in &schemes {
                    let der = certificate.der();
                    for version in VERSIONS {
                        let verifies = |message: &[u8]| {
                            verify(version, &provider, scheme, der, message, &signature).is_ok()
                        };
                        let right = scheme == signer.scheme()
                            && (version == Version::Dtls12 || is_of_1_3(scheme));
                        let place = format!("{version}, {scheme:?} for {:?}", signer.scheme());
                        assert_eq!(verifies(b"message"), right, "{place}");
                        assert!(!verifies(b"other"), "{place}");
                    }
                }
                signed += 1;
            }
        }
        assert_eq!(signed, SIGNATURE_SCHEMES.len(), "each scheme by one kind of key");
    }

    const VERSIONS: [Version; 2] = [Version::Dtls12, Version::Dtls13];

    #[test]
    fn in_1_2_a_scheme_of_ecdsa_says_the_hash_only() {
        let provider = Crypto::default().handshake;
        let certificate = include_bytes!("../../tests/certificates/p256-v1.der");
        let signature = include_bytes!("../../tests/certificates/p256-sha384.sig");
        let scheme = SignatureScheme::ECDSA_NISTP384_SHA384;
        let verified = VERSIONS
            .map(|version| verify(version, &provider, scheme, certificate, b"message", signature));
        assert_eq!(verified, [Ok(()), Err(HandshakeError::IllegalParameter)]);
    }

    #[test]
    fn a_key_of_rsa_below_2048_bits_neither_verifies_nor_signs() {
        let provider = Crypto::default().handshake;
        let certificate = include_bytes!("../../tests/certificates/rsa-1024.der");
        let signature = include_bytes!("../../tests/certificates/rsa-1024.sig");
        let scheme = SignatureScheme::RSA_PSS_SHA256;
        for version in VERSIONS {
            let verified = verify(version, &provider, scheme, certificate, b"message", signature);
            assert_eq!(verified, Err(HandshakeError::BadSignature));
        }
        let key = include_bytes!("../../tests/certificates/rsa-1024.pk8");
        let loaded = Certificate::from_der(&Crypto::default(), vec![certificate.to_vec()], key);
        assert_eq!(loaded.unwrap_err(), CertificateError::Key);
    }

    #[test]
    fn in_1_3_a_scheme_of_ecdsa_says_the_curve() {
        let provider = Crypto::default().handshake;
        let key = certificate(
            include_bytes!("../../tests/certificates/p256-v1.der"),
            include_bytes!("../../tests/certificates/p256.pk8"),
        );
        let signer = key.key().choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
        let signature = signer.sign(b"message").unwrap();
        let (scheme, der) = (SignatureScheme::ECDSA_NISTP384_SHA384, key.der());
        // DTLS 1.2 goes as far as the signature; 1.3 does not.
        let verified =
            VERSIONS.map(|version| verify(version, &provider, scheme, der, b"message", &signature));
        assert_eq!(
            verified,
            [Err(HandshakeError::BadSignature), Err(HandshakeError::IllegalParameter)]
        );
    }
}
