//! Messages of data channels, and how SCTP says which kind they are.

use bytes::Bytes;
use std::fmt;

/// A message of a data channel. May be empty.
#[derive(Clone, Eq, PartialEq)]
pub enum Message {
    /// Text: UTF-8, which the sender answers for and a reader checks.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Bytes::from(text.into()))
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// The bytes.
    pub const fn data(&self) -> &Bytes {
        match self {
            Self::Text(data) | Self::Binary(data) => data,
        }
    }

    /// The bytes.
    pub fn into_data(self) -> Bytes {
        match self {
            Self::Text(data) | Self::Binary(data) => data,
        }
    }

    /// The text, when it is text and UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(data) => std::str::from_utf8(data).ok(),
            Self::Binary(_) => None,
        }
    }

    /// Whether it is binary.
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// The number of bytes.
    pub const fn len(&self) -> usize {
        self.data().len()
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.data().is_empty()
    }

    /// As SCTP carries it: an empty message is one zero byte under an identifier of its own
    /// ([RFC 8831 §6.6](https://www.rfc-editor.org/rfc/rfc8831#section-6.6)).
    pub(crate) fn into_sctp(self) -> (u32, Bytes) {
        let (full, empty) = match self {
            Self::Text(_) => (STRING, STRING_EMPTY),
            Self::Binary(_) => (BINARY, BINARY_EMPTY),
        };
        let data = self.into_data();
        if data.is_empty() { (empty, Bytes::from_static(&[0])) } else { (full, data) }
    }

    /// What SCTP carried, or `None` for an identifier that is none of WebRTC's.
    pub(crate) fn from_sctp(ppid: u32, payload: Bytes) -> Option<Self> {
        match ppid {
            // The partial ones are deprecated: whoever still sends them means these.
            STRING | STRING_PARTIAL => Some(Self::Text(payload)),
            BINARY | BINARY_PARTIAL => Some(Self::Binary(payload)),
            STRING_EMPTY => Some(Self::Text(Bytes::new())),
            BINARY_EMPTY => Some(Self::Binary(Bytes::new())),
            _ => None,
        }
    }

    /// The message that [`Self::into_sctp`] was given.
    pub(crate) fn restore(ppid: u32, payload: Bytes) -> Self {
        Self::from_sctp(ppid, payload).unwrap_or(Self::Binary(Bytes::new()))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_binary() { "Binary" } else { "Text" };
        write!(f, "{kind}({} bytes)", self.len())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(data) => f.write_str(&String::from_utf8_lossy(data)),
            Self::Binary(data) => write!(f, "{} bytes", data.len()),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

// RFC 8831 §8, "SCTP Payload Protocol Identifiers".
/// The identifier of DCEP's own messages.
pub(crate) const DCEP: u32 = 50;
pub(crate) const STRING: u32 = 51;
const BINARY_PARTIAL: u32 = 52;
pub(crate) const BINARY: u32 = 53;
const STRING_PARTIAL: u32 = 54;
const STRING_EMPTY: u32 = 56;
const BINARY_EMPTY: u32 = 57;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_wire() {
        let messages = ["text".into(), "".into(), vec![1, 2].into(), Message::from(vec![])];
        let ppids = [51, 56, 53, 57];
        for (message, expected) in messages.into_iter().zip(ppids) {
            let (ppid, payload) = message.clone().into_sctp();
            assert_eq!(ppid, expected);
            assert!(!payload.is_empty());
            assert_eq!(Message::from_sctp(ppid, payload), Some(message));
        }
        assert_eq!(Message::from_sctp(58, Bytes::new()), None);
    }

    #[test]
    fn debug_does_not_print_what_people_write() {
        assert_eq!(format!("{:?}", Message::from("secret")), "Text(6 bytes)");
    }
}
