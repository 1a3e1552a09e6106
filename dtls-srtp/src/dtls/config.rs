//! What a connection is made with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::{NamedGroup, ProtocolVersion, SignatureScheme};

use super::ConfigError;
use super::signature::supported_schemes;
use super::suite::{Authentication, Suite};
use crate::certificate::Certificate;
use crate::crypto::{Crypto, Group};
use crate::fingerprint::Fingerprint;
use crate::srtp::Profile;

/// The default of [`Config::with_mtu`]: what passes nearly everywhere, IPv6 tunnels included
/// (1280 bytes less 40 of IPv6 and 8 of UDP are 1232, less what a TURN relay adds).
pub const DEFAULT_MTU: usize = 1200;

/// The settings of a connection. Whatever does not depend on the single connection (the lists of
/// suites, groups and schemes) is made once, here; a clone is a pointer, and the fingerprints if
/// there are any.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) shared: Arc<Settings>,
    pub(crate) identity: Identity,
}

/// Who the peer has to be.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Not known yet: nothing is delivered until it is.
    Later,
    Fingerprints(Vec<Fingerprint>),
    Any,
}

/// Whether a server asks the client for a certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// The client must have a certificate that matches its fingerprints, as in WebRTC
    /// ([RFC 5763 §5](https://www.rfc-editor.org/rfc/rfc5763#section-5)).
    #[default]
    Required,
    /// The client may have a certificate, and is checked like any other if it has one; it is
    /// accepted without
    /// ([RFC 5246 §7.4.6](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.6)).
    Requested,
    /// The client is not asked who it is, as on the web.
    NotRequested,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) certificate: Certificate,
    pub(crate) crypto: Crypto,
    pub(crate) suites: Vec<Suite>,
    pub(crate) groups: Vec<Group>,
    pub(crate) schemes: Vec<SignatureScheme>,
    /// What our certificate's key signs with.
    pub(crate) authentication: Authentication,
    pub(crate) srtp_profiles: Vec<Profile>,
    pub(crate) client_authentication: ClientAuthentication,
    pub(crate) anonymous_client: bool,
    pub(crate) cookies: bool,
    pub(crate) extended_master_secret_required: bool,
    pub(crate) mtu: usize,
    pub(crate) initial_timeout: Option<Duration>,
    pub(crate) max_timeout: Duration,
    pub(crate) max_retransmissions: u32,
    pub(crate) max_handshake_bytes: usize,
    pub(crate) max_early_bytes: usize,
}

impl Config {
    /// Settings with the defaults of each `with_…` below, for either role.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the providers have nothing in common that a handshake could end in.
    pub fn new(certificate: Certificate, crypto: Crypto) -> Result<Self, ConfigError> {
        let suites = Suite::all(&crypto);
        if suites.is_empty() {
            return Err(ConfigError::NoCipherSuite);
        }
        let groups = find_groups(&crypto, &Group::NAMES)?;
        let authentication = Authentication::of(certificate.key().algorithm())
            .filter(|key| suites.iter().any(|suite| suite.authentication == *key))
            .ok_or(ConfigError::UnsupportedKey)?;
        let shared = Settings {
            schemes: supported_schemes(&crypto.handshake),
            certificate,
            crypto,
            suites,
            groups,
            authentication,
            srtp_profiles: Profile::DEFAULT.to_vec(),
            client_authentication: ClientAuthentication::default(),
            anonymous_client: false,
            cookies: false,
            extended_master_secret_required: true,
            mtu: DEFAULT_MTU,
            initial_timeout: None,
            max_timeout: Duration::from_secs(3),
            max_retransmissions: 20,
            max_handshake_bytes: 32 * 1024,
            max_early_bytes: 16 * 1024,
        };
        Ok(Self { shared: Arc::new(shared), identity: Identity::Later })
    }

    /// Says who the peer has to be. Without it the handshake runs to its end and waits for
    /// [`Connection::set_remote_fingerprints`](super::Connection::set_remote_fingerprints).
    #[must_use]
    pub fn with_remote_fingerprints(self, fingerprints: Vec<Fingerprint>) -> Self {
        Self { identity: Identity::Fingerprints(fingerprints), ..self }
    }

    /// Accepts a peer with any certificate: the application looks at
    /// [`Connection::peer_certificate`](super::Connection::peer_certificate) itself, or does not
    /// care who it talks to.
    #[must_use]
    pub fn with_any_remote_certificate(self) -> Self {
        Self { identity: Identity::Any, ..self }
    }

    /// The SRTP profiles to offer or to choose from, most preferred first; the server's order
    /// decides. Default: [`Profile::DEFAULT`]. None at all leaves the extension out, and those that
    /// DTLS has no number for ([`Profile::code`]) are never offered.
    #[must_use]
    pub fn with_srtp_profiles(mut self, profiles: &[Profile]) -> Self {
        self.settings().srtp_profiles =
            profiles.iter().copied().filter(|profile| profile.code().is_some()).collect();
        self
    }

    /// The key exchange groups, most preferred first; those that the provider does not have are
    /// left out. Default: X25519MLKEM768 (which DTLS 1.3 alone can use), X25519, P-256, P-384.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoGroup`] if none is left that DTLS 1.2 can use.
    pub fn with_groups(mut self, names: &[NamedGroup]) -> Result<Self, ConfigError> {
        self.settings().groups = find_groups(&self.shared.crypto, names)?;
        Ok(self)
    }

    /// Whether a server asks the client for a certificate. Default:
    /// [`ClientAuthentication::Required`].
    #[must_use]
    pub fn with_client_authentication(mut self, authentication: ClientAuthentication) -> Self {
        self.settings().client_authentication = authentication;
        self
    }

    /// Lets a client keep its certificate to itself: a server that asks for one is given none, and
    /// decides whether to go on. For servers that are not WebRTC peers.
    #[must_use]
    pub fn with_anonymous_client(mut self) -> Self {
        self.settings().anonymous_client = true;
        self
    }

    /// Lets a server ask each client to prove its address by a cookie before anything else
    /// ([RFC 6347 §4.2.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1)), which costs a
    /// round trip. Off by default, because ICE has proved the address already.
    #[must_use]
    pub fn with_cookies(mut self) -> Self {
        self.settings().cookies = true;
        self
    }

    /// Goes on with peers that do not know the extended master secret. Required by default: all
    /// WebRTC peers have it, and without it a man in the middle can make two connections share
    /// their exported keys ([RFC 7627 §1](https://www.rfc-editor.org/rfc/rfc7627#section-1)).
    #[must_use]
    pub fn with_optional_extended_master_secret(mut self) -> Self {
        self.settings().extended_master_secret_required = false;
        self
    }

    /// The largest datagram to send, in bytes of UDP payload, at least 128. Default:
    /// [`DEFAULT_MTU`].
    #[must_use]
    pub fn with_mtu(mut self, bytes: usize) -> Self {
        self.settings().mtu = bytes;
        self
    }

    /// The time until a flight's first retransmission. By default it is 1.5 times the round-trip
    /// time if
    /// [`Connection::set_round_trip_time`](super::Connection::set_round_trip_time) has told it,
    /// and 400 ms if not.
    #[must_use]
    pub fn with_initial_timeout(mut self, timeout: Duration) -> Self {
        self.settings().initial_timeout = Some(timeout);
        self
    }

    /// Where the doubling of the retransmission timer ends. Default: 3 s.
    ///
    /// [RFC 6347 §4.2.4.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4.1) would go on to
    /// 60 s, for the sake of a network that thousands of clients of one server share. A call has
    /// one peer, a flight is one or two datagrams, and who waits for it does not wait a minute:
    /// with 30 % of all datagrams lost, one of a thousand handshakes took 38 s by the RFC.
    #[must_use]
    pub fn with_max_timeout(mut self, timeout: Duration) -> Self {
        self.settings().max_timeout = timeout;
        self
    }

    /// How many times a flight is retransmitted before the connection gives up. Default: 20, which
    /// with the other defaults is after a minute. If half of the exchanges fail (that is what 30 %
    /// loss each way means), one of a million handshakes gives up.
    #[must_use]
    pub fn with_max_retransmissions(mut self, retransmissions: u32) -> Self {
        self.settings().max_retransmissions = retransmissions;
        self
    }

    /// How many bytes of handshake messages are kept while fragments are missing; a single
    /// message can have half of it. Default: 32 KiB, several times a flight with a chain of RSA
    /// certificates.
    #[must_use]
    pub fn with_max_handshake_bytes(mut self, bytes: usize) -> Self {
        self.settings().max_handshake_bytes = bytes;
        self
    }

    /// How many bytes of records are kept that came before they could be opened or delivered, the
    /// oldest being dropped. Default: 16 KiB, an initial window of SCTP and more.
    #[must_use]
    pub fn with_max_early_bytes(mut self, bytes: usize) -> Self {
        self.settings().max_early_bytes = bytes;
        self
    }

    /// Returns our certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.shared.certificate
    }

    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.shared)
    }
}

fn find_groups(crypto: &Crypto, names: &[NamedGroup]) -> Result<Vec<Group>, ConfigError> {
    let groups: Vec<_> =
        names.iter().filter_map(|name| Group::find(&crypto.handshake, *name)).collect();
    if groups.iter().any(|group| group.usable_for_version(ProtocolVersion::TLSv1_2)) {
        Ok(groups)
    } else {
        Err(ConfigError::NoGroup)
    }
}

impl Settings {
    /// The groups that `version` (of TLS: rustls knows no other) can use.
    pub(crate) fn groups_of(&self, version: ProtocolVersion) -> impl Iterator<Item = Group> {
        self.groups.iter().copied().filter(move |group| group.usable_for_version(version))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("certificate", &self.certificate)
            .field("srtp_profiles", &self.srtp_profiles)
            .field("mtu", &self.mtu)
            .finish_non_exhaustive()
    }
}
