use super::*;

/// The bytes of a line of hexadecimal digits.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The handshake of [RFC 8448 §3](https://www.rfc-editor.org/rfc/rfc8448#section-3), which is one
/// of TLS.
fn rfc_8448() -> HandshakeSecrets {
    let shared = "8b d4 05 4f b5 5b 9d 63 fd fb ac f9 f0 4b 9f 0d \
                  35 e6 d6 3f 53 75 63 ef d4 62 72 90 0f 89 49 2d";
    let hash = "86 0c 06 ed c0 78 58 ee 8e 78 f0 e7 42 8c 58 ed \
                d6 b4 3f 2c a3 e6 e9 5f 02 ed 06 3c f0 e1 ca d8";
    let suite = Suite13::all(&Crypto::default())[0];
    HandshakeSecrets::with_labels(Labels::Tls13, suite, &hex(shared), &hex(hash))
}

/// The hash of all messages up to the server's Finished.
const FINISHED_HASH: &str = "96 08 10 2a 0f 1c cc 6d b6 25 0b 7b 7e 41 7b 1a \
                             00 0e aa da 3d aa e4 77 7a 76 86 c9 ff 83 df 13";

#[test]
fn secrets_are_those_of_rfc_8448() {
    let handshake = rfc_8448();
    let client = "b3 ed db 12 6e 06 7f 35 a7 80 b3 ab f4 5e 2d 8f \
                  3b 1a 95 07 38 f5 2e 96 00 74 6a 0e 27 a5 5a 21";
    let server = "b6 7b 7d 69 0c c1 6c 4e 75 e5 42 13 cb 2d 37 b4 \
                  e9 c9 12 bc de d9 10 5d 42 be fd 59 d3 91 ad 38";
    assert_eq!(handshake.client.bytes(), hex(client));
    assert_eq!(handshake.server.bytes(), hex(server));

    let application = handshake.expand().application(&hex(FINISHED_HASH));
    let client = "9e 40 64 6c e7 9a 7f 9d c0 5a f8 88 9b ce 65 52 \
                  87 5a fa 0b 06 df 00 87 f7 92 eb b7 c1 75 04 a5";
    let server = "a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32 \
                  82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 16 43";
    let exporter = "fe 22 f8 81 17 6e da 18 eb 8f 44 52 9e 67 92 c5 \
                    0c 9a 3f 89 45 2f 68 d8 ae 31 1b 43 09 d3 cf 50";
    assert_eq!(application.client.bytes(), hex(client));
    assert_eq!(application.server.bytes(), hex(server));
    assert_eq!(application.exporter.bytes(), hex(exporter));
}

#[test]
fn keys_and_finished_are_those_of_rfc_8448() {
    let handshake = rfc_8448().expand();
    let application = handshake.application(&hex(FINISHED_HASH));
    for (secret, key, iv) in [
        (
            &application.client,
            "17 42 2d da 59 6e d5 d9 ac d8 90 e3 c6 3f 50 51",
            "5b 78 92 3d ee 08 57 90 33 e5 23 d9",
        ),
        (
            &application.server,
            "9f 02 28 3b 6c 9c 07 ef c2 6b b9 f2 ac 92 e3 56",
            "cf 78 2b 88 dd 83 54 9a ad f1 e9 84",
        ),
    ] {
        let keys = secret.expander().keys().unwrap();
        assert_eq!(keys.split(16).0, hex(key));
        assert_eq!(*keys.iv.0, *hex(iv));
    }

    let verify_data = "a8 ec 43 6d 67 76 34 ae 52 5a c1 fc eb e1 1a 03 \
                       9e c1 76 94 fa c6 e9 85 27 b6 42 f2 ed d5 ce 61";
    let (hash, mut verify_data) = (hex(FINISHED_HASH), hex(verify_data));
    assert_eq!(handshake.client.verify_data(&hash).as_ref(), verify_data);
    assert_eq!(handshake.client.check_finished(&hash, &verify_data), Ok(()));
    let bad = Err(HandshakeError::BadFinished);
    assert_eq!(handshake.server.check_finished(&hash, &verify_data), bad);
    assert_eq!(handshake.client.check_finished(&hash, &verify_data[..31]), bad);
    verify_data[0] ^= 1;
    assert_eq!(handshake.client.check_finished(&hash, &verify_data), bad);
}

#[test]
fn every_suite_has_keys_for_both_sides_and_every_epoch() {
    let crypto = Crypto::default();
    for suite in Suite13::all(&crypto) {
        let hash = suite.hash().hash(b"messages");
        let ours = HandshakeSecrets::new(suite, b"shared", hash.as_ref());
        let theirs = HandshakeSecrets::new(suite, b"shared", hash.as_ref());
        assert_ne!(ours.client.bytes(), ours.server.bytes());
        assert_eq!(ours.server.bytes(), theirs.server.bytes());
        let ours = ours.expand();
        let secret = ours.application(hash.as_ref()).client;
        let next = secret.next();
        assert_ne!(secret.bytes(), next.bytes());
        assert_eq!(next.bytes().len(), hash.as_ref().len());
        for (epoch, secret) in [(2, &ours.client), (3, &secret.expander()), (4, &next.expander())] {
            assert_eq!(secret.sealer(&crypto, epoch).unwrap().epoch(), epoch);
            assert_eq!(secret.opener(&crypto, epoch).unwrap().epoch(), epoch);
        }
    }
}

#[test]
fn what_no_secret_goes_into_is_known() {
    for suite in Suite13::all(&Crypto::default()) {
        let schedule = Schedule::new(suite, Labels::Dtls13);
        assert_eq!(schedule.early_derived().as_ref(), schedule.derive_early().as_ref());
    }
}

#[test]
fn exporters_differ_by_label_context_and_length() {
    let exporter = rfc_8448().expand().application(&hex(FINISHED_HASH)).exporter;
    let export = |label: &str, context: Option<&[u8]>, len| {
        let mut out = vec![0; len];
        exporter.export(label, context, &mut out).map(|()| out)
    };
    let one = export("label", None, 32).unwrap();
    assert_eq!(export("label", Some(b""), 32).unwrap(), one, "no context is the empty one");
    for other in [
        export("other", None, 32),
        export("label", Some(b"context"), 32),
        export("label", None, 64),
    ] {
        assert_ne!(other.unwrap()[..32], one[..]);
    }
    assert!(export("", None, 32).is_ok());
    assert!(export(&"l".repeat(249), None, 32).is_ok());
    assert_eq!(export(&"l".repeat(250), None, 32), Err(ExportError::Label));
    assert!(export("label", Some(&[7; 1 << 17]), 255 * 32).is_ok());
    assert_eq!(export("label", None, 255 * 32 + 1), Err(ExportError::OutputTooLong));
    assert_eq!(export("label", None, 1 << 16), Err(ExportError::OutputTooLong));
}

#[test]
fn debug_shows_no_secret() {
    assert_eq!(format!("{:?}", rfc_8448().client), "TrafficSecret { .. }");
}
