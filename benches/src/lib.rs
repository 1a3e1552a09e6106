//! Benchmarks of Peerless, and the same work given to other stacks

