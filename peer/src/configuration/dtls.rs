//! How DTLS works, apart from how secure it is.

use std::sync::Arc;
use std::time::Duration;

use dtls_srtp::dtls;
use dtls_srtp::dtls::{GROUPS, KeyLog};
use rustls::NamedGroup;

/// Settings of DTLS that hardly anybody changes. Who may be talked to, and how secure that has to
/// be, is the [`SecurityPolicy`](crate::SecurityPolicy)'s.
///
/// ```
/// use std::time::Duration;
/// use peerless::Configuration;
///
/// let mut configuration = Configuration::default();
/// // Over a satellite.
/// configuration.dtls.initial_timeout = Some(Duration::from_secs(1));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DtlsSettings {
    /// Who is told the secrets of the connection, in the lines of an `SSLKEYLOGFILE`
    /// ([RFC 9850](https://www.rfc-editor.org/rfc/rfc9850)), so that Wireshark can read what was
    /// recorded of it. So can whoever reads the log. The default is nobody.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// The time until a flight is sent again for the first time, if it is not answered. `None`, the
    /// default: one and a half of the round-trip time that ICE has measured, at least 30 ms, and
    /// 400 ms while it has not measured any
    /// ([RFC 9147 §5.8.2](https://www.rfc-editor.org/rfc/rfc9147#section-5.8.2)).
    pub initial_timeout: Option<Duration>,
    /// Where the doubling of that time ends. The default is 3 s, not the 60 s of
    /// [RFC 9147 §5.8.2](https://www.rfc-editor.org/rfc/rfc9147#section-5.8.2), which thinks of
    /// thousands of clients that come back at once: a call has one, who does not wait a minute.
    pub max_timeout: Duration,
    /// How often a flight is sent again before the connection fails. The default is 20, which with
    /// the other defaults is after a minute. The RFC leaves it open
    /// ([RFC 9147 §5.8.1](https://www.rfc-editor.org/rfc/rfc9147#section-5.8.1)).
    pub max_retransmissions: u32,
    /// The groups of the key exchange, most wanted first; of those,
    /// [`SecurityPolicy::post_quantum`](crate::SecurityPolicy::post_quantum) leaves out all that do
    /// not resist quantum computers. The default is X25519MLKEM768, X25519, P-256 and P-384.
    ///
    /// With X25519MLKEM768 among them the first message takes two datagrams, which servers built on
    /// mbedTLS (2 and 3) do not put together, as on an ESP32: such a peer does not answer us where we
    /// are the client of DTLS, unless that group is left out or DTLS 1.3 is.
    ///
    /// ```
    /// use peerless::Configuration;
    /// use peerless::security::NamedGroup;
    ///
    /// let mut configuration = Configuration::default();
    /// configuration.dtls.groups = vec![NamedGroup::X25519, NamedGroup::secp256r1];
    /// ```
    pub groups: Vec<NamedGroup>,
    /// Whether the other side must know the extended master secret of DTLS 1.2. The default is that
    /// it must: current WebRTC peers do (those on OpenSSL 1.0 do not), and without it a man in the
    /// middle can make two connections share their keys
    /// ([RFC 7627 §1](https://www.rfc-editor.org/rfc/rfc7627#section-1)). DTLS 1.3 has nothing else.
    pub require_extended_master_secret: bool,
}

impl Default for DtlsSettings {
    fn default() -> Self {
        Self {
            key_log: None,
            initial_timeout: None,
            max_timeout: Duration::from_secs(3),
            max_retransmissions: 20,
            groups: GROUPS.to_vec(),
            require_extended_master_secret: true,
        }
    }
}

impl DtlsSettings {
    /// Makes them true.
    pub(crate) fn apply(&self, config: dtls::Config) -> dtls::Config {
        let mut config = config
            .with_max_timeout(self.max_timeout)
            .with_max_retransmissions(self.max_retransmissions);
        if let Some(timeout) = self.initial_timeout {
            config = config.with_initial_timeout(timeout);
        }
        if let Some(log) = &self.key_log {
            config = config.with_key_log(Arc::clone(log));
        }
        if self.require_extended_master_secret {
            return config;
        }
        config.with_optional_extended_master_secret()
    }
}
