//! What was asked of a provider, and what it shall refuse.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something that cryptography is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub(crate) enum Work {
    KeyExchangeStarted,
    KeyExchangeCompleted,
    Signed,
    Verified,
    Hashed,
    /// A call of DTLS 1.2's PRF, or of HKDF in DTLS 1.3.
    Derived,
    Sealed,
    Opened,
    Masked,
    /// Keystream that nothing authenticates: key derivation and encrypted headers of SRTP.
    KeystreamApplied,
    Randomness,
}

const KINDS: usize = 11;

/// Counters of one provider, which lives as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    counted: [AtomicU64; KINDS],
    /// One more than the index of what is refused.
    refused: AtomicU64,
}

impl Counts {
    pub(crate) fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    /// From here on this fails; where it cannot, its result is spoiled.
    pub(crate) fn refuse(&self, work: Work) {
        self.refused.store(1 + work as u64, Ordering::Relaxed);
    }

    /// Counts a piece of work, and tells whether it may be done.
    pub(crate) fn count(&self, work: Work) -> bool {
        self.counted[work as usize].fetch_add(1, Ordering::Relaxed);
        self.refused.load(Ordering::Relaxed) != 1 + work as u64
    }

    pub(crate) fn of(&self, work: Work) -> u64 {
        self.counted[work as usize].load(Ordering::Relaxed)
    }
}
