//! Our answers to the offers of Chromium, Firefox, aiortc and RFC 9429.

use super::*;
use crate::configuration::BundlePolicy;
use crate::jsep::section::is_rejected;

#[path = "../../../../sdp/tests/corpus/recorded.rs"]
mod corpus;

fn offers() -> Vec<corpus::Recorded> {
    let all = corpus::recorded();
    all.into_iter().filter(|recorded| recorded.text.contains("a=setup:actpass")).collect()
}

fn answer(peer: &mut Peer, recorded: &corpus::Recorded) -> sdp::SessionDescription {
    let offer = SessionDescription::offer(recorded.text.clone());
    if let Err(error) = peer.set_remote(offer) {
        panic!("{}: {error}", recorded.name);
    }
    let answer = peer.answer();
    peer.set_local(answer.clone()).unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
    sdp::SessionDescription::parse(&answer.sdp).expect("our own is right")
}

/// Whether a section has any of the codecs that are offered by default.
fn has_a_codec_of_ours(media: &sdp::MediaDescription) -> bool {
    let is_ours = |map: sdp::RtpMap<'_>| {
        let h264 =
            media.fmtp(map.payload_type).is_some_and(|own| own.parameters.contains("42e01f"));
        ["opus", "PCMU", "PCMA", "VP8"].iter().any(|name| map.is(name)) || map.is("H264") && h264
    };
    media.kind() == "application" || media.rtpmaps().any(is_ours)
}

#[test]
fn every_recorded_offer_is_answered_section_by_section() {
    let offers = offers();
    assert!(offers.len() > 150, "{}", offers.len());
    for recorded in &offers {
        let offer = sdp::SessionDescription::parse(&recorded.text).unwrap();
        let mut peer = Peer::new("alice", &Configuration::default(), 1);
        let answer = answer(&mut peer, recorded);
        let name = recorded.name;
        assert_eq!(answer.media.len(), offer.media.len(), "{name}");
        let mut accepted = Vec::new();
        for (own, theirs) in answer.media.iter().zip(&offer.media) {
            let (line, offered) = (own.media_line(), theirs.media_line());
            assert_eq!((line.media, line.protocol), (offered.media, offered.protocol), "{name}");
            assert_eq!(own.mid(), theirs.mid(), "{name}");
            let refused = is_rejected(theirs) || !has_a_codec_of_ours(theirs);
            assert_eq!(is_rejected(own), refused, "{name}: {line} for {offered}");
            if is_rejected(own) {
                continue;
            }
            accepted.extend(own.mid());
            assert_eq!(own.setup(), Some(sdp::Setup::Active), "{name}");
            assert!(own.ice_ufrag().is_some() && own.fingerprints().next().is_some(), "{name}");
            if line.media == "application" {
                assert_eq!(own.sctp_port(), Some(5000), "{name}");
                continue;
            }
            assert!(own.has_rtcp_mux(), "{name}");
            let wanted = theirs.direction().unwrap_or_default();
            // Nothing of ours is sent, so that only receiving is left.
            assert_eq!(own.direction(), Some(sdp::Direction::new(false, wanted.sends())), "{name}");
            for payload_type in line.payload_types() {
                assert!(offered.payload_types().any(|own| own == payload_type), "{name}");
                let map = |media: &sdp::MediaDescription| {
                    media.rtpmap(payload_type).map(|map| map.encoding.to_ascii_lowercase())
                };
                if let Some(offered) = map(theirs) {
                    assert_eq!(map(own), Some(offered), "{name}");
                }
            }
            for extension in own.extmaps() {
                let is_it =
                    |own: sdp::ExtMap<'_>| own.id == extension.id && own.uri == extension.uri;
                assert!(theirs.extmaps().any(is_it), "{name}: {extension}");
            }
        }
        if let Some(group) = offer.bundle_group() {
            let own = answer.bundle_group().map_or("", |group| group.mids.as_str());
            let wanted: Vec<&str> =
                group.mids.iter().filter(|mid| accepted.contains(mid)).collect();
            assert_eq!(own, wanted.join(" "), "{name}");
            assert!(peer.plan().transports.len() <= 1, "{name}");
        }
        for transport in &peer.plan().transports {
            assert!(transport.dtls_role == Some(dtls_srtp::dtls::Role::Client), "{name}");
            assert_eq!(transport.controlling, Some(false), "{name}");
            let remote = transport.remote.as_ref().expect("the offer describes it");
            assert!(!remote.fingerprints.is_empty() && !remote.ufrag.is_empty(), "{name}");
        }
    }
}

#[test]
fn what_a_browser_sends_is_what_the_plan_receives() {
    let offers = offers();
    let recorded = offers
        .iter()
        .find(|own| own.name.starts_with("chromium/out/audio_video_data"))
        .expect("a recording");
    let mut peer = Peer::new("alice", &Configuration::default(), 1);
    let answer = answer(&mut peer, recorded);
    let offer = sdp::SessionDescription::parse(&recorded.text).unwrap();
    let plan = peer.plan();
    let [audio, video] = &plan.sections[..] else { panic!("{:?}", plan.sections) };
    let (opus, vp8) = (&audio.parameters.codecs[0], &video.parameters.codecs[0]);
    assert_eq!((opus.payload_type.number(), opus.channels, opus.rtx), (111, 2, None));
    assert_eq!((vp8.payload_type.number(), vp8.format), (96, rtp::payload::Format::Vp8));
    assert_eq!(vp8.rtx.map(rtp::PayloadType::number), Some(97));
    assert!(vp8.nack && vp8.pli && vp8.fir && vp8.transport_cc && !opus.nack);
    let receive = video.parameters.receive.as_ref().expect("it sends");
    let group = offer.media[1].ssrc_groups().next().expect("FID");
    let ssrcs: Vec<u32> = group.ssrcs().collect();
    assert_eq!(receive.ssrcs, [rtp::Ssrc(ssrcs[0])]);
    assert_eq!(receive.rtx, [(rtp::Ssrc(ssrcs[1]), rtp::Ssrc(ssrcs[0]))]);
    assert!(video.parameters.send.is_none() && video.parameters.reduced_size);
    assert_eq!(video.parameters.extensions.id(rtp::extension::Kind::Mid), Some(4));
    assert_eq!(plan.data.map(|data| data.remote_max_message_size), Some(262_144));
    let tracks = peer.events.iter().filter(|event| matches!(event, Event::Track(_))).count();
    assert_eq!(tracks, 2);
    assert_eq!(answer.media[1].rtcp_fbs().count(), 12);
}

#[test]
fn policies_only_refuse_what_is_not_bundled() {
    for policy in [BundlePolicy::Balanced, BundlePolicy::MaxCompat, BundlePolicy::MaxBundle] {
        let configuration = Configuration { bundle_policy: policy, ..Configuration::default() };
        for recorded in &offers() {
            let mut peer = Peer::new("alice", &configuration, 1);
            answer(&mut peer, recorded);
            let lines = recorded.text.split_inclusive("\r\n");
            let text: String = lines.filter(|line| !line.starts_with("a=group:BUNDLE")).collect();
            if text.contains("a=bundle-only") {
                continue;
            }
            let unbundled = corpus::Recorded { name: recorded.name, text };
            let mut peer = Peer::new("alice", &configuration, 1);
            let offered = sdp::SessionDescription::parse(&unbundled.text).unwrap();
            let live = |description: &sdp::SessionDescription| {
                let live = |media: &&sdp::MediaDescription| {
                    !is_rejected(media) && has_a_codec_of_ours(media)
                };
                description.media.iter().filter(live).count()
            };
            // RFC 9429 needs a=ice-ufrag in every section then; not every recording has it.
            let complete =
                |media: &sdp::MediaDescription| is_rejected(media) || media.ice_ufrag().is_some();
            if !offered.media.iter().all(complete) {
                continue;
            }
            let answered = answer(&mut peer, &unbundled);
            let wanted = match policy {
                BundlePolicy::MaxCompat => live(&offered),
                BundlePolicy::MaxBundle => live(&offered).min(1),
                _ => {
                    let mut kinds: Vec<&str> = Vec::new();
                    for media in offered.media.iter().filter(|media| has_a_codec_of_ours(media)) {
                        if !is_rejected(media) && !kinds.contains(&media.kind()) {
                            kinds.push(media.kind());
                        }
                    }
                    kinds.len()
                }
            };
            assert_eq!(live(&answered), wanted, "{policy:?} {}", recorded.name);
            assert_eq!(peer.plan().transports.len(), wanted, "{policy:?} {}", recorded.name);
        }
    }
}

#[test]
fn damaged_offers_are_refused_or_answered_but_never_panic() {
    let offers = offers();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    for _ in 0..2000 {
        let recorded = &offers[next() % offers.len()];
        let mut lines: Vec<&str> = recorded.text.split_inclusive("\r\n").collect();
        for _ in 0..1 + next() % 4 {
            let (at, other) = (next() % lines.len(), next() % lines.len());
            match next() % 3 {
                0 => drop(lines.remove(at)),
                1 => lines.swap(at, other),
                _ => lines.insert(at, lines[other]),
            }
        }
        let mut peer = Peer::new("alice", &Configuration::default(), 1);
        add(&mut peer, MediaKind::Video);
        if peer.set_remote(SessionDescription::offer(lines.concat())).is_ok() {
            let answer = peer.answer();
            peer.set_local(answer).expect("our own answer");
            let offer = peer.offer();
            peer.set_local(offer).expect("our own offer");
        } else {
            assert_eq!(peer.jsep.signaling_state(), SignalingState::Stable);
        }
    }
}
