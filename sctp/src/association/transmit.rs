//! Making packets: what goes into one, and in which order
//! ([RFC 9260 §6.10](https://www.rfc-editor.org/rfc/rfc9260#section-6.10)).

use super::Association;
use super::cookie::Cookie;
use super::pending::{Control, MAX_OWED};
use super::state::State;
use crate::chunk::error_cause::ErrorCause;
use crate::chunk::{
    self, ChunkType, abort, cookie_echo, heartbeat, re_config, shutdown, write_empty,
};
use crate::packet;
use std::ops::Range;
use std::time::Instant;

/// A packet that is owed and stands outside the association.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The answer to an INIT.
    InitAck {
        /// What the cookie will say.
        cookie: Box<Cookie>,
        /// Parameters to report.
        unrecognized: Vec<u8>,
    },
    /// An ABORT.
    Abort { tag: u32, flags: u8, cause: Option<(ErrorCause, Vec<u8>)> },
    /// A SHUTDOWN COMPLETE.
    ShutdownComplete { tag: u32, flags: u8 },
    /// An ERROR about a cookie that came too late, by so many microseconds.
    StaleCookie { tag: u32, microseconds: u32 },
}

/// What a packet is made for: a bit for each kind, for it is asked before each packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due(u8);

impl Due {
    const REPLY: u8 = 1;
    const CONTROL: u8 = 2;
    const SACK: u8 = 4;
    const DATA: u8 = 8;

    /// Whether there is a packet to make.
    #[inline]
    pub(crate) const fn any(self) -> bool {
        self.0 != 0
    }

    const fn has(self, kind: u8) -> bool {
        self.0 & kind != 0
    }
}

impl Association {
    /// Owes a packet outside the association; a peer that asks faster than answers leave is not
    /// answered each time.
    pub(crate) fn owe(&mut self, reply: Reply) {
        if self.replies.len() < MAX_OWED {
            self.replies.push_back(reply);
        } else {
            self.traffic.packets_dropped += 1;
        }
    }

    /// When a packet may leave: `None` for not before something happens. The instant may have
    /// passed.
    #[inline]
    pub(crate) fn ready(&self, now: Instant) -> Option<Instant> {
        if !self.replies.is_empty() || self.control_is_due() || self.recv_is_due() {
            return Some(now);
        }
        self.data_ready(now)
    }

    /// Whether the state has a control chunk to send now.
    #[inline]
    fn control_is_due(&self) -> bool {
        match self.state {
            State::Closed => false,
            State::CookieWait => self.handshake.init_is_due(),
            // §5.1 C: nothing else may be sent before the COOKIE ACK.
            State::CookieEchoed => self.pending.has(Control::CookieEcho),
            State::Established => self.pending.any() || self.path_mtu.due || self.reset_is_due(),
            state => {
                self.pending.any() || (self.path_mtu.due && state.may_send()) || self.reset_is_due()
            }
        }
    }

    /// Whether a SACK is to be sent now.
    #[inline]
    const fn recv_is_due(&self) -> bool {
        self.recv.sack_is_due() && self.state.is_up()
    }

    /// When data may leave.
    #[inline]
    fn data_ready(&self, now: Instant) -> Option<Instant> {
        if self.state.may_send() { self.send.ready(now) } else { None }
    }

    /// What there is to send now.
    #[inline(always)]
    pub(crate) fn due(&self, now: Instant) -> Due {
        let bit = |due: bool, kind| if due { kind } else { 0 };
        Due(bit(!self.replies.is_empty(), Due::REPLY)
            | bit(self.control_is_due(), Due::CONTROL)
            | bit(self.recv_is_due(), Due::SACK)
            | bit(self.state.may_send() && self.send.is_ready(now), Due::DATA))
    }

    /// Appends the packet that is due to `buf`, if there is one to be made after all.
    #[inline(never)]
    pub(crate) fn emit(
        &mut self,
        now: Instant,
        due: Due,
        buf: &mut Vec<u8>,
    ) -> Option<Range<usize>> {
        let start = buf.len();
        let reset_was_due = due.has(Due::CONTROL) && self.reset_is_due();
        let written = self.transmit(now, due, buf);
        // The last messages may have expired: no SACK will come for them.
        let goes_on = self.state != State::Established && self.continue_shutdown();
        if !written {
            buf.truncate(start);
            // Where those were of a stream to be reset, its turn is now, or the deadline would be one
            // that has passed. Or the peer has no resets, and what waited for one may leave.
            let turns = reset_was_due != self.reset_is_due();
            return if goes_on || turns { self.poll_transmit(now, buf) } else { None };
        }
        self.traffic.packets_sent += 1;
        self.traffic.bytes_sent += (buf.len() - start) as u64;
        Some(start..buf.len())
    }

    /// Appends a packet with what is due to `buf`; gives whether it did. What was appended otherwise
    /// is void.
    #[inline(always)]
    fn transmit(&mut self, now: Instant, due: Due, buf: &mut Vec<u8>) -> bool {
        if due.has(Due::REPLY)
            && let Some(reply) = self.replies.pop_front()
        {
            self.write_reply(reply, buf);
            return true;
        }
        let start = buf.len();
        // RFC 9653 §5.2: not where INIT or COOKIE ECHO is in the packet.
        let omit_checksum = self.omit_checksum
            && self.state != State::CookieWait
            && !self.pending.has(Control::CookieEcho);
        packet::begin(buf, self.config.local_port, self.config.remote_port, self.send_tag());
        let written = if self.state == State::CookieWait {
            self.write_init(now, buf);
            true
        } else {
            self.write_bundle(now, buf, start + self.send.mtu(), due)
        };
        if written && !omit_checksum {
            packet::finish(buf, start);
        }
        written
    }

    /// The tag of the packets that we send: an INIT's is zero (§8.5.1).
    fn send_tag(&self) -> u32 {
        if self.state == State::CookieWait { 0 } else { self.peer_tag }
    }

    fn write_reply(&self, reply: Reply, buf: &mut Vec<u8>) {
        let start = buf.len();
        let (local, remote) = (self.config.local_port, self.config.remote_port);
        match reply {
            Reply::InitAck { cookie, unrecognized } => {
                packet::begin(buf, local, remote, cookie.peer.initiate_tag);
                let sealed = self.handshake.seal(&cookie);
                cookie.local.write(buf, Some(&sealed), &unrecognized);
            }
            Reply::Abort { tag, flags, cause } => {
                packet::begin(buf, local, remote, tag);
                match cause {
                    Some((cause, information)) => {
                        let at = buf.len();
                        abort::write(buf, ChunkType::Abort, cause, &information);
                        if let Some(byte) = buf.get_mut(at + 1) {
                            *byte = flags;
                        }
                    }
                    None => write_empty(buf, ChunkType::Abort, flags),
                }
            }
            Reply::ShutdownComplete { tag, flags } => {
                packet::begin(buf, local, remote, tag);
                write_empty(buf, ChunkType::ShutdownComplete, flags);
            }
            Reply::StaleCookie { tag, microseconds } => {
                packet::begin(buf, local, remote, tag);
                let measure = microseconds.to_be_bytes();
                abort::write(buf, ChunkType::Error, ErrorCause::StaleCookie, &measure);
            }
        }
        packet::finish(buf, start);
    }

    /// Control chunks first, then SACK, then data. Each kind of control chunk is far smaller than
    /// the least packet size, and a packet ends when the next one may not fit.
    #[inline(always)]
    fn write_bundle(&mut self, now: Instant, buf: &mut Vec<u8>, end: usize, due: Due) -> bool {
        let head = buf.len();
        let mut with_cookie = false;
        if due.has(Due::CONTROL) {
            if self.path_mtu.due && !self.pending.any() && self.state.may_send() {
                self.write_probe(now, buf, head - packet::HEADER_LEN);
                return true;
            }
            // §5.1: COOKIE ECHO and COOKIE ACK come first in their packet.
            with_cookie = self.pending.take(Control::CookieEcho);
            if with_cookie {
                cookie_echo::write(buf, self.handshake.cookie());
                self.cookie_echo_sent(now);
            }
            if !self.state.is_up() {
                self.write_errors(buf, end);
            } else if self.write_control(now, buf, head, end) {
                return true;
            }
        }

        let along = self.recv.sack_is_wanted() && (due.has(Due::DATA) || buf.len() > head);
        if due.has(Due::SACK) || (along && self.state.is_up()) {
            // Alone when it has much to tell.
            if buf.len() + self.recv.sack_len() > end && buf.len() > head {
                return true;
            }
            self.recv.write_sack(buf, end);
        }
        if due.has(Due::DATA) || with_cookie {
            let immediate = with_cookie || self.awaits_acknowledgement();
            self.send.write(now, buf, end, immediate);
        }
        buf.len() > head
    }

    /// RFC 7053 §5.1: when the answer is waited for, it is asked for at once.
    fn awaits_acknowledgement(&self) -> bool {
        matches!(self.state, State::ShutdownPending | State::ShutdownReceived)
            || self.send.queues.has_drained()
    }

    /// ERROR chunks, as many as fit.
    fn write_errors(&mut self, buf: &mut Vec<u8>, end: usize) {
        while end.saturating_sub(buf.len()) >= SPACE
            && let Some(owed) = &mut self.pending.owed
            && let Some((cause, information)) = owed.errors.pop_front()
        {
            abort::write(buf, ChunkType::Error, cause, &information);
        }
        self.pending.answered();
    }

    /// Control chunks of an association that is up; gives whether the packet is full.
    fn write_control(&mut self, now: Instant, buf: &mut Vec<u8>, head: usize, end: usize) -> bool {
        if self.pending.take(Control::CookieAck) {
            write_empty(buf, ChunkType::CookieAck, 0);
        }
        if self.pending.take(Control::ShutdownAck) {
            write_empty(buf, ChunkType::ShutdownAck, 0);
            self.shutdown_sent(now);
        }
        if self.pending.take(Control::Shutdown) {
            shutdown::write(buf, self.recv.cumulative());
            self.shutdown_sent(now);
        }
        if self.pending.take(Control::Heartbeat) {
            heartbeat::write(buf, self.heartbeat.nonce());
            self.heartbeat_sent(now);
        }
        self.write_errors(buf, end);
        if end.saturating_sub(buf.len()) < SPACE {
            return true;
        }
        if let Some(owed) = &mut self.pending.owed {
            while let Some(value) = owed.heartbeat_acks.pop_front() {
                if buf.len() + value.len() + chunk::HEADER_LEN <= end {
                    heartbeat::write_ack(buf, &value);
                } else if buf.len() > head {
                    owed.heartbeat_acks.push_front(value);
                    return true;
                }
                // Else the packets have become too small for it: it is not answered.
            }
            // RFC 6525 §5.2.1: what answers one RE-CONFIG goes in one.
            while end.saturating_sub(buf.len()) >= SPACE
                && let Some(first) = owed.reset_responses.pop_front()
            {
                re_config::write_responses(buf, first, owed.reset_responses.pop_front());
            }
            self.pending.answered();
        }
        if end.saturating_sub(buf.len()) < SPACE {
            return true;
        }
        if self.reset_is_due() || self.pending.has(Control::ResetRequest) {
            if buf.len() + self.open_reset_len() > end && buf.len() > head {
                return true;
            }
            self.write_reset(now, buf, end);
        }
        false
    }
}

/// Room for a control chunk of ours with what it reports, or a few reset streams.
const SPACE: usize = 120;
