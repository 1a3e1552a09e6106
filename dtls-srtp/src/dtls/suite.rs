//! Cipher suites: what the handshake provider and the packet cryptography can do together.

use rustls::crypto::CryptoProvider;
use rustls::crypto::hash::Hash;
use rustls::{
    CipherSuite, SignatureAlgorithm, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite,
};

use crate::crypto::{AeadAlgorithm, Crypto};

/// How the certificate's key has to sign
/// ([RFC 8422 §2](https://www.rfc-editor.org/rfc/rfc8422#section-2)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Authentication {
    /// ECDSA, and by RFC 8422 §5.10 also EdDSA.
    Ecdsa,
    Rsa,
}

impl Authentication {
    /// The one that belongs to a key, if DTLS 1.2 has any.
    pub(crate) const fn of(key: SignatureAlgorithm) -> Option<Self> {
        match key {
            SignatureAlgorithm::ECDSA | SignatureAlgorithm::ED25519 => Some(Self::Ecdsa),
            SignatureAlgorithm::RSA => Some(Self::Rsa),
            _ => None,
        }
    }
}

/// A cipher suite of DTLS 1.2 that both providers know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suite {
    pub(crate) id: CipherSuite,
    pub(crate) aead: AeadAlgorithm,
    pub(crate) authentication: Authentication,
    /// Its PRF, hash, and the schemes that its certificates sign with.
    pub(crate) provider: &'static Tls12CipherSuite,
}

/// All that we know, in the order of our preference: AES-128 is the fastest of them and enough,
/// and ChaCha20 stands behind AES-256 because machines without AES instructions have become rare.
const KNOWN: [(CipherSuite, AeadAlgorithm, Authentication); 6] = {
    use AeadAlgorithm::{Aes128Gcm, Aes256Gcm, ChaCha20Poly1305};
    use Authentication::{Ecdsa, Rsa};
    [
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, Aes128Gcm, Ecdsa),
        (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, Aes128Gcm, Rsa),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, Aes256Gcm, Ecdsa),
        (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, Aes256Gcm, Rsa),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, ChaCha20Poly1305, Ecdsa),
        (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, ChaCha20Poly1305, Rsa),
    ]
};

impl Suite {
    /// The suites that can be negotiated with `crypto`, most preferred first. One whose records
    /// the packet cryptography cannot seal is left out here, so that it cannot fail later.
    pub(crate) fn all(crypto: &Crypto) -> Vec<Self> {
        KNOWN
            .into_iter()
            .filter_map(|(id, aead, authentication)| {
                let provider = find(&crypto.handshake, id)?;
                let key = [0; 32];
                let key = key.get(..aead.key_len())?;
                crypto.packets.aead(aead, key).ok()?;
                Some(Self { id, aead, authentication, provider })
            })
            .collect()
    }

    pub(crate) fn code(&self) -> u16 {
        self.id.into()
    }
}

fn find(provider: &CryptoProvider, id: CipherSuite) -> Option<&'static Tls12CipherSuite> {
    provider.cipher_suites.iter().find_map(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) if suite.common.suite == id => Some(*suite),
        _ => None,
    })
}

/// A cipher suite of DTLS 1.3 that both providers know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suite13 {
    pub(crate) id: CipherSuite,
    pub(crate) aead: AeadAlgorithm,
    /// Its hash and HKDF.
    pub(crate) provider: &'static Tls13CipherSuite,
}

/// All of [RFC 8446 §B.4](https://www.rfc-editor.org/rfc/rfc8446#appendix-B.4) but those with
/// CCM, in the same order.
const KNOWN_13: [(CipherSuite, AeadAlgorithm); 3] = [
    (CipherSuite::TLS13_AES_128_GCM_SHA256, AeadAlgorithm::Aes128Gcm),
    (CipherSuite::TLS13_AES_256_GCM_SHA384, AeadAlgorithm::Aes256Gcm),
    (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, AeadAlgorithm::ChaCha20Poly1305),
];

impl Suite13 {
    /// The suites that can be negotiated with `crypto`, most preferred first. One whose records
    /// the packet cryptography cannot seal, or whose sequence numbers it cannot mask, is left out
    /// here, so that it cannot fail later.
    pub(crate) fn all(crypto: &Crypto) -> Vec<Self> {
        KNOWN_13
            .into_iter()
            .filter_map(|(id, aead)| {
                let provider = find_13(&crypto.handshake, id)?;
                let key = [0; 32];
                let key = key.get(..aead.key_len())?;
                crypto.packets.aead(aead, key).ok()?;
                crypto.packets.sequence_number_mask(aead, key).ok()?;
                Some(Self { id, aead, provider })
            })
            .collect()
    }

    pub(crate) fn code(&self) -> u16 {
        self.id.into()
    }

    /// The hash of the transcript and of HKDF.
    pub(crate) fn hash(&self) -> &'static dyn Hash {
        self.provider.common.hash_provider
    }
}

fn find_13(provider: &CryptoProvider, id: CipherSuite) -> Option<&'static Tls13CipherSuite> {
    provider.cipher_suites.iter().find_map(|suite| match suite {
        SupportedCipherSuite::Tls13(suite) if suite.common.suite == id => Some(*suite),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_has_all_suites_and_aes_128_comes_first() {
        let suites = Suite::all(&Crypto::default());
        assert_eq!(suites.len(), KNOWN.len());
        assert_eq!(suites[0].code(), 0xc02b);
    }

    #[test]
    fn ring_has_all_suites_of_1_3_in_their_order() {
        let suites = Suite13::all(&Crypto::default());
        let codes: Vec<_> = suites.iter().map(Suite13::code).collect();
        assert_eq!(codes, [0x1301, 0x1302, 0x1303]);
    }

    #[test]
    fn suites_that_the_provider_lacks_are_left_out() {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.retain(|suite| u16::from(suite.suite()) == 0xc02c);
        let crypto = Crypto { handshake: provider.into(), ..Crypto::default() };
        let suites = Suite::all(&crypto);
        assert_eq!(suites.iter().map(Suite::code).collect::<Vec<_>>(), [0xc02c]);
        assert!(Suite13::all(&crypto).is_empty());
    }
}
