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

    pub(super) fn get(&self, ssrc: u32) -> Option<&Source> {
        let at = self.sorted.binary_search_by_key(&ssrc, |source| source.ssrc).ok()?;
        self.sorted.get(at)
    }

    /// Returns the source; for one that is not in the table, `fresh`, which
    /// [`keep`](Self::keep) puts in once its packet is authenticated.
    #[inline]
    pub(super) fn find<'s>(
        &'s mut self,
        ssrc: u32,
        fresh: &'s mut Option<Source>,
    ) -> Result<&'s mut Source, Full> {
        if self.sorted.get(self.last).is_none_or(|source| source.ssrc != ssrc) {
            match self.sorted.binary_search_by_key(&ssrc, |source| source.ssrc) {
                Ok(at) => self.last = at,
                Err(_) if self.sorted.len() >= self.max => return Err(Full),
                Err(_) => return Ok(fresh.insert(Source { ssrc, ..Source::default() })),
            }
        }
        self.sorted.get_mut(self.last).ok_or(Full)
    }

    #[inline]
    pub(super) fn keep(&mut self, fresh: Option<Source>) {
        if let Some(source) = fresh {
            self.insert(source);
        }
    }

    #[cold]
    fn insert(&mut self, source: Source) {
        if self.sorted.len() < 4 {
            // A call has audio and video, or a source alone: a growing vector would begin with
            // room for four.
            self.sorted.reserve_exact(1);
        }
        let at = self.sorted.partition_point(|own| own.ssrc < source.ssrc);
        self.sorted.insert(at, source);
        self.last = at;
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
