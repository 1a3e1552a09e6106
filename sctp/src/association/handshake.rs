//! Establishing an association
//! ([RFC 9260 §5](https://www.rfc-editor.org/rfc/rfc9260#section-5)).
//!
//! ```text
//! A                                     Z
//! │ INIT ──────────────────────────────▶│  nothing is kept: the answer has it all
//! │◀─────────────────────────  INIT ACK │
//! │ COOKIE ECHO, DATA ─────────────────▶│  established
//! │◀─────────── COOKIE ACK, SACK, DATA  │
//!    established
//! ```

mod cookie_echo;
pub(crate) mod init;

use super::Association;
use super::cookie::{Cookie, CookieKey};
use super::pending::Control;
use super::state::State;
use crate::event::{CloseReason, Event};
use crate::span::Span;
use crate::tsn::Tsn;
use rand::Rng;
use rand::rngs::ChaCha20Rng;
use std::time::{Duration, Instant};

/// What the handshake needs to remember.
#[derive(Debug)]
pub(crate) struct Handshake {
    key: CookieKey,
    /// T1-init or T1-cookie.
    timer: Option<Instant>,
    /// INIT is to be sent.
    init_due: bool,
    /// An INIT of the peer has held ours back.
    gave_way: bool,
    /// How often INIT or COOKIE ECHO was sent.
    attempts: u32,
    /// When it was last sent.
    sent_at: Option<Instant>,
    /// What the peer's INIT ACK gave us to echo.
    cookie: Box<[u8]>,
}

impl Handshake {
    pub(crate) fn new(rng: &mut ChaCha20Rng) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self {
            key: CookieKey::new(key),
            timer: None,
            init_due: false,
            gave_way: false,
            attempts: 0,
            sent_at: None,
            cookie: Box::default(),
        }
    }

    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.timer
    }

    pub(crate) const fn init_is_due(&self) -> bool {
        self.init_due
    }

    pub(crate) fn cookie(&self) -> &[u8] {
        &self.cookie
    }

    pub(crate) fn seal(&self, cookie: &Cookie) -> Vec<u8> {
        self.key.seal(cookie)
    }

    /// The key that cookies are made with.
    pub(crate) const fn key(&mut self) -> &mut CookieKey {
        &mut self.key
    }

    pub(crate) fn stop(&mut self) {
        self.timer = None;
        self.init_due = false;
        self.gave_way = false;
        self.attempts = 0;
        self.sent_at = None;
        self.cookie = Box::default();
    }
}

impl Association {
    /// How long a chunk of the handshake waits for its answer at first.
    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.send.rto.handshake()
    }

    pub(crate) fn start_handshake(&mut self, now: Instant, hold: Duration) {
        if hold.is_zero() {
            self.handshake.init_due = true;
        } else {
            self.handshake.timer = now.checked_add(hold);
        }
    }

    /// Sends the INIT that [`connect`](Self::connect) holds back at once: it can be there before
    /// the peer's is made.
    pub fn end_hold(&mut self, now: Instant) {
        self.advance(now);
        let held = self.state == State::CookieWait && self.handshake.sent_at.is_none();
        if held && self.handshake.timer.take().is_some() {
            self.handshake.init_due = true;
        }
    }

    /// The number of the first DATA chunk, as long as nothing is acknowledged.
    const fn initial_tsn(&self) -> Tsn {
        self.send.cumulative().next()
    }

    pub(crate) fn cookie_echo_sent(&mut self, now: Instant) {
        self.arm_handshake_timer(now);
    }

    /// Starts T1: each time twice as long as before (§6.3.3 E2).
    fn arm_handshake_timer(&mut self, now: Instant) {
        let doublings = self.handshake.attempts.min(16);
        let wait = self.send.rto.handshake().saturating_mul(1 << doublings);
        self.handshake.timer = Some(now + wait.min(self.config.rto_max));
        self.handshake.attempts += 1;
        self.handshake.sent_at = Some(now);
    }

    /// T1 expired (§6.3.3).
    pub(crate) fn handle_handshake_timeout(&mut self, now: Instant) {
        if self.handshake.timer.is_none_or(|at| at > now) {
            return;
        }
        self.handshake.timer = None;
        if self.handshake.attempts > self.config.max_init_retransmits {
            self.close(CloseReason::NotAnswered);
            return;
        }
        match self.state {
            State::CookieWait => self.handshake.init_due = true,
            State::CookieEchoed => {
                // The data that went with it, too.
                self.send.resend_all(now);
                self.pending.add(Control::CookieEcho);
            }
            _ => {}
        }
    }

    /// An answer to the handshake's last chunk: a round trip, when it was sent only once.
    fn measure_handshake(&mut self, now: Instant) {
        if let (Some(sent_at), 1) = (self.handshake.sent_at, self.handshake.attempts) {
            self.send.rto.measured(now, Span::between(sent_at, now));
        }
    }

    pub(crate) fn established(&mut self, now: Instant) {
        self.state = State::Established;
        self.handshake.stop();
        self.pending.remove(Control::CookieEcho);
        self.errors = 0;
        self.send.update_timer(now, true);
        self.start_heartbeat(now);
        self.events.push_back(Event::Connected);
    }

    pub(crate) const fn count_drop(&mut self) {
        self.traffic.packets_dropped += 1;
    }
}
