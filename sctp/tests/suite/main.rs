//! Pairs of engines in virtual time.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy.toml exempts only inside test functions"
)]

mod arrival;
mod attack;
mod blue;
mod bulk;
mod channel_bounds;
mod channels;
mod churn;
mod collisions;
mod conformance;
mod congestion;
mod contract;
mod data;
mod dcep;
mod departure;
mod ending;
mod failure;
mod faults;
mod full;
mod handles;
mod handover;
mod handshake;
mod immediate;
mod interleaving;
mod lone;
#[path = "../path/ours.rs"]
mod ours;
mod pair;
#[path = "../path/mod.rs"]
mod path;
mod path_mtu;
mod recovery;
mod refusals;
mod reliability;
mod reset;
mod shutdown;
mod snap;
mod streaming;
mod throughput;
mod timers;
mod window;
