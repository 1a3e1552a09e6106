//! Data channels whose end is another one's beginning, or came before their beginning.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use common::{A, B, Pair};
use peerless::media::transceiver::TransceiverInit;
use peerless::security::{SecurityPolicy, Version};
use peerless::{
    Configuration, ConnectionState, DataChannelId, DataChannelInit, DataChannelState, Event,
    MediaKind, ReadMode,
};

const MS: Duration = Duration::from_millis(1);

fn create(pair: &mut Pair, peer: usize, label: &str) -> DataChannelId {
    let now = pair.now;
    pair.peers[peer].create_data_channel(now, label, DataChannelInit::default()).unwrap()
}

/// The other side's end of a channel that has just been opened.
fn incoming(pair: &mut Pair, peer: usize) -> DataChannelId {
    let mut found = None;
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        found = pair.events[peer].iter().rev().find_map(|event| match event {
            Event::DataChannel(id) => Some(*id),
            _ => None,
        });
        found.is_some()
    }));
    pair.run_for(100 * MS);
    pair.events[peer].clear();
    found.unwrap()
}

/// Changes a digit of every fingerprint.
fn other_fingerprints(sdp: String) -> String {
    let mut lines: Vec<String> = sdp.lines().map(str::to_owned).collect();
    for line in lines.iter_mut().filter(|line| line.starts_with("a=fingerprint:")) {
        let last = line.pop().expect("hexadecimal digits");
        line.push(if last == '0' { '1' } else { '0' });
    }
    lines.join("\r\n") + "\r\n"
}

#[test]
fn a_closed_channels_handle_does_not_reach_the_one_that_has_its_number_now() {
    let mut pair = Pair::new();
    let old = create(&mut pair, A, "old");
    pair.negotiate(A);
    let theirs = incoming(&mut pair, B);
    let now = pair.now;
    // Unread, it keeps the closed channel.
    pair.peers[B].data_channel(theirs).unwrap().send(now, "unread").unwrap();
    pair.run_for(200 * MS);
    let now = pair.now;
    pair.peers[A].data_channel(old).unwrap().close(now);
    pair.run_for(500 * MS);
    assert!(pair.saw(A, &Event::DataChannelClose(old)));

    let new = create(&mut pair, A, "new");
    let theirs = incoming(&mut pair, B);
    let now = pair.now;
    let mut channel = pair.peers[A].data_channel(new).unwrap();
    channel.send(now, vec![1; 100_000]).unwrap();
    channel.begin(now, "one").unwrap();
    let (number, waits) = (channel.id(), channel.buffered_amount());
    assert!(waits > 50_000, "{waits}");

    let mut channel = pair.peers[A].data_channel(old).unwrap();
    assert_eq!((channel.ready_state(), channel.id()), (DataChannelState::Closed, number));
    assert_eq!(channel.buffered_amount(), 0);
    channel.set_buffered_amount_low_threshold(90_000);
    channel.set_read_mode(ReadMode::Parts);
    assert!(channel.send(now, "late").is_err());
    assert!(channel.begin(now, "late").is_err());
    assert!(channel.append(now, &b"late"[..]).is_err());
    assert!(!channel.finish(now));
    channel.abandon(now);
    channel.close(now);
    assert_eq!(channel.read(), Some("unread".into()));
    assert!(pair.peers[A].data_channel(old).is_none());

    let mut channel = pair.peers[A].data_channel(new).unwrap();
    assert_eq!(channel.ready_state(), DataChannelState::Open);
    assert_eq!(channel.buffered_amount_low_threshold(), 0);
    channel.append(now, &b", two"[..]).unwrap();
    assert!(channel.finish(now));
    pair.run_for(Duration::from_secs(1));
    let mut channel = pair.peers[B].data_channel(theirs).unwrap();
    assert_eq!(channel.read().map(|message| message.len()), Some(100_000));
    assert_eq!(channel.read(), Some("one, two".into()));
}

/// webrtc-pc §6.2: closed is a channel whose transport "has been closed or could not be
/// established".
#[test]
fn channels_that_were_not_open_yet_close_when_dtls_fails() {
    let old = || {
        let mut policy = SecurityPolicy::default();
        policy.max_version = Version::Dtls12;
        policy
    };
    let new = || {
        let mut policy = SecurityPolicy::default();
        policy.min_version = Version::Dtls13;
        policy
    };
    let same = SecurityPolicy::default;
    // A wrong fingerprint, and policies that no version satisfies.
    for (policies, munge) in [([same(), same()], true), ([new(), old()], false)] {
        let [a, b] = policies.map(|policy| {
            let mut configuration = Configuration::default();
            configuration.security_policy = policy;
            configuration
        });
        let mut pair = Pair::with(a, b, 1);
        let channels = [A, B].map(|peer| create(&mut pair, peer, "chat"));
        if munge {
            pair.negotiate_munged(A, other_fingerprints);
        } else {
            pair.negotiate(A);
        }
        for peer in [A, B] {
            let closed = Event::DataChannelClose(channels[peer]);
            assert!(pair.run_until(Duration::from_secs(5), |pair| pair.saw(peer, &closed)));
            assert_eq!(pair.peers[peer].connection_state(), ConnectionState::Failed);
            assert!(pair.peers[peer].data_channel(channels[peer]).is_none());
            assert!(!pair.saw(peer, &Event::DataChannelOpen(channels[peer])));
            let now = pair.now;
            let counts = pair.peers[peer].stats(now).peer_connection;
            assert_eq!((counts.data_channels_opened, counts.data_channels_closed), (0, 0));
            // There is no association that another one could be opened on.
            let init = DataChannelInit::default();
            let error = pair.peers[peer].create_data_channel(now, "late", init).unwrap_err();
            assert!(error.to_string().contains("the association is closed"), "{error}");
        }
        pair.run_for(Duration::from_secs(120));
        for peer in [A, B] {
            let closed = Event::DataChannelClose(channels[peer]);
            assert_eq!(pair.events[peer].iter().filter(|event| **event == closed).count(), 1);
        }
    }
}

#[test]
fn a_channel_on_a_transport_that_failed_before_closes_when_it_is_negotiated() {
    let mut pair = Pair::new();
    let now = pair.now;
    let init = TransceiverInit::default();
    pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
    pair.negotiate_munged(A, other_fingerprints);
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Failed)
    }));
    let chat = create(&mut pair, A, "chat");
    assert_eq!(
        pair.peers[A].data_channel(chat).unwrap().ready_state(),
        DataChannelState::Connecting
    );
    pair.negotiate_munged(A, other_fingerprints);
    pair.run_for(Duration::from_secs(1));
    assert!(pair.saw(A, &Event::DataChannelClose(chat)));
    assert!(pair.peers[A].data_channel(chat).is_none());
}
