//! What Peerless costs, beside what the same work costs other stacks.
//!
//! `cargo bench -p peerless-benches` runs the criterion benches of each layer. The table of the
//! README comes from
//!
//! ```text
//! cargo bench -p peerless-benches --features peers --bench table
//! ```
//!
//! those of DTLS and SRTP alone from `--bench security`, those of SCTP from `--bench data`.
//!
//! How the table is made: every [`work`] is written once, against the [`Peer`] trait, and given to
//! every stack behind it. Both sides run on one thread and datagrams pass through memory on a virtual
//! clock, so that only the stacks' own work is timed. Repetitions of the stacks are interleaved and
//! medians taken, of the figures and of the repetitions' ratios, so that a machine that slows down
//! slows all. Of the numbers, the ratios count.
//!
//! The [`allocator`] counts what the thread allocates; `tests/allocations.rs` holds Peerless to what
//! it promises.

pub mod allocator;
pub mod bare;
pub mod data;
pub mod layers;
pub mod link;
pub mod measure;
mod peer;
pub mod security;
pub mod stacks;
pub mod table;
pub mod work;

pub use self::peer::{Peer, Stack};
