//! RFC 9260 §8 and §9: dead paths, and ends.

use crate::pair::{Side, chart, connected, message, ms, plain};
use peerless_sctp::{CloseReason, Config, Event, ReadMode, ReceiveBudget, SendError, State};
use std::time::Duration;

#[test]
fn shutdown_delivers_what_was_sent() {
    let mut pair = connected(&plain());
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(0, 100, 1)).unwrap();
    pair.a.shutdown(pair.now);
    assert!(matches!(pair.a.send(pair.now, message(0, 1, 1)), Err(SendError::Closed { .. })));
    pair.run(ms(200));
    let expected = ["A Data", "Z Sack", "A Shutdown", "Z ShutdownAck", "A ShutdownComplete"];
    assert_eq!(chart(pair.log.as_ref().unwrap()), expected);
    assert!(pair.z.read(0).is_some());
    for side in [&mut pair.a, &mut pair.z] {
        assert_eq!(side.state(), State::Closed);
        assert_eq!(side.close_reason(), Some(&CloseReason::Shutdown));
    }
    assert_eq!(pair.a.poll_timeout(), None);
    assert_eq!(pair.z.poll_timeout(), None);
}

#[test]
fn both_sides_may_shut_down_at_once() {
    let mut pair = connected(&plain());
    pair.a.send(pair.now, message(0, 50_000, 1)).unwrap();
    pair.z.send(pair.now, message(0, 50_000, 1)).unwrap();
    pair.a.shutdown(pair.now);
    pair.z.shutdown(pair.now);
    pair.run(Duration::from_secs(3));
    assert!(pair.a.read(0).is_some() && pair.z.read(0).is_some());
    assert_eq!(pair.a.close_reason(), Some(&CloseReason::Shutdown));
    assert_eq!(pair.z.close_reason(), Some(&CloseReason::Shutdown));
}

#[test]
fn each_packet_of_the_shutdown_may_be_lost() {
    for lost in 0..3 {
        let mut pair = connected(&plain());
        let mut count = 0;
        pair.filter = Some(Box::new(move |_, _| {
            count += 1;
            count != lost + 1
        }));
        pair.a.shutdown(pair.now);
        pair.run(Duration::from_secs(3));
        assert_eq!(pair.a.close_reason(), Some(&CloseReason::Shutdown), "packet {lost}");
        assert_eq!(pair.z.close_reason(), Some(&CloseReason::Shutdown), "packet {lost}");
    }
}

#[test]
fn the_other_side_delivers_its_data_before_the_shutdown_ends() {
    let mut pair = connected(&plain());
    pair.z.send(pair.now, message(0, 200_000, 7)).unwrap();
    pair.run(ms(1));
    pair.a.shutdown(pair.now);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.a.read(0).map(|message| message.payload.len()), Some(200_000));
    assert_eq!(pair.z.close_reason(), Some(&CloseReason::Shutdown));
}

#[test]
fn what_is_incomplete_is_dropped_at_the_end() {
    // A → a part of a large message, and one out of its turn → Z; Z → ABORT → A
    for interleaving in [true, false] {
        let budget = ReceiveBudget::new(1 << 20);
        let mut config = Config::default();
        config.interleaving = interleaving;
        config.receive_budget = Some(budget.clone());
        let mut pair = connected(&config);
        pair.z.set_read_mode(2, ReadMode::Parts);
        pair.a.send(pair.now, message(0, 1_000, 1)).unwrap();
        pair.run(ms(300));
        let mut count = 0;
        pair.filter = Some(Box::new(move |_, packet| {
            count += u32::from(packet.len() > 1_000);
            packet.len() < 1_000 || count != 1
        }));
        pair.a.send(pair.now, message(1, 500, 1)).unwrap();
        pair.a.send(pair.now, message(1, 100_000, 1)).unwrap();
        pair.run(ms(15));
        assert!(pair.z.stats().receive_buffered > 5_000, "{interleaving}");
        pair.z.abort(pair.now, "enough");
        let whole = pair.z.read(0).map(|message| message.payload.len());
        assert_eq!(whole, Some(1_000), "what is whole can be read");
        assert!(budget.used() <= 8 << 10, "{interleaving}: {}", budget.used());
    }
}

#[test]
fn abort_tells_the_peer() {
    let mut pair = connected(&plain());
    pair.a.send(pair.now, message(0, 100_000, 1)).unwrap();
    pair.a.abort(pair.now, "enough");
    pair.run(ms(100));
    assert_eq!(pair.a.poll_event(), Some(Event::Closed(CloseReason::Aborted)));
    let Some(Event::Closed(CloseReason::AbortedByPeer { cause: Some(cause), reason })) =
        pair.z.poll_event()
    else {
        panic!();
    };
    assert_eq!(cause.to_string(), "user-initiated abort");
    assert_eq!(reason, "enough");
    assert_eq!((pair.a.poll_timeout(), pair.z.poll_timeout()), (None, None));
}

#[test]
fn an_idle_path_is_asked_and_answers() {
    // §8.3.
    let mut pair = connected(&plain());
    pair.log = Some(Vec::new());
    pair.run(Duration::from_secs(40));
    let chart = chart(pair.log.as_ref().unwrap());
    assert!(chart.contains(&"A Heartbeat".to_owned()) && chart.contains(&"Z HeartbeatAck".into()));
    pair.run(Duration::from_secs(1000));
    assert_eq!(pair.a.state(), State::Established);
    assert!(pair.log.as_ref().unwrap().len() < 200, "{}", pair.log.as_ref().unwrap().len());
}

#[test]
fn a_dead_path_is_found_out_when_idle_and_when_sending() {
    for busy in [false, true] {
        let mut pair = connected(&plain());
        pair.filter = Some(Box::new(|_, _| false));
        if busy {
            pair.a.send(pair.now, message(0, 10, 1)).unwrap();
        }
        let start = pair.now;
        let done = pair.run_until(Duration::from_secs(300), |pair| pair.a.close_reason().is_some());
        assert!(done);
        assert_eq!(pair.a.close_reason(), Some(&CloseReason::TimedOut));
        let took = pair.now - start;
        assert!(took > Duration::from_secs(20) && took < Duration::from_secs(140), "{took:?}");
    }
}

#[test]
fn a_path_that_comes_back_is_used_at_once_when_the_layer_below_says_so() {
    let mut pair = connected(&plain());
    pair.filter = Some(Box::new(|_, _| false));
    pair.a.send(pair.now, message(0, 10, 1)).unwrap();
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.a.state(), State::Established);
    pair.filter = None;
    pair.a.path_changed(pair.now);
    assert!(pair.run_until(ms(20), |pair| pair.z.read(0).is_some()));
}

#[test]
fn a_peer_that_has_forgotten_says_so() {
    // §8.4: "out of the blue". Z has no association: it answers with an ABORT that reflects A's tag.
    let mut pair = connected(&plain());
    pair.z = peerless_sctp::Association::server(plain(), pair.now, [77; 32]);
    pair.a.send(pair.now, message(0, 10, 1)).unwrap();
    pair.run(ms(100));
    assert!(matches!(pair.a.close_reason(), Some(CloseReason::AbortedByPeer { cause: None, .. })));
}

#[test]
fn closing_before_the_handshake_ends_it() {
    let mut pair = crate::pair::associations(&plain(), 1);
    pair.filter = Some(Box::new(|side, _| side == Side::A));
    pair.run(ms(15));
    pair.a.shutdown(pair.now);
    assert_eq!(pair.a.state(), State::Closed);
    pair.run(Duration::from_secs(100));
    assert_eq!(pair.a.poll_timeout(), None);
}
