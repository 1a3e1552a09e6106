//! Two connections find each other, agree on keys and open channels.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use common::{A, B, Fate, Pair, address};
use peerless::{
    BundlePolicy, Configuration, ConnectionState, DataChannelInit, Event, IceGatheringState,
    Message, Readable, SessionDescription, SignalingState, SocketId, SocketRequest,
};

fn connected(pair: &mut Pair) -> bool {
    pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
}

#[test]
fn connects_and_says_hello() {
    let mut pair = Pair::new();
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    assert_eq!(pair.peers[A].signaling_state(), SignalingState::Stable);
    assert!(
        pair.run_until(Duration::from_secs(5), |pair| pair.saw(A, &Event::DataChannelOpen(chat)))
    );
    pair.run_for(Duration::from_millis(100));
    assert!(connected(&mut pair));
    assert_eq!(pair.peers[A].ice_gathering_state(), IceGatheringState::Complete);

    let theirs = pair.events[B]
        .iter()
        .find_map(|event| match event {
            Event::DataChannel(id) => Some(*id),
            _ => None,
        })
        .expect("B was told of the channel");
    let now = pair.now;
    pair.peers[A].data_channel(chat).unwrap().send(now, "hello").unwrap();
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.saw(B, &Event::Readable(Readable::Channel(theirs)))
    }));
    let mut channel = pair.peers[B].data_channel(theirs).unwrap();
    assert_eq!(channel.label(), "chat");
    assert_eq!(channel.read(), Some(Message::from("hello")));
    assert_eq!(channel.read(), None);
}

#[test]
fn opens_a_channel_on_both_sides_within_three_and_a_half_round_trips() {
    let mut pair = Pair::new();
    pair.delay = Duration::from_millis(50);
    let now = pair.now;
    let ours = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(A, &Event::DataChannelOpen(ours))
            && pair.events[B].iter().any(|event| matches!(event, Event::DataChannel(_)))
    }));
    // 1 for ICE, ½ for DTLS 1.3's hello, and SCTP's two, which begin behind the server's flight.
    assert_eq!(pair.elapsed(), Duration::from_millis(350));
}

#[test]
fn opens_a_channel_without_the_handshake_of_sctp() {
    // Both have draft-hancke-tsvwg-snap; or one of them, and it is as if nobody had it.
    for (a, b) in [(true, true), (true, false), (false, true)] {
        let [a, b] = [a, b].map(|snap| {
            let mut configuration = Configuration::default();
            configuration.snap = snap;
            configuration
        });
        let both = a.snap && b.snap;
        let elapsed = |opener: usize| {
            let mut pair = Pair::with(a.clone(), b.clone(), 5);
            pair.delay = Duration::from_millis(50);
            let now = pair.now;
            let init = DataChannelInit::default();
            let ours = pair.peers[opener].create_data_channel(now, "chat", init.clone()).unwrap();
            if opener != A {
                pair.peers[A].create_data_channel(now, "other", init).unwrap();
            }
            pair.negotiate(A);
            assert!(pair.run_until(Duration::from_secs(5), |pair| {
                pair.saw(opener, &Event::DataChannelOpen(ours))
                    && pair.events[1 - opener]
                        .iter()
                        .any(|event| matches!(event, Event::DataChannel(_)))
            }));
            let elapsed = pair.elapsed();
            // A second offer says the same as the first.
            pair.negotiate(A);
            pair.run_for(Duration::from_secs(1));
            assert_eq!(pair.peers[A].connection_state(), ConnectionState::Connected);
            let local = pair.peers[A].local_description().unwrap().sdp;
            assert_eq!(local.contains("a=sctp-init:"), both, "{local}");
            elapsed
        };
        for opener in [A, B] {
            let elapsed = elapsed(opener);
            println!("opener {opener}, snap {both}: {elapsed:?}");
        }
    }
}

#[test]
fn whichever_side_opens_the_channel_it_takes_three_and_a_half_round_trips() {
    let mut pair = Pair::new();
    pair.delay = Duration::from_millis(50);
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    let ours = pair.peers[B].create_data_channel(now, "b", DataChannelInit::default()).unwrap();
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(B, &Event::DataChannelOpen(ours))
            && pair.events[A].iter().any(|event| matches!(event, Event::DataChannel(_)))
    }));
    assert_eq!(pair.elapsed(), Duration::from_millis(350));
}

#[test]
fn connects_through_loss_duplication_and_reordering() {
    for seed in 0..common::seeds() {
        let mut pair = Pair::with(Configuration::default(), Configuration::default(), seed as u8);
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        pair.fate = Box::new(move |_, _| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            match random % 100 {
                0..10 => Fate::Drop,
                10..15 => Fate::Duplicate,
                15..25 => Fate::Delay(Duration::from_millis(random % 40)),
                _ => Fate::Deliver,
            }
        });
        let now = pair.now;
        let chat =
            pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        pair.negotiate(A);
        let open = pair.run_until(Duration::from_secs(30), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
                && pair.events[B].iter().any(|event| matches!(event, Event::DataChannel(_)))
        });
        assert!(open, "seed {seed}: not open after {:?}", pair.elapsed());
    }
}

#[test]
fn a_wrong_description_leaves_the_connection_as_it_was() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let offer = pair.peers[A].create_offer(now, Default::default()).unwrap();
    let broken = offer.sdp.replace("a=setup:actpass", "a=setup:sideways");
    let error =
        pair.peers[B].set_remote_description(now, SessionDescription::offer(broken)).unwrap_err();
    assert!(error.to_string().contains("line"), "{error}");
    assert_eq!(pair.peers[B].signaling_state(), SignalingState::Stable);
    assert_eq!(pair.peers[B].remote_description(), None);
    let error = pair.peers[B]
        .set_remote_description(now, SessionDescription::answer(offer.sdp))
        .unwrap_err();
    assert_eq!(error.kind(), peerless::ErrorKind::InvalidStateError);
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), connected));
}

#[test]
fn a_wrong_fingerprint_ends_in_failure_and_says_why() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate_munged(A, |sdp| {
        let mut lines: Vec<String> = sdp.lines().map(str::to_owned).collect();
        for line in &mut lines {
            if line.starts_with("a=fingerprint:") {
                let last = line.pop().expect("hexadecimal digits");
                line.push(if last == '0' { '1' } else { '0' });
            }
        }
        lines.join("\r\n") + "\r\n"
    });
    pair.run_until(Duration::from_secs(5), |pair| {
        pair.peers[A].connection_state() == ConnectionState::Failed
    });
    assert_eq!(pair.peers[A].connection_state(), ConnectionState::Failed);
    // One side finds out, and tells the other by an alert.
    let reasons = pair.peers.each_ref().map(|peer| peer.failure_reason().unwrap().to_string());
    assert!(reasons.iter().any(|reason| reason.contains("fingerprint")), "{reasons:?}");
}

#[test]
fn whoever_never_found_a_path_says_so() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.fate = Box::new(|_, _| Fate::Drop);
    pair.negotiate(A);
    pair.run_for(Duration::from_secs(60));
    for peer in &pair.peers {
        assert_eq!(peer.connection_state(), ConnectionState::Failed);
        let reason = peer.failure_reason().unwrap().to_string();
        assert!(reason.contains("1 local and 1 remote candidates, 1 pairs tried"), "{reason}");
    }
}

#[test]
fn a_silent_peer_is_disconnected_then_failed() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), connected));
    pair.fate = Box::new(|_, _| Fate::Drop);
    assert!(pair.run_until(Duration::from_secs(20), |pair| {
        pair.peers[A].connection_state() == ConnectionState::Disconnected
    }));
    assert!(pair.run_until(Duration::from_secs(40), |pair| {
        pair.peers[A].connection_state() == ConnectionState::Failed
    }));
    assert!(pair.peers[A].failure_reason().is_some());
}

#[test]
fn goodbye_reaches_the_other_side_and_leaves_nothing_to_do() {
    let mut pair = Pair::new();
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    assert!(
        pair.run_until(Duration::from_secs(5), |pair| pair.saw(A, &Event::DataChannelOpen(chat)))
    );
    let now = pair.now;
    pair.peers[A].close(now);
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.peers[B].connection_state() == ConnectionState::Closed
    }));
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.peers[A].poll_timeout(), None);
    assert_eq!(pair.peers[B].poll_timeout(), None);
}

#[test]
fn an_ice_restart_by_either_side_keeps_the_connection() {
    for side in [A, B] {
        let mut pair = Pair::new();
        let now = pair.now;
        let chat =
            pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        pair.negotiate(A);
        assert!(
            pair.run_until(Duration::from_secs(5), |pair| pair
                .saw(A, &Event::DataChannelOpen(chat)))
        );
        pair.run_for(Duration::from_secs(1));
        let before = pair.peers[side].local_description().unwrap().sdp;
        let now = pair.now;
        pair.peers[side].restart_ice(now);
        pair.drain_events();
        assert!(pair.saw(side, &Event::NegotiationNeeded));
        pair.negotiate(side);
        let after = pair.peers[side].local_description().unwrap().sdp;
        let ufrag = |sdp: &str| {
            sdp.lines().find(|line| line.starts_with("a=ice-ufrag:")).map(str::to_owned)
        };
        assert_ne!(ufrag(&before), ufrag(&after));
        pair.run_for(Duration::from_secs(40));
        assert!(connected(&mut pair), "side {side}");
    }
}

#[test]
fn two_transports_where_the_other_side_does_not_bundle() {
    let (mut pair, audio) = unbundled();
    let now = pair.now;
    let frame = peerless::Frame::new(bytes::Bytes::from_static(b"opus"), 960);
    pair.peers[A].sender(audio).unwrap().send_frame(now, frame).unwrap();
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.events[B].iter().any(|event| matches!(event, Event::Readable(Readable::Receiver(_))))
    }));
    // The socket of the second transport goes when the connection does.
    let now = pair.now;
    pair.peers[A].close(now);
    pair.drain_events();
    let (id, _) = binds(&pair)[0];
    assert!(pair.saw(A, &Event::Socket(SocketRequest::Close { id })));
}

#[test]
fn two_transports_follow_a_change_of_address() {
    let (mut pair, _) = unbundled();
    let [(old, ip)] = binds(&pair)[..] else { unreachable!("one socket is asked for") };
    assert_eq!(ip, address(A).ip());
    let (now, new) = (pair.now, address(A + 10));
    pair.peers[A].remove_local_address(now, address(A));
    assert_eq!(pair.peers[A].connection_state(), ConnectionState::Failed);
    let transports = pair.peers[A].stats(now).transports;
    assert!(transports.iter().all(|transport| transport.path.is_none()));
    pair.drain_events();
    assert!(pair.saw(A, &Event::Socket(SocketRequest::Close { id: old })));

    pair.peers[A].add_local_address(new);
    pair.drain_events();
    assert_eq!(binds(&pair)[1..].iter().map(|(_, ip)| *ip).collect::<Vec<_>>(), [new.ip()]);
    pair.peers[A].restart_ice(now);
    pair.negotiate_munged(A, without_bundle);
    assert!(pair.run_until(Duration::from_secs(5), connected));
    let transports = pair.peers[A].stats(now).transports;
    assert_eq!(transports.len(), 2);
    for transport in transports {
        assert_eq!(transport.path.unwrap().local.ip(), new.ip());
    }
}

/// Nobody knows yet what becomes of the second transport, and its socket may never come.
#[test]
fn an_address_that_goes_before_its_socket_comes_holds_nothing_up() {
    for asked in [false, true] {
        let mut pair = max_compat();
        let (now, second) = (pair.now, address(A + 10));
        let a = &mut pair.peers[A];
        a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        a.add_transceiver(now, peerless::MediaKind::Audio, Default::default()).unwrap();
        a.add_local_address(second);
        a.set_local_description(now, None).unwrap();
        let mut requests = Vec::new();
        if asked {
            while let Some(event) = a.poll_event() {
                if let Event::Socket(SocketRequest::Bind { id, address }) = event {
                    requests.push((id, address));
                }
            }
            assert_eq!(requests.len(), 2);
        }
        a.remove_local_address(now, second);
        a.remove_local_address(now, address(A));
        assert_eq!(a.ice_gathering_state(), IceGatheringState::Complete);
        for (id, ip) in requests {
            let path = peerless::FiveTuple::udp((ip, 6000).into(), (ip, 6000).into());
            a.socket_opened(now, id, path);
        }
        let told: Vec<_> = std::iter::from_fn(|| a.poll_event()).collect();
        let is_bind = |event: &Event| matches!(event, Event::Socket(SocketRequest::Bind { .. }));
        let is_close = |event: &Event| matches!(event, Event::Socket(SocketRequest::Close { .. }));
        assert!(!told.iter().any(is_bind));
        assert_eq!(told.into_iter().filter(is_close).count(), if asked { 2 } else { 0 });
    }
}

fn max_compat() -> Pair {
    let mut configuration = Configuration::default();
    configuration.bundle_policy = BundlePolicy::MaxCompat;
    Pair::with(configuration.clone(), configuration, 1)
}

/// A call with a data channel and audio, each on a transport of its own.
fn unbundled() -> (Pair, peerless::TransceiverId) {
    let mut pair = max_compat();
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let audio =
        pair.peers[A].add_transceiver(now, peerless::MediaKind::Audio, Default::default()).unwrap();
    pair.negotiate_munged(A, without_bundle);
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(A, &Event::DataChannelOpen(chat)) && connected(pair)
    }));
    (pair, audio)
}

fn without_bundle(sdp: String) -> String {
    sdp.split_inclusive("\r\n").filter(|line| !line.starts_with("a=group:BUNDLE")).collect()
}

/// The sockets that A asked for.
fn binds(pair: &Pair) -> Vec<(SocketId, IpAddr)> {
    let bind = |event: &Event| match event {
        Event::Socket(SocketRequest::Bind { id, address }) => Some((*id, *address)),
        _ => None,
    };
    pair.events[A].iter().filter_map(bind).collect()
}

/// Nothing works yet, so that there is no path to go back to, but checks to go on with.
#[test]
fn an_offer_that_restarts_ice_can_be_taken_back_before_anything_works() {
    for offerer in [A, B] {
        let mut pair = Pair::new();
        let now = pair.now;
        let chat =
            pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        pair.negotiate(A);
        assert!(!pair.saw(A, &Event::DataChannelOpen(chat)));
        let now = pair.now;
        let peer = &mut pair.peers[offerer];
        peer.restart_ice(now);
        peer.set_local_description(now, None).unwrap();
        pair.run_for(Duration::from_millis(500));
        let now = pair.now;
        let peer = &mut pair.peers[offerer];
        peer.set_remote_description(now, SessionDescription::rollback()).unwrap();
        pair.drain_events();
        pair.signal();
        assert!(
            pair.run_until(Duration::from_secs(5), |pair| {
                pair.saw(A, &Event::DataChannelOpen(chat))
            }),
            "{offerer}"
        );
    }
}

/// Both sides want new paths at once: one offer is taken back, and with it its restart.
#[test]
fn an_offer_that_restarts_ice_can_be_taken_back() {
    for answered in [false, true] {
        let mut pair = Pair::new();
        let now = pair.now;
        let chat =
            pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        pair.negotiate(A);
        assert!(pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        }));
        pair.run_for(Duration::from_secs(1));
        let before = pair.peers.each_ref().map(|peer| peer.local_description());
        let now = pair.now;
        for peer in &mut pair.peers {
            peer.restart_ice(now);
            peer.set_local_description(now, None).unwrap();
        }
        let offer = pair.peers[A].local_description().unwrap();
        pair.run_for(Duration::from_millis(500));
        // B gives way.
        let now = pair.now;
        pair.peers[B].set_remote_description(now, offer).unwrap();
        pair.run_for(Duration::from_millis(500));
        let now = pair.now;
        if answered {
            pair.peers[B].set_local_description(now, None).unwrap();
            let answer = pair.peers[B].local_description().unwrap();
            pair.peers[A].set_remote_description(now, answer).unwrap();
        } else {
            for peer in &mut pair.peers {
                peer.set_remote_description(now, SessionDescription::rollback()).unwrap();
                assert_eq!(peer.signaling_state(), SignalingState::Stable);
            }
            let after = pair.peers.each_ref().map(|peer| peer.local_description());
            assert_eq!(before, after);
            // What follows knows nothing of it.
            for peer in &mut pair.peers {
                let offer = peer.create_offer(now, Default::default()).unwrap();
                assert!(offer.sdp.contains("a=ice-ufrag:"));
            }
        }
        pair.drain_events();
        pair.signal();
        pair.run_for(Duration::from_secs(60));
        assert!(connected(&mut pair), "answered: {answered}");
        let path = |pair: &mut Pair, peer: usize| {
            let now = pair.now;
            pair.peers[peer].stats(now).transports[0].path
        };
        assert!(path(&mut pair, A).is_some() && path(&mut pair, B).is_some());
    }
}

#[test]
fn a_hello_before_the_answer_costs_the_first_timer_at_most() {
    // A answers checks from its offer on, but keeps nothing of DTLS before it has the answer.
    for delay in [1, 20] {
        for answer_takes in [100, 500, 2_000] {
            let (delay, answer_takes) =
                (Duration::from_millis(delay), Duration::from_millis(answer_takes));
            let mut pair = Pair::new();
            pair.delay = delay;
            let listens = Rc::new(Cell::new(false));
            let told = Rc::clone(&listens);
            pair.fate = Box::new(move |from, bytes| {
                let is_dtls = matches!(bytes[0], 20..=63);
                if from == B && is_dtls && !told.get() { Fate::Drop } else { Fate::Deliver }
            });
            let now = pair.now;
            let init = DataChannelInit::default();
            pair.peers[A].create_data_channel(now, "chat", init).unwrap();
            pair.peers[A].set_local_description(now, None).unwrap();
            let offer = pair.peers[A].local_description().unwrap();
            pair.peers[B].set_remote_description(now, offer).unwrap();
            pair.peers[B].set_local_description(now, None).unwrap();
            let answer = pair.peers[B].local_description().unwrap();
            pair.drain_events();
            pair.signal();
            let now = now + answer_takes;
            loop {
                pair.transmit();
                if pair.next().is_none_or(|next| next > now) {
                    break;
                }
                pair.step();
            }
            pair.now = now;

            listens.set(true);
            pair.peers[A].set_remote_description(now, answer).unwrap();
            pair.drain_events();
            pair.signal();
            assert!(pair.run_until(Duration::from_secs(5), connected));
            // A's check, the first timer of one and a half round trips, and the handshake.
            let timer = (3 * delay).max(Duration::from_millis(30));
            let limit = 5 * delay + timer;
            let took = pair.now - now;
            println!("{delay:?}, {answer_takes:?}: {took:?}");
            assert!(took <= limit, "{delay:?}, {answer_takes:?}: {took:?}");
        }
    }
}
