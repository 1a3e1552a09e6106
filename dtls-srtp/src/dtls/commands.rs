//! What the application tells a connection: settings that change, and commands.

use std::time::{Duration, Instant};

use super::alert::{Alert, AlertDescription};
use super::message::post_handshake::KeyUpdate;
use super::phase::{Phase, Rest};
use super::{CloseReason, Connection, MTUS};
use crate::fingerprint::Fingerprint;

impl Connection {
    /// Says who the peer has to be, if that was not known when the connection was made. A peer
    /// that is found to be another is sent an alert, and the connection ends, also if it was
    /// connected under other fingerprints before.
    pub fn set_remote_fingerprints(&mut self, now: Instant, fingerprints: Vec<Fingerprint>) {
        self.see(now);
        if matches!(self.phase, Phase::Closed(_)) {
            return;
        }
        match self.peer.set_fingerprints(fingerprints) {
            Ok(()) => self.connect_if_authenticated(),
            Err(error) => self.fail(error),
        }
    }

    /// Says how long a round trip takes, as ICE has measured it: the first retransmission of the
    /// flights that begin after this comes after one and a half of it, but no less than 30 ms.
    pub fn set_round_trip_time(&mut self, round_trip_time: Duration) {
        if !self.timed {
            self.timing = self.timing.of_round_trip(round_trip_time);
        }
    }

    /// Changes the time until a flight's first retransmission, as
    /// [`Config::with_initial_timeout`](super::Config::with_initial_timeout) says it, also for the
    /// flight that waits: its timer ends as if it had been that long from the beginning.
    pub fn set_initial_timeout(&mut self, now: Instant, timeout: Duration) {
        self.see(now);
        self.timing = self.timing.beginning_with(timeout);
        self.timed = true;
        if let Some((flight, acks)) = self.phase.sending() {
            flight.set_timing(self.timing);
            acks.set_delay(flight.timeout(self.timing) / 4);
        }
    }

    /// Says that the peer cannot have listened until now: the silence so far was no sign of loss. The
    /// timer of a flight that waits for its answer begins anew, as its first one, unless it expires
    /// before that.
    pub fn peer_listens(&mut self, now: Instant) {
        self.see(now);
        if let Some((flight, _)) = self.phase.sending() {
            flight.restart_timer(self.now, self.timing);
        }
    }

    /// Changes the largest datagram to send, in bytes of UDP payload; at least 128 and at most
    /// 16 384.
    pub fn set_mtu(&mut self, bytes: usize) {
        self.mtu = bytes.clamp(*MTUS.start(), *MTUS.end());
    }

    /// Changes our keys and, if `update` says so, asks the peer to change its own
    /// ([RFC 9147 §8](https://www.rfc-editor.org/rfc/rfc9147#section-8)): as soon as the peer has
    /// acknowledged it. It happens by itself before a key has protected as many records as it may.
    /// Returns `false`, and does nothing, unless the connection is one of DTLS 1.3 and connected,
    /// and also when its keys were updated as often as they can be, some 65 000 times.
    pub fn update_keys(&mut self, now: Instant, update: KeyUpdate) -> bool {
        self.see(now);
        match &mut self.phase {
            Phase::Established { connected: true, rest: Rest::PostHandshake(post) } => {
                post.update_keys(update, &self.outgoing)
            }
            _ => false,
        }
    }

    /// Breaks the connection off with an alert that tells the peer why, for an application that has
    /// looked at the peer's certificate itself, or at anything else, and does not want to go on.
    pub fn abort(&mut self, now: Instant, why: AlertDescription) {
        self.see(now);
        if !matches!(self.phase, Phase::Closed(_)) {
            self.end(CloseReason::Local, Some(Alert::fatal(why)));
        }
    }

    /// Closes the connection: the peer is sent close_notify, and nothing is delivered any more.
    pub fn close(&mut self, now: Instant) {
        self.see(now);
        if !matches!(self.phase, Phase::Closed(_)) {
            self.end(CloseReason::Local, Some(Alert::CLOSE_NOTIFY));
        }
    }
}
