use rand::SeedableRng;

use super::*;

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
fn start() -> Instant {
    Instant::now()
}

const OUTSIDE: &str = "203.0.113.1";
const HOST: &str = "10.0.0.1:5000";

/// Two servers, the first with two ports.
const SERVERS: [&str; 3] = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"];

struct Bench {
    now: Instant,
    nat: NatState,
    rng: ChaCha20Rng,
}

impl Bench {
    fn new(nat: Nat) -> Self {
        let now = start();
        let nat = NatState::new(nat, Realm::INTERNET, now);
        Self { now, nat, rng: ChaCha20Rng::seed_from_u64(1) }
    }

    /// Sends from inside; gives the source that the outside sees.
    fn out(&mut self, inside: &str, remote: &str) -> Option<SocketAddr> {
        let mut packet = packet(inside.parse().unwrap(), remote.parse().unwrap());
        self.nat.outbound(self.now, &mut packet, &mut self.rng).then_some(packet.source)
    }

    /// Sends from outside; gives the inner endpoint that receives it.
    fn back(&mut self, remote: &str, outside: SocketAddr) -> Option<SocketAddr> {
        let mut packet = packet(remote.parse().unwrap(), outside);
        self.nat.inbound(self.now, &mut packet).then_some(packet.destination)
    }
}

fn packet(source: SocketAddr, destination: SocketAddr) -> Packet {
    Packet { source, destination, ecn: None, contents: Vec::new() }
}

fn outside() -> IpAddr {
    OUTSIDE.parse().unwrap()
}

#[test]
fn every_kind_maps_and_filters_as_rfc_4787_says() {
    use Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};

    // Which of the three servers see the mapping of the first; and which of them come in after
    // only the first was sent to.
    let kinds = [
        (EndpointIndependent, [true, true, true]),
        (AddressDependent, [true, true, false]),
        (AddressAndPortDependent, [true, false, false]),
    ];
    for (mapping, same_port) in kinds {
        for (filtering, comes_in) in kinds {
            let mut bench = Bench::new(Nat::new(outside(), mapping, filtering));
            let first = bench.out(HOST, SERVERS[0]).unwrap();
            for (server, expected) in SERVERS.iter().zip(comes_in) {
                let arrived = bench.back(server, first);
                assert_eq!(arrived.is_some(), expected, "{filtering:?} {server}");
                assert!(arrived.is_none_or(|arrived| arrived == HOST.parse().unwrap()));
            }
            for (server, expected) in SERVERS.iter().zip(same_port) {
                let source = bench.out(HOST, server).unwrap();
                assert_eq!(source == first, expected, "{mapping:?} {server}");
            }
        }
    }
}

#[test]
fn ports_are_preserved_while_they_are_free() {
    let mut bench = Bench::new(Nat::port_restricted(outside()));
    assert_eq!(bench.out(HOST, SERVERS[0]).unwrap().port(), 5000);
    let other = bench.out("10.0.0.2:5000", SERVERS[0]).unwrap().port();
    assert_ne!(other, 5000);

    let mut bench = Bench::new(Nat::symmetric(outside()));
    assert_ne!(bench.out(HOST, SERVERS[0]).unwrap().port(), 5000);
}

#[test]
fn nobody_comes_in_without_a_mapping() {
    let mut bench = Bench::new(Nat::full_cone(outside()));
    assert_eq!(bench.back(SERVERS[0], SocketAddr::new(outside(), 5000)), None);
    let mapped = bench.out(HOST, SERVERS[0]).unwrap();
    assert!(bench.back(SERVERS[2], mapped).is_some());
    bench.nat.forget();
    assert_eq!(bench.back(SERVERS[2], mapped), None);
}

#[test]
fn a_mapping_lives_from_the_last_datagram_out() {
    let mut bench = Bench::new(Nat::full_cone(outside()));
    let mapped = bench.out(HOST, SERVERS[0]).unwrap();
    bench.now += Duration::from_secs(100);
    assert_eq!(bench.out(HOST, SERVERS[0]), Some(mapped));
    bench.now += Duration::from_secs(119);
    assert!(bench.back(SERVERS[0], mapped).is_some());
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.back(SERVERS[0], mapped), None, "a datagram in does not refresh it");
}

#[test]
fn an_expired_mapping_gives_its_port_up_and_its_permissions() {
    let mut bench = Bench::new(Nat::port_restricted(outside()));
    let mapped = bench.out(HOST, SERVERS[0]).unwrap();
    bench.now += Duration::from_secs(120);
    assert_eq!(bench.out("10.0.0.2:5000", SERVERS[1]), Some(mapped));
    assert_eq!(bench.back(SERVERS[0], mapped), None);
    assert_eq!(bench.back(SERVERS[1], mapped), Some("10.0.0.2:5000".parse().unwrap()));
    assert_eq!(bench.nat.mappings.len(), 1);
}

#[test]
fn all_ports_taken_refuses() {
    let ports = 40_000..=40_063;
    let mut bench = Bench::new(Nat { ports, ..Nat::symmetric(outside()) });
    for port in 1..=64 {
        let source = bench.out(HOST, &format!("192.0.2.1:{port}")).unwrap();
        assert!((40_000..=40_063).contains(&source.port()));
    }
    assert_eq!(bench.out(HOST, "192.0.2.1:65"), None);
    assert_eq!(bench.nat.ports.len(), 64);
    bench.now += Duration::from_secs(120);
    assert!(bench.out(HOST, "192.0.2.1:65").is_some(), "the old ones have expired");
}

#[test]
fn the_other_family_does_not_pass() {
    let mut bench = Bench::new(Nat::full_cone(outside()));
    assert_eq!(bench.out("[2001:db8::1]:5000", "[2001:db8::2]:1"), None);
}
