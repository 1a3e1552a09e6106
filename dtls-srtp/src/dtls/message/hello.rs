//! ClientHello, whichever versions it offers, and HelloVerifyRequest
//! ([RFC 5246 §7.4.1](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1),
//! [RFC 6347 §4.2.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1),
//! [RFC 9147 §5.3](https://www.rfc-editor.org/rfc/rfc9147#section-5.3)).

use super::extension::{self, Extensions, KeyShares, read_srtp, u16s, write_extension};
pub(crate) use super::server_hello::{ServerAnswer, ServerHello};
use crate::dtls::codec::{Malformed, Reader, U16s, Write};
use crate::dtls::record::{DTLS_1_0, DTLS_1_2, DTLS_1_3};
use crate::dtls::{HandshakeError, Version};

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV`
/// ([RFC 5746 §3.3](https://www.rfc-editor.org/rfc/rfc5746#section-3.3)).
const EMPTY_RENEGOTIATION_INFO: u16 = 0x00ff;

/// A ClientHello that was checked to be well-formed.
#[derive(Debug)]
pub(crate) struct ClientHello<'a> {
    pub(crate) version: u16,
    pub(crate) random: &'a [u8; 32],
    /// Of DTLS 1.2; that of DTLS 1.3 is an extension.
    pub(crate) cookie: &'a [u8],
    pub(crate) cipher_suites: U16s<'a>,
    pub(crate) compression_methods: &'a [u8],
    pub(crate) extensions: ClientExtensions<'a>,
}

/// The extensions of a ClientHello that mean something to us.
#[derive(Debug, Default)]
pub(crate) struct ClientExtensions<'a> {
    pub(crate) connection_id: Option<&'a [u8]>,
    /// Of DTLS 1.3.
    pub(crate) cookie: Option<&'a [u8]>,
    pub(crate) extended_master_secret: bool,
    pub(crate) key_shares: Option<KeyShares<'a>>,
    pub(crate) point_formats: Option<&'a [u8]>,
    /// The client takes us for a server of QUIC.
    pub(crate) quic: bool,
    pub(crate) renegotiation_info: Option<&'a [u8]>,
    pub(crate) signature_algorithms: Option<U16s<'a>>,
    pub(crate) supported_groups: Option<U16s<'a>>,
    pub(crate) supported_versions: Option<U16s<'a>>,
    pub(crate) srtp_profiles: Option<U16s<'a>>,
    pre_shared_key: PreSharedKey,
}

/// Where a `pre_shared_key` stands, which we never use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum PreSharedKey {
    #[default]
    Absent,
    Last,
    BeforeAnother,
}

/// What a ClientHello has to have for DTLS 1.3, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer13<'a> {
    pub(crate) cookie: Option<&'a [u8]>,
    pub(crate) groups: U16s<'a>,
    pub(crate) key_shares: KeyShares<'a>,
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
        let cipher_suites = U16s::parse_some(reader.vec16()?)?;
        let compression_methods = reader.vec8()?;
        if compression_methods.is_empty() {
            return Err(Malformed);
        }
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
            // Versions of DTLS count down from 0xfeff, those of TLS up from 0x0300.
            None => self.version >= 0x8000 && self.version <= DTLS_1_2,
        }
    }

    /// Whether the client speaks DTLS 1.3.
    pub(crate) fn offers_dtls_1_3(&self) -> bool {
        self.extensions.supported_versions.is_some_and(|versions| versions.contains(DTLS_1_3))
    }

    /// What the client offers for DTLS 1.3.
    ///
    /// Without resumption, "all ClientHello messages MUST contain" `supported_groups`, `key_share`
    /// and `signature_algorithms` ([RFC 8446 §9.2](https://www.rfc-editor.org/rfc/rfc8446#section-9.2)).
    pub(crate) fn offer_1_3(&self) -> Result<Offer13<'a>, HandshakeError> {
        let extensions = &self.extensions;
        // "exactly one byte, set to zero" (RFC 8446 §4.1.2); "If a DTLS 1.3 ClientHello is
        // received with any other value in this field, the server MUST abort" (RFC 9147 §5.3).
        if self.compression_methods != [0] || !self.cookie.is_empty() {
            return Err(HandshakeError::IllegalParameter);
        }
        if extensions.pre_shared_key == PreSharedKey::BeforeAnother {
            return Err(HandshakeError::IllegalParameter);
        }
        let missing = HandshakeError::MissingExtension;
        extensions.signature_algorithms.ok_or(missing)?;
        let offer = Offer13 {
            cookie: extensions.cookie,
            groups: extensions.supported_groups.ok_or(missing)?,
            key_shares: extensions.key_shares.ok_or(missing)?,
        };
        // "Clients MUST NOT offer multiple KeyShareEntry values for the same group" nor any that
        // is not in `supported_groups`; "Servers MAY check" (RFC 8446 §4.2.8).
        if !offer.key_shares.are_distinct() || !offer.key_shares.are_of(offer.groups) {
            return Err(HandshakeError::IllegalParameter);
        }
        Ok(offer)
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
        let list = reader.vec16()?;
        reader.end()?;
        for (kind, data) in Extensions::parse(list)? {
            extensions.put(kind, data)?;
        }
        Ok(extensions)
    }

    fn put(&mut self, kind: u16, data: &'a [u8]) -> Result<(), Malformed> {
        if self.pre_shared_key == PreSharedKey::Last {
            self.pre_shared_key = PreSharedKey::BeforeAnother;
        }
        let mut reader = Reader(data);
        match kind {
            extension::CERTIFICATE_AUTHORITIES => extension::check_authorities(&mut reader)?,
            extension::SERVER_NAME => extension::check_server_name(&mut reader)?,
            extension::CONNECTION_ID => self.connection_id = Some(reader.vec8()?),
            extension::COOKIE => {
                let cookie = reader.vec16()?;
                if cookie.is_empty() {
                    return Err(Malformed);
                }
                self.cookie = Some(cookie);
            }
            extension::EXTENDED_MASTER_SECRET => self.extended_master_secret = true,
            extension::EC_POINT_FORMATS => {
                // `ECPointFormat ec_point_format_list<1..2^8-1>` (RFC 8422 §5.1.2).
                let formats = reader.vec8()?;
                if formats.is_empty() {
                    return Err(Malformed);
                }
                self.point_formats = Some(formats);
            }
            extension::KEY_SHARE => {
                self.key_shares = Some(KeyShares::parse(reader.vec16()?)?);
            }
            extension::PRE_SHARED_KEY => {
                self.pre_shared_key = PreSharedKey::Last;
                return Ok(());
            }
            extension::QUIC_TRANSPORT_PARAMETERS => {
                self.quic = true;
                return Ok(());
            }
            extension::RENEGOTIATION_INFO => self.renegotiation_info = Some(reader.vec8()?),
            extension::SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = Some(U16s::parse_some(reader.vec16()?)?);
            }
            extension::SUPPORTED_GROUPS => {
                self.supported_groups = Some(U16s::parse_some(reader.vec16()?)?);
            }
            extension::SUPPORTED_VERSIONS => {
                self.supported_versions = Some(U16s::parse_some(reader.vec8()?)?);
            }
            extension::USE_SRTP => {
                // An MKI is answered with none (RFC 5764 §4.1.3).
                let (profiles, _mki) = read_srtp(&mut reader)?;
                self.srtp_profiles = Some(profiles);
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
    /// Of a HelloVerifyRequest.
    pub(crate) cookie: &'a [u8],
    /// Most preferred first.
    pub(crate) versions: &'a [Version],
    /// How we want to be addressed.
    pub(crate) connection_id: Option<&'a [u8]>,
    /// Groups and our public keys.
    pub(crate) key_shares: &'a [(u16, &'a [u8])],
    /// Of a HelloRetryRequest.
    pub(crate) retry_cookie: Option<&'a [u8]>,
    /// Of DTLS 1.2.
    pub(crate) extended_master_secret: bool,
    /// Whether the server may send tickets.
    pub(crate) session_tickets: bool,
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
        let offers = |version| self.versions.contains(&version);
        buf.vector::<2>(|buf| {
            if offers(Version::Dtls13) {
                write_extension(buf, extension::SUPPORTED_VERSIONS, |buf| {
                    buf.vector::<1>(|buf| u16s(buf, self.versions.iter().map(|v| v.code())));
                });
            }
            if offers(Version::Dtls12) {
                if self.extended_master_secret {
                    write_extension(buf, extension::EXTENDED_MASTER_SECRET, |_| ());
                }
                write_extension(buf, extension::RENEGOTIATION_INFO, |buf| buf.u8(0));
                write_extension(buf, extension::EC_POINT_FORMATS, |buf| buf.bytes(&[1, 0]));
            }
            write_extension(buf, extension::SUPPORTED_GROUPS, |buf| {
                buf.vector::<2>(|buf| u16s(buf, self.groups));
            });
            write_extension(buf, extension::SIGNATURE_ALGORITHMS, |buf| {
                buf.vector::<2>(|buf| u16s(buf, self.signature_algorithms));
            });
            if let Some(profiles) = self.srtp_profiles {
                write_extension(buf, extension::USE_SRTP, |buf| {
                    buf.vector::<2>(|buf| u16s(buf, profiles));
                    buf.u8(0); // no MKI
                });
            }
            if let Some(id) = self.connection_id {
                write_extension(buf, extension::CONNECTION_ID, |buf| {
                    buf.vector::<1>(|buf| buf.bytes(id));
                });
            }
            if offers(Version::Dtls13) && self.session_tickets {
                write_extension(buf, extension::PSK_KEY_EXCHANGE_MODES, |buf| {
                    buf.bytes(&[1, 1]); // psk_dhe_ke
                });
            }
            if let Some(cookie) = self.retry_cookie {
                write_extension(buf, extension::COOKIE, |buf| {
                    buf.vector::<2>(|buf| buf.bytes(cookie));
                });
            }
            if offers(Version::Dtls13) {
                write_extension(buf, extension::KEY_SHARE, |buf| {
                    buf.vector::<2>(|buf| {
                        for (group, public_key) in self.key_shares {
                            buf.u16(*group);
                            buf.vector::<2>(|buf| buf.bytes(public_key));
                        }
                    });
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
