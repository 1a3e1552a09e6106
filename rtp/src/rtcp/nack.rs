use super::{Raw, split_u32};
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

/// Packets that are missed, [RFC 4585 §6.2.1](https://www.rfc-editor.org/rfc/rfc4585#section-6.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Nack<'a> {
    sender: Ssrc,
    media: Ssrc,
    pairs: &'a [[u8; 4]],
}

impl<'a> Nack<'a> {
    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let (sender, rest) = split_u32(raw.body)?;
        let (media, rest) = split_u32(rest)?;
        let (pairs, _) = rest.as_chunks::<4>();
        Some(Self { sender: Ssrc(sender), media: Ssrc(media), pairs })
    }

    /// Who misses them.
    pub const fn sender(&self) -> Ssrc {
        self.sender
    }

    /// Whose packets.
    pub const fn media(&self) -> Ssrc {
        self.media
    }

    /// The packets: those named, and those of the bitmasks after each.
    pub fn sequence_numbers(&self) -> impl Iterator<Item = SequenceNumber> + use<'a> {
        self.pairs.iter().flat_map(|&[p0, p1, b0, b1]| {
            let first = u16::from_be_bytes([p0, p1]);
            // Bit 0 above the packet itself, which is always missed.
            let missed = (u32::from(u16::from_be_bytes([b0, b1])) << 1) | 1;
            (0..=16)
                .filter(move |bit| missed >> bit & 1 == 1)
                .map(move |bit| SequenceNumber(first.wrapping_add(bit)))
        })
    }
}

/// Packs sequence numbers, in ascending order, into packet ids with bitmasks.
pub(super) fn pack(
    sequence_numbers: impl IntoIterator<Item = SequenceNumber>,
    mut entry: impl FnMut([u8; 4]),
) {
    let mut open: Option<(u16, u16)> = None;
    for SequenceNumber(number) in sequence_numbers {
        let distance = open.map(|(first, _)| number.wrapping_sub(first));
        match (&mut open, distance) {
            (Some((_, mask)), Some(distance @ 1..=16)) => *mask |= 1 << (distance - 1),
            (Some(_), Some(0)) => {}
            _ => {
                if let Some(done) = open.replace((number, 0)) {
                    entry(to_bytes(done));
                }
            }
        }
    }
    if let Some(done) = open {
        entry(to_bytes(done));
    }
}

const fn to_bytes((first, mask): (u16, u16)) -> [u8; 4] {
    let ([p0, p1], [b0, b1]) = (first.to_be_bytes(), mask.to_be_bytes());
    [p0, p1, b0, b1]
}
