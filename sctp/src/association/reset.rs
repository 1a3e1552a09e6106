//! Stream reconfiguration ([RFC 6525](https://www.rfc-editor.org/rfc/rfc6525)): the reset of
//! streams, by which a data channel ends and its number becomes free, and more streams.

mod handover;

use super::pending::Control;
use super::{Association, State};
use crate::chunk::parameter::{self, Parameters};
use crate::chunk::re_config::{self, Request, ResetResult, StreamNumbers};
use crate::chunk::{Chunk, padded};
use crate::event::Event;
use crate::tsn::Tsn;
use std::collections::BTreeSet;
use std::time::Instant;

/// What is known of resets in both directions.
#[derive(Debug)]
pub(crate) struct Reset {
    /// Both sides have RFC 6525.
    supported: bool,
    /// The number of our next request.
    next_request: u32,
    /// Our request that is not answered.
    open: Option<Box<Open>>,
    timer: Option<Instant>,
    /// The number that the peer's next request has.
    expected: u32,
    /// How the peer's last requests were answered, the latest first: as many as a RE-CONFIG has.
    answers: [ResetResult; 2],
    /// The peer's request that waits for data of before it (§5.2.2 E2).
    deferred: Option<Box<Deferred>>,
    /// Streams to add that the peer was not asked for yet: to send on, and of the peer's.
    add_outgoing: u16,
    add_incoming: u16,
    /// What the application has not been told.
    incoming: BTreeSet<u16>,
    outgoing: BTreeSet<u16>,
    added: bool,
    refused: bool,
}

#[derive(Debug)]
struct Open {
    sequence: u32,
    asked: Asked,
    /// The peer said that it is at it: to ask again is no sign of a dead path.
    in_progress: bool,
}

/// What a request asks for.
#[derive(Debug)]
enum Asked {
    /// §4.1.
    Reset(Streams),
    /// §4.5.
    AddOutgoing(u16),
    /// §4.6.
    AddIncoming(u16),
}

/// Streams that are being reset.
#[derive(Debug)]
struct Streams {
    last_assigned_tsn: Tsn,
    numbers: Vec<u16>,
    /// Those of them that the peer has shown to be reset, though its answer is still to come.
    confirmed: Vec<u16>,
}

impl Open {
    /// The streams that are being reset, if that was asked for.
    const fn streams(&mut self) -> Option<&mut Streams> {
        match &mut self.asked {
            Asked::Reset(streams) => Some(streams),
            Asked::AddOutgoing(_) | Asked::AddIncoming(_) => None,
        }
    }
}

#[derive(Debug)]
struct Deferred {
    sequence: u32,
    last_assigned_tsn: Tsn,
    /// None stands for all.
    streams: Vec<u16>,
}

impl Reset {
    pub(crate) const fn new(sequence: Tsn, expected: Tsn) -> Self {
        Self {
            supported: false,
            next_request: sequence.0,
            open: None,
            timer: None,
            expected: expected.0,
            answers: [ResetResult::BadSequenceNumber; 2],
            deferred: None,
            add_outgoing: 0,
            add_incoming: 0,
            incoming: BTreeSet::new(),
            outgoing: BTreeSet::new(),
            added: false,
            refused: false,
        }
    }

    /// Requests are numbered from the initial TSNs (§4.1).
    pub(crate) fn begin(&mut self, sequence: Tsn, expected: Tsn, supported: bool) {
        let (add_outgoing, add_incoming) = (self.add_outgoing, self.add_incoming);
        *self = Self { supported, add_outgoing, add_incoming, ..Self::new(sequence, expected) };
    }

    /// There is nothing to be done for these: the peer does not have them.
    pub(crate) fn count_as_reset(&mut self, mut streams: BTreeSet<u16>) {
        self.outgoing.append(&mut streams);
    }

    pub(crate) fn stop(&mut self) {
        self.open = None;
        self.timer = None;
        self.deferred = None;
        self.add_outgoing = 0;
        self.add_incoming = 0;
    }

    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.timer
    }

    /// Whether nothing was reset.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.incoming.is_empty() && self.outgoing.is_empty() && !self.added && !self.refused
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        if let Some(stream) = self.incoming.pop_first() {
            return Some(Event::IncomingStreamReset(stream));
        }
        if let Some(stream) = self.outgoing.pop_first() {
            return Some(Event::OutgoingStreamReset(stream));
        }
        if std::mem::take(&mut self.added) {
            return Some(Event::StreamsAdded);
        }
        std::mem::take(&mut self.refused).then_some(Event::StreamsRefused)
    }
}

impl Association {
    /// Resets a stream that we send on, once what waits on it has been sent: its next message is
    /// the first one again, and the peer is told. [`Event::OutgoingStreamReset`] tells when it is
    /// done; what is sent on the stream before waits for that.
    ///
    /// A peer without RFC 6525 is not asked, and one that refuses changes nothing; the event comes all
    /// the same. A stream that does not exist is not reset, and nothing is told of it.
    pub fn reset_stream(&mut self, now: Instant, stream: u16) {
        self.advance(now);
        if self.closed.is_none() && stream < self.outbound_streams {
            self.send.queues.reset_when_empty(stream);
        }
    }

    /// Asks the peer for more streams: `outgoing` to send on, and `incoming` that the peer may send
    /// on ([RFC 6525 §5.1.5](https://www.rfc-editor.org/rfc/rfc6525#section-5.1.5), §5.1.6).
    /// [`Event::StreamsAdded`] or [`Event::StreamsRefused`] tells what came of it. There are 65 535
    /// streams each way at most: where there are as many, as by default, nothing is asked for and
    /// nothing told. Asked again before the request has left, the greater number counts.
    pub fn add_streams(&mut self, now: Instant, outgoing: u16, incoming: u16) {
        self.advance(now);
        if self.closed.is_some() || !self.state.takes_messages() {
            return;
        }
        let outgoing = outgoing.min(u16::MAX - self.outbound_streams);
        let incoming = incoming.min(u16::MAX - self.inbound_streams);
        self.reset.add_outgoing = self.reset.add_outgoing.max(outgoing);
        self.reset.add_incoming = self.reset.add_incoming.max(incoming);
        // What was asked for is what may come.
        let inbound = self.inbound_streams.saturating_add(incoming);
        self.config.inbound_streams = self.config.inbound_streams.max(inbound);
    }

    /// Whether the peer has RFC 6525; known once the association is established.
    pub(crate) const fn supports_reset(&self) -> bool {
        self.reset.supported
    }

    /// The peer uses a number anew of which our reset is not answered yet, or not told: it has been
    /// performed, and the answer was lost or overtaken. Gives whether that can be: our request has
    /// left, and the number was not used anew since.
    pub(crate) fn confirm_reset(&mut self, stream: u16) -> bool {
        if self.reset.outgoing.contains(&stream) {
            return true;
        }
        let open = self.reset.open.as_deref_mut().and_then(Open::streams);
        let Some(streams) =
            open.filter(|open| open.numbers.contains(&stream) && !open.confirmed.contains(&stream))
        else {
            return false;
        };
        streams.confirmed.push(stream);
        self.send.queues.end_reset(stream, true);
        true
    }

    /// Whether a request can be made now.
    #[inline]
    pub(crate) fn reset_is_due(&self) -> bool {
        // Asked before each packet, mostly for nothing.
        let (queues, reset) = (&self.send.queues, &self.reset);
        let adds = reset.add_outgoing | reset.add_incoming != 0;
        if !queues.has_drained() && !adds || reset.open.is_some() {
            return false;
        }
        match self.state {
            State::Established => true,
            // What is held until the answer is to be delivered before the end.
            state => state.may_send() && queues.has_drained() && queues.bytes() > 0,
        }
    }

    /// The bytes that our open request takes in a packet.
    pub(crate) fn open_reset_len(&self) -> usize {
        match self.reset.open.as_deref().map(|open| &open.asked) {
            Some(Asked::Reset(streams)) => padded(HEADERS + 2 * streams.numbers.len()),
            Some(Asked::AddOutgoing(_) | Asked::AddIncoming(_)) => HEADERS,
            None => 0,
        }
    }

    /// Appends our request: a new one, or again the one that is open.
    pub(crate) fn write_reset(&mut self, now: Instant, buf: &mut Vec<u8>, end: usize) {
        self.pending.remove(Control::ResetRequest);
        if self.reset.open.is_none() && !self.open_reset(buf, end) {
            return;
        }
        let Some(Open { sequence, asked, .. }) = self.reset.open.as_deref() else { return };
        let sequence = *sequence;
        match asked {
            Asked::Reset(streams) => re_config::write_outgoing_reset(
                buf,
                sequence,
                self.reset.expected.wrapping_sub(1),
                streams.last_assigned_tsn,
                &streams.numbers,
            ),
            Asked::AddOutgoing(count) => {
                let kind = parameter::ADD_OUTGOING_STREAMS_REQUEST;
                re_config::write_add_streams(buf, kind, sequence, *count);
            }
            Asked::AddIncoming(count) => {
                let kind = parameter::ADD_INCOMING_STREAMS_REQUEST;
                re_config::write_add_streams(buf, kind, sequence, *count);
            }
        }
        self.reset.timer = Some(now + self.send.rto.current());
    }

    /// Makes a request of what is wanted: one at a time may be open (§5.1.1).
    fn open_reset(&mut self, buf: &[u8], end: usize) -> bool {
        if !self.reset.supported {
            while let Some(stream) = self.send.queues.pop_drained() {
                self.send.queues.end_reset(stream, false);
                self.reset.outgoing.insert(stream);
            }
            self.reset.refused |= self.reset.add_outgoing > 0 || self.reset.add_incoming > 0;
            self.reset.add_outgoing = 0;
            self.reset.add_incoming = 0;
            return false;
        }
        let asked = if self.send.queues.has_drained() {
            let last_assigned_tsn = self.send.next_tsn().previous();
            let room = end.saturating_sub(buf.len() + HEADERS) / 2;
            let drained = std::iter::from_fn(|| self.send.queues.pop_drained());
            let numbers: Vec<u16> = drained.take(room.min(MAX_STREAMS)).collect();
            if numbers.is_empty() {
                return false;
            }
            Asked::Reset(Streams { last_assigned_tsn, numbers, confirmed: Vec::new() })
        } else if self.reset.add_outgoing > 0 {
            Asked::AddOutgoing(std::mem::take(&mut self.reset.add_outgoing))
        } else if self.reset.add_incoming > 0 {
            Asked::AddIncoming(std::mem::take(&mut self.reset.add_incoming))
        } else {
            return false;
        };
        let sequence = self.reset.next_request;
        self.reset.open = Some(Box::new(Open { sequence, asked, in_progress: false }));
        self.reset.next_request = sequence.wrapping_add(1);
        true
    }

    pub(crate) fn handle_reset_timeout(&mut self, now: Instant) {
        if self.reset.timer.is_none_or(|at| at > now) {
            return;
        }
        self.reset.timer = None;
        let Some(open) = &self.reset.open else { return };
        self.pending.add(Control::ResetRequest);
        if !open.in_progress {
            self.send.rto.back_off();
            self.count_error();
        }
    }

    /// RE-CONFIG.
    pub(crate) fn handle_re_config(&mut self, now: Instant, chunk: &Chunk<'_>) {
        if !self.reset.supported || !self.state.is_up() {
            return self.count_drop();
        }
        // §3.1: at most two parameters.
        for parameter in Parameters::new(chunk.value).take(2) {
            match Request::parse(&parameter) {
                Some(Request::Response { sequence, result }) => {
                    self.handle_reset_response(now, sequence, result);
                }
                Some(request) => self.handle_reset_request(&request),
                None => {}
            }
        }
    }

    fn handle_reset_request(&mut self, request: &Request<'_>) {
        let (Request::OutgoingReset { sequence, .. }
        | Request::IncomingReset { sequence, .. }
        | Request::AddOutgoing { sequence, .. }
        | Request::AddIncoming { sequence, .. }
        | Request::Other { sequence }) = *request
        else {
            return;
        };
        // §5.2.1: the last ones again have the same answers; any other is out of sequence.
        let [last, before] = self.reset.answers;
        match self.reset.expected.wrapping_sub(sequence) {
            0 => {}
            1 => return self.pending.respond(sequence, last),
            2 => return self.pending.respond(sequence, before),
            _ => return self.pending.respond(sequence, ResetResult::BadSequenceNumber),
        }
        self.reset.expected = sequence.wrapping_add(1);
        self.reset.answers = [ResetResult::InProgress, last];
        let result = match request {
            Request::OutgoingReset { .. } if self.reset.deferred.is_some() => {
                ResetResult::RequestAlreadyInProgress
            }
            Request::OutgoingReset { last_assigned_tsn, streams, .. } => {
                let inbound = self.inbound_streams;
                let known = !streams.iter().any(|stream| stream >= inbound);
                if known {
                    let streams: BTreeSet<u16> = streams.iter().collect();
                    self.reset.deferred = Some(Box::new(Deferred {
                        sequence,
                        last_assigned_tsn: *last_assigned_tsn,
                        streams: streams.into_iter().collect(),
                    }));
                    // Answered there: now, or when the data of before has come.
                    if !self.perform_deferred() {
                        self.pending.respond(sequence, ResetResult::InProgress);
                    }
                    return;
                }
                ResetResult::WrongSsn
            }
            Request::IncomingReset { streams, .. } => self.handle_incoming_reset(streams),
            Request::AddOutgoing { count, .. } => match self.inbound_streams.checked_add(*count) {
                Some(streams) if streams <= self.config.inbound_streams => {
                    self.inbound_streams = streams;
                    self.reset.added = true;
                    ResetResult::Performed
                }
                _ => ResetResult::Denied,
            },
            // §5.2.6: the streams are ours to add, by a request of our own.
            Request::AddIncoming { count, .. } => {
                let wanted = self.outbound_streams.checked_add(self.reset.add_outgoing);
                match wanted.and_then(|wanted| wanted.checked_add(*count)) {
                    Some(streams) if streams <= self.config.outbound_streams => {
                        self.reset.add_outgoing += count;
                        ResetResult::Performed
                    }
                    _ => ResetResult::Denied,
                }
            }
            _ => ResetResult::Denied,
        };
        self.answer_reset(sequence, result);
    }

    /// Answers a request of the peer, and will so when it comes again.
    fn answer_reset(&mut self, sequence: u32, result: ResetResult) {
        let [last, before] = &mut self.reset.answers;
        match self.reset.expected.wrapping_sub(sequence) {
            1 => *last = result,
            2 => *before = result,
            _ => {}
        }
        self.pending.respond(sequence, result);
    }

    /// §5.2.3.
    fn handle_incoming_reset(&mut self, streams: &StreamNumbers<'_>) -> ResetResult {
        if streams.iter().any(|stream| stream >= self.outbound_streams) {
            return ResetResult::WrongSsn;
        }
        // §4.2: "If no streams are listed, then all streams are to be reset".
        let streams: Vec<u16> = match streams.is_empty() {
            true => self.send.queues.numbers(),
            false => streams.iter().collect(),
        };
        let mut result = ResetResult::NothingToDo;
        for stream in streams {
            // Not what begins at 0 already, nor what a request of our own names.
            if self.send.queues.is_used(stream) {
                self.send.queues.reset_when_empty(stream);
                result = ResetResult::Performed;
            }
        }
        result
    }

    /// Performs the peer's request when all data of before it has come; gives whether it did.
    pub(crate) fn perform_deferred(&mut self) -> bool {
        let cumulative = self.recv.cumulative();
        let Some(deferred) = self
            .reset
            .deferred
            .take_if(|deferred| cumulative.is_at_or_after(deferred.last_assigned_tsn))
        else {
            return false;
        };
        let Deferred { sequence, streams, .. } = *deferred;
        let streams = if streams.is_empty() { self.recv.used_streams() } else { streams };
        for stream in streams {
            self.recv.reset_stream(stream);
            self.reset.incoming.insert(stream);
        }
        self.answer_reset(sequence, ResetResult::Performed);
        true
    }

    /// Whether a request of the peer waits for data.
    #[inline]
    pub(crate) const fn has_deferred_reset(&self) -> bool {
        self.reset.deferred.is_some()
    }

    fn handle_reset_response(&mut self, now: Instant, sequence: u32, result: ResetResult) {
        let Some(open) = self.reset.open.as_mut().filter(|open| open.sequence == sequence) else {
            return;
        };
        self.errors = 0;
        if result == ResetResult::InProgress {
            open.in_progress = true;
            // H2 of §5.2.7.
            self.reset.timer = Some(now + self.send.rto.current());
            return;
        }
        let performed = matches!(result, ResetResult::Performed | ResetResult::NothingToDo);
        let Some(open) = self.reset.open.take() else { return };
        self.reset.timer = None;
        self.pending.remove(Control::ResetRequest);
        match open.asked {
            Asked::Reset(streams) => {
                // A refusal leaves nothing to be done: the stream counts as reset on our side.
                for stream in streams.numbers {
                    if streams.confirmed.contains(&stream) {
                        continue;
                    }
                    self.send.queues.end_reset(stream, performed);
                    self.reset.outgoing.insert(stream);
                }
            }
            // H6.
            Asked::AddOutgoing(count) if performed => {
                self.outbound_streams = self.outbound_streams.saturating_add(count);
                self.reset.added = true;
            }
            // The peer's own request follows.
            Asked::AddIncoming(_) if performed => {}
            Asked::AddOutgoing(_) | Asked::AddIncoming(_) => self.reset.refused = true,
        }
    }
}

/// Chunk header, parameter header, three numbers.
const HEADERS: usize = 20;
/// So many streams in a request at most: usrsctp denies one whose parameter has more than 512 bytes,
/// and makes none of more than these itself.
const MAX_STREAMS: usize = 200;
