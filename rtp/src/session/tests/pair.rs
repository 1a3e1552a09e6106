//! Two sessions and a network between them, in virtual time.

use std::time::{Duration, Instant, SystemTime};

use rand::rngs::ChaCha20Rng;
use rand::{RngExt as _, SeedableRng as _};

use crate::clock::ClockRate;
use crate::extension::{ExtensionMap, Kind};
use crate::packet::is_rtcp;
use crate::payload::Format;
use crate::payload_type::PayloadType;
use crate::session::section::{Codec, Media, Mode, Parameters, Receive, Send};
use crate::session::{Config, Event, SectionId, Session};
use crate::ssrc::Ssrc;

pub(super) const AUDIO: SectionId = SectionId(0);
pub(super) const VIDEO: SectionId = SectionId(1);
pub(super) const OPUS: PayloadType = PayloadType::from_low_bits(111);
pub(super) const VP8: PayloadType = PayloadType::from_low_bits(96);
pub(super) const RTX: PayloadType = PayloadType::from_low_bits(97);
pub(super) const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    A,
    B,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Lose,
    DelayBy(Duration),
}

pub(super) struct Pair {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) a: Session,
    pub(super) b: Session,
    pub(super) delay: Duration,
    /// Everything sent: when, by whom, what.
    pub(super) log: Vec<(Duration, Side, Vec<u8>)>,
    pub(super) events: Vec<(Side, Event)>,
    wire: Vec<(Instant, Side, Vec<u8>)>,
}

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
pub(super) fn base() -> Instant {
    Instant::now()
}

pub(super) fn wall_clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_123)
}

pub(super) fn seed(side: Side, number: u64) -> [u8; 32] {
    let mut seed = [side as u8; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

#[expect(clippy::disallowed_methods, reason = "how many seeds to try is the tester's choice")]
pub(super) fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("SEEDS").ok().and_then(|count| count.parse().ok());
    0..count.unwrap_or(20)
}

impl Pair {
    /// Both sections in both directions, in Packets mode, 20 ms apart.
    pub(super) fn new() -> Self {
        Self::with(Config::default(), 1)
    }

    pub(super) fn with(config: Config, number: u64) -> Self {
        let now = base();
        let session = |side| Session::new(config.clone(), now, wall_clock(), seed(side, number));
        let mut pair = Self {
            start: now,
            now,
            a: session(Side::A),
            b: session(Side::B),
            delay: 20 * MS,
            log: Vec::new(),
            events: Vec::new(),
            wire: Vec::new(),
        };
        for side in [Side::A, Side::B] {
            pair.set(side, AUDIO, audio(side));
            pair.set(side, VIDEO, video(side));
        }
        pair
    }

    pub(super) fn set(&mut self, side: Side, section: SectionId, parameters: Parameters) {
        let now = self.now;
        self.session(side).set_section(now, section, parameters);
    }

    pub(super) fn session(&mut self, side: Side) -> &mut Session {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Runs for a time over a network that loses nothing.
    pub(super) fn run(&mut self, time: Duration) {
        self.run_over(time, |_, _| Fate::DelayBy(Duration::ZERO));
    }

    pub(super) fn run_over(&mut self, time: Duration, mut fate: impl FnMut(Side, &[u8]) -> Fate) {
        let end = self.now + time;
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 1_000_000, "a driver that spins");
            for side in [Side::A, Side::B] {
                let now = self.now;
                self.session(side).handle_timeout(now);
                let mut buf = Vec::new();
                while let Some(range) = self.session(side).poll_transmit(now, &mut buf) {
                    let datagram = buf[range].to_vec();
                    buf.clear();
                    let fate = fate(side, &datagram);
                    self.log.push((now - self.start, side, datagram.clone()));
                    if let Fate::DelayBy(more) = fate {
                        self.wire.push((now + self.delay + more, side, datagram));
                    }
                }
                while let Some(event) = self.session(side).poll_event() {
                    self.events.push((side, event));
                }
            }
            let timeouts = [self.a.poll_timeout(), self.b.poll_timeout()];
            let arrivals = self.wire.iter().map(|(at, ..)| *at);
            let next = arrivals.chain(timeouts.into_iter().flatten()).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            assert!(next > self.now || self.wire.iter().any(|(at, ..)| *at <= self.now), "spins");
            self.now = self.now.max(next);
            self.wire.sort_by_key(|(at, ..)| *at);
            let due = self.wire.partition_point(|(at, ..)| *at <= self.now);
            for (_, from, datagram) in self.wire.drain(..due).collect::<Vec<_>>() {
                let to = if from == Side::A { Side::B } else { Side::A };
                let now = self.now;
                self.session(to).handle_datagram(now, &datagram);
            }
        }
    }

    /// The RTP that a side has sent.
    pub(super) fn rtp(&self, side: Side) -> impl Iterator<Item = (Duration, &[u8])> {
        self.sent(side).filter(|(_, datagram)| !is_rtcp(datagram))
    }

    /// The RTCP that a side has sent.
    pub(super) fn rtcp(&self, side: Side) -> impl Iterator<Item = (Duration, &[u8])> {
        self.sent(side).filter(|(_, datagram)| is_rtcp(datagram))
    }

    fn sent(&self, side: Side) -> impl Iterator<Item = (Duration, &[u8])> {
        let by = move |entry: &&(Duration, Side, Vec<u8>)| entry.1 == side;
        self.log.iter().filter(by).map(|(at, _, datagram)| (*at, &datagram[..]))
    }

    pub(super) fn saw(&self, side: Side, event: Event) -> bool {
        self.events.contains(&(side, event))
    }
}

/// A network that loses and reorders.
pub(super) fn lossy(number: u64, loss: f64) -> impl FnMut(Side, &[u8]) -> Fate {
    let mut rng = ChaCha20Rng::seed_from_u64(number);
    move |_, _| {
        if rng.random_bool(loss) {
            Fate::Lose
        } else {
            Fate::DelayBy(Duration::from_micros(rng.random_range(0..8000)))
        }
    }
}

pub(super) fn extensions() -> ExtensionMap {
    ExtensionMap::from_iter([
        (1, Kind::AudioLevel),
        (2, Kind::AbsSendTime),
        (3, Kind::TransportSequenceNumber),
        (4, Kind::Mid),
        (10, Kind::Rid),
        (11, Kind::RepairedRid),
        (13, Kind::VideoOrientation),
    ])
}

fn send(side: Side, audio: bool) -> Send {
    let number = side as u32 * 1000 + if audio { 100 } else { 200 };
    Send {
        ssrc: Ssrc(number),
        rtx_ssrc: (!audio).then_some(Ssrc(number + 1)),
        cname: format!("{side:?}@example"),
        rid: None,
    }
}

fn receive() -> Receive {
    Receive { mode: Mode::Packets, ..Receive::default() }
}

pub(super) fn audio(side: Side) -> Parameters {
    let codec = Codec {
        channels: 2,
        transport_cc: true,
        ..Codec::new(OPUS, Format::Opus, ClockRate::HZ_48000)
    };
    Parameters {
        mid: "a".into(),
        media: Media::Audio,
        codecs: vec![codec],
        extensions: extensions(),
        send: Some(send(side, true)),
        receive: Some(receive()),
        reduced_size: true,
    }
}

pub(super) fn video(side: Side) -> Parameters {
    let codec = Codec {
        rtx: Some(RTX),
        nack: true,
        pli: true,
        fir: true,
        transport_cc: true,
        ..Codec::new(VP8, Format::Vp8, ClockRate::HZ_90000)
    };
    Parameters {
        mid: "v".into(),
        media: Media::Video,
        codecs: vec![codec],
        extensions: extensions(),
        send: Some(send(side, false)),
        receive: Some(receive()),
        reduced_size: true,
    }
}

pub(super) fn frames(mut parameters: Parameters) -> Parameters {
    if let Some(receive) = &mut parameters.receive {
        receive.mode = Mode::Frames;
    }
    parameters
}

/// A VP8 frame of a size: its first bytes say whether it is a key frame (RFC 6386 §9.1).
pub(super) fn vp8_frame(number: u32, size: usize, key: bool) -> bytes::Bytes {
    let mut frame = vec![0; size];
    for (at, byte) in frame.iter_mut().enumerate() {
        *byte = (at as u32).wrapping_mul(31).wrapping_add(number) as u8;
    }
    let head = [u8::from(!key), 0, 0, 0x9D, 0x01, 0x2A, 64, 0, 64, 0];
    frame[..10].copy_from_slice(&head);
    frame[10..14].copy_from_slice(&number.to_be_bytes());
    frame.into()
}
