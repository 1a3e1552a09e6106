use super::super::codec::Reader;
use super::super::record::Header;
use super::super::*;
use super::pair::*;
use crate::srtp::Profile;

/// The ClientHellos of Chromium 156 and Firefox 153: datagrams, each behind its length.
const HELLOS: [(&str, &[u8], Profile); 2] = [
    ("Chromium", include_bytes!("../../../tests/hellos/chromium.bin"), Profile::AeadAes128Gcm),
    ("Firefox", include_bytes!("../../../tests/hellos/firefox.bin"), Profile::AeadAes128Gcm),
];

fn datagrams(file: &[u8]) -> Vec<Vec<u8>> {
    let mut file = Reader(file);
    let mut datagrams = Vec::new();
    while !file.is_empty() {
        datagrams.push(file.vec16().unwrap().to_vec());
    }
    datagrams
}

fn answer(server: &mut Connection, now: Instant) -> Option<Vec<u8>> {
    let mut buf = Vec::new();
    server.poll_transmit(now, &mut buf).map(|_| buf)
}

#[test]
fn hellos_that_offer_1_3_first_are_answered_with_1_2() {
    for (browser, file, profile) in HELLOS {
        for order in [[0, 1], [1, 0]] {
            let now = any_instant();
            let mut server = Connection::server(unacquainted().1, now, [7; 32]);
            let datagrams = datagrams(file);
            assert_eq!(datagrams.len(), 2, "{browser}");
            for (sent, at) in order.into_iter().enumerate() {
                assert_eq!(answer(&mut server, now), None);
                server.handle_datagram(now, &mut datagrams[at].clone());
                assert_eq!(server.poll_timeout().is_some(), sent == 1);
            }
            let flight = answer(&mut server, now).unwrap();
            assert_eq!(
                describe(&flight),
                "ServerHello Certificate ServerKeyExchange CertificateRequest ServerHelloDone"
            );
            let body = &flight[Header::LEN + message::FragmentHeader::LEN..];
            let length = u16::from_be_bytes([flight[11], flight[12]]) as usize;
            let body = &body[..length - message::FragmentHeader::LEN];
            let hello = message::hello::ServerHello::parse(body).unwrap();
            assert_eq!(hello.version, record::DTLS_1_2);
            assert_eq!(hello.cipher_suite, 0xc02b);
            assert!(hello.extended_master_secret);
            assert_eq!(hello.renegotiation_info, Some(&[][..]));
            assert_eq!(hello.srtp_profile.map(|answer| answer.profile), profile.code());
            let ends_in_sentinel =
                [&b"DOWNGRD\x01"[..], b"DOWNGRD\x00"].contains(&&hello.random[24..]);
            assert!(!ends_in_sentinel, "1.2 is the best that we have");
        }
    }
}

#[test]
fn a_hello_that_comes_again_is_answered_again() {
    for (_, file, _) in HELLOS {
        let now = any_instant();
        let mut server = Connection::server(unacquainted().1, now, [7; 32]);
        for datagram in datagrams(file) {
            server.handle_datagram(now, &mut datagram.clone());
        }
        let first = answer(&mut server, now).unwrap();
        let later = now + Duration::from_millis(250);
        server.handle_datagram(later, &mut datagrams(file)[0].clone());
        let again = answer(&mut server, later).unwrap();
        assert_eq!(describe(&first), describe(&again));
        assert_eq!(answer(&mut server, later), None);
    }
}

#[test]
fn a_hello_without_dtls_1_2_is_refused() {
    let now = any_instant();
    let mut server = Connection::server(unacquainted().1, now, [7; 32]);
    for mut datagram in datagrams(HELLOS[0].1) {
        // Chromium's supported_versions: FEFC, FEFD. Firefox's FEFD becomes an unknown one.
        let at = datagram.windows(4).position(|bytes| bytes == [0xfe, 0xfc, 0xfe, 0xfd]);
        if let Some(at) = at {
            datagram[at + 3] = 0xfb;
        }
        server.handle_datagram(now, &mut datagram);
    }
    assert_eq!(
        server.close_reason(),
        Some(CloseReason::Handshake(HandshakeError::NoCommonVersion))
    );
    assert_eq!(describe(&answer(&mut server, now).unwrap()), "Alert");
}
