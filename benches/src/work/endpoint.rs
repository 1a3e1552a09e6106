use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peerless::{
    Configuration, ConnectionId, Datagram, Endpoint, Event, FiveTuple, MediaKind, Readable,
    TransceiverId,
};

use crate::Peer as _;
use crate::link::Outbox;
use crate::measure::{Sample, start, time};
use crate::stacks::PeerlessPeer;
use crate::work::PAYLOAD;

/// Two endpoints, of many connections and of few, and the packets of ten clients for each.
#[allow(missing_debug_implementations, reason = "connections hold keys and have no Debug")]
pub struct EndpointCost {
    many: Server,
    few: Server,
}

impl EndpointCost {
    /// Connects everyone.
    #[must_use]
    pub fn new(many: usize, few: usize) -> Self {
        Self { many: Server::new(many), few: Server::new(few) }
    }

    /// How much more a packet costs where there are many. Time stands nearly still meanwhile, so
    /// that what idle connections do by themselves is not in it.
    pub fn ratio(&mut self) -> Sample {
        // The least of a few alternating rounds: what else runs on the machine only ever adds.
        let (mut many, mut few) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..5 {
            many = many.min(self.many.nanos_per_packet());
            few = few.min(self.few.nanos_per_packet());
        }
        Sample { value: many / few, allocations: 0.0 }
    }
}

struct Server {
    endpoint: Endpoint,
    clients: Vec<PeerlessPeer>,
    now: Instant,
    clients_now: Instant,
    index: u64,
    buf: Vec<u8>,
    inbound: Outbox,
}

const ACTIVE: usize = 10;
const PACKETS: usize = 2000;

impl Server {
    fn new(connections: usize) -> Self {
        let now = start();
        let mut endpoint = Endpoint::new(PeerlessPeer::origin(now, connections as u64));
        endpoint.add_local_address(SERVER);
        let clients = (0..connections)
            .map(|index| {
                let mut client = PeerlessPeer::new(now, address(index), SERVER, index as u64);
                let id = endpoint.add_connection(now, Configuration::default());
                negotiate(now, &mut client, &mut endpoint, id);
                client
            })
            .collect();
        let mut server = Self {
            endpoint,
            clients,
            now,
            clients_now: now,
            index: 0,
            buf: Vec::new(),
            inbound: Outbox::default(),
        };
        for _ in 0..200 {
            server.exchange();
            server.now += Duration::from_millis(10);
            if server.clients.iter().all(PeerlessPeer::is_connected) {
                server.clients.truncate(ACTIVE);
                server.clients_now = server.now;
                return server;
            }
        }
        panic!("{connections} clients do not connect");
    }

    /// Delivers everything in both directions.
    fn exchange(&mut self) {
        let now = self.now;
        for (index, client) in self.clients.iter_mut().enumerate() {
            client.handle_timeout(now);
            client.drain(now, &mut self.inbound);
            while let Some(mut datagram) = self.inbound.pop() {
                let path = FiveTuple::udp(SERVER, address(index));
                self.endpoint.handle_datagram(now, Datagram::new(path, &mut datagram));
                self.inbound.recycle(datagram);
            }
        }
        self.endpoint.handle_timeout(now);
        while self.endpoint.poll_event().is_some() {}
        loop {
            self.buf.clear();
            let Some(transmit) = self.endpoint.poll_transmit(now, &mut self.buf) else { break };
            let client = self.clients.get_mut(index_of(transmit.path.remote));
            let Some(client) = client else { continue };
            for datagram in transmit.datagrams() {
                client.handle_datagram(now, &mut datagram.to_vec());
            }
        }
    }

    fn nanos_per_packet(&mut self) -> f64 {
        let payload = Bytes::from(vec![0x44; PAYLOAD]);
        let mut uplinks: Vec<_> = self.clients.iter().map(|_| Outbox::default()).collect();
        for _ in 0..PACKETS / ACTIVE {
            // The clients' clocks go on without the server's: pacers want time between packets.
            self.clients_now += Duration::from_millis(2);
            self.index += 1;
            for (client, uplink) in self.clients.iter_mut().zip(&mut uplinks) {
                client.send_packet(self.clients_now, self.index, &payload);
                client.drain(self.clients_now, uplink);
            }
        }
        let (elapsed, _, received) = time(|| {
            let mut received = 0;
            for round in 0..PACKETS {
                let Some(uplink) = uplinks.get_mut(round % ACTIVE) else { continue };
                let Some(mut datagram) = uplink.pop() else { continue };
                self.now += Duration::from_nanos(100);
                let path = FiveTuple::udp(SERVER, address(round % ACTIVE));
                self.endpoint.handle_datagram(self.now, Datagram::new(path, &mut datagram));
                received += self.read();
                uplink.recycle(datagram);
            }
            received
        });
        assert!(received * 10 >= PACKETS * 9, "{received} of {PACKETS} packets were read");
        elapsed.as_secs_f64() * 1e9 / PACKETS as f64
    }

    /// What a driver and an application do after a datagram.
    fn read(&mut self) -> usize {
        let mut received = 0;
        while let Some((id, event)) = self.endpoint.poll_event() {
            if let Event::Readable(Readable::Receiver(transceiver)) = event {
                received += read_all(&mut self.endpoint, id, transceiver);
            }
        }
        loop {
            self.buf.clear();
            if self.endpoint.poll_transmit(self.now, &mut self.buf).is_none() {
                return received;
            }
        }
    }
}

fn read_all(endpoint: &mut Endpoint, id: ConnectionId, transceiver: TransceiverId) -> usize {
    let Some(mut receiver) = endpoint.receiver(id, transceiver) else { return 0 };
    std::iter::from_fn(|| receiver.read_packet()).count()
}

/// The client offers; the server receives packets.
fn negotiate(now: Instant, client: &mut PeerlessPeer, endpoint: &mut Endpoint, id: ConnectionId) {
    client.offer(now);
    let server = endpoint.connection_mut(id).expect("it was just added");
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let track = server.add_track(now, kind, &[]).expect("a new connection");
        let mut receiver = server.receiver(track).expect("it was just added");
        receiver.set_mode(now, peerless::ReceiveMode::Packets);
    }
    client.answered_by(now, server);
    while let Some((_, event)) = endpoint.poll_event() {
        if let Event::IceCandidate(candidate) = event {
            client.add_candidate(now, candidate);
        }
    }
}

const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 3478);

fn address(index: usize) -> SocketAddr {
    let [_, high, middle, low] = (index as u32).to_be_bytes();
    SocketAddr::new(Ipv4Addr::new(10, high, middle, low).into(), 4000)
}

fn index_of(address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(address) => {
            let [_, high, middle, low] = address.ip().octets();
            u32::from_be_bytes([0, high, middle, low]) as usize
        }
        SocketAddr::V6(_) => usize::MAX,
    }
}
