//! EncryptedExtensions: what the server answers that need not be in the clear
//! ([RFC 8446 §4.3.1](https://www.rfc-editor.org/rfc/rfc8446#section-4.3.1)).

use super::extension::{self, Extensions, SrtpAnswer, write_srtp_answer};
use crate::dtls::HandshakeError;
use crate::dtls::codec::{Malformed, Reader, U16s, Write};

/// An EncryptedExtensions message that was checked to hold nothing but answers.
#[derive(Debug, Default)]
pub(crate) struct EncryptedExtensions<'a> {
    pub(crate) srtp_profile: Option<SrtpAnswer<'a>>,
    /// What the server would prefer next time, which we have no use for.
    supported_groups: Option<U16s<'a>>,
}

impl<'a> EncryptedExtensions<'a> {
    /// Reads the message. An answer to `use_srtp` is taken whether we offered it or not.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, HandshakeError> {
        let mut reader = Reader(body);
        let list = reader.vec16()?;
        reader.end()?;
        let mut extensions = Self::default();
        for (kind, data) in Extensions::parse(list)? {
            extensions.put(kind, data)?;
        }
        Ok(extensions)
    }

    fn put(&mut self, kind: u16, data: &'a [u8]) -> Result<(), HandshakeError> {
        let mut reader = Reader(data);
        match kind {
            extension::USE_SRTP => self.srtp_profile = Some(SrtpAnswer::read(&mut reader)?),
            extension::SUPPORTED_GROUPS => {
                self.supported_groups = Some(U16s::parse_some(reader.vec16()?)?);
            }
            // "The client MUST check EncryptedExtensions for the presence of any forbidden
            // extensions and if any are found MUST abort the handshake with an
            // illegal_parameter alert."
            extension::CONNECTION_ID
            | extension::COOKIE
            | extension::EC_POINT_FORMATS
            | extension::EXTENDED_MASTER_SECRET
            | extension::KEY_SHARE
            | extension::PRE_SHARED_KEY
            | extension::RENEGOTIATION_INFO
            | extension::SIGNATURE_ALGORITHMS
            | extension::SUPPORTED_VERSIONS => return Err(HandshakeError::IllegalParameter),
            _ => return Err(HandshakeError::UnsupportedExtension),
        }
        reader.end().map_err(|Malformed| HandshakeError::Malformed)
    }
}

/// Writes the message.
pub(crate) fn write(buf: &mut Vec<u8>, srtp_profile: Option<u16>) {
    buf.vector::<2>(|buf| {
        if let Some(profile) = srtp_profile {
            write_srtp_answer(buf, profile);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtls::message::extension::write_extension;

    #[test]
    fn answers_are_read_as_written() {
        let mut body = Vec::new();
        write(&mut body, Some(7));
        let srtp = EncryptedExtensions::parse(&body).unwrap().srtp_profile.unwrap();
        assert_eq!((srtp.profile, srtp.mki), (7, &[][..]));
        for len in 0..body.len() {
            let cut = EncryptedExtensions::parse(&body[..len]);
            assert_eq!(cut.err(), Some(HandshakeError::Malformed));
        }

        let mut none = Vec::new();
        write(&mut none, None);
        assert_eq!(none, [0, 0]);
        assert!(EncryptedExtensions::parse(&none).unwrap().srtp_profile.is_none());
    }

    #[test]
    fn each_fault_has_its_error() {
        let with = |kind, data: &[u8]| {
            let mut body = Vec::new();
            body.vector::<2>(|buf| write_extension(buf, kind, |buf| buf.bytes(data)));
            EncryptedExtensions::parse(&body).err()
        };
        assert_eq!(with(extension::SUPPORTED_GROUPS, &[0, 2, 0, 29]), None);
        assert_eq!(with(extension::SUPPORTED_GROUPS, &[0, 0]), Some(HandshakeError::Malformed));
        assert_eq!(
            with(extension::USE_SRTP, &[0, 4, 0, 1, 0, 7, 0]),
            Some(HandshakeError::Malformed)
        );
        assert_eq!(with(extension::KEY_SHARE, &[]), Some(HandshakeError::IllegalParameter));
        assert_eq!(with(0x1234, &[]), Some(HandshakeError::UnsupportedExtension));
    }
}
