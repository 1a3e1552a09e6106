//! Agents against each other in virtual time.

mod connect;
mod network;
