//! RFC 9260 §5: establishing an association.

use crate::pair::Pair;
use crate::pair::{Side, associations, chart, connected, message, ms, origin, plain, seed};
use peerless_sctp::{Association, CloseReason, Config, Event, ReadMode, State, Then};
use std::time::Duration;

#[test]
fn four_packets_establish_an_association_and_carry_the_first_data() {
    let mut pair = associations(&plain(), 1);
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(0, 10, 1)).unwrap();
    pair.z.send(pair.now, message(0, 10, 2)).unwrap();
    pair.run(ms(45));
    let expected = ["A Init", "Z InitAck", "A CookieEcho Data", "Z CookieAck Sack Data", "A Sack"];
    assert_eq!(chart(pair.log.as_ref().unwrap())[..4], expected[..4]);
    assert_eq!((pair.a.state(), pair.z.state()), (State::Established, State::Established));
    assert_eq!(pair.a.poll_event(), Some(Event::Connected));
    assert_eq!(pair.z.poll_event(), Some(Event::Connected));
    assert_eq!(pair.z.poll_event(), Some(Event::Readable(0)));
    assert_eq!(&pair.z.read(0).unwrap().payload[..], [1; 10]);
    assert_eq!(&pair.a.read(0).unwrap().payload[..], [2; 10]);
}

#[test]
fn each_packet_of_the_handshake_may_be_lost() {
    for lost in 0..4 {
        let mut pair = associations(&plain(), 1);
        pair.a.set_round_trip_time(ms(20));
        pair.a.send(pair.now, message(0, 10, 1)).unwrap();
        let mut count = 0;
        pair.filter = Some(Box::new(move |_, _| {
            count += 1;
            count != lost + 1
        }));
        let done = pair.run_until(ms(200), |pair| {
            pair.a.state() == State::Established && pair.z.read(0).is_some()
        });
        assert!(done, "packet {lost}");
    }
}

#[test]
fn init_is_repeated_with_back_off_until_it_is_given_up() {
    let mut pair = associations(&plain(), 1);
    pair.log = Some(Vec::new());
    pair.filter = Some(Box::new(|_, _| false));
    pair.run(Duration::from_secs(1000));
    assert_eq!(pair.log.as_ref().unwrap().len(), 9, "one, and Max.Init.Retransmits");
    assert_eq!(pair.a.poll_event(), Some(Event::Closed(CloseReason::NotAnswered)));
}

#[test]
fn crossing_inits_make_one_association() {
    for seed_number in 0..20 {
        let start = origin();
        let mut pair = Pair::new(
            start,
            Association::client(plain(), start, seed(seed_number, 0)),
            Association::client(plain(), start, seed(seed_number, 1)),
        );
        pair.a.send(start, message(0, 10, 1)).unwrap();
        pair.z.send(start, message(0, 10, 2)).unwrap();
        pair.run(Duration::from_secs(2));
        assert_eq!((pair.a.state(), pair.z.state()), (State::Established, State::Established));
        assert_eq!(pair.z.read(0).map(|message| message.payload[0]), Some(1));
        assert_eq!(pair.a.read(0).map(|message| message.payload[0]), Some(2));
        assert_eq!(pair.z.read(0), None);
        assert_eq!(pair.a.poll_event(), Some(Event::Connected));
        assert!(!matches!(pair.a.poll_event(), Some(Event::Connected | Event::Restarted)));
    }
}

#[test]
fn an_init_that_comes_first_makes_ours_superfluous() {
    let start = origin();
    let mut pair = Pair::new(
        start,
        Association::client(plain(), start, seed(1, 0)),
        Association::server(plain(), start, seed(1, 1)),
    );
    pair.log = Some(Vec::new());
    pair.z.connect(start, ms(500));
    pair.run(ms(100));
    let log = chart(pair.log.as_ref().unwrap());
    assert_eq!(log, ["A Init", "Z InitAck", "A CookieEcho", "Z CookieAck"]);
    assert_eq!(pair.z.state(), State::Established);
}

#[test]
fn a_peer_that_restarts_is_noticed() {
    let mut pair = connected(&plain());
    pair.a.send(pair.now, message(3, 10, 1)).unwrap();
    pair.run(ms(300));
    assert!(pair.z.read(3).is_some());
    // A crashes and begins again.
    pair.a = Association::client(plain(), pair.now, seed(99, 0));
    pair.a.send(pair.now, message(3, 10, 7)).unwrap();
    pair.run(ms(100));
    assert_eq!(pair.a.state(), State::Established);
    let events: Vec<_> = std::iter::from_fn(|| pair.z.poll_event()).collect();
    assert!(events.contains(&Event::Restarted), "{events:?}");
    assert_eq!(pair.z.read(3).map(|message| message.payload[0]), Some(7));
    pair.z.send(pair.now, message(3, 10, 8)).unwrap();
    pair.run(ms(100));
    assert_eq!(pair.a.read(3).map(|message| message.payload[0]), Some(8));
}

#[test]
fn a_reader_in_parts_is_told_of_a_restart() {
    // A → I-DATA (begin) → Z, and begins again: the rest will not come.
    let mut pair = connected(&Config::default());
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, message(1, 1_000, 1)).unwrap();
    pair.run(ms(300));
    assert_eq!(pair.z.poll_event(), Some(Event::Readable(1)));
    assert_eq!(pair.z.read_part(1).map(|part| part.then), Some(Then::More));
    pair.a = Association::client(Config::default(), pair.now, seed(99, 0));
    pair.run(ms(100));
    let events: Vec<_> = std::iter::from_fn(|| pair.z.poll_event()).collect();
    assert_eq!(events, [Event::Restarted, Event::Readable(1)]);
    assert_eq!(pair.z.read_part(1).map(|part| part.then), Some(Then::Abandoned));
    pair.a.send(pair.now, message(1, 10, 1)).unwrap();
    pair.run(ms(100));
    assert_eq!(pair.z.read_part(1).map(|part| part.then), Some(Then::End));
}

#[test]
fn what_waits_for_streams_that_the_peer_lacks_is_dropped_and_told() {
    // §5.1.1. A's application has used 50 and 60 before; Z has 10.
    let start = origin();
    let mut few = plain();
    few.inbound_streams = 10;
    let mut pair = Pair::new(
        start,
        Association::client(plain(), start, [1; 32]),
        Association::server(few, start, [2; 32]),
    );
    pair.a.send(start, message(50, 1_000, 1)).unwrap();
    pair.a.reset_stream(start, 50);
    pair.a.reset_stream(start, 60);
    pair.run(ms(100));
    let events: Vec<_> = std::iter::from_fn(|| pair.a.poll_event()).collect();
    let reset = [50, 60].map(Event::OutgoingStreamReset);
    assert_eq!(events[..2], [Event::Connected, Event::BufferedAmountLow(50)]);
    assert_eq!(events[2..], reset);
    assert_eq!(pair.a.total_buffered_amount(), 0);
}

#[test]
fn a_cookie_that_is_too_old_is_refused_and_the_handshake_begins_again() {
    let config = plain();
    let mut pair = associations(&config, 1);
    pair.a.send(pair.now, message(0, 10, 1)).unwrap();
    let mut held = None;
    // COOKIE ECHO is held back for longer than the cookie lives.
    pair.run_until(ms(1000), |pair| pair.a.state() == State::CookieEchoed);
    let mut buf = Vec::new();
    if let Some(range) = pair.a.poll_transmit(pair.now, &mut buf) {
        held = Some(buf[range].to_vec());
    }
    pair.now += Duration::from_secs(61);
    pair.carry(Side::A, held.unwrap());
    let done = pair.run_until(Duration::from_secs(60), |pair| pair.a.state() == State::Established);
    assert!(done);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.z.read(0).map(|message| message.payload[0]), Some(1));
}

#[test]
fn the_number_of_streams_is_the_lesser_of_both_sides() {
    let start = origin();
    let mut few = plain();
    few.inbound_streams = 10;
    few.outbound_streams = 20;
    let mut pair = Pair::new(
        start,
        Association::client(few, start, seed(1, 0)),
        Association::server(plain(), start, seed(1, 1)),
    );
    pair.run(ms(100));
    assert_eq!((pair.a.outbound_streams(), pair.a.inbound_streams()), (20, 10));
    assert_eq!((pair.z.outbound_streams(), pair.z.inbound_streams()), (10, 20));
    assert!(pair.z.send(pair.now, message(10, 1, 1)).is_err());
}
