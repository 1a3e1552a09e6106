//! One UDP socket.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Type};
use stun::{Datagram, Ecn, FiveTuple, Transmit};
use tracing::debug;

use super::interfaces;
use super::trouble::Meaning;

/// What the kernel is asked to keep in each direction, in bytes; it may give less. At 100 Mbit/s it
/// is a third of a second.
const KERNEL_BUFFER: usize = 4 * 1024 * 1024;

/// The largest UDP payload, and what the kernel joins to one buffer at most.
const MAX_PAYLOAD: usize = 65_535;

/// A UDP socket that knows the addresses it can be reached at.
#[derive(Debug)]
pub(super) struct Socket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    bound: SocketAddr,
    addresses: Vec<SocketAddr>,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The kernel has it.
    Sent,
    /// The kernel has no room.
    WouldBlock,
    /// The kernel refused it; it is lost, as datagrams are.
    Refused,
}

impl Socket {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // One family a socket: an IPv4 peer is then seen at its IPv4 address.
            socket.set_only_v6(true)?;
        }
        // Best effort: the system's limit may be lower.
        let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
        let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
        socket.bind(&address.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let io = mio::net::UdpSocket::from_std(socket.into());
        let bound = io.local_addr()?;
        let mut socket = Self { io, state, bound, addresses: Vec::new() };
        socket.refresh_addresses()?;
        Ok(socket)
    }

    /// Reads the addresses of the interfaces again, when it is bound to all of them.
    pub(super) fn refresh_addresses(&mut self) -> io::Result<()> {
        self.addresses = if self.bound.ip().is_unspecified() {
            let addresses = interfaces::addresses(self.bound.ip())?;
            addresses.into_iter().map(|ip| SocketAddr::new(ip, self.bound.port())).collect()
        } else {
            vec![self.bound]
        };
        Ok(())
    }

    pub(super) const fn io(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.io
    }

    /// The addresses that it can be reached at.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether datagrams from this address leave here.
    pub(super) fn sends_from(&self, local: SocketAddr) -> bool {
        self.bound == local || self.addresses.contains(&local)
    }

    /// How many datagrams fit one system call.
    pub(super) fn max_segments(&self) -> usize {
        /// 43 datagrams of 1500 bytes are 64,500 bytes, and 65,507 are the limit.
        const MOST: usize = 43;
        self.state.max_gso_segments().clamp(1, MOST)
    }

    /// Sends a datagram, or several of equal size.
    pub(super) fn send(&self, transmit: &Transmit<'_>) -> Outcome {
        let sent = self.try_send(transmit);
        if sent == Outcome::Refused && transmit.segment_size.is_some() && self.max_segments() == 1 {
            // The interface has no segmentation offload, which the kernel says only now.
            for contents in transmit.datagrams() {
                let mut datagram = Transmit::new(transmit.path, contents);
                datagram.ecn = transmit.ecn;
                // What would block here is lost; this happens once in the life of a socket.
                let _ = self.try_send(&datagram);
            }
            return Outcome::Sent;
        }
        sent
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> Outcome {
        let source = self.bound.ip().is_unspecified().then_some(transmit.path.local.ip());
        let datagram = quinn_udp::Transmit {
            destination: transmit.path.remote,
            ecn: transmit.ecn.map(to_codepoint),
            contents: transmit.contents,
            segment_size: transmit.segment_size,
            src_ip: source,
        };
        let result = self.io.try_io(|| self.state.try_send(UdpSockRef::from(&self.io), &datagram));
        match result {
            Ok(()) => Outcome::Sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Outcome::WouldBlock,
            Err(error) => {
                debug!(path = %transmit.path, %error, "not sent");
                Outcome::Refused
            }
        }
    }

    /// Receives several datagrams in one system call and gives each to `take`; returns how many,
    /// or `None` when there is none.
    pub(super) fn receive(
        &self,
        buffers: &mut Buffers,
        mut take: impl FnMut(Datagram<'_>),
    ) -> io::Result<Option<usize>> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut slices = buffers.slices();
        let received =
            self.io.try_io(|| self.state.recv(UdpSockRef::from(&self.io), &mut slices, &mut metas));
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                return match Meaning::of(&error) {
                    Meaning::Empty => Ok(None),
                    Meaning::Datagram => Ok(Some(0)),
                    Meaning::Socket => Err(error),
                };
            }
        };
        let mut datagrams = 0;
        for (slice, meta) in slices.iter_mut().zip(&metas).take(received) {
            let path = FiveTuple::udp(self.destination(meta.dst_ip), meta.addr);
            let ecn = meta.ecn.and_then(|ecn| Ecn::from_bits(ecn as u8));
            let contents = slice.get_mut(..meta.len).unwrap_or_default();
            for contents in contents.chunks_mut(meta.stride.max(1)) {
                datagrams += 1;
                take(Datagram::new(path, contents).with_ecn(ecn));
            }
        }
        Ok(Some(datagrams))
    }

    /// Makes it one that cannot receive: a stream that is not connected.
    #[cfg(test)]
    pub(super) fn break_down(&mut self) {
        let domain = Domain::for_address(self.bound);
        let stream = socket2::Socket::new(domain, Type::STREAM, None).unwrap();
        stream.set_nonblocking(true).unwrap();
        self.io = mio::net::UdpSocket::from_std(stream.into());
    }

    /// The address that a datagram was sent to.
    fn destination(&self, ip: Option<IpAddr>) -> SocketAddr {
        match ip {
            Some(ip) if self.bound.ip().is_unspecified() => SocketAddr::new(ip, self.bound.port()),
            // Where the system does not tell, the first address is a guess that holds on machines
            // with one.
            None if self.bound.ip().is_unspecified() => {
                self.addresses.first().copied().unwrap_or(self.bound)
            }
            _ => self.bound,
        }
    }
}

const fn to_codepoint(ecn: Ecn) -> EcnCodepoint {
    match ecn {
        Ecn::Ect0 => EcnCodepoint::Ect0,
        Ecn::Ect1 => EcnCodepoint::Ect1,
        Ecn::Ce => EcnCodepoint::Ce,
    }
}

/// The receive buffers of one system call, shared by the sockets of a driver.
#[derive(Debug)]
pub(super) struct Buffers(Vec<u8>);

impl Buffers {
    pub(super) fn new() -> Self {
        Self(vec![0; MAX_PAYLOAD * BATCH_SIZE])
    }

    fn slices(&mut self) -> [IoSliceMut<'_>; BATCH_SIZE] {
        let mut chunks = self.0.chunks_mut(MAX_PAYLOAD);
        std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()))
    }
}
