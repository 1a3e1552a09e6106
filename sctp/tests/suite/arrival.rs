//! RFC 9260 §6.2 and §6.7: what is acknowledged when, and the window that is told with it.

use crate::lone::{Lone, lines, timed, told};
use crate::pair::{data, message, ms, plain};
use peerless_sctp::{Config, Event};

/// A window of 20 000 bytes that does not grow.
fn narrow() -> Config {
    let mut config = plain();
    config.receive_window = 20_000;
    config.max_receive_window = 20_000;
    config.max_receive_message_size = 10_000;
    config
}

/// Z, which has acknowledged its first DATA chunk.
fn warm(config: &Config) -> Lone {
    let mut lone = Lone::new(config);
    lone.take_data(0, 10);
    lone.now();
    assert!(lone.z.read(0).is_some());
    lone
}

#[test]
fn the_first_data_is_acknowledged_at_once() {
    // §5.1: "After the reception of the first DATA chunk in an association, the endpoint MUST
    // immediately respond with a SACK chunk". A → DATA → Z; Z → SACK; A → DATA → Z, 200 ms, Z → SACK
    let mut lone = Lone::new(&plain());
    lone.take_data(0, 10);
    assert_eq!(timed(&lone.wait(ms(500))), ["0 Sack"]);
    lone.take_data(1, 10);
    assert_eq!(timed(&lone.wait(ms(500))), ["700 Sack"]);
}

#[test]
fn a_sack_is_never_held_back_for_longer_than_half_a_second() {
    // "An implementation MUST NOT allow the maximum delay … to be configured to be more than 500 ms."
    let mut config = plain();
    config.sack_delay = ms(3000);
    let mut lone = warm(&config);
    lone.take_data(1, 10);
    assert_eq!(timed(&lone.wait(ms(5000))), ["500 Sack"]);
}

#[test]
fn there_is_one_sack_for_two_packets_and_none_for_less() {
    // "An SCTP receiver MUST NOT generate more than one SACK chunk for every incoming packet."
    let mut lone = warm(&plain());
    let mut sacks = Vec::new();
    for number in 1..=10 {
        lone.take_data(number, 10);
        sacks.push(lines(&lone.now()).len());
    }
    assert_eq!(sacks, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    // Packets, not chunks: two in one packet wait for the next one.
    let both = [11_u16, 12]
        .map(|number| data(lone.tsn.wrapping_add(u32::from(number)), 0, number, 3, b"hello"));
    lone.take(&both.concat());
    assert!(lone.now().is_empty());
    lone.take_data(13, 10);
    assert_eq!(lines(&lone.now()), ["Sack"]);
}

#[test]
fn a_packet_of_duplicates_is_acknowledged_at_once_and_reported() {
    // "When a packet arrives with duplicate DATA chunk(s) and with no new DATA chunk(s), the endpoint
    // MUST immediately send a SACK chunk with no delay. … The duplicate TSN number(s) SHOULD be
    // reported."
    let mut lone = warm(&plain());
    lone.take_data(0, 10);
    lone.take_data(0, 10);
    let made = lone.now();
    let sack = told(&made[0].bytes).unwrap();
    assert_eq!((made.len(), sack.duplicates), (1, vec![lone.tsn, lone.tsn]));
    // They are reported once.
    lone.take_data(1, 10);
    let made = lone.wait(ms(300));
    assert_eq!(told(&made[0].bytes).unwrap().duplicates, []);
    assert_eq!(lone.z.stats().chunks_duplicate, 2);
}

#[test]
fn duplicates_beside_new_data_are_reported_too() {
    let mut lone = warm(&plain());
    let chunks = [data(lone.tsn, 0, 0, 3, b"a"), data(lone.tsn.wrapping_add(1), 0, 1, 3, b"b")];
    lone.take(&chunks.concat());
    let made = lone.now();
    let sack = told(&made[0].bytes).unwrap();
    assert_eq!(sack.cumulative, lone.tsn.wrapping_add(1));
    assert_eq!(sack.duplicates, [lone.tsn]);
}

#[test]
fn a_gap_is_told_at_once_and_with_each_packet_until_it_is_filled() {
    // §6.7. A → DATA 2 → Z (1 is missing): SACK; 3: SACK; 5: SACK; 1 fills the first gap: SACK;
    // 4 fills the second: SACK; 6: after the delay.
    let mut lone = warm(&plain());
    let steps = [
        (2, 0, vec![(2, 2)]),
        (3, 0, vec![(2, 3)]),
        (5, 0, vec![(2, 3), (5, 5)]),
        (1, 3, vec![(2, 2)]),
        (4, 5, vec![]),
    ];
    for (number, cumulative, gaps) in steps {
        lone.take_data(number, 10);
        let made = lone.now();
        let sack = told(&made[0].bytes).unwrap();
        assert_eq!(made.len(), 1, "{number}");
        assert_eq!(sack.cumulative, lone.tsn.wrapping_add(cumulative), "{number}");
        assert_eq!(sack.gaps, gaps, "{number}");
    }
    lone.take_data(6, 10);
    assert!(lone.now().is_empty());
}

#[test]
fn as_many_gaps_are_told_as_fit_into_one_packet_the_lowest_first() {
    // §6.7: "the endpoint MUST send only one SACK chunk. This single SACK chunk MUST report the Gap
    // Ack Blocks from the lowest to highest TSNs, within the size limit set by the PMTU".
    let mut config = plain();
    config.mtu = 576;
    let mut lone = warm(&config);
    let chunk = |number: u16| data(lone.tsn.wrapping_add(u32::from(number)), 0, number, 3, b"x");
    let all: Vec<_> = (1..=200).map(|index| chunk(2 * index)).collect();
    for chunks in all.chunks(20) {
        lone.take(&chunks.concat());
    }
    let made = lone.now();
    assert_eq!(lines(&made), ["Sack"]);
    let sack = told(&made[0].bytes).unwrap();
    // 576 bytes less the packet's 12 and the chunk's 16, four for each.
    let expected: Vec<_> = (1..=137).map(|index| (2 * index, 2 * index)).collect();
    assert_eq!((sack.gaps, made[0].bytes.len()), (expected, 576));
}

#[test]
fn the_window_closes_by_what_is_held_and_opens_by_what_is_read() {
    // §6.2 A to D. A message counts with 64 bytes more, for the memory that it takes.
    let mut lone = Lone::new(&narrow());
    let window = |lone: &mut Lone| told(&lone.wait(ms(300))[0].bytes).unwrap().a_rwnd;
    lone.take_data(0, 1000);
    assert_eq!(window(&mut lone), 20_000 - 1064);
    lone.take_data(1, 3000);
    assert_eq!(window(&mut lone), 20_000 - 1064 - 3064);
    assert!(lone.z.read(0).is_some());
    lone.take_data(2, 100);
    assert_eq!(window(&mut lone), 20_000 - 3064 - 164);
    // A fragment is not released before its message is: "it SHOULD NOT increment a_rwnd".
    while lone.z.read(0).is_some() {}
    lone.take(&data(lone.tsn.wrapping_add(3), 0, 3, 2, &[1; 1000]));
    assert_eq!(window(&mut lone), 20_000 - 1000 - 64);
    assert_eq!(lone.z.read(0), None);
}

#[test]
fn what_there_is_no_room_for_is_dropped_and_that_is_told_at_once() {
    // "In either case, if such a DATA chunk is dropped, the receiver MUST immediately send back a SACK
    // chunk with the current receive window showing only DATA chunks received and accepted so far."
    let mut lone = Lone::new(&narrow());
    let mut number = 0;
    while lone.z.stats().chunks_refused == 0 {
        lone.now();
        lone.take_data(number, 1000);
        number += 1;
    }
    let made = lone.now();
    let sack = told(&made[0].bytes).unwrap();
    let last = lone.tsn.wrapping_add(u32::from(number) - 2);
    assert_eq!((sack.cumulative, sack.a_rwnd, sack.gaps), (last, 0, vec![]));
    assert!(lone.z.stats().receive_buffered <= 2 * 20_000 + 1064, "twice what was told");
    // What fills no gap and was refused is taken when it comes again and there is room.
    let read = std::iter::from_fn(|| lone.z.read(0)).count();
    lone.take_data(number - 1, 1000);
    assert_eq!(read, usize::from(number) - 1);
    assert!(lone.z.read(0).is_some());
}

#[test]
fn a_window_that_opens_is_told_in_large_steps() {
    // "The receiver MUST avoid sending a large number of window updates … only if the window can be
    // increased by at least a quarter of the receive buffer size".
    let mut lone = Lone::new(&narrow());
    for number in 0..100 {
        lone.take_data(number, 1000);
    }
    lone.now();
    let mut updates = Vec::new();
    while lone.z.read(0).is_some() {
        updates.extend(lone.now().iter().map(|made| told(&made.bytes).unwrap().a_rwnd));
    }
    assert!((1..=3).contains(&updates.len()), "{updates:?}");
    let mut before = 0;
    for window in updates {
        assert!(window >= before + 5_000, "{window}");
        before = window;
    }
}

#[test]
fn a_window_below_a_packet_is_told_as_none() {
    // §6.2: "an algorithm for advertising its receive window to avoid receiver silly window
    // syndrome", RFC 1122 §4.2.3.3.
    let mut lone = Lone::new(&narrow());
    let mut seen = Vec::new();
    for number in 0..40 {
        lone.take_data(number, 536);
        seen.extend(lone.now().iter().map(|made| told(&made.bytes).unwrap().a_rwnd));
    }
    assert!(seen.iter().all(|window| *window == 0 || *window >= 1500), "{seen:?}");
    assert_eq!(seen.last(), Some(&0));
}

#[test]
fn a_chunk_that_asks_for_it_is_acknowledged_at_once() {
    // RFC 7053 §5.2. A → DATA (I) → Z; Z → SACK
    let mut lone = warm(&plain());
    lone.take(&data(lone.tsn.wrapping_add(1), 0, 1, 3 | 8, b"hello"));
    assert_eq!(lines(&lone.now()), ["Sack"]);
}

#[test]
fn ordered_messages_wait_for_an_earlier_one_and_unordered_ones_do_not() {
    // §6.6: by the numbers of the stream, whatever the order of the transmission sequence numbers;
    // and "the receiver MUST ignore the field" in unordered ones.
    let mut lone = Lone::new(&plain());
    let tsn = lone.tsn;
    let chunk = |index: u32, stream, number, flags, text: &[u8]| {
        data(tsn.wrapping_add(index), stream, number, flags, text)
    };
    lone.take(&chunk(0, 0, 1, 3, b"second"));
    lone.take(&chunk(1, 0, 777, 7, b"unordered"));
    lone.take(&chunk(2, 1, 0, 3, b"other stream"));
    let mut read = |stream| lone.z.read(stream).map(|message| message.payload);
    assert_eq!(read(0).as_deref(), Some(&b"unordered"[..]));
    assert_eq!((read(0), read(1).as_deref()), (None, Some(&b"other stream"[..])));
    lone.take(&chunk(3, 0, 0, 3, b"first"));
    let mut read = |stream| lone.z.read(stream).map(|message| message.payload);
    assert_eq!(read(0).as_deref(), Some(&b"first"[..]));
    assert_eq!(read(0).as_deref(), Some(&b"second"[..]));
}

#[test]
fn fragments_make_a_message_whatever_their_order() {
    // §6.9. A → DATA E, DATA, DATA B → Z
    let mut lone = Lone::new(&plain());
    for (index, flags) in [(2, 1), (1, 0), (0, 2)] {
        assert_eq!(lone.z.read(4), None);
        lone.take(&data(lone.tsn.wrapping_add(index), 4, 0, flags, &[index as u8; 2]));
    }
    assert_eq!(&lone.z.read(4).unwrap().payload[..], [0, 0, 1, 1, 2, 2]);
}

#[test]
fn data_for_no_stream_is_reported_with_its_sack() {
    // §6.5: "it SHOULD acknowledge the reception of the DATA chunk following the normal procedure,
    // immediately send an ERROR chunk … and discard the DATA chunk. The endpoint MAY bundle the ERROR
    // chunk and the SACK chunk in the same packet."
    let mut config = plain();
    config.inbound_streams = 3;
    let mut lone = warm(&config);
    while lone.z.poll_event().is_some() {}
    lone.take(&data(lone.tsn.wrapping_add(1), 3, 0, 3, b"hello"));
    let made = lone.now();
    assert_eq!(lines(&made), ["Error Sack"]);
    assert_eq!(told(&made[0].bytes).unwrap().cumulative, lone.tsn.wrapping_add(1));
    assert_eq!((lone.z.read(3), lone.z.poll_event()), (None, None));
}

#[test]
fn data_is_taken_only_while_it_may_come() {
    // §6: "DATA chunks MUST only be received … in ESTABLISHED, SHUTDOWN-PENDING, and SHUTDOWN-SENT
    // states."
    let mut lone = warm(&plain());
    lone.send(10);
    lone.now();
    lone.z.shutdown(lone.now);
    lone.take_data(1, 10);
    assert!(lone.z.read(0).is_some(), "SHUTDOWN-PENDING");
    lone.take_sack(0, 100_000, &[]);
    lone.take_data(2, 10);
    assert!(lone.z.read(0).is_some(), "SHUTDOWN-SENT");
    // SHUTDOWN of both sides: SHUTDOWN-ACK-SENT.
    let seen = lone.tsn_z.to_be_bytes();
    lone.take(&crate::pair::chunk(7, 0, &seen));
    lone.now();
    lone.take_data(3, 10);
    assert_eq!((lone.z.read(0), lone.now().len()), (None, 0));
}

#[test]
fn a_message_may_be_read_before_all_of_it_has_come() {
    // §6.9: "it SHOULD dispatch part of its inbound message through a partial delivery API", here
    // where messages are interleaved.
    let mut config = Config::default();
    config.read_mode = peerless_sctp::ReadMode::Parts;
    let mut pair = crate::pair::connected(&config);
    pair.link.rate = Some((100_000, 100_000));
    pair.a.send(pair.now, message(0, 50_000, 1)).unwrap();
    pair.run(ms(200));
    assert!(std::iter::from_fn(|| pair.z.poll_event()).any(|event| event == Event::Readable(0)));
    let part = pair.z.read_part(0).unwrap();
    assert!(!part.payload.is_empty() && part.payload.len() < 50_000);
}

#[test]
fn as_many_ordered_messages_wait_as_may_be_on_their_way() {
    // §6.1: "2^16 - 1 ordered user messages in the current send window"; the first one is late.
    let mut config = plain();
    config.receive_window = 8 << 20;
    let mut lone = Lone::new(&config);
    for number in 1..40_000 {
        lone.take_data(number, 1);
        lone.now();
    }
    assert!(lone.z.read(0).is_none());
    lone.take_data(0, 1);
    for number in 0..40_000_u32 {
        let message = lone.z.read(0).unwrap_or_else(|| panic!("message {number}"));
        assert_eq!(&message.payload[..], [number as u8]);
    }
}
