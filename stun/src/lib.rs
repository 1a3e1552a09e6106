//! STUN (RFC 8489): messages and transactions, without IO
#![forbid(unsafe_code)]

mod transport;

pub use transport::{Datagram, Ecn, FiveTuple, Transmit, Transport};
