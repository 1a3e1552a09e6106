//! Application data on its way to the peer.

use super::epoch::Epoch;
use super::record::{ContentType, Header, MAX_PLAINTEXT};
use super::v12::protection::Open;
use super::{Connection, Phase, Role, SealError};

/// The longest plaintext of a record in bytes.
pub const MAX_PLAINTEXT_LEN: usize = MAX_PLAINTEXT;

/// A record that was begun in a buffer, to be closed by [`Connection::seal`].
#[derive(Debug)]
#[must_use = "a record that is not sealed must be taken off the buffer"]
pub struct RecordStart(Open);

impl Connection {
    /// Returns whether application data can be sent: the peer is authenticated, and our Finished
    /// message is sent. For a client that is before the server's Finished has come (False Start,
    /// [RFC 7918](https://www.rfc-editor.org/rfc/rfc7918)), which saves a round trip: the server
    /// has signed its key exchange, and all suites here are ones that RFC 7918 §5.1 allows.
    pub fn may_send(&self) -> bool {
        match &self.phase {
            Phase::Handshaking(handshake) => {
                self.role == Role::Client
                    && self.outgoing.sealer.is_some()
                    && handshake.flight.was_sent()
                    && self.peer.is_authenticated()
            }
            Phase::Established { connected, last_flight } => {
                *connected && last_flight.as_ref().is_none_or(|last| last.flight.was_sent())
            }
            Phase::Closed(_) => false,
        }
    }

    /// Begins a record of application data: appends what stands before the plaintext to `buf`.
    /// The caller appends the plaintext, at most [`MAX_PLAINTEXT_LEN`] bytes, and calls
    /// [`Connection::seal`]. `None`, and nothing appended, unless [`Connection::may_send`].
    pub fn begin(&mut self, buf: &mut Vec<u8>) -> Option<RecordStart> {
        if !self.may_send() {
            return None;
        }
        let sealer = self.outgoing.sealer.as_mut()?;
        sealer.begin(ContentType::ApplicationData, buf).map(RecordStart)
    }

    /// Closes a record: encrypts what was appended since it was begun, in place, and appends the
    /// tag. The record is then the end of `buf`.
    ///
    /// # Errors
    ///
    /// [`SealError`]; the record is then taken off `buf`.
    pub fn seal(&self, buf: &mut Vec<u8>, start: RecordStart) -> Result<(), SealError> {
        let RecordStart(open) = start;
        match &self.outgoing.sealer {
            Some(sealer) if !matches!(self.phase, Phase::Closed(_)) => sealer.seal(buf, open),
            _ => {
                buf.truncate(open.start());
                Err(SealError::Closed)
            }
        }
    }

    /// Returns how many bytes a record adds to its plaintext: with AES-GCM 13 of header, 8 of
    /// nonce and 16 of tag, which is also the answer while the suite is not known.
    pub fn record_overhead(&self) -> usize {
        match &self.outgoing.sealer {
            Some(_) => self.outgoing.overhead(Epoch::PROTECTED),
            None => Header::LEN + 8 + 16,
        }
    }

    /// Takes application data that came before it could be delivered: ahead of the peer's
    /// Finished message, or of its fingerprints. Ask after
    /// [`Event::Connected`](super::Event::Connected) until `None`; what nobody asks for stays
    /// within [`Config::with_max_early_bytes`](super::Config::with_max_early_bytes).
    pub fn take_early(&mut self) -> Option<Vec<u8>> {
        if self.is_connected() { self.early.pop() } else { None }
    }
}
