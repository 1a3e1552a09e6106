//! Messages of data channels that are too large to be held.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{A, B, Pair};
use peerless::{
    AppendError, Configuration, DataChannelId, DataChannelInit, Event, ReadMode, SendError, Then,
};

/// Two connections with a channel; the second one has this configuration.
fn pair(configuration: Configuration) -> (Pair, DataChannelId, DataChannelId) {
    let mut pair = Pair::with(Configuration::default(), configuration, 1);
    let now = pair.now;
    let channel =
        pair.peers[A].create_data_channel(now, "file", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    let mut theirs = None;
    pair.run_until(Duration::from_secs(5), |pair| {
        theirs = pair.events[B].iter().find_map(|event| match event {
            Event::DataChannel(id) => Some(*id),
            _ => None,
        });
        theirs.is_some() && pair.saw(A, &Event::DataChannelOpen(channel))
    });
    (pair, channel, theirs.unwrap())
}

#[test]
fn a_message_of_any_size_goes_in_parts_to_who_reads_it_so() {
    const LEN: usize = 20 << 20;
    let mut configuration = Configuration::default();
    configuration.max_message_size_in_parts = Some(usize::MAX);
    let (mut pair, channel, theirs) = pair(configuration);
    let now = pair.now;
    pair.peers[B].data_channel(theirs).unwrap().set_read_mode(ReadMode::Parts);
    pair.peers[A].data_channel(channel).unwrap().begin(now, Bytes::new()).unwrap();

    let part = Bytes::from(vec![7; 100_000]);
    let (mut written, mut read, mut ended) = (0, 0, false);
    assert!(pair.run_until(Duration::from_secs(60), |pair| {
        let now = pair.now;
        let mut sender = pair.peers[A].data_channel(channel).unwrap();
        while written < LEN {
            let part = part.slice(..part.len().min(LEN - written));
            match sender.append(now, part.clone()) {
                Ok(()) => written += part.len(),
                Err(AppendError::BufferFull { .. }) => break,
                Err(error) => panic!("{error}"),
            }
            if written == LEN {
                assert!(sender.finish(now));
            }
        }
        let mut reader = pair.peers[B].data_channel(theirs).unwrap();
        while let Some(part) = reader.read_part() {
            assert!(part.data.iter().all(|byte| *byte == 7));
            read += part.data.len();
            ended = part.then == Then::End;
        }
        ended
    }));
    assert_eq!(read, LEN);
}

#[test]
fn what_the_other_side_does_not_take_comes_back() {
    let mut configuration = Configuration::default();
    configuration.max_message_size_in_parts = Some(1 << 20);
    let (mut pair, channel, theirs) = pair(configuration);
    let now = pair.now;
    let mut sender = pair.peers[A].data_channel(channel).unwrap();
    let refused = sender.send(now, vec![0; (1 << 20) + 1]);
    assert!(matches!(refused, Err(SendError::TooLarge { limit: 1_048_576, .. })), "{refused:?}");
    sender.begin(now, vec![0; 1 << 20]).unwrap();
    let refused = sender.append(now, Bytes::from_static(b"x"));
    assert!(matches!(refused, Err(AppendError::TooLarge { limit: 1_048_576, .. })), "{refused:?}");
    sender.abandon(now);

    // The other way, what the first one takes by default.
    let mut sender = pair.peers[B].data_channel(theirs).unwrap();
    let refused = sender.send(now, vec![0; 300_000]);
    assert!(matches!(refused, Err(SendError::TooLarge { limit: 262_144, .. })), "{refused:?}");
    sender.send(now, vec![0; 262_144]).unwrap();
    let mut len = 0;
    pair.run_until(Duration::from_secs(5), |pair| {
        len =
            pair.peers[A].data_channel(channel).unwrap().read().map_or(0, |message| message.len());
        len > 0
    });
    assert_eq!(len, 262_144);
}
