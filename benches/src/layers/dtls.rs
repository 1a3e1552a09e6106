//! A DTLS 1.2 handshake between two connections of one stack, with certificates that are there.

use std::time::{Duration, Instant, UNIX_EPOCH};

use dtls_srtp::dtls::{Config, Connection};
use dtls_srtp::fingerprint::HashAlgorithm;
use dtls_srtp::{Certificate, CertificateParameters, Crypto};

/// Two certificates, as configurations of the two sides.
#[allow(missing_debug_implementations, reason = "configurations hold keys")]
pub struct Handshake {
    configs: [Config; 2],
}

impl Default for Handshake {
    fn default() -> Self {
        let crypto = Crypto::default();
        let certificates = [(); 2].map(|()| {
            let wall_clock = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
            let parameters = CertificateParameters::new(wall_clock);
            Certificate::generate(&crypto, parameters).expect("there is entropy")
        });
        let [a, b] = &certificates;
        let configs = [(a, b), (b, a)].map(|(own, other)| {
            let fingerprint = other.fingerprint(HashAlgorithm::Sha256);
            Config::new(own.clone(), crypto.clone())
                .expect("the default provider")
                .with_remote_fingerprints(vec![fingerprint])
        });
        Self { configs }
    }
}

impl Handshake {
    /// One handshake.
    pub fn run(&self, now: Instant) {
        let [client, server] = self.configs.clone();
        let mut client = Connection::client(client, now, [1; 32]);
        let mut server = Connection::server(server, now, [2; 32]);
        let mut buf = Vec::new();
        while !(client.is_connected() && server.is_connected()) {
            let sent = exchange(now, &mut client, &mut server, &mut buf)
                + exchange(now, &mut server, &mut client, &mut buf);
            assert!(sent > 0, "the handshake has stopped");
        }
    }
}

fn exchange(now: Instant, from: &mut Connection, to: &mut Connection, buf: &mut Vec<u8>) -> usize {
    let mut sent = 0;
    loop {
        buf.clear();
        if from.poll_transmit(now, buf).is_none() {
            return sent;
        }
        drop(to.handle_datagram(now, buf));
        sent += 1;
    }
}

/// The same with [dimpl](https://crates.io/crates/dimpl).
#[cfg(feature = "peers")]
#[allow(missing_debug_implementations, reason = "the certificates hold keys")]
pub struct DimplHandshake {
    certificates: [dimpl::DtlsCertificate; 2],
    config: std::sync::Arc<dimpl::Config>,
}

#[cfg(feature = "peers")]
impl Default for DimplHandshake {
    fn default() -> Self {
        let certificate =
            || dimpl::certificate::generate_self_signed_certificate().expect("there is entropy");
        Self {
            certificates: [certificate(), certificate()],
            config: std::sync::Arc::new(dimpl::Config::default()),
        }
    }
}

#[cfg(feature = "peers")]
impl DimplHandshake {
    /// One handshake.
    pub fn run(&self, now: Instant) {
        let [a, b] = self.certificates.clone();
        let mut client = dimpl::Dtls::new_12(self.config.clone(), a, now);
        client.set_active(true);
        let mut server = dimpl::Dtls::new_12(self.config.clone(), b, now);
        let mut buf = vec![0; 4096];
        let mut connected = 0;
        for dtls in [&mut client, &mut server] {
            dtls.handle_timeout(now).expect("nothing has happened");
        }
        for _ in 0..20 {
            connected += Self::exchange(&mut client, &mut server, &mut buf)
                + Self::exchange(&mut server, &mut client, &mut buf);
            if connected == 2 {
                return;
            }
        }
        panic!("dimpl does not connect");
    }

    fn exchange(from: &mut dimpl::Dtls, to: &mut dimpl::Dtls, buf: &mut Vec<u8>) -> usize {
        let mut connected = 0;
        loop {
            match from.poll_output(buf) {
                dimpl::Output::Packet(packet) => to.handle_packet(packet).expect("its own packet"),
                dimpl::Output::BufferTooSmall { needed } => buf.resize(needed, 0),
                dimpl::Output::Connected => connected += 1,
                dimpl::Output::Timeout(_) => return connected,
                _ => {}
            }
        }
    }
}
