//! Data channels whose end is another one's beginning.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use common::{A, B, Pair};
use peerless::{DataChannelId, DataChannelInit, DataChannelState, Event, ReadMode};

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
    channel.finish(now);
    channel.abandon(now);
    channel.close(now);
    assert_eq!(channel.read(), Some("unread".into()));
    assert!(pair.peers[A].data_channel(old).is_none());

    let mut channel = pair.peers[A].data_channel(new).unwrap();
    assert_eq!(channel.ready_state(), DataChannelState::Open);
    assert_eq!(channel.buffered_amount_low_threshold(), 0);
    channel.append(now, &b", two"[..]).unwrap();
    channel.finish(now);
    pair.run_for(Duration::from_secs(1));
    let mut channel = pair.peers[B].data_channel(theirs).unwrap();
    assert_eq!(channel.read().map(|message| message.len()), Some(100_000));
    assert_eq!(channel.read(), Some("one, two".into()));
}
