//! Candidates of ours, and the servers that tell of them.

use std::collections::BTreeSet;
use std::time::Duration;

use peerless_ice::{CandidateKind, Config, Event, Role};

use crate::network::{Network, OTHER_STUN_SERVER, STUN_SERVER, address, ms};

fn lone(stun_servers: &[&str], addresses: &[&str]) -> Network {
    let mut network = Network::new(1);
    let stun_servers = stun_servers.iter().map(|server| address(server)).collect();
    let config = Config { stun_servers, ..Config::default() };
    network.add_host(config, Role::Controlling, addresses);
    network
}

fn candidates(network: &Network) -> Vec<String> {
    let host = &network.hosts[0];
    host.agent.local_candidates(host.stream).map(ToString::to_string).collect()
}

fn complete_at(network: &Network) -> Option<Duration> {
    let events = &network.hosts[0].events;
    let complete = events.iter().filter(|(_, event)| *event == Event::GatheringComplete);
    assert!(complete.clone().count() <= 1);
    complete.map(|(at, _)| *at).next()
}

#[test]
fn host_candidates_are_ranked_and_told() {
    let mut network =
        lone(&[], &["10.0.0.1:1000", "10.0.0.2:1000", "[2001:db8::1]:1000", "127.0.0.1:1000"]);
    network.gather(0);
    network.run_for(ms(1));
    let lines = candidates(&network);
    assert_eq!(
        lines,
        [
            "candidate:1 1 udp 2130706175 10.0.0.1 1000 typ host",
            "candidate:2 1 udp 2130705663 10.0.0.2 1000 typ host",
            "candidate:3 1 udp 2130706431 2001:db8::1 1000 typ host",
            "candidate:4 1 udp 2118122239 127.0.0.1 1000 typ host",
        ]
    );
    assert_eq!(complete_at(&network), Some(ms(0)));
}

#[test]
fn a_server_tells_the_outside_address_once_per_socket() {
    let mut network = lone(&[STUN_SERVER, "203.0.113.201:3478"], &["10.0.0.1:1000"]);
    network.hosts[0].nat =
        Some(crate::network::Nat::new(crate::network::NatKind::PortRestricted, "192.0.2.1"));
    network.gather(0);
    network.run_for(ms(500));
    assert_eq!(
        candidates(&network)[1],
        "candidate:2 1 udp 1694498559 192.0.2.1 40001 typ srflx raddr 10.0.0.1 rport 1000"
    );
    assert_eq!(complete_at(&network), None, "the second server is still being asked");
    network.run_for(ms(15_000));
    let at = complete_at(&network).unwrap();
    assert!((ms(9_000)..ms(11_000)).contains(&at), "{at:?}");

    // A second stream on the same socket asks nobody again.
    let sent = network.hosts[0].sent;
    let now = network.now;
    let host = &mut network.hosts[0];
    let stream = host.agent.add_stream(now, 1);
    let component = peerless_ice::ComponentId { stream, component: 1 };
    host.agent.add_local_address(now, component, address("10.0.0.1:1000"));
    assert_eq!(host.agent.local_candidates(stream).count(), 2);
    network.run_for(ms(100));
    assert_eq!(network.hosts[0].sent, sent);
}

/// A stream that begins behind the end of another one's candidates has an end of its own; an address
/// that only comes late has none.
#[test]
fn the_end_is_told_again_for_a_stream_that_begins_later() {
    let mut network = lone(&[], &["10.0.0.1:1000"]);
    network.gather(0);
    network.run_for(ms(1));
    assert_eq!(complete_at(&network), Some(ms(0)));
    let now = network.now;
    let host = &mut network.hosts[0];
    let first = peerless_ice::ComponentId { stream: host.stream, component: 1 };
    host.agent.add_local_address(now, first, address("10.0.0.2:1000"));
    let ends = |agent: &mut peerless_ice::Agent| {
        let mut told = std::iter::from_fn(|| agent.poll_event());
        told.any(|event| event == Event::GatheringComplete)
    };
    assert!(!ends(&mut host.agent));
    let stream = host.agent.add_stream(now, 1);
    let second = peerless_ice::ComponentId { stream, component: 1 };
    for (port, begins) in [("10.0.0.1:2000", true), ("10.0.0.2:2000", false)] {
        host.agent.add_local_address(now, second, address(port));
        assert_eq!(ends(&mut host.agent), begins, "{port}");
    }
}

#[test]
fn a_mapped_address_that_is_the_base_is_redundant() {
    let mut network = lone(&[STUN_SERVER], &["192.0.2.1:1000"]);
    network.gather(0);
    network.run_for(ms(500));
    assert_eq!(candidates(&network).len(), 1);
    assert_eq!(complete_at(&network), Some(ms(100)));
}

#[test]
fn a_server_that_requires_what_we_do_not_know_has_told_nothing() {
    let mut network = lone(&[STUN_SERVER], &["10.0.0.1:1000"]);
    let now = network.now;
    let host = &mut network.hosts[0];
    let local = address("10.0.0.1:1000");
    host.agent.add_local_address(now, host.component(), local);
    host.agent.finish_gathering(now);
    let mut query = Vec::new();
    assert!(host.agent.poll_transmit(now, &mut query).is_some());
    let id = stun::Message::parse(&query).unwrap().transaction_id();
    let mut response = Vec::new();
    stun::MessageWriter::new(
        &mut response,
        stun::Class::SuccessResponse,
        stun::Method::Binding,
        id,
    )
    .xor_mapped_address(address("192.0.2.1:40001"))
    .attribute(0x0003.into(), b"oops")
    .finish();
    let path = peerless_ice::FiveTuple::udp(local, address(STUN_SERVER));
    host.agent.handle_datagram(now, peerless_ice::Datagram::new(path, &mut response));
    assert!(host.agent.is_gathering_complete());
    assert_eq!(host.agent.local_candidates(host.stream).count(), 1);
}

/// RFC 8445 §5.1.2: "each candidate for a data stream MUST have a unique priority"; §5.1.1.3: one
/// foundation for one kind, base and server.
#[test]
fn no_two_candidates_have_one_priority() {
    let addresses = ["10.0.0.1:1000", "10.0.0.2:1000", "10.0.0.3:1000", "[2001:db8::1]:1000"];
    let mut network = lone(&[STUN_SERVER, OTHER_STUN_SERVER], &addresses);
    network.hosts[0].nat =
        Some(crate::network::Nat::new(crate::network::NatKind::Symmetric, "192.0.2.1"));
    let distinct = |network: &Network, count| {
        let host = &network.hosts[0];
        let candidates: Vec<_> = host.agent.local_candidates(host.stream).collect();
        assert_eq!(candidates.len(), count);
        let priorities: BTreeSet<_> = candidates.iter().map(|own| own.priority).collect();
        let foundations: BTreeSet<_> = candidates.iter().map(|own| &own.foundation).collect();
        assert_eq!(priorities.len(), count, "{candidates:#?}");
        assert_eq!(foundations.len(), count, "{candidates:#?}");
    };
    let now = network.now;
    let component = network.hosts[0].component();
    let agent = &mut network.hosts[0].agent;
    agent.add_local_address(now, component, address(addresses[0]));
    agent.add_local_address(now, component, address(addresses[1]));
    agent.remove_local_address(now, address(addresses[0]));
    agent.add_local_address(now, component, address(addresses[2]));
    distinct(&network, 2);
    network.run_for(ms(2000));
    distinct(&network, 6);
    let now = network.now;
    let agent = &mut network.hosts[0].agent;
    agent.add_local_address(now, component, address(addresses[0]));
    agent.add_local_address(now, component, address(addresses[3]));
    network.run_for(ms(2000));
    distinct(&network, 10);
}

#[test]
fn queries_share_the_pacer() {
    let mut network = lone(&[STUN_SERVER], &["10.0.0.1:1000", "10.0.0.2:1000", "10.0.0.3:1000"]);
    network.gather(0);
    network.run_for(ms(140));
    let times: Vec<_> = network.trace.iter().map(|(at, _, _)| *at).collect();
    assert_eq!(times, [ms(0), ms(50), ms(100)]);
}

#[test]
fn the_binding_is_kept_alive_until_a_pair_is_selected() {
    let mut network = lone(&[STUN_SERVER], &["10.0.0.1:1000"]);
    network.hosts[0].nat =
        Some(crate::network::Nat::new(crate::network::NatKind::PortRestricted, "192.0.2.1"));
    network.gather(0);
    network.run_for(ms(1000));
    let before = network.hosts[0].sent;
    network.run_for(Duration::from_secs(60));
    let refreshes = network.hosts[0].sent - before;
    assert!((3..=4).contains(&refreshes), "{refreshes}");
    assert_eq!(candidates(&network).len(), 2);
    let kinds = network.hosts[0].agent.local_candidates(network.hosts[0].stream);
    assert_eq!(kinds.last().unwrap().kind, CandidateKind::ServerReflexive);
}

/// What happens after a restart, from its candidates to their end.
fn told_after_restart(network: &mut Network) -> Vec<String> {
    let (now, stream) = (network.now, network.hosts[0].stream);
    network.hosts[0].events.clear();
    network.hosts[0].agent.restart(now, stream);
    network.run_for(ms(15_000));
    let ufrag = network.hosts[0].agent.local_credentials(stream).unwrap().ufrag.clone();
    let events = network.hosts[0].events.iter();
    events
        .filter_map(|(_, event)| match event {
            Event::LocalCandidate(_, candidate) => {
                assert_eq!(candidate.ufrag.as_ref(), Some(&ufrag));
                Some(format!("{} {}", candidate.kind.as_str(), candidate.socket_addr().unwrap()))
            }
            Event::GatheringComplete => Some("end".into()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_restart_asks_a_server_that_was_silent() {
    let mut network = lone(&[STUN_SERVER], &["10.0.0.1:1000"]);
    network.hosts[0].nat =
        Some(crate::network::Nat::new(crate::network::NatKind::PortRestricted, "192.0.2.1"));
    network.blackout = true;
    network.gather(0);
    network.run_for(ms(15_000));
    assert!(complete_at(&network).is_some());
    network.blackout = false;
    let told = told_after_restart(&mut network);
    assert_eq!(told, ["host 10.0.0.1:1000", "srflx 192.0.2.1:40001", "end"]);
}

#[test]
fn a_restart_forgets_what_the_address_looked_like() {
    let mut network = lone(&[STUN_SERVER], &["10.0.0.1:1000"]);
    let nat = |public| crate::network::Nat::new(crate::network::NatKind::PortRestricted, public);
    network.hosts[0].nat = Some(nat("192.0.2.1"));
    network.gather(0);
    network.run_for(ms(1000));
    let now = network.now;
    let configured = address("203.0.113.1:9");
    let agent = &mut network.hosts[0].agent;
    agent.add_server_reflexive_address(now, address("10.0.0.1:1000"), configured);
    network.hosts[0].nat = Some(nat("192.0.2.2"));
    let told = told_after_restart(&mut network);
    assert_eq!(
        told,
        ["host 10.0.0.1:1000", "srflx 203.0.113.1:9", "srflx 192.0.2.2:40001", "end"],
        "what nobody was asked stays"
    );
}

#[test]
fn the_other_address_family_and_loopback_do_not_ask() {
    let mut network = lone(&[STUN_SERVER], &["[2001:db8::1]:1000", "127.0.0.1:1000"]);
    network.gather(0);
    network.run_for(ms(1000));
    assert_eq!(network.hosts[0].sent, 0);
    assert_eq!(complete_at(&network), Some(ms(0)));
}
