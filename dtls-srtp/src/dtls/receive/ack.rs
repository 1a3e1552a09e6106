//! ACKs: those that come, and those that say which part of a flight came
//! ([RFC 9147 §7](https://www.rfc-editor.org/rfc/rfc9147#section-7)).

use crate::dtls::epoch::Epoch;
use crate::dtls::flight::Acknowledged;
use crate::dtls::v13::ack;
use crate::dtls::{Connection, HandshakeError, LossReaction, Phase, Rest, Role, Version};

impl Connection {
    /// Says what came of a flight of which something is missing
    /// ([RFC 9147 §7.1](https://www.rfc-editor.org/rfc/rfc9147#section-7.1)): at once if there is
    /// a gap, else if the rest does not follow.
    pub(super) fn acknowledge_part(&mut self, new: bool) {
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        // "1/4 the current retransmit timer value", which has grown with the losses before this one
        // if all waits for timers.
        let delay = match self.settings.loss_reaction {
            LossReaction::Immediate => self.timing.initial / 4,
            LossReaction::Timer => handshake.flight.timeout(self.timing) / 4,
        };
        if handshake.inbox.version() != Some(Version::Dtls13) || handshake.acks.is_empty() {
            return;
        }
        let at_once = self.settings.loss_reaction == LossReaction::Immediate;
        if new && at_once && handshake.inbox.has_gap() {
            handshake.acks.send_by(self.now);
        } else if new {
            handshake.acks.send_after(self.now, delay);
        }
    }

    /// Takes an ACK.
    pub(super) fn handle_ack(&mut self, epoch: Epoch, body: &[u8]) {
        let proved = epoch > Epoch::PLAINTEXT;
        let is_1_3 = self.agreed_version() == Some(Version::Dtls13);
        let numbers = match ack::parse(body) {
            Ok(numbers) if is_1_3 && (proved || self.believes_plaintext()) => numbers,
            Err(error) if is_1_3 && proved => return self.fail(error.into()),
            _ => {
                self.stats.records_dropped += 1;
                return;
            }
        };
        // "During the handshake, ACK records MUST be sent with an epoch which is equal to or higher
        // than the record which is being acknowledged": after it, the two directions count their
        // epochs apart.
        let mut numbers = numbers.peekable();
        let beyond = epoch < Epoch::APPLICATION
            && ack::parse(body).is_ok_and(|mut all| all.any(|n| n.epoch > epoch.0));
        if beyond {
            self.fail(HandshakeError::IllegalParameter);
            return;
        }
        if numbers.peek().is_none() && !proved {
            self.stats.records_dropped += 1;
            return;
        }
        let Some((flight, _)) = self.phase.sending() else { return };
        match flight.acknowledge(self.now, numbers, proved, self.timing) {
            // A client that lacks what it is said to have asks again.
            Acknowledged::Waiting
                if self.role == Role::Server && self.timing.reaction == LossReaction::Timer =>
            {
                flight.rest_if_claimed();
            }
            Acknowledged::Waiting => (),
            Acknowledged::Retransmit => self.stats.flights_retransmitted += 1,
            Acknowledged::All => self.flight_acknowledged(),
        }
    }

    fn flight_acknowledged(&mut self) {
        let (now, reaction) = (self.now, self.settings.loss_reaction);
        match &mut self.phase {
            // "Once all the messages in a flight have been acknowledged, the implementation MUST
            // cancel all retransmissions of that flight" (§7.2), and yet not wait for ever.
            Phase::Handshaking(handshake) => handshake.flight.was_answered(now, reaction),
            Phase::Established { rest: Rest::PostHandshake(post), .. } => post.flight.finish(),
            _ => (),
        }
        let done = self.post_handshake(|post, keys| post.flight_acknowledged(keys));
        if let Err(error) = done {
            self.fail(error);
        }
    }
}
