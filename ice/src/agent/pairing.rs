//! Remote candidates, and the pairs made with them
//! ([RFC 8445 §6.1.2](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2),
//! [RFC 8838 §11](https://www.rfc-editor.org/rfc/rfc8838#section-11)).

use std::net::SocketAddr;
use std::time::Instant;

use stun::{FiveTuple, Transport};

use super::Agent;
use crate::candidate::{
    Candidate, CandidateKind, LocalCandidate, RemoteCandidate, is_checkable, is_link_local,
    priority, same_address,
};
use crate::checklist::{ChecklistState, initial_state};
use crate::pair::{Pair, PairId, PairState, PairStats, Step};
use crate::stream::StreamId;

/// A component has room for as many, however many streams there are: one pair may be dead, and a check
/// from an address that was not known needs one more.
const LEAST_PAIRS: usize = 4;

impl Agent {
    /// Adds a candidate of the other side.
    ///
    /// What cannot be used is ignored and counted, as
    /// [RFC 8839 §5.1](https://www.rfc-editor.org/rfc/rfc8839#section-5.1) asks: TCP, unknown
    /// components, candidates of another generation, more than the limit. A candidate whose
    /// address is a name is kept for statistics and not checked; whoever can resolve the name
    /// adds the candidate again with the address.
    pub fn add_remote_candidate(&mut self, now: Instant, id: StreamId, candidate: Candidate) {
        self.advance(now);
        if let Some(index) = self.stream_index(id)
            && !self.take_remote_candidate(index, candidate)
        {
            self.context.counters.ignored_candidates += 1;
        }
        self.settle();
    }

    /// Says that the other side has signalled all its candidates.
    pub fn end_of_remote_candidates(&mut self, now: Instant, id: StreamId) {
        self.advance(now);
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            stream.session.end_of_remote_candidates = true;
        }
        self.settle();
    }

    /// Returns whether the candidate is of use, or was known already.
    fn take_remote_candidate(&mut self, index: usize, candidate: Candidate) -> bool {
        let limit = self.context.config.max_remote_candidates;
        let Some(stream) = self.streams.get_mut(index) else { return false };
        let session = &mut stream.session;
        let of_session = match (&candidate.ufrag, &session.remote) {
            (Some(ufrag), Some(remote)) => *ufrag == remote.credentials.ufrag,
            _ => true,
        };
        let address = candidate.socket_addr();
        if candidate.transport != Transport::Udp
            || usize::from(candidate.component) > stream.components.len()
            || candidate.component == 0
            || !of_session
            || address.is_some_and(|address| !is_checkable(address))
        {
            return false;
        }
        let component = candidate.component;
        let has_room = session.count_remote(true) < limit;
        let known = session.remote_candidates.iter_mut().find(|known| {
            known.candidate.component == component
                && match (known.candidate.socket_addr(), address) {
                    (Some(known), Some(address)) => same_address(known, address),
                    (None, None) => known.candidate.address == candidate.address,
                    _ => false,
                }
        });
        if known.as_ref().is_some_and(|known| known.signalled) {
            return true;
        }
        if !has_room {
            return false;
        }
        let signalled = RemoteCandidate { candidate, signalled: true };
        if let Some(known) = known {
            // RFC 8838 §11 4.A: what was discovered before it was signalled takes the signalled
            // kind, foundation and priority, so that both sides see one order of pairs.
            *known = signalled;
            self.reprioritise(index, component, address);
            return true;
        }
        session.remote_candidates.push(signalled);
        if let Some(address) = address {
            let bases: Vec<SocketAddr> = stream
                .local
                .iter()
                .filter(|local| local.is_base() && local.candidate.component == component)
                .map(|local| local.base)
                .collect();
            for base in bases {
                self.form_checkable_pair(index, component, base, address);
            }
        }
        true
    }

    /// Pairs every base of a stream with every remote candidate.
    pub(super) fn form_all_pairs(&mut self, index: usize) {
        let Some(stream) = self.streams.get(index) else { return };
        let bases: Vec<(u8, SocketAddr)> = stream
            .local
            .iter()
            .filter(|local| local.is_base())
            .map(|local| (local.candidate.component, local.base))
            .collect();
        for (component, base) in bases {
            self.form_pairs_of_base(index, component, base);
        }
    }

    /// Pairs one of our bases with every remote candidate.
    pub(super) fn form_pairs_of_base(&mut self, index: usize, component: u8, base: SocketAddr) {
        let Some(stream) = self.streams.get(index) else { return };
        let remotes: Vec<SocketAddr> = stream
            .session
            .remote_candidates()
            .filter(|remote| remote.component == component)
            .filter_map(Candidate::socket_addr)
            .collect();
        for remote in remotes {
            self.form_checkable_pair(index, component, base, remote);
        }
    }

    /// Forms a pair of two addresses that suit each other: "the same component ID and […] the
    /// same IP address version", link-local addresses only among themselves (§6.1.2.2).
    fn form_checkable_pair(
        &mut self,
        index: usize,
        component: u8,
        base: SocketAddr,
        mut remote: SocketAddr,
    ) {
        let Some(stream) = self.streams.get(index) else { return };
        // Checks are made with the other side's password: before it is known there is no list.
        // A lite agent makes none (§6.2).
        if stream.session.remote.is_none()
            || self.context.config.lite
            || stream.session.checklist.state != ChecklistState::Running
            || stream.component(component).is_none_or(|component| component.selected.is_some())
            || base.is_ipv4() != remote.is_ipv4()
            || is_link_local(base.ip()) != is_link_local(remote.ip())
        {
            return;
        }
        // A link-local address means something on its link only, the one of our base.
        if let (SocketAddr::V6(base), SocketAddr::V6(remote)) = (base, &mut remote)
            && is_link_local((*base.ip()).into())
        {
            remote.set_scope_id(base.scope_id());
        }
        self.form_pair(index, component, FiveTuple::udp(base, remote));
    }

    /// Forms the pair of a base and a known remote candidate. Returns the pair, also if it was
    /// there; `None` if it did not fit.
    pub(super) fn form_pair(
        &mut self,
        index: usize,
        component: u8,
        path: FiveTuple,
    ) -> Option<PairId> {
        // §6.1.2.5 limits the checks of all checklists together. So many streams that nothing would
        // be left for each are the application's own wish.
        let max_pairs = self.context.config.max_pairs;
        let share = max_pairs / self.streams.len().max(1);
        let stream = self.streams.get(index)?;
        let limit = share.max((LEAST_PAIRS * stream.components.len()).min(max_pairs));
        let session = &stream.session;
        if let Some(known) = session.checklist.find(component, &path) {
            return Some(known.id);
        }
        let local = stream.local.iter().find(|local| {
            local.is_base()
                && local.candidate.component == component
                && same_address(local.base, path.local)
        })?;
        let remote = session.remote_candidate(component, path.remote)?;
        let id = PairId(self.context.next_pair);
        let mut pair = new_pair(id, component, path, local, remote);
        pair.update_priority(self.context.role);
        let kin = self
            .streams
            .iter()
            .flat_map(|stream| stream.session.checklist.pairs())
            .filter(|other| other.foundation == pair.foundation);
        pair.state = initial_state(component, pair.priority, kin);

        self.context.next_pair += 1;
        tracing::debug!(%path, state = %pair.state, "new pair");
        let stream = self.streams.get_mut(index)?;
        if stream.session.checklist.insert(pair, limit) {
            return Some(id);
        }
        self.context.counters.ignored_pairs += 1;
        None
    }

    /// A remote candidate's priority and foundation have changed.
    fn reprioritise(&mut self, index: usize, component: u8, address: Option<SocketAddr>) {
        let role = self.context.role;
        let Some(stream) = self.streams.get_mut(index) else { return };
        let Some(address) = address else { return };
        let session = &mut stream.session;
        let Some((remote_priority, remote_foundation)) = session
            .remote_candidate(component, address)
            .map(|remote| (remote.priority, hash_foundation(&remote.foundation)))
        else {
            return;
        };
        for pair in session.checklist.pairs_mut() {
            if pair.component == component && same_address(pair.path.remote, address) {
                pair.remote_priority = remote_priority;
                pair.foundation = pair.foundation & !u64::from(u32::MAX) | remote_foundation;
                pair.update_priority(role);
            }
        }
        session.checklist.sort();
    }

    /// §6.1.4.2, step 2: where nothing waits, the best frozen pair of each foundation that
    /// nobody is checking takes its turn.
    pub(super) fn unfreeze_idle_foundations(&mut self, index: usize) {
        loop {
            let Some(stream) = self.streams.get(index) else { return };
            let pairs = stream.session.checklist.pairs();
            if pairs.iter().any(|pair| pair.state == PairState::Waiting) {
                return;
            }
            let active = |foundation: u64| {
                self.streams.iter().flat_map(|stream| stream.session.checklist.pairs()).any(
                    |pair| {
                        pair.foundation == foundation
                            && matches!(pair.state, PairState::Waiting | PairState::InProgress)
                    },
                )
            };
            let Some(id) = pairs
                .iter()
                .find(|pair| pair.state == PairState::Frozen && !active(pair.foundation))
                .map(|pair| pair.id)
            else {
                return;
            };
            if let Some(pair) = self.pair_mut(index, id) {
                pair.step(Step::Unfreeze);
            }
        }
    }
}

fn new_pair(
    id: PairId,
    component: u8,
    path: FiveTuple,
    local: &LocalCandidate,
    remote: &Candidate,
) -> Pair {
    Pair {
        id,
        component,
        path,
        priority: 0,
        local_priority: local.candidate.priority,
        remote_priority: remote.priority,
        // §7.1.1: "with the candidate type preference of peer-reflexive candidates".
        reflexive_priority: priority(
            CandidateKind::PeerReflexive,
            local.local_preference,
            component,
        ),
        foundation: u64::from(local.foundation) << 32 | hash_foundation(&remote.foundation),
        state: PairState::Frozen,
        triggered: None,
        nominating: false,
        remote_nominated: false,
        nominated: false,
        check: None,
        attempts: Vec::new(),
        mapped: None,
        consent: None,
        stats: PairStats::default(),
    }
}

/// FNV-1a. Foundations that collide make a peer's own checks wait for each other, no more.
fn hash_foundation(foundation: &str) -> u64 {
    let hash = foundation
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u64::from(hash)
}
