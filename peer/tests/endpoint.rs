//! An endpoint of thousands: what a call costs, counted; and what a flood from nowhere leaves.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

// The only unsafe code of the workspace is borrowed, not repeated.
#[path = "../../benches/src/allocator.rs"]
#[allow(dead_code, unreachable_pub, reason = "made for the benches")]
mod allocator;
mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use allocator::Allocated;
use common::{base, origin};
use dtls_srtp::{Certificate, CertificateParameters, Crypto};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    Configuration, ConnectionId, ConnectionState, DataChannelId, DataChannelInit, Datagram,
    Endpoint, Event, FiveTuple, MediaKind, PeerConnection, Readable,
};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// What this thread holds on the heap, in bytes.
fn heap() -> i64 {
    Allocated::now().live_bytes
}

/// One certificate serves all: it is the dearest part of a connection.
fn configuration() -> Configuration {
    use std::sync::OnceLock;

    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Certificate::generate(&Crypto::default(), CertificateParameters::new(date)).unwrap()
    });
    let mut configuration = Configuration::default();
    configuration.certificates = vec![certificate.clone()];
    configuration
}

fn server_address() -> SocketAddr {
    "192.0.2.1:3478".parse().unwrap()
}

/// A server with many connections, of which a few have somebody at the other end, on a network
/// that takes no time.
struct Bench {
    now: Instant,
    server: Endpoint,
    clients: Vec<Client>,
    buf: Vec<u8>,
}

struct Client {
    connection: PeerConnection,
    id: ConnectionId,
    chat: DataChannelId,
    inbox: Vec<(FiveTuple, Vec<u8>)>,
}

impl Bench {
    fn new() -> Self {
        let now = base();
        let mut server = Endpoint::new(origin(now, 1, 9));
        server.add_local_address(server_address());
        Self { now, server, clients: Vec::new(), buf: Vec::new() }
    }

    /// Connections that have been told to offer, and were never answered.
    fn add_unanswered(&mut self, count: usize) {
        for _ in 0..count {
            let id = self.server.add_connection(self.now, configuration());
            let peer = self.server.connection_mut(id).unwrap();
            peer.create_data_channel(self.now, "chat", DataChannelInit::default()).unwrap();
            peer.set_local_description(self.now, None).unwrap();
        }
        self.settle();
    }

    fn add_client(&mut self) {
        let number = self.clients.len() as u16;
        let [high, low] = number.to_be_bytes();
        let address = SocketAddr::from(([198, 51, high + 100, low], 5000));
        let mut connection = PeerConnection::new(configuration(), origin(self.now, low, 3));
        connection.add_local_address(address);
        let init = DataChannelInit::default();
        let chat = connection.create_data_channel(self.now, "chat", init).unwrap();
        let both = TransceiverInit::send_recv();
        connection.add_transceiver(self.now, MediaKind::Audio, both).unwrap();
        connection.set_local_description(self.now, None).unwrap();

        let id = self.server.add_connection(self.now, configuration());
        let answerer = self.server.connection_mut(id).unwrap();
        let offer = connection.local_description().unwrap();
        answerer.set_remote_description(self.now, offer).unwrap();
        answerer.set_local_description(self.now, None).unwrap();
        let answer = answerer.local_description().unwrap();
        connection.set_remote_description(self.now, answer).unwrap();
        self.clients.push(Client { connection, id, chat, inbox: Vec::new() });
    }

    /// Carries everything that is to be carried now.
    fn settle(&mut self) {
        let Self { now, server, clients, buf } = self;
        loop {
            let mut idle = true;
            server.handle_timeout(*now);
            while server.poll_event().is_some() {}
            while let Some(transmit) = server.poll_transmit(*now, buf) {
                let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                // Clients are numbered by their addresses.
                if let std::net::IpAddr::V4(ip) = path.local.ip() {
                    let [_, _, high, low] = ip.octets();
                    let number = usize::from(u16::from_be_bytes([high - 100, low]));
                    clients[number].inbox.push((path, transmit.contents.to_vec()));
                }
                buf.clear();
                idle = false;
            }
            for client in &mut *clients {
                for (path, mut contents) in client.inbox.drain(..) {
                    client.connection.handle_datagram(*now, Datagram::new(path, &mut contents));
                }
                client.connection.handle_timeout(*now);
                while client.connection.poll_event().is_some() {}
                while let Some(transmit) = client.connection.poll_transmit(*now, buf) {
                    let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                    let mut contents = transmit.contents.to_vec();
                    server.handle_datagram(*now, Datagram::new(path, &mut contents));
                    buf.clear();
                    idle = false;
                }
            }
            if idle {
                return;
            }
        }
    }

    /// Lets time pass, from deadline to deadline.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let clients = self.clients.iter().filter_map(|client| client.connection.poll_timeout());
            match clients.chain(self.server.poll_timeout()).min() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = end;
    }

    fn is_connected(&self) -> bool {
        self.clients.iter().all(|client| {
            let theirs = self.server.connection(client.id).expect("it is there");
            client.connection.connection_state() == ConnectionState::Connected
                && theirs.connection_state() == ConnectionState::Connected
        })
    }

    /// The visits to connections for a message from every client, and its echo.
    fn visits_for_echoes(&mut self) -> u64 {
        let before = self.server.statistics().visits;
        for client in 0..self.clients.len() {
            let Client { id, chat, connection, .. } = &mut self.clients[client];
            connection.data_channel(*chat).expect("it is open").send(self.now, "ping").unwrap();
            let mut datagrams = Vec::new();
            while let Some(transmit) = connection.poll_transmit(self.now, &mut self.buf) {
                let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                datagrams.push((path, transmit.contents.to_vec()));
                self.buf.clear();
            }
            let id = *id;
            for (path, mut contents) in datagrams {
                self.server.handle_datagram(self.now, Datagram::new(path, &mut contents));
            }
            let mut echoed = false;
            while let Some((from, event)) = self.server.poll_event() {
                if let Event::Readable(Readable::Channel(channel)) = event {
                    assert_eq!(from, id);
                    let peer = self.server.connection_mut(id).unwrap();
                    let mut channel = peer.data_channel(channel).expect("it is open");
                    let message = channel.read().expect("it is readable");
                    channel.send(self.now, message).unwrap();
                    echoed = true;
                }
            }
            assert!(echoed);
            self.settle();
        }
        self.server.statistics().visits - before
    }
}

#[test]
fn what_is_done_for_one_does_not_depend_on_the_others() {
    let visits = [0, 100, 10_000].map(|others| {
        let mut bench = Bench::new();
        bench.add_unanswered(others);
        for _ in 0..20 {
            bench.add_client();
        }
        bench.run(Duration::from_secs(2));
        assert!(bench.is_connected());
        assert_eq!(bench.server.len(), others + 20);
        bench.visits_for_echoes()
    });
    println!("visits for 20 echoes among 0, 100 and 10 000 others: {visits:?}");
    assert_eq!(visits[0], visits[1]);
    assert_eq!(visits[0], visits[2]);
    // A datagram, a command, two to find nothing more to send, and their acknowledgements.
    assert!(visits[0] <= 20 * 12, "{visits:?}");
}

#[test]
fn calls_with_nothing_to_do_visit_nobody() {
    let mut bench = Bench::new();
    bench.add_unanswered(9_800);
    for _ in 0..200 {
        bench.add_client();
    }
    bench.run(Duration::from_secs(2));
    assert!(bench.is_connected());
    let before = bench.server.statistics().visits;
    let allocated = Allocated::now();
    for _ in 0..10_000 {
        bench.server.handle_timeout(bench.now);
        assert!(bench.server.poll_transmit(bench.now, &mut bench.buf).is_none());
        assert!(bench.server.poll_event().is_none());
        assert!(bench.server.poll_timeout().is_some_and(|at| at > bench.now));
    }
    assert_eq!(bench.server.statistics().visits, before);
    assert_eq!(allocated.since(), Allocated::default(), "idle calls allocate nothing");

    // A minute of idling: consent and heartbeats of those who are connected, nothing else.
    bench.run(Duration::from_secs(60));
    let visits = bench.server.statistics().visits - before;
    println!("{visits} visits for 200 idle connections in a minute");
    assert!(bench.is_connected());
    assert!(visits <= 200 * 60 * 3, "{visits} visits");
}

#[test]
fn a_flood_from_nowhere_leaves_nothing() {
    let mut bench = Bench::new();
    bench.add_unanswered(50);
    for _ in 0..5 {
        bench.add_client();
    }
    bench.run(Duration::from_secs(2));
    let routes = bench.server.routes();
    let deadline = bench.server.poll_timeout();
    let before = bench.server.statistics();
    let mut heaps = Vec::with_capacity(10);
    let mut request = Vec::new();
    for round in 0..10_u32 {
        for n in 0..5_000_u32 {
            let number = round * 5_000 + n;
            let strange = SocketAddr::new(
                std::net::IpAddr::from((0xC633_0000_u32 + (number >> 8)).to_be_bytes()),
                1024 + (number & 0xFF) as u16,
            );
            let path = FiveTuple::udp(server_address(), strange);
            let mut id = [0; 12];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let id = stun::TransactionId::new(id);
            request.clear();
            let class = match n % 4 {
                // A check for a fragment that nobody has.
                0 | 1 => stun::Class::Request,
                // An answer to what nobody asked.
                2 => stun::Class::SuccessResponse,
                _ => stun::Class::Indication,
            };
            let _ = stun::MessageWriter::new(&mut request, class, stun::Method::Binding, id)
                .username(&format!("{number:08x}:theirs"))
                .priority(1)
                .ice_controlling(7)
                .integrity(&stun::Key::short_term("a password of somebody's"))
                .fingerprint()
                .finish();
            bench.server.handle_datagram(bench.now, Datagram::new(path, &mut request));

            // A ClientHello: 22, DTLS 1.2, epoch 0, and a body that begins like one.
            let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1];
            hello.resize(73, n as u8);
            bench.server.handle_datagram(bench.now, Datagram::new(path, &mut hello));
            let mut media = [128, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9];
            bench.server.handle_datagram(bench.now, Datagram::new(path, &mut media));
        }
        assert!(bench.server.poll_transmit(bench.now, &mut bench.buf).is_none());
        assert!(bench.server.poll_event().is_none());
        heaps.push(heap());
    }
    assert_eq!(heaps[0], heaps[9], "{heaps:?}");
    assert_eq!(bench.server.routes(), routes);
    assert_eq!(bench.server.poll_timeout(), deadline);
    let after = bench.server.statistics();
    assert_eq!(after.visits, before.visits, "nobody was bothered");
    assert_eq!(after.unknown_ufrag - before.unknown_ufrag, 25_000);
    assert_eq!(after.unknown_transaction - before.unknown_transaction, 12_500);
    assert_eq!(after.unknown_path - before.unknown_path, 112_500);
    bench.run(Duration::from_secs(40));
    assert!(bench.is_connected());
}

/// Checks that name a connection and are not of its other side: they cost that connection a visit,
/// and nobody anything else.
#[test]
fn checks_for_a_known_fragment_with_a_wrong_password_bind_nothing() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.add_client();
    }
    bench.run(Duration::from_secs(2));
    let description = bench.server.connection(bench.clients[0].id).unwrap().local_description();
    let sdp = description.unwrap().sdp;
    let value = |name: &str| {
        let line = sdp.lines().find_map(|line| line.strip_prefix(name));
        line.expect("it is in every description").to_owned()
    };
    let ufrag = value("a=ice-ufrag:");
    let routes = bench.server.routes();
    let mut heaps = Vec::with_capacity(10);
    let mut request = Vec::new();
    for round in 0..10_u32 {
        for n in 0..2_000_u32 {
            let number = round * 2_000 + n;
            let ip = std::net::IpAddr::from((0xC633_0000_u32 + number).to_be_bytes());
            let path = FiveTuple::udp(server_address(), SocketAddr::new(ip, 9));
            let mut id = [1; 12];
            id[..4].copy_from_slice(&number.to_be_bytes());
            request.clear();
            let _ = stun::MessageWriter::new(
                &mut request,
                stun::Class::Request,
                stun::Method::Binding,
                stun::TransactionId::new(id),
            )
            .username(&format!("{ufrag}:theirs"))
            .priority(number)
            .use_candidate()
            .ice_controlling(u64::MAX)
            .integrity(&stun::Key::short_term("not the password of it"))
            .fingerprint()
            .finish();
            bench.server.handle_datagram(bench.now, Datagram::new(path, &mut request));
            // On that path, nothing is anybody's.
            let unknown = bench.server.statistics().unknown_path;
            bench.server.handle_datagram(bench.now, Datagram::new(path, &mut [23, 254, 253]));
            assert_eq!(bench.server.statistics().unknown_path, unknown + 1);
        }
        while bench.server.poll_transmit(bench.now, &mut bench.buf).is_some() {
            bench.buf.clear();
        }
        assert!(bench.server.poll_event().is_none());
        heaps.push(heap());
    }
    assert_eq!(heaps[1], heaps[9], "{heaps:?}");
    assert_eq!(bench.server.routes(), routes);
    bench.run(Duration::from_secs(40));
    assert!(bench.is_connected());
}
