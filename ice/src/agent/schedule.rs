//! What is due when: one list of timers, one of datagrams, from which `poll_timeout` is cached
//! and by which both calls act, so that they cannot disagree.

use std::time::Instant;

use stun::FiveTuple;

use super::Agent;
use crate::checklist::ChecklistState;
use crate::event::ConnectionState;
use crate::pair::{Pair, PairId, PairState};
use crate::stream::{Active, Grace, Owed, Role};

/// A timer that `handle_timeout` fires. Streams are named by their index.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    CheckFailed { stream: usize, pair: PairId },
    QueryFailed { query: usize },
    NominationDelay { stream: usize, component: u8 },
    Patience { stream: usize },
    Disconnected { stream: usize, component: u8 },
    ConsentExpired { stream: usize, generation: u32, pair: PairId },
    DropPrevious { stream: usize },
}

/// A datagram that `poll_transmit` makes. The order is that of sending.
#[derive(Clone, Copy, Debug)]
pub(super) enum Send {
    Response(Owed),
    Consent { stream: usize, generation: u32, pair: PairId },
    Triggered { stream: usize, pair: PairId },
    Retransmission { stream: usize, pair: PairId },
    Carrying { stream: usize, pair: PairId },
    Ordinary { stream: usize, pair: PairId },
    Query { query: usize, first: bool },
}

/// Keeps the earliest of what it is shown; of equals, the first.
struct Earliest<T>(Option<(Instant, u64, T)>);

impl<T> Earliest<T> {
    fn offer(&mut self, at: Instant, rank: u64, item: T) {
        if self.0.as_ref().is_none_or(|(best, best_rank, _)| (at, rank) < (*best, *best_rank)) {
            self.0 = Some((at, rank, item));
        }
    }
}

/// Ranks among datagrams that are due at once; a queue's own order is below 2³².
const CONSENT: u64 = 1 << 32;
const TRIGGERED: u64 = 2 << 32;
const RETRANSMISSION: u64 = 3 << 32;
const CARRYING: u64 = 4 << 32;
const ORDINARY: u64 = 5 << 32;

impl Agent {
    /// Brings the streams and the cached deadlines up to date: the end of every call that may
    /// have changed anything.
    pub(super) fn settle(&mut self) {
        self.update_streams();
        self.transmit_at = self.next_send().map(|(at, _)| at);
        self.timeout_at = self.earliest_timer().map(|(at, _)| at);
        self.events_unread = true;
    }

    pub(super) fn earliest_timer(&self) -> Option<(Instant, Timer)> {
        let mut earliest = Earliest(None);
        let max_transmissions = self.context.config.max_transmissions;
        for (query, at) in self.gatherer.deadlines(max_transmissions) {
            earliest.offer(at, 0, Timer::QueryFailed { query });
        }
        for (index, stream) in self.streams.iter().enumerate() {
            let running = stream.session.checklist.state == ChecklistState::Running;
            if running && let Grace::Until(at) = stream.session.patience {
                earliest.offer(at, 0, Timer::Patience { stream: index });
            }
            for pair in stream.session.checklist.pairs() {
                if let Some(check) = pair.check
                    && check.transmissions >= max_transmissions
                {
                    let timer = Timer::CheckFailed { stream: index, pair: pair.id };
                    earliest.offer(check.next, 0, timer);
                }
            }
            for session in stream.sessions() {
                let generation = session.generation;
                for pair in session.checklist.pairs() {
                    if let Some(consent) = pair.consent {
                        let timer =
                            Timer::ConsentExpired { stream: index, generation, pair: pair.id };
                        earliest.offer(consent.until, 1, timer);
                    }
                }
                if let Some(at) = session.drop_at {
                    earliest.offer(at, 0, Timer::DropPrevious { stream: index });
                }
            }
            for component in &stream.components {
                if self.context.role == Role::Controlling
                    && component.selected.is_none()
                    && let Grace::Until(at) = component.nomination_delay
                {
                    let timer = Timer::NominationDelay { stream: index, component: component.id };
                    earliest.offer(at, 0, timer);
                }
                if let Some(at) = self.disconnects_at(stream, component) {
                    let timer = Timer::Disconnected { stream: index, component: component.id };
                    earliest.offer(at, 0, timer);
                }
            }
        }
        earliest.0.map(|(at, _, timer)| (at, timer))
    }

    pub(super) fn fire(&mut self, now: Instant, timer: Timer) {
        tracing::trace!(?timer, "timer");
        match timer {
            Timer::CheckFailed { stream, pair } => self.check_failed(stream, pair),
            Timer::QueryFailed { query } => {
                self.gatherer.fail(query, now + self.context.config.keepalive);
            }
            Timer::NominationDelay { stream, component } => {
                if let Some(component) = self.component_mut(stream, component) {
                    component.nomination_delay = Grace::Over;
                }
            }
            Timer::Patience { stream } => {
                if let Some(stream) = self.streams.get_mut(stream) {
                    stream.session.patience = Grace::Over;
                }
            }
            Timer::Disconnected { stream, component } => {
                if let Some(component) = self.component_mut(stream, component) {
                    component.disconnected = Some(now);
                }
                self.follow_nomination(now, stream, component);
            }
            Timer::ConsentExpired { stream, generation, pair } => {
                self.consent_expired(now, stream, generation, pair);
            }
            Timer::DropPrevious { stream } => self.drop_previous(stream),
        }
    }

    /// The next datagram and when it may go out. Of what is due, the most urgent; the pacer
    /// holds back ordinary checks and the first transmissions of queries only.
    ///
    /// Triggered checks do not wait for it, though RFC 8445 §6.1.4.2 has one check of any kind
    /// each Ta: they answer checks that the other side's pacer has let out, each pair's at most
    /// once in Ta, and waiting would cost every connection up to 50 ms. They push the ordinary
    /// checks back, so that the rate of new checks is at most twice the RFC's.
    pub(super) fn next_send(&self) -> Option<(Instant, Send)> {
        let now = self.context.now;
        let mut earliest = Earliest(None);
        if let Some(owed) = self.responses.front() {
            return Some((now, Send::Response(*owed)));
        }
        let max_transmissions = self.context.config.max_transmissions;
        let pacer = self.context.pacer.max(now);
        let checking = self
            .streams
            .iter()
            .any(|stream| stream.session.checklist.state == ChecklistState::Running);
        for (query, again) in self.gatherer.sends(max_transmissions, checking) {
            let send = Send::Query { query, first: again.is_none() };
            match again {
                Some(at) => earliest.offer(at.max(now), RETRANSMISSION, send),
                // Every other one: neither gathering nor checking waits for the other's end.
                None => {
                    let rank = ORDINARY + u64::from(!self.gatherer.has_turn()) * 2;
                    earliest.offer(pacer, rank, send);
                }
            }
        }
        if self.context.config.lite || self.state == ConnectionState::Closed {
            return earliest.0.map(|(at, _, send)| (at, send));
        }
        for (index, stream) in self.streams.iter().enumerate() {
            for component in &stream.components {
                let Some(active) = component.active else { continue };
                let pair = stream.session(active.generation).and_then(|session| {
                    session.remote.as_ref()?;
                    session.checklist.pair(active.pair)
                });
                if let Some(pair) = pair
                    && pair.check.is_none()
                    && let Some(consent) = pair.consent
                {
                    let Active { generation, .. } = active;
                    let send = Send::Consent { stream: index, generation, pair: pair.id };
                    earliest.offer(consent.next_check.max(now), CONSENT, send);
                }
            }
            let session = &stream.session;
            if session.remote.is_none() || session.checklist.state == ChecklistState::Failed {
                continue;
            }
            // Where there is a path already, what is above takes it.
            let writable = stream.components.iter().all(|component| component.active.is_some());
            let carrier = session.carrier.as_ref().filter(|_| !writable);
            let mut ordinary = None;
            for pair in session.checklist.pairs() {
                if let Some(place) = pair.triggered {
                    let send = Send::Triggered { stream: index, pair: pair.id };
                    earliest.offer(now, TRIGGERED + place, send);
                } else if let Some(check) = pair.check {
                    if check.transmissions < max_transmissions {
                        let send = Send::Retransmission { stream: index, pair: pair.id };
                        earliest.offer(check.next.max(now), RETRANSMISSION, send);
                    }
                    if let (PairState::InProgress, Some(carrier)) = (pair.state, carrier)
                        && let Some(at) = carrier.due(now, &pair.path)
                    {
                        let send = Send::Carrying { stream: index, pair: pair.id };
                        earliest.offer(at.max(now), CARRYING, send);
                    }
                } else if pair.state == PairState::Waiting && ordinary.is_none() {
                    ordinary = Some(pair.id);
                }
            }
            if let Some(pair) = ordinary {
                let at = if session.checklist.started { pacer } else { now };
                let mine = u64::from(index != self.turn);
                earliest.offer(at, ORDINARY + mine, Send::Ordinary { stream: index, pair });
            }
        }
        earliest.0.map(|(at, _, send)| (at, send))
    }

    /// Makes one datagram. `None` when its reason has gone; then another one may be due.
    pub(super) fn write(
        &mut self,
        now: Instant,
        send: Send,
        buf: &mut Vec<u8>,
    ) -> Option<FiveTuple> {
        match send {
            Send::Response(owed) => {
                self.responses.pop_front();
                if self.responses.is_empty() {
                    self.responses = Default::default();
                }
                self.write_response(&owed, buf)
            }
            Send::Consent { stream, generation, pair } => {
                self.write_consent_check(now, stream, generation, pair, buf)
            }
            Send::Triggered { stream, pair } => {
                self.context.pacer = now + self.context.config.pacing;
                self.write_check(now, stream, pair, buf)
            }
            Send::Retransmission { stream, pair } => self.write_check(now, stream, pair, buf),
            Send::Carrying { stream, pair } => self.write_carrying_check(now, stream, pair, buf),
            Send::Ordinary { stream, pair } => {
                self.context.pacer = now + self.context.config.pacing;
                self.turn = (stream + 1) % self.streams.len().max(1);
                self.gatherer.give_turn(true);
                self.write_check(now, stream, pair, buf)
            }
            Send::Query { query, first } => {
                if first {
                    self.context.pacer = now + self.context.config.pacing;
                    self.gatherer.give_turn(false);
                }
                self.gatherer.write(&mut self.context, now, query, buf)
            }
        }
    }

    pub(super) fn pair_mut(&mut self, stream: usize, pair: PairId) -> Option<&mut Pair> {
        self.streams.get_mut(stream)?.session.checklist.pair_mut(pair)
    }
}
