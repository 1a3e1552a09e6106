//! What the applications at both ends do: the signalling, and a story in chapters.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peerless::media::transceiver::{RtpTransceiverDirection, TransceiverInit};
use peerless::{
    DataChannelId, DataChannelInit, Event, FiveTuple, Frame, MediaKind, OfferOptions,
    OutgoingPacket, Readable, ReceiveMode, SdpType, SocketRequest, TransceiverId,
};
use rtp::PayloadType;

use super::common::{A, B};
use super::{Call, FRAMES, MESSAGES, Mail};

/// What happens besides messages and frames, in this order. Each begins when the one before is
/// over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Chapter {
    /// B opens a channel in the middle of the call, A answers on it, A closes it.
    Channel,
    /// B asks for a key frame.
    KeyFrame,
    /// A begins to receive, too, and B sends its frames back.
    Direction,
    /// B wants new paths.
    RestartByB,
    /// A offers new paths outright.
    RestartByA,
    /// B adds audio as packets, A sends them back.
    Audio,
    /// A sends more than its buffer's threshold.
    Backlog,
    /// A stops the audio.
    Stop,
    End,
}

impl Chapter {
    const fn next(self) -> Self {
        match self {
            Self::Channel => Self::KeyFrame,
            Self::KeyFrame => Self::Direction,
            Self::Direction => Self::RestartByB,
            Self::RestartByB => Self::RestartByA,
            Self::RestartByA => Self::Audio,
            Self::Audio => Self::Backlog,
            Self::Backlog => Self::Stop,
            Self::Stop | Self::End => Self::End,
        }
    }
}

impl Call {
    // The signalling.

    pub(crate) fn offer(&mut self, from: usize, options: Option<OfferOptions>) {
        let now = self.pair.now;
        self.negotiating = true;
        let description = options.map(|options| {
            let offer = self.pair.peers[from].create_offer(now, options).expect("an offer");
            self.asked(from);
            offer
        });
        self.pair.peers[from].set_local_description(now, description).expect("it was made for it");
        self.asked(from);
        self.describe(from);
    }

    /// Sends the local description, without its candidates: those come one by one. Without the
    /// bundle, every section has a transport of its own.
    fn describe(&mut self, from: usize) {
        let mut description = self.pair.peers[from].local_description().expect("it was set");
        let lines = description.sdp.split_inclusive("\r\n");
        description.sdp = lines
            .filter(|line| {
                !line.starts_with("a=candidate")
                    && !line.starts_with("a=end-of-candidates")
                    && (self.bundled || !line.starts_with("a=group:BUNDLE"))
            })
            .collect();
        self.mail.push_back((1 - from, Mail::Description(description)));
    }

    pub(crate) fn read_mail(&mut self) {
        let Some((to, mail)) = self.mail.pop_front() else { return };
        let now = self.pair.now;
        let peer = &mut self.pair.peers[to];
        match mail {
            Mail::Candidate(candidate) => {
                peer.add_ice_candidate(now, candidate).expect("a good candidate");
            }
            Mail::Description(description) if description.kind == SdpType::Offer => {
                peer.set_remote_description(now, description).expect("the offer fits");
                self.asked(to);
                let now = self.pair.now;
                self.pair.peers[to].set_local_description(now, None).expect("an answer");
                self.asked(to);
                self.describe(to);
            }
            Mail::Description(description) => {
                peer.set_remote_description(now, description).expect("the answer fits");
                self.negotiating = false;
            }
        }
        self.asked(to);
    }

    // The applications.

    pub(crate) fn read_events(&mut self, peer: usize) {
        for _ in 0..1 + self.random.below(4) {
            let event = self.inbox[peer].pop_front();
            let Some(event) = event.or_else(|| self.pair.peers[peer].poll_event()) else { return };
            self.on(peer, event);
            self.asked(peer);
        }
    }

    fn on(&mut self, peer: usize, event: Event) {
        let now = self.pair.now;
        match event {
            Event::IceCandidate(candidate) => {
                self.mail.push_back((1 - peer, Mail::Candidate(candidate)));
            }
            Event::Socket(SocketRequest::Bind { id, address }) => {
                self.next_port += 1;
                let own = SocketAddr::new(address, self.next_port);
                self.pair.peers[peer].socket_opened(now, id, FiveTuple::udp(own, own));
            }
            Event::DataChannelOpen(id) if id == self.chat && peer == A => self.open = true,
            Event::DataChannelOpen(id) if Some(id) == self.second && peer == B => {
                let mut channel = self.pair.peers[B].data_channel(id).expect("it is open");
                channel.send(now, "ping").expect("the buffer is large");
            }
            Event::DataChannel(id) if peer == A => self.second_incoming = Some(id),
            Event::Readable(Readable::Channel(id)) => self.read_messages(peer, id),
            Event::Readable(Readable::Receiver(id)) => self.read_media(peer, id),
            Event::Track(track) if peer == B => self.theirs = Some(track.transceiver),
            Event::Track(track) if Some(track.transceiver) != Some(self.video) => {
                let mut receiver = self.pair.peers[A].receiver(track.transceiver).unwrap();
                receiver.set_mode(now, ReceiveMode::Packets);
            }
            Event::DataChannelClose(id) if Some(id) == self.second && peer == B => {
                self.over(Chapter::Channel);
            }
            Event::KeyFrameRequested(id) if id == self.video => {
                self.key_frame_wanted = true;
                // The jitter buffer asks by itself, too, when the first packets were late.
                if self.chapter == Chapter::KeyFrame && self.begun {
                    self.over(Chapter::KeyFrame);
                }
            }
            Event::BufferedAmountLow(id)
                if id == self.chat && self.chapter == Chapter::Backlog && self.begun =>
            {
                self.over(Chapter::Backlog);
            }
            Event::TrackEnded(id) if Some(id) == self.audio && peer == B => {
                self.over(Chapter::Stop);
            }
            _ => {}
        }
    }

    fn over(&mut self, chapter: Chapter) {
        assert_eq!(self.chapter, chapter, "what was not asked for came");
        (self.chapter, self.begun) = (chapter.next(), false);
    }

    fn read_messages(&mut self, peer: usize, id: DataChannelId) {
        let now = self.pair.now;
        while let Some(message) =
            self.pair.peers[peer].data_channel(id).and_then(|mut channel| channel.read())
        {
            match (peer, message.as_text()) {
                (B, Some("backlog")) => {}
                // B's second channel: A answers and closes it, both at once.
                (A, Some("ping")) => {
                    assert_eq!(self.second_incoming, Some(id), "it was announced before");
                    let mut channel = self.pair.peers[A].data_channel(id).expect("it is open");
                    channel.send(now, "pong").expect("the buffer is large");
                    channel.close(now);
                }
                (B, Some("pong")) => assert_eq!(self.second, Some(id)),
                (A, _) => self.echoed += 1,
                _ => {
                    // An echo, without a drain between reading and sending.
                    let mut channel = self.pair.peers[B].data_channel(id).expect("it is open");
                    channel.send(now, message.clone()).expect("the buffer is large");
                    self.messages.push(message);
                }
            }
        }
    }

    fn read_media(&mut self, peer: usize, id: TransceiverId) {
        let now = self.pair.now;
        // By the time that it is read, an event may be about a transceiver that was stopped.
        while let Some(frame) =
            self.pair.peers[peer].receiver(id).and_then(|mut receiver| receiver.read_frame(now))
        {
            if peer == A {
                self.frames_returned += 1;
                if self.chapter == Chapter::Direction {
                    self.over(Chapter::Direction);
                }
                continue;
            }
            self.frames.push(frame.rtp_time);
            if self.chapter == Chapter::Direction {
                // Refused until the negotiation is over. Only with a key frame can A begin.
                let mut data = frame.data.to_vec();
                data[0] = 0x10;
                let frame = Frame::new(Bytes::from(data), frame.rtp_time);
                let _ = self.pair.peers[B].sender(id).unwrap().send_frame(now, frame);
            }
        }
        while let Some(packet) =
            self.pair.peers[peer].receiver(id).and_then(|mut receiver| receiver.read_packet())
        {
            if peer == A {
                self.pair.peers[A].sender(id).unwrap().forward(now, &packet).expect("it sends");
            } else {
                assert_eq!(packet.payload, "opus");
                if self.chapter == Chapter::Audio {
                    self.over(Chapter::Audio);
                }
            }
        }
    }

    /// Sends whatever is due, and goes on with the story.
    pub(crate) fn work(&mut self) {
        let now = self.pair.now;
        if !self.open {
            return;
        }
        let a = &mut self.pair.peers[A];
        if self.sent < MESSAGES {
            let text = format!("message {}", self.sent);
            let mut channel = a.data_channel(self.chat).expect("it is open");
            channel.send(now, text).expect("the buffer is large");
            self.sent += 1;
            self.asked(A);
        }
        if self.wants_frames() && self.next_frame.is_none_or(|at| at <= now) {
            let mut data = vec![self.frames_sent as u8; 2500];
            data[0] = if self.key_frame_wanted { 0x10 } else { 0x11 };
            data[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
            let frame = Frame::new(Bytes::from(data), self.frames_sent * 3000);
            let a = &mut self.pair.peers[A];
            if a.sender(self.video).expect("it exists").send_frame(now, frame).is_ok() {
                self.frames_sent += 1;
                self.key_frame_wanted = false;
                self.next_frame = Some(now + Duration::from_millis(33));
            }
            self.asked(A);
        }
        if let (Chapter::Audio, true, Some(audio)) = (self.chapter, self.begun, self.audio)
            && !self.negotiating
            && self.random.below(4) == 0
        {
            let b = &mut self.pair.peers[B];
            let opus = b.transceiver(audio).unwrap().codecs()[0].payload_type;
            let packet = OutgoingPacket::new(
                PayloadType::from_low_bits(opus),
                960,
                Bytes::from_static(b"opus"),
            );
            let _ = b.sender(audio).unwrap().send_packet(now, packet);
            self.asked(B);
        }
        if !self.begun && !self.negotiating {
            self.begun = true;
            self.begin();
        }
    }

    /// The story needs frames to go on: more are sent until it is over.
    pub(crate) fn wants_frames(&self) -> bool {
        self.frames_sent < FRAMES || self.chapter != Chapter::End
    }

    pub(crate) fn begin(&mut self) {
        let now = self.pair.now;
        let [a, b] = &mut self.pair.peers;
        match self.chapter {
            Chapter::Channel => {
                let init = DataChannelInit::default();
                self.second = Some(b.create_data_channel(now, "second", init).unwrap());
                self.asked(B);
            }
            Chapter::KeyFrame => match self.theirs {
                Some(theirs) => {
                    b.receiver(theirs).unwrap().request_key_frame(now);
                    self.asked(B);
                }
                None => self.begun = false,
            },
            Chapter::Direction => {
                let theirs = self.theirs.expect("there was a key frame");
                let both = RtpTransceiverDirection::SendRecv;
                b.transceiver(theirs).unwrap().set_direction(now, both).unwrap();
                a.transceiver(self.video).unwrap().set_direction(now, both).unwrap();
                self.asked(A);
                self.offer(A, None);
            }
            Chapter::RestartByB => {
                b.restart_ice(now);
                self.asked(B);
                self.offer(B, None);
                self.over(Chapter::RestartByB);
            }
            Chapter::RestartByA => {
                let mut options = OfferOptions::default();
                options.ice_restart = true;
                self.offer(A, Some(options));
                self.over(Chapter::RestartByA);
            }
            Chapter::Audio => {
                // Its sender waits for B's offer.
                a.add_track(now, MediaKind::Audio, &[]).unwrap();
                let init = TransceiverInit::send_recv().with_packets();
                self.audio = Some(b.add_transceiver(now, MediaKind::Audio, init).unwrap());
                self.asked(B);
                self.offer(B, None);
            }
            Chapter::Backlog => {
                let mut chat = a.data_channel(self.chat).expect("it is open");
                chat.set_buffered_amount_low_threshold(8);
                for _ in 0..300 {
                    chat.send(now, "backlog").expect("the buffer is large");
                }
                self.asked(A);
            }
            Chapter::Stop => {
                let last = a.transceivers().last().expect("it was added last");
                a.transceiver(last).unwrap().stop(now);
                // At once, not with the answer.
                let packet = OutgoingPacket::new(PayloadType::from_low_bits(111), 0, Bytes::new());
                let sent = a.sender(last).map(|mut sender| sender.send_packet(now, packet));
                assert!(!matches!(sent, Some(Ok(()))), "it has been stopped");
                self.asked(A);
                self.offer(A, None);
            }
            Chapter::End => {}
        }
    }
}
