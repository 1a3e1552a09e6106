//! ClientHello, ServerHello, HelloVerifyRequest and their extensions
//! ([RFC 5246 §7.4.1](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1),
//! [RFC 6347 §4.2.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1)).

use crate::dtls::codec::{Malformed, Reader, U16s, Write};
use crate::dtls::record::{DTLS_1_0, DTLS_1_2};

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV`
/// ([RFC 5746 §3.3](https://www.rfc-editor.org/rfc/rfc5746#section-3.3)).
const EMPTY_RENEGOTIATION_INFO: u16 = 0x00ff;

/// Types of extensions.
mod extension {
    pub(super) const SUPPORTED_GROUPS: u16 = 10;
    pub(super) const EC_POINT_FORMATS: u16 = 11;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(super) const USE_SRTP: u16 = 14;
    pub(super) const EXTENDED_MASTER_SECRET: u16 = 23;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
    pub(super) const RENEGOTIATION_INFO: u16 = 0xff01;
}

/// A ClientHello that was checked to be well-formed.
#[derive(Debug)]
pub(crate) struct ClientHello<'a> {
    pub(crate) version: u16,
    pub(crate) random: &'a [u8; 32],
    pub(crate) cookie: &'a [u8],
    pub(crate) cipher_suites: U16s<'a>,
    pub(crate) compression_methods: &'a [u8],
    pub(crate) extensions: ClientExtensions<'a>,
}

/// The extensions of a ClientHello that mean something to us.
#[derive(Debug, Default)]
pub(crate) struct ClientExtensions<'a> {
    pub(crate) extended_master_secret: bool,
    pub(crate) point_formats: Option<&'a [u8]>,
    pub(crate) renegotiation_info: Option<&'a [u8]>,
    pub(crate) signature_algorithms: Option<U16s<'a>>,
    pub(crate) supported_groups: Option<U16s<'a>>,
    pub(crate) supported_versions: Option<U16s<'a>>,
    pub(crate) srtp_profiles: Option<U16s<'a>>,
}

impl<'a> ClientHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(body);
        let version = reader.u16()?;
        let random = reader.array()?;
        if reader.vec8()?.len() > 32 {
            return Err(Malformed);
        }
        let cookie = reader.vec8()?;
        let cipher_suites = U16s::parse(reader.vec16()?)?;
        let compression_methods = reader.vec8()?;
        let extensions = ClientExtensions::parse(reader)?;
        Ok(Self { version, random, cookie, cipher_suites, compression_methods, extensions })
    }

    /// Whether the client speaks DTLS 1.2. What is in `supported_versions` decides if it is there
    /// ([RFC 8446 §4.2.1](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.1)); Firefox puts
    /// 0x0303, a version of TLS, beside those of DTLS, which is passed over like any value that we
    /// do not know.
    pub(crate) fn offers_dtls_1_2(&self) -> bool {
        match self.extensions.supported_versions {
            Some(versions) => versions.contains(DTLS_1_2),
            // Versions of DTLS count down.
            None => self.version >> 8 == 0xfe && self.version <= DTLS_1_2,
        }
    }

    /// Whether the client understands secure renegotiation, so that we have to say that we do.
    pub(crate) fn offers_secure_renegotiation(&self) -> bool {
        self.extensions.renegotiation_info.is_some()
            || self.cipher_suites.contains(EMPTY_RENEGOTIATION_INFO)
    }
}

impl<'a> ClientExtensions<'a> {
    /// Reads the extensions that end a hello; old clients have none at all.
    fn parse(mut reader: Reader<'a>) -> Result<Self, Malformed> {
        let mut extensions = Self::default();
        if reader.is_empty() {
            return Ok(extensions);
        }
        let mut list = Reader(reader.vec16()?);
        reader.end()?;
        while !list.is_empty() {
            let (kind, data) = (list.u16()?, list.vec16()?);
            extensions.put(kind, data)?;
        }
        Ok(extensions)
    }

    fn put(&mut self, kind: u16, data: &'a [u8]) -> Result<(), Malformed> {
        /// "There MUST NOT be more than one extension of the same type"
        /// ([RFC 5246 §7.4.1.4](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1.4)).
        fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
            if place.replace(value).is_some() { Err(Malformed) } else { Ok(()) }
        }
        let mut reader = Reader(data);
        match kind {
            extension::EXTENDED_MASTER_SECRET => {
                if self.extended_master_secret {
                    return Err(Malformed);
                }
                self.extended_master_secret = true;
            }
            extension::EC_POINT_FORMATS => once(&mut self.point_formats, reader.vec8()?)?,
            extension::RENEGOTIATION_INFO => once(&mut self.renegotiation_info, reader.vec8()?)?,
            extension::SIGNATURE_ALGORITHMS => {
                once(&mut self.signature_algorithms, U16s::parse(reader.vec16()?)?)?;
            }
            extension::SUPPORTED_GROUPS => {
                once(&mut self.supported_groups, U16s::parse(reader.vec16()?)?)?;
            }
            extension::SUPPORTED_VERSIONS => {
                once(&mut self.supported_versions, U16s::parse(reader.vec8()?)?)?;
            }
            extension::USE_SRTP => {
                once(&mut self.srtp_profiles, U16s::parse(reader.vec16()?)?)?;
                // An MKI is answered with none (RFC 5764 §4.1.3).
                reader.vec8()?;
            }
            _ => return Ok(()),
        }
        reader.end()
    }
}

/// What we say in a ClientHello.
#[derive(Debug)]
pub(crate) struct ClientOffer<'a, S, G, A, P> {
    pub(crate) random: &'a [u8; 32],
    pub(crate) cookie: &'a [u8],
    pub(crate) cipher_suites: S,
    pub(crate) groups: G,
    pub(crate) signature_algorithms: A,
    pub(crate) srtp_profiles: Option<P>,
}

impl<S, G, A, P> ClientOffer<'_, S, G, A, P>
where
    S: Iterator<Item = u16>,
    G: Iterator<Item = u16>,
    A: Iterator<Item = u16>,
    P: Iterator<Item = u16>,
{
    pub(crate) fn write(self, buf: &mut Vec<u8>) {
        buf.u16(DTLS_1_2);
        buf.bytes(self.random);
        buf.u8(0); // no session to resume
        buf.vector::<1>(|buf| buf.bytes(self.cookie));
        buf.vector::<2>(|buf| u16s(buf, self.cipher_suites));
        buf.bytes(&[1, 0]); // no compression
        buf.vector::<2>(|buf| {
            write_extension(buf, extension::EXTENDED_MASTER_SECRET, |_| ());
            write_extension(buf, extension::RENEGOTIATION_INFO, |buf| buf.u8(0));
            write_extension(buf, extension::SUPPORTED_GROUPS, |buf| {
                buf.vector::<2>(|buf| u16s(buf, self.groups));
            });
            write_extension(buf, extension::EC_POINT_FORMATS, |buf| buf.bytes(&[1, 0]));
            write_extension(buf, extension::SIGNATURE_ALGORITHMS, |buf| {
                buf.vector::<2>(|buf| u16s(buf, self.signature_algorithms));
            });
            if let Some(profiles) = self.srtp_profiles {
                write_extension(buf, extension::USE_SRTP, |buf| {
                    buf.vector::<2>(|buf| u16s(buf, profiles));
                    buf.u8(0); // no MKI
                });
            }
        });
    }
}

fn u16s(buf: &mut Vec<u8>, values: impl Iterator<Item = u16>) {
    values.for_each(|value| buf.u16(value));
}

fn write_extension(buf: &mut Vec<u8>, kind: u16, data: impl FnOnce(&mut Vec<u8>)) {
    buf.u16(kind);
    buf.vector::<2>(data);
}

/// A ServerHello that was checked to be well-formed and to answer nothing that we do not offer.
#[derive(Debug)]
pub(crate) struct ServerHello<'a> {
    pub(crate) version: u16,
    pub(crate) random: &'a [u8; 32],
    pub(crate) cipher_suite: u16,
    pub(crate) compression_method: u8,
    pub(crate) extended_master_secret: bool,
    pub(crate) renegotiation_info: Option<&'a [u8]>,
    pub(crate) srtp_profile: Option<SrtpAnswer<'a>>,
    /// An extension that we did not offer.
    pub(crate) unsolicited: bool,
}

/// The `use_srtp` of a ServerHello.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SrtpAnswer<'a> {
    pub(crate) profile: u16,
    pub(crate) mki: &'a [u8],
}

impl<'a> ServerHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(body);
        let version = reader.u16()?;
        let random = reader.array()?;
        if reader.vec8()?.len() > 32 {
            return Err(Malformed);
        }
        let mut hello = Self {
            version,
            random,
            cipher_suite: reader.u16()?,
            compression_method: reader.u8()?,
            extended_master_secret: false,
            renegotiation_info: None,
            srtp_profile: None,
            unsolicited: false,
        };
        if reader.is_empty() {
            return Ok(hello);
        }
        let mut list = Reader(reader.vec16()?);
        reader.end()?;
        while !list.is_empty() {
            let (kind, data) = (list.u16()?, list.vec16()?);
            hello.put(kind, data)?;
        }
        Ok(hello)
    }

    fn put(&mut self, kind: u16, data: &'a [u8]) -> Result<(), Malformed> {
        let mut reader = Reader(data);
        match kind {
            extension::EXTENDED_MASTER_SECRET => self.extended_master_secret = true,
            extension::EC_POINT_FORMATS => {
                reader.vec8()?;
            }
            extension::RENEGOTIATION_INFO => self.renegotiation_info = Some(reader.vec8()?),
            extension::USE_SRTP => {
                let mut profiles = Reader(reader.vec16()?);
                let profile = profiles.u16()?;
                profiles.end()?;
                self.srtp_profile = Some(SrtpAnswer { profile, mki: reader.vec8()? });
            }
            // RFC 8422 §5.1.1 wants the client to tolerate a server that answers this one.
            extension::SUPPORTED_GROUPS => return Ok(()),
            _ => {
                self.unsolicited = true;
                return Ok(());
            }
        }
        reader.end()
    }
}

/// What we say in a ServerHello.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerAnswer<'a> {
    pub(crate) random: &'a [u8; 32],
    pub(crate) cipher_suite: u16,
    pub(crate) extended_master_secret: bool,
    pub(crate) secure_renegotiation: bool,
    pub(crate) point_formats: bool,
    pub(crate) srtp_profile: Option<u16>,
}

impl ServerAnswer<'_> {
    pub(crate) fn write(self, buf: &mut Vec<u8>) {
        buf.u16(DTLS_1_2);
        buf.bytes(self.random);
        buf.u8(0); // the session cannot be resumed
        buf.u16(self.cipher_suite);
        buf.u8(0); // no compression
        buf.vector::<2>(|buf| {
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
                write_extension(buf, extension::USE_SRTP, |buf| {
                    buf.vector::<2>(|buf| buf.u16(profile));
                    buf.u8(0); // no MKI
                });
            }
        });
    }
}

/// Reads the cookie of a HelloVerifyRequest, whatever version stands before it.
pub(crate) fn parse_hello_verify_request(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader(body);
    reader.u16()?;
    let cookie = reader.vec8()?;
    reader.end()?;
    Ok(cookie)
}

/// "DTLS 1.2 server implementations SHOULD use DTLS version 1.0 regardless of the version of TLS
/// that is expected to be negotiated"
/// ([RFC 6347 §4.2.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1)).
pub(crate) fn write_hello_verify_request(buf: &mut Vec<u8>, cookie: &[u8]) {
    buf.u16(DTLS_1_0);
    buf.vector::<1>(|buf| buf.bytes(cookie));
}

#[cfg(test)]
mod tests;
