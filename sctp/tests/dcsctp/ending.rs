//! How an association ends.

use crate::checksum;
use crate::pair::{EACH, Link, Pair, SIDES, Side, kinds, seeds};
use dcsctp::api::{ErrorKind, SocketEvent, SocketState};
use peerless_sctp::chunk::ChunkType;
use peerless_sctp::chunk::error_cause::ErrorCause;
use peerless_sctp::{CloseReason, Event};

/// Either with all extensions or with none.
fn new(seed: u64, link: Link, all: bool) -> Pair {
    let begins = EACH[seed as usize % 3];
    let mut config = checksum::config(all);
    config.interleaving = all;
    let mut options = checksum::options(all);
    options.enable_message_interleaving = all;
    let mut pair = Pair::new(begins, &config, &options, link, seed);
    pair.connect();
    pair
}

/// Data of both sides that is on its way: more of ours than a window, of theirs what leaves at once,
/// and where packets are lost, arrives before the end begins.
///
/// dcsctp 0.1.16 ends too early. When it shuts down, or is told of a shutdown, it looks at what is in
/// flight alone (`unacked_items`): what waits for its congestion window, or was lost and not yet sent
/// again, does not keep it from SHUTDOWN or SHUTDOWN ACK, which are to wait "until all outstanding
/// data has been acknowledged by its peer" (RFC 9260 §9.2). That data comes when nobody takes it.
fn send_last(pair: &mut Pair) {
    for number in 0..8 {
        pair.say(Side::Theirs, number % 3, 1_000);
    }
    if pair.link.loss_percent > 0 {
        pair.settle();
    }
    for number in 0..30 {
        pair.say(Side::Ours, number % 3, 10_000);
    }
}

pub(crate) fn shut_down(pair: &mut Pair, side: Side) {
    match side {
        Side::Ours => pair.ours.shutdown(pair.now),
        Side::Theirs => pair.theirs.shutdown(),
    }
}

/// Both have ended in good order. dcsctp may say more: a packet that the end overtook has a wrong tag.
pub(crate) fn is_shut_down(pair: &Pair) -> bool {
    let aborted = |event: &SocketEvent| matches!(event, SocketEvent::OnAborted(..));
    let closed = |event: &SocketEvent| matches!(event, SocketEvent::OnClosed());
    pair.our_events.contains(&Event::Closed(CloseReason::Shutdown))
        && pair.theirs.state() == SocketState::Closed
        && pair.their_events.iter().any(closed)
        && !pair.their_events.iter().any(aborted)
}

#[test]
fn a_shutdown_of_either_side_waits_for_the_data_of_both() {
    for seed in 0..3 {
        for all in [true, false] {
            for side in SIDES {
                let mut pair = new(seed, Link::default(), all);
                send_last(&mut pair);
                shut_down(&mut pair, side);
                pair.until("the end", |pair| is_shut_down(pair));
                pair.check();
                pair.check_their_errors();
                // §9.2. A → SHUTDOWN → Z; Z → SHUTDOWN ACK → A; A → SHUTDOWN COMPLETE → Z. The first
                // may be early: to I-DATA dcsctp answers with SACK alone, and not SHUTDOWN too.
                let chart = pair.log.iter().map(|(side, packet)| (*side, kinds(packet)));
                let chart: Vec<_> = chart.collect();
                let shutdown = |(by, kinds): &(Side, Vec<ChunkType>)| {
                    *by == side && kinds.contains(&ChunkType::Shutdown)
                };
                assert!(chart.iter().any(shutdown), "seed {seed}, {all}");
                let last = [
                    (side.other(), vec![ChunkType::ShutdownAck]),
                    (side, vec![ChunkType::ShutdownComplete]),
                ];
                assert!(chart.ends_with(&last), "seed {seed}, {all}");
            }
        }
    }
}

#[test]
fn a_shutdown_of_both_sides_at_once_ends_both() {
    for seed in 0..seeds() {
        for all in [true, false] {
            let link = if seed == 0 { Link::default() } else { Link::lossy(10) };
            let mut pair = new(seed, link, all);
            send_last(&mut pair);
            pair.settle();
            SIDES.iter().for_each(|side| shut_down(&mut pair, *side));
            pair.until("the end", |pair| is_shut_down(pair));
            pair.check();
        }
    }
}

#[test]
fn a_shutdown_survives_the_loss_of_any_of_its_packets() {
    for seed in 0..seeds() {
        for all in [true, false] {
            for side in SIDES {
                let mut pair = new(seed, Link::lossy(10), all);
                send_last(&mut pair);
                shut_down(&mut pair, side);
                pair.until("the end", |pair| is_shut_down(pair));
                pair.check();
            }
        }
    }
}

#[test]
fn an_abort_of_ours_ends_dcsctp_at_once() {
    for seed in 0..3 {
        for all in [true, false] {
            let mut pair = new(seed, Link::default(), all);
            send_last(&mut pair);
            pair.ours.abort(pair.now, "enough");
            pair.until("the end", |pair| pair.theirs.state() == SocketState::Closed);
            let Some(SocketEvent::OnAborted(kind, said)) = pair.their_events.last() else {
                panic!("{:?}", pair.their_events);
            };
            assert_eq!(*kind, ErrorKind::PeerReported);
            assert!(said.contains("enough"), "{said}");
            assert_eq!(pair.our_events.last(), Some(&Event::Closed(CloseReason::Aborted)));
            pair.check_what_came();
        }
    }
}

#[test]
fn an_abort_of_dcsctp_ends_ours_at_once() {
    for seed in 0..3 {
        for all in [true, false] {
            let mut pair = new(seed, Link::default(), all);
            send_last(&mut pair);
            pair.theirs.close();
            pair.until("the end", |pair| pair.ours.close_reason().is_some());
            let reason = CloseReason::AbortedByPeer {
                cause: Some(ErrorCause::UserInitiatedAbort),
                reason: "Close called".into(),
            };
            assert_eq!(pair.our_events.last(), Some(&Event::Closed(reason)));
            pair.check_what_came();
        }
    }
}
