//! The contract of the five calls, over a whole call with media and data.
//!
//! A tidy driver drains everything after every call. This one makes the calls in random order,
//! twice, late or not at all, stops polling after any datagram, and tells times that step back. The
//! applications at both ends must see the same as ever.

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{A, B, Pair, seeds};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    Configuration, DataChannelId, DataChannelInit, Datagram, Event, Frame, MediaKind, Message,
    Readable, TransceiverId,
};

const MESSAGES: u32 = 40;
const FRAMES: u32 = 20;

/// xorshift64*, enough to choose calls.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// What the two applications do, and what they have seen.
struct Applications {
    chat: DataChannelId,
    video: TransceiverId,
    theirs: Option<TransceiverId>,
    incoming: Option<DataChannelId>,
    open: bool,
    sent: u32,
    frames_sent: u32,
    next_frame: Option<Instant>,
    messages: Vec<Message>,
    echoed: u32,
    frames: Vec<u32>,
    restarted: bool,
}

impl Applications {
    fn on(&mut self, pair: &mut Pair, peer: usize, event: &Event) {
        match event {
            Event::DataChannel(id) if peer == B => self.incoming = Some(*id),
            Event::DataChannelOpen(id) if peer == A && *id == self.chat => self.open = true,
            Event::Track(track) if peer == B => self.theirs = Some(track.transceiver),
            Event::Readable(Readable::Channel(id)) => self.read(pair, peer, *id),
            Event::Readable(Readable::Receiver(id)) => {
                let now = pair.now;
                while let Some(frame) =
                    pair.peers[peer].receiver(*id).expect("it exists").read_frame(now)
                {
                    self.frames.push(frame.rtp_time);
                }
            }
            _ => {}
        }
    }

    fn read(&mut self, pair: &mut Pair, peer: usize, id: DataChannelId) {
        let now = pair.now;
        while let Some(message) = pair.peers[peer].data_channel(id).and_then(|mut c| c.read()) {
            if peer == B {
                // An echo, without a drain between reading and sending.
                let mut channel = pair.peers[B].data_channel(id).expect("it was just read");
                channel.send(now, message.clone()).expect("the buffer is large");
                self.messages.push(message);
            } else {
                self.echoed += 1;
            }
        }
    }

    /// Sends whatever is due.
    fn work(&mut self, pair: &mut Pair) {
        let now = pair.now;
        if !self.open {
            return;
        }
        while self.sent < MESSAGES {
            let text = format!("message {}", self.sent);
            let mut channel = pair.peers[A].data_channel(self.chat).expect("it is open");
            channel.send(now, text).expect("the buffer is large");
            self.sent += 1;
        }
        if self.frames_sent < FRAMES && self.next_frame.is_none_or(|at| at <= now) {
            let mut data = vec![self.frames_sent as u8; 2500];
            data[0] = if self.frames_sent == 0 { 0x10 } else { 0x11 };
            data[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
            let frame = Frame::new(Bytes::from(data), self.frames_sent * 3000);
            if pair.peers[A].sender(self.video).expect("it exists").send_frame(now, frame).is_ok() {
                self.frames_sent += 1;
                self.next_frame = Some(now + Duration::from_millis(33));
            }
        }
    }

    fn done(&self) -> bool {
        self.messages.len() as u32 == MESSAGES
            && self.echoed == MESSAGES
            && self.frames.len() as u32 == FRAMES
    }
}

fn run(seed: u64) -> Result<(), String> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut pair = Pair::with(Configuration::default(), Configuration::default(), seed as u8);
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let video =
        pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
    pair.negotiate(A);
    let mut applications = Applications {
        chat,
        video,
        theirs: None,
        incoming: None,
        open: false,
        sent: 0,
        frames_sent: 0,
        next_frame: None,
        messages: Vec::new(),
        echoed: 0,
        frames: Vec::new(),
        restarted: false,
    };
    let mut seen = [0, 0];
    let limit = pair.now + Duration::from_secs(30);
    let mut calls = 0_u64;
    while !applications.done() {
        calls += 1;
        if calls > 2_000_000 {
            return Err(format!("it spins: {calls} calls by {:?}", pair.elapsed()));
        }
        let peer = random.below(2) as usize;
        // Times step back by up to 20 ms.
        let told = pair.now - Duration::from_micros(random.below(4) * random.below(5000));
        match random.below(12) {
            0..=3 => {
                // Some datagrams, not all.
                let mut buf = Vec::new();
                for _ in 0..random.below(4) {
                    buf.clear();
                    let Some(transmit) = pair.peers[peer].poll_transmit(told, &mut buf) else {
                        break;
                    };
                    let path = transmit.path;
                    let sent: Vec<Vec<u8>> = transmit.datagrams().map(<[u8]>::to_vec).collect();
                    for contents in sent {
                        pair.put(peer, path, contents);
                    }
                }
            }
            4 | 5 => {
                // What has arrived, several without a drain between.
                for _ in 0..=random.below(4) {
                    let Some(at) = pair.wire.iter().position(|d| d.at <= pair.now) else { break };
                    let mut datagram = pair.wire.remove(at);
                    let arrived = Datagram::new(datagram.path, &mut datagram.contents);
                    pair.peers[datagram.to].handle_datagram(told, arrived);
                }
            }
            6 | 7 => {
                // Early, late or repeated.
                for _ in 0..=random.below(2) {
                    pair.peers[peer].handle_timeout(told);
                }
            }
            8 => {
                if random.below(3) == 0 {
                    pair.drain_events();
                }
                for peer in [A, B] {
                    let events: Vec<Event> = pair.events[peer].drain(seen[peer]..).collect();
                    seen[peer] = 0;
                    for event in events {
                        applications.on(&mut pair, peer, &event);
                    }
                }
            }
            9 => applications.work(&mut pair),
            10 => {
                let _ = pair.peers[peer].poll_timeout();
                pair.signal();
                if applications.open && !applications.restarted && random.below(50) == 0 {
                    applications.restarted = true;
                    let now = pair.now;
                    pair.peers[B].restart_ice(now);
                    pair.negotiate(B);
                }
            }
            _ => {
                // Sleep until something is due, and then some. Only the deadlines that the
                // connections name wake this driver up.
                let application =
                    applications.next_frame.filter(|_| applications.frames_sent < FRAMES);
                let Some(next) = [pair.next(), application].into_iter().flatten().min() else {
                    if pair.signal_is_idle() {
                        return Err(format!("nothing will happen after {:?}", pair.elapsed()));
                    }
                    continue;
                };
                if next > pair.now {
                    pair.now = next + Duration::from_micros(random.below(3) * random.below(3000));
                }
                if pair.now > limit {
                    return Err(format!(
                        "stalled: {} of {MESSAGES} messages, {} echoed, {} of {FRAMES} frames",
                        applications.messages.len(),
                        applications.echoed,
                        applications.frames.len()
                    ));
                }
            }
        }
    }
    for (n, message) in applications.messages.iter().enumerate() {
        if *message != Message::from(format!("message {n}")) {
            return Err(format!("message {n} is {message:?}"));
        }
    }
    if !applications.frames.is_sorted() {
        return Err(format!("frames out of order: {:?}", applications.frames));
    }
    Ok(())
}

#[test]
fn a_driver_that_calls_in_any_order_sees_the_same_call() {
    for seed in 0..seeds() {
        if let Err(error) = run(seed) {
            panic!("seed {seed}: {error}");
        }
    }
}
