//! Two peers and the memory between them, on a virtual clock.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rand::rngs::ChaCha20Rng;
use rand::{RngExt as _, SeedableRng as _};

use crate::{Peer, Stack};

/// Where a peer puts its datagrams. Buffers are used again, so that the link allocates nothing after
/// its first second.
#[derive(Debug, Default)]
pub struct Outbox {
    datagrams: VecDeque<(Option<Instant>, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    /// Appends a copy of `datagram`: the one that a socket would make.
    pub fn push(&mut self, datagram: &[u8]) {
        let mut buf = self.spare.pop().unwrap_or_default();
        buf.clear();
        buf.extend_from_slice(datagram);
        self.datagrams.push_back((None, buf));
    }

    /// Takes the oldest datagram.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.datagrams.pop_front().map(|(_, datagram)| datagram)
    }

    /// Returns whether there is as much to deliver as a driver sends in one go.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.datagrams.len() >= BATCH
    }

    /// Gives a buffer back.
    pub fn recycle(&mut self, datagram: Vec<u8>) {
        self.spare.push(datagram);
    }

    /// Returns whether there is nothing to deliver.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    fn next_due(&self) -> Option<Instant> {
        self.datagrams.front().and_then(|(due, _)| *due)
    }
}

/// A GSO batch.
pub(crate) const BATCH: usize = 64;

/// What the path between two peers does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    /// One-way delay.
    pub delay: Duration,
    /// The share of datagrams lost, in thousandths.
    pub loss_per_mille: u32,
}

/// A call of two peers.
#[derive(Debug)]
pub struct Link<P> {
    /// The side that offered.
    pub a: P,
    /// The side that answered.
    pub b: P,
    /// The virtual clock.
    pub now: Instant,
    path: Path,
    random: ChaCha20Rng,
    to_b: Outbox,
    to_a: Outbox,
}

impl<P: Peer> Link<P> {
    /// Makes two peers whose descriptions are exchanged at `now`, and nothing sent.
    #[must_use]
    pub fn new<S: Stack<Peer = P>>(now: Instant, seed: u64, path: Path) -> Self {
        let (a, b) = S::pair(now, seed, ADDRESSES);
        Self {
            a,
            b,
            now,
            path,
            random: ChaCha20Rng::seed_from_u64(seed),
            to_b: Outbox::default(),
            to_a: Outbox::default(),
        }
    }

    /// Makes two peers and runs them until the channel is open on both sides.
    ///
    /// # Panics
    ///
    /// They have not got there after 30 seconds.
    #[must_use]
    pub fn open<S: Stack<Peer = P>>(now: Instant, seed: u64) -> Self {
        let mut link = Self::new::<S>(now, seed, Path::default());
        let deadline = now + Duration::from_secs(30);
        assert!(link.run_until(deadline, Self::is_open), "{} does not connect", S::NAME);
        link
    }

    /// Returns whether the data channel is open on both sides.
    pub fn is_open(&mut self) -> bool {
        self.a.is_open() && self.b.is_open() && self.a.is_connected() && self.b.is_connected()
    }

    /// Runs until `done` or `deadline`; returns whether it is done.
    pub fn run_until(
        &mut self,
        deadline: Instant,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        loop {
            self.flush();
            if done(self) {
                return true;
            }
            let next = [
                self.to_a.next_due(),
                self.to_b.next_due(),
                self.a.poll_timeout(),
                self.b.poll_timeout(),
            ];
            let next = next.into_iter().flatten().min().unwrap_or(deadline);
            // A stack that asks for a time in the past is given a millisecond.
            let next = if next <= self.now { self.now + Duration::from_millis(1) } else { next };
            if next > deadline {
                self.advance_to(deadline);
                return done(self);
            }
            self.advance_to(next);
        }
    }

    /// Gives the buffers of delivered datagrams back to the heap, which they are not to be counted on.
    pub fn forget_buffers(&mut self) {
        self.to_a = Outbox::default();
        self.to_b = Outbox::default();
    }

    /// Moves the clock, and wakes up whoever is due.
    pub fn advance_to(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let now = self.now;
        if self.a.poll_timeout().is_some_and(|due| due <= now) {
            self.a.handle_timeout(now);
            self.a.drain(now, &mut self.to_b);
        }
        if self.b.poll_timeout().is_some_and(|due| due <= now) {
            self.b.handle_timeout(now);
            self.b.drain(now, &mut self.to_a);
        }
    }

    /// Drains both sides and delivers what is due, until there is nothing.
    pub fn flush(&mut self) {
        self.a.drain(self.now, &mut self.to_b);
        self.b.drain(self.now, &mut self.to_a);
        loop {
            let mut idle = true;
            if let Some(mut datagram) = due(&mut self.to_b, self.now, self.path, &mut self.random) {
                self.b.handle_datagram(self.now, &mut datagram);
                self.to_b.recycle(datagram);
                self.b.drain(self.now, &mut self.to_a);
                idle = false;
            }
            if let Some(mut datagram) = due(&mut self.to_a, self.now, self.path, &mut self.random) {
                self.a.handle_datagram(self.now, &mut datagram);
                self.to_a.recycle(datagram);
                self.a.drain(self.now, &mut self.to_b);
                idle = false;
            }
            if idle {
                return;
            }
        }
    }
}

/// Stamps what is new with the time of its arrival, drops what is lost, and takes what has arrived.
fn due(outbox: &mut Outbox, now: Instant, path: Path, random: &mut ChaCha20Rng) -> Option<Vec<u8>> {
    if path.delay.is_zero() && path.loss_per_mille == 0 {
        return outbox.pop();
    }
    let new = outbox.datagrams.iter().rev().take_while(|(due, _)| due.is_none()).count();
    let first_new = outbox.datagrams.len() - new;
    let mut index = first_new;
    for _ in 0..new {
        if random.random_range(0..1000) < path.loss_per_mille {
            if let Some((_, datagram)) = outbox.datagrams.remove(index) {
                outbox.recycle(datagram);
            }
        } else if let Some((due, _)) = outbox.datagrams.get_mut(index) {
            *due = Some(now + path.delay);
            index += 1;
        }
    }
    match outbox.next_due() {
        Some(due) if due <= now => outbox.pop(),
        _ => None,
    }
}

/// Addresses for documentation, RFC 5737, of two hosts.
const ADDRESSES: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1000),
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)), 2000),
];
