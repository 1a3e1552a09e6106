//! Giving up what matters less for what matters more
//! ([RFC 7496 §3.2](https://www.rfc-editor.org/rfc/rfc7496#section-3.2)).

use super::Queues;
use std::cmp::Reverse;

impl Queues {
    /// Makes room for `wanted` bytes and takes away `pieces` messages at least: gives up messages that
    /// matter less than one of `priority`, and of a reliable one when that is `None`; those that matter
    /// least first, and of these the oldest first. Gives how many; none, if they would not be enough.
    ///
    /// What has begun to leave stays: the peer has a part of it already.
    pub(crate) fn make_room(&mut self, wanted: usize, pieces: usize, priority: Option<u32>) -> u64 {
        if self.expendable == 0 {
            return 0;
        }
        let mut candidates = Vec::new();
        for (number, stream) in self.streams.iter_mut() {
            let queued = stream.queue.iter().filter(|message| message.is_expendable());
            candidates.extend(queued.filter_map(|message| {
                let other = message.priority()?;
                let matters_less = priority.is_none_or(|priority| other > priority);
                matters_less.then_some((Reverse(other), message.arrived, number, message.len))
            }));
        }
        candidates.sort_unstable();
        let mut freed = 0;
        let enough = candidates.iter().zip(1..).position(|((.., len), count)| {
            freed += len;
            freed >= wanted && count >= pieces
        });
        let Some(last) = enough else { return 0 };
        candidates.truncate(last + 1);
        for (_, arrived, number, _) in &candidates {
            self.evict(*number, *arrived);
        }
        candidates.len() as u64
    }

    /// Drops the message of a stream that came as the `arrived`-th of all.
    fn evict(&mut self, number: u16, arrived: u64) {
        let Some(stream) = self.streams.get_mut(number) else { return };
        let Ok(index) = stream.queue.binary_search_by_key(&arrived, |message| message.arrived)
        else {
            return;
        };
        if index == 0 {
            return self.drop_front(number);
        }
        if let Some(message) = stream.queue.remove(index) {
            stream.buffered -= message.counted(message.len);
            self.bytes -= message.len;
            self.expendable -= 1;
            self.pieces -= message.pieces();
            self.check_low(number);
        }
    }
}
