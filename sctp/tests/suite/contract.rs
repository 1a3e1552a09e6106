//! The contract of the five calls: any order, any time, bounded, repeatable.

use crate::pair::{Link, Pair, Side, associations, connected, message, ms, origin, seed, seeds};
use peerless_sctp::{Association, Config, State};
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn one_seed_gives_the_same_bytes_twice() {
    let origin = origin();
    let run = || {
        let mut pair = Pair::new(
            origin,
            Association::client(Config::default(), origin, seed(5, 0)),
            Association::server(Config::default(), origin, seed(5, 1)),
        )
        .with_link(Link { jitter: ms(15), loss: 50, duplication: 20, ..Link::default() }, 5);
        pair.log = Some(Vec::new());
        for number in 0..50 {
            let _ = pair.a.send(pair.now, message(number % 3, 3_000, number as u8));
            let _ = pair.z.send(pair.now, message(number % 3, 30, number as u8));
            pair.run(ms(7));
        }
        pair.run(Duration::from_secs(100));
        pair.log.take().unwrap()
    };
    let (first, second) = (run(), run());
    assert!(first.len() > 100);
    assert!(first == second);
}

#[test]
fn time_that_steps_back_is_read_as_the_newest() {
    let mut pair = connected(&Config::default());
    let early = pair.now - Duration::from_secs(5);
    pair.a.handle_timeout(pair.now);
    pair.a.send(early, message(0, 5_000, 1)).unwrap();
    let mut buf = Vec::new();
    while pair.a.poll_transmit(early, &mut buf).is_some() {
        pair.carry(Side::A, std::mem::take(&mut buf));
    }
    assert!(pair.a.poll_timeout().unwrap() > pair.now, "the timer runs from the newest time");
    pair.a.handle_timeout(early);
    pair.z.handle_timeout(early);
    assert!(pair.run_until(ms(50), |pair| pair.z.read(0).is_some()));
}

#[test]
fn an_idle_association_wants_nothing_but_its_heartbeat() {
    let mut pair = connected(&Config::default());
    pair.run(ms(500));
    let wait = pair.a.poll_timeout().unwrap() - pair.now;
    assert!(wait > Duration::from_secs(25), "{wait:?}");
    let mut buf = Vec::new();
    for _ in 0..1000 {
        pair.a.handle_timeout(pair.now);
        assert_eq!(pair.a.poll_transmit(pair.now, &mut buf), None);
        assert_eq!(pair.a.poll_event(), None);
    }
    assert!(buf.is_empty());
    let server = Association::server(Config::default(), pair.now, [0; 32]);
    assert_eq!(server.poll_timeout(), None);
}

/// A driver that does everything wrong that can be done: it polls when it likes, calls late, early
/// and twice, with the wrong time, and leaves packets lying about.
struct Lazy {
    rng: ChaCha20Rng,
    now: Instant,
    under_way: [BTreeMap<(Instant, u32), Vec<u8>>; 2],
    sequence: u32,
}

impl Lazy {
    fn time(&mut self) -> Instant {
        match self.rng.next_u32() % 4 {
            0 => self.now - Duration::from_millis(u64::from(self.rng.next_u32() % 50)),
            _ => self.now,
        }
    }

    fn act(&mut self, sides: &mut [Association; 2]) {
        let index = (self.rng.next_u32() % 2) as usize;
        let now = self.time();
        match self.rng.next_u32() % 6 {
            0 => sides[index].handle_timeout(now),
            1..4 => {
                let mut buf = vec![0xaa; 5];
                if let Some(range) = sides[index].poll_transmit(now, &mut buf) {
                    assert_eq!((range.start, range.end), (5, buf.len()));
                    let late = Duration::from_millis(u64::from(self.rng.next_u32() % 20));
                    self.sequence += 1;
                    self.under_way[1 - index]
                        .insert((self.now + late, self.sequence), buf[range].to_vec());
                } else {
                    assert_eq!(buf.len(), 5);
                }
            }
            4 => {
                if let Some(entry) = self.under_way[index].first_entry()
                    && entry.key().0 <= self.now
                {
                    let packet = entry.remove();
                    sides[index].handle_datagram(now, &packet);
                }
            }
            _ => self.now += Duration::from_micros(u64::from(self.rng.next_u32() % 3000)),
        }
    }
}

#[test]
fn a_lazy_driver_loses_nothing() {
    for number in 0..seeds() {
        println!("seed {number}");
        let start = origin();
        let mut sides = [
            Association::client(Config::default(), start, seed(number, 0)),
            Association::client(Config::default(), start, seed(number, 1)),
        ];
        let mut lazy = Lazy {
            rng: ChaCha20Rng::seed_from_u64(number),
            now: start,
            under_way: [BTreeMap::new(), BTreeMap::new()],
            sequence: 0,
        };
        let mut sent = [0_u8; 2];
        let mut read = [0_u8; 2];
        for step in 0..2_000_000 {
            lazy.act(&mut sides);
            if step % 50 == 0 {
                for index in 0..2 {
                    if sent[index] < 100 {
                        let size = 1 + lazy.rng.next_u32() as usize % 4000;
                        if sides[index].send(lazy.now, message(1, size, sent[index])).is_ok() {
                            sent[index] += 1;
                        }
                    }
                    if lazy.rng.next_u32().is_multiple_of(3)
                        && let Some(message) = sides[index].read(1)
                    {
                        assert_eq!(message.payload[0], read[index], "seed {number}");
                        read[index] += 1;
                    }
                }
                if read == [100; 2] {
                    break;
                }
            }
        }
        assert_eq!(read, [100; 2], "seed {number}");
        assert_eq!(sides[0].state(), State::Established);
    }
}

#[test]
fn set_up_is_quick_on_a_bad_path() {
    // 100 ms of round trip, 5 % of loss each way; the layers below know the round-trip time.
    let mut times = Vec::new();
    for number in 0..200 {
        let link = Link { delay: ms(50), loss: 50, ..Link::default() };
        let mut pair = associations(&Config::default(), number).with_link(link, number);
        pair.a.set_round_trip_time(ms(100));
        pair.z.set_round_trip_time(ms(100));
        let start = pair.now;
        pair.a.send(pair.now, message(0, 20, 1)).unwrap();
        let up = pair.run_until(Duration::from_secs(10), |pair| {
            pair.a.state() == State::Established && pair.z.read(0).is_some()
                || pair.a.state() == State::Established && pair.z.stats().messages_received > 0
        });
        assert!(up, "seed {number}");
        times.push(pair.now - start);
    }
    times.sort_unstable();
    let (median, p95) = (times[100], times[190]);
    println!("median {median:?}, p95 {p95:?}, most {:?}", times[199]);
    assert_eq!(median, ms(200));
    assert!(p95 <= ms(500), "{p95:?}");
}

#[test]
fn a_machine_that_slept_fires_each_timer_once() {
    let mut pair = connected(&Config::default());
    pair.a.send(pair.now, message(0, 100, 1)).unwrap();
    let mut buf = Vec::new();
    pair.a.poll_transmit(pair.now, &mut buf).unwrap();
    let later = pair.now + Duration::from_secs(3600);
    pair.a.handle_timeout(later);
    pair.a.handle_timeout(later);
    assert_eq!(pair.a.stats().timeouts, 1);
    assert_eq!(pair.a.state(), State::Established);
    pair.now = later;
    assert!(pair.run_until(ms(100), |pair| pair.z.read(0).is_some()));
}

#[test]
fn settings_beyond_reason_do_no_harm() {
    let mut config = Config::default();
    config.mtu = 0;
    config.receive_window = 0;
    config.max_receive_window = 0;
    config.max_send_buffer = 0;
    config.max_receive_message_size = 0;
    config.send_buffer = 0;
    config.inbound_streams = 0;
    config.rto_initial = Duration::MAX;
    config.rto_max = Duration::MAX;
    config.rto_min = Duration::ZERO;
    config.sack_delay = Duration::MAX;
    config.peer_sack_delay = Duration::MAX;
    config.heartbeat_interval = Some(Duration::MAX);
    config.cookie_lifetime = Duration::MAX;
    config.initial_window = 0;
    let start = origin();
    let mut pair = Pair::new(
        start,
        Association::client(Config::default(), start, seed(1, 0)),
        Association::server(config, start, seed(1, 1)),
    );
    pair.a.set_round_trip_time(Duration::MAX);
    pair.z.set_round_trip_time(Duration::ZERO);
    pair.z.set_rate_limit(Some(0));
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.z.state(), State::Established);
    pair.z.send(pair.now, message(0, 10_000, 1)).unwrap();
    pair.run(Duration::from_secs(10));
    pair.z.shutdown(pair.now);
    pair.run(Duration::from_secs(10));
}

#[test]
fn an_idle_session_is_small() {
    let size = size_of::<peerless_sctp::data_channel::Session>();
    assert!(size <= 2560, "{size}");
}
