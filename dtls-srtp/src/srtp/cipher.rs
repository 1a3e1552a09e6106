use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{ENCRYPTED, INDEX_LEN, RTCP_CLEAR_LEN, cryptex::Portion};
use crate::crypto::{Aead, AesCtrHmacSha1, CryptoError};

/// The session keys of RTP or of RTCP: where they go in a packet, and what they are combined with.
pub(super) struct Cipher {
    object: Object,
    salt: Salt,
}

enum Object {
    CounterMode { cipher: Box<dyn AesCtrHmacSha1>, tag_len: usize },
    Aead(Box<dyn Aead>),
}

/// A session salt: 14 bytes in counter mode, 12 in GCM, followed by zeros.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct Salt(pub(super) [u8; 16]);

impl Salt {
    /// "IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)"
    /// ([RFC 3711 §4.1.1](https://www.rfc-editor.org/rfc/rfc3711#section-4.1.1)).
    pub(super) const fn counter(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let block = u128::from_be_bytes(self.0);
        (block ^ ((ssrc as u128) << 64) ^ ((index as u128) << 16)).to_be_bytes()
    }

    /// Zeros, SSRC and the 48 bits of the index, XOR the salt
    /// ([RFC 7714 §8.1, §9.1](https://www.rfc-editor.org/rfc/rfc7714#section-8.1)).
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        // 96 bits, and so is the salt, at the start of its 128.
        let unique = (u128::from(ssrc) << 48) | u128::from(index);
        let block = (u128::from_be_bytes(self.0) ^ (unique << 32)).to_be_bytes();
        *block.first_chunk().expect("12 of 16 bytes")
    }
}

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

    /// Returns whether two packets under one index would break the cipher even if their payloads are
    /// the same: a header that differs is enough.
    pub(super) const fn needs_unique_nonces(&self) -> bool {
        matches!(self.object, Object::Aead(_))
    }

    /// Encrypts `portion` of the packet in `buf[start..]` and appends tag and `mki`.
    #[inline]
    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        buf: &mut Vec<u8>,
        start: usize,
        portion: Portion,
        mki: &[u8],
    ) -> Result<(), CryptoError> {
        let packet = buf.get_mut(start..).ok_or(CryptoError)?;
        match &self.object {
            Object::CounterMode { cipher, tag_len } => {
                let counter = self.salt.counter(ssrc, index);
                let mut clear = portion.start;
                if portion.is_scattered() {
                    // What is encrypted is put together, but what is authenticated is the packet
                    // as it is sent.
                    portion.gather(packet);
                    cipher.apply(&counter, packet.get_mut(clear..).ok_or(CryptoError)?);
                    portion.scatter(packet);
                    clear = packet.len();
                }
                let tag = cipher.seal(&counter, packet, clear, &rollover_counter(index));
                end_counter_mode(buf, &[], mki, &tag, *tag_len);
            }
            Object::Aead(aead) => {
                portion.gather(packet);
                let (header, secret) =
                    packet.split_at_mut_checked(portion.start).ok_or(CryptoError)?;
                let tag = aead.seal(&self.salt.nonce(ssrc, index), header, secret);
                portion.scatter(packet);
                end_aead(buf, &tag?, &[], mki);
            }
        }
        Ok(())
    }

    /// Checks the tag and decrypts `portion` of the packet.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        portion: Portion,
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        match &self.object {
            Object::CounterMode { cipher, .. } => {
                let counter = self.salt.counter(ssrc, index);
                let rollover_counter = rollover_counter(index);
                if portion.is_scattered() {
                    cipher.open(&counter, packet, packet.len(), &rollover_counter, tag)?;
                    portion.gather(packet);
                    cipher.apply(&counter, packet.get_mut(portion.start..).ok_or(CryptoError)?);
                    portion.scatter(packet);
                    return Ok(());
                }
                cipher.open(&counter, packet, portion.start, &rollover_counter, tag)
            }
            Object::Aead(aead) => {
                portion.gather(packet);
                let tag = tag.try_into().map_err(|_| CryptoError)?;
                let (header, secret) =
                    packet.split_at_mut_checked(portion.start).ok_or(CryptoError)?;
                let opened = aead.open(&self.salt.nonce(ssrc, index), header, secret, tag);
                portion.scatter(packet);
                opened
            }
        }
    }

    /// Encrypts the compound packet in `buf[start..]` after the sender's SSRC and appends tag,
    /// index and `mki`.
    pub(super) fn seal_rtcp(
        &self,
        ssrc: u32,
        word: u32,
        buf: &mut Vec<u8>,
        start: usize,
        mki: &[u8],
    ) -> Result<(), CryptoError> {
        let packet = buf.get_mut(start..).ok_or(CryptoError)?;
        let (index, word) = (u64::from(word & !ENCRYPTED), word.to_be_bytes());
        match &self.object {
            Object::CounterMode { cipher, tag_len } => {
                let counter = self.salt.counter(ssrc, index);
                // "M = Authenticated Portion", which ends with the index.
                let tag = cipher.seal(&counter, packet, RTCP_CLEAR_LEN, &word);
                end_counter_mode(buf, &word, mki, &tag, *tag_len);
            }
            Object::Aead(aead) => {
                let (clear, secret) =
                    packet.split_first_chunk_mut::<RTCP_CLEAR_LEN>().ok_or(CryptoError)?;
                let nonce = self.salt.nonce(ssrc, index);
                let tag = aead.seal(&nonce, &rtcp_aad(clear, word), secret)?;
                end_aead(buf, &tag, &word, mki);
            }
        }
        Ok(())
    }

    /// Checks the tag, and decrypts if the flag in the index says so.
    pub(super) fn open_rtcp(
        &self,
        ssrc: u32,
        word: u32,
        packet: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        let (index, encrypted) = (u64::from(word & !ENCRYPTED), word & ENCRYPTED != 0);
        let word = word.to_be_bytes();
        match &self.object {
            Object::CounterMode { cipher, .. } => {
                let clear = if encrypted { RTCP_CLEAR_LEN } else { packet.len() };
                cipher.open(&self.salt.counter(ssrc, index), packet, clear, &word, tag)
            }
            Object::Aead(aead) => {
                let nonce = self.salt.nonce(ssrc, index);
                let tag = tag.try_into().map_err(|_| CryptoError)?;
                if !encrypted {
                    // All of it is associated data, with the index after it (RFC 7714 §9.3). It is
                    // rare: nobody sends RTCP in the clear by default.
                    let associated_data = [&*packet, &word].concat();
                    return aead.open(&nonce, &associated_data, &mut [], tag);
                }
                let (clear, secret) =
                    packet.split_first_chunk_mut::<RTCP_CLEAR_LEN>().ok_or(CryptoError)?;
                aead.open(&nonce, &rtcp_aad(clear, word), secret, tag)
            }
        }
    }

    /// Takes a protected packet apart: with counter mode the tag comes last
    /// ([RFC 3711 §3.1, §3.4](https://www.rfc-editor.org/rfc/rfc3711#section-3.1)); the tag of an
    /// AEAD belongs to the ciphertext
    /// ([RFC 7714 §8.2, §9.2](https://www.rfc-editor.org/rfc/rfc7714#section-8.2)).
    #[inline]
    pub(super) fn split<'d>(
        &self,
        packet: &'d mut [u8],
        word_len: usize,
        mki_len: usize,
    ) -> Option<Parts<'d>> {
        Some(match self.object {
            Object::CounterMode { tag_len, .. } => {
                let (rest, tag) = split_end(packet, tag_len)?;
                let (rest, mki) = split_end(rest, mki_len)?;
                let (packet, word) = split_end(rest, word_len)?;
                Parts { packet, word, mki, tag }
            }
            Object::Aead(_) => {
                let (rest, mki) = split_end(packet, mki_len)?;
                let (rest, word) = split_end(rest, word_len)?;
                let (packet, tag) = split_end(rest, AEAD_TAG_LEN)?;
                Parts { packet, word, mki, tag }
            }
        })
    }
}

/// A protected packet, taken apart: the RTP or RTCP packet and what follows it.
pub(super) struct Parts<'d> {
    pub(super) packet: &'d mut [u8],
    /// SRTCP's encryption flag and index.
    pub(super) word: &'d [u8],
    pub(super) mki: &'d [u8],
    pub(super) tag: &'d [u8],
}

/// Appends what follows a packet in counter mode. The lengths of tags are constants, so that they
/// are copied by two instructions.
#[inline]
fn end_counter_mode(buf: &mut Vec<u8>, word: &[u8], mki: &[u8], tag: &[u8; 20], tag_len: usize) {
    if !word.is_empty() {
        buf.extend_from_slice(word);
    }
    if !mki.is_empty() {
        buf.extend_from_slice(mki);
    }
    match (tag_len, tag.first_chunk::<10>(), tag.first_chunk::<4>()) {
        (10, Some(tag), _) => buf.extend_from_slice(tag),
        (4, _, Some(tag)) => buf.extend_from_slice(tag),
        _ => buf.extend_from_slice(tag.get(..tag_len).unwrap_or(tag)),
    }
}

/// Appends what follows a packet with an AEAD.
#[inline]
fn end_aead(buf: &mut Vec<u8>, tag: &[u8; AEAD_TAG_LEN], word: &[u8], mki: &[u8]) {
    buf.extend_from_slice(tag);
    if !word.is_empty() {
        buf.extend_from_slice(word);
    }
    if !mki.is_empty() {
        buf.extend_from_slice(mki);
    }
}

/// "Only the first 8 octets and the ESRTCP word" are associated data
/// ([RFC 7714 §9.2](https://www.rfc-editor.org/rfc/rfc7714#section-9.2)).
const fn rtcp_aad(clear: &[u8; RTCP_CLEAR_LEN], word: [u8; INDEX_LEN]) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = *clear;
    let [i, j, k, l] = word;
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// The upper 32 of the index's 48 bits, which are authenticated but not sent.
const fn rollover_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[inline]
fn split_end(bytes: &mut [u8], len: usize) -> Option<(&mut [u8], &mut [u8])> {
    let at = bytes.len().checked_sub(len)?;
    bytes.split_at_mut_checked(at)
}

const AEAD_TAG_LEN: usize = 16;
