//! Associations that go on in another process.

use crate::faults::{Traffic, numbered, random_link, scheduler, step};
use crate::lone::Lone;
use crate::ours::Ours;
use crate::pair::{Pair, associations, chunk, connected, message, ms, origin, seed, seeds};
use crate::path::{Loss, Network, Node, Path};
use crate::reliability::i_data;
use peerless_sctp::data_channel::{self, ChannelInit, Event, Role, Session};
use peerless_sctp::{
    Association, Config, CongestionControl, HandoverError, Order, ReadMode, State, Then,
};
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

fn handed_over(association: &mut Association, now: Instant, number: u64) -> Association {
    let config = association.config().clone();
    let bytes = association.hand_over(now).unwrap();
    let mut resumed = Association::resume(config, now, seed(number, 9), &bytes).unwrap();
    // All that matters is there again.
    assert_eq!(resumed.total_buffered_amount(), association.total_buffered_amount());
    let (mut before, mut after) = (association.stats(), resumed.stats());
    // The pace is that of where a cycle begins.
    (before.pacing_rate, after.pacing_rate) = (None, None);
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
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

/// What a transfer reads in each fifth of the second after it has gone on for some, in bytes.
fn fifths(config: &Config, path: Path, after: Duration, moves: [bool; 2]) -> [u64; 5] {
    let origin = origin();
    let mut network = Network::new(origin, path, 7);
    let (sender, receiver) = Ours::flow(config, origin, 1);
    network.add(Duration::ZERO, sender, receiver);
    network.run_until(after);
    let (now, ends) = network.flow_mut(0);
    for (end, moves) in ends.into_iter().zip(moves) {
        if moves {
            end.hand_over(now);
        }
    }
    [1, 2, 3, 4, 5].map(|fifth| {
        let before = network.receiver(0).received();
        network.run_until(after + fifth * ms(200));
        network.receiver(0).received() - before
    })
}

#[test]
fn a_transfer_goes_on_at_its_rate() {
    let (bbr, loss_based) =
        (CongestionControl::Bbr, [CongestionControl::Cubic, CongestionControl::NewReno]);
    let cases = loss_based.map(|control| (control, 0));
    for (control, loss) in cases.into_iter().chain([(bbr, 0), (bbr, 10_000)]) {
        for rtt in [ms(50), ms(200)] {
            let mut config = Config::default();
            config.congestion_control = control;
            let path = Path { loss: Loss::Random(loss), ..Path::new(100, rtt, 100) };
            let after = Duration::from_secs(6);
            let stayed = fifths(&config, path, after, [false, false]);
            for moves in [[true, false], [false, true], [true, true]] {
                let moved = fifths(&config, path, after, moves);
                println!("{control:?} {loss} {rtt:?} {moves:?}: {stayed:?} {moved:?}");
                let [usual, sum] = [stayed, moved].map(|fifths| fifths.iter().sum::<u64>());
                assert!(sum * 100 >= usual * 85, "{moved:?}");
                // What is lost holds up what is read.
                let steady = moved.iter().all(|read| read * 5 * 100 >= usual * 95);
                assert!(steady || loss > 0, "{moved:?}");
            }
        }
    }
}

#[test]
fn another_algorithm_begins_anew() {
    let mut config = Config::default();
    config.congestion_control = CongestionControl::Cubic;
    let mut pair = connected(&config);
    pair.a.send(pair.now, message(0, 200_000, 1)).unwrap();
    pair.run(ms(300));
    let bytes = pair.a.hand_over(pair.now).unwrap();
    let resume = |control| {
        let mut config = config.clone();
        config.congestion_control = control;
        Association::resume(config, pair.now, seed(3, 9), &bytes).unwrap().stats()
    };
    let before = pair.a.stats().congestion_window;
    assert_eq!(resume(CongestionControl::Cubic).congestion_window, before);
    let fresh = Association::server(config.clone(), pair.now, seed(4, 9)).stats();
    assert!(fresh.congestion_window < before);
    for control in [CongestionControl::Bbr, CongestionControl::NewReno] {
        assert_eq!(resume(control).congestion_window, fresh.congestion_window);
    }
}

#[test]
fn a_cookie_from_before_the_move_counts() {
    // A restarts; Z → INIT ACK, and moves; A → COOKIE ECHO → Z: RESTART
    let mut pair = connected(&Config::default());
    pair.run(Duration::from_secs(2));
    pair.a = Association::client(Config::default(), pair.now, seed(99, 0));
    assert!(pair.run_until(ms(200), |pair| pair.a.state() == State::CookieEchoed));
    pair.z = handed_over(&mut pair.z, pair.now, 1);
    assert!(pair.run_until(ms(200), |pair| pair.a.state() == State::Established));
    let events: Vec<_> = std::iter::from_fn(|| pair.z.poll_event()).collect();
    assert!(events.contains(&peerless_sctp::Event::Restarted), "{events:?}");
}

/// Whatever is accepted does no harm: nothing overflows, and no timer spins.
#[test]
fn what_was_changed_on_the_way_is_refused_or_lived_with() {
    let mut rng = ChaCha20Rng::seed_from_u64(77);
    let mut accepted = 0;
    for round in 0..20 * seeds() {
        let mut config = Config::default();
        config.congestion_control = match round % 3 {
            0 => CongestionControl::Bbr,
            1 => CongestionControl::Cubic,
            _ => CongestionControl::NewReno,
        };
        let mut pair = connected(&config);
        pair.a.send(pair.now, message(0, 20_000, 1)).unwrap();
        pair.run(ms(u64::from(rng.next_u32() % 100)));
        let mut bytes = pair.a.hand_over(pair.now).unwrap();
        // Not the payload, of which most of it is.
        for _ in 0..1 + rng.next_u32() % 3 {
            let end = if rng.next_u32() % 2 == 0 { 400.min(bytes.len()) } else { bytes.len() };
            let begin = if end < bytes.len() { 0 } else { end.saturating_sub(400) };
            let at = begin + rng.next_u32() as usize % (end - begin);
            bytes[at] = [0, 1, 0x7f, 0xff, rng.next_u32() as u8][rng.next_u32() as usize % 5];
        }
        let Ok(resumed) = Association::resume(config, pair.now, [3; 32], &bytes) else { continue };
        accepted += 1;
        pair.a = resumed;
        pair.a.stats();
        let _ = pair.a.send(pair.now, message(0, 50_000, 1));
        let limit = pair.now + Duration::from_secs(3);
        let mut steps = 0;
        while pair.step(limit) {
            while pair.z.read(0).is_some() {}
            steps += 1;
            assert!(steps < 10_000, "round {round} spins");
        }
    }
    assert!(accepted > 2 * seeds());
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
fn what_was_not_told_is_told_after_the_move() {
    let mut config = Config::default();
    config.outbound_streams = 10;
    let start = origin();
    let mut pair = Pair::new(
        start,
        Association::client(config, start, seed(1, 0)),
        Association::server(Config::default(), start, seed(1, 1)),
    );
    pair.run(ms(300));
    pair.a.send(pair.now, message(1, 1_000, 1)).unwrap();
    pair.a.add_streams(pair.now, 5, 0);
    pair.z.add_streams(pair.now, 0, 60_000);
    pair.run(ms(300));
    pair.a = handed_over(&mut pair.a, pair.now, 1);
    pair.z = handed_over(&mut pair.z, pair.now, 2);
    let [a, z] = [&mut pair.a, &mut pair.z]
        .map(|side| std::iter::from_fn(|| side.poll_event()).collect::<Vec<_>>());
    use peerless_sctp::Event::{
        BufferedAmountLow, Connected, Readable, StreamsAdded, StreamsRefused,
    };
    assert_eq!(a, [Connected, BufferedAmountLow(1), StreamsAdded]);
    assert_eq!(z, [Connected, Readable(1), StreamsAdded, StreamsRefused]);
}

#[test]
fn streams_that_were_asked_for_may_come_after_the_move() {
    let mut config = Config::default();
    config.inbound_streams = 10;
    let start = origin();
    let mut pair = Pair::new(
        start,
        Association::client(Config::default(), start, seed(1, 0)),
        Association::server(config.clone(), start, seed(1, 1)),
    );
    pair.run(ms(300));
    assert_eq!(pair.a.outbound_streams(), 10);
    pair.z.add_streams(pair.now, 0, 5);
    let bytes = pair.z.hand_over(pair.now).unwrap();
    pair.z = Association::resume(config, pair.now, [2; 32], &bytes).unwrap();
    pair.run(ms(300));
    assert_eq!((pair.a.outbound_streams(), pair.z.inbound_streams()), (15, 15));
}

#[test]
fn a_late_fragment_of_what_was_given_up_is_not_kept_after_the_move() {
    // RFC 8260 §2.3.1. Test → I-FORWARD-TSN 0 (unordered message 0); Z moves;
    // Test → I-DATA 2 (message 0, E), which was under way
    let mut lone = Lone::new(&Config::default());
    let last = i_data(lone.tsn.wrapping_add(2), 0, 1, 5, 100);
    let mut skipped = lone.tsn.to_be_bytes().to_vec();
    skipped.extend([0, 1, 0, 1, 0, 0, 0, 0]);
    lone.take(&chunk(194, 0, &skipped));
    lone.z = handed_over(&mut lone.z, lone.now, 1);
    lone.take(&last);
    assert_eq!(lone.z.stats().receive_buffered, 0);
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
    other[13] = 1;
    assert_eq!(resume(&other), Err(HandoverError::Version(1)));
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
    assert_eq!((pair.a.channels_opened(), pair.z.channels_opened()), (3, 2));
}

#[test]
fn channels_that_were_changed_on_the_way_are_refused_or_lived_with() {
    let start = origin();
    let config = data_channel::Config::default();
    let [a, z] = [0, 1].map(|side| Session::new(config.clone(), start, seed(8, side)));
    let mut pair = Pair::new(start, a, z);
    let one = pair.a.open(start, ChannelInit::new("one")).unwrap();
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair.run(ms(300));
    let bytes = pair.a.hand_over(pair.now).unwrap();
    let mut accepted = 0;
    for at in 0..bytes.len() - 8 {
        let mut changed = bytes.clone();
        changed[at..at + 8].fill(0xff);
        let Ok(mut session) = Session::resume(config.clone(), pair.now, [7; 32], &changed) else {
            continue;
        };
        accepted += 1;
        let _ = session.send(pair.now, one, "a message");
        let _ = session.open(pair.now, ChannelInit::new("two"));
        session.poll_transmit(pair.now, &mut Vec::new());
    }
    assert!(accepted > 20, "{accepted}");
}
