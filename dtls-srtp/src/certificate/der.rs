//! The walk through a certificate's DER to its public key: the only thing that DTLS needs of an
//! X.509 certificate whose identity is a fingerprint.
//!
//! Versions 1 and 3 are accepted alike (libdatachannel sends version 1), extensions are not looked
//! at, and nothing is copied.

use thiserror::Error;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed: the version of a certificate, absent in version 1.
pub(super) const VERSION: u8 = 0xa0;

/// The public key of a certificate
/// ([RFC 5280 §4.1.2.7](https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.7)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SubjectPublicKeyInfo<'a> {
    /// The contents of the `AlgorithmIdentifier`, without its own tag and length.
    pub(crate) algorithm: &'a [u8],
    /// The contents of the `BIT STRING`, without the count of unused bits.
    pub(crate) key: &'a [u8],
}

/// A certificate whose structure is not that of
/// [RFC 5280 §4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a certificate: {0}")]
pub struct DerError(&'static str);

/// Finds the public key of a certificate.
///
/// ```text
/// Certificate ::= SEQUENCE {
///     tbsCertificate SEQUENCE {
///         version         [0] EXPLICIT Version DEFAULT v1,
///         serialNumber    INTEGER,
///         signature       SEQUENCE,
///         issuer          SEQUENCE,
///         validity        SEQUENCE,
///         subject         SEQUENCE,
///         subjectPublicKeyInfo SEQUENCE {
///             algorithm        SEQUENCE,
///             subjectPublicKey BIT STRING }, … },
///     signatureAlgorithm SEQUENCE,
///     signatureValue     BIT STRING }
/// ```
pub(crate) fn subject_public_key_info(
    certificate: &[u8],
) -> Result<SubjectPublicKeyInfo<'_>, DerError> {
    let mut outer = Der(certificate);
    let mut certificate = Der(outer.expect(SEQUENCE)?);
    outer.end()?;

    let mut tbs = Der(certificate.expect(SEQUENCE)?);
    certificate.expect(SEQUENCE)?;
    certificate.expect(BIT_STRING)?;
    certificate.end()?;

    if tbs.0.first() == Some(&VERSION) {
        tbs.expect(VERSION)?;
    }
    tbs.expect(INTEGER)?;
    for _signature_issuer_validity_subject in 0..4 {
        tbs.expect(SEQUENCE)?;
    }

    let mut spki = Der(tbs.expect(SEQUENCE)?);
    parse(&mut spki)
}

/// Takes a `SubjectPublicKeyInfo` apart that stands alone.
pub(crate) fn parse_subject_public_key_info(
    spki: &[u8],
) -> Result<SubjectPublicKeyInfo<'_>, DerError> {
    let mut outer = Der(spki);
    let mut spki = Der(outer.expect(SEQUENCE)?);
    outer.end()?;
    parse(&mut spki)
}

fn parse<'a>(spki: &mut Der<'a>) -> Result<SubjectPublicKeyInfo<'a>, DerError> {
    let algorithm = spki.expect(SEQUENCE)?;
    let Some((0, key)) = spki.expect(BIT_STRING)?.split_first() else {
        return Err(DerError("the key is not a whole number of bytes"));
    };
    spki.end()?;
    Ok(SubjectPublicKeyInfo { algorithm, key })
}

/// How long the modulus of an RSA key is
/// ([RFC 8017 §A.1.1](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.1)).
pub(super) fn rsa_modulus_bits(key: &[u8]) -> Result<u32, DerError> {
    let mut outer = Der(key);
    let mut key = Der(outer.expect(SEQUENCE)?);
    outer.end()?;
    // A zero stands before a first bit that would be the sign.
    let modulus = match key.expect(INTEGER)? {
        // X.690 §8.3.2: as few as possible. More of them would count as bits.
        [0, 0..=0x7f, ..] => return Err(DerError("an integer with more zeros than it needs")),
        [0, modulus @ ..] | modulus => modulus,
    };
    let zeros = modulus.first().ok_or(DerError("an integer without a value"))?.leading_zeros();
    // Its length is below 2^16 bytes.
    Ok(modulus.len() as u32 * 8 - zeros)
}

/// What is left to read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Reads one value with this tag and returns its contents.
    fn expect(&mut self, tag: u8) -> Result<&'a [u8], DerError> {
        let (&actual, rest) = self.0.split_first().ok_or(DerError("it ends too early"))?;
        if actual != tag {
            return Err(DerError("a value of another type"));
        }
        let (len, rest) = Self::length(rest)?;
        let (contents, rest) = rest.split_at_checked(len).ok_or(DerError("it ends too early"))?;
        self.0 = rest;
        Ok(contents)
    }

    /// Reads a length: one byte, or a count and that many bytes, in the shortest form.
    fn length(bytes: &[u8]) -> Result<(usize, &[u8]), DerError> {
        match *bytes {
            [len @ 0..=0x7f, ref rest @ ..] => Ok((len.into(), rest)),
            [0x81, len @ 0x80..=0xff, ref rest @ ..] => Ok((len.into(), rest)),
            // Handshake messages end below 2^24, certificates of peers far below 2^16.
            [0x82, high @ 1..=0xff, low, ref rest @ ..] => {
                Ok((u16::from_be_bytes([high, low]).into(), rest))
            }
            _ => Err(DerError("a length that is not the shortest, or over 64 KiB")),
        }
    }

    fn end(&self) -> Result<(), DerError> {
        if self.0.is_empty() { Ok(()) } else { Err(DerError("more after its end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A P-256 certificate of version 3 made by OpenSSL.
    const V3: &[u8] = include_bytes!("../../tests/certificates/p256-v3.der");
    /// The same of version 1, as libdatachannel and minimal OpenSSL configurations make them.
    const V1: &[u8] = include_bytes!("../../tests/certificates/p256-v1.der");
    /// An RSA certificate with a 2048-bit key.
    const RSA: &[u8] = include_bytes!("../../tests/certificates/rsa-2048.der");

    /// `id-ecPublicKey`, `prime256v1`.
    const P256: [u8; 19] = [
        0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
        0x3d, 0x03, 0x01, 0x07,
    ];

    #[test]
    fn finds_the_key_of_versions_1_and_3() {
        for certificate in [V1, V3] {
            let spki = subject_public_key_info(certificate).unwrap();
            assert_eq!(spki.algorithm, P256);
            assert_eq!(spki.key.len(), 65);
            assert_eq!(spki.key[0], 4, "an uncompressed point");
        }
        assert_eq!(subject_public_key_info(RSA).unwrap().key.len(), 270);
    }

    #[test]
    fn the_bits_of_a_modulus_are_counted_without_padding() {
        let key = |modulus: &[u8]| {
            let len = modulus.len() as u8;
            [&[0x30, len + 5, 2, len][..], modulus, &[2, 1, 3]].concat()
        };
        assert_eq!(rsa_modulus_bits(&key(&[0, 0x80, 1, 1])), Ok(24));
        assert_eq!(rsa_modulus_bits(&key(&[0x40, 1, 1])), Ok(23));
        for padded in [&[0, 0, 0x80, 1][..], &[0, 0x40, 1], &[]] {
            assert!(rsa_modulus_bits(&key(padded)).is_err(), "{padded:?}");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for certificate in [V1, V3, RSA] {
            for len in 0..certificate.len() {
                assert!(subject_public_key_info(&certificate[..len]).is_err(), "{len}");
            }
            let longer = [certificate, &[0]].concat();
            assert!(subject_public_key_info(&longer).is_err());
        }
    }

    #[test]
    fn no_flipped_byte_panics() {
        for certificate in [V1, V3] {
            for at in 0..certificate.len() {
                for bit in 0..8 {
                    let mut bytes = certificate.to_vec();
                    bytes[at] ^= 1 << bit;
                    let _either_way = subject_public_key_info(&bytes);
                }
            }
        }
    }

    #[test]
    fn no_changed_length_panics() {
        // In place of each byte, wherever a length may stand: indefinite, reserved, more than there
        // is, more than an address space has, and zeros in front.
        let lengths: [&[u8]; 8] = [
            &[0x80],
            &[0xff],
            &[0x7f],
            &[0x82, 0xff, 0xff],
            &[0x82, 0x00, 0x01],
            &[0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x84, 0x00, 0x00, 0x00, 0x10],
        ];
        for certificate in [V1, V3, RSA] {
            for at in 0..certificate.len() {
                for length in lengths {
                    let bytes = [&certificate[..at], length, &certificate[at + 1..]].concat();
                    if let Ok(spki) = subject_public_key_info(&bytes) {
                        assert!(spki.key.len() < bytes.len());
                    }
                }
            }
        }
    }

    #[test]
    fn an_outer_length_of_every_form_but_the_shortest_is_refused() {
        let contents = &V3[4..];
        let len = contents.len() as u16;
        assert!(
            subject_public_key_info(&[&[0x30, 0x82], &len.to_be_bytes()[..], contents].concat())
                .is_ok()
        );
        for header in [
            &[0x30, 0x80][..],
            &[0x30, 0x83, 0, (len >> 8) as u8, len as u8],
            &[0x30, 0x84, 0, 0, (len >> 8) as u8, len as u8],
            &[0x30, 0x82, 0xff, 0xff],
            &[0x31, 0x82, (len >> 8) as u8, len as u8],
        ] {
            assert!(subject_public_key_info(&[header, contents].concat()).is_err(), "{header:x?}");
        }
        // BER's end of contents does not help an indefinite length.
        assert!(subject_public_key_info(&[&[0x30, 0x80], contents, &[0, 0]].concat()).is_err());
    }

    #[test]
    fn lengths_are_the_shortest() {
        for long in [&[0x81, 0x7f][..], &[0x82, 0, 0x80], &[0x83, 1, 0, 0], &[0x80], &[]] {
            assert!(Der::length(long).is_err(), "{long:x?}");
        }
        assert_eq!(Der::length(&[0x82, 1, 0]), Ok((256, &[][..])));
    }
}
