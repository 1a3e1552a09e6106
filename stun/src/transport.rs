//! What crosses a socket: addresses, datagrams that come in and datagrams that go out.
//!
//! These types live here because this is the lowest layer that knows an address; `ice` and
//! `peerless` re-export them. [`Datagram`] and [`Transmit`] are mirror images.

use std::fmt;
use std::net::SocketAddr;

/// How bytes travel between two addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams over UDP.
    Udp,
    /// A byte stream over TCP.
    Tcp,
    /// A byte stream over TLS over TCP.
    Tls,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}

/// A transport and the two addresses that it connects: the 5-tuple of
/// [RFC 8656 §2](https://www.rfc-editor.org/rfc/rfc8656#section-2), seen from our side.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FiveTuple {
    /// The transport protocol.
    pub transport: Transport,
    /// Our address: the real one of the interface, never the wildcard.
    pub local: SocketAddr,
    /// The other side's address.
    pub remote: SocketAddr,
}

impl FiveTuple {
    /// A UDP path between `local` and `remote`.
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote }
    }
}

impl fmt::Display for FiveTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} > {}", self.transport, self.local, self.remote)
    }
}

/// Explicit congestion notification of one datagram
/// ([RFC 3168 §5](https://www.rfc-editor.org/rfc/rfc3168#section-5)); `None` stands for Not-ECT.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Ecn {
    /// ECT(1): an ECN-capable transport that wants L4S treatment (RFC 9331).
    Ect1 = 0b01,
    /// ECT(0): an ECN-capable transport.
    Ect0 = 0b10,
    /// CE: congestion was experienced on the way.
    Ce = 0b11,
}

impl Ecn {
    /// Reads the two low bits of an IP header's traffic class.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0b11 {
            0b01 => Some(Self::Ect1),
            0b10 => Some(Self::Ect0),
            0b11 => Some(Self::Ce),
            _ => None,
        }
    }
}

/// A datagram that came in. Engines work on `contents` in place.
#[derive(Debug)]
#[non_exhaustive]
pub struct Datagram<'d> {
    /// Where it came from and the address that it was sent to.
    pub path: FiveTuple,
    /// Its congestion mark, where the socket tells.
    pub ecn: Option<Ecn>,
    /// Its payload.
    pub contents: &'d mut [u8],
}

impl<'d> Datagram<'d> {
    /// A datagram without a congestion mark.
    pub const fn new(path: FiveTuple, contents: &'d mut [u8]) -> Self {
        Self { path, ecn: None, contents }
    }

    /// The same datagram with a congestion mark.
    #[must_use]
    pub fn with_ecn(self, ecn: Option<Ecn>) -> Self {
        Self { ecn, ..self }
    }
}

/// A datagram to send, or several of equal size for one system call.
///
/// It borrows the caller's buffer, so that the bytes and their length cannot part.
#[derive(Debug)]
#[must_use = "a datagram that is not sent is lost"]
#[non_exhaustive]
pub struct Transmit<'b> {
    /// Where it goes; `path.local` is the address to send from.
    pub path: FiveTuple,
    /// The congestion mark to set.
    pub ecn: Option<Ecn>,
    /// The differentiated services code point to set (6 bits, RFC 8837), if not the default.
    pub dscp: Option<u8>,
    /// When set, `contents` holds several datagrams of this size, the last one maybe shorter.
    pub segment_size: Option<usize>,
    /// The payload.
    pub contents: &'b [u8],
}

impl<'b> Transmit<'b> {
    /// One datagram, without marks.
    pub const fn new(path: FiveTuple, contents: &'b [u8]) -> Self {
        Self { path, ecn: None, dscp: None, segment_size: None, contents }
    }

    /// The same, as several datagrams of `segment_size` bytes each, the last one maybe shorter.
    pub const fn with_segment_size(self, segment_size: Option<usize>) -> Self {
        Self { segment_size, ..self }
    }

    /// The datagrams one by one, for sockets without segmentation offload.
    pub fn datagrams(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let size = self.segment_size.unwrap_or(self.contents.len()).max(1);
        self.contents.chunks(size)
    }
}
