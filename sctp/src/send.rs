//! Sending user data ([RFC 9260 §6.1](https://www.rfc-editor.org/rfc/rfc9260#section-6.1), §6.3, §7).

mod acknowledgement;
pub(crate) mod congestion;
mod handover;
pub(crate) mod outstanding;
pub(crate) mod pacer;
pub(crate) mod packets;
pub(crate) mod queue;
pub(crate) mod rto;
pub(crate) mod scheduler;
mod timers;
mod transmission;

use crate::chunk::data::Form;
use crate::config::Config;
use crate::packet;
use crate::tsn::Tsn;
use bytes::Bytes;
use congestion::{Controller, controller};
use outstanding::Outstanding;
use outstanding::forward::Unfinished;
use pacer::Pacer;
use queue::{Queued, Queues};
use rto::Rto;
use std::time::Instant;
use timers::Timers;
use transmission::WindowProbe;

/// Everything about data in the direction away from us.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) queues: Queues,
    outstanding: Outstanding,
    congestion: Box<dyn Controller>,
    /// What `congestion` says: cwnd.
    window: usize,
    pub(crate) rto: Rto,
    pacer: Pacer,
    mtu: usize,
    /// The a_rwnd that the peer last told, less what was outstanding then and was sent since.
    peer_window: usize,
    window_probe: WindowProbe,
    timers: Timers,
    /// A packet of new data may be sent whatever the window says: a probe.
    probing: bool,
    /// How many probes were sent since something was acknowledged.
    probes: u8,
    /// The chunk that was last sent again as a probe.
    probed: Option<Tsn>,
    /// Fast recovery (§7.2.4) lasts until this is acknowledged.
    recovering_until: Option<Tsn>,
    /// Bytes found lost and bytes that were so needlessly since recovery began.
    lost: usize,
    needless: usize,
    /// A packet of lost chunks may be sent whatever the window says (§7.2.4 step 3).
    fast_retransmit: bool,
    /// T3-rtx has expired and nothing was acknowledged since: one packet at a time (§7.2.3).
    cautious: bool,
    /// A FORWARD TSN is to be sent.
    forward: bool,
    /// Among what is outstanding may be chunks that were cut for larger packets.
    oversized: bool,
    /// The least window of the peer that is worth a chunk.
    worthwhile: u16,
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

impl Sender {
    pub(crate) fn new(config: &Config, initial_tsn: Tsn) -> Self {
        let mtu = config.effective_mtu();
        let congestion = controller(config, segment(mtu), initial_tsn.0);
        let mut sender = Self {
            queues: Queues::new(config.scheduler),
            outstanding: Outstanding::new(initial_tsn),
            window: congestion.window(),
            congestion,
            rto: Rto::new(config),
            pacer: Pacer::default(),
            mtu,
            peer_window: 0,
            window_probe: WindowProbe::default(),
            timers: Timers::default(),
            probing: false,
            probes: 0,
            probed: None,
            recovering_until: None,
            lost: 0,
            needless: 0,
            fast_retransmit: false,
            cautious: false,
            forward: false,
            oversized: false,
            worthwhile: 0,
            last_sent: None,
            partial_reliability: false,
            counters: Counters::default(),
        };
        sender.update_worthwhile();
        sender
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
        self.oversized |= mtu < self.mtu && !self.outstanding.is_empty();
        self.mtu = mtu;
        self.congestion.set_segment(segment(mtu));
        self.follow_congestion();
        self.update_worthwhile();
    }

    /// Whether a chunk that is sent again may be longer than a packet is now.
    pub(crate) const fn is_oversized(&self) -> bool {
        self.oversized
    }

    /// The peer's window as its INIT or INIT ACK tells it.
    pub(crate) fn set_peer_window(&mut self, a_rwnd: u32) {
        self.peer_window = usize::try_from(a_rwnd).unwrap_or(usize::MAX);
        self.window_probe.greatest = a_rwnd;
        self.update_worthwhile();
        self.queues.set_begun_limit(self.peer_window);
    }

    /// Which chunk carries user data; of what was sent, nothing changes any more.
    pub(crate) fn set_form(&mut self, form: Form) {
        if self.outstanding.is_empty() {
            self.queues.set_form(form);
            self.update_worthwhile();
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
            self.note_given_up();
        }
        self.counters.expired += 1;
    }

    /// The peer is to be told of what was given up, where it understands that.
    fn note_given_up(&mut self) {
        self.forward |= self.outstanding.must_forward() && self.partial_reliability;
    }

    /// Gives up all messages that are being written.
    pub(crate) fn abandon_all_open(&mut self) {
        for stream in self.queues.open_streams() {
            self.abandon_open(stream);
        }
    }

    pub(crate) const fn peer_window(&self) -> usize {
        self.peer_window
    }

    pub(crate) fn set_rate_limit(&mut self, now: Instant, bytes_per_second: Option<u64>) {
        let before = self.pacer.rate();
        let changed = self.pacer.set_limit(bytes_per_second);
        self.update_pacer();
        if changed {
            self.pacer.rescale(now, before);
        }
    }

    /// The congestion control has changed its mind.
    fn follow_congestion(&mut self) {
        self.window = self.congestion.window();
        self.update_pacer();
    }

    fn update_pacer(&mut self) {
        self.pacer.set_rate(self.congestion.pace(self.rto.known()), segment(self.mtu));
    }

    /// cwnd.
    pub(crate) const fn window(&self) -> usize {
        self.window
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

    /// How many of them do not wait for the application to write on.
    pub(crate) const fn waiting(&self) -> usize {
        self.buffered() - self.queues.held_back()
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

    /// The path is another one: what was learnt of the old one does not hold, and what is outstanding
    /// is sent again, which says nothing of the new one.
    pub(crate) fn path_changed(&mut self, config: &Config, now: Instant) {
        self.rto = Rto::new(config);
        let seed = self.outstanding.next_tsn().0;
        self.congestion = controller(config, segment(self.mtu), seed);
        self.recovering_until = None;
        self.lost = 0;
        self.needless = 0;
        self.probes = 0;
        self.cautious = false;
        self.outstanding.path_changed();
        self.note_given_up();
        self.stop_timers();
        self.update_timer(now, true);
        self.follow_congestion();
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
