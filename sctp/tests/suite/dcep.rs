//! RFC 8832 §6: what a channel's peer must not do, and what it is told.

use crate::channels::events;
use crate::pair::{Pair, Side, chunk, chunks, ms, origin, packet, seed};
use peerless_sctp::data_channel::{
    ChannelId, ChannelInit, ChannelState, Config, Event, Role, Session,
};

/// Z, a session whose peer of the handshake, the DTLS client, is gone: the test speaks in its place.
struct Raw {
    pair: Pair<Session>,
    tag: u32,
    tsn: u32,
    reset: u32,
    tsn_z: u32,
}

impl Raw {
    fn new(config: &Config) -> Self {
        let start = origin();
        let session = |side| {
            let mut config = config.clone();
            config.association.interleaving = false;
            Session::new(config, start, seed(1, side))
        };
        let mut pair = Pair::new(start, session(0), session(1));
        pair.a.start(start, Role::Client);
        pair.z.start(start, Role::Server);
        pair.log = Some(Vec::new());
        pair.run(ms(100));
        assert_eq!(events(&mut pair.z), [Event::Connected]);
        let log = pair.log.take().unwrap();
        let word = |of: Side, at: usize| {
            let (_, packet) = log.iter().find(|(side, _)| *side == of).unwrap();
            u32::from_be_bytes(packet[at..at + 4].try_into().unwrap())
        };
        let (tsn, tsn_z) = (word(Side::A, 28), word(Side::Z, 28));
        Self { tag: word(Side::Z, 16), tsn, reset: tsn, tsn_z, pair }
    }

    /// Z takes a whole message.
    fn message(&mut self, stream: u16, ssn: u16, ppid: u32, payload: &[u8]) {
        let mut value = self.tsn.to_be_bytes().to_vec();
        value.extend(stream.to_be_bytes());
        value.extend(ssn.to_be_bytes());
        value.extend(ppid.to_be_bytes());
        value.extend(payload);
        self.tsn = self.tsn.wrapping_add(1);
        let packet = packet(self.tag, &chunk(0, 3, &value));
        self.pair.z.handle_datagram(self.pair.now, &packet);
    }

    /// Z takes an OPEN of a reliable channel without a name.
    fn open(&mut self, stream: u16, ssn: u16) {
        self.message(stream, ssn, 50, &[3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    /// Z takes a request that resets the test's side of a stream.
    fn reset(&mut self, stream: u16) {
        let mut value = vec![0, 13, 0, 18];
        value.extend(self.reset.to_be_bytes());
        value.extend([0; 4]);
        value.extend(self.tsn.wrapping_sub(1).to_be_bytes());
        value.extend(stream.to_be_bytes());
        self.reset = self.reset.wrapping_add(1);
        let packet = packet(self.tag, &chunk(130, 0, &value));
        self.pair.z.handle_datagram(self.pair.now, &packet);
    }

    /// What Z sends now.
    fn answers(&mut self) -> Vec<String> {
        let mut made = Vec::new();
        let mut buf = Vec::new();
        while let Some(range) = self.pair.z.poll_transmit(self.pair.now, &mut buf) {
            made.push(chunks(&buf[range]));
        }
        made
    }

    /// The one channel that Z has, and its events since.
    fn channel(&mut self) -> ChannelId {
        let [Event::ChannelIncoming(id)] = events(&mut self.pair.z)[..] else { panic!() };
        id
    }
}

#[test]
fn an_announcement_on_a_used_stream_closes_the_channel() {
    // "received on an already used stream": "MUST close the corresponding data channel", "MUST NOT
    // send a DATA_CHANNEL_ACK".
    let mut raw = Raw::new(&Config::default());
    raw.open(0, 0);
    let id = raw.channel();
    assert_eq!(raw.answers(), ["Sack Data"], "the ACK");
    raw.open(0, 1);
    assert_eq!(events(&mut raw.pair.z), [Event::ChannelClosing(id)]);
    assert_eq!(raw.pair.z.state(id), ChannelState::Closing);
    let answers = raw.answers();
    assert!(answers.iter().any(|made| made.contains("ReConfig")), "{answers:?}");
    assert!(!answers.iter().any(|made| made.contains("Data")), "{answers:?}");
    raw.reset(0);
    assert_eq!(raw.pair.z.channels().count(), 1, "our reset is not answered yet");
}

#[test]
fn an_announcement_that_cannot_be_read_closes_the_channel() {
    // "the DATA_CHANNEL_OPEN message itself is not well formed", and §7: "using inconsistent lengths of
    // fields, using unknown parameter values".
    let malformed: [&[u8]; 3] = [
        &[3, 0, 1, 0, 0, 0, 0, 0, 0, 9, 0, 0],
        &[3, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[3, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xff],
    ];
    for payload in malformed {
        for used in [false, true] {
            let mut raw = Raw::new(&Config::default());
            if used {
                raw.open(0, 0);
                raw.channel();
            }
            raw.answers();
            raw.message(0, u16::from(used), 50, payload);
            let expected = if used { ChannelState::Closing } else { ChannelState::Closed };
            for id in raw.pair.z.channels().collect::<Vec<_>>() {
                assert_eq!(raw.pair.z.state(id), expected);
            }
            let answers = raw.answers();
            assert!(answers.iter().any(|made| made.contains("ReConfig")), "{answers:?}");
        }
    }
    // A kind of message that nobody knows yet is none of these.
    let mut raw = Raw::new(&Config::default());
    raw.open(0, 0);
    let id = raw.channel();
    raw.message(0, 1, 50, &[4]);
    assert_eq!(raw.pair.z.state(id), ChannelState::Open);
}

#[test]
fn announcements_and_resets_by_turns_pile_nothing_up() {
    // The peer's window is closed: no answer of ours leaves, and neither does our reset, which waits
    // for them.
    let mut raw = Raw::new(&Config::default());
    let mut sack = raw.tsn_z.wrapping_sub(1).to_be_bytes().to_vec();
    sack.extend([0; 8]);
    let closed = packet(raw.tag, &chunk(3, 0, &sack));
    raw.pair.z.handle_datagram(raw.pair.now, &closed);
    for _ in 0..1000 {
        raw.open(0, 0);
        raw.reset(0);
        raw.answers();
        raw.pair.z.handle_datagram(raw.pair.now, &closed);
    }
    let buffered = raw.pair.z.total_buffered_amount();
    assert!(buffered <= 2, "{buffered} bytes of answers");
    assert_eq!(raw.pair.z.channels().count(), 1);
}

#[test]
fn an_announcement_may_come_with_the_answer_to_our_reset() {
    // "a new DATA_CHANNEL_OPEN message can be sent on the stream", in the same packet.
    let mut raw = Raw::new(&Config::default());
    raw.open(0, 0);
    let id = raw.channel();
    raw.answers();
    raw.reset(0);
    assert_eq!(events(&mut raw.pair.z), [Event::ChannelClosing(id)]);
    let answers = raw.answers();
    assert!(answers.iter().any(|made| made.contains("ReConfig")), "{answers:?}");
    let performed = [&[0, 16, 0, 12][..], &raw.tsn_z.to_be_bytes(), &[0, 0, 0, 1]].concat();
    let mut value = raw.tsn.to_be_bytes().to_vec();
    value.extend([0, 0, 0, 0, 0, 0, 0, 50, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let chunks = [chunk(130, 0, &performed), chunk(0, 3, &value)].concat();
    raw.pair.z.handle_datagram(raw.pair.now, &packet(raw.tag, &chunks));
    let told = events(&mut raw.pair.z);
    assert!(told.contains(&Event::ChannelClosed(id)), "{told:?}");
    let new = told.iter().find_map(|event| match event {
        Event::ChannelIncoming(id) => Some(*id),
        _ => None,
    });
    assert_eq!(raw.pair.z.state(new.unwrap()), ChannelState::Open);
}

#[test]
fn announcements_while_our_reset_is_not_answered_pile_nothing_up() {
    // As above, but our first reset has left, and is never answered.
    let mut raw = Raw::new(&Config::default());
    raw.open(0, 0);
    raw.channel();
    raw.answers();
    raw.reset(0);
    raw.answers();
    let mut sack = raw.tsn_z.to_be_bytes().to_vec();
    sack.extend([0; 8]);
    let closed = packet(raw.tag, &chunk(3, 0, &sack));
    for _ in 0..1000 {
        raw.open(0, 0);
        raw.pair.z.handle_datagram(raw.pair.now, &closed);
        raw.reset(0);
        raw.answers();
        events(&mut raw.pair.z);
    }
    let buffered = raw.pair.z.total_buffered_amount();
    assert!(buffered <= 4, "{buffered} bytes of answers");
}

#[test]
fn what_finds_no_room_before_its_channel_is_refused_aloud() {
    // "receiving a message containing user data on an unused stream indicates an error": it is kept for
    // a channel that is negotiated, as far as there is room; beyond, the stream is reset.
    let mut config = Config::default();
    config.max_early_bytes = 10_000;
    let mut raw = Raw::new(&config);
    for ssn in 0..9 {
        raw.message(6, ssn, 53, &[7; 1000]);
        let answers = raw.answers();
        assert!(!answers.iter().any(|made| made.contains("ReConfig")), "{ssn}: {answers:?}");
    }
    raw.message(6, 9, 53, &[7; 1000]);
    let answers = raw.answers();
    assert!(answers.iter().any(|made| made.contains("ReConfig")), "{answers:?}");
    let mut init = ChannelInit::new("late");
    init.negotiated = Some(6);
    let id = raw.pair.z.open(raw.pair.now, init).unwrap();
    assert_eq!(raw.pair.z.read(id), None, "all of it or nothing");
}
