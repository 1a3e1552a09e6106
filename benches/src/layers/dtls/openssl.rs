//! The same with the system's [OpenSSL](https://www.openssl.org), which has DTLS 1.2.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Instant;

use dtls_srtp::dtls::DEFAULT_MTU;
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{
    Ssl, SslContext, SslMethod, SslOptions, SslSessionCacheMode, SslStream, SslVerifyMode,
    SslVersion,
};
use openssl::x509::X509;

use super::{Side, Stack};

/// The settings of both sides, with a certificate on P-256 each; P-256 is what it agrees on.
#[allow(missing_debug_implementations, reason = "contexts hold keys")]
pub struct OpenSsl([SslContext; 2]);

impl Default for OpenSsl {
    fn default() -> Self {
        Self([(); 2].map(|()| context().expect("a library with DTLS 1.2 and P-256")))
    }
}

fn context() -> Result<SslContext, openssl::error::ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut certificate = X509::builder()?;
    certificate.set_pubkey(&key)?;
    let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(30)?);
    certificate.set_not_before(&from)?;
    certificate.set_not_after(&to)?;
    certificate.sign(&key, MessageDigest::sha256())?;

    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list("ECDHE-ECDSA-AES128-GCM-SHA256")?;
    context.set_groups_list("P-256")?;
    context.set_certificate(&certificate.build())?;
    context.set_private_key(&key)?;
    // What the other side shows is for the application to compare, as in WebRTC.
    let verify = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    context.set_verify_callback(verify, |_valid, _chain| true);
    context.set_options(SslOptions::NO_TICKET | SslOptions::NO_QUERY_MTU);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    Ok(context.build())
}

impl Stack for OpenSsl {
    type Side = OpenSslSide;

    fn pair(&self, _now: Instant) -> [OpenSslSide; 2] {
        let Self([client, server]) = self;
        [(client, true), (server, false)].map(|(context, is_client)| {
            let mut ssl = Ssl::new(context).expect("a context");
            ssl.set_mtu(DEFAULT_MTU as u32).expect("a sensible size");
            if is_client {
                ssl.set_connect_state();
            } else {
                ssl.set_accept_state();
            }
            let path = Path::default();
            let stream = SslStream::new(ssl, path.clone()).expect("a path in memory");
            OpenSslSide { stream, path, connected: false }
        })
    }
}

/// The datagrams of one side.
#[derive(Clone, Default)]
struct Path {
    received: Queue,
    sent: Queue,
}

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

impl Read for Path {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let datagram = self.received.borrow_mut().pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        datagram.as_slice().read(buf)
    }
}

impl Write for Path {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.sent.borrow_mut().push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One of its connections.
#[allow(missing_debug_implementations, reason = "its stream holds keys")]
pub struct OpenSslSide {
    stream: SslStream<Path>,
    path: Path,
    connected: bool,
}

impl OpenSslSide {
    fn go_on(&mut self) {
        self.connected |= self.stream.do_handshake().is_ok();
    }
}

impl Side for OpenSslSide {
    fn handle_datagram(&mut self, _now: Instant, datagram: &mut [u8]) {
        self.path.received.borrow_mut().push_back(datagram.to_vec());
        self.go_on();
    }

    fn handle_timeout(&mut self, _now: Instant) {
        // Its timers go by the clock of the system.
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }

    fn drain(&mut self, _now: Instant, sink: &mut dyn FnMut(&mut [u8])) {
        if !self.connected {
            self.go_on();
        }
        let sent = self.path.sent.take();
        sent.into_iter().for_each(|mut datagram| sink(&mut datagram));
    }

    fn is_connected(&self) -> bool {
        self.connected
    }
}
