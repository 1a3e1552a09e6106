//! What an authentic peer must not do, and what it is told.

use super::super::message::server_hello::Retry;
use super::super::message::{HandshakeType, write};
use super::super::*;
use super::pair::*;

fn connected(configs: (Config, Config)) -> Pair {
    let mut pair = Pair::new(configs);
    pair.run(perfect);
    assert!(pair.is_connected());
    pair
}

/// Lets the client say something under its newest keys, and returns how both sides end.
fn after(mut pair: Pair, kind: ContentType, contents: &[u8]) -> [Option<CloseReason>; 2] {
    let mut datagram = Vec::new();
    let outgoing = &mut pair.client.outgoing;
    let epoch = outgoing.newest_epoch();
    outgoing.write(epoch, kind, &mut datagram, |buf| buf.extend_from_slice(contents));
    pair.send(Role::Client, &datagram, &mut perfect);
    pair.run(perfect);
    [pair.server.close_reason(), pair.client.close_reason()]
}

/// Replaces an extension of a hello, the only message of its datagram.
fn replace_extension(hello: &mut Vec<u8>, kind: u16, data: &[u8]) {
    let before = hello.len();
    let u16_at = |hello: &[u8], at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
    let is_list = |at: &usize| usize::from(u16_at(hello, *at)) == before - at - 2;
    // Behind record header, message header, version, random, and one length at least.
    let list = (13 + 12 + 2 + 32 + 1..before - 2).find(is_list).unwrap();
    let mut at = list + 2;
    while u16_at(hello, at) != kind {
        at += 4 + usize::from(u16_at(hello, at + 2));
    }
    let old = usize::from(u16_at(hello, at + 2));
    let len = (data.len() as u16).to_be_bytes();
    hello.splice(at + 2..at + 4 + old, len.into_iter().chain(data.iter().copied()));
    let changed = |len: u16| (usize::from(len) + hello.len() - before) as u16;
    let lengths = [11, 15, 23, list].map(|at| (at, changed(u16_at(hello, at)).to_be_bytes()));
    for (at, length) in lengths {
        hello[at..at + 2].copy_from_slice(&length);
    }
}

/// How a handshake of DTLS 1.2 ends when an extension of a hello says something else.
fn with_extension(from: Role, kind: u16, data: &[u8]) -> Option<CloseReason> {
    let mut pair = Pair::new(configs());
    let mut datagram = Vec::new();
    for role in [Role::Client, Role::Server] {
        datagram.clear();
        let now = pair.now;
        pair.side(role).poll_transmit(now, &mut datagram).unwrap();
        let to = if role == Role::Client { Role::Server } else { Role::Client };
        if role == from {
            let hello = 13 + usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
            datagram.truncate(hello);
            replace_extension(&mut datagram, kind, data);
            pair.side(to).handle_datagram(now, &mut datagram);
            return pair.side(to).close_reason();
        }
        pair.side(to).handle_datagram(now, &mut datagram);
    }
    None
}

#[test]
fn a_certificate_that_is_too_long_is_said_to_be() {
    let (client, server) = configs_1_3();
    // A ServerHello with a share of X25519 fits 200 bytes, a certificate does not.
    let client = client.with_groups(&[rustls::NamedGroup::X25519]).unwrap();
    let mut pair = Pair::new((client.with_max_handshake_bytes(400), server));
    pair.run(perfect);
    let too_long = HandshakeError::MessageTooLong;
    assert_eq!(pair.client.close_reason(), Some(CloseReason::Handshake(too_long)));
    assert_eq!(pair.server.close_reason(), Some(CloseReason::Alert(too_long.alert())));
}

#[test]
fn a_server_may_greet_with_a_hello_request() {
    let mut pair = Pair::new(configs());
    let (mut hello, mut answer) = (Vec::new(), Vec::new());
    pair.client.poll_transmit(pair.now, &mut hello).unwrap();
    pair.server.handle_datagram(pair.now, &mut hello);
    pair.server.poll_transmit(pair.now, &mut answer).unwrap();
    // RFC 6347 §4.2.2 has it as message 0, and ServerHello as message 1.
    let mut request = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 12];
    write(&mut request, HandshakeType::HelloRequest, 0, |_| ());
    pair.client.handle_datagram(pair.now, &mut request);
    let length = usize::from(u16::from_be_bytes([answer[11], answer[12]]));
    answer.truncate(13 + length);
    answer[13 + 5] = 1;
    pair.client.handle_datagram(pair.now, &mut answer);
    let Phase::Handshaking(handshake) = &pair.client.phase else { panic!("it goes on") };
    assert_eq!((handshake.inbox.next_seq(), handshake.inbox.version()), (2, Some(Version::Dtls12)));
}

#[test]
fn a_hello_of_another_handshake_is_refused() {
    let refused = Some(CloseReason::Handshake(HandshakeError::Renegotiation));
    for role in [Role::Client, Role::Server] {
        assert_eq!(with_extension(role, 0xff01, &[0]), None);
        assert_eq!(with_extension(role, 0xff01, &[2, 7, 7]), refused);
    }
    let alert = HandshakeError::Renegotiation.alert();
    assert_eq!(alert, AlertDescription::HandshakeFailure);
}

#[test]
fn a_client_that_knows_no_uncompressed_points_is_refused() {
    let refused = |error| Some(CloseReason::Handshake(error));
    let illegal = refused(HandshakeError::IllegalParameter);
    assert_eq!(with_extension(Role::Client, 11, &[2, 1, 0]), None);
    assert_eq!(with_extension(Role::Client, 11, &[2, 1, 2]), illegal);
    assert_eq!(with_extension(Role::Client, 11, &[0]), refused(HandshakeError::Malformed));
}

fn failed(error: HandshakeError) -> [Option<CloseReason>; 2] {
    [Some(error.into()), Some(CloseReason::Alert(error.alert()))]
}

#[test]
fn a_second_finished_ends_the_connection() {
    let mut finished = Vec::new();
    write(&mut finished, HandshakeType::Finished, 9, |buf| buf.extend_from_slice(&[0; 12]));
    let ended = after(connected(configs()), ContentType::Handshake, &finished);
    assert_eq!(ended, failed(HandshakeError::UnexpectedMessage));
}

#[test]
fn an_alert_that_is_none_ends_the_connection() {
    for configs in [configs(), configs_1_3()] {
        for alert in [&[1][..], &[1, 90, 1, 90]] {
            let ended = after(connected(configs.clone()), ContentType::Alert, alert);
            assert_eq!(ended, failed(HandshakeError::Malformed));
        }
        // A level that there is not.
        let ended = after(connected(configs), ContentType::Alert, &[0x42, 10]);
        assert_eq!(ended, failed(HandshakeError::IllegalParameter));
    }
}

#[test]
fn a_protected_record_that_makes_no_sense_ends_the_connection() {
    use HandshakeError::{Malformed, UnexpectedMessage};
    for configs in [configs(), configs_1_3()] {
        for (kind, contents, error) in [
            (ContentType::Handshake, &[][..], UnexpectedMessage),
            (ContentType::Alert, &[], UnexpectedMessage),
            (ContentType::ChangeCipherSpec, &[1], UnexpectedMessage),
            // A header that is cut, and a fragment that ends behind its message.
            (ContentType::Handshake, &[24, 0, 0, 1, 0, 9], Malformed),
            (ContentType::Handshake, &[24, 0, 0, 1, 0, 9, 0, 0, 1, 0, 0, 1, 0], Malformed),
        ] {
            let ended = after(connected(configs.clone()), kind, contents);
            assert_eq!(ended, failed(error), "{kind:?} {contents:?}");
        }
    }
    for contents in [&[][..], &[0], &[0, 1, 0], &[0, 0, 0]] {
        let ended = after(connected(configs_1_3()), ContentType::Ack, contents);
        assert_eq!(ended, failed(Malformed), "{contents:?}");
    }
}

#[test]
fn only_in_1_2_is_an_alert_a_warning_because_it_says_so() {
    use AlertDescription::{HandshakeFailure, NoRenegotiation, Unknown, UserCanceled};
    for configs in [configs(), configs_1_3()] {
        for description in [HandshakeFailure, NoRenegotiation, Unknown(200), UserCanceled] {
            let mut pair = connected(configs.clone());
            let mut datagram = Vec::new();
            let epoch = pair.client.outgoing.newest_epoch();
            let warning = Alert { fatal: false, description };
            pair.client.outgoing.write(epoch, ContentType::Alert, &mut datagram, |buf| {
                buf.extend_from_slice(&warning.bytes());
            });
            pair.send(Role::Client, &datagram, &mut perfect);
            pair.run(perfect);
            if pair.client.version() == Some(Version::Dtls12) || description == UserCanceled {
                pair.assert_data_flows();
            } else {
                assert_eq!(pair.server.close_reason(), Some(CloseReason::Alert(description)));
            }
        }
    }
}

#[test]
fn a_client_that_was_asked_for_a_cookie_of_1_2_does_not_go_on_with_1_3() {
    let mut pair = Pair::new(configs_1_3());
    // HelloVerifyRequest with a cookie of one byte, from anybody.
    let mut body = Vec::new();
    write(&mut body, HandshakeType::HelloVerifyRequest, 0, |buf| {
        buf.extend_from_slice(&[0xfe, 0xff, 1, 7]);
    });
    let mut datagram = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, body.len() as u8];
    datagram.extend_from_slice(&body);
    pair.client.handle_datagram(pair.now, &mut datagram);
    pair.run(perfect);
    assert!(!pair.is_connected());
}

#[test]
fn a_cookie_that_makes_a_hello_too_long_is_refused() {
    for (len, expected) in [(4096, None), (4097, Some(HandshakeError::IllegalParameter))] {
        let mut pair = Pair::new(configs_1_3());
        let mut body = Vec::new();
        let cookie = vec![7; len];
        let retry = Retry { cipher_suite: 0x1301, group: None, cookie: Some(&cookie) };
        write(&mut body, HandshakeType::ServerHello, 0, |buf| retry.write(buf));
        let mut datagram = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
        datagram.extend_from_slice(&(body.len() as u16).to_be_bytes());
        datagram.extend_from_slice(&body);
        pair.client.handle_datagram(pair.now, &mut datagram);
        assert_eq!(pair.client.close_reason(), expected.map(CloseReason::Handshake));
    }
}

#[test]
fn an_application_can_refuse_a_certificate_with_an_alert_of_its_own() {
    let why = AlertDescription::from(46);
    for (client, server) in [unacquainted(), configs_1_3()] {
        let server = server.with_any_remote_certificate();
        let mut pair = Pair::new((client.with_any_remote_certificate(), server));
        let mut network = perfect;
        while pair.client.peer_certificate().is_none() {
            assert!(pair.step(&mut network));
        }
        pair.client.abort(pair.now, why);
        pair.run(perfect);
        assert_eq!(pair.client.close_reason(), Some(CloseReason::Local));
        assert_eq!(pair.server.close_reason(), Some(CloseReason::Alert(why)));
    }
}

#[test]
fn with_timers_only_nothing_is_acknowledged_or_sent_again_before_one() {
    let (client, server) = configs_1_3();
    let quiet = |config: Config| {
        let timeout = Duration::from_millis(400);
        config.with_loss_reaction(LossReaction::Timer).with_initial_timeout(timeout).with_mtu(400)
    };
    let mut pair = Pair::new((quiet(client), quiet(server)));
    // The first datagram of the server's first flight is lost.
    let mut sent = 0;
    let mut acknowledged = None;
    let start = pair.start;
    let mut network = |from: Role, _: &[u8]| {
        sent += usize::from(from == Role::Server);
        if from == Role::Server && sent == 1 { vec![] } else { vec![DELAY] }
    };
    while pair.step(&mut network) {
        if let (None, Phase::Handshaking(handshake)) = (acknowledged, &pair.client.phase) {
            acknowledged = handshake.acks.due();
        }
    }
    assert!(pair.is_connected());
    // No keys, no ACK: the client's own timer brings the flight again.
    assert!(pair.client_connected.unwrap() >= Duration::from_millis(400));
    assert!(acknowledged.is_none_or(|due| due >= start + 2 * DELAY + Duration::from_millis(100)));
}

#[test]
fn message_numbers_do_not_wrap() {
    use super::super::message::{Fragment, FragmentHeader};
    use super::super::reassembly::Inserted;

    let mut inbox = Inbox::starting_at(u16::MAX, Role::Client, 1000);
    inbox.set_version(Version::Dtls13);
    let mut insert = |message_seq| {
        let header = FragmentHeader::whole(HandshakeType::KeyUpdate, message_seq, 1);
        let inserted = inbox.insert(Epoch::APPLICATION, Fragment { header, body: &[0] });
        (inserted, inbox.take().is_some())
    };
    assert_eq!(insert(u16::MAX), (Inserted::Kept, true));
    // What would come next is an old one.
    assert_eq!(insert(0), (Inserted::Answered, false));
    assert_eq!(insert(u16::MAX), (Inserted::Known, false));
}
