//! An association without a handshake on the wire: SNAP
//! ([draft-hancke-tsvwg-snap](https://datatracker.ietf.org/doc/draft-hancke-tsvwg-snap/)).
//!
//! Each side's INIT travels with the session description (`a=sctp-init`), so that all is known
//! that a handshake would tell when the layer below is up. What the cookie protects from, floods
//! and forged addresses, the DTLS below keeps out.

use super::handshake::init::refusal;
use super::{Association, State};
use crate::chunk::init::Init;
use crate::chunk::{ChunkType, Chunks, padded};
use std::time::Instant;
use thiserror::Error;

/// Why bytes are not an INIT that an association can be made of.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InitError {
    /// They are not one whole INIT chunk.
    #[error("not an INIT chunk")]
    Malformed,
    /// It asks for what cannot be (RFC 9260 §3.3.2).
    #[error("an INIT with {0}")]
    Refused(&'static str),
}

/// A peer's INIT that came by another way than a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RemoteInit(Init);

impl RemoteInit {
    /// Reads an INIT chunk, header and all.
    ///
    /// # Errors
    ///
    /// When the bytes are not an INIT, or one that must be refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, InitError> {
        let chunk = Chunks::new(bytes).next().ok_or(InitError::Malformed)?;
        if chunk.kind != ChunkType::Init || bytes.len() > padded(chunk.whole.len()) {
            return Err(InitError::Malformed);
        }
        let (init, _) = Init::parse(&chunk).ok_or(InitError::Malformed)?;
        if init.initiate_tag == 0 {
            return Err(InitError::Refused("the tag 0"));
        }
        refusal(&init).map_or(Ok(Self(init)), |why| Err(InitError::Refused(why)))
    }
}

impl Association {
    /// Returns our INIT chunk as it would be sent, without sending it: the same each time, as long
    /// as the association is not begun.
    pub fn local_init_chunk(&self) -> Vec<u8> {
        let mut chunk = Vec::new();
        self.own_init().write(&mut chunk, None, &[]);
        // The last parameter's padding is not part of the chunk.
        let len = chunk.get(2..4).and_then(|len| len.first_chunk::<2>());
        chunk.truncate(len.map_or(0, |len| usize::from(u16::from_be_bytes(*len))));
        chunk
    }

    /// Establishes the association at once: the peer has our INIT
    /// ([`Self::local_init_chunk`]), and this is the peer's. Does nothing once it is begun.
    pub fn establish(&mut self, now: Instant, remote: &RemoteInit) {
        let now = self.advance(now);
        if self.state == State::Closed && self.closed.is_none() {
            self.take_peer(&remote.0, self.local_tag);
            self.established(now);
        }
    }
}
