use bytes::{Bytes, BytesMut};
use rand::SeedableRng as _;
use rand::rngs::ChaCha20Rng;

use super::h264::PacketizationMode;
use super::vp8::{Descriptor, Layer};
use super::*;

const MODE_0: Format = Format::H264(PacketizationMode::SingleNalUnit);
const MODE_1: Format = Format::H264(PacketizationMode::NonInterleaved);

#[test]
fn vp8_fragments_are_equal_and_only_the_last_is_marked() {
    let frame = counted(3000);
    let fragments: Vec<_> = packetize(Format::Vp8, &frame, 1200).collect();

    assert_eq!(fragments.iter().map(Fragment::len).collect::<Vec<_>>(), [1004, 1004, 1004]);
    assert_eq!(fragments.iter().map(Fragment::marker).collect::<Vec<_>>(), [false, false, true]);
    let starts = fragments.iter().map(|fragment| descriptor(fragment).starts_frame());
    assert_eq!(starts.collect::<Vec<_>>(), [true, false, false]);
    assert!(fragments.iter().all(|fragment| fragment.payload().as_ptr() >= frame.as_ptr()));
}

#[test]
fn vp8_picture_ids_count_frames_and_wrap_at_15_bits() {
    let mut packetizer = vp8::Packetizer::new(0xffff);
    let mut next = || {
        let fragment = packetizer.packetize(counted(10), 100, CodecInfo::None).next().unwrap();
        descriptor(&fragment).layer.picture_id.unwrap()
    };
    assert_eq!([next(), next(), next()], [0x7fff, 0, 1]);
}

#[test]
fn vp8_tl0_picture_index_counts_frames_of_the_base_layer() {
    let mut packetizer = vp8::Packetizer::new(0);
    let mut next = |temporal_id, layer_sync| {
        let layer = Layer { temporal_id: Some(temporal_id), layer_sync, ..Layer::default() };
        let mut fragments = packetizer.packetize(counted(10), 100, CodecInfo::Vp8(layer));
        let layer = descriptor(&fragments.next().unwrap()).layer;
        (layer.temporal_id.unwrap(), layer.layer_sync, layer.tl0_picture_index.unwrap())
    };
    assert_eq!(next(0, false), (0, false, 1));
    assert_eq!(next(2, true), (2, true, 1));
    assert_eq!(next(1, false), (1, false, 1));
    assert_eq!(next(0, false), (0, false, 2));
}

#[test]
fn vp8_descriptor_reads_what_rfc_7741_4_2_draws() {
    // X N S, PID 0; I L T K; M, id 0x1234; TL0PICIDX 7; TID 2, Y, KEYIDX 9.
    let descriptor = Descriptor::parse(&[0xb0, 0xf0, 0x92, 0x34, 0x07, 0xa9, 0x00]).unwrap();
    let layer = Layer {
        temporal_id: Some(2),
        layer_sync: true,
        non_reference: true,
        picture_id: Some(0x1234),
        tl0_picture_index: Some(7),
    };
    assert_eq!(descriptor, Descriptor { start_of_partition: true, partition: 0, layer, len: 6 });
    // A picture id of seven bits; K alone has the octet of T/K.
    let descriptor = Descriptor::parse(&[0x82, 0x90, 0x55, 0x1f, 0xff]).unwrap();
    assert_eq!((descriptor.partition, descriptor.len), (2, 4));
    assert_eq!(descriptor.layer.picture_id, Some(0x55));
    assert_eq!(descriptor.layer.temporal_id, None);
}

#[test]
fn a_vp8_descriptor_without_a_frame_behind_it_is_refused() {
    let full = [0xb0, 0xf0, 0x92, 0x34, 0x07, 0xa9];
    for len in 0..=full.len() {
        assert!(Format::Vp8.inspect(&full[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn h264_parameter_sets_share_a_packet_and_large_slices_are_cut() {
    let frame = access_unit(&[&[0x67, 1, 2], &[0x28, 3], &slice(0x65, 3000)]);
    let packets = payloads(MODE_1, &frame, 1200);

    assert_eq!(packets[0], [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x28, 3], "STAP-A, the highest NRI");
    let fu_headers: Vec<_> = packets[1..].iter().map(|packet| (packet[0], packet[1])).collect();
    assert_eq!(fu_headers, [(0x7c, 0x85), (0x7c, 0x05), (0x7c, 0x45)]);
    assert_eq!(packets[1].len(), packets[2].len());
    assert_eq!(round_trip(MODE_1, &frame, 1200), frame);
}

#[test]
fn h264_access_unit_that_fits_is_one_packet() {
    let frame = access_unit(&[&[0x09, 0xf0], &[0x06, 5, 5], &slice(0x41, 500)]);
    let fragments: Vec<_> = packetize(MODE_1, &frame, 1200).collect();
    assert_eq!(fragments.len(), 1);
    assert!(fragments[0].marker());
    assert_eq!(round_trip(MODE_1, &frame, 1200), frame);
}

#[test]
fn h264_mode_0_sends_single_nal_units_and_refuses_larger_ones() {
    let frame = access_unit(&[&[0x67, 1], &[0x68, 1], &slice(0x65, 900)]);
    let packets = payloads(MODE_0, &frame, 1200);
    assert_eq!(packets.iter().map(|packet| packet[0]).collect::<Vec<_>>(), [0x67, 0x68, 0x65]);
    assert_eq!(round_trip(MODE_0, &frame, 1200), frame);

    let error = try_packetize(MODE_0, &frame, 800).unwrap_err();
    assert_eq!(error, PacketizeError::TooLarge { size: 900, limit: 800 });
}

#[test]
fn h264_takes_both_start_codes_and_trailing_zeros_and_gives_the_canonical_form() {
    let frame = Bytes::from_static(&[
        0, 0, 1, 0x67, 9, 0, 0, 0, 0, 0, 1, 0x68, 8, 0, 0, 1, 0, 0, 1, 0x65, 0x88, 7, 0, 0,
    ]);
    let canonical = access_unit(&[&[0x67, 9], &[0x68, 8], &[0x65, 0x88, 7]]);
    for limit in [16, 1200] {
        assert_eq!(round_trip(MODE_1, &frame, limit), canonical);
        assert_eq!(round_trip(MODE_0, &frame, limit), canonical);
    }
    assert_eq!(round_trip(MODE_1, &canonical, 1200), canonical);
}

#[test]
fn h264_start_codes_are_found_at_every_distance() {
    for len in 1..200 {
        let first = slice(0x41, len + 1);
        let second = slice(0x41, 70);
        let frame = access_unit(&[&first, &second]);
        let units: Vec<_> = h264::NalUnits::new(&frame).map(|unit| unit.len()).collect();
        assert_eq!(units, [len + 1, 70]);
    }
}

#[test]
fn h264_without_a_start_code_is_an_error() {
    let frame = Bytes::from_static(&[0x65, 1, 2, 3]);
    assert_eq!(try_packetize(MODE_1, &frame, 1200).unwrap_err(), PacketizeError::NoStartCode);
    let frame = Bytes::from_static(&[0, 0, 1, 0, 0]);
    assert_eq!(try_packetize(MODE_1, &frame, 1200).unwrap_err(), PacketizeError::Empty);
}

#[test]
fn h264_fragments_without_their_start_or_end_are_refused_and_leave_no_bytes() {
    let mut out = BytesMut::from(&b"kept"[..]);
    let mut depacketizer = Depacketizer::new(MODE_1, &mut out);
    assert_eq!(depacketizer.push(&[0x7c, 0x05, 1]), Err(DepacketizeError::OutOfPlace));
    depacketizer.push(&[0x7c, 0x85, 1]).unwrap();
    assert_eq!(depacketizer.push(&[0x61, 1]), Err(DepacketizeError::OutOfPlace));
    depacketizer.push(&[0x7c, 0x85, 1]).unwrap();
    assert_eq!(depacketizer.finish(), Err(DepacketizeError::UnfinishedFragment));
    assert_eq!(out, &b"kept"[..]);
}

#[test]
fn h264_aggregates_cut_short_are_refused() {
    for payload in
        [&[0x78][..], &[0x78, 0], &[0x78, 0, 2, 0x67], &[0x78, 0, 0], &[0x7c], &[0x7d, 0]]
    {
        assert!(MODE_1.inspect(payload).is_err(), "{payload:02x?}");
        let mut out = BytesMut::new();
        assert!(Depacketizer::new(MODE_1, &mut out).push(payload).is_err());
        assert!(out.is_empty());
    }
}

#[test]
fn key_frames_are_told_from_payloads_as_from_frames() {
    let key = access_unit(&[&[0x67, 1], &[0x68, 1], &slice(0x65, 3000)]);
    let delta = access_unit(&[&slice(0x41, 3000)]);
    for (frame, expected) in [(&key, true), (&delta, false)] {
        assert_eq!(MODE_1.is_key_frame(frame), Some(expected));
        let any = payloads(MODE_1, frame, 1000)
            .iter()
            .any(|payload| MODE_1.inspect(payload).unwrap().key_frame);
        assert_eq!(any, expected);
    }
    assert_eq!(Format::Vp8.is_key_frame(&[0x10]), Some(true));
    assert_eq!(Format::Vp8.is_key_frame(&[0x11]), Some(false));
    assert_eq!(Format::Other.is_key_frame(&[0x11]), None);
}

#[test]
fn long_runs_of_samples_are_cut_with_advancing_timestamps() {
    let frame = counted(2500);
    let fragments: Vec<_> = packetize(Format::Pcmu, &frame, 1000).collect();
    let offsets: Vec<_> = fragments.iter().map(Fragment::timestamp_offset).collect();
    assert_eq!(offsets, [0, 834, 1668]);
    assert_eq!(fragments.iter().map(Fragment::marker).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn the_marker_begins_a_talk_spurt() {
    let mut packetizer = packetizer(Format::Opus);
    // 20 ms of CELT.
    let packet = Bytes::from_static(&[0x98 | 3 << 3, 1, 2]);
    let mut marker = |timestamp| {
        let mut fragments =
            packetizer.packetize(packet.clone(), timestamp, 1200, CodecInfo::None).unwrap();
        fragments.next().unwrap().marker()
    };
    let start = u32::MAX - 1000;
    assert!(marker(start));
    assert!(!marker(start.wrapping_add(960)));
    assert!(!marker(start.wrapping_add(1920)));
    assert!(marker(start.wrapping_add(9600)), "after a pause");
}

#[test]
fn opus_durations_follow_rfc_6716_table_2() {
    assert_eq!(audio::opus_duration(&[]), None);
    assert_eq!(audio::opus_duration(&[0x00]), Some(480));
    assert_eq!(audio::opus_duration(&[0x18]), Some(2880));
    assert_eq!(audio::opus_duration(&[0x78]), Some(960));
    assert_eq!(audio::opus_duration(&[0x80]), Some(120));
    assert_eq!(audio::opus_duration(&[0xf9]), Some(1920));
    assert_eq!(audio::opus_duration(&[0xfb, 0x03]), Some(2880));
    assert_eq!(audio::opus_duration(&[0xfb]), None);
    assert_eq!(audio::opus_duration(&[0xfb, 0x3f]), None, "more than 120 ms");
}

#[test]
fn what_cannot_be_cut_must_fit() {
    for format in [Format::Opus, Format::Other] {
        let error = try_packetize(format, &counted(1300), 1200).unwrap_err();
        assert_eq!(error, PacketizeError::TooLarge { size: 1300, limit: 1200 });
    }
    let empty = try_packetize(Format::Vp8, &Bytes::new(), 1200).unwrap_err();
    assert_eq!(empty, PacketizeError::Empty);
    let limit = try_packetize(Format::Vp8, &counted(9), 15).unwrap_err();
    assert_eq!(limit, PacketizeError::LimitTooSmall { limit: 15 });
}

#[test]
fn every_size_at_every_limit_comes_back() {
    for format in [Format::Vp8, MODE_1] {
        for limit in [16, 17, 18, 19, 50, 100] {
            for size in 2..300 {
                let frame = match format {
                    Format::Vp8 => counted(size),
                    _ => access_unit(&[&[0x67, 1, 1], &slice(0x65, size)]),
                };
                let fragments = packetize(format, &frame, limit);
                assert!(fragments.into_iter().all(|fragment| fragment.len() <= limit));
                assert_eq!(round_trip(format, &frame, limit), frame, "{size} bytes, {limit}");
            }
        }
    }
}

fn descriptor(fragment: &Fragment) -> Descriptor {
    let mut payload = Vec::new();
    fragment.write_to(&mut payload);
    Descriptor::parse(&payload).unwrap()
}

fn packetizer(format: Format) -> Packetizer {
    Packetizer::new(format, &mut ChaCha20Rng::from_seed([7; 32]))
}

fn try_packetize(format: Format, frame: &Bytes, limit: usize) -> Result<Fragments, PacketizeError> {
    packetizer(format).packetize(frame.clone(), 0, limit, CodecInfo::None)
}

fn packetize(format: Format, frame: &Bytes, limit: usize) -> Fragments {
    try_packetize(format, frame, limit).unwrap()
}

fn payloads(format: Format, frame: &Bytes, limit: usize) -> Vec<Vec<u8>> {
    let write = |fragment: Fragment| {
        let mut payload = Vec::new();
        fragment.write_to(&mut payload);
        payload
    };
    packetize(format, frame, limit).map(write).collect()
}

fn round_trip(format: Format, frame: &Bytes, limit: usize) -> BytesMut {
    let mut out = BytesMut::new();
    let mut depacketizer = Depacketizer::new(format, &mut out);
    for payload in payloads(format, frame, limit) {
        depacketizer.push(&payload).unwrap();
    }
    let assembled = depacketizer.finish().unwrap();
    assert_eq!(assembled.len, out.len());
    out
}

fn counted(len: usize) -> Bytes {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn access_unit(units: &[&[u8]]) -> Bytes {
    let mut frame = Vec::new();
    for unit in units {
        frame.extend_from_slice(&[0, 0, 0, 1]);
        frame.extend_from_slice(unit);
    }
    frame.into()
}

fn slice(header: u8, len: usize) -> Vec<u8> {
    let mut unit = vec![0x88; len];
    unit[0] = header;
    unit
}

#[test]
fn indices_of_vp8_move_where_they_stand() {
    let layer = |picture_id, tl0| Layer {
        picture_id: Some(picture_id),
        tl0_picture_index: tl0,
        ..Layer::default()
    };
    let offset = vp8::IndexOffset::between(layer(0x7fff, Some(9)), layer(7, Some(200)));
    // Long and short, alone and with what stands around them.
    for (before, after) in [
        (&[0x90, 0xE0, 0x80, 7, 200, 0x20, 1][..], Some(&[0x90, 0xE0, 0x80, 0, 10, 0x20][..])),
        (&[0x90, 0x80, 0x80, 8, 1], Some(&[0x90, 0x80, 0x80, 1])),
        (&[0x90, 0x80, 8, 1], Some(&[0x90, 0x80, 1])),
        (&[0x90, 0x40, 201, 1], Some(&[0x90, 0x40, 11])),
        (&[0x10, 1, 2], None),
        (&[0x90, 0xE0, 0x80], None),
        (&[], None),
    ] {
        let moved = offset.apply(before);
        assert_eq!(moved.as_ref().map(|(bytes, len)| &bytes[..*len]), after, "{before:x?}");
    }
    let same = vp8::IndexOffset::between(layer(6, Some(199)), layer(7, Some(200)));
    assert_eq!(same.apply(&[0x90, 0xE0, 0x80, 7, 200, 0x20, 1]), None);
}

#[test]
fn formats_that_are_opaque_to_us_differ_by_name() {
    let named = Format::from_encoding_name;
    assert_eq!(named("vp9"), named("VP9"));
    assert_ne!(named("VP9"), named("AV1"));
    assert_ne!(named("VP9"), Format::Other);
    assert_eq!(format!("{:?}", named("vp9")), "Named(\"VP9\")");
    assert_eq!(
        Packetizer::new(named("AV1"), &mut ChaCha20Rng::from_seed([1; 32])).format(),
        named("AV1")
    );
}
