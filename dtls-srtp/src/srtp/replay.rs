use super::UnprotectError;

/// Which indexes of a source were seen: the newest, and one bit for each of those before it
/// ([RFC 3711 §3.3.2](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.2)).
///
/// The bits are a ring: index `i` has the bit `i` modulo their number, so that moving on clears
/// bits and shifts nothing.
#[derive(Debug, Default)]
pub(super) struct ReplayWindow {
    /// One more than the newest index; zero before the first.
    end: u64,
    seen: Seen,
}

#[derive(Debug)]
enum Seen {
    /// All from this index on.
    From(u64),
    /// Those whose bits are set.
    Bits(Box<[u64]>),
}

impl Default for Seen {
    fn default() -> Self {
        Self::From(0)
    }
}

/// How many indexes are known where `window` are wanted: the number of words is a power of two.
const fn known(window: usize) -> usize {
    window.div_ceil(64).next_power_of_two() * 64
}

impl ReplayWindow {
    /// Returns the newest index.
    pub(super) const fn newest(&self) -> Option<u64> {
        self.end.checked_sub(1)
    }

    /// Tells a new index from one seen before and from one too old to know.
    #[inline]
    pub(super) fn check(&self, index: u64, window: usize) -> Result<(), UnprotectError> {
        if index >= self.end {
            return Ok(());
        }
        let (window, seen) = match &self.seen {
            Seen::From(first) => (known(window), index >= *first),
            Seen::Bits(bits) => {
                let (word, mask) = place(bits, index);
                (bits.len() * 64, bits.get(word).is_some_and(|word| word & mask != 0))
            }
        };
        if self.end - index > window as u64 {
            return Err(UnprotectError::TooOld);
        }
        if seen { Err(UnprotectError::Replayed) } else { Ok(()) }
    }

    /// Marks `index` as seen, in a window of at least `window` indexes.
    #[inline]
    pub(super) fn mark(&mut self, index: u64, window: usize) {
        if let Seen::From(first) = self.seen {
            self.remember(first, window);
        }
        let end = self.end.max(index + 1);
        let Seen::Bits(bits) = &mut self.seen else { return };
        // One step, the usual, leaves nothing out.
        if index > self.end {
            clear(bits, self.end, index - 1);
        }
        self.end = end;
        let (word, mask) = place(bits, index);
        if let Some(word) = bits.get_mut(word) {
            *word |= mask;
        }
    }

    /// The same for a sender, whose indexes mostly follow each other: while they do, there is nothing
    /// to keep.
    #[inline]
    pub(super) fn mark_sent(&mut self, index: u64, window: usize) {
        match &mut self.seen {
            Seen::From(first) if self.end == 0 => *first = index,
            Seen::From(_) if index == self.end => {}
            _ => return self.mark(index, window),
        }
        self.end = index + 1;
    }

    /// From now on each index has its bit: those from `first` on were seen.
    #[cold]
    fn remember(&mut self, first: u64, window: usize) {
        let mut bits: Box<[u64]> = vec![0; known(window) / 64].into();
        let oldest = self.end.saturating_sub(known(window) as u64).max(first);
        for index in oldest..self.end {
            let (word, mask) = place(&bits, index);
            if let Some(word) = bits.get_mut(word) {
                *word |= mask;
            }
        }
        self.seen = Seen::Bits(bits);
    }

    /// Follows the newest index without keeping which were seen.
    pub(super) fn advance(&mut self, index: u64) {
        self.end = self.end.max(index + 1);
    }
}

/// Clears the bits of `from..=to`, each at most once.
#[cold]
fn clear(bits: &mut [u64], from: u64, to: u64) {
    let len = (to - from + 1).min(bits.len() as u64 * 64);
    if len == bits.len() as u64 * 64 {
        bits.fill(0);
        return;
    }
    for index in to + 1 - len..=to {
        let (word, mask) = place(bits, index);
        if let Some(word) = bits.get_mut(word) {
            *word &= !mask;
        }
    }
}

/// Returns the word and the bit in it that belong to `index`.
#[inline]
const fn place(bits: &[u64], index: u64) -> (usize, u64) {
    // The number of words is a power of two, so that this is no division.
    ((index / 64) as usize & bits.len().wrapping_sub(1), 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng, rngs::ChaCha20Rng};

    use super::*;

    const WINDOW: usize = 128;

    #[test]
    fn an_index_is_new_once() {
        let mut window = ReplayWindow::default();
        window.mark(7, WINDOW);
        assert_eq!(window.check(7, WINDOW), Err(UnprotectError::Replayed));
        assert_eq!(window.check(6, WINDOW), Ok(()));
        assert_eq!(window.check(8, WINDOW), Ok(()));
    }

    #[test]
    fn a_sender_that_counts_on_keeps_no_bits_and_knows_the_same() {
        assert_eq!(size_of::<ReplayWindow>(), 24);
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        for _ in 0..200 {
            let (mut sent, mut seen) = (ReplayWindow::default(), ReplayWindow::default());
            let mut next = rng.random_range(0..300);
            for step in 0..rng.random_range(1..400) {
                if step > 100 && rng.random_ratio(1, 50) {
                    next += rng.random_range(0..200);
                }
                sent.mark_sent(next, WINDOW);
                seen.mark(next, WINDOW);
                next += 1;
                if step <= 100 {
                    assert!(matches!(sent.seen, Seen::From(_)));
                }
                let other = next.saturating_sub(rng.random_range(0..200));
                assert_eq!(sent.check(other, WINDOW), seen.check(other, WINDOW), "{other}");
                if step > 100 && rng.random_ratio(1, 20) && seen.check(other, WINDOW).is_ok() {
                    sent.mark_sent(other, WINDOW);
                    seen.mark(other, WINDOW);
                    next = next.max(other + 1);
                }
            }
        }
    }

    #[test]
    fn the_oldest_index_of_the_window_is_still_taken() {
        let mut window = ReplayWindow::default();
        window.mark(1000, WINDOW);
        assert_eq!(window.check(1000 - 127, WINDOW), Ok(()));
        assert_eq!(window.check(1000 - 128, WINDOW), Err(UnprotectError::TooOld));
    }

    #[test]
    fn a_jump_forgets_all_that_was_seen() {
        let mut window = ReplayWindow::default();
        for index in 0..200 {
            window.mark(index, WINDOW);
        }
        window.mark(200 + (1 << 40), WINDOW);
        assert_eq!(window.check(200 + (1 << 40) - 1, WINDOW), Ok(()));
        assert_eq!(window.check(199, WINDOW), Err(UnprotectError::TooOld));
    }

    #[test]
    fn agrees_with_a_set_of_all_indexes() {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        for size in [64, 128, 1024] {
            let (mut window, mut seen) = (ReplayWindow::default(), BTreeSet::new());
            let mut newest = 0u64;
            for _ in 0..20_000 {
                let index = match rng.random_range(0..10) {
                    0 => newest + rng.random_range(0..2 * size as u64),
                    1..4 => newest + 1,
                    _ => newest.saturating_sub(rng.random_range(0..size as u64 * 5 / 4)),
                };
                let expected = if index + size as u64 <= newest {
                    Err(UnprotectError::TooOld)
                } else if seen.contains(&index) {
                    Err(UnprotectError::Replayed)
                } else {
                    Ok(())
                };
                assert_eq!(window.check(index, size), expected, "{index} of {newest}");
                if expected.is_ok() {
                    window.mark(index, size);
                    seen.insert(index);
                    newest = newest.max(index);
                }
            }
        }
    }
}
