//! Several datagrams for one system call.

/// Datagrams of equal size, one behind the other in the caller's buffer, for segmentation offload.
///
/// The rule of the kernel's interface: every datagram is as long as the first, but the last, which
/// may be shorter. A layer cannot tell the length of its next datagram before it has made it; but
/// none is longer than the path's limit. So a batch goes on while its datagrams are as long as the
/// limit, and a shorter one ends it.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Where the first datagram starts.
    start: usize,
    /// Where the last one ends.
    end: usize,
    /// The length of the longest datagram that there can be.
    limit: usize,
    segments: usize,
    max_segments: usize,
    /// A shorter one came: nothing may follow.
    complete: bool,
}

/// A segmented send must fit an IP datagram: 65 535 − 40 (IPv6) − 8 (UDP).
const MAX_BYTES: usize = 65_487;

impl Batch {
    /// A batch of datagrams that are written to a buffer from `start` on, none longer than `limit`.
    pub(crate) const fn new(start: usize, limit: usize, max_segments: usize) -> Self {
        Self { start, end: start, limit, segments: 0, max_segments, complete: false }
    }

    /// Whether another datagram may be written.
    pub(crate) const fn wants_more(&self) -> bool {
        self.segments == 0
            || !self.complete
                && self.segments < self.max_segments
                && self.end - self.start + self.limit <= MAX_BYTES
    }

    /// Counts the datagram that ends at `end`.
    pub(crate) const fn push(&mut self, end: usize) {
        self.complete = end - self.end != self.limit;
        self.end = end;
        self.segments += 1;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.segments == 0
    }

    /// What to tell the kernel: nothing for a single datagram.
    pub(crate) fn segment_size(&self) -> Option<usize> {
        (self.segments > 1).then_some(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(batch: &mut Batch, end: &mut usize, len: usize) -> bool {
        if !batch.wants_more() {
            return false;
        }
        *end += len;
        batch.push(*end);
        true
    }

    #[test]
    fn ends_with_the_first_shorter_datagram() {
        let (mut batch, mut end) = (Batch::new(7, 1000, 10), 7);
        assert!(write(&mut batch, &mut end, 1000));
        assert!(write(&mut batch, &mut end, 1000));
        assert!(write(&mut batch, &mut end, 300));
        assert!(!write(&mut batch, &mut end, 300));
        assert_eq!(batch.segment_size(), Some(1000));
    }

    #[test]
    fn a_single_datagram_is_no_batch() {
        let (mut batch, mut end) = (Batch::new(0, 1000, 10), 0);
        assert!(write(&mut batch, &mut end, 100));
        assert!(!write(&mut batch, &mut end, 100));
        assert_eq!(batch.segment_size(), None);
    }

    #[test]
    fn stays_within_segments_and_one_ip_datagram() {
        let (mut batch, mut end) = (Batch::new(0, 100, 3), 0);
        assert_eq!((0..5).filter(|_| write(&mut batch, &mut end, 100)).count(), 3);
        let (mut batch, mut end) = (Batch::new(0, 1200, 1000), 0);
        while write(&mut batch, &mut end, 1200) {}
        assert!(end <= MAX_BYTES);
    }
}
