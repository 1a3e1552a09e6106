//! What is the same in both versions.

use super::super::*;
use super::pair::*;
use crate::certificate::Certificate;
use crate::crypto::Crypto;
use crate::fingerprint::HashAlgorithm;
use crate::srtp::Profile;

const VERSIONS: [Version; 2] = [Version::Dtls12, Version::Dtls13];

fn strangers(version: Version) -> (Config, Config) {
    (versions(version, version), versions(version, version))
}

fn configs(version: Version) -> (Config, Config) {
    acquainted(strangers(version))
}

fn connected(version: Version) -> Pair {
    match version {
        Version::Dtls12 => Pair::connected(),
        Version::Dtls13 => Pair::connected_1_3(),
    }
}

#[test]
fn both_sides_get_the_same_srtp_keys_and_the_servers_order_decides() {
    use Profile::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmHmacSha1_80};
    for version in VERSIONS {
        let (client, server) = configs(version);
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
}

#[test]
fn without_a_common_srtp_profile_there_is_dtls_alone() {
    for version in VERSIONS {
        for server_profiles in [&[][..], &[Profile::AeadAes256Gcm]] {
            let (client, server) = configs(version);
            let mut pair = Pair::new((
                client.with_srtp_profiles(&[Profile::AeadAes128Gcm]),
                server.with_srtp_profiles(server_profiles),
            ));
            pair.run(perfect);
            assert!(pair.is_connected());
            assert!(pair.client.srtp_keys().is_none() && pair.server.srtp_keys().is_none());
        }
        let (client, server) = configs(version);
        let mut pair = Pair::new((client.with_srtp_profiles(&[]), server));
        pair.run(perfect);
        assert!(pair.is_connected() && pair.server.srtp_keys().is_none());
    }
}

#[test]
fn profiles_without_a_number_in_dtls_are_never_offered() {
    let keyed_by_hand = [Profile::Aes256CmHmacSha1_80, Profile::Aes256CmHmacSha1_32];
    for version in VERSIONS {
        let (client, server) = configs(version);
        let mut pair = Pair::new((
            client.with_srtp_profiles(&keyed_by_hand),
            server.with_srtp_profiles(&Profile::ALL),
        ));
        pair.run(perfect);
        assert!(pair.is_connected() && pair.server.srtp_keys().is_none());
    }
    for code in 0..=u16::MAX {
        assert!(Profile::from_code(code).is_none_or(|profile| !keyed_by_hand.contains(&profile)));
    }
}

#[test]
fn exported_keying_material_is_the_same_on_both_sides() {
    let export = |side: &Connection, context| side.export_keying_material("label", context, 50);
    // RFC 8446 §7.5: in DTLS 1.3, no context is an empty one.
    for (version, different) in VERSIONS.into_iter().zip([3, 2]) {
        let mut pair = Pair::new(configs(version));
        assert_eq!(export(&pair.client, None), Err(ExportError::NotConnected));
        pair.run(perfect);
        let mut seen = Vec::new();
        for context in [None, Some(&b""[..]), Some(&b"context"[..])] {
            let material = export(&pair.client, context).unwrap();
            assert_eq!(export(&pair.server, context).unwrap(), material);
            seen.push(material);
        }
        seen.dedup();
        assert_eq!(seen.len(), different, "{version}");
    }
}

#[test]
fn a_client_that_has_a_certificate_is_checked_even_where_none_is_required() {
    for version in VERSIONS {
        let (client, server) = configs(version);
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
}

#[test]
fn a_peer_with_another_certificate_is_refused_by_either_side() {
    let wrong = fingerprint(&certificate());
    let mismatch = CloseReason::Handshake(HandshakeError::FingerprintMismatch);
    let alert = CloseReason::Alert(AlertDescription::BadCertificate);
    for version in VERSIONS {
        let (client, server) = configs(version);
        let mut pair = Pair::new((client.with_remote_fingerprints(wrong.clone()), server));
        pair.run(perfect);
        assert_eq!(pair.client.close_reason(), Some(mismatch));
        assert_eq!(pair.server.close_reason(), Some(alert));
        assert_eq!((pair.client_connected, pair.server_connected), (None, None));

        let (client, server) = configs(version);
        let mut pair = Pair::new((client, server.with_remote_fingerprints(wrong.clone())));
        pair.run(perfect);
        assert_eq!(pair.server.close_reason(), Some(mismatch));
        assert_eq!(pair.client.close_reason(), Some(alert));
        assert_eq!(pair.server_connected, None);
        // In DTLS 1.3 it hears of that after its handshake.
        assert_eq!(pair.client_connected.is_some(), version == Version::Dtls13);
    }
}

#[test]
fn fingerprints_may_come_late_and_nothing_is_delivered_before() {
    let last = ["server: ChangeCipherSpec [Handshake]", "server: [3]"];
    for (version, last) in VERSIONS.into_iter().zip(last) {
        let (client, server) = strangers(version);
        let for_client = fingerprint(server.certificate());
        let for_server = vec![client.certificate().fingerprint(HashAlgorithm::Sha512)];
        let mut pair = Pair::new((client, server));
        pair.run(perfect);
        assert_eq!(pair.chart.last().unwrap(), last, "the handshake ran on");
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
}

#[test]
fn late_fingerprints_that_do_not_match_end_the_connection() {
    for version in VERSIONS {
        for when in ["during the handshake", "after it", "when connected"] {
            let (client, server) = match when {
                "when connected" => configs(version),
                _ => strangers(version),
            };
            let mut pair = Pair::new((client, server.with_any_remote_certificate()));
            if when == "during the handshake" {
                pair.step(&mut perfect);
                pair.step(&mut perfect);
            } else {
                pair.run(perfect);
            }
            pair.client.set_remote_fingerprints(pair.now, fingerprint(&certificate()));
            let mismatch = CloseReason::Handshake(HandshakeError::FingerprintMismatch);
            assert_eq!(pair.client.close_reason(), Some(mismatch), "{version}, {when}");
            pair.run(perfect);
            assert!(pair.server.close_reason().is_some(), "{version}, {when}");
            assert!(pair.client.begin(&mut Vec::new()).is_none());
        }
    }
}

#[test]
fn datagrams_are_no_larger_than_the_mtu() {
    for version in VERSIONS {
        for mtu in [1, 128, 200, 576, 1200, 9000] {
            let (client, server) = configs(version);
            let mut pair = Pair::new((client.with_mtu(mtu), server.with_mtu(mtu)));
            pair.run(perfect);
            assert!(pair.is_connected());
            assert!(pair.largest_datagram <= mtu.max(128), "{}", pair.largest_datagram);
            pair.assert_data_flows();
        }
    }
}

#[test]
fn close_notify_closes_both_sides() {
    // client → close_notify → server
    // client ← close_notify ← server
    let charts = [["client: [Alert]", "server: [Alert]"], ["client: [3]", "server: [3]"]];
    for (version, chart) in VERSIONS.into_iter().zip(charts) {
        let mut pair = connected(version);
        pair.client.close(pair.now);
        pair.run(perfect);
        assert_eq!(pair.chart, chart);
        assert_eq!(pair.client.poll_event(), Some(Event::Closed(CloseReason::Local)));
        assert_eq!(pair.server.poll_event(), Some(Event::Closed(CloseReason::Remote)));
        assert!(pair.server.begin(&mut Vec::new()).is_none());
        pair.server.close(pair.now);
        assert_eq!(pair.server.poll_event(), None, "closed once");
    }
}

#[test]
fn a_close_notify_that_was_lost_is_said_again_to_a_peer_that_goes_on() {
    for version in VERSIONS {
        let mut pair = connected(version);
        pair.client.close(pair.now);
        let mut alerts_lost =
            |from, _: &[u8]| if from == Role::Client { vec![] } else { vec![DELAY] };
        pair.run(&mut alerts_lost);
        for _ in 0..3 {
            let datagram = sealed(&mut pair.server, b"are you there?");
            pair.send(Role::Server, &datagram, &mut alerts_lost);
            pair.run(&mut alerts_lost);
        }
        let alerts = pair.chart.iter().filter(|sent| sent.starts_with("client: "));
        assert_eq!(alerts.count(), 2, "once more, not for each record");
        pair.now += Duration::from_secs(1);
        let datagram = sealed(&mut pair.server, b"hello?");
        pair.send(Role::Server, &datagram, &mut perfect);
        pair.run(perfect);
        assert_eq!(pair.server.close_reason(), Some(CloseReason::Remote));
        assert!(pair.client_read.is_empty(), "nothing is delivered after the close");
    }
}

#[test]
fn a_flight_that_no_record_could_hold_is_sent_in_several() {
    let key = recorded_certificate("rsa-2048");
    let chain = vec![key.der().to_vec(); 40];
    let long = Certificate::with_any_key(chain, key).unwrap();
    for version in [Version::Dtls12, Version::Dtls13] {
        let config = || {
            let config = Config::new(long.clone(), Crypto::default()).unwrap();
            let config = config.with_versions(version, version).unwrap();
            config.with_max_handshake_bytes(128 * 1024).with_any_remote_certificate()
        };
        let mut pair = Pair::new((config().with_mtu(65_507), config()));
        pair.server.set_mtu(65_507);
        pair.run(perfect);
        for side in [&pair.client, &pair.server] {
            assert_eq!(side.stats().flights_retransmitted, 0, "{version} {:#?}", pair.chart);
        }
        pair.assert_data_flows();
    }
}

#[test]
fn a_record_that_is_begun_before_the_close_is_not_sealed_after_it() {
    for version in VERSIONS {
        let mut pair = connected(version);
        let mut buf = b"before".to_vec();
        let record = pair.client.begin(&mut buf).unwrap();
        buf.extend_from_slice(b"plaintext");
        pair.client.close(pair.now);
        assert_eq!(pair.client.seal(&mut buf, record), Err(SealError::Closed));
        assert_eq!(buf, b"before");
    }
}

#[test]
fn debug_prints_no_secret() {
    for version in VERSIONS {
        let pair = connected(version);
        let text = format!("{:?}", pair.client);
        assert!(text.contains("connected") && text.len() < 400, "{text}");
    }
}
