//! What no session that goes on can have is refused, whoever wrote it.

use super::*;
use crate::message::Message;
use bytes::Bytes;

/// A session with a channel of its own, "ours" on stream 0, one of the peer's, "theirs" on stream 1,
/// one that the peer has closed with a message in it, "closed" on stream 3, and a message that came
/// early on stream 9.
fn session() -> (Session, Instant) {
    let now = Instant::now();
    let [mut a, mut z] = [1, 2].map(|seed| Session::new(Config::default(), now, [seed; 32]));
    a.start(now, Role::Client);
    z.start(now, Role::Server);
    a.open(now, ChannelInit::new("ours")).unwrap();
    z.open(now, ChannelInit::new("theirs")).unwrap();
    let closed = z.open(now, ChannelInit::new("closed")).unwrap();
    let nine = ChannelInit { negotiated: Some(9), ..ChannelInit::default() };
    let early = z.open(now, nine).unwrap();
    exchange(&mut a, &mut z, now);
    z.send(now, closed, "unread").unwrap();
    z.send(now, early, "early").unwrap();
    z.close(now, closed);
    exchange(&mut a, &mut z, now);
    while a.poll_event().is_some() {}
    assert_eq!((a.live, a.slots.len(), a.early.bytes), (2, 3, 5 + OVERHEAD));
    (a, now)
}

fn exchange(a: &mut Session, z: &mut Session, now: Instant) {
    for _ in 0..8 {
        carry(a, z, now);
        carry(z, a, now);
    }
}

fn carry(from: &mut Session, to: &mut Session, now: Instant) {
    let mut packet = Vec::new();
    while from.poll_transmit(now, &mut packet).is_some() {
        to.handle_datagram(now, &packet);
        packet.clear();
    }
}

fn id(session: &Session, label: &str) -> ChannelId {
    session.channels().find(|id| session.label(*id) == Some(label)).unwrap()
}

fn channel<'s>(session: &'s mut Session, label: &str) -> &'s mut Channel {
    let id = id(session, label);
    session.channel_mut(id).unwrap()
}

/// What comes of a session that is changed before it is handed over.
fn moved(config: Config, change: impl FnOnce(&mut Session)) -> Result<(), HandoverError> {
    let (mut session, now) = session();
    change(&mut session);
    let bytes = session.hand_over(now).unwrap();
    Session::resume(config, now, [3; 32], &bytes).map(|_| ())
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Session)) {
    assert_eq!(moved(Config::default(), change), Err(HandoverError::Malformed));
}

#[test]
fn the_bounds_of_a_running_session_are_kept() {
    let names = "theirs".len() + "closed".len();
    let bounds = |channels, names, early| {
        let config = Config {
            max_channels: channels,
            max_name_bytes: names,
            max_early_bytes: early,
            ..Config::default()
        };
        moved(config, |_| {})
    };
    let early = 5 + OVERHEAD;
    assert_eq!(bounds(2, names, early), Ok(()));
    assert_eq!(bounds(1, names, early), Err(HandoverError::Malformed));
    assert_eq!(bounds(2, names - 1, early), Err(HandoverError::Malformed));
    assert_eq!(bounds(2, names, early - 1), Err(HandoverError::Malformed));
}

#[test]
fn as_many_channels_as_may_be_live_may_be_closed() {
    let with_more = |more: u32| {
        moved(Config { max_channels: 2, ..Config::default() }, |session| {
            for serial in 0..more {
                let message = Message { ppid: 51, payload: Bytes::from_static(b"unread") };
                let closed = Channel {
                    state: ChannelState::Closed,
                    stream: Some(5),
                    incoming: true,
                    unread: VecDeque::from([message]),
                    ..Channel::default()
                };
                session.opened += 1;
                session.slots.push(Some((100 + serial, Box::new(closed))));
            }
        })
    };
    assert_eq!(with_more(2), Ok(()));
    assert_eq!(with_more(3), Err(HandoverError::Malformed));
}

#[test]
fn a_live_channel_has_a_stream_of_its_own() {
    refused(|session| channel(session, "ours").stream = None);
    refused(|session| channel(session, "ours").stream = Some(1));
    refused(|session| channel(session, "ours").stream = Some(u16::MAX));
    refused(|session| channel(session, "ours").init.negotiated = Some(2));
    refused(|session| channel(session, "theirs").init.negotiated = Some(1));
    refused(|session| channel(session, "ours").state = ChannelState::Connecting);
}

#[test]
fn a_channel_is_closing_while_its_streams_are_being_reset() {
    let closing = |session: &mut Session| {
        let channel = channel(session, "ours");
        channel.state = ChannelState::Closing;
        channel.reset_asked = true;
    };
    assert_eq!(moved(Config::default(), closing), Ok(()));
    refused(|session| channel(session, "ours").state = ChannelState::Closing);
    refused(|session| channel(session, "ours").reset_asked = true);
    refused(|session| channel(session, "ours").incoming_reset = true);
    refused(|session| channel(session, "ours").outgoing_reset = true);
    refused(|session| {
        closing(session);
        channel(session, "ours").incoming_reset = true;
        channel(session, "ours").outgoing_reset = true;
    });
    refused(|session| channel(session, "ours").cut_short = Some(53));
    refused(|session| channel(session, "ours").rest_unread = true);
}

#[test]
fn a_message_is_written_on_an_open_channel_and_by_it() {
    let write = |session: &mut Session| {
        let (id, now) = (id(session, "ours"), Instant::now());
        session.begin(now, id, "begun").unwrap();
    };
    assert_eq!(moved(Config::default(), write), Ok(()));
    refused(|session| {
        write(session);
        channel(session, "ours").writing = None;
    });
    refused(|session| channel(session, "closed").writing = Some(Writing { binary: true }));
}

#[test]
fn a_closed_channel_is_kept_for_what_is_left_of_it() {
    refused(|session| channel(session, "closed").unread.clear());
    let told = |session: &mut Session| {
        channel(session, "closed").unread.clear();
        let id = id(session, "closed");
        session.tell(id, Events::CLOSED);
    };
    assert_eq!(moved(Config::default(), told), Ok(()));
}

#[test]
fn all_news_are_told_in_their_turn() {
    refused(|session| channel(session, "ours").events.set(Events::LOW));
    refused(|session| {
        let id = id(session, "ours");
        session.tell(id, Events::CLOSED);
    });
    refused(|session| session.opened = 2);
    // That the association is up, or has restarted, was told.
    let (mut session, now) = session();
    let bytes = session.hand_over(now).unwrap();
    for flag in [33, 34] {
        let mut bytes = bytes.clone();
        assert_eq!(bytes[flag], 0);
        bytes[flag] = 1;
        let resumed = Session::resume(Config::default(), now, [3; 32], &bytes);
        assert_eq!(resumed.map(|_| ()), Err(HandoverError::Malformed));
    }
}

#[test]
fn what_came_early_has_no_channel_yet() {
    refused(|session| _ = session.early.streams.insert(1, VecDeque::new()));
    refused(|session| _ = session.early.streams.insert(u16::MAX, VecDeque::new()));
    // A stream stands there once: the list comes last.
    let (mut session, now) = session();
    let bytes = session.hand_over(now).unwrap();
    session.early.streams.clear();
    let without = session.hand_over(now).unwrap().len();
    let (head, entry) = (&bytes[..without - 8], &bytes[without..]);
    let resume = |count: u64| {
        let twice = [head, &count.to_be_bytes(), &entry.repeat(count as usize)].concat();
        Session::resume(Config::default(), now, [3; 32], &twice).map(|_| ())
    };
    assert_eq!((resume(1), resume(2)), (Ok(()), Err(HandoverError::Malformed)));
}

#[test]
fn a_refused_stream_is_handed_over() {
    let change = |session: &mut Session| _ = session.early.streams.insert(11, VecDeque::new());
    assert_eq!(moved(Config::default(), change), Ok(()));
}

#[test]
fn the_peer_takes_messages_of_a_byte_at_least() {
    refused(|session| session.remote_max_message_size = Some(0));
}
