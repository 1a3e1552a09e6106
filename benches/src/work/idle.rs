use std::time::Duration;

use crate::Stack;
use crate::allocator::Allocated;
use crate::link::{Link, Path};
use crate::measure::{start, time};

/// What a connected peer with audio, video and one channel costs while nothing is sent.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Bytes that it takes, its own structure among them, ten seconds after the connection.
    pub heap_bytes: f64,
    /// Microseconds of processor time in a second.
    pub micros_per_second: f64,
}

/// Connects `pairs` pairs and lets them be for `seconds`.
#[must_use]
pub fn idle<S: Stack>(pairs: u64, seconds: u64) -> Idle {
    let now = start();
    let peers = (pairs * 2) as f64;
    // The first pair pays for what is global: providers, lazily made tables.
    drop(Link::open::<S>(now, 0));
    let before = Allocated::now();
    let mut links: Vec<_> =
        (0..pairs).map(|seed| Link::new::<S>(now, seed, Path::default())).collect();
    for link in &mut links {
        assert!(link.run_until(now + Duration::from_secs(30), Link::is_open), "{}", S::NAME);
        link.run_until(now + Duration::from_secs(10), |_| false);
        link.forget_buffers();
    }
    let frame = size_of::<Link<S::Peer>>() - 2 * size_of::<S::Peer>();
    let own = pairs as usize * frame;
    let heap = before.since().live_bytes - own as i64;
    let (elapsed, _, ()) = time(|| {
        for link in &mut links {
            link.run_until(link.now + Duration::from_secs(seconds), |_| false);
        }
    });
    Idle {
        heap_bytes: heap as f64 / peers,
        micros_per_second: elapsed.as_secs_f64() * 1e6 / peers / seconds as f64,
    }
}
