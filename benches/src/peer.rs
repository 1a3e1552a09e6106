use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use crate::link::Outbox;

/// One side of a call, of whatever stack: what the works of the table need of it.
///
/// Every call has one audio section, one video section (VP8) and one data channel.
pub trait Peer {
    /// A received RTP packet, as the stack gives it to its user.
    type Packet;

    /// Takes one datagram from the other side.
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]);

    /// Lets time pass.
    fn handle_timeout(&mut self, now: Instant);

    /// Returns when time has to pass next.
    fn poll_timeout(&mut self) -> Option<Instant>;

    /// Takes everything out: datagrams into `outbox`, events and data into the peer's own counters.
    fn drain(&mut self, now: Instant, outbox: &mut Outbox);

    /// Returns whether the data channel is open.
    fn is_open(&self) -> bool;

    /// Returns whether media may be sent.
    fn is_connected(&self) -> bool;

    /// Sends a binary message; `false` while the send buffer is full.
    fn send_message(&mut self, now: Instant, data: &Bytes) -> bool;

    /// Returns the number of bytes of messages received.
    fn received_bytes(&self) -> u64;

    /// Returns the number of messages received.
    fn received_messages(&self) -> u64;

    /// Sends one video packet, the `index`-th of its stream.
    fn send_packet(&mut self, now: Instant, index: u64, payload: &Bytes);

    /// Takes the next received video packet.
    fn read_packet(&mut self, now: Instant) -> Option<Self::Packet>;

    /// Sends a packet that another peer of the stack has received.
    fn forward(&mut self, now: Instant, packet: &Self::Packet);
}

/// A stack that can make calls.
pub trait Stack {
    /// Its peers.
    type Peer: Peer;

    /// Its name in the table.
    const NAME: &'static str;

    /// Makes two peers and has them exchange offer and answer with one host candidate each:
    /// the first offers. `seed` is for stacks whose randomness is an input.
    fn pair(now: Instant, seed: u64, addresses: [SocketAddr; 2]) -> (Self::Peer, Self::Peer);
}
