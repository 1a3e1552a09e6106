//! The candidate pairs of a stream, best first
//! ([RFC 8445 §6.1.2](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2)).

use std::cmp::Reverse;

use stun::FiveTuple;

use crate::candidate::same_address;
use crate::pair::{Pair, PairId, PairState, Step};
use crate::stream::Role;

/// The state of a checklist
/// ([RFC 8445 §6.1.2.1](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2.1)).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum ChecklistState {
    /// Neither Completed nor Failed yet.
    #[default]
    Running,
    /// Every component has a nominated pair.
    Completed,
    /// Some component has no pair that works, and none that still could; or consent ended.
    /// Only a restart leaves this state.
    Failed,
}

/// A checklist: its pairs, sorted by priority, the best first.
#[derive(Debug, Default)]
pub(crate) struct Checklist {
    pub(crate) state: ChecklistState,
    pairs: Vec<Pair>,
    /// Whether a check was sent from it: the first one waits for no pacer (§6.1.4.2).
    pub(crate) started: bool,
}

impl Checklist {
    pub(crate) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    pub(crate) fn pairs_mut(&mut self) -> &mut [Pair] {
        &mut self.pairs
    }

    pub(crate) fn pair(&self, id: PairId) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.id == id)
    }

    pub(crate) fn pair_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.id == id)
    }

    pub(crate) fn find(&self, component: u8, path: &FiveTuple) -> Option<&Pair> {
        self.pairs.iter().find(|pair| {
            pair.component == component
                && same_address(pair.path.remote, path.remote)
                && same_address(pair.path.local, path.local)
        })
    }

    /// Adds a pair in its place; a full list loses the failed pairs first, then its worst one
    /// that has not been checked
    /// ([RFC 8838 §11](https://www.rfc-editor.org/rfc/rfc8838#section-11), point 5).
    /// Returns whether there was room.
    pub(crate) fn insert(&mut self, pair: Pair, limit: usize) -> bool {
        if self.pairs.len() >= limit {
            self.pairs.retain(|pair| pair.state != PairState::Failed);
        }
        if self.pairs.len() >= limit {
            let worst = self.pairs.iter().rposition(|worst| {
                worst.priority < pair.priority
                    && matches!(worst.state, PairState::Frozen | PairState::Waiting)
                    && worst.triggered.is_none()
            });
            let Some(worst) = worst else { return false };
            self.pairs.remove(worst);
        }
        let place = self.pairs.partition_point(|other| order(other) <= order(&pair));
        self.pairs.insert(place, pair);
        true
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Pair) -> bool) {
        self.pairs.retain(keep);
    }

    pub(crate) fn update_priorities(&mut self, role: Role) {
        for pair in &mut self.pairs {
            pair.update_priority(role);
        }
        self.sort();
    }

    pub(crate) fn sort(&mut self) {
        self.pairs.sort_by_key(order);
    }

    /// The best pair of a component that works.
    pub(crate) fn best_valid(&self, component: u8) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.component == component && pair.is_valid())
    }

    /// Whether a pair of the component that is better than `priority` may still come to work.
    pub(crate) fn better_pending(&self, component: u8, priority: u64) -> bool {
        self.pairs.iter().any(|pair| {
            pair.component == component && pair.priority > priority && pair.is_pending()
        })
    }

    /// §7.2.5.3.3: a pair of this foundation succeeded; its kin are no longer held back.
    pub(crate) fn unfreeze(&mut self, foundation: u64) {
        for pair in &mut self.pairs {
            if pair.foundation == foundation {
                pair.step(Step::Unfreeze);
            }
        }
    }

    /// Keeps nothing but the pairs that `keep` names, and no more memory than they take.
    pub(crate) fn conclude(&mut self, keep: impl FnMut(&Pair) -> bool) {
        self.pairs.retain(keep);
        self.pairs.shrink_to_fit();
    }
}

/// Best first; of equals the lowest component, then the oldest.
fn order(pair: &Pair) -> (Reverse<u64>, u8, PairId) {
    (Reverse(pair.priority), pair.component, pair.id)
}

/// The state that a new pair starts in, among the other pairs of its foundation in all
/// checklists: the three rules of
/// [RFC 8838 §12](https://www.rfc-editor.org/rfc/rfc8838#section-12), which come to those of
/// RFC 8445 §6.1.2.6 where all pairs are there from the start.
pub(crate) fn initial_state<'p>(
    component: u8,
    priority: u64,
    kin: impl Iterator<Item = &'p Pair>,
) -> PairState {
    let mut topmost = true;
    for other in kin {
        if other.state == PairState::Succeeded {
            return PairState::Waiting;
        }
        if (other.component, Reverse(other.priority)) <= (component, Reverse(priority)) {
            topmost = false;
        }
    }
    if topmost { PairState::Waiting } else { PairState::Frozen }
}
