//! Messages written and read in parts.

use crate::pair::{Link, Pair, connected, message, ms, origin, plain, seed};
use bytes::Bytes;
use peerless_sctp::data_channel::{self, ChannelInit, Role, Session};
use peerless_sctp::{
    AppendError, Config, Event, Order, Outgoing, ReadMode, SendError, State, Then,
};
use std::time::Duration;

fn streaming() -> Config {
    let mut config = Config::default();
    config.max_send_message_size = usize::MAX;
    config.max_send_buffer = 4 << 20;
    config.max_receive_window = 1 << 20;
    config
}

#[test]
fn a_message_far_larger_than_all_memory_bounds_goes_through_in_parts() {
    // 64 MB, with a send buffer of 4 MiB and a receive window of 1 MiB.
    const LEN: usize = 64_000_000;
    let mut pair = connected(&streaming());
    pair.link.rate = Some((125_000_000, 500_000));
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, Outgoing::new(1, 53, Bytes::new())).unwrap();
    let block = Bytes::from((0..100_000_u32).map(|index| (index % 251) as u8).collect::<Vec<_>>());
    let (mut written, mut read, mut most) = (0, 0, 0);
    let done = pair.run_until(Duration::from_secs(60), |pair| {
        while written < LEN && pair.a.append(pair.now, 1, block.clone()).is_ok() {
            written += block.len();
            if written == LEN {
                assert!(pair.a.finish(pair.now, 1));
            }
        }
        most = most.max(pair.a.total_buffered_amount()).max(pair.z.stats().receive_buffered);
        while let Some(part) = pair.z.read_part(1) {
            for byte in &part.payload {
                debug_assert_eq!(usize::from(*byte), read % 100_000 % 251);
                read += 1;
            }
            if part.then == Then::End {
                return true;
            }
            assert_eq!(part.then, Then::More);
        }
        false
    });
    assert!(done, "{read} of {written}");
    assert_eq!(read, LEN);
    assert!(most <= 5 << 20, "{most}");
    assert_eq!(pair.z.stats().receive_buffered, 0);
    assert_eq!(pair.z.stats().messages_received, 1);
}

/// Writes a message in parts of `part` bytes, a part when it is told that there is room; gives how many
/// were taken.
fn write_when_told(
    pair: &mut Pair<peerless_sctp::Association>,
    part: usize,
    count: usize,
) -> usize {
    let block = Bytes::from(vec![7; part]);
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, Outgoing::new(1, 53, Bytes::new())).unwrap();
    let (mut taken, mut told) = (0, true);
    pair.run_until(Duration::from_secs(60), |pair| {
        while pair.z.read_part(1).is_some() {}
        while let Some(event) = pair.a.poll_event() {
            told |= event == Event::BufferedAmountLow(1);
        }
        while told && taken < count {
            match pair.a.append(pair.now, 1, block.clone()) {
                Ok(()) => taken += 1,
                Err(AppendError::BufferFull { .. }) => told = false,
                Err(error) => panic!("{error}"),
            }
        }
        taken == count
    });
    taken
}

#[test]
fn who_writes_in_parts_is_told_of_room() {
    for threshold in [0, 1, 1 << 20, usize::MAX] {
        // The last is larger than the buffer: it goes when nothing but the byte held back is there.
        for part in [1000, 100_000, 5 << 20] {
            let mut pair = connected(&streaming());
            pair.a.set_buffered_amount_low_threshold(1, threshold);
            let count = ((8 << 20) / part).max(3);
            assert_eq!(write_when_told(&mut pair, part, count), count, "{threshold}, {part}");
        }
    }
}

#[test]
fn a_byte_held_back_is_not_waited_for() {
    let mut pair = connected(&streaming());
    while pair.a.poll_event().is_some() {}
    pair.a.begin(pair.now, message(1, 5_000, 1)).unwrap();
    assert_eq!((pair.a.buffered_amount(1), pair.a.total_buffered_amount()), (4_999, 5_000));
    pair.run(ms(500));
    assert_eq!((pair.a.buffered_amount(1), pair.a.total_buffered_amount()), (0, 1));
    assert_eq!(pair.a.poll_event(), Some(Event::BufferedAmountLow(1)));
    // With the end of the message it waits for the path, and tells.
    pair.a.finish(pair.now, 1);
    assert_eq!(pair.a.buffered_amount(1), 1);
    assert_eq!(pair.a.poll_event(), None);
    pair.run(ms(500));
    assert_eq!(pair.a.poll_event(), Some(Event::BufferedAmountLow(1)));
    assert_eq!(pair.a.total_buffered_amount(), 0);
}

#[test]
fn other_streams_do_not_wait_for_a_message_that_is_being_written() {
    let mut pair = connected(&streaming());
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, message(1, 10_000, 1)).unwrap();
    pair.a.send(pair.now, message(2, 500_000 >> 1, 2)).unwrap();
    pair.run(Duration::from_secs(1));
    assert!(pair.z.read(2).is_some());
    let mut parts = 0;
    while let Some(part) = pair.z.read_part(1) {
        parts += part.payload.len();
        assert_eq!(part.then, Then::More);
    }
    assert_eq!(parts, 9_999, "the last byte is held back");
    pair.a.finish(pair.now, 1);
    pair.run(Duration::from_secs(1));
    let last = pair.z.read_part(1).unwrap();
    assert_eq!((last.payload.len(), last.then), (1, Then::End));
}

#[test]
fn a_message_abandoned_half_way_is_seen_as_such() {
    for (order, read_first) in
        [(Order::Ordered, true), (Order::Ordered, false), (Order::Unordered, true)]
    {
        let mut pair = connected(&streaming());
        pair.z.set_read_mode(1, ReadMode::Parts);
        let mut first = message(1, 50_000, 1);
        first.order = order;
        pair.a.begin(pair.now, first).unwrap();
        pair.run(Duration::from_secs(1));
        if read_first {
            assert_eq!(pair.z.read_part(1).unwrap().then, Then::More);
        }
        pair.a.abandon(pair.now, 1);
        let mut second = message(1, 100, 2);
        second.order = order;
        pair.a.send(pair.now, second).unwrap();
        pair.run(Duration::from_secs(1));
        if read_first {
            let cut = pair.z.read_part(1).unwrap();
            assert_eq!((cut.payload.len(), cut.then), (0, Then::Abandoned));
        }
        let next = pair.z.read_part(1).unwrap();
        assert_eq!((next.payload[0], next.payload.len(), next.then), (2, 100, Then::End));
        assert_eq!(pair.z.read_part(1), None);
        assert_eq!(pair.z.stats().receive_buffered, 0);
        assert_eq!((pair.a.total_buffered_amount(), pair.a.stats().bytes_in_flight), (0, 0));
        assert_eq!(pair.a.state(), State::Established);
    }
}

#[test]
fn a_slow_reader_stops_the_writer_and_goes_on_later() {
    let mut pair = connected(&streaming());
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, Outgoing::new(1, 53, Bytes::new())).unwrap();
    let block = Bytes::from(vec![7; 100_000]);
    let mut written = 0;
    pair.run_until(Duration::from_secs(20), |pair| {
        while pair.a.append(pair.now, 1, block.clone()).is_ok() {
            written += block.len();
        }
        false
    });
    let held = pair.z.stats().receive_buffered;
    assert!(held <= 3 << 20, "{held}");
    assert!(written < 8 << 20, "{written}");
    assert_eq!(pair.a.state(), State::Established);
    pair.a.finish(pair.now, 1);
    let mut read = 0;
    assert!(pair.run_until(Duration::from_secs(60), |pair| {
        while let Some(part) = pair.z.read_part(1) {
            read += part.payload.len();
            if part.then == Then::End {
                return true;
            }
        }
        false
    }));
    assert_eq!(read, written);
}

#[test]
fn what_cannot_be_written_comes_back() {
    let mut config = plain();
    config.send_buffer = 200_000;
    let mut pair = connected(&config);
    let large = message(1, 250_000, 1);
    let error = pair.a.send(pair.now, large.clone()).unwrap_err();
    assert_eq!(error, SendError::NeedsInterleaving { message: large });
    let error = pair.a.begin(pair.now, message(1, 10, 1)).unwrap_err();
    assert!(matches!(error, SendError::NeedsInterleaving { .. }));

    let mut config = Config::default();
    config.send_buffer = 200_000;
    let mut pair = connected(&config);
    pair.a.begin(pair.now, message(1, 10, 1)).unwrap();
    assert!(matches!(pair.a.send(pair.now, message(1, 10, 1)), Err(SendError::MessageOpen { .. })));
    let part = Bytes::from(vec![1; 199_995]);
    let error = pair.a.append(pair.now, 1, part.clone()).unwrap_err();
    assert_eq!(error, AppendError::BufferFull { part: part.clone(), buffered: 10 });
    let huge = Bytes::from(vec![1; 262_140]);
    let error = pair.a.append(pair.now, 1, huge.clone()).unwrap_err();
    assert_eq!(error, AppendError::TooLarge { part: huge, limit: 262_144 });
    assert!(pair.a.finish(pair.now, 1));
    let error = pair.a.append(pair.now, 1, part.clone()).unwrap_err();
    assert_eq!(error, AppendError::NoMessage { part });
    assert!(!pair.a.finish(pair.now, 1));
}

#[test]
fn a_message_that_was_begun_may_be_ended_during_a_shutdown() {
    let mut pair = connected(&Config::default());
    pair.a.begin(pair.now, message(1, 10, 1)).unwrap();
    pair.a.shutdown(pair.now);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.a.state(), State::ShutdownPending);
    pair.a.append(pair.now, 1, Bytes::from_static(b"more")).unwrap();
    pair.a.finish(pair.now, 1);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.z.read(1).unwrap().payload.len(), 14);
    assert_eq!(pair.a.state(), State::Closed);
}

fn channels() -> (Pair<Session>, data_channel::ChannelId, data_channel::ChannelId) {
    let start = origin();
    let mut config = data_channel::Config::default();
    config.association.max_send_message_size = 10 << 20;
    config.association.read_mode = ReadMode::Parts;
    let [a, z] = [0, 1].map(|side| Session::new(config.clone(), start, seed(5, side)));
    let mut pair = Pair::new(start, a, z).with_link(Link::default(), 5);
    let a = pair.a.open(start, ChannelInit::new("files")).unwrap();
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair.run(ms(300));
    let z = std::iter::from_fn(|| pair.z.poll_event())
        .find_map(|event| match event {
            data_channel::Event::ChannelIncoming(id) => Some(id),
            _ => None,
        })
        .unwrap();
    (pair, a, z)
}

#[test]
fn a_channel_carries_messages_in_parts() {
    let (mut pair, a, z) = channels();
    assert!(pair.a.can_stream());
    pair.a.begin(pair.now, a, "").unwrap();
    for _ in 0..50 {
        pair.a.append(pair.now, a, Bytes::from(vec![b'x'; 20_000])).unwrap();
    }
    pair.a.finish(pair.now, a);
    pair.a.begin(pair.now, a, vec![]).unwrap();
    pair.a.finish(pair.now, a);
    let mut len = 0;
    pair.run_until(Duration::from_secs(5), |pair| {
        while let Some(part) = pair.z.read_part(z) {
            assert!(!part.binary);
            len += part.data.len();
            if part.then == Then::End {
                return true;
            }
        }
        false
    });
    assert_eq!(len, 1_000_000);
    pair.run(ms(500));
    let empty = pair.z.read_part(z).unwrap();
    assert_eq!((empty.data.len(), empty.binary, empty.then), (0, true, Then::End));
    let stats = pair.a.channel_stats(a).unwrap();
    assert_eq!((stats.messages_sent, stats.bytes_sent), (2, 1_000_000));
    let stats = pair.z.channel_stats(z).unwrap();
    assert_eq!((stats.messages_received, stats.bytes_received), (2, 1_000_000));
}

#[test]
fn a_message_without_a_byte_is_sent_though_the_buffer_is_full() {
    let (mut pair, a, z) = channels();
    let other = pair.a.open(pair.now, ChannelInit::new("other")).unwrap();
    pair.a.begin(pair.now, a, "").unwrap();
    while pair.a.send(pair.now, other, vec![1; 100_000]).is_ok() {}
    while pair.a.send(pair.now, other, vec![1; 1]).is_ok() {}
    assert!(pair.a.finish(pair.now, a));
    assert!(!pair.a.finish(pair.now, a), "it is ended");
    assert_eq!(pair.a.association().stats().messages_abandoned, 0);
    let mut part = None;
    pair.run_until(Duration::from_secs(5), |pair| {
        part = pair.z.read_part(z);
        part.is_some()
    });
    let part = part.unwrap();
    assert_eq!((part.data.len(), part.binary, part.then), (0, false, Then::End));
    // Without a byte it holds no shutdown up: it will not be sent then, and that is said.
    let (mut pair, a, _) = channels();
    pair.a.begin(pair.now, a, "").unwrap();
    pair.a.shutdown(pair.now);
    assert!(!pair.a.finish(pair.now, a));
}

#[test]
fn closing_a_channel_abandons_what_is_being_written_on_it() {
    let (mut pair, a, z) = channels();
    pair.a.begin(pair.now, a, vec![1; 5_000]).unwrap();
    pair.run(ms(500));
    assert_eq!(pair.z.read_part(z).unwrap().then, Then::More);
    pair.a.close(pair.now, a);
    pair.run(ms(500));
    let closed = std::iter::from_fn(|| pair.a.poll_event())
        .any(|event| event == data_channel::Event::ChannelClosed(a));
    assert!(closed);
    let last = pair.z.read_part(z).unwrap();
    assert_eq!((last.data.len(), last.then), (0, Then::Abandoned));
    assert_eq!(pair.z.read_part(z), None);
    // The number is used anew.
    let again = pair.a.open(pair.now, ChannelInit::new("again")).unwrap();
    pair.a.send(pair.now, again, "fresh").unwrap();
    pair.run(ms(500));
    let id = std::iter::from_fn(|| pair.z.poll_event())
        .find_map(|event| match event {
            data_channel::Event::ChannelIncoming(id) => Some(id),
            _ => None,
        })
        .unwrap();
    assert_eq!(pair.z.read(id).unwrap().as_text(), Some("fresh"));
}

/// A message of 50 000 bytes of which Z has read a part and all has arrived, and two behind it.
fn half_read() -> Pair<peerless_sctp::Association> {
    let mut pair = connected(&streaming());
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, message(1, 50_000, 1)).unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.z.read_part(1).unwrap().then, Then::More);
    pair.a.append(pair.now, 1, Bytes::from(vec![1; 5_000])).unwrap();
    pair.a.finish(pair.now, 1);
    for fill in [2, 3] {
        pair.a.send(pair.now, message(1, 2_000, fill)).unwrap();
    }
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.a.total_buffered_amount(), 0, "all of it is acknowledged");
    pair
}

/// Reads what [`half_read`] has left.
fn read_rest(pair: &mut Pair<peerless_sctp::Association>) {
    assert_eq!(pair.z.read(1), None, "a message is being read in parts");
    let mut parts = Vec::new();
    while let Some(part) = pair.z.read_part(1) {
        parts.push((part.payload.len(), part.payload[0], part.then));
    }
    assert_eq!(parts, [(5_001, 1, Then::End), (2_000, 2, Then::End), (2_000, 3, Then::End)]);
    let stats = pair.z.stats();
    assert_eq!((stats.receive_buffered, stats.messages_received), (0, 3));
    assert_eq!(stats.message_bytes_received, 59_000);
}

#[test]
fn what_has_arrived_outlives_a_reset_while_it_is_read_in_parts() {
    let mut pair = half_read();
    pair.a.reset_stream(pair.now, 1);
    pair.run(Duration::from_secs(1));
    let reset = std::iter::from_fn(|| pair.z.poll_event())
        .any(|event| event == Event::IncomingStreamReset(1));
    assert!(reset);
    // A message with the number of the one that is being read, in fragments.
    pair.a.send(pair.now, message(1, 3_000, 4)).unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.z.read_part(1).unwrap().payload.len(), 5_001);
    for (fill, len) in [(2, 2_000), (3, 2_000), (4, 3_000)] {
        let part = pair.z.read_part(1).unwrap();
        assert_eq!((part.payload[0], part.payload.len(), part.then), (fill, len, Then::End));
    }
    assert_eq!(pair.z.read_part(1), None);
}

#[test]
fn what_has_arrived_outlives_the_association_while_it_is_read_in_parts() {
    let mut pair = half_read();
    pair.a.shutdown(pair.now);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.z.state(), State::Closed);
    read_rest(&mut pair);
    let mut pair = half_read();
    pair.a.abort(pair.now, "");
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.z.state(), State::Closed);
    read_rest(&mut pair);
}

#[test]
fn the_numbers_after_a_reset_are_those_of_other_messages() {
    // Of a message of the number that is being read, the rest will not come: that of the next one
    // with the number does.
    let mut pair = connected(&streaming());
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, message(1, 5_000, 1)).unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.z.read_part(1).unwrap().then, Then::More);
    pair.a.abandon(pair.now, 1);
    pair.a.reset_stream(pair.now, 1);
    pair.run(Duration::from_secs(1));
    pair.a.send(pair.now, message(1, 3_000, 2)).unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.z.read_part(1).unwrap().then, Then::Abandoned);
    let part = pair.z.read_part(1).unwrap();
    assert_eq!((part.payload.len(), part.payload[0], part.then), (3_000, 2, Then::End));
}

#[test]
fn what_has_arrived_is_not_given_up_with_what_follows() {
    for order in [Order::Ordered, Order::Unordered] {
        let mut pair = connected(&streaming());
        pair.z.set_read_mode(1, ReadMode::Parts);
        let ordered = |message: Outgoing| Outgoing { order, ..message };
        pair.a.begin(pair.now, ordered(message(1, 5_000, 1))).unwrap();
        pair.run(Duration::from_secs(1));
        assert_eq!(pair.z.read_part(1).unwrap().then, Then::More);
        pair.a.append(pair.now, 1, Bytes::from(vec![1; 5_000])).unwrap();
        pair.a.finish(pair.now, 1);
        // The next one is given up when it has left in part.
        pair.a.send(pair.now, ordered(message(1, 100, 2))).unwrap();
        pair.a.begin(pair.now, ordered(message(1, 5_000, 3))).unwrap();
        pair.run(Duration::from_secs(1));
        pair.a.abandon(pair.now, 1);
        pair.a.send(pair.now, ordered(message(1, 100, 4))).unwrap();
        pair.run(Duration::from_secs(1));
        let mut parts = Vec::new();
        while let Some(part) = pair.z.read_part(1) {
            parts.push((part.payload.len(), part.payload.first().copied(), part.then));
        }
        let expected = [(5_001, Some(1)), (100, Some(2)), (100, Some(4))];
        let expected = expected.map(|(len, fill)| (len, fill, Then::End));
        if order == Order::Unordered {
            parts[1..].sort_unstable_by_key(|(_, fill, _)| *fill);
        }
        assert_eq!(parts, expected);
        assert_eq!(pair.z.stats().receive_buffered, 0);
        assert_eq!(pair.a.total_buffered_amount(), 0);
    }
}

#[test]
fn what_a_channel_has_got_outlives_it_while_it_is_read_in_parts() {
    for shutdown in [false, true] {
        for moved in [false, true] {
            let (mut pair, a, z) = channels();
            pair.a.begin(pair.now, a, vec![1; 5_000]).unwrap();
            pair.run(ms(500));
            assert_eq!(pair.z.read_part(z).unwrap().then, Then::More);
            pair.a.append(pair.now, a, vec![2; 5_000]).unwrap();
            pair.a.finish(pair.now, a);
            pair.a.send(pair.now, a, vec![3; 2_000]).unwrap();
            if shutdown {
                pair.a.shutdown(pair.now);
            } else {
                pair.a.close(pair.now, a);
            }
            pair.run(Duration::from_secs(1));
            if moved && !shutdown {
                let mut config = data_channel::Config::default();
                config.association = pair.z.association().config().clone();
                let bytes = pair.z.hand_over(pair.now).unwrap();
                pair.z = Session::resume(config, pair.now, seed(6, 1), &bytes).unwrap();
            }
            let events: Vec<_> = std::iter::from_fn(|| pair.z.poll_event()).collect();
            assert!(events.contains(&data_channel::Event::ChannelClosed(z)), "{events:?}");
            assert_eq!(pair.z.read(z), None, "a message is being read in parts");
            for (len, fill) in [(5_001, 2), (2_000, 3)] {
                let part = pair.z.read_part(z).unwrap();
                assert_eq!((part.data.len(), part.then), (len, Then::End));
                assert_eq!(part.data.last(), Some(&fill));
            }
            assert_eq!(pair.z.read_part(z), None);
        }
    }
}

#[test]
fn a_part_is_told_once_until_it_is_read() {
    let mut pair = connected(&streaming());
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, message(1, 5_000, 1)).unwrap();
    pair.run(ms(500));
    assert_eq!(pair.z.poll_event(), Some(Event::Readable(1)));
    pair.a.append(pair.now, 1, Bytes::from(vec![1; 5_000])).unwrap();
    pair.run(ms(500));
    assert_eq!(pair.z.poll_event(), None);
    while pair.z.read_part(1).is_some() {}
    pair.a.append(pair.now, 1, Bytes::from(vec![1; 5_000])).unwrap();
    pair.run(ms(500));
    assert_eq!(pair.z.poll_event(), Some(Event::Readable(1)));
}

#[test]
fn a_channel_with_a_long_name_opens_though_all_is_read_in_parts() {
    let (mut pair, _, _) = channels();
    let label = "l".repeat(20_000);
    pair.a.open(pair.now, ChannelInit::new(label.as_str())).unwrap();
    pair.run(Duration::from_secs(1));
    let id = std::iter::from_fn(|| pair.z.poll_event())
        .find_map(|event| match event {
            data_channel::Event::ChannelIncoming(id) => Some(id),
            _ => None,
        })
        .unwrap();
    assert_eq!(pair.z.label(id), Some(label.as_str()));
}

#[test]
fn a_message_begun_in_cookie_echoed_is_written_on() {
    let mut pair = crate::pair::associations(&streaming(), 1);
    pair.a.connect(pair.now, Duration::ZERO);
    let begun = pair.run_until(Duration::from_secs(1), |pair| {
        pair.a.state() == State::CookieEchoed
            && pair.a.begin(pair.now, Outgoing::new(1, 53, Bytes::new())).is_ok()
    });
    assert!(begun);
    assert_eq!(pair.a.written(1), Some(0));
    pair.a.append(pair.now, 1, Bytes::from_static(b"early")).unwrap();
    assert!(pair.a.finish(pair.now, 1));
    pair.run(ms(500));
    assert_eq!(pair.z.read(1).unwrap().payload, "early");
}
