//! Offers that are written, applied and taken back, and what each does to the connection meanwhile.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use common::{A, B, Fate, Pair};
use peerless::{
    BundlePolicy, Configuration, ConnectionState, DataChannelId, DataChannelInit, Event, FiveTuple,
    IceConnectionState, IceGatheringState, MediaKind, OfferOptions, SessionDescription,
    SocketRequest, TransceiverId,
};

fn connected(pair: &mut Pair) -> bool {
    pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
}

/// A channel, audio and video of A's, not negotiated yet.
fn wishes(pair: &mut Pair) -> (DataChannelId, [TransceiverId; 2]) {
    let now = pair.now;
    let a = &mut pair.peers[A];
    let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let media = [MediaKind::Audio, MediaKind::Video]
        .map(|kind| a.add_transceiver(now, kind, Default::default()).unwrap());
    (chat, media)
}

/// Two whose wishes have come true, a second ago.
fn open() -> (Pair, [TransceiverId; 2]) {
    let mut pair = Pair::new();
    let (chat, media) = wishes(&mut pair);
    pair.negotiate(A);
    assert!(
        pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        })
    );
    pair.run_for(Duration::from_secs(1));
    (pair, media)
}

/// A's offer goes to B, and its answer comes back.
fn exchange(pair: &mut Pair, offer: SessionDescription) {
    let now = pair.now;
    pair.peers[A].set_local_description(now, Some(offer)).unwrap();
    let offer = pair.peers[A].local_description().unwrap();
    pair.peers[B].set_remote_description(now, offer).unwrap();
    pair.peers[B].set_local_description(now, None).unwrap();
    let answer = pair.peers[B].local_description().unwrap();
    pair.peers[A].set_remote_description(now, answer).unwrap();
    pair.drain_events();
    pair.signal();
}

#[test]
fn a_transceiver_may_be_stopped_between_writing_an_offer_and_applying_it() {
    let mut pair = Pair::new();
    let (chat, [_, video]) = wishes(&mut pair);
    let now = pair.now;
    let offer = pair.peers[A].create_offer(now, OfferOptions::default()).unwrap();
    pair.peers[A].transceiver(video).unwrap().stop(now);
    exchange(&mut pair, offer);
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(A, &Event::DataChannelOpen(chat)) && connected(pair)
    }));
}

#[test]
fn a_transceiver_may_be_stopped_while_an_offer_that_restarts_ice_is_written() {
    let (mut pair, [_, video]) = open();
    let now = pair.now;
    let mut options = OfferOptions::default();
    options.ice_restart = true;
    let offer = pair.peers[A].create_offer(now, options).unwrap();
    pair.peers[A].transceiver(video).unwrap().stop(now);
    exchange(&mut pair, offer);
    pair.run_for(Duration::from_secs(60));
    assert!(connected(&mut pair));
}

fn max_compat(seed: u8) -> Pair {
    let mut configuration = Configuration::default();
    configuration.bundle_policy = BundlePolicy::MaxCompat;
    Pair::with(configuration.clone(), configuration, seed)
}

/// Whether an offer is applied decides what there is, not whether it is written.
#[test]
fn an_offer_that_is_thrown_away_changes_nothing() {
    let mut pair = max_compat(1);
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    // With a bundle, what comes later would be in it.
    pair.negotiate_munged(A, |sdp| sdp.replace("a=group:BUNDLE 0\r\n", ""));
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(A, &Event::DataChannelOpen(chat)) && connected(pair)
    }));
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.peers[A].add_transceiver(now, MediaKind::Audio, Default::default()).unwrap();
    pair.drain_events();
    pair.events[A].clear();
    let offers: Vec<_> =
        (0..2).map(|_| pair.peers[A].create_offer(now, OfferOptions::default()).unwrap()).collect();
    let credentials = |sdp: &str| -> Vec<String> {
        let is_one = |line: &&str| line.starts_with("a=ice-ufrag") || line.starts_with("a=ice-pwd");
        sdp.lines().filter(is_one).map(str::to_owned).collect()
    };
    let [first, second] = [0, 1].map(|n: usize| credentials(&offers[n].sdp));
    assert!(first.len() == 4 && first[0] != first[2], "{first:?}");
    assert_eq!(first, second);
    pair.drain_events();
    assert_eq!(pair.events[A], []);
    assert_eq!(pair.peers[A].stats(now).transports.len(), 1);
    assert_eq!(pair.peers[A].ice_connection_state(), IceConnectionState::Completed);
    pair.run_for(Duration::from_secs(60));
    assert!(connected(&mut pair));

    // Applied, it has the transport that it speaks of.
    let offer = offers.into_iter().next_back().unwrap();
    let now = pair.now;
    pair.peers[A].set_local_description(now, Some(offer)).unwrap();
    let local = pair.peers[A].local_description().unwrap();
    assert_eq!(credentials(&local.sdp), first);
    pair.peers[B].set_remote_description(now, local).unwrap();
    pair.peers[B].set_local_description(now, None).unwrap();
    let answer = pair.peers[B].local_description().unwrap();
    pair.peers[A].set_remote_description(now, answer).unwrap();
    pair.drain_events();
    pair.signal();
    assert_eq!(pair.peers[A].stats(now).transports.len(), 2);
    assert!(pair.run_until(Duration::from_secs(5), connected));
}

fn take_events(pair: &mut Pair, peer: usize) -> Vec<Event> {
    pair.drain_events();
    std::mem::take(&mut pair.events[peer])
}

/// An address that is added while an offer with new credentials is only written has the old ones.
#[test]
fn a_candidate_is_of_the_generation_that_is_in_force() {
    let (mut pair, _) = open();
    let now = pair.now;
    let mut options = OfferOptions::default();
    options.ice_restart = true;
    pair.peers[A].create_offer(now, options).unwrap();
    take_events(&mut pair, A);
    pair.peers[A].add_local_address(common::address(A + 10));
    let told = take_events(&mut pair, A);
    let sdp = pair.peers[A].local_description().unwrap().sdp;
    let ufrag = sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
    let candidate = told.iter().find_map(|event| match event {
        Event::IceCandidate(candidate) => candidate.username_fragment.as_deref(),
        _ => None,
    });
    assert!(ufrag.is_some() && candidate == ufrag, "{candidate:?} {ufrag:?}");
    assert_eq!(sdp.matches("a=candidate:").count(), 2);
}

fn end_of_candidates(events: &[Event]) -> usize {
    let is_end = |event: &&Event| matches!(event, Event::IceCandidate(candidate) if candidate.candidate.is_empty());
    events.iter().filter(is_end).count()
}

const COMPLETE: Event = Event::IceGatheringStateChange(IceGatheringState::Complete);

#[test]
fn gathering_ends_again_on_the_transport_that_replaces_the_first() {
    for glare in [true, false] {
        let mut pair = Pair::new();
        let now = pair.now;
        for peer in &mut pair.peers {
            peer.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
            peer.set_local_description(now, None).unwrap();
        }
        let told = take_events(&mut pair, B);
        assert!(told.contains(&COMPLETE) && end_of_candidates(&told) == 1, "{told:?}");
        let offer = pair.peers[A].local_description().unwrap();
        if !glare {
            let rollback = SessionDescription::rollback();
            pair.peers[B].set_local_description(now, Some(rollback)).unwrap();
        }
        pair.peers[B].set_remote_description(now, offer).unwrap();
        pair.peers[B].set_local_description(now, None).unwrap();
        let told = take_events(&mut pair, B);
        assert_eq!(pair.peers[B].ice_gathering_state(), IceGatheringState::Complete);
        assert_eq!(end_of_candidates(&told), 1, "{told:?}");
        let answer = pair.peers[B].local_description().unwrap();
        assert!(answer.sdp.contains("a=end-of-candidates"), "{}", answer.sdp);
    }
}

#[test]
fn gathering_ends_again_for_a_transport_that_comes_later() {
    let mut pair = max_compat(1);
    let now = pair.now;
    let a = &mut pair.peers[A];
    a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    a.set_local_description(now, None).unwrap();
    take_events(&mut pair, A);
    let a = &mut pair.peers[A];
    a.add_transceiver(now, MediaKind::Audio, Default::default()).unwrap();
    a.set_local_description(now, None).unwrap();
    assert_eq!(a.ice_gathering_state(), IceGatheringState::Gathering);
    // The first socket may be there before the second.
    a.add_local_address(common::address(A + 10));
    assert_eq!(a.ice_gathering_state(), IceGatheringState::Gathering);
    let told = take_events(&mut pair, A);
    assert_eq!(pair.peers[A].ice_gathering_state(), IceGatheringState::Complete);
    let ends: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            Event::IceCandidate(own) if own.candidate.is_empty() => own.sdp_mid.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(ends, ["1"], "{told:?}");
    let offer = pair.peers[A].local_description().unwrap();
    assert_eq!(offer.sdp.matches("a=end-of-candidates").count(), 2);
}

#[test]
fn gathering_ends_without_the_sockets_that_the_answer_makes_superfluous() {
    for opened in [false, true] {
        let mut pair = max_compat(1);
        let now = pair.now;
        let (_, _) = wishes(&mut pair);
        let a = &mut pair.peers[A];
        a.set_local_description(now, None).unwrap();
        let mut requests = Vec::new();
        if opened {
            while let Some(event) = a.poll_event() {
                if let Event::Socket(SocketRequest::Bind { id, .. }) = event {
                    requests.push(id);
                }
            }
            assert_eq!(requests.len(), 2);
        }
        let offer = a.local_description().unwrap();
        let mut b = Pair::new().peers.into_iter().next_back().unwrap();
        b.set_remote_description(now, offer).unwrap();
        b.set_local_description(now, None).unwrap();
        let answer = b.local_description().unwrap();
        let a = &mut pair.peers[A];
        a.set_remote_description(now, answer).unwrap();
        assert_eq!(a.ice_gathering_state(), IceGatheringState::Complete);
        let mut told = Vec::new();
        while let Some(event) = a.poll_event() {
            told.push(event);
        }
        assert!(told.contains(&COMPLETE), "{told:?}");
        let is_request = |event: &&Event| matches!(event, Event::Socket(_));
        assert_eq!(told.iter().find(is_request), None);
        // The driver opened what it was asked for; nobody wants it any more.
        for id in requests {
            let path = FiveTuple::udp(common::address(A + 10), common::address(A + 10));
            a.socket_opened(now, id, path);
            assert_eq!(a.poll_event(), Some(Event::Socket(SocketRequest::Close { id })));
            assert_eq!(a.poll_event(), None);
        }
    }
}

#[test]
fn gathering_begins_and_ends_with_each_generation() {
    let (mut pair, _) = open();
    let now = pair.now;
    pair.peers[A].restart_ice(now);
    take_events(&mut pair, A);
    pair.peers[A].set_local_description(now, None).unwrap();
    let told = take_events(&mut pair, A);
    assert!(told.contains(&COMPLETE) && end_of_candidates(&told) == 1, "{told:?}");
}

/// What the other side offers instead of what it has offered before is what counts, also where that
/// has credentials of its own.
#[test]
fn an_offer_that_replaces_another_connects() {
    for (taken_back, keeps_audio) in [(true, true), (true, false), (false, true)] {
        let place = format!("{taken_back} {keeps_audio}");
        let mut pair = Pair::new();
        let now = pair.now;
        let a = &mut pair.peers[A];
        let audio = a.add_transceiver(now, MediaKind::Audio, Default::default()).unwrap();
        a.set_local_description(now, None).unwrap();
        let first = a.local_description().unwrap();
        pair.peers[B].set_remote_description(now, first).unwrap();
        let a = &mut pair.peers[A];
        if taken_back {
            a.set_local_description(now, Some(SessionDescription::rollback())).unwrap();
        }
        if !keeps_audio {
            a.transceiver(audio).unwrap().stop(now);
        }
        let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        pair.negotiate(A);
        assert!(pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat)) && connected(pair)
        }));
        assert_eq!(pair.peers[B].transceivers().count(), usize::from(keeps_audio), "{place}");
        // Another offer has names of its own.
        let ended = pair.events[B].iter().any(|event| matches!(event, Event::TrackEnded(_)));
        assert_eq!(ended, taken_back, "{place}");
    }
}

/// Both sides have offered, and each is told that the other has answered: both control. What ICE
/// makes of that stays.
#[test]
fn a_role_that_ice_has_repaired_stays() {
    let mut pair = Pair::new();
    let conflicts = Rc::new(Cell::new(0));
    let count = Rc::clone(&conflicts);
    pair.fate = Box::new(move |_, bytes| {
        // A Binding error response.
        count.set(count.get() + u32::from(bytes.starts_with(&[1, 0x11])));
        Fate::Deliver
    });
    let now = pair.now;
    for peer in &mut pair.peers {
        peer.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        peer.set_local_description(now, None).unwrap();
    }
    let offers = pair.peers.each_ref().map(|peer| peer.local_description().unwrap().sdp);
    for (peer, setup) in [(A, "active"), (B, "passive")] {
        let sdp = offers[1 - peer].replace("a=setup:actpass", &format!("a=setup:{setup}"));
        let answer = SessionDescription::answer(sdp);
        pair.peers[peer].set_remote_description(now, answer).unwrap();
    }
    pair.drain_events();
    pair.signal();
    assert!(pair.run_until(Duration::from_secs(5), connected));
    pair.run_for(Duration::from_secs(20));
    assert_ne!(conflicts.take(), 0);
    for side in [A, B, A] {
        pair.negotiate(side);
        pair.run_for(Duration::from_secs(20));
    }
    assert_eq!(conflicts.get(), 0);
    assert!(connected(&mut pair));
}
