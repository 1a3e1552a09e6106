//! DATA ([RFC 9260 §3.3.1](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.1)).

use crate::chunk::{Chunk, ChunkType, padded};
use crate::tsn::Tsn;

/// The length of a DATA chunk before its user data.
pub const HEADER_LEN: usize = 16;

/// Flag E: the last fragment of a message.
pub const END: u8 = 0x01;
/// Flag B: the first fragment of a message.
pub const BEGIN: u8 = 0x02;
/// Flag U: outside the order of its stream.
pub const UNORDERED: u8 = 0x04;
/// Flag I: the sender wants a SACK at once (RFC 7053).
pub const IMMEDIATE: u8 = 0x08;

/// A view of a DATA chunk.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0    |  Res  |I|U|B|E|            Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                              TSN                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Stream Identifier S      |   Stream Sequence Number n    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  Payload Protocol Identifier                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                                                               \
/// /                 User Data (seq n of Stream S)                 /
/// \                                                               \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// The flags: [`END`], [`BEGIN`], [`UNORDERED`], [`IMMEDIATE`].
    pub flags: u8,
    /// The number of this chunk.
    pub tsn: Tsn,
    /// The stream that the message belongs to.
    pub stream: u16,
    /// The message's place in its stream; without meaning when unordered.
    pub ssn: u16,
    /// What the payload is, for the application.
    pub ppid: u32,
    /// The fragment.
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// Reads a DATA chunk; `None` when its header is cut off. The payload may be empty: whoever
    /// asks then aborts the association (§6.2).
    #[inline]
    pub fn parse(chunk: &Chunk<'a>) -> Option<Self> {
        let (header, payload) = chunk.value.split_first_chunk::<12>()?;
        let [t0, t1, t2, t3, s0, s1, n0, n1, p0, p1, p2, p3] = *header;
        Some(Self {
            flags: chunk.flags,
            tsn: Tsn(u32::from_be_bytes([t0, t1, t2, t3])),
            stream: u16::from_be_bytes([s0, s1]),
            ssn: u16::from_be_bytes([n0, n1]),
            ppid: u32::from_be_bytes([p0, p1, p2, p3]),
            payload,
        })
    }

    /// Whether this is the first fragment of its message.
    pub const fn is_begin(&self) -> bool {
        self.flags & BEGIN != 0
    }

    /// Whether this is the last fragment of its message.
    pub const fn is_end(&self) -> bool {
        self.flags & END != 0
    }

    /// Whether the message stands outside the order of its stream.
    pub const fn is_unordered(&self) -> bool {
        self.flags & UNORDERED != 0
    }

    /// Whether the sender wants a SACK at once.
    pub const fn is_immediate(&self) -> bool {
        self.flags & IMMEDIATE != 0
    }

    /// The bytes that this chunk takes in a packet.
    pub(crate) const fn wire_len(payload_len: usize) -> usize {
        HEADER_LEN + padded(payload_len)
    }

    /// Appends the chunk.
    #[inline]
    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let len = HEADER_LEN + self.payload.len();
        debug_assert!(len <= usize::from(u16::MAX), "a DATA chunk of {len} bytes");
        let [l0, l1] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
        let [t0, t1, t2, t3] = self.tsn.0.to_be_bytes();
        let [s0, s1] = self.stream.to_be_bytes();
        let [n0, n1] = self.ssn.to_be_bytes();
        let [p0, p1, p2, p3] = self.ppid.to_be_bytes();
        buf.extend_from_slice(&[
            ChunkType::Data.to_wire(),
            self.flags,
            l0,
            l1,
            t0,
            t1,
            t2,
            t3,
            s0,
            s1,
            n0,
            n1,
            p0,
            p1,
            p2,
            p3,
        ]);
        buf.extend_from_slice(self.payload);
        let padding = padded(len) - len;
        if padding > 0 {
            buf.resize(buf.len() + padding, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunks;

    #[test]
    fn a_data_chunk_reads_back() {
        for len in [1, 2, 3, 4, 100, 1159] {
            let payload = vec![7; len];
            let data = Data {
                flags: BEGIN | IMMEDIATE,
                tsn: Tsn(0xfffe_fdfc),
                stream: 65534,
                ssn: 9,
                ppid: 53,
                payload: &payload,
            };
            let mut buf = Vec::new();
            data.write(&mut buf);
            assert_eq!(buf.len(), Data::wire_len(len));
            let chunk = Chunks::new(&buf).next().unwrap();
            let read = Data::parse(&chunk).unwrap();
            assert_eq!((read.tsn, read.stream, read.ssn, read.ppid), (data.tsn, 65534, 9, 53));
            assert!(read.is_begin() && !read.is_end() && read.is_immediate());
            assert!(!read.is_unordered());
            assert_eq!(read.payload, payload);
        }
    }
}
