use std::time::Duration;

use bytes::Bytes;

use super::pair::*;
use crate::payload_type::PayloadType;
use crate::rtcp::{Compound, Packet, TransportFeedback};
use crate::sequence::Unwrapper;
use crate::session::{Event, OutgoingPacket};

#[test]
fn arrivals_are_told_a_tenth_of_a_second_after_the_first() {
    for number in seeds() {
        let mut pair = Pair::with(crate::session::Config::default(), number);
        // A side that only receives tells too.
        for section in [AUDIO, VIDEO] {
            let mut parameters = if section == AUDIO { audio(Side::B) } else { video(Side::B) };
            parameters.send = None;
            pair.set(Side::B, section, parameters);
        }
        let mut network = lossy(number, 0.1);
        let mut lost = 0u64;
        let mut arrivals = std::collections::BTreeMap::new();
        for packet in 0..500u32 {
            let packet = OutgoingPacket::new(OPUS, packet * 960, Bytes::from_static(b"audio"));
            pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
            let (start, now) = (pair.start, pair.now);
            pair.run_over(20 * MS, |side, datagram| {
                if side == Side::B {
                    return Fate::DelayBy(Duration::ZERO);
                }
                if crate::packet::is_rtcp(datagram) {
                    return Fate::DelayBy(Duration::ZERO);
                }
                let fate = network(side, datagram);
                let number = crate::Packet::parse(datagram).unwrap().extension(3).unwrap();
                let number = u16::from_be_bytes(number.try_into().unwrap());
                match fate {
                    Fate::Lose => lost += 1,
                    Fate::DelayBy(more) => {
                        arrivals.insert(u64::from(number), now - start + 20 * MS + more);
                    }
                }
                fate
            });
        }
        pair.run(Duration::from_secs(1));
        let mut told = std::collections::BTreeMap::new();
        let mut unwrapper = Unwrapper::new();
        let mut expected_count = 0;
        let mut last = Duration::ZERO;
        for (at, datagram) in pair.rtcp(Side::B) {
            for packet in Compound::parse(datagram).unwrap() {
                let Packet::TransportFeedback(feedback) = packet.unwrap() else { continue };
                assert_eq!(feedback.feedback_count(), expected_count);
                expected_count = expected_count.wrapping_add(1);
                assert!(at - last >= 100 * MS || last.is_zero());
                last = at;
                let mut ticks =
                    i64::from(feedback.reference_time()) * TransportFeedback::TICKS_PER_REFERENCE;
                for (sequence, delta) in feedback.arrivals() {
                    let number = unwrapper.unwrap(sequence).0 - 65536;
                    if let Some(delta) = delta {
                        ticks += i64::from(delta);
                        told.insert(number, Duration::from_micros(ticks as u64 * 250));
                    }
                }
            }
        }
        assert_eq!(told.len(), arrivals.len(), "seed {number}");
        for (number, at) in arrivals {
            assert!(told[&number].abs_diff(at) < Duration::from_micros(250), "seed {number}");
        }
        let stats = pair.a.stats();
        assert!(stats.feedback_packets >= 490 && stats.feedback_lost <= lost + 5);
    }
}

#[test]
fn packets_that_belong_nowhere_are_told_of() {
    let mut pair = Pair::new();
    // Every other packet is of a payload type that the other side does not have.
    let unknown = PayloadType::from_low_bits(35);
    let mut parameters = audio(Side::A);
    parameters.codecs[0].payload_type = unknown;
    pair.set(Side::A, AUDIO, parameters);
    for number in 0..20u32 {
        let (section, payload_type) = if number % 2 == 0 { (VIDEO, VP8) } else { (AUDIO, unknown) };
        let packet = OutgoingPacket::new(payload_type, number, b"x"[..].into());
        pair.a.send_packet(pair.now, section, packet).unwrap();
        pair.run(20 * MS);
    }
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.b.stats().unknown_payload_type, 10);
    let stats = pair.a.stats();
    assert_eq!((stats.feedback_packets, stats.feedback_lost), (20, 0));
}

#[test]
fn nothing_is_told_where_it_was_not_negotiated() {
    let mut pair = Pair::new();
    let mut parameters = audio(Side::B);
    parameters.codecs[0].transport_cc = false;
    pair.set(Side::B, AUDIO, parameters);
    pair.a.send_packet(pair.now, AUDIO, OutgoingPacket::new(OPUS, 0, b"x"[..].into())).unwrap();
    pair.run(300 * MS);
    assert_eq!(pair.a.stats().feedback_packets, 0);
}

#[test]
fn key_frames_are_asked_for_by_pli_or_by_fir() {
    for fir_only in [false, true] {
        let mut pair = Pair::new();
        let mut parameters = video(Side::B);
        parameters.codecs[0].pli = !fir_only;
        pair.set(Side::B, VIDEO, parameters);
        // Before there is a stream, the wish waits for it.
        pair.b.request_key_frame(pair.now, VIDEO);
        pair.run(100 * MS);
        assert!(pair.log.is_empty());
        for number in 0..2 {
            let packet = OutgoingPacket::new(VP8, number, b"x"[..].into());
            pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
            pair.run(60 * MS);
        }
        let told = |pair: &Pair| {
            pair.events.iter().filter(|(_, e)| *e == Event::KeyFrameRequested(VIDEO)).count()
        };
        assert_eq!(told(&pair), 1);
        pair.b.request_key_frame(pair.now, VIDEO);
        pair.b.request_key_frame(pair.now, VIDEO);
        pair.run(60 * MS);
        assert_eq!(told(&pair), 2);
        let stats = pair.b.inbound_stats(VIDEO).next().unwrap();
        assert_eq!((stats.pli_count, stats.fir_count), if fir_only { (0, 2) } else { (2, 0) });
        let stats = pair.a.outbound_stats(VIDEO).unwrap();
        assert_eq!((stats.pli_count, stats.fir_count), if fir_only { (0, 2) } else { (2, 0) });
    }
}

#[test]
fn a_repeated_command_is_the_same_command() {
    let mut pair = Pair::new();
    let mut command = Vec::new();
    let entry = crate::rtcp::FullIntraEntry { media: crate::Ssrc(200), command_sequence: 7 };
    crate::rtcp::Writer::new(&mut command).full_intra_request(crate::Ssrc(1), [entry]);
    pair.a.handle_datagram(pair.now, &command);
    assert_eq!(pair.a.poll_event(), Some(Event::KeyFrameRequested(VIDEO)));
    pair.a.handle_datagram(pair.now, &command);
    assert_eq!(pair.a.poll_event(), None);
}

#[test]
fn without_reduced_size_feedback_has_a_report_in_front() {
    for reduced_size in [false, true] {
        let mut pair = Pair::new();
        let mut parameters = video(Side::B);
        parameters.reduced_size = reduced_size;
        pair.set(Side::B, VIDEO, parameters);
        pair.a.send_packet(pair.now, VIDEO, OutgoingPacket::new(VP8, 0, b"x"[..].into())).unwrap();
        pair.run(30 * MS);
        pair.b.request_key_frame(pair.now, VIDEO);
        pair.run(10 * MS);
        let (_, datagram) = pair.rtcp(Side::B).next().unwrap();
        let first = Compound::parse(datagram).unwrap().next().unwrap().unwrap();
        assert_eq!(matches!(first, Packet::ReceiverReport(_)), !reduced_size);
    }
}

#[test]
fn an_estimate_of_the_other_side_is_kept() {
    let mut pair = Pair::new();
    let mut remb = Vec::new();
    crate::rtcp::Writer::new(&mut remb).receiver_estimated_maximum_bitrate(
        crate::Ssrc(1),
        1 << 20,
        &[crate::Ssrc(200)],
    );
    pair.a.handle_datagram(pair.now, &remb);
    assert_eq!(pair.a.stats().remote_estimate, Some(1 << 20));
}
