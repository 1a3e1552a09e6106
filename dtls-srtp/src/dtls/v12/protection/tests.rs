use super::*;
use crate::crypto::Crypto;
use crate::dtls::record;

const ALGORITHMS: [AeadAlgorithm; 3] =
    [AeadAlgorithm::Aes128Gcm, AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305];

fn pair(algorithm: AeadAlgorithm) -> (Sealer, Opener) {
    let (key, iv) = ([1; 32], [2; 12]);
    let aead = || {
        let key = &key[..algorithm.key_len()];
        Crypto::default().packets.aead(algorithm, key).unwrap()
    };
    let iv = || Iv::new(&iv[..Iv::fixed_len(algorithm)]);
    (Sealer::new(aead(), iv()), Opener::new(aead(), iv()))
}

fn sealed(sealer: &mut Sealer, plaintext: &[u8]) -> Vec<u8> {
    let mut buf = b"before".to_vec();
    let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
    buf.extend_from_slice(plaintext);
    sealer.seal(&mut buf, open).unwrap();
    assert_eq!(buf.len(), 6 + Header::LEN + sealer.overhead() + plaintext.len());
    buf.split_off(6)
}

fn opened(opener: &mut Opener, datagram: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut datagram = datagram.to_vec();
    let mut rest = datagram.as_mut_slice();
    let (header, body) = record::split(&mut rest).unwrap();
    opener.open(header, body).map(|plaintext| plaintext.to_vec())
}

#[test]
fn what_nonces_are_made_of_is_wiped() {
    // Twelve bytes of it are secret with ChaCha20-Poly1305, four with AES-GCM.
    assert!(std::mem::needs_drop::<Iv>());
}

#[test]
fn every_algorithm_opens_what_it_seals_once() {
    for algorithm in ALGORITHMS {
        let (mut sealer, mut opener) = pair(algorithm);
        for plaintext in [&b""[..], b"a", &[7; MAX_PLAINTEXT]] {
            let record = sealed(&mut sealer, plaintext);
            assert_eq!(opened(&mut opener, &record).as_deref(), Ok(plaintext));
            assert_eq!(opened(&mut opener, &record), Err(OpenError::Replayed));
        }
    }
}

#[test]
fn every_changed_byte_is_found() {
    for algorithm in ALGORITHMS {
        let (mut sealer, mut opener) = pair(algorithm);
        let record = sealed(&mut sealer, b"text");
        for at in 0..record.len() {
            // The type and the length have to stay ones that are a record at all.
            if matches!(at, 0 | 1 | 11 | 12) {
                continue;
            }
            let mut forged = record.clone();
            forged[at] ^= 1;
            assert_eq!(opened(&mut opener, &forged), Err(OpenError::Forged), "byte {at}");
        }
        assert_eq!(opened(&mut opener, &record).as_deref(), Ok(&b"text"[..]));
    }
}

#[test]
fn records_too_short_for_their_tag_are_forged() {
    for algorithm in ALGORITHMS {
        let (_, mut opener) = pair(algorithm);
        for len in 0..30 {
            let header = Header {
                content_type: ContentType::ApplicationData,
                version: DTLS_1_2,
                epoch: EPOCH,
                sequence_number: 0,
            };
            assert_eq!(opener.open(header, &mut vec![0; len]), Err(OpenError::Forged));
        }
    }
}

#[test]
fn what_does_not_fit_a_record_leaves_the_buffer_as_it_was() {
    let (mut sealer, _) = pair(AeadAlgorithm::Aes128Gcm);
    let mut buf = b"before".to_vec();
    let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
    buf.extend_from_slice(&[0; MAX_PLAINTEXT + 1]);
    let error = sealer.seal(&mut buf, open);
    assert_eq!(error, Err(SealError::TooLong { len: MAX_PLAINTEXT + 1 }));
    assert_eq!(buf, b"before");

    let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
    buf.clear();
    assert_eq!(sealer.seal(&mut buf, open), Err(SealError::Misplaced));
}

#[test]
fn sequence_numbers_end() {
    let (mut sealer, _) = pair(AeadAlgorithm::Aes128Gcm);
    sealer.next = SEQUENCE_NUMBERS - RESERVE;
    assert!(sealer.begin(ContentType::ApplicationData, &mut Vec::new()).is_some());
    assert!(sealer.begin(ContentType::ApplicationData, &mut Vec::new()).is_none());
    // The others are for the alert that says so.
    sealer.next = SEQUENCE_NUMBERS;
    assert!(sealer.begin(ContentType::Alert, &mut Vec::new()).is_some());
    assert!(sealer.begin(ContentType::Alert, &mut Vec::new()).is_none());
}

#[test]
fn records_may_come_in_another_order_within_the_window() {
    let (mut sealer, mut opener) = pair(AeadAlgorithm::Aes128Gcm);
    let records: Vec<_> = (0..600u32).map(|n| sealed(&mut sealer, &n.to_be_bytes())).collect();
    assert!(opened(&mut opener, &records[258]).is_ok());
    assert_eq!(opened(&mut opener, &records[2]), Err(OpenError::Replayed), "too old");
    assert!(opened(&mut opener, &records[3]).is_ok(), "just within");
    assert_eq!(opened(&mut opener, &records[3]), Err(OpenError::Replayed));
    assert!(opened(&mut opener, &records[599]).is_ok(), "a jump over the whole window");
    assert_eq!(opened(&mut opener, &records[259]), Err(OpenError::Replayed));
    assert!(opened(&mut opener, &records[598]).is_ok());
}

#[test]
fn records_with_a_connection_id_hide_their_content_type() {
    for algorithm in ALGORITHMS {
        let (sealer, mut opener) = pair(algorithm);
        let mut sealer = sealer.with_connection_id(b"id");
        for (content_type, plaintext) in [
            (ContentType::ApplicationData, &b""[..]),
            (ContentType::Handshake, b"Finished"),
            (ContentType::ApplicationData, &[7; MAX_PLAINTEXT - 1]),
        ] {
            let mut buf = Vec::new();
            let open = sealer.begin(content_type, &mut buf).unwrap();
            buf.extend_from_slice(plaintext);
            sealer.seal(&mut buf, open).unwrap();
            assert_eq!(buf.len(), Header::LEN + sealer.overhead() + plaintext.len());
            let mut again = buf.clone();
            let record = Addressed::split(&mut &mut buf[..], 2).unwrap();
            assert_eq!(record.connection_id, b"id");
            let (opened_type, opened) = opener.open_addressed(record).unwrap();
            assert_eq!((opened_type, &*opened), (content_type, plaintext));
            let record = Addressed::split(&mut &mut again[..], 2).unwrap();
            assert_eq!(opener.open_addressed(record).err(), Some(OpenError::Replayed));
        }
        let mut buf = Vec::new();
        let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
        buf.resize(buf.len() + MAX_PLAINTEXT, 7);
        assert_eq!(sealer.seal(&mut buf, open), Err(SealError::TooLong { len: MAX_PLAINTEXT }));
    }
}

#[test]
fn a_connection_id_is_authenticated_as_rfc_9146_says() {
    let data = AddressedData::new([0, 1, 2, 3, 4, 5, 6, 7], b"id", 0x0809);
    let expected =
        [&[0xff; 8][..], &[25, 2, 25, 0xfe, 0xfd], &[0, 1, 2, 3, 4, 5, 6, 7], b"id", &[0x08, 0x09]]
            .concat();
    assert_eq!(data.bytes(), expected);
    let longest = AddressedData::new([0; 8], &[7; 255], 1);
    assert_eq!(longest.bytes().len(), 23 + 255);

    let (sealer, mut opener) = pair(AeadAlgorithm::Aes128Gcm);
    let mut sealer = sealer.with_connection_id(b"id");
    let mut buf = Vec::new();
    let open = sealer.begin(ContentType::ApplicationData, &mut buf).unwrap();
    sealer.seal(&mut buf, open).unwrap();
    buf[11] ^= 1;
    let record = Addressed::split(&mut &mut buf[..], 2).unwrap();
    assert_eq!(opener.open_addressed(record).err(), Some(OpenError::Forged));
}
