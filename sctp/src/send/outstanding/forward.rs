//! Giving messages up ([RFC 3758 §3.5](https://www.rfc-editor.org/rfc/rfc3758#section-3.5)).

use super::{Outstanding, Sent, State};
use crate::chunk::data::{self, Form};
use crate::chunk::forward_tsn::{Skipped, entry_len};
use crate::message::Order;
use crate::tsn::Tsn;
use bytes::Bytes;

/// A message that was given up before all of it had been sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unfinished {
    pub(crate) form: Form,
    pub(crate) stream: u16,
    pub(crate) order: Order,
    /// The stream sequence number, or the message identifier.
    pub(crate) message: u32,
}

impl Outstanding {
    /// Gives up the message of the chunk at `index`, all its fragments (RFC 3758 §3.5 A3); gives
    /// the message when fragments of it are still to be sent.
    pub(super) fn abandon_message(&mut self, index: usize) -> Option<Unfinished> {
        let chunk = self.chunks.get(index)?;
        let message = Unfinished {
            form: chunk.form,
            stream: chunk.stream,
            order: chunk.order(),
            message: chunk.message,
        };
        let finished = match message.form {
            Form::Data => self.abandon_neighbours(index),
            Form::IData => self.abandon_fragments(message, Some(index)),
        };
        if finished {
            return None;
        }
        self.close(message);
        Some(message)
    }

    /// DATA: the fragments of a message follow each other. Gives whether the last one is there.
    fn abandon_neighbours(&mut self, index: usize) -> bool {
        let mut first = index;
        while first > 0
            && self.chunks.get(first).is_some_and(|chunk| chunk.flags & data::BEGIN == 0)
        {
            first -= 1;
        }
        for index in first..self.chunks.len() {
            if self.abandon_chunk(index) {
                return true;
            }
        }
        false
    }

    /// I-DATA: fragments of other messages may lie between. The message is that of the chunk `at`,
    /// or the newest of this number: after a reset of its stream an older one may have the same.
    /// Gives whether the last one is there.
    fn abandon_fragments(&mut self, message: Unfinished, at: Option<usize>) -> bool {
        let belongs = |chunk: &Sent| {
            chunk.stream == message.stream
                && chunk.message == message.message
                && chunk.order() == message.order
        };
        let begins = |chunk: &Sent| chunk.flags & data::BEGIN != 0;
        let mut first = at.unwrap_or(self.chunks.len());
        if !self.chunks.get(first).is_some_and(begins) {
            for (index, chunk) in self.chunks.iter().enumerate().take(first).rev() {
                if !belongs(chunk) {
                    continue;
                }
                if chunk.flags & data::END != 0 {
                    break;
                }
                first = index;
                if begins(chunk) {
                    break;
                }
            }
        }
        for index in first..self.chunks.len() {
            if self.chunks.get(index).is_some_and(belongs) && self.abandon_chunk(index) {
                return true;
            }
        }
        false
    }

    /// Gives up a chunk; gives whether it is the last one of its message.
    fn abandon_chunk(&mut self, index: usize) -> bool {
        let Some(chunk) = self.chunks.get_mut(index) else { return false };
        match chunk.state {
            State::InFlight => self.in_flight -= chunk.wire_len(),
            State::Marked => self.marked -= 1,
            State::Acknowledged | State::Abandoned => {}
        }
        if matches!(chunk.state, State::InFlight | State::Marked) {
            self.payload -= chunk.payload.len();
        }
        if chunk.state != State::Abandoned {
            self.abandoned += 1;
        }
        chunk.state = State::Abandoned;
        chunk.payload = Bytes::new();
        chunk.flags & data::END != 0
    }

    /// Gives up a message of which some fragments were sent, and none is outstanding perhaps.
    pub(crate) fn abandon_unfinished(&mut self, message: Unfinished) {
        self.abandon_fragments(message, None);
        self.close(message);
    }

    /// The rest of a message has no number yet: one number stands for it, so that the receiver
    /// sees the message end before the next one begins.
    fn close(&mut self, message: Unfinished) {
        let unordered = if message.order == Order::Unordered { data::UNORDERED } else { 0 };
        self.abandoned += 1;
        self.chunks.push_back(Sent {
            payload: Bytes::new(),
            expires: None,
            // It is never in flight.
            packet: 0,
            ppid_or_fsn: 0,
            max_retransmits: None,
            message: message.message,
            stream: message.stream,
            transmissions: 1,
            form: message.form,
            flags: data::END | unordered,
            state: State::Abandoned,
        });
    }

    /// Whether the peer waits for something that was given up: a FORWARD TSN is due.
    pub(crate) fn must_forward(&self) -> bool {
        self.abandoned > 0
            && self.chunks.front().is_some_and(|chunk| chunk.state == State::Abandoned)
    }

    /// The Advanced.Peer.Ack.Point (RFC 3758 §3.5 C1, C2), with the last number of each stream that
    /// it skips, as many as fit into `room` bytes. I-FORWARD-TSN names unordered messages, too
    /// ([RFC 8260 §2.3.1](https://www.rfc-editor.org/rfc/rfc8260#section-2.3.1)).
    pub(crate) fn forward_point(&self, form: Form, room: usize, streams: &mut Vec<Skipped>) -> Tsn {
        let mut point = self.cumulative;
        for chunk in &self.chunks {
            // C2 names only what is abandoned: past a chunk that the peer has, it would drop the
            // beginning of a message whose end is still to come.
            if chunk.state != State::Abandoned {
                break;
            }
            let order = chunk.order();
            if order == Order::Ordered || form == Form::IData {
                let known = streams
                    .iter_mut()
                    .find(|known| known.stream == chunk.stream && known.order == order);
                if let Some(known) = known {
                    known.message = chunk.message;
                } else if (streams.len() + 1) * entry_len(form) <= room {
                    let (stream, message) = (chunk.stream, chunk.message);
                    streams.push(Skipped { stream, order, message });
                } else {
                    break;
                }
            }
            point = point.next();
        }
        point
    }
}
