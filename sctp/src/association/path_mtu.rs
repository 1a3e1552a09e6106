//! How large a packet the path carries
//! ([RFC 8899](https://www.rfc-editor.org/rfc/rfc8899), for SCTP
//! [§6.2](https://www.rfc-editor.org/rfc/rfc8899#section-6.2)).
//!
//! A probe is a HEARTBEAT and a PAD that fills the packet to the size in question; its answer says
//! that the size goes through. Nothing of value is in it, so that a size that does not costs nothing.
//!
//! ```text
//! A → HEARTBEAT PAD (max) → ✗       three times: too large
//! A → HEARTBEAT PAD (half way) → Z  Z → HEARTBEAT ACK → A: packets become larger
//! ...until what is known to pass and what is not are close.
//! ```

use super::Association;
use crate::chunk::{Chunk, ChunkType, begin, end, heartbeat};
use crate::config::clamp_mtu;
use rand::Rng;
use std::time::{Duration, Instant};

/// The search for the size.
#[derive(Debug, Default)]
pub(crate) struct PathMtu {
    /// The size that was configured, and is kept to when a larger one stops to pass (BASE_PLPMTU).
    base: usize,
    /// The least size that is known not to pass, or one more than what may be tried.
    ceiling: usize,
    /// What the open probe carries, its size, and how often it was sent.
    nonce: u64,
    size: usize,
    sent: u32,
    /// When the next probe is due, or the open one counts as lost.
    timer: Option<Instant>,
    /// A probe is to be sent.
    pub(super) due: bool,
}

impl PathMtu {
    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.timer
    }
}

impl Association {
    /// The association is up: the search begins, where it is allowed.
    pub(crate) fn start_path_mtu(&mut self, now: Instant) {
        // After a restart packets have the size that was found; what was configured is the lesser.
        let base = match self.path_mtu.base {
            0 => self.send.mtu(),
            base => base.min(self.send.mtu()),
        };
        self.path_mtu = PathMtu { base, ..PathMtu::default() };
        let Some(most) = self.config.max_mtu else { return };
        self.path_mtu.ceiling = clamp_mtu(most) + 4;
        self.next_size(now);
    }

    /// Whether the next packet may be longer than [`Self::mtu`]: a probe of the path's size, or a chunk
    /// sent again that was cut for larger packets than the path takes now (§6.9 does not let it be cut
    /// again). Who sends several packets of one size at a time leaves it alone.
    pub const fn may_exceed_mtu(&self) -> bool {
        self.path_mtu.due || self.send.is_oversized()
    }

    /// The path is another one: what follows is cut for any path, and the search begins anew.
    pub(crate) fn path_mtu_changed(&mut self, now: Instant) {
        if self.state.is_up() && self.config.max_mtu.is_some() && self.path_mtu.base > 0 {
            self.send.set_mtu(self.path_mtu.base.min(self.send.mtu()));
            self.start_path_mtu(now);
        }
    }

    /// Chooses the size to try next: the greatest first, then half way.
    fn next_size(&mut self, now: Instant) {
        let passes = self.send.mtu();
        let state = &mut self.path_mtu;
        state.sent = 0;
        state.due = false;
        if state.ceiling <= passes + GRANULARITY {
            // As good as found; a path may carry more later (PMTU_RAISE_TIMER).
            state.size = 0;
            state.timer = now.checked_add(RAISE);
            return;
        }
        let greatest = state.size == 0;
        let size =
            if greatest { state.ceiling - 4 } else { usize::midpoint(passes, state.ceiling) };
        state.size = clamp_mtu(size);
        state.nonce = self.entropy.draw(Rng::next_u64);
        state.due = true;
        state.timer = None;
    }

    pub(crate) fn handle_path_mtu_timeout(&mut self, now: Instant) {
        if self.path_mtu.timer.is_none_or(|at| at > now) {
            return;
        }
        self.path_mtu.timer = None;
        // §8.3 of RFC 9260: no HEARTBEAT once SHUTDOWN was sent.
        if !self.state.may_send() {
            return;
        }
        if self.path_mtu.size == 0 {
            return self.start_search_again(now);
        }
        if self.path_mtu.sent < MAX_PROBES {
            self.path_mtu.due = true;
            return;
        }
        self.path_mtu.ceiling = self.path_mtu.size;
        self.next_size(now);
    }

    fn start_search_again(&mut self, now: Instant) {
        if let Some(most) = self.config.max_mtu {
            self.path_mtu.ceiling = clamp_mtu(most) + 4;
            self.next_size(now);
        }
    }

    /// Appends the probe, alone in its packet, which begins at `start`.
    pub(crate) fn write_probe(&mut self, now: Instant, buf: &mut Vec<u8>, start: usize) {
        heartbeat::write(buf, self.path_mtu.nonce);
        let pad = (start + self.path_mtu.size).saturating_sub(buf.len() + crate::chunk::HEADER_LEN);
        let at = begin(buf, ChunkType::Pad, 0);
        buf.resize(buf.len() + pad, 0);
        end(buf, at);
        self.path_mtu.due = false;
        self.path_mtu.sent += 1;
        self.path_mtu.timer = Some(now + self.send.rto.current().max(MIN_PROBE_TIMER));
    }

    /// HEARTBEAT ACK; gives whether it answers a probe.
    pub(crate) fn take_probe_answer(&mut self, now: Instant, chunk: &Chunk<'_>) -> bool {
        if self.path_mtu.sent == 0 || heartbeat::parse_ack(chunk) != Some(self.path_mtu.nonce) {
            return false;
        }
        self.errors = 0;
        self.send.set_mtu(self.path_mtu.size);
        self.next_size(now);
        true
    }

    /// T3-rtx has expired: where larger packets were in use and nothing has come through twice, they
    /// may be what does not pass any more (a black hole, §4.3).
    pub(crate) fn suspect_black_hole(&mut self, now: Instant) {
        if self.errors >= BLACK_HOLE
            && self.path_mtu.base > 0
            && self.send.mtu() > self.path_mtu.base
        {
            self.path_mtu.ceiling = self.send.mtu();
            self.send.set_mtu(self.path_mtu.base);
            self.next_size(now);
        }
    }
}

/// Sizes closer than this are as good as each other.
const GRANULARITY: usize = 32;
/// §5.1.2: MAX_PROBES.
const MAX_PROBES: u32 = 3;
/// §5.1.1: PROBE_TIMER "MUST NOT be smaller than 1 second".
const MIN_PROBE_TIMER: Duration = Duration::from_secs(1);
/// §5.1.1: PMTU_RAISE_TIMER, 600 seconds.
const RAISE: Duration = Duration::from_secs(600);
/// So many timeouts in a row.
const BLACK_HOLE: u32 = 2;
