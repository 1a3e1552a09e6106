//! Writing what [`Certificate::generate`](super::Certificate::generate) makes: a certificate with
//! nothing in it that the handshake does not need, and the private key on its way to the provider.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::alg_id;
use rustls::sign::{Signer, SigningKey};
use zeroize::Zeroizing;

use super::der::{BIT_STRING, INTEGER, SEQUENCE, VERSION};
use super::{CertificateError, CertificateParameters, KeyAlgorithm};

const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `id-at-commonName` ([RFC 5280 A.1](https://www.rfc-editor.org/rfc/rfc5280#appendix-A.1)).
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Writes a certificate that signs itself
/// ([RFC 5280 §4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)).
///
/// Of version 3, though it has no extensions: several stacks refuse version 1.
pub(super) fn self_signed(
    parameters: &CertificateParameters,
    serial: &[u8; 16],
    common_name: &str,
    key: &dyn SigningKey,
    signer: &dyn Signer,
) -> Result<Vec<u8>, CertificateError> {
    let public_key = key.public_key().ok_or(CertificateError::Generation)?;
    let algorithm = match parameters.key_algorithm {
        KeyAlgorithm::EcdsaP256 => alg_id::ECDSA_SHA256,
        KeyAlgorithm::EcdsaP384 => alg_id::ECDSA_SHA384,
        KeyAlgorithm::Ed25519 => alg_id::ED25519,
    };
    let algorithm = value(SEQUENCE, &[&algorithm]);
    let attribute =
        [value(OBJECT_IDENTIFIER, &[COMMON_NAME]), value(UTF8_STRING, &[common_name.as_bytes()])];
    let name =
        value(SEQUENCE, &[&value(SET, &[&value(SEQUENCE, &[&attribute[0], &attribute[1]])])]);
    let validity = value(SEQUENCE, &[&time(parameters.not_before)?, &time(parameters.not_after)?]);
    let tbs = value(
        SEQUENCE,
        &[
            &value(VERSION, &[&value(INTEGER, &[&[2]])]),
            &value(INTEGER, &[serial]),
            &algorithm,
            &name,
            &validity,
            &name,
            &public_key,
        ],
    );
    let signature = signer.sign(&tbs).map_err(|_| CertificateError::Generation)?;
    Ok(value(SEQUENCE, &[&tbs, &algorithm, &value(BIT_STRING, &[&[0], &signature])]))
}

/// Makes a private key in PKCS #8 out of the provider's randomness.
///
/// The public key, which can be derived from it, is left out, so that no elliptic curve is needed
/// here. Not every provider takes such a key, and once in 2^32 times the number is too large for
/// P-256.
pub(super) fn private_key(
    provider: &CryptoProvider,
    algorithm: KeyAlgorithm,
) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let mut secret = Zeroizing::new([0; 48]);
    let len = match algorithm {
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::Ed25519 => 32,
        KeyAlgorithm::EcdsaP384 => 48,
    };
    let secret = secret.get_mut(..len).ok_or(CertificateError::Generation)?;
    provider.secure_random.fill(secret).map_err(|_| CertificateError::Generation)?;
    let secret = Zeroizing::new(value(OCTET_STRING, &[secret]));
    let (algorithm, key) = match algorithm {
        KeyAlgorithm::EcdsaP256 => (alg_id::ECDSA_P256, ec_private_key(&secret)),
        KeyAlgorithm::EcdsaP384 => (alg_id::ECDSA_P384, ec_private_key(&secret)),
        KeyAlgorithm::Ed25519 => (alg_id::ED25519, secret),
    };
    let key = Zeroizing::new(value(OCTET_STRING, &[&key]));
    let version = value(INTEGER, &[&[0]]);
    Ok(Zeroizing::new(value(SEQUENCE, &[&version, &value(SEQUENCE, &[&algorithm]), &key])))
}

/// `ECPrivateKey` of [RFC 5915 §3](https://www.rfc-editor.org/rfc/rfc5915#section-3).
fn ec_private_key(secret: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(value(SEQUENCE, &[&value(INTEGER, &[&[1]]), secret]))
}

/// "CAs conforming to this profile MUST always encode certificate validity dates through the year
/// 2049 as UTCTime"
/// ([RFC 5280 §4.1.2.5](https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5)).
fn time(time: SystemTime) -> Result<Vec<u8>, CertificateError> {
    /// 9999-12-31T23:59:59Z, the last date of GeneralizedTime.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since_1970 = time
        .duration_since(UNIX_EPOCH)
        .ok()
        .filter(|since| *since <= LAST)
        .ok_or(CertificateError::Date(time))?
        .as_secs();
    let (year, month, day) = date(since_1970 / 86_400);
    let [hour, minute, second] = [since_1970 / 3600 % 24, since_1970 / 60 % 60, since_1970 % 60];
    let rest = format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    Ok(match year {
        ..=2049 => value(UTC_TIME, &[format!("{:02}{rest}", year % 100).as_bytes()]),
        _ => value(GENERALIZED_TIME, &[format!("{year}{rest}").as_bytes()]),
    })
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    loop {
        let len = 365 + u64::from(leap(year));
        if days < len {
            break;
        }
        days -= len;
        year += 1;
    }
    let mut month = 1;
    for len in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    (year, month, days + 1)
}

/// A value with these contents, one after the other.
fn value(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let len: usize = contents.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(4 + len);
    out.push(tag);
    match len {
        0..0x80 => out.push(len as u8),
        0x80..0x100 => out.extend_from_slice(&[0x81, len as u8]),
        // Names are bounded, and a key or signature has some hundred bytes at most.
        _ => out.extend_from_slice(&[0x82, (len >> 8) as u8, len as u8]),
    }
    contents.iter().for_each(|part| out.extend_from_slice(part));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| time(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        let text = |seconds| String::from_utf8(at(seconds)[2..].to_vec()).unwrap();
        // `date -u -d @… +%Y%m%d%H%M%SZ`
        assert_eq!(text(0), "700101000000Z");
        assert_eq!(text(951_782_399), "000228235959Z");
        assert_eq!(text(951_782_400), "000229000000Z");
        assert_eq!(text(1_790_000_000), "260921141320Z");
        assert_eq!(
            (at(2_524_607_999)[0], text(2_524_607_999).as_str()),
            (UTC_TIME, "491231235959Z")
        );
        assert_eq!(
            (at(2_524_608_000)[0], text(2_524_608_000).as_str()),
            (GENERALIZED_TIME, "20500101000000Z")
        );
        assert_eq!(text(4_107_542_400), "21000301000000Z", "2100 is no leap year");
        assert_eq!(text(253_402_300_799), "99991231235959Z");
    }

    #[test]
    fn lengths_are_the_shortest() {
        assert_eq!(value(4, &[])[..], [4, 0]);
        assert_eq!(value(4, &[&[0; 127]])[..2], [4, 127]);
        assert_eq!(value(4, &[&[0; 128]])[..3], [4, 0x81, 128]);
        assert_eq!(value(4, &[&[0; 200], &[0; 100]])[..4], [4, 0x82, 1, 44]);
    }
}
