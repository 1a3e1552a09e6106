use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Config;
use crate::sequence::{ExtendedSequenceNumber, SequenceNumber};

/// The packets of one source that are missed and asked for, in ascending order.
#[derive(Debug, Default)]
pub(super) struct Missing {
    packets: VecDeque<MissingPacket>,
    /// When the next is to be asked for, at the earliest.
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct MissingPacket {
    number: u64,
    ask_at: Instant,
    asked: u8,
}

impl Missing {
    /// The packets between the newest and the one before it are missed. With too many, all are given
    /// up.
    pub(super) fn gap(
        &mut self,
        now: Instant,
        newest: ExtendedSequenceNumber,
        missing: u64,
        config: &Config,
    ) {
        if self.packets.len() as u64 + missing > config.max_missing as u64 {
            self.packets.clear();
            self.deadline = None;
            return;
        }
        let ask_at = now + config.reordering;
        for number in newest.0 - missing..newest.0 {
            self.packets.push_back(MissingPacket { number, ask_at, asked: 0 });
        }
        self.deadline = Some(self.deadline.map_or(ask_at, |deadline| deadline.min(ask_at)));
    }

    /// A packet came that isn't the newest.
    pub(super) fn arrived(&mut self, number: ExtendedSequenceNumber) {
        if let Ok(index) = self.packets.binary_search_by_key(&number.0, |packet| packet.number) {
            self.packets.remove(index);
            if self.packets.is_empty() {
                self.deadline = None;
            }
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The packets to ask for now, at most `limit` of them; each is asked for again after `pause`,
    /// and given up after the last time.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        pause: Duration,
        limit: usize,
        config: &Config,
    ) -> impl Iterator<Item = SequenceNumber> + use<'_> {
        let max_nacks = config.max_nacks;
        // What was asked for as often as may be has had its time.
        self.packets.retain(|packet| packet.asked < max_nacks || packet.ask_at > now);
        let mut left = limit;
        let mut deadline = None;
        for packet in &self.packets {
            let next = if packet.ask_at <= now && left > 0 {
                left -= 1;
                now + pause
            } else {
                packet.ask_at
            };
            deadline = Some(deadline.map_or(next, |deadline: Instant| deadline.min(next)));
        }
        self.deadline = deadline;
        self.packets.iter_mut().filter(move |packet| packet.ask_at <= now).take(limit).map(
            move |packet| {
                packet.ask_at = now + pause;
                packet.asked += 1;
                ExtendedSequenceNumber(packet.number).wire()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    fn base() -> Instant {
        Instant::now()
    }

    fn ask(missing: &mut Missing, now: Instant, config: &Config) -> Vec<u16> {
        missing.ask(now, Duration::from_millis(50), 100, config).map(|number| number.0).collect()
    }

    #[test]
    fn asks_after_the_reordering_time_then_each_round_trip_and_gives_up() {
        let (start, config) = (base(), Config::default());
        let mut missing = Missing::default();
        missing.gap(start, ExtendedSequenceNumber(103), 3, &config);
        assert_eq!(missing.deadline(), Some(start + config.reordering));
        missing.arrived(ExtendedSequenceNumber(101));
        let mut now = start + config.reordering;
        for _ in 0..config.max_nacks {
            assert!(missing.is_due(now));
            assert_eq!(ask(&mut missing, now, &config), [100, 102]);
            assert_eq!(missing.deadline(), Some(now + Duration::from_millis(50)));
            now += Duration::from_millis(50);
        }
        assert_eq!(ask(&mut missing, now, &config), [0u16; 0]);
        assert_eq!(missing.deadline(), None);
    }

    #[test]
    fn a_limit_leaves_the_rest_for_the_next_packet() {
        let (start, config) = (base(), Config::default());
        let mut missing = Missing::default();
        missing.gap(start, ExtendedSequenceNumber(110), 10, &config);
        let now = start + config.reordering;
        let pause = Duration::from_millis(50);
        assert_eq!(missing.ask(now, pause, 7, &config).count(), 7);
        assert!(missing.is_due(now));
        assert_eq!(missing.ask(now, pause, 7, &config).count(), 3);
        assert!(!missing.is_due(now));
    }

    #[test]
    fn too_many_are_all_given_up() {
        let (start, config) = (base(), Config::default());
        let mut missing = Missing::default();
        let max = config.max_missing as u64;
        missing.gap(start, ExtendedSequenceNumber(100 + max), max, &config);
        assert_eq!(missing.packets.len(), config.max_missing);
        missing.gap(start, ExtendedSequenceNumber(102 + max), 1, &config);
        assert!(missing.packets.is_empty() && missing.deadline().is_none());
    }
}
