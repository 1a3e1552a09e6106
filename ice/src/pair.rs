//! A candidate pair and its state
//! ([RFC 8445 §6.1.2](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2)).

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun::{FiveTuple, TransactionId};

use crate::candidate::Candidate;
use crate::stream::{ComponentId, Role};

/// The state of a candidate pair.
///
/// ```text
///      +-----------+
///      |           |
///      |           |
///      |  Frozen   |
///      |           |
///      |           |
///      +-----------+
///            |
///            |unfreeze
///            |
///            V
///      +-----------+         +-----------+
///      |           |         |           |
///      |           | perform |           |
///      |  Waiting  |-------->|In-Progress|
///      |           |         |           |
///      |           |         |           |
///      +-----------+         +-----------+
///                                  / |
///                                //  |
///                              //    |
///                            //      |
///                           /        |
///                         //         |
///               failure //           |success
///                     //             |
///                    /               |
///                  //                |
///                //                  |
///              //                    |
///             V                      V
///      +-----------+         +-----------+
///      |           |         |           |
///      |           |         |           |
///      |   Failed  |         | Succeeded |
///      |           |         |           |
///      |           |         |           |
///      +-----------+         +-----------+
/// ```
///
/// ([RFC 8445 §6.1.2.6](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2.6).) Beyond the
/// figure, a check from the other side puts a frozen or failed pair back to Waiting (§7.3.1.4),
/// and a pair whose consent ends has failed (RFC 7675).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PairState {
    /// Another pair with the same foundation is checked first.
    Frozen,
    /// To be checked when its turn comes.
    Waiting,
    /// A check was sent and is not answered yet.
    InProgress,
    /// A check was answered: data may flow.
    Succeeded,
    /// No answer, or a wrong one.
    Failed,
}

/// What can happen to a pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Its turn in the checklist has come (§6.1.4.2, §7.2.5.3.3).
    Unfreeze,
    /// A check of it was sent.
    Perform,
    /// The other side sent a check on it (§7.3.1.4).
    Trigger,
    /// A check of it was answered.
    Succeed,
    /// Its last check was not answered, or wrongly; or its consent ended.
    Fail,
    /// It must be checked again: a role conflict was repaired (§7.2.5.1).
    Recheck,
}

impl PairState {
    /// The state after `step`.
    pub(crate) const fn after(self, step: Step) -> Self {
        match (step, self) {
            (Step::Unfreeze, Self::Frozen) => Self::Waiting,
            (Step::Unfreeze, state) => state,
            // A check on a pair that works renews its consent or nominates it; until the answer
            // comes it works as it did.
            (Step::Perform, Self::Succeeded) => Self::Succeeded,
            (Step::Perform, _) => Self::InProgress,
            (Step::Trigger, Self::Frozen | Self::Waiting | Self::Failed) => Self::Waiting,
            // A triggered check of a pair in progress is its next transmission, brought forward;
            // "If the state of that pair is Succeeded, nothing further is done."
            (Step::Trigger, state) => state,
            (Step::Succeed, _) => Self::Succeeded,
            (Step::Fail, _) => Self::Failed,
            (Step::Recheck, Self::Succeeded) => Self::Succeeded,
            (Step::Recheck, _) => Self::Waiting,
        }
    }
}

impl fmt::Display for PairState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Frozen => "Frozen",
            Self::Waiting => "Waiting",
            Self::InProgress => "In-Progress",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        })
    }
}

/// Names a pair within its agent; never reused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct PairId(pub(crate) u32);

/// A Binding request that was sent and may still be answered.
///
/// Every transmission is a transaction of its own. RFC 8489 §6.2.1 would send the same bytes
/// again; but then an answer would not tell which transmission it answers, and the round-trip
/// time, from which DTLS and SCTP take their first timers, would be a guess whenever a packet
/// was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) id: TransactionId,
    pub(crate) sent: Instant,
    pub(crate) role: Role,
    /// Whether it carried USE-CANDIDATE.
    pub(crate) nominating: bool,
}

/// The transmissions of the check that is in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    /// How many were made since the check was last triggered.
    pub(crate) transmissions: u8,
    /// When the last one was made.
    pub(crate) sent: Instant,
    /// When the next one is due; after the last, when the check has failed.
    pub(crate) next: Instant,
}

/// The consent to send on a pair that works
/// ([RFC 7675](https://www.rfc-editor.org/rfc/rfc7675)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consent {
    /// When it ends.
    pub(crate) until: Instant,
    /// When the next consent check is due, if the pair carries data.
    pub(crate) next_check: Instant,
    /// When the first of the checks was sent that have not been answered.
    pub(crate) unanswered_since: Option<Instant>,
    /// How many have not been answered.
    pub(crate) unanswered: u32,
    /// Since it was last renewed, it was extended because the machine slept.
    pub(crate) extended: bool,
    /// When the other side was last heard on this pair, by a check or its answer.
    pub(crate) heard: Instant,
}

/// A base of ours and an address of the other side.
///
/// RFC 8445 pairs every local candidate and then replaces reflexive ones by their base and prunes
/// what has become redundant (§6.1.2.4). What is left are pairs of bases, so that only these are
/// formed; the reflexive address that a check discovers (§7.2.5.3.2) is `mapped`. The five-tuple
/// is the pair's identity.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) id: PairId,
    pub(crate) component: u8,
    pub(crate) path: FiveTuple,
    pub(crate) priority: u64,
    pub(crate) local_priority: u32,
    pub(crate) remote_priority: u32,
    /// What PRIORITY says: our priority if the other side sees an address that it does not know.
    pub(crate) reflexive_priority: u32,
    /// Both foundations in one.
    pub(crate) foundation: u64,
    pub(crate) state: PairState,
    /// Its place in the triggered-check queue.
    pub(crate) triggered: Option<u64>,
    /// Controlling: the next check carries USE-CANDIDATE.
    pub(crate) nominating: bool,
    /// Controlled: USE-CANDIDATE came; the pair is nominated once it works.
    pub(crate) remote_nominated: bool,
    pub(crate) nominated: bool,
    pub(crate) check: Option<Check>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) mapped: Option<SocketAddr>,
    pub(crate) consent: Option<Consent>,
    pub(crate) stats: PairStats,
}

/// Attempts that may still be answered, at most: the seven of a check, or of consent.
const MAX_ATTEMPTS: usize = 8;

impl Pair {
    pub(crate) fn step(&mut self, step: Step) {
        let state = self.state.after(step);
        if state != self.state {
            tracing::debug!(path = %self.path, from = %self.state, to = %state, "pair");
        }
        self.state = state;
        if step == Step::Fail {
            self.check = None;
            self.triggered = None;
            self.nominating = false;
            self.nominated = false;
            self.attempts = Vec::new();
            self.consent = None;
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.state == PairState::Succeeded
    }

    /// Whether its check may still change the outcome.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, PairState::Frozen | PairState::Waiting | PairState::InProgress)
    }

    pub(crate) fn record(&mut self, attempt: Attempt) {
        if self.attempts.len() >= MAX_ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
        self.stats.requests_sent += 1;
    }

    /// Takes the attempt that `id` answers.
    pub(crate) fn take_attempt(&mut self, id: TransactionId) -> Option<Attempt> {
        let index = self.attempts.iter().position(|attempt| attempt.id == id)?;
        Some(self.attempts.remove(index))
    }

    /// Recomputes the pair priority, for a new role or a new candidate priority.
    pub(crate) fn update_priority(&mut self, role: Role) {
        let (controlling, controlled) = match role {
            Role::Controlling => (self.local_priority, self.remote_priority),
            Role::Controlled => (self.remote_priority, self.local_priority),
        };
        self.priority = pair_priority(controlling, controlled);
    }
}

/// Computes a pair's priority from the candidates' priorities, by
/// [RFC 8445 §6.1.2.3](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2.3):
///
/// ```text
/// pair priority = 2^32 × MIN(G,D) + 2 × MAX(G,D) + (G > D ? 1 : 0)
/// ```
pub(crate) fn pair_priority(controlling: u32, controlled: u32) -> u64 {
    let (g, d) = (u64::from(controlling), u64::from(controlled));
    // A remote priority may be any 32 bits, so that the sum could carry: G = D = 2^32 − 1 gives
    // (2^64 − 2^32) + (2^33 − 2).
    (g.min(d) << 32).saturating_add(2 * g.max(d) + u64::from(g > d))
}

/// What was counted on a pair.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PairStats {
    pub(crate) requests_sent: u64,
    pub(crate) requests_received: u64,
    pub(crate) responses_sent: u64,
    pub(crate) responses_received: u64,
    pub(crate) consent_requests_sent: u64,
    pub(crate) current_round_trip_time: Option<Duration>,
    pub(crate) total_round_trip_time: Duration,
}

/// A candidate pair as statistics see it; the counters have the names of the W3C's
/// [`RTCIceCandidatePairStats`](https://www.w3.org/TR/webrtc-stats/#candidatepair-dict*).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PairView<'a> {
    /// The component that it may serve.
    pub component: ComponentId,
    /// The addresses that its datagrams go from and to.
    pub path: FiveTuple,
    /// Our candidate: the base that checks are sent from.
    pub local: &'a Candidate,
    /// The other side's candidate.
    pub remote: &'a Candidate,
    /// How the other side sees our address, once a check was answered.
    pub mapped_address: Option<SocketAddr>,
    /// Its state.
    pub state: PairState,
    /// Whether it was nominated.
    pub nominated: bool,
    /// Whether [`send_path`](crate::Agent::send_path) gives this pair.
    pub in_use: bool,
    /// Its priority
    /// ([RFC 8445 §6.1.2.3](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2.3)).
    pub priority: u64,
    /// The last round-trip time measured on it.
    pub current_round_trip_time: Option<Duration>,
    /// The sum of the round-trip times measured on it.
    pub total_round_trip_time: Duration,
    /// Checks sent, consent checks among them.
    pub requests_sent: u64,
    /// Checks received.
    pub requests_received: u64,
    /// Answers sent.
    pub responses_sent: u64,
    /// Answers received.
    pub responses_received: u64,
    /// Consent checks sent.
    pub consent_requests_sent: u64,
    /// When the consent to send on it ends, while it works.
    pub consent_until: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [PairState; 5] = [
        PairState::Frozen,
        PairState::Waiting,
        PairState::InProgress,
        PairState::Succeeded,
        PairState::Failed,
    ];

    const STEPS: [Step; 6] =
        [Step::Unfreeze, Step::Perform, Step::Trigger, Step::Succeed, Step::Fail, Step::Recheck];

    /// The table in the crate's documentation.
    const TABLE: &str = "\
state       | Unfreeze    | Perform     | Trigger     | Succeed     | Fail        | Recheck
Frozen      | Waiting     | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
Waiting     | Waiting     | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
In-Progress | In-Progress | In-Progress | In-Progress | Succeeded   | Failed      | Waiting
Succeeded   | Succeeded   | Succeeded   | Succeeded   | Succeeded   | Failed      | Succeeded
Failed      | Failed      | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
";

    #[test]
    fn the_state_table_is_the_one_in_the_documentation() {
        let mut table = format!("{:11}", "state");
        for step in STEPS {
            table += &format!(" | {:11}", format!("{step:?}"));
        }
        for state in STATES {
            table = table.trim_end().to_owned() + &format!("\n{state:11}");
            for step in STEPS {
                table += &format!(" | {:11}", state.after(step));
            }
        }
        table = table.trim_end().to_owned() + "\n";
        println!("{table}");
        assert_eq!(table, TABLE);
        for line in TABLE.lines() {
            assert!(
                include_str!("lib.rs").contains(&format!("//! {line}")),
                "lib.rs lacks: {line}"
            );
        }
    }

    #[test]
    fn priority_is_the_same_on_both_sides() {
        assert_eq!(pair_priority(5, 9), (5 << 32) + 18);
        assert_eq!(pair_priority(9, 5), (5 << 32) + 18 + 1);
        assert_eq!(pair_priority(u32::MAX, u32::MAX), u64::MAX);
    }
}
