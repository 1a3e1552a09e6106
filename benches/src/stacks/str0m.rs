use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use str0m::change::SdpApi;
use str0m::channel::ChannelId;
use str0m::config::DtlsVersion;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output};

use crate::link::Outbox;
use crate::{Peer, Stack};

/// [str0m](https://crates.io/crates/str0m) in RTP mode, with its default cryptography (aws-lc-rs).
#[derive(Debug)]
pub struct Str0m;

/// One of its peers.
#[derive(Debug)]
pub struct Str0mPeer {
    rtc: str0m::Rtc,
    local: SocketAddr,
    remote: SocketAddr,
    timeout: Option<Instant>,
    connected: bool,
    channel: Option<ChannelId>,
    video: Option<(Mid, Pt)>,
    received_bytes: u64,
    received_messages: u64,
    packets: VecDeque<RtpPacket>,
    /// The sequence number of the next forwarded packet.
    forwarded: u64,
}

impl Stack for Str0m {
    type Peer = Str0mPeer;

    const NAME: &'static str = "str0m 0.25";

    fn pair(now: Instant, _seed: u64, addresses: [SocketAddr; 2]) -> (Str0mPeer, Str0mPeer) {
        let [a, b] = addresses;
        let mut offerer = Str0mPeer::new(now, a, b);
        let mut answerer = Str0mPeer::new(now, b, a);
        let mut change: SdpApi<'_> = offerer.rtc.sdp_api();
        change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let mid = change.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
        change.add_channel("bench".to_owned());
        let (offer, pending) = change.apply().expect("there are changes");
        let answer = answerer.rtc.sdp_api().accept_offer(offer).expect("its own offer");
        offerer.rtc.sdp_api().accept_answer(pending, answer).expect("its own answer");
        for peer in [&mut offerer, &mut answerer] {
            let codecs = peer.rtc.codec_config();
            let vp8 = codecs.find(|codec| codec.spec().codec == Codec::Vp8).expect("VP8 is on");
            peer.video = Some((mid, vp8.pt()));
        }
        (offerer, answerer)
    }
}

impl Str0mPeer {
    fn new(now: Instant, local: SocketAddr, remote: SocketAddr) -> Self {
        let config =
            str0m::RtcConfig::new().set_rtp_mode(true).set_dtls_version(DtlsVersion::Dtls12);
        let mut rtc = config.build(now);
        let candidate = Candidate::host(local, "udp").expect("an address is a host candidate");
        rtc.add_local_candidate(candidate);
        Self {
            rtc,
            local,
            remote,
            timeout: Some(now),
            connected: false,
            channel: None,
            video: None,
            received_bytes: 0,
            received_messages: 0,
            packets: VecDeque::new(),
            forwarded: 0,
        }
    }

    fn write(&mut self, now: Instant, index: u64, time: u32, payload: &[u8]) {
        let Some((mid, pt)) = self.video else { return };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return };
        stream.write_rtp(RtpWrite::new(pt, index.into(), time, now, payload).nackable(true));
    }
}

impl Peer for Str0mPeer {
    type Packet = RtpPacket;

    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        let Ok(contents) = (&*datagram).try_into() else { return };
        let receive = Receive {
            proto: Protocol::Udp,
            source: self.remote,
            destination: self.local,
            contents,
        };
        self.rtc.handle_input(Input::Receive(now, receive)).expect("str0m goes on");
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).expect("str0m goes on");
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.timeout
    }

    fn drain(&mut self, _now: Instant, outbox: &mut Outbox) {
        loop {
            match self.rtc.poll_output().expect("str0m goes on") {
                Output::Timeout(timeout) => {
                    self.timeout = Some(timeout);
                    return;
                }
                Output::Transmit(transmit) => outbox.push(&transmit.contents),
                Output::Event(event) => match event {
                    Event::Connected => self.connected = true,
                    Event::ChannelOpen(id, _) => self.channel = Some(id),
                    Event::ChannelData(data) => {
                        self.received_messages += 1;
                        self.received_bytes += data.data.len() as u64;
                    }
                    Event::RtpPacket(packet) => self.packets.push_back(packet),
                    _ => {}
                },
            }
        }
    }

    fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    fn is_connected(&self) -> bool {
        self.connected
    }

    fn send_message(&mut self, _now: Instant, data: &Bytes) -> bool {
        let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) else {
            return false;
        };
        channel.write(true, data).expect("the channel is open")
    }

    fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    fn received_messages(&self) -> u64 {
        self.received_messages
    }

    fn send_packet(&mut self, now: Instant, index: u64, payload: &Bytes) {
        self.write(now, index, index as u32 * 90, payload);
    }

    fn read_packet(&mut self, _now: Instant) -> Option<RtpPacket> {
        self.packets.pop_front()
    }

    fn forward(&mut self, now: Instant, packet: &RtpPacket) {
        let index = self.forwarded;
        self.forwarded += 1;
        let Some((mid, pt)) = self.video else { return };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return };
        // The payload is shared: it is an `Arc`.
        let write =
            RtpWrite::new(pt, index.into(), packet.header.timestamp, now, packet.payload.clone());
        stream.write_rtp(write.marker(packet.header.marker).nackable(true));
    }
}
