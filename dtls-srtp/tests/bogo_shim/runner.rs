//! The runner's side.

use std::env::consts::EXE_SUFFIX;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters};
use peerless_dtls_srtp::crypto::Crypto;
use peerless_dtls_srtp::dtls::{ClientAuthentication, Config, Connection};

/// How long the shim is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

const SHIM_ID: u64 = 0x0102_0304_0506_0708;

#[expect(clippy::disallowed_methods, reason = "a driver has a clock")]
fn now() -> Instant {
    Instant::now()
}

/// The shim, and where it connects to.
pub(crate) struct Shim {
    child: Child,
    listener: TcpListener,
}

impl Shim {
    /// `None` if it was not built, which is said.
    pub(crate) fn start(flags: &str) -> Option<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap().join("examples");
        let spawned = Command::new(folder.join(format!("bogo-shim{EXE_SUFFIX}")))
            .args(["-port", &port.to_string(), "-shim-id", &SHIM_ID.to_string()])
            .args(flags.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match spawned {
            Ok(child) => Some(Self { child, listener }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                #[expect(clippy::disallowed_methods, reason = "CI says so by this variable")]
                let ci = std::env::var("CI").is_ok();
                assert!(!ci, "the example `bogo-shim` was not built");
                println!("skipped: the example `bogo-shim` was not built (cargo build --examples)");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn accept(&self) -> Link {
        let start = now();
        let mut stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            assert!(now() - start < PATIENCE, "the shim does not connect");
            thread::sleep(Duration::from_millis(2));
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut id = [0; 8];
        stream.read_exact(&mut id).unwrap();
        assert_eq!(id, SHIM_ID.to_le_bytes());
        Link(stream)
    }

    /// Its exit code, and what it said.
    pub(crate) fn end(self) -> (i32, String) {
        let Output { status, stdout, stderr } = self.child.wait_with_output().unwrap();
        let said = [stdout, stderr].concat();
        (status.code().expect("it ended by itself"), String::from_utf8(said).unwrap())
    }
}

/// The runner's end of the connection.
pub(crate) struct Link(pub(crate) TcpStream);

impl Link {
    pub(crate) fn try_clone(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }

    pub(crate) fn command(&mut self, opcode: u8, value: &[u8]) {
        self.0.write_all(&[&[opcode], value].concat()).unwrap();
    }

    pub(crate) fn send(&mut self, datagram: &[u8]) {
        let len = u32::try_from(datagram.len()).unwrap();
        self.command(b'P', &[&len.to_be_bytes(), datagram].concat());
    }

    /// The next thing that is not a datagram, or the end, and the datagrams before it.
    pub(crate) fn opcode(&mut self, datagrams: &mut Vec<Vec<u8>>) -> Option<u8> {
        loop {
            match self.receive()? {
                Ok(datagram) => datagrams.push(datagram),
                Err(opcode) => return Some(opcode),
            }
        }
    }

    pub(crate) fn receive(&mut self) -> Option<Result<Vec<u8>, u8>> {
        let mut opcode = [0];
        if self.0.read(&mut opcode).unwrap() == 0 {
            return None;
        }
        if opcode != *b"P" {
            return Some(Err(opcode[0]));
        }
        let mut len = [0; 4];
        self.0.read_exact(&mut len).unwrap();
        let mut datagram = vec![0; u32::from_be_bytes(len) as usize];
        self.0.read_exact(&mut datagram).unwrap();
        Some(Ok(datagram))
    }

    /// Lets so much time pass, and returns what was sent before it did.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap();
        self.command(b'T', &nanoseconds.to_be_bytes());
        assert_eq!(self.opcode(&mut datagrams), Some(b't'));
        datagrams
    }

    pub(crate) fn expect_timeout(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap();
        self.command(b'E', &nanoseconds.to_be_bytes());
    }
}

/// What the shim talks to: a connection of ours.
pub(crate) struct Peer {
    link: Link,
    pub(crate) connection: Connection,
    pub(crate) read: Vec<Vec<u8>>,
}

impl Peer {
    pub(crate) fn connect(link: Link, is_client: bool) -> Self {
        let crypto = Crypto::default();
        let parameters = CertificateParameters::new(UNIX_EPOCH);
        let certificate = Certificate::generate(&crypto, parameters).unwrap();
        // A shim that is given no certificate shows none.
        let config = Config::new(certificate, crypto)
            .unwrap()
            .with_any_remote_certificate()
            .with_client_authentication(ClientAuthentication::NotRequested);
        let connection = match is_client {
            true => Connection::client(config, now(), [1; 32]),
            false => Connection::server(config, now(), [2; 32]),
        };
        let mut peer = Self { link, connection, read: Vec::new() };
        peer.drive_until(|peer| peer.connection.is_connected());
        peer
    }

    pub(crate) fn drive_until(&mut self, done: impl Fn(&Self) -> bool) {
        loop {
            let mut datagram = Vec::new();
            while self.connection.poll_transmit(now(), &mut datagram).is_some() {
                self.link.send(&datagram);
                datagram.clear();
            }
            if done(self) {
                break;
            }
            let mut datagram = self.link.receive().expect("the shim is there").unwrap();
            let records = self.connection.handle_datagram(now(), &mut datagram);
            self.read.extend(records.map(|record| record.to_vec()));
        }
    }

    pub(crate) fn say(&mut self, text: &[u8]) {
        let mut record = Vec::new();
        let start = self.connection.begin(&mut record).unwrap();
        record.extend_from_slice(text);
        self.connection.seal(&mut record, start).unwrap();
        self.link.send(&record);
    }

    pub(crate) fn close(mut self) {
        self.connection.close(now());
        self.drive_until(|_| true);
    }
}
