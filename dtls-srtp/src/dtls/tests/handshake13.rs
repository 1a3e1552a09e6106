use rustls::{CipherSuite, NamedGroup};

use super::super::*;
use super::pair::*;
use crate::crypto::Crypto;

const HELLO: &str = "client: ClientHello";
const FLIGHT_2: &str = "server: ServerHello [2]";
const FLIGHT_3: &str = "client: [2]";
const ACK: &str = "server: [3]";

/// A pair whose client and server have these groups.
fn pair_of(client: &[NamedGroup], server: &[NamedGroup]) -> Pair {
    let (old, new) = (Version::Dtls12, Version::Dtls13);
    let config = |groups| versions(old, new).with_groups(groups).unwrap();
    Pair::new(acquainted((config(client), config(server))))
}

/// Flights of one datagram each.
fn x25519() -> Pair {
    pair_of(&[NamedGroup::X25519], &[NamedGroup::X25519])
}

#[test]
fn a_clean_handshake_is_one_round_trip_to_the_clients_data() {
    let mut pair = x25519();
    pair.run(perfect);

    // client → ClientHello → server
    // client ← ServerHello … Finished ← server: the client is connected, and may send
    // client → Certificate … Finished → server: so is the server
    // client ← ACK ← server
    assert_eq!(pair.chart, [HELLO, FLIGHT_2, FLIGHT_3, ACK]);
    assert_eq!(pair.client_may_send, Some(2 * DELAY));
    assert_eq!(pair.client_connected, Some(2 * DELAY));
    assert_eq!(pair.server_connected, Some(3 * DELAY), "150 ms");
    assert_eq!(pair.client.stats(), Stats::default());
    assert_eq!(pair.server.stats(), Stats::default());
    assert_eq!(pair.client.poll_event(), Some(Event::Connected));
    assert_eq!(pair.client.poll_event(), None);
    for side in [&pair.client, &pair.server] {
        assert_eq!(side.version(), Some(Version::Dtls13));
        assert_eq!(side.cipher_suite(), Some(CipherSuite::TLS13_AES_128_GCM_SHA256));
        assert_eq!(side.group(), Some(NamedGroup::X25519));
        assert_eq!(side.round_trips(), Some(1));
        let scheme = Some(rustls::SignatureScheme::ECDSA_NISTP256_SHA256);
        assert_eq!((side.local_signature_scheme(), side.peer_signature_scheme()), (scheme, scheme));
        assert_eq!(side.poll_timeout(), None);
    }
    pair.assert_data_flows();
}

#[test]
fn the_default_is_post_quantum_and_takes_two_datagrams_each_way() {
    let config = || Config::new(certificate(), Crypto::default()).unwrap();
    let mut pair = Pair::new(acquainted((config(), config())));
    pair.run(perfect);
    assert_eq!(pair.chart.len(), 6, "{:#?}", pair.chart);
    assert!(pair.chart[0].starts_with("client: ClientHello(0.."), "{:#?}", pair.chart);
    assert!(pair.chart[2].starts_with("server: ServerHello"), "{:#?}", pair.chart);
    assert_eq!(pair.chart[4..], [FLIGHT_3, ACK]);
    assert_eq!(pair.client.group(), Some(NamedGroup::X25519MLKEM768));
    assert_eq!(pair.server_connected, Some(3 * DELAY));
    assert_eq!(pair.client.stats(), Stats::default());
    assert_eq!(pair.server.stats(), Stats::default());
}

#[test]
fn the_newest_version_that_both_have_is_spoken() {
    use Version::{Dtls12, Dtls13};
    let ranges = [(Dtls12, Dtls12), (Dtls12, Dtls13), (Dtls13, Dtls13)];
    for client in ranges {
        for server in ranges {
            let configs = (versions(client.0, client.1), versions(server.0, server.1));
            let mut pair = Pair::new(acquainted(configs));
            pair.run(perfect);
            let common = client.1.min(server.1);
            if common < client.0.max(server.0) {
                let none = CloseReason::Handshake(HandshakeError::NoCommonVersion);
                assert_eq!(pair.server.close_reason(), Some(none));
                let alert = CloseReason::Alert(AlertDescription::ProtocolVersion);
                assert_eq!(pair.client.close_reason(), Some(alert));
            } else {
                assert_eq!(pair.client.version(), Some(common), "{client:?} {server:?}");
                assert_eq!(pair.server.version(), Some(common));
                pair.assert_data_flows();
            }
        }
    }
}

#[test]
fn every_kind_of_certificate_and_group_connects() {
    use NamedGroup as G;
    for name in ["p256-v1", "p384", "ed25519", "rsa-2048", "rsa-4096"] {
        for group in [G::X25519MLKEM768, G::X25519, G::secp256r1, G::secp384r1] {
            let config = Config::new(recorded_certificate(name), Crypto::default()).unwrap();
            let config = config.with_any_remote_certificate().with_groups(&[group]).unwrap();
            let mut pair = Pair::new((config.clone(), config));
            pair.run(perfect);
            assert_eq!(pair.client.version(), Some(Version::Dtls13), "{name} {group:?}");
            assert_eq!(pair.client.group(), Some(group));
            pair.assert_data_flows();
        }
    }
}

#[test]
fn every_cipher_suite_connects() {
    for suite in suite::Suite13::all(&Crypto::default()) {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.retain(|known| known.suite() == suite.id);
        let crypto = Crypto { handshake: provider.into(), ..Crypto::default() };
        let config = || Config::new(certificate(), crypto.clone()).unwrap();
        let mut pair = Pair::new(acquainted((config(), config())));
        pair.run(perfect);
        assert_eq!(pair.client.cipher_suite(), Some(suite.id));
        assert_eq!(pair.server.cipher_suite(), Some(suite.id));
        pair.assert_data_flows();
    }
}

#[test]
fn a_wrong_guess_of_the_group_costs_one_round_trip() {
    use NamedGroup::{secp256r1, secp384r1};
    let mut pair = pair_of(&[secp384r1, secp256r1], &[secp256r1]);
    pair.run(perfect);
    // client → ClientHello, with a share of P-384 → server
    // client ← HelloRetryRequest: P-256 ← server
    let retry = ["server: ServerHello", HELLO];
    assert_eq!(pair.chart, [&[HELLO][..], &retry, &[FLIGHT_2, FLIGHT_3, ACK]].concat());
    assert_eq!(pair.client.group(), Some(secp256r1));
    assert_eq!(pair.client.round_trips(), Some(2));
    assert_eq!(pair.server.round_trips(), Some(2));
    assert_eq!(pair.server_connected, Some(5 * DELAY));
    pair.assert_data_flows();
}

#[test]
fn x25519_is_shared_beside_the_hybrid_that_has_it() {
    let mut pair =
        pair_of(&[NamedGroup::X25519MLKEM768, NamedGroup::X25519], &[NamedGroup::X25519]);
    pair.run(perfect);
    assert_eq!(pair.client.group(), Some(NamedGroup::X25519));
    assert_eq!(pair.client.round_trips(), Some(1));
    // One that is not hybrid is shared beside X25519 as well.
    let mut pair = pair_of(&[NamedGroup::secp256r1, NamedGroup::X25519], &[NamedGroup::X25519]);
    pair.run(perfect);
    assert_eq!(pair.client.round_trips(), Some(1));
    pair.assert_data_flows();
}

#[test]
fn a_round_trip_is_spent_on_what_quantum_computers_do_not_break() {
    use NamedGroup::{X25519, X25519MLKEM768, secp256r1};
    let mut pair = pair_of(&[X25519, X25519MLKEM768], &[X25519MLKEM768, X25519]);
    pair.run(perfect);
    assert_eq!(pair.client.group(), Some(X25519MLKEM768));
    assert_eq!(pair.client.round_trips(), Some(2));
    // But not on a matter of taste.
    let mut pair = pair_of(&[secp256r1, X25519], &[X25519, secp256r1]);
    pair.run(perfect);
    assert_eq!(pair.client.round_trips(), Some(1));
}

#[test]
fn cookies_cost_one_round_trip() {
    for group in [NamedGroup::X25519, NamedGroup::X25519MLKEM768] {
        let config = || versions(Version::Dtls12, Version::Dtls13).with_groups(&[group]).unwrap();
        let mut pair = Pair::new(acquainted((config(), config().with_cookies())));
        pair.run(perfect);
        assert_eq!(pair.server_connected, Some(5 * DELAY), "{:#?}", pair.chart);
        assert_eq!(pair.client.round_trips(), Some(2));
        pair.assert_data_flows();
    }
    // With another group as well, still one.
    let client = versions(Version::Dtls12, Version::Dtls13);
    let client = client.with_groups(&[NamedGroup::secp384r1, NamedGroup::secp256r1]).unwrap();
    let server = versions(Version::Dtls12, Version::Dtls13);
    let server = server.with_groups(&[NamedGroup::secp256r1]).unwrap().with_cookies();
    let mut pair = Pair::new(acquainted((client, server)));
    pair.run(perfect);
    assert_eq!(pair.server_connected, Some(5 * DELAY), "{:#?}", pair.chart);
    pair.assert_data_flows();
}

#[test]
fn a_retry_request_is_said_again_only_when_it_is_asked_for_again() {
    let (client, server) = configs_1_3();
    let mut pair = Pair::new((client, server.with_cookies()));
    let mut lost = 0;
    pair.run(|from, datagram| {
        if from == Role::Server && describe(datagram) == "ServerHello" && lost < 3 {
            lost += 1;
            return vec![];
        }
        vec![DELAY]
    });
    assert_eq!(lost, 3);
    assert!(pair.is_connected());
    assert_eq!(pair.server.stats().flights_retransmitted, 3);
}

#[test]
fn a_wrong_cookie_ends_the_handshake() {
    let (client, server) = configs_1_3();
    let client = client.with_groups(&[NamedGroup::X25519]).unwrap();
    let mut pair = Pair::new((client, server.with_cookies()));
    let exchange = |pair: &mut Pair, from: Role, change: bool| {
        let mut datagram = Vec::new();
        let now = pair.now;
        pair.side(from).poll_transmit(now, &mut datagram).unwrap();
        if change {
            *datagram.last_mut().unwrap() ^= 1;
        }
        let to = if from == Role::Client { Role::Server } else { Role::Client };
        pair.side(to).handle_datagram(now, &mut datagram);
        datagram.len()
    };
    let hello = exchange(&mut pair, Role::Client, false);
    let retry = exchange(&mut pair, Role::Server, true);
    assert!(retry < hello, "not an amplifier");
    let end = pair.now + Duration::from_millis(56_800);
    assert_eq!(pair.server.poll_timeout(), Some(end), "until it gives up");
    exchange(&mut pair, Role::Client, false);
    let illegal = CloseReason::Handshake(HandshakeError::IllegalParameter);
    assert_eq!(pair.server.close_reason(), Some(illegal));
}

#[test]
fn a_client_that_is_not_asked_stays_anonymous_and_hears_the_server_at_once() {
    let (client, server) = configs_1_3();
    let client = client.with_groups(&[NamedGroup::X25519]).unwrap();
    let server = server.with_client_authentication(ClientAuthentication::NotRequested);
    let mut pair = Pair::new((client, server));
    while !pair.server.may_send() {
        assert!(pair.step(&mut perfect));
    }
    assert_eq!(pair.now - pair.start, DELAY, "half a round trip");
    let datagram = sealed(&mut pair.server, b"welcome");
    pair.send(Role::Server, &datagram, &mut perfect);
    pair.run(perfect);
    assert_eq!(pair.client_read, [b"welcome"]);
    let flight_2 = "server: ServerHello [2]";
    assert_eq!(pair.chart, [HELLO, flight_2, "server: [3]", "client: [2]", ACK]);
    assert_eq!(pair.server.peer_certificate(), None);
    assert!(pair.is_connected());
}

#[test]
fn a_server_that_asks_sends_nothing_before_it_knows_its_client() {
    let mut pair = x25519();
    while !pair.server.is_connected() {
        assert!(!pair.server.may_send() && pair.server.begin(&mut Vec::new()).is_none());
        assert!(pair.step(&mut perfect));
    }
    assert!(pair.server.may_send());
}

#[test]
fn a_client_may_keep_its_certificate_where_it_is_only_requested() {
    let (client, server) = configs_1_3();
    let server = server.with_client_authentication(ClientAuthentication::Requested);
    let mut pair = Pair::new((client.clone().with_anonymous_client(), server));
    pair.run(perfect);
    assert_eq!(pair.server.peer_certificate(), None);
    pair.assert_data_flows();

    let (_, server) = configs_1_3();
    let mut pair =
        Pair::new((client.with_any_remote_certificate().with_anonymous_client(), server));
    pair.run(perfect);
    let missing = CloseReason::Handshake(HandshakeError::NoCertificate);
    assert_eq!(pair.server.close_reason(), Some(missing));
    let required = CloseReason::Alert(AlertDescription::CertificateRequired);
    assert_eq!(pair.client.close_reason(), Some(required));
}

#[test]
fn data_that_overtakes_the_handshake_is_kept() {
    // client → application data → server, and flight 3 a millisecond later.
    let mut pair = x25519();
    let mut slow = |_: Role, _: &[u8]| vec![DELAY + Duration::from_millis(1)];
    while !pair.client.may_send() {
        assert!(pair.step(&mut slow));
    }
    let datagram = sealed(&mut pair.client, b"from the client");
    pair.send(Role::Client, &datagram, &mut perfect);
    pair.run(slow);
    assert_eq!(pair.server_read, [b"from the client"]);
    assert_eq!(pair.client.stats().flights_retransmitted, 0);
    assert_eq!(pair.server.stats().flights_retransmitted, 0);
}

#[test]
fn a_flight_in_the_opposite_order_costs_no_time() {
    let (client, server) = configs_1_3();
    let mut pair = Pair::new((client.with_mtu(300), server.with_mtu(300)));
    let mut sent = 0;
    pair.run(|_, _| {
        sent += 1;
        vec![DELAY - Duration::from_micros(100 * sent)]
    });
    assert!(pair.is_connected());
    assert!(pair.server_connected.unwrap() < 3 * DELAY, "{:#?}", pair.chart);
}

/// Runs a handshake between both versions in which `change` may change datagrams.
fn tampered(mut change: impl FnMut(Role, &mut [u8])) -> Pair {
    let config = || versions(Version::Dtls12, Version::Dtls13).with_max_retransmissions(3);
    let groups = [NamedGroup::X25519, NamedGroup::secp256r1];
    let config = || config().with_groups(&groups).unwrap();
    let mut pair = Pair::new(acquainted((config(), config())));
    for _ in 0..50 {
        let mut sent = Vec::new();
        let more = pair.step(&mut |from, datagram: &[u8]| {
            sent.push((from, datagram.to_vec()));
            vec![]
        });
        for (from, mut datagram) in sent {
            change(from, &mut datagram);
            let to = if from == Role::Client { Role::Server } else { Role::Client };
            let now = pair.now;
            pair.side(to).handle_datagram(now, &mut datagram);
        }
        if !more && pair.client.poll_timeout().is_none() && pair.server.poll_timeout().is_none() {
            break;
        }
    }
    pair
}

#[test]
fn a_downgrade_is_found_out() {
    // Somebody keeps from the server that the client speaks DTLS 1.3.
    let pair = tampered(|from, datagram| {
        let versions = datagram.windows(4).position(|bytes| bytes == [0xfe, 0xfc, 0xfe, 0xfd]);
        if from == Role::Client
            && let Some(at) = versions
        {
            datagram[at + 1] = 0xfb;
        }
    });
    let downgraded = CloseReason::Handshake(HandshakeError::Downgraded);
    assert_eq!(pair.client.close_reason(), Some(downgraded));
    let alert = CloseReason::Alert(AlertDescription::IllegalParameter);
    assert_eq!(pair.server.close_reason(), Some(alert));
}

#[test]
fn a_server_of_both_versions_tells_old_clients_what_it_could_do() {
    let (old, new) = (Version::Dtls12, Version::Dtls13);
    for (max, marked) in [(new, true), (old, false)] {
        let mut pair = Pair::new(acquainted((versions(old, old), versions(old, max))));
        let mut seen = false;
        pair.run(|from, datagram: &[u8]| {
            seen |= from == Role::Server && datagram.windows(8).any(|end| end == b"DOWNGRD\x01");
            vec![DELAY]
        });
        assert_eq!(seen, marked);
        assert_eq!(pair.client.version(), Some(old));
    }
}

#[test]
fn a_changed_server_hello_is_found_out() {
    let pair = tampered(|from, datagram| {
        if from == Role::Server && describe(datagram).starts_with("ServerHello") {
            // In the random.
            datagram[Header::LEN + message::FragmentHeader::LEN + 10] ^= 1;
        }
    });
    assert_eq!((pair.client_connected, pair.server_connected), (None, None));
}

#[test]
fn plaintext_from_nowhere_does_not_disturb_a_handshake_that_has_keys() {
    use super::super::message::{HandshakeType, write};
    let mut pair = x25519();
    let mut forged = Vec::new();
    while pair.client.outgoing.newest_epoch() == Epoch::PLAINTEXT {
        assert!(pair.step(&mut perfect));
    }
    for (seq, kind) in [
        (1, HandshakeType::EncryptedExtensions),
        (2, HandshakeType::ServerHello),
        (6, HandshakeType::Finished),
    ] {
        let header = Header {
            content_type: ContentType::Handshake,
            version: record::DTLS_1_2,
            epoch: 0,
            sequence_number: 1000 + u64::from(seq),
        };
        let mut body = Vec::new();
        write(&mut body, kind, seq, |buf| buf.extend_from_slice(&[0; 20]));
        header.write(&mut forged, body.len() as u16);
        forged.extend_from_slice(&body);
    }
    for role in [Role::Client, Role::Server] {
        let now = pair.now;
        pair.side(role).handle_datagram(now, &mut forged.clone());
    }
    pair.run(perfect);
    assert!(pair.is_connected());
    pair.assert_data_flows();
}

/// Alerts and an ACK that anybody could send.
fn forged_endings() -> Vec<Vec<u8>> {
    let mut ack = Vec::new();
    v13::ack::write(&mut ack, [v13::RecordNumber { epoch: 2, sequence_number: 0 }].into_iter());
    let fatal = Alert::fatal(AlertDescription::HandshakeFailure);
    let bodies = [
        (ContentType::Alert, Alert::CLOSE_NOTIFY.bytes().to_vec()),
        (ContentType::Alert, fatal.bytes().to_vec()),
        (ContentType::Ack, ack),
    ];
    let forge = |(content_type, body): (ContentType, Vec<u8>)| {
        let version = record::DTLS_1_2;
        let header = Header { content_type, version, epoch: 0, sequence_number: 1000 };
        let mut datagram = Vec::new();
        header.write(&mut datagram, body.len() as u16);
        [datagram, body].concat()
    };
    bodies.into_iter().map(forge).collect()
}

#[test]
fn nobody_else_ends_a_handshake_once_it_is_plain_that_the_peer_has_keys() {
    for (victim, forged) in [Role::Client, Role::Server]
        .into_iter()
        .flat_map(|role| forged_endings().into_iter().map(move |forged| (role, forged)))
    {
        let (client, server) = configs_1_3();
        let mut pair = Pair::new((client.with_mtu(300), server.with_mtu(300)));
        // A server has them when its ServerHello came, a client when it has used them: the datagrams
        // of its flight come one by one.
        let mut late = Duration::ZERO;
        while !match victim {
            Role::Client => pair.client.outgoing.newest_epoch() > Epoch::PLAINTEXT,
            Role::Server => pair.server.incoming.has_opened(),
        } {
            assert!(pair.step(&mut |_, _: &[u8]| {
                late += Duration::from_micros(10);
                vec![DELAY + late]
            }));
        }
        let now = pair.now;
        assert!(matches!(pair.side(victim).phase, Phase::Handshaking(_)));
        pair.side(victim).handle_datagram(now, &mut forged.clone());
        pair.run(perfect);
        assert!(pair.is_connected(), "{victim:?} {forged:?}");
        pair.assert_data_flows();
    }
}

/// A pair whose server has sent the first datagram of its flight, with ServerHello, which is on its way.
fn greeted() -> (Pair, Vec<u8>) {
    let (client, server) = configs_1_3();
    let client = client.with_groups(&[NamedGroup::X25519]).unwrap();
    let mut pair = Pair::new((client, server.with_mtu(300)));
    let mut datagram = Vec::new();
    pair.client.poll_transmit(pair.now, &mut datagram).unwrap();
    pair.server.handle_datagram(pair.now, &mut datagram);
    datagram.clear();
    pair.server.poll_transmit(pair.now, &mut datagram).unwrap();
    assert!(describe(&datagram).starts_with("ServerHello"));
    (pair, datagram)
}

#[test]
fn a_server_that_breaks_off_amid_its_flight_is_heard() {
    let (mut pair, mut datagram) = greeted();
    let why = AlertDescription::InternalError;
    pair.server.abort(pair.now, why);
    pair.client.handle_datagram(pair.now, &mut datagram);
    pair.run(perfect);
    assert_eq!(pair.client.close_reason(), Some(CloseReason::Alert(why)));
}

#[test]
fn a_warning_that_is_an_error_ends_a_handshake_too() {
    // RFC 8446 §6: "regardless of the AlertLevel in the message".
    let (mut pair, mut datagram) = greeted();
    let description = AlertDescription::HandshakeFailure;
    let warning = Alert { fatal: false, description };
    pair.server.outgoing.write(Epoch::HANDSHAKE, ContentType::Alert, &mut datagram, |buf| {
        buf.extend_from_slice(&warning.bytes());
    });
    pair.client.handle_datagram(pair.now, &mut datagram);
    assert_eq!(pair.client.close_reason(), Some(CloseReason::Alert(description)));
}

#[test]
fn only_the_signature_schemes_of_the_configuration_are_used() {
    use rustls::SignatureScheme;

    let p256 = SignatureScheme::ECDSA_NISTP256_SHA256;
    let ed25519 = SignatureScheme::ED25519;
    let handshake = |accepted: &[SignatureScheme]| {
        let (client, server) = configs_1_3();
        let mut pair = Pair::new((client.with_signature_schemes(accepted).unwrap(), server));
        pair.run(perfect);
        pair
    };
    let pair = handshake(&[ed25519, p256]);
    assert!(pair.is_connected());
    assert_eq!(pair.client.peer_signature_scheme(), Some(p256));

    // Our own key cannot sign with that.
    let (client, _) = configs_1_3();
    let only = client.clone().with_versions(Version::Dtls13, Version::Dtls13).unwrap();
    let error = only.with_signature_schemes(&[ed25519]).unwrap_err();
    assert_eq!(error, ConfigError::NoVersion);
    let error = client.with_signature_schemes(&[]).unwrap_err();
    assert_eq!(error, ConfigError::NoVersion);
}
