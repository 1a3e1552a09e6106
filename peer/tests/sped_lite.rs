//! The DTLS handshake inside ICE's checks, with a server that is ICE-lite: it sends no checks, and
//! its flights ride in its responses.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use dtls_srtp::dtls::{Config, Connection, Version};
use dtls_srtp::{Certificate, CertificateParameters, Crypto, HashAlgorithm};
use ice::{Agent, Credentials, Embedding, StreamId};
use peerless::security::NamedGroup;
use peerless::{
    Configuration, DataChannelInit, Datagram, DtlsTransportState, FiveTuple, PeerConnection,
    SessionDescription,
};
use stun::{AttributeType, Class, Message};

use crate::common::{base, origin, seeds};

/// One way.
const DELAY: Duration = Duration::from_millis(50);

fn client_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5000))
}

fn server_address() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], 3478))
}

/// A media server in few lines: an ICE-lite agent, a DTLS server, and between them what the draft
/// asks for.
struct Server {
    agent: Agent,
    stream: StreamId,
    dtls: Connection,
    /// The datagrams of its flight, until they are acknowledged or sent as they are.
    pending: Vec<Arc<[u8]>>,
    received: Vec<u32>,
}

impl Server {
    fn new(now: Instant, config: Config, credentials: Credentials) -> Self {
        let lite = ice::Config { lite: true, ..ice::Config::default() };
        let mut agent = Agent::new(lite, ice::Role::Controlled, now, [3; 32]);
        let stream = agent.add_stream(now, 1);
        let component = ice::ComponentId { stream, component: 1 };
        agent.add_local_address(now, component, server_address());
        agent.finish_gathering(now);
        agent.set_remote_credentials(now, stream, credentials);
        let dtls = Connection::server(config, now, [4; 32]);
        let mut server = Self { agent, stream, dtls, pending: Vec::new(), received: Vec::new() };
        server.settle(now);
        server
    }

    fn handle(&mut self, now: Instant, bytes: &mut [u8]) {
        let path = FiveTuple::udp(server_address(), client_address());
        if let Some((_, datagram)) = self.agent.handle_datagram(now, Datagram::new(path, bytes)) {
            self.received.push(stun::crc32(datagram.contents));
            self.dtls.handle_datagram(now, datagram.contents);
        }
        while let Some(event) = self.agent.poll_event() {
            let ice::Event::Embedded(_, embedded) = event else { continue };
            for hash in embedded.acknowledgements.unwrap_or_default() {
                self.pending.retain(|pending| stun::crc32(pending) != hash);
            }
            let Some(mut datagram) = embedded.datagram.filter(|it| !it.is_empty()) else {
                continue;
            };
            let hash = stun::crc32(&datagram);
            if !self.received.contains(&hash) {
                self.received.push(hash);
                self.dtls.handle_datagram(now, &mut datagram);
            }
        }
        self.settle(now);
    }

    /// Gives ICE what it has to carry, from now on.
    fn settle(&mut self, now: Instant) {
        let mut buf = Vec::new();
        while self.dtls.poll_transmit(now, &mut buf).is_some() {
            self.pending.push(buf.as_slice().into());
            buf.clear();
        }
        let embedding =
            Embedding { datagrams: self.pending.clone(), acknowledgements: self.received.clone() };
        self.agent.set_embedding(now, self.stream, Some(embedding));
    }

    /// "Lite ICE Agents can send DTLS without embedding once they received a valid binding
    /// request": behind the responses.
    fn transmit(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let mut buf = Vec::new();
        while let Some(transmit) = self.agent.poll_transmit(now, &mut buf) {
            sent.push(transmit.contents.to_vec());
            buf.clear();
        }
        let component = ice::ComponentId { stream: self.stream, component: 1 };
        if self.agent.send_path(component).is_some() && !self.pending.is_empty() {
            sent.extend(self.pending.drain(..).map(|pending| pending.to_vec()));
            self.settle(now);
        }
        sent
    }
}

/// A client that speaks to such a server, and the wire between them.
struct Call {
    now: Instant,
    client: PeerConnection,
    server: Server,
    /// When, whether it is for the server, and what.
    wire: Vec<(Instant, bool, Vec<u8>)>,
    client_connected: Option<Duration>,
    server_connected: Option<Duration>,
    /// How many of the server's responses carried a datagram.
    responses: usize,
}

impl Call {
    fn new(sped: bool, version: Version, groups: &[NamedGroup]) -> Self {
        let now = base();
        let mut configuration = Configuration::default();
        configuration.sped = sped;
        configuration.security_policy.max_version = version;
        let mut client = PeerConnection::new(configuration, origin(now, 1, 0));
        client.add_local_address(client_address());
        client.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
        client.set_local_description(now, None).unwrap();
        let offer = client.local_description().unwrap().sdp;

        let crypto = Crypto::default();
        let parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
        let certificate = Certificate::generate(&crypto, parameters).unwrap();
        let fingerprint = certificate.fingerprint(HashAlgorithm::Sha256);
        let config = Config::new(certificate, crypto).unwrap();
        let config = config.with_any_remote_certificate().with_groups(groups).unwrap();
        let value =
            |name: &str| offer.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        let theirs = Credentials { ufrag: value("a=ice-ufrag:"), pwd: value("a=ice-pwd:") };
        let server = Server::new(now, config, theirs);

        let ours = server.agent.local_credentials(server.stream).unwrap();
        let mut answer = String::new();
        for line in offer.lines() {
            let line = match line.split_once(':').map_or(line, |(name, _)| name) {
                "a=ice-ufrag" => format!("a=ice-ufrag:{}", ours.ufrag),
                "a=ice-pwd" => format!("a=ice-pwd:{}", ours.pwd),
                "a=fingerprint" => format!("a=fingerprint:{fingerprint}"),
                "a=setup" => "a=setup:passive".to_owned(),
                "a=candidate" | "a=end-of-candidates" | "a=group" | "a=tls-id" => continue,
                _ => line.to_owned(),
            };
            answer += &line;
            answer += "\r\n";
            if line.starts_with("t=") {
                answer += "a=ice-lite\r\n";
            }
        }
        let address = server_address();
        let (ip, port) = (address.ip(), address.port());
        answer += &format!("a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\n");
        client.set_remote_description(now, SessionDescription::answer(answer)).unwrap();
        Self {
            now,
            client,
            server,
            wire: Vec::new(),
            client_connected: None,
            server_connected: None,
            responses: 0,
        }
    }

    fn run(&mut self, limit: Duration, mut loses: impl FnMut(&[u8]) -> bool) {
        let (start, mut buf) = (self.now, Vec::new());
        while self.client_connected.is_none() || self.server_connected.is_none() {
            let now = self.now;
            self.client.handle_timeout(now);
            self.server.agent.handle_timeout(now);
            self.server.dtls.handle_timeout(now);
            self.server.settle(now);
            while let Some(transmit) = self.client.poll_transmit(now, &mut buf) {
                for segment in transmit.datagrams() {
                    self.wire.push((now + DELAY, true, segment.to_vec()));
                }
                buf.clear();
            }
            for bytes in self.server.transmit(now) {
                let message = Message::parse(&bytes);
                assert!(!message.as_ref().is_ok_and(|it| it.class() == Class::Request), "lite");
                let carried = message
                    .ok()
                    .and_then(|message| message.attribute(AttributeType::MetaDtlsInStun));
                self.responses += usize::from(carried.is_some_and(|it| !it.is_empty()));
                self.wire.push((now + DELAY, false, bytes));
            }
            while self.client.poll_event().is_some() {}
            let elapsed = now - start;
            let state = self.client.stats(now).transports[0].dtls_state;
            if state == DtlsTransportState::Connected {
                self.client_connected.get_or_insert(elapsed);
            }
            if self.server.dtls.is_connected() {
                self.server_connected.get_or_insert(elapsed);
            }
            let timeouts = [
                self.client.poll_timeout(),
                self.server.agent.poll_timeout(),
                self.server.dtls.poll_timeout().filter(|at| *at > now),
            ];
            let arrivals = self.wire.iter().map(|(at, ..)| *at);
            let next = timeouts.into_iter().flatten().chain(arrivals).min();
            let Some(next) = next.filter(|next| *next - start <= limit) else { return };
            self.now = next.max(now);
            let (arrived, flying) =
                std::mem::take(&mut self.wire).into_iter().partition(|(at, ..)| *at <= self.now);
            self.wire = flying;
            let arrived: Vec<(Instant, bool, Vec<u8>)> = arrived;
            for (_, to_server, mut bytes) in arrived {
                if loses(&bytes) {
                    continue;
                }
                if to_server {
                    self.server.handle(self.now, &mut bytes);
                } else {
                    let path = FiveTuple::udp(client_address(), server_address());
                    self.client.handle_datagram(self.now, Datagram::new(path, &mut bytes));
                }
            }
        }
    }
}

#[test]
fn the_flights_of_a_lite_server_ride_in_its_responses() {
    let x25519 = [NamedGroup::X25519];
    let default = [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1];
    // → check + ClientHello    ← response + the server's flight    → the rest, as it is
    for (version, groups, wanted) in [
        // A hello of two datagrams takes a second check 5 ms behind the first.
        (Version::Dtls13, &x25519[..], [105, 155]),
        // One more round trip for the first datagram of the second flight.
        (Version::Dtls12, &default, [200, 150]),
    ] {
        let mut call = Call::new(true, version, groups);
        call.run(Duration::from_secs(5), |_| false);
        let times = [call.client_connected, call.server_connected];
        println!("{version}: {times:?}, {} responses with a datagram", call.responses);
        assert!(call.responses > 0);
        let report = call.client.security_report().unwrap();
        assert!(report.handshake_in_checks);
        assert_eq!((report.version, report.flights_retransmitted), (version, 0));
        for (time, wanted) in times.into_iter().zip(wanted) {
            assert!(time.unwrap() <= Duration::from_millis(wanted), "{version}: {times:?}");
        }

        let mut plain = Call::new(false, version, groups);
        plain.run(Duration::from_secs(5), |_| false);
        println!("without: {:?}", [plain.client_connected, plain.server_connected]);
        let saved = plain.server_connected.unwrap() - call.server_connected.unwrap();
        assert!(saved >= Duration::from_millis(90), "a round trip: {saved:?}");
    }
}

#[test]
fn flights_that_fit_no_response_follow_behind_them() {
    // The server's first flight is two datagrams with the default's key share.
    let mut call = Call::new(true, Version::Dtls13, &[NamedGroup::X25519MLKEM768]);
    call.run(Duration::from_secs(5), |_| false);
    let connected = [call.client_connected, call.server_connected];
    println!("{connected:?}, {} responses with a datagram", call.responses);
    assert!(call.responses > 0);
    assert!(connected[0].unwrap() <= Duration::from_millis(210), "{connected:?}");
}

#[test]
fn a_lite_server_is_reached_through_loss() {
    for seed in 0..seeds() {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut call = Call::new(true, Version::Dtls13, &[NamedGroup::X25519MLKEM768]);
        call.run(Duration::from_secs(30), |_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % 100 < 20
        });
        assert!(call.client_connected.is_some() && call.server_connected.is_some(), "seed {seed}");
    }
}
