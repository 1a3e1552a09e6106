//! Makes true what a description says.

use std::time::Instant;

use dtls_srtp::dtls;

use super::{PeerConnection, Route, Section};
use crate::data_channel::Data;
use crate::event::Event;
use crate::jsep::{
    DataPlan, LocalTransport, LocalTransports, Plan, RemoteTransport, TransportId, TransportPlan,
};
use crate::origin::SeedStream;
use crate::signalling::{IceGatheringState, SignalingState};
use crate::transport::Transport;
use crate::transport::sped::Sped;

impl PeerConnection {
    /// Makes true what changed without a description: a transceiver was stopped. Transports are for
    /// descriptions to change; an offer that was created may be about others, and is not applied yet.
    pub(crate) fn refresh(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        let plan = self.jsep.current_plan();
        self.apply_sections(now, plan.sections);
        self.fire_negotiation_needed();
        self.settle();
    }

    /// Compares what is wanted with what there is, and makes the difference.
    pub(super) fn apply(&mut self, now: Instant, plan: Plan) {
        for event in plan.events {
            self.events.push(event);
        }
        for wanted in plan.transports.iter() {
            self.apply_transport(now, wanted);
        }
        self.apply_sections(now, plan.sections);
        if plan.data_ends {
            self.reject_data(now);
        }
        if let Some(data) = plan.data {
            self.apply_data(now, &data);
        }
        self.replay_early_data(now);
        self.remove_transports(now, &plan.transports);
        // An offer that was created before this description cannot be applied any more.
        self.proposed.clear();
        if plan.start_gathering {
            self.start_gathering();
        }
        self.end_of_addresses(now);
        self.update_gathering_state();
        self.fire_negotiation_needed();
    }

    fn apply_transport(&mut self, now: Instant, wanted: &TransportPlan) {
        let index = self.transport_index(wanted.id);
        if let Some(controlling) = wanted.controlling {
            let role = if controlling { ice::Role::Controlling } else { ice::Role::Controlled };
            self.ice.set_role(now, role);
        }
        self.apply_restart(now, index, wanted);
        let holds = self.holds_remote(index, wanted);
        self.apply_sped(index, wanted.remote.as_ref().filter(|_| !holds));
        let Some(transport) = self.transports.get_mut(index) else { return };
        let stream = transport.component.stream;
        if transport.dtls_role.is_none() {
            transport.dtls_role = wanted.dtls_role;
        }
        transport.cryptex = wanted.cryptex;
        if let Some(srtp) = &mut transport.srtp {
            srtp.set_cryptex(wanted.cryptex);
        }
        if let Some(remote) = wanted.remote.as_ref().filter(|_| !holds) {
            if transport.remote_ufrag.as_deref() != Some(&remote.ufrag) {
                transport.remote_ufrag = Some(remote.ufrag.clone());
                self.ice.set_remote_lite(remote.ice_lite);
                let (ufrag, pwd) = (remote.ufrag.clone(), remote.pwd.clone());
                self.ice.set_remote_credentials(now, stream, ice::Credentials { ufrag, pwd });
            }
            for candidate in &remote.candidates {
                self.ice.add_remote_candidate(now, stream, candidate.clone());
            }
            if remote.end_of_candidates {
                self.ice.end_of_remote_candidates(now, stream);
            }
            if transport.remote_fingerprints != remote.fingerprints
                && !remote.fingerprints.is_empty()
            {
                transport.remote_fingerprints.clone_from(&remote.fingerprints);
                if let Some(dtls) = &mut transport.dtls {
                    dtls.set_remote_fingerprints(now, remote.fingerprints.clone());
                }
            }
        }
        self.start_dtls(now, index);
    }

    /// Lets checks carry the DTLS handshake if we may and the other side can, which is not known
    /// before it has described itself: "The offerer MUST be prepared to receive the STUN attributes
    /// … even before receiving the SDP answer."
    fn apply_sped(&mut self, index: usize, remote: Option<&RemoteTransport>) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        if let Some(remote) = remote {
            transport.refuses_sped = !remote.sped;
        }
        if transport.refuses_sped {
            if let Some(sped) = &mut transport.sped {
                sped.stop();
            }
        } else if self.configuration.sped && transport.sped.is_none() && transport.dtls.is_none() {
            transport.sped = Some(Box::new(Sped::new()));
        }
    }

    /// Restarts ICE when a description of ours that says so comes into force, and takes that back
    /// when the description is: until then everything goes on as it was.
    fn apply_restart(&mut self, now: Instant, index: usize, wanted: &TransportPlan) {
        let state = self.jsep.signaling_state();
        let Some(transport) = self.transports.get_mut(index) else { return };
        let stream = transport.component.stream;
        let known = self.ice.local_credentials(stream).map(|own| &own.ufrag);
        if let Some(ufrag) = wanted.local_ufrag.as_ref().filter(|ufrag| Some(*ufrag) != known) {
            match transport.next_credentials.take_if(|next| next.ufrag == *ufrag) {
                Some(next) => {
                    self.ice.restart_with(now, stream, next);
                    transport.remote_ufrag = None;
                    // Where it finds none, that is what fails.
                    transport.had_path = false;
                    if transport.gathering == IceGatheringState::Complete {
                        // The candidates are told again, and their end.
                        transport.gathering = IceGatheringState::Gathering;
                    }
                }
                None => {
                    self.ice.cancel_restart(now, stream);
                    transport.had_path |= self.ice.send_path(transport.component).is_some();
                    let remote = self.ice.remote_credentials(stream);
                    transport.remote_ufrag = remote.map(|remote| remote.ufrag.clone());
                }
            }
        }
        let is_restart = wanted.remote.as_ref().is_some_and(|remote| remote.is_restart);
        match state {
            SignalingState::HaveRemoteOffer if is_restart => {
                transport.next_credentials = Some(self.ice.generate_credentials());
            }
            SignalingState::HaveRemoteOffer | SignalingState::Stable => {
                transport.next_credentials = None;
            }
            _ => {}
        }
    }

    /// Whether what is known of the other end waits: its restart waits for our answer, and while
    /// our offer stands there is nothing new to know.
    fn holds_remote(&self, index: usize, wanted: &TransportPlan) -> bool {
        let known = self.transports.get(index).and_then(|own| own.remote_ufrag.as_ref());
        match self.jsep.signaling_state() {
            SignalingState::HaveLocalOffer => true,
            SignalingState::HaveRemoteOffer => {
                let offered = wanted.remote.as_ref().map(|remote| &remote.ufrag);
                known.is_some() && known != offered
            }
            _ => false,
        }
    }

    fn apply_sections(&mut self, now: Instant, wanted: Vec<crate::jsep::SectionPlan>) {
        let gone: Vec<Section> = self
            .sections
            .iter()
            .filter(|section| {
                !wanted.iter().any(|plan| {
                    plan.transceiver == section.transceiver && plan.transport == section.transport
                })
            })
            .copied()
            .collect();
        for section in gone {
            if let Some(rtp) = self.rtp_mut(section.transport) {
                rtp.remove_section(now, section.id());
            }
        }
        self.sections.clear();
        for transport in &mut self.transports {
            let before = transport.media;
            transport.media =
                wanted.iter().any(|plan| plan.agreed && plan.transport == transport.id);
            // What was good enough for data may lack a profile for media.
            transport.approved &= before || !transport.media;
        }
        for plan in wanted {
            let section = Section { transceiver: plan.transceiver, transport: plan.transport };
            let index = self.transport_index(plan.transport);
            self.ensure_rtp(index);
            if let Some(rtp) = self.rtp_mut(plan.transport) {
                rtp.set_section(now, section.id(), plan.parameters);
            }
            self.sections.push(section);
        }
        self.sections.sort_unstable();
        // SRTP that came before its section can be read now.
        for index in 0..self.transports.len() {
            self.approve(now, index);
            self.replay_early(now, index);
        }
    }

    fn ensure_rtp(&mut self, index: usize) {
        let Some(transport) = self.transports.get_mut(index) else { return };
        if transport.rtp.is_some() {
            return;
        }
        let config = rtp::session::Config {
            mtu: self.configuration.path_mtu - crate::transport::security::SRTP_OVERHEAD,
            // SRTP takes each number once.
            plain_retransmission: false,
            ..rtp::session::Config::default()
        };
        let seed = self.origin.child_seed(SeedStream::Rtp(transport.id.0));
        let wall_clock = self.origin.wall_clock_at(self.now);
        let mut rtp = rtp::Session::new(config, self.now, wall_clock, seed);
        rtp.set_pacing_rate(Some(rtp::Bitrate::from_bits_per_second(
            self.configuration.pacing_rate,
        )));
        transport.rtp = Some(Box::new(rtp));
    }

    fn apply_data(&mut self, now: Instant, plan: &DataPlan) {
        let data = self.data_to_begin();
        data.transport = Some(plan.transport);
        data.channels.set_local_port(plan.local_port);
        data.channels.set_remote_max_message_size(plan.remote_max_message_size);
        data.channels.set_remote_port(plan.remote_port);
        if let Some(init) = plan.remote_init {
            data.channels.set_remote_init(init);
        }
        self.start_data(now);
        self.end_data_if_failed(now);
        for index in 0..self.transports.len() {
            self.replay_early(now, index);
        }
    }

    /// Begins the SCTP association, once there is a DTLS connection below: by then ICE has measured
    /// the round-trip time, which the first timers follow. The DTLS role tells which channel ids
    /// are ours to give ([RFC 8832 §6](https://www.rfc-editor.org/rfc/rfc8832#section-6)).
    pub(super) fn start_data(&mut self, now: Instant) {
        let Some(data) = &mut self.data else { return };
        let transport = self.transports.iter().find(|t| Some(t.id) == data.transport);
        let Some(transport) = transport.filter(|transport| transport.dtls.is_some()) else {
            return;
        };
        let role = match transport.dtls_role {
            Some(dtls::Role::Client) => sctp::data_channel::Role::Client,
            Some(dtls::Role::Server) => sctp::data_channel::Role::Server,
            None => return,
        };
        if let Some(round_trip) = self.ice.round_trip_time(transport.component) {
            data.channels.set_round_trip_time(round_trip);
        }
        data.channels.start(now, role);
    }

    /// The SCTP association and its channels, made when first needed: an association that can begin, a
    /// new one where the descriptions have closed the last.
    pub(super) fn data_to_begin(&mut self) -> &mut Data {
        let Self { origin, configuration, now, .. } = self;
        let data = self.data.get_or_insert_with(|| {
            Box::new(Data::new(configuration, *now, origin.child_seed(SeedStream::Sctp(0))))
        });
        if std::mem::take(&mut data.rejected) {
            self.data_close_reason = None;
            data.earlier += 1;
            data.transport = None;
            data.channels.renew(*now, origin.child_seed(SeedStream::Sctp(data.earlier)));
        }
        data
    }

    fn remove_transports(&mut self, now: Instant, wanted: &[TransportPlan]) {
        for transport in &self.transports {
            if !wanted.iter().any(|plan| plan.id == transport.id) {
                self.ice.remove_stream(now, transport.component.stream);
            }
        }
        self.transports.retain(|transport| wanted.iter().any(|plan| plan.id == transport.id));
        self.close_sockets();
        self.announce_ufrags();
        self.forget_candidates();
    }

    /// Candidates of a generation that is gone, as that of an offer that was taken back, are of no use
    /// to anyone: the other side may not know what they name.
    fn forget_candidates(&mut self) {
        let Self { ice, events, .. } = self;
        events.forget(|event| match event {
            Event::IceCandidate(candidate) => {
                ice.local_ufrags().all(|own| Some(own) != candidate.username_fragment.as_deref())
            }
            _ => false,
        });
    }

    /// Where this transport stands in the list; made if it is new.
    fn transport_index(&mut self, id: TransportId) -> usize {
        if let Some(index) = self.transports.iter().position(|transport| transport.id == id) {
            return index;
        }
        let credentials = self.proposed_credentials(id).clone();
        let stream = self.ice.add_stream_with(self.now, 1, credentials);
        self.transports.push(Transport::new(id, ice::ComponentId { stream, component: 1 }));
        self.announce_ufrags();
        self.transports.len() - 1
    }

    /// What an offer that is not applied yet says of a transport that there is not yet.
    fn proposed_credentials(&mut self, id: TransportId) -> &ice::Credentials {
        let at = self.proposed.iter().position(|(own, _)| *own == id);
        let at = at.unwrap_or(self.proposed.len());
        if at == self.proposed.len() {
            self.proposed.push((id, self.ice.generate_credentials()));
        }
        #[expect(clippy::indexing_slicing, reason = "it was found or pushed above")]
        &self.proposed[at].1
    }

    /// Tells an endpoint which fragments lead here: after a restart the old one still does, until
    /// the next.
    pub(super) fn announce_ufrags(&mut self) {
        let Some(routes) = &mut self.routes else { return };
        let current: Vec<String> = self.ice.local_ufrags().map(str::to_owned).collect();
        for gone in self.announced_ufrags.iter().filter(|ufrag| !current.contains(ufrag)) {
            routes.push_back(Route::UfragGone(gone.clone()));
        }
        for new in current.iter().filter(|ufrag| !self.announced_ufrags.contains(ufrag)) {
            routes.push_back(Route::Ufrag(new.clone()));
        }
        self.announced_ufrags = current;
    }

    pub(crate) fn rtp_mut(&mut self, id: TransportId) -> Option<&mut rtp::Session> {
        self.transports.iter_mut().find(|transport| transport.id == id)?.rtp.as_deref_mut()
    }
}

/// What JSEP asks while it writes a description.
impl LocalTransports for PeerConnection {
    fn local_transport(&mut self, id: TransportId, ice_restart: bool) -> LocalTransport {
        let Some(transport) = self.transports.iter_mut().find(|transport| transport.id == id)
        else {
            return LocalTransport::new(self.proposed_credentials(id));
        };
        if ice_restart {
            transport.next_credentials = Some(self.ice.generate_credentials());
        }
        if let Some(next) = &transport.next_credentials {
            // Their candidates are told when the description is in force.
            return LocalTransport::new(next);
        }
        let stream = transport.component.stream;
        let Some(credentials) = self.ice.local_credentials(stream) else {
            unreachable!("a transport has a stream as long as it lives");
        };
        LocalTransport {
            candidates: self.ice.local_candidates(stream).map(ToString::to_string).collect(),
            end_of_candidates: transport.gathering == IceGatheringState::Complete,
            ..LocalTransport::new(credentials)
        }
    }

    fn fingerprints(&self) -> Vec<dtls_srtp::Fingerprint> {
        let Ok(config) = &self.dtls else { return Vec::new() };
        let first = std::iter::once(config.certificate());
        let all = first.chain(self.configuration.certificates.iter().skip(1));
        let sha256 = dtls_srtp::HashAlgorithm::Sha256;
        let mut fingerprints: Vec<_> = all.map(|own| own.fingerprint(sha256)).collect();
        // libwebrtc keeps the last one only: it has to be that of the certificate that it is shown.
        fingerprints.reverse();
        fingerprints
    }

    fn sctp_init(&mut self) -> Vec<u8> {
        self.data_to_begin().channels.local_init_chunk()
    }
}
