use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use peerless::media::transceiver::TransceiverInit;
use peerless::security::NamedGroup;
use peerless::{
    Configuration, ConnectionState, DataChannelId, DataChannelInit, Datagram, Event, FiveTuple,
    IceCandidate, MediaKind, Origin, OutgoingPacket, PeerConnection, Readable, ReceiveMode,
    ReceivedPacket, TransceiverId,
};
use rtp::PayloadType;

use crate::link::Outbox;
use crate::{Peer, Stack};

/// Our own.
#[derive(Debug)]
pub struct Peerless;

/// The same with the DTLS handshake in ICE's checks (SPED), which is off by default.
#[derive(Debug)]
pub struct PeerlessSped;

/// The same with X25519 alone, with which each flight is one datagram.
#[derive(Debug)]
pub struct PeerlessSpedX25519;

/// One of its peers.
#[allow(missing_debug_implementations, reason = "a connection holds keys and has no Debug")]
pub struct PeerlessPeer {
    pc: PeerConnection,
    path: FiveTuple,
    buf: Vec<u8>,
    connected: bool,
    channel: Option<DataChannelId>,
    open: bool,
    video: Option<TransceiverId>,
    payload_type: Option<PayloadType>,
    received_bytes: u64,
    received_messages: u64,
    candidates: VecDeque<IceCandidate>,
}

impl Stack for Peerless {
    type Peer = PeerlessPeer;

    const NAME: &'static str = "Peerless";

    fn pair(now: Instant, seed: u64, addresses: [SocketAddr; 2]) -> (PeerlessPeer, PeerlessPeer) {
        pair(&Configuration::default(), now, seed, addresses)
    }
}

impl Stack for PeerlessSped {
    type Peer = PeerlessPeer;

    const NAME: &'static str = "Peerless with SPED";

    fn pair(now: Instant, seed: u64, addresses: [SocketAddr; 2]) -> (PeerlessPeer, PeerlessPeer) {
        let mut configuration = Configuration::default();
        configuration.sped = true;
        pair(&configuration, now, seed, addresses)
    }
}

impl Stack for PeerlessSpedX25519 {
    type Peer = PeerlessPeer;

    const NAME: &'static str = "Peerless with SPED and X25519";

    fn pair(now: Instant, seed: u64, addresses: [SocketAddr; 2]) -> (PeerlessPeer, PeerlessPeer) {
        let mut configuration = Configuration::default();
        configuration.sped = true;
        configuration.dtls.groups = vec![NamedGroup::X25519, NamedGroup::secp256r1];
        pair(&configuration, now, seed, addresses)
    }
}

fn pair(
    configuration: &Configuration,
    now: Instant,
    seed: u64,
    addresses: [SocketAddr; 2],
) -> (PeerlessPeer, PeerlessPeer) {
    let [a, b] = addresses;
    let mut offerer = PeerlessPeer::with(configuration, now, [a, b], seed * 2);
    let mut answerer = PeerlessPeer::with(configuration, now, [b, a], seed * 2 + 1);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        // An offer is matched with tracks, not with transceivers that were added by kind.
        let id = answerer.pc.add_track(now, kind, &[]).expect("a new connection");
        let mut receiver = answerer.pc.receiver(id).expect("it was just added");
        receiver.set_mode(now, ReceiveMode::Packets);
        answerer.video = Some(id);
    }
    offerer.offer(now);
    offerer.answered_by(now, &mut answerer.pc);
    answerer.read_events();
    while let Some(candidate) = answerer.candidates.pop_front() {
        offerer.add_candidate(now, candidate);
    }
    answerer.find_payload_type();
    (offerer, answerer)
}

impl PeerlessPeer {
    /// The clock and the randomness of a peer.
    pub(crate) fn origin(now: Instant, seed: u64) -> Origin {
        let wall_clock = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(seed.to_be_bytes()) {
            *to = from;
        }
        Origin::new(now, wall_clock, bytes)
    }

    pub(crate) fn new(now: Instant, local: SocketAddr, remote: SocketAddr, seed: u64) -> Self {
        Self::with(&Configuration::default(), now, [local, remote], seed)
    }

    fn with(
        configuration: &Configuration,
        now: Instant,
        [local, remote]: [SocketAddr; 2],
        seed: u64,
    ) -> Self {
        let origin = Self::origin(now, seed);
        let mut pc = PeerConnection::new(configuration.clone(), origin);
        pc.add_local_address(local);
        Self {
            pc,
            path: FiveTuple::udp(local, remote),
            buf: Vec::new(),
            connected: false,
            channel: None,
            open: false,
            video: None,
            payload_type: None,
            received_bytes: 0,
            received_messages: 0,
            candidates: VecDeque::new(),
        }
    }

    /// Wishes for media and a channel, and sets the offer.
    pub(crate) fn offer(&mut self, now: Instant) {
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let init = TransceiverInit::send_recv().with_packets();
            let id = self.pc.add_transceiver(now, kind, init).expect("a new connection");
            self.video = Some(id);
        }
        let channel = self.pc.create_data_channel(now, "bench", DataChannelInit::default());
        self.channel = Some(channel.expect("a new connection"));
        self.pc.set_local_description(now, None).expect("there is something to offer");
    }

    /// Gives the offer and our candidates to `other`, and takes its answer.
    pub(crate) fn answered_by(&mut self, now: Instant, other: &mut PeerConnection) {
        let offer = self.pc.local_description().expect("it was set");
        other.set_remote_description(now, offer).expect("its own offer");
        other.set_local_description(now, None).expect("an offer is there");
        let answer = other.local_description().expect("it was just set");
        self.pc.set_remote_description(now, answer).expect("its own answer");
        self.read_events();
        while let Some(candidate) = self.candidates.pop_front() {
            other.add_ice_candidate(now, candidate).expect("its own candidate");
        }
        self.find_payload_type();
    }

    pub(crate) fn add_candidate(&mut self, now: Instant, candidate: IceCandidate) {
        self.pc.add_ice_candidate(now, candidate).expect("its own candidate");
    }

    fn find_payload_type(&mut self) {
        let transceiver = self.video.and_then(|id| self.pc.transceiver(id));
        let transceiver = transceiver.expect("video is negotiated");
        let vp8 = transceiver.codecs().iter().find(|codec| codec.name.eq_ignore_ascii_case("vp8"));
        let vp8 = vp8.expect("VP8 is negotiated");
        self.payload_type = PayloadType::new(vp8.payload_type);
    }

    fn read_events(&mut self) {
        while let Some(event) = self.pc.poll_event() {
            match event {
                Event::ConnectionStateChange(ConnectionState::Connected) => self.connected = true,
                Event::DataChannel(id) => {
                    self.channel = Some(id);
                    self.open = true;
                }
                Event::DataChannelOpen(_) => self.open = true,
                Event::IceCandidate(candidate) => self.candidates.push_back(candidate),
                Event::Readable(Readable::Channel(id)) => {
                    let Some(mut channel) = self.pc.data_channel(id) else { continue };
                    while let Some(message) = channel.read() {
                        self.received_messages += 1;
                        self.received_bytes += message.data().len() as u64;
                    }
                }
                _ => {}
            }
        }
    }
}

impl Peer for PeerlessPeer {
    type Packet = ReceivedPacket;

    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        self.pc.handle_datagram(now, Datagram::new(self.path, datagram));
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.pc.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.pc.poll_timeout()
    }

    fn drain(&mut self, now: Instant, outbox: &mut Outbox) {
        self.read_events();
        loop {
            self.buf.clear();
            let Some(transmit) = self.pc.poll_transmit(now, &mut self.buf) else { break };
            for datagram in transmit.datagrams() {
                outbox.push(datagram);
            }
        }
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn is_connected(&self) -> bool {
        self.connected
    }

    fn send_message(&mut self, now: Instant, data: &Bytes) -> bool {
        let Some(mut channel) = self.channel.and_then(|id| self.pc.data_channel(id)) else {
            return false;
        };
        channel.send(now, data.clone()).is_ok()
    }

    fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    fn received_messages(&self) -> u64 {
        self.received_messages
    }

    fn send_packet(&mut self, now: Instant, index: u64, payload: &Bytes) {
        let (Some(id), Some(payload_type)) = (self.video, self.payload_type) else { return };
        let packet = OutgoingPacket::new(payload_type, index as u32 * 90, payload.clone());
        let mut sender = self.pc.sender(id).expect("video is negotiated");
        sender.send_packet(now, packet).expect("the queue is drained after each packet");
    }

    fn read_packet(&mut self, _now: Instant) -> Option<ReceivedPacket> {
        self.pc.receiver(self.video?)?.read_packet()
    }

    fn forward(&mut self, now: Instant, packet: &ReceivedPacket) {
        let Some(mut sender) = self.video.and_then(|id| self.pc.sender(id)) else { return };
        sender.forward(now, packet).expect("the queue is drained after each packet");
    }
}
