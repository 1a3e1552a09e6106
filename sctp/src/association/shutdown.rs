//! Ending when all data is delivered
//! ([RFC 9260 §9.2](https://www.rfc-editor.org/rfc/rfc9260#section-9.2)).
//!
//! ```text
//! A                                     Z
//! │ SHUTDOWN ──────────────────────────▶│  once A's data is acknowledged
//! │◀─────────────────────  SHUTDOWN ACK │  once Z's data is acknowledged
//! │ SHUTDOWN COMPLETE ─────────────────▶│
//! ```

use super::Association;
use super::pending::Control;
use super::state::State;
use super::transmit::Reply;
use crate::chunk::{Chunk, shutdown};
use crate::event::CloseReason;
use std::time::Instant;

/// The timers of the shutdown.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    /// T2-shutdown.
    timer: Option<Instant>,
    /// T5-shutdown-guard.
    guard: Option<Instant>,
}

impl Shutdown {
    pub(crate) fn timeout(&self) -> Option<Instant> {
        super::min(self.timer, self.guard)
    }
}

impl Association {
    /// Ends the association once everything sent so far is acknowledged, however long that takes: a
    /// peer that does not answer is given up as always, one that does not read is waited for
    /// ([`Self::abort`] does not wait). No more messages are taken; what the peer still sends arrives.
    ///
    /// Before [`Self::connect`] there is nothing to end: what is queued is thrown away. During the
    /// handshake it is as [`Self::abort`].
    pub fn shutdown(&mut self, now: Instant) {
        let now = self.advance(now);
        match self.state {
            State::Closed if self.closed.is_none() => self.close(CloseReason::Shutdown),
            State::CookieWait | State::CookieEchoed => self.abort(now, "shut down"),
            State::Established => {
                self.state = State::ShutdownPending;
                self.continue_shutdown();
            }
            _ => {}
        }
    }

    /// Steps on when all our data is acknowledged; gives whether it does.
    pub(crate) fn continue_shutdown(&mut self) -> bool {
        if !self.send.is_drained() {
            return false;
        }
        match self.state {
            State::ShutdownPending => {
                self.state = State::ShutdownSent;
                self.pending.add(Control::Shutdown);
            }
            State::ShutdownReceived => {
                self.state = State::ShutdownAckSent;
                self.pending.add(Control::ShutdownAck);
            }
            _ => return false,
        }
        true
    }

    /// SHUTDOWN or SHUTDOWN ACK was sent: T2 starts.
    pub(crate) fn shutdown_sent(&mut self, now: Instant) {
        self.shutdown.timer = Some(now + self.send.rto.current());
        if self.shutdown.guard.is_none() {
            // §9.2: 5 times RTO.Max is recommended.
            self.shutdown.guard = now.checked_add(5 * self.config.rto_max);
        }
    }

    /// A packet of the peer came: after our SHUTDOWN it may take its time to deliver what it has
    /// queued. §9.2: "The reception of any packet from its peer … SHOULD clear the endpoint's
    /// retransmission count and restart the T2-shutdown timer".
    #[inline]
    pub(crate) fn heard_while_shutting_down(&mut self, now: Instant) {
        if self.state == State::ShutdownSent && self.shutdown.timer.is_some() {
            self.errors = 0;
            self.shutdown.timer = Some(now + self.send.rto.current());
        }
    }

    /// Data came after our SHUTDOWN: it is sent again with the SACK.
    pub(crate) fn repeat_shutdown(&mut self) {
        if self.state == State::ShutdownSent {
            self.pending.add(Control::Shutdown);
            self.recv.sack_now();
        }
    }

    /// SHUTDOWN.
    pub(crate) fn handle_shutdown(&mut self, now: Instant, chunk: &Chunk<'_>) {
        let Some(cumulative) = shutdown::parse(chunk) else { return };
        match self.state {
            State::Established | State::ShutdownPending => {
                self.state = State::ShutdownReceived;
                // "stop accepting new data from its SCTP user": what is not all here never will be.
                self.send.abandon_all_open();
            }
            // Both sides shut down.
            State::ShutdownSent => {
                self.state = State::ShutdownAckSent;
                self.pending.remove(Control::Shutdown);
                self.pending.add(Control::ShutdownAck);
            }
            State::ShutdownReceived => {}
            State::ShutdownAckSent => self.pending.add(Control::ShutdownAck),
            State::Closed | State::CookieWait | State::CookieEchoed => return,
        }
        match self.send.handle_shutdown(now, cumulative) {
            Ok(progress) => {
                if progress {
                    self.errors = 0;
                }
                self.continue_shutdown();
            }
            Err(_) => self.violated("a SHUTDOWN acknowledges what was never sent"),
        }
    }

    /// SHUTDOWN ACK.
    pub(crate) fn handle_shutdown_ack(&mut self) {
        match self.state {
            State::ShutdownSent | State::ShutdownAckSent => {
                let tag = self.peer_tag;
                self.close(CloseReason::Shutdown);
                self.owe(Reply::ShutdownComplete { tag, flags: 0 });
            }
            _ => self.count_drop(),
        }
    }

    /// SHUTDOWN COMPLETE.
    pub(crate) fn handle_shutdown_complete(&mut self) {
        if self.state == State::ShutdownAckSent {
            self.close(CloseReason::Shutdown);
        } else {
            self.count_drop();
        }
    }

    pub(crate) fn handle_shutdown_timeout(&mut self, now: Instant) {
        if self.shutdown.guard.is_some_and(|at| at <= now) {
            self.abort_with(CloseReason::TimedOut);
            return;
        }
        if self.shutdown.timer.is_none_or(|at| at > now) {
            return;
        }
        self.shutdown.timer = None;
        match self.state {
            State::ShutdownSent => self.pending.add(Control::Shutdown),
            State::ShutdownAckSent => self.pending.add(Control::ShutdownAck),
            _ => return,
        }
        self.send.rto.back_off();
        self.count_error();
    }
}
