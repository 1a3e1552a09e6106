use dtls_srtp::certificate::Certificate;
use dtls_srtp::crypto::Crypto;
use dtls_srtp::dtls::{Config, Connection};
use dtls_srtp::fingerprint::{self, Fingerprint, HashAlgorithm};

use crate::clock::start;

/// Walks through a certificate to its public key; one that has a key is sent in a handshake, whose
/// signature the other side then checks with that key. As text, the input is a fingerprint.
pub fn certificate(bytes: &[u8]) {
    let of = Fingerprint::of(HashAlgorithm::Sha256, bytes);
    assert!(fingerprint::matches(std::slice::from_ref(&of), bytes));
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(parsed) = text.parse::<Fingerprint>()
    {
        assert_eq!(parsed.to_string().parse(), Ok(parsed));
    }
    // A handshake message is at most 2^24 bytes long, and so is a certificate in it.
    if bytes.len() > 1 << 16 {
        return;
    }
    let crypto = Crypto::default();
    let chain = vec![bytes.to_vec()];
    let Ok(certificate) = Certificate::from_der(&crypto, chain, PRIVATE_KEY) else { return };
    shake_hands(certificate, crypto);
}

/// The key of `dtls-srtp/tests/certificates/p256-v3.der`, so that one certificate is right.
const PRIVATE_KEY: &[u8] = include_bytes!("../keys/p256.pk8");

fn shake_hands(certificate: Certificate, crypto: Crypto) {
    let now = start();
    let fingerprint = certificate.fingerprint(HashAlgorithm::Sha256);
    let Ok(config) = Config::new(certificate, crypto) else { return };
    let config = config.with_remote_fingerprints(vec![fingerprint]);
    let mut client = Connection::client(config.clone(), now, [1; 32]);
    let mut server = Connection::server(config, now, [2; 32]);
    let mut buf = Vec::new();
    // Four flights, then nothing: an alert, or both are connected.
    for _ in 0..8 {
        buf.clear();
        while let Some(range) = client.poll_transmit(now, &mut buf) {
            let mut datagram = buf.get(range).unwrap_or_default().to_vec();
            drop(server.handle_datagram(now, &mut datagram));
        }
        buf.clear();
        while let Some(range) = server.poll_transmit(now, &mut buf) {
            let mut datagram = buf.get(range).unwrap_or_default().to_vec();
            drop(client.handle_datagram(now, &mut datagram));
        }
    }
    assert_eq!(client.is_connected(), server.is_connected());
}
