//! The DTLS handshake inside ICE's checks
//! ([draft-hancke-webrtc-sped](https://datatracker.ietf.org/doc/draft-hancke-webrtc-sped/)).
//!
//! ```text
//!  A                                    B
//!  | ── check + ClientHello ──────────▶ |
//!  | ◀───── response + ServerHello … ── |   ICE's round trip is DTLS's, too.
//!  | ── Finished, as it is: ──────────▶ |   There is a path.
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use dtls_srtp::dtls;

/// Datagrams of a flight that are kept until they are acknowledged, at most. A flight with
/// post-quantum shares has two or three; what is beyond waits in DTLS.
const MAX_PENDING: usize = 16;

/// Datagrams whose arrival is remembered, at most: a few flights. ICE has room for the last four.
const MAX_RECEIVED: usize = 32;

/// Which flight datagrams are under way, which have arrived, and when all this is over.
///
/// It stands between DTLS and ICE: what DTLS makes is kept, given to ICE to be carried, and sent
/// as it is where there is a path. ICE's repetitions repeat it until it is acknowledged.
#[derive(Debug)]
pub(crate) struct Sped {
    state: State,
    pending: Vec<Pending>,
    /// CRC-32 of what has arrived, the newest last.
    received: VecDeque<u32>,
    /// Something has arrived since DTLS made its last datagram: the next one begins a new flight.
    answered: bool,
    /// Flights that DTLS has sent again.
    retransmissions: u64,
    /// Our handshake is done, and its last flight is ours and still to be taken from DTLS.
    last_flight_comes: bool,
    /// A check or a response had a datagram for DTLS.
    carried: bool,
    /// ICE must be told.
    changed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Nothing is known of the other side.
    Tentative,
    /// It does this, too.
    Confirmed,
    /// Our handshake is done, perhaps not the other side's.
    Finishing,
    /// The other side does not do this, or is done.
    Off,
}

#[derive(Debug)]
struct Pending {
    hash: u32,
    datagram: Arc<[u8]>,
    /// Whether it was sent as it is.
    sent: bool,
}

impl Sped {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Tentative,
            pending: Vec::new(),
            received: VecDeque::new(),
            answered: false,
            retransmissions: 0,
            last_flight_comes: false,
            carried: false,
            changed: true,
        }
    }

    /// Whether what DTLS makes belongs to the handshake: behind the other side's last flight come
    /// ACKs and the like, which nobody acknowledges here.
    pub(crate) fn pulls(&self) -> bool {
        self.is_on() && (self.state != State::Finishing || self.last_flight_comes)
    }

    /// Whether checks carry the handshake.
    pub(crate) fn is_on(&self) -> bool {
        self.state != State::Off
    }

    /// Whether a datagram waits to be sent as it is.
    pub(crate) fn has_unsent(&self) -> bool {
        self.pending.iter().any(|pending| !pending.sent)
    }

    /// Takes what DTLS wants to send. A new flight, or the same one sent again, replaces what was
    /// under way.
    pub(crate) fn pull(&mut self, now: Instant, dtls: &mut dtls::Connection) {
        let retransmissions = dtls.stats().flights_retransmitted;
        // Behind the last flight there is none: what DTLS adds to it are ACKs.
        let answered = self.answered && self.state != State::Finishing;
        let begins = answered || retransmissions != self.retransmissions;
        if begins && self.pending.len() >= MAX_PENDING {
            self.clear();
        }
        let mut buf = Vec::new();
        let mut first = begins;
        while self.is_on() && self.pending.len() < MAX_PENDING {
            buf.clear();
            if dtls.poll_transmit(now, &mut buf).is_none() {
                break;
            }
            if std::mem::take(&mut first) {
                self.clear();
                (self.answered, self.retransmissions) = (false, retransmissions);
            }
            let hash = stun::crc32(&buf);
            self.pending.push(Pending { hash, datagram: buf.as_slice().into(), sent: false });
            self.changed = true;
        }
        self.last_flight_comes &= self.pending.is_empty();
    }

    /// Appends the next datagram that has to be sent as it is: "In SUCCEEDED state … any new DTLS
    /// flights SHOULD immediately be sent without being embedded". Returns whether there was one.
    pub(crate) fn poll_unsent(&mut self, buf: &mut Vec<u8>) -> bool {
        let Some(pending) = self.pending.iter_mut().find(|pending| !pending.sent) else {
            return false;
        };
        pending.sent = true;
        buf.extend_from_slice(&pending.datagram);
        true
    }

    /// Notes a DTLS datagram that came as it is: it is acknowledged all the same.
    ///
    /// Application data is not: it would push the last flight out of what is told.
    pub(crate) fn note_received(&mut self, datagram: &[u8]) {
        /// DTLS 1.2's content type.
        const APPLICATION_DATA: u8 = 23;
        let is_data = match datagram.first() {
            Some(&APPLICATION_DATA) => true,
            // DTLS 1.3's header has two bits of the epoch, which is 2 for the handshake, 3 and up
            // for what follows (RFC 9147 §4, §6.1).
            Some(first @ 32..=63) => first & 0b11 != 2,
            _ => false,
        };
        if self.is_on() && !is_data {
            self.remember(stun::crc32(datagram));
            self.answered = true;
        }
    }

    /// Takes what a check or a response of the other side carried; returns a datagram for DTLS.
    pub(crate) fn handle(&mut self, embedded: ice::Embedded) -> Option<Vec<u8>> {
        let ice::Embedded { datagram, acknowledgements } = embedded;
        let carries = datagram.is_some() || acknowledgements.is_some();
        match (self.state, carries) {
            (State::Off, _) => return None,
            // "… determines that the peer does not support the protocol"; or it is done.
            (State::Tentative | State::Finishing, false) => self.stop(),
            // Before ours is done, so is not theirs.
            (State::Confirmed, false) => {}
            (State::Tentative, true) => self.state = State::Confirmed,
            (State::Confirmed | State::Finishing, true) => {}
        }
        for hash in acknowledgements.unwrap_or_default() {
            let before = self.pending.len();
            self.pending.retain(|pending| pending.hash != hash);
            self.changed |= self.pending.len() != before;
        }
        let datagram = datagram.filter(|datagram| !datagram.is_empty());
        // The "closing handshake": both are done, and nothing is under way.
        if self.state == State::Finishing && datagram.is_none() && self.pending.is_empty() {
            self.stop();
        }
        // A repetition by ICE is none by DTLS, which would answer it by one of its own.
        let datagram = datagram.filter(|datagram| matches!(datagram[..], [20..=63, ..]))?;
        if !self.remember(stun::crc32(&datagram)) {
            return None;
        }
        (self.answered, self.carried) = (true, true);
        Some(datagram)
    }

    /// Whether a check or a response had something for DTLS.
    pub(crate) const fn has_carried(&self) -> bool {
        self.carried
    }

    /// The handshake is done on this side, and what was under way is answered. The last flight, if
    /// it is ours, is still to be made, and nothing answers it but its acknowledgement.
    pub(crate) fn finish(&mut self, dtls: &dtls::Connection) {
        self.last_flight_comes = match dtls.version() {
            Some(dtls::Version::Dtls12) => dtls.role() == dtls::Role::Server,
            _ => dtls.role() == dtls::Role::Client,
        };
        self.clear();
        if self.is_on() {
            self.state = State::Finishing;
        }
    }

    /// Carries nothing any more. What was under way is sent as it is.
    pub(crate) fn stop(&mut self) {
        if self.is_on() {
            self.state = State::Off;
            self.changed = true;
        }
    }

    /// What ICE has to carry, if that has changed since the last call.
    pub(crate) fn take_embedding(&mut self) -> Option<Option<ice::Embedding>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        Some(self.is_on().then(|| ice::Embedding {
            datagrams: self.pending.iter().map(|pending| Arc::clone(&pending.datagram)).collect(),
            acknowledgements: self.received.iter().copied().collect(),
        }))
    }

    fn clear(&mut self) {
        self.changed |= !self.pending.is_empty();
        self.pending.clear();
    }

    /// Returns whether it is new. What is not has not seen its acknowledgement yet ("Packets are
    /// resent until they are acknowledged"), and so is told among the newest again.
    fn remember(&mut self, hash: u32) -> bool {
        let known = self.received.iter().position(|own| *own == hash);
        if let Some(at) = known {
            self.received.remove(at);
        } else if self.received.len() >= MAX_RECEIVED {
            self.received.pop_front();
        }
        self.received.push_back(hash);
        self.changed = true;
        known.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its acknowledgement was lost, and four others took its place in the messages.
    #[test]
    fn what_comes_again_is_acknowledged_again() {
        let carry = |sped: &mut Sped, number: u8| {
            let datagram = Some(vec![22, number]);
            sped.handle(ice::Embedded { datagram, acknowledgements: Some(vec![]) })
        };
        let mut sped = Sped::new();
        for number in 0..40 {
            assert!(carry(&mut sped, number).is_some());
        }
        assert!(sped.take_embedding().is_some());
        let first = 40 - MAX_RECEIVED as u8;
        assert!(carry(&mut sped, first).is_none(), "DTLS has it");
        let embedding = sped.take_embedding().expect("ICE is told").expect("it is on");
        assert_eq!(embedding.acknowledgements.len(), MAX_RECEIVED);
        assert_eq!(embedding.acknowledgements.last(), Some(&stun::crc32(&[22, first])));
    }
}
