//! Ending at once, and packets that belong to nothing
//! ([RFC 9260 §9.1](https://www.rfc-editor.org/rfc/rfc9260#section-9.1),
//! [§8.4](https://www.rfc-editor.org/rfc/rfc9260#section-8.4)).

use super::Association;
use super::state::State;
use super::transmit::Reply;
use crate::chunk::abort::REFLECTED;
use crate::chunk::error_cause::{self, ErrorCause};
use crate::chunk::{Chunk, ChunkType};
use crate::event::CloseReason;
use crate::packet::Packet;
use crate::tsn::Tsn;
use std::time::Instant;

impl Association {
    /// Ends the association at once; what waits is thrown away. The peer is told with `reason`,
    /// of which 64 bytes are sent.
    pub fn abort(&mut self, now: Instant, reason: &str) {
        self.advance(now);
        if self.closed.is_some() {
            return;
        }
        let information: Vec<u8> = reason.bytes().take(64).collect();
        self.owe_abort(ErrorCause::UserInitiatedAbort, information);
        self.close(CloseReason::Aborted);
    }

    /// The peer did what the protocol forbids.
    pub(crate) fn violated(&mut self, what: &'static str) {
        if self.closed.is_none() {
            self.owe_abort(ErrorCause::ProtocolViolation, what.as_bytes().to_vec());
            self.close(CloseReason::ProtocolViolation(what));
        }
    }

    /// As [`Self::violated`], where the standard has a cause of its own for it.
    pub(crate) fn refuse(&mut self, cause: ErrorCause, information: &[u8], what: &'static str) {
        if self.closed.is_none() {
            self.owe_abort(cause, information.iter().take(64).copied().collect());
            self.close(CloseReason::ProtocolViolation(what));
        }
    }

    /// A DATA chunk without user data (§6.2).
    pub(crate) fn no_user_data(&mut self, tsn: Tsn) {
        let what = "a DATA chunk without user data";
        self.refuse(ErrorCause::NoUserData, &tsn.0.to_be_bytes(), what);
    }

    /// Ends the association for `reason` and tells the peer, should it be there after all.
    pub(crate) fn abort_with(&mut self, reason: CloseReason) {
        self.owe_abort(ErrorCause::UserInitiatedAbort, b"no answer for too long".to_vec());
        self.close(reason);
    }

    fn owe_abort(&mut self, cause: ErrorCause, information: Vec<u8>) {
        if self.peer_tag != 0 && self.state != State::Closed {
            // Whatever else is owed has become void.
            self.replies.clear();
            let cause = Some((cause, information));
            self.owe(Reply::Abort { tag: self.peer_tag, flags: 0, cause });
        }
    }

    /// Whether an ABORT or SHUTDOWN COMPLETE is for this association (§8.5.1): it has our tag,
    /// or the peer's when its sender knew of no association and reflected the tag of our packet.
    pub(crate) const fn is_for_us(&self, tag: u32, flags: u8) -> bool {
        if flags & REFLECTED == 0 {
            tag == self.local_tag
        } else {
            self.peer_tag != 0 && tag == self.peer_tag
        }
    }

    /// ABORT (§9.1).
    pub(crate) fn handle_abort(&mut self, chunk: &Chunk<'_>) {
        if self.state == State::Closed {
            return;
        }
        let mut causes = error_cause::parse(chunk.value);
        let (cause, reason) = match causes.next() {
            // §9.1: "the Upper Layer Abort Reason SHOULD be made available to the upper layer."
            Some((cause @ ErrorCause::UserInitiatedAbort, information)) => {
                let len = information.len().min(MAX_REASON);
                let reason = information.get(..len).unwrap_or_default();
                (Some(cause), String::from_utf8_lossy(reason).into_owned())
            }
            Some((cause, _)) => (Some(cause), String::new()),
            None => (None, String::new()),
        };
        self.close(CloseReason::AbortedByPeer { cause, reason });
    }

    /// ERROR (§3.3.10).
    pub(crate) fn handle_error(&mut self, chunk: &Chunk<'_>) {
        for (cause, _) in error_cause::parse(chunk.value) {
            tracing::debug!(%cause, "the peer reports an error");
            if cause == ErrorCause::StaleCookie {
                self.handle_stale_cookie();
            }
        }
    }

    /// A packet while there is no association: "out of the blue" (§8.4).
    pub(crate) fn handle_out_of_the_blue(&mut self, packet: &Packet<'_>) {
        self.count_drop();
        let tag = packet.verification_tag();
        let has = |kind| packet.chunks().any(|chunk| chunk.kind == kind);
        let stale_cookie = |chunk: Chunk<'_>| {
            chunk.kind == ChunkType::Error
                && error_cause::parse(chunk.value)
                    .any(|(cause, _)| cause == ErrorCause::StaleCookie)
        };
        // 2.
        if has(ChunkType::Abort) {
            return;
        }
        let reply = if has(ChunkType::ShutdownAck) {
            // 5.
            Reply::ShutdownComplete { tag, flags: REFLECTED }
        } else if has(ChunkType::ShutdownComplete)
            || has(ChunkType::CookieAck)
            || packet.chunks().any(stale_cookie)
        {
            // 6, 7.
            return;
        } else if tag == self.local_tag && self.close_reason() == Some(&CloseReason::Shutdown) {
            // What the end of the shutdown overtook. 8 is a SHOULD, for a peer that takes what is over
            // for alive: this one knows, or will repeat its SHUTDOWN ACK until 5 answers. Our ABORT
            // might overtake that SHUTDOWN COMPLETE, and a good end would be taken for a bad one.
            return;
        } else {
            // 8.
            Reply::Abort { tag, flags: REFLECTED, cause: None }
        };
        self.owe(reply);
    }
}

/// How much of the peer's reason is kept, in bytes.
const MAX_REASON: usize = 256;
