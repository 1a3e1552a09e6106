//! Is the path alive? ([RFC 9260 §8.3](https://www.rfc-editor.org/rfc/rfc9260#section-8.3))

use super::Association;
use super::pending::Control;
use crate::chunk::{Chunk, heartbeat};
use crate::span::Span;
use rand::Rng;
use std::time::{Duration, Instant};

/// The question that is open, or when the next one is asked.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat {
    timer: Option<Instant>,
    /// What the open HEARTBEAT carries.
    nonce: u64,
    /// When it was sent; `None` when none is open.
    sent_at: Option<Instant>,
    /// When the peer was last heard of.
    heard: Option<Instant>,
    /// How many chunks of data had gone either way when the timer last expired.
    chunks: u64,
    /// None has gone since the time before.
    quiet: bool,
}

impl Heartbeat {
    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.timer
    }

    pub(crate) const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Whether a quiet time has begun, in which memory of busier ones is given back.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A packet of the peer came.
    #[inline]
    pub(crate) const fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }
}

impl Association {
    /// The association is up: the path is watched from now on.
    pub(crate) fn start_heartbeat(&mut self, now: Instant) {
        self.heartbeat = Heartbeat { heard: Some(now), ..Heartbeat::default() };
        self.arm_heartbeat(now);
        self.start_path_mtu(now);
    }

    /// HB.interval after `from`, plus a retransmission timeout, half more or less by chance so
    /// that many associations do not beat together.
    fn arm_heartbeat(&mut self, from: Instant) {
        let Some(interval) = self.config.heartbeat_interval else {
            self.heartbeat.timer = None;
            return;
        };
        let rto = self.send.rto.current();
        let jitter =
            rto.mul_f64(0.5 + f64::from(self.entropy.draw(Rng::next_u32)) / f64::from(u32::MAX));
        self.heartbeat.timer = from.checked_add(interval + jitter);
    }

    pub(crate) fn handle_heartbeat_timeout(&mut self, now: Instant) {
        if self.heartbeat.timer.is_none_or(|at| at > now) {
            return;
        }
        self.heartbeat.timer = None;
        // §8.3: heartbeats end with the first SHUTDOWN or SHUTDOWN ACK, which has a timer itself.
        if !self.state.may_send() {
            return;
        }
        let open = self.heartbeat.sent_at.take().is_some();
        self.note_quiet();
        // Data that is outstanding asks the same question.
        if !self.send.is_idle() {
            return self.arm_heartbeat(now);
        }
        if open {
            self.send.rto.back_off();
            self.count_error();
            if !self.state.is_up() {
                return;
            }
        } else {
            let quiet = self.config.heartbeat_interval.unwrap_or(Duration::MAX);
            if let Some(heard) = self.heartbeat.heard
                && now.saturating_duration_since(heard) < quiet
            {
                return self.arm_heartbeat(heard);
            }
        }
        self.heartbeat.nonce = self.entropy.draw(Rng::next_u64);
        self.pending.add(Control::Heartbeat);
    }

    /// What was needed in busier times is given back when there was no data from one HEARTBEAT to
    /// the next, or to where one of the peer's has spared it.
    fn note_quiet(&mut self) {
        let chunks = self.send.counters.chunks + self.recv.counters.chunks;
        self.heartbeat.quiet = self.heartbeat.chunks == chunks && self.send.is_idle();
        self.heartbeat.chunks = chunks;
        if self.heartbeat.quiet {
            self.send.shrink();
            self.recv.shrink();
            self.events.shrink_to(0);
            self.replies.shrink_to(0);
        }
    }

    /// A HEARTBEAT was sent: it is answered within a retransmission timeout.
    pub(crate) fn heartbeat_sent(&mut self, now: Instant) {
        self.heartbeat.sent_at = Some(now);
        self.heartbeat.timer = Some(now + self.send.rto.current());
    }

    /// HEARTBEAT.
    pub(crate) fn handle_heartbeat(&mut self, chunk: &Chunk<'_>) {
        // One that would not fit in an answer of ours is not answered.
        if chunk.whole.len() + crate::packet::HEADER_LEN <= self.send.mtu() {
            self.pending.answer_heartbeat(chunk.value);
        }
    }

    /// HEARTBEAT ACK.
    pub(crate) fn handle_heartbeat_ack(&mut self, now: Instant, chunk: &Chunk<'_>) {
        if self.take_probe_answer(now, chunk) {
            return;
        }
        let Some(sent_at) = self.heartbeat.sent_at else { return };
        if heartbeat::parse_ack(chunk) != Some(self.heartbeat.nonce) {
            return;
        }
        self.heartbeat.sent_at = None;
        self.errors = 0;
        self.send.rto.measured(now, Span::between(sent_at, now));
        self.arm_heartbeat(now);
    }
}
