//! Negotiation of RFC 9335.

use dtls_srtp::srtp::Cryptex;

use super::*;
use crate::configuration::RtpHeaderEncryptionPolicy as Policy;
use crate::error::ErrorKind;
use crate::jsep::CryptexPlan;

#[test]
fn both_sides_say_it_in_every_section_with_rtp() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    add(&mut peers[0], MediaKind::Video);
    peers[0].jsep.add_data();
    negotiate(&mut peers, 0);
    for peer in &peers {
        assert_eq!(said(&peer.parsed_local()), [true, true, false]);
        assert_eq!(cryptex(peer), plan(Cryptex::On, Cryptex::On));
    }
    // "Generating subsequent SDP offers and answers MUST use the same procedures".
    negotiate(&mut peers, 1);
    assert_eq!(said(&peers[0].parsed_local()), [true, true, false]);
    assert_eq!(cryptex(&peers[0]), plan(Cryptex::On, Cryptex::On));
}

#[test]
fn it_is_used_if_both_sides_say_so() {
    for (ours, theirs) in
        [(Policy::Disable, Policy::Negotiate), (Policy::Negotiate, Policy::Disable)]
    {
        let mut peers = [with(ours, "alice"), with(theirs, "bob")];
        add(&mut peers[0], MediaKind::Audio);
        negotiate(&mut peers, 0);
        assert_eq!(said(&peers[0].parsed_local()), [ours != Policy::Disable]);
        assert_eq!(said(&peers[1].parsed_local()), [false], "only what is offered is accepted");
        for peer in &peers {
            assert_eq!(cryptex(peer).outbound, Cryptex::Off);
        }
    }
}

#[test]
fn what_comes_before_the_answer_is_understood() {
    let [mut alice, _] = pair();
    add(&mut alice, MediaKind::Audio);
    let offer = alice.offer();
    alice.set_local(offer).unwrap();
    assert_eq!(cryptex(&alice), plan(Cryptex::Off, Cryptex::On));
}

#[test]
fn the_session_can_say_it_for_all_sections() {
    let [mut alice, mut bob] = pair();
    add(&mut alice, MediaKind::Audio);
    add(&mut alice, MediaKind::Video);
    let mut offer = alice.offer();
    alice.set_local(offer.clone()).unwrap();
    let text = offer.sdp.replace("a=cryptex\r\n", "");
    offer.sdp = text.replacen("m=audio", "a=cryptex\r\nm=audio", 1);
    bob.set_remote(offer).unwrap();
    let answer = bob.answer();
    bob.set_local(answer).unwrap();
    assert_eq!(said(&bob.parsed_local()), [true, true]);
    assert_eq!(cryptex(&bob), plan(Cryptex::On, Cryptex::On));
}

#[test]
fn it_ends_when_the_other_side_no_longer_says_so() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    negotiate(&mut peers, 0);
    let mut offer = peers[1].offer();
    offer.sdp = offer.sdp.replace("a=cryptex\r\n", "");
    peers[0].set_remote(offer).unwrap();
    assert_eq!(cryptex(&peers[0]).outbound, Cryptex::On, "an offer is no agreement");
    let answer = peers[0].answer();
    peers[0].set_local(answer).unwrap();
    assert_eq!(cryptex(&peers[0]), plan(Cryptex::Off, Cryptex::Off));
}

#[test]
fn who_requires_it_refuses_descriptions_without() {
    let mut peers = [with(Policy::Disable, "alice"), with(Policy::Require, "bob")];
    add(&mut peers[0], MediaKind::Audio);
    let offer = peers[0].offer();
    let error = peers[1].set_remote(offer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidAccessError);
    assert!(error.to_string().contains("a=cryptex"), "{error}");

    let mut peers = [with(Policy::Negotiate, "alice"), with(Policy::Require, "bob")];
    add(&mut peers[0], MediaKind::Audio);
    peers[0].jsep.add_data();
    negotiate(&mut peers, 0);
    assert_eq!(cryptex(&peers[0]), plan(Cryptex::On, Cryptex::On));
    assert_eq!(cryptex(&peers[1]), plan(Cryptex::Required, Cryptex::Required));
}

fn with(policy: Policy, name: &'static str) -> Peer {
    let configuration =
        Configuration { rtp_header_encryption_policy: policy, ..Configuration::default() };
    Peer::new(name, &configuration, 1)
}

fn said(description: &sdp::SessionDescription) -> Vec<bool> {
    description.media.iter().map(|media| media.has_cryptex()).collect()
}

fn cryptex(peer: &Peer) -> CryptexPlan {
    peer.plan().transports[0].cryptex
}

const fn plan(outbound: Cryptex, inbound: Cryptex) -> CryptexPlan {
    CryptexPlan { outbound, inbound }
}
