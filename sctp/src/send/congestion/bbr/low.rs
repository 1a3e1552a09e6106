//! What other traffic seems to leave of the path.

use super::super::cubic;
use super::MIN_RTT;
use crate::span::Span;
use std::time::Duration;

/// Bounds of the short term, from a loss to the next probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Low {
    /// In bytes a second.
    pub(super) rate: u64,
    pub(super) in_flight: usize,
    /// A queue says that there is other traffic.
    pub(super) shared: bool,
}

impl Low {
    /// Gives way to others, but not below `least` in flight.
    pub(super) fn lower(&mut self, least: usize) {
        self.rate = self.rate * BETA_PERCENT as u64 / 100;
        self.in_flight = (self.in_flight * BETA_PERCENT / 100).max(least);
    }

    /// A round without losses: takes as much of what has become free as another would.
    pub(super) fn raise(&mut self, segment: usize, rtt: Span) {
        let share = segment * RENO_PERCENT / 100;
        let rate = rtt.max(MIN_RTT).rate(share as u64);
        self.rate = self.rate.saturating_add(rate);
        self.in_flight = self.in_flight.saturating_add(share);
    }
}

/// How long the others are left alone, once we have given way with so many packets in flight: K of
/// [RFC 9438 §4.2](https://www.rfc-editor.org/rfc/rfc9438#section-4.2), the time in which CUBIC
/// regains what it gave up.
pub(super) fn truce(packets: usize) -> Duration {
    let given_up = packets as f64 * (100 - BETA_PERCENT) as f64 / 100.0;
    Duration::from_secs_f64(cubic::cube_root(given_up / cubic::C).min(MAX_TRUCE))
}

/// What remains when we give way, in percent.
const BETA_PERCENT: usize = 70;
/// Of a packet, what a round adds, in percent. So much is as fair to NewReno, which adds a whole one
/// but keeps a half only ([RFC 9438 §4.3](https://www.rfc-editor.org/rfc/rfc9438#section-4.3)).
const RENO_PERCENT: usize = 53;
/// In seconds.
const MAX_TRUCE: f64 = 60.0;
