//! DTLS handshakes between two connections of one stack, with certificates that are there.

#[cfg(feature = "peers")]
mod dimpl;
#[cfg(feature = "openssl-peer")]
mod openssl;
#[cfg(feature = "security-peers")]
mod rtc;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use dtls_srtp::dtls::{Config, Connection, DEFAULT_MTU};
use dtls_srtp::fingerprint::HashAlgorithm;
use dtls_srtp::{Certificate, CertificateParameters, Crypto};

#[cfg(feature = "peers")]
pub use self::dimpl::{Dimpl, DimplSide};
#[cfg(feature = "openssl-peer")]
pub use self::openssl::{OpenSsl, OpenSslSide};
#[cfg(feature = "security-peers")]
pub use self::rtc::{RtcDtls, RtcDtlsSide};

/// One side of a handshake, of whatever stack.
pub trait Side {
    /// Takes one datagram from the other side.
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]);

    /// Lets time pass.
    fn handle_timeout(&mut self, now: Instant);

    /// Returns when time has to pass next.
    fn poll_timeout(&mut self) -> Option<Instant>;

    /// Gives all datagrams that shall be sent to `sink`.
    fn drain(&mut self, now: Instant, sink: &mut dyn FnMut(&mut [u8]));

    /// Returns whether it has finished.
    fn is_connected(&self) -> bool;
}

/// The settings of both sides.
pub trait Stack {
    /// Its connections.
    type Side: Side;

    /// Makes a client and a server.
    fn pair(&self, now: Instant) -> [Self::Side; 2];

    /// Both after a handshake over a perfect network without delay.
    fn connected(&self, now: Instant) -> [Self::Side; 2] {
        let [mut client, mut server] = self.pair(now);
        for _ in 0..20 {
            client.drain(now, &mut |datagram| server.handle_datagram(now, datagram));
            server.drain(now, &mut |datagram| client.handle_datagram(now, datagram));
            if client.is_connected() && server.is_connected() {
                return [client, server];
            }
        }
        panic!("the handshake has stopped");
    }
}

/// Our connections, with a certificate on P-256 on each side.
#[allow(missing_debug_implementations, reason = "configurations hold keys")]
pub struct Peerless {
    configs: [Config; 2],
    /// What ICE would have measured.
    pub round_trip_time: Option<Duration>,
    /// A driver has one buffer for the datagrams of all connections.
    buf: Rc<RefCell<Vec<u8>>>,
}

impl Default for Peerless {
    fn default() -> Self {
        Self::new(|config| config)
    }
}

impl Peerless {
    /// Settings that `adapt` has changed on both sides.
    pub fn new(adapt: impl Fn(Config) -> Config) -> Self {
        let crypto = Crypto::default();
        let certificates = [(); 2].map(|()| {
            let wall_clock = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
            let parameters = CertificateParameters::new(wall_clock);
            Certificate::generate(&crypto, parameters).expect("there is entropy")
        });
        let [a, b] = &certificates;
        let configs = [(a, b), (b, a)].map(|(own, other)| {
            let fingerprint = other.fingerprint(HashAlgorithm::Sha256);
            let config = Config::new(own.clone(), crypto.clone()).expect("the default provider");
            adapt(config.with_remote_fingerprints(vec![fingerprint]))
        });
        let buf = RefCell::new(Vec::with_capacity(DEFAULT_MTU));
        Self { configs, round_trip_time: None, buf: buf.into() }
    }
}

impl Stack for Peerless {
    type Side = PeerlessSide;

    fn pair(&self, now: Instant) -> [PeerlessSide; 2] {
        let [client, server] = self.configs.clone();
        [Connection::client(client, now, [1; 32]), Connection::server(server, now, [2; 32])].map(
            |mut connection| {
                if let Some(time) = self.round_trip_time {
                    connection.set_round_trip_time(time);
                }
                PeerlessSide { connection, buf: Rc::clone(&self.buf) }
            },
        )
    }
}

/// One of our connections.
#[derive(Debug)]
pub struct PeerlessSide {
    /// The connection itself.
    pub connection: Connection,
    buf: Rc<RefCell<Vec<u8>>>,
}

impl Side for PeerlessSide {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        drop(self.connection.handle_datagram(now, datagram));
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    fn drain(&mut self, now: Instant, sink: &mut dyn FnMut(&mut [u8])) {
        let mut buf = self.buf.take();
        loop {
            buf.clear();
            if self.connection.poll_transmit(now, &mut buf).is_none() {
                break;
            }
            sink(&mut buf);
        }
        self.buf.replace(buf);
    }

    fn is_connected(&self) -> bool {
        self.connection.is_connected()
    }
}
