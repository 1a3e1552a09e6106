//! RTP and RTCP (RFC 3550): packets, sessions, payload formats and loss repair, without IO
#![forbid(unsafe_code)]

pub mod clock;
pub mod extension;
pub mod jitter_buffer;
pub mod pacer;
pub mod packet;
pub mod payload;
pub mod rtcp;
pub mod session;

mod payload_type;
mod sequence;
mod ssrc;

pub use clock::{ClockRate, NtpTime};
pub use pacer::Bitrate;
pub use packet::Packet;
pub use payload_type::PayloadType;
pub use sequence::{ExtendedSequenceNumber, SequenceNumber, Unwrapper};
pub use session::{SectionId, Session, section};
pub use ssrc::Ssrc;
