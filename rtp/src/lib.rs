//! RTP and RTCP (RFC 3550): packets, sessions, payload formats and loss repair, without IO
#![forbid(unsafe_code)]
