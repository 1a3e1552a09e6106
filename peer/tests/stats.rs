//! What the statistics say of data channels.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use common::{A, B, Pair};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    BundlePolicy, Configuration, DataChannelId, DataChannelInit, DataChannelState, Event, MediaKind,
};

/// How many channels have been open, and how many of them no longer are.
fn counts(pair: &mut Pair, peer: usize) -> (u64, u64) {
    let report = pair.peers[peer].stats(pair.now);
    let counts = report.peer_connection;
    let states = report.data_channels.iter().map(|channel| channel.state);
    let open = states.filter(|state| *state == DataChannelState::Open).count() as u64;
    assert_eq!(counts.data_channels_opened - counts.data_channels_closed, open);
    (counts.data_channels_opened, counts.data_channels_closed)
}

fn create(pair: &mut Pair, peer: usize, init: DataChannelInit) -> DataChannelId {
    let now = pair.now;
    pair.peers[peer].create_data_channel(now, "channel", init).unwrap()
}

fn close(pair: &mut Pair, peer: usize, id: DataChannelId) {
    let now = pair.now;
    pair.peers[peer].data_channel(id).unwrap().close(now);
}

fn negotiated(id: u16) -> DataChannelInit {
    let mut init = DataChannelInit::default();
    init.negotiated = Some(id);
    init
}

/// The channels that `peer` was told of.
fn incoming(pair: &Pair, peer: usize) -> Vec<DataChannelId> {
    let ids = pair.events[peer].iter().filter_map(|event| match event {
        Event::DataChannel(id) => Some(*id),
        _ => None,
    });
    ids.collect()
}

/// A pair with a channel that A has opened, its end at A and its end at B.
fn connected() -> (Pair, DataChannelId, DataChannelId) {
    let mut pair = Pair::new();
    let ours = create(&mut pair, A, DataChannelInit::default());
    pair.negotiate(A);
    let opened = pair.run_until(Duration::from_secs(5), |pair| !incoming(pair, B).is_empty());
    assert!(opened);
    let theirs = incoming(&pair, B)[0];
    (pair, ours, theirs)
}

fn settle(pair: &mut Pair) {
    pair.run_for(Duration::from_secs(1));
}

#[test]
fn a_channel_counts_at_both_ends_once_it_is_open() {
    let mut pair = Pair::new();
    assert_eq!(counts(&mut pair, A), (0, 0));
    create(&mut pair, A, DataChannelInit::default());
    assert_eq!(counts(&mut pair, A), (0, 0));
    pair.negotiate(A);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((0, 0), (0, 0)));
    settle(&mut pair);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((1, 0), (1, 0)));
    // Opened while the association is up: here at once, there when the announcement has arrived.
    create(&mut pair, B, DataChannelInit::default());
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((1, 0), (2, 0)));
    settle(&mut pair);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((2, 0), (2, 0)));
}

#[test]
fn a_negotiated_channel_counts_where_it_was_created() {
    let mut pair = Pair::new();
    create(&mut pair, A, negotiated(4));
    pair.negotiate(A);
    settle(&mut pair);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((1, 0), (0, 0)));
    create(&mut pair, B, negotiated(4));
    settle(&mut pair);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((1, 0), (1, 0)));
}

#[test]
fn a_channel_that_either_end_closes_counts_as_closed_at_both() {
    for from in [A, B] {
        let (mut pair, ours, theirs) = connected();
        create(&mut pair, A, DataChannelInit::default());
        settle(&mut pair);
        close(&mut pair, from, [ours, theirs][from]);
        // It has left "open" where it is closed, and not yet where that is not known.
        assert_eq!(counts(&mut pair, from), (2, 1));
        assert_eq!(counts(&mut pair, 1 - from), (2, 0));
        settle(&mut pair);
        assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((2, 1), (2, 1)));
        // A channel that takes its number is another one.
        create(&mut pair, from, DataChannelInit::default());
        settle(&mut pair);
        assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((3, 1), (3, 1)));
    }
}

#[test]
fn a_channel_that_both_ends_close_counts_once() {
    let (mut pair, ours, theirs) = connected();
    settle(&mut pair);
    close(&mut pair, A, ours);
    close(&mut pair, B, theirs);
    close(&mut pair, B, theirs);
    settle(&mut pair);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((1, 1), (1, 1)));
}

#[test]
fn all_channels_are_closed_with_the_connection() {
    let (mut pair, ours, _) = connected();
    create(&mut pair, A, DataChannelInit::default());
    create(&mut pair, B, DataChannelInit::default());
    settle(&mut pair);
    close(&mut pair, A, ours);
    settle(&mut pair);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((3, 1), (3, 1)));
    let now = pair.now;
    pair.peers[A].close(now);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((3, 3), (3, 1)));
    settle(&mut pair);
    pair.peers[A].close(now);
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((3, 3), (3, 3)));
}

#[test]
fn what_ends_before_it_is_open_does_not_count() {
    let mut pair = Pair::new();
    let early = create(&mut pair, A, DataChannelInit::default());
    let late = create(&mut pair, A, DataChannelInit::default());
    create(&mut pair, A, DataChannelInit::default());
    close(&mut pair, A, early);
    pair.negotiate(A);
    // It has a number by now, and waits for the association.
    pair.run_for(Duration::from_millis(60));
    assert_eq!(counts(&mut pair, A), (0, 0));
    assert!(pair.peers[A].data_channel(late).unwrap().id().is_some());
    close(&mut pair, A, late);
    settle(&mut pair);
    assert_eq!(counts(&mut pair, A), (1, 0));
    // The connection never comes to be.
    let mut pair = Pair::new();
    create(&mut pair, A, DataChannelInit::default());
    let now = pair.now;
    pair.peers[A].close(now);
    assert_eq!(counts(&mut pair, A), (0, 0));
}

#[test]
fn a_channel_that_is_refused_was_open_only_where_it_was_created() {
    let (mut pair, ..) = connected();
    // Its names take 128 KiB, of one MiB that the other side keeps of them: 8 of 9.
    let protocol = "p".repeat(65_535);
    let label = "l".repeat(65_535);
    for _ in 0..9 {
        let mut init = DataChannelInit::default();
        init.protocol.clone_from(&protocol);
        let now = pair.now;
        pair.peers[A].create_data_channel(now, &label, init).unwrap();
        pair.run_for(Duration::from_secs(2));
    }
    assert_eq!((counts(&mut pair, A), counts(&mut pair, B)), ((10, 1), (9, 0)));
}

#[test]
fn a_channel_tells_its_names_number_state_and_traffic() {
    let (mut pair, ..) = connected();
    let now = pair.now;
    let mut init = negotiated(40);
    init.protocol = "morse".to_owned();
    let ours = pair.peers[A].create_data_channel(now, "chat", init.clone()).unwrap();
    let theirs = pair.peers[B].create_data_channel(now, "talk", init).unwrap();
    settle(&mut pair);
    let now = pair.now;
    let mut channel = pair.peers[A].data_channel(ours).unwrap();
    channel.send(now, "hello").unwrap();
    channel.send(now, vec![0; 3_000]).unwrap();
    settle(&mut pair);
    let mut channel = pair.peers[B].data_channel(theirs).unwrap();
    assert!(channel.read().is_some());
    for (peer, id, label, sent, received) in
        [(A, ours, "chat", (2, 3_005), (0, 0)), (B, theirs, "talk", (0, 0), (1, 5))]
    {
        let report = pair.peers[peer].stats(pair.now);
        let stats = report.data_channels.iter().find(|stats| stats.id == id).unwrap();
        assert_eq!((&*stats.label, &*stats.protocol), (label, "morse"));
        assert_eq!(stats.data_channel_identifier, Some(40));
        assert_eq!(stats.state, DataChannelState::Open);
        assert_eq!((stats.messages_sent, stats.bytes_sent), sent);
        assert_eq!((stats.messages_received, stats.bytes_received), received);
    }
    close(&mut pair, A, ours);
    let report = pair.peers[A].stats(pair.now);
    let stats = report.data_channels.iter().find(|stats| stats.id == ours).unwrap();
    assert_eq!(stats.state, DataChannelState::Closing);
}

#[test]
fn a_transport_counts_its_own_datagrams_without_checks() {
    let mut configuration = Configuration::default();
    configuration.bundle_policy = BundlePolicy::MaxCompat;
    let mut pair = Pair::with(configuration.clone(), configuration, 1);
    let now = pair.now;
    let init = TransceiverInit::send_recv();
    pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
    let chat = create(&mut pair, A, DataChannelInit::default());
    pair.negotiate_munged(A, |sdp| {
        sdp.split_inclusive("\r\n").filter(|line| !line.starts_with("a=group:BUNDLE")).collect()
    });
    assert!(
        pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        })
    );
    settle(&mut pair);
    let counts = |pair: &mut Pair, peer: usize| {
        let transports = pair.peers[peer].stats(pair.now).transports;
        assert_eq!(transports.len(), 2);
        transports.iter().map(|own| (own.bytes_sent, own.bytes_received)).collect::<Vec<_>>()
    };
    // Consent is checked every few seconds, and SCTP has nothing to say.
    let before = counts(&mut pair, A)[1];
    assert!(before.0 > 0 && before.1 > 0);
    pair.run_for(Duration::from_secs(20));
    assert_eq!(counts(&mut pair, A)[1], before);
    // A message counts where it went.
    let now = pair.now;
    pair.peers[A].data_channel(chat).unwrap().send(now, vec![7; 100_000]).unwrap();
    settle(&mut pair);
    let (ours, theirs) = (counts(&mut pair, A), counts(&mut pair, B));
    assert!(ours[1].0 > 100_000 && theirs[1].1 > 100_000, "{ours:?} {theirs:?}");
    assert!(ours[0].0 < 10_000 && theirs[0].1 < 10_000, "{ours:?} {theirs:?}");
}

#[test]
fn the_largest_message_is_one_that_can_be_sent() {
    let mut small = Configuration::default();
    small.max_buffered_amount = 100_000;
    let mut pair = Pair::with(small, Configuration::default(), 1);
    let chat = create(&mut pair, A, DataChannelInit::default());
    pair.negotiate(A);
    let told = |pair: &mut Pair| {
        let report = pair.peers[A].stats(pair.now);
        report.sctp_transport.unwrap().max_message_size
    };
    // Whether a larger one can go is not known yet: then it is, since both sides interleave.
    assert_eq!(told(&mut pair), 100_000);
    assert!(
        pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        })
    );
    assert_eq!(told(&mut pair), 256 * 1024);
    let now = pair.now;
    pair.peers[A].data_channel(chat).unwrap().send(now, vec![7; 256 * 1024]).unwrap();
}
