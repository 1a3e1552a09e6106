//! What a flight is made of, cut into what records take, and what the peer has of it.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use crate::dtls::epoch::Epoch;
use crate::dtls::message::{self, FragmentHeader, HandshakeType};
use crate::dtls::outgoing::Outgoing;
use crate::dtls::record::{ContentType, Header};
use crate::dtls::v13::RecordNumber;

/// The smallest part of a message that is worth a fragment of its own (25 bytes of headers): less
/// room than that at the end of a datagram stays empty.
const MIN_FRAGMENT: usize = 32;

/// How many records are remembered for the sake of ACKs: a flight with a chain of RSA certificates
/// in datagrams of 128 bytes. Older ones are forgotten, and sent again at worst.
const MAX_CARRIED: usize = 128;

/// The messages of a flight. One flight after the other is written into the same room.
pub(super) struct Contents {
    /// Whole messages with their headers, one behind the other.
    bytes: Vec<u8>,
    /// What the peer has not acknowledged, in order.
    pieces: Vec<Piece>,
    /// The first piece that is to be sent.
    sending: Option<usize>,
    /// Which records carried what.
    carried: VecDeque<Carried>,
    /// How many records were made.
    records: u32,
}

/// What a flight has one after the other.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    ChangeCipherSpec,
    /// With its header, from `start` to `end` of the bytes.
    Message {
        epoch: Epoch,
        start: usize,
        end: usize,
    },
}

/// A part of a message, or all of it, that is sent in one record.
#[derive(Clone)]
struct Piece {
    part: Part,
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
    part: Part,
    range: Range<usize>,
}

/// Which pieces go into a record: all that are due up to the last, and of that so many bytes.
struct Plan {
    last: usize,
    len: usize,
}

impl Default for Contents {
    /// With room for the flights of most handshakes, so that none of it has to grow.
    fn default() -> Self {
        Self {
            bytes: Vec::with_capacity(768),
            pieces: Vec::with_capacity(6),
            sending: None,
            carried: VecDeque::new(),
            records: 0,
        }
    }
}

impl Contents {
    /// Forgets the flight, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.was_answered();
        self.bytes.clear();
        self.records = 0;
    }

    /// Says that nothing of it will be sent again.
    pub(super) fn was_answered(&mut self) {
        self.pieces.clear();
        self.carried.clear();
        self.sending = None;
    }

    /// Gives back the room for more, in blocks that the next handshake can have as they are.
    pub(super) fn shrink(&mut self) {
        self.bytes = self.bytes.as_slice().into();
        self.pieces = self.pieces.as_slice().into();
        self.carried.shrink_to_fit();
    }

    /// Whether it has no message.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether any of it was sent.
    pub(super) fn was_begun(&self) -> bool {
        self.records > 0
    }

    /// Whether something of it is to be sent.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Whether the peer has all of it.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many records its pieces were last sent in.
    pub(super) fn records(&self) -> usize {
        let mut last = None;
        let orders = self.pieces.iter().filter_map(|piece| piece.sent.map(|(_, order)| order));
        orders.filter(|order| last.replace(*order) != Some(*order)).count()
    }

    /// Adds ChangeCipherSpec.
    pub(super) fn change_cipher_spec(&mut self) {
        self.push(Part::ChangeCipherSpec, 1);
    }

    /// Adds a message, and gives back its bytes.
    pub(super) fn message(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        message_seq: u16,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> &[u8] {
        let start = self.bytes.len();
        message::write(&mut self.bytes, kind, message_seq, body);
        let end = self.bytes.len();
        let len = (end - start).saturating_sub(FragmentHeader::LEN);
        self.push(Part::Message { epoch, start, end }, len);
        self.bytes.get(start..).unwrap_or_default()
    }

    fn push(&mut self, part: Part, len: usize) {
        self.sending.get_or_insert(self.pieces.len());
        self.pieces.push(Piece { part, range: 0..len, due: true, sent: None, claimed: false });
    }

    /// Appends what goes into the datagram that starts at `start`, which is to have `mtu` bytes at
    /// most.
    pub(super) fn write_datagram(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        start: usize,
        mtu: usize,
        outgoing: &mut Outgoing,
    ) {
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
        self.sending = (index < self.pieces.len()).then_some(index);
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
        let Part::Message { epoch, .. } = self.pieces.get(index)?.part else {
            if room < Header::LEN + 1 && !empty {
                return None;
            }
            let content_type = ContentType::ChangeCipherSpec;
            outgoing.write(Epoch::PLAINTEXT, content_type, buf, |buf| buf.push(1));
            self.was_written(now, index, 1, None);
            self.records += 1;
            return Some(index + 1);
        };
        let mut space = room.saturating_sub(outgoing.overhead(epoch));
        if empty {
            space = space.max(FragmentHeader::LEN + MIN_FRAGMENT);
        }
        let Plan { last, len } = self.plan(index, epoch, space)?;
        let number = outgoing.write(epoch, ContentType::Handshake, buf, |buf| {
            for at in index..last {
                self.write_fragment(at, usize::MAX, buf);
            }
            self.write_fragment(last, len, buf);
        });
        let number = number.filter(|_| outgoing.may_be_acknowledged());
        // Only the last of them can be cut, so that the others stay where they are.
        for at in index..=last {
            let len = if at < last { usize::MAX } else { len };
            self.was_written(now, at, len, number);
        }
        self.records += 1;
        Some(last + 1)
    }

    /// What goes into a record with `space` for fragments, from the piece at `index` on; `None` if
    /// nothing of that does.
    ///
    /// A record without protection has one message: it costs no tag, and not everybody reads on in
    /// it. One with protection is filled.
    fn plan(&self, index: usize, epoch: Epoch, mut space: usize) -> Option<Plan> {
        let min = if epoch == Epoch::PLAINTEXT { MIN_FRAGMENT } else { 1 };
        let mut plan = None;
        for (at, piece) in self.pieces.iter().enumerate().skip(index).filter(|(_, p)| p.due) {
            let left = piece.range.len();
            let fits = space >= FragmentHeader::LEN + left.min(min);
            let belongs =
                matches!(piece.part, Part::Message { epoch: other, .. } if other == epoch);
            if !fits || !belongs {
                break;
            }
            let len = left.min(space - FragmentHeader::LEN);
            space -= FragmentHeader::LEN + len;
            plan = Some(Plan { last: at, len });
            if epoch == Epoch::PLAINTEXT {
                break;
            }
        }
        plan
    }

    /// Appends the first `len` bytes of a piece that is due, or all that it has, behind the header
    /// that makes them a fragment.
    fn write_fragment(&self, index: usize, len: usize, buf: &mut Vec<u8>) {
        /// Type, length and message_seq are those of the whole message.
        const COMMON: usize = 6;
        let Some(piece) = self.pieces.get(index).filter(|piece| piece.due) else { return };
        let Part::Message { start, end, .. } = piece.part else { return };
        let len = len.min(piece.range.len());
        let message = self.bytes.get(start..end).unwrap_or_default();
        let (header, body) = message.split_at(FragmentHeader::LEN.min(message.len()));
        let [_, o0, o1, o2] = (piece.range.start as u32).to_be_bytes();
        let [_, l0, l1, l2] = (len as u32).to_be_bytes();
        let fragment = body.get(piece.range.start..piece.range.start + len);
        buf.extend_from_slice(header.get(..COMMON).unwrap_or_default());
        buf.extend_from_slice(&[o0, o1, o2, l0, l1, l2]);
        buf.extend_from_slice(fragment.unwrap_or_default());
    }

    /// Notes that the first `len` bytes of a piece that was due, or all that it had, are sent: what
    /// is left becomes the next piece.
    fn was_written(
        &mut self,
        now: Instant,
        index: usize,
        len: usize,
        number: Option<RecordNumber>,
    ) {
        let order = self.records;
        let Some(piece) = self.pieces.get_mut(index).filter(|piece| piece.due) else { return };
        let end = piece.range.start + len.min(piece.range.len());
        let rest = Piece { range: end..piece.range.end, ..piece.clone() };
        piece.range.end = end;
        piece.due = false;
        piece.sent = Some((now, order));
        if let Some(number) = number {
            if self.carried.len() >= MAX_CARRIED {
                self.carried.pop_front();
            }
            // There is none in DTLS 1.2, so that nothing was kept free for it.
            if self.carried.capacity() == 0 {
                self.carried.reserve(6);
            }
            let (part, range) = (piece.part, piece.range.clone());
            self.carried.push_back(Carried { number, order, part, range });
        }
        if !rest.range.is_empty() {
            self.pieces.insert(index + 1, rest);
        }
    }

    /// Takes out what the records of these numbers carried, and returns the newest of them. If it is
    /// not `proved` that the peer has it, that is only noted as claimed; if it is, what was claimed
    /// is true as well.
    pub(super) fn acknowledge(
        &mut self,
        numbers: impl Iterator<Item = RecordNumber>,
        proved: bool,
    ) -> Option<u32> {
        let mut newest = None;
        for number in numbers {
            while let Some(at) = self.carried.iter().position(|carried| carried.number == number) {
                let Some(Carried { order, part, range, .. }) = self.carried.remove(at) else {
                    break;
                };
                newest = newest.max(Some(order));
                self.remove(part, &range, !proved);
            }
        }
        if proved {
            self.pieces.retain(|piece| !piece.claimed);
            self.sending = self.pieces.iter().position(|piece| piece.due);
        }
        newest
    }

    /// Whether the peer is said to have some of it.
    pub(super) fn has_claims(&self) -> bool {
        self.pieces.iter().any(|piece| piece.claimed)
    }

    /// Whether the peer is said to have all that it has not.
    pub(super) fn is_claimed(&self) -> bool {
        !self.pieces.is_empty() && self.pieces.iter().all(|piece| piece.claimed)
    }

    /// Believes nothing of it.
    pub(super) fn drop_claims(&mut self) {
        self.pieces.iter_mut().for_each(|piece| piece.claimed = false);
    }

    /// Takes what was acknowledged out of the pieces, or only notes that it is `claimed` to be.
    fn remove(&mut self, part: Part, range: &Range<usize>, claimed: bool) {
        let mut at = 0;
        while let Some(piece) = self.pieces.get_mut(at) {
            let overlaps = piece.range.start < range.end && range.start < piece.range.end;
            if piece.part != part || piece.claimed || !(overlaps || piece.range.is_empty()) {
                at += 1;
                continue;
            }
            let before = piece.range.start..range.start;
            let after = range.end..piece.range.end;
            let between = piece.range.start.max(range.start)..piece.range.end.min(range.end);
            let piece = self.pieces.remove(at);
            if !before.is_empty() {
                self.pieces.insert(at, Piece { range: before, ..piece.clone() });
                at += 1;
            }
            if claimed {
                let piece = Piece { range: between, due: false, claimed, ..piece.clone() };
                self.pieces.insert(at, piece);
                at += 1;
            }
            if !after.is_empty() {
                self.pieces.insert(at, Piece { range: after, ..piece });
                at += 1;
            }
        }
        self.sending = self.pieces.iter().position(|piece| piece.due);
    }

    /// Sends those pieces again whose last sending `was_lost`.
    pub(super) fn send_again(&mut self, was_lost: impl Fn((Instant, u32)) -> bool) -> bool {
        let mut again = false;
        for piece in &mut self.pieces {
            if !piece.due && !piece.claimed && piece.sent.is_some_and(&was_lost) {
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
