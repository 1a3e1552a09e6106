//! Handshakes with dimpl, another implementation of DTLS in Rust, in both roles and versions: keys
//! compared, data both ways, in virtual time and with datagrams lost.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters};
use peerless_dtls_srtp::crypto::Crypto;
use peerless_dtls_srtp::dtls::{Config, Connection, Role};
use peerless_dtls_srtp::fingerprint::{Fingerprint, HashAlgorithm};
use peerless_dtls_srtp::srtp::SessionKeys;
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

const THEIR_CERTIFICATE: &[u8] = include_bytes!("certificates/p256-v3.der");
const THEIR_KEY: &[u8] = include_bytes!("certificates/p256.pk8");

/// One way.
const DELAY: Duration = Duration::from_millis(50);

/// How long a handshake may take, in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What dimpl is told to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Theirs {
    Dtls12,
    Dtls13,
    /// What the other side speaks.
    Auto,
}

/// What dimpl has reported.
#[derive(Default)]
struct Reported {
    connected: bool,
    keys: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    data: Vec<Vec<u8>>,
}

struct Pair {
    now: Instant,
    ours: Connection,
    theirs: dimpl::Dtls,
    reported: Reported,
    to_us: VecDeque<(Instant, Vec<u8>)>,
    to_them: VecDeque<(Instant, Vec<u8>)>,
    their_timeout: Option<Instant>,
    read: Vec<Vec<u8>>,
    rng: ChaCha20Rng,
    loss_percent: u32,
}

impl Pair {
    fn new(role: Role, theirs: Theirs, seed: u64, loss_percent: u32) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
        let now = Instant::now();
        let crypto = Crypto::default();
        let parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
        let certificate = Certificate::generate(&crypto, parameters).unwrap();
        let fingerprint = Fingerprint::of(HashAlgorithm::Sha256, THEIR_CERTIFICATE);
        let config =
            Config::new(certificate, crypto).unwrap().with_remote_fingerprints(vec![fingerprint]);
        // As a 1.2 server dimpl 0.9 does not put together fragments that were cut anew, as ours are
        // when they go unanswered ("DTLS implementations MUST be able to handle overlapping
        // fragment ranges", RFC 6347 §4.2.3): they are small from the start.
        let config = if loss_percent > 0 { config.with_mtu(548) } else { config };
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let ours = match role {
            Role::Client => Connection::client(config, now, rng.random()),
            Role::Server => Connection::server(config, now, rng.random()),
        };

        let config = dimpl::Config::builder()
            .with_crypto_provider(dimpl::crypto::rust_crypto::default_provider())
            .dangerously_set_rng_seed(seed)
            .handshake_timeout(PATIENCE)
            .flight_retries(40)
            .build()
            .unwrap();
        let certificate = dimpl::DtlsCertificate {
            certificate: THEIR_CERTIFICATE.to_vec(),
            private_key: THEIR_KEY.to_vec(),
        };
        let config = Arc::new(config);
        let mut theirs = match theirs {
            Theirs::Dtls12 => dimpl::Dtls::new_12(config, certificate, now),
            Theirs::Dtls13 => dimpl::Dtls::new_13(config, certificate, now),
            Theirs::Auto => dimpl::Dtls::new_auto(config, certificate, now),
        };
        theirs.set_active(role == Role::Server);
        theirs.handle_timeout(now).unwrap();
        Self {
            now,
            ours,
            theirs,
            reported: Reported::default(),
            to_us: VecDeque::new(),
            to_them: VecDeque::new(),
            their_timeout: None,
            read: Vec::new(),
            rng,
            loss_percent,
        }
    }

    fn drive_until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now + PATIENCE;
        loop {
            self.drain();
            if done(self) {
                return;
            }
            let times = [
                self.to_us.front().map(|datagram| datagram.0),
                self.to_them.front().map(|datagram| datagram.0),
                self.ours.poll_timeout(),
                self.their_timeout,
            ];
            let next = times.into_iter().flatten().min();
            self.now = next.unwrap_or(end).max(self.now + Duration::from_micros(1));
            assert!(self.now < end, "{what} did not happen: {:?}", self.ours);
            self.deliver();
        }
    }

    /// Sends what both have to send.
    fn drain(&mut self) {
        let mut buf = Vec::new();
        while self.ours.poll_transmit(self.now, &mut buf).is_some() {
            if !self.rng.random_ratio(self.loss_percent, 100) {
                self.to_them.push_back((self.now + DELAY, buf.clone()));
            }
            buf.clear();
        }
        let mut buf = vec![0; 4096];
        loop {
            match self.theirs.poll_output(&mut buf) {
                dimpl::Output::Packet(packet) => {
                    let lost = self.rng.random_ratio(self.loss_percent, 100);
                    let datagram = (!lost).then(|| (self.now + DELAY, packet.to_vec()));
                    self.to_us.extend(datagram);
                }
                dimpl::Output::Timeout(at) => {
                    self.their_timeout = Some(at);
                    return;
                }
                dimpl::Output::Connected => self.reported.connected = true,
                dimpl::Output::PeerCert(der) => self.reported.certificate = Some(der.to_vec()),
                dimpl::Output::KeyingMaterial(keys, _profile) => {
                    self.reported.keys = Some(keys.to_vec());
                }
                dimpl::Output::ApplicationData(data) => self.reported.data.push(data.to_vec()),
                _ => (),
            }
        }
    }

    /// Hands on what has arrived, and tells the time.
    fn deliver(&mut self) {
        while self.to_us.front().is_some_and(|datagram| datagram.0 <= self.now) {
            let (_, mut datagram) = self.to_us.pop_front().unwrap();
            for data in self.ours.handle_datagram(self.now, &mut datagram) {
                self.read.push(data.to_vec());
            }
        }
        while self.to_them.front().is_some_and(|datagram| datagram.0 <= self.now) {
            let (_, datagram) = self.to_them.pop_front().unwrap();
            self.theirs.handle_packet(&datagram).unwrap();
        }
        self.ours.handle_timeout(self.now);
        while let Some(data) = self.ours.take_early() {
            self.read.push(data);
        }
        if self.their_timeout.is_some_and(|at| at <= self.now) {
            self.theirs.handle_timeout(self.now).unwrap();
        }
    }

    fn say(&mut self, text: &[u8]) {
        let mut datagram = Vec::new();
        let record = self.ours.begin(&mut datagram).unwrap();
        datagram.extend_from_slice(text);
        self.ours.seal(&mut datagram, record).unwrap();
        self.to_them.push_back((self.now + DELAY, datagram));
    }
}

/// A handshake, and a word each way on a path that loses nothing more.
fn talk(role: Role, theirs: Theirs, seed: u64, loss_percent: u32) -> Pair {
    let mut pair = Pair::new(role, theirs, seed, loss_percent);
    pair.drive_until("the handshake", |pair| {
        pair.ours.is_connected() && pair.reported.connected && pair.reported.keys.is_some()
    });
    let keys = pair.reported.keys.take().unwrap();
    let exported = pair.ours.export_keying_material(SessionKeys::EXPORTER_LABEL, None, keys.len());
    assert_eq!(exported.unwrap()[..], keys[..], "{role:?}, {theirs:?}, seed {seed}");
    assert!(pair.reported.certificate.is_some());

    pair.loss_percent = 0;
    pair.say(b"from peerless");
    pair.theirs.send_application_data(b"from dimpl").unwrap();
    pair.drive_until("data", |pair| !pair.read.is_empty() && !pair.reported.data.is_empty());
    assert_eq!(pair.read, [b"from dimpl"]);
    assert_eq!(pair.reported.data, [b"from peerless"]);
    pair
}

fn seeds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "tests are told how long to run")]
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

#[test]
fn dimpl_is_our_client_and_our_server_in_1_2() {
    for role in [Role::Client, Role::Server] {
        let pair = talk(role, Theirs::Dtls12, 1, 0);
        assert_eq!(pair.ours.version().unwrap().to_string(), "DTLS 1.2");
    }
}

#[test]
fn dimpl_is_our_client_and_our_server_in_1_3() {
    for role in [Role::Client, Role::Server] {
        let pair = talk(role, Theirs::Dtls13, 1, 0);
        assert_eq!(pair.ours.version().unwrap().to_string(), "DTLS 1.3");
    }
}

#[test]
fn a_dimpl_that_speaks_both_is_met_in_1_3() {
    for role in [Role::Client, Role::Server] {
        let pair = talk(role, Theirs::Auto, 1, 0);
        assert_eq!(pair.ours.version().unwrap().to_string(), "DTLS 1.3");
    }
}

#[test]
fn a_tenth_of_all_datagrams_may_be_lost() {
    for seed in 0..seeds() {
        for role in [Role::Client, Role::Server] {
            for theirs in [Theirs::Dtls12, Theirs::Dtls13] {
                let _pair = talk(role, theirs, seed, 10);
            }
        }
    }
}
