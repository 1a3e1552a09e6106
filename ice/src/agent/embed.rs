//! What messages carry for the protocol above.

use std::time::Instant;

use stun::Message;

use super::Agent;
use crate::embedding::{Embedding, room};
use crate::stream::StreamId;

impl Agent {
    /// Says what the checks and responses of a stream carry from now on, until it is said
    /// otherwise; `None`: nothing, and what the other side's carry is not looked at.
    ///
    /// While no pair of the stream works, a check is repeated early for each datagram that has not
    /// been carried on its path. Once one works, the layer above has a better way; messages that
    /// are sent anyway go on carrying.
    pub fn set_embedding(&mut self, now: Instant, id: StreamId, embedding: Option<Embedding>) {
        self.advance(now);
        let max_turns = self.context.config.max_paths;
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) else { return };
        match embedding {
            Some(embedding) => {
                stream.session.carrier.get_or_insert_default().set(embedding, max_turns);
            }
            None => stream.session.carrier = None,
        }
        self.settle();
    }

    /// Returns the length in bytes of the longest datagram that every message of a stream can
    /// carry within [`Config::max_message_size`](crate::Config::max_message_size). It is exact
    /// once the other side's credentials are known.
    pub fn embedding_room(&self, id: StreamId) -> usize {
        /// No implementation is known to make longer fragments.
        const USUAL_UFRAG: usize = 32;
        let username = self.stream(id).map_or(0, |stream| match &stream.session.remote {
            Some(remote) => remote.username.len(),
            None => stream.session.local.ufrag.len() + 1 + USUAL_UFRAG,
        });
        room(&self.context.config, username)
    }

    /// Keeps what an authenticated message of the current session carried.
    pub(super) fn receive_embedded(
        &mut self,
        stream: usize,
        generation: u32,
        message: &Message<'_>,
    ) {
        let limit = self.context.config.max_embedded;
        let Some(session) = self.streams.get_mut(stream).map(|stream| &mut stream.session) else {
            return;
        };
        if let Some(carrier) = &mut session.carrier
            && session.generation == generation
        {
            self.context.counters.dropped_embedded += carrier.receive(message, limit);
        }
    }
}
