//! Random wishes on both sides, random exchanges: in the end both sides agree.

use std::collections::BTreeSet;

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::configuration::BundlePolicy;
use crate::jsep::section::SlotMedia;
use crate::media::transceiver::RtpTransceiverDirection;

#[expect(clippy::disallowed_methods, reason = "SEEDS scales every randomised test")]
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

struct Random(ChaCha20Rng);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0.next_u32() as usize % limit.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn wish(random: &mut Random, peer: &mut Peer) {
    let ids: Vec<_> = peer.jsep.transceivers().map(|own| own.id).collect();
    let any = (!ids.is_empty()).then(|| ids[random.below(ids.len())]);
    let kind = if random.chance(50) { MediaKind::Audio } else { MediaKind::Video };
    let directions = [
        RtpTransceiverDirection::SendRecv,
        RtpTransceiverDirection::SendOnly,
        RtpTransceiverDirection::RecvOnly,
        RtpTransceiverDirection::Inactive,
    ];
    match (random.below(9), any) {
        (0, _) if ids.len() < 6 => drop(add(peer, kind)),
        (1, _) if ids.len() < 6 => drop(peer.jsep.add_track(kind, &["s"])),
        (2, Some(id)) => peer.jsep.set_direction(id, directions[random.below(4)]).unwrap(),
        (3, Some(id)) => peer.jsep.remove_track(id).unwrap(),
        (4, Some(id)) if random.chance(40) => peer.jsep.stop(id),
        (5, Some(id)) => peer.jsep.set_streams(id, &["a", "b"][..random.below(3)]),
        (6, _) if random.chance(30) => peer.jsep.add_data(),
        (7, _) if random.chance(20) => peer.jsep.request_ice_restart(),
        _ => {}
    }
}

/// One exchange with everything that can come in between.
fn exchange(random: &mut Random, peers: &mut [Peer; 2], from: usize) {
    let to = 1 - from;
    let offer = peers[from].offer();
    if random.chance(20) {
        wish(random, &mut peers[from]);
    }
    peers[from].set_local(offer.clone()).expect("our offer");
    if random.chance(10) {
        peers[from].set_local(SessionDescription::rollback()).expect("an offer is pending");
        return;
    }
    if random.chance(20) {
        // Glare: the one who offered first is polite.
        let other = peers[to].offer();
        peers[to].set_local(other.clone()).expect("our offer");
        if random.chance(50) {
            peers[from].set_remote(other).expect("rolls ours back");
            return finish(random, peers, to);
        }
        peers[to].set_local(SessionDescription::rollback()).expect("an offer is pending");
    }
    peers[to].set_remote(offer.clone()).expect("their offer");
    if random.chance(10) {
        peers[to].set_remote(SessionDescription::rollback()).expect("an offer is pending");
        peers[to].set_remote(offer).expect("their offer, again");
    }
    finish(random, peers, from);
}

fn finish(random: &mut Random, peers: &mut [Peer; 2], from: usize) {
    let to = 1 - from;
    for _ in 0..random.below(3) {
        wish(random, &mut peers[to]);
    }
    for _ in 0..random.below(3) {
        let answer = SessionDescription::pranswer(peers[to].answer().sdp);
        peers[to].set_local(answer.clone()).expect("our answer");
        peers[from].set_remote(answer).expect("their answer");
    }
    if random.chance(20) {
        wish(random, &mut peers[from]);
    }
    let answer = peers[to].answer();
    peers[to].set_local(answer.clone()).expect("our answer");
    peers[from].set_remote(answer).expect("their answer");
}

fn check(peers: &[Peer; 2]) {
    let [alice, bob] = peers;
    assert_eq!(alice.jsep.signaling_state(), SignalingState::Stable);
    let slots = |peer: &Peer| -> Vec<(String, bool)> {
        peer.jsep.slots.iter().map(|slot| (slot.mid.clone(), slot.rejected)).collect()
    };
    assert_eq!(slots(alice), slots(bob));
    let mut pairs = BTreeSet::new();
    for (own, other) in
        alice.jsep.slots.iter().zip(&bob.jsep.slots).filter(|(own, _)| !own.rejected)
    {
        pairs.insert((own.transport, other.transport));
        let (SlotMedia::Rtp(a), SlotMedia::Rtp(b)) = (own.media, other.media) else {
            assert_eq!(own.media, other.media);
            continue;
        };
        let (a, b) = (alice.jsep.transceiver(a).unwrap(), bob.jsep.transceiver(b).unwrap());
        assert_eq!((a.kind, &a.mid), (b.kind, &b.mid));
        let direction = a.current_direction.expect("agreed on");
        assert_eq!(Some(direction.reversed()), b.current_direction);
        let (agreed, theirs) = (a.negotiated.as_ref().unwrap(), b.negotiated.as_ref().unwrap());
        assert_eq!(agreed.extensions, theirs.extensions);
        assert!(!agreed.codecs.is_empty());
        for codec in &agreed.codecs {
            let other = theirs.codecs.iter().find(|own| own.is_same_codec(codec)).unwrap();
            assert_eq!(codec.payload_type, other.payload_type);
            assert_eq!(codec.rtx_payload_type, other.rtx_payload_type);
        }
        let plan = |peer: &Peer, id| {
            let plan = peer.jsep.current_plan();
            plan.sections.into_iter().find(|own| own.transceiver == id).map(|own| own.parameters)
        };
        if let (Some(a), Some(b)) = (plan(alice, a.id), plan(bob, b.id)) {
            for (from, to) in [(&a, &b), (&b, &a)] {
                if let Some(send) = &from.send {
                    let receive = to.receive.as_ref().expect("what is sent is received");
                    assert_eq!(receive.ssrcs, [send.ssrc]);
                }
            }
        }
    }
    // Transports are shared in the same way, and each end has its part.
    let firsts: BTreeSet<_> = pairs.iter().map(|(own, _)| own).collect();
    let seconds: BTreeSet<_> = pairs.iter().map(|(_, other)| other).collect();
    assert!(firsts.len() == pairs.len() && seconds.len() == pairs.len(), "{pairs:?}");
    let (ours, theirs) = (alice.jsep.current_plan(), bob.jsep.current_plan());
    assert_eq!((ours.transports.len(), theirs.transports.len()), (pairs.len(), pairs.len()));
    for (a, b) in pairs {
        let end = |plan: &Plan, id| {
            let transport = plan.transports.iter().find(|own| own.id == id).unwrap();
            let remote = transport.remote.as_ref().expect("described");
            (transport.dtls_role.unwrap(), transport.controlling.unwrap(), remote.ufrag.clone())
        };
        let ((role, controlling, remote), (other_role, other_controlling, other_remote)) =
            (end(&ours, a), end(&theirs, b));
        assert!(role != other_role && controlling != other_controlling);
        assert_eq!(alice.jsep.local_ufrag(a).unwrap(), other_remote);
        assert_eq!(bob.jsep.local_ufrag(b).unwrap(), remote);
    }
    assert_eq!(ours.data.is_some(), theirs.data.is_some());
}

#[test]
fn both_sides_agree_after_any_sequence_of_exchanges() {
    let policies = [BundlePolicy::MaxBundle, BundlePolicy::Balanced, BundlePolicy::MaxCompat];
    for seed in 0..seeds() * 10 {
        println!("seed {seed}");
        let mut random = Random(ChaCha20Rng::seed_from_u64(seed));
        let bundle_policy = policies[random.below(3)];
        let configuration = Configuration { bundle_policy, ..Configuration::default() };
        let mut peers = pair_with(&configuration);
        for _ in 0..12 {
            for _ in 0..random.below(4) {
                let who = random.below(2);
                wish(&mut random, &mut peers[who]);
            }
            let from = random.below(2);
            exchange(&mut random, &mut peers, from);
        }
        // Everyone says what is left to say, until nobody has to.
        for round in 0.. {
            assert!(round < 6, "negotiation is needed for ever");
            let mut needed = [0, 1].map(|peer| {
                peers[peer].jsep.negotiation_needed = false;
                peers[peer].jsep.update_negotiation_needed()
            });
            needed[1] &= !needed[0];
            match needed {
                [true, _] => negotiate(&mut peers, 0),
                [_, true] => negotiate(&mut peers, 1),
                _ => break,
            }
        }
        check(&peers);
    }
}

#[test]
fn the_same_seed_writes_the_same_descriptions() {
    let run = || {
        let mut random = Random(ChaCha20Rng::seed_from_u64(7));
        let mut peers = pair();
        let mut texts = Vec::new();
        for round in 0..8 {
            wish(&mut random, &mut peers[round % 2]);
            exchange(&mut random, &mut peers, round % 2);
            texts.extend(peers[0].jsep.local_description());
            texts.extend(peers[1].jsep.local_description());
        }
        texts
    };
    assert_eq!(run(), run());
}
