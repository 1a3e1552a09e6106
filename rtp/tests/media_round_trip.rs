//! Frames of real encoders → packets → frames, equal byte for byte.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use peerless_rtp::jitter_buffer::{Arrived, Config, JitterBuffer};
use peerless_rtp::payload::h264::PacketizationMode;
use peerless_rtp::payload::{CodecInfo, Format, Packetizer};
use peerless_rtp::{ClockRate, ExtendedSequenceNumber, PayloadType};
use rand::SeedableRng as _;
use rand::rngs::ChaCha20Rng;
use rand::seq::SliceRandom as _;

const H264: Format = Format::H264(PacketizationMode::NonInterleaved);

#[test]
fn vp8_comes_back_equal() {
    let frames = ivf(include_bytes!("media/vp8.ivf"));
    assert_eq!(frames.len(), 60);
    assert_round_trips(Format::Vp8, &frames, 3000);
}

#[test]
fn h264_comes_back_equal() {
    for stream in [
        &include_bytes!("media/h264-baseline.h264")[..],
        &include_bytes!("media/h264-high.h264")[..],
    ] {
        let frames = access_units(stream);
        assert_eq!(frames.len(), 60);
        assert!(H264.is_key_frame(&frames[0]).unwrap());
        assert_eq!(frames.concat(), canonical(stream), "nothing is left out by this test");
        assert_round_trips(H264, &frames, 3000);
    }
}

#[test]
fn opus_comes_back_equal() {
    let frames = ogg(include_bytes!("media/opus.ogg"));
    assert!(frames.len() >= 100);
    assert_round_trips(Format::Opus, &frames, 960);
}

#[test]
fn g711_comes_back_equal() {
    for (format, samples) in [
        (Format::Pcmu, &include_bytes!("media/pcmu.ulaw")[..]),
        (Format::Pcma, &include_bytes!("media/pcma.alaw")[..]),
    ] {
        let frames: Vec<_> = samples.chunks(160).map(Bytes::copy_from_slice).collect();
        assert_round_trips(format, &frames, 160);
    }
}

/// In order and reordered, at the size of the usual path and of a small one.
fn assert_round_trips(format: Format, frames: &[Bytes], ticks: u32) {
    for (limit, reorder) in [(1200, 1), (1200, 6), (300, 1), (300, 6)] {
        let mut random = ChaCha20Rng::from_seed([9; 32]);
        let mut packetizer = Packetizer::new(format, &mut random);
        let mut packets = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            let timestamp = (index as u32).wrapping_mul(ticks).wrapping_sub(10 * ticks);
            let fragments =
                packetizer.packetize(frame.clone(), timestamp, limit, CodecInfo::None).unwrap();
            for fragment in fragments {
                assert!(fragment.len() <= limit);
                let mut payload = Vec::new();
                fragment.write_to(&mut payload);
                packets.push((packets.len() as u64 + 1, timestamp, fragment.marker(), payload));
            }
        }
        for window in packets[1..].chunks_mut(reorder) {
            window.shuffle(&mut random);
        }

        let mut now = start();
        let mut buffer = JitterBuffer::new(Config::default(), ClockRate::HZ_90000, now);
        let mut received = Vec::new();
        for (sequence_number, timestamp, marker, payload) in &packets {
            now += Duration::from_micros(100);
            let arrived = Arrived {
                sequence_number: ExtendedSequenceNumber(*sequence_number),
                timestamp: *timestamp,
                marker: *marker,
                payload_type: PayloadType::from_low_bits(96),
                format,
                payload,
            };
            buffer.insert(now, arrived);
            while let Some(frame) = buffer.read_frame(now) {
                assert_eq!(Some(frame.key_frame), format.is_key_frame(&frame.data));
                received.push(frame.data);
            }
        }
        assert_eq!(received.len(), frames.len());
        assert!(received == frames, "{format:?}, payloads of {limit}, reordered by {reorder}");
    }
}

/// The frames of an IVF file: a 32-byte header, then a 12-byte header before each frame.
fn ivf(file: &'static [u8]) -> Vec<Bytes> {
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<12>() {
        let size = u32::from_le_bytes(*header.first_chunk().unwrap()) as usize;
        frames.push(Bytes::from_static(&behind[..size]));
        rest = &behind[size..];
    }
    frames
}

/// The packets of an Ogg file with one stream, without its two headers.
fn ogg(file: &[u8]) -> Vec<Bytes> {
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        assert_eq!(&rest[..4], b"OggS");
        let segments = usize::from(rest[26]);
        let (lacing, mut body) = rest[27..].split_at(segments);
        for &size in lacing {
            let (segment, behind) = body.split_at(usize::from(size));
            packet.extend_from_slice(segment);
            body = behind;
            if size < 255 {
                packets.push(Bytes::from(std::mem::take(&mut packet)));
            }
        }
        rest = body;
    }
    packets.drain(..2);
    packets
}

/// The access units of an Annex B stream, with 4-byte start codes: one begins behind a slice, with
/// a slice that has macroblock 0 or with what is not a slice.
fn access_units(stream: &[u8]) -> Vec<Bytes> {
    let mut units = Vec::new();
    let mut unit = Vec::new();
    let mut has_slice = false;
    for nal_unit in nal_units(stream) {
        let is_slice = matches!(nal_unit[0] & 0x1f, 1 | 5);
        if has_slice && !(is_slice && nal_unit[1] & 0x80 == 0) {
            units.push(Bytes::from(std::mem::take(&mut unit)));
        }
        has_slice = is_slice;
        unit.extend_from_slice(&[0, 0, 0, 1]);
        unit.extend_from_slice(nal_unit);
    }
    units.push(Bytes::from(unit));
    units
}

fn canonical(stream: &[u8]) -> Vec<u8> {
    nal_units(stream).iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect()
}

/// Another way to find NAL units than the crate's.
fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let codes: Vec<_> =
        (0..stream.len() - 2).filter(|&at| stream[at..at + 3] == [0, 0, 1]).collect();
    let ends = codes.iter().skip(1).copied().chain([stream.len()]);
    let units = codes.iter().zip(ends).map(|(&start, end)| {
        let mut unit = &stream[start + 3..end];
        while let [before @ .., 0] = unit {
            unit = before;
        }
        unit
    });
    units.collect()
}

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
    Instant::now()
}
