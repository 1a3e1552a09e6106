//! Two signalling halves talk to each other, and to recordings of other implementations.

mod agreement;
mod bundle;
mod cryptex;
mod recorded;
mod snap;
mod states;
mod succession;

use std::collections::BTreeMap;

use super::{Jsep, LocalTransport, LocalTransports, Plan, TransportId};
use crate::configuration::Configuration;
use crate::error::Error;
use crate::event::Event;
use crate::media::MediaKind;
use crate::media::transceiver::TransceiverInit;
use crate::signalling::{OfferOptions, SessionDescription, SignalingState};

/// What ICE and DTLS would say.
#[derive(Clone, Debug)]
struct Ends {
    name: &'static str,
    transports: BTreeMap<TransportId, End>,
    fingerprint: dtls_srtp::Fingerprint,
}

/// The credentials of a transport, numbered.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    drawn: u32,
    in_force: u32,
    /// Those of a restart, until a description that has them is applied.
    next: Option<u32>,
}

impl End {
    fn draw(&mut self) {
        self.drawn += 1;
        self.next = Some(self.drawn);
    }
}

impl LocalTransports for Ends {
    fn local_transport(&mut self, id: TransportId, ice_restart: bool) -> LocalTransport {
        let end = self.transports.entry(id).or_default();
        if ice_restart {
            end.draw();
        }
        let ufrag = format!("{}-{}-{}", self.name, id.0, end.next.unwrap_or(end.in_force));
        let pwd = format!("{ufrag}-{}", "p".repeat(24));
        LocalTransport { ufrag, pwd, candidates: Vec::new(), end_of_candidates: false }
    }

    fn fingerprints(&self) -> Vec<dtls_srtp::Fingerprint> {
        vec![self.fingerprint]
    }

    fn sctp_init(&mut self) -> Vec<u8> {
        let now = crate::Origin::system().now;
        sctp::Association::server(sctp::Config::default(), now, [7; 32]).local_init_chunk()
    }
}

/// One side of a call.
struct Peer {
    jsep: Jsep,
    ends: Ends,
    plan: Option<Plan>,
    events: Vec<Event>,
}

impl Peer {
    fn new(name: &'static str, configuration: &Configuration, seed: u8) -> Self {
        let mut bytes = [seed; 32];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        let algorithm = dtls_srtp::HashAlgorithm::Sha256;
        let fingerprint = dtls_srtp::Fingerprint::of(algorithm, name.as_bytes());
        let ends = Ends { name, transports: BTreeMap::new(), fingerprint };
        Self { jsep: Jsep::new(configuration, bytes), ends, plan: None, events: Vec::new() }
    }

    fn offer(&mut self) -> SessionDescription {
        self.jsep.create_offer(&mut self.ends, OfferOptions::default()).expect("an offer")
    }

    fn answer(&mut self) -> SessionDescription {
        self.jsep.create_answer(&mut self.ends).expect("an answer")
    }

    /// What the connection does: a clone takes the place of the state if all is well.
    fn apply(&mut self, apply: impl FnOnce(&mut Jsep) -> Result<Plan, Error>) -> Result<(), Error> {
        let mut jsep = self.jsep.clone();
        let plan = apply(&mut jsep)?;
        self.jsep = jsep;
        self.events.extend(plan.events.iter().cloned());
        let state = self.jsep.signaling_state();
        for transport in &plan.transports {
            let end = self.ends.transports.entry(transport.id).or_default();
            let number = transport.local_ufrag.as_ref().and_then(|own| own.rsplit('-').next());
            end.in_force = number.map_or(end.in_force, |own| own.parse().expect("ours"));
            end.next = end.next.filter(|next| *next != end.in_force);
            if matches!(state, SignalingState::HaveRemoteOffer | SignalingState::Stable) {
                end.next = None;
            }
            // The other side's restart is answered with one of our own.
            if transport.remote.as_ref().is_some_and(|remote| remote.is_restart) {
                end.draw();
            }
        }
        self.plan = Some(plan);
        Ok(())
    }

    fn set_local(&mut self, description: SessionDescription) -> Result<(), Error> {
        self.apply(|jsep| jsep.set_local(description))
    }

    fn set_remote(&mut self, description: SessionDescription) -> Result<(), Error> {
        self.apply(|jsep| jsep.set_remote(description))
    }

    fn plan(&self) -> &Plan {
        self.plan.as_ref().expect("a description was applied")
    }

    fn parsed_local(&self) -> sdp::SessionDescription {
        let description = self.jsep.local_description().expect("a local description");
        sdp::SessionDescription::parse(&description.sdp).expect("our own is right")
    }
}

fn pair() -> [Peer; 2] {
    pair_with(&Configuration::default())
}

fn pair_with(configuration: &Configuration) -> [Peer; 2] {
    [Peer::new("alice", configuration, 1), Peer::new("bob", configuration, 1)]
}

/// `from` offers, the other answers.
fn negotiate(peers: &mut [Peer; 2], from: usize) {
    let offer = peers[from].offer();
    peers[from].set_local(offer.clone()).expect("our offer");
    peers[1 - from].set_remote(offer).expect("their offer");
    let answer = peers[1 - from].answer();
    peers[1 - from].set_local(answer.clone()).expect("our answer");
    peers[from].set_remote(answer).expect("their answer");
    assert_eq!(peers[0].jsep.signaling_state(), SignalingState::Stable);
    assert_eq!(peers[1].jsep.signaling_state(), SignalingState::Stable);
}

fn add(peer: &mut Peer, kind: MediaKind) -> crate::TransceiverId {
    peer.jsep.add_transceiver(kind, TransceiverInit::send_recv()).expect("room for one more")
}
