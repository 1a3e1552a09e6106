//! Giving messages up ([RFC 3758 §3.5](https://www.rfc-editor.org/rfc/rfc3758#section-3.5)).

use super::{Outstanding, Sent, State};
use crate::chunk::data;
use crate::tsn::Tsn;
use bytes::Bytes;

impl Outstanding {
    /// Gives up the message of the chunk at `index`, all its fragments (RFC 3758 §3.5 A3); gives
    /// the stream when fragments of it are still to be sent.
    pub(super) fn abandon_message(&mut self, index: usize) -> Option<u16> {
        let mut first = index;
        while first > 0
            && self.chunks.get(first).is_some_and(|chunk| chunk.flags & data::BEGIN == 0)
        {
            first -= 1;
        }
        let mut unfinished = None;
        for chunk in self.chunks.range_mut(first..) {
            match chunk.state {
                State::InFlight => self.in_flight -= chunk.wire_len(),
                State::Marked => self.marked -= 1,
                State::Acknowledged => self.beyond -= 1,
                State::Abandoned => {}
            }
            if matches!(chunk.state, State::InFlight | State::Marked) {
                self.payload -= chunk.payload.len();
            }
            if chunk.state != State::Abandoned {
                self.abandoned += 1;
            }
            chunk.state = State::Abandoned;
            chunk.payload = Bytes::new();
            if chunk.flags & data::END != 0 {
                return None;
            }
            unfinished = Some((chunk.stream, chunk.ssn, chunk.flags & data::UNORDERED));
        }
        // The rest has no number yet: one number stands for it, so that the receiver sees the
        // message end before the next one begins.
        let (stream, ssn, unordered) = unfinished?;
        let sent_at = self.chunks.back()?.sent_at;
        self.abandoned += 1;
        self.chunks.push_back(Sent {
            payload: Bytes::new(),
            sent_at,
            expires: None,
            ppid: 0,
            max_retransmits: None,
            stream,
            ssn,
            transmissions: 1,
            flags: data::END | unordered,
            misses: 0,
            state: State::Abandoned,
        });
        Some(stream)
    }

    /// Whether the peer waits for something that was given up: a FORWARD TSN is due.
    pub(crate) fn must_forward(&self) -> bool {
        self.abandoned > 0
            && self.chunks.front().is_some_and(|chunk| chunk.state == State::Abandoned)
    }

    /// The Advanced.Peer.Ack.Point (RFC 3758 §3.5 C1, C2), with the last number of each ordered
    /// stream that it skips, as many as fit into `room` entries.
    pub(crate) fn forward_point(&self, room: usize, streams: &mut Vec<(u16, u16)>) -> Tsn {
        let mut point = self.cumulative;
        for chunk in &self.chunks {
            // C2 names only what is abandoned: past a chunk that the peer has, it would drop the
            // beginning of a message whose end is still to come.
            if chunk.state != State::Abandoned {
                break;
            }
            if !chunk.is_unordered() {
                let known = streams.iter_mut().find(|(stream, _)| *stream == chunk.stream);
                if let Some((_, ssn)) = known {
                    *ssn = chunk.ssn;
                } else if streams.len() < room {
                    streams.push((chunk.stream, chunk.ssn));
                } else {
                    break;
                }
            }
            point = point.next();
        }
        point
    }
}
