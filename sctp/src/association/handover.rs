//! An association that goes on in another process.
//!
//! What is handed over is all that the peer could miss: tags and numbers, what was sent and is not
//! acknowledged, what waits to be sent, what has arrived and is not read; and what makes it go on as
//! before: what was learnt of the path, the windows, the counters, the key of the cookies. Timers
//! begin anew, and so does the search for the path's MTU. The format is that of
//! [`handover`](crate::handover).

use super::cookie::CookieKey;
use super::pending::Control;
use super::state::State;
use super::stats::Traffic;
use super::{Association, Event};
use crate::config::Config;
use crate::handover::{HandoverError, Reader, Writer, check};
use std::time::Instant;

impl Association {
    /// Returns the whole association as bytes, from which [`Self::resume`] makes it anew. This one
    /// must not be used any more: two that speak for one peer do harm to both.
    ///
    /// The bytes contain what was sent and received, and the key of the association's cookies: they
    /// are as secret as that is.
    ///
    /// # Errors
    ///
    /// When the association is not established ([`HandoverError::NotEstablished`]).
    pub fn hand_over(&mut self, now: Instant) -> Result<Vec<u8>, HandoverError> {
        let now = self.advance(now);
        let mut out = Writer::new(now);
        self.write_handover(&mut out)?;
        Ok(out.into_bytes())
    }

    /// Makes an association of what [`Self::hand_over`] gave, perhaps in another process.
    ///
    /// It goes on at the rate that the other one had. `config` should be what that was made with: a
    /// congestion control of another name begins anew. What [`Self::set_mtu`], [`Self::set_rate_limit`]
    /// and [`Self::set_max_send_message_size`] have set is to be set again. `seed` is 32 bytes of fresh entropy, a secret.
    ///
    /// # Errors
    ///
    /// When the bytes are not what was handed over ([`HandoverError`]).
    pub fn resume(
        config: Config,
        now: Instant,
        seed: [u8; 32],
        bytes: &[u8],
    ) -> Result<Self, HandoverError> {
        let mut association = Self::server(config, now, seed);
        let mut from = Reader::new(bytes, now)?;
        association.read_handover(&mut from)?;
        from.end()?;
        Ok(association)
    }

    pub(crate) fn write_handover(&mut self, out: &mut Writer) -> Result<(), HandoverError> {
        if self.state != State::Established {
            return Err(HandoverError::NotEstablished);
        }
        out.u16(self.config.local_port);
        out.u16(self.config.remote_port);
        out.u32(self.local_tag);
        out.u32(self.peer_tag);
        out.u16(self.outbound_streams);
        out.u16(self.inbound_streams);
        // What `add_streams` allows the peer goes beyond the configuration.
        out.u16(self.config.inbound_streams);
        out.flag(self.omit_checksum);
        for event in UNHEARD {
            out.flag(self.events.contains(&event));
        }
        out.u32(self.errors);
        self.traffic.hand_over(out);
        out.past(self.origin);
        self.handshake.key().hand_over(out);
        self.send.hand_over(out);
        self.recv.hand_over(out);
        self.reset.hand_over(out);
        Ok(())
    }

    pub(crate) fn read_handover(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        let now = self.now;
        self.config.local_port = from.u16()?;
        self.config.remote_port = from.u16()?;
        self.local_tag = from.u32()?;
        self.peer_tag = from.u32()?;
        check(self.local_tag != 0 && self.peer_tag != 0)?;
        self.outbound_streams = from.u16()?;
        self.inbound_streams = from.u16()?;
        check(self.outbound_streams != 0 && self.inbound_streams != 0)?;
        self.config.inbound_streams = self.config.inbound_streams.max(from.u16()?);
        self.omit_checksum = from.flag()?;
        for event in UNHEARD {
            if from.flag()? {
                self.events.push_back(event);
            }
        }
        self.errors = from.u32()?.min(self.config.max_retransmits);
        *self.traffic = Traffic::resume(from)?;
        self.origin = from.past()?;
        *self.handshake.key() = CookieKey::resume(from)?;
        self.send.resume(from, now)?;
        self.recv.resume(from)?;
        self.reset = super::reset::Reset::resume(from, self.inbound_streams)?;
        if self.reset.is_open() {
            self.pending.add(Control::ResetRequest);
        }
        self.state = State::Established;
        self.start_heartbeat(now);
        Ok(())
    }
}

/// The events that are told in the next process when they were not polled in this one.
const UNHEARD: [Event; 2] = [Event::Connected, Event::Restarted];
