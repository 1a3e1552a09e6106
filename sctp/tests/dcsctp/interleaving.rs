//! RFC 8260: I-DATA where both sides have it, and messages of all sizes either way.

use crate::pair::{Begins, EACH, Link, Pair, SIDES, Side, data_of, seeds};
use bytes::Bytes;
use dcsctp::api::{Message, Options, PpId, SendError, SendOptions, StreamId};
use peerless_sctp::chunk::data::Form;
use peerless_sctp::{Config, Order, Outgoing, Reliability, SendError as OurSendError};

pub(crate) fn config(interleaving: bool) -> Config {
    let mut config = Config::default();
    config.interleaving = interleaving;
    config
}

pub(crate) fn options(interleaving: bool) -> Options {
    Options { enable_message_interleaving: interleaving, ..Options::default() }
}

/// What fits into a packet of either side and what does not, for both headers, is among them.
fn sizes() -> impl Iterator<Item = usize> {
    let small = [1, 2, 3, 4, 5, 7, 100, 576];
    let packets = 1120..=1170;
    let large = [2_048, 16_384, 65_535, 65_536, 262_143, 262_144];
    small.into_iter().chain(packets).chain(large)
}

fn send_all_sizes(pair: &mut Pair) {
    for side in SIDES {
        for len in sizes() {
            pair.say(side, 0, len);
            pair.send(side, 1, len, Order::Unordered, Reliability::Reliable);
        }
    }
}

/// The chunks that a side sent are those of one form.
fn check_form(pair: &Pair, form: Form) {
    let mut count = [0; 2];
    for (side, packet) in &pair.log {
        for data in data_of(packet) {
            assert_eq!(data.form, form, "{side:?}");
            count[*side as usize] += 1;
        }
    }
    assert!(count[0] > 100 && count[1] > 100, "{count:?}");
}

#[test]
fn messages_are_interleaved_where_both_sides_can_and_otherwise_not() {
    for begins in EACH {
        for (we, they) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut pair = Pair::connected(begins, &config(we), &options(they));
            send_all_sizes(&mut pair);
            pair.settle();
            pair.check_their_errors();
            let both = we && they;
            assert_eq!(pair.ours.interleaves(), both);
            assert_eq!(pair.theirs.get_metrics().unwrap().uses_message_interleaving, both);
            check_form(&pair, if both { Form::IData } else { Form::Data });
        }
    }
}

#[test]
fn messages_of_all_sizes_arrive_through_loss() {
    for seed in 0..seeds().div_ceil(5) {
        for interleaving in [true, false] {
            let begins = EACH[seed as usize % 3];
            let (config, options) = (config(interleaving), options(interleaving));
            let mut pair = Pair::new(begins, &config, &options, Link::lossy(2), seed);
            pair.connect();
            send_all_sizes(&mut pair);
            pair.settle();
            pair.check_their_errors();
        }
    }
}

#[test]
fn a_small_message_overtakes_a_large_one_of_another_stream() {
    for side in SIDES {
        let mut pair = Pair::connected(Begins::We, &config(true), &options(true));
        pair.say(side, 0, 256 << 10);
        pair.say(side, 1, 100);
        pair.until("the small message", |pair| !pair.of(side).heard().is_empty());
        assert_eq!(pair.of(side).heard(), [1], "{side:?}");
        pair.settle();
        assert_eq!(pair.of(side).heard(), [1, 0], "{side:?}");
    }
}

#[test]
fn neither_side_sends_an_empty_message() {
    // SCTP cannot carry one (RFC 9260 §6.2); channels say a byte for it (RFC 8831 §6.6).
    let mut pair = Pair::connected(Begins::We, &config(true), &options(true));
    let refused = pair.ours.send(pair.now, Outgoing::new(0, 57, Bytes::new()));
    assert!(matches!(refused, Err(OurSendError::Empty { .. })));
    let empty = Message::new(StreamId(0), PpId(57), Vec::new());
    let refused = pair.theirs.send(empty, &SendOptions::default());
    assert_eq!(refused, Err(SendError::EmptyPayload));
    pair.their_events.clear();
    pair.say(Side::Ours, 0, 1);
    pair.settle();
}
