//! Protected records of DTLS 1.2
//! ([RFC 6347 §4.1.2](https://www.rfc-editor.org/rfc/rfc6347#section-4.1.2),
//! [RFC 5288 §3](https://www.rfc-editor.org/rfc/rfc5288#section-3),
//! [RFC 7905 §2](https://www.rfc-editor.org/rfc/rfc7905#section-2)).

use zeroize::Zeroizing;

use crate::crypto::{Aead, AeadAlgorithm, CryptoError};
use crate::dtls::SealError;
use crate::dtls::record::{
    Addressed, ContentType, DTLS_1_2, Header, MAX_CIPHERTEXT_1_2, MAX_PLAINTEXT, SEQUENCE_NUMBERS,
    TLS12_CID, record_number,
};
use crate::dtls::replay::ReplayWindow;
use crate::dtls::v13::protection::RESERVE;

/// The only epoch with keys: renegotiation, which would make more, is refused.
pub(crate) const EPOCH: u16 = 1;

const TAG_LEN: usize = 16;
const NONCE_LEN: usize = 12;

/// What the nonces of one direction are made of.
pub(crate) struct Iv {
    fixed: Zeroizing<[u8; NONCE_LEN]>,
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
        let mut fixed = Zeroizing::new([0; NONCE_LEN]);
        for (to, from) in fixed.iter_mut().zip(from_key_block) {
            *to = *from;
        }
        Self { fixed, explicit_len: if from_key_block.len() < NONCE_LEN { 8 } else { 0 } }
    }

    /// The nonce for what stands in the record, or, if nothing does, for its number. Where the
    /// fixed part is short its rest is zero, so that both are an exclusive or.
    fn nonce(&self, number: [u8; 8]) -> [u8; NONCE_LEN] {
        let mut nonce = *self.fixed;
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

/// What is authenticated of a record with a connection id
/// ([RFC 9146 §5.3](https://www.rfc-editor.org/rfc/rfc9146#section-5.3)):
///
/// ```text
/// seq_num_placeholder + tls12_cid + cid_length + tls12_cid + DTLSCiphertext.version +
/// epoch + sequence_number + cid + length_of_DTLSInnerPlaintext
/// ```
struct AddressedData {
    bytes: [u8; 23 + 255],
    len: usize,
}

impl AddressedData {
    fn new(number: [u8; 8], connection_id: &[u8], length: u16) -> Self {
        let mut data = Self { bytes: [0; 23 + 255], len: 0 };
        data.push(&[0xff; 8]);
        data.push(&[TLS12_CID, connection_id.len() as u8, TLS12_CID]);
        data.push(&DTLS_1_2.to_be_bytes());
        data.push(&number);
        data.push(connection_id);
        data.push(&length.to_be_bytes());
        data
    }

    fn push(&mut self, bytes: &[u8]) {
        let rest = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (to, from) in rest.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.len += bytes.len();
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Seals the records of one direction.
pub(crate) struct Sealer {
    aead: Box<dyn Aead>,
    iv: Iv,
    next: u64,
    /// What the peer wants to be addressed with.
    connection_id: Box<[u8]>,
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
        Self { aead, iv, next: 0, connection_id: Box::default() }
    }

    /// Addresses the peer with an id in each record.
    pub(crate) fn with_connection_id(self, id: &[u8]) -> Self {
        Self { connection_id: id.into(), ..self }
    }

    /// What a record has besides its header and its plaintext, in bytes.
    pub(crate) fn overhead(&self) -> usize {
        match self.connection_id.len() {
            0 => self.iv.explicit_len + TAG_LEN,
            // The content type is inside.
            len => len + self.iv.explicit_len + 1 + TAG_LEN,
        }
    }

    /// Lets all numbers but those in reserve be used up.
    #[cfg(test)]
    pub(crate) fn use_up(&mut self) {
        self.next = SEQUENCE_NUMBERS - RESERVE + 1;
    }

    /// Appends what stands before the plaintext. `None` when all numbers are used up.
    pub(crate) fn begin(&mut self, content_type: ContentType, buf: &mut Vec<u8>) -> Option<Open> {
        let reserve = if content_type == ContentType::ApplicationData { RESERVE } else { 0 };
        if self.next > SEQUENCE_NUMBERS - reserve {
            return None;
        }
        // The number is used up here, not in `seal`: two records that are open at a time, or one
        // that is thrown away, never share a nonce.
        let sequence_number = self.next;
        self.next += 1;
        let start = buf.len();
        let header = Header { content_type, version: DTLS_1_2, epoch: EPOCH, sequence_number };
        if self.connection_id.is_empty() {
            header.write(buf, 0);
        } else {
            Addressed::write(buf, header.number(), &self.connection_id);
        }
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
        let id = &*self.connection_id;
        let header_end = open.start + Header::LEN + id.len();
        let at = header_end + self.iv.explicit_len;
        let len = buf.len().checked_sub(at).ok_or(SealError::Misplaced)?;
        // With an id, the content type counts too (RFC 9146 §5).
        if len + usize::from(!id.is_empty()) > MAX_PLAINTEXT {
            return Err(SealError::TooLong { len });
        }
        let number = record_number(EPOCH, open.sequence_number);
        let nonce = self.iv.nonce(number);
        let sealed = if id.is_empty() {
            let data = associated_data(number, open.content_type, len as u16);
            self.aead.seal(&nonce, &data, buf.get_mut(at..).unwrap_or_default())
        } else {
            buf.push(open.content_type.code());
            let data = AddressedData::new(number, id, len as u16 + 1);
            self.aead.seal(&nonce, data.bytes(), buf.get_mut(at..).unwrap_or_default())
        };
        let tag = sealed.map_err(|CryptoError| SealError::TooLong { len })?;
        buf.extend_from_slice(&tag);
        let length = (buf.len() - header_end) as u16;
        if let Some(field) = buf.get_mut(header_end - 2..header_end) {
            field.copy_from_slice(&length.to_be_bytes());
        }
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
        let Header { content_type, version, epoch, sequence_number } = header;
        if (version, epoch) != (DTLS_1_2, EPOCH) {
            return Err(OpenError::Forged);
        }
        self.open_with(sequence_number, body, |aead, nonce, contents, tag| {
            let data = associated_data(header.number(), content_type, contents.len() as u16);
            aead.open(nonce, &data, contents, tag)
        })
    }

    /// Decrypts a record with a connection id in place, which tells its content type.
    pub(crate) fn open_addressed<'d>(
        &mut self,
        record: Addressed<'d>,
    ) -> Result<(ContentType, &'d mut [u8]), OpenError> {
        let Addressed { version, epoch, sequence_number, connection_id, body } = record;
        if (version, epoch) != (DTLS_1_2, EPOCH) {
            return Err(OpenError::Forged);
        }
        let contents = self.open_with(sequence_number, body, |aead, nonce, contents, tag| {
            let number = record_number(epoch, sequence_number);
            let data = AddressedData::new(number, connection_id, contents.len() as u16);
            aead.open(nonce, data.bytes(), contents, tag)
        })?;
        // The content type stands before the padding, which is zeros.
        let end = contents.iter().rposition(|byte| *byte != 0).ok_or(OpenError::Forged)?;
        let (plaintext, inner) = contents.split_at_mut_checked(end).ok_or(OpenError::Forged)?;
        let content_type = inner.first().and_then(|code| ContentType::from_code(*code));
        Ok((content_type.ok_or(OpenError::Forged)?, plaintext))
    }

    fn open_with<'d>(
        &mut self,
        sequence_number: u64,
        body: &'d mut [u8],
        open: impl FnOnce(
            &dyn Aead,
            &[u8; NONCE_LEN],
            &mut [u8],
            &[u8; TAG_LEN],
        ) -> Result<(), CryptoError>,
    ) -> Result<&'d mut [u8], OpenError> {
        if !self.window.is_new(sequence_number) {
            return Err(OpenError::Replayed);
        }
        let (explicit, sealed) =
            body.split_at_mut_checked(self.iv.explicit_len).ok_or(OpenError::Forged)?;
        let (contents, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError::Forged)?;
        if contents.len() > MAX_CIPHERTEXT_1_2 {
            return Err(OpenError::Forged);
        }
        // A peer may choose its explicit nonces otherwise than by number (RFC 5288 §3).
        let number = record_number(EPOCH, sequence_number);
        let nonce = self.iv.nonce(explicit.first_chunk().copied().unwrap_or(number));
        open(&*self.aead, &nonce, contents, tag).map_err(|CryptoError| OpenError::Forged)?;
        // "The receive window is updated only if the MAC verification succeeds" (RFC 6347
        // §4.1.2.6).
        self.window.mark(sequence_number);
        if contents.len() > MAX_PLAINTEXT {
            return Err(OpenError::TooLong);
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests;
