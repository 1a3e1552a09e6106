//! Single layers, given the same work as crates that do only that.

pub mod dtls;
pub mod sctp;
pub mod sdp;
