use super::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut buf = Vec::new();
    write(&mut buf);
    buf
}

const ANSWER_1_2: ServerAnswer<'_> = ServerAnswer {
    random: &[9; 32],
    cipher_suite: 0xc02b,
    extended_master_secret: true,
    secure_renegotiation: true,
    point_formats: true,
    srtp_profile: Some(7),
    connection_id: Some(b"id"),
};

const SHARE: Share<'_> =
    Share { cipher_suite: 0x1301, group: 29, public_key: b"x25519", connection_id: Some(b"id") };

const RETRY: Retry<'_> = Retry { cipher_suite: 0x1302, group: Some(23), cookie: Some(b"cookie") };

#[test]
fn an_answer_of_1_2_is_read_as_written() {
    let body = written(|buf| ANSWER_1_2.write(buf));
    let hello = ServerHello::parse(&body).unwrap();
    assert_eq!((hello.version, hello.random, hello.cipher_suite), (DTLS_1_2, &[9; 32], 0xc02b));
    assert_eq!((hello.selected_version(), hello.selects_dtls_1_3()), (DTLS_1_2, false));
    assert!(hello.extended_master_secret && !hello.unsolicited);
    assert_eq!(hello.renegotiation_info, Some(&[][..]));
    assert_eq!(hello.srtp_profile.unwrap().profile, 7);
    assert_eq!(hello.connection_id, Some(&b"id"[..]));
    for len in 0..body.len() {
        assert!(ServerHello::parse(&body[..len]).is_err() || len == 38, "{len}");
    }
}

#[test]
fn an_answer_of_1_3_is_read_as_written() {
    let body = written(|buf| SHARE.write(buf, &[9; 32]));
    let hello = ServerHello::parse(&body).unwrap();
    assert!(hello.selects_dtls_1_3());
    let Ok(Answer13::Hello(share)) = hello.answer_1_3() else { panic!("no ServerHello") };
    assert_eq!((share.cipher_suite, share.group), (0x1301, 29));
    assert_eq!((share.public_key, share.connection_id), (&b"x25519"[..], Some(&b"id"[..])));
}

#[test]
fn a_retry_is_read_as_written() {
    let body = written(|buf| RETRY.write(buf));
    let hello = ServerHello::parse(&body).unwrap();
    let Ok(Answer13::Retry(retry)) = hello.answer_1_3() else { panic!("no retry") };
    assert_eq!((retry.cipher_suite, retry.group), (0x1302, Some(23)));
    assert_eq!(retry.cookie, Some(&b"cookie"[..]));
}

#[test]
fn the_special_random_is_the_hash_of_its_name() {
    let hash = ring::digest::digest(&ring::digest::SHA256, b"HelloRetryRequest");
    assert_eq!(hash.as_ref(), HELLO_RETRY_REQUEST);
}

#[test]
fn a_downgrade_shows_in_the_random() {
    for (end, downgraded) in [(DOWNGRADE_1_2, true), (*b"DOWNGRD\x00", true), ([9; 8], false)] {
        let mut random = [9; 32];
        random[24..].copy_from_slice(&end);
        let body = written(|buf| ServerAnswer { random: &random, ..ANSWER_1_2 }.write(buf));
        assert_eq!(ServerHello::parse(&body).unwrap().is_downgraded(), downgraded);
    }
}

#[test]
fn each_fault_of_an_answer_has_its_error() {
    let error = |body: &[u8]| match ServerHello::parse(body) {
        Ok(hello) => hello.answer_1_3().err(),
        Err(Malformed) => Some(HandshakeError::Malformed),
    };
    let hello = |random: &[u8; 32], extensions: &[(u16, &[u8])]| {
        let body = written(|buf| {
            write_server_hello(buf, random, 0x1301, |buf| {
                for (kind, data) in extensions {
                    write_extension(buf, *kind, |buf| buf.bytes(data));
                }
            });
        });
        error(&body)
    };
    let version = (extension::SUPPORTED_VERSIONS, &[0xfe, 0xfc][..]);
    let share = (extension::KEY_SHARE, &[0, 29, 0, 1, 7][..]);
    let cookie = (extension::COOKIE, &[0, 1, 7][..]);
    let group = (extension::KEY_SHARE, &[0, 29][..]);
    let retry = &HELLO_RETRY_REQUEST;
    assert_eq!(hello(&[9; 32], &[version, share]), None);
    assert_eq!(hello(retry, &[version, cookie]), None);
    assert_eq!(hello(retry, &[version, group]), None);

    let malformed = Some(HandshakeError::Malformed);
    assert_eq!(hello(&[9; 32], &[version, group]), malformed);
    assert_eq!(hello(retry, &[version, share]), malformed);
    assert_eq!(hello(&[9; 32], &[version, share, share]), malformed);
    assert_eq!(hello(&[9; 32], &[version, version, share]), malformed);
    assert_eq!(hello(retry, &[version, (extension::COOKIE, &[0, 0])]), malformed);
    assert_eq!(hello(&[9; 32], &[version, (extension::KEY_SHARE, &[0, 29, 0, 0])]), malformed);

    assert_eq!(hello(&[9; 32], &[version]), Some(HandshakeError::MissingExtension));
    let unsupported = Some(HandshakeError::UnsupportedExtension);
    assert_eq!(hello(&[9; 32], &[version, share, (0x1234, &[])]), unsupported);

    let illegal = Some(HandshakeError::IllegalParameter);
    assert_eq!(hello(&[9; 32], &[version, share, cookie]), illegal);
    assert_eq!(hello(retry, &[version]), illegal, "nothing would change");
    let id = (extension::CONNECTION_ID, &[0][..]);
    assert_eq!(hello(retry, &[version, cookie, id]), illegal);
    let master_secret = (extension::EXTENDED_MASTER_SECRET, &[][..]);
    assert_eq!(hello(&[9; 32], &[version, share, master_secret]), illegal);

    // Another version, an echoed session id, compression.
    let good = written(|buf| SHARE.write(buf, &[9; 32]));
    let mut body = good.clone();
    body[1] = 0xfc;
    assert_eq!(error(&body), illegal);
    let mut body = good.clone();
    body.splice(34..35, [1, 1]);
    assert_eq!(error(&body), illegal);
    let mut body = good;
    body[37] = 1;
    assert_eq!(error(&body), illegal);
}
