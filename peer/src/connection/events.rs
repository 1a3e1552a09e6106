//! The queue of events: at most one of a kind for each object.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::mem::discriminant;

use siphasher::sip::SipHasher13;

use crate::data_channel::DataChannelId;
use crate::event::{Event, Readable};

/// Events that wait to be read, in the order in which they came.
///
/// Those about data channels stand apart: there may be several for each of 65 535 channels, too many
/// to be looked through for the next one. Of the others there are few.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Each with its number.
    others: VecDeque<(u64, Event)>,
    channels: VecDeque<(u64, DataChannelId, Kind)>,
    /// The kinds that wait, by channel: what stands in `channels` and not here was forgotten. It is
    /// never iterated, and its keys are ours: the hash needs no secret.
    waiting: HashMap<DataChannelId, u8, BuildHasherDefault<SipHasher13>>,
    /// How many in `channels` were forgotten.
    forgotten: usize,
    /// The number of the next event.
    next: u64,
}

/// What a data channel has to say, each kind a bit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Kind {
    Incoming = 1,
    Open = 2,
    Readable = 4,
    BufferedAmountLow = 8,
    Closing = 16,
    Close = 32,
}

impl Kind {
    /// The channel that an event is about, and what it says of it.
    const fn of(event: &Event) -> Option<(DataChannelId, Self)> {
        Some(match event {
            Event::DataChannel(id) => (*id, Self::Incoming),
            Event::DataChannelOpen(id) => (*id, Self::Open),
            Event::Readable(Readable::Channel(id)) => (*id, Self::Readable),
            Event::BufferedAmountLow(id) => (*id, Self::BufferedAmountLow),
            Event::DataChannelClosing(id) => (*id, Self::Closing),
            Event::DataChannelClose(id) => (*id, Self::Close),
            _ => return None,
        })
    }

    const fn event(self, id: DataChannelId) -> Event {
        match self {
            Self::Incoming => Event::DataChannel(id),
            Self::Open => Event::DataChannelOpen(id),
            Self::Readable => Event::Readable(Readable::Channel(id)),
            Self::BufferedAmountLow => Event::BufferedAmountLow(id),
            Self::Closing => Event::DataChannelClosing(id),
            Self::Close => Event::DataChannelClose(id),
        }
    }
}

impl Events {
    /// Adds an event. One that says the same of the same object as one that waits replaces it:
    /// a state that changed twice is told once, with its last value.
    pub(crate) fn push(&mut self, event: Event) {
        let number = self.next;
        self.next += 1;
        if let Some((id, kind)) = Kind::of(&event) {
            let kinds = self.waiting.entry(id).or_default();
            if *kinds & kind as u8 == 0 {
                *kinds |= kind as u8;
                self.channels.push_back((number, id, kind));
            }
            return;
        }
        if let Event::Track(track) = &event {
            // It has begun again before anyone has heard that it ended.
            let ended = Event::TrackEnded(track.transceiver);
            self.others.retain(|(_, waiting)| *waiting != ended);
        }
        let mut others = self.others.iter_mut().map(|(_, waiting)| waiting);
        if let Some(waiting) = others.find(|waiting| supersedes(&event, waiting)) {
            *waiting = event;
        } else {
            self.others.push_back((number, event));
        }
    }

    /// Forgets a channel of the other side that closed before anyone has heard of it. Returns
    /// whether it did.
    pub(crate) fn forget_unheard(&mut self, id: DataChannelId) -> bool {
        let kinds = self.waiting.get(&id).copied().unwrap_or_default();
        let unheard = kinds & Kind::Incoming as u8 != 0;
        if unheard {
            self.waiting.remove(&id);
            self.forgotten += kinds.count_ones() as usize;
            // Whoever opens and closes channels for ever fills no memory, and costs no more than that.
            if self.forgotten > self.channels.len() / 2 {
                let Self { channels, waiting, .. } = self;
                channels.retain(|(_, id, kind)| waits(waiting.get(id), *kind));
                self.forgotten = 0;
            }
        }
        unheard
    }

    /// Forgets what is not true any more before anyone has heard of it; not of channels.
    pub(crate) fn forget(&mut self, is_it: impl Fn(&Event) -> bool) {
        self.others.retain(|(_, event)| !is_it(event));
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        while let Some((number, id, kind)) = self.channels.front().copied() {
            if self.others.front().is_some_and(|(other, _)| *other < number) {
                break;
            }
            self.channels.pop_front();
            let Some(kinds) = self.waiting.get_mut(&id).filter(|own| waits(Some(own), kind)) else {
                self.forgotten = self.forgotten.saturating_sub(1);
                continue;
            };
            *kinds &= !(kind as u8);
            if *kinds == 0 {
                self.waiting.remove(&id);
            }
            return Some(kind.event(id));
        }
        self.others.pop_front().map(|(_, event)| event)
    }
}

/// Whether what waits for a channel is, among others, of this kind.
fn waits(waiting: Option<&u8>, kind: Kind) -> bool {
    waiting.is_some_and(|kinds| *kinds & kind as u8 != 0)
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

    /// As many channels as a session hands out names for.
    fn channels(count: u16) -> Vec<DataChannelId> {
        let now = crate::Origin::system().now;
        let config = sctp::data_channel::Config::default();
        let mut session = sctp::data_channel::Session::new(config, now, [7; 32]);
        let init = || sctp::data_channel::ChannelInit::default();
        (0..count).map(|_| DataChannelId(session.open(now, init()).expect("room"))).collect()
    }

    #[test]
    fn events_about_channels_keep_their_place_among_the_others() {
        let mut events = Events::default();
        let [a, b] = channels(2)[..] else { unreachable!("two") };
        let readable = |id| Event::Readable(Readable::Channel(id));
        let told = [
            Event::DataChannel(a),
            Event::NegotiationNeeded,
            readable(a),
            readable(b),
            Event::TrackEnded(TransceiverId(1)),
            Event::DataChannelClose(b),
        ];
        for event in told.iter().chain([&readable(a), &Event::NegotiationNeeded]) {
            events.push(event.clone());
        }
        assert_eq!(std::iter::from_fn(|| events.pop()).collect::<Vec<_>>(), told);
        // What was read may be told again.
        events.push(readable(a));
        assert_eq!(events.pop(), Some(readable(a)));
        assert_eq!(events.pop(), None);
        assert!(events.waiting.is_empty() && events.forgotten == 0);
    }

    #[test]
    fn each_event_costs_the_same_however_many_wait() {
        // Looking through all that wait, for each one, would take minutes.
        let ids = channels(60_000);
        let mut events = Events::default();
        let kinds = [Event::DataChannel, Event::DataChannelOpen, Event::DataChannelClosing];
        for _ in 0..2 {
            kinds.iter().for_each(|kind| ids.iter().for_each(|id| events.push(kind(*id))));
        }
        assert_eq!(events.channels.len(), 180_000);
        let (gone, left) = ids.split_at(30_000);
        assert!(gone.iter().all(|id| events.forget_unheard(*id)));
        assert!(gone.iter().all(|id| !events.forget_unheard(*id)));
        let told: Vec<_> = std::iter::from_fn(|| events.pop()).collect();
        let expected = kinds.iter().flat_map(|kind| left.iter().map(|id| kind(*id)));
        assert!(told.into_iter().eq(expected));
    }

    #[test]
    fn who_opens_and_closes_channels_unheard_fills_no_memory() {
        let mut events = Events::default();
        for id in channels(10_000) {
            events.push(Event::DataChannel(id));
            events.push(Event::Readable(Readable::Channel(id)));
            assert!(events.forget_unheard(id));
            assert!(events.channels.len() <= 4 && events.waiting.is_empty());
        }
        assert_eq!(events.pop(), None);
    }
}
