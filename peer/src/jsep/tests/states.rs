//! The state machine, and single scenarios.

use super::*;
use crate::configuration::BundlePolicy;
use crate::error::ErrorKind;
use crate::jsep::section::is_rejected;
use crate::media::codec::CodecCapability;
use crate::media::transceiver::RtpTransceiverDirection;
use crate::signalling::{IceCandidate, SdpType};

#[test]
fn the_table_of_transitions() {
    use SdpType::{Answer, Offer, PrAnswer, Rollback};
    let kinds = [Offer, PrAnswer, Answer, Rollback];
    let mut table = String::new();
    for state in [
        "stable",
        "have-local-offer",
        "have-remote-offer",
        "have-local-pranswer",
        "have-remote-pranswer",
    ] {
        for local in [true, false] {
            let mut row = format!("{state:20} {}", if local { "local " } else { "remote" });
            for kind in kinds {
                let [mut peer, mut other] = pair();
                add(&mut peer, MediaKind::Audio);
                add(&mut other, MediaKind::Audio);
                let (offer, theirs) = (peer.offer(), other.offer());
                let pranswer = |own: SessionDescription| SessionDescription::pranswer(own.sdp);
                if state == "have-local-offer" || state == "have-remote-pranswer" {
                    peer.set_local(offer.clone()).unwrap();
                    other.set_remote(offer).unwrap();
                }
                if state == "have-remote-offer" || state == "have-local-pranswer" {
                    peer.set_remote(theirs.clone()).unwrap();
                }
                if state == "have-local-pranswer" {
                    let answer = peer.answer();
                    peer.set_local(pranswer(answer)).unwrap();
                }
                if state == "have-remote-pranswer" {
                    let answer = other.answer();
                    peer.set_remote(pranswer(answer)).unwrap();
                }
                assert_eq!(peer.jsep.signaling_state().to_string(), state);
                let description = match (kind, local) {
                    (Rollback, _) => SessionDescription::rollback(),
                    (Offer, true) => peer
                        .jsep
                        .create_offer(&mut peer.ends, OfferOptions::default())
                        .unwrap_or_else(|_| SessionDescription::offer("")),
                    (Offer, false) => theirs,
                    (_, true) => match peer.jsep.create_answer(&mut peer.ends) {
                        Ok(answer) => SessionDescription { kind, ..answer },
                        Err(_) => SessionDescription { kind, sdp: String::new() },
                    },
                    (_, false) => match other.jsep.create_answer(&mut other.ends) {
                        Ok(answer) => SessionDescription { kind, ..answer },
                        Err(_) => SessionDescription { kind, sdp: String::new() },
                    },
                };
                let before = peer.jsep.signaling_state();
                let result =
                    if local { peer.set_local(description) } else { peer.set_remote(description) };
                let cell = match result {
                    Ok(()) => peer.jsep.signaling_state().to_string(),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::InvalidStateError, "{error}");
                        assert_eq!(peer.jsep.signaling_state(), before);
                        "-".to_owned()
                    }
                };
                row.push_str(&format!(" {cell:20}"));
            }
            table.push_str(row.trim_end());
            table.push('\n');
        }
    }
    // The columns: offer, pranswer, answer, rollback.
    let expected = "\
stable               local  have-local-offer     -                    -                    -
stable               remote have-remote-offer    -                    -                    -
have-local-offer     local  have-local-offer     -                    -                    stable
have-local-offer     remote have-remote-offer    have-remote-pranswer stable               stable
have-remote-offer    local  -                    have-local-pranswer  stable               stable
have-remote-offer    remote have-remote-offer    -                    -                    stable
have-local-pranswer  local  -                    have-local-pranswer  stable               -
have-local-pranswer  remote -                    -                    -                    -
have-remote-pranswer local  -                    -                    -                    -
have-remote-pranswer remote -                    have-remote-pranswer stable               -
";
    assert_eq!(table, expected, "\n{table}");
}

#[test]
fn errors_say_what_to_do() {
    let [mut alice, mut bob] = pair();
    add(&mut alice, MediaKind::Audio);
    let offer = alice.offer();
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(bob.set_remote(SessionDescription::answer(offer.sdp.clone()))),
        "set_remote_description: an answer cannot be applied in \"stable\"; it answers an offer \
         that is no longer pending (InvalidStateError)"
    );
    let munged = SessionDescription::offer(offer.sdp.replace("opus", "opux"));
    let error = alice.set_local(munged).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModificationError);
    for (line, reason) in [
        ("a=ice-pwd", "line 8: the m-section has no a=ice-pwd (RFC 8839 §5.4)"),
        ("a=fingerprint", "line 8: the m-section has no a=fingerprint of a known hash function"),
        ("a=mid", "line 5: a=group:BUNDLE names 0, but no m-section has a=mid:0"),
    ] {
        let lines = offer.sdp.split_inclusive("\r\n");
        let sdp: String = lines.filter(|own| !own.starts_with(line)).collect();
        let message = message(bob.set_remote(SessionDescription::offer(sdp)));
        assert!(message.contains(reason), "{message}");
    }
    let broken = offer.sdp.replace("opus/48000/2", "opus");
    let message = message(bob.set_remote(SessionDescription::offer(broken)));
    assert!(message.contains("a clock rate is missing after \"opus\""), "{message}");
    assert_eq!(bob.jsep.signaling_state(), SignalingState::Stable);
    bob.set_remote(offer).unwrap();
}

#[test]
fn an_exchange_agrees_on_everything() {
    let mut peers = pair();
    let audio = add(&mut peers[0], MediaKind::Audio);
    let video = add(&mut peers[0], MediaKind::Video);
    peers[0].jsep.add_data();
    let echo = peers[1].jsep.add_track(MediaKind::Audio, &["stream"]).unwrap();
    negotiate(&mut peers, 0);
    let [alice, bob] = &peers;
    assert_eq!(alice.plan().transports.len(), 1);
    assert_eq!(alice.plan().transports[0].controlling, Some(true));
    assert_eq!(bob.plan().transports[0].controlling, Some(false));
    assert_eq!(alice.plan().transports[0].dtls_role, Some(dtls_srtp::dtls::Role::Server));
    assert_eq!(bob.plan().transports[0].dtls_role, Some(dtls_srtp::dtls::Role::Client));
    let direction = |peer: &Peer, id| peer.jsep.transceiver(id).unwrap().current_direction;
    // The audio found Bob's track; the video made a transceiver that only receives.
    assert_eq!(direction(alice, audio), Some(sdp::Direction::SendRecv));
    assert_eq!(direction(alice, video), Some(sdp::Direction::SendOnly));
    assert_eq!(direction(bob, echo), Some(sdp::Direction::SendRecv));
    let codec = &alice.plan().sections[1].parameters.codecs[0];
    assert_eq!((codec.payload_type.number(), codec.rtx.map(|rtx| rtx.number())), (96, Some(97)));
    let sent = alice.plan().sections[1].parameters.send.as_ref().unwrap();
    let received = bob.plan().sections[1].parameters.receive.as_ref().unwrap();
    assert_eq!(received.ssrcs, [sent.ssrc]);
    assert_eq!(received.rtx, [(sent.rtx_ssrc.unwrap(), sent.ssrc)]);
    assert!(alice.plan().data.is_some() && bob.plan().data.is_some());
    let track = alice.events.iter().find_map(|event| match event {
        Event::Track(track) => Some(track),
        _ => None,
    });
    assert_eq!(
        track.map(|track| (track.transceiver, track.streams.clone())),
        Some((audio, vec!["stream".to_owned()]))
    );
    for peer in &mut peers {
        assert!(!peer.jsep.update_negotiation_needed());
    }
}

#[test]
fn early_media_is_received_before_the_answer() {
    let [mut alice, _] = pair();
    add(&mut alice, MediaKind::Video);
    let offer = alice.offer();
    alice.set_local(offer).unwrap();
    let section = &alice.plan().sections[0].parameters;
    assert!(section.receive.is_some() && section.send.is_none() && section.codecs.len() == 3);
    assert!(alice.plan().start_gathering && alice.plan().transports[0].dtls_role.is_none());
}

#[test]
fn renegotiation_keeps_numbers_names_and_transports() {
    let mut peers = pair();
    let audio = add(&mut peers[0], MediaKind::Audio);
    negotiate(&mut peers, 0);
    let ssrc = |peer: &Peer| peer.plan().sections[0].parameters.send.as_ref().unwrap().ssrc;
    let (before, transport) = (ssrc(&peers[0]), peers[0].plan().transports[0].id);
    let theirs = add(&mut peers[1], MediaKind::Video);
    assert!(peers[1].jsep.update_negotiation_needed());
    negotiate(&mut peers, 1);
    assert_eq!(ssrc(&peers[0]), before);
    assert_eq!(peers[0].plan().transports[0].id, transport);
    assert_eq!(peers[0].plan().transports.len(), 1);
    assert_eq!(peers[0].jsep.transceiver(audio).unwrap().mid.as_deref(), Some("0"));
    assert_eq!(peers[1].jsep.transceiver(theirs).unwrap().mid.as_deref(), Some("1"));
    // The roles stay, whoever offers.
    assert_eq!(peers[0].plan().transports[0].dtls_role, Some(dtls_srtp::dtls::Role::Server));
    assert_eq!(peers[1].plan().transports[0].controlling, Some(false));
    let versions = |peer: &Peer| peer.parsed_local().origin().session_version;
    assert_eq!((versions(&peers[0]), versions(&peers[1])), (2, 2));
}

#[test]
fn directions_follow_the_wish_of_both() {
    let mut peers = pair();
    let video = add(&mut peers[0], MediaKind::Video);
    peers[1].jsep.add_track(MediaKind::Video, &[]).unwrap();
    negotiate(&mut peers, 0);
    peers[0].events.clear();
    peers[1].events.clear();
    peers[0].jsep.set_direction(video, RtpTransceiverDirection::RecvOnly).unwrap();
    assert!(peers[0].jsep.update_negotiation_needed());
    assert!(!peers[0].jsep.update_negotiation_needed());
    negotiate(&mut peers, 0);
    assert!(peers[0].plan().sections[0].parameters.send.is_none());
    assert!(peers[1].events.iter().any(|event| matches!(event, Event::TrackEnded(_))));
    peers[0].jsep.set_direction(video, RtpTransceiverDirection::SendRecv).unwrap();
    assert!(peers[0].jsep.update_negotiation_needed());
    negotiate(&mut peers, 0);
    assert!(peers[0].plan().sections[0].parameters.send.is_some());
    assert!(peers[1].events.iter().any(|event| matches!(event, Event::Track(_))));
}

#[test]
fn a_stopped_section_is_rejected_and_used_again() {
    let mut peers = pair();
    let audio = add(&mut peers[0], MediaKind::Audio);
    add(&mut peers[0], MediaKind::Video);
    negotiate(&mut peers, 0);
    peers[0].jsep.stop(audio);
    assert!(peers[0].jsep.update_negotiation_needed());
    assert_eq!(peers[0].jsep.current_plan().sections.len(), 1);
    negotiate(&mut peers, 0);
    let local = peers[0].parsed_local();
    assert!(is_rejected(&local.media[0]) && !is_rejected(&local.media[1]));
    assert_eq!(local.bundle_group().unwrap().mids.as_str(), "1");
    assert_eq!(peers[0].jsep.transceivers.len(), 1);
    assert_eq!(peers[1].jsep.transceivers.len(), 1);
    // The side that did not stop it uses the place.
    add(&mut peers[1], MediaKind::Video);
    negotiate(&mut peers, 1);
    let local = peers[1].parsed_local();
    assert_eq!(local.media.len(), 2);
    assert_eq!((local.media[0].kind(), local.media[0].mid()), ("video", Some("2")));
    assert_eq!(peers[0].jsep.transceivers.len(), 2);
}

#[test]
fn glare_is_resolved_by_an_implicit_rollback() {
    let mut peers = pair();
    let ours = add(&mut peers[0], MediaKind::Audio);
    add(&mut peers[1], MediaKind::Video);
    let (polite, impolite) = (peers[0].offer(), peers[1].offer());
    peers[0].set_local(polite).unwrap();
    peers[1].set_local(impolite.clone()).unwrap();
    peers[0].set_remote(impolite).unwrap();
    assert_eq!(peers[0].jsep.signaling_state(), SignalingState::HaveRemoteOffer);
    let stable = |event: &&Event| **event == Event::SignalingStateChange(SignalingState::Stable);
    assert_eq!(peers[0].events.iter().filter(stable).count(), 0);
    let answer = peers[0].answer();
    peers[0].set_local(answer.clone()).unwrap();
    peers[1].set_remote(answer).unwrap();
    assert_eq!(peers[0].jsep.transceiver(ours).unwrap().mid, None);
    assert!(peers[0].jsep.update_negotiation_needed());
    negotiate(&mut peers, 0);
    assert_eq!(peers[0].plan().sections.len(), 2);
    assert_eq!(peers[0].plan().transports[0].controlling, Some(false));
}

#[test]
fn rollback_undoes_what_the_offer_did() {
    let [mut alice, mut bob] = pair();
    add(&mut alice, MediaKind::Audio);
    alice.jsep.add_data();
    let offer = alice.offer();
    bob.set_remote(offer.clone()).unwrap();
    assert_eq!(bob.jsep.transceivers.len(), 1);
    bob.set_remote(SessionDescription::rollback()).unwrap();
    assert_eq!((bob.jsep.transceivers.len(), bob.jsep.data), (0, false));
    assert!(matches!(bob.events.last(), Some(Event::TrackEnded(_))));
    assert!(bob.plan().transports.is_empty() && !bob.jsep.update_negotiation_needed());
    // One that was given a track is the application's.
    bob.set_remote(offer).unwrap();
    let kept = bob.jsep.add_track(MediaKind::Audio, &["s"]).unwrap();
    bob.set_local(SessionDescription::rollback()).unwrap();
    assert_eq!(bob.jsep.transceiver(kept).map(|own| own.mid.clone()), Some(None));
    assert!(bob.jsep.update_negotiation_needed());
}

#[test]
fn an_ice_restart_is_offered_once_and_answered() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    negotiate(&mut peers, 0);
    let ufrag = |peer: &Peer| peer.parsed_local().media[0].ice_ufrag().unwrap().to_owned();
    let before = (ufrag(&peers[0]), ufrag(&peers[1]));
    peers[0].jsep.request_ice_restart();
    assert!(peers[0].jsep.update_negotiation_needed());
    let offer = peers[0].offer();
    assert_eq!(
        sdp::SessionDescription::parse(&offer.sdp).unwrap().media[0].ice_ufrag(),
        sdp::SessionDescription::parse(&peers[0].offer().sdp).unwrap().media[0].ice_ufrag()
    );
    let offer = peers[0].offer();
    peers[0].set_local(offer.clone()).unwrap();
    peers[1].set_remote(offer).unwrap();
    let remote = peers[1].plan().transports[0].remote.as_ref().unwrap();
    assert!(remote.is_restart);
    let answer = peers[1].answer();
    peers[1].set_local(answer.clone()).unwrap();
    assert!(!peers[1].plan().transports[0].remote.as_ref().unwrap().is_restart);
    peers[0].set_remote(answer).unwrap();
    assert!(!peers[0].plan().transports[0].remote.as_ref().unwrap().is_restart);
    assert_ne!(ufrag(&peers[0]), before.0);
    assert_ne!(ufrag(&peers[1]), before.1);
    assert!(!peers[0].jsep.update_negotiation_needed());
    // Taken back, it is still wanted.
    peers[0].jsep.request_ice_restart();
    let offer = peers[0].offer();
    peers[0].set_local(offer).unwrap();
    peers[0].set_local(SessionDescription::rollback()).unwrap();
    assert!(peers[0].jsep.update_negotiation_needed());
}

#[test]
fn preferences_choose_and_order_codecs() {
    let mut peers = pair();
    let video = add(&mut peers[0], MediaKind::Video);
    let h264 = CodecCapability::h264(rtp::payload::h264::PacketizationMode::NonInterleaved);
    let chosen = [h264.clone(), CodecCapability::vp8()];
    peers[0].jsep.set_codec_preferences(video, &chosen).unwrap();
    let other = [CodecCapability { name: "H265".into(), ..h264 }];
    let error = peers[0].jsep.set_codec_preferences(video, &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModificationError);
    negotiate(&mut peers, 0);
    let formats =
        |peer: &Peer| peer.parsed_local().media[0].media_line().formats.as_str().to_owned();
    assert_eq!(formats(&peers[0]), "102 103 96 97");
    assert_eq!(formats(&peers[1]), "102 103 96 97");
    let agreed = peers[0].jsep.transceiver(video).unwrap().negotiated.as_ref().unwrap();
    assert_eq!(agreed.codecs.iter().map(|codec| &*codec.name).collect::<Vec<_>>(), ["H264", "VP8"]);
    // The answerer's preferences count in its answer.
    let theirs = peers[1].jsep.transceivers().next().unwrap().id;
    peers[1].jsep.set_codec_preferences(theirs, &[CodecCapability::vp8()]).unwrap();
    negotiate(&mut peers, 0);
    assert_eq!(formats(&peers[1]), "96 97");
}

#[test]
fn an_answer_with_other_payload_types_is_sent_in_its_and_received_in_ours() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    let offer = peers[0].offer();
    peers[0].set_local(offer.clone()).unwrap();
    peers[1].set_remote(offer).unwrap();
    let mut answer = peers[1].answer();
    for (from, to) in [(" 111 ", " 120 "), (":111 ", ":120 ")] {
        answer.sdp = answer.sdp.replace(from, to);
    }
    peers[0].set_remote(answer).unwrap();
    let codecs = &peers[0].plan().sections[0].parameters.codecs;
    let numbers: Vec<u8> = codecs.iter().map(|codec| codec.payload_type.number()).collect();
    assert_eq!(numbers, [120, 0, 8, 111]);
}

#[test]
fn payload_types_of_the_other_side_are_not_given_another_meaning() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Video);
    let mut offer = peers[0].offer();
    // They use our wanted numbers for other things: 96 for H.264, 111 for what we don't know.
    offer.sdp = offer
        .sdp
        .replace(
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 105",
            "m=video 9 UDP/TLS/RTP/SAVPF 96 111",
        )
        .replace("a=rtpmap:102 H264", "a=rtpmap:111 X265")
        .replace("a=fmtp:102 ", "a=fmtp:111 ");
    let lines = offer.sdp.split_inclusive("\r\n").filter(|line| {
        !["97", "103", "104", "105", "102"].iter().any(|own| line.contains(&format!(":{own} ")))
    });
    let sdp: String = lines.collect();
    peers[1].set_remote(SessionDescription::offer(sdp)).unwrap();
    let answer = peers[1].answer();
    peers[1].set_local(answer).unwrap();
    add(&mut peers[1], MediaKind::Audio);
    let offer = peers[1].offer();
    let offer = sdp::SessionDescription::parse(&offer.sdp).unwrap();
    let audio = offer.media[1].rtpmaps().find(|map| map.is("opus")).unwrap();
    assert_ne!(audio.payload_type, 111);
    let video = offer.media[0].rtpmaps().find(|map| map.is("VP8")).unwrap();
    assert_eq!(video.payload_type, 96);
}

#[test]
fn sections_that_only_share_a_transport_must_be_bundled() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    peers[0].jsep.add_data();
    let offer = peers[0].offer();
    peers[0].set_local(offer.clone()).unwrap();
    peers[1].set_remote(offer).unwrap();
    let answer = peers[1].answer();
    let lines = answer.sdp.split_inclusive("\r\n");
    let sdp: String = lines.filter(|line| !line.starts_with("a=group")).collect();
    let error = peers[0].set_remote(SessionDescription::answer(sdp)).unwrap_err();
    assert!(error.to_string().contains("MaxCompat"), "{error}");
    peers[0].set_remote(answer).unwrap();
}

#[test]
fn transports_come_together_when_the_answer_bundles() {
    for (policy, before) in
        [(BundlePolicy::MaxCompat, 4), (BundlePolicy::Balanced, 3), (BundlePolicy::MaxBundle, 1)]
    {
        let configuration = Configuration { bundle_policy: policy, ..Configuration::default() };
        let mut peers = pair_with(&configuration);
        for kind in [MediaKind::Audio, MediaKind::Video, MediaKind::Video] {
            add(&mut peers[0], kind);
        }
        peers[0].jsep.add_data();
        let offer = peers[0].offer();
        peers[0].set_local(offer.clone()).unwrap();
        assert_eq!(peers[0].plan().transports.len(), before);
        peers[1].set_remote(offer).unwrap();
        let answer = peers[1].answer();
        peers[1].set_local(answer.clone()).unwrap();
        peers[0].set_remote(answer).unwrap();
        for peer in &peers {
            assert_eq!(peer.plan().transports.len(), 1);
            let id = peer.plan().transports[0].id;
            assert!(peer.plan().sections.iter().all(|section| section.transport == id));
        }
        let ufrag = peers[0].parsed_local().media[0].ice_ufrag().unwrap().to_owned();
        let remote = peers[1].plan().transports[0].remote.as_ref().unwrap();
        assert_eq!(remote.ufrag, ufrag);
    }
}

#[test]
fn candidates_find_their_section_and_generation() {
    const CANDIDATE: &str = "candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host";
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    peers[0].jsep.add_data();
    let early = IceCandidate { candidate: CANDIDATE.into(), ..IceCandidate::default() };
    let error = peers[0].jsep.add_remote_candidate(&early).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidStateError);
    let offer = peers[0].offer();
    peers[0].set_local(offer.clone()).unwrap();
    let id = peers[0].jsep.slots[0].transport;
    let ufrag = peers[0].jsep.local_ufrag(id).unwrap();
    peers[0].jsep.add_local_candidate(id, &ufrag, CANDIDATE);
    assert_eq!(peers[0].parsed_local().media[0].candidates().count(), 1);
    let second = CANDIDATE.replace("192.0.2.1", "192.0.2.2");
    let told = peers[0].jsep.add_local_candidate(id, &ufrag, &second);
    assert_eq!((told.sdp_mid.as_deref(), told.sdp_m_line_index), (Some("0"), Some(0)));
    let end = peers[0].jsep.add_local_candidate(id, &ufrag, "");
    assert_eq!(end.candidate, "");
    let local = peers[0].parsed_local();
    assert!(local.media[0].candidates().count() == 2 && local.media[0].has_end_of_candidates());
    assert_eq!(local.media[1].candidates().count(), 0);

    peers[1].set_remote(offer).unwrap();
    let mut add = |candidate: IceCandidate| peers[1].jsep.add_remote_candidate(&candidate);
    // The data section is bundled: its candidates are the first section's.
    let bundled = IceCandidate { sdp_mid: Some("1".into()), ..told.clone() };
    assert!(add(bundled).unwrap().is_some());
    let stale = IceCandidate { username_fragment: Some("stale".into()), ..told.clone() };
    assert!(add(stale).unwrap().is_none());
    let lost = IceCandidate { sdp_mid: Some("x".into()), ..told.clone() };
    assert_eq!(add(lost).unwrap_err().kind(), ErrorKind::OperationError);
    let nowhere = IceCandidate { sdp_mid: None, sdp_m_line_index: None, ..told.clone() };
    assert!(add(nowhere).is_err());
    let broken = IceCandidate { candidate: "candidate:x".into(), ..told };
    assert!(add(broken).is_err());
    assert!(add(end).unwrap().is_some());
    for port in 1..1000 {
        let candidate = CANDIDATE.replace("3478", &port.to_string());
        add(IceCandidate { candidate, sdp_mid: Some("0".into()), ..IceCandidate::default() })
            .unwrap();
    }
    let remote = peers[1].jsep.remote_description().unwrap();
    assert_eq!(remote.sdp.matches("a=candidate").count(), 128);
}

/// The W3C's addIceCandidate refuses whatever has a fragment that no applied remote description has.
/// What the other side says of a generation that is gone is no error here: nobody can use it.
#[test]
fn a_candidate_that_overtakes_the_answer_to_a_restart_is_refused_until_it_is_there() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    negotiate(&mut peers, 0);
    let candidate_of = |peer: &Peer| IceCandidate {
        candidate: "candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host".into(),
        sdp_mid: Some("0".into()),
        username_fragment: peer.parsed_local().media[0].ice_ufrag().map(str::to_owned),
        ..IceCandidate::default()
    };
    let old = candidate_of(&peers[1]);
    peers[0].jsep.request_ice_restart();
    let offer = peers[0].offer();
    peers[0].set_local(offer.clone()).unwrap();
    peers[1].set_remote(offer).unwrap();
    let answer = peers[1].answer();
    peers[1].set_local(answer.clone()).unwrap();
    let new = candidate_of(&peers[1]);
    let end = IceCandidate { candidate: String::new(), ..new.clone() };

    for early in [&new, &end] {
        let error = peers[0].jsep.add_remote_candidate(early).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OperationError);
        assert!(error.to_string().contains("keep the candidate"), "{error}");
    }
    assert!(peers[0].jsep.add_remote_candidate(&old).unwrap().is_some(), "it is not answered yet");

    peers[0].set_remote(answer).unwrap();
    assert!(peers[0].jsep.add_remote_candidate(&new).unwrap().is_some());
    assert!(peers[0].jsep.add_remote_candidate(&end).unwrap().is_some());
    assert!(peers[0].jsep.add_remote_candidate(&old).unwrap().is_none());
    add(&mut peers[0], MediaKind::Video);
    let offer = peers[0].offer();
    peers[0].set_local(offer).unwrap();
    assert!(peers[0].jsep.add_remote_candidate(&old).unwrap().is_none(), "no answer renews it");
    let remote = sdp::SessionDescription::parse(&peers[0].jsep.remote_description().unwrap().sdp);
    assert_eq!(remote.unwrap().media[0].candidates().count(), 1);
}

/// As many as come one by one, and no more.
#[test]
fn candidates_in_a_description_are_bounded() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    let mut offer = peers[0].offer();
    for port in 1..1000 {
        offer.sdp += &format!("a=candidate:1 1 udp 2130706431 192.0.2.1 {port} typ host\r\n");
    }
    peers[1].set_remote(offer).unwrap();
    assert_eq!(peers[1].plan().transports[0].remote.as_ref().unwrap().candidates.len(), 128);
}

#[test]
fn a_changed_fingerprint_is_refused() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    negotiate(&mut peers, 0);
    peers[0].ends.fingerprint =
        dtls_srtp::Fingerprint::of(dtls_srtp::HashAlgorithm::Sha256, b"another");
    let offer = peers[0].offer();
    let error = peers[1].set_remote(offer).unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(peers[1].jsep.signaling_state(), SignalingState::Stable);
}

#[test]
fn there_is_a_bound_on_transceivers() {
    let configuration = Configuration { max_transceivers: 3, ..Configuration::default() };
    let [mut alice, mut bob] = pair_with(&configuration);
    for _ in 0..3 {
        add(&mut alice, MediaKind::Audio);
    }
    assert!(alice.jsep.add_track(MediaKind::Video, &[]).is_err());
    add(&mut bob, MediaKind::Video);
    let offer = alice.offer();
    let error = bob.set_remote(offer.clone()).unwrap_err();
    assert!(error.to_string().contains("max_transceivers"), "{error}");
    assert_eq!(bob.jsep.transceivers.len(), 1);
    let [_, mut bob] = pair_with(&configuration);
    bob.set_remote(offer).unwrap();
}

#[test]
fn a_rejected_data_section_is_not_offered_again() {
    let mut peers = pair();
    peers[0].jsep.add_data();
    add(&mut peers[0], MediaKind::Audio);
    let offer = peers[0].offer();
    peers[0].set_local(offer.clone()).unwrap();
    peers[1].set_remote(offer).unwrap();
    let mut answer = peers[1].answer();
    answer.sdp =
        answer.sdp.replace("m=application 9", "m=application 0").replace("BUNDLE 0 1", "BUNDLE 0");
    peers[0].set_remote(answer).unwrap();
    assert!(peers[0].plan().data.is_none() && !peers[0].jsep.update_negotiation_needed());
}
