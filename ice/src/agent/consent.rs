//! Consent freshness ([RFC 7675](https://www.rfc-editor.org/rfc/rfc7675)), and the silence that
//! comes before its end.

use std::time::{Duration, Instant};

use rand::Rng;
use stun::FiveTuple;

use super::{Agent, Context};
use crate::checklist::ChecklistState;
use crate::pair::{PairId, Step};
use crate::stream::{Component, Stream};

impl Context {
    /// "the interval MUST be randomized from between 0.8 and 1.2 times the basic" one
    /// (RFC 7675 §5.1).
    pub(super) fn random_consent_interval(&mut self) -> Duration {
        let basic = self.config.consent_interval;
        // 0.8 to 1.2 in steps of a thousandth.
        basic * (800 + self.rng.next_u32() % 401) / 1000
    }

    /// At least one consent check of a side that is well comes in this time.
    pub(super) fn longest_consent_interval(&self) -> Duration {
        self.config.consent_interval * 6 / 5
    }

    /// How long after an unanswered consent check the next one goes out: soon at first, so that a
    /// few lost packets are not taken for a lost path, then more and more slowly.
    fn consent_retry(&self, unanswered: u32, round_trip_time: Option<Duration>) -> Duration {
        let base = self.consent_retry_base(round_trip_time);
        (base * unanswered.saturating_sub(QUICK_RETRIES).clamp(1, 16)).min(MAX_RETRY.max(base))
    }

    fn consent_retry_base(&self, round_trip_time: Option<Duration>) -> Duration {
        let round_trip_time = round_trip_time.unwrap_or_default();
        self.config.consent_retry.max(round_trip_time + round_trip_time / 2)
    }
}

/// Retries in quick succession: the check and these are all lost once in 10⁵ times on a path that
/// loses a tenth of all round trips.
const QUICK_RETRIES: u32 = 4;

/// An agent that is served is not called later than this after it asked to be.
pub(super) const MAX_LATENESS: Duration = Duration::from_secs(2);

/// A path that comes back is noticed after this time.
const MAX_RETRY: Duration = Duration::from_secs(2);

impl Agent {
    /// Sends a consent check: a check like any other, but each is a transaction of its own and
    /// its silence fails no pair at once (RFC 7675 §5.1).
    pub(super) fn write_consent_check(
        &mut self,
        now: Instant,
        stream: usize,
        generation: u32,
        pair: PairId,
        buf: &mut Vec<u8>,
    ) -> Option<FiveTuple> {
        let session = self.streams.get_mut(stream)?.session_mut(generation)?;
        let remote = session.remote.as_ref()?;
        let pair = session.checklist.pair_mut(pair)?;
        pair.stats.consent_requests_sent += 1;
        let consent = pair.consent.as_mut()?;
        consent.unanswered += 1;
        consent.unanswered_since.get_or_insert(now);
        let round_trip_time = pair.stats.current_round_trip_time;
        consent.next_check = now + self.context.consent_retry(consent.unanswered, round_trip_time);
        Some(self.context.write_request(now, pair, remote, session.carrier.as_deref_mut(), buf))
    }

    /// "If consent expires, the endpoint MUST cease transmission" on that pair. Without the
    /// selected pair only a restart helps, unless the other side has nominated another one; any
    /// other pair just fails.
    pub(super) fn consent_expired(
        &mut self,
        now: Instant,
        index: usize,
        generation: u32,
        id: PairId,
    ) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let current = stream.session.generation == generation;
        let mut components = stream.components.iter();
        let selected = components.find(|component| current && component.selected == Some(id));
        let selected = selected.map(|component| component.id);
        let Some(session) = stream.session_mut(generation) else { return };
        if let Some(pair) = session.checklist.pair_mut(id) {
            tracing::debug!(path = %pair.path, "consent expired");
            pair.step(Step::Fail);
        }
        if let Some(component) = selected
            && !self.follow_nomination(now, index, component)
        {
            self.fail_stream(index);
        }
    }

    /// When a component's path will have been silent for too long; `None` while nothing is
    /// missing.
    pub(super) fn disconnects_at(&self, stream: &Stream, component: &Component) -> Option<Instant> {
        if component.disconnected.is_some() {
            return None;
        }
        let config = &self.context.config;
        let pair = stream.active_pair(component)?;
        let consent = pair.consent?;
        let heard = self.heard(stream, component)?;
        if config.lite {
            // A lite agent asks nothing; the other side's consent checks come every 4 to 6 s.
            let interval = self.context.longest_consent_interval();
            return Some(heard + interval + config.disconnected_timeout);
        }
        // The quick retries must have had their chance.
        let retry = self.context.consent_retry_base(pair.stats.current_round_trip_time);
        let missing = consent.unanswered_since? + retry * (QUICK_RETRIES + 1);
        Some(missing.max(heard + config.disconnected_timeout))
    }

    /// When the other side was last heard on a component's path, by STUN or by data.
    pub(super) fn heard(&self, stream: &Stream, component: &Component) -> Option<Instant> {
        let heard = stream.active_pair(component)?.consent?.heard;
        Some(self.paths.heard(&component.active?.path).map_or(heard, |data| data.max(heard)))
    }

    /// The machine slept: silence says nothing about the path. Every path in use gets its
    /// consent check now, and time for the answer, before consent counts as lost; but once in a
    /// silence, or an agent that is called late each time would never lose it.
    pub(super) fn wake_up(&mut self) {
        let now = self.context.now;
        let grace = now + self.context.config.disconnected_timeout;
        let mut woken = false;
        for session in self.streams.iter_mut().flat_map(Stream::sessions_mut) {
            for consent in
                session.checklist.pairs_mut().iter_mut().filter_map(|pair| pair.consent.as_mut())
            {
                if std::mem::replace(&mut consent.extended, true) {
                    continue;
                }
                consent.until = consent.until.max(grace);
                consent.next_check = now;
                consent.unanswered = 0;
                consent.unanswered_since = None;
                woken = true;
            }
        }
        if woken {
            tracing::debug!("woke up after a long sleep");
            self.settle();
        }
    }

    /// Only a restart helps this stream.
    pub(super) fn fail_stream(&mut self, index: usize) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        stream.session.checklist.state = ChecklistState::Failed;
        for pair in stream.session.checklist.pairs_mut() {
            pair.step(Step::Fail);
        }
        for component in &mut stream.components {
            component.selected = None;
        }
    }
}
