//! The queue of events: at most one of a kind for each object.

use std::collections::VecDeque;
use std::mem::discriminant;

use crate::data_channel::DataChannelId;
use crate::event::{Event, Readable, SocketId, SocketRequest};

/// Events that wait to be read.
#[derive(Debug, Default)]
pub(crate) struct Events(VecDeque<Event>);

impl Events {
    /// Adds an event. One that says the same of the same object as one that waits replaces it:
    /// a state that changed twice is told once, with its last value.
    pub(crate) fn push(&mut self, event: Event) {
        if let Event::Track(track) = &event {
            // It has begun again before anyone has heard that it ended.
            let ended = Event::TrackEnded(track.transceiver);
            self.0.retain(|waiting| *waiting != ended);
        }
        if let Some(waiting) = self.0.iter_mut().find(|waiting| supersedes(&event, waiting)) {
            *waiting = event;
        } else {
            self.0.push_back(event);
        }
    }

    /// Forgets a channel of the other side that closed before anyone has heard of it. Returns
    /// whether it did.
    pub(crate) fn forget_unheard(&mut self, id: DataChannelId) -> bool {
        let unheard = self.0.contains(&Event::DataChannel(id));
        if unheard {
            self.0.retain(|event| channel_of(event) != Some(id));
        }
        unheard
    }

    /// Forgets a socket that is not wanted any more before anyone has heard of it.
    pub(crate) fn forget_request(&mut self, gone: SocketId) {
        let is_it = |event: &Event| matches!(event, Event::Socket(SocketRequest::Bind { id, .. }) if *id == gone);
        self.0.retain(|event| !is_it(event));
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
        // The same track with other streams.
        Event::Track(new) => {
            matches!(old, Event::Track(old) if old.transceiver == new.transceiver)
        }
        _ => new == old,
    }
}

/// The data channel that an event is about.
const fn channel_of(event: &Event) -> Option<DataChannelId> {
    match event {
        Event::DataChannel(id)
        | Event::DataChannelOpen(id)
        | Event::DataChannelClosing(id)
        | Event::DataChannelClose(id)
        | Event::BufferedAmountLow(id)
        | Event::Readable(Readable::Channel(id)) => Some(*id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TrackEvent;
    use crate::media::MediaKind;
    use crate::media::transceiver::TransceiverId;
    use crate::signalling::ConnectionState;

    #[test]
    fn a_track_that_ends_and_begins_again_unheard_is_told_as_it_is() {
        let mut events = Events::default();
        let transceiver = TransceiverId(3);
        let (kind, track_id) = (MediaKind::Audio, None);
        for stream in ["one", "two", "three"] {
            let (streams, track_id) = (vec![stream.to_owned()], track_id.clone());
            events.push(Event::Track(TrackEvent { transceiver, kind, streams, track_id }));
            events.push(Event::TrackEnded(transceiver));
        }
        let streams = vec!["four".to_owned()];
        let last = Event::Track(TrackEvent { transceiver, kind, streams, track_id });
        events.push(last.clone());
        assert_eq!(events.pop(), Some(last));
        assert_eq!(events.pop(), None);
    }

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
