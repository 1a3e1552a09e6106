use rustls::{CipherSuite, NamedGroup};

use super::super::*;
use super::pair::*;
use crate::crypto::Crypto;

const FLIGHT_4: &str =
    "server: ServerHello Certificate ServerKeyExchange CertificateRequest ServerHelloDone";
const FLIGHT_5: &str =
    "client: Certificate ClientKeyExchange CertificateVerify ChangeCipherSpec [Handshake]";
const FLIGHT_6: &str = "server: ChangeCipherSpec [Handshake]";

#[test]
fn a_clean_handshake_is_two_round_trips_of_one_datagram_each() {
    let mut pair = Pair::new(configs());
    pair.run(perfect);

    // client → ClientHello → server
    // client ← flight 4 ← server
    // client → flight 5 → server: the client may send
    // client ← flight 6 ← server: the server is connected
    assert_eq!(pair.chart, ["client: ClientHello", FLIGHT_4, FLIGHT_5, FLIGHT_6]);
    assert_eq!(pair.client_may_send, Some(2 * DELAY));
    assert_eq!(pair.server_connected, Some(3 * DELAY));
    assert_eq!(pair.client_connected, Some(4 * DELAY));
    assert_eq!(pair.client.stats(), Stats::default());
    assert_eq!(pair.server.stats(), Stats::default());
    assert_eq!(pair.client.poll_event(), Some(Event::Connected));
    assert_eq!(pair.client.poll_event(), None);
    assert_eq!(pair.client.version(), Some(Version::Dtls12));
    assert_eq!(
        pair.client.cipher_suite(),
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
    );
    assert_eq!(pair.client.group(), Some(NamedGroup::X25519));
    assert_eq!(pair.client.poll_timeout(), None);
    assert_eq!(pair.server.poll_timeout(), None);
    pair.assert_data_flows();
}

#[test]
fn cookies_cost_one_round_trip() {
    let (client, server) = configs();
    let mut pair = Pair::new((client, server.with_cookies()));
    pair.run(perfect);

    let cookie = ["client: ClientHello", "server: HelloVerifyRequest", "client: ClientHello"];
    assert_eq!(pair.chart, [&cookie[..], &[FLIGHT_4, FLIGHT_5, FLIGHT_6]].concat());
    assert_eq!(pair.client_connected, Some(6 * DELAY));
    pair.assert_data_flows();
}

#[test]
fn every_kind_of_certificate_and_group_connects() {
    for name in ["p256-v1", "p384", "ed25519", "rsa-2048", "rsa-4096"] {
        for group in [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1] {
            let certificate = recorded_certificate(name);
            let config = Config::new(certificate, Crypto::default())
                .unwrap()
                .with_versions(Version::Dtls12, Version::Dtls12)
                .unwrap()
                .with_any_remote_certificate();
            let server = config.clone().with_groups(&[group]).unwrap();
            let mut pair = Pair::new((config, server));
            pair.run(perfect);
            assert!(pair.is_connected(), "{name} {group:?}");
            assert_eq!(pair.client.group(), Some(group));
            let suite = format!("{:?}", pair.client.cipher_suite().unwrap());
            assert_eq!(suite.contains("RSA"), name.starts_with("rsa"), "{name} {suite}");
            pair.assert_data_flows();
        }
    }
}

#[test]
fn every_cipher_suite_connects() {
    let suites = suite::Suite::all(&Crypto::default());
    for suite in suites {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.retain(|known| known.suite() == suite.id);
        let crypto = Crypto { handshake: provider.into(), ..Crypto::default() };
        let name = match suite.authentication {
            suite::Authentication::Ecdsa => "p256-v1",
            suite::Authentication::Rsa => "rsa-2048",
        };
        let config = Config::new(recorded_certificate(name), crypto).unwrap();
        let config = config.with_any_remote_certificate();
        let mut pair = Pair::new((config.clone(), config));
        pair.run(perfect);
        assert_eq!(pair.client.cipher_suite(), Some(suite.id));
        assert_eq!(pair.server.cipher_suite(), Some(suite.id));
        pair.assert_data_flows();
    }
}

#[test]
fn sides_without_a_common_suite_tell_each_other() {
    let rsa = Config::new(recorded_certificate("rsa-2048"), Crypto::default()).unwrap();
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|suite| u16::from(suite.suite()) == 0xc02b);
    let crypto = Crypto { handshake: provider.into(), ..Crypto::default() };
    let ecdsa = Config::new(certificate(), crypto).unwrap();
    let mut pair = Pair::new((ecdsa, rsa));
    pair.run(perfect);
    assert_eq!(
        pair.server.close_reason(),
        Some(CloseReason::Handshake(HandshakeError::NoCommonCipherSuite))
    );
    let alert = CloseReason::Alert(AlertDescription::HandshakeFailure);
    assert_eq!(pair.client.close_reason(), Some(alert));
    assert_eq!(pair.client.poll_event(), Some(Event::Closed(alert)));
}

#[test]
fn a_certificate_whose_key_no_suite_can_use_is_refused_in_the_configuration() {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|suite| u16::from(suite.suite()) == 0xc02f);
    let crypto = Crypto { handshake: provider.clone().into(), ..Crypto::default() };
    let error = Config::new(certificate(), crypto).unwrap_err();
    assert_eq!(error, ConfigError::UnsupportedKey);

    provider.cipher_suites.clear();
    let crypto = Crypto { handshake: provider.into(), ..Crypto::default() };
    assert_eq!(Config::new(certificate(), crypto).unwrap_err(), ConfigError::NoCipherSuite);
}

#[test]
fn a_client_that_is_not_asked_stays_anonymous() {
    let (client, server) = configs();
    let server = server.with_client_authentication(ClientAuthentication::NotRequested);
    let mut pair = Pair::new((client, server));
    pair.run(perfect);
    let flight_4 = "server: ServerHello Certificate ServerKeyExchange ServerHelloDone";
    let flight_5 = "client: ClientKeyExchange ChangeCipherSpec [Handshake]";
    assert_eq!(pair.chart, ["client: ClientHello", flight_4, flight_5, FLIGHT_6]);
    assert_eq!(pair.server.peer_certificate(), None);
    pair.assert_data_flows();
}

#[test]
fn a_client_without_a_certificate_is_accepted_where_none_is_required() {
    let handshake = |authentication| {
        let (client, server) = configs();
        let server = server.with_client_authentication(authentication);
        let mut pair = Pair::new((client.with_anonymous_client(), server));
        pair.run(perfect);
        pair
    };
    let mut pair = handshake(ClientAuthentication::Requested);
    let flight_5 = "client: Certificate ClientKeyExchange ChangeCipherSpec [Handshake]";
    assert_eq!(pair.chart[2], flight_5);
    assert_eq!(pair.server.peer_certificate(), None);
    pair.assert_data_flows();

    let pair = handshake(ClientAuthentication::Required);
    let missing = CloseReason::Handshake(HandshakeError::NoCertificate);
    assert_eq!(pair.server.close_reason(), Some(missing));
    let failure = CloseReason::Alert(AlertDescription::HandshakeFailure);
    assert_eq!(pair.client.close_reason(), Some(failure));
}

#[test]
fn a_client_sends_data_before_the_servers_finished_comes() {
    let mut pair = Pair::new(configs());
    while !pair.client.may_send() {
        assert!(pair.step(&mut perfect));
    }
    // client → flight 5, application data → server
    let datagram = sealed(&mut pair.client, b"false start");
    pair.send(Role::Client, &datagram, &mut perfect);
    while pair.server_read.is_empty() {
        assert!(pair.step(&mut perfect));
    }
    assert_eq!(pair.now - pair.start, 3 * DELAY);
    assert_eq!(pair.server_read, [b"false start"]);
    assert!(!pair.client.is_connected());
}

#[test]
fn data_that_overtakes_the_handshake_is_kept() {
    // client → application data → server, and flight 5 a millisecond later.
    let mut pair = Pair::new(configs());
    let mut slow = |_: Role, _: &[u8]| vec![DELAY + Duration::from_millis(1)];
    while !pair.client.may_send() {
        assert!(pair.step(&mut slow));
    }
    let datagram = sealed(&mut pair.client, b"from the client");
    pair.send(Role::Client, &datagram, &mut perfect);
    while !pair.server.may_send() {
        assert!(pair.step(&mut slow));
    }
    assert_eq!(pair.server_read, [b"from the client"]);

    // client ← application data ← server, and flight 6 a millisecond later.
    let mut datagram = Vec::new();
    while !pair.server.may_send() {
        assert!(pair.server.poll_transmit(pair.now, &mut datagram).is_some());
    }
    let datagram = sealed(&mut pair.server, b"from the server");
    pair.send(Role::Server, &datagram, &mut perfect);
    pair.run(slow);
    assert_eq!(pair.client_read, [b"from the server"]);
    assert_eq!(pair.client.stats().flights_retransmitted, 0);
    assert_eq!(pair.server.stats().flights_retransmitted, 0);
}

#[test]
fn a_finished_message_that_overtakes_its_flight_costs_no_time() {
    // With 300 bytes to a datagram, flight 5 takes several; they arrive in the opposite order.
    let (client, server) = configs();
    let mut pair = Pair::new((client.with_mtu(300), server.with_mtu(300)));
    let mut sent = 0;
    pair.run(|_, _| {
        sent += 1;
        vec![DELAY - Duration::from_millis(sent)]
    });
    assert!(pair.chart.len() > 6, "{:#?}", pair.chart);
    assert!(pair.is_connected());
    assert!(pair.client_connected.unwrap() < 4 * DELAY);
    assert_eq!(pair.client.stats().flights_retransmitted, 0);
    assert_eq!(pair.server.stats().flights_retransmitted, 0);
}

#[test]
fn renegotiation_is_refused_and_life_goes_on() {
    use super::super::message::{HandshakeType, write};
    // "The first message each side transmits in each handshake always has message_seq = 0"
    // (RFC 6347 §4.2.2); a peer that counts on is not misread either.
    for (from, kind, message_seq) in [
        (Role::Client, HandshakeType::ClientHello, 0),
        (Role::Server, HandshakeType::HelloRequest, 0),
        (Role::Client, HandshakeType::ClientHello, 9),
        (Role::Server, HandshakeType::HelloRequest, 9),
    ] {
        let mut pair = Pair::connected();
        let mut datagram = Vec::new();
        let outgoing = &mut pair.side(from).outgoing;
        outgoing.write(Epoch::PROTECTED, ContentType::Handshake, &mut datagram, |buf| {
            write(buf, kind, message_seq, |_| ());
        });
        pair.send(from, &datagram, &mut perfect);
        pair.run(perfect);
        assert_eq!(pair.chart.len(), 2, "{:?}", pair.chart);
        assert!(pair.chart[1].ends_with(": [Alert]"), "no_renegotiation: {:?}", pair.chart);
        pair.assert_data_flows();
    }
}

#[test]
fn what_the_protocol_derives_for_itself_is_not_exported() {
    let pair = Pair::connected();
    for label in ["key expansion", "client finished"] {
        let error = pair.client.export_keying_material(label, None, 50);
        assert_eq!(error, Err(ExportError::Label));
    }
    let long = vec![0; 65_536];
    let error = pair.client.export_keying_material("label", Some(&long), 50);
    assert_eq!(error, Err(ExportError::ContextTooLong));
}
