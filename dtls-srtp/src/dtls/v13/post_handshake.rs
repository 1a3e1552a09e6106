//! What goes on after a handshake: the rest of its last flight, KeyUpdates, and their ACKs
//! ([RFC 9147 §5.8.4, §8](https://www.rfc-editor.org/rfc/rfc9147#section-8)).

use std::time::{Duration, Instant};

use super::session::Session;
use crate::crypto::Crypto;
use crate::dtls::acks::Acks;
use crate::dtls::epoch::Epoch;
use crate::dtls::flight::{Answer, Flight};
use crate::dtls::incoming::Incoming;
use crate::dtls::message::post_handshake::{KeyUpdate, check_new_session_ticket};
use crate::dtls::message::{HandshakeType, Message};
use crate::dtls::outgoing::Outgoing;
use crate::dtls::reassembly::Inbox;
use crate::dtls::{HandshakeError, Role};

/// The handshake messages of an established connection.
pub(crate) struct PostHandshake {
    role: Role,
    pub(crate) inbox: Inbox,
    /// The client's last flight of the handshake, or a KeyUpdate; the next one waits for its ACK.
    pub(crate) flight: Flight,
    pub(crate) acks: Acks,
    /// A KeyUpdate that is to be sent as soon as the flight is acknowledged.
    wanted: Option<KeyUpdate>,
    /// Whether the flight is a KeyUpdate that is not acknowledged yet.
    updating: bool,
    /// When the handshake ended.
    since: Instant,
}

/// What a step can see and change besides the messages.
pub(crate) struct Keys<'s> {
    pub(crate) now: Instant,
    pub(crate) crypto: &'s Crypto,
    pub(crate) session: &'s mut Session,
    pub(crate) outgoing: &'s mut Outgoing,
    pub(crate) incoming: &'s mut Incoming,
}

impl PostHandshake {
    /// "for at least twice the default MSL ... the server MUST respond to retransmission of the
    /// client's final flight with a retransmit of its ACK" (§5.8.1).
    const TWO_MSL: Duration = Duration::from_secs(240);

    pub(crate) fn new(
        role: Role,
        inbox: Inbox,
        flight: Flight,
        acks: Acks,
        since: Instant,
    ) -> Self {
        Self { role, inbox, flight, acks, wanted: None, updating: false, since }
    }

    /// Forgets what nobody can be asking for any more.
    pub(crate) fn forget_old(&mut self, now: Instant, incoming: &mut Incoming) {
        incoming.forget_old(now);
        if now > self.since + Self::TWO_MSL && self.flight.was_acknowledged() {
            incoming.drop_handshake_keys();
        }
    }

    /// Takes a message.
    pub(crate) fn handle(
        &mut self,
        message: Message<'_>,
        keys: &mut Keys<'_>,
    ) -> Result<(), HandshakeError> {
        // Not under the keys of the handshake, and nothing under old keys after the KeyUpdate
        // that ended them (§8).
        if keys.incoming.newest_epoch() != Some(message.epoch) {
            return Err(HandshakeError::UnexpectedMessage);
        }
        match message.kind {
            HandshakeType::KeyUpdate => {
                let update = KeyUpdate::parse(message.body)?;
                let epoch = message.epoch.0 + 1;
                keys.session.receiving = keys.session.receiving.next();
                let opener = keys.session.receiving.opener(keys.crypto, epoch)?;
                keys.incoming.set_application_keys(keys.now, opener);
                // One of ours that is on its way answers the peer's as well.
                if update == KeyUpdate::Requested && !self.updating {
                    self.wanted.get_or_insert(KeyUpdate::NotRequested);
                    self.start_update(keys.outgoing);
                }
                Ok(())
            }
            // We do not resume sessions.
            HandshakeType::NewSessionTicket if self.role == Role::Client => {
                Ok(check_new_session_ticket(message.body)?)
            }
            _ => Err(HandshakeError::UnexpectedMessage),
        }
    }

    /// Sends a KeyUpdate, as soon as it may be.
    pub(crate) fn update_keys(&mut self, update: KeyUpdate, outgoing: &Outgoing) {
        if self.updating && update == KeyUpdate::NotRequested {
            return;
        }
        if self.wanted != Some(KeyUpdate::Requested) {
            self.wanted = Some(update);
        }
        self.start_update(outgoing);
    }

    /// Sends a KeyUpdate, unless one is on its way.
    pub(crate) fn want_update(&mut self, update: KeyUpdate, outgoing: &Outgoing) {
        if !self.updating && self.wanted.is_none() {
            self.update_keys(update, outgoing);
        }
    }

    /// "implementations MUST NOT send KeyUpdate ... if an earlier message of the same type has not
    /// yet been acknowledged" (§5.8.4).
    fn start_update(&mut self, outgoing: &Outgoing) {
        if !self.flight.was_acknowledged() || !self.flight.has_sequence_numbers() {
            return;
        }
        let Some(update) = self.wanted.take() else { return };
        self.updating = true;
        self.flight.start(Answer::Expected);
        let (epoch, kind) = (outgoing.newest_epoch(), HandshakeType::KeyUpdate);
        self.flight.untranscribed(epoch, kind, |buf| update.write(buf));
    }

    /// Goes on when the flight is acknowledged.
    pub(crate) fn flight_acknowledged(
        &mut self,
        keys: &mut Keys<'_>,
    ) -> Result<(), HandshakeError> {
        if self.updating {
            self.updating = false;
            keys.session.sending = keys.session.sending.next();
            let Epoch(epoch) = keys.outgoing.newest_epoch();
            let sealer = keys.session.sending.sealer(keys.crypto, epoch + 1)?;
            keys.outgoing.set_application_keys(sealer);
        } else {
            // The server has all of the handshake, and nothing more comes under its keys.
            keys.outgoing.drop_handshake_keys();
            keys.incoming.drop_handshake_keys();
        }
        self.start_update(keys.outgoing);
        Ok(())
    }
}
