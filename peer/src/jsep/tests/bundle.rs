//! What the sections of a bundle say for all of it.

use super::*;

fn ungrouped(sdp: &str) -> String {
    sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=group:")).collect()
}

/// A group of one may as well be left out. Browsers write it, others need not.
#[test]
fn what_is_left_of_a_bundle_stays_where_it_is() {
    for rejected_before in [false, true] {
        let mut peers = pair();
        let audio = add(&mut peers[0], MediaKind::Audio);
        peers[0].jsep.add_data();
        negotiate(&mut peers, 0);
        let before = peers[1].plan().transports[0].id;
        peers[0].jsep.stop(audio);
        if rejected_before {
            negotiate(&mut peers, 0);
        }
        let [alice, bob] = &mut peers;
        let mut offer = alice.offer();
        alice.set_local(offer.clone()).unwrap();
        assert!(offer.sdp.contains("a=group:BUNDLE 1\r\n") && offer.sdp.contains("m=audio 0"));
        offer.sdp = ungrouped(&offer.sdp);
        bob.set_remote(offer).unwrap();
        let answer = bob.answer();
        bob.set_local(answer.clone()).unwrap();
        alice.set_remote(answer).unwrap();
        let ids: Vec<_> = bob.plan().transports.iter().map(|own| own.id).collect();
        assert_eq!(ids, [before], "{rejected_before}");
    }
}

/// "To avoid problems with RFC 8843, a transceiver that is stopping, but not stopped, will not affect
/// createAnswer": the section may carry the bundle of an offer that does not move it.
#[test]
fn a_section_that_the_answerer_stops_is_rejected_by_its_own_offer() {
    for known in [true, false] {
        let mut peers = pair();
        let audio = add(&mut peers[1], MediaKind::Audio);
        peers[1].jsep.add_data();
        if known {
            negotiate(&mut peers, 1);
            peers[1].jsep.stop(audio);
            assert!(peers[1].jsep.update_negotiation_needed());
        } else {
            add(&mut peers[0], MediaKind::Audio);
            peers[0].jsep.add_data();
        }
        let [alice, bob] = &mut peers;
        let offer = alice.offer();
        alice.set_local(offer.clone()).unwrap();
        bob.set_remote(offer).unwrap();
        let id = bob.jsep.slots.iter().find_map(|slot| match slot.media {
            crate::jsep::section::SlotMedia::Rtp(id) => Some(id),
            _ => None,
        });
        bob.jsep.stop(id.unwrap());
        let answer = bob.answer();
        bob.set_local(answer.clone()).unwrap();
        alice.set_remote(answer.clone()).unwrap();
        assert!(answer.sdp.contains("m=audio 9") && answer.sdp.contains("a=inactive"));
        assert!(answer.sdp.contains("a=group:BUNDLE 0 1\r\n"), "{}", answer.sdp);
        assert!(bob.jsep.current_plan().sections.is_empty());
        assert!(bob.jsep.update_negotiation_needed());
        negotiate(&mut peers, 1);
        assert!(peers[1].parsed_local().media[0].port() == 0);
        assert!(!peers[1].jsep.update_negotiation_needed());
    }
}

/// What was only offered in a bundle is not in one when it is offered again without.
#[test]
fn an_offer_without_the_bundle_of_the_one_that_it_replaces_has_a_transport_for_each_section() {
    let bundle_policy = crate::BundlePolicy::MaxCompat;
    let configuration = Configuration { bundle_policy, ..Configuration::default() };
    let [mut alice, mut bob] = pair_with(&configuration);
    add(&mut alice, MediaKind::Audio);
    add(&mut alice, MediaKind::Video);
    let mut offer = alice.offer();
    bob.set_remote(offer.clone()).unwrap();
    assert_eq!(bob.plan().transports.len(), 1);
    offer.sdp = ungrouped(&offer.sdp);
    bob.set_remote(offer).unwrap();
    assert_eq!(bob.plan().transports.len(), 2);
}

/// Where the first section of a bundle is rejected the next one speaks for it, and has to say what
/// the transport needs.
#[test]
fn a_bundle_without_a_fingerprint_is_refused_whichever_section_speaks_for_it() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    peers[0].jsep.add_data();
    let first = peers[0].offer();
    negotiate(&mut peers, 0);
    let [mut alice, mut bob] = peers;
    let again = alice.offer();
    let change = |sdp: &str| {
        let (audio, data) = sdp.split_at(sdp.find("m=application").unwrap());
        let audio = audio.replacen("m=audio 9 ", "m=audio 0 ", 1);
        let value = |name| audio.lines().find(|line| line.starts_with(name)).unwrap();
        let credentials = [value("a=ice-ufrag:"), value("a=ice-pwd:")];
        let other = |line: &&str| !line.starts_with("a=ice-") && !line.starts_with("a=fingerprint");
        let lines = audio.lines().chain(data.lines().filter(other)).chain(credentials);
        SessionDescription::offer(lines.map(|line| format!("{line}\r\n")).collect::<String>())
    };
    let [_, mut stranger] = pair();
    for (peer, offer) in [(&mut stranger, &first), (&mut bob, &again)] {
        let error = peer.set_remote(change(&offer.sdp)).unwrap_err();
        assert!(error.to_string().contains("no a=fingerprint"), "{error}");
    }
    bob.set_remote(again).unwrap();
}
