//! Sending user data ([RFC 9260 §6.1](https://www.rfc-editor.org/rfc/rfc9260#section-6.1), §6.3, §7).

pub(crate) mod congestion;
pub(crate) mod outstanding;
pub(crate) mod pacer;
pub(crate) mod packets;
pub(crate) mod queue;
pub(crate) mod rto;
pub(crate) mod scheduler;

use crate::chunk::data::{self, Form};
use crate::chunk::forward_tsn;
use crate::chunk::sack::Sack;
use crate::config::Config;
use crate::handover::{HandoverError, Reader, Writer};
use crate::packet;
use crate::tsn::Tsn;
use bytes::Bytes;
use congestion::{Controller, Sample, controller};
use outstanding::forward::Unfinished;
use outstanding::{NeverSent, Outstanding, Progress};
use pacer::Pacer;
use queue::{Queued, Queues};
use rto::Rto;
use std::time::{Duration, Instant};

/// Everything about data in the direction away from us.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) queues: Queues,
    outstanding: Outstanding,
    congestion: Box<dyn Controller>,
    pub(crate) rto: Rto,
    pacer: Pacer,
    mtu: usize,
    /// The a_rwnd that the peer last told, less what was outstanding then and was sent since.
    peer_window: usize,
    /// T3-rtx.
    retransmission: Option<Instant>,
    /// When a chunk counts as lost, unless it arrives (RFC 8985 §6.3).
    reordering: Option<Instant>,
    /// When the tail of what was sent is probed (RFC 8985 §7), unless it was since the last SACK.
    probe: Option<Instant>,
    /// A packet of new data may be sent whatever the window says: a probe.
    probing: bool,
    /// The probe was sent and nothing acknowledged since.
    probed: bool,
    /// Fast recovery (§7.2.4) lasts until this is acknowledged.
    recovering_until: Option<Tsn>,
    /// Bytes found lost and bytes that were so needlessly since recovery began.
    lost: usize,
    needless: usize,
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
    pub(crate) probes: u64,
    pub(crate) fast_recoveries: u64,
    pub(crate) expired: u64,
    /// Bytes of DATA chunks found lost.
    pub(crate) lost: u64,
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
            outstanding: Outstanding::new(initial_tsn),
            congestion: controller(config, segment(mtu), initial_tsn.0),
            rto: Rto::new(config),
            pacer: Pacer::default(),
            mtu,
            peer_window: 0,
            retransmission: None,
            reordering: None,
            probe: None,
            probing: false,
            probed: false,
            recovering_until: None,
            lost: 0,
            needless: 0,
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
        self.update_pacer();
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
    pub(crate) fn abandon_open(&mut self, stream: u16) {
        if let Some((order, message)) = self.queues.abandon_open(stream) {
            let message = Unfinished { form: self.form(), stream, order, message };
            self.outstanding.abandon_unfinished(message);
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
        self.pacer.set_rate(self.congestion.pace(self.rto.known()), segment(self.mtu));
    }

    /// cwnd.
    pub(crate) fn window(&self) -> usize {
        self.congestion.window()
    }

    /// ssthresh.
    pub(crate) fn threshold(&self) -> Option<usize> {
        self.congestion.threshold()
    }

    /// How many bytes a second leave at most; `None` for no limit.
    pub(crate) fn pace(&self) -> Option<u64> {
        self.congestion.pace(self.rto.known())
    }

    /// Bytes of DATA chunks acknowledged.
    pub(crate) const fn delivered(&self) -> u64 {
        self.outstanding.packets.delivered()
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

    /// When the next of the timers expires.
    #[inline]
    pub(crate) fn timeout(&self) -> Option<Instant> {
        [self.retransmission, self.reordering, self.probe].into_iter().flatten().min()
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
            !self.queues.is_empty()
                && (self.probing || self.window_is_open())
                && self.peer_has_room()
        };
        if !wanted {
            return None;
        }
        if self.fast_retransmit || self.probing {
            return Some(now);
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
            self.write_new(now, buf, end, mode);
        }
        if buf.len() == start {
            return false;
        }
        self.note_limits();
        self.pacer.on_sent(now, buf.len() - start);
        self.last_sent = Some(now);
        if self.retransmission.is_none() {
            // R1 of §6.3.2.
            self.retransmission = Some(now + self.rto.current());
        }
        self.arm_probe(now);
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

    /// Something was sent or acknowledged: the probe is so much later. RFC 8985 §7.2.
    #[inline]
    fn arm_probe(&mut self, now: Instant) {
        self.probe = None;
        if self.probed || self.recovering_until.is_some() || self.outstanding.in_flight() == 0 {
            return;
        }
        let Some(rtt) = self.rto.smoothed() else { return };
        let mut wait = (rtt * 2).max(MIN_PROBE);
        // A single packet may wait for the receiver's timer.
        if self.outstanding.in_flight() <= segment(self.mtu) {
            wait += self.rto.allowance();
        }
        let at = now + wait;
        self.probe = self.retransmission.is_none_or(|t3| at < t3).then_some(at);
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
            self.update_pacer();
        }
    }

    /// The index of the first chunk that is to be sent again and its length on the wire, after
    /// giving up those that may not be.
    fn next_marked(&mut self, now: Instant) -> Option<(usize, usize)> {
        let queues = &mut self.queues;
        let mut given_up = 0;
        let next = self.outstanding.next_marked(now, |unfinished| {
            given_up += 1;
            if let Some(Unfinished { stream, order, message, .. }) = unfinished {
                queues.abandon_begun(stream, order, message);
            }
        });
        if given_up > 0 {
            self.counters.expired += given_up;
            self.forward |= self.outstanding.must_forward() && self.partial_reliability;
        }
        next
    }

    fn write_again(&mut self, now: Instant, buf: &mut Vec<u8>, end: usize) {
        while let Some((index, len)) = self.next_marked(now) {
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
    }

    fn write_new(&mut self, now: Instant, buf: &mut Vec<u8>, end: usize, mode: Mode) {
        while (self.probing || self.window_is_open()) && self.peer_has_room() {
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
            self.probing = false;
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
        let progress = self.outstanding.acknowledge(now, sack)?;
        // A timeout that was backed off stays so until there is a new measurement (§6.3.3): it may
        // have been backed off because round trips have become longer.
        if let Some(rtt) = progress.rtt {
            self.rto.measured(rtt);
        }
        // D.ii.
        let a_rwnd = usize::try_from(sack.a_rwnd).unwrap_or(usize::MAX);
        self.queues.set_begun_limit(a_rwnd);
        self.peer_window = a_rwnd.saturating_sub(self.outstanding.payload());

        if progress.spurious > 0 || sack.duplicate_count() > 0 {
            self.note_needless(progress.spurious, sack.duplicate_count());
        }
        if progress.bytes > 0 {
            self.probed = false;
        }
        self.take_progress(now, progress, in_flight_before);
        // Beyond R3 of §6.3.2, which looks at the first chunk only: while anything is acknowledged,
        // losses are found by that, those of retransmissions too, and T3-rtx has no say.
        self.update_timer(now, progress.advanced || progress.bytes > 0);
        self.arm_probe(now);
        self.forward |= self.outstanding.must_forward() && self.partial_reliability;
        Ok(progress.bytes > 0 || progress.advanced)
    }

    /// Something was counted as lost, and perhaps sent again, that had arrived.
    fn note_needless(&mut self, bytes: usize, duplicates: usize) {
        if bytes == 0 && self.counters.retransmitted == 0 {
            return;
        }
        self.outstanding.was_needless();
        self.needless += bytes + duplicates * segment(self.mtu);
        if self.lost > 0 && self.needless >= self.lost {
            self.lost = 0;
            self.congestion.on_spurious();
        }
    }

    /// What was acknowledged, and what that leaves lost, tells the congestion control.
    fn take_progress(&mut self, now: Instant, progress: Progress, in_flight_before: usize) {
        let (rtt, min_rtt) = self.rto.latest_and_least();
        let rate = progress.newest.and_then(|newest| {
            self.outstanding.packets.acknowledged(now, progress.bytes, newest, min_rtt)
        });
        let losses = self.outstanding.detect(now, rtt, min_rtt);
        self.reordering = losses.next;
        let cumulative = self.outstanding.cumulative();
        if self.recovering_until.is_some_and(|until| cumulative.is_at_or_after(until)) {
            self.recovering_until = None;
        }
        let sample = Sample {
            now,
            acknowledged: progress.bytes,
            lost: losses.bytes,
            lost_in_flight: losses.in_flight,
            in_flight_before,
            in_flight: self.outstanding.in_flight(),
            rtt: progress.rtt,
            rate,
            delivered: self.outstanding.packets.delivered(),
            recovering: self.recovering_until.is_some(),
        };
        if losses.bytes > 0 {
            self.begin_recovery();
            self.lost += losses.bytes;
            self.counters.lost += losses.bytes as u64;
        }
        if progress.bytes > 0 || losses.bytes > 0 {
            self.congestion.on_sample(&sample);
            self.update_pacer();
        }
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
        self.lost = 0;
        self.needless = 0;
        self.recovering_until = Some(self.outstanding.next_tsn().previous());
        self.fast_retransmit = true;
    }

    /// Stops or restarts T3-rtx.
    pub(crate) fn update_timer(&mut self, now: Instant, advanced: bool) {
        if self.outstanding.is_empty() {
            // R2 of §6.3.2.
            self.stop_timers();
        } else if advanced {
            // R3.
            self.retransmission = Some(now + self.rto.current());
        }
    }

    fn stop_timers(&mut self) {
        self.retransmission = None;
        self.reordering = None;
        self.probe = None;
        self.probing = false;
        self.fast_retransmit = false;
    }

    /// Fires the timers that are due; gives whether T3-rtx was. RFC 9260 §6.3.3.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.reordering.is_some_and(|at| at <= now) {
            self.reordering = None;
            let in_flight = self.outstanding.in_flight();
            self.take_progress(now, Progress::default(), in_flight);
            self.arm_probe(now);
        }
        if self.probe.is_some_and(|at| at <= now) {
            self.probe = None;
            self.send_probe(now);
        }
        if self.retransmission.is_none_or(|at| at > now) {
            return false;
        }
        self.stop_timers();
        if self.outstanding.is_empty() {
            return false;
        }
        self.counters.timeouts += 1;
        self.expire(now);
        true
    }

    /// The last SACK is long ago: what was sent last may be lost, and nothing behind it tells so. New
    /// data, or the last chunk again, makes the receiver answer (RFC 8985 §7.3).
    fn send_probe(&mut self, now: Instant) {
        if self.outstanding.has_marked() {
            return;
        }
        self.probed = true;
        if !self.queues.is_empty() && self.peer_has_room() {
            self.probing = true;
        } else if self.outstanding.mark_last(now) {
            self.fast_retransmit = true;
        } else {
            return;
        }
        self.counters.probes += 1;
    }

    /// Counts all that is in flight as lost.
    fn expire(&mut self, now: Instant) {
        let probing = self.peer_window == 0 && self.outstanding.len() == 1;
        if !probing {
            self.congestion.on_timeout();
        }
        self.rto.back_off();
        self.recovering_until = None;
        self.probed = false;
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
        self.stop_timers();
    }

    /// The path is another one: what was learnt of the old one does not hold.
    pub(crate) fn path_changed(&mut self, config: &Config, now: Instant) {
        self.rto.reset_back_off();
        let seed = self.outstanding.next_tsn().0;
        self.congestion = controller(config, segment(self.mtu), seed);
        if !self.outstanding.is_empty() {
            self.retransmission = Some(now);
        }
        self.update_pacer();
    }

    pub(crate) fn hand_over(&mut self, out: &mut Writer) {
        out.flag(self.partial_reliability);
        out.size(self.peer_window);
        self.queues.hand_over(out);
        self.outstanding.hand_over(out);
    }

    /// Takes up what was handed over; `self` is new.
    pub(crate) fn resume(
        &mut self,
        from: &mut Reader<'_>,
        now: Instant,
    ) -> Result<(), HandoverError> {
        self.partial_reliability = from.flag()?;
        self.peer_window = from.size()?;
        self.queues.resume(from)?;
        self.outstanding = Outstanding::resume(from, now, self.form())?;
        self.forward = self.outstanding.must_forward() && self.partial_reliability;
        self.update_timer(now, true);
        Ok(())
    }

    /// Stops the timer and forgets all data.
    pub(crate) fn clear(&mut self) {
        let next = self.outstanding.next_tsn();
        self.outstanding = Outstanding::new(next);
        self.queues.clear();
        self.stop_timers();
        self.forward = false;
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

/// RFC 8985 §7.2 has two round trips; on the shortest paths the machine's own pace is longer.
const MIN_PROBE: Duration = Duration::from_millis(10);
/// A message is not cut into smaller pieces than this, in bytes, to fill a packet.
const MIN_FRAGMENT: usize = 256;
