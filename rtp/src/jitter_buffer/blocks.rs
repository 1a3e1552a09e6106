use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// The memory of the packets kept: payloads are cut one after the other from blocks, and a block is
/// kept as long as one payload of it is. What counts towards the bound is whole blocks.
///
/// A block whose payloads (and the frames made of them) are all gone is used again, so that a
/// steady stream allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: BytesMut,
    /// From block `first` to the open one.
    blocks: VecDeque<Block>,
    first: u32,
    /// The sum of the sizes of the blocks that have users.
    kept: usize,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    size: usize,
    users: u32,
}

/// Counts blocks as they are opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BlockId(u32);

impl Blocks {
    pub(super) const SIZE: usize = 16 << 10;

    /// The bytes of all blocks in use.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// The bytes of all blocks in use if a payload of `len` bytes came.
    pub(super) fn kept_with(&self, len: usize) -> usize {
        match self.blocks.back() {
            Some(block) if self.open.capacity() >= len && block.users > 0 => self.kept,
            _ => self.kept + Self::SIZE.max(len),
        }
    }

    pub(super) fn copy(&mut self, payload: &[u8]) -> (Bytes, BlockId) {
        if self.blocks.is_empty() || self.open.capacity() < payload.len() {
            let size = Self::SIZE.max(payload.len());
            if !self.open.try_reclaim(size) {
                self.open = BytesMut::with_capacity(size);
            }
            self.blocks.push_back(Block { size, users: 0 });
            self.forget_unused();
        }
        if let Some(block) = self.blocks.back_mut() {
            if block.users == 0 {
                self.kept += block.size;
            }
            block.users += 1;
        }
        let open = self.first.wrapping_add(self.blocks.len() as u32).wrapping_sub(1);
        self.open.extend_from_slice(payload);
        (self.open.split().freeze(), BlockId(open))
    }

    pub(super) fn release(&mut self, id: BlockId) {
        let index = id.0.wrapping_sub(self.first) as usize;
        if let Some(block) = self.blocks.get_mut(index) {
            block.users -= 1;
            if block.users == 0 {
                self.kept -= block.size;
            }
        }
        self.forget_unused();
    }

    /// Drops the counts of old blocks; the open one stays.
    fn forget_unused(&mut self) {
        while self.blocks.len() > 1 && self.blocks.front().is_some_and(|block| block.users == 0) {
            self.blocks.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }
}
