//! One transport: an ICE stream, the DTLS association on it, and what travels inside.
//!
//! m-sections refer to transports by [`TransportId`]. BUNDLE usually makes the list of transports
//! a list of one.

use std::mem;
use std::time::Instant;

use dtls_srtp::crypto::KeyError;
use dtls_srtp::{dtls, srtp};
use stun::FiveTuple;
use tracing::warn;

use crate::Configuration;
use crate::jsep::{CryptexPlan, TransportId};
use crate::security::CertificateStats;
use crate::signalling::IceGatheringState;

pub(crate) mod budget;
pub(crate) mod early;
pub(crate) mod security;
pub(crate) mod sped;

/// One ICE component with everything that is carried over it.
pub(crate) struct Transport {
    pub(crate) id: TransportId,
    /// Its stream in the ICE agent; with RTCP always multiplexed it has one component.
    pub(crate) component: ice::ComponentId,
    /// The other side's ICE user fragment that was applied last, to notice a restart.
    pub(crate) remote_ufrag: Option<String>,
    /// Where data went when ICE last chose a path.
    pub(crate) path: Option<FiveTuple>,
    /// What a description that is not in force yet says of our side: an offer that was created, or
    /// the answer to an offer that restarts ICE.
    pub(crate) next_credentials: Option<ice::Credentials>,
    pub(crate) dtls_role: Option<dtls::Role>,
    /// Made when the role is known and ICE has a path, or its checks carry the handshake.
    pub(crate) dtls: Option<Box<dtls::Connection>>,
    pub(crate) dtls_state: DtlsTransportState,
    /// Whether an m-section with RTP is agreed on, which the policy asks more for.
    pub(crate) media: bool,
    /// Whether the policy has looked at what DTLS agreed on, and is content.
    pub(crate) approved: bool,
    /// When the handshake could begin, and when it was done.
    pub(crate) handshake: Option<Handshake>,
    /// While ICE's checks carry the handshake, or may.
    pub(crate) sped: Option<Box<sped::Sped>>,
    /// Whether the other side has said that it does not read it.
    pub(crate) refuses_sped: bool,
    pub(crate) remote_fingerprints: Vec<dtls_srtp::Fingerprint>,
    /// Made when DTLS has given the keys.
    pub(crate) srtp: Option<Box<SrtpContexts>>,
    /// Whether SRTP encrypts header extensions, as the descriptions have it.
    pub(crate) cryptex: CryptexPlan,
    /// Made when the first m-section with RTP refers to this transport.
    pub(crate) rtp: Option<Box<rtp::Session>>,
    /// How media and data share the path.
    pub(crate) budget: budget::Budget,
    pub(crate) early: early::Early,
    /// What DTLS has opened before it was known to be data's.
    pub(crate) early_data: early::Early,
    pub(crate) traffic: Traffic,
    /// Whether the ICE component has been given its addresses, and the other side told their end.
    pub(crate) gathering: IceGatheringState,
    /// Whether there has ever been a path: what fails later was a connection once.
    pub(crate) had_path: bool,
    /// Where the goodbye of a closed connection goes.
    pub(crate) farewell: Option<FiveTuple>,
    /// What is said before it, sealed: RTCP's BYE, and SCTP's ABORT.
    pub(crate) last_words: LastWords,
}

/// What a transport has carried, ICE's checks aside.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) datagrams_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) datagrams_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) datagrams_dropped: u64,
}

/// What media and data say at the end of a connection.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    /// A datagram of SRTCP.
    pub(crate) rtcp: Vec<u8>,
    /// A DTLS record, for the datagram of the alert.
    pub(crate) sctp: Vec<u8>,
}

/// The course of the DTLS handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake {
    pub(crate) begun: Instant,
    pub(crate) done: Option<Instant>,
    /// Whether it travelled inside checks, both ways.
    pub(crate) in_checks: bool,
    /// Whether the other side has sent a check, and so has our description.
    pub(crate) heard: bool,
}

/// SRTP both ways.
pub(crate) struct SrtpContexts {
    pub(crate) profile: srtp::Profile,
    pub(crate) outbound: srtp::Context,
    pub(crate) inbound: srtp::Context,
    /// Whether the log says that there are too many sources.
    warned: bool,
}

impl SrtpContexts {
    pub(crate) fn new(
        keys: &srtp::SessionKeys,
        configuration: &Configuration,
    ) -> Result<Self, KeyError> {
        let mut settings = srtp::Settings::default();
        settings.max_sources = configuration.max_srtp_sources;
        let context =
            |key| srtp::Context::with_settings(keys.profile, key, &configuration.crypto, settings);
        let (outbound, inbound) = (context(&keys.local)?, context(&keys.remote)?);
        Ok(Self { profile: keys.profile, outbound, inbound, warned: false })
    }

    /// Says once that packets are dropped because there are too many sources.
    pub(crate) fn warn_of_sources(&mut self) {
        if !mem::replace(&mut self.warned, true) {
            warn!("media is dropped: more sources than Configuration::max_srtp_sources");
        }
    }

    pub(crate) const fn set_cryptex(&mut self, plan: CryptexPlan) {
        self.outbound.set_cryptex(plan.outbound);
        self.inbound.set_cryptex(plan.inbound);
    }
}

/// Where the DTLS association stands: the W3C's `RTCDtlsTransportState`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum DtlsTransportState {
    /// Not begun.
    #[default]
    New,
    /// The handshake is under way.
    Connecting,
    /// The handshake is done and the other side's certificate is the one it announced.
    Connected,
    /// Ended in order.
    Closed,
    /// Ended by an error.
    Failed,
}

impl Transport {
    pub(crate) fn new(id: TransportId, component: ice::ComponentId) -> Self {
        Self {
            id,
            component,
            remote_ufrag: None,
            next_credentials: None,
            path: None,
            dtls_role: None,
            dtls: None,
            dtls_state: DtlsTransportState::New,
            media: false,
            approved: false,
            handshake: None,
            sped: None,
            refuses_sped: false,
            remote_fingerprints: Vec::new(),
            srtp: None,
            cryptex: CryptexPlan::default(),
            rtp: None,
            budget: budget::Budget::default(),
            early: early::Early::default(),
            early_data: early::Early::default(),
            traffic: Traffic::default(),
            gathering: IceGatheringState::New,
            had_path: false,
            farewell: None,
            last_words: LastWords::default(),
        }
    }

    /// The earliest deadline of what this transport carries. While it is not `writable`, what is
    /// ready to be sent does not count: only timers do.
    pub(crate) fn poll_timeout(&self, now: Instant, writable: bool) -> Option<Instant> {
        let counts = |at: &Instant| writable || *at > now;
        let dtls = self.dtls.as_ref().filter(|_| self.runs_dtls(writable));
        let dtls = dtls.and_then(|dtls| dtls.poll_timeout()).filter(counts);
        let unsent = writable && self.sped.as_ref().is_some_and(|sped| sped.has_unsent());
        // RTP cannot leave before there are keys.
        let keyed = writable && self.srtp.is_some();
        let rtp = self.rtp.as_ref().and_then(|rtp| rtp.poll_timeout());
        let rtp = rtp.filter(|at| keyed || *at > now);
        earliest(earliest(dtls, rtp), unsent.then_some(now))
    }

    /// Whether what the application says may leave by DTLS.
    pub(crate) fn may_send(&self) -> bool {
        self.approved && self.dtls.as_ref().is_some_and(|dtls| dtls.may_send())
    }

    /// Whether RTP header extensions are sent encrypted.
    pub(crate) fn encrypts_headers(&self) -> bool {
        self.srtp.as_ref().is_some_and(|srtp| srtp.outbound.cryptex() != srtp::Cryptex::Off)
    }

    /// The other side's certificate, if it is the one that it has announced.
    pub(crate) fn remote_certificate(&self) -> Option<CertificateStats> {
        let dtls = self.dtls.as_ref().filter(|dtls| dtls.is_connected())?;
        dtls.peer_certificate().map(CertificateStats::new)
    }

    /// Whether DTLS's timers run: as long as its flights travel in checks only, ICE repeats them.
    pub(crate) fn runs_dtls(&self, writable: bool) -> bool {
        writable || !self.sped.as_ref().is_some_and(|sped| sped.is_on())
    }
}

/// The earlier of two deadlines.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_sources_there_are_is_a_setting() {
        let profile = srtp::Profile::AeadAes128Gcm;
        let material = vec![7; profile.keying_material_len()];
        let keys = srtp::SessionKeys::for_client(profile, &material).unwrap();
        for max_srtp_sources in [1, 2] {
            let configuration = Configuration { max_srtp_sources, ..Configuration::default() };
            let mut contexts = SrtpContexts::new(&keys, &configuration).unwrap();
            let results = [1, 2].map(|ssrc| {
                let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, ssrc, 9];
                contexts.outbound.protect_rtp(&mut packet, 0)
            });
            assert_eq!(results[0], Ok(()));
            assert_eq!(results[1].is_ok(), max_srtp_sources == 2);
        }
    }
}
