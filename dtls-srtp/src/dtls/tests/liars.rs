//! Peers and others that say one thing here and another there.

use rustls::NamedGroup;

use super::super::codec::Reader;
use super::super::message::encrypted_extensions::EncryptedExtensions;
use super::super::message::extension::SrtpAnswer;
use super::super::message::{Fragment, FragmentHeader, HandshakeType, write};
use super::super::record::{Header, split};
use super::super::v13::record::Record;
use super::super::*;
use super::pair::*;
use super::secrets::Lines;
use crate::certificate::Certificate;
use crate::crypto::Crypto;

/// The settings of each version.
const VERSIONS: [fn() -> (Config, Config); 2] = [configs, configs_1_3];

/// The datagrams that a side has to send.
fn sent(pair: &mut Pair, from: Role) -> Vec<Vec<u8>> {
    let (now, mut datagrams, mut datagram) = (pair.now, Vec::new(), Vec::new());
    while pair.side(from).poll_transmit(now, &mut datagram).is_some() {
        datagrams.push(mem::take(&mut datagram));
    }
    datagrams
}

fn find(datagram: &[u8], pattern: &[u8]) -> Option<usize> {
    datagram.windows(pattern.len()).position(|bytes| bytes == pattern)
}

/// The server's flight after a hello that offers an MKI: three profiles and none become two and one
/// of two bytes.
fn answer_to_an_mki(configs: (Config, Config)) -> Vec<u8> {
    let mut pair = Pair::new(configs);
    let [mut hello] = sent(&mut pair, Role::Client).try_into().unwrap();
    let at = find(&hello, &[0, 6, 0, 7, 0, 8, 0, 1, 0]).unwrap();
    hello[at..at + 9].copy_from_slice(&[0, 4, 0, 7, 0, 8, 2, 0xAA, 0xBB]);
    receive(&mut pair, Role::Server, &hello);
    sent(&mut pair, Role::Server).concat()
}

/// RFC 5764 §4.1.3.
#[test]
fn an_mki_that_is_offered_is_answered_with_none() {
    let flight = answer_to_an_mki(configs());
    assert!(find(&flight, &[0, 14, 0, 5, 0, 2, 0, 7, 0]).is_some(), "{}", describe(&flight));
}

#[test]
fn an_mki_that_is_offered_is_answered_with_none_in_1_3() {
    let (client, server) = configs_1_3();
    let log = Arc::new(Lines::default());
    // A hello of one datagram.
    let client = client.with_groups(&[NamedGroup::X25519]).unwrap();
    let suite = *server.shared.suites_1_3.first().unwrap();
    let mut flight = answer_to_an_mki((client, server.with_key_log(log.clone())));

    let lines = log.0.lock().unwrap().clone();
    let secret =
        lines.iter().find_map(|line| line.strip_prefix("SERVER_HANDSHAKE_TRAFFIC_SECRET "));
    let hex = secret.unwrap().split(' ').nth(1).unwrap();
    let bytes: Vec<_> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let secret = v13::key_schedule::TrafficSecret::from_bytes(suite, &bytes);
    let mut opener = secret.opener(&Crypto::default(), 2).unwrap();
    let mut rest = flight.as_mut_slice();
    let record = loop {
        if let Record::Ciphertext(record) = v13::record::split(&mut rest, 0).unwrap() {
            break record;
        }
    };
    let opened = opener.open(record).unwrap();
    let fragment = Fragment::read(&mut Reader(opened.plaintext)).unwrap();
    assert_eq!(fragment.header.kind, HandshakeType::EncryptedExtensions);
    let extensions = EncryptedExtensions::parse(fragment.body).unwrap();
    let SrtpAnswer { profile, mki } = extensions.srtp_profile.unwrap();
    assert_eq!((profile, mki), (7, &[][..]));
}

#[test]
fn an_mki_that_nobody_offered_is_refused() {
    // "If the client detects a nonzero-length MKI in the server's response that is different than
    // the one the client offered, then the client MUST abort the handshake" (RFC 5764 §4.1.3).
    for configs in VERSIONS {
        let mut pair = Pair::new(configs());
        for (mki, expected) in [
            (&b""[..], Ok(Some(crate::srtp::Profile::AeadAes128Gcm))),
            (b"\x01", Err(HandshakeError::IllegalParameter)),
        ] {
            let mut result = Ok(None);
            pair.client.advance_with(|state, step| {
                result = step.check_srtp_answer(Some(SrtpAnswer { profile: 7, mki }));
                Ok(state)
            });
            assert_eq!(result, expected);
        }
    }
}

#[test]
fn a_record_is_of_the_epoch_that_its_keys_are_of() {
    // The two bits of the epoch say 3; after an update they say 0.
    let mut pair = Pair::connected_1_3();
    for updated in [false, true] {
        if updated {
            pair.client.update_keys(pair.now, KeyUpdate::NotRequested);
            pair.run(perfect);
        }
        let datagram = sealed(&mut pair.client, b"once");
        let dropped = pair.server.stats().records_dropped;
        for bits in (0..4).filter(|bits| *bits != datagram[0] & 3) {
            let mut forged = datagram.clone();
            forged[0] = forged[0] & !3 | bits;
            assert!(receive(&mut pair, Role::Server, &forged).is_empty());
        }
        assert_eq!(pair.server.stats().records_dropped, dropped + 3);
        assert_eq!(receive(&mut pair, Role::Server, &datagram), [b"once"]);
    }
}

/// A pair whose server is done, while the client waits for the ACK of its last flight, and has its
/// handshake keys still.
fn unacknowledged() -> Pair {
    let mut pair = Pair::new(configs_1_3());
    while !pair.is_connected() {
        assert!(pair.step(&mut |from, datagram: &[u8]| match from {
            Role::Server if datagram[0] & 3 == 3 => vec![],
            _ => vec![DELAY],
        }));
    }
    assert!(pair.client.outgoing.has_handshake_keys());
    pair
}

/// Lets the client say something under its handshake keys, and returns how that ends.
fn under_handshake_keys(kind: ContentType, contents: &[u8]) -> Option<CloseReason> {
    let mut pair = unacknowledged();
    let mut datagram = Vec::new();
    pair.client.outgoing.write(Epoch::HANDSHAKE, kind, &mut datagram, |buf| {
        buf.extend_from_slice(contents);
    });
    assert!(receive(&mut pair, Role::Server, &datagram).is_empty());
    if pair.server.close_reason().is_none() {
        pair.run(perfect);
        pair.assert_data_flows();
    }
    pair.server.close_reason()
}

#[test]
fn the_keys_of_the_handshake_are_good_for_the_handshake_alone() {
    let unexpected = Some(CloseReason::Handshake(HandshakeError::UnexpectedMessage));
    assert_eq!(under_handshake_keys(ContentType::ApplicationData, b"data"), unexpected);
    // The client has sent messages 0 to 3.
    for (kind, body) in [
        (HandshakeType::KeyUpdate, &[0][..]),
        (HandshakeType::Certificate, &[0, 0, 0, 0]),
        (HandshakeType::Finished, &[0; 32]),
    ] {
        let mut message = Vec::new();
        write(&mut message, kind, 4, |buf| buf.extend_from_slice(body));
        assert_eq!(under_handshake_keys(ContentType::Handshake, &message), unexpected, "{kind:?}");
        // What has an old number is an old message, whatever it says now.
        message.clear();
        write(&mut message, kind, 3, |buf| buf.extend_from_slice(body));
        assert_eq!(under_handshake_keys(ContentType::Handshake, &message), None, "{kind:?}");
    }
}

/// The Certificate message of DTLS 1.2.
fn certificate_message(message_seq: u16, der: &[u8]) -> Vec<u8> {
    let len = |bytes: usize| (bytes as u32).to_be_bytes()[1..].to_vec();
    let body = [len(der.len() + 3), len(der.len()), der.to_vec()].concat();
    let mut message = Vec::new();
    write(&mut message, HandshakeType::Certificate, message_seq, |buf| {
        buf.extend_from_slice(&body);
    });
    message
}

#[test]
fn a_certificate_that_changes_when_it_is_repeated_stays_what_it_was() {
    let other = recorded_certificate("p384");
    let mut pair = Pair::new(configs());
    let real = pair.server.settings.certificate.der().to_vec();
    for hello in sent(&mut pair, Role::Client) {
        receive(&mut pair, Role::Server, &hello);
    }
    // The last of the server's messages is lost, so that the client waits; then it all comes again,
    // with another certificate in it.
    let mut flight = sent(&mut pair, Role::Server).concat();
    let mut records = Vec::new();
    let mut rest = flight.as_mut_slice();
    while let Some((header, body)) = split(&mut rest) {
        records.push((header.sequence_number, body.to_vec()));
    }
    let (done, others) = records.split_last().unwrap();
    for (number, body) in others {
        receive(&mut pair, Role::Client, &plaintext(ContentType::Handshake, *number, body));
    }
    assert_eq!(pair.client.peer_certificate(), Some(&*real));
    let dropped = pair.client.stats().records_dropped;
    receive(
        &mut pair,
        Role::Client,
        &plaintext(ContentType::Handshake, 100, &certificate_message(1, other.der())),
    );
    assert_eq!(pair.client.stats().records_dropped, dropped + 1);
    receive(&mut pair, Role::Client, &plaintext(ContentType::Handshake, done.0, &done.1));
    pair.run(perfect);
    assert_eq!(pair.client.peer_certificate(), Some(&*real));
    pair.assert_data_flows();
}

#[test]
fn a_certificate_of_two_halves_is_neither_of_two() {
    // Half of the real one, and the rest of another of the same length that comes as a repetition.
    let mut pair = Pair::new(configs());
    for hello in sent(&mut pair, Role::Client) {
        receive(&mut pair, Role::Server, &hello);
    }
    let mut flight = sent(&mut pair, Role::Server).concat();
    let mut rest = flight.as_mut_slice();
    let mut number = 100;
    while let Some((header, body)) = split(&mut rest) {
        let mut reader = Reader(body);
        let Fragment { header: message, body: whole } = Fragment::read(&mut reader).unwrap();
        if message.kind != HandshakeType::Certificate {
            receive(
                &mut pair,
                Role::Client,
                &plaintext(ContentType::Handshake, header.sequence_number, body),
            );
            continue;
        }
        let (first, last) = whole.split_at(whole.len() / 2);
        let mut changed = last.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        for (offset, part) in [(0, first), (first.len(), &changed), (first.len(), last)] {
            let (offset, fragment_length) = (offset as u32, part.len() as u32);
            let header = FragmentHeader { offset, fragment_length, ..message };
            let fragment = [&header.bytes()[..], part].concat();
            number += 1;
            receive(&mut pair, Role::Client, &plaintext(ContentType::Handshake, number, &fragment));
        }
    }
    let reason = Some(CloseReason::Handshake(HandshakeError::FingerprintMismatch));
    assert_eq!(pair.client.close_reason(), reason);
}

#[test]
fn a_certificate_after_the_handshake_changes_nothing() {
    let other = recorded_certificate("p384");
    let unexpected = Some(CloseReason::Handshake(HandshakeError::UnexpectedMessage));
    for configs in VERSIONS {
        for (from, to) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            // Protected, with a number that came before, and with the next one; without protection.
            for (protected, next) in [(true, false), (true, true), (false, false), (false, true)] {
                let mut pair = Pair::new(configs());
                pair.run(perfect);
                let real = pair.side(to).peer_certificate().unwrap().to_vec();
                let message_seq = match &pair.side(to).phase {
                    Phase::Established { rest: Rest::PostHandshake(post), .. } => {
                        post.inbox.next_seq()
                    }
                    Phase::Established { rest, .. } => rest.peer_seq(),
                    _ => panic!("connected"),
                } as u16;
                let message_seq = if next { message_seq } else { 1 };
                let message = certificate_message(message_seq, other.der());
                let datagram = match protected {
                    false => plaintext(ContentType::Handshake, 1000, &message),
                    true => {
                        let mut datagram = Vec::new();
                        let outgoing = &mut pair.side(from).outgoing;
                        let epoch = outgoing.newest_epoch();
                        outgoing.write(epoch, ContentType::Handshake, &mut datagram, |buf| {
                            buf.extend_from_slice(&message);
                        });
                        datagram
                    }
                };
                receive(&mut pair, to, &datagram);
                assert_eq!(pair.side(to).peer_certificate(), Some(&*real));
                match protected && next {
                    true => assert_eq!(pair.side(to).close_reason(), unexpected),
                    false => {
                        pair.run(perfect);
                        pair.assert_data_flows();
                    }
                }
            }
        }
    }
}

#[test]
fn a_certificate_that_is_none_is_called_malformed() {
    let whole = recorded_certificate("p256-v1").der().to_vec();
    let bad = AlertDescription::BadCertificate;
    for version in [Version::Dtls12, Version::Dtls13] {
        for der in [&b"no certificate"[..], &whole[..whole.len() / 2], &[0x30, 0x84, 0xFF]] {
            for liar in [Role::Client, Role::Server] {
                let certificate = recorded_certificate("p256-v1");
                let lie = Certificate::with_any_key(vec![der.to_vec()], certificate).unwrap();
                let liars = Config::new(lie, Crypto::default()).unwrap();
                let liars = liars.with_versions(version, version).unwrap();
                let liars = liars.with_any_remote_certificate();
                let honest = versions(version, version).with_any_remote_certificate();
                let mut pair = Pair::new(match liar {
                    Role::Client => (liars, honest),
                    Role::Server => (honest, liars),
                });
                pair.run(perfect);
                let (liars, honest) = match liar {
                    Role::Client => (&pair.client, &pair.server),
                    Role::Server => (&pair.server, &pair.client),
                };
                let malformed = CloseReason::Handshake(HandshakeError::MalformedCertificate);
                assert_eq!(honest.close_reason(), Some(malformed), "{version} {liar:?}");
                assert_eq!(liars.close_reason(), Some(CloseReason::Alert(bad)));
            }
        }
    }
}

/// The ServerHello of a server with X25519 alone, as its message `message_seq`.
fn answer_with_x25519(message_seq: u8) -> Vec<u8> {
    let x25519 = versions(Version::Dtls13, Version::Dtls13).with_groups(&[NamedGroup::X25519]);
    let mut pair = Pair::new(acquainted((configs_1_3().0, x25519.unwrap())));
    for hello in sent(&mut pair, Role::Client) {
        receive(&mut pair, Role::Server, &hello);
    }
    let mut hello = sent(&mut pair, Role::Server).swap_remove(0);
    assert!(describe(&hello).starts_with("ServerHello"));
    // Header of the record, type, length.
    hello[Header::LEN + 5] = message_seq;
    hello
}

#[test]
fn a_key_share_in_a_group_that_was_not_offered_is_refused() {
    // The hybrid share has one of X25519 in it, which a server can answer all the same
    // (RFC 8446 §4.2.8).
    use NamedGroup::{X25519, X25519MLKEM768};
    let config =
        |groups: &[_]| versions(Version::Dtls13, Version::Dtls13).with_groups(groups).unwrap();
    for (offered, asked) in [(&[X25519MLKEM768][..], false), (&[X25519, X25519MLKEM768], true)] {
        let mut pair = Pair::new(acquainted((config(offered), config(&[X25519MLKEM768]))));
        if asked {
            // A HelloRetryRequest has named the hybrid group.
            for hello in sent(&mut pair, Role::Client) {
                receive(&mut pair, Role::Server, &hello);
            }
            for retry in sent(&mut pair, Role::Server) {
                receive(&mut pair, Role::Client, &retry);
            }
            assert_eq!(pair.client.facts.retries, 1);
        }
        receive(&mut pair, Role::Client, &answer_with_x25519(asked.into()));
        let reason = Some(CloseReason::Handshake(HandshakeError::IllegalParameter));
        assert_eq!(pair.client.close_reason(), reason, "{offered:?}");
    }
}
