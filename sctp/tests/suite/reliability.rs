//! RFC 3758 and RFC 7496: messages that are given up, by how often or how long they were tried.

use crate::lone::{Lone, lines, told, value_of};
use crate::pair::{chunk, data, message, ms, plain};
use peerless_sctp::chunk::ChunkType;
use peerless_sctp::{Config, Order, Reliability};
use std::time::Duration;

fn config() -> Config {
    let mut config = plain();
    config.heartbeat_interval = None;
    config
}

/// Z's application sends a message on `stream`.
fn send(lone: &mut Lone, stream: u16, len: usize, order: Order, reliability: Reliability) {
    let mut outgoing = message(stream, len, 1);
    outgoing.order = order;
    outgoing.reliability = reliability;
    lone.z.send(lone.now, outgoing).unwrap();
}

/// A FORWARD TSN to the test's `number`th chunk, skipping these.
fn forward(lone: &Lone, number: u32, skipped: &[(u16, u16)]) -> Vec<u8> {
    let mut value = lone.tsn.wrapping_add(number).to_be_bytes().to_vec();
    for (stream, message) in skipped {
        value.extend(stream.to_be_bytes());
        value.extend(message.to_be_bytes());
    }
    chunk(192, 0, &value)
}

#[test]
fn a_message_is_sent_again_as_often_as_it_may_be() {
    // RFC 7496 §3.1. Two retransmissions: DATA, T3-rtx, DATA, T3-rtx, DATA, T3-rtx, FORWARD TSN
    let mut lone = Lone::new(&config());
    send(&mut lone, 3, 10, Order::Ordered, Reliability::MaxRetransmits(2));
    let made = lone.wait(ms(2000));
    assert_eq!(lines(&made), ["Data", "Data", "Data", "ForwardTsn"]);
    let mut expected = lone.tsn_z.to_be_bytes().to_vec();
    expected.extend([0, 3, 0, 0]);
    assert_eq!(value_of(&made[3].bytes, ChunkType::ForwardTsn), Some(&expected[..]));
    assert_eq!(lone.z.stats().messages_abandoned, 1);
}

#[test]
fn a_message_is_tried_for_so_long() {
    // RFC 3758 §4.1: 300 ms allow the first retransmission and not the second.
    let mut lone = Lone::new(&config());
    send(&mut lone, 3, 10, Order::Ordered, Reliability::MaxPacketLifeTime(ms(300)));
    assert_eq!(lines(&lone.wait(ms(1000))), ["Data", "Data", "ForwardTsn"]);
}

#[test]
fn a_message_that_was_never_sent_needs_no_skipping() {
    // RFC 3758 §4.1: it gets no number.
    let mut lone = Lone::new(&config());
    send(&mut lone, 3, 10, Order::Ordered, Reliability::Reliable);
    lone.now();
    lone.take_sack(0, 0, &[]);
    send(&mut lone, 3, 10, Order::Ordered, Reliability::MaxPacketLifeTime(ms(50)));
    assert!(lone.wait(ms(100)).is_empty());
    lone.take_sack(0, 100_000, &[]);
    send(&mut lone, 3, 10, Order::Ordered, Reliability::Reliable);
    assert_eq!(lone.numbers_now(), [[1]]);
    assert_eq!(lone.z.stats().messages_abandoned, 1);
}

#[test]
fn all_fragments_are_given_up_together() {
    // RFC 3758 §3.5 A3.
    let mut lone = Lone::new(&config());
    send(&mut lone, 3, 3_000, Order::Ordered, Reliability::MaxRetransmits(0));
    assert_eq!(lone.round().len(), 3);
    lone.take_sack(-1, 100_000, &[(2, 2)]);
    let made = lone.wait(ms(500));
    let last = made.iter().rfind(|made| lines(std::slice::from_ref(*made)) == ["ForwardTsn"]);
    let point = lone.tsn_z.wrapping_add(2).to_be_bytes();
    assert_eq!(value_of(&last.unwrap().bytes, ChunkType::ForwardTsn).unwrap()[..4], point);
    assert_eq!(lone.z.stats().send_buffered, 0);
}

#[test]
fn each_stream_is_named_once_and_unordered_messages_not_at_all() {
    // RFC 3758 §3.5 C4: "only the highest abandoned stream sequence number is reported".
    let mut lone = Lone::new(&config());
    let once = Reliability::MaxRetransmits(0);
    for stream in [3, 4, 3, 3] {
        send(&mut lone, stream, 10, Order::Ordered, once);
    }
    send(&mut lone, 5, 10, Order::Unordered, once);
    let made = lone.wait(ms(500));
    assert_eq!(lines(&made)[1], "ForwardTsn");
    let value = value_of(&made[1].bytes, ChunkType::ForwardTsn).unwrap();
    assert_eq!(value[..4], lone.tsn_z.wrapping_add(4).to_be_bytes());
    let mut skipped: Vec<_> = value[4..].chunks(4).collect();
    skipped.sort_unstable();
    assert_eq!(skipped, [[0, 3, 0, 2], [0, 4, 0, 0]]);
}

#[test]
fn a_forward_tsn_is_repeated_until_it_is_acknowledged() {
    // RFC 3758 §3.5 C5, A5: T3-rtx runs; C3: each SACK that is behind it is answered.
    let mut lone = Lone::new(&config());
    send(&mut lone, 3, 10, Order::Ordered, Reliability::MaxRetransmits(0));
    let made = lone.wait(ms(2000));
    assert_eq!(lines(&made), ["Data", "ForwardTsn", "ForwardTsn", "ForwardTsn"]);
    lone.take_sack(-1, 100_000, &[]);
    assert_eq!(lines(&lone.now()), ["ForwardTsn"]);
    lone.take_sack(0, 100_000, &[]);
    assert_eq!(lone.z.poll_timeout(), None);
}

#[test]
fn what_is_given_up_does_not_open_the_congestion_window() {
    // RFC 3758 §3.5 A2: "MUST NOT advance the cwnd based on this "abandoned" data chunk."
    let mut config = config();
    config.congestion_control = peerless_sctp::CongestionControl::NewReno;
    let mut lone = Lone::new(&config);
    for _ in 0..9 {
        send(&mut lone, 3, 1_100, Order::Ordered, Reliability::MaxRetransmits(0));
    }
    lone.round();
    lone.wait(ms(300));
    let window = lone.z.stats().congestion_window;
    lone.take_sack(8, 100_000, &[]);
    assert_eq!(lone.z.stats().congestion_window, window);
    assert_eq!(lone.z.stats().bytes_in_flight, 0);
}

#[test]
fn a_forward_tsn_moves_the_point_and_lets_go_what_waited() {
    // RFC 3758 §3.6. Test → DATA 1, 2, DATA 4 (0 and 3 are missing); FORWARD TSN 0 → Z
    let mut lone = Lone::new(&config());
    for number in [1, 2, 4] {
        lone.take_data(number, 10);
    }
    lone.now();
    assert_eq!(lone.z.read(0), None);
    lone.take(&forward(&lone, 0, &[(0, 0)]));
    let made = lone.now();
    let sack = told(&made[0].bytes).unwrap();
    // Step 2: past what follows it.
    assert_eq!((sack.cumulative, sack.gaps), (lone.tsn.wrapping_add(2), vec![(2, 2)]));
    assert_eq!(std::iter::from_fn(|| lone.z.read(0)).count(), 2);
    lone.take(&forward(&lone, 3, &[(0, 3)]));
    assert!(lone.z.read(0).is_some());
}

#[test]
fn a_forward_tsn_that_is_behind_gets_a_sack() {
    // RFC 3758 §3.6: "MUST treat this FORWARD TSN as out-of-date … SHOULD send a SACK".
    let mut lone = Lone::new(&config());
    lone.take_data(0, 10);
    lone.now();
    lone.take(&forward(&lone, 0, &[(0, 0)]));
    let made = lone.now();
    assert_eq!(told(&made[0].bytes).unwrap().cumulative, lone.tsn);
    assert!(lone.z.read(0).is_some(), "what has come is not skipped");
}

#[test]
fn a_forward_tsn_is_acknowledged_as_data_is() {
    // RFC 3758 §3.6: "follow the delayed sack rules".
    let mut lone = Lone::new(&config());
    lone.take_data(0, 10);
    lone.now();
    lone.take(&forward(&lone, 1, &[]));
    let made = lone.wait(ms(300));
    assert_eq!((lines(&made), made[0].at), (vec!["Sack".to_owned()], ms(200)));
    lone.take(&forward(&lone, 2, &[]));
    lone.take(&forward(&lone, 3, &[]));
    assert_eq!(lines(&lone.now()), ["Sack"]);
}

#[test]
fn a_fragment_of_what_was_skipped_is_dropped() {
    // RFC 3758 §3.6: "the receiver MUST … remove all partially reassembled".
    let mut lone = Lone::new(&config());
    lone.take(&data(lone.tsn, 0, 0, 2, b"begin"));
    lone.take(&forward(&lone, 2, &[(0, 0)]));
    assert_eq!(lone.z.stats().receive_buffered, 0);
    lone.take(&data(lone.tsn.wrapping_add(3), 0, 1, 3, b"next"));
    assert_eq!(lone.z.read(0).map(|message| message.payload.to_vec()), Some(b"next".to_vec()));
}

/// An I-DATA chunk of stream 1 with so many bytes.
pub(crate) fn i_data(tsn: u32, message: u32, fsn: u32, flags: u8, len: usize) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0]);
    value.extend(message.to_be_bytes());
    value.extend(if flags & 2 == 0 { fsn } else { 53 }.to_be_bytes());
    value.extend(vec![7; len]);
    chunk(64, flags, &value)
}

#[test]
fn a_late_fragment_of_what_was_given_up_is_not_kept() {
    // RFC 8260 §2.3.1. Test → I-DATA 0 (message 0, B) ✗; I-FORWARD-TSN 0; I-DATA 2 (message 0, E), which
    // was under way, and 1, another message, between: nothing will ever complete the first.
    for (order, flag) in [(Order::Ordered, 0), (Order::Unordered, 4)] {
        let mut lone = Lone::new(&Config::default());
        let tsn = |number| lone.tsn.wrapping_add(number);
        let last = i_data(tsn(2), 0, 1, 1 | flag, 100);
        let next = i_data(tsn(1), 1, 0, 3 | flag, 100);
        let mut skipped = tsn(0).to_be_bytes().to_vec();
        skipped.extend([0, 1, 0, flag / 4, 0, 0, 0, 0]);
        lone.take(&chunk(194, 0, &skipped));
        lone.take(&last);
        lone.take(&next);
        assert!(lone.z.read(1).is_some());
        assert_eq!(lone.z.stats().receive_buffered, 0, "{order:?}");
    }
}

#[test]
fn where_it_was_not_agreed_upon_a_forward_tsn_is_reported() {
    // RFC 3758 §3.3.1: "returning an ERROR to the peer upon receipt of any FORWARD TSN"; §3.3.2: "MUST
    // NOT send a FORWARD TSN chunk".
    let mut config = config();
    config.partial_reliability = false;
    let mut lone = Lone::new(&config);
    lone.take(&forward(&lone, 5, &[]));
    let made = lone.now();
    assert_eq!(lines(&made), ["Error"]);
    assert_eq!(value_of(&made[0].bytes, ChunkType::Error).unwrap()[..2], [0, 6]);
    send(&mut lone, 3, 10, Order::Ordered, Reliability::MaxRetransmits(0));
    let made = lone.wait(Duration::from_secs(5));
    // §3.3.3: nothing can be given up; what is lost is sent again until it arrives.
    assert_eq!(lines(&made), ["Data"; 5], "at once, and 0.3, 0.9, 2.1 and 4.5 s later");
    assert!(made.iter().all(|made| lone.numbers(&made.bytes) == [0]));
    lone.take_sack(0, 100_000, &[]);
    assert_eq!(lone.z.stats().messages_abandoned, 0);
    assert_eq!(lone.z.stats().send_buffered, 0);
}
