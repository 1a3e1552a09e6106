//! A peer that falls silent, wherever it does, or says one thing for ever: who waits for it gives up
//! in the end.

use super::super::message::{FragmentHeader, HandshakeType};
use super::super::record::{DTLS_1_2, Header};
use super::super::v13::{RecordNumber, ack};
use super::super::*;
use super::pair::*;

/// Longer than any flight waits with the default settings.
const LONG: Duration = Duration::from_secs(120);

/// Hands over all that one side has to send, and returns it.
fn deliver(pair: &mut Pair, from: Role) -> Vec<Vec<u8>> {
    let to = if from == Role::Client { Role::Server } else { Role::Client };
    let (now, mut datagrams) = (pair.now, Vec::new());
    loop {
        let mut datagram = Vec::new();
        if pair.side(from).poll_transmit(now, &mut datagram).is_none() {
            return datagrams;
        }
        datagrams.push(datagram.clone());
        pair.side(to).handle_datagram(now, &mut datagram);
    }
}

/// Lets one side wait for the other, which is gone. Returns how long that took, and what it sent.
fn wait(pair: &mut Pair, role: Role) -> (Duration, Vec<String>) {
    let (start, mut now, mut sent) = (pair.now, pair.now, Vec::new());
    let side = pair.side(role);
    let mut datagram = Vec::new();
    while now < start + LONG {
        while side.poll_transmit(now, &mut datagram).is_some() {
            sent.push(describe(&datagram));
            datagram.clear();
        }
        let Some(next) = side.poll_timeout() else { break };
        now = next;
        side.handle_timeout(now);
    }
    assert_eq!(side.close_reason(), Some(CloseReason::TimedOut), "after {:?}", now - start);
    (now - start, sent)
}

/// Those that an ACK names: the first `count` of each epoch.
fn numbers(count: u64) -> impl Iterator<Item = RecordNumber> {
    [0, 2].into_iter().flat_map(move |epoch| {
        (0..count).map(move |sequence_number| RecordNumber { epoch, sequence_number })
    })
}

/// What anybody can send.
fn plaintext(content_type: ContentType, body: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let header = Header { content_type, version: DTLS_1_2, epoch: 0, sequence_number: 99 };
    header.write(&mut datagram, body.len() as u16);
    datagram.extend_from_slice(body);
    datagram
}

#[test]
fn a_server_whose_flight_is_acknowledged_does_not_wait_for_ever() {
    let mut pair = Pair::new(configs_1_3());
    deliver(&mut pair, Role::Client);
    deliver(&mut pair, Role::Server);
    // The client has all of it, says so, and that is the last of it.
    let mut datagram = Vec::new();
    pair.client.outgoing.write(Epoch::HANDSHAKE, ContentType::Ack, &mut datagram, |buf| {
        ack::write(buf, numbers(8));
    });
    pair.server.handle_datagram(pair.now, &mut datagram);
    let (_, sent) = wait(&mut pair, Role::Server);
    // Nothing of the flight comes again.
    assert!(!sent.is_empty() && sent.iter().all(|datagram| datagram == "[3]"), "{sent:?}");
}

#[test]
fn a_server_that_waits_for_a_second_hello_does_not_wait_for_ever() {
    for (client, server) in [configs(), configs_1_3()] {
        let mut pair = Pair::new((client, server.with_cookies()));
        deliver(&mut pair, Role::Client);
        // What nobody can read yet does not bring its end nearer.
        pair.server.handle_datagram(pair.now, &mut [0x2f; 100]);
        let (waited, sent) = wait(&mut pair, Role::Server);
        assert_eq!(sent.len(), 1, "{sent:?}");
        // 0.4, 0.8, 1.6 and eighteen times 3 s.
        assert_eq!(waited, Duration::from_millis(56_800));
    }
}

#[test]
fn a_timer_that_expires_as_the_answer_begins_is_not_lost() {
    let x25519 = |config: Config| config.with_groups(&[rustls::NamedGroup::X25519]).unwrap();
    let (client, server) = configs_1_3();
    let mut pair = Pair::new((x25519(client), x25519(server)));
    deliver(&mut pair, Role::Client);
    pair.now = pair.client.poll_timeout().unwrap();
    pair.client.handle_timeout(pair.now);
    // The ServerHello alone comes in the same turn.
    let mut flight = Vec::new();
    pair.server.poll_transmit(pair.now, &mut flight).unwrap();
    let length = usize::from(u16::from_be_bytes([flight[11], flight[12]]));
    pair.client.handle_datagram(pair.now, &mut flight[..Header::LEN + length]);
    assert!(pair.client.incoming.has_handshake_keys());
    wait(&mut pair, Role::Client);
}

#[test]
fn nor_is_one_that_expires_as_somebody_claims_that_all_has_come() {
    // The client's second hello.
    let (client, server) = configs_1_3();
    let mut pair = Pair::new((client, server.with_cookies()));
    deliver(&mut pair, Role::Client);
    deliver(&mut pair, Role::Server);
    while pair.client.poll_transmit(pair.now, &mut Vec::new()).is_some() {}
    pair.now = pair.client.poll_timeout().unwrap();
    pair.client.handle_timeout(pair.now);
    let mut body = Vec::new();
    ack::write(&mut body, numbers(8).filter(|number| number.epoch == 0));
    let mut datagram = plaintext(ContentType::Ack, &body);
    pair.client.handle_datagram(pair.now, &mut datagram);
    wait(&mut pair, Role::Client);
}

#[test]
fn who_asks_again_and_again_is_given_up_too() {
    let hello = FragmentHeader {
        kind: HandshakeType::ClientHello,
        length: 100,
        message_seq: 0,
        offset: 0,
        fragment_length: 1,
    };
    let hello = plaintext(ContentType::Handshake, &[&hello.bytes()[..], &[7]].concat());
    let mut ack = Vec::new();
    ack::write(&mut ack, numbers(1).take(1));
    let ack = plaintext(ContentType::Ack, &ack);
    for (configs, question) in [(configs(), &hello), (configs_1_3(), &hello), (configs_1_3(), &ack)]
    {
        let mut pair = Pair::new(configs);
        deliver(&mut pair, Role::Client);
        let (start, mut now, mut flights) = (pair.now, pair.now, 0);
        let mut datagram = Vec::new();
        // Half of the first timer is what a repetition has to be late by.
        while pair.server.close_reason().is_none() && now < start + 3 * LONG {
            let before = datagram.len();
            while pair.server.poll_transmit(now, &mut datagram).is_some() {}
            flights += usize::from(datagram.len() > before);
            now += Duration::from_millis(200);
            pair.server.handle_timeout(now);
            pair.server.handle_datagram(now, &mut question.clone());
        }
        assert_eq!(pair.server.close_reason(), Some(CloseReason::TimedOut), "{:?}", now - start);
        assert!(now - start < LONG, "{:?}", now - start);
        // The first, twenty by the timer, and twenty for whoever asks.
        assert!((21..=41).contains(&flights), "{flights}");
    }
}
