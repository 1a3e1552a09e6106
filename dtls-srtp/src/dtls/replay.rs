//! Which records came before ([RFC 6347 §4.1.2.6](https://www.rfc-editor.org/rfc/rfc6347#section-4.1.2.6),
//! [RFC 9147 §4.5.1](https://www.rfc-editor.org/rfc/rfc9147#section-4.5.1)).

/// Which of the newest 256 records of an epoch came.
///
/// The bits are a ring: record `n` has the bit `n` modulo their number, so that moving on clears
/// bits and shifts nothing.
#[derive(Debug, Default)]
pub(crate) struct ReplayWindow {
    /// One more than the newest number; zero before the first.
    end: u64,
    seen: [u64; 4],
}

impl ReplayWindow {
    const LEN: u64 = 256;

    /// One more than the newest number that came; zero before the first.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn is_new(&self, number: u64) -> bool {
        match self.end.checked_sub(number + 1) {
            None => true,
            Some(age) => age < Self::LEN && self.word(number) & bit(number) == 0,
        }
    }

    pub(crate) fn mark(&mut self, number: u64) {
        if number >= self.end {
            for passed in (self.end..=number).rev().take(Self::LEN as usize) {
                *self.word_mut(passed) &= !bit(passed);
            }
            self.end = number + 1;
        }
        if self.end - number <= Self::LEN {
            *self.word_mut(number) |= bit(number);
        }
    }

    fn word(&self, number: u64) -> u64 {
        let [first, second, third, fourth] = self.seen;
        match number >> 6 & 3 {
            0 => first,
            1 => second,
            2 => third,
            _ => fourth,
        }
    }

    fn word_mut(&mut self, number: u64) -> &mut u64 {
        let [first, second, third, fourth] = &mut self.seen;
        match number >> 6 & 3 {
            0 => first,
            1 => second,
            2 => third,
            _ => fourth,
        }
    }
}

fn bit(number: u64) -> u64 {
    1 << (number & 0x3f)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::ChaCha20Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn a_number_is_new_once_as_long_as_it_is_among_the_newest_256() {
        for seed in 0..20 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let mut window = ReplayWindow::default();
            let mut seen = BTreeSet::new();
            for _ in 0..5000 {
                let ahead = if rng.random_bool(0.02) { 600 } else { 3 };
                let number = (window.end() + ahead).saturating_sub(rng.random_range(0..300));
                let old = number + ReplayWindow::LEN < window.end();
                assert_eq!(window.is_new(number), !old && !seen.contains(&number), "seed {seed}");
                window.mark(number);
                seen.insert(number);
                assert!(!window.is_new(number), "seed {seed}");
            }
        }
    }
}
