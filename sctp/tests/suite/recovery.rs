//! RFC 8985: losses found by when packets were sent (RACK), and the tail that is probed (TLP).

use crate::lone::{Lone, sack, timed};
use crate::pair::{ms, plain};
use peerless_sctp::{Config, CongestionControl};
use std::time::Duration;

fn config() -> Config {
    let mut config = plain();
    config.heartbeat_interval = None;
    config.initial_window = 100;
    config.congestion_control = CongestionControl::NewReno;
    config
}

/// Z, which has measured a round trip of 40 ms and has sent so many chunks since, each in a packet.
/// They are numbered from 1.
fn flight(count: usize) -> Lone {
    let mut lone = Lone::new(&config());
    lone.send(10);
    lone.now();
    lone.wait(ms(40));
    lone.take_sack(0, 1_000_000, &[]);
    assert_eq!(lone.z.stats().smoothed_round_trip_time, Some(ms(40)));
    for _ in 0..count {
        lone.send(900);
    }
    let made = lone.round();
    assert_eq!(made.len(), count);
    lone
}

/// The numbers of what Z sends in this time, and when.
fn numbers(lone: &mut Lone, time: Duration) -> Vec<(u128, u32)> {
    let made = lone.wait(time);
    let each = made.iter().flat_map(|made| {
        let at = made.at.as_millis();
        lone.numbers(&made.bytes).into_iter().map(move |number| (at, number))
    });
    each.collect()
}

#[test]
fn a_packet_is_lost_a_quarter_of_a_round_trip_after_a_later_one() {
    // §6.2 step 5. A → DATA 1 ✗, 2 → Z; Z → SACK [2]; 50 ms after it was sent 1 goes again.
    let mut lone = flight(2);
    lone.round();
    lone.take_sack(0, 1_000_000, &[(2, 2)]);
    assert_eq!(lone.numbers_now().len(), 0);
    let sent = numbers(&mut lone, ms(30));
    assert_eq!((sent.len(), sent[0].1), (1, 1));
    // A round trip of about 40 ms and a quarter of it, from 40 ms on.
    assert!((88..=92).contains(&sent[0].0), "{sent:?}");
}

#[test]
fn a_path_that_reorders_is_given_that_time_for_each_packet() {
    // §6.2 step 4: "if the connection has observed reordering … DupThresh" does not count any more.
    let mut lone = flight(10);
    lone.round();
    lone.take_sack(0, 1_000_000, &[(3, 3)]);
    // 1 and 2 come after 3.
    lone.take_sack(3, 1_000_000, &[]);
    lone.take_sack(3, 1_000_000, &[(2, 7)]);
    assert_eq!(lone.numbers_now().len(), 0, "six later ones have arrived");
    let sent = numbers(&mut lone, ms(30));
    assert_eq!(sent.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [4]);
}

#[test]
fn a_needless_retransmission_makes_the_window_wider() {
    // §6.2 step 4: each report of a duplicate adds a quarter of the least round trip. It is 50 ms late
    // here after one, and 60 ms after two.
    let mut late = Vec::new();
    for reports in 0..3 {
        let mut lone = flight(6);
        lone.round();
        lone.take_sack(0, 1_000_000, &[(2, 6)]);
        assert_eq!(lone.numbers_now(), [[1]]);
        lone.round();
        // It had arrived, late.
        lone.take_sack(6, 1_000_000, &[]);
        for _ in 0..reports {
            let twice = lone.tsn_z.wrapping_add(1);
            lone.take(&sack(lone.tsn_z.wrapping_add(6), 1_000_000, &[], &[twice]));
        }
        let begin = lone.now;
        for _ in 0..6 {
            lone.send(900);
        }
        lone.round();
        lone.round();
        lone.take_sack(6, 1_000_000, &[(2, 6)]);
        let sent = lone.next(ms(200));
        assert_eq!(lone.numbers(&sent[0].bytes), [7]);
        late.push((lone.now - begin).as_millis());
    }
    assert!(late.is_sorted() && late[2] > late[0], "{late:?}");
}

#[test]
fn the_tail_is_probed_after_two_round_trips() {
    // §7.2: PTO = 2 · SRTT. A → DATA 1, 2 ✗; 80 ms after the last of them: DATA 2
    let mut lone = flight(2);
    let sent = numbers(&mut lone, ms(100));
    assert_eq!((sent.len(), sent[0].1), (1, 2), "the last one again");
    assert!((118..=125).contains(&sent[0].0), "{sent:?}");
    let stats = lone.z.stats();
    assert_eq!((stats.probes, stats.timeouts, stats.chunks_retransmitted), (1, 0, 1));
    // The next one would be later than T3-rtx is.
    lone.wait(ms(500));
    assert!(lone.z.stats().timeouts > 0);
    assert_eq!(lone.z.stats().probes, 1);
}

#[test]
fn the_answer_to_a_probe_shows_what_was_lost_before_it() {
    // A → DATA 1 ✗, 2 ✗; DATA 2 (probe) → Z; Z → SACK [2]; A → DATA 1: no timeout
    let mut lone = flight(2);
    assert_eq!(numbers(&mut lone, ms(100)).len(), 1);
    lone.take_sack(0, 1_000_000, &[(2, 2)]);
    let sent = numbers(&mut lone, ms(60));
    assert_eq!(sent.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1]);
    assert_eq!(lone.z.stats().timeouts, 0);
}

#[test]
fn new_data_is_the_better_probe() {
    // §7.3: "If a previously unsent segment exists AND the receive window allows: transmit that".
    let mut lone = Lone::new(&{
        let mut config = config();
        config.initial_window = 2;
        config
    });
    lone.send(10);
    lone.now();
    lone.wait(ms(40));
    lone.take_sack(0, 1_000_000, &[]);
    for _ in 0..10 {
        lone.send(1_000);
    }
    let first = lone.round();
    let last =
        *first.iter().flat_map(|made| lone.numbers(&made.bytes)).max().iter().next().unwrap();
    let sent = numbers(&mut lone, ms(120));
    assert_eq!(sent.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [last + 1]);
    assert_eq!(lone.z.stats().chunks_retransmitted, 0);
}

#[test]
fn a_single_packet_may_wait_for_the_receivers_timer() {
    // §7.2: with one packet in flight the peer's longest delay is added; T3-rtx comes first here.
    let mut lone = flight(1);
    lone.wait(ms(400));
    let stats = lone.z.stats();
    assert_eq!((stats.probes, stats.timeouts), (0, 1));
}

#[test]
fn each_probe_waits_twice_as_long() {
    // RFC 9002 §6.2.1. A round trip of 20 ms: the probes are 40, 80 and 160 ms apart, and T3-rtx, 220
    // ms after the first packet, comes before the third.
    let mut lone = Lone::new(&config());
    for number in 0..20 {
        lone.send(10);
        lone.now();
        lone.wait(ms(20));
        lone.take_sack(number, 1_000_000, &[]);
    }
    lone.send(900);
    lone.send(900);
    let first = lone.round()[0].at;
    let made = lone.wait(ms(260));
    let after: Vec<_> = made.iter().map(|made| (made.at - first).as_millis()).collect();
    println!("{}", timed(&made).join(" "));
    assert!(matches!(after[..], [40..=50, 120..=130, 220]), "{after:?}");
    let stats = lone.z.stats();
    assert_eq!((stats.probes, stats.timeouts), (2, 1));
}

#[test]
fn what_is_sent_again_and_lost_is_probed() {
    // A → DATA 1 ✗, 2 … 6 → Z; Z → SACK [2–6]; A → DATA 1 ✗; two round trips later: DATA 1
    let mut lone = flight(6);
    lone.round();
    lone.take_sack(0, 1_000_000, &[(2, 6)]);
    assert_eq!(lone.numbers_now(), [[1]]);
    let sent = numbers(&mut lone, ms(200));
    println!("{sent:?}");
    assert_eq!(sent.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1]);
    // It is the earliest, and T3-rtx a timeout later.
    assert_eq!(lone.z.stats().timeouts, 0);
}

#[test]
fn a_needless_probe_says_nothing_of_the_path() {
    // §7.4.2: it was needless, and that is all. The SACK of both chunks was lost; three later packets
    // show a loss as before.
    let mut lone = flight(2);
    let sent = numbers(&mut lone, ms(100));
    assert_eq!(sent[0].1, 2, "the probe");
    let twice = lone.tsn_z.wrapping_add(2);
    lone.take(&sack(twice, 1_000_000, &[], &[twice]));
    for _ in 0..4 {
        lone.send(900);
    }
    assert_eq!(lone.round().len(), 4);
    lone.take_sack(2, 1_000_000, &[(2, 4)]);
    assert_eq!(lone.numbers_now(), [[3]], "at once");
}
