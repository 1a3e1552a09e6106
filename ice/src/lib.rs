//! The ICE agent (RFC 8445): finds a path between two hosts behind NATs, without IO
//!
//! ```text
//! state       | Unfreeze    | Perform     | Trigger     | Succeed     | Fail        | Recheck
//! Frozen      | Waiting     | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
//! Waiting     | Waiting     | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
//! In-Progress | In-Progress | In-Progress | In-Progress | Succeeded   | Failed      | Waiting
//! Succeeded   | Succeeded   | Succeeded   | Succeeded   | Succeeded   | Failed      | Succeeded
//! Failed      | Failed      | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
//! ```
#![forbid(unsafe_code)]

mod agent;
mod candidate;
mod checklist;
mod config;
mod counters;
mod credentials;
mod event;
mod pair;
mod paths;
mod stream;

pub use agent::Agent;
pub use candidate::{
    Candidate, CandidateAddress, CandidateKind, ParseCandidateError, TcpType, priority,
};
pub use config::Config;
pub use counters::Counters;
pub use credentials::Credentials;
pub use event::{ConnectionState, Event};
pub use pair::{PairState, PairView};
pub use stream::{ComponentId, Role, StreamId};
pub use stun::{Datagram, Ecn, FiveTuple, TransactionId, Transmit, Transport};
