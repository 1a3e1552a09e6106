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
mod channels;
mod collisions;
mod conformance;
mod contract;
mod data;
mod ending;
mod failure;
mod faults;
mod handover;
mod handshake;
mod interleaving;
mod lone;
#[path = "../path/ours.rs"]
mod ours;
mod pair;
#[path = "../path/mod.rs"]
mod path;
mod path_mtu;
mod refusals;
mod reset;
mod shutdown;
mod snap;
mod streaming;
mod throughput;
mod window;
