//! When a request over an unreliable transport is sent again, and when it is given up.

use std::time::{Duration, Instant};

/// The settings of a schedule
/// ([RFC 8489 §6.2.1](https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1)).
///
/// ```text
///  request 1     2           3                       4  ...  Rc              failed
///          ├─RTO─┤── 2·RTO ──┤──────── 4·RTO ────────┤       ├──── Rm·RTO ────┤
/// ```
///
/// The defaults send at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s and give up at 39.5 s.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// RTO, the interval after the first request; it doubles after each retransmission. The RFC
    /// asks for at least 500 ms, unless congestion is bounded otherwise, as in ICE.
    pub rto: Duration,
    /// Rc, how many requests are sent in all; zero is read as one.
    pub max_requests: u32,
    /// Rm, how many RTOs after the last request the transaction fails.
    pub last_wait: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { rto: Duration::from_millis(500), max_requests: 7, last_wait: 16 }
    }
}

/// What a transaction that waits for its response has to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Send the request, the first time or again, and say so with [`Retransmission::sent`].
    Send,
    /// Wait until then.
    Wait(Instant),
    /// Give up: no response came in the time that the schedule allows.
    Fail,
}

/// One request's way through a [`Schedule`].
///
/// Intervals are counted from when a request really went out: a machine that slept through several
/// of them sends one request, and waits for its response before it gives up.
///
/// ```
/// use std::time::{Duration, Instant};
/// use peerless_stun::{Retransmission, Schedule, Step};
///
/// # #[expect(clippy::disallowed_methods, reason = "an example of a driver")]
/// let now = Instant::now();
/// let mut retransmission = Retransmission::new(Schedule::default());
/// assert_eq!(retransmission.step(now), Step::Send);
/// retransmission.sent(now);
/// let half_a_second_later = now + Duration::from_millis(500);
/// assert_eq!(retransmission.step(now), Step::Wait(half_a_second_later));
/// assert_eq!(retransmission.step(half_a_second_later), Step::Send);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Retransmission {
    schedule: Schedule,
    requests_sent: u32,
    /// When the latest request was sent.
    last_sent: Option<Instant>,
    /// When the next step is due; absent until the first request was sent.
    deadline: Option<Instant>,
}

impl Retransmission {
    /// A transaction whose first request is due at once.
    pub const fn new(schedule: Schedule) -> Self {
        Self { schedule, requests_sent: 0, last_sent: None, deadline: None }
    }

    /// Returns what is to be done at `now`.
    pub fn step(&self, now: Instant) -> Step {
        match self.deadline {
            None => Step::Send,
            Some(deadline) if now < deadline => Step::Wait(deadline),
            Some(_) if self.requests_sent < self.schedule.max_requests => Step::Send,
            Some(_) => Step::Fail,
        }
    }

    /// Notes that the request goes out now, which arms the next step.
    pub fn sent(&mut self, now: Instant) {
        let factor = if self.requests_sent + 1 < self.schedule.max_requests {
            1u32.checked_shl(self.requests_sent).unwrap_or(u32::MAX)
        } else {
            self.schedule.last_wait
        };
        self.requests_sent = self.requests_sent.saturating_add(1);
        self.last_sent = Some(now);
        self.deadline = Some(later(now, self.schedule.rto.saturating_mul(factor)));
    }

    /// Changes the settings for the steps to come, say because a round-trip time has been measured
    /// elsewhere. The step that is armed keeps its time.
    pub const fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = schedule;
    }

    /// Returns when the next step is due; `None` when the first request was not sent yet.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns how many requests were sent.
    pub const fn requests_sent(&self) -> u32 {
        self.requests_sent
    }

    /// Returns the round-trip time that a response at `now` measures; `None` when the request was
    /// sent more than once, because the response could be to either (Karn's algorithm).
    pub fn round_trip_time(&self, now: Instant) -> Option<Duration> {
        (self.requests_sent == 1).then_some(now.saturating_duration_since(self.last_sent?))
    }
}

/// Adds without the overflow that a caller's wild settings could make.
fn later(now: Instant, interval: Duration) -> Instant {
    /// Ten years are as good as never.
    const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    now + interval.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
    fn start() -> Instant {
        Instant::now()
    }

    fn run(schedule: Schedule) -> (Vec<u64>, u64) {
        let start = start();
        let mut now = start;
        let mut retransmission = Retransmission::new(schedule);
        let mut sent = Vec::new();
        loop {
            let millis = (now - start).as_millis() as u64;
            match retransmission.step(now) {
                Step::Send => {
                    retransmission.sent(now);
                    sent.push(millis);
                }
                Step::Wait(deadline) => now = deadline,
                Step::Fail => return (sent, millis),
            }
        }
    }

    #[test]
    fn the_defaults_give_the_times_of_the_rfc() {
        assert_eq!(run(Schedule::default()), (vec![0, 500, 1500, 3500, 7500, 15500, 31500], 39500));
    }

    #[test]
    fn every_setting_counts() {
        let schedule = Schedule { rto: Duration::from_millis(100), max_requests: 3, last_wait: 5 };
        assert_eq!(run(schedule), (vec![0, 100, 300], 800));
        assert_eq!(run(Schedule { max_requests: 1, ..schedule }), (vec![0], 500));
        assert_eq!(run(Schedule { max_requests: 0, ..schedule }), (vec![0], 500));
    }

    #[test]
    fn wild_settings_do_not_overflow() {
        let schedule = Schedule { rto: Duration::MAX, max_requests: u32::MAX, last_wait: u32::MAX };
        let mut retransmission = Retransmission::new(schedule);
        for _ in 0..40 {
            retransmission.sent(start());
        }
        assert!(matches!(retransmission.step(start()), Step::Wait(_)));
    }

    #[test]
    fn a_machine_that_slept_sends_once_more_before_it_gives_up() {
        let now = start();
        let mut retransmission = Retransmission::new(Schedule::default());
        for _ in 0..6 {
            retransmission.sent(now);
        }
        let awake = now + Duration::from_secs(3600);
        assert_eq!(retransmission.step(awake), Step::Send);
        retransmission.sent(awake);
        assert_eq!(retransmission.step(awake), Step::Wait(awake + Duration::from_secs(8)));
    }

    #[test]
    fn only_a_request_sent_once_measures_the_round_trip() {
        let now = start();
        let mut retransmission = Retransmission::new(Schedule::default());
        assert_eq!(retransmission.round_trip_time(now), None);
        retransmission.sent(now);
        let later = now + Duration::from_millis(40);
        assert_eq!(retransmission.round_trip_time(later), Some(Duration::from_millis(40)));
        retransmission.sent(later);
        assert_eq!(retransmission.round_trip_time(later), None);
    }
}
