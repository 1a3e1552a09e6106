//! Fuzz targets of Peerless, replayed over their corpora by cargo test
#![forbid(unsafe_code)]
