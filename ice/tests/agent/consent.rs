//! Paths that fall silent.

use std::time::Duration;

use peerless_ice::ConnectionState::{Completed, Disconnected, Failed};
use peerless_ice::{Config, ConnectionState, Event, Role};

use crate::network::{Network, ms};

fn connected(seed: u64) -> Network {
    let mut network = Network::pair(seed);
    network.start();
    assert!(network.run_until(ms(2000), |network| network.both(Completed)));
    network.run_for(ms(500));
    network
}

fn states(network: &Network, host: usize) -> Vec<ConnectionState> {
    let events = network.hosts[host].events.iter();
    events
        .filter_map(|(_, event)| match event {
            Event::StateChange(state) => Some(*state),
            _ => None,
        })
        .collect()
}

#[test]
fn an_idle_path_costs_a_check_every_four_to_six_seconds() {
    let mut network = connected(1);
    let before = network.hosts[0].sent;
    network.run_for(Duration::from_secs(600));
    // Ours, and the answers to theirs.
    let sent = network.hosts[0].sent - before;
    assert!((200..=300).contains(&sent), "{sent}");
    assert_eq!(states(&network, 0).last(), Some(&Completed));
    let pair = network.hosts[0].agent.selected_pair(network.hosts[0].component()).unwrap();
    assert!((100..=150).contains(&pair.consent_requests_sent));
}

#[test]
fn silence_disconnects_then_fails() {
    let mut network = connected(2);
    network.blackout = true;
    let start = network.elapsed();
    assert!(network.run_until(ms(10_000), |network| network.both(Disconnected)));
    let silent = network.elapsed() - start;
    assert!((ms(4500)..ms(7500)).contains(&silent), "{silent:?}");
    let host = &network.hosts[0];
    assert!(host.agent.send_path(host.component()).is_some(), "consent holds for 30 s");
    assert!(network.run_until(ms(40_000), |network| network.both(Failed)));
    let silent = network.elapsed() - start;
    assert!((ms(24_000)..ms(31_000)).contains(&silent), "{silent:?}");
    for host in &network.hosts {
        assert_eq!(host.agent.send_path(host.component()), None);
    }
    assert_eq!(states(&network, 0)[states(&network, 0).len() - 2..], [Disconnected, Failed]);
    network.run_for(ms(1000));
    let sent = network.hosts[0].sent;
    network.run_for(ms(100_000));
    assert_eq!(network.hosts[0].sent, sent, "a failed agent is silent");
}

/// However long it is set to: "the endpoint MUST cease transmission". A lite agent asks nothing, so
/// that it is called seldom; this is no sleep.
#[test]
fn consent_lasts_for_thirty_seconds_at_most() {
    for lite in [false, true] {
        for disconnected_timeout in [Duration::from_secs(5), Duration::MAX] {
            let mut network = Network::new(2);
            let config = Config {
                consent_timeout: Duration::MAX,
                disconnected_timeout,
                ..Config::default()
            };
            network.add_host(config.clone(), Role::Controlling, &["192.0.2.1:1000"]);
            let config = Config { lite, ..config };
            network.add_host(config, Role::Controlled, &["192.0.2.2:1000"]);
            network.start();
            assert!(network.run_until(ms(2000), |network| network.both(Completed)));
            // From here on the other agent is called when it asks for it, and at no other time.
            let now = network.now;
            network.hosts[0].agent.close(now);
            assert!(
                network.run_until(ms(31_000), |network| network.hosts[1].state() == Failed),
                "lite: {lite}, {disconnected_timeout:?}"
            );
        }
    }
}

/// Nor is an agent asleep for ever that is called late each time: it has its grace once.
#[test]
fn consent_ends_for_an_agent_that_is_always_called_late() {
    for lite in [false, true] {
        let mut network = Network::new(3);
        network.add_host(Config::default(), Role::Controlling, &["192.0.2.1:1000"]);
        let config = Config { lite, ..Config::default() };
        network.add_host(config, Role::Controlled, &["192.0.2.2:1000"]);
        network.start();
        assert!(network.run_until(ms(2000), |network| network.both(Completed)));
        network.run_for(ms(6000));
        network.blackout = true;
        let mut calls = 0;
        while !network.both(Failed) {
            calls += 1;
            assert!(calls <= 5, "lite: {lite}");
            network.now += ms(9000);
            for host in &mut network.hosts {
                host.agent.handle_timeout(network.now);
            }
            network.drain();
        }
    }
}

#[test]
fn a_short_silence_reconnects() {
    let mut network = connected(3);
    network.blackout = true;
    assert!(network.run_until(ms(10_000), |network| network.both(Disconnected)));
    network.blackout = false;
    assert!(network.run_until(ms(3000), |network| network.both(Completed)));
    network.run_for(ms(60_000));
    assert!(network.both(Completed));
}

#[test]
fn data_from_the_other_side_keeps_a_path_connected_until_consent_ends() {
    // Z's answers are lost, Z's data is not.
    let mut network = connected(4);
    network.filter = Box::new(|host, _, contents| host == 0 || contents[0] > 3);
    for _ in 0..200 {
        network.send_data(1, b"data");
        network.run_for(ms(100));
        assert_eq!(network.hosts[0].state(), Completed);
    }
    assert!(network.run_until(ms(12_000), |network| network.hosts[0].state() == Failed));
}

#[test]
fn one_lost_consent_check_is_followed_by_another_soon() {
    let mut network = connected(5);
    let mut lost = false;
    network.filter = Box::new(move |host, _, _| {
        let lose = host == 0 && !lost;
        lost |= lose;
        !lose
    });
    network.run_for(Duration::from_secs(60));
    assert!(!states(&network, 0).contains(&Disconnected));
}

#[test]
fn a_machine_that_slept_asks_before_it_gives_up() {
    let mut network = connected(6);
    // Only A sleeps; Z's clock stands still with it here, so that Z does not give up.
    network.now += Duration::from_secs(7200);
    network.hosts[0].agent.handle_timeout(network.now);
    assert_eq!(network.hosts[0].state(), Completed);
    let before = network.hosts[0].sent;
    network.drain();
    assert_eq!(network.hosts[0].sent, before + 1, "one consent check, at once");
    network.run_for(ms(60_000));
    assert!(network.both(Completed));
    assert!(!states(&network, 0).contains(&Disconnected));
}

#[test]
fn a_machine_that_slept_gives_up_when_nobody_answers() {
    let mut network = connected(7);
    network.blackout = true;
    network.now += Duration::from_secs(7200);
    network.hosts[0].agent.handle_timeout(network.now);
    assert!(network.run_until(ms(10_000), |network| network.hosts[0].state() == Failed));
}

#[test]
fn a_closed_agent_says_nothing_and_the_other_side_notices() {
    let mut network = connected(8);
    let now = network.now;
    network.hosts[0].agent.close(now);
    assert_eq!(network.hosts[0].state(), ConnectionState::Closed);
    assert_eq!(network.hosts[0].agent.poll_timeout(), None);
    let sent = network.hosts[0].sent;
    assert!(network.run_until(ms(40_000), |network| network.hosts[1].state() == Failed));
    assert_eq!(network.hosts[0].sent, sent);
    assert_eq!(states(&network, 0).last(), Some(&ConnectionState::Closed));
}

#[test]
fn nothing_that_works_fails_the_agent_when_patience_ends() {
    let mut network = Network::pair(9);
    network.blackout = true;
    network.start();
    assert!(!network.run_until(ms(39_400), |network| network.hosts[0].state() == Failed));
    assert!(network.run_until(ms(500), |network| network.both(Failed)));
    // Without any candidate at all, too (RFC 8863 §3.1).
    let mut network = Network::pair(10);
    network.trickle = false;
    network.start();
    assert!(!network.run_until(ms(39_400), |network| network.hosts[0].state() == Failed));
    assert!(network.run_until(ms(500), |network| network.both(Failed)));
}
