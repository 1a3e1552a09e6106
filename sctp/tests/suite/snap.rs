//! What a layer of DTLS below spares: the handshake (SNAP) and the checksum (RFC 9653).

use crate::pair::{Pair, Side, associations, chart, message, ms, origin, seed};
use peerless_sctp::data_channel::{self, ChannelInit, Event, Role, Session};
use peerless_sctp::{Config, InitError, RemoteInit, State};
use std::time::Duration;

fn over_dtls() -> Config {
    let mut config = Config::default();
    config.over_dtls = true;
    config
}

#[test]
fn inits_in_descriptions_make_an_association_without_a_handshake() {
    // A and Z have each other's INIT. A → DATA (OPEN), DATA → Z; Z → SACK, DATA (ACK) → A
    let start = origin();
    let [a, z] =
        [0, 1].map(|side| Session::new(data_channel::Config::default(), start, seed(11, side)));
    let mut pair = Pair::new(start, a, z);
    pair.log = Some(Vec::new());
    let id = pair.a.open(start, ChannelInit::new("chat")).unwrap();
    let to_z = RemoteInit::parse(&pair.a.local_init_chunk()).unwrap();
    let to_a = RemoteInit::parse(&pair.z.local_init_chunk()).unwrap();
    pair.a.set_remote_init(to_a);
    pair.z.set_remote_init(to_z);
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair.run(ms(100));
    assert!(pair.log.as_ref().unwrap().is_empty(), "DTLS is not up yet");
    assert!(!pair.a.is_connected());

    // Z learns it from the first packet.
    let start = pair.now;
    pair.a.lower_layer_up(pair.now);
    assert_eq!(pair.a.poll_event(), Some(Event::Connected));
    assert_eq!(pair.a.poll_event(), Some(Event::ChannelOpen(id)));
    pair.a.send(pair.now, id, "hello").unwrap();
    let mut open = None;
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        while let Some(event) = pair.z.poll_event() {
            if let Event::ChannelIncoming(channel) = event {
                open = Some(channel);
            }
        }
        open.is_some()
    }));
    assert_eq!(pair.now - start, ms(10), "half a round trip");
    assert_eq!(pair.z.read(open.unwrap()).unwrap().as_text(), Some("hello"));
    pair.run(ms(500));
    let chart = chart(pair.log.as_ref().unwrap());
    assert_eq!(chart[..2], ["A IData IData", "Z Sack IData"]);
}

#[test]
fn the_init_of_a_browser_is_read() {
    // Chromium's, of its description: AQAAHr4oa0EAUAAA/////8h58ubAAAAEgAgABoLA.
    let chromium = [
        0x01, 0x00, 0x00, 0x1e, 0xbe, 0x28, 0x6b, 0x41, 0x00, 0x50, 0x00, 0x00, 0xff, 0xff, 0xff,
        0xff, 0xc8, 0x79, 0xf2, 0xe6, 0xc0, 0x00, 0x00, 0x04, 0x80, 0x08, 0x00, 0x06, 0x82, 0xc0,
    ];
    assert!(RemoteInit::parse(&chromium).is_ok());
    for len in 0..chromium.len() {
        assert_eq!(RemoteInit::parse(&chromium[..len]), Err(InitError::Malformed));
    }
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = chromium;
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        RemoteInit::parse(&changed)
    };
    assert_eq!(with(0, &[2]), Err(InitError::Malformed));
    assert!(matches!(with(4, &[0; 4]), Err(InitError::Refused(_))));
    assert!(matches!(with(8, &[0; 4]), Err(InitError::Refused(_))));
    assert!(matches!(with(12, &[0; 2]), Err(InitError::Refused(_))));
    let mut long = chromium.to_vec();
    long.extend([0; 3]);
    assert_eq!(RemoteInit::parse(&long), Err(InitError::Malformed));
}

#[test]
fn checksums_are_left_out_where_both_sides_have_dtls_below() {
    // RFC 9653 §5.2: INIT, INIT ACK and COOKIE ECHO have theirs.
    let mut pair = associations(&over_dtls(), 1);
    pair.log = Some(Vec::new());
    pair.a.send(pair.now, message(0, 5_000, 1)).unwrap();
    pair.run(Duration::from_secs(1));
    assert!(pair.z.read(0).is_some());
    let log = pair.log.take().unwrap();
    for (index, (side, packet)) in log.iter().enumerate() {
        let omitted = packet[8..12] == [0; 4];
        assert_eq!(omitted, index >= 3, "{index} {side:?} type {}", packet[12]);
    }
    pair.log = Some(Vec::new());
    pair.a.abort(pair.now, "enough");
    pair.run(ms(100));
    assert_eq!(pair.z.state(), State::Closed);
}

#[test]
fn checksums_stay_where_one_side_does_not_know_of_dtls() {
    for (a, z) in [(over_dtls(), Config::default()), (Config::default(), over_dtls())] {
        let start = origin();
        let mut pair = Pair::new(
            start,
            peerless_sctp::Association::client(a, start, seed(1, 0)),
            peerless_sctp::Association::server(z, start, seed(1, 1)),
        );
        pair.log = Some(Vec::new());
        pair.a.send(start, message(0, 5_000, 1)).unwrap();
        pair.run(Duration::from_secs(1));
        assert!(pair.z.read(0).is_some());
        let log = pair.log.take().unwrap();
        assert!(log.iter().all(|(_, packet)| packet[8..12] != [0; 4]));
    }
}

#[test]
fn a_packet_without_a_checksum_is_dropped_where_nothing_else_protects_it() {
    let mut pair = crate::pair::connected(&Config::default());
    pair.filter = Some(Box::new(|side, packet| {
        if side == Side::A {
            packet[8..12].fill(0);
        }
        true
    }));
    pair.a.send(pair.now, message(0, 100, 1)).unwrap();
    pair.run(ms(100));
    assert!(pair.z.read(0).is_none());
    assert!(pair.z.stats().packets_dropped > 0);
}
