//! The queue of events: at most one of a kind for each object.

use std::collections::VecDeque;
use std::mem::discriminant;

use crate::event::Event;

/// Events that wait to be read.
#[derive(Debug, Default)]
pub(crate) struct Events(VecDeque<Event>);

impl Events {
    /// Adds an event. One that says the same of the same object as one that waits replaces it:
    /// a state that changed twice is told once, with its last value.
    pub(crate) fn push(&mut self, event: Event) {
        if let Some(waiting) = self.0.iter_mut().find(|waiting| supersedes(&event, waiting)) {
            *waiting = event;
        } else {
            self.0.push_back(event);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.0.pop_front()
    }
}

/// Whether `new` makes `old` superfluous.
fn supersedes(new: &Event, old: &Event) -> bool {
    match new {
        Event::SignalingStateChange(_)
        | Event::IceGatheringStateChange(_)
        | Event::IceConnectionStateChange(_)
        | Event::ConnectionStateChange(_) => discriminant(new) == discriminant(old),
        _ => new == old,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signalling::ConnectionState;

    #[test]
    fn tells_a_state_that_changed_twice_once() {
        let mut events = Events::default();
        events.push(Event::ConnectionStateChange(ConnectionState::Connecting));
        events.push(Event::NegotiationNeeded);
        events.push(Event::ConnectionStateChange(ConnectionState::Connected));
        assert_eq!(events.pop(), Some(Event::ConnectionStateChange(ConnectionState::Connected)));
        assert_eq!(events.pop(), Some(Event::NegotiationNeeded));
        assert_eq!(events.pop(), None);
    }
}
