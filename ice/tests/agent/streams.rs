//! More than one stream, more than one component, more than one nomination.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerless_ice::ConnectionState::{Completed, Connected};
use peerless_ice::{
    Agent, Candidate, ComponentId, Config, Datagram, Event, FiveTuple, PairState, Role, StreamId,
    TransactionId,
};
use stun::{Class, Key, Message, MessageWriter, Method};

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

/// A controlling peer that nominates as it likes, as libwebrtc does.
struct Aggressor {
    agent: Agent,
    stream: StreamId,
    now: Instant,
    next: u8,
}

const PASSWORD: &str = "the password of the other side";

impl Aggressor {
    fn new() -> Self {
        let now = epoch();
        let mut agent = Agent::new(Config::default(), Role::Controlled, now, [5; 32]);
        let stream = agent.add_stream(now, 1);
        agent.add_local_address(now, ComponentId { stream, component: 1 }, address("192.0.2.1:1"));
        let theirs = peerless_ice::Credentials { ufrag: "them".into(), pwd: PASSWORD.into() };
        agent.set_remote_credentials(now, stream, theirs);
        Self { agent, stream, now, next: 0 }
    }

    fn receive(&mut self, from: &str, bytes: &mut [u8]) {
        let path = FiveTuple::udp(address("192.0.2.1:1"), address(from));
        self.agent.handle_datagram(self.now, Datagram::new(path, bytes));
    }

    /// Sends a check with USE-CANDIDATE, and answers all checks that come.
    fn nominate(&mut self, from: &str, priority: u32) {
        self.next += 1;
        let ours = self.agent.local_credentials(self.stream).unwrap().clone();
        let id = TransactionId::new([self.next; 12]);
        let mut buf = Vec::new();
        MessageWriter::new(&mut buf, Class::Request, Method::Binding, id)
            .username(&format!("{}:them", ours.ufrag))
            .priority(priority)
            .ice_controlling(u64::MAX)
            .use_candidate()
            .integrity(&Key::short_term(&ours.pwd))
            .fingerprint()
            .finish();
        self.receive(from, &mut buf);
        self.answer();
    }

    fn answer(&mut self) {
        let mut buf = Vec::new();
        while let Some(transmit) = self.agent.poll_transmit(self.now, &mut buf) {
            let message = Message::parse(transmit.contents).unwrap();
            let remote = transmit.path.remote;
            if message.class() == Class::Request {
                let mut response = Vec::new();
                MessageWriter::new(
                    &mut response,
                    Class::SuccessResponse,
                    Method::Binding,
                    message.transaction_id(),
                )
                .xor_mapped_address(address("192.0.2.1:1"))
                .integrity(&Key::short_term(PASSWORD))
                .fingerprint()
                .finish();
                let path = FiveTuple::udp(address("192.0.2.1:1"), remote);
                self.agent.handle_datagram(self.now, Datagram::new(path, &mut response));
            }
            buf.clear();
        }
    }

    fn selected(&self) -> String {
        let component = ComponentId { stream: self.stream, component: 1 };
        self.agent.selected_pair(component).unwrap().path.remote.to_string()
    }
}

#[test]
fn of_several_nominations_the_best_pair_wins() {
    let mut peer = Aggressor::new();
    peer.nominate("198.51.100.1:1", 100);
    assert_eq!(peer.agent.state(), Completed);
    assert_eq!(peer.selected(), "198.51.100.1:1");
    peer.nominate("198.51.100.2:2", 200);
    assert_eq!(peer.selected(), "198.51.100.2:2");
    peer.nominate("198.51.100.3:3", 50);
    assert_eq!(peer.selected(), "198.51.100.2:2");
    peer.nominate("198.51.100.1:1", 100);
    assert_eq!(peer.selected(), "198.51.100.2:2");
}

#[test]
fn a_worse_pair_replaces_a_silent_one() {
    let mut peer = Aggressor::new();
    peer.nominate("198.51.100.1:1", 100);
    // The consent check at 4 to 6 s is not answered.
    peer.now += ms(6500);
    peer.agent.handle_timeout(peer.now);
    let mut buf = Vec::new();
    assert!(peer.agent.poll_transmit(peer.now, &mut buf).is_some());
    peer.nominate("198.51.100.2:2", 50);
    assert_eq!(peer.selected(), "198.51.100.2:2");
}

#[test]
fn a_controlled_agent_waits_for_the_nomination_and_sends_meanwhile() {
    let mut peer = Aggressor::new();
    let candidate = Candidate::host(1, address("198.51.100.1:1"));
    peer.agent.add_remote_candidate(peer.now, peer.stream, candidate);
    peer.answer();
    assert_eq!(peer.agent.state(), Connected);
    let component = ComponentId { stream: peer.stream, component: 1 };
    assert!(peer.agent.send_path(component).is_some());
    assert!(peer.agent.selected_pair(component).is_none());
    for _ in 0..1000 {
        peer.now = peer.agent.poll_timeout().unwrap();
        peer.agent.handle_timeout(peer.now);
        peer.answer();
    }
    assert_eq!(peer.agent.state(), Connected, "consent is kept without nomination");
    peer.nominate("198.51.100.1:1", 100);
    assert_eq!(peer.agent.state(), Completed);
}

#[test]
fn a_signalled_candidate_takes_the_place_of_its_discovery() {
    let mut peer = Aggressor::new();
    peer.nominate("198.51.100.1:1", 100);
    let line = "candidate:77 1 udp 2130706431 198.51.100.1 1 typ host";
    peer.agent.add_remote_candidate(peer.now, peer.stream, line.parse().unwrap());
    let remotes: Vec<_> =
        peer.agent.remote_candidates(peer.stream).map(ToString::to_string).collect();
    assert_eq!(remotes, [line]);
    let pair = peer.agent.pairs().next().unwrap();
    assert_eq!(pair.remote.priority, 2_130_706_431);
}
