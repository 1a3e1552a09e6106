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

#[test]
fn a_client_of_quic_is_recognised() {
    for (kind, quic) in [(extension::QUIC_TRANSPORT_PARAMETERS, true), (0x1234, false)] {
        let mut list = Vec::new();
        list.vector::<2>(|buf| write_extension(buf, kind, |buf| buf.bytes(b"parameters")));
        assert_eq!(ClientExtensions::parse(Reader(&list)).unwrap().quic, quic);
    }
}

fn offer(srtp_profiles: Option<&[u16]>) -> Vec<u8> {
    let mut buf = Vec::new();
    let offer = ClientOffer {
        random: &[7; 32],
        cookie: b"cookie",
        versions: &[Version::Dtls12],
        connection_id: None,
        key_shares: &[],
        retry_cookie: None,
        extended_master_secret: true,
        session_tickets: false,
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

/// A ClientHello of DTLS 1.3 whose list of extensions `change` edits.
fn offer_1_3(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut buf = Vec::new();
    let offer = ClientOffer {
        random: &[7; 32],
        cookie: b"",
        versions: &[Version::Dtls13],
        connection_id: Some(b"id"),
        key_shares: &[(29, b"x25519"), (23, b"p256")],
        retry_cookie: Some(b"retry"),
        extended_master_secret: true,
        session_tickets: true,
        cipher_suites: [0x1301].into_iter(),
        groups: [0x11ec, 29, 23].into_iter(),
        signature_algorithms: [0x0403].into_iter(),
        srtp_profiles: Some([7].into_iter()),
    };
    offer.write(&mut buf);
    // version, random, session id, cookie, one suite, no compression
    let mut extensions = buf.split_off(2 + 32 + 1 + 1 + 4 + 2).split_off(2);
    change(&mut extensions);
    buf.vector::<2>(|buf| buf.bytes(&extensions));
    buf
}

/// Takes an extension out of a list.
fn remove(extensions: &mut Vec<u8>, kind: u16) {
    let mut rest = Reader(extensions);
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let (other, data) = (rest.u16().unwrap(), rest.vec16().unwrap());
        if other != kind {
            write_extension(&mut kept, other, |buf| buf.bytes(data));
        }
    }
    assert_ne!(kept.len(), extensions.len(), "{kind} is there");
    *extensions = kept;
}

#[test]
fn an_offer_of_1_3_is_read_as_written() {
    let body = offer_1_3(|_| ());
    let hello = ClientHello::parse(&body).unwrap();
    assert!(hello.offers_dtls_1_3() && !hello.offers_dtls_1_2());
    assert!(!hello.extensions.extended_master_secret && !hello.offers_secure_renegotiation());
    assert_eq!(hello.extensions.connection_id, Some(&b"id"[..]));

    let offer = hello.offer_1_3().unwrap();
    assert_eq!(offer.cookie, Some(&b"retry"[..]));
    let shares: Vec<_> = offer.key_shares.iter().collect();
    assert_eq!(shares, [(29, &b"x25519"[..]), (23, b"p256")]);
    assert_eq!(offer.key_shares.of(23), Some(&b"p256"[..]));
    assert_eq!(offer.key_shares.of(24), None);
    assert_eq!(offer.groups.iter().collect::<Vec<_>>(), [0x11ec, 29, 23]);
    assert!(hello.extensions.signature_algorithms.unwrap().contains(0x0403));
}

#[test]
fn browsers_offer_what_1_3_needs() {
    let hellos = [
        &include_bytes!("../../../../tests/hellos/chromium.bin")[..],
        include_bytes!("../../../../tests/hellos/firefox.bin"),
    ];
    for file in hellos {
        let body = recorded(file);
        let hello = ClientHello::parse(&body).unwrap();
        assert!(hello.offers_dtls_1_3());
        let offer = hello.offer_1_3().unwrap();
        assert_eq!(offer.key_shares.of(0x11ec).unwrap().len(), 1216);
        assert_eq!(offer.cookie, None);
    }
}

#[test]
fn each_fault_of_an_offer_of_1_3_has_its_error() {
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let body = offer_1_3(change);
        match ClientHello::parse(&body) {
            Ok(hello) => hello.offer_1_3().err(),
            Err(Malformed) => Some(HandshakeError::Malformed),
        }
    };
    let replace = |kind: u16, data: &'static [u8]| {
        error(&|extensions| {
            remove(extensions, kind);
            write_extension(extensions, kind, |buf| buf.bytes(data));
        })
    };
    assert_eq!(error(&|_| ()), None);
    for kind in [extension::KEY_SHARE, extension::SUPPORTED_GROUPS, extension::SIGNATURE_ALGORITHMS]
    {
        let missing = error(&|extensions| remove(extensions, kind));
        assert_eq!(missing, Some(HandshakeError::MissingExtension), "{kind}");
        assert_eq!(replace(kind, &[]), Some(HandshakeError::Malformed), "{kind}");
    }
    let malformed = Some(HandshakeError::Malformed);
    assert_eq!(replace(extension::SUPPORTED_GROUPS, &[0, 0]), malformed);
    assert_eq!(replace(extension::SUPPORTED_VERSIONS, &[0]), malformed);
    assert_eq!(replace(extension::SUPPORTED_VERSIONS, &[3, 0xfe, 0xfc, 0]), malformed);
    assert_eq!(replace(extension::COOKIE, &[0, 0]), malformed);
    assert_eq!(replace(extension::USE_SRTP, &[0, 0, 0]), malformed);
    assert_eq!(replace(extension::KEY_SHARE, &[0, 4, 0, 29, 0, 0]), malformed);
    assert_eq!(replace(extension::KEY_SHARE, &[0, 5, 0, 29, 0, 2, 1]), malformed);

    let illegal = Some(HandshakeError::IllegalParameter);
    // A group twice; one that is not offered; no group at all is allowed.
    assert_eq!(replace(extension::KEY_SHARE, &[0, 10, 0, 29, 0, 1, 1, 0, 29, 0, 1, 1]), illegal);
    assert_eq!(replace(extension::KEY_SHARE, &[0, 5, 0, 24, 0, 1, 1]), illegal);
    assert_eq!(replace(extension::KEY_SHARE, &[0, 0]), None);
    // "The pre_shared_key extension MUST be the last extension in the ClientHello."
    let psk = |buf: &mut Vec<u8>| write_extension(buf, extension::PRE_SHARED_KEY, |_| ());
    assert_eq!(error(&|extensions| psk(extensions)), None);
    assert_eq!(
        error(&|extensions| {
            psk(extensions);
            write_extension(extensions, 99, |_| ())
        }),
        illegal
    );

    // A cookie of DTLS 1.2, and compression.
    let mut body = offer_1_3(|_| ());
    body.splice(35..36, [1, 9]);
    assert_eq!(ClientHello::parse(&body).unwrap().offer_1_3().err(), illegal);
    let mut body = offer_1_3(|_| ());
    body[41] = 1;
    assert_eq!(ClientHello::parse(&body).unwrap().offer_1_3().err(), illegal);
    body.splice(40..42, [0]);
    assert!(ClientHello::parse(&body).is_err(), "not even no compression");
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
fn hello_verify_request_is_read_as_written() {
    let mut body = Vec::new();
    write_hello_verify_request(&mut body, b"cookie");
    assert_eq!(parse_hello_verify_request(&body), Ok(&b"cookie"[..]));
    assert!(parse_hello_verify_request(&body[..4]).is_err());
}
