//! A driver on one thread.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use stun::{Ecn, FiveTuple, Transmit};
use tracing::{debug, warn};

use super::socket::{Buffers, Outcome, Socket};
use super::trouble::Trouble;
use super::waker::Waker;
use crate::endpoint::{ConnectionId, Endpoint};
use crate::event::{Event, SocketId, SocketRequest};

/// How many datagrams are sent, and how many batches are received, before the other direction gets
/// its turn.
const TURN: usize = 64;

/// How often a driver that is stopped goes round to send what is left.
const LAST_TURNS: usize = 100;

/// The token of the waker; those of sockets count from zero.
const WAKER: Token = Token(usize::MAX);

/// Drives an [`Endpoint`] with UDP sockets, on the thread that calls it.
///
/// It tells the endpoint its addresses, opens the sockets that connections ask for
/// ([`Event::Socket`] never reaches the application), and loses nothing when the kernel has no room
/// for a datagram: it waits, and goes on receiving.
#[derive(Debug)]
pub struct Blocking {
    poll: Poll,
    events: Events,
    waker: Waker,
    /// Token `n` is that of `sockets[n]`; a closed one leaves a gap for the next.
    sockets: Vec<Option<Open>>,
    buffers: Buffers,
    /// What `poll_transmit` appends to; kept while a datagram in it waits.
    out: Vec<u8>,
    waiting: Option<Waiting>,
    statistics: Statistics,
}

/// What a driver has done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// How many datagrams were received.
    pub received: u64,
    /// How many system calls that took.
    pub receive_calls: u64,
    /// How many datagrams were sent.
    pub sent: u64,
    /// How many system calls that took.
    pub send_calls: u64,
    /// How often the kernel had no room.
    pub blocked: u64,
    /// How many datagrams the kernel refused, or had no socket to leave by.
    pub refused: u64,
    /// How many system calls could not receive though something may have been there.
    pub receive_errors: u64,
}

#[derive(Debug)]
struct Open {
    socket: Socket,
    /// The connection that asked for it; `None`: it is everybody's.
    owner: Option<(ConnectionId, SocketId)>,
    /// There may be something to read. The system says so once, until it is asked in vain.
    readable: bool,
    trouble: Trouble,
}

impl Open {
    /// Whether it is to be read now.
    fn is_due(&self) -> bool {
        self.readable && self.trouble.again_at().is_none_or(|at| at <= now())
    }
}

/// A datagram that the kernel had no room for.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    path: FiveTuple,
    ecn: Option<Ecn>,
    segment_size: Option<usize>,
    socket: usize,
}

impl Blocking {
    /// Opens a socket. Port 0 is any; the address 0.0.0.0 stands for every IPv4 address of this
    /// machine, `[::]` for every IPv6 address (and no IPv4 one).
    ///
    /// # Errors
    ///
    /// What the system says; the port is taken, most often.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::bind_all(&[address])
    }

    /// Opens several sockets, say one for each family.
    ///
    /// # Errors
    ///
    /// What the system says about the first that fails.
    pub fn bind_all(addresses: &[SocketAddr]) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(mio::Waker::new(poll.registry(), WAKER)?);
        let mut driver = Self {
            poll,
            events: Events::with_capacity(64),
            waker,
            sockets: Vec::new(),
            buffers: Buffers::new(),
            out: Vec::new(),
            waiting: None,
            statistics: Statistics::default(),
        };
        for address in addresses {
            driver.open(*address, None)?;
        }
        Ok(driver)
    }

    /// Returns the addresses at which the sockets can be reached: real ones, those of every
    /// interface for a socket bound to all.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.shared_sockets().flat_map(|socket| socket.addresses()).copied().collect()
    }

    fn shared_sockets(&self) -> impl Iterator<Item = &Socket> {
        let open = self.sockets.iter().flatten();
        open.filter(|open| open.owner.is_none()).map(|open| &open.socket)
    }

    /// Returns what wakes this driver from other threads, and stops it.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Returns what the driver has done.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Drives the endpoint until [`Waker::stop`]. Events are given to `on_event`, which may do
    /// anything with the endpoint.
    ///
    /// # Errors
    ///
    /// When the system's means of waiting fail for good, or those of receiving at the last socket that
    /// is everybody's. Another that fails for half a minute is closed; its addresses are gone then.
    pub fn run(
        &mut self,
        endpoint: &mut Endpoint,
        on_event: impl FnMut(&mut Endpoint, ConnectionId, Event),
    ) -> io::Result<()> {
        self.run_with(endpoint, |_| {}, on_event)
    }

    /// The same, and `on_wake` is called after [`Waker::wake`]: take the commands of other threads
    /// from a queue there.
    ///
    /// # Errors
    ///
    /// When the system's means of waiting fail for good, or those of receiving at the last socket that
    /// is everybody's. Another that fails for half a minute is closed; its addresses are gone then.
    pub fn run_with(
        &mut self,
        endpoint: &mut Endpoint,
        mut on_wake: impl FnMut(&mut Endpoint),
        mut on_event: impl FnMut(&mut Endpoint, ConnectionId, Event),
    ) -> io::Result<()> {
        loop {
            if self.waker.take_woken() {
                on_wake(endpoint);
            }
            if self.waker.take_stopped() {
                // What was said before the stop is sent.
                for _ in 0..LAST_TURNS {
                    if self.go_round(endpoint, Some(Duration::ZERO), &mut on_event)? {
                        break;
                    }
                }
                return Ok(());
            }
            self.turn(endpoint, None, &mut on_event)?;
        }
    }

    /// Goes round once: does what is due, sends, reports, waits for a datagram, a deadline, a
    /// [`Waker`], or until `at_most` has passed, and receives. For applications with a loop of
    /// their own: what other threads say before they wake it can be read when it returns.
    ///
    /// # Errors
    ///
    /// When the system's means of waiting fail for good, or those of receiving at the last socket that
    /// is everybody's. Another that fails for half a minute is closed; its addresses are gone then.
    pub fn turn(
        &mut self,
        endpoint: &mut Endpoint,
        at_most: Option<Duration>,
        mut on_event: impl FnMut(&mut Endpoint, ConnectionId, Event),
    ) -> io::Result<()> {
        self.go_round(endpoint, at_most, &mut on_event).map(|_| ())
    }

    /// Goes round once; returns whether nothing was left to send.
    fn go_round(
        &mut self,
        endpoint: &mut Endpoint,
        at_most: Option<Duration>,
        on_event: &mut impl FnMut(&mut Endpoint, ConnectionId, Event),
    ) -> io::Result<bool> {
        self.introduce(endpoint);
        endpoint.handle_timeout(now());
        self.report(endpoint, on_event);
        let all_sent = self.transmit(endpoint);
        self.report(endpoint, on_event);
        self.wait(endpoint, all_sent, at_most)?;
        self.receive(endpoint)?;
        self.report(endpoint, on_event);
        Ok(all_sent)
    }

    /// Reads the addresses of the interfaces again, and tells the endpoint what has changed: call
    /// it when the system says that its network has. A connection whose path began at an address that
    /// is gone fails; [`restart_ice`](crate::PeerConnection::restart_ice) and an exchange of
    /// descriptions find it another.
    ///
    /// # Errors
    ///
    /// When the system does not tell its addresses.
    pub fn refresh_addresses(&mut self, endpoint: &mut Endpoint) -> io::Result<()> {
        let before = self.local_addresses();
        for open in self.sockets.iter_mut().flatten() {
            open.socket.refresh_addresses()?;
        }
        let after = self.local_addresses();
        for gone in before.iter().filter(|address| !after.contains(address)) {
            endpoint.remove_local_address(now(), *gone);
        }
        self.introduce(endpoint);
        Ok(())
    }

    fn open(
        &mut self,
        address: SocketAddr,
        owner: Option<(ConnectionId, SocketId)>,
    ) -> io::Result<SocketAddr> {
        let mut socket = Socket::bind(address)?;
        let index = self.sockets.iter().position(Option::is_none).unwrap_or(self.sockets.len());
        self.poll.registry().register(socket.io(), Token(index), Interest::READABLE)?;
        let local = socket.addresses().first().copied().unwrap_or(address);
        debug!(%local, "socket opened");
        let open = Some(Open { socket, owner, readable: true, trouble: Trouble::default() });
        match self.sockets.get_mut(index) {
            Some(gap) => *gap = open,
            None => self.sockets.push(open),
        }
        Ok(local)
    }

    /// Tells the endpoint what it has to know of the sockets; costs nothing once it does.
    fn introduce(&self, endpoint: &mut Endpoint) {
        let segments = self.shared_sockets().map(Socket::max_segments).min().unwrap_or(1);
        endpoint.set_max_segments(segments);
        for socket in self.shared_sockets() {
            for address in socket.addresses() {
                endpoint.add_local_address(*address);
            }
        }
    }

    /// Gives events to the application, after taking those that are for the driver.
    fn report(
        &mut self,
        endpoint: &mut Endpoint,
        on_event: &mut impl FnMut(&mut Endpoint, ConnectionId, Event),
    ) {
        while let Some((id, event)) = endpoint.poll_event() {
            match event {
                Event::Socket(request) => self.answer(endpoint, id, request),
                event => on_event(endpoint, id, event),
            }
        }
    }

    fn answer(&mut self, endpoint: &mut Endpoint, from: ConnectionId, request: SocketRequest) {
        match request {
            SocketRequest::Bind { id, address } => {
                let Some(connection) = endpoint.connection_mut(from) else { return };
                match self.open(SocketAddr::new(address, 0), Some((from, id))) {
                    // There is no other side yet; only the local address counts.
                    Ok(local) => {
                        connection.socket_opened(now(), id, FiveTuple::udp(local, local));
                    }
                    Err(error) => {
                        debug!(%address, %error, "no socket");
                        connection.socket_failed(now(), id);
                    }
                }
            }
            SocketRequest::Close { id } => self.close(|_, owner| owner == Some((from, id))),
        }
    }

    /// Closes a socket that receives no more, unless it is the last that is everybody's.
    fn give_up(
        &mut self,
        endpoint: &mut Endpoint,
        index: usize,
        error: io::Error,
    ) -> io::Result<()> {
        let Some(Some(open)) = self.sockets.get(index) else { return Ok(()) };
        let owner = open.owner;
        if owner.is_none() && self.shared_sockets().count() == 1 {
            return Err(error);
        }
        let addresses = open.socket.addresses().to_vec();
        warn!(?addresses, %error, "a socket that cannot receive is closed");
        self.close(|at, _| at == index);
        for address in addresses {
            match owner {
                None => endpoint.remove_local_address(now(), address),
                Some((id, _)) => {
                    if let Some(connection) = endpoint.connection_mut(id) {
                        connection.remove_local_address(now(), address);
                    }
                }
            }
        }
        Ok(())
    }

    /// Closes certain sockets, by their index and owner.
    fn close(&mut self, which: impl Fn(usize, Option<(ConnectionId, SocketId)>) -> bool) {
        for (index, slot) in self.sockets.iter_mut().enumerate() {
            if let Some(open) = slot
                && which(index, open.owner)
            {
                // A failure leaves nothing to be done: the socket is closed all the same.
                let _ = self.poll.registry().deregister(open.socket.io());
                *slot = None;
            }
        }
        let sockets = &self.sockets;
        let is_open = |own: &Waiting| matches!(sockets.get(own.socket), Some(Some(_)));
        // Nobody would say any more that there is room for it.
        self.waiting = self.waiting.filter(is_open);
    }

    /// Sends until nothing is left, it is the other direction's turn, or the kernel has no room.
    /// Returns whether nothing is left.
    fn transmit(&mut self, endpoint: &mut Endpoint) -> bool {
        if let Some(waiting) = self.waiting {
            if !self.send(waiting) {
                return false;
            }
            self.waiting = None;
            self.listen(waiting.socket, Interest::READABLE);
        }
        for _ in 0..TURN {
            self.out.clear();
            let Some(transmit) = endpoint.poll_transmit(now(), &mut self.out) else { return true };
            let Transmit { path, ecn, segment_size, .. } = transmit;
            let Some(socket) = self.socket_for(path.local) else {
                self.statistics.refused += 1;
                continue;
            };
            let waiting = Waiting { path, ecn, segment_size, socket };
            if !self.send(waiting) {
                self.waiting = Some(waiting);
                self.listen(socket, Interest::READABLE | Interest::WRITABLE);
                return false;
            }
        }
        false
    }

    /// Asks the system to tell what is of interest about a socket. Room to write is of interest
    /// only while something waits for it, or else every datagram that leaves wakes us up.
    fn listen(&mut self, index: usize, interest: Interest) {
        if let Some(Some(open)) = self.sockets.get_mut(index)
            && let Err(error) =
                self.poll.registry().reregister(open.socket.io(), Token(index), interest)
        {
            debug!(%error, "cannot wait for a socket");
        }
    }

    fn socket_for(&self, local: SocketAddr) -> Option<usize> {
        let sends = |open: &Open| open.socket.sends_from(local);
        self.sockets.iter().position(|open| open.as_ref().is_some_and(sends))
    }

    /// Sends what is in `out`; returns whether it is gone.
    fn send(&mut self, waiting: Waiting) -> bool {
        let Waiting { path, ecn, segment_size, socket } = waiting;
        let Some(Some(open)) = self.sockets.get(socket) else { return true };
        let mut transmit = Transmit::new(path, &self.out).with_segment_size(segment_size);
        transmit.ecn = ecn;
        let count = transmit.datagrams().count() as u64;
        self.statistics.send_calls += 1;
        match open.socket.send(&transmit) {
            Outcome::Sent => self.statistics.sent += count,
            Outcome::Refused => self.statistics.refused += count,
            Outcome::WouldBlock => {
                self.statistics.blocked += 1;
                return false;
            }
        }
        true
    }

    /// Waits for whatever comes first.
    fn wait(
        &mut self,
        endpoint: &Endpoint,
        all_sent: bool,
        at_most: Option<Duration>,
    ) -> io::Result<()> {
        // Without room in the kernel, only room or a datagram helps.
        let deadline = if self.waiting.is_some() { None } else { endpoint.poll_timeout() };
        let open = self.sockets.iter().flatten();
        let deadline = open.filter_map(|open| open.trouble.again_at()).chain(deadline).min();
        let until_deadline = deadline.map(|at| at.saturating_duration_since(now()));
        let busy = self.sockets.iter().flatten().any(Open::is_due)
            || (!all_sent && self.waiting.is_none());
        let timeout = if busy {
            Some(Duration::ZERO)
        } else {
            [until_deadline, at_most].into_iter().flatten().min()
        };
        let polled = self.poll.poll(&mut self.events, timeout);
        self.waker.waited();
        match polled {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            if let Some(Some(open)) = self.sockets.get_mut(event.token().0) {
                open.readable |= event.is_readable();
            }
        }
        Ok(())
    }

    fn receive(&mut self, endpoint: &mut Endpoint) -> io::Result<()> {
        let mut abandoned = false;
        let mut broken = None;
        for (index, slot) in self.sockets.iter_mut().enumerate() {
            let Some(open) = slot else { continue };
            abandoned |= open.owner.is_some_and(|(id, _)| endpoint.connection(id).is_none());
            for _ in 0..TURN {
                if !open.is_due() {
                    break;
                }
                // One reading of the clock for what one system call gives.
                let mut at = None;
                let received = open.socket.receive(&mut self.buffers, |datagram| {
                    endpoint.handle_datagram(*at.get_or_insert_with(now), datagram);
                });
                self.statistics.receive_calls += 1;
                match received {
                    Ok(received) => {
                        self.statistics.received += received.unwrap_or_default() as u64;
                        open.readable = received.is_some();
                        open.trouble = Trouble::default();
                    }
                    Err(error) => {
                        debug!(%error, "cannot receive");
                        self.statistics.receive_errors += 1;
                        if open.trouble.count(now()) {
                            broken = Some((index, error));
                        }
                    }
                }
            }
        }
        if abandoned {
            self.close(|_, owner| owner.is_some_and(|(id, _)| endpoint.connection(id).is_none()));
        }
        match broken {
            // If there is another, its turn comes in the next round.
            Some((index, error)) => self.give_up(endpoint, index, error),
            None => Ok(()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a driver is where the clock is read")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
