//! Which connection is a datagram for?

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use siphasher::sip::SipHasher13;
use stun::{Class, FiveTuple, Message, TransactionId, Transport};

/// Finds the connection that a datagram is for, in a time that does not depend on how many there
/// are. `T` names a connection.
///
/// | datagram | is found by | who says so |
/// | --- | --- | --- |
/// | STUN response | the transaction id of an outstanding request | [`sent`](Self::sent) |
/// | STUN request | the local user fragment, before the colon in USERNAME ([RFC 8445 §7.2.2](https://www.rfc-editor.org/rfc/rfc8445#section-7.2.2)) | [`bind_ufrag`](Self::bind_ufrag) |
/// | anything else | the five-tuple | [`bind_path`](Self::bind_path) |
///
/// Nothing here is authenticated: a five-tuple is to be bound only when the integrity of a check on
/// it has been verified, and one that is another's only when a check was answered from there, or else
/// anybody could take another's datagrams away.
///
/// [`Endpoint`](crate::Endpoint) has one inside; it works alone, too, say in front of connections
/// that live on several threads:
///
/// ```
/// use std::time::Instant;
/// use peerless::FiveTuple;
/// use peerless::endpoint::Demux;
/// use stun::{Class, MessageWriter, Method, TransactionId};
///
/// # #[expect(clippy::disallowed_methods, reason = "an example of a driver")]
/// let now = Instant::now();
/// let mut demux = Demux::new(now, [7; 32]);
/// demux.bind_ufrag("4ZcD", 'a');
///
/// let path = FiveTuple::udp("192.0.2.1:3478".parse()?, "203.0.113.9:61000".parse()?);
/// let mut check = Vec::new();
/// let id = TransactionId::new([1; 12]);
/// MessageWriter::new(&mut check, Class::Request, Method::Binding, id).username("4ZcD:x9Yz").finish();
/// assert_eq!(demux.find(path, &check), Ok('a'));
///
/// // The connection has verified the check: what comes on this path is its own.
/// demux.bind_path(path, 'a');
/// assert_eq!(demux.find(path, &[22, 254, 253]), Ok('a'));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Demux<T> {
    ufrags: HashMap<Box<str>, T, Keyed>,
    paths: HashMap<Path, T, Keyed>,
    /// Requests that were sent since `swapped`.
    transactions: HashMap<TransactionId, T, Keyed>,
    /// Requests that were sent in the interval before.
    old_transactions: HashMap<TransactionId, T, Keyed>,
    swapped: Instant,
}

/// How long a request is remembered at least, twice that at most. The last response that a
/// transaction waits for comes 39.5 s after its first request, by the slowest schedule of
/// [RFC 8489 §6.2.1](https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1).
const TRANSACTION_LIFETIME: Duration = Duration::from_secs(40);

/// Why a datagram is for nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unroutable {
    /// It claims to be STUN and is malformed.
    #[error("a malformed STUN message")]
    Malformed,
    /// A response to a request that nobody sent, or long ago.
    #[error("a response to no request")]
    UnknownTransaction,
    /// A request for a user fragment that nobody has, or without one.
    #[error("a check for an unknown user fragment")]
    UnknownUfrag,
    /// A path that was never proved.
    #[error("an unknown path")]
    UnknownPath,
}

impl<T: Copy + Eq> Demux<T> {
    /// One that knows nobody. The seed keys the hashing: what is looked up is chosen by others, who
    /// must not be able to choose collisions.
    pub fn new(now: Instant, seed: [u8; 32]) -> Self {
        let keyed = Keyed::from_seed(seed);
        Self {
            ufrags: HashMap::with_hasher(keyed),
            paths: HashMap::with_hasher(keyed),
            transactions: HashMap::with_hasher(keyed),
            old_transactions: HashMap::with_hasher(keyed),
            swapped: now,
        }
    }

    /// Routes requests for a local user fragment. A later binding replaces an earlier one.
    pub fn bind_ufrag(&mut self, ufrag: &str, to: T) {
        self.ufrags.insert(ufrag.into(), to);
    }

    /// Forgets a user fragment, unless it is another's by now.
    pub fn unbind_ufrag(&mut self, ufrag: &str, from: T) {
        if self.ufrags.get(ufrag) == Some(&from) {
            self.ufrags.remove(ufrag);
        }
    }

    /// Routes what comes on a path that a check has proved. A later binding replaces an earlier
    /// one: the other side may have closed its socket, and another taken the port. That another
    /// has, an answer to a check of ours proves ([`PathProof::Response`](ice::PathProof)). A request
    /// does not: see whether the path is somebody's ([`path_owner`](Self::path_owner)) first.
    pub fn bind_path(&mut self, path: FiveTuple, to: T) {
        self.paths.insert(Path(path), to);
    }

    /// Returns whom a path leads to.
    #[inline]
    pub fn path_owner(&self, path: FiveTuple) -> Option<T> {
        self.paths.get(&Path(path)).copied()
    }

    /// Forgets a path, unless it is another's by now.
    pub fn unbind_path(&mut self, path: FiveTuple, from: T) {
        if self.paths.get(&Path(path)) == Some(&from) {
            self.paths.remove(&Path(path));
        }
    }

    /// Takes note of a datagram that is sent: when it is a STUN request, its response will be
    /// routed, wherever it comes from.
    #[inline]
    pub fn sent(&mut self, now: Instant, contents: &[u8], by: T) {
        // 0b00 and the class bits of a request; everything but STUN begins differently.
        if let [0 | 1, low, ..] = contents
            && low & 0x10 == 0
        {
            self.note_request(now, contents, by);
        }
    }

    fn note_request(&mut self, now: Instant, contents: &[u8], by: T) {
        let Ok(message) = Message::parse(contents) else { return };
        if message.class() != Class::Request {
            return;
        }
        if now.saturating_duration_since(self.swapped) >= TRANSACTION_LIFETIME {
            std::mem::swap(&mut self.transactions, &mut self.old_transactions);
            self.transactions.clear();
            self.swapped = now;
        }
        self.transactions.insert(message.transaction_id(), by);
    }

    /// Returns whom a datagram is for.
    ///
    /// # Errors
    ///
    /// Says why it is for nobody.
    #[inline]
    pub fn find(&self, path: FiveTuple, contents: &[u8]) -> Result<T, Unroutable> {
        match contents {
            [0..=3, ..] => self.find_stun(path, contents),
            _ => self.find_path(path),
        }
    }

    fn find_path(&self, path: FiveTuple) -> Result<T, Unroutable> {
        self.path_owner(path).ok_or(Unroutable::UnknownPath)
    }

    fn find_stun(&self, path: FiveTuple, contents: &[u8]) -> Result<T, Unroutable> {
        let message = Message::parse(contents).map_err(|_| Unroutable::Malformed)?;
        match message.class() {
            Class::Request => {
                let username = message.username().ok_or(Unroutable::UnknownUfrag)?;
                let local = username.split_once(':').map_or(username, |(local, _)| local);
                self.ufrags.get(local).copied().ok_or(Unroutable::UnknownUfrag)
            }
            Class::Indication => self.find_path(path),
            Class::SuccessResponse | Class::ErrorResponse => {
                let id = message.transaction_id();
                let found = self.transactions.get(&id).or_else(|| self.old_transactions.get(&id));
                found.copied().ok_or(Unroutable::UnknownTransaction)
            }
        }
    }

    /// Returns how many user fragments, paths and transactions are known.
    pub fn len(&self) -> (usize, usize, usize) {
        let transactions = self.transactions.len() + self.old_transactions.len();
        (self.ufrags.len(), self.paths.len(), transactions)
    }

    /// Returns whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0, 0)
    }
}

/// Hashes by SipHash-1-3 with keys from the seed: no order that differs from run to run, no
/// collisions that a stranger can compute. (The standard library's keyed hasher takes its keys from
/// the environment; its `SipHasher` that takes them from the caller is deprecated.)
#[derive(Clone, Copy)]
struct Keyed {
    keys: (u64, u64),
}

impl Keyed {
    const fn from_seed(seed: [u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = seed;
        let [i, j, k, l, m, n, o, p, ..] = rest;
        let first = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Self { keys: (first, u64::from_le_bytes([i, j, k, l, m, n, o, p])) }
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed(..)")
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.keys.0, self.keys.1)
    }
}

/// A five-tuple that hashes in two writes for IPv4 and four for IPv6, a third of what the derived
/// implementation takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Path(FiveTuple);

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let transport = match self.0.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
            _ => 2,
        };
        hash_address(self.0.remote, transport, state);
        hash_address(self.0.local, 0, state);
    }
}

fn hash_address(address: SocketAddr, tag: u64, state: &mut impl Hasher) {
    let tag = u64::from(address.port()) | tag << 16;
    match address.ip() {
        IpAddr::V4(ip) => state.write_u64(u64::from(ip.to_bits()) << 32 | tag),
        IpAddr::V6(ip) => {
            // Differs from every IPv4 address by its length.
            let bits = ip.to_bits();
            state.write_u64((bits >> 64) as u64);
            state.write_u64(bits as u64);
            state.write_u64(tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use stun::{MessageWriter, Method};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
    fn start() -> Instant {
        Instant::now()
    }

    fn demux(now: Instant) -> Demux<char> {
        Demux::new(now, [1; 32])
    }

    fn path(remote_port: u16) -> FiveTuple {
        FiveTuple::udp(
            "192.0.2.1:3478".parse().unwrap(),
            SocketAddr::from(([203, 0, 113, 9], remote_port)),
        )
    }

    fn message(class: Class, id: u8, username: Option<&str>) -> Vec<u8> {
        let mut buf = Vec::new();
        let id = TransactionId::new([id; 12]);
        let writer = MessageWriter::new(&mut buf, class, Method::Binding, id);
        let _ = match username {
            Some(username) => writer.username(username).finish(),
            None => writer.finish(),
        };
        buf
    }

    #[test]
    fn requests_are_found_by_the_local_ufrag() {
        let mut demux = demux(start());
        demux.bind_ufrag("aaaa", 'a');
        demux.bind_ufrag("bbbb", 'b');
        let find =
            |demux: &Demux<_>, username| demux.find(path(1), &message(Class::Request, 1, username));
        assert_eq!(find(&demux, Some("aaaa:bbbb")), Ok('a'));
        assert_eq!(find(&demux, Some("bbbb:aaaa")), Ok('b'));
        assert_eq!(find(&demux, Some("cccc:aaaa")), Err(Unroutable::UnknownUfrag));
        assert_eq!(find(&demux, None), Err(Unroutable::UnknownUfrag));
        demux.unbind_ufrag("aaaa", 'b');
        assert_eq!(find(&demux, Some("aaaa:bbbb")), Ok('a'), "it is not b's to forget");
        demux.unbind_ufrag("aaaa", 'a');
        assert_eq!(find(&demux, Some("aaaa:bbbb")), Err(Unroutable::UnknownUfrag));
    }

    #[test]
    fn a_request_goes_by_its_ufrag_even_on_another_connections_path() {
        let mut demux = demux(start());
        demux.bind_ufrag("aaaa", 'a');
        demux.bind_path(path(1), 'b');
        assert_eq!(demux.find(path(1), &message(Class::Request, 1, Some("aaaa:x"))), Ok('a'));
        assert_eq!(demux.find(path(1), &message(Class::Indication, 1, None)), Ok('b'));
    }

    #[test]
    fn responses_are_found_by_their_transaction_wherever_they_come_from() {
        let now = start();
        let mut demux = demux(now);
        demux.bind_path(path(1), 'b');
        demux.sent(now, &message(Class::Request, 7, Some("x:y")), 'a');
        for class in [Class::SuccessResponse, Class::ErrorResponse] {
            assert_eq!(demux.find(path(1), &message(class, 7, None)), Ok('a'));
            assert_eq!(demux.find(path(9), &message(class, 7, None)), Ok('a'));
            let unknown = demux.find(path(1), &message(class, 8, None));
            assert_eq!(unknown, Err(Unroutable::UnknownTransaction));
        }
    }

    #[test]
    fn only_requests_make_transactions() {
        let now = start();
        let mut demux = demux(now);
        demux.sent(now, &message(Class::SuccessResponse, 7, None), 'a');
        demux.sent(now, &message(Class::Indication, 7, None), 'a');
        demux.sent(now, &[22, 254, 253, 0], 'a');
        demux.sent(now, &[0, 1], 'a');
        demux.sent(now, &[], 'a');
        assert!(demux.is_empty());
    }

    #[test]
    fn transactions_live_long_enough_and_not_for_ever() {
        let start = start();
        let mut demux = demux(start);
        let response = |id| message(Class::SuccessResponse, id, None);
        let at = |seconds| start + Duration::from_secs(seconds);
        demux.sent(at(39), &message(Class::Request, 1, None), 'a');
        demux.sent(at(40), &message(Class::Request, 2, None), 'a');
        demux.sent(at(79), &message(Class::Request, 3, None), 'a');
        assert_eq!(demux.find(path(1), &response(1)), Ok('a'), "40 s later");
        demux.sent(at(80), &message(Class::Request, 4, None), 'a');
        assert_eq!(demux.find(path(1), &response(1)), Err(Unroutable::UnknownTransaction));
        assert_eq!(demux.find(path(1), &response(2)), Ok('a'));
        // A retransmission keeps the transaction alive.
        demux.sent(at(119), &message(Class::Request, 2, None), 'a');
        demux.sent(at(120), &message(Class::Request, 5, None), 'a');
        assert_eq!(demux.find(path(1), &response(2)), Ok('a'));
        assert_eq!(demux.len().2, 3);
    }

    #[test]
    fn everything_else_goes_by_the_five_tuple() {
        let mut demux = demux(start());
        assert_eq!(demux.find(path(1), &[128, 0]), Err(Unroutable::UnknownPath));
        demux.bind_path(path(1), 'a');
        demux.bind_path(path(2), 'b');
        assert_eq!(demux.find(path(1), &[128, 0]), Ok('a'));
        assert_eq!(demux.find(path(2), &[22]), Ok('b'));
        assert_eq!(demux.find(path(2), &[]), Ok('b'));
        demux.bind_path(path(1), 'b');
        demux.unbind_path(path(1), 'a');
        assert_eq!(demux.find(path(1), &[128, 0]), Ok('b'), "the newest binding counts");
    }

    #[test]
    fn a_path_is_its_transport_and_both_its_addresses() {
        let mut demux = demux(start());
        demux.bind_path(path(1), 'a');
        let tcp = FiveTuple { transport: Transport::Tcp, ..path(1) };
        let other = FiveTuple { local: "192.0.2.2:3478".parse().unwrap(), ..path(1) };
        let mapped = FiveTuple { remote: "[::ffff:203.0.113.9]:1".parse().unwrap(), ..path(1) };
        for path in [tcp, other, mapped] {
            assert_eq!(demux.find(path, &[128]), Err(Unroutable::UnknownPath));
        }
    }

    #[test]
    fn what_claims_to_be_stun_and_is_not_is_nobodys() {
        let mut demux = demux(start());
        demux.bind_path(path(1), 'a');
        assert_eq!(demux.find(path(1), &[0, 1, 0, 0]), Err(Unroutable::Malformed));
    }
}
