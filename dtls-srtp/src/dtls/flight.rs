//! Our newest flight: the messages that are sent, and sent again, until they are answered
//! ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4)).

mod contents;
mod loss;

use std::mem;
use std::time::{Duration, Instant};

use self::contents::Contents;
use super::config::{LossReaction, Settings};
use super::epoch::Epoch;
use super::message::HandshakeType;
use super::outgoing::Outgoing;
use super::transcript::Transcript;
use super::{DEFAULT_TIMEOUT, MIN_TIMEOUT, TIMEOUTS};

/// What happens when no answer comes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Answer {
    /// The flight is sent again when the timer expires, or when the peer repeats its own.
    Expected,
    /// A second ClientHello answers it, and only the repetition of the first makes us send again,
    /// as the address is not proved. The timer runs once, as long as it would with all
    /// retransmissions.
    SecondHello,
    /// Only the peer's repetition makes us send again: nothing answers the last flight of a
    /// handshake.
    #[default]
    Last,
}

/// A flight, and how far it is sent.
#[derive(Default)]
pub(crate) struct Flight {
    /// Its messages, as long as any of them may be sent again. An established connection has none.
    contents: Option<Box<Contents>>,
    /// Whether it is not complete yet.
    held: bool,
    /// Beyond what a message can have, once the last one is used.
    next_message_seq: u32,
    answer: Answer,
    /// When its end was last sent.
    sent: Option<Instant>,
    acknowledged: bool,
    retransmissions: u32,
    /// How often it was sent again because somebody asked for it without proof of who that is.
    repetitions: u16,
    /// Whether it is to be sent once more when it is sent.
    twice: bool,
    /// Whether the timer has expired since something was claimed.
    doubted: bool,
    timeout: Duration,
    deadline: Option<Instant>,
}

/// What [`Flight::handle_timeout`] finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timeout {
    NotYet,
    Retransmit,
    GiveUp,
}

/// What an ACK brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Acknowledged {
    /// Nothing is sent because of it.
    Waiting,
    /// What is missing is sent again.
    Retransmit,
    /// The peer has all of the flight.
    All,
}

impl Flight {
    /// Begins the next flight: the one before was answered.
    pub(crate) fn start(&mut self, answer: Answer) {
        let mut contents = self.contents.take();
        if let Some(contents) = &mut contents {
            contents.clear();
        }
        let next_message_seq = self.next_message_seq;
        *self = Self { contents, next_message_seq, answer, ..Self::default() };
    }

    /// Says that our first message has the number `message_seq`.
    pub(crate) fn start_at(&mut self, message_seq: u16) {
        self.next_message_seq = message_seq.into();
    }

    /// Adds a message, to the transcript too.
    pub(crate) fn message(
        &mut self,
        transcript: &mut Transcript,
        epoch: Epoch,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        transcript.add(self.write(epoch, kind, body));
    }

    /// Adds a message that is not in the transcript: HelloVerifyRequest, and what is said after
    /// the handshake.
    pub(crate) fn untranscribed(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        self.write(epoch, kind, body);
    }

    /// Adds ChangeCipherSpec.
    pub(crate) fn change_cipher_spec(&mut self) {
        self.contents.get_or_insert_default().change_cipher_spec();
    }

    /// Adds a message, and gives back its bytes.
    fn write(
        &mut self,
        epoch: Epoch,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> &[u8] {
        let message_seq = u16::try_from(self.next_message_seq).unwrap_or(u16::MAX);
        self.next_message_seq += 1;
        self.contents.get_or_insert_default().message(epoch, kind, message_seq, body)
    }

    /// Whether there is a datagram to send.
    pub(crate) fn is_sending(&self) -> bool {
        !self.held && self.contents.as_ref().is_some_and(|contents| contents.is_sending())
    }

    /// Sends nothing before [`Flight::release`]: more messages belong to it.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    /// Whether any of it was sent.
    pub(crate) fn was_begun(&self) -> bool {
        self.contents.as_ref().is_some_and(|contents| contents.was_begun())
    }

    /// Whether all of it was sent at least once.
    pub(crate) fn was_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether the peer has all of it, by an ACK or by the beginning of its answer.
    pub(crate) fn was_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// Notes that the answer has begun to come: "the receipt of any record responding to a given
    /// flight MUST be taken as an implicit acknowledgement for the entire flight"
    /// ([RFC 9147 §7.2](https://www.rfc-editor.org/rfc/rfc9147#section-7.2)); or that all of the
    /// flight is acknowledged and its answer is still to come. Unless all waits for timers, this one
    /// runs on: what is missing of the answer is asked for by it, and it gives up in the end.
    pub(crate) fn was_answered(&mut self, now: Instant, reaction: LossReaction) {
        self.acknowledged = true;
        if let Some(contents) = &mut self.contents {
            contents.was_answered();
        }
        match reaction {
            LossReaction::Immediate => self.run_on(now),
            LossReaction::Timer => self.stop(),
        }
    }

    /// Says that nothing of it will be sent again, and nothing answers it any more.
    pub(crate) fn finish(&mut self) {
        self.acknowledged = true;
        self.contents = None;
        self.stop();
    }

    fn stop(&mut self) {
        (self.deadline, self.timeout, self.retransmissions) = (None, Duration::ZERO, 0);
    }

    /// Starts a timer that has expired again where nothing is left to send that would.
    fn run_on(&mut self, now: Instant) {
        if self.answer == Answer::Expected && !self.timeout.is_zero() && !self.is_sending() {
            self.deadline.get_or_insert(now + self.timeout);
        }
    }

    /// Says that it is the last one for long, and gives back the room for others.
    pub(crate) fn settle(&mut self) {
        if let Some(contents) = &mut self.contents {
            contents.shrink();
        }
    }

    /// Whether there is one more message_seq: "Implementations MUST NOT allow message_seq to wrap"
    /// ([RFC 9147 §5.2](https://www.rfc-editor.org/rfc/rfc9147#section-5.2)).
    pub(crate) fn has_sequence_numbers(&self) -> bool {
        self.next_message_seq <= u16::MAX.into()
    }

    /// How long its timer runs.
    pub(crate) fn timeout(&self, timing: Timing) -> Duration {
        if self.timeout.is_zero() { timing.initial } else { self.timeout }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// When nobody can be asking for it any more: twice the maximum segment lifetime after it was
    /// sent ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4)).
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        const TWO_MSL: Duration = Duration::from_secs(240);
        self.sent.is_some_and(|sent| now.saturating_duration_since(sent) > TWO_MSL)
    }

    /// Appends what goes into the datagram that starts at `start`, which is to have `mtu` bytes at
    /// most, and arms the timer.
    pub(crate) fn write_datagram(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        start: usize,
        mtu: usize,
        timing: Timing,
        outgoing: &mut Outgoing,
    ) {
        // "If repeated retransmissions do not result in a response, and the PMTU is unknown,
        // subsequent retransmissions SHOULD back off to a smaller record size" (RFC 6347
        // §4.1.1.1): 576 bytes of IPv4 less its header and that of UDP.
        let mtu = if self.retransmissions > 1 { mtu.min(548) } else { mtu };
        let Some(contents) = &mut self.contents else { return };
        contents.write_datagram(now, buf, start, mtu, outgoing);
        if !contents.is_sending() {
            self.sent = Some(now);
            if mem::take(&mut self.twice) {
                contents.send_again(|_| true);
            }
        }
        match self.answer {
            Answer::Expected => {
                if self.timeout.is_zero() {
                    self.timeout = timing.initial;
                }
                self.deadline = Some(now + self.timeout);
            }
            Answer::SecondHello => {
                self.deadline = self.deadline.or_else(|| now.checked_add(timing.whole()));
            }
            Answer::Last => (),
        }
    }
}

/// How long a flight waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    pub(crate) max_retransmissions: u32,
    pub(crate) reaction: LossReaction,
}

impl Timing {
    pub(crate) fn new(settings: &Settings) -> Self {
        let max = settings.max_timeout.clamp(*TIMEOUTS.start(), *TIMEOUTS.end());
        let timing = Self {
            initial: max,
            max,
            max_retransmissions: settings.max_retransmissions,
            reaction: settings.loss_reaction,
        };
        timing.beginning_with(settings.initial_timeout.unwrap_or(DEFAULT_TIMEOUT))
    }

    /// With another first timer.
    pub(crate) fn beginning_with(self, initial: Duration) -> Self {
        Self { initial: initial.clamp(*TIMEOUTS.start(), self.max), ..self }
    }

    /// With the first timer for a peer that is so far away.
    pub(crate) fn of_round_trip(self, round_trip_time: Duration) -> Self {
        self.beginning_with((round_trip_time.saturating_mul(3) / 2).max(MIN_TIMEOUT))
    }

    /// How long it takes until a flight without an answer is given up.
    fn whole(&self) -> Duration {
        let (mut whole, mut timeout, mut rest) =
            (self.initial, self.initial, self.max_retransmissions);
        while rest > 0 && timeout < self.max && !timeout.is_zero() {
            timeout = timeout.saturating_mul(2).min(self.max);
            whole = whole.saturating_add(timeout);
            rest -= 1;
        }
        whole.saturating_add(timeout.saturating_mul(rest))
    }
}
