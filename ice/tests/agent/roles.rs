//! Who controls, and lite agents.

use peerless_ice::ConnectionState::{Completed, Disconnected, Failed};
use peerless_ice::{Config, Event, Role};

use crate::network::{Network, ms};

fn completes(mut network: Network) -> Network {
    network.start();
    assert!(network.run_until(ms(5000), |network| network.both(Completed)));
    assert_ne!(network.hosts[0].agent.role(), network.hosts[1].agent.role());
    let (a, z) = (network.selected(0).unwrap(), network.selected(1).unwrap());
    assert_eq!((a.local, a.remote), (z.remote, z.local));
    network
}

#[test]
fn two_agents_of_one_role_agree() {
    for role in [Role::Controlling, Role::Controlled] {
        for seed in 0..20 {
            let mut network = Network::new(seed);
            network.add_host(Config::default(), role, &["192.0.2.1:1000"]);
            network.add_host(Config::default(), role, &["198.51.100.2:2000"]);
            let network = completes(network);
            let changes: Vec<_> = network
                .hosts
                .iter()
                .flat_map(|host| &host.events)
                .filter(|(_, event)| matches!(event, Event::RoleChange(_)))
                .collect();
            assert_eq!(changes.len(), 1, "one side gives way: {changes:?}");
        }
    }
}

#[test]
fn a_full_agent_takes_control_of_a_lite_one() {
    let mut network = Network::new(1);
    network.add_host(Config::default(), Role::Controlled, &["10.0.0.1:1000"]);
    network.add_host(
        Config { lite: true, ..Config::default() },
        Role::Controlled,
        &["198.51.100.2:2000"],
    );
    network.hosts[0].agent.set_remote_lite(true);
    assert_eq!(network.hosts[0].agent.role(), Role::Controlling);
    let mut network = completes(network);
    assert!(network.send_data(1, b"from the lite agent"));
    network.run_for(ms(60));
    assert_eq!(network.hosts[0].received.len(), 1);
    let requests = |network: &Network| {
        network
            .trace
            .iter()
            .filter(|(_, host, contents)| *host == 1 && contents[..2] == [0, 1])
            .count()
    };
    network.run_for(ms(60_000));
    assert_eq!(requests(&network), 0, "a lite agent sends no checks");
    assert!(network.both(Completed));
    network.blackout = true;
    assert!(network.run_until(ms(15_000), |network| network.both(Disconnected)));
    assert!(network.run_until(ms(30_000), |network| network.both(Failed)));
}

#[test]
fn a_lite_agent_behind_no_nat_serves_a_hidden_full_one() {
    let mut network = Network::new(2);
    network.add_host(Config::default(), Role::Controlling, &["192.0.2.1:1000"]);
    network.add_host(
        Config { lite: true, ..Config::default() },
        Role::Controlled,
        &["198.51.100.2:2000"],
    );
    network.hosts[0].hides_addresses = true;
    completes(network);
}
