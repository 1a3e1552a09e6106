//! Memory that many associations share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes associations may hold together for readers that do not read.
///
/// Each association's window bounds what its peer can make it hold. With thousands of them the sum
/// matters: those that are given clones of one budget draw from it, and when it is used up their
/// windows close, and data beyond is refused as if it had not arrived. Only the next chunk in order
/// of an association that holds nothing is always taken, so that short messages go on.
///
/// ```
/// use peerless_sctp::{Config, ReceiveBudget};
///
/// let mut config = Config::default();
/// config.receive_budget = Some(ReceiveBudget::new(256 << 20));
/// let another = config.clone(); // draws from the same
/// # let _ = another;
/// ```
#[derive(Clone, Debug)]
pub struct ReceiveBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    used: AtomicUsize,
}

impl ReceiveBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Shared { limit: bytes, used: AtomicUsize::new(0) }))
    }

    /// Returns how many bytes are drawn.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Returns how many bytes there may be.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    pub(crate) fn left(&self) -> usize {
        self.0.limit.saturating_sub(self.used())
    }

    /// Draws all of `bytes`, or nothing.
    pub(crate) fn draw(&self, bytes: usize) -> bool {
        let limit = self.0.limit;
        self.0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= limit)
            })
            .is_ok()
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
