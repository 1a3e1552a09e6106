//! When packets were sent and what arrived in between: the delivery rate.
//!
//! For each packet with DATA there is a record of how much had been acknowledged when it left. Once
//! it is acknowledged itself, the difference tells how much the path has delivered in the meantime
//! ([draft-cheng-iccrg-delivery-rate-estimation](https://datatracker.ietf.org/doc/html/draft-cheng-iccrg-delivery-rate-estimation)).

use crate::span::Span;
use std::collections::VecDeque;
use std::time::Instant;

/// What is known of a packet that left. Times are nanoseconds on [`Packets::clock`]: there is a
/// record for each packet in flight, and each acknowledgement reckons with them.
#[derive(Clone, Copy, Debug)]
struct Packet {
    sent_at: u64,
    /// Bytes in flight when it left, itself included.
    in_flight: usize,
    /// Bytes delivered when it left, and when the last of them were acknowledged.
    delivered: u64,
    delivered_at: u64,
    /// When the packet left that was acknowledged last before this one left.
    first_sent_at: u64,
    /// The application or the peer's window held the sender back when it left.
    limited: bool,
}

/// What an acknowledged packet tells of the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateSample {
    /// Bytes a second; `None` when the time was too short to tell.
    pub(crate) rate: Option<u64>,
    /// Bytes that had been delivered when the packet left.
    pub(crate) delivered_before: u64,
    /// The sender had less to send than the path takes: the rate says little about the path.
    pub(crate) limited: bool,
}

/// The packets that left since the oldest one in flight, in a ring indexed by number.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    /// The last time that was looked at, and how many nanoseconds after the first one it was.
    clock: Option<(Instant, u64)>,
    ring: VecDeque<Packet>,
    /// The number of the first in the ring.
    first: u64,
    /// Chunks that are sent go with the last of the ring.
    open: bool,
    delivered: u64,
    delivered_at: u64,
    first_sent_at: u64,
    /// What leaves before so much is delivered is limited by what there is to send.
    limited_until: u64,
}

impl Packets {
    /// A time, not before those of earlier calls, as the records have it.
    #[inline]
    pub(crate) fn clock(&mut self, now: Instant) -> u64 {
        let (last, at) = self.clock.get_or_insert((now, 0));
        if *last != now {
            *at += Span::between(*last, now).as_nanos();
            *last = now;
        }
        *at
    }

    /// The chunks from here on go with another packet.
    #[inline]
    pub(crate) const fn close(&mut self) {
        self.open = false;
    }

    /// The number of the packet that is being made.
    #[inline(always)]
    pub(crate) fn current(&mut self, now: Instant, in_flight: usize) -> u64 {
        if !self.open {
            self.open = true;
            let now = self.clock(now);
            if in_flight == 0 {
                self.first_sent_at = now;
                self.delivered_at = now;
            }
            self.ring.push_back(Packet {
                sent_at: now,
                in_flight,
                delivered: self.delivered,
                delivered_at: self.delivered_at,
                first_sent_at: self.first_sent_at,
                limited: self.limited_until > self.delivered,
            });
        }
        self.first + (self.ring.len() as u64).saturating_sub(1)
    }

    /// Bytes of `len` were added to the packet that is being made.
    #[inline]
    pub(crate) fn grow(&mut self, len: usize) {
        if let Some(packet) = self.ring.back_mut() {
            packet.in_flight += len;
        }
    }

    /// The number that the next packet gets.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.ring.len() as u64
    }

    /// The record of a packet; `None` when all that came with it was acknowledged or sent again.
    #[inline]
    fn get(&self, number: u64) -> Option<&Packet> {
        self.ring.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// How long before a time on [`Self::clock`] a packet left, as long as it is known.
    #[inline]
    pub(crate) fn age(&self, now: u64, number: u64) -> Option<Span> {
        let sent_at = self.get(number)?.sent_at;
        Some(Span::from_nanos(now.saturating_sub(sent_at)))
    }

    /// Bytes in flight when a packet left, as long as it is known.
    pub(crate) fn in_flight(&self, number: u64) -> Option<usize> {
        Some(self.get(number)?.in_flight)
    }

    /// Bytes delivered so far.
    pub(crate) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// So many bytes were acknowledged for the first time, of which the newest left with `number`.
    #[inline]
    pub(crate) fn acknowledged(
        &mut self,
        now: Instant,
        bytes: usize,
        number: u64,
        min_rtt: Span,
    ) -> Option<RateSample> {
        let now = self.clock(now);
        self.delivered += bytes as u64;
        self.delivered_at = now;
        let Packet { sent_at, delivered, delivered_at, first_sent_at, limited, .. } =
            *self.get(number)?;
        self.first_sent_at = sent_at;
        let sending = sent_at.saturating_sub(first_sent_at);
        let receiving = now.saturating_sub(delivered_at);
        let time = Span::from_nanos(sending.max(receiving));
        // Less than a round trip is an accident of when acknowledgements came.
        let rate =
            (time >= min_rtt && time > Span::ZERO).then(|| time.rate(self.delivered - delivered));
        Some(RateSample { rate, delivered_before: delivered, limited })
    }

    /// So much had been delivered in another process; what leaves now says nothing of the path,
    /// before more is.
    pub(crate) const fn resume(&mut self, delivered: u64) {
        self.delivered = delivered;
        self.limited_until = delivered + 1;
    }

    /// There is room on the path and nothing to send.
    #[inline]
    pub(crate) fn limited(&mut self, in_flight: usize) {
        self.limited_until = (self.delivered + in_flight as u64).max(1);
    }

    /// Forgets the packets before `oldest`.
    #[inline]
    pub(crate) fn forget_before(&mut self, oldest: u64) {
        while self.first < oldest && self.ring.pop_front().is_some() {
            self.first += 1;
        }
        self.open &= !self.ring.is_empty();
    }

    /// Gives memory of busier times back.
    pub(crate) fn shrink(&mut self) {
        if self.ring.is_empty() {
            self.ring = VecDeque::new();
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_shows_its_rate() {
        // A packet of 1000 bytes each millisecond, acknowledged 50 ms later: a megabyte a second.
        let start = Instant::now();
        let ms = std::time::Duration::from_millis;
        let mut packets = Packets::default();
        let mut rate = None;
        for number in 0..200_u64 {
            let now = start + ms(number);
            packets.close();
            assert_eq!(packets.current(now, 1000 * number.min(50) as usize), number);
            if let Some(arrived) = number.checked_sub(50) {
                let sample =
                    packets.acknowledged(now, 1000, arrived, Span::from_millis(50)).unwrap();
                packets.forget_before(arrived + 1);
                rate = sample.rate;
                assert!(!sample.limited);
            }
        }
        let rate = rate.unwrap();
        assert!((980_000..=1_020_000).contains(&rate), "{rate}");
        assert!(packets.ring.len() <= 50);
    }

    #[test]
    fn what_left_while_there_was_nothing_more_is_limited() {
        let start = Instant::now();
        let ms = std::time::Duration::from_millis;
        let mut packets = Packets::default();
        packets.current(start, 0);
        packets.limited(1000);
        packets.close();
        packets.current(start, 1000);
        let sample = packets.acknowledged(start + ms(50), 1000, 1, Span::from_millis(1)).unwrap();
        assert!(sample.limited);
        packets.close();
        packets.current(start + ms(60), 1000);
        let sample = packets.acknowledged(start + ms(120), 1000, 2, Span::from_millis(1)).unwrap();
        assert!(!sample.limited);
    }
}
