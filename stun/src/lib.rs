//! STUN (RFC 8489): messages and transactions, without IO.
//!
//! # What STUN is for
//!
//! A host behind an address translator does not know the address that others see it at, and a
//! translator lets nothing in from an address that nothing was sent to. STUN is the small protocol
//! that deals with both: a client sends a *Binding request*, the other side answers with the
//! address that the request came from. Asked of a server on the internet, that is how one learns
//! one's public address. Asked of a peer, in both directions and with a password in it, it opens
//! the translators on the way and proves that the peer is really there: that is ICE's connectivity
//! check, and the crate `peerless-ice` is built on this one.
//!
//! ```text
//!   client 192.168.1.2:5000        translator 203.0.113.9           server 192.0.2.1:3478
//!     │ Binding request ─────────────► from :61000 ─────────────────────► │
//!     │ ◄───────────────────────────────────────── XOR-MAPPED-ADDRESS ─── │
//!     │                                              203.0.113.9:61000    │
//! ```
//!
//! # A first look
//!
//! A [`Binding`] is such a transaction. Like every engine of this project it does no IO and reads
//! no clock: a driver hands it datagrams and the time, and takes datagrams, events and a deadline
//! from it. This is a complete driver.
//!
//! ```no_run
//! use std::net::{SocketAddr, UdpSocket};
//! use std::time::{Duration, Instant};
//! use peerless_stun::{Binding, BindingConfig, Datagram, FiveTuple};
//!
//! # #[expect(clippy::disallowed_methods, reason = "a driver reads the clock")]
//! fn public_address(server: SocketAddr, seed: [u8; 32]) -> Result<SocketAddr, Box<dyn std::error::Error>> {
//!     let socket = UdpSocket::bind("0.0.0.0:0")?;
//!     socket.connect(server)?; // tells us which of our addresses is used
//!     let path = FiveTuple::udp(socket.local_addr()?, server);
//!     let mut binding = Binding::new(BindingConfig::default(), path, Instant::now(), seed);
//!     let (mut out, mut received) = (Vec::new(), [0; 1500]);
//!
//!     while let Some(deadline) = binding.poll_timeout() {
//!         binding.handle_timeout(Instant::now());
//!         while let Some(transmit) = binding.poll_transmit(Instant::now(), &mut out) {
//!             socket.send(transmit.contents)?;
//!             out.clear();
//!         }
//!         let wait = deadline.saturating_duration_since(Instant::now());
//!         socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
//!         if let Ok(len) = socket.recv(&mut received) {
//!             binding.handle_datagram(Instant::now(), Datagram::new(path, &mut received[..len]));
//!         }
//!     }
//!     binding.mapped_address().ok_or_else(|| "the server gave no address".into())
//! }
//! ```
//!
//! # What is here
//!
//! * [`Message`] reads a message: a view that is checked once, in [`Message::parse`], after which
//!   no accessor can fail. [`MessageWriter`] writes one at the end of a buffer of the caller's.
//!   Neither allocates.
//! * [`Key`] makes and checks MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256, in constant time.
//!   [`Message::check_fingerprint`] tells STUN from other protocols on the same port.
//! * [`AttributeType`] and [`Method`] are the registries; they keep what they do not know.
//! * [`Retransmission`] is the schedule of a request over an unreliable transport.
//! * [`Binding`] and [`BindingServer`] are the two sides of a Binding transaction.
//! * [`Datagram`], [`Transmit`] and [`FiveTuple`] say what crosses a socket. They live here
//!   because this is the lowest layer that knows an address.
//!
//! A message has no memory of who sent it: one that parses proves nothing, one whose
//! [`Message::check_integrity`] holds was written by somebody who has the key.
//!
//! # What is not here
//!
//! TURN (RFC 8656), the authentication dance of long-term credentials (its keys and attributes
//! are), STUN over TCP and TLS, and the discovery of NAT behaviour (RFC 5780: its CHANGE-REQUEST is
//! answered with 420, as that RFC asks of servers without it).
#![forbid(unsafe_code)]

mod binding;
mod binding_server;
mod fingerprint;
mod integrity;
mod message;
mod retransmission;
mod transport;

pub use binding::{Binding, BindingConfig, BindingEvent, BindingFailure};
pub use binding_server::BindingServer;
pub use fingerprint::{Fingerprint, crc32};
pub use integrity::{IntegrityError, Key, userhash};
pub use message::{
    Attribute, AttributeType, Attributes, Class, ErrorCode, Message, MessageWriter, Method,
    ParseError, TransactionId, is_stun,
};
pub use retransmission::{Retransmission, Schedule, Step};
pub use transport::{Datagram, Ecn, FiveTuple, Transmit, Transport};
