use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
    quic,
};

use super::{
    Aead, AeadAlgorithm, AesCtr, AesCtrHmacSha1, CryptoError, KeyError, PacketCrypto,
    SequenceNumberMask, counter_mode,
};

/// AEADs and masks from aws-lc-rs, AES counter mode and HMAC-SHA1 from RustCrypto, which are the
/// faster of the two.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLcRs;

impl PacketCrypto for AwsLcRs {
    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, KeyError> {
        let theirs: &'static Algorithm = match algorithm {
            AeadAlgorithm::Aes128Gcm => &AES_128_GCM,
            AeadAlgorithm::Aes256Gcm => &AES_256_GCM,
            AeadAlgorithm::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(theirs, key).map_err(|_| KeyError::length(algorithm, key))?;
        Ok(Box::new(AwsLcRsAead(LessSafeKey::new(key))))
    }

    fn sequence_number_mask(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn SequenceNumberMask>, KeyError> {
        let theirs: &'static quic::Algorithm = match algorithm {
            AeadAlgorithm::Aes128Gcm => &quic::AES_128,
            AeadAlgorithm::Aes256Gcm => &quic::AES_256,
            AeadAlgorithm::ChaCha20Poly1305 => &quic::CHACHA20,
        };
        let key = quic::HeaderProtectionKey::new(theirs, key)
            .map_err(|_| KeyError::length(algorithm, key))?;
        Ok(Box::new(AwsLcRsMask(key)))
    }

    fn aes_ctr(&self, key: &[u8]) -> Result<Box<dyn AesCtr>, KeyError> {
        counter_mode::aes_ctr(key)
    }

    fn aes_ctr_hmac_sha1(
        &self,
        cipher_key: &[u8],
        authentication_key: &[u8],
    ) -> Result<Box<dyn AesCtrHmacSha1>, KeyError> {
        counter_mode::aes_ctr_hmac_sha1(cipher_key, authentication_key)
    }
}

struct AwsLcRsAead(LessSafeKey);

impl Aead for AwsLcRsAead {
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
            .open_in_place_separate_tag(nonce, Aad::from(associated_data), tag, contents)
            .map_err(|_| CryptoError)?;
        Ok(())
    }
}

struct AwsLcRsMask(quic::HeaderProtectionKey);

impl SequenceNumberMask for AwsLcRsMask {
    fn mask(&self, sample: &[u8; 16]) -> [u8; 2] {
        // It refuses only samples of another length than 16.
        let [first, second, ..] = self.0.new_mask(sample).unwrap_or_default();
        [first, second]
    }
}
