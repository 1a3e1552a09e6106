//! RTCP that comes in.

use std::time::Duration;

use super::Session;
use super::event::Event;
use super::reception::LastSenderReport;
use crate::clock::short_duration;
use crate::rtcp::{Compound, ItemKind, Packet, ReportBlock, SenderInfo, SourceDescription};
use crate::ssrc::Ssrc;

impl Session {
    pub(super) fn handle_control(&mut self, datagram: &[u8]) {
        let Ok(packets) = Compound::parse(datagram) else {
            self.stats.malformed += 1;
            return;
        };
        self.stats.rtcp_received += 1;
        self.reports.observe_size(datagram.len());
        for packet in packets {
            match packet {
                Ok(Packet::SenderReport(report)) => {
                    self.take_sender_info(report.info());
                    report.blocks().for_each(|block| self.take_block(block));
                }
                Ok(Packet::ReceiverReport(report)) => {
                    report.blocks().for_each(|block| self.take_block(block));
                }
                Ok(Packet::SourceDescription(description)) => self.take_description(description),
                Ok(Packet::Goodbye(goodbye)) => {
                    goodbye.ssrcs().for_each(|ssrc| self.take_goodbye(ssrc));
                }
                Ok(Packet::Nack(nack)) => {
                    let pause = self.round_trip_time.unwrap_or(MIN_REPEAT).max(MIN_REPEAT);
                    let max = self.config.max_retransmissions;
                    self.with_sender(nack.media(), |sender, now| {
                        sender.counters.nacks += 1;
                        for sequence in nack.sequence_numbers() {
                            sender.repair(now, sequence, pause, max);
                        }
                    });
                }
                Ok(Packet::PictureLossIndication(indication)) => {
                    let asked = self.with_sender(indication.media, |sender, _| {
                        sender.counters.plis += 1;
                    });
                    if asked {
                        self.tell_key_frame_requested(indication.media);
                    }
                }
                Ok(Packet::FullIntraRequest(request)) => {
                    for entry in request.entries() {
                        // The same number is the same command, repeated (RFC 5104 §4.3.1.2).
                        let mut new = false;
                        self.with_sender(entry.media, |sender, _| {
                            sender.counters.firs += 1;
                            let last = sender.last_command.replace(entry.command_sequence);
                            new = last != Some(entry.command_sequence);
                        });
                        if new {
                            self.tell_key_frame_requested(entry.media);
                        }
                    }
                }
                // A few bytes can tell of 65535 packets; nobody has that many on the way.
                Ok(Packet::TransportFeedback(feedback))
                    if feedback.status_count() > MAX_FEEDBACK =>
                {
                    self.stats.malformed += 1;
                }
                Ok(Packet::TransportFeedback(feedback)) => {
                    for (_, arrival) in feedback.arrivals() {
                        self.stats.feedback_packets += 1;
                        self.stats.feedback_lost += u64::from(arrival.is_none());
                    }
                }
                Ok(Packet::ReceiverEstimatedMaximumBitrate(estimate)) => {
                    self.stats.remote_estimate = Some(estimate.bits_per_second());
                }
                Ok(Packet::Application(_) | Packet::Unknown(_)) => {}
                Err(_) => self.stats.malformed += 1,
            }
        }
    }

    fn take_sender_info(&mut self, info: SenderInfo) {
        let now = self.now;
        let index = self.routes.stream(info.ssrc);
        if let Some(stream) = index.and_then(|index| self.streams.get_mut(index)) {
            let count = stream.last_report.map_or(0, |report| report.count) + 1;
            stream.last_report = Some(LastSenderReport { info, arrival: now, count });
        }
    }

    /// What the other side says about a stream of ours.
    fn take_block(&mut self, block: ReportBlock) {
        let Some(slot) = self.sender_of(block.ssrc) else {
            self.sections.acknowledge_rtx(block.ssrc);
            return;
        };
        // RFC 3550 §6.4.1: A - LSR - DLSR, all in 1/65536 s.
        let round_trip_time = (block.last_sender_report != 0).then(|| {
            let now = self.ntp_time(self.now).middle();
            let passed = now
                .wrapping_sub(block.last_sender_report)
                .wrapping_sub(block.delay_since_last_sender_report);
            // Clocks of different steps may make it a little less than nothing.
            if passed.cast_signed() < 0 { Duration::ZERO } else { short_duration(passed) }
        });
        let round_trip_time = round_trip_time.filter(|time| *time <= MAX_ROUND_TRIP_TIME);
        let now = self.now;
        let Some(section) = self.sections.get_mut(slot) else { return };
        let Some(sender) = section.sender.as_deref_mut() else { return };
        sender.acknowledged = true;
        let rate = sender.clock.map(|clock| clock.rate);
        let remote = &mut sender.remote;
        remote.packets_lost = block.cumulative_lost;
        remote.fraction_lost = f64::from(block.fraction_lost) / 256.0;
        remote.jitter = rate.map_or(Duration::ZERO, |rate| rate.duration(block.jitter.into()));
        remote.timestamp = Some(now);
        if let Some(time) = round_trip_time {
            remote.round_trip_time = Some(time);
            remote.total_round_trip_time += time;
            remote.round_trip_time_measurements += 1;
            // Smoothed as RFC 6298 does, without the variance.
            let known = self.round_trip_time.filter(|_| self.reports_measure);
            self.reports_measure = true;
            self.learn_round_trip_time(known.map_or(time, |known| (known * 7 + time) / 8));
        }
    }

    /// A description may say which section a source belongs to, before its packets do (RFC 8843
    /// §9.2).
    fn take_description(&mut self, description: SourceDescription<'_>) {
        for chunk in description.chunks() {
            let Some(mid) = chunk.item(ItemKind::Mid) else { continue };
            let ssrc = chunk.ssrc();
            if self.routes.find(ssrc).is_some() || self.sender_of(ssrc).is_some() {
                continue;
            }
            let Some(slot) = self.section_with_mid(mid) else { continue };
            self.expect(slot, ssrc);
        }
    }

    fn take_goodbye(&mut self, ssrc: Ssrc) {
        let Some(index) = self.routes.stream(ssrc) else { return };
        let Some(stream) = self.streams.get_mut(index) else { return };
        if stream.ended {
            return;
        }
        // What it sent last may still be read; the stream goes when reports are made next.
        stream.ended = true;
        let media = stream.repairs.is_none();
        let slot = stream.slot;
        self.arm_reports();
        if let Some(section) = self.sections.get_mut(slot)
            && media
            && !section.flags.goodbye
        {
            section.flags.goodbye = true;
            self.events.push(Event::Goodbye(section.id));
        }
    }

    /// Lets `act` on a sender of ours, and marks what it then has to send.
    fn with_sender(
        &mut self,
        ssrc: Ssrc,
        act: impl FnOnce(&mut super::sender::Sender, u64),
    ) -> bool {
        let Some(slot) = self.sender_of(ssrc) else { return false };
        let now = self.micros;
        let sender = self.sections.get_mut(slot).and_then(|section| section.sender.as_deref_mut());
        let Some(sender) = sender else { return false };
        act(sender, now);
        self.queued(slot);
        true
    }

    fn tell_key_frame_requested(&mut self, ssrc: Ssrc) {
        let Some(slot) = self.sender_of(ssrc) else { return };
        let Some(section) = self.sections.get_mut(slot) else { return };
        if !section.flags.key_frame_requested {
            section.flags.key_frame_requested = true;
            self.events.push(Event::KeyFrameRequested(section.id));
        }
    }
}

/// The most packets that one feedback packet is believed to tell of: a second at 100 Mbit/s.
const MAX_FEEDBACK: u16 = 10_000;
/// A packet is not sent again within this time, whatever the round-trip time.
const MIN_REPEAT: Duration = Duration::from_millis(10);
/// More is a clock that was set, or a report that we never sent.
const MAX_ROUND_TRIP_TIME: Duration = Duration::from_secs(60);
