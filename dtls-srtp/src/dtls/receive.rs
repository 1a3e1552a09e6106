//! What comes from the peer: datagrams, their records, and what is in them.

mod ack;

use std::mem;
use std::time::{Duration, Instant};

use super::acks::Acks;
use super::alert::{Alert, AlertDescription};
use super::codec::Reader;
use super::epoch::Epoch;
use super::handshake::{Handshake, State, Step};
use super::incoming::{self, Opened};
use super::message::{Fragment, HandshakeType};
use super::reassembly::Inserted;
use super::record::{ContentType, Header};
use super::v13::post_handshake::{Keys, PostHandshake};
use super::v13::record::Record;
use super::v13::{self, RecordNumber};
use super::{
    CloseReason, Closed, Connection, HandshakeError, KeyUpdate, LastFlight, LossReaction, Phase,
    Rest, Role, Version,
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
        self.for_each(|_plaintext| ());
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
                    self.keep_sealed(&[&bytes, body]);
                    return None;
                }
                let opened = self.incoming.open_1_2(header, body);
                self.handle_opened(opened)
            }
            Record::Addressed(record) => {
                if self.must_wait(record.epoch == 1, Version::Dtls12) {
                    self.keep_sealed(&[&record.bytes()]);
                    return None;
                }
                let opened = self.incoming.open_addressed(record);
                self.handle_opened(opened)
            }
            Record::Ciphertext(record) => {
                let has_keys = self.incoming.has_keys_of(&record);
                if self.must_wait(!has_keys, Version::Dtls13) {
                    self.keep_sealed(&[record.bytes()]);
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

    /// Keeps a record until its keys come.
    fn keep_sealed(&mut self, record: &[&[u8]]) {
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        let max = self.settings.max_early_bytes;
        self.stats.records_dropped += handshake.sealed.push(record, max);
    }

    /// A record came that another one should have come before: something that stands before it
    /// may be lost. Who can say what is missing, says it soon, and who waits for the first answer
    /// asks again sooner.
    fn suspect_loss(&mut self) {
        if self.settings.loss_reaction == LossReaction::Timer {
            return;
        }
        let soon = self.now + self.timing().initial / 4;
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        if handshake.inbox.version() == Some(Version::Dtls13) {
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
            ContentType::ApplicationData => {
                let max = self.settings.max_early_bytes;
                self.stats.records_dropped += self.early.push(&[plaintext], max);
            }
            ContentType::Handshake => self.handle_handshake(number, plaintext),
            ContentType::Alert => self.handle_protected_alert(plaintext),
            ContentType::Ack => self.handle_ack(epoch, plaintext),
            ContentType::ChangeCipherSpec => self.stats.records_dropped += 1,
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

    /// Takes the fragments of a record, and goes as far as they allow.
    pub(super) fn handle_handshake(&mut self, number: RecordNumber, body: &[u8]) {
        let epoch = Epoch(number.epoch);
        let next = match &mut self.phase {
            Phase::Handshaking(handshake) if handshake.signing.is_none() => {
                handshake.inbox.take_whole(epoch, body)
            }
            _ => None,
        };
        let mut reader = Reader(if next.is_some() { &[] } else { body });
        // "Implementations MUST NOT acknowledge records containing handshake messages or fragments
        // which have not been processed or buffered."
        let (mut kept, mut new, mut again) = (!body.is_empty(), next.is_some(), false);
        let was_1_3 = self.is_1_3();
        while !reader.is_empty() {
            let Ok(fragment) = Fragment::read(&mut reader) else {
                self.stats.records_dropped += 1;
                kept = false;
                break;
            };
            let inserted = match &mut self.phase {
                Phase::Handshaking(handshake) => handshake.inbox.insert(epoch, fragment),
                // Anybody could have sent what is not protected.
                Phase::Established { rest: Rest::PostHandshake(_), .. }
                    if epoch == Epoch::PLAINTEXT =>
                {
                    Inserted::Dropped
                }
                Phase::Established { rest: Rest::PostHandshake(post), .. } => {
                    post.inbox.insert(epoch, fragment)
                }
                Phase::Established { .. } => {
                    self.handle_late_message(epoch, fragment);
                    kept = false;
                    continue;
                }
                Phase::Closed(_) => return,
            };
            match inserted {
                Inserted::Kept => new = true,
                Inserted::Known => self.stats.records_dropped += 1,
                Inserted::Answered => {
                    self.repeat_flight();
                    match (&self.phase, self.settings.loss_reaction) {
                        // Our flight, if it comes again, says as much.
                        (Phase::Handshaking(_), LossReaction::Immediate) => kept = false,
                        (Phase::Handshaking(_), LossReaction::Timer) => again = true,
                        _ => (),
                    }
                }
                Inserted::Dropped => {
                    self.stats.records_dropped += 1;
                    kept = false;
                }
            }
        }
        let timing = self.timing();
        match &mut self.phase {
            Phase::Handshaking(handshake) => {
                // There are no ACKs in DTLS 1.2.
                if kept && handshake.inbox.version() != Some(Version::Dtls12) {
                    handshake.acks.receive(number);
                }
                // Protected, it can only be an answer to our flight. A part of a hello without
                // protection is one where nothing else would stop our timer.
                let reaction = self.settings.loss_reaction;
                if new && was_1_3 && (number.epoch > 0 || reaction == LossReaction::Timer) {
                    handshake.flight.was_answered(reaction);
                }
            }
            // The server's flight is answered by the client's, which is repeated.
            Phase::Established { rest: Rest::PostHandshake(post), .. }
                if kept && (self.role == Role::Server || epoch >= Epoch::APPLICATION) =>
            {
                post.acks.receive(number);
                match self.settings.loss_reaction {
                    LossReaction::Immediate => post.acks.send_by(self.now),
                    LossReaction::Timer => post.acks.send_after(self.now, timing.initial / 4),
                }
            }
            _ => (),
        }
        match next {
            Some(message) => self.advance_with(|state, step| state.handle(message, step)),
            None => self.advance(),
        }
        // The record that says that it is DTLS 1.3 begins no wait for the rest, where all waits.
        if was_1_3 || self.settings.loss_reaction == LossReaction::Immediate {
            self.acknowledge_part(new || again);
        }
    }

    /// Whether the handshake is known to be one of DTLS 1.3.
    fn is_1_3(&self) -> bool {
        matches!(&self.phase, Phase::Handshaking(handshake)
            if handshake.inbox.version() == Some(Version::Dtls13))
    }

    /// A handshake message after a handshake of DTLS 1.2: a repetition that shows that our last
    /// flight is lost, or a wish to negotiate again.
    fn handle_late_message(&mut self, epoch: Epoch, fragment: Fragment<'_>) {
        let Phase::Established { rest, .. } = &self.phase else { return };
        let header = fragment.header;
        let repeated = u32::from(header.message_seq) < rest.peer_seq();
        // Without a pause between two of them, one message has to stand for the whole flight.
        let asks = self.settings.loss_reaction == LossReaction::Immediate
            || header.kind == HandshakeType::Finished && header.offset == 0;
        if repeated && asks {
            self.repeat_flight();
        } else if epoch == Epoch::PROTECTED
            && matches!(header.kind, HandshakeType::HelloRequest | HandshakeType::ClientHello)
        {
            // A warning, and life goes on (RFC 5746 §4.5).
            self.owed = Some((epoch, Alert::NO_RENEGOTIATION));
        } else if epoch == Epoch::PROTECTED && !repeated {
            self.fail(HandshakeError::UnexpectedMessage);
        } else {
            self.stats.records_dropped += 1;
        }
    }

    /// Sends our newest flight again, as the peer has repeated what it answers
    /// ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4),
    /// [RFC 9147 §5.8.1](https://www.rfc-editor.org/rfc/rfc9147#section-5.8.1)).
    fn repeat_flight(&mut self) {
        let timing = self.timing();
        if let Some((flight, _)) = self.phase.sending()
            && flight.repeat(self.now, timing)
        {
            self.stats.flights_retransmitted += 1;
        }
    }

    /// Lets the post-handshake messages work on the parts of the connection that they may change.
    fn post_handshake(
        &mut self,
        step: impl FnOnce(&mut PostHandshake, &mut Keys<'_>) -> Result<(), HandshakeError>,
    ) -> Result<(), HandshakeError> {
        let Phase::Established { rest: Rest::PostHandshake(post), .. } = &mut self.phase else {
            return Ok(());
        };
        let Some(super::Session::Dtls13(session)) = &mut self.session else { return Ok(()) };
        let mut keys = Keys {
            now: self.now,
            crypto: &self.settings.crypto,
            max_spare_ids: self.settings.max_spare_connection_ids,
            key_log: self.settings.key_log.as_deref(),
            session,
            outgoing: &mut self.outgoing,
            incoming: &mut self.incoming,
            ids_event: &mut self.ids_event,
        };
        step(post, &mut keys)
    }

    /// Steps through the messages that are whole.
    pub(super) fn advance(&mut self) {
        self.advance_post_handshake();
        while let Phase::Handshaking(handshake) = &mut self.phase {
            if handshake.signing.is_some() {
                return;
            }
            let Some(complete) = handshake.inbox.take() else { return };
            self.advance_with(|state, step| state.handle(complete.message(), step));
        }
    }

    /// Takes one step of the handshake.
    pub(super) fn advance_with(
        &mut self,
        step: impl FnOnce(State, &mut Step<'_>) -> Result<State, HandshakeError>,
    ) {
        // Out of the connection while it works on the rest of it.
        let placeholder = Phase::Established { connected: false, rest: Rest::Answered(0) };
        let mut handshake = match mem::replace(&mut self.phase, placeholder) {
            Phase::Handshaking(handshake) => handshake,
            other => {
                self.phase = other;
                return;
            }
        };
        let epochs = self.incoming.epochs();
        let state = mem::replace(&mut handshake.state, State::Done);
        let stepped = step(state, &mut self.step(&mut handshake));
        let sealed = match self.incoming.epochs() == epochs {
            true => None,
            false => Some(mem::take(&mut handshake.sealed)),
        };
        match stepped {
            Ok(State::Done) => {
                let excess = handshake.inbox.version() == Some(Version::Dtls12)
                    && handshake.inbox.has_protected();
                self.phase = self.established(*handshake);
                // Nothing comes after a Finished of DTLS 1.2.
                if excess {
                    self.fail(HandshakeError::UnexpectedMessage);
                    return;
                }
                self.connect_if_authenticated();
            }
            Ok(state) => {
                handshake.state = state;
                self.signature_event |= handshake.signing.is_some();
                self.phase = Phase::Handshaking(handshake);
            }
            Err(error) => {
                self.phase = Phase::Handshaking(handshake);
                self.fail(error);
                return;
            }
        }
        if let Some(mut sealed) = sealed {
            self.open_sealed(&mut sealed);
        }
    }

    fn advance_post_handshake(&mut self) {
        while let Phase::Established { rest: Rest::PostHandshake(post), .. } = &mut self.phase {
            let Some(complete) = post.inbox.take() else { return };
            post.inbox.settle();
            let done = self.post_handshake(|post, keys| post.handle(complete.message(), keys));
            if let Err(error) = done {
                self.fail(error);
            }
        }
    }

    /// Opens the records that were kept until their keys came. What they hold for the application
    /// is kept on, as their datagrams are gone.
    fn open_sealed(&mut self, sealed: &mut super::Early) {
        while let Some(mut record) = sealed.pop() {
            let mut rest = record.as_mut_slice();
            let len = self.incoming.connection_id_len();
            let Some(record) = v13::record::split(&mut rest, len) else { continue };
            self.incoming.start_datagram();
            if let Some(plaintext) = self.handle_record(record) {
                let max = self.settings.max_early_bytes;
                self.stats.records_dropped += self.early.push(&[plaintext], max);
            }
        }
    }

    /// What is left of a handshake that is finished. In DTLS 1.2 the side that spoke last keeps
    /// its flight, and the other side's was answered. In DTLS 1.3 the client's flight waits for
    /// an ACK, which the server owes.
    fn established(&mut self, handshake: Handshake) -> Phase {
        let Handshake { mut inbox, mut flight, mut acks, client_random, .. } = handshake;
        let rest = match (inbox.version(), self.role) {
            (Some(Version::Dtls13), role) => {
                inbox.settle();
                if role == Role::Server {
                    flight.finish();
                    self.outgoing.drop_handshake_keys();
                    self.incoming.rest_handshake_keys();
                    acks.settle();
                    acks.send_by(self.now);
                }
                let client_random = self.settings.key_log.as_ref().map(|_| client_random.into());
                let post = PostHandshake::new(role, inbox, flight, acks, self.now, client_random);
                Rest::PostHandshake(Box::new(post))
            }
            (_, Role::Server) => {
                flight.settle();
                let (peer_seq, acks) = (inbox.next_seq(), Acks::default());
                Rest::LastFlight(Box::new(LastFlight { flight, acks, peer_seq }))
            }
            (_, Role::Client) => Rest::Answered(inbox.next_seq()),
        };
        Phase::Established { connected: false, rest }
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
            None => self.fail(HandshakeError::IllegalParameter),
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
