//! A candidate: an address at which an agent may be reached
//! ([RFC 8445 §5.1](https://www.rfc-editor.org/rfc/rfc8445#section-5.1)).

mod text;

use std::net::{IpAddr, SocketAddr};

use stun::Transport;

pub use text::ParseCandidateError;

/// An address at which an agent may be reached, as it is signalled to the other side.
///
/// `Display` writes the value of SDP's `candidate` attribute, `candidate:1 1 udp …`, without
/// the `a=`; `FromStr` reads it, with or without the `a=`
/// ([RFC 8839 §5.1](https://www.rfc-editor.org/rfc/rfc8839#section-5.1)).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Candidate {
    /// Equal for candidates of one kind that share the base address and the server: if one of
    /// them works, the others probably do. 1 to 32 characters.
    pub foundation: String,
    /// The component of the data stream, from 1.
    pub component: u8,
    /// How datagrams reach it. Only UDP candidates are checked.
    pub transport: Transport,
    /// Its priority, 1 to 2³¹ − 1
    /// ([RFC 8445 §5.1.2](https://www.rfc-editor.org/rfc/rfc8445#section-5.1.2)).
    pub priority: u32,
    /// The address, or a name that hides it.
    pub address: CandidateAddress,
    /// How it was found.
    pub kind: CandidateKind,
    /// The base of a reflexive candidate or the mapped address of a relayed one, for
    /// diagnostics.
    pub related_address: Option<SocketAddr>,
    /// The part that it takes when a TCP connection is made
    /// ([RFC 6544 §4.5](https://www.rfc-editor.org/rfc/rfc6544#section-4.5)).
    pub tcp_type: Option<TcpType>,
    /// The username fragment of the session that it belongs to, so that a candidate of an
    /// older or newer generation is recognised (the extension `ufrag`).
    pub ufrag: Option<String>,
    /// Extensions that the agent does not use (`generation`, `network-cost`, …), as they
    /// were written.
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// A UDP host candidate at `address`, of the given component, with the priority that
    /// [`priority`] computes for it and nothing else set.
    pub fn host(component: u8, address: SocketAddr) -> Self {
        Self {
            foundation: "1".into(),
            component,
            transport: Transport::Udp,
            priority: priority(CandidateKind::Host, u16::MAX, component),
            address: CandidateAddress::Ip(address),
            kind: CandidateKind::Host,
            related_address: None,
            tcp_type: None,
            ufrag: None,
            extensions: Vec::new(),
        }
    }

    /// Returns the IP address and port, or `None` where a name hides them.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.address {
            CandidateAddress::Ip(address) => Some(address),
            CandidateAddress::Name { .. } => None,
        }
    }
}

/// Where a candidate is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum CandidateAddress {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A name and a port. Browsers hide host addresses behind names such as
    /// `5f7e….local` (draft-ietf-mmusic-mdns-ice-candidates); the agent keeps such a candidate
    /// and never checks it: the other side's checks make a peer-reflexive candidate instead.
    Name {
        /// The host name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// How a candidate was found.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CandidateKind {
    /// The address of an interface.
    Host,
    /// The address that a STUN server saw.
    ServerReflexive,
    /// The address that the other agent saw, or that its checks came from.
    PeerReflexive,
    /// An address that a TURN server lends.
    Relayed,
}

impl CandidateKind {
    /// Returns the type preference, 0 to 126, of
    /// [RFC 8445 §5.1.2.2](https://www.rfc-editor.org/rfc/rfc8445#section-5.1.2.2).
    pub const fn type_preference(self) -> u8 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }

    /// Returns the word that SDP has for it after `typ`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }
}

/// Which side opens the TCP connection of a candidate
/// ([RFC 6544 §4.5](https://www.rfc-editor.org/rfc/rfc6544#section-4.5)).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TcpType {
    /// It opens connections; its port is a placeholder.
    Active,
    /// It accepts connections.
    Passive,
    /// Both sides open one at the same time.
    SimultaneousOpen,
}

impl TcpType {
    /// Returns the word that SDP has for it after `tcptype`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }
}

/// Computes a candidate's priority, by the formula of
/// [RFC 8445 §5.1.2.1](https://www.rfc-editor.org/rfc/rfc8445#section-5.1.2.1):
///
/// ```text
/// priority = 2^24 × type preference + 2^8 × local preference + (256 − component)
/// ```
pub const fn priority(kind: CandidateKind, local_preference: u16, component: u8) -> u32 {
    ((kind.type_preference() as u32) << 24)
        | ((local_preference as u32) << 8)
        | (256 - component as u32)
}

/// A candidate of ours, with what only we need to know of it.
#[derive(Clone, Debug)]
pub(crate) struct LocalCandidate {
    pub(crate) candidate: Candidate,
    /// The address that datagrams are sent from; a host candidate is its own base.
    pub(crate) base: SocketAddr,
    /// The STUN server that told it, if one did.
    pub(crate) server: Option<IpAddr>,
    /// The number whose decimal form is the foundation.
    pub(crate) foundation: u32,
    /// Unique among our candidates of one kind, so that no two have one priority.
    pub(crate) local_preference: u16,
}

/// A candidate of the other side, with how we know of it.
#[derive(Debug)]
pub(crate) struct RemoteCandidate {
    pub(crate) candidate: Candidate,
    /// The other side named it, with whatever kind it likes; if not, a check came from there.
    pub(crate) signalled: bool,
}

impl LocalCandidate {
    pub(crate) fn is_base(&self) -> bool {
        self.candidate.kind == CandidateKind::Host
    }
}

/// Ranks the `index`th of our addresses. IPv6 and IPv4 alternate, IPv6 first, so that a broken
/// family delays the other by one check only
/// ([RFC 8421 §4](https://www.rfc-editor.org/rfc/rfc8421#section-4)); addresses that rarely lead
/// anywhere come last.
pub(crate) fn local_preference(address: IpAddr, index: usize) -> u16 {
    let index = u16::try_from(index).unwrap_or(u16::MAX).min(0x1fff);
    let base: u16 = if address.is_loopback() {
        0x3fff
    } else if is_link_local(address) {
        0x7fff
    } else {
        0xffff
    };
    base - 2 * index - u16::from(address.is_ipv4())
}

pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether two addresses are one, wherever they were learned: a signalled address or a mapped
/// one never has the scope that the socket adds to a link-local address.
pub(crate) fn same_address(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip() == b.ip()
}

/// Whether a datagram could be sent there: a remote address that stands for nobody, or for
/// many, is not checked.
pub(crate) fn is_checkable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_follows_the_formula_of_the_rfc() {
        assert_eq!(priority(CandidateKind::Host, 65535, 1), 2_130_706_431);
        assert_eq!(priority(CandidateKind::ServerReflexive, 65535, 1), 1_694_498_815);
        assert_eq!(priority(CandidateKind::Relayed, 0, 2), 254);
        assert!(priority(CandidateKind::Host, 65535, 1) < 1 << 31);
    }

    #[test]
    fn address_families_alternate_with_ipv6_first() {
        let v6 = "2001:db8::1".parse().unwrap();
        let v4 = "192.0.2.1".parse().unwrap();
        let ranks = [
            local_preference(v6, 0),
            local_preference(v4, 0),
            local_preference(v6, 1),
            local_preference(v4, 1),
            local_preference("fe80::1".parse().unwrap(), 0),
            local_preference("::1".parse().unwrap(), 0),
            local_preference("127.0.0.1".parse().unwrap(), 0),
        ];
        assert!(ranks.is_sorted_by(|a, b| a > b), "{ranks:?}");
    }

    #[test]
    fn addresses_that_nobody_has_are_not_checked() {
        for address in ["0.0.0.0:9", "[::]:9", "192.0.2.1:0", "224.0.0.1:5", "255.255.255.255:5"] {
            assert!(!is_checkable(address.parse().unwrap()), "{address}");
        }
        assert!(is_checkable("192.0.2.1:5".parse().unwrap()));
    }
}
