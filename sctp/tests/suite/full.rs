//! A send buffer that is full: who waits for room is told, and what matters less gives way to what
//! matters more (RFC 7496 §3.2).

use crate::pair::{Pair, connected, message, ms, plain};
use peerless_sctp::{Association, Config, Event, Outgoing, Reliability, SendError};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// 100 KB and no more.
fn small() -> Config {
    let mut config = plain();
    config.send_buffer = 100_000;
    config.max_send_buffer = 100_000;
    config
}

/// Sends on `stream` until there is no room; gives what was refused.
fn fill(pair: &mut Pair<Association>, stream: u16, len: usize) -> Outgoing {
    loop {
        match pair.a.send(pair.now, message(stream, len, 1)) {
            Ok(()) => {}
            Err(SendError::BufferFull { message, .. }) => return message,
            Err(error) => panic!("{error}"),
        }
    }
}

fn told(pair: &mut Pair<Association>, stream: u16) -> bool {
    let mut told = false;
    while let Some(event) = pair.a.poll_event() {
        told |= event == Event::BufferedAmountLow(stream);
    }
    told
}

#[test]
fn who_was_refused_is_told_of_room_whatever_the_threshold() {
    for threshold in [0, 50_000, 100_000, usize::MAX] {
        for len in [1000, 30_000] {
            let mut pair = connected(&small());
            pair.a.set_buffered_amount_low_threshold(3, threshold);
            let mut refused = fill(&mut pair, 3, len);
            assert!(!told(&mut pair, 3), "there is no room yet");
            for round in 0..20 {
                let told = pair.run_until(SECOND, |pair| {
                    while pair.z.read(3).is_some() {}
                    told(pair, 3)
                });
                assert!(
                    told,
                    "threshold {threshold}, {len} bytes, round {round}: {:?}",
                    pair.a.stats()
                );
                match pair.a.send(pair.now, refused) {
                    Ok(()) => refused = fill(&mut pair, 3, len),
                    // The threshold told, not the room.
                    Err(error) => refused = error.into_message(),
                }
            }
        }
    }
}

#[test]
fn a_refusal_is_told_when_all_has_left_and_is_not_yet_acknowledged() {
    // The queue is empty long before there is room: a threshold of 0 has told, and would not again.
    let mut config = small();
    config.initial_window = 1000;
    let mut pair = connected(&config);
    pair.run_until(SECOND, |pair| pair.a.total_buffered_amount() == 0);
    let start = pair.now;
    pair.a.send(start, message(3, 100_000, 1)).unwrap();
    pair.drain();
    told(&mut pair, 3);
    let refused = pair.a.send(pair.now, message(3, 1000, 1)).unwrap_err().into_message();
    assert!(pair.run_until(SECOND, |pair| told(pair, 3)));
    pair.a.send(pair.now, refused).unwrap();
}

#[test]
fn a_message_that_is_longer_than_the_buffer_keeps_nobody_waiting() {
    let mut config = small();
    config.interleaving = true;
    config.max_send_message_size = 1 << 20;
    let mut pair = connected(&config);
    fill(&mut pair, 2, 1000);
    let long = pair.a.send(pair.now, message(1, 200_000, 1));
    assert!(matches!(long, Err(SendError::BufferFull { .. })), "{long:?}");
    fill(&mut pair, 3, 1000);
    // Stream 2 is never idle.
    let found = pair.run_until(SECOND, |pair| {
        while pair.z.read(2).is_some() {}
        let found = told(pair, 3);
        fill(pair, 2, 1000);
        found
    });
    assert!(found);
    // Once all has left it is the long one's turn.
    assert!(pair.run_until(SECOND, |pair| {
        while pair.z.read(2).is_some() {}
        told(pair, 1)
    }));
    pair.a.send(pair.now, message(1, 200_000, 1)).unwrap();
}

#[test]
fn who_raises_the_threshold_after_a_refusal_is_told_of_room() {
    for threshold in [50_000, 100_000, usize::MAX] {
        let mut pair = connected(&small());
        let refused = fill(&mut pair, 3, 10_000);
        pair.a.set_buffered_amount_low_threshold(3, threshold);
        assert!(!told(&mut pair, 3), "there is no room yet");
        assert!(pair.run_until(SECOND, |pair| told(pair, 3)), "{threshold}");
        let told_and_sent = pair.run_until(SECOND, |pair| {
            told(pair, 3) && pair.a.send(pair.now, refused.clone()).is_ok()
        });
        assert!(told_and_sent || pair.a.send(pair.now, refused).is_ok(), "{threshold}");
    }
}

#[test]
fn all_that_wait_are_told_in_turn() {
    let mut pair = connected(&small());
    fill(&mut pair, 0, 10_000);
    for stream in 1..5 {
        pair.a.send(pair.now, message(stream, 10_000, 1)).unwrap_err();
        pair.a.send(pair.now, message(stream, 10_000, 1)).unwrap_err();
    }
    let mut order = Vec::new();
    pair.run_until(SECOND, |pair| {
        while let Some(event) = pair.a.poll_event() {
            if let Event::BufferedAmountLow(stream @ 1..) = event {
                order.push(stream);
            }
        }
        false
    });
    assert_eq!(order, [1, 2, 3, 4], "each once");
}

fn with_priority(stream: u16, priority: u32, fill: u8) -> Outgoing {
    let reliability = Reliability::Priority(priority);
    Outgoing { reliability, ..message(stream, 10_000, fill) }
}

/// What arrives on `stream`, by the first byte of each message.
fn arrived(pair: &mut Pair<Association>, stream: u16) -> Vec<u8> {
    pair.run(5 * SECOND);
    std::iter::from_fn(|| pair.z.read(stream)).map(|message| message.payload[0]).collect()
}

#[test]
fn what_matters_less_is_given_up_for_what_matters_more() {
    // Ten messages fill the buffer.
    let mut pair = connected(&small());
    for number in 0..10 {
        pair.a.send(pair.now, with_priority(1, 5 + u32::from(number % 2), number)).unwrap();
    }
    // One that matters less than all of them, or as little: no.
    for priority in [6, 7] {
        let refused = pair.a.send(pair.now, with_priority(1, priority, 99)).unwrap_err();
        assert!(matches!(refused, SendError::BufferFull { .. }), "{refused}");
    }
    // More than half of them: the oldest of these goes.
    pair.a.send(pair.now, with_priority(1, 5, 20)).unwrap();
    // A reliable one, on another stream: the next.
    pair.a.send(pair.now, message(2, 10_000, 21)).unwrap();
    assert_eq!(pair.a.stats().messages_abandoned, 2);
    assert_eq!(pair.a.total_buffered_amount(), 100_000);
    assert_eq!(arrived(&mut pair, 1), [0, 2, 4, 5, 6, 7, 8, 9, 20]);
    assert_eq!(arrived(&mut pair, 2), [21]);
    assert_eq!(pair.a.total_buffered_amount(), 0);
}

#[test]
fn nothing_is_given_up_in_vain() {
    let mut pair = connected(&small());
    for number in 0..8 {
        pair.a.send(pair.now, message(1, 10_000, number)).unwrap();
    }
    pair.a.send(pair.now, with_priority(1, 9, 8)).unwrap();
    pair.a.send(pair.now, with_priority(1, 9, 9)).unwrap();
    // Both together would not be enough.
    pair.a.send(pair.now, message(1, 30_000, 10)).unwrap_err();
    assert_eq!(pair.a.stats().messages_abandoned, 0);
    assert_eq!(arrived(&mut pair, 1), (0..10).collect::<Vec<u8>>());
}

#[test]
fn what_has_begun_to_leave_stays() {
    let mut pair = connected(&small());
    for number in 0..10 {
        pair.a.send(pair.now, with_priority(1, 9, number)).unwrap();
    }
    // The first window is on its way: a message, and a part of the second.
    pair.drain();
    assert!(pair.a.stats().bytes_in_flight > 10_000);
    for number in 0..8 {
        pair.a.send(pair.now, message(2, 10_000, number)).unwrap();
    }
    pair.a.send(pair.now, message(2, 10_000, 8)).unwrap_err();
    assert_eq!(arrived(&mut pair, 1), [0, 1]);
    assert_eq!(arrived(&mut pair, 2), (0..8).collect::<Vec<u8>>());
}

#[test]
fn with_room_or_a_lost_packet_priority_is_reliable() {
    let mut pair = connected(&plain());
    let mut count = 0;
    pair.filter = Some(Box::new(move |_, _| {
        count += 1;
        count % 4 != 0
    }));
    for number in 0..20 {
        pair.a.send(pair.now, with_priority(1, u32::MAX, number)).unwrap();
        pair.run(ms(10));
    }
    assert_eq!(arrived(&mut pair, 1), (0..20).collect::<Vec<u8>>());
}

#[test]
fn small_messages_take_no_more_memory_than_large_ones() {
    // To a peer that reads nothing: what has not left is bounded by its number, too, and who is
    // refused is told of room.
    let mut config = small();
    config.receive_window = 5_000;
    let mut pair = connected(&config);
    let mut sent = 0;
    for _ in 0..50 {
        while pair.a.send(pair.now, message(3, 1, 1)).is_ok() {
            sent += 1;
        }
        pair.run(ms(200));
    }
    let waiting = pair.a.buffered_amount(3);
    assert!(waiting <= 100_000 / 128, "{waiting} of {sent}");
    while pair.a.poll_event().is_some() {}
    assert!(pair.a.send(pair.now, message(3, 1, 1)).is_err());
    assert!(pair.run_until(60 * SECOND, |pair| {
        while pair.z.read(3).is_some() {}
        told(pair, 3)
    }));
    assert!(pair.a.send(pair.now, message(3, 1, 1)).is_ok());
}

#[test]
fn small_parts_of_a_message_are_bounded_by_their_number() {
    let mut config = small();
    config.interleaving = true;
    let mut pair = connected(&config);
    pair.a.begin(pair.now, message(3, 1, 1)).unwrap();
    let mut parts = 0;
    while pair.a.append(pair.now, 3, vec![1].into()).is_ok() {
        parts += 1;
    }
    assert_eq!(parts, 100_000 / 128);
    assert!(pair.run_until(SECOND, |pair| told(pair, 3)));
    pair.a.append(pair.now, 3, vec![1].into()).unwrap();
    pair.a.finish(pair.now, 3);
    pair.run(SECOND);
    assert_eq!(pair.z.read(3).unwrap().payload.len(), parts + 2);
    assert_eq!(pair.a.total_buffered_amount(), 0);
}

#[test]
fn small_messages_that_matter_less_are_given_up_for_others() {
    let mut pair = connected(&small());
    let mut count = 0;
    let less = || Outgoing { reliability: Reliability::Priority(9), ..message(1, 1, 1) };
    while pair.a.send(pair.now, less()).is_ok() {
        count += 1;
    }
    assert_eq!(count, 100_000 / 128);
    for _ in 0..10 {
        pair.a.send(pair.now, message(2, 1, 2)).unwrap();
    }
    assert_eq!(pair.a.stats().messages_abandoned, 10);
    assert_eq!(arrived(&mut pair, 2).len(), 10);
}

#[test]
fn what_has_expired_makes_room_while_nothing_new_can_leave() {
    // The path is gone; what waits on a channel with a lifetime is not to be sent any more.
    let mut config = plain();
    config.send_buffer = 100_000;
    config.max_send_buffer = 100_000;
    let mut pair = connected(&config);
    pair.filter = Some(Box::new(|_, _| false));
    let fresh = || {
        let mut message = message(2, 10_000, 1);
        message.reliability = Reliability::MaxPacketLifeTime(ms(100));
        message
    };
    pair.a.send(pair.now, message(1, 40_000, 1)).unwrap();
    pair.run(ms(10));
    while pair.a.send(pair.now, fresh()).is_ok() {}
    assert!(matches!(pair.a.send(pair.now, fresh()), Err(SendError::BufferFull { .. })));
    pair.run(ms(150));
    for _ in 0..3 {
        pair.a.send(pair.now, fresh()).unwrap();
    }
    assert_eq!(pair.a.buffered_amount(2), 30_000);
}
