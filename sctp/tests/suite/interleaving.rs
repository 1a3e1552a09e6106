//! RFC 8260: user message interleaving and the stream schedulers.

use crate::pair::{
    Link, Pair, Secrets, Side, associations, chart, chunk, connected, data, i_data, message, ms,
    overheard, packet, plain,
};
use bytes::Bytes;
use peerless_sctp::{
    Association, CloseReason, Config, Event, Order, Outgoing, ReadMode, Reliability, Scheduler,
    State,
};
use std::time::Duration;

#[test]
fn i_data_is_used_when_both_sides_have_it() {
    // §2.2.1.
    for (a, z, expected) in [
        (true, true, "A CookieEcho IData"),
        (true, false, "A CookieEcho Data"),
        (false, true, "A CookieEcho Data"),
    ] {
        let [a, z] = [a, z].map(|interleaving| {
            let mut config = Config::default();
            config.interleaving = interleaving;
            config
        });
        let start = crate::pair::origin();
        let mut pair = Pair::new(
            start,
            Association::client(a, start, [1; 32]),
            Association::server(z, start, [2; 32]),
        );
        pair.log = Some(Vec::new());
        pair.a.send(start, message(0, 10, 1)).unwrap();
        pair.run(ms(300));
        assert_eq!(chart(pair.log.as_ref().unwrap())[2], expected);
        assert!(pair.z.read(0).is_some());
    }
}

#[test]
fn fragments_of_two_streams_share_packets_in_turn() {
    // §2.2.2. A → I-DATA (1), I-DATA (2), I-DATA (1), I-DATA (2) → Z
    let mut pair = connected(&Config::default());
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(1, 10_000, 1)).unwrap();
    pair.a.send(pair.now, message(2, 10_000, 2)).unwrap();
    pair.run(ms(1));
    let streams: Vec<u16> = pair
        .log
        .as_ref()
        .unwrap()
        .iter()
        .filter(|(side, packet)| *side == Side::A && packet[12] == 64)
        .map(|(_, packet)| u16::from_be_bytes([packet[20], packet[21]]))
        .take(6)
        .collect();
    assert_eq!(streams, [1, 2, 1, 2, 1, 2]);
    pair.run(Duration::from_secs(1));
    for stream in [1, 2] {
        let message = pair.z.read(stream).unwrap();
        assert_eq!(message.payload.len(), 10_000);
        assert!(message.payload.iter().all(|byte| u16::from(*byte) == stream));
    }
}

#[test]
fn the_chunk_that_was_not_agreed_upon_ends_the_association() {
    // §2.2.3: "the receiver of the DATA chunk MUST abort the association", and the other way about;
    // §2.3.1 says the same of FORWARD-TSN.
    for (config, wrong) in [(Config::default(), [0, 192]), (plain(), [64, 194])] {
        for kind in wrong {
            let (mut pair, secrets) = overheard(&config);
            let chunks = if kind >= 192 {
                chunk(kind, 0, &secrets.tsn_a.to_be_bytes())
            } else {
                let mut chunk = data(secrets.tsn_a, 0, 0, 3, b"hello, you");
                chunk[0] = kind;
                chunk
            };
            pair.z.handle_datagram(pair.now, &packet(secrets.tag_z, &chunks));
            assert!(
                matches!(pair.z.close_reason(), Some(CloseReason::ProtocolViolation(_))),
                "type {kind}"
            );
            pair.run(ms(100));
            assert!(matches!(pair.a.close_reason(), Some(CloseReason::AbortedByPeer { .. })));
        }
    }
}

#[test]
fn interleaved_messages_given_up_are_skipped_ordered_and_unordered() {
    // §2.3.1. A → I-DATA ✗, I-DATA … → Z; A → I-FORWARD-TSN → Z
    for order in [Order::Ordered, Order::Unordered] {
        let mut pair = connected(&Config::default());
        let mut count = 0;
        pair.filter = Some(Box::new(move |side, packet| {
            if side == Side::A && packet[12] == 64 {
                count += 1;
                return count != 2;
            }
            true
        }));
        pair.log = Some(Vec::new());
        for number in 0..5 {
            for stream in [1, 2] {
                let mut message = message(stream, 2_000, number);
                message.order = order;
                message.reliability = Reliability::MaxRetransmits(0);
                pair.a.send(pair.now, message).unwrap();
            }
        }
        pair.run(ms(500));
        let chart = chart(pair.log.as_ref().unwrap());
        assert!(chart.iter().any(|line| line.contains("A IForwardTsn")), "{chart:?}");
        let read = |pair: &mut Pair<Association>, stream| -> Vec<u8> {
            std::iter::from_fn(|| pair.z.read(stream)).map(|message| message.payload[0]).collect()
        };
        let both = [read(&mut pair, 1), read(&mut pair, 2)];
        assert_eq!(both.iter().map(Vec::len).sum::<usize>(), 9, "{both:?}");
        assert_eq!(pair.z.stats().receive_buffered, 0, "nothing of it is left");
        assert_eq!(pair.a.stats().messages_abandoned, 1);
    }
}

#[test]
fn a_stream_reset_begins_both_counts_again() {
    // §2.3.2.
    let mut pair = connected(&Config::default());
    for _ in 0..3 {
        for order in [Order::Ordered, Order::Unordered] {
            let mut message = message(3, 2_000, 1);
            message.order = order;
            pair.a.send(pair.now, message).unwrap();
        }
        pair.a.reset_stream(pair.now, 3);
        pair.log = Some(Vec::new());
        pair.run(ms(500));
        let log = pair.log.take().unwrap();
        let mids: Vec<u32> = log
            .iter()
            .filter(|(side, packet)| *side == Side::A && packet[12] == 64)
            .map(|(_, packet)| u32::from_be_bytes(packet[24..28].try_into().unwrap()))
            .collect();
        assert!(!mids.is_empty() && mids.iter().all(|mid| *mid == 0), "{mids:?}");
        assert_eq!(std::iter::from_fn(|| pair.z.read(3)).count(), 2);
        assert!(
            std::iter::from_fn(|| pair.a.poll_event())
                .any(|event| event == Event::OutgoingStreamReset(3))
        );
    }
}

#[test]
fn many_large_messages_at_once_do_not_fill_the_window_with_pieces() {
    // 200 messages of 250 kB on as many streams, into a window of 1 MiB that only whole messages
    // leave.
    let mut config = Config::default();
    config.send_buffer = 64 << 20;
    config.max_receive_window = 1 << 20;
    let mut pair = connected(&config);
    pair.link.rate = Some((12_500_000, 200_000));
    for stream in 0..200 {
        pair.a.send(pair.now, message(stream, 250_000, 1)).unwrap();
    }
    let mut read = 0;
    let mut most = 0;
    let all = pair.run_until(Duration::from_secs(60), |pair| {
        most = most.max(pair.z.stats().receive_buffered);
        while let Some(event) = pair.z.poll_event() {
            if let Event::Readable(stream) = event {
                read += std::iter::from_fn(|| pair.z.read(stream)).count();
            }
        }
        read == 200
    });
    assert!(all, "{read}: {:?}", pair.z.stats());
    assert!(most <= 2 << 20, "{most}");
}

#[test]
fn large_messages_written_in_parts_at_the_same_time_become_whole() {
    // Eight times 256 KiB, which their sender does not hold back and nobody can read before they are
    // whole; and those that can be read in parts, which take no room from a reader that does not.
    let mut pair = connected(&Config::default());
    pair.link.rate = Some((12_500_000, 200_000));
    pair.z.set_read_mode(8, ReadMode::Parts);
    for stream in 0..9 {
        pair.a.begin(pair.now, Outgoing::new(stream, 53, Bytes::new())).unwrap();
        for _ in 0..16 {
            pair.a.append(pair.now, stream, Bytes::from(vec![1; 16 << 10])).unwrap();
        }
        assert!(pair.a.finish(pair.now, stream));
    }
    let mut read = 0;
    let all = pair.run_until(Duration::from_secs(5), |pair| {
        for stream in 0..8 {
            while let Some(message) = pair.z.read(stream) {
                assert_eq!(message.payload.len(), 256 << 10);
                read += 1;
            }
        }
        read == 8
    });
    assert!(all, "{read}: {:?} {:?}", pair.a.stats(), pair.z.stats());
}

#[test]
fn what_is_stuck_stays_within_the_greatest_window() {
    // Messages that are begun and never ended, from one who looks at no window.
    let mut config = Config::default();
    config.max_receive_window = 1 << 20;
    for mode in [ReadMode::Whole, ReadMode::Parts] {
        config.read_mode = mode;
        let (mut pair, Secrets { tag_z, tsn_a, .. }) = overheard(&config);
        let mut buf = Vec::new();
        for number in 0..10_000 {
            let tsn = tsn_a.wrapping_add(number);
            let chunk = i_data(tsn, (number % 50) as u16, number / 50, 2, &[1; 1000]);
            pair.z.handle_datagram(pair.now, &packet(tag_z, &chunk));
            pair.now += ms(1);
            while pair.z.poll_transmit(pair.now, &mut buf).is_some() {
                buf.clear();
            }
        }
        let held = pair.z.stats().receive_buffered;
        assert!(held <= (2 << 20) + (512 << 10) + 1200, "{held}");
        assert!(held >= 512 << 10, "{held}");
        assert_eq!(pair.z.state(), State::Established);
    }
}

/// How long 100-byte messages on 100 streams take beside a bulk transfer that fills the path of
/// 20 Mbit/s and 100 ms: the longest time, and the bulk's share of the path.
fn latency_beside_bulk(config: &Config) -> (Duration, f64) {
    const RATE: u64 = 2_500_000;
    let link = Link { delay: ms(50), rate: Some((RATE, 125_000)), ..Link::default() };
    let mut pair = associations(config, 3).with_link(link, 3);
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.z.state() == State::Established));
    // The bulk alone, until it knows the path.
    let bulk = |pair: &mut Pair<Association>| {
        while pair.a.send(pair.now, message(1000, 64 << 10, 1)).is_ok() {}
        std::iter::from_fn(|| pair.z.read(1000)).map(|message| message.payload.len()).sum::<usize>()
    };
    let limit = pair.now + Duration::from_secs(5);
    while pair.step(limit) {
        bulk(&mut pair);
    }
    let mut waiting = Vec::new();
    let (mut worst, mut bytes) = (Duration::ZERO, 0);
    let start = pair.now;
    for round in 0..100_u64 {
        let stream = (round % 100) as u16;
        pair.a.send(pair.now, message(stream, 100, 2)).unwrap();
        waiting.push((stream, pair.now));
        let limit = pair.now + ms(37);
        while pair.step(limit) {
            bytes += bulk(&mut pair);
            waiting.retain(|(stream, sent)| {
                let read = pair.z.read(*stream).is_some();
                if read {
                    worst = worst.max(pair.now - *sent);
                }
                !read
            });
        }
    }
    assert!(waiting.len() < 10, "{waiting:?}");
    (worst, bytes as f64 / (pair.now - start).as_secs_f64() / RATE as f64)
}

#[test]
fn small_messages_beside_a_bulk_transfer_take_two_round_trips_at_most() {
    // A loss costs another round trip, so the send buffer keeps the path full and its queue short.
    let mut config = Config::default();
    config.send_buffer = 384 << 10;
    config.max_send_buffer = 384 << 10;
    let (worst, share) = latency_beside_bulk(&config);
    println!("interleaved: {worst:?}, the bulk has {share:.2} of the path");
    assert!(worst <= ms(200), "{worst:?}");
    assert!(share > 0.9, "{share}");

    config.interleaving = false;
    let (worst, share) = latency_beside_bulk(&config);
    println!("not interleaved: {worst:?}, the bulk has {share:.2} of the path");
    // 64 KiB at 20 Mbit/s: 27 ms.
    assert!(worst <= ms(200 + 27), "{worst:?}");
    assert!(share > 0.9, "{share}");
}

/// The bytes that four streams of priorities 128, 256, 512 and 1024 have got through when the first
/// of them is done.
fn shares(scheduler: Scheduler, interleaving: bool) -> [usize; 4] {
    let mut config = Config::default();
    config.scheduler = scheduler;
    config.interleaving = interleaving;
    config.send_buffer = 64 << 20;
    let mut pair = connected(&config);
    pair.link.rate = Some((2_500_000, 100_000));
    let mut sent = [0; 4];
    for _ in 0..100 {
        for (stream, priority) in [(0, 128), (1, 256), (2, 512), (3, 1024)] {
            pair.a.set_stream_priority(stream, priority);
            pair.a.send(pair.now, message(stream, 20_000, 1)).unwrap();
        }
    }
    pair.run_until(Duration::from_secs(60), |pair| {
        for (stream, sent) in (0..4).zip(&mut sent) {
            while let Some(message) = pair.z.read(stream) {
                *sent += message.payload.len();
            }
        }
        sent.contains(&2_000_000)
    });
    sent
}

#[test]
fn each_scheduler_shares_as_it_says() {
    // §3. Messages of equal length: what counts turns and what counts bytes comes to the same.
    for interleaving in [true, false] {
        let near = |bytes: usize, expected: usize| bytes.abs_diff(expected) <= 120_000;
        for scheduler in [Scheduler::RoundRobin, Scheduler::FairCapacity] {
            let shares = shares(scheduler, interleaving);
            assert!(shares.iter().all(|bytes| near(*bytes, 2_000_000)), "{scheduler:?} {shares:?}");
        }
        let first = shares(Scheduler::FirstComeFirstServed, interleaving);
        assert!(first.iter().all(|bytes| near(*bytes, 2_000_000)), "{first:?}");
        let [low, normal, high, extra] = shares(Scheduler::Priority, interleaving);
        assert!(near(low + normal + high, 0) && extra == 2_000_000, "{low} {normal} {high}");
        let shares = shares(Scheduler::WeightedFairQueueing, interleaving);
        for (bytes, expected) in shares.into_iter().zip([250_000, 500_000, 1_000_000, 2_000_000]) {
            assert!(near(bytes, expected), "{shares:?}");
        }
    }
}
