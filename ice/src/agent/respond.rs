//! Checks that the other side sends: the STUN server of
//! [RFC 8445 §7.3](https://www.rfc-editor.org/rfc/rfc8445#section-7.3).

use std::time::Instant;

use stun::{AttributeType, Class, ErrorCode, FiveTuple, Message, MessageWriter, Method, Transport};

use super::Agent;
use crate::candidate::{Candidate, CandidateAddress, CandidateKind, RemoteCandidate, same_address};
use crate::checklist::ChecklistState;
use crate::embedding::unconfirmed_room;
use crate::event::PathProof;
use crate::pair::{PairState, Step};
use crate::stream::{ComponentId, EarlyCheck, Grace, Owed, OwedKind, Role, Session, Stream};

impl Agent {
    /// Takes a Binding request. Nothing happens unless its USERNAME begins with a fragment of
    /// ours and its MESSAGE-INTEGRITY is made with the password of that fragment.
    ///
    /// RFC 8489 §9.1.3 would answer others with 400 or 401. We don't: whoever cannot
    /// authenticate is not our peer, and an answer tells a stranger that somebody is here.
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        length: usize,
        message: &Message<'_>,
    ) {
        let Some((index, generation)) = self.authenticate(message) else {
            self.context.counters.unauthenticated += 1;
            return;
        };
        let Some(stream) = self.streams.get(index) else { return };
        // After a failure nothing is answered: the other side's consent must not live on alone.
        if stream.session(generation).is_none_or(|s| s.checklist.state == ChecklistState::Failed) {
            return;
        }
        let is_base = |local: &&crate::candidate::LocalCandidate| {
            local.is_base() && same_address(local.base, path.local)
        };
        let Some(local) = stream.local.iter().find(is_base) else {
            self.context.counters.unknown_local_addresses += 1;
            return;
        };
        let component = ComponentId { stream: stream.id, component: local.candidate.component };

        let mut owed = Owed {
            path: *path,
            id: message.transaction_id(),
            stream: stream.id,
            generation,
            kind: OwedKind::Success,
            sha256: message.attribute(AttributeType::MessageIntegritySha256).is_some(),
            length,
        };
        let mut unknown = message.unknown_required().map(AttributeType::number).peekable();
        if unknown.peek().is_some() {
            let mut numbers = [0; 4];
            numbers.iter_mut().zip(unknown).for_each(|(slot, number)| *slot = number);
            owed.kind = OwedKind::UnknownAttributes(numbers);
            return self.owe(owed);
        }
        let Some(priority) = message.priority() else {
            owed.kind = OwedKind::BadRequest;
            return self.owe(owed);
        };
        if self.repair_role_conflict(message) {
            owed.kind = OwedKind::RoleConflict;
            return self.owe(owed);
        }
        self.owe(owed);

        let limit = self.context.config.max_paths;
        self.paths.prove(now, PathProof::Request, *path, component, generation, limit);
        let check = EarlyCheck {
            component: component.component,
            path: *path,
            priority,
            use_candidate: message.use_candidate(),
        };
        let Some(stream) = self.streams.get_mut(index) else { return };
        if let Some(session) = stream.session_mut(generation) {
            session.checked = true;
            note_request(
                session,
                now,
                &check,
                self.context.config.lite.then_some(&self.context.config),
            );
        }
        if let Some(replaced) = &mut stream.replaced
            && replaced.session.generation == generation
        {
            let limit = self.context.config.max_early_checks;
            self.context.counters.dropped_early_checks +=
                u64::from(!replaced.session.remember(check, limit));
            return;
        }
        if stream.session.generation != generation {
            return;
        }
        let answered = stream.session.remote.is_some();
        self.receive_embedded(index, generation, message);
        if answered {
            self.check_received(now, index, &check);
        } else {
            let limit = self.context.config.max_early_checks;
            if let Some(stream) = self.streams.get_mut(index)
                && !stream.session.remember(check, limit)
            {
                self.context.counters.dropped_early_checks += 1;
            }
        }
    }

    /// Finds the session whose fragment and password a request has.
    fn authenticate(&self, message: &Message<'_>) -> Option<(usize, u32)> {
        let (ufrag, _) = message.username()?.split_once(':')?;
        let (index, session) = self.streams.iter().enumerate().find_map(|(index, stream)| {
            let session = stream.sessions().find(|session| session.local.ufrag == ufrag)?;
            Some((index, session))
        })?;
        message.check_integrity(&session.local_key).ok()?;
        Some((index, session.generation))
    }

    fn owe(&mut self, owed: Owed) {
        if self.responses.iter().any(|other| other.id == owed.id && other.path == owed.path) {
            return;
        }
        if self.responses.len() >= self.context.config.max_responses {
            self.responses.pop_front();
            self.context.counters.dropped_responses += 1;
        }
        self.responses.push_back(owed);
    }

    pub(super) fn write_response(&mut self, owed: &Owed, buf: &mut Vec<u8>) -> Option<FiveTuple> {
        let room = self.embedding_room(owed.stream);
        let allowed = match self.paths.proof(&owed.path) {
            Some(PathProof::Response) => room,
            _ => unconfirmed_room(owed.length),
        };
        let stream = self.streams.iter_mut().find(|stream| stream.id == owed.stream)?;
        let session = stream.session_mut(owed.generation)?;
        let class = match owed.kind {
            OwedKind::Success => Class::SuccessResponse,
            _ => Class::ErrorResponse,
        };
        let mut writer = MessageWriter::new(buf, class, Method::Binding, owed.id);
        writer = match owed.kind {
            OwedKind::Success => writer.xor_mapped_address(owed.path.remote),
            OwedKind::RoleConflict => writer.error_code(ErrorCode::ROLE_CONFLICT, "Role Conflict"),
            OwedKind::BadRequest => writer.error_code(ErrorCode::BAD_REQUEST, "Bad Request"),
            OwedKind::UnknownAttributes(numbers) => writer
                .error_code(ErrorCode::UNKNOWN_ATTRIBUTE, "Unknown Attribute")
                .unknown_attributes(numbers.into_iter().filter(|&number| number != 0)),
        };
        if let (OwedKind::Success, Some(carrier)) = (owed.kind, &mut session.carrier) {
            writer = carrier.write(owed.path, room, allowed, writer);
        }
        writer = match owed.sha256 {
            true => writer.integrity_sha256(&session.local_key),
            false => writer.integrity(&session.local_key),
        };
        writer.fingerprint().finish();
        let path = owed.path;
        for pair in session.checklist.pairs_mut() {
            pair.stats.responses_sent += u64::from(pair.path == path);
        }
        Some(path)
    }

    /// What follows an authenticated check: a peer-reflexive candidate if it came from an address
    /// that was not known (§7.3.1.3), a triggered check (§7.3.1.4), a nomination (§7.3.1.5).
    pub(super) fn check_received(&mut self, now: Instant, index: usize, check: &EarlyCheck) {
        let Some(stream) = self.streams.get(index) else { return };
        let nominates = check.use_candidate && self.context.role == Role::Controlled;
        let pair = stream.session.checklist.find(check.component, &check.path).map(|pair| pair.id);
        let pair = match pair {
            Some(pair) => pair,
            // Once a pair is selected, its rivals are gone; only a nomination brings one back.
            None if concluded(stream, check.component) && !nominates => return,
            None => {
                if !self.learn_peer_reflexive(index, check) {
                    return;
                }
                let Some(pair) = self.form_pair(index, check.component, check.path) else {
                    return;
                };
                pair
            }
        };
        self.trigger(now, index, pair, nominates);
    }

    fn trigger(&mut self, now: Instant, index: usize, id: crate::pair::PairId, nominates: bool) {
        let lite = self.context.config.lite;
        let place = self.context.next_triggered;
        let pacing = self.context.config.pacing;
        let consent = lite.then(|| self.context.renewed_consent(now));
        let Some(stream) = self.streams.get_mut(index) else { return };
        let session = &mut stream.session;
        // After the PAC timer a peer that is heard but never hears us does not keep hope alive.
        let hopeless = session.patience == Grace::Over
            && !session.checklist.pairs().iter().any(|pair| pair.is_valid());
        let Some(pair) = session.checklist.pair_mut(id) else { return };
        pair.remote_nominated |= nominates;
        if lite {
            // §7.3.2: a pair of a lite agent is valid because the full agent says so.
            pair.step(Step::Succeed);
            pair.consent = consent;
        } else if !hopeless {
            if let (PairState::InProgress, Some(check)) = (pair.state, &mut pair.check) {
                // A new transaction at once, unless the last one is as good as new.
                check.next = check.next.min(now.max(check.sent + pacing));
                check.transmissions = 0;
            } else if !pair.is_valid() {
                pair.step(Step::Trigger);
                pair.triggered.get_or_insert(place);
                self.context.next_triggered += 1;
            }
        }
        if pair.is_valid() && nominates {
            self.remote_nominated(now, index, id);
        }
    }

    /// Adds the peer-reflexive candidate that a check came from, unless the address is known.
    /// Returns whether it may be paired.
    fn learn_peer_reflexive(&mut self, index: usize, check: &EarlyCheck) -> bool {
        let limit = self.context.config.max_peer_reflexive;
        let Some(session) = self.streams.get_mut(index).map(|stream| &mut stream.session) else {
            return false;
        };
        if session.remote_candidate(check.component, check.path.remote).is_some() {
            return true;
        }
        if session.count_remote(false) >= limit {
            // Those that nobody answered at make room.
            session.checklist.retain(|pair| pair.state != PairState::Failed);
            session.forget_discoveries();
        }
        if session.count_remote(false) >= limit {
            self.context.counters.ignored_peer_reflexive += 1;
            return false;
        }
        tracing::debug!(remote = %check.path.remote, "peer-reflexive candidate");
        let candidate = Candidate {
            // "The foundation is an arbitrary value, different from the foundations of all other
            // remote candidates"; the hyphen is no ice-char, so that none can be equal.
            foundation: format!("-{}", session.discoveries),
            component: check.component,
            transport: Transport::Udp,
            priority: check.priority,
            address: CandidateAddress::Ip(check.path.remote),
            kind: CandidateKind::PeerReflexive,
            related_address: None,
            tcp_type: None,
            ufrag: None,
            extensions: Vec::new(),
        };
        session.discoveries += 1;
        session.remote_candidates.push(RemoteCandidate { candidate, signalled: false });
        true
    }
}

/// Notes a request on the pair that it came on, if there is one. Where we are lite it is also
/// what consent rests on.
fn note_request(
    session: &mut Session,
    now: Instant,
    check: &EarlyCheck,
    lite: Option<&crate::Config>,
) {
    for pair in session.checklist.pairs_mut() {
        if pair.path != check.path {
            continue;
        }
        pair.stats.requests_received += 1;
        if let Some(consent) = &mut pair.consent {
            consent.heard = now;
            if let Some(config) = lite {
                consent.until = now + config.consent_timeout;
                consent.extended = false;
            }
        }
    }
}

fn concluded(stream: &Stream, component: u8) -> bool {
    stream.component(component).is_none_or(|component| component.selected.is_some())
}
