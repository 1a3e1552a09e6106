//! Everything that a connection takes from the world besides datagrams.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};

/// One instant, one reading of the wall clock, and one seed: the whole ambient input of a
/// [`PeerConnection`](crate::PeerConnection) or an [`Endpoint`](crate::Endpoint).
///
/// Two connections with the same origin that are given the same calls make the same choices. A
/// repeated seed therefore repeats secrets: outside tests, take [`Origin::system`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Origin {
    /// The time at which the connection is made.
    pub now: Instant,
    /// What the wall clock says at `now`; RTCP sender reports and certificates carry dates.
    pub wall_clock: SystemTime,
    /// 32 bytes from which every random choice is drawn. A secret; never printed.
    pub seed: [u8; 32],
}

impl Origin {
    /// An origin of the caller's making: for tests, simulations and replays, or for systems that
    /// have their own clock and entropy.
    pub const fn new(now: Instant, wall_clock: SystemTime, seed: [u8; 32]) -> Self {
        Self { now, wall_clock, seed }
    }

    /// Reads the system's clocks and takes 32 fresh bytes of entropy.
    ///
    /// # Panics
    ///
    /// When the operating system has no entropy to give; nothing can be secure there.
    #[cfg(feature = "os")]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the world's clock and entropy come in"
    )]
    pub fn system() -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the operating system has entropy");
        Self { now: Instant::now(), wall_clock: SystemTime::now(), seed }
    }

    /// What the wall clock says at `now`, by this origin's reckoning.
    pub fn wall_clock_at(&self, now: Instant) -> SystemTime {
        self.wall_clock + now.saturating_duration_since(self.now)
    }

    /// The time since this origin.
    pub fn elapsed_at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.now)
    }

    /// A seed for the child that owns stream `stream`: the first bytes of a ChaCha20 stream of its
    /// own, so that a new draw in one layer never shifts another's.
    pub(crate) fn child_seed(&self, stream: SeedStream) -> [u8; 32] {
        let mut rng = ChaCha20Rng::from_seed(self.seed);
        rng.set_stream(stream.number());
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        seed
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("now", &self.now)
            .field("wall_clock", &self.wall_clock)
            .finish_non_exhaustive()
    }
}

/// The streams of randomness that a seed is divided into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SeedStream {
    Jsep,
    Ice,
    /// An association, by how many there were before.
    Sctp(u32),
    Dtls(u32),
    Rtp(u32),
    /// A connection of an endpoint, by its serial number.
    Connection(u64),
    /// The keys of an endpoint's hash maps.
    Demux,
}

impl SeedStream {
    const fn number(self) -> u64 {
        match self {
            Self::Jsep => 1,
            Self::Ice => 2,
            Self::Sctp(0) => 3,
            Self::Demux => 4,
            Self::Sctp(n) => (4 << 32) | n as u64,
            Self::Dtls(n) => (1 << 32) | n as u64,
            Self::Rtp(n) => (2 << 32) | n as u64,
            Self::Connection(n) => (3 << 32) + n,
        }
    }
}
