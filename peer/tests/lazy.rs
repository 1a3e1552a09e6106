//! The contract of the five calls, over a whole call with media and data.
//!
//! A tidy driver drains everything after every call. This one makes the calls in random order,
//! twice, late or not at all, stops polling after any datagram, and tells times that step back. It
//! wakes up for deadlines and arrivals only, and its applications act on events only, so that news
//! which nobody tells stalls the call. The applications at both ends must see the same as ever.
//!
//! After any call it may also ask whether all the news of that call were told: a further call that
//! has nothing to do must not bring any.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{A, B, Fate, Pair, address, seeds};
use peerless::media::transceiver::{RtpTransceiverDirection, TransceiverInit};
use peerless::{
    BundlePolicy, Configuration, ConnectionState, DataChannelId, DataChannelInit, Datagram, Event,
    FiveTuple, Frame, IceCandidate, IceGatheringState, MediaKind, Message, OfferOptions,
    OutgoingPacket, Readable, ReceiveMode, SdpType, SessionDescription, SocketRequest,
    TransceiverId,
};
use rtp::PayloadType;

const MESSAGES: u32 = 40;
const FRAMES: u32 = 20;

/// xorshift64*, enough to choose calls.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// What the signalling channel carries, in order.
enum Mail {
    Description(SessionDescription),
    Candidate(IceCandidate),
}

/// What happens besides messages and frames, in this order. Each begins when the one before is
/// over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Chapter {
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

struct Call {
    pair: Pair,
    random: Random,
    mail: VecDeque<(usize, Mail)>,
    /// Somebody's offer has not been answered yet.
    negotiating: bool,
    bundled: bool,
    next_port: u16,
    /// News that were told, and that no application has looked at.
    inbox: [VecDeque<Event>; 2],
    chapter: Chapter,
    begun: bool,
    chat: DataChannelId,
    video: TransceiverId,
    theirs: Option<TransceiverId>,
    open: bool,
    sent: u32,
    frames_sent: u32,
    next_frame: Option<Instant>,
    key_frame_wanted: bool,
    messages: Vec<Message>,
    echoed: u32,
    frames: Vec<u32>,
    second: Option<DataChannelId>,
    /// Its other end, at A.
    second_incoming: Option<DataChannelId>,
    audio: Option<TransceiverId>,
    frames_returned: u32,
}

impl Call {
    fn new(seed: u64) -> Self {
        let mut configuration = Configuration::default();
        let bundled = seed % 4 != 3;
        if !bundled {
            // A transport and a socket for each section.
            configuration.bundle_policy = BundlePolicy::MaxCompat;
        }
        let mut pair = Pair::with(configuration.clone(), configuration, seed as u8);
        pair.trickle = false;
        let mut random = Random::new(seed);
        pair.delay = Duration::from_millis(1 + random.below(40));
        let mut loss = Random::new(seed + 1000);
        // Media are not to be lost, nor so late that the jitter buffer gives up: frames would be
        // missing at the end.
        pair.fate = Box::new(move |_, contents| match contents.first() {
            Some(0..64) if loss.below(25) == 0 => Fate::Drop,
            Some(20..) if loss.below(25) == 0 => Fate::Duplicate,
            Some(20..) if loss.below(8) == 0 => Fate::Delay(Duration::from_millis(loss.below(10))),
            _ => Fate::Deliver,
        });
        let now = pair.now;
        let a = &mut pair.peers[A];
        let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        let video = a.add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
        Self {
            pair,
            random,
            mail: VecDeque::new(),
            negotiating: false,
            bundled,
            next_port: 6000,
            inbox: [VecDeque::new(), VecDeque::new()],
            chapter: Chapter::Channel,
            begun: false,
            chat,
            video,
            theirs: None,
            open: false,
            sent: 0,
            frames_sent: 0,
            next_frame: None,
            key_frame_wanted: true,
            messages: Vec::new(),
            echoed: 0,
            frames: Vec::new(),
            second: None,
            second_incoming: None,
            audio: None,
            frames_returned: 0,
        }
    }

    // The signalling.

    fn offer(&mut self, from: usize, options: Option<OfferOptions>) {
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

    fn read_mail(&mut self) {
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

    fn read_events(&mut self, peer: usize) {
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
    fn work(&mut self) {
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
    fn wants_frames(&self) -> bool {
        self.frames_sent < FRAMES || self.chapter != Chapter::End
    }

    fn begin(&mut self) {
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

    fn done(&self) -> bool {
        self.chapter == Chapter::End
            && !self.negotiating
            && self.messages.len() as u32 == MESSAGES
            && self.echoed == MESSAGES
            && self.frames.last() == Some(&((self.frames_sent - 1) * 3000))
    }

    // The driver.

    fn turn(&mut self) -> Result<(), String> {
        let peer = self.random.below(2) as usize;
        // Times step back by up to 20 ms.
        let back = self.random.below(4) * self.random.below(5000);
        let told = self.pair.now - Duration::from_micros(back);
        match self.random.below(12) {
            0..=3 => {
                // Some datagrams, not all.
                let mut buf = Vec::new();
                for _ in 0..self.random.below(4) {
                    buf.clear();
                    let transmit = self.pair.peers[peer].poll_transmit(told, &mut buf);
                    let Some(transmit) = transmit else { break };
                    let path = transmit.path;
                    let sent: Vec<Vec<u8>> = transmit.datagrams().map(<[u8]>::to_vec).collect();
                    for contents in sent {
                        self.pair.put(peer, path, contents);
                    }
                }
                self.asked(peer);
            }
            4 | 5 => {
                // What has arrived, several without a drain between.
                for _ in 0..=self.random.below(4) {
                    let now = self.pair.now;
                    let arrived = self.pair.wire.iter().position(|datagram| datagram.at <= now);
                    let Some(at) = arrived else { break };
                    let mut datagram = self.pair.wire.remove(at);
                    let arrived = Datagram::new(datagram.path, &mut datagram.contents);
                    self.pair.peers[datagram.to].handle_datagram(told, arrived);
                    self.asked(datagram.to);
                }
            }
            6 | 7 => {
                // Early, late or repeated.
                for _ in 0..=self.random.below(2) {
                    self.pair.peers[peer].handle_timeout(told);
                }
                self.asked(peer);
            }
            8 => self.read_events(peer),
            9 => self.work(),
            10 => {
                let _ = self.pair.peers[peer].poll_timeout();
                self.read_mail();
            }
            _ => return self.sleep(),
        }
        Ok(())
    }

    /// Sleeps until something is due, and then some. Only the deadlines that the connections name,
    /// arrivals and the application's own clock wake this driver up; and letters and events, which
    /// it may leave for a while but not for ever.
    fn sleep(&mut self) -> Result<(), String> {
        if self.drowsy() {
            return Ok(());
        }
        let application = self.next_frame.filter(|_| self.wants_frames());
        let Some(next) = [self.pair.next(), application].into_iter().flatten().min() else {
            let (elapsed, chapter) = (self.pair.elapsed(), self.chapter);
            return Err(format!("nothing will happen after {elapsed:?}, in {chapter:?}"));
        };
        if next > self.pair.now {
            let late = self.random.below(3) * self.random.below(3000);
            self.pair.now = next + Duration::from_micros(late);
        }
        Ok(())
    }

    /// Whether there is something to read. Some time passes then, not more than a little.
    fn drowsy(&mut self) -> bool {
        for peer in [A, B] {
            if let Some(event) = self.pair.peers[peer].poll_event() {
                self.inbox[peer].push_back(event);
            }
        }
        let unread = !self.mail.is_empty() || self.inbox.iter().any(|inbox| !inbox.is_empty());
        if unread {
            let until = self.pair.now + Duration::from_micros(self.random.below(2000));
            self.pair.now =
                self.pair.next().map_or(until, |next| until.min(next.max(self.pair.now)));
        }
        unread
    }

    /// A call was made: now and then, asks whether it left any news untold.
    fn asked(&mut self, peer: usize) {
        if self.random.below(3) == 0 {
            let by_datagram = self.random.below(2) == 0;
            told_everything(&mut self.pair, peer, by_datagram, |event| {
                self.inbox[peer].push_back(event);
            });
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.offer(A, None);
        let limit = self.pair.now + Duration::from_secs(60);
        for _ in 0..1_000_000 {
            if self.done() {
                return self.check();
            }
            if self.pair.now > limit {
                return Err(format!(
                    "stalled in {:?}: {} of {MESSAGES} messages, {} echoed, {} of {} frames",
                    self.chapter,
                    self.messages.len(),
                    self.echoed,
                    self.frames.len(),
                    self.frames_sent,
                ));
            }
            self.turn()?;
        }
        Err(format!("it spins: a million calls by {:?}", self.pair.elapsed()))
    }

    fn check(&mut self) -> Result<(), String> {
        let transports = self.pair.peers[A].stats(self.pair.now).transports.len();
        if (transports == 1) != self.bundled {
            return Err(format!("{transports} transports"));
        }
        for (n, message) in self.messages.iter().enumerate() {
            if *message != Message::from(format!("message {n}")) {
                return Err(format!("message {n} is {message:?}"));
            }
        }
        // Nothing of the media was lost: from the first key frame that can be read, all is there.
        if !self.frames.is_sorted_by(|a, b| a + 3000 == *b) {
            return Err(format!("frames are missing or out of order: {:?}", self.frames));
        }
        Ok(())
    }
}

/// Asserts that a call with nothing to do brings no news and moves no deadline.
#[track_caller]
fn told_everything(pair: &mut Pair, peer: usize, by_datagram: bool, mut tell: impl FnMut(Event)) {
    // An old time, which is read as the newest.
    let long_ago = pair.start;
    let nowhere = address(77);
    // What is due is due, since whenever.
    let now = pair.now;
    let peer = &mut pair.peers[peer];
    while let Some(event) = peer.poll_event() {
        tell(event);
    }
    let deadline = peer.poll_timeout().map(|at| at.max(now));
    if by_datagram {
        let path = FiveTuple::udp(nowhere, nowhere);
        peer.handle_datagram(long_ago, Datagram::new(path, &mut [255; 3]));
    } else {
        peer.remove_local_address(long_ago, nowhere);
    }
    assert_eq!(peer.poll_event(), None, "news that the call before did not tell");
    let later = peer.poll_timeout().map(|at| at.max(now));
    assert_eq!(later, deadline, "a deadline that the call before did not set");
}

#[test]
fn a_driver_that_calls_in_any_order_sees_the_same_call() {
    for seed in 0..seeds() {
        println!("seed {seed}");
        if let Err(error) = Call::new(seed).run() {
            panic!("seed {seed}: {error}");
        }
    }
}

/// Takes the news of the call before, and asserts that they are all.
#[track_caller]
fn news(pair: &mut Pair, peer: usize, by_datagram: bool) -> Vec<Event> {
    let mut news = Vec::new();
    told_everything(pair, peer, by_datagram, |event| news.push(event));
    news
}

fn candidates(news: &[Event]) -> usize {
    news.iter()
        .filter(|event| matches!(event, Event::IceCandidate(c) if !c.candidate.is_empty()))
        .count()
}

#[test]
fn sockets_and_addresses_are_news_at_once() {
    for by_datagram in [false, true] {
        for fails in [false, true] {
            let mut configuration = Configuration::default();
            configuration.bundle_policy = BundlePolicy::MaxCompat;
            let mut pair = Pair::with(configuration.clone(), configuration, 1);
            let now = pair.now;
            let a = &mut pair.peers[A];
            a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
            news(&mut pair, A, by_datagram);
            pair.peers[A].add_transceiver(now, MediaKind::Audio, Default::default()).unwrap();
            news(&mut pair, A, by_datagram);
            pair.peers[A].set_local_description(now, None).unwrap();
            let told = news(&mut pair, A, by_datagram);
            assert_eq!(candidates(&told), 1);
            let asked = told.iter().find_map(|event| match event {
                Event::Socket(SocketRequest::Bind { id, .. }) => Some(*id),
                _ => None,
            });
            let asked = asked.expect("a second transport needs a socket");
            if fails {
                pair.peers[A].socket_failed(now, asked);
            } else {
                let own = FiveTuple::udp(address(A + 10), address(A + 10));
                pair.peers[A].socket_opened(now, asked, own);
            }
            let told = news(&mut pair, A, by_datagram);
            assert_eq!(candidates(&told), usize::from(!fails));
            let complete = Event::IceGatheringStateChange(IceGatheringState::Complete);
            assert!(told.contains(&complete), "{told:?}");
            pair.peers[A].add_local_address(address(A + 20));
            assert_eq!(candidates(&news(&mut pair, A, by_datagram)), 1);
        }
    }
}

#[test]
fn what_ends_is_news_at_once() {
    for by_datagram in [false, true] {
        let mut pair = Pair::new();
        let now = pair.now;
        let a = &mut pair.peers[A];
        let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        let unwanted = a.create_data_channel(now, "unwanted", DataChannelInit::default()).unwrap();
        a.data_channel(unwanted).unwrap().close(now);
        let told = news(&mut pair, A, by_datagram);
        assert!(told.contains(&Event::DataChannelClose(unwanted)), "{told:?}");
        pair.negotiate(A);
        assert!(pair.run_until(Duration::from_secs(5), |pair| {
            pair.saw(A, &Event::DataChannelOpen(chat))
        }));
        let now = pair.now;
        let mid_call =
            pair.peers[A].create_data_channel(now, "mid-call", DataChannelInit::default()).unwrap();
        let told = news(&mut pair, A, by_datagram);
        assert!(told.contains(&Event::DataChannelOpen(mid_call)), "{told:?}");
        pair.run_for(Duration::from_secs(1));

        // A's address goes; B hears nothing any more, and only its clock tells.
        let now = pair.now;
        pair.peers[A].remove_local_address(now, address(A));
        let told = news(&mut pair, A, by_datagram);
        let failed = Event::ConnectionStateChange(ConnectionState::Failed);
        assert!(told.contains(&failed), "{told:?}");
        let mut told = Vec::new();
        while !told.contains(&failed) {
            let at = pair.peers[B].poll_timeout().expect("B will find out");
            assert!(at < now + Duration::from_secs(60), "{told:?}");
            pair.now = pair.now.max(at);
            pair.peers[B].handle_timeout(pair.now);
            told.extend(news(&mut pair, B, by_datagram));
            while pair.peers[B].poll_transmit(pair.now, &mut Vec::new()).is_some() {}
            told.extend(news(&mut pair, B, by_datagram));
        }
        let disconnected = Event::ConnectionStateChange(ConnectionState::Disconnected);
        assert!(told.contains(&disconnected), "{told:?}");
    }
}

#[test]
fn what_is_stopped_sends_nothing_from_then_on() {
    let mut pair = Pair::new();
    let now = pair.now;
    let init = TransceiverInit::send_recv();
    let audio = pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
    pair.negotiate(A);
    pair.run_for(Duration::from_secs(1));
    let (now, opus) = (pair.now, PayloadType::from_low_bits(111));
    for stops in [false, true] {
        for n in 0..5 {
            let packet = OutgoingPacket::new(opus, n * 960, Bytes::from_static(b"opus"));
            pair.peers[A].sender(audio).unwrap().send_packet(now, packet).unwrap();
        }
        if stops {
            pair.peers[A].transceiver(audio).unwrap().stop(now);
        }
        let (mut sent, mut buf) = (0, Vec::new());
        while let Some(transmit) = pair.peers[A].poll_transmit(now, &mut buf) {
            sent += usize::from(transmit.contents[0] >= 128 && transmit.contents[1] & 127 == 111);
            buf.clear();
        }
        assert_eq!(sent > 0, !stops, "{sent} packets");
    }
}
