//! Both sides against each other in virtual time, and one side against what an attacker sends.

mod attacks;
mod browsers;
mod capture;
mod captures;
mod connection_ids;
mod contract;
mod cookies;
mod credentials;
mod either;
mod faults;
mod grid;
mod handshake;
mod handshake13;
mod key_update;
mod liars;
mod loss;
mod loss13;
pub(crate) mod pair;
mod secrets;
mod signing;
mod silence;
