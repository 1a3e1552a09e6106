//! From nothing to a path.

use peerless_ice::{CandidateKind, Config, ConnectionState, Event, Role};

use crate::network::{Link, Nat, NatKind, Network, STUN_SERVER, address, ms};

#[test]
fn two_hosts_connect_and_exchange_data() {
    let mut network = Network::pair(1);
    network.start();
    assert!(network.run_until(ms(2000), |network| network.both(ConnectionState::Completed)));
    assert!(network.send_data(0, b"to Z") && network.send_data(1, b"to A"));
    network.run_for(ms(60));
    assert_eq!(network.hosts[1].received[0].1, b"to Z");
    assert_eq!(network.hosts[0].received[0].1, b"to A");
    let (a, z) = (network.selected(0).unwrap(), network.selected(1).unwrap());
    assert_eq!((a.local, a.remote), (z.remote, z.local));
}

#[test]
fn a_pair_is_valid_after_one_round_trip() {
    let mut network = Network::pair(2);
    network.trickle = false;
    network.start();
    network.drain();
    for (from, to) in [(0, 1), (1, 0)] {
        let stream = network.hosts[from].stream;
        let candidates: Vec<_> =
            network.hosts[from].agent.local_candidates(stream).cloned().collect();
        for candidate in candidates {
            let now = network.now;
            network.hosts[to].agent.add_remote_candidate(now, stream, candidate);
        }
    }
    // A → check → Z and Z → check → A cross; both answers are there after 100 ms.
    assert!(network.run_until(ms(1000), |network| network.both(ConnectionState::Completed)
        || network.both(ConnectionState::Connected)));
    assert_eq!(network.elapsed(), ms(100));
}

#[test]
fn a_triggered_check_goes_out_with_the_answer() {
    // Z learns A only from A's check, as from a browser that hides its addresses:
    //   0 ms A → check → Z; 50 ms Z → answer, check → A; 100 ms A works; 150 ms Z works
    let mut network = Network::pair(3);
    network.hosts[0].hides_addresses = true;
    network.signalling = ms(0);
    network.start();
    assert!(network.run_until(ms(1000), |network| {
        network.hosts.iter().all(|host| host.agent.send_path(host.component()).is_some())
    }));
    assert_eq!(network.elapsed(), ms(150));
    let z = &network.hosts[1];
    let pair = z.agent.active_pair(z.component()).unwrap();
    assert_eq!(pair.remote.kind, CandidateKind::PeerReflexive);
    assert_eq!(pair.remote.socket_addr(), Some(address("192.0.2.1:1000")));
    assert!(z.agent.remote_candidates(z.stream).any(|c| c.socket_addr().is_none()));
}

#[test]
fn two_port_restricted_nats_are_punched() {
    let config = || Config { stun_servers: vec![address(STUN_SERVER)], ..Config::default() };
    let mut network = Network::new(4);
    network.add_host(config(), Role::Controlling, &["10.0.0.1:1000"]);
    network.add_host(config(), Role::Controlled, &["10.9.0.2:2000"]);
    network.hosts[0].nat = Some(Nat::new(NatKind::PortRestricted, "192.0.2.1"));
    network.hosts[1].nat = Some(Nat::new(NatKind::PortRestricted, "198.51.100.2"));
    network.start();
    assert!(network.run_until(ms(5000), |network| network.both(ConnectionState::Completed)));
    let a = network.hosts[0].agent.selected_pair(network.hosts[0].component()).unwrap();
    assert_eq!(a.remote.kind, CandidateKind::ServerReflexive);
    assert_eq!(a.mapped_address.unwrap().ip(), address("192.0.2.1:0").ip());
    assert!(network.hosts[0].events.iter().any(|(_, event)| matches!(event,
        Event::LocalCandidate(_, candidate) if candidate.kind == CandidateKind::ServerReflexive)));
}

#[test]
fn a_symmetric_nat_makes_a_peer_reflexive_candidate() {
    let config = || Config { stun_servers: vec![address(STUN_SERVER)], ..Config::default() };
    let mut network = Network::new(5);
    network.add_host(config(), Role::Controlling, &["10.0.0.1:1000"]);
    network.add_host(config(), Role::Controlled, &["198.51.100.2:2000"]);
    network.hosts[0].nat = Some(Nat::new(NatKind::Symmetric, "192.0.2.1"));
    network.start();
    assert!(network.run_until(ms(5000), |network| network.both(ConnectionState::Completed)));
    let z = network.hosts[1].agent.selected_pair(network.hosts[1].component()).unwrap();
    assert_eq!(z.remote.kind, CandidateKind::PeerReflexive);
}

#[test]
fn a_lost_first_check_costs_a_quarter_of_a_second() {
    let mut network = Network::pair(6);
    network.hosts[1].hides_addresses = false;
    let mut lost = 0;
    network.filter = Box::new(move |_, _, _| {
        lost += 1;
        lost > 2
    });
    network.link = Link { delay: ms(10), ..Link::default() };
    network.start();
    assert!(network.run_until(ms(2000), |network| {
        network.hosts.iter().all(|host| host.agent.send_path(host.component()).is_some())
    }));
    // 20 ms of signalling, 250 ms of waiting, one round trip.
    assert_eq!(network.elapsed(), ms(20 + 250 + 20));
}
