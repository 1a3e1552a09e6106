//! STUN (RFC 8489): messages and transactions, without IO
#![forbid(unsafe_code)]

mod fingerprint;
mod integrity;
mod message;
mod retransmission;
mod transport;

pub use fingerprint::Fingerprint;
pub use integrity::{IntegrityError, Key, userhash};
pub use message::{
    Attribute, AttributeType, Attributes, Class, ErrorCode, Message, MessageWriter, Method,
    ParseError, TransactionId, is_stun,
};
pub use retransmission::{Retransmission, Schedule, Step};
pub use transport::{Datagram, Ecn, FiveTuple, Transmit, Transport};
