//! One seed, twice: the same call.
//!
//! With deterministic cryptography every byte is equal. With the default cryptography a seed repeats
//! everything but key shares, signatures and what they encrypt: times, order and kinds of datagrams
//! are equal, and their lengths but for those of signatures.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::{A, B, Fate, Pair, seeds};
use dtls_srtp::{Certificate, CertificateParameters, Crypto};
use peerless::media::transceiver::TransceiverInit;
use peerless::{Configuration, DataChannelInit, Event, Frame, MediaKind};

/// An ECDSA signature is two integers, whose leading zeros are left out; a handshake's datagram has
/// at most one signature that is fresh.
const SIGNATURE_VARIES: usize = 2 * 2;

/// The default cryptography. The certificate is made once: its signature is a fresh one, too.
fn by_default() -> [Configuration; 2] {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Certificate::generate(&Crypto::default(), CertificateParameters::new(date)).unwrap()
    });
    [(); 2].map(|()| {
        let mut configuration = Configuration::default();
        configuration.certificates = vec![certificate.clone()];
        configuration
    })
}

/// Cryptography that repeats, of its own for each side, which makes its certificate with it.
fn deterministic(seed: u64) -> [Configuration; 2] {
    [2 * seed, 2 * seed + 1].map(|seed| {
        let mut configuration = Configuration::default();
        configuration.crypto = Crypto::deterministic(seed);
        configuration
    })
}

/// When, by whom, what.
type Trace = Vec<(Duration, usize, Vec<u8>)>;

/// A call with loss, media, messages and a restart: what was sent, and what was told.
fn call(seed: u64, [a, b]: [Configuration; 2]) -> (Trace, [Vec<Event>; 2]) {
    let mut pair = Pair::with(a, b, seed as u8);
    pair.trace = Some(Vec::new());
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    pair.fate = Box::new(move |_, _| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        match random % 100 {
            0..5 => Fate::Drop,
            5..8 => Fate::Duplicate,
            8..20 => Fate::Delay(Duration::from_millis(random % 40)),
            _ => Fate::Deliver,
        }
    });
    let now = pair.now;
    let init = DataChannelInit::default();
    let chat = pair.peers[A].create_data_channel(now, "chat", init).unwrap();
    let video =
        pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
    pair.negotiate(A);
    assert!(
        pair.run_until(Duration::from_secs(30), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        })
    );
    for n in 0..30_u32 {
        let now = pair.now;
        if n == 15 {
            pair.peers[B].restart_ice(now);
            pair.negotiate(B);
        }
        let mut frame = vec![n as u8; 3000];
        frame[..10].copy_from_slice(&[0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
        let frame = Frame::new(Bytes::from(frame), n * 3000);
        pair.peers[A].sender(video).unwrap().send_frame(now, frame).unwrap();
        let message = format!("message {n}");
        pair.peers[A].data_channel(chat).unwrap().send(now, message).unwrap();
        pair.run_for(Duration::from_millis(33));
    }
    pair.run_for(Duration::from_secs(10));
    (pair.trace.unwrap(), pair.events)
}

/// The part of a datagram that no fresh key touches.
fn plain(datagram: &[u8]) -> &[u8] {
    match datagram[0] {
        // STUN is all of the seed, its integrity too.
        0..4 => datagram,
        // DTLS 1.3: the flags and the epoch's bits; the sequence number is encrypted.
        32..64 => &datagram[..1],
        // DTLS: type, version, epoch and sequence number of the first record.
        20..32 => &datagram[..11],
        // RTCP: the header and the sender's SSRC; RTP: the fixed header.
        _ if (192..224).contains(&datagram[1]) => &datagram[..8],
        _ => &datagram[..12],
    }
}

#[test]
fn a_seed_repeats_every_byte_with_deterministic_cryptography() {
    for seed in 0..seeds() {
        let (once, told) = call(seed, deterministic(seed));
        let (again, told_again) = call(seed, deterministic(seed));
        for (n, (once, again)) in once.iter().zip(&again).enumerate() {
            assert_eq!(once, again, "seed {seed}, datagram {n}");
        }
        assert_eq!(once.len(), again.len(), "seed {seed}");
        assert_eq!(told, told_again, "seed {seed}");
    }
}

#[test]
fn a_seed_repeats_times_order_and_kinds_of_datagrams() {
    for seed in 0..seeds() {
        let (once, told) = call(seed, by_default());
        let (again, told_again) = call(seed, by_default());
        for (n, (once, again)) in once.iter().zip(&again).enumerate() {
            let place = format!("seed {seed}, datagram {n} at {:?}", once.0);
            assert_eq!((once.0, once.1), (again.0, again.1), "{place}");
            assert_eq!(plain(&once.2), plain(&again.2), "{place}");
            let varies = if matches!(once.2[0], 22 | 32..64) { SIGNATURE_VARIES } else { 0 };
            assert!(once.2.len().abs_diff(again.2.len()) <= varies, "{place}");
        }
        assert_eq!(once.len(), again.len(), "seed {seed}");
        assert_eq!(told, told_again, "seed {seed}");
    }
}

#[test]
fn another_seed_makes_another_call() {
    let (once, _) = call(1, by_default());
    let (another, _) = call(2, by_default());
    assert_ne!(once[0].2, another[0].2);
}
