use rand::rngs::ChaCha20Rng;
use rand::{Rng, RngExt, SeedableRng};

use super::super::message::{FragmentHeader, HandshakeType};
use super::super::record::split;
use super::super::*;
use super::pair::*;
use crate::certificate::Certificate;

/// The settings of each version.
const VERSIONS: [fn() -> (Config, Config); 2] = [configs, configs_1_3];

/// All datagrams of a handshake with data both ways behind it, with their senders.
fn recorded(configs: (Config, Config)) -> (Pair, Vec<(Role, Vec<u8>)>) {
    let mut pair = Pair::new(configs);
    let mut datagrams = Vec::new();
    let mut record = |from: Role, datagram: &[u8]| {
        datagrams.push((from, datagram.to_vec()));
        vec![DELAY]
    };
    pair.run(&mut record);
    for role in [Role::Client, Role::Server] {
        let datagram = sealed(pair.side(role), b"once");
        pair.send(role, &datagram, &mut record);
    }
    pair.run(&mut record);
    assert_eq!(pair.client_read.len() + pair.server_read.len(), 2);
    (pair, datagrams)
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

#[test]
fn replayed_datagrams_change_nothing() {
    for configs in VERSIONS {
        let (mut pair, datagrams) = recorded(configs());
        for _ in 0..3 {
            for (from, datagram) in &datagrams {
                assert!(receive(&mut pair, other(*from), datagram).is_empty());
            }
        }
        assert!(pair.client.stats().records_replayed >= 3);
        pair.run(perfect);
        pair.assert_data_flows();
    }
}

#[test]
fn reflected_datagrams_change_nothing() {
    for configs in VERSIONS {
        let mut pair = Pair::new(configs());
        let mut reflected = Vec::new();
        pair.run(|from, datagram: &[u8]| {
            reflected.push((from, datagram.to_vec()));
            vec![DELAY]
        });
        for (from, datagram) in &reflected {
            assert!(receive(&mut pair, *from, datagram).is_empty());
        }
        pair.assert_data_flows();

        // During the handshake too, as far as a message tells which side it is from.
        let mut pair = Pair::new(configs());
        let mut hello = Vec::new();
        pair.step(&mut |_, datagram: &[u8]| {
            hello = datagram.to_vec();
            vec![DELAY]
        });
        assert!(receive(&mut pair, Role::Client, &hello).is_empty());
        pair.run(perfect);
        pair.assert_data_flows();
    }
}

#[test]
fn no_truncated_datagram_does_harm() {
    for configs in VERSIONS {
        let (_, datagrams) = recorded(configs());
        let longest = datagrams.iter().map(|(_, datagram)| datagram.len()).max().unwrap();
        for len in (0..longest).step_by(7) {
            // Each datagram comes cut first, and whole a little later.
            let mut pair = Pair::new(configs());
            while !pair.is_connected() {
                let mut cut = Vec::new();
                assert!(pair.step(&mut |from, datagram: &[u8]| {
                    cut.push((other(from), datagram[..len.min(datagram.len())].to_vec()));
                    vec![DELAY]
                }));
                for (to, datagram) in &cut {
                    receive(&mut pair, *to, datagram);
                }
            }
            pair.assert_data_flows();
        }
    }
}

#[test]
fn a_record_that_is_cut_short_leaves_a_connection_as_it_was() {
    for configs in VERSIONS {
        let (client, server) = configs();
        let with_ids = (client.clone().with_connection_id_len(4), server.clone());
        for (client, server) in
            [(client, server.clone()), (with_ids.0, server.with_connection_id_len(8))]
        {
            let mut pair = Pair::new((client, server));
            pair.run(perfect);
            for from in [Role::Client, Role::Server] {
                let to = other(from);
                let before = pair.side(to).poll_timeout();
                for len in 0..sealed(pair.side(from), b"application data").len() {
                    let mut datagram = sealed(pair.side(from), b"whole");
                    let record = sealed(pair.side(from), b"application data");
                    assert!(receive(&mut pair, to, &record[..len]).is_empty(), "{len}");
                    // Behind a whole one, which is not lost with it.
                    datagram.extend_from_slice(&record[..len]);
                    assert_eq!(receive(&mut pair, to, &datagram), [b"whole"], "{len}");

                    let (now, mut buf) = (pair.now, Vec::new());
                    assert_eq!(pair.side(to).poll_transmit(now, &mut buf), None, "{len}");
                    assert_eq!(pair.side(to).poll_timeout(), before, "{len}");
                    assert_eq!(receive(&mut pair, to, &record), [b"application data"], "{len}");
                }
            }
        }
    }
}

#[test]
fn forged_plaintext_does_not_touch_a_connection() {
    for connected in [Pair::connected, Pair::connected_1_3] {
        plaintext_does_not_touch(connected());
    }
}

fn plaintext_does_not_touch(mut pair: Pair) {
    let close = Alert::CLOSE_NOTIFY.bytes();
    let fatal = Alert::fatal(AlertDescription::HandshakeFailure).bytes();
    let mut finished = FragmentHeader::whole(HandshakeType::Finished, 9, 12).bytes().to_vec();
    finished.extend_from_slice(&[0; 12]);
    for (content_type, body) in [
        (ContentType::Alert, &close[..]),
        (ContentType::Alert, &fatal),
        (ContentType::ApplicationData, b"forged"),
        (ContentType::ChangeCipherSpec, &[1]),
        (ContentType::Handshake, &finished),
        (ContentType::Ack, &[0, 0]),
    ] {
        for role in [Role::Client, Role::Server] {
            let datagram = plaintext(content_type, (1 << 48) - 1, body);
            assert!(receive(&mut pair, role, &datagram).is_empty());
        }
    }
    pair.run(perfect);
    assert!(pair.chart.is_empty(), "nothing is answered: {:?}", pair.chart);
    pair.assert_data_flows();
}

/// Names the first `count` records without protection as received.
fn forged_ack(count: u64) -> Vec<u8> {
    let mut body = Vec::new();
    let numbers = (0..count).map(|sequence_number| v13::RecordNumber { epoch: 0, sequence_number });
    v13::ack::write(&mut body, numbers);
    plaintext(ContentType::Ack, 1 << 40, &body)
}

#[test]
fn forged_acks_do_not_keep_a_lost_hello_from_coming_again() {
    // Whose hello is lost: the server's, or the client's second, behind a cookie.
    for (victim, cookies, lost) in
        [(Role::Server, false, 1), (Role::Server, true, 1), (Role::Client, true, 2)]
    {
        for reaction in [LossReaction::Immediate, LossReaction::Timer] {
            for (mtu, always) in [(1200, false), (1200, true), (200, false), (200, true)] {
                let (client, server) = configs_1_3();
                let server = if cookies { server.with_cookies() } else { server };
                let [client, server] = [client, server]
                    .map(|config| config.with_loss_reaction(reaction).with_mtu(mtu));
                let mut pair = Pair::new((client, server));
                // The flights of the victim that were sent so far, and when the last one was.
                let (mut flights, mut last, mut forged) = (0, None, 0);
                loop {
                    let now = pair.now;
                    let mut sent = false;
                    let more = pair.step(&mut |from, _: &[u8]| {
                        if from != victim {
                            return vec![DELAY];
                        }
                        sent = true;
                        if last != Some(now) {
                            flights += 1;
                            last = Some(now);
                        }
                        // Its first try is lost.
                        if flights == lost { vec![] } else { vec![DELAY] }
                    });
                    if !more {
                        break;
                    }
                    if sent && !pair.is_connected() && (always || forged == 0 && flights == lost) {
                        forged += 1;
                        receive(&mut pair, victim, &forged_ack(100));
                    }
                }
                let place = format!("{victim:?}, {cookies}, {reaction:?}, {mtu}, {always}");
                assert!(forged > 0, "{place}");
                assert!(pair.is_connected(), "{place}: {:#?}", pair.chart);
                pair.assert_data_flows();
            }
        }
    }
}

#[test]
fn records_of_other_epochs_are_dropped() {
    let mut pair = Pair::connected();
    let datagram = sealed(&mut pair.client, b"epoch 1");
    for epoch in [0, 2, 3, 0xffff] {
        let mut forged = datagram.clone();
        forged[3..5].copy_from_slice(&u16::to_be_bytes(epoch));
        assert!(receive(&mut pair, Role::Server, &forged).is_empty());
    }
    assert_eq!(pair.server.stats().records_dropped, 4);
    assert_eq!(receive(&mut pair, Role::Server, &datagram), [b"epoch 1"]);
}

#[test]
fn changed_bytes_never_reach_the_application_nor_end_a_connection() {
    for configs in VERSIONS {
        let (mut pair, datagrams) = recorded(configs());
        for seed in 0..seeds() * 10 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let (from, datagram) = &datagrams[rng.random_range(0..datagrams.len())];
            let mut forged = datagram.clone();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(0..forged.len());
                forged[at] = rng.random();
            }
            let to = if rng.random_bool(0.5) { *from } else { other(*from) };
            assert!(receive(&mut pair, to, &forged).is_empty(), "seed {seed}");
        }
        pair.run(perfect);
        assert!(pair.is_connected());
        pair.assert_data_flows();
    }
}

#[test]
fn a_storm_of_forgeries_during_the_handshake_ends_in_no_panic_and_no_wrong_connection() {
    for configs in VERSIONS {
        let (_, datagrams) = recorded(configs());
        for seed in 0..seeds() {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let mut pair = Pair::new(configs());
            for _ in 0..200 {
                let (from, datagram) = &datagrams[rng.random_range(0..datagrams.len())];
                let mut forged = datagram.clone();
                for _ in 0..rng.random_range(0..4) {
                    let at = rng.random_range(0..forged.len());
                    forged[at] = rng.random();
                }
                assert!(receive(&mut pair, other(*from), &forged).is_empty(), "seed {seed}");
                if rng.random_bool(0.1) {
                    pair.step(&mut lossy(seed, 0.1));
                }
            }
            pair.run(perfect);
            assert_eq!(pair.client.is_connected(), pair.server.is_connected(), "seed {seed}");
            if pair.is_connected() {
                pair.assert_data_flows();
            }
        }
    }
}

/// What a side keeps of what others sent.
fn kept_bytes(connection: &Connection) -> usize {
    let early = connection.early.bytes();
    match &connection.phase {
        Phase::Handshaking(handshake) => early + handshake.inbox.bytes() + handshake.sealed.bytes(),
        _ => early,
    }
}

#[test]
fn what_is_kept_of_an_unproved_peer_is_bounded() {
    for seed in 0..seeds() {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut pair = Pair::new(VERSIONS[seed as usize % 2]());
        for n in 0..2_000 {
            let mut body = vec![0; rng.random_range(0..300)];
            rng.fill_bytes(&mut body);
            let header = FragmentHeader {
                kind: HandshakeType::ClientHello,
                length: rng.random_range(0..20_000),
                message_seq: rng.random_range(0..12),
                offset: rng.random_range(0..20_000),
                fragment_length: body.len() as u32,
            };
            let fragment = [&header.bytes()[..], &body].concat();
            let mut datagram = plaintext(ContentType::Handshake, n, &fragment);
            if rng.random_bool(0.3) {
                datagram[4] = 1; // epoch
            }
            receive(&mut pair, Role::Server, &datagram);
            let bound = 32 * 1024 + 16 * 1024;
            assert!(kept_bytes(&pair.server) <= bound, "seed {seed}");
        }
    }
}

#[test]
fn what_is_kept_of_a_peer_without_fingerprints_is_bounded() {
    let (client, server) = unacquainted();
    let client = client.with_any_remote_certificate();
    let mut pair = Pair::new((client, server.with_max_early_bytes(1000)));
    pair.run(perfect);
    for n in 0..100_u8 {
        let datagram = sealed(&mut pair.client, &[n; 100]);
        assert!(receive(&mut pair, Role::Server, &datagram).is_empty());
        assert!(kept_bytes(&pair.server) <= 1000);
    }
    assert_eq!(pair.server.stats().records_dropped, 93);
    let certificate = pair.client.settings.certificate.clone();
    pair.server.set_remote_fingerprints(pair.now, fingerprint(&certificate));
    assert_eq!(pair.server.take_early(), Some(vec![93; 100]), "the newest are kept");
}

/// Runs a handshake whose datagrams `change` may change. Returns how it ended on both sides.
fn tampered(mut change: impl FnMut(Role, &mut [u8])) -> (Option<CloseReason>, Option<CloseReason>) {
    let (client, server) = configs();
    let (client, server) = (client.with_max_retransmissions(3), server.with_max_retransmissions(3));
    let mut pair = Pair::new((client, server));
    // The pair's network cannot change datagrams, so this one loses all of them and delivers its
    // own.
    for _ in 0..50 {
        let mut sent = Vec::new();
        let more = pair.step(&mut |from, datagram: &[u8]| {
            sent.push((from, datagram.to_vec()));
            vec![]
        });
        for (from, mut datagram) in sent {
            change(from, &mut datagram);
            receive(&mut pair, other(from), &datagram);
        }
        if !more && pair.client.poll_timeout().is_none() && pair.server.poll_timeout().is_none() {
            break;
        }
    }
    assert!(!pair.server.is_connected());
    assert_eq!(pair.client_connected, None);
    (pair.client.close_reason(), pair.server.close_reason())
}

/// Where `pattern` stands in a datagram.
fn find(datagram: &[u8], pattern: &[u8]) -> Option<usize> {
    datagram.windows(pattern.len()).position(|bytes| bytes == pattern)
}

#[test]
fn without_the_extended_master_secret_there_is_no_connection() {
    // The extension, empty, with the next one behind it; it becomes an unknown one.
    let (client, server) = tampered(|from, datagram| {
        if from == Role::Client
            && let Some(at) = find(datagram, &[0, 23, 0, 0, 0xff, 1])
        {
            datagram[at] = 0x7a;
        }
    });
    let missing = CloseReason::Handshake(HandshakeError::ExtendedMasterSecretMissing);
    assert_eq!(server, Some(missing));
    assert_eq!(client, Some(CloseReason::Alert(AlertDescription::HandshakeFailure)));

    let (client, _) = tampered(|from, datagram| {
        if from == Role::Server
            && let Some(at) = find(datagram, &[0, 23, 0, 0, 0xff, 1])
        {
            datagram[at] = 0x7a;
        }
    });
    assert_eq!(client, Some(CloseReason::Handshake(HandshakeError::UnsupportedExtension)));
}

#[test]
fn a_changed_hello_is_found_out() {
    // The client's SRTP profiles 7, 8, 1: somebody would like the last one.
    let (client, server) = tampered(|from, datagram| {
        if from == Role::Client
            && let Some(at) = find(datagram, &[0, 6, 0, 7, 0, 8, 0, 1])
        {
            datagram[at + 3] = 0x77;
            datagram[at + 5] = 0x78;
        }
    });
    // The two session hashes differ, so the keys do, and no Finished message can be opened.
    assert!(client.is_some() && server.is_some());
}

#[test]
fn a_changed_key_exchange_is_found_out() {
    // ServerKeyExchange: named_curve, X25519, 32 bytes.
    let (client, server) = tampered(|from, datagram| {
        if from == Role::Server
            && let Some(at) = find(datagram, &[3, 0, 29, 32])
        {
            datagram[at + 10] ^= 1;
        }
    });
    assert_eq!(client, Some(CloseReason::Handshake(HandshakeError::BadSignature)));
    assert_eq!(server, Some(CloseReason::Alert(AlertDescription::DecryptError)));
}

#[test]
fn a_key_share_of_zeros_is_refused() {
    let (_, server) = tampered(|from, datagram| {
        let mut rest = &mut *datagram;
        while let Some((header, body)) = split(&mut rest) {
            let kind = HandshakeType::ClientKeyExchange.code();
            if from == Role::Client && header.epoch == 0 && body[0] == kind {
                body[FragmentHeader::LEN + 1..].fill(0);
            }
        }
    });
    assert_eq!(server, Some(CloseReason::Handshake(HandshakeError::InvalidKeyShare)));
}

#[test]
fn a_certificate_without_its_key_is_of_no_use() {
    // Mallory shows Bob's certificate, whose fingerprint Alice knows, and signs with her own key.
    let bob = certificate();
    let crypto = crate::crypto::Crypto::default();
    let chain = vec![bob.der().to_vec()];
    let stolen = Certificate::with_any_key(chain, recorded_certificate("p256-v1")).unwrap();
    let mallory = Config::new(stolen, crypto).unwrap().with_any_remote_certificate();

    let (alice, _) = unacquainted();
    let alice = alice.with_remote_fingerprints(fingerprint(&bob));
    let refused = Some(CloseReason::Handshake(HandshakeError::BadSignature));
    let mut pair = Pair::new((alice.clone(), mallory.clone()));
    pair.run(perfect);
    assert_eq!(pair.client.close_reason(), refused);
    let mut pair = Pair::new((mallory, alice));
    pair.run(perfect);
    assert_eq!(pair.server.close_reason(), refused);
    assert_eq!(pair.server_connected, None);
}
