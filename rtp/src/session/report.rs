//! When RTCP leaves, and what is in it.

use std::ops::Range;
use std::time::{Duration, Instant};

use rand::RngExt as _;

use super::Session;
use super::section::Media;
use super::sender::Sender;
use super::slots::Section;
use crate::clock::short_units;
use crate::rtcp::{
    FullIntraEntry, ItemKind, PictureLossIndication, ReportBlock, SenderInfo, Writer,
};
use crate::ssrc::Ssrc;

/// The timer of [RFC 3550 §6.3](https://www.rfc-editor.org/rfc/rfc3550#section-6.3), and how far the
/// reports of a turn are written.
#[derive(Debug)]
pub(super) struct Reports {
    /// `tn`: when reports are due next; `None` while there is nothing to report.
    next: Option<Instant>,
    /// `tp`: when they were made last.
    last: Instant,
    initial: bool,
    /// Sixteen times the average size of a datagram with RTCP, with 28 bytes of IP and UDP.
    average_size: u64,
    /// The section and the stream in it that come next, while a turn is written.
    cursor: Option<(u16, usize)>,
}

/// What the interval depends on.
#[derive(Clone, Copy, Debug)]
struct Membership {
    members: u64,
    senders: u64,
    we_sent: bool,
    /// The least mean interval.
    min: Duration,
    /// Bytes a second.
    bandwidth: f64,
}

impl Reports {
    pub(super) const fn new(now: Instant) -> Self {
        // "avg_rtcp_size is set to the probable size of the first RTCP packet".
        Self { next: None, last: now, initial: true, average_size: 16 * 100, cursor: None }
    }

    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// There is nobody to report for.
    pub(super) const fn stop(&mut self) {
        (self.next, self.cursor) = (None, None);
    }

    /// Whether a turn is being written.
    pub(super) const fn is_open(&self) -> bool {
        self.cursor.is_some()
    }

    /// `avg_rtcp_size = (1/16) * packet_size + (15/16) * avg_rtcp_size`, §6.3.3.
    pub(super) fn observe_size(&mut self, len: usize) {
        self.average_size = self.average_size - self.average_size / 16 + len as u64 + 28;
    }

    /// The interval of RFC 3550 A.7, made random with a number of 0.5..1.5.
    fn interval(&self, membership: Membership, random: f64) -> Duration {
        let Membership { members, senders, we_sent, min, mut bandwidth } = membership;
        let mut count = members;
        // "if the number of senders is less than or equal to 25% of the membership", they share a
        // quarter of the bandwidth.
        if senders * 4 <= members {
            if we_sent {
                (bandwidth, count) = (bandwidth * 0.25, senders);
            } else {
                (bandwidth, count) = (bandwidth * 0.75, members - senders);
            }
        }
        let min = if self.initial { min / 2 } else { min };
        let size = self.average_size as f64 / 16.0;
        let mean = (size * count as f64 / bandwidth.max(1.0)).max(min.as_secs_f64());
        // "compensate for the fact that the timer reconsideration algorithm converges to a value
        // below the intended average": e - 3/2.
        Duration::from_secs_f64((mean * random / 1.218_28).min(3600.0))
    }
}

impl Session {
    /// Starts the timer of the reports, when something is sent or received after nothing was.
    pub(super) fn arm_reports(&mut self) {
        if self.reports.next.is_none() {
            self.reports.last = self.now;
            let interval = self.report_interval();
            self.reports.next = Some(self.now + interval);
        }
    }

    fn report_interval(&mut self) -> Duration {
        let mut min = self.config.audio_report_interval;
        let (mut local, mut local_senders) = (0, 0);
        for (_, section) in self.sections.iter() {
            if section.parameters.media == Media::Video {
                min = self.config.video_report_interval.min(min);
            }
            if let Some(sender) = &section.sender {
                local += 1;
                local_senders += u64::from(sender.sent_since_report);
            }
        }
        let remote = self.streams.len() as u64;
        let membership = Membership {
            members: local.max(1) + remote.max(1),
            senders: local_senders + remote,
            we_sent: local_senders > 0,
            min,
            bandwidth: self.config.rtcp_bandwidth as f64 / 8.0,
        };
        let random = self.rng.random_range(0.5..1.5);
        self.reports.interval(membership, random)
    }

    /// The timer fired: makes reports, unless there are more members now than when it was set
    /// (reconsideration, §6.3.6); forgets sources that are silent.
    pub(super) fn begin_reports(&mut self) {
        let interval = self.report_interval();
        let reconsidered = self.reports.last + interval;
        if reconsidered > self.now {
            self.reports.next = Some(reconsidered);
            return;
        }
        self.forget_silent_sources();
        let (has_news, has_history) = self.trim_histories();
        if has_news {
            self.reports.cursor = Some((0, 0));
        }
        self.reports.initial = false;
        self.reports.last = self.now;
        self.reports.next = None;
        if has_news || has_history {
            let interval = self.report_interval();
            self.reports.next = Some(self.now + interval);
        }
    }

    fn forget_silent_sources(&mut self) {
        let (now, timeout) = (self.now, self.config.source_timeout);
        let silent = |last: Option<Instant>| {
            last.is_none_or(|last| now.saturating_duration_since(last) > timeout)
        };
        let gone: Vec<u32> = self
            .streams
            .iter()
            // One that was signalled may pause, even say goodbye: it goes on where it stopped.
            .filter(|(_, stream)| !stream.signalled)
            .filter(|(_, stream)| stream.ended || silent(stream.last_packet))
            // What came whole is still to be read.
            .filter(|(_, stream)| !stream.is_readable())
            .map(|(index, _)| index)
            .collect();
        for index in gone {
            self.remove_stream(index);
        }
    }

    /// Drops what is too old to be asked for. Gives whether there is something to report, and
    /// whether a history is left.
    fn trim_histories(&mut self) -> (bool, bool) {
        let mut has_news = self.streams.iter().any(|(_, stream)| stream.reception.is_fresh());
        let mut has_history = false;
        for slot in 0..self.sections.len() as u16 {
            let Some(section) = self.sections.get_mut(slot) else { continue };
            if let Some(sender) = section.sender.as_deref_mut() {
                has_news |= sender.sent_since_report;
                sender.trim(self.micros, &self.config, Some(self.history_age));
                has_history |= sender.has_history();
            }
            let receiver = &mut section.receiver;
            let active = receiver.streams.iter().any(|index| {
                self.streams.get(*index).is_some_and(|stream| stream.reception.is_fresh())
            });
            if !active && receiver.unread.is_empty() {
                receiver.blocks.release();
            }
        }
        (has_news, has_history)
    }

    /// Writes the next datagram with RTCP; `None` when what was to be told is no more.
    pub(super) fn write_control(&mut self, buf: &mut Vec<u8>) -> Option<Range<usize>> {
        let start = buf.len();
        if self.reports.is_open() {
            self.write_reports(buf);
        }
        if buf.len() == start && self.outbox.has_control() {
            self.write_goodbyes(buf, start);
            self.write_feedback(buf, start);
        }
        if buf.len() == start {
            return None;
        }
        self.stats.rtcp_sent += 1;
        self.reports.observe_size(buf.len() - start);
        Some(start..buf.len())
    }

    /// Writes reports until the datagram is full or all is told.
    fn write_reports(&mut self, buf: &mut Vec<u8>) {
        let start = buf.len();
        while let Some((slot, position)) = self.reports.cursor {
            if usize::from(slot) >= self.sections.len() {
                self.reports.cursor = None;
                return;
            }
            let next = self.write_section_report(buf, start, slot, position);
            match next {
                Step::Section => self.reports.cursor = Some((slot + 1, 0)),
                Step::Stream(position) => {
                    self.reports.cursor = Some((slot, position));
                    return;
                }
            }
        }
    }

    /// Writes the report of a section with the blocks of the streams from `position` on.
    fn write_section_report(
        &mut self,
        buf: &mut Vec<u8>,
        start: usize,
        slot: u16,
        position: usize,
    ) -> Step {
        let (now, micros) = (self.now, self.micros);
        let ntp_time = self.ntp_time(now);
        let Some(section) = self.sections.get_mut(slot) else { return Step::Section };
        let receiver = &section.receiver.streams;
        let info =
            section.sender.as_deref().filter(|sender| position == 0 && sender.sent_since_report);
        let info = info.map(|sender| sender_info(sender, micros, ntp_time));
        let streams = receiver.get(position..).unwrap_or_default();
        let fresh = |index: &u32| {
            self.streams.get(*index).is_some_and(|stream| stream.reception.is_fresh())
        };
        let blocks = streams.iter().filter(|index| fresh(index)).count();
        if info.is_none() && blocks == 0 {
            return Step::Section;
        }
        let (ssrc, cname) = identity(section, self.local_ssrc, &self.local_cname);
        let mid = section.parameters.mid.as_str();
        let description = (4 + 4 + 2 + cname.len() + 2 + mid.len() + 1).next_multiple_of(4);
        let fixed = match info {
            Some(_) => Writer::SENDER_REPORT_LEN,
            None => Writer::RECEIVER_REPORT_LEN,
        };
        let room = self.config.mtu.saturating_sub(buf.len() - start + description + fixed);
        let room = (room / Writer::REPORT_BLOCK_LEN).min(31);
        // A section's own report begins a datagram rather than being cut in two.
        if room < blocks.min(31) && buf.len() > start {
            return Step::Stream(position);
        }
        let mut told = 0;
        let all_streams = &mut self.streams;
        let blocks = streams.iter().map_while(|index| {
            // Counted also when it has nothing to say.
            if told >= room.max(1) {
                return None;
            }
            let block = all_streams
                .get_mut(*index)
                .and_then(|stream| stream.reception.is_fresh().then(|| report_block(stream, now)));
            told += usize::from(block.is_some());
            Some(block)
        });
        let mut passed = 0;
        let blocks = blocks.inspect(|_| passed += 1).flatten();
        let mut writer = Writer::new(buf);
        match info {
            Some(info) => writer.sender_report(info, blocks),
            None => writer.receiver_report(ssrc, blocks),
        };
        writer.source_description(
            ssrc,
            [(ItemKind::Cname, cname.as_bytes()), (ItemKind::Mid, mid.as_bytes())]
                .into_iter()
                .filter(|(_, data)| !data.is_empty()),
        );
        let more = streams.len() > passed;
        if let Some(sender) = section.sender.as_deref_mut() {
            sender.sent_since_report = false;
        }
        if more { Step::Stream(position + passed) } else { Step::Section }
    }

    /// Writes what ends, each source with its description, as compound packets need.
    fn write_goodbyes(&mut self, buf: &mut Vec<u8>, start: usize) {
        while let Some((ssrc, cname)) = self.outbox.goodbyes.front() {
            let len = 8 + (4 + 4 + 2 + cname.len() + 1).next_multiple_of(4) + 8;
            if buf.len() > start && buf.len() - start + len > self.config.mtu {
                return;
            }
            Writer::new(buf)
                .receiver_report(*ssrc, [])
                .source_description(*ssrc, [(ItemKind::Cname, cname.as_bytes())])
                .goodbye([*ssrc], b"");
            self.outbox.goodbyes.pop_front();
        }
    }

    /// Writes what is missing, what picture is lost, and what arrived, until the datagram is full.
    fn write_feedback(&mut self, buf: &mut Vec<u8>, start: usize) {
        let has_feedback = self.outbox.feedback
            || !self.outbox.nacks.is_empty()
            || !self.outbox.key_frames.is_empty();
        if !has_feedback {
            return;
        }
        let begin = buf.len();
        if !self.reduced_size && begin == start {
            let (ssrc, cname) = self.identity();
            Writer::new(buf)
                .receiver_report(ssrc, [])
                .source_description(ssrc, [(ItemKind::Cname, cname.as_bytes())]);
        }
        let after_prefix = buf.len();
        while self.room(buf, start) >= FULL_INTRA_LEN
            && let Some(index) = self.outbox.key_frames.pop_front()
        {
            self.write_key_frame_request(buf, index);
        }
        while self.room(buf, start) >= NACK_LEN + 4
            && let Some(&index) = self.outbox.nacks.front()
        {
            let room = self.room(buf, start);
            self.write_nack(buf, index, (room - NACK_LEN) / 4);
        }
        let room = self.room(buf, start);
        if self.outbox.feedback && room >= MIN_TRANSPORT_FEEDBACK {
            let (ssrc, _) = self.identity();
            if let Some(arrivals) = &mut self.arrivals {
                arrivals.write(&mut Writer::new(buf), ssrc, room);
                self.outbox.feedback = arrivals.deadline().is_some_and(|at| at <= self.now);
            } else {
                self.outbox.feedback = false;
            }
        }
        if buf.len() == after_prefix {
            buf.truncate(begin);
        }
    }

    fn write_key_frame_request(&mut self, buf: &mut Vec<u8>, index: u32) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        stream.flags.key_frame = false;
        let Some(section) = self.sections.get(stream.slot) else { return };
        let (sender, _) = identity(section, self.local_ssrc, &self.local_cname);
        let media = stream.ssrc;
        let codec = stream.role.map(|role| role.codec);
        let codec = codec.or_else(|| section.parameters.codecs.first().copied());
        let Some(codec) = codec else { return };
        let mut writer = Writer::new(buf);
        if codec.pli {
            stream.counters.plis += 1;
            writer.picture_loss_indication(PictureLossIndication { sender, media });
        } else if codec.fir {
            stream.counters.firs += 1;
            stream.command_sequence = stream.command_sequence.wrapping_add(1);
            let command_sequence = stream.command_sequence;
            writer.full_intra_request(sender, [FullIntraEntry { media, command_sequence }]);
        }
    }

    /// Asks for at most `limit` packets of a stream; it stays in the list while more are due.
    fn write_nack(&mut self, buf: &mut Vec<u8>, index: u32, limit: usize) {
        // Asked again when an answer to this request should have come.
        let pause = self.assumed_round_trip_time() * 5 / 4 + NACK_SLACK;
        let now = self.now;
        let Some(stream) = self.streams.get_mut(index) else {
            self.outbox.nacks.pop_front();
            return;
        };
        let section = self.sections.get(stream.slot);
        let sender =
            section.map_or(self.local_ssrc, |s| identity(s, self.local_ssrc, &self.local_cname).0);
        let at = buf.len();
        let mut asked = stream.missing.ask(now, pause, limit, &self.config).peekable();
        if asked.peek().is_some() {
            Writer::new(buf).nack(sender, stream.ssrc, asked);
        } else {
            drop(asked);
        }
        if buf.len() > at {
            stream.counters.nacks += 1;
        }
        if !stream.missing.is_due(now) {
            stream.flags.nack = false;
            self.outbox.nacks.pop_front();
            self.watch(index);
        }
    }

    fn room(&self, buf: &[u8], start: usize) -> usize {
        self.config.mtu.saturating_sub(buf.len() - start)
    }

    /// Who we are: a source that sends, else one that only reports.
    fn identity(&self) -> (Ssrc, &str) {
        let sending = self.sections.iter().find(|(_, section)| section.sender.is_some());
        sending.map_or((self.local_ssrc, &self.local_cname), |(_, section)| {
            identity(section, self.local_ssrc, &self.local_cname)
        })
    }
}

/// How the reports go on.
enum Step {
    /// With the next section.
    Section,
    /// In the next datagram, with this stream of the section.
    Stream(usize),
}

fn identity<'s>(section: &'s Section, local: Ssrc, local_cname: &'s str) -> (Ssrc, &'s str) {
    match &section.parameters.send {
        Some(send) => (send.ssrc, &send.cname),
        None => (local, local_cname),
    }
}

fn sender_info(sender: &Sender, now: u64, ntp_time: crate::clock::NtpTime) -> SenderInfo {
    let rtp_time = sender.clock.map_or(0, |clock| {
        let passed = clock.rate.units(Duration::from_micros(now.saturating_sub(clock.at)));
        clock.rtp_time.wrapping_add(passed as u32)
    });
    SenderInfo {
        ssrc: sender.ssrc,
        ntp_time,
        rtp_time,
        packet_count: sender.report_packets,
        octet_count: sender.report_octets,
    }
}

fn report_block(stream: &mut super::inbound::Inbound, now: Instant) -> ReportBlock {
    let reception = &mut stream.reception;
    let lost = reception.lost().clamp(-0x80_0000, 0x7F_FFFF) as i32;
    // The count of cycles begins at 0 on the wire.
    let highest = reception.highest().unwrap_or_default().0;
    let highest = highest.saturating_sub(crate::sequence::ExtendedSequenceNumber::FIRST_CYCLE);
    let report = stream.last_report;
    ReportBlock {
        ssrc: stream.ssrc,
        fraction_lost: reception.take_fraction_lost(),
        cumulative_lost: lost,
        highest_sequence: highest as u32,
        jitter: reception.jitter_units(),
        last_sender_report: report.map_or(0, |report| report.info.ntp_time.middle()),
        delay_since_last_sender_report: report
            .map_or(0, |report| short_units(now.saturating_duration_since(report.arrival))),
    }
}

/// A NACK without packets.
const NACK_LEN: usize = 12;
/// The longer of PLI and FIR.
const FULL_INTRA_LEN: usize = 20;
/// Less room than this is left to the next datagram.
const MIN_TRANSPORT_FEEDBACK: usize = 100;
/// What timers and queues add to a round trip.
const NACK_SLACK: Duration = Duration::from_millis(5);
