//! Against dcsctp, the port of libwebrtc's association: whichever side begins, in virtual time, over
//! a link that loses and reorders. `SEEDS` says how many seeds each randomised test tries.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy.toml exempts only inside test functions"
)]

mod checksum;
mod ending;
mod interleaving;
mod messages;
mod mixture;
mod pair;
mod reliability;
mod reset;
