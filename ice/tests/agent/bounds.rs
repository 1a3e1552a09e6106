//! Every limit of the configuration, at the limit.

use std::net::SocketAddr;
use std::time::Instant;

use peerless_ice::{
    Agent, Candidate, CandidateKind, ComponentId, Config, Credentials, Datagram, FiveTuple, Role,
    StreamId, TransactionId,
};
use stun::{Class, Key, MessageWriter, Method};

use crate::network::{address, epoch};

pub(crate) struct Bench {
    pub(crate) agent: Agent,
    pub(crate) stream: StreamId,
    pub(crate) now: Instant,
    next: u16,
}

impl Bench {
    pub(crate) fn new(config: Config, remote: bool) -> Self {
        let now = epoch();
        let mut agent = Agent::new(config, Role::Controlled, now, [3; 32]);
        let stream = agent.add_stream(now, 1);
        let mut bench = Self { agent, stream, now, next: 0 };
        bench.agent.add_local_address(now, bench.component(), address("192.0.2.1:1"));
        if remote {
            bench.set_remote();
        }
        bench
    }

    fn component(&self) -> ComponentId {
        ComponentId { stream: self.stream, component: 1 }
    }

    fn set_remote(&mut self) {
        let credentials =
            Credentials { ufrag: "them".into(), pwd: "the password of the other side".into() };
        self.agent.set_remote_credentials(self.now, self.stream, credentials);
    }

    fn remote_address(&mut self) -> SocketAddr {
        self.next += 1;
        SocketAddr::new([198, 51, 100, (self.next >> 8) as u8].into(), 1000 + self.next)
    }

    fn add_remote(&mut self, kind: CandidateKind) {
        let candidate = Candidate {
            kind,
            foundation: self.next.to_string(),
            ..Candidate::host(1, self.remote_address())
        };
        self.agent.add_remote_candidate(self.now, self.stream, candidate);
    }

    /// An authentic check from a new address.
    pub(crate) fn check(&mut self) {
        let from = self.remote_address();
        let ours = self.agent.local_credentials(self.stream).unwrap().clone();
        let mut id = [0; 12];
        id[..2].copy_from_slice(&self.next.to_be_bytes());
        let mut buf = Vec::new();
        MessageWriter::new(&mut buf, Class::Request, Method::Binding, TransactionId::new(id))
            .username(&format!("{}:them", ours.ufrag))
            .priority(1)
            .ice_controlling(0)
            .integrity(&Key::short_term(&ours.pwd))
            .fingerprint()
            .finish();
        let path = FiveTuple::udp(address("192.0.2.1:1"), from);
        self.agent.handle_datagram(self.now, Datagram::new(path, &mut buf));
    }
}

/// Whatever kind the other side says they are; and discoveries have places of their own.
#[test]
fn remote_candidates_are_bounded() {
    for kind in [
        CandidateKind::Host,
        CandidateKind::ServerReflexive,
        CandidateKind::PeerReflexive,
        CandidateKind::Relayed,
    ] {
        let mut bench = Bench::new(Config::default(), true);
        for _ in 0..1000 {
            bench.add_remote(kind);
        }
        let signalled = bench.agent.remote_candidates(bench.stream).count();
        assert_eq!(signalled, 64, "{kind:?}");
        assert_eq!(bench.agent.counters().ignored_candidates, 936);
        for _ in 0..16 {
            bench.check();
        }
        assert_eq!(bench.agent.counters().ignored_peer_reflexive, 0, "{kind:?}");
        assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 80);
    }
}

#[test]
fn discoveries_that_are_signalled_later_are_bounded() {
    let mut bench = Bench::new(Config::default(), true);
    for _ in 0..1000 {
        bench.check();
        let found = bench.agent.remote_candidates(bench.stream).last().cloned();
        let named = Candidate { kind: CandidateKind::Host, ..found.unwrap() };
        bench.agent.add_remote_candidate(bench.now, bench.stream, named);
    }
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 64 + 16);
}

#[test]
fn pairs_are_bounded_and_the_best_are_kept() {
    let config = Config { max_pairs: 10, ..Config::default() };
    let mut bench = Bench::new(config, true);
    for priority in 1..=30 {
        let candidate = Candidate {
            priority,
            foundation: priority.to_string(),
            ..Candidate::host(1, bench.remote_address())
        };
        bench.agent.add_remote_candidate(bench.now, bench.stream, candidate);
    }
    let kept: Vec<u32> = bench.agent.pairs().map(|pair| pair.remote.priority).collect();
    assert_eq!(kept, (21..=30).rev().collect::<Vec<_>>());
    bench.add_remote(CandidateKind::Host);
    assert_eq!(bench.agent.pairs().count(), 10);
}

#[test]
fn peer_reflexive_candidates_and_paths_are_bounded() {
    let mut bench = Bench::new(Config::default(), true);
    for _ in 0..1000 {
        bench.check();
    }
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 16);
    assert_eq!(bench.agent.counters().ignored_peer_reflexive, 984);
    assert_eq!(bench.agent.proved_paths().count(), 64);
    assert_eq!(bench.agent.pairs().count(), 16);
}

#[test]
fn responses_owed_are_bounded() {
    let mut bench = Bench::new(Config::default(), true);
    for _ in 0..1000 {
        bench.check();
    }
    assert_eq!(bench.agent.counters().dropped_responses, 936);
    let mut buf = Vec::new();
    let mut sent = 0;
    while bench.agent.poll_transmit(bench.now, &mut buf).is_some() {
        sent += 1;
    }
    assert_eq!(sent, 64 + 16, "the answers, and a check of each pair");
}

#[test]
fn early_checks_are_bounded() {
    let mut bench = Bench::new(Config::default(), false);
    for _ in 0..100 {
        bench.check();
    }
    assert_eq!(bench.agent.counters().dropped_early_checks, 84);
    bench.set_remote();
    assert_eq!(bench.agent.pairs().count(), 16);
}

#[test]
fn local_candidates_are_bounded() {
    let mut bench = Bench::new(Config::default(), true);
    for port in 2..100 {
        let local = SocketAddr::new([192, 0, 2, 1].into(), port);
        bench.agent.add_local_address(bench.now, bench.component(), local);
        bench.agent.add_server_reflexive_address(bench.now, local, address("203.0.113.5:5"));
    }
    assert_eq!(bench.agent.local_candidates(bench.stream).count(), 32);
}

#[test]
fn stun_servers_are_bounded() {
    let stun_servers = (1..100).map(|n| SocketAddr::new([203, 0, 113, n].into(), 3478)).collect();
    let mut bench = Bench::new(Config { stun_servers, ..Config::default() }, false);
    let mut asked = std::collections::BTreeSet::new();
    let mut buf = Vec::new();
    for _ in 0..100 {
        bench.now += std::time::Duration::from_millis(50);
        while let Some(transmit) = bench.agent.poll_transmit(bench.now, &mut buf) {
            asked.insert(transmit.path.remote);
        }
    }
    assert_eq!(asked.len(), 8);
}

#[test]
fn events_are_bounded_without_a_reader() {
    let mut bench = Bench::new(Config::default(), true);
    for _ in 0..1000 {
        bench.agent.set_role(bench.now, Role::Controlling);
        bench.agent.set_role(bench.now, Role::Controlled);
        bench.check();
        bench.agent.restart(bench.now, bench.stream);
        bench.set_remote();
    }
    let events = std::iter::from_fn(|| bench.agent.poll_event()).count();
    assert!(events < 100, "{events}");
}

#[test]
fn useless_candidates_are_ignored() {
    let mut bench = Bench::new(Config::default(), true);
    for line in [
        "1 1 tcp 5 192.0.2.9 9 typ host tcptype active",
        "1 2 udp 5 192.0.2.9 9 typ host",
        "1 1 udp 5 0.0.0.0 9 typ host",
        "1 1 udp 5 192.0.2.9 0 typ host",
        "1 1 udp 5 192.0.2.9 9 typ host ufrag other",
    ] {
        bench.agent.add_remote_candidate(bench.now, bench.stream, line.parse().unwrap());
    }
    assert_eq!(bench.agent.counters().ignored_candidates, 5);
    for line in [
        "1 1 udp 5 2001:db8::9 9 typ host",
        "1 1 udp 5 169.254.1.1 9 typ host",
        "1 1 udp 5 f00.local 9 typ host",
    ] {
        bench.agent.add_remote_candidate(bench.now, bench.stream, line.parse().unwrap());
    }
    assert_eq!(bench.agent.counters().ignored_candidates, 5);
    assert_eq!(bench.agent.pairs().count(), 0, "nothing of ours suits them");
}
