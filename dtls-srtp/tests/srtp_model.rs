//! SRTP under loss, reordering, duplication and forgery, across many rollovers, compared with a
//! receiver that simply remembers every index.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use peerless_dtls_srtp::{
    crypto::Crypto,
    srtp::{Context, Cryptex, MasterKey, Profile, Settings, UnprotectError},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha20Rng};

const WINDOW: u64 = 128;

#[test]
fn packets_are_accepted_once_and_in_any_order_across_rollovers() {
    for seed in 0..seeds() {
        let mut rng = ChaCha20Rng::from_seed([seed as u8; 32]);
        for profile in Profile::ALL {
            call(profile, &mut rng, seed);
        }
    }
}

fn call(profile: Profile, rng: &mut ChaCha20Rng, seed: u64) {
    let mut settings = Settings::default();
    settings.replay_window = WINDOW as usize;
    settings.encrypted_extensions = [1].into_iter().collect();
    let key = MasterKey::new(&vec![1; profile.key_len()], &vec![2; profile.salt_len()]);
    let crypto = Crypto::default();
    let mut sender = Context::with_settings(profile, &key, &crypto, settings).unwrap();
    let mut receiver = Context::with_settings(profile, &key, &crypto, settings).unwrap();

    let mut next: BTreeMap<u32, u64> =
        (0..3).map(|ssrc| (ssrc, rng.random_range(0..0x8000))).collect();
    let mut seen: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
    let mut network: Vec<(u32, u64, Vec<u8>)> = Vec::new();
    for step in 0..4_000 {
        // A source jumps ahead at times, by less than half a cycle: what it left out is lost.
        let ssrc = rng.random_range(0..3);
        let index = next.get_mut(&ssrc).unwrap();
        *index += if rng.random_ratio(1, 20) { rng.random_range(1..0x3000) } else { 1 };
        let mut packet = rtp(ssrc, *index);
        // Each packet by itself is encrypted so or so, and says it.
        receiver.set_cryptex(Cryptex::On);
        sender.set_cryptex(if rng.random() { Cryptex::On } else { Cryptex::Off });
        sender.protect_rtp(&mut packet, 0).unwrap();
        if !rng.random_ratio(1, 10) {
            network.push((ssrc, *index, packet.clone()));
        }
        if rng.random_ratio(1, 10) {
            network.push((ssrc, *index, packet));
        }
        while network.len() > 8 {
            let (ssrc, index, mut packet) = network.swap_remove(rng.random_range(0..network.len()));
            if rng.random_ratio(1, 50) {
                let mut forged = packet.clone();
                let at = rng.random_range(0..forged.len());
                if let Some(byte) = forged.get_mut(at) {
                    *byte ^= 1 << rng.random_range(0..8);
                }
                assert!(receiver.unprotect_rtp(&mut forged).is_err(), "seed {seed} step {step}");
            }
            let seen = seen.entry(ssrc).or_default();
            let newest = seen.last().copied();
            let expected = match newest {
                Some(newest) if index + WINDOW <= newest => Err(UnprotectError::TooOld),
                _ if seen.contains(&index) => Err(UnprotectError::Replayed),
                _ => Ok(()),
            };
            let result = receiver.unprotect_rtp(&mut packet).map(|plain| plain.to_vec());
            // What is older than half a cycle is taken for a packet ahead, whose tag is wrong.
            match (&result, expected) {
                (Ok(plain), Ok(())) => assert_eq!(*plain, rtp(ssrc, index)),
                (Err(UnprotectError::Authentication), Err(UnprotectError::TooOld)) => {}
                // And what is ahead by more than that for an old one (RFC 3711 §3.3.1).
                (Err(_), Ok(())) if newest.is_some_and(|newest| index > newest + 0x7FFF) => {}
                (result, expected) => assert_eq!(
                    result.as_ref().err(),
                    expected.as_ref().err(),
                    "seed {seed} step {step} {profile} index {index} newest {newest:?}"
                ),
            }
            if result.is_ok() {
                seen.insert(index);
            }
        }
    }
    let rollovers: u64 = next.values().map(|index| index >> 16).sum();
    assert!(rollovers >= 3, "seed {seed}: the test is about rollovers, there were {rollovers}");
}

/// The index tells what is in the packet: CSRCs and header extensions of either form, or not.
fn rtp(ssrc: u32, index: u64) -> Vec<u8> {
    let (csrcs, extension): (u8, &[u8]) = match index % 5 {
        0 => (0, &[]),
        1 => (0, &[0xBE, 0xDE, 0, 1, 0x11, 1, 2, 0]),
        2 => (3, &[0xBE, 0xDE, 0, 1, 0x10, 1, 0x20, 2]),
        3 => (15, &[0x10, 0, 0, 2, 1, 3, 1, 2, 3, 2, 1, 9]),
        _ => (1, &[0x10, 0, 0, 0]),
    };
    let mut packet = vec![0x80 | u8::from(!extension.is_empty()) << 4 | csrcs, 96];
    packet.extend_from_slice(&(index as u16).to_be_bytes());
    packet.extend_from_slice(&(index as u32).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.resize(12 + 4 * usize::from(csrcs), 3);
    packet.extend_from_slice(extension);
    packet.extend_from_slice(&index.to_be_bytes());
    packet
}

#[expect(clippy::disallowed_methods, reason = "the number of seeds is the test runner's choice")]
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}
