//! Writing a message into the caller's buffer.

use std::net::SocketAddr;
use std::ops::Range;

use super::{ATTRIBUTE_HEADER_LEN, AttributeType, Class, HEADER_LEN, MAGIC_COOKIE, Method};
use super::{TransactionId, address};
use crate::fingerprint;
use crate::integrity::Key;

/// Appends one message to a buffer, attribute by attribute.
///
/// It allocates nothing itself (the buffer may grow), and the bytes are a complete message after
/// every step. The order is the caller's, and it matters: attributes come before
/// [`integrity`](Self::integrity), which covers what precedes it, and
/// [`fingerprint`](Self::fingerprint) is last.
///
/// ```
/// use peerless_stun::{Class, Key, Message, MessageWriter, Method, TransactionId};
///
/// let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
/// let mut buf = Vec::new();
/// let range = MessageWriter::new(&mut buf, Class::Request, Method::Binding, TransactionId::new([7; 12]))
///     .username("remote:local")
///     .priority(1_845_494_271)
///     .ice_controlling(42)
///     .integrity(&key)
///     .fingerprint()
///     .finish();
///
/// let message = Message::parse(&buf[range])?;
/// assert_eq!(message.check_integrity(&key), Ok(()));
/// assert_eq!(message.username(), Some("remote:local"));
/// # Ok::<(), peerless_stun::ParseError>(())
/// ```
///
/// A message has at most 65,532 bytes of attributes. One that would not fit is left out whole,
/// which no caller with RFC-sized values can reach (the longest text is USERNAME's 508 bytes).
#[derive(Debug)]
#[must_use = "a message is written when `finish` is called"]
pub struct MessageWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    id: TransactionId,
}

impl<'b> MessageWriter<'b> {
    /// Appends the header.
    pub fn new(buf: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        let start = buf.len();
        buf.extend_from_slice(&method.with_class(class).to_be_bytes());
        buf.extend_from_slice(&[0, 0]);
        buf.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        buf.extend_from_slice(id.as_bytes());
        Self { buf, start, id }
    }

    /// Appends an attribute of any type, and its padding.
    pub fn attribute(self, kind: AttributeType, value: &[u8]) -> Self {
        self.write(kind, |buf| buf.extend_from_slice(value))
    }

    /// Appends USERNAME, at most 508 bytes of UTF-8.
    pub fn username(self, username: &str) -> Self {
        self.attribute(AttributeType::Username, username.as_bytes())
    }

    /// Appends USERHASH, SHA-256 of `username:realm`.
    pub fn userhash(self, hash: &[u8; 32]) -> Self {
        self.attribute(AttributeType::Userhash, hash)
    }

    /// Appends REALM, fewer than 128 characters.
    pub fn realm(self, realm: &str) -> Self {
        self.attribute(AttributeType::Realm, realm.as_bytes())
    }

    /// Appends NONCE, fewer than 128 characters.
    pub fn nonce(self, nonce: &str) -> Self {
        self.attribute(AttributeType::Nonce, nonce.as_bytes())
    }

    /// Appends SOFTWARE, fewer than 128 characters.
    pub fn software(self, software: &str) -> Self {
        self.attribute(AttributeType::Software, software.as_bytes())
    }

    /// Appends XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(self, address: SocketAddr) -> Self {
        let address = address::xor(address, self.id);
        self.write(AttributeType::XorMappedAddress, |buf| address::write(address, buf))
    }

    /// Appends MAPPED-ADDRESS.
    pub fn mapped_address(self, address: SocketAddr) -> Self {
        self.write(AttributeType::MappedAddress, |buf| address::write(address, buf))
    }

    /// Appends ALTERNATE-SERVER.
    pub fn alternate_server(self, address: SocketAddr) -> Self {
        self.write(AttributeType::AlternateServer, |buf| address::write(address, buf))
    }

    /// Appends ERROR-CODE; the code is in 300..=699 (the consts of
    /// [`ErrorCode`](super::ErrorCode) name some), the reason has fewer than 128 characters.
    pub fn error_code(self, code: u16, reason: &str) -> Self {
        debug_assert!((300..700).contains(&code), "{code} is not a STUN error code");
        self.write(AttributeType::ErrorCode, |buf| {
            buf.extend_from_slice(&[0, 0, (code / 100) as u8 & 0x07, (code % 100) as u8]);
            buf.extend_from_slice(reason.as_bytes());
        })
    }

    /// Appends UNKNOWN-ATTRIBUTES.
    pub fn unknown_attributes<T: Into<AttributeType>>(
        self,
        types: impl IntoIterator<Item = T>,
    ) -> Self {
        self.write(AttributeType::UnknownAttributes, |buf| {
            for kind in types {
                buf.extend_from_slice(&kind.into().number().to_be_bytes());
            }
        })
    }

    /// Appends PRIORITY.
    pub fn priority(self, priority: u32) -> Self {
        self.attribute(AttributeType::Priority, &priority.to_be_bytes())
    }

    /// Appends USE-CANDIDATE.
    pub fn use_candidate(self) -> Self {
        self.attribute(AttributeType::UseCandidate, &[])
    }

    /// Appends ICE-CONTROLLED with our tie-breaker.
    pub fn ice_controlled(self, tie_breaker: u64) -> Self {
        self.attribute(AttributeType::IceControlled, &tie_breaker.to_be_bytes())
    }

    /// Appends ICE-CONTROLLING with our tie-breaker.
    pub fn ice_controlling(self, tie_breaker: u64) -> Self {
        self.attribute(AttributeType::IceControlling, &tie_breaker.to_be_bytes())
    }

    /// Appends MESSAGE-INTEGRITY over what is there.
    pub fn integrity(self, key: &Key) -> Self {
        self.seal(AttributeType::MessageIntegrity, |text| key.sign_sha1(text))
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 over what is there.
    pub fn integrity_sha256(self, key: &Key) -> Self {
        self.seal(AttributeType::MessageIntegritySha256, |text| key.sign_sha256(text))
    }

    /// Appends FINGERPRINT over what is there.
    pub fn fingerprint(self) -> Self {
        self.seal(AttributeType::Fingerprint, |text| fingerprint::compute(&[text]).to_be_bytes())
    }

    /// Returns where in the buffer the message is.
    pub fn finish(self) -> Range<usize> {
        self.start..self.buf.len()
    }

    /// Appends an attribute whose value guards all bytes before it, with the header's length
    /// already pointing at the end of that attribute (RFC 8489 §14.5 to 14.7).
    fn seal<const N: usize>(
        mut self,
        kind: AttributeType,
        compute: impl FnOnce(&[u8]) -> [u8; N],
    ) -> Self {
        let text_end = self.buf.len();
        if !self.set_length(text_end + ATTRIBUTE_HEADER_LEN + N) {
            return self;
        }
        let value = compute(self.buf.get(self.start..text_end).unwrap_or_default());
        self.buf.extend_from_slice(&kind.number().to_be_bytes());
        self.buf.extend_from_slice(&(N as u16).to_be_bytes());
        self.buf.extend_from_slice(&value);
        self
    }

    /// Appends an attribute whose value is what `value` appends.
    fn write(mut self, kind: AttributeType, value: impl FnOnce(&mut Vec<u8>)) -> Self {
        let begin = self.buf.len();
        self.buf.extend_from_slice(&kind.number().to_be_bytes());
        self.buf.extend_from_slice(&[0, 0]);
        let value_begin = self.buf.len();
        value(self.buf);
        let len = self.buf.len() - value_begin;
        self.buf.resize(value_begin + len.next_multiple_of(4), 0);
        if self.set_length(self.buf.len()) {
            self.put_u16(begin + 2, len as u16);
        } else {
            self.buf.truncate(begin);
        }
        self
    }

    /// Sets the header's length so that the message ends at `end` of the buffer; `false` when it
    /// would be too long.
    fn set_length(&mut self, end: usize) -> bool {
        match u16::try_from(end - self.start - HEADER_LEN) {
            Ok(length) => {
                self.put_u16(self.start + 2, length);
                true
            }
            Err(_) => {
                debug_assert!(false, "the message is longer than STUN allows");
                false
            }
        }
    }

    fn put_u16(&mut self, at: usize, value: u16) {
        if let Some(field) = self.buf.get_mut(at..at + 2) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }
}
