//! DTLS, certificates and fingerprints, SRTP and SRTCP, without IO
#![forbid(unsafe_code)]

pub mod crypto;
pub mod srtp;
