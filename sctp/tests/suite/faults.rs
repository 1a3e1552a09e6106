//! Loss, duplication and reordering, at random.

use crate::pair::{Link, Pair, associations, ms, seeds};
use bytes::Bytes;
use peerless_sctp::{Association, Config, Event, Order, Outgoing, Reliability, Scheduler, State};
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::Duration;

/// A message that says where it belongs and that it is whole.
pub(crate) fn numbered(rng: &mut ChaCha20Rng, stream: u16, number: u32) -> Outgoing {
    let len = match rng.next_u32() % 10 {
        0 => rng.next_u32() % 100_000,
        1..4 => rng.next_u32() % 5_000,
        _ => rng.next_u32() % 200,
    };
    let mut payload = number.to_be_bytes().to_vec();
    payload.extend((0..len).map(|index| (index.wrapping_mul(7) ^ number) as u8));
    Outgoing::new(stream, 53, Bytes::from(payload))
}

/// The number of a message, which must be intact.
pub(crate) fn number_of(payload: &[u8]) -> u32 {
    let (number, rest) = payload.split_first_chunk::<4>().unwrap();
    let number = u32::from_be_bytes(*number);
    for (index, byte) in (0_u32..).zip(rest) {
        assert_eq!(*byte, (index.wrapping_mul(7) ^ number) as u8, "message {number} at {index}");
    }
    number
}

pub(crate) fn scheduler(rng: &mut ChaCha20Rng) -> Scheduler {
    match rng.next_u32() % 5 {
        0 => Scheduler::FirstComeFirstServed,
        1 => Scheduler::RoundRobin,
        2 => Scheduler::Priority,
        3 => Scheduler::FairCapacity,
        _ => Scheduler::WeightedFairQueueing,
    }
}

pub(crate) fn random_link(rng: &mut ChaCha20Rng) -> Link {
    Link {
        delay: ms(u64::from(rng.next_u32() % 60)),
        jitter: ms(u64::from(rng.next_u32() % 30)),
        loss: rng.next_u32() % 150,
        duplication: rng.next_u32() % 50,
        rate: None,
    }
}

pub(crate) struct Traffic {
    pub(crate) sent: BTreeMap<u16, u32>,
    pub(crate) received: BTreeMap<u16, Vec<u32>>,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self { sent: BTreeMap::new(), received: BTreeMap::new() }
    }

    pub(crate) fn read(&mut self, association: &mut Association) {
        while let Some(event) = association.poll_event() {
            match event {
                Event::Readable(stream) => {
                    while let Some(message) = association.read(stream) {
                        let number = number_of(&message.payload);
                        self.received.entry(stream).or_default().push(number);
                    }
                }
                Event::Closed(reason) => panic!("closed: {reason}"),
                _ => {}
            }
        }
    }
}

pub(crate) fn step(pair: &mut Pair<Association>, a: &mut Traffic, z: &mut Traffic, time: Duration) {
    let limit = pair.now + time;
    while pair.step(limit) {
        a.read(&mut pair.a);
        z.read(&mut pair.z);
    }
}

#[test]
fn every_reliable_message_arrives_once_in_order_and_intact() {
    for seed in 0..seeds() {
        println!("seed {seed}");
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let link = random_link(&mut rng);
        let mut config = Config::default();
        config.interleaving = seed % 3 != 0;
        config.scheduler = scheduler(&mut rng);
        let mut pair = associations(&config, seed).with_link(link, seed);
        let (mut a, mut z) = (Traffic::new(), Traffic::new());
        for _ in 0..200 {
            let stream = (rng.next_u32() % 5) as u16;
            let (side, traffic) = if rng.next_u32().is_multiple_of(2) {
                (&mut pair.a, &mut a)
            } else {
                (&mut pair.z, &mut z)
            };
            let next = traffic.sent.entry(stream).or_default();
            let mut message = numbered(&mut rng, stream, *next);
            if stream == 4 {
                message.order = Order::Unordered;
            }
            if side.send(pair.now, message).is_ok() {
                *next += 1;
            }
            if rng.next_u32().is_multiple_of(4) {
                let time = ms(u64::from(rng.next_u32() % 40));
                step(&mut pair, &mut a, &mut z, time);
            }
        }
        step(&mut pair, &mut a, &mut z, Duration::from_secs(200));
        for (sent, received) in [(&a.sent, &mut z.received), (&z.sent, &mut a.received)] {
            for (stream, count) in sent {
                let received = received.entry(*stream).or_default();
                if *stream == 4 {
                    received.sort_unstable();
                }
                let expected: Vec<u32> = (0..*count).collect();
                assert_eq!(*received, expected, "seed {seed} stream {stream}");
            }
        }
        assert_eq!((pair.a.total_buffered_amount(), pair.z.total_buffered_amount()), (0, 0));
        assert_eq!(pair.a.stats().receive_buffered, 0);
        assert_eq!((pair.a.state(), pair.z.state()), (State::Established, State::Established));
    }
}

#[test]
fn unreliable_messages_arrive_at_most_once_and_never_block() {
    for seed in 0..seeds() {
        println!("seed {seed}");
        unreliable(seed);
    }
}

#[test]
fn late_fragments_of_what_was_given_up_are_not_kept() {
    // They came between the I-FORWARD-TSN and what moved the number past them.
    unreliable(383);
}

#[test]
fn what_was_given_up_is_skipped_in_the_end_where_many_packets_are_lost() {
    unreliable(8512);
}

#[test]
fn a_deadline_that_nothing_comes_of_is_none() {
    unreliable(1254);
}

fn unreliable(seed: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed + 1000);
    let link = random_link(&mut rng);
    let mut config = Config::default();
    config.interleaving = !seed.is_multiple_of(3);
    config.scheduler = scheduler(&mut rng);
    let mut pair = associations(&config, seed).with_link(link, seed);
    let (mut a, mut z) = (Traffic::new(), Traffic::new());
    for number in 0..300 {
        let stream = (rng.next_u32() % 4) as u16;
        let mut message = numbered(&mut rng, stream, number);
        (message.order, message.reliability) = match stream {
            0 => (Order::Ordered, Reliability::Reliable),
            1 => (Order::Ordered, Reliability::MaxRetransmits(0)),
            2 => (Order::Unordered, Reliability::MaxRetransmits(1)),
            _ => (Order::Ordered, Reliability::MaxPacketLifeTime(ms(50))),
        };
        if pair.a.send(pair.now, message).is_ok() {
            *a.sent.entry(stream).or_default() += 1;
        }
        let time = ms(u64::from(rng.next_u32() % 20));
        step(&mut pair, &mut a, &mut z, time);
    }
    step(&mut pair, &mut a, &mut z, Duration::from_secs(200));
    for (stream, received) in &mut z.received {
        let in_order = received.is_sorted();
        assert!(in_order || *stream == 2, "seed {seed} stream {stream}");
        received.sort_unstable();
        let len = received.len();
        received.dedup();
        assert_eq!(received.len(), len, "seed {seed} stream {stream}: doubled");
    }
    let reliable = z.received.get(&0).map_or(0, Vec::len);
    assert_eq!(reliable, a.sent.get(&0).map_or(0, |count| *count as usize), "seed {seed}");
    let stats = pair.a.stats();
    assert_eq!((stats.send_buffered, stats.bytes_in_flight), (0, 0), "seed {seed}");
    assert_eq!(pair.z.stats().receive_buffered, 0, "seed {seed}");
    assert_eq!(pair.a.state(), State::Established);
}
