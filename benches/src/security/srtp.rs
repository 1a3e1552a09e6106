//! SRTP packets, beside the ciphers alone.
//!
//! All contestants of a row are given copies of the same packets in memory. A context takes each
//! of them once, so that there are several contexts, made and warmed up before the time starts.

use std::hint::black_box;

use aes::Aes128;
use ctr::CtrCore;
use ctr::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ctr::flavors::Ctr128BE;
use dtls_srtp::Crypto;
use dtls_srtp::srtp::{Context, MasterKey, Profile};
use hmac::{Hmac, Mac};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;

use super::{Goal, Row, Show};
use crate::measure::{Contestant, Sample, time};

pub(super) fn rows() -> Vec<Row<'static>> {
    let gcm = Profile::AeadAes128Gcm;
    let counter_mode = Profile::Aes128CmHmacSha1_80;
    vec![
        row("SRTP AES-128-GCM, 1200 bytes, protect", gcm, Way::Protect, 1200, 1.10),
        row("SRTP AES-128-GCM, 1200 bytes, unprotect", gcm, Way::Unprotect, 1200, 1.10),
        row("SRTP AES-128-GCM, 160 bytes, protect", gcm, Way::Protect, 160, 1.25),
        row("SRTP AES-128-GCM, 160 bytes, unprotect", gcm, Way::Unprotect, 160, 1.25),
        row(
            "SRTP AES-CM + HMAC-SHA1-80, 1200 bytes, protect",
            counter_mode,
            Way::Protect,
            1200,
            1.05,
        ),
        row(
            "SRTP AES-CM + HMAC-SHA1-80, 1200 bytes, unprotect",
            counter_mode,
            Way::Unprotect,
            1200,
            1.05,
        ),
        row(
            "SRTP AES-CM + HMAC-SHA1-80, 160 bytes, protect",
            counter_mode,
            Way::Protect,
            160,
            1.15,
        ),
        row(
            "SRTP AES-CM + HMAC-SHA1-80, 160 bytes, unprotect",
            counter_mode,
            Way::Unprotect,
            160,
            1.15,
        ),
    ]
}

#[derive(Clone, Copy)]
enum Way {
    Protect,
    Unprotect,
}

fn row(
    name: &'static str,
    profile: Profile,
    way: Way,
    payload_len: usize,
    goal: f64,
) -> Row<'static> {
    let packets = || packets(profile, way, payload_len);
    Row {
        name,
        show: Show::Nanoseconds,
        goal: Some(Goal::AtMost(goal)),
        ours: contest(packets(), move || ours(profile, way)),
        bare: Some(match profile {
            Profile::AeadAes128Gcm => {
                contest(bare_gcm_packets(way, payload_len), move || bare_gcm(way))
            }
            _ => contest(packets(), move || bare_counter_mode(way)),
        }),
        others: vec![
            #[cfg(feature = "security-peers")]
            ("rtc-srtp 0.21", contest(packets(), move || rtc(profile, way))),
            #[cfg(feature = "security-peers")]
            ("webrtc-srtp 0.17", contest(packets(), move || webrtc(profile, way))),
        ],
    }
}

/// What one context does with one packet after the other.
type Work = Box<dyn FnMut(&[u8])>;

/// Packets of one source, in order. They fit the cache: what is compared is the work.
const PACKETS: usize = 128;

/// How often a repetition takes them, each time with another context.
const CONTEXTS: usize = 64;

fn contest(packets: Vec<Vec<u8>>, make: impl Fn() -> Work + 'static) -> Contestant<'static> {
    Box::new(move || {
        let (first, rest) = packets.split_first().expect("there are some");
        let mut contexts: Vec<Work> = (0..CONTEXTS).map(|_| make()).collect();
        // The source is known and the buffer is there.
        contexts.iter_mut().for_each(|work| work(first));
        let (elapsed, allocated, ()) = time(|| {
            for work in &mut contexts {
                rest.iter().for_each(|packet| work(packet));
            }
        });
        let count = (CONTEXTS * rest.len()) as f64;
        Sample { value: elapsed.as_secs_f64() / count, allocations: allocated.count as f64 / count }
    })
}

fn master_key(profile: Profile) -> (Vec<u8>, Vec<u8>) {
    (vec![1; profile.key_len()], vec![2; profile.salt_len()])
}

fn context(profile: Profile) -> Context {
    let (key, salt) = master_key(profile);
    Context::new(profile, &MasterKey::new(&key, &salt), &Crypto::default()).expect("a whole key")
}

/// Plain packets to protect, or protected ones.
fn packets(profile: Profile, way: Way, payload_len: usize) -> Vec<Vec<u8>> {
    let mut sender = context(profile);
    (0..PACKETS as u16)
        .map(|sequence_number| {
            let mut packet = vec![0x80, 96];
            packet.extend_from_slice(&sequence_number.to_be_bytes());
            packet.extend_from_slice(&[0; 8]);
            packet.resize(HEADER_LEN + payload_len, 0x11);
            if let Way::Unprotect = way {
                sender.protect_rtp(&mut packet, 0).expect("a whole packet");
            }
            packet
        })
        .collect()
}

const HEADER_LEN: usize = 12;

fn ours(profile: Profile, way: Way) -> Work {
    let (mut context, mut buf) = (context(profile), Vec::new());
    match way {
        Way::Protect => Box::new(move |packet| {
            copy(packet, &mut buf);
            context.protect_rtp(&mut buf, 0).expect("a whole packet");
            black_box(&buf);
        }),
        Way::Unprotect => Box::new(move |packet| {
            copy(packet, &mut buf);
            black_box(context.unprotect_rtp(&mut buf).expect("it was protected"));
        }),
    }
}

fn copy(packet: &[u8], buf: &mut Vec<u8>) {
    buf.clear();
    buf.extend_from_slice(packet);
}

/// *ring* alone, with a nonce for each packet.
struct Gcm {
    key: LessSafeKey,
    number: u64,
}

impl Gcm {
    fn new() -> Self {
        let key = UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("16 bytes are a key");
        Self { key: LessSafeKey::new(key), number: 0 }
    }

    fn nonce(&mut self) -> Nonce {
        self.number += 1;
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().skip(4).zip(self.number.to_be_bytes()) {
            *to = from;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&mut self, buf: &mut Vec<u8>) {
        let nonce = self.nonce();
        let (header, payload) = buf.split_at_mut(HEADER_LEN);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(header), payload);
        buf.extend_from_slice(tag.expect("the packet is short").as_ref());
    }

    fn open(&mut self, buf: &mut [u8]) {
        let nonce = self.nonce();
        let (header, sealed) = buf.split_at_mut(HEADER_LEN);
        let opened = self.key.open_in_place(nonce, Aad::from(header), sealed);
        black_box(opened.expect("it was sealed"));
    }
}

fn bare_gcm_packets(way: Way, payload_len: usize) -> Vec<Vec<u8>> {
    let mut packets = packets(Profile::AeadAes128Gcm, Way::Protect, payload_len);
    if let Way::Unprotect = way {
        let mut gcm = Gcm::new();
        packets.iter_mut().for_each(|packet| gcm.seal(packet));
    }
    packets
}

fn bare_gcm(way: Way) -> Work {
    let (mut gcm, mut buf) = (Gcm::new(), Vec::new());
    match way {
        Way::Protect => Box::new(move |packet| {
            copy(packet, &mut buf);
            gcm.seal(&mut buf);
            black_box(&buf);
        }),
        Way::Unprotect => Box::new(move |packet| {
            copy(packet, &mut buf);
            gcm.open(&mut buf);
        }),
    }
}

/// RustCrypto alone, with the key schedule and the midstates kept.
fn bare_counter_mode(way: Way) -> Work {
    let aes = Aes128::new(&[7; 16].into());
    let hmac = <Hmac<Sha1> as Mac>::new_from_slice(&[8; 20]).expect("a key of any length");
    let (mut buf, mut number) = (Vec::new(), 0u128);
    let mut counter = move || {
        number += 1;
        (number << 16).to_be_bytes()
    };
    let tag = move |packet: &[u8]| -> [u8; 20] {
        let mut hmac = hmac.clone();
        hmac.update(packet);
        hmac.update(&[0; 4]);
        hmac.finalize().into_bytes().into()
    };
    let encrypt = move |counter: [u8; 16], data: &mut [u8]| {
        CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(&aes, &counter.into())
            .apply_keystream_partial(data.into());
    };
    match way {
        Way::Protect => Box::new(move |packet| {
            copy(packet, &mut buf);
            encrypt(counter(), buf.split_at_mut(HEADER_LEN).1);
            let tag = tag(&buf);
            buf.extend_from_slice(tag.split_at(10).0);
            black_box(&buf);
        }),
        Way::Unprotect => Box::new(move |packet| {
            copy(packet, &mut buf);
            let (plain, sent) = buf.split_at_mut(packet.len() - 10);
            black_box(tag(plain).starts_with(sent));
            encrypt(counter(), plain.split_at_mut(HEADER_LEN).1);
            black_box(&buf);
        }),
    }
}

#[cfg(feature = "security-peers")]
fn rtc(profile: Profile, way: Way) -> Work {
    use rtc_srtp::context::Context;
    use rtc_srtp::protection_profile::ProtectionProfile;
    let (key, salt) = master_key(profile);
    let profile = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        _ => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let provider = rtc_srtp::crypto::default_provider().expect("it comes with one");
    let mut context =
        Context::new(&key, &salt, profile, None, None, provider.crypto()).expect("a whole key");
    match way {
        Way::Protect => Box::new(move |packet| {
            black_box(context.encrypt_rtp(packet).expect("a whole packet"));
        }),
        Way::Unprotect => Box::new(move |packet| {
            black_box(context.decrypt_rtp(packet).expect("it was protected"));
        }),
    }
}

#[cfg(feature = "security-peers")]
fn webrtc(profile: Profile, way: Way) -> Work {
    use webrtc_srtp::context::Context;
    use webrtc_srtp::protection_profile::ProtectionProfile;
    let (key, salt) = master_key(profile);
    let profile = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        _ => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let mut context = Context::new(&key, &salt, profile, None, None).expect("a whole key");
    match way {
        Way::Protect => Box::new(move |packet| {
            black_box(context.encrypt_rtp(packet).expect("a whole packet"));
        }),
        Way::Unprotect => Box::new(move |packet| {
            black_box(context.decrypt_rtp(packet).expect("it was protected"));
        }),
    }
}
