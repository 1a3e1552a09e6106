//! What those who forge DTLS can make us hold: by the counters of the heap, not by what the engines
//! say of themselves.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy.toml exempts only inside test functions"
)]

use std::time::{Duration, Instant};

use dtls_srtp::dtls::{Acceptor, Config, Version};
use dtls_srtp::{Certificate, CertificateParameters, Crypto, Fingerprint, HashAlgorithm};
use peerless_benches::allocator::{Allocated, Counting};
use peerless_benches::layers::dtls::{Peerless, PeerlessSide, Side as _, Stack as _};
use peerless_benches::measure::start;
use rustls::NamedGroup;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const VERSIONS: [Version; 2] = [Version::Dtls12, Version::Dtls13];

fn only(version: Version) -> impl Fn(Config) -> Config {
    move |config| config.with_versions(version, version).unwrap()
}

fn drained(side: &mut PeerlessSide, now: Instant) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    side.drain(now, &mut |datagram| datagrams.push(datagram.to_vec()));
    datagrams
}

/// A server's door, and hellos that nobody comes back for.
struct Door {
    acceptor: Acceptor,
    /// Hellos of each version, with a cookie of another address, and parts of hellos.
    hellos: Vec<Vec<u8>>,
    now: Instant,
}

impl Door {
    fn new() -> Self {
        let now = start();
        let date = std::time::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let crypto = Crypto::default();
        let certificate = Certificate::generate(&crypto, CertificateParameters::new(date)).unwrap();
        let config = Config::new(certificate, crypto).unwrap().with_any_remote_certificate();
        let mut acceptor = Acceptor::new(config, now, [3; 32]);
        let mut hellos = Vec::new();
        let x25519 = |config: Config| config.with_groups(&[NamedGroup::X25519]).unwrap();
        let stacks = [
            Peerless::new(only(Version::Dtls12)),
            Peerless::new(only(Version::Dtls13)),
            Peerless::new(|config| x25519(only(Version::Dtls13)(config))),
        ];
        for stack in stacks {
            let [mut client, _] = stack.pair(now);
            let first = drained(&mut client, now);
            let mut answer = Vec::new();
            for datagram in &first {
                let made =
                    acceptor.handle_datagram(now, b"home", &mut datagram.clone(), &mut answer);
                assert!(made.is_none());
            }
            client.handle_datagram(now, &mut answer);
            let with_cookie = drained(&mut client, now);
            assert!(!with_cookie.is_empty(), "the answer was a cookie");
            hellos.extend(first);
            hellos.extend(with_cookie);
        }
        assert!(acceptor.stats().cookies_sent == 3 && hellos.len() == 8, "a hello in two parts");
        Self { acceptor, hellos, now }
    }

    /// So many rounds of all of them, each from an address of its own; each round takes ten
    /// milliseconds.
    fn knock(&mut self, rounds: std::ops::Range<u32>) {
        let (mut datagram, mut answer) = (Vec::with_capacity(2000), Vec::with_capacity(2000));
        for round in rounds {
            self.now += Duration::from_millis(10);
            for (number, hello) in self.hellos.iter().enumerate() {
                datagram.clear();
                datagram.extend_from_slice(hello);
                let address = (u64::from(round) << 8 | number as u64).to_be_bytes();
                let made =
                    self.acceptor.handle_datagram(self.now, &address, &mut datagram, &mut answer);
                assert!(made.is_none(), "a stranger came in");
                assert!(answer.len() <= hello.len());
                answer.clear();
            }
        }
    }
}

#[test]
fn forged_hellos_leave_no_byte_with_an_acceptor() {
    let before = Allocated::now();
    let mut door = Door::new();
    door.knock(0..1_000);
    let (held, stats) = (before.since().live_bytes, door.acceptor.stats());
    door.knock(1_000..26_000);
    let (later, sum) = (before.since().live_bytes, door.acceptor.stats());
    println!("{held} bytes after 8 000 hellos, {later} after 208 000: {sum:?}");
    assert!(sum.cookies_sent - stats.cookies_sent >= 3 * 25_000, "{sum:?}");
    assert!(sum.forgotten - stats.forgotten >= 25_000, "{sum:?}");
    assert_eq!(later, held, "it grows");
    // What stands in the door is bounded, and goes when its time is over.
    assert!(held < 512 << 10, "{held}");
    drop(door);
}

/// What somebody on the way does to a datagram: gives what arrives in its place.
type Attack = fn(&[u8]) -> Vec<Vec<u8>>;

/// Each is what makes no difference in the end: the datagram itself arrives too.
const ATTACKS: [(&str, Attack); 5] = [
    ("forged", |datagram| {
        // A bit of each 17th byte; of the rest nothing is changed.
        let forged = (0..datagram.len()).step_by(17).map(|at| {
            let mut copy = datagram.to_vec();
            copy[at] ^= 0x40;
            copy
        });
        // The true one goes first: in the clear, the first that comes counts.
        std::iter::once(datagram.to_vec()).chain(forged).collect()
    }),
    ("truncated", |datagram| {
        let cut = (0..datagram.len()).step_by(13).map(|len| datagram[..len].to_vec());
        std::iter::once(datagram.to_vec()).chain(cut).collect()
    }),
    ("repeated", |datagram| vec![datagram.to_vec(); 5]),
    ("made up", |datagram| {
        // Records of keys that are not there yet, and a message that says to be long.
        let later = [&[0x2f, 0, 9, 1, 0][..], &[7; 256]].concat();
        let sealed = [&[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 1, 0][..], &[7; 256]].concat();
        let fragment = [20, 0, 60, 0, 0, 5, 0, 0, 0, 0, 0, 1, 9];
        let long = [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 77, 0, 13][..], &fragment].concat();
        vec![later, sealed, long, datagram.to_vec()]
    }),
    ("with noise behind", |datagram| {
        vec![[datagram, &[0xff; 64]].concat(), vec![0xff; 64], Vec::new()]
    }),
];

/// A handshake under attack, for as long as anything is said, and a minute of retransmissions.
fn attacked(stack: &Peerless, attack: Attack) -> [PeerlessSide; 2] {
    let mut now = start();
    let mut sides = stack.pair(now);
    for _ in 0..200 {
        for from in [0, 1] {
            for datagram in drained(&mut sides[from], now) {
                for mut arrived in attack(&datagram) {
                    sides[1 - from].handle_datagram(now, &mut arrived);
                }
            }
        }
        let timeouts = sides.iter_mut().filter_map(|side| side.poll_timeout());
        let Some(next) = timeouts.min() else { break };
        now = next.max(now);
        sides.iter_mut().for_each(|side| side.handle_timeout(now));
    }
    sides
}

/// What is alive after `work`, whose result is gone; the first time is for what is made once.
fn left_behind<T>(mut work: impl FnMut() -> T) -> i64 {
    drop(work());
    let before = Allocated::now();
    drop(work());
    before.since().live_bytes
}

#[test]
fn an_attacked_handshake_leaves_no_byte() {
    for version in VERSIONS {
        let stack = Peerless::new(only(version));
        for (name, attack) in ATTACKS {
            let sides = attacked(&stack, attack);
            let connected = sides.each_ref().map(|side| side.is_connected());
            assert_eq!(connected, [true; 2], "{version}, {name}");
            drop(sides);
            assert_eq!(left_behind(|| attacked(&stack, attack)), 0, "{version}, {name}");
        }
    }
}

#[test]
fn a_handshake_that_fails_or_stops_leaves_no_byte() {
    for version in VERSIONS {
        let strangers = Peerless::new(|config| {
            let other = Fingerprint::of(HashAlgorithm::Sha256, b"another certificate");
            only(version)(config.with_remote_fingerprints(vec![other]))
        });
        let sides = attacked(&strangers, |datagram| vec![datagram.to_vec()]);
        assert!(sides.iter().all(|side| side.connection.close_reason().is_some()));
        drop(sides);
        let left = left_behind(|| attacked(&strangers, |datagram| vec![datagram.to_vec()]));
        assert_eq!(left, 0, "{version}, a wrong fingerprint");

        // It stops after so many datagrams, or half of the last.
        let stack = Peerless::new(only(version));
        for stop in 0..12 {
            let stopped = || {
                let now = start();
                let mut sides = stack.pair(now);
                let mut count = 0;
                for _ in 0..10 {
                    for from in [0, 1] {
                        for mut datagram in drained(&mut sides[from], now) {
                            count += 1;
                            let len = datagram.len();
                            let arrives = match count {
                                n if n < stop => &mut datagram[..],
                                n if n == stop => &mut datagram[..len / 2],
                                _ => continue,
                            };
                            sides[1 - from].handle_datagram(now, arrives);
                        }
                    }
                }
                sides
            };
            assert_eq!(left_behind(stopped), 0, "{version}, stopped at {stop}");
        }
    }
}
