use aes::{Aes128, Aes256};
use ctr::{
    CtrCore,
    cipher::{
        BlockCipher, BlockEncryptMut, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore,
        consts::U16,
    },
    flavors::Ctr128BE,
};
use hmac::{Hmac, Mac};
use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag,
    UnboundKey, quic,
};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::{
    Aead, AeadAlgorithm, AesCtr, AesCtrHmacSha1, CryptoError, KeyError, PacketCrypto,
    SequenceNumberMask,
};

/// The default [`PacketCrypto`]: AEADs and masks from *ring*, AES counter mode and HMAC-SHA1 from
/// RustCrypto.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ring;

impl PacketCrypto for Ring {
    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, KeyError> {
        let ring: &'static Algorithm = match algorithm {
            AeadAlgorithm::Aes128Gcm => &AES_128_GCM,
            AeadAlgorithm::Aes256Gcm => &AES_256_GCM,
            AeadAlgorithm::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(ring, key).map_err(|_| wrong_length(algorithm, key))?;
        Ok(Box::new(RingAead(LessSafeKey::new(key))))
    }

    fn sequence_number_mask(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn SequenceNumberMask>, KeyError> {
        let ring: &'static quic::Algorithm = match algorithm {
            AeadAlgorithm::Aes128Gcm => &quic::AES_128,
            AeadAlgorithm::Aes256Gcm => &quic::AES_256,
            AeadAlgorithm::ChaCha20Poly1305 => &quic::CHACHA20,
        };
        let key =
            quic::HeaderProtectionKey::new(ring, key).map_err(|_| wrong_length(algorithm, key))?;
        Ok(Box::new(RingMask(key)))
    }

    fn aes_ctr(&self, key: &[u8]) -> Result<Box<dyn AesCtr>, KeyError> {
        Ok(match key.len() {
            32 => Box::new(Ctr(aes::<Aes256>(key)?)),
            _ => Box::new(Ctr(aes::<Aes128>(key)?)),
        })
    }

    fn aes_ctr_hmac_sha1(
        &self,
        cipher_key: &[u8],
        authentication_key: &[u8],
    ) -> Result<Box<dyn AesCtrHmacSha1>, KeyError> {
        // An HMAC key may have any length (RFC 2104 §2), so that this cannot fail.
        let hmac = <Hmac<Sha1> as Mac>::new_from_slice(authentication_key)
            .map_err(|_| KeyError::Length { actual: authentication_key.len(), expected: 20 })?;
        Ok(match cipher_key.len() {
            32 => Box::new(CtrHmac { aes: Ctr(aes::<Aes256>(cipher_key)?), hmac }),
            _ => Box::new(CtrHmac { aes: Ctr(aes::<Aes128>(cipher_key)?), hmac }),
        })
    }
}

struct RingAead(LessSafeKey);

impl Aead for RingAead {
    fn seal(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        contents: &mut [u8],
    ) -> Result<[u8; 16], CryptoError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(associated_data), contents)
            .map_err(|_| CryptoError)?;
        tag.as_ref().try_into().map_err(|_| CryptoError)
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        contents: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), CryptoError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0
            .open_in_place_separate_tag(
                nonce,
                Aad::from(associated_data),
                Tag::from(*tag),
                contents,
                0..,
            )
            .map_err(|_| CryptoError)?;
        Ok(())
    }
}

struct RingMask(quic::HeaderProtectionKey);

impl SequenceNumberMask for RingMask {
    fn mask(&self, sample: &[u8; 16]) -> [u8; 2] {
        // ring refuses only samples of another length than 16.
        let [first, second, ..] = self.0.new_mask(sample).unwrap_or_default();
        [first, second]
    }
}

/// An AES key schedule, expanded once.
struct Ctr<C>(C);

impl<C> AesCtr for Ctr<C>
where
    C: Send + Sync + BlockSizeUser<BlockSize = U16>,
    for<'k> &'k C: BlockEncryptMut + BlockCipher + BlockSizeUser<BlockSize = U16>,
{
    fn apply(&self, counter: &[u8; 16], data: &mut [u8]) {
        // The keystream borrows the schedule: no key is expanded per packet. It counts its blocks
        // from zero whatever `counter` is, and only 2^128 of them would make it panic.
        CtrCore::<&C, Ctr128BE>::inner_iv_init(&self.0, counter.into())
            .apply_keystream_partial(data.into());
    }
}

struct CtrHmac<C> {
    aes: Ctr<C>,
    /// Keyed, so that its two midstates are computed; cloned for every packet.
    hmac: Hmac<Sha1>,
}

impl<C> CtrHmac<C> {
    fn mac(&self, packet: &[u8], suffix: &[u8]) -> [u8; 20] {
        let mut hmac = self.hmac.clone();
        hmac.update(packet);
        hmac.update(suffix);
        hmac.finalize().into_bytes().into()
    }
}

impl<C> AesCtrHmacSha1 for CtrHmac<C>
where
    C: Send + Sync,
    Ctr<C>: AesCtr,
{
    fn seal(&self, counter: &[u8; 16], packet: &mut [u8], clear: usize, suffix: &[u8]) -> [u8; 20] {
        if let Some(secret) = packet.get_mut(clear..) {
            self.aes.apply(counter, secret);
        }
        self.mac(packet, suffix)
    }

    fn open(
        &self,
        counter: &[u8; 16],
        packet: &mut [u8],
        clear: usize,
        suffix: &[u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        let expected = self.mac(packet, suffix);
        let Some(expected) = expected.get(..tag.len()).filter(|tag| !tag.is_empty()) else {
            return Err(CryptoError);
        };
        if !bool::from(expected.ct_eq(tag)) {
            return Err(CryptoError);
        }
        if let Some(secret) = packet.get_mut(clear..) {
            self.aes.apply(counter, secret);
        }
        Ok(())
    }
}

fn aes<C: KeyInit>(key: &[u8]) -> Result<C, KeyError> {
    C::new_from_slice(key).map_err(|_| KeyError::Length { actual: key.len(), expected: 16 })
}

fn wrong_length(algorithm: AeadAlgorithm, key: &[u8]) -> KeyError {
    KeyError::Length { actual: key.len(), expected: algorithm.key_len() }
}
