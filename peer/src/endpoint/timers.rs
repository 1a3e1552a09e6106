//! When each of many connections wants to be called.

use std::time::Instant;

/// A binary heap of deadlines that knows where each one is: setting one moves it, so that the heap
/// holds at most one per slot, and the earliest is always at hand.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: Vec<(Instant, u32)>,
    /// Where a slot's deadline is in the heap, or [`NOWHERE`].
    positions: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl Timers {
    /// Sets, moves or takes away the deadline of a slot.
    pub(crate) fn set(&mut self, slot: u32, deadline: Option<Instant>) {
        let at = self.position(slot);
        match (at, deadline) {
            (None, None) => {}
            (None, Some(deadline)) => {
                let at = self.heap.len();
                self.heap.push((deadline, slot));
                self.place(slot, at);
                self.sift_up(at);
            }
            (Some(at), Some(deadline)) => {
                let before = self.deadline(at);
                if let Some(entry) = self.heap.get_mut(at) {
                    entry.0 = deadline;
                }
                if before.is_some_and(|before| deadline < before) {
                    self.sift_up(at);
                } else {
                    self.sift_down(at);
                }
            }
            (Some(at), None) => {
                self.heap.swap_remove(at);
                self.forget(slot);
                if let Some(&(_, moved)) = self.heap.get(at) {
                    self.place(moved, at);
                    self.sift_down(at);
                    self.sift_up(at);
                }
            }
        }
    }

    /// Returns the earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.deadline(0)
    }

    /// Takes the earliest deadline away when it is due; gives its slot.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let &(deadline, slot) = self.heap.first()?;
        (deadline <= now).then(|| {
            self.set(slot, None);
            slot
        })
    }

    fn deadline(&self, at: usize) -> Option<Instant> {
        self.heap.get(at).map(|(deadline, _)| *deadline)
    }

    fn position(&self, slot: u32) -> Option<usize> {
        let position = *self.positions.get(slot as usize)?;
        (position != NOWHERE).then_some(position as usize)
    }

    fn place(&mut self, slot: u32, at: usize) {
        let slot = slot as usize;
        if self.positions.len() <= slot {
            self.positions.resize(slot + 1, NOWHERE);
        }
        if let Some(position) = self.positions.get_mut(slot) {
            *position = at as u32;
        }
    }

    fn forget(&mut self, slot: u32) {
        if let Some(position) = self.positions.get_mut(slot as usize) {
            *position = NOWHERE;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for at in [a, b] {
            if let Some(&(_, slot)) = self.heap.get(at) {
                self.place(slot, at);
            }
        }
    }

    fn sift_up(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.deadline(parent) <= self.deadline(at) {
                return;
            }
            self.swap(at, parent);
            at = parent;
        }
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let children = [2 * at + 1, 2 * at + 2];
            let earliest = children
                .into_iter()
                .filter(|&child| child < self.heap.len())
                .min_by_key(|&child| self.deadline(child));
            match earliest {
                Some(child) if self.deadline(child) < self.deadline(at) => {
                    self.swap(at, child);
                    at = child;
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use rand::rngs::ChaCha20Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn deadlines_come_in_their_order() {
        let now = start();
        let mut timers = Timers::default();
        for (slot, seconds) in [(3, 5), (0, 1), (7, 3), (1, 9)] {
            timers.set(slot, Some(now + Duration::from_secs(seconds)));
        }
        timers.set(7, Some(now + Duration::from_secs(2)));
        timers.set(1, None);
        assert_eq!(timers.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(timers.pop_due(now), None);
        let late = now + Duration::from_secs(60);
        let order: Vec<_> = std::iter::from_fn(|| timers.pop_due(late)).collect();
        assert_eq!(order, [0, 7, 3]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn it_agrees_with_a_sorted_map() {
        for seed in 0..50 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let now = start();
            let mut timers = Timers::default();
            let mut model = BTreeMap::new();
            for _ in 0..2000 {
                let slot = rng.random_range(0..40u32);
                let deadline = now + Duration::from_millis(rng.random_range(0..1000));
                match rng.random_range(0..4) {
                    0 => {
                        timers.set(slot, None);
                        model.remove(&slot);
                    }
                    1 => {
                        if let Some(popped) = timers.pop_due(deadline) {
                            let due = model.remove(&popped).unwrap();
                            assert!(due <= deadline, "seed {seed}");
                            assert!(model.values().all(|other| *other >= due), "seed {seed}");
                        } else {
                            assert!(model.values().all(|other| *other > deadline), "seed {seed}");
                        }
                    }
                    _ => {
                        timers.set(slot, Some(deadline));
                        model.insert(slot, deadline);
                    }
                }
                assert_eq!(timers.next(), model.values().min().copied(), "seed {seed}");
                assert_eq!(timers.heap.len(), model.len(), "seed {seed}");
            }
        }
    }
}
