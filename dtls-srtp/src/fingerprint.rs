//! Certificate fingerprints: how a peer's self-signed certificate is tied to the signalling
//! ([RFC 8122 §5](https://www.rfc-editor.org/rfc/rfc8122#section-5)).
//!
//! ```
//! use peerless_dtls_srtp::fingerprint::{Fingerprint, HashAlgorithm};
//!
//! let fingerprint = Fingerprint::of(HashAlgorithm::Sha1, b"abc");
//! let text = "sha-1 A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D";
//! assert_eq!(fingerprint.to_string(), text);
//! assert_eq!(text.parse(), Ok(fingerprint));
//! ```

use std::fmt;
use std::str::FromStr;

use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use thiserror::Error;

/// A hash function of a fingerprint, weakest first: the order is that of preference.
///
/// MD5 and MD2 have no variant, because they "MUST NOT" be used
/// ([RFC 8122 §5](https://www.rfc-editor.org/rfc/rfc8122#section-5)).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// `sha-1`
    Sha1,
    /// `sha-224`
    Sha224,
    /// `sha-256`, the one that everybody sends.
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

impl HashAlgorithm {
    const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Returns the name in SDP, as registered by
    /// [RFC 8122 §8](https://www.rfc-editor.org/rfc/rfc8122#section-8).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Returns the length of a hash value in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HashAlgorithm {
    type Err = FingerprintError;

    /// Reads a name, in any case.
    fn from_str(name: &str) -> Result<Self, FingerprintError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| match name.to_ascii_lowercase().as_str() {
                "md2" | "md5" => FingerprintError::Broken(name.to_owned()),
                _ => FingerprintError::UnknownAlgorithm(name.to_owned()),
            })
    }
}

/// The hash of a certificate's DER encoding.
///
/// [`Display`](fmt::Display) and [`FromStr`] are the value of SDP's `a=fingerprint`.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    /// The value, with zeros after it.
    value: [u8; 64],
}

impl Fingerprint {
    /// Computes the fingerprint of a certificate.
    pub fn of(algorithm: HashAlgorithm, certificate_der: &[u8]) -> Self {
        let mut value = [0; 64];
        match algorithm {
            HashAlgorithm::Sha1 => put::<Sha1>(certificate_der, &mut value),
            HashAlgorithm::Sha224 => put::<Sha224>(certificate_der, &mut value),
            HashAlgorithm::Sha256 => put::<Sha256>(certificate_der, &mut value),
            HashAlgorithm::Sha384 => put::<Sha384>(certificate_der, &mut value),
            HashAlgorithm::Sha512 => put::<Sha512>(certificate_der, &mut value),
        }
        Self { algorithm, value }
    }

    /// Makes a fingerprint from a hash value.
    ///
    /// # Errors
    ///
    /// [`FingerprintError::Length`] if `value` has not [`HashAlgorithm::output_len`] bytes.
    pub fn new(algorithm: HashAlgorithm, value: &[u8]) -> Result<Self, FingerprintError> {
        let length = FingerprintError::Length {
            algorithm,
            actual: value.len(),
            expected: algorithm.output_len(),
        };
        if value.len() != algorithm.output_len() {
            return Err(length);
        }
        let mut fingerprint = Self { algorithm, value: [0; 64] };
        fingerprint.value.get_mut(..value.len()).ok_or(length)?.copy_from_slice(value);
        Ok(fingerprint)
    }

    /// Returns the hash function.
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Returns the hash value.
    pub fn value(&self) -> &[u8] {
        self.value.get(..self.algorithm.output_len()).unwrap_or_default()
    }
}

fn put<D: Digest>(certificate_der: &[u8], value: &mut [u8; 64]) {
    for (to, from) in value.iter_mut().zip(D::digest(certificate_der)) {
        *to = from;
    }
}

/// Tells whether a certificate is the one that `fingerprints` announce: it has to match one of
/// those with the strongest hash function among them, and the weaker ones do not matter.
///
/// "An endpoint MUST select the set of fingerprints that use its most preferred hash function
/// (out of those offered by the peer) and verify that each certificate used matches one
/// fingerprint out of that set" ([RFC 8122 §5](https://www.rfc-editor.org/rfc/rfc8122#section-5)).
/// No fingerprint at all matches nothing.
pub fn matches(fingerprints: &[Fingerprint], certificate_der: &[u8]) -> bool {
    let Some(strongest) = fingerprints.iter().map(Fingerprint::algorithm).max() else {
        return false;
    };
    let actual = Fingerprint::of(strongest, certificate_der);
    fingerprints.contains(&actual)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        let mut separator = ' ';
        for byte in self.value() {
            write!(f, "{separator}{byte:02X}")?;
            separator = ':';
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads `hash-func SP fingerprint`, names and digits in any case.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (name, digits) = text.trim().split_once(' ').ok_or(FingerprintError::Syntax)?;
        let algorithm: HashAlgorithm = name.parse()?;
        let mut value = [0; 64];
        let mut actual = 0;
        for pair in digits.trim().split(':') {
            // `from_str_radix` alone would take a sign.
            if pair.len() != 2 || !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(FingerprintError::Syntax);
            }
            if let Some(byte) = value.get_mut(actual) {
                *byte = u8::from_str_radix(pair, 16).map_err(|_| FingerprintError::Syntax)?;
            }
            actual += 1;
        }
        let expected = algorithm.output_len();
        if actual != expected {
            return Err(FingerprintError::Length { algorithm, actual, expected });
        }
        Ok(Self { algorithm, value })
    }
}

/// A fingerprint that cannot be used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FingerprintError {
    /// The hash function is known to be broken and refused.
    #[error("{0} is refused as a fingerprint's hash function (RFC 8122 §5)")]
    Broken(String),
    /// The value has the wrong number of bytes.
    #[error("a {algorithm} fingerprint has {expected} bytes, not {actual}")]
    Length {
        /// The hash function.
        algorithm: HashAlgorithm,
        /// How many bytes were given.
        actual: usize,
        /// How many bytes its values have.
        expected: usize,
    },
    /// The text is not a name, a space, and pairs of hexadecimal digits with colons between.
    #[error("expected a fingerprint like \"sha-256 12:AB:…\"")]
    Syntax,
    /// The hash function is not known; other fingerprints may still be usable.
    #[error("unknown hash function {0}")]
    UnknownAlgorithm(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_writes_what_it_reads() {
        for algorithm in HashAlgorithm::ALL {
            let fingerprint = Fingerprint::of(algorithm, b"certificate");
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
            assert_eq!(fingerprint.to_string().to_lowercase().parse(), Ok(fingerprint));
            assert_eq!(Fingerprint::new(algorithm, fingerprint.value()), Ok(fingerprint));
            assert_eq!(fingerprint.value().len(), algorithm.output_len());
        }
    }

    #[test]
    fn refuses_broken_hash_functions() {
        for name in ["md5", "MD5", "md2"] {
            let error = format!("{name} 00:11").parse::<Fingerprint>().unwrap_err();
            assert_eq!(error, FingerprintError::Broken(name.to_owned()));
        }
        let unknown = "sha3-256 00".parse::<Fingerprint>().unwrap_err();
        assert_eq!(unknown, FingerprintError::UnknownAlgorithm("sha3-256".to_owned()));
    }

    #[test]
    fn refuses_what_is_no_fingerprint() {
        for text in ["", "sha-256", "sha-256 ", "sha-1 +1:22", "sha-1 1:2", "sha-1 é0", "sha-1 00"]
        {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
        let long = format!("sha-1 {}", ["00"; 65].join(":"));
        assert!(matches!(
            long.parse::<Fingerprint>(),
            Err(FingerprintError::Length { actual: 65, .. })
        ));
    }

    #[test]
    fn only_the_strongest_algorithm_counts() {
        let right = |algorithm| Fingerprint::of(algorithm, b"right");
        let wrong = |algorithm| Fingerprint::of(algorithm, b"wrong");
        let (sha1, sha256) = (HashAlgorithm::Sha1, HashAlgorithm::Sha256);

        assert!(matches(&[right(sha256)], b"right"));
        assert!(matches(&[wrong(sha1), right(sha256)], b"right"));
        assert!(matches(&[wrong(sha256), right(sha256)], b"right"), "any of the strongest");
        assert!(!matches(&[right(sha1), wrong(sha256)], b"right"));
        assert!(!matches(&[], b"right"));
    }
}
