//! Descriptions of Chromium, Firefox, aiortc and RFC 9429: read, typed, and written back unchanged.

#[path = "corpus/recorded.rs"]
mod corpus;

use std::collections::BTreeMap;

use corpus::recorded;
use peerless_sdp::{
    Attribute, Candidate, Direction, RidDirection, SessionDescription, Setup, exercise,
};

#[test]
fn every_recorded_description_comes_back_byte_for_byte() {
    let descriptions = recorded();
    assert_eq!(descriptions.len(), 391);
    for recorded in descriptions {
        let description = SessionDescription::parse(&recorded.text)
            .unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
        assert_eq!(description.to_string(), recorded.text, "{}", recorded.name);
        exercise(recorded.text.as_bytes());
    }
}

#[test]
fn lf_alone_is_read_and_written_as_crlf() {
    for recorded in recorded() {
        let with_lf = recorded.text.replace("\r\n", "\n");
        let description = SessionDescription::parse(&with_lf).unwrap();
        assert_eq!(description.to_string(), recorded.text, "{}", recorded.name);
    }
}

/// What is left raw, and why that changes no call: see the comment at each.
#[test]
fn these_attributes_of_real_descriptions_are_left_raw() {
    let mut raw: BTreeMap<String, usize> = BTreeMap::new();
    for recorded in recorded() {
        let description = SessionDescription::parse(&recorded.text).unwrap();
        let media = description.media.iter().flat_map(|media| media.attributes());
        for attribute in description.attributes().chain(media) {
            if let Attribute::Other { name, .. } = attribute {
                *raw.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    let names: Vec<_> = raw.keys().map(String::as_str).collect();
    // RFC 6236: the picture sizes that a receiver prefers, a wish for the application's encoder.
    assert_eq!(names, ["imageattr"]);
}

#[test]
fn typed_attributes_are_written_as_browsers_write_them() {
    // The only differences are spaces that mean nothing.
    let mut differing = BTreeMap::new();
    for recorded in recorded() {
        let description = SessionDescription::parse(&recorded.text).unwrap();
        for section in description.media.iter().map(|media| &**media).chain([&*description]) {
            for (attribute, text) in section.attributes().zip(section.attribute_texts()) {
                if attribute.to_string() != text {
                    let name = text.split(':').next().unwrap_or_default().to_owned();
                    differing.entry(name).or_insert_with(|| text.to_owned());
                }
            }
        }
    }
    let names: Vec<_> = differing.keys().map(String::as_str).collect();
    assert_eq!(names, ["msid-semantic"], "{differing:?}");
}

#[test]
fn the_detailed_example_of_jsep_says_what_jsep_says() {
    let recorded = recorded();
    let offer = recorded.iter().find(|own| own.name.contains("007-detailed")).unwrap();
    let offer = SessionDescription::parse(&offer.text).unwrap();
    let origin = offer.origin();
    assert_eq!(
        (origin.username, origin.session_id, origin.session_version),
        ("-", 4962303333179871723, 1)
    );
    assert_eq!((offer.name(), offer.timing().start, offer.timing().stop), ("-", 0, 0));
    let bundle = offer.bundle_group().unwrap();
    assert_eq!(bundle.mids.iter().collect::<Vec<_>>(), ["a1", "d1"]);
    assert!(offer.ice_options().unwrap().contains("ice2"));

    let (audio, data) = (&offer.media[0], &offer.media[1]);
    let line = audio.media_line();
    assert_eq!((line.media, line.port, line.protocol), ("audio", 9, "UDP/TLS/RTP/SAVPF"));
    assert_eq!(line.payload_types().collect::<Vec<_>>(), [96, 0, 8, 97, 98]);
    assert_eq!(audio.mid(), Some("a1"));
    assert_eq!(audio.direction(), Some(Direction::SendRecv));
    let msid = audio.msids().next().unwrap();
    assert_eq!(
        (msid.stream_id(), msid.track),
        (Some("57017fee-b6c1-4162-929c-a25110252400"), None)
    );
    let opus = audio.rtpmap(96).unwrap();
    assert_eq!((opus.encoding, opus.clock_rate, opus.channels), ("opus", 48_000, Some(2)));
    assert_eq!(audio.max_ptime(), Some("120"));
    assert_eq!(audio.setup(), Some(Setup::ActPass));
    assert_eq!(audio.ice_ufrag(), Some("ATEn"));
    assert_eq!(audio.fingerprints().next().unwrap().bytes().next(), Some(0x29));
    assert!(audio.has_rtcp_mux() && audio.has_rtcp_mux_only() && audio.has_rtcp_rsize());
    assert_eq!(data.media_line().formats.first(), Some("webrtc-datachannel"));
    assert_eq!((data.sctp_port(), data.max_message_size()), (Some(5000), Some(65_536)));
    assert!(data.is_bundle_only());
}

#[test]
fn candidates_of_a_real_call_are_typed() {
    let all = recorded();
    let mut kinds = BTreeMap::new();
    for description in all.iter().map(|own| SessionDescription::parse(&own.text).unwrap()) {
        for media in &description.media {
            for (candidate, text) in media.candidates().zip(media.candidate_texts()) {
                let Candidate { kind, component, .. } = candidate;
                assert!(component <= 2 && text.starts_with("candidate:"));
                *kinds.entry(kind.to_owned()).or_insert(0) += 1;
                assert_eq!(kind == "host", candidate.related_address().is_none(), "{text}");
            }
        }
    }
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["host", "relay", "srflx"]);
}

#[test]
fn simulcast_of_chromium_is_typed() {
    let all = recorded();
    let offer = all.iter().find(|own| own.text.contains("a=simulcast:send q;h;f")).unwrap();
    let offer = SessionDescription::parse(&offer.text).unwrap();
    let video = offer.media.iter().find(|media| media.simulcast().is_some()).unwrap();
    let simulcast = video.simulcast().unwrap();
    let first = |stream: &mut dyn Iterator<Item = _>| stream.next();
    let sent: Vec<_> = simulcast
        .streams(RidDirection::Send)
        .filter_map(|mut stream| first(&mut stream))
        .map(|stream: peerless_sdp::SimulcastStream<'_>| (stream.rid, stream.paused))
        .collect();
    assert_eq!(sent, [("q", false), ("h", false), ("f", false)]);
    let rids: Vec<_> = video.rids().map(|rid| (rid.id, rid.direction)).collect();
    assert!(rids.contains(&("h", RidDirection::Send)));
}
