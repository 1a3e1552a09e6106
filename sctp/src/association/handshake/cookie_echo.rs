//! COOKIE ECHO and its answers: there is an association
//! ([RFC 9260 §5.1.5](https://www.rfc-editor.org/rfc/rfc9260#section-5.1.5), §5.2.4 to §5.2.6).

use crate::association::Association;
use crate::association::cookie::Cookie;
use crate::association::pending::{Control, Pending};
use crate::association::shutdown::Shutdown;
use crate::association::state::State;
use crate::association::transmit::Reply;
use crate::chunk::Chunk;
use crate::chunk::error_cause::ErrorCause;
use crate::event::Event;
use std::time::Instant;

impl Association {
    /// COOKIE ECHO (§5.1.5, §5.2.4); gives whether the rest of the packet is to be processed.
    pub(crate) fn handle_cookie_echo(&mut self, now: Instant, tag: u32, chunk: &Chunk<'_>) -> bool {
        let Some(cookie) = self.handshake.key.open(chunk.value) else {
            self.count_drop();
            return false;
        };
        // §5.1.5 step 3: the packet's tag is the one that the cookie's INIT ACK gave.
        if self.closed.is_some() || tag != cookie.local.initiate_tag {
            self.count_drop();
            return false;
        }
        let same = cookie.local.initiate_tag == self.local_tag
            && cookie.peer.initiate_tag == self.peer_tag;
        let age = now.saturating_duration_since(self.origin).saturating_sub(cookie.made);
        let known = self.state != State::Closed;
        // From our INIT ACK to its answer is a round trip; not when the answer was sent again.
        self.send.rto.suggest(age);
        if age > self.config.cookie_lifetime && !(known && same) {
            let late = age - self.config.cookie_lifetime;
            let microseconds = u32::try_from(late.as_micros()).unwrap_or(u32::MAX);
            self.owe(Reply::StaleCookie { tag: cookie.peer.initiate_tag, microseconds });
            return false;
        }
        if !known {
            self.establish_from(now, &cookie);
            return true;
        }
        let local_matches = cookie.local.initiate_tag == self.local_tag;
        let peer_matches = cookie.peer.initiate_tag == self.peer_tag;
        match (local_matches, peer_matches) {
            // §5.2.4 D: our COOKIE ACK was lost, or COOKIE ECHOs have crossed.
            (true, true) => {
                if self.state == State::CookieEchoed {
                    self.established(now);
                }
                self.pending.add(Control::CookieAck);
                true
            }
            // B: INITs have crossed. An association that is up keeps what has flowed.
            (true, false) => {
                if self.state.is_up() {
                    self.peer_tag = cookie.peer.initiate_tag;
                    self.pending.add(Control::CookieAck);
                } else {
                    self.take_peer(&cookie.peer, cookie.local.initiate_tag);
                    self.established(now);
                    self.pending.add(Control::CookieAck);
                }
                true
            }
            // A: the peer has restarted.
            (false, false) if cookie.tie_tags == (self.local_tag, self.peer_tag) => {
                self.restart(now, &cookie)
            }
            // C, and what can be no other.
            _ => {
                self.count_drop();
                false
            }
        }
    }

    /// The first COOKIE ECHO: there is an association.
    fn establish_from(&mut self, now: Instant, cookie: &Cookie) {
        self.send.restart(&self.config, cookie.local.initial_tsn, true);
        self.take_peer(&cookie.peer, cookie.local.initiate_tag);
        self.established(now);
        self.pending.add(Control::CookieAck);
    }

    /// §5.2.4 A; gives whether the rest of the packet is to be processed.
    fn restart(&mut self, now: Instant, cookie: &Cookie) -> bool {
        if self.state == State::ShutdownAckSent {
            self.pending.add(Control::ShutdownAck);
            self.pending.report(ErrorCause::CookieReceivedWhileShuttingDown, &[]);
            return false;
        }
        let ends = matches!(self.state, State::ShutdownPending | State::ShutdownSent);
        self.note_unsent();
        self.send.restart(&self.config, cookie.local.initial_tsn, false);
        self.pending = Pending::default();
        self.shutdown = Shutdown::default();
        self.take_peer(&cookie.peer, cookie.local.initiate_tag);
        self.pending.add(Control::CookieAck);
        self.state = State::Established;
        self.handshake.stop();
        self.errors = 0;
        self.start_heartbeat(now);
        if !self.events.contains(&Event::Restarted) {
            self.events.push_back(Event::Restarted);
        }
        if ends {
            // The application still wants an end.
            self.shutdown(now);
        }
        true
    }

    /// COOKIE ACK (§5.1 E).
    pub(crate) fn handle_cookie_ack(&mut self, now: Instant) {
        // §5.2.5: in any other state it is discarded.
        if self.state == State::CookieEchoed {
            self.measure_handshake(now);
            self.established(now);
        }
    }

    /// An ERROR with a stale cookie (§5.2.6): the handshake begins again.
    pub(crate) fn handle_stale_cookie(&mut self) {
        if self.state == State::CookieEchoed {
            self.send.forget_outstanding();
            self.state = State::CookieWait;
            self.handshake.timer = None;
            self.handshake.cookie = Box::default();
            self.handshake.init_due = true;
            self.pending.remove(Control::CookieEcho);
        }
    }
}
