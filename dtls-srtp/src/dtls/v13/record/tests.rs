use super::*;
use crate::dtls::record::{ContentType, DTLS_1_2};

fn ciphertext(record: Option<Record<'_>>) -> Option<Ciphertext<'_>> {
    match record? {
        Record::Ciphertext(ciphertext) => Some(ciphertext),
        Record::Plaintext(..) | Record::Addressed(_) => None,
    }
}

#[test]
fn a_datagram_mixes_records_of_every_form() {
    let mut datagram = Vec::new();
    let header =
        Header { content_type: ContentType::Ack, version: DTLS_1_2, epoch: 0, sequence_number: 7 };
    header.write(&mut datagram, 2);
    datagram.extend_from_slice(b"ab");
    datagram.extend_from_slice(b"\x2e\x12\x34\x00\x03cde"); // 16 bits, length, epoch 2
    datagram.extend_from_slice(b"\x37\x09\x08\xff\x00\x01f"); // id, 8 bits, length, epoch 3
    datagram.extend_from_slice(b"\x21\x99ghi"); // 8 bits, no length, epoch 1

    let mut rest = &mut datagram[..];
    let first = split(&mut rest, 2).unwrap();
    assert!(matches!(first, Record::Plaintext(h, body) if h == header && body == b"ab"));

    let second = ciphertext(split(&mut rest, 2)).unwrap();
    assert_eq!((second.epoch_bits(), second.connection_id()), (2, None));
    assert_eq!((second.header_len, second.sequence_number_len), (5, 2));
    assert_eq!(second.bytes(), b"\x2e\x12\x34\x00\x03cde");

    let third = ciphertext(split(&mut rest, 2)).unwrap();
    assert_eq!((third.epoch_bits(), third.connection_id()), (3, Some(&[9, 8][..])));
    assert_eq!((third.header_len, third.sequence_number_len), (6, 1));

    let fourth = ciphertext(split(&mut rest, 2)).unwrap();
    assert_eq!((fourth.epoch_bits(), fourth.header_len), (1, 2));
    assert_eq!(fourth.bytes(), b"\x21\x99ghi");
    assert!(split(&mut rest, 2).is_none());
}

#[test]
fn what_is_cut_or_addressed_to_nobody_ends_the_datagram() {
    let whole = b"\x3f\x09\x12\x34\x00\x03abc";
    for len in 0..whole.len() {
        assert!(split(&mut &mut whole.to_vec()[..len], 1).is_none(), "{len}");
    }
    assert!(split(&mut &mut whole.to_vec()[..], 1).is_some());
    assert!(split(&mut &mut whole.to_vec()[..], 0).is_none(), "no id was negotiated");
    for first in (0..20).chain([25]).chain(27..32).chain(64..=255) {
        let mut bytes = [first; 40];
        assert!(split(&mut &mut bytes[..], 1).is_none(), "{first}");
    }
}

#[test]
fn sequence_numbers_are_the_closest_to_what_is_expected() {
    // expected, low bits, how many, the number
    for (expected, low, bits, number) in [
        (0, 0, 8, 0),
        (0, 255, 8, 255), // nothing is before the first
        (1, 0, 8, 0),
        (256, 255, 8, 255),
        (256, 0, 8, 256),
        (255, 0, 8, 256),
        (300, 44, 8, 300),
        (300, 0, 8, 256),
        (300, 200, 8, 200),
        (0x1_0000, 0xffff, 16, 0xffff),
        (0xffff, 0, 16, 0x1_0000),
        (0x1_8000, 0x8001, 16, 0x1_8001),
        (0x2_0001, 0xfff0, 16, 0x1_fff0),
    ] {
        assert_eq!(reconstruct(expected, low, bits), number, "{expected} {low}");
    }
    for expected in (0..1 << 12).chain((1 << 48) - 300..1 << 48) {
        for distance in 0..128 {
            for number in [Some(expected + distance), u64::checked_sub(expected, distance)] {
                let Some(number) = number else { continue };
                assert_eq!(reconstruct(expected, number & 0xff, 8), number);
            }
        }
    }
}

#[test]
fn records_of_1_2_with_an_id_are_told_apart() {
    let mut bytes = Vec::new();
    let number = record::record_number(1, 0x0102_0304_0506);
    Addressed::write(&mut bytes, number, b"id");
    let at = bytes.len() - 1;
    bytes[at] = 4;
    bytes.extend_from_slice(b"bodymore");

    let mut datagram = bytes.clone();
    let mut rest = &mut datagram[..];
    let Some(Record::Addressed(record)) = split(&mut rest, 2) else { panic!("no record") };
    assert_eq!(rest, b"more");
    assert_eq!((record.version, record.epoch), (DTLS_1_2, 1));
    assert_eq!((record.sequence_number, record.connection_id), (0x0102_0304_0506, &b"id"[..]));
    assert_eq!(record.body, b"body");
    assert_eq!(record.bytes(), bytes[..bytes.len() - 4]);
    for len in 0..bytes.len() - 4 {
        assert!(split(&mut &mut bytes.clone()[..len], 2).is_none(), "{len}");
    }
    assert!(split(&mut &mut bytes.clone()[..], 0).is_none(), "no id was negotiated");

    // What is kept is what came, so that it is refused for its version later, too.
    bytes[1] = 3;
    let Some(Record::Addressed(record)) = split(&mut &mut bytes[..], 2) else { panic!("none") };
    assert_eq!(record.bytes()[..3], [TLS12_CID, 3, 0xfd]);
}
