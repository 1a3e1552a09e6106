//! Random networks: whatever they do, both sides end on one pair.

use peerless_ice::ConnectionState::Completed;
use peerless_ice::{Config, Role};
use rand::RngExt;

use crate::network::{Link, Nat, NatKind, Network, STUN_SERVER, address, ms, seeds};

const A: [&str; 4] = ["192.0.2.1:1", "[2001:db8:a::1]:1", "192.0.2.2:1", "[2001:db8:a::2]:1"];
const Z: [&str; 4] = ["198.51.100.1:2", "[2001:db8:b::1]:2", "198.51.100.2:2", "[2001:db8:b::2]:2"];

fn random_network(seed: u64) -> Network {
    let mut network = Network::new(seed);
    let roles = [Role::Controlling, Role::Controlled];
    let [a, z] = if network.rng.random_ratio(1, 4) {
        [roles[usize::from(network.rng.random::<bool>())]; 2]
    } else {
        roles
    };
    let config = || Config { stun_servers: vec![address(STUN_SERVER)], ..Config::default() };
    // An IPv4 address each makes sure that they can meet.
    let (some_a, some_z) = (network.rng.random_range(1..=4), network.rng.random_range(1..=4));
    network.add_host(config(), a, &A[..some_a]);
    network.add_host(config(), z, &Z[..some_z]);
    let nat = network.rng.random_range(0..5);
    if nat == 1 || nat == 3 {
        network.hosts[0].nat = Some(Nat::new(NatKind::PortRestricted, "203.0.113.1"));
    }
    if nat == 2 || nat == 3 {
        network.hosts[1].nat = Some(Nat::new(NatKind::PortRestricted, "203.0.113.2"));
    }
    if nat == 4 {
        network.hosts[0].nat = Some(Nat::new(NatKind::Symmetric, "203.0.113.1"));
    }
    for host in [0, 1] {
        // Some of the other side cannot be reached, but the first address.
        for target in if host == 0 { &Z[1..] } else { &A[1..] } {
            if network.rng.random_ratio(1, 3) {
                network.hosts[host].unreachable.push(address(target));
            }
        }
        network.hosts[host].hides_addresses =
            network.hosts[1 - host].nat.is_none() && network.rng.random_ratio(1, 4);
    }
    // Somebody must say where it is.
    if network.hosts[0].hides_addresses {
        network.hosts[1].hides_addresses = false;
    }
    network.link = Link {
        delay: ms(network.rng.random_range(1..150)),
        jitter: ms(network.rng.random_range(0..60)),
        loss: network.rng.random_range(0..50),
        duplication: network.rng.random_range(0..50),
    };
    network.signalling = ms(network.rng.random_range(0..500));
    network
}

#[test]
fn both_sides_select_the_same_pair() {
    let mut times = Vec::new();
    for seed in 0..seeds() * 10 {
        let mut network = random_network(seed);
        network.start();
        assert!(
            network.run_until(ms(20_000), |network| network.both(Completed)),
            "seed {seed}: {:?} {:?}",
            network.hosts[0].agent,
            network.hosts[1].agent
        );
        times.push(network.elapsed());
        network.run_for(ms(3000));
        let [a, z] = [0, 1].map(|host| {
            let host = &network.hosts[host];
            let pair = host.agent.selected_pair(host.component()).unwrap();
            (pair.mapped_address.unwrap(), pair.path.remote)
        });
        assert_eq!((a.0, a.1), (z.1, z.0), "seed {seed}");
        assert!(network.both(Completed), "seed {seed}");
        assert_ne!(network.hosts[0].agent.role(), network.hosts[1].agent.role(), "seed {seed}");
    }
    times.sort();
    println!("median {:?}, worst {:?}", times[times.len() / 2], times[times.len() - 1]);
}

/// The figure of the crate's documentation: how soon data can flow both ways.
#[test]
fn loss_costs_little() {
    let mut times = Vec::new();
    for seed in 0..seeds() * 10 {
        let mut network = Network::pair(seed);
        network.link = Link { delay: ms(50), loss: 50, ..Link::default() };
        network.signalling = ms(0);
        network.start();
        assert!(network.run_until(ms(20_000), |network| {
            network.hosts.iter().all(|host| host.agent.send_path(host.component()).is_some())
        }));
        times.push(network.elapsed());
    }
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100];
    println!("median {:?}, 95 % {:?}, worst {:?}", at(50), at(95), times[times.len() - 1]);
    assert_eq!(at(50), ms(100));
    assert!(at(95) <= ms(400), "{:?}", at(95));
}
