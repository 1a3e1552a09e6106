//! Random numbers, of which an association needs few and for as long as it lives.

use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;
use std::fmt;
use zeroize::Zeroizing;

/// The random numbers of a seed, without the generator's buffer: a key of 32 bytes and a place in
/// its stream, instead of 320 bytes.
pub(crate) struct Entropy {
    seed: Zeroizing<[u8; 32]>,
    /// How many words of four bytes were taken.
    position: u64,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), position: 0 }
    }

    /// Lets numbers be taken, one after the other as from a [`ChaCha20Rng`] that is kept.
    pub(crate) fn draw<T>(&mut self, draw: impl FnOnce(&mut ChaCha20Rng) -> T) -> T {
        let mut rng = ChaCha20Rng::from_seed(*self.seed);
        rng.set_word_pos(u128::from(self.position));
        let drawn = draw(&mut rng);
        self.position = u64::try_from(rng.get_word_pos()).unwrap_or(0);
        drawn
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entropy").field("position", &self.position).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn the_numbers_are_those_of_the_generator() {
        let mut kept = ChaCha20Rng::from_seed([7; 32]);
        let mut entropy = Entropy::new([7; 32]);
        for round in 0..500 {
            if round % 3 == 0 {
                assert_eq!(entropy.draw(Rng::next_u64), kept.next_u64(), "{round}");
            } else {
                assert_eq!(entropy.draw(Rng::next_u32), kept.next_u32(), "{round}");
            }
        }
    }
}
