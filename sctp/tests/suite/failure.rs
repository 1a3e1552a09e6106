//! RFC 9260 §8.1 to §8.3: counting timeouts, and heartbeats.

use crate::lone::{Lone, lines, timed, value_of};
use crate::pair::{chunk, connected, message, ms, plain};
use peerless_sctp::chunk::ChunkType;
use peerless_sctp::{CloseReason, Config, Event, State};
use std::time::Duration;

fn config(interval: Option<Duration>, max_retransmits: u32) -> Config {
    let mut config = plain();
    config.heartbeat_interval = interval;
    config.max_retransmits = max_retransmits;
    config
}

/// Z takes the answer to the HEARTBEAT in a packet of its own.
fn answer(lone: &mut Lone, heartbeat: &[u8]) {
    let value = value_of(heartbeat, ChunkType::Heartbeat).unwrap();
    lone.take(&chunk(5, 0, value));
}

#[test]
fn a_peer_that_acknowledges_nothing_is_gone_after_so_many_timeouts() {
    // §8.1: "If the value of this counter exceeds … 'Association.Max.Retrans'".
    let mut lone = Lone::new(&config(None, 3));
    lone.send(10);
    let made = lone.wait(Duration::from_secs(60));
    assert_eq!(lines(&made), ["Data", "Data", "Data", "Data", "Abort"]);
    assert_eq!(lone.z.stats().timeouts, 4);
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::TimedOut));
    assert_eq!(lone.z.poll_event(), Some(Event::Closed(CloseReason::TimedOut)));
    assert_eq!((lone.z.poll_timeout(), lone.z.total_buffered_amount()), (None, 0));
}

#[test]
fn the_counter_begins_again_when_data_is_acknowledged() {
    // §8.1: "MUST be reset each time a DATA chunk sent to that peer endpoint is acknowledged".
    let mut lone = Lone::new(&config(None, 1));
    for number in 0..5 {
        lone.send(10);
        assert_eq!(lines(&lone.now()), ["Data"]);
        assert_eq!(lines(&lone.next(Duration::from_secs(10))), ["Data"]);
        lone.take_sack(number, 100_000, &[]);
    }
    assert_eq!((lone.z.state(), lone.z.stats().timeouts), (State::Established, 5));
    // One that acknowledges nothing new does not count.
    lone.send(10);
    for _ in 0..300 {
        lone.wait(ms(100));
        lone.take_sack(4, 100_000, &[]);
    }
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::TimedOut));
}

#[test]
fn an_idle_path_is_asked_once_in_an_interval_and_a_timeout() {
    // §8.3: "once per RTO of that destination address plus the protocol parameter 'HB.interval', with
    // jittering of +/- 50% of the RTO value".
    let mut lone = Lone::new(&config(Some(Duration::from_secs(10)), 10));
    let mut gaps = Vec::new();
    let mut last = Duration::ZERO;
    for _ in 0..20 {
        let made = lone.next(Duration::from_secs(20));
        assert_eq!(lines(&made), ["Heartbeat"]);
        gaps.push((made[0].at - last).as_millis());
        lone.wait(ms(20));
        last = made[0].at + ms(20);
        answer(&mut lone, &made[0].bytes);
    }
    // 20 ms and the peer's SACK delay.
    let bounds = 10_000 + 110..=10_000 + 330;
    assert_eq!(lone.z.stats().retransmission_timeout, ms(220));
    assert!(gaps[1..].iter().all(|gap| bounds.contains(gap)), "{gaps:?}");
    assert!(gaps.windows(2).any(|pair| pair[0] != pair[1]), "{gaps:?}");
}

#[test]
fn a_heartbeat_without_an_answer_counts_and_is_repeated_with_back_off() {
    // §8.1, §8.3: "each time a HEARTBEAT chunk is sent to that address and not acknowledged within one
    // RTO". Repeated after a timeout of twice the length, without another interval.
    let mut lone = Lone::new(&config(Some(Duration::from_secs(10)), 3));
    let made = lone.wait(Duration::from_secs(60));
    assert_eq!(lines(&made), ["Heartbeat", "Heartbeat", "Heartbeat", "Heartbeat", "Abort"]);
    let waits: Vec<_> = made.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect();
    assert_eq!(waits, [waits[0], 2 * waits[0], 4 * waits[0], 8 * waits[0]]);
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::TimedOut));
}

#[test]
fn an_answer_to_a_heartbeat_clears_the_counter_and_measures_the_path() {
    let mut lone = Lone::new(&config(Some(Duration::from_secs(10)), 1));
    for round in 1..=5 {
        let first = lone.next(Duration::from_secs(20)).pop().unwrap();
        assert_eq!(lines(std::slice::from_ref(&first)), ["Heartbeat"]);
        // One of another time is none.
        let mut wrong = value_of(&first.bytes, ChunkType::Heartbeat).unwrap().to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        lone.take(&chunk(5, 0, &wrong));
        // The first one is not answered in time, the second one is.
        let second = lone.next(Duration::from_secs(20));
        lone.wait(ms(30 + round));
        let expected = lone.now_since(second[0].at);
        answer(&mut lone, &second[0].bytes);
        assert_eq!(lone.z.stats().latest_round_trip_time, Some(expected));
    }
    assert_eq!(lone.z.state(), State::Established);
}

#[test]
fn a_heartbeat_comes_back_unchanged() {
    // §8.3: "contains the Heartbeat Information TLV, together with any other received TLVs, copied
    // unchanged".
    let mut lone = Lone::new(&plain());
    let value = [&[0, 1, 0, 9, 1, 2, 3, 4, 5, 0, 0, 0][..], &[0x80, 9, 0, 6, 7, 7, 0, 0]].concat();
    lone.take(&chunk(4, 0, &value));
    let made = lone.now();
    assert_eq!(lines(&made), ["HeartbeatAck"]);
    assert_eq!(value_of(&made[0].bytes, ChunkType::HeartbeatAck), Some(&value[..]));
    // Of two that came between two polls each has its answer: one may be a probe of the packet size.
    lone.take(&chunk(4, 0, &value));
    lone.take(&chunk(4, 0, &[0, 1, 0, 8, 5, 5, 5, 5]));
    assert_eq!(lines(&lone.now()), ["HeartbeatAck HeartbeatAck"]);
}

#[test]
fn no_heartbeat_is_sent_while_data_flows_or_where_it_is_turned_off() {
    let mut pair = connected(&config(Some(Duration::from_secs(2)), 10));
    pair.log = Some(Vec::new());
    for _ in 0..40 {
        pair.a.send(pair.now, message(0, 10, 1)).unwrap();
        pair.run(ms(500));
        while pair.z.read(0).is_some() {}
    }
    let chart = crate::pair::chart(pair.log.as_ref().unwrap());
    assert!(chart.iter().all(|line| !line.contains("Heartbeat")), "{chart:?}");
    let mut lone = Lone::new(&config(None, 10));
    assert!(lone.wait(Duration::from_secs(1000)).is_empty());
}

#[test]
fn data_after_a_heartbeat_takes_its_place() {
    // The question that data asks is the same one: a timeout is counted once.
    let mut lone = Lone::new(&config(Some(Duration::from_secs(10)), 10));
    let made = lone.wait(Duration::from_secs(11));
    assert_eq!(lines(&made[..1]), ["Heartbeat"]);
    lone.send(10);
    let chart = timed(&lone.wait(Duration::from_secs(5)));
    assert!(chart.iter().all(|line| line.ends_with("Data")), "{chart:?}");
}
