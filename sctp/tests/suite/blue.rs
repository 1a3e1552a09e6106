//! RFC 9260 §8.4 and §8.5: packets out of the blue, and verification tags.

use crate::lone::{Lone, lines};
use crate::pair::{chunk, chunks, data, message, ms, origin, overheard, packet, plain};
use crate::refusals::init;
use peerless_sctp::{Association, CloseReason, State};

/// What an association that does not exist answers to a packet with the tag 99.
fn answer(chunks: &[u8]) -> Option<Vec<u8>> {
    answer_to(&packet(99, chunks))
}

fn answer_to(packet: &[u8]) -> Option<Vec<u8>> {
    let now = origin();
    let mut server = Association::server(plain(), now, [1; 32]);
    server.handle_datagram(now, packet);
    assert_eq!(server.state(), State::Closed);
    let mut buf = Vec::new();
    let answer = server.poll_transmit(now, &mut buf).map(|range| buf[range].to_vec());
    assert_eq!(server.poll_transmit(now, &mut buf), None, "never two answers");
    answer
}

/// The names of the chunks in an answer, its tag and the flags of its first chunk.
fn seen(answer: Option<Vec<u8>>) -> Option<(String, [u8; 4], u8)> {
    answer.map(|packet| (chunks(&packet), packet[4..8].try_into().unwrap(), packet[13]))
}

/// An answer that reflects the tag 99.
fn reflected(name: &str) -> Option<(String, [u8; 4], u8)> {
    Some((name.to_owned(), [0, 0, 0, 99], 1))
}

#[test]
fn an_abort_out_of_the_blue_is_discarded_whatever_is_with_it() {
    // §8.4, 2: "contains an ABORT chunk".
    assert_eq!(answer(&chunk(6, 0, &[])), None);
    assert_eq!(answer(&[chunk(9, 0, &[0, 6, 0, 8, 1, 2, 3, 4]), chunk(6, 1, &[])].concat()), None);
    assert_eq!(answer(&[chunk(8, 0, &[]), chunk(6, 0, &[])].concat()), None);
}

#[test]
fn an_init_out_of_the_blue_is_answered_and_refused_with_its_own_tag() {
    // §8.4, 3: "the T bit of the ABORT chunk has to be set to 0".
    let answer = |value: &[u8]| seen(answer_to(&packet(0, &chunk(1, 0, value))));
    let good = answer(&init(7, 5_000, 1, 1, &[])).unwrap();
    assert_eq!((good.0.as_str(), good.1), ("InitAck", [0, 0, 0, 7]));
    let refused = answer(&init(7, 5_000, 0, 1, &[]));
    assert_eq!(refused, Some(("Abort".to_owned(), [0, 0, 0, 7], 0)));
    // After its end an association makes no other.
    let (mut pair, _) = overheard(&plain());
    pair.z.abort(pair.now, "over");
    let mut buf = Vec::new();
    while pair.z.poll_transmit(pair.now, &mut buf).is_some() {}
    pair.z.handle_datagram(pair.now, &packet(0, &chunk(1, 0, &init(7, 5_000, 1, 1, &[]))));
    buf.clear();
    pair.z.poll_transmit(pair.now, &mut buf).unwrap();
    assert_eq!(seen(Some(buf)), Some(("Abort".to_owned(), [0, 0, 0, 7], 0)));
}

#[test]
fn a_cookie_out_of_the_blue_is_looked_at_when_it_comes_first() {
    // §8.4, 4, and 8 where it is not the first. A good one is `handshake`'s.
    let cookie = chunk(10, 0, &[7; 92]);
    assert_eq!(answer(&cookie), None);
    let second = [data(1, 0, 0, 3, b"hello"), cookie].concat();
    assert_eq!(seen(answer(&second)), reflected("Abort"));
}

#[test]
fn a_shutdown_ack_out_of_the_blue_is_answered_with_shutdown_complete() {
    // §8.4, 5, which comes before 6 and 7.
    assert_eq!(seen(answer(&chunk(8, 0, &[]))), reflected("ShutdownComplete"));
    let with_complete = [chunk(14, 0, &[]), chunk(8, 0, &[])].concat();
    assert_eq!(seen(answer(&with_complete)), reflected("ShutdownComplete"));
}

#[test]
fn what_ends_an_exchange_out_of_the_blue_is_discarded() {
    // §8.4, 6: SHUTDOWN COMPLETE; 7: COOKIE ACK, and an ERROR with a stale cookie.
    assert_eq!(answer(&chunk(14, 0, &[])), None);
    assert_eq!(answer(&chunk(11, 0, &[])), None);
    assert_eq!(answer(&chunk(9, 0, &[0, 3, 0, 8, 0, 0, 0, 9])), None);
}

#[test]
fn anything_else_out_of_the_blue_is_answered_with_an_abort_that_reflects_its_tag() {
    // §8.4, 8. INIT ACK is among it: §5.2.3 discards it only where there is an association.
    let others = [
        chunk(0, 3, &[0; 13]),
        chunk(2, 0, &init(7, 5_000, 1, 1, &[])),
        chunk(3, 0, &[0; 12]),
        chunk(4, 0, &[0, 1, 0, 8, 1, 2, 3, 4]),
        chunk(5, 0, &[0, 1, 0, 8, 1, 2, 3, 4]),
        chunk(7, 0, &[0; 4]),
        chunk(9, 0, &[0, 6, 0, 8, 1, 2, 3, 4]),
        chunk(130, 0, &[0; 20]),
        chunk(192, 0, &[0; 4]),
        chunk(200, 0, &[0; 16]),
        // An INIT with a tag is not 3's.
        chunk(1, 0, &init(7, 5_000, 1, 1, &[])),
    ];
    for chunks in &others {
        assert_eq!(seen(answer(chunks)), reflected("Abort"), "{}", chunks[0]);
    }
}

#[test]
fn what_the_end_of_a_shutdown_overtook_is_discarded() {
    // An ABORT in answer might overtake the SHUTDOWN COMPLETE.
    let (mut pair, secrets) = overheard(&plain());
    pair.a.shutdown(pair.now);
    pair.run(ms(200));
    for (association, tag) in [(&mut pair.a, secrets.tag_a), (&mut pair.z, secrets.tag_z)] {
        assert_eq!(association.close_reason(), Some(&CloseReason::Shutdown));
        let mut answer = |tag: u32, chunk: &[u8]| {
            association.handle_datagram(pair.now, &packet(tag, chunk));
            let mut buf = Vec::new();
            association.poll_transmit(pair.now, &mut buf).map(|range| chunks(&buf[range]))
        };
        for late in [chunk(3, 0, &[0; 12]), chunk(7, 0, &[0; 4]), data(1, 0, 0, 3, b"late")] {
            assert_eq!(answer(tag, &late), None);
            // §8.4, 8, as ever for one that is not of the association.
            assert_eq!(answer(tag ^ 1, &late).as_deref(), Some("Abort"));
        }
        // 5, for who did not hear of the end.
        assert_eq!(answer(tag, &chunk(8, 0, &[])).as_deref(), Some("ShutdownComplete"));
    }
}

#[test]
fn a_damaged_packet_out_of_the_blue_is_discarded() {
    // §8.4: "correctly formed (i.e., passed the receiver's CRC32c check)"; §6.8.
    let mut damaged = packet(99, &chunk(3, 0, &[0; 12]));
    damaged[20] ^= 1;
    assert_eq!(answer_to(&damaged), None);
    let mut headless = packet(99, &[]);
    assert_eq!(answer_to(&headless), None, "no chunk");
    headless.truncate(11);
    assert_eq!(answer_to(&headless), None);
}

#[test]
fn the_tag_zero_is_for_an_init_alone() {
    // §8.5.1 A: "it SHOULD verify that the packet contains only an INIT chunk. Otherwise, the receiver
    // MUST silently discard the packet."
    let mut lone = Lone::new(&plain());
    let dropped = lone.z.stats().packets_dropped;
    let init = chunk(1, 0, &init(7, 5_000, 1, 1, &[]));
    for chunks in [data(lone.tsn, 0, 0, 3, b"x"), [init, chunk(11, 0, &[])].concat()] {
        lone.z.handle_datagram(lone.now, &packet(0, &chunks));
    }
    assert!(lone.now().is_empty());
    assert_eq!(lone.z.stats().packets_dropped - dropped, 2);
    assert_eq!(lone.z.read(0), None);
}

#[test]
fn the_tag_zero_is_for_an_init_while_there_is_no_association_too() {
    // §8.5.1 A comes before §8.4, 5 and 8.
    for chunks in [data(1, 0, 0, 3, b"x"), chunk(8, 0, &[]), chunk(10, 0, &[7; 92])] {
        assert_eq!(answer_to(&packet(0, &chunks)), None);
    }
    // Nor is a SHUTDOWN ACK answered during our handshake (8.5.1 E).
    let now = origin();
    let mut client = Association::client(plain(), now, [1; 32]);
    assert!(client.poll_transmit(now, &mut Vec::new()).is_some());
    client.handle_datagram(now, &packet(0, &chunk(8, 0, &[])));
    assert_eq!(client.poll_transmit(now, &mut Vec::new()), None);
    assert_eq!(client.stats().packets_dropped, 1);
}

#[test]
fn an_abort_counts_with_our_tag_or_with_the_peers_reflected() {
    // §8.5.1 B.
    let outcomes = [(false, 0, true), (false, 1, false), (true, 0, false), (true, 1, true)];
    for (peers, flags, ends) in outcomes {
        let mut lone = Lone::new(&plain());
        let tag = if peers { lone.peer_tag } else { lone.tag };
        lone.z.handle_datagram(lone.now, &packet(tag, &chunk(6, flags, &[])));
        let ended = matches!(lone.z.close_reason(), Some(CloseReason::AbortedByPeer { .. }));
        assert_eq!((ended, lone.now().len()), (ends, 0), "{peers} {flags}");
    }
    // Behind another chunk, too.
    for (flags, ends) in [(0, true), (1, false)] {
        let mut lone = Lone::new(&plain());
        lone.take(&[chunk(9, 0, &[0, 6, 0, 4]), chunk(6, flags, &[])].concat());
        assert_eq!(lone.z.state() == State::Closed, ends, "{flags}");
    }
}

#[test]
fn our_abort_has_the_tag_of_the_peer() {
    let mut lone = Lone::new(&plain());
    lone.z.abort(lone.now, "enough");
    let made = lone.now();
    assert_eq!(made[0].bytes[4..8], lone.peer_tag.to_be_bytes());
    assert_eq!((lines(&made), made[0].bytes[13]), (vec!["Abort".to_owned()], 0));
}

#[test]
fn a_shutdown_complete_counts_in_shutdown_ack_sent_with_the_right_tag() {
    // §8.5.1 C: "An endpoint MUST ignore the SHUTDOWN COMPLETE chunk if it is not in the
    // SHUTDOWN-ACK-SENT state."
    let outcomes = [(false, 0, true), (false, 1, false), (true, 0, false), (true, 1, true)];
    for (peers, flags, ends) in outcomes {
        let mut lone = Lone::new(&plain());
        let tag = if peers { lone.peer_tag } else { lone.tag };
        let complete = packet(tag, &chunk(14, flags, &[]));
        lone.z.handle_datagram(lone.now, &complete);
        assert_eq!(lone.z.state(), State::Established);
        lone.take(&chunk(7, 0, &lone.tsn_z.wrapping_sub(1).to_be_bytes()));
        assert_eq!(lines(&lone.now()), ["ShutdownAck"]);
        lone.z.handle_datagram(lone.now, &complete);
        assert_eq!(lone.z.state() == State::Closed, ends, "{peers} {flags}");
    }
}

#[test]
fn our_shutdown_complete_has_the_tag_of_the_peer_and_no_reflection() {
    // §8.5.1 C: "if the receiver of the SHUTDOWN ACK chunk has a TCB, then the destination endpoint's
    // tag MUST be used and the T bit MUST NOT be set".
    let mut lone = Lone::new(&plain());
    lone.z.shutdown(lone.now);
    assert_eq!(lines(&lone.now()), ["Shutdown"]);
    lone.take(&chunk(8, 0, &[]));
    let made = lone.now();
    assert_eq!(made[0].bytes[4..8], lone.peer_tag.to_be_bytes());
    assert_eq!((lines(&made), made[0].bytes[13]), (vec!["ShutdownComplete".to_owned()], 0));
}

#[test]
fn a_cookie_echo_has_the_tag_of_the_init_ack() {
    // §8.5.1 D; the INIT itself has zero (A).
    let now = origin();
    let mut client = Association::client(plain(), now, [2; 32]);
    client.send(now, message(0, 10, 1)).unwrap();
    let mut buf = Vec::new();
    client.poll_transmit(now, &mut buf).unwrap();
    assert_eq!(buf[4..8], [0; 4]);
    let tag = u32::from_be_bytes(buf[16..20].try_into().unwrap());
    let value = init(0x1234_5678, 5_000, 1, 1, &[0, 7, 0, 8, 1, 2, 3, 4]);
    client.handle_datagram(now, &packet(tag, &chunk(2, 0, &value)));
    buf.clear();
    client.poll_transmit(now, &mut buf).unwrap();
    assert_eq!(
        (chunks(&buf).as_str(), &buf[4..8]),
        ("CookieEcho Data", &[0x12, 0x34, 0x56, 0x78][..])
    );
}

#[test]
fn a_shutdown_ack_during_our_handshake_is_one_out_of_the_blue() {
    // §8.5.1 E, §9.2: SHUTDOWN COMPLETE with the same tag; "remains in the COOKIE-WAIT … state".
    let now = origin();
    let mut client = Association::client(plain(), now, [2; 32]);
    let mut buf = Vec::new();
    client.poll_transmit(now, &mut buf).unwrap();
    client.handle_datagram(now, &packet(99, &chunk(8, 0, &[])));
    buf.clear();
    client.poll_transmit(now, &mut buf).unwrap();
    assert_eq!(seen(Some(buf)), reflected("ShutdownComplete"));
    assert_eq!(client.state(), State::CookieWait);
    assert!(client.poll_timeout().is_some_and(|at| at > now), "T1-init runs on");
}
