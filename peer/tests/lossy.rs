//! Calls through bad networks: delay, loss, and translators of every kind.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{base, seeds};
use dtls_srtp::{Certificate, CertificateParameters, Crypto};
use peerless::media::transceiver::TransceiverInit;
use peerless::sim::{Dependence, Interface, Link, Loss, Nat, Network, Pair, Realm};
use peerless::{
    Configuration, DataChannelId, DataChannelInit, Event, Frame, MediaKind, Readable,
    SignalingState, TransceiverId,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A certificate is the dearest part of a connection: one serves all.
fn configuration() -> Configuration {
    use std::sync::OnceLock;
    use std::time::SystemTime;

    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Certificate::generate(&Crypto::default(), CertificateParameters::new(date)).unwrap()
    });
    let mut configuration = Configuration::default();
    configuration.certificates = vec![certificate.clone()];
    configuration
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Half of the delay and half of the loss on each side's link: the path has all of it.
fn link(round_trip: Duration, loss: f64) -> Link {
    let mut link = Link::with_delay(round_trip / 4);
    if loss > 0.0 {
        // (1 − half)² = 1 − loss.
        link.loss = Loss::Random(1.0 - (1.0 - loss).sqrt());
    }
    link
}

/// Two hosts, each behind a translator or on the internet, and a STUN server.
fn pair(seed: u64, link: &Link, nats: [Option<Nat>; 2]) -> Pair {
    let mut network = Network::new(base(), seed);
    network.add_stun_server(Interface::new(Realm::INTERNET, ip("192.0.2.100")), 3478);
    let mut side = 0;
    let sides = nats.map(|nat| {
        side += 1;
        let (realm, address) = match nat {
            None => (Realm::INTERNET, IpAddr::from([192, 0, 2, side])),
            Some(mut nat) => {
                nat.address = IpAddr::from([203, 0, 113, side]);
                (network.add_nat(Realm::INTERNET, nat), IpAddr::from([10, 0, 0, side]))
            }
        };
        let host = network.add_host();
        network.add_interface(host, Interface::new(realm, address).with_links(link.clone()));
        let mut configuration = configuration();
        configuration.stun_servers = vec!["192.0.2.100:3478".parse().unwrap()];
        (host, SocketAddr::new(address, 5000), configuration)
    });
    Pair::on(network, seed, sides)
}

struct Call {
    pair: Pair,
    chat: DataChannelId,
    video: TransceiverId,
    /// When A applied the answer.
    answered: Option<Instant>,
    received: usize,
    frames: Vec<u32>,
}

impl Call {
    fn new(mut pair: Pair) -> Self {
        let now = pair.now();
        let a = &mut pair.a.connection;
        let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        let video = a.add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
        Self { pair, chat, video, answered: None, received: 0, frames: Vec::new() }
    }

    /// Lets time pass until the channel is open on both sides, for half a minute at most. Returns
    /// the time since the answer was applied.
    fn open(&mut self) -> Option<Duration> {
        let (chat, mut answered) = (self.chat, None);
        let open = self.pair.run_until(30 * SECOND, |pair| {
            if answered.is_none()
                && pair.a.connection.signaling_state() == SignalingState::Stable
                && pair.a.connection.remote_description().is_some()
            {
                answered = Some(pair.now());
            }
            pair.a.events.iter().any(|(_, event)| *event == Event::DataChannelOpen(chat))
                && pair.b.events.iter().any(|(_, event)| matches!(event, Event::DataChannel(_)))
        });
        self.answered = answered;
        open.then(|| self.pair.now() - answered.expect("it is open"))
    }

    /// Lets B read what has come.
    fn read(&mut self) {
        let now = self.pair.now();
        let events: Vec<_> = self.pair.b.events.drain(..).collect();
        for (_, event) in events {
            match event {
                Event::Readable(Readable::Channel(id)) => {
                    let mut channel = self.pair.b.connection.data_channel(id).expect("open");
                    while let Some(message) = channel.read() {
                        for byte in message.data() {
                            assert_eq!(*byte, pattern(self.received));
                            self.received += 1;
                        }
                    }
                }
                Event::Readable(Readable::Receiver(id)) => {
                    let mut receiver = self.pair.b.connection.receiver(id).expect("it exists");
                    while let Some(frame) = receiver.read_frame(now) {
                        let number = frame.rtp_time / 3000;
                        assert_eq!(frame.data, picture(number), "frame {number}");
                        self.frames.push(number);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The byte at this place of what is sent.
fn pattern(at: usize) -> u8 {
    (at * 31 + at / 251) as u8
}

/// A frame that looks like VP8: every tenth is a key frame.
fn picture(number: u32) -> Bytes {
    let mut frame = vec![number as u8; 2500];
    frame[0] = if number.is_multiple_of(10) { 0x10 } else { 0x11 };
    if number.is_multiple_of(10) {
        frame[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
    }
    frame.into()
}

#[test]
fn opens_soon_with_a_twentieth_lost() {
    let mut times: Vec<Duration> = Vec::new();
    let seeds = seeds().max(100);
    for seed in 0..seeds {
        let mut link = Link::with_delay(50 * MS);
        link.loss = Loss::Random(0.05);
        let mut pair = Pair::with_link(base(), seed, &link);
        let (now, init) = (pair.now(), DataChannelInit::default());
        let chat = pair.a.connection.create_data_channel(now, "chat", init).unwrap();
        let video = pair.a.connection.add_track(now, MediaKind::Video, &[]).unwrap();
        let frames = Vec::new();
        let mut call = Call { pair, chat, video, answered: None, received: 0, frames };
        let time = call.open();
        times.push(time.unwrap_or_else(|| panic!("seed {seed}: never, {:?}", call.pair)));
    }
    times.sort_unstable();
    let at = |part: f64| times[(times.len() as f64 * part) as usize];
    println!(
        "channel open on both sides, 100 ms round trip, 5 % loss, {seeds} seeds: median {:?}, 95th \
         percentile {:?}, longest {:?}, none never",
        at(0.5),
        at(0.95),
        times.last().unwrap(),
    );
    assert!(at(0.95) <= 1500 * MS, "95th percentile {:?}", at(0.95));
}

/// The translators of RFC 4787, in pairs between which holes can be punched.
fn translators() -> Vec<[Option<Nat>; 2]> {
    let any = ip("203.0.113.1");
    let cones = [Nat::full_cone(any), Nat::address_restricted(any), Nat::port_restricted(any)];
    let mut pairs = vec![[None, None]];
    for cone in &cones {
        pairs.push([Some(cone.clone()), None]);
        pairs.push([None, Some(cone.clone())]);
        pairs.extend(cones.iter().map(|other| [Some(cone.clone()), Some(other.clone())]));
    }
    // Symmetric ones reach whoever lets in all ports of an address.
    for other in [None, Some(Nat::full_cone(any)), Some(Nat::address_restricted(any))] {
        pairs.push([Some(Nat::symmetric(any)), other.clone()]);
        pairs.push([other, Some(Nat::symmetric(any))]);
    }
    // And the kind between.
    let dependence = Dependence::AddressDependent;
    let between = Nat::new(any, dependence, dependence);
    pairs.push([Some(between.clone()), Some(Nat::full_cone(any))]);
    pairs.push([Some(Nat::address_restricted(any)), Some(between)]);
    pairs
}

#[test]
fn messages_and_media_get_through_every_network() {
    const BYTES: usize = 100_000;
    const FRAMES: u32 = 60;

    let mut grid = Vec::new();
    for round_trip in [10, 50, 100, 300] {
        for loss in [0.0, 0.02, 0.05, 0.15] {
            grid.extend(translators().into_iter().map(|nats| (round_trip, loss, nats)));
        }
    }
    for seed in 0..seeds().div_ceil(20) {
        for (place, (round_trip, loss, nats)) in grid.iter().enumerate() {
            let place = format!("seed {seed}, place {place}: {round_trip} ms, {loss}, {nats:?}");
            let link = link(*round_trip * MS, *loss);
            let mut call = Call::new(pair(seed, &link, nats.clone()));
            let open = call.open();
            assert!(open.is_some(), "{place}: {:?}", call.pair);
            assert_eq!(call.pair.errors(), [""; 0], "{place}");

            // 100 KB, while two seconds of video run.
            let now = call.pair.now();
            let data: Vec<u8> = (0..BYTES).map(pattern).collect();
            let chat = call.chat;
            for chunk in data.chunks(16 * 1024) {
                let mut channel = call.pair.a.connection.data_channel(chat).expect("it is open");
                channel.send(now, chunk.to_vec()).unwrap();
            }
            for number in 0..FRAMES {
                let now = call.pair.now();
                let frame = Frame::new(picture(number), number * 3000);
                let mut sender = call.pair.a.connection.sender(call.video).expect("it exists");
                sender.send_frame(now, frame).unwrap_or_else(|error| panic!("{place}: {error}"));
                call.pair.run_for(33 * MS);
                call.read();
            }
            // With a seventh lost, SCTP waits for its timer again and again.
            for _ in 0..3000 {
                if call.received == BYTES && call.frames.len() == FRAMES as usize {
                    break;
                }
                call.pair.run_for(100 * MS);
                call.read();
            }
            assert_eq!(call.received, BYTES, "{place}: {:?}", call.pair);
            assert!(call.frames.is_sorted(), "{place}: {:?}", call.frames);
            // Nobody can ask for what was lost before the first packet that came: the picture
            // begins with the first key frame that is whole. From there on retransmission mends
            // what it can in the time that a picture has.
            let first = call.frames.first().copied().unwrap_or(FRAMES);
            let got = call.frames.len() as u32;
            let wanted =
                (FRAMES - first) * if *loss <= 0.05 && *round_trip <= 100 { 7 } else { 1 } / 10;
            assert!(first < FRAMES && got >= wanted, "{place}: {got} frames: {:?}", call.frames);
        }
    }
}
