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
    woken: AtomicBool,
    stopped: AtomicBool,
}

impl Waker {
    pub(super) fn new(poll: mio::Waker) -> Self {
        let (woken, stopped) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { poll, woken, stopped }) }
    }

    /// Makes the driver call its `on_wake`, once for all calls since the last one. Returns at once.
    pub fn wake(&self) {
        // Whoever finds it set can rely on the wake-up of the one who set it.
        if !self.shared.woken.swap(true, Ordering::AcqRel) {
            self.interrupt();
        }
    }

    /// Makes the driver return from `run`, once it has sent what its connections have to say.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.interrupt();
    }

    fn interrupt(&self) {
        if let Err(error) = self.shared.poll.wake() {
            warn!(%error, "cannot wake the driver");
        }
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
