use std::collections::BTreeSet;
use std::time::Duration;

use super::pair::*;
use crate::packet::Packet;
use crate::rtcp::{self, Compound};
use crate::session::{Config, Event, Frame, OutgoingPacket};
use crate::ssrc::Ssrc;

/// Sends frames of several packets over a bad network; gives what was sent and what arrived.
fn call(pair: &mut Pair, number: u64, loss: f64) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut network = lossy(number, loss);
    // What is lost before anything arrived isn't missed.
    let first = OutgoingPacket::new(VP8, 0, vec![255].into());
    pair.a.send_packet(pair.now, VIDEO, first).unwrap();
    pair.run(30 * MS);
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for frame in 0..150u32 {
        for part in 0..6u8 {
            let payload = [&frame.to_be_bytes()[..], &[part; 400]].concat();
            let mut packet = OutgoingPacket::new(VP8, frame * 3000, payload.clone().into());
            packet.marker = part == 5;
            pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
            sent.push(payload);
        }
        pair.run_over(20 * MS, &mut network);
        while let Some(packet) = pair.b.read_packet(VIDEO) {
            received.push(packet.payload.to_vec());
        }
    }
    // Something that tells the tail's loss.
    for frame in 0..20u8 {
        pair.run_over(20 * MS, &mut network);
        let packet = OutgoingPacket::new(VP8, 900_000, vec![255, 255, frame].into());
        pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
    }
    pair.run_over(Duration::from_secs(2), &mut network);
    while let Some(packet) = pair.b.read_packet(VIDEO) {
        received.push(packet.payload.to_vec());
    }
    (sent, received.into_iter().filter(|payload| payload.len() > 10).collect())
}

fn assert_whole(sent: Vec<Vec<u8>>, received: Vec<Vec<u8>>, seed: u64) {
    let count = received.len();
    let received: BTreeSet<_> = received.into_iter().collect();
    assert_eq!(received.len(), count, "seed {seed}: none twice");
    let missing = sent.iter().filter(|payload| !received.contains(*payload)).count();
    assert_eq!(missing, 0, "seed {seed}: of {}", sent.len());
}

#[test]
fn retransmission_on_its_own_stream_recovers_everything() {
    for number in seeds() {
        let mut pair = Pair::with(Config::default(), number);
        let (sent, received) = call(&mut pair, number, 0.1);
        assert_whole(sent, received, number);
        let stats = pair.b.inbound_stats(VIDEO).next().unwrap();
        assert!(stats.retransmitted_packets_received > 30, "seed {number}: {stats:?}");
        assert!(stats.packets_lost > 30, "repaired packets are lost to the reports");
        assert!(pair.rtp(Side::A).any(|(_, d)| Packet::parse(d).unwrap().payload_type() == RTX));
    }
}

#[test]
fn plain_retransmission_recovers_everything() {
    for number in seeds() {
        let mut pair = Pair::with(Config::default(), number);
        for side in [Side::A, Side::B] {
            let mut parameters = video(side);
            parameters.codecs[0].rtx = None;
            parameters.send.as_mut().unwrap().rtx_ssrc = None;
            pair.set(side, VIDEO, parameters);
        }
        let (sent, received) = call(&mut pair, number, 0.1);
        assert_whole(sent, received, number);
    }
}

#[test]
fn nothing_is_sent_again_under_its_own_number_where_srtp_would_encrypt_it() {
    let secured = Config { plain_retransmission: false, ..Config::default() };
    let mut pair = Pair::with(secured, 1);
    let with_rtx = video(Side::A);
    let mut without = with_rtx.clone();
    without.codecs[0].rtx = None;
    without.send.as_mut().unwrap().rtx_ssrc = None;
    pair.set(Side::A, VIDEO, without.clone());
    call(&mut pair, 1, 0.1);
    let mut numbers = BTreeSet::new();
    for (_, datagram) in pair.rtp(Side::A) {
        let packet = Packet::parse(datagram).unwrap();
        assert!(numbers.insert((packet.ssrc(), packet.sequence_number().0)), "{packet:?}");
    }
    // It was asked, and has nothing to give.
    let stats = pair.a.outbound_stats(VIDEO).unwrap();
    assert!(stats.nack_count > 30, "{stats:?}");
    assert_eq!((stats.retransmitted_packets_sent, stats.history_packets), (0, 0));
    assert!(pair.b.inbound_stats(VIDEO).next().unwrap().nack_count > 30);

    // With a stream for it, it is; and what was queued for that is dropped when it goes.
    pair.set(Side::A, VIDEO, with_rtx);
    let packet = OutgoingPacket::new(VP8, 990_000, vec![7; 30].into());
    pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
    pair.run(200 * MS);
    let number = std::iter::from_fn(|| pair.b.read_packet(VIDEO)).last().unwrap().sequence.wire();
    let mut nack = Vec::new();
    rtcp::Writer::new(&mut nack).nack(Ssrc(1), Ssrc(200), [number]);
    pair.a.handle_datagram(pair.now, &nack);
    pair.run(200 * MS);
    assert_eq!(pair.a.outbound_stats(VIDEO).unwrap().retransmitted_packets_sent, 1);
    pair.a.handle_datagram(pair.now, &nack);
    pair.set(Side::A, VIDEO, without);
    pair.run(200 * MS);
    assert_eq!(pair.a.outbound_stats(VIDEO).unwrap().retransmitted_packets_sent, 1);
}

#[test]
fn frames_of_a_bad_network_are_whole() {
    for number in seeds() {
        let mut pair = Pair::with(Config::default(), number);
        pair.set(Side::B, VIDEO, frames(video(Side::B)));
        let mut network = lossy(number, 0.05);
        let mut next = 0;
        for frame in 0..200u32 {
            let sent = Frame::new(vp8_frame(frame, 4000, frame % 50 == 0), frame * 3000);
            pair.a.send_frame(pair.now, VIDEO, sent).unwrap();
            pair.run_over(33 * MS, |side, datagram| match next {
                // What is lost before anything arrived isn't missed.
                0 => Fate::DelayBy(Duration::ZERO),
                _ => network(side, datagram),
            });
            if frame == 199 {
                pair.run(Duration::from_secs(1));
            }
            while let Some(read) = pair.b.read_frame(pair.now, VIDEO) {
                assert_eq!(read.rtp_time, next * 3000, "seed {number}");
                assert_eq!(read.data, vp8_frame(next, 4000, next % 50 == 0), "seed {number}");
                next += 1;
            }
        }
        // The last may have lost its last packet, which nothing tells.
        assert!(next >= 199, "seed {number}: {next} frames");
    }
}

#[test]
fn requests_are_paced_by_the_round_trip_and_given_up() {
    let mut pair = Pair::new();
    let mut lost = None;
    for frame in 0..100u32 {
        let packet = OutgoingPacket::new(VP8, frame * 3000, vec![0; 100].into());
        pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
        pair.run_over(20 * MS, |_, datagram| {
            let packet =
                (!crate::packet::is_rtcp(datagram)).then(|| Packet::parse(datagram).unwrap());
            match packet {
                // The eleventh is lost, and all its repetitions.
                Some(packet) if packet.payload_type() == RTX => Fate::Lose,
                Some(packet) if frame == 10 => {
                    lost = Some(packet.sequence_number());
                    Fate::Lose
                }
                _ => Fate::DelayBy(Duration::ZERO),
            }
        });
        while pair.b.read_packet(VIDEO).is_some() {}
    }
    let mut asked = Vec::new();
    for (at, datagram) in pair.rtcp(Side::B) {
        for packet in Compound::parse(datagram).unwrap() {
            if let rtcp::Packet::Nack(nack) = packet.unwrap() {
                assert!(nack.sequence_numbers().eq([lost.unwrap()]));
                asked.push(at);
            }
        }
    }
    assert_eq!(asked.len(), usize::from(Config::default().max_nacks));
    for pair in asked.windows(2) {
        assert!(pair[1] - pair[0] >= 40 * MS, "{pair:?}: less than the round trip");
    }
    assert_eq!(pair.b.inbound_stats(VIDEO).next().unwrap().nack_count, 10);
    assert_eq!(pair.a.outbound_stats(VIDEO).unwrap().nack_count, 10);
}

#[test]
fn a_repetition_has_the_original_number_in_front() {
    let mut pair = Pair::new();
    for number in 0..3u8 {
        let packet = OutgoingPacket::new(VP8, 7, vec![number; 5].into());
        pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
    }
    let mut first = true;
    pair.run_over(Duration::from_millis(200), |_, datagram| {
        let middle = Packet::parse(datagram).is_ok_and(|p| p.payload() == [1; 5]);
        if middle && std::mem::take(&mut first) {
            Fate::Lose
        } else {
            Fate::DelayBy(Duration::ZERO)
        }
    });
    let packets: Vec<_> =
        pair.rtp(Side::A).map(|(_, datagram)| Packet::parse(datagram).unwrap()).collect();
    assert_eq!(packets.len(), 4);
    let (original, repeated) = (packets[1], packets[3]);
    assert_eq!((repeated.ssrc().0, repeated.payload_type()), (201, RTX));
    assert_eq!(repeated.timestamp(), 7);
    assert_eq!(repeated.payload()[..2], original.sequence_number().0.to_be_bytes());
    assert_eq!(repeated.payload()[2..], original.payload()[..]);
    let read: Vec<_> = std::iter::from_fn(|| pair.b.read_packet(VIDEO)).collect();
    let retransmitted: Vec<_> = read.iter().map(|packet| packet.retransmitted).collect();
    assert_eq!(retransmitted, [false, false, true]);
    assert_eq!(read[2].sequence.0, read[0].sequence.0 + 1);
    assert_eq!((read[2].payload_type, read[2].ssrc.0), (VP8, 200));
}

#[test]
fn a_lost_picture_is_told_and_the_wish_arrives() {
    let mut pair = Pair::new();
    pair.set(Side::B, VIDEO, frames(video(Side::B)));
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(0, 2000, true), 0)).unwrap();
    pair.run(50 * MS);
    assert!(pair.b.read_frame(pair.now, VIDEO).is_some());
    assert!(!pair.saw(Side::A, Event::KeyFrameRequested(VIDEO)));
    // A frame that never arrives, whatever is asked.
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(1, 500, false), 3000)).unwrap();
    pair.run_over(MS, |_, _| Fate::Lose);
    for number in 2..60 {
        let frame = Frame::new(vp8_frame(number, 500, false), number * 3000);
        pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
        pair.run_over(33 * MS, |_, datagram| {
            let repeated = Packet::parse(datagram).is_ok_and(|p| p.payload_type() == RTX);
            if repeated { Fate::Lose } else { Fate::DelayBy(Duration::ZERO) }
        });
        assert!(pair.b.read_frame(pair.now, VIDEO).is_none(), "not without a key frame");
    }
    assert!(pair.saw(Side::A, Event::KeyFrameRequested(VIDEO)));
    assert!(pair.b.inbound_stats(VIDEO).next().unwrap().pli_count >= 2, "asked again");
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(60, 500, true), 180_000)).unwrap();
    pair.run(50 * MS);
    let frame = pair.b.read_frame(pair.now, VIDEO).unwrap();
    assert!(frame.keyframe && frame.discontinuity);
    let plis = pair.b.inbound_stats(VIDEO).next().unwrap().pli_count;
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.b.inbound_stats(VIDEO).next().unwrap().pli_count, plis, "no more");
}

#[test]
fn a_source_that_falls_silent_is_not_asked_for_ever() {
    let mut pair = Pair::new();
    pair.set(Side::B, VIDEO, frames(video(Side::B)));
    let send = |pair: &mut Pair, number: u32, key: bool, fate| {
        let frame = Frame::new(vp8_frame(number, 500, key), number * 3000);
        pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
        pair.run_over(33 * MS, |side, datagram| {
            let repeated = Packet::parse(datagram).is_ok_and(|p| p.payload_type() == RTX);
            if side == Side::A && repeated { Fate::Lose } else { fate }
        });
    };
    let arrive = Fate::DelayBy(Duration::ZERO);
    send(&mut pair, 0, true, arrive);
    assert!(pair.b.read_frame(pair.now, VIDEO).is_some());
    send(&mut pair, 1, false, Fate::Lose);
    send(&mut pair, 2, false, arrive);
    pair.run_over(
        Duration::from_secs(60),
        |side, _| {
            if side == Side::A { Fate::Lose } else { arrive }
        },
    );
    let plis = |pair: &Pair| pair.b.inbound_stats(VIDEO).next().unwrap().pli_count;
    let asked = plis(&pair);
    assert!((2..=6).contains(&asked), "{asked} times");
    assert_eq!(pair.b.poll_timeout(), None);
    // With what comes next the wish is as fresh as before.
    send(&mut pair, 3, false, arrive);
    assert_eq!(plis(&pair), asked + 1);
    pair.run(Duration::from_secs(1));
    assert!(plis(&pair) > asked + 1);
    send(&mut pair, 4, true, arrive);
    assert!(pair.b.read_frame(pair.now, VIDEO).unwrap().keyframe);
}

#[test]
fn history_is_bounded_in_packets_bytes_and_age() {
    let bounds = [
        Config { history_packets: 10, ..Config::default() },
        Config { history_bytes: 1000, ..Config::default() },
        Config { history_age: 100 * MS, ..Config::default() },
    ];
    for config in bounds {
        let mut pair = Pair::with(config, 1);
        pair.a.set_round_trip_time(MS);
        for number in 0..100u32 {
            let packet = OutgoingPacket::new(VP8, number * 900, vec![0; 100].into());
            pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
            pair.run(10 * MS);
        }
        let kept = pair.a.outbound_stats(VIDEO).unwrap().history_packets;
        assert!((9..=11).contains(&kept), "{kept} packets are kept");
        pair.run(Duration::from_secs(10));
        assert_eq!(pair.a.outbound_stats(VIDEO).unwrap().history_packets, 0, "old is dropped");
    }
}

#[test]
fn who_asks_for_the_first_time_need_not_wait_for_a_round_trip() {
    let mut pair = Pair::new();
    pair.a.set_round_trip_time(200 * MS);
    let packet = OutgoingPacket::new(VP8, 0, b"x"[..].into());
    pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
    pair.run(MS);
    let number = {
        let (_, datagram) = pair.rtp(Side::A).next().unwrap();
        Packet::parse(datagram).unwrap().sequence_number()
    };
    let mut nack = Vec::new();
    rtcp::Writer::new(&mut nack).nack(Ssrc(1), Ssrc(200), [number]);
    // The path is shorter than it was.
    for (pause, repetitions) in [(50, 1), (50, 1), (150, 2)] {
        pair.run(pause * MS);
        pair.a.handle_datagram(pair.now, &nack);
        pair.run(MS);
        let stats = pair.a.outbound_stats(VIDEO).unwrap();
        assert_eq!(stats.retransmitted_packets_sent, repetitions);
    }
}

#[test]
fn the_stream_of_repetitions_names_its_section_until_a_report_acknowledges_it() {
    let mut pair = Pair::new();
    for number in 0..400u32 {
        let packet = OutgoingPacket::new(VP8, number, vec![number as u8; 5].into());
        pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
        // Nothing is lost until long after the media stream is known.
        let mut lose = number > 200 && number % 20 == 0;
        pair.run_over(20 * MS, |side, datagram| {
            let media = side == Side::A && Packet::parse(datagram).is_ok_and(|p| p.ssrc().0 == 200);
            if media && std::mem::take(&mut lose) {
                Fate::Lose
            } else {
                Fate::DelayBy(Duration::ZERO)
            }
        });
        while pair.b.read_packet(VIDEO).is_some() {}
    }
    let named: Vec<_> = pair
        .rtp(Side::A)
        .map(|(_, datagram)| Packet::parse(datagram).unwrap())
        .filter(|packet| packet.ssrc().0 == 201)
        .map(|packet| packet.extension(4) == Some(b"v"))
        .collect();
    assert!(named.len() > 8);
    assert!(named[0] && !named[named.len() - 1], "{named:?}");
}
