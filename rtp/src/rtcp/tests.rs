use proptest::prelude::*;

use super::*;
use crate::clock::NtpTime;
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

fn only(buf: &[u8]) -> Packet<'_> {
    let mut packets = Compound::parse(buf).unwrap();
    let packet = packets.next().unwrap().unwrap();
    assert!(packets.next().is_none());
    packet
}

fn block() -> impl Strategy<Value = ReportBlock> {
    (any::<u32>(), any::<u8>(), -0x80_0000..0x80_0000i32, any::<[u32; 4]>()).prop_map(
        |(ssrc, fraction_lost, cumulative_lost, words)| ReportBlock {
            ssrc: Ssrc(ssrc),
            fraction_lost,
            cumulative_lost,
            highest_sequence: words[0],
            jitter: words[1],
            last_sender_report: words[2],
            delay_since_last_sender_report: words[3],
        },
    )
}

#[test]
fn refuses_what_is_no_rtcp() {
    assert_eq!(Compound::parse(&[]).unwrap_err(), ParseError::Cut { available: 0 });
    assert_eq!(Compound::parse(&[0x80, 200, 0, 1]).unwrap_err(), ParseError::Cut { available: 4 });
    assert_eq!(
        Compound::parse(&[0x40, 200, 0, 0]).unwrap_err(),
        ParseError::Version { version: 1 }
    );
    assert_eq!(
        Compound::parse(&[0x80, 201, 0, 1, 0, 0, 0, 1, 0]).unwrap_err(),
        ParseError::Cut { available: 1 }
    );
}

#[test]
fn padding_belongs_to_the_last_packet() {
    let padded = [0xA0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
    assert!(matches!(only(&padded), Packet::ReceiverReport(report) if report.ssrc() == Ssrc(1)));
    let twice = [padded, padded].concat();
    assert_eq!(Compound::parse(&twice).unwrap_err(), ParseError::Padding { padding_len: 4 });
    for wrong in [0, 3, 12] {
        let mut bytes = padded;
        bytes[11] = wrong;
        assert_eq!(
            Compound::parse(&bytes).unwrap_err(),
            ParseError::Padding { padding_len: wrong }
        );
    }
}

#[test]
fn a_malformed_packet_does_not_hide_the_others() {
    let mut buf = vec![0x81, 201, 0, 1, 0, 0, 0, 1];
    Writer::new(&mut buf).goodbye([Ssrc(5)], b"");
    let mut packets = Compound::parse(&buf).unwrap();
    let error = packets.next().unwrap().unwrap_err();
    assert_eq!(error, ParseError::Body { packet_type: 201, count: 1 });
    assert!(matches!(packets.next(), Some(Ok(Packet::Goodbye(_)))));
}

#[test]
fn packets_we_do_not_know_are_given_raw() {
    let bytes = [0x81, 207, 0, 1, 1, 2, 3, 4];
    let Packet::Unknown(raw) = only(&bytes) else { panic!("207 is an extended report") };
    assert_eq!((raw.packet_type, raw.count, raw.body), (207, 1, &[1, 2, 3, 4][..]));
}

#[test]
fn a_description_without_its_last_zero_is_read() {
    let bytes = [0x81, 202, 0, 2, 0, 0, 0, 7, 1, 2, b'a', b'b'];
    let Packet::SourceDescription(description) = only(&bytes) else { panic!("it is one") };
    let chunk = description.chunks().next().unwrap();
    assert_eq!((chunk.ssrc(), chunk.item(ItemKind::Cname)), (Ssrc(7), Some(&b"ab"[..])));
}

#[test]
fn the_capacity_of_feedback_is_never_too_large() {
    for len in [24, 64, 500, 1180, 1200] {
        let capacity = transport_feedback::capacity(len);
        // Large deltas and misses that alternate are the worst that the chunks can meet.
        for pattern in [[Some(-1), Some(-1)], [Some(-1), Some(1)]] {
            let arrivals: Vec<_> = pattern.into_iter().cycle().take(capacity).collect();
            let mut buf = Vec::new();
            Writer::new(&mut buf).transport_feedback(
                (Ssrc(1), Ssrc(2)),
                SequenceNumber(0),
                0,
                0,
                &arrivals,
            );
            assert!(buf.len() <= len.max(20), "{} > {len}", buf.len());
        }
    }
}

#[test]
fn the_bit_rate_of_remb_keeps_18_bits() {
    for rate in [0, 1, 262_143, 262_144, 2_500_000, 1 << 40, u64::MAX] {
        let mut buf = Vec::new();
        Writer::new(&mut buf).receiver_estimated_maximum_bitrate(Ssrc(1), rate, &[Ssrc(2)]);
        let Packet::ReceiverEstimatedMaximumBitrate(remb) = only(&buf) else { panic!("it is") };
        assert!(remb.bits_per_second() <= rate && remb.bits_per_second() >= rate - rate / 131_072);
        assert!(remb.ssrcs().eq([Ssrc(2)]));
    }
}

proptest! {
    #[test]
    fn reports_are_read_as_written(
        ssrc: u32, ntp: u64, words: [u32; 3], blocks in prop::collection::vec(block(), 0..31),
    ) {
        let info = SenderInfo {
            ssrc: Ssrc(ssrc),
            ntp_time: NtpTime(ntp),
            rtp_time: words[0],
            packet_count: words[1],
            octet_count: words[2],
        };
        let mut buf = Vec::new();
        Writer::new(&mut buf)
            .sender_report(info, blocks.iter().copied())
            .receiver_report(Ssrc(ssrc), blocks.iter().copied());
        let mut packets = Compound::parse(&buf).unwrap();
        let Some(Ok(Packet::SenderReport(report))) = packets.next() else { panic!("a report") };
        prop_assert_eq!(report.info(), info);
        prop_assert!(report.blocks().eq(blocks.iter().copied()));
        let Some(Ok(Packet::ReceiverReport(report))) = packets.next() else { panic!("a report") };
        prop_assert_eq!(report.ssrc(), Ssrc(ssrc));
        prop_assert!(report.blocks().eq(blocks));
    }

    #[test]
    fn descriptions_are_read_as_written(
        ssrc: u32, cname in prop::collection::vec(any::<u8>(), 0..256),
        mid in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut buf = Vec::new();
        let items = [(ItemKind::Cname, &cname[..]), (ItemKind::Mid, &mid[..])];
        Writer::new(&mut buf).source_description(Ssrc(ssrc), items);
        let Packet::SourceDescription(description) = only(&buf) else { panic!("it is one") };
        let chunks: Vec<_> = description.chunks().collect();
        prop_assert_eq!(chunks.len(), 1);
        prop_assert_eq!(chunks[0].ssrc(), Ssrc(ssrc));
        prop_assert!(chunks[0].items().map(|item| (item.kind, item.data)).eq(items));
    }

    #[test]
    fn goodbyes_and_applications_are_read_as_written(
        ssrcs in prop::collection::vec(any::<u32>(), 0..31),
        reason in prop::collection::vec(any::<u8>(), 0..256), subtype in 0u8..32, name: [u8; 4],
    ) {
        let mut buf = Vec::new();
        Writer::new(&mut buf)
            .goodbye(ssrcs.iter().map(|ssrc| Ssrc(*ssrc)), &reason)
            .application(subtype, Ssrc(9), name, &reason);
        let mut packets = Compound::parse(&buf).unwrap();
        let Some(Ok(Packet::Goodbye(goodbye))) = packets.next() else { panic!("it is one") };
        prop_assert!(goodbye.ssrcs().map(|ssrc| ssrc.0).eq(ssrcs));
        prop_assert_eq!(goodbye.reason(), &reason[..]);
        let Some(Ok(Packet::Application(application))) = packets.next() else { panic!("it is") };
        prop_assert_eq!((application.subtype(), application.name()), (subtype, name));
        prop_assert_eq!(application.data().get(..reason.len()), Some(&reason[..]));
    }

    #[test]
    fn nacks_are_read_as_written(start: u16, steps in prop::collection::vec(1u16..40, 0..80)) {
        let mut number = start;
        let mut numbers = Vec::new();
        for step in steps {
            number = number.wrapping_add(step);
            numbers.push(SequenceNumber(number));
        }
        let mut buf = Vec::new();
        Writer::new(&mut buf).nack(Ssrc(1), Ssrc(2), numbers.iter().copied());
        let Packet::Nack(nack) = only(&buf) else { panic!("it is one") };
        prop_assert_eq!((nack.sender(), nack.media()), (Ssrc(1), Ssrc(2)));
        prop_assert!(nack.sequence_numbers().eq(numbers));
    }

    #[test]
    fn key_frame_requests_are_read_as_written(media: u32, sequences in prop::collection::vec(any::<u8>(), 0..9)) {
        let indication = PictureLossIndication { sender: Ssrc(3), media: Ssrc(media) };
        let entries: Vec<_> = sequences
            .into_iter()
            .map(|command_sequence| FullIntraEntry { media: Ssrc(media), command_sequence })
            .collect();
        let mut buf = Vec::new();
        Writer::new(&mut buf)
            .picture_loss_indication(indication)
            .full_intra_request(Ssrc(3), entries.iter().copied());
        let mut packets = Compound::parse(&buf).unwrap();
        let Some(Ok(Packet::PictureLossIndication(read))) = packets.next() else { panic!("is") };
        prop_assert_eq!(read, indication);
        let Some(Ok(Packet::FullIntraRequest(request))) = packets.next() else { panic!("it is") };
        prop_assert_eq!(request.sender(), Ssrc(3));
        prop_assert!(request.entries().eq(entries));
    }

    #[test]
    fn transport_feedback_is_read_as_written(
        base: u16, reference in -0x80_0000..0x80_0000i32, count: u8,
        runs in prop::collection::vec(
            (prop_oneof![Just(None), (0i16..256).prop_map(Some), any::<i16>().prop_map(Some)], 1usize..40),
            0..30,
        ),
    ) {
        let arrivals: Vec<_> =
            runs.into_iter().flat_map(|(arrival, count)| std::iter::repeat_n(arrival, count)).collect();
        let mut buf = Vec::new();
        Writer::new(&mut buf).transport_feedback(
            (Ssrc(1), Ssrc(2)), SequenceNumber(base), reference, count, &arrivals,
        );
        let Packet::TransportFeedback(feedback) = only(&buf) else { panic!("it is feedback") };
        prop_assert_eq!((feedback.sender(), feedback.media()), (Ssrc(1), Ssrc(2)));
        prop_assert_eq!(feedback.base().0, base);
        prop_assert_eq!(feedback.reference_time(), reference);
        prop_assert_eq!(feedback.feedback_count(), count);
        let numbers = (0..).map(|index: u16| SequenceNumber(base.wrapping_add(index)));
        prop_assert!(feedback.arrivals().eq(numbers.zip(arrivals)));
    }

    #[test]
    fn no_input_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..120), packet_type in 200u8..208, count in 0u8..32,
    ) {
        let mut buf = vec![0x80 | count, packet_type, 0, 0];
        buf.extend_from_slice(&bytes);
        buf.resize(buf.len().next_multiple_of(4), 0);
        let words = (buf.len() / 4 - 1) as u16;
        buf[2..4].copy_from_slice(&words.to_be_bytes());
        for packet in Compound::parse(&buf).unwrap().flatten() {
            match packet {
                Packet::SourceDescription(packet) => {
                    let _ = packet.chunks().map(|chunk| chunk.items().count()).sum::<usize>();
                }
                Packet::TransportFeedback(packet) => {
                    assert_eq!(packet.arrivals().count(), packet.status_count().into());
                }
                Packet::Nack(packet) => assert!(packet.sequence_numbers().count() < 1000),
                _ => {}
            }
        }
        let _ = Compound::parse(&bytes);
    }
}
