//! Descriptions that follow one another: offers that replace offers, and what may not change.

use super::*;
use crate::signalling::IceCandidate;

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

/// What the other side offers anew takes the place of what it offered before, whatever it is.
#[test]
fn a_second_offer_replaces_the_pending_one() {
    type Wish = fn(&mut Peer);
    let audio: Wish = |peer| _ = add(peer, MediaKind::Audio);
    let video: Wish = |peer| _ = add(peer, MediaKind::Video);
    let data: Wish = |peer| peer.jsep.add_data();
    let kind = |wish| {
        let [mut peer, _] = pair();
        let wish: Wish = wish;
        wish(&mut peer);
        peer.offer()
    };
    for first in [audio, video, data] {
        for second in [audio, video, data] {
            for mid in ["0", "other"] {
                let [_, mut bob] = pair();
                bob.set_remote(kind(first)).unwrap();
                let mut offer = kind(second);
                offer.sdp = offer.sdp.replace("a=mid:0", &format!("a=mid:{mid}"));
                offer.sdp = offer.sdp.replace("BUNDLE 0", &format!("BUNDLE {mid}"));
                bob.set_remote(offer.clone()).unwrap();
                let candidate = "candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host".into();
                let sdp_mid = Some(mid.to_owned());
                let candidate = IceCandidate { candidate, sdp_mid, ..IceCandidate::default() };
                assert!(bob.jsep.add_remote_candidate(&candidate).unwrap().is_some());
                let answer = bob.answer();
                bob.set_local(answer.clone()).unwrap();
                let place = format!("{}\n{}", offer.sdp, answer.sdp);
                assert!(answer.sdp.contains(&format!("a=group:BUNDLE {mid}\r\n")), "{place}");
                let line = |sdp: &str| {
                    sdp.lines()
                        .find(|line| line.starts_with("m="))
                        .map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
                };
                assert_eq!(line(&answer.sdp), line(&offer.sdp), "{place}");
                // The one that is gone has left no transceiver.
                let transceivers = usize::from(offer.sdp.contains("RTP"));
                assert_eq!(bob.jsep.transceivers.len(), transceivers, "{place}");
                assert_eq!(bob.plan().transports.len(), 1, "{place}");
            }
        }
    }
}

/// An answer that was written for an offer is none to the one that has replaced it.
#[test]
fn an_answer_is_to_the_offer_that_is_pending() {
    let [mut first, mut bob] = pair();
    let [mut second, _] = pair();
    add(&mut first, MediaKind::Audio);
    second.jsep.add_data();
    bob.set_remote(first.offer()).unwrap();
    let answer = bob.answer();
    bob.set_remote(second.offer()).unwrap();
    for sdp in [answer.sdp, String::new()] {
        let error = bob.set_local(SessionDescription::answer(sdp)).unwrap_err().to_string();
        assert!(error.contains("created last"), "{error}");
    }
    let answer = bob.answer();
    bob.set_local(answer).unwrap();
    assert!(bob.jsep.local_description().unwrap().sdp.contains("m=application 9"));
}

/// RFC 9429 §5.10: "check to see if the current local description is an ICE restart, and if not,
/// generate an error"; and the other way round.
#[test]
fn an_answer_restarts_ice_where_the_offer_does() {
    let changed = |answer: &SessionDescription| SessionDescription {
        sdp: answer.sdp.replace("a=ice-ufrag:", "a=ice-ufrag:other"),
        ..answer.clone()
    };
    let refuse = |alice: &mut Peer, answer: SessionDescription| {
        for answer in [SessionDescription::pranswer(&*answer.sdp), answer] {
            let error = alice.set_remote(answer).unwrap_err().to_string();
            assert!(error.contains("line ") && error.contains("a=ice-ufrag"), "{error}");
        }
    };
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    peers[0].jsep.add_data();
    negotiate(&mut peers, 0);
    let agreed = peers[1].jsep.local_description().unwrap();
    let [alice, bob] = &mut peers;
    let mut exchange = |alice: &mut Peer| {
        let offer = alice.offer();
        alice.set_local(offer.clone()).unwrap();
        bob.set_remote(offer).unwrap();
        let answer = bob.answer();
        bob.set_local(answer.clone()).unwrap();
        answer
    };
    let answer = exchange(alice);
    refuse(alice, changed(&answer));
    alice.set_remote(answer).unwrap();
    // With a restart it is the old ones that do not fit, or others than those of a first answer.
    alice.jsep.request_ice_restart();
    let answer = exchange(alice);
    refuse(alice, agreed);
    alice.set_remote(SessionDescription::pranswer(&*answer.sdp)).unwrap();
    refuse(alice, changed(&answer));
    alice.set_remote(answer).unwrap();
    // What is new has restarted nothing.
    add(alice, MediaKind::Video);
    let answer = exchange(alice);
    alice.set_remote(answer).unwrap();
}

/// Offers that nobody answers leave nothing, however many they are and whatever their sections are
/// called.
#[test]
fn offers_that_are_replaced_or_taken_back_leave_no_transports() {
    for (agreed, taken_back) in [(false, false), (true, false), (true, true)] {
        let mut peers = pair();
        if agreed {
            add(&mut peers[0], MediaKind::Audio);
            negotiate(&mut peers, 0);
        }
        peers[0].jsep.add_data();
        let offer = peers[0].offer().sdp;
        let [_, bob] = &mut peers;
        for number in 0..300 {
            let (of, mid) = if agreed { ("0 1", "1") } else { ("0", "0") };
            let rest = if agreed { " 0\r\na=group:BUNDLE" } else { "" };
            let sdp = offer.replace(&format!("a=mid:{mid}\r"), &format!("a=mid:x{number}\r"));
            let sdp = sdp.replace(&format!("BUNDLE {of}"), &format!("BUNDLE{rest} x{number}"));
            bob.set_remote(SessionDescription::offer(sdp)).unwrap();
            if taken_back {
                bob.set_remote(SessionDescription::rollback()).unwrap();
            }
            let count = bob.jsep.transports.len();
            assert!(count <= 3, "{agreed} {taken_back}: {count} after {number}");
        }
    }
}

/// What was replaced has had names, too: after some hundred large offers they are more than 65 536.
#[test]
fn a_transport_never_has_the_name_of_another() {
    let bundle_policy = crate::BundlePolicy::MaxCompat;
    let configuration = Configuration { bundle_policy, ..Configuration::default() };
    let [mut alice, mut bob] = pair_with(&configuration);
    for peer in [&mut alice, &mut bob] {
        peer.jsep.next_transport = 65_534;
    }
    for _ in 0..2 {
        add(&mut alice, MediaKind::Audio);
        add(&mut alice, MediaKind::Video);
        let mut offer = alice.offer();
        alice.set_local(offer.clone()).unwrap();
        let group = |line: &&str| !line.starts_with("a=group:BUNDLE");
        offer.sdp = offer.sdp.split_inclusive('\n').filter(group).collect();
        bob.set_remote(offer).unwrap();
        for peer in [&alice, &bob] {
            let ids: Vec<_> = peer.plan().transports.iter().map(|own| own.id.0).collect();
            assert_eq!(ids, (65_534..65_534 + ids.len() as u32).collect::<Vec<_>>());
        }
        let answer = bob.answer();
        bob.set_local(answer.clone()).unwrap();
        alice.set_remote(answer).unwrap();
    }
    assert_eq!(bob.plan().transports.len(), 4);
}

#[test]
fn a_candidate_for_a_section_that_there_is_not_is_refused_by_its_name() {
    let [mut alice, mut bob] = pair();
    add(&mut alice, MediaKind::Audio);
    bob.set_remote(alice.offer()).unwrap();
    let (of, index) = (|mid: &str| Some(mid.to_owned()), Some(3));
    for (sdp_mid, sdp_m_line_index, name) in
        [(None, index, "index 3"), (of("x"), None, "a=mid:x"), (of("x"), index, "a=mid:x")]
    {
        let candidate = IceCandidate { sdp_mid, sdp_m_line_index, ..IceCandidate::default() };
        let error = bob.jsep.add_remote_candidate(&candidate).unwrap_err().to_string();
        assert!(error.contains(&format!("no m-section {name}")), "{error}");
    }
}

/// A second offer that says the same keeps the transceivers that the application knows by now.
#[test]
fn a_second_offer_of_the_same_keeps_what_the_first_one_made() {
    let [mut alice, mut bob] = pair();
    add(&mut alice, MediaKind::Audio);
    let offer = alice.offer();
    bob.set_remote(offer.clone()).unwrap();
    let known: Vec<_> = bob.jsep.transceivers().map(|own| own.id).collect();
    bob.set_remote(offer).unwrap();
    assert_eq!(bob.jsep.transceivers().map(|own| own.id).collect::<Vec<_>>(), known);
    let tracks = |event: &&Event| matches!(event, Event::Track(_));
    assert_eq!(bob.events.iter().filter(tracks).count(), 1);
}

#[test]
fn an_offer_that_contradicts_the_dtls_roles_is_refused() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    negotiate(&mut peers, 0);
    // Bob has begun the handshake, and so has to be "active" again.
    for (setup, fits) in [("active", false), ("passive", true), ("actpass", true)] {
        let mut offer = peers[0].offer();
        offer.sdp = offer.sdp.replace("a=setup:actpass", &format!("a=setup:{setup}"));
        let [_, bob] = &mut peers;
        let result = bob.set_remote(offer);
        assert_eq!(result.is_ok(), fits, "{setup}: {result:?}");
        if let Err(error) = result {
            let text = error.to_string();
            assert!(text.contains("line ") && text.contains("a=setup:active"), "{text}");
            assert_eq!(bob.jsep.signaling_state(), SignalingState::Stable);
            continue;
        }
        let answer = bob.answer();
        assert!(answer.sdp.contains("a=setup:active"), "{}", answer.sdp);
        bob.set_remote(SessionDescription::rollback()).unwrap();
    }
}

/// RFC 8842 §4: a new value asks for a new DTLS association, which a transport does not get.
#[test]
fn a_changed_tls_id_is_refused() {
    const FIRST: &str = "abc3de65cddef001be82";
    const SECOND: &str = "zyx3de65cddef001be82";
    let with = |mut description: SessionDescription, id: &str| {
        let line = format!("a=tls-id:{id}\r\na=setup:");
        description.sdp = description.sdp.replace("a=setup:", &line);
        description
    };
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    let offer = peers[0].offer();
    peers[0].set_local(offer.clone()).unwrap();
    peers[1].set_remote(with(offer, FIRST)).unwrap();
    let answer = peers[1].answer();
    peers[1].set_local(answer.clone()).unwrap();
    peers[0].set_remote(with(answer, FIRST)).unwrap();
    let rollback = SessionDescription::rollback;

    // Another one, in an offer and in an answer.
    let offer = peers[0].offer();
    let error = peers[1].set_remote(with(offer.clone(), SECOND)).unwrap_err().to_string();
    assert!(error.contains("line ") && error.contains("a=tls-id"), "{error}");
    peers[1].set_remote(with(offer.clone(), FIRST)).unwrap();
    let answer = peers[1].answer();
    peers[1].set_remote(rollback()).unwrap();
    peers[0].set_local(offer.clone()).unwrap();
    let error = peers[0].set_remote(with(answer, SECOND)).unwrap_err().to_string();
    assert!(error.contains("line ") && error.contains("a=tls-id"), "{error}");

    // One that is not said any more is not another one; and an offer that was taken back said
    // nothing.
    peers[1].set_remote(offer.clone()).unwrap();
    peers[1].set_remote(rollback()).unwrap();
    assert!(peers[1].set_remote(with(offer.clone(), SECOND)).is_err());
    peers[1].set_remote(with(offer, FIRST)).unwrap();
}

fn without_data(sdp: &str) -> String {
    sdp.replace("m=application 9", "m=application 0").replace("BUNDLE 0 1", "BUNDLE 0")
}
