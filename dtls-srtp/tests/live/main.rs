//! Handshakes with other implementations over loopback, in both roles: keys compared, data both
//! ways. Each test says so in one line, and passes, where its program is missing, but not where `CI`
//! is set.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod gnutls;
mod openssl;
mod ours;
mod program;
