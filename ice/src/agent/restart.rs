//! Credentials, and restarts by either side
//! ([RFC 8445 §9](https://www.rfc-editor.org/rfc/rfc8445#section-9)).

use std::time::Instant;

use super::Agent;
use crate::checklist::ChecklistState;
use crate::credentials::Credentials;
use crate::stream::{Active, Component, Grace, Remote, StreamId};

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
    /// rolled-back offer needs. Returns whether there was one.
    pub fn cancel_restart(&mut self, now: Instant, id: StreamId) -> bool {
        self.advance(now);
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) else {
            return false;
        };
        if stream.session.remote.is_some() {
            return false;
        }
        let Some(mut previous) = stream.previous.take() else { return false };
        previous.drop_at = None;
        previous.carrier = stream.session.carrier.take();
        stream.session = *previous;
        for component in &mut stream.components {
            let mut pairs = stream.session.checklist.pairs().iter();
            component.selected = pairs
                .find(|pair| pair.component == component.id && pair.nominated)
                .map(|pair| pair.id);
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
        let carries = |component: &Component, pair| matches!(component.active, Some(Active { pair: active, .. }) if active == pair);
        let components = &stream.components;
        old.checklist
            .conclude(|pair| components.iter().any(|component| carries(component, pair.id)));
        // A session that never carried data gives nothing to go back to; the one before it may
        // still be in use.
        if !old.checklist.pairs().is_empty() {
            for pair in old.checklist.pairs_mut() {
                pair.check = None;
                pair.triggered = None;
                pair.nominating = false;
            }
            let nominated = old.checklist.state == ChecklistState::Completed;
            old.checklist.state =
                if nominated { ChecklistState::Completed } else { ChecklistState::Running };
            stream.previous = Some(Box::new(old));
        }
        for component in &mut stream.components {
            component.selected = None;
            component.nomination_delay = Grace::NotStarted;
        }
    }

    /// The new session has had its pairs for long enough that nobody uses the old ones.
    pub(super) fn drop_previous(&mut self, index: usize) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        stream.previous = None;
        let (id, generation) = (stream.id, stream.session.generation);
        self.paths.retain(|path| path.component.stream != id || path.generation >= generation);
    }
}
