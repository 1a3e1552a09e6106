//! What came before it could be used, kept within a bound.

use std::collections::VecDeque;

/// Byte strings, oldest first; the oldest go when there are too many bytes.
#[derive(Debug, Default)]
pub(crate) struct Early {
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Early {
    /// Each entry counts as so many bytes more, so that empty ones are bounded too.
    const OVERHEAD: usize = 32;

    /// Keeps a copy, and returns how many older ones had to go (or the new one, if it alone is too
    /// large).
    pub(crate) fn push(&mut self, parts: &[&[u8]], max_bytes: usize) -> u64 {
        let entry = parts.concat();
        let size = entry.len() + Self::OVERHEAD;
        if size > max_bytes {
            return 1;
        }
        let mut dropped = 0;
        while self.bytes + size > max_bytes {
            self.pop();
            dropped += 1;
        }
        self.bytes += size;
        self.queue.push_back(entry);
        dropped
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let entry = self.queue.pop_front()?;
        self.bytes -= entry.len() + Self::OVERHEAD;
        if self.queue.is_empty() {
            // It will hardly be needed again.
            self.queue = VecDeque::new();
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut early = Early::default();
        assert_eq!(early.push(&[&[0; 101]], 132), 1, "too large alone");
        for n in 0..4 {
            assert_eq!(early.push(&[&[n; 10], &[n; 8]], 100), u64::from(n > 1));
        }
        assert_eq!(early.pop(), Some(vec![2; 18]));
        assert_eq!(early.pop(), Some(vec![3; 18]));
        assert_eq!((early.pop(), early.bytes), (None, 0));
    }
}
