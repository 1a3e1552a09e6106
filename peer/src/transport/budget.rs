//! What data may take of a path that media shares with it.
//!
//! Media comes at the rate of its encoder and cannot wait. SCTP by itself takes what it can get: it
//! keeps a queue of up to a bandwidth-delay product on the path, through which every frame has to
//! go, and a neighbour that does not yield loses what a short queue drops. So while media leaves,
//! data is held to what media leaves of the path, and that is found by delay: data grows until its
//! round trips show a queue, gives way until that is gone, and goes on a little below. The idea is
//! that of LEDBAT ([RFC 6817](https://www.rfc-editor.org/rfc/rfc6817)); here it only bounds SCTP's
//! own congestion control, which goes on below it.
//!
//! ```text
//! Grow ── a queue longer than TARGET, or losses with a queue ──▶ Drain
//!   ▲                                                              │
//!   └── the queue is gone: on at 95 % of what had come through ────┘
//! ```

use std::time::{Duration, Instant};

use sctp::PathReport;

/// The budget of a transport.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// When media last left.
    media_at: Option<Instant>,
    /// While media leaves.
    share: Option<Box<Share>>,
}

/// What data may take.
#[derive(Debug)]
struct Share {
    /// Bytes a second.
    limit: u64,
    phase: Phase,
    /// The least round-trip times of this window and the one before, and when this one began: what
    /// the path takes without a queue, unless it has become another one.
    least: [Option<Duration>; 2],
    least_since: Instant,
    /// The least round-trip time since the last decision, and how many there were.
    recent: Option<Duration>,
    count: u32,
    /// When the last reports were taken, the newest first, and what they said of bytes delivered
    /// and lost.
    reports: [(Instant, u64, u64); 5],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// More with each round trip: fast until a queue has shown for the first time, and then the
    /// faster the longer none has, which began then.
    Grow { since: Option<Instant> },
    /// Below what came through when the queue showed, in bytes a second, until it is gone. What was
    /// decided last has had no effect before `next`.
    Drain { came_through: u64, next: Instant, rounds: u32 },
}

impl Budget {
    /// A packet of media leaves.
    pub(crate) const fn media_leaves(&mut self, now: Instant) {
        self.media_at = Some(now);
    }

    /// Whether there is something to decide.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        match &self.share {
            Some(share) => now >= share.due_at(),
            None => self.media_is_wanted(now),
        }
    }

    /// Decides what data may take from here on, in bytes a second; `None`: anything.
    pub(crate) fn decide(&mut self, now: Instant, report: PathReport) -> Option<u64> {
        if !self.media_is_wanted(now) {
            self.share = None;
            return None;
        }
        match &mut self.share {
            Some(share) => share.decide(now, report),
            None => self.share = Some(Box::new(Share::new(now, report))),
        }
        self.share.as_ref().map(|share| share.limit)
    }

    /// The path is another one now.
    pub(crate) fn path_changed(&mut self) {
        self.share = None;
    }

    fn media_is_wanted(&self, now: Instant) -> bool {
        self.media_at.is_some_and(|at| now.saturating_duration_since(at) < SILENCE)
    }
}

impl Share {
    fn new(now: Instant, report: PathReport) -> Self {
        Self {
            limit: INITIAL,
            phase: Phase::Grow { since: None },
            least: [report.round_trip_time, None],
            least_since: now,
            recent: None,
            count: 0,
            reports: [(now, report.delivered, report.lost); 5],
        }
    }

    fn base(&self) -> Option<Duration> {
        self.least.into_iter().flatten().min()
    }

    fn round(&self) -> Duration {
        self.base().unwrap_or_default().max(STEP)
    }

    /// Queues are looked for more often than what was decided has an effect, or the queue would
    /// grow for a round trip more.
    fn due_at(&self) -> Instant {
        self.reports[0].0 + (self.round() / 4).clamp(STEP, MAX_STEP)
    }

    fn decide(&mut self, now: Instant, report: PathReport) {
        let (last_at, _, lost_before) = self.reports[0];
        let (since, delivered_before, _) = self.reports[4];
        self.reports.rotate_right(1);
        self.reports[0] = (now, report.delivered, report.lost);
        if now.saturating_duration_since(self.least_since) >= WINDOW {
            self.least = [None, self.least[0]];
            self.least_since = now;
        }
        self.recent = [self.recent, report.round_trip_time].into_iter().flatten().min();
        self.count += report.round_trip_times;
        // The next packet of data may have met a frame of video; of some, one has not.
        if self.count < ENOUGH {
            return;
        }
        self.count = 0;
        let Some(round_trip) = self.recent.take() else { return };
        self.least[0] = Some(self.least[0].map_or(round_trip, |least| least.min(round_trip)));
        let round = self.round();
        let queue = round_trip.saturating_sub(self.base().unwrap_or(round_trip));
        let time = now.saturating_duration_since(since);
        let rate = per_second(report.delivered.saturating_sub(delivered_before), time);
        let came_through = rate.min(self.limit);
        match self.phase {
            Phase::Grow { .. } if queue > TARGET || self.loses(queue, lost_before) => {
                self.phase = Phase::Drain { came_through, next: now + round + STEP, rounds: 0 };
                // As much less as lets the queue go in about a round trip.
                let excess = 100 * micros(queue) / micros(round);
                self.limit = came_through * (100 - excess.clamp(20, 50)) / 100;
            }
            Phase::Grow { since } => {
                // Only what is used may become more.
                if rate * 3 / 2 >= self.limit {
                    let long = micros(round.max(LONG));
                    let percent = since.map_or(FAST_PERCENT, |since| {
                        let calm = micros(now.saturating_duration_since(since)) / long;
                        (SLOW_PERCENT + calm / 2).min(FAST_PERCENT)
                    });
                    let step = micros(now.saturating_duration_since(last_at).min(round));
                    let more = self.limit.saturating_mul(percent * step) / long;
                    self.limit = self.limit.saturating_add(more / 100);
                }
            }
            Phase::Drain { came_through, .. } if queue < TARGET / 4 => {
                self.phase = Phase::Grow { since: Some(now) };
                self.limit = came_through * AGAIN_PERCENT / 100;
            }
            Phase::Drain { next, .. } if now < next => {}
            // It is not ours: the path has become longer, or others fill it.
            Phase::Drain { rounds: MAX_DRAIN.., .. } => {
                self.phase = Phase::Grow { since: Some(now) };
                self.least = [Some(round_trip), None];
                self.least_since = now;
            }
            Phase::Drain { came_through, rounds, .. } => {
                self.phase = Phase::Drain { came_through, next: now + round, rounds: rounds + 1 };
                self.limit = self.limit * DRAIN_PERCENT / 100;
            }
        }
        self.limit = self.limit.max(LEAST);
    }

    /// Whether losses say that a queue is full: some where there is one, or many.
    fn loses(&self, queue: Duration, lost_before: u64) -> bool {
        let (_, delivered, lost) = self.reports[0];
        let delivered = delivered.saturating_sub(self.reports[4].1);
        let lost = lost.saturating_sub(lost_before);
        let percent = if queue > TARGET / 4 { LOSS_PERCENT } else { MANY_PERCENT };
        lost * 100 > (lost + delivered) * percent
    }
}

/// Bytes a second.
fn per_second(bytes: u64, time: Duration) -> u64 {
    bytes.saturating_mul(1_000_000) / micros(time).max(1)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Without a packet for so long, media does not want the path.
const SILENCE: Duration = Duration::from_secs(1);
/// A queue of data's own that media can live with: a packet waits that long when a frame before it
/// was sent in one go.
const TARGET: Duration = Duration::from_millis(20);
/// More than a frame of video, whose burst is no queue: it is gone before the next one comes.
const STEP: Duration = Duration::from_millis(50);
const ENOUGH: u32 = 4;
const MAX_STEP: Duration = Duration::from_secs(1);
/// As long as this a least round-trip time holds, and twice as long at most.
const WINDOW: Duration = Duration::from_secs(10);
/// 512 kbit/s, about a quarter of a video: in ten round trips four times as much.
const INITIAL: u64 = 64_000;
/// 128 kbit/s: data does not stand still whatever media takes.
const LEAST: u64 = 16_000;
/// How much more in a round trip, or in `LONG` when that is longer: what is too much goes on for a
/// round trip before it shows.
const FAST_PERCENT: u64 = 13;
const SLOW_PERCENT: u64 = 5;
const LONG: Duration = Duration::from_millis(100);
const DRAIN_PERCENT: u64 = 90;
const AGAIN_PERCENT: u64 = 95;
const MAX_DRAIN: u32 = 10;
const LOSS_PERCENT: u64 = 3;
const MANY_PERCENT: u64 = 10;
