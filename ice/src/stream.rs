//! Data streams, their components, and the ICE session of each generation.

use std::time::Instant;

use stun::{FiveTuple, Key, TransactionId};

use crate::candidate::{Candidate, LocalCandidate, RemoteCandidate, same_address};
use crate::checklist::Checklist;
use crate::credentials::Credentials;
use crate::embedding::Carrier;
use crate::event::ConnectionState;
use crate::pair::{Pair, PairId};

/// Names a data stream of an agent; never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(pub(crate) u16);

impl StreamId {
    /// Returns its number: 0 for the first stream of an agent.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Names a component of a data stream: 1 for RTP or everything, 2 for RTCP where it has a path
/// of its own ([RFC 8445 §13](https://www.rfc-editor.org/rfc/rfc8445#section-13)).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ComponentId {
    /// The stream.
    pub stream: StreamId,
    /// The component, from 1.
    pub component: u8,
}

/// Which agent decides
/// ([RFC 8445 §6.1.1](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.1)).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// This agent nominates the pairs; usually the offerer's.
    Controlling,
    /// The other agent does.
    Controlled,
}

impl Role {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// A data stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) local: Vec<LocalCandidate>,
    /// How many of `local` the application was told.
    pub(crate) announced: usize,
    pub(crate) components: Vec<Component>,
    pub(crate) session: Session,
    /// The session before a restart that the other side has not answered.
    pub(crate) replaced: Option<Box<Replaced>>,
    /// The session before the restart, which carries data until the new one can.
    pub(crate) previous: Option<Box<Session>>,
    pub(crate) state: ConnectionState,
    pub(crate) reported_state: ConnectionState,
}

impl Stream {
    pub(crate) fn component(&self, component: u8) -> Option<&Component> {
        self.components.get(usize::from(component).checked_sub(1)?)
    }

    pub(crate) fn session(&self, generation: u32) -> Option<&Session> {
        self.sessions().find(|session| session.generation == generation)
    }

    pub(crate) fn session_mut(&mut self, generation: u32) -> Option<&mut Session> {
        self.sessions_mut().find(|session| session.generation == generation)
    }

    /// The sessions: the current one, then those before a restart, the newest first.
    pub(crate) fn sessions_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        let replaced = self.replaced.as_deref_mut().map(|replaced| &mut replaced.session);
        std::iter::once(&mut self.session).chain(replaced).chain(self.previous.as_deref_mut())
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = &Session> {
        let replaced = self.replaced.as_deref().map(|replaced| &replaced.session);
        std::iter::once(&self.session).chain(replaced).chain(self.previous.as_deref())
    }

    /// The pair that carries a component's data.
    pub(crate) fn active_pair(&self, component: &Component) -> Option<&Pair> {
        let active = component.active?;
        self.session(active.generation)?.checklist.pair(active.pair)
    }
}

/// A component of a stream.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) id: u8,
    /// The nominated pair of the current session.
    pub(crate) selected: Option<PairId>,
    /// How long nomination waits for a better pair than the first that worked.
    pub(crate) nomination_delay: Grace,
    /// What data is sent on.
    pub(crate) active: Option<Active>,
    /// Since when the active pair counts as silent.
    pub(crate) disconnected: Option<Instant>,
    pub(crate) writable_unread: bool,
    pub(crate) selected_unread: bool,
    /// The path that an event told of last.
    pub(crate) told: Option<FiveTuple>,
}

impl Component {
    pub(crate) const fn new(id: u8) -> Self {
        Self {
            id,
            selected: None,
            nomination_delay: Grace::NotStarted,
            active: None,
            disconnected: None,
            writable_unread: false,
            selected_unread: false,
            told: None,
        }
    }
}

/// A time that something is given, once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Grace {
    NotStarted,
    Until(Instant),
    Over,
}

/// The pair that carries data, and its addresses, so that sending looks nothing up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Active {
    pub(crate) generation: u32,
    pub(crate) pair: PairId,
    pub(crate) path: FiveTuple,
}

/// A session that a restart of ours took the place of: whole, until the other side answers the
/// restart, for it may be taken back. Meanwhile it makes no checks but those for consent.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) session: Session,
    /// What each component had selected, and how long its nomination waits.
    pub(crate) components: Vec<(Option<PairId>, Grace)>,
    pub(crate) had_path: bool,
}

impl Replaced {
    /// What a component's data goes on over: the selected pair, else the best that works.
    pub(crate) fn best_valid(&self, component: u8) -> Option<&Pair> {
        let checklist = &self.session.checklist;
        let kept = self.components.get(usize::from(component).checked_sub(1)?);
        let selected = kept.and_then(|(selected, _)| checklist.pair((*selected)?));
        selected.filter(|pair| pair.is_valid()).or_else(|| checklist.best_valid(component))
    }
}

/// One generation of a stream: from its credentials to the next restart.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) generation: u32,
    pub(crate) local: Credentials,
    pub(crate) local_key: Key,
    pub(crate) remote: Option<Remote>,
    pub(crate) remote_candidates: Vec<RemoteCandidate>,
    /// How many candidates were discovered so far.
    pub(crate) discoveries: u32,
    pub(crate) end_of_remote_candidates: bool,
    pub(crate) checklist: Checklist,
    pub(crate) early: Vec<EarlyCheck>,
    /// Whether an authenticated check has come.
    pub(crate) checked: bool,
    /// What messages carry besides; most sessions have none.
    pub(crate) carrier: Option<Box<Carrier>>,
    /// The PAC timer.
    pub(crate) patience: Grace,
    /// When a replaced session is forgotten.
    pub(crate) drop_at: Option<Instant>,
}

impl Session {
    pub(crate) fn new(generation: u32, local: Credentials) -> Self {
        let local_key = Key::short_term(&local.pwd);
        Self {
            generation,
            local,
            local_key,
            remote: None,
            remote_candidates: Vec::new(),
            discoveries: 0,
            end_of_remote_candidates: false,
            checklist: Checklist::default(),
            early: Vec::new(),
            checked: false,
            carrier: None,
            patience: Grace::NotStarted,
            drop_at: None,
        }
    }

    /// Keeps a check that came before the other side's credentials: "Once the answer is
    /// received, it MUST proceed with the remaining steps required" (§7.3). Returns whether there was
    /// room.
    pub(crate) fn remember(&mut self, check: EarlyCheck, limit: usize) -> bool {
        if let Some(known) = self.early.iter_mut().find(|known| known.path == check.path) {
            known.use_candidate |= check.use_candidate;
            return true;
        }
        let room = self.early.len() < limit;
        if room {
            self.early.push(check);
        }
        room
    }

    /// Counts the candidates that were signalled, or those that were discovered.
    pub(crate) fn count_remote(&self, signalled: bool) -> usize {
        self.remote_candidates.iter().filter(|known| known.signalled == signalled).count()
    }

    /// Gives back the places of discoveries that no pair needs.
    pub(crate) fn forget_discoveries(&mut self) {
        let pairs = self.checklist.pairs();
        self.remote_candidates.retain(|known| {
            let Some(address) = known.candidate.socket_addr() else { return true };
            known.signalled
                || pairs.iter().any(|pair| {
                    pair.component == known.candidate.component
                        && same_address(address, pair.path.remote)
                })
        });
    }

    pub(crate) fn remote_candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.remote_candidates.iter().map(|known| &known.candidate)
    }

    pub(crate) fn remote_candidate(
        &self,
        component: u8,
        address: std::net::SocketAddr,
    ) -> Option<&Candidate> {
        self.remote_candidates().find(|candidate| {
            candidate.component == component
                && candidate.socket_addr().is_some_and(|known| same_address(known, address))
        })
    }
}

/// What a session knows of the other side.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) credentials: Credentials,
    pub(crate) key: Key,
    /// USERNAME of our checks: their fragment, a colon, ours
    /// ([RFC 8445 §7.2.2](https://www.rfc-editor.org/rfc/rfc8445#section-7.2.2)).
    pub(crate) username: String,
}

impl Remote {
    pub(crate) fn new(credentials: Credentials, local: &Credentials) -> Self {
        let key = Key::short_term(&credentials.pwd);
        let username = format!("{}:{}", credentials.ufrag, local.ufrag);
        Self { credentials, key, username }
    }
}

/// An authenticated check that was answered, and came before the other side's credentials or while
/// a restart waits for its answer: what is needed to go on with it (RFC 8445 §7.3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarlyCheck {
    pub(crate) component: u8,
    pub(crate) path: FiveTuple,
    pub(crate) priority: u32,
    pub(crate) use_candidate: bool,
}

/// A response that we owe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owed {
    pub(crate) path: FiveTuple,
    pub(crate) id: TransactionId,
    pub(crate) stream: StreamId,
    pub(crate) generation: u32,
    pub(crate) kind: OwedKind,
    /// The request proved itself by MESSAGE-INTEGRITY-SHA256, so does the response.
    pub(crate) sha256: bool,
    /// Of the request, in bytes.
    pub(crate) length: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum OwedKind {
    Success,
    RoleConflict,
    /// The first unknown attributes; zeros fill the array.
    UnknownAttributes([u16; 4]),
    BadRequest,
}
