//! Programs that show Peerless at work
#![forbid(unsafe_code)]
