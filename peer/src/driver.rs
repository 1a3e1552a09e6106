//! Drivers: what stands between an [`Endpoint`](crate::Endpoint) and the operating system.
//!
//! The rest of the crate does no IO. [`Blocking`] does it on one thread with UDP sockets:
//! segmentation offload in both directions, several datagrams a system call, ECN, and the address
//! that each datagram was really sent to.
//!
//! ```no_run
//! use std::time::Instant;
//! use peerless::driver::Blocking;
//! use peerless::{Configuration, Endpoint, Event, Origin};
//!
//! let mut endpoint = Endpoint::new(Origin::system());
//! let mut driver = Blocking::bind("0.0.0.0:3478".parse()?)?;
//! println!("one UDP port for everyone: {:?}", driver.local_addresses());
//!
//! let stop = driver.waker(); // works from any thread
//! driver.run(&mut endpoint, |endpoint, id, event| match event {
//!     Event::IceCandidate(candidate) => { /* to the other side */ }
//!     Event::ConnectionStateChange(state) => println!("{id} {state}"),
//!     _ => {}
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blocking;
mod interfaces;
mod socket;
mod waker;

pub use blocking::{Blocking, Statistics};
pub use waker::Waker;
