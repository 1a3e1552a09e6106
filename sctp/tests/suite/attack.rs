//! What someone sends who should not, and what a peer sends that should not.

use crate::pair::{
    Pair, Secrets, Side, associations, chunk, connected, data, i_data, message, ms, overheard,
    packet, plain, seal, seeds,
};
use peerless_sctp::{Association, CloseReason, Config, Event, State};
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Whether data still flows both ways.
fn works(pair: &mut Pair<Association>) -> bool {
    while pair.a.read(9).is_some() || pair.z.read(9).is_some() {}
    pair.a.send(pair.now, message(9, 10, 1)).unwrap();
    pair.z.send(pair.now, message(9, 10, 1)).unwrap();
    pair.run_until(Duration::from_secs(10), |pair| {
        pair.a.stats().send_buffered == 0 && pair.z.stats().send_buffered == 0
    });
    pair.a.read(9).is_some() && pair.z.read(9).is_some()
}

#[test]
fn packets_with_a_wrong_tag_change_nothing() {
    let (mut pair, Secrets { tag_z, tsn_a, .. }) = overheard(&plain());
    let before = pair.z.stats();
    let chunks = [
        data(tsn_a, 9, 0, 3, b"forged"),
        chunk(6, 0, &[]),
        chunk(6, 1, &[]),
        chunk(7, 0, &tsn_a.to_be_bytes()),
        chunk(8, 0, &[]),
        chunk(14, 0, &[]),
        chunk(14, 1, &[]),
        chunk(3, 0, &[0; 12]),
        chunk(4, 0, &[0, 1, 0, 8, 1, 2, 3, 4]),
        chunk(192, 0, &tsn_a.wrapping_add(100).to_be_bytes()),
        chunk(130, 0, &[0; 20]),
        chunk(9, 0, &[0, 3, 0, 8, 0, 0, 0, 0]),
        chunk(10, 0, &[7; 90]),
        chunk(11, 0, &[]),
        chunk(1, 0, &[9; 16]),
    ];
    for chunks in &chunks {
        for tag in [0, 1, tag_z ^ 1, tag_z.swap_bytes()] {
            // An INIT with the tag zero is the one thing that a stranger may send.
            if chunks[0] != 1 || tag != 0 {
                pair.z.handle_datagram(pair.now, &packet(tag, chunks));
            }
        }
    }
    assert_eq!(pair.z.poll_event(), None);
    let after = pair.z.stats();
    assert_eq!(after.packets_received, before.packets_received);
    assert_eq!(after.packets_dropped - before.packets_dropped, 15 * 4 - 1);
    let mut buf = Vec::new();
    assert_eq!(pair.z.poll_transmit(pair.now, &mut buf), None, "nor is there an answer");
    assert!(works(&mut pair));
}

#[test]
fn a_forged_init_gets_an_answer_and_changes_nothing() {
    let mut pair = connected(&plain());
    for number in 0..1000_u32 {
        let mut init = (number + 1).to_be_bytes().to_vec();
        init.extend(100_000_u32.to_be_bytes());
        init.extend([0, 10, 0, 10]);
        init.extend(number.to_be_bytes());
        pair.z.handle_datagram(pair.now, &packet(0, &chunk(1, 0, &init)));
    }
    let mut answers = 0;
    let mut buf = Vec::new();
    while pair.z.poll_transmit(pair.now, &mut buf).is_some() {
        answers += 1;
    }
    assert!(answers <= 4, "answers that were not fetched do not pile up: {answers}");
    assert!(works(&mut pair));
}

#[test]
fn a_cookie_of_our_own_making_only_counts_with_its_tags() {
    // A stranger's whole handshake with the server of an association that is up: its cookie has
    // tie-tags that match, so it is taken for a peer that has restarted (§5.2.4 A). Below DTLS
    // only the peer can do that. Without the cookie's tag in the packet it is nothing.
    let (mut pair, _) = overheard(&plain());
    let mut init = 5_u32.to_be_bytes().to_vec();
    init.extend(100_000_u32.to_be_bytes());
    init.extend([0, 10, 0, 10, 0, 0, 0, 1]);
    pair.z.handle_datagram(pair.now, &packet(0, &chunk(1, 0, &init)));
    let mut buf = Vec::new();
    pair.z.poll_transmit(pair.now, &mut buf).unwrap();
    let cookie_len = usize::from(u16::from_be_bytes([buf[34], buf[35]])) - 4;
    let cookie = chunk(10, 0, &buf[36..36 + cookie_len]);
    for tag in [0, 1, 5] {
        pair.z.handle_datagram(pair.now, &packet(tag, &cookie));
    }
    let mut changed = cookie;
    changed[20] ^= 1;
    let tag = u32::from_be_bytes(buf[16..20].try_into().unwrap());
    pair.z.handle_datagram(pair.now, &packet(tag, &changed));
    assert_eq!(pair.z.poll_event(), None);
    assert!(works(&mut pair));
}

#[test]
fn our_own_packets_reflected_change_nothing() {
    let mut pair = associations(&plain(), 3);
    let mut buf = Vec::new();
    for _ in 0..50 {
        buf.clear();
        while let Some(range) = pair.a.poll_transmit(pair.now, &mut buf) {
            let packet = buf[range].to_vec();
            pair.a.handle_datagram(pair.now, &packet);
        }
        pair.now += ms(100);
        pair.a.handle_timeout(pair.now);
    }
    assert_eq!(pair.a.state(), State::CookieWait);

    let mut pair = connected(&plain());
    pair.log = Some(Vec::new());
    assert!(works(&mut pair));
    for (side, packet) in pair.log.take().unwrap() {
        match side {
            Side::A => pair.a.handle_datagram(pair.now, &packet),
            Side::Z => pair.z.handle_datagram(pair.now, &packet),
        }
    }
    assert!(works(&mut pair));
}

#[test]
fn every_packet_ever_sent_may_come_again() {
    let mut pair = associations(&plain(), 3);
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(1, 5_000, 1)).unwrap();
    pair.run(ms(500));
    assert!(pair.z.read(1).is_some());
    for (side, packet) in pair.log.take().unwrap() {
        match side {
            Side::A => pair.z.handle_datagram(pair.now, &packet),
            Side::Z => pair.a.handle_datagram(pair.now, &packet),
        }
    }
    assert_eq!(pair.z.read(1), None);
    assert!(works(&mut pair));
}

#[test]
fn a_sack_for_what_was_never_sent_ends_the_association() {
    let (mut pair, Secrets { tag_a, tsn_a, .. }) = overheard(&plain());
    let mut sack = tsn_a.wrapping_add(5).to_be_bytes().to_vec();
    sack.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    pair.a.handle_datagram(pair.now, &packet(tag_a, &chunk(3, 0, &sack)));
    assert!(matches!(pair.a.close_reason(), Some(CloseReason::ProtocolViolation(_))));
    pair.run(ms(50));
    assert!(matches!(pair.z.poll_event(), Some(Event::Closed(_))));
}

#[test]
fn impossible_counts_and_lengths_are_passed_over() {
    let (mut pair, Secrets { tag_a, tag_z, tsn_a, .. }) = overheard(&plain());
    let mut sack = tsn_a.wrapping_sub(1).to_be_bytes().to_vec();
    sack.extend([0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    pair.a.handle_datagram(pair.now, &packet(tag_a, &chunk(3, 0, &sack)));
    pair.a.handle_datagram(pair.now, &packet(tag_a, &[0, 3, 0xff, 0xff, 1, 2, 3, 4]));
    pair.a.handle_datagram(pair.now, &packet(tag_a, &[0, 3, 0, 0]));
    pair.a.handle_datagram(pair.now, &packet(tag_a, &[]));
    // RE-CONFIG: parameters cut off, an endless list, a sequence number from nowhere.
    pair.z.handle_datagram(pair.now, &packet(tag_z, &chunk(130, 0, &[0, 13, 0, 200, 1])));
    pair.z.handle_datagram(pair.now, &packet(tag_z, &chunk(130, 0, &[0, 13, 0, 8, 1, 2, 3, 4])));
    assert!(works(&mut pair));
}

#[test]
fn a_chunk_without_user_data_ends_the_association() {
    // §6.2.
    let (mut pair, Secrets { tag_z, tsn_a, .. }) = overheard(&plain());
    pair.z.handle_datagram(pair.now, &packet(tag_z, &data(tsn_a, 0, 0, 3, b"")));
    assert!(matches!(pair.z.close_reason(), Some(CloseReason::ProtocolViolation(_))));
}

#[test]
fn a_stream_that_does_not_exist_is_reported_and_the_number_counts() {
    // §6.5.
    let mut config = plain();
    config.inbound_streams = 10;
    let (mut pair, Secrets { tag_z, tsn_a, .. }) = overheard(&config);
    pair.z.handle_datagram(pair.now, &packet(tag_z, &data(tsn_a, 10, 0, 3, b"x")));
    let mut buf = Vec::new();
    pair.z.poll_transmit(pair.now, &mut buf).unwrap();
    assert!(crate::pair::chunks(&buf).starts_with("Error"), "{}", crate::pair::chunks(&buf));
    assert_eq!(pair.z.state(), State::Established);
}

#[test]
fn chunks_of_the_future_are_skipped_or_reported_as_their_type_says() {
    // §3.2: 0x3f stops, 0x7f stops and is reported, 0xbf is skipped, 0xff is skipped and reported.
    for (kind, delivered, reported) in
        [(0x3f, false, false), (0x7f, false, true), (0xbf, true, false), (0xff, true, true)]
    {
        let (mut pair, Secrets { tag_z, tsn_a, .. }) = overheard(&plain());
        let chunks = [chunk(kind, 0, &[1, 2, 3]), data(tsn_a, 1, 0, 3, b"x")].concat();
        pair.z.handle_datagram(pair.now, &packet(tag_z, &chunks));
        assert_eq!(pair.z.read(1).is_some(), delivered, "{kind:#x}");
        let mut buf = Vec::new();
        let answer = pair.z.poll_transmit(pair.now, &mut buf).map(|_| crate::pair::chunks(&buf));
        let error = answer.is_some_and(|answer| answer.contains("Error"));
        assert_eq!(error, reported, "{kind:#x}");
    }
}

/// Twice the room for two of the largest messages, which is more than the window at first; as much
/// again once for what moves the cumulative number on; and a packet.
const MOST_HELD: usize = 3 * (512 << 10) + 2000;

#[test]
fn a_sender_without_regard_for_the_window_is_bounded() {
    // Ones that never complete; ones with numbers that leave gaps; ones that are never read; ones
    // of one byte; ones whose turn never comes; ones that only begin.
    type Make = fn(u32, u32) -> Vec<u8>;
    let kinds: [(&str, Make); 6] = [
        ("fragments with gaps", |tsn, i| data(tsn.wrapping_add(2 * i + 1), 1, 0, 0, &[1; 1000])),
        ("complete with gaps", |tsn, i| data(tsn.wrapping_add(i + 1), 1, 5, 7, &[1; 1000])),
        ("never read", |tsn, i| data(tsn.wrapping_add(i), 1, 0, 7, &[1; 1000])),
        ("of one byte", |tsn, i| data(tsn.wrapping_add(i), i as u16, 0, 7, &[1])),
        ("never their turn", |tsn, i| data(tsn.wrapping_add(i), 1, (i + 1) as u16, 3, &[1; 1000])),
        ("beginnings", |tsn, i| data(tsn.wrapping_add(i), 1, 0, 6, &[1; 1000])),
    ];
    for (name, make) in kinds {
        // The receiver may get to answer each packet, or none.
        for answers in [false, true] {
            let (mut pair, Secrets { tag_z, tsn_a, .. }) = overheard(&plain());
            let mut buf = Vec::new();
            for i in 0..20_000 {
                pair.z.handle_datagram(pair.now, &packet(tag_z, &make(tsn_a, i)));
                while answers && pair.z.poll_transmit(pair.now, &mut buf).is_some() {}
                buf.clear();
            }
            let held = pair.z.stats().receive_buffered;
            assert!(held <= MOST_HELD, "{name}, {answers}: {held}");
            let mut packets = 0;
            while pair.z.poll_transmit(pair.now, &mut buf).is_some() {
                packets += 1;
            }
            assert!(packets <= 2 && buf.len() <= 2400, "{name}: {packets} packets");
        }
    }
}

#[test]
fn interleaved_messages_that_never_end_are_bounded() {
    // RFC 8260: I-DATA with B and without E, each of another message, in the order of their numbers;
    // ordered and unordered ones, and one beside messages that nobody reads.
    let config = Config::default();
    for (flags, complete) in [(2, 0), (6, 0), (6, 7)] {
        let (mut pair, Secrets { tag_z, tsn_a, .. }) = overheard(&config);
        assert!(pair.z.interleaves());
        let mut buf = Vec::new();
        for i in 0..20_000_u32 {
            let flags = if i > 0 && complete != 0 { complete } else { flags };
            let chunk = i_data(tsn_a.wrapping_add(i), 1, i, flags, &[1; 1000]);
            pair.z.handle_datagram(pair.now, &packet(tag_z, &chunk));
            buf.clear();
            while pair.z.poll_transmit(pair.now, &mut buf).is_some() {}
        }
        let held = pair.z.stats().receive_buffered;
        assert!(held <= MOST_HELD, "{flags}, {complete}: {held}");
    }
}

#[test]
fn a_message_that_never_ends_is_bounded() {
    let (mut pair, Secrets { tag_z, tsn_a, .. }) = overheard(&plain());
    for i in 0..1000 {
        let flags = if i == 0 { 2 } else { 0 };
        let chunk = data(tsn_a.wrapping_add(i), 1, 0, flags, &[1; 1000]);
        pair.z.handle_datagram(pair.now, &packet(tag_z, &chunk));
    }
    assert!(matches!(pair.z.close_reason(), Some(CloseReason::ProtocolViolation(_))));
    assert!(pair.z.stats().receive_buffered < 300_000);
}

#[test]
fn damaged_packets_with_a_right_checksum_do_no_harm() {
    for number in 0..seeds() {
        println!("seed {number}");
        let mut rng = ChaCha20Rng::seed_from_u64(number);
        let mut pair = associations(&plain(), number);
        let mut damage = ChaCha20Rng::seed_from_u64(number + 1);
        pair.filter = Some(Box::new(move |_, packet| {
            if damage.next_u32().is_multiple_of(4) {
                for _ in 0..=damage.next_u32() % 4 {
                    let at = 12 + damage.next_u32() as usize % (packet.len() - 12);
                    // Lengths and counts more often than user data.
                    let at = if damage.next_u32().is_multiple_of(2) { at } else { 12 + at % 20 };
                    if let Some(byte) = packet.get_mut(at) {
                        *byte = damage.next_u32() as u8;
                    }
                }
                if damage.next_u32().is_multiple_of(8) {
                    packet.truncate(12 + damage.next_u32() as usize % (packet.len() - 12));
                }
                seal(packet);
            }
            true
        }));
        for _ in 0..100 {
            let stream = (rng.next_u32() % 4) as u16;
            let len = 1 + rng.next_u32() as usize % 3000;
            let _ = pair.a.send(pair.now, message(stream, len, 1));
            let _ = pair.z.send(pair.now, message(stream, len, 1));
            if rng.next_u32().is_multiple_of(10) {
                pair.a.reset_stream(pair.now, stream);
            }
            pair.run(ms(u64::from(rng.next_u32() % 50)));
            for stream in 0..4 {
                while pair.a.read(stream).is_some() || pair.z.read(stream).is_some() {}
            }
            while pair.a.poll_event().is_some() || pair.z.poll_event().is_some() {}
        }
        pair.run(Duration::from_secs(300));
    }
}
