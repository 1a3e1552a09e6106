//! How connections are secured, what they refuse, and what forgers cannot do.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{A, B, Pair, address};
use dtls_srtp::{Certificate, dtls, srtp};
use peerless::media::transceiver::TransceiverInit;
use peerless::security::{PublicKey, SignatureScheme};
use peerless::{
    Configuration, ConnectionState, DataChannelId, DataChannelInit, Datagram, Event, FiveTuple,
    MediaKind, Message, PeerConnection, SecurityPolicy, SessionDescription,
};

fn with_policies(a: SecurityPolicy, b: SecurityPolicy) -> Pair {
    let [a, b] = [a, b].map(|policy| {
        let mut configuration = Configuration::default();
        configuration.security_policy = policy;
        configuration
    });
    Pair::with(a, b, 1)
}

/// Offers a channel and a video, and waits until the channel is open or one side has failed.
fn call(pair: &mut Pair) -> DataChannelId {
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    pair.negotiate(A);
    pair.run_until(Duration::from_secs(10), |pair| {
        let failed = |peer: &PeerConnection| peer.connection_state() == ConnectionState::Failed;
        pair.saw(A, &Event::DataChannelOpen(chat)) || pair.peers.iter().any(failed)
    });
    pair.run_for(Duration::from_millis(100));
    chat
}

fn reason(pair: &Pair, peer: usize) -> String {
    pair.peers[peer].failure_reason().expect("it failed").to_string()
}

/// Both are connected, and what A says arrives.
fn assert_works(pair: &mut Pair, chat: DataChannelId) {
    for peer in [A, B] {
        assert_eq!(pair.peers[peer].connection_state(), ConnectionState::Connected);
        assert!(pair.peers[peer].failure_reason().is_none());
    }
    let now = pair.now;
    pair.peers[A].data_channel(chat).unwrap().send(now, "still here").unwrap();
    pair.run_for(Duration::from_millis(200));
    let theirs = pair.events[B].iter().find_map(|event| match event {
        Event::DataChannel(id) => Some(*id),
        _ => None,
    });
    let mut channel = pair.peers[B].data_channel(theirs.expect("B has it")).unwrap();
    assert_eq!(channel.read(), Some(Message::from("still here")));
}

/// Hands a datagram to a peer, as if it had come from `from`.
fn inject(pair: &mut Pair, to: usize, from: SocketAddr, bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let path = FiveTuple::udp(address(to), from);
    let now = pair.now;
    pair.peers[to].handle_datagram(now, Datagram::new(path, &mut bytes));
}

/// A record that nobody had the keys for.
fn record(content_type: u8, epoch: u16, sequence_number: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![content_type, 254, 253];
    bytes.extend(epoch.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0, sequence_number]);
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn dropped(pair: &mut Pair, peer: usize) -> u64 {
    let now = pair.now;
    pair.peers[peer].stats(now).transports[0].packets_dropped
}

#[test]
fn both_sides_report_the_same_and_the_other_ones_certificate() {
    let mut pair = Pair::new();
    assert!(pair.peers[A].security_report().is_none());
    call(&mut pair);
    let [a, b] = pair.peers.each_ref().map(|peer| peer.security_report().expect("connected"));
    assert_eq!(a.to_string(), b.to_string());
    println!("{a}");
    assert!(a.to_string().starts_with(&format!("{} {}", a.version, a.group_name())));
    assert!(a.to_string().ends_with(" · SRTP AES-128-GCM"), "{a}");
    assert_eq!((a.cipher_suite, a.srtp_profile), (b.cipher_suite, b.srtp_profile));
    assert_eq!([a.dtls_role, b.dtls_role], [dtls::Role::Server, dtls::Role::Client]);
    assert_eq!(a.local_certificate, b.remote_certificate);
    assert_eq!(b.local_certificate, a.remote_certificate);
    // It is what the descriptions have announced.
    let announced = pair.peers[A].local_description().unwrap().sdp;
    assert!(announced.contains(&format!("a=fingerprint:{}", b.remote_certificate.fingerprint)));
    assert_eq!(a.local_signature_scheme, b.remote_signature_scheme);
    assert_eq!(b.local_signature_scheme, a.remote_signature_scheme);
    assert!(a.local_signature_scheme.is_some() && b.local_signature_scheme.is_some());
    assert_eq!([a.round_trips, b.round_trips], [1, 1]);
    assert_eq!([a.flights_retransmitted, b.flights_retransmitted], [0, 0]);
    assert!(a.handshake_time > Duration::ZERO && b.handshake_time > Duration::ZERO);
    assert!(!a.handshake_in_checks);
}

#[test]
fn statistics_have_the_names_and_values_of_the_w3c() {
    let mut pair = Pair::new();
    call(&mut pair);
    let now = pair.now;
    let [a, b] = pair.peers.each_mut().map(|peer| peer.stats(now).transports[0].clone());
    let report = pair.peers[A].security_report().unwrap();
    assert_eq!(
        a.tls_version(),
        Some(if report.version == dtls::Version::Dtls12 { "FEFD" } else { "FEFC" })
    );
    assert_eq!(a.dtls_cipher, Some(report.cipher_suite_name()));
    assert!(a.dtls_cipher.unwrap().starts_with("TLS_"));
    assert_eq!(a.srtp_cipher, Some(srtp::Profile::AeadAes128Gcm));
    assert_eq!([a.dtls_role, b.dtls_role], [Some(dtls::Role::Server), Some(dtls::Role::Client)]);
    assert_eq!(a.local_certificate, b.remote_certificate);
    assert_eq!(a.remote_certificate, b.local_certificate);
    assert!(a.local_certificate.is_some() && a.remote_certificate.is_some());
}

#[test]
fn a_policy_that_both_can_satisfy_changes_nothing_else() {
    let mut policy = SecurityPolicy::default();
    policy.srtp_profiles = vec![srtp::Profile::AeadAes256Gcm];
    let mut pair = with_policies(policy, SecurityPolicy::default());
    let chat = call(&mut pair);
    assert_works(&mut pair, chat);
    let report = pair.peers[B].security_report().unwrap();
    assert_eq!(report.srtp_profile, Some(srtp::Profile::AeadAes256Gcm));
}

#[test]
fn the_strict_policy_is_what_two_of_us_agree_on_anyway() {
    let mut pair = with_policies(SecurityPolicy::strict(), SecurityPolicy::strict());
    let chat = call(&mut pair);
    assert_works(&mut pair, chat);
    let strict = pair.peers[A].security_report().unwrap();
    assert!(strict.post_quantum);
    let mut pair = Pair::new();
    call(&mut pair);
    let default = pair.peers[A].security_report().unwrap();
    assert_eq!(strict.to_string(), default.to_string());
    assert_eq!(default.to_string(), "DTLS 1.3 X25519MLKEM768 · SRTP AES-128-GCM");
}

#[test]
fn refuses_an_srtp_profile_that_the_policy_does_not_have() {
    let gcm = [srtp::Profile::AeadAes128Gcm, srtp::Profile::AeadAes256Gcm];
    let old = [srtp::Profile::Aes128CmHmacSha1_80];
    for ([ours, theirs], allowed) in [
        ([&old[..], &gcm], "AEAD_AES_128_GCM, AEAD_AES_256_GCM"),
        ([&gcm[..], &old], "AES_CM_128_HMAC_SHA1_80"),
    ] {
        let [a, b] = [ours, theirs].map(|profiles| {
            let mut policy = SecurityPolicy::default();
            policy.srtp_profiles = profiles.to_vec();
            policy
        });
        let mut pair = with_policies(a, b);
        call(&mut pair);
        assert!(pair.peers.iter().all(|peer| peer.security_report().is_none()));
        // Of the two that could not agree, the client knows first, and tells the other.
        for peer in [A, B] {
            assert_eq!(pair.peers[peer].connection_state(), ConnectionState::Failed);
        }
        let expected = format!(
            "no secure connection: the other side offered no SRTP profile that the policy allows \
             ({allowed})"
        );
        assert_eq!(reason(&pair, B), expected);
        assert_eq!(
            reason(&pair, A),
            "no secure connection: the peer broke off: insufficient_security"
        );
    }
}

#[test]
fn refuses_media_that_comes_later_where_no_profile_was_agreed_upon() {
    let profiles = [srtp::Profile::AeadAes256Gcm, srtp::Profile::Aes128CmHmacSha1_80];
    let [a, b] = profiles.map(|profile| {
        let mut policy = SecurityPolicy::default();
        policy.srtp_profiles = vec![profile];
        policy
    });
    let mut pair = with_policies(a, b);
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    pair.run_for(Duration::from_secs(1));
    assert!(pair.peers.iter().all(|it| it.connection_state() == ConnectionState::Connected));
    let now = pair.now;
    pair.peers[A].add_transceiver(now, MediaKind::Audio, TransceiverInit::default()).unwrap();
    pair.negotiate(A);
    pair.run_for(Duration::from_secs(1));
    assert!(pair.peers.iter().all(|it| it.connection_state() == ConnectionState::Failed));
    let reasons = [A, B].map(|peer| reason(&pair, peer));
    assert!(reasons.iter().any(|reason| reason.contains("SRTP profile")), "{reasons:?}");
}

/// Without the media sections: as one that knows data alone answers them.
fn without_media(sdp: &str) -> String {
    let sdp =
        sdp.replace("m=audio 9", "m=audio 0").replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 1");
    sdp.replace("a=group:BUNDLE 1 0", "a=group:BUNDLE 1")
}

#[test]
fn media_that_was_only_offered_needs_no_profile() {
    let profiles = [srtp::Profile::AeadAes256Gcm, srtp::Profile::Aes128CmHmacSha1_80];
    let policies = || {
        profiles.map(|profile| {
            let mut policy = SecurityPolicy::default();
            policy.srtp_profiles = vec![profile];
            policy
        })
    };
    let offer_media = |pair: &mut Pair| {
        let (now, init) = (pair.now, TransceiverInit::default());
        pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
    };
    let offer_data = |pair: &mut Pair| {
        let now = pair.now;
        pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap()
    };
    // The first answer rejects it.
    let [a, b] = policies();
    let mut pair = with_policies(a, b);
    offer_media(&mut pair);
    let chat = offer_data(&mut pair);
    let now = pair.now;
    pair.peers[A].set_local_description(now, None).unwrap();
    let mut offer = pair.peers[A].local_description().unwrap();
    offer.sdp = without_media(&offer.sdp);
    pair.peers[B].set_remote_description(now, offer).unwrap();
    pair.peers[B].set_local_description(now, None).unwrap();
    let answer = pair.peers[B].local_description().unwrap();
    pair.peers[A].set_remote_description(now, answer).unwrap();
    pair.run_for(Duration::from_secs(2));
    assert_works(&mut pair, chat);

    // A later offer is taken back, by who made it or at the wish of the other side.
    for by_us in [true, false] {
        let [a, b] = policies();
        let mut pair = with_policies(a, b);
        let chat = offer_data(&mut pair);
        pair.negotiate(A);
        pair.run_for(Duration::from_secs(1));
        offer_media(&mut pair);
        let now = pair.now;
        pair.peers[A].set_local_description(now, None).unwrap();
        let mut offer = pair.peers[A].local_description().unwrap();
        pair.run_for(Duration::from_secs(1));
        let now = pair.now;
        if by_us {
            pair.peers[B].set_remote_description(now, offer).unwrap();
            pair.run_for(Duration::from_secs(1));
            let now = pair.now;
            for peer in &mut pair.peers {
                peer.set_remote_description(now, SessionDescription::rollback()).unwrap();
            }
        } else {
            offer.sdp = without_media(&offer.sdp);
            pair.peers[B].set_remote_description(now, offer).unwrap();
            pair.peers[B].set_local_description(now, None).unwrap();
            let answer = pair.peers[B].local_description().unwrap();
            pair.peers[A].set_remote_description(now, answer).unwrap();
        }
        pair.run_for(Duration::from_secs(1));
        assert_works(&mut pair, chat);
    }
}

#[test]
fn refuses_dtls_1_2_where_the_policy_asks_for_1_3() {
    for strict in [A, B] {
        let mut old = SecurityPolicy::default();
        old.max_version = dtls::Version::Dtls12;
        let mut new = SecurityPolicy::default();
        new.min_version = dtls::Version::Dtls13;
        let mut pair = if strict == A { with_policies(new, old) } else { with_policies(old, new) };
        call(&mut pair);
        assert_eq!(pair.peers[strict].connection_state(), ConnectionState::Failed);
        assert_eq!(
            reason(&pair, strict),
            "no secure connection: the other side offered only DTLS 1.2; the policy asks for DTLS \
             1.3"
        );
        assert!(pair.peers[strict].security_report().is_none());
    }
}

/// Settings with a policy, and a certificate with a key of RSA.
fn with_rsa(policy: SecurityPolicy) -> Configuration {
    let der = include_bytes!("../../dtls-srtp/tests/certificates/rsa-2048.der");
    let key = include_bytes!("../../dtls-srtp/tests/certificates/rsa-2048.pk8");
    let mut configuration = Configuration::default();
    let certificate = Certificate::from_der(&configuration.crypto, vec![der.to_vec()], key);
    configuration.certificates = vec![certificate.unwrap()];
    configuration.security_policy = policy;
    configuration
}

#[test]
fn a_certificate_is_made_as_the_policy_wants_it() {
    let mut policy = SecurityPolicy::default();
    policy.min_key_strength = 192;
    let mut pair = with_policies(policy.clone(), policy);
    let chat = call(&mut pair);
    assert_works(&mut pair, chat);
    let report = pair.peers[A].security_report().unwrap();
    for certificate in [&report.local_certificate, &report.remote_certificate] {
        assert_eq!(certificate.public_key(), Some(PublicKey::EcdsaP384));
    }

    let mut policy = SecurityPolicy::default();
    policy.signature_schemes = vec![SignatureScheme::ED25519];
    let mut pair = with_policies(policy.clone(), policy);
    let chat = call(&mut pair);
    assert_works(&mut pair, chat);
    let report = pair.peers[A].security_report().unwrap();
    assert_eq!(report.remote_signature_scheme, Some(SignatureScheme::ED25519));
}

#[test]
fn refuses_a_signature_that_the_policy_does_not_have() {
    for strict in [A, B] {
        for max_version in [dtls::Version::Dtls12, dtls::Version::Dtls13] {
            let mut narrow = SecurityPolicy::default();
            narrow.signature_schemes = vec![SignatureScheme::ECDSA_NISTP384_SHA384];
            narrow.max_version = max_version;
            // A key of P-256.
            let other = SecurityPolicy::default();
            let mut pair = if strict == A {
                with_policies(narrow, other)
            } else {
                with_policies(other, narrow)
            };
            call(&mut pair);
            assert_eq!(pair.peers[strict].connection_state(), ConnectionState::Failed);
            assert_eq!(
                reason(&pair, strict),
                "no secure connection: the other side has no certificate for what the policy \
                 accepts as signatures; the policy accepts ECDSA_NISTP384_SHA384",
                "{max_version}"
            );
            assert!(pair.peers[strict].security_report().is_none());
        }
    }
}

#[test]
fn says_all_that_was_narrowed_where_the_other_side_does_not_say_what_it_lacks() {
    let mut narrow = SecurityPolicy::default();
    narrow.post_quantum = true;
    narrow.signature_schemes = vec![SignatureScheme::ED25519];
    let mut pair = with_policies(SecurityPolicy::default(), narrow);
    call(&mut pair);
    assert_eq!(
        reason(&pair, B),
        "no secure connection: the other side knows none of what the policy offers: X25519MLKEM768 \
         for the key exchange, ED25519 for signatures"
    );
}

#[test]
fn refuses_a_key_that_is_too_weak_for_the_policy() {
    for strict in [A, B] {
        let mut policy = SecurityPolicy::default();
        policy.min_key_strength = 128;
        let mut narrow = Configuration::default();
        narrow.security_policy = policy;
        let weak = with_rsa(SecurityPolicy::default());
        let mut pair =
            if strict == A { Pair::with(narrow, weak, 1) } else { Pair::with(weak, narrow, 1) };
        call(&mut pair);
        assert_eq!(pair.peers[strict].connection_state(), ConnectionState::Failed);
        assert_eq!(
            reason(&pair, strict),
            "no secure connection: the key of the other side's certificate (RSA 2048, 112 bits of \
             security) is too weak; the policy asks for 128 bits of security"
        );
        assert!(pair.peers[strict].security_report().is_none());
    }
}

#[test]
fn our_own_certificate_has_to_satisfy_the_policy_too() {
    let mut policy = SecurityPolicy::default();
    policy.min_key_strength = 128;
    let mut pair = Pair::with(with_rsa(policy), Configuration::default(), 1);
    let now = pair.now;
    pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    let error = pair.peers[A].set_local_description(now, None).unwrap_err().to_string();
    assert!(
        error.contains("the policy does not allow our certificate's key (RSA 2048)"),
        "{error}"
    );
}

#[test]
fn nothing_from_an_address_that_ice_has_not_verified_reaches_dtls() {
    let mut pair = Pair::new();
    let forger = SocketAddr::from(([203, 0, 113, 7], 4444));
    let client_hello = record(22, 0, 0, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let flood = |pair: &mut Pair| {
        let before = dropped(pair, A);
        for n in 0..1000u16 {
            let from = SocketAddr::new(forger.ip(), 1024 + n);
            inject(pair, A, from, &client_hello);
            inject(pair, A, from, &record(21, 0, 0, &[2, 40]));
        }
        // Nothing is kept for later, nothing is answered.
        assert_eq!(dropped(pair, A), before + 2000);
        assert!(pair.peers[A].poll_transmit(pair.now, &mut Vec::new()).is_none());
    };
    // While there is nothing, while the handshake runs, and after it.
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    pair.transmit();
    flood(&mut pair);
    pair.run_for(Duration::from_millis(60));
    pair.transmit();
    flood(&mut pair);
    pair.run_until(Duration::from_secs(5), |pair| pair.saw(A, &Event::DataChannelOpen(chat)));
    pair.transmit();
    flood(&mut pair);
    assert_works(&mut pair, chat);
}

#[test]
fn forged_alerts_and_closes_do_not_end_an_established_session() {
    let mut pair = Pair::new();
    let chat = call(&mut pair);
    pair.run_for(Duration::from_millis(500));
    for peer in [A, B] {
        let from = address(1 - peer);
        for epoch in [0, 1, 2, 3] {
            for (level, description) in [(1, 0), (2, 0), (2, 40), (2, 42), (2, 80), (1, 90)] {
                for sequence_number in [0, 1, 9, 200] {
                    let body = [level, description];
                    inject(&mut pair, peer, from, &record(21, epoch, sequence_number, &body));
                    // As long as a protected one.
                    let body = [level, description].repeat(13);
                    inject(&mut pair, peer, from, &record(21, epoch, sequence_number, &body));
                }
            }
            inject(&mut pair, peer, from, &record(22, epoch, 7, &[1; 64]));
            inject(&mut pair, peer, from, &record(20, epoch, 8, &[1]));
        }
        // DTLS 1.3's unified headers.
        for first in 0b0010_0000..=0b0011_1111u8 {
            inject(&mut pair, peer, from, &[[first, 0, 1, 0, 26].as_slice(), &[7; 26]].concat());
        }
    }
    assert_works(&mut pair, chat);
}

#[test]
fn recorded_datagrams_that_come_again_change_nothing() {
    let mut pair = Pair::new();
    pair.trace = Some(Vec::new());
    let chat = call(&mut pair);
    pair.run_for(Duration::from_millis(500));
    // Each to its receiver once more, and back to its sender.
    for (_, from, bytes) in pair.trace.clone().unwrap() {
        inject(&mut pair, 1 - from, address(from), &bytes);
        inject(&mut pair, from, address(1 - from), &bytes);
    }
    assert_works(&mut pair, chat);
}

#[test]
fn another_fingerprint_does_not_end_an_established_session() {
    for restart in [false, true] {
        let mut pair = Pair::new();
        let chat = call(&mut pair);
        let now = pair.now;
        if restart {
            pair.peers[B].restart_ice(now);
        } else {
            let init = TransceiverInit::default();
            pair.peers[B].add_transceiver(now, MediaKind::Audio, init).unwrap();
        }
        pair.peers[B].set_local_description(now, None).unwrap();
        let mut offer = pair.peers[B].local_description().unwrap();
        let at = offer.sdp.find("a=fingerprint:sha-256 ").unwrap() + 22;
        let digit = if &offer.sdp[at..=at] == "0" { "1" } else { "0" };
        offer.sdp.replace_range(at..=at, digit);
        let error = pair.peers[A].set_remote_description(now, offer).unwrap_err();
        assert!(error.to_string().contains("fingerprint"), "{error}");
        let rollback = SessionDescription::rollback();
        pair.peers[B].set_local_description(now, Some(rollback)).unwrap();
        assert_works(&mut pair, chat);
    }
}
