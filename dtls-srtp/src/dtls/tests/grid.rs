//! Every kind of handshake over paths that lose, duplicate and reorder.

use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use rustls::NamedGroup;

use super::super::*;
use super::pair::*;
use crate::crypto::Crypto;

const MTUS: [usize; 3] = [200, 576, 1200];
const CERTIFICATES: [&str; 5] = ["p256-v1", "p384", "ed25519", "rsa-2048", "rsa-4096"];
const GROUPS: [NamedGroup; 4] =
    [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];

/// Which versions each side speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Versions {
    Both12,
    /// The default of both.
    Both13,
    OldClient,
    OldServer,
}

impl Versions {
    const ALL: [Self; 4] = [Self::Both12, Self::Both13, Self::OldClient, Self::OldServer];

    /// The oldest and the newest of the client, and of the server.
    fn ranges(self) -> [(Version, Version); 2] {
        let (old, new) = ((Version::Dtls12, Version::Dtls12), (Version::Dtls12, Version::Dtls13));
        match self {
            Self::Both12 => [old, old],
            Self::Both13 => [new, new],
            Self::OldClient => [old, new],
            Self::OldServer => [new, old],
        }
    }

    fn agreed(self) -> Version {
        if self == Self::Both13 { Version::Dtls13 } else { Version::Dtls12 }
    }
}

/// The versions and the group that a handshake ends in. What else it is comes from its seed.
#[derive(Clone, Copy, Debug)]
struct Cell {
    versions: Versions,
    group: NamedGroup,
}

impl Cell {
    fn all() -> impl Iterator<Item = Self> {
        let cells = Versions::ALL
            .into_iter()
            .flat_map(|versions| GROUPS.into_iter().map(move |group| Self { versions, group }));
        // DTLS 1.2 has no hybrid.
        cells.filter(|Self { versions, group }| {
            versions.agreed() == Version::Dtls13 || *group != NamedGroup::X25519MLKEM768
        })
    }
}

/// What a seed makes of a handshake.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Draw {
    client_certificate: &'static str,
    server_certificate: &'static str,
    mtu: usize,
    /// Whether the client wants another group more, so that the server of DTLS 1.3 has to ask for
    /// a share.
    other_first: bool,
    cookies: bool,
}

impl Draw {
    const COUNT: u64 = 5 * 5 * 3 * 2 * 2;

    /// Each of the combinations in one of `COUNT` seeds in a row, far from its neighbours.
    fn new(seed: u64) -> Self {
        let mut rest = seed * 77 % Self::COUNT;
        let mut draw = |count: usize| {
            let drawn = rest % count as u64;
            rest /= count as u64;
            drawn as usize
        };
        Self {
            client_certificate: CERTIFICATES[draw(5)],
            server_certificate: CERTIFICATES[draw(5)],
            mtu: MTUS[draw(3)],
            other_first: draw(2) == 1,
            cookies: draw(2) == 1,
        }
    }

    fn configs(self, cell: Cell) -> (Config, Config) {
        let [client, server] = cell.versions.ranges();
        let config = |certificate, (min, max), groups: &[NamedGroup]| {
            let certificate = recorded_certificate(certificate);
            let config = Config::new(certificate, Crypto::default()).unwrap();
            let config = config.with_versions(min, max).unwrap();
            config.with_groups(groups).unwrap().with_mtu(self.mtu)
        };
        let mut groups = GROUPS.to_vec();
        groups.retain(|group| *group != cell.group);
        groups.insert(if self.other_first { groups.len() } else { 0 }, cell.group);
        let client = config(self.client_certificate, client, &groups);
        let server = config(self.server_certificate, server, &[cell.group]);
        acquainted((client, if self.cookies { server.with_cookies() } else { server }))
    }
}

/// One handshake, to whatever end it comes.
fn run(cell: Cell, seed: u64, loss: f64) -> Pair {
    let mut pair = Pair::new(Draw::new(seed).configs(cell));
    pair.client.set_round_trip_time(2 * DELAY);
    pair.server.set_round_trip_time(2 * DELAY);
    pair.run(lossy(seed, loss));
    pair
}

/// What has to be seen of a handshake that went wrong.
fn describe_failure(pair: &Pair, cell: Cell, seed: u64, loss: f64) -> String {
    let reasons = [pair.client.close_reason(), pair.server.close_reason()];
    let draw = Draw::new(seed);
    format!("{cell:?}, seed {seed}, loss {loss}, {draw:?}: {reasons:?}\n{:#?}", pair.chart)
}

#[test]
fn the_seeds_draw_every_combination() {
    let drawn: std::collections::HashSet<_> = (0..Draw::COUNT).map(Draw::new).collect();
    assert_eq!(drawn.len() as u64, Draw::COUNT);
}

#[test]
fn no_handshake_fails_whatever_is_lost_duplicated_and_reordered() {
    for cell in Cell::all() {
        for loss in [0.0, 0.1, 0.3] {
            let one = |seed| {
                let mut pair = run(cell, seed, loss);
                let connected = pair.client_connected.zip(pair.server_connected);
                let Some((client, server)) = connected.filter(|_| pair.is_connected()) else {
                    panic!("{}", describe_failure(&pair, cell, seed, loss));
                };
                for side in [&pair.client, &pair.server] {
                    assert_eq!(side.version(), Some(cell.versions.agreed()));
                    assert_eq!(side.group(), Some(cell.group));
                }
                pair.assert_data_flows();
                client.max(server)
            };
            let mut times: Vec<_> = (0..seeds()).map(one).collect();
            times.sort();
            let at = |percent: usize| times[(times.len() - 1) * percent / 100];
            println!("{cell:?}, loss {loss}: median {:?}, p95 {:?}", at(50), at(95));
        }
    }
}

#[test]
fn at_half_of_all_datagrams_lost_a_handshake_completes_or_says_that_it_timed_out() {
    for cell in Cell::all() {
        let mut failed = 0;
        for seed in 0..seeds() {
            let pair = run(cell, seed, 0.5);
            failed += u64::from(!pair.is_connected());
            for side in [&pair.client, &pair.server] {
                let reason = side.close_reason();
                assert!(
                    side.is_connected() || reason == Some(CloseReason::TimedOut) || {
                        // A server that no hello ever reached has nothing to give up.
                        side.role() == Role::Server && reason.is_none()
                    },
                    "{}",
                    describe_failure(&pair, cell, seed, 0.5)
                );
            }
        }
        println!("{cell:?}: {failed} of {} timed out", seeds());
    }
}

/// The time of one handshake over a path of 100 ms that does nothing but lose datagrams of 1200
/// bytes.
fn plain_handshake(versions: Versions, groups: &[NamedGroup], seed: u64, loss: f64) -> Duration {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let [client, server] = versions
        .ranges()
        .map(|(min, max)| super::pair::versions(min, max).with_groups(groups).unwrap());
    let mut pair = Pair::new(acquainted((client, server)));
    pair.client.set_round_trip_time(2 * DELAY);
    pair.server.set_round_trip_time(2 * DELAY);
    pair.run(|_, _| if rng.random_bool(loss) { vec![] } else { vec![DELAY] });
    let connected = pair.client_connected.zip(pair.server_connected);
    let (client, server) = connected.unwrap_or_else(|| {
        panic!("{versions:?}, {groups:?}, seed {seed}, loss {loss}: {:#?}", pair.chart);
    });
    client.max(server)
}

#[test]
fn a_lost_datagram_costs_little_time() {
    for (versions, groups) in [
        (Versions::Both12, &GROUPS[..]),
        (Versions::Both13, &GROUPS),
        // Its flights fit a datagram.
        (Versions::Both13, &[NamedGroup::X25519]),
    ] {
        for (loss, bound) in [(0.1, 500), (0.3, 1_500)] {
            // The percentile of a few would be one unlucky handshake.
            let count = seeds().max(300);
            let mut times: Vec<_> =
                (0..count).map(|seed| plain_handshake(versions, groups, seed, loss)).collect();
            times.sort();
            let at = |percent: usize| times[(times.len() - 1) * percent / 100];
            println!("{versions:?}, {groups:?}, {loss}: median {:?}, p95 {:?}", at(50), at(95));
            if versions == Versions::Both13 {
                assert!(at(95) <= Duration::from_millis(bound), "{versions:?} {loss}");
            }
        }
    }
}
