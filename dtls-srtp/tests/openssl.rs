//! Handshakes with OpenSSL over loopback, in both roles: SRTP keys compared, data both ways.
//!
//! Says so in one line, and passes, where the program `openssl` is missing.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use peerless_dtls_srtp::certificate::{Certificate, CertificateParameters};
use peerless_dtls_srtp::crypto::Crypto;
use peerless_dtls_srtp::dtls::{CloseReason, Config, Connection, Role};
use peerless_dtls_srtp::fingerprint::{Fingerprint, HashAlgorithm};
use peerless_dtls_srtp::srtp::{Profile, SessionKeys};

const PATIENCE: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "a driver has a clock")]
fn now() -> Instant {
    Instant::now()
}

/// The certificates of `tests/certificates` that OpenSSL is given.
struct TheirCertificate {
    der: &'static [u8],
    key: &'static [u8],
}

const ECDSA: TheirCertificate = TheirCertificate {
    der: include_bytes!("certificates/p256-v1.der"),
    key: include_bytes!("certificates/p256.pk8"),
};
const RSA: TheirCertificate = TheirCertificate {
    der: include_bytes!("certificates/rsa-2048.der"),
    key: include_bytes!("certificates/rsa-2048.pk8"),
};

/// A running `openssl`, killed when dropped.
struct OpenSsl {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl OpenSsl {
    /// `None` if there is no such program.
    fn start(arguments: &[String]) -> Option<Self> {
        let spawned = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = spawned else {
            println!("skipped: there is no program `openssl` (Debian: apt install openssl)");
            return None;
        };
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Some(Self { child, lines, seen: Vec::new() })
    }

    fn type_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    /// Whether a line with this in it was printed.
    fn printed(&mut self, part: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().any(|line| line.contains(part))
    }

    /// What was printed behind this.
    fn value(&mut self, name: &str) -> Option<String> {
        self.seen.extend(self.lines.try_iter());
        let line = self.seen.iter().find(|line| line.trim().starts_with(name))?;
        Some(line.trim()[name.len()..].trim().to_owned())
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Our side, with its socket.
struct Ours {
    connection: Connection,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    read: Vec<Vec<u8>>,
}

impl Ours {
    fn new(role: Role, config: Config, socket: UdpSocket, peer: Option<SocketAddr>) -> Self {
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let connection = match role {
            Role::Client => Connection::client(config, now(), [3; 32]),
            Role::Server => Connection::server(config, now(), [3; 32]),
        };
        Self { connection, socket, peer, read: Vec::new() }
    }

    fn drive_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
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

    fn say(&mut self, text: &[u8]) {
        let mut datagram = Vec::new();
        let record = self.connection.begin(&mut datagram).unwrap();
        datagram.extend_from_slice(text);
        self.connection.seal(&mut datagram, record).unwrap();
        self.send(&datagram);
    }
}

struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("peerless-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn put(&self, name: &str, contents: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn config(theirs: &TheirCertificate) -> Config {
    let crypto = Crypto::default();
    let parameters = CertificateParameters::new(SystemTime::UNIX_EPOCH);
    let certificate = Certificate::generate(&crypto, parameters).unwrap();
    let fingerprint = Fingerprint::of(HashAlgorithm::Sha256, theirs.der);
    Config::new(certificate, crypto).unwrap().with_remote_fingerprints(vec![fingerprint])
}

fn free_port() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// What OpenSSL prints has to be what we have.
fn compare_keys(ours: &Ours, theirs: &mut OpenSsl, profile: Profile) {
    let material = ours
        .connection
        .export_keying_material(SessionKeys::EXPORTER_LABEL, None, 60)
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<String>();
    assert_eq!(theirs.value("Keying material:").as_deref(), Some(material.as_str()));
    assert_eq!(ours.connection.srtp_keys().unwrap().profile, profile);
    let name = match profile {
        Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        _ => "SRTP_AES128_CM_SHA1_80",
    };
    let extension = theirs.value("SRTP Extension negotiated, profile=");
    assert_eq!(extension.as_deref(), Some(name));
}

/// Both say something, and the client closes: `s_server` ends without a word.
fn talk(ours: &mut Ours, theirs: &mut OpenSsl, profile: Profile) {
    ours.drive_until("the handshake", |ours| ours.connection.is_connected());
    ours.say(b"from peerless\n");
    theirs.type_line("from openssl");
    ours.drive_until("data", |ours| !ours.read.is_empty() && theirs.printed("from peerless"));
    assert_eq!(ours.read, [b"from openssl\n"]);
    ours.drive_until("the keys", |_| theirs.printed("Keying material:"));
    compare_keys(ours, theirs, profile);
    match ours.connection.role() {
        Role::Client => {
            ours.connection.close(now());
            ours.drive_until("the close", |_| theirs.printed("DONE"));
        }
        Role::Server => {
            // At the beginning of a line it ends s_client.
            theirs.type_line("Q");
            ours.drive_until("the close", |ours| ours.connection.close_reason().is_some());
            assert_eq!(ours.connection.close_reason(), Some(CloseReason::Remote));
        }
    }
}

fn arguments(text: &str, files: &Files, theirs: &TheirCertificate) -> Vec<String> {
    let certificate = files.put("certificate.der", theirs.der);
    let key = files.put("key.der", theirs.key);
    let common = "-dtls1_2 -keymatexport EXTRACTOR-dtls_srtp -keymatexportlen 60";
    format!("{text} {common} -cert {certificate} -certform DER -key {key} -keyform DER")
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// We are the client of `s_server`.
fn client(name: &str, more: &str, theirs: &TheirCertificate, profile: Profile) {
    let files = Files::new(name);
    // The port is free until s_server takes it.
    let port = free_port().local_addr().unwrap().port();
    let srtp = "-use_srtp SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
    let text = format!("s_server -accept 127.0.0.1:{port} -Verify 1 {srtp} {more}");
    let Some(mut openssl) = OpenSsl::start(&arguments(&text, &files, theirs)) else { return };
    let start = now();
    while !openssl.printed("ACCEPT") {
        assert!(now() - start < PATIENCE, "s_server does not start");
        thread::sleep(Duration::from_millis(5));
    }
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let config = config(theirs).with_srtp_profiles(&[profile]);
    let mut ours = Ours::new(Role::Client, config, free_port(), Some(peer));
    talk(&mut ours, &mut openssl, profile);
}

/// `s_client` is our client.
fn server(name: &str, more: &str, theirs: &TheirCertificate, profile: Profile, config: Config) {
    let files = Files::new(name);
    let socket = free_port();
    let port = socket.local_addr().unwrap().port();
    let srtp = match profile {
        Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        _ => "SRTP_AES128_CM_SHA1_80",
    };
    let text = format!("s_client -connect 127.0.0.1:{port} -use_srtp {srtp} {more}");
    let Some(mut openssl) = OpenSsl::start(&arguments(&text, &files, theirs)) else { return };
    let mut ours = Ours::new(Role::Server, config, socket, None);
    talk(&mut ours, &mut openssl, profile);
}

#[test]
fn openssl_is_our_server() {
    client("server", "", &ECDSA, Profile::AeadAes128Gcm);
}

#[test]
fn openssl_is_our_server_with_cookies_small_datagrams_and_rsa() {
    client("cookies", "-listen -mtu 300", &RSA, Profile::Aes128CmHmacSha1_80);
}

#[test]
fn openssl_is_our_client() {
    server("client", "", &ECDSA, Profile::AeadAes128Gcm, config(&ECDSA));
}

#[test]
fn openssl_is_our_client_with_cookies_small_datagrams_and_rsa() {
    let config = config(&RSA).with_cookies().with_mtu(300);
    server("client-cookies", "-mtu 300", &RSA, Profile::Aes128CmHmacSha1_80, config);
}

#[test]
fn openssl_is_our_client_with_p256_and_aes_256() {
    let more = "-groups P-256 -cipher ECDHE-ECDSA-AES256-GCM-SHA384";
    server("client-p256", more, &ECDSA, Profile::AeadAes128Gcm, config(&ECDSA));
}
