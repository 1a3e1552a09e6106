//! Associations that go on in another process.

use crate::faults::{Traffic, numbered, random_link, scheduler, step};
use crate::pair::{Pair, associations, connected, message, ms, origin, seed, seeds};
use peerless_sctp::data_channel::{self, ChannelInit, Event, Role, Session};
use peerless_sctp::{Association, Config, HandoverError, Order, ReadMode, State, Then};
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

fn handed_over(association: &mut Association, now: Instant, number: u64) -> Association {
    let config = association.config().clone();
    let bytes = association.hand_over(now).unwrap();
    let mut resumed = Association::resume(config, now, seed(number, 9), &bytes).unwrap();
    // All that matters is there again.
    assert_eq!(resumed.total_buffered_amount(), association.total_buffered_amount());
    assert_eq!(resumed.stats().receive_buffered, association.stats().receive_buffered);
    assert_eq!(resumed.stats().bytes_in_flight, association.stats().bytes_in_flight);
    assert!(resumed.hand_over(now).is_ok());
    resumed
}

#[test]
fn nothing_is_lost_or_doubled_when_an_association_moves_in_full_flight() {
    for seed in 0..seeds() {
        println!("seed {seed}");
        let mut rng = ChaCha20Rng::seed_from_u64(seed + 5000);
        let link = random_link(&mut rng);
        let mut config = Config::default();
        config.interleaving = seed % 3 != 0;
        config.scheduler = scheduler(&mut rng);
        let mut pair = associations(&config, seed).with_link(link, seed);
        let (mut a, mut z) = (Traffic::new(), Traffic::new());
        assert!(pair.run_until(Duration::from_secs(60), |pair| {
            pair.a.state() == State::Established && pair.z.state() == State::Established
        }));
        for _ in 0..150 {
            let stream = (rng.next_u32() % 5) as u16;
            let (side, traffic) = if rng.next_u32().is_multiple_of(2) {
                (&mut pair.a, &mut a)
            } else {
                (&mut pair.z, &mut z)
            };
            let next = traffic.sent.entry(stream).or_default();
            let mut message = numbered(&mut rng, stream, *next);
            if stream == 4 {
                message.order = Order::Unordered;
            }
            if side.send(pair.now, message).is_ok() {
                *next += 1;
            }
            if rng.next_u32().is_multiple_of(4) {
                step(&mut pair, &mut a, &mut z, ms(u64::from(rng.next_u32() % 40)));
            }
            if rng.next_u32().is_multiple_of(8) {
                let now = pair.now;
                let side = if rng.next_u32() % 2 == 0 { &mut pair.a } else { &mut pair.z };
                *side = handed_over(side, now, rng.next_u64());
            }
        }
        step(&mut pair, &mut a, &mut z, Duration::from_secs(200));
        for (sent, received) in [(&a.sent, &mut z.received), (&z.sent, &mut a.received)] {
            for (stream, count) in sent {
                let received = received.entry(*stream).or_default();
                if *stream == 4 {
                    received.sort_unstable();
                }
                assert_eq!(*received, (0..*count).collect::<Vec<_>>(), "seed {seed} on {stream}");
            }
        }
        assert_eq!((pair.a.total_buffered_amount(), pair.z.total_buffered_amount()), (0, 0));
        assert_eq!((pair.a.state(), pair.z.state()), (State::Established, State::Established));
    }
}

#[test]
fn a_message_is_written_and_read_across_the_move() {
    let mut pair = connected(&Config::default());
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, message(1, 50_000, 1)).unwrap();
    pair.run(ms(15));
    let first = pair.z.read_part(1).map_or(0, |part| part.payload.len());
    pair.a = handed_over(&mut pair.a, pair.now, 1);
    pair.z = handed_over(&mut pair.z, pair.now, 2);
    pair.a.append(pair.now, 1, vec![1; 50_000].into()).unwrap();
    pair.a.finish(pair.now, 1);
    let mut len = first;
    assert!(pair.run_until(Duration::from_secs(9), |pair| {
        while let Some(part) = pair.z.read_part(1) {
            len += part.payload.len();
            if part.then == Then::End {
                return true;
            }
        }
        false
    }));
    assert_eq!(len, 100_000);
}

#[test]
fn only_an_established_association_moves() {
    let mut pair = associations(&Config::default(), 1);
    assert_eq!(pair.a.hand_over(pair.now), Err(HandoverError::NotEstablished));
    pair.run(ms(100));
    pair.a.send(pair.now, message(0, 100_000, 1)).unwrap();
    pair.a.shutdown(pair.now);
    assert_eq!(pair.a.hand_over(pair.now), Err(HandoverError::NotEstablished));
}

#[test]
fn bytes_that_are_something_else_are_refused() {
    let mut pair = connected(&Config::default());
    for stream in 0..3 {
        pair.a.send(pair.now, message(stream, 3_000, 1)).unwrap();
        pair.z.send(pair.now, message(stream, 3_000, 1)).unwrap();
    }
    pair.run(ms(10));
    let bytes = pair.a.hand_over(pair.now).unwrap();
    let resume =
        |bytes: &[u8]| Association::resume(Config::default(), pair.now, [3; 32], bytes).map(|_| ());
    assert_eq!(resume(&bytes), Ok(()));
    for len in 0..bytes.len() {
        assert_eq!(resume(&bytes[..len]), Err(HandoverError::Malformed), "{len}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(resume(&longer), Err(HandoverError::Malformed));
    let mut other = bytes.clone();
    other[13] = 2;
    assert_eq!(resume(&other), Err(HandoverError::Version(2)));
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            let _ = resume(&changed);
        }
    }
}

#[test]
fn channels_move_with_their_handles() {
    let start = origin();
    let config = data_channel::Config::default();
    let [a, z] = [0, 1].map(|side| Session::new(config.clone(), start, seed(8, side)));
    let mut pair = Pair::new(start, a, z);
    let one = pair.a.open(start, ChannelInit::new("one")).unwrap();
    let two = pair.a.open(start, ChannelInit { priority: 512, ..ChannelInit::new("two") }).unwrap();
    assert_eq!(pair.a.hand_over(start), Err(HandoverError::NotEstablished));
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair.run(ms(300));
    let incoming: Vec<_> = std::iter::from_fn(|| pair.z.poll_event())
        .filter_map(|event| match event {
            Event::ChannelIncoming(id) => Some(id),
            _ => None,
        })
        .collect();
    let [z_one, z_two] = incoming[..] else { panic!("{incoming:?}") };
    pair.a.send(pair.now, one, "first").unwrap();
    pair.a.close(pair.now, two);
    pair.run(ms(12));

    let bytes = pair.a.hand_over(pair.now).unwrap();
    pair.a = Session::resume(config.clone(), pair.now, [7; 32], &bytes).unwrap();
    let bytes = pair.z.hand_over(pair.now).unwrap();
    pair.z = Session::resume(config, pair.now, [8; 32], &bytes).unwrap();

    assert_eq!(pair.a.label(one), Some("one"));
    pair.a.send(pair.now, one, "second").unwrap();
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.z.read(z_one).unwrap().as_text(), Some("first"));
    assert_eq!(pair.z.read(z_one).unwrap().as_text(), Some("second"));
    let events: Vec<_> = std::iter::from_fn(|| pair.z.poll_event()).collect();
    assert!(events.contains(&Event::ChannelClosed(z_two)), "{events:?}");
    let events: Vec<_> = std::iter::from_fn(|| pair.a.poll_event()).collect();
    assert!(events.contains(&Event::ChannelClosed(two)), "{events:?}");
    // Numbers and handles go on where they were.
    let three = pair.a.open(pair.now, ChannelInit::new("three")).unwrap();
    assert!(three != one && three != two);
    assert_eq!(pair.a.stream_id(three), Some(2));
}
