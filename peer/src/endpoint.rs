//! Many connections behind one socket.
//!
//! A server does not want a port for each of its thousands of peers. An [`Endpoint`] is an engine
//! of the same five calls as a [`PeerConnection`] with any number of those inside: it finds the
//! connection that a datagram is for ([`Demux`]), keeps their deadlines, and knows which of them
//! have something to say. What a call costs does not depend on how many connections are idle.
//!
//! ```
//! # #[expect(clippy::disallowed_methods, reason = "an example of a driver")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Instant;
//! use peerless::{Configuration, Endpoint, OfferOptions, Origin};
//!
//! let mut endpoint = Endpoint::new(Origin::system());
//! endpoint.add_local_address("192.0.2.1:3478".parse()?);
//! let now = Instant::now();
//! let id = endpoint.add_connection(now, Configuration::default());
//!
//! // A connection is used where it is; the endpoint notices what was done to it.
//! let pc = endpoint.connection_mut(id).expect("it was just added");
//! pc.create_data_channel(now, "chat", Default::default())?;
//! pc.set_local_description(now, None)?;
//!
//! while let Some((from, event)) = endpoint.poll_event() {
//!     println!("{from}: {event:?}");
//! }
//! # Ok(())
//! # }
//! ```

mod demux;
mod lists;
mod routes;
mod timers;

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use sctp::ReceiveBudget;
use stun::{Datagram, FiveTuple, Transmit};
use tracing::trace;

use crate::configuration::Configuration;
use crate::connection::PeerConnection;
use crate::event::Event;
use crate::media::receiver::Receiver;
use crate::media::sender::Sender;
use crate::media::transceiver::TransceiverId;
use crate::origin::{Origin, SeedStream};

use lists::Refresh;
use timers::Timers;

pub use demux::{Demux, Unroutable};

/// Names a connection of an [`Endpoint`]; never reused there.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId {
    slot: u32,
    /// How many connections have had the slot before.
    generation: u32,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.slot, self.generation)
    }
}

/// What an [`Endpoint`] has seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// How many datagrams came in.
    pub received: u64,
    /// How many went out.
    pub sent: u64,
    /// How many came in for nobody: malformed STUN messages.
    pub malformed: u64,
    /// How many came in for nobody: responses to no request of ours.
    pub unknown_transaction: u64,
    /// How many came in for nobody: checks for unknown user fragments.
    pub unknown_ufrag: u64,
    /// How many came in for nobody: on paths that were never proved.
    pub unknown_path: u64,
    /// How often a connection was called: the measure of what an endpoint's own calls cost.
    pub visits: u64,
}

/// A hundred readers that have stopped, each with a path of 10 Mbit/s and two seconds; and little of
/// what a server has.
const RECEIVE_BUDGET: usize = 256 << 20;

/// Many connections behind one socket, or a few: see the [module](self).
pub struct Endpoint {
    origin: Origin,
    /// The newest time seen.
    now: Instant,
    slots: Vec<Slot>,
    free: Vec<u32>,
    len: usize,
    /// How many connections were ever added: the number of a connection's seed.
    added: u64,
    demux: Demux<ConnectionId>,
    timers: Timers,
    /// Lent to the application: what it did is not known yet.
    touched: Vec<ConnectionId>,
    /// Their deadline has passed.
    due: VecDeque<ConnectionId>,
    /// They may have something to send.
    sending: VecDeque<ConnectionId>,
    /// They may have events.
    reporting: VecDeque<ConnectionId>,
    local_addresses: Vec<SocketAddr>,
    max_segments: usize,
    receive_budget: ReceiveBudget,
    statistics: Statistics,
}

struct Slot {
    generation: u32,
    entry: Option<Box<Entry>>,
}

struct Entry {
    connection: PeerConnection,
    ufrags: Vec<String>,
    /// Those that its ICE agent has, which bounds them.
    paths: Vec<FiveTuple>,
    /// In which lists of the endpoint it is.
    touched: bool,
    due: bool,
    sending: bool,
    reporting: bool,
}

impl Endpoint {
    /// An endpoint without connections.
    pub fn new(origin: Origin) -> Self {
        Self {
            now: origin.now,
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
            added: 0,
            demux: Demux::new(origin.now, origin.child_seed(SeedStream::Demux)),
            timers: Timers::default(),
            touched: Vec::new(),
            due: VecDeque::new(),
            sending: VecDeque::new(),
            reporting: VecDeque::new(),
            local_addresses: Vec::new(),
            max_segments: 1,
            receive_budget: ReceiveBudget::new(RECEIVE_BUDGET),
            statistics: Statistics::default(),
            origin,
        }
    }

    /// Tells the address of a UDP socket: the real one of an interface, never the wildcard. All
    /// connections get it, those to come, too.
    pub fn add_local_address(&mut self, address: SocketAddr) {
        if self.local_addresses.contains(&address) {
            return;
        }
        self.local_addresses.push(address);
        self.for_each(|_, connection| connection.add_local_address(address));
    }

    /// Tells that an address is gone; its candidates and paths go with it, in all connections.
    pub fn remove_local_address(&mut self, now: Instant, address: SocketAddr) {
        let now = self.advance(now);
        self.local_addresses.retain(|known| *known != address);
        self.for_each(|_, connection| connection.remove_local_address(now, address));
    }

    /// Returns the addresses that connections get.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.local_addresses
    }

    /// How many datagrams of equal size [`poll_transmit`](Self::poll_transmit) may put behind one
    /// another for segmentation offload. The default is 1.
    pub fn set_max_segments(&mut self, segments: usize) {
        if std::mem::replace(&mut self.max_segments, segments) == segments {
            return;
        }
        self.for_each(|_, connection| connection.set_max_segments(segments));
    }

    /// Sets how many bytes of data all connections together may hold for applications that do not
    /// read, whoever sends them. The default is 256 MiB. It holds for the connections that are added
    /// from here on and have no budget in their [`Configuration`].
    ///
    /// Where it is used up, windows close: whoever is read goes on, slowly, and nobody stops.
    pub fn set_receive_budget(&mut self, bytes: usize) {
        self.receive_budget = ReceiveBudget::new(bytes);
    }

    /// Returns the budget for data that nobody has read: what it is, and what is used of it.
    pub const fn receive_budget(&self) -> &ReceiveBudget {
        &self.receive_budget
    }

    /// Makes a connection with randomness of its own, on the endpoint's addresses.
    ///
    /// A configuration without a certificate has one made for this connection alone; who expects
    /// many should make one and put it in the configuration.
    pub fn add_connection(
        &mut self,
        now: Instant,
        mut configuration: Configuration,
    ) -> ConnectionId {
        let now = self.advance(now);
        configuration.receive_budget.get_or_insert_with(|| self.receive_budget.clone());
        let seed = self.origin.child_seed(SeedStream::Connection(self.added));
        self.added += 1;
        let origin = Origin::new(now, self.origin.wall_clock_at(now), seed);
        let mut connection = PeerConnection::new(configuration, origin);
        connection.keep_routes();
        connection.set_max_segments(self.max_segments);
        for address in &self.local_addresses {
            connection.add_local_address(*address);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, entry: None });
            (self.slots.len() - 1) as u32
        });
        let mut id = ConnectionId { slot, generation: 0 };
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            id.generation = slot.generation;
            slot.entry = Some(Box::new(Entry {
                connection,
                ufrags: Vec::new(),
                paths: Vec::new(),
                touched: false,
                due: false,
                sending: false,
                reporting: false,
            }));
        }
        self.len += 1;
        self.touch(id);
        id
    }

    /// Takes a connection out, and forgets every way to it. It does not say goodbye: for that,
    /// close it, and remove it when [`poll_transmit`](Self::poll_transmit) has nothing more.
    pub fn remove_connection(&mut self, now: Instant, id: ConnectionId) -> Option<PeerConnection> {
        self.advance(now);
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let mut entry = slot.entry.take()?;
        // After four thousand million connections in one slot, the slot retires.
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            self.free.push(id.slot);
        }
        self.len -= 1;
        self.timers.set(id.slot, None);
        for ufrag in &entry.ufrags {
            self.demux.unbind_ufrag(ufrag, id);
        }
        for path in &entry.paths {
            self.demux.unbind_path(*path, id);
        }
        entry.connection.forget_routes();
        Some(entry.connection)
    }

    /// Returns a connection, to look at.
    pub fn connection(&self, id: ConnectionId) -> Option<&PeerConnection> {
        self.entry(id).map(|entry| &entry.connection)
    }

    /// Lends a connection, to do anything with; the endpoint picks up what was done at the next
    /// call.
    pub fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut PeerConnection> {
        self.touch(id);
        self.entry_mut(id).map(|entry| &mut entry.connection)
    }

    /// Lends the sending half of a transceiver of a connection.
    pub fn sender(&mut self, id: ConnectionId, transceiver: TransceiverId) -> Option<Sender<'_>> {
        self.connection_mut(id)?.sender(transceiver)
    }

    /// Lends the receiving half of a transceiver of a connection.
    pub fn receiver(
        &mut self,
        id: ConnectionId,
        transceiver: TransceiverId,
    ) -> Option<Receiver<'_>> {
        self.connection_mut(id)?.receiver(transceiver)
    }

    /// Returns the connections, in no order that means anything.
    pub fn connections(&self) -> impl Iterator<Item = (ConnectionId, &PeerConnection)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            let id = ConnectionId { slot: index, generation: slot.generation };
            slot.entry.as_ref().map(|entry| (id, &entry.connection))
        })
    }

    /// Returns how many connections there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns what the endpoint has seen.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Returns how many user fragments, paths and transactions lead to connections.
    pub fn routes(&self) -> (usize, usize, usize) {
        self.demux.len()
    }

    /// Takes a datagram from the socket and gives it to its connection. What is for nobody is
    /// counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let now = self.advance(now);
        self.settle();
        self.statistics.received += 1;
        let id = match self.demux.find(datagram.path, datagram.contents) {
            Ok(id) => id,
            Err(unroutable) => return self.drop_datagram(datagram.path, unroutable),
        };
        if let Some(entry) = self.entry_mut(id) {
            entry.connection.handle_datagram(now, datagram);
            self.refresh(id, Refresh::All);
        }
    }

    fn drop_datagram(&mut self, path: FiveTuple, unroutable: Unroutable) {
        trace!(%path, %unroutable, "dropped");
        *match unroutable {
            Unroutable::Malformed => &mut self.statistics.malformed,
            Unroutable::UnknownTransaction => &mut self.statistics.unknown_transaction,
            Unroutable::UnknownUfrag => &mut self.statistics.unknown_ufrag,
            Unroutable::UnknownPath => &mut self.statistics.unknown_path,
        } += 1;
    }

    /// Does what is due at `now` in every connection whose deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        self.settle();
        self.collect_due();
        // Whoever is due again at once has to wait for the next call.
        for _ in 0..self.due.len() {
            let Some(id) = self.due.pop_front() else { return };
            let Some(entry) = self.entry_mut(id) else { continue };
            entry.due = false;
            entry.connection.handle_timeout(now);
            self.refresh(id, Refresh::AfterTimeout);
        }
    }

    /// Appends a datagram of one of the connections to `buf`, or several of equal size for one
    /// system call, and says where to send it. Connections take turns.
    pub fn poll_transmit<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut Vec<u8>,
    ) -> Option<Transmit<'b>> {
        let now = self.advance(now);
        self.settle();
        self.collect_due();
        let start = buf.len();
        while let Some(id) = self.sending.pop_front() {
            let Some(entry) = self.entry_mut(id) else { continue };
            let sent = entry.connection.poll_transmit(now, buf).map(|transmit| {
                let Transmit { path, ecn, dscp, segment_size, .. } = transmit;
                (path, ecn, dscp, segment_size)
            });
            self.statistics.visits += 1;
            let Some((path, ecn, dscp, segment_size)) = sent else {
                if let Some(entry) = self.entry_mut(id) {
                    entry.sending = false;
                }
                self.refresh(id, Refresh::AfterTransmit);
                continue;
            };
            self.sending.push_back(id);
            let contents = buf.get(start..).unwrap_or_default();
            let mut transmit = Transmit::new(path, contents).with_segment_size(segment_size);
            (transmit.ecn, transmit.dscp) = (ecn, dscp);
            for datagram in transmit.datagrams() {
                self.statistics.sent += 1;
                self.demux.sent(now, datagram, id);
            }
            return Some(transmit);
        }
        None
    }

    /// Returns what happened in one of the connections.
    pub fn poll_event(&mut self) -> Option<(ConnectionId, Event)> {
        self.settle();
        while let Some(&id) = self.reporting.front() {
            if let Some(entry) = self.entry_mut(id) {
                if let Some(event) = entry.connection.poll_event() {
                    return Some((id, event));
                }
                entry.reporting = false;
            }
            self.reporting.pop_front();
        }
        None
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout) and
    /// [`poll_transmit`](Self::poll_transmit) next; `None`: nothing happens until a datagram or a
    /// command comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ready = [&self.due, &self.sending].iter().any(|list| !list.is_empty());
        if ready || !self.touched.is_empty() { Some(self.now) } else { self.timers.next() }
    }

    /// Reads an older time as the newest seen.
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    fn entry(&self, id: ConnectionId) -> Option<&Entry> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.entry.as_deref().filter(|_| slot.generation == id.generation)
    }

    fn entry_mut(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        slot.entry.as_deref_mut().filter(|_| slot.generation == id.generation)
    }

    fn for_each(&mut self, mut act: impl FnMut(ConnectionId, &mut PeerConnection)) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { return };
            let id = ConnectionId { slot: index as u32, generation: slot.generation };
            if let Some(entry) = &mut slot.entry {
                act(id, &mut entry.connection);
                self.touch(id);
            }
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("connections", &self.len)
            .field("local_addresses", &self.local_addresses)
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
