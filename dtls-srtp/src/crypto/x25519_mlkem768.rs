//! X25519MLKEM768: a key exchange that a quantum computer alone does not break
//! ([draft-ietf-tls-ecdhe-mlkem](https://datatracker.ietf.org/doc/draft-ietf-tls-ecdhe-mlkem/)).
//!
//! ```text
//! client's share   ML-KEM encapsulation key (1184) ‖ X25519 public key (32)
//! server's share   ML-KEM ciphertext (1088)        ‖ X25519 public key (32)
//! shared secret    ML-KEM shared secret (32)       ‖ X25519 shared secret (32)
//! ```

use std::fmt;

use ml_kem::ml_kem_768::{Ciphertext, DecapsulationKey, EncapsulationKey};
use ml_kem::{B32, Decapsulate, Key, KeyExport, Seed, SharedKey};
use rustls::crypto::{
    ActiveKeyExchange, CompletedKeyExchange, SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::{Zeroize, Zeroizing};

/// The group made of a provider's X25519 and RustCrypto's ML-KEM-768
/// ([FIPS 203](https://doi.org/10.6028/NIST.FIPS.203)), for providers that have no such group of
/// their own.
///
/// [`dtls::Config`](crate::dtls::Config) adds it by itself.
#[derive(Clone, Copy)]
pub struct X25519MlKem768 {
    x25519: &'static dyn SupportedKxGroup,
    random: &'static dyn SecureRandom,
}

/// What [`X25519MlKem768`] shares with its parts: half of each share, half of the secret.
const X25519_LEN: usize = 32;

impl X25519MlKem768 {
    /// Puts ML-KEM-768 beside `x25519`, with `random` for its seeds.
    pub const fn new(
        x25519: &'static dyn SupportedKxGroup,
        random: &'static dyn SecureRandom,
    ) -> Self {
        Self { x25519, random }
    }

    fn random<const N: usize>(&self) -> Result<Zeroizing<[u8; N]>, Error> {
        let mut bytes = Zeroizing::new([0; N]);
        self.random.fill(&mut *bytes).map_err(|_| Error::FailedToGetRandomBytes)?;
        Ok(bytes)
    }
}

impl SupportedKxGroup for X25519MlKem768 {
    /// The client's side.
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let x25519 = self.x25519.start()?;
        let mut seed = Seed::from(*self.random::<64>()?);
        let ml_kem = Box::new(DecapsulationKey::from_seed(seed));
        seed.zeroize();
        let share = [&ml_kem.encapsulation_key().to_bytes()[..], x25519.pub_key()].concat();
        Ok(Box::new(Active { x25519, ml_kem, share }))
    }

    /// The server's side: ML-KEM has no share of its own, it answers the client's.
    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (key, x25519_share) = split(client_share)?;
        let key = Key::<EncapsulationKey>::try_from(key).map_err(|_| INVALID)?;
        // FIPS 203 §7.2: what does not encode numbers below q is no key.
        let key = EncapsulationKey::new(&key).map_err(|_| INVALID)?;
        let x25519 = self.x25519.start_and_complete(x25519_share)?;

        let mut message = B32::from(*self.random::<32>()?);
        let (ciphertext, shared) = key.encapsulate_deterministic(&message);
        message.zeroize();
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [&ciphertext[..], &x25519.pub_key].concat(),
            secret: join(shared, &x25519.secret),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        matches!(version, ProtocolVersion::TLSv1_3 | ProtocolVersion::DTLSv1_3)
    }
}

impl fmt::Debug for X25519MlKem768 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X25519MlKem768").field("x25519", &self.x25519).finish_non_exhaustive()
    }
}

/// A client that waits for the server's share.
struct Active {
    x25519: Box<dyn ActiveKeyExchange>,
    ml_kem: Box<DecapsulationKey>,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Active {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, x25519_share) = split(server_share)?;
        let ciphertext = Ciphertext::try_from(ciphertext).map_err(|_| INVALID)?;
        let x25519 = self.x25519.complete(x25519_share)?;
        // A ciphertext that was not made with our key gives a secret that nobody has (FIPS 203
        // §6.3, implicit rejection), and the handshake fails at Finished.
        Ok(join(self.ml_kem.decapsulate(&ciphertext), &x25519))
    }

    /// The second share that a client offers beside the first costs no second key.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.x25519.group(), self.x25519.pub_key()))
    }

    fn complete_hybrid_component(
        self: Box<Self>,
        server_share: &[u8],
    ) -> Result<SharedSecret, Error> {
        self.x25519.complete(server_share)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

const INVALID: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// Takes a share apart, ML-KEM's half first.
fn split(share: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let at = share.len().checked_sub(X25519_LEN).ok_or(INVALID)?;
    share.split_at_checked(at).ok_or(INVALID)
}

fn join(mut ml_kem: SharedKey, x25519: &SharedSecret) -> SharedSecret {
    let secret = [&ml_kem[..], x25519.secret_bytes()].concat();
    ml_kem.zeroize();
    SharedSecret::from(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Crypto;

    fn group() -> X25519MlKem768 {
        let provider = Crypto::default().handshake;
        X25519MlKem768::new(rustls::crypto::ring::kx_group::X25519, provider.secure_random)
    }

    fn refused(result: Result<impl Sized, Error>) -> bool {
        matches!(result.err(), Some(error) if error == INVALID)
    }

    #[test]
    fn both_sides_have_the_same_secret_of_64_bytes() {
        // client ── encapsulation key ‖ X25519 ──▶ server
        // client ◀── ciphertext ‖ X25519 ── server
        let client = group().start().unwrap();
        assert_eq!(client.pub_key().len(), 1184 + 32);
        let server = group().start_and_complete(client.pub_key()).unwrap();
        assert_eq!(server.pub_key.len(), 1088 + 32);
        assert_eq!(server.group, NamedGroup::X25519MLKEM768);

        let secret = client.complete(&server.pub_key).unwrap();

        assert_eq!(secret.secret_bytes().len(), 64);
        assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn the_second_share_is_the_same_x25519_key() {
        let client = group().start().unwrap();
        let (name, share) = client.hybrid_component().unwrap();
        assert_eq!(name, NamedGroup::X25519);
        assert_eq!(share, &client.pub_key()[1184..]);

        let server = rustls::crypto::ring::kx_group::X25519.start_and_complete(share).unwrap();
        let secret = client.complete_hybrid_component(&server.pub_key).unwrap();
        assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn is_for_version_1_3_only() {
        assert!(group().usable_for_version(ProtocolVersion::TLSv1_3));
        assert!(!group().usable_for_version(ProtocolVersion::TLSv1_2));
        assert!(!group().usable_for_version(ProtocolVersion::DTLSv1_2));
    }

    #[test]
    fn refuses_shares_of_another_length() {
        let client = group().start().unwrap();
        let share = client.pub_key();
        let server = group().start_and_complete(share).unwrap();
        for len in [0, 31, 32, 1120, 1184, 1215] {
            assert!(refused(group().start_and_complete(&share[..len])), "{len}");
        }
        assert!(refused(group().start_and_complete(&[share, &[0]].concat())));
        for len in [0, 31, 1088, 1119] {
            let client = group().start().unwrap();
            assert!(refused(client.complete(&server.pub_key[..len])), "{len}");
        }
    }

    #[test]
    fn refuses_an_encapsulation_key_that_is_not_canonical() {
        let mut share = group().start().unwrap().pub_key().to_vec();
        // The first number becomes 4095, which is above q = 3329.
        share[0] = 0xff;
        share[1] |= 0x0f;
        assert!(refused(group().start_and_complete(&share)));
    }

    #[test]
    fn refuses_an_x25519_share_of_zeros() {
        let client = group().start().unwrap();
        let mut share = client.pub_key().to_vec();
        let server = group().start_and_complete(&share).unwrap();
        share[1184..].fill(0);
        assert!(refused(group().start_and_complete(&share)));

        let mut answer = server.pub_key;
        answer[1088..].fill(0);
        assert!(refused(client.complete(&answer)));
    }

    #[test]
    fn a_changed_ciphertext_gives_another_secret_rather_than_an_error() {
        let client = group().start().unwrap();
        let mut server = group().start_and_complete(client.pub_key()).unwrap();
        server.pub_key[500] ^= 1;
        let secret = client.complete(&server.pub_key).unwrap();
        assert_ne!(secret.secret_bytes()[..32], server.secret.secret_bytes()[..32]);
        assert_eq!(secret.secret_bytes()[32..], server.secret.secret_bytes()[32..]);
    }
}
