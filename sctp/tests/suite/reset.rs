//! RFC 6525: the reset of streams, and more of them.

use crate::lone::{Lone, data_of, lines};
use crate::pair::{
    Pair, Secrets, Side, associations, chart, chunk, connected, data, message, ms, overheard,
    packet, plain, seal,
};
use peerless_sctp::chunk::parameter::Parameters;
use peerless_sctp::chunk::re_config::Request;
use peerless_sctp::chunk::{ChunkType, Chunks};
use peerless_sctp::{Association, CloseReason, Config, Event, ReadMode, Then};
use std::time::Duration;

fn events(association: &mut Association) -> Vec<Event> {
    std::iter::from_fn(|| association.poll_event()).collect()
}

/// An Incoming SSN Reset Request (§4.2).
fn incoming_reset(sequence: u32, streams: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let streams = streams.into_iter().flat_map(u16::to_be_bytes);
    parameter(14, sequence, &streams.collect::<Vec<u8>>())
}

/// An Outgoing SSN Reset Request (§4.1).
fn outgoing_reset(sequence: u32, last_assigned_tsn: u32, streams: &[u16]) -> Vec<u8> {
    let mut rest = vec![0; 4];
    rest.extend(last_assigned_tsn.to_be_bytes());
    rest.extend(streams.iter().copied().flat_map(u16::to_be_bytes));
    parameter(13, sequence, &rest)
}

/// A RE-CONFIG with two parameters.
fn both(mut first: Vec<u8>, second: &[u8]) -> Vec<u8> {
    first.resize(first.len().next_multiple_of(4), 0);
    first.extend(second);
    chunk(130, 0, &first)
}

/// A request of a RE-CONFIG: its number, and what follows that.
fn parameter(kind: u16, sequence: u32, rest: &[u8]) -> Vec<u8> {
    let mut parameter = kind.to_be_bytes().to_vec();
    parameter.extend(u16::try_from(8 + rest.len()).unwrap().to_be_bytes());
    parameter.extend(sequence.to_be_bytes());
    parameter.extend(rest);
    parameter
}

/// Whether an Outgoing SSN Reset Request is in a packet.
fn asks_for_a_reset(packet: &[u8]) -> bool {
    Chunks::new(&packet[12..])
        .filter(|chunk| chunk.kind == ChunkType::ReConfig)
        .flat_map(|chunk| Parameters::new(chunk.value))
        .any(|value| matches!(Request::parse(&value), Some(Request::OutgoingReset { .. })))
}

/// Numbers and results of the answers that a side has given, a list for each RE-CONFIG.
fn answers(log: &[(Side, Vec<u8>)], side: Side) -> Vec<Vec<(u32, u32)>> {
    let chunks = log.iter().filter(|(from, _)| *from == side).flat_map(|(_, packet)| {
        Chunks::new(&packet[12..]).filter(|chunk| chunk.kind == ChunkType::ReConfig)
    });
    let answers = chunks.map(|chunk| {
        let requests = Parameters::new(chunk.value).filter_map(|value| Request::parse(&value));
        let answers = requests.filter_map(|request| match request {
            Request::Response { sequence, result } => Some((sequence, result.to_wire())),
            _ => None,
        });
        answers.collect::<Vec<_>>()
    });
    answers.filter(|answers| !answers.is_empty()).collect()
}

/// A pair with 10 streams from A to Z and 20 back, which may become more.
fn few_streams() -> Pair<Association> {
    let mut config = Config::default();
    config.outbound_streams = 10;
    config.inbound_streams = 20;
    let start = crate::pair::origin();
    let mut pair = Pair::new(
        start,
        Association::client(config, start, [1; 32]),
        Association::server(Config::default(), start, [2; 32]),
    );
    pair.run(ms(100));
    events(&mut pair.a);
    events(&mut pair.z);
    assert_eq!((pair.a.outbound_streams(), pair.a.inbound_streams()), (10, 20));
    pair.log = Some(Vec::new());
    pair
}

#[test]
fn streams_to_send_on_are_added() {
    // §5.1.5. A → RE-CONFIG (add outgoing) → Z; Z → RE-CONFIG (performed) → A
    let mut pair = few_streams();
    pair.a.add_streams(pair.now, 5, 0);
    pair.run(ms(100));
    assert_eq!(chart(pair.log.as_ref().unwrap()), ["A ReConfig", "Z ReConfig"]);
    assert_eq!(events(&mut pair.a), [Event::StreamsAdded]);
    assert_eq!(events(&mut pair.z), [Event::StreamsAdded]);
    assert_eq!((pair.a.outbound_streams(), pair.z.inbound_streams()), (15, 15));
    pair.a.send(pair.now, message(14, 10, 1)).unwrap();
    pair.run(ms(100));
    assert!(pair.z.read(14).is_some());
}

#[test]
fn streams_of_the_peer_are_added_by_its_own_request() {
    // §5.1.6. A → RE-CONFIG (add incoming) → Z; Z → RE-CONFIG (performed), RE-CONFIG (add outgoing)
    // → A; A → RE-CONFIG (performed) → Z
    let mut pair = few_streams();
    pair.a.add_streams(pair.now, 0, 7);
    pair.run(ms(100));
    let expected = ["A ReConfig", "Z ReConfig ReConfig", "A ReConfig"];
    assert_eq!(chart(pair.log.as_ref().unwrap()), expected);
    assert_eq!((pair.a.inbound_streams(), pair.z.outbound_streams()), (27, 27));
    assert_eq!(events(&mut pair.a), [Event::StreamsAdded]);
    assert_eq!(events(&mut pair.z), [Event::StreamsAdded]);
    pair.z.send(pair.now, message(26, 10, 1)).unwrap();
    pair.run(ms(100));
    assert!(pair.a.read(26).is_some());
}

#[test]
fn streams_beyond_the_limit_are_denied() {
    // §5.2.5, §5.2.6: "SHOULD deny the request if the number of streams exceeds a limit".
    let mut pair = few_streams();
    pair.z.add_streams(pair.now, 5, 5);
    pair.run(ms(200));
    assert_eq!(events(&mut pair.z), [Event::StreamsRefused]);
    assert_eq!((pair.z.outbound_streams(), pair.z.inbound_streams()), (20, 10));
}

#[test]
fn a_request_that_is_lost_is_made_again() {
    let mut pair = few_streams();
    let mut lost = 0;
    pair.filter = Some(Box::new(move |_, packet| {
        lost += u32::from(packet[12] == 130);
        packet[12] != 130 || lost > 3
    }));
    pair.a.add_streams(pair.now, 5, 5);
    pair.a.reset_stream(pair.now, 3);
    pair.run(Duration::from_secs(20));
    assert_eq!((pair.a.outbound_streams(), pair.a.inbound_streams()), (15, 25));
    assert_eq!((pair.z.outbound_streams(), pair.z.inbound_streams()), (25, 15));
    assert!(events(&mut pair.z).contains(&Event::IncomingStreamReset(3)));
}

#[test]
fn a_request_that_is_made_again_keeps_to_the_packet() {
    // It names 200 streams, and the answer to a long HEARTBEAT goes first.
    let mut lone = Lone::new(&plain());
    for stream in 0..200 {
        lone.z.send(lone.now, message(stream, 1, 1)).unwrap();
    }
    while lone.z.total_buffered_amount() > 0 {
        let made = lone.round();
        let last = made.iter().flat_map(|made| lone.numbers(&made.bytes)).max().unwrap();
        lone.take_sack(last as i32, 100_000, &[]);
    }
    for stream in 0..200 {
        lone.z.reset_stream(lone.now, stream);
    }
    assert!(lone.now().iter().any(|made| asks_for_a_reset(&made.bytes)));
    let due = lone.z.poll_timeout().unwrap();
    lone.wait(due - lone.now - ms(1));
    lone.z.handle_timeout(due);
    lone.now = due;
    lone.take(&chunk(4, 0, &[7; 900]));
    let made = lone.now();
    assert!(made.iter().any(|made| asks_for_a_reset(&made.bytes)), "{:?}", lines(&made));
    assert!(made.iter().all(|made| made.bytes.len() <= lone.z.mtu()), "{:?}", lines(&made));
}

#[test]
fn requests_in_one_packet_are_few() {
    // §5.1.1: one may be open at a time.
    let (mut pair, secrets) = overheard(&plain());
    let requests: Vec<u8> = (0..50)
        .flat_map(|number| chunk(130, 0, &incoming_reset(secrets.tsn_a.wrapping_add(number), [])))
        .collect();
    pair.log = Some(Vec::new());
    pair.z.handle_datagram(pair.now, &packet(secrets.tag_z, &requests));
    pair.run(ms(100));
    let answers = answers(pair.log.as_ref().unwrap(), Side::Z);
    assert_eq!(answers.iter().map(Vec::len).sum::<usize>(), 2);
}

#[test]
fn without_rfc_6525_streams_are_refused_here() {
    let mut config = Config::default();
    config.stream_reset = false;
    config.outbound_streams = 5;
    let mut pair = connected(&config);
    pair.log = Some(Vec::new());
    pair.a.add_streams(pair.now, 5, 5);
    pair.run(ms(100));
    assert_eq!(events(&mut pair.a), [Event::StreamsRefused]);
    assert!(pair.log.as_ref().unwrap().is_empty());
}

#[test]
fn a_request_out_of_sequence_is_answered_as_such() {
    // §5.2.1. Z → RE-CONFIG (add incoming, of a far number) → A; A → RE-CONFIG (bad sequence) → Z
    let (mut pair, secrets) = overheard(&Config::default());
    pair.log = Some(Vec::new());
    let mut request = vec![0, 18, 0, 12];
    request.extend(secrets.tsn_a.wrapping_add(77).to_be_bytes());
    request.extend([0, 1, 0, 0]);
    pair.z.handle_datagram(pair.now, &packet(secrets.tag_z, &chunk(130, 0, &request)));
    pair.run(ms(100));
    let log = pair.log.as_ref().unwrap();
    assert_eq!(chart(log), ["Z ReConfig"]);
    assert_eq!(log[0].0, Side::Z);
    assert_eq!(log[0].1[24..28], [0, 0, 0, 5], "Error - Bad Sequence Number");
}

#[test]
fn the_peer_asks_for_the_reset_of_what_we_send_on() {
    // §5.2.3. A → RE-CONFIG (incoming reset of 1, 2 and 3) → Z;
    // Z → RE-CONFIG (performed), RE-CONFIG (outgoing reset of 1 and 3) → A
    let (mut pair, secrets) = overheard(&plain());
    for stream in [1, 3] {
        pair.z.send(pair.now, message(stream, 10, 1)).unwrap();
    }
    pair.run(ms(300));
    events(&mut pair.z);
    pair.log = Some(Vec::new());
    let request = incoming_reset(secrets.tsn_a, [1, 2, 3]);
    pair.z.handle_datagram(pair.now, &packet(secrets.tag_z, &chunk(130, 0, &request)));
    pair.run(ms(300));
    let log = pair.log.as_ref().unwrap();
    assert_eq!(chart(log), ["Z ReConfig ReConfig", "A ReConfig"]);
    assert_eq!(answers(log, Side::Z), [[(secrets.tsn_a, 1)]]);
    let reset = events(&mut pair.z);
    assert_eq!(reset, [Event::OutgoingStreamReset(1), Event::OutgoingStreamReset(3)]);
}

#[test]
fn there_is_nothing_to_do_for_streams_that_were_never_used() {
    // §5.2.3: "all of the streams being requested will be already set to 0".
    // A → RE-CONFIG (incoming reset of 0 to 499) → Z; Z → RE-CONFIG (nothing to do) → A
    let (mut pair, secrets) = overheard(&plain());
    let before = pair.z.hand_over(pair.now).unwrap().len();
    pair.log = Some(Vec::new());
    let request = incoming_reset(secrets.tsn_a, 0..500);
    pair.z.handle_datagram(pair.now, &packet(secrets.tag_z, &chunk(130, 0, &request)));
    assert_eq!(pair.z.hand_over(pair.now).unwrap().len(), before, "nothing is kept of them");
    pair.run(ms(300));
    let log = pair.log.as_ref().unwrap();
    assert_eq!(chart(log), ["Z ReConfig"]);
    assert_eq!(answers(log, Side::Z), [[(secrets.tsn_a, 0)]]);
}

#[test]
fn what_the_peer_asks_for_without_end_is_kept_once() {
    // A → RE-CONFIG (incoming reset of 0 to 499) → Z, ever again; Z → RE-CONFIG → ✗
    let (mut pair, secrets) = overheard(&plain());
    for stream in 0..500 {
        pair.z.send(pair.now, message(stream, 10, 1)).unwrap();
    }
    pair.run(ms(300));
    pair.filter = Some(Box::new(|side, packet| side == Side::A || packet[12] != 130));
    let mut kept = Vec::new();
    for round in 0..50 {
        let request = incoming_reset(secrets.tsn_a.wrapping_add(round), 0..500);
        pair.z.handle_datagram(pair.now, &packet(secrets.tag_z, &chunk(130, 0, &request)));
        pair.run(ms(1));
        kept.push(pair.z.hand_over(pair.now).unwrap().len());
    }
    assert!(kept.iter().all(|len| *len <= kept[0]), "{kept:?}");
}

/// Streams and numbers of the DATA that a side has sent, and where its requests are between.
fn departures(log: &[(Side, Vec<u8>)], side: Side) -> Vec<String> {
    let mut departures = Vec::new();
    for (_, packet) in log.iter().filter(|(from, _)| *from == side) {
        if asks_for_a_reset(packet) {
            departures.push("RE-CONFIG".to_owned());
        }
        departures
            .extend(data_of(packet).iter().map(|data| format!("{}:{}", data.stream, data.message)));
    }
    departures
}

#[test]
fn what_is_sent_after_a_reset_waits_for_its_answer() {
    // §5.1.2 A1, A3; §5.2.7 H4. A → DATA (0, 1) → Z; A → RE-CONFIG → ✗; A → RE-CONFIG → Z;
    // Z → RE-CONFIG (performed) → A; A → DATA (0) → Z
    for reset_by_peer in [false, true] {
        let (mut pair, secrets) = overheard(&plain());
        let mut lost = false;
        pair.filter = Some(Box::new(move |side, packet| {
            let first = side == Side::A && asks_for_a_reset(packet) && !lost;
            lost |= first;
            !first
        }));
        pair.log = Some(Vec::new());
        pair.a.send(pair.now, message(3, 10, 0)).unwrap();
        pair.a.send(pair.now, message(3, 10, 1)).unwrap();
        if reset_by_peer {
            let request = incoming_reset(secrets.tsn_z, [3]);
            pair.a.handle_datagram(pair.now, &packet(secrets.tag_a, &chunk(130, 0, &request)));
        } else {
            pair.a.reset_stream(pair.now, 3);
        }
        pair.a.send(pair.now, message(3, 10, 2)).unwrap();
        pair.run(ms(5));
        pair.a.send(pair.now, message(3, 10, 3)).unwrap();
        pair.a.send(pair.now, message(4, 10, 0)).unwrap();
        pair.run(Duration::from_secs(3));
        let mut departures = departures(pair.log.as_ref().unwrap(), Side::A);
        departures.dedup();
        let expected = ["3:0", "3:1", "RE-CONFIG", "4:0", "RE-CONFIG", "3:0", "3:1"];
        assert_eq!(departures, expected, "{reset_by_peer}");
        let arrived: Vec<u8> =
            std::iter::from_fn(|| pair.z.read(3)).map(|message| message.payload[0]).collect();
        assert_eq!(arrived, [0, 1, 2, 3], "{reset_by_peer}");
    }
}

#[test]
fn a_reset_that_is_refused_holds_nothing_up() {
    // §5.2.7 H3. A → RE-CONFIG → Z; Z → RE-CONFIG (denied) → A; A → DATA (1) → Z
    let (mut pair, _) = overheard(&plain());
    pair.filter = Some(Box::new(|side, packet| {
        if side == Side::Z && packet[12] == 130 {
            packet[27] = 2;
            seal(packet);
        }
        true
    }));
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(3, 10, 0)).unwrap();
    pair.a.reset_stream(pair.now, 3);
    pair.a.send(pair.now, message(3, 10, 1)).unwrap();
    pair.run(ms(300));
    let departures = departures(pair.log.as_ref().unwrap(), Side::A);
    assert_eq!(departures, ["3:0", "RE-CONFIG", "3:1"]);
    assert!(events(&mut pair.a).contains(&Event::OutgoingStreamReset(3)));
}

#[test]
fn without_rfc_6525_nothing_waits() {
    // A → DATA (0) → Z; A → DATA (1) → Z, at once: Z is not asked.
    let mut config = plain();
    config.stream_reset = false;
    let mut pair = connected(&config);
    pair.a.send(pair.now, message(3, 10, 0)).unwrap();
    pair.a.reset_stream(pair.now, 3);
    pair.a.send(pair.now, message(3, 10, 1)).unwrap();
    let mut left = Vec::new();
    let mut buf = Vec::new();
    while let Some(range) = pair.a.poll_transmit(pair.now, &mut buf) {
        left.extend(data_of(&buf[range]).iter().map(|data| data.message));
    }
    assert_eq!(left, [0, 1]);
    assert!(pair.a.poll_timeout().is_some_and(|at| at > pair.now), "all has left");
}

#[test]
fn a_shutdown_delivers_what_waits_for_a_reset() {
    // A → RE-CONFIG → Z; Z → RE-CONFIG (performed) → A; A → DATA → Z; A → SHUTDOWN → Z
    let (mut pair, _) = overheard(&plain());
    pair.a.send(pair.now, message(3, 10, 0)).unwrap();
    pair.a.reset_stream(pair.now, 3);
    pair.a.send(pair.now, message(3, 10, 1)).unwrap();
    pair.a.shutdown(pair.now);
    pair.run(ms(300));
    assert_eq!(pair.a.close_reason(), Some(&CloseReason::Shutdown));
    assert_eq!(std::iter::from_fn(|| pair.z.read(3)).count(), 2);
}

#[test]
fn two_requests_have_their_answers_in_one_chunk_and_the_same_when_they_come_again() {
    // §5.2.1. A → RE-CONFIG (outgoing reset, incoming reset) → Z; Z → RE-CONFIG (both answers) → A;
    // and once more
    let (mut pair, Secrets { tsn_a, tag_z, .. }) = overheard(&plain());
    pair.log = Some(Vec::new());
    let requests = both(
        outgoing_reset(tsn_a, tsn_a.wrapping_sub(1), &[1]),
        &incoming_reset(tsn_a.wrapping_add(1), [1]),
    );
    for _ in 0..2 {
        pair.z.handle_datagram(pair.now, &packet(tag_z, &requests));
        pair.run(ms(300));
    }
    let expected = [(tsn_a, 1), (tsn_a.wrapping_add(1), 0)];
    assert_eq!(answers(pair.log.as_ref().unwrap(), Side::Z), [expected, expected]);
    // What came before is not known any more.
    let request = chunk(130, 0, &incoming_reset(tsn_a.wrapping_sub(1), [1]));
    pair.z.handle_datagram(pair.now, &packet(tag_z, &request));
    pair.run(ms(300));
    let answers = answers(pair.log.as_ref().unwrap(), Side::Z);
    assert_eq!(answers[2], [(tsn_a.wrapping_sub(1), 5)]);
}

#[test]
fn a_request_beside_one_that_waits_for_data_is_processed() {
    // §5.2.2 E2. A → RE-CONFIG (outgoing reset, incoming reset) → Z, ahead of A's data;
    // Z → RE-CONFIG (in progress, performed) → A; A → RE-CONFIG (outgoing reset) → Z;
    // Z → RE-CONFIG (already in progress) → A; A → DATA → Z; Z → RE-CONFIG (performed) → A
    let (mut pair, Secrets { tsn_a, tag_z, .. }) = overheard(&plain());
    pair.z.send(pair.now, message(2, 10, 1)).unwrap();
    pair.run(ms(300));
    pair.log = Some(Vec::new());
    pair.filter = Some(Box::new(|side, _| side == Side::A));
    let number = |count: u32| tsn_a.wrapping_add(count);
    let requests = both(outgoing_reset(tsn_a, tsn_a, &[1]), &incoming_reset(number(1), [2]));
    let another = chunk(130, 0, &outgoing_reset(number(2), tsn_a, &[3]));
    for chunks in [requests, another, data(tsn_a, 1, 0, 3, b"x")] {
        pair.z.handle_datagram(pair.now, &packet(tag_z, &chunks));
        pair.run(ms(10));
    }
    let answers = answers(pair.log.as_ref().unwrap(), Side::Z);
    let expected = [vec![(tsn_a, 6), (number(1), 1)], vec![(number(2), 4)], vec![(tsn_a, 1)]];
    assert_eq!(answers, expected);
}

#[test]
fn a_request_that_names_no_stream_is_for_all() {
    // §4.2: "If no streams are listed, then all streams are to be reset".
    let (mut pair, secrets) = overheard(&plain());
    for stream in [1, 3] {
        pair.z.send(pair.now, message(stream, 10, 1)).unwrap();
    }
    pair.run(ms(300));
    events(&mut pair.z);
    pair.log = Some(Vec::new());
    for number in [secrets.tsn_a, secrets.tsn_a.wrapping_add(1)] {
        let request = chunk(130, 0, &incoming_reset(number, []));
        pair.z.handle_datagram(pair.now, &packet(secrets.tag_z, &request));
        pair.run(ms(300));
    }
    let answers = answers(pair.log.as_ref().unwrap(), Side::Z);
    assert_eq!(answers, [[(secrets.tsn_a, 1)], [(secrets.tsn_a.wrapping_add(1), 0)]]);
    let reset = events(&mut pair.z);
    assert_eq!(reset, [Event::OutgoingStreamReset(1), Event::OutgoingStreamReset(3)]);
}

#[test]
fn how_a_stream_is_read_outlasts_its_reset() {
    let mut pair = connected(&Config::default());
    pair.z.set_read_mode(3, ReadMode::Parts);
    pair.a.send(pair.now, message(3, 10, 1)).unwrap();
    pair.a.reset_stream(pair.now, 3);
    pair.run(ms(300));
    assert!(pair.z.read_part(3).is_some());
    events(&mut pair.z);
    pair.a.reset_stream(pair.now, 3);
    pair.run(ms(300));
    pair.a.begin(pair.now, message(3, 1_000, 1)).unwrap();
    pair.run(ms(300));
    assert_eq!(pair.z.read_part(3).map(|part| part.then), Some(Then::More));
}

#[test]
fn asking_before_the_association_is_up_waits_for_it() {
    let mut config = Config::default();
    config.outbound_streams = 10;
    let mut pair = associations(&config, 3);
    pair.a.add_streams(pair.now, 5, 0);
    pair.run(ms(300));
    // Z's limit is 65 535 streams of A.
    assert_eq!(pair.a.outbound_streams(), 15);
}
