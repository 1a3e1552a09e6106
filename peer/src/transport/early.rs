//! Datagrams that came before they could be opened.

use std::collections::VecDeque;

/// At most this many datagrams wait: a first video frame's worth.
const MAX_DATAGRAMS: usize = 32;
/// At most this many bytes wait: [`MAX_DATAGRAMS`] full ones.
const MAX_BYTES: usize = 40 * 1024;

/// Keeps what arrives before its keys do: SRTP that overtook the last flight of the handshake, or
/// a handshake that overtook the answer; and what arrives before its description does: data that
/// overtook the answer in a running connection. The oldest is dropped when the bound is reached.
#[derive(Debug, Default)]
pub(crate) struct Early {
    datagrams: VecDeque<Box<[u8]>>,
    bytes: usize,
    dropped: u64,
}

impl Early {
    pub(crate) fn keep(&mut self, contents: &[u8]) {
        if contents.len() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        while self.datagrams.len() >= MAX_DATAGRAMS || self.bytes + contents.len() > MAX_BYTES {
            let Some(oldest) = self.datagrams.pop_front() else { break };
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
        self.bytes += contents.len();
        self.datagrams.push_back(contents.into());
    }

    /// Takes everything that waits, oldest first.
    pub(crate) fn take(&mut self) -> VecDeque<Box<[u8]>> {
        self.bytes = 0;
        std::mem::take(&mut self.datagrams)
    }

    /// How many datagrams were dropped at the bound.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_32_datagrams() {
        let mut early = Early::default();
        for n in 0..40_u8 {
            early.keep(&[n; 100]);
        }
        assert_eq!(early.dropped(), 8);
        let kept = early.take();
        assert_eq!(kept.len(), 32);
        assert_eq!(kept[0][0], 8);
        assert!(early.take().is_empty());
    }

    #[test]
    fn keeps_no_more_than_40_kib() {
        let mut early = Early::default();
        for n in 0..10_u8 {
            early.keep(&vec![n; 10 * 1024]);
        }
        assert_eq!(early.take().len(), 4);
        early.keep(&vec![0; MAX_BYTES + 1]);
        assert!(early.take().is_empty());
    }
}
