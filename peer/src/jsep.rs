//! JavaScript Session Establishment Protocol without the JavaScript
//! ([RFC 9429](https://www.rfc-editor.org/rfc/rfc9429)): what is wanted becomes offers and answers,
//! and offers and answers become a [`Plan`].
//!
//! Nothing here touches a transport. [`Jsep`] is one value that can be cloned: a description is
//! applied to a clone, which takes the place of the original if that succeeds. A wrong description
//! therefore leaves everything as it was. The plan says how everything should be, not what to do;
//! the connection compares it with what there is. `states` has the figure of what can be applied when.
//!
//! # Where we depart from RFC 9429
//!
//! * ICE and DTLS attributes are repeated in bundled sections, and sections that can only live
//!   bundled are not marked `bundle-only` with port 0 (§5.2.1). All browsers repeat them, and
//!   aiortc requires them in every section.
//! * When the section that carries a BUNDLE group is rejected, the next one takes its place, as
//!   [RFC 9143 §7.3.1](https://www.rfc-editor.org/rfc/rfc9143#section-7.3.1) says; §5.3.1 would
//!   reject the whole group.
//! * `a=tls-id` is not written, as in browsers: a DTLS association lives as long as its transport.
//!   A remote fingerprint, `a=tls-id` or DTLS role that changes is therefore refused.
//! * An answer with other ICE credentials than a provisional one before it is refused, for the same reason
//!   (§5.10 begins checks anew).
//! * Codecs that only we have are left out of answers (§5.3.1 adds them after the others).
//! * An offer or answer must not be changed before it is applied here, as §5.4 has it.

mod answer;
mod apply_local;
mod apply_remote;
mod association;
mod candidates;
mod codecs;
mod cryptex;
mod draws;
mod negotiation_needed;
mod offer;
mod plan;
mod rollback;
mod section;
mod snap;
mod states;
pub(crate) mod transceivers;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use dtls_srtp::dtls;

use self::codecs::{ExtensionIds, PayloadTypes};
use self::draws::Draws;
use self::section::{Created, Slot, SlotMedia};
use self::states::Side;
use self::transceivers::TransceiverState;
use crate::configuration::{BundlePolicy, Configuration, RtpHeaderEncryptionPolicy};
use crate::error::Error;
use crate::media::codec::{CodecCapability, HeaderExtensionCapability};
use crate::media::transceiver::TransceiverId;
use crate::signalling::{SdpType, SessionDescription, SignalingState};

pub(crate) use self::cryptex::CryptexPlan;
pub(crate) use self::plan::{DataPlan, Plan, RemoteTransport, SectionPlan, TransportPlan};

/// Names a transport of a connection; never reused there: what comes of its name, as the seeds of its
/// DTLS connection and its RTP session, is no other's. Sixteen million of the largest offers have names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct TransportId(pub(crate) u32);

/// What a description says about our end of a transport.
#[derive(Clone, Debug)]
pub(crate) struct LocalTransport {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    /// Attribute values, `candidate:…`.
    pub(crate) candidates: Vec<String>,
    pub(crate) end_of_candidates: bool,
}

impl LocalTransport {
    /// One that has credentials, and no candidates yet.
    pub(crate) fn new(credentials: &ice::Credentials) -> Self {
        let ice::Credentials { ufrag, pwd } = credentials.clone();
        Self { ufrag, pwd, candidates: Vec::new(), end_of_candidates: false }
    }
}

/// Where descriptions get what is not JSEP's to know.
pub(crate) trait LocalTransports {
    /// Our end of a transport, which there need not be yet; with new credentials if asked for.
    fn local_transport(&mut self, id: TransportId, ice_restart: bool) -> LocalTransport;
    /// Of the certificate that we will show.
    fn fingerprints(&self) -> Vec<dtls_srtp::Fingerprint>;
    /// The INIT chunk of our SCTP association, the same each time.
    fn sctp_init(&mut self) -> Vec<u8>;
}

/// A candidate of the other side.
#[derive(Clone, Debug)]
pub(crate) enum RemoteCandidate {
    Candidate(ice::Candidate),
    /// No more will come.
    End,
}

/// The signalling half of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Jsep {
    settings: Arc<Settings>,
    random: Draws,
    state: SignalingState,
    session_id: u64,
    session_version: u64,
    /// Binds our RTP streams together (RFC 7022).
    cname: String,
    transceivers: Vec<TransceiverState>,
    next_transceiver: u16,
    /// The first that no description has named which was applied.
    next_transport: u32,
    next_mid: u32,
    /// The m-sections by index, as of the newest description that was applied.
    slots: Vec<Slot>,
    transports: Vec<TransportState>,
    payload_types: PayloadTypes,
    extension_ids: ExtensionIds,
    /// Whether the application has asked for data channels since an exchange last rejected them.
    data: bool,
    /// The port of our association, or of the next.
    sctp_port: u16,
    current_local: Option<Described>,
    pending_local: Option<Described>,
    current_remote: Option<Described>,
    pending_remote: Option<Described>,
    last_offer: Option<Arc<Created>>,
    last_answer: Option<Arc<Created>>,
    /// What a rollback returns to; there while the state is not stable.
    stable: Option<Arc<Stable>>,
    /// Whether we are the controlling ICE agent, once it is known.
    controlling: Option<bool>,
    remote_lite: bool,
    ice_restart: IceRestart,
    negotiation_needed: bool,
}

/// What of the configuration matters here.
#[derive(Debug)]
struct Settings {
    bundle_policy: BundlePolicy,
    codecs: Vec<CodecCapability>,
    header_extensions: Vec<HeaderExtensionCapability>,
    rtp_header_encryption_policy: RtpHeaderEncryptionPolicy,
    max_message_size: u64,
    max_transceivers: usize,
    sped: bool,
    snap: bool,
}

/// The names of draft-hancke-webrtc-sped among the ICE options: its own, and Chromium's.
const SPED_OPTIONS: [&str; 2] = ["sped", "googspedv1"];

impl Settings {
    /// What our ICE agents can do.
    const fn ice_options(&self) -> &'static [&'static str] {
        const ALL: &[&str] = &["trickle", "ice2", SPED_OPTIONS[0], SPED_OPTIONS[1]];
        if self.sped { ALL } else { ALL.split_at(2).0 }
    }
}

/// A description that was applied.
#[derive(Clone, Debug)]
struct Described {
    kind: SdpType,
    sdp: Arc<sdp::SessionDescription>,
}

impl Described {
    fn new(kind: SdpType, sdp: sdp::SessionDescription) -> Self {
        Self { kind, sdp: Arc::new(sdp) }
    }
}

impl From<&Described> for SessionDescription {
    fn from(described: &Described) -> Self {
        Self { kind: described.kind, sdp: described.sdp.to_string() }
    }
}

/// What is known about a transport.
#[derive(Clone, Debug)]
struct TransportState {
    id: TransportId,
    /// Agreed on by the first answer; stays.
    dtls_role: Option<dtls::Role>,
    /// The credentials of the newest remote description that was applied.
    remote: Option<(String, String)>,
    fingerprints: Vec<dtls_srtp::Fingerprint>,
    /// What the other side calls the DTLS association, if it does.
    tls_id: Option<String>,
}

/// What a rollback returns to.
#[derive(Clone, Debug)]
struct Stable {
    slots: Vec<Slot>,
    transceivers: Vec<TransceiverState>,
}

/// Whether new ICE credentials are wanted by us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum IceRestart {
    No,
    /// The next offer shall have new ones.
    Requested,
    /// There are new ones, for the next offer or one that waits for its answer.
    Made,
}

/// The largest message that we take, for `a=max-message-size`: 0 for any (RFC 8841 §6.1).
fn told_message_size(configuration: &Configuration) -> u64 {
    match configuration.max_message_size_in_parts {
        Some(usize::MAX) => 0,
        Some(bytes) => bytes.max(configuration.max_message_size) as u64,
        None => configuration.max_message_size as u64,
    }
}

impl Jsep {
    pub(crate) fn new(configuration: &Configuration, seed: [u8; 32]) -> Self {
        let mut random = Draws::new(seed);
        let settings = Settings {
            bundle_policy: configuration.bundle_policy,
            codecs: configuration.codecs.clone(),
            header_extensions: configuration.header_extensions.clone(),
            rtp_header_encryption_policy: configuration.rtp_header_encryption_policy,
            max_message_size: told_message_size(configuration),
            max_transceivers: configuration.max_transceivers,
            sped: configuration.sped,
            snap: configuration.snap,
        };
        Self {
            settings: Arc::new(settings),
            state: SignalingState::Stable,
            // RFC 9429 §5.2.1: 63 random bits, less than 2^63 - 1.
            session_id: random.next_u64() >> 2,
            session_version: 0,
            // RFC 7022 §4.2: at least 96 random bits.
            cname: format!("{:016x}{:08x}", random.next_u64(), random.next_u64() >> 32),
            random,
            transceivers: Vec::new(),
            next_transceiver: 0,
            next_transport: 0,
            next_mid: 0,
            slots: Vec::new(),
            transports: Vec::new(),
            payload_types: PayloadTypes::default(),
            extension_ids: ExtensionIds::default(),
            data: false,
            sctp_port: 5000,
            current_local: None,
            pending_local: None,
            current_remote: None,
            pending_remote: None,
            last_offer: None,
            last_answer: None,
            stable: None,
            controlling: None,
            remote_lite: false,
            ice_restart: IceRestart::No,
            negotiation_needed: false,
        }
    }

    pub(crate) const fn signaling_state(&self) -> SignalingState {
        self.state
    }

    pub(crate) fn local_description(&self) -> Option<SessionDescription> {
        self.pending_local.as_ref().or(self.current_local.as_ref()).map(Into::into)
    }

    pub(crate) fn remote_description(&self) -> Option<SessionDescription> {
        self.pending_remote.as_ref().or(self.current_remote.as_ref()).map(Into::into)
    }

    pub(crate) fn current_local_description(&self) -> Option<SessionDescription> {
        self.current_local.as_ref().map(Into::into)
    }

    pub(crate) fn current_remote_description(&self) -> Option<SessionDescription> {
        self.current_remote.as_ref().map(Into::into)
    }

    pub(crate) fn pending_local_description(&self) -> Option<SessionDescription> {
        self.pending_local.as_ref().map(Into::into)
    }

    pub(crate) fn pending_remote_description(&self) -> Option<SessionDescription> {
        self.pending_remote.as_ref().map(Into::into)
    }

    /// Data channels are wanted from now on.
    pub(crate) const fn add_data(&mut self) {
        self.data = true;
    }

    /// The next offer shall have new ICE credentials.
    pub(crate) fn request_ice_restart(&mut self) {
        // Before the first description there is nothing to restart.
        if self.current_local.is_some() || self.pending_local.is_some() {
            self.ice_restart = IceRestart::Requested;
        }
    }

    /// ICE has found out that both sides control, or neither, and has settled it: no description
    /// changes that ("the agent MUST switch",
    /// [RFC 8445 §7.3.1.1](https://www.rfc-editor.org/rfc/rfc8445#section-7.3.1.1)).
    pub(crate) const fn set_controlling(&mut self, controlling: bool) {
        self.controlling = Some(controlling);
    }

    /// Ends everything: "For each transceiver … stop the RTCRtpTransceiver" (webrtc-pc §4.4.2, "close the
    /// connection").
    pub(crate) fn close(&mut self) {
        self.state = SignalingState::Closed;
        for transceiver in &mut self.transceivers {
            transceiver.stopping = true;
        }
    }

    /// Ends the other side's tracks, and gives those that the application was told of.
    pub(crate) fn end_remote_tracks(&mut self) -> impl Iterator<Item = TransceiverId> {
        let told = |own: &mut TransceiverState| {
            std::mem::take(&mut own.has_remote_track).then_some(own.id())
        };
        self.transceivers.iter_mut().filter_map(told)
    }

    /// Applies a description of ours.
    pub(crate) fn set_local(&mut self, description: SessionDescription) -> Result<Plan, Error> {
        self.check_state(Side::Local, description.kind)?;
        match description.kind {
            SdpType::Offer => self.apply_local_offer(&description.sdp),
            SdpType::PrAnswer | SdpType::Answer => {
                self.apply_local_answer(description.kind, &description.sdp)
            }
            SdpType::Rollback => Ok(self.roll_back()),
        }
    }

    /// Applies a description of the other side.
    pub(crate) fn set_remote(&mut self, description: SessionDescription) -> Result<Plan, Error> {
        let mut events = Vec::new();
        if description.kind == SdpType::Offer && self.state == SignalingState::HaveLocalOffer {
            // "If connection.[[SignalingState]] is not stable and description is an offer, roll the
            // local offer back": what perfect negotiation rests on (webrtc-pc §4.4.1.5).
            events = self.roll_back().events;
        }
        self.check_state(Side::Remote, description.kind)?;
        let mut plan = match description.kind {
            SdpType::Offer => self.apply_remote_offer(&description.sdp)?,
            SdpType::PrAnswer | SdpType::Answer => {
                self.apply_remote_answer(description.kind, &description.sdp)?
            }
            SdpType::Rollback => self.roll_back(),
        };
        // The state that was passed through on the way is nobody's business.
        events.retain(|event| !matches!(event, crate::Event::SignalingStateChange(_)));
        plan.events.splice(0..0, events);
        Ok(plan)
    }

    /// Remembers what a rollback returns to, when an exchange begins.
    fn leave_stable(&mut self) {
        if self.stable.is_none() {
            self.stable = Some(Arc::new(Stable {
                slots: self.slots.clone(),
                transceivers: self.transceivers.clone(),
            }));
        }
    }

    /// The exchange is complete.
    fn become_stable(&mut self) {
        self.state = SignalingState::Stable;
        self.stable = None;
        (self.last_offer, self.last_answer) = (None, None);
        (self.pending_local, self.pending_remote) = (None, None);
        self.negotiation_needed = false;
        for transceiver in &mut self.transceivers {
            transceiver.offered = None;
        }
        let slots = &self.slots;
        self.transceivers.retain(|transceiver| !transceiver.is_gone(slots));
        let used = |id| slots.iter().any(|slot| slot.transport == id && !slot.rejected);
        self.transports.retain(|transport| used(transport.id));
    }

    /// The m-sections that are in force: those of the last complete exchange.
    fn stable_slots(&self) -> &[Slot] {
        self.stable.as_ref().map_or(&self.slots, |stable| &stable.slots)
    }

    fn transport(&self, id: TransportId) -> Option<&TransportState> {
        self.transports.iter().find(|transport| transport.id == id)
    }

    /// What is known about a transport, which may be new.
    fn transport_mut(&mut self, id: TransportId) -> &mut TransportState {
        let at = self.transports.iter().position(|transport| transport.id == id);
        let at = at.unwrap_or(self.transports.len());
        if at == self.transports.len() {
            self.transports.push(TransportState {
                id,
                dtls_role: None,
                remote: None,
                fingerprints: Vec::new(),
                tls_id: None,
            });
        }
        #[expect(clippy::indexing_slicing, reason = "it was found or pushed above")]
        &mut self.transports[at]
    }

    fn new_transport(&mut self) -> TransportId {
        let id = TransportId(self.next_transport);
        self.next_transport = self.next_transport.saturating_add(1);
        id
    }

    /// The next `mid` that nobody has used.
    fn fresh_mid(&self, slots: &[Slot]) -> String {
        let mut number = self.next_mid;
        loop {
            let mid = number.to_string();
            let is_used = |slot: &Slot| slot.mid == mid;
            if !slots.iter().any(is_used) && !self.slots.iter().any(is_used) {
                return mid;
            }
            number += 1;
        }
    }

    /// Sees to it that a `mid` is never chosen again.
    fn use_mids(&mut self) {
        for slot in &self.slots {
            if let Ok(number) = slot.mid.parse::<u32>() {
                self.next_mid = self.next_mid.max(number.saturating_add(1).min(1 << 30));
            }
        }
    }

    fn slot_of(&self, id: TransceiverId) -> Option<usize> {
        self.slots.iter().position(|slot| slot.media == SlotMedia::Rtp(id))
    }
}
