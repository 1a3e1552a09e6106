//! The figures of a connection.

use std::time::Instant;

use super::PeerConnection;
use crate::data_channel::{DataChannelId, DataChannelState};
use crate::security::{CertificateStats, SecurityReport, cipher_suite_name, is_post_quantum};
use crate::stats::{
    CandidatePairStats, DataChannelStats, InboundRtpStats, OutboundRtpStats, PeerConnectionStats,
    SctpTransportStats, StatsReport, TransportStats,
};
use crate::transport::Transport;

impl PeerConnection {
    /// Everything that is counted, as of now: the W3C's `getStats()`.
    pub fn stats(&mut self, now: Instant) -> StatsReport {
        let now = self.advance(now);
        let mut report = StatsReport {
            timestamp: now,
            peer_connection: self.peer_connection_stats(),
            transports: self.transport_stats(),
            candidate_pairs: self.candidate_pair_stats(),
            inbound_rtp: Vec::new(),
            outbound_rtp: Vec::new(),
            sctp_transport: self.data.as_ref().map(|data| SctpTransportStats {
                max_message_size: data.channels.max_whole_message_size(),
                association: data.channels.stats(),
            }),
            data_channels: self.data_channel_stats(),
        };
        self.add_rtp_stats(&mut report);
        report
    }

    /// How the connection is secured, once a transport is: of several, the first.
    pub fn security_report(&self) -> Option<SecurityReport> {
        self.security_reports().next()
    }

    /// How every transport that is connected is secured: more than one where not everything is
    /// bundled.
    pub fn security_reports(&self) -> impl Iterator<Item = SecurityReport> {
        self.transports.iter().filter_map(|transport| {
            let dtls = transport.dtls.as_ref().filter(|dtls| dtls.is_connected())?;
            let handshake = transport.handshake?;
            let group = dtls.group()?;
            Some(SecurityReport {
                dtls_role: dtls.role(),
                version: dtls.version()?,
                cipher_suite: dtls.cipher_suite()?,
                group,
                post_quantum: is_post_quantum(group),
                local_signature_scheme: dtls.local_signature_scheme(),
                remote_signature_scheme: dtls.peer_signature_scheme(),
                local_certificate: self.local_certificate(transport)?,
                remote_certificate: transport.remote_certificate()?,
                srtp_profile: transport.srtp.as_ref().map(|srtp| srtp.profile),
                cryptex: transport.encrypts_headers(),
                handshake_in_checks: handshake.in_checks,
                handshake_time: handshake.done?.saturating_duration_since(handshake.begun),
                round_trips: dtls.round_trips()?,
                flights_retransmitted: dtls.stats().flights_retransmitted,
            })
        })
    }

    /// The certificate that was shown, or before that, the one that we would rather show.
    fn local_certificate(&self, transport: &Transport) -> Option<CertificateStats> {
        let shown = transport.dtls.as_ref().and_then(|dtls| dtls.certificate());
        let first = || self.dtls.as_ref().ok().map(|config| config.certificate());
        Some(CertificateStats::new(shown.or_else(first)?.der()))
    }

    fn peer_connection_stats(&self) -> PeerConnectionStats {
        let (opened, open) = self.data.as_ref().map_or(
            // The channels ended with the connection, or there never were any.
            (self.counters.data_channels_opened, 0),
            |data| {
                let states = data.channels.channels().map(|id| data.channels.state(id));
                let open = states.filter(|state| *state == DataChannelState::Open).count();
                (data.channels.channels_opened(), open as u64)
            },
        );
        // A channel opens once: "The total number of open data channels at any time can be
        // calculated as dataChannelsOpened - dataChannelsClosed."
        PeerConnectionStats {
            data_channels_opened: opened,
            data_channels_closed: opened.saturating_sub(open),
        }
    }

    fn transport_stats(&self) -> Vec<TransportStats> {
        let unproved = self.ice.counters().unproved_paths;
        let mut of_none = self.counters.datagrams_dropped + unproved;
        let stats = self.transports.iter().map(|transport| {
            let dtls = transport.dtls.as_ref();
            let suite = dtls.and_then(|dtls| dtls.cipher_suite());
            let traffic = transport.traffic;
            let early = transport.early.dropped() + transport.early_data.dropped();
            let dropped = traffic.datagrams_dropped + early;
            TransportStats {
                packets_received: traffic.datagrams_received,
                packets_sent: traffic.datagrams_sent,
                bytes_received: traffic.bytes_received,
                bytes_sent: traffic.bytes_sent,
                packets_dropped: dropped + std::mem::take(&mut of_none),
                path: self.ice.send_path(transport.component),
                round_trip_time: self.ice.round_trip_time(transport.component),
                dtls_state: transport.dtls_state,
                dtls_role: dtls.map(|dtls| dtls.role()),
                dtls_version: dtls.and_then(|dtls| dtls.version()),
                dtls_cipher: suite.map(cipher_suite_name),
                srtp_cipher: transport.srtp.as_ref().map(|srtp| srtp.profile),
                cryptex: transport.encrypts_headers(),
                local_certificate: self.local_certificate(transport),
                remote_certificate: transport.remote_certificate(),
            }
        });
        stats.collect()
    }

    fn candidate_pair_stats(&self) -> Vec<CandidatePairStats> {
        let stats = self.ice.pairs().map(|pair| CandidatePairStats {
            path: pair.path,
            local_candidate_type: pair.local.kind,
            remote_candidate_type: pair.remote.kind,
            state: pair.state,
            nominated: pair.nominated,
            in_use: pair.in_use,
            current_round_trip_time: pair.current_round_trip_time,
            total_round_trip_time: pair.total_round_trip_time,
            requests_sent: pair.requests_sent,
            requests_received: pair.requests_received,
            responses_sent: pair.responses_sent,
            responses_received: pair.responses_received,
            consent_requests_sent: pair.consent_requests_sent,
        });
        stats.collect()
    }

    fn add_rtp_stats(&self, report: &mut StatsReport) {
        for section in &self.sections {
            let rtp = self.transports.iter().find(|transport| transport.id == section.transport);
            let Some(rtp) = rtp.and_then(|transport| transport.rtp.as_ref()) else { continue };
            let Some(transceiver) = self.jsep.transceiver(section.transceiver) else { continue };
            let (kind, mid) = (transceiver.kind, transceiver.mid.as_deref().map(str::to_owned));
            let remotes: Vec<_> = rtp.remote_outbound_stats(section.id()).collect();
            for local in rtp.inbound_stats(section.id()) {
                report.inbound_rtp.push(InboundRtpStats {
                    transceiver: section.transceiver,
                    kind,
                    mid: mid.clone(),
                    remote: remotes.iter().find(|remote| remote.ssrc == local.ssrc).copied(),
                    local,
                });
            }
            if let Some(local) = rtp.outbound_stats(section.id()) {
                let remote = rtp.remote_inbound_stats(section.id());
                let transceiver = section.transceiver;
                report.outbound_rtp.push(OutboundRtpStats {
                    transceiver,
                    kind,
                    mid,
                    local,
                    remote,
                });
            }
        }
    }

    fn data_channel_stats(&self) -> Vec<DataChannelStats> {
        let Some(data) = &self.data else { return Vec::new() };
        let stats = data.channels.channels().filter_map(|id| {
            let stats = data.channels.channel_stats(id)?;
            Some(DataChannelStats {
                id: DataChannelId(id),
                label: data.channels.label(id)?.to_owned(),
                protocol: data.channels.protocol(id)?.to_owned(),
                data_channel_identifier: data.channels.stream_id(id),
                state: data.channels.state(id),
                messages_sent: stats.messages_sent,
                bytes_sent: stats.bytes_sent,
                messages_received: stats.messages_received,
                bytes_received: stats.bytes_received,
            })
        });
        stats.collect()
    }
}
