use std::time::{Duration, Instant};

use super::Frame;

/// What a [`JitterBuffer`](super::JitterBuffer) has counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// All packets given to it.
    pub packets_received: u64,
    /// Packets that were there already.
    pub packets_duplicate: u64,
    /// Packets whose place had been passed.
    pub packets_late: u64,
    /// Packets whose payload was not of their format.
    pub packets_malformed: u64,
    /// Packets that never came in time.
    pub packets_lost: u64,
    /// Packets dropped because another of their frame was missing.
    pub packets_discarded: u64,
    /// Packets dropped because the buffer was full.
    pub packets_overflowed: u64,
    /// Frames of which all packets came: `framesReceived` of a video stream.
    pub frames_completed: u64,
    /// Frames given out: `jitterBufferEmittedCount` of a video stream.
    pub frames_emitted: u64,
    /// Key frames among them.
    pub key_frames_emitted: u64,
    /// Frames dropped: incomplete, unread for too long, or of no use without a key frame.
    pub frames_dropped: u64,
    /// The sum, over the frames given out, of the time from the arrival of the first packet to when
    /// the frame was read: `jitterBufferDelay` of
    /// [webrtc-stats](https://www.w3.org/TR/webrtc-stats/#dom-rtcinboundrtpstreamstats-jitterbufferdelay).
    pub jitter_buffer_delay: Duration,
    /// The sum, over the frames given out, of the time between their first and their last packet's
    /// arrival: `totalAssemblyTime`.
    pub total_assembly_time: Duration,
    /// Frames of more than one packet: `framesAssembledFromMultiplePackets`.
    pub frames_assembled_from_multiple_packets: u64,
    /// The interarrival jitter of [RFC 3550 §6.4.1](https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1),
    /// of the first packets of frames.
    pub jitter: Duration,
}

impl Stats {
    pub(super) fn count_emitted(&mut self, now: Instant, frame: &Frame) {
        self.frames_emitted += 1;
        self.key_frames_emitted += u64::from(frame.key_frame);
        self.jitter_buffer_delay += now.saturating_duration_since(frame.first_arrival);
        if frame.packets > 1 {
            self.frames_assembled_from_multiple_packets += 1;
            self.total_assembly_time +=
                frame.last_arrival.saturating_duration_since(frame.first_arrival);
        }
    }
}
