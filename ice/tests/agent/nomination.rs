//! Pairs that the other side nominates.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use peerless_ice::ConnectionState::{Completed, Connected, Failed};
use peerless_ice::{
    Agent, Candidate, ComponentId, Config, ConnectionState, Datagram, Event, FiveTuple, Role,
    StreamId, TransactionId,
};
use stun::{Class, Key, Message, MessageWriter, Method};

use crate::network::{address, epoch, ms};

/// A controlling peer that nominates as it likes, as libwebrtc does.
struct Aggressor {
    agent: Agent,
    stream: StreamId,
    now: Instant,
    next: u8,
    /// Where it can not be reached any more.
    gone: BTreeSet<&'static str>,
    seen: Vec<ConnectionState>,
}

const PASSWORD: &str = "the password of the other side";

impl Aggressor {
    fn new() -> Self {
        Self::against(Config::default())
    }

    fn against(config: Config) -> Self {
        let now = epoch();
        let mut agent = Agent::new(config, Role::Controlled, now, [5; 32]);
        let stream = agent.add_stream(now, 1);
        agent.add_local_address(now, ComponentId { stream, component: 1 }, address("192.0.2.1:1"));
        let theirs = peerless_ice::Credentials { ufrag: "them".into(), pwd: PASSWORD.into() };
        agent.set_remote_credentials(now, stream, theirs);
        Self { agent, stream, now, next: 0, gone: BTreeSet::new(), seen: Vec::new() }
    }

    fn receive(&mut self, from: &str, bytes: &mut [u8]) {
        let path = FiveTuple::udp(address("192.0.2.1:1"), address(from));
        self.agent.handle_datagram(self.now, Datagram::new(path, bytes));
    }

    /// Sends a check with USE-CANDIDATE, and answers all checks that come.
    fn nominate(&mut self, from: &str, priority: u32) {
        self.check(from, priority, true);
    }

    fn check(&mut self, from: &str, priority: u32, nominates: bool) {
        self.next += 1;
        let ours = self.agent.local_credentials(self.stream).unwrap().clone();
        let id = TransactionId::new([self.next; 12]);
        let mut buf = Vec::new();
        let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Binding, id)
            .username(&format!("{}:them", ours.ufrag))
            .priority(priority)
            .ice_controlling(u64::MAX);
        if nominates {
            writer = writer.use_candidate();
        }
        writer.integrity(&Key::short_term(&ours.pwd)).fingerprint().finish();
        self.receive(from, &mut buf);
        self.answer();
    }

    fn answer(&mut self) {
        let mut buf = Vec::new();
        while let Some(transmit) = self.agent.poll_transmit(self.now, &mut buf) {
            let message = Message::parse(transmit.contents).unwrap();
            let remote = transmit.path.remote;
            if message.class() == Class::Request && !self.gone.contains(remote.to_string().as_str())
            {
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

    /// Lets time pass; what comes is answered.
    fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(next) = self.agent.poll_timeout().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.agent.handle_timeout(self.now);
            self.answer();
            self.seen.push(self.agent.state());
        }
        self.now = until;
    }

    /// Checks from one address only, for longer than consent lasts: the agent must be well with it.
    fn stays_on(&mut self, address: &'static str) {
        for _ in 0..10 {
            self.run_for(ms(5000));
            self.check(address, 100, false);
        }
        assert!(!self.seen.contains(&Failed));
        assert_eq!(self.agent.state(), Completed);
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

/// Whoever sends on a path must learn that there is another one, also where nobody has nominated it.
#[test]
fn a_path_that_changes_before_its_nomination_is_told() {
    let mut peer = Aggressor::new();
    let component = ComponentId { stream: peer.stream, component: 1 };
    let told = |peer: &mut Aggressor| {
        peer.answer();
        std::iter::from_fn(|| peer.agent.poll_event())
            .filter(|event| {
                matches!(event, Event::Writable(_) | Event::SelectedPair(_) | Event::PathChange(_))
            })
            .collect::<Vec<_>>()
    };
    for (remote, priority, event) in
        [(MOBILE, 100, Event::Writable(component)), (WIFI, 200, Event::PathChange(component))]
    {
        let candidate = Candidate {
            priority,
            foundation: priority.to_string(),
            ..Candidate::host(1, address(remote))
        };
        peer.agent.add_remote_candidate(peer.now, peer.stream, candidate);
        peer.now += ms(50);
        assert_eq!(told(&mut peer), [event]);
        assert_eq!(peer.agent.send_path(component).unwrap().remote, address(remote));
    }
    peer.nominate(WIFI, 200);
    assert_eq!(told(&mut peer), [Event::SelectedPair(component)], "it is the same path");
    peer.nominate("198.51.100.3:3", 300);
    assert_eq!(told(&mut peer), [Event::SelectedPair(component)], "which says so");
    peer.agent.remove_local_address(peer.now, address("192.0.2.1:1"));
    assert_eq!(told(&mut peer), []);
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

const WIFI: &str = "198.51.100.1:1";
const MOBILE: &str = "198.51.100.2:2";

/// Where the other side goes, a lite agent follows: it asks nothing, so that it has no unanswered
/// check to know by that the better path is gone.
#[test]
fn a_lite_agent_follows_a_worse_nomination_when_the_better_path_falls_silent() {
    let mut peer = Aggressor::against(Config { lite: true, ..Config::default() });
    peer.nominate(WIFI, 200);
    peer.run_for(ms(5000));
    peer.nominate(WIFI, 200);
    peer.nominate(MOBILE, 100);
    assert_eq!(peer.selected(), WIFI, "both are alive");
    for _ in 0..2 {
        peer.run_for(ms(5000));
        peer.nominate(MOBILE, 100);
    }
    assert_eq!(peer.selected(), MOBILE);
    peer.stays_on(MOBILE);
}

/// It may say so once only.
#[test]
fn a_nomination_that_was_kept_back_is_followed_when_the_better_path_is_lost() {
    for lite in [false, true] {
        let mut peer = Aggressor::against(Config { lite, ..Config::default() });
        peer.nominate(WIFI, 200);
        peer.nominate(MOBILE, 100);
        assert_eq!(peer.selected(), WIFI);
        peer.gone.insert(WIFI);
        for _ in 0..3 {
            peer.run_for(ms(5000));
            peer.check(MOBILE, 100, false);
        }
        assert_eq!(peer.selected(), MOBILE, "lite: {lite}");
        peer.stays_on(MOBILE);
    }
}

/// Of a long call each new path is a discovery, and there is room for sixteen.
#[test]
fn places_of_discoveries_are_given_back() {
    let mut peer = Aggressor::new();
    let mut priority = 1000;
    for port in 1..=40 {
        priority += 1;
        let from = format!("198.51.100.3:{port}");
        peer.nominate(&from, priority);
        assert_eq!(peer.selected(), from);
    }
    // Whoever has seen a check can send it again from addresses of his; nobody answers ours there.
    for port in 1..=16 {
        let from: &'static str = Box::leak(format!("203.0.113.9:{port}").into_boxed_str());
        peer.gone.insert(from);
        peer.nominate(from, 100);
    }
    peer.run_for(ms(15_000));
    peer.nominate(MOBILE, 2000);
    assert_eq!(peer.selected(), MOBILE);
    assert_eq!(peer.agent.remote_candidates(peer.stream).count(), 1);
}

#[test]
fn no_two_discoveries_have_one_foundation() {
    let mut peer = Aggressor::new();
    for port in 1..=3 {
        peer.check(&format!("198.51.100.3:{port}"), port, false);
    }
    let signalled = Candidate::host(1, address("198.51.100.3:1"));
    peer.agent.add_remote_candidate(peer.now, peer.stream, signalled);
    peer.check("198.51.100.3:4", 4, false);
    let candidates = peer.agent.remote_candidates(peer.stream);
    let foundations: BTreeSet<_> = candidates.map(|own| own.foundation.clone()).collect();
    assert_eq!(foundations.len(), 4, "{foundations:?}");
}

/// Also where nobody has noticed before consent ends.
#[test]
fn a_nomination_that_was_kept_back_is_followed_when_consent_ends() {
    let timeout = Duration::from_secs(10);
    let mut peer = Aggressor::against(Config {
        consent_timeout: timeout,
        disconnected_timeout: timeout,
        ..Config::default()
    });
    peer.nominate(WIFI, 200);
    peer.gone.insert(WIFI);
    peer.run_for(ms(1000));
    peer.nominate(MOBILE, 100);
    assert_eq!(peer.selected(), WIFI);
    peer.run_for(timeout);
    assert_eq!(peer.selected(), MOBILE);
    assert!(!peer.seen.contains(&Failed));
}
