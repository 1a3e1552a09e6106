//! A stream that the peer sends on.

use super::OVERHEAD;
use super::interleaved::{Held, Partials};
use crate::message::{Message, Order, ReadMode};
use crate::tsn::number_is_after;
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};

/// What is kept of a stream that the peer sends on.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The number of the next ordered message: a message identifier, or a stream sequence number
    /// made as long as one.
    pub(super) next: u32,
    /// In [`Receiver::readable`].
    pub(super) listed: bool,
    /// The application was told and has not read since.
    pub(super) told: bool,
    /// How it is read, when that was said.
    pub(super) read_mode: Option<ReadMode>,
    /// Whole messages for the application.
    pub(super) queue: VecDeque<Message>,
    pub(super) waiting: Waiting,
    /// Messages of which fragments are missing, where they are interleaved.
    pub(super) partials: Partials,
    /// The newest unordered message that the peer has given up.
    pub(super) skipped: Option<u32>,
    /// The message that is being read in parts.
    pub(super) reading: Option<Reading>,
}

/// Whole ordered messages that wait for an earlier one, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<u32, Message>);

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a message; gives whether there was none of its number.
    pub(super) fn insert(&mut self, number: u32, message: Message) -> bool {
        match self.0.entry(number) {
            Entry::Vacant(entry) => {
                entry.insert(message);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// The number of the first of them, where the next message is `next`: numbers wrap.
    pub(super) fn first(&self, next: u32) -> Option<u32> {
        self.in_order(next).next().map(|(number, _)| number)
    }

    /// All of them in order, where the next message is `next`.
    pub(super) fn in_order(&self, next: u32) -> impl Iterator<Item = (u32, &Message)> {
        let wrapped = self.0.range(..next);
        self.0.range(next..).chain(wrapped).map(|(number, message)| (*number, message))
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Message> {
        self.0.remove(&number)
    }

    /// Forgets them; gives what they held, each with [`OVERHEAD`].
    pub(super) fn clear(&mut self) -> usize {
        let held = self.held();
        self.0.clear();
        held
    }

    /// What they hold, each with [`OVERHEAD`].
    pub(super) fn held(&self) -> usize {
        self.0.values().map(|message| message.payload.len() + OVERHEAD).sum()
    }
}

/// A message of which parts have been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) order: Order,
    pub(super) message: u32,
    pub(super) ppid: u32,
    pub(super) rest: Rest,
}

/// What comes of the rest of a message of which parts have been read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// It arrives, or has.
    Arrives,
    /// It is the first in the stream's queue: it had arrived when the stream's numbers ended.
    Queued,
    /// The sender has given it up, and the reader does not know.
    Abandoned,
}

impl Stream {
    /// Whether nothing is known of it that one without state would not have.
    pub(super) fn is_as_new(&self) -> bool {
        let is_idle = self.queue.is_empty() && self.waiting.is_empty() && self.partials.is_empty();
        let is_unread = self.listed || self.reading.is_some();
        let is_known = self.next != 0 || self.skipped.is_some() || self.read_mode.is_some();
        is_idle && !is_unread && !is_known
    }

    /// Whether a fragment is a late one of a message that the peer has given up: it may come beyond
    /// the number up to which it was skipped, when others lie between. Messages of a stream are sent one
    /// after the other, so that those before one that was given up are done with, too.
    pub(super) fn is_gone(&self, order: Order, message: u32) -> bool {
        match order {
            Order::Ordered => number_is_after(self.next, message),
            Order::Unordered => {
                self.skipped.is_some_and(|skipped| skipped.wrapping_sub(message) < LATE)
            }
        }
    }

    /// Whether the message is the one that is being read in parts, as they arrive.
    pub(super) fn is_reading(&self, order: Order, message: u32) -> bool {
        self.reading.is_some_and(|reading| {
            reading.rest == Rest::Arrives && reading.order == order && reading.message == message
        })
    }

    /// Whether messages of it are read in parts, or one is.
    #[inline]
    pub(super) fn reads_parts(&self, mode: ReadMode) -> bool {
        self.read_mode.unwrap_or(mode) == ReadMode::Parts || self.reading.is_some()
    }

    /// Whether the message is the one to be read in parts next, or may be.
    pub(super) fn reads_next(&self, mode: ReadMode, order: Order, message: u32) -> bool {
        let in_turn = order == Order::Unordered || message == self.next;
        self.is_reading(order, message)
            || self.reading.is_none() && self.reads_parts(mode) && in_turn
    }

    /// The message of which a part can be read next.
    pub(super) fn readable_part(&self, mode: ReadMode) -> Option<(Order, u32)> {
        match self.reading {
            Some(reading) => {
                let key = (reading.order, reading.message);
                (reading.rest != Rest::Arrives || self.partials.is_readable(key)).then_some(key)
            }
            None if self.read_mode.unwrap_or(mode) == ReadMode::Parts => {
                self.partials.readable(self.next)
            }
            None => None,
        }
    }

    /// Whether the application knows that there is something to read, or is about to.
    #[inline]
    pub(super) const fn knows(&self) -> bool {
        self.told || self.listed
    }

    /// Whether the application is to be told of the stream: it was not, and is now.
    #[inline]
    pub(super) const fn must_tell(&mut self) -> bool {
        let must = !self.knows();
        self.listed |= must;
        must
    }

    /// Whether there is something to read.
    pub(super) fn is_readable(&self, mode: ReadMode) -> bool {
        !self.queue.is_empty() && self.reading.is_none() || self.readable_part(mode).is_some()
    }

    /// Whether one of the messages of an order up to `last` is being read in parts, as they arrive.
    pub(super) fn reads_up_to(&self, order: Order, last: u32) -> bool {
        self.reading.is_some_and(|reading| {
            reading.rest == Rest::Arrives
                && reading.order == order
                && !number_is_after(reading.message, last)
        })
    }

    /// The peer has given up all messages of an order up to `last`; gives what they held.
    pub(super) fn give_up(&mut self, order: Order, last: u32) -> Held {
        if self.reads_up_to(order, last)
            && let Some(reading) = &mut self.reading
        {
            reading.rest = Rest::Abandoned;
        }
        if order == Order::Unordered {
            self.skipped = Some(last);
        }
        self.partials.forward_to(order, last)
    }

    /// Everything incomplete is gone; gives what it held.
    pub(super) fn drop_incomplete(&mut self) -> Held {
        self.next = 0;
        self.skipped = None;
        if let Some(reading) = &mut self.reading
            && reading.rest == Rest::Arrives
        {
            reading.rest = Rest::Abandoned;
        }
        self.partials.clear()
    }
}

/// A fragment comes so few messages late at most: a gap block's offset has 16 bits.
const LATE: u32 = 1 << 16;
