//! RFC 3758: messages that are given up.

use crate::interleaving::{config, options};
use crate::pair::{EACH, Link, Pair, SIDES, Side, ms, seeds};
use peerless_sctp::{Order, Reliability};
use rand::RngExt;

/// Seconds of messages each way, of which those on streams below 8 may be lost; gives the pair.
fn talk(seed: u64, interleaving: bool, kinds: &[Reliability]) -> Pair {
    let begins = EACH[seed as usize % 3];
    let (config, options) = (config(interleaving), options(interleaving));
    let mut pair = Pair::new(begins, &config, &options, Link::lossy(10), seed);
    pair.connect();
    for _ in 0..100 {
        for side in SIDES {
            let kind = pair.rng.random_range(0..kinds.len());
            // A packet, or a few.
            let len = pair.rng.random_range(1..4_000);
            let order = if pair.rng.random() { Order::Ordered } else { Order::Unordered };
            let mut reliability = kinds[kind];
            if matches!(reliability, Reliability::MaxPacketLifeTime(_))
                && !pair.has_lifetimes(side, order)
            {
                reliability = Reliability::MaxRetransmits(0);
            }
            pair.send(side, kind as u16, len, order, reliability);
            let len = pair.rng.random_range(1..500);
            pair.say(side, 8, len);
        }
        pair.run(ms(20));
    }
    pair.settle();
    pair.check_their_errors();
    pair
}

/// Some went missing of both sides, and no more than may.
fn check_missing(pair: &Pair, seed: u64) {
    // dcsctp waits for its timeout, 400 ms at least, and then lifetimes are over.
    for (side, least) in [(Side::Ours, 120), (Side::Theirs, 101)] {
        let (heard, sent) = (pair.of(side).heard().len(), pair.of(side).sent());
        assert_eq!(sent, 200);
        assert!((least..200).contains(&heard), "seed {seed}, {side:?}: {heard} of {sent}");
    }
    let abandoned = pair.ours.stats().messages_abandoned;
    assert!(abandoned > 0, "seed {seed}");
}

#[test]
fn messages_that_are_never_sent_again_come_once_or_not_at_all() {
    let kinds = [Reliability::MaxRetransmits(0)];
    for seed in 0..seeds() {
        for interleaving in [true, false] {
            check_missing(&talk(seed, interleaving, &kinds), seed);
        }
    }
}

/// Of two round trips at the longest: what is lost may be sent again once.
const LIFETIMES: [Reliability; 3] = [
    Reliability::MaxPacketLifeTime(ms(5)),
    Reliability::MaxPacketLifeTime(ms(50)),
    Reliability::MaxPacketLifeTime(ms(140)),
];

#[test]
fn messages_with_a_lifetime_come_once_or_not_at_all() {
    for seed in 0..seeds() {
        for interleaving in [true, false] {
            check_missing(&talk(seed, interleaving, &LIFETIMES), seed);
        }
    }
}

#[test]
fn a_rate_that_few_packets_told_is_not_waited_for() {
    // Slow start ended by the losses of the first packets; the next one waited for a second, and half
    // of the messages expired.
    let seed = 594;
    for interleaving in [true, false] {
        check_missing(&talk(seed, interleaving, &LIFETIMES), seed);
    }
}

#[test]
fn messages_with_a_lifetime_that_leave_at_once_hold_their_stream_up_no_longer() {
    let mut missing = [0; 2];
    for seed in 0..seeds() {
        for interleaving in [true, false] {
            let begins = EACH[seed as usize % 3];
            let (config, options) = (config(interleaving), options(interleaving));
            let mut pair = Pair::new(begins, &config, &options, Link::lossy(20), seed);
            pair.connect();
            // In one chunk, dcsctp's leave whole (`Pair::has_lifetimes`).
            for (side, longest) in [(Side::Ours, 3_000), (Side::Theirs, 1_000)] {
                for _ in 0..20 {
                    let lifetime =
                        Reliability::MaxPacketLifeTime(ms(pair.rng.random_range(1..100)));
                    let len = pair.rng.random_range(1..longest);
                    pair.send(side, 0, len, Order::Ordered, lifetime);
                    pair.say(side, 0, 100);
                    pair.settle();
                }
                missing[side as usize] += pair.of(side).sent() - pair.of(side).heard().len();
            }
            pair.check_their_errors();
        }
    }
    assert!(missing.iter().all(|missing| *missing > 0), "{missing:?}");
}

#[test]
fn messages_of_every_reliability_share_an_association() {
    let kinds = [
        Reliability::Reliable,
        Reliability::MaxRetransmits(0),
        Reliability::MaxRetransmits(1),
        Reliability::MaxRetransmits(5),
        Reliability::MaxPacketLifeTime(ms(10)),
        Reliability::MaxPacketLifeTime(ms(1_000)),
    ];
    for seed in 0..seeds() {
        let pair = talk(seed, seed % 2 == 0, &kinds);
        for side in SIDES {
            assert!(
                pair.of(side).heard().len() >= 120,
                "seed {seed}, {side:?}: {}",
                pair.of(side).heard().len()
            );
        }
    }
}
