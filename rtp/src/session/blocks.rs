use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Memory for unread payloads: they are cut one after the other from blocks of 16 KiB, and a block is
/// used again when nobody holds a piece of it.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: BytesMut,
    /// Full blocks that may still be in use, the oldest first.
    full: VecDeque<BytesMut>,
}

impl Blocks {
    pub(super) fn copy(&mut self, payload: &[u8]) -> Bytes {
        if self.open.capacity() < payload.len() {
            self.open_another(payload.len());
        }
        self.open.extend_from_slice(payload);
        self.open.split().freeze()
    }

    fn open_another(&mut self, len: usize) {
        let size = SIZE.max(len);
        if self.open.try_reclaim(size) {
            return;
        }
        let next = match self.full.pop_front() {
            Some(mut oldest) => {
                if oldest.try_reclaim(size) {
                    oldest
                } else {
                    // Forgetting it is letting the last of its pieces free it.
                    BytesMut::with_capacity(size)
                }
            }
            None => BytesMut::with_capacity(size),
        };
        let full = std::mem::replace(&mut self.open, next);
        if full.capacity() > 0 && self.full.len() < MAX_FULL {
            self.full.push_back(full);
        }
    }

    /// Lets go of what is not in use; the next payload allocates again.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }
}

const SIZE: usize = 16 << 10;
/// Enough to find a free block again while the application holds some.
const MAX_FULL: usize = 4;
