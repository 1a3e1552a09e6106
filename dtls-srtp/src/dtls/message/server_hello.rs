//! ServerHello of both versions, and HelloRetryRequest, which is one with a special random
//! ([RFC 8446 §4.1.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.1.3)).

use super::extension::{
    self, Extensions, SrtpAnswer, read_key_share, write_extension, write_srtp_answer,
};
use crate::dtls::HandshakeError;
use crate::dtls::codec::{Malformed, Reader, Write};
use crate::dtls::record::{DTLS_1_2, DTLS_1_3};

/// The random that makes a ServerHello a HelloRetryRequest: SHA-256 of "HelloRetryRequest".
const HELLO_RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What the random of a server ends with that knows DTLS 1.3 and speaks 1.2: "DOWNGRD\x01".
pub(crate) const DOWNGRADE_1_2: [u8; 8] = *b"DOWNGRD\x01";
/// The same of one that speaks DTLS 1.0.
const DOWNGRADE_1_0: [u8; 8] = *b"DOWNGRD\x00";

/// A ServerHello that was checked to be well-formed.
#[derive(Debug)]
pub(crate) struct ServerHello<'a> {
    pub(crate) version: u16,
    pub(crate) random: &'a [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) cipher_suite: u16,
    pub(crate) compression_method: u8,
    pub(crate) connection_id: Option<&'a [u8]>,
    pub(crate) extended_master_secret: bool,
    pub(crate) renegotiation_info: Option<&'a [u8]>,
    pub(crate) srtp_profile: Option<SrtpAnswer<'a>>,
    cookie: Option<&'a [u8]>,
    key_share: Option<Reader<'a>>,
    supported_version: Option<u16>,
    /// An extension that we do not offer, or not with DTLS 1.2.
    pub(crate) unsolicited: bool,
    /// An extension that is known and has no place in a ServerHello of DTLS 1.3.
    only_1_2: bool,
    /// An extension that is not known at all.
    unknown: bool,
}

/// What a server of DTLS 1.3 answers, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer13<'a> {
    Hello(Share<'a>),
    Retry(Retry<'a>),
}

/// A ServerHello of DTLS 1.3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<'a> {
    pub(crate) cipher_suite: u16,
    pub(crate) group: u16,
    pub(crate) public_key: &'a [u8],
    /// How the server wants to be addressed.
    pub(crate) connection_id: Option<&'a [u8]>,
}

/// A HelloRetryRequest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry<'a> {
    pub(crate) cipher_suite: u16,
    /// Which group to make a key share for.
    pub(crate) group: Option<u16>,
    pub(crate) cookie: Option<&'a [u8]>,
}

impl<'a> ServerHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(body);
        let version = reader.u16()?;
        let random = reader.array()?;
        let session_id = reader.vec8()?;
        if session_id.len() > 32 {
            return Err(Malformed);
        }
        let mut hello = Self {
            version,
            random,
            session_id,
            cipher_suite: reader.u16()?,
            compression_method: reader.u8()?,
            connection_id: None,
            extended_master_secret: false,
            renegotiation_info: None,
            srtp_profile: None,
            cookie: None,
            key_share: None,
            supported_version: None,
            unsolicited: false,
            only_1_2: false,
            unknown: false,
        };
        if reader.is_empty() {
            return Ok(hello);
        }
        let list = reader.vec16()?;
        reader.end()?;
        for (kind, data) in Extensions::parse(list)? {
            hello.put(kind, data)?;
        }
        Ok(hello)
    }

    fn put(&mut self, kind: u16, data: &'a [u8]) -> Result<(), Malformed> {
        use extension as kinds;
        let mut reader = Reader(data);
        match kind {
            kinds::SUPPORTED_VERSIONS => {
                self.unsolicited = true;
                self.supported_version = Some(reader.u16()?);
            }
            kinds::CONNECTION_ID => self.connection_id = Some(reader.vec8()?),
            kinds::KEY_SHARE => {
                self.unsolicited = true;
                // What is in it depends on the random and the version.
                self.key_share = Some(reader);
                return Ok(());
            }
            kinds::COOKIE => {
                self.unsolicited = true;
                self.cookie = Some(reader.vec16()?);
                if self.cookie.is_some_and(|cookie| cookie.is_empty()) {
                    return Err(Malformed);
                }
            }
            _ => {
                self.only_1_2 = true;
                return self.put_1_2(kind, data);
            }
        }
        reader.end()
    }

    fn put_1_2(&mut self, kind: u16, data: &'a [u8]) -> Result<(), Malformed> {
        let mut reader = Reader(data);
        match kind {
            extension::EXTENDED_MASTER_SECRET => self.extended_master_secret = true,
            extension::EC_POINT_FORMATS => {
                reader.vec8()?;
            }
            extension::RENEGOTIATION_INFO => self.renegotiation_info = Some(reader.vec8()?),
            extension::USE_SRTP => {
                self.srtp_profile = Some(SrtpAnswer::read(&mut reader)?);
            }
            // RFC 8422 §5.1.1 wants the client to tolerate a server that answers this one.
            extension::SUPPORTED_GROUPS => return Ok(()),
            _ => {
                (self.unsolicited, self.unknown) = (true, true);
                return Ok(());
            }
        }
        reader.end()
    }

    /// The version that the server has chosen.
    pub(crate) fn selected_version(&self) -> u16 {
        self.supported_version.unwrap_or(self.version)
    }

    /// Whether the server has chosen DTLS 1.3.
    pub(crate) fn selects_dtls_1_3(&self) -> bool {
        self.supported_version == Some(DTLS_1_3)
    }

    /// Whether a server that has chosen DTLS 1.2 says that it knows a newer version than that,
    /// which somebody kept from it if we offered it: "TLS 1.3 clients receiving a ServerHello
    /// indicating TLS 1.2 or below MUST check" and "MUST abort the handshake with an
    /// illegal_parameter alert" ([RFC 8446 §4.1.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.1.3)).
    pub(crate) fn is_downgraded(&self) -> bool {
        self.random.last_chunk().is_some_and(|end| *end == DOWNGRADE_1_2 || *end == DOWNGRADE_1_0)
    }

    /// What a server says that has chosen DTLS 1.3.
    pub(crate) fn answer_1_3(&self) -> Result<Answer13<'a>, HandshakeError> {
        let illegal = HandshakeError::IllegalParameter;
        // "A client which receives a legacy_session_id_echo field that does not match what it
        // sent in the ClientHello MUST abort": we send none.
        if self.version != DTLS_1_2 || !self.session_id.is_empty() || self.compression_method != 0 {
            return Err(illegal);
        }
        if self.unknown {
            return Err(HandshakeError::UnsupportedExtension);
        }
        if self.only_1_2 {
            return Err(illegal);
        }
        if *self.random == HELLO_RETRY_REQUEST {
            if self.connection_id.is_some() {
                return Err(illegal);
            }
            return self.retry().map(Answer13::Retry);
        }
        if self.cookie.is_some() {
            return Err(illegal);
        }
        let mut reader = self.key_share.ok_or(HandshakeError::MissingExtension)?;
        let (group, public_key) = read_key_share(&mut reader)?;
        reader.end()?;
        Ok(Answer13::Hello(Share {
            cipher_suite: self.cipher_suite,
            group,
            public_key,
            connection_id: self.connection_id,
        }))
    }

    fn retry(&self) -> Result<Retry<'a>, HandshakeError> {
        let group = match self.key_share {
            None => None,
            Some(mut reader) => {
                let group = reader.u16()?;
                reader.end()?;
                Some(group)
            }
        };
        // "Clients MUST abort the handshake with an illegal_parameter alert if the
        // HelloRetryRequest would not result in any change in the ClientHello" (RFC 8446 §4.1.4).
        if group.is_none() && self.cookie.is_none() {
            return Err(HandshakeError::IllegalParameter);
        }
        Ok(Retry { cipher_suite: self.cipher_suite, group, cookie: self.cookie })
    }
}

/// What we say in a ServerHello of DTLS 1.2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerAnswer<'a> {
    pub(crate) random: &'a [u8; 32],
    pub(crate) cipher_suite: u16,
    pub(crate) extended_master_secret: bool,
    pub(crate) secure_renegotiation: bool,
    pub(crate) point_formats: bool,
    pub(crate) srtp_profile: Option<u16>,
    /// How we want to be addressed.
    pub(crate) connection_id: Option<&'a [u8]>,
}

impl ServerAnswer<'_> {
    pub(crate) fn write(self, buf: &mut Vec<u8>) {
        write_server_hello(buf, self.random, self.cipher_suite, |buf| {
            if self.extended_master_secret {
                write_extension(buf, extension::EXTENDED_MASTER_SECRET, |_| ());
            }
            if self.secure_renegotiation {
                write_extension(buf, extension::RENEGOTIATION_INFO, |buf| buf.u8(0));
            }
            if self.point_formats {
                write_extension(buf, extension::EC_POINT_FORMATS, |buf| buf.bytes(&[1, 0]));
            }
            if let Some(profile) = self.srtp_profile {
                write_srtp_answer(buf, profile);
            }
            write_connection_id(buf, self.connection_id);
        });
    }
}

impl Share<'_> {
    /// Writes a ServerHello of DTLS 1.3.
    pub(crate) fn write(self, buf: &mut Vec<u8>, random: &[u8; 32]) {
        write_server_hello(buf, random, self.cipher_suite, |buf| {
            write_extension(buf, extension::SUPPORTED_VERSIONS, |buf| buf.u16(DTLS_1_3));
            write_extension(buf, extension::KEY_SHARE, |buf| {
                buf.u16(self.group);
                buf.vector::<2>(|buf| buf.bytes(self.public_key));
            });
            write_connection_id(buf, self.connection_id);
        });
    }
}

impl Retry<'_> {
    /// Writes a HelloRetryRequest.
    pub(crate) fn write(self, buf: &mut Vec<u8>) {
        write_server_hello(buf, &HELLO_RETRY_REQUEST, self.cipher_suite, |buf| {
            write_extension(buf, extension::SUPPORTED_VERSIONS, |buf| buf.u16(DTLS_1_3));
            if let Some(group) = self.group {
                write_extension(buf, extension::KEY_SHARE, |buf| buf.u16(group));
            }
            if let Some(cookie) = self.cookie {
                write_extension(buf, extension::COOKIE, |buf| {
                    buf.vector::<2>(|buf| buf.bytes(cookie));
                });
            }
        });
    }
}

fn write_server_hello(
    buf: &mut Vec<u8>,
    random: &[u8; 32],
    cipher_suite: u16,
    extensions: impl FnOnce(&mut Vec<u8>),
) {
    buf.u16(DTLS_1_2);
    buf.bytes(random);
    buf.u8(0); // the session cannot be resumed, and DTLS 1.3 does not echo its id
    buf.u16(cipher_suite);
    buf.u8(0); // no compression
    buf.vector::<2>(extensions);
}

fn write_connection_id(buf: &mut Vec<u8>, id: Option<&[u8]>) {
    if let Some(id) = id {
        write_extension(buf, extension::CONNECTION_ID, |buf| {
            buf.vector::<1>(|buf| buf.bytes(id));
        });
    }
}

#[cfg(test)]
mod tests;
