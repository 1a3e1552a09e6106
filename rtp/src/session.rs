//! An RTP session: the streams of one transport, in both directions, with their reports and repairs.
//!
//! A [`Session`] carries all m-sections of a BUNDLE group. It finds the section that a packet belongs
//! to ([RFC 8843 §9.2](https://www.rfc-editor.org/rfc/rfc8843#section-9.2)), reports what was sent
//! and received ([RFC 3550 §6](https://www.rfc-editor.org/rfc/rfc3550#section-6)), asks for what is
//! missing and sends again what is asked for
//! ([RFC 4585](https://www.rfc-editor.org/rfc/rfc4585),
//! [RFC 4588](https://www.rfc-editor.org/rfc/rfc4588)), tells and relays wishes for key frames,
//! numbers packets for congestion control and tells the arrivals of the other side's, and paces.
//!
//! It is an engine like all others here: [`handle_datagram`](Session::handle_datagram),
//! [`handle_timeout`](Session::handle_timeout), [`poll_transmit`](Session::poll_transmit),
//! [`poll_event`](Session::poll_event), [`poll_timeout`](Session::poll_timeout), in any order. It
//! takes and gives *plain* packets; SRTP is a layer of its own.
//!
//! What leaves first: RTCP, audio, retransmissions, video. Only the last two wait for the pacer.
//!
//! Where it departs from RFC 3550: there is no probation for new sources (SRTP has authenticated
//! them), and while nothing is sent or received no reports are made, so that an idle session costs
//! nothing.

mod arrivals;
mod association;
mod blocks;
mod commands;
mod config;
mod control;
mod event;
mod inbound;
mod media;
mod nack;
mod receive;
mod reception;
mod report;
mod routes;
pub mod section;
mod sender;
mod slots;
mod stats;
mod transmit;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::ChaCha20Rng;
use rand::{RngExt as _, SeedableRng as _};

pub use self::config::{Config, MidExtension};
pub use self::event::Event;
pub use self::media::{
    Frame, OutgoingPacket, ReceivedFrame, ReceivedPacket, SendError, SendErrorReason,
};
pub use self::section::SectionId;
pub use self::stats::{
    InboundStats, OutboundStats, RemoteInboundStats, RemoteOutboundStats, SessionStats,
};

use self::arrivals::Arrivals;
use self::event::Events;
use self::inbound::Streams;
use self::report::Reports;
use self::routes::Routes;
use self::sender::Sender;
use self::slots::Sections;
use crate::clock::NtpTime;
use crate::pacer::{Bitrate, Pacer};
use crate::packet::is_rtcp;
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

/// The RTP session of a transport; see the [module](self).
#[derive(Debug)]
pub struct Session {
    config: Config,
    /// The newest time seen.
    now: Instant,
    start: Instant,
    /// The microseconds between the two: what is counted for each packet is counted in integers.
    micros: u64,
    /// How long packets are kept for retransmission, in microseconds.
    history_age: u64,
    /// The wall clock at an instant.
    wall_clock: (Instant, NtpTime),
    rng: ChaCha20Rng,
    sections: Sections,
    /// Our sources, sorted, with the slots of their sections.
    senders: Vec<(Ssrc, u16)>,
    /// Sources of ours that do not send at present. When one sends again it goes on where it was:
    /// under SRTP a sequence number must not come twice with one key
    /// ([RFC 3711 §9.1](https://www.rfc-editor.org/rfc/rfc3711#section-9.1)).
    retired: Vec<Sender>,
    streams: Streams,
    routes: Routes,
    payload_types: PayloadTypes,
    outbox: Outbox,
    pacer: Pacer,
    transport_sequence: SequenceNumber,
    arrivals: Option<Box<Arrivals>>,
    /// Streams with timers, and the earliest of these.
    attention: Vec<u32>,
    attention_at: Option<Instant>,
    reports: Reports,
    round_trip_time: Option<Duration>,
    /// Whether reports have measured it.
    reports_measure: bool,
    /// Who speaks where no section sends.
    local_ssrc: Ssrc,
    local_cname: String,
    /// Whether every section allows feedback without reports.
    reduced_size: bool,
    events: Events,
    stats: SessionStats,
}

/// What is to be sent: facts, which become packets when they are polled.
#[derive(Debug, Default)]
struct Outbox {
    /// Streams whose missing packets are to be asked for.
    nacks: VecDeque<u32>,
    /// Streams whose source is to be asked for a key frame.
    key_frames: VecDeque<u32>,
    /// Sources that end, with their names.
    goodbyes: VecDeque<(Ssrc, String)>,
    /// Arrivals are to be told.
    feedback: bool,
    /// Sections with audio that waits.
    audio: VecDeque<u16>,
    /// Sections with packets to send again.
    repairs: VecDeque<u16>,
    /// Sections with video that waits.
    video: VecDeque<u16>,
}

impl Outbox {
    fn has_control(&self) -> bool {
        self.feedback
            || !self.nacks.is_empty()
            || !self.key_frames.is_empty()
            || !self.goodbyes.is_empty()
    }

    fn has_paced(&self) -> bool {
        !self.repairs.is_empty() || !self.video.is_empty()
    }
}

/// Which section a payload type belongs to, if to one only; made when it is first needed.
type PayloadTypes = Option<Box<[PayloadTypeUse; 128]>>;

#[derive(Clone, Copy, Debug, Default)]
enum PayloadTypeUse {
    #[default]
    Unused,
    By(u16),
    Ambiguous,
}

impl Session {
    /// A session without sections. `wall_clock` is the time at `now`; by the `seed` everything that
    /// is random is chosen.
    pub fn new(config: Config, now: Instant, wall_clock: SystemTime, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        Self {
            history_age: micros(config.history_age),
            config,
            now,
            start: now,
            micros: 0,
            wall_clock: (now, NtpTime::from(wall_clock)),
            sections: Sections::default(),
            senders: Vec::new(),
            retired: Vec::new(),
            streams: Streams::default(),
            routes: Routes::default(),
            payload_types: None,
            outbox: Outbox::default(),
            pacer: Pacer::new(None),
            transport_sequence: SequenceNumber(1),
            arrivals: None,
            attention: Vec::new(),
            attention_at: None,
            reports: Reports::new(now),
            round_trip_time: None,
            reports_measure: false,
            local_ssrc: Ssrc(rng.random()),
            local_cname: short_term_name(&mut rng),
            reduced_size: true,
            events: Events::default(),
            stats: SessionStats::default(),
            rng,
        }
    }

    /// Takes a datagram in: plain RTP or RTCP, told apart as
    /// [RFC 5761 §4](https://www.rfc-editor.org/rfc/rfc5761#section-4) says. What is neither is
    /// counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.advance(now);
        if is_rtcp(datagram) {
            self.handle_control(datagram);
        } else {
            self.handle_media(datagram);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        if self.attention_at.is_some_and(|at| at <= self.now) {
            self.attend();
        }
        if let Some(arrivals) = &self.arrivals {
            self.outbox.feedback |= arrivals.deadline().is_some_and(|at| at <= self.now);
        }
        if self.reports.is_due(self.now) {
            self.begin_reports();
        }
    }

    /// Appends the next packet to `buf` and gives its place; `None`: nothing may leave now.
    /// [`is_rtcp`] tells what it is.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Range<usize>> {
        self.advance(now);
        if (self.outbox.has_control() || self.reports.is_open())
            && let Some(range) = self.write_control(buf)
        {
            return Some(range);
        }
        self.write_media(buf)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.poll()?;
        let slot = self.sections.slot_of(event.section());
        if let Some(section) = slot.and_then(|slot| self.sections.get_mut(slot)) {
            match event {
                // Told again after a read.
                Event::Readable(_) => {}
                Event::KeyFrameRequested(_) => section.flags.key_frame_requested = false,
                Event::Goodbye(_) => section.flags.goodbye = false,
            }
        }
        Some(event)
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) has
    /// something to do: the newest time seen when it is at once.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let paced = self.outbox.has_paced();
        if self.outbox.has_control()
            || self.reports.is_open()
            || !self.outbox.audio.is_empty()
            || paced && self.pacer.may_send(self.now)
        {
            return Some(self.now);
        }
        let release = self.pacer.release().filter(|_| paced);
        let feedback = self.arrivals.as_ref().and_then(|arrivals| arrivals.deadline());
        [release, feedback, self.attention_at, self.reports.next()].into_iter().flatten().min()
    }

    /// Sets the rate that the pacer holds video and retransmissions to, times 2.5; `None`, as at the
    /// start, holds nothing.
    pub fn set_pacing_rate(&mut self, rate: Option<Bitrate>) {
        self.pacer.set_rate(self.now, rate);
    }

    /// Sets the longest plain RTP or RTCP packet, in bytes; frames handed over from here on are cut
    /// for it. At least 300, so that any report fits.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.config.mtu = mtu.max(MIN_MTU);
    }

    /// Tells the round-trip time that another layer measured; counts until the other side's reports
    /// measure it, which they only do where we send media.
    pub fn set_round_trip_time(&mut self, round_trip_time: Duration) {
        if !self.reports_measure {
            self.learn_round_trip_time(round_trip_time);
        }
    }

    /// Tells that packets go another way from here on: what reports measured was about the old one.
    pub const fn path_changed(&mut self) {
        self.reports_measure = false;
    }

    /// The smoothed round-trip time.
    pub const fn round_trip_time(&self) -> Option<Duration> {
        self.round_trip_time
    }

    /// Anchors the wall clock again: it is `wall_clock` at `now`.
    pub fn set_wall_clock(&mut self, now: Instant, wall_clock: SystemTime) {
        self.advance(now);
        self.wall_clock = (self.now, NtpTime::from(wall_clock));
    }

    /// What belongs to no stream.
    pub const fn stats(&self) -> SessionStats {
        self.stats
    }

    /// What arrived, by source; retransmissions count for the source that they repeat.
    pub fn inbound_stats(&self, section: SectionId) -> impl Iterator<Item = InboundStats> + '_ {
        self.media_streams(section).map(inbound::Inbound::stats)
    }

    /// What the other side says it sent, by source.
    pub fn remote_outbound_stats(
        &self,
        section: SectionId,
    ) -> impl Iterator<Item = RemoteOutboundStats> + '_ {
        self.media_streams(section).filter_map(inbound::Inbound::remote_stats)
    }

    /// What was sent; `None` while the section doesn't send.
    pub fn outbound_stats(&self, section: SectionId) -> Option<OutboundStats> {
        let slot = self.sections.slot_of(section)?;
        Some(self.sections.get(slot)?.sender.as_ref()?.stats())
    }

    /// What the other side says it received; `None` before it says anything.
    pub fn remote_inbound_stats(&self, section: SectionId) -> Option<RemoteInboundStats> {
        let slot = self.sections.slot_of(section)?;
        let remote = self.sections.get(slot)?.sender.as_ref()?.remote;
        remote.timestamp.map(|_| remote)
    }

    fn media_streams(&self, section: SectionId) -> impl Iterator<Item = &inbound::Inbound> + '_ {
        let slot = self.sections.slot_of(section);
        let section = slot.and_then(|slot| self.sections.get(slot));
        let streams = section.map_or(&[][..], |section| &section.receiver.streams);
        streams
            .iter()
            .filter_map(|index| self.streams.get(*index))
            .filter(|stream| stream.repairs.is_none())
    }

    /// An older `now` is read as the newest seen.
    fn advance(&mut self, now: Instant) {
        if now > self.now {
            self.now = now;
            self.micros = self.micros_at(now);
        }
    }

    /// The microseconds since the session began.
    fn micros_at(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.start))
    }

    fn learn_round_trip_time(&mut self, time: Duration) {
        self.round_trip_time = Some(time);
        self.history_age = micros(self.config.history_age.max(time.saturating_mul(3)));
    }

    /// The wall clock at an instant.
    fn ntp_time(&self, at: Instant) -> NtpTime {
        let (anchor, time) = self.wall_clock;
        match at.checked_duration_since(anchor) {
            Some(passed) => time.plus(passed),
            None => time.minus(anchor.saturating_duration_since(at)),
        }
    }

    fn assumed_round_trip_time(&self) -> Duration {
        self.round_trip_time.unwrap_or(self.config.initial_round_trip_time)
    }

    /// Sees to it that the timers of a stream are heard.
    fn watch(&mut self, index: u32) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let Some(deadline) = stream.deadline() else { return };
        if !stream.flags.attended {
            stream.flags.attended = true;
            self.attention.push(index);
        }
        if self.attention_at.is_none_or(|at| deadline < at) {
            self.attention_at = Some(deadline);
        }
    }

    /// Sees to the streams whose timers are due.
    fn attend(&mut self) {
        let mut earliest: Option<Instant> = None;
        let mut position = 0;
        while let Some(&index) = self.attention.get(position) {
            let deadline = self.attend_stream(index);
            match deadline {
                Some(deadline) => {
                    earliest = Some(earliest.map_or(deadline, |at| at.min(deadline)));
                    position += 1;
                }
                None => {
                    self.attention.swap_remove(position);
                }
            }
        }
        self.attention_at = earliest;
    }

    /// Does what is due of a stream; gives its next deadline.
    fn attend_stream(&mut self, index: u32) -> Option<Instant> {
        let now = self.now;
        let stream = self.streams.get_mut(index)?;
        if stream.missing.is_due(now) && !stream.flags.nack {
            stream.flags.nack = true;
            self.outbox.nacks.push_back(index);
        }
        if let Some(buffer) = &mut stream.jitter_buffer {
            buffer.handle_timeout(now);
            if buffer.is_readable() {
                self.announce(index);
            }
            self.judge_picture(index);
        }
        self.renew_key_frame_request(index);
        let stream = self.streams.get_mut(index)?;
        let deadline = stream.deadline();
        stream.flags.attended = deadline.is_some();
        deadline
    }
}

/// Half a million years fit.
fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

/// A canonical name for a session that only receives: 96 random bits, as
/// [RFC 7022 §5](https://www.rfc-editor.org/rfc/rfc7022#section-5) wants.
fn short_term_name(rng: &mut ChaCha20Rng) -> String {
    format!("{:024x}", rng.random::<u128>() >> 32)
}

/// How long to wait for a key frame before asking again: a round trip, and time to encode and send
/// a large frame.
fn key_frame_pause(round_trip_time: Option<Duration>) -> Duration {
    round_trip_time.unwrap_or_default() * 2 + Duration::from_millis(300)
}

/// A compound packet with a report on one stream and the longest names.
const MIN_MTU: usize = 300;

#[cfg(test)]
mod tests;
