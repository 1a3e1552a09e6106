//! Cipher suites: what the handshake provider and the packet cryptography can do together.

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, SignatureAlgorithm, SupportedCipherSuite, Tls12CipherSuite};

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
    fn suites_that_the_provider_lacks_are_left_out() {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.retain(|suite| u16::from(suite.suite()) == 0xc02c);
        let crypto = Crypto { handshake: provider.into(), ..Crypto::default() };
        let suites = Suite::all(&crypto);
        assert_eq!(suites.iter().map(Suite::code).collect::<Vec<_>>(), [0xc02c]);
    }
}
