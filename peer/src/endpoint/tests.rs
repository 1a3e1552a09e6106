use std::time::{Duration, SystemTime};

use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::data_channel::{DataChannelId, DataChannelInit, DataChannelState};
use crate::event::Readable;
use crate::signalling::{ConnectionState, SdpType};

mod paths;

const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
fn start() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the number of seeds is asked of the caller")]
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

fn origin(now: Instant, seed: u8) -> Origin {
    Origin::new(now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), [seed; 32])
}

/// Connections without a certificate of their own make none: it is the dearest part of them.
fn configuration() -> Configuration {
    use std::sync::OnceLock;

    use dtls_srtp::{Certificate, CertificateParameters, Crypto};

    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Certificate::generate(&Crypto::default(), CertificateParameters::new(date)).unwrap()
    });
    Configuration { certificates: vec![certificate.clone()], ..Configuration::default() }
}

/// A server with many connections, and clients with one each, on a network that takes 5 ms.
struct Bench {
    now: Instant,
    server: Endpoint,
    clients: Vec<Client>,
    network: VecDeque<(Instant, FiveTuple, Vec<u8>)>,
    buf: Vec<u8>,
}

struct Client {
    address: SocketAddr,
    connection: PeerConnection,
    id: ConnectionId,
    channel: DataChannelId,
    received: Vec<Vec<u8>>,
}

fn server_address() -> SocketAddr {
    "192.0.2.1:3478".parse().unwrap()
}

impl Bench {
    fn new() -> Self {
        let now = start();
        let mut server = Endpoint::new(origin(now, 1));
        server.add_local_address(server_address());
        Self { now, server, clients: Vec::new(), network: VecDeque::new(), buf: Vec::new() }
    }

    /// Adds a client that offers a data channel, and the connection that answers it.
    fn add_client(&mut self) {
        let number = self.clients.len() as u16;
        let [high, low] = number.to_be_bytes();
        let address = SocketAddr::from(([198, 51, high + 100, low], 5000));
        let mut connection = PeerConnection::new(configuration(), origin(self.now, low + 2));
        connection.add_local_address(address);
        let channel =
            connection.create_data_channel(self.now, "chat", DataChannelInit::default()).unwrap();
        connection.set_local_description(self.now, None).unwrap();
        let offer = connection.local_description().unwrap();

        let id = self.server.add_connection(self.now, configuration());
        let answerer = self.server.connection_mut(id).unwrap();
        answerer.set_remote_description(self.now, offer).unwrap();
        answerer.set_local_description(self.now, None).unwrap();
        let answer = answerer.local_description().unwrap();
        assert_eq!(answer.kind, SdpType::Answer);
        connection.set_remote_description(self.now, answer).unwrap();
        let received = Vec::new();
        self.clients.push(Client { address, connection, id, channel, received });
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
            let next = self
                .clients
                .iter()
                .filter_map(|client| client.connection.poll_timeout())
                .chain(self.server.poll_timeout())
                .chain(self.network.front().map(|(at, ..)| *at))
                .min();
            self.now = next.unwrap_or(end).clamp(self.now, end);
        }
        self.step();
    }

    fn step(&mut self) {
        let now = self.now;
        for _ in 0..100 {
            self.server.handle_timeout(now);
            self.send();
            let mut any = false;
            while self.network.front().is_some_and(|(at, ..)| *at <= now) {
                let Some((_, path, mut contents)) = self.network.pop_front() else { break };
                any = true;
                let datagram = Datagram::new(path, &mut contents);
                if path.local == server_address() {
                    self.server.handle_datagram(now, datagram);
                } else if let Some(client) =
                    self.clients.iter_mut().find(|client| client.address == path.local)
                {
                    client.connection.handle_datagram(now, datagram);
                }
            }
            any |= self.signal();
            if !any {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn send(&mut self) {
        let Self { now, server, clients, network, buf } = self;
        let mut post = |transmit: Transmit<'_>| {
            let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
            for contents in transmit.datagrams() {
                network.push_back((*now + 5 * MS, path, contents.to_vec()));
            }
        };
        while let Some(transmit) = server.poll_transmit(*now, buf) {
            post(transmit);
            buf.clear();
        }
        for client in clients {
            client.connection.handle_timeout(*now);
            while let Some(transmit) = client.connection.poll_transmit(*now, buf) {
                post(transmit);
                buf.clear();
            }
        }
    }

    /// Carries candidates, and echoes messages.
    fn signal(&mut self) -> bool {
        let (now, mut any) = (self.now, false);
        while let Some((id, event)) = self.server.poll_event() {
            any = true;
            match event {
                Event::IceCandidate(candidate) => {
                    let client = self.clients.iter_mut().find(|client| client.id == id).unwrap();
                    client.connection.add_ice_candidate(now, candidate).unwrap();
                }
                Event::Readable(Readable::Channel(channel)) => {
                    let connection = self.server.connection_mut(id).unwrap();
                    let mut channel = connection.data_channel(channel).unwrap();
                    while let Some(message) = channel.read() {
                        channel.send(now, message).unwrap();
                    }
                }
                _ => {}
            }
        }
        for client in &mut self.clients {
            while let Some(event) = client.connection.poll_event() {
                any = true;
                match event {
                    Event::IceCandidate(candidate) => {
                        if let Some(connection) = self.server.connection_mut(client.id) {
                            connection.add_ice_candidate(now, candidate).unwrap();
                        }
                    }
                    Event::Readable(Readable::Channel(channel)) => {
                        let mut channel = client.connection.data_channel(channel).unwrap();
                        while let Some(message) = channel.read() {
                            client.received.push(message.data().to_vec());
                        }
                    }
                    _ => {}
                }
            }
        }
        any
    }

    fn say(&mut self, client: usize, text: &'static str) {
        let Client { connection, channel, .. } = &mut self.clients[client];
        connection.data_channel(*channel).unwrap().send(self.now, text).unwrap();
    }

    fn all_connected(&self) -> bool {
        self.server
            .connections()
            .map(|(_, connection)| connection)
            .chain(self.clients.iter().map(|client| &client.connection))
            .all(|connection| connection.connection_state() == ConnectionState::Connected)
    }
}

#[test]
fn many_connections_share_one_address() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.add_client();
    }
    bench.run(Duration::from_secs(3));
    assert!(bench.all_connected());
    for client in 0..10 {
        bench.say(client, if client % 2 == 0 { "even" } else { "odd" });
    }
    bench.run(Duration::from_secs(1));
    for (number, client) in bench.clients.iter().enumerate() {
        let expected: &[u8] = if number % 2 == 0 { b"even" } else { b"odd" };
        assert_eq!(client.received, [expected]);
    }
    let (ufrags, paths, _) = bench.server.routes();
    assert_eq!((ufrags, paths), (10, 10));
    let statistics = bench.server.statistics();
    assert_eq!(statistics.unknown_ufrag + statistics.malformed, 0);
}

#[test]
fn a_removed_connection_leaves_nothing_behind() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    assert!(bench.all_connected());

    let gone = bench.clients[0].id;
    assert!(bench.server.remove_connection(bench.now, gone).is_some());
    assert!(bench.server.remove_connection(bench.now, gone).is_none());
    assert!(bench.server.connection(gone).is_none());
    assert!(bench.server.connection_mut(gone).is_none());
    assert_eq!(bench.server.len(), 1);
    let (ufrags, paths, _) = bench.server.routes();
    assert_eq!((ufrags, paths), (1, 1));

    // What still comes is dropped and counted; the other one does not notice.
    bench.say(0, "anybody there?");
    bench.say(1, "hello");
    bench.run(Duration::from_secs(8));
    assert!(bench.server.statistics().unknown_path > 0);
    assert!(bench.server.statistics().unknown_ufrag > 0);
    assert_eq!(bench.clients[1].received, [b"hello"]);

    let again = bench.server.add_connection(bench.now, configuration());
    assert_ne!(again, gone, "the slot is used again, the name is not");
    assert!(bench.server.connection(gone).is_none());
}

#[test]
fn what_is_done_to_a_lent_connection_is_noticed() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    let id = bench.clients[0].id;
    let connection = bench.server.connection_mut(id).unwrap();
    let init = DataChannelInit::default();
    let channel = connection.create_data_channel(bench.now, "another", init).unwrap();
    assert_eq!(bench.server.poll_timeout(), Some(bench.now), "it was lent");
    bench.run(Duration::from_secs(1));
    let mut connection = bench.server.connection_mut(id);
    let channel = connection.as_mut().unwrap().data_channel(channel).unwrap();
    assert_eq!(channel.label(), "another");
}

#[test]
fn datagrams_for_nobody_are_counted() {
    let mut bench = Bench::new();
    bench.add_client();
    let path = FiveTuple::udp(server_address(), "203.0.113.77:7".parse().unwrap());
    let mut binding = Vec::new();
    let id = stun::TransactionId::new([1; 12]);
    for class in [stun::Class::Request, stun::Class::SuccessResponse] {
        binding.clear();
        let _ = stun::MessageWriter::new(&mut binding, class, stun::Method::Binding, id).finish();
        bench.server.handle_datagram(bench.now, Datagram::new(path, &mut binding));
    }
    for first in 0..=255 {
        bench.server.handle_datagram(bench.now, Datagram::new(path, &mut [first, 1, 2]));
    }
    bench.server.handle_datagram(bench.now, Datagram::new(path, &mut []));
    let statistics = bench.server.statistics();
    assert_eq!(statistics.received, 259);
    assert_eq!(statistics.unknown_ufrag, 1);
    assert_eq!(statistics.unknown_transaction, 1);
    assert_eq!(statistics.malformed, 4);
    assert_eq!(statistics.unknown_path, 253);
}

#[test]
fn backward_time_is_read_as_the_newest() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    let past = bench.now.checked_sub(Duration::from_secs(2)).unwrap();
    let before = bench.server.poll_timeout();
    bench.server.handle_timeout(past);
    assert!(bench.server.poll_transmit(past, &mut Vec::new()).is_none());
    while bench.server.poll_event().is_some() {}
    assert_eq!(bench.server.poll_timeout(), before);
}

/// The cost of the endpoint's calls, in visits to connections, with 10 000 that are idle: none for
/// a call with nothing to do, one or two for a datagram or a deadline.
#[test]
fn idle_connections_cost_nothing() {
    let now = start();
    let mut endpoint = Endpoint::new(origin(now, 1));
    endpoint.add_local_address(server_address());
    let ids: Vec<_> = (0..10_000).map(|_| endpoint.add_connection(now, configuration())).collect();
    let mut buf = Vec::new();
    endpoint.handle_timeout(now);
    while endpoint.poll_transmit(now, &mut buf).is_some() {}
    while endpoint.poll_event().is_some() {}

    let before = endpoint.statistics().visits;
    let later = now + MS;
    for _ in 0..1000 {
        endpoint.handle_timeout(later);
        assert!(endpoint.poll_transmit(later, &mut buf).is_none());
        assert!(endpoint.poll_event().is_none());
        assert_eq!(endpoint.poll_timeout(), None, "new connections wait for a description");
    }
    assert_eq!(endpoint.statistics().visits, before);

    for id in ids.iter().take(100) {
        assert!(endpoint.connection_mut(*id).is_some());
        endpoint.handle_timeout(later);
        while endpoint.poll_transmit(later, &mut buf).is_some() {}
        assert!(endpoint.poll_event().is_none());
    }
    let visits = endpoint.statistics().visits - before;
    assert!(visits <= 300, "{visits} for 100 that were lent");
}

#[test]
fn addresses_reach_the_connections_that_are_there_and_those_to_come() {
    let mut bench = Bench::new();
    bench.add_client();
    let other: SocketAddr = "192.0.2.99:3478".parse().unwrap();
    bench.server.add_local_address(other);
    bench.server.add_local_address(other);
    assert_eq!(bench.server.local_addresses(), [server_address(), other]);
    bench.server.remove_local_address(bench.now, server_address());
    assert_eq!(bench.server.local_addresses(), [other]);
    bench.add_client();
    for (_, connection) in bench.server.connections() {
        assert_eq!(connection.local_addresses, [other]);
    }
}

/// By the contract of the five calls, a bad driver costs time and nothing else: calls in random
/// order, left out, twice, early, late and with time stepping back, by a server with several
/// connections.
#[test]
fn a_lazy_driver_gets_the_same_outcome() {
    for seed in 0..seeds() {
        println!("seed {seed}");
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut bench = Bench::new();
        for _ in 0..3 {
            bench.add_client();
        }
        let mut said = false;
        for _ in 0..200_000 {
            bench.step_lazily(&mut rng);
            let open = |client: &mut Client| {
                let channel = client.connection.data_channel(client.channel);
                channel.is_some_and(|channel| channel.ready_state() == DataChannelState::Open)
            };
            if !said && bench.clients.iter_mut().all(open) {
                (0..3).for_each(|client| bench.say(client, "hello"));
                said = true;
            }
            if said && bench.clients.iter().all(|client| !client.received.is_empty()) {
                break;
            }
            bench.now += Duration::from_micros(rng.random_range(0..2000));
        }
        for client in &bench.clients {
            assert_eq!(client.received, [b"hello"], "seed {seed}");
        }
        bench.run(Duration::from_secs(20));
        assert!(bench.all_connected(), "seed {seed}");
        let (ufrags, paths, _) = bench.server.routes();
        assert_eq!((ufrags, paths), (3, 3), "seed {seed}");
    }
}

impl Bench {
    /// One to four calls of the server's in random order; the clients are driven well.
    fn step_lazily(&mut self, rng: &mut ChaCha20Rng) {
        let past = Duration::from_millis(rng.random_range(0..1000));
        for _ in 0..rng.random_range(1..5) {
            let now = if rng.random_bool(0.2) {
                self.now.checked_sub(past).unwrap_or(self.now)
            } else {
                self.now
            };
            match rng.random_range(0..4) {
                0 => self.server.handle_timeout(now),
                1 => {
                    if let Some(transmit) = self.server.poll_transmit(now, &mut self.buf) {
                        let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                        let contents = transmit.contents.to_vec();
                        self.network.push_back((self.now + 5 * MS, path, contents));
                        self.buf.clear();
                    }
                }
                2 => {
                    self.signal();
                }
                _ => {
                    let due = self.network.front().is_some_and(|(at, ..)| *at <= self.now);
                    let Some((_, path, mut contents)) =
                        due.then(|| self.network.pop_front()).flatten()
                    else {
                        continue;
                    };
                    let datagram = Datagram::new(path, &mut contents);
                    if path.local == server_address() {
                        self.server.handle_datagram(now, datagram);
                    } else if let Some(client) =
                        self.clients.iter_mut().find(|client| client.address == path.local)
                    {
                        client.connection.handle_datagram(self.now, datagram);
                    }
                }
            }
        }
        for client in &mut self.clients {
            client.connection.handle_timeout(self.now);
            while let Some(transmit) = client.connection.poll_transmit(self.now, &mut self.buf) {
                let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                let contents = transmit.contents.to_vec();
                self.network.push_back((self.now + 5 * MS, path, contents));
                self.buf.clear();
            }
        }
    }
}

/// The deadline is neither late, or a call would not connect in time, nor in the past again and
/// again: after both calls, it is later than now.
#[test]
fn a_driver_that_obeys_the_deadline_does_not_spin() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.add_client();
    }
    let (mut rounds, end) = (0, bench.now + Duration::from_secs(60));
    while bench.now < end {
        rounds += 1;
        bench.step();
        let server = bench.server.poll_timeout().unwrap();
        assert!(server > bench.now, "it would spin");
        let clients = bench.clients.iter().filter_map(|client| client.connection.poll_timeout());
        let network = bench.network.front().map(|(at, ..)| *at);
        bench.now = clients.chain(network).chain([server]).min().unwrap();
    }
    assert!(bench.all_connected());
    // Some twenty a second and connection would be fine for checks and heartbeats.
    assert!(rounds < 60 * 3 * 20, "{rounds} rounds in a minute of idleness");
}
