//! Signatures of the handshake, checked with the key of the peer's certificate.

use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;

use super::HandshakeError;
use crate::certificate::der::subject_public_key_info;

/// The schemes that we ask the peer for, most preferred first: what every WebRTC peer has and
/// verifies fastest, then what other DTLS peers may have. No SHA-1
/// ([RFC 9155 §2](https://www.rfc-editor.org/rfc/rfc9155#section-2)).
const PREFERENCE: [SignatureScheme; 9] = [
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
    PREFERENCE.into_iter().filter(|scheme| mapping.iter().any(|(s, _)| s == scheme)).collect()
}

/// Whether DTLS 1.3 has a scheme: those with PKCS #1 v1.5 "are not defined for use in signed TLS
/// handshake messages" any more
/// ([RFC 8446 §4.2.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.3)).
pub(crate) fn is_of_1_3(scheme: SignatureScheme) -> bool {
    PREFERENCE.contains(&scheme)
        && !matches!(
            scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        )
}

/// Checks `signature` over `message` (not hashed) with the key of `certificate`, as DTLS 1.3
/// wants it: with ECDSA, the scheme says the curve too.
pub(crate) fn verify_1_3(
    provider: &CryptoProvider,
    scheme: SignatureScheme,
    certificate: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), HandshakeError> {
    let key =
        subject_public_key_info(certificate).map_err(|_| HandshakeError::MalformedCertificate)?;
    let mapping = provider.signature_verification_algorithms.mapping;
    // The first algorithm of a scheme is the one of TLS 1.3.
    let algorithm = mapping
        .iter()
        .find(|(s, _)| *s == scheme && is_of_1_3(scheme))
        .and_then(|(_, algorithms)| algorithms.first())
        .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == key.algorithm)
        .ok_or(HandshakeError::IllegalParameter)?;
    algorithm
        .verify_signature(key.key, message, signature)
        .map_err(|_| HandshakeError::BadSignature)
}

/// Checks `signature` over `message` (not hashed) with the key of `certificate`.
///
/// In DTLS 1.2 an ECDSA scheme says the hash only, "ecdsa + sha384" may come from a P-256 key
/// ([RFC 8446 §4.2.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.3) is stricter), so every
/// algorithm of the scheme is asked whether the key is one of its own.
pub(crate) fn verify(
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
    let algorithm = algorithms
        .iter()
        .find(|algorithm| algorithm.public_key_alg_id().as_ref() == key.algorithm)
        .ok_or(HandshakeError::UnsupportedCertificate)?;
    algorithm
        .verify_signature(key.key, message, signature)
        .map_err(|_| HandshakeError::BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;
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
        assert_eq!(schemes, PREFERENCE);
        for certificate in &keys {
            let signer = certificate.key().choose_scheme(&schemes).unwrap();
            let signature = signer.sign(b"message").unwrap();
            for &scheme in &schemes {
                let verified = verify(&provider, scheme, certificate.der(), b"message", &signature);
                assert_eq!(verified.is_ok(), scheme == signer.scheme(), "{scheme:?}");
                let verified =
                    verify_1_3(&provider, scheme, certificate.der(), b"message", &signature);
                let expected = scheme == signer.scheme() && is_of_1_3(scheme);
                assert_eq!(verified.is_ok(), expected, "{scheme:?}");
            }
            let scheme = signer.scheme();
            let other = verify(&provider, scheme, certificate.der(), b"other", &signature);
            assert_eq!(other, Err(HandshakeError::BadSignature));
        }
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
        let verified = verify(&provider, scheme, der, b"message", &signature);
        assert_eq!(verified, Err(HandshakeError::BadSignature));
        let verified = verify_1_3(&provider, scheme, der, b"message", &signature);
        assert_eq!(verified, Err(HandshakeError::IllegalParameter));
    }
}
