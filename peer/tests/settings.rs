//! The settings of DTLS, through a connection: that they do what they say.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use common::{A, B, Fate, Pair};
use dtls_srtp::certificate::KeyAlgorithm;
use peerless::media::transceiver::TransceiverInit;
use peerless::security::{
    GROUPS, HashAlgorithm, KeyLog, NamedGroup, PublicKey, SignatureScheme, Version,
};
use peerless::{
    Certificate, CertificateParameters, Configuration, ConnectionState, Crypto, DataChannelInit,
    Event, MediaKind, SendError,
};

const MS: Duration = Duration::from_millis(1);
const VERSIONS: [Version; 2] = [Version::Dtls12, Version::Dtls13];

/// A offers a channel to B, who is the client of DTLS; until both are connected or one has failed.
fn call(pair: &mut Pair, limit: Duration) -> bool {
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    let state = |pair: &Pair, peer: usize| pair.peers[peer].connection_state();
    pair.run_until(limit, |pair| {
        [A, B].into_iter().all(|peer| state(pair, peer) == ConnectionState::Connected)
            || [A, B].into_iter().any(|peer| state(pair, peer) == ConnectionState::Failed)
    }) && state(pair, A) == ConnectionState::Connected
}

fn reason(pair: &Pair, peer: usize) -> String {
    pair.peers[peer].failure_reason().expect("it failed").to_string()
}

fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram[0], 20..=63)
}

#[derive(Debug, Default)]
struct Lines(Mutex<Vec<String>>);

impl KeyLog for Lines {
    fn log(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

#[test]
fn a_key_log_is_told_the_secrets_that_both_sides_have() {
    for version in VERSIONS {
        let logs = [(); 2].map(|()| Arc::new(Lines::default()));
        let [a, b] = logs.each_ref().map(|log| {
            let mut configuration = Configuration::default();
            configuration.security_policy.max_version = version;
            configuration.dtls.key_log = Some(Arc::clone(log) as _);
            configuration
        });
        let mut pair = Pair::with(a, b, 1);
        assert!(call(&mut pair, Duration::from_secs(5)));
        let [a, b] = logs.map(|log| log.0.lock().unwrap().iter().cloned().collect::<BTreeSet<_>>());
        assert_eq!(a, b);
        let labels: Vec<_> = a.iter().map(|line| line.split(' ').next().unwrap()).collect();
        let expected: &[&str] = match version {
            Version::Dtls13 => &[
                "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                "CLIENT_TRAFFIC_SECRET_0",
                "EXPORTER_SECRET",
                "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                "SERVER_TRAFFIC_SECRET_0",
            ],
            _ => &["CLIENT_RANDOM"],
        };
        assert_eq!(labels, expected);
    }
}

/// When B, who hears nothing of DTLS, says its hello, in milliseconds after the first; and why it
/// gives up.
fn hellos(configuration: Configuration) -> (Vec<u128>, String) {
    let mut pair = Pair::with(Configuration::default(), configuration, 1);
    pair.trace = Some(Vec::new());
    pair.fate = Box::new(|from, datagram| match from == A && is_dtls(datagram) {
        true => Fate::Drop,
        false => Fate::Deliver,
    });
    assert!(!call(&mut pair, Duration::from_secs(200)));
    let trace = pair.trace.take().unwrap();
    let hellos = trace.iter().filter(|(_, from, datagram)| *from == B && is_dtls(datagram));
    let times: BTreeSet<_> = hellos.map(|(at, ..)| *at).collect();
    let first = *times.first().unwrap();
    (times.iter().map(|at| (*at - first).as_millis()).collect(), reason(&pair, B))
}

#[test]
fn retransmissions_follow_the_settings() {
    let mut configuration = Configuration::default();
    configuration.dtls.initial_timeout = Some(200 * MS);
    configuration.dtls.max_timeout = 500 * MS;
    configuration.dtls.max_retransmissions = 5;
    let (times, reason) = hellos(configuration);
    assert_eq!(times, [0, 200, 600, 1100, 1600, 2100]);
    assert_eq!(reason, "no secure connection: the peer does not answer");

    // By default one and a half of the round trip, doubled up to 3 s, twenty times.
    let (times, _) = hellos(Configuration::default());
    assert_eq!(times[..5], [0, 75, 225, 525, 1125]);
    assert_eq!(times.len(), 21);
    assert_eq!(times[20] - times[19], 3000);
}

fn certificate(key_algorithm: KeyAlgorithm) -> Certificate {
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut parameters = CertificateParameters::new(date);
    parameters.key_algorithm = key_algorithm;
    Certificate::generate(&Crypto::default(), parameters).unwrap()
}

#[test]
fn of_several_certificates_the_first_is_shown_that_the_other_side_can_verify() {
    let ours = [KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519, KeyAlgorithm::EcdsaP256];
    let ours = ours.map(certificate);
    for version in VERSIONS {
        for with_several in [A, B] {
            for (accepted, expected) in [
                (vec![SignatureScheme::ECDSA_NISTP256_SHA256], PublicKey::EcdsaP256),
                (vec![SignatureScheme::ED25519], PublicKey::Ed25519),
                (peerless::security::SIGNATURE_SCHEMES.to_vec(), PublicKey::EcdsaP384),
            ] {
                let [a, b] = [A, B].map(|peer| {
                    let mut configuration = Configuration::default();
                    configuration.security_policy.max_version = version;
                    if peer == with_several {
                        configuration.certificates = ours.to_vec();
                    } else {
                        configuration.security_policy.signature_schemes = accepted.clone();
                    }
                    configuration
                });
                let mut pair = Pair::with(a, b, 1);
                assert!(call(&mut pair, Duration::from_secs(5)), "{version} {expected}");
                let now = pair.now;
                let ours_now = pair.peers[with_several].stats(now).transports[0].clone();
                let report = pair.peers[with_several].security_report().unwrap();
                let theirs = pair.peers[1 - with_several].security_report().unwrap();
                assert_eq!(report.local_certificate.public_key(), Some(expected), "{version}");
                assert_eq!(report.local_certificate, theirs.remote_certificate);
                assert_eq!(ours_now.local_certificate, Some(report.local_certificate));
            }
        }
    }
}

#[test]
fn the_fingerprints_of_all_certificates_are_told_and_the_first_ones_last() {
    let ours = [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384].map(certificate);
    let mut configuration = Configuration::default();
    configuration.certificates = ours.to_vec();
    let mut pair = Pair::with(configuration, Configuration::default(), 1);
    assert!(call(&mut pair, Duration::from_secs(5)));
    let description = pair.peers[A].local_description().unwrap().sdp;
    let told: Vec<_> =
        description.lines().filter_map(|line| line.strip_prefix("a=fingerprint:")).collect();
    let expected: Vec<_> = ours
        .iter()
        .rev()
        .map(|certificate| certificate.fingerprint(HashAlgorithm::Sha256).to_string())
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn every_certificate_has_to_satisfy_the_policy() {
    let mut configuration = Configuration::default();
    configuration.security_policy.min_key_strength = 192;
    configuration.certificates =
        [KeyAlgorithm::EcdsaP384, KeyAlgorithm::EcdsaP256].map(certificate).to_vec();
    let mut pair = Pair::with(configuration, Configuration::default(), 1);
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let error = pair.peers[A].set_local_description(now, None).unwrap_err().to_string();
    assert!(
        error.contains("the policy does not allow our certificate's key (ECDSA P-256)"),
        "{error}"
    );
}

#[test]
fn a_peer_without_the_extended_master_secret_is_refused_unless_a_setting_says_otherwise() {
    // Nobody here leaves it out, so it is made unreadable on its way. A server that goes on without
    // it finds out that the client has signed another hello.
    for (required, expected) in [
        (
            true,
            "no secure connection: the peer does not offer the extended master secret (RFC 7627)",
        ),
        (false, "no secure connection: the peer's signature is wrong"),
    ] {
        let [a, b] = [(); 2].map(|()| {
            let mut configuration = Configuration::default();
            configuration.security_policy.max_version = Version::Dtls12;
            configuration.dtls.require_extended_master_secret = required;
            configuration
        });
        let mut pair = Pair::with(a, b, 1);
        let now = pair.now;
        pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        pair.negotiate(A);
        let failed = pair.run_until(Duration::from_secs(5), |pair| {
            pair.transmit();
            for datagram in &mut pair.wire {
                let contents = &mut datagram.contents;
                // A ClientHello in the clear: the extension 23, which is empty.
                if contents.len() > 13 && contents[0] == 22 && contents[13] == 1 {
                    let at = contents.windows(4).position(|bytes| *bytes == [0, 23, 0, 0]);
                    at.into_iter().for_each(|at| contents[at + 1] = 99);
                }
            }
            pair.peers[A].connection_state() == ConnectionState::Failed
        });
        assert!(failed);
        assert_eq!(reason(&pair, A), expected);
    }
}

#[test]
fn the_groups_of_the_key_exchange_are_a_setting() {
    let groups = [NamedGroup::X25519, NamedGroup::secp256r1];
    for (a, b, agreed) in [
        (&GROUPS[..], &GROUPS[..], Some(NamedGroup::X25519MLKEM768)),
        (&GROUPS[..], &groups[..], Some(NamedGroup::X25519)),
        (&groups[1..], &groups, Some(NamedGroup::secp256r1)),
        (&groups[1..], &groups[..1], None),
    ] {
        let [a, b] = [a, b].map(|groups| {
            let mut configuration = Configuration::default();
            configuration.dtls.groups = groups.to_vec();
            configuration
        });
        let fits_a_datagram = !b.dtls.groups.contains(&NamedGroup::X25519MLKEM768);
        let mut pair = Pair::with(a, b, 1);
        let in_parts = Arc::new(AtomicBool::new(false));
        pair.fate = {
            let in_parts = Arc::clone(&in_parts);
            Box::new(move |from, datagram| {
                // A ClientHello in the clear: how long it is, and how much of it is here.
                if from == B && datagram.len() > 25 && datagram[0] == 22 && datagram[13] == 1 {
                    in_parts.fetch_or(datagram[14..17] != datagram[22..25], Ordering::Relaxed);
                }
                Fate::Deliver
            })
        };
        assert_eq!(call(&mut pair, Duration::from_secs(5)), agreed.is_some());
        assert_eq!(pair.peers[A].security_report().map(|report| report.group), agreed);
        assert_eq!(in_parts.load(Ordering::Relaxed), !fits_a_datagram);
    }
    // The policy takes what resists quantum computers, and there is nothing of that.
    let mut configuration = Configuration::default();
    configuration.dtls.groups = groups.to_vec();
    configuration.security_policy.post_quantum = true;
    let mut pair = Pair::with(configuration, Configuration::default(), 1);
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let error = pair.peers[A].set_local_description(now, None).unwrap_err().to_string();
    assert!(error.contains("key exchange"), "{error}");
}

/// A record of DTLS holds no more than 16 KiB: what is larger would be lost each time.
#[test]
fn datagrams_are_never_larger_than_a_record_can_be() {
    let mut configuration = Configuration::default();
    (configuration.path_mtu, configuration.max_path_mtu) = (50_000, Some(60_000));
    let mut pair = Pair::with(configuration.clone(), configuration, 1);
    assert!(call(&mut pair, Duration::from_secs(5)));
    let open = |pair: &Pair, peer: usize| {
        pair.events[peer].iter().find_map(|event| match event {
            Event::DataChannelOpen(id) | Event::DataChannel(id) => Some(*id),
            _ => None,
        })
    };
    let is_open = |pair: &mut Pair| [A, B].into_iter().all(|peer| open(pair, peer).is_some());
    assert!(pair.run_until(Duration::from_secs(5), is_open));
    let (ours, theirs) = (open(&pair, A).unwrap(), open(&pair, B).unwrap());
    pair.trace = Some(Vec::new());
    let now = pair.now;
    pair.peers[A].data_channel(ours).unwrap().send(now, vec![7; 200_000]).unwrap();
    assert!(pair.run_until(Duration::from_secs(2), |pair| {
        pair.peers[B].data_channel(theirs).unwrap().read().is_some()
    }));
    let trace = pair.trace.take().unwrap();
    let largest = trace.iter().map(|(_, _, bytes)| bytes.len()).max();
    assert!(largest.is_some_and(|len| (15_000..=16_384).contains(&len)), "{largest:?}");
}

#[test]
fn a_hello_that_has_to_be_repeated_is_a_round_trip_more_in_the_report() {
    for (groups, round_trips) in [(&GROUPS[..], 1), (&[NamedGroup::secp384r1], 2)] {
        // A is the server. Of P-384 B has no key share at first.
        let mut configuration = Configuration::default();
        configuration.dtls.groups = groups.to_vec();
        let mut pair = Pair::with(configuration, Configuration::default(), 1);
        assert!(call(&mut pair, Duration::from_secs(5)));
        for peer in &pair.peers {
            let report = peer.security_report().unwrap();
            assert_eq!((report.version, report.round_trips), (Version::Dtls13, round_trips));
            assert!(groups.contains(&report.group), "{report:?}");
            assert_eq!(report.flights_retransmitted, 0);
        }
    }
}

#[test]
fn what_was_lost_is_in_the_report() {
    for version in VERSIONS {
        for (side, lost) in [(A, 1), (B, 1), (B, 3)] {
            let mut configuration = Configuration::default();
            configuration.security_policy.max_version = version;
            let mut pair = Pair::with(configuration.clone(), configuration, 1);
            let mut left = lost;
            pair.fate = Box::new(move |from, datagram| {
                // The first so many of its datagrams.
                let is_its = from == side && is_dtls(datagram) && left > 0;
                left -= u32::from(is_its);
                if is_its { Fate::Drop } else { Fate::Deliver }
            });
            assert!(call(&mut pair, Duration::from_secs(20)));
            let reports = pair.peers.each_ref().map(|peer| peer.security_report().unwrap());
            let counts = reports.each_ref().map(|report| report.flights_retransmitted);
            println!("{version}: {lost} of {side} lost, {counts:?} sent again");
            assert!(counts[side] > 0, "{version} {side}: {counts:?}");
            for report in &reports {
                let round_trips = if version == Version::Dtls13 { 1 } else { 2 };
                assert_eq!(report.round_trips, round_trips, "by the protocol, whatever is lost");
            }
            let times = reports.each_ref().map(|report| report.handshake_time);
            assert!(times.iter().all(|time| *time > 50 * MS), "{times:?}");
        }
    }
}

#[test]
fn settings_that_are_too_small_are_bounded() {
    let mut configuration = Configuration::default();
    (configuration.path_mtu, configuration.max_message_size) = (0, 0);
    let mut pair = Pair::with(configuration.clone(), configuration, 1);
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let init = TransceiverInit::default();
    pair.peers[A].add_transceiver(now, MediaKind::Video, init).unwrap();
    pair.negotiate(A);
    let offer = pair.peers[A].local_description().unwrap().sdp;
    assert!(offer.contains("a=max-message-size:1024\r\n"), "{offer}");
    assert!(
        pair.run_until(Duration::from_secs(10), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        })
    );
    let now = pair.now;
    let error = pair.peers[A].data_channel(chat).unwrap().send(now, vec![7; 1025]).unwrap_err();
    assert!(matches!(error, SendError::TooLarge { limit: 1024, .. }), "{error}");
}
