//! Nothing goes around the providers: each key exchange, signature, hash, derivation, seal and open
//! of handshakes, records and SRTP is counted, and none can be left out.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and needs some instant for virtual time to begin"
)]

mod counts;
mod handshake;
mod packets;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use peerless_dtls_srtp::dtls::{Config, Connection, Version};
use peerless_dtls_srtp::fingerprint::HashAlgorithm;
use peerless_dtls_srtp::srtp::{Context, MasterKey, Profile};
use peerless_dtls_srtp::{Certificate, CertificateParameters, Crypto};
use rustls::NamedGroup;

use crate::counts::{Counts, Work};
use crate::packets::CountingPackets;

fn counting(inner: &Crypto) -> (Crypto, &'static Counts) {
    let counts = Counts::leak();
    let handshake = Arc::new(handshake::counting(&inner.handshake, counts));
    let packets = Box::leak(Box::new(CountingPackets { inner: inner.packets, counts }));
    (Crypto { handshake, packets }, counts)
}

fn providers() -> Vec<Crypto> {
    vec![
        Crypto::default(),
        Crypto::deterministic(1),
        #[cfg(feature = "aws-lc-rs")]
        Crypto::aws_lc_rs(),
    ]
}

fn each_version() -> impl Iterator<Item = (Crypto, Version)> {
    let both = |crypto: Crypto| VERSIONS.map(|version| (crypto.clone(), version));
    providers().into_iter().flat_map(both)
}

/// Client and server, of which one's cryptography is counted.
struct Pair {
    sides: [Connection; 2],
    counts: &'static Counts,
    now: Instant,
}

const VERSIONS: [Version; 2] = [Version::Dtls12, Version::Dtls13];
const CLIENT: usize = 0;
const SERVER: usize = 1;

impl Pair {
    /// `counted` is the side whose cryptography is counted, and refuses `refused` once the
    /// certificates are made.
    fn new(
        inner: &Crypto,
        version: Version,
        counted: usize,
        refused: Option<Work>,
        adapt: impl Fn(Config) -> Config,
    ) -> Self {
        let (crypto, counts) = counting(inner);
        let cryptos = match counted {
            CLIENT => [crypto, inner.clone()],
            _ => [inner.clone(), crypto],
        };
        let certificates = cryptos.each_ref().map(|crypto| {
            let parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
            Certificate::generate(crypto, parameters).unwrap()
        });
        let [client, server] = [CLIENT, SERVER].map(|side| {
            let other = certificates[1 - side].fingerprint(HashAlgorithm::Sha256);
            let config = Config::new(certificates[side].clone(), cryptos[side].clone()).unwrap();
            let config = config.with_versions(version, version).unwrap();
            adapt(config.with_remote_fingerprints(vec![other]))
        });
        if let Some(work) = refused {
            counts.refuse(work);
        }
        let now = Instant::now();
        let sides =
            [Connection::client(client, now, [1; 32]), Connection::server(server, now, [2; 32])];
        Self { sides, counts, now }
    }

    /// Lets both talk for ten seconds.
    fn run(&mut self) {
        for _ in 0..100 {
            for from in [CLIENT, SERVER] {
                let mut buf = Vec::new();
                while self.sides[from].poll_transmit(self.now, &mut buf).is_some() {
                    drop(self.sides[1 - from].handle_datagram(self.now, &mut buf));
                    buf.clear();
                }
            }
            if self.is_connected() {
                return;
            }
            self.now += Duration::from_millis(100);
            self.sides.iter_mut().for_each(|side| side.handle_timeout(self.now));
        }
    }

    fn is_connected(&self) -> bool {
        self.sides.iter().all(Connection::is_connected)
    }
}

#[test]
fn a_handshake_does_each_thing_once_and_by_the_provider() {
    for (inner, version) in each_version() {
        for side in [CLIENT, SERVER] {
            let mut pair = Pair::new(&inner, version, side, None, |config| config);
            let made = pair.counts.of(Work::Signed);
            assert_eq!(made, 1, "the certificate signs itself");

            pair.run();

            assert!(pair.is_connected());
            let counts = pair.counts;
            assert_eq!(counts.of(Work::KeyExchangeStarted), 1);
            assert_eq!(counts.of(Work::KeyExchangeCompleted), 1);
            assert_eq!(counts.of(Work::Signed) - made, 1);
            assert_eq!(counts.of(Work::Verified), 1);
            assert!(counts.of(Work::Hashed) >= 1);
            assert!(counts.of(Work::Derived) >= 4, "secrets, keys, and both Finished");
        }
    }
}

#[test]
fn a_datagram_has_the_keys_of_a_finished_handshake_made_once() {
    for inner in providers() {
        let mut pair = Pair::new(&inner, Version::Dtls13, SERVER, None, |config| config);
        pair.run();
        assert!(pair.is_connected());
        // Records of epoch 2 that somebody has forged: two bytes of length, and a tag.
        let forged = [&[0x26, 0, 0, 16][..], &[7; 16]].concat();
        let [once, often] = [1, 73].map(|records: u64| {
            let work = |pair: &Pair| [Work::Derived, Work::Opened].map(|w| pair.counts.of(w));
            let before = work(&pair);
            let mut datagram = forged.repeat(records as usize);
            drop(pair.sides[SERVER].handle_datagram(pair.now, &mut datagram));
            let [derived, opened] = work(&pair);
            assert_eq!(opened - before[1], records);
            derived - before[0]
        });
        assert!(once > 0 && once == often, "{once} {often}");
    }
}

#[test]
fn every_record_is_sealed_and_opened_by_the_provider() {
    for (inner, version) in each_version() {
        let mut pair = Pair::new(&inner, version, CLIENT, None, |config| config);
        pair.run();
        let (sealed, opened) = (pair.counts.of(Work::Sealed), pair.counts.of(Work::Opened));
        for n in 1..=10 {
            for from in [CLIENT, SERVER] {
                let mut buf = Vec::new();
                let record = pair.sides[from].begin(&mut buf).unwrap();
                buf.extend_from_slice(b"data");
                pair.sides[from].seal(&mut buf, record).unwrap();
                let mut read = 0;
                for data in pair.sides[1 - from].handle_datagram(pair.now, &mut buf) {
                    assert_eq!(data, b"data");
                    read += 1;
                }
                assert_eq!(read, 1);
            }
            assert_eq!(pair.counts.of(Work::Sealed), sealed + n);
            assert_eq!(pair.counts.of(Work::Opened), opened + n);
        }
    }
}

#[test]
fn a_handshake_whose_provider_refuses_anything_fails() {
    let works = [
        Work::KeyExchangeStarted,
        Work::KeyExchangeCompleted,
        Work::Signed,
        Work::Verified,
        Work::Hashed,
        Work::Derived,
        Work::Sealed,
        Work::Opened,
    ];
    for (inner, version) in each_version() {
        for side in [CLIENT, SERVER] {
            for work in works {
                let mut pair = Pair::new(&inner, version, side, Some(work), |config| config);
                pair.run();
                assert!(!pair.is_connected(), "{version}: {work:?} was refused");
                assert!(pair.counts.of(work) > 0, "{work:?} was asked for");
            }
        }
    }
}

#[test]
fn every_group_is_the_providers() {
    for (inner, version) in each_version() {
        // In DTLS 1.2 the certificate's curve has to be among them.
        for group in [NamedGroup::X25519, NamedGroup::secp256r1] {
            let groups = [group, NamedGroup::secp256r1];
            let only = |config: Config| config.with_groups(&groups).unwrap();
            let mut pair = Pair::new(&inner, version, SERVER, None, only);
            pair.run();
            assert!(pair.is_connected());
            assert_eq!(pair.counts.of(Work::KeyExchangeCompleted), 1, "{group:?}");
        }
    }
}

#[test]
fn every_packet_of_srtp_is_sealed_and_opened_by_the_provider() {
    for inner in providers() {
        for profile in Profile::DEFAULT {
            let (crypto, counts) = counting(&inner);
            let key = MasterKey::new(&vec![1; profile.key_len()], &vec![2; profile.salt_len()]);
            let context = || Context::new(profile, &key, &crypto).unwrap();
            let (mut sender, mut receiver) = (context(), context());
            assert!(counts.of(Work::KeystreamApplied) > 0, "session keys are derived");

            for n in 1..=5 {
                let mut packet = vec![0x80, 96, 0, n, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3];
                let plain = packet.clone();
                sender.protect_rtp(&mut packet, 0).unwrap();
                assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
                assert_eq!(counts.of(Work::Sealed), u64::from(n));
                assert_eq!(counts.of(Work::Opened), u64::from(n));
            }
            let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
            sender.protect_rtcp(&mut packet, 0).unwrap();
            receiver.unprotect_rtcp(&mut packet).unwrap();
            assert_eq!(counts.of(Work::Sealed), 6);

            counts.refuse(Work::Opened);
            let mut packet = vec![0x80, 96, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3];
            sender.protect_rtp(&mut packet, 0).unwrap();
            assert!(receiver.unprotect_rtp(&mut packet).is_err());
        }
    }
}
