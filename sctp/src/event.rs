//! What an association tells its user.

use crate::chunk::error_cause::ErrorCause;
use std::fmt;

/// Something that has changed. Messages are not in events: they are read from their stream.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The association is established.
    Connected,
    /// The peer has begun a new association in the place of this one, as after a crash
    /// ([RFC 9260 §5.2](https://www.rfc-editor.org/rfc/rfc9260#section-5.2)): all streams begin
    /// again, and what had not been acknowledged is gone; and so are the priorities and low thresholds of
    /// the streams.
    Restarted,
    /// The association has ended.
    Closed(CloseReason),
    /// A stream has a message to read; said once until it is read.
    Readable(u16),
    /// What waits to be sent on a stream has fallen to its low threshold; or there is room for a message
    /// that had none, whatever waits.
    BufferedAmountLow(u16),
    /// The peer has reset a stream that it sends on: its next message is the first one.
    IncomingStreamReset(u16),
    /// What [`reset_stream`](crate::Association::reset_stream) asked for has come to its end: the stream
    /// that we send on has been reset; or the peer has refused, and its numbers go on; or the peer
    /// resets no streams and was not asked.
    OutgoingStreamReset(u16),
    /// There are more streams, in one direction or both.
    StreamsAdded,
    /// The peer does not want the streams that
    /// [`add_streams`](crate::Association::add_streams) asked for, or not all of them.
    StreamsRefused,
}

/// Why an association has ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// One side shut it down, and all data of both was delivered; or we did before it was begun, and
    /// what was queued was dropped.
    Shutdown,
    /// We aborted it.
    Aborted,
    /// The peer aborted it.
    AbortedByPeer {
        /// The first cause that it gave.
        cause: Option<ErrorCause>,
        /// What its application said with a user-initiated abort
        /// ([RFC 9260 §9.1](https://www.rfc-editor.org/rfc/rfc9260#section-9.1)), 256 bytes of it
        /// at most; empty when it said nothing.
        reason: String,
    },
    /// The peer did not answer the handshake.
    NotAnswered,
    /// The peer did not answer for too long.
    TimedOut,
    /// The peer did what the protocol forbids; it was told so in an ABORT.
    ProtocolViolation(&'static str),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => f.write_str("the association was shut down"),
            Self::Aborted => f.write_str("we aborted the association"),
            Self::AbortedByPeer { cause: None, .. } => {
                f.write_str("the peer aborted the association")
            }
            Self::AbortedByPeer { cause: Some(cause), reason } if reason.is_empty() => {
                write!(f, "the peer aborted the association: {cause}")
            }
            Self::AbortedByPeer { cause: Some(cause), reason } => {
                write!(f, "the peer aborted the association: {cause}, {reason:?}")
            }
            Self::NotAnswered => f.write_str("the peer did not answer the handshake"),
            Self::TimedOut => f.write_str("the peer has not acknowledged anything for too long"),
            Self::ProtocolViolation(what) => write!(f, "the peer violated the protocol: {what}"),
        }
    }
}
