//! Putting data into packets
//! ([RFC 9260 §6.1](https://www.rfc-editor.org/rfc/rfc9260#section-6.1)).

use super::outstanding::forward::Unfinished;
use super::{Sender, segment};
use crate::chunk::data::{self, Form};
use crate::chunk::forward_tsn;
use std::time::Instant;

/// What is sent although the peer's window is too small (§6.1 A).
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowProbe {
    /// The greatest a_rwnd that the peer has told.
    pub(super) greatest: u32,
    /// When the window is probed next: a timeout after it was told.
    pub(super) at: Option<Instant>,
    /// How often it was since it closed.
    pub(super) count: u32,
}

impl Default for WindowProbe {
    fn default() -> Self {
        Self { greatest: u32::MAX, at: None, count: 0 }
    }
}

impl Sender {
    /// When data may leave: `None` when there is none, or it waits for a SACK. The instant may
    /// have passed.
    #[inline(always)]
    pub(crate) fn ready(&self, now: Instant) -> Option<Instant> {
        if self.forward {
            return Some(now);
        }
        let again = self.outstanding.has_marked();
        if !again && self.queues.is_empty() {
            return None;
        }
        let mut at = now;
        let wanted = if again {
            self.fast_retransmit || self.window_is_open()
        } else {
            let room = self.peer_has_room();
            if !room {
                at = self.window_probe.at.map_or(now, |probe| probe.max(now));
            }
            (self.probing || self.window_is_open()) && (room || self.outstanding.in_flight() == 0)
        };
        if !wanted {
            return None;
        }
        // What was to be sent again may have arrived, or been given up, since. A probe is new data,
        // which comes behind all that.
        let at_once = if again { self.fast_retransmit } else { self.probing };
        if at_once {
            return Some(at);
        }
        Some(self.pacer.release().map_or(at, |release| release.max(at)))
    }

    /// Whether data may leave now.
    #[inline]
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.ready(now).is_some_and(|at| at <= now)
    }

    /// Whether the window lets another chunk out: in slow start and beyond (§6.1 B), a chunk may
    /// begin while there is any room.
    pub(super) fn window_is_open(&self) -> bool {
        let in_flight = self.outstanding.in_flight();
        in_flight < self.window && !(self.cautious && in_flight > 0)
    }

    /// The largest fragment.
    const fn segment_payload(&self) -> usize {
        segment(self.mtu) - self.form().header_len()
    }

    /// The packets, the chunks, or the greatest window have changed: so has the least one that is
    /// worth a chunk, which is a full one, or half of the greatest (RFC 1122 §4.2.3.4).
    pub(super) fn update_worthwhile(&mut self) {
        let half = usize::try_from(self.window_probe.greatest / 2).unwrap_or(usize::MAX);
        // No window is worth nothing, whatever the greatest is said to be.
        let worthwhile = self.segment_payload().min(half).max(1);
        self.worthwhile = u16::try_from(worthwhile).unwrap_or(u16::MAX);
    }

    /// Whether a window is worth a chunk, were there no end of data.
    #[inline]
    pub(crate) fn is_worthwhile(&self, window: usize) -> bool {
        window >= usize::from(self.worthwhile)
    }

    /// Whether a window of the peer has room for a new chunk.
    #[inline]
    fn has_room(&self, window: usize) -> bool {
        self.is_worthwhile(window) || window >= self.queues.bytes()
    }

    /// Whether the peer has room for a new chunk (§6.1 A) and a SACK could tell of it.
    #[inline]
    pub(super) fn peer_has_room(&self) -> bool {
        // A stream sequence number has 16 bits, too: §6.1, "the data sender MUST NOT have more than
        // 2^16 - 1 ordered user messages in the current send window". A receiver that compares as
        // §1.6 says takes one that is half of the numbers ahead for an old one.
        let most = MAX_OUTSTANDING >> u32::from(self.form() == Form::Data);
        self.has_room(self.peer_window) && self.outstanding.len() < most
    }

    /// Whether a chunk is sent though the peer has no room, when nothing is in flight and the time has
    /// come (§6.1 A).
    fn probes_window(&self, now: Instant) -> bool {
        self.outstanding.in_flight() == 0 && self.window_probe.at.is_none_or(|at| at <= now)
    }

    /// Appends FORWARD TSN and DATA chunks to `buf` up to the length `end`. New ones want a SACK at once
    /// where that is `immediate`.
    ///
    /// Gives whether anything was written.
    #[inline]
    pub(crate) fn write(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        end: usize,
        immediate: bool,
    ) -> bool {
        let start = buf.len();
        if self.outstanding.is_empty() {
            self.wake(now);
        }
        self.outstanding.packets.close();
        let again =
            self.outstanding.has_marked() && (self.fast_retransmit || self.pacer.is_open(now));
        if again {
            self.next_marked(now);
        }
        // What is given up comes before DATA, as all control chunks (§6.10); if more is while the
        // packet is filled, with the next one.
        if self.forward {
            self.write_forward(buf, end);
        }
        if again {
            self.write_again(now, buf, end);
        }
        if !self.outstanding.has_marked() && (self.probing || self.pacer.is_open(now)) {
            self.write_new(now, buf, end, immediate);
        }
        if buf.len() == start {
            return false;
        }
        self.note_limits();
        self.pacer.on_sent(now, buf.len() - start);
        // The probe is where the packet before has put it, unless that one was alone.
        let armed = self.last_sent == Some(now)
            && self.timers.probe.is_some()
            && self.outstanding.in_flight() > 2 * segment(self.mtu);
        self.last_sent = Some(now);
        if self.timers.retransmission.is_none() {
            // R1 of §6.3.2.
            self.timers.retransmission = Some(now + self.rto.current());
        }
        if !armed {
            self.arm_probe(now);
        }
        true
    }

    /// When it is not the path that holds data back, delivery rates say little about it.
    #[inline]
    fn note_limits(&mut self) {
        let idle = self.queues.is_empty() || !self.peer_has_room();
        if (idle && !self.outstanding.has_marked() && self.window_is_open())
            || self.pacer.is_limited()
        {
            self.outstanding.packets.limited(self.outstanding.in_flight());
        }
    }

    /// Data is sent after a time without any: the window shrinks with the time (§7.2.1).
    fn wake(&mut self, now: Instant) {
        let Some(last) = self.last_sent.take() else { return };
        let idle = now.saturating_duration_since(last);
        let rto = self.rto.current();
        if idle >= rto {
            let timeouts = idle.as_nanos() / rto.as_nanos().max(1);
            let timeouts = u32::try_from(timeouts).unwrap_or(u32::MAX);
            self.congestion.on_idle(timeouts);
            self.follow_congestion();
        }
    }

    fn write_again(&mut self, now: Instant, buf: &mut Vec<u8>, end: usize) {
        let (start, mut last) = (buf.len(), 0);
        while let Some((index, len)) = self.next_marked(now) {
            // §6.10: "in increasing order of TSN"; what was found lost later may be an earlier one.
            if index < last {
                break;
            }
            last = index;
            let allowed = self.fast_retransmit || self.outstanding.in_flight() < self.window;
            // A chunk cut for a larger packet size goes alone in a packet that is too large
            // rather than never (§6.9 does not let it be cut again).
            let fits = buf.len() + len <= end || (len > segment(self.mtu) && buf.len() == start);
            if !allowed || !fits {
                break;
            }
            if buf.len() == start && self.outstanding.is_earliest(index) {
                // §6.1: "MUST restart the timer if the earliest (i.e., lowest TSN) outstanding DATA
                // chunk … is being retransmitted".
                self.timers.retransmission = Some(now + self.rto.current());
            }
            self.outstanding.send_again(now, index, buf);
            self.counters.retransmitted += 1;
        }
        // Where a SACK has left no room, it goes with the next packet.
        if buf.len() > start || !self.outstanding.has_marked() {
            self.fast_retransmit = false;
        }
    }

    /// The index of the first chunk that is to be sent again and its length on the wire, after
    /// giving up those that may not be.
    fn next_marked(&mut self, now: Instant) -> Option<(usize, usize)> {
        let queues = &mut self.queues;
        let mut given_up = 0;
        let next = self.outstanding.next_marked(now, self.partial_reliability, |unfinished| {
            given_up += 1;
            if let Some(Unfinished { stream, order, message, .. }) = unfinished {
                queues.abandon_begun(stream, order, message);
            }
        });
        if given_up > 0 {
            self.counters.expired += given_up;
            self.note_given_up();
        }
        next
    }

    fn write_new(&mut self, now: Instant, buf: &mut Vec<u8>, end: usize, immediate: bool) {
        let header_len = self.form().header_len();
        while self.probing || self.window_is_open() {
            // Padding must fit too.
            let mut room = end.saturating_sub(buf.len() + header_len) & !3;
            if room == 0 {
                break;
            }
            let probes = !self.peer_has_room();
            if probes && !self.probes_window(now) {
                break;
            }
            let front = self.queues.front(now, &mut self.counters.expired);
            let Some((stream, left)) = front else { break };
            let mut most = self.segment_payload();
            if !probes && self.peer_window < most {
                room = room.min(self.peer_window);
                most = self.peer_window;
            }
            // A message is not cut because a packet happens to be full already.
            if left > room && (room < MIN_FRAGMENT || left <= most) {
                break;
            }
            let Some(fragment) = self.queues.take(stream, room) else { break };
            let len = fragment.payload.len();
            // RFC 7053 §5.1: a sender that must wait for the SACK wants it at once.
            self.peer_window = self.peer_window.saturating_sub(len);
            let stops = self.outstanding.in_flight() + self.form().wire_len(len) >= self.window
                || !self.has_room(self.peer_window);
            let extra = if stops || immediate { data::IMMEDIATE } else { 0 };
            self.outstanding.send(now, fragment, extra, buf);
            self.counters.chunks += 1;
            self.probing = false;
            if probes {
                self.window_probe.at = None;
                self.window_probe.count += 1;
            }
        }
    }

    fn write_forward(&mut self, buf: &mut Vec<u8>, end: usize) {
        let Some(room) = end.checked_sub(buf.len() + forward_tsn::MIN_LEN) else { return };
        self.forward = false;
        let mut streams = Vec::new();
        let point = self.outstanding.forward_point(self.form(), room, &mut streams);
        if point != self.outstanding.cumulative() {
            forward_tsn::write(buf, self.form(), point, &streams);
        }
    }
}

/// A gap block's offset has 16 bits.
const MAX_OUTSTANDING: usize = 65_535;
/// A message is not cut into smaller pieces than this, in bytes, to fill a packet.
const MIN_FRAGMENT: usize = 256;
