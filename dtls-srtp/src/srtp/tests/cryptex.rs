//! RFC 9335, beyond its vectors.

use super::*;

#[test]
fn csrcs_and_elements_are_hidden_and_come_back() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair_with(profile, with(Cryptex::On));
        let plain = rtp_with_everything(1, b"secret");
        let mut packet = plain.clone();
        sender.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(packet[..12], plain[..12]);
        assert_ne!(packet[12..20], plain[12..20], "the CSRCs");
        assert_eq!(packet[20..24], [0xC0, 0xDE, 0, 2]);
        assert_ne!(packet[24..32], plain[24..32], "the elements");
        assert_eq!(packet.len(), plain.len() + sender.rtp_overhead());
        assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
    }
}

#[test]
fn csrcs_without_an_extension_get_an_empty_one() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair_with(profile, with(Cryptex::On));
        let mut packet = b"before".to_vec();
        packet.extend_from_slice(&[0x81, 96, 0, 1, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 9]);
        packet.extend_from_slice(b"secret");
        sender.protect_rtp(&mut packet, 6).unwrap();
        assert_eq!(packet[..7], *b"before\x91");
        assert_eq!(packet[22..26], [0xC0, 0xDE, 0, 0]);
        assert_eq!(packet.len(), 6 + 16 + 6 + sender.rtp_overhead() + 4);

        let opened = receiver.unprotect_rtp(&mut packet[6..]).unwrap();
        let opened = ::rtp::packet::Packet::parse(opened).unwrap();
        assert_eq!(opened.csrcs().collect::<Vec<_>>(), [Ssrc(9)]);
        assert_eq!(opened.extensions().raw(), (0xBEDE, &[][..]));
        assert_eq!(opened.payload(), b"secret");
    }
}

#[test]
fn a_packet_with_neither_looks_the_same_with_and_without() {
    for profile in Profile::ALL {
        let (mut with_it, mut required) = pair_with(profile, with(Cryptex::Required));
        let (mut without, _) = pair(profile);
        let (mut first, mut second) = (rtp(1, b"payload"), rtp(1, b"payload"));
        with_it.protect_rtp(&mut first, 0).unwrap();
        without.protect_rtp(&mut second, 0).unwrap();
        assert_eq!(first, second);
        assert_eq!(required.unprotect_rtp(&mut first).unwrap(), rtp(1, b"payload"));
    }
}

#[test]
fn what_comes_without_it_is_understood_too_unless_it_is_required() {
    for profile in Profile::ALL {
        let (mut sender, _) = pair(profile);
        let plain = rtp_with_everything(1, b"payload");
        let mut packet = plain.clone();
        sender.protect_rtp(&mut packet, 0).unwrap();
        let (_, mut required) = pair_with(profile, with(Cryptex::Required));
        let refused = required.unprotect_rtp(&mut packet.clone()).err();
        assert_eq!(refused, Some(UnprotectError::HeaderInClear));
        let (_, mut receiver) = pair_with(profile, with(Cryptex::On));
        assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
    }
}

#[test]
fn who_did_not_negotiate_it_takes_the_profile_for_an_unknown_one() {
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80] {
        let (mut sender, _) = pair_with(profile, with(Cryptex::On));
        let mut packet = rtp_with_everything(1, b"payload");
        sender.protect_rtp(&mut packet, 0).unwrap();
        let (_, mut receiver) = pair(profile);
        // With GCM the elements are associated data for one side and contents for the other.
        match receiver.unprotect_rtp(&mut packet) {
            Ok(opened) => assert_eq!(opened[20..22], [0xC0, 0xDE]),
            Err(error) => assert_eq!(error, UnprotectError::Authentication),
        }
    }
}

#[test]
fn it_is_not_used_with_header_extensions_of_another_kind() {
    // "This mechanism MUST NOT be used with header extensions other than the variety described in
    // [RFC8285]"; the "appbits" of 0x1001 have no room in 0xC2DE.
    for extension in [0xABCD_u16, 0x1001] {
        let mut plain = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE];
        plain.extend_from_slice(&extension.to_be_bytes());
        plain.extend_from_slice(&[0, 1, 1, 2, 3, 4]);
        plain.extend_from_slice(b"payload");
        let (mut sender, mut receiver) = pair_with(Profile::AeadAes128Gcm, with(Cryptex::On));
        let mut packet = plain.clone();
        sender.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(packet[..20], plain[..20]);
        assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);

        let (mut sender, _) = pair_with(Profile::AeadAes128Gcm, with(Cryptex::Required));
        let mut packet = plain.clone();
        assert_eq!(sender.protect_rtp(&mut packet, 0), Err(ProtectError::HeaderInClear));
        assert_eq!(packet, plain, "a refused packet is left alone");
    }
}

#[test]
fn it_can_be_turned_on_in_the_middle_of_a_stream() {
    let (mut sender, mut receiver) = pair_with(Profile::AeadAes256Gcm, with(Cryptex::Off));
    receiver.set_cryptex(Cryptex::On);
    for (sequence_number, cryptex) in [(1, Cryptex::Off), (2, Cryptex::On), (3, Cryptex::Off)] {
        sender.set_cryptex(cryptex);
        let plain = rtp_with_everything(sequence_number, b"payload");
        let mut packet = plain.clone();
        sender.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(packet[20] == 0xC0, sender.cryptex() == Cryptex::On);
        assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
    }
}

#[test]
fn a_packet_is_encrypted_by_it_or_by_rfc_6904_never_by_both() {
    let ids: ExtensionIds = [1, 2].into_iter().collect();
    let settings = Settings { encrypted_extensions: ids, ..with(Cryptex::On) };
    for profile in Profile::ALL {
        let (mut both, mut receiver) = pair_with(profile, settings);
        let (mut cryptex_only, _) = pair_with(profile, with(Cryptex::On));
        let plain = rtp_with_everything(1, b"payload");
        let (mut first, mut second) = (plain.clone(), plain.clone());
        both.protect_rtp(&mut first, 0).unwrap();
        cryptex_only.protect_rtp(&mut second, 0).unwrap();
        assert_eq!(first, second);
        assert_eq!(receiver.unprotect_rtp(&mut first).unwrap(), plain);

        // Either one can be used for any given packet.
        both.set_cryptex(Cryptex::Off);
        let plain = rtp_with_everything(2, b"payload");
        let mut packet = plain.clone();
        both.protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(packet[20..22], [0xBE, 0xDE]);
        assert_ne!(packet[24..32], plain[24..32]);
        assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
    }
}

#[test]
fn what_would_be_taken_for_encrypted_is_not_sent() {
    for extension in [[0xC0, 0xDE], [0xC2, 0xDE]] {
        let mut plain = rtp_with_everything(1, b"payload");
        plain[20..22].copy_from_slice(&extension);
        let (mut sender, _) = pair_with(Profile::AeadAes128Gcm, with(Cryptex::On));
        assert_eq!(sender.protect_rtp(&mut plain, 0), Err(ProtectError::HeaderInClear));
    }
}

fn with(cryptex: Cryptex) -> Settings {
    Settings { cryptex, ..Settings::default() }
}
