//! What comes from the peer: datagrams, their records, and what is in them.

use std::mem;
use std::time::{Duration, Instant};

use super::alert::{Alert, AlertDescription};
use super::codec::Reader;
use super::epoch::Epoch;
use super::handshake::{Handshake, State};
use super::message::{Fragment, HandshakeType};
use super::reassembly::Inserted;
use super::record::{self, ContentType, Header};
use super::v12::protection::{EPOCH, OpenError};
use super::{CloseReason, Closed, Connection, LastFlight, Phase, Role};

/// The application data of a datagram, record by record, decrypted in place.
///
/// Made by [`Connection::handle_datagram`]. Dropping it processes the rest of the datagram.
#[derive(Debug)]
pub struct Records<'c, 'd> {
    connection: &'c mut Connection,
    rest: &'d mut [u8],
}

impl<'c, 'd> Records<'c, 'd> {
    pub(super) fn new(connection: &'c mut Connection, datagram: &'d mut [u8]) -> Self {
        Self { connection, rest: datagram }
    }
}

impl<'d> Iterator for Records<'_, 'd> {
    type Item = &'d mut [u8];

    fn next(&mut self) -> Option<&'d mut [u8]> {
        while !self.rest.is_empty() {
            let Some((header, body)) = record::split(&mut self.rest) else {
                self.connection.stats.records_dropped += 1;
                self.rest = &mut [];
                return None;
            };
            if let Some(plaintext) = self.connection.handle_record(header, body) {
                return Some(plaintext);
            }
        }
        None
    }
}

impl Drop for Records<'_, '_> {
    fn drop(&mut self) {
        self.for_each(|_plaintext| ());
    }
}

impl Connection {
    fn handle_record<'d>(&mut self, header: Header, body: &'d mut [u8]) -> Option<&'d mut [u8]> {
        if let Phase::Closed(closed) = &mut self.phase {
            closed.repeat(self.now, header.content_type, &mut self.owed);
            return None;
        }
        match header.epoch {
            0 => self.handle_plaintext(header.content_type, body),
            EPOCH if self.opener.is_some() => return self.handle_protected(header, body),
            EPOCH => self.keep_sealed(header, body),
            _ => self.stats.records_dropped += 1,
        }
        None
    }

    /// Keeps a record until its keys come.
    fn keep_sealed(&mut self, header: Header, body: &[u8]) {
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        let mut bytes = Vec::with_capacity(Header::LEN);
        header.write(&mut bytes, body.len() as u16);
        let max = self.settings.max_early_bytes;
        self.stats.records_dropped += handshake.sealed.push(&[&bytes, body], max);
    }

    fn handle_plaintext(&mut self, content_type: ContentType, body: &[u8]) {
        match content_type {
            ContentType::Handshake => self.handle_handshake(Epoch::PLAINTEXT, body),
            ContentType::Alert => self.handle_plaintext_alert(body),
            // The epoch of what follows says the same, whatever the order that records come in.
            ContentType::ChangeCipherSpec => (),
            ContentType::Ack | ContentType::ApplicationData => self.stats.records_dropped += 1,
        }
    }

    fn handle_protected<'d>(&mut self, header: Header, body: &'d mut [u8]) -> Option<&'d mut [u8]> {
        let opener = self.opener.as_mut()?;
        let plaintext = match opener.open(header, body) {
            Ok(plaintext) => plaintext,
            Err(OpenError::Replayed) => {
                self.stats.records_replayed += 1;
                return None;
            }
            Err(OpenError::Forged) => {
                self.stats.records_dropped += 1;
                return None;
            }
        };
        match header.content_type {
            ContentType::ApplicationData if self.is_connected() => return Some(plaintext),
            ContentType::ApplicationData => {
                let max = self.settings.max_early_bytes;
                self.stats.records_dropped += self.early.push(&[plaintext], max);
            }
            ContentType::Handshake => self.handle_handshake(Epoch::PROTECTED, plaintext),
            ContentType::Alert => self.handle_protected_alert(plaintext),
            ContentType::Ack | ContentType::ChangeCipherSpec => self.stats.records_dropped += 1,
        }
        None
    }

    /// Takes the fragments of a record, and goes as far as they allow.
    fn handle_handshake(&mut self, epoch: Epoch, body: &[u8]) {
        let mut reader = Reader(body);
        while !reader.is_empty() {
            let Ok(fragment) = Fragment::read(&mut reader) else {
                self.stats.records_dropped += 1;
                break;
            };
            match &mut self.phase {
                Phase::Handshaking(handshake) => match handshake.inbox.insert(epoch, fragment) {
                    Inserted::Kept => (),
                    Inserted::Answered => self.repeat_flight(),
                    Inserted::Known | Inserted::Dropped => self.stats.records_dropped += 1,
                },
                Phase::Established { .. } => self.handle_late_message(epoch, fragment),
                Phase::Closed(_) => return,
            }
        }
        self.advance();
    }

    /// A handshake message after the handshake: a repetition that shows that our last flight is
    /// lost, or a wish to negotiate again.
    fn handle_late_message(&mut self, epoch: Epoch, fragment: Fragment<'_>) {
        let Phase::Established { last_flight, .. } = &self.phase else { return };
        let header = fragment.header;
        let repeated = last_flight.as_ref().is_some_and(|last| header.message_seq < last.peer_seq);
        if repeated {
            self.repeat_flight();
        } else if epoch == Epoch::PROTECTED
            && matches!(header.kind, HandshakeType::HelloRequest | HandshakeType::ClientHello)
        {
            // A warning, and life goes on (RFC 5746 §4.5).
            self.owed = Some(Alert::NO_RENEGOTIATION);
        } else {
            self.stats.records_dropped += 1;
        }
    }

    /// Sends our newest flight again, as the peer has repeated what it answers
    /// ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4)).
    fn repeat_flight(&mut self) {
        let timing = self.timing();
        let flight = match &mut self.phase {
            Phase::Handshaking(handshake) => &mut handshake.flight,
            Phase::Established { last_flight: Some(last), .. } => &mut last.flight,
            _ => return,
        };
        if flight.repeat(self.now, timing) {
            self.stats.flights_retransmitted += 1;
        }
    }

    /// Steps through the messages that are whole.
    fn advance(&mut self) {
        loop {
            // Out of the connection while it works on the rest of it.
            let Phase::Handshaking(mut handshake) = self.take_handshake() else { return };
            let Some(complete) = handshake.inbox.take() else {
                self.phase = Phase::Handshaking(handshake);
                return;
            };
            let had_keys = self.opener.is_some();
            let state = mem::replace(&mut handshake.state, State::Done);
            let stepped = state.handle(complete.message(), &mut self.step(&mut handshake));
            let finished = match stepped {
                Ok(State::Done) => true,
                Ok(state) => {
                    handshake.state = state;
                    false
                }
                Err(error) => {
                    self.phase = Phase::Handshaking(handshake);
                    self.fail(error);
                    return;
                }
            };
            if finished {
                self.phase = self.established(*handshake);
                self.connect_if_authenticated();
                return;
            }
            self.phase = Phase::Handshaking(handshake);
            if self.opener.is_some() && !had_keys {
                self.open_sealed();
            }
        }
    }

    /// Opens the records that were kept until their keys came. What they hold for the application
    /// is kept on, as their datagrams are gone.
    fn open_sealed(&mut self) {
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        let mut sealed = mem::take(&mut handshake.sealed);
        while let Some(mut record) = sealed.pop() {
            let Some((header, body)) = record::split(&mut record.as_mut_slice()) else { continue };
            if let Some(plaintext) = self.handle_record(header, body) {
                let max = self.settings.max_early_bytes;
                self.stats.records_dropped += self.early.push(&[plaintext], max);
            }
        }
    }

    fn take_handshake(&mut self) -> Phase {
        if !matches!(self.phase, Phase::Handshaking(_)) {
            return Phase::Closed(Closed::new(CloseReason::Local, None, self.now));
        }
        let placeholder = Phase::Established { connected: false, last_flight: None };
        mem::replace(&mut self.phase, placeholder)
    }

    /// What is left of a handshake that is finished. The side that spoke last keeps its flight;
    /// the other side's was answered.
    fn established(&self, handshake: Handshake) -> Phase {
        let last_flight = (self.role == Role::Server).then(|| {
            let peer_seq = handshake.inbox.next_seq();
            Box::new(LastFlight { flight: handshake.flight, peer_seq })
        });
        Phase::Established { connected: false, last_flight }
    }

    /// Nobody has signed for it: during the handshake it is the only way for a peer to say that
    /// it gives up, after it anybody could have sent it.
    fn handle_plaintext_alert(&mut self, body: &[u8]) {
        match (&self.phase, Alert::parse(body)) {
            (Phase::Handshaking(_), Some(alert)) => {
                if alert.description == AlertDescription::CloseNotify {
                    self.end(CloseReason::Remote, None);
                } else if alert.fatal {
                    self.end(CloseReason::Alert(alert.description), None);
                }
            }
            _ => self.stats.records_dropped += 1,
        }
    }

    fn handle_protected_alert(&mut self, body: &[u8]) {
        match Alert::parse(body) {
            None => self.stats.records_dropped += 1,
            Some(Alert { description: AlertDescription::CloseNotify, .. }) => {
                // "The other party MUST respond with a close_notify alert of its own and close
                // down the connection immediately" (RFC 5246 §7.2.1).
                self.end(CloseReason::Remote, Some(Alert::CLOSE_NOTIFY));
            }
            Some(Alert { fatal: true, description }) => {
                self.end(CloseReason::Alert(description), None);
            }
            Some(_) => (),
        }
    }
}

impl Closed {
    /// Says the last alert again if the peer goes on: alerts are not retransmitted, and may be
    /// lost ([RFC 6347 §4.1.2.7](https://www.rfc-editor.org/rfc/rfc6347#section-4.1.2.7)). An
    /// alert is no reason to answer, so that two who are closing come to an end.
    fn repeat(&mut self, now: Instant, content_type: ContentType, owed: &mut Option<Alert>) {
        const PAUSE: Duration = Duration::from_millis(200);
        let goes_on = matches!(content_type, ContentType::Handshake | ContentType::ApplicationData);
        if goes_on && owed.is_none() && now >= self.repeat_at {
            *owed = self.alert;
            self.repeat_at = now + PAUSE;
        }
    }
}
