//! CertificateRequest, Certificate and CertificateVerify of DTLS 1.3
//! ([RFC 8446 §4.3.2, §4.4.2, §4.4.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.3.2)).
//!
//! The `certificate_request_context` is empty in a handshake, and we never ask after it.

use super::extension::{self, Extensions, u16s, write_extension};
use crate::dtls::codec::{Reader, U16s, Write};
use crate::dtls::{HandshakeError, Role};

/// Reads the signature schemes that a CertificateRequest accepts. Extensions that are not known
/// mean nothing.
pub(crate) fn parse_request(body: &[u8]) -> Result<U16s<'_>, HandshakeError> {
    let mut reader = Reader(body);
    let context = reader.vec8()?;
    let list = reader.vec16()?;
    reader.end()?;
    if !context.is_empty() {
        return Err(HandshakeError::Malformed);
    }
    let mut schemes = None;
    for (kind, data) in Extensions::parse(list)? {
        let mut reader = Reader(data);
        if kind == extension::CERTIFICATE_AUTHORITIES {
            extension::check_authorities(&mut reader)?;
            reader.end()?;
        }
        if kind == extension::SIGNATURE_ALGORITHMS {
            schemes = Some(U16s::parse_some(reader.vec16()?)?);
            reader.end()?;
        }
    }
    // "The signature_algorithms extension MUST be specified."
    schemes.ok_or(HandshakeError::MissingExtension)
}

pub(crate) fn write_request(buf: &mut Vec<u8>, schemes: impl Iterator<Item = u16>) {
    buf.u8(0);
    buf.vector::<2>(|buf| {
        write_extension(buf, extension::SIGNATURE_ALGORITHMS, |buf| {
            buf.vector::<2>(|buf| u16s(buf, schemes));
        });
    });
}

/// Reads the first certificate of a Certificate message, if there is one, and checks that the
/// others are well-formed.
pub(crate) fn parse_certificate(body: &[u8]) -> Result<Option<&[u8]>, HandshakeError> {
    let mut reader = Reader(body);
    let context = reader.vec8()?;
    let mut list = Reader(reader.vec24()?);
    reader.end()?;
    if !context.is_empty() {
        return Err(HandshakeError::Malformed);
    }
    let mut first = None;
    let mut extensions = false;
    while !list.is_empty() {
        let certificate = list.vec24()?;
        if certificate.is_empty() {
            return Err(HandshakeError::Malformed);
        }
        let mut reader = Reader(list.vec16()?);
        while !reader.is_empty() {
            reader.u16()?;
            reader.vec16()?;
            extensions = true;
        }
        first.get_or_insert(certificate);
    }
    // "Extensions in the Certificate message from the server MUST correspond to ones from the
    // ClientHello message", those from the client to the CertificateRequest: we offer none.
    if extensions { Err(HandshakeError::UnsupportedExtension) } else { Ok(first) }
}

pub(crate) fn write_certificate<'a>(buf: &mut Vec<u8>, chain: impl Iterator<Item = &'a [u8]>) {
    buf.u8(0);
    buf.vector::<3>(|buf| {
        for certificate in chain {
            buf.vector::<3>(|buf| buf.bytes(certificate));
            buf.u16(0); // no extensions
        }
    });
}

/// What a CertificateVerify of `sender` signs, after the messages that `hash` covers.
pub(crate) fn signed_content(sender: Role, hash: &[u8]) -> Vec<u8> {
    let context: &[u8; 33] = match sender {
        Role::Client => b"TLS 1.3, client CertificateVerify",
        Role::Server => b"TLS 1.3, server CertificateVerify",
    };
    [&[0x20; 64], &context[..], &[0], hash].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parsing succeeds on all of the bytes, and fails on each beginning of them and with more.
    fn parses_whole<'a, T>(
        bytes: &'a [u8],
        parse: impl Fn(&'a [u8]) -> Result<T, HandshakeError>,
    ) -> T {
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]).err(), Some(HandshakeError::Malformed), "{len}");
        }
        parse(bytes).ok().unwrap()
    }

    #[test]
    fn messages_are_read_as_written() {
        let mut body = Vec::new();
        write_request(&mut body, [0x0403, 0x0804].into_iter());
        let schemes = parses_whole(&body, parse_request);
        assert_eq!(schemes.iter().collect::<Vec<_>>(), [0x0403, 0x0804]);

        let mut body = Vec::new();
        write_certificate(&mut body, [&b"leaf"[..], b"issuer"].into_iter());
        assert_eq!(parses_whole(&body, parse_certificate), Some(&b"leaf"[..]));

        let mut none = Vec::new();
        write_certificate(&mut none, [].into_iter());
        assert_eq!(parse_certificate(&none), Ok(None));
    }

    #[test]
    fn each_fault_has_its_error() {
        let malformed = Err(HandshakeError::Malformed);
        // A context; no signature_algorithms; none in it; a certificate without bytes.
        assert_eq!(parse_request(b"\x01c\x00\x00").map(|_| ()), malformed);
        let missing = Err(HandshakeError::MissingExtension);
        assert_eq!(parse_request(b"\x00\x00\x04\x12\x34\x00\x00").map(|_| ()), missing);
        assert_eq!(parse_request(b"\x00\x00\x06\x00\x0d\x00\x02\x00\x00").map(|_| ()), malformed);
        assert_eq!(parse_certificate(b"\x01c\x00\x00\x00").map(|_| ()), malformed);
        assert_eq!(
            parse_certificate(b"\x00\x00\x00\x05\x00\x00\x00\x00\x00").map(|_| ()),
            malformed
        );

        // A status_request that nobody asked for.
        let mut body = vec![0];
        body.vector::<3>(|buf| {
            buf.vector::<3>(|buf| buf.bytes(b"leaf"));
            buf.vector::<2>(|buf| write_extension(buf, 5, |_| ()));
        });
        let unsupported = Err(HandshakeError::UnsupportedExtension);
        assert_eq!(parse_certificate(&body), unsupported);
    }

    #[test]
    fn what_is_signed_is_that_of_the_standard() {
        // The example of RFC 8446 §4.4.3: a server, with a hash of 32 bytes 01.
        let content = signed_content(Role::Server, &[1; 32]);
        assert_eq!(content.len(), 64 + 33 + 1 + 32);
        assert!(content[..64].iter().all(|byte| *byte == b' '));
        assert_eq!(&content[64..98], b"TLS 1.3, server CertificateVerify\0");
        assert_eq!(&content[98..], [1; 32]);
    }
}
