//! The SCTP association (RFC 9260) and WebRTC's data channels on it, without IO
#![forbid(unsafe_code)]
