//! What an association with one channel costs while nothing is sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use sctp::data_channel::{ChannelInit, Config, Role, Session};

use crate::allocator::Allocated;
use crate::measure::{start, time};

/// An idle association's cost.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Bytes on the heap, its own structure among them, after two minutes of silence.
    pub heap_bytes: f64,
    /// Microseconds of processor time in a second.
    pub micros_per_second: f64,
    /// How often it is called in a minute.
    pub calls_per_minute: f64,
}

/// Connects so many pairs with a channel each, lets them be for two minutes, and then measures another
/// `minutes`. Each is called when its timer is due or a packet has come, and not in between.
#[must_use]
pub fn idle(pairs: usize, minutes: u32) -> Idle {
    let now = start();
    let buf = Vec::with_capacity(2048);
    let mut driver = Driver { now, pairs: Vec::new(), timers: BinaryHeap::new(), buf, calls: 0 };
    driver.pairs.reserve_exact(pairs);
    driver.timers.reserve(2 * pairs);
    let before = Allocated::now();
    for number in 0..pairs {
        driver.add(number);
    }
    driver.run_until(now + 2 * MINUTE);
    let associations = (2 * pairs) as f64;
    let heap_bytes = before.since().live_bytes as f64 / associations;
    driver.calls = 0;
    let (elapsed, _, ()) = time(|| driver.run_until(now + MINUTE * (2 + minutes)));
    Idle {
        heap_bytes,
        micros_per_second: elapsed.as_secs_f64() * 1e6
            / associations
            / (MINUTE * minutes).as_secs_f64(),
        calls_per_minute: driver.calls as f64 / associations / f64::from(minutes),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

struct Driver {
    now: Instant,
    pairs: Vec<[Box<Session>; 2]>,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    buf: Vec<u8>,
    calls: u64,
}

impl Driver {
    fn add(&mut self, number: usize) {
        let config = || {
            let mut config = Config::default();
            config.association.over_dtls = true;
            config
        };
        let seed = |side: u8| {
            let mut seed = [side; 32];
            seed.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
            seed
        };
        let mut a = Box::new(Session::new(config(), self.now, seed(1)));
        let mut z = Box::new(Session::new(config(), self.now, seed(2)));
        a.open(self.now, ChannelInit::new("data")).expect("there is none yet");
        a.start(self.now, Role::Client);
        z.start(self.now, Role::Server);
        self.pairs.push([a, z]);
        self.settle(number);
        let [a, z] = self.pairs.last().expect("it was added above");
        assert_eq!((a.channels().count(), z.channels().count()), (1, 1));
    }

    fn run_until(&mut self, end: Instant) {
        while let Some(&Reverse((at, number))) = self.timers.peek()
            && at <= end
        {
            self.timers.pop();
            self.now = at;
            let Some(pair) = self.pairs.get_mut(number) else { continue };
            for side in pair {
                if side.poll_timeout().is_some_and(|due| due <= at) {
                    self.calls += 1;
                    side.handle_timeout(at);
                }
            }
            self.settle(number);
        }
        self.now = end;
    }

    /// Carries packets until there are none, and notes when the pair is to be called again.
    fn settle(&mut self, number: usize) {
        let Some([a, z]) = self.pairs.get_mut(number) else { return };
        loop {
            let mut quiet = true;
            for turned in [false, true] {
                let (from, to) = if turned { (&mut *z, &mut *a) } else { (&mut *a, &mut *z) };
                self.buf.clear();
                while let Some(range) = from.poll_transmit(self.now, &mut self.buf) {
                    let packet = self.buf.get(range).unwrap_or_default();
                    to.handle_datagram(self.now, packet);
                    self.calls += 1;
                    self.buf.clear();
                    quiet = false;
                }
            }
            if quiet {
                break;
            }
        }
        for side in [&mut *a, &mut *z] {
            while side.poll_event().is_some() {}
        }
        let next = [a.poll_timeout(), z.poll_timeout()].into_iter().flatten().min();
        self.timers.extend(next.map(|at| Reverse((at, number))));
    }
}
