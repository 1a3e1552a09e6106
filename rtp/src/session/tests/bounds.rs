use bytes::Bytes;

use super::pair::*;
use crate::pacer::Bitrate;
use crate::packet::HeaderWriter;
use crate::session::section::{Mode, Receive};
use crate::session::{Config, Event, Frame, OutgoingPacket, SectionId, SendErrorReason};
use crate::{SequenceNumber, Ssrc};

#[test]
fn a_full_send_queue_gives_the_payload_back() {
    let config =
        Config { max_send_queue_packets: 10, max_send_queue_bytes: 5000, ..Config::default() };
    let mut pair = Pair::with(config, 1);
    let packet = |len: usize| OutgoingPacket::new(VP8, 0, vec![7; len].into());
    for _ in 0..10 {
        pair.a.send_packet(pair.now, VIDEO, packet(100)).unwrap();
    }
    let error = pair.a.send_packet(pair.now, VIDEO, packet(100)).unwrap_err();
    assert_eq!(error.reason(), SendErrorReason::QueueFull { packets: 10, bytes: 1000 });
    assert_eq!(error.into_payload().len(), 100);
    pair.run(MS);
    for _ in 0..5 {
        pair.a.send_packet(pair.now, VIDEO, packet(1000)).unwrap();
    }
    let error = pair.a.send_packet(pair.now, VIDEO, packet(1)).unwrap_err();
    assert_eq!(error.reason(), SendErrorReason::QueueFull { packets: 5, bytes: 5000 });
    pair.run(MS);
    // A frame larger than the bound passes alone, or none like it could ever be sent.
    let frame = || Frame::new(vp8_frame(0, 20_000, true), 0);
    pair.a.send_frame(pair.now, VIDEO, frame()).unwrap();
    let error = pair.a.send_frame(pair.now, VIDEO, frame()).unwrap_err();
    assert!(matches!(error.reason(), SendErrorReason::QueueFull { .. }));
    assert_eq!(error.into_payload(), frame().data);
}

#[test]
fn unread_packets_are_bounded_and_the_oldest_dropped() {
    let configs = [
        Config { max_unread_packets: 8, ..Config::default() },
        Config { max_unread_bytes: 800, ..Config::default() },
    ];
    for config in configs {
        let mut pair = Pair::with(config, 1);
        for number in 0..20u8 {
            let packet = OutgoingPacket::new(OPUS, number.into(), vec![number; 100].into());
            pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
        }
        pair.run(30 * MS);
        let read: Vec<_> =
            std::iter::from_fn(|| pair.b.read_packet(AUDIO)).map(|p| p.payload[0]).collect();
        assert_eq!(read, [12, 13, 14, 15, 16, 17, 18, 19]);
        assert_eq!(pair.b.inbound_stats(AUDIO).next().unwrap().packets_discarded, 12);
    }
}

#[test]
fn events_are_as_many_as_sections_and_kinds() {
    let mut pair = Pair::new();
    let mut pli = Vec::new();
    let indication = crate::rtcp::PictureLossIndication { sender: Ssrc(1), media: Ssrc(200) };
    crate::rtcp::Writer::new(&mut pli).picture_loss_indication(indication);
    for _ in 0..100 {
        pair.a.handle_datagram(pair.now, &pli);
    }
    assert_eq!(pair.a.poll_event(), Some(Event::KeyFrameRequested(VIDEO)));
    assert_eq!(pair.a.poll_event(), None);
    pair.a.handle_datagram(pair.now, &pli);
    assert_eq!(pair.a.poll_event(), Some(Event::KeyFrameRequested(VIDEO)));
}

#[test]
fn requests_for_the_same_packet_are_answered_once_a_round_trip() {
    let mut pair = Pair::new();
    for number in 0..10 {
        let packet = OutgoingPacket::new(VP8, number, vec![0; 10].into());
        pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
    }
    pair.run(30 * MS);
    let first = pair.b.read_packet(VIDEO).unwrap().sequence.wire();
    let mut nack = Vec::new();
    let all = (0..10).map(|step| SequenceNumber(first.0.wrapping_add(step)));
    crate::rtcp::Writer::new(&mut nack).nack(Ssrc(1), Ssrc(200), all);
    for _ in 0..100 {
        pair.a.handle_datagram(pair.now, &nack);
    }
    pair.run(MS);
    assert_eq!(pair.a.outbound_stats(VIDEO).unwrap().retransmitted_packets_sent, 10);
    // Numbers that were never sent are asked for in vain.
    let mut nack = Vec::new();
    crate::rtcp::Writer::new(&mut nack).nack(
        Ssrc(1),
        Ssrc(200),
        (0..5000).step_by(3).map(SequenceNumber),
    );
    pair.a.handle_datagram(pair.now, &nack);
    pair.run(MS);
    assert!(pair.a.outbound_stats(VIDEO).unwrap().retransmitted_packets_sent <= 20);
}

#[test]
fn a_packet_is_sent_again_so_often_and_no_more() {
    let mut pair = Pair::new();
    pair.a.send_packet(pair.now, VIDEO, OutgoingPacket::new(VP8, 0, vec![0; 9].into())).unwrap();
    pair.run(30 * MS);
    let number = pair.b.read_packet(VIDEO).unwrap().sequence.wire();
    let mut nack = Vec::new();
    crate::rtcp::Writer::new(&mut nack).nack(Ssrc(1), Ssrc(200), [number]);
    for _ in 0..30 {
        pair.a.handle_datagram(pair.now, &nack);
        pair.run(30 * MS);
    }
    let sent = pair.a.outbound_stats(VIDEO).unwrap().retransmitted_packets_sent;
    assert_eq!(sent, u64::from(Config::default().max_retransmissions));
}

#[test]
fn a_wild_transport_sequence_is_bounded() {
    let mut pair = Pair::new();
    for step in 0..2000u32 {
        let mut datagram = Vec::new();
        let number = (step.wrapping_mul(7919) as u16).to_be_bytes();
        let sequence = SequenceNumber(step as u16);
        HeaderWriter::new(&mut datagram, OPUS, sequence, 0, Ssrc(5)).extension(3, &number).finish();
        datagram.push(0);
        pair.b.handle_datagram(pair.now, &datagram);
        while pair.b.read_packet(AUDIO).is_some() {}
    }
    pair.run(MS * 500);
    assert!(pair.rtcp(Side::B).count() < 50);
}

#[test]
fn a_thousand_sources_are_not_visited_for_one_packet() {
    let mut pair = Pair::new();
    for number in 0..1000u16 {
        let mut parameters = audio(Side::B);
        parameters.mid = number.to_string();
        parameters.send = None;
        parameters.receive = Some(Receive {
            ssrcs: vec![Ssrc(100_000 + u32::from(number))],
            mode: Mode::Packets,
            rtx: vec![],
        });
        pair.set(Side::B, SectionId(number), parameters);
    }
    let datagram = |number: u32, sequence: u16| {
        let mut datagram = Vec::new();
        let ssrc = Ssrc(100_000 + number);
        HeaderWriter::new(&mut datagram, OPUS, SequenceNumber(sequence), 0, ssrc).finish();
        datagram.push(0);
        datagram
    };
    for number in 0..1000 {
        pair.b.handle_datagram(pair.now, &datagram(number, 1));
    }
    let mut buf = Vec::new();
    let visits = |session: &crate::Session| session.streams.visits() + session.sections.visits();
    let before = visits(&pair.b);
    for round in 0..100u32 {
        let now = pair.now + MS / 10 * round;
        let number = round * 7 % 1000;
        pair.b.handle_datagram(now, &datagram(number, 2));
        pair.b.read_packet(SectionId(number as u16)).unwrap();
        pair.b.handle_timeout(now);
        assert!(pair.b.poll_transmit(now, &mut buf).is_none());
        pair.b.poll_timeout();
        while pair.b.poll_event().is_some() {}
    }
    // The first events of all sections are told in the first round.
    let visited = visits(&pair.b) - before - 1000;
    assert!(visited < 100 * 20, "{visited} visits for 100 packets");
}

#[test]
fn audio_and_retransmissions_go_before_video() {
    let mut pair = Pair::new();
    for number in 0..3 {
        let packet = OutgoingPacket::new(VP8, number, vec![0; 500].into());
        pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
    }
    pair.run_over(30 * MS, |_, d| {
        let first = crate::Packet::parse(d).is_ok_and(|p| p.timestamp() == 1);
        if first { Fate::Lose } else { Fate::DelayBy(std::time::Duration::ZERO) }
    });
    pair.a.set_pacing_rate(Some(Bitrate::from_bits_per_second(100_000)));
    let mut frame = Frame::new(vp8_frame(1, 50_000, true), 9);
    frame.payload_type = Some(VP8);
    pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
    pair.run(100 * MS);
    let packet = OutgoingPacket::new(OPUS, 0, Bytes::from_static(b"audio"));
    pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
    let before = pair.rtp(Side::A).count();
    pair.run(MS);
    let types: Vec<_> = pair
        .rtp(Side::A)
        .skip(3)
        .map(|(_, d)| crate::Packet::parse(d).unwrap().payload_type())
        .collect();
    assert_eq!(types.get(before - 3), Some(&OPUS), "at once");
    assert!(types.iter().take(4).any(|t| *t == RTX), "{types:?}");
}
