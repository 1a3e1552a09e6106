use super::pair::*;
use crate::packet::HeaderWriter;
use crate::session::section::{Codec, Mode, Parameters, Receive};
use crate::session::{Config, Event, OutgoingPacket, SectionId};
use crate::{PayloadType, SequenceNumber, Ssrc};

struct Sent<'a> {
    ssrc: u32,
    payload_type: PayloadType,
    sequence: u16,
    extensions: &'a [(u8, &'a [u8])],
    payload: &'a [u8],
}

fn packet(ssrc: u32, payload_type: PayloadType) -> Sent<'static> {
    Sent { ssrc, payload_type, sequence: 1, extensions: &[], payload: b"payload" }
}

impl Sent<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let sequence = SequenceNumber(self.sequence);
        let mut writer =
            HeaderWriter::new(&mut bytes, self.payload_type, sequence, 0, Ssrc(self.ssrc));
        for (id, data) in self.extensions {
            writer = writer.extension(*id, data);
        }
        writer.finish();
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

fn deliver(pair: &mut Pair, sent: &Sent<'_>) {
    let now = pair.now;
    pair.b.handle_datagram(now, &sent.bytes());
}

/// Two video sections with the same payload types.
fn twins(receive: impl Fn(u16) -> Receive) -> Pair {
    let mut pair = Pair::new();
    for section in [2, 3] {
        let parameters = Parameters {
            mid: section.to_string(),
            send: None,
            receive: Some(Receive { mode: Mode::Packets, ..receive(section) }),
            ..video(Side::B)
        };
        pair.set(Side::B, SectionId(section), parameters);
    }
    pair.b.remove_section(pair.now, VIDEO);
    pair
}

fn readable(pair: &mut Pair) -> Vec<u16> {
    let sections = [0, 1, 2, 3].into_iter();
    sections.filter(|section| pair.b.read_packet(SectionId(*section)).is_some()).collect()
}

#[test]
fn a_payload_type_of_one_section_is_enough() {
    let mut pair = Pair::new();
    deliver(&mut pair, &packet(5, OPUS));
    deliver(&mut pair, &packet(6, VP8));
    assert_eq!(readable(&mut pair), [0, 1]);
}

#[test]
fn a_payload_type_of_two_sections_is_not() {
    let mut pair = twins(|_| Receive::default());
    deliver(&mut pair, &packet(5, VP8));
    assert_eq!(readable(&mut pair), [0u16; 0]);
    assert_eq!(pair.b.stats().unknown_ssrc, 1);
}

#[test]
fn the_name_of_the_section_goes_before_all() {
    let mut pair =
        twins(|section| Receive { ssrcs: vec![Ssrc(section.into())], ..Receive::default() });
    deliver(&mut pair, &packet(2, VP8));
    assert_eq!(readable(&mut pair), [2], "as it was signalled");
    deliver(&mut pair, &Sent { extensions: &[(4, b"3")], ..packet(7, VP8) });
    assert_eq!(readable(&mut pair), [3]);
    deliver(&mut pair, &Sent { sequence: 2, ..packet(7, VP8) });
    assert_eq!(readable(&mut pair), [3], "learned");
    deliver(&mut pair, &Sent { sequence: 3, extensions: &[(4, b"2")], ..packet(7, VP8) });
    assert_eq!(readable(&mut pair), [2], "moved");
    deliver(&mut pair, &Sent { sequence: 4, extensions: &[(4, b"unheard")], ..packet(7, VP8) });
    assert_eq!(readable(&mut pair), [2], "a name that nobody has moves nothing");
}

#[test]
fn what_a_section_no_longer_receives_is_not_another_sections() {
    let mut pair = twins(|section| match section {
        3 => Receive { ssrcs: vec![Ssrc(30), Ssrc(31)], ..Receive::default() },
        _ => Receive::default(),
    });
    let named: &[(u8, &[u8])] = &[(4, b"3")];
    deliver(&mut pair, &packet(30, VP8));
    deliver(&mut pair, &Sent { extensions: named, ..packet(7, VP8) });
    deliver(&mut pair, &Sent { extensions: &[(4, b"2")], ..packet(8, VP8) });
    while !readable(&mut pair).is_empty() {}
    let receives = |pair: &mut Pair, receive| {
        let parameters = Parameters { mid: "3".into(), send: None, receive, ..video(Side::B) };
        pair.set(Side::B, SectionId(3), parameters);
    };
    // Its payload types are those of one section only from here on.
    receives(&mut pair, None);
    // Signalled and heard, signalled, learned; one that moves there; one that is new, by its name.
    for ssrc in [30, 31, 7] {
        deliver(&mut pair, &Sent { sequence: 2, ..packet(ssrc, VP8) });
    }
    for (sequence, ssrc) in [(2, 8), (1, 9)] {
        deliver(&mut pair, &Sent { sequence, extensions: named, ..packet(ssrc, VP8) });
    }
    deliver(&mut pair, &Sent { sequence: 3, ..packet(8, VP8) });
    deliver(&mut pair, &Sent { extensions: &[(4, b"unheard")], ..packet(10, VP8) });
    assert_eq!(readable(&mut pair), [0u16; 0]);
    deliver(&mut pair, &packet(11, VP8));
    assert_eq!(readable(&mut pair), [2], "by its payload type");

    receives(&mut pair, Some(Receive { mode: Mode::Packets, ..Receive::default() }));
    for ssrc in [7, 8] {
        deliver(&mut pair, &Sent { sequence: 4, ..packet(ssrc, VP8) });
        assert_eq!(readable(&mut pair), [3], "{ssrc} is known still");
    }
    deliver(&mut pair, &Sent { sequence: 4, ..packet(30, VP8) });
    assert_eq!(readable(&mut pair), [0u16; 0], "no longer signalled");
}

#[test]
fn sources_of_a_section_that_does_not_receive_are_bounded() {
    let mut pair = twins(|_| Receive::default());
    let parameters = Parameters { mid: "3".into(), send: None, receive: None, ..video(Side::B) };
    pair.set(Side::B, SectionId(3), parameters);
    for ssrc in 0..1000 {
        // Learned in the one that receives, then moved.
        deliver(&mut pair, &Sent { extensions: &[(4, b"2")], ..packet(5000 + ssrc, VP8) });
        deliver(
            &mut pair,
            &Sent { sequence: 2, extensions: &[(4, b"3")], ..packet(5000 + ssrc, VP8) },
        );
    }
    let slot = pair.b.sections.slot_of(SectionId(3)).unwrap();
    assert_eq!(pair.b.routes.expected(slot), Config::default().max_learned_ssrcs);
    pair.b.remove_section(pair.now, SectionId(3));
    assert_eq!(pair.b.routes.expected(slot), 0);
}

#[test]
fn a_description_binds_a_source_to_its_section() {
    let mut pair = twins(|_| Receive::default());
    let mut rtcp = Vec::new();
    let items = [(crate::rtcp::ItemKind::Mid, &b"3"[..])];
    crate::rtcp::Writer::new(&mut rtcp)
        .receiver_report(Ssrc(5), [])
        .source_description(Ssrc(5), items);
    pair.b.handle_datagram(pair.now, &rtcp);
    deliver(&mut pair, &packet(5, VP8));
    assert_eq!(readable(&mut pair), [3]);
}

#[test]
fn payload_types_that_the_section_does_not_have_are_dropped() {
    let mut pair = Pair::new();
    deliver(&mut pair, &Sent { extensions: &[(4, b"v")], ..packet(5, OPUS) });
    assert_eq!(pair.b.stats().unknown_payload_type, 1);
    deliver(&mut pair, &Sent { extensions: &[(4, b"v")], ..packet(5, VP8) });
    deliver(&mut pair, &Sent { sequence: 2, ..packet(5, OPUS) });
    assert_eq!(pair.b.stats().unknown_payload_type, 2);
    assert_eq!(readable(&mut pair), [1]);
}

#[test]
fn our_own_source_does_not_come_from_outside() {
    let mut pair = Pair::new();
    deliver(&mut pair, &packet(1200, VP8));
    assert_eq!(pair.b.stats().unknown_ssrc, 1);
}

#[test]
fn retransmissions_find_their_source_by_signalling_rid_or_alone() {
    let original = [0, 1, b'x'];
    // Signalled; the original stream may never have been seen.
    let mut pair = Pair::new();
    let mut parameters = video(Side::B);
    parameters.receive =
        Some(Receive { ssrcs: vec![Ssrc(5)], rtx: vec![(Ssrc(6), Ssrc(5))], mode: Mode::Packets });
    pair.set(Side::B, VIDEO, parameters);
    deliver(&mut pair, &Sent { payload: &original, ..packet(6, RTX) });
    let read = pair.b.read_packet(VIDEO).unwrap();
    assert_eq!((read.ssrc, read.payload.as_ref(), read.retransmitted), (Ssrc(5), &b"x"[..], true));

    // By rid, of three encodings.
    let mut pair = Pair::new();
    for (ssrc, rid) in [(5, b"q"), (6, b"h"), (7, b"f")] {
        let extensions: &[(u8, &[u8])] = &[(4, b"v"), (10, rid)];
        deliver(&mut pair, &Sent { sequence: 2, extensions, ..packet(ssrc, VP8) });
        pair.b.read_packet(VIDEO).unwrap();
    }
    let extensions: &[(u8, &[u8])] = &[(4, b"v"), (11, b"h")];
    deliver(&mut pair, &Sent { extensions, payload: &original, ..packet(16, RTX) });
    assert_eq!(pair.b.read_packet(VIDEO).unwrap().ssrc, Ssrc(6));
    let stats: Vec<_> = pair.b.inbound_stats(VIDEO).map(|s| (s.ssrc.0, s.rtx_ssrc)).collect();
    assert_eq!(stats, [(5, None), (6, Some(Ssrc(16))), (7, None)]);

    // Alone.
    let mut pair = Pair::new();
    deliver(&mut pair, &Sent { payload: &original, ..packet(6, RTX) });
    assert_eq!(pair.b.stats().unknown_ssrc, 1, "nothing to repeat");
    deliver(&mut pair, &Sent { sequence: 2, ..packet(5, VP8) });
    pair.b.read_packet(VIDEO).unwrap();
    deliver(&mut pair, &Sent { payload: &original, ..packet(6, RTX) });
    assert_eq!(pair.b.read_packet(VIDEO).unwrap().ssrc, Ssrc(5));
}

#[test]
fn learned_sources_are_bounded_and_silent_ones_are_forgotten() {
    let mut pair = Pair::new();
    let max = Config::default().max_learned_ssrcs as u32;
    for ssrc in 0..max + 5 {
        deliver(&mut pair, &packet(50_000 + ssrc, VP8));
    }
    assert_eq!(pair.b.inbound_stats(VIDEO).count() as u32, max);
    assert_eq!(pair.b.stats().unknown_ssrc, 5);
    // One goes on, the others time out.
    for sequence in 2..2000 {
        deliver(&mut pair, &Sent { sequence, ..packet(50_000, VP8) });
        pair.run(20 * MS);
        while pair.b.read_packet(VIDEO).is_some() {}
    }
    assert_eq!(pair.b.inbound_stats(VIDEO).count(), 1);
    deliver(&mut pair, &packet(99, VP8));
    assert_eq!(pair.b.inbound_stats(VIDEO).count(), 2, "there is room again");
}

#[test]
fn a_source_that_pauses_goes_on_in_its_numbers() {
    let mut pair = Pair::new();
    let send = |pair: &mut Pair, count: u32| {
        for number in 0..count {
            let packet = OutgoingPacket::new(VP8, number, b"x"[..].into());
            pair.a.send_packet(pair.now, VIDEO, packet).unwrap();
        }
        pair.run(100 * MS);
    };
    send(&mut pair, 10);
    let mut parameters = video(Side::A);
    parameters.send = None;
    pair.set(Side::A, VIDEO, parameters);
    pair.run(100 * MS);
    assert!(pair.saw(Side::B, Event::Goodbye(VIDEO)));
    pair.set(Side::A, VIDEO, video(Side::A));
    send(&mut pair, 10);
    pair.a.remove_section(pair.now, VIDEO);
    pair.set(Side::A, VIDEO, video(Side::A));
    send(&mut pair, 10);
    let numbers: Vec<_> = pair
        .rtp(Side::A)
        .map(|(_, datagram)| crate::Packet::parse(datagram).unwrap().sequence_number())
        .collect();
    assert_eq!(numbers.len(), 30);
    assert!(numbers.windows(2).all(|pair| pair[0].next() == pair[1]), "{numbers:?}");
    assert_eq!(pair.a.outbound_stats(VIDEO).unwrap().packets_sent, 30);
    let stats = pair.b.inbound_stats(VIDEO).next().unwrap();
    assert_eq!((stats.packets_received, stats.packets_lost), (30, 0));
}

#[test]
fn renegotiation_keeps_the_streams_that_stay() {
    let mut pair = Pair::new();
    for sequence in 1..10 {
        deliver(&mut pair, &Sent { sequence, ..packet(5, VP8) });
    }
    let mut parameters = video(Side::B);
    parameters
        .codecs
        .push(Codec { payload_type: PayloadType::from_low_bits(45), ..parameters.codecs[0] });
    pair.set(Side::B, VIDEO, parameters.clone());
    deliver(&mut pair, &Sent { sequence: 10, ..packet(5, PayloadType::from_low_bits(45)) });
    assert_eq!(pair.b.inbound_stats(VIDEO).next().unwrap().packets_received, 10);
    parameters.receive = None;
    pair.set(Side::B, VIDEO, parameters.clone());
    deliver(&mut pair, &Sent { sequence: 11, ..packet(5, VP8) });
    assert_eq!(pair.b.inbound_stats(VIDEO).count(), 0);
    assert!(pair.b.read_packet(VIDEO).is_none());
    parameters.receive = Some(Receive { mode: Mode::Packets, ..Receive::default() });
    pair.set(Side::B, VIDEO, parameters);
    deliver(&mut pair, &Sent { sequence: 12, ..packet(5, VP8) });
    assert!(pair.b.read_packet(VIDEO).is_some());
}
