use rustls::{CipherSuite, NamedGroup};

use super::super::*;
use super::pair::*;
use crate::crypto::Crypto;
use crate::fingerprint::HashAlgorithm;
use crate::srtp::Profile;

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
    for name in ["p256-v1", "p384", "ed25519", "rsa-2048"] {
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
            assert_eq!(suite.contains("RSA"), name == "rsa-2048", "{name} {suite}");
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
fn both_sides_get_the_same_srtp_keys_and_the_servers_order_decides() {
    use Profile::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmHmacSha1_80};
    let (client, server) = configs();
    let mut pair = Pair::new((
        client.with_srtp_profiles(&[Aes128CmHmacSha1_80, AeadAes128Gcm]),
        server.with_srtp_profiles(&[AeadAes256Gcm, AeadAes128Gcm, Aes128CmHmacSha1_80]),
    ));
    assert!(pair.client.srtp_keys().is_none());
    pair.run(perfect);

    let (client, server) = (pair.client.srtp_keys().unwrap(), pair.server.srtp_keys().unwrap());
    assert_eq!((client.profile, server.profile), (AeadAes128Gcm, AeadAes128Gcm));
    let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, b'h', b'i'];
    let plain = packet.clone();
    for (local, remote) in [(&client.local, &server.remote), (&server.local, &client.remote)] {
        let context =
            |key| crate::srtp::Context::new(AeadAes128Gcm, key, &Crypto::default()).unwrap();
        context(local).protect_rtp(&mut packet, 0).unwrap();
        assert_eq!(context(remote).unprotect_rtp(&mut packet).unwrap(), plain);
        packet.clone_from(&plain);
    }
}

#[test]
fn without_a_common_srtp_profile_there_is_dtls_alone() {
    for server_profiles in [&[][..], &[Profile::AeadAes256Gcm]] {
        let (client, server) = configs();
        let mut pair = Pair::new((
            client.with_srtp_profiles(&[Profile::AeadAes128Gcm]),
            server.with_srtp_profiles(server_profiles),
        ));
        pair.run(perfect);
        assert!(pair.is_connected());
        assert!(pair.client.srtp_keys().is_none() && pair.server.srtp_keys().is_none());
    }
    let (client, server) = configs();
    let mut pair = Pair::new((client.with_srtp_profiles(&[]), server));
    pair.run(perfect);
    assert!(pair.is_connected() && pair.server.srtp_keys().is_none());
}

#[test]
fn profiles_without_a_number_in_dtls_are_never_offered() {
    let keyed_by_hand = [Profile::Aes256CmHmacSha1_80, Profile::Aes256CmHmacSha1_32];
    let (client, server) = configs();
    let mut pair = Pair::new((
        client.with_srtp_profiles(&keyed_by_hand),
        server.with_srtp_profiles(&Profile::ALL),
    ));
    pair.run(perfect);
    assert!(pair.is_connected() && pair.server.srtp_keys().is_none());
    for code in 0..=u16::MAX {
        assert!(Profile::from_code(code).is_none_or(|profile| !keyed_by_hand.contains(&profile)));
    }
}

#[test]
fn exported_keying_material_is_the_same_on_both_sides() {
    let mut pair = Pair::new(configs());
    let export =
        |side: &Connection, label, context| side.export_keying_material(label, context, 50);
    assert_eq!(export(&pair.client, "label", None), Err(ExportError::NotConnected));
    pair.run(perfect);

    let contexts = [None, Some(&b""[..]), Some(&b"context"[..])];
    let mut seen = Vec::new();
    for context in contexts {
        let material = export(&pair.client, "label", context).unwrap();
        assert_eq!(export(&pair.server, "label", context).unwrap(), material);
        assert!(!seen.contains(&material));
        seen.push(material);
    }
    for label in ["key expansion", "client finished"] {
        assert_eq!(export(&pair.client, label, None), Err(ExportError::Label));
    }
    let long = vec![0; 65_536];
    let error = export(&pair.client, "label", Some(&long));
    assert_eq!(error, Err(ExportError::ContextTooLong));
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
}

#[test]
fn a_client_that_has_a_certificate_is_checked_even_where_none_is_required() {
    let (client, server) = configs();
    let server = server.with_client_authentication(ClientAuthentication::Requested);
    let mut pair = Pair::new((client.clone(), server.clone()));
    pair.run(perfect);
    assert!(pair.server.peer_certificate().is_some());
    pair.assert_data_flows();

    let server = server.with_remote_fingerprints(fingerprint(&certificate()));
    let mut pair = Pair::new((client, server));
    pair.run(perfect);
    let mismatch = CloseReason::Handshake(HandshakeError::FingerprintMismatch);
    assert_eq!(pair.server.close_reason(), Some(mismatch));
}

#[test]
fn a_peer_with_another_certificate_is_refused_by_either_side() {
    let wrong = fingerprint(&certificate());
    let mismatch = CloseReason::Handshake(HandshakeError::FingerprintMismatch);
    let alert = CloseReason::Alert(AlertDescription::BadCertificate);

    let (client, server) = configs();
    let mut pair = Pair::new((client.with_remote_fingerprints(wrong.clone()), server));
    pair.run(perfect);
    assert_eq!(pair.client.close_reason(), Some(mismatch));
    assert_eq!(pair.server.close_reason(), Some(alert));

    let (client, server) = configs();
    let mut pair = Pair::new((client, server.with_remote_fingerprints(wrong)));
    pair.run(perfect);
    assert_eq!(pair.server.close_reason(), Some(mismatch));
    assert_eq!(pair.client.close_reason(), Some(alert));
    assert_eq!(pair.client_connected, None);
    assert_eq!(pair.server_connected, None);
}

#[test]
fn fingerprints_may_come_late_and_nothing_is_delivered_before() {
    let (client, server) = unacquainted();
    let for_client = fingerprint(server.certificate());
    let for_server = vec![client.certificate().fingerprint(HashAlgorithm::Sha512)];
    let mut pair = Pair::new((client, server));
    pair.run(perfect);
    assert_eq!(pair.chart.last().unwrap(), FLIGHT_6, "the handshake ran on");
    assert!(!pair.client.is_connected() && !pair.server.is_connected());
    assert!(!pair.client.may_send() && pair.client.begin(&mut Vec::new()).is_none());
    assert!(pair.client.srtp_keys().is_none());
    assert_eq!(pair.client.poll_event(), None);

    // client → application data → server, which does not know yet who that is.
    pair.client.set_remote_fingerprints(pair.now, for_client);
    assert_eq!(pair.client.poll_event(), Some(Event::Connected));
    let datagram = sealed(&mut pair.client, b"early");
    pair.send(Role::Client, &datagram, &mut perfect);
    pair.run(perfect);
    assert!(pair.server_read.is_empty());
    assert_eq!(pair.server.take_early(), None);

    pair.server.set_remote_fingerprints(pair.now, for_server);
    assert_eq!(pair.server.poll_event(), Some(Event::Connected));
    assert_eq!(pair.server.take_early(), Some(b"early".to_vec()));
    pair.assert_data_flows();
}

#[test]
fn late_fingerprints_that_do_not_match_end_the_connection() {
    for when in ["during the handshake", "after it", "when connected"] {
        let (client, server) = configs();
        let client = if when == "when connected" { client } else { unacquainted().0 };
        let server = if when == "when connected" { server } else { unacquainted().1 };
        let mut pair = Pair::new((client, server.with_any_remote_certificate()));
        if when == "during the handshake" {
            pair.step(&mut perfect);
            pair.step(&mut perfect);
        } else {
            pair.run(perfect);
        }
        pair.client.set_remote_fingerprints(pair.now, fingerprint(&certificate()));
        let mismatch = CloseReason::Handshake(HandshakeError::FingerprintMismatch);
        assert_eq!(pair.client.close_reason(), Some(mismatch), "{when}");
        pair.run(perfect);
        assert!(pair.server.close_reason().is_some(), "{when}");
        assert!(pair.client.begin(&mut Vec::new()).is_none());
    }
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
fn datagrams_are_no_larger_than_the_mtu() {
    for mtu in [1, 128, 200, 576, 1200, 9000] {
        let (client, server) = configs();
        let mut pair = Pair::new((client.with_mtu(mtu), server.with_mtu(mtu)));
        pair.run(perfect);
        assert!(pair.is_connected());
        assert!(pair.largest_datagram <= mtu.max(128), "{}", pair.largest_datagram);
        pair.assert_data_flows();
    }
}

#[test]
fn close_notify_closes_both_sides() {
    let mut pair = Pair::connected();
    pair.client.close(pair.now);
    pair.run(perfect);
    // client → close_notify → server
    // client ← close_notify ← server
    assert_eq!(pair.chart, ["client: [Alert]", "server: [Alert]"]);
    assert_eq!(pair.client.poll_event(), Some(Event::Closed(CloseReason::Local)));
    assert_eq!(pair.server.poll_event(), Some(Event::Closed(CloseReason::Remote)));
    assert!(pair.server.begin(&mut Vec::new()).is_none());
    pair.server.close(pair.now);
    assert_eq!(pair.server.poll_event(), None, "closed once");
}

#[test]
fn a_close_notify_that_was_lost_is_said_again_to_a_peer_that_goes_on() {
    let mut pair = Pair::connected();
    pair.client.close(pair.now);
    let mut alerts_lost = |from, _: &[u8]| if from == Role::Client { vec![] } else { vec![DELAY] };
    pair.run(&mut alerts_lost);
    for _ in 0..3 {
        let datagram = sealed(&mut pair.server, b"are you there?");
        pair.send(Role::Server, &datagram, &mut alerts_lost);
        pair.run(&mut alerts_lost);
    }
    let alerts = pair.chart.iter().filter(|sent| sent.starts_with("client: [Alert]"));
    assert_eq!(alerts.count(), 2, "once more, not for each record");
    pair.now += Duration::from_secs(1);
    let datagram = sealed(&mut pair.server, b"hello?");
    pair.send(Role::Server, &datagram, &mut perfect);
    pair.run(perfect);
    assert_eq!(pair.server.close_reason(), Some(CloseReason::Remote));
    assert!(pair.client_read.is_empty(), "nothing is delivered after the close");
}

#[test]
fn a_record_that_is_begun_before_the_close_is_not_sealed_after_it() {
    let mut pair = Pair::connected();
    let mut buf = b"before".to_vec();
    let record = pair.client.begin(&mut buf).unwrap();
    buf.extend_from_slice(b"plaintext");
    pair.client.close(pair.now);
    assert_eq!(pair.client.seal(&mut buf, record), Err(SealError::Closed));
    assert_eq!(buf, b"before");
}

#[test]
fn renegotiation_is_refused_and_life_goes_on() {
    use super::super::message::{HandshakeType, write};
    for (from, kind) in
        [(Role::Client, HandshakeType::ClientHello), (Role::Server, HandshakeType::HelloRequest)]
    {
        let mut pair = Pair::connected();
        let mut datagram = Vec::new();
        let outgoing = &mut pair.side(from).outgoing;
        outgoing.write(Epoch::PROTECTED, ContentType::Handshake, &mut datagram, |buf| {
            write(buf, kind, 9, |_| ());
        });
        pair.send(from, &datagram, &mut perfect);
        pair.run(perfect);
        assert_eq!(pair.chart.len(), 2, "{:?}", pair.chart);
        assert!(pair.chart[1].ends_with("[Alert]"), "no_renegotiation");
        pair.assert_data_flows();
    }
}

#[test]
fn debug_prints_no_secret() {
    let pair = Pair::connected();
    let text = format!("{:?}", pair.client);
    assert!(text.contains("connected") && text.len() < 400, "{text}");
}
