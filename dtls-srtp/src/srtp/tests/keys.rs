//! Master keys: how long they last, and how several are told apart.

use super::*;
use crate::crypto::KeyError;

#[test]
fn the_mki_stands_where_the_standards_put_it() {
    for profile in Profile::ALL {
        let key = key(profile).with_mki(b"mki");
        let mut sender = Context::new(profile, &key, &Crypto::default()).unwrap();
        let is_aead = matches!(profile, Profile::AeadAes128Gcm | Profile::AeadAes256Gcm);
        let place = |packet: &[u8], tag_len: usize| {
            let end = packet.len() - if is_aead { 0 } else { tag_len };
            packet[end - 3..end].to_vec()
        };
        let mut packet = rtp(1, b"payload");
        sender.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(place(&packet, profile.rtp_tag_len()), b"mki");
        assert_eq!(packet.len(), 19 + sender.rtp_overhead());
        let mut packet = rtcp(SSRC);
        let len = packet.len();
        sender.protect_rtcp(&mut packet, 0).unwrap();
        assert_eq!(place(&packet, profile.rtcp_tag_len()), b"mki");
        assert_eq!(packet.len(), len + sender.rtcp_overhead());
    }
}

#[test]
fn a_packet_says_which_key_it_is_under() {
    for profile in Profile::ALL {
        let crypto = Crypto::default();
        let keys = [1u8, 2, 3].map(|number| {
            let key =
                MasterKey::new(&vec![number; profile.key_len()], &vec![number; profile.salt_len()]);
            key.with_mki(&[number, 0])
        });
        let make = || {
            let mut context = Context::new(profile, &keys[0], &crypto).unwrap();
            context.add_key(&keys[1], &crypto).unwrap();
            context
        };
        let (mut sender, mut receiver) = (make(), make());
        accept(&mut sender, &mut receiver, 65_535);
        assert!(sender.send_with(&[2, 0]));
        // The rollover counter goes on under the second key.
        accept(&mut sender, &mut receiver, 0);
        let mut old = rtp(65_534, b"late, under the first");
        assert!(sender.send_with(&[1, 0]));
        sender.protect_rtp(&mut old, 0).unwrap();
        receiver.unprotect_rtp(&mut old).unwrap();
        let mut packet = rtcp(SSRC);
        sender.protect_rtcp(&mut packet, 0).unwrap();
        assert_eq!(receiver.unprotect_rtcp(&mut packet).unwrap(), rtcp(SSRC));

        // The first is forgotten once the second is used, and a third is unknown.
        assert!(!receiver.remove_key(&[1, 0]), "it is the one that would be sent with");
        assert!(receiver.send_with(&[2, 0]) && receiver.remove_key(&[1, 0]));
        let mut packet = rtp(1, b"under the first");
        sender.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut packet), Err(UnprotectError::UnknownMasterKey));
        assert!(!sender.send_with(&[3, 0]));
        sender.add_key(&keys[2], &crypto).unwrap();
        assert!(sender.send_with(&[3, 0]));
        let mut packet = rtp(2, b"under the third");
        sender.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut packet), Err(UnprotectError::UnknownMasterKey));
    }
}

#[test]
fn keys_that_could_not_be_told_apart_are_refused() {
    let (profile, crypto) = (Profile::AeadAes128Gcm, Crypto::default());
    let mut context = Context::new(profile, &key(profile).with_mki(&[1]), &crypto).unwrap();
    assert_eq!(
        context.add_key(&key(profile), &crypto),
        Err(AddKeyError::MkiLength { actual: 0, expected: 1 })
    );
    assert_eq!(context.add_key(&key(profile).with_mki(&[1]), &crypto), Err(AddKeyError::Known));
    assert_eq!(
        context.add_key(&key(Profile::Aes128CmHmacSha1_80).with_mki(&[2]), &crypto),
        Err(AddKeyError::Key(KeyError::Length { actual: 14, expected: 12 }))
    );
    let mut context = Context::new(profile, &key(profile), &crypto).unwrap();
    assert_eq!(context.add_key(&key(profile), &crypto), Err(AddKeyError::Known));
}

#[test]
fn a_key_ends_with_its_last_index() {
    for profile in Profile::ALL {
        let (mut sender, _) = pair(profile);
        sender.set_rollover_counter(Ssrc(SSRC), u32::MAX);
        sender.protect_rtp(&mut rtp(65_535, b"last"), 0).unwrap();
        let one_more = sender.protect_rtp(&mut rtp(0, b"one more"), 0);
        assert_eq!(one_more, Err(ProtectError::KeyExhausted));

        let mut fresh = None;
        let Ok(source) = sender.sources.find(SSRC, &mut fresh) else { panic!("a known source") };
        source.rtcp.advance(MAX_RTCP_INDEX);
        assert_eq!(sender.protect_rtcp(&mut rtcp(SSRC), 0), Err(ProtectError::KeyExhausted));
    }
}

#[test]
fn a_key_lasts_as_long_as_the_settings_say_and_tells_before_its_end() {
    let settings =
        Settings { max_rtp_packets: Some(32), max_rtcp_packets: Some(3), ..Settings::default() };
    let profile = Profile::Aes256CmHmacSha1_32;
    let crypto = Crypto::default();
    let first = key(profile).with_mki(&[1]);
    let mut sender = Context::with_settings(profile, &first, &crypto, settings).unwrap();
    for sequence_number in 0..32 {
        assert_eq!(sender.needs_new_key(), sequence_number == 31);
        sender.protect_rtp(&mut rtp(sequence_number, b"payload"), 0).unwrap();
    }
    assert_eq!(sender.packets_left(), PacketsLeft { rtp: 0, rtcp: 3 });
    let mut packet = rtp(32, b"payload");
    assert_eq!(sender.protect_rtp(&mut packet, 0), Err(ProtectError::KeyExhausted));
    assert_eq!(packet, rtp(32, b"payload"), "a refused packet is left alone");
    // Whichever occurs before.
    assert_eq!(sender.protect_rtcp(&mut rtcp(SSRC), 0), Err(ProtectError::KeyExhausted));

    let second = MasterKey::new(&[3; 32], &[4; 14]).with_mki(&[2]);
    sender.add_key(&second, &crypto).unwrap();
    assert!(sender.send_with(&[2]) && !sender.needs_new_key());
    sender.protect_rtp(&mut packet, 0).unwrap();
    assert_eq!(sender.packets_left(), PacketsLeft { rtp: 31, rtcp: 3 });
    for _ in 0..3 {
        assert!(!sender.needs_new_key());
        sender.protect_rtcp(&mut rtcp(SSRC), 0).unwrap();
    }
    assert!(sender.needs_new_key());
    let again = sender.protect_rtp(&mut rtp(33, b"payload"), 0);
    assert_eq!(again, Err(ProtectError::KeyExhausted));
}

#[test]
fn no_setting_makes_a_key_last_longer_than_the_standard_allows() {
    let settings = Settings {
        max_rtp_packets: Some(u64::MAX),
        max_rtcp_packets: Some(u64::MAX),
        ..Settings::default()
    };
    for profile in Profile::ALL {
        let (sender, _) = pair_with(profile, settings);
        let rtp = if profile.name().starts_with("AES_256_CM") { 1 << 31 } else { 1 << 48 };
        assert_eq!(sender.packets_left(), PacketsLeft { rtp, rtcp: 1 << 31 });
    }
}
