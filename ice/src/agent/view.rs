//! What can be asked of an agent.

use std::time::Duration;

use stun::FiveTuple;

use super::Agent;
use crate::candidate::{Candidate, same_address};
use crate::counters::Counters;
use crate::event::ConnectionState;
use crate::pair::{Pair, PairView};
use crate::stream::{ComponentId, Session, Stream, StreamId};

impl Agent {
    /// Returns where to send a component's data: the selected pair, before nomination the best
    /// pair that works ([RFC 8445 §12.1](https://www.rfc-editor.org/rfc/rfc8445#section-12.1)).
    /// `None` while no pair works or consent is lost.
    #[inline]
    pub fn send_path(&self, component: ComponentId) -> Option<FiveTuple> {
        let stream = self.stream(component.stream)?;
        Some(stream.component(component.component)?.active?.path)
    }

    /// Returns the last round-trip time measured on the pair that carries a component's data.
    pub fn round_trip_time(&self, component: ComponentId) -> Option<Duration> {
        let stream = self.stream(component.stream)?;
        let pair = stream.active_pair(stream.component(component.component)?)?;
        pair.stats.current_round_trip_time
    }

    /// Returns whether an authenticated check of the other side has come since the last restart: it
    /// has our credentials, and so whatever was signalled with them.
    pub fn has_been_checked(&self, id: StreamId) -> bool {
        self.stream(id).is_some_and(|stream| stream.session.checked)
    }

    /// Returns the state of the whole agent.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// Returns the state of a stream.
    pub fn stream_state(&self, id: StreamId) -> Option<ConnectionState> {
        Some(self.stream(id)?.state)
    }

    /// Returns the nominated pair of a component, as long as it works.
    pub fn selected_pair(&self, component: ComponentId) -> Option<PairView<'_>> {
        let stream = self.stream(component.stream)?;
        let selected = stream.component(component.component)?.selected?;
        let session = &stream.session;
        view(stream, session, session.checklist.pair(selected)?)
    }

    /// Returns the pair that carries a component's data.
    pub fn active_pair(&self, component: ComponentId) -> Option<PairView<'_>> {
        let stream = self.stream(component.stream)?;
        let active = stream.component(component.component)?.active?;
        let session = stream.session(active.generation)?;
        view(stream, session, session.checklist.pair(active.pair)?)
    }

    /// Returns all pairs, stream by stream, the best first; those of before a restart last.
    pub fn pairs(&self) -> impl Iterator<Item = PairView<'_>> {
        self.streams.iter().flat_map(|stream| {
            stream.sessions().flat_map(move |session| {
                let pairs = session.checklist.pairs().iter();
                pairs.filter_map(move |pair| view(stream, session, pair))
            })
        })
    }

    /// Returns our candidates of a stream, in the order in which they were found.
    pub fn local_candidates(&self, id: StreamId) -> impl Iterator<Item = &Candidate> {
        self.stream(id).into_iter().flat_map(|stream| &stream.local).map(|local| &local.candidate)
    }

    /// Returns the other side's candidates of a stream, signalled and peer-reflexive.
    pub fn remote_candidates(&self, id: StreamId) -> impl Iterator<Item = &Candidate> {
        self.stream(id).into_iter().flat_map(|stream| stream.session.remote_candidates())
    }

    /// Returns the paths that are proved: on them data is accepted.
    pub fn proved_paths(&self) -> impl Iterator<Item = (FiveTuple, ComponentId)> {
        self.paths.iter().map(|path| (path.five_tuple, path.component))
    }

    /// Returns what was dropped, and why.
    pub fn counters(&self) -> &Counters {
        &self.context.counters
    }
}

fn view<'a>(stream: &'a Stream, session: &'a Session, pair: &Pair) -> Option<PairView<'a>> {
    let local = stream.local.iter().find(|local| {
        local.is_base()
            && local.candidate.component == pair.component
            && same_address(local.base, pair.path.local)
    })?;
    let component = stream.component(pair.component)?;
    let in_use = component
        .active
        .is_some_and(|active| active.generation == session.generation && active.pair == pair.id);
    Some(PairView {
        component: ComponentId { stream: stream.id, component: pair.component },
        path: pair.path,
        local: &local.candidate,
        remote: session.remote_candidate(pair.component, pair.path.remote)?,
        mapped_address: pair.mapped,
        state: pair.state,
        nominated: pair.nominated,
        in_use,
        priority: pair.priority,
        current_round_trip_time: pair.stats.current_round_trip_time,
        total_round_trip_time: pair.stats.total_round_trip_time,
        requests_sent: pair.stats.requests_sent,
        requests_received: pair.stats.requests_received,
        responses_sent: pair.stats.responses_sent,
        responses_received: pair.stats.responses_received,
        consent_requests_sent: pair.stats.consent_requests_sent,
        consent_until: pair.consent.map(|consent| consent.until),
    })
}
