use std::time::Duration;

use super::pair::*;
use crate::packet::{HeaderWriter, Packet};
use crate::rtcp::{Compound, SenderInfo, Writer};
use crate::session::section::{Codec, Mode, Receive};
use crate::session::{Config, OutgoingPacket, ReceivedPacket, SendErrorReason, Session};
use crate::{ClockRate, NtpTime, PayloadType, SequenceNumber, Ssrc};

/// Packets with these sequence numbers, as a forwarder reads them.
fn received(ssrc: u32, numbers: impl IntoIterator<Item = u16>) -> Vec<ReceivedPacket> {
    let now = base();
    let mut session = Session::new(Config::default(), now, wall_clock(), seed(Side::A, 3));
    let mut parameters = video(Side::A);
    parameters.receive =
        Some(Receive { mode: Mode::Packets, ssrcs: vec![Ssrc(ssrc)], rtx: vec![] });
    session.set_section(now, VIDEO, parameters);
    for number in numbers {
        let mut datagram = Vec::new();
        let timestamp = u32::from(number) * 3000;
        HeaderWriter::new(&mut datagram, VP8, SequenceNumber(number), timestamp, Ssrc(ssrc))
            .extension(13, &[3])
            .extension(4, b"v")
            .finish();
        datagram.extend_from_slice(&number.to_be_bytes());
        session.handle_datagram(now, &datagram);
    }
    std::iter::from_fn(|| session.read_packet(VIDEO)).collect()
}

#[test]
fn the_payload_is_shared_and_the_hop_is_rewritten() {
    let mut pair = Pair::new();
    let mut parameters = video(Side::A);
    parameters.codecs =
        vec![Codec { payload_type: PayloadType::from_low_bits(120), ..parameters.codecs[0] }];
    parameters.mid = "other".into();
    pair.set(Side::A, VIDEO, parameters);
    let packets = received(77, [10, 11, 12]);
    for packet in &packets {
        pair.a.forward(pair.now, VIDEO, packet).unwrap();
    }
    pair.run(MS);
    let mut last = None;
    for (index, (_, datagram)) in pair.rtp(Side::A).enumerate() {
        let packet = Packet::parse(datagram).unwrap();
        assert_eq!(packet.ssrc(), Ssrc(200));
        assert_eq!(packet.payload_type().number(), 120, "the one with its format");
        assert_eq!(packet.extension(4), Some(&b"other"[..]));
        assert_eq!(packet.extension(13), Some(&[3][..]), "from end to end");
        assert_eq!(packet.payload(), packets[index].payload);
        let number = packet.sequence_number();
        assert!(last.is_none_or(|last: SequenceNumber| last.next() == number));
        last = Some(number);
    }
}

#[test]
fn gaps_stay_and_late_packets_find_their_place() {
    let mut pair = Pair::new();
    let packets = received(77, [10, 11, 14, 13, 15]);
    for packet in &packets {
        pair.a.forward(pair.now, VIDEO, packet).unwrap();
        pair.run(MS);
    }
    let numbers: Vec<_> = pair
        .rtp(Side::A)
        .map(|(_, datagram)| Packet::parse(datagram).unwrap())
        .map(|packet| packet.sequence_number().0.wrapping_sub(packet.payload()[1].into()))
        .collect();
    assert_eq!(numbers.len(), 5);
    assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "one offset: {numbers:?}");
    // What is asked for and never came cannot be repeated, and nothing goes wrong.
    pair.run(200 * MS);
    assert!(pair.b.inbound_stats(VIDEO).next().unwrap().nack_count > 1);
    // When it comes after all, it goes out for the first time.
    let late = received(77, [10, 12]);
    pair.a.forward(pair.now, VIDEO, &late[1]).unwrap();
    pair.a.forward(pair.now, VIDEO, &late[1]).unwrap();
    pair.run(100 * MS);
    let stats = pair.a.outbound_stats(VIDEO).unwrap();
    assert_eq!((stats.packets_sent, stats.retransmitted_packets_sent), (6, 0));
    let mut read: Vec<_> = std::iter::from_fn(|| pair.b.read_packet(VIDEO)).collect();
    read.sort_by_key(|packet| packet.sequence);
    let payloads: Vec<_> = read.iter().map(|packet| packet.payload[1]).collect();
    assert_eq!(payloads, [10, 11, 12, 13, 14, 15]);
}

#[test]
fn another_source_goes_on_without_a_gap() {
    let mut pair = Pair::new();
    for packet in received(77, [10, 11]) {
        pair.a.forward(pair.now, VIDEO, &packet).unwrap();
        pair.run(100 * MS);
    }
    for packet in received(88, [40_000, 40_001]) {
        pair.a.forward(pair.now, VIDEO, &packet).unwrap();
        pair.run(100 * MS);
    }
    let sent: Vec<_> = pair
        .rtp(Side::A)
        .map(|(_, datagram)| Packet::parse(datagram).unwrap())
        .map(|packet| (packet.sequence_number(), packet.timestamp()))
        .collect();
    assert!(sent.windows(2).all(|pair| pair[0].0.next() == pair[1].0), "{sent:?}");
    assert_eq!(sent[2].1, sent[1].1 + 9000, "100 ms passed");
    assert_eq!(sent[3].1, sent[2].1 + 3000, "as the source says");
}

/// Sequence numbers and the last byte of the payloads that A has sent.
fn sent(pair: &Pair) -> Vec<(SequenceNumber, u8)> {
    pair.rtp(Side::A)
        .map(|(_, datagram)| Packet::parse(datagram).unwrap())
        .map(|packet| (packet.sequence_number(), packet.payload()[1]))
        .collect()
}

#[test]
fn a_jump_of_the_source_leaves_one_place_empty() {
    let mut pair = Pair::new();
    for packet in received(77, [10, 11, 20_000, 20_001]) {
        pair.a.forward(pair.now, VIDEO, &packet).unwrap();
    }
    pair.run(MS);
    let numbers: Vec<_> = sent(&pair).iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers[1], numbers[0].next());
    assert_eq!(numbers[2], numbers[1].next().next(), "what is missing can be seen");
    assert_eq!(numbers[3], numbers[2].next());
}

#[test]
fn a_source_that_was_forgotten_goes_on() {
    let mut pair = Pair::new();
    let before = received(77, (65_530..=65_535).chain(0..=5));
    // After a goodbye its numbers are counted anew, so without the cycle that was behind it.
    let after = received(77, 6..=10);
    assert!(after[0].sequence < before[0].sequence);
    for packet in before.iter().chain(&after) {
        pair.a.forward(pair.now, VIDEO, packet).unwrap();
        pair.run(MS);
    }
    let sent = sent(&pair);
    let payloads: Vec<_> = sent.iter().map(|(_, payload)| *payload).collect();
    assert_eq!(payloads, [250, 251, 252, 253, 254, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(sent[16].0.distance_from(sent[12].0), 4);
}

#[test]
fn what_comes_late_of_another_source_fills_no_place() {
    let mut pair = Pair::new();
    for packet in received(77, [10, 11, 14]) {
        pair.a.forward(pair.now, VIDEO, &packet).unwrap();
    }
    // 499 and 498 were on their way when the forwarder changed to this source.
    for packet in received(88, [500, 499, 498, 501]) {
        pair.a.forward(pair.now, VIDEO, &packet).unwrap();
    }
    pair.run(MS);
    let payloads: Vec<_> = sent(&pair).iter().map(|(_, payload)| *payload).collect();
    assert_eq!(payloads, [10, 11, 14, 244, 245]);
}

#[test]
fn what_comes_late_does_not_turn_the_clock_back() {
    let mut pair = Pair::new();
    let late = received(77, [10, 13, 11]);
    for packet in &late {
        pair.a.forward(pair.now, VIDEO, packet).unwrap();
        pair.run(MS);
    }
    pair.a.forward(pair.now, VIDEO, &received(88, [500])[0]).unwrap();
    pair.run(MS);
    let stamps: Vec<_> = pair
        .rtp(Side::A)
        .map(|(_, datagram)| Packet::parse(datagram).unwrap().timestamp())
        .collect();
    assert_eq!(stamps, [30_000, 39_000, 33_000, 39_000 + 2 * 90], "2 ms after the newest");
}

#[test]
fn reports_of_a_forwarder_tell_the_time_of_the_source() {
    let (timestamp, ssrc) = (90_000, Ssrc(77));
    // The source says when that was, and its packet comes 100 ms later.
    for (reported, behind) in [(true, 100 * MS), (false, Duration::ZERO)] {
        let mut pair = Pair::new();
        let start = pair.now;
        let mut source = Session::new(Config::default(), start, wall_clock(), seed(Side::A, 3));
        let mut parameters = video(Side::A);
        parameters.receive = Some(Receive { mode: Mode::Packets, ..Receive::default() });
        source.set_section(start, VIDEO, parameters);
        let packet = |number: u16| {
            let mut datagram = Vec::new();
            HeaderWriter::new(&mut datagram, VP8, SequenceNumber(number), timestamp, ssrc)
                .extension(4, b"v")
                .finish();
            datagram.push(b'x');
            datagram
        };
        source.handle_datagram(start, &packet(10));
        if reported {
            let ntp_time = NtpTime::from(wall_clock());
            let (packet_count, octet_count, rtp_time) = (1, 1, timestamp);
            let info = SenderInfo { ssrc, ntp_time, rtp_time, packet_count, octet_count };
            let mut report = Vec::new();
            Writer::new(&mut report).sender_report(info, []);
            source.handle_datagram(start, &report);
        }
        pair.run(100 * MS);
        source.handle_datagram(pair.now, &packet(11));
        for packet in std::iter::from_fn(|| source.read_packet(VIDEO)) {
            pair.a.forward(pair.now, VIDEO, &packet).unwrap();
        }
        pair.run(Duration::from_secs(5));
        let (at, info) = pair
            .rtcp(Side::A)
            .find_map(|(at, datagram)| {
                let mut all = Compound::parse(datagram).unwrap().map(Result::unwrap);
                all.find_map(|packet| match packet {
                    crate::rtcp::Packet::SenderReport(report) => Some((at, report.info())),
                    _ => None,
                })
            })
            .unwrap();
        let passed = at - 100 * MS + behind;
        let expected = timestamp + (passed.as_micros() * 90 / 1000) as u32;
        assert!(info.rtp_time.abs_diff(expected) <= 2, "{} {expected}", info.rtp_time);
    }
}

#[test]
fn pictures_of_another_source_are_counted_on() {
    let mut pair = Pair::new();
    let forward = |pair: &mut Pair, ssrc: u32, picture_id: u16, tl0: u8, numbers: [u16; 2]| {
        let mut source = Session::new(Config::default(), pair.now, wall_clock(), seed(Side::A, 3));
        let mut parameters = video(Side::A);
        parameters.receive = Some(Receive { mode: Mode::Packets, ..Receive::default() });
        source.set_section(pair.now, VIDEO, parameters);
        for number in numbers {
            let mut datagram = Vec::new();
            HeaderWriter::new(&mut datagram, VP8, SequenceNumber(number), 0, Ssrc(ssrc))
                .extension(4, b"v")
                .finish();
            let [high, low] = (0x8000 | picture_id).to_be_bytes();
            datagram.extend_from_slice(&[0x90, 0xE0, high, low, tl0, 0x20, number as u8]);
            source.handle_datagram(pair.now, &datagram);
            let packet = source.read_packet(VIDEO).unwrap();
            pair.a.forward(pair.now, VIDEO, &packet).unwrap();
        }
        pair.run(10 * MS);
    };
    forward(&mut pair, 77, 0x7ffe, 255, [1, 2]);
    forward(&mut pair, 77, 0x7fff, 0, [3, 4]);
    forward(&mut pair, 88, 7000, 77, [500, 501]);
    forward(&mut pair, 77, 5, 6, [11, 12]);
    let sent: Vec<_> = pair
        .rtp(Side::A)
        .map(|(_, datagram)| Packet::parse(datagram).unwrap().payload().to_vec())
        .map(|payload| {
            (crate::payload::vp8::Descriptor::parse(&payload).unwrap().layer, payload[6])
        })
        .map(|(layer, last)| (layer.picture_id.unwrap(), layer.tl0_picture_index.unwrap(), last))
        .collect();
    let expected = [
        [(0x7ffe, 255, 1), (0x7ffe, 255, 2), (0x7fff, 0, 3), (0x7fff, 0, 4)],
        [(0, 1, 244), (0, 1, 245), (1, 2, 11), (1, 2, 12)],
    ];
    assert_eq!(sent, expected.concat());
}

#[test]
fn padding_is_no_loss() {
    let mut pair = Pair::new();
    pair.set(Side::B, VIDEO, frames(video(Side::B)));
    let mut source = Session::new(Config::default(), pair.now, wall_clock(), seed(Side::A, 3));
    let mut parameters = video(Side::A);
    parameters.receive = Some(Receive { mode: Mode::Packets, ..Receive::default() });
    source.set_section(pair.now, VIDEO, parameters);
    for number in 0..20u16 {
        // A picture of one packet, and one without a payload.
        for (number, payload) in [(2 * number, true), (2 * number + 1, false)] {
            let mut datagram = Vec::new();
            let (sequence, timestamp) = (SequenceNumber(number), u32::from(number / 2) * 3000);
            HeaderWriter::new(&mut datagram, VP8, sequence, timestamp, Ssrc(77))
                .marker(payload)
                .extension(4, b"v")
                .finish();
            if payload {
                datagram.push(0x10);
                datagram.extend_from_slice(&vp8_frame(number.into(), 100, number == 0));
            }
            source.handle_datagram(pair.now, &datagram);
        }
        while let Some(packet) = source.read_packet(VIDEO) {
            pair.a.forward(pair.now, VIDEO, &packet).unwrap();
        }
        pair.run(33 * MS);
    }
    let stats = pair.b.inbound_stats(VIDEO).next().unwrap();
    assert_eq!((stats.nack_count, stats.pli_count), (0, 0), "{stats:?}");
    assert_eq!(std::iter::from_fn(|| pair.b.read_frame(pair.now, VIDEO)).count(), 20);
}

#[test]
fn a_format_that_was_not_negotiated_comes_back() {
    let mut pair = Pair::new();
    let packets = received(77, [10]);
    let error = pair.a.forward(pair.now, AUDIO, &packets[0]).unwrap_err();
    assert_eq!(error.reason(), SendErrorReason::UnknownFormat(crate::payload::Format::Vp8));
    assert_eq!(error.into_payload(), packets[0].payload);
}

#[test]
fn formats_that_are_opaque_to_us_are_forwarded_by_name() {
    let numbers = |vp9: u8, av1: u8| {
        let codec = |number, name| Codec {
            payload_type: PayloadType::from_low_bits(number),
            format: crate::payload::Format::from_encoding_name(name),
            ..video(Side::A).codecs[0]
        };
        vec![codec(vp9, "VP9"), codec(av1, "AV1")]
    };
    // The numbers of one connection say nothing about another's.
    for (vp9, av1) in [(45, 98), (100, 101)] {
        let mut pair = Pair::new();
        let mut parameters = video(Side::B);
        parameters.codecs = numbers(98, 45);
        pair.set(Side::B, VIDEO, parameters);
        let mut datagram = Vec::new();
        let vp9_there = PayloadType::from_low_bits(98);
        HeaderWriter::new(&mut datagram, vp9_there, SequenceNumber(1), 0, Ssrc(200)).finish();
        datagram.push(1);
        pair.b.handle_datagram(pair.now, &datagram);
        let packet = pair.b.read_packet(VIDEO).unwrap();
        let mut parameters = video(Side::A);
        parameters.codecs = numbers(vp9, av1);
        pair.set(Side::A, VIDEO, parameters);
        pair.a.forward(pair.now, VIDEO, &packet).unwrap();
        pair.run(MS);
        let (_, sent) = pair.rtp(Side::A).next().unwrap();
        assert_eq!(Packet::parse(sent).unwrap().payload_type().number(), vp9);
    }
}

#[test]
fn audio_that_comes_late_is_forwarded_late() {
    let mut pair = Pair::new();
    let now = pair.now;
    for number in [1u32, 2, 4, 3, 5] {
        let mut datagram = Vec::new();
        let sequence = SequenceNumber(number as u16);
        HeaderWriter::new(&mut datagram, OPUS, sequence, number * 960, Ssrc(9)).finish();
        datagram.push(number as u8);
        pair.b.handle_datagram(now, &datagram);
        let packet = pair.b.read_packet(AUDIO).unwrap();
        pair.b.forward(now, AUDIO, &packet).unwrap();
        pair.run(MS);
    }
    let sent: Vec<_> = pair
        .rtp(Side::B)
        .map(|(_, datagram)| Packet::parse(datagram).unwrap())
        .map(|packet| (packet.payload()[0], packet.sequence_number().0))
        .collect();
    let payloads: Vec<_> = sent.iter().map(|(payload, _)| *payload).collect();
    assert_eq!(payloads, [1, 2, 4, 3, 5]);
    assert!(sent.windows(2).all(|pair| {
        pair[1].1.wrapping_sub(pair[0].1) == (u16::from(pair[1].0)).wrapping_sub(pair[0].0.into())
    }));
    let stats = pair.b.outbound_stats(AUDIO).unwrap();
    assert_eq!(stats.queued_packets, 0);
    let packet = OutgoingPacket::new(OPUS, 7, b"own"[..].into());
    pair.b.send_packet(pair.now, AUDIO, packet).unwrap();
    let _ = ClockRate::HZ_48000;
}
