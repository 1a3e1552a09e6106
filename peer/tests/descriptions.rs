//! Wrong descriptions: each is applied, or is an error that names the line and changes nothing.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;
#[path = "../../sdp/tests/corpus/recorded.rs"]
mod corpus;

use std::time::Duration;

use common::{A, B, Pair, base, origin, seeds};
use peerless::media::transceiver::{RtpTransceiverDirection, TransceiverInit};
use peerless::{
    BundlePolicy, Configuration, ConnectionState, DataChannelInit, Error, Event,
    IceConnectionState, IceGatheringState, MediaKind, PeerConnection, Readable, SdpType,
    SessionDescription, SignalingState, TransceiverId,
};

/// xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n.max(1)
    }
}

/// Spoils a line or a few.
fn mutate(random: &mut Random, sdp: &str) -> String {
    let mut lines: Vec<String> = sdp.split_inclusive('\n').map(str::to_owned).collect();
    for _ in 0..1 + random.below(3) {
        let (at, other) = (random.below(lines.len()), random.below(lines.len()));
        if lines.is_empty() {
            break;
        }
        match random.below(8) {
            0 => {
                lines.remove(at);
            }
            1 => lines.insert(other, lines[at].clone()),
            2 => lines.swap(at, other),
            // Without its line end, too.
            3 => {
                let len = random.below(lines[at].len());
                lines[at] = lines[at].chars().take(len).collect();
            }
            4 => lines.truncate(at),
            5 => {
                let mut line: Vec<char> = lines[at].chars().collect();
                let at_char = random.below(line.len());
                if let Some(char) = line.get_mut(at_char) {
                    *char =
                        ['0', '9', ' ', ':', '/', '=', '\r', '\0', 'ü', 'a', '-'][random.below(11)];
                }
                lines[at] = line.into_iter().collect();
            }
            // A word becomes another word of the description.
            6 => {
                let words: Vec<String> = lines[at].split(' ').map(str::to_owned).collect();
                let donors: Vec<&str> = lines[other].split(' ').collect();
                let (place, donor) = (random.below(words.len()), random.below(donors.len()));
                let donor = donors[donor].trim_end().to_owned();
                let mut words = words;
                words[place] = donor;
                lines[at] = words.join(" ").trim_end().to_owned() + "\r\n";
            }
            _ => {
                let mut number = String::new();
                for char in lines[at].chars() {
                    let digit = char.is_ascii_digit() && random.below(3) == 0;
                    number.push(if digit { b"0123456789"[random.below(10)].into() } else { char });
                }
                lines[at] = number;
            }
        }
    }
    lines.concat()
}

/// Everything of a connection that a description may change and the application can see.
#[derive(Clone, Debug, PartialEq)]
struct State {
    signaling: SignalingState,
    gathering: IceGatheringState,
    ice: IceConnectionState,
    connection: ConnectionState,
    descriptions: [Option<SessionDescription>; 6],
    transceivers: Vec<Transceiver>,
    channels: Vec<(String, peerless::DataChannelState, Option<u16>)>,
    transports: Vec<String>,
    pairs: Vec<String>,
    sources: usize,
    deadline: Option<std::time::Instant>,
    events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq)]
struct Transceiver {
    id: TransceiverId,
    kind: MediaKind,
    mid: Option<String>,
    direction: RtpTransceiverDirection,
    current: Option<RtpTransceiverDirection>,
    codecs: Vec<u8>,
    remote_streams: Vec<String>,
}

fn state(peer: &mut PeerConnection) -> State {
    let mut events = Vec::new();
    while let Some(event) = peer.poll_event() {
        events.push(event);
    }
    let ids: Vec<TransceiverId> = peer.transceivers().collect();
    let transceivers = ids.into_iter().map(|id| {
        let transceiver = peer.transceiver(id).expect("it was listed");
        Transceiver {
            id,
            kind: transceiver.kind(),
            mid: transceiver.mid().map(str::to_owned),
            direction: transceiver.direction(),
            current: transceiver.current_direction(),
            codecs: transceiver.codecs().iter().map(|codec| codec.payload_type).collect(),
            remote_streams: transceiver.remote_streams().to_vec(),
        }
    });
    let transceivers = transceivers.collect();
    let stats = peer.stats(base());
    let transports = stats.transports.iter().map(|transport| {
        format!("{:?} {:?} {:?}", transport.path, transport.dtls_state, transport.srtp_cipher)
    });
    let pairs = stats.candidate_pairs.iter().map(|pair| format!("{} {:?}", pair.path, pair.state));
    State {
        signaling: peer.signaling_state(),
        gathering: peer.ice_gathering_state(),
        ice: peer.ice_connection_state(),
        connection: peer.connection_state(),
        descriptions: [
            peer.local_description(),
            peer.remote_description(),
            peer.current_local_description(),
            peer.current_remote_description(),
            peer.pending_local_description(),
            peer.pending_remote_description(),
        ],
        transceivers,
        channels: stats
            .data_channels
            .iter()
            .map(|channel| (channel.label.clone(), channel.state, channel.data_channel_identifier))
            .collect(),
        transports: transports.collect(),
        pairs: pairs.collect(),
        sources: stats.inbound_rtp.len() + stats.outbound_rtp.len(),
        deadline: peer.poll_timeout(),
        events,
    }
}

#[track_caller]
fn names_a_line(error: &Error, sdp: &str, place: &str) {
    let text = error.to_string();
    let line = text.split("line ").nth(1).and_then(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    // An empty last line is where a description that ends too early is wrong.
    let lines = sdp.lines().count() + 1;
    assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{place}: {text}\n{sdp}");
}

/// Gives a connection a description, and checks what must hold whatever it is. Returns whether it
/// was applied.
#[track_caller]
fn give(peer: &mut PeerConnection, description: SessionDescription, place: &str) -> bool {
    let mut before = state(peer);
    before.events.clear();
    let now = base();
    let sdp = description.sdp.clone();
    match peer.set_remote_description(now, description) {
        Ok(()) => true,
        Err(error) => {
            names_a_line(&error, &sdp, place);
            assert_eq!(state(peer), before, "{place}: {error}\n{sdp}");
            false
        }
    }
}

fn offerer() -> PeerConnection {
    let mut peer = PeerConnection::new(Configuration::default(), origin(base(), 7, A));
    peer.add_local_address(common::address(A));
    let now = base();
    peer.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let init = TransceiverInit::send_recv().with_streams(&["stream"]);
        peer.add_transceiver(now, kind, init).unwrap();
    }
    peer
}

/// What others and we offer.
fn offers() -> Vec<(String, String)> {
    let mut peer = offerer();
    peer.set_local_description(base(), None).unwrap();
    let own = peer.local_description().unwrap().sdp;
    let recorded = corpus::recorded().into_iter();
    let recorded = recorded.filter(|recorded| recorded.text.contains("a=setup:actpass"));
    [("ours".to_owned(), own)]
        .into_iter()
        .chain(recorded.map(|recorded| (recorded.name.to_owned(), recorded.text)))
        .collect()
}

#[test]
fn a_wrong_offer_is_applied_or_changes_nothing() {
    let offers = offers();
    let (mut applied, mut refused) = (0, 0);
    for seed in 0..seeds() {
        let mut random = Random::new(seed);
        // The dearest part of a connection is its certificate: many offers to one.
        let mut peer = offerer();
        for _ in 0..100 {
            let (name, offer) = &offers[random.below(offers.len())];
            let sdp = mutate(&mut random, offer);
            let place = format!("seed {seed}, {name}");
            if !give(&mut peer, SessionDescription::offer(sdp), &place) {
                refused += 1;
                continue;
            }
            applied += 1;
            assert_eq!(peer.signaling_state(), SignalingState::HaveRemoteOffer, "{place}");
            // It can be answered, or taken back.
            if random.below(2) == 0 {
                peer.set_local_description(base(), None)
                    .unwrap_or_else(|error| panic!("{place}: {error}"));
                peer = offerer();
            } else {
                peer.set_remote_description(base(), SessionDescription::rollback()).unwrap();
                assert_eq!(peer.signaling_state(), SignalingState::Stable, "{place}");
            }
        }
    }
    println!("{applied} applied, {refused} refused");
    assert!(applied > 0 && refused > 0);
}

#[test]
fn a_wrong_answer_is_applied_or_changes_nothing() {
    let mut answers = Vec::new();
    let (mut applied, mut refused) = (0, 0);
    for seed in 0..seeds() {
        let mut random = Random::new(seed);
        let mut peer = offerer();
        peer.set_local_description(base(), None).unwrap();
        let offer = peer.local_description().unwrap();
        let mut other = PeerConnection::new(Configuration::default(), origin(base(), 7, B));
        other.add_local_address(common::address(B));
        other.set_remote_description(base(), offer).unwrap();
        other.set_local_description(base(), None).unwrap();
        let answer = other.local_description().unwrap().sdp;
        answers.push(answer.clone());
        for _ in 0..50 {
            let sdp = mutate(&mut random, &answer);
            let kind = [SdpType::Answer, SdpType::PrAnswer][random.below(2)];
            if give(&mut peer, SessionDescription { kind, sdp }, &format!("seed {seed}")) {
                applied += 1;
                break;
            }
            refused += 1;
        }
    }
    println!("{applied} applied, {refused} refused");
    assert!(applied > 0 && refused > 0);
}

/// In the middle of a call: what is refused or taken back leaves the call as it was.
#[test]
fn wrong_offers_do_not_disturb_a_call() {
    let (mut applied, mut refused) = (0, 0);
    'seeds: for seed in 0..seeds() {
        let mut random = Random::new(seed);
        let mut pair = Pair::new();
        let now = pair.now;
        let a = &mut pair.peers[A];
        let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        let video = a.add_transceiver(now, MediaKind::Video, TransceiverInit::send_recv()).unwrap();
        pair.negotiate(A);
        assert!(pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        }));
        pair.run_for(Duration::from_secs(1));
        pair.peers[A].add_transceiver(pair.now, MediaKind::Audio, Default::default()).unwrap();
        let offer = pair.peers[A].create_offer(pair.now, Default::default()).unwrap();
        for n in 0..30 {
            let place = format!("seed {seed}, offer {n}");
            let before = state(&mut pair.peers[B]);
            let sdp = mutate(&mut random, &offer.sdp);
            let text = sdp.clone();
            if !give(&mut pair.peers[B], SessionDescription::offer(sdp), &place) {
                refused += 1;
                continue;
            }
            applied += 1;
            pair.run_for(Duration::from_millis(random.below(300) as u64));
            pair.peers[B]
                .set_remote_description(pair.now, SessionDescription::rollback())
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let after = state(&mut pair.peers[B]);
            if after.transceivers.is_empty() && text.contains("m=video 0 ") {
                // An offer that rejects a section stops the transceiver for good, says the W3C.
                continue 'seeds;
            }
            assert_eq!(after.descriptions, before.descriptions, "{place}");
            assert_eq!(after.transceivers, before.transceivers, "{place}");
            assert_eq!(after.channels, before.channels, "{place}");
            assert_eq!(after.transports, before.transports, "{place}\n{text}");
        }
        pair.run_for(Duration::from_secs(60));
        for peer in &pair.peers {
            assert_eq!(peer.connection_state(), ConnectionState::Connected, "seed {seed}");
        }
        pair.events[B].clear();
        let now = pair.now;
        pair.peers[A].data_channel(chat).unwrap().send(now, "still here").unwrap();
        let frame = peerless::Frame::new(vec![0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 64, 0].into(), 0);
        pair.peers[A].sender(video).unwrap().send_frame(now, frame).unwrap();
        assert!(pair.run_until(Duration::from_secs(5), |pair| {
            let readable = |what: fn(&Readable) -> bool| {
                pair.events[B]
                    .iter()
                    .any(|event| matches!(event, Event::Readable(readable) if what(readable)))
            };
            readable(|readable| matches!(readable, Readable::Channel(_)))
                && readable(|readable| matches!(readable, Readable::Receiver(_)))
        }));
    }
    println!("{applied} applied, {refused} refused");
    assert!(applied > 0 && refused > 0);
}

#[test]
fn a_description_of_any_size_is_an_answer_or_an_error() {
    let mut peer = offerer();
    let (_, offer) = &offers()[0];
    let media = offer.find("m=").expect("a section");
    let (session, section) = offer.split_at(media);
    let section = &section[..section[2..].find("m=").expect("another") + 2];
    // Thousands of sections, attributes, candidates; a line of megabytes.
    let many_sections = session.to_owned()
        + &(0..5000).map(|n| section.replace("a=mid:", &format!("a=mid:x{n}"))).collect::<String>();
    let many_candidates = offer.clone()
        + &(0..50_000)
            .map(|n| format!("a=candidate:1 1 udp {n} 192.0.2.1 {} typ host\r\n", n % 65_536))
            .collect::<String>();
    let many_codecs = offer.clone()
        + &(0..50_000).map(|n| format!("a=rtpmap:{} VP8/90000\r\n", n % 128)).collect::<String>();
    let long_line = offer.clone() + "a=" + &"x".repeat(4_000_000) + "\r\n";
    let fingerprints = offer.clone() + &"a=fingerprint:sha-1 00\r\n".repeat(50_000);
    for sdp in [many_sections, many_candidates, many_codecs, long_line, fingerprints] {
        if give(&mut peer, SessionDescription::offer(sdp), "") {
            assert!(peer.transceivers().count() <= Configuration::default().max_transceivers);
            peer.set_local_description(base(), None).unwrap();
            peer = offerer();
        }
    }
}

/// As many sections as there may be, each with a transport of its own, and as many lines before what
/// each is called by as fit: what is asked of each transport must not read all sections for each other.
#[test]
fn many_sections_with_many_lines_are_not_read_for_each_other() {
    let (_, offer) = &offers()[0];
    let media = offer.find("m=").expect("a section");
    let (session, section) = offer.split_at(media);
    let section = &section[..section[2..].find("m=").expect("another") + 2];
    let (line, rest) = section.split_once("\r\n").expect("a line");
    let mid = rest.lines().find(|line| line.starts_with("a=mid:")).expect("a name");
    let filler = "a=x\r\n".repeat(80);
    let groups: String = (0..258).map(|n| format!("a=group:BUNDLE x{n}\r\n")).collect();
    let session: String = session
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=group:BUNDLE"))
        .chain([&*groups])
        .collect();
    let sections = (0..258).map(|n| {
        // Not one transceiver for each, of which there may be half as many.
        let line = if n > 100 { "m=unknown 9 UDP/TLS/RTP/SAVPF 0" } else { line };
        format!("{line}\r\n{filler}{}", rest.replace(mid, &format!("a=mid:x{n}")))
    });
    let sdp = session + &sections.collect::<String>();
    let mut configuration = Configuration::default();
    configuration.bundle_policy = BundlePolicy::MaxCompat;
    let mut peer = PeerConnection::new(configuration, origin(base(), 1, B));
    // A second; reading all of them for each other, for each one, would take minutes.
    peer.set_remote_description(base(), SessionDescription::offer(sdp)).unwrap();
    peer.set_local_description(base(), None).unwrap();
    let answer = peer.local_description().unwrap().sdp;
    assert_eq!(answer.matches("a=group:BUNDLE").count(), 101);
}
