//! How much the peer may send before it is read
//! ([RFC 9260 §6.2](https://www.rfc-editor.org/rfc/rfc9260#section-6.2), a_rwnd).
//!
//! A window smaller than what the path holds slows the sender down; one that is always large lets
//! whoever sends fill our memory while nobody reads. So it starts small and follows what the
//! application takes in a round trip: four times that, which lets a sender in slow start double, and
//! leaves room for a round trip's worth behind a gap. While something waits to become whole there is
//! room for two of the largest messages at least, or one larger than the window would never do; and for
//! as much again as has arrived of messages that nobody can read before they are whole, up to the
//! greatest window: a sender that interleaves them may have begun any number.

use super::budget::ReceiveBudget;
use crate::config::Config;
use crate::handover::{HandoverError, Reader, Writer};
use crate::span::Span;
use std::time::Instant;

/// The window and what it is measured by.
#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    most: usize,
    initial: u32,
    /// Room for what is to become whole.
    whole: u32,
    /// The window that the last SACK told.
    told: usize,
    /// How much the peer may have made us hold by then, and on its way.
    reach: usize,
    /// Since when [`Self::read`] is counted, and when it was last looked whether that is a round trip:
    /// packets come in batches.
    since: Option<Instant>,
    looked_at: Option<Instant>,
    read: usize,
    /// When the application last read, or had nothing to read.
    prompt_at: Option<Instant>,
    shared: Option<Box<Draw>>,
}

/// A budget that others draw from, too.
#[derive(Debug)]
struct Draw {
    budget: ReceiveBudget,
    /// What was drawn from it.
    drawn: usize,
    /// What is to be drawn beside what is held.
    state: usize,
    /// Of that, for the channels that the peer has opened.
    channels: usize,
}

impl Window {
    pub(crate) fn new(config: &Config) -> Self {
        let most = config.effective_max_receive_window();
        let initial = config.effective_receive_window();
        let whole = config.max_receive_message_size.saturating_mul(2).min(most);
        Self {
            size: initial,
            most,
            // No window is larger than 2^30.
            initial: u32::try_from(initial).unwrap_or(u32::MAX),
            whole: u32::try_from(whole).unwrap_or(u32::MAX),
            told: initial,
            reach: 2 * initial,
            since: None,
            looked_at: None,
            read: 0,
            prompt_at: None,
            shared: config
                .receive_budget
                .clone()
                .map(|budget| Box::new(Draw { budget, drawn: 0, state: 0, channels: 0 })),
        }
    }

    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    const fn initial(&self) -> usize {
        self.initial as usize
    }

    const fn whole(&self) -> usize {
        self.whole as usize
    }

    /// The window while something waits to become whole, of which so much is `stuck`: it cannot be read
    /// before its message is.
    fn with_incomplete(&self, stuck: usize) -> usize {
        self.size.max(self.whole()).max(stuck.saturating_mul(2).min(self.most))
    }

    /// The window to tell, with so much that the application could read, so much held in all, and so
    /// much of that stuck in messages that are not whole. A small one is told as none, lest the peer sends small pieces (the silly window of RFC 1122
    /// §4.2.3.3).
    fn free(&self, ready: usize, held: usize, stuck: usize) -> usize {
        let size = if held > ready { self.with_incomplete(stuck) } else { self.size };
        let mut free = size.saturating_sub(held);
        if let Some(Draw { budget, drawn, state, .. }) = self.shared.as_deref() {
            free = free.min(drawn.saturating_sub(held + state) + budget.left());
        }
        if free < MIN_WINDOW { 0 } else { free }
    }

    /// The window for a SACK that is being made.
    pub(crate) fn tell(&mut self, ready: usize, held: usize, stuck: usize) -> usize {
        self.told = self.free(ready, held, stuck);
        // Each message counts for more than its bytes, which the peer does not know. Where it was told
        // of no room, what it has sent all the same must not make room for more.
        let most = 2 * self.with_incomplete(stuck);
        self.reach = (held + 2 * self.told).min(most).max(self.reach.min(2 * self.initial()));
        self.told
    }

    /// Whether the peer must be told that there is much more room than it knows.
    #[inline]
    pub(crate) fn has_opened(&self, ready: usize, held: usize, stuck: usize) -> bool {
        self.told < self.size / 2 && self.free(ready, held, stuck) >= self.told + self.size / 4
    }

    /// Whether another chunk of `len` bytes can be kept. What moves the cumulative number on has
    /// room for two of the largest messages more, unless the application does not read: else what
    /// waits for it could never leave. With nothing held there is always room for one that does.
    #[inline]
    pub(crate) fn admits(&mut self, len: usize, ready: usize, held: usize, next: bool) -> bool {
        let fits = if next {
            ready < self.reach.max(MIN_WINDOW) && held < self.reach + self.whole()
        } else {
            held < self.reach
        };
        fits && (self.draw(held + len) || (next && held == 0))
    }

    /// Draws from the budget until `held` is covered.
    #[inline]
    fn draw(&mut self, held: usize) -> bool {
        let Some(shared) = &mut self.shared else { return true };
        let wanted = held + shared.state;
        if wanted <= shared.drawn {
            return true;
        }
        let more = wanted.next_multiple_of(step(wanted)) - shared.drawn;
        let drawn = shared.budget.draw(more);
        if drawn {
            shared.drawn += more;
        }
        drawn
    }

    /// Whether there is a budget to draw from.
    #[inline]
    pub(crate) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Draws for `state` bytes beside those that are held: for what the peer makes us remember
    /// without filling its window. If there are not as many left, all stays as it was.
    pub(crate) fn hold_state(&mut self, state: usize, held: usize) -> bool {
        let Some(shared) = &mut self.shared else { return true };
        let before = std::mem::replace(&mut shared.state, state);
        let drawn = self.draw(held);
        if !drawn && let Some(shared) = &mut self.shared {
            shared.state = before;
        }
        drawn
    }

    /// What is drawn for the channels that the peer has opened.
    pub(crate) fn channels(&self) -> usize {
        self.shared.as_ref().map_or(0, |shared| shared.channels)
    }

    pub(crate) fn set_channels(&mut self, bytes: usize) {
        if let Some(shared) = &mut self.shared {
            shared.channels = bytes;
        }
    }

    /// The application has taken `len` bytes, and `held` are left.
    #[inline]
    pub(crate) fn taken(&mut self, len: usize, held: usize) {
        self.read += len;
        if let Some(Draw { drawn, state, .. }) = self.shared.as_deref()
            && *drawn > held + state + 2 * STEP
        {
            self.give_back(held);
        }
    }

    /// The association is over: no more comes than is held and, beside it, remembered.
    pub(crate) fn end(&mut self, state: usize, held: usize) {
        if let Some(shared) = &mut self.shared {
            shared.state = state;
        }
        self.give_back(held);
    }

    fn give_back(&mut self, held: usize) {
        let Some(shared) = &mut self.shared else { return };
        let kept = held + shared.state;
        let keep = kept.next_multiple_of(step(kept)).min(shared.drawn);
        shared.budget.give_back(shared.drawn - keep);
        shared.drawn = keep;
    }

    /// A packet with data came: once a round trip, the window follows what was read in it.
    #[inline]
    pub(crate) fn packet(&mut self, now: Instant, rtt: Span, ready: usize, held: usize) {
        if self.looked_at == Some(now) {
            return;
        }
        self.looked_at = Some(now);
        let since = *self.since.get_or_insert(now);
        let elapsed = Span::between(since, now);
        if elapsed >= rtt.max(MIN_ROUND) {
            self.adapt(now, elapsed, rtt, ready, held);
        }
    }

    fn adapt(&mut self, now: Instant, elapsed: Span, rtt: Span, ready: usize, held: usize) {
        let read = std::mem::take(&mut self.read);
        self.since = Some(now);
        if read > 0 || ready == 0 {
            self.prompt_at = Some(now);
            let share = u128::from(rtt.max(MIN_ROUND).as_nanos()) * 4 * read as u128
                / u128::from(elapsed.as_nanos().max(1));
            let wanted = usize::try_from(share).unwrap_or(usize::MAX);
            self.size = self.size.max(wanted).min(self.most);
        } else if self.prompt_at.is_some_and(|at| Span::between(at, now) >= PATIENCE.max(rtt * 4)) {
            // Nobody reads: no more than what is there already.
            self.size = self.size.min(held).max(self.initial());
        }
    }

    pub(crate) fn hand_over(&self, out: &mut Writer) {
        out.size(self.size);
        out.size(self.told);
        out.size(self.reach);
    }

    /// Takes up what was handed over; `self` is new.
    pub(crate) fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        self.size = from.size()?.clamp(self.initial(), self.most);
        self.told = from.size()?.min(self.most);
        self.reach = from.size()?.max(self.reach).min(self.most.saturating_mul(4));
        Ok(())
    }

    /// A quiet time: the window starts anew, but with room for what is held.
    pub(crate) fn shrink(&mut self, held: usize) {
        self.size = self.size.min(held).max(self.initial());
        self.give_back(held);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(Draw { budget, drawn, .. }) = self.shared.as_deref() {
            budget.give_back(*drawn);
        }
    }
}

/// Less room than about a packet is told as none.
const MIN_WINDOW: usize = 1500;
/// The budget is drawn in steps, so that not each chunk touches what all share; in small ones at
/// first, so that thousands of associations that hold little leave it to the others.
const fn step(bytes: usize) -> usize {
    if bytes <= STEP { SMALL_STEP } else { STEP }
}

const STEP: usize = 16 << 10;
const SMALL_STEP: usize = 2 << 10;
/// On the shortest paths the machine's own pace is longer.
const MIN_ROUND: Span = Span::from_millis(1);
/// An application that has not read for so long does not read.
const PATIENCE: Span = Span::from_secs(1);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests;
