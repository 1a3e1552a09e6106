//! Nothing goes around the providers: each key exchange, signature, hash, derivation, seal, open and
//! mask of handshakes, records and SRTP is counted, and so is randomness; none can be left out.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and needs some instant for virtual time to begin"
)]

mod counts;
mod handshake;
mod packets;
mod srtp;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use peerless_dtls_srtp::certificate::{CertificateError, KeyAlgorithm};
use peerless_dtls_srtp::dtls::{CloseReason, Config, Connection, HandshakeError, Version};
use peerless_dtls_srtp::fingerprint::HashAlgorithm;
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
const KEY_ALGORITHMS: [KeyAlgorithm; 3] =
    [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519];
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

    /// Checks that each record of DTLS 1.3 had its number masked once, by the provider
    /// ([RFC 9147 §4.2.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.2.3)); those of DTLS
    /// 1.2 have no mask.
    fn check_masks(&self, version: Version) {
        let protected = self.counts.of(Work::Sealed) + self.counts.of(Work::Opened);
        let masked = if version == Version::Dtls13 { protected } else { 0 };
        assert_eq!(self.counts.of(Work::Masked), masked, "{version}");
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
            assert!(counts.of(Work::Sealed) >= 1 && counts.of(Work::Opened) >= 1);
            pair.check_masks(version);
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
        assert!(pair.is_connected());
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
            pair.check_masks(version);
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
        let masked = (version == Version::Dtls13).then_some(Work::Masked);
        for side in [CLIENT, SERVER] {
            for work in works.into_iter().chain(masked) {
                let mut pair = Pair::new(&inner, version, side, Some(work), |config| config);
                pair.run();
                assert!(!pair.is_connected(), "{version}: {work:?} was refused");
                assert!(pair.counts.of(work) > 0, "{work:?} was asked for");
            }
        }
    }
}

/// The groups that are used with a provider, each with whether it is the provider's own.
fn groups(inner: &Crypto, version: Version) -> impl Iterator<Item = (NamedGroup, bool)> {
    let own = |name| inner.handshake.kx_groups.iter().any(|group| group.name() == name);
    let used = [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
    // The hybrid is made of the provider's X25519 where it has none. DTLS 1.2 does not know it.
    let hybrid = (version == Version::Dtls13).then_some(NamedGroup::X25519MLKEM768);
    let used = used.into_iter().filter(move |name| own(*name)).chain(hybrid);
    used.map(move |name| (name, own(name)))
}

/// Keeps to one group; in DTLS 1.2 the certificate's curve has to be among them.
fn only(group: NamedGroup, version: Version) -> impl Fn(Config) -> Config {
    let names = match version {
        Version::Dtls12 => vec![group, NamedGroup::secp256r1],
        _ => vec![group],
    };
    move |config| config.with_groups(&names).unwrap()
}

#[test]
fn every_group_is_the_providers() {
    for (inner, version) in each_version() {
        for (group, own) in groups(&inner, version) {
            for side in [CLIENT, SERVER] {
                let mut pair = Pair::new(&inner, version, side, None, only(group, version));
                pair.run();
                assert!(pair.is_connected());
                assert!(pair.sides.iter().all(|side| side.group() == Some(group)), "{group:?}");
                assert_eq!(pair.counts.of(Work::KeyExchangeStarted), 1, "{group:?}");
                assert_eq!(pair.counts.of(Work::KeyExchangeCompleted), 1, "{group:?}");
                let seeds = if own { 0 } else { 1 };
                assert_eq!(pair.counts.of(Work::Randomness), 2 + seeds, "{group:?}");
            }
        }
        // The provider that repeats has no P-384, the others have all four.
        let count = groups(&inner, version).count();
        assert!(count >= if version == Version::Dtls13 { 3 } else { 2 });
    }
    assert_eq!(groups(&Crypto::default(), Version::Dtls13).count(), 4);
}

#[test]
fn a_group_that_is_refused_or_has_no_randomness_ends_the_handshake() {
    for (inner, version) in each_version() {
        for (group, own) in groups(&inner, version) {
            let randomness = (!own).then_some(Work::Randomness);
            let works = [Work::KeyExchangeStarted, Work::KeyExchangeCompleted];
            for work in works.into_iter().chain(randomness) {
                for side in [CLIENT, SERVER] {
                    let only = only(group, version);
                    let mut pair = Pair::new(&inner, version, side, Some(work), only);
                    pair.run();
                    assert!(!pair.is_connected(), "{version} {group:?}: {work:?} was refused");
                    // A server starts and completes at once, and takes the share for bad.
                    if side == CLIENT && work != Work::KeyExchangeCompleted {
                        let internal = CloseReason::Handshake(HandshakeError::Internal);
                        assert_eq!(pair.sides[side].close_reason(), Some(internal));
                    }
                }
            }
        }
    }
}

#[test]
fn a_certificate_is_made_of_the_providers_randomness() {
    for inner in providers() {
        for key_algorithm in KEY_ALGORITHMS {
            let (crypto, counts) = counting(&inner);
            let mut parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
            parameters.key_algorithm = key_algorithm;
            Certificate::generate(&crypto, parameters.clone()).unwrap();
            assert_eq!(counts.of(Work::Randomness), 2, "serial number and key");
            assert_eq!(counts.of(Work::Signed), 1);
            for work in [Work::Randomness, Work::Signed] {
                counts.refuse(work);
                let made = Certificate::generate(&crypto, parameters.clone());
                assert_eq!(made.unwrap_err(), CertificateError::Generation);
            }
        }
    }
}
