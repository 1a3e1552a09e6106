//! Data channels: RFC 8831 and RFC 8832.

use crate::pair::{Pair, chart, ms, origin, seed};
use peerless_sctp::data_channel::{
    ChannelId, ChannelInit, ChannelState, Config, Event, Message, Role, Session,
};
use std::time::Duration;

/// Two sessions, started but not connected.
fn sessions(number: u64) -> Pair<Session> {
    let start = origin();
    let mut pair = Pair::new(
        start,
        Session::new(Config::default(), start, seed(number, 0)),
        Session::new(Config::default(), start, seed(number, 1)),
    );
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// Two sessions with a channel that A has opened.
fn with_channel(init: ChannelInit) -> (Pair<Session>, ChannelId, ChannelId) {
    let mut pair = sessions(1);
    let a = pair.a.open(pair.now, init).unwrap();
    pair.run(ms(100));
    assert_eq!(events(&mut pair.a), [Event::Connected, Event::ChannelOpen(a)]);
    let incoming = events(&mut pair.z);
    let [Event::Connected, Event::ChannelIncoming(z)] = incoming[..] else {
        panic!("{incoming:?}");
    };
    (pair, a, z)
}

#[test]
fn a_channel_is_open_on_both_sides_after_two_round_trips() {
    let start = origin();
    let mut pair = Pair::new(
        start,
        Session::new(Config::default(), start, seed(1, 0)),
        Session::new(Config::default(), start, seed(1, 1)),
    );
    pair.log = Some(Vec::new());
    let a = pair.a.open(start, ChannelInit::new("chat")).unwrap();
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair.run(ms(41));
    let expected = ["A Init", "Z InitAck", "A CookieEcho Data", "Z CookieAck Sack Data"];
    assert_eq!(chart(pair.log.as_ref().unwrap())[..4], expected);
    assert_eq!(events(&mut pair.a), [Event::Connected, Event::ChannelOpen(a)]);
    let [Event::Connected, Event::ChannelIncoming(z)] = events(&mut pair.z)[..] else { panic!() };
    assert_eq!(pair.z.label(z), Some("chat"));
    assert_eq!((pair.a.stream_id(a), pair.z.stream_id(z)), (Some(0), Some(0)));
}

#[test]
fn text_binary_and_empty_messages_arrive() {
    let (mut pair, a, z) = with_channel(ChannelInit::new("chat"));
    let messages =
        [Message::from("hello"), Message::from(vec![1, 2, 3]), "".into(), Message::from(vec![])];
    for message in &messages {
        pair.a.send(pair.now, a, message.clone()).unwrap();
    }
    pair.run(ms(300));
    assert_eq!(events(&mut pair.z), [Event::Readable(z)]);
    for message in messages {
        assert_eq!(pair.z.read(z), Some(message));
    }
    assert_eq!(pair.z.read(z), None);
    pair.z.send(pair.now, z, "back").unwrap();
    pair.run(ms(300));
    assert_eq!(pair.a.read(a), Some("back".into()));
}

#[test]
fn closing_ends_the_channel_on_both_sides_and_frees_its_number() {
    let (mut pair, a, z) = with_channel(ChannelInit::new("one"));
    pair.a.send(pair.now, a, "last words").unwrap();
    pair.a.close(pair.now, a);
    assert_eq!(pair.a.state(a), ChannelState::Closing);
    pair.run(ms(500));
    assert_eq!(events(&mut pair.a), [Event::ChannelClosed(a)]);
    let expected = [Event::Readable(z), Event::ChannelClosing(z), Event::ChannelClosed(z)];
    assert_eq!(events(&mut pair.z), expected);
    assert_eq!(pair.z.read(z), Some("last words".into()));
    assert_eq!(pair.z.channels().count(), 0);
    assert_eq!(pair.a.channels().count(), 0);

    // The number is free again, the handle is another one.
    let again = pair.a.open(pair.now, ChannelInit::new("two")).unwrap();
    assert_ne!(again, a);
    assert_eq!(pair.a.stream_id(again), Some(0));
    pair.a.send(pair.now, again, "hello").unwrap();
    pair.run(Duration::from_secs(1));
    let [Event::ChannelIncoming(z2), Event::Readable(_)] = events(&mut pair.z)[..] else {
        panic!()
    };
    assert_eq!(pair.z.label(z2), Some("two"));
    assert_eq!(pair.z.read(z2), Some("hello".into()));
}
