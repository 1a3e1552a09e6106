//! Two connections with a network between them that a closure decides about.

use std::time::SystemTime;

use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

use super::super::message::FragmentHeader;
use super::super::record::DTLS_1_2;
use super::super::v13::record::Record;
use super::super::*;
use crate::certificate::{Certificate, CertificateParameters};
use crate::crypto::Crypto;
use crate::fingerprint::{Fingerprint, HashAlgorithm};

/// One way through the network, unless a test says otherwise.
pub(crate) const DELAY: Duration = Duration::from_millis(50);

#[expect(clippy::disallowed_methods, reason = "any instant will do, but there is no other source")]
pub(crate) fn any_instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "how many seeds to try is the tester's choice")]
pub(crate) fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

pub(crate) fn certificate() -> Certificate {
    let parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
    Certificate::generate(&Crypto::default(), parameters).unwrap()
}

/// The certificate in `tests/certificates` of this kind.
pub(crate) fn recorded_certificate(name: &str) -> Certificate {
    let (der, key): (&[u8], &[u8]) = match name {
        "p256-v1" => (
            include_bytes!("../../../tests/certificates/p256-v1.der"),
            include_bytes!("../../../tests/certificates/p256.pk8"),
        ),
        "p384" => (
            include_bytes!("../../../tests/certificates/p384.der"),
            include_bytes!("../../../tests/certificates/p384.pk8"),
        ),
        "ed25519" => (
            include_bytes!("../../../tests/certificates/ed25519.der"),
            include_bytes!("../../../tests/certificates/ed25519.pk8"),
        ),
        "rsa-2048" => (
            include_bytes!("../../../tests/certificates/rsa-2048.der"),
            include_bytes!("../../../tests/certificates/rsa-2048.pk8"),
        ),
        "rsa-4096" => (
            include_bytes!("../../../tests/certificates/rsa-4096.der"),
            include_bytes!("../../../tests/certificates/rsa-4096.pk8"),
        ),
        _ => panic!("no certificate {name}"),
    };
    Certificate::from_der(&Crypto::default(), vec![der.to_vec()], key).unwrap()
}

pub(crate) fn fingerprint(certificate: &Certificate) -> Vec<Fingerprint> {
    vec![certificate.fingerprint(HashAlgorithm::Sha256)]
}

/// Settings for a client and a server of DTLS 1.2 that know each other's fingerprints.
pub(crate) fn configs() -> (Config, Config) {
    acquainted(unacquainted())
}

/// The same for DTLS 1.3.
pub(crate) fn configs_1_3() -> (Config, Config) {
    acquainted(unacquainted_1_3())
}

/// Tells both sides the other's fingerprint.
pub(crate) fn acquainted((client, server): (Config, Config)) -> (Config, Config) {
    let for_client = fingerprint(server.certificate());
    let for_server = fingerprint(client.certificate());
    (client.with_remote_fingerprints(for_client), server.with_remote_fingerprints(for_server))
}

/// Settings without fingerprints, of DTLS 1.2.
pub(crate) fn unacquainted() -> (Config, Config) {
    let config = || versions(Version::Dtls12, Version::Dtls12);
    (config(), config())
}

/// The same for DTLS 1.3.
pub(crate) fn unacquainted_1_3() -> (Config, Config) {
    let config = || versions(Version::Dtls13, Version::Dtls13);
    (config(), config())
}

/// Settings of these versions.
pub(crate) fn versions(min: Version, max: Version) -> Config {
    let config = Config::new(certificate(), Crypto::default()).unwrap();
    config.with_versions(min, max).unwrap()
}

/// What the network does with a datagram: the delays after which it arrives, as often.
pub(crate) type Fate = Vec<Duration>;

/// A perfect network.
pub(crate) fn perfect(_from: Role, _datagram: &[u8]) -> Fate {
    vec![DELAY]
}

/// A network that loses, duplicates, and delays by 5 to 100 ms.
pub(crate) fn lossy(seed: u64, loss: f64) -> impl FnMut(Role, &[u8]) -> Fate {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    move |_, _| {
        let copies = if rng.random_bool(0.1) { 2 } else { 1 };
        let mut fate = Vec::new();
        for _ in 0..copies {
            let delay = Duration::from_millis(rng.random_range(5..100));
            if !rng.random_bool(loss) {
                fate.push(delay);
            }
        }
        fate
    }
}

pub(crate) struct Pair {
    pub(crate) client: Connection,
    pub(crate) server: Connection,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// What was sent, like `1. client: ClientHello`.
    pub(crate) chart: Vec<String>,
    /// The application data that each side was given.
    pub(crate) client_read: Vec<Vec<u8>>,
    pub(crate) server_read: Vec<Vec<u8>>,
    /// When each side was connected.
    pub(crate) client_connected: Option<Duration>,
    pub(crate) server_connected: Option<Duration>,
    /// When the client could send.
    pub(crate) client_may_send: Option<Duration>,
    pub(crate) largest_datagram: usize,
    flying: Vec<(Instant, Role, Vec<u8>)>,
}

impl Pair {
    pub(crate) fn new((client, server): (Config, Config)) -> Self {
        let now = any_instant();
        Self {
            client: Connection::client(client, now, [1; 32]),
            server: Connection::server(server, now, [2; 32]),
            start: now,
            now,
            chart: Vec::new(),
            client_read: Vec::new(),
            server_read: Vec::new(),
            client_connected: None,
            server_connected: None,
            client_may_send: None,
            largest_datagram: 0,
            flying: Vec::new(),
        }
    }

    /// A pair that is connected.
    pub(crate) fn connected() -> Self {
        Self::new(configs()).connect()
    }

    /// The same of DTLS 1.3.
    pub(crate) fn connected_1_3() -> Self {
        Self::new(configs_1_3()).connect()
    }

    fn connect(mut self) -> Self {
        let pair = &mut self;
        pair.run(perfect);
        assert!(pair.is_connected());
        assert_eq!(pair.client.poll_event(), Some(Event::Connected));
        assert_eq!(pair.server.poll_event(), Some(Event::Connected));
        pair.chart.clear();
        self
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.client.is_connected() && self.server.is_connected()
    }

    /// Runs until nothing more will happen.
    pub(crate) fn run(&mut self, mut network: impl FnMut(Role, &[u8]) -> Fate) {
        while self.step(&mut network) {}
    }

    /// Lets time go to what happens next. `false` if there is nothing.
    pub(crate) fn step(&mut self, network: &mut impl FnMut(Role, &[u8]) -> Fate) -> bool {
        self.transmit(network);
        let Some(next) = self.next() else { return false };
        assert!(next > self.now, "time stands still");
        self.now = next;
        self.client.handle_timeout(next);
        self.server.handle_timeout(next);
        self.arrive();
        self.transmit(network);
        true
    }

    /// When something will happen next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let timeouts = [self.client.poll_timeout(), self.server.poll_timeout()];
        let arrivals = self.flying.iter().map(|flying| Some(flying.0));
        timeouts.into_iter().chain(arrivals).flatten().min()
    }

    fn transmit(&mut self, network: &mut impl FnMut(Role, &[u8]) -> Fate) {
        for role in [Role::Client, Role::Server] {
            let mut datagram = Vec::new();
            loop {
                datagram.clear();
                let now = self.now;
                let range = self.side(role).poll_transmit(now, &mut datagram);
                let Some(range) = range else { break };
                assert_eq!(range, 0..datagram.len());
                self.send(role, &datagram, network);
            }
        }
        self.look();
    }

    /// Gives a datagram to the network.
    pub(crate) fn send(
        &mut self,
        from: Role,
        datagram: &[u8],
        network: &mut impl FnMut(Role, &[u8]) -> Fate,
    ) {
        let name = if from == Role::Client { "client" } else { "server" };
        self.chart.push(format!("{name}: {}", describe(datagram)));
        self.largest_datagram = self.largest_datagram.max(datagram.len());
        for delay in network(from, datagram) {
            self.flying.push((self.now + delay, from, datagram.to_vec()));
        }
    }

    fn arrive(&mut self) {
        self.flying.sort_by_key(|flying| flying.0);
        while self.flying.first().is_some_and(|flying| flying.0 <= self.now) {
            let (_, from, mut datagram) = self.flying.remove(0);
            let to = if from == Role::Client { Role::Server } else { Role::Client };
            let now = self.now;
            let read: Vec<_> = self
                .side(to)
                .handle_datagram(now, &mut datagram)
                .map(|data| data.to_vec())
                .collect();
            match to {
                Role::Client => self.client_read.extend(read),
                Role::Server => self.server_read.extend(read),
            }
            self.look();
        }
    }

    /// Notes what has become true, and reads what came early.
    fn look(&mut self) {
        let elapsed = Some(self.now - self.start);
        if self.client.may_send() {
            self.client_may_send = self.client_may_send.or(elapsed);
        }
        if self.client.is_connected() {
            self.client_connected = self.client_connected.or(elapsed);
        }
        if self.server.is_connected() {
            self.server_connected = self.server_connected.or(elapsed);
        }
        while let Some(data) = self.client.take_early() {
            self.client_read.push(data);
        }
        while let Some(data) = self.server.take_early() {
            self.server_read.push(data);
        }
    }

    pub(crate) fn side(&mut self, role: Role) -> &mut Connection {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Sends application data both ways over a perfect network and sees it arrive.
    pub(crate) fn assert_data_flows(&mut self) {
        self.client_read.clear();
        self.server_read.clear();
        for role in [Role::Client, Role::Server] {
            let datagram = sealed(self.side(role), b"application data");
            self.send(role, &datagram, &mut perfect);
        }
        self.run(perfect);
        assert_eq!(self.client_read, [b"application data"]);
        assert_eq!(self.server_read, [b"application data"]);
    }
}

/// Hands over a datagram out of turn.
pub(crate) fn receive(pair: &mut Pair, to: Role, datagram: &[u8]) -> Vec<Vec<u8>> {
    let now = pair.now;
    let mut datagram = datagram.to_vec();
    pair.side(to).handle_datagram(now, &mut datagram).map(|data| data.to_vec()).collect()
}

/// A datagram with one record of application data.
pub(crate) fn sealed(connection: &mut Connection, plaintext: &[u8]) -> Vec<u8> {
    let mut buf = Vec::new();
    let record = connection.begin(&mut buf).expect("it may send");
    buf.extend_from_slice(plaintext);
    connection.seal(&mut buf, record).unwrap();
    assert_eq!(buf.len(), plaintext.len() + connection.record_overhead());
    buf
}

/// A record without protection.
pub(crate) fn plaintext(content_type: ContentType, sequence_number: u64, body: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let header = Header { content_type, version: DTLS_1_2, epoch: 0, sequence_number };
    header.write(&mut datagram, body.len() as u16);
    datagram.extend_from_slice(body);
    datagram
}

/// The messages of a datagram; protected records are in brackets.
pub(crate) fn describe(datagram: &[u8]) -> String {
    let mut datagram = datagram.to_vec();
    let mut rest = datagram.as_mut_slice();
    let mut names = Vec::new();
    while let Some(record) = v13::record::split(&mut rest, 0) {
        names.push(match record {
            Record::Plaintext(header, body) => match (header.epoch, header.content_type) {
                (0, ContentType::Handshake) => fragment_name(body),
                (0, kind) => format!("{kind:?}"),
                (_, kind) => format!("[{kind:?}]"),
            },
            Record::Addressed(_) => "[Tls12Cid]".to_owned(),
            Record::Ciphertext(record) => format!("[{}]", record.epoch_bits()),
        });
    }
    names.join(" ")
}

fn fragment_name(body: &[u8]) -> String {
    let mut reader = codec::Reader(body);
    let message::Fragment { header, .. } = message::Fragment::read(&mut reader).unwrap();
    let FragmentHeader { kind, length, offset, fragment_length, .. } = header;
    if length == fragment_length {
        format!("{kind:?}")
    } else {
        format!("{kind:?}({offset}..{} of {length})", offset + fragment_length)
    }
}

/// The body of a hello of DTLS 1.3 that is shorter than its answer: supported_versions,
/// supported_groups, signature_algorithms, and no key share at all.
pub(crate) fn short_hello() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&DTLS_1_2.to_be_bytes());
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 0, 2, 0x13, 0x01, 1, 0]);
    let extensions = [
        &[0, 43, 0, 3, 2, 0xfe, 0xfc][..],
        &[0, 10, 0, 4, 0, 2, 0, 29],
        &[0, 13, 0, 4, 0, 2, 4, 3],
        &[0, 51, 0, 2, 0, 0],
    ]
    .concat();
    body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    body.extend_from_slice(&extensions);
    body
}
