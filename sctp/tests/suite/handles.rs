//! Handles of channels that are closed, while another channel has their number.

use crate::channels::{events, with_channel, with_channel_of};
use crate::pair::{Pair, chunk, ms, origin, seal, seed};
use bytes::Bytes;
use peerless_sctp::data_channel::{
    AppendError, ChannelId, ChannelInit, ChannelState, Config, Event, Message, MessagePart, Role,
    SendError, Session,
};
use peerless_sctp::{ReadMode, Then};
use std::time::Duration;

/// A channel of A's that was closed with a message in it, the one that has its number now, and Z's
/// end of that.
struct Successor {
    pair: Pair<Session>,
    old: ChannelId,
    new: ChannelId,
    theirs: ChannelId,
}

fn successor() -> Successor {
    let (mut pair, old, z) = with_channel(ChannelInit::new("old"));
    pair.z.send(pair.now, z, "unread").unwrap();
    pair.run(ms(100));
    pair.a.close(pair.now, old);
    pair.run(ms(500));
    assert_eq!(events(&mut pair.a), [Event::Readable(old), Event::ChannelClosed(old)]);
    events(&mut pair.z);
    let new = pair.a.open(pair.now, ChannelInit::new("new")).unwrap();
    pair.run(ms(500));
    assert_eq!(events(&mut pair.a), [Event::ChannelOpen(new)]);
    let [Event::ChannelIncoming(theirs)] = events(&mut pair.z)[..] else { panic!() };
    assert_eq!(pair.a.stream_id(old), pair.a.stream_id(new));
    assert_eq!(pair.a.state(old), ChannelState::Closed);
    Successor { pair, old, new, theirs }
}

#[test]
fn what_waits_on_the_next_channel_is_not_the_closed_ones() {
    let Successor { mut pair, old, new, .. } = successor();
    pair.a.send(pair.now, new, vec![1; 200_000]).unwrap();
    assert_eq!((pair.a.buffered_amount(old), pair.a.buffered_amount(new)), (0, 200_000));
}

#[test]
fn a_threshold_set_on_a_closed_channel_is_not_the_next_ones() {
    let Successor { mut pair, old, new, theirs } = successor();
    pair.a.send(pair.now, new, vec![1; 200_000]).unwrap();
    pair.a.set_buffered_amount_low_threshold(old, 150_000);
    assert_eq!(pair.a.buffered_amount_low_threshold(new), 0);
    let told = pair.run_until(Duration::from_secs(5), |pair| {
        pair.z.read(theirs);
        !events(&mut pair.a).is_empty()
    });
    assert!(told);
    assert_eq!(pair.a.buffered_amount(new), 0);
}

#[test]
fn a_read_mode_set_on_a_closed_channel_is_not_the_next_ones() {
    let Successor { mut pair, old, new, theirs } = successor();
    pair.a.set_read_mode(old, ReadMode::Parts);
    pair.z.send(pair.now, theirs, vec![1; 100_000]).unwrap();
    let mut parts = Vec::new();
    pair.run_until(Duration::from_secs(5), |pair| {
        parts.extend(pair.a.read_part(new));
        !parts.is_empty()
    });
    let [MessagePart { data, .. }] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!(data.len(), 100_000);
}

#[test]
fn a_closed_channel_takes_no_message_for_the_next_one() {
    let Successor { mut pair, old, new, theirs } = successor();
    let state = ChannelState::Closed;
    let refused = |message: &str| Err(SendError::NotOpen { message: message.into(), state });
    assert_eq!(pair.a.send(pair.now, old, "late"), refused("late"));
    assert_eq!(pair.a.begin(pair.now, old, "late"), refused("late"));
    // A message of the next one is neither added to, ended nor given up.
    pair.a.begin(pair.now, new, "one").unwrap();
    let part = Bytes::from_static(b"late");
    let refused = Err(AppendError::NoMessage { part: part.clone() });
    assert_eq!(pair.a.append(pair.now, old, part), refused);
    pair.a.finish(pair.now, old);
    pair.a.abandon(pair.now, old);
    pair.a.append(pair.now, new, &b", two"[..]).unwrap();
    pair.a.finish(pair.now, new);
    pair.run(ms(500));
    assert_eq!(pair.z.read(theirs), Some("one, two".into()));
    let stats = |id| pair.a.channel_stats(id).unwrap();
    assert_eq!((stats(old).messages_sent, stats(new).messages_sent), (0, 1));
}

#[test]
fn a_closed_channel_is_closed_alone_and_read_alone() {
    let Successor { mut pair, old, new, theirs } = successor();
    pair.a.close(pair.now, old);
    assert_eq!(pair.a.state(new), ChannelState::Open);
    pair.z.send(pair.now, theirs, "for the next one").unwrap();
    pair.run(ms(500));
    assert_eq!(events(&mut pair.a), [Event::Readable(new)]);
    assert_eq!(pair.a.read(old), Some("unread".into()));
    assert_eq!((pair.a.read(old), pair.a.read_part(old)), (None, None));
    assert_eq!(pair.a.channel_stats(new).unwrap().messages_received, 0);
    assert_eq!(pair.a.read(new), Some("for the next one".into()));
    // All was read: nothing is kept of it.
    assert_eq!(pair.a.channels().collect::<Vec<_>>(), [new]);
    assert_eq!((pair.a.state(old), pair.a.buffered_amount(old)), (ChannelState::Closed, 0));
}

/// Z with a channel of the association before the peer restarted it, and the one that has its
/// number since.
fn restarted(before: impl FnOnce(&mut Pair<Session>, ChannelId)) -> Successor {
    let (mut pair, a, old) = with_channel(ChannelInit::new("old"));
    pair.a.send(pair.now, a, "unread").unwrap();
    pair.run(ms(100));
    before(&mut pair, old);
    pair.a = Session::new(Config::default(), pair.now, seed(50, 0));
    let theirs = pair.a.open(pair.now, ChannelInit::new("new")).unwrap();
    pair.a.start(pair.now, Role::Client);
    pair.run(ms(500));
    let news = events(&mut pair.z);
    assert!(news.contains(&Event::ChannelClosed(old)), "{news:?}");
    let new = pair.z.channels().find(|id| *id != old).unwrap();
    assert_eq!(pair.z.stream_id(old), pair.z.stream_id(new));
    Successor { pair, old, new, theirs }
}

#[test]
fn a_message_that_a_restart_cut_short_is_not_the_next_channels() {
    let Successor { mut pair, old, new, theirs } = restarted(|pair, old| {
        pair.z.begin(pair.now, old, "cut ").unwrap();
    });
    pair.z.begin(pair.now, new, "one").unwrap();
    let part = Bytes::from_static(b"short");
    let refused = Err(AppendError::NoMessage { part: part.clone() });
    assert_eq!(pair.z.append(pair.now, old, part), refused);
    pair.z.finish(pair.now, old);
    pair.z.abandon(pair.now, old);
    pair.z.append(pair.now, new, &b", two"[..]).unwrap();
    pair.z.finish(pair.now, new);
    pair.run(ms(500));
    assert_eq!(pair.a.read(theirs), Some("one, two".into()));
}

#[test]
fn what_came_early_before_a_restart_is_not_for_channels_after_it() {
    let (mut pair, _, _) = with_channel(ChannelInit::new("chat"));
    let init = ChannelInit { negotiated: Some(100), ..ChannelInit::new("negotiated") };
    let early = pair.a.open(pair.now, init.clone()).unwrap();
    pair.a.send(pair.now, early, "to nobody").unwrap();
    pair.run(ms(100));
    pair.a = Session::new(Config::default(), pair.now, seed(50, 0));
    let a = pair.a.open(pair.now, init.clone()).unwrap();
    pair.a.start(pair.now, Role::Client);
    pair.run(ms(500));
    let z = pair.z.open(pair.now, init).unwrap();
    assert_eq!(pair.z.read(z), None);
    pair.a.send(pair.now, a, "to you").unwrap();
    pair.run(ms(500));
    assert_eq!(pair.z.read(z), Some("to you".into()));
    assert_eq!(pair.z.stats().receive_buffered, 0);
}

/// W3C: the buffered amount "does not reset to zero once the channel closes".
#[test]
fn a_channel_that_ends_with_its_association_keeps_what_it_had_not_sent() {
    type End = fn(&mut Pair<Session>);
    let ends: [End; 3] = [
        |pair| pair.a.abort(pair.now, "enough"),
        |pair| pair.z.abort(pair.now, "enough"),
        |pair| pair.filter = Some(Box::new(|_, _| false)),
    ];
    for end in ends {
        let (mut pair, a, z) = with_channel(ChannelInit::new("chat"));
        pair.z.send(pair.now, z, "unread").unwrap();
        let idle = pair.a.open(pair.now, ChannelInit::new("idle")).unwrap();
        pair.run(ms(500));
        pair.filter = Some(Box::new(|_, _| false));
        pair.a.send(pair.now, a, vec![1; 200_000]).unwrap();
        pair.run(ms(10));
        let unsent = pair.a.buffered_amount(a);
        assert!(unsent > 100_000, "{unsent}");
        pair.filter = None;
        end(&mut pair);
        let closed = pair
            .run_until(Duration::from_secs(300), |pair| pair.a.state(a) == ChannelState::Closed);
        assert!(closed);
        let left = pair.a.buffered_amount(a);
        assert!((1..=unsent).contains(&left), "{left} of {unsent}");
        assert_eq!((pair.a.buffered_amount(idle), pair.a.total_buffered_amount()), (0, 0));
    }
}

#[test]
fn a_channel_that_a_restart_ends_keeps_what_it_had_not_sent() {
    let Successor { mut pair, old, new, .. } = restarted(|pair, old| {
        pair.filter = Some(Box::new(|_, _| false));
        pair.z.send(pair.now, old, vec![1; 200_000]).unwrap();
        pair.run(ms(10));
        pair.filter = None;
    });
    assert!(pair.z.buffered_amount(old) > 100_000);
    assert_eq!(pair.z.buffered_amount(new), 0);
    assert_eq!(pair.z.read(old), Some(Message::from("unread")));
}

/// The same negotiated channel at both sides, which are connected.
fn negotiated(config: &Config, number: u16) -> (Pair<Session>, ChannelId, ChannelId) {
    let (mut pair, ..) = with_channel_of(config, ChannelInit::new("other"));
    let init = || ChannelInit { negotiated: Some(number), ..ChannelInit::new("negotiated") };
    let [a, z] = [&mut pair.a, &mut pair.z].map(|side| side.open(pair.now, init()).unwrap());
    events(&mut pair.a);
    events(&mut pair.z);
    (pair, a, z)
}

#[test]
fn what_comes_at_once_for_a_negotiated_number_used_again_is_told() {
    // A sends on the new channel in the packet that answers Z's reset of the old one.
    let (mut pair, old_a, old_z) = negotiated(&Config::default(), 5);
    let init = || ChannelInit { negotiated: Some(5), ..ChannelInit::new("again") };
    pair.a.close(pair.now, old_a);
    let mut again = None;
    pair.run_until(ms(500), |pair| {
        if events(&mut pair.a).contains(&Event::ChannelClosed(old_a)) {
            let a = pair.a.open(pair.now, init()).unwrap();
            pair.a.send(pair.now, a, "one").unwrap();
            again = Some(a);
        }
        false
    });
    assert!(events(&mut pair.z).contains(&Event::ChannelClosed(old_z)));
    assert_eq!(pair.z.read(old_z), None);
    let z = pair.z.open(pair.now, init()).unwrap();
    assert_eq!(events(&mut pair.z), [Event::ChannelOpen(z), Event::Readable(z)]);
    assert_eq!(pair.z.read(z), Some("one".into()));
    assert_eq!(pair.z.read(z), None);
    pair.a.send(pair.now, again.unwrap(), "two").unwrap();
    pair.run(ms(500));
    assert_eq!(events(&mut pair.z), [Event::Readable(z)]);
    assert_eq!(pair.z.read(z), Some("two".into()));
}

#[test]
fn what_has_come_in_part_before_a_channel_is_opened_is_told() {
    let mut config = Config::default();
    config.association.read_mode = ReadMode::Parts;
    let (mut pair, ..) = with_channel_of(&config, ChannelInit::new("other"));
    let init = || ChannelInit { negotiated: Some(5), ..ChannelInit::new("negotiated") };
    let a = pair.a.open(pair.now, init()).unwrap();
    pair.a.begin(pair.now, a, vec![1; 5_000]).unwrap();
    pair.run(ms(500));
    assert_eq!(events(&mut pair.z), []);
    let z = pair.z.open(pair.now, init()).unwrap();
    assert_eq!(events(&mut pair.z), [Event::ChannelOpen(z), Event::Readable(z)]);
    let part = pair.z.read_part(z).unwrap();
    assert_eq!((part.data.len() > 1000, part.then), (true, Then::More));
}

#[test]
fn what_another_read_mode_makes_readable_is_told_at_once() {
    let (mut pair, a, z) = with_channel(ChannelInit::new("files"));
    pair.a.begin(pair.now, a, vec![1; 5_000]).unwrap();
    pair.run(ms(500));
    assert_eq!(events(&mut pair.z), []);
    pair.z.set_read_mode(z, ReadMode::Parts);
    assert_eq!(events(&mut pair.z), [Event::Readable(z)]);
}

#[test]
fn no_channel_opens_with_the_packet_that_ends_the_association() {
    let (mut pair, a, z) = with_channel(ChannelInit::new("chat"));
    pair.a.send(pair.now, a, "last").unwrap();
    pair.a.open(pair.now, ChannelInit::new("late")).unwrap();
    let negotiated = ChannelInit { negotiated: Some(7), ..ChannelInit::new("negotiated") };
    let negotiated = pair.a.open(pair.now, negotiated).unwrap();
    pair.a.send(pair.now, negotiated, "for nobody").unwrap();
    // One packet carries a message, an OPEN, a message on a number without a channel, and an ABORT.
    let mut packet = Vec::new();
    pair.a.poll_transmit(pair.now, &mut packet).unwrap();
    packet.extend(chunk(6, 0, &[]));
    seal(&mut packet);
    pair.z.handle_datagram(pair.now, &packet);
    let events = events(&mut pair.z);
    let [Event::Closed(_), Event::Readable(readable), Event::ChannelClosed(closed)] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((readable, closed), (z, z));
    assert_eq!(pair.z.read(z), Some("last".into()));
    assert_eq!(pair.z.read(z), None);
    assert_eq!(pair.z.channels().count(), 0);
    assert_eq!(pair.z.stats().receive_buffered, 0);
}

#[test]
fn a_negotiated_channel_that_the_other_side_has_not_opened_closes() {
    // RFC 8831 §6.7: "When the peer sees that an incoming stream was reset, it also resets its
    // corresponding outgoing stream."
    for early in [false, true] {
        let (mut pair, ..) = with_channel(ChannelInit::new("other"));
        let init = || ChannelInit { negotiated: Some(7), ..ChannelInit::new("negotiated") };
        let a = pair.a.open(pair.now, init()).unwrap();
        if early {
            pair.a.send(pair.now, a, "early").unwrap();
            pair.run(ms(200));
        }
        pair.a.close(pair.now, a);
        pair.run(ms(500));
        assert!(events(&mut pair.a).contains(&Event::ChannelClosed(a)), "early: {early}");
        assert_eq!(pair.a.state(a), ChannelState::Closed);
        // The number is free for both.
        let [a, z] = [&mut pair.a, &mut pair.z].map(|side| side.open(pair.now, init()).unwrap());
        pair.a.send(pair.now, a, "to z").unwrap();
        pair.z.send(pair.now, z, "to a").unwrap();
        pair.run(ms(500));
        assert_eq!(pair.z.read(z), Some("to z".into()));
        assert_eq!(pair.a.read(a), Some("to a".into()));
    }
}

#[test]
fn resets_of_streams_without_channels_come_to_rest() {
    // Z refuses all that A opens but the first. A's resets answer Z's: neither answers an answer.
    let mut config = Config::default();
    config.max_channels = 1;
    let start = origin();
    let generous = Session::new(Config::default(), start, seed(9, 0));
    let mut pair = Pair::new(start, generous, Session::new(config, start, seed(9, 1)));
    pair.a.start(pair.now, Role::Client);
    pair.z.start(pair.now, Role::Server);
    let ids: Vec<_> =
        (0..4).map(|_| pair.a.open(pair.now, ChannelInit::new("one")).unwrap()).collect();
    pair.log = Some(Vec::new());
    pair.run(ms(500));
    // More for the refused ones, and a close that meets the refusal.
    for &id in &ids {
        let _ = pair.a.send(pair.now, id, "more");
    }
    pair.a.close(pair.now, ids[0]);
    pair.run(Duration::from_secs(5));
    let states: Vec<_> = ids.iter().map(|&id| pair.a.state(id)).collect();
    assert_eq!(states, [ChannelState::Closed; 4]);
    // Twice: one side's request, the other's answer and request, and the first side's answer.
    let chunks = crate::pair::chart(pair.log.as_ref().unwrap());
    let resets: usize = chunks.iter().map(|line| line.matches("ReConfig").count()).sum();
    assert_eq!(resets, 8, "{chunks:#?}");
    let z = pair.z.open(pair.now, ChannelInit::new("free")).unwrap();
    pair.run(ms(500));
    assert_eq!(pair.z.state(z), ChannelState::Open);
}

#[test]
fn an_association_that_shuts_down_opens_no_channels() {
    let (mut pair, ..) = with_channel(ChannelInit::new("other"));
    pair.a.shutdown(pair.now);
    let refused = pair.a.open(pair.now, ChannelInit::new("late"));
    assert_eq!(refused.unwrap_err(), peerless_sctp::data_channel::OpenError::Closed);
}

#[test]
fn who_waits_for_room_is_told_when_a_command_makes_it() {
    // A's buffer is full of a message that is being written, of which nothing can leave.
    let mut config = Config::default();
    config.association.send_buffer = 100_000;
    config.association.max_send_buffer = 100_000;
    let (mut pair, first, _) = with_channel_of(&config, ChannelInit::new("first"));
    let second = pair.a.open(pair.now, ChannelInit::new("second")).unwrap();
    pair.run(ms(500));
    events(&mut pair.a);
    pair.a.begin(pair.now, first, Bytes::new()).unwrap();
    pair.a.append(pair.now, first, vec![1; 100_000]).unwrap();
    let refused = pair.a.send(pair.now, second, "no room");
    assert!(matches!(refused, Err(SendError::BufferFull { .. })), "{refused:?}");
    pair.a.abandon(pair.now, first);
    assert!(events(&mut pair.a).contains(&Event::BufferedAmountLow(second)));
}

#[test]
fn an_empty_message_written_in_parts_counts_once() {
    let (mut pair, a, _) = with_channel(ChannelInit::new("parts"));
    pair.run(ms(500));
    let before = pair.a.association().stats().messages_sent;
    pair.a.begin(pair.now, a, Bytes::new()).unwrap();
    assert!(pair.a.finish(pair.now, a));
    pair.run(ms(500));
    assert_eq!(pair.a.association().stats().messages_sent, before + 1);
}
