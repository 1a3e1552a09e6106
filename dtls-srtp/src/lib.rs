//! DTLS, certificates and fingerprints, SRTP and SRTCP, without IO
#![forbid(unsafe_code)]

pub mod certificate;
pub mod crypto;
pub mod dtls;
pub mod fingerprint;
pub mod srtp;
