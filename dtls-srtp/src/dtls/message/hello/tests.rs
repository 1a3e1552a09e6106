use super::*;

/// The ClientHello of a `.bin` file: its datagrams, each behind its length (two bytes).
fn recorded(file: &[u8]) -> Vec<u8> {
    let mut hello = Vec::new();
    let mut file = Reader(file);
    while !file.is_empty() {
        let datagram = file.vec16().unwrap();
        // A record's header and a fragment's header.
        hello.extend_from_slice(&datagram[25..]);
    }
    hello
}

#[test]
fn browsers_that_offer_1_3_and_post_quantum_groups_also_offer_1_2() {
    let hellos = [
        &include_bytes!("../../../../tests/hellos/chromium.bin")[..],
        include_bytes!("../../../../tests/hellos/firefox.bin"),
    ];
    for file in hellos {
        let body = recorded(file);
        let hello = ClientHello::parse(&body).unwrap();
        assert!(hello.offers_dtls_1_2());
        assert!(hello.offers_secure_renegotiation());
        assert!(hello.extensions.extended_master_secret);
        assert!(hello.cipher_suites.contains(0xc02b));
        let groups = hello.extensions.supported_groups.unwrap();
        assert!(groups.contains(0x11ec) && groups.contains(29) && groups.contains(23));
        assert!(hello.extensions.signature_algorithms.unwrap().contains(0x0403));
        assert!(hello.extensions.srtp_profiles.unwrap().contains(7));
        let versions = hello.extensions.supported_versions.unwrap();
        assert!(versions.contains(0xfefc) && versions.contains(DTLS_1_2));

        for len in 0..body.len() {
            let cut = ClientHello::parse(&body[..len]);
            // Without any extension it is a whole hello of the 1990s.
            assert!(cut.is_err() || cut.unwrap().extensions.supported_groups.is_none());
        }
    }
}

fn offer(srtp_profiles: Option<&[u16]>) -> Vec<u8> {
    let mut buf = Vec::new();
    let offer = ClientOffer {
        random: &[7; 32],
        cookie: b"cookie",
        cipher_suites: [0xc02b].into_iter(),
        groups: [29, 23].into_iter(),
        signature_algorithms: [0x0403].into_iter(),
        srtp_profiles: srtp_profiles.map(|profiles| profiles.iter().copied()),
    };
    offer.write(&mut buf);
    buf
}

#[test]
fn an_offer_is_read_as_written() {
    let body = offer(Some(&[7, 1]));
    let hello = ClientHello::parse(&body).unwrap();
    assert_eq!((hello.version, hello.random, hello.cookie), (DTLS_1_2, &[7; 32], &b"cookie"[..]));
    assert_eq!(hello.extensions.srtp_profiles.unwrap().iter().collect::<Vec<_>>(), [7, 1]);
    assert!(hello.offers_dtls_1_2() && hello.offers_secure_renegotiation());
    assert!(ClientHello::parse(&offer(None)).unwrap().extensions.srtp_profiles.is_none());
}

#[test]
fn an_extension_that_comes_twice_is_malformed() {
    let mut body = offer(None);
    // Another extended_master_secret behind the last extension; the list's length grows by four.
    body.extend_from_slice(&[0, 23, 0, 0]);
    let at = 2 + 32 + 1 + 7 + 4 + 2;
    let length = u16::from_be_bytes([body[at], body[at + 1]]) + 4;
    body[at..at + 2].copy_from_slice(&length.to_be_bytes());
    assert_eq!(ClientHello::parse(&body).err(), Some(Malformed));
}

#[test]
fn an_answer_is_read_as_written() {
    let answer = ServerAnswer {
        random: &[9; 32],
        cipher_suite: 0xc02b,
        extended_master_secret: true,
        secure_renegotiation: true,
        point_formats: true,
        srtp_profile: Some(7),
    };
    let mut body = Vec::new();
    answer.write(&mut body);
    let hello = ServerHello::parse(&body).unwrap();
    assert_eq!((hello.version, hello.random, hello.cipher_suite), (DTLS_1_2, &[9; 32], 0xc02b));
    assert!(hello.extended_master_secret && !hello.unsolicited);
    assert_eq!(hello.renegotiation_info, Some(&[][..]));
    assert_eq!(hello.srtp_profile.unwrap().profile, 7);
    for len in 0..body.len() {
        assert!(ServerHello::parse(&body[..len]).is_err() || len == 38, "{len}");
    }
}

#[test]
fn hello_verify_request_is_read_as_written() {
    let mut body = Vec::new();
    write_hello_verify_request(&mut body, b"cookie");
    assert_eq!(parse_hello_verify_request(&body), Ok(&b"cookie"[..]));
    assert!(parse_hello_verify_request(&body[..4]).is_err());
}
