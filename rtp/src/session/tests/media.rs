use std::time::Duration;

use bytes::Bytes;

use super::pair::*;
use crate::clock::ClockRate;
use crate::extension::{AudioLevel, Kind};
use crate::pacer::Bitrate;
use crate::packet::{HeaderWriter, Packet};
use crate::payload::Format;
use crate::payload::h264::PacketizationMode;
use crate::payload_type::PayloadType;
use crate::sequence::SequenceNumber;
use crate::session::section::{Codec, Mode};
use crate::session::{Event, Frame, OutgoingPacket, SendErrorReason};
use crate::ssrc::Ssrc;

#[test]
fn frames_arrive_as_they_were_sent() {
    let mut pair = Pair::new();
    for side in [Side::A, Side::B] {
        pair.set(side, AUDIO, frames(audio(side)));
        pair.set(side, VIDEO, frames(video(side)));
    }
    let mut received = 0;
    for number in 0..50u32 {
        let key = number % 20 == 0;
        let frame = vp8_frame(number, if key { 20_000 } else { 3_000 }, key);
        let captured = Some(pair.now);
        let sent = Frame { captured, ..Frame::new(frame.clone(), number * 2970) };
        pair.a.send_frame(pair.now, VIDEO, sent).unwrap();
        let opus = Bytes::from(vec![0xFC, number as u8, 3]);
        pair.b.send_frame(pair.now, AUDIO, Frame::new(opus.clone(), number * 960)).unwrap();
        pair.run(33 * MS);
        let read = pair.b.read_frame(pair.now, VIDEO).expect("whole after 33 ms");
        assert_eq!((read.data, read.rtp_time, read.keyframe), (frame, number * 2970, key));
        assert!(!read.discontinuity);
        if let Some(captured) = read.captured {
            let truth = wall_clock() + Duration::from_millis(33 * u64::from(number));
            let error = captured.duration_since(truth).unwrap_or_else(|error| error.duration());
            assert!(error < Duration::from_micros(50), "{error:?}");
            received += 1;
        }
        assert_eq!(pair.a.read_frame(pair.now, AUDIO).unwrap().data, opus);
    }
    assert!(received > 20, "a sender report has told the wall clock");
    assert!(pair.saw(Side::B, Event::Readable(VIDEO)));
    let stats = pair.b.inbound_stats(VIDEO).next().unwrap();
    assert_eq!((stats.frames_received, stats.key_frames, stats.packets_lost), (50, 3, 0));
    let stats = pair.a.outbound_stats(VIDEO).unwrap();
    assert_eq!((stats.frames_sent, stats.key_frames), (50, 3));
}

#[test]
fn packets_arrive_in_order_with_their_extensions() {
    let mut pair = Pair::new();
    for number in 0..10u8 {
        let mut packet =
            OutgoingPacket::new(OPUS, u32::from(number) * 960, vec![number; 80].into());
        packet.extensions.set_audio_level(AudioLevel { voice: true, below_overload: number });
        packet.marker = number == 0;
        pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
    }
    pair.run(30 * MS);
    assert_eq!(pair.events.iter().filter(|(_, e)| *e == Event::Readable(AUDIO)).count(), 1);
    let mut last = None;
    for number in 0..10u8 {
        let packet = pair.b.read_packet(AUDIO).unwrap();
        assert_eq!(packet.payload, vec![number; 80]);
        assert_eq!(packet.marker, number == 0);
        assert_eq!(packet.extensions.audio_level().unwrap().below_overload, number);
        assert_eq!(packet.extensions.get(Kind::Mid), None, "of the hop");
        assert!(last.is_none_or(|last: u64| packet.sequence.0 == last + 1));
        last = Some(packet.sequence.0);
    }
    assert!(pair.b.read_packet(AUDIO).is_none());
}

#[test]
fn readable_is_told_again_only_after_a_read() {
    let mut pair = Pair::new();
    let count = |pair: &mut Pair, read: bool| {
        pair.events.clear();
        let packet = OutgoingPacket::new(OPUS, 0, Bytes::from_static(b"x"));
        pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
        pair.run(30 * MS);
        if read {
            pair.b.read_packet(AUDIO).unwrap();
        }
        pair.events.len()
    };
    assert_eq!(count(&mut pair, false), 1);
    assert_eq!(count(&mut pair, false), 0);
    assert_eq!(count(&mut pair, true), 0);
    assert_eq!(count(&mut pair, false), 1);
}

#[test]
fn the_section_is_named_until_a_report_acknowledges_it() {
    let mut pair = Pair::new();
    for number in 0..200u32 {
        let packet = OutgoingPacket::new(OPUS, number * 960, Bytes::from_static(b"audio"));
        pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
        pair.run(20 * MS);
        while pair.b.read_packet(AUDIO).is_some() {}
    }
    let named: Vec<_> = pair
        .rtp(Side::A)
        .map(|(_, datagram)| Packet::parse(datagram).unwrap().extension(4) == Some(b"a"))
        .collect();
    assert!(named[0] && !named[199]);
    let mut reports = pair.rtcp(Side::B).filter(|(_, datagram)| matches!(datagram[1], 200 | 201));
    let first_report = reports.next().unwrap().0 + pair.delay;
    for ((at, _), named) in pair.rtp(Side::A).zip(named) {
        assert_eq!(named, at <= first_report);
    }
}

#[test]
fn packets_carry_transport_numbers_and_send_times() {
    let mut pair = Pair::new();
    for number in 0..5u32 {
        let packet = OutgoingPacket::new(OPUS, number, Bytes::from_static(b"audio"));
        pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
        let frame = Frame::new(vp8_frame(number, 100, true), number);
        pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
        pair.run(250 * MS);
    }
    let mut times = Vec::new();
    for (index, (at, datagram)) in pair.rtp(Side::A).enumerate() {
        let packet = Packet::parse(datagram).unwrap();
        let number = u16::from_be_bytes(packet.extension(3).unwrap().try_into().unwrap());
        assert_eq!(usize::from(number), index + 1, "over all streams");
        times.push((
            at,
            crate::extension::AbsSendTime::parse(packet.extension(2).unwrap()).unwrap(),
        ));
    }
    let passed = times[9].1.since(times[0].1);
    assert!(passed.abs_diff(times[9].0 - times[0].0) < Duration::from_micros(10));
}

#[test]
fn a_burst_of_100_packets_is_held_to_two_and_a_half_times_the_rate() {
    let mut pair = Pair::new();
    pair.a.set_pacing_rate(Some(Bitrate::from_bits_per_second(1_000_000)));
    let frame = Frame::new(vp8_frame(0, 100 * 1100, true), 0);
    pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
    pair.run(5 * MS);
    // Audio goes past the burst.
    let packet = OutgoingPacket::new(OPUS, 0, Bytes::from_static(b"audio"));
    pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
    let asked = pair.elapsed();
    pair.run(Duration::from_secs(2));
    let mut bits = 0.0;
    let mut last = Duration::ZERO;
    for (at, datagram) in pair.rtp(Side::A) {
        bits += datagram.len() as f64 * 8.0;
        let allowed = 2_500_000.0 * (at + 10 * MS).as_secs_f64() + 2.0 * 9600.0;
        assert!(bits <= allowed, "{bits} bits after {at:?}");
        if Packet::parse(datagram).unwrap().payload_type() == OPUS {
            assert_eq!(at, asked);
        }
        last = at;
    }
    let ideal = bits / 2_500_000.0;
    assert!((last.as_secs_f64() / ideal - 1.0).abs() < 0.05, "{last:?}, not {ideal} s");
}

#[test]
fn what_cannot_be_sent_comes_back() {
    let mut pair = Pair::new();
    let data = Bytes::from_static(b"payload");
    let error = pair
        .a
        .send_packet(pair.now, crate::SectionId(9), OutgoingPacket::new(OPUS, 0, data.clone()))
        .unwrap_err();
    assert_eq!(error.reason(), SendErrorReason::NotSending(crate::SectionId(9)));
    assert_eq!(error.into_payload(), data);
    let error = pair.a.send_packet(pair.now, AUDIO, OutgoingPacket::new(VP8, 0, data)).unwrap_err();
    assert_eq!(error.reason(), SendErrorReason::UnknownPayloadType(VP8));
    let large = Bytes::from(vec![0; 1200]);
    let error = pair
        .a
        .send_packet(pair.now, AUDIO, OutgoingPacket::new(OPUS, 0, large.clone()))
        .unwrap_err();
    assert!(matches!(error.reason(), SendErrorReason::TooLarge { len: 1200, .. }));
    let error = pair.a.send_frame(pair.now, AUDIO, Frame::new(large.clone(), 0)).unwrap_err();
    assert!(matches!(error.reason(), SendErrorReason::Packetize(_)));
    assert_eq!(error.into_payload(), large);
    assert!(pair.a.poll_timeout().is_none(), "nothing was queued");
}

#[test]
fn no_packet_is_longer_than_the_mtu() {
    let mut pair = Pair::new();
    for mtu in [300, 577, 1180, 1400] {
        pair.a.set_mtu(mtu);
        let mut frame = Frame::new(vp8_frame(1, 30_000, true), 0);
        frame.extensions.set(Kind::VideoOrientation, &[1]);
        pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
        let before = pair.log.len();
        // Losing some makes retransmissions, which are longer.
        let mut count = 0;
        pair.run_over(Duration::from_secs(3), |_, _| {
            count += 1;
            if count % 5 == 0 { Fate::Lose } else { Fate::DelayBy(Duration::ZERO) }
        });
        let largest = pair.log[before..].iter().map(|(_, _, datagram)| datagram.len()).max();
        assert!(largest.unwrap() <= mtu, "{largest:?} > {mtu}");
        while pair.b.read_packet(VIDEO).is_some() {}
    }
    assert!(pair.a.outbound_stats(VIDEO).unwrap().retransmitted_packets_sent > 10);
}

#[test]
fn modes_can_change() {
    let mut pair = Pair::new();
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(0, 5000, true), 0)).unwrap();
    pair.run(30 * MS);
    assert!(pair.b.read_packet(VIDEO).is_some());
    pair.set(Side::B, VIDEO, frames(video(Side::B)));
    assert!(pair.b.read_packet(VIDEO).is_none(), "what was unread is gone");
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(1, 5000, true), 3000)).unwrap();
    pair.run(30 * MS);
    assert_eq!(pair.b.read_frame(pair.now, VIDEO).unwrap().data, vp8_frame(1, 5000, true));
    let mut parameters = video(Side::B);
    parameters.receive.as_mut().unwrap().mode = Mode::Packets;
    pair.set(Side::B, VIDEO, parameters);
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(2, 500, true), 6000)).unwrap();
    pair.run(30 * MS);
    assert!(pair.b.read_packet(VIDEO).is_some());
    // Whoever comes in amid a picture cannot read it: each change asked for a whole one.
    let asked = |pair: &Pair| pair.b.inbound_stats(VIDEO).next().unwrap().pli_count;
    assert_eq!(asked(&pair), 2);
    for (mode, plis) in [(Mode::Packets, 2), (Mode::Frames, 3), (Mode::Frames, 3)] {
        pair.b.set_receive_mode(pair.now, VIDEO, mode);
        pair.run(30 * MS);
        assert_eq!(asked(&pair), plis);
    }
}

#[test]
fn what_comes_after_a_change_of_mode_is_announced() {
    let mut pair = Pair::new();
    let readable = |pair: &mut Pair| {
        let announced = pair.saw(Side::B, Event::Readable(VIDEO));
        pair.events.clear();
        announced
    };
    // Announced, and not read.
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(0, 500, true), 0)).unwrap();
    pair.run(30 * MS);
    assert!(readable(&mut pair));
    for (number, mode) in [(1, Mode::Frames), (2, Mode::Packets), (3, Mode::Frames)] {
        pair.b.set_receive_mode(pair.now, VIDEO, mode);
        let frame = Frame::new(vp8_frame(number, 500, true), number * 3000);
        pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
        pair.run(30 * MS);
        assert!(readable(&mut pair), "{mode:?}");
    }
}

#[test]
fn the_jitter_buffer_follows_a_change_of_codec() {
    let mut pair = Pair::new();
    let pcmu = PayloadType::from_low_bits(0);
    let mut sender = audio(Side::A);
    sender.codecs.push(Codec::new(pcmu, Format::Pcmu, ClockRate::HZ_8000));
    let mut receiver = frames(audio(Side::B));
    receiver.codecs.clone_from(&sender.codecs);
    // As an early packet may find it, before the other side's answer.
    receiver.codecs.iter_mut().for_each(|codec| codec.nack = true);
    pair.set(Side::A, AUDIO, sender);
    pair.set(Side::B, AUDIO, receiver.clone());
    for (payload_type, ticks) in [(pcmu, 160), (OPUS, 960)] {
        for number in 0..50u32 {
            let packet = OutgoingPacket::new(payload_type, number * ticks, vec![0xF8; 80].into());
            pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
            pair.run(20 * MS);
            while pair.b.read_frame(pair.now, AUDIO).is_some() {}
        }
    }
    let buffer = |pair: &Pair| pair.b.inbound_stats(AUDIO).next().unwrap().jitter_buffer.unwrap();
    assert!(buffer(&pair).jitter < MS, "{:?}", buffer(&pair).jitter);

    receiver.codecs.iter_mut().for_each(|codec| codec.nack = false);
    pair.set(Side::B, AUDIO, receiver);
    // One is missed: without retransmission it is not waited for longer than reordering takes.
    for number in [50, 51, 52u32] {
        let packet = OutgoingPacket::new(OPUS, number * 960, vec![0xF8; 80].into());
        pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
        let fate = if number == 51 { Fate::Lose } else { Fate::DelayBy(Duration::ZERO) };
        pair.run_over(
            20 * MS,
            |side, _| {
                if side == Side::A { fate } else { Fate::DelayBy(Duration::ZERO) }
            },
        );
    }
    pair.run(30 * MS);
    let times: Vec<_> = std::iter::from_fn(|| pair.b.read_frame(pair.now, AUDIO))
        .map(|frame| frame.rtp_time / 960)
        .collect();
    assert_eq!(times, [50, 52]);
}

#[test]
fn a_frame_that_does_not_fit_together_hides_no_other() {
    let mut pair = Pair::new();
    let mut parameters = frames(video(Side::B));
    parameters.codecs[0].format = Format::H264(PacketizationMode::NonInterleaved);
    pair.set(Side::B, VIDEO, parameters);
    let mut deliver = |ssrc: u32, sequence: u16, marker: bool, payload: &[u8]| {
        let mut datagram = Vec::new();
        let sequence = SequenceNumber(sequence);
        HeaderWriter::new(&mut datagram, VP8, sequence, 7, Ssrc(ssrc)).marker(marker).finish();
        datagram.extend_from_slice(payload);
        pair.b.handle_datagram(pair.now, &datagram);
    };
    // Of the first source two fragments that both begin a NAL unit, of the second a whole one.
    let fragment = [0x7C, 0x85, 0x88, 1];
    deliver(5, 1, false, &fragment);
    deliver(5, 2, true, &fragment);
    deliver(6, 1, true, &[0x65, 0x88, 1]);
    let frame = pair.b.read_frame(pair.now, VIDEO).unwrap();
    assert_eq!((frame.ssrc, frame.keyframe), (Ssrc(6), true));
    assert!(pair.b.read_frame(pair.now, VIDEO).is_none());
    pair.run(Duration::from_secs(1));
    let asked: Vec<_> = pair.b.inbound_stats(VIDEO).map(|stats| stats.pli_count > 0).collect();
    assert_eq!(asked, [true, false]);
}

#[test]
fn duplicates_are_not_discarded_and_parts_are_no_frames() {
    let mut pair = Pair::new();
    pair.set(Side::B, VIDEO, frames(video(Side::B)));
    for number in 0..10u32 {
        // The last is never whole.
        let frame = Frame::new(vp8_frame(number, 3000, number == 0), number * 3000);
        pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
        let before = pair.rtp(Side::A).count();
        let mut packets = 0;
        pair.run_over(30 * MS, |side, datagram| {
            packets += usize::from(side == Side::A && !crate::packet::is_rtcp(datagram));
            let lost = side == Side::A && number == 9 && packets != 1;
            if lost { Fate::Lose } else { Fate::DelayBy(Duration::ZERO) }
        });
        let (_, first) = pair.rtp(Side::A).nth(before).unwrap();
        let first = first.to_vec();
        pair.b.handle_datagram(pair.now, &first);
        let _ = pair.b.read_frame(pair.now, VIDEO);
    }
    // What comes behind it is whole, and of no use.
    let frame = Frame::new(vp8_frame(10, 500, false), 30_000);
    pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
    pair.run_over(Duration::from_secs(2), |_, datagram| {
        let repeated = Packet::parse(datagram).is_ok_and(|p| p.payload_type() == RTX);
        if repeated { Fate::Lose } else { Fate::DelayBy(Duration::ZERO) }
    });
    assert!(pair.b.read_frame(pair.now, VIDEO).is_none());
    let stats = pair.b.inbound_stats(VIDEO).next().unwrap();
    assert_eq!(stats.packets_duplicate, 10);
    assert_eq!(stats.packets_discarded, 1, "of the frame that lacked the rest");
    assert_eq!((stats.frames_received, stats.frames_dropped), (10, 2));
}
