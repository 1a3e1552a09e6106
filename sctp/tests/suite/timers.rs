//! RFC 9260 §6.3: the retransmission timer.

use crate::lone::{Lone, lines, timed};
use crate::pair::{chunk, ms, origin, plain, seed};
use peerless_sctp::{Association, Config, CongestionControl};
use std::time::Duration;

/// Nothing but T3-rtx: no heartbeats.
fn config() -> Config {
    let mut config = plain();
    config.heartbeat_interval = None;
    config.congestion_control = CongestionControl::NewReno;
    config
}

/// The formulas by themselves: no least timeout to speak of, and a peer that answers at once.
fn bare() -> Config {
    let mut config = config();
    config.rto_min = ms(1);
    config.peer_sack_delay = ms(1);
    config
}

fn rto(lone: &Lone) -> Duration {
    lone.z.stats().retransmission_timeout
}

/// Z's `number`th chunk is acknowledged after so many milliseconds.
fn exchange(lone: &mut Lone, number: i32, rtt: u64) {
    lone.send(10);
    assert_eq!(lines(&lone.now()), ["Data"]);
    assert!(lone.wait(ms(rtt)).is_empty());
    lone.take_sack(number, 100_000, &[]);
}

#[test]
fn the_timeout_is_as_configured_before_anything_was_measured() {
    // C1.
    let mut config = config();
    config.rto_initial = ms(700);
    let client = Association::client(config, origin(), seed(1, 0));
    assert_eq!(client.stats().retransmission_timeout, ms(700));
}

#[test]
fn the_timeout_follows_the_formulas() {
    // C2: SRTT = R, RTTVAR = R / 2, RTO = SRTT + 4 · RTTVAR.
    let mut lone = Lone::new(&bare());
    exchange(&mut lone, 0, 24);
    assert_eq!(rto(&lone), ms(24 + 48));
    // C3: RTTVAR = 3/4 · 12 + 1/4 · |24 − 40| = 13, SRTT = 7/8 · 24 + 1/8 · 40 = 26.
    exchange(&mut lone, 1, 40);
    assert_eq!(lone.z.stats().smoothed_round_trip_time, Some(ms(26)));
    assert_eq!(rto(&lone), ms(26 + 4 * 13));
}

#[test]
fn the_timeout_has_a_least_and_a_greatest_value() {
    // C6.
    let mut config = bare();
    config.rto_min = ms(150);
    let mut lone = Lone::new(&config);
    exchange(&mut lone, 0, 1);
    assert_eq!(rto(&lone), ms(150));
    // G1: while nothing varies it is the round trip and what a peer may hold its SACK back.
    let mut lone = Lone::new(&self::config());
    for number in 0..100 {
        exchange(&mut lone, number, 60);
    }
    assert_eq!(rto(&lone), ms(260));
    // C7, E2.
    let mut config = self::config();
    config.rto_max = ms(1000);
    let mut lone = Lone::new(&config);
    lone.send(10);
    let made = lone.wait(ms(4000));
    let expected = [0, 220, 660, 1540, 2540, 3540].map(|at| format!("{at} Data"));
    assert_eq!(timed(&made), expected);
}

#[test]
fn what_was_sent_twice_measures_nothing() {
    // C5, Karn's algorithm; and §6.3.3: the timeout stays backed off until there is a measurement.
    let mut lone = Lone::new(&config());
    exchange(&mut lone, 0, 40);
    assert_eq!(rto(&lone), ms(240));
    lone.send(10);
    lone.now();
    assert_eq!(lines(&lone.wait(ms(250))), ["Data"]);
    lone.wait(ms(3));
    lone.take_sack(1, 100_000, &[]);
    let stats = lone.z.stats();
    assert_eq!(stats.latest_round_trip_time, Some(ms(40)));
    assert_eq!(rto(&lone), ms(480));
    exchange(&mut lone, 2, 40);
    assert_eq!(rto(&lone), ms(240), "the doubling collapses");
}

#[test]
fn a_repeated_handshake_measures_nothing() {
    // C5 for INIT: the answer may be one to either.
    let now = origin();
    let mut client = Association::client(config(), now, seed(1, 0));
    let mut buf = Vec::new();
    client.poll_transmit(now, &mut buf).unwrap();
    let tag = u32::from_be_bytes(buf[16..20].try_into().unwrap());
    let later = now + ms(500);
    client.handle_timeout(later);
    assert!(client.poll_transmit(later, &mut Vec::new()).is_some());
    let value = crate::refusals::init(7, 5_000, 1, 1, &[0, 7, 0, 8, 1, 2, 3, 4]);
    let init_ack = crate::pair::packet(tag, &chunk(2, 0, &value));
    client.handle_datagram(later + ms(30), &init_ack);
    assert_eq!(client.stats().latest_round_trip_time, None);
}

#[test]
fn the_timer_starts_with_the_first_chunk_and_stops_with_the_last_acknowledged() {
    // R1, R2. A → DATA 0; 100 ms; A → DATA 1; the timer runs out 220 ms after 0
    let mut lone = Lone::new(&config());
    lone.send(10);
    lone.now();
    lone.wait(ms(100));
    lone.send(10);
    let made = lone.wait(ms(150));
    assert_eq!(timed(&made), ["100 Data", "220 Data Data"]);
    lone.take_sack(1, 100_000, &[]);
    assert_eq!(lone.z.poll_timeout(), None);
}

#[test]
fn the_timer_starts_anew_when_the_earliest_chunk_is_acknowledged() {
    // R3. A → DATA 0, 1; 60 ms; Z → SACK 0; the timer runs out an RTO of 60 + 200 later
    let mut lone = Lone::new(&config());
    lone.send(1_000);
    lone.send(1_000);
    lone.now();
    lone.wait(ms(60));
    lone.take_sack(0, 100_000, &[]);
    assert_eq!(timed(&lone.wait(ms(500)))[0], "320 Data");
}

#[test]
fn the_timer_starts_anew_when_anything_is_acknowledged() {
    // Beyond R3: a gap block is enough, since what is lost is found by what arrives (RFC 8985).
    let mut lone = Lone::new(&config());
    for _ in 0..3 {
        lone.send(1_000);
    }
    lone.round();
    lone.wait(ms(190));
    // Just before it would run out, 220 ms after 0 was sent.
    lone.take_sack(-1, 100_000, &[(2, 3)]);
    assert_eq!(lone.wait(ms(30)).len(), 0);
    assert_eq!(lone.z.stats().timeouts, 0);
}

#[test]
fn the_timer_starts_anew_when_the_earliest_chunk_is_sent_again() {
    // §6.1. A → DATA 0 ✗, 1, 2 → Z; Z → SACK [1, 2]; A → DATA 0 ✗ when it is a quarter of a round
    // trip late, and ✗ ✗ as probes, after two round trips and four; the timer runs out a timeout after
    // the last.
    let mut lone = Lone::new(&config());
    for _ in 0..3 {
        lone.send(1_000);
    }
    lone.round();
    lone.round();
    lone.take_sack(-1, 100_000, &[(2, 3)]);
    let made = lone.wait(ms(2000));
    assert_eq!(lone.numbers(&made[0].bytes), [0]);
    assert!(made[0].at > ms(40), "{made:?}");
    let times = [0, 80, 80 + 160, 80 + 160 + 240].map(|after| made[0].at + ms(after));
    for (made, at) in made.iter().zip(times) {
        assert_eq!((lone.numbers(&made.bytes), made.at), (vec![0], at));
    }
}

#[test]
fn the_timer_does_not_start_anew_when_a_later_chunk_is_sent_again() {
    // §6.1: "Otherwise, the data sender MUST NOT restart the timer". A → DATA 1 ✗, 2 ✗; the probe of
    // the tail: DATA 2 ✗; the timer runs out a timeout after DATA 1.
    let mut lone = Lone::new(&config());
    exchange(&mut lone, 0, 40);
    lone.send(1_000);
    lone.send(1_000);
    let sent = lone.round();
    assert_eq!(lone.numbers(&sent[0].bytes), [1]);
    let made = lone.wait(ms(400));
    assert_eq!(lone.numbers(&made[0].bytes), [2]);
    assert_eq!(lone.numbers(&made[1].bytes), [1]);
    assert_eq!(made[1].at, sent[0].at + ms(240));
}

#[test]
fn an_expired_timer_repeats_one_packet_of_the_earliest_chunks() {
    // E1 to E3; §7.2.1: "only one packet is allowed to be in flight until successful acknowledgement".
    let mut config = config();
    config.initial_window = 20;
    let mut lone = Lone::new(&config);
    for _ in 0..10 {
        lone.send(300);
        lone.now();
    }
    lone.round();
    let made = lone.wait(ms(1000));
    assert_eq!(timed(&made), ["220 Data Data Data", "660 Data Data Data"]);
    assert!(made.iter().all(|made| lone.numbers(&made.bytes) == [0, 1, 2]));
    let stats = lone.z.stats();
    assert_eq!(stats.congestion_window, 1148);
    assert_eq!(stats.slow_start_threshold, Some(4 * 1148), "half of 1148 would be less");
    // "Any DATA chunks that … did not fit … SHOULD be marked for retransmission and sent as soon as
    // cwnd allows (normally, when a SACK chunk arrives)."
    lone.take_sack(2, 100_000, &[]);
    let made = lone.round();
    let numbers: Vec<_> = made.iter().flat_map(|made| lone.numbers(&made.bytes)).collect();
    assert_eq!(numbers[..3], [3, 4, 5]);
}

#[test]
fn one_chunk_that_leaves_room_is_one_packet_all_the_same() {
    // §7.2.3: "ensure that no more than one SCTP packet will be in flight". Chunks of 1016 bytes in a
    // window of 1148.
    let mut lone = Lone::new(&config());
    for _ in 0..5 {
        lone.send(1_000);
    }
    assert_eq!(lone.round().len(), 5);
    let made = lone.wait(ms(300));
    assert_eq!(made.len(), 1);
    assert_eq!(lone.numbers(&made[0].bytes), [0]);
}

#[test]
fn each_expiration_waits_twice_as_long() {
    // E2.
    let mut lone = Lone::new(&config());
    lone.send(10);
    let made = lone.wait(ms(3500));
    let expected = [0, 220, 660, 1540, 3300].map(|at| format!("{at} Data"));
    assert_eq!(timed(&made), expected);
    assert_eq!(rto(&lone), ms(220 * 16));
}

#[test]
fn half_the_window_is_the_threshold_after_a_timeout() {
    // E1, §7.2.3: ssthresh = max(cwnd / 2, 4 · PMDCS).
    let mut config = config();
    config.initial_window = 40;
    let mut lone = Lone::new(&config);
    lone.send(10);
    lone.wait(ms(300));
    let stats = lone.z.stats();
    assert_eq!(stats.slow_start_threshold, Some(20 * 1148));
    assert_eq!(stats.congestion_window, 1148);
}
