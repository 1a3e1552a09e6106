//! Application data on its way to the peer.

use super::alert::Alert;
use super::outgoing::Open;
use super::record::{Header, MAX_PLAINTEXT};
use super::{
    ClientAuthentication, CloseReason, Connection, KeyUpdate, Phase, Rest, Role, SealError, Version,
};

/// The longest plaintext of a record in bytes.
pub const MAX_PLAINTEXT_LEN: usize = MAX_PLAINTEXT;

/// A record that was begun in a buffer, to be closed by [`Connection::seal`].
#[derive(Debug)]
#[must_use = "a record that is not sealed must be taken off the buffer"]
pub struct RecordStart(Open);

impl Connection {
    /// Returns whether application data can be sent: the peer is authenticated, and our Finished
    /// message is sent.
    ///
    /// For a client of DTLS 1.2 that is before the server's Finished has come (False Start,
    /// [RFC 7918](https://www.rfc-editor.org/rfc/rfc7918)), which saves a round trip: the server
    /// has signed its key exchange, and all suites here are ones that RFC 7918 §5.1 allows. A
    /// server of DTLS 1.3 that does not ask its clients who they are can send half a round trip
    /// after it was greeted.
    pub fn may_send(&self) -> bool {
        match &self.phase {
            Phase::Handshaking(handshake) => {
                self.outgoing.has_application_keys()
                    && handshake.flight.was_sent()
                    && self.peer.is_authenticated()
                    && match handshake.inbox.version() {
                        Some(Version::Dtls13) => {
                            self.settings.client_authentication
                                == ClientAuthentication::NotRequested
                        }
                        _ => self.role == Role::Client,
                    }
            }
            Phase::Established { connected, rest } => {
                *connected
                    && match rest {
                        Rest::Answered(_) => true,
                        Rest::LastFlight(last) => last.flight.was_sent(),
                        // The server's was answered.
                        Rest::PostHandshake(post) => {
                            post.flight.was_sent() || !self.outgoing.has_handshake_keys()
                        }
                    }
            }
            Phase::Closed(_) => false,
        }
    }

    /// Returns whether a server of DTLS 1.3 can send though it does not know yet who the client is:
    /// its Finished message is sent, the client's certificate has not come
    /// ([RFC 8446 §4.4.4](https://www.rfc-editor.org/rfc/rfc8446#section-4.4.4): "any such data is
    /// being sent to an unauthenticated peer"). It spares half a round trip where what is sent is
    /// no secret.
    pub fn may_send_to_anyone(&self) -> bool {
        match &self.phase {
            Phase::Handshaking(handshake) => {
                self.role == Role::Server
                    && handshake.inbox.version() == Some(Version::Dtls13)
                    && self.outgoing.has_application_keys()
                    && handshake.flight.was_sent()
            }
            _ => false,
        }
    }

    /// As [`Connection::begin`], where [`Connection::may_send_to_anyone`]: whoever greeted us can
    /// read it.
    pub fn begin_to_anyone(&mut self, buf: &mut Vec<u8>) -> Option<RecordStart> {
        if !self.may_send_to_anyone() {
            return None;
        }
        self.outgoing.begin(buf).map(RecordStart)
    }

    /// Begins a record of application data: appends what stands before the plaintext to `buf`.
    /// The caller appends the plaintext, at most [`MAX_PLAINTEXT_LEN`] bytes, and calls
    /// [`Connection::seal`]. `None`, and nothing appended, unless [`Connection::may_send`].
    ///
    /// The record has to be sealed by this connection: another one of the same version would seal it
    /// under a number that it uses for a record of its own, and with AES-GCM give its authentication
    /// key away.
    ///
    /// It ends the connection ([`CloseReason::KeyWornOut`]) when the keys have protected all that
    /// they may: 2^48 records, or 23 726 550 with AES-GCM in DTLS 1.3, where keys are changed in
    /// time unless that was done some 65 000 times
    /// ([RFC 9147 §4.5.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.5.3)).
    pub fn begin(&mut self, buf: &mut Vec<u8>) -> Option<RecordStart> {
        if !self.may_send() {
            return None;
        }
        let Some(open) = self.outgoing.begin(buf) else {
            self.end(CloseReason::KeyWornOut, Some(Alert::CLOSE_NOTIFY));
            return None;
        };
        if self.outgoing.needs_update() {
            self.want_update(KeyUpdate::NotRequested);
        }
        Some(RecordStart(open))
    }

    /// Closes a record: encrypts what was appended since it was begun, in place, and appends the
    /// tag. The record is then the end of `buf`.
    ///
    /// # Errors
    ///
    /// [`SealError`]; the record is then taken off `buf`.
    pub fn seal(&self, buf: &mut Vec<u8>, start: RecordStart) -> Result<(), SealError> {
        let RecordStart(open) = start;
        if matches!(self.phase, Phase::Closed(_)) {
            buf.truncate(open.start());
            return Err(SealError::Closed);
        }
        self.outgoing.seal(buf, open)
    }

    /// Returns how many bytes a record adds to its plaintext: in DTLS 1.2 with AES-GCM 13 of
    /// header, 8 of nonce and 16 of tag, which is also the answer while the version is not known,
    /// and with ChaCha20-Poly1305 13 and 16; in DTLS 1.3 5 of header, one of content type and 16 of
    /// tag. A connection id of the peer's comes on top, in DTLS 1.2 with one byte of content type.
    pub fn record_overhead(&self) -> usize {
        match self.outgoing.has_application_keys() {
            true => self.outgoing.application_overhead(),
            false => Header::LEN + 8 + 16,
        }
    }

    /// Has a KeyUpdate sent, unless one is on its way.
    pub(super) fn want_update(&mut self, update: KeyUpdate) {
        if let Phase::Established { rest: Rest::PostHandshake(post), .. } = &mut self.phase {
            post.want_update(update, &self.outgoing);
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
