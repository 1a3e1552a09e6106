//! Memory for small messages.

use bytes::{Bytes, BytesMut};

/// Cuts messages from a shared block, so that a small message costs no allocation of its own.
///
/// A block is taken again when nobody holds a piece of it. Blocks start small and grow with the
/// traffic, so that an idle association holds little.
#[derive(Debug, Default)]
pub(crate) struct Block {
    bytes: BytesMut,
    size: usize,
}

impl Block {
    /// Keeps a copy of `payload`.
    #[inline]
    pub(crate) fn keep(&mut self, payload: &[u8]) -> Bytes {
        // A large piece would leave much of a block unused.
        if payload.len() > MAX_BLOCK / 4 {
            return Bytes::copy_from_slice(payload);
        }
        if self.bytes.capacity() - self.bytes.len() < payload.len() {
            self.renew(payload.len());
        }
        self.bytes.extend_from_slice(payload);
        self.bytes.split().freeze()
    }

    fn renew(&mut self, len: usize) {
        // Takes the old block again when all its pieces are gone.
        if self.size >= len && self.bytes.try_reclaim(self.size) {
            return;
        }
        self.size = (self.size * 2).clamp(MIN_BLOCK.max(len), MAX_BLOCK);
        self.bytes = BytesMut::with_capacity(self.size);
    }

    /// Gives the block back.
    pub(crate) fn shrink(&mut self) {
        *self = Self::default();
    }
}

const MIN_BLOCK: usize = 512;
const MAX_BLOCK: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_bytes() {
        let mut block = Block::default();
        let kept: Vec<_> = (0..1000_usize)
            .map(|index| block.keep(&vec![u8::try_from(index % 251).unwrap(); index % 700]))
            .collect();
        for (index, piece) in kept.iter().enumerate() {
            assert_eq!(piece.len(), index % 700);
            assert!(piece.iter().all(|byte| usize::from(*byte) == index % 251));
        }
    }

    #[test]
    fn a_block_is_taken_again_when_its_pieces_are_gone() {
        let mut block = Block::default();
        for _ in 0..1000 {
            block.keep(&[7; 100]);
        }
        assert_eq!(block.size, MIN_BLOCK, "one block served them all");
    }

    #[test]
    fn large_pieces_stand_alone() {
        let mut block = Block::default();
        assert_eq!(block.keep(&[1; 60_000]).len(), 60_000);
        assert_eq!(block.size, 0);
    }
}
