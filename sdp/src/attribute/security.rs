//! Who the other side is: `fingerprint`, `setup`, `tls-id`, `identity`.

use std::fmt;

use crate::cursor::Cursor;
use crate::error::Fault;

/// The hash functions of WebRTC and how many bytes they give.
const HASHES: [(&str, usize); 5] =
    [("sha-256", 32), ("sha-384", 48), ("sha-512", 64), ("sha-1", 20), ("sha-224", 28)];

/// `a=fingerprint`: the hash of the certificate that DTLS will show
/// ([RFC 8122 §5](https://www.rfc-editor.org/rfc/rfc8122#section-5)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fingerprint<'a> {
    /// The hash function, such as `sha-256`, compared without regard to case.
    pub algorithm: &'a str,
    /// The hash: bytes in hexadecimal between colons.
    pub value: &'a str,
}

impl<'a> Fingerprint<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        const WHAT: &str = "a hash as bytes in hexadecimal between colons";
        let algorithm = cursor.word("a hash function")?;
        let value = cursor.word(WHAT)?;
        // A hash takes three characters a byte, but for the last colon.
        let in_order = value.bytes().enumerate().all(|(index, byte)| match index % 3 {
            2 => byte == b':',
            _ => byte.is_ascii_hexdigit(),
        });
        if !in_order || value.len() % 3 != 2 {
            return Err(cursor.invalid(value, WHAT));
        }
        let known = HASHES.iter().find(|(name, _)| algorithm.eq_ignore_ascii_case(name));
        let Some((_, length)) = known else {
            return Ok(Self { algorithm, value });
        };
        if value.len() != length * 3 - 1 {
            return Err(cursor.invalid(value, "a hash of the length that its function gives"));
        }
        Ok(Self { algorithm, value })
    }

    /// Returns the bytes of the hash.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.value.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok())
    }
}

impl fmt::Display for Fingerprint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.value)
    }
}

/// `a=setup`: who begins the DTLS handshake
/// ([RFC 4145 §4](https://www.rfc-editor.org/rfc/rfc4145#section-4),
/// [RFC 8842 §5.2](https://www.rfc-editor.org/rfc/rfc8842#section-5.2)).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Setup {
    /// The one who says it begins: it is the DTLS client.
    Active,
    /// Either, as the other side chooses: what an offer says.
    ActPass,
    /// Not now.
    HoldConn,
    /// The one who says it waits: it is the DTLS server.
    Passive,
}

impl Setup {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        const WHAT: &str = "one of active, passive, actpass, holdconn";
        let word = cursor.word(WHAT)?;
        [Self::ActPass, Self::Active, Self::Passive, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.as_str() == word)
            .ok_or_else(|| cursor.invalid(word, WHAT))
    }

    /// Returns the word of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
            Self::Passive => "passive",
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `a=identity`: an identity assertion
/// ([RFC 8827 §5](https://www.rfc-editor.org/rfc/rfc8827#section-5)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity<'a> {
    /// The assertion, in base64.
    pub assertion: &'a str,
    /// What follows it, as it stands.
    pub extensions: &'a str,
}

impl<'a> Identity<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let (assertion, _) = cursor.part(b';', "an assertion in base64")?;
        Ok(Self { assertion, extensions: cursor.words().as_str() })
    }
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.assertion)?;
        if self.extensions.is_empty() { Ok(()) } else { write!(f, ";{}", self.extensions) }
    }
}

pub(super) fn tls_id<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    const WHAT: &str = "an identity of 20 to 255 characters";
    let word = cursor.word(WHAT)?;
    if (20..=255).contains(&word.len()) { Ok(word) } else { Err(cursor.invalid(word, WHAT)) }
}
