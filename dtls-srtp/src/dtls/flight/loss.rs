//! What of a flight is sent again, and when: its timer, the peer that repeats its own flight, ACKs.

use std::ops::Range;
use std::time::Instant;

use super::{Acknowledged, Answer, Carried, Flight, Piece, Timeout, Timing};
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
    /// in 98 of 100 tries instead of 95, and that timer is late.
    pub(crate) fn handle_timeout(&mut self, now: Instant, timing: Timing) -> Timeout {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Timeout::NotYet;
        }
        if self.retransmissions >= timing.max_retransmissions {
            self.deadline = None;
            return Timeout::GiveUp;
        }
        self.retransmissions += 1;
        self.twice = self.retransmissions > 1 && timing.reaction == LossReaction::Immediate;
        self.timeout = (self.timeout * 2).min(timing.max);
        self.deadline = self.acknowledged.then(|| now + self.timeout);
        self.doubt_claims();
        self.send_again(|_| true);
        Timeout::Retransmit
    }

    /// Takes other timing, for the flight that waits as well: its timer has begun when it has,
    /// and has doubled as often as it has.
    pub(crate) fn set_timing(&mut self, timing: Timing) {
        let Some(deadline) = self.deadline else { return };
        let started = deadline.checked_sub(self.timeout).unwrap_or(deadline);
        let doubled = 1_u32.checked_shl(self.retransmissions).unwrap_or(u32::MAX);
        self.timeout = timing.initial.saturating_mul(doubled).min(timing.max);
        self.deadline = Some(started + self.timeout);
    }

    /// Brings the timer forward, the first time it runs.
    pub(crate) fn hurry(&mut self, at: Instant) {
        if self.retransmissions == 0 {
            self.deadline = self.deadline.map(|deadline| deadline.min(at));
        }
    }

    /// Sends the flight again because the peer repeats its own, unless that was on its way before
    /// ours arrived: half of the first timer is three quarters of a round trip.
    pub(crate) fn repeat(&mut self, now: Instant, timing: Timing) -> bool {
        let is_late = self.sent.is_some_and(|at| now >= at + timing.initial / 2);
        let repeats = match timing.reaction {
            LossReaction::Immediate => is_late,
            // Nothing else makes the last one go again, nor what the peer is said to have.
            LossReaction::Timer => {
                let claimed = self.pieces.iter().any(|piece| piece.claimed);
                self.answer == Answer::Last && self.sent.is_some() || claimed && is_late
            }
        };
        if !repeats || self.is_sending() {
            return false;
        }
        self.drop_claims();
        self.send_again(|_| true)
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
        let mut newest = None;
        for number in numbers {
            while let Some(at) = self.carried.iter().position(|carried| carried.number == number) {
                let Some(Carried { order, part, range, .. }) = self.carried.remove(at) else {
                    break;
                };
                newest = newest.max(Some(order));
                self.remove(part, &range, !proved);
            }
        }
        if proved {
            self.pieces.retain(|piece| !piece.claimed);
            self.sending = self.pieces.iter().position(|piece| piece.due);
        }
        if self.pieces.is_empty() {
            if self.acknowledged || self.parts.is_empty() {
                return Acknowledged::Waiting;
            }
            self.finish();
            return Acknowledged::All;
        }
        if timing.reaction == LossReaction::Timer {
            return Acknowledged::Waiting;
        }
        let old = now.checked_sub(timing.initial / 2);
        let again = self.send_again(|(at, order)| {
            newest.is_some_and(|newest| order < newest) || old.is_some_and(|old| at <= old)
        });
        if again { Acknowledged::Retransmit } else { Acknowledged::Waiting }
    }

    /// Stops the timer if the peer is said to have all of the flight: "Once all the messages in a
    /// flight have been acknowledged, the implementation MUST cancel all retransmissions of that
    /// flight" (§7.2). It is for a peer that asks again by itself if that is not true.
    pub(crate) fn rest_if_claimed(&mut self) {
        if !self.pieces.is_empty() && self.pieces.iter().all(|piece| piece.claimed) {
            self.deadline = None;
        }
    }

    /// After a timer without an answer, what is not claimed goes again; after a second one, or if
    /// that is nothing, all of it.
    fn doubt_claims(&mut self) {
        let claimed = self.pieces.iter().filter(|piece| piece.claimed).count();
        if self.doubted || claimed == self.pieces.len() {
            self.drop_claims();
        } else {
            self.doubted = claimed > 0;
        }
    }

    fn drop_claims(&mut self) {
        self.doubted = false;
        self.pieces.iter_mut().for_each(|piece| piece.claimed = false);
    }

    /// Takes what was acknowledged out of the pieces, or only notes that it is `claimed` to be.
    fn remove(&mut self, part: usize, range: &Range<usize>, claimed: bool) {
        let mut at = 0;
        while let Some(piece) = self.pieces.get_mut(at) {
            let overlaps = piece.range.start < range.end && range.start < piece.range.end;
            if piece.part != part || piece.claimed || !(overlaps || piece.range.is_empty()) {
                at += 1;
                continue;
            }
            let before = piece.range.start..range.start;
            let after = range.end..piece.range.end;
            let between = piece.range.start.max(range.start)..piece.range.end.min(range.end);
            let piece = self.pieces.remove(at);
            if !before.is_empty() {
                self.pieces.insert(at, Piece { range: before, ..piece.clone() });
                at += 1;
            }
            if claimed {
                let piece = Piece { range: between, due: false, claimed, ..piece.clone() };
                self.pieces.insert(at, piece);
                at += 1;
            }
            if !after.is_empty() {
                self.pieces.insert(at, Piece { range: after, ..piece });
                at += 1;
            }
        }
        self.sending = self.pieces.iter().position(|piece| piece.due);
    }

    /// Sends those pieces again whose last sending `was_lost`.
    pub(super) fn send_again(&mut self, was_lost: impl Fn((Instant, u32)) -> bool) -> bool {
        let mut again = false;
        for piece in &mut self.pieces {
            if !piece.due && !piece.claimed && piece.sent.is_some_and(&was_lost) {
                piece.due = true;
                again = true;
            }
        }
        // The path may take longer records than those that they were sent in.
        self.pieces.dedup_by(|next, piece| {
            let joins = piece.due && next.due && piece.part == next.part;
            let joins = joins && piece.range.end == next.range.start && !next.range.is_empty();
            if joins {
                piece.range.end = next.range.end;
                piece.sent = piece.sent.max(next.sent);
            }
            joins
        });
        self.sending = self.pieces.iter().position(|piece| piece.due);
        again
    }
}
