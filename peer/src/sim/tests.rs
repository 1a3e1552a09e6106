use std::time::Duration;

use stun::{Binding, BindingConfig, BindingEvent, Datagram};

use super::*;

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
fn start() -> Instant {
    Instant::now()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn udp(local: &str, remote: &str) -> FiveTuple {
    FiveTuple::udp(local.parse().unwrap(), remote.parse().unwrap())
}

const MS: Duration = Duration::from_millis(1);

/// A host per address, all of them in one realm, with links of 10 ms.
fn hosts(network: &mut Network, realm: Realm, addresses: &[&str]) -> Vec<HostId> {
    let attach = |address: &&str| {
        let host = network.add_host();
        let interface = Interface::new(realm, ip(address)).with_links(Link::with_delay(10 * MS));
        network.add_interface(host, interface);
        host
    };
    addresses.iter().map(attach).collect()
}

fn receive_all(network: &mut Network) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while let Some(next) = network.poll_timeout() {
        deliveries.extend(network.receive(next));
    }
    deliveries
}

#[test]
fn a_datagram_crosses_both_links() {
    let now = start();
    let mut network = Network::new(now, 1);
    let hosts = hosts(&mut network, Realm::INTERNET, &["192.0.2.1", "2001:db8::2", "192.0.2.3"]);
    let path = udp("192.0.2.1:1", "192.0.2.3:3");
    network.send(now, hosts[0], &Transmit::new(path, b"hello"));
    assert_eq!(network.receive(now + 19 * MS), None);
    let delivery = network.receive(now + 20 * MS).unwrap();
    assert_eq!(delivery.host, hosts[2]);
    assert_eq!(delivery.path, udp("192.0.2.3:3", "192.0.2.1:1"));
    assert_eq!(delivery.contents, b"hello");
    assert_eq!(network.poll_timeout(), None);
}

#[test]
fn segments_arrive_as_datagrams() {
    let now = start();
    let mut network = Network::new(now, 1);
    let hosts = hosts(&mut network, Realm::INTERNET, &["192.0.2.1", "192.0.2.2"]);
    let path = udp("192.0.2.1:1", "192.0.2.2:2");
    let transmit = Transmit::new(path, b"aabbc").with_segment_size(Some(2));
    network.send(now, hosts[0], &transmit);
    let contents: Vec<_> = receive_all(&mut network).into_iter().map(|d| d.contents).collect();
    assert_eq!(contents, [&b"aa"[..], b"bb", b"c"]);
}

#[test]
fn foreign_sources_and_unknown_destinations_are_lost() {
    let now = start();
    let mut network = Network::new(now, 1);
    let hosts = hosts(&mut network, Realm::INTERNET, &["192.0.2.1", "192.0.2.2"]);
    network.send(now, hosts[0], &Transmit::new(udp("192.0.2.2:1", "192.0.2.1:1"), b"forged"));
    network.send(now, hosts[0], &Transmit::new(udp("192.0.2.1:1", "192.0.2.9:1"), b"nobody"));
    network.send(now, hosts[0], &Transmit::new(udp("192.0.2.1:1", "10.0.0.1:1"), b"private"));
    assert_eq!(receive_all(&mut network), []);
    assert_eq!(network.statistics().unroutable, 3);
}

#[test]
fn behind_one_translator_hosts_meet_without_it() {
    let now = start();
    let mut network = Network::new(now, 1);
    let home = network.add_nat(Realm::INTERNET, Nat::symmetric(ip("203.0.113.1")));
    let hosts = hosts(&mut network, home, &["10.0.0.1", "10.0.0.2"]);
    network.send(now, hosts[0], &Transmit::new(udp("10.0.0.1:1", "10.0.0.2:2"), b"hello"));
    let delivery = network.receive(now + 20 * MS).unwrap();
    assert_eq!(delivery.path, udp("10.0.0.2:2", "10.0.0.1:1"));
}

#[test]
fn replies_find_their_way_through_two_translators() {
    let now = start();
    let mut network = Network::new(now, 1);
    let carrier = network.add_nat(Realm::INTERNET, Nat::symmetric(ip("203.0.113.1")));
    let home = network.add_nat(carrier, Nat::port_restricted(ip("100.64.0.7")));
    let server = hosts(&mut network, Realm::INTERNET, &["192.0.2.1"])[0];
    let client = hosts(&mut network, home, &["10.0.0.1"])[0];
    network.send(now, client, &Transmit::new(udp("10.0.0.1:5000", "192.0.2.1:80"), b"ping"));
    let request = receive_all(&mut network).pop().unwrap();
    assert_eq!(request.host, server);
    assert_eq!(request.path.remote.ip(), ip("203.0.113.1"));
    let now = network.now();
    network.send(now, server, &Transmit::new(request.path, b"pong"));
    let response = receive_all(&mut network).pop().unwrap();
    assert_eq!(response.host, client);
    assert_eq!(response.path, udp("10.0.0.1:5000", "192.0.2.1:80"));
}

#[test]
fn hairpins_turn_round_where_the_translator_does_that() {
    for hairpinning in [true, false] {
        let now = start();
        let mut network = Network::new(now, 1);
        let nat = Nat { hairpinning, ..Nat::full_cone(ip("203.0.113.1")) };
        let home = network.add_nat(Realm::INTERNET, nat);
        let hosts = hosts(&mut network, home, &["10.0.0.1", "10.0.0.2"]);
        // The second opens its port to anybody, the first sends to it.
        network.send(now, hosts[1], &Transmit::new(udp("10.0.0.2:5002", "192.0.2.1:1"), b"out"));
        assert_eq!(receive_all(&mut network), []);
        let path = udp("10.0.0.1:5001", "203.0.113.1:5002");
        network.send(network.now(), hosts[0], &Transmit::new(path, b"hello"));
        let deliveries = receive_all(&mut network);
        if hairpinning {
            // RFC 4787 §6, REQ-9: with the external address as source.
            assert_eq!(deliveries[0].path, udp("10.0.0.2:5002", "203.0.113.1:5001"));
        } else {
            assert_eq!(deliveries, []);
        }
    }
}

#[test]
fn an_address_that_goes_away_takes_its_datagrams_along() {
    let now = start();
    let mut network = Network::new(now, 1);
    let hosts = hosts(&mut network, Realm::INTERNET, &["192.0.2.1", "192.0.2.2"]);
    let path = udp("192.0.2.1:1", "192.0.2.2:2");
    network.send(now, hosts[0], &Transmit::new(path, b"on its way"));
    network.receive(now + 15 * MS);
    network.remove_interface(hosts[1], ip("192.0.2.2"));
    assert_eq!(receive_all(&mut network), []);

    network.add_interface(hosts[1], Interface::new(Realm::INTERNET, ip("192.0.2.7")));
    let path = udp("192.0.2.1:1", "192.0.2.7:2");
    network.send(network.now(), hosts[0], &Transmit::new(path, b"hello"));
    assert_eq!(receive_all(&mut network).len(), 1);
    assert_eq!(network.statistics().unroutable, 1);
}

#[test]
#[should_panic(expected = "192.0.2.1 is taken")]
fn an_address_has_one_owner() {
    let mut network = Network::new(start(), 1);
    hosts(&mut network, Realm::INTERNET, &["192.0.2.1", "192.0.2.1"]);
}

#[test]
fn a_filter_sees_and_drops() {
    let now = start();
    let mut network = Network::new(now, 1);
    let hosts = hosts(&mut network, Realm::INTERNET, &["192.0.2.1", "192.0.2.2"]);
    let mut count = 0;
    network.set_filter(move |passing| {
        count += 1;
        passing.contents != b"second" && count < 4
    });
    let path = udp("192.0.2.1:1", "192.0.2.2:2");
    for contents in ["first", "second", "third", "fourth"] {
        network.send(now, hosts[0], &Transmit::new(path, contents.as_bytes()));
    }
    let contents: Vec<_> = receive_all(&mut network).into_iter().map(|d| d.contents).collect();
    assert_eq!(contents, [&b"first"[..], b"third"]);
    assert_eq!(network.statistics().filtered, 2);
    network.clear_filter();
    network.send(network.now(), hosts[0], &Transmit::new(path, b"fifth"));
    assert_eq!(receive_all(&mut network).len(), 1);
}

#[test]
fn new_links_count_for_what_is_sent_later() {
    let now = start();
    let mut network = Network::new(now, 1);
    let home = network.add_nat(Realm::INTERNET, Nat::full_cone(ip("203.0.113.1")));
    let client = hosts(&mut network, home, &["10.0.0.1"])[0];
    hosts(&mut network, Realm::INTERNET, &["192.0.2.1"]);
    network.set_links(client, ip("10.0.0.1"), Link::with_delay(100 * MS), Link::default());
    network.set_nat_links(home, Link::with_delay(1000 * MS), Link::default());
    network.send(now, client, &Transmit::new(udp("10.0.0.1:1", "192.0.2.1:1"), b"slow"));
    assert_eq!(receive_all(&mut network).len(), 1);
    assert_eq!(network.now(), now + 1110 * MS);
}

#[test]
fn a_binding_learns_its_address_from_the_server() {
    let mut now = start();
    let mut network = Network::new(now, 1);
    let home = network.add_nat(Realm::INTERNET, Nat::port_restricted(ip("203.0.113.1")));
    let client = hosts(&mut network, home, &["10.0.0.1"])[0];
    let interface = Interface::new(Realm::INTERNET, ip("192.0.2.1"));
    network.add_stun_server(interface.with_links(Link::with_delay(5 * MS)), 3478);

    let path = udp("10.0.0.1:5000", "192.0.2.1:3478");
    let mut binding = Binding::new(BindingConfig::default(), path, now, [1; 32]);
    let begin = now;
    while let Some(next) = network.drive(now, &mut [(client, &mut binding)]).next {
        now = next;
    }
    assert_eq!(
        binding.poll_event(),
        Some(BindingEvent::Mapped("203.0.113.1:5000".parse().unwrap()))
    );
    assert_eq!(now - begin, 30 * MS);
}

/// Everything that chance decides, twice.
#[test]
fn one_seed_repeats_everything() {
    let run = |seed| {
        let start = start();
        let mut network = Network::new(start, seed);
        let link = Link {
            delay: 5 * MS,
            jitter: 5 * MS,
            rate: Some(10_000_000),
            loss: Loss::Random(0.1),
            duplicate: 0.1,
            reorder: 0.1,
            corrupt: 0.1,
            ..Link::default()
        };
        let home = network.add_nat(Realm::INTERNET, Nat::symmetric(ip("203.0.113.1")));
        let (a, b) = (network.add_host(), network.add_host());
        network.add_interface(a, Interface::new(home, ip("10.0.0.1")).with_links(link.clone()));
        network.add_interface(b, Interface::new(Realm::INTERNET, ip("192.0.2.1")).with_links(link));
        let mut trace = Vec::new();
        for n in 0..200u8 {
            let path = udp("10.0.0.1:1", "192.0.2.1:1");
            network.send(start + MS * u32::from(n), a, &Transmit::new(path, &[n; 50]));
        }
        while let Some(next) = network.poll_timeout() {
            trace.extend(network.receive(next).map(|delivery| (next - start, delivery)));
        }
        (trace, network.statistics())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert!(run(1).0.len() > 150);
}

/// An engine that breaks the contract.
struct Spinning(Instant);

impl Node for Spinning {
    fn handle_datagram(&mut self, _: Instant, _: Datagram<'_>) {}
    fn handle_timeout(&mut self, _: Instant) {}
    fn poll_transmit<'b>(&mut self, _: Instant, _: &'b mut Vec<u8>) -> Option<Transmit<'b>> {
        None
    }
    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.0)
    }
}

#[test]
#[should_panic(expected = "spins")]
fn an_engine_that_spins_is_found_out() {
    let now = start();
    let mut network = Network::new(now, 1);
    let host = network.add_host();
    let _ = network.drive(now, &mut [(host, &mut Spinning(now))]);
}
