//! What is told of the paths on which data is accepted.

use peerless_ice::{Agent, Config, Event, FiveTuple, PathProof};

use crate::bounds::Bench;
use crate::network::{Network, address, ms};

/// What an agent tells of its paths: the remote port, and what proved it, if it is not gone.
fn told(agent: &mut Agent) -> Vec<(u16, Option<PathProof>)> {
    std::iter::from_fn(|| agent.poll_event())
        .filter_map(|event| match event {
            Event::PathValidated(path, _, proof) => Some((path.remote.port(), Some(proof))),
            Event::PathGone(path, _) => Some((path.remote.port(), None)),
            _ => None,
        })
        .collect()
}

fn proofs(network: &Network, host: usize) -> Vec<PathProof> {
    let events = network.hosts[host].events.iter();
    let proofs = events.filter_map(|(_, event)| match event {
        Event::PathValidated(_, _, proof) => Some(*proof),
        _ => None,
    });
    proofs.collect()
}

#[test]
fn a_path_is_told_again_when_an_answer_confirms_what_a_request_said() {
    let mut network = Network::pair(1);
    network.start();
    network.run_for(ms(20_000));
    let mut all = [proofs(&network, 0), proofs(&network, 1)];
    all.sort();
    // A → check → Z, which has it from a request; A has its answer first.
    assert_eq!(all[0], [PathProof::Request, PathProof::Response]);
    assert!(all[1].ends_with(&[PathProof::Response]), "{all:?}");
}

#[test]
fn a_restart_tells_again_and_takes_nothing_back_that_it_uses() {
    let mut network = Network::pair(1);
    network.start();
    network.run_for(ms(2000));
    let told = proofs(&network, 0).len();
    let (now, stream) = (network.now, network.hosts[0].stream);
    network.hosts[0].agent.restart(now, stream);
    network.exchange_credentials();
    network.run_for(ms(20_000));
    let after = &proofs(&network, 0)[told..];
    assert_eq!(after.last(), Some(&PathProof::Response), "{after:?}");
    let gone = |(_, event): &(_, Event)| matches!(event, Event::PathGone(..));
    assert!(!network.hosts[0].events.iter().any(gone));
}

#[test]
fn a_path_that_makes_room_is_told_and_one_that_was_never_told_is_not() {
    let config = Config { max_paths: 2, ..Config::default() };
    let mut bench = Bench::new(config, true);
    bench.check();
    bench.check();
    let request = Some(PathProof::Request);
    assert_eq!(told(&mut bench.agent), [(1001, request), (1002, request)]);
    // 1003 comes and goes unread.
    bench.now += ms(1);
    bench.check();
    bench.now += ms(1);
    bench.check();
    bench.now += ms(1);
    bench.check();
    assert_eq!(
        told(&mut bench.agent),
        [(1001, None), (1002, None), (1004, request), (1005, request)]
    );
}

#[test]
fn what_ends_paths_tells_so() {
    let ends: [fn(&mut Bench); 3] = [
        |bench| bench.agent.remove_stream(bench.now, bench.stream),
        |bench| bench.agent.remove_local_address(bench.now, address("192.0.2.1:1")),
        |bench| bench.agent.close(bench.now),
    ];
    for end in ends {
        let mut bench = Bench::new(Config::default(), true);
        bench.check();
        assert_eq!(told(&mut bench.agent), [(1001, Some(PathProof::Request))]);
        end(&mut bench);
        assert_eq!(told(&mut bench.agent), [(1001, None)]);
    }
}

#[test]
fn the_paths_of_before_a_restart_end_a_while_after_it() {
    let mut network = Network::pair(2);
    network.start();
    network.run_for(ms(2000));
    let old = network.selected(1).unwrap();
    let (now, component) = (network.now, network.hosts[0].component());
    let stream = network.hosts[0].stream;
    network.hosts[0].addresses = vec![address("192.0.2.77:7000")];
    let agent = &mut network.hosts[0].agent;
    agent.remove_local_address(now, old.remote);
    agent.restart(now, stream);
    agent.add_local_address(now, component, address("192.0.2.77:7000"));
    network.give_credentials(0, 1);
    network.give_credentials(1, 0);
    network.run_for(ms(2000));
    let gone = |network: &Network| {
        let events = network.hosts[1].events.iter();
        let gone = events.filter_map(|(_, event)| match event {
            Event::PathGone(path, _) => Some(*path),
            _ => None,
        });
        gone.collect::<Vec<FiveTuple>>()
    };
    assert_eq!(gone(&network), []);
    network.run_for(ms(3000));
    assert_eq!(gone(&network), [old]);
}
