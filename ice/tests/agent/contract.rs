//! The clauses of the contract that all engines keep.

use std::time::{Duration, Instant};

use peerless_ice::ConnectionState::{Completed, Disconnected, Failed};
use peerless_ice::{Config, Event, Role};
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

use crate::network::{Link, Nat, NatKind, Network, STUN_SERVER, address, ms, seeds};

fn scenario(seed: u64) -> Network {
    // A driver that is seconds late makes a silence of seconds, which is no loss of the path.
    let config = || Config {
        stun_servers: vec![address(STUN_SERVER)],
        disconnected_timeout: Duration::from_secs(15),
        ..Config::default()
    };
    let mut network = Network::new(seed);
    network.add_host(config(), Role::Controlling, &["10.0.0.1:1000", "[2001:db8::1]:1000"]);
    network.add_host(config(), Role::Controlling, &["198.51.100.2:2000"]);
    network.hosts[0].nat = Some(Nat::new(NatKind::PortRestricted, "192.0.2.1"));
    network.link = Link { delay: ms(20), jitter: ms(20), loss: 20, duplication: 20 };
    network
}

#[test]
fn one_seed_repeats_every_byte() {
    let run = |seed| {
        let mut network = scenario(seed);
        network.start();
        network.run_for(ms(30_000));
        network.trace
    };
    for seed in 0..seeds() {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(0), run(1));
}

/// Makes the calls in random order, twice, late, early, and with time stepping back.
fn lazily(network: &mut Network, rng: &mut ChaCha20Rng, until: Instant) {
    while network.now < until {
        let jump = match rng.random_range(0..10) {
            0..=6 => rng.random_range(0..20),
            7 | 8 => rng.random_range(0..200),
            _ => rng.random_range(0..1000),
        };
        network.run_one_lazily(rng, ms(jump));
    }
}

#[test]
fn a_lazy_driver_comes_to_the_same_end() {
    for seed in 0..seeds() * 5 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut network = scenario(seed);
        network.start();
        let until = network.now + Duration::from_secs(20);
        lazily(&mut network, &mut rng, until);
        let events = |host: usize| &network.hosts[host].events;
        assert!(network.both(Completed), "seed {seed}: {:#?} {:#?}", events(0), events(1));
        let [a, z] = [0, 1].map(|host| {
            let host = &network.hosts[host];
            let pair = host.agent.selected_pair(host.component()).unwrap();
            (pair.mapped_address.unwrap(), pair.path.remote)
        });
        assert_eq!((a.0, a.1), (z.1, z.0), "seed {seed}");
        // What was told is what is true, and only changes were told.
        for host in &network.hosts {
            let states: Vec<_> = host
                .events
                .iter()
                .filter_map(|(_, event)| match event {
                    Event::StateChange(state) => Some(*state),
                    _ => None,
                })
                .collect();
            assert_eq!(states.last(), Some(&Completed), "seed {seed}");
            assert!(states.windows(2).all(|pair| pair[0] != pair[1]), "seed {seed}: {states:?}");
            assert!(!states.contains(&Failed) && !states.contains(&Disconnected), "seed {seed}");
        }
    }
}

#[test]
fn poll_timeout_is_never_late_and_never_spins() {
    for seed in 0..seeds() {
        let mut network = scenario(seed);
        network.start();
        let mut buf = Vec::new();
        let mut calls = 0;
        let mut silent_until = None;
        while network.elapsed() < Duration::from_secs(60) {
            calls += 1;
            for host in &mut network.hosts {
                // Before its timeout an agent has nothing to send and nothing to tell.
                let before = network.now.checked_sub(ms(0)).unwrap();
                if host.agent.poll_timeout().is_none_or(|at| at > before) {
                    assert!(host.agent.poll_transmit(before, &mut buf).is_none(), "seed {seed}");
                }
            }
            network.drain();
            for host in &network.hosts {
                // After a full drain the next timeout is in the future.
                assert!(host.agent.poll_timeout().is_none_or(|at| at > network.now), "seed {seed}");
            }
            let until = *silent_until.insert(network.now + Duration::from_secs(10));
            network.step(until);
        }
        assert!(calls < 1000, "seed {seed}: {calls} rounds");
    }
}

#[test]
fn an_older_time_is_read_as_the_newest() {
    let mut network = Network::pair(3);
    network.start();
    assert!(network.run_until(ms(2000), |network| network.both(Completed)));
    network.run_for(ms(1000));
    let agent = &mut network.hosts[0].agent;
    let (timeout, past) = (agent.poll_timeout(), network.start);
    agent.handle_timeout(past);
    let mut buf = Vec::new();
    assert!(agent.poll_transmit(past, &mut buf).is_none());
    assert_eq!(agent.poll_timeout(), timeout);
    assert_eq!(agent.state(), Completed);
}

#[test]
fn an_idle_agent_touches_nothing() {
    // 10,000 idle agents: early calls of all three kinds cost a comparison each.
    let mut network = Network::pair(4);
    network.start();
    assert!(network.run_until(ms(2000), |network| network.both(Completed)));
    network.run_for(ms(1000));
    let now = network.now;
    let agent = &mut network.hosts[0].agent;
    let mut buf = Vec::new();
    for _ in 0..1_000_000 {
        agent.handle_timeout(now);
        assert!(agent.poll_transmit(now, &mut buf).is_none());
        assert!(agent.poll_event().is_none());
        assert!(agent.poll_timeout().is_some());
    }
}

#[test]
fn every_call_is_legal_at_any_time() {
    let mut network = Network::pair(5);
    let now = network.now;
    let stream = network.hosts[0].stream;
    let agent = &mut network.hosts[0].agent;
    agent.remove_stream(now, stream);
    agent.restart(now, stream);
    agent.add_local_address(
        now,
        peerless_ice::ComponentId { stream, component: 9 },
        address("192.0.2.1:1"),
    );
    agent.remove_local_address(now, address("192.0.2.1:1"));
    agent.finish_gathering(now);
    agent.close(now);
    agent.close(now);
    let again = agent.add_stream(now, 0);
    agent.restart(now, again);
    let mut buf = Vec::new();
    assert!(agent.poll_transmit(now, &mut buf).is_none());
    agent.handle_timeout(now + Duration::from_secs(1_000_000));
}

fn with_durations(duration: Duration) -> Config {
    Config {
        stun_servers: vec![address(STUN_SERVER)],
        pacing: duration,
        first_retransmission: duration,
        min_retransmission: duration,
        max_retransmission: duration,
        patience: duration,
        nomination_delay: duration,
        keepalive: duration,
        consent_interval: duration,
        consent_timeout: duration,
        consent_retry: duration,
        disconnected_timeout: duration,
        linger: duration,
        ..Config::default()
    }
}

/// "Never" and "at once" are times like others.
#[test]
fn extreme_durations_neither_panic_nor_spin() {
    let soon = Config {
        patience: ms(1000),
        consent_timeout: Duration::from_secs(30),
        ..with_durations(Duration::ZERO)
    };
    let never = with_durations(Duration::MAX);
    for (config, works) in [(never, true), (soon, true), (with_durations(Duration::ZERO), false)] {
        for lite in [false, true] {
            let mut network = Network::new(6);
            network.link.delay = ms(1);
            network.add_host(config.clone(), Role::Controlling, &["192.0.2.1:1000"]);
            let config = Config { lite, ..config.clone() };
            network.add_host(config, Role::Controlled, &["198.51.100.2:2000"]);
            network.start();
            for _ in 0..2 {
                network.run_for(ms(2000));
                for host in &network.hosts {
                    let path = host.agent.send_path(host.component());
                    assert_eq!(path.is_some(), works, "{:?}", host.state());
                    assert!(host.sent < 10_000, "{}", host.sent);
                }
                let (now, stream) = (network.now, network.hosts[0].stream);
                network.hosts[0].agent.restart(now, stream);
                network.give_credentials(0, 1);
                network.give_credentials(1, 0);
            }
            network.blackout = true;
            network.run_for(Duration::from_secs(100));
            network.run_for(Duration::from_secs(100));
        }
    }
}

/// Commands, datagrams and time in any order: nothing panics, every drain ends, and after it no
/// agent asks to be called at once.
#[test]
fn commands_in_any_order_never_stall_and_never_spin() {
    for seed in 0..seeds() * 5 {
        let mut network = scenario(seed);
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x5eed);
        let addresses = ["10.0.0.1:1000", "[2001:db8::1]:1000", "198.51.100.2:2000", "10.0.0.1:7"];
        let mut streams = vec![network.hosts[0].stream];
        for _ in 0..200 {
            let host = rng.random_range(0..2usize);
            let now = network.now;
            let stream = streams[rng.random_range(0..streams.len())];
            let local = address(addresses[rng.random_range(0..addresses.len())]);
            let component = peerless_ice::ComponentId { stream, component: rng.random_range(0..3) };
            let credentials = network.hosts[1 - host].agent.local_credentials(stream).cloned();
            let agent = &mut network.hosts[host].agent;
            match rng.random_range(0..20) {
                0 => agent.restart(now, stream),
                1 => drop(agent.cancel_restart(now, stream)),
                2..=4 => {
                    if let Some(credentials) = credentials {
                        agent.set_remote_credentials(now, stream, credentials);
                    }
                }
                5..=7 => agent.add_local_address(now, component, local),
                8 => agent.remove_local_address(now, local),
                9 => agent.add_server_reflexive_address(now, local, address("192.0.2.1:40001")),
                10 => agent.finish_gathering(now),
                11 => agent.set_role(now, Role::Controlling),
                12 => agent.set_role(now, Role::Controlled),
                13 => agent.set_remote_lite(rng.random()),
                14 => agent.end_of_remote_candidates(now, stream),
                15 if streams.len() < 4 => streams.push(agent.add_stream(now, 2)),
                16 => agent.remove_stream(now, stream),
                17 => {
                    let candidate = peerless_ice::Candidate {
                        foundation: rng.random_range(0..3u8).to_string(),
                        ..peerless_ice::Candidate::host(component.component.max(1), local)
                    };
                    agent.add_remote_candidate(now, stream, candidate);
                }
                18 => network.blackout = rng.random(),
                _ => network.now += Duration::from_secs(rng.random_range(0..100)),
            }
            let before: usize = network.hosts.iter().map(|host| host.sent).sum();
            if rng.random() {
                network.run_for(ms(rng.random_range(0..300)));
            }
            for host in &mut network.hosts {
                host.agent.handle_timeout(network.now);
            }
            network.drain();
            for host in &network.hosts {
                assert!(host.agent.poll_timeout().is_none_or(|at| at > network.now), "seed {seed}");
            }
            let sent: usize = network.hosts.iter().map(|host| host.sent).sum();
            assert!(sent - before < 500, "seed {seed}: {}", sent - before);
        }
    }
}
