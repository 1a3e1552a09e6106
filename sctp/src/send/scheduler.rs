//! Whose turn it is ([RFC 8260 §3](https://www.rfc-editor.org/rfc/rfc8260#section-3)).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How streams that have something to send share the association
/// ([RFC 8260 §3](https://www.rfc-editor.org/rfc/rfc8260#section-3)).
///
/// Where messages are interleaved (I-DATA), a turn is a chunk; otherwise it is a message, since
/// its fragments must follow each other.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Scheduler {
    /// Messages go in the order in which they were handed over (§3.1).
    FirstComeFirstServed,
    /// Streams take turns (§3.2).
    RoundRobin,
    /// A stream goes before all those of lower priority; equal ones take turns (§3.4).
    Priority,
    /// Each stream gets the same share of bytes (§3.5).
    FairCapacity,
    /// Each stream gets a share of bytes in proportion to its priority (§3.6): what RFC 8831 asks
    /// of WebRTC.
    #[default]
    WeightedFairQueueing,
}

/// What the scheduler keeps of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) priority: u16,
    /// The virtual time at which what the stream has sent would be paid for.
    finish: u64,
}

impl Default for Share {
    fn default() -> Self {
        Self { priority: NORMAL_PRIORITY, finish: 0 }
    }
}

/// A stream's place: the least goes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Turn {
    key: u64,
    /// Among equal keys, who came first.
    count: u64,
    stream: u16,
}

/// The streams that have something to send, in the order of their turns.
///
/// Each scheduler is a way to number turns. The fair ones are start-time fair queueing: a turn is
/// numbered with the virtual time at which the stream's earlier turns are paid for, and the clock
/// stands at the turn that is served, so that a stream which had nothing to send for a time neither
/// waits for those that had nor gets its share of that time back.
#[derive(Debug)]
pub(crate) struct Schedule {
    scheduler: Scheduler,
    ready: BinaryHeap<Reverse<Turn>>,
    /// The turn that lasts until it is ended, whoever comes, see [`Self::hold`].
    held: Option<Turn>,
    /// Streams whose turn is put off, see [`Self::put_off`].
    waiting: BinaryHeap<Reverse<Turn>>,
    clock: u64,
    count: u64,
}

impl Schedule {
    pub(crate) const fn new(scheduler: Scheduler) -> Self {
        Self {
            scheduler,
            ready: BinaryHeap::new(),
            held: None,
            waiting: BinaryHeap::new(),
            clock: 0,
            count: 0,
        }
    }

    pub(crate) const fn scheduler(&self) -> Scheduler {
        self.scheduler
    }

    /// Whether nobody wants a turn.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_none() && self.ready.is_empty() && self.waiting.is_empty()
    }

    /// The stream whose turn it is.
    #[inline]
    pub(crate) fn first(&self) -> Option<u16> {
        self.current().map(|turn| turn.stream)
    }

    #[inline]
    fn current(&self) -> Option<Turn> {
        self.held.or_else(|| self.ready.peek().map(|Reverse(turn)| *turn))
    }

    /// The stream whose turn it is keeps it until [`Self::again`] or [`Self::leave`].
    #[inline]
    pub(crate) fn hold(&mut self) {
        if self.held.is_none() {
            self.held = self.ready.pop().map(|Reverse(turn)| turn);
        }
    }

    fn turn(&mut self, stream: u16, share: &Share, arrived: u64) -> Turn {
        self.count += 1;
        let key = match self.scheduler {
            Scheduler::FirstComeFirstServed => arrived,
            Scheduler::RoundRobin => self.count,
            Scheduler::Priority => u64::from(u16::MAX - share.priority),
            Scheduler::FairCapacity | Scheduler::WeightedFairQueueing => {
                share.finish.max(self.clock)
            }
        };
        Turn { key, count: self.count, stream }
    }

    /// A stream has something to send; its first message is the `arrived`-th of all.
    pub(crate) fn enter(&mut self, stream: u16, share: &Share, arrived: u64) {
        let turn = self.turn(stream, share, arrived);
        self.ready.push(Reverse(turn));
    }

    /// The stream whose turn it is has sent so many bytes.
    #[inline]
    pub(crate) fn charge(&mut self, share: &mut Share, bytes: usize) {
        let weight = match self.scheduler {
            Scheduler::FairCapacity => NORMAL_PRIORITY,
            Scheduler::WeightedFairQueueing => share.priority.max(1),
            _ => return,
        };
        if let Some(turn) = self.current() {
            self.clock = self.clock.max(turn.key);
        }
        let cost = (bytes as u64).saturating_mul(SCALE) / u64::from(weight);
        share.finish = share.finish.max(self.clock).saturating_add(cost);
    }

    /// The stream whose turn it is has more to send: it gets another one.
    #[inline]
    pub(crate) fn again(&mut self, share: &Share, arrived: u64) {
        let Some(stream) = self.first() else { return };
        let turn = self.turn(stream, share, arrived);
        if self.held.take().is_some() {
            self.ready.push(Reverse(turn));
        } else if let Some(mut first) = self.ready.peek_mut() {
            first.0 = turn;
        }
    }

    /// The stream whose turn it is has nothing more to send.
    #[inline]
    pub(crate) fn leave(&mut self) {
        if self.held.take().is_none() {
            self.ready.pop();
        }
    }

    /// The stream whose turn it is must wait until [`Self::readmit`].
    pub(crate) fn put_off(&mut self) {
        self.waiting.extend(self.ready.pop());
    }

    /// The stream that would be readmitted first.
    pub(crate) fn first_waiting(&self) -> Option<u16> {
        self.waiting.peek().map(|Reverse(turn)| turn.stream)
    }

    /// [`Self::first_waiting`] need not wait any more.
    pub(crate) fn readmit(&mut self) {
        self.ready.extend(self.waiting.pop());
    }

    /// A stream that may be anywhere has nothing more to send.
    pub(crate) fn remove(&mut self, stream: u16) {
        self.retain(|other| other != stream);
    }

    /// Keeps some streams.
    pub(crate) fn retain(&mut self, keep: impl Fn(u16) -> bool) {
        self.held.take_if(|turn| !keep(turn.stream));
        self.ready.retain(|Reverse(turn)| keep(turn.stream));
        self.waiting.retain(|Reverse(turn)| keep(turn.stream));
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        self.ready.shrink_to(0);
        self.waiting.shrink_to(0);
    }
}

/// "normal" (RFC 8831 §6.4).
pub(crate) const NORMAL_PRIORITY: u16 = 256;
/// Virtual time per byte at weight 1: a byte at the largest weight still takes some.
const SCALE: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that streams 0 to 3, of priorities 128, 256, 512 and 1024, get out of `turns` of
    /// their chunks of 100, 200, 300 and 400 bytes.
    fn shares(scheduler: Scheduler, turns: usize) -> [usize; 4] {
        let mut schedule = Schedule::new(scheduler);
        let mut shares: Vec<Share> =
            [128, 256, 512, 1024].map(|priority| Share { priority, ..Share::default() }).to_vec();
        for (stream, share) in (0..4).zip(&shares) {
            schedule.enter(stream, share, u64::from(stream));
        }
        let mut bytes = [0; 4];
        for _ in 0..turns {
            let stream = usize::from(schedule.first().unwrap());
            let len = 100 * (stream + 1);
            bytes[stream] += len;
            schedule.charge(&mut shares[stream], len);
            schedule.again(&shares[stream], stream as u64);
        }
        bytes
    }

    #[test]
    fn first_come_is_first_served() {
        assert_eq!(shares(Scheduler::FirstComeFirstServed, 10), [1000, 0, 0, 0]);
    }

    #[test]
    fn round_robin_counts_turns() {
        assert_eq!(shares(Scheduler::RoundRobin, 40), [1000, 2000, 3000, 4000]);
    }

    #[test]
    fn the_highest_priority_goes_before_all() {
        assert_eq!(shares(Scheduler::Priority, 10), [0, 0, 0, 4000]);
    }

    #[test]
    fn fair_capacity_counts_bytes() {
        for bytes in shares(Scheduler::FairCapacity, 10_000) {
            let mean = 10_000.0 * 400.0 * 12.0 / 25.0 / 4.0;
            assert!((bytes as f64 / mean - 1.0).abs() < 0.01, "{bytes}, mean {mean}");
        }
    }

    #[test]
    fn weighted_fair_queueing_gives_bytes_in_proportion_to_priorities() {
        let [low, normal, high, extra] = shares(Scheduler::WeightedFairQueueing, 10_000);
        for (more, less) in [(normal, low), (high, normal), (extra, high)] {
            assert!((more as f64 / less as f64 - 2.0).abs() < 0.02, "{more} to {less}");
        }
    }

    #[test]
    fn who_was_silent_neither_waits_nor_catches_up() {
        let mut schedule = Schedule::new(Scheduler::WeightedFairQueueing);
        let (mut bulk, mut late) = (Share::default(), Share::default());
        schedule.enter(0, &bulk, 0);
        for _ in 0..100 {
            schedule.charge(&mut bulk, 1000);
            schedule.again(&bulk, 0);
        }
        schedule.enter(1, &late, 0);
        let mut order = Vec::new();
        for _ in 0..6 {
            let stream = schedule.first().unwrap();
            order.push(stream);
            let share = if stream == 0 { &mut bulk } else { &mut late };
            schedule.charge(share, 1000);
            schedule.again(&share.clone(), 0);
        }
        assert_eq!(order, [1, 0, 1, 0, 1, 0]);
    }
}
