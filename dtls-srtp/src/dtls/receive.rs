//! What comes from the peer: datagrams, their records, and what is in them.

mod ack;
mod messages;

use std::time::{Duration, Instant};

use super::alert::{Alert, AlertDescription};
use super::early::Early;
use super::epoch::Epoch;
use super::incoming::{self, Opened};
use super::record::{ContentType, Header};
use super::v13::record::Record;
use super::v13::{self, RecordNumber};
use super::{
    CloseReason, Closed, Connection, HandshakeError, KeyUpdate, LossReaction, Phase, Role, Version,
};

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
            let len = self.connection.incoming.connection_id_len();
            let Some(record) = v13::record::split(&mut self.rest, len) else {
                self.connection.stats.records_dropped += 1;
                self.rest = &mut [];
                return None;
            };
            if let Some(plaintext) = self.connection.handle_record(record) {
                return Some(plaintext);
            }
        }
        None
    }
}

impl Drop for Records<'_, '_> {
    fn drop(&mut self) {
        self.by_ref().for_each(|_plaintext| ());
        self.connection.incoming.end_datagram();
    }
}

impl Connection {
    fn handle_record<'d>(&mut self, record: Record<'d>) -> Option<&'d mut [u8]> {
        match record {
            Record::Plaintext(header, body) if header.epoch == 0 => {
                self.handle_plaintext(header, body);
                None
            }
            Record::Plaintext(header, body) => {
                if self.must_wait(header.epoch == 1, Version::Dtls12) {
                    let mut bytes = Vec::with_capacity(Header::LEN);
                    header.write(&mut bytes, body.len() as u16);
                    self.keep_sealed(None, &bytes, body);
                    return None;
                }
                let opened = self.incoming.open_1_2(header, body);
                self.handle_opened(opened)
            }
            Record::Addressed(record) => {
                if self.must_wait(record.epoch == 1, Version::Dtls12) {
                    self.keep_sealed(Some(record.connection_id), &record.bytes(), &[]);
                    return None;
                }
                let opened = self.incoming.open_addressed(record);
                self.handle_opened(opened)
            }
            Record::Ciphertext(record) => {
                let has_keys = self.incoming.has_keys_of(&record);
                if self.must_wait(!has_keys, Version::Dtls13) {
                    self.keep_sealed(record.connection_id(), record.bytes(), &[]);
                    self.suspect_loss();
                    return None;
                }
                let opened = self.incoming.open_1_3(record, &self.settings.crypto);
                self.handle_opened(opened)
            }
        }
    }

    /// Whether keys may come that open a record.
    fn must_wait(&self, may_be_ours: bool, version: Version) -> bool {
        let Phase::Handshaking(handshake) = &self.phase else { return false };
        let is_possible = handshake.inbox.version().is_none_or(|known| known == version)
            && self.settings.speaks(version);
        may_be_ours
            && is_possible
            && (version == Version::Dtls13 || self.incoming.newest_epoch().is_none())
    }

    /// Keeps a record until its keys come, behind a byte that says whether its datagram is for us:
    /// only the first record of a datagram has to have an id
    /// ([RFC 9147 §9](https://www.rfc-editor.org/rfc/rfc9147#section-9)).
    fn keep_sealed(&mut self, connection_id: Option<&[u8]>, header: &[u8], body: &[u8]) {
        let is_ours = self.incoming.see_connection_id(connection_id);
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        let max = self.settings.max_early_bytes;
        let dropped = handshake.sealed.push(&[&[is_ours.into()], header, body], max);
        self.stats.records_dropped += dropped;
    }

    /// Keeps application data until somebody takes it.
    pub(super) fn keep_early(&mut self, plaintext: &[u8]) {
        let max = self.settings.max_early_bytes;
        self.stats.records_dropped += self.early.push(&[plaintext], max);
    }

    /// A record came that another one should have come before: something that stands before it
    /// may be lost. Who can say what is missing, says it soon, and who waits for the first answer
    /// asks again sooner.
    fn suspect_loss(&mut self) {
        if self.settings.loss_reaction == LossReaction::Timer {
            return;
        }
        let soon = self.now + self.timing.initial / 4;
        // A client without keys, which a HelloRetryRequest may have told the version, has nothing to
        // name, and who names nothing without protection is not heard.
        let has_keys = self.role == Role::Server || self.incoming.has_handshake_keys();
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        if handshake.inbox.version() == Some(Version::Dtls13) && has_keys {
            handshake.acks.send_by(soon);
        } else {
            handshake.flight.hurry(soon);
        }
    }

    fn handle_plaintext(&mut self, header: Header, body: &[u8]) {
        if let Phase::Closed(closed) = &mut self.phase {
            closed.repeat(self.now, header.content_type, &mut self.owed);
            return;
        }
        let number = RecordNumber { epoch: 0, sequence_number: header.sequence_number };
        match header.content_type {
            ContentType::Handshake => self.handle_handshake(number, body),
            ContentType::Alert => self.handle_plaintext_alert(body),
            // The epoch of what follows says the same, whatever the order that records come in.
            ContentType::ChangeCipherSpec => (),
            ContentType::Ack => self.handle_ack(Epoch::PLAINTEXT, body),
            ContentType::ApplicationData => self.stats.records_dropped += 1,
        }
    }

    fn handle_opened<'d>(
        &mut self,
        opened: Result<Opened<'d>, incoming::Closed>,
    ) -> Option<&'d mut [u8]> {
        let Opened { number, content_type, plaintext } = match opened {
            Ok(opened) => opened,
            Err(incoming::Closed::Replayed) => {
                self.stats.records_replayed += 1;
                return None;
            }
            Err(incoming::Closed::NoKeys | incoming::Closed::Misdirected) => {
                self.stats.records_dropped += 1;
                return None;
            }
            Err(incoming::Closed::Forged) => {
                self.stats.records_dropped += 1;
                self.handle_forgery();
                return None;
            }
            Err(incoming::Closed::Invalid) => {
                self.fail_open(HandshakeError::UnexpectedMessage);
                return None;
            }
            Err(incoming::Closed::TooLong) => {
                self.fail_open(HandshakeError::RecordOverflow);
                return None;
            }
        };
        if let Phase::Closed(closed) = &mut self.phase {
            closed.repeat(self.now, content_type, &mut self.owed);
            return None;
        }
        let epoch = Epoch(number.epoch);
        match content_type {
            ContentType::ApplicationData if epoch == Epoch::HANDSHAKE => {
                self.fail(HandshakeError::UnexpectedMessage);
            }
            ContentType::ApplicationData if self.is_connected() => return Some(plaintext),
            ContentType::ApplicationData => self.keep_early(plaintext),
            // Those are never empty, "the receiving implementation MUST terminate the connection
            // with an "unexpected_message" alert" (RFC 8446 §5.4), and ChangeCipherSpec is never
            // protected (§5).
            ContentType::Handshake | ContentType::Alert if plaintext.is_empty() => {
                self.fail(HandshakeError::UnexpectedMessage);
            }
            ContentType::ChangeCipherSpec => self.fail(HandshakeError::UnexpectedMessage),
            ContentType::Handshake => self.handle_handshake(number, plaintext),
            ContentType::Alert => self.handle_protected_alert(plaintext),
            ContentType::Ack => self.handle_ack(epoch, plaintext),
        }
        None
    }

    /// Counts with the limit of the keys
    /// ([RFC 9147 §4.5.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.5.3)).
    fn handle_forgery(&mut self) {
        if matches!(self.phase, Phase::Closed(_)) {
            return;
        }
        if self.incoming.is_worn_out() {
            self.end(CloseReason::KeyWornOut, Some(Alert::fatal(AlertDescription::BadRecordMac)));
        } else if self.incoming.needs_update() {
            self.want_update(KeyUpdate::Requested);
        }
    }

    /// Breaks off because of what the peer has protected, unless that is over anyway.
    fn fail_open(&mut self, error: HandshakeError) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.fail(error);
        }
    }

    /// Opens the records that were kept until their keys came. What they hold for the application
    /// is kept on, as their datagrams are gone.
    fn open_sealed(&mut self, sealed: &mut Early) {
        while let Some(mut record) = sealed.pop() {
            let Some((is_ours, mut rest)) = record.split_first_mut() else { continue };
            let len = self.incoming.connection_id_len();
            let Some(record) = v13::record::split(&mut rest, len) else { continue };
            let at_hand = self.incoming.start_kept(*is_ours != 0);
            if let Some(plaintext) = self.handle_record(record) {
                self.keep_early(plaintext);
            }
            self.incoming.resume(at_hand);
        }
    }

    /// Whether an alert or an ACK without protection is to be believed. Anybody could have sent it,
    /// but as long as the peer has no keys it is the only way to say that it gives up, or what it
    /// lacks. A server whose ServerHello came has them, and so has whoever has used them.
    fn believes_plaintext(&self) -> bool {
        let greeted = self.role == Role::Client && self.incoming.has_handshake_keys();
        let peer_has_keys = greeted || self.incoming.has_opened();
        matches!(self.phase, Phase::Handshaking(_)) && !peer_has_keys
    }

    fn handle_plaintext_alert(&mut self, body: &[u8]) {
        match Alert::parse(body) {
            Ok(alert) if self.believes_plaintext() => {
                if alert.description == AlertDescription::CloseNotify {
                    self.end(CloseReason::Remote, None);
                } else if self.ends_all(alert) {
                    self.end(CloseReason::Alert(alert.description), None);
                }
            }
            _ => self.stats.records_dropped += 1,
        }
    }

    fn handle_protected_alert(&mut self, body: &[u8]) {
        match Alert::parse(body) {
            Err(error) => self.fail(error),
            Ok(Alert { description: AlertDescription::CloseNotify, .. }) => {
                // "The other party MUST respond with a close_notify alert of its own and close
                // down the connection immediately" (RFC 5246 §7.2.1).
                self.end(CloseReason::Remote, Some(Alert::CLOSE_NOTIFY));
            }
            Ok(alert) => {
                if self.ends_all(alert) {
                    self.end(CloseReason::Alert(alert.description), None);
                }
            }
        }
    }

    /// Whether an alert is an error: in 1.3 "regardless of the AlertLevel"
    /// ([RFC 8446 §6](https://www.rfc-editor.org/rfc/rfc8446#section-6)).
    fn ends_all(&self, alert: Alert) -> bool {
        alert.fatal
            || self.agreed_version() == Some(Version::Dtls13) && alert.description.is_error()
    }
}

impl Closed {
    /// Says the last alert again if the peer goes on: alerts are not retransmitted, and may be
    /// lost ([RFC 6347 §4.1.2.7](https://www.rfc-editor.org/rfc/rfc6347#section-4.1.2.7)). An
    /// alert is no reason to answer, so that two who are closing come to an end.
    fn repeat(
        &mut self,
        now: Instant,
        content_type: ContentType,
        owed: &mut Option<(Epoch, Alert)>,
    ) {
        const PAUSE: Duration = Duration::from_millis(200);
        let goes_on = matches!(content_type, ContentType::Handshake | ContentType::ApplicationData);
        if goes_on && owed.is_none() && now >= self.repeat_at {
            *owed = self.alert;
            self.repeat_at = now + PAUSE;
        }
    }
}
