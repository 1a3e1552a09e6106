//! SCTP without anything above or below: messages through an association, packets in memory.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::link::Outbox;
use crate::measure::{Sample, start, time};

/// One side of an association, of whatever crate.
pub trait Association: Sized {
    /// Two sides; what they say to begin comes by [`drain`](Self::drain).
    fn pair(now: Instant) -> (Self, Self);
    /// Takes a packet.
    fn handle(&mut self, now: Instant, packet: &[u8]);
    /// Takes packets and messages out.
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

/// Messages of `size` bytes: messages a second and allocations for a message, both sides together.
#[must_use]
pub fn throughput<A: Association>(size: usize, messages: u64) -> Sample {
    let mut pair = Pair::<A>::new();
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
    fn new() -> Self {
        let now = start();
        let (sender, receiver) = A::pair(now);
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

    fn flush(&mut self) {
        loop {
            self.sender.drain(self.now, &mut self.to_receiver);
            self.receiver.drain(self.now, &mut self.to_sender);
            if self.to_receiver.is_empty() && self.to_sender.is_empty() {
                return;
            }
            while let Some(packet) = self.to_receiver.pop() {
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

/// Ours.
#[allow(missing_debug_implementations, reason = "it is only measured")]
pub struct Peerless {
    association: sctp::Association,
    buf: Vec<u8>,
    received: u64,
    connected: bool,
}

impl Association for Peerless {
    fn pair(now: Instant) -> (Self, Self) {
        let side =
            |association| Self { association, buf: Vec::new(), received: 0, connected: false };
        let config = sctp::Config::default();
        (
            side(sctp::Association::client(config.clone(), now, [1; 32])),
            side(sctp::Association::server(config, now, [2; 32])),
        )
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
        loop {
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

#[cfg(feature = "peers")]
pub use self::peers::{DcSctp, SctpProto};

#[cfg(feature = "peers")]
mod peers {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::sync::Arc;
    use std::time::Instant;

    use bytes::Bytes;
    use dcsctp::api::{
        DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketTime, StreamId,
    };
    use sctp_proto::{
        AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
        PayloadProtocolIdentifier, ServerConfig, StreamEvent,
    };

    use super::Association;
    use crate::link::Outbox;

    /// [dcsctp](https://crates.io/crates/dcsctp), the port of libwebrtc's.
    #[allow(missing_debug_implementations, reason = "it is only measured")]
    pub struct DcSctp {
        socket: Box<dyn DcSctpSocket>,
        origin: Instant,
        connected: bool,
        received: u64,
    }

    impl Association for DcSctp {
        fn pair(now: Instant) -> (Self, Self) {
            let side = || Self {
                socket: dcsctp::new_socket("bench", &Options::default()),
                origin: now,
                connected: false,
                received: 0,
            };
            let (mut client, server) = (side(), side());
            client.socket.connect();
            (client, server)
        }

        fn handle(&mut self, now: Instant, packet: &[u8]) {
            self.socket.advance_time(SocketTime::zero() + (now - self.origin));
            self.socket.handle_input(packet);
        }

        fn drain(&mut self, _now: Instant, outbox: &mut Outbox) {
            while let Some(event) = self.socket.poll_event() {
                match event {
                    SocketEvent::SendPacket(packet) => outbox.push(&packet),
                    SocketEvent::OnConnected() => self.connected = true,
                    _ => {}
                }
            }
            while self.socket.get_next_message().is_some() {
                self.received += 1;
            }
        }

        fn poll_timeout(&mut self) -> Option<Instant> {
            let timeout = self.socket.poll_timeout();
            (timeout != SocketTime::infinite_future())
                .then(|| self.origin + (timeout - SocketTime::zero()))
        }

        fn handle_timeout(&mut self, now: Instant) {
            self.socket.advance_time(SocketTime::zero() + (now - self.origin));
        }

        fn send(&mut self, _now: Instant, message: &Bytes) -> bool {
            // It has no bound that refuses: the caller looks.
            if !self.connected || self.socket.buffered_amount(StreamId(0)) > MAX_BUFFERED {
                return false;
            }
            let message = Message::new(StreamId(0), PpId(53), message.to_vec());
            self.socket.send(message, &SendOptions::default()).is_ok()
        }

        fn received(&self) -> u64 {
            self.received
        }
    }

    const MAX_BUFFERED: usize = 1 << 20;

    /// [sctp-proto](https://crates.io/crates/sctp-proto), which str0m uses.
    #[allow(missing_debug_implementations, reason = "it is only measured")]
    pub struct SctpProto {
        endpoint: Endpoint,
        association: Option<(AssociationHandle, sctp_proto::Association)>,
        remote: SocketAddr,
        connected: bool,
        opened: bool,
        received: u64,
    }

    impl Association for SctpProto {
        fn pair(_now: Instant) -> (Self, Self) {
            let side = |server: Option<Arc<ServerConfig>>| Self {
                endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), server),
                association: None,
                remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5000),
                connected: false,
                opened: false,
                received: 0,
            };
            let mut client = side(None);
            let remote = client.remote;
            let association = client.endpoint.connect(ClientConfig::default(), remote);
            client.association = Some(association.expect("a new endpoint"));
            (client, side(Some(Arc::new(ServerConfig::default()))))
        }

        fn handle(&mut self, now: Instant, packet: &[u8]) {
            let packet = Bytes::copy_from_slice(packet);
            let Some((handle, event)) = self.endpoint.handle(now, self.remote, None, None, packet)
            else {
                return;
            };
            match event {
                DatagramEvent::NewAssociation(association) => {
                    self.association = Some((handle, association));
                }
                DatagramEvent::AssociationEvent(event) => {
                    if let Some((_, association)) = &mut self.association {
                        association.handle_event(event);
                    }
                }
            }
        }

        fn drain(&mut self, now: Instant, outbox: &mut Outbox) {
            while let Some(transmit) = self.endpoint.poll_transmit() {
                push(outbox, transmit.payload);
            }
            let Some((handle, association)) = &mut self.association else { return };
            while let Some(event) = association.poll_endpoint_event() {
                self.endpoint.handle_event(*handle, event);
            }
            while let Some(event) = association.poll() {
                match event {
                    Event::Connected => self.connected = true,
                    Event::Stream(StreamEvent::Readable { id }) => {
                        let Ok(mut stream) = association.stream(id) else { continue };
                        while let Ok(Some(_)) = stream.read() {
                            self.received += 1;
                        }
                    }
                    _ => {}
                }
            }
            while let Some(transmit) = association.poll_transmit(now) {
                push(outbox, transmit.payload);
            }
        }

        fn poll_timeout(&mut self) -> Option<Instant> {
            self.association.as_ref()?.1.poll_timeout()
        }

        fn handle_timeout(&mut self, now: Instant) {
            if let Some((_, association)) = &mut self.association {
                association.handle_timeout(now);
            }
        }

        fn send(&mut self, _now: Instant, message: &Bytes) -> bool {
            let Some((_, association)) = &mut self.association else { return false };
            if !self.connected {
                return false;
            }
            if !self.opened {
                let ppid = PayloadProtocolIdentifier::Binary;
                self.opened = association.open_stream(0, ppid).is_ok();
            }
            let Ok(mut stream) = association.stream(0) else { return false };
            if stream.buffered_amount().is_ok_and(|buffered| buffered > MAX_BUFFERED) {
                return false;
            }
            stream.write_chunk(message).is_ok()
        }

        fn received(&self) -> u64 {
            self.received
        }
    }

    fn push(outbox: &mut Outbox, payload: Payload) {
        if let Payload::RawEncode(packets) = payload {
            packets.iter().for_each(|packet| outbox.push(packet));
        }
    }
}
