//! The limit: what the cryptography, the checksums and the copies cost that nobody can do without.

use std::hint::black_box;

use dtls_srtp::crypto::{Crypto, X25519MlKem768};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{self, Algorithm, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use rustls::crypto::SupportedKxGroup as _;
use rustls::crypto::ring::kx_group::X25519;

/// Both sides of a protected packet: copied, sealed, copied, opened.
#[derive(Debug)]
pub struct Packets {
    seal: LessSafeKey,
    open: LessSafeKey,
    sent: Vec<u8>,
    received: Vec<u8>,
    number: u64,
}

impl Default for Packets {
    fn default() -> Self {
        let key = || {
            let key = UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("16 bytes are a key");
            LessSafeKey::new(key)
        };
        Self { seal: key(), open: key(), sent: Vec::new(), received: Vec::new(), number: 0 }
    }
}

impl Packets {
    const HEADER: usize = 12;

    /// Seals a payload behind a header; what an SFU does for each subscriber.
    pub fn seal(&mut self, payload: &[u8]) {
        self.sent.clear();
        self.sent.extend_from_slice(&[0x80; Self::HEADER]);
        self.sent.extend_from_slice(payload);
        self.number += 1;
        let nonce = self.nonce();
        let (header, body) = self.sent.split_at_mut(Self::HEADER);
        let tag = self
            .seal
            .seal_in_place_separate_tag(nonce, Aad::from(header), body)
            .expect("the packet is short");
        self.sent.extend_from_slice(tag.as_ref());
    }

    /// Opens what was sealed, behind one copy (the network).
    pub fn open(&mut self) -> &[u8] {
        self.received.clear();
        self.received.extend_from_slice(&self.sent);
        let nonce = self.nonce();
        let (header, body) = self.received.split_at_mut(Self::HEADER);
        self.open.open_in_place(nonce, Aad::from(header), body).expect("it was sealed above")
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().skip(4).zip(self.number.to_be_bytes()) {
            *to = from;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// One packet of media, both sides.
    pub fn media(&mut self, payload: &[u8]) {
        self.seal(payload);
        black_box(self.open());
    }

    /// One packet of SCTP, both sides: messages of `message` bytes copied in and out, two checksums.
    pub fn data(&mut self, messages: &[&[u8]], packet: &mut Vec<u8>, out: &mut Vec<u8>) {
        packet.clear();
        for message in messages {
            packet.extend_from_slice(message);
        }
        black_box(crc32c::crc32c(packet));
        self.seal(packet);
        let opened = self.open();
        black_box(crc32c::crc32c(opened));
        out.clear();
        out.extend_from_slice(opened);
        black_box(&*out);
    }
}

/// The public-key operations of two peers that connect as by default: two keys made for certificates,
/// an agreement on X25519MLKEM768, two signatures and verifications on P-256.
pub fn connect(random: &SystemRandom, key: &EcdsaKeyPair, group: &X25519MlKem768) {
    black_box([signing_key(random), signing_key(random)]);
    hybrid_agreement(group);
    signatures(random, key);
}

/// What [`hybrid_agreement`] agrees with.
#[must_use]
pub fn hybrid() -> X25519MlKem768 {
    X25519MlKem768::new(X25519, Crypto::default().handshake.secure_random)
}

/// What both sides agree on by *ring*'s X25519 and RustCrypto's ML-KEM.
pub fn hybrid_agreement(group: &X25519MlKem768) {
    let client = group.start().expect("entropy");
    let server = group.start_and_complete(client.pub_key()).expect("a fresh key");
    black_box(client.complete(&server.pub_key).expect("a fresh key").secret_bytes());
}

/// Two key pairs of one group, and what both sides agree on.
pub fn agreement(group: &'static Algorithm, random: &SystemRandom) {
    let pairs = [(); 2].map(|()| {
        let private = EphemeralPrivateKey::generate(group, random).expect("entropy");
        let public = private.compute_public_key().expect("a fresh key");
        (private, public)
    });
    let [(private_a, public_a), (private_b, public_b)] = pairs;
    for (private, public) in [(private_a, public_b), (private_b, public_a)] {
        let public = UnparsedPublicKey::new(group, public);
        agreement::agree_ephemeral(private, &public, |secret| {
            black_box(secret);
        })
        .expect("a fresh key");
    }
}

/// Two signatures on P-256, and their verifications.
pub fn signatures(random: &SystemRandom, key: &EcdsaKeyPair) {
    for _ in 0..2 {
        let signature = key.sign(random, b"transcript").expect("entropy");
        signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key())
            .verify(b"transcript", signature.as_ref())
            .expect("signed above");
    }
}

/// A key for [`signatures`].
#[must_use]
pub fn signing_key(random: &SystemRandom) -> EcdsaKeyPair {
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, random).expect("entropy");
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), random).expect("generated above")
}
