//! Congestion control: how much of the path is ours.
//!
//! The sender tells a [`Controller`] what each SACK has shown ([`Sample`]) and asks it for the
//! window and the pace. There are three:
//!
//! * [`NewReno`](new_reno::NewReno), [RFC 9260 §7.2](https://www.rfc-editor.org/rfc/rfc9260#section-7.2)'s;
//! * [`Cubic`](cubic::Cubic), [RFC 9438](https://www.rfc-editor.org/rfc/rfc9438)'s;
//! * [`Bbr`](bbr::Bbr), which keeps a model of the path, the default.
//!
//! # Why a model
//!
//! The first two take each loss for a sign that a queue on the path has overflowed, and give way.
//! Where packets are lost for other reasons, by radio above all, they give way for nothing: at 1 %
//! of loss the window of RFC 9260 settles at about a dozen packets, whatever the path could carry,
//! which is 2 Mbit/s at 50 ms of round trip and half of one at 200 ms. A sender with a model
//! measures instead at which rate packets come out at the other end, and how long they take when no
//! queue is in their way, and sends at that rate with about the product of both in flight. Losses
//! tell it something only where the round trips say that there is a queue, or where they are many.

pub(crate) mod bbr;
pub(crate) mod cubic;
pub(crate) mod handover;
pub(crate) mod new_reno;
mod slow_start;

use super::packets::RateSample;
use crate::config::{Config, CongestionControl};
use crate::span::Span;
use handover::HandOver;
use std::fmt;
use std::time::Instant;

/// What a SACK, or a timer, has shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) now: Instant,
    /// Bytes of DATA chunks acknowledged for the first time.
    pub(crate) acknowledged: usize,
    /// Bytes found lost.
    pub(crate) lost: usize,
    /// Bytes in flight when the newest of those left.
    pub(crate) lost_in_flight: usize,
    /// Bytes in flight before and after.
    pub(crate) in_flight_before: usize,
    pub(crate) in_flight: usize,
    /// A round-trip time.
    pub(crate) rtt: Option<Span>,
    /// What the newest acknowledged packet tells.
    pub(crate) rate: Option<RateSample>,
    /// Bytes acknowledged since the association began.
    pub(crate) delivered: u64,
    /// Losses that were known before are still being repaired.
    pub(crate) recovering: bool,
}

/// A congestion control algorithm.
pub(crate) trait Controller: HandOver + fmt::Debug + Send + Sync {
    /// How many bytes of DATA chunks may be in flight.
    fn window(&self) -> usize;

    /// At how many bytes a second they may leave, given the smoothed round-trip time; `None` for
    /// at once.
    fn pace(&self, rtt: Option<Span>) -> Option<u64>;

    /// ssthresh, where there is one.
    fn threshold(&self) -> Option<usize> {
        None
    }

    /// The largest DATA chunk is another one now.
    fn set_segment(&mut self, segment: usize);

    /// A SACK has acknowledged something, or something was found lost.
    fn on_sample(&mut self, sample: &Sample);

    /// What the last losses seemed to say was wrong: the packets had arrived.
    fn on_spurious(&mut self) {}

    /// T3-rtx expired.
    fn on_timeout(&mut self);

    /// Nothing was sent for so many retransmission timeouts.
    fn on_idle(&mut self, timeouts: u32);
}

/// The algorithm that the configuration names; `segment` is the largest DATA chunk, `seed`
/// anything.
pub(crate) fn controller(config: &Config, segment: usize, seed: u32) -> Box<dyn Controller> {
    let initial = config.initial_window.clamp(1, MAX_INITIAL);
    match config.congestion_control {
        CongestionControl::NewReno => Box::new(new_reno::NewReno::new(segment, initial)),
        CongestionControl::Cubic => Box::new(cubic::Cubic::new(segment, initial)),
        CongestionControl::Bbr => Box::new(bbr::Bbr::new(segment, initial, seed)),
    }
}

/// The pace of an algorithm that only has a window: so much of it in a round trip.
fn window_pace(window: usize, rtt: Option<Span>, percent: u64) -> Option<u64> {
    Some(rtt?.max(MIN_RTT).rate(window as u64 * percent / 100))
}

/// Round trips are not reckoned with as shorter than a driver's timers are fine.
const MIN_RTT: Span = Span::from_micros(100);
const MAX_INITIAL: u32 = 1000;
