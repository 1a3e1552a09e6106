//! Sending user data ([RFC 9260 §6.1](https://www.rfc-editor.org/rfc/rfc9260#section-6.1), §6.3, §7).

pub(crate) mod congestion;
pub(crate) mod outstanding;
pub(crate) mod pacer;
pub(crate) mod queue;
pub(crate) mod rto;
pub(crate) mod scheduler;

use crate::chunk::data::{self, Form};
use crate::chunk::forward_tsn;
use crate::chunk::sack::Sack;
use crate::config::Config;
use crate::packet;
use crate::tsn::Tsn;
use bytes::Bytes;
use congestion::{Acknowledged, Congestion};
use outstanding::forward::Unfinished;
use outstanding::{NeverSent, Outstanding};
use pacer::Pacer;
use queue::{Queued, Queues};
use rto::Rto;
use std::time::Instant;

/// Everything about data in the direction away from us.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) queues: Queues,
    outstanding: Outstanding,
    pub(crate) congestion: Congestion,
    pub(crate) rto: Rto,
    pacer: Pacer,
    mtu: usize,
    initial_window: u32,
    /// The a_rwnd that the peer last told, less what was outstanding then and was sent since.
    peer_window: usize,
    /// T3-rtx.
    retransmission: Option<Instant>,
    /// Fast recovery (§7.2.4) lasts until this is acknowledged.
    recovering_until: Option<Tsn>,
    /// A packet of lost chunks may be sent whatever the window says (§7.2.4 step 3).
    fast_retransmit: bool,
    /// A FORWARD TSN is to be sent.
    forward: bool,
    /// When data was last sent, for the decay of an idle window.
    last_sent: Option<Instant>,
    /// Set when the peer has RFC 3758.
    pub(crate) partial_reliability: bool,
    pub(crate) counters: Counters,
}

/// What the sender counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    pub(crate) retransmitted: u64,
    pub(crate) timeouts: u64,
    pub(crate) fast_recoveries: u64,
    pub(crate) expired: u64,
}

/// Why data is sent in this packet and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Ordinary data.
    Normal,
    /// Every chunk asks for a SACK at once.
    Immediate,
}

impl Sender {
    pub(crate) fn new(config: &Config, initial_tsn: Tsn) -> Self {
        let mtu = config.effective_mtu();
        Self {
            queues: Queues::new(config.scheduler),
            outstanding: Outstanding::new(initial_tsn, segment(mtu)),
            congestion: Congestion::new(segment(mtu), config.initial_window),
            rto: Rto::new(config),
            pacer: Pacer::default(),
            mtu,
            initial_window: config.initial_window,
            peer_window: 0,
            retransmission: None,
            recovering_until: None,
            fast_retransmit: false,
            forward: false,
            last_sent: None,
            partial_reliability: false,
            counters: Counters::default(),
        }
    }

    /// Begins again for a new association with the peer, keeping what the application has queued
    /// when `keep_queues`, and what is known of the path.
    pub(crate) fn restart(&mut self, config: &Config, initial_tsn: Tsn, keep_queues: bool) {
        let mut fresh = Self::new(config, initial_tsn);
        if keep_queues {
            fresh.queues = std::mem::replace(&mut self.queues, Queues::new(config.scheduler));
        }
        fresh.rto = self.rto.clone();
        fresh.pacer = self.pacer.clone();
        fresh.counters = self.counters;
        fresh.set_mtu(self.mtu);
        *self = fresh;
    }

    pub(crate) const fn mtu(&self) -> usize {
        self.mtu
    }

    pub(crate) fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
        self.congestion.set_segment(segment(mtu));
        self.outstanding.set_segment(segment(mtu));
    }

    /// The peer's window as its INIT or INIT ACK tells it.
    pub(crate) fn set_peer_window(&mut self, a_rwnd: u32) {
        self.peer_window = usize::try_from(a_rwnd).unwrap_or(usize::MAX);
        self.queues.set_begun_limit(self.peer_window);
    }

    /// Which chunk carries user data; of what was sent, nothing changes any more.
    pub(crate) fn set_form(&mut self, form: Form) {
        if self.outstanding.is_empty() {
            self.queues.set_form(form);
        }
    }

    pub(crate) const fn form(&self) -> Form {
        self.queues.form()
    }

    /// Adds a part to the message that is being written on a stream.
    pub(crate) fn append(&mut self, stream: u16, part: Bytes) {
        self.counters.bytes += part.len() as u64;
        self.queues.append(stream, part);
    }

    /// Gives up the message that is being written on a stream.
    pub(crate) fn abandon_open(&mut self, now: Instant, stream: u16) {
        if let Some((order, message)) = self.queues.abandon_open(stream) {
            let message = Unfinished { form: self.form(), stream, order, message };
            self.outstanding.abandon_unfinished(now, message);
            self.forward |= self.outstanding.must_forward() && self.partial_reliability;
        }
        self.counters.expired += 1;
    }

    pub(crate) const fn peer_window(&self) -> usize {
        self.peer_window
    }

    pub(crate) fn set_rate_limit(&mut self, bytes_per_second: Option<u64>) {
        self.pacer.set_limit(bytes_per_second);
        self.update_pacer();
    }

    fn update_pacer(&mut self) {
        let gain = self.congestion.pacing_gain_quarters();
        let rtt = self.rto.smoothed();
        self.pacer.update(self.congestion.window(), rtt, gain, segment(self.mtu));
    }

    /// Takes a message from the application.
    pub(crate) fn push(&mut self, stream: u16, message: Queued) {
        self.counters.messages += 1;
        self.counters.bytes += message.len as u64;
        self.queues.push(stream, message);
    }

    /// Bytes that wait to be sent or acknowledged.
    pub(crate) const fn buffered(&self) -> usize {
        self.queues.bytes() + self.outstanding.payload()
    }

    /// Whether all data was sent and acknowledged.
    pub(crate) fn is_drained(&self) -> bool {
        self.queues.bytes() == 0 && self.queues.is_empty() && self.outstanding.is_empty()
    }

    /// Whether nothing is outstanding.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_empty()
    }

    pub(crate) const fn in_flight(&self) -> usize {
        self.outstanding.in_flight()
    }

    pub(crate) const fn cumulative(&self) -> Tsn {
        self.outstanding.cumulative()
    }

    pub(crate) fn next_tsn(&self) -> Tsn {
        self.outstanding.next_tsn()
    }

    /// When T3-rtx expires.
    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.retransmission
    }

    /// Whether the window lets another chunk out: in slow start and beyond (§6.1 B), a chunk may
    /// begin while there is any room.
    fn window_is_open(&self) -> bool {
        self.outstanding.in_flight() < self.congestion.window()
    }

    /// The largest fragment.
    const fn segment_payload(&self) -> usize {
        segment(self.mtu) - self.form().header_len()
    }

    /// Whether the peer has room for a new chunk (§6.1 A): with nothing in flight one chunk is
    /// sent all the same, to probe a window of zero.
    fn peer_has_room(&self) -> bool {
        self.outstanding.in_flight() == 0
            || self.peer_window >= self.segment_payload().min(self.queues.bytes())
    }

    /// When data may leave: `None` when there is none, or it waits for a SACK. The instant may
    /// have passed.
    #[inline]
    pub(crate) fn ready(&self, now: Instant) -> Option<Instant> {
        if self.forward {
            return Some(now);
        }
        let wanted = if self.outstanding.has_marked() {
            self.fast_retransmit || self.window_is_open()
        } else {
            !self.queues.is_empty() && self.window_is_open() && self.peer_has_room()
        };
        if !wanted {
            return None;
        }
        Some(self.pacer.release().map_or(now, |release| release.max(now)))
    }

    /// Appends FORWARD TSN and DATA chunks to `buf` up to the length `end`.
    ///
    /// Gives whether anything was written.
    #[inline]
    pub(crate) fn write(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        end: usize,
        mode: Mode,
    ) -> bool {
        let start = buf.len();
        if self.outstanding.is_empty() {
            self.wake(now);
        }
        if self.outstanding.has_marked() && (self.fast_retransmit || self.pacer.is_open(now)) {
            self.write_again(now, buf, end);
        }
        if self.forward {
            self.write_forward(buf, end);
        }
        if !self.outstanding.has_marked() && self.pacer.is_open(now) {
            self.write_new(now, buf, end, mode);
        }
        if buf.len() == start {
            return false;
        }
        self.pacer.on_sent(now, buf.len() - start);
        self.last_sent = Some(now);
        if self.retransmission.is_none() {
            // R1 of §6.3.2.
            self.retransmission = Some(now + self.rto.current());
        }
        true
    }

    /// Data is sent after a time without any: the window shrinks with the time (§7.2.1).
    fn wake(&mut self, now: Instant) {
        let Some(last) = self.last_sent.take() else { return };
        let idle = now.saturating_duration_since(last);
        let rto = self.rto.current();
        if idle >= rto {
            let timeouts = idle.as_nanos() / rto.as_nanos().max(1);
            let timeouts = u32::try_from(timeouts).unwrap_or(u32::MAX);
            self.congestion.on_idle(timeouts, self.initial_window);
            self.update_pacer();
        }
    }

    fn write_again(&mut self, now: Instant, buf: &mut Vec<u8>, end: usize) {
        let queues = &mut self.queues;
        let expired = &mut self.counters.expired;
        while let Some((index, len)) = self.outstanding.next_marked(now, |unfinished| {
            *expired += 1;
            if let Some(Unfinished { stream, order, message, .. }) = unfinished {
                queues.abandon_begun(stream, order, message);
            }
        }) {
            let allowed =
                self.fast_retransmit || self.outstanding.in_flight() < self.congestion.window();
            // A chunk cut for a larger packet size goes alone in a packet that is too large
            // rather than never (§6.9 does not let it be cut again).
            let fits = buf.len() + len <= end || len > segment(self.mtu);
            if !allowed || !fits {
                break;
            }
            self.outstanding.send_again(now, index, buf);
            self.counters.retransmitted += 1;
        }
        self.fast_retransmit = false;
        self.forward |= self.outstanding.must_forward() && self.partial_reliability;
    }

    fn write_new(&mut self, now: Instant, buf: &mut Vec<u8>, end: usize, mode: Mode) {
        while self.window_is_open() && self.peer_has_room() {
            let Some(left) = self.queues.front_len(now, &mut self.counters.expired) else { break };
            let Some(room) = end.checked_sub(buf.len() + self.form().header_len()) else { break };
            // Padding must fit too.
            let room = room & !3;
            // A message is not cut because a packet happens to be full already.
            if left > room && (room < MIN_FRAGMENT || left <= self.segment_payload()) {
                break;
            }
            let Some(fragment) = self.queues.take(room) else { break };
            let len = fragment.payload.len();
            // RFC 7053 §5.1: a sender that must wait for the SACK wants it at once.
            let stops = self.outstanding.in_flight() + self.form().wire_len(len)
                >= self.congestion.window();
            let extra = if stops || mode == Mode::Immediate { data::IMMEDIATE } else { 0 };
            self.outstanding.send(now, fragment, extra, buf);
            self.peer_window = self.peer_window.saturating_sub(len);
            self.counters.chunks += 1;
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

    /// Takes a SACK. RFC 9260 §6.2.1; gives whether it acknowledged something new.
    pub(crate) fn handle_sack(&mut self, now: Instant, sack: &Sack<'_>) -> Result<bool, NeverSent> {
        let cumulative = sack.cumulative_tsn_ack;
        // D.i: one that was overtaken.
        if !cumulative.is_at_or_after(self.outstanding.cumulative()) {
            return Ok(false);
        }
        let in_flight_before = self.outstanding.in_flight();
        let progress = self.outstanding.acknowledge(now, sack, self.recovering_until)?;
        // A timeout that was backed off stays so until there is a new measurement (§6.3.3): it may
        // have been backed off because round trips have become longer.
        if let Some(rtt) = progress.rtt {
            self.rto.measured(rtt);
        }
        // D.ii.
        let a_rwnd = usize::try_from(sack.a_rwnd).unwrap_or(usize::MAX);
        self.queues.set_begun_limit(a_rwnd);
        self.peer_window = a_rwnd.saturating_sub(self.outstanding.payload());

        if self.recovering_until.is_some_and(|until| cumulative.is_at_or_after(until)) {
            self.recovering_until = None;
        }
        if progress.lost {
            self.begin_recovery();
        } else if progress.bytes > 0 && self.recovering_until.is_none() {
            self.congestion.on_acknowledged(Acknowledged {
                bytes: progress.bytes,
                in_flight_before,
                cumulative,
                next_tsn: self.outstanding.next_tsn(),
                rtt: progress.rtt,
            });
        }
        self.update_pacer();
        self.update_timer(now, progress.advanced);
        self.forward |= self.outstanding.must_forward() && self.partial_reliability;
        Ok(progress.bytes > 0 || progress.advanced)
    }

    /// Takes the cumulative TSN of a SHUTDOWN, which acknowledges too.
    pub(crate) fn handle_shutdown(
        &mut self,
        now: Instant,
        cumulative: Tsn,
    ) -> Result<(), NeverSent> {
        if cumulative.is_at_or_after(self.outstanding.cumulative()) {
            let progress = self.outstanding.acknowledge_up_to(now, cumulative)?;
            self.update_timer(now, progress.advanced);
        }
        Ok(())
    }

    fn begin_recovery(&mut self) {
        if self.recovering_until.is_some() {
            return;
        }
        self.counters.fast_recoveries += 1;
        self.congestion.on_loss();
        self.recovering_until = Some(self.outstanding.next_tsn().previous());
        self.fast_retransmit = true;
    }

    /// Stops or restarts T3-rtx.
    pub(crate) fn update_timer(&mut self, now: Instant, advanced: bool) {
        if self.outstanding.is_empty() {
            // R2 of §6.3.2.
            self.retransmission = None;
            self.fast_retransmit = false;
        } else if advanced {
            // R3.
            self.retransmission = Some(now + self.rto.current());
        }
    }

    /// Fires T3-rtx when it is due; gives whether it was. RFC 9260 §6.3.3.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.retransmission.is_none_or(|at| at > now) {
            return false;
        }
        self.retransmission = None;
        if self.outstanding.is_empty() {
            return false;
        }
        self.counters.timeouts += 1;
        self.expire(now);
        true
    }

    /// Counts all that is in flight as lost.
    fn expire(&mut self, now: Instant) {
        let probing = self.peer_window == 0 && self.outstanding.len() == 1;
        if !probing {
            self.congestion.on_timeout();
        }
        self.rto.back_off();
        self.recovering_until = None;
        self.outstanding.mark_all();
        self.update_pacer();
        self.forward |= self.outstanding.must_forward() && self.partial_reliability;
        // The timer starts anew with the packet; without one to send the question stays open.
        if !self.outstanding.has_marked() && !self.forward {
            self.retransmission = Some(now + self.rto.current());
        }
    }

    /// Sends everything outstanding again with the next packet, without a verdict on the path:
    /// the COOKIE ECHO that it went with was lost.
    pub(crate) fn resend_all(&mut self, now: Instant) {
        self.outstanding.mark_all();
        self.update_timer(now, true);
    }

    /// Takes back what was sent with a COOKIE ECHO that the peer refused: it has seen none of it.
    pub(crate) fn forget_outstanding(&mut self) {
        self.outstanding.mark_all();
        self.retransmission = None;
    }

    /// The path is another one: what was learnt of the old one does not hold.
    pub(crate) fn path_changed(&mut self, config: &Config, now: Instant) {
        self.rto.reset_back_off();
        self.congestion = Congestion::new(segment(self.mtu), config.initial_window);
        if !self.outstanding.is_empty() {
            self.retransmission = Some(now);
        }
        self.update_pacer();
    }

    /// Stops the timer and forgets all data.
    pub(crate) fn clear(&mut self) {
        let next = self.outstanding.next_tsn();
        self.outstanding = Outstanding::new(next, segment(self.mtu));
        self.queues.clear();
        self.retransmission = None;
        self.forward = false;
        self.fast_retransmit = false;
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        self.outstanding.shrink();
        self.queues.shrink();
    }
}

/// PMDCS: the largest DATA chunk in a packet of `mtu` bytes.
const fn segment(mtu: usize) -> usize {
    mtu - packet::HEADER_LEN
}

/// A message is not cut into smaller pieces than this, in bytes, to fill a packet.
const MIN_FRAGMENT: usize = 256;
