//! Cryptography that one seed repeats to the last byte, **for tests only**: who knows the seed
//! reads everything.
//!
//! *ring* and aws-lc-rs take their keys and ECDSA's nonces from the system, where no seed reaches
//! them. X25519, P-256 and ECDSA are RustCrypto's here; all in which nothing is random is that of the
//! default.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey as EcdsaKey};
use p256::pkcs8::DecodePrivateKey as _;
use p256::{PublicKey, SecretKey};
use rand::rngs::ChaCha20Rng;
use rand::{Rng as _, SeedableRng as _};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SharedSecret,
    SupportedKxGroup, ring,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureAlgorithm, SignatureScheme};
use x25519_dalek::StaticSecret;

use super::{Crypto, Ring};

impl Crypto {
    /// Cryptography that repeats every byte for a seed, **for tests only**: keys, certificates and
    /// signatures, in the order in which they are asked for, so that connections that shall not
    /// disturb each other need one each.
    ///
    /// It has X25519MLKEM768, X25519 and P-256; keys of certificates are on P-256 or Ed25519. Each
    /// call leaks some hundred bytes, as rustls keeps providers for ever.
    pub fn deterministic(seed: u64) -> Self {
        let random: &'static Random =
            Box::leak(Box::new(Random(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))));
        let provider = CryptoProvider {
            kx_groups: vec![Box::leak(Box::new(X25519(random))), Box::leak(Box::new(P256(random)))],
            secure_random: random,
            key_provider: &Keys,
            ..CryptoProvider::clone(&Self::ring().handshake)
        };
        Self { handshake: Arc::new(provider), packets: &Ring }
    }
}

struct Random(Mutex<ChaCha20Rng>);

impl Random {
    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }
}

impl SecureRandom for Random {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(buf);
        Ok(())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

const INVALID: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

#[derive(Debug)]
struct X25519(&'static Random);

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = StaticSecret::from(self.0.bytes());
        let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
        Ok(Box::new(ActiveX25519 { secret, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct ActiveX25519 {
    secret: StaticSecret,
    public: [u8; 32],
}

impl ActiveKeyExchange for ActiveX25519 {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| INVALID)?;
        let shared = self.secret.diffie_hellman(&peer.into());
        // RFC 7748 §6.1: a result of zeros means that the peer's key has no part in it.
        if shared.was_contributory() {
            Ok(SharedSecret::from(&shared.as_bytes()[..]))
        } else {
            Err(INVALID)
        }
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[derive(Debug)]
struct P256(&'static Random);

impl SupportedKxGroup for P256 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        // One of 2^32 times the number is not below the group's order.
        let secret = std::iter::repeat_with(|| SecretKey::from_slice(&self.0.bytes()))
            .take(4)
            .find_map(Result::ok)
            .ok_or(Error::FailedToGetRandomBytes)?;
        let public = secret.public_key().to_sec1_bytes();
        Ok(Box::new(ActiveP256 { secret, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct ActiveP256 {
    secret: SecretKey,
    public: Box<[u8]>,
}

impl ActiveKeyExchange for ActiveP256 {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        // RFC 8446 §4.2.8.2: points are not compressed.
        let peer = match peer {
            [4, ..] => PublicKey::from_sec1_bytes(peer).map_err(|_| INVALID)?,
            _ => return Err(INVALID),
        };
        let shared = self.secret.diffie_hellman(&peer);
        Ok(SharedSecret::from(&shared.raw_secret_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

/// Keys on P-256 sign by RFC 6979; others are *ring*'s, of which Ed25519 and RSA with PKCS #1
/// repeat.
#[derive(Debug)]
struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let p256 = match &key {
            PrivateKeyDer::Pkcs8(key) => SecretKey::from_pkcs8_der(key.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Sec1(key) => SecretKey::from_sec1_der(key.secret_sec1_der()).ok(),
            _ => None,
        };
        match p256 {
            Some(key) => Ok(Arc::new(DeterministicEcdsa(key.into()))),
            None => ring::default_provider().key_provider.load_private_key(key),
        }
    }
}

/// ECDSA whose nonce is derived from the key and the message
/// ([RFC 6979](https://www.rfc-editor.org/rfc/rfc6979)).
#[derive(Clone, Debug)]
struct DeterministicEcdsa(EcdsaKey);

impl SigningKey for DeterministicEcdsa {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(self.clone()) as _)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        let point = PublicKey::from(self.0.verifying_key()).to_sec1_bytes();
        Some(public_key_to_spki(&alg_id::ECDSA_P256, point))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for DeterministicEcdsa {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: Signature = self.0.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::certificate::{Certificate, CertificateParameters, KeyAlgorithm};
    use crate::crypto::Group;

    const GROUPS: [NamedGroup; 3] =
        [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1];

    #[test]
    fn a_seed_repeats_every_key_and_another_seed_none() {
        let shares = |seed| {
            let provider = Crypto::deterministic(seed).handshake;
            GROUPS.map(|name| {
                let group = Group::find(&provider, name).unwrap();
                group.start().unwrap().pub_key().to_vec()
            })
        };
        assert_eq!(shares(1), shares(1));
        assert!(shares(1).iter().zip(shares(2)).all(|(one, other)| *one != other));
    }

    #[test]
    fn agrees_with_ring_either_way() {
        let (ours, ring) = (Crypto::deterministic(1).handshake, Crypto::ring().handshake);
        for name in GROUPS {
            for (client, server) in [(&ours, &ring), (&ring, &ours)] {
                let client = Group::find(client, name).unwrap().start().unwrap();
                let server = Group::find(server, name).unwrap();
                let server = server.start_and_complete(client.pub_key()).unwrap();
                let secret = client.complete(&server.pub_key).unwrap();
                assert_eq!(secret.secret_bytes(), server.secret.secret_bytes(), "{name:?}");
            }
        }
    }

    #[test]
    fn refuses_keys_that_are_no_points() {
        let provider = Crypto::deterministic(1).handshake;
        let p256 = Group::find(&provider, NamedGroup::secp256r1).unwrap();
        let mut point = p256.start().unwrap().pub_key().to_vec();
        point[64] ^= 1;
        assert_eq!(p256.start().unwrap().complete(&point).err(), Some(INVALID));
        point[0] = 2;
        assert_eq!(p256.start().unwrap().complete(&point[..33]).err(), Some(INVALID));
        let x25519 = Group::find(&provider, NamedGroup::X25519).unwrap();
        assert_eq!(x25519.start().unwrap().complete(&[0; 32]).err(), Some(INVALID));
    }

    #[test]
    fn a_seed_repeats_certificates_and_signatures() {
        for key_algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
            let make = |seed| {
                let parameters = CertificateParameters {
                    key_algorithm,
                    ..CertificateParameters::new(UNIX_EPOCH)
                };
                Certificate::generate(&Crypto::deterministic(seed), parameters).unwrap()
            };
            let sign = |certificate: &Certificate| {
                let schemes = [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519];
                certificate.key().choose_scheme(&schemes).unwrap().sign(b"message").unwrap()
            };
            let (once, again, other) = (make(1), make(1), make(2));
            assert_eq!(once.der(), again.der());
            assert_eq!(sign(&once), sign(&again));
            assert_ne!(once.der(), other.der());
        }
    }
}
