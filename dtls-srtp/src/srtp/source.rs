use super::{UnprotectError, index, replay::ReplayWindow};

/// What is remembered of one SSRC.
#[derive(Debug, Default)]
pub(super) struct Source {
    ssrc: u32,
    /// The rollover counter of the first RTP packet.
    pub(super) first_counter: u32,
    pub(super) rtp: ReplayWindow,
    pub(super) rtcp: ReplayWindow,
}

/// The sources of one direction, a bounded table sorted by SSRC.
///
/// A remote chooses the SSRCs, but cannot make a search in a sorted table slow. Most packets are
/// of the same source as the packet before, which is looked at first.
#[derive(Debug)]
pub(super) struct Sources {
    sorted: Vec<Source>,
    last: usize,
    max: usize,
}

/// Where a source is, or where it belongs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    Known(usize),
    Free(usize),
}

/// The table is full and the source is not in it.
#[derive(Debug)]
pub(super) struct Full;

impl Sources {
    pub(super) const fn new(max: usize) -> Self {
        Self { sorted: Vec::new(), last: 0, max }
    }

    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    #[inline]
    pub(super) fn find(&self, ssrc: u32) -> Result<Slot, Full> {
        if self.sorted.get(self.last).is_some_and(|source| source.ssrc == ssrc) {
            return Ok(Slot::Known(self.last));
        }
        match self.sorted.binary_search_by_key(&ssrc, |source| source.ssrc) {
            Ok(at) => Ok(Slot::Known(at)),
            Err(at) if self.sorted.len() < self.max => Ok(Slot::Free(at)),
            Err(_) => Err(Full),
        }
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> Option<&Source> {
        match slot {
            Slot::Known(at) => self.sorted.get(at),
            Slot::Free(_) => None,
        }
    }

    /// Returns the source in `slot`, making it if the slot is free: only for authenticated packets.
    #[inline]
    pub(super) fn get_or_insert(&mut self, slot: Slot, ssrc: u32) -> &mut Source {
        let at = match slot {
            Slot::Known(at) => at,
            Slot::Free(at) => {
                self.insert(at, ssrc);
                at
            }
        };
        self.last = at;
        self.sorted.get_mut(at).expect("a slot is used before the table changes")
    }

    #[cold]
    fn insert(&mut self, at: usize, ssrc: u32) {
        if self.sorted.is_empty() {
            // A call has audio and video, or a source alone: a growing vector would begin with
            // room for four.
            self.sorted.reserve_exact(2);
        }
        self.sorted.insert(at, Source { ssrc, ..Source::default() });
    }
}

impl Source {
    /// Returns the index of the RTP packet with this sequence number; `None` past the last.
    #[inline]
    pub(super) fn estimate(&self, sequence_number: u16) -> Option<u64> {
        index::estimate(self.rtp.newest(), self.first_counter, sequence_number)
    }

    /// The same, if a packet with it may still come.
    #[inline]
    pub(super) fn expect(
        &self,
        sequence_number: u16,
        window: usize,
    ) -> Result<u64, UnprotectError> {
        let index = self.estimate(sequence_number).ok_or(UnprotectError::TooOld)?;
        self.rtp.check(index, window)?;
        Ok(index)
    }
}
