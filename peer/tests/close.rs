//! The end of a connection, as the other side sees it.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{A, B, Fate, Pair, address};
use peerless::media::transceiver::TransceiverInit;
use peerless::security::Version;
use peerless::{
    BundlePolicy, Configuration, ConnectionState, DataChannelId, DataChannelInit, DataChannelState,
    Event, FiveTuple, Frame, IceConnectionState, MediaKind, OutgoingPacket, PayloadType, Readable,
    SignalingState,
};

const MS: Duration = Duration::from_millis(1);

/// A call of two with a channel and video, 100 ms apart; gives B's end of the channel.
fn call(version: Version) -> (Pair, DataChannelId, DataChannelId) {
    let [a, b] = [(); 2].map(|()| {
        let mut configuration = Configuration::default();
        configuration.security_policy.max_version = version;
        configuration
    });
    let mut pair = Pair::with(a, b, 1);
    pair.delay = 50 * MS;
    let now = pair.now;
    let ours = pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    let video =
        pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
    pair.negotiate(A);
    let is_incoming = |event: &Event| match event {
        Event::DataChannel(id) => Some(*id),
        _ => None,
    };
    let open = pair.run_until(Duration::from_secs(5), |pair| {
        pair.events[B].iter().any(|event| is_incoming(event).is_some())
            && pair.saw(A, &Event::DataChannelOpen(ours))
    });
    assert!(open);
    let theirs = pair.events[B].iter().find_map(is_incoming).unwrap();
    let frame = Frame::new(Bytes::from_static(&[0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 64, 0]), 0);
    let now = pair.now;
    pair.peers[A].sender(video).unwrap().send_frame(now, frame).unwrap();
    pair.run_for(500 * MS);
    (pair, ours, theirs)
}

#[test]
fn a_close_ends_channels_and_connection_of_the_other_side_half_a_round_trip_later() {
    for version in [Version::Dtls12, Version::Dtls13] {
        for from in [A, B] {
            let (mut pair, ours, theirs) = call(version);
            let channel = if from == A { theirs } else { ours };
            let now = pair.now;
            pair.trace = Some(Vec::new());
            pair.peers[from].close(now);
            assert!(pair.run_until(60 * MS, |pair| {
                pair.saw(1 - from, &Event::DataChannelClose(channel))
                    && pair.peers[1 - from].connection_state() == ConnectionState::Closed
            }));
            assert_eq!(pair.now - now, 50 * MS);
            // All that the goodbye has changed is told to who hears it.
            let (own, other) = (&pair.events[from], &pair.events[1 - from]);
            for told in [
                Event::SignalingStateChange(SignalingState::Closed),
                Event::IceConnectionStateChange(IceConnectionState::Closed),
                Event::ConnectionStateChange(ConnectionState::Closed),
            ] {
                assert!(other.contains(&told) && !own.contains(&told), "{told:?}");
            }
            let tracks = |ended: bool| {
                let is_one = |event: &&Event| match event {
                    Event::Track(_) => !ended,
                    Event::TrackEnded(_) => ended,
                    _ => false,
                };
                other.iter().filter(is_one).count()
            };
            assert_eq!([tracks(false), tracks(true)], [usize::from(from == A); 2]);
            // BYE of who has sent media; ABORT and close_notify in one datagram.
            pair.run_for(Duration::from_secs(40));
            let trace = pair.trace.take().unwrap();
            let last = trace.iter().filter(|(_, side, _)| *side == from);
            let kinds: Vec<u8> = last.map(|(_, _, bytes)| bytes[0] >> 6).collect();
            assert_eq!(kinds, if from == A { vec![2, 0] } else { vec![0] }, "{version}");
            assert_eq!(pair.peers[from].poll_timeout(), None);
            assert_eq!(pair.peers[1 - from].poll_timeout(), None);
        }
    }
}

#[test]
fn what_was_said_before_a_close_can_be_read_after_it() {
    for version in [Version::Dtls12, Version::Dtls13] {
        for from in [A, B] {
            let (mut pair, ours, theirs) = call(version);
            let (own, channel) = if from == A { (ours, theirs) } else { (theirs, ours) };
            let (now, to) = (pair.now, 1 - from);
            let other = &mut pair.peers[from];
            // A channel that nobody has heard of, and one that is known.
            let new = other.create_data_channel(now, "new", DataChannelInit::default()).unwrap();
            other.data_channel(new).unwrap().send(now, "first").unwrap();
            other.data_channel(own).unwrap().send(now, "bye").unwrap();
            pair.transmit();
            pair.peers[from].close(now);
            pair.transmit();

            // The driver takes all that has come before it asks for events.
            pair.now += pair.delay;
            pair.deliver();
            let receiver = &mut pair.peers[to];
            assert_eq!(receiver.connection_state(), ConnectionState::Closed);
            let events: Vec<Event> = std::iter::from_fn(|| receiver.poll_event()).collect();
            let incoming = events.iter().find_map(|event| match event {
                Event::DataChannel(id) => Some(*id),
                _ => None,
            });
            let incoming = incoming.expect("a channel with something to read is told");
            for (id, text) in [(channel, "bye"), (incoming, "first")] {
                assert!(events.contains(&Event::Readable(Readable::Channel(id))), "{events:?}");
                assert!(events.contains(&Event::DataChannelClose(id)), "{events:?}");
                let mut closed = receiver.data_channel(id).expect("it has something to read");
                assert_eq!(closed.ready_state(), DataChannelState::Closed);
                assert!(closed.send(pair.now, "too late").is_err());
                assert_eq!(closed.read(), Some(text.into()));
                assert!(receiver.data_channel(id).is_none(), "all is read");
            }
            assert_eq!(receiver.poll_event(), None);
            // Its own goodbye is owed; an ABORT is not.
            while receiver.poll_transmit(pair.now, &mut Vec::new()).is_some() {}
            assert_eq!(receiver.poll_timeout(), None);
            let counts = receiver.stats(pair.now).peer_connection;
            assert_eq!((counts.data_channels_opened, counts.data_channels_closed), (2, 2));
            // The application closes its side, too: nothing is told twice.
            receiver.close(pair.now);
            assert_eq!(receiver.poll_event(), None);
        }
    }
}

#[test]
fn a_channel_that_was_closed_and_not_read_is_not_told_again() {
    let (mut pair, ours, theirs) = call(Version::Dtls13);
    let now = pair.now;
    let mut channel = pair.peers[A].data_channel(ours).unwrap();
    channel.send(now, "bye").unwrap();
    channel.close(now);
    let closed = Event::DataChannelClose(theirs);
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.saw(B, &closed)));
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.peers[B].close(now);
    pair.drain_events();
    assert_eq!(pair.events[B].iter().filter(|event| **event == closed).count(), 1);
}

/// Whoever takes all that there is asks once more than there is something.
#[test]
fn a_channel_that_is_read_to_its_end_is_read_once_more() {
    let (mut pair, ours, theirs) = call(Version::Dtls13);
    let now = pair.now;
    pair.peers[A].data_channel(ours).unwrap().send(now, "bye").unwrap();
    pair.transmit();
    pair.peers[A].close(now);
    pair.transmit();
    pair.now += pair.delay;
    pair.deliver();
    let now = pair.now;
    let mut chat = pair.peers[B].data_channel(theirs).unwrap();
    assert_eq!(std::iter::from_fn(|| chat.read()).collect::<Vec<_>>(), ["bye".into()]);
    // Nor does anything else wake it.
    chat.close(now);
    chat.set_buffered_amount_low_threshold(1);
    let error = chat.send(now, "too late").unwrap_err();
    assert_eq!(error.into_message(), "too late".into());
    assert_eq!(chat.append(now, "x").unwrap_err().into_part(), "x");
    assert_eq!(chat.ready_state(), DataChannelState::Closed);
    let counts = pair.peers[B].stats(now).peer_connection;
    assert_eq!((counts.data_channels_opened, counts.data_channels_closed), (1, 1));
}

/// Who keeps something for each channel learns when it can go, also of its own end, and however far the
/// connection has come.
#[test]
fn our_own_close_tells_of_each_channel_once() {
    let close = |pair: &mut Pair, channels: &[DataChannelId]| {
        let now = pair.now;
        pair.peers[A].close(now);
        pair.drain_events();
        for channel in channels {
            let closed = Event::DataChannelClose(*channel);
            assert_eq!(pair.events[A].iter().filter(|event| **event == closed).count(), 1);
        }
        assert_eq!(pair.peers[A].data_close_reason(), None);
    };
    let open = |pair: &mut Pair, label| {
        let now = pair.now;
        pair.peers[A].create_data_channel(now, label, DataChannelInit::default()).unwrap()
    };
    // One that is open, with a message that nobody has read; one that waits for the other side.
    let (mut pair, ours, theirs) = call(Version::Dtls13);
    let now = pair.now;
    pair.peers[B].data_channel(theirs).unwrap().send(now, "unread").unwrap();
    pair.run_for(100 * MS);
    let late = open(&mut pair, "late");
    close(&mut pair, &[ours, late]);
    // Before there is an association, or a description.
    let mut pair = Pair::new();
    let early = open(&mut pair, "early");
    pair.negotiate(A);
    close(&mut pair, &[early]);
    let mut pair = Pair::new();
    let early = open(&mut pair, "early");
    close(&mut pair, &[early]);
}

/// A closed connection has no transceivers: webrtc-pc, "close the connection", step 4. Stopping one of
/// them does not bring the others back.
#[test]
fn an_end_of_the_connection_is_one_of_its_media() {
    for from in [A, B] {
        let mut pair = Pair::new();
        let now = pair.now;
        let [audio, video] = [MediaKind::Audio, MediaKind::Video].map(|kind| {
            pair.peers[A].add_transceiver(now, kind, TransceiverInit::send_recv()).unwrap()
        });
        pair.negotiate(A);
        assert!(pair.run_until(Duration::from_secs(5), |pair| {
            pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
        }));
        pair.run_for(100 * MS);
        let now = pair.now;
        pair.peers[from].close(now);
        pair.run_for(100 * MS);
        let (now, a) = (pair.now, &mut pair.peers[A]);
        assert_eq!(a.connection_state(), ConnectionState::Closed);
        if let Some(mut audio) = a.transceiver(audio) {
            audio.stop(now);
        }
        if let Some(mut sender) = a.sender(video) {
            let packet = OutgoingPacket::new(PayloadType::from_low_bits(96), 0, Bytes::new());
            sender.send_packet(now, packet).unwrap_err();
        }
        assert!(a.sender(video).is_none() && a.receiver(video).is_none());
        assert_eq!(a.transceivers().count(), 0);
        assert_eq!(a.poll_timeout(), None);
    }
}

#[test]
fn a_goodbye_on_one_of_several_transports_closes_that_one() {
    let mut configuration = Configuration::default();
    configuration.bundle_policy = BundlePolicy::MaxCompat;
    let mut pair = Pair::with(configuration.clone(), configuration, 1);
    let now = pair.now;
    let init = TransceiverInit::send_recv();
    let audio = pair.peers[A].add_transceiver(now, MediaKind::Audio, init).unwrap();
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate_munged(A, |sdp| {
        sdp.split_inclusive("\r\n").filter(|line| !line.starts_with("a=group:BUNDLE")).collect()
    });
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(A, &Event::DataChannelOpen(chat))
            && pair.peers.iter().all(|own| own.connection_state() == ConnectionState::Connected)
    }));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.peers[A].stats(pair.now).transports.len(), 2);
    // Of what B says at its end, that of the first transport comes later.
    let (now, mut buf, mut later) = (pair.now, Vec::new(), Vec::new());
    pair.peers[B].close(now);
    while let Some(transmit) = pair.peers[B].poll_transmit(now, &mut buf) {
        let (path, contents) = (transmit.path, transmit.contents.to_vec());
        if path.local == address(B) {
            later.push((path, contents));
        } else {
            pair.put(B, path, contents);
        }
        buf.clear();
    }
    assert!(
        pair.run_until(Duration::from_secs(1), |pair| {
            pair.saw(A, &Event::DataChannelClose(chat))
        })
    );
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    assert_eq!(pair.peers[A].connection_state(), ConnectionState::Connected);
    let opus = PayloadType::from_low_bits(111);
    let packet = OutgoingPacket::new(opus, 0, Bytes::from_static(b"opus"));
    pair.peers[A].sender(audio).unwrap().send_packet(now, packet).unwrap();
    let sent = pair.datagrams;
    pair.transmit();
    assert!(pair.datagrams > sent, "audio goes on");
    for (path, contents) in later {
        pair.put(B, path, contents);
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.peers[A].connection_state(), ConnectionState::Closed);
}

#[test]
fn sctp_says_so_where_the_alert_is_not_understood() {
    // What closes the channel is the ABORT: it says so when DTLS's alert, a record of its own behind
    // it, is damaged.
    let (mut pair, _, theirs) = call(Version::Dtls13);
    pair.fate = Box::new(|_, _| Fate::Drop);
    pair.trace = Some(Vec::new());
    let now = pair.now;
    pair.peers[A].close(now);
    pair.run_for(MS);
    let trace = pair.trace.take().unwrap();
    let (_, _, mut farewell) = trace.iter().rfind(|(_, side, _)| *side == A).unwrap().clone();
    *farewell.last_mut().unwrap() ^= 1;
    pair.fate = Box::new(|_, _| Fate::Deliver);
    let path = FiveTuple::udp(address(A), address(B));
    pair.put(A, path, farewell);
    assert!(pair.run_until(60 * MS, |pair| pair.saw(B, &Event::DataChannelClose(theirs))));
    assert_eq!(pair.peers[B].connection_state(), ConnectionState::Connected);
    let counts = pair.peers[B].stats(pair.now).peer_connection;
    assert_eq!((counts.data_channels_opened, counts.data_channels_closed), (1, 1));
}

#[test]
fn a_connection_without_an_association_only_sends_the_alert() {
    let mut pair = Pair::new();
    pair.delay = 50 * MS;
    let now = pair.now;
    pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
    }));
    pair.trace = Some(Vec::new());
    let now = pair.now;
    pair.peers[A].close(now);
    pair.run_for(60 * MS);
    assert_eq!(pair.peers[B].connection_state(), ConnectionState::Closed);
    let trace = pair.trace.take().unwrap();
    assert_eq!(trace.iter().filter(|(_, side, _)| *side == A).count(), 1);
}
