//! RFC 7053: where a sender asks for a SACK at once.

use crate::lone::{Lone, Made, data_of};
use crate::pair::{Side, associations, message, ms, plain};
use peerless_sctp::CongestionControl;

/// Whether each DATA chunk has the I bit.
fn asked(made: &[Made]) -> Vec<bool> {
    made.iter().flat_map(|made| data_of(&made.bytes)).map(|data| data.is_immediate()).collect()
}

#[test]
fn an_ordinary_chunk_does_not_ask() {
    let mut lone = Lone::new(&plain());
    lone.send(3_000);
    assert_eq!(asked(&lone.round()), [false; 3]);
}

#[test]
fn the_chunk_that_fills_the_congestion_window_asks() {
    // §5.1.2: "The sending of a DATA chunk fills the congestion or receiver window."
    let mut config = plain();
    config.congestion_control = CongestionControl::NewReno;
    config.initial_window = 3;
    let mut lone = Lone::new(&config);
    lone.send(10_000);
    assert_eq!(asked(&lone.round()), [false, false, true]);
}

#[test]
fn the_chunk_that_fills_the_peers_window_asks() {
    let mut lone = Lone::new(&plain());
    lone.take_sack(-1, 3_000, &[]);
    lone.send(10_000);
    assert_eq!(asked(&lone.round()), [false, true]);
}

#[test]
fn chunks_during_a_shutdown_ask() {
    // §5.1.2: "The sender is in the SHUTDOWN-PENDING state."
    let mut lone = Lone::new(&plain());
    lone.send(2_000);
    lone.z.shutdown(lone.now);
    assert_eq!(asked(&lone.round()), [true; 2]);
}

#[test]
fn what_is_sent_again_asks() {
    let mut lone = Lone::new(&plain());
    lone.send(10);
    lone.now();
    assert_eq!(asked(&lone.next(ms(1000))), [true]);
}

#[test]
fn data_with_the_cookie_asks() {
    let mut pair = associations(&plain(), 1);
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(0, 10, 1)).unwrap();
    pair.run(ms(100));
    let log = pair.log.as_ref().unwrap();
    let (_, packet) =
        log.iter().find(|(side, packet)| *side == Side::A && packet[12] == 10).unwrap();
    assert!(data_of(packet)[0].is_immediate());
}
