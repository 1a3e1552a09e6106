//! Protected records of DTLS 1.2
//! ([RFC 6347 §4.1.2](https://www.rfc-editor.org/rfc/rfc6347#section-4.1.2),
//! [RFC 5288 §3](https://www.rfc-editor.org/rfc/rfc5288#section-3),
//! [RFC 7905 §2](https://www.rfc-editor.org/rfc/rfc7905#section-2)).

use crate::crypto::{Aead, AeadAlgorithm, CryptoError};
use crate::dtls::SealError;
use crate::dtls::record::{
    ContentType, DTLS_1_2, Header, MAX_CIPHERTEXT_1_2, MAX_PLAINTEXT, SEQUENCE_NUMBERS,
    record_number,
};
use crate::dtls::replay::ReplayWindow;

/// The only epoch with keys: renegotiation, which would make more, is refused.
pub(crate) const EPOCH: u16 = 1;

const TAG_LEN: usize = 16;
const NONCE_LEN: usize = 12;

/// What the nonces of one direction are made of.
pub(crate) struct Iv {
    fixed: [u8; NONCE_LEN],
    explicit_len: usize,
}

impl Iv {
    /// How much of the key block an algorithm takes for it.
    pub(crate) const fn fixed_len(algorithm: AeadAlgorithm) -> usize {
        match algorithm {
            AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => 4,
            AeadAlgorithm::ChaCha20Poly1305 => NONCE_LEN,
        }
    }

    /// Takes the IV of the key block: shorter ones are completed by eight bytes that the record
    /// carries, which are its number here.
    pub(crate) fn new(from_key_block: &[u8]) -> Self {
        let mut fixed = [0; NONCE_LEN];
        for (to, from) in fixed.iter_mut().zip(from_key_block) {
            *to = *from;
        }
        Self { fixed, explicit_len: if from_key_block.len() < NONCE_LEN { 8 } else { 0 } }
    }

    /// The nonce for what stands in the record, or, if nothing does, for its number. Where the
    /// fixed part is short its rest is zero, so that both are an exclusive or.
    fn nonce(&self, number: [u8; 8]) -> [u8; NONCE_LEN] {
        let mut nonce = self.fixed;
        for (to, from) in nonce.iter_mut().skip(NONCE_LEN - number.len()).zip(number) {
            *to ^= from;
        }
        nonce
    }
}

/// `seq_num || type || version || length`, the length being that of the plaintext.
fn associated_data(number: [u8; 8], content_type: ContentType, length: u16) -> [u8; 13] {
    let [n0, n1, n2, n3, n4, n5, n6, n7] = number;
    let [v0, v1] = DTLS_1_2.to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    [n0, n1, n2, n3, n4, n5, n6, n7, content_type.code(), v0, v1, l0, l1]
}

/// Seals the records of one direction.
pub(crate) struct Sealer {
    aead: Box<dyn Aead>,
    iv: Iv,
    next: u64,
}

/// A record that was begun: where, and under which number. It can be sealed once.
#[derive(Debug)]
pub(crate) struct Open {
    start: usize,
    sequence_number: u64,
    content_type: ContentType,
}

impl Open {
    /// Where the record begins in its buffer.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    pub(crate) fn sequence_number(&self) -> u64 {
        self.sequence_number
    }
}

impl Sealer {
    pub(crate) fn new(aead: Box<dyn Aead>, iv: Iv) -> Self {
        Self { aead, iv, next: 0 }
    }

    /// What a record has besides its header and its plaintext, in bytes.
    pub(crate) fn overhead(&self) -> usize {
        self.iv.explicit_len + TAG_LEN
    }

    /// Appends what stands before the plaintext. `None` when all numbers are used up.
    pub(crate) fn begin(&mut self, content_type: ContentType, buf: &mut Vec<u8>) -> Option<Open> {
        if self.next > SEQUENCE_NUMBERS {
            return None;
        }
        // The number is used up here, not in `seal`: two records that are open at a time, or one
        // that is thrown away, never share a nonce.
        let sequence_number = self.next;
        self.next += 1;
        let start = buf.len();
        let header = Header { content_type, version: DTLS_1_2, epoch: EPOCH, sequence_number };
        header.write(buf, 0);
        buf.extend_from_slice(header.number().get(..self.iv.explicit_len).unwrap_or_default());
        Some(Open { start, sequence_number, content_type })
    }

    /// Encrypts the plaintext that was appended since, in place, and appends the tag. After an
    /// error the record is taken off the buffer.
    pub(crate) fn seal(&self, buf: &mut Vec<u8>, open: Open) -> Result<(), SealError> {
        let sealed = self.try_seal(buf, &open);
        if sealed.is_err() {
            buf.truncate(open.start);
        }
        sealed
    }

    fn try_seal(&self, buf: &mut Vec<u8>, open: &Open) -> Result<(), SealError> {
        let at = open.start + Header::LEN + self.iv.explicit_len;
        let plaintext = buf.get_mut(at..).ok_or(SealError::Misplaced)?;
        let len = plaintext.len();
        if len > MAX_PLAINTEXT {
            return Err(SealError::TooLong { len });
        }
        let number = record_number(EPOCH, open.sequence_number);
        let associated_data = associated_data(number, open.content_type, len as u16);
        let tag = self
            .aead
            .seal(&self.iv.nonce(number), &associated_data, plaintext)
            .map_err(|CryptoError| SealError::TooLong { len })?;
        buf.extend_from_slice(&tag);
        Header::set_length(buf, open.start, (len + self.overhead()) as u16);
        Ok(())
    }
}

/// Opens the records of one direction, each once.
pub(crate) struct Opener {
    aead: Box<dyn Aead>,
    iv: Iv,
    window: ReplayWindow,
}

/// Why a record was dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OpenError {
    /// It came before, or is too old to know.
    Replayed,
    /// It was not sealed by the peer.
    Forged,
    /// The peer has sealed more than a record may hold.
    TooLong,
}

impl Opener {
    pub(crate) fn new(aead: Box<dyn Aead>, iv: Iv) -> Self {
        Self { aead, iv, window: ReplayWindow::default() }
    }

    /// Decrypts a record in place.
    pub(crate) fn open<'d>(
        &mut self,
        header: Header,
        body: &'d mut [u8],
    ) -> Result<&'d mut [u8], OpenError> {
        if header.epoch != EPOCH || header.version != DTLS_1_2 {
            return Err(OpenError::Forged);
        }
        if !self.window.is_new(header.sequence_number) {
            return Err(OpenError::Replayed);
        }
        let (explicit, sealed) =
            body.split_at_mut_checked(self.iv.explicit_len).ok_or(OpenError::Forged)?;
        let (contents, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError::Forged)?;
        if contents.len() > MAX_CIPHERTEXT_1_2 {
            return Err(OpenError::Forged);
        }
        let number = header.number();
        // A peer may choose its explicit nonces otherwise than by number (RFC 5288 §3).
        let nonce = self.iv.nonce(explicit.first_chunk().copied().unwrap_or(number));
        let associated_data = associated_data(number, header.content_type, contents.len() as u16);
        self.aead
            .open(&nonce, &associated_data, contents, tag)
            .map_err(|CryptoError| OpenError::Forged)?;
        // "The receive window is updated only if the MAC verification succeeds" (RFC 6347
        // §4.1.2.6).
        self.window.mark(header.sequence_number);
        if contents.len() > MAX_PLAINTEXT {
            return Err(OpenError::TooLong);
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests;
