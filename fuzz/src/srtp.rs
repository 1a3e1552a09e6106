use dtls_srtp::crypto::Crypto;
use dtls_srtp::srtp::{Context, Cryptex, MasterKey, Profile, ProtectError, Repetition, Settings};

use crate::choices::Choices;

/// Protected RTP packets under a hostile network, and packets that were never protected.
pub fn srtp(bytes: &[u8]) {
    exercise(bytes, 12, Context::protect_rtp, |context, datagram| {
        context.unprotect_rtp(datagram).map(|plain| plain.to_vec()).ok()
    });
}

/// Protected RTCP packets under a hostile network, and packets that were never protected.
pub fn srtcp(bytes: &[u8]) {
    exercise(bytes, 8, Context::protect_rtcp, |context, datagram| {
        context.unprotect_rtcp(datagram).map(|plain| plain.to_vec()).ok()
    });
}

fn exercise(
    bytes: &[u8],
    header_len: usize,
    protect: fn(&mut Context, &mut Vec<u8>, usize) -> Result<(), ProtectError>,
    unprotect: fn(&mut Context, &mut [u8]) -> Option<Vec<u8>>,
) {
    let mut choices = Choices::new(bytes);
    let (mut sender, mut receiver) = contexts(&mut choices);
    while !choices.is_empty() {
        let change = choices.byte();
        sender.send_with(if change & 4 == 0 { FIRST } else { SECOND });
        sender.set_cryptex(cryptex(change >> 3));
        receiver.set_cryptex(cryptex(change >> 5));
        let plain = choices.bytes();
        let mut buf = plain.to_vec();
        if change & 1 == 0 {
            assert_eq!(unprotect(&mut receiver, &mut buf), None, "it has no valid tag");
            continue;
        }
        let left = sender.packets_left();
        if protect(&mut sender, &mut buf, 0).is_err() {
            assert_eq!(buf, plain, "a refused packet is left alone");
            assert_eq!(sender.packets_left(), left);
            continue;
        }
        assert!(plain.len() >= header_len && buf.len() > plain.len());
        if change & 2 != 0 {
            let at = usize::from(choices.u16()) % buf.len();
            let with = choices.byte();
            if let Some(byte) = buf.get_mut(at) {
                *byte ^= with;
            }
            let opened = unprotect(&mut receiver, &mut buf);
            assert!(with == 0 || opened.is_none(), "a changed packet is refused");
        } else {
            let mut copy = buf.clone();
            let sends_cryptex = sender.cryptex() != Cryptex::Off;
            let understands = receiver.cryptex() != Cryptex::Off;
            if let Some(opened) = unprotect(&mut receiver, &mut buf) {
                // Who does not use cryptex may use its profiles for something else.
                let claims_cryptex = plain.windows(2).any(|own| matches!(own, [0xC0 | 0xC2, 0xDE]));
                // Cryptex gives a packet with CSRCs an empty header extension.
                let is_longer = sends_cryptex && opened.len() == plain.len() + 4;
                assert!(
                    opened == plain || is_longer || sends_cryptex && !understands || claims_cryptex
                );
            }
            assert_eq!(unprotect(&mut receiver, &mut copy), None, "a replay is refused");
        }
    }
}

/// Both sides of whatever profile, with or without identifiers of keys.
fn contexts(choices: &mut Choices<'_>) -> (Context, Context) {
    let [profile, options] = [choices.byte(), choices.byte()];
    let profile = Profile::ALL
        .get(usize::from(profile) % Profile::ALL.len())
        .copied()
        .unwrap_or(Profile::AeadAes128Gcm);
    let mut settings = Settings::default();
    settings.max_sources = 4;
    if options & 2 != 0 {
        settings.encrypted_extensions = [1, 3, 20].into_iter().collect();
    }
    if options & 4 != 0 {
        settings.repetition = Repetition::SamePayload;
    }
    let key = |number| {
        MasterKey::new(&vec![number; profile.key_len()], &vec![number; profile.salt_len()])
    };
    let make = || {
        let crypto = Crypto::default();
        let first = if options & 1 == 0 { key(1) } else { key(1).with_mki(FIRST) };
        let mut context = Context::with_settings(profile, &first, &crypto, settings)
            .expect("the lengths are right");
        if options & 1 != 0 {
            context.add_key(&key(2).with_mki(SECOND), &crypto).expect("another identifier");
        }
        context
    };
    (make(), make())
}

const fn cryptex(choice: u8) -> Cryptex {
    match choice & 3 {
        0 => Cryptex::Off,
        1 => Cryptex::Required,
        _ => Cryptex::On,
    }
}

const FIRST: &[u8] = &[0, 1];
const SECOND: &[u8] = &[0, 2];
