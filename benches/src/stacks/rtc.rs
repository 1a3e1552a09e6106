use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rtc::data_channel::RTCDataChannelId;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp::header::Header;
use rtc::rtp::packet::Packet;
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use crate::link::Outbox;
use crate::{Peer, Stack};

/// [rtc](https://crates.io/crates/rtc), of the webrtc-rs project, with its default interceptors.
#[derive(Debug)]
pub struct Rtc;

/// One of its peers.
#[allow(missing_debug_implementations, reason = "its connection has no Debug")]
pub struct RtcPeer {
    pc: RTCPeerConnection,
    transport: TransportContext,
    connected: bool,
    channel: Option<RTCDataChannelId>,
    video: RTCRtpSenderId,
    ssrc: u32,
    payload_type: u8,
    received_bytes: u64,
    received_messages: u64,
    packets: VecDeque<Packet>,
    forwarded: u64,
}

impl Stack for Rtc {
    type Peer = RtcPeer;

    const NAME: &'static str = "rtc 0.21";

    fn pair(now: Instant, seed: u64, addresses: [SocketAddr; 2]) -> (RtcPeer, RtcPeer) {
        let [a, b] = addresses;
        let mut offerer = RtcPeer::new(now, a, b, seed as u32 | 1);
        let mut answerer = RtcPeer::new(now, b, a, seed as u32 ^ 0x5555_5554);
        offerer.pc.create_data_channel("bench", None).expect("a new connection");
        let offer = offerer.pc.create_offer(None).expect("there is something to offer");
        offerer.pc.set_local_description(now, offer.clone()).expect("its own offer");
        answerer.pc.set_remote_description(now, offer).expect("its own offer");
        let answer = answerer.pc.create_answer(None).expect("an offer is there");
        answerer.pc.set_local_description(now, answer.clone()).expect("its own answer");
        offerer.pc.set_remote_description(now, answer).expect("its own answer");
        for peer in [&mut offerer, &mut answerer] {
            let mut sender = peer.pc.rtp_sender(peer.video).expect("video is negotiated");
            let parameters = &sender.get_parameters().rtp_parameters;
            let vp8 = parameters
                .codecs
                .iter()
                .find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(MIME_TYPE_VP8));
            peer.payload_type = vp8.expect("VP8 is negotiated").payload_type;
        }
        (offerer, answerer)
    }
}

impl RtcPeer {
    fn new(now: Instant, local: SocketAddr, remote: SocketAddr, ssrc: u32) -> Self {
        let mut media = MediaEngine::default();
        media.register_default_codecs().expect("nothing is registered yet");
        let registry = register_default_interceptors(Registry::new(), &mut media)
            .expect("nothing is registered yet");
        let mut pc = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .build(now)
            .expect("a plain configuration");
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: local.ip().to_string(),
                port: local.port(),
                component: 1,
                ..Default::default()
            },
            ..Default::default()
        };
        let candidate = candidate.new_candidate_host().expect("an address is a host candidate");
        let candidate = RTCIceCandidate::from(&candidate).to_json().expect("a plain candidate");
        pc.add_local_candidate(candidate).expect("a plain candidate");
        pc.add_transceiver_from_kind(RtpCodecKind::Audio, None).expect("a new connection");
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..Default::default()
            },
            codec: RTCRtpCodec {
                mime_type: MIME_TYPE_VP8.to_owned(),
                clock_rate: 90_000,
                ..Default::default()
            },
            ..Default::default()
        };
        let name = || "video".to_owned();
        let track =
            MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Video, vec![encoding]);
        let video = pc.add_track(track).expect("a new connection");
        let transport = TransportContext {
            local_addr: local,
            peer_addr: remote,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        Self {
            pc,
            transport,
            connected: false,
            channel: None,
            video,
            ssrc,
            payload_type: 0,
            received_bytes: 0,
            received_messages: 0,
            packets: VecDeque::new(),
            forwarded: 0,
        }
    }

    fn write(&mut self, now: Instant, index: u64, timestamp: u32, marker: bool, payload: Bytes) {
        let header = Header {
            version: 2,
            marker,
            payload_type: self.payload_type,
            sequence_number: index as u16,
            timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        };
        let mut sender = self.pc.rtp_sender(self.video).expect("video is negotiated");
        sender.write_rtp(now, Packet { header, payload }).expect("the connection is up");
    }
}

impl Peer for RtcPeer {
    type Packet = Packet;

    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        let message = BytesMut::from(&*datagram);
        // Errors of single datagrams are no business of the caller's.
        let _ = self.pc.handle_read(TaggedBytesMut { now, transport: self.transport, message });
    }

    fn handle_timeout(&mut self, now: Instant) {
        let _ = self.pc.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.pc.poll_timeout()
    }

    fn drain(&mut self, _now: Instant, outbox: &mut Outbox) {
        while let Some(transmit) = self.pc.poll_write() {
            outbox.push(&transmit.message);
        }
        while let Some(event) = self.pc.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(
                    RTCPeerConnectionState::Connected,
                ) => self.connected = true,
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) => {
                    self.channel = Some(id);
                }
                _ => {}
            }
        }
        while let Some(TaggedRTCMessage { message, .. }) = self.pc.poll_read() {
            match message {
                RTCMessage::RtpPacket(_, packet) => self.packets.push_back(packet),
                RTCMessage::DataChannelMessage(_, message) => {
                    self.received_messages += 1;
                    self.received_bytes += message.data.len() as u64;
                }
                _ => {}
            }
        }
        while let Some(transmit) = self.pc.poll_write() {
            outbox.push(&transmit.message);
        }
    }

    fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    fn is_connected(&self) -> bool {
        self.connected
    }

    fn send_message(&mut self, now: Instant, data: &Bytes) -> bool {
        let Some(mut channel) = self.channel.and_then(|id| self.pc.data_channel(id)) else {
            return false;
        };
        if channel.outstanding_bytes() > MAX_OUTSTANDING {
            return false;
        }
        channel.send(now, BytesMut::from(&**data)).is_ok()
    }

    fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    fn received_messages(&self) -> u64 {
        self.received_messages
    }

    fn send_packet(&mut self, now: Instant, index: u64, payload: &Bytes) {
        self.write(now, index, index as u32 * 90, false, payload.clone());
    }

    fn read_packet(&mut self, _now: Instant) -> Option<Packet> {
        self.packets.pop_front()
    }

    fn forward(&mut self, now: Instant, packet: &Packet) {
        let index = self.forwarded;
        self.forwarded += 1;
        let header = &packet.header;
        self.write(now, index, header.timestamp, header.marker, packet.payload.clone());
    }
}

/// The library leaves the bound of the send buffer to the caller: a burst of the longest messages,
/// so that it gets as much at a time as the others.
const MAX_OUTSTANDING: usize = 1 << 20;
