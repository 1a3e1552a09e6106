//! The test vectors of RFC 5769 and of RFC 8489 appendix B.1, as `vectors.json` keeps them.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the helpers of tests fail by panicking"
)]

use peerless_stun::{
    Class, Fingerprint, IntegrityError, Key, Message, MessageWriter, Method, ParseError, userhash,
};
use serde_json::Value;

fn vector(section: &str) -> Value {
    let file: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    vectors.iter().find(|vector| vector["section"] == section).unwrap().clone()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector["params"][name].as_str().unwrap()
}

/// The attributes are those that the file lists, and the key of the file fits.
fn check(vector: &Value, bytes: &[u8]) {
    let message = Message::parse(bytes).unwrap();
    let found: Vec<_> = message
        .attributes()
        .map(|attribute| (attribute.kind.number(), attribute.value.to_vec()))
        .collect();
    let listed: Vec<_> = vector["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| {
            let kind = attribute["type"].as_str().unwrap().trim_start_matches("0x");
            (u16::from_str_radix(kind, 16).unwrap(), hex(&attribute["value"]))
        })
        .collect();
    assert_eq!(found.len(), listed.len());
    for (found, listed) in found.iter().zip(&listed) {
        assert_eq!(found.0, listed.0);
        // The corrected message of appendix B.1 has a code of its own.
        if found.0 != 0x001c {
            assert_eq!(found.1, listed.1);
        }
    }
    let key = Key::from_bytes(&hex(&vector["integrity_key"]));
    assert_eq!(message.check_integrity(&key), Ok(()));
}

#[test]
fn sample_request() {
    let vector = vector("2.1");
    let bytes = hex(&vector["message"]);
    check(&vector, &bytes);
    let message = Message::parse(&bytes).unwrap();

    assert_eq!((message.class(), message.method()), (Class::Request, Method::Binding));
    assert_eq!(message.software(), Some(text(&vector, "software")));
    assert_eq!(message.username(), Some(text(&vector, "username")));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled(), Some(0x932f_f9b1_5126_3b36));
    assert_eq!(message.check_integrity(&Key::short_term(text(&vector, "password"))), Ok(()));
    assert_eq!(message.check_fingerprint(), Fingerprint::Valid);
    assert_eq!(
        message.to_string(),
        "STUN binding request b7e7a701bc34d686fa87dfae, software STUN test client, \
         priority 1845494271, ice-controlled 932ff9b151263b36, username evtj:h6vY, \
         message-integrity, fingerprint"
    );
}

#[test]
fn sample_ipv4_response() {
    response("2.2", "192.0.2.1:32853");
}

#[test]
fn sample_ipv6_response() {
    response("2.3", "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

fn response(section: &str, address: &str) {
    let vector = vector(section);
    let bytes = hex(&vector["message"]);
    check(&vector, &bytes);
    let message = Message::parse(&bytes).unwrap();

    assert_eq!((message.class(), message.method()), (Class::SuccessResponse, Method::Binding));
    assert_eq!(message.software(), Some(text(&vector, "software")));
    assert_eq!(message.xor_mapped_address(), Some(address.parse().unwrap()));
    assert_eq!(message.check_integrity(&Key::short_term(text(&vector, "password"))), Ok(()));
    assert_eq!(message.check_fingerprint(), Fingerprint::Valid);
}

#[test]
fn sample_request_with_long_term_credentials() {
    let vector = vector("2.4");
    let bytes = hex(&vector["message"]);
    check(&vector, &bytes);
    let message = Message::parse(&bytes).unwrap();

    let (username, realm) = (text(&vector, "username"), text(&vector, "realm"));
    assert_eq!(message.username(), Some(username));
    assert_eq!(message.realm(), Some(realm));
    assert_eq!(message.nonce(), Some(text(&vector, "nonce")));
    let key = Key::long_term(username, realm, text(&vector, "password"));
    assert_eq!(message.check_integrity(&key), Ok(()));
    assert_eq!(message.check_fingerprint(), Fingerprint::Absent);

    // The padding of this one is of zeros, as ours, so that it can be written to the byte.
    let mut buf = Vec::new();
    let range =
        MessageWriter::new(&mut buf, Class::Request, Method::Binding, message.transaction_id())
            .username(username)
            .nonce(text(&vector, "nonce"))
            .realm(realm)
            .integrity(&key)
            .finish();
    assert_eq!(buf[range], bytes);
}

#[test]
fn sample_request_with_sha256_and_userhash() {
    let vector = vector("RFC8489 B.1");

    // The RFC's own bytes claim 20 bytes too many.
    let printed = hex(&vector["message_as_printed"]);
    assert_eq!(Message::parse(&printed).unwrap_err(), ParseError::Length { said: 156, is: 136 });

    let bytes = hex(&vector["message_corrected"]);
    check(&vector, &bytes);
    let message = Message::parse(&bytes).unwrap();
    let (username, realm) = (text(&vector, "username"), text(&vector, "realm"));
    assert_eq!(message.userhash(), Some(userhash(username, realm)));
    let key = Key::long_term_sha256(username, realm, text(&vector, "password"));
    assert_eq!(message.check_integrity(&key), Ok(()));

    let mut buf = Vec::new();
    let range =
        MessageWriter::new(&mut buf, Class::Request, Method::Binding, message.transaction_id())
            .userhash(&userhash(username, realm))
            .nonce(text(&vector, "nonce"))
            .realm(realm)
            .integrity_sha256(&key)
            .finish();
    assert_eq!(buf[range], bytes);
}

#[test]
fn any_flipped_bit_is_noticed() {
    for section in ["2.1", "2.2", "2.3"] {
        let vector = vector(section);
        let key = Key::short_term(text(&vector, "password"));
        let bytes = hex(&vector["message"]);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Ok(message) = Message::parse(&damaged) else { continue };
            let in_fingerprint = bit / 8 >= bytes.len() - 8;
            if !in_fingerprint {
                assert_ne!(message.check_integrity(&key), Ok(()), "bit {bit} of {section}");
            }
            assert_ne!(message.check_fingerprint(), Fingerprint::Valid, "bit {bit} of {section}");
        }
        let message = Message::parse(&bytes).unwrap();
        let wrong = Key::short_term("another password");
        assert_eq!(message.check_integrity(&wrong), Err(IntegrityError::Mismatch));
    }
}
