//! What may be said after a handshake of DTLS 1.3: KeyUpdate
//! ([RFC 8446 §4.6.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.6.3)), NewConnectionId and
//! RequestConnectionId ([RFC 9147 §9](https://www.rfc-editor.org/rfc/rfc9147#section-9)).

use super::extension::Extensions;
use crate::dtls::HandshakeError;
use crate::dtls::codec::{Malformed, Reader, Write};

/// Whether the sender of a KeyUpdate wants one in return.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyUpdate {
    /// Only its own keys change.
    NotRequested,
    /// The peer has to change its keys too.
    Requested,
}

impl KeyUpdate {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, HandshakeError> {
        match body {
            [0] => Ok(Self::NotRequested),
            [1] => Ok(Self::Requested),
            // "If an implementation receives any other value, it MUST terminate the connection
            // with an illegal_parameter alert."
            [_] => Err(HandshakeError::IllegalParameter),
            _ => Err(HandshakeError::Malformed),
        }
    }

    pub(crate) fn write(self, buf: &mut Vec<u8>) {
        buf.u8(match self {
            Self::NotRequested => 0,
            Self::Requested => 1,
        });
    }
}

/// A NewConnectionId message that was checked to be well-formed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewConnectionId<'a> {
    ids: Reader<'a>,
    pub(crate) usage: ConnectionIdUsage,
}

/// When to use new connection ids.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConnectionIdUsage {
    /// One of them from here on.
    Immediate,
    Spare,
}

impl<'a> NewConnectionId<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, HandshakeError> {
        let mut reader = Reader(body);
        let ids = Reader(reader.vec16()?);
        let usage = reader.u8()?;
        reader.end()?;
        let mut each = ids;
        while !each.is_empty() {
            each.vec8()?;
        }
        let usage = match usage {
            0 => ConnectionIdUsage::Immediate,
            1 => ConnectionIdUsage::Spare,
            _ => return Err(HandshakeError::IllegalParameter),
        };
        Ok(Self { ids, usage })
    }

    /// The ids, in the order in which to use them.
    pub(crate) fn ids(self) -> impl Iterator<Item = &'a [u8]> {
        let mut ids = self.ids;
        std::iter::from_fn(move || ids.vec8().ok())
    }

    pub(crate) fn write<'i>(
        buf: &mut Vec<u8>,
        ids: impl Iterator<Item = &'i [u8]>,
        usage: ConnectionIdUsage,
    ) {
        buf.vector::<2>(|buf| ids.for_each(|id| buf.vector::<1>(|buf| buf.bytes(id))));
        buf.u8(match usage {
            ConnectionIdUsage::Immediate => 0,
            ConnectionIdUsage::Spare => 1,
        });
    }
}

/// Reads how many ids a RequestConnectionId asks for.
pub(crate) fn parse_request_connection_id(body: &[u8]) -> Result<u8, Malformed> {
    let mut reader = Reader(body);
    let count = reader.u8()?;
    reader.end()?;
    Ok(count)
}

/// Checks the form of a NewSessionTicket, which is of no use to us
/// ([RFC 8446 §4.6.1](https://www.rfc-editor.org/rfc/rfc8446#section-4.6.1)).
pub(crate) fn check_new_session_ticket(body: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader(body);
    let (_lifetime, _age_add) = (reader.array::<4>()?, reader.array::<4>()?);
    reader.vec8()?; // nonce
    if reader.vec16()?.is_empty() {
        return Err(Malformed);
    }
    Extensions::parse(reader.vec16()?)?;
    reader.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_updates_are_read_as_written() {
        for update in [KeyUpdate::NotRequested, KeyUpdate::Requested] {
            let mut body = Vec::new();
            update.write(&mut body);
            assert_eq!(KeyUpdate::parse(&body), Ok(update));
        }
        assert_eq!(KeyUpdate::parse(&[2]), Err(HandshakeError::IllegalParameter));
        assert_eq!(KeyUpdate::parse(&[]), Err(HandshakeError::Malformed));
        assert_eq!(KeyUpdate::parse(&[0, 0]), Err(HandshakeError::Malformed));
    }

    #[test]
    fn connection_ids_are_read_as_written() {
        let ids = [&b"one"[..], b"", b"three"];
        let mut body = Vec::new();
        NewConnectionId::write(&mut body, ids.into_iter(), ConnectionIdUsage::Spare);
        let message = NewConnectionId::parse(&body).unwrap();
        assert_eq!(message.ids().collect::<Vec<_>>(), ids);
        assert_eq!(message.usage, ConnectionIdUsage::Spare);
        for len in 0..body.len() {
            assert!(NewConnectionId::parse(&body[..len]).is_err(), "{len}");
        }
        *body.last_mut().unwrap() = 2;
        let error = NewConnectionId::parse(&body).err();
        assert_eq!(error, Some(HandshakeError::IllegalParameter));

        assert_eq!(parse_request_connection_id(&[3]), Ok(3));
        assert!(parse_request_connection_id(&[]).is_err());
    }
}
