//! What a remote sends can be refused or dropped, never piled up; what it forges changes nothing.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

// The only unsafe code of the workspace is borrowed, not repeated.
#[path = "../../benches/src/allocator.rs"]
#[allow(dead_code, unreachable_pub, reason = "made for the benches")]
mod allocator;
mod common;

use std::net::SocketAddr;
use std::time::Duration;

use allocator::Allocated;
use bytes::Bytes;
use common::{A, B, Fate, Pair, address};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    Configuration, ConnectionState, DataChannelId, DataChannelInit, Datagram, Event, FiveTuple,
    Frame, IceCandidate, MediaKind, PeerConnection, Readable, ReceiveMode, TransceiverId,
};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

const KIB: i64 = 1024;

/// What this thread holds on the heap, in bytes.
fn heap() -> i64 {
    Allocated::now().live_bytes
}

/// A pair with a channel and video from B to A, connected for a second.
fn connected() -> (Pair, DataChannelId, TransceiverId) {
    let mut pair = Pair::new();
    let now = pair.now;
    let b = &mut pair.peers[B];
    let chat = b.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let video = b.add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
    pair.negotiate(B);
    assert!(
        pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(B, &Event::DataChannelOpen(chat))
        })
    );
    pair.run_for(Duration::from_secs(1));
    (pair, chat, video)
}

/// Lets time pass, while A's application reads no events and B's does.
fn run_deaf(pair: &mut Pair, time: Duration) {
    let end = pair.now + time;
    while pair.next().is_some_and(|next| next <= end) {
        pair.now = pair.now.max(pair.next().expect("just seen"));
        pair.deliver();
        for peer in &mut pair.peers {
            peer.handle_timeout(pair.now);
        }
        pair.transmit();
        while pair.peers[B].poll_event().is_some() {}
    }
    pair.now = end;
}

#[test]
fn channels_that_come_and_go_unseen_leave_nothing() {
    let (mut pair, _, _) = connected();
    let mut sizes = Vec::new();
    for round in 0..6 {
        for _ in 0..100 {
            let now = pair.now;
            let init = DataChannelInit::default();
            let id = pair.peers[B].create_data_channel(now, "short-lived", init).unwrap();
            run_deaf(&mut pair, Duration::from_millis(200));
            let now = pair.now;
            pair.peers[B].data_channel(id).expect("it is open").close(now);
            run_deaf(&mut pair, Duration::from_millis(300));
        }
        pair.events = [Vec::new(), Vec::new()];
        sizes.push(heap());
        assert!(round == 0 || sizes[round] - sizes[0] < 16 * KIB, "{sizes:?}");
    }
    // What is still there can be read.
    let mut events = Vec::new();
    while let Some(event) = pair.peers[A].poll_event() {
        events.push(event);
    }
    assert!(events.len() < 10, "{events:?}");
}

#[test]
fn a_channel_that_closed_unseen_with_messages_in_it_can_still_be_read() {
    let (mut pair, _, _) = connected();
    let now = pair.now;
    let init = DataChannelInit::default();
    let id = pair.peers[B].create_data_channel(now, "last words", init).unwrap();
    let mut channel = pair.peers[B].data_channel(id).expect("it is open");
    channel.send(now, "farewell").unwrap();
    channel.close(now);
    run_deaf(&mut pair, Duration::from_secs(1));
    let mut theirs = None;
    let mut closed = None;
    while let Some(event) = pair.peers[A].poll_event() {
        match event {
            Event::DataChannel(id) => theirs = Some(id),
            Event::DataChannelClose(id) => closed = Some(id),
            Event::Readable(Readable::Channel(id)) => assert_eq!(Some(id), theirs),
            _ => {}
        }
    }
    assert_eq!(theirs, closed);
    let mut channel = pair.peers[A].data_channel(theirs.expect("it was opened")).expect("unread");
    assert_eq!(channel.label(), "last words");
    assert_eq!(channel.read(), Some("farewell".into()));
    assert!(pair.peers[A].data_channel(theirs.unwrap()).is_none());
}

#[test]
fn messages_that_nobody_reads_stay_with_their_sender() {
    let (mut pair, chat, _) = connected();
    run_deaf(&mut pair, Duration::from_secs(1));
    let before = heap();
    let mut accepted = 0;
    for _ in 0..600 {
        let now = pair.now;
        let mut channel = pair.peers[B].data_channel(chat).expect("it is open");
        while channel.buffered_amount() < 100_000 {
            channel.send(now, Bytes::from_static(&[7; 10_000])).unwrap();
            accepted += 10_000_i64;
        }
        run_deaf(&mut pair, Duration::from_millis(100));
    }
    let grown = heap() - before;
    // The receive window is half a megabyte, and blocks and the sender's history come on top.
    println!("{accepted} bytes accepted, {grown} bytes grown");
    assert!(accepted < 2_000 * KIB && grown < 2_000 * KIB, "{accepted}, {grown}");
    // Nothing is lost: who begins to read gets all.
    let mut read = 0;
    for _ in 0..400 {
        let ids: Vec<DataChannelId> = std::iter::from_fn(|| pair.peers[A].poll_event())
            .filter_map(|event| match event {
                Event::Readable(Readable::Channel(id)) => Some(id),
                _ => None,
            })
            .collect();
        for id in ids {
            let mut channel = pair.peers[A].data_channel(id).expect("it is open");
            while let Some(message) = channel.read() {
                read += message.data().len() as i64;
            }
        }
        run_deaf(&mut pair, Duration::from_millis(50));
    }
    assert_eq!(read, accepted);
}

#[test]
fn media_that_nobody_reads_is_dropped() {
    for mode in [ReceiveMode::Frames, ReceiveMode::Packets] {
        let (mut pair, _, video) = connected();
        let now = pair.now;
        let theirs = pair.peers[A].transceivers().next().expect("there is one");
        pair.peers[A].receiver(theirs).unwrap().set_mode(now, mode);
        let mut sizes = Vec::new();
        for round in 0..8_usize {
            for n in 0..150_u32 {
                let now = pair.now;
                let mut frame = vec![n as u8; 20_000];
                frame[..10].copy_from_slice(&[0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
                let rtp_time = (round as u32 * 150 + n) * 3000;
                let frame = Frame::new(Bytes::from(frame), rtp_time);
                pair.peers[B].sender(video).unwrap().send_frame(now, frame).unwrap();
                run_deaf(&mut pair, Duration::from_millis(33));
            }
            sizes.push(heap());
            // The first rounds fill what there is to be filled.
            assert!(round < 4 || sizes[round] - sizes[3] < 256 * KIB, "{mode:?} {sizes:?}");
        }
        println!("{mode:?}: {sizes:?}");
        assert!(sizes[7] - sizes[0] < 8_000 * KIB, "{mode:?} {sizes:?}");
    }
}

#[test]
fn a_remote_opens_as_many_channels_as_there_may_be_and_no_more() {
    let (mut pair, _, _) = connected();
    let now = pair.now;
    let before = heap();
    let mut opened = 0;
    // Names of a kilobyte: those are bounded, too.
    let label = "x".repeat(1000);
    for _ in 0..40 {
        for _ in 0..1000 {
            let label = if opened < 3000 { &label } else { "x" };
            let now = pair.now;
            if pair.peers[B].create_data_channel(now, label, DataChannelInit::default()).is_ok() {
                opened += 1;
            }
        }
        run_deaf(&mut pair, Duration::from_millis(500));
    }
    run_deaf(&mut pair, Duration::from_secs(60));
    // Those without a name cost none of that.
    for _ in 0..40 {
        for _ in 0..1000 {
            let now = pair.now;
            let _ = pair.peers[B].create_data_channel(now, "", DataChannelInit::default());
        }
        run_deaf(&mut pair, Duration::from_millis(500));
    }
    run_deaf(&mut pair, Duration::from_secs(60));
    let channels = pair.peers[A].stats(now).data_channels.len();
    let grown = heap() - before;
    println!("{opened} opened, {channels} accepted, {} KiB for both sides", grown / KIB);
    assert!(opened > 30_000 && channels <= 65_535);
    assert!(grown < 64 * 1024 * KIB, "{grown} bytes");
    assert_eq!(pair.peers[A].connection_state(), ConnectionState::Connected);
}

#[test]
fn a_flood_of_candidates_is_bounded() {
    let (mut pair, _, _) = connected();
    let now = pair.now;
    let add = |peer: &mut PeerConnection, n: u32| {
        let address = std::net::Ipv4Addr::from(0xC633_6400 + n % 200);
        let port = 1000 + n / 200;
        let candidate = IceCandidate {
            candidate: format!("candidate:{n} 1 udp {} {address} {port} typ host", 1000 + n),
            sdp_mid: None,
            sdp_m_line_index: Some(0),
            username_fragment: None,
        };
        peer.add_ice_candidate(now, candidate).expect("it is well-formed");
    };
    for n in 0..2000 {
        add(&mut pair.peers[A], n);
    }
    let before = heap();
    for n in 2000..20_000 {
        add(&mut pair.peers[A], n);
    }
    let grown = heap() - before;
    assert!(grown < 16 * KIB, "{grown} bytes");
    let peer = &mut pair.peers[A];
    let described = peer.remote_description().unwrap().sdp;
    assert!(described.matches("a=candidate").count() <= 256);
    assert!(peer.stats(now).candidate_pairs.len() <= 200);
    pair.run_for(Duration::from_secs(60));
    for peer in &pair.peers {
        assert_eq!(peer.connection_state(), ConnectionState::Connected);
    }
}

#[test]
fn unread_states_and_unpolled_datagrams_do_not_pile_up() {
    // Nobody polls A for datagrams or events, while B goes on asking for consent.
    let (mut pair, _, _) = connected();
    let mut sizes = Vec::new();
    let mut moves = 0;
    for round in 0..5 {
        for _ in 0..200 {
            let now = pair.now;
            // B's datagrams of a consent check, again and again, as if it moved from port to port.
            let mut buf = Vec::new();
            while let Some(transmit) = pair.peers[B].poll_transmit(now, &mut buf) {
                let path = transmit.path;
                let contents: Vec<Vec<u8>> = transmit.datagrams().map(<[u8]>::to_vec).collect();
                for contents in contents {
                    for _ in 0..20 {
                        moves += 1;
                        let remote = SocketAddr::new(path.local.ip(), 10_000 + moves % 50_000);
                        let path = FiveTuple::udp(path.remote, remote);
                        let mut contents = contents.clone();
                        let datagram = Datagram::new(path, &mut contents);
                        pair.peers[A].handle_datagram(now, datagram);
                    }
                }
                buf.clear();
            }
            while pair.peers[B].poll_event().is_some() {}
            pair.now += Duration::from_millis(500);
            for peer in &mut pair.peers {
                peer.handle_timeout(pair.now);
            }
        }
        sizes.push(heap());
        assert!(round == 0 || sizes[round] - sizes[0] < 32 * KIB, "{sizes:?}");
    }
}

/// All that can be seen of a connection, but for the counters of datagrams.
fn visible(pair: &mut Pair, peer: usize) -> String {
    let now = pair.now;
    let peer = &mut pair.peers[peer];
    let deadline = peer.poll_timeout().map(|at| at.max(now));
    let mut stats = peer.stats(now);
    for transport in &mut stats.transports {
        transport.packets_received = 0;
        transport.bytes_received = 0;
        transport.packets_dropped = 0;
    }
    let states = (peer.connection_state(), peer.ice_connection_state(), peer.signaling_state());
    format!("{deadline:?} {states:?} {stats:#?}")
}

#[test]
fn forged_datagrams_change_nothing() {
    let (mut pair, chat, _) = connected();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = move |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    let elsewhere: SocketAddr = "198.51.100.7:7".parse().unwrap();
    let ours = FiveTuple::udp(address(A), address(B));
    let before = visible(&mut pair, A);
    // What a stranger has recorded of this call, to bend.
    let mut recorded: Vec<Vec<u8>> = Vec::new();
    pair.trace = Some(Vec::new());
    let now = pair.now;
    pair.peers[B].data_channel(chat).unwrap().send(now, "recorded").unwrap();
    pair.fate = Box::new(|_, _| Fate::Drop);
    pair.transmit();
    recorded.extend(pair.trace.take().unwrap().into_iter().map(|(_, _, contents)| contents));
    assert!(!recorded.is_empty());
    assert_eq!(visible(&mut pair, A), before);

    let mut buf = Vec::new();
    let mut heaps = Vec::new();
    for round in 0..20 {
        for path in [ours, FiveTuple::udp(address(A), elsewhere)] {
            for first in 0..=255_u8 {
                let mut datagram: Vec<u8> = match below(4) {
                    0 => recorded[below(recorded.len() as u64) as usize].clone(),
                    _ => (0..below(1300)).map(|_| below(256) as u8).collect(),
                };
                match (first, below(3)) {
                    // A STUN header, a DTLS record, an RTCP or RTP header that looks right.
                    (0..4, 0..2) => {
                        let mut stun = vec![0, first & 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
                        stun.extend([9; 12]);
                        datagram.truncate(datagram.len() & !3);
                        stun[2..4].copy_from_slice(&(datagram.len() as u16).to_be_bytes());
                        stun.extend(datagram);
                        datagram = stun;
                    }
                    (20..64, 0..2) => {
                        let len = (datagram.len() as u16).to_be_bytes();
                        let mut record = vec![first, 254, 253, 0, below(3) as u8];
                        record.extend([0, 0, 0, 0, below(2) as u8, below(256) as u8]);
                        record.extend(len);
                        record.extend(datagram);
                        datagram = record;
                    }
                    _ => {}
                }
                if !(0..4).contains(&first) || datagram.is_empty() {
                    datagram.insert(0, first);
                }
                datagram[0] = first;
                // A recorded datagram with its own first byte is one of B's.
                if recorded.contains(&datagram) {
                    continue;
                }
                let text = format!("{first} of {} on {path:?}", datagram.len());
                pair.peers[A].handle_datagram(pair.now, Datagram::new(path, &mut datagram));
                assert_eq!(pair.peers[A].poll_event(), None, "{text}");
                assert!(pair.peers[A].poll_transmit(pair.now, &mut buf).is_none(), "{text}");
            }
        }
        assert_eq!(visible(&mut pair, A), before, "round {round}");
        heaps.push(heap());
    }
    assert!((heaps[19] - heaps[1]).abs() < 4 * KIB, "{heaps:?}");
    pair.fate = Box::new(|_, _| Fate::Deliver);
    let peer = pair.peers[B].stats(pair.now);
    assert_eq!(peer.data_channels[0].messages_sent, 1);
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.events[A].iter().any(|event| matches!(event, Event::Readable(_)))
    }));
}

#[test]
fn early_datagrams_are_bounded() {
    // B's handshake never gets through, while its path is proved: SRTP has no key.
    let mut pair = Pair::with(Configuration::default(), Configuration::default(), 1);
    let now = pair.now;
    pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::send_recv()).unwrap();
    pair.fate = Box::new(|_, contents| match contents.first() {
        Some(20..64) => Fate::Drop,
        _ => Fate::Deliver,
    });
    pair.negotiate(A);
    pair.run_for(Duration::from_millis(500));
    let path = FiveTuple::udp(address(A), address(B));
    let flood = |pair: &mut Pair| {
        for n in 0..1000_u32 {
            let mut datagram = vec![n as u8; 1200];
            datagram[..2].copy_from_slice(&[128, 96]);
            pair.peers[A].handle_datagram(pair.now, Datagram::new(path, &mut datagram));
        }
    };
    flood(&mut pair);
    let before = heap();
    let dropped = pair.peers[A].stats(now).transports[0].packets_dropped;
    assert!(dropped >= 1000 - 34, "{dropped}");
    for _ in 0..10 {
        flood(&mut pair);
    }
    assert!(heap() - before < 2 * KIB, "{}", heap() - before);
}
