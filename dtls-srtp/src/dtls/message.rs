//! Handshake messages and their header
//! ([RFC 6347 §4.2.2](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.2)).

pub(crate) mod authentication;
pub(crate) mod certificate;
pub(crate) mod encrypted_extensions;
pub(crate) mod extension;
pub(crate) mod hello;
pub(crate) mod post_handshake;
pub(crate) mod server_hello;

use super::codec::{Malformed, Reader, Write};
use super::epoch::Epoch;

/// What a handshake message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HandshakeType {
    HelloRequest,
    ClientHello,
    ServerHello,
    HelloVerifyRequest,
    NewSessionTicket,
    EncryptedExtensions,
    RequestConnectionId,
    NewConnectionId,
    Certificate,
    ServerKeyExchange,
    CertificateRequest,
    ServerHelloDone,
    CertificateVerify,
    ClientKeyExchange,
    Finished,
    KeyUpdate,
    /// Stands in the transcript for a ClientHello, never in a record
    /// ([RFC 8446 §4.4.1](https://www.rfc-editor.org/rfc/rfc8446#section-4.4.1)).
    MessageHash,
    Unknown(u8),
}

impl HandshakeType {
    const TABLE: [(Self, u8); 17] = [
        (Self::HelloRequest, 0),
        (Self::ClientHello, 1),
        (Self::ServerHello, 2),
        (Self::HelloVerifyRequest, 3),
        (Self::NewSessionTicket, 4),
        (Self::EncryptedExtensions, 8),
        (Self::RequestConnectionId, 9),
        (Self::NewConnectionId, 10),
        (Self::Certificate, 11),
        (Self::ServerKeyExchange, 12),
        (Self::CertificateRequest, 13),
        (Self::ServerHelloDone, 14),
        (Self::CertificateVerify, 15),
        (Self::ClientKeyExchange, 16),
        (Self::Finished, 20),
        (Self::KeyUpdate, 24),
        (Self::MessageHash, 254),
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Unknown(code) => code,
            known => Self::TABLE.into_iter().find(|entry| entry.0 == known).map_or(0, |e| e.1),
        }
    }
}

impl From<u8> for HandshakeType {
    fn from(code: u8) -> Self {
        Self::TABLE.into_iter().find(|entry| entry.1 == code).map_or(Self::Unknown(code), |e| e.0)
    }
}

/// The header of a fragment; a whole message is the fragment that covers it all.
///
/// ```text
///  0      1        4             6                 9                 12
/// +------+--------+-------------+-----------------+-----------------+
/// | type | length | message_seq | fragment_offset | fragment_length |
/// +------+--------+-------------+-----------------+-----------------+
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FragmentHeader {
    pub(crate) kind: HandshakeType,
    /// Of the whole message.
    pub(crate) length: u32,
    pub(crate) message_seq: u16,
    pub(crate) offset: u32,
    pub(crate) fragment_length: u32,
}

impl FragmentHeader {
    pub(crate) const LEN: usize = 12;

    pub(crate) fn whole(kind: HandshakeType, message_seq: u16, length: u32) -> Self {
        Self { kind, length, message_seq, offset: 0, fragment_length: length }
    }

    pub(crate) fn bytes(self) -> [u8; Self::LEN] {
        let [_, l0, l1, l2] = self.length.to_be_bytes();
        let [s0, s1] = self.message_seq.to_be_bytes();
        let [_, o0, o1, o2] = self.offset.to_be_bytes();
        let [_, f0, f1, f2] = self.fragment_length.to_be_bytes();
        [self.kind.code(), l0, l1, l2, s0, s1, o0, o1, o2, f0, f1, f2]
    }
}

/// A part of a handshake message, as a record carries it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) header: FragmentHeader,
    pub(crate) body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the next fragment of a record, and checks that it lies within its message.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let header = FragmentHeader {
            kind: reader.u8()?.into(),
            length: reader.u24()?,
            message_seq: reader.u16()?,
            offset: reader.u24()?,
            fragment_length: reader.u24()?,
        };
        // Three bytes each: the sum cannot overflow.
        if header.offset + header.fragment_length > header.length {
            return Err(Malformed);
        }
        let body = reader.bytes(header.fragment_length as usize)?;
        Ok(Self { header, body })
    }
}

/// A whole message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: HandshakeType,
    /// What it came under.
    pub(crate) epoch: Epoch,
    /// With its header, as the transcript takes it.
    pub(crate) bytes: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// Appends a whole message to `buf`.
pub(crate) fn write(
    buf: &mut Vec<u8>,
    kind: HandshakeType,
    message_seq: u16,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = buf.len();
    buf.bytes(&FragmentHeader::whole(kind, message_seq, 0).bytes());
    body(buf);
    let length = buf.len() - start - FragmentHeader::LEN;
    debug_assert!(length < 1 << 24, "no message of ours is that long");
    let header = FragmentHeader::whole(kind, message_seq, length as u32).bytes();
    if let Some(place) = buf.get_mut(start..start + FragmentHeader::LEN) {
        place.copy_from_slice(&header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_written_as_read() {
        for code in 0..=u8::MAX {
            assert_eq!(HandshakeType::from(code).code(), code);
        }
    }

    #[test]
    fn messages_are_read_as_written() {
        let mut buf = Vec::new();
        write(&mut buf, HandshakeType::Finished, 7, |buf| buf.bytes(b"verify"));
        let mut reader = Reader(&buf);
        let fragment = Fragment::read(&mut reader).unwrap();
        assert_eq!(fragment.header, FragmentHeader::whole(HandshakeType::Finished, 7, 6));
        assert_eq!(fragment.body, b"verify");
        assert!(reader.is_empty());
    }

    #[test]
    fn a_fragment_outside_of_its_message_is_malformed() {
        let mut header = FragmentHeader::whole(HandshakeType::Finished, 0, 4);
        header.offset = 1;
        let bytes = [&header.bytes()[..], b"four"].concat();
        assert!(Fragment::read(&mut Reader(&bytes)).is_err());
        assert!(Fragment::read(&mut Reader(&bytes[..11])).is_err());
    }
}
