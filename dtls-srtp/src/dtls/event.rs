//! What the application is told.

use super::CloseReason;

/// What happened. Each comes at most once, but [`Event::ConnectionIdsChanged`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is finished and the peer is who it has to be: data goes both ways, unless the
    /// peer has closed since, which [`Event::Closed`] says next.
    Connected,
    /// The handshake needs a signature of the key that is not here
    /// ([`Certificate::with_external_key`](crate::Certificate::with_external_key)): see
    /// [`Connection::signature_request`](super::Connection::signature_request).
    SignatureNeeded,
    /// The peer has asked for more connection ids and is about to be told: whoever finds
    /// connections by their ids has to look at
    /// [`Connection::connection_ids`](super::Connection::connection_ids) again.
    ConnectionIdsChanged,
    /// The connection has ended, or never came to be.
    Closed(CloseReason),
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Records, or rests of datagrams, that were dropped: malformed, forged, out of place, or
    /// beyond a bound.
    pub records_dropped: u64,
    /// Records that had come before.
    pub records_replayed: u64,
    /// Flights that were sent again, because no answer came or the peer repeated its own; those
    /// after the handshake, such as a KeyUpdate, too.
    pub flights_retransmitted: u64,
}
