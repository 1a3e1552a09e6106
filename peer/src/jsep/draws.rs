//! Random numbers of a state that is cloned.

use std::fmt;

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};

/// Random numbers from a seed. The generator itself cannot be cloned, and this state has to be:
/// each draw is a stream of its own.
#[derive(Clone)]
pub(super) struct Draws {
    seed: [u8; 32],
    drawn: u64,
}

impl Draws {
    pub(super) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        let mut random = ChaCha20Rng::from_seed(self.seed);
        random.set_stream(self.drawn);
        self.drawn += 1;
        random.next_u64()
    }

    pub(super) fn next_ssrc(&mut self) -> rtp::Ssrc {
        rtp::Ssrc((self.next_u64() >> 32) as u32)
    }
}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draws").field("drawn", &self.drawn).finish_non_exhaustive()
    }
}
