//! SCTP without anything above or below: messages through an association, packets in memory.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::link::{BATCH, Outbox};
use crate::measure::{Sample, start, time};

#[cfg(feature = "peers")]
mod peers;

#[cfg(feature = "peers")]
pub use self::peers::{DcSctp, RtcSctp, SctpProto};

/// One side of an association, of whatever crate.
pub trait Association: Sized {
    /// Two sides; what they say to begin comes by [`drain`](Self::drain).
    fn pair(now: Instant, checksum: Checksum) -> (Self, Self);
    /// Takes a packet.
    fn handle(&mut self, now: Instant, packet: &[u8]);
    /// Takes messages out, and packets until the outbox is full.
    fn drain(&mut self, now: Instant, outbox: &mut Outbox);
    /// When time has to pass.
    fn poll_timeout(&mut self) -> Option<Instant>;
    /// Lets time pass.
    fn handle_timeout(&mut self, now: Instant);
    /// Sends on stream 0, reliable and ordered; `false` while it is full or not connected.
    fn send(&mut self, now: Instant, message: &Bytes) -> bool;
    /// The number of messages received.
    fn received(&self) -> u64;
}

/// Whether packets have their checksum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checksum {
    /// As over anything that does not find damage.
    Computed,
    /// As inside DTLS (RFC 9653), where a crate has it.
    Omitted,
}

/// Messages of `size` bytes: messages a second and allocations for a message, both sides together.
#[must_use]
pub fn throughput<A: Association>(checksum: Checksum, size: usize, messages: u64) -> Sample {
    let mut pair = Pair::<A>::new(checksum);
    let message = Bytes::from(vec![0x55; size]);
    pair.transfer(&message, messages / 10 + 1);
    let (elapsed, allocated, ()) = time(|| pair.transfer(&message, messages));
    Sample {
        value: messages as f64 / elapsed.as_secs_f64(),
        allocations: allocated.count as f64 / messages as f64,
    }
}

struct Pair<A> {
    sender: A,
    receiver: A,
    now: Instant,
    to_sender: Outbox,
    to_receiver: Outbox,
}

impl<A: Association> Pair<A> {
    fn new(checksum: Checksum) -> Self {
        let now = start();
        let (sender, receiver) = A::pair(now, checksum);
        let (to_sender, to_receiver) = (Outbox::default(), Outbox::default());
        Self { sender, receiver, now, to_sender, to_receiver }
    }

    fn transfer(&mut self, message: &Bytes, messages: u64) {
        let before = self.receiver.received();
        let mut sent = 0;
        while self.receiver.received() - before < messages {
            let delivered = self.receiver.received();
            for _ in 0..16 {
                if sent == messages || !self.sender.send(self.now, message) {
                    break;
                }
                sent += 1;
            }
            self.advance_to(self.now + Duration::from_micros(20));
            self.flush();
            if self.receiver.received() == delivered {
                let next = [self.sender.poll_timeout(), self.receiver.poll_timeout()];
                if let Some(next) = next.into_iter().flatten().min() {
                    self.advance_to(next);
                }
            }
        }
    }

    fn advance_to(&mut self, now: Instant) {
        self.now = self.now.max(now);
        for side in [&mut self.sender, &mut self.receiver] {
            if side.poll_timeout().is_some_and(|due| due <= self.now) {
                side.handle_timeout(self.now);
            }
        }
    }

    /// The receiver takes a batch at a time. Some crates send all that their window allows in one go:
    /// were all of that taken before the first SACK is delivered, the SACKs' outbox would be full,
    /// and the receiver would make fewer of them than it does on a network.
    fn flush(&mut self) {
        loop {
            self.sender.drain(self.now, &mut self.to_receiver);
            self.receiver.drain(self.now, &mut self.to_sender);
            if self.to_receiver.is_empty() && self.to_sender.is_empty() {
                return;
            }
            for _ in 0..BATCH {
                let Some(packet) = self.to_receiver.pop() else { break };
                self.receiver.handle(self.now, &packet);
                self.to_receiver.recycle(packet);
                self.receiver.drain(self.now, &mut self.to_sender);
            }
            while let Some(packet) = self.to_sender.pop() {
                self.sender.handle(self.now, &packet);
                self.to_sender.recycle(packet);
                self.sender.drain(self.now, &mut self.to_receiver);
            }
        }
    }
}

/// The longest packet of rtc-sctp, which ours has, too.
pub const MTU: usize = 1188;

/// Ours.
#[allow(missing_debug_implementations, reason = "it is only measured")]
pub struct Peerless {
    association: sctp::Association,
    buf: Vec<u8>,
    received: u64,
    connected: bool,
}

impl Peerless {
    /// The two sides of the association with a number, with settings of one's own.
    #[must_use]
    pub fn pair_of(config: &sctp::Config, now: Instant, number: u8) -> (Self, Self) {
        let side =
            |association| Self { association, buf: Vec::new(), received: 0, connected: false };
        (
            side(sctp::Association::client(config.clone(), now, [2 * number + 1; 32])),
            side(sctp::Association::server(config.clone(), now, [2 * number + 2; 32])),
        )
    }
}

impl Association for Peerless {
    fn pair(now: Instant, checksum: Checksum) -> (Self, Self) {
        let mut config = sctp::Config::default();
        config.over_dtls = checksum == Checksum::Omitted;
        config.mtu = MTU;
        Self::pair_of(&config, now, 0)
    }

    fn handle(&mut self, now: Instant, packet: &[u8]) {
        self.association.handle_datagram(now, packet);
    }

    fn drain(&mut self, now: Instant, outbox: &mut Outbox) {
        while let Some(event) = self.association.poll_event() {
            match event {
                sctp::Event::Connected => self.connected = true,
                sctp::Event::Readable(stream) => {
                    while self.association.read(stream).is_some() {
                        self.received += 1;
                    }
                }
                _ => {}
            }
        }
        while !outbox.is_full() {
            self.buf.clear();
            if self.association.poll_transmit(now, &mut self.buf).is_none() {
                return;
            }
            outbox.push(&self.buf);
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.association.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
    }

    fn send(&mut self, now: Instant, message: &Bytes) -> bool {
        let message = sctp::Outgoing::new(0, 53, message.clone());
        self.connected && self.association.send(now, message).is_ok()
    }

    fn received(&self) -> u64 {
        self.received
    }
}
