use serde_json::Value;

use super::{cipher::Salt, *};
use crate::crypto::AeadAlgorithm;

const SSRC: u32 = 0xCAFE_BABE;

#[test]
fn rtp_packets_of_rfc_7714_are_sealed_and_opened() {
    for vector in rfc_7714("srtp") {
        let cipher = gcm(&vector);
        let (plain, sealed) = (hex(&vector["rtp"]), hex(&vector["srtp"]));
        let ssrc = u32::from_be_bytes(plain[8..12].try_into().unwrap());
        let index = u64::from(u16::from_be_bytes(plain[2..4].try_into().unwrap()));
        // Packets without encryption are all associated data.
        let clear = if vector["encrypted"] == true { 12 } else { plain.len() };

        let mut packet = plain.clone();
        let tag = cipher.seal_rtp(ssrc, index, &mut packet, clear).unwrap();
        packet.extend_from_slice(&tag);
        assert_eq!(packet, sealed, "{}", vector["section"]);
        assert_eq!(cipher.open_rtp(ssrc, index, &mut packet, clear).unwrap(), plain);
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
            let trailer = cipher.seal_rtcp(ssrc, index, &mut packet).unwrap();
            packet.extend_from_slice(&trailer);
            assert_eq!(packet, sealed, "{}", vector["section"]);
        }
        let mut packet = sealed;
        let word = cipher.rtcp_index(&packet).unwrap();
        assert_eq!(word & !ENCRYPTED, index);
        assert_eq!(cipher.open_rtcp(ssrc, word, &mut packet).unwrap(), plain);
    }
}

#[test]
fn packets_of_libsrtp_are_made_alike_and_opened() {
    for vector in array(include_str!("../../tests/vectors/srtp-libsrtp.json")) {
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

#[test]
fn every_changed_byte_is_noticed_and_changes_nothing() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut sealed = rtp(7, b"payload");
        sender.protect_rtp(&mut sealed, 0).unwrap();
        for at in 0..sealed.len() {
            let mut packet = sealed.clone();
            packet[at] ^= 1;
            assert!(receiver.unprotect_rtp(&mut packet).is_err(), "{profile} byte {at}");
        }
        let mut sealed_rtcp = rtcp(SSRC);
        sender.protect_rtcp(&mut sealed_rtcp, 0).unwrap();
        for at in 0..sealed_rtcp.len() {
            let mut packet = sealed_rtcp.clone();
            packet[at] ^= 1;
            assert!(receiver.unprotect_rtcp(&mut packet).is_err(), "{profile} byte {at}");
        }
        assert_eq!(receiver.sources(), 0, "a forged packet makes no entry");
        assert_eq!(receiver.unprotect_rtp(&mut sealed).unwrap(), rtp(7, b"payload"));
        assert_eq!(receiver.unprotect_rtcp(&mut sealed_rtcp).unwrap(), rtcp(SSRC));
    }
}

#[test]
fn a_forged_packet_far_ahead_does_not_move_the_rollover_counter() {
    let (mut sender, mut receiver) = pair(Profile::Aes128CmHmacSha1_80);
    accept(&mut sender, &mut receiver, 40_000);
    let mut forged = rtp(5, b"forged, and a rollover if it were true");
    assert_eq!(receiver.unprotect_rtp(&mut forged), Err(UnprotectError::Authentication));
    accept(&mut sender, &mut receiver, 40_001);
}

#[test]
fn cut_packets_are_refused() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut sealed = rtp(7, b"");
        sender.protect_rtp(&mut sealed, 0).unwrap();
        for len in 0..sealed.len() {
            assert!(receiver.unprotect_rtp(&mut sealed.clone()[..len]).is_err());
        }
        let mut sealed = rtcp(SSRC);
        sender.protect_rtcp(&mut sealed, 0).unwrap();
        for len in 0..sealed.len() {
            assert!(receiver.unprotect_rtcp(&mut sealed.clone()[..len]).is_err());
        }
    }
}

#[test]
fn a_replayed_packet_is_refused() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut sealed = rtp(7, b"once");
        sender.protect_rtp(&mut sealed, 0).unwrap();
        receiver.unprotect_rtp(&mut sealed.clone()).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut sealed), Err(UnprotectError::Replayed));
        let mut sealed = rtcp(SSRC);
        sender.protect_rtcp(&mut sealed, 0).unwrap();
        receiver.unprotect_rtcp(&mut sealed.clone()).unwrap();
        assert_eq!(receiver.unprotect_rtcp(&mut sealed), Err(UnprotectError::Replayed));
    }
}

#[test]
fn the_replay_window_is_a_setting() {
    for (replay_window, late_enough) in [(64, false), (128, true)] {
        let settings = Settings { replay_window, ..Settings::default() };
        let (mut sender, mut receiver) = pair_with(Profile::AeadAes128Gcm, settings);
        let mut late = rtp(1, b"late");
        sender.protect_rtp(&mut late, 0).unwrap();
        accept(&mut sender, &mut receiver, 101);
        assert_eq!(receiver.unprotect_rtp(&mut late).is_ok(), late_enough);
    }
}

#[test]
fn only_counter_mode_sends_a_packet_again() {
    let mut first = rtp(7, b"again");
    let (mut sender, _) = pair(Profile::Aes128CmHmacSha1_80);
    sender.protect_rtp(&mut first, 0).unwrap();
    let mut second = rtp(7, b"again");
    sender.protect_rtp(&mut second, 0).unwrap();
    assert_eq!(first, second);

    let (mut sender, _) = pair(Profile::AeadAes128Gcm);
    sender.protect_rtp(&mut rtp(7, b"again"), 0).unwrap();
    let mut again = rtp(7, b"again");
    assert_eq!(sender.protect_rtp(&mut again, 0), Err(ProtectError::Repeated));
    assert_eq!(again, rtp(7, b"again"), "a refused packet is left alone");
}

#[test]
fn what_precedes_the_packet_in_the_buffer_is_left_alone() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut buf = b"before".to_vec();
        buf.extend_from_slice(&rtp(1, b"payload"));
        sender.protect_rtp(&mut buf, 6).unwrap();
        assert_eq!(&buf[..6], b"before");
        assert_eq!(buf.len(), 6 + 19 + sender.rtp_overhead());
        assert_eq!(receiver.unprotect_rtp(&mut buf[6..]).unwrap(), rtp(1, b"payload"));

        let mut buf = b"before".to_vec();
        buf.extend_from_slice(&rtcp(SSRC));
        sender.protect_rtcp(&mut buf, 6).unwrap();
        assert_eq!(buf.len(), 6 + rtcp(SSRC).len() + sender.rtcp_overhead());
        assert_eq!(receiver.unprotect_rtcp(&mut buf[6..]).unwrap(), rtcp(SSRC));
        assert_eq!(sender.protect_rtp(&mut buf, 1_000), Err(ProtectError::Malformed));
    }
}

#[test]
fn csrcs_and_header_extensions_stay_readable() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut plain = vec![0x91, 96, 0, 1, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 9];
        plain.extend_from_slice(&[0xBE, 0xDE, 0, 1, 0x10, 0x55, 0, 0]);
        let clear = plain.len();
        plain.extend_from_slice(b"secret");
        let mut packet = plain.clone();
        sender.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(packet[..clear], plain[..clear]);
        assert_ne!(packet[clear..clear + 6], plain[clear..]);
        assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
    }
}

#[test]
fn the_table_of_sources_is_bounded() {
    let settings = Settings { max_sources: 3, ..Settings::default() };
    let (mut sender, mut receiver) = pair_with(Profile::AeadAes128Gcm, settings);
    for ssrc in [9, 4, 7] {
        let mut packet = rtcp(ssrc);
        sender.protect_rtcp(&mut packet, 0).unwrap();
        receiver.unprotect_rtcp(&mut packet).unwrap();
    }
    assert_eq!(sender.protect_rtcp(&mut rtcp(5), 0), Err(ProtectError::TooManySources));
    let mut other = Context::new(Profile::AeadAes128Gcm, &key(12), &Crypto::default()).unwrap();
    let mut packet = rtcp(5);
    other.protect_rtcp(&mut packet, 0).unwrap();
    assert_eq!(receiver.unprotect_rtcp(&mut packet), Err(UnprotectError::TooManySources));
    let mut packet = rtcp(4);
    sender.protect_rtcp(&mut packet, 0).unwrap();
    assert_eq!(receiver.unprotect_rtcp(&mut packet).unwrap(), rtcp(4));
}

#[test]
fn a_receiver_that_joins_late_is_told_the_rollover_counter() {
    let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
    assert!(sender.set_rollover_counter(rtp::Ssrc(SSRC), 3));
    let mut sealed = rtp(65_000, b"in the fourth cycle");
    sender.protect_rtp(&mut sealed, 0).unwrap();
    assert_eq!(receiver.unprotect_rtp(&mut sealed.clone()), Err(UnprotectError::Authentication));
    assert!(receiver.set_rollover_counter(rtp::Ssrc(SSRC), 3));
    assert!(receiver.unprotect_rtp(&mut sealed).is_ok());
    assert!(!receiver.set_rollover_counter(rtp::Ssrc(SSRC), 4), "it follows the packets now");
}

#[test]
fn a_key_ends_with_its_last_index() {
    let (mut sender, _) = pair(Profile::Aes128CmHmacSha1_80);
    sender.set_rollover_counter(rtp::Ssrc(SSRC), u32::MAX);
    sender.protect_rtp(&mut rtp(65_535, b"last"), 0).unwrap();
    assert_eq!(sender.protect_rtp(&mut rtp(0, b"one more"), 0), Err(ProtectError::KeyExhausted));

    let Ok(slot) = sender.sources.find(SSRC) else { panic!("a known source") };
    sender.sources.get_or_insert(slot, SSRC).rtcp.advance(MAX_RTCP_INDEX);
    assert_eq!(sender.protect_rtcp(&mut rtcp(SSRC), 0), Err(ProtectError::KeyExhausted));
}

#[test]
fn debug_prints_no_key() {
    let (sender, _) = pair(Profile::AeadAes128Gcm);
    assert_eq!(format!("{sender:?}"), "Context { profile: AeadAes128Gcm, sources: 0, .. }");
}

fn accept(sender: &mut Context, receiver: &mut Context, sequence_number: u16) {
    let plain = rtp(sequence_number, b"payload");
    let mut packet = plain.clone();
    sender.protect_rtp(&mut packet, 0).unwrap();
    assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
}

fn pair(profile: Profile) -> (Context, Context) {
    pair_with(profile, Settings::default())
}

fn pair_with(profile: Profile, settings: Settings) -> (Context, Context) {
    let key = MasterKey::new(&vec![7; profile.key_len()], &vec![9; profile.salt_len()]);
    let make = || Context::with_settings(profile, &key, &Crypto::default(), settings).unwrap();
    (make(), make())
}

fn key(salt_len: usize) -> MasterKey {
    MasterKey::new(&[7; 16], &vec![9; salt_len])
}

fn rtp(sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0]);
    packet.extend_from_slice(&SSRC.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet
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
    let key = hex(&vector["key"]);
    let algorithm =
        if key.len() == 16 { AeadAlgorithm::Aes128Gcm } else { AeadAlgorithm::Aes256Gcm };
    let mut salt = Salt::default();
    salt.0[..12].copy_from_slice(&hex(&vector["salt"]));
    Cipher::aead(Crypto::default().packets.aead(algorithm, &key).unwrap(), salt)
}

fn rfc_7714(kind: &str) -> Vec<Value> {
    let all: Value =
        serde_json::from_str(include_str!("../../tests/vectors/srtp-gcm.json")).unwrap();
    let vectors = all["vectors"].as_array().unwrap();
    vectors.iter().filter(|vector| vector["kind"] == kind).cloned().collect()
}

fn array(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

const PROFILES: [Profile; 6] = Profile::ALL;
