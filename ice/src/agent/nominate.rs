//! Nomination and the end of checking
//! ([RFC 8445 §8](https://www.rfc-editor.org/rfc/rfc8445#section-8)).

use std::time::Instant;

use super::Agent;
use crate::checklist::ChecklistState;
use crate::pair::{Pair, PairId};
use crate::stream::{Grace, Role};

impl Agent {
    /// Nominates for each component without a pair, where we decide and one is good enough.
    ///
    /// Our stopping criterion (§8.1.1): no better pair is being checked any more nor will come, or
    /// the first pair has worked for [`nomination_delay`](crate::Config::nomination_delay).
    pub(super) fn nominate(&mut self, index: usize) {
        if self.context.role != Role::Controlling || self.context.config.lite {
            return;
        }
        let gathered = self.gatherer.is_complete();
        let Some(stream) = self.streams.get_mut(index) else { return };
        let all_known = gathered && stream.session.end_of_remote_candidates;
        let checklist = &mut stream.session.checklist;
        if checklist.state != ChecklistState::Running {
            return;
        }
        for component in &stream.components {
            let nominating =
                |pair: &Pair| pair.component == component.id && pair.nominating && pair.is_valid();
            if component.selected.is_some() || checklist.pairs().iter().any(nominating) {
                continue;
            }
            let Some(best) = checklist.best_valid(component.id) else { continue };
            if component.nomination_delay != Grace::Over
                && (!all_known || checklist.better_pending(component.id, best.priority))
            {
                continue;
            }
            let best = best.id;
            if let Some(pair) = checklist.pair_mut(best) {
                tracing::debug!(path = %pair.path, "nominate");
                pair.nominating = true;
                pair.check = None;
                pair.triggered = Some(self.context.next_triggered);
                self.context.next_triggered += 1;
            }
        }
    }

    /// The other side sent USE-CANDIDATE on a pair that works (§7.3.1.5).
    ///
    /// Agents of RFC 5245, and libwebrtc to this day, nominate more than one pair; then "the
    /// agents MUST produce the selected pairs and use the pairs with the highest priority"
    /// (§8.1.1). A worse pair replaces one that has fallen silent, now or
    /// [later](Self::follow_nomination).
    pub(super) fn remote_nominated(&mut self, now: Instant, index: usize, id: PairId) {
        let Some(stream) = self.streams.get(index) else { return };
        let checklist = &stream.session.checklist;
        let Some(pair) = checklist.pair(id) else { return };
        let selected = stream.component(pair.component).and_then(|component| component.selected);
        let keeps =
            selected.and_then(|selected| checklist.pair(selected)).is_some_and(|selected| {
                selected.id == id
                    || (selected.priority > pair.priority && !self.is_silent(now, selected))
            });
        if !keeps {
            self.select(now, index, id);
        }
    }

    /// Whether something is missing on a selected pair: an answer, or where we are lite and ask
    /// nothing, the check that the other side would have sent.
    fn is_silent(&self, now: Instant, pair: &Pair) -> bool {
        let Some(consent) = pair.consent else { return true };
        if !self.context.config.lite {
            return consent.unanswered_since.is_some();
        }
        let data = self.paths.heard(&pair.path);
        let heard = data.map_or(consent.heard, |data| data.max(consent.heard));
        heard + self.context.longest_consent_interval() <= now
    }

    /// Selects what the other side nominated while a better pair worked, now that this one does not.
    /// It may have told us once only. Returns whether there was such a pair.
    pub(super) fn follow_nomination(&mut self, now: Instant, index: usize, component: u8) -> bool {
        let Some(stream) = self.streams.get(index) else { return false };
        let selected = stream.component(component).and_then(|component| component.selected);
        let mut pairs = stream.session.checklist.pairs().iter();
        let nominated = pairs.find(|pair| {
            pair.component == component
                && pair.remote_nominated
                && Some(pair.id) != selected
                && pair.consent.is_some_and(|consent| consent.until > now)
        });
        let Some(nominated) = nominated.map(|pair| pair.id).filter(|_| selected.is_some()) else {
            return false;
        };
        self.select(now, index, nominated);
        true
    }

    /// Makes a nominated pair the component's: "that pair becomes the selected pair". §8.1.2:
    /// "the ICE agent MUST remove all candidate pairs for the same component from the checklist
    /// and from the triggered-check queue".
    pub(super) fn select(&mut self, now: Instant, index: usize, id: PairId) {
        let linger = self.context.config.linger;
        let Some(stream) = self.streams.get_mut(index) else { return };
        let session = &mut stream.session;
        let Some(pair) = session.checklist.pair_mut(id) else { return };
        let number = pair.component;
        pair.nominated = true;
        pair.nominating = false;
        pair.remote_nominated = false;
        tracing::debug!(path = %pair.path, "selected");
        let Some(component) = stream.components.iter_mut().find(|component| component.id == number)
        else {
            return;
        };
        component.selected_unread |= component.selected != Some(id);
        component.selected = Some(id);
        session.checklist.conclude(|pair| pair.component != number || pair.id == id);
        // What only served the checks goes; the signalled candidates stay for statistics.
        session.forget_discoveries();

        if session.checklist.state != ChecklistState::Running
            || stream.components.iter().any(|component| component.selected.is_none())
        {
            return;
        }
        session.checklist.state = ChecklistState::Completed;
        session.early = Vec::new();
        session.remote_candidates.shrink_to_fit();
        stream.local.shrink_to_fit();
        self.paths.shrink();
        if let Some(previous) = &mut stream.previous {
            previous.drop_at = Some(now + linger);
        }
    }
}
