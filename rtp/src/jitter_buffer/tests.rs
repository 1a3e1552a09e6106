use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::ChaCha20Rng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::blocks::Blocks;
use super::*;
use crate::payload::h264::PacketizationMode;
use crate::payload::{CodecInfo, Packetizer};
use crate::{ExtendedSequenceNumber, PayloadType};

const MS: Duration = Duration::from_millis(1);
const H264: Format = Format::H264(PacketizationMode::NonInterleaved);

#[test]
fn frames_come_out_as_soon_as_they_are_whole() {
    let mut stream = Stream::new(Format::Vp8);
    let mut buffer = stream.buffer();
    let packets = stream.frame(key(3000));

    for packet in &packets[..2] {
        buffer.insert(stream.now, packet.arrived());
        assert!(!buffer.is_readable());
    }
    buffer.insert(stream.now + 5 * MS, packets[2].arrived());
    let frame = buffer.read_frame(stream.now + 7 * MS).unwrap();

    assert_eq!(frame.data, key(3000));
    assert!(frame.key_frame);
    assert!(!frame.discontinuity);
    assert_eq!(frame.packets, 3);
    assert_eq!(frame.last_arrival - frame.first_arrival, 5 * MS);
    assert_eq!(buffer.stats().jitter_buffer_delay, 7 * MS);
    assert_eq!(buffer.poll_timeout(), None);
}

#[test]
fn packets_in_any_order_give_frames_in_order() {
    for seed in 0..seeds() {
        for format in [Format::Vp8, H264, Format::Opus] {
            let mut random = ChaCha20Rng::seed_from_u64(seed);
            let mut stream = Stream::new(format);
            let mut buffer = stream.buffer();
            let frames: Vec<_> = (0..20).map(|i| sample(format, i, &mut random)).collect();
            let mut packets: Vec<_> =
                frames.iter().flat_map(|frame| stream.frame(frame.clone())).collect();
            // Nothing tells that there was a packet before the first one.
            for window in packets[1..].chunks_mut(8) {
                window.shuffle(&mut random);
            }
            let mut read = Vec::new();
            for packet in &packets {
                buffer.insert(stream.now, packet.arrived());
                if random.random() {
                    read.extend(buffer.read_frame(stream.now));
                }
                if random.random() {
                    buffer.insert(stream.now, packet.arrived());
                }
            }
            while let Some(frame) = buffer.read_frame(stream.now) {
                read.push(frame);
            }
            let read: Vec<_> = read.into_iter().map(|frame| frame.data).collect();
            assert!(read == frames, "seed {seed} {format:?}");
        }
    }
}

#[test]
fn a_missing_packet_is_given_up_at_the_deadline_and_a_key_frame_is_needed() {
    let mut stream = Stream::new(Format::Vp8);
    let mut buffer = stream.buffer();
    stream.deliver(&mut buffer, key(100), |_| true);
    assert!(buffer.read_frame(stream.now).is_some());

    stream.deliver(&mut buffer, delta(3000), |index| index != 1);
    let deadline = buffer.poll_timeout().unwrap();
    assert_eq!(deadline, stream.now + buffer.wait());
    buffer.handle_timeout(deadline - MS);
    assert_eq!(buffer.poll_timeout(), Some(deadline));
    assert!(!buffer.needs_key_frame());
    buffer.handle_timeout(deadline);
    assert_eq!(buffer.poll_timeout(), None);
    assert!(buffer.needs_key_frame());

    stream.deliver(&mut buffer, delta(500), |_| true);
    assert!(buffer.read_frame(deadline).is_none());
    stream.deliver(&mut buffer, key(2000), |index| index == 0);
    assert!(!buffer.needs_key_frame(), "one is on its way");
    stream.deliver(&mut buffer, key(500), |_| true);
    let frame = buffer.read_frame(deadline).unwrap();
    assert_eq!(frame.data, key(500), "the newest key frame is not held up by the one before it");
    assert!(frame.discontinuity);
    stream.deliver(&mut buffer, delta(500), |_| true);
    assert!(!buffer.read_frame(deadline).unwrap().discontinuity);
    assert_eq!(buffer.stats().frames_dropped, 2);
}

#[test]
fn a_packet_that_comes_again_in_time_repairs_the_frame() {
    for format in [Format::Vp8, H264] {
        let mut stream = Stream::new(format);
        let frames = [first(format, 3000), rest(format, 2000), rest(format, 100)];
        let packets: Vec<_> = frames.iter().flat_map(|frame| stream.frame(frame.clone())).collect();
        for missing in 0..packets.len() {
            let mut buffer = stream.buffer();
            for (index, packet) in packets.iter().enumerate() {
                if index != missing {
                    buffer.insert(stream.now, packet.arrived());
                }
            }
            buffer.insert(stream.now + 15 * MS, packets[missing].arrived());
            let mut read = Vec::new();
            while let Some(frame) = buffer.read_frame(stream.now + 15 * MS) {
                assert!(!frame.discontinuity);
                read.push(frame.data);
            }
            assert!(read == frames, "{format:?}, packet {missing}");
        }
    }
}

#[test]
fn the_wait_follows_jitter_and_round_trip_time_within_its_bounds() {
    let mut stream = Stream::new(Format::Opus);
    let mut buffer = stream.buffer();
    assert_eq!(buffer.wait(), 20 * MS);
    buffer.set_retransmission(true);
    assert_eq!(buffer.wait(), 1000 * MS, "the bound as long as nothing is known");
    buffer.set_round_trip_time(40 * MS);
    assert_eq!(buffer.wait(), 160 * MS);
    buffer.set_round_trip_time(400 * MS);
    assert_eq!(buffer.wait(), 1000 * MS);

    buffer.set_retransmission(false);
    for i in 0..200 {
        let packet = stream.frame(Bytes::from_static(b"\xf8opus"));
        stream.now += if i % 2 == 0 { 10 * MS } else { 30 * MS };
        buffer.insert(stream.now, packet[0].arrived());
        assert!(buffer.read_frame(stream.now).is_some());
    }
    let jitter = buffer.stats().jitter;
    assert!((9 * MS..=10 * MS).contains(&jitter), "{jitter:?}");
    assert_eq!(buffer.wait(), 20 * MS + 4 * jitter);
}

#[test]
fn a_new_round_trip_time_moves_the_deadline() {
    let mut stream = Stream::new(Format::Vp8);
    let mut buffer = stream.buffer();
    buffer.set_retransmission(true);
    stream.deliver(&mut buffer, key(3000), |index| index != 1);
    assert_eq!(buffer.poll_timeout(), Some(stream.now + 1000 * MS));
    buffer.set_round_trip_time(20 * MS);
    assert_eq!(buffer.poll_timeout(), Some(stream.now + 90 * MS));
}

#[test]
fn frames_end_without_a_marker_when_the_next_begins() {
    for format in [Format::Vp8, H264] {
        let mut stream = Stream::new(format);
        let mut buffer = stream.buffer();
        for packet in stream.frame(first(format, 3000)) {
            buffer.insert(stream.now, Arrived { marker: false, ..packet.arrived() });
        }
        assert!(!buffer.is_readable());
        let next = stream.frame(rest(format, 3000));
        buffer.insert(stream.now, Arrived { marker: false, ..next[0].arrived() });
        assert_eq!(buffer.read_frame(stream.now).unwrap().data, first(format, 3000), "{format:?}");
    }
}

#[test]
fn vp8_frames_of_one_timestamp_are_told_apart_by_their_headers() {
    let mut stream = Stream::new(Format::Vp8);
    let mut buffer = stream.buffer();
    for frame in [key(100), delta(200), delta(300)] {
        for packet in stream.frame(frame) {
            let arrived = Arrived { marker: false, timestamp: 7, ..packet.arrived() };
            buffer.insert(stream.now, arrived);
        }
    }
    assert_eq!(buffer.read_frame(stream.now).unwrap().data, key(100));
    assert_eq!(buffer.read_frame(stream.now).unwrap().data, delta(200));
}

#[test]
fn padding_fills_its_place_between_frames() {
    let mut stream = Stream::new(Format::Vp8);
    let mut buffer = stream.buffer();
    let first = stream.frame(key(100));
    let padding = Arrived { payload: &[], marker: false, ..first[0].arrived() };
    buffer.insert(stream.now, first[0].arrived());
    for _ in 0..3 {
        let sequence_number = ExtendedSequenceNumber(stream.next);
        stream.next += 1;
        buffer.insert(stream.now, Arrived { sequence_number, ..padding });
    }
    stream.deliver(&mut buffer, delta(100), |_| true);
    assert_eq!(buffer.read_frame(stream.now).unwrap().data, key(100));
    assert_eq!(buffer.read_frame(stream.now).unwrap().data, delta(100));
}

#[test]
fn duplicates_late_and_malformed_packets_are_counted() {
    let mut stream = Stream::new(Format::Vp8);
    let mut buffer = stream.buffer();
    let packets = stream.frame(key(3000));
    assert_eq!(buffer.insert(stream.now, packets[0].arrived()), Outcome::Accepted);
    assert_eq!(buffer.insert(stream.now, packets[0].arrived()), Outcome::Duplicate);
    buffer.insert(stream.now, packets[1].arrived());
    buffer.insert(stream.now, packets[2].arrived());
    assert!(buffer.read_frame(stream.now).is_some());
    assert_eq!(buffer.insert(stream.now, packets[1].arrived()), Outcome::Late);
    let malformed = Arrived { payload: &[0x80], ..stream.frame(delta(10))[0].clone().arrived() };
    assert_eq!(buffer.insert(stream.now, malformed), Outcome::Malformed);
    let stats = buffer.stats();
    assert_eq!((stats.packets_duplicate, stats.packets_late), (1, 1));
    assert_eq!((stats.packets_malformed, stats.packets_received), (1, 6));
}

#[test]
fn audio_goes_on_behind_a_loss() {
    let mut stream = Stream::new(Format::Opus);
    let mut buffer = stream.buffer();
    let packets: Vec<_> = (0..5u8).flat_map(|i| stream.frame(vec![0xf8, i].into())).collect();
    for index in [0, 1, 3, 4] {
        buffer.insert(stream.now, packets[index].arrived());
    }
    let mut read = Vec::new();
    let deadline = stream.now + buffer.wait();
    for now in [stream.now, deadline] {
        while let Some(frame) = buffer.read_frame(now) {
            read.push((frame.data[1], frame.discontinuity));
        }
        buffer.handle_timeout(deadline);
    }
    while let Some(frame) = buffer.read_frame(deadline) {
        read.push((frame.data[1], frame.discontinuity));
    }
    assert_eq!(read, [(0, false), (1, false), (3, true), (4, false)]);
    assert!(!buffer.needs_key_frame());
    assert_eq!(buffer.stats().packets_lost, 1);
}

#[test]
fn a_stream_joined_in_the_middle_waits_for_a_key_frame() {
    for format in [Format::Vp8, H264] {
        let mut stream = Stream::new(format);
        let mut buffer = stream.buffer();
        stream.deliver(&mut buffer, rest(format, 2000), |index| index != 0);
        stream.deliver(&mut buffer, rest(format, 2000), |_| true);
        assert!(buffer.needs_key_frame());
        assert!(!buffer.is_readable());
        stream.deliver(&mut buffer, first(format, 3000), |_| true);
        assert!(!buffer.needs_key_frame());
        let frame = buffer.read_frame(stream.now).unwrap();
        assert_eq!(frame.data, first(format, 3000), "{format:?}");
        assert!(!frame.discontinuity, "nothing was read before");
    }
}

#[test]
fn h264_parameter_sets_that_arrive_alone_announce_the_key_frame() {
    let mut stream = Stream::new(Format::H264(PacketizationMode::SingleNalUnit));
    let mut buffer = stream.buffer();
    let packets = stream.frame(h264_key(500));
    assert_eq!(packets.len(), 3);
    buffer.insert(stream.now, packets[0].arrived());
    assert!(!buffer.needs_key_frame());
    buffer.insert(stream.now, packets[1].arrived());
    buffer.insert(stream.now, packets[2].arrived());
    assert_eq!(buffer.read_frame(stream.now).unwrap().data, h264_key(500));
}

#[test]
fn h264_key_frames_behind_a_gap_may_begin_with_their_picture_parameter_set() {
    for format in [H264, Format::H264(PacketizationMode::SingleNalUnit)] {
        let key = [&[0, 0, 0, 1, 0x68, 4][..], &h264_slice(0x65, 100)].concat();
        let mut stream = Stream::new(format);
        let mut buffer = stream.buffer();
        // Without any frame before, the SPS is what was lost.
        stream.deliver(&mut buffer, rest(format, 100), |_| true);
        stream.deliver(&mut buffer, rest(format, 100), |_| false);
        stream.deliver(&mut buffer, key.clone().into(), |_| true);
        buffer.handle_timeout(stream.now + buffer.wait());
        assert!(buffer.read_frame(stream.now).is_none());
        stream.now += 100 * MS;
        stream.deliver(&mut buffer, first(format, 100), |_| true);
        assert_eq!(buffer.read_frame(stream.now).unwrap().data, first(format, 100));

        stream.deliver(&mut buffer, rest(format, 100), |_| false);
        stream.deliver(&mut buffer, key.clone().into(), |_| true);
        buffer.handle_timeout(stream.now + buffer.wait());
        let frame = buffer.read_frame(stream.now).unwrap();
        assert_eq!((frame.data, frame.key_frame), (key.into(), true), "{format:?}");
    }
}

#[test]
fn the_places_of_packets_are_bounded() {
    let config = Config { max_packets: 64, ..Config::default() };
    let mut stream = Stream::new(Format::Opus);
    let mut buffer = JitterBuffer::new(config, ClockRate::HZ_48000, stream.now);
    for i in 0..100u8 {
        stream.deliver(&mut buffer, vec![0xf8, i].into(), |_| true);
        assert!(buffer.ring.len() <= 64);
    }
    let frame = buffer.read_frame(stream.now).unwrap();
    assert_eq!(frame.data[1], 36, "the oldest made room");
    assert_eq!(buffer.stats().packets_overflowed, 36);

    // A jump of any size costs neither memory nor time.
    for jump in [63, 64, 65, 127, 128, 129, 1 << 40] {
        stream.next += jump;
        stream.deliver(&mut buffer, Bytes::from_static(b"\xf8jump"), |_| true);
        assert!(buffer.ring.len() <= 64);
    }
    while buffer.read_frame(stream.now + 1000 * MS).is_some() {}
    assert_eq!(buffer.blocks.kept(), 0);
}

#[test]
fn numbers_that_jump_are_not_searched_again_for_each_place_dropped() {
    let mut stream = Stream::new(Format::Vp8);
    let mut buffer = stream.buffer();
    let packet = stream.frame(key(20)).swap_remove(0);
    let step = Config::default().max_packets as u64 - 1;
    for jump in 0..100 {
        let sequence_number = ExtendedSequenceNumber(packet.sequence_number + jump * step);
        buffer.insert(stream.now, Arrived { sequence_number, ..packet.arrived() });
        let _ = buffer.read_frame(stream.now);
    }
    let (visits, lost) = (buffer.ring.visits(), buffer.stats().packets_lost);
    assert!(lost > 90 * step, "{lost}");
    assert!(visits <= 2 * lost, "{visits} visits for {lost} places");
}

#[test]
fn numbers_that_run_backwards_open_no_more_places_than_allowed() {
    let config = Config { max_packets: 100, ..Config::default() };
    let mut stream = Stream::new(Format::Vp8);
    let mut buffer = JitterBuffer::new(config, ClockRate::HZ_90000, stream.now);
    let packet = stream.frame(key(3000)).swap_remove(1);
    for sequence_number in (0..10_000).rev().step_by(20) {
        let sequence_number = ExtendedSequenceNumber(1_000_000 + sequence_number);
        buffer.insert(stream.now, Arrived { sequence_number, ..packet.arrived() });
        assert!(buffer.ring.len() <= 100);
    }
    assert!(buffer.stats().packets_late > 400);
}

#[test]
fn the_bytes_kept_are_bounded_in_whole_blocks() {
    let config = Config { max_bytes: 4 * Blocks::SIZE, ..Config::default() };
    let mut stream = Stream::new(Format::Other);
    let mut buffer = JitterBuffer::new(config, ClockRate::HZ_90000, stream.now);
    for _ in 0..200 {
        stream.deliver(&mut buffer, vec![7; 1200].into(), |_| true);
        assert!(buffer.blocks.kept() <= 4 * Blocks::SIZE);
    }
    assert!(buffer.stats().packets_overflowed > 100);
    let mut read = 0;
    while buffer.read_frame(stream.now).is_some() {
        read += 1;
    }
    // Blocks hold 13 payloads of 1200 bytes.
    assert!((39..=52).contains(&read), "{read}");
    assert_eq!(buffer.blocks.kept(), 0);
}

#[test]
fn backward_time_is_read_as_the_newest() {
    let mut stream = Stream::new(Format::Opus);
    let mut buffer = stream.buffer();
    let packets: Vec<_> = (0..3u8).flat_map(|i| stream.frame(vec![0xf8, i].into())).collect();
    let later = stream.now + 100 * MS;
    buffer.insert(later, packets[0].arrived());
    buffer.insert(stream.now, packets[2].arrived());
    assert!(buffer.read_frame(stream.now).is_some());
    assert_eq!(buffer.poll_timeout(), Some(later + buffer.wait()));
    buffer.handle_timeout(stream.now);
    assert_eq!(buffer.poll_timeout(), Some(later + buffer.wait()));
}

#[test]
fn whatever_arrives_the_buffer_keeps_its_promises() {
    for seed in 0..seeds() {
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let config = Config { max_packets: 32, max_bytes: 4 << 14, ..Config::default() };
        let mut now = start();
        let mut buffer = JitterBuffer::new(config, ClockRate::HZ_90000, now);
        let mut seq: u64 = random.random_range(0..1 << 20);
        for _ in 0..500 {
            seq = match random.random_range(0..100) {
                0 => random.random(),
                1 => seq.saturating_add(random.random_range(0..100)),
                2..10 => seq.saturating_sub(random.random_range(0..10)),
                10..15 => seq.saturating_add(2),
                _ => seq.saturating_add(1),
            };
            let payload: Vec<u8> =
                (0..random.random_range(0..40)).map(|_| random.random()).collect();
            let format =
                [Format::Vp8, H264, Format::Opus, Format::Other][random.random_range(0..4)];
            buffer.insert(
                now,
                Arrived {
                    sequence_number: ExtendedSequenceNumber(seq),
                    timestamp: random.random_range(0..5),
                    marker: random.random(),
                    payload_type: PayloadType::from_low_bits(96),
                    format,
                    payload: &payload,
                },
            );
            now += random.random_range(0..30) * MS;
            if let Some(deadline) = buffer.poll_timeout()
                && deadline <= now
            {
                buffer.handle_timeout(now);
                assert!(buffer.poll_timeout().is_none_or(|next| next > now), "seed {seed} spins");
            }
            if random.random() {
                let _ = buffer.read_frame(now);
            }
            assert!(buffer.ring.len() <= 32, "seed {seed}");
            assert!(buffer.blocks.kept() <= 4 << 14, "seed {seed}");
        }
        now += 1000 * MS;
        buffer.handle_timeout(now);
        while buffer.read_frame(now).is_some() {}
        assert_eq!(buffer.poll_timeout(), None, "seed {seed}");
    }
}

#[derive(Clone)]
struct Sent {
    sequence_number: u64,
    timestamp: u32,
    marker: bool,
    format: Format,
    payload: Vec<u8>,
}

impl Sent {
    fn arrived(&self) -> Arrived<'_> {
        Arrived {
            sequence_number: ExtendedSequenceNumber(self.sequence_number),
            timestamp: self.timestamp,
            marker: self.marker,
            payload_type: PayloadType::from_low_bits(96),
            format: self.format,
            payload: &self.payload,
        }
    }
}

struct Stream {
    format: Format,
    packetizer: Packetizer,
    next: u64,
    timestamp: u32,
    now: Instant,
}

impl Stream {
    fn new(format: Format) -> Self {
        let packetizer = Packetizer::new(format, &mut ChaCha20Rng::from_seed([1; 32]));
        Self { format, packetizer, next: 65_530, timestamp: u32::MAX - 5000, now: start() }
    }

    fn buffer(&self) -> JitterBuffer {
        let clock_rate = match self.format {
            Format::Opus => ClockRate::HZ_48000,
            _ => ClockRate::HZ_90000,
        };
        JitterBuffer::new(Config::default(), clock_rate, self.now)
    }

    fn frame(&mut self, frame: Bytes) -> Vec<Sent> {
        let info = CodecInfo::None;
        let fragments = self.packetizer.packetize(frame, self.timestamp, 1200, info).unwrap();
        let packets = fragments
            .map(|fragment| {
                let mut payload = Vec::new();
                fragment.write_to(&mut payload);
                self.next += 1;
                Sent {
                    sequence_number: self.next - 1,
                    timestamp: self.timestamp.wrapping_add(fragment.timestamp_offset()),
                    marker: fragment.marker(),
                    format: self.format,
                    payload,
                }
            })
            .collect();
        let ticks = if self.format == Format::Opus { 960 } else { 3000 };
        self.timestamp = self.timestamp.wrapping_add(ticks);
        packets
    }

    fn deliver(&mut self, buffer: &mut JitterBuffer, frame: Bytes, keep: fn(usize) -> bool) {
        for (index, packet) in self.frame(frame).iter().enumerate() {
            if keep(index) {
                buffer.insert(self.now, packet.arrived());
            }
        }
    }
}

fn sample(format: Format, index: usize, random: &mut ChaCha20Rng) -> Bytes {
    let len = random.random_range(20..4000);
    match (format, index) {
        (Format::Opus, _) => [vec![0xf8, index as u8], vec![9; len.min(1000)]].concat().into(),
        (_, 0) => first(format, len),
        _ => rest(format, len),
    }
}

fn first(format: Format, len: usize) -> Bytes {
    if format == Format::Vp8 { key(len) } else { h264_key(len) }
}

fn rest(format: Format, len: usize) -> Bytes {
    if format == Format::Vp8 { delta(len) } else { h264_slice(0x41, len) }
}

fn key(len: usize) -> Bytes {
    vp8(0x10, len)
}

fn delta(len: usize) -> Bytes {
    vp8(0x11, len)
}

fn vp8(first: u8, len: usize) -> Bytes {
    std::iter::once(first).chain((1..len).map(|i| (i % 250) as u8)).collect()
}

fn h264_key(len: usize) -> Bytes {
    let sets = [0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4];
    sets.into_iter().chain(h264_slice(0x65, len)).collect()
}

fn h264_slice(header: u8, len: usize) -> Bytes {
    [0, 0, 0, 1, header, 0x88].into_iter().chain((0..len).map(|i| (i % 250) as u8 + 1)).collect()
}

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
    Instant::now()
}

fn seeds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the one knob of all randomised tests")]
    let seeds = std::env::var("SEEDS");
    seeds.ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}
