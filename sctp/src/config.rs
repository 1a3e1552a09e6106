//! What an association can be told.

use crate::message::ReadMode;
use crate::recv::budget::ReceiveBudget;
use crate::send::scheduler::Scheduler;
use std::time::Duration;

/// The settings of an [`Association`](crate::Association), each with a default that suits WebRTC.
///
/// The protocol's own names are used where it has one
/// ([RFC 9260 §16](https://www.rfc-editor.org/rfc/rfc9260#section-16) lists the recommended values).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Our port. 5000, what every WebRTC endpoint uses (`a=sctp-port`).
    pub local_port: u16,
    /// The peer's port. 5000.
    pub remote_port: u16,
    /// The largest packet that we make, in bytes, SCTP's common header included, between 576 and
    /// 65 532.
    ///
    /// 1160: WebRTC's 1200 bytes of UDP payload, less 37 of a DTLS 1.2 record with AES-GCM (13 of
    /// header, 8 of nonce, 16 of tag), rounded down to a multiple of four. Also
    /// [`set_mtu`](crate::Association::set_mtu).
    pub mtu: usize,
    /// The largest packet to search for, in bytes, what the layer below can carry at most: the path
    /// is probed with packets that carry nothing (RFC 8899). A chunk that was cut for a packet size is
    /// not cut again: should the path carry less later, the layers below have to take what is under
    /// way in pieces. `None`, for no search: packets keep to [`Self::mtu`].
    pub max_mtu: Option<usize>,
    /// How many streams we want to send on. 65 535, as RFC 8831 §6.2 recommends; the peer may have
    /// fewer. A stream takes memory when it is first used.
    pub outbound_streams: u16,
    /// How many streams the peer may send on. 65 535.
    pub inbound_streams: u16,
    /// The receive window at first: how many bytes we hold for a reader that does not read, each
    /// message counted with 64 bytes on top.
    ///
    /// 128 KiB: five round trips of slow start, by which time it has followed the path.
    pub receive_window: usize,
    /// The greatest receive window. The window follows what the application takes in a round trip,
    /// while it reads promptly; what is held for it and what waits for something missing stay below
    /// this. At least twice [`Self::max_receive_message_size`] is taken. A peer that does not keep to
    /// the window can make us hold twice as much, and two of the largest messages; up to 128 KiB of
    /// memory beside that for small messages of which few are unread.
    ///
    /// Of interleaved messages all that has come is held until one of them is whole: a peer that sends
    /// more and larger ones at a time than fit stands still with all of them, unless they are read in
    /// parts ([`ReadMode::Parts`](crate::ReadMode::Parts)).
    ///
    /// 16 MiB: a path of a gigabit a second and 130 ms is filled.
    pub max_receive_window: usize,
    /// What several associations may hold together. `None`: each is bounded by itself.
    pub receive_budget: Option<ReceiveBudget>,
    /// The largest message that the peer may send, in bytes; a larger one aborts the association,
    /// since fragments cannot be skipped without harm to other streams. 256 KiB, what browsers
    /// have.
    pub max_receive_message_size: usize,
    /// The largest message that we send, in bytes. 256 KiB.
    pub max_send_message_size: usize,
    /// How many bytes may wait to be sent or acknowledged, over all streams, on any path; beyond,
    /// `send` gives the message back. 4 MiB. At least one message always fits. Of messages that have
    /// not left, and parts of them, there may be one for each 128 bytes.
    pub send_buffer: usize,
    /// How far [`Self::send_buffer`] grows with the path, to three congestion windows: one under
    /// way, one that waits behind a gap, and one to come. 64 MiB: a path of 3 Gbit/s and 50 ms.
    pub max_send_buffer: usize,
    /// RTO.Initial, while nothing was measured and no layer below has given its figure by
    /// [`set_round_trip_time`](crate::Association::set_round_trip_time).
    ///
    /// 500 ms, less than the RFC's second: most paths answer within it, the packets that may be
    /// repeated too early are a few small ones, and a lost INIT costs half.
    pub rto_initial: Duration,
    /// RTO.Min, the least retransmission timeout.
    ///
    /// 200 ms, less than the RFC's second, which made for wide-area networks of coarse clocks lets
    /// a call wait long for its last message. What protects from needless retransmission is
    /// [`Self::peer_sack_delay`].
    pub rto_min: Duration,
    /// RTO.Max. 10 s, less than the RFC's 60: after an ICE restart the association should be back
    /// soon.
    pub rto_max: Duration,
    /// How long a peer may hold a SACK back: the retransmission timeout is at least the smoothed
    /// round-trip time plus this. 200 ms, the protocol's usual value.
    pub peer_sack_delay: Duration,
    /// How long we hold a SACK back for the second packet
    /// ([RFC 9260 §6.2](https://www.rfc-editor.org/rfc/rfc9260#section-6.2): at most 500 ms). 200 ms.
    pub sack_delay: Duration,
    /// How often an idle path is asked whether it is alive (HB.interval), a retransmission timeout
    /// added. 30 s; `None` for never.
    pub heartbeat_interval: Option<Duration>,
    /// Association.Max.Retrans: so many timeouts without an answer and the peer counts as gone.
    /// 10.
    pub max_retransmits: u32,
    /// Max.Init.Retransmits. 8.
    pub max_init_retransmits: u32,
    /// Valid.Cookie.Life. 60 s.
    pub cookie_lifetime: Duration,
    /// Which algorithm tells how much the path can take. [`CongestionControl::Bbr`].
    pub congestion_control: CongestionControl,
    /// The initial congestion window in packets. 10, as TCP has since RFC 6928; RFC 9260's own
    /// allows three.
    pub initial_window: u32,
    /// Whether to offer and accept partial reliability (RFC 3758). `true`.
    pub partial_reliability: bool,
    /// Whether to offer and accept stream reset (RFC 6525). `true`.
    pub stream_reset: bool,
    /// Whether packets travel inside DTLS, which finds every damage: then checksums are not computed
    /// where the peer does not need them either
    /// ([RFC 9653](https://www.rfc-editor.org/rfc/rfc9653)). `false`.
    pub over_dtls: bool,
    /// Whether to offer and accept interleaving of messages (RFC 8260), so that a large message
    /// holds no other stream up. `true`.
    pub interleaving: bool,
    /// How streams share the association when several have something to send. Weighted fair
    /// queueing, as RFC 8831 §6.4 asks.
    pub scheduler: Scheduler,
    /// How streams are read, unless [`set_read_mode`](crate::Association::set_read_mode) says
    /// otherwise. As whole messages.
    pub read_mode: ReadMode,
}

impl Config {
    /// The same settings with times that can be reckoned with: none beyond a day, and a SACK is not
    /// held back for longer than §6.2 allows.
    pub(crate) fn bounded(mut self) -> Self {
        for time in [
            &mut self.rto_initial,
            &mut self.rto_min,
            &mut self.rto_max,
            &mut self.peer_sack_delay,
            &mut self.cookie_lifetime,
        ] {
            *time = (*time).clamp(MIN_TIME, MAX_TIME);
        }
        self.sack_delay = self.sack_delay.min(MAX_SACK_DELAY);
        self.heartbeat_interval =
            self.heartbeat_interval.map(|interval| interval.clamp(MIN_TIME, MAX_TIME));
        self
    }

    /// The receive window in effect at first.
    pub(crate) fn effective_receive_window(&self) -> usize {
        self.receive_window.clamp(MIN_RECEIVE_WINDOW, self.effective_max_receive_window())
    }

    /// The greatest receive window in effect.
    pub(crate) fn effective_max_receive_window(&self) -> usize {
        self.max_receive_window
            .max(self.max_receive_message_size.saturating_mul(2))
            .clamp(MIN_RECEIVE_WINDOW, MAX_RECEIVE_WINDOW)
    }

    /// The packet size in effect.
    pub(crate) fn effective_mtu(&self) -> usize {
        clamp_mtu(self.mtu)
    }
}

/// Congestion control algorithms.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CongestionControl {
    /// The one of [RFC 9260 §7](https://www.rfc-editor.org/rfc/rfc9260#section-7): half the window
    /// at each loss. On a path that loses packets by chance it stays slow.
    NewReno,
    /// CUBIC ([RFC 9438](https://www.rfc-editor.org/rfc/rfc9438)), what most TCPs have.
    Cubic,
    /// A model of the path, in the manner of BBR version 3: the rate at which it delivers and the
    /// time that it takes. Fast where packets are lost by chance, and short queues everywhere.
    #[default]
    Bbr,
}

/// A packet size that the protocol can work with.
pub(crate) fn clamp_mtu(mtu: usize) -> usize {
    mtu.clamp(MIN_MTU, MAX_MTU) & !3
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_port: 5000,
            remote_port: 5000,
            mtu: 1160,
            max_mtu: None,
            outbound_streams: 65_535,
            inbound_streams: 65_535,
            receive_window: 128 << 10,
            max_receive_window: 16 << 20,
            receive_budget: None,
            max_receive_message_size: 256 << 10,
            max_send_message_size: 256 << 10,
            send_buffer: 4 << 20,
            max_send_buffer: 64 << 20,
            rto_initial: Duration::from_millis(500),
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(10),
            peer_sack_delay: Duration::from_millis(200),
            sack_delay: Duration::from_millis(200),
            heartbeat_interval: Some(Duration::from_secs(30)),
            max_retransmits: 10,
            max_init_retransmits: 8,
            cookie_lifetime: Duration::from_secs(60),
            congestion_control: CongestionControl::default(),
            initial_window: 10,
            partial_reliability: true,
            stream_reset: true,
            over_dtls: false,
            interleaving: true,
            scheduler: Scheduler::default(),
            read_mode: ReadMode::default(),
        }
    }
}

const MIN_TIME: Duration = Duration::from_millis(1);
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// §6.2: "MUST NOT be more than 500 ms".
const MAX_SACK_DELAY: Duration = Duration::from_millis(500);
/// RFC 9260 §3.3.2: a smaller a_rwnd than 1500 is refused.
const MIN_RECEIVE_WINDOW: usize = 4096;
/// Sums of it stay within 32 bits, a_rwnd's.
const MAX_RECEIVE_WINDOW: usize = 1 << 30;
/// What every IPv4 host accepts; the control chunks that we make fit into it.
const MIN_MTU: usize = 576;
/// A chunk's length has 16 bits.
const MAX_MTU: usize = 65_532;
