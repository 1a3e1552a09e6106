//! The handshake's primitives, as the engines call them, against published vectors, over every
//! provider that comes with the crate.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use peerless_dtls_srtp::Crypto;
use peerless_dtls_srtp::crypto::X25519MlKem768;
use rustls::crypto::tls13::{Hkdf, OkmBlock};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, NamedGroup, SignatureScheme, SupportedCipherSuite};
use serde_json::Value;

fn providers() -> Vec<Crypto> {
    vec![
        Crypto::default(),
        Crypto::deterministic(1),
        #[cfg(feature = "aws-lc-rs")]
        Crypto::aws_lc_rs(),
    ]
}

#[test]
fn ecdsa_on_p256_passes_wycheproof() {
    for (crypto, test) in each(include_str!("vectors/ecdsa_p256_sha256.json")) {
        let mapping = crypto.handshake.signature_verification_algorithms.mapping;
        let scheme = SignatureScheme::ECDSA_NISTP256_SHA256;
        let (_, algorithms) = mapping.iter().find(|(known, _)| *known == scheme).unwrap();
        let (key, message) = (bytes(&test, "key"), bytes(&test, "msg"));
        let verified = algorithms[0].verify_signature(&key, &message, &bytes(&test, "sig"));
        assert_eq!(verified.is_ok(), test["result"] == "valid", "{test}");
    }
}

#[test]
fn x25519_refuses_every_key_that_gives_zeros() {
    for (crypto, test) in each(include_str!("vectors/x25519_zero.json")) {
        let x25519 = group(&crypto.handshake, NamedGroup::X25519);
        let public = bytes(&test, "public");
        assert!(x25519.start().unwrap().complete(&public).is_err(), "{test}");
        assert!(x25519.start_and_complete(&public).is_err(), "{test}");
        // The hybrid does not hide it.
        let hybrid = X25519MlKem768::new(x25519, crypto.handshake.secure_random);
        let mut share = hybrid.start().unwrap().pub_key().to_vec();
        share[1184..].copy_from_slice(&public);
        assert!(hybrid.start_and_complete(&share).is_err(), "{test}");
    }
}

#[test]
fn p256_refuses_what_is_no_uncompressed_point_of_the_curve() {
    for (crypto, test) in each(include_str!("vectors/ecdh_p256_invalid.json")) {
        let p256 = group(&crypto.handshake, NamedGroup::secp256r1);
        assert!(p256.start().unwrap().complete(&bytes(&test, "public")).is_err(), "{test}");
    }
}

#[test]
fn hkdf_passes_wycheproof() {
    for (crypto, test) in each(include_str!("vectors/hkdf_sha256.json")) {
        let salt = bytes(&test, "salt");
        let hkdf = hkdf_sha256(&crypto.handshake);
        let expander = hkdf.extract_from_secret(Some(&salt), &bytes(&test, "ikm"));
        let mut okm = vec![0; test["size"].as_u64().unwrap() as usize];
        let expanded = expander.expand_slice(&[&bytes(&test, "info")], &mut okm);
        assert_eq!(expanded.is_ok(), test["result"] == "valid", "{test}");
        if expanded.is_ok() {
            assert_eq!(okm, bytes(&test, "okm"), "{test}");
        }
    }
}

#[test]
fn hmac_sha256_passes_wycheproof() {
    for (crypto, test) in each(include_str!("vectors/hmac_sha256.json")) {
        let (key, message, tag) = (bytes(&test, "key"), bytes(&test, "msg"), bytes(&test, "tag"));
        let hkdf = hkdf_sha256(&crypto.handshake);
        let is_right = if key.len() <= OKM_LEN {
            let made = hkdf.hmac_sign(&OkmBlock::new(&key), &message);
            // Some tags are cut to half of their length.
            made.as_ref().get(..tag.len()) == Some(&tag[..])
        } else if tag.len() == 32 {
            // A longer key is hashed first, which rustls has for salts only: the tag is what HKDF
            // extracts, and expands.
            let extracted = hkdf.extract_from_secret(Some(&key), &message).expand_block(&[]);
            let tagged = hkdf.expander_for_okm(&OkmBlock::new(&tag)).expand_block(&[]);
            extracted.as_ref() == tagged.as_ref()
        } else {
            continue;
        };
        assert_eq!(is_right, test["result"] == "valid", "{test}");
    }
}

/// The longest that an `OkmBlock` can be.
const OKM_LEN: usize = 64;

#[test]
fn x25519mlkem768_of_every_provider_agrees_with_that_of_every_other() {
    let groups: Vec<_> = providers()
        .iter()
        .map(|crypto| {
            let x25519 = group(&crypto.handshake, NamedGroup::X25519);
            let ours = X25519MlKem768::new(x25519, crypto.handshake.secure_random);
            Box::leak(Box::new(ours)) as &dyn SupportedKxGroup
        })
        .chain(providers().iter().flat_map(|crypto| {
            let brought = crypto.handshake.kx_groups.iter().copied();
            brought.filter(|group| group.name() == NamedGroup::X25519MLKEM768)
        }))
        .collect();
    assert!(groups.len() > providers().len() || !cfg!(feature = "aws-lc-rs"), "it brings its own");
    for client in &groups {
        for server in &groups {
            let client = client.start().unwrap();
            let server = server.start_and_complete(client.pub_key()).unwrap();
            let secret = client.complete(&server.pub_key).unwrap();
            assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
        }
    }
}

fn group(provider: &CryptoProvider, name: NamedGroup) -> &'static dyn SupportedKxGroup {
    *provider.kx_groups.iter().find(|group| group.name() == name).unwrap()
}

fn hkdf_sha256(provider: &CryptoProvider) -> &'static dyn Hkdf {
    let suites = provider.cipher_suites.iter();
    let mut found = suites.filter_map(|suite| match suite {
        SupportedCipherSuite::Tls13(suite) => Some(suite),
        SupportedCipherSuite::Tls12(_) => None,
    });
    found
        .find(|suite| suite.common.suite == CipherSuite::TLS13_AES_128_GCM_SHA256)
        .unwrap()
        .hkdf_provider
}

/// Every vector with every provider.
fn each(json: &str) -> impl Iterator<Item = (Crypto, Value)> {
    let tests: Vec<Value> = serde_json::from_str(json).unwrap();
    providers()
        .into_iter()
        .flat_map(move |crypto| tests.clone().into_iter().map(move |test| (crypto.clone(), test)))
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    let text = value[name].as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
