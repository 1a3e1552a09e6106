//! Candidates of ours: host candidates from the addresses that the application names, and
//! server-reflexive ones from STUN servers
//! ([RFC 8445 §5.1.1](https://www.rfc-editor.org/rfc/rfc8445#section-5.1.1)).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use stun::{Class, FiveTuple, Message, MessageWriter, Method, TransactionId, Transport};

use super::{Agent, Context};
use crate::candidate::{
    Candidate, CandidateAddress, CandidateKind, LocalCandidate, is_link_local, local_preference,
    priority, same_address,
};
use crate::stream::{ComponentId, Stream};

/// The questions to STUN servers. One is asked per address and server, whichever streams share
/// the address: what it looks like from outside is a fact about the socket.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    queries: Vec<Query>,
    /// No more local addresses will come.
    ended: bool,
    /// The end of gathering was told.
    told: bool,
    /// It is the queries' turn on the pacer.
    turn: bool,
}

#[derive(Debug)]
struct Query {
    path: FiveTuple,
    state: QueryState,
    /// The answer, if there was one.
    mapped: Option<SocketAddr>,
}

#[derive(Debug)]
enum QueryState {
    Waiting,
    InProgress {
        id: TransactionId,
        transmissions: u8,
        next: Instant,
    },
    /// Answered, or given up. An answer is asked for again, to keep the NAT's binding alive
    /// ([RFC 8445 §5.1.1.4](https://www.rfc-editor.org/rfc/rfc8445#section-5.1.1.4)).
    Done {
        refresh: Instant,
    },
}

/// Where a candidate of ours comes from.
#[derive(Clone, Copy, Debug)]
struct Source {
    kind: CandidateKind,
    base: SocketAddr,
    server: Option<IpAddr>,
}

impl Gatherer {
    pub(super) fn query(&self, id: &TransactionId) -> Option<usize> {
        self.queries.iter().position(
            |query| matches!(&query.state, QueryState::InProgress { id: known, .. } if known == id),
        )
    }

    /// The queries whose last transmission is out, and when they fail.
    pub(super) fn deadlines(
        &self,
        max_transmissions: u8,
    ) -> impl Iterator<Item = (usize, Instant)> {
        self.queries.iter().enumerate().filter_map(move |(index, query)| match query.state {
            QueryState::InProgress { transmissions, next, .. }
                if transmissions >= max_transmissions =>
            {
                Some((index, next))
            }
            _ => None,
        })
    }

    /// The queries with something to send: when, or `None` when the pacer lets it out. While
    /// `checking`, answered ones are asked again.
    pub(super) fn sends(
        &self,
        max_transmissions: u8,
        checking: bool,
    ) -> impl Iterator<Item = (usize, Option<Instant>)> {
        self.queries.iter().enumerate().filter_map(move |(index, query)| match query.state {
            QueryState::Waiting => Some((index, None)),
            QueryState::InProgress { transmissions, next, .. }
                if transmissions < max_transmissions =>
            {
                Some((index, Some(next)))
            }
            QueryState::Done { refresh } if checking && query.mapped.is_some() => {
                Some((index, Some(refresh)))
            }
            _ => None,
        })
    }

    pub(super) const fn has_turn(&self) -> bool {
        self.turn
    }

    pub(super) const fn give_turn(&mut self, turn: bool) {
        self.turn = turn;
    }

    pub(super) fn fail(&mut self, query: usize, refresh: Instant) {
        if let Some(query) = self.queries.get_mut(query) {
            tracing::debug!(path = %query.path, "no answer from a STUN server");
            query.state = QueryState::Done { refresh };
        }
    }

    /// Sends a Binding request to a server, or sends it again. Unlike checks, it keeps its
    /// transaction id: some servers count requests, and its round-trip time is of no use.
    pub(super) fn write(
        &mut self,
        context: &mut Context,
        now: Instant,
        query: usize,
        buf: &mut Vec<u8>,
    ) -> Option<FiveTuple> {
        let query = self.queries.get_mut(query)?;
        let (id, transmissions) = match query.state {
            QueryState::InProgress { id, transmissions, .. } => (id, transmissions + 1),
            _ => (TransactionId::random(&mut context.rng), 1),
        };
        // The distance to a server says nothing about the distance to the peer, nor the reverse.
        let first = context.config.first_retransmission;
        let interval = (first * (1 << (transmissions.min(16) - 1)))
            .min(context.config.max_retransmission.max(first));
        query.state = QueryState::InProgress { id, transmissions, next: now + interval };
        MessageWriter::new(buf, Class::Request, Method::Binding, id).fingerprint().finish();
        Some(query.path)
    }

    /// Every question about an address is open again.
    fn ask_again(&mut self, base: SocketAddr) {
        for query in self.queries.iter_mut().filter(|query| query.path.local == base) {
            query.state = QueryState::Waiting;
            query.mapped = None;
        }
    }

    /// After a restart the candidates are told again, and so is their end; as is the end of those of
    /// a stream that begins behind that of others.
    pub(super) const fn announce_again(&mut self) {
        self.told = false;
    }

    pub(super) fn is_complete(&self) -> bool {
        let open = |query: &Query| {
            !matches!(query.state, QueryState::Done { .. }) && query.mapped.is_none()
        };
        self.ended && !self.queries.iter().any(open)
    }

    /// Returns, once, that gathering is complete.
    pub(super) fn take_complete(&mut self) -> bool {
        let complete = self.is_complete() && !self.told;
        self.told |= complete;
        complete
    }
}

impl Agent {
    /// Adds an address that a UDP socket of ours is bound to: a host candidate of the component,
    /// and with it a question to each STUN server of the same address family.
    ///
    /// It must be an address that datagrams can be sent from, not the wildcard. Two components may
    /// share one only if the other side's do not: data is told apart by its five-tuple. Addresses
    /// beyond [`max_local_candidates`](crate::Config::max_local_candidates) are ignored.
    pub fn add_local_address(&mut self, now: Instant, component: ComponentId, address: SocketAddr) {
        self.advance(now);
        let Some(index) = self.stream_index(component.stream) else { return };
        let Some(stream) = self.streams.get(index) else { return };
        let number = component.component;
        if stream.component(number).is_none()
            || address.ip().is_unspecified()
            || stream.local.iter().any(|local| local.is_base() && local.base == address)
        {
            return;
        }
        let rank = stream
            .local
            .iter()
            .filter(|local| {
                local.is_base()
                    && local.candidate.component == number
                    && local.base.is_ipv4() == address.is_ipv4()
            })
            .count();
        let local_preference = unused_preference(stream, number, address.ip(), rank);
        let source = Source { kind: CandidateKind::Host, base: address, server: None };
        let begins = stream.local.is_empty();
        if !self.add_local_candidate(index, source, number, address, local_preference) {
            return;
        }
        if begins {
            self.gatherer.announce_again();
        }
        self.form_pairs_of_base(index, number, address);
        self.ask_servers(address);
        // A query of another stream may have told it already.
        let known: Vec<(SocketAddr, SocketAddr)> = self
            .gatherer
            .queries
            .iter()
            .filter(|query| query.path.local == address)
            .filter_map(|query| Some((query.mapped?, query.path.remote)))
            .collect();
        for (mapped, server) in known {
            self.add_reflexive(address, mapped, Some(server.ip()));
        }
        self.settle();
    }

    /// Removes an address of ours, with its candidates and pairs. A component whose selected
    /// pair it was has failed: only a restart helps.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        self.advance(now);
        for stream in &mut self.streams {
            let announced = stream.announced;
            let mut index = 0;
            stream.local.retain(|local| {
                let keep = local.base != address;
                if !keep && index < announced {
                    stream.announced -= 1;
                }
                index += 1;
                keep
            });
            for session in stream.sessions_mut() {
                session.checklist.retain(|pair| pair.path.local != address);
                session.early.retain(|check| check.path.local != address);
            }
        }
        self.paths.retain(|path| path.five_tuple.local != address);
        self.responses.retain(|owed| owed.path.local != address);
        self.forget_unused_queries();
        let bereft: Vec<usize> = (0..self.streams.len())
            .filter(|&index| {
                self.streams.get(index).is_some_and(|stream| {
                    stream.components.iter().any(|component| {
                        component
                            .selected
                            .is_some_and(|pair| stream.session.checklist.pair(pair).is_none())
                    })
                })
            })
            .collect();
        for index in bereft {
            self.fail_stream(index);
        }
        self.settle();
    }

    /// Says how an address of ours looks from outside, for those who know it already: because
    /// another agent on the same socket asked, or because it is configured.
    pub fn add_server_reflexive_address(
        &mut self,
        now: Instant,
        base: SocketAddr,
        mapped: SocketAddr,
    ) {
        self.advance(now);
        self.add_reflexive(base, mapped, None);
        self.settle();
    }

    /// Says that no more local addresses will come. Gathering is complete when the STUN servers
    /// have answered or given up.
    pub fn finish_gathering(&mut self, now: Instant) {
        self.advance(now);
        self.gatherer.ended = true;
        self.settle();
    }

    /// Whether all candidates of ours are known.
    pub fn is_gathering_complete(&self) -> bool {
        self.gatherer.is_complete()
    }

    /// Whether a response with this transaction id is for this agent: the id of a request to a
    /// STUN server or of a check that is open.
    pub fn owns_transaction(&self, id: &TransactionId) -> bool {
        self.gatherer.query(id).is_some()
            || self.streams.iter().flat_map(|stream| stream.sessions()).any(|session| {
                let mut attempts = session.checklist.pairs().iter().flat_map(|pair| &pair.attempts);
                attempts.any(|attempt| attempt.id == *id)
            })
    }

    /// A restart gathers anew
    /// ([RFC 9429 §3.5.1](https://www.rfc-editor.org/rfc/rfc9429#section-3.5.1)): a server that was
    /// silent may answer now, and what another one told may have changed.
    pub(super) fn gather_again(&mut self, index: usize) {
        self.gatherer.announce_again();
        let Some(stream) = self.streams.get_mut(index) else { return };
        stream.announced = 0;
        stream.local.retain(|local| local.server.is_none());
        for base in stream.local.iter().filter(|local| local.is_base()).map(|local| local.base) {
            self.gatherer.ask_again(base);
        }
    }

    fn ask_servers(&mut self, base: SocketAddr) {
        let config = &self.context.config;
        for &server in config.stun_servers.iter().take(config.max_stun_servers) {
            let path = FiveTuple::udp(base, server);
            let asked = self.gatherer.queries.iter().any(|query| query.path == path);
            // A loopback address reaches a server on the same host only, a link-local one none.
            let reaches = server.is_ipv4() == base.is_ipv4()
                && (!base.ip().is_loopback() || server.ip().is_loopback())
                && !is_link_local(base.ip());
            if reaches && !asked {
                self.gatherer.queries.push(Query {
                    path,
                    state: QueryState::Waiting,
                    mapped: None,
                });
            }
        }
    }

    /// Queries of addresses that no stream uses any more.
    pub(super) fn forget_unused_queries(&mut self) {
        let streams = &self.streams;
        self.gatherer.queries.retain(|query| {
            streams
                .iter()
                .flat_map(|stream| &stream.local)
                .any(|local| local.base == query.path.local)
        });
    }

    /// A server's answer. It cannot be authenticated; what it must have is the transaction id,
    /// 96 random bits, and the server's address.
    pub(super) fn handle_query_response(
        &mut self,
        now: Instant,
        index: usize,
        path: &FiveTuple,
        message: &Message<'_>,
    ) {
        let Some(query) = self.gatherer.queries.get_mut(index) else { return };
        if !same_address(query.path.remote, path.remote)
            || !same_address(query.path.local, path.local)
        {
            self.context.counters.asymmetric_responses += 1;
            return;
        }
        let (base, server) = (query.path.local, query.path.remote.ip());
        let mapped = match message.class() {
            // RFC 8489 §6.3.3: otherwise it has failed.
            Class::SuccessResponse if message.unknown_required().next().is_none() => {
                message.xor_mapped_address().or_else(|| message.mapped_address())
            }
            _ => None,
        };
        query.state = QueryState::Done { refresh: now + self.context.config.keepalive };
        if let Some(mapped) = mapped {
            query.mapped = Some(mapped);
            self.add_reflexive(base, mapped, Some(server));
        }
    }

    /// Adds a server-reflexive candidate to every component that has the base.
    fn add_reflexive(&mut self, base: SocketAddr, mapped: SocketAddr, server: Option<IpAddr>) {
        if mapped.ip().is_unspecified() || mapped.is_ipv4() != base.is_ipv4() {
            return;
        }
        for index in 0..self.streams.len() {
            let Some(stream) = self.streams.get(index) else { continue };
            let host = stream.local.iter().find(|local| local.is_base() && local.base == base);
            let Some(host) = host else { continue };
            let component = host.candidate.component;
            let preference = reflexive_preference(stream, host);
            let source = Source { kind: CandidateKind::ServerReflexive, base, server };
            self.add_local_candidate(index, source, component, mapped, preference);
        }
    }

    /// Adds a candidate of ours unless it is redundant (§5.1.3) or one too many.
    fn add_local_candidate(
        &mut self,
        index: usize,
        source: Source,
        component: u8,
        address: SocketAddr,
        local_preference: u16,
    ) -> bool {
        let Source { kind, base, server } = source;
        let limit = self.context.config.max_local_candidates;
        let Some(stream) = self.streams.get_mut(index) else { return false };
        let redundant = stream.local.iter().any(|local| {
            local.candidate.component == component
                && local.base == base
                && local.candidate.socket_addr().is_some_and(|known| same_address(known, address))
        });
        if redundant || stream.local.len() >= limit {
            return false;
        }
        // §5.1.1.3: one foundation for one kind, base address and server. Servers that see the
        // same mapped address are one to us, since the second candidate is redundant.
        let same = |local: &&LocalCandidate| {
            local.candidate.kind == kind && local.base.ip() == base.ip() && local.server == server
        };
        let foundation = stream.local.iter().find(same).map_or_else(
            || stream.local.iter().map(|local| local.foundation).max().unwrap_or(0) + 1,
            |local| local.foundation,
        );
        stream.local.push(LocalCandidate {
            candidate: Candidate {
                foundation: foundation.to_string(),
                component,
                transport: Transport::Udp,
                priority: priority(kind, local_preference, component),
                address: CandidateAddress::Ip(address),
                kind,
                related_address: (kind != CandidateKind::Host).then_some(base),
                tcp_type: None,
                ufrag: None,
                extensions: Vec::new(),
            },
            base,
            server,
            foundation,
            local_preference,
        });
        true
    }
}

/// "the local preference MUST be unique for each one" (§5.1.2.1): that of the rank, or of the next
/// one that no other candidate of the component has. Addresses come and go.
fn unused_preference(stream: &Stream, component: u8, address: IpAddr, rank: usize) -> u16 {
    let used = |preference: &u16| {
        stream.local.iter().any(|local| {
            local.candidate.component == component && local.local_preference == *preference
        })
    };
    let mut preferences = (rank..0x2000).map(|rank| local_preference(address, rank));
    preferences.find(|preference| !used(preference)).unwrap_or(0)
}

/// A reflexive candidate ranks as its base does; the second one, of a NAT that shows each server
/// another address, behind all that there is.
fn reflexive_preference(stream: &Stream, base: &LocalCandidate) -> u16 {
    let component = base.candidate.component;
    let taken = stream.local.iter().any(|local| {
        !local.is_base()
            && local.candidate.component == component
            && local.local_preference == base.local_preference
    });
    match taken {
        true => unused_preference(stream, component, base.base.ip(), stream.local.len()),
        false => base.local_preference,
    }
}
