//! Certificates, key exchange and signatures of DTLS 1.2
//! ([RFC 5246 §7.4](https://www.rfc-editor.org/rfc/rfc5246#section-7.4),
//! [RFC 8422 §5](https://www.rfc-editor.org/rfc/rfc8422#section-5)).

use crate::dtls::codec::{Malformed, Reader, U16s, Write};
use crate::dtls::suite::Authentication;

/// `named_curve`, the only way to name a group that is left.
const NAMED_CURVE: u8 = 3;

/// What a CertificateRequest calls the kind of a key: `rsa_sign`, or `ecdsa_sign`, which stands for
/// EdDSA too.
pub(crate) const fn certificate_type(authentication: Authentication) -> u8 {
    match authentication {
        Authentication::Rsa => 1,
        Authentication::Ecdsa => 64,
    }
}

/// Reads the first certificate of a Certificate message, if there is one, and checks that the
/// others are well-formed.
pub(crate) fn parse_certificate(body: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut reader = Reader(body);
    let mut list = Reader(reader.vec24()?);
    reader.end()?;
    let mut first = None;
    while !list.is_empty() {
        let certificate = list.vec24()?;
        first.get_or_insert(certificate);
    }
    Ok(first)
}

pub(crate) fn write_certificate<'a>(buf: &mut Vec<u8>, chain: impl Iterator<Item = &'a [u8]>) {
    buf.vector::<3>(|buf| {
        for certificate in chain {
            buf.vector::<3>(|buf| buf.bytes(certificate));
        }
    });
}

/// A signature and its scheme.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) scheme: u16,
    pub(crate) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self { scheme: reader.u16()?, signature: reader.vec16()? })
    }

    /// Reads a CertificateVerify message.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(body);
        let signed = Self::read(&mut reader)?;
        reader.end()?;
        Ok(signed)
    }

    pub(crate) fn write(self, buf: &mut Vec<u8>) {
        buf.u16(self.scheme);
        buf.vector::<2>(|buf| buf.bytes(self.signature));
    }
}

/// A ServerKeyExchange message of an ECDHE suite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerKeyExchange<'a> {
    pub(crate) group: u16,
    pub(crate) public_key: &'a [u8],
    /// Group and public key as they stand in the message, which is what is signed.
    pub(crate) parameters: &'a [u8],
    pub(crate) signed: Signed<'a>,
}

impl<'a> ServerKeyExchange<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(body);
        if reader.u8()? != NAMED_CURVE {
            return Err(Malformed);
        }
        let (group, public_key) = (reader.u16()?, reader.vec8()?);
        let parameters = body.get(..body.len() - reader.0.len()).ok_or(Malformed)?;
        let signed = Signed::read(&mut reader)?;
        reader.end()?;
        Ok(Self { group, public_key, parameters, signed })
    }
}

/// Writes what a ServerKeyExchange message signs, which is how it starts.
pub(crate) fn write_parameters(buf: &mut Vec<u8>, group: u16, public_key: &[u8]) {
    buf.u8(NAMED_CURVE);
    buf.u16(group);
    buf.vector::<1>(|buf| buf.bytes(public_key));
}

/// Reads the types of certificates and the signature schemes that a CertificateRequest message
/// accepts.
pub(crate) fn parse_certificate_request(body: &[u8]) -> Result<(&[u8], U16s<'_>), Malformed> {
    let mut reader = Reader(body);
    let certificate_types = reader.vec8()?;
    let schemes = U16s::parse(reader.vec16()?)?;
    reader.vec16()?;
    reader.end()?;
    Ok((certificate_types, schemes))
}

pub(crate) fn write_certificate_request(buf: &mut Vec<u8>, schemes: impl Iterator<Item = u16>) {
    let types = [Authentication::Ecdsa, Authentication::Rsa].map(certificate_type);
    buf.vector::<1>(|buf| buf.bytes(&types));
    buf.vector::<2>(|buf| schemes.for_each(|scheme| buf.u16(scheme)));
    buf.u16(0); // any authority
}

/// Reads the public key of a ClientKeyExchange message.
pub(crate) fn parse_client_key_exchange(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader(body);
    let public_key = reader.vec8()?;
    reader.end()?;
    Ok(public_key)
}

pub(crate) fn write_client_key_exchange(buf: &mut Vec<u8>, public_key: &[u8]) {
    buf.vector::<1>(|buf| buf.bytes(public_key));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut buf = Vec::new();
        write(&mut buf);
        buf
    }

    /// Parsing succeeds on all of the bytes, and fails on each beginning of them and with more.
    fn parses_whole<'a, T>(bytes: &'a [u8], parse: impl Fn(&'a [u8]) -> Result<T, Malformed>) -> T {
        for len in 0..bytes.len() {
            assert!(parse(&bytes[..len]).is_err(), "{len}");
        }
        parse(bytes).ok().unwrap()
    }

    #[test]
    fn messages_are_read_as_written() {
        let chain = [&b"leaf"[..], b"issuer"];
        let bytes = written(|buf| write_certificate(buf, chain.into_iter()));
        assert_eq!(parses_whole(&bytes, parse_certificate), Some(&b"leaf"[..]));
        let none = written(|buf| write_certificate(buf, [].into_iter()));
        assert_eq!(parse_certificate(&none), Ok(None));

        let bytes = written(|buf| write_certificate_request(buf, [0x0403, 0x0804].into_iter()));
        let (types, schemes) = parses_whole(&bytes, parse_certificate_request);
        assert_eq!(types, [64, 1]);
        assert_eq!(schemes.iter().collect::<Vec<_>>(), [0x0403, 0x0804]);

        let bytes = written(|buf| write_client_key_exchange(buf, b"key"));
        assert_eq!(parses_whole(&bytes, parse_client_key_exchange), b"key");

        let signed = Signed { scheme: 0x0403, signature: b"signature" };
        let bytes = written(|buf| {
            write_parameters(buf, 29, b"key");
            signed.write(buf);
        });
        let message = parses_whole(&bytes, ServerKeyExchange::parse);
        assert_eq!((message.group, message.public_key), (29, &b"key"[..]));
        assert_eq!(message.parameters, b"\x03\x00\x1d\x03key");
        assert_eq!((message.signed.scheme, message.signed.signature), (0x0403, &b"signature"[..]));
    }
}
