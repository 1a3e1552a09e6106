use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::choices::Choices;

/// The instant at which virtual time begins.
pub(crate) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs some instant to count from"
        )]
        let now = Instant::now();
        // Room to go back in time.
        now + Duration::from_secs(3600)
    })
}

/// Virtual time of a target.
#[derive(Debug)]
pub(crate) struct Clock {
    newest: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { newest: start() }
    }

    /// The newest time that was told.
    pub(crate) fn now(&self) -> Instant {
        self.newest
    }

    pub(crate) fn advance(&mut self, choices: &mut Choices<'_>) -> Instant {
        self.newest += choices.duration();
        self.newest
    }

    /// Goes to a deadline, as a driver does.
    pub(crate) fn advance_to(&mut self, deadline: Option<Instant>) -> Instant {
        if let Some(deadline) = deadline {
            self.newest = self.newest.max(deadline);
        }
        self.newest
    }

    /// A time before the newest.
    pub(crate) fn earlier(&self, choices: &mut Choices<'_>) -> Instant {
        let earlier = self.newest.checked_sub(choices.duration());
        earlier.map_or_else(start, |earlier| earlier.max(start()))
    }
}

/// Clause 2 of the contract, after a drain at `now`.
pub(crate) fn assert_does_not_spin(now: Instant, timeout: Option<Instant>) {
    if let Some(timeout) = timeout {
        assert!(timeout > now, "asks to be woken {:?} ago", now.duration_since(timeout));
    }
}
