//! Time that is early, late or backward, machines that sleep, and deadlines that are neither late
//! nor too many.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{A, B, Fate, Pair, seeds};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    Configuration, ConnectionState, DataChannelId, DataChannelInit, Event, Frame, MediaKind,
    PeerConnection, Readable, TransceiverId,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A pair with a channel, audio and video, connected for a second.
fn connected() -> (Pair, DataChannelId) {
    let mut pair = Pair::new();
    let now = pair.now;
    let a = &mut pair.peers[A];
    let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        a.add_transceiver(now, kind, TransceiverInit::send_recv()).unwrap();
    }
    pair.negotiate(A);
    assert!(
        pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        })
    );
    pair.run_for(Duration::from_secs(1));
    (pair, chat)
}

fn is_connected(pair: &Pair) -> bool {
    pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
}

/// A message from A comes to B.
fn still_works(pair: &mut Pair, chat: DataChannelId) {
    pair.events[B].clear();
    let now = pair.now;
    pair.peers[A].data_channel(chat).expect("it is open").send(now, "still here?").unwrap();
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.events[B].iter().any(|event| matches!(event, Event::Readable(Readable::Channel(_))))
    }));
}

#[test]
fn backward_time_is_read_as_the_newest() {
    let (mut pair, chat) = connected();
    let long_ago = pair.start;
    for peer in &mut pair.peers {
        let deadline = peer.poll_timeout();
        for _ in 0..3 {
            peer.handle_timeout(long_ago);
            assert!(peer.poll_transmit(long_ago, &mut Vec::new()).is_none());
            assert_eq!(peer.poll_event(), None);
            assert_eq!(peer.poll_timeout(), deadline);
        }
        assert_eq!(peer.stats(long_ago).timestamp, peer.stats(long_ago).timestamp.max(long_ago));
    }
    // A whole conversation in which A's clock says that it has not begun.
    pair.peers[A].data_channel(chat).unwrap().send(long_ago, "from the past").unwrap();
    pair.events[B].clear();
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        let mut buf = Vec::new();
        while let Some(transmit) = pair.peers[A].poll_transmit(long_ago, &mut buf) {
            let path = transmit.path;
            let contents = transmit.contents.to_vec();
            pair.put(A, path, contents);
            buf.clear();
        }
        pair.events[B].iter().any(|event| matches!(event, Event::Readable(_)))
    }));
}

#[test]
fn too_early_nothing_happens() {
    let (mut pair, _) = connected();
    for peer in &mut pair.peers {
        let deadline = peer.poll_timeout().expect("consent is asked for again and again");
        let wait = deadline - pair.now;
        for tenth in 0..10 {
            let early = pair.now + wait * tenth / 10;
            peer.handle_timeout(early);
            assert!(peer.poll_transmit(early, &mut Vec::new()).is_none(), "{tenth}");
            assert_eq!(peer.poll_event(), None);
            assert_eq!(peer.poll_timeout(), Some(deadline));
        }
        peer.handle_timeout(deadline);
        assert!(peer.poll_transmit(deadline, &mut Vec::new()).is_some());
    }
}

#[test]
fn lateness_is_not_made_up_for() {
    let (mut pair, chat) = connected();
    // Both slept over several consent checks and heartbeats; each is due once.
    pair.now += Duration::from_secs(25);
    pair.datagrams = 0;
    pair.run_for(Duration::from_millis(200));
    assert!(pair.datagrams <= 12, "{} datagrams", pair.datagrams);
    assert!(is_connected(&pair));
    still_works(&mut pair, chat);
}

#[test]
fn a_machine_that_slept_checks_consent_once_before_it_fails() {
    for hours in [1, 10, 1000] {
        // Both were on one machine, or a short sleep on the other side did not matter.
        let (mut pair, chat) = connected();
        pair.now += HOUR * hours;
        pair.run_for(Duration::from_secs(10));
        assert!(is_connected(&pair), "after {hours} hours");
        still_works(&mut pair, chat);

        // The other side has gone in the meantime.
        let (mut pair, _) = connected();
        pair.fate = Box::new(|_, _| Fate::Drop);
        pair.now += HOUR * hours;
        pair.events[A].clear();
        pair.peers[A].handle_timeout(pair.now);
        assert_ne!(pair.peers[A].connection_state(), ConnectionState::Failed);
        let mut buf = Vec::new();
        let check = pair.peers[A].poll_transmit(pair.now, &mut buf).expect("a check of consent");
        assert_eq!(check.contents[..2], [0, 1], "a Binding request");
        assert!(pair.run_until(Duration::from_secs(40), |pair| {
            pair.peers[A].connection_state() == ConnectionState::Failed
        }));
        assert!(pair.peers[A].failure_reason().is_some());
    }
}

/// What an idle connection costs its driver.
#[derive(Debug, Default)]
struct Cost {
    /// How often a side was called for its deadline, and sent something.
    sending: u32,
    /// How often it was called, and sent nothing.
    vain: u32,
    datagrams: u32,
}

/// Lets time pass until `end`, calling each side for its deadlines and for what arrives only.
fn cost(pair: &mut Pair, end: Instant) -> [Cost; 2] {
    let mut costs = [Cost::default(), Cost::default()];
    while let Some(next) = pair.next().filter(|next| *next <= end) {
        pair.now = pair.now.max(next);
        pair.deliver();
        for (peer, cost) in costs.iter_mut().enumerate() {
            if pair.peers[peer].poll_timeout().is_none_or(|at| at > pair.now) {
                continue;
            }
            pair.peers[peer].handle_timeout(pair.now);
            let before = pair.datagrams;
            pair.transmit();
            let sent = (pair.datagrams - before) as u32;
            cost.datagrams += sent;
            *if sent > 0 { &mut cost.sending } else { &mut cost.vain } += 1;
        }
    }
    pair.now = end;
    costs
}

#[test]
fn an_idle_hour_is_quiet() {
    let (mut pair, chat) = connected();
    let end = pair.now + HOUR;
    let costs = cost(&mut pair, end);
    println!("an idle hour: {costs:?}");
    for Cost { sending, vain, datagrams } in costs {
        // A check of consent every five seconds (4 to 6), an answer to the other side's, and SCTP's
        // heartbeats with their answers every 30 s (15 to 45). RTCP has nothing to say while
        // nothing is sent.
        assert!(datagrams <= 2 * 3600 / 4 + 2 * 3600 / 15, "{datagrams} datagrams");
        assert!(sending <= datagrams, "{sending} calls that sent");
        // A timer may find that there is nothing to do, now and then.
        assert!(vain <= 3600 / 30, "{vain} calls in vain");
    }
    assert!(is_connected(&pair));
    still_works(&mut pair, chat);
}

#[test]
fn who_has_nothing_to_do_names_no_deadline() {
    let mut pair = Pair::new();
    let now = pair.now;
    for peer in &pair.peers {
        assert_eq!(peer.poll_timeout(), None);
    }
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    assert_eq!(pair.peers[A].poll_timeout(), None);
    pair.peers[A].set_local_description(now, None).unwrap();
    // An offer alone has nobody to send to.
    assert_eq!(pair.peers[A].poll_timeout(), None);
}

/// Whatever a connection would do or say now, it has named a deadline for that is not later.
#[track_caller]
fn has_nothing_to_do(peer: &mut PeerConnection, now: Instant) {
    peer.handle_timeout(now);
    assert!(peer.poll_transmit(now, &mut Vec::new()).is_none(), "a datagram before its deadline");
    assert_eq!(peer.poll_event(), None, "an event before its deadline");
}

/// A call with loss, media and data, in which every deadline is tried before its time, and in which
/// none is left once all is done that is due.
fn call(seed: u64) {
    let mut pair = Pair::with(Configuration::default(), Configuration::default(), seed as u8);
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = move |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    let mut fates = below(u64::MAX);
    pair.fate = Box::new(move |_, _| {
        fates =
            fates.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match fates >> 58 {
            0..4 => Fate::Drop,
            4 => Fate::Duplicate,
            5..9 => Fate::Delay(Duration::from_millis(15)),
            _ => Fate::Deliver,
        }
    });
    let now = pair.now;
    let a = &mut pair.peers[A];
    let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let video = a.add_transceiver(now, MediaKind::Video, TransceiverInit::send_recv()).unwrap();
    pair.negotiate(A);
    let mut next_frame = now;
    let mut frames = 0_u32;
    let end = now + Duration::from_secs(20);
    while pair.now < end {
        let now = pair.now;
        // All that is due, in either order.
        pair.transmit();
        for peer in [A, B] {
            pair.peers[peer].handle_timeout(now);
        }
        pair.transmit();
        pair.drain_events();
        pair.signal();
        pair.transmit();
        read(&mut pair, video);
        pair.transmit();
        pair.drain_events();
        for (peer, name) in pair.peers.iter().zip("AB".chars()) {
            let at = peer.poll_timeout();
            assert!(
                at.is_none_or(|at| at > now),
                "seed {seed}: {name} spins at {:?}",
                pair.elapsed()
            );
        }
        let next = pair.next().unwrap_or(end).min(next_frame).min(end);
        if next > now && below(2) == 0 {
            // Just before something happens, or anywhere before.
            let wait = next - now;
            let early = match below(3) {
                0 => next - Duration::from_nanos(1),
                1 => now + wait / 2,
                _ => now + wait / 10,
            };
            for peer in &mut pair.peers {
                has_nothing_to_do(peer, early);
            }
        }
        pair.now = next;
        pair.deliver();
        if next_frame <= next {
            next_frame = next + Duration::from_millis(40);
            frames += 1;
            let mut frame = vec![frames as u8; 200 + (frames as usize * 977) % 20_000];
            frame[..10].copy_from_slice(&[0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
            let frame = Frame::new(Bytes::from(frame), frames * 3600);
            let _ = pair.peers[A].sender(video).unwrap().send_frame(next, frame);
            if let Some(mut channel) = pair.peers[A].data_channel(chat) {
                let _ = channel.send(next, vec![0; (frames as usize * 331) % 9000]);
            }
        }
    }
    assert!(is_connected(&pair), "seed {seed}");
}

/// Reads all that there is to read.
fn read(pair: &mut Pair, video: TransceiverId) {
    let now = pair.now;
    for peer in [A, B] {
        let events: Vec<Event> = pair.events[peer].drain(..).collect();
        for event in events {
            if let Event::Readable(Readable::Channel(id)) = event {
                while pair.peers[peer].data_channel(id).and_then(|mut c| c.read()).is_some() {}
            }
        }
    }
    let mut receiver = pair.peers[B].receiver(video).expect("the first of either side");
    while receiver.read_frame(now).is_some() {}
}

#[test]
fn deadlines_are_never_late_and_never_spin() {
    for seed in 0..seeds() {
        println!("seed {seed}");
        call(seed);
    }
}
