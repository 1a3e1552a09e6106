//! All of it together, by chance.

use crate::ending::{is_shut_down, shut_down};
use crate::pair::{Begins, EACH, Link, Pair, SIDES, Side, ms, seeds};
use crate::reset::said;
use dcsctp::api::{
    Options, SocketState, StreamId, ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
};
use peerless_sctp::{Config, Order, Reliability};
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

const STREAMS: u16 = 6;

/// Settings and a link by chance.
fn new(seed: u64) -> Pair {
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x6d69_7874);
    let mut config = Config::default();
    config.interleaving = rng.random();
    config.over_dtls = rng.random();
    config.mtu = rng.random_range(576..1400);
    let mut options = Options {
        enable_message_interleaving: rng.random(),
        mtu: rng.random_range(576..1400),
        ..Options::default()
    };
    if rng.random() {
        options.zero_checksum_alternate_error_detection_method =
            ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS;
    }
    let begins: Begins = EACH[rng.random_range(0..3)];
    let link = Link {
        delay: ms(rng.random_range(1..60)),
        jitter: ms(rng.random_range(0..30)),
        loss_percent: rng.random_range(0..=10),
    };
    Pair::new(begins, &config, &options, link, seed)
}

fn send_any(pair: &mut Pair, side: Side, stream: u16) {
    let len = match pair.rng.random_range(0..20) {
        0 => pair.rng.random_range(20_000..60_000),
        1..5 => pair.rng.random_range(1_000..10_000),
        _ => pair.rng.random_range(1..1_000),
    };
    let order = if pair.rng.random_ratio(2, 3) { Order::Ordered } else { Order::Unordered };
    let reliability = match pair.rng.random_range(0..6) {
        0 => Reliability::MaxRetransmits(pair.rng.random_range(0..3)),
        1 if pair.has_lifetimes(side, order) => {
            Reliability::MaxPacketLifeTime(ms(pair.rng.random_range(1..500)))
        }
        _ => Reliability::Reliable,
    };
    pair.send(side, stream, len, order, reliability);
}

/// Which resets were asked for: how often, of each stream of each side.
#[derive(Default)]
struct Resets([[usize; STREAMS as usize]; 2]);

impl Resets {
    /// Whether a stream may be sent on: no reset of it is under way.
    fn is_done(&self, pair: &Pair, side: Side, stream: u16) -> bool {
        let count = self.0[side as usize][usize::from(stream)];
        said(pair, side, stream) == (count, count)
    }

    fn are_done(&self, pair: &Pair) -> bool {
        SIDES.iter().all(|side| (0..STREAMS).all(|stream| self.is_done(pair, *side, stream)))
    }

    fn ask(&mut self, pair: &mut Pair, side: Side, stream: u16) {
        match side {
            Side::Ours => pair.ours.reset_stream(pair.now, stream),
            // It throws away what has not left.
            Side::Theirs if pair.theirs.buffered_amount(StreamId(stream)) > 0 => return,
            Side::Theirs => pair.theirs.reset_streams(&[StreamId(stream)]).unwrap(),
        }
        self.0[side as usize][usize::from(stream)] += 1;
    }
}

#[test]
fn all_of_it_together_loses_nothing_that_is_reliable() {
    for seed in 0..seeds() {
        let mut pair = new(seed);
        let mut resets = Resets::default();
        pair.connect();
        for _ in 0..150 {
            let side = if pair.rng.random() { Side::Ours } else { Side::Theirs };
            let stream = pair.rng.random_range(0..STREAMS);
            if resets.is_done(&pair, side, stream) {
                if pair.rng.random_ratio(1, 8) {
                    resets.ask(&mut pair, side, stream);
                } else {
                    send_any(&mut pair, side, stream);
                }
            }
            let pause = pair.rng.random_range(0..50);
            pair.run(ms(pause));
        }
        pair.until("the resets", |pair| resets.are_done(pair));
        pair.settle();
        pair.check_their_errors();
        assert_eq!(pair.theirs.state(), SocketState::Connected, "seed {seed}");
        let side = if pair.rng.random() { Side::Ours } else { Side::Theirs };
        shut_down(&mut pair, side);
        pair.until("the end", |pair| is_shut_down(pair));
        pair.check();
    }
}
