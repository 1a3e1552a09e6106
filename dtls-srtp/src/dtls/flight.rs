//! Our newest flight: the messages that are sent, and sent again, until they are answered
//! ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4)).

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::epoch::Epoch;
use super::message::{self, FragmentHeader, HandshakeType};
use super::outgoing::Outgoing;
use super::record::{ContentType, Header};
use super::transcript::Transcript;
use super::v13::RecordNumber;

/// The smallest part of a message that is worth a fragment of its own (25 bytes of headers): less
/// room than that at the end of a datagram stays empty.
const MIN_FRAGMENT: usize = 32;

/// What happens when no answer comes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Answer {
    /// The flight is sent again when the timer expires, or when the peer repeats its own.
    Expected,
    /// Only the peer's repetition makes us send again: nothing answers the last flight of a
    /// handshake, and a HelloVerifyRequest is sent to an address that is not proved.
    #[default]
    Last,
}

/// A flight, and how far it is sent.
#[derive(Default)]
pub(crate) struct Flight {
    /// Whole messages with their headers, one behind the other.
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// What the peer has not acknowledged, in order.
    pieces: Vec<Piece>,
    /// The first piece that is to be sent.
    sending: Option<usize>,
    /// Which records carried what.
    carried: VecDeque<Carried>,
    /// How many records were made.
    records: u32,
    next_message_seq: u16,
    answer: Answer,
    /// When its end was last sent.
    sent: Option<Instant>,
    acknowledged: bool,
    retransmissions: u32,
    timeout: Duration,
    deadline: Option<Instant>,
}

enum Part {
    ChangeCipherSpec,
    Message { epoch: Epoch, range: Range<usize> },
}

/// A part of a message, or all of it, that is sent in one record.
#[derive(Clone)]
struct Piece {
    part: usize,
    /// Of the message's body.
    range: Range<usize>,
    /// Whether it is to be sent.
    due: bool,
    /// When it was last sent, and as which of the flight's records.
    sent: Option<(Instant, u32)>,
}

/// What a record carried.
struct Carried {
    number: RecordNumber,
    order: u32,
    part: usize,
    range: Range<usize>,
}

/// How many records are remembered for the sake of ACKs: a flight with a chain of RSA certificates
/// in datagrams of 128 bytes. Older ones are forgotten, and sent again at worst.
const MAX_CARRIED: usize = 128;

/// What [`Flight::handle_timeout`] finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timeout {
    NotYet,
    Retransmit,
    GiveUp,
}

/// What an ACK brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Acknowledged {
    /// Nothing is sent because of it.
    Waiting,
    /// What is missing is sent again.
    Retransmit,
    /// The peer has all of the flight.
    All,
}

impl Flight {
    /// Begins the next flight: the one before was answered.
    pub(crate) fn start(&mut self, answer: Answer) {
        *self = Self { next_message_seq: self.next_message_seq, answer, ..Self::default() };
    }

    /// Says that our first message has the number `message_seq`.
    pub(crate) fn start_at(&mut self, message_seq: u16) {
        self.next_message_seq = message_seq;
    }

    /// Adds a message, to the transcript too.
    pub(crate) fn message(
        &mut self,
        transcript: &mut Transcript,
        epoch: Epoch,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let range = self.write(kind, body, epoch);
        transcript.add(self.bytes.get(range).unwrap_or_default());
    }

    /// Adds a message that is not in the transcript: HelloVerifyRequest, and what is said after
    /// the handshake.
    pub(crate) fn untranscribed(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.write(kind, body, epoch);
    }

    /// Adds ChangeCipherSpec.
    pub(crate) fn change_cipher_spec(&mut self) {
        self.push(Part::ChangeCipherSpec, 1);
    }

    fn write(
        &mut self,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
        epoch: Epoch,
    ) -> Range<usize> {
        let start = self.bytes.len();
        message::write(&mut self.bytes, kind, self.next_message_seq, body);
        self.next_message_seq += 1;
        let range = start..self.bytes.len();
        let len = range.len().saturating_sub(FragmentHeader::LEN);
        self.push(Part::Message { epoch, range: range.clone() }, len);
        range
    }

    fn push(&mut self, part: Part, len: usize) {
        self.sending.get_or_insert(self.pieces.len());
        self.pieces.push(Piece { part: self.parts.len(), range: 0..len, due: true, sent: None });
        self.parts.push(part);
    }

    /// Whether there is a datagram to send.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Whether all of it was sent at least once.
    pub(crate) fn was_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether the peer has all of it, by an ACK or by the beginning of its answer.
    pub(crate) fn was_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// Notes that the answer has begun to come: "the receipt of any record responding to a given
    /// flight MUST be taken as an implicit acknowledgement for the entire flight"
    /// ([RFC 9147 §7.2](https://www.rfc-editor.org/rfc/rfc9147#section-7.2)). The timer stays: it
    /// is now for the rest of the answer.
    pub(crate) fn was_answered(&mut self) {
        self.acknowledged = true;
        self.pieces.clear();
        self.carried.clear();
        self.sending = None;
    }

    /// Says that nothing of it will be sent again, and nothing answers it any more.
    pub(crate) fn finish(&mut self) {
        self.was_answered();
        self.deadline = None;
        self.bytes = Vec::new();
        self.parts = Vec::new();
        self.pieces = Vec::new();
        self.carried = VecDeque::new();
    }

    /// Whether there is one more message_seq: "Implementations MUST NOT allow message_seq to wrap"
    /// ([RFC 9147 §5.2](https://www.rfc-editor.org/rfc/rfc9147#section-5.2)).
    pub(crate) fn has_sequence_numbers(&self) -> bool {
        self.next_message_seq < u16::MAX
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// When nobody can be asking for it any more: twice the maximum segment lifetime after it was
    /// sent ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4)).
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        const TWO_MSL: Duration = Duration::from_secs(240);
        self.sent.is_some_and(|sent| now.saturating_duration_since(sent) > TWO_MSL)
    }

    /// Appends what goes into the datagram that starts at `start`, which is to have `mtu` bytes at
    /// most, and arms the timer.
    pub(crate) fn write_datagram(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        start: usize,
        mtu: usize,
        timing: Timing,
        outgoing: &mut Outgoing,
    ) {
        // "If repeated retransmissions do not result in a response, and the PMTU is unknown,
        // subsequent retransmissions SHOULD back off to a smaller record size" (RFC 6347
        // §4.1.1.1): 576 bytes of IPv4 less its header and that of UDP.
        let mtu = if self.retransmissions > 1 { mtu.min(548) } else { mtu };
        let Some(mut index) = self.sending else { return };
        while let Some(piece) = self.pieces.get(index) {
            if !piece.due {
                index += 1;
                continue;
            }
            let room = mtu.saturating_sub(buf.len() - start);
            let empty = buf.len() == start;
            let Some(len) = self.write_piece(index, room, empty, buf, outgoing) else { break };
            self.was_written(now, index, len);
            index += 1;
        }
        if index < self.pieces.len() {
            self.sending = Some(index);
        } else {
            self.sending = None;
            self.sent = Some(now);
        }
        if self.answer == Answer::Expected {
            if self.timeout.is_zero() {
                self.timeout = timing.initial;
            }
            self.deadline = Some(now + self.timeout);
        }
    }

    /// Writes as much of a piece as there is room for, and returns how much. `None` if that is
    /// too little to begin with.
    fn write_piece(
        &mut self,
        index: usize,
        room: usize,
        empty: bool,
        buf: &mut Vec<u8>,
        outgoing: &mut Outgoing,
    ) -> Option<usize> {
        let Piece { part, range, .. } = self.pieces.get(index)?.clone();
        let (number, len) = match self.parts.get(part)? {
            Part::ChangeCipherSpec => {
                if room < Header::LEN + 1 && !empty {
                    return None;
                }
                let content_type = ContentType::ChangeCipherSpec;
                outgoing.write(Epoch::PLAINTEXT, content_type, buf, |buf| buf.push(1));
                return Some(1);
            }
            Part::Message { epoch, range: message } => {
                let message = self.bytes.get(message.clone()).unwrap_or_default();
                let (header, body) = message.split_at(FragmentHeader::LEN.min(message.len()));
                let left = body.get(range.clone()).unwrap_or_default();
                let overhead = outgoing.overhead(*epoch) + FragmentHeader::LEN;
                if room < overhead + left.len().min(MIN_FRAGMENT) && !empty {
                    return None;
                }
                let space = room.saturating_sub(overhead);
                let len = left.len().min(space.max(MIN_FRAGMENT));
                let fragment = left.get(..len).unwrap_or_default();
                let number = outgoing.write(*epoch, ContentType::Handshake, buf, |buf| {
                    write_fragment(buf, header, range.start, fragment);
                });
                (number, len)
            }
        };
        if let Some(number) = number {
            if self.carried.len() >= MAX_CARRIED {
                self.carried.pop_front();
            }
            let range = range.start..range.start + len;
            self.carried.push_back(Carried { number, order: self.records, part, range });
        }
        Some(len)
    }

    /// Notes that the first `len` bytes of a piece are sent: what is left becomes the next piece.
    fn was_written(&mut self, now: Instant, index: usize, len: usize) {
        let Some(piece) = self.pieces.get_mut(index) else { return };
        let rest = piece.range.start + len..piece.range.end;
        if !rest.is_empty() {
            piece.range.end = rest.start;
            let rest = Piece { part: piece.part, range: rest, due: true, sent: piece.sent };
            self.pieces.insert(index + 1, rest);
        }
        if let Some(piece) = self.pieces.get_mut(index) {
            piece.due = false;
            piece.sent = Some((now, self.records));
        }
        self.records += 1;
    }

    /// Sends the flight again if its timer has expired; the timer doubles each time.
    ///
    /// It starts anew with each flight. RFC 6347 §4.2.4.1 would keep a doubled timer "until a
    /// transmission without loss occurs", which protects the network from thousands of clients of
    /// one server; here it would only make one lost datagram cost every later flight of a call,
    /// and the first timer comes from a round-trip time that ICE has just measured.
    pub(crate) fn handle_timeout(&mut self, now: Instant, timing: Timing) -> Timeout {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Timeout::NotYet;
        }
        if self.retransmissions >= timing.max_retransmissions {
            self.deadline = None;
            return Timeout::GiveUp;
        }
        self.retransmissions += 1;
        self.timeout = (self.timeout * 2).min(timing.max);
        self.deadline = self.acknowledged.then(|| now + self.timeout);
        self.send_again(|_| true);
        Timeout::Retransmit
    }

    /// Takes other timing, for the flight that waits as well: its timer has begun when it has,
    /// and has doubled as often as it has.
    pub(crate) fn set_timing(&mut self, timing: Timing) {
        let Some(deadline) = self.deadline else { return };
        let started = deadline.checked_sub(self.timeout).unwrap_or(deadline);
        let doubled = 1_u32.checked_shl(self.retransmissions).unwrap_or(u32::MAX);
        self.timeout = timing.initial.saturating_mul(doubled).min(timing.max);
        self.deadline = Some(started + self.timeout);
    }

    /// Brings the timer forward, the first time it runs.
    pub(crate) fn hurry(&mut self, at: Instant) {
        if self.retransmissions == 0 {
            self.deadline = self.deadline.map(|deadline| deadline.min(at));
        }
    }

    /// Sends the flight again because the peer repeats its own, unless that was on its way before
    /// ours arrived: half of the first timer is three quarters of a round trip.
    pub(crate) fn repeat(&mut self, now: Instant, timing: Timing) -> bool {
        let recently = self.sent.is_none_or(|sent| now < sent + timing.initial / 2);
        if self.is_sending() || recently {
            return false;
        }
        self.send_again(|_| true)
    }

    /// Takes an ACK ([RFC 9147 §7.2](https://www.rfc-editor.org/rfc/rfc9147#section-7.2)): what it
    /// names is never sent again, and what got lost is sent at once. That is what was sent before
    /// something that arrived, or so long ago (three quarters of a round trip) that the ACK would
    /// have named it.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        numbers: impl Iterator<Item = RecordNumber>,
        timing: Timing,
    ) -> Acknowledged {
        let mut newest = None;
        for number in numbers {
            let Some(at) = self.carried.iter().position(|carried| carried.number == number) else {
                continue;
            };
            let Some(Carried { order, part, range, .. }) = self.carried.remove(at) else {
                continue;
            };
            newest = newest.max(Some(order));
            self.remove(part, &range);
        }
        if self.pieces.is_empty() {
            if self.acknowledged || self.parts.is_empty() {
                return Acknowledged::Waiting;
            }
            self.finish();
            return Acknowledged::All;
        }
        let old = now.checked_sub(timing.initial / 2);
        let again = self.send_again(|(at, order)| {
            newest.is_some_and(|newest| order < newest) || old.is_some_and(|old| at <= old)
        });
        if again { Acknowledged::Retransmit } else { Acknowledged::Waiting }
    }

    /// Takes what was acknowledged out of the pieces.
    fn remove(&mut self, part: usize, range: &Range<usize>) {
        let mut at = 0;
        while let Some(piece) = self.pieces.get_mut(at) {
            let overlaps = piece.range.start < range.end && range.start < piece.range.end;
            if piece.part != part || !(overlaps || piece.range.is_empty()) {
                at += 1;
                continue;
            }
            let before = piece.range.start..range.start;
            let after = range.end..piece.range.end;
            let piece = self.pieces.remove(at);
            for range in [before, after] {
                if !range.is_empty() {
                    self.pieces.insert(at, Piece { range, ..piece.clone() });
                    at += 1;
                }
            }
        }
        self.sending = self.pieces.iter().position(|piece| piece.due);
    }

    /// Sends those pieces again whose last sending `was_lost`.
    fn send_again(&mut self, was_lost: impl Fn((Instant, u32)) -> bool) -> bool {
        let mut again = false;
        for piece in &mut self.pieces {
            if !piece.due && piece.sent.is_some_and(&was_lost) {
                piece.due = true;
                again = true;
            }
        }
        // The path may take longer records than those that they were sent in.
        self.pieces.dedup_by(|next, piece| {
            let joins = piece.due && next.due && piece.part == next.part;
            let joins = joins && piece.range.end == next.range.start && !next.range.is_empty();
            if joins {
                piece.range.end = next.range.end;
                piece.sent = piece.sent.max(next.sent);
            }
            joins
        });
        self.sending = self.pieces.iter().position(|piece| piece.due);
        again
    }
}

/// How long a flight waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    pub(crate) max_retransmissions: u32,
}

/// Appends a part of a message behind the header that makes it a fragment.
fn write_fragment(buf: &mut Vec<u8>, header: &[u8], offset: usize, fragment: &[u8]) {
    /// Type, length and message_seq are those of the whole message.
    const COMMON: usize = 6;
    let [_, o0, o1, o2] = (offset as u32).to_be_bytes();
    let [_, l0, l1, l2] = (fragment.len() as u32).to_be_bytes();
    buf.extend_from_slice(header.get(..COMMON).unwrap_or_default());
    buf.extend_from_slice(&[o0, o1, o2, l0, l1, l2]);
    buf.extend_from_slice(fragment);
}
