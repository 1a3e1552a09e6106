use super::*;
use crate::crypto::Crypto;
use crate::dtls::v13::record::{Record, split};

const ALGORITHMS: [AeadAlgorithm; 3] =
    [AeadAlgorithm::Aes128Gcm, AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305];

const EPOCH: u64 = 3;
const ID: &[u8] = b"\x07id";

fn pair(algorithm: AeadAlgorithm) -> (Sealer, Opener) {
    let packets = Crypto::default().packets;
    let key = &[1; 32][..algorithm.key_len()];
    let aead = || packets.aead(algorithm, key).unwrap();
    let mask = || packets.sequence_number_mask(algorithm, key).unwrap();
    let iv = || Iv(Zeroizing::new([2; 12]));
    let keyed = || Keyed { aead: aead(), mask: mask(), iv: iv() };
    (Sealer::new(keyed(), algorithm, EPOCH), Opener::new(keyed(), EPOCH))
}

fn sealed(sealer: &mut Sealer, plaintext: &[u8]) -> Vec<u8> {
    let mut buf = b"before".to_vec();
    let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
    assert_eq!((open.start(), open.number().epoch), (6, EPOCH));
    buf.extend_from_slice(plaintext);
    sealer.seal(&mut buf, open).unwrap();
    assert_eq!(buf.len(), 6 + sealer.overhead() + plaintext.len());
    buf.split_off(6)
}

fn opened(opener: &mut Opener, datagram: &[u8]) -> Result<(u64, Vec<u8>), OpenError> {
    let mut datagram = datagram.to_vec();
    let Some(Record::Ciphertext(record)) = split(&mut &mut datagram[..], ID.len()) else {
        panic!("no record")
    };
    let opened = opener.open(record)?;
    assert_eq!((opened.content_type, opened.number.epoch), (ContentType::ApplicationData, EPOCH));
    Ok((opened.number.sequence_number, opened.plaintext.to_vec()))
}

/// Seals by hand what `inner` is, with the header that others may choose.
fn sealed_as(sealer: &Sealer, header: &[u8], sequence_number: u64, inner: &[u8]) -> Vec<u8> {
    let mut contents = inner.to_vec();
    let tag = sealer
        .keyed
        .aead
        .seal(&sealer.keyed.iv.nonce(sequence_number), header, &mut contents)
        .unwrap();
    contents.extend_from_slice(&tag);
    let mask = sealer.keyed.mask.mask(contents.first_chunk().unwrap());
    let mut record = header.to_vec();
    record[1] ^= mask[0];
    if header[0] & first_byte::LONG_SEQUENCE_NUMBER != 0 {
        record[2] ^= mask[1];
    }
    record.extend(contents);
    record
}

#[test]
fn every_algorithm_opens_what_it_seals_once() {
    for algorithm in ALGORITHMS {
        let (mut sealer, mut opener) = pair(algorithm);
        for (number, plaintext) in [&b""[..], b"a", &[7; MAX_PLAINTEXT]].into_iter().enumerate() {
            let record = sealed(&mut sealer, plaintext);
            let expected = (number as u64, plaintext.to_vec());
            assert_eq!(opened(&mut opener, &record), Ok(expected));
            assert_eq!(opened(&mut opener, &record), Err(OpenError::Replayed));
        }
    }
}

#[test]
fn records_with_a_connection_id_are_opened() {
    let (mut sealer, mut opener) = pair(AeadAlgorithm::Aes128Gcm);
    sealer.set_connection_id(ID);
    let record = sealed(&mut sealer, b"plaintext");
    assert_eq!(&record[..4], b"\x3f\x07id");
    assert_eq!(opened(&mut opener, &record), Ok((0, b"plaintext".to_vec())));
}

#[test]
fn every_changed_bit_is_noticed_and_counted() {
    let (mut sealer, mut opener) = pair(AeadAlgorithm::ChaCha20Poly1305);
    let record = sealed(&mut sealer, b"plaintext");
    let mut forged = 0;
    for bit in 0..8 * record.len() {
        // The first three bits and the length say whether it is a record at all.
        if bit < 8 && !(0..2).contains(&bit) || (24..40).contains(&bit) {
            continue;
        }
        let mut changed = record.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opened(&mut opener, &changed), Err(OpenError::Forged), "{bit}");
        forged += 1;
        assert_eq!(opener.forged, forged);
    }
    assert_eq!(opened(&mut opener, &record), Ok((0, b"plaintext".to_vec())));
}

#[test]
fn what_is_too_short_for_a_mask_is_forged() {
    let (_, mut opener) = pair(AeadAlgorithm::Aes128Gcm);
    for len in 0..16 {
        let record = [&b"\x2f\0\0\0"[..], &[len], &[0; 15][..len.into()]].concat();
        assert_eq!(opened(&mut opener, &record), Err(OpenError::Forged), "{len}");
    }
}

#[test]
fn headers_of_every_form_are_opened() {
    let (sealer, mut opener) = pair(AeadAlgorithm::Aes128Gcm);
    let inner = b"plaintext\x17\0\0\0";
    let length = [0, (inner.len() + 16) as u8];
    for (number, header) in [
        (0, &[0x23, 0][..]),
        (1, &[0x2b, 0, 1]),
        (2, &[0x27, 2, length[0], length[1]]),
        (3, &[0x2f, 0, 3, length[0], length[1]]),
    ] {
        let record = sealed_as(&sealer, header, number, inner);
        assert_eq!(opened(&mut opener, &record), Ok((number, b"plaintext".to_vec())));
    }
}

#[test]
fn sequence_numbers_go_on_beyond_what_the_header_holds() {
    let (mut sealer, mut opener) = pair(AeadAlgorithm::Aes128Gcm);
    // Nearly half of what 16 bits tell apart may be lost at a time.
    for number in [0x7fff, 0xfffe, 0xffff, 0x1_0000, 0x1_7fff, 0x1_fffe, 0x2_0001] {
        sealer.next = number;
        let record = sealed(&mut sealer, b"a");
        assert_eq!(opened(&mut opener, &record), Ok((number, b"a".to_vec())));
    }
    // A late one.
    sealer.next = 0x2_0000;
    let record = sealed(&mut sealer, b"a");
    assert_eq!(opened(&mut opener, &record), Ok((0x2_0000, b"a".to_vec())));
}

#[test]
fn what_the_peer_must_not_seal_is_told_apart_from_forgeries() {
    let (sealer, mut opener) = pair(AeadAlgorithm::Aes128Gcm);
    let header = |number, inner: &[u8]| {
        let [l0, l1] = ((inner.len() + 16) as u16).to_be_bytes();
        [0x2f, 0, number, l0, l1]
    };
    let too_long = [&[7; MAX_PLAINTEXT + 1][..], &[23]].concat();
    let invalid = [&b""[..], &[0; 32], b"a\x63"].map(|inner| (inner, OpenError::Invalid));
    let all = invalid.into_iter().chain([(&too_long[..], OpenError::TooLong)]);
    for (number, (inner, error)) in (0_u8..).zip(all) {
        let record = sealed_as(&sealer, &header(number, inner), number.into(), inner);
        assert_eq!(opened(&mut opener, &record), Err(error), "{number}");
    }
    assert_eq!(opener.forged, 0);
    let padded = [&[7; 100][..], &[23], &[0; 500]].concat();
    let record = sealed_as(&sealer, &header(9, &padded), 9, &padded);
    assert_eq!(opened(&mut opener, &record), Ok((9, vec![7; 100])));
}

#[test]
fn records_of_another_epoch_are_forged() {
    let (sealer, mut opener) = pair(AeadAlgorithm::Aes128Gcm);
    let mut sealer = Sealer { epoch: 2, ..sealer };
    let mut buf = Vec::new();
    let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
    sealer.seal(&mut buf, open).unwrap();
    assert_eq!(opened(&mut opener, &buf), Err(OpenError::Forged));
}

#[test]
fn a_key_seals_and_is_attacked_only_so_often() {
    let (mut sealer, mut opener) = pair(AeadAlgorithm::Aes256Gcm);
    let mut buf = Vec::new();
    assert!(!sealer.needs_update());
    sealer.next = sealer.limit / 2;
    assert!(sealer.needs_update());
    sealer.next = sealer.limit - 1;
    assert!(sealer.begin(ContentType::ApplicationData, &mut buf).is_some());
    buf.clear();
    assert!(sealer.begin(ContentType::ApplicationData, &mut buf).is_none());
    // Some more are for the alert that says so.
    assert_eq!(sealer.limit + RESERVE, 23_726_566);
    sealer.next = sealer.limit + RESERVE - 1;
    assert!(sealer.begin(ContentType::Alert, &mut buf).is_some());
    buf.clear();
    assert!(sealer.begin(ContentType::Alert, &mut buf).is_none());
    assert!(buf.is_empty());

    assert!(!opener.needs_update() && !opener.is_worn_out());
    opener.forged = MAX_FORGED / 2;
    assert!(opener.needs_update() && !opener.is_worn_out());
    opener.forged = MAX_FORGED - 1;
    let forged = [&b"\x2f\0\0\0\x20"[..], &[0; 32]].concat();
    assert_eq!(opened(&mut opener, &forged), Err(OpenError::Forged));
    assert!(opener.is_worn_out());
}

#[test]
fn a_record_that_cannot_be_sealed_is_taken_off() {
    let (mut sealer, _) = pair(AeadAlgorithm::Aes128Gcm);
    let mut buf = b"before".to_vec();
    let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
    buf.resize(buf.len() + MAX_PLAINTEXT + 1, 0);
    assert_eq!(sealer.seal(&mut buf, open), Err(SealError::TooLong { len: MAX_PLAINTEXT + 1 }));
    assert_eq!(buf, b"before");

    let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
    buf.clear();
    assert_eq!(sealer.seal(&mut buf, open), Err(SealError::Misplaced));
    assert!(buf.is_empty());
}
