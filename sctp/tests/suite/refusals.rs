//! RFC 9260 §5: what a handshake refuses, discards or answers all the same.

use crate::pair::{Side, associations, chart, chunk, ms, overheard, packet, plain};
use peerless_sctp::{CloseReason, Event, State};
use std::time::Duration;

/// The value of an INIT or INIT ACK, with parameters.
pub(crate) fn init(
    tag: u32,
    a_rwnd: u32,
    outbound: u16,
    inbound: u16,
    parameters: &[u8],
) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend(a_rwnd.to_be_bytes());
    value.extend(outbound.to_be_bytes());
    value.extend(inbound.to_be_bytes());
    value.extend(1_u32.to_be_bytes());
    value.extend(parameters);
    value
}

/// The first error cause of an ABORT, with its information.
pub(crate) fn cause(packet: &[u8]) -> (u16, Vec<u8>) {
    assert_eq!(packet[12], 6, "an ABORT");
    let len = usize::from(u16::from_be_bytes([packet[18], packet[19]]));
    (u16::from_be_bytes([packet[16], packet[17]]), packet[20..16 + len].to_vec())
}

/// Z's answer to an INIT.
fn answer(value: &[u8]) -> Option<Vec<u8>> {
    let mut pair = associations(&plain(), 1);
    pair.z.handle_datagram(pair.now, &packet(0, &chunk(1, 0, value)));
    let mut buf = Vec::new();
    pair.z.poll_transmit(pair.now, &mut buf).map(|range| buf[range].to_vec())
}

#[test]
fn an_init_that_cannot_be_is_refused_or_discarded() {
    // §3.3.2. A → INIT → Z; Z → ABORT (invalid mandatory parameter) → A
    assert_eq!(answer(&init(0, 5_000, 1, 1, &[])), None, "the tag 0");
    for value in [init(7, 1_499, 1, 1, &[]), init(7, 5_000, 0, 1, &[]), init(7, 5_000, 1, 0, &[])] {
        let packet = answer(&value).unwrap();
        assert_eq!(packet[4..8], [0, 0, 0, 7], "the tag that the INIT gave");
        assert_eq!(cause(&packet).0, 7);
    }
    assert_eq!(answer(&init(7, 5_000, 1, 1, &[])).unwrap()[12], 2);
}

#[test]
fn addresses_are_passed_over_and_host_names_refused() {
    // §5.1.2: "the receiver of the INIT chunk MUST send an ABORT chunk … Unresolvable Address".
    let ipv4 = [0, 5, 0, 8, 192, 0, 2, 1];
    let ipv6 = [&[0, 6, 0, 20][..], &[0; 16]].concat();
    let types = [0, 12, 0, 6, 0, 5, 0, 0];
    let accepted = answer(&init(7, 5_000, 1, 1, &[&ipv4[..], &ipv6, &types].concat())).unwrap();
    assert_eq!(accepted[12], 2);
    // RFC 8261 §6.1: we list none.
    let own = answer(&init(7, 5_000, 1, 1, &[])).unwrap();
    assert!(!own[32..].chunks(4).any(|word| word[..2] == [0, 5] || word[..2] == [0, 6]));
    let host = [0, 11, 0, 8, b'z', b'.', b'y', 0];
    let packet = answer(&init(7, 5_000, 1, 1, &host)).unwrap();
    assert_eq!(cause(&packet), (5, host.to_vec()));
}

#[test]
fn parameters_of_the_future_are_skipped_or_reported_as_their_type_says() {
    // §3.2.1: 00 stop, 01 stop and report, 10 skip, 11 skip and report.
    for (kind, reported, stops) in [
        (0x3ff0_u16, false, true),
        (0x7ff0, true, true),
        (0xbff0, false, false),
        (0xfff0, true, false),
    ] {
        let [high, low] = kind.to_be_bytes();
        let unknown = [high, low, 0, 8, 1, 2, 3, 4];
        // Behind it, a host name that must be refused if it is looked at.
        let host = [0, 11, 0, 8, b'z', b'.', b'y', 0];
        let packet = answer(&init(7, 5_000, 1, 1, &[unknown, host].concat())).unwrap();
        assert_eq!(packet[12] == 6, !stops, "{kind:#x}");
        let packet = answer(&init(7, 5_000, 1, 1, &unknown)).unwrap();
        let found =
            packet.windows(12).any(|bytes| bytes[..4] == [0, 8, 0, 12] && bytes[4..] == unknown);
        assert_eq!(found, reported, "{kind:#x}");
    }
}

/// What A makes of an INIT ACK.
fn after_init_ack(value: &[u8]) -> (Option<CloseReason>, Vec<u8>) {
    let mut pair = associations(&plain(), 1);
    let mut buf = Vec::new();
    pair.a.poll_transmit(pair.now, &mut buf).unwrap();
    let tag = u32::from_be_bytes(buf[16..20].try_into().unwrap());
    pair.a.handle_datagram(pair.now, &packet(tag, &chunk(2, 0, value)));
    buf.clear();
    pair.a.poll_transmit(pair.now, &mut buf);
    (pair.a.close_reason().cloned(), buf)
}

#[test]
fn an_init_ack_that_cannot_be_ends_the_handshake_with_its_cause() {
    // A → INIT → Z; Z → INIT ACK → A; A → ABORT → Z
    let cookie = [0, 7, 0, 8, 1, 2, 3, 4];
    let (closed, packet) = after_init_ack(&init(7, 5_000, 1, 1, &[]));
    assert!(matches!(closed, Some(CloseReason::ProtocolViolation(_))));
    assert_eq!(cause(&packet), (2, vec![0, 0, 0, 1, 0, 7]), "the cookie is missing");
    let (closed, packet) = after_init_ack(&init(7, 5_000, 0, 1, &cookie));
    assert!(closed.is_some());
    assert_eq!(cause(&packet).0, 7);
    let host = [0, 11, 0, 8, b'z', b'.', b'y', 0];
    let (closed, packet) = after_init_ack(&init(7, 5_000, 1, 1, &[cookie, host].concat()));
    assert!(closed.is_some());
    assert_eq!(cause(&packet), (5, host.to_vec()));
    let (closed, packet) = after_init_ack(&init(7, 5_000, 1, 1, &cookie));
    assert_eq!((closed, packet[12]), (None, 10));
}

#[test]
fn what_the_peer_does_not_know_is_reported_with_the_cookie() {
    // §5.1: "… report the unrecognized parameters in an ERROR chunk bundled with the COOKIE ECHO".
    let parameters = [0, 7, 0, 8, 1, 2, 3, 4, 0xff, 0xf0, 0, 4];
    let (closed, packet) = after_init_ack(&init(7, 5_000, 1, 1, &parameters));
    assert_eq!(closed, None);
    assert_eq!((packet[12], packet[20]), (10, 9));
    // §3.3.10.8: "copied from the INIT ACK chunk complete with TLV".
    assert_eq!(packet[24..], [0, 8, 0, 8, 0xff, 0xf0, 0, 4], "Unrecognized Parameters");
}

#[test]
fn nothing_behind_a_parameter_that_says_so_is_processed() {
    // §3.2.1, 00: "Stop processing this parameter and do not process any further parameters within this
    // chunk". The cookie stands behind one.
    let parameters = [0x3f, 0xf0, 0, 4, 0, 7, 0, 8, 1, 2, 3, 4];
    let (closed, packet) = after_init_ack(&init(7, 5_000, 1, 1, &parameters));
    assert!(closed.is_some());
    assert_eq!(cause(&packet).0, 2, "the cookie is missing");
}

#[test]
fn answers_that_nobody_waits_for_are_discarded() {
    // §5.2.3, §5.2.5: an INIT ACK, and a COOKIE ACK, for an association that is up.
    let (mut pair, secrets) = overheard(&plain());
    pair.log = Some(Vec::new());
    let init_ack = chunk(2, 0, &init(7, 5_000, 1, 1, &[0, 7, 0, 8, 1, 2, 3, 4]));
    pair.a.handle_datagram(pair.now, &packet(secrets.tag_a, &init_ack));
    pair.a.handle_datagram(pair.now, &packet(secrets.tag_a, &chunk(11, 0, &[])));
    pair.run(ms(100));
    assert!(pair.log.as_ref().unwrap().is_empty());
    assert_eq!(pair.a.state(), State::Established);
    assert_eq!(pair.a.poll_event(), None);
}

#[test]
fn a_cookie_that_comes_twice_is_acknowledged_twice() {
    // §5.2.4 D. A → COOKIE ECHO → Z, and again; Z → COOKIE ACK → A, and again
    let mut pair = associations(&plain(), 1);
    pair.log = Some(Vec::new());
    pair.run(ms(100));
    let (_, echo) = pair.log.take().unwrap()[2].clone();
    pair.log = Some(Vec::new());
    pair.carry(Side::A, echo);
    pair.run(ms(100));
    assert_eq!(chart(pair.log.as_ref().unwrap()), ["A CookieEcho", "Z CookieAck"]);
    let events: Vec<_> = std::iter::from_fn(|| pair.z.poll_event()).collect();
    assert_eq!(events, [Event::Connected]);
}

#[test]
fn an_init_during_the_end_of_a_shutdown_repeats_the_answer() {
    // §9.2: "it SHOULD discard the INIT chunk and retransmit the SHUTDOWN ACK chunk".
    let mut pair = associations(&plain(), 1);
    pair.run(ms(100));
    pair.filter = Some(Box::new(|_, packet| packet[12] != 8));
    pair.a.shutdown(pair.now);
    pair.run(ms(50));
    assert_eq!(pair.z.state(), State::ShutdownAckSent);
    pair.log = Some(Vec::new());
    pair.z.handle_datagram(pair.now, &packet(0, &chunk(1, 0, &init(7, 5_000, 1, 1, &[]))));
    pair.drain();
    assert_eq!(chart(pair.log.as_ref().unwrap()), ["Z ShutdownAck"]);
    pair.filter = None;
    pair.run(Duration::from_secs(5));
    assert_eq!((pair.a.state(), pair.z.state()), (State::Closed, State::Closed));
}

#[test]
fn several_chunks_share_a_packet_and_those_of_the_handshake_do_not() {
    // §6.10: "INIT, INIT ACK and SHUTDOWN COMPLETE chunks MUST NOT be bundled".
    let mut pair = associations(&plain(), 1);
    let mut bundled = chunk(1, 0, &init(7, 5_000, 1, 1, &[]));
    bundled.extend(chunk(11, 0, &[]));
    pair.z.handle_datagram(pair.now, &packet(0, &bundled));
    assert_eq!(pair.z.poll_transmit(pair.now, &mut Vec::new()), None);
    pair.log = Some(Vec::new());
    pair.run(ms(100));
    for line in chart(pair.log.as_ref().unwrap()) {
        let alone = !line.contains("Init") || line.split(' ').count() == 2;
        assert!(alone, "{line}");
    }
}
