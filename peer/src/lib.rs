//! WebRTC in pure Rust, without IO: PeerConnection, data channels and media for any runtime or none
#![forbid(unsafe_code)]
