//! The same with [dimpl](https://crates.io/crates/dimpl).

use std::sync::Arc;
use std::time::Instant;

use dimpl::certificate::generate_self_signed_certificate;
use dimpl::{Config, Dtls, DtlsCertificate, NamedGroup, Output};

use super::{Side, Stack};

/// Two certificates, and the settings of both sides.
#[allow(missing_debug_implementations, reason = "the certificates hold keys")]
pub struct Dimpl {
    certificates: [DtlsCertificate; 2],
    config: Arc<Config>,
    new: fn(Arc<Config>, DtlsCertificate, Instant) -> Dtls,
}

impl Dimpl {
    /// DTLS 1.2 with dimpl's own preferences.
    #[must_use]
    pub fn v12() -> Self {
        Self::new(Dtls::new_12, None)
    }

    /// DTLS 1.2, agreeing on P-256.
    #[must_use]
    pub fn v12_p256() -> Self {
        Self::new(Dtls::new_12, Some(NamedGroup::Secp256r1))
    }

    /// DTLS 1.3, agreeing on P-256.
    #[must_use]
    pub fn v13_p256() -> Self {
        Self::new(Dtls::new_13, Some(NamedGroup::Secp256r1))
    }

    fn new(
        new: fn(Arc<Config>, DtlsCertificate, Instant) -> Dtls,
        group: Option<NamedGroup>,
    ) -> Self {
        let certificate = || generate_self_signed_certificate().expect("there is entropy");
        // As in WebRTC, where ICE has proved the address.
        let config = Config::builder().use_server_cookie(false);
        let config = match group {
            Some(group) => config.kx_groups(&[group]),
            None => config,
        };
        Self {
            certificates: [certificate(), certificate()],
            config: Arc::new(config.build().expect("valid settings")),
            new,
        }
    }
}

impl Stack for Dimpl {
    type Side = DimplSide;

    fn pair(&self, now: Instant) -> [DimplSide; 2] {
        let sides = self.certificates.clone().map(|certificate| {
            let dtls = (self.new)(Arc::clone(&self.config), certificate, now);
            DimplSide { dtls, buf: vec![0; 2048], timeout: None, state: State::Connecting }
        });
        let [mut client, mut server] = sides;
        client.dtls.set_active(true);
        client.handle_timeout(now);
        server.handle_timeout(now);
        [client, server]
    }
}

/// One of its connections.
#[allow(missing_debug_implementations, reason = "dimpl's connection has none")]
pub struct DimplSide {
    dtls: Dtls,
    buf: Vec<u8>,
    timeout: Option<Instant>,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Connecting,
    Connected,
    Failed,
}

impl Side for DimplSide {
    fn handle_datagram(&mut self, _now: Instant, datagram: &mut [u8]) {
        if self.dtls.handle_packet(datagram).is_err() {
            self.state = State::Failed;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.dtls.handle_timeout(now).is_err() {
            self.state = State::Failed;
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.timeout.filter(|_| self.state != State::Failed)
    }

    fn drain(&mut self, _now: Instant, sink: &mut dyn FnMut(&mut [u8])) {
        loop {
            match self.dtls.poll_output(&mut self.buf) {
                Output::Packet(packet) => sink(&mut packet.to_vec()),
                Output::BufferTooSmall { needed } => self.buf.resize(needed, 0),
                Output::Connected => self.state = State::Connected,
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    return;
                }
                _ => {}
            }
        }
    }

    fn is_connected(&self) -> bool {
        self.state == State::Connected
    }
}
