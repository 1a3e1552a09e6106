//! What a policy refuses is refused before anything is said, and the other side is told.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use common::{A, B, Fate, Pair};
use dtls_srtp::Certificate;
use peerless::media::transceiver::TransceiverInit;
use peerless::security::{NamedGroup, Version};
use peerless::{
    Configuration, ConnectionState, DataChannelInit, Event, MediaKind, PeerConnection,
    SecurityPolicy,
};

const VERSIONS: [Version; 2] = [Version::Dtls12, Version::Dtls13];
const TOLD: &str = "no secure connection: the peer broke off: insufficient_security";
const WEAK: &str = "no secure connection: the key of the other side's certificate (RSA 2048, 112 \
                    bits of security) is too weak; the policy asks for 128 bits of security";

/// One that asks for keys of 128 bits of security, and one whose key has 112. SNAP lets data go as
/// soon as DTLS does.
fn strict_and_weak(version: Version, strict: usize) -> Pair {
    let [a, b] = [A, B].map(|peer| {
        let mut configuration = Configuration::default();
        configuration.security_policy.max_version = version;
        configuration.snap = true;
        if peer == strict {
            configuration.security_policy.min_key_strength = 128;
        } else {
            let der = include_bytes!("../../dtls-srtp/tests/certificates/rsa-2048.der");
            let key = include_bytes!("../../dtls-srtp/tests/certificates/rsa-2048.pk8");
            let crypto = &configuration.crypto;
            let certificate = Certificate::from_der(crypto, vec![der.to_vec()], key);
            configuration.certificates = vec![certificate.unwrap()];
        }
        configuration
    });
    Pair::with(a, b, 1)
}

/// Both have channels to open, and media.
fn negotiate(pair: &mut Pair) {
    let now = pair.now;
    let mut init = DataChannelInit::default();
    for peer in [A, B] {
        pair.peers[peer].create_data_channel(now, "chat", init.clone()).unwrap();
    }
    // One that needs no OPEN.
    init.negotiated = Some(100);
    for peer in [A, B] {
        pair.peers[peer].create_data_channel(now, "agreed", init.clone()).unwrap();
    }
    pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    pair.trace = Some(Vec::new());
    pair.negotiate(A);
}

fn failed(peer: &PeerConnection) -> bool {
    peer.connection_state() == ConnectionState::Failed
}

fn reason(pair: &Pair, peer: usize) -> String {
    pair.peers[peer].failure_reason().expect("it failed").to_string()
}

/// Whether a side was connected at any time, or heard of the other's data.
fn heard_anything(pair: &Pair, peer: usize) -> bool {
    pair.events[peer].iter().any(|event| {
        matches!(
            event,
            Event::DataChannel(_)
                | Event::DataChannelOpen(_)
                | Event::Readable(_)
                | Event::ConnectionStateChange(ConnectionState::Connected)
        )
    })
}

/// The content types of the records of DTLS 1.2 in a datagram.
fn content_types(mut datagram: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [content_type @ 20..=26, 254, 253, ..] = *datagram
        && datagram.len() >= 13
    {
        types.push(content_type);
        let len = usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
        datagram = datagram.get(13 + len..).unwrap_or_default();
    }
    types
}

#[test]
fn a_weak_key_is_refused_before_false_start_sends_anything() {
    // The first alert may be lost: it is said again when the other side goes on.
    for lost in [0, 1] {
        let mut pair = strict_and_weak(Version::Dtls12, B);
        negotiate(&mut pair);
        let mut alerts = 0;
        pair.fate = Box::new(move |_, datagram| {
            let alert = content_types(datagram).contains(&21);
            alerts += u32::from(alert);
            if alert && alerts <= lost { Fate::Drop } else { Fate::Deliver }
        });
        pair.run_until(Duration::from_secs(10), |pair| pair.peers.iter().all(failed));
        pair.run_for(Duration::from_secs(1));
        assert_eq!(reason(&pair, B), WEAK);
        assert_eq!(reason(&pair, A), TOLD);
        for peer in [A, B] {
            assert!(!heard_anything(&pair, peer), "{:?}", pair.events[peer]);
        }
        let trace = pair.trace.take().unwrap();
        assert!(trace.iter().any(|(.., datagram)| content_types(datagram).contains(&22)));
        // Neither data nor the last flight, which would show who we are.
        for (_, from, datagram) in &trace {
            let types = content_types(datagram);
            assert!(!types.contains(&23) && !types.contains(&20), "{from}: {types:?}");
            assert!(datagram[0] & 0xc0 != 0x80, "SRTP of {from}");
        }
    }
}

#[test]
fn the_other_side_is_told_that_it_is_not_secure_enough() {
    for version in VERSIONS {
        for strict in [A, B] {
            let mut pair = strict_and_weak(version, strict);
            negotiate(&mut pair);
            let both =
                pair.run_until(Duration::from_secs(10), |pair| pair.peers.iter().all(failed));
            assert!(both, "{version} {strict}");
            assert_eq!(reason(&pair, strict), WEAK, "{version}");
            assert_eq!(reason(&pair, 1 - strict), TOLD, "{version} {strict}");
            assert!(!heard_anything(&pair, strict), "{version} {strict}");
            assert!(pair.peers.iter().all(|peer| peer.security_report().is_none()));
        }
    }
}

/// As [`Pair::step`], with all that arrives of DTLS at one moment in one datagram.
fn step_with_full_datagrams(pair: &mut Pair) -> bool {
    pair.drain_events();
    pair.signal();
    pair.transmit();
    let is_dtls = |contents: &[u8]| matches!(contents[0], 20..=63);
    let mut wire: Vec<common::InFlight> = Vec::new();
    for datagram in pair.wire.drain(..) {
        let same = wire.iter_mut().find(|other| {
            is_dtls(&other.contents)
                && is_dtls(&datagram.contents)
                && (other.at, other.to, other.path) == (datagram.at, datagram.to, datagram.path)
        });
        match same {
            Some(other) => other.contents.extend(datagram.contents),
            None => wire.push(datagram),
        }
    }
    pair.wire = wire;
    let Some(next) = pair.next() else { return false };
    pair.now = pair.now.max(next);
    pair.deliver();
    let now = pair.now;
    for peer in &mut pair.peers {
        peer.handle_timeout(now);
    }
    pair.drain_events();
    true
}

#[test]
fn data_in_the_datagram_that_ends_the_handshake_is_not_taken_before_the_policy_has_looked() {
    for version in VERSIONS {
        // A is the server, and the client's data comes right behind its Finished.
        let mut pair = strict_and_weak(version, A);
        negotiate(&mut pair);
        while !pair.peers.iter().all(failed) {
            assert!(step_with_full_datagrams(&mut pair), "{version}");
        }
        assert_eq!(reason(&pair, A), WEAK);
        assert!(!heard_anything(&pair, A), "{version}: {:?}", pair.events[A]);
        // There was such data.
        assert!(pair.events[B].iter().any(|event| matches!(event, Event::DataChannelOpen(_))));
    }
    // With nothing to refuse it is taken in the same datagram.
    for version in VERSIONS {
        let mut pair = strict_and_weak(version, A);
        pair = Pair::with(relaxed(&pair.peers[A]), relaxed(&pair.peers[B]), 1);
        negotiate(&mut pair);
        while !pair.events[A].iter().any(|event| matches!(event, Event::DataChannel(_))) {
            assert!(step_with_full_datagrams(&mut pair), "{version}");
        }
        // 25 ms one way: ICE takes one round trip, DTLS another, and this is half of the next.
        assert_eq!(pair.elapsed(), Duration::from_millis(125), "{version}");
    }
}

/// The same settings without a policy about keys.
fn relaxed(peer: &PeerConnection) -> Configuration {
    let mut configuration = peer.configuration().clone();
    configuration.security_policy.min_key_strength = 112;
    configuration
}

#[test]
fn only_post_quantum_refuses_a_peer_that_has_only_x25519() {
    for version in VERSIONS {
        for strict in [A, B] {
            let mut pair = {
                let [a, b] = [A, B].map(|peer| {
                    let mut configuration = Configuration::default();
                    if peer == strict {
                        configuration.security_policy.post_quantum = true;
                        return configuration;
                    }
                    configuration.security_policy.max_version = version;
                    configuration.dtls.groups = vec![NamedGroup::X25519];
                    configuration
                });
                Pair::with(a, b, 1)
            };
            negotiate(&mut pair);
            let both =
                pair.run_until(Duration::from_secs(10), |pair| pair.peers.iter().all(failed));
            assert!(both, "{version} {strict}");
            // The key exchange is one that DTLS 1.3 alone has.
            let expected = match version {
                Version::Dtls13 => {
                    "no secure connection: the other side offered no post-quantum key exchange; \
                     the policy asks for X25519MLKEM768"
                }
                _ => {
                    "no secure connection: the other side offered only DTLS 1.2; the policy asks \
                     for DTLS 1.3"
                }
            };
            assert_eq!(reason(&pair, strict), expected, "{version} {strict}");
            for peer in [A, B] {
                assert!(!heard_anything(&pair, peer), "{version} {strict}");
            }
        }
    }
}

/// A policy that has only these suites.
fn with_suites(has: impl Fn(&str) -> bool) -> SecurityPolicy {
    let mut policy = SecurityPolicy::default();
    policy.cipher_suites.retain(|suite| has(&format!("{suite:?}")));
    policy
}

#[test]
fn only_gcm_refuses_a_peer_that_has_only_chacha20() {
    for version in VERSIONS {
        for strict in [A, B] {
            let [a, b] = [A, B].map(|peer| {
                let mut configuration = Configuration::default();
                let wanted = if peer == strict { "_GCM_" } else { "CHACHA20" };
                configuration.security_policy = with_suites(|suite| suite.contains(wanted));
                configuration.security_policy.max_version = version;
                configuration
            });
            let mut pair = Pair::with(a, b, 1);
            negotiate(&mut pair);
            let both =
                pair.run_until(Duration::from_secs(10), |pair| pair.peers.iter().all(failed));
            assert!(both, "{version} {strict}");
            let reason = reason(&pair, strict);
            let expected = "no secure connection: the other side offered no cipher suite that the \
                            policy accepts; the policy accepts TLS_AES_128_GCM_SHA256, \
                            TLS_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
            assert!(reason.starts_with(expected), "{version} {strict}: {reason}");
        }
    }
}

#[test]
fn gcm_is_agreed_on_where_the_other_side_would_rather_have_chacha20() {
    for version in VERSIONS {
        for strict in [A, B] {
            let [a, b] = [A, B].map(|peer| {
                let mut configuration = Configuration::default();
                if peer == strict {
                    configuration.security_policy = with_suites(|suite| suite.contains("_GCM_"));
                } else {
                    let suites = &mut configuration.security_policy.cipher_suites;
                    suites.sort_by_key(|suite| !format!("{suite:?}").contains("CHACHA20"));
                }
                configuration.security_policy.max_version = version;
                configuration
            });
            let mut pair = Pair::with(a, b, 1);
            negotiate(&mut pair);
            pair.run_for(Duration::from_secs(1));
            let report = pair.peers[strict].security_report().expect("connected");
            assert!(report.cipher_suite_name().contains("_AES_128_GCM_"), "{version} {strict}");
        }
    }
    // Who has both takes what the server wants.
    let mut b = Configuration::default();
    b.security_policy.cipher_suites.reverse();
    let mut pair = Pair::with(b, Configuration::default(), 1);
    negotiate(&mut pair);
    pair.run_for(Duration::from_secs(1));
    let report = pair.peers[A].security_report().expect("connected");
    assert_eq!(report.cipher_suite_name(), "TLS_CHACHA20_POLY1305_SHA256");
}
