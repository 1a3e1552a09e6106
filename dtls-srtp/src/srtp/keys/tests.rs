use serde_json::Value;

use super::*;

#[test]
fn derives_the_keys_of_rfc_3711_rfc_6188_and_rfc_6904() {
    let all: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/srtp-aes-cm.json")).unwrap();
    let mut seen = 0;
    for vector in all["vectors"].as_array().unwrap() {
        let key = hex(&vector["master_key"]);
        if vector["kind"] != "aes-cm-kdf" || key.len() == 24 {
            continue;
        }
        let master = MasterKey::new(&key, &hex(&vector["master_salt"]));
        let profile = match key.len() {
            16 => Profile::Aes128CmHmacSha1_80,
            _ => Profile::Aes256CmHmacSha1_80,
        };
        let derivation = Derivation::new(profile, &master, &Crypto::default()).unwrap();
        for (label, expected) in vector["derived"].as_object().unwrap() {
            let expected = hex(expected);
            let mut derived = vec![0xFF; expected.len()];
            derivation.derive(label.parse().unwrap(), &mut derived);
            assert_eq!(derived, expected, "{} label {label}", vector["source"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 8);
}

#[test]
fn cuts_keying_material_in_the_order_of_rfc_5764() {
    let profile = Profile::AeadAes128Gcm;
    let material: Vec<u8> = (0..56).collect();
    let client = SessionKeys::for_client(profile, &material).unwrap();
    let server = SessionKeys::for_server(profile, &material).unwrap();
    assert_eq!(client.local.key, (0..16).collect::<Vec<u8>>());
    assert_eq!(client.remote.key, (16..32).collect::<Vec<u8>>());
    assert_eq!(client.local.salt, (32..44).collect::<Vec<u8>>());
    assert_eq!(client.remote.salt, (44..56).collect::<Vec<u8>>());
    assert_eq!(
        (server.local.key.clone(), server.local.salt.clone()),
        (client.remote.key.clone(), client.remote.salt.clone())
    );
    assert!(SessionKeys::for_client(profile, &material[1..]).is_none());
}

#[test]
fn keys_of_another_profile_are_refused() {
    let key = MasterKey::new(&[0; 16], &[0; 14]);
    assert_eq!(
        Derivation::new(Profile::AeadAes128Gcm, &key, &Crypto::default()).err(),
        Some(KeyError::Length { actual: 14, expected: 12 })
    );
}

#[test]
fn debug_prints_no_key() {
    let text = format!("{:?}", MasterKey::new(&[0xAB; 16], &[0xCD; 14]));
    assert_eq!(text, "MasterKey { .. }");
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
