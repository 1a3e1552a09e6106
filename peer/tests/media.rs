//! Media both ways: frames and packets, renegotiation, key frame requests.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use common::{A, B, Fate, Pair};
use peerless::media::transceiver::{RtpTransceiverDirection, TransceiverInit};
use peerless::security::Profile;
use peerless::{
    Configuration, ConnectionState, Event, Frame, MediaKind, Readable, ReceiveMode, TransceiverId,
};

fn connected(pair: &mut Pair) -> bool {
    pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
}

/// A frame that looks like VP8 (RFC 6386 §9.1): a key frame, or one between.
fn vp8(n: u32, keyframe: bool, len: usize) -> Bytes {
    let mut frame = vec![n as u8; len];
    frame[0] = if keyframe { 0x10 } else { 0x11 };
    if keyframe {
        frame[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
    }
    Bytes::from(frame)
}

fn track(pair: &Pair, peer: usize) -> TransceiverId {
    pair.events[peer]
        .iter()
        .find_map(|event| match event {
            Event::Track(track) => Some(track.transceiver),
            _ => None,
        })
        .expect("a track event")
}

#[test]
fn frames_arrive_whole_and_in_order_through_loss() {
    let mut pair = Pair::new();
    let now = pair.now;
    let video =
        pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), connected));
    let theirs = track(&pair, B);
    let mut count = 0_u32;
    pair.fate = Box::new(move |from, contents| {
        count += 1;
        // Media only: RTP's first byte; every 20th packet of A's.
        if from == A && contents[0] & 0xc0 == 0x80 && count % 20 == 7 {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    let mut received = Vec::new();
    for n in 0..60_u32 {
        let frame = Frame::new(vp8(n, n == 0, 3000 + n as usize), n * 3000);
        let now = pair.now;
        pair.peers[A].sender(video).unwrap().send_frame(now, frame).unwrap();
        pair.run_for(Duration::from_millis(33));
        let now = pair.now;
        while let Some(frame) = pair.peers[B].receiver(theirs).unwrap().read_frame(now) {
            received.push(frame);
        }
    }
    pair.run_for(Duration::from_millis(500));
    let now = pair.now;
    while let Some(frame) = pair.peers[B].receiver(theirs).unwrap().read_frame(now) {
        received.push(frame);
    }
    assert_eq!(received.len(), 60);
    for (n, frame) in received.iter().enumerate() {
        assert_eq!(frame.data, vp8(n as u32, n == 0, 3000 + n), "frame {n}");
    }
}

#[test]
fn no_number_is_encrypted_twice_where_retransmissions_have_no_stream_of_their_own() {
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80] {
        let [a, b] = [(); 2].map(|()| {
            let mut configuration = Configuration::default();
            configuration.security_policy.srtp_profiles = vec![profile];
            for codec in &mut configuration.codecs {
                codec.rtx_payload_type = None;
            }
            configuration
        });
        let mut pair = Pair::with(a, b, 1);
        let now = pair.now;
        let init = TransceiverInit::send_only();
        let video = pair.peers[A].add_transceiver(now, MediaKind::Video, init).unwrap();
        pair.negotiate(A);
        let description = pair.peers[A].remote_description().unwrap().sdp;
        assert!(description.contains(" nack\r\n") && !description.contains("rtx"), "{description}");
        assert!(pair.run_until(Duration::from_secs(5), connected));
        pair.trace = Some(Vec::new());
        let mut count = 0_u32;
        pair.fate = Box::new(move |from, contents| {
            count += 1;
            let lost = from == A && contents[0] & 0xc0 == 0x80 && count % 20 == 7;
            if lost { Fate::Drop } else { Fate::Deliver }
        });
        for n in 0..60_u32 {
            let frame = Frame::new(vp8(n, n == 0, 3000), n * 3000);
            let now = pair.now;
            pair.peers[A].sender(video).unwrap().send_frame(now, frame).unwrap();
            pair.run_for(Duration::from_millis(33));
        }
        let now = pair.now;
        let report = pair.peers[A].stats(now);
        let stats = &report.outbound_rtp[0].local;
        assert!(stats.nack_count > 0, "{stats:?}");
        assert_eq!((stats.retransmitted_packets_sent, stats.history_packets), (0, 0));
        assert_eq!(report.transports[0].packets_dropped, 0);
        assert_eq!(report.transports[0].srtp_cipher, Some(profile));
        // Number and source of an RTP packet are in the clear; RTCP's types are 192 to 223.
        let mut numbers = BTreeSet::new();
        for (_, from, datagram) in pair.trace.take().unwrap() {
            if from == A && datagram[0] & 0xc0 == 0x80 && !(192..=223).contains(&datagram[1]) {
                let number = (datagram[8..12].to_vec(), datagram[2..4].to_vec());
                assert!(numbers.insert(number), "{profile:?}: {:?}", &datagram[..12]);
            }
        }
        assert!(numbers.len() > 170, "{}", numbers.len());
    }
}

/// Two peers that send each other video, and the transceivers of both.
fn both_ways() -> (Pair, TransceiverId, TransceiverId) {
    let mut pair = Pair::new();
    let now = pair.now;
    let video =
        pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    pair.peers[B].add_track(now, MediaKind::Video, &[]).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), connected));
    let theirs = track(&pair, B);
    (pair, video, theirs)
}

#[test]
fn forwards_packets_with_their_payload_untouched() {
    let (mut pair, video, theirs) = both_ways();
    let now = pair.now;
    pair.peers[B].receiver(theirs).unwrap().set_mode(now, ReceiveMode::Packets);
    let frame = Frame::new(vp8(1, true, 5000), 3000);
    pair.peers[A].sender(video).unwrap().send_frame(now, frame.clone()).unwrap();
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        // B sends back what it gets.
        let now = pair.now;
        while let Some(packet) = pair.peers[B].receiver(theirs).unwrap().read_packet() {
            pair.peers[B].sender(theirs).unwrap().forward(now, &packet).unwrap();
        }
        pair.saw(A, &Event::Readable(Readable::Receiver(video)))
    }));
    let now = pair.now;
    let echoed = pair.peers[A].receiver(video).unwrap().read_frame(now).expect("a frame");
    assert_eq!(echoed.data, frame.data);
}

#[test]
fn a_change_of_mode_amid_a_picture_asks_for_a_whole_one() {
    let (mut pair, video, theirs) = both_ways();
    let send = |pair: &mut Pair, picture: u32, keyframe: bool| {
        let frame = Frame::new(vp8(picture, keyframe, 60_000), picture * 3000);
        let now = pair.now;
        pair.peers[A].sender(video).unwrap().send_frame(now, frame).unwrap();
    };
    let echoed = |pair: &mut Pair, millis: u64| {
        let mut pictures = 0;
        for _ in 0..millis {
            pair.run_for(Duration::from_millis(1));
            let now = pair.now;
            while let Some(packet) = pair.peers[B].receiver(theirs).unwrap().read_packet() {
                pair.peers[B].sender(theirs).unwrap().forward(now, &packet).unwrap();
            }
            while pair.peers[A].receiver(video).unwrap().read_frame(now).is_some() {
                pictures += 1;
            }
        }
        pictures
    };
    send(&mut pair, 0, true);
    let received = |pair: &mut Pair| {
        let now = pair.now;
        pair.peers[B].stats(now).inbound_rtp.first().map_or(0, |it| it.local.packets_received)
    };
    while received(&mut pair) < 2 {
        pair.run_for(Duration::from_millis(1));
    }
    let now = pair.now;
    assert!(received(&mut pair) < 50, "only a part of the picture");
    pair.peers[B].receiver(theirs).unwrap().set_mode(now, ReceiveMode::Packets);
    for picture in 1..5 {
        send(&mut pair, picture, false);
        assert_eq!(echoed(&mut pair, 33), 0, "what they build on is not there");
    }
    assert!(pair.saw(A, &Event::KeyFrameRequested(video)));
    send(&mut pair, 5, true);
    send(&mut pair, 6, false);
    assert_eq!(echoed(&mut pair, 50), 2);
}

#[test]
fn turning_a_track_off_and_on_renegotiates() {
    let mut pair = Pair::new();
    let now = pair.now;
    let video =
        pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), connected));
    let theirs = track(&pair, B);
    let mut now = pair.now;
    pair.peers[A].remove_track(now, video).unwrap();
    pair.drain_events();
    assert!(pair.saw(A, &Event::NegotiationNeeded));
    pair.negotiate(A);
    assert!(pair.saw(B, &Event::TrackEnded(theirs)));
    let frame = || Frame::new(vp8(1, true, 500), 0);
    now = pair.now;
    assert!(pair.peers[A].sender(video).unwrap().send_frame(now, frame()).is_err());
    pair.peers[A]
        .transceiver(video)
        .unwrap()
        .set_direction(now, RtpTransceiverDirection::SendRecv)
        .unwrap();
    pair.negotiate(A);
    now = pair.now;
    pair.peers[A].sender(video).unwrap().send_frame(now, frame()).unwrap();
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.saw(B, &Event::Readable(Readable::Receiver(theirs)))
    }));
}

#[test]
fn a_key_frame_request_reaches_the_sender() {
    let mut pair = Pair::new();
    let now = pair.now;
    let video =
        pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), connected));
    let theirs = track(&pair, B);
    let now = pair.now;
    let frame = Frame::new(vp8(1, true, 500), 0);
    pair.peers[A].sender(video).unwrap().send_frame(now, frame).unwrap();
    pair.run_for(Duration::from_millis(100));
    let now = pair.now;
    pair.peers[B].receiver(theirs).unwrap().request_key_frame(now);
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.saw(A, &Event::KeyFrameRequested(video))
    }));
}

#[test]
fn media_that_overtakes_the_handshake_is_not_lost() {
    let mut pair = Pair::new();
    let now = pair.now;
    let audio = pair.peers[B].add_track(now, MediaKind::Audio, &[]).unwrap();
    pair.peers[A].add_transceiver(now, MediaKind::Audio, TransceiverInit::default()).unwrap();
    pair.negotiate(A);
    // What DTLS says last is late; media is not.
    let mut handshake = 0;
    pair.fate = Box::new(move |from, contents| {
        if from == B && (20..64).contains(&contents[0]) {
            handshake += 1;
            if handshake > 2 {
                return Fate::Delay(Duration::from_millis(30));
            }
        }
        Fate::Deliver
    });
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.peers[B].connection_state() == ConnectionState::Connected
    }));
    let now = pair.now;
    let frame = Frame::new(Bytes::from_static(b"opus"), 960);
    pair.peers[B].sender(audio).unwrap().send_frame(now, frame).unwrap();
    assert!(pair.run_until(Duration::from_secs(2), |pair| {
        pair.events[A].iter().any(|event| matches!(event, Event::Readable(_)))
    }));
}

#[test]
fn header_extensions_are_encrypted_once_both_sides_say_that_they_understand() {
    let mut pair = Pair::new();
    let now = pair.now;
    let video =
        pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), connected));
    let theirs = track(&pair, B);
    let profiles = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let seen = std::rc::Rc::clone(&profiles);
    pair.fate = Box::new(move |from, contents| {
        // RTP with a header extension and no CSRC.
        if from == A && contents[0] == 0x90 && !(192..=223).contains(&contents[1]) {
            seen.borrow_mut().push([contents[12], contents[13]]);
        }
        Fate::Deliver
    });
    let frame = Frame::new(vp8(1, true, 3000), 3000);
    let now = pair.now;
    pair.peers[A].sender(video).unwrap().send_frame(now, frame.clone()).unwrap();
    pair.run_for(Duration::from_millis(200));
    let now = pair.now;
    assert_eq!(pair.peers[B].receiver(theirs).unwrap().read_frame(now).unwrap().data, frame.data);
    let profiles = profiles.borrow();
    assert!(!profiles.is_empty() && profiles.iter().all(|own| *own == [0xC0, 0xDE]));
    for peer in &mut pair.peers {
        assert!(peer.stats(now).transports[0].cryptex);
    }
}

#[test]
fn a_packet_that_srtp_refuses_holds_up_nothing() {
    let mut configuration = Configuration::default();
    configuration.max_srtp_sources = 1;
    let mut pair = Pair::with(configuration, Configuration::default(), 8);
    let now = pair.now;
    let [first, second] = [(); 2].map(|()| {
        let init = TransceiverInit::send_only();
        pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap()
    });
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), connected));
    let send = |pair: &mut Pair, audio, n: u32| {
        let now = pair.now;
        let frame = Frame::new(Bytes::from_static(b"an audio frame"), n * 960);
        pair.peers[A].sender(audio).unwrap().send_frame(now, frame).unwrap();
    };
    send(&mut pair, first, 0);
    pair.run_for(Duration::from_millis(20));
    // There is no room for the second source, whose packets come first.
    for n in 1..=3 {
        send(&mut pair, second, n);
        send(&mut pair, first, n);
    }
    let (now, mut buf, mut media) = (pair.now, Vec::new(), 0);
    while let Some(transmit) = pair.peers[A].poll_transmit(now, &mut buf) {
        media += u32::from(transmit.contents[0] & 0xc0 == 0x80);
        buf.clear();
    }
    assert_eq!(media, 3);
    assert!(pair.peers[A].poll_timeout().is_none_or(|at| at > now));
}
