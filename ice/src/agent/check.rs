//! Checks that we send and their responses: the STUN client of
//! [RFC 8445 §7.2](https://www.rfc-editor.org/rfc/rfc8445#section-7.2).

use std::time::Instant;

use stun::{Class, ErrorCode, FiveTuple, Message, MessageWriter, Method, TransactionId};

use super::{Agent, Context};
use crate::candidate::same_address;
use crate::embedding::{Carrier, room};
use crate::event::PathProof;
use crate::pair::{Attempt, Check, Consent, Pair, PairId, Step};
use crate::stream::{ComponentId, Grace, Remote, Role};

impl Agent {
    /// Sends a check of a pair, or sends it again.
    pub(super) fn write_check(
        &mut self,
        now: Instant,
        stream: usize,
        pair: PairId,
        buf: &mut Vec<u8>,
    ) -> Option<FiveTuple> {
        let session = &mut self.streams.get_mut(stream)?.session;
        session.checklist.started = true;
        let remote = session.remote.as_ref()?;
        let pair = session.checklist.pair_mut(pair)?;
        pair.triggered = None;
        // A pair in progress goes on counting; a triggered or repeated check starts anew.
        let transmissions = pair.check.map_or(0, |check| check.transmissions).saturating_add(1);
        let interval = self.context.retransmission_interval(transmissions);
        pair.check = Some(Check { transmissions, sent: now, next: now + interval });
        pair.step(Step::Perform);
        Some(self.context.write_request(now, pair, remote, session.carrier.as_deref_mut(), buf))
    }

    /// Sends a check of a pair in progress once more, for what there is to carry; whether it works
    /// is asked and timed by its other transmissions.
    pub(super) fn write_carrying_check(
        &mut self,
        now: Instant,
        stream: usize,
        pair: PairId,
        buf: &mut Vec<u8>,
    ) -> Option<FiveTuple> {
        let session = &mut self.streams.get_mut(stream)?.session;
        let remote = session.remote.as_ref()?;
        let pair = session.checklist.pair_mut(pair)?;
        Some(self.context.write_request(now, pair, remote, session.carrier.as_deref_mut(), buf))
    }

    /// Takes a response: to a query of a STUN server, a check or a consent check.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        message: &Message<'_>,
    ) {
        let id = message.transaction_id();
        if let Some(query) = self.gatherer.query(&id) {
            self.handle_query_response(now, query, path, message);
            return;
        }
        let Some((stream, generation, pair)) = self.find_attempt(&id) else {
            self.context.counters.unknown_transactions += 1;
            return;
        };
        let Some(session) =
            self.streams.get_mut(stream).and_then(|stream| stream.session_mut(generation))
        else {
            return;
        };
        let authentic = session
            .remote
            .as_ref()
            .is_some_and(|remote| message.check_integrity(&remote.key).is_ok());
        let Some(pair) = session.checklist.pair_mut(pair).filter(|_| authentic) else {
            // RFC 8489 §9.1.4: as if it had not been received; the true one may still come.
            self.context.counters.unauthenticated += 1;
            return;
        };
        let Some(attempt) = pair.take_attempt(id) else { return };
        pair.stats.responses_received += 1;
        let pair = (stream, generation, pair.id);
        // "the response is discarded and the transaction is considered to have failed" (RFC 8489
        // §6.3.3, §6.3.4).
        if message.unknown_required().next().is_some() {
            self.context.counters.malformed += 1;
            self.fail_unless_valid(pair);
            return;
        }
        if message.class() == Class::SuccessResponse {
            self.receive_embedded(stream, generation, message);
        }

        match (message.class(), message.xor_mapped_address()) {
            (Class::SuccessResponse, Some(mapped)) => {
                self.check_succeeded(now, path, pair, attempt, mapped);
            }
            (Class::ErrorResponse, _) => self.check_refused(pair, attempt, message.error_code()),
            // Without XOR-MAPPED-ADDRESS it says nothing.
            _ => self.context.counters.malformed += 1,
        }
    }

    fn find_attempt(&self, id: &TransactionId) -> Option<(usize, u32, PairId)> {
        self.streams.iter().enumerate().find_map(|(index, stream)| {
            stream.sessions().find_map(|session| {
                let mut pairs = session.checklist.pairs().iter();
                let pair =
                    pairs.find(|pair| pair.attempts.iter().any(|attempt| attempt.id == *id))?;
                Some((index, session.generation, pair.id))
            })
        })
    }

    /// §7.2.5.3: the pair works.
    fn check_succeeded(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        (index, generation, id): (usize, u32, PairId),
        attempt: Attempt,
        mapped: std::net::SocketAddr,
    ) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let stream_id = stream.id;
        let Some(session) = stream.session_mut(generation) else { return };
        let Some(pair) = session.checklist.pair_mut(id) else { return };

        // §7.2.5.2.1: "the source IP address and port of the response MUST be equal to the
        // destination IP address and port to which the Binding request was sent", and the other
        // way round. A pair that works already does not lose that by a stray answer.
        if !same_address(path.remote, pair.path.remote)
            || !same_address(path.local, pair.path.local)
        {
            self.context.counters.asymmetric_responses += 1;
            if !pair.is_valid() {
                pair.step(Step::Fail);
            }
            return;
        }

        let round_trip_time = now.saturating_duration_since(attempt.sent);
        pair.stats.current_round_trip_time = Some(round_trip_time);
        pair.stats.total_round_trip_time += round_trip_time;
        let best = self
            .context
            .best_round_trip_time
            .map_or(round_trip_time, |best| best.min(round_trip_time));
        self.context.best_round_trip_time = Some(best);

        pair.mapped = Some(mapped);
        if !pair.is_valid() || pair.consent.is_none() {
            tracing::debug!(path = %pair.path, ?round_trip_time, "pair works");
        }
        pair.step(Step::Succeed);
        pair.consent = Some(self.context.renewed_consent(now));
        // A nomination that this does not answer goes on.
        if attempt.nominating || !pair.nominating {
            pair.check = None;
            pair.triggered = None;
        }
        let role = self.context.role;
        let nominates = attempt.nominating && role == Role::Controlling;
        let nominated = pair.remote_nominated && role == Role::Controlled;
        if attempt.nominating {
            pair.nominating = false;
        }
        let (foundation, component, path) = (pair.foundation, pair.component, pair.path);

        let component_id = ComponentId { stream: stream_id, component };
        let limit = self.context.config.max_paths;
        self.paths.prove(now, PathProof::Response, path, component_id, generation, limit);
        let current = stream.session.generation == generation;
        if !current {
            return;
        }
        for stream in &mut self.streams {
            stream.session.checklist.unfreeze(foundation);
        }
        let delay = self.context.config.nomination_delay;
        if let Some(component) = self.component_mut(index, component)
            && component.nomination_delay == Grace::NotStarted
        {
            component.nomination_delay = Grace::Until(now + delay);
        }
        if nominates {
            self.select(now, index, id);
        } else if nominated {
            self.remote_nominated(now, index, id);
        }
    }

    /// An authenticated error response.
    fn check_refused(
        &mut self,
        (stream, generation, id): (usize, u32, PairId),
        attempt: Attempt,
        code: Option<ErrorCode<'_>>,
    ) {
        let code = code.map_or(0, |code| code.code);
        tracing::debug!(code, "check refused");
        if code == ErrorCode::ROLE_CONFLICT {
            self.role_conflict_reported(stream, generation, id, attempt.role);
            return;
        }
        // §7.2.5.2.4. A server error may pass (RFC 8489 §6.3.4), so that the check goes on.
        if (300..500).contains(&code) {
            self.fail_unless_valid((stream, generation, id));
        }
    }

    /// A check has failed; what answers a consent check so grants no consent and takes none.
    fn fail_unless_valid(&mut self, (stream, generation, id): (usize, u32, PairId)) {
        let current = self.streams.get(stream).map(|stream| stream.session.generation);
        if current == Some(generation)
            && let Some(pair) = self.pair_mut(stream, id)
            && !pair.is_valid()
        {
            pair.step(Step::Fail);
        }
    }

    /// §7.2.5.2.3: the last transmission of a check was not answered.
    pub(super) fn check_failed(&mut self, stream: usize, id: PairId) {
        let Some(pair) = self.pair_mut(stream, id) else { return };
        pair.step(Step::Fail);
        if let Some(stream) = self.streams.get_mut(stream) {
            for component in &mut stream.components {
                if component.selected == Some(id) {
                    component.selected = None;
                }
            }
        }
    }
}

impl Context {
    /// Writes the Binding request of a check
    /// ([RFC 8445 §7.1](https://www.rfc-editor.org/rfc/rfc8445#section-7.1)).
    pub(super) fn write_request(
        &mut self,
        now: Instant,
        pair: &mut Pair,
        remote: &Remote,
        carrier: Option<&mut Carrier>,
        buf: &mut Vec<u8>,
    ) -> FiveTuple {
        let id = TransactionId::random(&mut self.rng);
        let nominating = pair.nominating && self.role == Role::Controlling;
        let mut writer = MessageWriter::new(buf, Class::Request, Method::Binding, id)
            .username(&remote.username)
            .priority(pair.reflexive_priority);
        writer = match self.role {
            Role::Controlling => writer.ice_controlling(self.tie_breaker),
            Role::Controlled => writer.ice_controlled(self.tie_breaker),
        };
        if nominating {
            writer = writer.use_candidate();
        }
        if let Some(carrier) = carrier {
            let room = room(&self.config, remote.username.len());
            carrier.check_leaves(now);
            writer = carrier.write(pair.path, room, room, writer);
        }
        writer.integrity(&remote.key).fingerprint().finish();
        pair.record(Attempt { id, sent: now, role: self.role, nominating });
        pair.path
    }

    /// Consent as it is after an answer.
    pub(super) fn renewed_consent(&mut self, now: Instant) -> Consent {
        Consent {
            until: now + self.config.consent_timeout,
            next_check: now + self.random_consent_interval(),
            unanswered_since: None,
            unanswered: 0,
            extended: false,
            heard: now,
        }
    }
}
