use bytes::Bytes;
use sctp::{Association, Config, Order, Outgoing, ReadMode, Reliability, Scheduler};

use crate::choices::Choices;
use crate::clock::{Clock, assert_does_not_spin};
use crate::sctp_packet::fix_checksum;
use crate::wire::Wire;

/// Two associations, their commands in any order, and a network that changes packets and makes some
/// up, with checksums and verification tags that hold.
pub fn sctp_association(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut clock = Clock::new();
    let now = clock.now();
    let mut config = Config::default();
    config.send_buffer = 1 << 20;
    let how = choices.byte();
    config.interleaving = how & 1 != 0;
    config.over_dtls = how & 2 != 0;
    config.read_mode = if how & 4 != 0 { ReadMode::Parts } else { ReadMode::Whole };
    config.scheduler = match how >> 3 & 3 {
        0 => Scheduler::WeightedFairQueueing,
        1 => Scheduler::FirstComeFirstServed,
        2 => Scheduler::Priority,
        _ => Scheduler::RoundRobin,
    };
    let other = match choices.flag() {
        true => Association::client(config.clone(), now, [2; 32]),
        false => Association::server(config.clone(), now, [2; 32]),
    };
    let mut sides = [Association::client(config, now, [1; 32]), other].map(|association| Side {
        association,
        wire: Wire::default(),
        tag: 0,
    });
    settle(&mut sides, &clock);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        let what = choices.byte();
        let now = clock.now();
        let [a, b] = &mut sides;
        let (side, peer) = if what & 1 == 0 { (a, b) } else { (b, a) };
        match what >> 1 {
            0..=55 => {
                if let Some(mut packet) = side.wire.next(&mut choices) {
                    if what & 2 != 0 {
                        fix_checksum(&mut packet);
                    }
                    side.association.handle_datagram(now, &packet);
                }
            }
            56..=65 => {
                clock.advance(&mut choices);
            }
            66..=80 => {
                let timeouts = [side.association.poll_timeout(), peer.association.poll_timeout()];
                clock.advance_to(timeouts.into_iter().flatten().min());
            }
            81 => side.association.handle_timeout(clock.earlier(&mut choices)),
            82..=97 => {
                let stream = u16::from(choices.byte());
                let size = usize::from(choices.u16()) * usize::from(choices.byte() & 7);
                let mut message = Outgoing::new(stream, 51, Bytes::from(vec![what; size]));
                let how = choices.byte();
                if how & 1 != 0 {
                    message.order = Order::Unordered;
                }
                message.reliability = match how >> 1 & 3 {
                    0 => Reliability::MaxRetransmits(u16::from(how >> 3)),
                    1 => Reliability::MaxPacketLifeTime(choices.duration()),
                    _ => Reliability::Reliable,
                };
                let before = side.association.total_buffered_amount();
                let given_up = side.association.stats().messages_abandoned;
                let sent = match how & 0x60 {
                    0x60 => side.association.begin(now, message.clone()),
                    _ => side.association.send(now, message.clone()),
                };
                if let Err(error) = sent {
                    assert_eq!(error.into_message(), message);
                    // What had expired may have gone, and was not enough.
                    let after = side.association.total_buffered_amount();
                    let expired = side.association.stats().messages_abandoned > given_up;
                    assert!(after == before || expired && after < before, "{after} of {before}");
                }
            }
            98..=104 => {
                let stream = u16::from(choices.byte());
                while side.association.read_part(stream).is_some() {}
                while side.association.read(stream).is_some() {}
            }
            105..=107 => {
                let (stream, what) = (u16::from(choices.byte()), choices.byte());
                match what & 3 {
                    0 => drop(side.association.append(now, stream, Bytes::from(vec![what; 900]))),
                    1 => drop(side.association.finish(now, stream)),
                    2 => side.association.abandon(now, stream),
                    _ => side.association.add_streams(now, stream, u16::from(what)),
                }
            }
            108..=119 => {
                // Made up, with the tag that the receiver expects.
                let mut packet = vec![0x13, 0x88, 0x13, 0x88];
                packet.extend_from_slice(&side.tag.to_be_bytes());
                packet.extend_from_slice(&[0; 4]);
                packet.extend_from_slice(choices.long_bytes());
                fix_checksum(&mut packet);
                side.association.handle_datagram(now, &packet);
            }
            120 => side.association.set_mtu(usize::from(choices.u16())),
            121 => side.association.set_round_trip_time(choices.duration()),
            122 => {
                side.association.reset_stream(now, u16::from(choices.byte()));
            }
            123 if choices.byte() == 0 => side.association.shutdown(now),
            124 if choices.byte() == 0 => side.association.abort(now, "fuzz"),
            125 => side.association.path_changed(now),
            126 => side.association.set_max_send_message_size(usize::from(choices.u16())),
            _ => {
                let stream = u16::from(choices.byte());
                let threshold = usize::from(choices.u16());
                side.association.set_buffered_amount_low_threshold(stream, threshold);
            }
        }
        settle(&mut sides, &clock);
    }
}

/// Enough for a window to open and close.
const MAX_STEPS: usize = 1000;

struct Side {
    association: Association,
    /// On its way to this side.
    wire: Wire,
    /// The verification tag that this side expects, as seen on the wire.
    tag: u32,
}

fn settle(sides: &mut [Side; 2], clock: &Clock) {
    let now = clock.now();
    for index in 0..2 {
        let [a, b] = &mut *sides;
        let (from, to) = if index == 0 { (a, b) } else { (b, a) };
        from.association.handle_timeout(now);
        to.wire.drain(|buf| {
            let sent = from.association.poll_transmit(now, buf).is_some();
            if let Some(&tag) = buf.get(4..).and_then(|rest| rest.first_chunk())
                && tag != [0; 4]
            {
                to.tag = u32::from_be_bytes(tag);
            }
            sent
        });
        let mut events = 0;
        while from.association.poll_event().is_some() {
            events += 1;
            assert!(events < 100_000, "poll_event never ends");
        }
        assert_does_not_spin(now, from.association.poll_timeout());
    }
}
