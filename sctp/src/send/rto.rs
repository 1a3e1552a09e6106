//! The retransmission timeout
//! ([RFC 9260 §6.3.1](https://www.rfc-editor.org/rfc/rfc9260#section-6.3.1)).

use crate::config::Config;
use crate::handover::{HandoverError, Reader, Writer};
use crate::span::Span;
use std::time::{Duration, Instant};

/// Smoothed round-trip time, its variation, and the timeout computed from them.
#[derive(Clone, Debug)]
pub(crate) struct Rto {
    min: Span,
    max: Span,
    initial: Span,
    /// The least time to add to the smoothed round trip.
    allowance: Span,
    smoothed: Option<Span>,
    variation: Span,
    current: Span,
    /// What a lower layer measured: for the handshake's timer.
    hint: Option<Span>,
    latest: Option<Span>,
    least: Least,
    /// The least one since somebody asked, the greatest span for none, and how many there were.
    recent: Span,
    count: u32,
}

/// The least measurement of the last minutes (RFC 8985 §6.2 step 1): paths change, and nobody says so.
#[derive(Clone, Copy, Debug)]
struct Least {
    /// That of this stretch of time and of the one before, the greatest span for none.
    current: Span,
    before: Span,
    /// When this one ends.
    until: Option<Instant>,
}

impl Default for Least {
    fn default() -> Self {
        Self { current: Span::MAX, before: Span::MAX, until: None }
    }
}

impl Least {
    fn take(&mut self, now: Instant, sample: Span) {
        if self.until.is_some_and(|until| now >= until) {
            *self = Self { before: self.current, ..Self::default() };
        }
        if self.until.is_none() {
            self.until = now.checked_add(LEAST_STRETCH);
        }
        self.current = self.current.min(sample);
    }

    fn get(&self) -> Option<Span> {
        known(self.current.min(self.before))
    }
}

impl Rto {
    pub(crate) fn new(config: &Config) -> Self {
        let max = Span::from(config.rto_max.max(config.rto_min));
        let initial = Span::from(config.rto_initial).min(max);
        Self {
            min: config.rto_min.into(),
            max,
            initial,
            allowance: config.peer_sack_delay.into(),
            smoothed: None,
            variation: Span::ZERO,
            current: initial,
            hint: None,
            latest: None,
            least: Least::default(),
            recent: Span::MAX,
            count: 0,
        }
    }

    /// Takes a round-trip time that a layer below has measured, until there is one of our own.
    pub(crate) fn set_hint(&mut self, rtt: Duration) {
        let rtt = Span::from(rtt).min(MAX_HINT);
        self.hint = Some(rtt);
        if self.smoothed.is_none() {
            // As after a first measurement: C2 of §6.3.1 with RTTVAR = R / 2.
            self.current = self.compute(rtt, rtt / 2);
        }
    }

    /// As [`Self::set_hint`], when there is nothing better.
    pub(crate) fn suggest(&mut self, rtt: Duration) {
        if self.hint.is_none() && self.smoothed.is_none() && Span::from(rtt) < self.initial {
            self.set_hint(rtt);
        }
    }

    /// Takes a measurement. RFC 9260 §6.3.1 C2 and C3.
    pub(crate) fn measured(&mut self, now: Instant, sample: Span) {
        let smoothed = match self.smoothed {
            None => {
                self.variation = sample / 2;
                sample
            }
            Some(smoothed) => {
                let deviation = smoothed.abs_diff(sample);
                self.variation = (self.variation * 3 + deviation) / 4;
                (smoothed * 7 + sample) / 8
            }
        };
        self.smoothed = Some(smoothed);
        self.latest = Some(sample);
        self.least.take(now, sample);
        self.recent = self.recent.min(sample);
        self.count = self.count.saturating_add(1);
        self.current = self.compute(smoothed, self.variation);
    }

    fn compute(&self, smoothed: Span, variation: Span) -> Span {
        (smoothed + (variation * 4).max(self.allowance)).clamp(self.min, self.max)
    }

    /// Doubles the timeout after it expired: E2 of §6.3.3.
    pub(crate) fn back_off(&mut self) {
        self.current = (self.current * 2).min(self.max);
    }

    /// Undoes [`Self::back_off`]: the path is another one now.
    pub(crate) fn reset_back_off(&mut self) {
        self.current = match (self.smoothed, self.hint) {
            (Some(smoothed), _) => self.compute(smoothed, self.variation),
            (None, Some(hint)) => self.compute(hint, hint / 2),
            (None, None) => self.initial,
        };
    }

    /// The timeout now.
    pub(crate) fn current(&self) -> Duration {
        self.current.into()
    }

    /// The timeout now, doubled so many times.
    pub(crate) fn backed_off(&self, doublings: u32) -> Duration {
        (self.current * (1 << doublings.min(16))).min(self.max).into()
    }

    /// The timeout of the handshake's chunks before back-off, which are answered at once: 1.5
    /// round trips when the time of one is known, and not below 100 ms, for scheduling takes its
    /// time too.
    pub(crate) fn handshake(&self) -> Duration {
        let rtt = self.smoothed.or(self.hint);
        rtt.map_or(self.initial, |rtt| (rtt * 3 / 2).max(MIN_HANDSHAKE).min(self.max)).into()
    }

    /// The least round-trip time measured since the last call, and how many were.
    pub(crate) fn take_recent(&mut self) -> (Option<Duration>, u32) {
        let recent = known(std::mem::replace(&mut self.recent, Span::MAX));
        (recent.map(Duration::from), std::mem::take(&mut self.count))
    }

    /// The smoothed round-trip time.
    pub(crate) const fn smoothed(&self) -> Option<Span> {
        self.smoothed
    }

    /// The round-trip time as far as it is known: measured, or by a layer below.
    pub(crate) fn known(&self) -> Option<Span> {
        self.smoothed.or(self.hint)
    }

    /// How long the peer may hold a SACK back.
    pub(crate) const fn allowance(&self) -> Span {
        self.allowance
    }

    /// The last measurement and the least one, or what is known instead.
    pub(crate) fn latest_and_least(&self) -> (Span, Span) {
        let known = self.known().unwrap_or(self.initial);
        let latest = self.latest.unwrap_or(known);
        (latest.max(self.smoothed.unwrap_or(latest)), self.least.get().unwrap_or(known))
    }

    pub(crate) fn hand_over(&self, out: &mut Writer) {
        for time in [self.smoothed, self.hint, self.latest, self.least.get()] {
            out.option(time, Writer::span);
        }
        out.span(self.variation);
        out.span(self.current);
    }

    /// Takes up what was handed over; `self` is new.
    pub(crate) fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        let mut least = None;
        let times = [&mut self.smoothed, &mut self.hint, &mut self.latest, &mut least];
        for time in times {
            *time = from.option(Reader::span)?.map(|time| time.min(MAX_HINT));
        }
        self.least.current = least.unwrap_or(Span::MAX);
        self.variation = from.span()?.min(MAX_HINT);
        self.current = from.span()?.clamp(self.min, self.max);
        Ok(())
    }

    /// The last measurement.
    pub(crate) const fn latest(&self) -> Option<Span> {
        self.latest
    }

    /// The least measurement of the last minutes.
    pub(crate) fn min_seen(&self) -> Option<Span> {
        self.least.get()
    }
}

/// None for the greatest span.
fn known(span: Span) -> Option<Span> {
    (span < Span::MAX).then_some(span)
}

const MIN_HANDSHAKE: Span = Span::from_millis(100);
/// Two of them are the five minutes that Linux has.
const LEAST_STRETCH: Duration = Duration::from_secs(150);
/// A longer round trip than this is a mistake.
const MAX_HINT: Span = Span::from_secs(60);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_timeout_follows_the_measurements() {
        let mut rto = Rto::new(&Config::default());
        let now = Instant::now();
        assert_eq!(rto.current(), ms(500));
        rto.measured(now, Span::from_millis(100));
        assert_eq!(rto.current(), ms(300), "100 + 4 * 50");
        for _ in 0..100 {
            rto.measured(now, Span::from_millis(100));
        }
        assert_eq!(rto.smoothed(), Some(Span::from_millis(100)));
        assert_eq!(rto.current(), ms(300), "100 + the peer's SACK delay of 200");
    }

    #[test]
    fn the_least_round_trip_is_forgotten_after_minutes() {
        // RFC 8985 §6.2 step 1: "windowed".
        let mut rto = Rto::new(&Config::default());
        let mut now = Instant::now();
        rto.measured(now, Span::from_millis(20));
        for _ in 0..120 {
            now += Duration::from_secs(1);
            rto.measured(now, Span::from_millis(200));
        }
        assert_eq!(rto.min_seen(), Some(Span::from_millis(20)));
        for _ in 0..200 {
            now += Duration::from_secs(1);
            rto.measured(now, Span::from_millis(200));
        }
        assert_eq!(rto.min_seen(), Some(Span::from_millis(200)));
    }

    #[test]
    fn it_doubles_up_to_its_maximum() {
        let mut rto = Rto::new(&Config::default());
        for _ in 0..10 {
            rto.back_off();
        }
        assert_eq!(rto.current(), Duration::from_secs(10));
        rto.reset_back_off();
        assert_eq!(rto.current(), ms(500));
    }

    #[test]
    fn a_hint_shortens_the_handshake() {
        let mut rto = Rto::new(&Config::default());
        assert_eq!(rto.handshake(), ms(500));
        rto.set_hint(ms(100));
        assert_eq!(rto.handshake(), ms(150));
        assert_eq!(rto.current(), ms(300));
        rto.set_hint(ms(1));
        assert_eq!(rto.handshake(), ms(100));
    }
}
