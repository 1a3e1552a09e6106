//! The model, going on in another process.

use super::{Bbr, Low, MAX_GROWTH, MAX_PATIENCE, Phase};
use crate::handover::{HandoverError, Reader, Writer};
use crate::send::congestion::handover::{HandOver, read_bytes, read_rate, read_rtt};

impl HandOver for Bbr {
    fn number(&self) -> u8 {
        2
    }

    fn hand_over(&self, out: &mut Writer) {
        for rate in self.rates {
            out.u64(rate);
        }
        out.option(self.min_rtt, |out, (rtt, seen)| {
            out.span(rtt);
            out.past(seen);
        });
        out.size(self.window);
        out.option(self.low, |out, low| {
            out.u64(low.rate);
            out.size(low.in_flight);
            out.flag(low.shared);
        });
        out.option(self.high, Writer::size);
        out.option(self.recent.complete, Writer::span);
        out.span(self.recent.jitter);
        out.flag(self.filled);
        out.u32(self.patience);
        out.u32(self.growth);
    }

    /// The place in the cycle is not kept: where the rate of the path is known, a cycle begins, and
    /// what a probe had too much in flight goes; else Startup does, from the window that it has.
    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        for rate in &mut self.rates {
            *rate = read_rate(from)?;
        }
        self.min_rtt = from.option(|from| Ok((read_rtt(from)?, from.past()?)))?;
        self.window = read_bytes(from)?.max(self.least());
        self.low = from.option(|from| {
            let (rate, in_flight) = (read_rate(from)?, read_bytes(from)?);
            Ok(Low { rate, in_flight, shared: from.flag()? })
        })?;
        self.high = from.option(read_bytes)?;
        self.recent.complete = from.option(read_rtt)?;
        self.recent.jitter = read_rtt(from)?;
        self.filled = from.flag()?;
        self.patience = from.u32()?.clamp(1, MAX_PATIENCE);
        self.growth = from.u32()?.min(MAX_GROWTH);
        if self.filled {
            self.phase = Phase::Down;
        }
        Ok(())
    }
}
