//! MESSAGE-INTEGRITY: keys, and codes made and checked with them.

use std::fmt;

use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::message::{ATTRIBUTE_HEADER_LEN, HEADER_LEN};

/// A key for MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256.
///
/// What HMAC computes from the key alone is kept, so that a message costs only its own bytes: make
/// a `Key` once for a password, not for a message. `Debug` prints nothing of it.
///
/// Passwords are taken as they are. [RFC 8489 §9](https://www.rfc-editor.org/rfc/rfc8489#section-9)
/// wants those that people choose prepared by the OpaqueString profile
/// ([RFC 8265 §4.2](https://www.rfc-editor.org/rfc/rfc8265#section-4.2)), the caller's work; ICE's
/// are plain ASCII.
#[derive(Clone)]
pub struct Key {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl Key {
    /// The key of the short-term credential mechanism: the password itself
    /// ([RFC 8489 §9.1.1](https://www.rfc-editor.org/rfc/rfc8489#section-9.1.1)).
    pub fn short_term(password: &str) -> Self {
        Self::from_bytes(password.as_bytes())
    }

    /// The key of the long-term credential mechanism with the MD5 algorithm, the one that servers
    /// of RFC 5389 know ([RFC 8489 §18.5.1.1](https://www.rfc-editor.org/rfc/rfc8489#section-18.5.1.1)).
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        Self::from_bytes(&digest::<Md5>(&[username, ":", realm, ":", password]))
    }

    /// The key of the long-term credential mechanism with the SHA-256 algorithm
    /// ([RFC 8489 §18.5.1.2](https://www.rfc-editor.org/rfc/rfc8489#section-18.5.1.2)).
    pub fn long_term_sha256(username: &str, realm: &str, password: &str) -> Self {
        Self::from_bytes(&digest::<Sha256>(&[username, ":", realm, ":", password]))
    }

    /// A key of any bytes.
    pub fn from_bytes(key: &[u8]) -> Self {
        Self { sha1: hmac(key), sha256: hmac(key) }
    }

    /// Signs a message whose header already has the length that the attribute will give it.
    pub(crate) fn sign_sha1(&self, text: &[u8]) -> [u8; 20] {
        self.sha1.clone().chain_update(text).finalize().into_bytes().into()
    }

    /// Signs a message whose header already has the length that the attribute will give it.
    pub(crate) fn sign_sha256(&self, text: &[u8]) -> [u8; 32] {
        self.sha256.clone().chain_update(text).finalize().into_bytes().into()
    }

    /// Checks the value of MESSAGE-INTEGRITY that follows `text` in the body.
    pub(crate) fn verify_sha1(
        &self,
        header: &[u8; HEADER_LEN],
        text: &[u8],
        value: &[u8],
    ) -> Result<(), IntegrityError> {
        let header = header_ending_after(header, text, 20);
        let expected = self.sha1.clone().chain_update(header).chain_update(text).finalize();
        matches(&expected.into_bytes(), value)
    }

    /// Checks the value of MESSAGE-INTEGRITY-SHA256 that follows `text` in the body.
    pub(crate) fn verify_sha256(
        &self,
        header: &[u8; HEADER_LEN],
        text: &[u8],
        value: &[u8],
    ) -> Result<(), IntegrityError> {
        let header = header_ending_after(header, text, 32);
        let expected = self.sha256.clone().chain_update(header).chain_update(text).finalize();
        matches(&expected.into_bytes(), value)
    }
}

/// Adjusts the header's length "to point to the end of the MESSAGE-INTEGRITY attribute"
/// (RFC 8489 §14.5), which may not be the message's last.
fn header_ending_after(header: &[u8; HEADER_LEN], text: &[u8], value: usize) -> [u8; HEADER_LEN] {
    let mut header = *header;
    let length = (text.len() + ATTRIBUTE_HEADER_LEN + value) as u16;
    header[2..4].copy_from_slice(&length.to_be_bytes());
    header
}

fn matches(expected: &[u8], value: &[u8]) -> Result<(), IntegrityError> {
    if expected.ct_eq(value).into() { Ok(()) } else { Err(IntegrityError::Mismatch) }
}

fn hmac<M: hmac::digest::KeyInit + Mac>(key: &[u8]) -> M {
    <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn digest<D: Digest>(pieces: &[&str]) -> hmac::digest::Output<D> {
    pieces.iter().fold(D::new(), |digest, piece| digest.chain_update(piece)).finalize()
}

/// Computes USERHASH, SHA-256 of `username:realm`
/// ([RFC 8489 §14.4](https://www.rfc-editor.org/rfc/rfc8489#section-14.4)).
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    digest::<Sha256>(&[username, ":", realm]).into()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why a message is not authentic.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IntegrityError {
    /// It has neither MESSAGE-INTEGRITY nor MESSAGE-INTEGRITY-SHA256.
    #[error("the message has no MESSAGE-INTEGRITY")]
    Absent,
    /// The code is not the one that the key gives.
    #[error("MESSAGE-INTEGRITY does not match")]
    Mismatch,
}
