//! Clients that have to prove their address by a cookie.

use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

use super::super::message::{FragmentHeader, HandshakeType};
use super::super::record::Header;
use super::super::*;
use super::pair::*;

/// A ClientHello, or the first `len` bytes of it.
fn hello(sequence_number: u64, body: &[u8], len: usize) -> Vec<u8> {
    let header = FragmentHeader {
        fragment_length: len as u32,
        ..FragmentHeader::whole(HandshakeType::ClientHello, 0, body.len() as u32)
    };
    let message = [&header.bytes(), &body[..len]].concat();
    plaintext(ContentType::Handshake, sequence_number, &message)
}

#[test]
fn no_more_is_sent_than_came_to_an_address_that_is_not_proved() {
    let (client, server) = configs();
    let mut datagram = Vec::new();
    Connection::client(client, any_instant(), [1; 32]).poll_transmit(any_instant(), &mut datagram);
    let whole_1_2 = datagram.split_off(Header::LEN + FragmentHeader::LEN);
    let cases = [(server, whole_1_2), (configs_1_3().1, short_hello()), (configs_1_3().1, vec![0])];
    for (server, body) in cases {
        for seed in 0..50 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let mut now = any_instant();
            let mut server = Connection::server(server.clone().with_cookies(), now, [2; 32]);
            let (mut came, mut sent) = (0, 0);
            for sequence_number in 0..100 {
                let mut datagram = match rng.random_range(0..3) {
                    0 => hello(sequence_number, &body, body.len()),
                    1 => hello(sequence_number, &body, rng.random_range(0..=body.len())),
                    _ => plaintext(ContentType::Handshake, sequence_number, &[]),
                };
                came += datagram.len();
                drop(server.handle_datagram(now, &mut datagram));
                now += Duration::from_millis(rng.random_range(0..1_000));
                server.handle_timeout(now);
                datagram.clear();
                while server.poll_transmit(now, &mut datagram).is_some() {}
                sent += datagram.len();
                assert!(sent <= came, "{sent} of {came}");
            }
            assert!(sent > 0);
        }
    }
}

#[test]
fn a_hello_that_is_shorter_than_its_answer_has_to_come_twice() {
    let mut now = any_instant();
    let mut server = Connection::server(configs_1_3().1.with_cookies(), now, [2; 32]);
    let body = short_hello();
    for (sequence_number, answer) in [(0, ""), (1, "ServerHello")] {
        let mut datagram = hello(sequence_number, &body, body.len());
        drop(server.handle_datagram(now, &mut datagram));
        datagram.clear();
        server.poll_transmit(now, &mut datagram);
        assert_eq!(describe(&datagram), answer);
        now += Duration::from_secs(1);
    }
}

#[test]
fn a_wrong_cookie_gets_nothing_but_the_cookie_again() {
    let (client, server) = configs();
    let mut pair = Pair::new((client, server.with_cookies()));
    let mut hello = Vec::new();
    pair.client.poll_transmit(pair.now, &mut hello);
    receive(&mut pair, Role::Server, &hello);
    let mut answer = Vec::new();
    pair.server.poll_transmit(pair.now, &mut answer);
    assert_eq!(describe(&answer), "HelloVerifyRequest");
    assert!(answer.len() < hello.len(), "not an amplifier");
    let end = pair.now + Duration::from_millis(56_800);
    assert_eq!(pair.server.poll_timeout(), Some(end), "until it gives up");

    let at = answer.len() - 1;
    answer[at] ^= 1;
    receive(&mut pair, Role::Client, &answer);
    let mut second = Vec::new();
    pair.client.poll_transmit(pair.now, &mut second);
    receive(&mut pair, Role::Server, &second);
    answer.clear();
    pair.server.poll_transmit(pair.now, &mut answer);
    assert_eq!(describe(&answer), "HelloVerifyRequest");
}
