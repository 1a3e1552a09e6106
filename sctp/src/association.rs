//! The association: its fields, its five calls, and the application's commands.
//!
//! What each procedure of the standard does is in the files below; the state of data on its way is
//! in [`send`](crate::send) and [`recv`](crate::recv).

pub(crate) mod abort;
pub(crate) mod cookie;
pub(crate) mod entropy;
pub(crate) mod handover;
pub(crate) mod handshake;
pub(crate) mod heartbeat;
pub(crate) mod outgoing;
pub(crate) mod path_mtu;
pub(crate) mod pending;
pub(crate) mod receive;
pub(crate) mod reset;
pub(crate) mod shutdown;
pub(crate) mod snap;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod streaming;
pub(crate) mod transmit;

use crate::config::{Config, clamp_mtu};
use crate::event::{CloseReason, Event};
use crate::message::Message;
use crate::recv::Receiver;
use crate::send::Sender;
use crate::tsn::Tsn;
use entropy::Entropy;
use handshake::Handshake;
use heartbeat::Heartbeat;
pub use outgoing::SendError;
use outgoing::Unsent;
use path_mtu::PathMtu;
use pending::Pending;
use rand::Rng;
use rand::rngs::ChaCha20Rng;
use reset::Reset;
use shutdown::Shutdown;
use state::State;
use stats::Traffic;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};
use transmit::Reply;

/// An SCTP association over any datagrams: DTLS (RFC 8261), UDP, or a test's memory.
///
/// It has one path, no addresses and no clock: whoever owns the datagrams makes the five calls.
#[derive(Debug)]
pub struct Association {
    config: Config,
    /// The newest time seen; an older one is read as this.
    now: Instant,
    /// When it was made: the time in cookies is counted from here.
    origin: Instant,
    entropy: Entropy,
    state: State,
    /// Why it has ended, once it has.
    closed: Option<Box<CloseReason>>,
    handshake: Handshake,
    /// The tag that the peer's packets must have, and ours.
    local_tag: u32,
    peer_tag: u32,
    /// How many streams there are each way.
    outbound_streams: u16,
    inbound_streams: u16,
    send: Sender,
    recv: Receiver,
    heartbeat: Heartbeat,
    path_mtu: PathMtu,
    shutdown: Shutdown,
    reset: Reset,
    /// Timeouts without an answer in between (§8.1).
    errors: u32,
    /// The peer accepts packets without a checksum (RFC 9653), and so do we.
    omit_checksum: bool,
    pending: Pending,
    replies: VecDeque<Reply>,
    events: VecDeque<Event>,
    /// What waited on streams when it was thrown away.
    unsent: Option<Box<Unsent>>,
    traffic: Box<Traffic>,
}

impl Association {
    /// An association that begins: its INIT is ready to be polled.
    ///
    /// Both sides may be clients, as WebRTC's are: INITs that cross make one association
    /// ([RFC 9260 §5.2](https://www.rfc-editor.org/rfc/rfc9260#section-5.2)).
    ///
    /// `seed` is 32 bytes of fresh entropy, a secret.
    pub fn client(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        let mut association = Self::server(config, now, seed);
        association.connect(now, Duration::ZERO);
        association
    }

    /// An association that waits for the peer's INIT.
    pub fn server(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        Self::with_control_ppid(config, now, seed, None)
    }

    /// As [`Self::server`]; messages with `control_ppid` are read apart from the others.
    pub(crate) fn with_control_ppid(
        config: Config,
        now: Instant,
        seed: [u8; 32],
        control_ppid: Option<u32>,
    ) -> Self {
        let config = config.bounded();
        let mut entropy = Entropy::new(seed);
        let (handshake, local_tag, initial_tsn) =
            entropy.draw(|rng| (Handshake::new(rng), random_tag(rng), Tsn(rng.next_u32())));
        Self {
            now,
            origin: now,
            state: State::Closed,
            closed: None,
            local_tag,
            peer_tag: 0,
            outbound_streams: config.outbound_streams,
            inbound_streams: config.inbound_streams,
            send: Sender::new(&config, initial_tsn),
            recv: Receiver::new(&config, Tsn(0), control_ppid),
            handshake,
            heartbeat: Heartbeat::default(),
            path_mtu: PathMtu::default(),
            shutdown: Shutdown::default(),
            reset: Reset::new(initial_tsn, Tsn(0)),
            errors: 0,
            omit_checksum: false,
            pending: Pending::default(),
            replies: VecDeque::new(),
            events: VecDeque::new(),
            unsent: None,
            traffic: Box::default(),
            entropy,
            config,
        }
    }

    /// Takes a packet.
    ///
    /// What is damaged or not for this association is counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let now = self.advance(now);
        self.receive(now, datagram);
    }

    /// Fires the timers that are due. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        self.recv.handle_timeout(now);
        self.handle_handshake_timeout(now);
        if self.state.is_up() {
            if self.send.handle_timeout(now) {
                self.count_error();
                self.suspect_black_hole(now);
            }
            self.handle_path_mtu_timeout(now);
            self.handle_heartbeat_timeout(now);
            self.handle_shutdown_timeout(now);
            self.handle_reset_timeout(now);
        }
    }

    /// Appends the next packet to `buf` and gives its range, or `None` when there is nothing to
    /// send now.
    #[inline]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Range<usize>> {
        let now = self.advance(now);
        let due = self.due(now);
        // Asked after each packet, mostly for nothing.
        if due.any() { self.emit(now, due, buf) } else { None }
    }

    /// Returns what has changed.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        // Asked after each packet, mostly for nothing.
        if self.events.is_empty()
            && self.recv.is_quiet()
            && self.send.queues.is_quiet()
            && self.reset.is_quiet()
        {
            return None;
        }
        self.next_event()
    }

    #[inline]
    fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if self.send.queues.has_refused() {
            self.tell_room();
        }
        if let Some(stream) = self.recv.poll_readable() {
            return Some(Event::Readable(stream));
        }
        if let Some(stream) = self.send.queues.poll_low() {
            return Some(Event::BufferedAmountLow(stream));
        }
        self.reset.poll_event()
    }

    /// Returns when [`Self::handle_timeout`] or [`Self::poll_transmit`] has something to do;
    /// `None` for not before the next datagram or command.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let data = match self.ready(self.now) {
            Some(at) if at <= self.now => return Some(self.now),
            other => other,
        };
        let mut earliest = min(data, self.recv.sack_timeout());
        earliest = min(earliest, self.handshake.timeout());
        if self.state.is_up() {
            earliest = min(earliest, self.send.timeout());
            earliest = min(earliest, self.heartbeat.timeout());
            earliest = min(earliest, self.path_mtu.timeout());
            earliest = min(earliest, self.shutdown.timeout());
            earliest = min(earliest, self.reset.timeout());
        }
        earliest.map(|at| at.max(self.now))
    }

    /// Begins the association, unless it was begun. With `hold`, the INIT waits so long for one
    /// of the peer: when both sides begin at about the same time, one of them can let the other go
    /// first, and the packets of a collision are spared.
    pub fn connect(&mut self, now: Instant, hold: Duration) {
        let now = self.advance(now);
        if self.state == State::Closed && self.closed.is_none() {
            self.state = State::CookieWait;
            self.start_handshake(now, hold);
        }
    }

    /// Returns the next message of `stream`; none while one is being read in parts, of which
    /// [`Self::read_part`] has given the first but not the last.
    pub fn read(&mut self, stream: u16) -> Option<Message> {
        self.recv.read(stream)
    }

    /// Returns how many bytes wait to be sent on `stream`; not the one that is held back of a message
    /// that is still written ([`Self::begin`]).
    pub fn buffered_amount(&self, stream: u16) -> usize {
        self.send.queues.waiting(stream)
    }

    /// Returns how many bytes, over all streams, wait to be sent or acknowledged: what
    /// [`Config::send_buffer`] bounds.
    pub fn total_buffered_amount(&self) -> usize {
        self.send.buffered()
    }

    /// Sets from which amount of waiting bytes downwards [`Event::BufferedAmountLow`] tells. Where a
    /// message was refused ([`SendError::BufferFull`]) and no more than that waits on its stream, it
    /// tells when there is room for the message.
    pub fn set_buffered_amount_low_threshold(&mut self, stream: u16, threshold: usize) {
        self.send.queues.set_low_threshold(stream, threshold);
    }

    /// Sets the priority of `stream`, which the [`Scheduler`](crate::Scheduler) goes by: of two
    /// streams, the one with twice the number gets twice as much. 256 at first.
    pub fn set_stream_priority(&mut self, stream: u16, priority: u16) {
        self.send.queues.set_priority(stream, priority);
    }

    /// Returns the priority of `stream`.
    pub fn stream_priority(&self, stream: u16) -> u16 {
        self.send.queues.priority(stream)
    }

    /// Returns where the association is in its life.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Returns why the association has ended, once it has.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.closed.as_deref()
    }

    /// Returns how many streams there are to send on: what we want, and once established at most
    /// what the peer takes.
    pub const fn outbound_streams(&self) -> u16 {
        self.outbound_streams
    }

    /// Returns how many streams the peer may send on.
    pub const fn inbound_streams(&self) -> u16 {
        self.inbound_streams
    }

    /// Sets the peer's port (`a=sctp-port` of its description), before the association is begun.
    pub fn set_remote_port(&mut self, port: u16) {
        if self.state == State::Closed {
            self.config.remote_port = port;
        }
    }

    /// As [`Self::set_remote_port`], for ours.
    pub(crate) fn set_local_port(&mut self, port: u16) {
        if self.state == State::Closed {
            self.config.local_port = port;
        }
    }

    /// Returns the settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the length of the longest packet that is made, in bytes.
    pub const fn mtu(&self) -> usize {
        self.send.mtu()
    }

    /// Sets the largest packet to make, in bytes: what the layer below can carry.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.send.set_mtu(clamp_mtu(mtu));
    }

    /// Sets how large a message [`Self::send`] takes, in bytes.
    pub const fn set_max_send_message_size(&mut self, bytes: usize) {
        self.config.max_send_message_size = bytes;
    }

    /// Takes a round-trip time that a layer below has measured: the first timers follow it.
    pub fn set_round_trip_time(&mut self, rtt: Duration) {
        self.send.rto.set_hint(rtt);
    }

    /// Sets the most that data may take of the path, in bytes a second: what other traffic of the
    /// same path leaves. `None` for no limit.
    pub fn set_rate_limit(&mut self, bytes_per_second: Option<u64>) {
        self.send.set_rate_limit(self.now, bytes_per_second);
    }

    /// The layer below uses another path now: what was learnt of the old one is forgotten, and
    /// what is outstanding is sent again.
    pub fn path_changed(&mut self, now: Instant) {
        let now = self.advance(now);
        self.errors = 0;
        self.send.path_changed(&self.config, now);
        self.path_mtu_changed(now);
    }

    /// Notes the time; an older one is read as the newest seen.
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// Ends the association: nothing is sent or taken any more but what is owed.
    fn close(&mut self, reason: CloseReason) {
        tracing::debug!(%reason, "association closed");
        self.state = State::Closed;
        self.handshake.stop();
        self.heartbeat = Heartbeat::default();
        self.path_mtu = PathMtu::default();
        self.shutdown = Shutdown::default();
        self.reset.stop();
        self.note_unsent();
        self.send.clear();
        self.recv.stop();
        self.pending = Pending::default();
        self.events.push_back(Event::Closed(reason.clone()));
        self.closed = Some(Box::new(reason));
    }

    /// A timer expired without an answer (§8.1).
    fn count_error(&mut self) {
        self.errors += 1;
        if self.errors > self.config.max_retransmits {
            self.abort_with(CloseReason::TimedOut);
        }
    }

    /// The next event of the association itself, for the layer of data channels.
    pub(crate) fn poll_own_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether memory of busier times is to be given back.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.heartbeat.is_quiet()
    }

    /// The newest time seen.
    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// For the layer of data channels.
    pub(crate) const fn receiver(&mut self) -> &mut Receiver {
        &mut self.recv
    }
}

/// The earlier one of two times that may be none.
fn min(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A verification tag: any number but zero (§5.3.1).
fn random_tag(rng: &mut ChaCha20Rng) -> u32 {
    rng.next_u32().max(1)
}
