use dtls_srtp::dtls::connection_id;
use dtls_srtp::dtls::fuzzing::{self, Form, Record};

use crate::choices::Choices;

/// The records of a datagram, with and without connection ids, against a reader of RFC 6347, RFC
/// 9146 and RFC 9147 that is written for clearness: nothing is lost between two records, and each
/// is what stands there.
pub fn dtls_record(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let connection_id_len = usize::from(choices.byte() & 0x1f);
    let (expected, low) = (u64::from(choices.u32()), choices.u16());
    let datagram = choices.rest();

    let records = fuzzing::records(&mut datagram.to_vec(), connection_id_len);
    let mut left = datagram;
    for record in &records {
        let (expected, rest) = read(left, connection_id_len).expect("that is no record");
        assert_eq!(*record, expected);
        left = rest;
    }
    assert_eq!(read(left, connection_id_len), None, "a record was passed over");
    if let Some(first) = records.first() {
        let id = connection_id(datagram, connection_id_len).unwrap_or_default();
        assert_eq!(first.connection_id, id);
    }

    for (low, bits) in [(low & 0xff, 8), (low, 16)] {
        let number = fuzzing::reconstruct(expected, low.into(), bits);
        check_closest(number, expected, low.into(), bits);
    }
}

/// Takes the first record off a datagram.
fn read(datagram: &[u8], connection_id_len: usize) -> Option<(Record, &[u8])> {
    let (id_at, number_len) = match datagram.first()? {
        // 001CSLEE: connection id, long sequence number, length, epoch (RFC 9147 §4).
        first @ 0x20..=0x3f => (1, usize::from(first >> 3 & 1) + 1),
        // tls12_cid (RFC 9146 §4).
        25 => (11, 0),
        20 | 21 | 22 | 23 | 26 if datagram.get(1) == Some(&0xfe) => (11, 0),
        _ => return None,
    };
    let first = *datagram.first()?;
    let has_id = if id_at == 1 { first & 0x10 != 0 } else { first == 25 };
    if has_id && connection_id_len == 0 {
        return None;
    }
    let id_len = if has_id { connection_id_len } else { 0 };
    let length_at = id_at + id_len + number_len;
    let end = if id_at == 1 && first & 4 == 0 {
        // The rest of the datagram.
        datagram.len()
    } else {
        let length = datagram.get(length_at..length_at + 2)?;
        length_at + 2 + length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let kept = datagram.get(..end).filter(|record| record.len() >= length_at)?.to_vec();
    let rest = datagram.get(end..)?;
    let form = match id_at {
        1 => Form::Ciphertext,
        _ if first == 25 => Form::Addressed,
        _ => Form::Plaintext,
    };
    let integer = |from: usize, to: usize| {
        let bytes = datagram.get(from..to).unwrap_or_default();
        bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let record = Record {
        form,
        epoch: if form == Form::Ciphertext { u16::from(first & 3) } else { integer(3, 5) as u16 },
        sequence_number: (form != Form::Ciphertext).then(|| integer(5, 11)),
        connection_id: datagram.get(id_at..id_at + id_len)?.to_vec(),
        kept,
        rest: rest.len(),
    };
    Some((record, rest))
}

/// No other number that ends so is closer (RFC 9147 §4.2.2), unless there is none before or after.
fn check_closest(number: u64, expected: u64, low: u64, bits: u32) {
    let span = 1_u64 << bits;
    assert_eq!(number & (span - 1), low);
    let distance = number.abs_diff(expected);
    for other in [number.checked_sub(span), number.checked_add(span)].into_iter().flatten() {
        assert!(distance <= other.abs_diff(expected), "{other} is closer to {expected}");
    }
}
