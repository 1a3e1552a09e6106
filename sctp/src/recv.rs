//! Receiving user data ([RFC 9260 §6.2](https://www.rfc-editor.org/rfc/rfc9260#section-6.2), §6.5 to
//! §6.7).

pub(crate) mod block;
pub(crate) mod reassembly;
pub(crate) mod tsn_map;

use crate::chunk::data::Data;
use crate::chunk::forward_tsn::ForwardTsn;
use crate::chunk::{padded, sack};
use crate::config::Config;
use crate::message::Message;
use crate::stream_table::StreamTable;
use crate::tsn::{Tsn, ssn_is_after};
use block::Block;
use reassembly::{Misfit, Reassembly, Whole};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tsn_map::{Arrival, TsnMap};

/// Everything about data in the direction towards us.
#[derive(Debug)]
pub(crate) struct Receiver {
    map: TsnMap,
    reassembly: Reassembly,
    streams: StreamTable<Stream>,
    block: Block,
    /// Bytes held for the application, each message with [`OVERHEAD`].
    ready: usize,
    /// Bytes of whole ordered messages that wait for an earlier one, with [`OVERHEAD`].
    waiting: usize,
    window: usize,
    max_message: usize,
    sack_delay: Duration,
    sack: SackDue,
    /// Packets with DATA since the last SACK.
    packets: u32,
    /// The window that the last SACK told.
    told_window: usize,
    /// Streams with messages that the application has not been told of.
    readable: VecDeque<u16>,
    /// Messages with this payload protocol identifier are kept apart.
    control_ppid: Option<u32>,
    control: VecDeque<(u16, Message)>,
    pub(crate) counters: Counters,
}

/// What the receiver counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    pub(crate) refused: u64,
}

/// When a SACK is to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SackDue {
    No,
    /// With other chunks, or alone at this time.
    At(Instant),
    Now,
}

/// What is kept of a stream that the peer sends on.
#[derive(Debug, Default)]
struct Stream {
    /// The stream sequence number of the next ordered message.
    next_ssn: u16,
    /// In [`Receiver::readable`].
    listed: bool,
    /// The application was told and has not read since.
    told: bool,
    /// Whole messages for the application.
    queue: VecDeque<Message>,
    /// Whole ordered messages that wait for an earlier one, in order.
    waiting: VecDeque<(u16, Message)>,
}

/// What became of a DATA chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    /// It was taken, or it had been before.
    Yes,
    /// There is no room for it: as if it had not arrived.
    Refused,
    /// The stream does not exist; the number counts as arrived.
    NoSuchStream,
}

impl Receiver {
    pub(crate) fn new(config: &Config, initial_tsn: Tsn, control_ppid: Option<u32>) -> Self {
        let window = config.effective_receive_window();
        Self {
            map: TsnMap::new(initial_tsn),
            reassembly: Reassembly::default(),
            streams: StreamTable::new(),
            block: Block::default(),
            ready: 0,
            waiting: 0,
            window,
            max_message: config.max_receive_message_size,
            sack_delay: config.sack_delay,
            sack: SackDue::No,
            packets: 0,
            told_window: window,
            readable: VecDeque::new(),
            control_ppid,
            control: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Begins again for a new association with the peer; what is whole stays to be read.
    pub(crate) fn restart(&mut self, initial_tsn: Tsn) {
        self.map = TsnMap::new(initial_tsn);
        self.reassembly = Reassembly::default();
        self.waiting = 0;
        for (_, stream) in self.streams.iter_mut() {
            stream.next_ssn = 0;
            stream.waiting.clear();
        }
        self.sack = SackDue::No;
        self.packets = 0;
    }

    pub(crate) const fn cumulative(&self) -> Tsn {
        self.map.cumulative()
    }

    pub(crate) const fn duplicate_count(&self) -> u64 {
        self.map.duplicate_count()
    }

    /// Bytes held, for the application or until they make a message.
    pub(crate) fn held(&self) -> usize {
        self.ready + self.incomplete()
    }

    /// Bytes held that wait for something missing.
    fn incomplete(&self) -> usize {
        self.waiting + self.reassembly.bytes() + OVERHEAD * self.reassembly.len()
    }

    /// The window to tell. A small one is told as none, lest the peer sends small pieces (the
    /// silly window of RFC 1122 §4.2.3.3).
    fn a_rwnd(&self) -> usize {
        let free = self.window.saturating_sub(self.held());
        if free < MIN_WINDOW { 0 } else { free }
    }

    /// Takes a DATA chunk.
    #[inline]
    pub(crate) fn take(&mut self, data: &Data<'_>, stream_exists: bool) -> Result<Taken, Misfit> {
        let arrival = self.map.classify(data.tsn);
        match arrival {
            Arrival::Next | Arrival::Beyond => {}
            Arrival::Duplicate => {
                self.map.note_duplicate(data.tsn);
                self.sack = SackDue::Now;
                return Ok(Taken::Yes);
            }
            Arrival::OutOfReach => {
                self.counters.refused += 1;
                self.sack = SackDue::Now;
                return Ok(Taken::Refused);
            }
        }
        if !stream_exists {
            self.map.insert(data.tsn);
            return Ok(Taken::NoSuchStream);
        }
        if !self.has_room(arrival) {
            self.counters.refused += 1;
            self.sack = SackDue::Now;
            return Ok(Taken::Refused);
        }
        self.counters.chunks += 1;
        let in_order = arrival == Arrival::Next && self.map.gaps().is_empty();
        if !in_order {
            // §6.7: a gap, new or being filled, is told at once.
            self.sack = SackDue::Now;
        }
        self.map.insert(data.tsn);
        if data.is_immediate() {
            self.sack = SackDue::Now;
        }
        let whole = if data.is_begin() && data.is_end() {
            if data.payload.len() > self.max_message {
                return Err(Misfit::TooLarge);
            }
            Whole {
                stream: data.stream,
                ssn: data.ssn,
                ppid: data.ppid,
                unordered: data.is_unordered(),
                payload: self.block.keep(data.payload),
            }
        } else {
            match self.reassembly.insert(data, in_order, self.max_message)? {
                Some(whole) => whole,
                None => return Ok(Taken::Yes),
            }
        };
        self.sort(whole);
        Ok(Taken::Yes)
    }

    /// Whether another chunk can be kept. The peer may overrun the window by what was under way
    /// when it was told, and each message counts for more than its bytes, so that twice the window
    /// is the bound. What moves the cumulative number on has twice the bound, unless the application
    /// does not read: else what waits for it could never leave.
    fn has_room(&self, arrival: Arrival) -> bool {
        match arrival {
            Arrival::Next => self.ready < 2 * self.window && self.held() < 4 * self.window,
            _ => self.held() < 2 * self.window,
        }
    }

    /// Puts a whole message where it belongs: to the application, or before its turn aside.
    fn sort(&mut self, whole: Whole) {
        let Whole { stream: number, ssn, ppid, unordered, payload } = whole;
        let message = Message { ppid, payload };
        if unordered {
            self.deliver(number, message);
            return;
        }
        let stream = self.streams.entry(number);
        if ssn == stream.next_ssn {
            stream.next_ssn = ssn.wrapping_add(1);
            let more = !stream.waiting.is_empty();
            self.deliver(number, message);
            if more {
                self.deliver_waiting(number);
            }
        } else if ssn_is_after(ssn, stream.next_ssn) {
            let next = stream.next_ssn;
            let index = stream
                .waiting
                .partition_point(|(other, _)| other.wrapping_sub(next) < ssn.wrapping_sub(next));
            self.waiting += message.payload.len() + OVERHEAD;
            stream.waiting.insert(index, (ssn, message));
        }
        // One from before its stream's turn was skipped by a FORWARD TSN: the peer gave it up.
    }

    /// Delivers the messages of `number` whose turn has come.
    fn deliver_waiting(&mut self, number: u16) {
        while let Some(stream) = self.streams.get_mut(number)
            && let Some((ssn, _)) = stream.waiting.front()
            && *ssn == stream.next_ssn
            && let Some((ssn, message)) = stream.waiting.pop_front()
        {
            stream.next_ssn = ssn.wrapping_add(1);
            self.waiting -= message.payload.len() + OVERHEAD;
            self.deliver(number, message);
        }
    }

    #[inline]
    fn deliver(&mut self, number: u16, message: Message) {
        self.counters.messages += 1;
        self.counters.bytes += message.payload.len() as u64;
        self.ready += message.payload.len() + OVERHEAD;
        if self.control_ppid == Some(message.ppid) {
            // Such messages are few and short-lived: they must not hold a block.
            let payload = bytes::Bytes::copy_from_slice(&message.payload);
            self.control.push_back((number, Message { payload, ..message }));
            return;
        }
        let stream = self.streams.entry(number);
        stream.queue.push_back(message);
        if !stream.told && !stream.listed {
            stream.listed = true;
            self.readable.push_back(number);
        }
    }

    /// Takes a FORWARD TSN. RFC 3758 §3.6.
    pub(crate) fn forward(&mut self, forward: &ForwardTsn<'_>, stream_count: u16) {
        // "... the sender of the FORWARD TSN may have missed a SACK": answered at once.
        self.sack = SackDue::Now;
        let point = forward.new_cumulative_tsn;
        if !point.is_after(self.map.cumulative()) {
            return;
        }
        self.map.forward_to(point);
        self.reassembly.forward_to(point);
        for (number, ssn) in forward.streams().filter(|(number, _)| *number < stream_count) {
            // What is whole up to the skipped number is delivered in its order.
            while let Some(stream) = self.streams.get_mut(number)
                && let Some((waiting, _)) = stream.waiting.front()
                && !ssn_is_after(*waiting, ssn)
                && let Some((waiting, message)) = stream.waiting.pop_front()
            {
                stream.next_ssn = waiting.wrapping_add(1);
                self.waiting -= message.payload.len() + OVERHEAD;
                self.deliver(number, message);
            }
            let stream = self.streams.entry(number);
            if !ssn_is_after(stream.next_ssn, ssn) {
                stream.next_ssn = ssn.wrapping_add(1);
            }
            self.deliver_waiting(number);
        }
    }

    /// The peer has reset a stream that it sends on: its numbers begin again (RFC 6525 §5.2.2 E2).
    pub(crate) fn reset_stream(&mut self, number: u16) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.next_ssn = 0;
            // Whatever waited for its turn waits for a message that was never whole.
            for (_, message) in stream.waiting.drain(..) {
                self.waiting -= message.payload.len() + OVERHEAD;
            }
            if stream.queue.is_empty() && !stream.listed {
                self.streams.remove(number);
            }
        }
    }

    /// All streams that the peer has used.
    pub(crate) fn used_streams(&mut self) -> Vec<u16> {
        self.streams.iter_mut().map(|(number, _)| number).collect()
    }

    /// A packet with DATA chunks was taken: decides about the SACK. RFC 9260 §6.2.
    #[inline]
    pub(crate) fn packet_done(&mut self, now: Instant) {
        self.packets += 1;
        match self.sack {
            SackDue::Now => {}
            // Every second packet.
            _ if self.packets >= 2 => self.sack = SackDue::Now,
            SackDue::No => self.sack = SackDue::At(now + self.sack_delay),
            SackDue::At(_) => {}
        }
    }

    /// The next SACK is sent at once.
    pub(crate) const fn sack_now(&mut self) {
        self.sack = SackDue::Now;
    }

    /// No SACK is owed any more: the association is over.
    pub(crate) const fn stop(&mut self) {
        self.sack = SackDue::No;
    }

    /// Whether a SACK is to be sent now.
    #[inline]
    pub(crate) const fn sack_is_due(&self) -> bool {
        matches!(self.sack, SackDue::Now)
    }

    /// Whether a SACK would go along with other chunks.
    #[inline]
    pub(crate) const fn sack_is_wanted(&self) -> bool {
        !matches!(self.sack, SackDue::No)
    }

    /// When the delayed SACK is to be sent.
    pub(crate) const fn sack_timeout(&self) -> Option<Instant> {
        match self.sack {
            SackDue::At(at) => Some(at),
            SackDue::No | SackDue::Now => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.sack_timeout().is_some_and(|at| at <= now) {
            self.sack = SackDue::Now;
        }
    }

    /// Appends a SACK; gives whether there was room.
    pub(crate) fn write_sack(&mut self, buf: &mut Vec<u8>, end: usize) -> bool {
        let window = self.a_rwnd();
        let Some(room) = end.checked_sub(buf.len()) else { return false };
        let a_rwnd = u32::try_from(window).unwrap_or(u32::MAX);
        let written = sack::write(
            buf,
            self.map.cumulative(),
            a_rwnd,
            self.map.gaps(),
            self.map.duplicates(),
            room,
        );
        if written.is_none() {
            return false;
        }
        self.map.clear_duplicates();
        self.told_window = window;
        self.sack = SackDue::No;
        self.packets = 0;
        true
    }

    /// The bytes that a SACK would take.
    pub(crate) fn sack_len(&self) -> usize {
        padded(sack::MIN_LEN + 4 * (self.map.gaps().len() + self.map.duplicates().len()))
    }

    /// Whether no stream has become readable.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.readable.is_empty()
    }

    /// A stream that has become readable.
    pub(crate) fn poll_readable(&mut self) -> Option<u16> {
        while let Some(number) = self.readable.pop_front() {
            let Some(stream) = self.streams.get_mut(number) else { continue };
            stream.listed = false;
            if !stream.queue.is_empty() {
                stream.told = true;
                return Some(number);
            }
        }
        None
    }

    /// The next message of a stream.
    #[inline]
    pub(crate) fn read(&mut self, number: u16) -> Option<Message> {
        let stream = self.streams.get_mut(number)?;
        stream.told = false;
        let message = stream.queue.pop_front()?;
        self.release(message.payload.len() + OVERHEAD);
        Some(message)
    }

    /// The next message of the payload protocol that is kept apart.
    pub(crate) fn read_control(&mut self) -> Option<(u16, Message)> {
        let (number, message) = self.control.pop_front()?;
        self.release(message.payload.len() + OVERHEAD);
        Some((number, message))
    }

    /// Takes all unread messages of a stream out; they count until [`Self::release`].
    pub(crate) fn take_unread(&mut self, number: u16) -> VecDeque<Message> {
        let Some(stream) = self.streams.get_mut(number) else { return VecDeque::new() };
        stream.told = false;
        std::mem::take(&mut stream.queue)
    }

    /// Bytes left the memory that the window stands for.
    #[inline]
    pub(crate) fn release(&mut self, bytes: usize) {
        debug_assert!(self.ready >= bytes, "more is read than was held");
        self.ready = self.ready.saturating_sub(bytes);
        // The peer may be waiting for the window: it is told when it has become much wider.
        if self.told_window < self.window / 2 {
            let free = self.window.saturating_sub(self.held());
            if free >= self.told_window + self.window / 4 {
                self.sack = SackDue::Now;
            }
        }
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        self.block.shrink();
        self.reassembly.shrink();
        self.control.shrink_to(1);
        self.readable.shrink_to(4);
        for (_, stream) in self.streams.iter_mut() {
            stream.queue.shrink_to(4);
            stream.waiting.shrink_to(0);
        }
    }
}

/// What a message in a queue takes beside its bytes.
pub(crate) const OVERHEAD: usize = 64;
/// Less room than about a packet is told as none.
const MIN_WINDOW: usize = 1500;
