//! Memory for messages.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Cuts messages from a shared block, so that a small message costs no allocation of its own.
///
/// A block is taken again when nobody holds a piece of it. Blocks start small and grow with the
/// traffic, so that an idle association holds little.
///
/// A small message that is held for long keeps all of its block. So that nobody can make us hold
/// much more than is counted, few blocks may be held so: beyond, messages get memory of their own.
#[derive(Debug, Default)]
pub(crate) struct Block {
    bytes: BytesMut,
    size: usize,
    held: Option<Box<Earlier>>,
}

/// Blocks of which pieces were held when they were full.
#[derive(Debug, Default)]
struct Earlier {
    /// With their sizes.
    blocks: VecDeque<(BytesMut, usize)>,
    /// The sum of these.
    bytes: usize,
}

impl Block {
    /// Keeps a copy of `payload`.
    #[inline]
    pub(crate) fn keep(&mut self, payload: &[u8]) -> Bytes {
        // A large piece would leave much of a block unused.
        if payload.len() > MAX_BLOCK / PIECES {
            return Bytes::copy_from_slice(payload);
        }
        if self.bytes.capacity() - self.bytes.len() < payload.len() && !self.renew(payload.len()) {
            return Bytes::copy_from_slice(payload);
        }
        self.bytes.extend_from_slice(payload);
        self.bytes.split().freeze()
    }

    /// Makes room for a piece of `len` bytes; gives whether there is any.
    fn renew(&mut self, len: usize) -> bool {
        // Takes the old block again when all its pieces are gone, unless it holds only a few.
        if self.size >= PIECES * len && self.bytes.try_reclaim(self.size) {
            return true;
        }
        let held = self.held.get_or_insert_default();
        let mut again = None;
        if let Some((mut oldest, size)) = held.blocks.pop_front() {
            held.bytes -= size;
            match oldest.try_reclaim(size) {
                true if size >= PIECES * len => again = Some((oldest, size)),
                true => {}
                false => {
                    held.bytes += size;
                    held.blocks.push_back((oldest, size));
                }
            }
        }
        if held.blocks.len() >= MAX_HELD {
            return false;
        }
        let (bytes, size) = again.unwrap_or_else(|| {
            let size = (self.size * 2).max(PIECES * len).clamp(MIN_BLOCK, MAX_BLOCK);
            (BytesMut::with_capacity(size), size)
        });
        let full = std::mem::replace(&mut self.bytes, bytes);
        let full_size = std::mem::replace(&mut self.size, size);
        if full_size > 0 {
            held.bytes += full_size;
            held.blocks.push_back((full, full_size));
        }
        true
    }

    /// How many bytes the blocks have of which pieces were held when they were full.
    pub(crate) fn held(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.bytes)
    }

    /// Gives the block back.
    pub(crate) fn shrink(&mut self) {
        *self = Self::default();
    }
}

/// The memory of the last messages that came in fragments: taken again for the next ones, if the
/// application has let go of the messages by then.
///
/// There are two, since a packet may end one message and begin the next before anyone reads. Fresh
/// memory of such sizes comes from the system page by page, which takes longer than filling it.
#[derive(Debug, Default)]
pub(crate) struct Spare([Kept; 2]);

/// The memory of a message that was given out.
#[derive(Debug, Default)]
struct Kept {
    /// What is left behind the message, which keeps hold of all of it.
    rest: BytesMut,
    size: usize,
}

impl Spare {
    /// How many bytes are kept.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|kept| kept.size).sum()
    }

    /// Empty memory for `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> BytesMut {
        for kept in &mut self.0 {
            if kept.size >= len && kept.rest.try_reclaim(len) {
                return std::mem::take(kept).rest;
            }
        }
        BytesMut::with_capacity(len)
    }

    /// Gives the message in `bytes` out, and keeps hold of its memory unless it is much.
    pub(crate) fn give_out(&mut self, mut bytes: BytesMut) -> Bytes {
        let size = bytes.capacity();
        if size > MAX_SPARE {
            return bytes.freeze();
        }
        // One that is much shorter than expected would keep all of it.
        let message = match bytes.len() < size / 2 {
            true => {
                let message = Bytes::copy_from_slice(&bytes);
                bytes.clear();
                message
            }
            false => bytes.split().freeze(),
        };
        let [newest, oldest] = &mut self.0;
        if newest.size > 0 {
            std::mem::swap(newest, oldest);
        }
        *newest = Kept { rest: bytes, size };
        message
    }
}

/// 256 KiB: what peers take at most, unless they say otherwise.
const MAX_SPARE: usize = 256 << 10;
const MIN_BLOCK: usize = 512;
const MAX_BLOCK: usize = 16 << 10;
/// 128 KiB in all.
const MAX_HELD: usize = 8;
/// How many pieces of a size a block holds at least.
const PIECES: usize = 4;

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
    fn small_pieces_hold_few_blocks() {
        // One byte of each block is held for long.
        let mut block = Block::default();
        let mut long = Vec::new();
        for _ in 0..1000 {
            long.push(block.keep(&[1]));
            for _ in 0..5 {
                block.keep(&[2; 4000]);
            }
        }
        let held = block.held.as_ref().unwrap();
        assert!(held.blocks.len() <= MAX_HELD, "{}", held.blocks.len());
        assert_eq!(held.bytes, held.blocks.iter().map(|(_, size)| size).sum::<usize>());
        assert!(long.iter().all(|piece| piece[..] == [1]));
        // They are taken again when they are let go.
        long.push(block.keep(&[1]));
        assert!(!block.renew(4000));
        long.clear();
        assert!(block.renew(4000));
    }

    #[test]
    fn a_message_that_is_shorter_than_expected_does_not_keep_its_memory() {
        let mut spare = Spare::default();
        let mut bytes = spare.take(100_000);
        bytes.extend_from_slice(b"short");
        let message = spare.give_out(bytes);
        let again = spare.take(100_000);
        assert_eq!((&message[..], again.len()), (&b"short"[..], 0));
        assert_eq!(spare.size(), 0, "it was taken again, though the message is held");
    }

    #[test]
    fn memory_is_taken_again_when_its_message_is_gone() {
        let mut spare = Spare::default();
        let mut first = spare.take(5000);
        first.extend_from_slice(&[1; 5000]);
        let at = first.as_ptr();
        let message = spare.give_out(first);
        assert_eq!((&message[..], spare.size()), (&[1; 5000][..], 5000));
        drop(message);
        let mut second = spare.take(4000);
        assert_eq!((second.as_ptr(), second.len(), spare.size()), (at, 0, 0));
        second.extend_from_slice(&[2; 4000]);
        let held = spare.give_out(second);
        let mut third = spare.take(4000);
        assert_ne!(third.as_ptr(), at, "somebody holds the message");
        third.extend_from_slice(&[3; 4000]);
        drop(spare.give_out(third));
        assert_eq!(spare.size(), 9000);
        assert_eq!(&held[..], [2; 4000]);
    }

    #[test]
    fn much_memory_is_not_kept() {
        let mut spare = Spare::default();
        let mut bytes = spare.take(MAX_SPARE + 1);
        bytes.extend_from_slice(b"large");
        assert_eq!(&spare.give_out(bytes)[..], b"large");
        assert_eq!(spare.size(), 0);
    }

    #[test]
    fn large_pieces_stand_alone() {
        let mut block = Block::default();
        assert_eq!(block.keep(&[1; 60_000]).len(), 60_000);
        assert_eq!(block.size, 0);
    }
}
