//! Data channels: RFC 8831 and RFC 8832.

use crate::pair::{Pair, Side, chart, ms, origin, seed};
use peerless_sctp::data_channel::{
    ChannelId, ChannelInit, ChannelState, Config, Event, Message, Role, Session,
};
use std::time::Duration;

/// Two sessions, started but not connected.
pub(crate) fn sessions(number: u64) -> Pair<Session> {
    sessions_of(&Config::default(), number)
}

fn sessions_of(config: &Config, number: u64) -> Pair<Session> {
    let start = origin();
    let mut pair = Pair::new(
        start,
        Session::new(config.clone(), start, seed(number, 0)),
        Session::new(config.clone(), start, seed(number, 1)),
    );
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair
}

pub(crate) fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// Two sessions with a channel that A has opened.
pub(crate) fn with_channel(init: ChannelInit) -> (Pair<Session>, ChannelId, ChannelId) {
    with_channel_of(&Config::default(), init)
}

pub(crate) fn with_channel_of(
    config: &Config,
    init: ChannelInit,
) -> (Pair<Session>, ChannelId, ChannelId) {
    let mut pair = sessions_of(config, 1);
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
fn any_message_says_that_the_announcement_has_arrived() {
    // RFC 8832 §6: "After the DATA_CHANNEL_ACK or any other message has been received …, messages … MUST be
    // sent unordered" on an unordered channel.
    let (mut pair, ..) = with_channel(ChannelInit::new("first"));
    let mut init = ChannelInit::new("unordered");
    init.order = peerless_sctp::Order::Unordered;
    let a = pair.a.open(pair.now, init).unwrap();
    let mut lost = false;
    pair.filter = Some(Box::new(move |side, packet| {
        let acknowledges = side == Side::Z && crate::pair::chunks(packet).contains("IData");
        let lose = acknowledges && !lost;
        lost |= lose;
        !lose
    }));
    pair.run(ms(15));
    let [Event::ChannelIncoming(z)] = events(&mut pair.z)[..] else { panic!() };
    pair.z.send(pair.now, z, Message::text("here")).unwrap();
    assert!(pair.run_until(ms(15), |pair| pair.a.read(a).is_some()));
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, a, Message::text("late")).unwrap();
    pair.run(ms(15));
    let log = pair.log.as_ref().unwrap();
    let sent = log.iter().filter(|(side, _)| *side == Side::A);
    let mut flags =
        sent.flat_map(|(_, packet)| crate::lone::data_of(packet)).map(|data| data.flags);
    assert!(flags.next().unwrap() & 4 != 0, "U");
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
    let expected = ["A Init", "Z InitAck", "A CookieEcho IData", "Z CookieAck Sack IData"];
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

#[test]
fn numbers_are_even_for_the_dtls_client_and_odd_for_the_server() {
    let start = origin();
    let mut pair = Pair::new(
        start,
        Session::new(Config::default(), start, seed(1, 0)),
        Session::new(Config::default(), start, seed(1, 1)),
    );
    let early: Vec<_> =
        (0..3).map(|_| pair.z.open(start, ChannelInit::new("early")).unwrap()).collect();
    assert_eq!(pair.z.stream_id(early[0]), None);
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    let late = pair.a.open(start, ChannelInit::new("late")).unwrap();
    assert_eq!(pair.a.stream_id(late), Some(0));
    let numbers: Vec<_> = early.iter().map(|id| pair.z.stream_id(*id)).collect();
    assert_eq!(numbers, [Some(1), Some(3), Some(5)]);
    pair.run(ms(200));
    assert_eq!(pair.a.channels().count(), 4);
    assert_eq!(pair.z.channels().count(), 4);
}

#[test]
fn a_channel_waits_for_its_number_though_the_association_is_up() {
    let start = origin();
    let mut pair = Pair::new(
        start,
        Session::new(Config::default(), start, seed(1, 0)),
        Session::new(Config::default(), start, seed(1, 1)),
    );
    let z = pair.z.open(start, ChannelInit::new("early")).unwrap();
    pair.a.start(start, Role::Client);
    pair.run(ms(100));
    assert_eq!(events(&mut pair.z), [Event::Connected]);
    assert_eq!(pair.z.state(z), ChannelState::Connecting);
    pair.z.start(pair.now, Role::Server);
    assert_eq!(events(&mut pair.z), [Event::ChannelOpen(z)]);
    assert_eq!(pair.z.stream_id(z), Some(1));
}

#[test]
fn negotiated_channels_need_no_announcement_and_lose_nothing_that_comes_early() {
    let mut pair = sessions(1);
    let init = ChannelInit { negotiated: Some(100), ..ChannelInit::new("n") };
    let a = pair.a.open(pair.now, init.clone()).unwrap();
    pair.run(ms(100));
    pair.a.send(pair.now, a, "early").unwrap();
    pair.run(ms(100));
    assert_eq!(events(&mut pair.z), [Event::Connected]);
    let z = pair.z.open(pair.now, init.clone()).unwrap();
    assert_eq!(events(&mut pair.z), [Event::ChannelOpen(z), Event::Readable(z)]);
    pair.a.send(pair.now, a, "later").unwrap();
    pair.run(ms(100));
    assert_eq!(pair.z.read(z), Some("early".into()));
    assert_eq!(pair.z.read(z), Some("later".into()));
    let again = pair.z.open(pair.now, init);
    assert_eq!(again.unwrap_err().to_string(), "channel number 100 is in use");
    let beyond = ChannelInit { negotiated: Some(65535), ..ChannelInit::new("n") };
    assert!(pair.z.open(pair.now, beyond).is_err());
}

#[test]
fn what_comes_for_channels_that_nobody_opens_is_bounded_and_stops_nothing() {
    let mut pair = sessions(1);
    let init = ChannelInit { negotiated: Some(100), ..ChannelInit::new("n") };
    let a = pair.a.open(pair.now, init).unwrap();
    let other = pair.a.open(pair.now, ChannelInit::new("other")).unwrap();
    pair.run(ms(100));
    // Until there is no room for more: nothing is lost without a word.
    let mut sent = 0;
    while pair.a.send(pair.now, a, vec![7; 20_000]).is_ok() {
        sent += 1;
        pair.run(ms(100));
        let held = pair.z.stats().receive_buffered;
        assert!(held <= 64 << 10, "{held}");
        assert!(sent < 200);
    }
    assert_eq!((sent, pair.a.state(a)), (4, ChannelState::Closed));
    assert_eq!(pair.z.stats().receive_buffered, 0);
    pair.a.send(pair.now, other, "still here").unwrap();
    pair.run(ms(100));
    let ids: Vec<_> = pair.z.channels().collect();
    assert_eq!(pair.z.read(ids[0]), Some("still here".into()));
}

#[test]
fn a_message_that_is_too_large_comes_back_with_both_figures() {
    let (mut pair, a, _) = with_channel(ChannelInit::new("chat"));
    pair.a.set_remote_max_message_size(65_536);
    assert_eq!(pair.a.max_message_size(), 65_536);
    let error = pair.a.send(pair.now, a, vec![1; 65_537]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the message has 65537 bytes, the other side accepts 65536 (max-message-size); \
         split it or negotiate more"
    );
    assert_eq!(error.into_message().len(), 65_537);
    pair.a.set_remote_max_message_size(0);
    pair.a.send(pair.now, a, vec![1; 262_144]).unwrap();
    assert!(pair.a.send(pair.now, a, vec![1; 262_145]).is_err());
}

#[test]
fn a_full_buffer_gives_the_message_back_and_tells_when_there_is_room() {
    let (mut pair, a, z) = with_channel(ChannelInit::new("chat"));
    pair.link.rate = Some((1_000_000, 60_000));
    pair.a.set_buffered_amount_low_threshold(a, 1_000_000);
    let mut sent = 0;
    let refused = loop {
        match pair.a.send(pair.now, a, vec![sent; 100_000]) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(sent, 41);
    assert_eq!(pair.a.buffered_amount(a), 4_100_000);
    assert_eq!(refused.into_message().data()[..], [41; 100_000]);
    let mut read = 0;
    let low = pair.run_until(Duration::from_secs(20), |pair| {
        while pair.z.read(z).is_some() {
            read += 1;
        }
        events(&mut pair.a) == [Event::BufferedAmountLow(a)]
    });
    assert!(low);
    assert!((990_000..=1_000_000).contains(&pair.a.buffered_amount(a)));
    pair.run_until(Duration::from_secs(20), |pair| {
        while pair.z.read(z).is_some() {
            read += 1;
        }
        read == 41
    });
    assert_eq!(read, 41);
}

#[test]
fn a_channel_that_is_not_open_takes_no_messages() {
    let mut pair = sessions(1);
    let a = pair.a.open(pair.now, ChannelInit::new("chat")).unwrap();
    assert_eq!(pair.a.state(a), ChannelState::Connecting);
    let error = pair.a.send(pair.now, a, "too soon").unwrap_err();
    assert_eq!(error.to_string(), "the channel is not open (Connecting)");
    pair.run(ms(100));
    pair.a.send(pair.now, a, "now").unwrap();
    pair.a.close(pair.now, a);
    assert!(pair.a.send(pair.now, a, "too late").is_err());
}

#[test]
fn both_sides_may_close_at_once() {
    let (mut pair, a, z) = with_channel(ChannelInit::new("chat"));
    pair.a.send(pair.now, a, "from a").unwrap();
    pair.z.send(pair.now, z, "from z").unwrap();
    pair.a.close(pair.now, a);
    pair.z.close(pair.now, z);
    pair.run(Duration::from_secs(1));
    assert_eq!(events(&mut pair.a), [Event::Readable(a), Event::ChannelClosed(a)]);
    assert_eq!(events(&mut pair.z), [Event::Readable(z), Event::ChannelClosed(z)]);
    assert_eq!(pair.a.read(a), Some("from z".into()));
    assert_eq!(pair.z.read(z), Some("from a".into()));
    assert_eq!((pair.a.channels().count(), pair.z.channels().count()), (0, 0));
}

#[test]
fn closing_waits_for_what_was_sent() {
    let (mut pair, a, z) = with_channel(ChannelInit::new("chat"));
    pair.link.rate = Some((1_000_000, 60_000));
    for _ in 0..10 {
        pair.a.send(pair.now, a, vec![1; 200_000]).unwrap();
    }
    pair.a.close(pair.now, a);
    let mut read = 0;
    pair.run_until(Duration::from_secs(30), |pair| {
        while pair.z.read(z).is_some() {
            read += 1;
        }
        pair.a.state(a) == ChannelState::Closed
    });
    while pair.z.read(z).is_some() {
        read += 1;
    }
    assert_eq!(read, 10);
}

#[test]
fn the_end_of_the_association_closes_every_channel() {
    let (mut pair, a, z) = with_channel(ChannelInit::new("chat"));
    pair.a.abort(pair.now, "bye");
    pair.run(ms(100));
    let (at_a, at_z) = (events(&mut pair.a), events(&mut pair.z));
    assert!(matches!(at_a[..], [Event::Closed(_), Event::ChannelClosed(id)] if id == a));
    assert!(matches!(at_z[..], [Event::Closed(_), Event::ChannelClosed(id)] if id == z));
    assert!(pair.a.open(pair.now, ChannelInit::new("late")).is_err());
    assert_eq!((pair.a.poll_timeout(), pair.z.poll_timeout()), (None, None));
}

#[test]
fn how_a_channel_is_to_be_is_told_to_the_peer() {
    let init = ChannelInit {
        protocol: "game".into(),
        order: peerless_sctp::Order::Unordered,
        reliability: peerless_sctp::Reliability::MaxRetransmits(2),
        priority: 1024,
        ..ChannelInit::new("fast")
    };
    let (pair, _, z) = with_channel(init.clone());
    assert_eq!(pair.z.channel_init(z), Some(&init));
}

#[test]
fn a_thousand_channels_work_at_once() {
    let mut pair = sessions(1);
    let ids: Vec<_> = (0..1000)
        .map(|number| pair.a.open(pair.now, ChannelInit::new(format!("{number}"))).unwrap())
        .collect();
    pair.run(Duration::from_secs(2));
    for (number, id) in ids.iter().enumerate() {
        pair.a.send(pair.now, *id, format!("message {number}")).unwrap();
    }
    pair.run(Duration::from_secs(2));
    let mut read = 0;
    for event in events(&mut pair.z) {
        if let Event::Readable(id) = event {
            let label = pair.z.label(id).unwrap().to_owned();
            assert_eq!(pair.z.read(id), Some(format!("message {label}").into()));
            read += 1;
        }
    }
    assert_eq!(read, 1000);
    for id in ids {
        pair.a.close(pair.now, id);
    }
    pair.run(Duration::from_secs(10));
    let closed =
        events(&mut pair.a).iter().filter(|event| matches!(event, Event::ChannelClosed(_))).count();
    assert_eq!(closed, 1000);
    events(&mut pair.z);
    assert_eq!((pair.a.channels().count(), pair.z.channels().count()), (0, 0));
}

#[test]
fn every_number_can_be_used() {
    let start = origin();
    let mut session = Session::new(Config::default(), start, seed(1, 0));
    session.start(start, Role::Server);
    let mut last = None;
    let mut count = 0;
    while let Ok(id) = session.open(start, ChannelInit::default()) {
        last = session.stream_id(id);
        count += 1;
    }
    assert_eq!((last, count), (Some(65533), 32767));
    let negotiated = ChannelInit { negotiated: Some(65534), ..ChannelInit::default() };
    let id = session.open(start, negotiated).unwrap();
    assert_eq!(session.stream_id(id), Some(65534));
}

#[test]
fn names_and_channels_of_the_peer_are_bounded() {
    let start = origin();
    let mut config = Config::default();
    config.max_channels = 50;
    config.max_name_bytes = 10_000;
    let mut pair = Pair::new(
        start,
        Session::new(Config::default(), start, seed(1, 0)),
        Session::new(config, start, seed(1, 1)),
    );
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    for _ in 0..100 {
        pair.a.open(start, ChannelInit::new("x")).unwrap();
    }
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.z.channels().count(), 50);
    // Those that the peer refused are closed here.
    let closing =
        events(&mut pair.a).iter().filter(|event| matches!(event, Event::ChannelClosed(_))).count();
    assert_eq!(closing, 50);
    for id in pair.a.channels().collect::<Vec<_>>() {
        pair.a.close(pair.now, id);
    }
    pair.run(Duration::from_secs(2));
    events(&mut pair.z);
    let long = "y".repeat(6_000);
    for _ in 0..2 {
        pair.a.open(pair.now, ChannelInit::new(long.clone())).unwrap();
    }
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.z.channels().count(), 1);
}

#[test]
fn an_association_that_restarts_closes_its_channels() {
    let (mut pair, _, z) = with_channel(ChannelInit::new("chat"));
    pair.a = Session::new(Config::default(), pair.now, seed(50, 0));
    let again = pair.a.open(pair.now, ChannelInit::new("again")).unwrap();
    pair.a.start(pair.now, Role::Client);
    pair.run(ms(500));
    assert_eq!(events(&mut pair.a), [Event::Connected, Event::ChannelOpen(again)]);
    let at_z = events(&mut pair.z);
    assert!(at_z.contains(&Event::ChannelClosed(z)), "{at_z:?}");
    let ids: Vec<_> = pair.z.channels().collect();
    assert_eq!(ids.len(), 1);
    pair.z.send(pair.now, ids[0], "hello").unwrap();
    pair.run(ms(500));
    assert_eq!(pair.a.read(again), Some("hello".into()));
}

#[test]
fn a_peer_without_stream_reset_still_lets_channels_end_here() {
    let start = origin();
    let mut config = Config::default();
    config.association.stream_reset = false;
    let mut pair = Pair::new(
        start,
        Session::new(Config::default(), start, seed(1, 0)),
        Session::new(config, start, seed(1, 1)),
    );
    let a = pair.a.open(start, ChannelInit::new("chat")).unwrap();
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair.run(ms(100));
    let [Event::Connected, Event::ChannelIncoming(z)] = events(&mut pair.z)[..] else { panic!() };
    for text in ["one", "two"] {
        pair.z.send(pair.now, z, text).unwrap();
    }
    pair.run(ms(100));
    pair.a.close(pair.now, a);
    pair.run(ms(100));
    assert!(events(&mut pair.a).contains(&Event::ChannelClosed(a)));
    // What it has not read is its own, and not the next one's.
    let next = pair.a.open(pair.now, ChannelInit::new("next")).unwrap();
    assert_eq!(pair.a.stream_id(next), Some(0));
    assert_eq!(pair.a.read(next), None);
    for text in ["one", "two"] {
        assert_eq!(pair.a.read(a), Some(text.into()));
    }
    assert_eq!(pair.a.read(a), None);
}

#[test]
fn channels_close_when_the_association_never_comes_up() {
    type Fate = fn(&mut Pair<Session>);
    let fates: [Fate; 3] = [
        // Nobody answers.
        |pair| pair.filter = Some(Box::new(|_, _| false)),
        // The peer refuses.
        |pair| pair.z.abort(pair.now, "no"),
        // The layer below has failed.
        |pair| pair.a.abort(pair.now, "no way there"),
    ];
    for started in [false, true] {
        for fate in fates {
            let start = origin();
            let mut pair = Pair::new(
                start,
                Session::new(Config::default(), start, seed(1, 0)),
                Session::new(Config::default(), start, seed(1, 1)),
            );
            let announced = pair.a.open(pair.now, ChannelInit::new("announced")).unwrap();
            let init = ChannelInit { negotiated: Some(3), ..ChannelInit::new("negotiated") };
            let negotiated = pair.a.open(pair.now, init).unwrap();
            if started {
                pair.a.start(pair.now, Role::Client);
            }
            fate(&mut pair);
            pair.a.start(pair.now, Role::Client);
            let closed = pair.run_until(Duration::from_secs(200), |pair| {
                pair.a.association().close_reason().is_some()
            });
            assert!(closed);
            let news = events(&mut pair.a);
            let [Event::Closed(_), rest @ ..] = &news[..] else { panic!("{news:?}") };
            assert_eq!(*rest, [announced, negotiated].map(Event::ChannelClosed));
            assert_eq!((pair.a.channels().count(), pair.a.channels_opened()), (0, 0));
            assert_eq!(pair.a.poll_timeout(), None);
        }
    }
}

#[test]
fn an_empty_message_does_not_count_as_buffered() {
    // webrtc-pc §6.2: "the number of bytes of application data".
    let mut pair = sessions(1);
    let a = pair.a.open(pair.now, ChannelInit::new("chat")).unwrap();
    pair.run(ms(100));
    for _ in 0..3 {
        pair.a.send(pair.now, a, "").unwrap();
        assert_eq!(pair.a.buffered_amount(a), 0);
    }
    pair.a.send(pair.now, a, "four").unwrap();
    assert_eq!(pair.a.buffered_amount(a), 4);
    pair.run(Duration::from_secs(1));
    let z = pair.z.channels().next().unwrap();
    let read: Vec<_> = std::iter::from_fn(|| pair.z.read(z)).map(|read| read.len()).collect();
    assert_eq!(read, [0, 0, 0, 4]);
    assert_eq!(pair.a.buffered_amount(a), 0);
}
