//! Peers that are recognised by their connection ids, from whatever address.

use super::super::*;
use super::pair::*;
use crate::dtls::message::HandshakeType;
use crate::dtls::message::post_handshake::{ConnectionIdUsage, NewConnectionId};

/// Settings of both versions for a client and a server that offer ids of these lengths.
fn with_ids(client_len: Option<u8>, server_len: Option<u8>) -> [(Config, Config); 2] {
    [configs(), configs_1_3()].map(|(client, server)| {
        let set = |config: Config, len: Option<u8>| match len {
            Some(len) => config.with_connection_id_len(len),
            None => config,
        };
        (set(client, client_len), set(server, server_len))
    })
}

#[test]
fn ids_are_agreed_on_if_both_sides_offer_them() {
    for (client_len, server_len, for_client, for_server) in [
        (Some(4), Some(8), Some(4), Some(8)),
        (Some(0), Some(8), None, Some(8)),
        (Some(4), Some(0), Some(4), None),
        (Some(255), Some(1), Some(255), Some(1)),
        (Some(0), Some(0), None, None),
        (Some(4), None, None, None),
        (None, Some(8), None, None),
    ] {
        for configs in with_ids(client_len, server_len) {
            let mut pair = Pair::new(configs);
            pair.run(perfect);
            assert!(pair.is_connected(), "{:?}", pair.chart);
            assert_eq!(pair.client.connection_id().map(<[u8]>::len), for_client);
            assert_eq!(pair.server.connection_id().map(<[u8]>::len), for_server);
            pair.assert_data_flows();

            let (to_client, to_server) =
                (sealed(&mut pair.server, b"data"), sealed(&mut pair.client, b"data"));
            let len = |id: Option<usize>| id.unwrap_or(8);
            let id = connection_id(&to_client, len(for_client));
            assert_eq!(id, pair.client.connection_id());
            let id = connection_id(&to_server, len(for_server));
            assert_eq!(id, pair.server.connection_id());
        }
    }
}

#[test]
fn handshakes_with_ids_end_whatever_is_lost() {
    for seed in 0..seeds() {
        for configs in with_ids(Some(4), Some(8)) {
            let mut pair = Pair::new(configs);
            pair.run(lossy(seed, 0.3));
            assert!(pair.is_connected(), "seed {seed}: {:?}", pair.chart);
            pair.assert_data_flows();
        }
    }
}

#[test]
fn an_id_that_leaves_no_room_leaves_room_for_an_ack() {
    let [_, (client, server)] = with_ids(Some(200), Some(8));
    let mut pair = Pair::new((client, server.with_mtu(128)));
    pair.run(perfect);
    assert!(pair.is_connected());
    assert!(!pair.client.outgoing.has_handshake_keys(), "its last flight is acknowledged");
}

/// A pair of DTLS 1.3 with ids whose client has sent its last flight, which is on its way in
/// datagrams of at most 300 bytes.
fn with_last_flight() -> (Pair, Vec<Vec<u8>>) {
    let [_, (client, server)] = with_ids(Some(4), Some(8));
    let mut pair = Pair::new((client.with_mtu(300), server));
    let mut flight = Vec::new();
    while !pair.client.may_send() {
        assert!(pair.step(&mut |from, datagram: &[u8]| {
            if from == Role::Client && datagram[0] & 0xe0 == 0x20 {
                flight.push(datagram.to_vec());
                return vec![];
            }
            vec![DELAY]
        }));
    }
    assert_eq!(flight.len(), 2);
    (pair, flight)
}

/// A record of the client's without an id, as it may stand behind one that has it.
fn without_id(pair: &mut Pair, data: &[u8]) -> Vec<u8> {
    let id = pair.client.outgoing.connection_id().to_vec();
    pair.client.outgoing.set_connection_id(&[]);
    let record = sealed(&mut pair.client, data);
    pair.client.outgoing.set_connection_id(&id);
    record
}

fn to_server(pair: &mut Pair, mut datagram: Vec<u8>) -> Vec<Vec<u8>> {
    let read = pair.server.handle_datagram(pair.now, &mut datagram);
    read.map(|data| data.to_vec()).collect()
}

#[test]
fn a_record_that_comes_before_its_keys_is_for_us_if_its_datagram_is() {
    let (mut pair, flight) = with_last_flight();
    let behind = without_id(&mut pair, b"behind");
    let [first, second] = flight.try_into().unwrap();
    to_server(&mut pair, [second, behind].concat());
    to_server(&mut pair, first);
    assert!(pair.server.is_connected());
    assert_eq!(pair.server.take_early().as_deref(), Some(&b"behind"[..]));
}

#[test]
fn what_was_kept_says_nothing_about_the_datagram_that_opens_it() {
    let (mut pair, flight) = with_last_flight();
    let early = sealed(&mut pair.client, b"early");
    let behind = without_id(&mut pair, b"behind");
    let [first, second] = flight.try_into().unwrap();
    to_server(&mut pair, early);
    to_server(&mut pair, first);
    assert_eq!(to_server(&mut pair, [second, behind].concat()), [b"behind"]);
    assert_eq!(pair.server.take_early().as_deref(), Some(&b"early"[..]));
    assert!(pair.server.is_newest_datagram());
}

/// A server's port: who is connected, where they were seen last, and what they said.
struct Port {
    peers: Vec<(Connection, u16)>,
    read: Vec<Vec<u8>>,
}

impl Port {
    /// Finds out whose datagram it is by its id alone, and follows whoever has moved.
    fn handle(&mut self, now: Instant, from: u16, mut datagram: Vec<u8>) {
        let id = connection_id(&datagram, 8).map(<[u8]>::to_vec);
        let peer = self.peers.iter_mut().find(|(connection, _)| {
            connection.connection_id().is_some() && connection.connection_id() == id.as_deref()
        });
        let Some((connection, address)) = peer else { return };
        let records = connection.handle_datagram(now, &mut datagram);
        self.read.extend(records.map(|record| record.to_vec()));
        if connection.is_newest_datagram() {
            *address = from;
        }
    }
}

#[test]
fn a_peer_that_changes_its_address_goes_on() {
    for n in 0..2 {
        let mut clients = Vec::new();
        let mut port = Port { peers: Vec::new(), read: Vec::new() };
        for seed in 0..2 {
            let (client, server) = with_ids(Some(0), Some(8))[n].clone();
            let mut pair = Pair::new((client, server.clone()));
            pair.server = Connection::server(server, pair.now, [10 + seed; 32]);
            pair.run(perfect);
            assert!(pair.is_connected());
            port.peers.push((pair.server, 5000));
            clients.push((pair.client, pair.now));
        }
        let (client, now) = &mut clients[1];
        let old = sealed(client, b"before");
        port.handle(*now, 5000, old.clone());
        let late = sealed(client, b"late");
        // A translator gives the client another port.
        port.handle(*now, 6000, sealed(client, b"after"));
        assert_eq!(port.peers.iter().map(|peer| peer.1).collect::<Vec<_>>(), [5000, 6000]);
        // What is late comes through, what was recorded does not; neither moves anybody.
        port.handle(*now, 7000, late);
        port.handle(*now, 7000, old);
        // Nor does what somebody else makes up.
        let mut forged = sealed(client, b"forged");
        *forged.last_mut().unwrap() ^= 1;
        port.handle(*now, 7000, forged);
        assert_eq!(port.peers[1].1, 6000);
        assert_eq!(port.read, [&b"before"[..], b"after", b"late"]);
    }
}

#[test]
fn records_without_the_id_or_with_another_are_dropped() {
    for n in 0..2 {
        let mut pair = Pair::new(with_ids(Some(4), Some(8))[n].clone());
        pair.run(perfect);
        let now = pair.now;
        let before = pair.server.stats().records_dropped;

        // Another id, and then the right one behind it, which does not count any more.
        let mut datagram = sealed(&mut pair.client, b"data");
        let at = if n == 0 { 11 } else { 1 };
        datagram[at] ^= 1;
        datagram.extend(sealed(&mut pair.client, b"data"));
        assert_eq!(pair.server.handle_datagram(now, &mut datagram).count(), 0);
        assert_eq!(pair.server.stats().records_dropped, before + 2);

        // No id at all.
        pair.client.outgoing.set_connection_id(&[]);
        if n == 1 {
            let mut datagram = sealed(&mut pair.client, b"data");
            assert_eq!(pair.server.handle_datagram(now, &mut datagram).count(), 0);
            assert_eq!(pair.server.stats().records_dropped, before + 3);
        }
    }
}

#[test]
fn in_1_3_the_id_need_not_be_repeated_in_a_datagram() {
    let mut pair = Pair::new(with_ids(None, None)[1].clone());
    pair.run(perfect);
    let [_, configs] = with_ids(Some(4), Some(8));
    let mut pair = Pair::new(configs);
    pair.run(perfect);
    let mut datagram = sealed(&mut pair.client, b"one");
    pair.client.outgoing.set_connection_id(&[]);
    datagram.extend(sealed(&mut pair.client, b"two"));
    let now = pair.now;
    let read: Vec<_> =
        pair.server.handle_datagram(now, &mut datagram).map(|data| data.to_vec()).collect();
    assert_eq!(read, [b"one", b"two"]);
}

/// Sends a handshake message under the client's newest keys.
fn say(pair: &mut Pair, kind: HandshakeType, body: &[u8]) -> Option<CloseReason> {
    let mut datagram = said(pair, kind, body);
    let now = pair.now;
    pair.server.handle_datagram(now, &mut datagram);
    pair.server.close_reason()
}

/// A handshake message of the client's, protected.
fn said(pair: &mut Pair, kind: HandshakeType, body: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let message_seq = match &pair.server.phase {
        Phase::Established { rest: Rest::PostHandshake(post), .. } => post.inbox.next_seq(),
        _ => 0,
    };
    let epoch = pair.client.outgoing.newest_epoch();
    pair.client.outgoing.write(epoch, ContentType::Handshake, &mut datagram, |buf| {
        message::write(buf, kind, message_seq as u16, |buf| buf.extend_from_slice(body));
    });
    datagram
}

#[test]
fn a_server_takes_another_id() {
    let [_, configs] = with_ids(Some(4), Some(8));
    let mut pair = Pair::new(configs);
    pair.run(perfect);

    let mut body = Vec::new();
    let ids = [&b"spare"[..]];
    NewConnectionId::write(&mut body, ids.into_iter(), ConnectionIdUsage::Spare);
    assert_eq!(say(&mut pair, HandshakeType::NewConnectionId, &body), None);
    let datagram = sealed(&mut pair.server, b"data");
    assert_eq!(connection_id(&datagram, 4), pair.client.connection_id());

    body.clear();
    let ids = [&b"other"[..], b"third"];
    NewConnectionId::write(&mut body, ids.into_iter(), ConnectionIdUsage::Immediate);
    assert_eq!(say(&mut pair, HandshakeType::NewConnectionId, &body), None);
    let datagram = sealed(&mut pair.server, b"data");
    assert_eq!(connection_id(&datagram, 5), Some(&b"other"[..]));
}

/// The ids of the NewConnectionId that answers a request of the client, which acknowledges it.
fn request(pair: &mut Pair, count: u8) -> Vec<Vec<u8>> {
    assert_eq!(say(pair, HandshakeType::RequestConnectionId, &[count]), None);
    let now = pair.now;
    let mut ids = None;
    let mut datagram = Vec::new();
    while pair.server.poll_transmit(now, &mut datagram).is_some() {
        let mut rest = datagram.as_mut_slice();
        while let Some(record) = v13::record::split(&mut rest, 4) {
            let v13::record::Record::Ciphertext(record) = record else { panic!("{record:?}") };
            let crypto = &pair.client.settings.crypto;
            let Ok(opened) = pair.client.incoming.open_1_3(record, crypto) else {
                panic!("it opens")
            };
            if opened.content_type != ContentType::Handshake {
                continue;
            }
            let mut reader = codec::Reader(opened.plaintext);
            let fragment = message::Fragment::read(&mut reader).unwrap();
            assert_eq!(fragment.header.kind, HandshakeType::NewConnectionId);
            let message = NewConnectionId::parse(fragment.body).unwrap();
            assert_eq!(message.usage, ConnectionIdUsage::Spare);
            ids = Some(message.ids().map(<[u8]>::to_vec).collect());

            let mut ack = Vec::new();
            let epoch = pair.client.outgoing.newest_epoch();
            pair.client.outgoing.write(epoch, ContentType::Ack, &mut ack, |buf| {
                v13::ack::write(buf, [opened.number].into_iter());
            });
            pair.server.handle_datagram(now, &mut ack);
        }
        datagram.clear();
    }
    assert_eq!(pair.server.poll_timeout(), None, "it was acknowledged");
    ids.expect("it answers")
}

#[test]
fn the_id_in_use_stays_so_when_those_before_it_are_forgotten() {
    let [_, configs] = with_ids(Some(4), Some(8));
    let mut pair = Pair::new(configs);
    pair.run(perfect);
    let ids = request(&mut pair, 4);
    pair.client.outgoing.set_connection_id(&ids[3]);
    let data = sealed(&mut pair.client, b"moved");
    assert_eq!(to_server(&mut pair, data), [b"moved"]);

    // It asks for more, and what follows in the same datagram has no id: those before it are gone
    // by then.
    let request = said(&mut pair, HandshakeType::RequestConnectionId, &[4]);
    let behind = without_id(&mut pair, b"behind");
    assert_eq!(to_server(&mut pair, [request, behind].concat()), [b"behind"]);
    assert_eq!(pair.server.connection_ids().count(), 6);
    assert_eq!(pair.server.connection_id(), Some(&ids[3][..]));
}

#[test]
fn a_peer_that_asks_for_ids_gets_fresh_ones_up_to_a_bound() {
    let [_, (client, server)] = with_ids(Some(4), Some(8));
    let mut pair = Pair::new((client, server.with_max_spare_connection_ids(3)));
    pair.run(perfect);
    assert_eq!(pair.server.poll_event(), Some(Event::Connected));
    let first = pair.server.connection_id().unwrap().to_vec();

    let ids = request(&mut pair, 2);
    assert_eq!(pair.server.poll_event(), Some(Event::ConnectionIdsChanged));
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.len() == 8) && ids[0] != ids[1] && !ids.contains(&first));
    let known: Vec<_> = pair.server.connection_ids().map(<[u8]>::to_vec).collect();
    assert_eq!(known, [&[first.clone()][..], &ids].concat());

    // One more, and then none until one is used.
    assert_eq!(request(&mut pair, 255).len(), 1);
    assert_eq!(pair.server.poll_event(), Some(Event::ConnectionIdsChanged));
    assert_eq!(request(&mut pair, 1), Vec::<Vec<u8>>::new());
    assert_eq!(request(&mut pair, 0), Vec::<Vec<u8>>::new());
    assert_eq!(pair.server.poll_event(), None);

    // The client moves on to the second of them; what is late still has the first.
    let late = sealed(&mut pair.client, b"late");
    pair.client.outgoing.set_connection_id(&ids[1]);
    for mut datagram in [sealed(&mut pair.client, b"moved"), late] {
        let now = pair.now;
        assert_eq!(pair.server.handle_datagram(now, &mut datagram).count(), 1);
        assert_eq!(pair.server.connection_id(), Some(&*ids[1]));
    }
    assert_eq!(request(&mut pair, 9).len(), 2);
    assert!(pair.server.connection_ids().all(|id| id != first));
    assert_eq!(pair.server.connection_ids().count(), 5);
}

#[test]
fn a_client_that_asks_for_ids_before_its_last_flight_is_acknowledged_is_not_left_alone_with_it() {
    let [_, configs] = with_ids(Some(4), Some(8));
    let mut pair = Pair::new(configs);
    let mut network = |from, datagram: &[u8]| match from {
        Role::Server if datagram[0] & 3 == 3 => vec![],
        _ => vec![DELAY],
    };
    while !pair.is_connected() {
        assert!(pair.step(&mut network));
    }
    // client → RequestConnectionId → server
    // client ← NewConnectionId ← server
    // client → ACK → server
    assert_eq!(request(&mut pair, 2).len(), 2);
    // client → Certificate … Finished, again → server
    // client ← ACK ← server
    pair.run(perfect);
    assert!(pair.client.stats().flights_retransmitted > 0);
    assert!(pair.is_connected(), "{:?}", pair.client.close_reason());
}

#[test]
fn nobody_else_uses_an_id_up() {
    let [_, configs] = with_ids(Some(4), Some(8));
    let mut pair = Pair::new(configs);
    pair.run(perfect);
    let first = pair.server.connection_id().unwrap().to_vec();
    let ids = request(&mut pair, 4);
    pair.client.outgoing.set_connection_id(&ids[3]);
    let mut forged = sealed(&mut pair.client, b"forged");
    *forged.last_mut().unwrap() ^= 1;
    let now = pair.now;
    assert_eq!(pair.server.handle_datagram(now, &mut forged).count(), 0);
    assert_eq!(pair.server.connection_id(), Some(&*first));
}

#[test]
fn where_no_spare_ids_are_allowed_a_request_is_answered_with_none() {
    let [_, (client, server)] = with_ids(Some(4), Some(8));
    let mut pair = Pair::new((client, server.with_max_spare_connection_ids(0)));
    pair.run(perfect);
    assert_eq!(request(&mut pair, 3), Vec::<Vec<u8>>::new());
}

#[test]
fn messages_about_ids_that_nobody_agreed_on_are_out_of_place() {
    let mut body = Vec::new();
    NewConnectionId::write(&mut body, [].into_iter(), ConnectionIdUsage::Spare);
    for (kind, body) in
        [(HandshakeType::NewConnectionId, &body[..]), (HandshakeType::RequestConnectionId, &[1])]
    {
        let [_, configs] = with_ids(Some(0), Some(0));
        let mut pair = Pair::new(configs);
        pair.run(perfect);
        let reason = say(&mut pair, kind, body);
        assert_eq!(reason, Some(CloseReason::Handshake(HandshakeError::UnexpectedMessage)));
    }
}
