//! Each layer's hot path, by criterion: for comparing a change with what was before it.
#![allow(missing_docs, reason = "criterion's macros make a function without")]

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dtls_srtp::Crypto;
use dtls_srtp::srtp::{Context, MasterKey, Profile};
use peerless_benches::layers::dtls::Stack as _;
use peerless_benches::layers::{dtls, sctp, sdp};
use peerless_benches::measure::start;
use peerless_benches::stacks::Peerless;
use peerless_benches::{bare, work};
use rand::SeedableRng as _;
use rand::rngs::ChaCha20Rng;
use rtp::jitter_buffer::{Arrived, Config, JitterBuffer};
use rtp::payload::h264::PacketizationMode;
use rtp::payload::{CodecInfo, Format, Packetizer};
use rtp::{ClockRate, ExtendedSequenceNumber, PayloadType};
use stun::{Class, Key, Message, MessageWriter, Method, TransactionId};

criterion_group! {
    name = layers;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).sample_size(30);
    targets = descriptions, checks, handshake, packets, payloads, associations, whole
}
criterion_main!(layers);

fn descriptions(c: &mut Criterion) {
    c.bench_function("sdp/read and write an offer", |b| b.iter(sdp::peerless));
}

fn checks(c: &mut Criterion) {
    let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
    let mut buf = Vec::new();
    c.bench_function("stun/write a check", |b| b.iter(|| write_check(&mut buf, &key)));
    write_check(&mut buf, &key);
    c.bench_function("stun/read a check", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(&buf)).expect("it was just written");
            message.check_integrity(&key).expect("it was written with this key");
            (message.username().map(str::len), message.priority(), message.check_fingerprint())
        });
    });
}

fn write_check(buf: &mut Vec<u8>, key: &Key) {
    buf.clear();
    MessageWriter::new(buf, Class::Request, Method::Binding, TransactionId::new([7; 12]))
        .username("evtj:h6vY")
        .priority(1_845_501_695)
        .ice_controlling(0x0102_0304_0506_0708)
        .use_candidate()
        .integrity(key)
        .fingerprint()
        .finish();
}

fn handshake(c: &mut Criterion) {
    let handshake = dtls::Peerless::default();
    let now = start();
    c.bench_function("dtls/handshake, both sides", |b| b.iter(|| drop(handshake.connected(now))));
}

fn packets(c: &mut Criterion) {
    let mut group = c.benchmark_group("srtp");
    group.throughput(Throughput::Elements(1));
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80] {
        let key = MasterKey::new(&vec![1; profile.key_len()], &vec![2; profile.salt_len()]);
        let context = || Context::new(profile, &key, &Crypto::default()).expect("a whole key");
        let protect = || {
            let (mut sender, mut sequence_number) = (context(), 0u16);
            move |buf: &mut Vec<u8>| {
                sequence_number = sequence_number.wrapping_add(1);
                buf.clear();
                buf.extend_from_slice(&[0x80, 96]);
                buf.extend_from_slice(&sequence_number.to_be_bytes());
                buf.extend_from_slice(&[0; 8]);
                buf.resize(12 + 1200, 0x11);
                sender.protect_rtp(buf, 0).expect("a whole packet");
            }
        };
        let mut buf = Vec::new();
        let mut alone = protect();
        group.bench_function(format!("{}, protect 1200 bytes", profile.name()), |b| {
            b.iter(|| alone(&mut buf));
        });
        // A sender of its own, whose every packet the receiver sees: it counts the rollovers.
        let (mut sent, mut receiver) = (protect(), context());
        group.bench_function(format!("{}, protect and unprotect", profile.name()), |b| {
            b.iter(|| {
                sent(&mut buf);
                receiver.unprotect_rtp(&mut buf).expect("it was just protected").len()
            });
        });
    }
    let mut bare = bare::Packets::default();
    let payload = [0x11; 1200];
    group.bench_function("bare AES-128-GCM, seal", |b| b.iter(|| bare.seal(black_box(&payload))));
    group.bench_function("bare AES-128-GCM, seal and open", |b| {
        b.iter(|| bare.media(black_box(&payload)));
    });
}

fn payloads(c: &mut Criterion) {
    let mut group = c.benchmark_group("rtp");
    let mut h264 = vec![0, 0, 0, 1, 0x65];
    h264.resize(12_000, 0x88);
    for (name, format, frame) in [
        ("VP8", Format::Vp8, vec![0x10; 12_000]),
        ("H.264", Format::H264(PacketizationMode::NonInterleaved), h264),
    ] {
        let frame = Bytes::from(frame);
        group.throughput(Throughput::Bytes(frame.len() as u64));
        let mut packetizer = Packetizer::new(format, &mut ChaCha20Rng::from_seed([1; 32]));
        let mut cut = |timestamp| {
            packetizer.packetize(frame.clone(), timestamp, 1150, CodecInfo::None).expect("a frame")
        };
        let mut buf = Vec::new();
        group.bench_function(format!("{name}, cut a frame of 12 kB"), |b| {
            b.iter(|| {
                for fragment in cut(0) {
                    buf.clear();
                    fragment.write_to(&mut buf);
                    black_box(&buf);
                }
            });
        });
        let payloads: Vec<_> = cut(0)
            .map(|fragment| {
                let mut payload = BytesMut::new();
                payload.extend_from_slice(fragment.prefix());
                payload.extend_from_slice(fragment.payload());
                (payload.freeze(), fragment.marker())
            })
            .collect();
        let now = start();
        let mut buffer = JitterBuffer::new(Config::default(), ClockRate::HZ_90000, now);
        let mut sequence_number = 0;
        let mut timestamp = 0u32;
        group.bench_function(format!("{name}, join a frame of 12 kB"), |b| {
            b.iter(|| {
                timestamp = timestamp.wrapping_add(3000);
                for (payload, marker) in &payloads {
                    sequence_number += 1;
                    buffer.insert(
                        now,
                        Arrived {
                            sequence_number: ExtendedSequenceNumber(sequence_number),
                            timestamp,
                            marker: *marker,
                            payload_type: PayloadType::from_low_bits(96),
                            format,
                            payload,
                        },
                    );
                }
                buffer.read_frame(now).expect("the frame is whole").data.len()
            });
        });
    }
    group.finish();
}

fn associations(c: &mut Criterion) {
    for (name, size, messages) in [("64 KiB", 64 << 10, 100), ("100 bytes", 100, 10_000)] {
        let mut group = c.benchmark_group("sctp");
        group.throughput(Throughput::Bytes(size * messages));
        group.bench_function(format!("messages of {name}"), |b| {
            b.iter_batched(
                || (),
                |()| {
                    let checksum = sctp::Checksum::Computed;
                    sctp::throughput::<sctp::Peerless>(checksum, size as usize, messages)
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("peer");
    group.sample_size(10);
    group.bench_function("1000 packets of media, both sides, with connecting", |b| {
        b.iter(|| work::media::<Peerless>(1000));
    });
    group.bench_function("connect a pair", |b| b.iter(|| work::connect::<Peerless>(1)));
    group.bench_function("demultiplex by five-tuple", |b| {
        let (mut demux, path, now) = demux();
        demux.bind_path(path, 1);
        b.iter(|| demux.find(black_box(path), &[0x80; 100]));
        black_box(now);
    });
    group.finish();
}

fn demux() -> (peerless::endpoint::Demux<u32>, peerless::FiveTuple, Instant) {
    let now = start();
    let address = |last, port| SocketAddr::new(Ipv4Addr::new(192, 0, 2, last).into(), port);
    let path = peerless::FiveTuple::udp(address(1, 3478), address(2, 5000));
    let mut demux = peerless::endpoint::Demux::new(now, [3; 32]);
    for port in 0..10_000 {
        demux.bind_path(peerless::FiveTuple::udp(address(1, 3478), address(3, port)), 0);
    }
    (demux, path, now)
}
