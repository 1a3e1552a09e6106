//! Session descriptions (RFC 8866) for WebRTC: parsed, typed, and written back unchanged
#![forbid(unsafe_code)]
