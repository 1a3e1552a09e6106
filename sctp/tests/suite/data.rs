//! RFC 9260 §6: user data.

use crate::pair::{Side, acquainted, chart, connected, message, ms, plain};
use bytes::Bytes;
use peerless_sctp::{CloseReason, Event, Order, Outgoing, Reliability, SendError, State};
use std::time::Duration;

/// Loses the DATA packets of A whose numbers, counted from 0, are in the list.
fn lose(numbers: &'static [usize]) -> Option<crate::pair::Filter> {
    let mut count = 0;
    Some(Box::new(move |side, packet| {
        if side == Side::A && packet[12] == 0 {
            count += 1;
            return !numbers.contains(&(count - 1));
        }
        true
    }))
}

#[test]
fn a_single_packet_is_acknowledged_after_the_delay() {
    // §6.2. A → DATA → Z, 200 ms, Z → SACK → A
    let mut pair = acquainted(&plain());
    pair.log = Some(Vec::new());
    let start = pair.now;
    pair.a.send(start, message(0, 10, 1)).unwrap();
    pair.run_until(Duration::from_secs(1), |pair| pair.a.total_buffered_amount() == 0);
    assert_eq!(pair.now - start, ms(10 + 200 + 10));
    assert_eq!(chart(pair.log.as_ref().unwrap()), ["A Data", "Z Sack"]);
}

#[test]
fn every_second_packet_is_acknowledged_at_once() {
    let mut pair = connected(&plain());
    pair.log = Some(Vec::new());
    let start = pair.now;
    pair.a.send(start, message(0, 2000, 1)).unwrap();
    pair.run_until(Duration::from_secs(1), |pair| pair.a.total_buffered_amount() == 0);
    assert_eq!(pair.now - start, ms(20));
    assert_eq!(chart(pair.log.as_ref().unwrap()), ["A Data", "A Data", "Z Sack"]);
}

#[test]
fn small_messages_share_a_packet() {
    // §6.10.
    let mut pair = connected(&plain());
    pair.log = Some(Vec::new());
    for _ in 0..9 {
        pair.a.send(pair.now, message(0, 100, 1)).unwrap();
    }
    pair.run(ms(5));
    let expected = format!("A {}", ["Data"; 9].join(" "));
    assert_eq!(chart(pair.log.as_ref().unwrap()), [expected]);
}

#[test]
fn a_sack_goes_along_with_data() {
    let mut pair = acquainted(&plain());
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(0, 10, 1)).unwrap();
    pair.run(ms(15));
    pair.z.send(pair.now, message(0, 10, 1)).unwrap();
    pair.run(ms(15));
    assert_eq!(chart(pair.log.as_ref().unwrap()), ["A Data", "Z Sack Data"]);
}

#[test]
fn messages_of_any_size_up_to_the_limit_arrive() {
    let mut pair = connected(&plain());
    let sizes = [1, 2, 3, 1131, 1132, 1133, 2264, 65_536, 262_144];
    for size in sizes {
        pair.a.send(pair.now, message(5, size, 9)).unwrap();
    }
    pair.run(Duration::from_secs(5));
    for size in sizes {
        let message = pair.z.read(5).unwrap();
        assert_eq!(message.payload.len(), size);
        assert!(message.payload.iter().all(|byte| *byte == 9));
    }
}

#[test]
fn what_cannot_be_sent_comes_back() {
    let mut config = plain();
    config.send_buffer = 300_000;
    let mut pair = connected(&config);
    let now = pair.now;
    let large = message(0, 262_145, 1);
    let error = pair.a.send(now, large.clone()).unwrap_err();
    assert_eq!(error.to_string(), "the message has 262145 bytes, the limit is 262144");
    assert_eq!(error.into_message(), large);
    let empty = Outgoing::new(0, 51, Bytes::new());
    assert!(matches!(pair.a.send(now, empty), Err(SendError::Empty { .. })));
    pair.a.send(now, message(0, 200_000, 1)).unwrap();
    let more = message(0, 200_000, 2);
    let error = pair.a.send(now, more.clone()).unwrap_err();
    assert!(matches!(error, SendError::BufferFull { buffered: 200_000, .. }));
    assert_eq!(error.into_message(), more);
    // What will never go does not wait for room.
    pair.a.send(now, message(0, 90_000, 1)).unwrap();
    let empty = Outgoing::new(0, 51, Bytes::new());
    assert!(matches!(pair.a.send(now, empty), Err(SendError::Empty { .. })));
    let part = message(0, 50_000, 1);
    assert!(matches!(pair.a.begin(now, part), Err(SendError::NeedsInterleaving { .. })));
    pair.run(Duration::from_secs(2));
    pair.a.send(pair.now, more).unwrap();
}

#[test]
fn a_message_beyond_the_receivers_limit_ends_the_association() {
    let mut config = plain();
    config.max_receive_message_size = 10_000;
    let mut pair = connected(&config);
    pair.a.send(pair.now, message(0, 20_000, 1)).unwrap();
    pair.run(Duration::from_secs(2));
    assert!(matches!(pair.z.close_reason(), Some(CloseReason::ProtocolViolation(_))));
    assert!(matches!(pair.a.close_reason(), Some(CloseReason::AbortedByPeer { .. })));
}

#[test]
fn a_lost_packet_is_sent_again_without_waiting_for_the_timer() {
    // §7.2.4. A → DATA 0 ✗, 1, 2, 3 → Z; Z → three SACKs → A; A → DATA 0 → Z
    let mut pair = connected(&plain());
    pair.filter = lose(&[0]);
    let start = pair.now;
    pair.a.send(pair.now, message(0, 5_000, 1)).unwrap();
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.z.read(0).is_some()));
    assert_eq!(pair.now - start, ms(30));
    let stats = pair.a.stats();
    assert_eq!((stats.chunks_retransmitted, stats.timeouts, stats.fast_recoveries), (1, 0, 1));
}

#[test]
fn a_packet_lost_twice_needs_no_timer_while_others_flow() {
    let mut pair = connected(&plain());
    let mut seen = Vec::new();
    // Whatever carries the first chunk is lost twice.
    pair.filter = Some(Box::new(move |side, packet| {
        if side == Side::A && packet[12] == 0 {
            let tsn = packet[16..20].to_vec();
            let first = seen.first().cloned().unwrap_or_else(|| tsn.clone());
            seen.push(tsn.clone());
            let times = seen.iter().filter(|other| **other == first).count();
            return tsn != first || times > 2;
        }
        true
    }));
    pair.a.send(pair.now, message(0, 100, 1)).unwrap();
    for _ in 0..40 {
        pair.a.send(pair.now, message(1, 1_000, 1)).unwrap();
        pair.run(ms(4));
    }
    assert!(pair.z.read(0).is_some());
    assert_eq!(pair.a.stats().timeouts, 0);
}

#[test]
fn the_last_packet_lost_is_sent_again_by_the_timer() {
    // §6.3.3.
    let mut pair = connected(&plain());
    pair.filter = lose(&[0]);
    let start = pair.now;
    pair.a.send(pair.now, message(0, 100, 1)).unwrap();
    assert!(pair.run_until(Duration::from_secs(2), |pair| pair.z.read(0).is_some()));
    let stats = pair.a.stats();
    assert_eq!(stats.timeouts, 1);
    // 20 ms of round trip and the peer's SACK delay, then half a round trip.
    assert_eq!(pair.now - start, ms(220 + 10));
}

#[test]
fn a_reader_that_does_not_read_stops_the_sender_and_goes_on_later() {
    let mut config = plain();
    config.receive_window = 100_000;
    config.max_receive_window = 100_000;
    config.max_receive_message_size = 50_000;
    let mut pair = connected(&config);
    for number in 0..100 {
        pair.a.send(pair.now, message(0, 10_000, number)).unwrap();
    }
    pair.run(Duration::from_secs(30));
    let held = pair.z.stats().receive_buffered;
    assert!((90_000..=200_000 + 12_000).contains(&held), "{held}");
    assert!(pair.a.total_buffered_amount() > 500_000);
    assert_eq!(pair.a.state(), State::Established, "a closed window is not a dead peer");
    let mut read = 0;
    let all = pair.run_until(Duration::from_secs(20), |pair| {
        while let Some(message) = pair.z.read(0) {
            assert_eq!(message.payload[0], read);
            read += 1;
        }
        read == 100
    });
    assert!(all, "{read}");
}

#[test]
fn a_small_message_does_not_wait_for_a_bulk_transfer() {
    let mut pair = connected(&plain());
    pair.link.rate = Some((1_250_000, 100_000));
    for _ in 0..10 {
        pair.a.send(pair.now, message(1, 100_000, 1)).unwrap();
    }
    pair.a.send(pair.now, message(2, 10, 2)).unwrap();
    let start = pair.now;
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.z.read(2).is_some()));
    // After one of the ten, which takes 80 ms, not after all.
    assert!(pair.now - start < ms(250), "{:?}", pair.now - start);
}

#[test]
fn unordered_messages_overtake_a_lost_one() {
    let mut pair = connected(&plain());
    pair.filter = lose(&[0]);
    for (number, order) in [Order::Ordered, Order::Ordered, Order::Unordered].iter().enumerate() {
        let mut message = message(0, 1_000, number as u8);
        message.order = *order;
        pair.a.send(pair.now, message).unwrap();
    }
    pair.run(ms(20));
    assert_eq!(pair.z.read(0).map(|message| message.payload[0]), Some(2));
    assert_eq!(pair.z.read(0), None);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.z.read(0).map(|message| message.payload[0]), Some(0));
    assert_eq!(pair.z.read(0).map(|message| message.payload[0]), Some(1));
}

#[test]
fn a_message_given_up_is_skipped() {
    // RFC 3758 §3.5: A → DATA ✗, DATA × 4 → Z; A → FORWARD TSN → Z
    let mut pair = connected(&plain());
    pair.filter = lose(&[0]);
    pair.log = Some(Vec::new());
    for number in 0..5 {
        let mut message = message(0, 1_000, number);
        message.reliability = Reliability::MaxRetransmits(0);
        pair.a.send(pair.now, message).unwrap();
    }
    pair.run(ms(100));
    let read: Vec<_> =
        std::iter::from_fn(|| pair.z.read(0)).map(|message| message.payload[0]).collect();
    assert_eq!(read, [1, 2, 3, 4]);
    let chart = chart(pair.log.as_ref().unwrap());
    assert!(chart.contains(&"A ForwardTsn".to_owned()), "{chart:?}");
    assert_eq!(pair.a.stats().messages_abandoned, 1);
}

#[test]
fn what_is_given_up_is_told_before_what_is_sent_again() {
    // A → DATA (no retransmissions) ✗, DATA ✗, DATA ✗, DATA ✗ (probes); T3-rtx; A → FORWARD TSN,
    // DATA → Z
    let mut pair = connected(&plain());
    pair.filter = lose(&[0, 1, 2, 3]);
    for (number, reliability) in [(0, Reliability::MaxRetransmits(0)), (1, Reliability::Reliable)] {
        let mut message = message(0, 1_000, number);
        message.reliability = reliability;
        pair.a.send(pair.now, message).unwrap();
        pair.drain();
    }
    pair.log = Some(Vec::new());
    pair.run(Duration::from_secs(5));
    let chart = chart(pair.log.as_ref().unwrap());
    assert!(chart.contains(&"A ForwardTsn Data".to_owned()), "{chart:?}");
    assert_eq!(pair.z.read(0).map(|message| message.payload[0]), Some(1));
}

#[test]
fn a_message_that_has_outlived_its_time_is_not_sent() {
    let mut pair = connected(&plain());
    pair.link.rate = Some((125_000, 50_000));
    for number in 0..100 {
        let mut message = message(0, 10_000, number);
        message.reliability = Reliability::MaxPacketLifeTime(ms(300));
        pair.a.send(pair.now, message).unwrap();
    }
    pair.run(Duration::from_secs(20));
    let read = std::iter::from_fn(|| pair.z.read(0)).count();
    assert!((2..20).contains(&read), "{read}");
    assert_eq!(pair.a.total_buffered_amount(), 0);
    assert_eq!(pair.a.stats().bytes_in_flight, 0);
}

#[test]
fn the_low_threshold_is_told_when_it_is_crossed() {
    let mut pair = connected(&plain());
    pair.link.rate = Some((1_250_000, 50_000));
    pair.a.set_buffered_amount_low_threshold(3, 100_000);
    pair.a.send(pair.now, message(3, 250_000, 1)).unwrap();
    pair.a.send(pair.now, message(3, 250_000, 1)).unwrap();
    assert_eq!(pair.a.buffered_amount(3), 500_000);
    let low = pair.run_until(Duration::from_secs(5), |pair| {
        pair.a.poll_event() == Some(Event::BufferedAmountLow(3))
    });
    assert!(low);
    let amount = pair.a.buffered_amount(3);
    assert!((80_000..=100_000).contains(&amount), "{amount}");
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.a.poll_event(), None);
}

#[test]
fn packets_may_become_smaller_and_larger() {
    let mut pair = connected(&plain());
    let mut longest = 0;
    for mtu in [576, 1400, 600, 9000] {
        pair.a.set_mtu(mtu);
        pair.log = Some(Vec::new());
        pair.a.send(pair.now, message(0, 100_000, 1)).unwrap();
        pair.run(Duration::from_secs(2));
        assert!(pair.z.read(0).is_some());
        longest = pair.log.as_ref().unwrap().iter().map(|(_, packet)| packet.len()).max().unwrap();
        assert!(longest <= mtu, "{longest} > {mtu}");
    }
    assert!(longest > 8900);
}

#[test]
fn a_rate_limit_from_above_is_kept() {
    let mut pair = connected(&plain());
    pair.a.set_rate_limit(Some(100_000));
    pair.a.send(pair.now, message(0, 200_000, 1)).unwrap();
    let start = pair.now;
    pair.run_until(Duration::from_secs(10), |pair| pair.z.read(0).is_some());
    let took = pair.now - start;
    assert!((ms(1850)..ms(2300)).contains(&took), "{took:?}");
}
