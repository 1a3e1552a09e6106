//! The ICE agent (RFC 8445): finds a path between two hosts behind NATs, without IO
#![forbid(unsafe_code)]
