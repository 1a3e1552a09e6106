//! The vectors of the standards, and packets of libsrtp.

use super::{
    super::{
        cipher::{Cipher, Salt},
        cryptex::Portion,
    },
    *,
};
use crate::crypto::{Aead, AeadAlgorithm};

#[test]
fn rtp_packets_of_rfc_7714_are_sealed_and_opened() {
    for vector in rfc_7714("srtp") {
        let cipher = gcm(&vector);
        let (plain, sealed) = (hex(&vector["rtp"]), hex(&vector["srtp"]));
        let ssrc = u32::from_be_bytes(plain[8..12].try_into().unwrap());
        let index = u64::from(u16::from_be_bytes(plain[2..4].try_into().unwrap()));
        // Packets without encryption are all associated data.
        let clear = if vector["encrypted"] == true { 12 } else { plain.len() };
        let portion = Portion::from(clear);

        let mut packet = plain.clone();
        cipher.seal_rtp(ssrc, index, &mut packet, 0, portion, &[]).unwrap();
        assert_eq!(packet, sealed, "{}", vector["section"]);
        let parts = cipher.split(&mut packet, 0, 0).unwrap();
        cipher.open_rtp(ssrc, index, parts.packet, portion, parts.tag).unwrap();
        assert_eq!(parts.packet, plain);
    }
}

#[test]
fn rtcp_packets_of_rfc_7714_are_sealed_and_opened() {
    for vector in rfc_7714("srtcp") {
        let cipher = gcm(&vector);
        let (plain, sealed) = (hex(&vector["rtcp"]), hex(&vector["srtcp"]));
        let ssrc = rtcp_sender(&plain).unwrap();
        let index = vector["srtcp_index"].as_u64().unwrap() as u32;
        if vector["encrypted"] == true {
            let mut packet = plain.clone();
            let word = ENCRYPTED | index;
            cipher.seal_rtcp(ssrc, word, &mut packet, 0, &[]).unwrap();
            assert_eq!(packet, sealed, "{}", vector["section"]);
        } else {
            // We send none of these. All of it is associated data, the index as well (§9.3).
            let (aead, salt) = gcm_parts(&vector);
            let word = index.to_be_bytes();
            // §9.1: two zeros, the SSRC, two zeros, the index; and the salt over them.
            let mut nonce: [u8; 12] = salt.0[..12].try_into().unwrap();
            nonce[2..6].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(to, from)| *to ^= from);
            nonce[8..].iter_mut().zip(word).for_each(|(to, from)| *to ^= from);
            let tag = aead.seal(&nonce, &[&plain[..], &word].concat(), &mut []).unwrap();
            assert_eq!([&plain[..], &tag, &word].concat(), sealed, "{}", vector["section"]);
        }
        let mut packet = sealed;
        let parts = cipher.split(&mut packet, INDEX_LEN, 0).unwrap();
        let word = u32::from_be_bytes(parts.word.try_into().unwrap());
        assert_eq!(word & !ENCRYPTED, index);
        cipher.open_rtcp(ssrc, word, parts.packet, parts.tag).unwrap();
        assert_eq!(parts.packet, plain);
    }
}

#[test]
fn packets_of_rfc_9335_are_sealed_and_opened() {
    let all: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/srtp-cryptex.json")).unwrap();
    let vectors = all["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 12);
    for vector in vectors {
        let suite = vector["suite"].as_str().unwrap();
        let keys = &all["common"][suite];
        let key = MasterKey::new(&hex(&keys["master_key"]), &hex(&keys["master_salt"]));
        let settings = Settings { cryptex: Cryptex::Required, ..Settings::default() };
        let profile = Profile::from_name(suite).unwrap();
        let make = || Context::with_settings(profile, &key, &Crypto::default(), settings);
        let (mut sender, mut receiver) = (make().unwrap(), make().unwrap());

        let mut packet = hex(&vector["rtp"]);
        sender.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(packet, hex(&vector["srtp"]), "{}", vector["section"]);
        let opened = receiver.unprotect_rtp(&mut packet).unwrap();
        assert_eq!(opened, hex(&vector["rtp"]), "{}", vector["section"]);
    }
}

#[test]
fn the_header_extension_of_rfc_6904_is_encrypted_and_decrypted() {
    let all: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/srtp-aes-cm.json")).unwrap();
    let of_kind = |kind: &'static str| {
        let is = move |vector: &&Value| vector["kind"] == kind;
        all["vectors"].as_array().unwrap().iter().filter(is)
    };
    let vector = of_kind("header-extension-encryption").next().unwrap();
    // The keys of A.2 are those derived in A.1, from the master key of RFC 3711 B.3.
    let keys =
        of_kind("aes-cm-kdf").find(|keys| keys["derived"]["06"] == vector["header_key"]).unwrap();
    let key = MasterKey::new(&hex(&keys["master_key"]), &hex(&keys["master_salt"]));
    let ids = vector["encrypted_ids"].as_array().unwrap();
    let encrypted_extensions = ids.iter().map(|id| id.as_u64().unwrap() as u8).collect();
    let settings = Settings { encrypted_extensions, ..Settings::default() };
    let make = |profile| Context::with_settings(profile, &key, &Crypto::default(), settings);
    let (mut sender, mut receiver) =
        (make(Profile::Aes128CmHmacSha1_80).unwrap(), make(Profile::Aes128CmHmacSha1_80).unwrap());

    let mut plain = vec![0x90, 96, 0x12, 0x34, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE];
    plain.extend(hex(&vector["ext_header"]));
    plain.extend(hex(&vector["plaintext"]));
    let mut packet = plain.clone();
    sender.protect_rtp(&mut packet, 0).unwrap();
    assert_eq!(packet[16..40], hex(&vector["ciphertext"]));
    assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
}

#[test]
fn payloads_of_rfc_3711_and_rfc_6188_are_encrypted() {
    // The keystreams of the appendices, under session keys that are given there: SSRC, rollover
    // counter and sequence number are zero.
    let all: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/srtp-aes-cm.json")).unwrap();
    let mut seen = 0;
    for vector in all["vectors"].as_array().unwrap() {
        if vector["kind"] != "aes-cm-keystream" {
            continue;
        }
        let key = hex(&vector["session_key"]);
        if key.len() == 24 {
            // RFC 6188 has AES-192 too, which no profile here uses.
            continue;
        }
        let object = Crypto::default().packets.aes_ctr_hmac_sha1(&key, &[5; 20]).unwrap();
        let salt = Salt(hex(&vector["session_salt_shifted"]).try_into().unwrap());
        let cipher = Cipher::counter_mode(object, salt, 10);
        let plain = [[0x80; 1].as_slice(), &[0; 11], &[0; 48]].concat();
        let mut packet = plain.clone();
        cipher.seal_rtp(0, 0, &mut packet, 0, Portion::from(12), &[]).unwrap();
        for (block, expected) in packet[12..60].chunks(16).zip(vector["blocks"].as_array().unwrap())
        {
            assert_eq!(block, hex(&expected["keystream"]), "{}", vector["source"]);
        }
        let parts = cipher.split(&mut packet, 0, 0).unwrap();
        cipher.open_rtp(0, 0, parts.packet, Portion::from(12), parts.tag).unwrap();
        assert_eq!(parts.packet, plain);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn packets_of_libsrtp_are_made_alike_and_opened() {
    for vector in array(include_str!("../../../tests/vectors/srtp-libsrtp.json")) {
        let (mut sender, mut receiver) = libsrtp_pair(&vector);
        for packet in vector["rtp"].as_array().unwrap() {
            let mut buf = hex(&packet["rtp"]);
            sender.protect_rtp(&mut buf, 0).unwrap();
            assert_eq!(buf, hex(&packet["srtp"]), "{}", vector["profile"]);
            assert_eq!(receiver.unprotect_rtp(&mut buf).unwrap(), hex(&packet["rtp"]));
        }
        // libsrtp starts its SRTCP index at one, where RFC 3711 §3.2.1 starts at zero.
        sender.protect_rtcp(&mut hex(&vector["rtcp"][0]["rtcp"]), 0).unwrap();
        for packet in vector["rtcp"].as_array().unwrap() {
            let mut buf = hex(&packet["rtcp"]);
            sender.protect_rtcp(&mut buf, 0).unwrap();
            assert_eq!(buf, hex(&packet["srtcp"]), "{}", vector["profile"]);
            assert_eq!(receiver.unprotect_rtcp(&mut buf).unwrap(), hex(&packet["rtcp"]));
        }
    }
}

fn libsrtp_pair(vector: &Value) -> (Context, Context) {
    let profile = match vector["profile"].as_str().unwrap() {
        "SRTP_AES128_CM_HMAC_SHA1_80" => Profile::Aes128CmHmacSha1_80,
        "SRTP_AES128_CM_HMAC_SHA1_32" => Profile::Aes128CmHmacSha1_32,
        "SRTP_AEAD_AES_128_GCM" => Profile::AeadAes128Gcm,
        "SRTP_AEAD_AES_256_GCM" => Profile::AeadAes256Gcm,
        other => panic!("an unknown profile: {other}"),
    };
    let key = MasterKey::new(&hex(&vector["key"]), &hex(&vector["salt"]));
    let make = || Context::new(profile, &key, &Crypto::default()).unwrap();
    (make(), make())
}

/// The session cipher of a vector of RFC 7714, whose keys are not derived.
fn gcm(vector: &Value) -> Cipher {
    let (aead, salt) = gcm_parts(vector);
    Cipher::aead(aead, salt)
}

fn gcm_parts(vector: &Value) -> (Box<dyn Aead>, Salt) {
    let key = hex(&vector["key"]);
    let algorithm =
        if key.len() == 16 { AeadAlgorithm::Aes128Gcm } else { AeadAlgorithm::Aes256Gcm };
    let mut salt = Salt::default();
    salt.0[..12].copy_from_slice(&hex(&vector["salt"]));
    (Crypto::default().packets.aead(algorithm, &key).unwrap(), salt)
}

fn rfc_7714(kind: &str) -> Vec<Value> {
    let all: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/srtp-gcm.json")).unwrap();
    let vectors = all["vectors"].as_array().unwrap();
    vectors.iter().filter(|vector| vector["kind"] == kind).cloned().collect()
}

fn array(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}
