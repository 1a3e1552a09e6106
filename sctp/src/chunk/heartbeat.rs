//! HEARTBEAT and HEARTBEAT ACK
//! ([RFC 9260 §3.3.5](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.5),
//! [§3.3.6](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.6)).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type = 4, 5  |  Chunk Flags  |       Heartbeat Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \             Heartbeat Information TLV (type 1)                \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The answer carries the information back as it was. Ours is a nonce, so that an answer to
//! another question is told apart.

use crate::chunk::parameter;
use crate::chunk::{Chunk, ChunkType, begin, end};

/// The parameter type of the heartbeat information.
const HEARTBEAT_INFO: u16 = 1;

/// Appends a HEARTBEAT whose information is `nonce`.
pub(crate) fn write(buf: &mut Vec<u8>, nonce: u64) {
    let start = begin(buf, ChunkType::Heartbeat, 0);
    parameter::write(buf, HEARTBEAT_INFO, &nonce.to_be_bytes());
    end(buf, start);
}

/// Appends a HEARTBEAT ACK with the `value` of the HEARTBEAT that it answers.
pub(crate) fn write_ack(buf: &mut Vec<u8>, value: &[u8]) {
    let start = begin(buf, ChunkType::HeartbeatAck, 0);
    buf.extend_from_slice(value);
    end(buf, start);
}

/// The nonce in the answer to a HEARTBEAT of ours.
pub(crate) fn parse_ack(chunk: &Chunk<'_>) -> Option<u64> {
    let info = parameter::Parameters::new(chunk.value).next()?;
    if info.kind != HEARTBEAT_INFO {
        return None;
    }
    Some(u64::from_be_bytes(*info.value.first_chunk::<8>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunks;

    #[test]
    fn the_nonce_comes_back() {
        let mut buf = Vec::new();
        write(&mut buf, 0x0102_0304_0506_0708);
        let request = Chunks::new(&buf).next().unwrap();
        let mut answer = Vec::new();
        write_ack(&mut answer, request.value);
        let answer = Chunks::new(&answer).next().unwrap();
        assert_eq!(answer.kind, ChunkType::HeartbeatAck);
        assert_eq!(parse_ack(&answer), Some(0x0102_0304_0506_0708));
    }
}
