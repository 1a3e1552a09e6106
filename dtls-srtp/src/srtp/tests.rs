mod attacks;
mod cryptex;
mod extension;
mod keys;
mod vectors;

use serde_json::Value;

use super::*;

const SSRC: u32 = 0xCAFE_BABE;

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
fn no_replay_window_is_longer_than_sequence_numbers_reach() {
    let (replay_window, rtcp_replay_window) = (usize::MAX, usize::MAX);
    let settings = Settings { replay_window, rtcp_replay_window, ..Settings::default() };
    let (mut sender, mut receiver) = pair_with(Profile::AeadAes128Gcm, settings);
    let mut late = rtp(1, b"late");
    sender.protect_rtp(&mut late, 0).unwrap();
    accept(&mut sender, &mut receiver, 30_001);
    assert_eq!(receiver.unprotect_rtp(&mut late).unwrap(), rtp(1, b"late"));
    let mut sealed = rtcp(SSRC);
    sender.protect_rtcp(&mut sealed, 0).unwrap();
    assert_eq!(receiver.unprotect_rtcp(&mut sealed).unwrap(), rtcp(SSRC));
}

/// Whether `sender` protects a packet with the sequence number 7 for the second time.
fn repeats(sender: &mut Context) -> bool {
    let left = sender.packets_left();
    let mut again = rtp(7, b"other bytes");
    let result = sender.protect_rtp(&mut again, 0);
    if let Err(error) = result {
        assert_eq!(error, ProtectError::Repeated);
        assert_eq!(again, rtp(7, b"other bytes"), "a refused packet is left alone");
        assert_eq!(sender.packets_left(), left);
    }
    result.is_ok()
}

#[test]
fn no_keystream_hides_two_packets() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        for sequence_number in [7, 8, 300, 299] {
            accept(&mut sender, &mut receiver, sequence_number);
            assert!(!repeats(&mut sender), "{profile}");
        }
        // What is too old to know is refused as well.
        accept(&mut sender, &mut receiver, 1100);
        assert!(!repeats(&mut sender), "{profile}");
        assert_eq!(sender.protect_rtp(&mut rtp(9, b"late"), 0), Err(ProtectError::Repeated));
        accept(&mut sender, &mut receiver, 90);
    }
}

#[test]
fn only_counter_mode_sends_a_packet_again_and_only_if_it_may() {
    let allowed = || Settings { repetition: Repetition::SamePayload, ..Settings::default() };
    for profile in Profile::ALL {
        let counter_mode = !profile.name().starts_with("AEAD");
        let (mut sender, mut receiver) = pair_with(profile, allowed());
        let mut first = rtp(7, b"again");
        sender.protect_rtp(&mut first, 0).unwrap();
        let mut second = rtp(7, b"again");
        let again = sender.protect_rtp(&mut second, 0);
        assert_eq!(again.is_ok(), counter_mode, "{profile}");
        assert!(!counter_mode || first == second);
        // However old it is, and what was left out stays new.
        accept(&mut sender, &mut receiver, 1100);
        assert_eq!(repeats(&mut sender), counter_mode);
        accept(&mut sender, &mut receiver, 7 + 1024);

        // Where headers are encrypted, they change.
        for cryptex in [Cryptex::On, Cryptex::Required] {
            let (mut sender, _) = pair_with(profile, Settings { cryptex, ..allowed() });
            sender.protect_rtp(&mut rtp(7, b"again"), 0).unwrap();
            assert!(!repeats(&mut sender), "{profile} {cryptex:?}");
            // And they have, if it ends.
            let (mut sender, _) = pair_with(profile, allowed());
            sender.set_cryptex(cryptex);
            sender.protect_rtp(&mut rtp(7, b"again"), 0).unwrap();
            sender.set_cryptex(Cryptex::Off);
            assert!(!repeats(&mut sender), "{profile} {cryptex:?}");
        }
        let encrypted_extensions = [1].into_iter().collect();
        let (mut sender, _) = pair_with(profile, Settings { encrypted_extensions, ..allowed() });
        sender.protect_rtp(&mut rtp(7, b"again"), 0).unwrap();
        assert!(!repeats(&mut sender), "{profile}");
    }
}

#[test]
fn what_precedes_the_packet_in_the_buffer_is_left_alone() {
    for profile in Profile::ALL {
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
    for profile in Profile::ALL {
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
fn a_receiver_that_joins_late_is_told_the_rollover_counter() {
    let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
    assert!(sender.set_rollover_counter(Ssrc(SSRC), 3));
    let mut sealed = rtp(65_000, b"in the fourth cycle");
    sender.protect_rtp(&mut sealed, 0).unwrap();
    assert_eq!(receiver.unprotect_rtp(&mut sealed.clone()), Err(UnprotectError::Authentication));
    // It has heard the sender's reports, and was told something else at first.
    let mut report = rtcp(SSRC);
    sender.protect_rtcp(&mut report, 0).unwrap();
    receiver.unprotect_rtcp(&mut report).unwrap();
    assert!(receiver.set_rollover_counter(Ssrc(SSRC), 2));
    assert!(receiver.set_rollover_counter(Ssrc(SSRC), 3));
    assert!(receiver.unprotect_rtp(&mut sealed).is_ok());
    assert!(!receiver.set_rollover_counter(Ssrc(SSRC), 4), "it follows the packets now");
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
    let crypto = Crypto::default();
    let make = || Context::with_settings(profile, &key(profile), &crypto, settings).unwrap();
    (make(), make())
}

fn key(profile: Profile) -> MasterKey {
    MasterKey::new(&vec![7; profile.key_len()], &vec![9; profile.salt_len()])
}

fn rtp(sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0]);
    packet.extend_from_slice(&SSRC.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// A packet with two CSRCs and two elements of header extension.
fn rtp_with_everything(sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = rtp(sequence_number, &[0, 0, 0, 9, 0, 0, 0, 10]);
    packet[0] = 0x92;
    packet.extend_from_slice(&[0xBE, 0xDE, 0, 2, 0x10, 0x55, 0x23, 1, 2, 3, 4, 0]);
    packet.extend_from_slice(payload);
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
