//! Restarts by either side, and what flows meanwhile.

use std::time::Duration;

use peerless_ice::ConnectionState::{Checking, Completed, Connected, Disconnected, Failed};
use peerless_ice::Event;

use crate::network::{Network, address, ms};

fn connected(seed: u64) -> Network {
    let mut network = Network::pair(seed);
    network.start();
    assert!(network.run_until(ms(2000), |network| network.both(Completed)));
    network.run_for(ms(500));
    network
}

/// Restarts as an offer and its answer do it.
fn restart(network: &mut Network, offerer: usize) {
    let answerer = 1 - offerer;
    let (now, stream) = (network.now, network.hosts[offerer].stream);
    network.hosts[offerer].agent.restart(now, stream);
    network.run_for(ms(20));
    let before = network.hosts[answerer].agent.local_credentials(stream).cloned();
    network.give_credentials(offerer, answerer);
    assert_ne!(before.as_ref(), network.hosts[answerer].agent.local_credentials(stream));
    network.run_for(ms(20));
    network.give_credentials(answerer, offerer);
}

#[test]
fn data_flows_through_a_restart_by_either_side() {
    for offerer in [0, 1] {
        let mut network = connected(1);
        let generation = network.hosts[0].agent.local_credentials(network.hosts[0].stream).cloned();
        let (now, stream) = (network.now, network.hosts[offerer].stream);
        network.hosts[offerer].agent.restart(now, stream);
        network.run_for(ms(100));
        let mut sent = 0;
        let mut exchange = |network: &mut Network| {
            for _ in 0..20 {
                assert!(network.send_data(0, b"to Z") && network.send_data(1, b"to A"));
                sent += 1;
                network.run_for(ms(10));
                assert!(network.hosts.iter().all(|host| host.state() != Disconnected));
            }
        };
        exchange(&mut network);
        network.give_credentials(offerer, 1 - offerer);
        exchange(&mut network);
        network.give_credentials(1 - offerer, offerer);
        exchange(&mut network);
        assert!(network.run_until(ms(2000), |network| network.both(Completed)));
        exchange(&mut network);
        network.run_for(ms(100));
        assert_eq!(network.hosts[0].received.len(), sent);
        assert_eq!(network.hosts[1].received.len(), sent);
        assert_ne!(
            generation.as_ref(),
            network.hosts[0].agent.local_credentials(network.hosts[0].stream)
        );
        // The old generation is forgotten in the end.
        network.run_for(Duration::from_secs(20));
        for host in &network.hosts {
            assert_eq!(host.agent.pairs().count(), 1);
            assert_eq!(host.agent.local_ufrags().count(), 1);
        }
    }
}

#[test]
fn a_restart_moves_to_another_network() {
    let mut network = connected(2);
    // A leaves its Wi-Fi for a mobile network.
    let (now, component) = (network.now, network.hosts[0].component());
    let stream = network.hosts[0].stream;
    network.hosts[0].addresses = vec![address("192.0.2.77:7000")];
    let agent = &mut network.hosts[0].agent;
    agent.remove_local_address(now, address("192.0.2.1:1000"));
    assert_eq!(agent.state(), Failed);
    assert_eq!(agent.send_path(component), None);
    agent.restart(now, stream);
    agent.add_local_address(now, component, address("192.0.2.77:7000"));
    network.run_for(ms(20));
    network.give_credentials(0, 1);
    network.run_for(ms(20));
    network.give_credentials(1, 0);
    assert!(network.run_until(ms(2000), |network| network.both(Completed)));
    assert_eq!(network.selected(1).unwrap().remote, address("192.0.2.77:7000"));
}

#[test]
fn a_failed_agent_comes_back_by_a_restart() {
    let mut network = connected(3);
    network.blackout = true;
    assert!(network.run_until(ms(40_000), |network| network.both(Failed)));
    network.blackout = false;
    restart(&mut network, 0);
    assert!(network.run_until(ms(2000), |network| network.both(Completed)));
}

#[test]
fn all_candidates_are_told_again_with_the_new_fragment() {
    let mut network = connected(4);
    network.hosts[0].events.clear();
    restart(&mut network, 0);
    network.run_for(ms(1000));
    let ufrag =
        network.hosts[0].agent.local_credentials(network.hosts[0].stream).unwrap().ufrag.clone();
    let events = &network.hosts[0].events;
    assert!(events.iter().any(|(_, event)| matches!(event,
        Event::LocalCandidate(_, candidate) if candidate.ufrag.as_deref() == Some(&ufrag))));
    assert!(events.iter().any(|(_, event)| *event == Event::GatheringComplete));
    assert!(events.iter().any(|(_, event)| matches!(event, Event::SelectedPair(_))));
}

#[test]
fn a_restart_that_is_taken_back_leaves_everything_as_it_was() {
    let mut network = connected(5);
    let (now, stream) = (network.now, network.hosts[0].stream);
    let before = network.hosts[0].agent.local_credentials(stream).cloned();
    let path = network.selected(0);
    let credentials = network.hosts[0].agent.generate_credentials();
    network.hosts[0].agent.restart_with(now, stream, credentials.clone());
    assert_eq!(network.hosts[0].agent.local_credentials(stream), Some(&credentials));
    assert_eq!(network.hosts[0].state(), Connected);
    network.run_for(ms(7000));
    let now = network.now;
    assert!(network.hosts[0].agent.cancel_restart(now, stream));
    assert_eq!(network.hosts[0].agent.local_credentials(stream), before.as_ref());
    assert_eq!(network.selected(0), path);
    network.run_for(ms(60_000));
    assert!(network.both(Completed));
    let now = network.now;
    assert!(!network.hosts[0].agent.cancel_restart(now, stream));
}

/// Restarts one side and takes it back after `pending`.
fn take_back(network: &mut Network, host: usize, pending: Duration) {
    let (now, stream) = (network.now, network.hosts[host].stream);
    let agent = &mut network.hosts[host].agent;
    let before = agent.local_credentials(stream).cloned();
    agent.restart(now, stream);
    assert_ne!(agent.local_credentials(stream), before.as_ref());
    network.run_for(pending);
    let now = network.now;
    let agent = &mut network.hosts[host].agent;
    assert!(agent.cancel_restart(now, stream));
    assert!(!agent.cancel_restart(now, stream));
    assert_eq!(agent.local_credentials(stream), before.as_ref());
}

#[test]
fn a_restart_that_is_taken_back_lets_checks_go_on() {
    // Once with all that happens before, and once with what happens meanwhile.
    for (host, waits) in [(0, false), (1, false), (0, true), (1, true)] {
        let mut network = Network::pair(8);
        network.blackout = true;
        network.start();
        network.run_for(ms(1000));
        assert!(network.both(Checking));
        network.blackout = !waits;
        take_back(&mut network, host, ms(3000));
        network.blackout = false;
        assert!(network.run_until(ms(5000), |network| network.both(Completed)), "{host} {waits}");
        network.run_for(ms(60_000));
        assert!(network.both(Completed));
    }
}

#[test]
fn a_restart_that_is_taken_back_leaves_a_failed_agent_failed() {
    let mut network = Network::pair(9);
    network.blackout = true;
    network.start();
    assert!(network.run_until(ms(40_000), |network| network.both(Failed)));
    network.blackout = false;
    take_back(&mut network, 0, ms(1000));
    assert_eq!(network.hosts[0].state(), Failed);
    network.run_for(ms(60_000));
    assert!(network.both(Failed));
}

#[test]
fn a_restart_that_is_taken_back_goes_back_to_the_one_before() {
    let mut network = connected(10);
    network.blackout = true;
    restart(&mut network, 0);
    network.run_for(ms(500));
    assert!(network.both(Connected), "data goes on over the oldest path");
    let path = network.hosts[0].agent.send_path(network.hosts[0].component());
    take_back(&mut network, 0, ms(500));
    assert_eq!(network.hosts[0].agent.send_path(network.hosts[0].component()), path);
    network.blackout = false;
    assert!(network.run_until(ms(5000), |network| network.both(Completed)));
    network.run_for(ms(20_000));
    for host in &network.hosts {
        assert_eq!(host.state(), Completed);
        assert_eq!(host.agent.pairs().count(), 1);
        assert_eq!(host.agent.local_ufrags().count(), 1);
    }
}

/// The path is lost while nobody knows yet whether there is a restart.
#[test]
fn a_restart_that_is_taken_back_too_late_has_failed() {
    let mut network = connected(11);
    network.blackout = true;
    take_back(&mut network, 0, ms(60_000));
    assert_eq!(network.hosts[0].state(), Failed);
}

#[test]
fn an_unanswered_restart_reports_the_loss_of_the_old_path() {
    let mut network = connected(6);
    let (now, stream) = (network.now, network.hosts[0].stream);
    network.hosts[0].agent.restart(now, stream);
    network.blackout = true;
    network.run_for(ms(60_000));
    assert_eq!(network.hosts[0].state(), Disconnected);
    network.blackout = false;
    network.give_credentials(0, 1);
    network.give_credentials(1, 0);
    assert_eq!(network.hosts[0].state(), Checking);
    assert!(network.run_until(ms(2000), |network| network.both(Completed)));
}

#[test]
fn repeated_restarts_hold_nothing_but_the_path_in_use() {
    let mut network = connected(7);
    for _ in 0..100 {
        let (now, stream) = (network.now, network.hosts[0].stream);
        network.hosts[0].agent.restart(now, stream);
        assert!(network.send_data(0, b"data"));
    }
    assert_eq!(network.hosts[0].agent.local_ufrags().count(), 2);
    assert_eq!(network.hosts[0].agent.pairs().count(), 1);
}
