//! Drivers: what stands between an [`Endpoint`](crate::Endpoint) and the operating system.
//!
//! The rest of the crate does no IO. [`Blocking`] does it on one thread with UDP sockets:
//! segmentation offload in both directions, several datagrams a system call, ECN, and the address
//! that each datagram was really sent to.
//!
//! ```no_run
//! use std::sync::mpsc;
//! use std::time::Instant;
//! use peerless::driver::Blocking;
//! use peerless::{Configuration, ConnectionId, DataChannelInit, Endpoint, Event, Origin};
//! use peerless::SessionDescription;
//!
//! let mut endpoint = Endpoint::new(Origin::system());
//! let mut driver = Blocking::bind("0.0.0.0:3478".parse()?)?;
//! println!("one UDP port for everyone: {:?}", driver.local_addresses());
//! // `run` does so, too, but a connection that begins before that has no candidates to tell.
//! for address in driver.local_addresses() {
//!     endpoint.add_local_address(address);
//! }
//!
//! let now = Instant::now();
//! let id = endpoint.add_connection(now, Configuration::default());
//! let connection = endpoint.connection_mut(id).expect("it was just added");
//! connection.create_data_channel(now, "chat", DataChannelInit::default())?;
//! connection.set_local_description(now, None)?;
//! let offer = connection.local_description(); // to the other side
//!
//! // What comes from there, on another thread: `signals.send((id, answer))`, and `waker.wake()`.
//! let waker = driver.waker(); // `waker.stop()` ends the run
//! let (signals, inbox) = mpsc::channel::<(ConnectionId, SessionDescription)>();
//! let on_wake = |endpoint: &mut Endpoint| {
//!     for (id, answer) in inbox.try_iter() {
//!         let Some(connection) = endpoint.connection_mut(id) else { continue };
//!         if let Err(error) = connection.set_remote_description(Instant::now(), answer) {
//!             println!("{id} {error}");
//!         }
//!     }
//! };
//! driver.run_with(&mut endpoint, on_wake, |endpoint, id, event| match event {
//!     Event::IceCandidate(candidate) => { /* to the other side */ }
//!     Event::ConnectionStateChange(state) => println!("{id} {state}"),
//!     _ => {}
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blocking;
mod interfaces;
mod socket;
mod trouble;
mod waker;

pub use blocking::{Blocking, Statistics};
pub use waker::Waker;
