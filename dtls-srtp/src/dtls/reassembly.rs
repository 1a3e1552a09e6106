//! Handshake messages put together from their fragments, in order
//! ([RFC 6347 §4.2.3](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.3)).

use std::mem;

use super::Role;
use super::Version;
use super::codec::Reader;
use super::epoch::Epoch;
use super::message::{Fragment, FragmentHeader, HandshakeType, Message};

/// How many messages ahead of the next one are kept: a flight has six at most.
const WINDOW: u32 = 8;

/// What became of a fragment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Inserted {
    /// It brought something new.
    Kept,
    /// It brought nothing new.
    Known,
    /// It is a part of a flight that we have answered: the answer seems to be lost.
    Answered,
    /// It contradicts what came before, does not belong there, or is beyond a bound.
    Dropped,
    /// Its message is longer than one may be, and it is authentic.
    TooLong,
}

/// The messages that are on their way to us.
pub(crate) struct Inbox {
    /// Ours.
    role: Role,
    /// Once it is known.
    version: Option<Version>,
    /// Whether nothing comes without protection any more.
    protected: bool,
    /// Of the message to come; beyond what a message can have, once the last one came.
    next_seq: u32,
    /// The first message of the peer's that our newest flight does not answer.
    flight_start: u32,
    /// In order of their sequence numbers, none before `next_seq`.
    messages: Vec<Incoming>,
    max_bytes: usize,
}

/// A message of which at least one fragment came.
struct Incoming {
    seq: u16,
    kind: HandshakeType,
    epoch: Epoch,
    /// The header of the whole message, and room for all of it.
    bytes: Vec<u8>,
    /// How many bytes of the body are still to come.
    missing: usize,
    /// Which bytes of the body came, a bit each; empty as long as no part of it came alone.
    came: Vec<u64>,
}

impl Inbox {
    pub(crate) fn new(role: Role, max_bytes: usize) -> Self {
        Self::starting_at(0, role, max_bytes)
    }

    /// One whose first message has the number `seq`.
    pub(crate) fn starting_at(seq: u16, role: Role, max_bytes: usize) -> Self {
        Self {
            role,
            version: None,
            protected: false,
            next_seq: seq.into(),
            flight_start: seq.into(),
            messages: Vec::new(),
            max_bytes,
        }
    }

    pub(crate) fn version(&self) -> Option<Version> {
        self.version
    }

    /// Says which version it is, and drops what came before that was known and has no place in
    /// it.
    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = Some(version);
        self.drop_disallowed();
    }

    /// Says that all that is to come is protected, and drops what came and was not.
    pub(crate) fn expect_protection(&mut self) {
        self.protected = true;
        self.drop_disallowed();
    }

    fn drop_disallowed(&mut self) {
        let mut messages = mem::take(&mut self.messages);
        messages.retain(|message| self.allows(message.kind, message.epoch));
        self.messages = messages;
    }

    /// Says that a flight of ours answers all that was taken so far.
    pub(crate) fn answered(&mut self) {
        self.flight_start = self.next_seq;
    }

    /// Says the same, and that the next message will be long in coming: gives back the room for
    /// more.
    pub(crate) fn settle(&mut self) {
        self.answered();
        self.messages.shrink_to_fit();
    }

    /// The sequence number of the message to come.
    pub(crate) fn next_seq(&self) -> u32 {
        self.next_seq
    }

    /// Takes the contents of a record that are the next message and nothing else, as most are: it
    /// need not be kept. The header of its one fragment is that of the whole message.
    pub(crate) fn take_whole<'a>(&mut self, epoch: Epoch, record: &'a [u8]) -> Option<Message<'a>> {
        let mut reader = Reader(record);
        let Fragment { header, body } = Fragment::read(&mut reader).ok()?;
        let is_next = u32::from(header.message_seq) == self.next_seq && self.messages.is_empty();
        let is_whole = header.length == header.fragment_length && reader.is_empty();
        let fits = record.len() <= self.max_bytes / 2;
        if !is_next || !is_whole || !fits || !self.allows(header.kind, epoch) {
            return None;
        }
        self.next_seq += 1;
        Some(Message { kind: header.kind, epoch, bytes: record, body })
    }

    /// Takes a fragment that came in `epoch`.
    pub(crate) fn insert(&mut self, epoch: Epoch, fragment: Fragment<'_>) -> Inserted {
        let header = fragment.header;
        if u32::from(header.message_seq) < self.flight_start {
            return Inserted::Answered;
        }
        let Some(ahead) = u32::from(header.message_seq).checked_sub(self.next_seq) else {
            return Inserted::Known;
        };
        let length = header.length as usize;
        if ahead >= WINDOW || !self.allows(header.kind, epoch) {
            return Inserted::Dropped;
        }
        // One message may have half of the room, so that the next one is never kept out by it. In the
        // clear, anybody could have sent it.
        if length > self.max_bytes / 2 {
            let is_proved = epoch > Epoch::PLAINTEXT;
            return if is_proved { Inserted::TooLong } else { Inserted::Dropped };
        }

        let place = self.messages.binary_search_by_key(&header.message_seq, |message| message.seq);
        let index = match place {
            Ok(index) => {
                // A protected fragment is authentic, and beats whatever plaintext stands there.
                if self.messages.get(index).is_some_and(|message| message.epoch < epoch) {
                    self.messages.remove(index);
                    if !self.make_room(header.message_seq, length) {
                        return Inserted::Dropped;
                    }
                    self.messages.insert(index, Incoming::new(header, epoch));
                }
                index
            }
            Err(_) => {
                if !self.make_room(header.message_seq, length) {
                    return Inserted::Dropped;
                }
                let index = self.messages.partition_point(|m| m.seq < header.message_seq);
                self.messages.insert(index, Incoming::new(header, epoch));
                index
            }
        };
        match self.messages.get_mut(index) {
            Some(message) => message.put(epoch, header, fragment.body),
            None => Inserted::Dropped,
        }
    }

    /// Whether a fragment is of another message than all that are here, or says something else than
    /// those of its own: another length, or other bytes in the same place.
    pub(crate) fn contradicts(&self, fragment: &Fragment<'_>) -> bool {
        let FragmentHeader { kind, length, message_seq, offset, .. } = fragment.header;
        let Some(message) = self.messages.iter().find(|message| message.seq == message_seq) else {
            return true;
        };
        let start = offset as usize;
        let there = message.bytes.get(FragmentHeader::LEN + start..).unwrap_or_default();
        let mut bytes = (start..).zip(there.iter().zip(fragment.body));
        message.kind != kind
            || message.len() != length as usize
            || bytes.any(|(at, (old, new))| old != new && message.has(at))
    }

    /// Whether a message may come in an epoch. What only our side says was reflected by somebody.
    fn allows(&self, kind: HandshakeType, epoch: Epoch) -> bool {
        use HandshakeType as Type;
        let reflected = match self.role {
            Role::Client => matches!(
                kind,
                Type::ClientHello | Type::ClientKeyExchange | Type::CertificateVerify
            ),
            Role::Server => matches!(
                kind,
                Type::HelloRequest
                    | Type::HelloVerifyRequest
                    | Type::ServerHello
                    | Type::ServerKeyExchange
                    | Type::CertificateRequest
                    | Type::ServerHelloDone
            ),
        };
        match self.version {
            Some(Version::Dtls13) if epoch == Epoch::PLAINTEXT => {
                !self.protected
                    && !reflected
                    && matches!(kind, Type::ClientHello | Type::ServerHello)
            }
            // Authentic: what does not belong there is for the state to say.
            Some(Version::Dtls13) => true,
            // Finished is the only message under the keys, and all others come before them: no
            // plaintext can stand in for a Finished, however it is numbered.
            // What else is protected is authentic, too: that it does not belong there is for the
            // state to say.
            _ => epoch == Epoch::PROTECTED || !reflected && kind != Type::Finished,
        }
    }

    /// Whether something is missing before something that came.
    pub(crate) fn has_gap(&self) -> bool {
        match self.messages.as_slice() {
            [] => false,
            [first] => u32::from(first.seq) != self.next_seq || !first.is_begun(),
            _ => true,
        }
    }

    /// Whether the first byte of the first message is here.
    pub(crate) fn has_start(&self) -> bool {
        self.messages.first().is_some_and(|first| first.has(0))
    }

    /// Makes room for `length` bytes by dropping messages that are farther ahead than `seq`.
    fn make_room(&mut self, seq: u16, length: usize) -> bool {
        loop {
            if self.bytes() + FragmentHeader::LEN + length <= self.max_bytes {
                return true;
            }
            match self.messages.last() {
                Some(last) if last.seq > seq => self.messages.pop(),
                _ => return false,
            };
        }
    }

    /// How many bytes are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.messages.iter().map(|message| message.bytes.len()).sum()
    }

    /// Whether all of the next message is here.
    pub(crate) fn has_next(&self) -> bool {
        let first = self.messages.first();
        first.is_some_and(|first| u32::from(first.seq) == self.next_seq && first.is_complete())
    }

    /// Whether a part of a message came that the peer has protected.
    pub(crate) fn has_protected(&self) -> bool {
        self.messages.iter().any(|message| message.epoch != Epoch::PLAINTEXT)
    }

    /// Takes out the next message, if all of it is here.
    pub(crate) fn take(&mut self) -> Option<Complete> {
        let first = self.messages.first()?;
        if u32::from(first.seq) != self.next_seq || !first.is_complete() {
            return None;
        }
        let first = self.messages.remove(0);
        self.next_seq += 1;
        Some(Complete { kind: first.kind, epoch: first.epoch, bytes: first.bytes })
    }
}

impl Incoming {
    const WORD: usize = u64::BITS as usize;

    fn new(header: FragmentHeader, epoch: Epoch) -> Self {
        let whole = FragmentHeader::whole(header.kind, header.message_seq, header.length);
        let len = FragmentHeader::LEN + header.length as usize;
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&whole.bytes());
        bytes.resize(len, 0);
        Self {
            seq: header.message_seq,
            kind: header.kind,
            epoch,
            bytes,
            missing: header.length as usize,
            came: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.bytes.len() - FragmentHeader::LEN
    }

    fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Puts a fragment in its place, unless it contradicts those before. What came first stays:
    /// a peer sends the same bytes each time.
    fn put(&mut self, epoch: Epoch, header: FragmentHeader, body: &[u8]) -> Inserted {
        let len = self.len();
        if epoch != self.epoch || header.kind != self.kind || header.length as usize != len {
            return Inserted::Dropped;
        }
        if body.is_empty() {
            return if len == 0 { Inserted::Kept } else { Inserted::Known };
        }
        let start = header.offset as usize;
        let place = FragmentHeader::LEN + start..FragmentHeader::LEN + start + body.len();
        let Some(place) = self.bytes.get_mut(place) else { return Inserted::Dropped };
        // Most messages come in one piece.
        if self.missing == len && body.len() == len {
            place.copy_from_slice(body);
            self.missing = 0;
            return Inserted::Kept;
        }
        if self.missing == 0 {
            return Inserted::Known;
        }
        if self.came.is_empty() {
            self.came = vec![0; len.div_ceil(Self::WORD)];
        }
        let before = self.missing;
        for (at, (to, from)) in (start..).zip(place.iter_mut().zip(body)) {
            let Some(word) = self.came.get_mut(at / Self::WORD) else { break };
            let bit = 1 << (at % Self::WORD);
            if *word & bit == 0 {
                *word |= bit;
                *to = *from;
                self.missing -= 1;
            }
        }
        if self.missing < before { Inserted::Kept } else { Inserted::Known }
    }

    /// Whether the byte of its body at `at` came.
    fn has(&self, at: usize) -> bool {
        let word = self.came.get(at / Self::WORD);
        self.missing == 0 || word.is_some_and(|word| *word & 1 << (at % Self::WORD) != 0)
    }

    /// Whether all that came is its beginning.
    fn is_begun(&self) -> bool {
        let mut words = self.came.iter();
        let whole = words.by_ref().take_while(|word| **word == u64::MAX).count();
        let rest = self.came.get(whole).map_or(0, |word| word.trailing_ones() as usize);
        self.missing == 0 || whole * Self::WORD + rest + self.missing == self.len()
    }
}

/// A message that is whole.
pub(crate) struct Complete {
    kind: HandshakeType,
    epoch: Epoch,
    bytes: Vec<u8>,
}

impl Complete {
    pub(crate) fn message(&self) -> Message<'_> {
        let body = self.bytes.get(FragmentHeader::LEN..).unwrap_or_default();
        Message { kind: self.kind, epoch: self.epoch, bytes: &self.bytes, body }
    }
}

#[cfg(test)]
mod tests;
