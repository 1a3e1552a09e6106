//! What a session can be told.

use crate::config;

/// The settings of a [`Session`](super::Session).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Those of the association.
    pub association: config::Config,
    /// How many channels there may be at a time, opened by either side. 65 535, all that have a
    /// number; one that the peer opens beyond is closed at once, and so is one while as many closed
    /// ones wait to be heard of or read.
    pub max_channels: usize,
    /// How many bytes the labels and protocols of the channels that the peer opens may have
    /// together. 1 MiB; a channel beyond is closed at once.
    pub max_name_bytes: usize,
    /// How many bytes are kept that arrive for channels which do not exist yet, as when the other
    /// side has opened a negotiated channel first. 64 KiB; with a message beyond, what comes on its
    /// stream is dropped from there on, and our stream is reset, which closes the peer's channel.
    pub max_early_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            association: config::Config::default(),
            max_channels: 65_535,
            max_name_bytes: 1 << 20,
            max_early_bytes: 64 << 10,
        }
    }
}
