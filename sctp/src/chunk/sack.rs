//! SACK ([RFC 9260 §3.3.4](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.4)).

use crate::chunk::{Chunk, ChunkType};
use crate::tsn::Tsn;

/// The length of a SACK chunk without gap blocks and duplicates.
pub const MIN_LEN: usize = 16;

/// A view of a SACK chunk.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 3    |  Chunk Flags  |         Chunk Length          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Cumulative TSN Ack                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Advertised Receiver Window Credit (a_rwnd)           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Gap Ack Block #1 Start     |     Gap Ack Block #1 End      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                              ...                              \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                        Duplicate TSN 1                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                              ...                              \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sack<'a> {
    /// Every number up to this one has arrived.
    pub cumulative_tsn_ack: Tsn,
    /// How many bytes the receiver has room for.
    pub a_rwnd: u32,
    blocks: &'a [u8],
    duplicates: &'a [u8],
}

impl<'a> Sack<'a> {
    /// Reads a SACK chunk; `None` when the counts do not fit its length.
    pub fn parse(chunk: &Chunk<'a>) -> Option<Self> {
        let (header, rest) = chunk.value.split_first_chunk::<12>()?;
        let [c0, c1, c2, c3, w0, w1, w2, w3, n0, n1, m0, m1] = *header;
        let blocks = usize::from(u16::from_be_bytes([n0, n1])) * 4;
        let duplicates = usize::from(u16::from_be_bytes([m0, m1])) * 4;
        let (blocks, rest) = rest.split_at_checked(blocks)?;
        Some(Self {
            cumulative_tsn_ack: Tsn(u32::from_be_bytes([c0, c1, c2, c3])),
            a_rwnd: u32::from_be_bytes([w0, w1, w2, w3]),
            blocks,
            duplicates: rest.get(..duplicates)?,
        })
    }

    /// The gap ack blocks as offsets from the cumulative TSN, first and last inclusive.
    pub fn gap_ack_blocks(&self) -> impl Iterator<Item = (u16, u16)> + use<'a> {
        let (blocks, _) = self.blocks.as_chunks::<4>();
        blocks.iter().map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// Whether something beyond the cumulative TSN has arrived.
    pub const fn has_gaps(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// The numbers that arrived more than once since the last SACK.
    pub fn duplicates(&self) -> impl Iterator<Item = Tsn> + use<'a> {
        let (duplicates, _) = self.duplicates.as_chunks::<4>();
        duplicates.iter().map(|&tsn| Tsn(u32::from_be_bytes(tsn)))
    }

    /// How many [`Self::duplicates`] there are.
    pub const fn duplicate_count(&self) -> usize {
        self.duplicates.len() / 4
    }
}

/// Appends a SACK with as many of `gaps` and `duplicates` as fit in `room` bytes; gives how many
/// duplicates were written, or `None` when there is no room at all.
pub(crate) fn write(
    buf: &mut Vec<u8>,
    cumulative: Tsn,
    a_rwnd: u32,
    gaps: &[(Tsn, Tsn)],
    duplicates: &[Tsn],
    room: usize,
) -> Option<usize> {
    let entries = room.checked_sub(MIN_LEN)? / 4;
    let gap_count = gaps.len().min(entries);
    let duplicate_count = duplicates.len().min(entries - gap_count);
    let len = MIN_LEN + 4 * (gap_count + duplicate_count);
    let count = |count| u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes();
    let ([l0, l1], [n0, n1], [m0, m1]) = (count(len), count(gap_count), count(duplicate_count));
    let [c0, c1, c2, c3] = cumulative.0.to_be_bytes();
    let [w0, w1, w2, w3] = a_rwnd.to_be_bytes();
    let kind = ChunkType::Sack.to_wire();
    buf.extend_from_slice(&[kind, 0, l0, l1, c0, c1, c2, c3, w0, w1, w2, w3, n0, n1, m0, m1]);
    for (first, last) in gaps.iter().take(gap_count) {
        // The receiver keeps nothing that is further ahead than 65 535.
        let offset = |tsn: &Tsn| u16::try_from(tsn.distance_from(cumulative)).unwrap_or(u16::MAX);
        buf.extend_from_slice(&offset(first).to_be_bytes());
        buf.extend_from_slice(&offset(last).to_be_bytes());
    }
    for tsn in duplicates.iter().take(duplicate_count) {
        buf.extend_from_slice(&tsn.0.to_be_bytes());
    }
    Some(duplicate_count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunks;

    #[test]
    fn a_sack_reads_back() {
        let mut buf = Vec::new();
        let gaps = [(Tsn(1), Tsn(2)), (Tsn(5), Tsn(5))];
        let written = write(&mut buf, Tsn(u32::MAX), 77, &gaps, &[Tsn(9)], 100);
        assert_eq!(written, Some(1));
        let chunk = Chunks::new(&buf).next().unwrap();
        let sack = Sack::parse(&chunk).unwrap();
        assert_eq!((sack.cumulative_tsn_ack, sack.a_rwnd), (Tsn(u32::MAX), 77));
        assert_eq!(sack.gap_ack_blocks().collect::<Vec<_>>(), [(2, 3), (6, 6)]);
        assert_eq!(sack.duplicates().collect::<Vec<_>>(), [Tsn(9)]);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut buf = Vec::new();
        let gaps = [(Tsn(1), Tsn(2)), (Tsn(5), Tsn(5))];
        assert_eq!(write(&mut buf, Tsn(0), 1, &gaps, &[Tsn(9)], 23), Some(0));
        assert_eq!(buf.len(), 20);
        assert_eq!(write(&mut buf, Tsn(0), 1, &gaps, &[], 15), None);
    }

    #[test]
    fn oversized_counts_are_refused() {
        let mut buf = Vec::new();
        write(&mut buf, Tsn(0), 1, &[(Tsn(1), Tsn(2))], &[], 100);
        for count in [2, 0xff] {
            buf[13] = count;
            assert!(Sack::parse(&Chunks::new(&buf).next().unwrap()).is_none());
        }
        buf[13] = 1;
        buf[15] = 1;
        assert!(Sack::parse(&Chunks::new(&buf).next().unwrap()).is_none());
    }
}
