use std::time::Duration;

/// The bounds of a [`JitterBuffer`](super::JitterBuffer).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// The least time that a missing packet is waited for. 20 ms by default: one audio packet, and
    /// more than packets of one burst overtake each other by.
    pub min_wait: Duration,
    /// The longest time that a missing packet is waited for. One second by default: three requests
    /// on a path of 280 ms, two on one of 430, one by satellite. A call whose picture stands still
    /// for longer is better helped by a key frame.
    pub max_wait: Duration,
    /// The most places in the sequence between the next frame and the newest packet. 2048 by
    /// default: `max_wait` at 20 Mbit/s and 1200 bytes a packet.
    pub max_packets: usize,
    /// The most bytes kept, counted in whole blocks of 16 KiB. 4 MiB by default: `max_packets`
    /// full packets, and room for half-used blocks.
    pub max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_wait: Duration::from_millis(20),
            max_wait: Duration::from_secs(1),
            max_packets: 2048,
            max_bytes: 4 << 20,
        }
    }
}
