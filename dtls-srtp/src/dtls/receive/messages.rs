//! Handshake messages: the fragments that records hold, and the steps that whole messages take.

use std::mem;

use crate::dtls::acks::Acks;
use crate::dtls::alert::Alert;
use crate::dtls::codec::Reader;
use crate::dtls::epoch::Epoch;
use crate::dtls::handshake::{Handshake, State, Step};
use crate::dtls::message::{Fragment, HandshakeType};
use crate::dtls::reassembly::Inserted;
use crate::dtls::v13::RecordNumber;
use crate::dtls::v13::post_handshake::{Keys, PostHandshake};
use crate::dtls::{
    Connection, HandshakeError, LastFlight, LossReaction, Phase, Rest, Role, Session, Version,
};

impl Connection {
    /// Takes the fragments of a record, and goes as far as they allow.
    pub(in crate::dtls) fn handle_handshake(&mut self, number: RecordNumber, body: &[u8]) {
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
        let was_1_3 = self.agreed_version() == Some(Version::Dtls13);
        while !reader.is_empty() {
            let Ok(fragment) = Fragment::read(&mut reader) else {
                // "Peers which receive a message which cannot be parsed according to the syntax ...
                // MUST terminate the connection with a "decode_error" alert" (RFC 8446 §6); in the
                // clear, it may be anybody's.
                if epoch > Epoch::PLAINTEXT {
                    return self.fail_open(HandshakeError::Malformed);
                }
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
                Inserted::TooLong => return self.fail(HandshakeError::MessageTooLong),
            }
        }
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
                    handshake.flight.was_answered(self.now, reaction);
                }
            }
            // The server's flight is answered by the client's, which is repeated.
            Phase::Established { rest: Rest::PostHandshake(post), .. }
                if kept && (self.role == Role::Server || epoch >= Epoch::APPLICATION) =>
            {
                post.acks.receive(number);
                match self.settings.loss_reaction {
                    LossReaction::Immediate => post.acks.send_by(self.now),
                    LossReaction::Timer => post.acks.send_after(self.now, self.timing.initial / 4),
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

    /// A handshake message after a handshake of DTLS 1.2: a repetition that shows that our last
    /// flight is lost, or a wish to negotiate again.
    fn handle_late_message(&mut self, epoch: Epoch, fragment: Fragment<'_>) {
        let Phase::Established { rest, .. } = &self.phase else { return };
        let header = fragment.header;
        // Its message_seq begins at zero again (RFC 6347 §4.2.2). In the clear it is a repetition,
        // or anybody's.
        if epoch == Epoch::PROTECTED
            && matches!(header.kind, HandshakeType::HelloRequest | HandshakeType::ClientHello)
        {
            // A warning, and life goes on (RFC 5746 §4.5).
            self.owed = Some((epoch, Alert::NO_RENEGOTIATION));
            return;
        }
        let repeated = u32::from(header.message_seq) < rest.peer_seq();
        // Without a pause between two of them, one message has to stand for the whole flight.
        let asks = self.settings.loss_reaction == LossReaction::Immediate
            || header.kind == HandshakeType::Finished && header.offset == 0;
        if repeated && asks {
            self.repeat_flight();
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
        if let Some((flight, _)) = self.phase.sending()
            && flight.repeat(self.now, self.timing)
        {
            self.stats.flights_retransmitted += 1;
        }
    }

    /// Lets the post-handshake messages work on the parts of the connection that they may change.
    pub(super) fn post_handshake(
        &mut self,
        step: impl FnOnce(&mut PostHandshake, &mut Keys<'_>) -> Result<(), HandshakeError>,
    ) -> Result<(), HandshakeError> {
        let Phase::Established { rest: Rest::PostHandshake(post), .. } = &mut self.phase else {
            return Ok(());
        };
        let Some(Session::Dtls13(session)) = &mut self.session else { return Ok(()) };
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
    pub(in crate::dtls) fn advance(&mut self) {
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
    pub(in crate::dtls) fn advance_with(
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
                if !matches!(state, State::ServerHello(_)) {
                    handshake.credit = None;
                }
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
}
