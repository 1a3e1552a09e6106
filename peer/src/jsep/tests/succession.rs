//! Descriptions that follow one another: offers that replace offers, and what may not change.

use super::*;

/// A channel that is wished for while the other side's offer of data is pending outlives it.
#[test]
fn a_channel_is_wanted_whatever_becomes_of_the_offer_that_was_pending() {
    let [mut alice, mut bob] = pair();
    alice.jsep.add_data();
    let offer = alice.offer();
    bob.set_remote(offer).unwrap();
    bob.jsep.add_data();
    bob.set_remote(SessionDescription::rollback()).unwrap();
    assert!(bob.jsep.update_negotiation_needed());
    assert!(bob.offer().sdp.contains("m=application 9"));
}

/// Data of the other side's wish alone is not missed when it goes.
#[test]
fn who_made_no_channel_offers_none() {
    let mut peers = pair();
    peers[0].jsep.add_data();
    add(&mut peers[0], MediaKind::Audio);
    negotiate(&mut peers, 0);
    let mut offer = peers[0].offer();
    offer.sdp = without_data(&offer.sdp);
    peers[1].set_remote(offer).unwrap();
    let answer = peers[1].answer();
    peers[1].set_local(answer).unwrap();
    assert!(peers[1].plan().data.is_none());
    assert!(!peers[1].jsep.update_negotiation_needed());
}

/// What was rejected once is not rejected anew by every description that follows.
#[test]
fn a_channel_that_is_wanted_again_is_not_forgotten_by_an_exchange_about_something_else() {
    let mut peers = pair();
    peers[0].jsep.add_data();
    add(&mut peers[0], MediaKind::Audio);
    let offer = peers[0].offer();
    peers[0].set_local(offer.clone()).unwrap();
    peers[1].set_remote(offer).unwrap();
    let mut answer = peers[1].answer();
    peers[1].set_local(answer.clone()).unwrap();
    answer.sdp = without_data(&answer.sdp);
    peers[0].set_remote(answer).unwrap();
    assert!(!peers[0].jsep.update_negotiation_needed());

    peers[0].jsep.add_data();
    assert!(peers[0].jsep.update_negotiation_needed());
    let mut offer = peers[1].offer();
    offer.sdp = without_data(&offer.sdp);
    peers[0].set_remote(offer).unwrap();
    let answer = peers[0].answer();
    peers[0].set_local(answer).unwrap();
    assert!(peers[0].jsep.update_negotiation_needed());
    assert!(peers[0].offer().sdp.contains("m=application 9"));
}

fn without_data(sdp: &str) -> String {
    sdp.replace("m=application 9", "m=application 0").replace("BUNDLE 0 1", "BUNDLE 0")
}
