//! FORWARD TSN ([RFC 3758 §3.2](https://www.rfc-editor.org/rfc/rfc3758#section-3.2)).

use crate::chunk::{Chunk, ChunkType, begin, end};
use crate::tsn::Tsn;

/// The length of a FORWARD TSN chunk without streams.
pub const MIN_LEN: usize = 8;

/// A view of a FORWARD TSN chunk.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Type = 192   |  Flags = 0x00 |        Length = Variable      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      New Cumulative TSN                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Stream-1              |       Stream Sequence-1       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                                                               \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ForwardTsn<'a> {
    /// The receiver counts everything up to this number as received.
    pub new_cumulative_tsn: Tsn,
    streams: &'a [u8],
}

impl<'a> ForwardTsn<'a> {
    /// Reads a FORWARD TSN chunk.
    pub fn parse(chunk: &Chunk<'a>) -> Option<Self> {
        let (tsn, streams) = chunk.value.split_first_chunk::<4>()?;
        Some(Self { new_cumulative_tsn: Tsn(u32::from_be_bytes(*tsn)), streams })
    }

    /// The ordered streams in which messages are skipped, each with the last number skipped.
    pub fn streams(&self) -> impl Iterator<Item = (u16, u16)> + use<'a> {
        let (streams, _) = self.streams.as_chunks::<4>();
        streams.iter().map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }
}

/// Appends a FORWARD TSN.
pub(crate) fn write(buf: &mut Vec<u8>, new_cumulative_tsn: Tsn, streams: &[(u16, u16)]) {
    let start = begin(buf, ChunkType::ForwardTsn, 0);
    buf.extend_from_slice(&new_cumulative_tsn.0.to_be_bytes());
    for (stream, ssn) in streams {
        buf.extend_from_slice(&stream.to_be_bytes());
        buf.extend_from_slice(&ssn.to_be_bytes());
    }
    end(buf, start);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunks;

    #[test]
    fn a_forward_tsn_reads_back() {
        let mut buf = Vec::new();
        write(&mut buf, Tsn(3), &[(1, 2), (65535, 0)]);
        let chunk = Chunks::new(&buf).next().unwrap();
        let forward = ForwardTsn::parse(&chunk).unwrap();
        assert_eq!(forward.new_cumulative_tsn, Tsn(3));
        assert_eq!(forward.streams().collect::<Vec<_>>(), [(1, 2), (65535, 0)]);
    }
}
