//! What of a flight is sent again, and when: its timer, the peer that repeats its own flight, ACKs.

use std::time::Instant;

use super::{Acknowledged, Answer, Flight, Timeout, Timing};
use crate::dtls::config::LossReaction;
use crate::dtls::v13::RecordNumber;

impl Flight {
    /// Sends the flight again if its timer has expired; the timer doubles each time.
    ///
    /// It starts anew with each flight. RFC 6347 §4.2.4.1 would keep a doubled timer "until a
    /// transmission without loss occurs", which protects the network from thousands of clients of
    /// one server; here it would only make one lost datagram cost every later flight of a call,
    /// and the first timer comes from a round-trip time that ICE has just measured.
    ///
    /// What was lost twice is sent twice at a time from then on, which costs the network less than
    /// a shorter timer would: with 30 % loss, a hello of two datagrams arrives by the third timer
    /// in 98 of 100 tries instead of 95, and that timer is late. "DTLS stacks SHOULD NOT send more
    /// than 10 records in a single transmission"
    /// ([RFC 9147 §5.8.3](https://www.rfc-editor.org/rfc/rfc9147#section-5.8.3)): a flight that
    /// took more than five is sent once. One of more than ten, which chains of certificates and
    /// datagrams of a few hundred bytes make, leaves as a whole all the same: its records are short.
    pub(crate) fn handle_timeout(&mut self, now: Instant, timing: Timing) -> Timeout {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Timeout::NotYet;
        }
        let is_last = self.retransmissions >= timing.max_retransmissions;
        if is_last || self.answer == Answer::SecondHello {
            self.deadline = None;
            return Timeout::GiveUp;
        }
        self.retransmissions += 1;
        let is_short = self.contents.as_ref().is_some_and(|contents| contents.records() <= 5);
        let immediate = timing.reaction == LossReaction::Immediate;
        self.twice = self.retransmissions > 1 && immediate && is_short;
        self.timeout = (self.timeout * 2).min(timing.max);
        self.deadline = self.acknowledged.then(|| now + self.timeout);
        if let Some(contents) = &mut self.contents {
            // What is not claimed goes again; after a second one, or if that is nothing, all of it.
            if self.doubted || contents.is_claimed() {
                self.doubted = false;
                contents.drop_claims();
            } else {
                self.doubted = contents.has_claims();
            }
            contents.send_again(|_| true);
        }
        Timeout::Retransmit
    }

    /// Takes other timing, for the flight that waits as well: its timer has begun when it has,
    /// and has doubled as often as it has.
    pub(crate) fn set_timing(&mut self, timing: Timing) {
        let Some(deadline) = self.deadline.filter(|_| self.answer == Answer::Expected) else {
            return;
        };
        let started = deadline.checked_sub(self.timeout).unwrap_or(deadline);
        let doubled = 1_u32.checked_shl(self.retransmissions).unwrap_or(u32::MAX);
        self.timeout = timing.initial.saturating_mul(doubled).min(timing.max);
        self.deadline = Some(started + self.timeout);
    }

    /// Lets its timer begin anew, as the first one: the silence so far was no sign of loss.
    pub(crate) fn restart_timer(&mut self, now: Instant, timing: Timing) {
        if !self.acknowledged
            && self.answer == Answer::Expected
            && let Some(deadline) = &mut self.deadline
        {
            *deadline = (*deadline).min(now + timing.initial);
            (self.retransmissions, self.repetitions) = (0, 0);
            self.timeout = timing.initial;
        }
    }

    /// Brings the timer forward, the first time it runs.
    pub(crate) fn hurry(&mut self, at: Instant) {
        if self.retransmissions == 0 && self.answer == Answer::Expected {
            self.deadline = self.deadline.map(|deadline| deadline.min(at));
        }
    }

    /// Sends the flight again because the peer repeats its own, unless that was on its way before
    /// ours arrived: half of the first timer is three quarters of a round trip.
    ///
    /// That begins the timer anew, so that it may happen as often as the timer may expire and no
    /// more: anybody can repeat what is not protected, and we would neither be connected nor give up
    /// for as long as somebody does. What has no timer is short, and is sent as often as it is asked
    /// for.
    pub(crate) fn repeat(&mut self, now: Instant, timing: Timing) -> bool {
        let is_late = self.sent.is_some_and(|at| now >= at + timing.initial / 2);
        let repeats = match timing.reaction {
            LossReaction::Immediate => is_late,
            // Nothing else makes the last one go again, nor what the peer is said to have.
            LossReaction::Timer => {
                let claimed = self.contents.as_ref().is_some_and(|contents| contents.has_claims());
                self.answer != Answer::Expected && self.sent.is_some() || claimed && is_late
            }
        };
        if !repeats || self.is_sending() || !self.may_be_asked_for(timing) {
            return false;
        }
        let Some(contents) = &mut self.contents else { return false };
        self.doubted = false;
        contents.drop_claims();
        let again = contents.send_again(|_| true);
        self.repetitions = self.repetitions.saturating_add(again.into());
        again
    }

    /// Takes an ACK ([RFC 9147 §7.2](https://www.rfc-editor.org/rfc/rfc9147#section-7.2)): what it
    /// names is never sent again, and what got lost is sent at once. That is what was sent before
    /// something that arrived, or so long ago (three quarters of a round trip) that the ACK would
    /// have named it.
    ///
    /// If it is not `proved` that the peer has sent it, what it names is only said to have arrived:
    /// it is left out for as long as that may be true, and the timer runs on. Who forges ACKs would
    /// otherwise keep a lost hello from ever coming again. One that is proved tells that the peer
    /// has keys, and with them all that was sent without.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        numbers: impl Iterator<Item = RecordNumber>,
        proved: bool,
        timing: Timing,
    ) -> Acknowledged {
        let may_repeat = proved || self.may_be_asked_for(timing);
        let Some(contents) = &mut self.contents else { return Acknowledged::Waiting };
        let newest = contents.acknowledge(numbers, proved);
        if contents.is_acknowledged() {
            if self.acknowledged || contents.is_empty() {
                return Acknowledged::Waiting;
            }
            return Acknowledged::All;
        }
        if timing.reaction == LossReaction::Timer {
            return Acknowledged::Waiting;
        }
        let old = now.checked_sub(timing.initial / 2);
        let was_lost = |(at, order)| {
            newest.is_some_and(|newest| order < newest) || old.is_some_and(|old| at <= old)
        };
        let again = may_repeat && contents.send_again(was_lost);
        self.repetitions = self.repetitions.saturating_add((again && !proved).into());
        self.run_on(now);
        if again { Acknowledged::Retransmit } else { Acknowledged::Waiting }
    }

    /// Whether it is sent again for somebody who has not proved to be the peer.
    fn may_be_asked_for(&self, timing: Timing) -> bool {
        self.answer != Answer::Expected || u32::from(self.repetitions) < timing.max_retransmissions
    }

    /// Stops the timer if the peer is said to have all of the flight: "Once all the messages in a
    /// flight have been acknowledged, the implementation MUST cancel all retransmissions of that
    /// flight" (§7.2). It is for a peer that asks again by itself if that is not true.
    pub(crate) fn rest_if_claimed(&mut self) {
        if self.contents.as_ref().is_some_and(|contents| contents.is_claimed()) {
            self.deadline = None;
        }
    }
}
