//! What a connection is made with.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use super::key_log::KeyLog;
use super::signature::{is_of_1_3, supported_schemes};
use super::suite::{Authentication, Suite, Suite13};
use super::{ConfigError, Version};
use crate::certificate::Certificate;
use crate::crypto::{Crypto, Group};
use crate::fingerprint::Fingerprint;
use crate::srtp::Profile;

/// The default of [`Config::with_mtu`]: what passes nearly everywhere, IPv6 tunnels included
/// (1280 bytes less 40 of IPv6 and 8 of UDP are 1232, less what a TURN relay adds).
pub const DEFAULT_MTU: usize = 1200;

/// The default of [`Config::with_groups`], most preferred first: X25519MLKEM768, X25519, P-256 and
/// P-384.
pub const GROUPS: [NamedGroup; 4] = Group::NAMES;

/// The settings of a connection. Whatever does not depend on the single connection (the lists of
/// suites, groups and schemes) is made once, here; a clone is a pointer or two.
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
    Fingerprints(Arc<[Fingerprint]>),
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

/// What is done about a loss that shows before a timer expires: a gap in what comes, an ACK that
/// leaves something out, a flight that the peer repeats.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LossReaction {
    /// What came is acknowledged and what is missing is sent again at once, as
    /// [RFC 9147 §7](https://www.rfc-editor.org/rfc/rfc9147#section-7) recommends, and what the
    /// peer repeats within half of the first timer is taken for a duplicate. A flight whose timer
    /// expires for the second time is sent twice at a time.
    #[default]
    Immediate,
    /// Retransmissions wait for their timer, and ACKs for a quarter of it, as those of BoringSSL
    /// do; only the last flight of DTLS 1.2, which has no timer, is repeated when the peer asks.
    ///
    /// In DTLS 1.3, who has sent all and waits for the rest of an answer has no timer then, and does
    /// not notice that the peer is gone: whoever sets this sets a deadline of its own, too.
    Timer,
}

/// The certificate that is shown to a peer, and the scheme that its key signs with.
pub(crate) struct Credential {
    pub(crate) certificate: Certificate,
    pub(crate) scheme: SignatureScheme,
}

impl Credential {
    /// With the first of our `schemes` that the peer `accepts` and the key of `certificate` has, if
    /// any. A key that signs elsewhere has an order of its own.
    pub(crate) fn new(
        certificate: &Certificate,
        schemes: &[SignatureScheme],
        accepts: impl Fn(SignatureScheme) -> bool,
    ) -> Option<Self> {
        let fits = |scheme: &SignatureScheme| {
            schemes.contains(scheme)
                && accepts(*scheme)
                && certificate.schemes().any(|own| own == *scheme)
        };
        let scheme = match certificate.is_external() {
            true => certificate.schemes().find(fits),
            false => schemes.iter().copied().find(fits),
        };
        scheme.map(|scheme| Self { certificate: certificate.clone(), scheme })
    }
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) certificate: Certificate,
    alternatives: Vec<Certificate>,
    pub(crate) crypto: Crypto,
    /// Those to offer or to accept, newest first.
    pub(crate) versions: Vec<Version>,
    /// The oldest and the newest that may be among them.
    range: RangeInclusive<Version>,
    /// Of DTLS 1.2.
    pub(crate) suites: Vec<Suite>,
    pub(crate) suites_1_3: Vec<Suite13>,
    pub(crate) groups: Vec<Group>,
    pub(crate) schemes: Vec<SignatureScheme>,
    pub(crate) srtp_profiles: Vec<Profile>,
    pub(crate) client_authentication: ClientAuthentication,
    pub(crate) anonymous_client: bool,
    pub(crate) cookies: bool,
    pub(crate) session_tickets: bool,
    pub(crate) extended_master_secret_required: bool,
    #[cfg(test)]
    pub(crate) extended_master_secret_left_out: bool,
    pub(crate) mtu: usize,
    pub(crate) initial_timeout: Option<Duration>,
    pub(crate) max_timeout: Duration,
    pub(crate) max_retransmissions: u32,
    pub(crate) loss_reaction: LossReaction,
    pub(crate) max_handshake_bytes: usize,
    pub(crate) max_early_bytes: usize,
    pub(crate) key_log: Option<Arc<dyn KeyLog>>,
    pub(crate) connection_id_len: Option<u8>,
    pub(crate) max_spare_connection_ids: u8,
}

impl Config {
    /// Settings with the defaults of each `with_…` below, for either role.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the providers have nothing in common that a handshake could end in.
    pub fn new(certificate: Certificate, crypto: Crypto) -> Result<Self, ConfigError> {
        let suites = Suite::all(&crypto);
        let suites_1_3 = Suite13::all(&crypto);
        if suites.is_empty() && suites_1_3.is_empty() {
            return Err(ConfigError::NoCipherSuite);
        }
        let groups = find_groups(&crypto, &GROUPS)?;
        let srtp_profiles = supported_profiles(&Profile::DEFAULT, &crypto);
        let mut shared = Settings {
            versions: Vec::new(),
            range: Version::Dtls12..=Version::Dtls13,
            schemes: supported_schemes(&crypto.handshake),
            certificate,
            alternatives: Vec::new(),
            crypto,
            suites,
            suites_1_3,
            groups,
            srtp_profiles,
            client_authentication: ClientAuthentication::default(),
            anonymous_client: false,
            cookies: false,
            session_tickets: false,
            extended_master_secret_required: true,
            #[cfg(test)]
            extended_master_secret_left_out: false,
            mtu: DEFAULT_MTU,
            initial_timeout: None,
            max_timeout: Duration::from_secs(3),
            max_retransmissions: 20,
            loss_reaction: LossReaction::default(),
            max_handshake_bytes: 32 * 1024,
            max_early_bytes: 16 * 1024,
            key_log: None,
            connection_id_len: None,
            max_spare_connection_ids: 4,
        };
        if !shared.find_versions() {
            return Err(ConfigError::UnsupportedKey);
        }
        Ok(Self { shared: Arc::new(shared), identity: Identity::Later })
    }

    /// The oldest and the newest version to offer or to accept; the newest that both sides have is
    /// used. Default: all of them, DTLS 1.2 and 1.3.
    ///
    /// # Errors
    ///
    /// [`ConfigError::VersionRange`] if there are none between the two, [`ConfigError::NoGroup`] if
    /// no group can be used in any of them, [`ConfigError::NoVersion`] if the providers and the
    /// certificate allow none of them.
    pub fn with_versions(mut self, min: Version, max: Version) -> Result<Self, ConfigError> {
        if min > max {
            return Err(ConfigError::VersionRange);
        }
        let settings = self.settings();
        settings.range = min..=max;
        if settings.find_versions() {
            Ok(self)
        } else if settings.has_groups() {
            Err(ConfigError::NoVersion)
        } else {
            Err(ConfigError::NoGroup)
        }
    }

    /// Another certificate, for peers that cannot verify what the key of none before it signs: the
    /// first that suits a peer is shown. The application tells the peer the fingerprints of all of
    /// them ([RFC 8122 §5](https://www.rfc-editor.org/rfc/rfc8122#section-5)), and
    /// [`Connection::certificate`](super::Connection::certificate) says which one it was. Default:
    /// no other.
    #[must_use]
    pub fn with_alternative_certificate(mut self, certificate: Certificate) -> Self {
        let settings = self.settings();
        settings.alternatives.push(certificate);
        // What was possible without it still is.
        settings.find_versions();
        self
    }

    /// Says who the peer has to be. Without it the handshake runs to its end and waits for
    /// [`Connection::set_remote_fingerprints`](super::Connection::set_remote_fingerprints).
    #[must_use]
    pub fn with_remote_fingerprints(self, fingerprints: Vec<Fingerprint>) -> Self {
        Self { identity: Identity::Fingerprints(fingerprints.into()), ..self }
    }

    /// Accepts a peer with any certificate: the application looks at
    /// [`Connection::peer_certificate`](super::Connection::peer_certificate) itself, or does not
    /// care who it talks to.
    #[must_use]
    pub fn with_any_remote_certificate(self) -> Self {
        Self { identity: Identity::Any, ..self }
    }

    /// The SRTP profiles to offer or to choose from, most preferred first; the server's order
    /// decides. Default: [`Profile::DEFAULT`]. None at all leaves the extension out. Those that
    /// DTLS has no number for ([`Profile::code`]) or that the packet cryptography lacks are left out,
    /// so that nothing is agreed on that cannot be done.
    #[must_use]
    pub fn with_srtp_profiles(mut self, profiles: &[Profile]) -> Self {
        let settings = self.settings();
        settings.srtp_profiles = supported_profiles(profiles, &settings.crypto);
        self
    }

    /// The key exchange groups, most preferred first; those that the provider does not have are
    /// left out. Default: [`GROUPS`], of which DTLS 1.3 alone can use X25519MLKEM768.
    ///
    /// A client makes key shares for the first one and for X25519. A server takes the first one
    /// that the client has a share for; but if X25519MLKEM768 is its first, and the client knows
    /// it, it asks for a share of that, which costs a round trip.
    ///
    /// A ClientHello with a share for X25519MLKEM768 takes two datagrams. A server has to put them
    /// together ([RFC 9147 §5.5](https://www.rfc-editor.org/rfc/rfc9147#section-5.5)), but those
    /// built on mbedTLS (2 and 3) do not, and never answer: for them that group has to be left out.
    ///
    /// In DTLS 1.2 a client's groups are also the curves that the server's ECDSA key may be on
    /// ([RFC 8422 §5.1](https://www.rfc-editor.org/rfc/rfc8422#section-5.1)): without P-256, it
    /// refuses the certificate that most WebRTC peers have.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoGroup`] if none is left that the versions can use.
    pub fn with_groups(mut self, names: &[NamedGroup]) -> Result<Self, ConfigError> {
        let groups = find_groups(&self.shared.crypto, names)?;
        let settings = self.settings();
        settings.groups = groups;
        if settings.find_versions() { Ok(self) } else { Err(ConfigError::NoGroup) }
    }

    /// The cipher suites to offer or to choose from, most preferred first; those that the providers
    /// do not have are left out. Each belongs to one version, and a version without any is not
    /// spoken. The server's order decides. Default: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305, in
    /// both versions.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoCipherSuite`] if none is left that the versions and the certificate can use.
    pub fn with_cipher_suites(mut self, names: &[CipherSuite]) -> Result<Self, ConfigError> {
        let all = Suite::all(&self.shared.crypto);
        let all_1_3 = Suite13::all(&self.shared.crypto);
        let settings = self.settings();
        settings.suites =
            names.iter().filter_map(|id| all.iter().find(|s| s.id == *id)).copied().collect();
        settings.suites_1_3 =
            names.iter().filter_map(|id| all_1_3.iter().find(|s| s.id == *id)).copied().collect();
        if settings.find_versions() { Ok(self) } else { Err(ConfigError::NoCipherSuite) }
    }

    /// The signature schemes to sign with and to accept from the peer, most preferred first; those
    /// that the provider does not know are left out. A key that signs elsewhere
    /// ([`Certificate::with_external_key`]) has an order of its own. Default:
    /// [`SIGNATURE_SCHEMES`](super::SIGNATURE_SCHEMES).
    ///
    /// Where the keys of our certificates can sign with none of them, DTLS 1.2 is left for clients,
    /// which show no certificate then; a server can serve nobody.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoVersion`] if no version is left that can do with them.
    pub fn with_signature_schemes(
        mut self,
        schemes: &[SignatureScheme],
    ) -> Result<Self, ConfigError> {
        let known = supported_schemes(&self.shared.crypto.handshake);
        let schemes: Vec<_> = schemes.iter().copied().filter(|s| known.contains(s)).collect();
        let settings = self.settings();
        settings.schemes = schemes;
        let possible = !settings.schemes.is_empty() && settings.find_versions();
        if possible { Ok(self) } else { Err(ConfigError::NoVersion) }
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
    /// round trip. Until then it sends no more bytes than have come. Off by default, because ICE
    /// has proved the address already.
    #[must_use]
    pub fn with_cookies(mut self) -> Self {
        self.settings().cookies = true;
        self
    }

    /// Lets a client tell servers of DTLS 1.3 that they may send it session tickets
    /// ([RFC 8446 §4.2.9](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.9)), for those that
    /// insist. They are acknowledged and forgotten: no session is resumed.
    #[must_use]
    pub fn with_session_tickets(mut self) -> Self {
        self.settings().session_tickets = true;
        self
    }

    /// Goes on with peers that do not know the extended master secret. Required by default: current
    /// WebRTC peers have it (those on OpenSSL 1.0 do not), and without it a man in the middle can make
    /// two connections share their exported keys
    /// ([RFC 7627 §1](https://www.rfc-editor.org/rfc/rfc7627#section-1)).
    #[must_use]
    pub fn with_optional_extended_master_secret(mut self) -> Self {
        self.settings().extended_master_secret_required = false;
        self
    }

    /// The largest datagram to send, in bytes of UDP payload, at least 128 and at most 16 384, as a
    /// record holds no more. Default: [`DEFAULT_MTU`].
    #[must_use]
    pub fn with_mtu(mut self, bytes: usize) -> Self {
        self.settings().mtu = bytes;
        self
    }

    /// The time until a flight's first retransmission, at least a millisecond and at most a day. By
    /// default it is 1.5 times the round-trip time, but no less than 30 ms, if
    /// [`Connection::set_round_trip_time`](super::Connection::set_round_trip_time) has told it,
    /// and 400 ms if not.
    #[must_use]
    pub fn with_initial_timeout(mut self, timeout: Duration) -> Self {
        self.settings().initial_timeout = Some(timeout);
        self
    }

    /// Where the doubling of the retransmission timer ends, after a millisecond at least and a day at
    /// most. Default: 3 s.
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
    ///
    /// What is sent again because the peer repeats its own flight, which anybody can do before the
    /// peer has keys, counts apart, up to the same number, and begins the timer anew: a peer that
    /// asks and does not hear is given up after up to twice the time.
    #[must_use]
    pub fn with_max_retransmissions(mut self, retransmissions: u32) -> Self {
        self.settings().max_retransmissions = retransmissions;
        self
    }

    /// What is done about a loss that shows before a timer expires. Default:
    /// [`LossReaction::Immediate`].
    #[must_use]
    pub fn with_loss_reaction(mut self, reaction: LossReaction) -> Self {
        self.settings().loss_reaction = reaction;
        self
    }

    /// How many bytes of handshake messages are kept while fragments are missing; a single
    /// message can have half of it. Default: 32 KiB, several times a flight with a chain of RSA
    /// certificates. A longer one ends the handshake
    /// ([`HandshakeError::MessageTooLong`](super::HandshakeError::MessageTooLong)) if it is protected;
    /// in the clear, as in DTLS 1.2, anybody could have sent it, so that it is dropped, and the
    /// handshake times out.
    #[must_use]
    pub fn with_max_handshake_bytes(mut self, bytes: usize) -> Self {
        self.settings().max_handshake_bytes = bytes;
        self
    }

    /// How many bytes of records are kept that came before they could be opened or delivered, the
    /// oldest being dropped: so many of each, until the handshake is finished. Default: 16 KiB, an
    /// initial window of SCTP and more.
    #[must_use]
    pub fn with_max_early_bytes(mut self, bytes: usize) -> Self {
        self.settings().max_early_bytes = bytes;
        self
    }

    /// Offers connection ids ([RFC 9146](https://www.rfc-editor.org/rfc/rfc9146),
    /// [RFC 9147 §9](https://www.rfc-editor.org/rfc/rfc9147#section-9)): the peer puts one of
    /// `bytes` random bytes into its records, which says whose they are when its address changes.
    /// With zero bytes the peer is not asked for that, and we still do it for the peer if it asks.
    /// All connections that share a port need the same length, so that
    /// [`connection_id`](super::connection_id) can read them. Default: none, as ICE knows whose
    /// datagrams they are.
    #[must_use]
    pub fn with_connection_id_len(mut self, bytes: u8) -> Self {
        self.settings().connection_id_len = Some(bytes);
        self
    }

    /// How many connection ids a peer of DTLS 1.3 may have that it has not used yet, when it asks
    /// for some ([RFC 9147 §9](https://www.rfc-editor.org/rfc/rfc9147#section-9)): it takes another
    /// one when it moves, so that nobody who sees both ends of the way can tell that it is the
    /// same. They are random bytes of the handshake provider, and
    /// [`Connection::connection_ids`](super::Connection::connection_ids) has all of them. Default:
    /// 4. With zero a peer is answered with none; more than 254 are as many.
    #[must_use]
    pub fn with_max_spare_connection_ids(mut self, count: u8) -> Self {
        self.settings().max_spare_connection_ids = count;
        self
    }

    /// Tells `log` the secrets of each connection, so that Wireshark and its like can read what
    /// was recorded of it; after each KeyUpdate the new one too. Whoever reads the log can read the
    /// connection. Default: none.
    #[must_use]
    pub fn with_key_log(mut self, log: Arc<dyn KeyLog>) -> Self {
        self.settings().key_log = Some(log);
        self
    }

    /// Returns our certificate, the first if there are several.
    pub fn certificate(&self) -> &Certificate {
        &self.shared.certificate
    }

    pub(crate) fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.shared)
    }
}

fn supported_profiles(profiles: &[Profile], crypto: &Crypto) -> Vec<Profile> {
    let can_be_agreed_on =
        |profile: &Profile| profile.code().is_some() && profile.is_supported(crypto);
    profiles.iter().copied().filter(can_be_agreed_on).collect()
}

fn find_groups(crypto: &Crypto, names: &[NamedGroup]) -> Result<Vec<Group>, ConfigError> {
    let groups: Vec<_> =
        names.iter().filter_map(|name| Group::find(&crypto.handshake, *name)).collect();
    if groups.is_empty() { Err(ConfigError::NoGroup) } else { Ok(groups) }
}

impl Settings {
    /// Whether a version is offered and accepted.
    pub(crate) fn speaks(&self, version: Version) -> bool {
        self.versions.contains(&version)
    }

    /// Whether a client has it to offer, as it always does but in our tests.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests decide by a setting"))]
    pub(crate) fn offers_extended_master_secret(&self) -> bool {
        #[cfg(test)]
        let left_out = self.extended_master_secret_left_out;
        #[cfg(not(test))]
        let left_out = false;
        !left_out
    }

    /// Whether any version within the range has a group.
    fn has_groups(&self) -> bool {
        let of = |version| self.groups_of(version).next().is_some();
        self.range.contains(&Version::Dtls13) && of(ProtocolVersion::TLSv1_3)
            || self.range.contains(&Version::Dtls12) && of(ProtocolVersion::TLSv1_2)
    }

    /// Finds out which versions there is all for that they need. `false` if there is none.
    fn find_versions(&mut self) -> bool {
        let has_group = |version| self.groups_of(version).next().is_some();
        let versions = [
            (Version::Dtls13, {
                !self.suites_1_3.is_empty()
                    && has_group(ProtocolVersion::TLSv1_3)
                    && self.credential_1_3(|_| true).is_some()
            }),
            (Version::Dtls12, {
                self.certificates().any(|certificate| self.suites_of(certificate).next().is_some())
                    && has_group(ProtocolVersion::TLSv1_2)
            }),
        ];
        let possible = versions.into_iter().filter(|(_, possible)| *possible).map(|(v, _)| v);
        self.versions = possible.filter(|version| self.range.contains(version)).collect();
        !self.versions.is_empty()
    }

    /// The cipher suites of the versions that we speak.
    pub(crate) fn suite_codes(&self) -> impl Iterator<Item = u16> {
        let newer = self.suites_1_3.iter().filter(|_| self.speaks(Version::Dtls13));
        let older = self.suites.iter().filter(|_| self.speaks(Version::Dtls12));
        newer.map(Suite13::code).chain(older.map(Suite::code))
    }

    /// The groups of the versions that we speak.
    pub(crate) fn offered_groups(&self) -> impl Iterator<Item = Group> {
        self.groups.iter().copied().filter(|group| {
            self.versions.iter().any(|version| match version {
                Version::Dtls12 => group.usable_for_version(ProtocolVersion::TLSv1_2),
                Version::Dtls13 => group.usable_for_version(ProtocolVersion::TLSv1_3),
            })
        })
    }

    /// The signature schemes of DTLS 1.3.
    pub(crate) fn schemes_1_3(&self) -> impl Iterator<Item = SignatureScheme> {
        self.schemes.iter().copied().filter(|scheme| is_of_1_3(*scheme))
    }

    /// Our certificates, most preferred first.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.certificate).chain(&self.alternatives)
    }

    /// The suites of DTLS 1.2 that the key of `certificate` can sign for.
    pub(crate) fn suites_of(&self, certificate: &Certificate) -> impl Iterator<Item = &Suite> {
        let authentication = Authentication::of(certificate.algorithm());
        self.suites.iter().filter(move |suite| Some(suite.authentication) == authentication)
    }

    /// Our first certificate that signs in DTLS 1.3 with a scheme that the peer accepts.
    pub(crate) fn credential_1_3(
        &self,
        accepts: impl Fn(SignatureScheme) -> bool,
    ) -> Option<Credential> {
        let accepts = |scheme| is_of_1_3(scheme) && accepts(scheme);
        self.certificates()
            .find_map(|certificate| Credential::new(certificate, &self.schemes, accepts))
    }

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
