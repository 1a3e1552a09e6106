//! Waking a driver from another thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

/// Wakes a [`Blocking`](super::Blocking) driver from any thread, or stops it. Cheap to clone.
#[derive(Clone)]
pub struct Waker {
    shared: Arc<Shared>,
}

struct Shared {
    poll: mio::Waker,
    /// The wait is being interrupted, and has not returned yet.
    interrupted: AtomicBool,
    /// `on_wake` is to be called.
    woken: AtomicBool,
    stopped: AtomicBool,
}

impl Waker {
    pub(super) fn new(poll: mio::Waker) -> Self {
        let (interrupted, woken, stopped) = Default::default();
        Self { shared: Arc::new(Shared { poll, interrupted, woken, stopped }) }
    }

    /// Makes the driver call its `on_wake`, once for all calls since the last one, and ends the wait
    /// of a [`turn`](super::Blocking::turn) that is under way, or else of the next. Returns at once.
    pub fn wake(&self) {
        self.shared.woken.store(true, Ordering::Release);
        self.interrupt();
    }

    /// Makes the driver return from `run`, once it has sent what its connections have to say. A
    /// [`turn`](super::Blocking::turn) only stops waiting.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.interrupt();
    }

    fn interrupt(&self) {
        // Whoever finds it set can rely on the one who set it.
        if self.shared.interrupted.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.shared.poll.wake() {
            warn!(%error, "cannot wake the driver");
        }
    }

    /// Tells that the wait is over: who wakes or stops from now on interrupts the next one. What was
    /// asked before is seen before that begins.
    pub(super) fn waited(&self) {
        self.shared.interrupted.swap(false, Ordering::AcqRel);
    }

    pub(super) fn take_woken(&self) -> bool {
        self.shared.woken.swap(false, Ordering::AcqRel)
    }

    pub(super) fn take_stopped(&self) -> bool {
        self.shared.stopped.swap(false, Ordering::AcqRel)
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").finish_non_exhaustive()
    }
}
