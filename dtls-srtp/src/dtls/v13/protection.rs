//! Protected records of DTLS 1.3
//! ([RFC 9147 §4.2.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.2.3),
//! [RFC 8446 §5.2](https://www.rfc-editor.org/rfc/rfc8446#section-5.2)).

use zeroize::Zeroizing;

use super::RecordNumber;
use super::record::{Ciphertext, first_byte, reconstruct};
use crate::crypto::{Aead, AeadAlgorithm, CryptoError, SequenceNumberMask};
use crate::dtls::SealError;
use crate::dtls::record::{ContentType, MAX_CIPHERTEXT_1_3, MAX_PLAINTEXT};
use crate::dtls::replay::ReplayWindow;

const TAG_LEN: usize = 16;
const NONCE_LEN: usize = 12;
/// The bytes of a ciphertext that the mask of its sequence number is made of. With a tag of 16
/// bytes no ciphertext of ours is shorter, so that none has to be padded for it.
const SAMPLE_LEN: usize = 16;

/// Our header without a connection id: a first byte, 16 bits of the sequence number, and the
/// length, so that any record can stand before any other.
const HEADER_LEN: usize = 5;

/// How many records that somebody else has made are looked at under one key
/// ([RFC 9147 §4.5.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.5.3)).
const MAX_FORGED: u64 = 1 << 36;

/// How many of the records that a key may seal are kept for what is no application data, so that
/// the peer can be told when there are no more.
pub(crate) const RESERVE: u64 = 16;

/// What the nonces of one direction are made of.
#[derive(Default)]
pub(crate) struct Iv(pub(crate) Zeroizing<[u8; NONCE_LEN]>);

impl Iv {
    /// "the 64-bit sequence_number is used as the sequence number for the AEAD computation; unlike
    /// DTLS 1.2, the epoch is not included".
    fn nonce(&self, sequence_number: u64) -> [u8; NONCE_LEN] {
        let mut nonce = *self.0;
        if let Some(last) = nonce.last_chunk_mut::<8>() {
            *last = (u64::from_be_bytes(*last) ^ sequence_number).to_be_bytes();
        }
        nonce
    }
}

/// The keys of one direction and epoch, expanded.
pub(crate) struct Keyed {
    pub(crate) aead: Box<dyn Aead>,
    pub(crate) mask: Box<dyn SequenceNumberMask>,
    pub(crate) iv: Iv,
}

/// Seals the records of one direction and epoch.
pub(crate) struct Sealer {
    keyed: Keyed,
    epoch: u64,
    next: u64,
    /// How many records the key may seal, those in reserve not counted.
    limit: u64,
    /// What the peer wants to be addressed with.
    connection_id: Box<[u8]>,
}

/// A record that was begun: where, and under which number. It can be sealed once.
#[derive(Debug)]
pub(crate) struct Open {
    start: usize,
    header_len: usize,
    content_type: ContentType,
    number: RecordNumber,
}

impl Open {
    /// Where the record begins in its buffer.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Its number, which an ACK names it with.
    pub(crate) fn number(&self) -> RecordNumber {
        self.number
    }
}

impl Sealer {
    pub(crate) fn new(keyed: Keyed, algorithm: AeadAlgorithm, epoch: u64) -> Self {
        // "up to 2^24.5 full-size records ... may be encrypted" with AES-GCM, any number with
        // ChaCha20-Poly1305 (RFC 8446 §5.5), for which it is as many as plaintext could have.
        let limit = match algorithm {
            AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => 23_726_566,
            AeadAlgorithm::ChaCha20Poly1305 => 1 << 48,
        };
        Self { keyed, epoch, next: 0, limit: limit - RESERVE, connection_id: Box::default() }
    }

    /// Addresses the peer with an id in each record.
    pub(crate) fn set_connection_id(&mut self, id: &[u8]) {
        self.connection_id = id.into();
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What a record has besides its plaintext, in bytes.
    pub(crate) fn overhead(&self) -> usize {
        HEADER_LEN + self.connection_id.len() + 1 + TAG_LEN
    }

    /// Whether half of the records are sealed that the key may seal: time for a KeyUpdate.
    pub(crate) fn needs_update(&self) -> bool {
        self.next >= self.limit / 2
    }

    /// Lets the next record be the one after which it is time for a KeyUpdate.
    #[cfg(test)]
    pub(crate) fn wear_out(&mut self) {
        self.limit = 2 * (self.next + 1);
    }

    /// Lets the key have sealed all that it may.
    #[cfg(test)]
    pub(crate) fn use_up(&mut self) {
        self.limit = self.next;
    }

    /// Appends the header. `None` when the key may not be used any more.
    pub(crate) fn begin(&mut self, content_type: ContentType, buf: &mut Vec<u8>) -> Option<Open> {
        let reserve = if content_type == ContentType::ApplicationData { 0 } else { RESERVE };
        if self.next >= self.limit + reserve {
            return None;
        }
        // The number is used up here, not in `seal`: two records that are open at a time, or one
        // that is thrown away, never share a nonce.
        let sequence_number = self.next;
        self.next += 1;
        let start = buf.len();
        let id = if self.connection_id.is_empty() { 0 } else { first_byte::CONNECTION_ID };
        let flags = first_byte::FIXED | id | first_byte::LONG_SEQUENCE_NUMBER | first_byte::LENGTH;
        buf.push(flags | self.epoch as u8 & first_byte::EPOCH);
        buf.extend_from_slice(&self.connection_id);
        buf.extend_from_slice(&(sequence_number as u16).to_be_bytes());
        buf.extend_from_slice(&[0; 2]);
        let number = RecordNumber { epoch: self.epoch, sequence_number };
        Some(Open { start, header_len: buf.len() - start, content_type, number })
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
        let at = open.start + open.header_len;
        let len = buf.len().checked_sub(at).ok_or(SealError::Misplaced)?;
        if len > MAX_PLAINTEXT {
            return Err(SealError::TooLong { len });
        }
        buf.push(open.content_type.code());
        let record = buf.get_mut(open.start..).unwrap_or_default();
        let (header, contents) =
            record.split_at_mut_checked(open.header_len).ok_or(SealError::Misplaced)?;
        if let Some(length) = header.last_chunk_mut() {
            *length = ((contents.len() + TAG_LEN) as u16).to_be_bytes();
        }
        let nonce = self.keyed.iv.nonce(open.number.sequence_number);
        let tag = self
            .keyed
            .aead
            .seal(&nonce, header, contents)
            .map_err(|CryptoError| SealError::TooLong { len })?;
        buf.extend_from_slice(&tag);

        let record = buf.get_mut(open.start..).unwrap_or_default();
        let (header, ciphertext) =
            record.split_at_mut_checked(open.header_len).ok_or(SealError::Misplaced)?;
        let sample = ciphertext.first_chunk::<SAMPLE_LEN>().ok_or(SealError::Misplaced)?;
        let sequence_number = header.get_mut(open.header_len - 4..open.header_len - 2);
        apply(self.keyed.mask.mask(sample), sequence_number.unwrap_or_default());
        Ok(())
    }
}

fn apply(mask: [u8; 2], sequence_number: &mut [u8]) {
    for (byte, mask) in sequence_number.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

/// Opens the records of one direction and epoch, each once.
pub(crate) struct Opener {
    keyed: Keyed,
    epoch: u64,
    window: ReplayWindow,
    forged: u64,
}

/// What a record held.
#[derive(Debug)]
pub(crate) struct Opened<'d> {
    pub(crate) number: RecordNumber,
    pub(crate) content_type: ContentType,
    pub(crate) plaintext: &'d mut [u8],
}

/// Why a record was dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OpenError {
    /// It came before, or is too old to know.
    Replayed,
    /// It was not sealed by the peer.
    Forged,
    /// The peer has sealed what no record may hold: a plaintext that is too long, nothing but
    /// padding, or a content type that is not known.
    Invalid,
    /// The peer has sealed more than a record may hold.
    TooLong,
}

impl Opener {
    pub(crate) fn new(keyed: Keyed, epoch: u64) -> Self {
        Self { keyed, epoch, window: ReplayWindow::default(), forged: 0 }
    }

    /// Goes on where an opener with the same keys has stopped.
    pub(crate) fn resume(self, window: ReplayWindow) -> Self {
        Self { window, ..self }
    }

    /// Gives up the keys, and keeps which records came.
    pub(crate) fn stop(self) -> ReplayWindow {
        self.window
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the peer has used the keys.
    pub(crate) fn has_opened(&self) -> bool {
        self.window.end() > 0
    }

    /// Whether half of the forgeries came that may come under one key: time for a KeyUpdate of
    /// the peer's.
    pub(crate) fn needs_update(&self) -> bool {
        self.forged >= MAX_FORGED / 2
    }

    /// Whether so many forgeries came that the key has to be given up: "an implementation SHOULD
    /// immediately close the connection".
    pub(crate) fn is_worn_out(&self) -> bool {
        self.forged >= MAX_FORGED
    }

    /// Lets so many forgeries have come.
    #[cfg(test)]
    pub(crate) fn wear_out(&mut self, forged: u64) {
        self.forged = forged;
    }

    /// Decrypts a record in place.
    pub(crate) fn open<'d>(&mut self, record: Ciphertext<'d>) -> Result<Opened<'d>, OpenError> {
        let opened = self.try_open(record);
        if matches!(opened, Err(OpenError::Forged)) {
            self.forged = self.forged.saturating_add(1);
        }
        opened
    }

    fn try_open<'d>(&mut self, record: Ciphertext<'d>) -> Result<Opened<'d>, OpenError> {
        if !record.may_be_of(self.epoch) {
            return Err(OpenError::Forged);
        }
        let (at, sequence_number_len) = (record.sequence_number_at(), record.sequence_number_len);
        let header_len = record.header_len;
        let (header, ciphertext) =
            record.bytes.split_at_mut_checked(header_len).ok_or(OpenError::Forged)?;
        if ciphertext.len() > MAX_CIPHERTEXT_1_3 {
            return Err(OpenError::Forged);
        }
        // "Receivers MUST reject shorter records as if they had failed deprotection."
        let sample = ciphertext.first_chunk::<SAMPLE_LEN>().ok_or(OpenError::Forged)?;
        let field = header.get_mut(at..at + sequence_number_len).ok_or(OpenError::Forged)?;
        apply(self.keyed.mask.mask(sample), field);
        let low = field.iter().fold(0, |low, byte| low << 8 | u64::from(*byte));
        let bits = 8 * sequence_number_len as u32;
        let sequence_number = reconstruct(self.window.end(), low, bits);

        let (contents, tag) =
            ciphertext.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError::Forged)?;
        self.keyed
            .aead
            .open(&self.keyed.iv.nonce(sequence_number), header, contents, tag)
            .map_err(|CryptoError| OpenError::Forged)?;
        // "This check SHOULD happen after deprotecting the record; otherwise, the record discard
        // might itself serve as a timing channel for the record number" (§4.5.1).
        if !self.window.is_new(sequence_number) {
            return Err(OpenError::Replayed);
        }
        self.window.mark(sequence_number);

        // The content type stands before the padding, which is zeros.
        let end = contents.iter().rposition(|byte| *byte != 0).ok_or(OpenError::Invalid)?;
        let (plaintext, inner) = contents.split_at_mut_checked(end).ok_or(OpenError::Invalid)?;
        let content_type = inner
            .first()
            .and_then(|code| ContentType::from_code(*code))
            .ok_or(OpenError::Invalid)?;
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(OpenError::TooLong);
        }
        let number = RecordNumber { epoch: self.epoch, sequence_number };
        Ok(Opened { number, content_type, plaintext })
    }
}

#[cfg(test)]
mod tests;
