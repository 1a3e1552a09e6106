use super::super::message::{HandshakeType, write};
use super::super::*;
use super::pair::*;

fn epochs(connection: &Connection) -> (u64, u64) {
    let sending = connection.outgoing.newest_epoch();
    (sending.0, connection.incoming.newest_epoch().unwrap().0)
}

/// A protected handshake record in the sender's newest epoch.
fn handshake_record(from: &mut Connection, kind: HandshakeType, seq: u16, body: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let epoch = from.outgoing.newest_epoch();
    from.outgoing.write(epoch, ContentType::Handshake, &mut datagram, |buf| {
        write(buf, kind, seq, |buf| buf.extend_from_slice(body));
    });
    datagram
}

#[test]
fn a_side_changes_its_keys_when_the_peer_has_acknowledged_it() {
    let mut pair = Pair::connected_1_3();
    assert!(pair.client.update_keys(pair.now, KeyUpdate::NotRequested));
    assert_eq!(pair.client.poll_timeout(), Some(pair.now));
    pair.run(perfect);
    // client → KeyUpdate (epoch 3) → server
    // client ← ACK ← server
    assert_eq!(pair.chart, ["client: [3]", "server: [3]"]);
    assert_eq!(epochs(&pair.client), (4, 3));
    assert_eq!(epochs(&pair.server), (3, 4));
    pair.assert_data_flows();
    assert_eq!(pair.chart[2..], ["client: [0]", "server: [3]"], "4 is 0 in two bits");
}

#[test]
fn a_request_changes_the_keys_of_both() {
    let mut pair = Pair::connected_1_3();
    pair.server.update_keys(pair.now, KeyUpdate::Requested);
    pair.run(perfect);
    // client ← KeyUpdate, requested ← server
    // client → ACK, KeyUpdate → server
    // client ← ACK, in the new epoch ← server
    assert_eq!(pair.chart, ["server: [3]", "client: [3] [3]", "server: [0]"]);
    assert_eq!(epochs(&pair.client), (4, 4));
    assert_eq!(epochs(&pair.server), (4, 4));
    pair.assert_data_flows();
}

#[test]
fn requests_that_cross_answer_each_other() {
    let mut pair = Pair::connected_1_3();
    pair.client.update_keys(pair.now, KeyUpdate::Requested);
    pair.server.update_keys(pair.now, KeyUpdate::Requested);
    pair.run(perfect);
    assert_eq!(pair.chart, ["client: [3]", "server: [3]", "client: [3]", "server: [3]"]);
    assert_eq!(epochs(&pair.client), (4, 4));
    assert_eq!(epochs(&pair.server), (4, 4));
    pair.assert_data_flows();
}

#[test]
fn updates_follow_each_other_for_long() {
    let mut pair = Pair::connected_1_3();
    for n in 1..=20 {
        pair.client.update_keys(pair.now, KeyUpdate::Requested);
        // Wanted twice at a time, it happens twice.
        pair.run(perfect);
        assert_eq!(epochs(&pair.client), (3 + n, 3 + n));
        pair.assert_data_flows();
    }
}

#[test]
fn updates_get_through_whatever_is_lost() {
    for seed in 0..seeds() {
        let mut pair = Pair::connected_1_3();
        let mut network = lossy(seed, 0.3);
        for n in 1..=5 {
            pair.client.update_keys(pair.now, KeyUpdate::Requested);
            pair.server.update_keys(pair.now, KeyUpdate::NotRequested);
            pair.run(&mut network);
            assert!(epochs(&pair.client).0 >= 3 + n, "seed {seed}");
            assert_eq!(epochs(&pair.client).0, epochs(&pair.server).1, "seed {seed}");
            assert_eq!(epochs(&pair.client).1, epochs(&pair.server).0, "seed {seed}");
            pair.assert_data_flows();
        }
    }
}

#[test]
fn a_lost_acknowledgement_is_said_again_and_the_old_keys_go_on_until_then() {
    let mut pair = Pair::connected_1_3();
    pair.client.update_keys(pair.now, KeyUpdate::NotRequested);
    let mut lost = 0;
    let mut network = |from, _: &[u8]| {
        if from == Role::Server && lost < 2 {
            lost += 1;
            return vec![];
        }
        vec![DELAY]
    };
    pair.step(&mut network);
    assert_eq!(epochs(&pair.server).1, 4, "the server expects the next keys");
    let datagram = sealed(&mut pair.client, b"old keys");
    pair.send(Role::Client, &datagram, &mut network);
    pair.run(&mut network);
    assert_eq!(pair.server_read, [b"old keys"]);
    assert_eq!(epochs(&pair.client).0, 4);
    assert_eq!(pair.client.stats().flights_retransmitted, 2);
    pair.assert_data_flows();
}

#[test]
fn the_old_keys_stay_until_something_came_under_the_new_ones() {
    // client → KeyUpdate → server; the ACK is lost, and then all for longer than segments live
    let patient = |config: Config| config.with_max_retransmissions(60);
    let (client, server) = configs_1_3();
    let mut pair = Pair::new((patient(client), patient(server)));
    pair.run(perfect);
    pair.client.update_keys(pair.now, KeyUpdate::NotRequested);
    let (start, mut asked) = (pair.now, false);
    let mut network = |from, _: &[u8]| match from {
        Role::Client if !asked => {
            asked = true;
            vec![DELAY]
        }
        _ => vec![],
    };
    while pair.now < start + Duration::from_secs(121) {
        assert!(pair.step(&mut network));
    }
    assert_eq!((epochs(&pair.client).0, epochs(&pair.server).1), (3, 4));
    // client → KeyUpdate, again, under the old keys → server
    // client ← ACK ← server
    pair.run(perfect);
    assert_eq!((epochs(&pair.client).0, epochs(&pair.server).1), (4, 4));
    pair.assert_data_flows();
}

#[test]
fn what_was_sent_before_an_update_is_read_after_it_but_not_for_ever() {
    let mut pair = Pair::connected_1_3();
    let late = sealed(&mut pair.client, b"late");
    let too_late = sealed(&mut pair.client, b"too late");
    pair.client.update_keys(pair.now, KeyUpdate::NotRequested);
    pair.run(perfect);
    pair.assert_data_flows();
    pair.server_read.clear();
    pair.send(Role::Client, &late, &mut perfect);
    pair.run(perfect);
    assert_eq!(pair.server_read, [b"late"]);
    pair.now += Duration::from_secs(121);
    pair.send(Role::Client, &too_late, &mut perfect);
    pair.run(perfect);
    assert_eq!(pair.server_read.len(), 1);
}

#[test]
fn keys_change_by_themselves_before_they_have_sealed_too_much() {
    let mut pair = Pair::connected_1_3();
    pair.client.outgoing.wear_out();
    let datagram = sealed(&mut pair.client, b"one of many");
    pair.send(Role::Client, &datagram, &mut perfect);
    pair.run(perfect);
    assert_eq!(epochs(&pair.client), (4, 3));
    pair.assert_data_flows();
}

#[test]
fn keys_that_were_attacked_too_often_are_changed_and_then_given_up() {
    let mut pair = Pair::connected_1_3();
    let mut forged = sealed(&mut pair.client, b"forged");
    *forged.last_mut().unwrap() ^= 1;
    pair.server.incoming.wear_out(1 << 35);
    pair.send(Role::Client, &forged, &mut perfect);
    pair.run(perfect);
    assert_eq!(epochs(&pair.client), (4, 4), "the server has asked for it");

    let mut forged = sealed(&mut pair.client, b"forged");
    *forged.last_mut().unwrap() ^= 1;
    pair.server.incoming.wear_out(1 << 36);
    pair.send(Role::Client, &forged, &mut perfect);
    pair.run(perfect);
    assert_eq!(pair.server.close_reason(), Some(CloseReason::KeyWornOut));
}

#[test]
fn a_peer_that_owes_an_update_is_not_asked_for_another() {
    let mut pair = Pair::connected_1_3();
    let now = pair.now;
    let wanted = |pair: &Pair| match &pair.client.phase {
        Phase::Established { rest: Rest::PostHandshake(post), .. } => post.wanted(),
        _ => None,
    };
    pair.client.update_keys(now, KeyUpdate::Requested);
    // A forgery wants what has been asked for, the application its own keys changed once more.
    pair.client.want_update(KeyUpdate::Requested);
    assert_eq!(wanted(&pair), None);
    pair.client.update_keys(now, KeyUpdate::Requested);
    assert_eq!(wanted(&pair), Some(KeyUpdate::NotRequested));
    // When the peer's has come, it may be asked again.
    pair.run(perfect);
    assert_eq!(epochs(&pair.client), (5, 4));
    pair.client.update_keys(now, KeyUpdate::Requested);
    pair.run(perfect);
    assert_eq!(epochs(&pair.client), (6, 5));
    pair.assert_data_flows();
}

#[test]
fn keys_that_are_used_up_end_the_connection_and_both_sides_are_told() {
    for mut pair in [Pair::connected(), Pair::connected_1_3()] {
        pair.client.outgoing.use_up();
        assert!(pair.client.may_send());
        let mut buf = b"before".to_vec();
        assert!(pair.client.begin(&mut buf).is_none());
        assert_eq!(buf, b"before");
        let worn_out = CloseReason::KeyWornOut;
        assert_eq!(pair.client.poll_event(), Some(Event::Closed(worn_out)));
        assert!(!pair.client.may_send());
        pair.run(perfect);
        assert_eq!(pair.server.close_reason(), Some(CloseReason::Remote));
    }
}

#[test]
fn a_record_is_not_sealed_with_other_keys_than_it_was_begun_with() {
    let mut pair = Pair::connected_1_3();
    let mut buf = b"before".to_vec();
    let record = pair.client.begin(&mut buf).unwrap();
    buf.extend_from_slice(b"plaintext");
    pair.client.update_keys(pair.now, KeyUpdate::NotRequested);
    pair.run(perfect);
    assert_eq!(pair.client.seal(&mut buf, record), Err(SealError::KeyUpdated));
    assert_eq!(buf, b"before");
}

#[test]
fn what_does_not_belong_after_a_handshake_ends_the_connection() {
    // The client has sent ClientHello, Certificate, CertificateVerify and Finished.
    for (kind, body, error) in [
        (HandshakeType::ClientHello, &b"again"[..], HandshakeError::UnexpectedMessage),
        (HandshakeType::NewSessionTicket, b"", HandshakeError::UnexpectedMessage),
        (HandshakeType::CertificateRequest, b"", HandshakeError::UnexpectedMessage),
        (HandshakeType::KeyUpdate, &[2], HandshakeError::IllegalParameter),
        (HandshakeType::KeyUpdate, &[0, 0], HandshakeError::Malformed),
    ] {
        let mut pair = Pair::connected_1_3();
        let datagram = handshake_record(&mut pair.client, kind, 4, body);
        pair.send(Role::Client, &datagram, &mut perfect);
        pair.run(perfect);
        assert_eq!(pair.server.close_reason(), Some(CloseReason::Handshake(error)));
        assert_eq!(pair.client.close_reason(), Some(CloseReason::Alert(error.alert())));
    }
}

#[test]
fn nothing_may_follow_an_update_under_the_old_keys() {
    let mut pair = Pair::connected_1_3();
    for seq in [4, 5] {
        let (kind, body) = (HandshakeType::KeyUpdate, &[0]);
        let datagram = handshake_record(&mut pair.client, kind, seq, body);
        pair.send(Role::Client, &datagram, &mut perfect);
    }
    pair.run(perfect);
    let unexpected = CloseReason::Handshake(HandshakeError::UnexpectedMessage);
    assert_eq!(pair.server.close_reason(), Some(unexpected));
}

#[test]
fn a_ticket_is_acknowledged_and_forgotten() {
    let mut pair = Pair::connected_1_3();
    // The server has sent ServerHello to Finished: six messages.
    let kind = HandshakeType::NewSessionTicket;
    // Lifetime and ticket_age_add, no nonce, a ticket of one byte, no extensions.
    let ticket = [0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 1, 7, 0, 0];
    let datagram = handshake_record(&mut pair.server, kind, 6, &ticket);
    pair.send(Role::Server, &datagram, &mut perfect);
    pair.run(perfect);
    assert_eq!(pair.chart, ["server: [3]", "client: [3]"]);
    pair.assert_data_flows();
}

#[test]
fn dtls_1_2_has_no_key_update() {
    let mut pair = Pair::connected();
    assert!(!pair.client.update_keys(pair.now, KeyUpdate::Requested));
    pair.assert_data_flows();
}
