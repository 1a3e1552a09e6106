use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ice::{
    Agent, Candidate, ComponentId, Config, Credentials, Datagram, FiveTuple, Role, StreamId,
};

use crate::choices::Choices;
use crate::clock::{Clock, assert_does_not_spin};
use crate::wire::Wire;

/// Parses a candidate; what is accepted is written and read again as the same.
pub fn ice_candidate(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(candidate) = text.parse::<Candidate>() else { return };
    let written = candidate.to_string();
    let again: Candidate = written.parse().expect("what is written can be read");
    assert_eq!(again.to_string(), written);
}

/// Two agents, their commands in any order, and a network that does what the input says.
pub fn ice_agent(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut call = Call::new(&mut choices);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        call.step(&mut choices);
    }
}

/// Time for hundreds of checks; more would only make runs slower.
const MAX_STEPS: usize = 2000;

struct Call {
    clock: Clock,
    sides: [Side; 2],
}

struct Side {
    agent: Agent,
    stream: StreamId,
    /// On their way to this side, with the path as it sees it.
    wire: Wire,
    paths: std::collections::VecDeque<FiveTuple>,
    local: SocketAddr,
}

impl Call {
    fn new(choices: &mut Choices<'_>) -> Self {
        let clock = Clock::new();
        let now = clock.now();
        let components = 1 + (choices.byte() & 1);
        let side = |role, index: u8| {
            let config = Config { lite: choices.clone().byte() == 255, ..Config::default() };
            let mut agent = Agent::new(config, role, now, [index; 32]);
            let stream = agent.add_stream(now, components);
            let local = address(index);
            agent.add_local_address(now, ComponentId { stream, component: 1 }, local);
            Side {
                agent,
                stream,
                wire: Wire::default(),
                paths: std::collections::VecDeque::new(),
                local,
            }
        };
        let mut call = Self {
            clock,
            sides: [(Role::Controlling, 0), (Role::Controlled, 1)]
                .map(|(role, index)| side(role, index)),
        };
        call.exchange(0);
        call.exchange(1);
        call
    }

    /// Signals one side's credentials and candidates to the other.
    fn exchange(&mut self, from: usize) {
        let now = self.clock.now();
        let [a, b] = &mut self.sides;
        let (from, to) = if from == 0 { (a, b) } else { (b, a) };
        let Some(credentials) = from.agent.local_credentials(from.stream).cloned() else { return };
        to.agent.set_remote_credentials(now, to.stream, credentials);
        let candidates: Vec<_> = from.agent.local_candidates(from.stream).cloned().collect();
        for candidate in candidates {
            to.agent.add_remote_candidate(now, to.stream, candidate);
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let what = choices.byte();
        let from = usize::from(what & 1);
        let now = self.clock.now();
        match what >> 1 {
            0..=50 => self.deliver(from, choices),
            51..=60 => {
                self.clock.advance(choices);
            }
            61..=75 => {
                let timeouts = self.sides.iter().filter_map(|side| side.agent.poll_timeout());
                self.clock.advance_to(timeouts.min());
            }
            76 => {
                let earlier = self.clock.earlier(choices);
                self.side(from).agent.handle_timeout(earlier);
            }
            77 => self.exchange(from),
            78 => {
                let side = self.side(from);
                side.agent.restart(now, side.stream);
            }
            79 => {
                let role = if choices.flag() { Role::Controlling } else { Role::Controlled };
                self.side(from).agent.set_role(now, role);
            }
            80 => {
                let component = choices.byte();
                let side = self.side(from);
                let component = ComponentId { stream: side.stream, component };
                side.agent.add_local_address(now, component, address(choices.byte()));
            }
            81 => self.side(from).agent.remove_local_address(now, address(choices.byte())),
            82 => self.side(from).agent.finish_gathering(now),
            83 => {
                let text = String::from_utf8_lossy(choices.bytes()).into_owned();
                let side = self.side(from);
                if let Ok(candidate) = text.parse() {
                    side.agent.add_remote_candidate(now, side.stream, candidate);
                }
            }
            84 => {
                let side = self.side(from);
                side.agent.end_of_remote_candidates(now, side.stream);
            }
            85 => {
                let side = self.side(from);
                let candidate = Candidate::host(1, address(choices.byte()));
                side.agent.add_remote_candidate(now, side.stream, candidate);
            }
            86 => {
                let credentials = Credentials {
                    ufrag: String::from_utf8_lossy(choices.bytes()).into_owned(),
                    pwd: String::from_utf8_lossy(choices.bytes()).into_owned(),
                };
                let side = self.side(from);
                side.agent.set_remote_credentials(now, side.stream, credentials);
            }
            87 => self.side(from).agent.set_remote_lite(choices.flag()),
            88 => {
                let side = self.side(from);
                side.agent.cancel_restart(now, side.stream);
            }
            89 => {
                let side = self.side(from);
                side.agent.remove_stream(now, side.stream);
                side.stream = side.agent.add_stream(now, 1);
            }
            90 if choices.byte() == 0 => self.side(from).agent.close(now),
            91..=100 => {
                let path = FiveTuple::udp(address(choices.byte()), address(choices.byte()));
                let mut bytes = choices.bytes().to_vec();
                let datagram = Datagram::new(path, &mut bytes);
                self.side(from).agent.handle_datagram(now, datagram);
            }
            _ => {}
        }
        self.settle();
    }

    fn side(&mut self, index: usize) -> &mut Side {
        let [a, b] = &mut self.sides;
        if index == 0 { a } else { b }
    }

    fn deliver(&mut self, to: usize, choices: &mut Choices<'_>) {
        let now = self.clock.now();
        let side = self.side(to);
        let path = side.paths.pop_front();
        let Some(mut bytes) = side.wire.next(choices) else { return };
        let path = path.unwrap_or_else(|| FiveTuple::udp(side.local, address(9)));
        let _ = side.agent.handle_datagram(now, Datagram::new(path, &mut bytes));
    }

    fn settle(&mut self) {
        let now = self.clock.now();
        for index in 0..2 {
            let [a, b] = &mut self.sides;
            let (from, to) = if index == 0 { (a, b) } else { (b, a) };
            from.agent.handle_timeout(now);
            to.wire.drain(|buf| {
                let Some(transmit) = from.agent.poll_transmit(now, buf) else { return false };
                let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                to.paths.push_back(path);
                if to.paths.len() > 64 {
                    to.paths.pop_front();
                }
                true
            });
            let mut events = 0;
            while from.agent.poll_event().is_some() {
                events += 1;
                assert!(events < 10_000, "poll_event never ends");
            }
            assert_does_not_spin(now, from.agent.poll_timeout());
            let config = Config::default();
            assert!(from.agent.pairs().count() <= config.max_pairs);
            for component in 1..=2 {
                let component = ComponentId { stream: from.stream, component };
                let _ = (from.agent.send_path(component), from.agent.round_trip_time(component));
            }
        }
    }
}

fn address(index: u8) -> SocketAddr {
    let ip = if index & 0x80 == 0 {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, index & 7))
    } else {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(index & 7)))
    };
    SocketAddr::new(ip, 5000 + u16::from(index))
}
