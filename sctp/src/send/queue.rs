//! Messages that wait to be sent.

mod evict;
mod handover;
mod message;
mod open;
mod reset;

use super::scheduler::{NORMAL_PRIORITY, Schedule, Scheduler, Share};
use crate::chunk::data::{self, Form};
use crate::message::Order;
use crate::stream_table::StreamTable;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

pub(crate) use message::{Parts, Queued};

/// What is kept of a stream that we send on.
#[derive(Debug, Default)]
struct Stream {
    queue: VecDeque<Queued>,
    /// Bytes in `queue` that have not left.
    buffered: usize,
    low_threshold: usize,
    /// `buffered` has been above the threshold since the application was told that it is low.
    high: bool,
    /// In [`Queues::low`].
    low: bool,
    /// In [`Queues::refused`].
    refused: bool,
    /// A message was refused while `high`: the application waits to be told.
    wants: bool,
    /// The numbers of the next ordered and unordered message; DATA counts ordered ones only.
    next_ordered: u32,
    next_unordered: u32,
    share: Share,
    /// In the schedule.
    scheduled: bool,
    /// To be reset when what was queued before this message, of all streams', has left.
    reset_before: Option<u64>,
    /// Being reset: nothing leaves until the peer has answered.
    held: bool,
}

impl Stream {
    /// Whether a message waits for a reset.
    #[inline]
    fn holds(&self, message: &Queued) -> bool {
        self.held || self.reset_before.is_some_and(|before| message.arrived >= before)
    }

    /// It gets a turn if it has something to send and none yet.
    #[inline]
    fn enter(&mut self, number: u16, schedule: &mut Schedule) {
        if !self.scheduled
            && let Some(front) = self.queue.front()
            && front.available() > 0
            && !self.holds(front)
        {
            self.scheduled = true;
            schedule.enter(number, &self.share, front.arrived);
        }
    }

    /// Its turn ends.
    #[inline]
    fn end_turn(&mut self, number: u16, schedule: &mut Schedule, drained: &mut BTreeSet<u16>) {
        match self.queue.front().filter(|front| front.available() > 0 && !self.holds(front)) {
            Some(front) => schedule.again(&self.share, front.arrived),
            None => {
                schedule.leave();
                self.scheduled = false;
                self.end_if_drained(number, drained);
            }
        }
    }

    fn end_if_drained(&mut self, number: u16, drained: &mut BTreeSet<u16>) {
        if let Some(before) = self.reset_before
            && !self.held
            && self.queue.front().is_none_or(|front| front.arrived >= before)
        {
            self.reset_before = None;
            self.held = true;
            drained.insert(number);
        }
    }

    /// The bytes in `queue` that wait for anything but the application: not the last one of a message
    /// that is still written.
    fn waiting(&self) -> usize {
        self.buffered - self.queue.back().map_or(0, Queued::held_back)
    }

    #[inline]
    fn check_low(&mut self, number: u16, low: &mut VecDeque<u16>) {
        // Mostly there is far more.
        if self.high
            && self.buffered.saturating_sub(1) <= self.low_threshold
            && self.waiting() <= self.low_threshold
        {
            self.high = false;
            self.wants = false;
            self.tell_low(number, low);
        }
    }

    /// The application is told once until it asks.
    #[inline]
    fn tell_low(&mut self, number: u16, low: &mut VecDeque<u16>) {
        if !self.low {
            self.low = true;
            low.push_back(number);
        }
    }
}

/// Streams on which a message had no room, with its length, in order.
#[derive(Debug, Default)]
struct Refused(VecDeque<(u16, usize)>);

/// The queues of all streams.
///
/// With DATA, the fragments of a message have consecutive transmission sequence numbers, so that a
/// turn ends with the message, not with the packet; with I-DATA it ends with the chunk.
#[derive(Debug)]
pub(crate) struct Queues {
    streams: StreamTable<Stream>,
    schedule: Schedule,
    form: Form,
    /// Bytes in all queues that have not left.
    bytes: usize,
    /// Messages that were queued.
    count: u64,
    /// I-DATA: the bytes of the large messages that are begun and not all sent, and the most that
    /// may be. The receiver holds parts of all of them; were there more than it has room for, none
    /// would ever become whole.
    begun: usize,
    begun_limit: u32,
    /// Streams whose buffered amount has fallen to their threshold.
    low: VecDeque<u16>,
    /// How many messages can be given up for others.
    expendable: u32,
    /// How many things take memory beside their bytes: messages but those that are still written, of
    /// which a stream has one at most, and the parts behind the first of each.
    pieces: u32,
    /// Bytes that are held back: the last one of each message that is still written.
    held_back: u16,
    /// Those who were refused, from the first one on.
    refused: Option<Box<Refused>>,
    /// Streams to be reset that have nothing more to send before.
    drained: BTreeSet<u16>,
}

impl Queues {
    pub(crate) const fn new(scheduler: Scheduler) -> Self {
        Self {
            streams: StreamTable::new(),
            schedule: Schedule::new(scheduler),
            form: Form::Data,
            bytes: 0,
            count: 0,
            begun: 0,
            begun_limit: 0,
            low: VecDeque::new(),
            expendable: 0,
            pieces: 0,
            held_back: 0,
            refused: None,
            drained: BTreeSet::new(),
        }
    }

    /// Whether messages are interleaved is known: before anything is sent.
    pub(crate) const fn set_form(&mut self, form: Form) {
        self.form = form;
    }

    pub(crate) const fn form(&self) -> Form {
        self.form
    }

    /// The peer has room for so many bytes.
    #[inline]
    pub(crate) fn set_begun_limit(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if bytes > self.begun_limit {
            self.begun_limit = bytes;
            self.readmit();
        }
    }

    const fn begun_limit(&self) -> usize {
        self.begun_limit as usize
    }

    /// Whether nothing waits that can be sent now.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.schedule.is_empty()
    }

    /// Bytes in all queues.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages, and parts of them, there are.
    pub(crate) const fn pieces(&self) -> usize {
        self.pieces as usize
    }

    /// How many bytes wait for the application to write on.
    pub(crate) const fn held_back(&self) -> usize {
        self.held_back as usize
    }

    /// Bytes in the queue of `stream`.
    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.streams.get(stream).map_or(0, |stream| stream.buffered)
    }

    /// How many of them do not wait for the application.
    pub(crate) fn waiting(&self, stream: u16) -> usize {
        self.streams.get(stream).map_or(0, Stream::waiting)
    }

    /// Sets from which amount downwards [`Self::poll_low`] tells.
    pub(crate) fn set_low_threshold(&mut self, stream: u16, threshold: usize) {
        if threshold == 0 && self.streams.get(stream).is_none() {
            return;
        }
        let entry = self.streams.entry(stream);
        entry.low_threshold = threshold;
        entry.high = entry.waiting() > threshold;
        if !entry.high && std::mem::take(&mut entry.wants) {
            // The amount does not fall to the threshold any more. How long the message was is not
            // known.
            self.note_refused(stream, 1);
        }
    }

    /// Sets the priority of a stream.
    pub(crate) fn set_priority(&mut self, number: u16, priority: u16) {
        if priority != NORMAL_PRIORITY || self.streams.get(number).is_some() {
            self.streams.entry(number).share.priority = priority;
        }
    }

    /// The priority of a stream.
    pub(crate) fn priority(&self, number: u16) -> u16 {
        self.streams.get(number).map_or(NORMAL_PRIORITY, |stream| stream.share.priority)
    }

    /// Whether no amount has fallen, and nobody waits for room.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.low.is_empty() && !self.has_refused()
    }

    /// A stream whose amount has fallen to its threshold since it was last told.
    pub(crate) fn poll_low(&mut self) -> Option<u16> {
        let number = self.low.pop_front()?;
        if let Some(stream) = self.streams.get_mut(number) {
            stream.low = false;
        }
        Some(number)
    }

    /// A message of `len` bytes had no room on a stream: the application is told when there is,
    /// unless it will be told anyway since more waits than its threshold.
    pub(crate) fn note_refused(&mut self, number: u16, len: usize) {
        let stream = self.streams.entry(number);
        if stream.high {
            stream.wants = true;
        } else if !stream.refused {
            stream.refused = true;
            self.refused.get_or_insert_default().0.push_back((number, len));
        }
    }

    /// Whether the application waits for room.
    #[inline]
    pub(crate) fn has_refused(&self) -> bool {
        self.refused.as_ref().is_some_and(|refused| !refused.0.is_empty())
    }

    /// Tells those of whose messages `fits` says that there is room for them now, in turn. One that is
    /// longer than `limit` waits until nothing does, and keeps nobody waiting behind it.
    pub(crate) fn tell_room(&mut self, limit: usize, fits: impl Fn(usize) -> bool) {
        let Some(refused) = &mut self.refused else { return };
        let mut index = 0;
        while let Some(&(number, len)) = refused.0.get(index) {
            if !fits(len) {
                if len <= limit {
                    return;
                }
                index += 1;
                continue;
            }
            refused.0.remove(index);
            if let Some(stream) = self.streams.get_mut(number)
                && std::mem::take(&mut stream.refused)
            {
                stream.tell_low(number, &mut self.low);
            }
        }
    }

    /// Puts a message at the end of its stream.
    pub(crate) fn push(&mut self, number: u16, mut message: Queued) {
        message.arrived = self.count;
        self.count += 1;
        if self.has_drained() {
            self.hold_if_drained(number);
        }
        let held_back = message.held_back();
        let stream = self.streams.entry(number);
        stream.buffered += message.counted(message.len);
        stream.high |= stream.buffered - held_back > stream.low_threshold;
        self.bytes += message.len;
        self.held_back += u16::from(held_back > 0);
        self.expendable += u32::from(message.is_expendable());
        self.pieces += message.pieces();
        stream.queue.push_back(message);
        stream.enter(number, &mut self.schedule);
    }

    /// Gives a stream a turn if it has something to send and none yet.
    fn enter(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.enter(number, &mut self.schedule);
        }
    }

    /// The stream whose turn it is, and how many bytes its message has to be sent now; drops those that
    /// have expired.
    #[inline]
    pub(crate) fn front(&mut self, now: Instant, expired: &mut u64) -> Option<(u16, usize)> {
        loop {
            let Some(number) = self.schedule.first() else {
                // Who was let in before the others may have expired before it began.
                if self.begun > 0 || self.schedule.first_waiting().is_none() {
                    return None;
                }
                self.readmit();
                continue;
            };
            let Some(front) = self.streams.get(number).and_then(|stream| stream.queue.front())
            else {
                debug_assert!(false, "a scheduled stream has a message");
                self.schedule.leave();
                continue;
            };
            if front.is_begun() {
                // It is ended, or abandoned by its fragments.
                return Some((number, front.available()));
            }
            if front.has_expired(now) {
                *expired += 1;
                self.drop_front(number);
                continue;
            }
            if self.form == Form::IData
                && self.begun > 0
                && front.weight() > self.begun_limit().saturating_sub(self.begun)
            {
                self.schedule.put_off();
                continue;
            }
            return Some((number, front.available()));
        }
    }

    /// Takes up to `len` bytes of the message of the stream whose turn it is, which [`Self::front`] has
    /// told.
    #[inline]
    pub(crate) fn take(&mut self, number: u16, len: usize) -> Option<Fragment> {
        let stream = self.streams.get_mut(number)?;
        let front = stream.queue.front_mut()?;
        let (begin, weight) = (!front.is_begun(), front.weight());
        if begin {
            self.expendable -= u32::from(front.is_expendable());
            front.message = match (self.form, front.order) {
                (Form::Data, Order::Unordered) => 0,
                (_, Order::Ordered) => next(&mut stream.next_ordered),
                (Form::IData, Order::Unordered) => next(&mut stream.next_unordered),
            };
            self.begun += weight;
        }
        let available = front.available();
        let len = len.min(available);
        let end = len == available && !front.is_open();
        let mut flags = if begin { data::BEGIN } else { 0 };
        flags |= if end { data::END } else { 0 };
        flags |= if front.order == Order::Unordered { data::UNORDERED } else { 0 };
        let fragment = Fragment {
            payload: front.take(len, &mut self.pieces),
            expires: front.expires,
            ppid_or_fsn: if self.form == Form::Data || begin { front.ppid } else { front.fsn },
            max_retransmits: front.max_retransmits,
            message: front.message,
            stream: number,
            form: self.form,
            flags,
        };
        self.bytes -= len;
        stream.buffered -= front.counted(len);
        let mut ended = 0;
        if end {
            self.pieces -= 1;
            ended = weight;
            let cost = if self.form == Form::Data { front.len } else { len };
            stream.queue.pop_front();
            self.schedule.charge(&mut stream.share, cost);
            stream.end_turn(number, &mut self.schedule, &mut self.drained);
        } else {
            front.sent += len;
            front.fsn = front.fsn.wrapping_add(1);
            if self.form == Form::Data {
                self.schedule.hold();
            } else {
                self.schedule.charge(&mut stream.share, len);
                stream.end_turn(number, &mut self.schedule, &mut self.drained);
            }
        }
        stream.check_low(number, &mut self.low);
        self.unbegin(ended);
        Some(fragment)
    }

    /// Drops the rest of a message that was begun: it is abandoned.
    pub(crate) fn abandon_begun(&mut self, number: u16, order: Order, message: u32) {
        let begun =
            self.streams.get(number).and_then(|stream| stream.queue.front()).is_some_and(|front| {
                front.is_begun() && front.order == order && front.message == message
            });
        if begun {
            self.drop_front(number);
        }
    }

    /// Drops the messages at the front of a stream whose time is over; gives how many.
    pub(crate) fn drop_expired(&mut self, number: u16, now: Instant) -> u64 {
        let mut dropped = 0;
        while let Some(front) = self.streams.get(number).and_then(|stream| stream.queue.front())
            && front.has_expired(now)
        {
            self.pop_front(number);
            dropped += 1;
        }
        if dropped > 0 {
            self.front_has_changed(number);
        }
        dropped
    }

    fn drop_front(&mut self, number: u16) {
        let weight = self.pop_front(number);
        self.front_has_changed(number);
        self.unbegin(weight);
    }

    /// Drops the first message of a stream; gives what it takes of what may be begun at a time.
    fn pop_front(&mut self, number: u16) -> usize {
        let mut weight = 0;
        if let Some(stream) = self.streams.get_mut(number)
            && let Some(front) = stream.queue.pop_front()
        {
            stream.buffered -= front.counted(front.len - front.sent);
            self.bytes -= front.len - front.sent;
            self.pieces -= front.pieces();
            self.held_back -= u16::from(front.held_back() > 0);
            self.expendable -= u32::from(front.is_expendable());
            weight = if front.is_begun() { front.weight() } else { 0 };
        }
        weight
    }

    /// The first message of a stream is another one, or none, though none was sent.
    fn front_has_changed(&mut self, number: u16) {
        if self.schedule.first() == Some(number) {
            self.end_turn(number);
        } else {
            self.schedule.remove(number);
            if let Some(stream) = self.streams.get_mut(number) {
                stream.scheduled = false;
            }
            self.enter(number);
            self.end_if_drained(number);
        }
        self.check_low(number);
    }

    /// A large message is not under way any more.
    fn unbegin(&mut self, weight: usize) {
        if weight > 0 {
            self.begun -= weight;
            self.readmit();
        }
    }

    /// Lets messages begin that had to wait, as many as fit.
    fn readmit(&mut self) {
        let mut begun = self.begun;
        while let Some(number) = self.schedule.first_waiting() {
            let front = self.streams.get(number).and_then(|stream| stream.queue.front());
            let weight = front.map_or(0, Queued::weight);
            if begun > 0 && weight > self.begun_limit().saturating_sub(begun) {
                break;
            }
            begun += weight;
            self.schedule.readmit();
        }
    }

    /// The turn of the stream whose it is ends.
    #[inline]
    fn end_turn(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.end_turn(number, &mut self.schedule, &mut self.drained);
            stream.check_low(number, &mut self.low);
        }
    }

    fn end_if_drained(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.end_if_drained(number, &mut self.drained);
        }
    }

    fn check_low(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.check_low(number, &mut self.low);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self { form: self.form, ..Self::new(self.schedule.scheduler()) };
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        if self.schedule.is_empty() {
            self.schedule.shrink();
            self.low.shrink_to(0);
            for (_, stream) in self.streams.iter_mut() {
                stream.queue.shrink_to(0);
            }
        }
    }
}

/// Gives a number and counts it on.
const fn next(number: &mut u32) -> u32 {
    let this = *number;
    *number = this.wrapping_add(1);
    this
}

/// A piece of a message, ready to become a chunk.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) payload: Bytes,
    pub(crate) expires: Option<Instant>,
    pub(crate) ppid_or_fsn: u32,
    pub(crate) max_retransmits: Option<u16>,
    /// The stream sequence number, or the message identifier.
    pub(crate) message: u32,
    pub(crate) stream: u16,
    pub(crate) form: Form,
    /// [`data::BEGIN`], [`data::END`] and [`data::UNORDERED`].
    pub(crate) flags: u8,
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests;
