//! What checks and their responses carry for the protocol above, so that its handshake need not
//! wait for ICE ([draft-hancke-webrtc-sped](https://datatracker.ietf.org/doc/draft-hancke-webrtc-sped/)).
//!
//! ICE does not know what it is. It puts a datagram and acknowledgements into its messages, hands
//! out what the other side's messages have, and leaves the rest to whoever reads them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stun::{AttributeType, FiveTuple, Message, MessageWriter};

use crate::config::Config;

/// What the Binding messages of a stream carry, besides what is ICE's:
/// [`Agent::set_embedding`](crate::Agent::set_embedding).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Embedding {
    /// Datagrams on their way. Each message carries one of them, on each path in turn; none when
    /// there are none. Those that fit no message
    /// ([`Agent::embedding_room`](crate::Agent::embedding_room)) are passed over. A response to an
    /// address from which no check was answered, as to all where we are lite, has none that would
    /// make it more than three times as long as the request.
    pub datagrams: Vec<Arc<[u8]>>,
    /// What has arrived, each datagram by its [CRC-32](stun::crc32). A message has room for the
    /// last four.
    pub acknowledgements: Vec<u32>,
}

/// What an authenticated Binding message of the other side carried:
/// [`Event::Embedded`](crate::Event::Embedded).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Embedded {
    /// The datagram; an empty one says that there was none to carry.
    pub datagram: Option<Vec<u8>>,
    /// What it acknowledges. Neither this nor a datagram: the other side does not do this.
    pub acknowledgements: Option<Vec<u32>>,
}

/// Acknowledgements in a message, at most ("up to four CRC-32 values").
const MAX_ACKNOWLEDGEMENTS: usize = 4;

/// The time from a check to one whose only purpose is the datagram in it: the least Ta that
/// [RFC 8445 §14.2](https://www.rfc-editor.org/rfc/rfc8445#section-14.2) allows. Responses are not
/// paced.
const SPACING: Duration = Duration::from_millis(5);

/// How long a datagram may be so that a message with it, and all the attributes that it can have,
/// is no longer than `limit`:
///
/// ```text
/// header 20, USERNAME 4 + 4n, PRIORITY 8, ICE-CONTROLLING 12, USE-CANDIDATE 4,
/// acknowledgements 4 + 16, datagram 4, MESSAGE-INTEGRITY 24, FINGERPRINT 8
/// ```
///
/// A response has XOR-MAPPED-ADDRESS (24) and may have MESSAGE-INTEGRITY-SHA256 (36): 112 in all,
/// which is less once a USERNAME has eight characters, and it has nine at least.
pub(crate) fn room(config: &Config, username: usize) -> usize {
    let overhead = 104 + username.next_multiple_of(4).max(8);
    config.max_message_size.saturating_sub(overhead) & !3
}

/// How long a datagram may be in the response to a request of this length, while it is not known
/// whether the other side is where the request says that it came from: what is sent there is no more
/// than three times what came, as in
/// [RFC 9147 §5.1](https://www.rfc-editor.org/rfc/rfc9147#section-5.1), both with their headers.
pub(crate) const fn unconfirmed_room(request: usize) -> usize {
    /// What a response is longer than its datagram, at most: see [`room`].
    const RESPONSE: usize = 112;
    /// IPv4 20, UDP 8.
    const HEADERS: usize = 28;
    (3 * (request + HEADERS)).saturating_sub(HEADERS + RESPONSE) & !3
}

/// The embedding of a stream and how far it is sent.
#[derive(Debug, Default)]
pub(crate) struct Carrier {
    embedding: Embedding,
    turns: Vec<Turn>,
    max_turns: usize,
    /// When the last check left.
    checked: Option<Instant>,
    pub(crate) received: VecDeque<Embedded>,
}

/// The next datagram on a path: whatever gets lost on one does not on another.
#[derive(Debug)]
struct Turn {
    path: FiveTuple,
    next: usize,
}

impl Carrier {
    /// On how many paths the datagrams are carried is bounded by `max_turns`: the other side names
    /// paths by checks from as many addresses as it likes.
    pub(crate) fn set(&mut self, mut embedding: Embedding, max_turns: usize) {
        let surplus = embedding.acknowledgements.len().saturating_sub(MAX_ACKNOWLEDGEMENTS);
        embedding.acknowledgements.drain(..surplus);
        if embedding.datagrams != self.embedding.datagrams {
            self.turns.clear();
        }
        self.embedding = embedding;
        self.max_turns = max_turns;
    }

    /// When a check is due on a path for the sake of a datagram that it has not carried yet.
    pub(crate) fn due(&self, now: Instant, path: &FiveTuple) -> Option<Instant> {
        let datagrams = self.embedding.datagrams.len();
        if datagrams == 0 {
            return None;
        }
        let due = self.checked.map_or(now, |checked| checked + SPACING);
        let is_due = match self.turns.iter().find(|turn| turn.path == *path) {
            Some(turn) => turn.next < datagrams,
            None => self.turns.len() < self.max_turns,
        };
        is_due.then_some(due)
    }

    /// Says that a check leaves.
    pub(crate) const fn check_leaves(&mut self, now: Instant) {
        self.checked = Some(now);
    }

    /// Appends both attributes to a message: "It is recommended that this attribute
    /// [the acknowledgements] is included before the META-DTLS-IN-STUN attribute."
    ///
    /// Messages have `room`, and this one may use of it what is `allowed`: a datagram that is longer
    /// keeps its turn.
    pub(crate) fn write<'b>(
        &mut self,
        path: FiveTuple,
        room: usize,
        allowed: usize,
        writer: MessageWriter<'b>,
    ) -> MessageWriter<'b> {
        let mut value = [0; 4 * MAX_ACKNOWLEDGEMENTS];
        let acknowledgements = &self.embedding.acknowledgements;
        let (words, _) = value.as_chunks_mut::<4>();
        words.iter_mut().zip(acknowledgements).for_each(|(word, crc)| *word = crc.to_be_bytes());
        let value = value.get(..4 * acknowledgements.len()).unwrap_or_default();
        let writer = writer.attribute(AttributeType::MetaDtlsInStunAcknowledgement, value);
        let datagram = self.take_turn(path, room, allowed);
        writer.attribute(AttributeType::MetaDtlsInStun, datagram.as_deref().unwrap_or_default())
    }

    fn take_turn(&mut self, path: FiveTuple, room: usize, allowed: usize) -> Option<Arc<[u8]>> {
        let datagrams = &self.embedding.datagrams;
        if datagrams.is_empty() {
            return None;
        }
        let known = self.turns.iter().position(|turn| turn.path == path);
        let at = known.unwrap_or(self.turns.len());
        if known.is_none() {
            // None makes room: whoever could take another's turn could have it begin anew.
            if self.turns.len() >= self.max_turns {
                return None;
            }
            self.turns.push(Turn { path, next: 0 });
        }
        let turn = self.turns.get_mut(at)?;
        let from = turn.next.checked_rem(datagrams.len())?;
        let order = (from..datagrams.len()).chain(0..from);
        let fits = |&at: &usize| datagrams.get(at).is_some_and(|own| own.len() <= room);
        let Some(chosen) = order.into_iter().find(fits) else {
            // None of them ever will.
            turn.next = datagrams.len();
            return None;
        };
        let datagram = datagrams.get(chosen).filter(|datagram| datagram.len() <= allowed)?;
        // Counts on beyond the first round, which says that everything was carried once.
        turn.next += 1 + (chosen + datagrams.len() - from) % datagrams.len();
        Some(Arc::clone(datagram))
    }

    /// Keeps what an authenticated message carried; returns how many older ones were dropped.
    pub(crate) fn receive(&mut self, message: &Message<'_>, limit: usize) -> u64 {
        let value = |kind| message.attribute(kind);
        let acknowledgements = value(AttributeType::MetaDtlsInStunAcknowledgement);
        // "If the length of the value is not a multiple of four or exceeds 16 bytes this
        // attribute SHOULD be silently discarded."
        let acknowledgements = acknowledgements.and_then(|value| {
            let (words, rest) = value.as_chunks::<4>();
            let fits = rest.is_empty() && words.len() <= MAX_ACKNOWLEDGEMENTS;
            fits.then(|| words.iter().map(|word| u32::from_be_bytes(*word)).collect())
        });
        let datagram = value(AttributeType::MetaDtlsInStun).map(<[u8]>::to_vec);
        let mut dropped = 0;
        while self.received.len() >= limit.max(1) {
            self.received.pop_front();
            dropped += 1;
        }
        self.received.push_back(Embedded { datagram, acknowledgements });
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(carrier: &mut Carrier, now: Instant, path: FiveTuple) -> Vec<u8> {
        carrier.check_leaves(now);
        carrier.take_turn(path, 100, 100).map(|own| own.to_vec()).unwrap_or_default()
    }

    fn path(port: u16) -> FiveTuple {
        FiveTuple::udp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], port).into())
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    fn each_path_carries_all_datagrams_in_turn() {
        let now = Instant::now();
        let mut carrier = Carrier::default();
        let datagrams: Vec<Arc<[u8]>> = vec![[1].into(), [2; 101].into(), [3].into()];
        carrier.set(Embedding { datagrams: datagrams.clone(), acknowledgements: vec![] }, 9);
        assert_eq!(carrier.due(now, &path(1)), Some(now));
        assert_eq!(carried(&mut carrier, now, path(1)), [1]);
        assert_eq!(carried(&mut carrier, now, path(2)), [1]);
        assert_eq!(carrier.due(now, &path(1)), Some(now + SPACING));
        // The second fits no message.
        assert_eq!(carried(&mut carrier, now, path(1)), [3]);
        assert_eq!(carrier.due(now, &path(1)), None);
        assert_eq!(carried(&mut carrier, now, path(1)), [1]);
        assert_eq!(carried(&mut carrier, now, path(1)), [3]);
        // Acknowledgements alone do not begin anew, other datagrams do.
        carrier.set(Embedding { datagrams: datagrams.clone(), acknowledgements: vec![7; 9] }, 9);
        assert_eq!(carrier.embedding.acknowledgements.len(), 4);
        assert_eq!(carried(&mut carrier, now, path(2)), [3]);
        carrier.set(Embedding { datagrams: datagrams[2..].to_vec(), acknowledgements: vec![] }, 9);
        assert_eq!(carrier.due(now, &path(2)), Some(now + SPACING));
        assert_eq!(carried(&mut carrier, now, path(2)), [3]);
        carrier.set(Embedding::default(), 9);
        assert_eq!(carrier.due(now, &path(2)), None);
        assert_eq!(carried(&mut carrier, now, path(2)), []);
    }
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    fn no_more_paths_are_remembered_than_may_be() {
        let now = Instant::now();
        let mut carrier = Carrier::default();
        carrier.set(Embedding { datagrams: vec![], acknowledgements: vec![7] }, 9);
        (1..1000).for_each(|port| assert_eq!(carried(&mut carrier, now, path(port)), []));
        assert_eq!(carrier.turns.len(), 0, "there is nothing to take turns with");

        let datagrams: Vec<Arc<[u8]>> = vec![[1].into(), [2].into()];
        carrier.set(Embedding { datagrams, acknowledgements: vec![] }, 9);
        (1..10).for_each(|port| assert_eq!(carried(&mut carrier, now, path(port)), [1]));
        (10..1000).for_each(|port| assert_eq!(carried(&mut carrier, now, path(port)), []));
        assert_eq!(carrier.turns.len(), 9);
        assert_eq!(carrier.due(now, &path(10)), None, "it would be for ever");
        // Those who have a turn keep it.
        assert_eq!(carrier.due(now, &path(1)), Some(now + SPACING));
        assert_eq!(carried(&mut carrier, now, path(1)), [2]);
    }
}
