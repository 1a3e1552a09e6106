//! What an application chooses before it connects.

mod dtls;

use std::net::SocketAddr;
use std::time::Duration;

use dtls_srtp::{Certificate, Crypto};
use sctp::ReceiveBudget;

pub use self::dtls::DtlsSettings;
use crate::media::codec::{CodecCapability, HeaderExtensionCapability};
use crate::security::SecurityPolicy;

/// The settings of a [`PeerConnection`](crate::PeerConnection): the W3C's `RTCConfiguration`, and
/// the bounds that a server wants to choose.
///
/// Cheap to clone when it carries its certificates: an [`Endpoint`](crate::Endpoint) with thousands
/// of connections should make one certificate and one configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Configuration {
    /// STUN servers that tell us our public address. Names are resolved by the application.
    pub stun_servers: Vec<SocketAddr>,
    /// How many transports the first offer is prepared for.
    pub bundle_policy: BundlePolicy,
    /// The certificates to show: the first that the other side can verify. It is told the
    /// fingerprints of all ([RFC 8122 §5](https://www.rfc-editor.org/rfc/rfc8122#section-5)), the
    /// first one's last: Chromium keeps no other. The default is none, and one is generated for the
    /// connection.
    pub certificates: Vec<Certificate>,
    /// The cryptography to use.
    pub crypto: Crypto,
    /// What can be sent and received, most wanted first.
    pub codecs: Vec<CodecCapability>,
    /// The RTP header extensions to offer.
    pub header_extensions: Vec<HeaderExtensionCapability>,
    /// Whether RTP header extensions and CSRCs are encrypted. The default is to offer it and to do
    /// it with who understands it, as the W3C has it: it hides who speaks when from the network,
    /// costs nothing, and who does not know the attribute ignores it
    /// ([RFC 8866 §5.13](https://www.rfc-editor.org/rfc/rfc8866#section-5.13)).
    pub rtp_header_encryption_policy: RtpHeaderEncryptionPolicy,
    /// The largest data-channel message accepted as a whole, in bytes; told to the other side. The
    /// default is 256 KiB, as in browsers. A connection makes room for two of them. Less than
    /// 1 KiB is read as that: the announcements of channels are messages, too, and 0 would be told as
    /// no limit.
    ///
    /// What is sent is bounded by what the other side accepts, and by
    /// [`max_buffered_amount`](Self::max_buffered_amount) where it does not interleave messages.
    pub max_message_size: usize,
    /// The largest message accepted on channels that are read in parts
    /// ([`DataChannel::set_read_mode`](crate::DataChannel::set_read_mode)), where that is more, in
    /// bytes: the other side is told of this one, and memory is needed for what has not been read
    /// only. [`usize::MAX`] stands for any size (`a=max-message-size:0`,
    /// [RFC 8841 §6.1](https://www.rfc-editor.org/rfc/rfc8841#section-6.1)). On other channels a
    /// message larger than [`max_message_size`](Self::max_message_size) ends the connection's data
    /// channels; and so it does on any from a peer that does not interleave messages
    /// ([RFC 8260](https://www.rfc-editor.org/rfc/rfc8260)), as browsers mostly do not, since what is
    /// not interleaved cannot be read in parts. For applications that know their other side. The
    /// default is `None`.
    pub max_message_size_in_parts: Option<usize>,
    /// How many bytes all data channels together buffer, to be sent or acknowledged, before `send`
    /// is refused. The default is 16 MiB, as in Chromium. Of messages that have not left there may be
    /// one for each 128 bytes of it.
    pub max_buffered_amount: usize,
    /// What the connections that have clones of it may hold together of data that nobody has read.
    /// `None`: each is bounded by itself, to 16 MiB, or twice as much and two messages from a peer that
    /// does not keep to its window. An [`Endpoint`](crate::Endpoint) gives its
    /// connections one of its own where there is none here.
    pub receive_budget: Option<ReceiveBudget>,
    /// The largest UDP payload sent, in bytes. The default of 1200 passes every path seen in
    /// practice (IPv6's minimum of 1280, less headers and a relay's overhead). Less than 128
    /// is read as that, and more than 16 384 as that: a record of DTLS holds no more. The packets of
    /// data channels have room for 613 bytes at least, the least that SCTP works with, in DTLS.
    pub path_mtu: usize,
    /// The largest UDP payload to search for, in bytes: data channels probe whether the path carries
    /// more than [`path_mtu`](Self::path_mtu), with packets that hold nothing of value (RFC 8899). On
    /// Ethernet that is 1472 for IPv4 and 1452 for IPv6, a fifth more. More than 16 384 is read as that.
    ///
    /// The default is not to search: a chunk of SCTP is not cut again, and should the path get
    /// narrower while large ones are under way, nothing but IP fragments brings those through.
    pub max_path_mtu: Option<usize>,
    /// The rate at which media leaves the pacer, in bits per second, before anyone knows better.
    /// The default is 10 Mbit/s.
    pub pacing_rate: u64,
    /// How long the other side may stay silent before the connection counts as disconnected; at most
    /// [`failed_timeout`](Self::failed_timeout).
    pub disconnected_timeout: Duration,
    /// How long consent lasts without an answer before the connection has failed. The default is 30 s,
    /// and what is longer is read as that: RFC 7675 §5.1 allows no more.
    pub failed_timeout: Duration,
    /// How secure a connection must be at least. The default takes the best that both sides have.
    pub security_policy: SecurityPolicy,
    /// How DTLS works, apart from that.
    pub dtls: DtlsSettings,
    /// Whether the DTLS handshake rides in ICE's checks where the other side does that, too, which
    /// saves a round trip
    /// ([draft-hancke-webrtc-sped](https://datatracker.ietf.org/doc/draft-hancke-webrtc-sped/)).
    /// Off by default while it is a draft.
    pub sped: bool,
    /// Whether the SCTP handshake travels in the descriptions where the other side does that, too,
    /// which saves one and a half round trips
    /// ([draft-hancke-tsvwg-snap](https://datatracker.ietf.org/doc/draft-hancke-tsvwg-snap/)).
    /// Off by default while it is a draft.
    pub snap: bool,
    /// How many transceivers a connection may have: the other side's offers add some, too. The
    /// default is 128.
    pub max_transceivers: usize,
    /// How many sources (SSRCs) SRTP follows on a transport, each way. Packets of further ones are
    /// dropped, with a warning in the log, as none is forgotten: its packets could come again
    /// then. The default is 1024; each takes some 250 bytes when it appears. A connection that lasts
    /// for long to a server that gives each stream it forwards an SSRC of its own may need more.
    pub max_srtp_sources: usize,
}

impl Configuration {
    /// The settings with those that are out of bounds brought into them.
    pub(crate) fn bounded(mut self) -> Self {
        self.path_mtu = self.path_mtu.clamp(MIN_PATH_MTU, MAX_PATH_MTU);
        self.max_path_mtu = self.max_path_mtu.map(|most| most.min(MAX_PATH_MTU));
        self.max_message_size = self.max_message_size.max(MIN_MESSAGE_SIZE);
        self.failed_timeout = self.failed_timeout.min(ice::Config::MAX_CONSENT_TIMEOUT);
        self
    }
}

/// Room for a DATA_CHANNEL_OPEN with a label of usual length (RFC 8832 §5.1).
const MIN_MESSAGE_SIZE: usize = 1024;
/// What DTLS can be told to keep to.
const MIN_PATH_MTU: usize = 128;
/// What fits a record of DTLS, with what surrounds it: "The length MUST NOT exceed 2^14 bytes"
/// ([RFC 8446 §5.1](https://www.rfc-editor.org/rfc/rfc8446#section-5.1)).
const MAX_PATH_MTU: usize = 1 << 14;

impl Default for Configuration {
    fn default() -> Self {
        Self {
            stun_servers: Vec::new(),
            bundle_policy: BundlePolicy::default(),
            certificates: Vec::new(),
            crypto: Crypto::default(),
            codecs: CodecCapability::defaults(),
            header_extensions: HeaderExtensionCapability::defaults(),
            rtp_header_encryption_policy: RtpHeaderEncryptionPolicy::default(),
            max_message_size: 256 * 1024,
            max_message_size_in_parts: None,
            max_buffered_amount: 16 * 1024 * 1024,
            receive_budget: None,
            path_mtu: 1200,
            max_path_mtu: None,
            pacing_rate: 10_000_000,
            disconnected_timeout: Duration::from_secs(5),
            failed_timeout: Duration::from_secs(30),
            security_policy: SecurityPolicy::default(),
            dtls: DtlsSettings::default(),
            sped: false,
            snap: false,
            max_transceivers: 128,
            max_srtp_sources: 1024,
        }
    }
}

/// How many transports are prepared before it is known whether the other side bundles
/// ([RFC 9429 §4.1.1](https://www.rfc-editor.org/rfc/rfc9429#section-4.1.1)).
///
/// The W3C's default is `balanced`. Ours is [`MaxBundle`](Self::MaxBundle): every browser bundles,
/// and a single socket is what most applications give.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BundlePolicy {
    /// One transport for the first section of each kind.
    Balanced,
    /// One transport for each section, until the answer bundles them. Each asks for a socket of its own
    /// at every local address: an offer of the other side that bundles nothing makes us open up to
    /// [`max_transceivers`](Configuration::max_transceivers) times as many.
    MaxCompat,
    /// One transport for everything; sections that the other side does not bundle are refused.
    #[default]
    MaxBundle,
}

/// Whether RTP header extensions and CSRCs are encrypted (cryptex,
/// [RFC 9335](https://www.rfc-editor.org/rfc/rfc9335)): the W3C's
/// [`RTCRtpHeaderEncryptionPolicy`](https://w3c.github.io/webrtc-extensions/#rtp-header-extension-encryption),
/// and a way to turn it off.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RtpHeaderEncryptionPolicy {
    /// It is not offered, and no offer of it is accepted: for middleboxes that read them.
    Disable,
    /// It is offered, and used if the other side says that it understands it.
    #[default]
    Negotiate,
    /// A description of the other side that does not say so is refused, and so is every packet that
    /// shows them.
    Require,
}
