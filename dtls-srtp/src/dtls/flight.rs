//! Our newest flight: the messages that are sent, and sent again, until they are answered
//! ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4)).

mod loss;

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::config::LossReaction;
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
    /// Whether it is not complete yet.
    held: bool,
    /// Which records carried what.
    carried: VecDeque<Carried>,
    /// How many records were made.
    records: u32,
    /// Beyond what a message can have, once the last one is used.
    next_message_seq: u32,
    answer: Answer,
    /// When its end was last sent.
    sent: Option<Instant>,
    acknowledged: bool,
    retransmissions: u32,
    /// Whether it is to be sent once more when it is sent.
    twice: bool,
    /// Whether the timer has expired since something was claimed.
    doubted: bool,
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
    /// Whether an ACK without protection has named it, as anybody could have.
    claimed: bool,
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
        self.next_message_seq = message_seq.into();
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
        let message_seq = u16::try_from(self.next_message_seq).unwrap_or(u16::MAX);
        message::write(&mut self.bytes, kind, message_seq, body);
        self.next_message_seq += 1;
        let range = start..self.bytes.len();
        let len = range.len().saturating_sub(FragmentHeader::LEN);
        self.push(Part::Message { epoch, range: range.clone() }, len);
        range
    }

    fn push(&mut self, part: Part, len: usize) {
        self.sending.get_or_insert(self.pieces.len());
        let range = 0..len;
        let index = self.parts.len();
        self.pieces.push(Piece { part: index, range, due: true, sent: None, claimed: false });
        self.parts.push(part);
    }

    /// Whether there is a datagram to send.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending.is_some() && !self.held
    }

    /// Sends nothing before [`Flight::release`]: more messages belong to it.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    pub(crate) fn release(&mut self) {
        self.held = false;
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
    /// ([RFC 9147 §7.2](https://www.rfc-editor.org/rfc/rfc9147#section-7.2)). The timer stays
    /// if what is missing of the answer is to be asked for by it.
    pub(crate) fn was_answered(&mut self, reaction: LossReaction) {
        if reaction == LossReaction::Timer {
            (self.deadline, self.timeout, self.retransmissions) = (None, Duration::ZERO, 0);
        }
        self.acknowledged = true;
        self.pieces.clear();
        self.carried.clear();
        self.sending = None;
    }

    /// Says that nothing of it will be sent again, and nothing answers it any more.
    pub(crate) fn finish(&mut self) {
        self.was_answered(LossReaction::Timer);
        self.bytes = Vec::new();
        self.parts = Vec::new();
        self.pieces = Vec::new();
        self.carried = VecDeque::new();
    }

    /// Whether there is one more message_seq: "Implementations MUST NOT allow message_seq to wrap"
    /// ([RFC 9147 §5.2](https://www.rfc-editor.org/rfc/rfc9147#section-5.2)).
    pub(crate) fn has_sequence_numbers(&self) -> bool {
        self.next_message_seq <= u16::MAX.into()
    }

    /// How long its timer runs.
    pub(crate) fn timeout(&self, timing: Timing) -> Duration {
        if self.timeout.is_zero() { timing.initial } else { self.timeout }
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
            let next = self.write_record(now, index, room, empty, buf, outgoing);
            let Some(next) = next else { break };
            index = next;
        }
        if index < self.pieces.len() {
            self.sending = Some(index);
        } else {
            self.sending = None;
            self.sent = Some(now);
            if mem::take(&mut self.twice) {
                self.send_again(|_| true);
            }
        }
        if self.answer == Answer::Expected {
            if self.timeout.is_zero() {
                self.timeout = timing.initial;
            }
            self.deadline = Some(now + self.timeout);
        }
    }

    /// Writes a record with the piece at `index` and what follows it, and returns which piece is
    /// the next. `None` if there is too little room to begin with.
    fn write_record(
        &mut self,
        now: Instant,
        index: usize,
        room: usize,
        empty: bool,
        buf: &mut Vec<u8>,
        outgoing: &mut Outgoing,
    ) -> Option<usize> {
        let first = self.pieces.get(index)?;
        let Part::Message { epoch, .. } = *self.parts.get(first.part)? else {
            if room < Header::LEN + 1 && !empty {
                return None;
            }
            let content_type = ContentType::ChangeCipherSpec;
            outgoing.write(Epoch::PLAINTEXT, content_type, buf, |buf| buf.push(1));
            self.was_written(now, index, 1);
            self.records += 1;
            return Some(index + 1);
        };
        let mut space = room.saturating_sub(outgoing.overhead(epoch));
        if empty {
            space = space.max(FragmentHeader::LEN + MIN_FRAGMENT);
        }
        let plan = self.plan(index, epoch, space);
        let &(last, _) = plan.last()?;
        let number = outgoing.write(epoch, ContentType::Handshake, buf, |buf| {
            for (at, len) in &plan {
                self.write_fragment(*at, *len, buf);
            }
        });
        // Only the last of them can be cut, so that the others stay where they are.
        for (at, len) in plan {
            if let Some(number) = number {
                self.remember(number, at, len);
            }
            self.was_written(now, at, len);
        }
        self.records += 1;
        Some(last + 1)
    }

    /// Which pieces go into a record with `space` for fragments, and how many bytes of each.
    ///
    /// A record without protection has one message: it costs no tag, and not everybody reads on in
    /// it. One with protection is filled.
    fn plan(&self, index: usize, epoch: Epoch, mut space: usize) -> Vec<(usize, usize)> {
        let min = if epoch == Epoch::PLAINTEXT { MIN_FRAGMENT } else { 1 };
        let mut plan = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate().skip(index).filter(|(_, p)| p.due) {
            let left = piece.range.len();
            let fits = space >= FragmentHeader::LEN + left.min(min);
            let belongs = matches!(
                self.parts.get(piece.part),
                Some(Part::Message { epoch: other, .. }) if *other == epoch
            );
            if !fits || !belongs {
                break;
            }
            let len = left.min(space - FragmentHeader::LEN);
            space -= FragmentHeader::LEN + len;
            plan.push((at, len));
            if epoch == Epoch::PLAINTEXT {
                break;
            }
        }
        plan
    }

    /// Appends the first `len` bytes of a piece behind the header that makes them a fragment.
    fn write_fragment(&self, index: usize, len: usize, buf: &mut Vec<u8>) {
        /// Type, length and message_seq are those of the whole message.
        const COMMON: usize = 6;
        let Some(piece) = self.pieces.get(index) else { return };
        let Some(Part::Message { range, .. }) = self.parts.get(piece.part) else { return };
        let message = self.bytes.get(range.clone()).unwrap_or_default();
        let (header, body) = message.split_at(FragmentHeader::LEN.min(message.len()));
        let [_, o0, o1, o2] = (piece.range.start as u32).to_be_bytes();
        let [_, l0, l1, l2] = (len as u32).to_be_bytes();
        let fragment = body.get(piece.range.start..piece.range.start + len);
        buf.extend_from_slice(header.get(..COMMON).unwrap_or_default());
        buf.extend_from_slice(&[o0, o1, o2, l0, l1, l2]);
        buf.extend_from_slice(fragment.unwrap_or_default());
    }

    /// Remembers that a record carries the first `len` bytes of a piece.
    fn remember(&mut self, number: RecordNumber, index: usize, len: usize) {
        let Some(piece) = self.pieces.get(index) else { return };
        if self.carried.len() >= MAX_CARRIED {
            self.carried.pop_front();
        }
        let range = piece.range.start..piece.range.start + len;
        let carried = Carried { number, order: self.records, part: piece.part, range };
        self.carried.push_back(carried);
    }

    /// Notes that the first `len` bytes of a piece are sent: what is left becomes the next piece.
    fn was_written(&mut self, now: Instant, index: usize, len: usize) {
        let Some(piece) = self.pieces.get_mut(index) else { return };
        let rest = piece.range.start + len..piece.range.end;
        let rest = Piece { range: rest, due: true, ..piece.clone() };
        piece.range.end = rest.range.start;
        piece.due = false;
        piece.sent = Some((now, self.records));
        if !rest.range.is_empty() {
            self.pieces.insert(index + 1, rest);
        }
    }
}

/// How long a flight waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    pub(crate) max_retransmissions: u32,
    pub(crate) reaction: LossReaction,
}
