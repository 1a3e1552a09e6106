//! The SCTP association ([RFC 9260](https://www.rfc-editor.org/rfc/rfc9260)) and WebRTC's data
//! channels on it ([RFC 8831](https://www.rfc-editor.org/rfc/rfc8831)), without IO.
//!
//! # Why SCTP
//!
//! UDP gives datagrams, which may be lost, doubled, or overtake each other. TCP gives bytes in
//! order, where one lost packet holds everything up. SCTP lies between: it carries *messages*, of
//! any size, on up to 65 535 independent *streams*. Each message may be ordered within its stream
//! or not, and tried for ever, or so many times, or for so long. WebRTC runs it inside DTLS
//! ([RFC 8261](https://www.rfc-editor.org/rfc/rfc8261)), and a data channel is a pair of streams.
//!
//! # An association's life
//!
//! ```text
//! A                                     Z
//! │ INIT ──────────────────────────────▶│  "my tag, my window, my streams"
//! │◀─────────────────────────  INIT ACK │  the same, and all of it sealed in a cookie:
//! │                                     │  Z keeps nothing yet, so floods cost it nothing
//! │ COOKIE ECHO, DATA ─────────────────▶│  established; the first message is there
//! │◀─────────── COOKIE ACK, SACK, DATA  │  established
//! │ DATA ──────────────────────────────▶│
//! │ DATA ─────────────────────────▶ ✗   │  lost
//! │ DATA ──────────────────────────────▶│
//! │◀─────── SACK: all to 1, and also 3  │  so 2 is missing: it is sent again
//! │ DATA (2) ──────────────────────────▶│
//! │            ...                      │
//! │ SHUTDOWN ──────────────────────────▶│  once everything is acknowledged
//! │◀─────────────────────  SHUTDOWN ACK │
//! │ SHUTDOWN COMPLETE ─────────────────▶│
//! ```
//!
//! # The five calls
//!
//! [`Association`] and [`data_channel::Session`] own no socket and no clock. Packets are handed in
//! by `handle_datagram` and taken out by `poll_transmit`; `poll_timeout` says when to call
//! `handle_timeout`; `poll_event` tells what has changed. Any order of calls is fine. This is a
//! whole chat, the two sides in one process:
//!
//! ```
//! use peerless_sctp::data_channel::{ChannelInit, Config, Event, Role, Session};
//! use std::time::Instant;
//!
//! let now = Instant::now();
//! let mut alice = Session::new(Config::default(), now, [1; 32]); // in life: fresh entropy
//! let mut bob = Session::new(Config::default(), now, [2; 32]);
//! let chat = alice.open(now, ChannelInit::new("chat"))?;
//! alice.start(now, Role::Client); // the roles of the DTLS connection below
//! bob.start(now, Role::Server);
//!
//! let mut heard = None;
//! while heard.is_none() {
//!     let mut packet = Vec::new();
//!     while alice.poll_transmit(now, &mut packet).is_some() {
//!         bob.handle_datagram(now, &packet);
//!         packet.clear();
//!     }
//!     while bob.poll_transmit(now, &mut packet).is_some() {
//!         alice.handle_datagram(now, &packet);
//!         packet.clear();
//!     }
//!     while let Some(event) = alice.poll_event() {
//!         if event == Event::ChannelOpen(chat) {
//!             alice.send(now, chat, "hello")?;
//!         }
//!     }
//!     while let Some(event) = bob.poll_event() {
//!         if let Event::Readable(channel) = event {
//!             heard = bob.read(channel);
//!         }
//!     }
//! }
//! assert_eq!(heard.unwrap().as_text(), Some("hello"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where things are
//!
//! * [`packet`], [`chunk`]: the wire, one file for each kind of chunk. Readable without the rest.
//! * [`Association`]: RFC 9260's procedures, a file each: handshake and cookie, shutdown, abort,
//!   heartbeat, stream reset (RFC 6525). What is on its way out: queues served in turn, the ring of
//!   outstanding chunks, timeout, congestion control, pacing. What has arrived: the map of numbers,
//!   reassembly, the streams' queues. Partial reliability (RFC 3758), immediate SACKs (RFC 7053) and
//!   interleaving (RFC 8260) run through both.
//! * [`conformance`]: what the standards say, and the test that shows it.
//! * Congestion control is one of three behind a trait, chosen in [`Config::congestion_control`]. The
//!   default keeps a model of the path, because a sender that takes each loss for congestion stays at
//!   2 Mbit/s where one packet in a hundred is lost, whatever the path could carry. Losses are found
//!   by when packets were sent (RFC 8985's RACK), and the tail is probed before T3-rtx.
//! * The receive window follows what the application takes in a round trip, from 128 KiB to 16 MiB;
//!   associations may share a [`ReceiveBudget`]. The send buffer follows the congestion window.
//! * [`data_channel`]: labels, numbers and ends of channels (RFC 8831, RFC 8832).
//!
//! # What is not here
//!
//! Several paths at a time (RFC 8261 rules them out; addresses in an INIT are passed over) and
//! authentication (RFC 4895).
#![forbid(unsafe_code)]

mod association;
mod checksum;
pub mod chunk;
mod config;
#[doc = include_str!("conformance.md")]
pub mod conformance {}
pub mod data_channel;
mod event;
mod handover;
mod message;
pub mod packet;
mod recv;
mod send;
mod span;
mod stream_table;
mod tsn;

pub use association::snap::{InitError, RemoteInit};
pub use association::state::State;
pub use association::stats::{PathReport, Stats};
pub use association::streaming::AppendError;
pub use association::{Association, SendError};
pub use config::{Config, CongestionControl};
pub use event::{CloseReason, Event};
pub use handover::HandoverError;
pub use message::{Message, Order, Outgoing, Part, ReadMode, Reliability, Then};
pub use recv::budget::ReceiveBudget;
pub use send::scheduler::Scheduler;
pub use tsn::Tsn;
