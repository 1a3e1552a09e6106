//! The SCTP association, as descriptions begin and end it (RFC 8841 §9.3, §10).
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use common::{A, B, Pair};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    BundlePolicy, Configuration, ConnectionState, DataChannelId, DataChannelInit, DataChannelState,
    DataCloseReason, ErrorKind, Event, MediaKind, Message, SessionDescription,
};

/// What is done to the offer's m-section for data on its way.
type Munge = fn(String) -> String;

/// The m-section is rejected.
const REJECTED: Munge = |sdp| sdp.replace("m=application 9", "m=application 0");

/// The association is closed, and nothing else.
fn without_association(sdp: String) -> String {
    sdp.replace("a=sctp-port:5000", "a=sctp-port:0")
}

/// `from` offers, and what arrives is another offer, which the other answers.
fn negotiate(pair: &mut Pair, from: usize, munge: Munge) {
    let (to, now) = (1 - from, pair.now);
    pair.peers[from].set_local_description(now, None).unwrap();
    let mut offer = pair.peers[from].local_description().unwrap();
    offer.sdp = munge(offer.sdp);
    pair.peers[to].set_remote_description(now, offer).unwrap();
    pair.peers[to].set_local_description(now, None).unwrap();
    let answer = pair.peers[to].local_description().unwrap();
    pair.peers[from].set_remote_description(now, answer).unwrap();
    pair.drain_events();
    pair.signal();
}

fn create(pair: &mut Pair, peer: usize, label: &str) -> DataChannelId {
    let now = pair.now;
    pair.peers[peer].create_data_channel(now, label, DataChannelInit::default()).unwrap()
}

/// Waits until the channel of `from` is open at both ends, and gives the other one.
#[track_caller]
fn opened(pair: &mut Pair, from: usize, channel: DataChannelId) -> DataChannelId {
    let mut theirs = None;
    pair.run_until(Duration::from_secs(5), |pair| {
        theirs = pair.events[1 - from].iter().find_map(|event| match event {
            Event::DataChannel(id) => Some(*id),
            _ => None,
        });
        theirs.is_some() && pair.saw(from, &Event::DataChannelOpen(channel))
    });
    theirs.expect("it opens")
}

fn send(pair: &mut Pair, from: usize, channel: DataChannelId, text: &'static str) {
    let now = pair.now;
    pair.peers[from].data_channel(channel).unwrap().send(now, text).unwrap();
}

fn read(pair: &mut Pair, peer: usize, channel: DataChannelId) -> Option<Message> {
    pair.peers[peer].data_channel(channel)?.read()
}

/// Data, and audio beside it, on transports as the policy has them.
fn cases() -> impl Iterator<Item = (Configuration, bool)> {
    let policies = [BundlePolicy::MaxBundle, BundlePolicy::MaxCompat];
    let cases = policies.into_iter().flat_map(|policy| [(policy, true), (policy, false)]);
    cases.flat_map(|(bundle_policy, audio)| {
        [false, true].map(|snap| {
            let mut configuration = Configuration::default();
            configuration.bundle_policy = bundle_policy;
            configuration.snap = snap;
            (configuration, audio)
        })
    })
}

#[test]
fn channels_that_an_answer_has_no_place_for_close_and_later_ones_open() {
    for munge in [REJECTED, without_association] {
        for (configuration, _) in cases() {
            let mut pair = Pair::with(configuration.clone(), configuration, 1);
            let now = pair.now;
            let init = TransceiverInit::send_recv();
            pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
            let unwanted = create(&mut pair, A, "unwanted");
            negotiate(&mut pair, A, munge);
            assert!(pair.saw(A, &Event::DataChannelClose(unwanted)));
            assert!(pair.peers[A].data_channel(unwanted).is_none());
            assert!(pair.run_until(Duration::from_secs(5), |pair| {
                pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
            }));
            for from in [A, B] {
                pair.events = Default::default();
                // Another offer closes nothing that waits for one of its own side.
                let channel = create(&mut pair, from, "wanted");
                pair.drain_events();
                assert!(pair.saw(from, &Event::NegotiationNeeded) == (from == A));
                negotiate(&mut pair, from, |sdp| sdp);
                let theirs = opened(&mut pair, from, channel);
                send(&mut pair, from, channel, "hello");
                pair.run_for(Duration::from_secs(1));
                assert_eq!(read(&mut pair, 1 - from, theirs), Some("hello".into()));
            }
        }
    }
}

#[test]
fn an_association_that_is_rejected_closes_and_another_begins() {
    for munge in [REJECTED, without_association] {
        for (configuration, audio) in cases() {
            let mut pair = Pair::with(configuration.clone(), configuration, 1);
            let now = pair.now;
            if audio {
                let init = TransceiverInit::send_recv();
                pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
            }
            let ours = create(&mut pair, A, "first");
            negotiate(&mut pair, A, |sdp| sdp);
            let theirs = opened(&mut pair, A, ours);
            send(&mut pair, A, ours, "bye");
            send(&mut pair, B, theirs, "farewell");
            pair.run_for(Duration::from_secs(1));

            pair.events = Default::default();
            negotiate(&mut pair, B, munge);
            for (peer, channel, text) in [(A, ours, "farewell"), (B, theirs, "bye")] {
                assert!(pair.saw(peer, &Event::DataChannelClose(channel)));
                let mut closed = pair.peers[peer].data_channel(channel).expect("it is unread");
                assert_eq!(closed.ready_state(), DataChannelState::Closed);
                assert!(closed.send(pair.now, "nobody hears this").is_err());
                assert_eq!(read(&mut pair, peer, channel), Some(text.into()));
                assert!(pair.peers[peer].data_channel(channel).is_none());
            }
            pair.run_for(Duration::from_secs(1));
            // The same section closed once more closes nothing new.
            let waiting = create(&mut pair, A, "second");
            negotiate(&mut pair, B, without_association);
            assert!(!pair.saw(A, &Event::DataChannelClose(waiting)));

            pair.events = Default::default();
            negotiate(&mut pair, A, |sdp| sdp);
            let theirs = opened(&mut pair, A, waiting);
            send(&mut pair, A, waiting, "again");
            send(&mut pair, B, theirs, "and back");
            pair.run_for(Duration::from_secs(1));
            assert_eq!(read(&mut pair, B, theirs), Some("again".into()));
            assert_eq!(read(&mut pair, A, waiting), Some("and back".into()));
            let states = pair.peers.each_ref().map(|peer| peer.connection_state());
            assert_eq!(states, [ConnectionState::Connected; 2]);
        }
    }
}

#[test]
fn an_association_in_place_of_the_one_in_force_is_refused_with_a_reason() {
    let mut pair = Pair::new();
    let ours = create(&mut pair, A, "first");
    negotiate(&mut pair, A, |sdp| sdp);
    let theirs = opened(&mut pair, A, ours);
    let now = pair.now;
    pair.peers[B].set_local_description(now, None).unwrap();
    let mut offer = pair.peers[B].local_description().unwrap();
    offer.sdp = offer.sdp.replace("a=sctp-port:5000", "a=sctp-port:5001");
    let error = pair.peers[A].set_remote_description(now, offer).unwrap_err();
    assert!(error.to_string().contains("needs a new connection"), "{error}");
    send(&mut pair, A, ours, "we go on");
    pair.run_for(Duration::from_secs(1));
    assert_eq!(read(&mut pair, B, theirs), Some("we go on".into()));
}

#[test]
fn why_the_channels_have_closed_is_told() {
    let reason = |pair: &Pair, peer: usize| pair.peers[peer].data_close_reason().cloned();
    // The other side sends more than was agreed on.
    let mut small = Configuration::default();
    small.max_message_size = 2000;
    let mut pair = Pair::with(Configuration::default(), small, 1);
    let ours = create(&mut pair, A, "large");
    pair.negotiate_munged(A, |sdp| sdp.replace("max-message-size:2000", "max-message-size:100000"));
    let theirs = opened(&mut pair, A, ours);
    assert_eq!([reason(&pair, A), reason(&pair, B)], [None, None]);
    let now = pair.now;
    pair.peers[A].data_channel(ours).unwrap().send(now, vec![7; 5000]).unwrap();
    pair.run_for(Duration::from_secs(1));
    for (peer, channel) in [(A, ours), (B, theirs)] {
        assert!(pair.saw(peer, &Event::DataChannelClose(channel)));
        let reason = reason(&pair, peer).expect("it is told");
        assert!(matches!(reason, DataCloseReason::Association(_)), "{reason:?}");
        let (now, init) = (pair.now, DataChannelInit::default());
        let error = pair.peers[peer].create_data_channel(now, "more", init).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidStateError);
        let text = error.to_string();
        assert!(text.contains(&reason.to_string()) && text.contains("new connection"), "{text}");
    }

    // The descriptions close it, and begin another.
    let mut pair = Pair::new();
    let ours = create(&mut pair, A, "first");
    negotiate(&mut pair, A, |sdp| sdp);
    opened(&mut pair, A, ours);
    negotiate(&mut pair, A, without_association);
    let rejected = || Some(DataCloseReason::Rejected);
    assert_eq!([A, B].map(|peer| reason(&pair, peer)), [rejected(), rejected()]);
    pair.events = Default::default();
    let ours = create(&mut pair, A, "second");
    negotiate(&mut pair, A, |sdp| sdp);
    opened(&mut pair, A, ours);
    assert_eq!([A, B].map(|peer| reason(&pair, peer)), [None, None]);

    // The other side goes.
    let now = pair.now;
    pair.peers[A].close(now);
    pair.run_for(Duration::from_secs(1));
    reason(&pair, B).expect("it is told");
}

#[test]
fn a_channel_that_is_created_while_an_offer_is_pending_is_wanted_after_its_rollback() {
    let mut pair = Pair::new();
    pair.trickle = false;
    create(&mut pair, B, "taken back");
    let now = pair.now;
    pair.peers[B].set_local_description(now, None).unwrap();
    let offer = pair.peers[B].local_description().unwrap();
    pair.peers[A].set_remote_description(now, offer).unwrap();
    let ours = create(&mut pair, A, "wanted");
    for peer in [A, B] {
        pair.peers[peer].set_remote_description(now, SessionDescription::rollback()).unwrap();
    }
    pair.drain_events();
    assert!(pair.saw(A, &Event::NegotiationNeeded));
    negotiate(&mut pair, A, |sdp| sdp);
    opened(&mut pair, A, ours);
}

#[test]
fn an_association_that_overtakes_the_answer_is_up_a_round_trip_after_it() {
    let mut pair = Pair::new();
    let now = pair.now;
    let init = TransceiverInit::send_recv();
    pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
    negotiate(&mut pair, A, |sdp| sdp);
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
    }));
    let chat = create(&mut pair, A, "chat");
    let now = pair.now;
    pair.peers[A].set_local_description(now, None).unwrap();
    let offer = pair.peers[A].local_description().unwrap();
    pair.peers[B].set_remote_description(now, offer).unwrap();
    pair.peers[B].set_local_description(now, None).unwrap();
    let answer = pair.peers[B].local_description().unwrap();
    // The answer takes its time; B's INIT does not.
    pair.run_for(4 * pair.delay);
    let now = pair.now;
    pair.peers[A].set_remote_description(now, answer).unwrap();
    assert!(
        pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        })
    );
    assert_eq!(pair.now - now, 2 * pair.delay);
}
