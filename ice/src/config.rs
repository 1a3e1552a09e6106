//! What an application may set, with the reason of each default.

use std::net::SocketAddr;
use std::time::Duration;

/// The settings of an [`Agent`](crate::Agent). The defaults fit a call between browsers.
///
/// Any duration will do: [`Duration::MAX`] is as good as never, and what is repeated in an interval
/// is not repeated sooner than after 5 ms.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether this agent is lite: it only answers checks, for hosts with a public address
    /// ([RFC 8445 §2.5](https://www.rfc-editor.org/rfc/rfc8445#section-2.5)). The other side
    /// must then be a full agent.
    pub lite: bool,
    /// STUN servers that tell what our addresses look like from outside. At most
    /// [`max_stun_servers`](Self::max_stun_servers) of them are asked.
    pub stun_servers: Vec<SocketAddr>,
    /// Characters that every username fragment of ours begins with, from `A–Z a–z 0–9 + /`; a
    /// server with many sockets finds the right one by them.
    pub ufrag_prefix: String,

    /// Ta, the time between two new checks
    /// ([RFC 8445 §14.2](https://www.rfc-editor.org/rfc/rfc8445#section-14.2)). 50 ms is the
    /// value that both sides assume unless they signal another one, never below 5 ms.
    pub pacing: Duration,
    /// How long the first transmission of a check waits for its response while no round-trip
    /// time is known: 250 ms. [`crate`] has the reason for not taking the RFC's 500 ms.
    pub first_retransmission: Duration,
    /// The shortest wait once a round-trip time is known: on a LAN 1.5 round trips are less
    /// than a busy host takes to answer.
    pub min_retransmission: Duration,
    /// The longest wait before a retransmission (unless 1.5 round trips are longer), so that a
    /// path that opens late is found soon after.
    pub max_retransmission: Duration,
    /// How often a check is sent before its pair fails: Rc of
    /// [RFC 8489 §6.2.1](https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1).
    pub max_transmissions: u8,
    /// The PAC timer ([RFC 8863](https://www.rfc-editor.org/rfc/rfc8863#section-4)): checks are
    /// not declared failed before, because a peer-reflexive candidate may still turn up.
    pub patience: Duration,
    /// How long the controlling side waits, after the first pair of a component works, for a
    /// better one that is still being checked. Data flows meanwhile.
    pub nomination_delay: Duration,

    /// Tr, the time between two requests that keep a server-reflexive address alive while checks
    /// go on; at least 15 s
    /// ([RFC 8445 §11](https://www.rfc-editor.org/rfc/rfc8445#section-11)).
    pub keepalive: Duration,
    /// The time between two consent checks, randomised by ±20 %
    /// ([RFC 7675 §5.1](https://www.rfc-editor.org/rfc/rfc7675#section-5.1)).
    pub consent_interval: Duration,
    /// How long consent lasts after a response: [`MAX_CONSENT_TIMEOUT`](Self::MAX_CONSENT_TIMEOUT)
    /// or less; what is longer is read as that.
    pub consent_timeout: Duration,
    /// The shortest wait before an unanswered consent check is followed by another one; 1.5 round
    /// trips if that is longer. Four of them are sent in a row, then fewer and fewer.
    pub consent_retry: Duration,
    /// How long a path may be silent, with a consent check unanswered, before it counts as
    /// disconnected; at most as long as consent lasts.
    pub disconnected_timeout: Duration,
    /// How long the paths of an earlier generation are answered and read once the new one is
    /// complete ([RFC 8445 §8.3.1](https://www.rfc-editor.org/rfc/rfc8445#section-8.3.1)).
    pub linger: Duration,

    /// The STUN servers that are asked, at most; each costs a transaction per address.
    pub max_stun_servers: usize,
    /// Candidates of ours per stream, at most.
    pub max_local_candidates: usize,
    /// Signalled candidates of the other side per stream, of whatever kind, at most; later ones are
    /// dropped and counted. Browsers on machines with many interfaces send twenty or so.
    pub max_remote_candidates: usize,
    /// Candidates of the other side per stream that its checks have discovered, at most: a symmetric
    /// NAT makes one per address of ours.
    pub max_peer_reflexive: usize,
    /// Candidate pairs of all streams together, at most
    /// ([RFC 8445 §6.1.2.5](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2.5)); but each
    /// component may have four.
    pub max_pairs: usize,
    /// Checks remembered per stream while the other side's credentials are not known.
    pub max_early_checks: usize,
    /// Responses owed and not polled for, at most; the oldest is dropped, its request will be
    /// sent again.
    pub max_responses: usize,
    /// The longest STUN message, in bytes, that is made so long by what it carries
    /// ([`Embedding`](crate::Embedding)): 1200 pass nearly every path.
    pub max_message_size: usize,
    /// What messages carried that nobody has read, at most per stream; the oldest is dropped. A
    /// handshake's longest flight has a handful of datagrams.
    pub max_embedded: usize,
    /// Paths on which data is accepted, at most; the one that was silent longest is dropped. Also
    /// the paths of a stream whose messages carry datagrams ([`Embedding`](crate::Embedding)), until
    /// there are others to carry; the first ones do.
    pub max_paths: usize,
}

/// As good as never, and sums of it are no overflow.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The least of Ta ([RFC 8445 §14.2](https://www.rfc-editor.org/rfc/rfc8445#section-14.2)).
const SHORTEST: Duration = Duration::from_millis(5);

impl Config {
    /// "Consent expires after 30 seconds": whoever goes on sending after that floods somebody who may
    /// not be there any more
    /// ([RFC 7675 §5.1](https://www.rfc-editor.org/rfc/rfc7675#section-5.1)).
    pub const MAX_CONSENT_TIMEOUT: Duration = Duration::from_secs(30);

    /// The settings as an agent has them.
    pub(crate) fn bounded(mut self) -> Self {
        for interval in [
            &mut self.pacing,
            &mut self.first_retransmission,
            &mut self.min_retransmission,
            &mut self.max_retransmission,
            &mut self.keepalive,
            &mut self.consent_interval,
            &mut self.consent_retry,
        ] {
            *interval = (*interval).clamp(SHORTEST, FAR);
        }
        for time in [&mut self.patience, &mut self.nomination_delay, &mut self.linger] {
            *time = (*time).min(FAR);
        }
        self.consent_timeout = self.consent_timeout.min(Self::MAX_CONSENT_TIMEOUT);
        self.disconnected_timeout = self.disconnected_timeout.min(self.consent_timeout);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lite: false,
            stun_servers: Vec::new(),
            ufrag_prefix: String::new(),
            pacing: Duration::from_millis(50),
            first_retransmission: Duration::from_millis(250),
            min_retransmission: Duration::from_millis(50),
            max_retransmission: Duration::from_secs(2),
            max_transmissions: 7,
            patience: Duration::from_millis(39_500),
            nomination_delay: Duration::from_millis(100),
            keepalive: Duration::from_secs(15),
            consent_interval: Duration::from_secs(5),
            consent_timeout: Self::MAX_CONSENT_TIMEOUT,
            consent_retry: Duration::from_millis(300),
            disconnected_timeout: Duration::from_secs(5),
            linger: Duration::from_secs(3),
            max_stun_servers: 8,
            max_local_candidates: 32,
            max_remote_candidates: 64,
            max_peer_reflexive: 16,
            max_pairs: 100,
            max_early_checks: 16,
            max_responses: 64,
            max_message_size: 1200,
            max_embedded: 16,
            max_paths: 64,
        }
    }
}
