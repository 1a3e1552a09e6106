//! Pairs of engines in virtual time.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy.toml exempts only inside test functions"
)]

mod attack;
mod bulk;
mod channels;
mod conformance;
mod contract;
mod data;
mod ending;
mod faults;
mod handover;
mod handshake;
mod interleaving;
#[path = "../path/ours.rs"]
mod ours;
mod pair;
#[path = "../path/mod.rs"]
mod path;
mod path_mtu;
mod refusals;
mod reset;
mod snap;
mod streaming;
mod throughput;
mod window;
