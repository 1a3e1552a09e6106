//! RFC 9260 §6.1, §6.2.1, §6.5, §6.9 and §6.10: what leaves when, and how.

use crate::lone::{Lone, data_of, lines, sack, timed};
use crate::pair::{Side, acquainted, chunk, message, ms, overheard, plain};
use peerless_sctp::{Config, CongestionControl, Order, Outgoing, State};
use std::time::Duration;

/// The RFC's own congestion control, with a window of so many packets at first.
fn reno(packets: u32) -> Config {
    let mut config = plain();
    config.congestion_control = CongestionControl::NewReno;
    config.initial_window = packets;
    config
}

#[test]
fn nothing_leaves_beyond_the_peers_window() {
    // §6.1 A, §6.2.1 A, B and D.ii: rwnd is what the peer told, less what is outstanding.
    let mut lone = Lone::new(&plain());
    lone.send(100);
    lone.now();
    lone.take_sack(0, 2_500, &[]);
    assert_eq!(lone.z.stats().peer_receive_window, 2_500);
    for _ in 0..10 {
        lone.send(1_000);
    }
    let made = lone.now();
    assert_eq!(lines(&made), ["Data", "Data"]);
    assert_eq!(lone.z.stats().peer_receive_window, 500);
    // One of the two is acknowledged, by a receiver that has not been read from.
    lone.take_sack(1, 1_500, &[]);
    assert_eq!(lone.z.stats().peer_receive_window, 500, "less the one outstanding");
    assert!(lone.now().is_empty());
    // A gap block, too: 3 has arrived beyond 2.
    lone.take_sack(2, 2_500, &[]);
    assert_eq!(lines(&lone.now()), ["Data", "Data"]);
    lone.take_sack(2, 2_500, &[(2, 2)]);
    assert_eq!(lone.z.stats().peer_receive_window, 1_500);
}

#[test]
fn a_closed_window_is_probed_after_a_timeout_and_ever_later() {
    // §6.1 A: "The sender SHOULD send the first zero window probe after 1 RTO when it detects that the
    // receiver has closed its window and SHOULD increase the probe interval exponentially afterwards."
    let mut lone = Lone::new(&plain());
    lone.send(100);
    lone.now();
    lone.wait(ms(20));
    lone.take_sack(0, 0, &[]);
    lone.send(1_000);
    lone.send(1_000);
    let rto = lone.z.stats().retransmission_timeout.as_millis();
    let made = lone.next(Duration::from_secs(1));
    assert_eq!(timed(&made), [format!("{} Data", 20 + rto)]);
    let mut waits = Vec::new();
    let mut last = made[0].at;
    for _ in 0..4 {
        // The receiver says that it is there, and has no room.
        lone.take_sack(0, 0, &[]);
        let made = lone.next(Duration::from_secs(10));
        assert_eq!(lone.numbers(&made[0].bytes), [1], "the same one again");
        waits.push((made[0].at - last).as_millis());
        last = made[0].at;
    }
    assert_eq!(waits, [rto, 2 * rto, 4 * rto, 8 * rto]);
    // "Zero window probing does not affect the calculation of cwnd."
    assert_eq!(lone.z.stats().congestion_window, 10 * 1148);
    lone.take_sack(1, 100_000, &[]);
    assert_eq!(lone.numbers_now(), [[2]]);
}

#[test]
fn a_peer_that_keeps_its_window_closed_is_not_dead() {
    // §6.1 A: "the unacknowledged window probes SHOULD NOT increment the error counter".
    let mut config = plain();
    config.max_retransmits = 2;
    config.heartbeat_interval = None;
    // One that is too small for anything is probed like a closed one.
    for window in [0, 500] {
        let mut lone = Lone::new(&config);
        lone.send(100);
        lone.now();
        lone.take_sack(0, window, &[]);
        lone.send(1_000);
        for _ in 0..20 {
            let made = lone.next(Duration::from_secs(20));
            assert_eq!(lines(&made), ["Data"]);
            lone.take_sack(0, window, &[]);
        }
        assert_eq!(lone.z.state(), State::Established);
        // One that does not even say so is.
        lone.wait(Duration::from_secs(60));
        assert_eq!(lone.z.state(), State::Closed);
    }
}

#[test]
fn a_small_window_is_not_filled_with_small_pieces() {
    // §6.1 A, RFC 1122 §4.2.3.4: no silly windows. A message of 5000 bytes and room for 1000.
    let mut lone = Lone::new(&plain());
    lone.send(100);
    lone.send(5_000);
    lone.round();
    lone.take_sack(5, 1_000, &[]);
    lone.send(5_000);
    assert!(lone.now().is_empty());
    lone.take_sack(5, 3_000, &[]);
    let sizes: Vec<_> =
        lone.round().iter().map(|made| data_of(&made.bytes)[0].payload.len()).collect();
    assert_eq!(sizes, [1132, 1132]);
}

#[test]
fn packets_larger_than_all_windows_of_the_peer_are_not_filled() {
    // RFC 1122 §4.2.3.4: half of the greatest window is worth a chunk, which is cut to what there is
    // room for.
    let mut config = plain();
    config.mtu = 9000;
    config.receive_window = 4096;
    config.max_receive_window = 4096;
    config.max_receive_message_size = 2048;
    let mut pair = acquainted(&config);
    for _ in 0..20 {
        pair.a.send(pair.now, message(0, 2_000, 1)).unwrap();
    }
    let mut read = 0;
    let all = pair.run_until(ms(1000), |pair| {
        read += std::iter::from_fn(|| pair.z.read(0)).count();
        read == 20
    });
    assert!(all, "{read}");
    assert_eq!(pair.z.stats().chunks_refused, 0);
}

#[test]
fn the_congestion_window_is_exceeded_by_less_than_a_chunk() {
    // §6.1 B: "The breach of cwnd MUST constitute one packet only."
    let mut lone = Lone::new(&reno(4));
    for _ in 0..10 {
        lone.send(1_000);
    }
    let window = lone.z.stats().congestion_window;
    assert_eq!(window, 4 * 1148);
    let count = lone.round().len();
    // Chunks of 1016 bytes: five of them pass 4592.
    assert_eq!((count, lone.z.stats().bytes_in_flight), (5, 5 * 1016));
    lone.take_sack(0, 100_000, &[]);
    assert!(lone.z.stats().congestion_window <= window + 1016);
    let count = lone.round().len();
    assert!((1..=2).contains(&count), "{count}");
}

#[test]
fn what_is_lost_is_sent_before_anything_new() {
    // §6.1 C. A → DATA 0 ✗, 1 to 4 → Z; Z → SACK -1 [2..5]; A → DATA 0, then 5, 6
    let mut lone = Lone::new(&reno(4));
    for _ in 0..10 {
        lone.send(1_000);
    }
    assert_eq!(lone.round().len(), 5);
    lone.take_sack(-1, 100_000, &[(2, 5)]);
    let made = lone.round();
    let numbers: Vec<_> = made.iter().flat_map(|made| lone.numbers(&made.bytes)).collect();
    assert_eq!(numbers[..2], [0, 5]);
}

#[test]
fn a_large_window_leaves_at_the_pace_of_the_path() {
    // §6.1 D has Max.Burst; here packets are spread over the round trip. A window of a hundred packets
    // opens at once.
    let mut lone = Lone::new(&reno(100));
    lone.send(100);
    lone.now();
    lone.wait(ms(50));
    lone.take_sack(0, 1_000_000, &[]);
    for _ in 0..100 {
        lone.send(1_100);
    }
    assert!(lone.now().len() <= 5);
    let made = lone.wait(ms(45));
    assert!(made.len() > 80, "{}", made.len());
    let burst = made.iter().map(|one| made.iter().filter(|other| other.at == one.at).count());
    assert!(burst.max().unwrap() <= 5);
}

#[test]
fn no_chunk_is_further_ahead_than_a_gap_block_can_tell() {
    // §6.1: "the data sender MUST NOT have more than 2^16 - 1 ordered user messages in the current send
    // window" for each stream. A gap block's offset has 16 bits, too. Half as many, since §1.6 compares
    // numbers by which of them is less than half of all ahead.
    let mut config = reno(1000);
    config.mtu = 9000;
    config.send_buffer = 16 << 20;
    let mut lone = Lone::new(&config);
    let message = Outgoing::new(0, 53, bytes::Bytes::from_static(b"x"));
    for _ in 0..70_000 {
        lone.z.send(lone.now, message.clone()).unwrap();
    }
    lone.take_sack(-1, 16 << 20, &[]);
    let count = |made: &[crate::lone::Made]| -> usize {
        made.iter().map(|made| data_of(&made.bytes).len()).sum()
    };
    let made = lone.wait(ms(100));
    assert_eq!(count(&made), 32_767);
    lone.take_sack(99, 16 << 20, &[]);
    let made = lone.wait(ms(100));
    assert_eq!(count(&made), 100);
}

#[test]
fn a_sack_that_was_overtaken_is_dropped() {
    // §6.2.1 D.i.
    let mut lone = Lone::new(&plain());
    for _ in 0..4 {
        lone.send(1_000);
    }
    lone.round();
    lone.take_sack(2, 50_000, &[]);
    let before = lone.z.stats();
    lone.take_sack(0, 9_000, &[]);
    let after = lone.z.stats();
    assert_eq!(after.peer_receive_window, 50_000 - 1_000);
    assert_eq!(after.bytes_in_flight, before.bytes_in_flight);
}

#[test]
fn what_a_receiver_has_dropped_again_is_sent_again() {
    // §6.2.1 D.iii, §6.3.2 R4: a SACK no longer tells what an earlier one did.
    let mut lone = Lone::new(&plain());
    for _ in 0..3 {
        lone.send(1_000);
    }
    lone.round();
    lone.take_sack(0, 50_000, &[(2, 2)]);
    assert_eq!(lone.z.stats().bytes_in_flight, 1016);
    lone.take_sack(1, 50_000, &[]);
    assert_eq!(lone.z.stats().bytes_in_flight, 1016, "2 is in flight once more");
    assert_eq!(lone.z.stats().peer_receive_window, 50_000 - 1_000);
    let made = lone.next(Duration::from_secs(2));
    assert_eq!(lone.numbers(&made[0].bytes), [2]);
}

#[test]
fn numbers_of_a_stream_begin_at_zero_and_wrap() {
    // §6.5: "MUST start from 0 … when the Stream Sequence Number reaches the value 65535, the next
    // Stream Sequence Number MUST be set to 0."; unordered messages do not change them.
    let mut config = plain();
    config.send_buffer = 16 << 20;
    let mut pair = acquainted(&config);
    pair.log = Some(Vec::new());
    let count = 65_540_u32;
    let mut sent = 0;
    let mut read = 0;
    // One in five has an unordered one before it.
    while read < (count + count.div_ceil(5)) as usize {
        while sent < count {
            let mut message = Outgoing::new(3, 53, bytes::Bytes::from_static(b"x"));
            if sent.is_multiple_of(5) {
                let unordered = Outgoing { order: Order::Unordered, stream: 4, ..message.clone() };
                message.stream = 4;
                pair.a.send(pair.now, unordered).unwrap();
            }
            message.stream = if sent.is_multiple_of(5) { 4 } else { 3 };
            if pair.a.send(pair.now, message).is_err() {
                break;
            }
            sent += 1;
        }
        pair.run(ms(50));
        for stream in [3, 4] {
            read += std::iter::from_fn(|| pair.z.read(stream)).count();
        }
    }
    let mut next = [0_u16; 2];
    let mut newest = 0;
    for (_, packet) in pair.log.as_ref().unwrap().iter().filter(|(side, _)| *side == Side::A) {
        for data in data_of(packet) {
            // What there was no room for comes again.
            let is_new = newest == 0 || data.tsn.0.wrapping_sub(newest) as i32 > 0;
            newest = if is_new { data.tsn.0 } else { newest };
            if is_new && data.order() == Order::Ordered {
                let next = &mut next[usize::from(data.stream) - 3];
                assert_eq!(data.message, u32::from(*next));
                *next = next.wrapping_add(1);
            }
        }
    }
    assert_eq!(next.iter().map(|next| u32::from(*next)).sum::<u32>(), count);
}

#[test]
fn fragments_say_where_they_belong() {
    // §6.9: consecutive numbers, the same stream sequence number, B/E of 10, 00 … 01, and U on each.
    for order in [Order::Ordered, Order::Unordered] {
        let mut lone = Lone::new(&plain());
        let mut outgoing = message(7, 4_000, 1);
        outgoing.order = order;
        lone.z.send(lone.now, outgoing).unwrap();
        let made = lone.round();
        let unordered = if order == Order::Unordered { 4 } else { 0 };
        let seen: Vec<_> = made
            .iter()
            .flat_map(|made| data_of(&made.bytes))
            .map(|data| {
                let tsn = data.tsn.0.wrapping_sub(lone.tsn_z);
                (tsn, data.stream, data.message, data.flags & 7, data.payload.len())
            })
            .collect();
        let expected = [(0, 2, 1132), (1, 0, 1132), (2, 0, 1132), (3, 1, 604)]
            .map(|(tsn, flags, len)| (tsn, 7, 0, flags | unordered, len));
        assert_eq!(seen, expected);
        assert!(made.iter().all(|made| made.bytes.len() <= 1160), "never beyond the PMTU");
    }
}

#[test]
fn a_fragment_is_never_cut_again() {
    // §6.9: "Once a user message is fragmented, it cannot be re-fragmented": what was cut for a larger
    // packet size goes again as it is.
    let mut lone = Lone::new(&plain());
    lone.send(3_000);
    let first: Vec<_> = lone.round().iter().map(|made| made.bytes.len()).collect();
    lone.z.set_mtu(600);
    let again = lone.next(Duration::from_secs(2));
    assert_eq!(again[0].bytes.len(), first[0]);
    lone.take_sack(2, 100_000, &[]);
    lone.send(3_000);
    assert!(lone.round().iter().all(|made| made.bytes.len() <= 600));
}

#[test]
fn the_space_of_a_sack_is_reckoned_with() {
    // §6.9: "MUST also take into account the space required for a SACK chunk if bundling".
    let (mut pair, _) = overheard(&plain());
    pair.z.send(pair.now, message(0, 10, 1)).unwrap();
    pair.run(ms(15));
    pair.log = Some(Vec::new());
    pair.z.send(pair.now, message(0, 10, 1)).unwrap();
    pair.run(ms(15));
    pair.a.send(pair.now, message(0, 5_000, 1)).unwrap();
    pair.run(ms(1));
    let log = pair.log.as_ref().unwrap();
    let bundled = log.iter().find(|(side, packet)| *side == Side::A && packet[12] == 3).unwrap();
    assert_eq!(crate::pair::chunks(&bundled.1), "Sack Data");
    assert_eq!(bundled.1.len(), 1160);
}

#[test]
fn chunks_of_a_packet_are_in_the_order_of_their_numbers() {
    // §6.10: "The transmitter MUST transmit DATA chunks within an SCTP packet in increasing order of
    // TSN." 0 is lost, sent again and lost again; then 8 is found lost before it.
    let mut lone = Lone::new(&reno(40));
    let step = |lone: &mut Lone, count| {
        for _ in 0..count {
            lone.send(100);
            lone.now();
        }
    };
    step(&mut lone, 8);
    lone.wait(ms(20));
    lone.take_sack(-1, 100_000, &[(2, 8)]);
    assert_eq!(lone.numbers_now(), [[0]]);
    step(&mut lone, 8);
    lone.wait(ms(20));
    lone.take_sack(-1, 100_000, &[(2, 8), (10, 16)]);
    let made = lone.wait(ms(20));
    let numbers: Vec<_> = made.iter().map(|made| lone.numbers(&made.bytes)).collect();
    assert!(numbers.iter().all(|numbers| numbers.is_sorted()), "{numbers:?}");
    let mut all = numbers.concat();
    all.sort_unstable();
    assert_eq!(all, [0, 8]);
}

#[test]
fn a_chunk_that_is_cut_off_is_dropped_and_those_before_it_count() {
    // §6.10: "If the receiver detects a partial chunk, it MUST drop the chunk."
    let mut lone = Lone::new(&plain());
    let mut chunks = chunk(4, 0, &[0, 1, 0, 8, 1, 2, 3, 4]);
    chunks.extend([0, 3, 0, 100, 1, 2, 3, 4]);
    lone.take(&chunks);
    assert_eq!(lines(&lone.now()), ["HeartbeatAck"]);
}

#[test]
fn a_sack_may_come_with_anything() {
    // §6.10: "An endpoint MUST process received chunks in their order in the packet."
    let mut lone = Lone::new(&plain());
    lone.send(100);
    lone.now();
    let acknowledge = sack(lone.tsn_z, 100_000, &[], &[]);
    lone.take(
        &[
            chunk(4, 0, &[0, 1, 0, 8, 1, 2, 3, 4]),
            acknowledge,
            chunk(7, 0, &lone.tsn_z.to_be_bytes()),
        ]
        .concat(),
    );
    assert_eq!(lines(&lone.now()), ["ShutdownAck HeartbeatAck"]);
    assert_eq!(lone.z.total_buffered_amount(), 0);
}
