//! What strangers send changes nothing.

use std::net::SocketAddr;

use peerless_ice::{
    Agent, Config, ConnectionState, Credentials, Datagram, FiveTuple, Role, StreamId, TransactionId,
};
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use stun::{Class, Key, Message, MessageWriter, Method};

use crate::network::{Network, address, epoch, ms};

const OURS: &str = "192.0.2.1:1000";
const THEIRS: &str = "198.51.100.2:2000";

struct Victim {
    agent: Agent,
    stream: StreamId,
    ours: Credentials,
    now: std::time::Instant,
}

impl Victim {
    fn new(role: Role) -> Self {
        let now = epoch();
        let mut agent = Agent::new(Config::default(), role, now, [7; 32]);
        let stream = agent.add_stream(now, 1);
        let component = peerless_ice::ComponentId { stream, component: 1 };
        agent.add_local_address(now, component, address(OURS));
        let ours = agent.local_credentials(stream).unwrap().clone();
        Self { agent, stream, ours, now }
    }

    fn theirs() -> Credentials {
        Credentials { ufrag: "them".into(), pwd: "the password of the other side".into() }
    }

    fn with_remote(role: Role) -> Self {
        let mut victim = Self::new(role);
        victim.agent.set_remote_credentials(victim.now, victim.stream, Self::theirs());
        victim
    }

    fn receive(&mut self, from: SocketAddr, mut bytes: Vec<u8>) -> bool {
        let datagram = Datagram::new(FiveTuple::udp(address(OURS), from), bytes.as_mut_slice());
        self.agent.handle_datagram(self.now, datagram).is_some()
    }

    fn request(
        &self,
        key: &str,
        change: impl FnOnce(MessageWriter<'_>) -> MessageWriter<'_>,
    ) -> Vec<u8> {
        let mut buf = Vec::new();
        let writer = MessageWriter::new(&mut buf, Class::Request, Method::Binding, id(1))
            .username(&format!("{}:them", self.ours.ufrag))
            .ice_controlling(0);
        change(writer).integrity(&Key::short_term(key)).fingerprint().finish();
        buf
    }

    /// Polls everything; returns what was sent.
    fn poll(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let mut buf = Vec::new();
        while let Some(transmit) = self.agent.poll_transmit(self.now, &mut buf) {
            sent.push(transmit.contents.to_vec());
            buf.clear();
        }
        sent
    }
}

fn id(number: u8) -> TransactionId {
    TransactionId::new([number; 12])
}

#[test]
fn requests_without_our_password_change_nothing() {
    let mut victim = Victim::with_remote(Role::Controlled);
    let forged = [
        victim.request("a wrong password", |w| w.priority(1)),
        victim.request(&Victim::theirs().pwd, |w| w.priority(1)),
        {
            let mut buf = Vec::new();
            MessageWriter::new(&mut buf, Class::Request, Method::Binding, id(2))
                .username(&format!("{}:them", victim.ours.ufrag))
                .priority(1)
                .fingerprint()
                .finish();
            buf
        },
        {
            let mut buf = Vec::new();
            MessageWriter::new(&mut buf, Class::Request, Method::Binding, id(3))
                .username("somebody:else")
                .priority(1)
                .integrity(&Key::short_term(&victim.ours.pwd))
                .fingerprint()
                .finish();
            buf
        },
    ];
    for bytes in forged {
        assert!(!victim.receive(address(THEIRS), bytes));
    }
    assert_eq!(victim.agent.counters().unauthenticated, 4);
    assert_eq!(victim.poll().len(), 0);
    assert_eq!(victim.agent.pairs().count(), 0);
    assert_eq!(victim.agent.remote_candidates(victim.stream).count(), 0);
    assert_eq!(victim.agent.proved_paths().count(), 0);
}

#[test]
fn an_authentic_request_is_answered_and_triggers_a_check() {
    let mut victim = Victim::with_remote(Role::Controlled);
    let request = victim.request(&victim.ours.pwd, |w| w.priority(77));
    victim.receive(address(THEIRS), request.clone());
    victim.receive(address(THEIRS), request);
    let sent = victim.poll();
    assert_eq!(sent.len(), 2, "a retransmission is owed no second answer");
    let response = Message::parse(&sent[0]).unwrap();
    assert_eq!(response.class(), Class::SuccessResponse);
    assert_eq!(response.xor_mapped_address(), Some(address(THEIRS)));
    response.check_integrity(&Key::short_term(&victim.ours.pwd)).unwrap();
    let check = Message::parse(&sent[1]).unwrap();
    assert_eq!(check.username(), Some(format!("them:{}", victim.ours.ufrag).as_str()));
    check.check_integrity(&Key::short_term(&Victim::theirs().pwd)).unwrap();
    assert!(check.ice_controlled().is_some() && !check.use_candidate());
    let pair = victim.agent.pairs().next().unwrap();
    assert_eq!(pair.remote.priority, 77);
}

#[test]
fn responses_are_believed_only_with_integrity_and_symmetric_addresses() {
    for forgery in ["no integrity", "wrong key", "wrong source"] {
        let mut victim = Victim::with_remote(Role::Controlling);
        let candidate = peerless_ice::Candidate::host(1, address(THEIRS));
        victim.agent.add_remote_candidate(victim.now, victim.stream, candidate);
        let check = victim.poll().remove(0);
        let id = Message::parse(&check).unwrap().transaction_id();
        assert!(victim.agent.owns_transaction(&id));
        let respond = |key: Option<&str>| {
            let mut buf = Vec::new();
            let mut writer =
                MessageWriter::new(&mut buf, Class::SuccessResponse, Method::Binding, id)
                    .xor_mapped_address(address(OURS));
            if let Some(key) = key {
                writer = writer.integrity(&Key::short_term(key));
            }
            writer.fingerprint().finish();
            buf
        };
        let right = Victim::theirs().pwd;
        match forgery {
            "no integrity" => victim.receive(address(THEIRS), respond(None)),
            "wrong key" => victim.receive(address(THEIRS), respond(Some(&victim.ours.pwd.clone()))),
            _ => victim.receive(address("203.0.113.66:6"), respond(Some(&right))),
        };
        let component = peerless_ice::ComponentId { stream: victim.stream, component: 1 };
        assert_eq!(victim.agent.send_path(component), None, "{forgery}");
        if forgery == "wrong source" {
            // RFC 8445 §7.2.5.2.1
            let pair = victim.agent.pairs().next().unwrap();
            assert_eq!(pair.state, peerless_ice::PairState::Failed);
            assert_eq!(victim.agent.counters().asymmetric_responses, 1);
        } else {
            assert_eq!(victim.agent.counters().unauthenticated, 1);
            victim.receive(address(THEIRS), respond(Some(&right)));
            assert!(victim.agent.send_path(component).is_some(), "the true answer still counts");
        }
    }
}

/// "the response is discarded and the transaction is considered to have failed" (RFC 8489 §6.3.3).
#[test]
fn a_response_with_unknown_required_attributes_fails_its_check() {
    for class in [Class::SuccessResponse, Class::ErrorResponse] {
        let mut victim = Victim::with_remote(Role::Controlling);
        let candidate = peerless_ice::Candidate::host(1, address(THEIRS));
        victim.agent.add_remote_candidate(victim.now, victim.stream, candidate);
        let check = victim.poll().remove(0);
        let id = Message::parse(&check).unwrap().transaction_id();
        let mut response = Vec::new();
        let mut writer = MessageWriter::new(&mut response, class, Method::Binding, id);
        writer = match class {
            Class::SuccessResponse => writer.xor_mapped_address(address(OURS)),
            _ => writer.error_code(500, ""),
        };
        writer
            .attribute(0x0003.into(), b"oops")
            .integrity(&Key::short_term(&Victim::theirs().pwd))
            .fingerprint()
            .finish();
        victim.receive(address(THEIRS), response);
        let pair = victim.agent.pairs().next().unwrap();
        assert_eq!(pair.state, peerless_ice::PairState::Failed, "{class:?}");
        assert_eq!(victim.agent.counters().malformed, 1);
    }
}

#[test]
fn data_comes_back_only_from_proved_paths() {
    let mut victim = Victim::with_remote(Role::Controlled);
    assert!(!victim.receive(address(THEIRS), vec![20, 1, 2, 3]));
    assert_eq!(victim.agent.counters().unproved_paths, 1);
    let request = victim.request(&victim.ours.pwd, |w| w.priority(77));
    victim.receive(address(THEIRS), request);
    assert!(victim.receive(address(THEIRS), vec![20, 1, 2, 3]));
    assert!(!victim.receive(address("198.51.100.2:2001"), vec![20, 1, 2, 3]));
    assert!(victim.receive(address(THEIRS), vec![]));
}

#[test]
fn unknown_required_attributes_are_named_in_the_answer() {
    let mut victim = Victim::with_remote(Role::Controlled);
    let request = victim.request(&victim.ours.pwd, |w| {
        w.priority(1).attribute(0x7fff.into(), b"oops").attribute(0x7ffe.into(), b"")
    });
    victim.receive(address(THEIRS), request);
    let sent = victim.poll();
    assert_eq!(sent.len(), 1);
    let response = Message::parse(&sent[0]).unwrap();
    assert_eq!(response.error_code().unwrap().code, 420);
    assert_eq!(response.unknown_attributes().count(), 2);
    let request = victim.request(&victim.ours.pwd, |w| w);
    victim.receive(address(THEIRS), request);
    let sent = victim.poll();
    assert_eq!(Message::parse(&sent[0]).unwrap().error_code().unwrap().code, 400);
    assert_eq!(victim.agent.pairs().count(), 0);
}

#[test]
fn early_checks_are_answered_and_taken_up_when_the_credentials_come() {
    let mut victim = Victim::new(Role::Controlled);
    let request = victim.request(&victim.ours.pwd, |w| w.priority(77).use_candidate());
    victim.receive(address(THEIRS), request);
    assert_eq!(victim.poll().len(), 1, "the answer");
    assert_eq!(victim.agent.pairs().count(), 0);
    victim.agent.set_remote_credentials(victim.now, victim.stream, Victim::theirs());
    let sent = victim.poll();
    assert_eq!(sent.len(), 1, "the triggered check, at once");
    let id = Message::parse(&sent[0]).unwrap().transaction_id();
    let mut response = Vec::new();
    MessageWriter::new(&mut response, Class::SuccessResponse, Method::Binding, id)
        .xor_mapped_address(address(OURS))
        .integrity(&Key::short_term(&Victim::theirs().pwd))
        .fingerprint()
        .finish();
    victim.receive(address(THEIRS), response);
    assert_eq!(victim.agent.state(), ConnectionState::Completed, "USE-CANDIDATE was kept");
}

#[test]
fn noise_changes_nothing() {
    let mut network = Network::pair(11);
    network.start();
    assert!(network.run_until(ms(2000), |n| n.both(ConnectionState::Completed)));
    network.run_for(ms(1000));
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let samples: Vec<Vec<u8>> =
        network.trace.iter().map(|(_, _, contents)| contents.clone()).collect();
    let (path, timeout) = (network.selected(0).unwrap(), network.hosts[0].agent.poll_timeout());
    for round in 0..20_000u32 {
        let mut bytes = samples[(rng.next_u32() as usize) % samples.len()].clone();
        // MESSAGE-INTEGRITY covers all but its own 24 bytes and the 8 of FINGERPRINT.
        let index = (rng.next_u32() as usize) % (bytes.len() - 32);
        bytes[index] ^= 1 << (rng.next_u32() % 8);
        if rng.next_u32().is_multiple_of(8) {
            bytes.truncate(rng.next_u32() as usize % bytes.len());
        }
        // From anywhere but the true address, from where anything that is not STUN is data.
        let from = SocketAddr::new(path.remote.ip(), 10_000 + (round % 50_000) as u16);
        let datagram = Datagram::new(FiveTuple::udp(path.local, from), bytes.as_mut_slice());
        let now = network.now;
        assert!(network.hosts[0].agent.handle_datagram(now, datagram).is_none());
    }
    assert_eq!(network.hosts[0].agent.poll_timeout(), timeout);
    assert_eq!(network.hosts[0].agent.pairs().count(), 1);
    assert_eq!(network.hosts[0].agent.proved_paths().count(), 1);
    assert_eq!(network.selected(0), Some(path));
}
