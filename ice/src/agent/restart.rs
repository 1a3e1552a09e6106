//! Credentials, and restarts by either side
//! ([RFC 8445 §9](https://www.rfc-editor.org/rfc/rfc8445#section-9)).

use std::time::Instant;

use super::Agent;
use crate::checklist::ChecklistState;
use crate::credentials::Credentials;
use crate::pair::Pair;
use crate::stream::{Active, Grace, Remote, Replaced, StreamId};

impl Agent {
    /// Returns the credentials to signal for a stream.
    pub fn local_credentials(&self, id: StreamId) -> Option<&Credentials> {
        Some(&self.stream(id)?.session.local)
    }

    /// Returns the other side's credentials, once they were set.
    pub fn remote_credentials(&self, id: StreamId) -> Option<&Credentials> {
        Some(&self.stream(id)?.session.remote.as_ref()?.credentials)
    }

    /// Returns every username fragment by which a request may be meant for this agent: those of
    /// the sessions, and of the ones before a restart while they live.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.streams
            .iter()
            .flat_map(|stream| stream.sessions())
            .map(|session| session.local.ufrag.as_str())
    }

    /// Draws credentials for [`add_stream_with`](Self::add_stream_with) or
    /// [`restart_with`](Self::restart_with): an offer needs them before it is certain that it will
    /// be made.
    pub fn generate_credentials(&mut self) -> Credentials {
        Credentials::random(&self.context.config.ufrag_prefix, &mut self.context.rng)
    }

    /// Takes the other side's credentials. Checks begin.
    ///
    /// Credentials that differ from the ones known are a restart by the other side: ours change
    /// too ([`local_credentials`](Self::local_credentials) has them for the answer).
    pub fn set_remote_credentials(&mut self, now: Instant, id: StreamId, credentials: Credentials) {
        let now = self.advance(now);
        let Some(index) = self.stream_index(id) else { return };
        let known = self
            .streams
            .get(index)
            .and_then(|stream| stream.session.remote.as_ref())
            .map(|remote| remote.credentials == credentials);
        match known {
            Some(true) => return,
            Some(false) => self.restart_stream(index, None),
            None => {}
        }
        self.conclude_replaced(index);
        let patience = self.context.config.patience;
        let Some(session) = self.streams.get_mut(index).map(|stream| &mut stream.session) else {
            return;
        };
        // Candidates that came before the description they belong to, and do not.
        let of_session = |ufrag: &str| ufrag == credentials.ufrag;
        session
            .remote_candidates
            .retain(|known| known.candidate.ufrag.as_deref().is_none_or(of_session));
        session.remote = Some(Remote::new(credentials, &session.local));
        session.patience = Grace::Until(now + patience);
        let early = std::mem::take(&mut session.early);
        self.form_all_pairs(index);
        for check in early {
            self.check_received(now, index, &check);
        }
        self.settle();
    }

    /// Restarts a stream with new credentials: all candidates are told again, STUN servers are asked
    /// again, and new pairs are checked once the other side's new credentials are set. Until one of them works, data goes
    /// on over the old path.
    pub fn restart(&mut self, now: Instant, id: StreamId) {
        self.advance(now);
        if let Some(index) = self.stream_index(id) {
            self.restart_stream(index, None);
        }
        self.settle();
    }

    /// The same with credentials that [`generate_credentials`](Self::generate_credentials) gave.
    pub fn restart_with(&mut self, now: Instant, id: StreamId, credentials: Credentials) {
        self.advance(now);
        if let Some(index) = self.stream_index(id) {
            self.restart_stream(index, Some(credentials));
        }
        self.settle();
    }

    /// Takes a restart of ours back, as long as the other side has not answered it: what a
    /// rolled-back offer needs. Everything goes on as it would have without, checks that were under
    /// way too. Returns whether there was one.
    pub fn cancel_restart(&mut self, now: Instant, id: StreamId) -> bool {
        let now = self.advance(now);
        let Some(index) = self.stream_index(id) else { return false };
        let Some(stream) = self.streams.get_mut(index) else { return false };
        if stream.session.remote.is_some() {
            return false;
        }
        let Some(replaced) = stream.replaced.take() else { return false };
        let Replaced { mut session, components, .. } = *replaced;
        session.carrier = stream.session.carrier.take();
        stream.session = session;
        let checklist = &stream.session.checklist;
        let mut lost = false;
        for (component, (selected, delay)) in stream.components.iter_mut().zip(components) {
            component.selected = selected;
            component.nomination_delay = delay;
            let pair = selected.map(|selected| checklist.pair(selected));
            lost |= pair.is_some_and(|pair| !pair.is_some_and(Pair::is_valid));
        }
        // What came meanwhile is gone on with.
        let early = std::mem::take(&mut stream.session.early);
        let failed = stream.session.checklist.state == ChecklistState::Failed;
        if lost {
            self.fail_stream(index);
        } else if !failed {
            for check in early {
                self.check_received(now, index, &check);
            }
        }
        self.settle();
        true
    }

    fn restart_stream(&mut self, index: usize, credentials: Option<Credentials>) {
        let session = self.new_session(credentials);
        self.context.best_round_trip_time = None;
        self.gather_again(index);
        let Some(stream) = self.streams.get_mut(index) else { return };
        tracing::debug!(stream = stream.id.0, "restart");
        let mut old = std::mem::replace(&mut stream.session, session);
        stream.session.carrier = old.carrier.take();
        // Credentials that were never answered are nothing to come back to.
        if old.remote.is_some() {
            for pair in old.checklist.pairs_mut().iter_mut().filter(|pair| pair.is_valid()) {
                pair.check = None;
                pair.triggered = None;
                pair.nominating = false;
            }
            let components = stream.components.iter();
            stream.replaced = Some(Box::new(Replaced {
                session: old,
                components: components
                    .clone()
                    .map(|component| (component.selected, component.nomination_delay))
                    .collect(),
                had_path: components.clone().any(|component| component.active.is_some()),
            }));
        }
        for component in &mut stream.components {
            component.selected = None;
            component.nomination_delay = Grace::NotStarted;
        }
    }

    /// A restart is agreed on: of the session before it nothing is left but the pairs in use.
    fn conclude_replaced(&mut self, index: usize) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let Some(replaced) = stream.replaced.take() else { return };
        let mut old = replaced.session;
        let components = &stream.components;
        old.checklist.conclude(|pair| {
            let is_active = |active: Active| active.pair == pair.id;
            components.iter().any(|component| component.active.is_some_and(is_active))
        });
        old.early = Vec::new();
        // A session that never carried data has nothing to go on with; the one before it may still
        // be in use.
        if !old.checklist.pairs().is_empty() {
            let nominated = old.checklist.state == ChecklistState::Completed;
            old.checklist.state =
                if nominated { ChecklistState::Completed } else { ChecklistState::Running };
            stream.previous = Some(Box::new(old));
        }
    }

    /// The new session has had its pairs for long enough that nobody uses the old ones.
    pub(super) fn drop_previous(&mut self, index: usize) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        stream.previous = None;
        let id = stream.id;
        let generation = stream.sessions().map(|session| session.generation).min().unwrap_or(0);
        self.paths.retain(|path| path.component.stream != id || path.generation >= generation);
    }
}
