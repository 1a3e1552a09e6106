//! The curve, going on in another process.

use super::{Cubic, Epoch};
use crate::handover::{HandoverError, Reader, Writer};
use crate::send::congestion::handover::{HandOver, read_float, read_rtt, write_float};

impl HandOver for Cubic {
    fn number(&self) -> u8 {
        1
    }

    fn hand_over(&self, out: &mut Writer) {
        // In bytes: packets may be of another size in the other process.
        let segment = self.segment as f64;
        let bytes = |out: &mut Writer, segments: f64| write_float(out, segments * segment);
        bytes(out, self.window);
        out.option(Some(self.threshold).filter(|threshold| threshold.is_finite()), bytes);
        bytes(out, self.w_max);
        bytes(out, self.w_est);
        out.option(self.epoch, |out, epoch| {
            out.past(epoch.start);
            write_float(out, epoch.k);
            bytes(out, epoch.window);
        });
        out.span(self.rtt);
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        let segment = self.segment as f64;
        let segments = |from: &mut Reader<'_>| read_float(from).map(|bytes| bytes / segment);
        self.window = segments(from)?.max(1.0);
        self.threshold = from.option(segments)?.unwrap_or(f64::INFINITY);
        self.w_max = segments(from)?;
        self.w_est = segments(from)?;
        self.epoch = from.option(|from| {
            Ok(Epoch { start: from.past()?, k: read_float(from)?, window: segments(from)? })
        })?;
        self.rtt = read_rtt(from)?;
        Ok(())
    }
}
