use std::collections::BTreeMap;

use dtls_srtp::dtls::fuzzing::{Inserted, Reassembly};

use crate::choices::Choices;

/// Fragments of handshake messages in any order, overlapping, repeated, contradicting each other,
/// against a model that keeps a byte or nothing for each place of a message.
pub fn dtls_reassembly(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let max_bytes = 64 << (choices.byte() & 7);
    let mut reassembly = Reassembly::new(max_bytes);
    let mut model = Model::new(max_bytes);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        let what = choices.byte();
        match what {
            0..=0xbf => {
                let fragment = Fragment::choose(&mut choices, what, model.next_seq);
                let record = fragment.bytes();
                assert_eq!(reassembly.insert(fragment.epoch, &record), model.insert(&fragment));
            }
            0xc0..=0xcf => {
                let fragment = Fragment::choose(&mut choices, what, model.next_seq);
                let taken = reassembly.take_whole(fragment.epoch, &fragment.bytes());
                assert_eq!(taken, model.take_whole(&fragment));
            }
            0xd0..=0xef => assert_eq!(reassembly.take(), model.take()),
            0xf0..=0xf7 => {
                reassembly.answered();
                model.flight_start = model.next_seq;
            }
            _ => {
                let record = choices.bytes();
                let mut parsed = Fragment::default();
                match parsed.read(record) {
                    Some(()) => {
                        assert_eq!(reassembly.insert(0, record), model.insert(&parsed));
                    }
                    None => assert_eq!(reassembly.insert(0, record), Inserted::Malformed),
                }
            }
        }
        assert_eq!(reassembly.bytes(), model.bytes());
        assert!(reassembly.bytes() <= max_bytes, "more is kept than may be");
        assert_eq!(reassembly.has_gap(), model.has_gap());
    }
    // What is whole comes out, in order, and then nothing.
    while let Some(message) = model.take() {
        assert_eq!(reassembly.take(), Some(message));
    }
    assert_eq!(reassembly.take(), None);
}

/// A flight is six messages of some fragments.
const MAX_STEPS: usize = 400;

/// How many messages ahead of the next one are kept.
const WINDOW: u32 = 8;

const HEADER_LEN: usize = 12;

/// Types that a server may send in the clear, so that nothing is refused for its type alone, and one
/// that is not known.
const KINDS: [u8; 4] = [11, 8, 12, 77];

#[derive(Default)]
struct Fragment {
    epoch: u64,
    kind: u8,
    length: u32,
    seq: u16,
    offset: u32,
    body: Vec<u8>,
}

impl Fragment {
    fn choose(choices: &mut Choices<'_>, what: u8, next_seq: u32) -> Self {
        let selector = choices.byte();
        // Mostly near the next message, and the same length and type for one number.
        let seq = next_seq.wrapping_add(u32::from(selector & 15)).wrapping_sub(3) as u16;
        let other = u32::from(selector >> 4 == 15);
        let length = 37 * (u32::from(seq) % 9) + other;
        let length = if selector >> 4 == 14 { u32::from(choices.u16()) } else { length };
        let (start, len) = (u32::from(choices.byte()), u32::from(choices.byte()));
        let whole = what & 3 == 0;
        let offset = if whole { 0 } else { start.min(length) };
        let len = if whole { length } else { len.min(length - offset) };
        // The byte at a place is that of the message, unless somebody has another opinion.
        let opinion = if selector >> 4 == 13 { choices.byte() } else { 0 };
        let body = (offset..offset + len).map(|at| (at as u8).wrapping_mul(31) ^ opinion);
        Self {
            epoch: u64::from(what >> 2 & 1 & u8::from(selector >> 4 == 12)),
            kind: KINDS.get(usize::from(seq) % 4).map_or(0, |kind| kind ^ other as u8),
            length,
            seq,
            offset,
            body: body.collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let u24 = |value: u32| value.to_be_bytes().into_iter().skip(1);
        let mut bytes = vec![self.kind];
        bytes.extend(u24(self.length));
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(u24(self.offset));
        bytes.extend(u24(self.body.len() as u32));
        bytes.extend(&self.body);
        bytes
    }

    /// Reads what is at the start of a record, if it is a fragment of one of `KINDS`.
    fn read(&mut self, record: &[u8]) -> Option<()> {
        let mut choices = Choices::new(record.get(..HEADER_LEN)?);
        self.kind = choices.byte();
        let u24 =
            |choices: &mut Choices<'_>| u32::from(choices.byte()) << 16 | u32::from(choices.u16());
        self.length = u24(&mut choices);
        self.seq = choices.u16();
        self.offset = u24(&mut choices);
        let len = u24(&mut choices);
        if self.offset + len > self.length {
            return None;
        }
        self.body = record.get(HEADER_LEN..)?.get(..len as usize)?.to_vec();
        Some(())
    }
}

struct Message {
    kind: u8,
    epoch: u64,
    /// What came first stays.
    body: Vec<Option<u8>>,
}

impl Message {
    fn is_complete(&self) -> bool {
        self.body.iter().all(Option::is_some)
    }

    fn len(&self) -> usize {
        HEADER_LEN + self.body.len()
    }
}

struct Model {
    messages: BTreeMap<u16, Message>,
    next_seq: u32,
    flight_start: u32,
    max_bytes: usize,
}

impl Model {
    fn new(max_bytes: usize) -> Self {
        Self { messages: BTreeMap::new(), next_seq: 0, flight_start: 0, max_bytes }
    }

    fn bytes(&self) -> usize {
        self.messages.values().map(Message::len).sum()
    }

    /// Whether a client takes a message of this kind in an epoch before it knows the version.
    fn allows(fragment: &Fragment) -> bool {
        // ClientHello, CertificateVerify and ClientKeyExchange are its own; a Finished is protected.
        fragment.epoch == 1 || !matches!(fragment.kind, 1 | 15 | 16 | 20)
    }

    fn insert(&mut self, fragment: &Fragment) -> Inserted {
        let seq = u32::from(fragment.seq);
        if seq < self.flight_start {
            return Inserted::Answered;
        }
        if seq < self.next_seq {
            return Inserted::Known;
        }
        if seq >= self.next_seq + WINDOW || !Self::allows(fragment) {
            return Inserted::Dropped;
        }
        if fragment.length as usize > self.max_bytes / 2 {
            return if fragment.epoch > 0 { Inserted::TooLong } else { Inserted::Dropped };
        }
        // What is protected takes the place of what is not.
        if self.messages.get(&fragment.seq).is_some_and(|kept| kept.epoch < fragment.epoch) {
            self.messages.remove(&fragment.seq);
        }
        if !self.messages.contains_key(&fragment.seq) {
            let needed = HEADER_LEN + fragment.length as usize;
            // The farthest ahead goes first.
            while self.bytes() + needed > self.max_bytes {
                match self.messages.last_key_value() {
                    Some((last, _)) if *last > fragment.seq => self.messages.pop_last(),
                    _ => return Inserted::Dropped,
                };
            }
            let body = vec![None; fragment.length as usize];
            let message = Message { kind: fragment.kind, epoch: fragment.epoch, body };
            self.messages.insert(fragment.seq, message);
        }
        let Some(message) = self.messages.get_mut(&fragment.seq) else { return Inserted::Dropped };
        let is_same = (message.kind, message.epoch) == (fragment.kind, fragment.epoch);
        if !is_same || message.body.len() != fragment.length as usize {
            return Inserted::Dropped;
        }
        if fragment.length == 0 {
            return Inserted::Kept;
        }
        let mut inserted = Inserted::Known;
        let places = message.body.iter_mut().skip(fragment.offset as usize);
        for (place, byte) in places.zip(&fragment.body) {
            if place.is_none() {
                *place = Some(*byte);
                inserted = Inserted::Kept;
            }
        }
        inserted
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let first = self.messages.first_entry()?;
        if u32::from(*first.key()) != self.next_seq || !first.get().is_complete() {
            return None;
        }
        let (seq, message) = first.remove_entry();
        self.next_seq += 1;
        let body: Vec<u8> = message.body.into_iter().flatten().collect();
        let length = body.len() as u32;
        let whole = Fragment { epoch: 0, kind: message.kind, length, seq, offset: 0, body };
        Some(whole.bytes())
    }

    /// A record that is the next message and nothing else need not be kept.
    fn take_whole(&mut self, fragment: &Fragment) -> Option<Vec<u8>> {
        let is_next = u32::from(fragment.seq) == self.next_seq && self.messages.is_empty();
        let is_whole = fragment.length as usize == fragment.body.len();
        let fits = HEADER_LEN + fragment.body.len() <= self.max_bytes / 2;
        if !is_next || !is_whole || !fits || !Self::allows(fragment) {
            return None;
        }
        self.next_seq += 1;
        Some(fragment.body.clone())
    }

    fn has_gap(&self) -> bool {
        let Some((seq, first)) = self.messages.first_key_value() else { return false };
        let begun = first.body.iter().skip_while(|byte| byte.is_some()).all(Option::is_none);
        self.messages.len() > 1 || u32::from(*seq) != self.next_seq || !begun
    }
}
