//! Receiving user data ([RFC 9260 §6.2](https://www.rfc-editor.org/rfc/rfc9260#section-6.2), §6.5 to
//! §6.7).

pub(crate) mod block;
pub(crate) mod budget;
mod delivery;
pub(crate) mod handover;
pub(crate) mod interleaved;
mod parts;
pub(crate) mod reassembly;
mod stream;
pub(crate) mod tsn_map;
pub(crate) mod window;

use crate::chunk::data::{Data, Form};
use crate::chunk::{padded, sack};
use crate::config::Config;
use crate::message::{Message, ReadMode};
use crate::span::Span;
use crate::stream_table::StreamTable;
use crate::tsn::Tsn;
use block::Block;
use interleaved::{Held, Memory};
use reassembly::{Misfit, Reassembly, Whole};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use stream::Stream;
use tsn_map::{Arrival, TsnMap};
use window::Window;

/// Everything about data in the direction towards us.
#[derive(Debug)]
pub(crate) struct Receiver {
    map: TsnMap,
    reassembly: Reassembly,
    /// What the streams' incomplete messages hold, where messages are interleaved.
    partial: Held,
    /// What the last interleaved message that was whole has left, once there was one.
    memory: Option<Box<Memory>>,
    read_mode: ReadMode,
    streams: StreamTable<Stream>,
    block: Block,
    /// Bytes held for the application, each message with [`OVERHEAD`].
    ready: usize,
    /// Bytes of whole ordered messages that wait for an earlier one, with [`OVERHEAD`].
    waiting: usize,
    window: Window,
    max_message: usize,
    sack: SackDue,
    /// Packets with DATA since the last SACK.
    packets: u32,
    /// A SACK was sent in this association.
    acknowledged: bool,
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
        Self {
            map: TsnMap::new(initial_tsn),
            reassembly: Reassembly::default(),
            partial: Held::default(),
            memory: None,
            read_mode: config.read_mode,
            streams: StreamTable::new(),
            block: Block::default(),
            ready: 0,
            waiting: 0,
            window: Window::new(config),
            max_message: config.max_receive_message_size,
            sack: SackDue::No,
            packets: 0,
            acknowledged: false,
            readable: VecDeque::new(),
            control_ppid,
            control: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Begins again for a new association with the peer; what is whole stays to be read.
    pub(crate) fn restart(&mut self, initial_tsn: Tsn) {
        self.queue_rests();
        self.map = TsnMap::new(initial_tsn);
        self.reassembly = Reassembly::default();
        self.waiting = 0;
        self.partial = Held::default();
        for (number, stream) in self.streams.iter_mut() {
            stream.drop_incomplete();
            stream.waiting.clear();
            // The rest of what is being read will not come.
            if stream.reading.is_some() && stream.must_tell() {
                self.readable.push_back(number);
            }
        }
        self.sack = SackDue::No;
        self.packets = 0;
        self.acknowledged = false;
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
        self.waiting
            + self.reassembly.bytes()
            + OVERHEAD * self.reassembly.len()
            + self.partial.bytes
    }

    /// The receive window.
    pub(crate) const fn window(&self) -> usize {
        self.window.size()
    }

    /// Takes a DATA or I-DATA chunk.
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
        let (len, held) = (data.payload.len() + OVERHEAD, self.held());
        if !self.admits_stream(data.stream)
            || !self.window.admits(len, self.ready, held, arrival == Arrival::Next)
        {
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
                message: data.message,
                ppid: data.ppid_or_fsn,
                order: data.order(),
                payload: self.block.keep(data.payload),
            }
        } else if data.form == Form::IData {
            match self.take_interleaved(data)? {
                Some(whole) => whole,
                None => return Ok(Taken::Yes),
            }
        } else {
            let expected = self.reassembly.expected(data, in_order, self.max_message);
            let expected = if self.admits_state(expected) { expected } else { 0 };
            match self.reassembly.insert(data, expected, self.max_message)? {
                Some(whole) => whole,
                None => return Ok(Taken::Yes),
            }
        };
        self.sort(whole, data.form);
        Ok(Taken::Yes)
    }

    /// What the peer makes us remember beside what it sends: streams, channels, memory made for
    /// messages that have only begun, memory kept of one that was read, and that of small messages
    /// that were read beside one that waits.
    fn state(&self) -> usize {
        self.streams.memory().saturating_sub(FREE_STATE)
            + self.window.channels()
            + self.partial.reserved
            + self.reassembly.reserved()
            + self.memory.as_ref().map_or(0, |memory| memory.size().saturating_sub(self.ready))
            + self.block.held().saturating_sub(self.ready + self.waiting)
    }

    /// Whether there is room for so much more of it.
    #[inline]
    fn admits_state(&mut self, bytes: usize) -> bool {
        if !self.window.is_shared() || bytes == 0 {
            return true;
        }
        let held = self.held();
        self.window.hold_state(self.state() + bytes, held)
    }

    /// Whether there is room for a stream that may be new.
    #[inline]
    fn admits_stream(&mut self, number: u16) -> bool {
        let growth = if self.window.is_shared() { self.streams.growth(number) } else { 0 };
        growth == 0 || self.streams.memory() + growth <= FREE_STATE || self.admits_state(growth)
    }

    /// Whether there is room for a channel that the peer opens; if so, it counts until
    /// [`Self::forget_channel`].
    pub(crate) fn admit_channel(&mut self, bytes: usize) -> bool {
        let admitted = self.admits_state(bytes);
        if admitted {
            self.window.set_channels(self.window.channels() + bytes);
        }
        admitted
    }

    pub(crate) fn forget_channel(&mut self, bytes: usize) {
        self.window.set_channels(self.window.channels().saturating_sub(bytes));
    }

    /// Takes a fragment of an interleaved message; gives the message when it is whole and not read
    /// in parts.
    fn take_interleaved(&mut self, data: &Data<'_>) -> Result<Option<Whole>, Misfit> {
        let (number, order, message) = (data.stream, data.order(), data.message);
        let reserve = if data.is_begin() { self.reserve() } else { 0 };
        let stream = self.streams.entry(number);
        if stream.is_gone(order, message) {
            return Ok(None);
        }
        let in_parts = stream.read_mode.unwrap_or(self.read_mode) == ReadMode::Parts;
        let max_len = if in_parts { usize::MAX } else { self.max_message };
        let memory = self.memory.get_or_insert_default();
        let partial = stream.partials.entry(data, memory);
        if partial.is_new() {
            partial.read_in_parts(in_parts);
        } else {
            self.partial.remove(partial.held());
        }
        if data.ppid().is_some() && data.ppid() == self.control_ppid {
            partial.keep_whole();
        }
        let inserted = partial.insert(data, max_len, reserve, memory);
        self.partial.add(partial.held());
        inserted?;
        let (is_whole, is_readable) = (partial.is_whole(), partial.is_readable());
        if data.is_begin() && is_readable {
            stream.partials.note_begun(order, message);
        }
        if !is_whole || stream.is_reading(order, message) {
            // Nothing else has become readable by this fragment: the others are not looked at.
            if is_readable && stream.reads_next(self.read_mode, order, message) {
                self.mark_readable(number);
            }
            return Ok(None);
        }
        let Some(partial) = stream.partials.remove(order, message) else { return Ok(None) };
        self.partial.remove(partial.held());
        let (Some(ppid), Some(payload)) = (partial.ppid, partial.into_payload(memory)) else {
            return Ok(None);
        };
        Ok(Some(Whole { stream: number, message, ppid, order, payload }))
    }

    /// For how many bytes memory is made when an interleaved message begins. Many may be begun at a
    /// time: what is reserved for all of them is bounded.
    fn reserve(&mut self) -> usize {
        let spare = self.window.size().saturating_sub(self.partial.reserved);
        let usual_len = self.memory.as_ref().map_or(0, |memory| memory.usual_len());
        let reserve = usual_len.min(spare);
        if self.admits_state(reserve) { reserve } else { 0 }
    }

    /// A packet with DATA chunks was taken: decides about the SACK, which may be held back for
    /// `delay`. RFC 9260 §6.2.
    #[inline]
    pub(crate) fn packet_done(&mut self, now: Instant, rtt: Option<Span>, delay: Duration) {
        self.packets += 1;
        let held = self.held();
        self.window.packet(now, rtt.unwrap_or(USUAL_RTT), self.ready, held);
        match self.sack {
            SackDue::Now => {}
            // Every second packet, and the first one of all: §5.1, "the endpoint MUST immediately
            // respond with a SACK chunk to acknowledge the DATA chunk".
            _ if self.packets >= 2 || !self.acknowledged => self.sack = SackDue::Now,
            SackDue::No => self.sack = SackDue::At(now + delay),
            SackDue::At(_) => {}
        }
    }

    /// The next SACK is sent at once.
    pub(crate) const fn sack_now(&mut self) {
        self.sack = SackDue::Now;
    }

    /// The association is over: no SACK is owed any more, and what nobody will ever read is dropped.
    pub(crate) fn stop(&mut self) {
        self.sack = SackDue::No;
        self.queue_rests();
        self.reassembly = Reassembly::default();
        self.memory = None;
        for (_, stream) in self.streams.iter_mut() {
            self.waiting -= stream.waiting.clear();
            // Of those that are read in parts the beginnings can be.
            if !stream.reads_parts(self.read_mode) {
                self.partial.remove(stream.partials.clear());
            }
        }
        let held = self.held();
        self.window.end(self.state(), held);
    }

    /// What is whole can be read, also where it is being read in parts.
    fn queue_rests(&mut self) {
        let is_reading = |(number, stream): (u16, &mut Stream)| stream.reading.map(|_| number);
        let numbers: Vec<u16> = self.streams.iter_mut().filter_map(is_reading).collect();
        for number in numbers {
            self.queue_rest(number);
        }
    }

    /// Drops the beginnings of messages that are read in parts: nobody reads on.
    pub(crate) fn drop_unfinished(&mut self) {
        for (_, stream) in self.streams.iter_mut() {
            self.partial.remove(stream.partials.clear());
        }
        let held = self.held();
        self.window.end(self.state(), held);
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
        let Some(room) = end.checked_sub(buf.len()) else { return false };
        let held = self.held();
        let window = self.window.tell(self.ready, held, self.partial.stuck);
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
        self.sack = SackDue::No;
        self.packets = 0;
        self.acknowledged = true;
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
            if stream.is_readable(self.read_mode) {
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
        if stream.reading.is_some() {
            return None;
        }
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

    /// Takes all unread messages of a stream out; they count until [`Self::release`]. Gives whether
    /// the application was told of them, too.
    pub(crate) fn take_unread(&mut self, number: u16) -> (VecDeque<Message>, bool) {
        let Some(stream) = self.streams.get_mut(number) else { return (VecDeque::new(), false) };
        let told = std::mem::take(&mut stream.told);
        (std::mem::take(&mut stream.queue), told)
    }

    /// Bytes left the memory that the window stands for.
    #[inline]
    pub(crate) fn release(&mut self, bytes: usize) {
        debug_assert!(self.ready >= bytes, "more is read than was held");
        self.ready = self.ready.saturating_sub(bytes);
        self.window_opened(bytes);
    }

    /// The application has taken bytes: there is more room than before, and the peer may be waiting
    /// for it.
    #[inline]
    pub(crate) fn window_opened(&mut self, bytes: usize) {
        let held = self.held();
        if self.window.is_shared() && !self.window.hold_state(self.state(), held) {
            self.memory = None;
            self.window.hold_state(self.state(), held);
        }
        self.window.taken(bytes, held);
        if self.window.has_opened(self.ready, held, self.partial.stuck) {
            self.sack = SackDue::Now;
        }
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        let held = self.held();
        self.window.shrink(held);
        self.block.shrink();
        self.memory = None;
        self.reassembly.shrink();
        self.control.shrink_to(0);
        self.readable.shrink_to(0);
        for (_, stream) in self.streams.iter_mut() {
            stream.queue.shrink_to(0);
            stream.partials.shrink();
        }
    }
}

/// What a message in a queue takes beside its bytes.
pub(crate) const OVERHEAD: usize = 64;
/// A few streams are part of the association.
const FREE_STATE: usize = 4 << 10;
/// While no round-trip time is known.
const USUAL_RTT: Span = Span::from_millis(100);
