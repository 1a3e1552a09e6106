use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{ENCRYPTED, INDEX_LEN, RTCP_CLEAR_LEN};
use crate::crypto::{Aead, AesCtrHmacSha1, CryptoError};

/// The session keys of RTP or of RTCP: where they go in a packet, and what they are combined with.
pub(super) struct Cipher {
    object: Object,
    /// 14 bytes in counter mode, 12 in GCM, followed by zeros.
    salt: Salt,
}

enum Object {
    CounterMode { cipher: Box<dyn AesCtrHmacSha1>, tag_len: usize },
    Aead(Box<dyn Aead>),
}

#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct Salt(pub(super) [u8; 16]);

impl Cipher {
    pub(super) const fn counter_mode(
        cipher: Box<dyn AesCtrHmacSha1>,
        salt: Salt,
        tag_len: usize,
    ) -> Self {
        Self { object: Object::CounterMode { cipher, tag_len }, salt }
    }

    pub(super) const fn aead(aead: Box<dyn Aead>, salt: Salt) -> Self {
        Self { object: Object::Aead(aead), salt }
    }

    /// Returns whether two packets under one index would break the cipher even if their payloads
    /// are the same.
    pub(super) const fn needs_unique_nonces(&self) -> bool {
        matches!(self.object, Object::Aead(_))
    }

    /// Encrypts the payload at `clear` and returns the tag to append.
    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        clear: usize,
    ) -> Result<Trailer, CryptoError> {
        match &self.object {
            Object::CounterMode { cipher, tag_len } => {
                let counter = self.counter(ssrc, index);
                let tag = cipher.seal(&counter, packet, clear, &rollover_counter(index));
                Ok(Trailer::default().then(&tag, *tag_len))
            }
            Object::Aead(aead) => {
                let (header, payload) = packet.split_at_mut_checked(clear).ok_or(CryptoError)?;
                let tag = aead.seal(&self.rtp_nonce(ssrc, index), header, payload)?;
                Ok(Trailer::default().then(&tag, tag.len()))
            }
        }
    }

    /// Checks the tag, decrypts the payload at `clear` and returns the packet without the tag.
    pub(super) fn open_rtp<'d>(
        &self,
        ssrc: u32,
        index: u64,
        packet: &'d mut [u8],
        clear: usize,
    ) -> Result<&'d mut [u8], CryptoError> {
        match &self.object {
            Object::CounterMode { cipher, tag_len } => {
                let (plain, tag) = split_end(packet, *tag_len)?;
                let counter = self.counter(ssrc, index);
                cipher.open(&counter, plain, clear, &rollover_counter(index), tag)?;
                Ok(plain)
            }
            Object::Aead(aead) => {
                let (plain, tag) = packet.split_last_chunk_mut::<16>().ok_or(CryptoError)?;
                let (header, payload) = plain.split_at_mut_checked(clear).ok_or(CryptoError)?;
                aead.open(&self.rtp_nonce(ssrc, index), header, payload, tag)?;
                Ok(plain)
            }
        }
    }

    /// Encrypts a compound packet after the sender's SSRC and returns what is to be appended.
    pub(super) fn seal_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
    ) -> Result<Trailer, CryptoError> {
        let word = (ENCRYPTED | index).to_be_bytes();
        match &self.object {
            Object::CounterMode { cipher, tag_len } => {
                let counter = self.counter(ssrc, index.into());
                // "M = Authenticated Portion", which ends with the index.
                let tag = cipher.seal(&counter, packet, RTCP_CLEAR_LEN, &word);
                Ok(Trailer::default().then(&word, word.len()).then(&tag, *tag_len))
            }
            Object::Aead(aead) => {
                let (clear, secret) =
                    packet.split_first_chunk_mut::<RTCP_CLEAR_LEN>().ok_or(CryptoError)?;
                let tag =
                    aead.seal(&self.rtcp_nonce(ssrc, index), &rtcp_aad(clear, word), secret)?;
                Ok(Trailer::default().then(&tag, tag.len()).then(&word, word.len()))
            }
        }
    }

    /// Returns the word with the encryption flag and the index of an SRTCP packet.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let (after_index, before_index) = match &self.object {
            Object::CounterMode { tag_len, .. } => (*tag_len, 0),
            Object::Aead(_) => (0, 16),
        };
        let end = packet.len().checked_sub(after_index)?;
        let (rest, word) = packet.get(..end)?.split_last_chunk::<INDEX_LEN>()?;
        (rest.len() >= RTCP_CLEAR_LEN + before_index).then(|| u32::from_be_bytes(*word))
    }

    /// Checks the tag, decrypts if the flag in `word` says so, and returns the compound packet.
    pub(super) fn open_rtcp<'d>(
        &self,
        ssrc: u32,
        word: u32,
        packet: &'d mut [u8],
    ) -> Result<&'d mut [u8], CryptoError> {
        let (index, encrypted) = (word & !ENCRYPTED, word & ENCRYPTED != 0);
        let word = word.to_be_bytes();
        match &self.object {
            Object::CounterMode { cipher, tag_len } => {
                let (packet, tag) = split_end(packet, *tag_len)?;
                let (plain, _) = split_end(packet, INDEX_LEN)?;
                let clear = if encrypted { RTCP_CLEAR_LEN } else { plain.len() };
                cipher.open(&self.counter(ssrc, index.into()), plain, clear, &word, tag)?;
                Ok(plain)
            }
            Object::Aead(aead) if encrypted => {
                let (sealed, _) = split_end(packet, INDEX_LEN)?;
                let (plain, tag) = sealed.split_last_chunk_mut::<16>().ok_or(CryptoError)?;
                let (clear, secret) =
                    plain.split_first_chunk_mut::<RTCP_CLEAR_LEN>().ok_or(CryptoError)?;
                aead.open(&self.rtcp_nonce(ssrc, index), &rtcp_aad(clear, word), secret, tag)?;
                Ok(plain)
            }
            Object::Aead(aead) => {
                let (sealed, _) = split_end(packet, INDEX_LEN)?;
                let (plain, tag) = sealed.split_last_chunk::<16>().ok_or(CryptoError)?;
                let (plain_len, tag) = (plain.len(), *tag);
                // All of it is associated data, and the index comes after it there (RFC 7714
                // §9.3): it takes the place of the tag.
                let (associated, _) =
                    packet.split_at_mut_checked(plain_len + INDEX_LEN).ok_or(CryptoError)?;
                let (_, place) = split_end(associated, INDEX_LEN)?;
                place.copy_from_slice(&word);
                aead.open(&self.rtcp_nonce(ssrc, index), associated, &mut [], &tag)?;
                associated.get_mut(..plain_len).ok_or(CryptoError)
            }
        }
    }

    /// "IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)"
    /// ([RFC 3711 §4.1.1](https://www.rfc-editor.org/rfc/rfc3711#section-4.1.1)).
    fn counter(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let block = u128::from_be_bytes(self.salt.0);
        (block ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16)).to_be_bytes()
    }

    /// Zeros, SSRC, rollover counter and sequence number, XOR the salt
    /// ([RFC 7714 §8.1](https://www.rfc-editor.org/rfc/rfc7714#section-8.1)).
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        self.nonce((u128::from(ssrc) << 48) | u128::from(index))
    }

    /// Zeros, SSRC, zeros and the SRTCP index, XOR the salt
    /// ([RFC 7714 §9.1](https://www.rfc-editor.org/rfc/rfc7714#section-9.1)).
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> [u8; 12] {
        self.nonce((u128::from(ssrc) << 48) | u128::from(index))
    }

    /// `unique` has 96 bits, and so has the salt, at the start of its 128.
    fn nonce(&self, unique: u128) -> [u8; 12] {
        let block = (u128::from_be_bytes(self.salt.0) ^ (unique << 32)).to_be_bytes();
        *block.first_chunk().expect("12 of 16 bytes")
    }
}

/// What follows a packet: the tag, for SRTCP also the index.
#[derive(Default)]
pub(super) struct Trailer {
    bytes: [u8; 20],
    len: usize,
}

impl Trailer {
    /// Appends the first `len` of `bytes`.
    fn then(mut self, bytes: &[u8], len: usize) -> Self {
        for (to, from) in self.bytes.iter_mut().skip(self.len).zip(bytes.iter().take(len)) {
            *to = *from;
        }
        self.len += len;
        self
    }
}

impl std::ops::Deref for Trailer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

/// "Only the first 8 octets and the ESRTCP word" are associated data
/// ([RFC 7714 §9.2](https://www.rfc-editor.org/rfc/rfc7714#section-9.2)).
fn rtcp_aad(clear: &[u8; RTCP_CLEAR_LEN], word: [u8; INDEX_LEN]) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = *clear;
    let [i, j, k, l] = word;
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// The upper 32 of the index's 48 bits, which are authenticated but not sent.
const fn rollover_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn split_end(packet: &mut [u8], len: usize) -> Result<(&mut [u8], &mut [u8]), CryptoError> {
    let at = packet.len().checked_sub(len).ok_or(CryptoError)?;
    packet.split_at_mut_checked(at).ok_or(CryptoError)
}
