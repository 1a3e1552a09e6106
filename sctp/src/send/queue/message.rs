//! A message that waits to be sent.

use crate::message::{Order, Outgoing, Reliability};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::Instant;

/// A message that waits in its stream.
#[derive(Debug)]
pub(crate) struct Queued {
    /// What of it has not left; of a message that is written in parts, the first of them.
    pub(crate) payload: Bytes,
    pub(crate) parts: Parts,
    pub(crate) ppid: u32,
    pub(crate) order: Order,
    pub(crate) max_retransmits: Option<u16>,
    pub(crate) expires: Option<Instant>,
    /// How many bytes have left as fragments.
    pub(crate) sent: usize,
    /// The length of the whole message, as far as it is known.
    pub(crate) len: usize,
    /// Whether it counts in the stream's buffered amount: what the application did not send does
    /// not.
    pub(crate) counts: bool,
    /// How many messages of all streams came before it.
    pub(super) arrived: u64,
    /// It may be given up for another one that matters more, while it is not begun.
    pub(super) yields: bool,
    /// Its stream sequence number or message identifier, once it is begun. Before, if it yields,
    /// how much it matters: the less, the larger this is.
    pub(super) message: u32,
    /// The number of its next fragment.
    pub(super) fsn: u32,
}

/// How a message comes to be queued.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "few have parts, and all are moved in and out of queues")]
pub(crate) enum Parts {
    /// All of it at once.
    Whole,
    /// In parts, of which these follow the first; more will.
    Open(Box<VecDeque<Bytes>>),
    /// In parts, of which these are left.
    Finished(Box<VecDeque<Bytes>>),
}

impl Queued {
    /// A message, of which the stream's buffered amount knows if it `counts`.
    pub(crate) fn new(now: Instant, message: Outgoing, parts: Parts, counts: bool) -> Self {
        let (mut max_retransmits, mut expires, mut yields_at) = (None, None, None);
        match message.reliability {
            Reliability::Reliable => {}
            Reliability::MaxRetransmits(count) => max_retransmits = Some(count),
            Reliability::MaxPacketLifeTime(time) => expires = now.checked_add(time),
            // One that is written in parts is begun.
            Reliability::Priority(priority) => {
                yields_at = matches!(parts, Parts::Whole).then_some(priority);
            }
        }
        Self {
            len: message.payload.len(),
            payload: message.payload,
            parts,
            ppid: message.ppid,
            order: message.order,
            max_retransmits,
            expires,
            sent: 0,
            counts,
            arrived: 0,
            yields: yields_at.is_some(),
            message: yields_at.unwrap_or_default(),
            fsn: 0,
        }
    }

    /// What `len` of its bytes count for in the stream's buffered amount.
    pub(super) const fn counted(&self, len: usize) -> usize {
        if self.counts { len } else { 0 }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.parts, Parts::Open(_))
    }

    /// How much it matters, if it can be given up for another one.
    pub(super) const fn priority(&self) -> Option<u32> {
        if self.yields && !self.is_begun() { Some(self.message) } else { None }
    }

    /// Whether it can be given up for another one.
    pub(super) const fn is_expendable(&self) -> bool {
        self.yields && !self.is_begun()
    }

    /// Whether it is not to be sent any more, since its time was over before it began.
    pub(super) fn has_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires < now) && !self.is_begun() && !self.is_open()
    }

    pub(super) const fn is_begun(&self) -> bool {
        self.sent > 0
    }

    /// How many bytes can be sent now. Of a message that is still written, the last byte is held
    /// back: there must be one for the chunk that says that the message ends.
    pub(super) const fn available(&self) -> usize {
        self.len - self.sent - self.held_back()
    }

    /// How many bytes are held back: one, if there is any.
    pub(super) const fn held_back(&self) -> usize {
        (self.is_open() && self.len > 0) as usize
    }

    /// How much it takes of what may be begun at a time: where the receiver must have all of a
    /// message before anyone can read it.
    pub(super) const fn weight(&self) -> usize {
        match self.parts {
            Parts::Whole if self.len > ALWAYS_BEGUN => self.len,
            _ => 0,
        }
    }

    /// How many pieces of memory it takes beside its stream's own.
    pub(super) fn pieces(&self) -> u32 {
        let (message, parts) = match &self.parts {
            Parts::Whole => return 1,
            Parts::Open(parts) => (0, parts),
            Parts::Finished(parts) => (1, parts),
        };
        message + u32::try_from(parts.len()).unwrap_or(u32::MAX - 1)
    }

    /// Takes `len` bytes off its front, which are there; its parts that are used up are no `pieces`
    /// any more.
    #[inline]
    pub(super) fn take(&mut self, len: usize, pieces: &mut u32) -> Bytes {
        if let Parts::Open(parts) | Parts::Finished(parts) = &mut self.parts
            && self.payload.len() <= len
            && !parts.is_empty()
        {
            *pieces -= u32::try_from(parts.len()).unwrap_or(u32::MAX);
            let gathered = gather(&mut self.payload, parts, len);
            *pieces += u32::try_from(parts.len()).unwrap_or(u32::MAX);
            return gathered;
        }
        if len >= self.payload.len() {
            std::mem::take(&mut self.payload)
        } else {
            self.payload.split_to(len)
        }
    }
}

/// Takes `len` bytes off several parts: copied together, lest a packet is sent for a crumb.
fn gather(first: &mut Bytes, parts: &mut VecDeque<Bytes>, len: usize) -> Bytes {
    let mut gathered = BytesMut::with_capacity(len);
    loop {
        let count = first.len().min(len - gathered.len());
        gathered.extend_from_slice(first.get(..count).unwrap_or_default());
        first.advance(count);
        if first.is_empty()
            && let Some(next) = parts.pop_front()
        {
            *first = next;
        }
        if gathered.len() == len || first.is_empty() {
            return gathered.freeze();
        }
    }
}

/// Messages up to this length may begin at any time: a packet carries them.
const ALWAYS_BEGUN: usize = 1024;
