//! What somebody on the path can do to packets, and what comes of it: nothing.

use super::*;

#[test]
fn every_changed_bit_is_noticed_and_changes_nothing() {
    for profile in Profile::ALL {
        for (cryptex, mki) in [(Cryptex::Off, &b""[..]), (Cryptex::On, b"\x01\x02")] {
            let settings = Settings { cryptex, ..Settings::default() };
            let key = key(profile).with_mki(mki);
            let make = || Context::with_settings(profile, &key, &Crypto::default(), settings);
            let (mut sender, mut receiver) = (make().unwrap(), make().unwrap());
            let plain = rtp_with_everything(7, b"payload");
            let mut sealed = plain.clone();
            sender.protect_rtp(&mut sealed, 0).unwrap();
            let mut sealed_rtcp = rtcp(SSRC);
            sender.protect_rtcp(&mut sealed_rtcp, 0).unwrap();
            for bit in 0..8 * sealed.len() {
                let packet = &mut flipped(&sealed, bit);
                assert!(receiver.unprotect_rtp(packet).is_err(), "{profile} bit {bit}");
            }
            for bit in 0..8 * sealed_rtcp.len() {
                let packet = &mut flipped(&sealed_rtcp, bit);
                assert!(receiver.unprotect_rtcp(packet).is_err(), "{profile} bit {bit}");
            }
            assert_eq!(receiver.sources(), 0, "a forged packet makes no entry");
            assert_eq!(receiver.unprotect_rtp(&mut sealed).unwrap(), plain);
            assert_eq!(receiver.unprotect_rtcp(&mut sealed_rtcp).unwrap(), rtcp(SSRC));
        }
    }
}

#[test]
fn cut_packets_are_refused() {
    for profile in Profile::ALL {
        for cryptex in [Cryptex::Off, Cryptex::On] {
            let settings = Settings { cryptex, ..Settings::default() };
            let (mut sender, mut receiver) = pair_with(profile, settings);
            for mut sealed in [rtp(7, b""), rtp_with_everything(8, b"payload")] {
                sender.protect_rtp(&mut sealed, 0).unwrap();
                for len in 0..sealed.len() {
                    assert!(receiver.unprotect_rtp(&mut sealed.clone()[..len]).is_err());
                }
            }
            let mut sealed = rtcp(SSRC);
            sender.protect_rtcp(&mut sealed, 0).unwrap();
            for len in 0..sealed.len() {
                assert!(receiver.unprotect_rtcp(&mut sealed.clone()[..len]).is_err());
            }
        }
    }
}

#[test]
fn a_replayed_packet_is_refused() {
    for profile in Profile::ALL {
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
fn a_packet_reflected_to_its_sender_is_refused() {
    for profile in Profile::ALL {
        let material: Vec<u8> = (0..profile.keying_material_len() as u8).collect();
        let keys = SessionKeys::for_client(profile, &material).unwrap();
        let crypto = Crypto::default();
        let mut outbound = Context::new(profile, &keys.local, &crypto).unwrap();
        let mut inbound = Context::new(profile, &keys.remote, &crypto).unwrap();
        let mut sealed = rtp(7, b"mine");
        outbound.protect_rtp(&mut sealed, 0).unwrap();
        assert_eq!(inbound.unprotect_rtp(&mut sealed), Err(UnprotectError::Authentication));
        let mut sealed = rtcp(SSRC);
        outbound.protect_rtcp(&mut sealed, 0).unwrap();
        assert_eq!(inbound.unprotect_rtcp(&mut sealed), Err(UnprotectError::Authentication));
    }
}

#[test]
fn a_packet_of_one_kind_is_not_taken_for_the_other() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        let mut sealed = rtp(7, b"long enough to have an index");
        sender.protect_rtp(&mut sealed, 0).unwrap();
        assert_eq!(receiver.unprotect_rtcp(&mut sealed), Err(UnprotectError::Authentication));
        let mut sealed = rtcp(SSRC);
        sender.protect_rtcp(&mut sealed, 0).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut sealed), Err(UnprotectError::Authentication));
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
fn a_packet_of_another_cycle_is_refused() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        assert!(receiver.set_rollover_counter(Ssrc(SSRC), 1));
        let mut sealed = rtp(7, b"of the first cycle");
        sender.protect_rtp(&mut sealed, 0).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut sealed), Err(UnprotectError::Authentication));
        assert_eq!(receiver.rollover_counter(Ssrc(SSRC)), None);
    }
}

#[test]
fn the_table_of_sources_is_bounded() {
    let profile = Profile::AeadAes128Gcm;
    let settings = Settings { max_sources: 3, ..Settings::default() };
    let (mut sender, mut receiver) = pair_with(profile, settings);
    for ssrc in [9, 4, 7] {
        let mut packet = rtcp(ssrc);
        sender.protect_rtcp(&mut packet, 0).unwrap();
        receiver.unprotect_rtcp(&mut packet).unwrap();
    }
    assert_eq!(sender.protect_rtcp(&mut rtcp(5), 0), Err(ProtectError::TooManySources));
    let mut other = Context::new(profile, &key(profile), &Crypto::default()).unwrap();
    let mut packet = rtcp(5);
    other.protect_rtcp(&mut packet, 0).unwrap();
    assert_eq!(receiver.unprotect_rtcp(&mut packet), Err(UnprotectError::TooManySources));
    let mut packet = rtcp(4);
    sender.protect_rtcp(&mut packet, 0).unwrap();
    assert_eq!(receiver.unprotect_rtcp(&mut packet).unwrap(), rtcp(4));
}

#[test]
fn many_sources_share_a_key() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        for sequence_number in [65_534, 65_535, 0, 1] {
            for source in 0..100 {
                let mut plain = rtp(sequence_number, b"payload");
                plain[8..12].copy_from_slice(&u32::to_be_bytes(source * 0x0123_4567));
                let mut packet = plain.clone();
                sender.protect_rtp(&mut packet, 0).unwrap();
                assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
            }
        }
        assert_eq!(receiver.sources(), 100);
        assert_eq!(receiver.rollover_counter(Ssrc(0)), Some(1));
    }
}

fn flipped(packet: &[u8], bit: usize) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[bit / 8] ^= 1 << (bit % 8);
    packet
}
