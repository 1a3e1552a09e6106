//! The states of streams and agent, what data is sent on, and the events that tell of both.

use super::Agent;
use crate::checklist::ChecklistState;
use crate::event::{ConnectionState, Event};
use crate::stream::{Active, Component, ComponentId, Grace, Stream};

impl Agent {
    /// Draws the consequences of whatever has changed: nominations, failures, paths, states.
    pub(super) fn update_streams(&mut self) {
        for index in 0..self.streams.len() {
            self.nominate(index);
            self.unfreeze_idle_foundations(index);
            self.give_up(index);
            self.update_active_pairs(index);
            self.update_disconnected(index);
            if let Some(stream) = self.streams.get_mut(index) {
                stream.state = stream_state(stream);
            }
        }
        let streams = self.streams.iter();
        self.any_disconnected = streams
            .clone()
            .flat_map(|stream| &stream.components)
            .any(|component| component.disconnected.is_some());
        if self.state != ConnectionState::Closed {
            self.state = ConnectionState::combine(streams.map(|stream| stream.state));
        }
    }

    /// A checklist has failed when some component has no pair that works or still could; but not
    /// before the PAC timer ends
    /// ([RFC 8863 §4](https://www.rfc-editor.org/rfc/rfc8863#section-4)).
    fn give_up(&mut self, index: usize) {
        let Some(stream) = self.streams.get(index) else { return };
        let checklist = &stream.session.checklist;
        let hopeless = |component: &Component| {
            !checklist.pairs().iter().any(|pair| {
                pair.component == component.id && (pair.is_valid() || pair.is_pending())
            })
        };
        if checklist.state == ChecklistState::Running
            && stream.session.patience == Grace::Over
            && stream.components.iter().any(hopeless)
        {
            tracing::debug!(stream = stream.id.0, "no pair works");
            self.fail_stream(index);
        }
    }

    /// Chooses what data is sent on: the selected pair, else the best that works
    /// ([RFC 8445 §12.1](https://www.rfc-editor.org/rfc/rfc8445#section-12.1)), else what
    /// worked before the restart.
    fn update_active_pairs(&mut self, index: usize) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        for component in &mut stream.components {
            let current = &stream.session;
            let active = component
                .selected
                .and_then(|selected| current.checklist.pair(selected))
                .filter(|pair| pair.is_valid())
                .or_else(|| current.checklist.best_valid(component.id))
                .map(|pair| (current.generation, pair))
                .or_else(|| {
                    let replaced = stream.replaced.as_deref()?;
                    Some((replaced.session.generation, replaced.best_valid(component.id)?))
                })
                .or_else(|| {
                    let previous = stream.previous.as_deref()?;
                    let pair = previous.checklist.best_valid(component.id)?;
                    Some((previous.generation, pair))
                })
                .map(|(generation, pair)| Active { generation, pair: pair.id, path: pair.path });
            if active != component.active {
                component.writable_unread |= component.active.is_none();
                component.writable_unread &= active.is_some();
                component.disconnected = None;
                component.active = active;
            }
        }
    }

    /// A path that is heard again is connected again.
    fn update_disconnected(&mut self, index: usize) {
        let Some(stream) = self.streams.get(index) else { return };
        let heard: Vec<u8> = stream
            .components
            .iter()
            .filter(|component| {
                component.disconnected.is_some_and(|since| {
                    self.heard(stream, component).is_none_or(|heard| heard > since)
                })
            })
            .map(|component| component.id)
            .collect();
        for component in heard {
            if let Some(component) = self.component_mut(index, component) {
                component.disconnected = None;
            }
        }
    }

    pub(super) fn component_mut(&mut self, stream: usize, component: u8) -> Option<&mut Component> {
        let components = &mut self.streams.get_mut(stream)?.components;
        components.get_mut(usize::from(component).checked_sub(1)?)
    }

    /// The next thing that the application was not told: roles and candidates first, states
    /// last, so that a state's causes are known when it is read.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.context.role_unread) {
            return Some(Event::RoleChange(self.context.role));
        }
        for stream in &mut self.streams {
            if let Some(local) = stream.local.get(stream.announced) {
                stream.announced += 1;
                let mut candidate = local.candidate.clone();
                candidate.ufrag = Some(stream.session.local.ufrag.clone());
                return Some(Event::LocalCandidate(stream.id, candidate));
            }
        }
        if self.gatherer.take_complete() {
            return Some(Event::GatheringComplete);
        }
        if let Some((path, component)) = self.paths.take_gone() {
            return Some(Event::PathGone(path, component.stream));
        }
        if let Some(path) = self.paths.take_unread() {
            let stream = path.component.stream;
            return Some(Event::PathValidated(path.five_tuple, stream, path.proof));
        }
        for stream in &mut self.streams {
            for component in &mut stream.components {
                let id = ComponentId { stream: stream.id, component: component.id };
                let path = component.active.map(|active| active.path);
                let changed = path.is_some() && path != component.told;
                if std::mem::take(&mut component.writable_unread) {
                    component.told = path;
                    return Some(Event::Writable(id));
                }
                if std::mem::take(&mut component.selected_unread) {
                    component.told = path;
                    return Some(Event::SelectedPair(id));
                }
                if changed {
                    component.told = path;
                    return Some(Event::PathChange(id));
                }
            }
        }
        for stream in &mut self.streams {
            let carrier = stream.session.carrier.as_mut();
            if let Some(embedded) = carrier.and_then(|carrier| carrier.received.pop_front()) {
                return Some(Event::Embedded(stream.id, embedded));
            }
        }
        for stream in &mut self.streams {
            if stream.state != stream.reported_state {
                stream.reported_state = stream.state;
                return Some(Event::StreamStateChange(stream.id, stream.state));
            }
        }
        if self.state != self.reported_state {
            self.reported_state = self.state;
            return Some(Event::StateChange(self.state));
        }
        None
    }
}

fn stream_state(stream: &Stream) -> ConnectionState {
    let components = || stream.components.iter();
    if stream.session.checklist.state == ChecklistState::Failed {
        ConnectionState::Failed
    } else if components().any(|component| component.disconnected.is_some()) {
        ConnectionState::Disconnected
    } else if components().all(|component| component.active.is_some()) {
        match stream.session.checklist.state {
            ChecklistState::Completed => ConnectionState::Completed,
            _ => ConnectionState::Connected,
        }
    } else if stream.session.remote.is_some() {
        ConnectionState::Checking
    } else if stream.previous.is_some()
        || stream.replaced.as_ref().is_some_and(|replaced| replaced.had_path)
    {
        // A restart waits for its answer, and the old path is gone meanwhile.
        ConnectionState::Disconnected
    } else {
        ConnectionState::New
    }
}
