use proptest::prelude::*;

use super::*;

#[test]
fn refuses_what_is_cut_short() {
    let mut buf = Vec::new();
    HeaderWriter::new(&mut buf, PayloadType::PCMA, SequenceNumber(1), 2, Ssrc(3))
        .csrc(Ssrc(4))
        .extension(1, &[5])
        .finish();
    for len in 0..buf.len() {
        assert_eq!(Packet::parse(&buf[..len]).unwrap_err(), ParseError::Cut { len });
    }
    assert!(Packet::parse(&buf).unwrap().payload().is_empty());
}

#[test]
fn refuses_other_versions() {
    assert_eq!(Packet::parse(&[0x40; 12]).unwrap_err(), ParseError::Version { version: 1 });
}

#[test]
fn padding_is_taken_off_and_must_fit() {
    let mut bytes = [0u8; 16];
    bytes[0] = 0xA0;
    bytes[15] = 3;
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!((packet.payload().len(), packet.padding_len()), (1, 3));
    bytes[15] = 4;
    assert_eq!(Packet::parse(&bytes).unwrap().payload().len(), 0);
    for wrong in [0, 5, 255] {
        bytes[15] = wrong;
        let error = ParseError::Padding { padding_len: wrong, available: 4 };
        assert_eq!(Packet::parse(&bytes).unwrap_err(), error);
    }
    assert!(Header::parse(&bytes).is_ok(), "an encrypted packet's padding can't be judged");
}

#[test]
fn reads_the_one_byte_example_of_rfc_8285() {
    // RFC 8285 §4.2: an element of one byte, one of two, padding, one of four.
    let elements = [0x10, 0xAA, 0x21, 0xBB, 0xBB, 0x00, 0x00, 0x33, 1, 2, 3, 4];
    let mut bytes = vec![0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xBE, 0xDE, 0, 3];
    bytes.extend_from_slice(&elements);
    let packet = Packet::parse(&bytes).unwrap();
    let read: Vec<_> = packet.extensions().into_iter().collect();
    assert_eq!(read.len(), 3);
    assert_eq!(packet.extension(1), Some(&[0xAA][..]));
    assert_eq!(packet.extension(2), Some(&[0xBB, 0xBB][..]));
    assert_eq!(packet.extension(3), Some(&[1, 2, 3, 4][..]));
    assert_eq!(packet.header().extension_range(), Some(16..28));
}

#[test]
fn the_id_15_ends_a_one_byte_extension() {
    let bytes = [0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xBE, 0xDE, 0, 1, 0x10, 0xAA, 0xF0, 0x10];
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.extensions().into_iter().count(), 1);
}

#[test]
fn an_element_that_is_cut_short_ends_the_extension() {
    for profile in [[0xBE, 0xDE], [0x10, 0x00]] {
        let mut bytes = vec![0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, profile[0], profile[1], 0, 1];
        bytes.extend_from_slice(&[0x1F, 0xFF, 0, 0]);
        assert_eq!(Packet::parse(&bytes).unwrap().extensions().into_iter().count(), 0);
    }
}

#[test]
fn rtcp_is_told_from_rtp_by_the_second_byte() {
    for second in 0..=255u8 {
        assert_eq!(is_rtcp(&[0x80, second]), (192..=223).contains(&second));
    }
    assert!(!is_rtcp(&[0x80]));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32, marker: bool,
        csrcs in prop::collection::vec(any::<u32>(), 0..16),
        extensions in prop::collection::vec((1u8..=20, prop::collection::vec(any::<u8>(), 0..20)), 0..6),
        payload in prop::collection::vec(any::<u8>(), 0..50),
        prefix in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let mut buf = prefix.clone();
        let payload_type = PayloadType::new(payload_type).unwrap();
        let mut writer =
            HeaderWriter::new(&mut buf, payload_type, SequenceNumber(sequence), timestamp, Ssrc(ssrc))
                .marker(marker);
        for csrc in &csrcs {
            writer = writer.csrc(Ssrc(*csrc));
        }
        for (id, data) in &extensions {
            writer = writer.extension(*id, data);
        }
        let range = writer.finish();
        prop_assert_eq!(range.start, prefix.len());
        buf.extend_from_slice(&payload);
        let packet = Packet::parse(&buf[range.start..]).unwrap();
        prop_assert_eq!(packet.payload_type(), payload_type);
        prop_assert_eq!(packet.sequence_number().0, sequence);
        prop_assert_eq!(packet.timestamp(), timestamp);
        prop_assert_eq!(packet.ssrc().0, ssrc);
        prop_assert_eq!(packet.marker(), marker);
        prop_assert_eq!(packet.header_len(), range.len());
        prop_assert_eq!(packet.payload(), &payload[..]);
        prop_assert!(packet.csrcs().map(|csrc| csrc.0).eq(csrcs));
        let read: Vec<_> =
            packet.extensions().into_iter().map(|e| (e.id, e.data.to_vec())).collect();
        prop_assert_eq!(read, extensions);
    }

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), first in 0x80u8..0xC0) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.first_mut() { *byte = first; }
        if let Ok(packet) = Packet::parse(&bytes) {
            let _ = packet.extensions().into_iter().count() + packet.csrcs().count();
            prop_assert_eq!(
                packet.header_len() + packet.payload().len() + packet.padding_len(), bytes.len()
            );
        }
    }
}

#[test]
fn elements_are_located_for_who_changes_them_in_place() {
    let located = |profile, elements: &[u8]| {
        let (mut all, mut at) = (Vec::new(), 0);
        while let Some((id, range)) = Extensions::new(profile, elements).locate(at) {
            at = range.end;
            all.push((id, range));
        }
        all
    };
    let one_byte = [0x10, 7, 0, 0x21, 8, 9, 0, 0, 0xF0, 1, 0x30, 1];
    assert_eq!(located(0xBEDE, &one_byte), [(1, 1..2), (2, 4..6)]);
    assert_eq!(located(0x1003, &[5, 0, 0, 6, 2, 1, 2, 9, 200]), [(5, 2..2), (6, 5..7)]);
    assert_eq!(located(0xC0DE, &one_byte), [], "encrypted by cryptex");
}
