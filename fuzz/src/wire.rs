use std::collections::VecDeque;

use crate::choices::Choices;

/// Datagrams on their way to one side, and what a hostile network does to them.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    datagrams: VecDeque<Vec<u8>>,
}

/// More would only make a run slower.
const MAX_DATAGRAMS: usize = 64;

/// Nothing that an engine says at once is longer.
const MAX_DRAIN: usize = 10_000;

impl Wire {
    pub(crate) fn push(&mut self, datagram: &[u8]) {
        if self.datagrams.len() == MAX_DATAGRAMS {
            self.datagrams.pop_front();
        }
        self.datagrams.push_back(datagram.to_vec());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Takes what `poll` gives until it gives no more.
    pub(crate) fn drain(&mut self, mut poll: impl FnMut(&mut Vec<u8>) -> bool) {
        let mut buf = Vec::new();
        for _ in 0..MAX_DRAIN {
            buf.clear();
            if !poll(&mut buf) {
                assert!(buf.is_empty(), "bytes without a datagram");
                return;
            }
            assert!(!buf.is_empty(), "a datagram without bytes");
            self.push(&buf);
        }
        panic!("poll_transmit never ends");
    }

    /// The next datagram to deliver, as the network leaves it; none if it is lost or there is none.
    pub(crate) fn next(&mut self, choices: &mut Choices<'_>) -> Option<Vec<u8>> {
        let fate = choices.byte();
        let front = self.datagrams.pop_front()?;
        match fate {
            // Delivered.
            0..=0xbf => Some(front),
            // Lost.
            0xc0..=0xc7 => None,
            // Delivered, and once more later.
            0xc8..=0xcf => {
                self.push(&front);
                Some(front)
            }
            // Overtaken by the newest.
            0xd0..=0xd7 => {
                let newest = self.datagrams.pop_back();
                self.datagrams.push_front(front);
                newest.or_else(|| self.datagrams.pop_front())
            }
            // Cut short.
            0xd8..=0xdf => {
                let mut datagram = front;
                datagram.truncate(usize::from(choices.u16()));
                Some(datagram)
            }
            // Changed in one to four places.
            _ => {
                let mut datagram = front;
                for _ in 0..=fate & 3 {
                    let len = datagram.len().max(1);
                    let at = usize::from(choices.u16()) % len;
                    let with = choices.byte();
                    if let Some(byte) = datagram.get_mut(at) {
                        *byte ^= with;
                    }
                }
                Some(datagram)
            }
        }
    }
}
