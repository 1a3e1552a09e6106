//! Which agent controls, and how two that both want to, or neither, agree
//! ([RFC 8445 §7.3.1.1](https://www.rfc-editor.org/rfc/rfc8445#section-7.3.1.1)).

use std::time::Instant;

use rand::Rng;
use stun::Message;

use super::Agent;
use crate::pair::{PairId, Step};
use crate::stream::{Role, Stream};

impl Agent {
    /// Returns the role that this agent plays at the moment.
    pub fn role(&self) -> Role {
        self.context.role
    }

    /// Sets the role, as the offer and answer decided it
    /// ([RFC 8445 §6.1.1](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.1)).
    pub fn set_role(&mut self, now: Instant, role: Role) {
        self.advance(now);
        self.change_role(role);
        self.settle();
    }

    /// Says whether the other agent is lite (`a=ice-lite`). A full agent whose peer is lite
    /// controls (§6.1.1), whatever its role was.
    pub fn set_remote_lite(&mut self, lite: bool) {
        self.context.remote_lite = lite;
        if lite && !self.context.config.lite && self.context.role == Role::Controlled {
            self.change_role(Role::Controlling);
            self.context.role_unread = true;
        }
        self.settle();
    }

    /// §7.3.1.1: compares the roles in a request. Returns whether the sender must switch, which a
    /// 487 tells it.
    pub(super) fn repair_role_conflict(&mut self, message: &Message<'_>) -> bool {
        let ours = self.context.tie_breaker;
        match self.context.role {
            Role::Controlling => {
                let Some(theirs) = message.ice_controlling() else { return false };
                if ours >= theirs {
                    return true;
                }
            }
            Role::Controlled => {
                let Some(theirs) = message.ice_controlled() else { return false };
                if ours < theirs {
                    return true;
                }
            }
        }
        self.switch_role();
        false
    }

    /// §7.2.5.1: a check of ours was answered with 487. The role is switched unless that has
    /// happened since the check was sent.
    pub(super) fn role_conflict_reported(
        &mut self,
        stream: usize,
        generation: u32,
        id: PairId,
        role_of_check: Role,
    ) {
        if self.context.role == role_of_check {
            self.switch_role();
            // "The agent MUST change the tiebreaker value."
            self.context.tie_breaker = self.context.rng.next_u64();
        }
        let place = self.context.next_triggered;
        let Some(stream) = self.streams.get_mut(stream) else { return };
        if stream.session.generation != generation {
            return;
        }
        if let Some(pair) = stream.session.checklist.pair_mut(id) {
            pair.step(Step::Recheck);
            pair.check = None;
            if !pair.is_valid() {
                pair.triggered = Some(place);
            }
        }
        self.context.next_triggered += 1;
    }

    fn switch_role(&mut self) {
        self.change_role(self.context.role.other());
        self.context.role_unread = true;
    }

    fn change_role(&mut self, role: Role) {
        if role == self.context.role {
            return;
        }
        tracing::debug!(?role, "role");
        self.context.role = role;
        for session in self.streams.iter_mut().flat_map(Stream::sessions_mut) {
            let checklist = &mut session.checklist;
            checklist.update_priorities(role);
            for pair in checklist.pairs_mut() {
                // Whose nominations count has changed; what was nominated stays so.
                if pair.nominating {
                    pair.nominating = false;
                    pair.triggered = None;
                    pair.check = pair.check.filter(|_| !pair.is_valid());
                }
                pair.remote_nominated = false;
            }
        }
    }
}
