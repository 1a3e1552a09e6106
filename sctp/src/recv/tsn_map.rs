//! Which transmission sequence numbers have arrived
//! ([RFC 9260 §6.7](https://www.rfc-editor.org/rfc/rfc9260#section-6.7)).

use crate::handover::{HandoverError, Reader, Writer, check};
use crate::tsn::Tsn;

/// The cumulative TSN and the runs of numbers beyond it.
#[derive(Debug)]
pub(crate) struct TsnMap {
    cumulative: Tsn,
    /// Runs beyond `cumulative + 1`, first and last inclusive, in order, never touching.
    gaps: Vec<(Tsn, Tsn)>,
    /// Numbers that came again since the last SACK.
    duplicates: Vec<Tsn>,
    duplicate_count: u64,
}

/// What a number is to the map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arrival {
    /// The next one in order.
    Next,
    /// New, beyond one that is missing.
    Beyond,
    /// It came before.
    Duplicate,
    /// So far ahead, or making so many gaps, that it cannot be told in a SACK: not taken.
    OutOfReach,
}

impl TsnMap {
    pub(crate) const fn new(initial: Tsn) -> Self {
        Self {
            cumulative: initial.previous(),
            gaps: Vec::new(),
            duplicates: Vec::new(),
            duplicate_count: 0,
        }
    }

    pub(crate) const fn cumulative(&self) -> Tsn {
        self.cumulative
    }

    pub(crate) fn gaps(&self) -> &[(Tsn, Tsn)] {
        &self.gaps
    }

    pub(crate) fn duplicates(&self) -> &[Tsn] {
        &self.duplicates
    }

    pub(crate) const fn duplicate_count(&self) -> u64 {
        self.duplicate_count
    }

    pub(crate) const fn set_duplicate_count(&mut self, count: u64) {
        self.duplicate_count = count;
    }

    /// A SACK has reported as many duplicates as it had room for; the rest are never reported.
    pub(crate) fn clear_duplicates(&mut self) {
        self.duplicates.clear();
    }

    /// The index of the first run that ends at or after `tsn`.
    fn run_at(&self, tsn: Tsn) -> usize {
        let distance = tsn.distance_from(self.cumulative);
        self.gaps.partition_point(|(_, last)| last.distance_from(self.cumulative) < distance)
    }

    /// What `tsn` would be, without taking it.
    #[inline]
    pub(crate) fn classify(&self, tsn: Tsn) -> Arrival {
        if tsn == self.cumulative.next() {
            return Arrival::Next;
        }
        if !tsn.is_after(self.cumulative) {
            return Arrival::Duplicate;
        }
        if tsn.distance_from(self.cumulative) > MAX_DISTANCE {
            return Arrival::OutOfReach;
        }
        let run = self.run_at(tsn);
        if let Some((first, _)) = self.gaps.get(run)
            && tsn.is_at_or_after(*first)
        {
            return Arrival::Duplicate;
        }
        let extends = run
            .checked_sub(1)
            .and_then(|before| self.gaps.get(before))
            .is_some_and(|(_, last)| last.next() == tsn)
            || self.gaps.get(run).is_some_and(|(first, _)| tsn.next() == *first);
        if !extends && self.gaps.len() >= MAX_GAPS {
            return Arrival::OutOfReach;
        }
        Arrival::Beyond
    }

    /// Takes a number that was classified as next or beyond.
    #[inline]
    pub(crate) fn insert(&mut self, tsn: Tsn) {
        if tsn == self.cumulative.next() {
            self.cumulative = tsn;
            self.join();
            return;
        }
        let run = self.run_at(tsn);
        let joins_next = self.gaps.get(run).is_some_and(|(first, _)| tsn.next() == *first);
        let before = run.checked_sub(1).and_then(|before| self.gaps.get_mut(before));
        match before {
            Some((_, last)) if last.next() == tsn => {
                *last = tsn;
                if joins_next {
                    let (_, end) = self.gaps.remove(run);
                    if let Some((_, last)) = self.gaps.get_mut(run - 1) {
                        *last = end;
                    }
                }
            }
            _ if joins_next => {
                if let Some((first, _)) = self.gaps.get_mut(run) {
                    *first = tsn;
                }
            }
            _ => self.gaps.insert(run, (tsn, tsn)),
        }
    }

    /// Remembers that `tsn` came again.
    pub(crate) fn note_duplicate(&mut self, tsn: Tsn) {
        self.duplicate_count += 1;
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
    }

    /// Counts everything up to `tsn` as arrived (RFC 3758 §3.6).
    pub(crate) fn forward_to(&mut self, tsn: Tsn) {
        if !tsn.is_after(self.cumulative) {
            return;
        }
        self.gaps.retain_mut(|(first, last)| {
            if tsn.is_at_or_after(*last) {
                return false;
            }
            if tsn.is_at_or_after(*first) {
                *first = tsn.next();
            }
            true
        });
        self.cumulative = tsn;
        self.join();
    }

    pub(crate) fn hand_over(&self, out: &mut Writer) {
        out.u32(self.cumulative.0);
        out.list(self.gaps.iter(), |out, (first, last)| {
            out.u32(first.0);
            out.u32(last.0);
        });
    }

    /// Takes up what was handed over; `self` is new.
    pub(crate) fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        self.cumulative = Tsn(from.u32()?);
        // The number after a run, and the one after the cumulative one, are missing.
        let mut missing = 1;
        self.gaps = from.list(|from| {
            let (first, last) = (Tsn(from.u32()?), Tsn(from.u32()?));
            let start = first.distance_from(self.cumulative);
            let end = last.distance_from(self.cumulative);
            check(missing < start && start <= end && end <= MAX_DISTANCE)?;
            missing = end + 1;
            Ok((first, last))
        })?;
        check(self.gaps.len() <= MAX_GAPS)
    }

    /// Takes in the first run when the cumulative TSN has reached it.
    fn join(&mut self) {
        if let Some(&(first, last)) = self.gaps.first()
            && first == self.cumulative.next()
        {
            self.cumulative = last;
            self.gaps.remove(0);
        }
    }
}

/// A gap block's offset has 16 bits.
const MAX_DISTANCE: u32 = 65_535;
/// As many gap blocks as two SACKs of an ordinary packet size could tell.
const MAX_GAPS: usize = 512;
/// Duplicates are only told so that the sender may judge its timers: a few are enough.
const MAX_DUPLICATES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn runs_grow_and_join() {
        let mut map = TsnMap::new(Tsn(u32::MAX));
        for tsn in [2, 4, 3, 0] {
            assert_eq!(map.classify(Tsn(tsn)), Arrival::Beyond);
            map.insert(Tsn(tsn));
        }
        assert_eq!(map.gaps(), [(Tsn(0), Tsn(0)), (Tsn(2), Tsn(4))]);
        assert_eq!(map.classify(Tsn(3)), Arrival::Duplicate);
        assert_eq!(map.classify(Tsn(u32::MAX)), Arrival::Next);
        map.insert(Tsn(u32::MAX));
        assert_eq!(map.cumulative(), Tsn(0));
        map.insert(Tsn(1));
        assert_eq!((map.cumulative(), map.gaps().len()), (Tsn(4), 0));
        assert_eq!(map.classify(Tsn(4)), Arrival::Duplicate);
    }

    #[test]
    fn forwarding_cuts_and_joins_runs() {
        let mut map = TsnMap::new(Tsn(1));
        for tsn in [3, 5, 6, 7, 9] {
            map.insert(Tsn(tsn));
        }
        map.forward_to(Tsn(6));
        assert_eq!((map.cumulative(), map.gaps()), (Tsn(7), &[(Tsn(9), Tsn(9))][..]));
        map.forward_to(Tsn(2));
        assert_eq!(map.cumulative(), Tsn(7));
    }

    #[test]
    fn gaps_and_duplicates_are_bounded() {
        let mut map = TsnMap::new(Tsn(1));
        let mut taken = 0;
        for index in 1..2000 {
            let tsn = Tsn(1 + 2 * index);
            if map.classify(tsn) == Arrival::Beyond {
                map.insert(tsn);
                taken += 1;
            }
            map.note_duplicate(tsn);
        }
        assert_eq!((taken, map.gaps().len()), (MAX_GAPS, MAX_GAPS));
        assert_eq!(map.duplicates().len(), MAX_DUPLICATES);
        assert_eq!(map.classify(Tsn(70_000)), Arrival::OutOfReach);
    }

    #[test]
    fn it_agrees_with_a_set_of_numbers() {
        let mut state = 7_u64;
        let mut map = TsnMap::new(Tsn(1));
        let mut set = BTreeSet::from([0]);
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let tsn = map.cumulative().0 + 1 + u32::try_from((state >> 33) % 40).unwrap();
            let new = set.insert(tsn);
            let arrival = map.classify(Tsn(tsn));
            assert_eq!(new, matches!(arrival, Arrival::Next | Arrival::Beyond));
            if new {
                map.insert(Tsn(tsn));
            }
            assert!(!set.contains(&(map.cumulative().0 + 1)), "the cumulative number lags");
            assert!(set.contains(&map.cumulative().0));
        }
    }
}
