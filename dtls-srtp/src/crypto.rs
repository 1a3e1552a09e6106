//! The cryptography that everything in this crate is given, never reaches for.
//!
//! [`Crypto`] is two providers. The handshake (key exchange groups, signatures, hashes, HKDF and
//! PRF) is a [`rustls::crypto::CryptoProvider`]: any rustls provider can be handed in. Packets are
//! sealed and opened by a [`PacketCrypto`], which is ours, because rustls's record traits can give
//! neither DTLS 1.3's sequence-number mask nor SRTP's ciphers.
//!
//! A [`PacketCrypto`] makes *keyed objects*: whatever depends on the key alone (AES key schedules,
//! GHASH tables, HMAC midstates) is computed once, boxed once, and kept as long as the key. A
//! packet then costs one dynamic call and no allocation.
//!
//! The default is *ring*'s: its assembly for key exchange, signatures and AEADs; RustCrypto for what
//! *ring* does not have (AES in counter mode) or has slower (HMAC-SHA1, which *ring* does in portable
//! code and RustCrypto with the processor's SHA instructions, 3.5 times faster on a packet, and, where
//! there are such instructions, the hashes of a few bytes that a handshake is full of).
//!
//! What does not go through them, whichever they are, is this: the hash of a
//! [`Fingerprint`](crate::Fingerprint) is RustCrypto's; the ML-KEM of a provider that has no
//! X25519MLKEM768 of its own is RustCrypto's too ([`X25519MlKem768`]), with the provider's randomness;
//! [`Certificate::generate`](crate::Certificate::generate) has *ring* make an ECDSA key where the
//! provider cannot derive the public one; and the randoms of hellos, first connection ids and the
//! secrets of cookies are ChaCha20's, from the seed of the connection.
//!
//! ```
//! use peerless_dtls_srtp::crypto::{AeadAlgorithm, Crypto};
//!
//! let crypto = Crypto::default();
//! let aead = crypto.packets.aead(AeadAlgorithm::Aes128Gcm, &[7; 16])?;
//! let mut contents = *b"hello";
//! let tag = aead.seal(&[1; 12], b"header", &mut contents)?;
//! aead.open(&[1; 12], b"header", &mut contents, &tag)?;
//! assert_eq!(&contents, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs_packets;
mod counter_mode;
#[cfg(feature = "deterministic")]
mod deterministic;
mod group;
mod hashing;
mod ring_packets;
mod x25519_mlkem768;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use rustls::crypto::CryptoProvider;
use thiserror::Error;

#[cfg(feature = "aws-lc-rs")]
pub use self::aws_lc_rs_packets::AwsLcRs;
pub(crate) use self::group::Group;
pub(crate) use self::hashing::KeyedPrf;
pub use self::ring_packets::Ring;
pub use self::x25519_mlkem768::X25519MlKem768;

/// The providers of all cryptography: one for handshakes, one for packets.
///
/// A clone is two pointers. [`Default`] is *ring* (with RustCrypto for SRTP's AES-CM and,
/// where that is faster, for hashes), built once per process.
#[derive(Clone)]
pub struct Crypto {
    /// Key exchange groups, signatures and their verification, hashes, HKDF, PRF and randomness.
    pub handshake: Arc<CryptoProvider>,
    /// What seals and opens DTLS records, SRTP and SRTCP packets.
    pub packets: &'static dyn PacketCrypto,
}

impl Default for Crypto {
    fn default() -> Self {
        // This crate's own tests run on the provider that they are built with.
        #[cfg(all(test, feature = "aws-lc-rs"))]
        return Self::aws_lc_rs();
        #[cfg(not(all(test, feature = "aws-lc-rs")))]
        Self::ring()
    }
}

impl Crypto {
    fn ring() -> Self {
        static HANDSHAKE: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
            let ring = rustls::crypto::ring::default_provider();
            Arc::new(if hashing::is_fast() { hashing::replace(ring) } else { ring })
        });
        Self { handshake: Arc::clone(&HANDSHAKE), packets: &Ring }
    }
}

#[cfg(feature = "aws-lc-rs")]
impl Crypto {
    /// Both providers of [aws-lc-rs](https://docs.rs/aws-lc-rs): AES-GCM is faster than *ring*'s,
    /// and X25519MLKEM768 is its own. Building it takes a C compiler.
    pub fn aws_lc_rs() -> Self {
        static HANDSHAKE: LazyLock<Arc<CryptoProvider>> =
            LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        Self { handshake: Arc::clone(&HANDSHAKE), packets: &AwsLcRs }
    }
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crypto").field("packets", &self.packets).finish_non_exhaustive()
    }
}

/// A maker of keyed objects for packets: DTLS records, SRTP and SRTCP.
///
/// Implement it to put packets through other code: an accelerator, a FIPS module, a counter in a
/// test. Each method is called when a key changes, never per packet.
pub trait PacketCrypto: fmt::Debug + Send + Sync {
    /// Makes a sealer and opener of one key.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `key` has not [`AeadAlgorithm::key_len`] bytes or the algorithm is not
    /// available.
    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, KeyError>;

    /// Makes what masks the sequence numbers of DTLS 1.3 records that `algorithm` protects
    /// ([RFC 9147 §4.2.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.2.3)).
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `key` has not [`AeadAlgorithm::key_len`] bytes or the algorithm is not
    /// available.
    fn sequence_number_mask(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn SequenceNumberMask>, KeyError>;

    /// Makes a generator of AES counter-mode keystream: SRTP's key derivation
    /// ([RFC 3711 §4.3.3](https://www.rfc-editor.org/rfc/rfc3711#section-4.3.3)) and header
    /// encryption. The length of `key` (16 or 32) chooses AES-128 or AES-256.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `key` has another length.
    fn aes_ctr(&self, key: &[u8]) -> Result<Box<dyn AesCtr>, KeyError>;

    /// Makes AES counter mode with HMAC-SHA1 over the result, the pair that protects a packet of
    /// [RFC 3711](https://www.rfc-editor.org/rfc/rfc3711#section-4), as one object so that a
    /// packet costs one call. The length of `cipher_key` (16 or 32) chooses AES-128 or AES-256.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `cipher_key` has another length.
    fn aes_ctr_hmac_sha1(
        &self,
        cipher_key: &[u8],
        authentication_key: &[u8],
    ) -> Result<Box<dyn AesCtrHmacSha1>, KeyError>;
}

/// Authenticated encryption under one key.
pub trait Aead: Send + Sync {
    /// Encrypts `contents` in place and returns the tag over it and `associated_data`.
    ///
    /// The caller never uses a nonce twice under one key.
    ///
    /// # Errors
    ///
    /// [`CryptoError`] if `contents` is longer than the algorithm allows (tens of gibibytes).
    fn seal(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        contents: &mut [u8],
    ) -> Result<[u8; 16], CryptoError>;

    /// Decrypts `contents` in place if `tag` is right. After an error `contents` holds nothing
    /// that may be used.
    ///
    /// # Errors
    ///
    /// [`CryptoError`] if the tag does not match.
    fn open(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        contents: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), CryptoError>;
}

/// Masks the sequence numbers of DTLS 1.3 records under one key.
pub trait SequenceNumberMask: Send + Sync {
    /// Returns the first bytes of the mask that belongs to `sample`, the first 16 bytes of a
    /// record's ciphertext.
    fn mask(&self, sample: &[u8; 16]) -> [u8; 2];
}

/// AES in counter mode under one key.
pub trait AesCtr: Send + Sync {
    /// Adds (XOR) the keystream that starts with counter block `counter` to `data`.
    fn apply(&self, counter: &[u8; 16], data: &mut [u8]);
}

/// AES in counter mode and HMAC-SHA1 under one pair of keys
/// ([RFC 3711 §4](https://www.rfc-editor.org/rfc/rfc3711#section-4)).
pub trait AesCtrHmacSha1: Send + Sync {
    /// Encrypts `packet[clear..]` in place, starting with counter block `counter`, and returns the
    /// HMAC-SHA1 of the whole packet followed by `suffix`. A `clear` at or past the end only
    /// authenticates.
    fn seal(&self, counter: &[u8; 16], packet: &mut [u8], clear: usize, suffix: &[u8]) -> [u8; 20];

    /// Only encrypts, or decrypts: adds (XOR) the keystream that starts with counter block
    /// `counter` to `data`. It is for packets whose encrypted part is not in one piece (RFC 9335
    /// with CSRCs). The default does too much, and throws a tag away.
    fn apply(&self, counter: &[u8; 16], data: &mut [u8]) {
        self.seal(counter, data, 0, &[]);
    }

    /// Compares, in constant time, the HMAC-SHA1 of `packet` followed by `suffix` with `tag`, which
    /// may be its first bytes only (SRTP's tags have 10 or 4), and if it is equal decrypts
    /// `packet[clear..]` in place. After an error the packet is as it was.
    ///
    /// # Errors
    ///
    /// [`CryptoError`] if the tag does not match, is empty, or is longer than 20 bytes.
    fn open(
        &self,
        counter: &[u8; 16],
        packet: &mut [u8],
        clear: usize,
        suffix: &[u8],
        tag: &[u8],
    ) -> Result<(), CryptoError>;
}

/// An authenticated encryption algorithm, each with 12 bytes of nonce and 16 of tag.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum AeadAlgorithm {
    /// AES-128 in Galois/Counter Mode.
    Aes128Gcm,
    /// AES-256 in Galois/Counter Mode.
    Aes256Gcm,
    /// ChaCha20 with Poly1305 ([RFC 8439](https://www.rfc-editor.org/rfc/rfc8439)).
    ChaCha20Poly1305,
}

impl AeadAlgorithm {
    /// Returns the length of a key in bytes, also of a sequence-number key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Returns the length of a nonce in bytes.
    pub const fn nonce_len(self) -> usize {
        12
    }

    /// Returns the length of a tag in bytes.
    pub const fn tag_len(self) -> usize {
        16
    }
}

/// A key that could not be used.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyError {
    /// The key has the wrong number of bytes.
    #[error("a key of {actual} bytes does not fit, {expected} are needed")]
    Length {
        /// How many bytes were given.
        actual: usize,
        /// How many bytes the algorithm takes.
        expected: usize,
    },
    /// The provider has no such algorithm.
    #[error("this provider has no {0:?}")]
    Unsupported(AeadAlgorithm),
}

impl KeyError {
    fn length(algorithm: AeadAlgorithm, key: &[u8]) -> Self {
        Self::Length { actual: key.len(), expected: algorithm.key_len() }
    }
}

/// A packet could not be sealed or opened: deliberately no more than that.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the packet could not be authenticated")]
pub struct CryptoError;
