//! Our side.
#![expect(clippy::disallowed_methods, reason = "a driver lives in real time")]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use peerless::{
    Configuration, ConnectionId, DataChannelId, DataChannelInit, Event, Frame, IceGatheringState,
    MediaKind, Message, Origin, PeerConnection, Readable, SecurityReport, SendError,
    SessionDescription, TransceiverId, driver::Blocking, endpoint::Endpoint,
    media::transceiver::TransceiverInit, stats::AssociationStats,
};
use peerless_examples::media;

/// The most bytes that a bulk message has.
pub(crate) const PART: usize = 256 * 1024;

/// The bytes of a bulk transfer from `at` on.
pub(crate) fn pattern(at: usize, len: usize) -> Vec<u8> {
    (at..at + len).map(|at| (at % 251) as u8).collect()
}

/// What came of the other side's sound.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Local {
    endpoint: Endpoint,
    driver: Blocking,
    id: ConnectionId,
    open: BTreeSet<DataChannelId>,
    closed: BTreeSet<DataChannelId>,
    /// Channels that the other side has opened.
    theirs: VecDeque<DataChannelId>,
    /// What has been read, by channel; bulk is not put here.
    messages: BTreeMap<DataChannelId, VecDeque<Message>>,
    bulk: Option<DataChannelId>,
}

impl Local {
    pub(crate) fn new(address: IpAddr, configuration: Configuration) -> Self {
        let mut endpoint = Endpoint::new(Origin::system());
        let driver = Blocking::bind(SocketAddr::new(address, 0)).expect("a socket");
        let id = endpoint.add_connection(now(), configuration);
        Self {
            endpoint,
            driver,
            id,
            open: BTreeSet::new(),
            closed: BTreeSet::new(),
            theirs: VecDeque::new(),
            messages: BTreeMap::new(),
            bulk: None,
        }
    }

    fn pc(&mut self) -> &mut PeerConnection {
        self.endpoint.connection_mut(self.id).expect("the connection is there")
    }

    /// Makes room for sound both ways, before the offer.
    pub(crate) fn add_audio(&mut self) -> TransceiverId {
        let init = TransceiverInit::send_recv();
        self.pc().add_transceiver(now(), MediaKind::Audio, init).expect("a transceiver")
    }

    /// Plays two seconds of sound, and returns how many frames of how many bytes came meanwhile.
    pub(crate) fn talk(&mut self, id: TransceiverId) -> Heard {
        let sound = media::read_ogg_opus(include_bytes!("../../../media/opus.ogg"));
        let (start, mut heard) = (now(), Heard::default());
        for sample in sound.expect("the sample is there") {
            while start.elapsed() < sample.time {
                self.turn();
                let pc = self.pc();
                while let Some(frame) = pc.receiver(id).and_then(|mut it| it.read_frame(now())) {
                    heard.frames += 1;
                    heard.bytes += frame.data.len();
                }
            }
            let ticks = sample.time.as_millis() as u32 * 48;
            let mut sender = self.pc().sender(id).expect("it is there");
            sender.send_frame(now(), Frame::new(sample.data, ticks)).expect("sound is sent");
        }
        heard
    }

    pub(crate) fn offer(&mut self) -> String {
        // The driver tells the endpoint its addresses.
        self.turn();
        let pc = self.pc();
        pc.create_data_channel(now(), "echo first", DataChannelInit::default()).expect("a channel");
        pc.set_local_description(now(), None).expect("an offer");
        self.until("all candidates are known", |local| {
            local.pc().ice_gathering_state() == IceGatheringState::Complete
        });
        self.pc().local_description().expect("an offer").sdp
    }

    pub(crate) fn take_answer(&mut self, sdp: &str) {
        let answer = SessionDescription::answer(sdp);
        self.pc().set_remote_description(now(), answer).expect("the answer is good");
        self.until("the first channel is open", |local| !local.open.is_empty());
    }

    /// Goes round until something is so, for half a minute at most without an event or the packets
    /// of a transfer.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let (mut last_news, mut received) = (now(), 0);
        while !done(self) {
            let all = self.driver.statistics().received;
            if self.turn() || all > received + 1000 {
                (last_news, received) = (now(), all);
            }
            assert!(
                last_news.elapsed() < Duration::from_secs(30),
                "{what}? {:#?}",
                self.pc().stats(now())
            );
        }
    }

    /// The same for what the other side must be asked; it is asked ten times a second.
    pub(crate) fn wait(&mut self, what: &str, mut done: impl FnMut() -> bool) {
        let limit = now() + Duration::from_secs(30);
        while !done() {
            assert!(now() < limit, "{what}");
            let next = now() + Duration::from_millis(100);
            while now() < next {
                self.turn();
            }
        }
    }

    /// Goes round once; returns whether anything has happened.
    fn turn(&mut self) -> bool {
        let mut events = Vec::new();
        let most = Some(Duration::from_millis(20));
        self.driver.turn(&mut self.endpoint, most, |_, _, event| events.push(event)).expect("IO");
        let news = !events.is_empty();
        for event in events {
            match event {
                Event::DataChannel(id) => self.theirs.push_back(id),
                Event::DataChannelOpen(id) => _ = self.open.insert(id),
                Event::DataChannelClose(id) => _ = self.closed.insert(id),
                Event::Readable(Readable::Channel(id)) if self.bulk != Some(id) => {
                    let pc = self.endpoint.connection_mut(self.id).expect("it is there");
                    let Some(mut channel) = pc.data_channel(id) else { continue };
                    while let Some(message) = channel.read() {
                        self.messages.entry(id).or_default().push_back(message);
                    }
                }
                _ => {}
            }
        }
        news
    }

    pub(crate) fn open(&mut self, label: &str, init: DataChannelInit) -> DataChannelId {
        let id = self.pc().create_data_channel(now(), label, init).expect("a channel");
        self.until(label, |local| local.open.contains(&id));
        id
    }

    /// Opens all before any is known to be open.
    pub(crate) fn open_many(&mut self, label: &str, count: usize) -> Vec<DataChannelId> {
        let pc = self.pc();
        let all: Vec<_> = (0..count)
            .map(|_| pc.create_data_channel(now(), label, DataChannelInit::default()).expect("one"))
            .collect();
        self.until("all are open", |local| all.iter().all(|id| local.open.contains(id)));
        all
    }

    /// Waits for so many channels of the other side, and says back what each says. Returns them.
    pub(crate) fn echo_theirs(&mut self, count: usize) -> Vec<DataChannelId> {
        self.until("theirs are open", |local| local.theirs.len() >= count);
        let theirs: Vec<_> = self.theirs.drain(..).collect();
        for id in &theirs {
            let message = self.read(*id);
            self.send(*id, message);
        }
        theirs
    }

    pub(crate) fn send(&mut self, id: DataChannelId, message: impl Into<Message>) {
        self.pc().data_channel(id).expect("it is there").send(now(), message).expect("room");
    }

    pub(crate) fn read(&mut self, id: DataChannelId) -> Message {
        self.until("a message", |local| local.messages.get(&id).is_some_and(|it| !it.is_empty()));
        self.messages.get_mut(&id).and_then(VecDeque::pop_front).expect("it is there")
    }

    pub(crate) fn close(&mut self, id: DataChannelId) {
        if let Some(mut channel) = self.pc().data_channel(id) {
            channel.close(now());
        }
    }

    /// How the connection is protected.
    pub(crate) fn security(&mut self) -> SecurityReport {
        self.pc().security_report().expect("DTLS is connected")
    }

    /// What has become of the association so far.
    pub(crate) fn association(&mut self) -> AssociationStats {
        let report = self.pc().stats(now());
        report.sctp_transport.expect("there are data channels").association
    }

    /// Ends the connection, last words included.
    pub(crate) fn hang_up(&mut self) {
        self.pc().close(now());
        self.turn();
    }

    pub(crate) fn until_closed(&mut self, id: DataChannelId) {
        self.until("the channel closes", |local| local.closed.contains(&id));
    }

    /// Sends so many bytes, and returns the seconds that they took and what the other side says.
    pub(crate) fn send_much(
        &mut self,
        id: DataChannelId,
        len: usize,
        part: usize,
    ) -> (f64, Message) {
        let (start, mut at) = (now(), 0);
        let mut refused: Option<Message> = None;
        let mut channel = self.pc().data_channel(id).expect("it is there");
        channel.set_buffered_amount_low_threshold(4 * PART);
        self.until("all is sent", |local| {
            let pc = local.endpoint.connection_mut(local.id).expect("it is there");
            let mut channel = pc.data_channel(id).expect("it is there");
            while at < len || refused.is_some() {
                let message = refused.take().unwrap_or_else(|| {
                    let next = part.min(len - at);
                    at += next;
                    pattern(at - next, next).into()
                });
                match channel.send(now(), message) {
                    Ok(()) => {}
                    Err(SendError::BufferFull { message, .. }) => {
                        refused = Some(message);
                        return false;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            true
        });
        let verdict = self.read(id);
        (start.elapsed().as_secs_f64(), verdict)
    }

    /// Has so many bytes sent here, and returns the seconds that they took.
    pub(crate) fn receive_much(&mut self, id: DataChannelId, len: usize) -> f64 {
        let (start, mut at) = (now(), 0);
        let expected = pattern(0, PART + 251);
        self.bulk = Some(id);
        self.send(id, "go");
        self.until("all has come", |local| {
            let pc = local.endpoint.connection_mut(local.id).expect("it is there");
            let mut channel = pc.data_channel(id).expect("it is there");
            while let Some(message) = channel.read() {
                let from = at % 251;
                let same = message.data() == &expected[from..from + message.len()];
                assert!(same, "the message at byte {at} has changed");
                at += message.len();
            }
            at >= len
        });
        self.bulk = None;
        assert_eq!(at, len, "not one byte more");
        start.elapsed().as_secs_f64()
    }
}

fn now() -> Instant {
    Instant::now()
}
