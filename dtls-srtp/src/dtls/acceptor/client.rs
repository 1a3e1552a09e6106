//! A client that was let in, and that may begin anew from the same address.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use super::Acceptor;
use super::cookie::Cookie;
use crate::dtls::message::{FragmentHeader, HandshakeType};
use crate::dtls::record::Header;
use crate::dtls::{Connection, Event, Phase, Records};

/// All that belongs to one address behind an [`Acceptor`]: its connection, and the handshake of a
/// client that has forgotten that connection and begins anew, as after a restart.
///
/// A server "SHOULD proceed with a new handshake but MUST NOT destroy the existing association
/// until the client has demonstrated reachability", and has to once the new one is connected
/// ([RFC 9147 §5.11](https://www.rfc-editor.org/rfc/rfc9147#section-5.11),
/// [RFC 6347 §4.2.8](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.8)). So hellos go to the
/// acceptor here, the new handshake stands beside the old connection, which goes on, and takes its
/// place when it is connected; one that is not connected, or no more, is replaced at once. Hellos
/// that were recorded or are late have no part in that: one cookie is good once, and none that is
/// older than that of the newest handshake.
///
/// Its calls are those of a [`Connection`], and [`AcceptedClient::connection`] has the rest.
///
/// ```
/// use std::time::Instant;
///
/// use peerless_dtls_srtp::dtls::{AcceptedClient, Acceptor};
///
/// /// What to do with a datagram from the address of `client`, or from one that has none yet.
/// fn handle(
///     now: Instant,
///     address: &[u8],
///     datagram: &mut [u8],
///     client: &mut Option<AcceptedClient>,
///     acceptor: &mut Acceptor,
///     answer: &mut Vec<u8>,
/// ) {
///     match client {
///         None => {
///             let accepted = acceptor.handle_datagram(now, address, datagram, answer);
///             *client = accepted.map(AcceptedClient::new);
///         }
///         Some(client) => {
///             for data in client.handle_datagram(now, address, datagram, acceptor, answer) {
///                 // … take the data.
///                 # let _ = data;
///             }
///         }
///     }
///     // … send the answer, if it is not empty, and what `client` has to send.
/// }
/// # let _ = handle;
/// ```
#[derive(Debug)]
pub struct AcceptedClient {
    connection: Connection,
    /// Not connected yet.
    newer: Option<Box<Connection>>,
    seen: Seen,
}

/// The hellos that have become a connection, so that none does twice.
#[derive(Debug, Default)]
struct Seen {
    /// When the newest cookie was made, in the acceptor's seconds.
    made: u32,
    /// The randoms of the newest hellos, at least of those whose cookies were made in that second.
    randoms: VecDeque<[u8; 32]>,
}

impl AcceptedClient {
    /// Takes what an acceptor has just let in.
    pub fn new(connection: Connection) -> Self {
        let mut seen = Seen { made: connection.facts.cookie_made, ..Seen::default() };
        if let Phase::Handshaking(handshake) = &connection.phase {
            seen.randoms.push_back(handshake.client_random);
        }
        Self { connection, newer: None, seen }
    }

    /// Returns the connection that serves: the newest that was connected.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the same to work with. Datagrams and timers are for the calls here.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Returns the handshake of a client that has begun anew, as long as it is not connected: for
    /// fingerprints that are told it ([`Connection::set_remote_fingerprints`]) and signatures
    /// ([`Connection::provide_signature`]).
    pub fn newer(&mut self) -> Option<&mut Connection> {
        self.newer.as_deref_mut()
    }

    /// Takes a datagram from the client's address, as [`Connection::handle_datagram`] does. What is
    /// to be sent back to it beside what [`AcceptedClient::poll_transmit`] gives is appended to
    /// `answer` as one datagram, if there is anything, as by [`Acceptor::handle_datagram`].
    pub fn handle_datagram<'d>(
        &mut self,
        now: Instant,
        address: &[u8],
        datagram: &'d mut [u8],
        acceptor: &mut Acceptor,
        answer: &mut Vec<u8>,
    ) -> Records<'_, 'd> {
        if is_client_hello(datagram) {
            self.handle_hello(now, address, datagram, acceptor, answer);
            return Records::new(&mut self.connection, &mut []);
        }
        if self.handle_by_newer(now, datagram) {
            return Records::new(&mut self.connection, &mut []);
        }
        self.connection.handle_datagram(now, datagram)
    }

    /// A repeated hello is known by its random, and shows that the answer to it is lost. All others
    /// have to prove their address.
    fn handle_hello(
        &mut self,
        now: Instant,
        address: &[u8],
        datagram: &mut [u8],
        acceptor: &mut Acceptor,
        answer: &mut Vec<u8>,
    ) {
        let newest = self.newer.as_deref_mut().unwrap_or(&mut self.connection);
        if let Phase::Handshaking(handshake) = &newest.phase
            && random_of(datagram) == Some(&handshake.client_random)
        {
            newest.handle_datagram(now, datagram);
            return;
        }
        let seen = &mut self.seen;
        let is_new = |cookie: Cookie<'_>| seen.is_new(cookie);
        let Some(accepted) = acceptor.let_in(now, address, datagram, answer, is_new) else {
            return;
        };
        match self.connection.phase {
            Phase::Established { .. } => self.newer = Some(Box::new(accepted)),
            // It serves nobody, and what it sends would only confuse the new client.
            Phase::Handshaking(_) | Phase::Closed(_) => self.connection = accepted,
        }
    }

    /// Whether the newer handshake is connected by what came, which the older connection has no
    /// more to do with.
    fn handle_by_newer(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Some(newer) = &mut self.newer else { return false };
        let mut copy = datagram.to_vec();
        let data: Vec<_> =
            newer.handle_datagram(now, &mut copy).map(|data| data.to_vec()).collect();
        if !newer.is_connected() {
            return false;
        }
        for data in data {
            newer.keep_early(&data);
        }
        self.put_in_place();
        true
    }

    fn put_in_place(&mut self) {
        if self.newer.as_ref().is_some_and(|newer| newer.is_connected())
            && let Some(newer) = self.newer.take()
        {
            self.connection = *newer;
        }
    }

    /// Does what is due, as [`Connection::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
        if let Some(newer) = &mut self.newer {
            newer.handle_timeout(now);
        }
    }

    /// Appends the next datagram to `buf`, as [`Connection::poll_transmit`].
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Range<usize>> {
        self.put_in_place();
        let range = self.connection.poll_transmit(now, buf);
        let Some(newer) = self.newer.as_mut().filter(|_| range.is_none()) else { return range };
        let range = newer.poll_transmit(now, buf);
        if range.is_none() && newer.close_reason().is_some() {
            self.newer = None;
        }
        range
    }

    /// Returns what has happened, as [`Connection::poll_event`]. [`Event::Connected`] comes again
    /// when a client that has begun anew is connected: what the old connection had agreed on and
    /// what belongs to it is gone, and so is what was set on it ([`Connection::set_mtu`],
    /// [`Connection::set_round_trip_time`], [`Connection::set_initial_timeout`]): the new one began
    /// with the acceptor's [`Config`](crate::dtls::Config). [`Event::SignatureNeeded`] is about
    /// [`AcceptedClient::newer`] if the connection itself has no request, and [`Event::Closed`] is
    /// about the connection that served: a newer handshake goes on, as long as all of this is kept.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.put_in_place();
        let newer = self.newer.as_mut().filter(|newer| newer.signature_event);
        self.connection.poll_event().or_else(|| newer?.poll_event())
    }

    /// Returns when to call again, as [`Connection::poll_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let newer = self.newer.as_ref().and_then(|newer| newer.poll_timeout());
        self.connection.poll_timeout().into_iter().chain(newer).min()
    }
}

impl Seen {
    /// More than a client begins anew within a second.
    const MAX: usize = 8;

    /// Whether a cookie comes for the first time, of which a note is made.
    fn is_new(&mut self, cookie: Cookie<'_>) -> bool {
        if cookie.made < self.made || self.randoms.contains(cookie.client_random) {
            return false;
        }
        self.made = cookie.made;
        if self.randoms.len() >= Self::MAX {
            self.randoms.pop_front();
        }
        self.randoms.push_back(*cookie.client_random);
        true
    }
}

/// Whether a datagram begins with a ClientHello, or a part of one, without protection: one that
/// wants to renegotiate has it.
fn is_client_hello(datagram: &[u8]) -> bool {
    // Type and major version; the epoch is zero.
    matches!(datagram, [22, 0xfe, _, 0, 0, ..])
        && datagram.get(Header::LEN) == Some(&HandshakeType::ClientHello.code())
}

/// The random of the ClientHello that a datagram begins with, if it has that part of it.
fn random_of(datagram: &[u8]) -> Option<&[u8; 32]> {
    let fragment = datagram.get(Header::LEN..)?;
    let (header, body) = fragment.split_at_checked(FragmentHeader::LEN)?;
    let at_start = header.get(6..9)? == [0; 3];
    // Behind the version.
    body.get(2..)?.first_chunk().filter(|_| at_start)
}
