//! What thousands of peers that mean ill can make a server hold.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy.toml exempts only inside test functions"
)]

use std::time::{Duration, Instant};

use peerless_benches::allocator::{Allocated, Counting};
use sctp::data_channel::{self, ChannelInit, Role, Session};
use sctp::{ReceiveBudget, RemoteInit};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many of them there are, and what their victims may hold together.
const PEERS: usize = 10_000;
const BUDGET: usize = 64 << 20;
/// What is not counted, for each of them: the association itself with its channel, about half of
/// this, and the memory that its queues and buffers have in reserve.
const EACH: usize = 8 << 10;

const TAG: u32 = 0x0102_0304;
/// Flags of a DATA chunk.
const END: u8 = 1;
const BEGIN: u8 = 2;
const UNORDERED: u8 = 4;

/// A victim, and the peer that sends to it.
struct Peer {
    session: Session,
    tag: u32,
    tsn: u32,
    interleaves: bool,
}

impl Peer {
    fn new(now: Instant, number: usize, budget: &ReceiveBudget, interleaves: bool) -> Self {
        let mut config = data_channel::Config::default();
        config.association.receive_budget = Some(budget.clone());
        config.association.interleaving = interleaves;
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let mut session = Session::new(config, now, seed);
        let own = session.local_init_chunk();
        let tag = u32::from_be_bytes([own[4], own[5], own[6], own[7]]);
        // INIT: tag, window, streams, TSN; RFC 3758 and RFC 8260 are supported.
        let mut init = vec![1, 0, 0, 34];
        init.extend(TAG.to_be_bytes());
        init.extend((1_u32 << 20).to_be_bytes());
        init.extend([0xff; 4]);
        init.extend(1_u32.to_be_bytes());
        init.extend([0xc0, 0, 0, 4, 0x80, 8, 0, 10, 64, 192, 194, 130, 193, 64, 0, 0]);
        init[3] = u8::try_from(init.len() - 2).unwrap();
        session.set_remote_init(RemoteInit::parse(&init).expect("an INIT"));
        let init = ChannelInit { negotiated: Some(1), ..ChannelInit::new("") };
        session.open(now, init).expect("a channel");
        session.start(now, Role::Server);
        session.lower_layer_up(now);
        assert!(session.is_connected());
        let mut peer = Self { session, tag, tsn: 1, interleaves };
        peer.answer(now);
        peer
    }

    fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len() + 4).unwrap();
        let mut chunk = vec![kind, flags];
        chunk.extend(len.to_be_bytes());
        chunk.extend(value);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    /// DATA or I-DATA with the next number.
    fn data(&mut self, flags: u8, stream: u16, message: u32, ppid: u32, payload: &[u8]) -> Vec<u8> {
        let mut value = self.tsn.to_be_bytes().to_vec();
        self.tsn += 1;
        value.extend(stream.to_be_bytes());
        if self.interleaves {
            value.extend([0, 0]);
            value.extend(message.to_be_bytes());
        } else {
            value.extend((message as u16).to_be_bytes());
        }
        value.extend(ppid.to_be_bytes());
        value.extend(payload);
        Self::chunk(if self.interleaves { 64 } else { 0 }, flags, &value)
    }

    fn send(&mut self, now: Instant, chunks: &[u8]) {
        let mut packet = vec![0x13, 0x88, 0x13, 0x88];
        packet.extend(self.tag.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(chunks);
        let checksum = crc32c::crc32c(&packet).to_le_bytes();
        packet[8..12].copy_from_slice(&checksum);
        self.session.handle_datagram(now, &packet);
    }

    /// Lets the victim send what it has to.
    fn answer(&mut self, now: Instant) {
        let mut buf = Vec::new();
        for _ in 0..10 {
            buf.clear();
            if self.session.poll_transmit(now, &mut buf).is_none() {
                break;
            }
        }
    }
}

/// All of them attack: their victims' memory stays within the budget.
fn attack(interleaves: bool, mut send: impl FnMut(&mut Peer, Instant)) {
    #[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
    let start = Instant::now();
    let budget = ReceiveBudget::new(BUDGET);
    let before = Allocated::now();
    let mut peers: Vec<Peer> =
        (0..PEERS).map(|number| Peer::new(start, number, &budget, interleaves)).collect();
    let idle = before.since().live_bytes;
    for peer in &mut peers {
        send(peer, start);
        peer.answer(start + Duration::from_millis(300));
        assert!(budget.used() <= BUDGET);
    }
    let live = before.since().live_bytes;
    println!(
        "interleaved {interleaves}: {} bytes each idle, {} more each attacked, {} MiB in all; {} of \
         {} MiB drawn",
        idle / PEERS as i64,
        (live - idle) / PEERS as i64,
        live >> 20,
        budget.used() >> 20,
        BUDGET >> 20,
    );
    assert!(live <= (BUDGET + PEERS * EACH) as i64, "{live} bytes");
    drop(peers);
    assert_eq!(budget.used(), 0, "all of it was given back");
}

#[test]
fn messages_that_nobody_reads() {
    for interleaves in [false, true] {
        attack(interleaves, |peer, now| {
            for message in 0..20 {
                let chunk = peer.data(BEGIN | END, 1, message, 53, &[1; 1100]);
                peer.send(now, &chunk);
            }
        });
    }
}

#[test]
fn messages_on_a_stream_without_a_channel() {
    attack(true, |peer, now| {
        for message in 0..20 {
            let chunk = peer.data(BEGIN | END, 3, message, 53, &[1; 1100]);
            peer.send(now, &chunk);
        }
    });
}

#[test]
fn small_messages_that_nobody_reads() {
    attack(true, |peer, now| {
        for packet in 0..10 {
            let one = |n: u32| peer.data(BEGIN | END, 1, packet * 40 + n, 53, b"x");
            let chunks: Vec<u8> = (0..40).flat_map(one).collect();
            peer.send(now, &chunks);
        }
    });
}

#[test]
fn messages_without_an_end() {
    for interleaves in [false, true] {
        attack(interleaves, |peer, now| {
            for n in 0..20 {
                let (flags, ppid) = if n == 0 { (BEGIN, 53) } else { (0, n) };
                let chunk = peer.data(flags, 1, 0, ppid, &[1; 1100]);
                peer.send(now, &chunk);
            }
        });
    }
}

#[test]
fn beginnings_after_a_message_that_was_large() {
    for interleaves in [false, true] {
        attack(interleaves, |peer, now| {
            for n in 0..20 {
                let flags = match n {
                    0 => BEGIN,
                    19 => END,
                    _ => 0,
                };
                let chunk = peer.data(flags, 1, 0, if n == 0 { 53 } else { n }, &[1; 1100]);
                peer.send(now, &chunk);
            }
            let channel = peer.session.channels().next().expect("a channel");
            peer.session.read(channel);
            let one = |message| peer.data(BEGIN, 1, message, 53, b"x");
            let chunks: Vec<u8> = (1..40).flat_map(one).collect();
            peer.send(now, &chunks);
        });
    }
}

#[test]
fn gaps() {
    for interleaves in [false, true] {
        attack(interleaves, |peer, now| {
            for message in 0..40 {
                peer.tsn += 1;
                let chunk = peer.data(BEGIN | END, 1, message + 1, 53, &[1; 500]);
                peer.send(now, &chunk);
            }
        });
        attack(interleaves, |peer, now| {
            let mut chunks = Vec::new();
            for n in 0..50 {
                peer.tsn += 1;
                chunks.extend(peer.data(UNORDERED, 1, 0, 2 * n + 1, b"x"));
            }
            peer.send(now, &chunks);
        });
    }
}

#[test]
fn streams_without_end() {
    for interleaves in [false, true] {
        for step in [1, 100] {
            attack(interleaves, |peer, now| {
                for packet in 0..16 {
                    let stream = |n: u16| (packet * 40 + n) * step;
                    let one = |n| peer.data(BEGIN | END, stream(n), 0, 53, b"x");
                    let chunks: Vec<u8> = (0..40).flat_map(one).collect();
                    peer.send(now, &chunks);
                }
            });
        }
        attack(interleaves, |peer, now| {
            for round in 0..10_u16 {
                peer.tsn += 1;
                let mut value = peer.tsn.to_be_bytes().to_vec();
                for n in 0..130 {
                    value.extend((round * 130 + n).to_be_bytes());
                    value.extend(if interleaves { &[0, 0, 0, 0, 0, 1][..] } else { &[0, 1] });
                }
                let kind = if interleaves { 194 } else { 192 };
                peer.send(now, &Peer::chunk(kind, 0, &value));
            }
        });
    }
}

#[test]
fn channels_without_end() {
    for good in [true, false] {
        attack(true, |peer, now| {
            for packet in 0..20_u16 {
                let mut chunks = Vec::new();
                for n in 0..20 {
                    // DATA_CHANNEL_OPEN, or what is none.
                    let mut open = vec![3, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0];
                    open.extend(b"0123456789");
                    open.truncate(if good { 22 } else { 5 });
                    chunks.extend(peer.data(BEGIN | END, (packet * 20 + n) * 2, 0, 50, &open));
                }
                peer.send(now, &chunks);
            }
        });
    }
}
