//! The packet cryptography against published vectors: *ring*'s, and aws-lc-rs's where it is built.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use peerless_dtls_srtp::crypto::{AeadAlgorithm, Crypto, CryptoError, KeyError};
use serde_json::Value;

/// What every test here runs over.
fn providers() -> Vec<Crypto> {
    vec![
        Crypto::default(),
        #[cfg(feature = "aws-lc-rs")]
        Crypto::aws_lc_rs(),
    ]
}

#[test]
fn aes_gcm_passes_wycheproof() {
    aead_passes(include_str!("vectors/aes_gcm.json"), |key| match key.len() {
        16 => AeadAlgorithm::Aes128Gcm,
        _ => AeadAlgorithm::Aes256Gcm,
    });
}

#[test]
fn chacha20_poly1305_passes_wycheproof() {
    aead_passes(include_str!("vectors/chacha20_poly1305.json"), |_| {
        AeadAlgorithm::ChaCha20Poly1305
    });
}

#[test]
fn hmac_sha1_passes_wycheproof() {
    for (crypto, test) in each(include_str!("vectors/hmac_sha1.json")) {
        let (message, tag) = (bytes(&test, "msg"), bytes(&test, "tag"));
        let object = crypto.packets.aes_ctr_hmac_sha1(&[0; 16], &bytes(&test, "key")).unwrap();
        // All of the message is clear, and its last third is given as the suffix.
        let (head, suffix) = message.split_at(message.len() * 2 / 3);
        let mut packet = head.to_vec();
        let clear = packet.len();
        let opened = object.open(&[0; 16], &mut packet, clear, suffix, &tag);
        assert_eq!(opened.is_ok(), test["result"] == "valid", "{test}");
        assert_eq!(packet, head);
        if opened.is_ok() {
            let sealed = object.seal(&[0; 16], &mut packet, clear, suffix);
            assert_eq!(sealed[..tag.len()], tag, "{test}");
        }
    }
}

#[test]
fn aes_counter_mode_gives_the_keystream_of_rfc_3711_and_rfc_6188() {
    let crypto = Crypto::default();
    let all: Value = serde_json::from_str(include_str!("vectors/srtp-aes-cm.json")).unwrap();
    let mut seen = 0;
    for vector in all["vectors"].as_array().unwrap() {
        let key = if vector["kind"] == "aes-cm-keystream" {
            bytes(vector, "session_key")
        } else {
            continue;
        };
        // RFC 6188 §7.2 is AES-192, which no profile here uses.
        let Ok(ctr) = crypto.packets.aes_ctr(&key) else {
            assert_eq!(key.len(), 24);
            continue;
        };
        for block in vector["blocks"].as_array().unwrap() {
            let counter = bytes(block, "counter").try_into().unwrap();
            let mut data = [0; 16];
            ctr.apply(&counter, &mut data);
            assert_eq!(data[..], bytes(block, "keystream"), "{}", vector["source"]);
            seen += 1;
        }
        // The stream from its start passes through the same blocks.
        let first = bytes(&vector["blocks"][0], "counter").try_into().unwrap();
        let mut stream = vec![0; vector["keystream_len"].as_u64().unwrap() as usize];
        ctr.apply(&first, &mut stream);
        let last = vector["blocks"].as_array().unwrap().last().unwrap();
        assert_eq!(stream[stream.len() - 16..], bytes(last, "keystream"));
    }
    assert_eq!(seen, 12);
}

#[test]
fn the_sequence_number_mask_is_that_of_rfc_9001() {
    // RFC 9001 A.2 and A.5: the same construction as RFC 9147 §4.2.3.
    for (algorithm, key, sample, mask) in [
        (
            AeadAlgorithm::Aes128Gcm,
            "9f50449e04a0e810283a1e9933adedd2",
            "d1b1c98dd7689fb8ec11d242b123dc9b",
            [0x43, 0x7b],
        ),
        (
            AeadAlgorithm::ChaCha20Poly1305,
            "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4",
            "5e5cd55c41f69080575d7999c25a5bfb",
            [0xae, 0xfe],
        ),
    ] {
        for crypto in providers() {
            let object = crypto.packets.sequence_number_mask(algorithm, &hex(key)).unwrap();
            assert_eq!(object.mask(&hex(sample).try_into().unwrap()), mask);
        }
    }
}

#[test]
fn keys_of_a_wrong_length_are_refused() {
    for Crypto { packets, .. } in providers() {
        assert_eq!(
            packets.aead(AeadAlgorithm::Aes128Gcm, &[0; 15]).err(),
            Some(KeyError::Length { actual: 15, expected: 16 })
        );
        assert!(packets.sequence_number_mask(AeadAlgorithm::Aes256Gcm, &[0; 16]).is_err());
        assert!(packets.aes_ctr(&[0; 24]).is_err());
        assert!(packets.aes_ctr_hmac_sha1(&[], &[0; 20]).is_err());
    }
}

#[test]
fn counter_mode_refuses_an_empty_and_an_overlong_tag() {
    let object = Crypto::default().packets.aes_ctr_hmac_sha1(&[1; 16], &[2; 20]).unwrap();
    let mut packet = *b"header and payload";
    let tag = object.seal(&[3; 16], &mut packet, 7, b"suffix");
    let sealed = packet;
    assert_eq!(object.open(&[3; 16], &mut packet, 7, b"suffix", &[]), Err(CryptoError));
    let longer = [&tag[..], &[0]].concat();
    assert_eq!(object.open(&[3; 16], &mut packet, 7, b"suffix", &longer), Err(CryptoError));
    assert_eq!(packet, sealed, "a refused packet is left alone");
    object.open(&[3; 16], &mut packet, 7, b"suffix", &tag[..4]).unwrap();
    assert_eq!(&packet, b"header and payload");
}

#[test]
fn debug_prints_no_secret() {
    assert_eq!(format!("{:?}", Crypto::default()), "Crypto { packets: Ring, .. }");
}

fn aead_passes(json: &str, algorithm: impl Fn(&[u8]) -> AeadAlgorithm) {
    for (crypto, test) in each(json) {
        let key = bytes(&test, "key");
        let aead = crypto.packets.aead(algorithm(&key), &key).unwrap();
        let nonce = bytes(&test, "iv").try_into().unwrap();
        let (aad, message) = (bytes(&test, "aad"), bytes(&test, "msg"));
        let tag: [u8; 16] = bytes(&test, "tag").try_into().unwrap();
        let mut contents = bytes(&test, "ct");

        let opened = aead.open(&nonce, &aad, &mut contents, &tag);

        assert_eq!(opened.is_ok(), test["result"] == "valid", "{test}");
        if opened.is_ok() {
            assert_eq!(contents, message);
            assert_eq!(aead.seal(&nonce, &aad, &mut contents).unwrap(), tag);
            assert_eq!(contents, bytes(&test, "ct"));
        }
    }
}

/// Every vector with every provider.
fn each(json: &str) -> impl Iterator<Item = (Crypto, Value)> {
    let tests: Vec<Value> = serde_json::from_str(json).unwrap();
    providers()
        .into_iter()
        .flat_map(move |crypto| tests.clone().into_iter().map(move |test| (crypto.clone(), test)))
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex(value[name].as_str().unwrap())
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
