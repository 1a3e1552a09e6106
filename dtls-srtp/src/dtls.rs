//! DTLS: TLS over datagrams, 1.3 ([RFC 9147](https://www.rfc-editor.org/rfc/rfc9147)) and 1.2
//! ([RFC 6347](https://www.rfc-editor.org/rfc/rfc6347)).
//!
//! A [`Connection`] is one side of a DTLS association. It never sees a socket or an address:
//! datagrams that belong to it go into [`Connection::handle_datagram`], datagrams to send come out
//! of [`Connection::poll_transmit`], and the clock is told with every call.
//!
//! ```
//! use std::time::{Instant, SystemTime};
//!
//! use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters};
//! use peerless_dtls_srtp::crypto::Crypto;
//! use peerless_dtls_srtp::dtls::{Config, Connection, Event};
//! use peerless_dtls_srtp::fingerprint::HashAlgorithm;
//!
//! let now = Instant::now();
//! let crypto = Crypto::default();
//! let [alice, bob] = [(); 2].map(|()| {
//!     let parameters = CertificateParameters::new(SystemTime::now());
//!     Certificate::generate(&crypto, parameters).unwrap()
//! });
//! // Signalling tells each side the other's fingerprint.
//! let config = |ours: &Certificate, theirs: &Certificate| {
//!     Config::new(ours.clone(), crypto.clone())
//!         .unwrap()
//!         .with_remote_fingerprints(vec![theirs.fingerprint(HashAlgorithm::Sha256)])
//! };
//! let mut client = Connection::client(config(&alice, &bob), now, [1; 32]);
//! let mut server = Connection::server(config(&bob, &alice), now, [2; 32]);
//!
//! let mut datagram = Vec::new();
//! while !(client.is_connected() && server.is_connected()) {
//!     while client.poll_transmit(now, &mut datagram).is_some() {
//!         server.handle_datagram(now, &mut datagram);
//!         datagram.clear();
//!     }
//!     while server.poll_transmit(now, &mut datagram).is_some() {
//!         client.handle_datagram(now, &mut datagram);
//!         datagram.clear();
//!     }
//! }
//! assert_eq!(client.poll_event(), Some(Event::Connected));
//! assert!(client.srtp_keys().is_some());
//!
//! let record = client.begin(&mut datagram).unwrap();
//! datagram.extend_from_slice(b"hello");
//! client.seal(&mut datagram, record).unwrap();
//! assert_eq!(server.handle_datagram(now, &mut datagram).next(), Some(&mut b"hello".to_owned()[..]));
//! ```
//!
//! Which version it is depends on what the other side speaks: the client's first message offers
//! all that it may be ([`Config::with_versions`]), and the server picks the newest that it has too.
//!
//! | | DTLS 1.3 | DTLS 1.2 |
//! | --- | --- | --- |
//! | round trips until the client may send | 1, and 1 for a cookie or another key share | 2, and 1 for a cookie |
//! | until both are connected | 1.5 | 2 |
//! | what is lost | is named by ACKs, and sent again alone | brings its whole flight again |
//! | certificates | encrypted | in the clear |
//! | record around application data, AES-GCM | 22 bytes | 37 bytes |
//! | new keys | by themselves, and [`Connection::update_keys`] | a new connection |
//!
//! A key of DTLS 1.2 ends with its 2^48 sequence numbers. [RFC 9325
//! §4.4](https://www.rfc-editor.org/rfc/rfc9325#section-4.4) recommends new ones with AES-GCM after
//! 2^24.5 full records, some 380 GB, or 2^28 forged ones: that is the application's to do, by a new
//! connection.
//!
//! # What is where
//!
//! | layer | file |
//! | --- | --- |
//! | settings; what can go wrong; what is told | `config`, `version`, `error`, `alert`, `event` |
//! | records: in a datagram, ours, the peer's, protected | `record`, `epoch`, `v13/record`, `outgoing`, `incoming`, `v12/protection`, `v13/protection`, `v13/handshake_opener`, `replay` |
//! | handshake messages: fragments, their reassembly, wire formats | `message`, `reassembly`, `message/…`, `transcript` |
//! | flights, their timers and acknowledgements | `flight`, `flight/contents`, `acks`, `v13/ack` |
//! | how far a connection has come; what it is told | `phase`, `commands` |
//! | the first messages, until the version is known | `negotiation/…` |
//! | the handshake of each side, state by state | `handshake`, `v12/…`, `v13/…` |
//! | the secrets of each version, and who else learns them | `v12/session`, `v13/key_schedule`, `key_log` |
//! | who the peer is | `peer`, `signature` |
//! | signatures that the application gives | `signing` |
//! | what goes on after a handshake: new keys | `v13/post_handshake` |
//! | what comes and what becomes of it; application data both ways | `receive`, `receive/…`, `send`, `early` |
//! | what was negotiated, and keys for others | `session`, `inspect` |
//! | clients at an open port, peers that move | `acceptor`, `connection_id` |
//!
//! Left out: session resumption and early data, renegotiation (refused), compression, static key
//! exchange, CBC.

mod acceptor;
mod acks;
mod alert;
mod codec;
mod commands;
mod config;
mod connection_id;
mod early;
mod epoch;
mod error;
mod event;
mod flight;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod incoming;
mod inspect;
mod key_log;
mod message;
mod negotiation;
mod outgoing;
mod peer;
mod phase;
mod reassembly;
mod receive;
mod record;
mod replay;
mod send;
mod session;
mod signature;
mod signing;
mod suite;
mod transcript;
mod v12;
mod v13;
mod version;

use std::fmt;
use std::mem;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};

pub use self::acceptor::{AcceptedClient, Acceptor, AcceptorStats};
pub use self::alert::AlertDescription;
pub use self::config::{ClientAuthentication, Config, DEFAULT_MTU, GROUPS, LossReaction};
pub use self::connection_id::connection_id;
pub use self::error::{CloseReason, ConfigError, ExportError, HandshakeError, SealError};
pub use self::event::{Event, Stats};
pub use self::key_log::KeyLog;
pub use self::message::post_handshake::KeyUpdate;
pub use self::receive::Records;
pub use self::send::{MAX_PLAINTEXT_LEN, RecordStart};
pub use self::signature::SIGNATURE_SCHEMES;
pub use self::signing::SignatureRequest;
pub use self::version::Version;

use self::acks::Acks;
use self::alert::Alert;
use self::config::Settings;
use self::early::Early;
use self::epoch::Epoch;
use self::flight::{Flight, Timeout, Timing};
use self::handshake::{Facts, Handshake, State, Step};
use self::incoming::Incoming;
use self::outgoing::Outgoing;
use self::peer::Peer;
use self::phase::{Closed, LastFlight, Phase, Rest};
use self::reassembly::Inbox;
use self::record::{ContentType, Header, MAX_PLAINTEXT};
use self::session::Session;
use self::transcript::Transcript;

/// The smallest and the largest datagrams that we can be told to make. One record may fill a
/// datagram, and holds no more.
const MTUS: RangeInclusive<usize> = 128..=MAX_PLAINTEXT;

/// The first timer when no round-trip time is known
/// ([RFC 9147 §5.8.2](https://www.rfc-editor.org/rfc/rfc9147#section-5.8.2) recommends it for
/// applications like ours).
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(400);

/// The first timer is no shorter, however near the peer is: it needs some milliseconds for its
/// signatures, and its processor may be busy.
const MIN_TIMEOUT: Duration = Duration::from_millis(30);

/// What no timer is below, as nothing would ever be waited for, nor above, as some later instants
/// cannot be told.
const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// Which side of the handshake we are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The side that speaks first (`a=setup:active`).
    Client,
    /// The side that waits (`a=setup:passive`).
    Server,
}

/// One side of a DTLS association.
///
/// [`Debug`](fmt::Debug) shows its role and state, and no secret.
pub struct Connection {
    settings: Arc<Settings>,
    role: Role,
    now: Instant,
    phase: Phase,
    outgoing: Outgoing,
    incoming: Incoming,
    session: Option<Session>,
    peer: Peer,
    facts: Facts,
    /// Application data that came before it could be delivered.
    early: Early,
    /// An alert that the peer has to be sent, and under which keys.
    owed: Option<(Epoch, Alert)>,
    /// Whether [`Event::SignatureNeeded`] is still to be read.
    signature_event: bool,
    /// Whether [`Event::Connected`] is still to be read.
    connected_event: bool,
    /// Whether [`Event::ConnectionIdsChanged`] is still to be read.
    ids_event: bool,
    closed_event: Option<CloseReason>,
    mtu: usize,
    timing: Timing,
    /// Whether the application has said how long the first timer is.
    timed: bool,
    stats: Stats,
}

impl Connection {
    /// Makes a client, which has its first flight to send at once.
    ///
    /// `seed` is where its randomness comes from, apart from that of the providers: 32 bytes that
    /// nobody can guess and that are used nowhere else.
    pub fn client(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        Self::new(Role::Client, config, now, seed)
    }

    /// Makes a server, which waits for a client. About `seed` see [`Connection::client`].
    pub fn server(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        Self::new(Role::Server, config, now, seed)
    }

    fn new(role: Role, config: Config, now: Instant, seed: [u8; 32]) -> Self {
        // The seed is not wiped here: it is the caller's copy as well, and rustc 1.95 was seen to
        // wipe a second argument of the same value with it.
        let mut rng = ChaCha20Rng::from_seed(seed);
        let Config { shared: settings, identity } = config;
        let (mut random, mut cookie) = ([0; 32], [0; 32]);
        rng.fill_bytes(&mut random);
        rng.fill_bytes(&mut cookie);
        let mut connection_id = vec![0; settings.connection_id_len.unwrap_or(0).into()];
        rng.fill_bytes(&mut connection_id);

        let mut handshake = Box::new(Handshake {
            state: State::Done,
            inbox: Inbox::new(role, settings.max_handshake_bytes),
            flight: Flight::default(),
            transcript: Transcript::default(),
            acks: Acks::default(),
            client_random: [0; 32],
            sealed: Early::default(),
            signing: None,
            credit: (role == Role::Server && settings.cookies).then_some(0),
        });
        let mut connection = Self {
            peer: Peer::new(identity),
            mtu: settings.mtu.clamp(*MTUS.start(), *MTUS.end()),
            timing: Timing::new(&settings),
            timed: settings.initial_timeout.is_some(),
            settings,
            role,
            now,
            phase: Phase::Closed(Closed::new(CloseReason::Local, None, now)),
            outgoing: match role {
                Role::Client => Outgoing::client(),
                Role::Server => Outgoing::server(),
            },
            incoming: Incoming::default(),
            session: None,
            facts: Facts::default(),
            early: Early::default(),
            owed: None,
            signature_event: false,
            connected_event: false,
            ids_event: false,
            closed_event: None,
            stats: Stats::default(),
        };
        connection.incoming.offer_connection_id(connection_id.into());
        let started = match role {
            Role::Client => {
                negotiation::client::start(random, &mut connection.step(&mut handshake))
            }
            Role::Server => Ok(negotiation::server::start(random, cookie, &connection.settings)),
        };
        match started {
            Ok(state) => {
                handshake.state = state;
                connection.phase = Phase::Handshaking(handshake);
            }
            Err(error) => connection.end(error.into(), None),
        }
        connection
    }

    // The five calls.

    /// Takes a datagram from the peer, and gives back the application data in it, decrypted in
    /// place: an iterator over its records. Dropping the iterator processes the rest of the
    /// datagram, and drops application data in it.
    ///
    /// Whatever the datagram holds, this cannot fail: what is not understood is counted.
    pub fn handle_datagram<'d>(&mut self, now: Instant, datagram: &'d mut [u8]) -> Records<'_, 'd> {
        self.see(now);
        self.incoming.start_datagram();
        match &mut self.phase {
            Phase::Established { rest, .. } => match rest {
                Rest::LastFlight(last) if last.flight.is_stale(self.now) => {
                    *rest = Rest::Answered(last.peer_seq);
                }
                Rest::PostHandshake(post) => post.forget_old(self.now, &mut self.incoming),
                _ => (),
            },
            Phase::Handshaking(handshake) => handshake.receive(datagram.len()),
            Phase::Closed(_) => (),
        }
        Records::new(self, datagram)
    }

    /// Does what is due: a flight that was not answered in time is sent again.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.see(now);
        let Some((flight, acks)) = self.phase.sending() else { return };
        match flight.handle_timeout(self.now, self.timing) {
            Timeout::NotYet => (),
            // Only a part of the answer came: what did come is said again.
            Timeout::Retransmit if flight.was_acknowledged() => acks.send_by(self.now),
            Timeout::Retransmit => self.stats.flights_retransmitted += 1,
            Timeout::GiveUp => self.end(CloseReason::TimedOut, None),
        }
    }

    /// Appends the next datagram to `buf` and returns its range; `None` when there is nothing to
    /// send.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Range<usize>> {
        self.see(now);
        let start = buf.len();
        if let Some((flight, acks)) = self.phase.sending() {
            // Who has not received our Finished has no keys yet for what follows it.
            let heard = self.role == Role::Server || flight.was_acknowledged();
            acks.write(self.now, buf, self.mtu, heard, &mut self.outgoing);
            if flight.is_sending() {
                flight.write_datagram(
                    self.now,
                    buf,
                    start,
                    self.mtu,
                    self.timing,
                    &mut self.outgoing,
                );
            }
        }
        if let Phase::Handshaking(handshake) = &mut self.phase
            && !handshake.send(buf.len() - start)
        {
            // As if the network had lost it: a client that says its hello again is answered then.
            buf.truncate(start);
        }
        if buf.len() == start
            && let Some((epoch, alert)) = self.owed.take()
        {
            self.outgoing.write(epoch, ContentType::Alert, buf, |buf| {
                buf.extend_from_slice(&alert.bytes());
            });
        }
        (buf.len() > start).then_some(start..buf.len())
    }

    /// Returns what has happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        if mem::take(&mut self.signature_event) {
            return Some(Event::SignatureNeeded);
        }
        if mem::take(&mut self.connected_event) {
            return Some(Event::Connected);
        }
        if mem::take(&mut self.ids_event) {
            return Some(Event::ConnectionIdsChanged);
        }
        self.closed_event.take().map(Event::Closed)
    }

    /// Returns when to call again: then [`Connection::handle_timeout`], and after it
    /// [`Connection::poll_transmit`] until `None`, which does nothing by itself about a timer that
    /// has expired. `None` while there is nothing to wait for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (flight, acks) = self.phase.sent();
        if self.owed.is_some() || flight.is_some_and(Flight::is_sending) {
            return Some(self.now);
        }
        let deadline = flight.and_then(Flight::deadline);
        let ack = acks.and_then(Acks::due).map(|due| due.max(self.now));
        [deadline, ack].into_iter().flatten().min()
    }

    // What the calls share.

    /// An older `now` is read as the newest seen.
    fn see(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// An alert is protected as soon as the peer can open it.
    fn alert_epoch(&self) -> Epoch {
        let newest = self.outgoing.newest_epoch();
        let Phase::Handshaking(handshake) = &self.phase else {
            // As long as the peer has not been sent our Finished, it does not expect what comes
            // after it.
            return match &self.phase {
                Phase::Established { rest: Rest::LastFlight(last), .. }
                    if !last.flight.was_sent() =>
                {
                    Epoch::PLAINTEXT
                }
                Phase::Established { rest: Rest::PostHandshake(post), .. }
                    if self.outgoing.has_handshake_keys() && !post.flight.was_sent() =>
                {
                    newest.min(Epoch::HANDSHAKE)
                }
                _ => newest,
            };
        };
        let flight = &handshake.flight;
        match (handshake.inbox.version(), self.role) {
            // It opens records of epoch 3 once it has our Finished, which it answers.
            (Some(Version::Dtls13), Role::Server) if flight.was_acknowledged() => newest,
            (Some(Version::Dtls13), Role::Server) if flight.was_begun() => {
                newest.min(Epoch::HANDSHAKE)
            }
            (Some(Version::Dtls13), Role::Client) => newest,
            (_, Role::Client) if flight.was_sent() => newest,
            _ => Epoch::PLAINTEXT,
        }
    }

    /// Lets a handshake work on the parts of the connection that it may change.
    fn step<'s>(&'s mut self, handshake: &'s mut Handshake) -> Step<'s> {
        Step {
            now: self.now,
            settings: &self.settings,
            transcript: &mut handshake.transcript,
            flight: &mut handshake.flight,
            inbox: &mut handshake.inbox,
            acks: &mut handshake.acks,
            signing: &mut handshake.signing,
            outgoing: &mut self.outgoing,
            incoming: &mut self.incoming,
            peer: &mut self.peer,
            facts: &mut self.facts,
            client_random: &mut handshake.client_random,
            session: &mut self.session,
        }
    }

    /// The handshake is finished; if the fingerprints have come, so is everything.
    fn connect_if_authenticated(&mut self) {
        if let Phase::Established { connected, .. } = &mut self.phase
            && !*connected
            && self.peer.is_authenticated()
        {
            *connected = true;
            self.connected_event = true;
            tracing::debug!(role = ?self.role, suite = ?self.cipher_suite(), "DTLS connected");
        }
    }

    /// Breaks off and tells the peer why.
    fn fail(&mut self, error: HandshakeError) {
        let description = match (error, self.agreed_version()) {
            // "the server MAY ... abort the handshake with a certificate_required alert"
            // (RFC 8446 §4.4.2.4).
            (HandshakeError::NoCertificate, Some(Version::Dtls13)) => {
                AlertDescription::CertificateRequired
            }
            _ => error.alert(),
        };
        self.end(error.into(), Some(Alert::fatal(description)));
    }

    /// The version, as soon as both sides know it.
    fn agreed_version(&self) -> Option<Version> {
        match &self.phase {
            Phase::Handshaking(handshake) => handshake.inbox.version(),
            _ => self.version(),
        }
    }

    fn end(&mut self, reason: CloseReason, alert: Option<Alert>) {
        tracing::debug!(role = ?self.role, %reason, "DTLS closed");
        let alert = alert.map(|alert| (self.alert_epoch(), alert));
        self.owed = alert;
        let mut repeated = alert;
        if let Phase::Handshaking(handshake) = &mut self.phase
            && handshake.credit.is_some()
        {
            self.owed = alert.filter(|_| handshake.send(Header::LEN + Alert::LEN));
            repeated = None;
        }
        self.closed_event = Some(reason);
        (self.signature_event, self.ids_event) = (false, false);
        self.early = Early::default();
        self.phase = Phase::Closed(Closed::new(reason, repeated, self.now));
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Handshaking(_) => "handshaking",
            Phase::Established { connected: false, .. } => "waiting for fingerprints",
            Phase::Established { connected: true, .. } => "connected",
            Phase::Closed(_) => "closed",
        };
        f.debug_struct("Connection")
            .field("role", &self.role)
            .field("phase", &phase)
            .field("cipher_suite", &self.cipher_suite())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
