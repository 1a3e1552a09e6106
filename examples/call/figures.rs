//! Our side's statistics, as the page draws them.

use std::time::{Duration, Instant};

use peerless::security::{Role, SecurityReport};
use peerless::stats::StatsReport;
use peerless::{MediaKind, PeerConnection};
use serde::Serialize;

use crate::signalling::{Facts, Security};

/// What changes every second. Counts are from the beginning of the call.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    round_trip_ms: Option<f64>,
    inbound: Vec<Inbound>,
    outbound: Vec<Outbound>,
    channels: Vec<Channel>,
    /// Datagrams that could not be used.
    dropped: u64,
}

#[derive(Debug, Serialize)]
struct Inbound {
    kind: &'static str,
    packets: u64,
    bytes: u64,
    lost: i64,
    jitter_ms: f64,
    frames: u64,
    nacks: u64,
    retransmitted: u64,
}

#[derive(Debug, Serialize)]
struct Outbound {
    kind: &'static str,
    packets: u64,
    bytes: u64,
    /// What the browser reports.
    lost: Option<i32>,
    jitter_ms: Option<f64>,
    frames: u64,
    retransmitted: u64,
    key_frame_requests: u64,
}

#[derive(Debug, Serialize)]
struct Channel {
    label: String,
    sent: u64,
    received: u64,
}

impl Figures {
    pub(crate) fn new(report: &StatsReport) -> Self {
        let transport = report.transports.first();
        Self {
            round_trip_ms: transport.and_then(|it| it.round_trip_time).map(milliseconds),
            inbound: report
                .inbound_rtp
                .iter()
                .map(|stream| Inbound {
                    kind: stream.kind.as_str(),
                    packets: stream.local.packets_received,
                    bytes: stream.local.bytes_received,
                    lost: stream.local.packets_lost,
                    jitter_ms: milliseconds(stream.local.jitter),
                    frames: stream.local.frames_received,
                    nacks: stream.local.nack_count,
                    retransmitted: stream.local.retransmitted_packets_received,
                })
                .collect(),
            outbound: report
                .outbound_rtp
                .iter()
                .map(|stream| Outbound {
                    kind: stream.kind.as_str(),
                    packets: stream.local.packets_sent,
                    bytes: stream.local.bytes_sent,
                    lost: stream.remote.map(|remote| remote.packets_lost),
                    jitter_ms: stream.remote.map(|remote| milliseconds(remote.jitter)),
                    frames: stream.local.frames_sent,
                    retransmitted: stream.local.retransmitted_packets_sent,
                    key_frame_requests: stream.local.pli_count + stream.local.fir_count,
                })
                .collect(),
            channels: report
                .data_channels
                .iter()
                .map(|channel| Channel {
                    label: channel.label.clone(),
                    sent: channel.bytes_sent,
                    received: channel.bytes_received,
                })
                .collect(),
            dropped: transport.map_or(0, |it| it.packets_dropped),
        }
    }
}

/// Says what a connection agreed on, `took` after its offer came.
pub(crate) fn facts(pc: &mut PeerConnection, now: Instant, took: Duration) -> Facts {
    let report = pc.stats(now);
    let pair = report.candidate_pairs.iter().find(|pair| pair.in_use).map(|pair| {
        format!(
            "{} {} ↔ {}",
            pair.path.transport,
            pair.local_candidate_type.as_str(),
            pair.remote_candidate_type.as_str()
        )
    });
    Facts {
        connected_ms: milliseconds(took),
        pair,
        security: pc.security_report().map(|report| security(&report)),
        codecs: codecs(pc).join(" "),
    }
}

/// Says in words how a connection is secured.
fn security(report: &SecurityReport) -> Security {
    Security {
        line: report.to_string(),
        version: report.version.to_string(),
        group: report.group_name(),
        post_quantum: report.post_quantum,
        cipher_suite: report.cipher_suite_name(),
        srtp: report.srtp_profile.map(|profile| profile.to_string()),
        cryptex: report.cryptex,
        local_signature: report.local_signature_scheme.map(|scheme| format!("{scheme:?}")),
        remote_signature: report.remote_signature_scheme.map(|scheme| format!("{scheme:?}")),
        role: match report.dtls_role {
            Role::Client => "client",
            Role::Server => "server",
        },
        round_trips: report.round_trips,
        handshake_ms: milliseconds(report.handshake_time),
        in_checks: report.handshake_in_checks,
        retransmitted: report.flights_retransmitted,
        local_fingerprint: report.local_certificate.fingerprint.to_string(),
        remote_fingerprint: report.remote_certificate.fingerprint.to_string(),
    }
}

/// The first codec of each section, video first: what is sent.
fn codecs(pc: &mut PeerConnection) -> Vec<String> {
    let mut named = Vec::new();
    for wanted in [MediaKind::Video, MediaKind::Audio] {
        for id in pc.transceivers().collect::<Vec<_>>() {
            let Some(transceiver) = pc.transceiver(id) else { continue };
            if transceiver.kind() != wanted {
                continue;
            }
            let Some(codec) = transceiver.codecs().first() else { continue };
            let name = codec.name.to_string();
            if !named.contains(&name) {
                named.push(name);
            }
        }
    }
    named
}

impl Facts {
    /// Everything but the time, in a line.
    pub(crate) fn line(&self) -> String {
        let security = self.security.as_ref().map(|security| security.line.clone());
        let codecs = Some(self.codecs.clone()).filter(|codecs| !codecs.is_empty());
        let parts = [self.pair.clone(), security, codecs];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

fn milliseconds(duration: Duration) -> f64 {
    // Microseconds are precise enough, and shorter as text.
    duration.as_micros() as f64 / 1000.0
}
