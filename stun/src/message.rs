//! STUN messages: a checked view over received bytes, and a writer into the caller's buffer.

mod address;
mod attribute;
mod display;
mod method;
mod writer;

use std::fmt;
use std::net::SocketAddr;

use rand::Rng;

pub use attribute::{Attribute, AttributeType, Attributes, ErrorCode};
pub use method::{Class, Method};
pub use writer::MessageWriter;

use crate::fingerprint::{self, Fingerprint};
use crate::integrity::{IntegrityError, Key};

/// The value at bytes 4 to 7 of every message
/// ([RFC 8489 §5](https://www.rfc-editor.org/rfc/rfc8489#section-5)).
pub(crate) const MAGIC_COOKIE: u32 = 0x2112_a442;

/// The length of the header in bytes: type, length, magic cookie, transaction id.
pub(crate) const HEADER_LEN: usize = 20;

/// The length of an attribute's type and length fields in bytes.
pub(crate) const ATTRIBUTE_HEADER_LEN: usize = 4;

/// A STUN message, checked once by [`Message::parse`]; accessors cannot fail after that.
///
/// ```text
///   0                   1                   2                   3
///   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///  |0 0|     STUN Message Type     |         Message Length        |
///  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///  |                         Magic Cookie                          |
///  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///  |                                                               |
///  |                     Transaction ID (96 bits)                  |
///  |                                                               |
///  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// Typed accessors give the first attribute of their kind, as
/// [RFC 8489 §14](https://www.rfc-editor.org/rfc/rfc8489#section-14) asks ("only the first
/// occurrence needs to be processed"), and `None` when it is absent or malformed. None of them
/// says anything about authenticity: ask [`check_integrity`](Self::check_integrity) first.
///
/// `Display` is one line, as a packet dump would print it.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    header: &'a [u8; HEADER_LEN],
    /// The attributes, padding included.
    body: &'a [u8],
    /// Where the attributes that guard the message begin in `body`.
    integrity: Option<u16>,
    integrity_sha256: Option<u16>,
    fingerprint: Option<u16>,
}

impl<'a> Message<'a> {
    /// Checks that `bytes` are exactly one STUN message whose attributes fit inside it.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the first thing that is.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::TooShort { len: bytes.len() });
        };
        if header[0] & 0xc0 != 0 {
            return Err(ParseError::NotStun);
        }
        if header[4..8] != MAGIC_COOKIE.to_be_bytes() {
            return Err(ParseError::MagicCookie);
        }
        let length = u16::from_be_bytes([header[2], header[3]]);
        if !length.is_multiple_of(4) || usize::from(length) != body.len() {
            return Err(ParseError::Length { said: length, is: body.len() });
        }
        let mut message =
            Self { header, body, integrity: None, integrity_sha256: None, fingerprint: None };
        message.check_attributes()?;
        Ok(message)
    }

    fn check_attributes(&mut self) -> Result<(), ParseError> {
        let mut rest = self.body;
        let mut offset = 0u16;
        while !rest.is_empty() {
            let Some((attribute, after)) = attribute::split(rest) else {
                return Err(ParseError::Attribute { offset: HEADER_LEN + usize::from(offset) });
            };
            // MESSAGE-INTEGRITY-SHA256 ends what MESSAGE-INTEGRITY may follow, FINGERPRINT ends
            // everything: see `Attributes` for the rule.
            let guard = match attribute.kind {
                AttributeType::MessageIntegrity
                    if self.integrity_sha256.is_none() && self.fingerprint.is_none() =>
                {
                    Some(&mut self.integrity)
                }
                AttributeType::MessageIntegritySha256 if self.fingerprint.is_none() => {
                    Some(&mut self.integrity_sha256)
                }
                AttributeType::Fingerprint => Some(&mut self.fingerprint),
                _ => None,
            };
            if let Some(guard) = guard {
                guard.get_or_insert(offset);
            }
            // The body has at most 65,532 bytes, so that the sum fits.
            offset = offset.saturating_add((rest.len() - after.len()) as u16);
            rest = after;
        }
        Ok(())
    }

    /// Returns whether this is a request, an indication or a response.
    pub const fn class(&self) -> Class {
        Class::from_type(u16::from_be_bytes([self.header[0], self.header[1]]))
    }

    /// Returns the method.
    pub const fn method(&self) -> Method {
        Method::from_type(u16::from_be_bytes([self.header[0], self.header[1]]))
    }

    /// Returns the transaction id, which ties a response to its request.
    pub const fn transaction_id(&self) -> TransactionId {
        let [_, _, _, _, _, _, _, _, id @ ..] = *self.header;
        TransactionId(id)
    }

    /// Returns the attributes in their order, without those that a receiver must ignore: what
    /// follows MESSAGE-INTEGRITY except MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, what follows
    /// MESSAGE-INTEGRITY-SHA256 except FINGERPRINT, and what follows FINGERPRINT
    /// ([RFC 8489 §14.5](https://www.rfc-editor.org/rfc/rfc8489#section-14.5) to 14.7).
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.body)
    }

    /// Returns the value of the first attribute of a kind.
    pub fn attribute(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.attributes().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// Returns the comprehension-required attributes that this crate does not know. A request
    /// with one is answered by 420, a response with one ends its transaction
    /// ([RFC 8489 §6.3](https://www.rfc-editor.org/rfc/rfc8489#section-6.3)).
    pub fn unknown_required(&self) -> impl Iterator<Item = AttributeType> + use<'a> {
        self.attributes()
            .map(|attribute| attribute.kind)
            .filter(|kind| kind.is_comprehension_required() && !kind.is_known())
    }

    fn text(&self, kind: AttributeType) -> Option<&'a str> {
        str::from_utf8(self.attribute(kind)?).ok()
    }

    fn array<const N: usize>(&self, kind: AttributeType) -> Option<[u8; N]> {
        self.attribute(kind)?.try_into().ok()
    }

    /// Returns USERNAME ([RFC 8489 §14.3](https://www.rfc-editor.org/rfc/rfc8489#section-14.3)).
    pub fn username(&self) -> Option<&'a str> {
        self.text(AttributeType::Username)
    }

    /// Returns USERHASH, SHA-256 of `username:realm`
    /// ([RFC 8489 §14.4](https://www.rfc-editor.org/rfc/rfc8489#section-14.4)).
    pub fn userhash(&self) -> Option<[u8; 32]> {
        self.array(AttributeType::Userhash)
    }

    /// Returns REALM ([RFC 8489 §14.9](https://www.rfc-editor.org/rfc/rfc8489#section-14.9)).
    pub fn realm(&self) -> Option<&'a str> {
        self.text(AttributeType::Realm)
    }

    /// Returns NONCE ([RFC 8489 §14.10](https://www.rfc-editor.org/rfc/rfc8489#section-14.10)).
    pub fn nonce(&self) -> Option<&'a str> {
        self.text(AttributeType::Nonce)
    }

    /// Returns SOFTWARE ([RFC 8489 §14.14](https://www.rfc-editor.org/rfc/rfc8489#section-14.14)).
    pub fn software(&self) -> Option<&'a str> {
        self.text(AttributeType::Software)
    }

    /// Returns XOR-MAPPED-ADDRESS, the sender of the request as the server saw it
    /// ([RFC 8489 §14.2](https://www.rfc-editor.org/rfc/rfc8489#section-14.2)).
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        let value = self.attribute(AttributeType::XorMappedAddress)?;
        address::parse(value).map(|address| address::xor(address, self.transaction_id()))
    }

    /// Returns MAPPED-ADDRESS, which address translators were seen to rewrite
    /// ([RFC 8489 §14.1](https://www.rfc-editor.org/rfc/rfc8489#section-14.1)).
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        address::parse(self.attribute(AttributeType::MappedAddress)?)
    }

    /// Returns ALTERNATE-SERVER
    /// ([RFC 8489 §14.15](https://www.rfc-editor.org/rfc/rfc8489#section-14.15)).
    pub fn alternate_server(&self) -> Option<SocketAddr> {
        address::parse(self.attribute(AttributeType::AlternateServer)?)
    }

    /// Returns ERROR-CODE ([RFC 8489 §14.8](https://www.rfc-editor.org/rfc/rfc8489#section-14.8)).
    pub fn error_code(&self) -> Option<ErrorCode<'a>> {
        ErrorCode::parse(self.attribute(AttributeType::ErrorCode)?)
    }

    /// Returns the types in UNKNOWN-ATTRIBUTES; none when it is absent
    /// ([RFC 8489 §14.13](https://www.rfc-editor.org/rfc/rfc8489#section-14.13)).
    pub fn unknown_attributes(&self) -> impl Iterator<Item = AttributeType> + use<'a> {
        let value = self.attribute(AttributeType::UnknownAttributes).unwrap_or_default();
        let (types, _) = value.as_chunks::<2>();
        types.iter().map(|bytes| AttributeType::from(u16::from_be_bytes(*bytes)))
    }

    /// Returns PRIORITY, that of the peer-reflexive candidate which this check may discover
    /// ([RFC 8445 §16.1](https://www.rfc-editor.org/rfc/rfc8445#section-16.1)).
    pub fn priority(&self) -> Option<u32> {
        self.array(AttributeType::Priority).map(u32::from_be_bytes)
    }

    /// Returns whether USE-CANDIDATE is there: the controlling agent nominates this pair
    /// ([RFC 8445 §16.1](https://www.rfc-editor.org/rfc/rfc8445#section-16.1)).
    pub fn use_candidate(&self) -> bool {
        self.attribute(AttributeType::UseCandidate).is_some()
    }

    /// Returns the tie-breaker in ICE-CONTROLLED
    /// ([RFC 8445 §16.1](https://www.rfc-editor.org/rfc/rfc8445#section-16.1)).
    pub fn ice_controlled(&self) -> Option<u64> {
        self.array(AttributeType::IceControlled).map(u64::from_be_bytes)
    }

    /// Returns the tie-breaker in ICE-CONTROLLING
    /// ([RFC 8445 §16.1](https://www.rfc-editor.org/rfc/rfc8445#section-16.1)).
    pub fn ice_controlling(&self) -> Option<u64> {
        self.array(AttributeType::IceControlling).map(u64::from_be_bytes)
    }

    /// Checks MESSAGE-INTEGRITY-SHA256 when there is one, else MESSAGE-INTEGRITY. The comparison
    /// takes the same time whatever the bytes.
    ///
    /// # Errors
    ///
    /// [`IntegrityError::Absent`] when the message has neither attribute,
    /// [`IntegrityError::Mismatch`] when it was made with another key or altered.
    pub fn check_integrity(&self, key: &Key) -> Result<(), IntegrityError> {
        // A truncated MESSAGE-INTEGRITY-SHA256 needs a usage that allows it (RFC 8489 §14.6);
        // ICE, Binding and TURN do not.
        if let Some((text, value)) = self.guard(self.integrity_sha256) {
            return key.verify_sha256(self.header, text, value);
        }
        if let Some((text, value)) = self.guard(self.integrity) {
            return key.verify_sha1(self.header, text, value);
        }
        Err(IntegrityError::Absent)
    }

    /// Checks FINGERPRINT, which tells a STUN message from another protocol's datagram that
    /// happens to look like one. It proves nothing about the sender.
    pub fn check_fingerprint(&self) -> Fingerprint {
        let Some((text, value)) = self.guard(self.fingerprint) else {
            return Fingerprint::Absent;
        };
        // "When present, the FINGERPRINT attribute MUST be the last attribute in the message"
        // (RFC 8489 §14.7).
        let last = text.len() + ATTRIBUTE_HEADER_LEN + value.len() == self.body.len();
        if last && value == fingerprint::compute(&[self.header, text]).to_be_bytes() {
            Fingerprint::Valid
        } else {
            Fingerprint::Wrong
        }
    }

    /// Splits the body into what precedes the guarding attribute at `offset` and its value.
    fn guard(&self, offset: Option<u16>) -> Option<(&'a [u8], &'a [u8])> {
        let (text, rest) = self.body.split_at_checked(usize::from(offset?))?;
        let (attribute, _) = attribute::split(rest)?;
        Some((text, attribute.value))
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({self})")
    }
}

/// Returns whether a datagram should be handed to STUN: the first byte is in 0..=3
/// ([RFC 7983 §7](https://www.rfc-editor.org/rfc/rfc7983#section-7)), the magic cookie is in its
/// place and the length is that of the datagram.
pub fn is_stun(bytes: &[u8]) -> bool {
    let Some((header, body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return false;
    };
    let length = u16::from_be_bytes([header[2], header[3]]);
    header[0] <= 3
        && header[4..8] == MAGIC_COOKIE.to_be_bytes()
        && length.is_multiple_of(4)
        && usize::from(length) == body.len()
}

/// Why bytes are not a STUN message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// An attribute runs over the end of the message.
    #[error("the attribute at byte {offset} runs over the end of the message")]
    Attribute {
        /// Where the attribute begins, counted from the start of the message.
        offset: usize,
    },
    /// The length field is not that of the bytes, or not a multiple of four.
    #[error("the header says {said} bytes of attributes, there are {is}")]
    Length {
        /// What the header says.
        said: u16,
        /// How many bytes follow the header.
        is: usize,
    },
    /// Bytes 4 to 7 are not 0x2112A442.
    #[error("the magic cookie is missing")]
    MagicCookie,
    /// The first two bits are not zero.
    #[error("the first two bits are not zero")]
    NotStun,
    /// There are fewer than the 20 bytes of the header.
    #[error("{len} bytes are too few for a header of 20")]
    TooShort {
        /// How many bytes there are.
        len: usize,
    },
}

/// The 96 bits that tie a response to its request
/// ([RFC 8489 §5](https://www.rfc-editor.org/rfc/rfc8489#section-5)).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TransactionId([u8; 12]);

impl TransactionId {
    /// Wraps the bytes of a transaction id.
    pub const fn new(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// Draws one. The generator has to be cryptographically strong: an attacker off the path who
    /// can guess the id can answer for the server.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; 12];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({self})")
    }
}

#[cfg(test)]
mod tests;
