//! RFC 9260 §9: each step of an end, and each chunk that comes at another time.

use crate::lone::{Lone, lines, timed, told, value_of};
use crate::pair::{Side, chart, chunk, connected, data, message, ms, origin, packet, plain};
use peerless_sctp::chunk::ChunkType;
use peerless_sctp::{
    AppendError, Association, CloseReason, Config, Outgoing, ReadMode, Reliability, SendError,
    State, Then,
};
use std::time::Duration;

/// The test's SHUTDOWN, which acknowledges Z's chunks up to the `number`th, -1 for none.
fn shutdown(lone: &Lone, number: i32) -> Vec<u8> {
    chunk(7, 0, &lone.tsn_z.wrapping_add_signed(number).to_be_bytes())
}

/// No heartbeats, and so many repetitions.
fn patient(max_retransmits: u32) -> Config {
    let mut config = plain();
    config.heartbeat_interval = None;
    config.max_retransmits = max_retransmits;
    config
}

fn takes_none(association: &mut Association) -> bool {
    let answer = association.send(origin(), message(0, 1, 1));
    matches!(answer, Err(SendError::Closed { .. }))
}

#[test]
fn shutdown_pending_lasts_until_all_is_acknowledged() {
    // "remains there until all outstanding data has been acknowledged by its peer … but retransmits
    // data to the peer endpoint if necessary". A → DATA ✗, T3-rtx, A → DATA → Z, SACK, SHUTDOWN
    let mut pair = connected(&plain());
    pair.log = Some(Vec::new());
    let mut lost = false;
    pair.filter = Some(Box::new(move |side, packet| {
        let lose = side == Side::A && packet[12] == 0 && !lost;
        lost |= lose;
        !lose
    }));
    pair.a.send(pair.now, message(0, 100, 1)).unwrap();
    pair.a.shutdown(pair.now);
    pair.run(ms(100));
    assert_eq!(pair.a.state(), State::ShutdownPending);
    assert!(takes_none(&mut pair.a));
    pair.run(Duration::from_secs(1));
    let expected =
        ["A Data", "A Data", "Z Sack", "A Shutdown", "Z ShutdownAck", "A ShutdownComplete"];
    assert_eq!(chart(pair.log.as_ref().unwrap()), expected);
    assert!(pair.z.read(0).is_some());
}

#[test]
fn a_shutdown_says_what_has_arrived_and_is_repeated_with_what_has_since() {
    // "including in the Cumulative TSN Ack field the last sequential TSN it has received"; T2: "MUST
    // resend the SHUTDOWN chunk with the updated last sequential TSN", §6.3: twice as long each time.
    let mut lone = Lone::new(&patient(10));
    lone.take_data(0, 10);
    lone.now();
    lone.z.shutdown(lone.now);
    let made = lone.wait(ms(1700));
    let rto = made[1].at.as_millis();
    let expected = [0, rto, 3 * rto, 7 * rto].map(|at| format!("{at} Shutdown"));
    assert_eq!(timed(&made), expected);
    assert_eq!(lone.z.state(), State::ShutdownSent);
    for made in &made {
        assert_eq!(value_of(&made.bytes, ChunkType::Shutdown).unwrap(), lone.tsn.to_be_bytes());
    }
    lone.take_data(1, 10);
    lone.now();
    let made = lone.wait(Duration::from_secs(10));
    let seen = lone.tsn.wrapping_add(1).to_be_bytes();
    assert_eq!(value_of(&made[0].bytes, ChunkType::Shutdown).unwrap(), seen);
}

#[test]
fn a_shutdown_without_an_answer_ends() {
    // "An endpoint SHOULD limit the number of retransmissions of the SHUTDOWN chunk to the protocol
    // parameter 'Association.Max.Retrans'."
    let mut lone = Lone::new(&patient(3));
    lone.z.shutdown(lone.now);
    let chart = lines(&lone.wait(Duration::from_secs(40)));
    assert_eq!(chart, ["Shutdown", "Shutdown", "Shutdown", "Shutdown", "Abort"]);
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::TimedOut));
    // The same for SHUTDOWN ACK.
    let mut lone = Lone::new(&patient(3));
    lone.take(&shutdown(&lone, -1));
    let chart = lines(&lone.wait(Duration::from_secs(40)));
    assert_eq!(chart, ["ShutdownAck", "ShutdownAck", "ShutdownAck", "ShutdownAck", "Abort"]);
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::TimedOut));
}

#[test]
fn whatever_the_peer_sends_gives_it_time_to_deliver() {
    // "The reception of any packet from its peer … SHOULD clear the endpoint's retransmission count
    // and restart the T2-shutdown timer".
    let mut lone = Lone::new(&patient(1));
    lone.z.shutdown(lone.now);
    for _ in 0..10 {
        // Each time T2 has expired once.
        lone.wait(ms(300));
        lone.take(&chunk(4, 0, &[0, 1, 0, 8, 1, 2, 3, 4]));
    }
    assert_eq!(lone.z.state(), State::ShutdownSent);
    lone.wait(Duration::from_secs(5));
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::TimedOut));
}

#[test]
fn the_whole_shutdown_takes_no_longer_than_its_guard() {
    // T5-shutdown-guard: "5 times 'RTO.Max'", then an ABORT.
    let mut config = patient(1000);
    config.rto_max = Duration::from_secs(2);
    let mut lone = Lone::new(&config);
    lone.z.shutdown(lone.now);
    let made = lone.wait(Duration::from_secs(60));
    assert_eq!(timed(&made).last().map(String::as_str), Some("10000 Abort"));
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::TimedOut));
}

#[test]
fn a_shutdown_waits_for_data_as_long_as_it_flows() {
    // §9.2: the guard begins with the SHUTDOWN, not before: "the sender of the SHUTDOWN chunk MAY also
    // start an overall guard timer".
    let mut config = patient(10);
    config.rto_max = Duration::from_secs(2);
    let mut lone = Lone::new(&config);
    lone.send(100_000);
    lone.z.shutdown(lone.now);
    let mut last = -1;
    let begin = lone.now;
    while lone.z.state() == State::ShutdownPending {
        // One packet in each second.
        let made = lone.wait(ms(1000));
        assert_eq!(lone.z.close_reason(), None, "after {:?}", lone.now - begin);
        let highest = made.iter().flat_map(|made| lone.numbers(&made.bytes)).max();
        last = highest.map_or(last, |highest| (last + 1).min(highest as i32));
        lone.take_sack(last, 100_000, &[]);
    }
    assert!(lone.now - begin > Duration::from_secs(60), "{:?}", lone.now - begin);
    assert_eq!(lines(&lone.now()), ["Shutdown"]);
}

#[test]
fn what_shutdowns_acknowledge_opens_the_window() {
    // §9.2: in SHUTDOWN-SENT the peer "MUST respond to each received packet containing user data with a
    // SHUTDOWN chunk", and with nothing else where nothing is missing.
    let mut lone = Lone::new(&patient(10));
    lone.take_sack(-1, 20_000, &[]);
    lone.send(200_000);
    let mut last = lone.now().iter().flat_map(|made| lone.numbers(&made.bytes)).max().unwrap();
    lone.take(&shutdown(&lone, last as i32));
    for round in 0.. {
        let made = lone.wait(ms(50));
        let highest = made.iter().flat_map(|made| lone.numbers(&made.bytes)).max();
        let Some(highest) = highest else { break };
        last = highest;
        assert!(round < 30, "a chunk in each round trip: {last}");
        assert_eq!(lone.z.stats().timeouts, 0);
        lone.take(&shutdown(&lone, last as i32));
    }
    assert_eq!(lone.z.state(), State::ShutdownAckSent);
    assert_eq!(lone.z.total_buffered_amount(), 0);
}

#[test]
fn shutdown_received_delivers_what_is_queued_and_takes_nothing_new() {
    // "MUST continue to follow normal data transmission procedures … MUST NOT accept new data from
    // its SCTP user"; "MUST ignore ULP shutdown requests but MUST continue responding to SHUTDOWN".
    let mut lone = Lone::new(&patient(10));
    lone.send(10);
    lone.send(20_000);
    lone.now();
    lone.take(&shutdown(&lone, -1));
    assert_eq!(lone.z.state(), State::ShutdownReceived);
    assert!(takes_none(&mut lone.z));
    lone.z.shutdown(lone.now);
    lone.take(&shutdown(&lone, 3));
    assert_eq!(lone.z.state(), State::ShutdownReceived);
    // What the second SHUTDOWN has acknowledged is not sent again; the rest is.
    let made = lone.wait(ms(2000));
    let numbers: Vec<_> = made.iter().flat_map(|made| lone.numbers(&made.bytes)).collect();
    assert!(!numbers.is_empty() && numbers.iter().all(|number| *number > 3), "{numbers:?}");
    let last = i32::try_from(*numbers.iter().max().unwrap()).unwrap();
    lone.take_sack(last, 100_000, &[]);
    while lone.z.state() == State::ShutdownReceived {
        let made = lone.wait(ms(300));
        let last = made.iter().flat_map(|made| lone.numbers(&made.bytes)).max();
        lone.take_sack(last.map_or(-1, |last| last as i32), 100_000, &[]);
    }
    assert_eq!(lines(&lone.now()), ["ShutdownAck"]);
}

#[test]
fn a_message_in_parts_is_given_up_when_the_peer_shuts_down() {
    // "stop accepting new data from its SCTP user". A → I-DATA (begin) → Z; Z → SHUTDOWN → A;
    // A → I-FORWARD-TSN → Z; Z → SACK, SHUTDOWN → A; A → SHUTDOWN ACK → Z; Z → SHUTDOWN COMPLETE → A
    let mut pair = connected(&Config::default());
    pair.z.set_read_mode(1, ReadMode::Parts);
    pair.a.begin(pair.now, message(1, 5_000, 1)).unwrap();
    pair.a.begin(pair.now, message(2, 0, 1)).unwrap();
    pair.run(ms(300));
    assert_eq!(pair.z.read_part(1).unwrap().then, Then::More);
    pair.z.shutdown(pair.now);
    assert!(pair.run_until(ms(100), |pair| pair.a.state() == State::ShutdownReceived));
    let part = vec![1; 100].into();
    assert!(matches!(pair.a.append(pair.now, 1, part), Err(AppendError::NoMessage { .. })));
    assert!(!pair.a.finish(pair.now, 1), "what was cut short is not complete");
    pair.run(Duration::from_secs(1));
    for side in [&pair.a, &pair.z] {
        assert_eq!(side.close_reason(), Some(&CloseReason::Shutdown));
    }
    assert_eq!(pair.z.read_part(1).unwrap().then, Then::Abandoned);
}

#[test]
fn a_shutdown_goes_on_when_the_rest_expires_or_is_given_up() {
    // SHUTDOWN-PENDING: there is no SACK to wait for. A → DATA → Z; Z → SACK → A; A → SHUTDOWN → Z
    let mut pair = connected(&plain());
    pair.a.set_rate_limit(Some(5_000));
    for _ in 0..5 {
        let reliability = Reliability::MaxPacketLifeTime(ms(50));
        pair.a.send(pair.now, Outgoing { reliability, ..message(1, 1_000, 1) }).unwrap();
    }
    pair.a.shutdown(pair.now);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.a.close_reason(), Some(&CloseReason::Shutdown), "expired");

    let mut pair = connected(&Config::default());
    pair.a.begin(pair.now, message(1, 1, 1)).unwrap();
    pair.a.shutdown(pair.now);
    pair.run(ms(100));
    assert_eq!(pair.a.state(), State::ShutdownPending);
    pair.a.abandon(pair.now, 1);
    pair.run(ms(500));
    assert_eq!(pair.a.close_reason(), Some(&CloseReason::Shutdown), "given up");
}

#[test]
fn a_shutdown_for_what_was_never_sent_ends_the_association() {
    let mut lone = Lone::new(&plain());
    lone.take(&shutdown(&lone, 5));
    assert!(matches!(lone.z.close_reason(), Some(CloseReason::ProtocolViolation(_))));
}

#[test]
fn data_after_our_shutdown_is_answered_at_once_with_another() {
    // "MUST immediately respond to each received packet containing one or more DATA chunks with a
    // SHUTDOWN chunk and restart the T2-shutdown timer"; with gaps "a SACK chunk MUST also be sent".
    let mut lone = Lone::new(&patient(10));
    lone.z.shutdown(lone.now);
    lone.now();
    for number in [0, 2] {
        lone.take_data(number, 10);
        let made = lone.now();
        assert_eq!(lines(&made), ["Shutdown Sack"]);
        assert_eq!(value_of(&made[0].bytes, ChunkType::Shutdown).unwrap(), lone.tsn.to_be_bytes());
        let gaps: &[(u16, u16)] = if number == 2 { &[(2, 2)] } else { &[] };
        assert_eq!(told(&made[0].bytes).unwrap().gaps, gaps);
    }
    assert!(lone.z.read(0).is_some());
    assert_eq!(lone.z.state(), State::ShutdownSent);
}

#[test]
fn a_shutdown_in_shutdown_sent_is_acknowledged_at_once() {
    // "the endpoint SHOULD respond immediately with a SHUTDOWN ACK chunk to its peer and move into
    // the SHUTDOWN-ACK-SENT state, restarting its T2-shutdown timer."
    let mut lone = Lone::new(&patient(10));
    lone.z.shutdown(lone.now);
    assert_eq!(lines(&lone.now()), ["Shutdown"]);
    lone.take(&shutdown(&lone, -1));
    assert_eq!(lines(&lone.now()), ["ShutdownAck"]);
    assert_eq!(lone.z.state(), State::ShutdownAckSent);
    assert_eq!(lines(&lone.wait(ms(350))), ["ShutdownAck"], "T2");
    // A SHUTDOWN ACK that crosses it: SHUTDOWN COMPLETE, "and remove all record".
    lone.take(&chunk(8, 0, &[]));
    assert_eq!(lines(&lone.now()), ["ShutdownComplete"]);
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::Shutdown));
    assert_eq!(lone.z.poll_timeout(), None);
}

#[test]
fn a_shutdown_that_comes_again_is_acknowledged_again() {
    let mut lone = Lone::new(&patient(10));
    for _ in 0..3 {
        lone.take(&shutdown(&lone, -1));
        assert_eq!(lines(&lone.now()), ["ShutdownAck"]);
        assert_eq!(lone.z.state(), State::ShutdownAckSent);
        assert!(takes_none(&mut lone.z));
    }
    lone.take(&chunk(14, 0, &[]));
    assert_eq!(lone.z.close_reason(), Some(&CloseReason::Shutdown));
}

#[test]
fn a_shutdown_while_we_wait_for_our_data_comes_first() {
    // SHUTDOWN-PENDING and the peer's SHUTDOWN: SHUTDOWN-RECEIVED, and no SHUTDOWN of ours.
    let mut lone = Lone::new(&patient(10));
    lone.send(10);
    lone.now();
    lone.z.shutdown(lone.now);
    lone.take(&shutdown(&lone, -1));
    assert_eq!(lone.z.state(), State::ShutdownReceived);
    lone.take_sack(0, 100_000, &[]);
    assert_eq!(lines(&lone.now()), ["ShutdownAck"]);
}

#[test]
fn a_shutdown_or_its_end_before_the_association_is_up_changes_nothing() {
    // "If a SHUTDOWN chunk is received in the COOKIE-WAIT or COOKIE ECHOED state, the SHUTDOWN chunk
    // SHOULD be silently discarded."
    let now = origin();
    let mut client = Association::client(plain(), now, [2; 32]);
    let mut buf = Vec::new();
    client.poll_transmit(now, &mut buf).unwrap();
    let tag = u32::from_be_bytes(buf[16..20].try_into().unwrap());
    for kind in [7, 14] {
        client.handle_datagram(now, &packet(tag, &chunk(kind, 0, &[0; 4])));
        assert_eq!(client.state(), State::CookieWait);
        assert_eq!(client.poll_transmit(now, &mut Vec::new()), None);
    }
}

#[test]
fn answers_to_a_shutdown_that_was_not_sent_are_discarded() {
    let mut lone = Lone::new(&plain());
    lone.take(&chunk(8, 0, &[]));
    lone.take(&chunk(14, 0, &[]));
    assert_eq!((lone.z.state(), lone.now().len()), (State::Established, 0));
}

#[test]
fn a_sack_after_our_shutdown_is_discarded() {
    // §6: "A SACK chunk received in any other state SHOULD be discarded", even an impossible one.
    let mut lone = Lone::new(&patient(10));
    lone.z.shutdown(lone.now);
    lone.now();
    lone.take_sack(1000, 100_000, &[]);
    assert_eq!((lone.z.state(), lone.now().len()), (State::ShutdownSent, 0));
}

#[test]
fn no_heartbeat_follows_a_shutdown() {
    // §8.3: "is discontinued after sending either a SHUTDOWN chunk or SHUTDOWN ACK chunk".
    for first in [true, false] {
        let mut config = plain();
        config.max_retransmits = 1000;
        config.heartbeat_interval = Some(Duration::from_secs(1));
        config.max_mtu = Some(8900);
        let mut lone = Lone::new(&config);
        if first {
            lone.z.shutdown(lone.now);
        } else {
            lone.take(&shutdown(&lone, -1));
        }
        let chart = lines(&lone.wait(Duration::from_secs(40)));
        let expected = if first { "Shutdown" } else { "ShutdownAck" };
        assert!(chart.iter().all(|line| line == expected), "{chart:?}");
    }
}

#[test]
fn an_abort_goes_without_data_and_gets_no_answer() {
    // §9.1: "MUST NOT bundle any DATA chunk with the ABORT chunk"; "An endpoint MUST NOT respond to
    // any received packet that contains an ABORT chunk".
    let mut pair = connected(&plain());
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(0, 100, 1)).unwrap();
    pair.a.abort(pair.now, "enough");
    pair.run(Duration::from_secs(10));
    assert_eq!(chart(pair.log.as_ref().unwrap()), ["A Abort"]);
    assert_eq!(pair.z.state(), State::Closed);
    let reason = pair.z.close_reason().unwrap().to_string();
    assert_eq!(reason, "the peer aborted the association: user-initiated abort, \"enough\"");
    // Data that was under way is out of the blue, and answered with an ABORT that gets none either.
    let mut lone = Lone::new(&plain());
    lone.take(&chunk(6, 0, &[]));
    lone.take(&data(lone.tsn, 0, 0, 3, b"late"));
    assert_eq!(lines(&lone.now()), ["Abort"]);
}
