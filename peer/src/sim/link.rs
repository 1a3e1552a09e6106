//! One direction of a link.

use std::time::{Duration, Instant};

use rand::rngs::ChaCha20Rng;
use rand::{Rng, RngExt};
use stun::Ecn;

use super::Statistics;
use super::routing::Packet;

/// What a link does to the datagrams that cross it. The default does nothing to them: no delay, no
/// loss, any rate, an MTU of 1500 bytes.
///
/// Chances are between 0 (never) and 1 (always).
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// How long the way takes.
    pub delay: Duration,
    /// How much longer at most. Each datagram draws its part; none overtakes another by it.
    pub jitter: Duration,
    /// How many bits per second pass, IP and UDP headers included; `None` for any number.
    pub rate: Option<u64>,
    /// How many bytes may wait for their turn at `rate`; more are dropped as they come. The default
    /// is 64 KiB.
    pub queue: usize,
    /// With that many bytes waiting, a datagram of an ECN-capable transport is marked with CE.
    pub ecn_threshold: Option<usize>,
    /// Which datagrams are lost.
    pub loss: Loss,
    /// The chance of arriving twice.
    pub duplicate: f64,
    /// The chance of being held back by [`reorder_delay`](Self::reorder_delay), so that later ones
    /// overtake.
    pub reorder: f64,
    /// How long a datagram is held back when it is to be overtaken. The default is 10 ms.
    pub reorder_delay: Duration,
    /// The chance of one bit of the payload being flipped, and of UDP's checksum not noticing.
    pub corrupt: f64,
    /// The largest IP packet that passes, in bytes; larger ones are dropped, as IPv6 and IPv4 with
    /// "don't fragment" do.
    pub mtu: usize,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate: None,
            queue: 64 * 1024,
            ecn_threshold: None,
            loss: Loss::None,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::from_millis(10),
            corrupt: 0.0,
            mtu: 1500,
        }
    }
}

impl Link {
    /// A link that takes its time and does nothing else.
    pub fn with_delay(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

/// Which datagrams a link loses.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// None.
    None,
    /// Each with this chance, whatever became of the one before.
    Random(f64),
    /// In bursts: the model of Gilbert and Elliott, a link with a good and a bad state that may
    /// change with each datagram.
    Bursts {
        /// The chance of turning bad.
        turns_bad: f64,
        /// The chance of turning good again; its inverse is the mean length of a burst.
        turns_good: f64,
        /// The chance of loss in the bad state.
        loss_when_bad: f64,
        /// The chance of loss in the good state.
        loss_when_good: f64,
    },
}

/// A link, and what is on it.
#[derive(Debug)]
pub(super) struct LinkState {
    link: Link,
    /// When the last bit of the queue will have left.
    free_at: Instant,
    /// When the latest datagram arrives: jitter lets none overtake it.
    last_arrival: Instant,
    bad: bool,
}

/// What becomes of a datagram on a link.
#[derive(Debug)]
pub(super) enum Crossing {
    /// It is lost; this is its buffer.
    Lost(Vec<u8>),
    /// It arrives, and maybe again.
    Arrives { at: Instant, packet: Packet, again: Option<Instant> },
}

impl LinkState {
    pub(super) fn new(link: Link, now: Instant) -> Self {
        Self { link, free_at: now, last_arrival: now, bad: false }
    }

    pub(super) fn set(&mut self, link: Link) {
        self.link = link;
    }

    /// Sends a datagram over the link at `now`.
    pub(super) fn cross(
        &mut self,
        now: Instant,
        mut packet: Packet,
        rng: &mut ChaCha20Rng,
        statistics: &mut Statistics,
    ) -> Crossing {
        if packet.size() > self.link.mtu {
            statistics.too_big += 1;
            return Crossing::Lost(packet.contents);
        }
        let Some(departure) = self.enqueue(now, &mut packet, statistics) else {
            statistics.queue_full += 1;
            return Crossing::Lost(packet.contents);
        };
        // What is lost on the way has taken its share of the rate.
        if self.loses(rng) {
            statistics.lost += 1;
            return Crossing::Lost(packet.contents);
        }
        if chance(rng, self.link.corrupt) {
            statistics.corrupted += 1;
            flip_a_bit(&mut packet.contents, rng);
        }
        let at = self.arrival(departure, rng);
        let again = chance(rng, self.link.duplicate).then(|| self.arrival(departure, rng));
        statistics.duplicated += u64::from(again.is_some());
        Crossing::Arrives { at, packet, again }
    }

    /// Puts a datagram at the end of the queue; gives the time at which its last bit leaves.
    fn enqueue(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        statistics: &mut Statistics,
    ) -> Option<Instant> {
        let Some(rate) = self.link.rate.map(|rate| rate.max(1)) else {
            return Some(now);
        };
        let begin = self.free_at.max(now);
        let waiting = bytes_in(begin - now, rate);
        if waiting + packet.size() as u64 > self.link.queue as u64 {
            return None;
        }
        if self.link.ecn_threshold.is_some_and(|threshold| waiting >= threshold as u64)
            && packet.ecn.is_some()
        {
            packet.ecn = Some(Ecn::Ce);
            statistics.marked += 1;
        }
        self.free_at = begin + time_of(packet.size() as u64, rate);
        Some(self.free_at)
    }

    fn loses(&mut self, rng: &mut ChaCha20Rng) -> bool {
        match self.link.loss {
            Loss::None => false,
            Loss::Random(loss) => chance(rng, loss),
            Loss::Bursts { turns_bad, turns_good, loss_when_bad, loss_when_good } => {
                self.bad ^= chance(rng, if self.bad { turns_good } else { turns_bad });
                chance(rng, if self.bad { loss_when_bad } else { loss_when_good })
            }
        }
    }

    fn arrival(&mut self, departure: Instant, rng: &mut ChaCha20Rng) -> Instant {
        let mut at = departure + self.link.delay;
        if !self.link.jitter.is_zero() {
            at += Duration::from_nanos(rng.random_range(0..=nanos(self.link.jitter)));
        }
        if chance(rng, self.link.reorder) {
            return at + self.link.reorder_delay;
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }
}

/// Draws only when there is something to decide, so that a perfect link costs no randomness.
fn chance(rng: &mut ChaCha20Rng, probability: f64) -> bool {
    probability > 0.0 && (probability >= 1.0 || rng.random_bool(probability))
}

fn flip_a_bit(contents: &mut [u8], rng: &mut impl Rng) {
    if contents.is_empty() {
        return;
    }
    let index = rng.random_range(0..contents.len());
    let bit = rng.random_range(0..8);
    if let Some(byte) = contents.get_mut(index) {
        *byte ^= 1 << bit;
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn time_of(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn bytes_in(duration: Duration, rate: u64) -> u64 {
    let bytes = duration.as_nanos() * u128::from(rate) / 8 / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
