use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rtcp::{self, TransportFeedback};
use crate::sequence::{ExtendedSequenceNumber, SequenceNumber, Unwrapper};
use crate::ssrc::Ssrc;

/// When the packets of the transport arrived, to be told to its sender.
#[derive(Debug)]
pub(super) struct Arrivals {
    unwrapper: Unwrapper,
    /// The transport-wide number of the first entry: the next that was not told of.
    base: u64,
    /// In ticks of 250 µs since the session began.
    ticks: VecDeque<Option<u64>>,
    /// A source that they came from.
    media: Ssrc,
    feedback_count: u8,
    deadline: Option<Instant>,
    scratch: Vec<Option<i16>>,
}

impl Arrivals {
    pub(super) const fn new() -> Self {
        Self {
            unwrapper: Unwrapper::new(),
            base: 0,
            ticks: VecDeque::new(),
            media: Ssrc(0),
            feedback_count: 0,
            deadline: None,
            scratch: Vec::new(),
        }
    }

    pub(super) fn record(
        &mut self,
        now: Instant,
        micros: u64,
        sequence: SequenceNumber,
        media: Ssrc,
        interval: Duration,
    ) {
        let number = self.unwrapper.unwrap(sequence).0;
        if self.ticks.is_empty() && (self.base == 0 || number < self.base) {
            // The first of all, or one that was told of as missing and comes late.
            self.base = number;
        }
        while number < self.base {
            if self.base - number > MAX_LATE || self.ticks.len() >= MAX_ENTRIES {
                return;
            }
            self.ticks.push_front(None);
            self.base -= 1;
        }
        if number - self.base >= MAX_ENTRIES as u64 {
            // A sender that started again elsewhere, or lost all for long: nothing in between is
            // worth telling.
            self.ticks.clear();
            self.base = number;
        }
        let index = (number - self.base) as usize;
        while self.ticks.len() <= index {
            self.ticks.push_back(None);
        }
        if let Some(entry @ None) = self.ticks.get_mut(index) {
            *entry = Some(micros / TransportFeedback::TICK_MICROS);
        }
        self.media = media;
        if self.deadline.is_none() {
            self.deadline = Some(now + interval);
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Writes a feedback packet of at most `limit` bytes about the oldest entries.
    pub(super) fn write(&mut self, writer: &mut rtcp::Writer<'_>, sender: Ssrc, limit: usize) {
        let Some(first) = self.ticks.iter().flatten().next() else {
            self.deadline = None;
            return;
        };
        let reference = (first / TransportFeedback::TICKS_PER_REFERENCE as u64).cast_signed();
        let mut last = reference * TransportFeedback::TICKS_PER_REFERENCE;
        self.scratch.clear();
        for entry in self.ticks.iter().take(rtcp::feedback_capacity(limit).max(1)) {
            let delta = match entry {
                None => None,
                Some(ticks) => {
                    // Eight seconds apart: that is for the next packet, with its own reference.
                    let Ok(delta) = i16::try_from(ticks.cast_signed() - last) else { break };
                    last = ticks.cast_signed();
                    Some(delta)
                }
            };
            self.scratch.push(delta);
        }
        let base = ExtendedSequenceNumber(self.base).wire();
        writer.transport_feedback(
            (sender, self.media),
            base,
            reference as i32,
            self.feedback_count,
            &self.scratch,
        );
        self.feedback_count = self.feedback_count.wrapping_add(1);
        let told = self.scratch.len().min(self.ticks.len());
        self.ticks.drain(..told);
        self.base += told as u64;
        if self.ticks.is_empty() {
            self.deadline = None;
        }
    }
}

/// How far back a late packet is told of again.
const MAX_LATE: u64 = 256;
/// The most packets told of at a time: 100 ms at 400 Mbit/s.
const MAX_ENTRIES: usize = 4096;
