//! What a call has to tell is told by it, not by the next one.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{A, B, Pair, address, told_everything};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    BundlePolicy, Configuration, ConnectionState, DataChannelInit, Event, FailureReason, FiveTuple,
    IceGatheringState, MediaKind, OutgoingPacket, PeerConnection, SocketRequest,
};
use rtp::PayloadType;

/// Takes the news of the call before, and asserts that they are all.
#[track_caller]
fn news(pair: &mut Pair, peer: usize, by_datagram: bool) -> Vec<Event> {
    let mut news = Vec::new();
    told_everything(pair, peer, by_datagram, |event| news.push(event));
    news
}

fn candidates(news: &[Event]) -> usize {
    news.iter()
        .filter(|event| matches!(event, Event::IceCandidate(c) if !c.candidate.is_empty()))
        .count()
}

#[test]
fn sockets_and_addresses_are_news_at_once() {
    for by_datagram in [false, true] {
        for fails in [false, true] {
            let mut configuration = Configuration::default();
            configuration.bundle_policy = BundlePolicy::MaxCompat;
            let mut pair = Pair::with(configuration.clone(), configuration, 1);
            let now = pair.now;
            let a = &mut pair.peers[A];
            a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
            news(&mut pair, A, by_datagram);
            pair.peers[A].add_transceiver(now, MediaKind::Audio, Default::default()).unwrap();
            news(&mut pair, A, by_datagram);
            pair.peers[A].set_local_description(now, None).unwrap();
            let told = news(&mut pair, A, by_datagram);
            assert_eq!(candidates(&told), 1);
            let asked = told.iter().find_map(|event| match event {
                Event::Socket(SocketRequest::Bind { id, .. }) => Some(*id),
                _ => None,
            });
            let asked = asked.expect("a second transport needs a socket");
            if fails {
                pair.peers[A].socket_failed(now, asked);
            } else {
                let own = FiveTuple::udp(address(A + 10), address(A + 10));
                pair.peers[A].socket_opened(now, asked, own);
            }
            let told = news(&mut pair, A, by_datagram);
            assert_eq!(candidates(&told), usize::from(!fails));
            let complete = Event::IceGatheringStateChange(IceGatheringState::Complete);
            assert!(told.contains(&complete), "{told:?}");
            pair.peers[A].add_local_address(address(A + 20));
            assert_eq!(candidates(&news(&mut pair, A, by_datagram)), 1);
        }
    }
}

#[test]
fn what_ends_is_news_at_once() {
    for by_datagram in [false, true] {
        let mut pair = Pair::new();
        let now = pair.now;
        let a = &mut pair.peers[A];
        let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        let unwanted = a.create_data_channel(now, "unwanted", DataChannelInit::default()).unwrap();
        a.data_channel(unwanted).unwrap().close(now);
        let told = news(&mut pair, A, by_datagram);
        assert!(told.contains(&Event::DataChannelClose(unwanted)), "{told:?}");
        pair.negotiate(A);
        assert!(pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        }));
        let now = pair.now;
        let mid_call =
            pair.peers[A].create_data_channel(now, "mid-call", DataChannelInit::default()).unwrap();
        let told = news(&mut pair, A, by_datagram);
        assert!(told.contains(&Event::DataChannelOpen(mid_call)), "{told:?}");
        pair.run_for(Duration::from_secs(1));

        // A's address goes; B hears nothing any more, and only its clock tells.
        let now = pair.now;
        pair.peers[A].remove_local_address(now, address(A));
        let told = news(&mut pair, A, by_datagram);
        let failed = Event::ConnectionStateChange(ConnectionState::Failed);
        assert!(told.contains(&failed), "{told:?}");
        let reason = pair.peers[A].failure_reason().expect("it failed");
        assert!(matches!(reason, FailureReason::AddressRemoved { .. }), "{reason}");
        assert!(reason.to_string().contains(&address(A).to_string()), "{reason}");
        let mut told = Vec::new();
        while !told.contains(&failed) {
            let at = pair.peers[B].poll_timeout().expect("B will find out");
            assert!(at < now + Duration::from_secs(60), "{told:?}");
            pair.now = pair.now.max(at);
            pair.peers[B].handle_timeout(pair.now);
            told.extend(news(&mut pair, B, by_datagram));
            while pair.peers[B].poll_transmit(pair.now, &mut Vec::new()).is_some() {}
            told.extend(news(&mut pair, B, by_datagram));
        }
        let disconnected = Event::ConnectionStateChange(ConnectionState::Disconnected);
        assert!(told.contains(&disconnected), "{told:?}");
    }
}

#[test]
fn what_is_stopped_sends_nothing_from_then_on() {
    let mut pair = Pair::new();
    let now = pair.now;
    let init = TransceiverInit::send_recv();
    let audio = pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
    pair.negotiate(A);
    pair.run_for(Duration::from_secs(1));
    let (now, opus) = (pair.now, PayloadType::from_low_bits(111));
    for stops in [false, true] {
        for n in 0..5 {
            let packet = OutgoingPacket::new(opus, n * 960, Bytes::from_static(b"opus"));
            pair.peers[A].sender(audio).unwrap().send_packet(now, packet).unwrap();
        }
        if stops {
            pair.peers[A].transceiver(audio).unwrap().stop(now);
        }
        let (mut sent, mut buf) = (0, Vec::new());
        while let Some(transmit) = pair.peers[A].poll_transmit(now, &mut buf) {
            sent += usize::from(transmit.contents[0] >= 128 && transmit.contents[1] & 127 == 111);
            buf.clear();
        }
        assert_eq!(sent > 0, !stops, "{sent} packets");
    }
}

/// The question is asked again when the answer is read: "If the result of checking if negotiation is
/// needed is false … abort these steps" (webrtc-pc §4.7.3).
#[test]
fn a_need_that_is_met_is_no_news() {
    let mut pair = Pair::new();
    let now = pair.now;
    let needed = |pair: &mut Pair| {
        let mut told = std::iter::from_fn(|| pair.peers[A].poll_event());
        told.any(|event| event == Event::NegotiationNeeded)
    };
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    assert!(!pair.saw(A, &Event::NegotiationNeeded), "it was negotiated before it was read");

    // Wished, and not wished any more.
    let audio =
        pair.peers[A].add_transceiver(now, MediaKind::Audio, TransceiverInit::send_recv()).unwrap();
    pair.peers[A].transceiver(audio).unwrap().stop(now);
    assert!(!needed(&mut pair));

    // Taken back, it is needed again; what is wished meanwhile, after the exchange.
    pair.peers[A].add_transceiver(now, MediaKind::Audio, TransceiverInit::send_recv()).unwrap();
    pair.peers[A].set_local_description(now, None).unwrap();
    assert!(!needed(&mut pair));
    let rollback = peerless::SessionDescription::rollback();
    pair.peers[A].set_local_description(now, Some(rollback)).unwrap();
    assert!(needed(&mut pair));
    pair.peers[A].set_local_description(now, None).unwrap();
    pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::send_recv()).unwrap();
    let offer = pair.peers[A].local_description().unwrap();
    pair.peers[B].set_remote_description(now, offer).unwrap();
    pair.peers[B].set_local_description(now, None).unwrap();
    let answer = pair.peers[B].local_description().unwrap();
    assert!(!needed(&mut pair));
    pair.peers[A].set_remote_description(now, answer).unwrap();
    assert!(needed(&mut pair));
}

/// A driver may not know yet that the connection is closed by the other side.
#[test]
fn a_socket_or_an_address_of_a_closed_connection_is_no_news() {
    let mut configuration = Configuration::default();
    configuration.bundle_policy = BundlePolicy::MaxCompat;
    let mut pair = Pair::with(configuration.clone(), configuration, 1);
    let now = pair.now;
    let a = &mut pair.peers[A];
    a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    a.add_transceiver(now, MediaKind::Audio, Default::default()).unwrap();
    a.set_local_description(now, None).unwrap();
    let asked = std::iter::from_fn(|| a.poll_event()).find_map(|event| match event {
        Event::Socket(SocketRequest::Bind { id, .. }) => Some(id),
        _ => None,
    });
    a.close(now);
    while a.poll_event().is_some() {}
    a.remove_local_address(now, address(A));
    assert_eq!(a.poll_event(), None);
    a.socket_failed(now, asked.unwrap());
    assert_eq!(a.poll_event(), None);
}

#[test]
fn a_connection_without_an_address_fails_for_that() {
    for without in [A, B] {
        let mut pair = Pair::new();
        let now = pair.now;
        pair.peers[without].remove_local_address(now, address(without));
        pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        pair.negotiate(A);
        let failed = |peer: &PeerConnection| peer.connection_state() == ConnectionState::Failed;
        assert!(pair.run_until(Duration::from_secs(90), |pair| pair.peers.iter().all(failed)));
        let reason = |peer: usize| pair.peers[peer].failure_reason().unwrap().to_string();
        assert!(reason(without).contains("no local address was given"), "{}", reason(without));
        assert!(reason(1 - without).contains("no remote candidate"), "{}", reason(1 - without));
    }
    // Who has bound a socket to all, and gives what it says of itself, has given one.
    let mut pair = Pair::new();
    let now = pair.now;
    pair.peers[A].remove_local_address(now, address(A));
    pair.peers[A].add_local_address(([0, 0, 0, 0], 5000).into());
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    let failed = |pair: &mut Pair| pair.peers[A].connection_state() == ConnectionState::Failed;
    assert!(pair.run_until(Duration::from_secs(90), failed));
    let reason = pair.peers[A].failure_reason().unwrap().to_string();
    assert!(reason.contains("0.0.0.0") && reason.contains("add_local_address"), "{reason}");
}
