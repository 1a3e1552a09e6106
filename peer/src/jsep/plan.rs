//! What everything should be like, now that a description was applied.

use dtls_srtp::dtls;
use rtp::section;
use rtp::{ClockRate, PayloadType, Ssrc};

use super::candidates::MOST_CANDIDATES;
use super::cryptex::CryptexPlan;
use super::section::{Slot, SlotMedia};
use super::transceivers::TransceiverState;
use super::verify::{credentials, fingerprints};
use super::{Described, Jsep, SPED_OPTIONS, TransportId};
use crate::event::Event;
use crate::media::MediaKind;
use crate::media::codec::CodecCapability;
use crate::media::transceiver::TransceiverId;
use crate::signalling::SignalingState;

/// The complete wanted state. The connection compares it with what it has.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The transports in use; others are to be closed.
    pub(crate) transports: Vec<TransportPlan>,
    /// The m-sections with RTP; others are to be removed from their sessions.
    pub(crate) sections: Vec<SectionPlan>,
    /// Where data channels go, once that is agreed on.
    pub(crate) data: Option<DataPlan>,
    /// The answer that was applied has rejected the association that was there, or was to be.
    pub(crate) data_ends: bool,
    /// What the application is to be told, in the W3C's order.
    pub(crate) events: Vec<Event>,
    /// A local description was applied: candidates may be gathered.
    pub(crate) start_gathering: bool,
}

/// A transport.
#[derive(Debug)]
pub(crate) struct TransportPlan {
    pub(crate) id: TransportId,
    /// The ICE role, once an offer says it.
    pub(crate) controlling: Option<bool>,
    /// The DTLS role, once an answer says it.
    pub(crate) dtls_role: Option<dtls::Role>,
    /// Whether header extensions are encrypted.
    pub(crate) cryptex: CryptexPlan,
    /// The ICE user fragment of our newest description: it says which credentials are in force.
    pub(crate) local_ufrag: Option<String>,
    /// The other end, once it is described.
    pub(crate) remote: Option<RemoteTransport>,
}

/// The other end of a transport.
#[derive(Debug)]
pub(crate) struct RemoteTransport {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    pub(crate) candidates: Vec<ice::Candidate>,
    pub(crate) end_of_candidates: bool,
    pub(crate) fingerprints: Vec<dtls_srtp::Fingerprint>,
    pub(crate) ice_lite: bool,
    /// Its checks can carry the DTLS handshake.
    pub(crate) sped: bool,
    /// The other side restarts ICE, and we have to, too. Said once.
    pub(crate) is_restart: bool,
}

/// An m-section with RTP.
#[derive(Debug)]
pub(crate) struct SectionPlan {
    pub(crate) transceiver: TransceiverId,
    pub(crate) transport: TransportId,
    /// An answer has accepted it: until then it is what one side wishes for.
    pub(crate) agreed: bool,
    pub(crate) parameters: section::Parameters,
}

/// The m-section for data channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataPlan {
    pub(crate) transport: TransportId,
    /// The largest message that the other side accepts, in bytes; 0 stands for no limit.
    pub(crate) remote_max_message_size: u64,
    /// The port of the other side's association.
    pub(crate) remote_port: u16,
    pub(crate) local_port: u16,
    /// The other side's INIT, when both have agreed to exchange them in the descriptions.
    pub(crate) remote_init: Option<sctp::RemoteInit>,
}

impl Plan {
    pub(super) const fn with_gathering(mut self) -> Self {
        self.start_gathering = true;
        self
    }

    pub(super) const fn with_data_ending(mut self, ends: bool) -> Self {
        self.data_ends = ends;
        self
    }
}

impl Jsep {
    /// The plan of this moment, without news.
    pub(crate) fn current_plan(&self) -> Plan {
        self.plan_with(Vec::new(), &[])
    }

    pub(super) fn plan_with(&self, events: Vec<Event>, restarted: &[TransportId]) -> Plan {
        let mut ids: Vec<TransportId> = Vec::new();
        for slot in self.slots.iter().chain(self.stable_slots()).filter(|slot| !slot.rejected) {
            if !ids.contains(&slot.transport) {
                ids.push(slot.transport);
            }
        }
        let transports = ids.into_iter().map(|id| TransportPlan {
            id,
            controlling: self.controlling.map(|controlling| controlling || self.remote_lite),
            dtls_role: self.transport(id).and_then(|transport| transport.dtls_role),
            cryptex: self.cryptex_plan(id),
            local_ufrag: self.local_ufrag(id),
            remote: self.remote_transport(id, restarted.contains(&id)),
        });
        Plan {
            transports: transports.collect(),
            sections: self.transceivers.iter().filter_map(|own| self.section_plan(own)).collect(),
            data: self.data_plan(),
            data_ends: false,
            events,
            start_gathering: false,
        }
    }

    /// The user fragment of a transport in the newest local description that speaks of it.
    pub(super) fn local_ufrag(&self, id: TransportId) -> Option<String> {
        self.locals().find_map(|(described, slots)| {
            let (_, media) = self.section_of(&described.sdp, slots, id)?;
            media.ice_ufrag().map(str::to_owned)
        })
    }

    /// Our descriptions, the newest first, each with the sections as it has them.
    pub(super) fn locals(&self) -> impl Iterator<Item = (&Described, &[Slot])> {
        self.with_slots(self.pending_local.as_ref(), self.current_local.as_ref())
    }

    /// The remote descriptions, likewise.
    pub(super) fn remotes(&self) -> impl Iterator<Item = (&Described, &[Slot])> {
        self.with_slots(self.pending_remote.as_ref(), self.current_remote.as_ref())
    }

    fn with_slots<'s>(
        &'s self,
        pending: Option<&'s Described>,
        current: Option<&'s Described>,
    ) -> impl Iterator<Item = (&'s Described, &'s [Slot])> {
        let pending = pending.map(|own| (own, &*self.slots));
        pending.into_iter().chain(current.map(|own| (own, self.stable_slots())))
    }

    fn remote_transport(&self, id: TransportId, is_restart: bool) -> Option<RemoteTransport> {
        self.remotes().find_map(|(described, slots)| {
            let session = &*described.sdp;
            let (_, media) = self.section_of(session, slots, id)?;
            let (ufrag, pwd) = credentials(session, media)?;
            Some(RemoteTransport {
                ufrag: ufrag.to_owned(),
                pwd: pwd.to_owned(),
                candidates: media
                    .candidate_texts()
                    .filter_map(|own| own.parse().ok())
                    .take(MOST_CANDIDATES)
                    .collect(),
                end_of_candidates: media.has_end_of_candidates() || session.has_end_of_candidates(),
                fingerprints: fingerprints(session, media),
                ice_lite: self.remote_lite,
                sped: media.ice_options().or_else(|| session.ice_options()).is_some_and(
                    |options| SPED_OPTIONS.into_iter().any(|option| options.contains(option)),
                ),
                is_restart,
            })
        })
    }

    /// What is in force for a transceiver. Receiving begins with our description (early media),
    /// sending with the answer ([RFC 9429 §5.9, §5.11](https://www.rfc-editor.org/rfc/rfc9429#section-5.9)).
    fn section_plan(&self, transceiver: &TransceiverState) -> Option<SectionPlan> {
        if transceiver.stopping {
            return None;
        }
        let is_own = |slot: &&Slot| slot.media == SlotMedia::Rtp(transceiver.id) && !slot.rejected;
        let agreed = transceiver.negotiated.as_ref();
        // Until the new sections are agreed on, media stays on the transports that it has.
        let stable = self.stable_slots().iter().find(is_own).filter(|_| agreed.is_some());
        let answered = matches!(
            self.state,
            SignalingState::HaveLocalPranswer | SignalingState::HaveRemotePranswer
        );
        let newest = self.slots.iter().find(is_own);
        let slot = if answered { newest } else { stable.or(newest) }?;
        let offered = transceiver.offered.as_ref();
        let direction = transceiver.current_direction.unwrap_or(sdp::Direction::Inactive);
        let sends = agreed.is_some() && direction.sends();
        let receives = agreed.is_some() && direction.receives()
            || offered.is_some_and(|offered| offered.direction.receives());
        if agreed.is_none() && !receives {
            return None;
        }
        let mut codecs: Vec<section::Codec> = Vec::new();
        let mut extensions = agreed.map(|agreed| agreed.extensions.clone()).unwrap_or_default();
        for codec in agreed.iter().flat_map(|agreed| &agreed.codecs) {
            codecs.extend(rtp_codec(codec));
        }
        if let Some(offered) = offered {
            for codec in offered.codecs.iter().filter_map(rtp_codec) {
                if codecs.iter().all(|own| own.payload_type != codec.payload_type) {
                    codecs.push(codec);
                }
            }
            for (id, kind) in offered.extensions.iter() {
                if extensions.kind(id).is_none() && extensions.id(kind).is_none() {
                    extensions.insert(id, kind);
                }
            }
        }
        let has_rtx = codecs.iter().any(|codec| codec.rtx.is_some());
        let send = sends.then(|| section::Send {
            ssrc: transceiver.ssrc,
            rtx_ssrc: Some(transceiver.rtx_ssrc).filter(|ssrc| has_rtx && *ssrc != Ssrc(0)),
            cname: self.cname.clone(),
            rid: None,
        });
        let receive = receives.then(|| section::Receive {
            ssrcs: agreed.map(|agreed| agreed.ssrcs.clone()).unwrap_or_default(),
            rtx: agreed.map(|agreed| agreed.rtx.clone()).unwrap_or_default(),
            mode: transceiver.receive_mode,
        });
        Some(SectionPlan {
            transceiver: transceiver.id,
            transport: slot.transport,
            agreed: agreed.is_some(),
            parameters: section::Parameters {
                mid: slot.mid.clone(),
                media: match transceiver.kind {
                    MediaKind::Audio => section::Media::Audio,
                    MediaKind::Video => section::Media::Video,
                },
                codecs,
                extensions,
                send,
                receive,
                reduced_size: agreed.is_some_and(|agreed| agreed.reduced_size),
            },
        })
    }

    /// Where data channels go, by the newest remote description that has been answered or answers.
    fn data_plan(&self) -> Option<DataPlan> {
        let answered = self.state != SignalingState::HaveRemoteOffer;
        let mut remotes = self.remotes().filter(|(own, _)| {
            answered
                || !self.pending_remote.as_ref().is_some_and(|pending| std::ptr::eq(pending, *own))
        });
        remotes.find_map(|(described, slots)| {
            let is_data = |slot: &Slot| slot.media == SlotMedia::Data && !slot.rejected;
            let index = slots.iter().position(is_data)?;
            let media = described.sdp.media.get(index)?;
            if super::snap::port(media) == 0 {
                return None;
            }
            Some(DataPlan {
                transport: slots.get(index)?.transport,
                // RFC 8841 §6.1: 64 K where nothing is said.
                remote_max_message_size: media.max_message_size().unwrap_or(65_536),
                remote_port: super::snap::port(media),
                local_port: self.sctp_port,
                remote_init: self.settings.snap.then(|| super::snap::remote_init(media)).flatten(),
            })
        })
    }
}

fn rtp_codec(codec: &CodecCapability) -> Option<section::Codec> {
    let payload_type = PayloadType::new(codec.payload_type)?;
    Some(section::Codec {
        channels: codec.channels.unwrap_or(1),
        rtx: codec.rtx_payload_type.and_then(PayloadType::new),
        nack: codec.feedback.nack,
        pli: codec.feedback.pli,
        fir: codec.feedback.fir,
        transport_cc: codec.feedback.transport_cc,
        ..section::Codec::new(payload_type, codec.format(), ClockRate::new(codec.clock_rate)?)
    })
}
