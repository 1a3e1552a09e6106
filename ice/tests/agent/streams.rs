//! More than one stream, more than one component.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerless_ice::ConnectionState::Completed;
use peerless_ice::{
    Agent, Candidate, ComponentId, Config, Datagram, Event, FiveTuple, PairState, Role, StreamId,
};

use crate::network::{address, epoch, ms};

/// Two agents on one link of 10 ms, each component on a socket of its own.
struct Two {
    agents: [Agent; 2],
    now: Instant,
    in_flight: BTreeMap<(Instant, u64), (usize, FiveTuple, Vec<u8>)>,
    sent: Vec<(Duration, usize, FiveTuple)>,
    start: Instant,
    sequence: u64,
}

impl Two {
    fn new() -> Self {
        let now = epoch();
        let agents = [(Role::Controlling, [1; 32]), (Role::Controlled, [2; 32])]
            .map(|(role, seed)| Agent::new(Config::default(), role, now, seed));
        Self { agents, now, start: now, in_flight: BTreeMap::new(), sent: Vec::new(), sequence: 0 }
    }

    fn add_stream(&mut self, components: u8, port: u16) -> StreamId {
        let mut id = None;
        for (index, agent) in self.agents.iter_mut().enumerate() {
            let stream = agent.add_stream(self.now, components);
            for component in 1..=components {
                let local = SocketAddr::new(
                    [192, 0, 2, index as u8 + 1].into(),
                    port + u16::from(component),
                );
                agent.add_local_address(self.now, ComponentId { stream, component }, local);
            }
            id = Some(stream);
        }
        id.unwrap()
    }

    fn exchange(&mut self, stream: StreamId) {
        for [from, to] in [[0, 1], [1, 0]] {
            let agent = &mut self.agents[from];
            agent.finish_gathering(self.now);
            let credentials = agent.local_credentials(stream).unwrap().clone();
            let candidates: Vec<Candidate> = agent.local_candidates(stream).cloned().collect();
            let other = &mut self.agents[to];
            other.set_remote_credentials(self.now, stream, credentials);
            for candidate in candidates {
                other.add_remote_candidate(self.now, stream, candidate);
            }
            other.end_of_remote_candidates(self.now, stream);
        }
    }

    fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            for index in [0, 1] {
                let mut buf = Vec::new();
                while let Some(transmit) = self.agents[index].poll_transmit(self.now, &mut buf) {
                    let path = transmit.path;
                    self.sent.push((self.now - self.start, index, path));
                    let path = FiveTuple::udp(path.remote, path.local);
                    let entry = (1 - index, path, transmit.contents.to_vec());
                    self.sequence += 1;
                    self.in_flight.insert((self.now + ms(10), self.sequence), entry);
                    buf.clear();
                }
            }
            let arrival = self.in_flight.keys().next().map(|(at, _)| *at);
            let timeouts = self.agents.iter().filter_map(Agent::poll_timeout);
            let Some(next) = timeouts.chain(arrival).min().filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.in_flight.first_entry()
                && entry.key().0 <= self.now
            {
                let (host, path, mut contents) = entry.remove();
                let datagram = Datagram::new(path, contents.as_mut_slice());
                assert!(self.agents[host].handle_datagram(self.now, datagram).is_none());
            }
            self.agents.iter_mut().for_each(|agent| agent.handle_timeout(self.now));
        }
        self.now = until;
    }
}

#[test]
fn streams_and_components_complete_one_after_the_other() {
    let mut two = Two::new();
    let first = two.add_stream(2, 1000);
    let second = two.add_stream(1, 2000);
    two.exchange(first);
    two.run_for(ms(1000));
    for agent in &two.agents {
        assert_eq!(agent.stream_state(first), Some(Completed));
        assert_ne!(agent.state(), Completed, "the second stream has not begun");
    }
    two.exchange(second);
    two.run_for(ms(1000));
    for agent in &mut two.agents {
        assert_eq!(agent.state(), Completed);
        let selected: Vec<_> = std::iter::from_fn(|| agent.poll_event())
            .filter(|event| matches!(event, Event::SelectedPair(_)))
            .collect();
        assert_eq!(selected.len(), 3);
        assert_eq!(agent.pairs().count(), 3);
    }
    let component = ComponentId { stream: first, component: 2 };
    let path = two.agents[0].send_path(component).unwrap();
    assert_eq!(path, FiveTuple::udp(address("192.0.2.1:1002"), address("192.0.2.2:1002")));

    two.agents[0].remove_stream(two.now, first);
    assert_eq!(two.agents[0].send_path(component), None);
    assert_eq!(two.agents[0].state(), Completed);
    assert_eq!(two.agents[0].proved_paths().count(), 1);
}

/// The limit of pairs is for all together, and yet each has some.
#[test]
fn more_streams_than_pairs_complete() {
    let mut two = Two::new();
    let streams: Vec<_> = (0..120).map(|n| two.add_stream(1, 1000 + n)).collect();
    for stream in streams {
        two.exchange(stream);
    }
    two.run_for(ms(20_000));
    for agent in &two.agents {
        assert_eq!(agent.state(), Completed);
        assert_eq!(agent.counters().ignored_pairs, 0);
    }
}

#[test]
fn the_second_component_waits_for_the_first_of_its_foundation() {
    let mut two = Two::new();
    let stream = two.add_stream(2, 1000);
    two.exchange(stream);
    let states: Vec<_> = two.agents[0].pairs().map(|pair| pair.state).collect();
    assert_eq!(states, [PairState::Waiting, PairState::Frozen]);
    two.run_for(ms(15));
    let states: Vec<_> = two.agents[0].pairs().map(|pair| pair.state).collect();
    assert_eq!(states, [PairState::InProgress, PairState::Frozen]);
    // The answer after 20 ms lets it go.
    two.run_for(ms(6));
    assert_ne!(two.agents[0].pairs().nth(1).unwrap().state, PairState::Frozen);
}

#[test]
fn new_checks_leave_one_by_one() {
    let mut two = Two::new();
    let stream = two.add_stream(1, 1000);
    let credentials = two.agents[1].local_credentials(stream).unwrap().clone();
    two.agents[0].set_remote_credentials(two.now, stream, credentials);
    for port in 1..=20u16 {
        let candidate = Candidate {
            foundation: port.to_string(),
            ..Candidate::host(1, SocketAddr::new([203, 0, 113, 9].into(), port))
        };
        two.agents[0].add_remote_candidate(two.now, stream, candidate);
    }
    two.run_for(ms(1000));
    let mut first: BTreeMap<FiveTuple, Duration> = BTreeMap::new();
    for (at, _, path) in &two.sent {
        first.entry(*path).or_insert(*at);
    }
    let mut times: Vec<_> = first.into_values().collect();
    times.sort();
    assert_eq!(times, (0..20).map(|n| ms(50 * n)).collect::<Vec<_>>());
    // Each is sent again after 250 ms, and after 500 more.
    let again: Vec<_> = two.sent.iter().filter(|(_, _, path)| *path == two.sent[0].2).collect();
    assert_eq!(again.iter().map(|(at, _, _)| *at).collect::<Vec<_>>(), [ms(0), ms(250), ms(750)]);
}
