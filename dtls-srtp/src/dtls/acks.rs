//! Which of the peer's records it has to be told that we have
//! ([RFC 9147 §7.1](https://www.rfc-editor.org/rfc/rfc9147#section-7.1)).

use std::time::{Duration, Instant};

use super::epoch::Epoch;
use super::outgoing::Outgoing;
use super::record::ContentType;
use super::v13::{RecordNumber, ack};

/// The records of the peer's current flight, and when to acknowledge them.
#[derive(Default)]
pub(crate) struct Acks {
    /// In increasing order.
    numbers: Vec<RecordNumber>,
    due: Option<Instant>,
    /// When the wait began that `due` is the end of.
    since: Option<Instant>,
}

impl Acks {
    /// A flight has hardly more records. If it has, the oldest, which were acknowledged before,
    /// are left out.
    const MAX: usize = 32;

    /// Notes a record whose messages were processed or kept.
    pub(crate) fn receive(&mut self, number: RecordNumber) {
        if let Err(place) = self.numbers.binary_search(&number) {
            self.numbers.insert(place, number);
            if self.numbers.len() > Self::MAX {
                self.numbers.remove(0);
            }
        }
    }

    /// Sends an ACK at `at`, or before that if one is due then.
    pub(crate) fn send_by(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Sends an ACK after `delay`, unless one is due anyway.
    pub(crate) fn send_after(&mut self, now: Instant, delay: Duration) {
        if self.due.is_none() {
            (self.since, self.due) = (Some(now), Some(now + delay));
        }
    }

    /// Changes the delay of an ACK that waits.
    pub(crate) fn set_delay(&mut self, delay: Duration) {
        if let Some(since) = self.since {
            self.due = Some(since + delay);
        }
    }

    /// Forgets the records: a flight of ours answers them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Says that few records will be added, and gives back the room for more.
    pub(crate) fn settle(&mut self) {
        self.numbers.shrink_to_fit();
    }

    /// When the next ACK is to be sent.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether no record is to be acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Appends an ACK if one is due, of as many bytes as `room` has. `heard` tells whether the
    /// peer has all that our newest keys come of.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        room: usize,
        heard: bool,
        outgoing: &mut Outgoing,
    ) -> bool {
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        (self.due, self.since) = (None, None);
        // "ACK records MUST be sent with an epoch which is equal to or higher than the record which
        // is being acknowledged", and "SHOULD simply use the highest current sending epoch": one
        // that the peer cannot open yet would be of no use to it.
        let of_handshake = self.numbers.iter().all(|number| number.epoch <= Epoch::HANDSHAKE.0);
        let epoch = match outgoing.newest_epoch() {
            newest if newest > Epoch::HANDSHAKE && of_handshake && !heard => Epoch::HANDSHAKE,
            newest => newest,
        };
        let fixed = outgoing.overhead(epoch) + 2;
        // One at least, however little room a long connection id leaves: the peer would wait for it
        // in vain.
        let count = (room.saturating_sub(fixed) / ack::RECORD_NUMBER_LEN).max(1);
        let newest = self.numbers.len().saturating_sub(count);
        let numbers = self.numbers.get(newest..).unwrap_or_default();
        outgoing
            .write(epoch, ContentType::Ack, buf, |buf| ack::write(buf, numbers.iter().copied()));
        true
    }
}
