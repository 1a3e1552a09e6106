//! Which records came before ([RFC 6347 §4.1.2.6](https://www.rfc-editor.org/rfc/rfc6347#section-4.1.2.6),
//! [RFC 9147 §4.5.1](https://www.rfc-editor.org/rfc/rfc9147#section-4.5.1)).

/// Which of the newest 128 records of an epoch came.
#[derive(Debug, Default)]
pub(crate) struct ReplayWindow {
    /// One more than the newest number; zero before the first.
    end: u64,
    /// Bit `n` is the record `end - 1 - n`.
    seen: u128,
}

impl ReplayWindow {
    /// One more than the newest number that came; zero before the first.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn is_new(&self, number: u64) -> bool {
        match self.end.checked_sub(number + 1) {
            None => true,
            Some(age) => age < u128::BITS.into() && self.seen >> age & 1 == 0,
        }
    }

    pub(crate) fn mark(&mut self, number: u64) {
        match self.end.checked_sub(number + 1) {
            None => {
                let steps = u32::try_from(number + 1 - self.end).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(steps).unwrap_or(0) | 1;
                self.end = number + 1;
            }
            Some(age) if age < u128::BITS.into() => self.seen |= 1 << age,
            Some(_) => (),
        }
    }
}
