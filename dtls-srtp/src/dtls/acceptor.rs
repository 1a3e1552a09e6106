//! The door of a stand-alone server: clients prove their addresses before anything is kept of them.

mod client;
mod cookie;

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::time::{Duration, Instant};

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};

pub use self::client::AcceptedClient;

use self::cookie::{Cookie, Cookies, RetryCookie};
use super::alert::Alert;
use super::codec::Reader;
use super::config::Settings;
use super::epoch::Epoch;
use super::handshake::State;
use super::message::hello::{ClientHello, write_hello_verify_request};
use super::message::server_hello::Retry;
use super::message::{self, Fragment, FragmentHeader, HandshakeType, Message};
use super::negotiation::server::{choose_group, choose_suite};
use super::reassembly::{Inbox, Inserted};
use super::record::{ContentType, DTLS_1_2, Header};
use super::suite::Suite13;
use super::transcript::Transcript;
use super::v13::RecordNumber;
use super::v13::record::{Record, split};
use super::{Config, Connection, HandshakeError, Phase, Role, Version};
use crate::crypto::Group;

/// The default of [`Acceptor::with_max_incomplete`].
const MAX_INCOMPLETE: usize = 64;

/// The default of [`Acceptor::with_max_hello_bytes`].
const MAX_HELLO: usize = 4096;

/// How long a part of a ClientHello waits for the rest, from the first that came: several
/// retransmissions, after which the client begins with the first part anyway.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How long a later part of a ClientHello waits for the first byte: the network does not turn them
/// around for longer, and a client that sends that byte again sends the rest again too.
const MAX_REORDERING: Duration = Duration::from_secs(1);

/// What stands at an open port: it takes datagrams from addresses that nobody has proved, and
/// makes a [`Connection`] for each client that has.
///
/// A ClientHello is answered with a cookie, which the client has to send back: by
/// HelloVerifyRequest in DTLS 1.2 ([RFC 6347 §4.2.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1)),
/// by HelloRetryRequest in DTLS 1.3 ([RFC 9147 §5.1](https://www.rfc-editor.org/rfc/rfc9147#section-5.1)).
/// Nothing is kept in between, as all that matters is in the cookie: whoever invents addresses
/// costs some hashing and no memory. An answer is never longer than what it answers, so that
/// nobody can aim us at a victim. Only ClientHellos in several datagrams have to be kept until
/// they are whole, one of an address, up to a bound ([`Acceptor::with_max_incomplete`]), the oldest
/// going first. What is older than ten seconds goes when the next datagram comes, whoever sends it.
/// A part that contradicts those before it takes their place: it is not forged more often than
/// they, and a client that has begun anew gets in.
///
/// With ICE there is no need for it: the checks have proved the address, and
/// [`Connection::server`] takes the first ClientHello.
///
/// An address is whatever bytes the caller tells its peers apart by, such as those of a
/// [`SocketAddr`](std::net::SocketAddr). There is no timer here and nothing to poll.
///
/// Datagrams of addresses that have a connection already go to that connection. Where clients may
/// begin anew from the same address, after a restart, an [`AcceptedClient`] takes the place of the
/// [`Connection`].
///
/// ```
/// use std::time::{Instant, SystemTime};
///
/// use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters};
/// use peerless_dtls_srtp::crypto::Crypto;
/// use peerless_dtls_srtp::dtls::{Acceptor, Config, Connection};
///
/// let now = Instant::now();
/// let crypto = Crypto::default();
/// let certificate = Certificate::generate(&crypto, CertificateParameters::new(SystemTime::now()))?;
/// let config = Config::new(certificate, crypto)?.with_any_remote_certificate();
/// let mut acceptor = Acceptor::new(config.clone(), now, [1; 32]);
/// let mut client = Connection::client(config, now, [2; 32]);
///
/// let mut accepted = None;
/// let (mut datagram, mut answer) = (Vec::new(), Vec::new());
/// while accepted.is_none() {
///     client.poll_transmit(now, &mut datagram).ok_or("the client waits")?;
///     accepted = acceptor.handle_datagram(now, b"192.0.2.1:4433", &mut datagram, &mut answer);
///     client.handle_datagram(now, &mut answer);
///     datagram.clear();
///     answer.clear();
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Acceptor {
    config: Config,
    cookies: Cookies,
    rng: ChaCha20Rng,
    now: Instant,
    /// Oldest first.
    incomplete: VecDeque<Incomplete>,
    max_incomplete: usize,
    max_hello_bytes: usize,
    stats: AcceptorStats,
}

/// What an [`Acceptor`] has counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct AcceptorStats {
    /// ClientHellos that were answered with a cookie.
    pub cookies_sent: u64,
    /// ClientHellos that were refused, with an alert.
    pub refused: u64,
    /// Clients that have become a connection.
    pub accepted: u64,
    /// ClientHellos that were forgotten before they were whole.
    pub forgotten: u64,
    /// Records and fragments that belong to no ClientHello, and ClientHellos that are shorter than
    /// their answer would be.
    pub dropped: u64,
}

/// A ClientHello of which something is missing. A client has one under way.
struct Incomplete {
    address: Box<[u8]>,
    /// When its first part came.
    since: Instant,
    inbox: Inbox,
    /// How many bytes came for it, so that no more go back.
    received: usize,
}

/// A ClientHello that is whole.
struct Hello<'a> {
    address: &'a [u8],
    message: Message<'a>,
    message_seq: u16,
    /// Of the record that it came with, or its last part.
    sequence_number: u64,
    received: usize,
}

impl Acceptor {
    /// Makes an acceptor, whose connections all have these settings. About `seed` see
    /// [`Connection::client`].
    pub fn new(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        Self {
            cookies: Cookies::new(&config.shared, now, secret),
            config,
            rng,
            now,
            incomplete: VecDeque::new(),
            max_incomplete: MAX_INCOMPLETE,
            max_hello_bytes: MAX_HELLO,
            stats: AcceptorStats::default(),
        }
    }

    /// How many ClientHellos in several datagrams are put together at a time, of all addresses
    /// together; when one more comes, the oldest is forgotten. Default: 64. With zero, only clients
    /// whose hello fits a datagram come in, which those with a post-quantum key share are not.
    #[must_use]
    pub fn with_max_incomplete(self, count: usize) -> Self {
        Self { max_incomplete: count, ..self }
    }

    /// The longest ClientHello that is answered, in bytes of its body. Default: 4 096, more than
    /// twice that of a browser with a post-quantum key share. Times
    /// [`Acceptor::with_max_incomplete`], it is what forged fragments can make us keep: 256 KiB by
    /// default.
    #[must_use]
    pub fn with_max_hello_bytes(self, bytes: usize) -> Self {
        Self { max_hello_bytes: bytes, ..self }
    }

    /// How long a client can take to come back with its cookie, to the second. Default: 60 s, some
    /// retransmissions on a slow path. Within that time whoever has seen a cookie can come in from
    /// the same address with it.
    #[must_use]
    pub fn with_cookie_lifetime(mut self, lifetime: Duration) -> Self {
        self.cookies.lifetime = lifetime;
        self
    }

    /// How long cookies are made with one key, to the second and at least one: so much can be
    /// forged by who has found out a key. A cookie that was made before a change stays good for its
    /// lifetime. Default: 600 s.
    #[must_use]
    pub fn with_cookie_key_lifetime(mut self, lifetime: Duration) -> Self {
        self.cookies.key_lifetime = lifetime;
        self
    }

    /// Takes a datagram from an address that has no connection. What is to be sent back to it, if
    /// anything, is appended to `answer` as one datagram. Gives back a connection as soon as the
    /// client has proved its address; it has its flight to send.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        address: &[u8],
        datagram: &mut [u8],
        answer: &mut Vec<u8>,
    ) -> Option<Connection> {
        self.let_in(now, address, datagram, answer, |_| true)
    }

    /// The same, where a good cookie makes a connection only if it `is_new`.
    fn let_in(
        &mut self,
        now: Instant,
        address: &[u8],
        datagram: &mut [u8],
        answer: &mut Vec<u8>,
        is_new: impl FnOnce(Cookie<'_>) -> bool,
    ) -> Option<Connection> {
        self.now = self.now.max(now);
        self.forget_old();
        // What a datagram brings is counted once, whatever it holds.
        let mut credit = datagram.len();
        let mut rest = datagram;
        while !rest.is_empty() {
            let Some(record) = split(&mut rest, 0) else {
                self.stats.dropped += 1;
                return None;
            };
            let (header, body) = match record {
                Record::Plaintext(header, body)
                    if header.epoch == 0 && header.content_type == ContentType::Handshake =>
                {
                    (header, &*body)
                }
                _ => {
                    self.stats.dropped += 1;
                    continue;
                }
            };
            let mut reader = Reader(body);
            while !reader.is_empty() {
                let bytes = reader.0;
                let Ok(fragment) = Fragment::read(&mut reader) else {
                    self.stats.dropped += 1;
                    break;
                };
                if fragment.header.kind != HandshakeType::ClientHello
                    || fragment.header.length as usize > self.max_hello_bytes
                {
                    self.stats.dropped += 1;
                    continue;
                }
                let FragmentHeader { length, fragment_length, message_seq, .. } = fragment.header;
                let sequence_number = header.sequence_number;
                if length == fragment_length {
                    let bytes = bytes.get(..FragmentHeader::LEN + fragment.body.len());
                    let message = Message {
                        kind: HandshakeType::ClientHello,
                        epoch: Epoch::PLAINTEXT,
                        bytes: bytes.unwrap_or_default(),
                        body: fragment.body,
                    };
                    let received = credit;
                    let hello = Hello { address, message, message_seq, sequence_number, received };
                    return self.handle_hello(&hello, answer, is_new);
                }
                if let Some(incomplete) = self.put(address, fragment, &mut credit) {
                    let Incomplete { mut inbox, received, .. } = incomplete;
                    let complete = inbox.take()?;
                    let message = complete.message();
                    let hello = Hello { address, message, message_seq, sequence_number, received };
                    return self.handle_hello(&hello, answer, is_new);
                }
            }
        }
        None
    }

    /// Returns what was counted.
    pub fn stats(&self) -> AcceptorStats {
        self.stats
    }

    /// Forgets what has waited too long for the rest of it.
    fn forget_old(&mut self) {
        let now = self.now;
        let is_old = |old: &Incomplete| now.saturating_duration_since(old.since) > MAX_WAIT;
        while self.incomplete.front().is_some_and(is_old) {
            self.incomplete.pop_front();
            self.stats.forgotten += 1;
        }
    }

    /// Puts a part of a message where it belongs, and takes out what it completes. `credit` is how
    /// many bytes its datagram still counts for.
    fn put(
        &mut self,
        address: &[u8],
        fragment: Fragment<'_>,
        credit: &mut usize,
    ) -> Option<Incomplete> {
        // Without a byte it says nothing, and would have room made for a whole message.
        if self.max_incomplete == 0 || fragment.body.is_empty() {
            self.stats.dropped += 1;
            return None;
        }
        let now = self.now;
        let known = self.incomplete.iter().position(|known| *known.address == *address);
        let gives_way = |known: &Incomplete| known.gives_way_to(now, &fragment);
        let at = match known {
            Some(at) if !self.incomplete.get(at).is_some_and(gives_way) => at,
            // A datagram begins one hello: the work that it makes is that of a datagram.
            _ if *credit == 0 => {
                self.stats.dropped += 1;
                return None;
            }
            _ => {
                let is_full = self.incomplete.len() >= self.max_incomplete;
                if let Some(at) = known.or_else(|| is_full.then_some(0)) {
                    self.incomplete.remove(at);
                    self.stats.forgotten += 1;
                }
                let message_seq = fragment.header.message_seq;
                let max_bytes = self.max_hello_bytes.saturating_mul(2);
                self.incomplete.push_back(Incomplete {
                    address: address.into(),
                    since: now,
                    inbox: Inbox::starting_at(message_seq, Role::Server, max_bytes),
                    received: mem::take(credit),
                });
                self.incomplete.len() - 1
            }
        };
        let incomplete = self.incomplete.get_mut(at)?;
        if incomplete.inbox.insert(Epoch::PLAINTEXT, fragment) != Inserted::Kept {
            self.stats.dropped += 1;
            return None;
        }
        incomplete.received += mem::take(credit);
        if incomplete.inbox.has_next() { self.incomplete.remove(at) } else { None }
    }

    fn handle_hello(
        &mut self,
        hello: &Hello<'_>,
        answer: &mut Vec<u8>,
        is_new: impl FnOnce(Cookie<'_>) -> bool,
    ) -> Option<Connection> {
        let start = answer.len();
        match self.try_hello(hello, answer) {
            Ok(None) => self.stats.cookies_sent += 1,
            Ok(Some(proved)) if is_new(proved.cookie) => return Some(self.connect(hello, proved)),
            Ok(Some(_)) => self.stats.dropped += 1,
            Err(error) => {
                answer.truncate(start);
                let alert = Alert::fatal(error.alert());
                write_record(answer, ContentType::Alert, hello, |buf| {
                    buf.extend_from_slice(&alert.bytes());
                });
                self.stats.refused += 1;
            }
        }
        // A server must not be an amplifier.
        if answer.len() - start > hello.received {
            answer.truncate(start);
            self.stats.dropped += 1;
        }
        None
    }

    /// Asks a client to prove its address, or sees that it has.
    fn try_hello<'h>(
        &mut self,
        hello: &Hello<'h>,
        answer: &mut Vec<u8>,
    ) -> Result<Option<Proved<'h>>, HandshakeError> {
        let parsed = ClientHello::parse(hello.message.body)?;
        let settings = &*self.config.shared;
        if settings.speaks(Version::Dtls13) && parsed.offers_dtls_1_3() {
            let offer = parsed.offer_1_3()?;
            let Some(cookie) = offer.cookie else {
                let suite = choose_suite(&parsed, settings)?;
                let group = choose_group(offer, settings)?;
                let mut transcript = Transcript::default();
                transcript.add(hello.message.bytes);
                transcript.start_1_3(suite.hash());
                let hash = transcript.hash().ok_or(HandshakeError::Internal)?;
                let cookie = RetryCookie {
                    suite,
                    group,
                    named: offer.key_shares.of(group.name().into()).is_none(),
                    hello_hash: hash.as_ref(),
                };
                let cookie =
                    self.cookies.for_retry(self.now, hello.address, parsed.random, &cookie);
                let retry = Retry {
                    cipher_suite: suite.code(),
                    group: cookie.named_group,
                    cookie: Some(&cookie.bytes),
                };
                write_message(answer, HandshakeType::ServerHello, hello, |buf| retry.write(buf));
                return Ok(None);
            };
            // "If a server receives a ClientHello with an invalid cookie, it MUST terminate the
            // handshake with an illegal_parameter alert."
            let (now, random) = (self.now, parsed.random);
            let proved = self.cookies.check_retry(now, hello.address, random, cookie, settings);
            let RetryCookie { suite, group, named, hello_hash } =
                proved.ok_or(HandshakeError::IllegalParameter)?;
            let mut transcript = Transcript::after_retry(suite.hash(), hello_hash);
            let group_code = named.then(|| group.name().into());
            let retry =
                Retry { cipher_suite: suite.code(), group: group_code, cookie: Some(cookie) };
            let mut bytes = Vec::new();
            message::write(&mut bytes, HandshakeType::ServerHello, 0, |buf| retry.write(buf));
            transcript.add(&bytes);
            let cookie = Cookie::new(random, cookie);
            return Ok(Some(Proved { transcript, retried: Some((suite, group)), cookie }));
        }
        if settings.speaks(Version::Dtls12) && parsed.offers_dtls_1_2() {
            let (now, random) = (self.now, parsed.random);
            if self.cookies.check_verify(now, hello.address, random, parsed.cookie) {
                let cookie = Cookie::new(random, parsed.cookie);
                return Ok(Some(Proved {
                    transcript: Transcript::default(),
                    retried: None,
                    cookie,
                }));
            }
            let cookie = self.cookies.for_verify(now, hello.address, random);
            write_message(answer, HandshakeType::HelloVerifyRequest, hello, |buf| {
                write_hello_verify_request(buf, &cookie);
            });
            return Ok(None);
        }
        Err(HandshakeError::NoCommonVersion)
    }

    /// Makes a connection that has got as far as the client has.
    fn connect(&mut self, hello: &Hello<'_>, proved: Proved<'_>) -> Connection {
        self.stats.accepted += 1;
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let mut connection = Connection::server(self.config.clone(), self.now, seed);
        let sequence_number = hello.sequence_number;
        if let Phase::Handshaking(handshake) = &mut connection.phase {
            if let State::ServerHello(state) = &mut handshake.state {
                state.address_is_proved(proved.retried);
            }
            handshake.credit = None;
            handshake.transcript = proved.transcript;
            // What the acceptor takes, the connection takes, whose bound is another setting.
            let max_bytes = connection.settings.max_handshake_bytes;
            let max_bytes = max_bytes.max(hello.message.bytes.len() * 2);
            handshake.inbox = Inbox::starting_at(hello.message_seq, Role::Server, max_bytes);
            // As many messages as came from the client went to it.
            handshake.flight.start_at(hello.message_seq);
        }
        // "the server MUST use the record sequence number in the ClientHello as the record
        // sequence number in the initial ServerHello" (RFC 6347 §4.2.1).
        connection.outgoing.start_at(sequence_number);
        connection.facts.retries = 1;
        connection.facts.cookie_made = proved.cookie.made;
        let number = RecordNumber { epoch: 0, sequence_number };
        connection.handle_handshake(number, hello.message.bytes);
        connection
    }
}

impl Incomplete {
    /// Whether a part of a hello belongs to a newer one. What the network has brought twice, or late,
    /// may be the end of an older hello, which nothing contradicts until its beginning comes.
    fn gives_way_to(&self, now: Instant, fragment: &Fragment<'_>) -> bool {
        let is_late = now.saturating_duration_since(self.since) > MAX_REORDERING;
        let begins = fragment.header.offset == 0 && !self.inbox.has_start();
        is_late && begins || self.inbox.contradicts(fragment)
    }
}

/// What a good cookie tells.
struct Proved<'h> {
    transcript: Transcript,
    retried: Option<(Suite13, Group)>,
    cookie: Cookie<'h>,
}

/// Appends a record with a message, which stands for itself.
fn write_message(
    buf: &mut Vec<u8>,
    kind: HandshakeType,
    hello: &Hello<'_>,
    body: impl FnOnce(&mut Vec<u8>),
) {
    write_record(buf, ContentType::Handshake, hello, |buf| {
        // Each ClientHello has one answer, so that its number serves for the answer too.
        message::write(buf, kind, hello.message_seq, body);
    });
}

/// Appends a record that answers `hello`: "the server MUST use the record sequence number in the
/// ClientHello as the record sequence number in the HelloVerifyRequest"
/// ([RFC 6347 §4.2.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1)).
fn write_record(
    buf: &mut Vec<u8>,
    content_type: ContentType,
    hello: &Hello<'_>,
    contents: impl FnOnce(&mut Vec<u8>),
) {
    let start = buf.len();
    let sequence_number = hello.sequence_number;
    Header { content_type, version: DTLS_1_2, epoch: 0, sequence_number }.write(buf, 0);
    contents(buf);
    let length = buf.len() - start - Header::LEN;
    Header::set_length(buf, start, u16::try_from(length).unwrap_or_default());
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("incomplete", &self.incomplete.len())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
