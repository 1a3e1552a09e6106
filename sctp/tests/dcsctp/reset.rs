//! RFC 6525: streams that begin again.

use crate::interleaving::{config, options};
use crate::pair::{EACH, Link, Pair, SIDES, Side, data_of, seeds};
use dcsctp::api::{SocketEvent, StreamId};
use peerless_sctp::Event;
use peerless_sctp::chunk::data::BEGIN;

const STREAM: u16 = 5;

/// Resets the streams that a side sends on, once all of what waits on them is under way: dcsctp
/// throws away what is not.
fn reset(pair: &mut Pair, side: Side, streams: &[u16]) {
    match side {
        Side::Ours => {
            streams.iter().for_each(|stream| pair.ours.reset_stream(pair.now, *stream));
        }
        Side::Theirs => {
            pair.until("their last message leaves", |pair| {
                streams.iter().all(|stream| pair.theirs.buffered_amount(StreamId(*stream)) == 0)
            });
            let streams: Vec<_> = streams.iter().map(|stream| StreamId(*stream)).collect();
            pair.theirs.reset_streams(&streams).unwrap();
        }
    }
}

/// How often both have said that a stream of `side` was reset: who sends on it, and who hears.
pub(crate) fn said(pair: &Pair, side: Side, stream: u16) -> (usize, usize) {
    let ours = |event: Event| pair.our_events.iter().filter(|other| **other == event).count();
    let mut outgoing = 0;
    let mut incoming = 0;
    for event in &pair.their_events {
        match event {
            SocketEvent::OnStreamsResetPerformed(streams) => {
                outgoing += streams.iter().filter(|other| other.0 == stream).count();
            }
            SocketEvent::OnIncomingStreamReset(streams) => {
                incoming += streams.iter().filter(|other| other.0 == stream).count();
            }
            SocketEvent::OnStreamsResetFailed(_) => panic!("a reset was refused"),
            _ => {}
        }
    }
    match side {
        Side::Ours => (ours(Event::OutgoingStreamReset(stream)), incoming),
        Side::Theirs => (outgoing, ours(Event::IncomingStreamReset(stream))),
    }
}

/// The numbers of a stream's messages in the log from `start` on, in the order of their sending.
fn numbers(pair: &Pair, start: usize, side: Side) -> Vec<u32> {
    let packets = pair.log[start..].iter().filter(|(from, _)| *from == side);
    let data = packets.flat_map(|(_, packet)| data_of(packet));
    let begin = data.filter(|data| data.stream == STREAM && data.flags & BEGIN != 0);
    begin.map(|data| data.message).collect()
}

#[test]
fn a_stream_that_was_reset_begins_again_either_way() {
    for begins in EACH {
        for interleaving in [true, false] {
            for side in SIDES {
                let (config, options) = (config(interleaving), options(interleaving));
                let mut pair = Pair::connected(begins, &config, &options);
                for round in 1..4 {
                    let start = pair.log.len();
                    (0..3).for_each(|_| pair.say(side, STREAM, 2_000));
                    pair.say(side, 0, 100);
                    reset(&mut pair, side, &[STREAM]);
                    pair.until("reset", |pair| said(pair, side, STREAM) == (round, round));
                    pair.settle();
                    assert_eq!(numbers(&pair, start, side), [0, 1, 2], "round {round}, {side:?}");
                    // The other direction goes on.
                    assert_eq!(said(&pair, side.other(), STREAM), (0, 0));
                    pair.say(side.other(), STREAM, 100);
                    pair.settle();
                }
                assert_eq!(numbers(&pair, 0, side.other()), [0, 1, 2], "{side:?}");
                pair.check_their_errors();
            }
        }
    }
}

#[test]
fn both_directions_of_many_streams_are_reset_at_once_through_loss() {
    for seed in 0..seeds() {
        let begins = EACH[seed as usize % 3];
        let interleaving = seed % 2 == 0;
        let (config, options) = (config(interleaving), options(interleaving));
        let mut pair = Pair::new(begins, &config, &options, Link::lossy(10), seed);
        pair.connect();
        let streams: Vec<u16> = (0..20).collect();
        for round in 1..4 {
            for side in SIDES {
                for stream in &streams {
                    pair.say(side, *stream, 300);
                    pair.say(side, *stream, 300);
                }
            }
            // Some one by one, the others together.
            let (alone, together) = streams.split_at(3);
            for side in SIDES {
                alone.iter().for_each(|stream| reset(&mut pair, side, &[*stream]));
                reset(&mut pair, side, together);
            }
            pair.until("reset", |pair| {
                SIDES.iter().all(|side| {
                    streams.iter().all(|stream| said(pair, *side, *stream) == (round, round))
                })
            });
            pair.settle();
        }
        pair.check_their_errors();
    }
}
