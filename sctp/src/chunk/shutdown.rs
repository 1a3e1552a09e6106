//! SHUTDOWN ([RFC 9260 §3.3.8](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.8)); SHUTDOWN ACK
//! and SHUTDOWN COMPLETE have no value.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 7    |  Chunk Flags  |          Length = 8           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Cumulative TSN Ack                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::chunk::{Chunk, ChunkType, begin, end, u32_at};
use crate::tsn::Tsn;

/// Reads the cumulative TSN ack.
pub(crate) fn parse(chunk: &Chunk<'_>) -> Option<Tsn> {
    u32_at(chunk.value, 0).map(Tsn)
}

/// Appends a SHUTDOWN.
pub(crate) fn write(buf: &mut Vec<u8>, cumulative: Tsn) {
    let start = begin(buf, ChunkType::Shutdown, 0);
    buf.extend_from_slice(&cumulative.0.to_be_bytes());
    end(buf, start);
}
