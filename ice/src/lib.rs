//! ICE: how two hosts that cannot reach each other find a path, without IO.
//!
//! # Why addresses don't work
//!
//! Alice's machine believes that its address is 10.0.0.1. So does Bob's. Both are right, each at
//! home, and outside nobody can send there: their routers translate (NAT). Alice's lends her
//! socket a port of its own address, 192.0.2.1, when she sends something, and lets in what comes
//! back from where she has sent to. Everything else it drops.
//!
//! ```text
//!          what does my socket look like?    ┌─────────────┐
//!         ┌──────────────────────────────────┤ STUN server ├────────────────────────┐
//!         │                                  └─────────────┘                        │
//!         │           the internet                                                  │
//!  192.0.2.1:40001                                                    198.51.100.2:40002
//!     ┌───┴───┐   hole: .100.2:40002 may come in                           ┌───┴───┐
//!     │  NAT  │ ◀════════════════════ a path ════════════════════════════▶ │  NAT  │
//!     └───┬───┘                        hole: .2.1:40001 may come in        └───┬───┘
//!   10.0.0.1:5000                                                      10.0.0.1:6000
//!       Alice                                                               Bob
//! ```
//!
//! So neither can say where it is, and neither can be called first. What helps is that both
//! *send*: Alice's first datagram dies at Bob's NAT, but it has made a hole in hers, and through
//! this hole Bob's first datagram comes in. Which addresses are worth sending to nobody knows;
//! one tries them all, quickly, and the best one that works carries the data. This is ICE
//! ([RFC 8445](https://www.rfc-editor.org/rfc/rfc8445)):
//!
//! 1. *Gather* candidates: the addresses of one's interfaces (host), and how a STUN server sees
//!    them (server-reflexive).
//! 2. *Exchange* them over some other channel ("signalling"), one by one as they turn up
//!    ([trickle, RFC 8838](https://www.rfc-editor.org/rfc/rfc8838)), with a user name and a
//!    password for each side.
//! 3. *Check* every pair of them, best first, by STUN requests that are authenticated with these
//!    passwords. A check from an address that nobody has named is no surprise but a discovery: a
//!    peer-reflexive candidate. It is how browsers are found that hide their addresses.
//! 4. *Nominate*: the controlling side picks the pair to keep.
//! 5. *Keep asking* whether the other side still wants to hear from us
//!    ([consent, RFC 7675](https://www.rfc-editor.org/rfc/rfc7675)); without an answer for 30 s,
//!    stop. When the network changes, *restart* with new passwords, while the old path carries on.
//!
//! # The life of a candidate pair
//!
//! ```text
//! state       | Unfreeze    | Perform     | Trigger     | Succeed     | Fail        | Recheck
//! Frozen      | Waiting     | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
//! Waiting     | Waiting     | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
//! In-Progress | In-Progress | In-Progress | In-Progress | Succeeded   | Failed      | Waiting
//! Succeeded   | Succeeded   | Succeeded   | Succeeded   | Succeeded   | Failed      | Succeeded
//! Failed      | Failed      | In-Progress | Waiting     | Succeeded   | Failed      | Waiting
//! ```
//!
//! A pair is *frozen* while another one like it is tried first, *waiting* until the pacer lets its
//! check out (one new check in 50 ms), *in progress* until the check is answered. Data may flow
//! as soon as it has *succeeded*. A check that comes in from the other side *triggers* one of ours
//! at once, whatever the pair's turn. A *failed* pair had no answer to seven transmissions, or its
//! consent ended. *Recheck* follows the repair of a conflict about who controls.
//!
//! # Punching a hole
//!
//! ```
//! use std::collections::BTreeSet;
//! use std::net::SocketAddr;
//! use std::time::Instant;
//!
//! use peerless_ice::{Agent, ComponentId, Config, Datagram, Event, FiveTuple, Role};
//!
//! // What Alice and Bob call themselves, and what the world calls them.
//! let homes = [["10.0.0.1:5000", "192.0.2.1:40001"], ["10.0.0.1:6000", "198.51.100.2:40002"]]
//!     .map(|home| home.map(|address| address.parse::<SocketAddr>().unwrap()));
//! let mut now = Instant::now();
//! // In earnest the seed is 32 bytes of entropy.
//! let mut agents = [(Role::Controlling, [1; 32]), (Role::Controlled, [2; 32])]
//!     .map(|(role, seed)| Agent::new(Config::default(), role, now, seed));
//!
//! let [stream, _] = agents.each_mut().map(|agent| agent.add_stream(now, 1));
//! let component = ComponentId { stream, component: 1 };
//! for (agent, [inside, outside]) in agents.iter_mut().zip(homes) {
//!     agent.add_local_address(now, component, inside);
//!     agent.add_server_reflexive_address(now, inside, outside); // or Config::stun_servers
//!     agent.finish_gathering(now);
//! }
//! for [from, to] in [[0, 1], [1, 0]] { // signalling
//!     let credentials = agents[from].local_credentials(stream).unwrap().clone();
//!     agents[to].set_remote_credentials(now, stream, credentials);
//!     while let Some(event) = agents[from].poll_event() {
//!         if let Event::LocalCandidate(_, candidate) = event {
//!             agents[to].add_remote_candidate(now, stream, candidate);
//!         }
//!     }
//! }
//!
//! let (mut holes, mut buf) = (BTreeSet::new(), Vec::new());
//! while agents.iter().any(|agent| agent.send_path(component).is_none()) {
//!     for [from, to] in [[0, 1], [1, 0]] {
//!         while let Some(transmit) = agents[from].poll_transmit(now, &mut buf) {
//!             let ([_, source], [inside, outside]) = (homes[from], homes[to]);
//!             holes.insert((source, transmit.path.remote));
//!             // The other NAT lets in only what its own side has sent to.
//!             if transmit.path.remote == outside && holes.contains(&(outside, source)) {
//!                 let mut contents = transmit.contents.to_vec();
//!                 let path = FiveTuple::udp(inside, source);
//!                 agents[to].handle_datagram(now, Datagram::new(path, &mut contents));
//!             }
//!             buf.clear();
//!         }
//!     }
//!     now = agents.iter().filter_map(|agent| agent.poll_timeout()).min().unwrap().max(now);
//!     agents.iter_mut().for_each(|agent| agent.handle_timeout(now));
//! }
//! assert_eq!(agents[0].send_path(component).unwrap().remote, homes[1][1]);
//! ```
//!
//! With sockets it is the same loop: send what [`Agent::poll_transmit`] makes, hand in what
//! arrives, wait until [`Agent::poll_timeout`]. What [`Agent::handle_datagram`] gives back is
//! yours: data of whatever protocol runs above, on a path that is proved.
//!
//! # Where this agent departs from the RFCs, and why
//!
//! * **The first retransmission of a check is at 250 ms**, not 500
//!   ([RFC 8445 §14.3](https://www.rfc-editor.org/rfc/rfc8445#section-14.3)). Nearly every path
//!   answers in far less, and a lost first check should not cost half a second of somebody's
//!   waiting. The RFC's timeout also grows with the number of checks, to bound their rate; here
//!   the pacer and the doubling bound it: 20 new checks a second, each sent seven times at most,
//!   are 140 datagrams of some 130 bytes a second. Once any pair has been answered, the first
//!   retransmission of every check is at 1.5 × the best round-trip time known.
//! * **Every transmission has a transaction id of its own.** An answer then tells which one it
//!   answers, so that the round-trip time that DTLS, SCTP and consent start from is exact, even
//!   after a loss.
//! * **Triggered checks do not wait for the pacer** (§6.1.4.2). They answer checks that the other
//!   side's pacer has let out, each pair's at most once in Ta; they push the ordinary ones back.
//! * **Only bases are paired** (§6.1.2.4). Pairing reflexive candidates, replacing them by their
//!   base and pruning what is redundant leaves the same list.
//! * **Requests that do not authenticate are not answered** (RFC 8489 §9.1.3 has 400 and 401):
//!   our peer is not among their senders. They are counted in [`Counters`].
//! * **A nomination that fails is followed by another** of the next pair that works, where
//!   §7.2.5.3.4 fails the whole checklist. The peer may have taken the first one; then it has two,
//!   and either works.
//! * **After a failure nothing is answered**, so that the other side's consent ends too.
//! * **A check is repeated after 5 ms** when there is more for it to carry ([`Embedding`]) than it
//!   has carried yet, each datagram once. It spares the handshake above a round trip.
//!
//! # What it leaves out
//!
//! No sockets, clocks or threads; no list of the host's interfaces, and no resolving of `.local`
//! names: whoever can do that adds what it finds. Relayed candidates (TURN) and TCP candidates are
//! understood in signalling and not used. Two lite agents do not find each other. Nomination is
//! final until a restart (RFC 8445 §8.1.1); nominating again is understood when the other side
//! does it. ICMP errors are not taken into account (§7.2.5.2.2).
#![forbid(unsafe_code)]

mod agent;
mod candidate;
mod checklist;
mod config;
mod counters;
mod credentials;
mod embedding;
mod event;
mod pair;
mod paths;
mod stream;

pub use agent::Agent;
pub use candidate::{
    Candidate, CandidateAddress, CandidateKind, ParseCandidateError, TcpType, priority,
};
pub use config::Config;
pub use counters::Counters;
pub use credentials::Credentials;
pub use embedding::{Embedded, Embedding};
pub use event::{ConnectionState, Event, PathProof};
pub use pair::{PairState, PairView};
pub use stream::{ComponentId, Role, StreamId};
pub use stun::{Datagram, Ecn, FiveTuple, TransactionId, Transmit, Transport};
