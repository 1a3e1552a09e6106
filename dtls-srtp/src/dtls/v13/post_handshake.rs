//! What goes on after a handshake: the rest of its last flight, KeyUpdates, and their ACKs
//! ([RFC 9147 §5.8.4, §8](https://www.rfc-editor.org/rfc/rfc9147#section-8)).

use std::time::{Duration, Instant};

use super::key_schedule::TrafficSecret;
use super::session::Session;
use crate::crypto::Crypto;
use crate::dtls::acks::Acks;
use crate::dtls::epoch::Epoch;
use crate::dtls::flight::{Answer, Flight};
use crate::dtls::incoming::Incoming;
use crate::dtls::key_log::{self, KeyLog};
use crate::dtls::message::post_handshake::{
    ConnectionIdUsage, KeyUpdate, NewConnectionId, check_new_session_ticket,
    parse_request_connection_id,
};
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
    /// How many connection ids the peer has asked for, if it is owed an answer.
    ids_requested: Option<u8>,
    /// Whether the flight is a KeyUpdate that is not acknowledged yet.
    updating: bool,
    /// Whether the peer was asked for a KeyUpdate that has not come.
    requested: bool,
    /// When the handshake ended.
    since: Instant,
    /// What a key log calls the connection, if there is one.
    client_random: Option<Box<[u8; 32]>>,
}

/// "In order to allow implementations to store epochs in a 16-bit value, MAY choose to enforce an
/// epoch limit of 2^16-1. In this case, the implementation MUST check for this limit, if reached,
/// terminate the association" (RFC 9147bis §8). Nobody updates keys that often.
const MAX_EPOCH: u64 = u16::MAX as u64;

/// What a step can see and change besides the messages.
pub(crate) struct Keys<'s> {
    pub(crate) now: Instant,
    pub(crate) crypto: &'s Crypto,
    pub(crate) max_spare_ids: u8,
    pub(crate) key_log: Option<&'s dyn KeyLog>,
    pub(crate) session: &'s mut Session,
    pub(crate) outgoing: &'s mut Outgoing,
    pub(crate) incoming: &'s mut Incoming,
    pub(crate) ids_event: &'s mut bool,
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
        client_random: Option<Box<[u8; 32]>>,
    ) -> Self {
        Self {
            role,
            inbox,
            flight,
            acks,
            wanted: None,
            ids_requested: None,
            updating: false,
            requested: false,
            since,
            client_random,
        }
    }

    /// Forgets what nobody can be asking for any more.
    pub(crate) fn forget_old(&self, now: Instant, incoming: &mut Incoming) {
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
                if epoch > MAX_EPOCH {
                    return Err(HandshakeError::UnexpectedMessage);
                }
                keys.session.receiving = keys.session.receiving.next();
                let secret = &keys.session.receiving;
                self.log(false, epoch, secret, keys.key_log);
                let opener = secret.opener(keys.crypto, epoch)?;
                keys.incoming.set_application_keys(keys.now, opener);
                self.requested = false;
                // One of ours that is on its way answers the peer's as well.
                if update == KeyUpdate::Requested && !self.updating {
                    self.wanted.get_or_insert(KeyUpdate::NotRequested);
                    self.start_update(keys.outgoing);
                }
                Ok(())
            }
            // "Implementations which either did not negotiate the connection_id extension or
            // which have negotiated receiving an empty CID MUST NOT send NewConnectionId" (§9).
            HandshakeType::NewConnectionId if !keys.outgoing.connection_id().is_empty() => {
                let new = NewConnectionId::parse(message.body)?;
                // "Implementations which receive more spare CIDs than they wish to maintain MAY
                // simply discard any extra CIDs": one is all that we use.
                if new.usage == ConnectionIdUsage::Immediate
                    && let Some(id) = new.ids().next()
                {
                    keys.outgoing.set_connection_id(id);
                }
                Ok(())
            }
            HandshakeType::RequestConnectionId if keys.incoming.connection_id().is_some() => {
                let count = parse_request_connection_id(message.body)?;
                // "Endpoints MUST NOT send a RequestConnectionId message when an existing request
                // is still unfulfilled": one who does is answered once.
                self.ids_requested = self.ids_requested.max(Some(count));
                self.start_next(keys);
                Ok(())
            }
            // We do not resume sessions.
            HandshakeType::NewSessionTicket if self.role == Role::Client => {
                Ok(check_new_session_ticket(message.body)?)
            }
            _ => Err(HandshakeError::UnexpectedMessage),
        }
    }

    /// Tells a key log the secret of a new epoch. [RFC 9850 §2.1](https://www.rfc-editor.org/rfc/rfc9850)
    /// has names for epoch 3 only, `…_0`. Those after it are counted on from there, as the key
    /// schedule counts them: who does not know them ignores the lines and derives the secrets, and
    /// who joins a recording late needs them.
    fn log(&self, sending: bool, epoch: u64, secret: &TrafficSecret, log: Option<&dyn KeyLog>) {
        let (Some(log), Some(client_random)) = (log, &self.client_random) else { return };
        let is_client = (self.role == Role::Client) == sending;
        let side = if is_client { "CLIENT" } else { "SERVER" };
        let number = epoch.saturating_sub(Epoch::APPLICATION.0);
        let label = format!("{side}_TRAFFIC_SECRET_{number}");
        key_log::log(log, &label, client_random, secret.bytes());
    }

    /// Sends a KeyUpdate, as soon as it may be.
    /// `false` if it may never be.
    pub(crate) fn update_keys(&mut self, update: KeyUpdate, outgoing: &Outgoing) -> bool {
        if !self.may_update(outgoing) {
            return false;
        }
        if self.updating && update == KeyUpdate::NotRequested {
            return true;
        }
        // "Until receiving a subsequent KeyUpdate from the peer, the sender MUST NOT send another
        // KeyUpdate with request_update set to "update_requested"" (RFC 9846 §4.7.3).
        let update = if self.requested { KeyUpdate::NotRequested } else { update };
        if self.wanted != Some(KeyUpdate::Requested) {
            self.wanted = Some(update);
        }
        self.start_update(outgoing);
        true
    }

    /// What is to be sent when the peer has acknowledged the flight.
    #[cfg(test)]
    pub(crate) fn wanted(&self) -> Option<KeyUpdate> {
        self.wanted
    }

    /// Whether there is one more message_seq, and one more epoch.
    fn may_update(&self, outgoing: &Outgoing) -> bool {
        self.flight.has_sequence_numbers() && outgoing.newest_epoch().0 < MAX_EPOCH
    }

    /// Sends a KeyUpdate, unless one is on its way or the peer owes the one that it is to ask for.
    pub(crate) fn want_update(&mut self, update: KeyUpdate, outgoing: &Outgoing) {
        let owed = self.requested && update == KeyUpdate::Requested;
        if !self.updating && self.wanted.is_none() && !owed {
            self.update_keys(update, outgoing);
        }
    }

    /// Sends what waits for its turn: one message at a time.
    fn start_next(&mut self, keys: &mut Keys<'_>) {
        let may_send = self.flight.was_acknowledged() && self.flight.has_sequence_numbers();
        if may_send && let Some(wanted) = self.ids_requested.take() {
            self.send_ids(wanted, keys);
        }
        self.start_update(keys.outgoing);
    }

    /// "Endpoints SHOULD respond to RequestConnectionId by sending a NewConnectionId with usage
    /// "cid_spare" containing num_cids CIDs as soon as possible ... An endpoint MAY handle requests
    /// which it considers excessive by responding with a NewConnectionId message containing fewer
    /// than num_cids CIDs, including no CIDs at all" (§9).
    fn send_ids(&mut self, wanted: u8, keys: &mut Keys<'_>) {
        let random = keys.crypto.handshake.secure_random;
        let fill = |bytes: &mut [u8]| random.fill(bytes).is_ok();
        let fresh = keys.incoming.add_connection_ids(wanted, keys.max_spare_ids, fill);
        *keys.ids_event |= fresh > 0;
        self.flight.start(Answer::Expected);
        let (epoch, kind) = (keys.outgoing.newest_epoch(), HandshakeType::NewConnectionId);
        let known = keys.incoming.connection_ids().count();
        let ids = keys.incoming.connection_ids().skip(known - fresh);
        self.flight.untranscribed(epoch, kind, |buf| {
            NewConnectionId::write(buf, ids, ConnectionIdUsage::Spare);
        });
    }

    /// "implementations MUST NOT send KeyUpdate ... if an earlier message of the same type has not
    /// yet been acknowledged" (§5.8.4).
    fn start_update(&mut self, outgoing: &Outgoing) {
        if !self.flight.was_acknowledged() || !self.may_update(outgoing) {
            return;
        }
        let Some(update) = self.wanted.take() else { return };
        self.updating = true;
        self.requested |= update == KeyUpdate::Requested;
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
            let secret = &keys.session.sending;
            self.log(true, epoch + 1, secret, keys.key_log);
            let sealer = secret.sealer(keys.crypto, epoch + 1)?;
            keys.outgoing.set_application_keys(sealer);
        } else if self.role == Role::Client {
            // The server has all of the handshake, and nothing more comes under its keys. A server
            // keeps them, as the client may ask again: see `forget_old`.
            keys.outgoing.drop_handshake_keys();
            keys.incoming.drop_handshake_keys();
        }
        self.start_next(keys);
        Ok(())
    }
}
