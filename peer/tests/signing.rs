//! Keys that sign elsewhere: what a connection asks for, and the answers that come later.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use common::{A, B, Pair, address, base, origin, told_everything};
use dtls_srtp::{Certificate, Crypto};
use peerless::media::transceiver::TransceiverInit;
use peerless::security::{SignatureScheme, Version};
use peerless::{
    BundlePolicy, Configuration, ConnectionState, DataChannelId, DataChannelInit, Datagram,
    Endpoint, Event, FiveTuple, MediaKind, Message, PeerConnection, Readable, SignatureId,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const MS: Duration = Duration::from_millis(1);
const CERTIFICATE: &[u8] = include_bytes!("../../dtls-srtp/tests/certificates/p256-v1.der");
const KEY: &[u8] = include_bytes!("../../dtls-srtp/tests/certificates/p256.pk8");
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
const VERSIONS: [Version; 2] = [Version::Dtls12, Version::Dtls13];

/// Settings with a certificate whose key is elsewhere.
fn external(version: Version) -> Configuration {
    let mut configuration = plain(version);
    let certificate = Certificate::with_external_key(vec![CERTIFICATE.to_vec()], vec![SCHEME]);
    configuration.certificates = vec![certificate.unwrap()];
    configuration
}

fn plain(version: Version) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.security_policy.max_version = version;
    configuration
}

/// What the module does: signs as asked.
fn sign(peer: &PeerConnection, id: SignatureId) -> Vec<u8> {
    let request = peer.signature_request(id).expect("it is asked for");
    assert_eq!(request.scheme, SCHEME);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(KEY));
    let key = Crypto::default().handshake.key_provider.load_private_key(key).unwrap();
    key.choose_scheme(&[request.scheme]).unwrap().sign(request.message).unwrap()
}

/// The signatures that `peer` was asked for.
fn asked(pair: &Pair, peer: usize) -> Vec<SignatureId> {
    let events = pair.events[peer].iter();
    events
        .filter_map(|event| match event {
            Event::SignatureNeeded(id) => Some(*id),
            _ => None,
        })
        .collect()
}

/// A offers a channel and video to B, who is the client of DTLS; until `signer` is asked to sign.
fn call(version: Version, signer: usize) -> (Pair, DataChannelId, SignatureId) {
    let [a, b] = [A, B].map(|peer| match peer == signer {
        true => external(version),
        false => plain(version),
    });
    let mut pair = Pair::with(a, b, 1);
    let now = pair.now;
    let chat = pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    pair.negotiate(A);
    assert!(pair.run_until(Duration::from_secs(2), |pair| !asked(pair, signer).is_empty()));
    let id = asked(&pair, signer)[0];
    (pair, chat, id)
}

fn reason(pair: &Pair, peer: usize) -> String {
    pair.peers[peer].failure_reason().expect("it failed").to_string()
}

#[test]
fn a_call_waits_for_a_signature_that_comes_seconds_later() {
    for version in VERSIONS {
        for signer in [A, B] {
            let (mut pair, chat, id) = call(version, signer);
            pair.run_for(Duration::from_secs(3));
            for peer in [A, B] {
                assert_eq!(pair.peers[peer].connection_state(), ConnectionState::Connecting);
            }
            let signature = sign(&pair.peers[signer], id);
            let now = pair.now;
            pair.peers[signer].provide_signature(now, id, &signature);
            assert!(pair.peers[signer].signature_request(id).is_none());
            // A second answer is one too many.
            pair.peers[signer].provide_signature(now, id, b"nobody has asked");
            pair.peers[signer].refuse_signature(now, id);
            let answered = pair.now;
            assert!(pair.run_until(Duration::from_secs(2), |pair| {
                pair.saw(A, &Event::DataChannelOpen(chat))
            }));
            // It went on at once: nothing waited for a timer.
            assert!(
                pair.now - answered <= 250 * MS,
                "{version} {signer}: {:?}",
                pair.now - answered
            );
            let now = pair.now;
            pair.peers[A].data_channel(chat).unwrap().send(now, "signed").unwrap();
            pair.run_for(200 * MS);
            let read = pair.events[B].iter().find_map(|event| match event {
                Event::Readable(Readable::Channel(id)) => Some(*id),
                _ => None,
            });
            let mut theirs = pair.peers[B].data_channel(read.expect("it arrived")).unwrap();
            assert_eq!(theirs.read(), Some(Message::from("signed")));
            for peer in [A, B] {
                assert_eq!(pair.peers[peer].connection_state(), ConnectionState::Connected);
                assert!(pair.peers[peer].failure_reason().is_none());
                let report = pair.peers[peer].security_report().unwrap();
                assert_eq!(report.version, version);
                assert!(report.srtp_profile.is_some());
            }
            let report = pair.peers[signer].security_report().unwrap();
            assert_eq!(report.local_certificate.der, CERTIFICATE);
            assert_eq!(report.local_signature_scheme, Some(SCHEME));
            // It is asked for once.
            assert_eq!(asked(&pair, signer), [id]);
        }
    }
}

#[test]
fn both_sides_may_have_their_keys_elsewhere() {
    for (version, sped) in
        VERSIONS.into_iter().flat_map(|version| [(version, false), (version, true)])
    {
        let [mut a, mut b] = [external(version), external(version)];
        // Also where checks carry the handshake.
        (a.sped, b.sped) = (sped, sped);
        let mut pair = Pair::with(a, b, 1);
        let now = pair.now;
        pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        pair.negotiate(A);
        // The server of DTLS signs first.
        for signer in [A, B] {
            assert!(pair.run_until(Duration::from_secs(2), |pair| !asked(pair, signer).is_empty()));
            pair.run_for(Duration::from_secs(1));
            let id = asked(&pair, signer)[0];
            let signature = sign(&pair.peers[signer], id);
            let now = pair.now;
            pair.peers[signer].provide_signature(now, id, &signature);
            let events = &mut pair.events[signer].clone();
            told_everything(&mut pair, signer, true, |event| events.push(event));
        }
        assert!(pair.run_until(Duration::from_secs(2), |pair| {
            pair.peers.iter().all(|peer| peer.connection_state() == ConnectionState::Connected)
        }));
    }
}

#[test]
fn each_transport_asks_for_itself() {
    let [mut a, mut b] = [external(Version::Dtls13), plain(Version::Dtls13)];
    (a.bundle_policy, b.bundle_policy) = (BundlePolicy::MaxCompat, BundlePolicy::MaxCompat);
    let mut pair = Pair::with(a, b, 1);
    let now = pair.now;
    pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.peers[A].add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    pair.negotiate_munged(A, |sdp| sdp.replace("a=group:BUNDLE 0 1\r\n", ""));
    assert!(pair.run_until(Duration::from_secs(5), |pair| asked(pair, A).len() == 2));
    let ids = asked(&pair, A);
    assert_ne!(ids[0], ids[1]);
    // In the other order.
    for id in [ids[1], ids[0]] {
        assert_ne!(pair.peers[A].connection_state(), ConnectionState::Connected);
        let signature = sign(&pair.peers[A], id);
        let now = pair.now;
        pair.peers[A].provide_signature(now, id, &signature);
        pair.run_for(Duration::from_secs(1));
    }
    assert_eq!(pair.peers[A].connection_state(), ConnectionState::Connected);
    assert_eq!(pair.peers[A].security_reports().count(), 2);
}

#[test]
fn a_refused_signature_fails_the_connection_and_both_sides_say_why() {
    for version in VERSIONS {
        for signer in [A, B] {
            let (mut pair, _, id) = call(version, signer);
            let now = pair.now;
            pair.peers[signer].refuse_signature(now, id);
            assert_eq!(pair.peers[signer].connection_state(), ConnectionState::Failed);
            assert_eq!(
                reason(&pair, signer),
                "no secure connection: the application refused to sign the handshake"
            );
            pair.run_for(Duration::from_secs(1));
            assert_eq!(pair.peers[1 - signer].connection_state(), ConnectionState::Failed);
            assert_eq!(
                reason(&pair, 1 - signer),
                "no secure connection: the peer broke off: internal_error"
            );
        }
    }
}

#[test]
fn a_wrong_signature_is_found_out_by_the_other_side() {
    for version in VERSIONS {
        for signer in [A, B] {
            let (mut pair, _, id) = call(version, signer);
            let now = pair.now;
            pair.peers[signer].provide_signature(now, id, b"wrong");
            pair.run_for(Duration::from_secs(1));
            for peer in [A, B] {
                assert_eq!(pair.peers[peer].connection_state(), ConnectionState::Failed);
            }
            let found = reason(&pair, 1 - signer);
            assert_eq!(found, "no secure connection: the peer's signature is wrong");
            let told = reason(&pair, signer);
            assert_eq!(told, "no secure connection: the peer broke off: decrypt_error");
        }
    }
}

#[test]
fn a_connection_that_waits_for_a_signature_can_be_closed() {
    for version in VERSIONS {
        for signer in [A, B] {
            let (mut pair, _, id) = call(version, signer);
            let signature = sign(&pair.peers[signer], id);
            let now = pair.now;
            pair.peers[signer].close(now);
            assert!(pair.peers[signer].signature_request(id).is_none());
            // The module did not know.
            pair.peers[signer].provide_signature(now, id, &signature);
            pair.peers[signer].refuse_signature(now, id);
            pair.run_for(Duration::from_secs(1));
            for peer in [A, B] {
                assert_eq!(pair.peers[peer].connection_state(), ConnectionState::Closed);
                assert!(pair.peers[peer].failure_reason().is_none());
            }
            assert!(pair.peers.iter().all(|peer| peer.poll_timeout().is_none()));
        }
    }
}

/// A client of an endpoint.
struct Client {
    connection: PeerConnection,
    chat: DataChannelId,
    inbox: Vec<(FiveTuple, Vec<u8>)>,
}

/// Carries what there is to carry between an endpoint and its clients, who are numbered by their
/// addresses; gives the endpoint's events.
fn settle(
    now: std::time::Instant,
    server: &mut Endpoint,
    clients: &mut [Client],
) -> Vec<(peerless::ConnectionId, Event)> {
    let (mut events, mut buf, mut idle) = (Vec::new(), Vec::new(), false);
    while !std::mem::replace(&mut idle, true) {
        server.handle_timeout(now);
        events.extend(std::iter::from_fn(|| server.poll_event()));
        while let Some(transmit) = server.poll_transmit(now, &mut buf) {
            let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
            let to = (0..clients.len()).find(|client| address(*client) == path.local).unwrap();
            clients[to].inbox.push((path, transmit.contents.to_vec()));
            buf.clear();
            idle = false;
        }
        for client in &mut *clients {
            for (path, mut contents) in client.inbox.drain(..) {
                client.connection.handle_datagram(now, Datagram::new(path, &mut contents));
            }
            client.connection.handle_timeout(now);
            while let Some(transmit) = client.connection.poll_transmit(now, &mut buf) {
                let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                server.handle_datagram(now, Datagram::new(path, &mut transmit.contents.to_vec()));
                buf.clear();
                idle = false;
            }
        }
    }
    events
}

#[test]
fn the_other_connections_of_an_endpoint_go_on_while_one_waits() {
    let mut now = base();
    let mut server = Endpoint::new(origin(now, 1, 9));
    server.add_local_address("192.0.2.1:3478".parse().unwrap());
    let mut ids = Vec::new();
    let configurations = [plain(Version::Dtls13), external(Version::Dtls13)];
    let mut clients: Vec<Client> = (0..2)
        .map(|number| {
            let configuration = Configuration::default();
            let mut connection = PeerConnection::new(configuration, origin(now, 1, number));
            connection.add_local_address(address(number));
            let init = DataChannelInit::default();
            let chat = connection.create_data_channel(now, "chat", init).unwrap();
            connection.set_local_description(now, None).unwrap();
            let id = server.add_connection(now, configurations[number].clone());
            let answerer = server.connection_mut(id).unwrap();
            answerer.set_remote_description(now, connection.local_description().unwrap()).unwrap();
            answerer.set_local_description(now, None).unwrap();
            connection.set_remote_description(now, answerer.local_description().unwrap()).unwrap();
            ids.push(id);
            Client { connection, chat, inbox: Vec::new() }
        })
        .collect();

    // For five seconds the first client says something every 50 ms, and the second one waits.
    let (mut asked, mut heard, mut said) = (None, 0, 0);
    for _ in 0..100 {
        let Client { connection, chat, .. } = &mut clients[0];
        if connection.data_channel(*chat).unwrap().send(now, "and on").is_ok() {
            said += 1;
        }
        for (from, event) in settle(now, &mut server, &mut clients) {
            match event {
                Event::SignatureNeeded(id) => {
                    assert_eq!((from, asked.replace(id)), (ids[1], None));
                }
                Event::Readable(Readable::Channel(id)) => {
                    assert_eq!(from, ids[0]);
                    let peer = server.connection_mut(from).unwrap();
                    let mut channel = peer.data_channel(id).unwrap();
                    heard += std::iter::from_fn(|| channel.read()).count();
                }
                _ => {}
            }
        }
        now += 50 * MS;
    }
    assert!(said > 90 && heard > 90, "{heard} of {said}");
    assert_eq!(clients[1].connection.connection_state(), ConnectionState::Connecting);

    let peer = server.connection_mut(ids[1]).unwrap();
    let signature = sign(peer, asked.expect("it was asked for"));
    peer.provide_signature(now, asked.unwrap(), &signature);
    settle(now, &mut server, &mut clients);
    assert_eq!(clients[1].connection.connection_state(), ConnectionState::Connected);
}
