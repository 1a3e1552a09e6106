//! Who has something to do: the lists that connections are in, so that nobody looks through all.

use super::{ConnectionId, Endpoint};

/// What a connection was called for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refresh {
    /// A datagram, or anything at all.
    All,
    AfterTimeout,
    /// It had nothing to send.
    AfterTransmit,
}

impl Endpoint {
    /// Marks a connection that is about to be changed.
    pub(super) fn touch(&mut self, id: ConnectionId) {
        if let Some(entry) = self.entry_mut(id)
            && !std::mem::replace(&mut entry.touched, true)
        {
            self.touched.push(id);
        }
    }

    /// Picks up what was done to connections that were lent.
    pub(super) fn settle(&mut self) {
        while let Some(id) = self.touched.pop() {
            if let Some(entry) = self.entry_mut(id) {
                entry.touched = false;
                self.refresh(id, Refresh::All);
            }
        }
    }

    /// Moves the connections whose deadline has passed to the lists of those that are due.
    pub(super) fn collect_due(&mut self) {
        while let Some(slot) = self.timers.pop_due(self.now) {
            let Some(generation) = self.slots.get(slot as usize).map(|slot| slot.generation) else {
                continue;
            };
            self.mark_due(ConnectionId { slot, generation });
            self.mark_sending(ConnectionId { slot, generation });
        }
    }

    pub(super) fn mark_due(&mut self, id: ConnectionId) {
        if let Some(entry) = self.entry_mut(id)
            && !std::mem::replace(&mut entry.due, true)
        {
            self.due.push_back(id);
        }
    }

    pub(super) fn mark_sending(&mut self, id: ConnectionId) {
        if let Some(entry) = self.entry_mut(id)
            && !std::mem::replace(&mut entry.sending, true)
        {
            self.sending.push_back(id);
        }
    }

    /// Notes what a connection wants after it was called: routes, deadline, events.
    pub(super) fn refresh(&mut self, id: ConnectionId, refresh: Refresh) {
        self.statistics.visits += 1;
        if refresh != Refresh::AfterTransmit {
            self.take_routes(id);
        }
        let now = self.now;
        let Some(entry) = self.entry_mut(id) else { return };
        let deadline = entry.connection.poll_timeout();
        if !std::mem::replace(&mut entry.reporting, true) {
            self.reporting.push_back(id);
        }
        if deadline.is_none_or(|deadline| deadline > now) {
            self.timers.set(id.slot, deadline);
            return;
        }
        self.timers.set(id.slot, None);
        // Due at once is who has something to send, or a timer that has run out. Who has just been
        // told the time has no such timer; who has just had nothing to send has one.
        if refresh != Refresh::AfterTimeout {
            self.mark_due(id);
        }
        if refresh != Refresh::AfterTransmit {
            self.mark_sending(id);
        }
    }
}
