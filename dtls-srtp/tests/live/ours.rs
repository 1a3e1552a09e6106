//! Our side, with a socket and a clock.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters};
use peerless_dtls_srtp::crypto::Crypto;
use peerless_dtls_srtp::dtls::{Acceptor, Config, Connection, Role};
use peerless_dtls_srtp::fingerprint::{Fingerprint, HashAlgorithm};
use peerless_dtls_srtp::srtp::SessionKeys;

/// How long a peer is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "a driver has a clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// One of `tests/certificates`, which the other side is given.
pub(crate) struct TheirCertificate {
    pub(crate) der: &'static [u8],
    pub(crate) key: &'static [u8],
}

pub(crate) const ECDSA: TheirCertificate = TheirCertificate {
    der: include_bytes!("../certificates/p256-v1.der"),
    key: include_bytes!("../certificates/p256.pk8"),
};
pub(crate) const ECDSA_P384: TheirCertificate = TheirCertificate {
    der: include_bytes!("../certificates/p384.der"),
    key: include_bytes!("../certificates/p384.pk8"),
};
pub(crate) const RSA: TheirCertificate = TheirCertificate {
    der: include_bytes!("../certificates/rsa-2048.der"),
    key: include_bytes!("../certificates/rsa-2048.pk8"),
};

/// Our side, with its socket.
pub(crate) struct Ours {
    pub(crate) connection: Connection,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    pub(crate) read: Vec<Vec<u8>>,
}

impl Ours {
    pub(crate) fn new(
        role: Role,
        config: Config,
        socket: UdpSocket,
        peer: Option<SocketAddr>,
    ) -> Self {
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let connection = match role {
            Role::Client => Connection::client(config, now(), [3; 32]),
            Role::Server => Connection::server(config, now(), [3; 32]),
        };
        Self { connection, socket, peer, read: Vec::new() }
    }

    /// Lets a client in that proves its address.
    pub(crate) fn accept(config: Config, socket: UdpSocket) -> Self {
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut acceptor = Acceptor::new(config, now(), [4; 32]);
        let start = now();
        let (mut buf, mut answer) = (vec![0; 2048], Vec::new());
        loop {
            assert!(now() - start < PATIENCE, "nobody came: {acceptor:?}");
            let Ok((len, from)) = socket.recv_from(&mut buf) else { continue };
            let address = from.to_string();
            let accepted =
                acceptor.handle_datagram(now(), address.as_bytes(), &mut buf[..len], &mut answer);
            if let Some(connection) = accepted {
                assert_eq!(acceptor.stats().cookies_sent, 1);
                return Self { connection, socket, peer: Some(from), read: Vec::new() };
            }
            if !answer.is_empty() {
                socket.send_to(&answer, from).unwrap();
                answer.clear();
            }
        }
    }

    pub(crate) fn drive_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let start = now();
        while !done(self) {
            assert!(now() - start < PATIENCE, "{what} did not happen: {:?}", self.connection);
            self.drive();
        }
    }

    fn drive(&mut self) {
        let mut buf = vec![0; 2048];
        if let Ok((len, from)) = self.socket.recv_from(&mut buf) {
            self.peer = Some(from);
            for data in self.connection.handle_datagram(now(), &mut buf[..len]) {
                self.read.push(data.to_vec());
            }
        }
        self.connection.handle_timeout(now());
        while let Some(data) = self.connection.take_early() {
            self.read.push(data);
        }
        buf.clear();
        while self.connection.poll_transmit(now(), &mut buf).is_some() {
            self.send(&buf);
            buf.clear();
        }
    }

    fn send(&self, datagram: &[u8]) {
        // On loopback a peer that is not there yet makes an error; the timer will try again.
        let _sent = self.socket.send_to(datagram, self.peer.expect("the peer's address is known"));
    }

    pub(crate) fn say(&mut self, text: &[u8]) {
        let mut datagram = Vec::new();
        let record = self.connection.begin(&mut datagram).unwrap();
        datagram.extend_from_slice(text);
        self.connection.seal(&mut datagram, record).unwrap();
        self.send(&datagram);
    }

    /// The keying material of DTLS-SRTP, in hexadecimal digits.
    pub(crate) fn keying_material(&self) -> String {
        self.connection
            .export_keying_material(SessionKeys::EXPORTER_LABEL, None, 60)
            .unwrap()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect()
    }
}

/// Expects this certificate.
pub(crate) fn config(theirs: &TheirCertificate) -> Config {
    let crypto = Crypto::default();
    let parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
    let certificate = Certificate::generate(&crypto, parameters).unwrap();
    let fingerprint = Fingerprint::of(HashAlgorithm::Sha256, theirs.der);
    Config::new(certificate, crypto).unwrap().with_remote_fingerprints(vec![fingerprint])
}

pub(crate) fn free_port() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
