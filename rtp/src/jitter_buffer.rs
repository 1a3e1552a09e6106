//! From packets as they arrive to frames in decode order.
//!
//! A [`JitterBuffer`] sorts the packets of one stream by their extended sequence numbers, joins them
//! to frames, and gives a frame out as soon as it is whole and nothing before it is missing: it adds
//! no delay of its own where nothing is lost or late. What smooths the play-out (a video renderer,
//! an audio device's buffer) comes behind it.
//!
//! For a packet that is missing it waits a bounded time, which follows the jitter that it observes
//! and the round-trip time that it is told, because a retransmission takes that long. Then it gives
//! up: the next frame carries [`Frame::discontinuity`], and in a format whose frames depend on each
//! other it holds everything back until a key frame, which [`JitterBuffer::needs_key_frame`] asks
//! for.
//!
//! Where a frame ends is told by the marker bit *or* by the packet behind it: by its timestamp, or by
//! a payload header that begins a frame. A sender that forgets markers costs one packet of delay.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use peerless_rtp::jitter_buffer::{Arrived, Config, JitterBuffer};
//! use peerless_rtp::payload::Format;
//! use peerless_rtp::{ClockRate, ExtendedSequenceNumber, PayloadType};
//!
//! let start = Instant::now();
//! let mut buffer = JitterBuffer::new(Config::default(), ClockRate::HZ_48000, start);
//! let packet = |sequence_number, payload| Arrived {
//!     sequence_number: ExtendedSequenceNumber(sequence_number),
//!     timestamp: sequence_number as u32 * 960,
//!     marker: false,
//!     payload_type: PayloadType::from_low_bits(111),
//!     format: Format::Opus,
//!     payload,
//! };
//! buffer.insert(start, packet(1, b"one"));
//! assert_eq!(buffer.read_frame(start).unwrap().data, "one");
//! buffer.insert(start, packet(3, b"three"));
//! assert!(buffer.read_frame(start).is_none(), "two may still come");
//!
//! let later = buffer.poll_timeout().unwrap();
//! buffer.handle_timeout(later);
//! let frame = buffer.read_frame(later).unwrap();
//! assert_eq!(frame.data, "three");
//! assert!(frame.discontinuity);
//! ```

mod blocks;
mod config;
mod frame;
mod patience;
mod ring;
mod stats;

pub use self::config::Config;
pub use self::frame::{Arrived, Frame, Outcome};
pub use self::stats::Stats;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use self::blocks::Blocks;
use self::patience::Patience;
use self::ring::{Ring, Slot, Stored};
use crate::ClockRate;
use crate::payload::{Depacketizer, Format, h264};

/// Reorders the packets of one stream and joins them to frames; see the [module](self).
///
/// An engine without datagrams: packets come by [`insert`](Self::insert), frames are pulled with
/// [`read_frame`](Self::read_frame), and time passes with [`handle_timeout`](Self::handle_timeout).
/// Calls may come in any order; a `now` older than the newest seen is read as that.
#[derive(Debug)]
pub struct JitterBuffer {
    config: Config,
    now: Instant,
    /// A first packet has said where the sequence begins.
    started: bool,
    ring: Ring,
    blocks: Blocks,
    /// Where frames of several packets are put together.
    frames: BytesMut,
    head: Head,
    patience: Patience,
    /// When the packet missing at the head is given up.
    deadline: Option<Instant>,
    continuity: Continuity,
    /// The newest packet that begins a key frame.
    key_frame_start: Option<u64>,
    stats: Stats,
}

/// The frame at the front of the ring, as far as it is there without a gap.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    /// The number behind the last packet looked at.
    end: u64,
    packets: usize,
    /// The sum of their payloads.
    bytes: usize,
    timestamp: u32,
    format: Format,
    key_frame: bool,
    complete: bool,
}

impl Head {
    fn at(base: u64) -> Self {
        Self { end: base, ..Self::default() }
    }
}

/// What stands between the last frame given out and the next.
#[derive(Clone, Copy, Debug, Default)]
struct Continuity {
    /// The format and timestamp of the packet that left the ring last.
    last: Option<(Format, u32)>,
    /// Packets are missing right before the head.
    after_gap: bool,
    /// A frame was lost since the last one given out.
    broken: bool,
    /// Nothing but a key frame can be decoded.
    awaiting_key_frame: bool,
}

impl JitterBuffer {
    /// Makes an empty buffer for a stream of packets whose timestamps count at `clock_rate`.
    #[must_use]
    pub fn new(config: Config, clock_rate: ClockRate, now: Instant) -> Self {
        Self {
            now,
            started: false,
            ring: Ring::default(),
            blocks: Blocks::default(),
            frames: BytesMut::new(),
            head: Head::default(),
            patience: Patience::new(clock_rate, &config),
            deadline: None,
            continuity: Continuity::default(),
            key_frame_start: None,
            stats: Stats::default(),
            config,
        }
    }

    /// Takes a packet in. The payload is copied; one without bytes (padding that probes the path)
    /// only fills its place in the sequence.
    pub fn insert(&mut self, now: Instant, packet: Arrived<'_>) -> Outcome {
        self.now = self.now.max(now);
        self.stats.packets_received += 1;
        let outcome = self.store(packet);
        match outcome {
            Outcome::Accepted => self.settle(),
            Outcome::Duplicate => self.stats.packets_duplicate += 1,
            Outcome::Late => self.stats.packets_late += 1,
            Outcome::Malformed => self.stats.packets_malformed += 1,
        }
        outcome
    }

    /// Gives up what was waited for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.settle();
        }
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to give up; `None` while
    /// nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns whether [`read_frame`](Self::read_frame) has a frame.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.head.complete
    }

    /// Returns whether frames are held back until a key frame comes and none has begun to: the
    /// sender should be asked for one (PLI, FIR), again when it stays true for long.
    ///
    /// It is so at the start of a VP8 or H.264 stream that does not begin with a key frame, and after
    /// a loss that was given up.
    #[must_use]
    pub fn needs_key_frame(&self) -> bool {
        self.continuity.awaiting_key_frame
            && self.key_frame_start.is_none_or(|start| start < self.ring.base())
    }

    /// Takes the next frame out, in decode order.
    #[must_use]
    pub fn read_frame(&mut self, now: Instant) -> Option<Frame> {
        self.now = self.now.max(now);
        while self.head.complete {
            let frame = self.assemble();
            self.leave_head();
            match &frame {
                Some(frame) => {
                    self.continuity.broken = false;
                    self.continuity.awaiting_key_frame = false;
                    self.stats.count_emitted(self.now, frame);
                }
                None => self.lose_frame(),
            }
            self.settle();
            if frame.is_some() {
                return frame;
            }
        }
        None
    }

    /// Tells the round-trip time to the sender of the stream: a retransmission is waited for that
    /// follows from it.
    pub fn set_round_trip_time(&mut self, round_trip_time: Duration) {
        self.patience.set_round_trip_time(round_trip_time);
        self.settle();
    }

    /// Tells whether lost packets are asked for again (NACK): without that only the time that a
    /// reordered packet may need is waited.
    pub fn set_retransmission(&mut self, retransmission: bool) {
        if self.patience.set_retransmission(retransmission) {
            self.settle();
        }
    }

    /// Tells the rate of the timestamps from here on, when another codec's packets follow.
    pub fn set_clock_rate(&mut self, clock_rate: ClockRate) {
        self.patience.set_clock_rate(clock_rate);
    }

    /// Returns how long a missing packet is waited for at present.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.patience.wait()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { jitter: self.patience.jitter(), ..self.stats }
    }

    fn store(&mut self, packet: Arrived<'_>) -> Outcome {
        let seq = packet.sequence_number.0;
        if seq > MAX_SEQUENCE_NUMBER {
            return Outcome::Malformed;
        }
        let inspection = match packet.payload {
            [] => None,
            payload => match packet.format.inspect(payload) {
                Ok(inspection) => Some(inspection),
                Err(_) => return Outcome::Malformed,
            },
        };
        if !self.started {
            self.started = true;
            self.ring.restart_at(seq);
            self.head = Head::at(seq);
            self.continuity.awaiting_key_frame = packet.format.has_key_frames();
            if seq > 0 && inspection.is_some_and(|inspection| !inspection.can_start_frame) {
                // It overtook the packet that its frame begins with.
                self.ring.reach_back_to(seq - 1, self.now);
                self.head = Head::at(seq - 1);
            }
        }
        if seq < self.ring.base() {
            // The first packets may have overtaken each other, as long as nothing was given out.
            let back = self.ring.base() - seq;
            let nearby = back <= MAX_REORDERED_START
                && back.saturating_add(self.ring.len() as u64) <= self.config.max_packets as u64;
            if self.continuity.last.is_some() || !nearby {
                return Outcome::Late;
            }
            self.ring.reach_back_to(seq, self.now);
            self.head = Head::at(seq);
        }
        if self.ring.is_present(seq) {
            return Outcome::Duplicate;
        }
        self.make_room(seq, packet.payload.len());
        let Some(inspection) = inspection else {
            self.ring.insert(seq, Slot::Padding, self.now);
            return Outcome::Accepted;
        };
        self.patience.observe(self.now, packet.timestamp);
        if inspection.begins_key_frame {
            self.key_frame_start = self.key_frame_start.max(Some(seq));
        }
        let (data, block) = self.blocks.copy(packet.payload);
        let stored = Stored {
            data,
            block,
            arrival: self.now,
            timestamp: packet.timestamp,
            payload_type: packet.payload_type,
            format: packet.format,
            marker: packet.marker,
            inspection,
        };
        self.ring.insert(seq, Slot::Packet(stored), self.now);
        Outcome::Accepted
    }

    /// Keeps the bounds: drops what is oldest until `seq` and `len` more bytes fit.
    fn make_room(&mut self, seq: u64, len: usize) {
        let max_packets = self.config.max_packets.max(1) as u64;
        if seq >= self.ring.base().saturating_add(max_packets.saturating_mul(2)) {
            // Nothing that is here will be near the new packet: begin again there.
            while !self.ring.is_empty() {
                self.drop_overflow();
            }
            self.stats.packets_lost =
                self.stats.packets_lost.saturating_add(seq.saturating_sub(self.ring.base()));
            self.ring.restart_at(seq);
            self.lose_frame();
        }
        while seq >= self.ring.base().saturating_add(max_packets) {
            self.drop_overflow();
        }
        // The packet may have lost its own place to its size; that is a bound of no use.
        while self.blocks.kept_with(len) > self.config.max_bytes
            && !self.ring.is_empty()
            && self.ring.base() < seq
        {
            self.drop_overflow();
        }
    }

    fn drop_overflow(&mut self) {
        if self.head.packets > 0 || self.head.complete {
            self.stats.frames_dropped += 1;
        }
        self.pop(Departure::Overflow);
        self.lose_frame();
    }

    /// Moves on as far as what is there and the time allow: to a whole frame at the head, or to a
    /// missing packet that is still worth waiting for.
    fn settle(&mut self) {
        self.deadline = None;
        while !self.head.complete {
            match self.ring.get(self.head.end) {
                None => return,
                Some(&Slot::Missing { since }) => {
                    if !self.skip_to_key_frame() {
                        let deadline = since + self.patience.wait();
                        if self.now < deadline {
                            self.deadline = Some(deadline);
                            return;
                        }
                        self.give_up();
                    }
                }
                Some(Slot::Padding) if self.head.packets == 0 => {
                    self.pop(Departure::Read);
                    self.head = Head::at(self.ring.base());
                }
                Some(Slot::Padding) => self.head.end += 1,
                Some(Slot::Packet(packet)) => {
                    let (marker, inspection) = (packet.marker, packet.inspection);
                    let (timestamp, format) = (packet.timestamp, packet.format);
                    let bytes = packet.data.len();
                    if self.head.packets == 0 {
                        if !self.can_begin(packet) {
                            self.stats.packets_discarded += 1;
                            self.pop(Departure::Read);
                            self.lose_frame();
                            continue;
                        }
                        self.head.timestamp = timestamp;
                        self.head.format = format;
                    } else if timestamp != self.head.timestamp
                        || format != self.head.format
                        || (format == Format::Vp8 && inspection.can_start_frame)
                    {
                        self.complete_head();
                        continue;
                    }
                    self.head.end += 1;
                    self.head.packets += 1;
                    self.head.bytes += bytes;
                    self.head.key_frame |= inspection.key_frame;
                    if marker || inspection.is_whole_frame {
                        self.complete_head();
                    }
                }
            }
        }
    }

    /// Returns whether the packet at the base can be the first of a frame.
    fn can_begin(&self, packet: &Stored) -> bool {
        let can_start_frame = packet.inspection.can_start_frame;
        match packet.format {
            Format::Vp8 => can_start_frame,
            // Behind a gap, a packet of the timestamp that was given up is the rest of that frame;
            // without a gap the packet before it belongs to another frame, which says enough.
            Format::H264(_) if self.continuity.after_gap || self.continuity.last.is_none() => {
                // With a frame given out, the decoder has got a sequence parameter set.
                let has_sps = self.stats.frames_emitted > 0;
                (can_start_frame || has_sps && h264::begins_with_pps(&packet.data))
                    && self.continuity.last.is_none_or(|(_, last)| last != packet.timestamp)
            }
            _ => true,
        }
    }

    fn complete_head(&mut self) {
        self.stats.frames_completed += 1;
        let format = self.head.format;
        if format.has_key_frames() && self.continuity.last.is_some_and(|(last, _)| last != format) {
            // Another codec's decoder starts.
            self.continuity.awaiting_key_frame = true;
        }
        if !format.has_key_frames() {
            self.continuity.awaiting_key_frame = false;
        }
        if self.continuity.awaiting_key_frame && !self.head.key_frame {
            self.stats.frames_dropped += 1;
            self.continuity.broken |= self.stats.frames_emitted > 0;
            self.leave_head();
            return;
        }
        self.head.complete = true;
    }

    /// While nothing but a key frame is of use, goes to the newest one that has begun to arrive
    /// instead of waiting for packets before it.
    fn skip_to_key_frame(&mut self) -> bool {
        let Some(start) = self.key_frame_start else { return false };
        if !self.continuity.awaiting_key_frame || start <= self.head.end {
            return false;
        }
        let Some(start) = self.ring.start_of_frame(start) else { return false };
        if start <= self.head.end {
            return false;
        }
        while self.ring.base() < start {
            self.pop(Departure::GivenUp);
        }
        self.lose_frame();
        true
    }

    /// Drops the packets of the unfinished frame and the run of missing ones behind them.
    fn give_up(&mut self) {
        if self.head.packets > 0 {
            self.stats.frames_dropped += 1;
        }
        while self.ring.base() < self.head.end {
            self.pop(Departure::GivenUp);
        }
        while let Some(Slot::Missing { .. }) = self.ring.get(self.ring.base()) {
            self.pop(Departure::GivenUp);
        }
        self.lose_frame();
    }

    /// The frames from here on lack one before them.
    fn lose_frame(&mut self) {
        let next = match self.ring.next_packet() {
            Some(packet) => Some(packet.format),
            None => self.continuity.last.map(|(format, _)| format),
        };
        self.head = Head::at(self.ring.base());
        self.continuity.after_gap = true;
        self.continuity.broken |= self.stats.frames_emitted > 0;
        self.continuity.awaiting_key_frame |= next.is_some_and(Format::has_key_frames);
    }

    /// Lets go of the packets of the frame at the head.
    fn leave_head(&mut self) {
        let end = self.head.end;
        while self.ring.base() < end {
            self.pop(Departure::Read);
        }
        self.continuity.after_gap = false;
        self.head = Head::at(end);
    }

    fn pop(&mut self, departure: Departure) {
        match self.ring.pop() {
            Some(Slot::Packet(packet)) => {
                self.blocks.release(packet.block);
                self.continuity.last = Some((packet.format, packet.timestamp));
                match departure {
                    Departure::Read => {}
                    Departure::GivenUp => self.stats.packets_discarded += 1,
                    Departure::Overflow => self.stats.packets_overflowed += 1,
                }
            }
            // An empty ring that moves on passes a packet that never came.
            Some(Slot::Missing { .. }) | None => {
                self.stats.packets_lost = self.stats.packets_lost.saturating_add(1);
            }
            Some(Slot::Padding) => {}
        }
    }

    /// Joins the packets of the head; `None` where they do not fit together.
    fn assemble(&mut self) -> Option<Frame> {
        let head = self.head;
        let packets = || self.ring.packets(head.end);
        let first = packets().next()?;
        let mut frame = Frame {
            data: Bytes::new(),
            timestamp: first.timestamp,
            payload_type: first.payload_type,
            format: first.format,
            key_frame: head.key_frame,
            discontinuity: self.continuity.broken,
            codec_info: first.inspection.codec_info,
            first_arrival: packets().map(|packet| packet.arrival).min()?,
            last_arrival: packets().map(|packet| packet.arrival).max()?,
            packets: head.packets,
        };
        if head.packets == 1 && !matches!(first.format, Format::H264(_)) {
            frame.data = first.data.slice(first.inspection.header_len..);
            return Some(frame);
        }
        // A start code for each packet's NAL unit is the most that a payload format adds, but for
        // STAP-As of tiny NAL units: then the buffer grows.
        let size = head.bytes + 4 * head.packets;
        if self.frames.capacity() < size && !self.frames.try_reclaim(size) {
            self.frames = BytesMut::with_capacity(size.max(Blocks::SIZE));
        }
        let mut depacketizer = Depacketizer::new(first.format, &mut self.frames);
        for packet in self.ring.packets(head.end) {
            depacketizer.push(&packet.data).ok()?;
        }
        depacketizer.finish().ok()?;
        frame.data = self.frames.split().freeze();
        Some(frame)
    }
}

/// How a slot leaves the front of the ring.
#[derive(Clone, Copy, Debug)]
enum Departure {
    Read,
    GivenUp,
    Overflow,
}

/// No stream counts this far; it keeps the sums below from overflowing.
const MAX_SEQUENCE_NUMBER: u64 = u64::MAX / 4;

/// How far before the first packet received one may be that still comes in front of it.
const MAX_REORDERED_START: u64 = 64;

#[cfg(test)]
mod tests;
