//! Other crates' associations. A message is made one piece of memory, as ours is, in the way that
//! the stack around the crate does it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use dcsctp::api::{
    DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketTime, StreamId,
    ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
};
use sctp_proto::{
    AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ServerConfig, StreamEvent, TransportConfig,
};

use super::{Association, Checksum};
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
    fn pair(now: Instant, checksum: Checksum) -> (Self, Self) {
        let mut options = Options::default();
        if checksum == Checksum::Omitted {
            options.zero_checksum_alternate_error_detection_method =
                ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS;
        }
        let side = || Self {
            socket: dcsctp::new_socket("bench", &options),
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
        while !outbox.is_full()
            && let Some(event) = self.socket.poll_event()
        {
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
    buf: Vec<u8>,
    received: u64,
}

impl Association for SctpProto {
    fn pair(_now: Instant, _checksum: Checksum) -> (Self, Self) {
        let side = |server: Option<Arc<ServerConfig>>| Self {
            endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), server),
            association: None,
            remote: REMOTE,
            connected: false,
            opened: false,
            buf: Vec::new(),
            received: 0,
        };
        let transport = TransportConfig::default().with_max_send_message_size(MAX_MESSAGE);
        let transport = Arc::new(transport);
        let mut client = side(None);
        let remote = client.remote;
        let mut config = ClientConfig::default();
        config.transport = Arc::clone(&transport);
        let association = client.endpoint.connect(config, remote);
        client.association = Some(association.expect("a new endpoint"));
        let mut config = ServerConfig::default();
        config.transport = transport;
        (client, side(Some(Arc::new(config))))
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
                    while let Ok(Some(chunks)) = stream.read() {
                        self.buf.resize(chunks.len(), 0);
                        let _fits = chunks.read(&mut self.buf);
                        self.received += 1;
                    }
                }
                _ => {}
            }
        }
        while !outbox.is_full()
            && let Some(transmit) = association.poll_transmit(now)
        {
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

/// [rtc-sctp](https://crates.io/crates/rtc-sctp), which rtc uses.
#[allow(missing_debug_implementations, reason = "it is only measured")]
pub struct RtcSctp {
    endpoint: rtc::sctp::Endpoint,
    association: Option<(rtc::sctp::AssociationHandle, rtc::sctp::Association)>,
    connected: bool,
    opened: bool,
    received: u64,
}

impl Association for RtcSctp {
    fn pair(now: Instant, _checksum: Checksum) -> (Self, Self) {
        let side = |server| Self {
            endpoint: rtc::sctp::Endpoint::new(
                REMOTE,
                rtc::shared::TransportProtocol::UDP,
                Arc::new(rtc::sctp::EndpointConfig::default()),
                server,
            ),
            association: None,
            connected: false,
            opened: false,
            received: 0,
        };
        let mut client = side(None);
        let config = rtc::sctp::ClientConfig::default();
        let association = client.endpoint.connect(now, config, REMOTE).expect("a new endpoint");
        client.association = Some(association);
        (client, side(Some(Arc::new(rtc::sctp::ServerConfig::default()))))
    }

    fn handle(&mut self, now: Instant, packet: &[u8]) {
        let packet = Bytes::copy_from_slice(packet);
        match self.endpoint.handle(now, REMOTE, None, packet) {
            Some((handle, rtc::sctp::DatagramEvent::NewAssociation(association))) => {
                self.association = Some((handle, association));
            }
            Some((_, rtc::sctp::DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, association)) = &mut self.association {
                    association.handle_event(event);
                }
            }
            _ => {}
        }
    }

    fn drain(&mut self, now: Instant, outbox: &mut Outbox) {
        let Some((handle, association)) = &mut self.association else { return };
        while let Some(event) = association.poll_endpoint_event() {
            self.endpoint.handle_event(*handle, event);
        }
        while let Some(event) = association.poll() {
            match event {
                rtc::sctp::Event::Connected => self.connected = true,
                rtc::sctp::Event::Stream(rtc::sctp::StreamEvent::Readable { id }) => {
                    let Ok(mut stream) = association.stream(id) else { continue };
                    while let Ok(Some(chunks)) = stream.read_sctp() {
                        let _message = chunks.to_payload(usize::MAX);
                        self.received += 1;
                    }
                }
                _ => {}
            }
        }
        while !outbox.is_full()
            && let Some(transmit) = association.poll_transmit(now)
        {
            if let rtc::sctp::Payload::RawEncode(packets) = transmit.message {
                packets.iter().for_each(|packet| outbox.push(packet));
            }
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

    fn send(&mut self, now: Instant, message: &Bytes) -> bool {
        let Some((_, association)) = &mut self.association else { return false };
        if !self.connected {
            return false;
        }
        if !self.opened {
            let ppid = rtc::sctp::PayloadProtocolIdentifier::Binary;
            self.opened = association.open_stream(0, ppid).is_ok();
        }
        let Ok(mut stream) = association.stream(0) else { return false };
        if stream.buffered_amount().is_ok_and(|buffered| buffered > MAX_BUFFERED) {
            return false;
        }
        stream.write_chunk(now, message).is_ok()
    }

    fn received(&self) -> u64 {
        self.received
    }
}

/// What ours takes.
const MAX_MESSAGE: u32 = 256 << 10;
const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5000);

fn push(outbox: &mut Outbox, payload: Payload) {
    if let Payload::RawEncode(packets) = payload {
        packets.iter().for_each(|packet| outbox.push(packet));
    }
}
