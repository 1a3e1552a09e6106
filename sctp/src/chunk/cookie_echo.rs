//! COOKIE ECHO ([RFC 9260 §3.3.11](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.11)); COOKIE ACK
//! has no value.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 10   |  Chunk Flags  |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                            Cookie                             \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::chunk::{ChunkType, begin, end};

/// Appends a COOKIE ECHO.
pub(crate) fn write(buf: &mut Vec<u8>, cookie: &[u8]) {
    let start = begin(buf, ChunkType::CookieEcho, 0);
    buf.extend_from_slice(cookie);
    end(buf, start);
}
