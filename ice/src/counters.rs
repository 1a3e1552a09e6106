//! What was dropped, and why.

/// Counts of what an agent did not believe or did not keep. None of it changed any state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// STUN messages that were not well-formed, not Binding, or had a wrong FINGERPRINT; answers to
    /// checks that say nothing, or require what we do not know.
    pub malformed: u64,
    /// Requests and responses without a USERNAME of ours or a valid MESSAGE-INTEGRITY.
    pub unauthenticated: u64,
    /// Responses to no transaction that is open.
    pub unknown_transactions: u64,
    /// Authenticated responses from or to another address than the request's.
    pub asymmetric_responses: u64,
    /// Requests on an address that is no candidate of ours.
    pub unknown_local_addresses: u64,
    /// Application datagrams on paths that no check has proved.
    pub unproved_paths: u64,
    /// Remote candidates that were ignored: over the limit, of another generation, or at an
    /// address that cannot be checked.
    pub ignored_candidates: u64,
    /// Candidates that checks discovered, over the limit.
    pub ignored_peer_reflexive: u64,
    /// Pairs that did not fit into their checklist.
    pub ignored_pairs: u64,
    /// Responses owed that were dropped because nobody polled for them.
    pub dropped_responses: u64,
    /// Messages whose embedded datagrams were dropped because nobody read them.
    pub dropped_embedded: u64,
    /// Early checks that were forgotten because too many came.
    pub dropped_early_checks: u64,
}
