//! A `PacketCrypto` around another, that counts.

use peerless_dtls_srtp::crypto::{
    Aead, AeadAlgorithm, AesCtr, AesCtrHmacSha1, CryptoError, KeyError, PacketCrypto,
    SequenceNumberMask,
};

use crate::counts::{Counts, Work};

#[derive(Debug)]
pub(crate) struct CountingPackets {
    pub(crate) inner: &'static dyn PacketCrypto,
    pub(crate) counts: &'static Counts,
}

struct Counted<T: ?Sized> {
    counts: &'static Counts,
    inner: Box<T>,
}

impl CountingPackets {
    fn counted<T: ?Sized>(&self, inner: Box<T>) -> Box<Counted<T>> {
        Box::new(Counted { counts: self.counts, inner })
    }
}

impl PacketCrypto for CountingPackets {
    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, KeyError> {
        Ok(self.counted(self.inner.aead(algorithm, key)?))
    }

    fn sequence_number_mask(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn SequenceNumberMask>, KeyError> {
        Ok(self.counted(self.inner.sequence_number_mask(algorithm, key)?))
    }

    fn aes_ctr(&self, key: &[u8]) -> Result<Box<dyn AesCtr>, KeyError> {
        Ok(self.counted(self.inner.aes_ctr(key)?))
    }

    fn aes_ctr_hmac_sha1(
        &self,
        cipher_key: &[u8],
        authentication_key: &[u8],
    ) -> Result<Box<dyn AesCtrHmacSha1>, KeyError> {
        Ok(self.counted(self.inner.aes_ctr_hmac_sha1(cipher_key, authentication_key)?))
    }
}

impl Aead for Counted<dyn Aead> {
    fn seal(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        contents: &mut [u8],
    ) -> Result<[u8; 16], CryptoError> {
        match self.counts.count(Work::Sealed) {
            true => self.inner.seal(nonce, associated_data, contents),
            false => Err(CryptoError),
        }
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        contents: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), CryptoError> {
        match self.counts.count(Work::Opened) {
            true => self.inner.open(nonce, associated_data, contents, tag),
            false => Err(CryptoError),
        }
    }
}

impl SequenceNumberMask for Counted<dyn SequenceNumberMask> {
    fn mask(&self, sample: &[u8; 16]) -> [u8; 2] {
        let [first, second] = self.inner.mask(sample);
        match self.counts.count(Work::Masked) {
            true => [first, second],
            false => [!first, !second],
        }
    }
}

impl AesCtr for Counted<dyn AesCtr> {
    fn apply(&self, counter: &[u8; 16], data: &mut [u8]) {
        if self.counts.count(Work::KeystreamApplied) {
            self.inner.apply(counter, data);
        }
    }
}

impl AesCtrHmacSha1 for Counted<dyn AesCtrHmacSha1> {
    fn seal(&self, counter: &[u8; 16], packet: &mut [u8], clear: usize, suffix: &[u8]) -> [u8; 20] {
        match self.counts.count(Work::Sealed) {
            true => self.inner.seal(counter, packet, clear, suffix),
            false => [0; 20],
        }
    }

    fn apply(&self, counter: &[u8; 16], data: &mut [u8]) {
        if self.counts.count(Work::KeystreamApplied) {
            self.inner.apply(counter, data);
        }
    }

    fn open(
        &self,
        counter: &[u8; 16],
        packet: &mut [u8],
        clear: usize,
        suffix: &[u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        match self.counts.count(Work::Opened) {
            true => self.inner.open(counter, packet, clear, suffix, tag),
            false => Err(CryptoError),
        }
    }
}
