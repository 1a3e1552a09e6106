//! The same with [rtc-dtls](https://crates.io/crates/rtc-dtls), which has DTLS 1.2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};

use super::{Side, Stack};

/// The settings of both sides, with a certificate on P-256 each; P-256 is what it agrees on.
#[allow(missing_debug_implementations, reason = "configurations hold keys")]
pub struct RtcDtls {
    client: Arc<HandshakeConfig>,
    server: Arc<HandshakeConfig>,
}

impl Default for RtcDtls {
    fn default() -> Self {
        let provider = default_provider().expect("it comes with one");
        let config = |is_client| {
            let certificate =
                Certificate::generate_self_signed(vec!["peer".to_owned()], provider.crypto());
            // What the other side shows is for the application to compare, as in WebRTC.
            let config = ConfigBuilder::default()
                .with_crypto_provider(Arc::clone(&provider))
                .with_certificates(vec![certificate.expect("there is entropy")])
                .with_cipher_suites(vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256])
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .with_insecure_skip_verify(true)
                .build(is_client, None);
            Arc::new(config.expect("valid settings"))
        };
        Self { client: config(true), server: config(false) }
    }
}

impl Stack for RtcDtls {
    type Side = RtcDtlsSide;

    fn pair(&self, now: Instant) -> [RtcDtlsSide; 2] {
        let [a, b] = [4444, 4445].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let side = |local, peer, config| {
            let endpoint = Endpoint::new(local, Default::default(), config);
            RtcDtlsSide { endpoint, peer, connected: false }
        };
        let mut client = side(a, b, None);
        let connecting = client.endpoint.connect(now, b, Arc::clone(&self.client), None);
        connecting.expect("valid settings");
        [client, side(b, a, Some(Arc::clone(&self.server)))]
    }
}

/// One of its connections.
#[allow(missing_debug_implementations, reason = "its endpoint has none")]
pub struct RtcDtlsSide {
    endpoint: Endpoint,
    peer: SocketAddr,
    connected: bool,
}

impl Side for RtcDtlsSide {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        let events = self.endpoint.read(now, self.peer, None, BytesMut::from(&*datagram));
        let done = |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
        self.connected |= events.is_ok_and(|events| events.iter().any(done));
    }

    fn handle_timeout(&mut self, now: Instant) {
        let _gives_up = self.endpoint.handle_timeout(self.peer, now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.endpoint.poll_timeout(&self.peer)
    }

    fn drain(&mut self, _now: Instant, sink: &mut dyn FnMut(&mut [u8])) {
        while let Some(mut transmit) = self.endpoint.poll_transmit() {
            sink(&mut transmit.message);
        }
    }

    fn is_connected(&self) -> bool {
        self.connected
    }
}
