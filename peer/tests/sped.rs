//! The DTLS handshake inside ICE's checks.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use common::{A, B, Fate, Pair};
use peerless::security::Version;
use peerless::{Configuration, DataChannelInit, DtlsTransportState, Event};
use stun::{AttributeType, Class, Message};

fn configuration(sped: bool) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.sped = sped;
    configuration
}

/// A offers a channel to B; 100 ms are a round trip.
fn pair(sped: [bool; 2], seed: u8) -> Pair {
    let [a, b] = sped.map(configuration);
    let mut pair = Pair::with(a, b, seed);
    pair.delay = Duration::from_millis(50);
    pair
}

/// Opens a channel of `opener`'s; returns how long that took after the answer.
fn open(pair: &mut Pair, opener: usize, limit: Duration) -> Option<Duration> {
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    let now = pair.now;
    let ours = match opener {
        A => None,
        _ => Some(pair.peers[B].create_data_channel(now, "b", DataChannelInit::default()).unwrap()),
    };
    let open = pair.run_until(limit, |pair| {
        let is_open = |event: &Event| match (event, ours) {
            (Event::DataChannelOpen(_), None) => true,
            (Event::DataChannelOpen(id), Some(ours)) => *id == ours,
            _ => false,
        };
        pair.events[opener].iter().any(is_open)
            && pair.events[1 - opener].iter().any(|event| matches!(event, Event::DataChannel(_)))
    });
    open.then(|| pair.elapsed())
}

/// Whether a datagram is a STUN message with this attribute.
fn has(bytes: &[u8], kind: AttributeType) -> bool {
    Message::parse(bytes).is_ok_and(|message| message.attribute(kind).is_some())
}

fn dtls_is_connected(pair: &mut Pair, peer: usize) -> bool {
    let now = pair.now;
    let stats = pair.peers[peer].stats(now);
    stats.transports[0].dtls_state == DtlsTransportState::Connected
}

#[test]
fn is_offered_and_answered_by_both_names_and_only_when_asked_for() {
    let options = |pair: &Pair, peer: usize| {
        let description = pair.peers[peer].local_description().unwrap().sdp;
        let line = description.lines().find(|line| line.starts_with("a=ice-options:")).unwrap();
        line.trim().to_owned()
    };
    for (sped, offer, answer) in [
        ([true, true], "trickle ice2 sped googspedv1", "trickle ice2 sped googspedv1"),
        ([true, false], "trickle ice2 sped googspedv1", "trickle ice2"),
        ([false, true], "trickle ice2", "trickle ice2"),
    ] {
        let mut pair = pair(sped, 1);
        open(&mut pair, A, Duration::from_secs(5)).expect("a channel");
        assert_eq!(options(&pair, A), format!("a=ice-options:{offer}"));
        assert_eq!(options(&pair, B), format!("a=ice-options:{answer}"));
    }
}

#[test]
fn either_name_will_do() {
    for name in ["sped", "googspedv1"] {
        let mut pair = pair([true; 2], 1);
        let now = pair.now;
        pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
        pair.trace = Some(Vec::new());
        pair.negotiate_munged(A, |sdp| sdp.replace("sped googspedv1", name));
        assert!(pair.run_until(Duration::from_secs(5), |pair| dtls_is_connected(pair, A)));
        let trace = pair.trace.unwrap();
        assert!(trace.iter().any(|(.., bytes)| has(bytes, AttributeType::MetaDtlsInStun)));
    }
}

#[test]
fn a_round_trip_is_saved_whichever_side_opens_the_channel() {
    // 1.2:  ICE 1, DTLS 2, SCTP's INIT and its answer 1 less the one that rides on the last flight
    //       of DTLS, COOKIE ECHO and its answer 1.
    // 1.3:  ICE 1, DTLS's ClientHello ½; the server's INIT goes behind its Finished ½, INIT ACK ½,
    //       COOKIE ECHO and DCEP's OPEN ½, COOKIE ACK ½.
    // SPED: ICE and DTLS 1, then the same from INIT on, which both sides send at once: 1½.
    for (version, wanted) in [(Version::Dtls12, [400, 300]), (Version::Dtls13, [350, 250])] {
        for (sped, wanted) in [false, true].into_iter().zip(wanted) {
            for opener in [A, B] {
                let [a, b] = [(); 2].map(|()| {
                    let mut configuration = configuration(sped);
                    configuration.security_policy.max_version = version;
                    configuration
                });
                let mut pair = Pair::with(a, b, 1);
                pair.delay = Duration::from_millis(50);
                let took = open(&mut pair, opener, Duration::from_secs(5)).expect("a channel");
                println!("{version}, SPED {sped}, opened by {opener}: {took:?}");
                // A second datagram of a flight is 5 ms behind the first in checks.
                let wanted = Duration::from_millis(wanted);
                assert!((wanted..=wanted + Duration::from_millis(5)).contains(&took), "{took:?}");
            }
        }
    }
}

#[test]
fn ends_with_the_handshake() {
    let mut pair = pair([true; 2], 2);
    open(&mut pair, A, Duration::from_secs(5)).expect("a channel");
    // The nomination's messages may still carry acknowledgements; the next consent check does not.
    pair.run_for(Duration::from_secs(10));
    pair.trace = Some(Vec::new());
    pair.run_for(Duration::from_secs(20));
    let trace = pair.trace.unwrap();
    assert!(trace.len() > 4);
    for (.., bytes) in &trace {
        assert!(!has(bytes, AttributeType::MetaDtlsInStun));
        assert!(!has(bytes, AttributeType::MetaDtlsInStunAcknowledgement));
    }
}

#[test]
fn falls_back_when_the_other_side_only_says_that_it_does() {
    // Its description has the option, which somebody has put there.
    // A → check + ClientHello → B; B → response → A; A → ClientHello → B
    for client in [A, B] {
        let sped = if client == A { [true, false] } else { [false, true] };
        let mut pair = pair(sped, 3);
        let now = pair.now;
        pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
        pair.negotiate_munged(A, |sdp| {
            let sdp = sdp.replace("trickle ice2\r", "trickle ice2 sped\r");
            if client == A { sdp.replace("setup:actpass", "setup:active") } else { sdp }
        });
        assert!(pair.run_until(Duration::from_secs(5), |pair| {
            dtls_is_connected(pair, A) && dtls_is_connected(pair, B)
        }));
        assert!(pair.elapsed() <= Duration::from_millis(310), "{:?}", pair.elapsed());
    }
}

#[test]
fn the_offerer_answers_checks_that_come_before_the_answer() {
    let mut pair = pair([true; 2], 4);
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    pair.peers[A].set_local_description(now, None).unwrap();
    let offer = pair.peers[A].local_description().unwrap();
    pair.peers[B].set_remote_description(now, offer).unwrap();
    pair.peers[B].set_local_description(now, None).unwrap();
    let answer = pair.peers[B].local_description().unwrap();
    pair.drain_events();
    pair.signal();
    pair.trace = Some(Vec::new());
    pair.run_for(Duration::from_millis(120));
    // B works already, and knows that A does it.
    let answers = pair.trace.as_ref().unwrap().iter().filter(|(_, from, bytes)| {
        let response = Message::parse(bytes).is_ok_and(|m| m.class() == Class::SuccessResponse);
        *from == A && response
    });
    assert!(answers.clone().count() > 0);
    assert!(answers.clone().all(|(.., bytes)| has(bytes, AttributeType::MetaDtlsInStun)));
    let now = pair.now;
    pair.peers[A].set_remote_description(now, answer).unwrap();
    assert!(pair.run_until(Duration::from_millis(300), |pair| {
        dtls_is_connected(pair, A) && dtls_is_connected(pair, B)
    }));
}

#[test]
fn checks_of_one_side_carry_the_handshake_both_ways() {
    // None of A's checks arrives, as if it were lite: its flights ride in responses. Those of DTLS
    // 1.2 fit one.
    let [a, b] = [(); 2].map(|()| {
        let mut configuration = configuration(true);
        configuration.security_policy.max_version = Version::Dtls12;
        configuration
    });
    let mut pair = Pair::with(a, b, 5);
    pair.delay = Duration::from_millis(50);
    pair.fate = Box::new(|from, bytes| {
        let request = Message::parse(bytes).is_ok_and(|m| m.class() == Class::Request);
        if from == A && request { Fate::Drop } else { Fate::Deliver }
    });
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), |pair| dtls_is_connected(pair, A)));
    assert!(pair.elapsed() <= Duration::from_millis(160), "{:?}", pair.elapsed());
}

/// Both sides cut their flights for a path of 400 bytes.
fn narrow_pair() -> Pair {
    let [a, b] = [(); 2].map(|()| {
        let mut configuration = configuration(true);
        configuration.path_mtu = 400;
        configuration
    });
    let mut pair = Pair::with(a, b, 6);
    pair.delay = Duration::from_millis(50);
    pair
}

#[test]
fn flights_of_many_datagrams_travel_in_checks() {
    let mut pair = narrow_pair();
    pair.fate = Box::new(|_, bytes| {
        assert!(bytes.len() <= 400, "{} bytes", bytes.len());
        Fate::Deliver
    });
    let took = open(&mut pair, A, Duration::from_secs(5)).expect("a channel");
    assert!(took <= Duration::from_millis(300), "{took:?}");
}

#[test]
fn the_last_flight_travels_in_checks_too() {
    // No datagram of DTLS arrives by itself: what a check has no room for never does. Consent checks
    // carry the last of it.
    let mut pair = narrow_pair();
    pair.fate = Box::new(|_, bytes| match Message::parse(bytes) {
        Ok(_) => Fate::Deliver,
        Err(_) => Fate::Drop,
    });
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    let done = pair.run_until(Duration::from_secs(20), |pair| {
        dtls_is_connected(pair, A) && dtls_is_connected(pair, B)
    });
    assert!(done, "{:?}", [A, B].map(|peer| dtls_is_connected(&mut pair, peer)));
}

#[test]
fn who_has_refused_is_not_asked_again() {
    // B, who is the client of DTLS, offers again in the turn of its answer, before there is a path.
    let mut pair = pair([false, true], 7);
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    let now = pair.now;
    pair.trace = Some(Vec::new());
    pair.peers[B].set_local_description(now, None).unwrap();
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        dtls_is_connected(pair, A) && dtls_is_connected(pair, B)
    }));
    for (.., bytes) in pair.trace.as_ref().unwrap() {
        assert!(!has(bytes, AttributeType::MetaDtlsInStun));
        assert!(!has(bytes, AttributeType::MetaDtlsInStunAcknowledgement));
    }
}

#[test]
fn opens_through_loss_duplication_and_reordering() {
    for sped in [[true, true], [true, false]] {
        let mut times = Vec::new();
        for seed in 0..common::seeds() {
            let mut pair = pair(sped, seed as u8);
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            pair.fate = Box::new(move |_, _| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                match random % 100 {
                    0..20 => Fate::Drop,
                    20..25 => Fate::Duplicate,
                    25..35 => Fate::Delay(Duration::from_millis(random % 80)),
                    _ => Fate::Deliver,
                }
            });
            let took = open(&mut pair, A, Duration::from_secs(30));
            times.push(took.unwrap_or_else(|| panic!("seed {seed}: {:?}", pair.elapsed())));
        }
        times.sort();
        println!("{sped:?}: median {:?}, worst {:?}", times[times.len() / 2], times.last());
    }
}
